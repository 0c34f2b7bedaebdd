"""Larger nets whose training step is compared: LeNet, a transformer block and a recurrent layer. NumPy alone."""

from collections.abc import Callable
from typing import Any

import numpy as np

LENET, BLOCK, GRU = "LeNet, batch 64", "transformer block, 16×64×64", "GRU, 64×30×32"
BATCHES: dict[str, tuple[int, ...]] = {LENET: (64, 1, 28, 28), BLOCK: (16, 64, 64), GRU: (64, 30, 32)}
LR, HEADS, LABELS = 0.01, 4, np.arange(64) % 10


def batch(net: str) -> np.ndarray:
    """Return what a net is trained on."""
    return np.random.default_rng(0).random(BATCHES[net], np.float32)


def lenet(nn: Any) -> Any:
    """Return LeNet of the layers of a library that names them as PyTorch does."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def step_of(net: str, model: Any, optimizer: Any, cross_entropy: Any, labels: Any) -> Callable[[Any], Any]:
    """Return the training step in the words of PyTorch; as all steps it returns the loss before."""

    def step(x: Any) -> Any:
        y = model(x)
        y = y[0] if net == GRU else y
        loss = cross_entropy(y, labels) if net == LENET else (y * y).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step
