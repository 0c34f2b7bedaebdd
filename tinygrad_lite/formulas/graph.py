"""The graph behind a Tensor as a list of operations, with its values named as on paper.

Both `tinygrad_lite.explain`, which writes formulas, and `tinygrad_lite.plot.graph`, which draws, start from it.

>>> import tinygrad_lite as tg
>>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
>>> [(step.result.name.text, step.rule.name) for step in read((x * x).sum()).steps]
[('v', 'multiply'), ('L', 'sum')]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from ..arrays import raw
from ..engine import Node
from ..errors import GraphError
from ..nn import Module
from ..rules import elementwise
from ..tensor import Tensor
from .folding import Nets, expect_depth, folded
from .names import name, own_name
from .values import AppliedRule, Step, Value

OPENED = 100  # operations for each one in the folded graph, at most


class TooLarge(ValueError):
    """The graph has more operations than the caller allowed."""


@dataclass(frozen=True, eq=False)
class Graph:
    """The values and operations that a Tensor was computed from.

    Attributes
    ----------
    leaves : tuple of Value
        Parameters, inputs and constants, in order of their first use.
    steps : tuple of AppliedRule and AppliedModule
        The operations and calls, oldest first; the result of the last is the Tensor itself.
    """

    leaves: tuple[Value, ...]
    steps: tuple[Step, ...]

    @property
    def result(self) -> Value:
        """The value of the Tensor whose graph this is."""
        return self.steps[-1].results[-1]

    @property
    def values(self) -> tuple[Value, ...]:
        """All values: leaves, then results."""
        return (*self.leaves, *(y for step in self.steps for y in step.results))


def read(tensor: Tensor, model: Module | None = None, most: int | None = None, depth: int | None = None) -> Graph:
    """Return the graph of a Tensor, with names for its values.

    Parameters, and Tensors with a name of their own, keep the names that the user gave them: those of attributes. The
    exception is a layer's ``weight`` and ``bias``, which are ``W`` and ``b``. An argument of the net that is called by
    a letter has that name; others, and what is multiplied by weights, are ``x``. Targets are ``t``, constants ``c``.
    Products (with their bias, if one is added) are named ``z``, and their activations ``a``. The last result is ``L``
    if it is a single number, else ``y``. Results of folded modules are ``h``, their parameters together ``θ``. Other
    results are ``v``. Values of one name get numbers: in a layer, that of the layer.

    Parameters
    ----------
    tensor : Tensor
        The result of an operation, whose graph has not been freed.
    model : Module, optional
        The net. By default it is the module that computed the Tensor.
    most : int, optional
        The largest number of operations and folded modules allowed.
    depth : int, optional
        The number of levels of modules that are shown; those at this level are folded. None folds nothing.

    Raises
    ------
    GraphError
        If the Tensor has no graph (none of its operands required a gradient), the graph has been freed, or a Tensor
        was changed in place after an operation used it.
    TooLarge
        If there are more than ``most`` operations.
    TypeError
        If the first argument is no Tensor, or the model no Module.
    ValueError
        If none of the model's parameters is in the graph, or the depth is no whole number of at least 1.
    """
    expect_depth(depth)
    if not isinstance(tensor, Node):
        raise TypeError(
            f"only a Tensor has a graph, not a {type(tensor).__name__}: pass a result, such as the loss of a model"
        )
    if not isinstance(model, Module | None):
        raise TypeError(f"the model must be a Module, such as the net that computed the Tensor, not {model!r:.60}")
    if tensor.operation is None:
        raise GraphError(
            "this Tensor has no graph: it was not computed from a Tensor with requires_grad=True, or inside no_grad()"
        )
    operations = _without_identities(_results(tensor, most and most * (1 if depth is None else OPENED)))
    used = {id(x) for _, operands in operations for x in operands}
    own = [] if model is None else model.parameters()
    if own and used.isdisjoint(map(id, own)):
        raise ValueError("none of the model's parameters is in the graph of this Tensor: compute it with this model")
    nets = Nets([y.operation.call for y, _ in operations], model)  # type: ignore[union-attr]
    values: dict[int, Value] = {}

    def value(x: Any, array: Any = None) -> Value:
        learnt = isinstance(x, Node) and x.requires_grad
        return values.setdefault(id(x), Value(x, raw(x) if array is None else array, learnt))

    applied = []
    for y, operands in operations:
        operation: Any = y.operation
        as_used = zip(operands, operation.arrays, strict=True)
        given = tuple(value(x, array) if isinstance(x, Node) or np.ndim(x) else x for x, array in as_used)
        indices = tuple(value(x) for x in operation.params if nets.input(x) is not None)
        applied.append(AppliedRule(operation.rule, given, operation.params, value(y), indices, operation.call))
    steps = folded(applied, nets, depth, value)
    if most is not None and len(steps) > most:
        raise TooLarge(f"there are more than {most} operations")
    name(steps, nets)
    computed = {y for step in steps for y in step.results}
    leaves = dict.fromkeys(x for step in steps for x in step.used if isinstance(x, Value) and x not in computed)
    return Graph(tuple(leaves), steps)


def _results(tensor: Node, most: int | None) -> list[Node]:
    """Return all results of operations in the graph of a Tensor, oldest first; the last is the Tensor itself."""
    found, stack = {tensor}, [tensor]
    while stack:
        operation: Any = stack.pop().operation
        if operation.inputs is None:
            raise GraphError(
                "the graph of this Tensor was freed by backward(): compute it again, and look at it before backward(), "
                "or call backward(create_graph=True), which keeps the graph"
            )
        nodes = [x for x in operation.inputs if isinstance(x, Node)]
        if not all(isinstance(x, Tensor) for x in nodes):
            raise GraphError(
                f"{operation.rule.name} keeps no graph of what it computes, so there is nothing to show: call its "
                "function without it"
            )
        if any(x.memory is not None and x.memory.changed > operation.time for x in nodes):
            raise GraphError(
                f"a Tensor was changed in place after {operation.rule.name} used it, so the graph no longer has "
                "the old value: compute the result again"
            )
        new = {x for x in nodes if x.operation is not None} - found
        found |= new
        stack += new
        if most is not None and len(found) > most:
            raise TooLarge(f"there are more than {most} operations")
    return sorted(found, key=lambda node: node.operation.time)  # type: ignore[union-attr]


def _without_identities(results: Sequence[Node]) -> list[tuple[Node, list[Any]]]:
    """Return the results with their operands, without the identity operations.

    A transform such as `grad` passes each argument through an identity. Formulas show the argument itself instead, and
    a constant number without a name as a plain number.
    """
    arguments: dict[Node, Any] = {}

    def operand(x: Any) -> Any:
        if not isinstance(x, Node):
            return x if np.ndim(x) or isinstance(x, (int, float)) else x.item()
        is_plain = not x.requires_grad and not x._data.shape and own_name(x) is None
        return arguments.get(x, x._data.item() if is_plain else x)

    found = []
    for node in results:
        operation: Any = node.operation
        if operation.rule is not elementwise.identity or node is results[-1]:
            found.append((node, [operand(x) for x in operation.inputs]))
        elif operation.inputs[0] is not None:
            arguments[node] = operand(operation.inputs[0])
    return found


def backward_steps(
    graph: Graph, seed: Any, array: Callable[[Value], Any] = attrgetter("array")
) -> Iterator[tuple[Step, dict[Value, Any]]]:
    """Carry a cotangent back through a graph, one operation at a time.

    Parameters
    ----------
    graph : Graph
        The graph to walk backwards.
    seed : array
        The cotangent of its result.
    array : callable
        Returns the array of a value, or what takes its place.

    Yields
    ------
    step : AppliedRule or AppliedModule
        The operation or call, latest first.
    cotangents : dict
        The complete cotangents of its operands: those to which no earlier operation will add. The caller may replace
        values in this dictionary; the walk continues with the replacements.
    """
    open_uses = Counter(x for step in graph.steps for x in step.inputs)
    gathered: dict[Value, Any] = {graph.result: seed}
    for step in reversed(graph.steps):
        for x, g in step.pull_back({y: gathered.pop(y) for y in step.results}, array).items():
            gathered[x] = gathered[x] + g if x in gathered else g
        open_uses.subtract(step.inputs)
        completed = {x: gathered[x] for x in step.inputs if not open_uses[x]}
        yield step, completed
        gathered.update(completed)
