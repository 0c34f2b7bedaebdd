"""The graph behind a Tensor, read: its values named as one would name them on paper, its operations in order.

`tinygrad_lite.explain` writes it down as formulas, `tinygrad_lite.plot.graph` draws it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .engine import Node, Operation, sweep
from .errors import GraphError
from .rules import Rule, elementwise, neural, products

if TYPE_CHECKING:
    from .nn import Module
    from .tensor import Tensor

_OF_A_LAYER = ("weight", "bias")  # names that say less than the letters they are given here
_GREEK = {"δ": r"\delta"}
_SUBSCRIPTS = str.maketrans("0123456789-", "₀₁₂₃₄₅₆₇₈₉₋")
_PRODUCTS = (products.product, products.linear)
_ACTIVATIONS = (neural.relu, neural.sigmoid, neural.softmax, neural.log_softmax, elementwise.tanh)


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
        if word in _GREEK:
            word = _GREEK[word]
        elif len(word) > 1:
            escaped = re.sub(r"([_#$%&{}])", r"\\\1", word)
            word = rf"\mathrm{{{escaped}}}"
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
        What stands for the Tensor in this graph; None for a plain array.
    path : str or None
        Where a parameter stands in its model, or the name it was given.
    """

    name: Name
    array: Any
    node: Node | None
    path: str | None = None

    @property
    def operand(self) -> Any:
        """What an operation was applied to: the Tensor, or the plain array."""
        return self.array if self.node is None else self.node

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


