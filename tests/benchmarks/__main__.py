"""How fast the library is: ``-m tests.benchmarks [step|jit|scalar|depth|sizes|forwards|nets|run|parallel|gpu]``."""

from __future__ import annotations

import inspect
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

from models.command import Parser, positive, whole
from tests.benchmarks import compiler, forwards, gpu, hand, nets, own, parallel, peers
from tests.benchmarks.comparison import BY_HAND, FLOOR, OWN, Result, Size, Work, available, compare
from tests.benchmarks.measure import Times, alternate, median, ratio, report
from tinygrad_lite.errors import DeviceError
from tinygrad_lite.parallel import world

COMPILATIONS = 9
SIZES = (Size(10), Size(100), Size(1_000), Size(100, (512, 256)))
SIZES_OF_RANKS = (Size(100), Size(1_000), Size(1_000, (512, 256)))
HEADS = ("µs a step", "times NumPy by hand", "times the floor")
OPTIONS = {"rounds", "batch_size", "hidden", "latency", "bandwidth"}
OPERATIONS_A_TURN = 100_000
FACTOR = 1 + 2.0**-20  # a number of float32 whose millionth power is no larger than e
ROOT = Path(__file__).parents[2]
OURS, A_SAMPLE_AT_A_TIME = "tinygrad_lite, models.mnist", "NumPy by hand, a sample at a time"
PROGRAMS = {
    OURS: ["-m", "models.mnist", "--data", "mnist", "--out"],
    A_SAMPLE_AT_A_TIME: ["-m", "tests.benchmarks.hand"],
}
RUNS_A_TURN = {OURS: 5, A_SAMPLE_AT_A_TIME: 1}  # the short one more often, or the machine's moods would decide


def step(rounds: int = 15, batch_size: int = Size().batch_size, hidden: Sequence[int] = Size().hidden) -> str:
    """Compare one training step of the net of `models.mnist`, or of a deeper one, on random images."""
    size = Size(batch_size, tuple(hidden))
    (found,), missing = compare([size], rounds)
    rows = [("who", *HEADS), *((name, *result.cells()) for name, result in found.items())]
    return report(f"One training step, {size}, float32 but where it says otherwise", rows) + missing


def sizes(rounds: int = 10, compared: Sequence[Size] = SIZES) -> str:
    """Compare the step at several sizes."""
    found, missing = compare(compared, rounds)
    tables = []
    for i, head in enumerate(HEADS):
        rows = [("who", *map(str, compared))]
        rows += [(name, *(results[name].cells()[i] for results in found)) for name in found[0]]
        tables.append((f"One training step, {head}, float32 but where it says otherwise", rows))
    return report(*tables[0], *tables[1:]) + missing


def jit(rounds: int = 10, batch_size: int = Size().batch_size, hidden: Sequence[int] = Size().hidden) -> str:
    """Show what compiling takes, what each stage of it gains, and where the time of a compiled step goes."""
    size = Size(batch_size, tuple(hidden))
    work = Work(size)
    taken = compiler.compile_times(work.parameters, work.batch, COMPILATIONS)
    stages = {stage: compiler.compiled_to(stage, work.parameters, work.batch) for stage in compiler.STAGES}
    programs = {stage: step.step.programs[0] for stage, step in stages.items()}
    clocked = compiler.Clocked(programs[compiler.LAST])
    steps = {name: OWN[name](work.parameters) for name in (FLOOR, BY_HAND)} | stages | {"clocked": clocked}
    times = work.measure({name: work.turns(step) for name, step in steps.items()}, rounds)
    parts, lines = compiler.whereabouts(clocked, median(times, compiler.LAST))

    compiling = [("part", "ms"), *((name, f"{ms:.2f}") for name, ms in taken.items())]
    gains = [("the program", "operations", *HEADS)]
    for stage, compiled in programs.items():
        gains.append((stage, str(len(compiled.program.instructions)), *Result.of(times, stage).cells()))
    floor, whole = median(times, FLOOR), parts[compiler.STEP]
    where = [("part", "µs", "of the step", "times the floor")]
    for name, us in (parts | {FLOOR: floor}).items():
        where.append((name, f"{us:.1f}", f"{us / whole:.0%}", f"{us / floor:.2f}"))
    program = [("statement", "µs"), *((line.text, f"{us:.1f}") for line, us in lines)]
    return report(
        f"Compiling the step, {size}: medians of {COMPILATIONS} first calls",
        compiling,
        ("What each stage of the compiler gains", gains),
        ("Where the time of a compiled step goes", where),
        ("The program, statement by statement", program),
    )


