"""The net written by hand in NumPy, in four ways, and a scalar autodiff in plain Python.

The net has 784, 90 and 10 units: identity, ReLU, softmax; or more layers with ReLU between. Its loss is C = Σ (a - t)²
for a sample, with ``a`` its output and ``t`` its target, averaged over the batch. Parameters are a list
``[w1, b1, w2, b2, …]``, and a layer computes z = a_prev w + b.

``python -m tests.benchmarks.hand`` trains it sample by sample, as one would who has just derived the formulas.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np

from tests.benchmarks.measure import LR, Step

Parameters = list[np.ndarray]


def initial_parameters(seed: int = 0, hidden: Sequence[int] = (90,)) -> Parameters:
    """Return weights drawn uniformly from ±√(6 / (in + out)), and biases of zero, in float64."""
    rng = np.random.default_rng(seed)
    parameters = []
    for n_in, n_out in pairwise((784, *hidden, 10)):
        limit = np.sqrt(6 / (n_in + n_out))
        parameters += [rng.uniform(-limit, limit, (n_in, n_out)), np.zeros(n_out)]
    return parameters


def layers(parameters: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return the weights and biases of each layer."""
    return [(parameters[i], parameters[i + 1]) for i in range(0, len(parameters), 2)]


class SampleBySample:
    """The net trained one sample at a time, in float64.

    Parameters
    ----------
    parameters : list of ndarray
        Where to start; copied.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = [np.array(p, np.float64) for p in parameters]

    @staticmethod
    def outputs(parameters: Parameters, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what one image makes of the net: z₁, a₁ and a₂."""
        w1, b1, w2, b2 = parameters
        z1 = image @ w1 + b1
        a1 = np.maximum(z1, 0)  # ReLU: max(z, 0)
        z2 = a1 @ w2 + b2
        e = np.exp(z2 - z2.max())
        a2 = e / e.sum()  # softmax: exp(z) / Σ exp(z)
        return z1, a1, a2

    @classmethod
    def gradients_of_one(
        cls, parameters: Parameters, image: np.ndarray, target: np.ndarray
    ) -> tuple[float, list[np.ndarray]]:
        """Return the loss of one sample and its derivative by each parameter.

        Of each layer: dC/dz = σ'(z) · dC/da, dC/dw = a_prev · dC/dz, dC/db = dC/dz, dC/da_prev = w · dC/dz.
        """
        w2 = parameters[2]
        z1, a1, a2 = cls.outputs(parameters, image)
        loss = np.sum((a2 - target) ** 2)  # C = Σ (a - t)²
        da2 = 2 * (a2 - target)  # dC/da = 2 (a - t)
        jacobian = np.diag(a2) - np.outer(a2, a2)  # da/dz of softmax = diag(s) - s sᵀ
        dz2 = jacobian @ da2
        da1 = w2 @ dz2
        dz1 = (z1 > 0) * da1  # σ'(z) of ReLU: 1 where z > 0, else 0
        return loss, [np.outer(image, dz1), dz1, np.outer(a1, dz2), dz2]

    @classmethod
    def gradients(
        cls, parameters: Parameters, images: np.ndarray, targets: np.ndarray
    ) -> tuple[float, list[np.ndarray]]:
        """Return the loss of a batch and its gradients: the means of those of the samples.

        Parameters
        ----------
        parameters : list of ndarray
            w₁, b₁, w₂, b₂.
        images : ndarray of shape (n, 784)
        targets : ndarray of shape (n, 10)
        """
        loss = 0.0
        sums = [np.zeros_like(p, dtype=np.float64) for p in parameters]
        for image, target in zip(np.asarray(images, np.float64), targets, strict=True):
            sample_loss, sample_gradients = cls.gradients_of_one(parameters, image, target)
            loss += sample_loss
            for total, gradient in zip(sums, sample_gradients, strict=True):
                total += gradient
        return loss / len(images), [total / len(images) for total in sums]

    def step(self, images: np.ndarray, targets: np.ndarray, lr: float = LR) -> float:
        """Go down the gradient of one batch, w ← w - lr dC/dw; return the loss before."""
        loss, gradients = self.gradients(self.parameters, images, targets)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter -= lr * gradient
        return loss

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Return the share of images whose largest output stands at their label."""
        right = 0
        for image, label in zip(images, labels, strict=True):
            a2 = self.outputs(self.parameters, image.astype(np.float64))[2]
            right += int(a2.argmax() == label)
        return right / len(images)

    def train(self, train: Any, valid: Any, epochs: int = 6, batch_size: int = 100) -> Iterator[tuple[float, float]]:
        """Train in file order; after each epoch yield the accuracy on the training and the validation samples.

        Parameters
        ----------
        train, valid
            Each with ``images`` of shape (n, 784) and ``labels`` of shape (n,).
        """
        targets = np.eye(10)[train.labels]
        for _ in range(epochs):
            for start in range(0, len(targets), batch_size):
                part = slice(start, start + batch_size)
                self.step(train.images[part], targets[part])
            yield self.accuracy(train.images, train.labels), self.accuracy(valid.images, valid.labels)


def vectorised(parameters: Parameters, images: np.ndarray, targets: np.ndarray, lr: float = LR) -> Any:
    """Do one step on a whole batch, in the arrays' own precision; change the parameters, return the loss before."""
    *hidden, (w, b) = layers(parameters)
    n = len(images)

    zs, activations = [], [images]
    for w_hidden, b_hidden in hidden:
        zs.append(activations[-1] @ w_hidden + b_hidden)
        activations.append(np.maximum(zs[-1], 0))
    z = activations[-1] @ w + b
    e = np.exp(z - z.max(axis=1, keepdims=True))
    a = e / e.sum(axis=1, keepdims=True)
    difference = a - targets
    loss = np.square(difference).sum() / n  # C = 1/n Σ (a - t)²

    da = 2 / n * difference
    # (diag(s) - s sᵀ) g, without the matrix: s (g - Σ g s)
    dzs = [a * (da - (da * a).sum(axis=1, keepdims=True))]
    for (w_above, _), z in zip(layers(parameters)[:0:-1], reversed(zs), strict=True):
        dzs.append(dzs[-1] @ w_above.T * (z > 0))

    for (w, b), a_prev, dz in zip(layers(parameters), activations, reversed(dzs), strict=True):
        w -= lr * (a_prev.T @ dz)
        b -= lr * dz.sum(axis=0)
    return loss


