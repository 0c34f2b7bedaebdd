"""Initialisers: how weights start.

Each takes the shape ``(…, in_features, out_features)`` and returns an array; what it draws comes from ``rng``, a
NumPy generator or a seed for one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..dtypes import get_default_dtype
from ..errors import ShapeError

Shape = tuple[int, ...]
Rng = np.random.Generator | int | None


def glorot_uniform(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw uniformly from ±√(6 / (in + out)), so that neither activations nor gradients grow from layer to layer.

    Source: X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    2010, equation 16.
    """
    return _uniform(shape, math.sqrt(6 / sum(_fans(shape))), rng, dtype)


def glorot_normal(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw normally with the variance of `glorot_uniform`, 2 / (in + out)."""
    return _normal(shape, math.sqrt(2 / sum(_fans(shape))), rng, dtype)


def he_uniform(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw uniformly from ±√(6 / in), which keeps the variance through layers that ReLU halves.

    Source: K. He and others, "Delving deep into rectifiers", 2015, equation 10.
    """
    return _uniform(shape, math.sqrt(6 / _fans(shape)[0]), rng, dtype)


def he_normal(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw normally with the variance of `he_uniform`, 2 / in."""
    return _normal(shape, math.sqrt(2 / _fans(shape)[0]), rng, dtype)


def zeros(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return zeros; nothing is drawn."""
    return np.zeros(shape, dtype or get_default_dtype())


def _fans(shape: Shape) -> tuple[int, int]:
    """Return how many inputs and outputs a unit has."""
    if len(shape) < 2:
        raise ShapeError(f"weights need two axes or more, (…, in_features, out_features), but the shape is {shape}")
    return shape[-2], shape[-1]


def _uniform(shape: Shape, limit: float, rng: Rng, dtype: DTypeLike | None) -> NDArray[Any]:
    return np.random.default_rng(rng).uniform(-limit, limit, shape).astype(dtype or get_default_dtype())


def _normal(shape: Shape, deviation: float, rng: Rng, dtype: DTypeLike | None) -> NDArray[Any]:
    return np.random.default_rng(rng).normal(0, deviation, shape).astype(dtype or get_default_dtype())
