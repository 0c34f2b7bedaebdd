"""MyGrad, without its guard of the arrays' memory, as its documentation advises for speed."""

import math
from functools import partial
from types import SimpleNamespace
from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet import activations
from mygrad.nnet.layers import conv_nd
from mygrad.nnet.losses import softmax_crossentropy

from tests.benchmarks import nets
from tests.benchmarks.steps import LR, Size, Step, product, squared_loss


def _descend(loss_of: Any, lr: float, parameters: Any, *batch: Any) -> Any:
    with mg.mem_guard_off:
        loss = loss_of(parameters, *batch)
        loss.backward()
    for p in parameters:
        p.data -= lr * p.grad
    return loss


def eager(size: Size) -> Step:
    parameters = [mg.tensor(p) for p in size.parameters()]
    loss = partial(squared_loss, relu=activations.relu, softmax=activations.softmax)
    return Step(size, partial(_descend, loss, LR, parameters), lambda: [p.data for p in parameters])


def chain(length: int) -> Any:
    def run() -> Any:
        x = mg.tensor(1.0)
        with mg.mem_guard_off:
            product(x, length).backward()
        return x.grad

    return run


def _gelu(x: Any) -> Any:
    """Return GELU by tanh, x/2 (1 + tanh u) = x σ(2u), where u = √(2/π) (x + 0.044715 x³): MyGrad has no erf."""
    two, cubic = np.float32(math.sqrt(8 / math.pi)), np.float32(0.044715)
    return x * activations.sigmoid((x + x * x * x * cubic) * two)


def _conv2d(x: Any, w: Any, b: Any, padding: int) -> Any:
    return conv_nd(x, w, stride=1, padding=padding) + b.reshape(-1, 1, 1)


def net(name: str) -> Any:
    """Return the step of a net; its own GRU is another one, which applies the reset gate before the product."""
    own = {"array": np.asarray, "gelu": _gelu, "conv2d": _conv2d, "scan": partial(nets.loop, mg.stack)}
    f = SimpleNamespace(**vars(mg) | vars(activations) | own, cross_entropy=softmax_crossentropy)
    parameters = [mg.tensor(p) for p in nets.parameters(name)]
    return partial(_descend, partial(nets.loss, name, f), nets.LR, parameters, nets.batch(name))