class Memory:
    """The arrays that `in_place` computes into, for batches of ``n``: made once, used at every step."""

    def __init__(self, parameters: Parameters, n: int) -> None:
        weights, biases = parameters[::2], parameters[1::2]
        dtype = weights[0].dtype
        self.activations = [np.empty((n, len(b)), dtype) for b in biases]
        self.dzs = [np.empty_like(a) for a in self.activations]
        self.are_positive = [np.empty(a.shape, bool) for a in self.activations[:-1]]
        self.of_outputs, self.of_samples = np.empty_like(self.dzs[-1]), np.empty((n, 1), dtype)
        self.gradients = [np.empty_like(p) for p in parameters]


def in_place(parameters: Parameters, images: np.ndarray, targets: np.ndarray, memory: Memory, lr: float = LR) -> Any:
    """Do `vectorised` without making any array.

    The learning rate is multiplied in where there are few elements: every ``dz`` below is ``lr`` times what it is
    in `vectorised`, and so is every gradient.
    """
    n = len(images)
    activations = [images, *memory.activations]
    for (w, b), a_prev, z in zip(layers(parameters), activations[:-1], activations[1:], strict=True):
        np.matmul(a_prev, w, out=z)
        np.add(z, b, out=z)
        if z is not activations[-1]:
            np.maximum(z, 0, out=z)
    a, dz, scratch, of_samples = activations[-1], memory.dzs[-1], memory.of_outputs, memory.of_samples
    np.max(a, axis=1, keepdims=True, out=of_samples)
    np.subtract(a, of_samples, out=a)
    np.exp(a, out=a)
    np.sum(a, axis=1, keepdims=True, out=of_samples)
    np.divide(a, of_samples, out=a)
    np.subtract(a, targets, out=dz)
    loss = np.vdot(dz, dz) / n

    np.multiply(dz, lr * 2 / n, out=dz)
    np.multiply(dz, a, out=scratch)
    np.sum(scratch, axis=1, keepdims=True, out=of_samples)
    np.subtract(dz, of_samples, out=dz)
    np.multiply(dz, a, out=dz)
    above = [w for w, _ in layers(parameters)[1:]]
    backwards = zip(above, memory.dzs[1:], memory.dzs, memory.activations, memory.are_positive, strict=False)
    for w, dz, dz_prev, a_prev, is_positive in reversed([*backwards]):
        np.matmul(dz, w.T, out=dz_prev)
        np.greater(a_prev, 0, out=is_positive)
        np.multiply(dz_prev, is_positive, out=dz_prev)

    for (dw, db), a_prev, dz in zip(layers(memory.gradients), activations[:-1], memory.dzs, strict=True):
        np.matmul(a_prev.T, dz, out=dw)
        np.sum(dz, axis=0, out=db)
    for parameter, gradient in zip(parameters, memory.gradients, strict=True):
        np.subtract(parameter, gradient, out=parameter)
    return loss


