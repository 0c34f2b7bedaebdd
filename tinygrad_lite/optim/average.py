"""Averages of parameters over the steps of training, which often predict better than the last values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..engine import no_grad
from ..nn import Module
from ..nn.functional.checks import BELOW_ONE, expect_number


class EMA:
    """An exponential moving average of a model's parameters: average ← decay · average + (1 - decay) · parameter.

    Source: B. Polyak and A. Juditsky, "Acceleration of stochastic approximation by averaging", 1992, for the mean; the
    exponential weights forget the first steps.

    Parameters
    ----------
    model : Module
        The model. Buffers are not averaged.
    decay : float
        The weight of the average so far, at least 0 and below 1. The first averages are of fewer steps: at step k the
        weight is at most (1 + k) / (10 + k).

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> net = tg.nn.Linear(1, 1, rng=0)
    >>> average = EMA(net, decay=0.9)
    >>> average.update()  # after each step
    >>> with average.applied():
    ...     y = net(np.ones((1, 1)))
    """

    def __init__(self, model: Module, decay: float = 0.999) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"EMA takes a model, a Module, not {type(model).__name__}")
        expect_number("EMA", "decay", decay, BELOW_ONE)
        self.params = list(model.parameters())
        self.decay, self.steps = decay, np.zeros(())
        self.averages = [p.data.copy() for p in self.params]

    def update(self) -> None:
        """Add the present parameters to the average; this works inside a jitted step, too."""
        self.steps += 1
        decay = np.minimum(self.decay, (1 + self.steps) / (10 + self.steps))
        for average, p in zip(self.averages, self.params, strict=True):
            average += ((1 - decay) * (p.data - average)).astype(average.dtype)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model have the averages as its parameters within a ``with`` block, such as for evaluation."""
        kept = [p.data.copy() for p in self.params]
        self._assign(self.averages)
        try:
            yield
        finally:
            self._assign(kept)

    def _assign(self, values: list[np.ndarray]) -> None:
        with no_grad():
            for p, x in zip(self.params, values, strict=True):
                p.data[...] = x
                p.mark_changed()
