"""The graph behind a Tensor as a list of operations, with its values named as on paper.

Both `tinygrad_lite.explain`, which writes formulas, and `tinygrad_lite.plot.graph`, which draws, start from it.

>>> import tinygrad_lite as tg
>>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
>>> [(step.result.name.text, step.rule.name) for step in read((x * x).sum()).steps]
[('v', 'multiply'), ('L', 'sum')]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Node, Operation, sweep
from ..errors import GraphError
from ..nn import Module
from ..rules import Rule, elementwise, neural, products
from ..support.formatting import latex_escaped
from ..tensor import Tensor

_OF_A_LAYER = ("weight", "bias")  # every layer has these names, so formulas say W and b with the layer's number
_GREEK = {"δ": r"\delta"}
_SUBSCRIPTS = str.maketrans("0123456789-", "₀₁₂₃₄₅₆₇₈₉₋")
_PRODUCTS = (products.product, products.linear)
_ACTIVATIONS = (neural.relu, neural.sigmoid, neural.softmax, neural.log_softmax, elementwise.tanh)


class TooLarge(ValueError):
    """The graph has more operations than the caller allowed."""


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


@dataclass(frozen=True, eq=False)
class Value:
    """A value in a graph: a Tensor, or an array that an operation was given.

    Attributes
    ----------
    name : Name
        Its name in formulas and pictures.
    array : array
        Its raw value.
    requires_grad : bool
        True if the backward pass computes a cotangent of this value.
    path : str or None
        The path of a parameter in its model, or the name that the user gave.
    """

    name: Name
    array: Any
    requires_grad: bool
    path: str | None = None


@dataclass(frozen=True, eq=False)
class AppliedRule:
    """One operation: a rule, its operands (values or plain numbers), its parameters and its result."""

    rule: Rule
    operands: tuple[Value | float, ...]
    params: tuple[Any, ...]
    result: Value

    @property
    def inputs(self) -> list[Value]:
        """The operands that require a gradient, in order, without repetitions."""
        return list(dict.fromkeys(x for x in self.operands if isinstance(x, Value) and x.requires_grad))

    def pull_back(self, g: Any) -> dict[Value, Any]:
        """Return the cotangents of the inputs, computed by the engine's own sweep over this operation alone."""
        nodes = {x: _bare_node(x.array, x.requires_grad) for x in (*self.operands, self.result) if isinstance(x, Value)}
        arrays = [x.array if isinstance(x, Value) else x for x in self.operands]
        y = nodes[self.result]
        y.operation = Operation(
            self.rule, [nodes[x] if isinstance(x, Value) else x for x in self.operands], arrays, self.params
        )
        found = sweep([y], [g])
        return {x: found[nodes[x]] for x in self.inputs}


def _bare_node(array: Any, requires_grad: bool) -> Node:
    """Return a node without history."""
    node = Node()
    node._data, node._requires_grad, node.memory, node.operation = array, requires_grad, None, None
    return node


@dataclass(frozen=True, eq=False)
class Graph:
    """The values and operations that a Tensor was computed from.

    Attributes
    ----------
    leaves : tuple of Value
        Parameters, inputs and constants, in order of their first use.
    steps : tuple of AppliedRule
        The operations, oldest first; the result of the last is the Tensor itself.
    """

    leaves: tuple[Value, ...]
    steps: tuple[AppliedRule, ...]

    @property
    def result(self) -> Value:
        """The value of the Tensor whose graph this is."""
        return self.steps[-1].result

    @property
    def values(self) -> tuple[Value, ...]:
        """All values: leaves, then results."""
        return (*self.leaves, *(step.result for step in self.steps))


