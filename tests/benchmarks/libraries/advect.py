"""advect: traced anew at each step, and staged once as a program."""

from typing import Any

import advect
import numpy as np

from tests.benchmarks.steps import Size, Step, descent, loss_in_numpy, product


def eager(size: Size) -> Step:
    return descent(size, advect.value_and_grad(loss_in_numpy(np)))


def staged(size: Size) -> Step:
    batch = (x[0] for x in size.batches())
    return descent(size, advect.value_and_grad(advect.stage(loss_in_numpy(np), size.parameters(), *batch)))


def chain(length: int) -> Any:
    return lambda: advect.grad(product)(1.0, length)
