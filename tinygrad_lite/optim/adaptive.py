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

    Examples
    --------
    >>> w = tg.Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = tg.optim.Adam([w], lr=0.1)
    >>> (w * np.array([1.0, 1000.0])).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)  # steps of lr, though one gradient is 1000 times the other
    array([0.9, 0.9], dtype=float32)
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

    Examples
    --------
    >>> w = tg.Tensor([1.0, 10.0], requires_grad=True)
    >>> optimizer = tg.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * 0.0).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)  # decay alone, by the factor 1 - 0.1 · 0.5
    array([0.95, 9.5 ], dtype=float32)
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


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    Source: G. Hinton, "Neural networks for machine learning", lecture 6e, 2012.

    Parameters
    ----------
    params, lr
        As for `Optimizer`.
    alpha : float
        The decay rate of the running mean.
    eps : float
        A small number in the denominator, against a division by zero.
    weight_decay : float
        The factor of an L2 penalty.
    momentum : float
        The factor of the last step's direction in the next one.

    Examples
    --------
    >>> w = tg.Tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = tg.optim.RMSprop([w], lr=0.01)
    >>> (w * np.array([1.0, 1000.0])).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)  # the first step is lr / √(1 - alpha) in each coordinate
    array([0.9, 0.9], dtype=float32)
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = EPS,
        weight_decay: float = 0,
        momentum: float = 0,
    ) -> None:
        super().__init__(params, lr)
        self.alpha, self.eps, self.weight_decay, self.momentum = alpha, eps, weight_decay, momentum
        self.state |= {"square": self._zeros(), "momentum": self._zeros() if momentum else {}}

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        square = self._state_of("square", i, p)
        square *= self.alpha
        square += (1 - self.alpha) * g * g
        direction = g / (np.sqrt(square) + self.eps)
        if self.momentum:
            kept = self._state_of("momentum", i, p)
            kept *= self.momentum
            kept += direction
            direction = kept
        p.data -= self.lr * direction


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    Source: J. Duchi and others, "Adaptive subgradient methods for online learning and stochastic optimization", 2011.

    Parameters
    ----------
    params, lr
        As for `Optimizer`.
    eps : float
        A small number in the denominator, against a division by zero.
    weight_decay : float
        The factor of an L2 penalty.

    Examples
    --------
    >>> w = tg.Tensor(1.0, requires_grad=True)
    >>> optimizer = tg.optim.Adagrad([w], lr=0.1)
    >>> for step in range(4):
    ...     optimizer.zero_grad()
    ...     w.backward()
    ...     optimizer.step()
    ...     print(round(w.item(), 3))  # steps of lr / √1, lr / √2, lr / √3, …
    0.9
    0.829
    0.772
    0.722
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-2, eps: float = 1e-10, weight_decay: float = 0) -> None:
        super().__init__(params, lr)
        self.eps, self.weight_decay = eps, weight_decay
        self.state["sum"] = self._zeros()

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        total = self._state_of("sum", i, p)
        total += g * g
        p.data -= self.lr * g / (np.sqrt(total) + self.eps)


class Lion(Optimizer):
    """Steps of ``lr`` along the sign of a running mean of the gradient, with decoupled weight decay.

    Source: X. Chen and others, "Symbolic discovery of optimization algorithms", 2023, algorithm 2.

    Parameters
    ----------
    params, lr
        As for `Optimizer`; a tenth to a third of the rate of `AdamW` is usual.
    betas : (float, float)
        The weights of the running mean in a step, and of itself in the next mean.
    weight_decay : float
        The fraction of the parameters that a step of rate 1 would take away.

    Examples
    --------
    >>> w = tg.Tensor([1.0, 1.0, 1.0], requires_grad=True)
    >>> optimizer = tg.optim.Lion([w], lr=0.1)
    >>> (w * np.array([-5.0, 0.0, 1000.0])).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([1.1, 1. , 0.9], dtype=float32)
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, lr)
        self.betas, self.weight_decay = betas, weight_decay
        self.state["mean"] = self._zeros()

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        of_step, of_mean = self.betas
        mean = self._state_of("mean", i, p)
        sign = np.sign(of_step * mean + (1 - of_step) * g)
        mean *= of_mean
        mean += (1 - of_mean) * g
        if self.weight_decay:
            p.data *= 1 - self.lr * self.weight_decay
        p.data -= self.lr * sign
