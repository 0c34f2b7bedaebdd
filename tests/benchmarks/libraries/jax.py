"""JAX: a step compiled, and an epoch of them."""

from typing import Any

import jax
from jax import lax
from jax import numpy as jnp

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
