"""The graph behind a Tensor, read: its values named as one would name them on paper, its operations in order.

`tinygrad_lite.explain` writes it down as formulas, `tinygrad_lite.plot.graph` draws it.
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

_OF_A_LAYER = ("weight", "bias")  # names that say less than the letters they are given here
_GREEK = {"δ": r"\delta"}
_SUBSCRIPTS = str.maketrans("0123456789-", "₀₁₂₃₄₅₆₇₈₉₋")
_PRODUCTS = (products.product, products.linear)
_ACTIVATIONS = (neural.relu, neural.sigmoid, neural.softmax, neural.log_softmax, elementwise.tanh)


class TooLarge(ValueError):
    """A graph with more operations than were asked for."""


@dataclass(frozen=True)
class Name:
    """What a value is called: a letter or word, and a number if there are several."""

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
    """Return a whole number in Unicode's small figures."""
    return str(number).translate(_SUBSCRIPTS)


@dataclass(frozen=True, eq=False)
class Value:
    """A value in a graph: a Tensor, or an array that an operation was given.

    Attributes
    ----------
    name : Name
        What it is called here.
    array : array
        Its raw value.
    node : Node or None
        What stands for the Tensor, without its history; None for a plain array.
    path : str or None
        Where a parameter stands in its model, or the name it was given.
    """

    name: Name
    array: Any
    node: Node | None
    path: str | None = None

    @property
    def requires_grad(self) -> bool:
        """Whether a cotangent flows to it."""
        return self.node is not None and self.node.requires_grad


@dataclass(frozen=True, eq=False)
class Step:
    """One operation: a rule applied to operands (values; plain numbers stand for themselves) gives a result."""

    rule: Rule
    operands: tuple[Value | float, ...]
    params: tuple[Any, ...]
    result: Value

    @property
    def inputs(self) -> list[Node]:
        """The operands that a cotangent flows to, each once, in order."""
        nodes = [x.node for x in self.operands if isinstance(x, Value) and x.node is not None]
        return list(dict.fromkeys(node for node in nodes if node.requires_grad))

    def pull_back(self, g: Any) -> dict[Node, Any]:
        """Return the cotangents of the inputs, by the engine's sweep over this one operation."""
        inputs = [x if not isinstance(x, Value) else x.array if x.node is None else x.node for x in self.operands]
        arrays = [x.array if isinstance(x, Value) else x for x in self.operands]
        y = bare_node(self.result.array, requires_grad=True)
        y.operation = Operation(self.rule, inputs, arrays, self.params)
        return sweep([y], [g])


@dataclass(frozen=True, eq=False)
class Graph:
    """What a Tensor was computed from.

    Attributes
    ----------
    leaves : tuple of Value
        Parameters, inputs and constants, in the order in which they are used.
    steps : tuple of Step
        The operations, oldest first; the last one's result is the Tensor itself.
    """

    leaves: tuple[Value, ...]
    steps: tuple[Step, ...]

    @property
    def result(self) -> Value:
        """The Tensor whose graph it is."""
        return self.steps[-1].result

    @property
    def values(self) -> tuple[Value, ...]:
        """All values: leaves, then results."""
        return (*self.leaves, *(step.result for step in self.steps))


