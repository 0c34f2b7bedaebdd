"""What is compared does the same work: every step goes from the same parameters to the same ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.mnist import Net
from tests.benchmarks import hand, own, peers
from tests.benchmarks.__main__ import FACTOR, depth, main, scalar
from tests.benchmarks.measure import LR, alternate, median, ratio
from tinygrad_lite.nn.functional import squared_loss

RNG = np.random.default_rng(1)
IMAGES = RNG.random((20, 784), dtype=np.float32) * (RNG.random((20, 784)) < 0.2)
TARGETS = np.eye(10, dtype=np.float32)[RNG.integers(10, size=20)]
START = hand.initial_parameters(seed=2)

# Some warn while they are imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def own_step() -> own.OwnStep:
    """Return the library's step after two steps."""
    step = own.OwnStep(START)
    for _ in range(2):
        step.run(IMAGES, TARGETS)
    return step


def own_losses() -> list[float]:
    """Return the library's losses before the first step and before the second."""
    step, losses = own.OwnStep(START), []
    for _ in range(2):
        losses.append(squared_loss(step.net(IMAGES), TARGETS).item())
        step.run(IMAGES, TARGETS)
    return losses


STEPS = {"vectorised": hand.VectorisedStep, "float64": lambda p: hand.VectorisedStep(p, np.float64)} | peers.STEPS


@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_the_losses_and_weights_of_the_library(name: str, own_step: own.OwnStep) -> None:
    try:
        step = STEPS[name](START)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    batch = step.batch(IMAGES, TARGETS)
    losses = [step.run(*batch).item() for _ in range(2)]
    np.testing.assert_allclose(losses, own_losses(), rtol=1e-5)
    for theirs, ours in zip(step.weights(), own_step.weights(), strict=True):
        assert theirs.dtype == (np.float64 if name == "float64" else np.float32)
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-6)


def test_sample_by_sample_has_the_loss_and_weights_of_the_library(own_step: own.OwnStep) -> None:
    net = hand.SampleBySample(START)
    losses = [net.step(IMAGES, TARGETS) for _ in range(2)]
    np.testing.assert_allclose(losses, own_losses(), rtol=1e-5)
    for theirs, ours in zip(net.parameters, own_step.weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-6)


def test_sample_by_sample_has_the_gradients_of_vectorised_in_float64() -> None:
    _, gradients = hand.SampleBySample.gradients(START, IMAGES, TARGETS)
    moved = [p.copy() for p in START]
    hand.vectorised(moved, IMAGES.astype(np.float64), TARGETS.astype(np.float64))
    for start, end, gradient in zip(START, moved, gradients, strict=True):
        np.testing.assert_allclose(end, start - LR * gradient, rtol=1e-12, atol=1e-14)


def test_the_net_by_hand_starts_like_the_library_s() -> None:
    for theirs, ours in zip(hand.initial_parameters(seed=0), Net(rng=0).parameters(), strict=True):
        np.testing.assert_array_equal(theirs.astype(np.float32), ours.numpy())


def test_sample_by_sample_learns() -> None:
    class Digits:
        images, labels = IMAGES, TARGETS.argmax(axis=1)

    net = hand.SampleBySample(START)
    history = list(net.train(Digits, Digits, epochs=15, batch_size=10))
    assert len(history) == 15
    assert history[-1] == (net.accuracy(IMAGES, Digits.labels),) * 2
    assert history[-1][0] > max(history[0][0], 0.5)


def test_the_floor_changes_nothing() -> None:
    step = hand.FloorStep(START)
    step.run(*step.batch(IMAGES, TARGETS))
    for before, after in zip(START, step.weights(), strict=True):
        np.testing.assert_array_equal(before.astype(np.float32), after)


@pytest.mark.parametrize("name", ["by hand", "own", *peers.CHAINS])
def test_a_chain_has_the_derivative_of_a_power(name: str) -> None:
    chain = {"by hand": hand.chain, "own": own.chain, **peers.CHAINS}[name]
    try:
        derivative = float(chain(100, FACTOR))
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    assert derivative == pytest.approx(FACTOR**100, rel=1e-5)


def test_values_sum_the_gradients_of_all_paths() -> None:
    x, y = hand.Value(3.0), hand.Value(-2.0)
    z = x * y + x * x + 1.0
    z.backward()
    assert (z.data, x.grad, y.grad) == (4.0, 4.0, 3.0)


def test_candidates_have_their_turns_one_after_another() -> None:
    calls: list[str] = []
    times = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2, repeats=2)
    assert "".join(calls) == "aaabbb" * 3
    assert {name: len(found) for name, found in times.items()} == {"a": 2, "b": 2}


def test_medians_are_in_microseconds_and_ratios_are_those_of_each_round() -> None:
    times = {"a": [1e-6, 4e-6, 3e-6], "b": [1e-6, 2e-6, 6e-6]}
    assert median(times, "a") == pytest.approx(3)
    assert ratio(times, "a", "b") == pytest.approx(1)


def test_the_command_prints_a_table_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["step", "--rounds", "1", "--batch-size", "2"]) == 0
    out = capsys.readouterr().out
    assert f"NumPy {np.__version__}" in out
    for text in ("tinygrad_lite eager", "times the floor", "NumPy by hand, float64", "batches of 2"):
        assert text in out


def test_scalar_and_depth_are_reported() -> None:
    assert "tinygrad_lite" in scalar(rounds=1, length=50)
    assert "2,000" in depth(rounds=1, lengths=(1_000, 2_000))


def test_a_library_that_is_missing_is_left_out_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mygrad", None)
    assert "MyGrad is left out: mygrad is not installed" in scalar(rounds=1, length=10)


def test_without_mnist_the_whole_program_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path))
    command = [sys.executable, "-m", "tests.benchmarks", "run"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "MNIST" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize("rounds", ["0", "-1", "two"])
def test_rounds_must_be_a_positive_number(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["step", f"--rounds={rounds}"])
    assert "at least 1" in capsys.readouterr().err
