"""What `tinygrad_lite.jit` takes to compile a step, what each stage of it gains, and where a step's time goes."""

from __future__ import annotations

import ast
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from tests.benchmarks.hand import Parameters
from tests.benchmarks.measure import Step
from tests.benchmarks.own import JitStep
from tinygrad_lite.compiler import Compiled, Jitted, load, simplify
from tinygrad_lite.compiler.passes import PASSES
from tinygrad_lite.compiler.primitives import REDUCTIONS
from tinygrad_lite.compiler.program import PHASES

Batch = tuple[Any, Any]
OTHERS = "the rest: the state, the guards, the step itself"
ALL, STEP = "the first call", "the step"
REST = "the rest: the lock, and what the clock misses"
PRODUCTS, SUMS, ELEMENTWISE = "products", "reductions", "elementwise"

# Where the compiler finds its parts by name; others can be put in their place there.
PARTS, SIMPLIFY = Jitted.__call__.__globals__, simplify.__globals__
WORK = {"record": "record", "plan_memory": "plan", "source_of": "write the source", "load": "compile the source"}


def compile_times(parameters: Parameters, batch: Batch, rounds: int) -> dict[str, float]:
    """Return how long the parts of a first call take, in milliseconds, and `ALL` of it: the medians.

    Parameters
    ----------
    parameters : list of ndarray
        Those of the net.
    batch : tuple of ndarray
        What the step is called with.
    rounds : int
        How many fresh steps are compiled.
    """
    seconds: Counter[str] = Counter()

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[name] += time.perf_counter() - start

        return run

    parts = {name: timed(called, PARTS[name]) for name, called in WORK.items()}
    passes = tuple(timed(f"simplify: {simplification.__name__}", simplification) for simplification in PASSES)
    found = defaultdict(list)
    with patch.dict(PARTS, parts), patch.dict(SIMPLIFY, PASSES=passes):
        for _ in range(rounds):
            seconds.clear()
            timed(ALL, JitStep(parameters).run)(*batch)
            whole = seconds.pop(ALL)
            seconds |= {OTHERS: whole - seconds.total(), ALL: whole}
            for name, value in seconds.items():
                found[name].append(1e3 * value)
    return {name: statistics.median(values) for name, values in found.items()}


_UNPLANNED: Mapping[str, Any] = {"plan_memory": lambda program: None}
LAST = "simplified and planned"
STAGES: dict[str, Mapping[str, Any]] = {
    "as it was recorded": {**_UNPLANNED, "simplify": lambda program: program},
    "simplified": _UNPLANNED,
    LAST: {},
}


def compiled_to(stage: str, parameters: Parameters, batch: Batch) -> JitStep:
    """Return a step that has been compiled on a batch, no further than to one of the `STAGES`."""
    step = JitStep(parameters)
    with patch.dict(PARTS, STAGES[stage]):
        step.run(*batch)
    return step


class Line(NamedTuple):
    """A statement of a compiled program.

    Attributes
    ----------
    phase, kind : str
        One of `PHASES`, and whether it is a product, a reduction, or goes element by element.
    text : str
    """

    phase: str
    kind: str
    text: str


class Clocked(Step):
    """A compiled step that notes the time before and after all it does.

    Parameters
    ----------
    compiled : Compiled
        Its source gets a look at the clock after each statement.

    Attributes
    ----------
    lines : list of Line
        The statements.
    """

    BEFORE, AFTER = ("find the inputs, check the guards", "enter the program"), ("leave it", "make the result")

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.stamps, self.clock = _clock()
        module = ast.parse(compiled.source)
        function = module.body[-1]
        assert isinstance(function, ast.FunctionDef)
        statements = [s for s in function.body if not isinstance(s, ast.Return) and not _is_text(s)]
        self.lines = [_line(s, compiled.source.splitlines()) for s in statements]
        look = ast.parse("clock()").body
        function.body = look + [
            s for statement in function.body for s in (statement, *look * (statement in statements))
        ]
        self.program = load(ast.unparse(ast.fix_missing_locations(module)), compiled.program.name)
        self.program.__globals__["clock"] = self.clock

    def run(self, images: Any, targets: Any) -> Any:
        """Do a step as `Jitted.__call__` does."""
        batch = images, targets
        self.clock()
        inputs = self.compiled.inputs(batch, {})
        assert inputs is not None
        self.clock()
        values = self.program(*inputs)
        self.clock()
        result = self.compiled.finish(values if isinstance(values, tuple) else (values,), batch, {})
        self.clock()
        return result

    def times(self) -> np.ndarray:
        """Return how long each thing took, in microseconds, a step a row: `BEFORE`, the lines, `AFTER`."""
        n = len(self.BEFORE) + len(self.lines) + len(self.AFTER)
        stamps, clock = _clock()
        for _ in range(1000):
            clock()
        glance = np.median(np.diff(stamps))
        return (np.diff(np.reshape(self.stamps, (-1, n + 1))) - glance) / 1e3


def _clock() -> tuple[list[int], Callable[[], None]]:
    """Return a list, and the function that notes the time there, in nanoseconds."""
    stamps: list[int] = []
    note, now = stamps.append, time.perf_counter_ns
    return stamps, lambda: note(now())


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _line(statement: ast.stmt, source: Sequence[str]) -> Line:
    """Return what a statement is, given the lines of the source: the last comment above it names its phase."""
    above = (line.strip().removeprefix("# ") for line in reversed(source[: statement.lineno]))
    phase = next((text for text in above if text in PHASES), PHASES[0])
    names = {node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    is_product = bool({"dot", "matmul"} & set(names)) or any(
        isinstance(node, ast.MatMult) for node in ast.walk(statement)
    )
    kind = PRODUCTS if is_product else SUMS if names & REDUCTIONS.keys() else ELEMENTWISE
    return Line(phase, kind, re.sub(r" {2,}#", "  #", source[statement.lineno - 1].strip()))


class Whereabouts(NamedTuple):
    """Where the time of a compiled step goes.

    Attributes
    ----------
    parts : dict of str to float
        Microseconds of the products, of the other work in each phase, of what surrounds the program, of the `REST`,
        and of the `STEP`, which is the sum of them all.
    lines : list of (Line, float)
        Microseconds of each statement.
    """

    parts: dict[str, float]
    lines: list[tuple[Line, float]]


def whereabouts(clocked: Clocked, step: float) -> Whereabouts:
    """Return where the time of a compiled step went: the medians over the steps it has done.

    Parameters
    ----------
    clocked : Clocked
        What was measured.
    step : float
        The microseconds that a step takes if nobody looks at the clock.
    """
    times = np.median(clocked.times(), axis=0)
    before, after = len(clocked.BEFORE), len(clocked.AFTER)
    lines = list(zip(clocked.lines, times[before:-after].tolist(), strict=True))
    parts: Counter[str] = Counter()
    for line, took in lines:
        parts[line.kind if line.kind == PRODUCTS else f"{line.phase}: {line.kind}"] += took
    parts.update(dict(zip((*clocked.BEFORE, *clocked.AFTER), [*times[:before], *times[-after:]], strict=True)))
    rest = step - parts.total()
    return Whereabouts({**parts, REST: rest, STEP: step}, lines)
