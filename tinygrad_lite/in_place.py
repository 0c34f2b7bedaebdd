"""Changes of a Tensor in place: augmented assignment, such as ``+=``, and ``t[i] = …`` and ``t.data = …``.

Every reference to the Tensor sees the change. If no gradient is recorded, the change is written into the memory, as in
NumPy. If one is recorded, augmented assignment makes the Tensor the result of a new operation. Any other change would
lose a gradient: it raises an error that says what to write instead.

Examples
--------
>>> import tinygrad_lite as tg
>>> w, total = tg.Tensor(3.0, requires_grad=True), tg.Tensor(0.0)
>>> for k in (1.0, 2.0):
...     total += k * w
>>> total
Tensor(9., dtype=float32, requires_grad=True, from=add)
>>> total.backward()
>>> w.grad
Tensor(3., dtype=float32)
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any, Self, TypeVar

import numpy as np

from .arrays import ArrayLike, PrecisionWarning, as_array, operand, owned, raw
from .changes import clock
from .checks import expect_floating
from .engine import Node, is_recording
from .errors import GraphError, ShapeError
from .numpy_calls import raw_tree
from .support.call_stack import frames_to_user
from .support.devices import device_of, mixing_error

T = TypeVar("T")
PARAMETER, BUFFER = "parameter", "buffer"  # the roles of a Tensor in a module


def _augmented(name: str) -> Callable[[T, ArrayLike], T]:
    """Return the method of an augmented assignment: that of ``+=`` for "add"."""

    def assign(self: Any, other: ArrayLike) -> Any:
        return self._become(name, other)

    return assign


class InPlace(Node):
    """The methods of a Tensor that change it in place."""

    __slots__ = ()

    data: Any
    name: str | None
    _role: str  # PARAMETER or BUFFER; not set before a Module holds the Tensor

    __iadd__, __isub__ = _augmented("add"), _augmented("sub")
    __imul__, __itruediv__ = _augmented("mul"), _augmented("truediv")
    __ifloordiv__, __imod__ = _augmented("floordiv"), _augmented("mod")
    __ipow__, __imatmul__ = _augmented("pow"), _augmented("matmul")

    def _become(self, name: str, other: Any) -> Self:
        """Change the value of this Tensor to the result of an operator.

        If no gradient is recorded, the result is written into the memory, as by NumPy; a graph that needs the old value
        raises later. If one is, as in ``total += loss``, the operand is a new node that holds the old value.

        Raises
        ------
        GraphError
            If a gradient would be lost or wrong; the message says what to write.
        """
        is_tracked = is_recording() and (self._requires_grad or (isinstance(other, Node) and other._requires_grad))
        refusal = self._refusal_to_become(is_tracked)
        if refusal:
            raise GraphError(refusal)
        if is_tracked:
            self._become_result(name, other)
        else:
            self._write_result(name, other)
        return self

    def _refusal_to_become(self, is_tracked: bool) -> str | None:
        """Return why this Tensor cannot become another value, and what to write instead; None if it can."""
        is_shared = self.memory is not None and self.memory.is_shared
        if self.operation is not None and not is_tracked:
            return (
                f"this Tensor was computed by {self.operation.rule.name}, whose derivative would be wrong after "
                "augmented assignment, such as +=: write x = x + … for x += …, or change x.detach()"
            )
        if is_tracked and getattr(self, "_role", None) == BUFFER:
            return (
                "a Buffer holds values and no history, so it cannot become a result that requires a gradient: add "
                "x.detach(), or keep the result under another name"
            )
        if is_tracked and self._requires_grad and self.operation is None:
            return (
                "a Tensor that requires a gradient cannot be changed while operations are recorded: write w -= … "
                "inside no_grad(), to update a parameter, or w = w - … for a new value"
            )
        if is_tracked and is_shared:
            return (
                "this Tensor shares its memory with another one, such as a view of it, and augmented assignment would "
                "change that one without its history: write x = x + … for x += …"
            )
        return None

    def _write_result(self, name: str, other: Any) -> None:
        """Write the result of an operator into the memory, as NumPy does."""
        value = operand(raw(other))
        # A plain array cannot hold a value that jit is recording: it is replaced, if no other node shares it.
        is_recorded = type(self._data) is np.ndarray and hasattr(type(value), "__traced__")
        is_alone = self.memory is None or not self.memory.is_shared
        compute, write = getattr(operator, name), getattr(operator, f"i{name}")

        def change() -> None:
            try:
                self._data = self._held((compute if is_recorded and is_alone else write)(self.data, value))
            except (ValueError, TypeError):
                self._held(compute(self.data, value))  # its message is clearer, if it raises
                raise

        self._change(change, other)
        if self.memory is not None:
            self._taken = self.memory.changed  # t[i] += … assigns the view to t[i], after the view's own change

    def _become_result(self, name: str, other: Any) -> None:
        """Take over value and history of an operator's result."""
        cls: Any = type(self)
        before = cls(self._data)
        before._requires_grad, before.operation, before.name = self._requires_grad, self.operation, self.name
        y = self._held(getattr(operator, name)(before, before if other is self else other))
        if getattr(y, "operation", None) is None:
            raise TypeError(
                f"{name} has no derivative, so a Tensor with a gradient cannot become its result: use x.detach()"
            )
        self._data, self._requires_grad, self.operation, self.memory = y._data, True, y.operation, y.memory
        clock.last_change = y.operation.time

    def _held(self, result: Any) -> Any:
        """Return a result in the type of this Tensor, which is to become that result."""
        shape, dtype = self._data.shape, self._data.dtype
        if result.shape != shape:
            raise ShapeError(
                f"a Tensor of shape {shape} cannot become a result of shape {result.shape}: write x = x + … for x += …"
            )
        if not np.can_cast(result.dtype, dtype, "same_kind"):
            raise TypeError(f"a Tensor of {dtype} cannot become a result of {result.dtype}: write Tensor(0.0), not 0")
        return result.astype(dtype, copy=False)

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.operation is not None or (self._requires_grad and is_recording()):
            raise GraphError(
                "a Tensor that takes part in a graph cannot be written into: build the new value with np.where or "
                "np.concatenate, or change a parameter inside no_grad()"
            )
        if isinstance(value, Node) and value._requires_grad and is_recording():
            raise GraphError(
                "a value that requires a gradient would lose it when written into a Tensor: build the new value with "
                "np.where or np.concatenate, or write value.detach()"
            )
        index = raw_index(index)
        if isinstance(value, Node) and value._data is not self._data and self._overwrote(value):
            raise GraphError(
                "the value is a view of this Tensor whose elements were written to since it was taken, as in t[i], "
                "t[j] = t[j], t[i]: write t[[i, j]] = t[[j, i]] to exchange, t[rng.permutation(len(t))] to shuffle"
            )
        self._change(lambda: self.data.__setitem__(index, raw(value)), value, index)

    def _change(self, write: Callable[[], Any], value: Any, index: Any = None) -> None:
        """Write into the memory, and note the change for the graphs and views that read it."""
        try:
            write()
        except (ValueError, TypeError) as error:
            raise mixing_error("assignment", {"the Tensor": self, "the value": value}) or error from None
        self.mark_changed(index)

    def _replace(self, value: Any) -> None:
        """Take on new data: an array, or values that are converted to one in the type of this Tensor."""
        dtype = self._data.dtype
        if not hasattr(value, "dtype"):
            value = as_array(value, dtype)  # Python's numbers adapt to the type that is there
        value = raw(value).copy() if isinstance(value, Node) else as_array(value)
        if self._requires_grad:
            expect_floating(value.dtype)
            if value.dtype != dtype and np.can_cast(dtype, value.dtype):
                warnings.warn(
                    f"a Tensor of {dtype} is given data of {value.dtype}, and has that type from now on: assign "
                    f"array.astype({str(dtype)!r}) to keep its type, or convert a model by net.astype(…)",
                    PrecisionWarning,
                    stacklevel=frames_to_user(),
                )
        self._data = owned(value) if self._requires_grad else value
        self.mark_replaced()


def raw_index(index: Any) -> Any:
    """Return an index with its Tensors and lists as arrays, copied: the user may change theirs before a sweep."""
    if isinstance(index, tuple):
        return tuple(raw_index(list(part) if isinstance(part, tuple) else part) for part in index)
    index = raw(index)
    if device_of(index) != "cpu":
        return index.copy()
    if issubclass(type(index), (list, np.ndarray)):
        index = np.array(raw_tree(index))
        # NumPy makes floats of an empty list, but an index needs integers; an empty mask stays a mask.
        return index.astype(int) if index.dtype.kind == "f" and not index.size else index
    return index
