"""Initialisers: the values that weights have before training.

A bad start makes activations vanish or explode from layer to layer. Each initialiser takes the shape of the weights and
returns an array. It draws from ``rng``: a NumPy generator, or a seed for one. Without ``rng`` it draws from the
library's generator, which `tinygrad_lite.manual_seed` seeds.

The spread depends on the fan-in, `in` (the number of inputs of a unit), and on the fan-out, `out` (the number of units
that an input feeds). Weights of shape (in, out), as in a `Linear`, have the lengths of the two axes. For weights with
more axes, as in a convolution, (out, in, height, width), the fan-in is the product of all axes but the first, and the
fan-out that of all axes but the second.

Examples
--------
>>> glorot_uniform((784, 90), rng=0).shape
(784, 90)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..arrays import get_default_dtype
from ..errors import ShapeError
from ..support.names import answer_for_missing
from ..support.randomness import Rng, generator_for
from ..tensor import Tensor
from .functional.checks import is_whole

Shape = tuple[int, ...]


def glorot_uniform(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw uniformly from ±√(6 / (in + out)): activations and gradients keep their scale from layer to layer.

    Source: X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    2010, equation 16.

    Examples
    --------
    >>> round(float(abs(tg.nn.init.glorot_uniform((100, 500), rng=0)).max()), 3)  # √(6 / (100 + 500))
    0.1
    >>> tg.nn.Linear(100, 500, initialiser=tg.nn.init.glorot_uniform).weight.shape  # this is the default
    (100, 500)
    """
    return _uniform(shape, math.sqrt(6 / sum(_fans(shape))), rng, dtype)


def glorot_normal(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw from a normal distribution with the variance of `glorot_uniform`, 2 / (in + out).

    Examples
    --------
    >>> round(float(tg.nn.init.glorot_normal((100, 100), rng=0).std()), 2)  # √(2 / (100 + 100))
    0.1
    """
    return _normal(shape, math.sqrt(2 / sum(_fans(shape))), rng, dtype)


def he_uniform(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw uniformly from ±√(6 / in): activations keep their mean square from layer to layer, though ReLU halves it.

    Source: K. He and others, "Delving deep into rectifiers", 2015, equation 10.

    Examples
    --------
    >>> round(float(abs(tg.nn.init.he_uniform((600, 100), rng=0)).max()), 3)  # √(6 / 600)
    0.1
    >>> tg.nn.Linear(600, 100, initialiser=tg.nn.init.he_uniform).weight.shape
    (600, 100)
    """
    return _uniform(shape, math.sqrt(6 / _fans(shape)[0]), rng, dtype)


def he_normal(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw from a normal distribution with the variance of `he_uniform`, 2 / in.

    Examples
    --------
    >>> round(float(tg.nn.init.he_normal((200, 100), rng=0).std()), 2)  # √(2 / 200)
    0.1
    """
    return _normal(shape, math.sqrt(2 / _fans(shape)[0]), rng, dtype)


def fan_in_uniform(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Draw uniformly from ±1 / √in, which is what PyTorch's layers start with.

    Source: Y. LeCun and others, "Efficient BackProp", 1998, section 4.6, for the dependence on the fan-in.

    Examples
    --------
    >>> round(float(abs(tg.nn.init.fan_in_uniform((100, 500), rng=0)).max()), 3)  # 1 / √100
    0.1
    """
    return _uniform(shape, 1 / math.sqrt(_fans(shape)[0]), rng, dtype)


def zeros(shape: Shape, rng: Rng = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return zeros, without a random draw: ``rng`` has no effect.

    Examples
    --------
    >>> tg.nn.init.zeros((2, 3))
    array([[0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    return np.zeros(_checked(shape), dtype or get_default_dtype())


def weights(name: str, initialiser: Callable[..., Any], shape: Shape, rng: Rng) -> Tensor:
    """Return the weights of a layer of a name, as an initialiser draws them."""
    if not callable(initialiser):
        hint = "a function such as those of nn.init"
        raise TypeError(f"{name}: the initialiser must be {hint}, not {initialiser!r:.60}")
    drawn = initialiser(shape, rng)
    if np.shape(drawn) != shape:
        raise ShapeError(f"{name}: the initialiser returned shape {np.shape(drawn)} for weights of shape {shape}")
    return Tensor(drawn, requires_grad=True, name="weight")


def _checked(shape: Shape) -> Shape:
    """Return a shape as a tuple, after the check that its lengths are whole numbers."""
    if not isinstance(shape, (tuple, list)) or not all(is_whole(n, 0) for n in shape):
        raise ShapeError(f"an initialiser takes a shape, such as (784, 90), not {shape!r:.60}")
    return tuple(shape)


def _fans(shape: Shape) -> tuple[int, int]:
    """Return the fan-in and the fan-out of weights of a shape."""
    shape = _checked(shape)
    if len(shape) < 2:
        raise ShapeError(
            f"weights need two axes, (in_features, out_features), or those of a convolution, (out, in, …), but the "
            f"shape is {shape}"
        )
    if 0 in shape:
        raise ShapeError(f"weights of shape {shape} have no element to draw")
    if len(shape) == 2:
        return shape
    size = math.prod(shape[2:])
    return shape[1] * size, shape[0] * size


def _uniform(shape: Shape, limit: float, rng: Rng, dtype: DTypeLike | None) -> NDArray[Any]:
    return generator_for(rng).uniform(-limit, limit, shape).astype(dtype or get_default_dtype())


def _normal(shape: Shape, deviation: float, rng: Rng, dtype: DTypeLike | None) -> NDArray[Any]:
    return generator_for(rng).normal(0, deviation, shape).astype(dtype or get_default_dtype())


answer_for_missing(__name__)
