"""numpygrad, with its own ReLU, softmax and SGD."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpygrad as npg
from numpygrad.nn import cross_entropy_loss

from tests.benchmarks import nets
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


def _max_pool(x: Any) -> Any:
    n, channels, rows, columns = x.shape
    return x.reshape((n, channels, rows // 2, 2, columns // 2, 2)).max(5).max(3)


def net(name: str) -> Any:
    """Return the step of a net: its GELU is the one by tanh, and its differences and quotients are of float64."""
    f = SimpleNamespace(**vars(npg), max_pool=_max_pool, scan=partial(nets.loop, npg.stack))
    parameters, x = [npg.array(p, requires_grad=True) for p in nets.parameters(name)], npg.array(nets.batch(name))
    optimizer, model = npg.optim.SGD(parameters, nets.LR), partial(nets.outputs, name, f, parameters)
    step = nets.step_of(name, model, optimizer, cross_entropy_loss, nets.LABELS)
    return lambda: step(x)
