"""The reference net trained on a device, to be compared with the same on the CPU."""

from __future__ import annotations

import numpy as np

import tinygrad_lite as tg
from models import mnist
from tinygrad_lite.nn import functional as F


def trained(device, steps=40):
    """Return the losses of the reference net on made-up images, and its parameters in the end."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, mnist.CLASSES, 400)
    centres = rng.uniform(0, 1, (mnist.CLASSES, 784))
    images = (centres[labels] + rng.normal(0, 0.3, (400, 784))).astype(np.float32)
    targets = F.one_hot(labels, mnist.CLASSES)
    images, targets, labels = (tg.Tensor(x).to(device) for x in (images, targets, labels))
    net = mnist.Net(30, rng=0).to(device)
    step = mnist.training_step(net, tg.optim.SGD(net.parameters(), 0.1, momentum=0.5))
    losses = []
    for i in range(steps):
        batch = slice(i * 50 % 400, i * 50 % 400 + 50)
        losses.append(step(images[batch], targets[batch]).item())
    with tg.no_grad():
        losses.append(F.accuracy(net(images), labels))
    return losses, [p.numpy() for p in net.parameters()]
