"""The types of operands and results: float32 never becomes float64 unnoticed.

NumPy alone would turn a net of float32 into float64 as soon as one array of float64 enters it. Here Python's
numbers adapt to any operand, as in NumPy. Arrays and whole numbers adapt to floating Tensors. Two Tensors of different
floating types give the larger type, with a warning.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> (tg.Tensor([1.0, 2.0]) * np.array([0.5, 0.5])).dtype  # the array is of float64
dtype('float32')
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from .engine import Node
from .errors import ShapeError
from .rules import Rule
from .support.call_stack import frames_to_user

# A Tensor, an array, a number, or nested lists of them: what functions take. Tracers and symbols flow through the same
# functions, so to a type checker it is anything.
ArrayLike: TypeAlias = Any

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


class PrecisionWarning(UserWarning):
    """A result or a parameter takes on a larger floating type, perhaps by mistake."""


def set_default_dtype(dtype: DTypeLike) -> None:
    """Set the type of a Tensor made of Python's floats; at first it is float32.

    Parameters
    ----------
    dtype : dtype-like
        A real floating type.

    Raises
    ------
    TypeError
        If the type is not a floating one.

    Examples
    --------
    >>> tg.set_default_dtype("float64")
    >>> tg.Tensor(1.0)
    Tensor(1., dtype=float64)
    >>> tg.set_default_dtype("float32")
    """
    global _default_dtype
    chosen = np.dtype(dtype)
    if chosen.kind != "f":
        raise TypeError(f"the default dtype must be a floating type, such as float32 or float64, not {chosen}")
    _default_dtype = chosen


def get_default_dtype() -> np.dtype[Any]:
    """Return the type of a Tensor made of Python's floats.

    Examples
    --------
    >>> tg.get_default_dtype()
    dtype('float32')
    """
    return _default_dtype


def raw(x: Any) -> Any:
    """Return the array of a Tensor; anything else is returned as it is."""
    return x._data if isinstance(x, Node) else x


def in_one_dtype(rule: Rule, inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any]]:
    """Return inputs converted to one floating type, and their raw values.

    The floating Tensors decide; if their types differ, the larger one is taken, with a warning. Constants and whole
    numbers are converted to it. Without floating Tensors, the arrays decide.
    """
    inputs = tuple(x if isinstance(x, Node) else operand(x, rule) for x in inputs)
    floating = {x._data.dtype for x in inputs if isinstance(x, Node) and x._data.dtype.kind == "f"}
    if floating:
        dtype = np.result_type(*floating)
        if len(floating) > 1:
            warnings.warn(
                f"{rule.name}: Tensors of {' and '.join(sorted(map(str, floating)))} meet, and the result is {dtype}: "
                "convert one of them with .astype() to choose the type",
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
    """Return a Tensor or array in a floating type; a Python number adapts by itself, and stays."""
    if not hasattr(x, "dtype") or x.dtype.kind not in "biuf":
        return x
    if x.dtype.kind != "f":
        return raw(x).astype(dtype)
    return x if x.dtype == dtype else x.astype(dtype)


def operand(x: Any, rule: Rule | None = None) -> Any:
    """Return an operand as the rules take it: a list as an array, a NumPy scalar as a Python number."""
    if issubclass(type(x), np.generic):
        return x.item()
    if isinstance(x, (Node, Real)):
        return x
    array = x if hasattr(x, "__array_function__") else np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{rule.name if rule else 'a Tensor'} takes numbers, not {type(x).__name__}: {x!r:.60}")
    return array


def adapting(x: Any) -> Any:
    """Return a NumPy scalar as a Python number, whose type adapts; anything else is returned as it is.

    A traced value that stands for such a scalar must adapt too.
    """
    if not is_scalar(x):
        return x
    return x.as_number() if hasattr(type(x), "__traced__") else x.item()


def is_scalar(x: Any) -> bool:
    """Return True for a scalar of NumPy, which never changes, and for a traced value that stands for one."""
    return isinstance(x.__traced__ if hasattr(type(x), "__traced__") else x, np.generic)


def as_array(data: Any, dtype: DTypeLike | None = None) -> Any:
    """Return data as an array of the given type; an array that has the type already is shared, not copied."""
    data = raw(data)
    if issubclass(type(data), (np.ndarray, np.generic)):  # isinstance would accept a traced value too
        array = np.asarray(data)
    elif hasattr(data, "__array_function__") and hasattr(data, "shape"):  # no number of a program
        return data if dtype is None else data.astype(dtype, copy=False)
    else:
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ShapeError(f"a Tensor needs rows of equal length: {error}") from None
        if array.dtype == np.float64 and dtype is None:
            # Python's floats adapt to arrays in the same list, or to the default.
            array = array.astype(np.result_type(*(_dtypes_in(data) or [_default_dtype]), 0.0))
    if array.dtype.kind not in "biufc":
        raise TypeError(f"a Tensor holds numbers, not {type(data).__name__}: {data!r:.60}")
    return array if dtype is None else array.astype(dtype, copy=False)


ALIGNMENT = 64  # bytes: the length of a cache line, and of the processor's longest vectors


def owned(array: Any) -> Any:
    """Return a copy in new memory, aligned for the processor's vectors, which makes some steps a fifth faster."""
    if not issubclass(type(array), np.ndarray):
        return array.copy()
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def is_owned(array: Any) -> bool:
    """Return whether an array lies in memory that `owned` made, and fills it."""
    memory = getattr(array, "base", None)
    return type(memory) is np.ndarray and memory.dtype == np.uint8 and memory.size == array.nbytes + ALIGNMENT


def _dtypes_in(data: Any) -> list[np.dtype[Any]]:
    """Return the types of the arrays in nested lists."""
    if isinstance(data, (list, tuple)):
        return [dtype for x in data for dtype in _dtypes_in(x)]
    return [data.dtype] if hasattr(data, "dtype") else []


def of_whole_numbers(data: Any, inputs: tuple[Any, ...], compute: Callable[[list[Any]], Any]) -> Any:
    """Return a floating result in the default type if no operand has a floating type.

    ``compute`` repeats the computation with operands in the default type, or in float64 if they need it. NumPy alone
    may be too coarse: it computes exp of uint8 in float16, where exp(12) is infinite, and a difference of whole
    numbers, such as x - max(x) in softmax, may wrap around.
    """
    if data.dtype.kind != "f" or any(map(_is_floating, inputs)):
        return data
    arrays = [raw(x) for x in inputs]
    wide = np.result_type(_default_dtype, *(x.dtype for x in arrays if hasattr(x, "dtype")))
    return compute([_converted(x, wide) for x in arrays]).astype(_default_dtype)


def _is_floating(x: Any) -> bool:
    """Return whether an operand has a floating type; Python's numbers, which adapt, have none."""
    return getattr(raw(x), "dtype", np.dtype(bool)).kind == "f"
