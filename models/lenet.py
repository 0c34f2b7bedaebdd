"""A convolutional net in the shape of LeNet-5 that learns to read handwritten digits.

Two convolutions with poolings find strokes and their arrangement, wherever they stand; three layers judge them. The
digits are shifted, turned and bent a little each time the net sees them. It reads about 99.4 % of the test digits.
Source: Y. LeCun and others, "Gradient-based learning applied to document recognition", 1998.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_lite as tg
from models.command import DigitReader, Run, expect_finite, run_command, whole
from tinygrad_lite import nn, optim
from tinygrad_lite.data import Batches, Split, augmented
from tinygrad_lite.nn.functional import accuracy, cross_entropy
from tinygrad_lite.parallel import ALONE, World


class Net(nn.Module):
    """A net that maps images (n, 784) to probabilities of the digits (n, 10), or of other classes."""

    def __init__(self, channels: int = 16, rng: np.random.Generator | int | None = None, classes: int = 10) -> None:
        rng = np.random.default_rng(rng)
        self.features = nn.Sequential(
            nn.Conv2d(1, channels, 5, padding=2, rng=rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 5, rng=rng),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        first = nn.Linear(2 * channels * 5 * 5, 120, rng=rng)
        second, last = nn.Linear(120, 84, rng=rng), nn.Linear(84, classes, rng=rng)
        self.classifier = nn.Sequential(nn.Flatten(), first, nn.ReLU(), second, nn.ReLU(), last)

    def logits(self, images: Any) -> tg.Tensor:
        return self.classifier(self.features(images.reshape((-1, 1, 28, 28))))

    def forward(self, images: Any) -> tg.Tensor:
        return self.logits(images).softmax()


def training_step(net: Net, optimizer: optim.Optimizer, world: World = ALONE) -> Callable[[Any, Any], tg.Tensor]:
    """Return a function that makes one gradient step on a batch, and returns the loss before the step."""

    def step(images: Any, labels: Any) -> tg.Tensor:
        loss = cross_entropy(net.logits(images), labels)
        optimizer.zero_grad()
        loss.backward()
        loss = world.average(loss, optimizer.params)
        optimizer.step()
        return loss

    return step


@tg.no_grad()
def evaluate(net: Net, split: Split) -> tuple[float, float]:
    """Return the mean loss over the images, and the accuracy: the fraction that the net reads correctly."""
    loss = right = 0.0
    for images, labels in Batches(split.images, split.labels, 500, device=next(iter(net.parameters())).device):
        logits = net.logits(images)
        loss += cross_entropy(logits, labels).item() * len(images)
        right += accuracy(logits, labels) * len(images)
    return loss / len(split), right / len(split)


def learn(net: Net, optimizer: optim.Optimizer, run: Run) -> None:
    """Train for the remaining epochs; evaluate and save the net after each."""
    step = run.compiled(training_step(net, optimizer, run.world))
    some_seen = Split(run.data.train.images[:10_000], run.data.train.labels[:10_000])
    for batches in run.epochs(rate=optim.schedule.one_cycle(run.args.lr, run.steps)):
        for images, labels in batches:
            expect_finite(step(images, labels))
        run.finish_epoch(run.evaluate(some_seen), run.evaluate(run.data.valid))


MODEL = DigitReader(
    "lenet",
    description=__doc__,
    net=Net,
    learn=learn,
    evaluate=evaluate,
    epochs=5,
    batch_size=100,
    lr={"adam": 3e-3, "sgd": 0.1},
    options={"channels": {"type": whole(1, 256), "default": 16, "help": "kernels of the first layer (%(default)s)"}},
    augment=partial(augmented, shift=1.5, elastic=0.5),
    shuffle=True,
)
main = partial(run_command, MODEL)

if __name__ == "__main__":
    sys.exit(main())