def floor(parameters: Parameters, activations: Sequence[np.ndarray]) -> None:
    """Do a step's matrix products and nothing else: five, of a net with one hidden layer.

    ``activations`` are the images and what each layer gives out, ``(n, 784), (n, 90), (n, 10)``; the latter stand for
    the gradients that come back, too.
    """
    weights = parameters[::2]
    for w, a_prev in zip(weights, activations[:-1], strict=True):
        a_prev @ w
    for w, a_prev, a in reversed([*zip(weights, activations[:-1], activations[1:], strict=True)]):
        a_prev.T @ a
        if a_prev is not activations[0]:
            a @ w.T


class VectorisedStep(Step):
    """`vectorised`, to be measured."""

    def __init__(self, parameters: Parameters, dtype: Any = np.float32) -> None:
        self.parameters = [np.array(p, dtype) for p in parameters]
        self.dtype = dtype

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        return images.astype(self.dtype), targets.astype(self.dtype)

    def run(self, images: Any, targets: Any) -> Any:
        return vectorised(self.parameters, images, targets)

    def weights(self) -> Parameters:
        return self.parameters


class InPlaceStep(VectorisedStep):
    """`in_place`, to be measured."""

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        self.memory = Memory(self.parameters, len(images))
        return super().batch(images, targets)

    def run(self, images: Any, targets: Any) -> Any:
        return in_place(self.parameters, images, targets, self.memory)


class FloorStep(VectorisedStep):
    """`floor`, to be measured; it learns nothing."""

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        self.outputs = [np.ones((len(images), len(b)), self.dtype) for b in self.parameters[1::2]]
        return super().batch(images, targets)

    def run(self, images: Any, targets: Any) -> None:
        floor(self.parameters, [images, *self.outputs])


class Value:
    """A Python float that remembers how it was made: scalar autodiff at its smallest.

    Each operation leaves behind a function that hands its result's gradient on to its operands; `backward` calls
    them from the last operation to the first. (The idea is that of A. Karpathy's micrograd.)
    """

    def __init__(self, data: float, operands: tuple[Value, ...] = ()) -> None:
        self.data = data
        self.grad = 0.0
        self.operands = set(operands)
        self.hand_on: Callable[[], None] | None = None

    def __add__(self, other: Self | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        y = Value(self.data + other.data, (self, other))

        def hand_on() -> None:
            self.grad += y.grad
            other.grad += y.grad

        y.hand_on = hand_on
        return y

    def __mul__(self, other: Self | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        y = Value(self.data * other.data, (self, other))

        def hand_on() -> None:
            self.grad += other.data * y.grad
            other.grad += self.data * y.grad

        y.hand_on = hand_on
        return y

    def backward(self) -> None:
        """Add the derivative of this value to the ``grad`` of all it was made from."""
        order, found = [], set()
        stack = [(self, False)]
        while stack:
            value, complete = stack.pop()
            if complete:
                order.append(value)
            elif value not in found:
                found.add(value)
                stack.append((value, True))
                stack += [(operand, False) for operand in value.operands]
        self.grad = 1.0
        for value in reversed(order):
            if value.hand_on is not None:
                value.hand_on()


def chain(length: int, factor: float) -> float:
    """Multiply 1 by a factor ``length`` times; return the derivative by the 1."""
    x = y = Value(1.0)
    for _ in range(length):
        y = y * factor
    y.backward()
    return x.grad


def main() -> int:
    """Train sample by sample on MNIST, as `models.mnist` does with whole batches; return the exit status."""
    # Here, so that the formulas above can be used with NumPy alone.
    from tinygrad_lite import DataError
    from tinygrad_lite.data import load_mnist

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.hand")
    parser.add_argument("--epochs", type=int, default=6, help="(%(default)s)")
    args = parser.parse_args()
    try:
        data = load_mnist()
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    net = SampleBySample(initial_parameters())
    print(f"validation accuracy before training: {net.accuracy(data.valid.images, data.valid.labels):.4f}", flush=True)
    for epoch, (train, valid) in enumerate(net.train(data.train, data.valid, args.epochs), 1):
        print(f"epoch {epoch}: accuracy {train:.4f}; validation accuracy {valid:.4f}", flush=True)
    print(f"test accuracy: {net.accuracy(data.test.images, data.test.labels):.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
