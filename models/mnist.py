"""A net of 784, 90 and 10 units that learns to read handwritten digits.

Its activations are identity, ReLU and softmax. It is trained with the squared loss by stochastic gradient descent:
6 epochs, batches of 100, a learning rate of 10^-0.35. Then it reads about 96.7 % of the test digits correctly.
"""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_lite as tg
from models.command import DigitReader, Run, expect_finite, run_command, whole
from tinygrad_lite import nn, optim
from tinygrad_lite.data import Batches, Split
from tinygrad_lite.nn.functional import accuracy, one_hot, squared_loss
from tinygrad_lite.parallel import ALONE, World

CLASSES = 10


class Net(nn.Module):
    """A net that maps images (n, 784) to probabilities of the digits (n, 10), or of other classes."""

    def __init__(self, hidden: int = 90, rng: np.random.Generator | int | None = None, classes: int = CLASSES) -> None:
        rng = np.random.default_rng(rng)
        self.input = nn.Identity()
        self.hidden = nn.Linear(784, hidden, rng=rng)
        self.output = nn.Linear(hidden, classes, rng=rng)

    def forward(self, images: Any) -> tg.Tensor:
        hidden = self.hidden(self.input(images)).relu()
        logits = self.output(hidden)
        return logits.softmax()


def training_step(net: Net, optimizer: optim.Optimizer, world: World = ALONE) -> Callable[[Any, Any], tg.Tensor]:
    """Return a function that makes one gradient step on a batch, and returns the loss before the step."""

    def step(images: Any, targets: Any) -> tg.Tensor:
        loss = squared_loss(net(images), targets)
        optimizer.zero_grad()
        loss.backward()
        loss = world.average(loss, optimizer.params)  # if several processes train, each on its own rows
        optimizer.step()
        return loss

    return step


def train(step: Callable[[Any, Any], tg.Tensor], batches: Iterable[tuple[Any, Any]]) -> None:
    """Train for one epoch: make a step on every batch."""
    for images, targets in batches:
        loss = step(images, targets)
        expect_finite(loss)


@tg.no_grad()
def evaluate(net: Net, split: Split) -> tuple[float, float]:
    """Return the mean loss over the images, and the accuracy: the fraction that the net reads correctly."""
    loss = right = 0.0
    # The batches fit into the processor's cache, and are so large that the threads of a product seldom wait for others.
    for images, labels in Batches(split.images, split.labels, 5_000, device=net.output.weight.device):
        p = net(images)
        loss += squared_loss(p, one_hot(labels, p.shape[1])).item() * len(images)
        right += accuracy(p, labels) * len(images)
    return loss / len(split), right / len(split)


def learn(net: Net, optimizer: optim.Optimizer, run: Run) -> None:
    """Train for the remaining epochs; evaluate and save the net after each."""
    step = run.compiled(training_step(net, optimizer, run.world))
    for batches in run.epochs():
        train(step, batches)
        run.finish_epoch(run.evaluate(run.data.train), run.evaluate(run.data.valid))


MODEL = DigitReader(
    "mnist",
    description=__doc__,
    net=Net,
    learn=learn,
    evaluate=evaluate,
    epochs=6,
    batch_size=100,
    lr={"sgd": 10**-0.35, "adam": optim.LR},
    options={"hidden": {"type": whole(1, 1_000_000), "default": 90, "help": "units of the hidden layer (%(default)s)"}},
    targets=one_hot,
)
main = partial(run_command, MODEL)

if __name__ == "__main__":
    sys.exit(main())
