"""Models that write text: they share their data, the samples they show, and the subcommand ``write``."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import DataError, MissingExtra, plot
from tinygrad_lite.data import Digits, Split, Vocabulary, numpy_docstrings, read_text

from .messages import failed
from .model import Model
from .parsing import Parser, path_to, positive, whole
from .run import Run

LENGTH, TEMPERATURE = 300, 0.7


@tg.no_grad()
def written(
    net: Any, prompt: str, length: int = LENGTH, temperature: float = TEMPERATURE, seed: int | None = 0
) -> Iterator[str]:
    """Yield the prompt, then each character that is drawn from the probabilities of the net."""
    rng, vocabulary = np.random.default_rng(seed), Vocabulary(net.characters)
    start = "\n" if "\n" in net.characters else net.characters[0]
    tokens = [*vocabulary.encode(prompt or start)]
    yield prompt
    for _ in range(length):
        logits = net(np.array([tokens[-net.context :]])).numpy()[0, -1].astype(float) / temperature
        p = np.exp(logits - logits.max())
        tokens.append(rng.choice(len(p), p=p / p.sum()))
        yield vocabulary.decode(tokens[-1:])


def write(model: TextModel, arguments: list[str]) -> int:
    """Run the subcommand ``write``; return the exit status."""
    parser = Parser(prog=f"{model.prog} write", description="Let a net that was trained before write text.")
    parser.add_argument("--prompt", default="", help="what the text begins with (a new line)")
    parser.add_argument("--length", type=whole(1), default=LENGTH, help="characters to write (%(default)s)")
    warmth = "below 1: likelier characters; above: more surprising ones (%(default)s)"
    parser.add_argument("--temperature", type=positive, default=TEMPERATURE, help=warmth)
    parser.add_argument("--seed", type=whole(0), help="draws the same text again")
    trained = "of the run that trained it (%(default)s)"
    parser.add_argument("--out", type=path_to("a folder"), default=model.out, metavar="DIR", help=trained)
    args = parser.parse_args(arguments)
    try:
        net = model.trained_net(args.out)
        for part in written(net, args.prompt, args.length, args.temperature, args.seed):
            print(part, end="", flush=True)
    except (DataError, MissingExtra, OSError) as error:
        return failed(parser.prog, error)
    print()
    return 0


@dataclass
class TextModel(Model):
    """A model that writes text, character by character.

    Its net takes the vocabulary as ``characters`` and keeps it as an attribute, like ``context``, the largest number of
    tokens it can look back at.
    """

    sample = "passage"
    epilog = "{prog} write lets the net that was trained write on."
    commands: ClassVar = {"write": write}

    def __post_init__(self) -> None:
        # The vocabulary comes from the text; as an option it is saved with the net.
        self.options = {**self.options, "characters": {"default": "", "help": argparse.SUPPRESS}}

    def add_source(self, parser: Parser) -> None:
        """Add ``--text`` and ``--prompt``."""
        parser.add_argument(
            "--text",
            type=path_to("a text file"),
            metavar="FILE",
            help="in UTF-8, to learn from (NumPy's own documentation)",
        )
        parser.add_argument("--prompt", default="", help="what samples begin with (a new line)")

    def load(self, args: Namespace) -> tuple[Digits, str]:
        """Return passages of the text that ``--text`` names, each with the characters that follow, and its kind."""
        text = numpy_docstrings() if args.text is None else read_text(args.text)
        vocabulary = Vocabulary.of(text)
        args.characters = vocabulary.characters
        vocabulary.encode(args.prompt)  # an unknown character is an error before training
        tokens, length = vocabulary.encode(text), args.context
        count = (len(tokens) - 1) // length
        if count < 20:
            raise DataError(
                f"the text has {len(tokens):,} characters, and at least {20 * length + 1:,} are needed for passages of "
                f"{length}: give a longer text, or a smaller --context"
            )
        inputs = tokens[: count * length].reshape(count, length)
        following = tokens[1 : count * length + 1].reshape(count, length)
        ends = [0, count - 2 * (count // 20), count - count // 20, count]
        train, valid, test = (Split(inputs[a:b], following[a:b]) for a, b in pairwise(ends))
        return Digits(train, valid, test), "numpy" if args.text is None else args.text.name

    def show_sample(self, net: Any, args: Namespace) -> None:
        """Print what the net writes after ``--prompt``."""
        if not args.quiet:
            text = "".join(written(net, args.prompt))
            print("\n".join(f"  | {line}" for line in text.splitlines()), flush=True)

    def figures(self, run: Run) -> dict[str, Any]:
        """Draw the training curves."""
        metrics = run.record.metrics
        return {"curves": plot.curves(metrics["history"], "Learning to write")}
