"""The derivation of a loss, one line for each operation forward and each cotangent backward.

`tinygrad_lite.explain` prints it, so that a student can compare it with one made by hand. Symbols take the place of the
graph's arrays, and the engine's own sweep over them gives the backward lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..nn import Module
from ..rules import Rule, neural, shapes
from ..support.formatting import latex_escaped, table
from ..tensor import Tensor
from .explanation import Explanation
from .expressions import (
    CHOICE,
    SUM,
    Call,
    Derivative,
    Expression,
    Language,
    Number,
    Word,
    legend,
    terms,
    walk,
    where,
    write,
)
from .formula import output_of
from .graph import Graph, backward_steps, read
from .symbols import Scope, Symbol
from .values import AppliedRule, Name, Step, Value, shape_text

LONGEST = 60  # characters: a longer sum gets one row for each term


@dataclass(frozen=True)
class Line:
    """One line of a derivation.

    Attributes
    ----------
    left : tuple of Expression
        The value defined; a second expression is another name for it, as in δ₁ = ∂L/∂z₁.
    right : Expression or None
        The formula of the value; None for a leaf.
    shape : str
        The shape of the value; of a folded module, those of its results.
    origin : str
        The rule or folded module that computes it (several if a value was used several times); for a parameter, its
        path.
    norm : float
        The Euclidean norm of its actual value.
    """

    left: tuple[Expression, ...]
    right: Expression | None
    shape: str
    origin: str
    norm: float

    def __str__(self) -> str:
        parts = self.left if self.right is None else (*self.left, self.right)
        return " = ".join(write(part, "text") for part in parts)


@dataclass(frozen=True, repr=False)
class Derivation(Explanation):
    """The computation of a loss, and its derivatives by all values it depends on.

    Attributes
    ----------
    given, forward, backward : tuple of Line
        Parameters, inputs and constants; the operations in order; the cotangents in reverse order.
    norms : bool
        True if the norms of the actual values are shown.

    Examples
    --------
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> derivation = tg.explain((x * x).sum())
    >>> [line.origin for line in derivation.forward]
    ['multiply', 'sum']
    >>> print(derivation)
                             shape     from
    given
        x                    2
    <BLANKLINE>
    forward
        v = x ⊙ x            2         multiply
        L = Σ v              a number  sum
    <BLANKLINE>
    backward
    ∂L/∂v = broadcast_to(1)  2         sum
    ∂L/∂x = 2 (∂L/∂v ⊙ x)    2         multiply
    <BLANKLINE>
    where ⊙ multiplies element by element; broadcast_to repeats along axes
    """

    given: tuple[Line, ...]
    forward: tuple[Line, ...]
    backward: tuple[Line, ...]
    norms: bool

    @property
    def latex(self) -> str:
        """The derivation, aligned at its equals signs, with shapes and rules beside the formulas."""
        rows: list[str] = []
        for head, lines in self._sections.items():
            heads = self._heads if not rows else [""] * len(self._heads)
            cells = [[rf"\text{{{head}}}", "", *heads], *(row for line in lines for row in self._rows(line, "latex"))]
            rows += [" & ".join(_latex(row)) + r" \\" for row in cells]
            rows[-1] += "[1ex]"
        columns = "rl" + "l" * len(self._heads)
        formulas = "\n".join([rf"\begin{{array}}{{{columns}}}", *rows, r"\end{array}"])
        notes = rf" \\ \text{{where {latex_escaped('; '.join(self._notes))}}}" if self._notes else ""
        return rf"\begin{{array}}{{l}}{formulas}{notes}\end{{array}}"

    def __str__(self) -> str:
        sections = self._sections.items()
        rows = {head: [row for line in lines for row in self._rows(line, "text")] for head, lines in sections}
        every = [row for part in rows.values() for row in part]
        width = max(len(row[0]) for row in every)
        cells = [[f"{row[0].rjust(width)} {row[1]}", *row[2:]] for row in every]
        # The first line of the table holds the heads. The second is a dashed line, which the sections replace.
        heads, _, *lines = table([["", *self._heads], *cells]).splitlines()
        text = heads
        for head, part in rows.items():
            text += "\n".join(["", head, *lines[: len(part)], ""])
            del lines[: len(part)]
        return text + (f"\n{where(self._notes)}" if self._notes else "")

    @property
    def _sections(self) -> dict[str, tuple[Line, ...]]:
        result = self.forward[-1]
        seed = "" if result.shape == shape_text(()) else f", from g = ∂L/∂{write(result.left[0], 'text')}"
        return {"given": self.given, "forward": self.forward, f"backward{seed}": self.backward}

    @property
    def _notes(self) -> list[str]:
        return legend([line.right for line in (*self.forward, *self.backward) if line.right is not None])

    @property
    def _heads(self) -> list[str]:
        return ["shape", *["norm"] * self.norms, "from"]

    def _rows(self, line: Line, language: Language) -> list[list[str]]:
        """Return a line as rows of cells (left side, formula, shape, norm, rule); a long sum takes several rows."""
        left = " = ".join(write(part, language) for part in line.left)
        others = [line.shape, *[f"{line.norm:.4g}"] * self.norms, line.origin]
        if line.right is None:
            return [[left, "", *others]]
        parts = terms(line.right) if len(write(line.right, "text")) > LONGEST else [line.right]
        first, *more = [write(part, language, SUM if len(parts) > 1 else CHOICE) for part in parts]
        return [[left, f"= {first}", *others], *(["", f"+ {term}", *[""] * len(others)] for term in more)]


def _latex(row: list[str]) -> list[str]:
    """Return a row of cells in LaTeX: the first two are formulas, the others text."""
    formulas = [rf"\displaystyle {cell}" if cell else "" for cell in row[:2]]
    return formulas + [rf"\quad \text{{{latex_escaped(cell)}}}" if cell else "" for cell in row[2:]]


def derivation(loss: Tensor, model: Module | None = None, norms: bool = False, depth: int | None = None) -> Derivation:
    """Derive the gradients of a loss from its graph; the arguments are those of `tinygrad_lite.explain`."""
    graph = read(loss, model, depth=depth)
    scope = Scope(parameters={id(x.array): x.name.text for step in graph.steps for x in step.indices})
    symbols: dict[Any, Any] = {x: Symbol(x.name, x.array, scope) for x in graph.values}
    with np.errstate(all="ignore"):  # a diverged loss, with infinities, still has a derivation
        return Derivation(
            given=tuple(map(_given, graph.leaves)),
            forward=tuple(_forward(step, symbols) for step in graph.steps),
            backward=tuple(_backward(graph, symbols)),
            norms=norms,
        )


def _given(leaf: Value) -> Line:
    return _line((leaf.name,), None, leaf.array, leaf.path if leaf.path != leaf.name.text else None)


def _forward(step: Step, symbols: dict[Any, Any]) -> Line:
    if isinstance(step, AppliedRule):
        right = _written_out(step.rule, [symbols.get(x, x) for x in step.operands], step.params)
        return _line((step.result.name,), right, step.result.array, step.rule.name)
    shapes = [shape_text(x.array.shape) for x in step.operands]
    if step.parameters is not None:
        shapes.append(f"{step.parameters.array.size:,} parameters")
    used = zip(step.used, shapes, strict=True)
    right = Call(step.path, tuple(Call("shaped", (x.name, Word(shape))) for x, shape in used))
    lines = [_line((y.name,), right, y.array, step.kind) for y in step.results]
    norm = float(np.linalg.norm([line.norm for line in lines]))
    left, shape = Call("list", tuple(y.name for y in step.results)), ", ".join(line.shape for line in lines)
    return replace(lines[0], left=(left,), shape=shape, norm=norm)


def _written_out(rule: Rule, inputs: Sequence[Any], params: tuple[Any, ...]) -> Expression:
    """Return the formula of an operation; activations, reshape, users' rules and repetitive formulas by name."""
    written = output_of(rule, inputs, params)
    named = Symbol.__apply_rule__(rule, tuple(inputs), params).expression
    activation = rule.forward.__module__ == neural.__name__ and len(rule.inputs) == 1
    repetitive = not _names_in(written) <= _names_in(named)
    by_name = activation or repetitive or not rule.is_built_in or rule is shapes.reshape
    return named if by_name else written


