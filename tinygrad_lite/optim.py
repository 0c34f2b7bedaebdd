"""Optimizers: how parameters follow their gradients.

The formulas are those of PyTorch's documentation of the optimizers of the same names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .tensor import Tensor


class Optimizer:
    """What the optimizers share: their parameters, the learning rate, and a state that can be saved.

    Parameters
    ----------
    params : iterable of Tensor
        What to change, such as ``model.parameters()``.
    lr : float
        The learning rate; it may be assigned between steps.

    Raises
    ------
    TypeError
        If ``params`` are not Tensors that require gradients.
    ValueError
        If there are none, or the learning rate is not a positive number.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                f"an optimizer takes a list of parameters, such as model.parameters(), not {type(params).__name__}"
            )
        self.params = list(params)
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor) or not p.requires_grad:
                raise TypeError(f"parameter {i} is no Tensor that requires a gradient: {p!r:.60}")
        if not self.params:
            raise ValueError("an optimizer needs at least one parameter, but the list is empty")
        if not (math.isfinite(lr) and lr > 0):
            raise ValueError(f"the learning rate must be a positive number, not {lr!r}")
        self.lr = lr
        self.steps = 0
        # For each name, one array a parameter; none before the parameter's first step.
        self.state: dict[str, dict[int, Any]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients, so that the next `backward` starts anew."""
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient, in place."""
        self.steps += 1
        for i, p in enumerate(self.params):
            if p.grad is not None:
                self._update(i, p, p.grad.data)

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that the next step depends on, by name: arrays and the number of steps."""
        arrays = {f"{name}.{i}": x.copy() for name, state in self.state.items() for i, x in state.items()}
        return {"steps": self.steps} | arrays

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the state to what `state_dict` returned.

        Raises
        ------
        ValueError
            If an array is for no parameter, or not of its shape; nothing is changed then.
        """
        loaded: dict[str, dict[int, Any]] = {name: {} for name in self.state}
        for key, value in state.items():
            if key == "steps":
                continue
            name, _, number = key.rpartition(".")
            if name not in loaded or not number.isdecimal() or int(number) >= len(self.params):
                raise ValueError(f"the state has {key!r}, which {type(self).__name__} has no use for")
            i = int(number)
            if np.shape(value) != self.params[i].shape:
                raise ValueError(f"{key} has shape {np.shape(value)}, but the parameter {self.params[i].shape}")
            loaded[name][i] = np.array(value, dtype=self.params[i].dtype)
        self.steps = int(state["steps"])
        self.state = loaded


class SGD(Optimizer):
    """Stochastic gradient descent: ``p -= lr * g``, with momentum and weight decay if asked for.

    Parameters
    ----------
    params, lr
        As for `Optimizer`.
    momentum : float
        The share of the last direction that is kept.
    weight_decay : float
        The factor of an L2 penalty.
    nesterov : bool
        Look ahead along the momentum.

    Raises
    ------
    ValueError
        If momentum or weight decay is negative, or ``nesterov`` is set without momentum.
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
        _check_not_negative(momentum=momentum, weight_decay=weight_decay)
        if nesterov and not momentum:
            raise ValueError("nesterov looks ahead along the momentum: set momentum above 0")
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        self.state["momentum"] = {}

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        if self.momentum:
            last = self.state["momentum"].get(i)
            direction = g.copy() if last is None else self.momentum * last + g
            self.state["momentum"][i] = direction
            g = g + self.momentum * direction if self.nesterov else direction
        p.data -= self.lr * g


class Adam(Optimizer):
    """Steps of about ``lr`` in each coordinate, whatever the scale of its gradient.

    Source: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.

    Parameters
    ----------
    params, lr
        As for `Optimizer`.
    betas : (float, float)
        How much of the running means of the gradient and of its square is kept at each step.
    eps : float
        Added to the denominator.
    weight_decay : float
        The factor of an L2 penalty.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, lr)
        _check_not_negative(weight_decay=weight_decay, eps=eps)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be at least 0 and below 1, not {betas}")
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self.state |= {"mean": {}, "square": {}}

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        self._adapt(i, p, g)

    def _adapt(self, i: int, p: Tensor, g: Any) -> None:
        keep_mean, keep_square = self.betas
        mean = keep_mean * self.state["mean"].get(i, 0) + (1 - keep_mean) * g
        square = keep_square * self.state["square"].get(i, 0) + (1 - keep_square) * g * g
        self.state["mean"][i], self.state["square"][i] = mean, square
        # Both means start at 0, which the division makes up for.
        unbiased_mean = mean / (1 - keep_mean**self.steps)
        unbiased_square = square / (1 - keep_square**self.steps)
        p.data -= self.lr * unbiased_mean / (np.sqrt(unbiased_square) + self.eps)


class AdamW(Adam):
    """Adam whose weight decay acts on the parameters themselves, not by way of the gradient.

    Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    Parameters as for `Adam`, with a weight decay of 0.01 by default.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        p.data *= 1 - self.lr * self.weight_decay
        self._adapt(i, p, g)


def _check_not_negative(**options: float) -> None:
    for name, value in options.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be a number of at least 0, not {value!r}")
