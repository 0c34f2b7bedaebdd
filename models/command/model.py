"""What a model tells its command: its net, how that is trained and judged, its data, its own options."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tinygrad_lite import DataError, checkpoint, nn
from tinygrad_lite.data import Digits, Split

from .checkpoints import checkpoint_of
from .parsing import Parser


@dataclass
class Model:
    """A model that a command trains. Its data are described by a subclass, such as `models.command.DigitReader`.

    Parameters
    ----------
    name : str
        That of its module: ``"mnist"`` for ``python -m models.mnist``.
    description : str or None
        The module's docstring, for ``--help``.
    net : callable
        ``net(rng=seed, **options)`` returns a new net.
    learn : callable
        ``learn(net, optimizer, run)`` trains it: it goes through ``run.epochs()``.
    evaluate : callable
        ``evaluate(net, split)`` returns the loss and the accuracy, as means over the samples of a `Split`.
    epochs, batch_size : int
        What is used if no option says otherwise.
    lr : dict of float
        The learning rates, by optimizer: of ``"sgd"``, ``"adam"`` or both. The first one is the default.
    options : dict of dict
        The model's own options: for each argument of ``net`` what `argparse` is told about it.
    targets : callable
        Turns all training labels into what a step is given.
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
    targets: Callable[[Any], Any] = lambda labels: labels

    sample: ClassVar[str] = "sample"  # what one is called
    # What may stand in place of options, with the function that gets the arguments behind it; and a line of help.
    commands: ClassVar[Mapping[str, Callable[[Any, list[str]], int]]] = {}
    epilog: ClassVar[str] = ""

    @property
    def prog(self) -> str:
        """The command, as it is typed."""
        return f"python -m models.{self.name}"

    @property
    def out(self) -> str:
        """The folder of its results, if no option says otherwise."""
        return f"runs/{self.name}"

    def new_net(self, options: Mapping[str, Any], rng: int | None = None) -> Any:
        """Return a net made with the values of the model's own options, among others."""
        return self.net(**{name: options[name] for name in self.options}, rng=rng)

    def trained_net(self, folder: Path) -> Any:
        """Return the net of the run in a folder, as `trained` does."""
        return self.trained(folder)[0]

    def trained(self, folder: Path) -> tuple[Any, str]:
        """Return the net of the run in a folder, and what it has learned from, such as ``"mnist"``.

        Raises
        ------
        DataError
            If there is none, it is of no run of this program, or it is not clear which one is meant.
        """
        path = checkpoint_of(folder)
        states, facts = checkpoint.load(path)
        try:
            net = self.new_net(facts["config"]).astype(facts["config"]["dtype"])
            net.load_state_dict(states["net"])
            return net, facts["data"]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} holds no run of this program ({error}): train a net first") from None

    def add_source(self, parser: Parser) -> None:
        """Add the options that say where the data come from."""

    def load(self, args: Namespace) -> tuple[Digits, str]:
        """Return the three parts of the data, and what they are, such as ``"mnist"`` or ``"synthetic"``."""
        raise NotImplementedError

    def caution(self, kind: str) -> str:
        """Return what one should know of a net that has learned from such data, as a last line; empty if nothing."""
        return ""

    def figures(self, run: Any) -> dict[str, Any]:
        """Return the pictures of a run that has ended, by the name of their file."""
        return {}
