"""The names of values in formulas and pictures: those that one would give them on paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..nn import Module
from ..rules import Rule, elementwise, neural, products, trigonometric
from .folding import Nets
from .values import AppliedModule, Name, Step, Value

_OF_A_LAYER = {"weight": "W", "bias": "b"}  # every layer has these names, so formulas add the layer's number
_PRODUCTS = (products.product, products.linear)
_ACTIVATIONS = (neural.relu, neural.sigmoid, neural.softmax, neural.log_softmax, trigonometric.tanh)


class _Word(NamedTuple):
    """What names a value before values of one name are numbered: a word, its layer, and whether the user chose it."""

    word: str
    layer: int | None = None
    is_users: bool = False


def name(steps: Sequence[Step], nets: Nets) -> None:
    """Name all values in a graph, and give leaves their paths. See `graph.read` for which names."""
    words: dict[Value, _Word] = {}
    made_by = {y: step for step in steps for y in step.results}
    biased = {step.operands[0] for step in steps if _adds_a_bias(step, made_by)}
    activated: set[int | None] = set()  # the layers that have an activation already
    layers = 0
    for step in steps:
        layers += step.rule in _PRODUCTS
        for k, x in enumerate(step.used, -len(step.indices)):
            if isinstance(x, Value) and x not in words:
                words[x] = _of_leaf(x, step.rule, k, layers, nets)
                layers = max(layers, words[x].layer or 0)
        for y in step.results:
            own = own_name(y.source)
            before = next((words[x] for x in step.operands if x in words), _Word(""))
            if own is not None:
                words[y] = _Word(own, is_users=True)
            elif step is steps[-1]:
                words[y] = _Word("y" if y.array.shape else "L")
            elif isinstance(step, AppliedModule):
                words[y] = _Word("h")
            elif (step.rule in _PRODUCTS and y not in biased) or _adds_a_bias(step, made_by):
                words[y] = _Word("z", layers)
            elif step.rule in _ACTIVATIONS and before.word == "z" and before.layer not in activated:
                activated.add(before.layer)
                words[y] = _Word("a", before.layer)
            else:
                words[y] = _Word("v")
    taken = {r"\delta", "g"} if steps[-1].results[0].array.shape else {r"\delta"}  # for cotangents
    for x, found in _numbered(words, taken):
        x.name = found
        if x not in made_by:
            x.path = _path(x, nets)


def _path(leaf: Value, nets: Nets) -> str | None:
    """Return where a leaf comes from: its path in the net, the name that the user gave it, or that of an argument."""
    if isinstance(leaf.source, Module):
        return f"{nets.paths.get(id(leaf.source), nets.path_of(leaf.source))}.*"
    argument = None if leaf.name == Name("x") else nets.input(leaf.source)
    path = nets.paths.get(id(leaf.source)) or own_name(leaf.source) or argument
    return None if path in _OF_A_LAYER else path


def own_name(x: Any) -> str | None:
    """Return the name that the user gave a Tensor, or None."""
    return getattr(x, "name", None) or None


def _adds_a_bias(step: Step, made_by: dict[Value, Step]) -> bool:
    """Return True if an operation adds a learnt bias to a product: the two operations are one layer."""
    if step.rule is not elementwise.add:
        return False
    product, bias = step.operands
    is_product = product in made_by and made_by[product].rule is products.product
    return is_product and isinstance(bias, Value) and bias.requires_grad and bias not in made_by


def _of_leaf(x: Value, rule: Rule | None, k: int, layers: int, nets: Nets) -> _Word:
    """Return the word that names a leaf, by its first use: operand ``k`` of a rule or a call, after so many layers."""
    if isinstance(x.source, Module):
        return _Word("θ")
    own, path = own_name(x.source), nets.paths.get(id(x.source), "")
    if own is not None and own not in _OF_A_LAYER:
        return _Word(own, is_users=True)
    # An item of a list has the name of the list.
    attribute = next((part for part in reversed(path.split(".")) if part and not part.isdigit()), own)
    is_product = rule in _PRODUCTS
    if attribute is None and x.requires_grad and is_product and k > 0:
        attribute = ("weight", "bias")[k - 1]
    if attribute in _OF_A_LAYER:
        # A weight that is no factor of a product, such as that of a norm, begins a layer, too.
        return _Word(_OF_A_LAYER[attribute], layers + (attribute == "weight" and not is_product))
    if attribute is not None:
        return _Word(attribute, is_users=True)
    argument = nets.input(x.source)
    if argument is not None:
        return _Word(argument if len(argument) == 1 else "x")
    if layers and x.requires_grad and k == 1 and rule is elementwise.add:
        return _Word("b", layers)
    if x.requires_grad or is_product:
        return _Word("x")
    return _Word("t" if rule is not None and rule.inputs[0 if rule.variadic else k] == "t" else "c")


def _numbered(words: dict[Value, _Word], taken: set[str]) -> Iterator[tuple[Value, Name]]:
    """Yield values with distinct names.

    Layers are numbered if there are several, and so are other values that share a word. A name that is taken gets a
    prime. The names that the user chose come first, so that they stay.
    """
    several = Counter((word.word, word.is_users) for word in words.values())
    layers = {word.layer for word in words.values() if word.word in ("z", "W")} - {None}
    next_number: Counter[tuple[str, bool]] = Counter()
    for x, word in sorted(words.items(), key=lambda item: not item[1].is_users):
        name = Name(word.word, word.layer if len(layers) > 1 else None)
        kind = word.word, word.is_users
        if word.layer is None and several[kind] > 1:
            next_number[kind] += 1
            name = Name(word.word, next_number[kind])
        while {name.latex, name.text} & taken:
            name = Name(name.word + "′", name.number)
        taken |= {name.latex, name.text}
        yield x, name
