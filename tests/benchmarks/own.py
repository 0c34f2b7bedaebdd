"""The library itself, as `models.mnist` uses it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import tinygrad_lite as tg
from models.mnist import Net, training_step
from tests.benchmarks.measure import LR, Step
from tinygrad_lite import nn, optim


def net_of(hidden: Sequence[int]) -> nn.Module:
    """Return the net of `models.mnist`, or one like it with more hidden layers."""
    if len(hidden) == 1:
        return Net(hidden[0])
    modules = [(nn.Linear(n_in, n_out), nn.ReLU()) for n_in, n_out in pairwise((784, *hidden))]
    return nn.Sequential(*(m for pair in modules for m in pair), nn.Linear(hidden[-1], 10), nn.Softmax())


class OwnStep(Step):
    """The step of `models.mnist`: the net, the loss, the gradients, SGD."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        self.net = net_of([len(b) for b in parameters[1:-1:2]])
        for tensor, start in zip(self.net.parameters(), parameters, strict=True):
            tensor.data = start.astype(np.float32)
        self.step: Any = training_step(self.net, optim.SGD(self.net.parameters(), LR))

    def run(self, images: Any, targets: Any) -> Any:
        return self.step(images, targets)

    def weights(self) -> list[np.ndarray]:
        return [tensor.numpy() for tensor in self.net.parameters()]


class JitStep(OwnStep):
    """The same step, compiled."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        super().__init__(parameters)
        self.step = tg.jit(self.step)


def chain(length: int, factor: float) -> Any:
    """Multiply 1 by a factor ``length`` times; return the derivative by the 1."""
    x = y = tg.Tensor(1.0, requires_grad=True)
    for _ in range(length):
        y = y * factor
    y.backward()
    return x.grad