def scalar(rounds: int = 30, length: int = 1000) -> str:
    """Compare one operation on a scalar, forward and backward, in a chain of them."""
    floats, ours = "Python floats, as in micrograd", "tinygrad_lite"

    def measure(chains: Mapping[str, Callable[..., Any]]) -> Times:
        return alternate({name: lambda f=f: f(length, FACTOR) for name, f in chains.items()}, rounds, 4)

    def row(name: str, times: Times) -> tuple[str, ...]:
        return name, f"{median(times, name) / length:.2f}", f"{ratio(times, name, floats):.2f}"

    times = measure({floats: hand.chain, ours: own.chain})
    found, missing = available({name: lambda f=f: (f, f(1, FACTOR))[0] for name, f in peers.CHAINS.items()})
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
    _finish([*PROGRAMS[A_SAMPLE_AT_A_TIME], "--epochs", "0"])
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


def ranks(rounds: int = 10, latency: float | None = None, bandwidth: float | None = None) -> str:
    """Compare the ranks that mpiexec started with one process, and reckon how far they carry.

    Raises
    ------
    NotRun
        If there is one alone.
    """
    given = {} if latency is None else {"latency": 1e-6 * latency}
    given |= {} if bandwidth is None else {"bandwidth": 1e9 * bandwidth}
    with world() as ours:
        if ours.size == 1:
            raise NotRun("parallel compares ranks: mpiexec -n 2 python -m tests.benchmarks parallel")
        first, *more = parallel.tables(ours, SIZES_OF_RANKS, rounds, **given)
        return report(*first, *more) if ours.is_first else ""


def of_nets(rounds: int = 5) -> str:
    """Compare a training step of a convnet, a transformer block and a recurrent layer with PyTorch's."""
    first, *more = nets.tables(rounds)
    return report(*first, *more)


def of_functions(rounds: int = 9) -> str:
    """Compare single functions with the NumPy expressions that compute the same."""
    return report(f"One function of {forwards.ELEMENTS:,} elements, float32", forwards.rows(rounds))


def on_gpu(rounds: int = 20) -> str:
    """Compare the step on a GPU with PyTorch's there.

    Raises
    ------
    NotRun
        If there is no GPU, or what computes there is not installed.
    """
    try:
        found = gpu.found()
    except (DeviceError, peers.Unavailable) as error:
        raise NotRun(str(error)) from error
    (first, *more), missing = gpu.tables(found, gpu.SIZES, rounds)
    return report(*first, *more) + missing


REPORTS: dict[str, Callable[..., str]] = {
    "step": step,
    "jit": jit,
    "scalar": scalar,
    "depth": depth,
    "sizes": sizes,
    "forwards": of_functions,
    "nets": of_nets,
    "run": run,
    "parallel": ranks,
    "gpu": on_gpu,
}
UNASKED = ("step", "jit", "scalar", "depth")


def reports(what: str | None, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the reports asked for, each as soon as it is there, and each from a process of its own."""
    if what is not None:
        yield REPORTS[what](**options)
        return
    for name in UNASKED:
        command = [sys.executable, "-m", "tests.benchmarks", name]
        for option in options.keys() & _options(name):
            values = options[option] if isinstance(options[option], list) else [options[option]]
            command += [f"--{option.replace('_', '-')}", *map(str, values)]
        yield subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def _options(what: str) -> set[str]:
    """Return the options that a report takes."""
    return OPTIONS & inspect.signature(REPORTS[what]).parameters.keys()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, or 2 where MNIST or a GPU is needed and not to be had."""
    parser = Parser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=REPORTS, help=f"(without: {', '.join(UNASKED)})")
    parser.add_argument("--rounds", type=whole(1), metavar="N", help="how often each candidate has its turn")
    parser.add_argument("--batch-size", type=whole(1), metavar="N", help="of step and jit (100)")
    parser.add_argument("--hidden", type=whole(1), nargs="+", metavar="N", help="units of the hidden layers, too (90)")
    parser.add_argument("--latency", type=positive, metavar="US", help="of parallel: of a network, in µs a message")
    parser.add_argument("--bandwidth", type=positive, metavar="GB", help="of parallel: of a network, in GB/s")
    args = vars(parser.parse_args(arguments))
    what = args.pop("what")
    options = {name: value for name, value in args.items() if value is not None}
    for name in sorted(options.keys() - (OPTIONS if what is None else _options(what))):
        parser.error(f"{what} takes no --{name.replace('_', '-')}")
    try:
        for text in reports(what, options):
            if text:  # one of several ranks tells
                print(text, flush=True)
    except NotRun as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
