"""What is compared does the same work: every step goes from the same parameters to the same ones."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.mnist import Net
from tests.benchmarks import compiler, gpu, hand, nets, own, peers
from tests.benchmarks.__main__ import FACTOR, HEADS, depth, main, scalar, sizes
from tests.benchmarks.comparison import BY_HAND, FLOOR, OWN, Result, Size, Work, compare
from tests.benchmarks.measure import LR, alternate, median, ratio
from tinygrad_lite.compiler.passes import PASSES
from tinygrad_lite.compiler.program import PHASES
from tinygrad_lite.support import devices as device

RNG = np.random.default_rng(1)
IMAGES = RNG.random((20, 784), dtype=np.float32) * (RNG.random((20, 784)) < 0.2)
TARGETS = np.eye(10, dtype=np.float32)[RNG.integers(10, size=20)]
START = hand.initial_parameters(seed=2)
NETS = {"784-90-10": START, "784-30-20-10": hand.initial_parameters(seed=2, hidden=(30, 20))}
TRAIN = {name: make for name, make in OWN.items() if name != FLOOR} | peers.STEPS

# Some warn while they are imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@cache
def after_two_steps(net: str) -> tuple[list[float], list[np.ndarray]]:
    """Return the library's losses before the first step and before the second, and its weights after them."""
    step = own.OwnStep(NETS[net])
    return [step.run(IMAGES, TARGETS).item() for _ in range(2)], step.weights()


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", TRAIN)
def test_a_step_has_the_losses_and_weights_of_the_library(name: str, net: str) -> None:
    expected_losses, expected_weights = after_two_steps(net)
    try:
        step = TRAIN[name](NETS[net])
        (batch,) = step.batches(IMAGES[None], TARGETS[None])
        losses = [step.run(*batch).item() for _ in range(2)]
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    except peers.Unavailable as error:
        pytest.skip(str(error))
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for theirs, ours in zip(step.weights(), expected_weights, strict=True):
        assert theirs.dtype == (np.float64 if name.endswith("float64") else np.float32)
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-6)


