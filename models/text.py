"""A small language model that learns to write, character by character, from any text.

It is a transformer: each character looks at those before it, and the net says how likely each character comes next. By
default it reads NumPy's own documentation. Source: A. Vaswani and others, "Attention is all you need", 2017.
"""

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_lite as tg
from models.command import Run, TextModel, expect_finite, run_command, whole
from tinygrad_lite import nn, optim
from tinygrad_lite.data import Batches, Split
from tinygrad_lite.nn.functional import accuracy, cross_entropy
from tinygrad_lite.parallel import ALONE, World


class Net(nn.Module):
    """A net that maps tokens (n, length) to logits of the next token at each position (n, length, characters)."""

    def __init__(
        self,
        characters: str,
        context: int = 64,
        width: int = 64,
        layers: int = 2,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        rng = np.random.default_rng(rng)
        self.characters, self.context = characters, context
        self.token = nn.Embedding(len(characters), width, rng=rng)
        self.position = nn.Embedding(context, width, rng=rng)
        self.blocks = [nn.TransformerBlock(width, width // 16, rng=rng) for _ in range(layers)]
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, len(characters), rng=rng)

    def forward(self, tokens: Any) -> tg.Tensor:
        x = self.token(tokens) + self.position(np.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x, causal=True)
        return self.output(self.norm(x))


def training_step(net: Net, optimizer: optim.Optimizer, world: World = ALONE) -> Callable[[Any, Any], tg.Tensor]:
    """Return a function that makes one gradient step on a batch, and returns the loss before the step."""

    def step(tokens: Any, following: Any) -> tg.Tensor:
        loss = cross_entropy(net(tokens), following)
        optimizer.zero_grad()
        loss.backward()
        loss = world.average(loss, optimizer.params)
        optimizer.step()
        return loss

    return step


@tg.no_grad()
def evaluate(net: Net, split: Split) -> tuple[float, float]:
    """Return the loss in bits a character, and the fraction of characters that the net finds most likely."""
    loss = right = 0.0
    for tokens, following in Batches(split.images, split.labels, 64, device=net.output.weight.device):
        logits = net(tokens)
        loss += cross_entropy(logits, following).item() / math.log(2) * len(tokens)
        right += accuracy(logits, following) * len(tokens)
    return loss / len(split), right / len(split)


def learn(net: Net, optimizer: optim.Optimizer, run: Run) -> None:
    """Train for the remaining epochs; after each evaluate and save the net, and let it write."""
    step = run.compiled(training_step(net, optimizer, run.world))
    some_read = Split(run.data.train.images[:500], run.data.train.labels[:500])
    for batches in run.epochs(rate=optim.schedule.cosine(run.args.lr, run.steps, warmup=min(50, run.steps - 1))):
        for tokens, following in batches:
            expect_finite(step(tokens, following))
        run.finish_epoch(run.evaluate(some_read), run.evaluate(run.data.valid))
        MODEL.show_sample(net, run.args)


MODEL = TextModel(
    "text",
    description=__doc__,
    net=Net,
    learn=learn,
    evaluate=evaluate,
    epochs=3,
    batch_size=32,
    lr={"adam": 1e-2},
    options={
        "context": {"type": whole(2, 4096), "default": 64, "help": "characters that it looks back at (%(default)s)"},
        "width": {"type": whole(16, 4096), "default": 64, "help": "numbers for a character, 16 a head (%(default)s)"},
        "layers": {"type": whole(1, 100), "default": 2, "help": "transformer blocks (%(default)s)"},
    },
    shuffle=True,
)
main = partial(run_command, MODEL)

if __name__ == "__main__":
    sys.exit(main())
