"""Activations beyond the rules' own: each a function composed of rules, and a layer of the same name.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.nn.GELU()(np.array([-1.0, 0.0, 1.0])).round(3)
array([-0.159,  0.   ,  0.841])
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..rules import neural, special
from .module import Module


def gelu(x: Any, approximate: str = "none") -> Any:
    """Return x Φ(x), where Φ is the distribution function of the standard normal distribution.

    Source: D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016.

    Parameters
    ----------
    x : Tensor or array
    approximate : {"none", "tanh"}
        "tanh" replaces Φ by an approximation with a hyperbolic tangent, from the same source.
    """
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    if approximate != "none":
        raise ValueError(f'gelu: approximate must be "none" or "tanh", not {approximate!r}')
    return 0.5 * x * (1 + special.erf(x * math.sqrt(0.5)))


def silu(x: Any) -> Any:
    """Return x · sigmoid(x), also known as swish."""
    return x * neural.sigmoid(x)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """Return x where it is positive, elsewhere a small multiple of it."""
    return np.where(x > 0, x, negative_slope * x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return x where it is positive, elsewhere alpha · (eˣ - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softplus(x: Any) -> Any:
    """Return log(1 + eˣ), without overflow: a smooth form of max(x, 0)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class GELU(Module):
    """``x Φ(x)``, with the distribution function Φ of the standard normal distribution: `functional.gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return gelu(x, self.approximate)


class SiLU(Module):
    """``x · sigmoid(x)``."""

    def forward(self, x: Any) -> Any:
        return silu(x)


class LeakyReLU(Module):
    """``x`` where it is positive, elsewhere ``negative_slope · x``."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return leaky_relu(x, self.negative_slope)


class ELU(Module):
    """``x`` where it is positive, elsewhere ``alpha · (exp(x) - 1)``."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return elu(x, self.alpha)


class Softplus(Module):
    """``log(1 + exp(x))``."""

    def forward(self, x: Any) -> Any:
        return softplus(x)
