"""The net that a run has trained, found by the folder of the run."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_lite import DataError, checkpoint
from tinygrad_lite.data.splits import DIGITS
from tinygrad_lite.support.formatting import columns

from .checkpoints import checkpoint_of, checkpoints_in
from .messages import fitting


class Trained(NamedTuple):
    """A trained net.

    Attributes
    ----------
    net
        The net.
    model
        The model that it is of.
    facts
        What its checkpoint tells of the run, as in ``metrics.json``.
    folder
        The folder of the run.
    kind
        The kind of data it was trained on: ``"mnist"``, ``"synthetic"``, or the path of a folder.
    """

    net: Any
    model: Any
    facts: dict[str, Any]
    folder: Path
    kind: str

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes."""
        return self.facts["config"].get("classes") or DIGITS

    def __str__(self) -> str:
        """Return which net it is, in lines of at most 80 columns."""
        options = "".join(f" --{name.replace('_', '-')} {self.facts['config'][name]}" for name in self.model.options)
        first = f"read by the net in {fitting(str(self.folder), 60, from_start=True)}:"
        second = f"models.{self.model.name}{options}, trained on {fitting(called(self.kind), 40)}"
        return f"{first}{' ' if columns(first + second) < 80 else chr(10)}{second}"


def called(kind: str) -> str:
    """Return the name of a kind of data, for headings: of one's own pictures, that of their folder."""
    return {"mnist": "MNIST", "synthetic": "synthetic digits"}.get(kind) or Path(kind).name or kind


def trained(model: Any, folder: Path) -> Trained:
    """Return the net of the run in a folder: of this model, or of another one of its kind."""
    if not checkpoints_in(folder):
        elsewhere = f" --out {folder}" * (folder != Path(model.out))
        raise DataError(f"{folder} holds no trained net. This trains one: {model.prog}{elsewhere}")
    path = checkpoint_of(folder)
    states, facts = checkpoint.load(path)
    try:
        config = facts["config"]
        model = _named(config.get("model", model.name), model, path)
        net = model.new_net(config).astype(config["dtype"])
        net.load_state_dict(states["net"])
        return Trained(net, model, facts, folder, str(facts["data"]))
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} holds no run of this program ({error}): train a net first") from None


def _named(name: str, model: Any, path: Path) -> Any:
    """Return the model of this name, which must be of the same kind as the given one."""
    if name == model.name:
        return model
    other = None
    if name.isidentifier():
        try:
            other = getattr(importlib.import_module(f"models.{name}"), "MODEL", None)
        except ImportError:
            other = None
    if type(other) is not type(model):
        raise DataError(f"{path} holds a net of models.{name}, which {model.prog} cannot use: give another --out")
    return other
