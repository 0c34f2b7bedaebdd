"""The training steps of `tests.benchmarks.nets` in JAX, whole and compiled, and in MyGrad, with its own layers.

Each library is imported where it is used, so that one that is not installed can be left out. Both are given the same
arrays as parameters. MyGrad has a GRU with one bias a gate, and no error function: its GELU is the one by tanh.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

LR, HEADS, UNITS = 0.01, 4, 32
LABELS = np.arange(64) % 10
LATER = np.triu(np.full((64, 64), -np.inf, np.float32), 1)  # what a causal position must not see
LENET = [(6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (400, 120), (120,), (120, 84), (84,), (84, 10), (10,)]
BLOCK = [(64,), (64,), (64, 192), (192,), (64, 64), (64,), (64,), (64,), (64, 256), (256,), (256, 64), (64,)]
GATES = [(32, 96), (32, 96), (96,), (96,)]
GRU_OF_MYGRAD = [(32, 32), (32, 32), (32,)] * 3


def drawn(shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Return arrays of these shapes that keep the scale of activations."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s, np.float32) / np.float32(math.sqrt(math.prod(s[:-1]) or 1)) for s in shapes]


def attended(xp: Any, softmax: Callable[..., Any], x: Any, qkv: Any) -> Any:
    """Return causal attention of 4 heads to the queries, keys and values in one array."""
    heads = [xp.transpose(xp.reshape(qkv[..., i : i + 64], (16, 64, HEADS, 16)), (0, 2, 1, 3)) for i in (0, 64, 128)]
    q, k, v = heads
    weights = softmax(xp.matmul(q, xp.transpose(k, (0, 1, 3, 2))) * 0.25 + LATER)
    return xp.reshape(xp.transpose(xp.matmul(weights, v), (0, 2, 1, 3)), x.shape)


def block(xp: Any, softmax: Callable[..., Any], gelu: Callable[..., Any], p: Any, x: Any) -> Any:
    """Return a transformer block, as both libraries can write it."""

    def norm(x: Any, scale: Any, shift: Any) -> Any:
        deviation = x - xp.mean(x, axis=-1, keepdims=True)
        return deviation / xp.sqrt(xp.mean(deviation * deviation, axis=-1, keepdims=True) + 1e-5) * scale + shift

    y = xp.matmul(norm(x, p[0], p[1]), p[2]) + p[3]
    x = x + xp.matmul(attended(xp, softmax, x, y), p[4]) + p[5]
    return x + xp.matmul(gelu(xp.matmul(norm(x, p[6], p[7]), p[8]) + p[9]), p[10]) + p[11]


def step_of_jax(net: str) -> Callable[[Any], Any]:
    """Return a compiled training step of JAX."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    def lenet(p: Any, x: Any) -> Any:
        for w, b, margin in ((p[0], p[1], 2), (p[2], p[3], 0)):
            x = jax.nn.relu(lax.conv_general_dilated(x, w, (1, 1), [(margin, margin)] * 2) + b[:, None, None])
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        x = x.reshape(64, 400)
        for w, b in ((p[4], p[5]), (p[6], p[7])):
            x = jax.nn.relu(x @ w + b)
        return -jax.nn.log_softmax(x @ p[8] + p[9])[np.arange(64), LABELS].mean()

    def transformer(p: Any, x: Any) -> Any:
        return jnp.square(block(jnp, jax.nn.softmax, lambda x: jax.nn.gelu(x, approximate=False), p, x)).mean()

    def gru(p: Any, x: Any) -> Any:
        def cell(h: Any, of_x: Any) -> Any:
            of_h = h @ p[1] + p[3]
            r, z = jnp.split(jax.nn.sigmoid(of_x[:, : 2 * UNITS] + of_h[:, : 2 * UNITS]), 2, axis=1)
            n = jnp.tanh(of_x[:, 2 * UNITS :] + r * of_h[:, 2 * UNITS :])
            h = n + z * (h - n)
            return h, h

        gates = jnp.swapaxes(x @ p[0] + p[2], 0, 1)
        return jnp.square(lax.scan(cell, jnp.zeros((64, UNITS)), gates)[1]).mean()

    loss, shapes = {"L": (lenet, LENET), "t": (transformer, BLOCK), "G": (gru, GATES)}[net[0]]
    parameters = [jnp.asarray(p) for p in drawn(shapes)]

    @jax.jit
    def update(p: Any, x: Any) -> Any:
        before, gradients = jax.value_and_grad(loss)(p, x)
        return [a - LR * g for a, g in zip(p, gradients, strict=True)], before

    def step(x: Any) -> Any:
        parameters[:], before = jax.block_until_ready(update(parameters, x))
        return before

    return step


def step_of_mygrad(net: str) -> Callable[[Any], Any]:
    """Return a training step of MyGrad, without its guard of the arrays' memory, as it advises for speed."""
    import mygrad as mg
    from mygrad.nnet import activations, layers, losses
    from mygrad.nnet.layers.gru import gru as recurrent

    def lenet(p: Any, x: Any) -> Any:
        for w, b, margin in ((p[0], p[1], 2), (p[2], p[3], 0)):
            x = layers.conv_nd(x, w, stride=1, padding=margin) + mg.reshape(b, (-1, 1, 1))
            x = layers.max_pool(activations.relu(x), pool=(2, 2), stride=2)
        x = mg.reshape(x, (64, 400))
        for w, b in ((p[4], p[5]), (p[6], p[7])):
            x = activations.relu(mg.matmul(x, w) + b)
        return losses.softmax_crossentropy(mg.matmul(x, p[8]) + p[9], LABELS)

    def transformer(p: Any, x: Any) -> Any:
        def gelu(x: Any) -> Any:
            return 0.5 * x * (1 + mg.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))

        return mg.mean(mg.square(block(mg, lambda x: activations.softmax(x, axis=-1), gelu, p, mg.tensor(x))))

    def gru(p: Any, x: Any) -> Any:
        return mg.mean(mg.square(recurrent(np.swapaxes(x, 0, 1), *p)))

    loss, shapes = {"L": (lenet, LENET), "t": (transformer, BLOCK), "G": (gru, GRU_OF_MYGRAD)}[net[0]]
    parameters = [mg.tensor(p) for p in drawn(shapes)]

    def step(x: Any) -> Any:
        with mg.mem_guard_off:
            before = loss(parameters, x)
            before.backward()
        for p in parameters:
            p.data -= LR * p.grad
        return before

    return step
