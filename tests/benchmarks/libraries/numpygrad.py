"""numpygrad, with its own ReLU, softmax and SGD."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpygrad as npg
from numpygrad.nn import cross_entropy_loss

from tests.benchmarks import nets
from tests.benchmarks.steps import LR, Size, Step, chain_of, learning, squared_loss


def _descent(loss_of: Any, lr: float, parameters: Any) -> Any:
    return learning(partial(loss_of, parameters), npg.optim.SGD(parameters, lr))


def eager(size: Size) -> Step:
    parameters = [npg.array(p, requires_grad=True) for p in size.parameters()]
    loss = partial(squared_loss, relu=npg.relu, softmax=npg.softmax)
    return Step(size, _descent(loss, LR, parameters), lambda: [p.data for p in parameters], npg.array)


def chain(length: int) -> Any:
    return chain_of(lambda: npg.array(1.0, requires_grad=True), length)


def net(name: str) -> Any:
    """Return the step of a net: its GELU is the one by tanh, and its differences and quotients are of float64."""
    f = SimpleNamespace(**vars(npg), cross_entropy=cross_entropy_loss, scan=partial(nets.loop, npg.stack))
    parameters = [npg.array(p, requires_grad=True) for p in nets.parameters(name)]
    return partial(_descent(partial(nets.loss, name, f), nets.LR, parameters), npg.array(nets.batch(name)))
