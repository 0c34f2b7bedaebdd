"""JAX: a step compiled, and an epoch of them."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from tests.benchmarks import nets
from tests.benchmarks.steps import LR, Size, Step, squared_loss


def _updated(loss: Any, lr: float, parameters: Any, *batch: Any) -> Any:
    before, gradients = jax.value_and_grad(loss)(parameters, *batch)
    return [p - lr * g for p, g in zip(parameters, gradients, strict=True)], before


def _one(parameters: Any, *batch: Any) -> Any:
    return _updated(lambda p, x, t: squared_loss(p, x, t, jax.nn.relu, jax.nn.softmax), LR, parameters, *batch)


def jit(size: Size, step: Any = _one, is_epoch: bool = False) -> Step:
    parameters = [jnp.array(p) for p in size.parameters()]
    compiled = jax.jit(step, donate_argnums=0)

    def run(images: Any, targets: Any) -> Any:
        parameters[:], loss = compiled(parameters, images, targets)
        return loss

    return Step(size, run, lambda: parameters, jax.device_put, jax.block_until_ready, is_epoch=is_epoch)


def epoch(size: Size) -> Step:
    return jit(size, lambda p, *batches: lax.scan(lambda p, batch: _one(p, *batch), p, batches), is_epoch=True)


def _conv2d(x: Any, w: Any, b: Any, padding: int) -> Any:
    return lax.conv_general_dilated(x, w, (1, 1), [(padding, padding)] * 2) + b[:, None, None]


def _cross_entropy(y: Any, labels: Any) -> Any:
    return -jax.nn.log_softmax(y)[np.arange(len(labels)), labels].mean()


def _scan(step: Any, h: Any, inputs: Any) -> Any:
    return lax.scan(lambda h, x: (step(h, x),) * 2, h, inputs)[1]


def net(name: str) -> Any:
    own = {"gelu": partial(jax.nn.gelu, approximate=False), "conv2d": _conv2d, "scan": _scan}
    f = SimpleNamespace(**vars(jnp) | vars(jax.nn) | own, cross_entropy=_cross_entropy)
    compiled = jax.jit(partial(_updated, partial(nets.loss, name, f), nets.LR), donate_argnums=0)
    parameters, x = [jnp.array(p) for p in nets.parameters(name)], jnp.array(nets.batch(name))

    def run() -> Any:
        parameters[:], loss = jax.block_until_ready(compiled(parameters, x))
        return loss

    return run
