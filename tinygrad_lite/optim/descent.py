"""Gradient descent, which gives all parameters steps of one length: SGD."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..nn.functional.checks import expect_flags
from ..tensor import Tensor
from .optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent: ``p -= lr * g``, with optional momentum and weight decay.

    There is no ``dampening``, which PyTorch has before the weight decay: pass these by name.

    Parameters
    ----------
    params, lr
        As for `Optimizer`.
    momentum : float
        The factor of the last step's direction in the next one.
    weight_decay : float
        The factor of an L2 penalty.
    nesterov : bool
        True for Nesterov's variant, which looks ahead along the momentum.

    Raises
    ------
    ValueError
        If momentum or weight decay is negative, or ``nesterov`` is set without momentum.

    Examples
    --------
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()  # the gradient is 2w
    >>> optimizer.step()
    >>> w.tolist()
    [0.5, 1.0]
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        expect_flags("SGD", nesterov=nesterov)
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        if nesterov and not momentum:
            raise ValueError("nesterov looks ahead along the momentum: set momentum above 0")
        self.state["momentum"] = self._zeros() if momentum else {}

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        if self.momentum:
            direction = self._state_of("momentum", i, p)
            direction *= self.momentum
            direction += g
            g = g + self.momentum * direction if self.nesterov else direction
        p.data -= self.lr * g
