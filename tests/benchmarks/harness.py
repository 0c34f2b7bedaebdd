"""Measured so that it can be believed: each candidate in a process of its own, the processes in turn, A B C A B C ….

Machines are noisy, and the thread pools of different libraries in one process fight each other. So all processes sleep
but the one whose turn it is. What is compared is the ratio of neighbouring turns; where these ratios spread wider than
the difference, no order is told. The processes are started several times, since memory lies elsewhere each time.
"""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lite.support.formatting import table

ROOT = Path(__file__).parents[2]
TURN = 0.03  # seconds, or a single call
REST = 0.2  # seconds after a turn: threads of OpenBLAS stay awake for a while, and would slow the next down
PAIRS = 5  # of neighbouring turns, without which no order is told
MANY = 6  # cases, which stand in one table alone
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # the last one is JAX's
WHY = f"the ratios of neighbouring turns spread wider than they differ from 1, or are fewer than {PAIRS}."
UNDECIDED, UNTOLD = f"No order is told within places such as 2–4: {WHY}", f"≈ stands where {WHY}"

Times = Mapping[str, Sequence[float]]


class NotRun(Exception):
    """A benchmark cannot be run here; the message says why."""


class Candidate(NamedTuple):
    """One of those compared: the function ``make`` of a file in `libraries`, with options."""

    library: str
    make: str
    options: dict[str, Any] = {}  # noqa: RUF012
    tree: str = ""  # the checkout that it is of, if another
    module: str = "tests.benchmarks.worker"
    launcher: tuple[str, ...] = ()


class Benchmark(NamedTuple):
    """What is compared: for each case the arguments of a candidate, and how much of what the title says a call does."""

    title: str
    cases: dict[str, tuple[Sequence[Any], int]]
    candidates: dict[str, Candidate]
    reference: str  # to which the others are compared
    floor: str = ""  # too, but it has no place among them
    is_long: bool = False  # so that a process does it once