def _names_in(expression: Expression) -> Counter[Name]:
    return Counter(part for part in walk(expression) if isinstance(part, Name))


def _backward(graph: Graph, symbols: dict[Any, Any]) -> Iterator[Line]:
    loss, symbol, leaves = graph.result, symbols[graph.result], set(graph.leaves)
    seed = Symbol(Name("g") if symbol.shape else Number(1), np.ones_like(symbol.value), symbol.scope)
    contributors: dict[Value, list[str]] = {}
    for step, cotangents in backward_steps(graph, seed, symbols.__getitem__):
        for x in step.inputs:
            contributors.setdefault(x, []).append(step.by)
        for x in sorted(cotangents, key=lambda x: x not in leaves):  # leaves first: nothing follows from them
            g = cotangents[x]
            derivative = Derivative(loss.name if not symbol.shape else Name("L"), x.name)
            delta = Name("δ", x.name.number)
            named = x.name.word == "z"
            left = (delta, derivative) if named else (derivative,)
            yield _line(left, g.expression, g.value, ", ".join(contributors[x]))
            cotangents[x] = Symbol(left[0], g.value, g.scope)


def _line(left: tuple[Expression, ...], right: Expression | None, value: Any, origin: str | None) -> Line:
    return Line(left, right, shape_text(np.shape(value)), origin or "", float(np.linalg.norm(value)))
