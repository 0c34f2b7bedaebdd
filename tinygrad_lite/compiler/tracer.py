"""Tracers of arrays: they compute like the arrays that they stand for, and record each primitive.

An array does not tell which operations the function calls on it. A tracer does: NumPy's protocols pass them to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine import Node
from ..errors import ShapeError
from ..rules import answer_for
from ..support.devices import device_of, is_array
from . import primitives
from .numbers import NumberTracer
from .places import EMPTY
from .program import Variable
from .recorded_functions import ANSWERS, call_function, call_ufunc, static_index
from .traced import Traced

_IN_PLACE = ("sort", "partition")  # these methods change the array; NumPy's functions of the same names do not
# NumPy's ** uses a special function for these exponents.
_OF_EXPONENT: dict[float, np.ufunc] = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}


class _Flags:
    """The flags of a traced array: ``writeable`` can be read and set, all others are refused."""

    def __init__(self, recorder: Any, writeable: bool) -> None:
        self._recorder, self.writeable = recorder, writeable

    def __getattr__(self, name: str) -> Any:
        self._recorder.unsupported(f"the flag {name} of an array")


def _refusing(what: str, instead: str) -> Callable[..., Any]:
    """Return a method of `Tracer` that refuses an operation which cannot be recorded."""
    return lambda self, *args, **kwargs: self.recorder.refuse(what, instead)


class Tracer(Traced, NDArrayOperatorsMixin):
    """Stands for an array during a recording.

    Attributes
    ----------
    variable : Variable
        The variable of the program that holds the array's present value.
    value : array or NumPy scalar
        The present value.
    base : Tracer or None
        For a view, the array whose memory it shares.
    index : object
        For a view that indexing made, the index.
    refusal : str or None
        The reason why the array may not be read.
    is_given : bool
        False for arrays that the function reaches without an argument: they are likely the same at the next call.
    """

    def __init__(self, recorder: Any, variable: Variable, value: Any, base: Tracer | None = None) -> None:
        self.recorder, self.variable, self.value, self.roots = recorder, variable, value, None
        self.flags = _Flags(recorder, getattr(value.flags, "writeable", True))
        self.base: Tracer | None = base if base is None or base.base is None else base.base
        self.changes = 0
        self.index: Any = EMPTY
        self.is_given = True
        self.refusal: str | None = None
        self._changes_of_base = 0 if self.base is None else self.base.changes

    shape = property(attrgetter("value.shape"), doc="The length of each axis.")
    ndim = property(attrgetter("value.ndim"), doc="The number of axes.")
    size = property(lambda self: math.prod(self.shape), doc="The number of elements.")
    dtype = property(attrgetter("value.dtype"), doc="The type of the elements.")
    T = property(lambda self: self.transpose(), doc="The axes reversed.")
    mT = property(  # noqa: N815 - as NumPy calls it
        lambda self: self.transpose((*range(self.ndim - 2), self.ndim - 1, self.ndim - 2)),
        doc="The last two axes exchanged.",
    )
    real = property(lambda self: np.real(self), doc="The real part.")
    imag = property(lambda self: np.imag(self), doc="The imaginary part.")
    __traced__ = property(attrgetter("value"), doc="The value it stands for.")

    def __repr__(self) -> str:
        return f"<array of a recording, shape {self.shape}, {self.dtype}>"

    def change(self, new: Tracer) -> Tracer:
        """Take a new value, as ``+=`` does: every reference to this array sees the change."""
        if self.base is not None and self.index is EMPTY:
            self.recorder.refuse(
                "a view of an array is changed in place",
                "Change the array itself: x[i] = …, or x += … on the whole array",
            )
        if not self.flags.writeable:
            raise ValueError("the array is read-only: change the one it was taken from")
        if new.value.shape != self.value.shape:
            raise ShapeError(f"an array of shape {self.shape} cannot hold a result of shape {new.shape}")
        if not np.can_cast(new.dtype, self.dtype, "same_kind"):
            raise TypeError(f"an array of {self.dtype} cannot hold a result of {new.dtype}")
        new = new.astype(self.dtype, copy=False)
        if self.base is not None:
            self.base.change(self.recorder.record(primitives.put, self.base, self.index, new))
            new = self.recorder.record(primitives.getitem, self.base, self.index)
            self._changes_of_base = self.base.changes
        if not is_array(new.value):
            new = self.recorder.record(primitives.array, new)  # NumPy may compute a scalar; an array stays one
        self.variable, self.value = new.variable, new.value
        self.changes += 1
        return self

    def current(self) -> Tracer:
        """Return this tracer; refuse a view whose array was changed since, and an array that may not be read."""
        if self.refusal is not None:
            self.recorder.refuse(self.refusal, "Compute it inside, or use its .detach()")
        if self.base is not None and self.base.changes != self._changes_of_base:
            self.recorder.refuse(
                "a view is read after the array it shows was changed in place",
                "Take the view, such as the transpose, again after the change",
            )
        return self

    __array_ufunc__, __array_function__ = call_ufunc, call_function

    def reshape(self, *shape: Any, **others: Any) -> Any:
        """Lay the elements out in another shape."""
        self._refuse_options("reshape", others)
        target = np.empty(self.value.shape, bool).reshape(*shape).shape
        return self.recorder.record(primitives.reshape, self, shape=target)

    def transpose(self, *axes: Any) -> Any:
        """Permute the axes."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        order = tuple(reversed(range(self.ndim))) if order is None else tuple(a % self.ndim for a in order)
        return self.recorder.record(primitives.transpose, self, axes=order)

    def astype(self, dtype: Any, copy: bool = True, **others: Any) -> Any:
        """Convert to another type."""
        self._refuse_options("astype", others)
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self.copy() if copy else self
        return self.recorder.record(primitives.astype, self, dtype=dtype)

    def as_number(self) -> Any:
        """Return a scalar as a traced Python number; its value cannot be read during the recording either."""
        return self.recorder.record(primitives.item, self)

    def __deepcopy__(self, memo: Any = None) -> Any:
        return np.copy(self)

    __copy__ = __deepcopy__

    def view(self, *others: Any) -> Any:
        """Return another array that shares the memory."""
        self._refuse_options("view", others)
        return self[...]

    def __pow__(self, exponent: Any) -> Any:
        if isinstance(exponent, NumberTracer) and exponent.roots is not None and exponent.value in _OF_EXPONENT:
            exponent = exponent.known()
        of_floats = self.dtype.kind in "fc"
        special = _OF_EXPONENT.get(exponent) if type(exponent) in (int, float if of_floats else int) else None
        # For integers NumPy has a special function for the square alone; for a boolean scalar it has none.
        if special is None or not (of_floats or (exponent == 2 and type(self.value) is not np.bool)):
            return np.power(self, exponent)
        return special(self)

    def _refuse_options(self, method: str, options: Any) -> None:
        if options:
            self.recorder.unsupported(f"{method} with {', '.join(map(str, options))}")

    def __getitem__(self, index: Any) -> Any:
        index = static_index(index)
        parts = index if isinstance(index, tuple) else (index,)
        advanced = any(isinstance(part, Tracer) or is_array(part) for part in parts)
        part = self.recorder.record(primitives.take if advanced else primitives.getitem, self, index)
        if isinstance(part, Tracer) and part.base is self:
            part.index = index
        return part

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, Node):
            if value.requires_grad:
                self.recorder.refuse(
                    "a Tensor that requires a gradient is written into an array, which would lose the gradient",
                    "Build the new value with np.stack, np.concatenate or np.where",
                )
            value = value._data
        if isinstance(self.value, np.generic):
            self.recorder.refuse(
                "this line writes into a result without axes, which is a plain number in a program",
                "Assign a new value to the name: x = …",
            )
        self.change(self.recorder.record(primitives.put, self, static_index(index, for_reading=False), value))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a 0-d array has no length")
        return self.shape[0]

    _refuse_value = _refusing(
        "this line needs the value of an array, which differs from call to call",
        "Return it to see it, choose by it with np.where, look for a Tensor in a list by any(x is t for x in list), or "
        "leave this line outside of the jitted function",
    )
    __bool__ = __float__ = __int__ = __complex__ = __contains__ = __format__ = item = tolist = _refuse_value
    __array__ = _refusing(
        "this line turns a recorded array into a plain one", "Call NumPy's functions on the array itself"
    )
    __index__ = _refusing(
        "this line uses a recorded array as a whole number, or as the index of an array from outside",
        "For table[i] write np.take(table, i, axis=0)",
    )
    __hash__ = object.__hash__

    def __to_device__(self, device: str) -> Any:
        source = device_of(self)
        if source != "cpu":
            self.recorder.refuse(
                f"an array is copied from {source!r} to {device!r}, which would wait for the computation there",
                "Return it, and copy it outside of the jitted function",
            )
        return self.recorder.record(primitives.to, self, device=device)

    @staticmethod
    def __apply_helper__(helper: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        primitive = primitives.OF_HELPERS.get(helper)
        return helper(*args) if primitive is None else args[0].recorder.record(primitive, *args)

    @staticmethod
    def __require__(holds: Any, error: type[Exception], message: str) -> None:
        holds.recorder.record(primitives.of_check(error, message), holds)

    @property
    def __loop__(self) -> Any:
        # A loop within the step of another one is written out.
        return self.recorder.loop if self.recorder.noted is None else None

    def __all_reduce__(self, function: Callable[[Any], None]) -> Any:
        if device_of(self) != "cpu":
            self.recorder.unsupported(f"the exchange between ranks of arrays on {device_of(self)!r}")
        summed = self.recorder.record(primitives.all_reduce, self, function)
        summed.variable.name, summed.variable.is_named = "reduced", True
        return summed

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        function: Any = None if name in _IN_PLACE else getattr(np, name, None)
        if function in ANSWERS or answer_for(function) is not None:
            return partial(function, self)
        if hasattr(np.ndarray, name):
            self.recorder.unsupported(f"the method {name} of an array")
        raise AttributeError(f"an array has no attribute {name!r}")
