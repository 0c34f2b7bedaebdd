"""The same step, and the same chain of scalars, in other libraries: each in its fastest usual form.

Each library is imported where it is used, so that those that are not installed can be left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.benchmarks.hand import layers
from tests.benchmarks.measure import LR, Step


class Unavailable(Exception):
    """A library cannot do the step on this machine; the message is the library's."""


class TorchStep(Step):
    """PyTorch, eager."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        import torch

        self.torch = torch
        self.parameters = [torch.tensor(p, dtype=torch.float32, requires_grad=True) for p in parameters]
        self.optimizer = torch.optim.SGD(self.parameters, LR)

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        return self.torch.from_numpy(images), self.torch.from_numpy(targets)

    def loss(self, parameters: list[Any], images: Any, targets: Any) -> Any:
        """Return the loss of a batch."""
        torch = self.torch
        *hidden, (w, b) = layers(parameters)
        a = images
        for w_hidden, b_hidden in hidden:
            a = torch.relu(torch.addmm(b_hidden, a, w_hidden))
        a = torch.softmax(torch.addmm(b, a, w), dim=1)
        return torch.square(a - targets).sum() / len(images)

    def run(self, images: Any, targets: Any) -> Any:
        loss = self.loss(self.parameters, images, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def weights(self) -> list[np.ndarray]:
        return [p.detach().numpy() for p in self.parameters]


class TorchCompiledStep(TorchStep):
    """PyTorch, the whole step compiled: faster than the loss or the optimizer alone."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        super().__init__(parameters)
        torch = self.torch
        self.parameters = [p.detach() for p in self.parameters]
        gradients_and_loss = torch.func.grad_and_value(self.loss)

        def step(images: Any, targets: Any) -> Any:
            gradients, loss = gradients_and_loss(self.parameters, images, targets)
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=LR)
            return loss

        self.step = torch.compile(step, dynamic=False)

    def run(self, images: Any, targets: Any) -> Any:
        try:
            return self.step(images, targets)
        except RuntimeError as error:  # of the compiler, at the first call
            raise Unavailable(str(error).strip().partition("\n")[0]) from error


class JaxStep(Step):
    """JAX, the whole step compiled."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        import jax

        self.jax = jax
        self.parameters = [jax.numpy.array(p, jax.numpy.float32) for p in parameters]
        self.compiled = jax.jit(self.step, donate_argnums=0)

    def loss(self, parameters: Any, images: Any, targets: Any) -> Any:
        """Return the loss of a batch."""
        jax = self.jax
        *hidden, (w, b) = layers(parameters)
        a = images
        for w_hidden, b_hidden in hidden:
            a = jax.nn.relu(a @ w_hidden + b_hidden)
        a = jax.nn.softmax(a @ w + b)
        return jax.numpy.square(a - targets).sum() / len(images)

    def step(self, parameters: Any, images: Any, targets: Any) -> Any:
        """Return new parameters, and the loss before."""
        loss, gradients = self.jax.value_and_grad(self.loss)(parameters, images, targets)
        return [p - LR * g for p, g in zip(parameters, gradients, strict=True)], loss

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        return self.jax.device_put(images), self.jax.device_put(targets)

    def run(self, images: Any, targets: Any) -> Any:
        self.parameters, loss = self.compiled(self.parameters, images, targets)
        return loss

    def weights(self) -> list[np.ndarray]:
        return [np.asarray(p) for p in self.parameters]


class JaxScanStep(JaxStep):
    """JAX, a whole epoch compiled: all batches go in at once, and the losses of all come out."""

    def step(self, parameters: Any, images: Any, targets: Any) -> Any:
        """Return the parameters after all the batches, and the losses before each."""
        one = super().step
        return self.jax.lax.scan(lambda parameters, batch: one(parameters, *batch), parameters, (images, targets))

    def batches(self, images: np.ndarray, targets: np.ndarray) -> list[tuple[Any, Any]]:
        return [self.batch(images, targets)]


class AutogradStep(Step):
    """autograd (HIPS)."""

    def __init__(self, parameters: list[np.ndarray]) -> None:
        import autograd.numpy as anp
        from autograd import value_and_grad

        self.parameters = [np.array(p, np.float32) for p in parameters]

        def loss(parameters: Any, images: Any, targets: Any) -> Any:
            *hidden, (w, b) = layers(parameters)
            a = images
            for w_hidden, b_hidden in hidden:
                a = anp.maximum(anp.dot(a, w_hidden) + b_hidden, 0)
            z = anp.dot(a, w) + b
            e = anp.exp(z - anp.max(z, axis=1, keepdims=True))
            a = e / anp.sum(e, axis=1, keepdims=True)
            return anp.sum(anp.square(a - targets)) / len(images)

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
        *hidden, (w, b) = layers(self.parameters)
        a = images
        with mg.mem_guard_off:
            for w_hidden, b_hidden in hidden:
                a = mg.nnet.relu(mg.matmul(a, w_hidden) + b_hidden)
            a = mg.nnet.softmax(mg.matmul(a, w) + b)
            loss = mg.square(a - targets).sum() / np.float32(len(images))
            loss.backward()
        for p in self.parameters:
            p.data -= LR * p.grad
        return loss

    def weights(self) -> list[np.ndarray]:
        return [p.data for p in self.parameters]


STEPS = {
    "JAX, an epoch compiled": JaxScanStep,
    "JAX, a step compiled": JaxStep,
    "PyTorch eager": TorchStep,
    "PyTorch compiled": TorchCompiledStep,
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
