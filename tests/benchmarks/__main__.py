"""How fast the library is: ``python -m tests.benchmarks [step|scalar|depth|run]``."""

from __future__ import annotations

import argparse
import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.benchmarks import hand, own, peers
from tests.benchmarks.measure import Step, Times, alternate, median, ratio, report

BATCHES = 200  # more than the processor's cache holds, as in training
STEPS_A_TURN = 100
OPERATIONS_A_TURN = 100_000
FACTOR = 1 + 2.0**-20  # a number of float32 whose millionth power is no larger than e
ROOT = Path(__file__).parents[2]
OURS, BY_HAND = "tinygrad_lite, models.mnist", "NumPy by hand, a sample at a time"
PROGRAMS = {OURS: ["-m", "models.mnist", "--data", "mnist", "--out"], BY_HAND: ["-m", "tests.benchmarks.hand"]}
RUNS_A_TURN = {OURS: 5, BY_HAND: 1}  # the short one more often, or the machine's moods would decide


def step(rounds: int = 30, batch_size: int = 100) -> str:
    """Compare one training step of the net of `models.mnist`, of random images."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCHES, batch_size, 784), dtype=np.float32)
    targets = np.eye(10, dtype=np.float32)[rng.integers(10, size=(BATCHES, batch_size))]
    parameters = hand.initial_parameters()

    floor, by_hand, ours = "the five matrix products alone", "NumPy by hand, vectorised", "tinygrad_lite eager"
    steps: dict[str, Step] = {
        floor: hand.FloorStep(parameters),
        by_hand: hand.VectorisedStep(parameters),
        ours: own.OwnStep(parameters),
        "NumPy by hand, float64": hand.VectorisedStep(parameters, np.float64),
    }

    def endless(step: Step) -> Callable[[], Any]:
        turns = itertools.cycle([step.batch(*batch) for batch in zip(images, targets, strict=True)])
        return lambda: step.run(*next(turns))

    def row(name: str, times: Times) -> tuple[str, ...]:
        ratios = [f"{ratio(times, name, reference):.2f}" for reference in (by_hand, floor)]
        return name, f"{median(times, name):.0f}", *ratios

    # The peers come after: once imported, their threads and the objects they keep slow down whatever runs beside them.
    times = alternate({name: endless(step) for name, step in steps.items()}, rounds, STEPS_A_TURN)
    found, missing = _installed({name: lambda make=make: make(parameters) for name, make in peers.STEPS.items()})
    others = {name: steps[name] for name in (floor, by_hand)} | found
    times_of_others = alternate({name: endless(step) for name, step in others.items()}, rounds, STEPS_A_TURN)
    rows = [("who", "µs a step", "times NumPy by hand", "times the floor")]
    rows += [row(name, times) for name in steps] + [row(name, times_of_others) for name in found]
    title = f"One training step of the 784-90-10 net, batches of {batch_size}, float32 but where it says otherwise"
    return report(title, rows) + missing


def scalar(rounds: int = 30, length: int = 1000) -> str:
    """Compare one operation on a scalar, forward and backward, in a chain of them."""
    floats, ours = "Python floats, as in micrograd", "tinygrad_lite"

    def measure(chains: Mapping[str, Callable[..., Any]]) -> Times:
        return alternate({name: lambda f=f: f(length, FACTOR) for name, f in chains.items()}, rounds, 4)

    def row(name: str, times: Times) -> tuple[str, ...]:
        return name, f"{median(times, name) / length:.2f}", f"{ratio(times, name, floats):.2f}"

    times = measure({floats: hand.chain, ours: own.chain})
    found, missing = _installed({name: lambda f=f: (f, f(1, FACTOR))[0] for name, f in peers.CHAINS.items()})
    times_of_others = measure({floats: hand.chain} | found)
    rows = [("who", "µs an operation", "times Python floats")]
    rows += [row(name, times) for name in (floats, ours)] + [row(name, times_of_others) for name in found]
    return report(f"One operation on a scalar, forward and backward, in a chain of {length:,}", rows) + missing


def depth(rounds: int = 3, lengths: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000)) -> str:
    """Show that the time an operation takes does not depend on how many there are."""
    times: dict[int, list[float]] = {length: [] for length in lengths}
    for _ in range(rounds):
        for length in lengths:
            repeats = max(1, OPERATIONS_A_TURN // length)
            start = time.perf_counter()
            for _ in range(repeats):
                own.chain(length, FACTOR)
            times[length].append((time.perf_counter() - start) / (repeats * length))
    rows = [("operations in a chain", "µs an operation")]
    rows += [(f"{length:,}", f"{1e6 * statistics.median(found):.2f}") for length, found in times.items()]
    return report("tinygrad_lite, forward and backward, by depth of the graph", rows)


def _installed(makers: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], str]:
    """Return what each maker makes, and a line for each whose library is not installed."""
    found, lines = {}, []
    for name, make in makers.items():
        try:
            found[name] = make()
        except ModuleNotFoundError as error:
            lines.append(f"{name} is left out: {error.name} is not installed (pip install -e '.[bench]' has it).\n")
    return found, "".join(lines)


class Finished(NamedTuple):
    """A program that has run: how long it took, how much memory at most, the accuracy it printed."""

    seconds: float
    megabytes: float
    accuracy: float


class NotRun(Exception):
    """A program did not do its work; the message is its own."""


def run(rounds: int = 1) -> str:
    """Compare whole programs: 6 epochs on MNIST, with all accuracies. Each runs in a process of its own, in turn."""
    # So that no download is timed, and the files are in memory for both.
    _finish([*PROGRAMS[BY_HAND], "--epochs", "0"])
    results: dict[str, list[Finished]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, command in PROGRAMS.items():
            for _ in range(RUNS_A_TURN[name]):
                with tempfile.TemporaryDirectory() as folder:
                    results[name].append(_finish([*command, folder] if name == OURS else command))
    rows = [("who", "runs", "seconds", "times as long", "test accuracy", "peak memory, MB")]
    ours = statistics.median(run.seconds for run in results[OURS])
    for name, runs in results.items():
        seconds, megabytes, accuracy = (statistics.median(column) for column in zip(*runs, strict=True))
        cells = f"{seconds:.2f}", f"{seconds / ours:.1f}", f"{accuracy:.4f}", f"{megabytes:.0f}"
        rows.append((name, str(len(runs)), *cells))
    return report("The whole program, 6 epochs of MNIST", rows)


def _finish(arguments: Sequence[str]) -> Finished:
    """Run Python with these arguments to its end.

    Raises
    ------
    NotRun
        If it fails.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=out, stderr=errors)
        # Unlike `Popen.wait`, this tells what the process used.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise NotRun(errors.read().strip())
        accuracy = re.search(r"test accuracy: ([\d.]+)", out.read())
    unit = 1 if sys.platform == "darwin" else 1024
    return Finished(seconds, usage.ru_maxrss * unit / 1e6, float(accuracy[1]) if accuracy else float("nan"))


def reports(args: argparse.Namespace) -> Iterator[str]:
    """Yield the reports asked for, each as soon as it is there, and each from a process of its own."""
    options = [] if args.rounds is None else ["--rounds", str(args.rounds)]
    options += ["--batch-size", str(args.batch_size)]
    if args.what is None:
        for what in ("step", "scalar", "depth"):
            command = [sys.executable, "-m", "tests.benchmarks", what, *options]
            yield subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        return
    given = {} if args.rounds is None else {"rounds": args.rounds}
    if args.what == "step":
        given["batch_size"] = args.batch_size
    yield {"step": step, "scalar": scalar, "depth": depth, "run": run}[args.what](**given)


def _at_least_one(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 2 where MNIST is needed and not to be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("step", "scalar", "depth", "run"), help="(the first three)")
    parser.add_argument("--rounds", type=_at_least_one, help="how often each candidate has its turn")
    parser.add_argument("--batch-size", type=_at_least_one, default=100, help="of the step (%(default)s)")
    args = parser.parse_args(arguments)
    try:
        for text in reports(args):
            print(text, flush=True)
    except NotRun as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
