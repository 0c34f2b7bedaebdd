"""The same step, and the same chain of scalars, in other libraries: each in its fastest usual form.

Each library is imported where it is used, so that those that are not installed can be left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.benchmarks.measure import LR, Step


class TorchStep(Step):
    """PyTorch, eager."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        import torch

        self.torch = torch
        self.parameters = [torch.tensor(p, dtype=torch.float32, requires_grad=True) for p in parameters]
        self.optimizer = torch.optim.SGD(self.parameters, LR)

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        return self.torch.from_numpy(images), self.torch.from_numpy(targets)

    def run(self, images: Any, targets: Any) -> Any:
        torch = self.torch
        w1, b1, w2, b2 = self.parameters
        a1 = torch.relu(torch.addmm(b1, images, w1))
        a2 = torch.softmax(torch.addmm(b2, a1, w2), dim=1)
        loss = torch.square(a2 - targets).sum() / len(images)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def weights(self) -> list[np.ndarray]:
        return [p.detach().numpy() for p in self.parameters]


class JaxStep(Step):
    """JAX, the whole step compiled."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        import jax

        self.jax = jax
        self.parameters = [jax.numpy.array(p, jax.numpy.float32) for p in parameters]

        def loss(parameters: Any, images: Any, targets: Any) -> Any:
            w1, b1, w2, b2 = parameters
            a1 = jax.nn.relu(images @ w1 + b1)
            a2 = jax.nn.softmax(a1 @ w2 + b2)
            return jax.numpy.square(a2 - targets).sum() / len(images)

        def step(parameters: Any, images: Any, targets: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(parameters, images, targets)
            return value, [p - LR * g for p, g in zip(parameters, gradients, strict=True)]

        self.step = jax.jit(step, donate_argnums=0)

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        return self.jax.device_put(images), self.jax.device_put(targets)

    def run(self, images: Any, targets: Any) -> Any:
        loss, self.parameters = self.step(self.parameters, images, targets)
        return loss

    def weights(self) -> list[np.ndarray]:
        return [np.asarray(p) for p in self.parameters]


class AutogradStep(Step):
    """autograd (HIPS)."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        import autograd.numpy as anp
        from autograd import value_and_grad

        self.parameters = [np.array(p, np.float32) for p in parameters]

        def loss(parameters: Any, images: Any, targets: Any) -> Any:
            w1, b1, w2, b2 = parameters
            a1 = anp.maximum(anp.dot(images, w1) + b1, 0)
            z2 = anp.dot(a1, w2) + b2
            e = anp.exp(z2 - anp.max(z2, axis=1, keepdims=True))
            a2 = e / anp.sum(e, axis=1, keepdims=True)
            return anp.sum(anp.square(a2 - targets)) / len(images)

        self.loss_and_gradients = value_and_grad(loss)

    def run(self, images: Any, targets: Any) -> Any:
        loss, gradients = self.loss_and_gradients(self.parameters, images, targets)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter -= LR * gradient
        return loss

    def weights(self) -> list[np.ndarray]:
        return self.parameters


class MygradStep(Step):
    """MyGrad, without its guard of the arrays' memory, as its documentation advises for speed."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        import mygrad

        self.mygrad = mygrad
        self.parameters = [mygrad.tensor(p.astype(np.float32)) for p in parameters]

    def run(self, images: Any, targets: Any) -> Any:
        mg = self.mygrad
        w1, b1, w2, b2 = self.parameters
        with mg.mem_guard_off:
            a1 = mg.nnet.relu(mg.matmul(images, w1) + b1)
            a2 = mg.nnet.softmax(mg.matmul(a1, w2) + b2)
            loss = mg.square(a2 - targets).sum() / np.float32(len(images))
            loss.backward()
        for p in self.parameters:
            p.data -= LR * p.grad
        return loss

    def weights(self) -> list[np.ndarray]:
        return [p.data for p in self.parameters]


STEPS = {
    "JAX, a step compiled": JaxStep,
    "PyTorch eager": TorchStep,
    "MyGrad": MygradStep,
    "autograd": AutogradStep,
}


def torch_chain(length: int, factor: float) -> Any:
    """Do `hand.chain` in PyTorch."""
    import torch

    x = y = torch.tensor(1.0, requires_grad=True)
    for _ in range(length):
        y = y * factor
    y.backward()
    return x.grad


def autograd_chain(length: int, factor: float) -> Any:
    """Do `hand.chain` in autograd."""
    from autograd import grad

    def product(y: Any) -> Any:
        for _ in range(length):
            y = y * factor
        return y

    return grad(product)(1.0)


def mygrad_chain(length: int, factor: float) -> Any:
    """Do `hand.chain` in MyGrad."""
    import mygrad

    with mygrad.mem_guard_off:
        x = y = mygrad.tensor(1.0)
        for _ in range(length):
            y = y * factor
        y.backward()
    return x.grad


CHAINS = {"PyTorch": torch_chain, "MyGrad": mygrad_chain, "autograd": autograd_chain}
