"""Adaptive optimizers, which give each coordinate a step of its own length: Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..tensor import Tensor
from .optimizer import Optimizer

# The defaults of Adam and AdamW, as Adam's authors propose.
LR, BETAS, EPS = 1e-3, (0.9, 0.999), 1e-8


class Adam(Optimizer):
    """Adam: steps of about ``lr`` in each coordinate, whatever the scale of the gradient.

    Source: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.

    Parameters
    ----------
    params, lr
        As for `Optimizer`.
    betas : (float, float)
        The decay rates of the running means of the gradient and of its square.
    eps : float
        A small number in the denominator, against a division by zero.
    weight_decay : float
        The factor of an L2 penalty.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = LR,
        betas: tuple[float, float] = BETAS,
        eps: float = EPS,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, lr)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        steps = dict.fromkeys(range(len(self.params)), 0)
        self.state |= {"steps": steps, "mean": self._zeros(), "square": self._zeros()}

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        self._adapt(i, p, g)

    def _adapt(self, i: int, p: Tensor, g: Any) -> None:
        keep_mean, keep_square = self.betas
        steps = self.state["steps"][i] = self.state["steps"].get(i, 0) + 1
        mean, square = self._state_of("mean", i, p), self._state_of("square", i, p)
        mean *= keep_mean
        mean += (1 - keep_mean) * g
        square *= keep_square
        square += (1 - keep_square) * g * g
        # Both means start at 0 and are too small at first: the division corrects this bias.
        unbiased_mean = mean / (1 - keep_mean**steps)
        unbiased_square = square / (1 - keep_square**steps)
        p.data -= self.lr * unbiased_mean / (np.sqrt(unbiased_square) + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay, which shrinks the parameters directly instead of adding to the gradient.

    Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    Parameters as for `Adam`, with a weight decay of 0.01 by default.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = LR,
        betas: tuple[float, float] = BETAS,
        eps: float = EPS,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        p.data *= 1 - self.lr * self.weight_decay
        self._adapt(i, p, g)