def read(tensor: Tensor, model: Module | None = None, most: int | None = None) -> Graph:
    """Return the graph of a Tensor, with names for its values.

    Results of products are ``z``, activations of them ``a``, a single number at the end ``L``, everything else ``v``;
    the weights and biases of a layer are ``W`` and ``b``, the first input ``x``, targets ``t``. A Tensor that was
    given a name (other than a layer's ``weight`` and ``bias``) keeps it. Numbers tell several of a kind apart, those
    of one layer being the same.

    Parameters
    ----------
    tensor : Tensor
        Computed from others, with its graph not freed yet.
    model : Module, optional
        Whose parameters are to be named by their paths as well.
    most : int, optional
        The number of operations that is not to be exceeded.

    Raises
    ------
    GraphError
        If the Tensor was not computed from any that requires a gradient, its graph has been freed, or a Tensor was
        changed in place after the graph used it.
    TooLarge
        If there are more than ``most`` operations.
    TypeError
        If it is no Tensor.
    ValueError
        If the graph has nothing to do with the model.
    """
    if not isinstance(tensor, Node):
        raise TypeError(
            f"a Tensor has a graph, such as the loss computed with a model, but not a {type(tensor).__name__}"
        )
    if tensor.operation is None:
        raise GraphError(
            "this Tensor has no graph: it was not computed from a Tensor with requires_grad=True, or inside no_grad()"
        )
    copies = _Copies(_results(tensor, most))
    names = _named(copies)
    paths = {id(p): path for path, p in model.named_parameters()} if model is not None else {}
    if paths and not any(id(original) in paths for original in copies.originals.values()):
        raise ValueError("none of the model's parameters has to do with this Tensor: was it computed with the model?")
    known: dict[int, Value] = {}
    leaves: list[Value] = []
    steps: list[Step] = []
    for node, operation in copies.results:
        operands: list[Value | float] = []
        for x, array in zip(operation.inputs or (), operation.arrays or (), strict=True):
            if not _has_a_name(x):
                operands.append(x)
                continue
            if id(x) not in known:
                own = copies.own_name(x)
                path = paths.get(id(copies.originals.get(id(x))), None if own in _OF_A_LAYER else own)
                known[id(x)] = Value(names[id(x)], array, x if isinstance(x, Node) else None, path)
                leaves.append(known[id(x)])
            operands.append(known[id(x)])
        known[id(node)] = Value(names[id(node)], node._data, node)
        steps.append(Step(operation.rule, tuple(operands), operation.params, known[id(node)]))
    return Graph(tuple(leaves), tuple(steps))


def _results(tensor: Node, most: int | None) -> list[Node]:
    """Return what was computed on the way to a Tensor, and the Tensor, oldest first."""
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
                f"a Tensor was changed in place after {operation.rule.name} used it, so the graph no longer tells how "
                "this one came about: compute it again"
            )
        new = {x for x in nodes if x.operation is not None} - found
        found |= new
        stack += new
        if most is not None and len(found) > most:
            raise TooLarge(f"there are more than {most} operations")
    return sorted(found, key=lambda node: node.operation.time)  # type: ignore[union-attr]


def _has_a_name(operand: Any) -> bool:
    """Return whether an operand is a Tensor or array, not a plain number."""
    return isinstance(operand, Node) or np.ndim(operand) > 0


def bare_node(array: Any, requires_grad: bool) -> Node:
    """Return a node without history."""
    node = Node()
    node._data, node._requires_grad, node.memory, node.operation = array, requires_grad, None, None
    return node


class _Copies:
    """A graph's nodes without those that merely stand for others, as the arguments of a differentiated function do.

    Attributes
    ----------
    results : list of (Node, Operation)
        Copies of the results, oldest first, and how they came about from copies.
    originals : dict
        The Tensor that a copy was made of, by the identity of the copy.
    """

    def __init__(self, results: Sequence[Node]) -> None:
        self.results: list[tuple[Node, Operation]] = []
        self.originals: dict[int, Node] = {}
        self._found: dict[int, Any] = {}
        for node in results:
            operation: Any = node.operation
            if operation.rule is elementwise.identity and node is not results[-1]:
                argument = operation.inputs[0]
                self._found[id(node)] = self._copied(node) if argument is None else self._operand(argument)
                continue
            copy = self._found[id(node)] = self._copied(node)
            inputs = [self._operand(x) for x in operation.inputs]
            self.results.append((copy, Operation(operation.rule, inputs, operation.arrays, operation.params)))

    def _operand(self, x: Any) -> Any:
        """Return the copy of an operand; an array as it is; a number, also one in a Tensor without a name, as such."""
        if not isinstance(x, Node):
            return x if np.ndim(x) or isinstance(x, (int, float)) else x.item()
        if id(x) not in self._found:
            plain = not x.requires_grad and not x._data.shape and not getattr(x, "name", None)
            self._found[id(x)] = x._data.item() if plain else self._copied(x)
        return self._found[id(x)]

    def _copied(self, node: Node) -> Node:
        copy = bare_node(node._data, node.requires_grad)
        self.originals[id(copy)] = node
        return copy

    def own_name(self, x: Any) -> str | None:
        """Return the name that the Tensor behind a copy was given, if any."""
        return getattr(self.originals.get(id(x)), "name", None) or None