def read(tensor: Tensor, model: Module | None = None, most: int | None = None) -> Graph:
    """Return the graph of a Tensor, with names for its values.

    Products (with their bias, if one is added) are named ``z``, and their activations ``a``. The last result is ``L``
    if it is a single number, else ``y``. Other results are ``v``. Weights and biases of a layer are ``W`` and ``b``,
    inputs and other parameters ``x``, targets ``t`` and constants ``c``. A Tensor with a name of its own keeps it,
    except for a layer's ``weight`` and ``bias``. Values of one name get numbers: in a layer, that of the layer.

    Parameters
    ----------
    tensor : Tensor
        The result of an operation, whose graph has not been freed.
    model : Module, optional
        Adds the paths of its parameters to the values.
    most : int, optional
        The largest number of operations allowed.

    Raises
    ------
    GraphError
        If the Tensor has no graph (none of its operands required a gradient), the graph has been freed, or a Tensor
        was changed in place after an operation used it.
    TooLarge
        If there are more than ``most`` operations.
    TypeError
        If the argument is no Tensor.
    ValueError
        If none of the model's parameters is in the graph.
    """
    if not isinstance(tensor, Node):
        raise TypeError(
            f"only a Tensor has a graph, not a {type(tensor).__name__}: pass a result, such as the loss of a model"
        )
    if tensor.operation is None:
        raise GraphError(
            "this Tensor has no graph: it was not computed from a Tensor with requires_grad=True, or inside no_grad()"
        )
    operations = _without_identities(_results(tensor, most))
    paths = {id(p): path for path, p in model.named_parameters()} if model is not None else {}
    if paths and paths.keys().isdisjoint(id(x) for _, operands in operations for x in operands):
        raise ValueError("none of the model's parameters is in the graph of this Tensor: compute it with this model")
    names = _named(operations)
    known: dict[int, Value] = {}
    leaves: list[Value] = []
    steps: list[AppliedRule] = []
    for node, operands in operations:
        operation: Any = node.operation
        for x, array in zip(operands, operation.arrays, strict=True):
            if _has_a_name(x) and id(x) not in known:
                own = _own_name(x)
                path = paths.get(id(x), None if own in _OF_A_LAYER else own)
                known[id(x)] = Value(names[id(x)], array, isinstance(x, Node) and x.requires_grad, path)
                leaves.append(known[id(x)])
        values = tuple(known[id(x)] if _has_a_name(x) else x for x in operands)
        known[id(node)] = Value(names[id(node)], node._data, requires_grad=True)
        steps.append(AppliedRule(operation.rule, values, operation.params, known[id(node)]))
    return Graph(tuple(leaves), tuple(steps))


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


def _has_a_name(operand: Any) -> bool:
    """Return True for a Tensor or an array with axes; plain numbers are written by their value."""
    return isinstance(operand, Node) or np.ndim(operand) > 0


def _own_name(x: Any) -> str | None:
    """Return the name that the user gave a Tensor, or None."""
    return getattr(x, "name", None) or None


def _without_identities(results: Sequence[Node]) -> list[tuple[Node, list[Any]]]:
    """Return the results with their operands, without the identity operations.

    A transform such as `grad` passes each argument through an identity. Formulas show the argument itself instead, and
    a constant number without a name as a plain number.
    """
    arguments: dict[Node, Any] = {}

    def operand(x: Any) -> Any:
        if not isinstance(x, Node):
            return x if np.ndim(x) or isinstance(x, (int, float)) else x.item()
        is_plain = not x.requires_grad and not x._data.shape and _own_name(x) is None
        return arguments.get(x, x._data.item() if is_plain else x)

    found = []
    for node in results:
        operation: Any = node.operation
        if operation.rule is not elementwise.identity or node is results[-1]:
            found.append((node, [operand(x) for x in operation.inputs]))
        elif operation.inputs[0] is not None:
            arguments[node] = operand(operation.inputs[0])
    return found


