"""What `tinygrad_lite.jit` takes to compile a step, and where a compiled step's time goes."""

import ast
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.benchmarks.libraries import ours
from tests.benchmarks.steps import Size, Step
from tinygrad_lite.compiler import compiled
from tinygrad_lite.compiler.primitives import REDUCTIONS
from tinygrad_lite.compiler.program import PHASES

ENTERING, LEAVING = "guards, inputs, entering the program", "leaving it, the result"
PRODUCTS = {"dot", "matmul", "add_product", "subtract_product", "MatMult"}


def first_call(size: Size) -> Callable[[], Any]:
    """Return the function that compiles a fresh step by its first call."""
    batch = [x[0] for x in size.batches()]
    return lambda: ours.jit(size).run(*batch)


def clocked(size: Size) -> Step:
    """Return the compiled step that looks at the clock after each statement; its notes say where the time goes."""
    stamps: list[int] = []
    lines: list[tuple[str, str]] = []
    load = compiled.load

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

    step = ours.jit(size)
    with patch.object(compiled, "load", load_with_clock):
        step.run(*(x[0] for x in size.batches()))
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
