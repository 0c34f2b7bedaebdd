"""The net trained one sample at a time, in float64, as one would who has just derived the formulas.

It has 784, 90 and 10 units: identity, ReLU, softmax. Its loss is C = Σ (a - t)² for a sample, with ``a`` its output and
``t`` its target, averaged over the batch. ``python -m tests.models.by_hand`` trains it as `models.mnist` does.
"""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.benchmarks.steps import LR, initial_parameters

Parameters = list[np.ndarray]


class SampleBySample:
    """The net, from parameters ``[w1, b1, w2, b2]``, which are copied; a layer computes z = a_prev w + b."""

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
        return z1, a1, e / e.sum()  # softmax: exp(z) / Σ exp(z)

    @classmethod
    def gradients_of_one(
        cls, parameters: Parameters, image: np.ndarray, target: np.ndarray
    ) -> tuple[float, Parameters]:
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
    def gradients(cls, parameters: Parameters, images: np.ndarray, targets: np.ndarray) -> tuple[float, Parameters]:
        """Return the loss of a batch and its gradients: the means of those of the samples."""
        loss, sums = 0.0, [np.zeros_like(p) for p in parameters]
        for image, target in zip(images.astype(float), targets, strict=True):
            of_one, gradients = cls.gradients_of_one(parameters, image, target)
            loss += of_one
            for total, gradient in zip(sums, gradients, strict=True):
                total += gradient
        return loss / len(images), [total / len(images) for total in sums]

    def step(self, images: np.ndarray, targets: np.ndarray, lr: float = LR) -> float:
        """Go down the gradient of one batch, w ← w - lr dC/dw; return the loss before."""
        loss, gradients = self.gradients(self.parameters, images, targets)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter -= lr * gradient
        return loss

    def accuracy(self, split: Any) -> float:
        """Return the share of images whose largest output stands at their label."""
        outputs = (self.outputs(self.parameters, image.astype(float))[2] for image in split.images)
        return float(np.mean([a2.argmax() == label for a2, label in zip(outputs, split.labels, strict=True)]))

    def train(self, train: Any, valid: Any, epochs: int = 6, batch_size: int = 100) -> Iterator[tuple[float, float]]:
        """Train in file order; after each epoch yield the accuracy on the training and the validation samples."""
        targets = np.eye(10)[train.labels]
        for _ in range(epochs):
            for start in range(0, len(targets), batch_size):
                part = slice(start, start + batch_size)
                self.step(train.images[part], targets[part])
            yield self.accuracy(train), self.accuracy(valid)


def main() -> None:
    """Train on MNIST; say how accurate the net is."""
    # Here, so that the formulas above can be used with NumPy alone.
    from tinygrad_lite import DataError
    from tinygrad_lite.data import load_mnist

    try:
        data = load_mnist()
    except DataError as error:
        sys.exit(str(error))
    net = SampleBySample(initial_parameters())
    for epoch, (train, valid) in enumerate(net.train(data.train, data.valid), 1):
        print(f"epoch {epoch}: accuracy {train:.4f}; validation accuracy {valid:.4f}", flush=True)
    print(f"test accuracy: {net.accuracy(data.test):.4f}")


if __name__ == "__main__":
    main()
