"""The engine records operations in a graph, and a sweep carries cotangents back through it: reverse mode.

It stands apart from `Tensor`, since it needs rules and nodes only. The same sweep lets arrays flow through the rules,
for gradients, or nodes, for gradients that can be differentiated again.

An operation is born after its inputs, so the order of birth is a topological order of the graph, which the sweep
follows backwards: it always passes the youngest operation that has a cotangent. All operations that used the result of
that one are younger, and have been passed already, so the cotangent is complete.

Examples
--------
``a`` is used twice, and its cotangent is a sum of two terms. The sweep passes ``loss``, ``b``, ``a``; with ``a`` before
``b``, the term from ``b`` would come too late:

>>> import tinygrad_lite as tg
>>> x = tg.Tensor(3.0, requires_grad=True)
>>> a = x * x
>>> b = a * x
>>> loss = a + b
>>> a.operation.time < b.operation.time < loss.operation.time
True
>>> loss.backward()
>>> x.grad  # 2x + 3x²
Tensor(33., dtype=float32)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, TypeVar, overload

from .changes import Changeable, clock, unless_changed
from .errors import GraphError, ShapeError
from .rules import Rule
from .support.flags import Block, Flag
from .support.observer import DERIVATIVE, Step, observers

F = TypeVar("F", bound=Callable[..., Any])

_recording = Flag("recording", default=True)
is_recording = _recording.get


def recording(on: bool) -> Block:
    """Turn recording on or off within a ``with`` block, for the current thread and asynchronous task only."""
    return Block(_recording, on)


@overload
def no_grad() -> Block: ...
@overload
def no_grad(function: F) -> F: ...
def no_grad(function: Any = None) -> Any:
    """Record no operations: a context manager, and a decorator of functions, generators and coroutines.

    Results do not require gradients, and no memory is held for a backward pass.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     w -= 0.5
    >>> w
    Tensor([0.5, 1.5], dtype=float32, requires_grad=True)
    """
    block = recording(False)
    return block if function is None else block(function)


@dataclass(slots=True, eq=False)
class Call:
    """A call of a module: the module, its arguments, and the call in progress when it was called, if there was one."""

    module: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    within: Call | None


# The innermost call of a module in progress.
calls: ContextVar[Call | None] = ContextVar("calls", default=None)


class Operation:
    """One application of a rule, with the values from which its derivative is computed.

    Attributes
    ----------
    rule : Rule
        The rule that was applied.
    inputs : sequence or None
        The operands: nodes and constants. None once the graph has been freed.
    arrays : sequence or None
        The raw values of the operands, as the rule saw them. None once the graph has been freed.
    params : tuple
        The rule's parameters, such as an axis.
    call : Call or None
        The innermost call of a module that it is part of. None outside modules, and once the graph has been freed.
    time : int
        The tick of its birth.
    line : str or None
        The user's line of code, if an observer has noted it; not set otherwise.
    """

    __slots__ = ("arrays", "call", "inputs", "line", "params", "rule", "time")

    line: str | None

    def __init__(self, rule: Rule, inputs: Sequence[Any], arrays: Sequence[Any], params: tuple[Any, ...]) -> None:
        self.rule = rule
        self.inputs: Sequence[Any] | None = inputs
        self.arrays: Sequence[Any] | None = arrays
        self.params = params
        self.call = calls.get()
        self.time = clock.tick()

    def free(self) -> None:
        """Drop the inputs, so that their memory can be used again."""
        self.inputs = self.arrays = self.call = None


class Node(Changeable):
    """A value in a graph; `Tensor` is its subclass for users.

    Attributes
    ----------
    operation : Operation or None
        The operation that computed the value; None for a leaf.
    """

    __slots__ = ("_requires_grad", "operation")

    _requires_grad: bool
    operation: Operation | None

    @property
    def requires_grad(self) -> bool:
        """Whether a sweep carries cotangents to this node."""
        return self._requires_grad

    # Nodes are hashed by identity, since `==` of Tensors compares elements.
    __hash__ = object.__hash__


def birth(node: Node) -> int:
    """Return the tick at which a node was computed; 0 for a leaf."""
    return 0 if node.operation is None else node.operation.time


def sum_to_shape(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which its input was broadcast.

    Broadcasting copies an element; each copy adds to the loss, so the derivative by the element is the sum over
    its copies.

    Parameters
    ----------
    g : array or Tensor
        A cotangent, of a shape that ``shape`` broadcasts to.
    shape : tuple of int
        The shape of the input.

    Raises
    ------
    ShapeError
        If ``shape`` does not broadcast to the shape of the cotangent.
    """
    new = len(g.shape) - len(shape)
    if g.shape[new:] == shape:
        return g.sum(axis=0 if new == 1 else tuple(range(new)))
    pairs = list(zip(g.shape[new:], shape, strict=new >= 0))
    if new < 0 or any(n not in (1, length) for length, n in pairs):
        raise ShapeError(f"a cotangent of shape {g.shape} does not belong to an input of shape {shape}")
    stretched = [new + i for i, (length, n) in enumerate(pairs) if n != length]
    return g.sum(axis=(*range(new), *stretched), keepdims=True).reshape(shape)


