"""What functions take: arrays, lists and numbers, made arrays of the type and kind that a function needs.

Examples
--------
>>> from tinygrad_lite.rules.composed import operands
>>> operands.array_like([1, 2])
array([1, 2])
>>> operands.as_floating(operands.array_like([1, 2]))
array([1., 2.])
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np


def array_like(x: Any) -> Any:
    """Return a list or number as an array; a value that has a shape is returned as it is."""
    return x if hasattr(x, "shape") else np.asarray(x)


def arrays_like(xs: Any) -> list[Any]:
    """Return several values as arrays: as in NumPy, the numbers among them have the type of the arrays they meet."""
    met: list[Any] = [x.__class__(0) if isinstance(x, (int, float)) else array_like(x).dtype for x in xs]
    dtype = np.result_type(*met)
    return [x if hasattr(x, "shape") else np.asarray(x, dtype) for x in xs]


def as_tuple(numbers: Any) -> tuple[Any, ...]:
    """Return one number, or several, as a tuple."""
    if type(numbers) is tuple:
        return numbers
    return (numbers,) if np.ndim(numbers) == 0 else tuple(numbers)


def as_count(function: str, name: str, number: Any) -> int:
    """Return an argument that says how often or how many; refuse a negative one."""
    number = operator.index(number)
    if number < 0:
        raise ValueError(f"{function}: {name} must not be negative, but it is {number}")
    return number


def as_positions(index: Any) -> Any:
    """Return positions as an array; an empty list, of which NumPy makes floats, as one of whole numbers."""
    return np.asarray(index, int) if isinstance(index, list) and not np.size(index) else array_like(index)


def as_floating(x: Any) -> Any:
    """Return whole numbers as floating ones; floating numbers are returned as they are."""
    return x if x.dtype.kind == "f" else 1.0 * x


def as_reals(function: str, x: Any) -> Any:
    """Return an operand as an array; refuse complex numbers."""
    x = array_like(x)
    if x.dtype.kind == "c":
        raise TypeError(
            f"{function} of complex numbers has no derivative rule: take their real and imaginary parts as Tensors of "
            f"their own, or write {function}(x.numpy()) where no gradient is needed"
        )
    return x


def of_rank_at_most(rank: int, value: Any) -> Any:
    """Return a value without first axes of length 1 beyond a rank: NumPy fills an array with it as if it had none."""
    while np.ndim(value) > rank and len(value) == 1:
        value = value[0]
    return value


def converted(a: Any, dtype: Any) -> Any:
    """Return an array, in the given type unless that is None."""
    a = array_like(a)
    return a if dtype is None or a.dtype == dtype else a.astype(dtype)


def in_floating(function: str, a: Any, dtype: Any) -> Any:
    """Return `converted`; refuse a type that would cut the elements before their mean is taken."""
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise TypeError(
            f"{function} computes in a floating type, not in dtype={np.dtype(dtype)}, which would cut the elements and "
            f"lose the gradient: convert the result by .astype({np.dtype(dtype)})"
        )
    return converted(a, dtype)


def fitting(values: Any, x: Any, function: str) -> Any:
    """Return values in the type of the array into which a function writes them; a floating Tensor keeps its own.

    Raises
    ------
    TypeError
        If floats are written among whole numbers.
    """
    values = array_like(values)
    if values.dtype.kind == "f" and x.dtype.kind != "f":
        raise TypeError(f"{function}: {values.dtype} does not fit into {x.dtype}: convert the array by .astype()")
    decides = hasattr(values, "requires_grad") and values.dtype.kind == "f"
    return values if decides else values.astype(x.dtype)
