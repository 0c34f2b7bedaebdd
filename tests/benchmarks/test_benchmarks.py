"""What is compared does the same work, each command prints its table, and no order is told that was not measured."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import harness, nets, steps
from tests.benchmarks.harness import Candidate, is_faster, places, ratios
from tests.benchmarks.libraries import by_hand, compiler, ours
from tests.benchmarks.steps import FACTOR, Size
from tests.benchmarks.worker import Worker
from tests.devices import standin
from tests.parallel.launch import needs_mpi
from tinygrad_lite.support import devices

# Some warn while they are imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SMALL, DEEP = Size(20), Size(20, (30, 20, 10, 5))


def made(candidate: Candidate, *arguments: Any, **options: Any) -> Any:
    """Return what a candidate makes, in this process."""
    try:
        module = importlib.import_module(f"tests.benchmarks.libraries.{candidate.library}")
        return getattr(module, candidate.make)(*arguments, **candidate.options, **options)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")


def after_two_steps(step: steps.Step) -> tuple[list[float], list[np.ndarray]]:
    """Return the losses before the first step and before the second, and the weights after them."""
    images, targets = (step.array(x) if step.is_epoch else x for x in (y[:2] for y in step.size.batches()))
    if step.is_epoch:
        losses = step.run(images, targets)
    else:
        losses = [step.run(*map(step.array, batch)) for batch in zip(images, targets, strict=True)]
    return [loss.item() for loss in losses], [np.array(w) for w in step.weights()]


@pytest.mark.parametrize("size", [SMALL, DEEP], ids=str)
@pytest.mark.parametrize("name", [name for name in command.STEPS if name != command.FLOOR])
def test_a_step_has_the_losses_and_weights_of_the_library(name: str, size: Size) -> None:
    expected_losses, expected_weights = after_two_steps(ours.eager(size))
    losses, weights = after_two_steps(made(command.STEPS[name], size))
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for theirs, of_ours in zip(weights, expected_weights, strict=True):
        assert theirs.dtype == (np.float64 if name.endswith("float64") else np.float32)
        np.testing.assert_allclose(theirs, of_ours, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", command.CHAINS)
def test_a_chain_has_the_derivative_of_a_power(name: str) -> None:
    assert float(made(command.CHAINS[name], 100)()) == pytest.approx(FACTOR**100, rel=1e-5)


@pytest.mark.parametrize("net", nets.BATCHES)
@pytest.mark.parametrize("name", command.NETS)
def test_a_larger_net_has_the_losses_of_the_library(name: str, net: str) -> None:
    steps_of_both = made(command.NETS[name], net), ours.net(net)
    losses, expected = ([step().item() for _ in range(3)] for step in steps_of_both)
    np.testing.assert_allclose(losses, expected, rtol=2e-4)  # GELU by tanh differs so much from that by erf
    np.testing.assert_allclose(np.diff(losses), np.diff(expected), rtol=1e-3)
    assert losses[-1] < losses[0]


class Counted(np.ndarray):
    """An array whose matrix products are noted."""

    products: list[tuple[int, ...]] = []  # noqa: RUF012

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        self.products.append((*self.shape, other.shape[1]))
        return np.matmul(np.asarray(self), np.asarray(other)).view(Counted)


@pytest.mark.parametrize("size", [SMALL, DEEP], ids=str)
def test_the_floor_has_the_products_of_a_step_and_changes_nothing(size: Size, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = size.parameters()
    monkeypatch.setattr(Size, "parameters", lambda size, dtype=None: [p.copy().view(Counted) for p in parameters])
    batch = [x[0].view(Counted) for x in size.batches()]
    found = []
    for step in (by_hand.vectorised(size), by_hand.floor(size)):
        Counted.products.clear()
        step.run(*batch)
        found.append(sorted(Counted.products))
    assert found[0] == found[1]
    assert len(found[0]) == 3 * len(size.widths) - 4
    assert all(np.array_equal(*pair) for pair in zip(step.weights(), parameters, strict=True))


STEADY = [1.00, 1.01, 0.99, 1.02, 0.98]


def test_an_order_is_told_where_the_difference_is_wider_than_the_spread() -> None:
    times = {"a": STEADY, "b": [2 * t for t in STEADY], "c": [1.01 * t for t in reversed(STEADY)]}
    assert ratios(times, "b", "a") == pytest.approx([2] * 5)
    assert is_faster(times, "a", "b")
    assert not is_faster(times, "b", "a")
    assert not is_faster(times, "a", "c")  # by 1 %, where the ratios spread over 7 %
    assert places(times) == {"a": (1, 2), "b": (3, 3), "c": (1, 2)}


@pytest.mark.parametrize("other", [[9.0] * 4, [1.1, 3.0, 1.2, 2.0, 1.0]], ids=["few turns", "turns that spread"])
def test_no_order_is_told_from(other: list[float]) -> None:
    times = {"a": [1.0] * len(other), "b": other}
    assert not is_faster(times, "a", "b")
    assert places(times) == {"a": (1, 2), "b": (1, 2)}


class Here:
    """A candidate in this process, in place of one of its own."""

    turns: list[str] = []  # noqa: RUF012

    def __init__(self, candidate: Candidate, args: Any) -> None:
        self.make, self.worker = candidate.make, Worker(*candidate[:3])

    def tell(self, order: dict[str, Any]) -> None:
        self.order = json.loads(json.dumps(order))
        self.turns += [self.make] * ("calls" in order)

    def answer(self) -> dict[str, Any]:
        return self.worker.answer(self.order)

    def end(self) -> None:
        pass


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure little, in this process, without other libraries."""
    monkeypatch.setattr(harness, "Process", Here)
    monkeypatch.setattr(harness, "TURN", 1e-6)
    monkeypatch.setattr(harness, "REST", 0)
    monkeypatch.setattr(steps, "SAMPLES", 60)
    for sizes in ("SIZES", "SIZES_ON_GPU"):
        monkeypatch.setattr(command, sizes, (Size(3, (8, 4, 3)), Size(2, (9, 6, 5, 4))))
    # The stand-in of the device's tests is a GPU.
    monkeypatch.setitem(devices.MODULES, "cuda", "tests.devices.standin")
    waiting = SimpleNamespace(synchronize=lambda: Here.turns.append("wait"))
    monkeypatch.setattr(standin.cuda, "Device", lambda: waiting, raising=False)
    for name in ("torch", "jax", "mygrad", "autograd", "advect", "numpygrad"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, f"tests.benchmarks.libraries.{name}", raising=False)
    Here.turns.clear()


