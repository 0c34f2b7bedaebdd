"""The library itself, as `models.mnist` uses it."""

from itertools import pairwise
from typing import Any
from unittest.mock import patch

import tinygrad_lite as tg
from models.mnist import Net, training_step
from tests.benchmarks import nets
from tests.benchmarks.steps import LR, Size, Step, chain_of, squared_loss
from tinygrad_lite import nn, optim
from tinygrad_lite.compiler import compiled
from tinygrad_lite.parallel import ALONE, World
from tinygrad_lite.support.devices import module_of, to_device


def eager(size: Size, device: str = "cpu", compiled: bool = False, world: World = ALONE) -> Step:
    """Return the step of `models.mnist`, or one of other widths: the net, the loss, the gradients, SGD."""
    net: Any = Net()
    if size.widths != Size().widths:
        modules = [module for pair in pairwise(size.widths) for module in (nn.Linear(*pair), nn.ReLU())]
        net = nn.Sequential(*modules[:-1], nn.Softmax())
    for tensor, start in zip(net.parameters(), size.parameters(), strict=True):
        tensor.data = start
    net.to(device)
    step: Any = training_step(net, optim.SGD(net.parameters(), LR), world)
    run = tg.jit(step) if compiled else step
    made = Step(size, run, lambda: [tensor.numpy() for tensor in net.parameters()])
    if device == "cpu":
        return made
    synchronize = module_of(device).cuda.Device().synchronize
    return made._replace(array=lambda array: to_device(array, device), wait=lambda _: synchronize())


def jit(size: Size, device: str = "cpu", world: World = ALONE) -> Step:
    return eager(size, device, True, world)


def unfused(size: Size, device: str = "cpu") -> Step:
    """Return the step whose operations are calls of their own on a GPU."""
    step = jit(size, device)
    with patch.object(compiled, "fuse", lambda program: program):
        step.run(*(step.array(batches[0]) for batches in size.batches()))
    return step


def epoch(size: Size) -> Step:
    """Return all steps of a turn as one program: a loop, whose state is the parameters."""
    state = [tg.Tensor(p) for p in size.parameters()]
    relu, softmax = tg.nn.functional.relu, tg.nn.functional.softmax
    loss_and_gradients = tg.value_and_grad(lambda p, x, t: squared_loss(p, x, t, relu, softmax))

    def step(parameters: Any, batch: Any) -> Any:
        loss, gradients = loss_and_gradients(parameters, *batch)
        return [p - LR * g for p, g in zip(parameters, gradients, strict=True)], loss

    program = tg.jit(lambda parameters, images, targets: tg.scan(step, parameters, (images, targets)))

    def run(images: Any, targets: Any) -> Any:
        state[:], losses = program(state, images, targets)
        return losses

    return Step(size, run, lambda: [p.numpy() for p in state], is_epoch=True)


def chain(length: int) -> Any:
    return chain_of(lambda: tg.Tensor(1.0, requires_grad=True), length)


def either(make: str, size: Any) -> Any:
    """Return a candidate by the name of its function: what is compared between two checkouts."""
    return {"eager": eager, "jit": jit, "chain": chain}[make](size)


class Block(nn.TransformerBlock):
    def forward(self, x: Any) -> Any:
        return super().forward(x, causal=True)


def net(name: str, compiled: bool = False) -> Any:
    model: Any = nets.lenet(nn) if name == nets.LENET else nn.GRU(32, 32)
    model = Block(64, nets.HEADS) if name == nets.BLOCK else model
    for tensor, start in zip(model.parameters(), nets.parameters(name), strict=True):
        tensor.data = start
    optimizer = optim.SGD(model.parameters(), nets.LR)
    step: Any = nets.step_of(name, model, optimizer, nn.functional.cross_entropy, nets.LABELS)
    run, x = tg.jit(step) if compiled else step, nets.batch(name)
    return lambda: run(x)
