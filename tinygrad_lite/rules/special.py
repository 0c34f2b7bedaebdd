"""Rules of special functions: those that are defined by an integral or a series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import cheb2poly, chebinterpolate

from .registry import define
from .samples import each, normal

# NumPy has no error function. Up to SMALL, erf is its Maclaurin series (DLMF 7.6.1). Beyond it, erf is
# 1 - exp(-x²) f(x) with a smooth factor f, which is interpolated by Chebyshev polynomials between points where Python's
# erfc gives its values. From LARGE on, erf is 1 in every floating type.
SMALL, LARGE = 1.0, 6.0
LOW, HIGH = 1 / (1 + SMALL / 2), 1 / (1 + LARGE / 2)


def _factor(t: float) -> float:
    """Return f(x) = erfc(x) exp(x²), for the x of which ``t`` is the place between SMALL, at -1, and LARGE, at 1."""
    x = 2 * (2 / (t * (HIGH - LOW) + LOW + HIGH) - 1)
    return math.erfc(x) * math.exp(x * x)


def _coefficients(terms: int, degree: int) -> tuple[list[float], list[float]]:
    """Return the coefficients of the powers in the series, and in the interpolation of f."""
    series = [2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(terms)]
    return series, cheb2poly(chebinterpolate(np.vectorize(_factor), degree)).tolist()


SINGLE, DOUBLE = _coefficients(10, 8), _coefficients(20, 19)


def _polynomial(coefficients: list[float], x: Any) -> Any:
    """Return c₀ + c₁x + c₂x² + …, by Horner's scheme."""
    y: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        y = y * x + coefficient
    return y


def _erf(x: Any) -> Any:
    series, factor = DOUBLE if x.dtype.itemsize > 4 else SINGLE
    size = np.abs(x)
    near, far = np.clip(x, -SMALL, SMALL), np.clip(size, SMALL, LARGE)
    within = near * _polynomial(series, near * near)
    t = 4 / (HIGH - LOW) / (2 + far) - (LOW + HIGH) / (HIGH - LOW)
    beyond = np.copysign(1 - np.exp(-far * far) * _polynomial(factor, t), x)
    # A product with 0 or 1 is faster than a choice by np.where.
    return within + (size > SMALL) * (beyond - within)


# fmt: off
erf = define("erf", _erf, samples=each(normal),
    x=lambda g, x: g * (2 / math.sqrt(math.pi)) * np.exp(-np.square(x)))
