"""Activations as layers, for a place in a `Sequential`; `functional` has the functions.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.nn.GELU()(np.array([-1.0, 0.0, 1.0])).round(3)
array([-0.159,  0.   ,  0.841])
"""

from __future__ import annotations

from typing import Any

from . import functional as F
from .functional.activations import expect_approximation
from .functional.checks import expect_number
from .module import Module


class GELU(Module):
    """``x Φ(x)``, with the distribution function Φ of the standard normal distribution: `functional.gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        expect_approximation("GELU", approximate)
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return F.gelu(x, self.approximate)


class SiLU(Module):
    """``x · sigmoid(x)``."""

    def forward(self, x: Any) -> Any:
        return F.silu(x)


class LeakyReLU(Module):
    """``x`` where it is positive, elsewhere ``negative_slope · x``."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        expect_number("LeakyReLU", "negative_slope", negative_slope)
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return F.leaky_relu(x, self.negative_slope)


class ELU(Module):
    """``x`` where it is positive, elsewhere ``alpha · (exp(x) - 1)``."""

    def __init__(self, alpha: float = 1.0) -> None:
        expect_number("ELU", "alpha", alpha)
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return F.elu(x, self.alpha)


class Softplus(Module):
    """``log(1 + exp(x))``."""

    def forward(self, x: Any) -> Any:
        return F.softplus(x)
