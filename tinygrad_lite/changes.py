"""Changes in place: no derivative may read a value that is no longer there.

An operation keeps its operands' arrays, not copies of them, since copies would cost memory and time. If an array is
written into before the backward pass, the derivative would be wrong. So each change is noted with the tick of a clock
that also times operations: a value that changed after an operation used it is refused when a derivative reads it.

A plain array of NumPy has no place for such a note. Do not write into one between an operation and its backward pass:
write into a copy.

Examples
--------
>>> import tinygrad_lite as tg
>>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
>>> y = w * w
>>> w.data -= 0.5
>>> w.memory.changed > y.operation.time
True
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .errors import GraphError
from .support.devices import is_array

REMEMBERED_CHANGES = 16  # the latest ones, of each shared memory


class _Clock:
    """The clock of all threads: it ticks at the birth of each operation and at each change in place."""

    def __init__(self) -> None:
        self.tick = itertools.count(1).__next__
        self.last_change = 0  # of any value: the inputs of operations born since then need no check


clock = _Clock()


class Memory:
    """A record of the changes in place of one piece of memory, which values may share: a Tensor and its transpose.

    Attributes
    ----------
    changed : int
        The tick of the last change in place.
    since : int
        The tick at which this memory replaced the value's earlier one; 0 if there was none.
    before : Memory or None
        The earlier memory, which operations older than ``since`` may still read. Only the last one is kept.
    written : list of (int, array or None), or None
        Of shared memory, the latest changes: the tick, and the part that was changed; None stands for all of it.
    """

    __slots__ = ("before", "changed", "since", "written")

    def __init__(self) -> None:
        self.changed = self.since = 0
        self.before: Memory | None = None
        self.written: list[tuple[int, Any]] | None = None

    @property
    def is_shared(self) -> bool:
        """Whether a second value was given this memory."""
        return self.written is not None


class Changeable:
    """A value that may be changed in place.

    Attributes
    ----------
    memory : Memory or None
        The record of changes; None while the value has not changed and no other value shares its memory.
    """

    # Every operation reads these, so they are slots: a property would take a tenth of the time of a small operation.
    __slots__ = ("_data", "_taken", "memory")

    _data: Any
    _taken: int  # of a view: the tick of the last change of its memory when the view was taken
    memory: Memory | None

    def share_memory(self, view: Changeable) -> None:
        """Let another value, which shows the memory of this one, have the same record of changes."""
        if self.memory is None:
            self.memory = Memory()
        if self.memory.written is None:
            self.memory.written = []
        view.memory, view._taken = self.memory, self.memory.changed

    def mark_changed(self, index: Any = None) -> None:
        """Note that the value was changed in place, or the part of it at an index."""
        if self.memory is None:
            self.memory = Memory()
        self.memory.changed = clock.last_change = clock.tick()
        if self.memory.written is not None:
            self.memory.written.append((self.memory.changed, None if index is None else _view(self._data, index)))
            del self.memory.written[:-REMEMBERED_CHANGES]

    def mark_replaced(self) -> None:
        """Note that the value lies in new memory now; its old memory, which operations may read, is unchanged."""
        before, self.memory = self.memory or Memory(), Memory()
        before.before = None
        self.memory.before = before
        self.memory.since = clock.last_change = clock.tick()

    def _overwrote(self, view: Changeable) -> bool:
        """Return whether elements of a view of this value may have been written to after it was taken."""
        memory = self.memory
        if memory is None or memory.written is None or view.memory is not memory or not is_array(view._data):
            return False
        taken = getattr(view, "_taken", memory.changed)  # the whole array is no view, and has no such time
        since = [part for when, part in tuple(memory.written) if when > taken]
        is_forgotten = len(since) == REMEMBERED_CHANGES
        return is_forgotten or any(part is None or np.shares_memory(part, view._data) for part in since)


def _view(array: Any, index: Any) -> Any:
    """Return the part of an array at an index, in the same memory; None for an index that copies."""
    part = array[index]
    return part if is_array(part) and part.base is not None else None


def unless_changed(values: Sequence[Any], nodes: Sequence[Any], operation: Any, are_kept: bool) -> list[Any]:
    """Return values for a rule to read, with a `_Changed` for each that was changed after the operation used it.

    Values that ``are_kept`` are the arrays that the operation has kept. They are right even if their nodes were given
    new arrays since then, as long as nobody wrote into the old ones.
    """
    checked = []
    for value, node in zip(values, nodes, strict=True):
        memory = node.memory if isinstance(node, Changeable) else None
        if memory is not None:
            if are_kept and memory.since > operation.time:
                memory = memory.before
            if memory is None or max(memory.changed, memory.since) > operation.time:
                value = _Changed(value, operation.rule.name)
        checked.append(value)
    return checked


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
