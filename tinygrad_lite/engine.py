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

import itertools
from collections.abc import Callable, Collection, Sequence, Set
from contextvars import ContextVar
from heapq import heapify, heappop, heappush
from typing import Any, Self, TypeVar, overload

from numpy.lib.mixins import NDArrayOperatorsMixin

from .errors import GraphError, ShapeError
from .rules import Rule
from .support.flags import Block, Flag
from .support.observer import DERIVATIVE, Step, observers

F = TypeVar("F", bound=Callable[..., Any])


class _Clock:
    """The clock of all threads: it ticks at the birth of each operation and at each change in place.

    If a value was changed after an operation used it, the time of the change is later than that of the operation.
    """

    def __init__(self) -> None:
        self.tick = itertools.count(1).__next__
        self.last_change = 0  # of any value: the inputs of operations born since then need no check


clock = _Clock()

REMEMBERED_CHANGES = 16  # the latest ones, of each shared memory

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


class Evaluation:
    """The evaluation of a function that is to be differentiated: it knows why a gradient may be missing.

    Attributes
    ----------
    current : ContextVar of Evaluation or None
        The innermost evaluation in the current thread and task.
    was_taken : bool
        Whether a value was taken out of its graph, as by ``.item()``.
    outer : Evaluation or None
        The evaluation around this one: a value taken out of its graph is lost to both.
    """

    current: ContextVar[Evaluation | None] = ContextVar("evaluation", default=None)

    def __init__(self) -> None:
        self.was_taken = False
        self.outer = self.current.get()

    def __enter__(self) -> Self:
        self._token = self.current.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        self.current.reset(self._token)

    @classmethod
    def note_taken(cls) -> None:
        """Note in all evaluations under way that a value left its graph: an error can then give the reason."""
        evaluation = cls.current.get()
        while evaluation is not None:
            evaluation.was_taken = True
            evaluation = evaluation.outer


class Operation:
    """One application of a rule: all that the derivative of its result is computed from.

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
    time : int
        The tick of its birth.
    line : str or None
        The user's line of code, if an observer has noted it; not set otherwise.
    """

    __slots__ = ("arrays", "inputs", "line", "params", "rule", "time")

    line: str | None

    def __init__(self, rule: Rule, inputs: Sequence[Any], arrays: Sequence[Any], params: tuple[Any, ...]) -> None:
        self.rule = rule
        self.inputs: Sequence[Any] | None = inputs
        self.arrays: Sequence[Any] | None = arrays
        self.params = params
        self.time = clock.tick()

    def free(self) -> None:
        """Drop the inputs, so that their memory can be used again."""
        self.inputs = self.arrays = None


class Memory:
    """A record of the changes in place of one piece of memory, which nodes may share: a Tensor and its transpose.

    Attributes
    ----------
    changed : int
        The tick of the last change in place.
    is_shared : bool
        Whether a second node was given this memory.
    since : int
        The tick at which this memory replaced the node's earlier one; 0 if there was none.
    before : Memory or None
        The earlier memory, which operations older than ``since`` may still read. Only the last one is kept.
    written : list of (int, array or None)
        Of shared memory, the latest changes: the tick, and the part that was changed; None stands for all of it.
    """

    __slots__ = ("before", "changed", "is_shared", "since", "written")

    def __init__(self) -> None:
        self.changed = self.since = 0
        self.is_shared = False
        self.before: Memory | None = None
        self.written: list[tuple[int, Any]] = []


