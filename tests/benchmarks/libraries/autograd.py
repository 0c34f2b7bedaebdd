"""autograd (HIPS)."""

from typing import Any

import autograd.numpy as anp
from autograd import grad, value_and_grad

from tests.benchmarks.steps import Size, Step, descent, loss_in_numpy, product


def eager(size: Size) -> Step:
    return descent(size, value_and_grad(loss_in_numpy(anp)))


def chain(length: int) -> Any:
    return lambda: grad(product)(1.0, length)
