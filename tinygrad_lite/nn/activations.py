"""Activations as layers, for a place in a `Sequential`; `functional` has the functions.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.nn.GELU()(np.array([-1.0, 0.0, 1.0])).round(3)
array([-0.159,  0.   ,  0.841])
"""

from __future__ import annotations

from ..arrays import ArrayLike
from ..tensor import Tensor
from . import functional as F
from .functional.activations import expect_approximation
from .functional.checks import expect_number
from .module import Module


class GELU(Module):
    """``x Φ(x)``, with the distribution function Φ of the standard normal distribution: `functional.gelu`.

    With ``approximate="tanh"`` a hyperbolic tangent approximates Φ.

    Examples
    --------
    >>> tg.nn.GELU()(np.array([-100.0, 0.0, 1.0, 100.0])).round(3)
    array([ -0.   ,   0.   ,   0.841, 100.   ])
    >>> tg.nn.GELU("tanh")(1.0).round(3)
    np.float32(0.841)
    """

    def __init__(self, approximate: str = "none") -> None:
        expect_approximation("GELU", approximate)
        self.approximate = approximate

    def forward(self, x: ArrayLike) -> Tensor:
        return F.gelu(x, self.approximate)


class SiLU(Module):
    """``x · sigmoid(x)``.

    Examples
    --------
    >>> tg.nn.SiLU()(np.array([-100.0, 0.0, 1.0, 100.0])).round(3)
    array([ -0.   ,   0.   ,   0.731, 100.   ])
    """

    def forward(self, x: ArrayLike) -> Tensor:
        return F.silu(x)


class LeakyReLU(Module):
    """``x`` where it is positive, elsewhere ``negative_slope · x``.

    Examples
    --------
    >>> tg.nn.LeakyReLU(0.1)(np.array([-2.0, 0.0, 2.0]))
    array([-0.2,  0. ,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        expect_number("LeakyReLU", "negative_slope", negative_slope)
        self.negative_slope = negative_slope

    def forward(self, x: ArrayLike) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)


class ELU(Module):
    """``x`` where it is positive, elsewhere ``alpha · (exp(x) - 1)``.

    Examples
    --------
    >>> tg.nn.ELU()(np.array([-100.0, 0.0, 2.0]))
    array([-1.,  0.,  2.])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        expect_number("ELU", "alpha", alpha)
        self.alpha = alpha

    def forward(self, x: ArrayLike) -> Tensor:
        return F.elu(x, self.alpha)


class Softplus(Module):
    """``log(1 + exp(x))``.

    Examples
    --------
    >>> tg.nn.Softplus()(np.array([-100.0, 0.0, 100.0])).round(3)
    array([  0.   ,   0.693, 100.   ])
    """

    def forward(self, x: ArrayLike) -> Tensor:
        return F.softplus(x)