class Node:
    """A value in a graph; `Tensor` is the one kind of it.

    Attributes
    ----------
    operation : Operation or None
        The operation that computed the value; None for a leaf.
    memory : Memory or None
        The record of changes in place; None while the value has not changed and no other node shares its memory.
    """

    # Every operation reads these, so they are slots: a property would take a tenth of the time of a small operation.
    __slots__ = ("_data", "_requires_grad", "memory", "operation")

    _data: Any
    _requires_grad: bool
    operation: Operation | None
    memory: Memory | None

    @property
    def requires_grad(self) -> bool:
        """Whether a sweep carries cotangents to this node."""
        return self._requires_grad

    def shared_memory(self) -> Memory:
        """Return the record of changes for another node to share, and mark it as shared."""
        if self.memory is None:
            self.memory = Memory()
        self.memory.is_shared = True
        return self.memory

    def mark_changed(self, part: Any = None) -> None:
        """Note that the value, or a part of it, was changed in place."""
        if self.memory is None:
            self.memory = Memory()
        self.memory.changed = clock.last_change = clock.tick()
        if self.memory.is_shared:
            self.memory.written = [*self.memory.written[1 - REMEMBERED_CHANGES :], (self.memory.changed, part)]

    def mark_replaced(self) -> None:
        """Note that the value lies in new memory now; its old memory, which operations may read, is unchanged."""
        before = self.memory or Memory()
        before.before = None
        self.memory = Memory()
        self.memory.before = before
        self.memory.since = clock.last_change = clock.tick()

    # Nodes are hashed by identity, since `==` of Tensors compares elements.
    __hash__ = object.__hash__


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


def sweep(
    outputs: Sequence[Node],
    seeds: Sequence[Any],
    sources: Sequence[Node] | None = None,
    *,
    as_nodes: bool = False,
    free: bool = False,
) -> dict[Node, Any]:
    """Carry cotangents from outputs back to sources, youngest operation first.

    Parameters
    ----------
    outputs : sequence of Node
        The nodes where the sweep starts.
    seeds : sequence
        The cotangent of each output: arrays, or nodes if ``as_nodes``.
    sources : sequence of Node, optional
        The nodes where it ends; only the paths between are computed. By default every leaf that requires a gradient.
    as_nodes : bool
        If true, nodes flow through the rules, and the result can be differentiated again; if false, raw arrays do.
    free : bool
        Whether each operation drops its inputs once the sweep has passed it.

    Returns
    -------
    dict
        The cotangent of each source that the sweep reached.

    Raises
    ------
    GraphError
        If the graph was freed by an earlier sweep, or a value that a rule reads was changed in place.
    """
    ends: Set[Node] = frozenset(sources or ())
    on_path = None if sources is None else _between(outputs, ends)
    cotangents: dict[Node, Any] = {}
    for y, g in zip(outputs, seeds, strict=True):
        if on_path is None or y in on_path:
            cotangents[y] = cotangents[y] + g if y in cotangents else g
    queue = [(-y.operation.time, y) for y in cotangents if y.operation is not None and y not in ends]
    heapify(queue)
    step = Step(DERIVATIVE).begin() if observers.open else None
    try:
        _carry_back(cotangents, queue, on_path, ends, step, as_nodes, free)
    finally:
        if step is not None:
            step.end()
    return cotangents


