"""Arithmetic, choices and copies, composed of rules that act on each element.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: np.log2(x))(2.0)  # 1 / (2 log 2)
Tensor(0.7213475, dtype=float32)
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from ...errors import ShapeError
from .. import elementwise


def array_like(x: Any) -> Any:
    """Return a list or number as an array; a value that has a shape is returned as it is."""
    return x if hasattr(x, "shape") else np.asarray(x)


def arrays_like(xs: Any) -> list[Any]:
    """Return several values as arrays: as in NumPy, the numbers among them have the type of the arrays they meet."""
    met: list[Any] = [x.__class__(0) if isinstance(x, (int, float)) else array_like(x).dtype for x in xs]
    dtype = np.result_type(*met)
    return [x if hasattr(x, "shape") else np.asarray(x, dtype) for x in xs]


def fitting(values: Any, x: Any, function: str) -> Any:
    """Return values in the type of the array into which a function writes them; a Tensor keeps its own, which decides.

    Raises
    ------
    TypeError
        If floats are written among whole numbers.
    """
    values = array_like(values)
    if values.dtype.kind == "f" and x.dtype.kind != "f":
        raise TypeError(f"{function}: {values.dtype} does not fit into {x.dtype}: convert the array by .astype()")
    return values if hasattr(values, "requires_grad") else values.astype(x.dtype)


def power(a: Any, b: Any) -> Any:
    """Raise to a power: by the textbook's rule of xⁿ for a plain number n, else by that of aᵇ.

    At 0 the derivative of a root by its base, which is not finite, is taken to be 0.
    """
    # A number of NumPy's counts as Python's and adapts to the type of the base, unless that is of truth values.
    is_of_truth = getattr(getattr(a, "dtype", None), "kind", "") == "b"
    b = b.item() if issubclass(type(b), np.generic) and not is_of_truth else b
    is_number = isinstance(b, Real) and not hasattr(b, "shape")
    return elementwise.power(a, b) if is_number else elementwise.power_of(a, b)


def log2(x: Any) -> Any:
    """Return the logarithm to base 2."""
    return np.log(x) / math.log(2)


def log10(x: Any) -> Any:
    """Return the logarithm to base 10."""
    return np.log(x) / math.log(10)


def where(condition: Any, /, *choices: Any) -> Any:
    """Choose from one array where the condition holds, else from another; differentiable by both.

    Without the two arrays the result is the positions where the condition holds.
    """
    if not choices:
        return np.nonzero(condition)
    if len(choices) != 2:
        raise ValueError("where takes two arrays to choose from, or none")
    a, b = choices
    return elementwise.where(a, b, condition)


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Limit values to an interval; a bound of None means no limit. Differentiable by the bounds, too."""
    low, high = a_min if min is None else min, a_max if max is None else max
    is_number = not hasattr(a, "dtype")  # or a list of numbers, whose type adapts to the bounds
    is_open = low is None or high is None
    has_gradient = any(getattr(x, "requires_grad", False) for x in (low, high))
    if not is_number:
        low, high = _bound(low, a), _bound(high, a)
    if is_number or has_gradient or (is_open and a.dtype.kind != "f"):
        a = a if low is None else np.maximum(a, low)
        return a if high is None else np.minimum(a, high)
    return elementwise.clip(a, -np.inf if low is None else low, np.inf if high is None else high)


def _bound(value: Any, x: Any) -> Any:
    """Return a bound of ``x`` as a Python number or in the type of ``x``, so that it does not change that type."""
    value = np.asarray(value) if isinstance(value, (list, tuple)) else value
    return value.astype(x.dtype) if hasattr(value, "astype") and x.dtype.kind == "f" else value


def divmod(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the quotient rounded down, a step function with no derivative, and the remainder."""
    return np.floor_divide(a, b), np.remainder(a, b)


def full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Return an array like ``a`` filled with a value; differentiable by that value."""
    zeros = np.zeros_like(a, dtype=dtype, shape=shape)
    filled = np.where(zeros == 0, fill_value, zeros)  # not zeros + fill_value, which loses the sign of -0.0
    more = (1,) * (filled.ndim - zeros.ndim)  # NumPy lets a value have more axes of this length
    if filled.shape != more + zeros.shape:
        raise ShapeError(f"full_like: a value of shape {np.shape(fill_value)} does not fit into shape {zeros.shape}")
    return filled.reshape(zeros.shape).astype(zeros.dtype)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """Convert to another type."""
    return x.astype(dtype, copy=copy)


def copy(a: Any) -> Any:
    """Return the same elements in new memory."""
    return a.astype(a.dtype)
