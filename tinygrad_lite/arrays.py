"""Which type numbers have when they meet: float32 never becomes float64 unnoticed.

Python's numbers adapt to whatever they meet, as in NumPy. Arrays and whole numbers adapt to the floating Tensors they
meet. Two Tensors of different floating types give the larger one, with a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .engine import Node
from .errors import ShapeError
from .rules import Rule
from .support.call_stack import frames_to_user

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


class PrecisionWarning(UserWarning):
    """A larger floating type than one may have meant: two Tensors met, or a parameter was given data of it."""


def set_default_dtype(dtype: DTypeLike) -> None:
    """Set the type that Python's floats take on in a Tensor (float32 to begin with).

    Parameters
    ----------
    dtype : dtype-like
        A real floating type.

    Raises
    ------
    TypeError
        If it is not one.
    """
    global _default_dtype
    chosen = np.dtype(dtype)
    if chosen.kind != "f":
        raise TypeError(f"the default dtype must be a floating type, such as float32 or float64, not {chosen}")
    _default_dtype = chosen


def get_default_dtype() -> np.dtype[Any]:
    """Return the type that Python's floats take on in a Tensor."""
    return _default_dtype


def raw(x: Any) -> Any:
    """Return the array of a Tensor, and anything else as it is."""
    return x._data if isinstance(x, Node) else x


def in_one_dtype(rule: Rule, inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any]]:
    """Bring inputs to one floating type, so that float32 never meets float64 unnoticed.

    The Tensors decide; where two of them differ the larger type wins, with a warning. Constants and whole numbers
    follow, as Python's numbers do in NumPy. Where all Tensors are of whole numbers the arrays decide.
    """
    inputs = tuple(x if isinstance(x, Node) else operand(x, rule) for x in inputs)
    floating = {x._data.dtype for x in inputs if isinstance(x, Node) and x._data.dtype.kind == "f"}
    if floating:
        dtype = np.result_type(*floating)
        if len(floating) > 1:
            warnings.warn(
                f"{rule.name}: Tensors of {' and '.join(sorted(map(str, floating)))} meet, and the result is {dtype}: "
                "convert one of them with .astype() to choose",
                PrecisionWarning,
                stacklevel=frames_to_user(),
            )
    else:
        inputs = tuple(map(adapting, inputs))
        floating = {x.dtype for x in inputs if not isinstance(x, Node) and _is_floating(x)}
    if floating:
        inputs = tuple(_converted(x, np.result_type(*floating)) for x in inputs)
    return inputs, [raw(x) for x in inputs]


def _converted(x: Any, dtype: np.dtype[Any]) -> Any:
    """Return a Tensor or array in a floating type; a Python number, which adapts by itself, as it is."""
    if not hasattr(x, "dtype") or x.dtype.kind not in "biuf":
        return x
    if x.dtype.kind != "f":
        return raw(x).astype(dtype)
    return x if x.dtype == dtype else x.astype(dtype)


def operand(x: Any, rule: Rule | None = None) -> Any:
    """Return a constant operand as something the rules work on: a number or an array."""
    if issubclass(type(x), np.generic):
        return x.item()
    if isinstance(x, (Node, Real)):
        return x
    array = x if hasattr(x, "__array_function__") else np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{rule.name if rule else 'a Tensor'} takes numbers, not {type(x).__name__}: {x!r:.60}")
    return array


def adapting(x: Any) -> Any:
    """Return a scalar of NumPy's as Python's number, which adapts to what it meets, and anything else as it is.

    In a recording it is one for which NumPy computes a scalar: it has to adapt there too.
    """
    if issubclass(type(x), np.generic):  # not what passes for one while it is recorded
        return x.item()
    return x.as_number() if isinstance(getattr(x, "value", None), np.generic) else x


def as_array(data: Any, dtype: DTypeLike | None = None) -> Any:
    """Return an array with the given content and type, sharing its memory where it is such an array already."""
    data = raw(data)
    if issubclass(type(data), (np.ndarray, np.generic)):  # not what passes for one while it is recorded
        array = np.asarray(data)
    elif hasattr(data, "__array_function__"):
        return data if dtype is None else data.astype(dtype, copy=False)
    else:
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ShapeError(f"a Tensor needs rows of equal length: {error}") from None
        if array.dtype == np.float64 and dtype is None:
            # Python's floats adapt to the arrays among them, or to the default.
            array = array.astype(np.result_type(*(_dtypes_in(data) or [_default_dtype]), 0.0))
    if array.dtype.kind not in "biufc":
        raise TypeError(f"a Tensor holds numbers, not {type(data).__name__}: {data!r:.60}")
    return array if dtype is None else array.astype(dtype, copy=False)


ALIGNMENT = 64  # bytes: a line of the cache, and the longest vector of the processor


def owned(array: Any) -> Any:
    """Return a copy in memory of its own, which begins where vectors do: some steps go a fifth faster then."""
    if not issubclass(type(array), np.ndarray):
        return array.copy()
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def is_owned(array: Any) -> bool:
    """Return whether an array is one that `owned` made, or a view of all of it."""
    memory = getattr(array, "base", None)
    return type(memory) is np.ndarray and memory.dtype == np.uint8 and memory.size == array.nbytes + ALIGNMENT


def _dtypes_in(data: Any) -> list[np.dtype[Any]]:
    """Return the types of the arrays in nested lists."""
    if isinstance(data, (list, tuple)):
        return [dtype for x in data for dtype in _dtypes_in(x)]
    return [data.dtype] if hasattr(data, "dtype") else []


def of_whole_numbers(data: Any, inputs: tuple[Any, ...], compute: Callable[[list[Any]], Any]) -> Any:
    """Return a floating result in the default type if all operands were whole numbers, or single ones of no Tensor.

    It is computed again, by ``compute``, from operands in the default type, or in float64 if that is too coarse for
    them: of uint8 NumPy computes in float16, where the exponential of 12 is infinite, and a difference on the way
    (x - max(x), in softmax) wraps around in a type of whole numbers.
    """
    if data.dtype.kind != "f" or any(map(_is_floating, inputs)):
        return data
    arrays = [raw(x) for x in inputs]
    wide = np.result_type(_default_dtype, *(x.dtype for x in arrays if hasattr(x, "dtype")))
    return compute([_converted(x, wide) for x in arrays]).astype(_default_dtype)


def _is_floating(x: Any) -> bool:
    """Return whether a floating type follows from an operand: not from Python's numbers, which adapt."""
    return getattr(raw(x), "dtype", np.dtype(bool)).kind == "f"