def _carry_back(
    cotangents: dict[Node, Any],
    queue: list[tuple[int, Node]],
    on_path: Set[Node] | None,
    ends: Set[Node],
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
        if as_nodes:
            output: Any = y
            values = [x if isinstance(x, Node) else a for x, a in zip(inputs, arrays, strict=True)]
        else:
            output, values = y._data, arrays
        if clock.last_change > operation.time:
            _refuse_younger(inputs, operation)
            output = _unless_changed(output, y, operation, is_kept=False)
            values = [
                _unless_changed(value, x, operation, is_kept=not as_nodes)
                for value, x in zip(values, inputs, strict=True)
            ]
        vjps = operation.rule.vjps
        for k, x in enumerate(inputs):
            if isinstance(x, Node) and x._requires_grad and (on_path is None or x in on_path):
                array = arrays[k]
                if step is not None:
                    step.of = x
                try:
                    dx = vjps[k].pull_back(g, output, k, values, params)
                    if dx.shape != array.shape:
                        dx = sum_to_shape(dx, array.shape)
                    if dx.dtype is not array.dtype:
                        if dx.dtype.kind == "c":
                            raise TypeError("the cotangent is complex, and its imaginary part would be lost")
                        dx = dx.astype(array.dtype)
                except Exception as error:
                    error.add_note(f"in the derivative of {operation.rule!r} by input {k}, of shape {array.shape}")
                    raise
                if x in cotangents:
                    # Never in place: a rule may return the very array it was given, which others hold too.
                    cotangents[x] = cotangents[x] + dx
                else:
                    cotangents[x] = dx
                    if x.operation is not None and x not in ends:
                        heappush(queue, (-x.operation.time, x))
                for observer in told:
                    observer.pulled_back(operation, k, cotangents[x])
        if free:
            operation.free()


def _refuse_younger(inputs: Sequence[Any], operation: Operation) -> None:
    """Raise if an input has become the result of a younger operation, as by ``+=``: its old history is gone."""
    for x in inputs:
        if isinstance(x, Node) and _time(x) > operation.time:
            raise GraphError(
                f"a Tensor of shape {x._data.shape} was changed by +=, or one of its kind, after {operation.rule.name} "
                "used it: write x = x + …, which leaves the old value as it is"
            )


def _unless_changed(value: Any, node: Any, operation: Operation, is_kept: bool) -> Any:
    """Return a value for a rule to read, or a `_Changed` if the value was changed after the operation used it.

    A value that ``is_kept`` is an array that the operation has kept. It is right even if its node was given a new array
    since then, as long as nobody wrote into the old one.
    """
    memory = node.memory if isinstance(node, Node) else None
    if memory is None:
        return value
    if is_kept and memory.since > operation.time:
        memory = memory.before
    is_old = memory is not None and max(memory.changed, memory.since) <= operation.time
    return value if is_old else _Changed(value, operation.rule.name)


class _Changed(NDArrayOperatorsMixin):
    """A stand-in for a value that was changed in place: a rule may read its shape and type, but nothing else."""

    def __init__(self, value: Any, rule: str) -> None:
        self.shape, self.ndim, self.size, self.dtype = value.shape, value.ndim, value.size, value.dtype
        self._rule = rule

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise GraphError(
            f"a Tensor of shape {self.shape} was changed in place after {self._rule} used it, and its derivative needs "
            "the old value: compute the loss again after the change, or change a copy"
        )

    __array_ufunc__ = __array_function__ = __getitem__ = _refuse

    def __getattr__(self, name: str) -> Any:
        return self._refuse()


def depends_on_others(outputs: Sequence[Node], sources: Sequence[Node]) -> bool:
    """Return whether outputs depend on a node that requires a gradient and is older than all sources."""
    oldest = _oldest(sources)
    return any(_time(node) < oldest for node in _ancestors(outputs, oldest) - set(sources))


def is_leaf_of(node: Node, output: Node) -> bool:
    """Return whether a node is a leaf that requires a gradient, and the output depends on it."""
    return node._requires_grad and node.operation is None and node in _ancestors([output], 0)


def _between(outputs: Sequence[Node], sources: Set[Node]) -> set[Node]:
    """Return the nodes on the paths from outputs back to sources, with the nodes at both ends."""
    found = _ancestors(outputs, _oldest(sources))
    on_path = found & sources
    for node in sorted(found - sources, key=_time):
        operation = node.operation
        if operation is None:
            continue
        inputs = operation.inputs or ()
        if clock.last_change > operation.time:
            _refuse_younger(inputs, operation)
        if any(isinstance(x, Node) and x in on_path for x in inputs):
            on_path.add(node)
    return on_path


def _ancestors(outputs: Sequence[Node], since: int) -> set[Node]:
    """Return those of outputs and their ancestors that require gradients; stop at nodes born before ``since``."""
    found = {y for y in outputs if y._requires_grad}
    stack = list(found)
    while stack:
        operation = stack.pop().operation
        if operation is not None and operation.time >= since:
            new = {x for x in operation.inputs or () if isinstance(x, Node) and x._requires_grad} - found
            found |= new
            stack += new
    return found


def _time(node: Node) -> int:
    return 0 if node.operation is None else node.operation.time


def _oldest(nodes: Collection[Node]) -> int:
    return min(map(_time, nodes), default=0)
