"""The net written by hand in NumPy, in three ways, and a scalar autodiff in plain Python.

The net has 784, 90 and 10 units: identity, ReLU, softmax. Its loss is C = Σ (a - t)² for a sample, with ``a`` its
output and ``t`` its target, averaged over the batch. Parameters are a list ``[w1, b1, w2, b2]``, and a layer computes
z = a_prev w + b.

``python -m tests.benchmarks.hand`` trains it sample by sample, as one would who has just derived the formulas.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from tests.benchmarks.measure import LR, Step

Parameters = list[np.ndarray]


def initial_parameters(seed: int = 0, hidden: int = 90) -> Parameters:
    """Return weights drawn uniformly from ±√(6 / (in + out)), and biases of zero, in float64."""
    rng = np.random.default_rng(seed)
    parameters = []
    for n_in, n_out in ((784, hidden), (hidden, 10)):
        limit = np.sqrt(6 / (n_in + n_out))
        parameters += [rng.uniform(-limit, limit, (n_in, n_out)), np.zeros(n_out)]
    return parameters


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
    w1, b1, w2, b2 = parameters
    n = len(images)

    z1 = images @ w1 + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ w2 + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    a2 = e / e.sum(axis=1, keepdims=True)
    difference = a2 - targets
    loss = np.square(difference).sum() / n  # C = 1/n Σ (a - t)²

    da2 = 2 / n * difference
    # (diag(s) - s sᵀ) g, without the matrix: s (g - Σ g s)
    dz2 = a2 * (da2 - (da2 * a2).sum(axis=1, keepdims=True))
    dz1 = dz2 @ w2.T * (z1 > 0)

    w1 -= lr * (images.T @ dz1)
    b1 -= lr * dz1.sum(axis=0)
    w2 -= lr * (a1.T @ dz2)
    b2 -= lr * dz2.sum(axis=0)
    return loss


def floor(parameters: Parameters, images: np.ndarray, hidden: np.ndarray, output: np.ndarray) -> None:
    """Do a step's five matrix products and nothing else.

    ``hidden`` of shape (n, 90) and ``output`` of shape (n, 10) stand both for what the layers give out and for the
    gradients that come back.
    """
    w1, _, w2, _ = parameters
    images @ w1
    hidden @ w2
    hidden.T @ output
    output @ w2.T
    images.T @ hidden


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


class FloorStep(VectorisedStep):
    """`floor`, to be measured; it learns nothing."""

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        images, targets = super().batch(images, targets)
        self.hidden = images @ self.parameters[0]
        return images, targets

    def run(self, images: Any, targets: Any) -> None:
        floor(self.parameters, images, self.hidden, targets)


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
