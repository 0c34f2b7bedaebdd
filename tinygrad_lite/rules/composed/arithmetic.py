"""Arithmetic and copies, composed of rules that act on each element.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: np.deg2rad(x))(90.0)  # π / 180
Tensor(0.01745329, dtype=float32)
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from ...errors import ShapeError
from ...support.devices import on_device_of
from .. import elementwise
from .operands import array_like, as_floating, as_reals, of_rank_at_most


def power(a: Any, b: Any) -> Any:
    """Raise to a power: by the textbook's rule of xⁿ for a plain number n, else by that of aᵇ.

    At 0 the derivative of a root by its base, which is not finite, is taken to be 0.
    """
    # A number of NumPy's counts as Python's and adapts to the type of the base, unless that is of truth values.
    is_of_truth = getattr(getattr(a, "dtype", None), "kind", "") == "b"
    b = b.item() if issubclass(type(b), np.generic) and not is_of_truth else b
    is_number = isinstance(b, Real) and not hasattr(b, "shape")
    return elementwise.power(a, b) if is_number else elementwise.power_of(a, b)


def divmod(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the quotient rounded down, a step function with no derivative, and the remainder."""
    return np.floor_divide(a, b), np.remainder(a, b)


def modf(x: Any) -> tuple[Any, Any]:
    """Return the fractional part, which is 0 of an infinite number, and the whole part, a step function."""
    x = as_floating(x)
    whole = np.trunc(x)
    return elementwise.difference(x, whole), whole


def frexp(x: Any) -> tuple[Any, Any]:
    """Return a mantissa, from 1/2 to 1 in size, and its exponent of 2, a step function; of 0, ∞ and NaN that is 0."""
    x = as_floating(x)
    size = np.where(np.isfinite(x) & (x != 0), np.abs(x), 0.5)
    exponent = (np.floor(np.log2(size)) + 1).astype(np.int32)
    exponent = exponent - (np.ldexp(size, -exponent) < 0.5)  # where the logarithm was rounded up
    return np.ldexp(x, -exponent), exponent


def fabs(x: Any) -> Any:
    """Return the absolute value as a floating number."""
    return np.abs(as_floating(x))


def float_power(a: Any, b: Any) -> Any:
    """Raise to a power; whole numbers become floating ones, of which there are negative powers, too."""
    return power(as_floating(a) if hasattr(a, "dtype") else float(a), b)


def copysign(a: Any, b: Any) -> Any:
    """Return ``a`` with the sign of ``b``, which has no derivative by ``b``."""
    size = fabs(array_like(a))
    return np.where(np.signbit(b), -size, size)


def deg2rad(x: Any) -> Any:
    """Return an angle in degrees as one in radians."""
    return x * (math.pi / 180)


def rad2deg(x: Any) -> Any:
    """Return an angle in radians as one in degrees."""
    return x * (180 / math.pi)


def logaddexp2(a: Any, b: Any) -> Any:
    """Return log₂(2ᵃ + 2ᵇ)."""
    return np.logaddexp(a * math.log(2), b * math.log(2)) / math.log(2)


def sinc(x: Any) -> Any:
    """Return sin(πx) / πx, and 1 at 0.

    Close to 0 it is the sum of its series: the derivatives of the quotient lose all digits there. Up to πx = 1 eleven
    terms suffice for them, too.
    """
    z = math.pi * as_floating(x)
    is_small = np.abs(z) < 1
    near = np.where(is_small, z * z, 0)
    series = 0.0
    for k in reversed(range(11)):
        series = series * near + (-1) ** k / math.factorial(2 * k + 1)
    far = np.where(is_small, 1, z)
    return np.where(is_small, series, np.sin(far) / far)


# Gauss–Chebyshev nodes: so many that the error of the mean below is one of rounding wherever I₀ is finite.
_NODES = np.cos(np.pi * (np.arange(64) + 0.5) / 128)


def i0(x: Any) -> Any:
    """Return the modified Bessel function I₀.

    It is Bessel's integral, the mean of cosh(x cos θ) over all angles θ (DLMF 10.32.1).
    """
    x = as_floating(array_like(x))
    nodes = on_device_of(x, _NODES.astype(x.dtype))
    return np.cosh(x.reshape((*x.shape, 1)) * nodes).mean(axis=-1)


def real(val: Any) -> Any:
    """Return the real part: of real numbers, which alone have a derivative, they themselves."""
    return as_reals("np.real", val)


def imag(val: Any) -> Any:
    """Return the imaginary part of real numbers: zeros."""
    return np.zeros_like(as_reals("np.imag", val))


def conjugate(x: Any) -> Any:
    """Return the conjugate of real numbers: a copy."""
    return copy(as_reals("np.conjugate", x))


def real_if_close(a: Any, tol: float = 100) -> Any:
    """Return real numbers as they are."""
    return as_reals("np.real_if_close", a)


def angle(z: Any, deg: bool = False) -> Any:
    """Return the angle of real numbers in the plane of the complex ones: 0, or π of negative numbers."""
    in_radians = np.arctan2(0.0, as_floating(as_reals("np.angle", z)))
    return rad2deg(in_radians) if deg else in_radians


def full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Return an array like ``a`` filled with a value; differentiable by that value."""
    zeros = np.zeros_like(a, dtype=dtype, shape=shape)
    value = of_rank_at_most(zeros.ndim, fill_value)
    filled = np.where(zeros == 0, value, zeros)  # not zeros + value, which loses the sign of -0.0
    if filled.shape != zeros.shape:
        raise ShapeError(f"np.full_like: a value of shape {np.shape(fill_value)} does not fit into shape {zeros.shape}")
    return filled.astype(zeros.dtype)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """Convert to another type."""
    return x.astype(dtype, copy=copy)


def copy(a: Any) -> Any:
    """Return the same elements in new memory."""
    return a.astype(a.dtype)
