"""The library itself, as `models.mnist` uses it."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_lite as tg
from models.mnist import Net, train
from tests.benchmarks.measure import LR, Step
from tinygrad_lite import optim


class OwnStep(Step):
    """`models.mnist.train` on one batch: the net, the loss and its check, the gradients, SGD."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        self.net = Net(hidden=parameters[0].shape[1])
        for tensor, start in zip(self.net.parameters(), parameters, strict=True):
            tensor.data = start.astype(np.float32)
        self.optimizer = optim.SGD(self.net.parameters(), LR)

    def run(self, images: Any, targets: Any) -> None:
        train(self.net, [(images, targets)], self.optimizer)

    def weights(self) -> list[np.ndarray]:
        return [tensor.numpy() for tensor in self.net.parameters()]


def chain(length: int, factor: float) -> Any:
    """Multiply 1 by a factor ``length`` times; return the derivative by the 1."""
    x = y = tg.Tensor(1.0, requires_grad=True)
    for _ in range(length):
        y = y * factor
    y.backward()
    return x.grad
