"""The paths between chosen nodes of a graph, along which a derivative by chosen arguments is computed.

`Tensor.backward` goes back to every leaf. The derivative by an argument of a function needs only what lies between the
argument and the function's value: `sweep_to` computes nothing else.

Examples
--------
>>> import tinygrad_lite as tg
>>> a, b = (tg.Tensor(2.0, requires_grad=True) for _ in range(2))
>>> h = a * b
>>> y = h * h
>>> [float(g) for g in sweep_to([y], [1.0], [h]).values()]  # 2h, and nothing by a and b
[8.0]
"""

from __future__ import annotations

from collections.abc import Collection, KeysView, Sequence, Set
from typing import Any

from .changes import clock
from .engine import Node, birth, refuse_younger, sweep


def sweep_to(
    outputs: Sequence[Node], seeds: Sequence[Any], sources: Sequence[Node], *, as_nodes: bool = False
) -> dict[Node, Any]:
    """Carry cotangents from outputs back to sources, as `engine.sweep` does, but only along the paths between them."""
    ends = frozenset(sources)
    return sweep(outputs, seeds, on_path=_between(outputs, ends), sources=ends, as_nodes=as_nodes)


def depends_on_others(outputs: Sequence[Node], sources: Sequence[Node]) -> bool:
    """Return whether outputs depend on a node that requires a gradient and is older than all sources."""
    oldest = _oldest(sources)
    return any(birth(node) < oldest for node in _ancestors(outputs, oldest) - set(sources))


def older_than(outputs: Sequence[Node], time: int, but: Set[Node]) -> list[Node]:
    """Return the nodes, older than a tick of the clock, that outputs depend on, but for some."""
    return [node for node in _ancestors(outputs, time) if birth(node) < time and node not in but]


def is_leaf_of(node: Node, output: Node) -> bool:
    """Return whether a node is a leaf that requires a gradient, and the output depends on it."""
    return node._requires_grad and node.operation is None and node in _ancestors([output], 0)


def _between(outputs: Sequence[Node], sources: Set[Node]) -> set[Node]:
    """Return the nodes on the paths from outputs back to sources, with the nodes at both ends."""
    found = _ancestors(outputs, _oldest(sources))
    on_path = found & sources
    for node in sorted(found - sources, key=birth):
        operation = node.operation
        if operation is None:
            continue
        inputs = operation.inputs or ()
        if clock.last_change > operation.time:
            refuse_younger(inputs, operation)
        if any(isinstance(x, Node) and x in on_path for x in inputs):
            on_path.add(node)
    return on_path


def _ancestors(outputs: Sequence[Node], since: int) -> KeysView[Node]:
    """Return those of outputs and their ancestors that require gradients; stop at nodes born before ``since``.

    The order is the same in each run, as a jitted program is to be.
    """
    found = dict.fromkeys(y for y in outputs if y._requires_grad)
    stack = list(found)
    while stack:
        operation = stack.pop().operation
        if operation is not None and operation.time >= since:
            inputs = dict.fromkeys(x for x in operation.inputs or () if isinstance(x, Node) and x._requires_grad)
            new = [x for x in inputs if x not in found]
            found.update(dict.fromkeys(new))
            stack += new
    return found.keys()


def _oldest(nodes: Collection[Node]) -> int:
    return min(map(birth, nodes), default=0)
