"""The engine: a graph of recorded operations, and the sweep that carries cotangents back through it.

It knows rules and nodes; what flows through the rules is arrays or nodes, as the caller asks.
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
    """One clock for all threads.

    An operation is younger than its inputs, so the order of birth is a topological order of every graph; and what
    was changed after an operation used it has a later time than the operation.
    """

    def __init__(self) -> None:
        self.tick = itertools.count(1).__next__
        self.last_change = 0


clock = _Clock()

REMEMBERED_CHANGES = 16  # of shared memory

_recording = Flag("recording", default=True)
is_recording = _recording.get


def recording(on: bool) -> Block:
    """Record operations, or do not, within a ``with`` block: in the current thread and asynchronous task only."""
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
    """A function being evaluated in order to be differentiated.

    Attributes
    ----------
    current : ContextVar of Evaluation or None
        The innermost one, in the current thread and task.
    was_taken : bool
        Whether a value was taken out of its graph on purpose, as by ``.item()``.
    outer : Evaluation or None
        The one around it: a value that is taken out of its graph is lost to that, too.
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
        """Note that a value left its graph, so that it is known why a function has no gradient."""
        evaluation = cls.current.get()
        while evaluation is not None:
            evaluation.was_taken = True
            evaluation = evaluation.outer


class Operation:
    """How a node came about: the rule, what it was applied to, and when.

    Attributes
    ----------
    rule : Rule
        The rule that was applied.
    inputs : sequence or None
        What it was applied to: nodes and constants. None once the graph has been freed.
    arrays : sequence or None
        The raw values of the inputs, as the rule saw them.
    params : tuple
        The rule's parameters.
    time : int
        The tick of its birth.
    line : str or None
        The user's line that made it, where an observer has noted it; not set elsewhere.
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
        """Let go of the inputs, so that the memory they hold can be used again."""
        self.inputs = self.arrays = None


class Memory:
    """What several nodes may share, such as a Tensor and its transpose.

    Attributes
    ----------
    changed : int
        The tick of its last change in place.
    is_shared : bool
        Whether another node has been given it, too.
    since : int
        The tick at which it became its node's, in the place of other memory.
    before : Memory or None
        That other memory, which operations older than ``since`` may still read. One is kept, no chain of them.
    written : list of (int, array or None)
        The latest changes of a shared one: when, and which part of it; None for all of it.
    """

    __slots__ = ("before", "changed", "is_shared", "since", "written")

    def __init__(self) -> None:
        self.changed = self.since = 0
        self.is_shared = False
        self.before: Memory | None = None
        self.written: list[tuple[int, Any]] = []


class Node:
    """A value in a graph.

    Attributes
    ----------
    operation : Operation or None
        What it came from; None for a leaf.
    memory : Memory or None
        Where changes in place are noted; None while it shares its memory with no other node and has not changed.
    """

    # What every operation reads is a slot: a property would take as long as a tenth of a small operation.
    __slots__ = ("_data", "_requires_grad", "memory", "operation")

    _data: Any
    _requires_grad: bool
    operation: Operation | None
    memory: Memory | None

    @property
    def requires_grad(self) -> bool:
        """Whether a sweep carries cotangents to it."""
        return self._requires_grad

    def shared_memory(self) -> Memory:
        """Return the memory, for another node to share."""
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
        """Note that the value lies in other memory now; what it was before has not changed thereby."""
        before = self.memory or Memory()
        before.before = None
        self.memory = Memory()
        self.memory.before = before
        self.memory.since = clock.last_change = clock.tick()

    # By identity: a node's `==` compares elements.
    __hash__ = object.__hash__


def sum_to_shape(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum a cotangent over the axes along which its input was broadcast.

    Broadcasting copies an element; each copy adds to the loss, so the derivative by the element is the sum over
    its copies.

    Parameters
    ----------
    g : array or Tensor
        A cotangent whose shape ``shape`` broadcasts to.
    shape : tuple of int
        The shape of the input.

    Raises
    ------
    ShapeError
        If the input could not have been broadcast to the shape of the cotangent.
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
        Where the sweep starts.
    seeds : sequence
        The cotangent of each output: arrays, or nodes if ``as_nodes``.
    sources : sequence of Node, optional
        Where it ends; only what lies between is computed. By default every leaf that requires a gradient.
    as_nodes : bool
        Whether nodes flow through the rules, so that the result can be differentiated again, or raw arrays.
    free : bool
        Whether each operation lets go of its inputs once it has been passed.

    Returns
    -------
    dict
        The cotangent of each source that was reached.

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
    """Replace each cotangent in the queue, youngest operation first, by those of the operation's inputs."""
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
                    # Never in place: a rule may have handed on the array it was given.
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
    """Refuse an input that has become another value since: it carries the history of that one now."""
    for x in inputs:
        if isinstance(x, Node) and _time(x) > operation.time:
            raise GraphError(
                f"a Tensor of shape {x._data.shape} was changed by +=, or one of its kind, after {operation.rule.name} "
                "used it: write x = x + …, which leaves the old value as it is"
            )


def _unless_changed(value: Any, node: Any, operation: Operation, is_kept: bool) -> Any:
    """Return a value that a rule may read, or what stands for it if it has changed since the operation used it.

    The operation has kept the arrays of its inputs, so these are right also if their nodes have other arrays now.
    """
    memory = node.memory if isinstance(node, Node) else None
    if memory is None:
        return value
    if is_kept and memory.since > operation.time:
        memory = memory.before
    is_old = memory is not None and max(memory.changed, memory.since) <= operation.time
    return value if is_old else _Changed(value, operation.rule.name)


class _Changed(NDArrayOperatorsMixin):
    """Stands for a value that was changed in place: has its shape and type, and raises where it is computed with."""

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
    """Return whether outputs depend on anything that requires a gradient and was there before the sources."""
    oldest = _oldest(sources)
    return any(_time(node) < oldest for node in _ancestors(outputs, oldest) - set(sources))


def is_leaf_of(node: Node, output: Node) -> bool:
    """Return whether a node is a leaf that an output depends on."""
    return node._requires_grad and node.operation is None and node in _ancestors([output], 0)


def _between(outputs: Sequence[Node], sources: Set[Node]) -> set[Node]:
    """Return the nodes on the paths from outputs back to sources, both included."""
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
    """Return outputs and the nodes they depend on that require gradients, none behind those born at ``since``."""
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