TINY = ["--rounds", "1", "--processes", "1"]
TABLES = {
    "step --batch-size 2 --hidden 5 4": ["784-5-4-10, batch 2", command.JIT, command.FLOOR, "jax is not installed"],
    "sizes": ["8-4-3, batch 3", "9-6-5-4, batch 2", "times NumPy by hand", "torch is not installed", "≈"],
    "jit --hidden 5": ["the first call", "np.dot(", compiler.ENTERING, "products"],
    "scalar": ["Python floats", "1,000 in a chain", "mygrad is not installed"],
    "gpu": ["8-4-3, batch 3", "on a GPU", command.JIT, command.EAGER, "torch is not installed"],
    "nets --only eager": list(nets.BATCHES),
    "own --only this": ["jit, 8-4-3, batch 3", "eager, 9-6-5-4, batch 2", "a scalar"],
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("arguments", TABLES)
def test_each_command_prints_its_table(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([*arguments.split(), *TINY]) == 0
    out = capsys.readouterr().out
    for text in [*TABLES[arguments], f"NumPy {np.__version__}", "1 processes of each, 1 turns a process"]:
        assert text in out
    assert ("wait" in Here.turns) == (arguments == "gpu")


@pytest.mark.usefixtures("small")
def test_candidates_have_their_turns_one_after_another_and_json_has_all_of_them(tmp_path: Path) -> None:
    files = ["--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png")]
    only = ["--only", "NumPy by hand", "products", "--hidden", "4", "--rounds", "2", "--processes", "3"]
    assert command.main(["step", *only, *files]) == 0
    assert Here.turns == ["floor", "vectorised"] * 9  # those that tell how many calls fill a turn, too
    assert (tmp_path / "a.png").stat().st_size > 1_000
    told = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert told["machine"] == harness.machine()
    (found,) = told["benchmarks"]
    (case,) = found["wall"]
    assert found["environments"].keys() == found["wall"][case].keys() == found["figures"][case].keys()
    for who, figures in found["figures"][case].items():
        assert len(found["wall"][case][who]) == len(found["cpu"][case][who]) == 6
        assert figures["wall"] == pytest.approx(np.percentile(found["wall"][case][who], (50, 10, 90)))
        assert figures["ratio"][0] == pytest.approx(np.median(ratios(found["wall"][case], who, command.BY_HAND)))
    assert found["left_out"] == {}


def test_each_candidate_has_a_process_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--only", "products", "jit, an", "JAX, a step", "--python", "by_hand=" + sys.executable, "jax=false"]
    assert command.main(["step", "--batch-size", "5000", "--hidden", "4", "--threads", "1", *only, *TINY]) == 0
    out = capsys.readouterr().out
    assert "threads: 1" in out
    assert "left out, because its process ended" in out


@needs_mpi
@pytest.mark.whole
def test_ranks_are_compared(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "SIZES_OF_RANKS", (Size(5_000, (4, 3)),))
    monkeypatch.setattr(command, "MESSAGES", (10,))
    assert command.main(["parallel", *TINY]) == 0
    out = capsys.readouterr().out
    for text in ("4-3, batch 5,000", "one process", "2 ranks", "in all-reduce", "An all-reduce"):
        assert text in out


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("gpu", "the device 'cuda' needs"),
        ("run --only hand", "MNIST"),
        ("parallel", "parallel starts the ranks itself: python -m tests.benchmarks parallel --ranks 2"),
        ("step --rounds=0", "at least 1"),
        ("step --json nowhere/a.json", "there is no folder nowhere: make it first"),
        ("step --plot nowhere/a.png", "there is no folder nowhere: make it first"),
        ("steps", "invalid choice: 'steps'"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_line(
    arguments: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TINYGRAD_LITE_DATA", str(tmp_path))
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(devices.MODULES, "cuda", "tests.devices.not_installed")
    with pytest.raises(SystemExit, match="2"):
        sys.exit(command.main(arguments.split()))
    out, error = capsys.readouterr()
    assert not out
    assert message in error
    assert error.count("\n") == 1
