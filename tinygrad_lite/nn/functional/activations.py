"""The linear map, and activations: functions of one Tensor or array that bend what a linear map has made.

Examples
--------
>>> import numpy as np
>>> relu(np.array([-1.0, 2.0]))
array([0., 2.])
"""

from __future__ import annotations

import math
from typing import Any, Never

import numpy as np

from ...arrays import ArrayLike
from ...errors import ShapeError, explained
from ...rules import neural, products, special, trigonometric
from ...support.names import unknown_argument
from ...tensor import Tensor
from .checks import expect_axis, expect_choice, expect_number, operand


def linear(x: ArrayLike, weight: ArrayLike, bias: ArrayLike = None) -> Tensor:
    """Return ``x @ weight + bias``.

    Parameters
    ----------
    x : Tensor or array of shape (…, in_features)
    weight : Tensor or array of shape (in_features, out_features)
        As the product has it; in PyTorch it is transposed.
    bias : Tensor or array of shape (out_features,), optional

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> x, weight, bias = np.ones((1, 2)), np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), np.array([0.0, 0.0, 0.5])
    >>> tg.nn.functional.linear(x, weight, bias)
    array([[2. , 4. , 6.5]])
    """
    x, weight = operand("linear", x), operand("linear", weight)
    rows, columns = x.shape, weight.shape
    if len(rows) > 2 == len(columns) and rows[-1] == columns[0] and 0 not in rows:
        # One product of two matrices is faster than a product for each matrix of a stack.
        y = linear(x.reshape((math.prod(rows[:-1]), rows[-1])), weight, bias)
        return y.reshape((*rows[:-1], columns[1]))
    try:
        if bias is None:
            return x @ weight
        bias = operand("linear", bias)
        added = bias.shape
        # The rule is for products of matrices whose shape the bias does not change; the operators do all other cases.
        is_layer = len(rows) >= 2 <= len(columns) and len(added) <= 1 and (columns[-1] != 1 or added in ((), (1,)))
        return products.linear(x, weight, bias) if is_layer else x @ weight + bias
    except ValueError as error:
        if isinstance(error, ShapeError):
            raise
        raise explained(error, "linear", [rows, columns, *([] if bias is None else [bias.shape])]) from None


def relu(x: ArrayLike) -> Tensor:
    """Return max(x, 0), with the derivative 0 at x = 0.

    Examples
    --------
    >>> tg.nn.functional.relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    >>> tg.grad(tg.nn.functional.relu)(0.0)
    Tensor(0., dtype=float32)
    """
    return neural.relu(operand("relu", x))


def sigmoid(x: ArrayLike) -> Tensor:
    """Return 1 / (1 + e⁻ˣ).

    Examples
    --------
    >>> tg.nn.functional.sigmoid(np.array([-100.0, 0.0, 100.0])).round(3)
    array([0. , 0.5, 1. ])
    """
    return neural.sigmoid(operand("sigmoid", x))


def tanh(x: ArrayLike) -> Tensor:
    """Return the hyperbolic tangent.

    Examples
    --------
    >>> tg.nn.functional.tanh(np.array([-100.0, 0.0, 100.0]))
    array([-1.,  0.,  1.])
    """
    return trigonometric.tanh(operand("tanh", x))


def softmax(x: ArrayLike, axis: int = -1, **unknown: Never) -> Tensor:
    """Return exp(x) / Σ exp(x) along an axis: positive numbers that add up to one.

    Examples
    --------
    >>> tg.nn.functional.softmax(np.log([[1.0, 2.0, 1.0]]))
    array([[0.25, 0.5 , 0.25]])
    """
    if unknown:
        raise unknown_argument("softmax", unknown)
    x = operand("softmax", x)
    expect_axis("softmax", axis, x)
    return neural.softmax(x, axis)


def log_softmax(x: ArrayLike, axis: int = -1, **unknown: Never) -> Tensor:
    """Return the logarithm of `softmax`, without underflow.

    Examples
    --------
    >>> tg.nn.functional.log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    if unknown:
        raise unknown_argument("log_softmax", unknown)
    x = operand("log_softmax", x)
    expect_axis("log_softmax", axis, x)
    return neural.log_softmax(x, axis)


def gelu(x: ArrayLike, approximate: str = "none") -> Tensor:
    """Return x Φ(x), where Φ is the distribution function of the standard normal distribution.

    Source: D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016.

    Parameters
    ----------
    x : Tensor or array
    approximate : {"none", "tanh"}
        "tanh" replaces Φ by an approximation with a hyperbolic tangent, from the same source.

    Examples
    --------
    >>> tg.nn.functional.gelu(np.array([-100.0, 0.0, 1.0, 100.0])).round(3)
    array([ -0.   ,   0.   ,   0.841, 100.   ])
    """
    expect_approximation("gelu", approximate)
    x = operand("gelu", x)
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + special.erf(x * math.sqrt(0.5)))


def expect_approximation(name: str, approximate: Any) -> None:
    """Raise unless it is one of the two ways to compute `gelu`."""
    expect_choice(name, "approximate", approximate, ("none", "tanh"))


def silu(x: ArrayLike) -> Tensor:
    """Return x · sigmoid(x), also known as swish.

    Examples
    --------
    >>> tg.nn.functional.silu(np.array([-100.0, 0.0, 1.0, 100.0])).round(3)
    array([ -0.   ,   0.   ,   0.731, 100.   ])
    """
    x = operand("silu", x)
    return x * neural.sigmoid(x)


def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Tensor:
    """Return x where it is positive, elsewhere a small multiple of it.

    Examples
    --------
    >>> tg.nn.functional.leaky_relu(np.array([-2.0, 0.0, 2.0]), negative_slope=0.1)
    array([-0.2,  0. ,  2. ])
    """
    expect_number("leaky_relu", "negative_slope", negative_slope)
    x = operand("leaky_relu", x)
    return np.where(x > 0, x, negative_slope * x)


def elu(x: ArrayLike, alpha: float = 1.0) -> Tensor:
    """Return x where it is positive, elsewhere alpha · (eˣ - 1).

    Examples
    --------
    >>> tg.nn.functional.elu(np.array([-100.0, 0.0, 2.0]))
    array([-1.,  0.,  2.])
    """
    expect_number("elu", "alpha", alpha)
    x = operand("elu", x)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softplus(x: ArrayLike) -> Tensor:
    """Return log(1 + eˣ), without overflow: a smooth form of max(x, 0).

    Examples
    --------
    >>> tg.nn.functional.softplus(np.array([-100.0, 0.0, 100.0])).round(3)
    array([  0.   ,   0.693, 100.   ])
    """
    x = operand("softplus", x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
