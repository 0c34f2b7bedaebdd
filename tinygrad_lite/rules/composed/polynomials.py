"""Polynomials, given by their coefficients: that of the highest power comes first.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: np.polyval([1.0, 0.0, 2.0], x))(3.0)  # of x² + 2
Tensor(6., dtype=float32)
>>> np.polymul(tg.Tensor([1.0, 1.0]), [1.0, -1.0])
Tensor([ 1.,  0., -1.], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError, require
from ...support.devices import on_device_of
from .axes import as_vector
from .contractions import convolve
from .operands import array_like, as_count
from .pieces import concatenate, stack


def polyval(p: Any, x: Any) -> Any:
    """Return the values of a polynomial."""
    x = array_like(x)
    y = np.zeros_like(x)
    for coefficient in array_like(p):
        y = y * x + coefficient
    return y


def polyadd(a1: Any, a2: Any) -> Any:
    """Return the sum of polynomials."""
    a1, a2 = _coefficients(a1), _coefficients(a2)
    n = max(a1.shape[0], a2.shape[0])
    first, second = (np.pad(a, (n - a.shape[0], 0)) for a in (a1, a2))
    return first + second


def polysub(a1: Any, a2: Any) -> Any:
    """Return the difference of polynomials."""
    return polyadd(a1, -_coefficients(a2))


def polymul(a1: Any, a2: Any) -> Any:
    """Return the product of polynomials, each of one coefficient or with a first that is not 0.

    NumPy leaves out a first coefficient of 0, so that the shape would depend on values, and a derivative be lost.
    """
    factors = [_coefficients(a) for a in (a1, a2)]
    for a in factors:
        if a.shape[0] > 1:
            fault = "the first coefficient is 0, which NumPy leaves out: write np.convolve(a1, a2), which keeps it"
            require(np.all(a[:1] != 0), ValueError, f"np.polymul: {fault}")
    return convolve(*factors)


def polyder(p: Any, m: int = 1) -> Any:
    """Return the derivative of a polynomial, ``m`` times over."""
    p = _coefficients(p)
    for _ in range(as_count("np.polyder", "m", m)):
        p = p[:-1] * on_device_of(p, np.arange(p.shape[0] - 1, 0, -1))
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """Return the integral of a polynomial, ``m`` times over; its constants ``k`` are 0 by default."""
    p, m = _coefficients(p), as_count("np.polyint", "m", m)
    constants = on_device_of(p, np.zeros(m)) if k is None else array_like(k).reshape(-1)
    if constants.shape[0] < m and constants.shape[0] != 1:
        raise ShapeError(f"np.polyint: {m} integrals have {m} constants, or one for all, not {constants.shape[0]}")
    for i in range(m):
        constant = constants[i if constants.shape[0] > 1 else 0]
        p = concatenate([p / on_device_of(p, np.arange(p.shape[0], 0, -1)), constant.reshape(1)])
    return p


def poly(seq_of_zeros: Any) -> Any:
    """Return the polynomial that has the given zeros, with 1 as the coefficient of the highest power."""
    zeros = array_like(seq_of_zeros)
    if len(zeros.shape) > 1:
        raise ShapeError(f"np.poly takes the zeros of a polynomial, not a matrix, here of shape {zeros.shape}")
    p = np.ones_like(zeros, shape=1)
    for zero in as_vector(zeros):
        p = convolve(p, stack([np.ones_like(zero), -zero]))
    return p


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of each element, from the highest on, or from 0 on if ``increasing``."""
    x = array_like(x)
    if len(x.shape) != 1:
        raise ShapeError(f"np.vander takes a vector, not an array of shape {x.shape}")
    n = x.shape[0] if N is None else N
    powers = [x**i for i in range(n)]
    return stack(powers if increasing else powers[::-1], axis=1)


def _coefficients(p: Any) -> Any:
    """Return coefficients as a vector; one number is a constant polynomial."""
    p = as_vector(array_like(p))
    if len(p.shape) > 1:
        raise ShapeError(f"a polynomial is given by a vector of its coefficients, not by an array of shape {p.shape}")
    return p
