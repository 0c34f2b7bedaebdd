"""What `tinygrad_lite.jit` takes to compile a step, what each stage of it gains, and where a step's time goes."""

import ast
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.benchmarks.libraries import ours
from tests.benchmarks.steps import Size, Step
from tinygrad_lite.compiler import Jitted, simplify
from tinygrad_lite.compiler.passes import PASSES
from tinygrad_lite.compiler.primitives import REDUCTIONS
from tinygrad_lite.compiler.program import PHASES

ENTERING, LEAVING = "guards, inputs, entering the program", "leaving it, the result"
REST = "the rest: the state, the guards, the step itself"
PRODUCTS = {"dot", "matmul", "add_product", "subtract_product", "MatMult"}
# Where the compiler finds its parts by name; others can be put in their place there.
PARTS, SIMPLIFY = Jitted.__call__.__globals__, simplify.__globals__


def stage(size: Size, **parts: Any) -> Step:
    """Return the step, compiled on a batch with others in place of parts of the compiler."""
    step = ours.jit(size)
    with patch.dict(PARTS, parts):
        step.run(*(x[0] for x in size.batches()))
    return step._replace(notes=lambda: {"operations": len(step.run.programs[0].program.instructions)})


def recorded(size: Size) -> Step:
    return stage(size, plan_memory=lambda program: None, simplify=lambda program: program)


def simplified(size: Size) -> Step:
    return stage(size, plan_memory=lambda program: None)


def first_call(size: Size) -> Callable[[], Any]:
    """Return the function that compiles a fresh step by its first call; its notes are the parts of it, on average."""
    spent, batch = Counter(), [x[0] for x in size.batches()]

    def timed(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = function(*args, **kwargs)
            spent[name or function.__name__] += 1e6 * (time.perf_counter() - start)
            return result

        return run

    parts = {name: timed(PARTS[name]) for name in ("record", "plan_memory", "source_of", "load")}
    passes = tuple(map(timed, PASSES))

    def call() -> None:
        spent["calls"] += 1
        with patch.dict(PARTS, parts), patch.dict(SIMPLIFY, PASSES=passes):
            timed(ours.jit(size).run, REST)(*batch)

    def notes() -> dict[str, Any]:
        calls, all_of_them = spent.pop("calls"), spent.pop(REST)
        return {"parts": {name: us / calls for name, us in [*spent.items(), (REST, all_of_them - spent.total())]}}

    call.notes = notes
    return call


def clocked(size: Size) -> Step:
    """Return the compiled step that looks at the clock after each statement; its notes say where the time goes."""
    stamps: list[int] = []
    lines: list[tuple[str, str]] = []
    load = PARTS["load"]

    def clock(note: Any = stamps.append, now: Any = time.perf_counter_ns) -> None:
        note(now())

    def load_with_clock(source: str, name: str) -> Any:
        module, look = ast.parse(source), ast.parse("clock()").body
        function = next(f for f in module.body if isinstance(f, ast.FunctionDef) and f.name == name)
        *statements, last = function.body[ast.get_docstring(function) is not None :]
        lines.extend(line_of(statement, source.splitlines()) for statement in statements)
        function.body = [*look, *(s for statement in statements for s in (statement, *look)), last]
        program = load(ast.unparse(ast.fix_missing_locations(module)), name)
        program.__globals__["clock"] = clock
        return program

    step = stage(size, load=load_with_clock)
    stamps.clear()

    def run(*batch: Any) -> Any:
        clock()
        loss = step.run(*batch)
        clock()
        return loss

    def notes() -> dict[str, Any]:
        spans = np.diff(np.reshape(stamps, (-1, len(lines) + 3)))
        entering, *each, leaving = (np.median(spans, axis=0) / 1e3).tolist()
        where: Counter[str] = Counter({ENTERING: entering, LEAVING: leaving})
        for (part, _), us in zip(lines, each, strict=True):
            where[part] += us
        return {"where": where, "statements": [(text, us) for (_, text), us in zip(lines, each, strict=True)]}

    return step._replace(run=run, notes=notes)


def line_of(statement: ast.stmt, source: list[str]) -> tuple[str, str]:
    """Return the part of a step that a statement belongs to, and its text: a comment above it names its phase."""
    above = (line.strip().removeprefix("# ") for line in reversed(source[: statement.lineno]))
    phase = next((text for text in above if text in PHASES), PHASES[0])
    names = {getattr(node, "attr", getattr(node, "id", type(node).__name__)) for node in ast.walk(statement)}
    kind = "reductions" if names & REDUCTIONS.keys() else "elementwise"
    text = "  #".join(part.strip() for part in source[statement.lineno - 1].split("#"))
    return "products" if names & PRODUCTS else f"{phase}: {kind}", text
