"""Larger nets whose training step is compared: LeNet, a transformer block and a recurrent layer. NumPy alone.

They are here as most libraries can write them, too: of parameters, and of functions in an object ``f``.
"""

import math
from collections.abc import Callable
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np

from tests.benchmarks.steps import layers, learning

LENET, BLOCK, GRU = "LeNet, batch 64", "transformer block, 16×64×64", "GRU, 64×30×32"
BATCHES: dict[str, tuple[int, ...]] = {LENET: (64, 1, 28, 28), BLOCK: (16, 64, 64), GRU: (64, 30, 32)}
SHAPES: dict[str, list[tuple[int, ...]]] = {
    LENET: [(6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (400, 120), (120,), (120, 84), (84,), (84, 10), (10,)],
    BLOCK: [(64,), (64,), *[(64, 64), (64,)] * 4, (64,), (64,), (64, 256), (256,), (256, 64), (64,)],
    GRU: [(32, 96), (32, 96), (96,), (96,)],
}
LR, HEADS, LABELS = 0.01, 4, np.arange(64) % 10
# Numbers of float32: beside those of Python, MyGrad and numpygrad compute in float64 from there on.
SCALE, EPSILON, HALF = map(np.float32, (0.25, 1e-5, 0.5))
LATER = np.triu(np.full((64, 64), -np.inf, np.float32), 1)  # what a causal position must not see


def batch(net: str) -> np.ndarray:
    """Return what a net is trained on."""
    return np.random.default_rng(0).random(BATCHES[net], np.float32)


def parameters(net: str) -> list[np.ndarray]:
    """Return what every candidate starts from, in the order of this library's layers."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s, np.float32) / np.float32(math.sqrt(math.prod(s[:-1]))) for s in SHAPES[net]]


def lenet(nn: Any) -> Any:
    """Return LeNet of the layers of a library that names them as PyTorch does."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def step_of(net: str, model: Any, optimizer: Any, cross_entropy: Any, labels: Any) -> Callable[..., Any]:
    """Return the training step of a library whose layers and losses are as PyTorch's."""
    return learning(lambda x: loss_of(net, model(x), cross_entropy, labels), optimizer)


def loss_of(net: str, y: Any, cross_entropy: Any, labels: Any) -> Any:
    """Return the loss of what a net returns; a recurrent layer also returns its last state."""
    y = y[0] if isinstance(y, tuple) else y
    return cross_entropy(y, labels) if net == LENET else (y * y).mean()


def loss(net: str, f: Any, parameters: Any, x: Any) -> Any:
    """Return the loss of a net, in the functions of a library."""
    forward = {LENET: _lenet, BLOCK: _block, GRU: _gru}[net]
    return loss_of(net, forward(f, parameters, x), f.cross_entropy, LABELS)


def _linear(x: Any, w: Any, b: Any) -> Any:
    return x @ w + b


def _lenet(f: Any, parameters: Any, x: Any) -> Any:
    first, second, *hidden, last = layers(parameters)
    for kernels, padding in ((first, 2), (second, 0)):
        x = f.relu(f.conv2d(x, *kernels, padding=padding))
        # All are faster so than by their own pooling or by a maximum along axes.
        x = reduce(f.maximum, [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)])
    x = x.reshape((64, 400))
    for dense in hidden:
        x = f.relu(_linear(x, *dense))
    return _linear(x, *last)


def _block(f: Any, parameters: Any, x: Any) -> Any:
    def norm(x: Any, scale: Any, shift: Any) -> Any:
        d = x - x.mean(axis=-1, keepdims=True)
        return d / ((d * d).mean(axis=-1, keepdims=True) + EPSILON) ** HALF * scale + shift

    norm_1, *of_heads, mixing, norm_2, hidden, last = layers(parameters)
    a = norm(x, *norm_1)
    q, k, v = (_linear(a, *p).reshape((16, 64, HEADS, 16)).transpose((0, 2, 1, 3)) for p in of_heads)
    seen = f.softmax(q @ k.transpose((0, 1, 3, 2)) * SCALE + LATER) @ v
    x = x + _linear(seen.transpose((0, 2, 1, 3)).reshape((16, 64, 64)), *mixing)
    return x + _linear(f.gelu(_linear(norm(x, *norm_2), *hidden)), *last)


def _gru(f: Any, parameters: Any, x: Any) -> Any:
    w_input, w_hidden, b_input, b_hidden = parameters

    def step(h: Any, x: Any) -> Any:
        of_x, of_h = _linear(x, w_input, b_input), _linear(h, w_hidden, b_hidden)
        r, z = (f.sigmoid(of_x[:, i : i + 32] + of_h[:, i : i + 32]) for i in (0, 32))
        n = f.tanh(of_x[:, 64:] + r * of_h[:, 64:])
        return n + z * (h - n)

    return f.scan(step, f.array(np.zeros((64, 32), np.float32)), x.transpose((1, 0, 2)))


def loop(stack: Any, step: Any, h: Any, inputs: Any) -> Any:
    """Return the states of a recurrent layer, for a library without a scan."""
    _, *states = accumulate(inputs, step, initial=h)
    return stack(states)
