"""What a graph consists of: named values, and the operations and folded modules that compute one from another.

>>> Name("W", 1).text, Name("W", 1).latex
('W₁', 'W_{1}')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Call, Node, Operation, sweep
from ..rules import Rule
from ..support.formatting import latex_escaped

_GREEK = {"δ": r"\delta", "θ": r"\theta"}
_SUBSCRIPTS = str.maketrans("0123456789-", "₀₁₂₃₄₅₆₇₈₉₋")


@dataclass(frozen=True)
class Name:
    """The name of a value in a formula: a letter or word, with a number if several values share it."""

    word: str
    number: int | None = None

    @property
    def text(self) -> str:
        """The name in plain text: ``W₁``."""
        return self.word + ("" if self.number is None else subscript(self.number))

    @property
    def latex(self) -> str:
        """The name in LaTeX, without the dollars: ``W_{1}``."""
        word, number = self.word, self.number
        lettered = re.fullmatch(r"([A-Za-z])_?(\d+)", word)
        if lettered and number is None:
            word, number = lettered[1], int(lettered[2])
        word = _GREEK.get(word) or latex_escaped(word)
        if len(self.word) > 1 and not lettered:
            word = rf"\mathrm{{{word}}}"
        return word if number is None else f"{word}_{{{number}}}"


def subscript(number: int) -> str:
    """Return a whole number in Unicode subscript digits."""
    return str(number).translate(_SUBSCRIPTS)


@dataclass(eq=False)
class Value:
    """A value in a graph: a Tensor, or an array that an operation was given.

    Attributes
    ----------
    source : Node, array or Module
        The Tensor or array itself; the module for the vector of its parameters.
    array : array
        Its raw value.
    requires_grad : bool
        True if the backward pass computes a cotangent of this value.
    name : Name
        Its name in formulas and pictures. Values within a folded module have none.
    path : str or None
        The path of a parameter in its model, or the name that the user gave it or an argument.
    """

    source: Any
    array: Any
    requires_grad: bool
    name: Name = Name("")
    path: str | None = None


@dataclass(frozen=True, eq=False)
class AppliedRule:
    """One operation: a rule, its operands (values or plain numbers), its parameters and its result.

    Attributes
    ----------
    indices : tuple of Value
        The arguments of the net among the parameters: numbers of rows that the operation looks up.
    call : Call or None
        The innermost call of a module that it is part of.
    """

    rule: Rule
    operands: tuple[Value | float, ...]
    params: tuple[Any, ...]
    result: Value
    indices: tuple[Value, ...] = ()
    call: Call | None = None

    @property
    def results(self) -> tuple[Value, ...]:
        """The result alone."""
        return (self.result,)

    @property
    def by(self) -> str:
        """What computes the result."""
        return self.rule.name

    @property
    def used(self) -> tuple[Value | float, ...]:
        """What it computes the result from."""
        return (*self.indices, *self.operands)

    @property
    def inputs(self) -> list[Value]:
        """The operands that require a gradient, in order, without repetitions."""
        return list(dict.fromkeys(x for x in self.operands if isinstance(x, Value) and x.requires_grad))

    def pull_back(self, cotangents: Mapping[Value, Any], array: Callable[[Value], Any]) -> dict[Value, Any]:
        """Return the cotangents of the inputs, computed by the engine's own sweep over this operation alone.

        The function ``array`` returns the array of a value, or what takes its place.
        """
        return _swept([self], cotangents, array)


@dataclass(frozen=True, eq=False)
class AppliedModule:
    """One call of a module, in place of the operations it consists of.

    Attributes
    ----------
    path, kind : str
        The path of the module in the net, and its type.
    operands : tuple of Value
        The values that it was given, or uses from elsewhere.
    parameters : Value or None
        The parameters that the module alone uses, as one vector; None if there are none.
    members : tuple of Value
        The same parameters, one by one.
    results : tuple of Value
        Its results that are used outside.
    steps : tuple of AppliedRule
        The operations, oldest first.
    """

    path: str
    kind: str
    operands: tuple[Value, ...]
    parameters: Value | None
    members: tuple[Value, ...]
    results: tuple[Value, ...]
    steps: tuple[AppliedRule, ...]
    rule = None
    indices = ()

    @property
    def by(self) -> str:
        """What computes the results."""
        return self.kind

    @property
    def used(self) -> tuple[Value, ...]:
        """What it computes the results from, seen from outside."""
        return (*self.operands, *([] if self.parameters is None else [self.parameters]))

    @property
    def inputs(self) -> list[Value]:
        """What requires a gradient: operands, and the vector of parameters."""
        return [x for x in self.used if x.requires_grad]

    def pull_back(self, cotangents: Mapping[Value, Any], array: Callable[[Value], Any]) -> dict[Value, Any]:
        """Return the cotangents of the inputs, carried back through the operations; symbols have their own way."""
        of_symbols = getattr(next(iter(cotangents.values())), "__pull_back__", None)
        if of_symbols is not None:
            return of_symbols(self, cotangents)
        found = _swept(self.steps, cotangents, array)
        if self.parameters is not None:
            parts = [found.get(x, np.zeros_like(x.array)).reshape(-1) for x in self.members]
            found[self.parameters] = np.concatenate(parts)
        return {x: found[x] for x in self.inputs}


Step = AppliedRule | AppliedModule


def _swept(
    steps: Sequence[AppliedRule], cotangents: Mapping[Value, Any], array: Callable[[Value], Any]
) -> dict[Value, Any]:
    """Carry the cotangents of results back through operations; return those of the values that no step computes."""
    nodes: dict[Any, Any] = {}
    for step in steps:
        for x in (*step.operands, step.result):
            if isinstance(x, Value) and x not in nodes:
                nodes[x] = _bare_node(array(x), x.requires_grad)
        arrays = [array(x) if isinstance(x, Value) else x for x in step.operands]
        inputs = [nodes[x] if isinstance(x, Value) else x for x in step.operands]
        nodes[step.result].operation = Operation(step.rule, inputs, arrays, step.params)
    found = sweep([nodes[y] for y in cotangents], list(cotangents.values()))
    return {x: found[node] for x, node in nodes.items() if node in found}


def _bare_node(array: Any, requires_grad: bool) -> Node:
    """Return a node without history."""
    node = Node()
    node._data, node._requires_grad, node.memory, node.operation = array, requires_grad, None, None
    return node


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as it is written: ``5×3``."""
    return "×".join(map(str, shape)) or "a number"
