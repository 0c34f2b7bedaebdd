"""PyTorch: eager, and compiled whole, which is faster than the loss or the optimizer alone."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.benchmarks import nets
from tests.benchmarks.steps import LR, Size, Step, chain_of, learning, squared_loss


def _loss(parameters: Any, images: Any, targets: Any) -> Any:
    def linear(a: Any, w: Any, b: Any) -> Any:
        return torch.addmm(b, a, w)

    return squared_loss(parameters, images, targets, torch.relu, lambda z: torch.softmax(z, dim=1), linear)


def _step(size: Size, run: Any, parameters: Any, device: str) -> Step:
    def weights() -> Any:
        return [p.detach().cpu().numpy() for p in parameters]

    wait = id if device == "cpu" else lambda _: torch.cuda.synchronize()
    return Step(size, run, weights, lambda x: torch.from_numpy(x).to(device), wait)


def eager(size: Size, device: str = "cpu") -> Step:
    parameters = [torch.tensor(p, device=device, requires_grad=True) for p in size.parameters()]
    run = learning(partial(_loss, parameters), torch.optim.SGD(parameters, LR))
    return _step(size, run, parameters, device)


def compiled(size: Size, device: str = "cpu", mode: str | None = None) -> Step:
    parameters = [torch.tensor(p, device=device) for p in size.parameters()]
    gradients_and_loss = torch.func.grad_and_value(_loss)

    def run(images: Any, targets: Any) -> Any:
        gradients, loss = gradients_and_loss(parameters, images, targets)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.sub_(gradient, alpha=LR)
        return loss

    return _step(size, torch.compile(run, dynamic=False, mode=mode), parameters, device)


def chain(length: int) -> Any:
    return chain_of(lambda: torch.tensor(1.0, requires_grad=True), length)


class Block(nn.TransformerEncoderLayer):
    mask = torch.triu(torch.full((64, 64), float("-inf")), 1)

    def forward(self, x: Any) -> Any:
        return super().forward(x, src_mask=self.mask, is_causal=True)


def _starts(name: str) -> list[np.ndarray]:
    """Return what a net starts from in the order of PyTorch, whose block has one matrix of queries, keys and values."""
    starts = nets.parameters(name)
    if name != nets.BLOCK:
        return starts
    of_heads = [np.concatenate(starts[i:8:2], axis=-1) for i in (2, 3)]
    return [*of_heads, *starts[8:10], *starts[12:], *starts[:2], *starts[10:12]]


def net(name: str) -> Any:
    model: Any = nets.lenet(nn) if name == nets.LENET else nn.GRU(32, 32, batch_first=True)
    if name == nets.BLOCK:
        model = Block(64, nets.HEADS, 256, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    for p, start in zip(model.parameters(), _starts(name), strict=True):
        p.data.copy_(torch.from_numpy(start.T if start.ndim == 2 else start))
    optimizer = torch.optim.SGD(model.parameters(), nets.LR)
    labels, x = torch.from_numpy(nets.LABELS), torch.from_numpy(nets.batch(name))
    step = nets.step_of(name, model, optimizer, nn.functional.cross_entropy, labels)
    return lambda: step(x)
