"""numpygrad, with its own ReLU, softmax and SGD."""

from typing import Any

import numpygrad as npg

from tests.benchmarks.steps import LR, Size, Step, product, squared_loss


def eager(size: Size) -> Step:
    parameters = [npg.array(p, requires_grad=True) for p in size.parameters()]
    optimizer = npg.optim.SGD(parameters, LR)

    def run(images: Any, targets: Any) -> Any:
        loss = squared_loss(parameters, images, targets, npg.relu, npg.softmax)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return Step(size, run, lambda: [p.data for p in parameters], npg.array)


def chain(length: int) -> Any:
    def run() -> Any:
        x = npg.array(1.0, requires_grad=True)
        product(x, length).backward()
        return x.grad

    return run
