"""Comparing the training step: everyone's, at any size, in turn."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from tests.benchmarks import hand, own, peers
from tests.benchmarks.measure import Step, Times, alternate, median, ratio

MakeStep = Callable[[list[np.ndarray]], Step]

SAMPLES = 20_000  # more than the processor's cache holds, as in training
STEPS_A_TURN = 100
FLOOR, BY_HAND = "the matrix products alone (the floor)", "NumPy by hand, vectorised"
OWN: dict[str, MakeStep] = {
    FLOOR: hand.FloorStep,
    BY_HAND: hand.VectorisedStep,
    "NumPy by hand, out= everywhere": hand.InPlaceStep,
    "tinygrad_lite eager": own.OwnStep,
    "tinygrad_lite jit": own.JitStep,
    "NumPy by hand, float64": lambda parameters: hand.VectorisedStep(parameters, np.float64),
}


class Size(NamedTuple):
    """How large a step is."""

    batch_size: int = 100
    hidden: tuple[int, ...] = (90,)

    def __str__(self) -> str:
        return f"{'-'.join(map(str, (784, *self.hidden, 10)))}, batch {self.batch_size:,}"


class Work:
    """What the steps of one size are measured on: parameters to start from, and batches of random images."""

    def __init__(self, size: Size) -> None:
        rng = np.random.default_rng(0)
        n = max(1, SAMPLES // size.batch_size)
        self.steps_a_turn = min(n, STEPS_A_TURN)
        self.parameters = hand.initial_parameters(hidden=size.hidden)
        self.images = rng.random((n, size.batch_size, 784), dtype=np.float32)
        self.targets = np.eye(10, dtype=np.float32)[rng.integers(10, size=(n, size.batch_size))]

    @property
    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """The first batch."""
        return self.images[0], self.targets[0]

    def turns(self, step: Step) -> Callable[[], Any]:
        """Return the function that does a turn's steps, each on the next batch, when all has been done once."""
        n = self.steps_a_turn
        starts = range(0, len(self.images) - n + 1, n)
        parts = [step.batches(self.images[i : i + n], self.targets[i : i + n]) for i in starts]
        turns = itertools.cycle(parts)

        def turn() -> Any:
            for batch in next(turns):
                result = step.run(*batch)
            return result

        turn()
        return turn

    def measure(self, turns: Mapping[str, Callable[[], Any]], rounds: int) -> Times:
        """Return the seconds a step of each candidate, of each turn."""
        times = alternate(turns, rounds, 1)
        return {name: [seconds / self.steps_a_turn for seconds in found] for name, found in times.items()}


class Result(NamedTuple):
    """How long a step takes, in microseconds, and how many times as long as the references."""

    microseconds: float
    times_by_hand: float
    times_floor: float

    @classmethod
    def of(cls, times: Times, name: str) -> Self:
        """Return the result of one of the candidates."""
        return cls(median(times, name), ratio(times, name, BY_HAND), ratio(times, name, FLOOR))

    def cells(self) -> list[str]:
        """Return it as it stands in tables."""
        return [f"{self.microseconds:.0f}", f"{self.times_by_hand:.2f}", f"{self.times_floor:.2f}"]


def available(makers: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], str]:
    """Return what each maker makes, and a line for each whose library is not there, or cannot do it."""
    found, lines = {}, []
    for name, make in makers.items():
        try:
            found[name] = make()
        except ModuleNotFoundError as error:
            lines.append(f"{name} is left out: {error.name} is not installed (pip install -e '.[bench]' has it).\n")
        except peers.Unavailable as error:
            lines.append(f"{name} is left out: {error}\n")
    return found, "".join(lines)


def compare(sizes: Sequence[Size], rounds: int) -> tuple[list[dict[str, Result]], str]:
    """Compare all steps at each size.

    Parameters
    ----------
    sizes : sequence of Size
        How large the steps are.
    rounds : int
        How often each has its turn.

    Returns
    -------
    list of dict of str to Result, str
        The results of each size, and a line for each library that is left out.
    """
    references = {name: OWN[name] for name in (FLOOR, BY_HAND)}
    # The peers come after: once imported, their threads and the objects they keep slow down whatever runs beside them.
    ours = [_compare(size, OWN, rounds)[0] for size in sizes]
    others = [_compare(size, references | peers.STEPS, rounds) for size in sizes]
    missing = dict.fromkeys(lines for _, lines in others)
    # Ours stand before the others, and count where both were measured.
    return [own | found | own for own, (found, _) in zip(ours, others, strict=True)], "".join(missing)


def _compare(size: Size, steps: Mapping[str, MakeStep], rounds: int) -> tuple[dict[str, Result], str]:
    """Compare these steps, among them the two that are referred to."""
    work = Work(size)
    turns, missing = available(
        {name: lambda make=make: work.turns(make(work.parameters)) for name, make in steps.items()}
    )
    times = work.measure(turns, rounds)
    return {name: Result.of(times, name) for name in turns}, missing
