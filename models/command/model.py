"""The description of a model for its command: net, training, evaluation, data and options."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tinygrad_lite import nn
from tinygrad_lite.data import Digits, Split

from .parsing import Parser
from .trained import Trained, trained


@dataclass
class Model:
    """A model that a command trains. A subclass, such as `models.command.DigitReader`, describes its data.

    Parameters
    ----------
    name : str
        The name of its module: ``"mnist"`` for ``python -m models.mnist``.
    description : str or None
        The module's docstring, for ``--help``.
    net : callable
        ``net(rng=seed, **options)`` returns a new net.
    learn : callable
        ``learn(net, optimizer, run)`` trains the net in a loop over ``run.epochs()``.
    evaluate : callable
        ``evaluate(net, split)`` returns the loss and the accuracy, as means over the samples of a `Split`.
    epochs, batch_size : int
        The defaults of the options with these names.
    lr : dict of float
        The default learning rate of each optimizer: ``"sgd"``, ``"adam"`` or both. The first is the default optimizer.
    options : dict of dict
        The model's own options: the arguments of ``net``, each with the arguments of `argparse` for it.
    targets : callable
        ``targets(labels, classes)`` converts all training labels to the targets of a training step, given the number
        of classes.
    augment : callable, optional
        ``augment(images, rng)`` changes the images of a training batch at random.
    shuffle : bool
        The default of ``--shuffle``.
    """

    name: str
    description: str | None
    net: Callable[..., nn.Module]
    learn: Callable[..., None]
    evaluate: Callable[[Any, Split], tuple[float, float]]
    epochs: int
    batch_size: int
    lr: Mapping[str, float]
    options: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    targets: Callable[[Any, int], Any] = lambda labels, classes: labels
    augment: Callable[..., Any] | None = None
    shuffle: bool = False

    sample: ClassVar[str] = "sample"  # the word for one sample in messages
    # Subcommands, each with the function that gets the arguments after it; and the last line of --help.
    commands: ClassVar[Mapping[str, Callable[[Any, list[str]], int]]] = {}
    epilog: ClassVar[str] = ""

    @property
    def prog(self) -> str:
        """The command, as a user types it."""
        return f"python -m models.{self.name}"

    @property
    def out(self) -> str:
        """The default folder for results."""
        return f"runs/{self.name}"

    def new_net(self, options: Mapping[str, Any], rng: int | None = None) -> Any:
        """Return a new net, given the values of all options, of which it takes the model's own."""
        return self.net(**{name: options[name] for name in self.options}, rng=rng)

    def trained_net(self, folder: str | Path) -> Any:
        """Return the net of the run in a folder, as `trained` does."""
        return self.trained(folder).net

    def trained(self, folder: str | Path) -> Trained:
        """Return the net of the run in a folder, with what is known of it.

        Raises
        ------
        DataError
            If there is no checkpoint, it does not fit this model or another of its kind, or it is not clear which of
            several is meant.
        """
        return trained(self, Path(folder))

    def add_source(self, parser: Parser) -> None:
        """Add the options that name the source of the data."""

    def load(self, args: Namespace) -> tuple[Digits, str]:
        """Return the data in three parts, and their kind, such as ``"mnist"`` or ``"synthetic"``."""
        raise NotImplementedError

    def of_data(self, data: Digits) -> dict[str, Any]:
        """Return what else `new_net` needs, because it depends on the data; a run records it with its options."""
        return {}

    def caution(self, kind: str) -> str:
        """Return a caution about the kind of data for the last line of a run or of predictions, or an empty text."""
        return ""

    def figures(self, run: Any) -> dict[str, Any]:
        """Return the pictures of a finished run by the names of their files."""
        return {}