def read(tensor: Tensor, model: Module | None = None) -> Graph:
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

    Raises
    ------
    GraphError
        If the Tensor was not computed from any that requires a gradient, or its graph has been freed.
    """
    if tensor.operation is None:
        raise GraphError(
            "this Tensor has no graph: it was not computed from a Tensor with requires_grad=True, or inside no_grad()"
        )
    paths = {id(p): path for path, p in model.named_parameters()} if model is not None else {}
    copies = _Copies(_results(tensor))
    names = _Names(copies)
    known: dict[int, Value] = {}
    leaves: list[Value] = []
    steps: list[Step] = []
    for node in copies.results:
        operation: Any = node.operation
        operands: list[Value | float] = []
        for x, array in zip(operation.inputs, operation.arrays, strict=True):
            if not _has_a_name(x):
                operands.append(x)
                continue
            if id(x) not in known:
                original = copies.originals.get(id(x))
                own = copies.own_name(x)
                path = paths.get(id(original), None if own in _OF_A_LAYER else own)
                known[id(x)] = Value(names[id(x)], array, x if isinstance(x, Node) else None, path)
                leaves.append(known[id(x)])
            operands.append(known[id(x)])
        known[id(node)] = Value(names[id(node)], node._data, node)
        steps.append(Step(operation.rule, tuple(operands), operation.params, known[id(node)]))
    return Graph(tuple(leaves), tuple(steps))


def _results(tensor: Node) -> list[Node]:
    """Return what was computed on the way to a Tensor, and the Tensor, oldest first."""
    found, stack = {tensor}, [tensor]
    while stack:
        operation: Any = stack.pop().operation
        if operation.inputs is None:
            raise GraphError(
                "the graph of this Tensor was freed by backward(): compute it again, and look at it before backward(), "
                "or call backward(create_graph=True), which keeps the graph"
            )
        new = {x for x in operation.inputs if isinstance(x, Node) and x.operation is not None} - found
        found |= new
        stack += new
    return sorted(found, key=lambda node: node.operation.time)  # type: ignore[union-attr]


def _has_a_name(operand: Any) -> bool:
    """Return whether an operand is a Tensor or array, not a plain number."""
    return isinstance(operand, Node) or np.ndim(operand) > 0


class _Copies:
    """A graph's nodes without those that merely stand for others, as the arguments of a differentiated function do.

    Attributes
    ----------
    results : list of Node
        Copies of the results, oldest first.
    originals : dict
        The Tensor that a copy was made of, by the identity of the copy.
    """

    def __init__(self, results: Sequence[Node]) -> None:
        self.results: list[Node] = []
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
            copy.operation = Operation(operation.rule, inputs, operation.arrays, operation.params)
            copy.operation.time = operation.time  # what has changed since is told by it
            self.results.append(copy)

    def _operand(self, x: Any) -> Any:
        """Return the copy of an operand; an array as it is; a number, also one in a Tensor without a name, as such."""
        if not isinstance(x, Node):
            return x if np.ndim(x) or isinstance(x, (int, float)) else x.item()
        if id(x) not in self._found:
            plain = not x.requires_grad and not x._data.shape and getattr(x, "name", None) is None
            self._found[id(x)] = x._data.item() if plain else self._copied(x)
        return self._found[id(x)]

    def _copied(self, node: Node) -> Node:
        copy = Node()
        copy._data, copy.requires_grad, copy.memory, copy.operation = node._data, node.requires_grad, node.memory, None
        self.originals[id(copy)] = node
        return copy

    def own_name(self, x: Any) -> str | None:
        """Return the name that the Tensor behind a copy was given."""
        return getattr(self.originals.get(id(x)), "name", None)


class _Names:
    """The names of the values of a graph, by the identity of nodes and arrays."""

    def __init__(self, copies: _Copies) -> None:
        self._copies = copies
        self._words: dict[int, tuple[str, int | None]] = {}
        self._biased = {id(x) for x in map(_biased_product, copies.results)}
        layers = 0
        for node in copies.results:
            operation: Any = node.operation
            rule: Rule = operation.rule
            layers += rule in _PRODUCTS
            for k, x in enumerate(operation.inputs):
                if id(x) not in self._words and _has_a_name(x):
                    self._words[id(x)] = self._leaf_word(rule, k, x, layers)
            self._words[id(node)] = self._result_word(node, layers, node is copies.results[-1])
        self._names = dict(zip(self._words, _numbered(self._words.values()), strict=True))

    def _leaf_word(self, rule: Rule, k: int, x: Any, layer: int) -> tuple[str, int | None]:
        """Return what a leaf is called by what it is first used for, and the layer it belongs to."""
        own = self._copies.own_name(x)
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

    def _result_word(self, node: Node, layers: int, last: bool) -> tuple[str, int | None]:
        operation: Any = node.operation
        own = self._copies.own_name(node)
        if own is not None:
            return own, None
        if last:
            return ("y" if node._data.shape else "L"), None
        if (operation.rule in _PRODUCTS and id(node) not in self._biased) or _biased_product(node) is not None:
            return "z", layers
        word, layer = self._words.get(id(operation.inputs[0]), ("", None))
        activated = ("a", layer)
        if operation.rule in _ACTIVATIONS and word == "z" and activated not in self._words.values():
            return activated
        return "v", None

    def __getitem__(self, key: int) -> Name:
        return self._names[key]


def _biased_product(node: Node) -> Node | None:
    """Return the product that a bias was added to, if the node is such a sum: together they are one layer."""
    operation: Any = node.operation
    if operation.rule is not elementwise.add:
        return None
    product, bias = operation.inputs
    is_layer = (
        isinstance(product, Node)
        and product.operation is not None
        and product.operation.rule is products.product
        and isinstance(bias, Node)
        and bias.requires_grad
        and bias.operation is None
    )
    return product if is_layer else None


def _numbered(words: Iterable[tuple[str, int | None]]) -> Iterator[Name]:
    """Yield names that are all different: a number where there are several, that of the layer where there is one."""
    words = list(words)
    several = Counter(word for word, _ in words)
    layers = {layer for word, layer in words if word in "zW"}
    next_number: Counter[str] = Counter()
    taken: set[Name] = set()
    for word, layer in words:
        name = Name(word, layer if len(layers) > 1 else None)
        if layer is None and several[word] > 1:
            next_number[word] += 1
            name = Name(word, next_number[word])
        while name in taken:
            name = Name(name.word + "′", name.number)
        taken.add(name)
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
        for x, g in sweep([node], [gathered.pop(node)], step.inputs).items():
            gathered[x] = gathered[x] + g if x in gathered else g
        open_uses.subtract(step.inputs)
        completed = {x: gathered[x] for x in step.inputs if not open_uses[x]}
        yield step, completed
        gathered.update(completed)