def _named(operations: Sequence[tuple[Node, list[Any]]]) -> dict[int, Name]:
    """Return the name of each value in a graph, by the ``id`` of its node or array."""
    words: dict[int, tuple[str, int | None]] = {}
    rules: dict[int, Rule] = {id(node): node.operation.rule for node, _ in operations}  # type: ignore[union-attr]
    biased = {id(operands[0]) for node, operands in operations if _adds_a_bias(node, operands, rules)}
    activated: set[int | None] = set()  # the layers that have an activation already
    layers = 0
    for node, operands in operations:
        rule = rules[id(node)]
        layers += rule in _PRODUCTS
        for k, x in enumerate(operands):
            if id(x) not in words and _has_a_name(x):
                words[id(x)] = _leaf_word(_own_name(x), rule, k, x, layers)
        own = _own_name(node)
        word, layer = words.get(id(operands[0]), ("", None))
        if own is not None:
            words[id(node)] = own, None
        elif node is operations[-1][0]:
            words[id(node)] = ("y" if node._data.shape else "L"), None
        elif (rule in _PRODUCTS and id(node) not in biased) or _adds_a_bias(node, operands, rules):
            words[id(node)] = "z", layers
        elif rule in _ACTIVATIONS and word == "z" and layer not in activated:
            activated.add(layer)
            words[id(node)] = "a", layer
        else:
            words[id(node)] = "v", None
    return dict(zip(words, _numbered(words.values()), strict=True))


def _adds_a_bias(node: Node, operands: list[Any], rules: dict[int, Rule]) -> bool:
    """Return True if an operation adds a learnt bias to a product: the two operations are one layer."""
    if rules[id(node)] is not elementwise.add:
        return False
    product, bias = operands
    learnt = isinstance(bias, Node) and bias.requires_grad and id(bias) not in rules
    return learnt and rules.get(id(product)) is products.product


def _leaf_word(own: str | None, rule: Rule, k: int, x: Any, layer: int) -> tuple[str, int | None]:
    """Return the word that names a leaf, by its first use, and the number of its layer (None outside layers)."""
    if own is not None and own not in _OF_A_LAYER:
        return own, None
    learnt = isinstance(x, Node) and x.requires_grad
    if rule in _PRODUCTS and learnt and k > 0:
        return ("W", "b")[k - 1], layer
    if layer and learnt and k == 1 and rule is elementwise.add:
        return "b", layer
    if learnt or rule in _PRODUCTS:
        return "x", None
    return ("t" if rule.inputs[0 if rule.variadic else k] == "t" else "c"), None


def _numbered(words: Iterable[tuple[str, int | None]]) -> Iterator[Name]:
    """Yield distinct names: layers are numbered if there are several, and so are other values that share a word."""
    words = list(words)
    several = Counter(word for word, _ in words)
    layers = {layer for word, layer in words if word in "zW"}
    next_number: Counter[str] = Counter()
    taken = {"g", r"\delta"}  # formulas need these for cotangents
    for word, layer in words:
        name = Name(word, layer if len(layers) > 1 else None)
        if layer is None and several[word] > 1:
            next_number[word] += 1
            name = Name(word, next_number[word])
        while {name.latex, name.text} & taken:
            name = Name(name.word + "′", name.number)
        taken |= {name.latex, name.text}
        yield name


def backward_steps(graph: Graph, seed: Any) -> Iterator[tuple[AppliedRule, dict[Value, Any]]]:
    """Carry a cotangent back through a graph, one operation at a time.

    Parameters
    ----------
    graph : Graph
        The graph to walk backwards.
    seed : array
        The cotangent of its result.

    Yields
    ------
    step : AppliedRule
        The operation, latest first.
    cotangents : dict
        The complete cotangents of its operands: those to which no earlier operation will add. The caller may replace
        values in this dictionary; the walk continues with the replacements.
    """
    open_uses = Counter(x for step in graph.steps for x in step.inputs)
    gathered: dict[Value, Any] = {graph.result: seed}
    for step in reversed(graph.steps):
        for x, g in step.pull_back(gathered.pop(step.result)).items():
            gathered[x] = gathered[x] + g if x in gathered else g
        open_uses.subtract(step.inputs)
        completed = {x: gathered[x] for x in step.inputs if not open_uses[x]}
        yield step, completed
        gathered.update(completed)