def _named(copies: _Copies) -> dict[int, Name]:
    """Return the names of the values of a graph, by the identity of nodes and arrays."""
    words: dict[int, tuple[str, int | None]] = {}
    rules = {id(node): operation.rule for node, operation in copies.results}
    biased = {id(operation.inputs[0]) for _, operation in copies.results if _adds_a_bias(operation, rules)}  # type: ignore[index]
    activated: set[int | None] = set()  # the layers that have an activation already
    layers = 0
    for node, operation in copies.results:
        rule, inputs = operation.rule, operation.inputs or ()
        layers += rule in _PRODUCTS
        for k, x in enumerate(inputs):
            if id(x) not in words and _has_a_name(x):
                words[id(x)] = _leaf_word(copies.own_name(x), rule, k, x, layers)
        own = copies.own_name(node)
        word, layer = words.get(id(inputs[0]), ("", None))
        if own is not None:
            words[id(node)] = own, None
        elif node is copies.results[-1][0]:
            words[id(node)] = ("y" if node._data.shape else "L"), None
        elif (rule in _PRODUCTS and id(node) not in biased) or _adds_a_bias(operation, rules):
            words[id(node)] = "z", layers
        elif rule in _ACTIVATIONS and word == "z" and layer not in activated:
            activated.add(layer)
            words[id(node)] = "a", layer
        else:
            words[id(node)] = "v", None
    return dict(zip(words, _numbered(words.values()), strict=True))


def _adds_a_bias(operation: Operation, rules: dict[int, Rule]) -> bool:
    """Return whether an operation adds a bias to a product: together they are one layer."""
    if operation.rule is not elementwise.add:
        return False
    product, bias = operation.inputs or ()
    learnt = isinstance(bias, Node) and bias.requires_grad and id(bias) not in rules
    return learnt and rules.get(id(product)) is products.product


def _leaf_word(own: str | None, rule: Rule, k: int, x: Any, layer: int) -> tuple[str, int | None]:
    """Return what a leaf is called by what it is first used for, and the layer it belongs to."""
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
    """Yield names that look different: a number where there are several, that of the layer where there is one."""
    words = list(words)
    several = Counter(word for word, _ in words)
    layers = {layer for word, layer in words if word in "zW"}
    next_number: Counter[str] = Counter()
    taken = {"g", r"\delta"}  # what cotangents are called
    for word, layer in words:
        name = Name(word, layer if len(layers) > 1 else None)
        if layer is None and several[word] > 1:
            next_number[word] += 1
            name = Name(word, next_number[word])
        while {name.latex, name.text} & taken:
            name = Name(name.word + "′", name.number)
        taken |= {name.latex, name.text}
        yield name


def backward_steps(graph: Graph, seed: Any) -> Iterator[tuple[Step, dict[Node, Any]]]:
    """Carry a cotangent back through a graph, one operation at a time.

    Parameters
    ----------
    graph : Graph
        What to pass through.
    seed : array
        The cotangent of its result.

    Yields
    ------
    step : Step
        The operation passed, youngest first.
    cotangents : dict
        The cotangents of the operands it completed: those that no older operation adds to. What the caller puts in
        their place is what flows on.
    """
    open_uses: Counter[Node] = Counter()
    for step in graph.steps:
        open_uses.update(step.inputs)
    gathered: dict[Node, Any] = {graph.result.node: seed}  # type: ignore[dict-item]
    for step in reversed(graph.steps):
        node: Any = step.result.node
        for x, g in step.pull_back(gathered.pop(node)).items():
            gathered[x] = gathered[x] + g if x in gathered else g
        open_uses.subtract(step.inputs)
        completed = {x: gathered[x] for x in step.inputs if not open_uses[x]}
        yield step, completed
        gathered.update(completed)
