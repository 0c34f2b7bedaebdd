"""Rules of special functions: those that are defined by an integral or a series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebinterpolate

from .registry import define
from .samples import each, normal

# NumPy has no error function. Up to SMALL, erf is its Maclaurin series (DLMF 7.6.1); beyond it 1 - exp(-x²) f(x), with
# a smooth factor f that Python's exact erfc gives at 21 points. From LARGE on, it is 1 in every floating type.
SMALL, LARGE, TERMS = 2.0, 6.0, 32
_SERIES = [2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(TERMS)]


def _scaled(x: Any) -> Any:
    """Return -1 for x = SMALL, 1 for x = LARGE, and numbers between them, close together where x is small."""
    low, high = 1 / (1 + SMALL / 2), 1 / (1 + LARGE / 2)
    return (2 / (1 + x / 2) - low - high) / (high - low)


def _complement(t: float) -> float:
    """Return erfc(x) exp(x²), for the x of which t is the scaled value."""
    low, high = 1 / (1 + SMALL / 2), 1 / (1 + LARGE / 2)
    x = 2 * (2 / (t * (high - low) + low + high) - 1)
    return math.erfc(x) * math.exp(x * x)


_FACTOR = chebinterpolate(np.vectorize(_complement), 20).tolist()


def _erf(x: Any) -> Any:
    size = np.where(x < 0, -x, x)  # complex numbers, of the complex step, compare by their real parts first
    near, far = np.where(size < SMALL, size, 0), np.where(size < SMALL, SMALL, size)
    far = np.where(far > LARGE, LARGE, far)
    series, square = _SERIES[-1], near * near
    for coefficient in reversed(_SERIES[:-1]):
        series = series * square + coefficient
    # Clenshaw's recurrence for a sum of Chebyshev polynomials.
    t, last, before = _scaled(far), 0.0, 0.0
    for coefficient in reversed(_FACTOR[1:]):
        last, before = coefficient + 2 * t * last - before, last
    factor = _FACTOR[0] + t * last - before
    y = np.where(size < SMALL, near * series, 1 - np.exp(-far * far) * factor)
    return np.where(x < 0, -y, y)


# fmt: off
erf = define("erf", _erf, samples=each(normal),
    x=lambda g, x: g * (2 / math.sqrt(math.pi)) * np.exp(-np.square(x)))
