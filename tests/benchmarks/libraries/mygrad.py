"""MyGrad, without its guard of the arrays' memory, as its documentation advises for speed."""

from typing import Any

import mygrad as mg
from mygrad.nnet.activations import relu, softmax

from tests.benchmarks.steps import LR, Size, Step, product, squared_loss


def eager(size: Size) -> Step:
    parameters = [mg.tensor(p) for p in size.parameters()]

    def run(images: Any, targets: Any) -> Any:
        with mg.mem_guard_off:
            loss = squared_loss(parameters, images, targets, relu, softmax)
            loss.backward()
        for p in parameters:
            p.data -= LR * p.grad
        return loss

    return Step(size, run, lambda: [p.data for p in parameters])


def chain(length: int) -> Any:
    def run() -> Any:
        x = mg.tensor(1.0)
        with mg.mem_guard_off:
            product(x, length).backward()
        return x.grad

    return run
