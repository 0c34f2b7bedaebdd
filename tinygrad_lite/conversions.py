"""Conversions that leave the graph: to Python numbers, text, NumPy arrays and copies. No gradient flows through them.

The names of some, such as ``.item()`` and ``.numpy()``, say that this is meant. The others warn or raise an error where
a gradient could be lost unnoticed, as in ``math.exp(x)``.

Examples
--------
>>> import math
>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: math.exp(x) * x)(1.0)  # doctest: +ELLIPSIS
Traceback (most recent call last):
TypeError: a Tensor that is being differentiated would lose its gradient as a Python number: ...
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .arrays import ArrayLike, operand
from .engine import Node, is_recording
from .errors import DeviceError, ShapeError
from .rules.reductions import Axis
from .support.call_stack import frames_to_user
from .support.devices import device_of, to_device


class GradientWarning(UserWarning):
    """A gradient is lost: a number was taken out of a graph, or the ``grad`` of a result was read."""


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

    def note_taken(self) -> None:
        """Note, here and in all evaluations around, that a value left its graph: an error can then give the reason."""
        self.was_taken = True
        if self.outer is not None:
            self.outer.note_taken()


current_evaluation = Evaluation.current.get


def _comparison(function: np.ufunc) -> Callable[[Any, ArrayLike], NDArray[np.bool_]]:
    """Return the method of an operator that compares: its result is an array of booleans, which have no derivative."""

    def compare(self: Node, other: Any) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else function(self, operand(other))

    return compare


class Conversions(Node):
    """The methods of a Tensor whose results have no history."""

    __slots__ = ()

    data: Any
    name: str | None
    _grad: Any

    def _note_taken(self) -> None:
        """Tell the evaluation under way, if there is one, that this value leaves its graph."""
        under_way = current_evaluation()
        if under_way is not None and self._requires_grad:
            under_way.note_taken()

    def _could_lose_gradient(self) -> bool:
        """Return whether a gradient may still flow through this Tensor: not after `backward` has freed its graph."""
        is_freed = self.operation is not None and self.operation.inputs is None
        return self._requires_grad and is_recording() and not is_freed

    def numpy(self) -> NDArray[Any]:
        """Return a read-only view of the array, or a copy if it is on a GPU; no gradient flows through it.

        Examples
        --------
        >>> tg.Tensor([1.0, 2.0], requires_grad=True).numpy()
        array([1., 2.], dtype=float32)
        """
        view = to_device(self.data, "cpu").view()
        view.flags.writeable = False
        return view

    def item(self) -> float:
        """Return the only element as a Python number; no gradient flows through it.

        Examples
        --------
        >>> tg.Tensor([3.0]).item()
        3.0
        """
        if self._data.size != 1:
            raise ShapeError(
                f"a number needs a Tensor of one element, but this one has shape {self._data.shape}: use .tolist()"
            )
        self._note_taken()
        return self._data.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers; no gradient flows through them."""
        self._note_taken()
        return self._data.tolist()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Any:
        if self._could_lose_gradient():
            raise TypeError(
                "turning a Tensor that requires a gradient into an array would lose the gradient. Use an operator or a "
                "function of NumPy's in place of an array's method, a list or an element of an array: x @ w, "
                "np.dot(x, w), np.stack([a, b]). To look at it, plot or save it, use .numpy()"
            )
        if device_of(self) != "cpu":
            raise DeviceError(f"this Tensor is on {device_of(self)!r}: copy it to the CPU with .numpy()")
        return np.array(self._data, dtype=dtype, copy=copy)

    # Python's functions ask for numbers: math.exp(x), a[i] = x and round(x).

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __complex__(self) -> complex:
        return complex(self._number())

    def __index__(self) -> int:
        return operator.index(self._number())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._number(), digits)

    def _number(self) -> Any:
        """Return the only element as a Python number; tell the user if a gradient is lost thereby.

        Raises
        ------
        TypeError
            If a gradient could still flow through the Tensor, inside a function that is being differentiated.

        Warns
        -----
        GradientWarning
            If a gradient could still flow through the Tensor, elsewhere.
        """
        number = self.item()
        if self._could_lose_gradient():
            if current_evaluation() is not None:
                raise TypeError(
                    "a Tensor that is being differentiated would lose its gradient as a Python number: use "
                    "NumPy's functions, such as np.exp for math.exp, and np.stack in place of a[i] = x; or .item() if "
                    "that is meant"
                )
            warnings.warn(
                "a Tensor that requires a gradient was turned into a Python number, through which no gradient "
                "flows: use .item() to say that this is meant, or NumPy's functions, such as np.exp for math.exp",
                GradientWarning,
                stacklevel=frames_to_user(),
            )
        return number

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                f"a Tensor of shape {self._data.shape} is neither true nor false: use np.any or np.all of a "
                "comparison, and `is` to find a Tensor in a list"
            )
        return bool(self.data)

    def __len__(self) -> int:
        if not self._data.shape:
            raise TypeError("a 0-d Tensor has no length")
        return self._data.shape[0]

    # Of an object in general they return one bool.
    __eq__, __ne__ = _comparison(np.equal), _comparison(np.not_equal)  # type: ignore[assignment]
    __lt__, __le__ = _comparison(np.less), _comparison(np.less_equal)
    __gt__, __ge__ = _comparison(np.greater), _comparison(np.greater_equal)
    __hash__ = Node.__hash__

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __floordiv__(self, other: ArrayLike) -> NDArray[Any]:
        return np.floor_divide(self, other)

    def __rfloordiv__(self, other: ArrayLike) -> NDArray[Any]:
        return np.floor_divide(other, self)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> NDArray[np.intp]:
        """Return the index of the maximum, as a plain array."""
        return np.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> NDArray[np.intp]:
        """Return the index of the minimum, as a plain array."""
        return np.argmin(self, axis=axis, keepdims=keepdims)

    def argsort(self, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> NDArray[np.intp]:
        """Return the indices that would sort the elements, as a plain array."""
        return np.argsort(self, axis=axis, kind=kind, stable=stable)

    def argpartition(self, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> NDArray[np.intp]:
        """Return the indices by which `numpy.partition` puts the ``kth`` elements in place, as a plain array."""
        return np.argpartition(self, kth, axis=axis, kind=kind)

    def searchsorted(self, v: ArrayLike, side: Any = "left", sorter: Any = None) -> Any:
        """Return the positions at which values keep the elements, which are in order, in order; as a plain array."""
        return np.searchsorted(self, v, side=side, sorter=sorter)

    def nonzero(self) -> tuple[NDArray[np.intp], ...]:
        """Return the indices of the elements that are not 0, as plain arrays."""
        return np.nonzero(self)

    def round(self, decimals: int = 0) -> NDArray[Any]:
        """Return the elements rounded, as an array: a step function, which has no derivative."""
        return np.round(self, decimals)

    def any(self, axis: Axis = None, keepdims: bool = False) -> NDArray[np.bool_]:
        """Return whether any element along axes is not 0."""
        return np.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> NDArray[np.bool_]:
        """Return whether all elements along axes are not 0."""
        return np.all(self, axis=axis, keepdims=keepdims)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.operation is not None:
            raise TypeError(
                f"this Tensor was computed by {self.operation.rule.name}, and a copy would include its whole graph, "
                "without the original leaves: copy or pickle .detach(), and plot .numpy()"
            )
        parts = self._data, self._requires_grad, self._grad, self.name, getattr(self, "_role", None)
        return _restored, (type(self), *parts)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __repr__(self) -> str:
        notes = [
            np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=200),
            f"dtype={self._data.dtype}",
        ]
        if self._data.size > 200 or self._data.size == 0:
            notes.append(f"shape={self._data.shape}")
        if device_of(self) != "cpu":
            notes.append(f"device={device_of(self)!r}")
        if self.name is not None:
            notes.append(f"name={self.name!r}")
        if self._requires_grad:
            notes.append("requires_grad=True")
        if self.operation is not None:
            notes.append(f"from={self.operation.rule.name}")
        return f"Tensor({', '.join(notes)})"


def _restored(
    cls: type[Any], data: Any, requires_grad: bool, grad: Any, name: str | None, role: str | None
) -> Conversions:
    """Return the Tensor that `copy` or `pickle` makes of these parts; it owns its memory."""
    y = cls(data if requires_grad else data.copy(), requires_grad, name=name)
    y._grad = None if grad is None else grad.copy()
    if role is not None:
        y._role = role
    return y
