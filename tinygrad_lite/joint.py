"""Joint operations: several inputs, several results, and one function that computes all cotangents at once.

An operation of the engine has one result, and a rule has an expression for each input. That does not fit a function
that is differentiated by evaluating it again: all cotangents come from one evaluation. So two kinds of operations stand
in the graph for it. One is the function, with all its inputs, and one for each result picks it. The cotangents of the
results flow to the function together, as a `Bundle`.

Examples
--------
>>> import tinygrad_lite as tg
>>> x = tg.Tensor(3.0, requires_grad=True)
>>> two, five = joint("both", [x], [x.detach() * 2, x.detach() * 5], lambda gs, as_nodes: [gs[0] * 2 + gs[1] * 5])
>>> (two * five).backward()
>>> x.grad  # of 10x²
Tensor(60., dtype=float32)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .changes import unless_changed
from .engine import Node, Operation
from .rules import Rule, elementwise
from .rules.rule import Vjp
from .tensor import Tensor, constant


class Bundle:
    """Several cotangents, arrays or Tensors, that flow through a graph as one.

    Parameters
    ----------
    *parts
        Pairs of the number of a result and its cotangent; and other bundles, since a sum is taken apart at the end.

    Attributes
    ----------
    found : sequence
        The cotangents of the function's inputs, once they are computed.
    """

    # What the engine compares; those of the parts were checked where the parts arose.
    shape, dtype = (), np.dtype(object)
    found: Sequence[Any]

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __add__(self, other: Bundle) -> Bundle:
        """Return the bundle of all cotangents of both."""
        return Bundle(self, other)

    def of_results(self, count: int) -> list[Any]:
        """Return the cotangent of each result; None stands for a zero."""
        gs: list[Any] = [None] * count
        parts: list[Any] = [self]
        for part in parts:
            if isinstance(part, Bundle):
                parts += part.parts
            else:
                gs[part[0]] = part[1]
        return gs


def joint(
    name: str,
    inputs: Sequence[Node],
    results: Sequence[Tensor],
    pull_back: Callable[[Sequence[Any], bool], Sequence[Any]],
) -> list[Tensor]:
    """Return Tensors of results, and record the one operation that has computed them all.

    Parameters
    ----------
    name : str
        The name of the operation.
    inputs : sequence of Tensor
        The Tensors to differentiate by; each requires a gradient.
    results : sequence of Tensor
        The values that were computed; a history that they have is left out.
    pull_back : callable
        ``pull_back(gs, as_nodes)`` returns the cotangent of each input, given that of each result. They are arrays, or
        Tensors if ``as_nodes``, which can be differentiated again; None stands for a zero.
    """

    def of_input(g: Bundle, y: Any, k: int, values: Sequence[Any], params: tuple[Any, ...]) -> Any:
        if not hasattr(g, "found"):
            given: Any = operation.inputs
            # The function reads the inputs as they are now, not the arrays that the operation has kept.
            for value in unless_changed([x._data for x in given], given, operation, are_kept=False):
                _ = value.T
            g.found = pull_back(g.of_results(count), isinstance(y, Node))
        if g.found[k] is not None:
            return g.found[k]
        return constant(np.zeros_like(values[k]._data)) if isinstance(y, Node) else np.zeros_like(values[k])

    def of_result(g: Any, y: Any, k: int, values: Sequence[Any], params: tuple[Any, ...]) -> Bundle:
        return Bundle((params[0], g))

    function, count = Node(), len(results)
    operation = Operation(_rule(name, of_input, len(inputs)), tuple(inputs), tuple(x._data for x in inputs), ())
    function._data, function._requires_grad, function.memory, function.operation = Bundle(), True, None, operation
    pick = _rule(name, of_result)
    tensors = [constant(y._data) for y in results]
    for i, (y, result) in enumerate(zip(tensors, results, strict=True)):
        if result.memory is not None:
            result.share_memory(y)
        y._requires_grad = True
        y.operation = Operation(pick, (function,), (function._data,), (i,))
    return tensors


def _rule(name: str, pull_back: Callable[..., Any], count: int = 1) -> Rule:
    return replace(elementwise.identity, name=name, vjps=(Vjp(pull_back, pull_back),) * count)
