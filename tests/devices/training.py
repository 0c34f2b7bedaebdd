"""The reference net trained on a device, to be compared with the same on the CPU."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tg
from models import mnist
from tinygrad_lite.nn import functional as F

OPTIMIZERS = {
    "SGD": lambda ps: tg.optim.SGD(ps, 0.1),
    "momentum": lambda ps: tg.optim.SGD(ps, 0.1, momentum=0.5),
    "Nesterov": lambda ps: tg.optim.SGD(ps, 0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "Adam": lambda ps: tg.optim.Adam(ps, 0.001),
}


class Trained(NamedTuple):
    """What came of training: the losses and the accuracy in the end, the parameters, the programs of jit."""

    losses: list[float]
    parameters: list[np.ndarray]
    programs: list[Any]


def trained(device: str, steps: int = 40, optimizer: str = "momentum", jit: bool = False) -> Trained:
    """Train the reference net on made-up images."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, mnist.CLASSES, 400)
    centres = rng.uniform(0, 1, (mnist.CLASSES, 784))
    images = (centres[labels] + rng.normal(0, 0.3, (400, 784))).astype(np.float32)
    targets = F.one_hot(labels, mnist.CLASSES)
    images, targets, labels = (tg.Tensor(x).to(device) for x in (images, targets, labels))
    net = mnist.Net(30, rng=0).to(device)
    step = mnist.training_step(net, OPTIMIZERS[optimizer](net.parameters()))
    step = tg.jit(step) if jit else step
    losses = []
    for i in range(steps):
        batch = slice(i * 50 % 400, i * 50 % 400 + 50)
        losses.append(step(images[batch], targets[batch]).item())
    with tg.no_grad():
        losses.append(F.accuracy(net(images), labels))
    return Trained(losses, [p.numpy() for p in net.parameters()], step.programs if jit else [])