def test_an_epoch_compiled_is_its_steps_one_after_another() -> None:
    try:
        steps, epoch = peers.JaxStep(START), peers.JaxScanStep(START)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    batches = np.stack([IMAGES, IMAGES[::-1]]), np.stack([TARGETS, TARGETS[::-1]])
    losses = [steps.run(*batch).item() for batch in steps.batches(*batches)]
    (epoch_s_batches,) = epoch.batches(*batches)
    np.testing.assert_allclose(epoch.run(*epoch_s_batches), losses, rtol=1e-5)
    for one, other in zip(steps.weights(), epoch.weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_sample_by_sample_has_the_loss_and_weights_of_the_library() -> None:
    expected_losses, expected_weights = after_two_steps("784-90-10")
    net = hand.SampleBySample(START)
    losses = [net.step(IMAGES, TARGETS) for _ in range(2)]
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for theirs, ours in zip(net.parameters, expected_weights, strict=True):
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


@pytest.mark.parametrize("net", NETS)
def test_the_floor_changes_nothing(net: str) -> None:
    step = hand.FloorStep(NETS[net])
    step.run(*step.batch(IMAGES, TARGETS))
    for before, after in zip(NETS[net], step.weights(), strict=True):
        np.testing.assert_array_equal(before.astype(np.float32), after)


class Counted(np.ndarray):
    """An array whose matrix products are noted."""

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        PRODUCTS.append((*self.shape, other.shape[1]))
        return np.matmul(np.asarray(self), np.asarray(other)).view(Counted)


PRODUCTS: list[tuple[int, ...]] = []


@pytest.mark.parametrize("net", NETS)
def test_the_floor_has_the_products_of_a_step(net: str) -> None:
    parameters = [p.copy().view(Counted) for p in NETS[net]]
    PRODUCTS.clear()
    hand.vectorised(parameters, IMAGES.view(Counted), TARGETS.view(Counted))
    of_a_step = PRODUCTS.copy()
    PRODUCTS.clear()
    outputs = [np.ones((len(IMAGES), len(b))).view(Counted) for b in parameters[1::2]]
    hand.floor(parameters, [IMAGES.view(Counted), *outputs])
    assert sorted(PRODUCTS) == sorted(of_a_step)
    assert len(PRODUCTS) == 3 * len(outputs) - 1


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


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure little, without other libraries."""
    monkeypatch.setattr("tests.benchmarks.comparison.SAMPLES", 60)
    monkeypatch.setattr(peers, "STEPS", {"MyGrad": peers.MygradStep})
    monkeypatch.setitem(sys.modules, "mygrad", None)


@pytest.mark.usefixtures("small")
def test_the_command_prints_a_table_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["step", "--rounds", "1", "--batch-size", "2", "--hidden", "5", "4"]) == 0
    out = capsys.readouterr().out
    assert f"NumPy {np.__version__}" in out
    for text in (*OWN, *HEADS, "784-5-4-10, batch 2", "MyGrad is left out: mygrad is not installed"):
        assert text in out


@pytest.mark.usefixtures("small")
def test_sizes_stand_beside_one_another() -> None:
    text = sizes(rounds=1, compared=(Size(3, (4,)), Size(2, (6, 5))))
    for head in HEADS:
        assert head in text
    lines = text.splitlines()
    assert sum(line.endswith("784-4-10, batch 3  784-6-5-10, batch 2") for line in lines) == len(HEADS)
    assert sum(line.startswith("tinygrad_lite jit ") for line in lines) == len(HEADS)
    assert text.count("MyGrad is left out") == 1


@pytest.mark.usefixtures("small")
def test_results_are_medians_and_ratios_to_the_references() -> None:
    (found,), _ = compare([Size(2, (5,))], rounds=3)
    assert list(found) == list(OWN)
    assert found[FLOOR].times_floor == found[BY_HAND].times_by_hand == 1
    times = {FLOOR: [1e-6], BY_HAND: [2e-6], "who": [4e-6]}
    assert Result.of(times, "who") == pytest.approx((4, 2, 4))


def test_the_parts_of_a_compiled_step_add_up() -> None:
    work = Work(Size(10, (6, 5)))
    step = compiler.compiled_to(compiler.LAST, work.parameters, work.batch)
    (compiled,) = step.step.programs
    clocked = compiler.Clocked(compiled)
    losses = [clocked.run(*work.batch).item() for _ in range(30)]
    assert losses[-1] < losses[0]
    whole = 1_000.0
    parts, lines = compiler.whereabouts(clocked, whole)
    assert sum(parts.values()) == pytest.approx(2 * parts[compiler.STEP])
    assert parts[compiler.STEP] == whole
    assert sum(line.kind == compiler.PRODUCTS for line, _ in lines) == 3 * 3 - 1
    assert [line.phase for line, _ in lines] == sorted((line.phase for line, _ in lines), key=PHASES.index)
    assert {line.text.partition("  #")[0] for line, _ in lines} <= {
        line.partition("  #")[0].strip() for line in compiled.source.splitlines()
    }


@pytest.mark.parametrize("stage", compiler.STAGES)
def test_every_stage_of_the_compiler_computes_the_same(stage: str) -> None:
    losses, weights = after_two_steps("784-90-10")
    step = compiler.compiled_to(stage, START, (IMAGES, TARGETS))
    assert step.run(IMAGES, TARGETS).item() == pytest.approx(losses[1], rel=1e-5)
    for theirs, ours in zip(step.weights(), weights, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-6)


def test_stages_of_the_compiler_differ() -> None:
    recorded, simplified, planned = (
        compiler.compiled_to(stage, START, (IMAGES, TARGETS)).step.programs[0] for stage in compiler.STAGES
    )
    assert len(recorded.program.instructions) > len(simplified.program.instructions)
    assert "out=" not in simplified.source
    assert "out=" in planned.source


def test_the_times_of_the_compiler_add_up() -> None:
    times = compiler.compile_times(START, (IMAGES, TARGETS), rounds=1)
    assert list(times)[-1] == compiler.ALL
    assert {"record", "plan", *(f"simplify: {simplification.__name__}" for simplification in PASSES)} < times.keys()
    assert min(times.values()) > 0
    assert sum(times.values()) == pytest.approx(2 * times[compiler.ALL])


@pytest.mark.usefixtures("small")
def test_the_compiler_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jit", "--rounds", "1", "--batch-size", "2", "--hidden", "5", "4"]) == 0
    out = capsys.readouterr().out
    for text in ("784-5-4-10, batch 2", "simplify: fold_factors", *compiler.STAGES, compiler.STEP, FLOOR, "np.dot("):
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


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the stand-in of the device's tests, and PyTorch on the CPU, be a GPU; return when it was waited for."""
    monkeypatch.setitem(device.MODULES, "standin", "tests.devices.standin")
    monkeypatch.setattr("tests.benchmarks.comparison.SAMPLES", 60)
    calls: list[str] = []
    monkeypatch.setattr(gpu, "found", lambda: gpu.Gpu("standin", "cpu", "a stand-in", lambda: calls.append("wait")))
    return calls


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("name", ["tinygrad_lite eager", "tinygrad_lite jit", gpu.REFERENCE])
def test_a_step_on_a_device_has_the_losses_and_weights_of_the_library(name: str) -> None:
    expected_losses, expected_weights = after_two_steps("784-30-20-10")
    try:
        step = gpu.steps(gpu.found())[name](NETS["784-30-20-10"])
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    (batch,) = step.batches(IMAGES[None], TARGETS[None])
    losses = [step.run(*batch).item() for _ in range(2)]
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for theirs, ours in zip(step.weights(), expected_weights, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-6)
    if isinstance(step, own.OwnStep):
        assert {p.device for p in step.net.parameters()} == {"standin"}
        assert type(batch[0]).__module__ == "tests.devices.standin"


def test_steps_on_a_device_stand_beside_one_another(
    waits: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(gpu, "SIZES", (Size(3, (4,)), Size(2, (6, 5))))
    monkeypatch.setattr(peers.TorchCompiledStep, "__init__", _unavailable)
    assert main(["gpu", "--rounds", "2"]) == 0
    out = capsys.readouterr().out
    for text in ("784-4-10, batch 3", "784-6-5-10, batch 2", "on a stand-in", "tinygrad_lite jit"):
        assert text in out
    assert out.count("PyTorch compiled is left out: no compiler") == 1
    (reference,) = {line.split()[-1] for line in out.splitlines() if line.startswith(f"{gpu.REFERENCE} ")}
    assert reference == "1.00"
    # Three candidates at two sizes, each in a first round and two more, in each once before it is timed.
    assert len(waits) == 3 * 2 * 3 * 2


def _unavailable(*args: object) -> None:
    raise peers.Unavailable("no compiler")


@pytest.mark.parametrize(
    ("module", "message"),
    [("tests.devices.not_installed", r"the device 'cuda' needs .*pip install"), ("tests.devices.standin", "PyTorch")],
)
def test_without_a_gpu_it_says_so_in_a_line(
    module: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(device.MODULES, "cuda", module)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["gpu"]) == 2
    out, error = capsys.readouterr()
    assert not out
    assert re.fullmatch(rf"python -m tests.benchmarks: {message}.*\n", error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("step --rounds=0", "at least 1"),
        ("step --rounds=two", "at least 1"),
        ("jit --batch-size=-1", "at least 1"),
        ("step --hidden 90 0", "at least 1"),
        ("scalar --batch-size 10", "scalar takes no --batch-size"),
        ("sizes --hidden 10", "sizes takes no --hidden"),
        ("steps", "invalid choice: 'steps'"),
    ],
)
def test_what_is_wrong_with_the_options_is_said_in_a_line(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments.split())
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("net", nets.BATCHES)
@pytest.mark.parametrize("who", [nets.EAGER, *nets.PACKAGES])
def test_all_candidates_train_the_larger_nets(net, who):
    for package in nets.PACKAGES.get(who, []):
        pytest.importorskip(package)
    step, x = nets.step_of(net, who), np.random.default_rng(0).random(nets.BATCHES[net], np.float32)
    losses = [float(step(x).item()) for _ in range(6)]
    assert losses[-1] < losses[0]