_UNOBSERVED: AbstractContextManager[Step | None] = nullcontext()


def derivative_step() -> AbstractContextManager[Step | None]:
    """Return the step of a backward pass, for a ``with`` block; it gives None if nobody observes."""
    return Step(DERIVATIVE) if observers.open else _UNOBSERVED


def sweep(
    outputs: Sequence[Node],
    seeds: Sequence[Any],
    *,
    on_path: Set[Node] | None = None,
    sources: Set[Node] = frozenset(),
    as_nodes: bool = False,
    free: bool = False,
) -> dict[Node, Any]:
    """Carry cotangents from outputs back to every leaf that requires a gradient, youngest operation first.

    Parameters
    ----------
    outputs : sequence of Node
        The nodes where the sweep starts.
    seeds : sequence
        The cotangent of each output: arrays, or nodes if ``as_nodes``.
    on_path : set of Node, optional
        The nodes to compute a cotangent of; by default all that require a gradient. See `paths.sweep_to`.
    sources : set of Node
        The nodes beyond which the sweep does not go.
    as_nodes : bool
        If true, nodes flow through the rules, and the result can be differentiated again; if false, raw arrays do.
    free : bool
        Whether each operation drops its inputs once the sweep has passed it.

    Returns
    -------
    dict
        The cotangent of each leaf or source that the sweep reached.

    Raises
    ------
    GraphError
        If the graph was freed by an earlier sweep, or a value that a rule reads was changed in place.
    """
    cotangents: dict[Node, Any] = {}
    for y, g in zip(outputs, seeds, strict=True):
        if on_path is None or y in on_path:
            cotangents[y] = cotangents[y] + g if y in cotangents else g
    queue = [(-y.operation.time, y) for y in cotangents if y.operation is not None and y not in sources]
    heapify(queue)
    with derivative_step() as step:
        _carry_back(cotangents, queue, on_path, sources, step, as_nodes, free)
    return cotangents


def _carry_back(
    cotangents: dict[Node, Any],
    queue: list[tuple[int, Node]],
    on_path: Set[Node] | None,
    sources: Set[Node],
    step: Step | None,
    as_nodes: bool,
    free: bool,
) -> None:
    """Take each node from the queue, the youngest first, and replace its cotangent by those of its inputs."""
    told = () if step is None else observers.get()
    while queue:
        y = heappop(queue)[1]
        g = cotangents.pop(y)
        operation: Any = y.operation
        inputs, arrays, params = operation.inputs, operation.arrays, operation.params
        if inputs is None:
            raise GraphError(
                f"the graph of this {operation.rule.name} was freed by an earlier backward pass: compute the loss "
                "again, or differentiate with create_graph=True, which keeps the graph"
            )
        output: Any = y if as_nodes else y._data
        values = [x if isinstance(x, Node) else a for x, a in zip(inputs, arrays, strict=True)] if as_nodes else arrays
        if clock.last_change > operation.time:
            refuse_younger(inputs, operation)
            (output,) = unless_changed([output], [y], operation, are_kept=False)
            values = unless_changed(values, inputs, operation, are_kept=not as_nodes)
        vjps = operation.rule.vjps
        for k, x in enumerate(inputs):
            if isinstance(x, Node) and x._requires_grad and (on_path is None or x in on_path):
                if step is not None:
                    step.of = x
                array = arrays[k]
                try:
                    dx = vjps[k].pull_back(g, output, k, values, params)
                    if dx.shape != array.shape or dx.dtype is not array.dtype:
                        dx = _fitted(dx, array)
                except Exception as error:
                    error.add_note(f"in the derivative of {operation.rule!r} by input {k}, of shape {array.shape}")
                    raise
                if x in cotangents:
                    # Never in place: a rule may return the very array it was given, which others hold too.
                    cotangents[x] = cotangents[x] + dx
                else:
                    cotangents[x] = dx
                    if x.operation is not None and x not in sources:
                        heappush(queue, (-x.operation.time, x))
                for observer in told:
                    observer.pulled_back(operation, k, cotangents[x])
        if free:
            operation.free()


def _fitted(dx: Any, array: Any) -> Any:
    """Return the cotangent of an input in the input's shape and type."""
    if dx.shape != array.shape:
        dx = sum_to_shape(dx, array.shape)
    if dx.dtype.kind == "c":
        raise TypeError("the cotangent is complex, and its imaginary part would be lost")
    return dx if dx.dtype is array.dtype else dx.astype(array.dtype)


def refuse_younger(inputs: Sequence[Any], operation: Operation) -> None:
    """Raise if an input has become the result of a younger operation, as by ``+=``: its old history is gone."""
    for x in inputs:
        if isinstance(x, Node) and birth(x) > operation.time:
            raise GraphError(
                f"a Tensor of shape {x._data.shape} was changed by augmented assignment, such as +=, after "
                f"{operation.rule.name} used it: write x = x + …, which keeps the old value"
            )
