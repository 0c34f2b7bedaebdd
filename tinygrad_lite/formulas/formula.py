"""The formulas of one rule: its output and its derivatives, as in a textbook.

They are found by calling the rule's own functions with symbols, so they cannot disagree with the code.

>>> from tinygrad_lite.rules import get
>>> formula(get("tanh")).lines
['∂L/∂x = g ⊙ (1 − y ⊙ y)']
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np

from ..engine import sum_to_shape
from ..rules import Rule, Sample
from ..support.formatting import latex_escaped
from .explanation import Explanation
from .expressions import WIDTH, Derivative, Expression, is_long, legend, where, write
from .symbols import NotAnExpression, Scope, Size, Symbol, expression_of
from .values import Name

_OUTPUT, _COTANGENT, _LOSS = Name("y"), Name("g"), Name("L")


@dataclass(frozen=True, repr=False)
class Formula(Explanation):
    """A rule as it would stand in a textbook.

    Attributes
    ----------
    rule : Rule
    inputs : tuple of (Name, shape)
        The inputs, with their shapes in the sample that the rule was called on.
    parameters : dict
        The values of the rule's parameters in that sample.
    output : Expression
        The output, in terms of the inputs.
    derivatives : tuple of (Derivative, Expression)
        The derivative of a loss L by each input, in terms of g = ∂L/∂y.

    Examples
    --------
    >>> tg.explain("divide").lines
    ['∂L/∂a = g / b', '∂L/∂b = −g ⊙ y / b']
    """

    rule: Rule
    inputs: tuple[tuple[Name, str], ...]
    parameters: dict[str, Any]
    output: Expression
    derivatives: tuple[tuple[Derivative, Expression], ...]

    @property
    def latex(self) -> str:
        """The formulas, aligned at their equals signs."""
        rows = [f"{write(left, 'latex')} &= {write(right, 'latex')}" for left, right in self._lines]
        formulas = r"\begin{aligned}" + r" \\[1ex] ".join(rows) + r"\end{aligned}"
        where = rf"\text{{where }} g = {write(Derivative(_LOSS, _OUTPUT), 'latex')}"
        notes = "".join(rf"\text{{; {latex_escaped(note)}}}" for note in [*self._notes, ", ".join(self._sample)])
        return rf"\begin{{array}}{{l}}{formulas} \\[1ex] {where}{notes}\end{{array}}"

    def __str__(self) -> str:
        pairs = [(write(left, "text"), write(right, "text")) for left, right in self._lines]
        width = max(len(left) for left, _ in pairs)
        below = " " * (width + 5)  # the right sides stand under one another
        lines = [fill(f"  {left:>{width}} = {right}", WIDTH, subsequent_indent=below) for left, right in pairs]
        notes = where(["g = ∂L/∂y", *self._notes], indent="  ")
        head = fill(f"{self.rule.name}   {', '.join(self._sample)}", WIDTH, subsequent_indent=" " * 4)
        return "\n".join([head, *lines, notes])

    @property
    def _lines(self) -> list[tuple[Expression, Expression]]:
        return [(_OUTPUT, self.output), *self.derivatives]

    @property
    def _sample(self) -> list[str]:
        """The shapes and parameters of the sample that the formulas hold for; a record of options is left out."""
        told = {name: x for name, x in self.parameters.items() if x is not None and x is not False}
        parameters = [(name, x) for name, x in told.items() if not hasattr(x, "_fields")]
        return [f"{name.text}: {shape}" for name, shape in self.inputs] + [f"{n} = {_short(x)}" for n, x in parameters]

    @property
    def _notes(self) -> list[str]:
        return legend([right for _, right in self._lines])

    @property
    def lines(self) -> list[str]:
        """The derivatives as text, each in one line."""
        return [f"{write(left, 'text')} = {write(right, 'text')}" for left, right in self.derivatives]


def formula(rule: Rule) -> Formula:
    """Read the formulas of a rule.

    Raises
    ------
    TypeError
        If the rule does not run on symbols; the message gives the reason.
    ValueError
        If every sample of the rule has an empty array, or it has no sample.
    """
    try:
        sample = next(
            sample for sample in rule.samples if all(np.size(x) for x in rule.bind(sample.args, sample.params)[0])
        )
    except StopIteration:
        raise ValueError(f"the rule {rule.name!r} has no sample with elements: add one to it") from None
    try:
        return _read(rule, sample)
    except Exception as error:  # a user's rule may raise anything when it is given symbols
        raise TypeError(
            f"the rule {rule.name!r} has no formula, since its code does not run on symbols ({error}): write it "
            "with operators, array methods and NumPy functions only"
        ) from error


def _read(rule: Rule, sample: Sample) -> Formula:
    arrays, values = rule.bind(sample.args, sample.params)
    parameters = dict(zip(rule.params, values, strict=True))
    scope = Scope.of(list(arrays), parameters)
    names = _input_names(rule, len(arrays))
    inputs = [Symbol(name, np.asarray(array), scope) for name, array in zip(names, arrays, strict=True)]
    params = tuple(_symbolic(name, value, scope) for name, value in parameters.items())
    value = np.asarray(rule.compute(arrays, values))
    y, g = Symbol(_OUTPUT, value, scope), Symbol(_COTANGENT, np.ones_like(value), scope)
    derivatives = []
    for k, x in enumerate(inputs):
        dx = rule.vjps[k].pull_back(g, y, k, inputs, params)
        if dx.shape != x.shape:
            dx = sum_to_shape(dx, x.shape)
        derivatives.append((Derivative(_LOSS, names[k]), expression_of(dx, scope)))
    return Formula(
        rule=rule,
        inputs=tuple((name, _shape_text(x)) for name, x in zip(names, inputs, strict=True)),
        parameters=parameters,
        output=output_of(rule, inputs, params),
        derivatives=tuple(derivatives),
    )


def output_of(rule: Rule, inputs: Sequence[Any], params: tuple[Any, ...]) -> Expression:
    """Return the output of a rule written out; if it is too long or assigns to elements, its name and operands."""
    by_name = Symbol.__apply_rule__(rule, tuple(inputs), params)
    try:
        written = expression_of(rule.compute(inputs, params), by_name.scope)
    except NotAnExpression:
        return by_name.expression
    return by_name.expression if is_long(written) else written


def _input_names(rule: Rule, count: int) -> list[Name]:
    """Return the names of the inputs as the rule has them; a rule with any number of inputs gets numbered names."""
    return [Name(rule.inputs[0][0], k + 1) for k in range(count)] if rule.variadic else [Name(x) for x in rule.inputs]


def _symbolic(name: str, value: Any, scope: Scope) -> Any:
    """Return a parameter in a form that formulas show by its name wherever the rule computes with it."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return Size(value, Name(name), scope)
    return Symbol(Name(name), value, scope) if isinstance(value, float) else value


def _shape_text(x: Symbol) -> str:
    return "×".join(write(n.expression, "text") for n in x.shape) or "a number"


def _short(value: Any) -> str:
    return f"array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{value}"