class Process:
    """A candidate in a process of its own."""

    def __init__(self, candidate: Candidate, args: Any) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        python = dict(word.split("=", 1) for word in args.python).get(candidate.library, sys.executable)
        command = [*candidate.launcher, python, "-m", candidate.module, json.dumps(candidate[:4])]
        few = dict.fromkeys(THREADS, str(args.threads)) if args.threads else {}
        few |= {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if args.threads == 1 else {}
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **few}, text=True, **pipes)

    def tell(self, order: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # its end is told with the answer
            print(json.dumps(order), file=self.process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.errors.seek(0)
        return {"left out": f"its process ended: {' '.join(self.errors.read().split())[-300:]}"}

    def end(self) -> None:
        with suppress(BrokenPipeError):
            self.process.communicate()
        self.errors.close()


class Found(NamedTuple):
    """What was measured: of each case and candidate the microseconds a unit of each turn, and notes of each process."""

    wall: dict[str, dict[str, list[float]]]
    cpu: dict[str, dict[str, list[float]]]
    notes: dict[str, dict[str, list[dict[str, Any]]]]
    environments: dict[str, str]
    left_out: dict[str, str]


def measure(benchmark: Benchmark, args: Any) -> Found:
    """Let the candidates have their turns: ``args.rounds`` in each of ``args.processes``."""
    found = Found(*({case: defaultdict(list) for case in benchmark.cases} for _ in range(3)), {}, {})
    there: dict[str, Process] = {}

    def answers(order: Callable[[str], dict[str, Any]], at_once: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each its order, and yield its answer, in turn; leave out who cannot do it."""
        for who in there if at_once else ():
            there[who].tell(order(who))
        for who in [*there]:
            if not at_once:
                there[who].tell(order(who))
            answer = there[who].answer()
            if "left out" in answer:
                found.left_out[who] = answer["left out"]
                there.pop(who).end()
            else:
                yield who, answer

    for _ in range(args.processes):
        there |= {who: Process(c, args) for who, c in benchmark.candidates.items() if who not in found.left_out}
        for case, (arguments, units) in benchmark.cases.items():
            for who, answer in answers(
                lambda _, arguments=arguments: {"case": arguments, "warm": not benchmark.is_long}, True
            ):
                found.environments[who] = answer["environment"]
            calls = dict.fromkeys(there, 1)
            if not benchmark.is_long:
                calls = {who: max(1, math.ceil(TURN / turn["wall"])) for who, turn in answers(lambda _: {"calls": 1})}
            for _ in range(1 if benchmark.is_long else args.rounds):
                for who, turn in answers(lambda who, calls=calls: {"calls": calls[who]}):
                    found.wall[case][who].append(1e6 * turn["wall"] / (calls[who] * units))
                    found.cpu[case][who].append(1e6 * turn["cpu"] / (calls[who] * units))
                    time.sleep(REST)
            for who, notes in answers(lambda _: {"notes": True}):
                found.notes[case][who].append(notes)
        while there:
            there.popitem()[1].end()
    if not any(found.wall.values()):
        raise NotRun("; ".join(dict.fromkeys(found.left_out.values())))
    return found


def is_number(note: Any) -> bool:
    """Return True for a note that is a column of the table, False for one that is a table."""
    return isinstance(note, int | float)


class Spread(NamedTuple):
    """The median of some numbers, and their 10th and 90th percentile."""

    median: float
    low: float
    high: float

    def cells(self, digits: int) -> tuple[str, str]:
        """Return it as it stands in a table."""
        return f"{self.median:,.{digits}f}", f"{self.low:,.{digits}f} to {self.high:,.{digits}f}"


def spread(numbers: Sequence[float]) -> Spread:
    """Return how some numbers spread."""
    return Spread(*np.percentile(numbers, (50, 10, 90)).tolist())


def ratios(times: Times, who: str, other: str) -> list[float]:
    """Return how many times as long as another a candidate took, of each pair of neighbouring turns."""
    return [a / b for a, b in zip(times[who], times[other], strict=False)]


def is_told(found: Sequence[float]) -> bool:
    """Return True if ratios differ from 1 by more than they spread, and there are enough of them."""
    middle, low, high = spread(found)
    return len(found) >= PAIRS and abs(1 - middle) > high - low


def is_faster(times: Times, who: str, other: str) -> bool:
    """Return True if a candidate is faster than another one, False also where no order is told."""
    found = ratios(times, who, other)
    return is_told(found) and statistics.median(found) < 1


def places(times: Times) -> dict[str, tuple[int, int]]:
    """Return the first and the last place that each candidate may have: the same one where that is decided."""
    faster = {who: [other for other in times if is_faster(times, other, who)] for who in times}
    slower = {who: sum(who in others for others in faster.values()) for who in times}
    return {who: (1 + len(faster[who]), len(times) - slower[who]) for who in times}


def figures_of(benchmark: Benchmark, found: Found) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the figures of each case and candidate, the fastest first, as tables, JSON and pictures show them."""
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for case, times in found.wall.items():
        ranked = places({who: of_one for who, of_one in times.items() if who != benchmark.floor})
        figures[case] = {}
        for who in sorted(times, key=lambda who, times=times: statistics.median(times[who])):
            of_one = {"wall": spread(times[who]), "cpu": spread(found.cpu[case][who]), "places": ranked.get(who)}
            for name, other in (("ratio", benchmark.reference), ("floor", benchmark.floor)):
                of_one[name] = spread(ratios(times, who, other)) if other in times else None
            of_one["is_told"] = benchmark.reference in times and is_told(ratios(times, who, benchmark.reference))
            of_one["notes"] = {
                name: note for n in found.notes[case][who] for name, note in n.items() if is_number(note)
            }
            figures[case][who] = of_one
    return figures


def report(benchmark: Benchmark, figures: dict[str, dict[str, dict[str, Any]]], found: Found, args: Any) -> str:
    """Return the tables of a benchmark, with what figures depend on."""
    names = [who for who in benchmark.candidates if any(who in rows for rows in figures.values())]
    turns = 1 if benchmark.is_long else args.rounds
    texts = [f"{benchmark.title}\n{machine()}; {args.processes} processes of each, {turns} turns a process\n"]
    if len(figures) <= MANY:
        texts += [f"{case}\n\n{_table(benchmark, rows)}\n" for case, rows in figures.items()]
    if len(figures) > 1:
        texts.append(_overview(benchmark.reference, figures, names))
    for who, note in ((who, notes[-1]) for case in found.notes.values() for who, notes in case.items()):
        for title, parts in note.items():
            if not is_number(parts):
                rows = [(name, f"{us:,.1f}") for name, us in (parts.items() if isinstance(parts, dict) else parts)]
                texts.append(table([(f"{who}: {title}", "µs"), *rows], right=[1]) + "\n")
    for start, reasons in (("", found.environments), ("left out, because ", found.left_out)):
        for reason in dict.fromkeys(reasons.values()):
            texts.append(f"{start}{reason}: {', '.join(who for who in reasons if reasons[who] == reason)}")
    return "\n".join(texts)


def _overview(reference: str, figures: dict[str, dict[str, dict[str, Any]]], names: list[str]) -> str:
    def cell(who: str, row: dict[str, Any] | None) -> str:
        if len(names) == 1 or row is None or row["ratio"] is None:
            return f"{row['wall'].median:,.2f}" if row else ""
        return f"{'' if row['is_told'] or who == reference else '≈'}{row['ratio'].median:,.2f}"

    head = f"times {reference}" if len(names) > 1 else "µs"
    columns = [
        [head, *names],
        *([case, *(cell(who, rows.get(who)) for who in names)] for case, rows in figures.items()),
    ]
    rows = columns if len(figures) > len(names) else [*zip(*columns, strict=True)]
    return f"{table(rows, right=range(1, len(rows[0])))}\n{UNTOLD}\n"


def _table(benchmark: Benchmark, rows: dict[str, dict[str, Any]]) -> str:
    digits = 2 if min(row["wall"].median for row in rows.values()) < 10 else 0
    notes = [*dict.fromkeys(name for row in rows.values() for name in row["notes"])]
    range_ = "10th to 90th"
    heads = ["who", "µs", range_, "of processor", f"times {benchmark.reference}", range_]
    cells = [[*heads, "times the floor", "place", *notes]]
    for who, row in rows.items():
        ratio, floor = (row[name].cells(2) if row[name] else ("", "") for name in ("ratio", "floor"))
        place = "–".join(map(str, dict.fromkeys(row["places"] or ())))
        told = [f"{row['notes'][name]:,.4g}" if name in row["notes"] else "" for name in notes]
        cells.append([who, *row["wall"].cells(digits), row["cpu"].cells(digits)[0], *ratio, floor[0], place, *told])
    kept = [column for column in zip(*cells, strict=True) if any(column[1:])]
    is_open = any(row["places"] and row["places"][0] < row["places"][1] for row in rows.values())
    return table([*zip(*kept, strict=True)], right=range(1, len(kept))) + f"\n{UNDECIDED}" * is_open


def machine() -> str:
    """Return the processor and its cores."""
    names = [platform.processor() or platform.machine()]
    if platform.system() == "Linux":
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")] or names
    return f"{names[0]}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
