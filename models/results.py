"""What a training run leaves: its checkpoint, its metrics, its figures."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from models.folder import CHECKPOINTS, FIGURES, METRICS, set_aside
from tinygrad_lite import DataError, checkpoint, nn, optim, plot
from tinygrad_lite.data import Batches, Split
from tinygrad_lite.parallel import World
from tinygrad_lite.support.files import write_atomically

UNLIKE = ("epochs", "checkpoint_format")  # the options that may differ where a run is continued


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, of whatever format."""
    return [path for name in CHECKPOINTS if (path := folder / name).is_file()]


def checkpoint_of(folder: Path) -> Path:
    """Return the checkpoint of the run in a folder: where there are several, the one that its metrics are of.

    Raises
    ------
    DataError
        If there is none, or the metrics do not say which.
    """
    saved = checkpoints_in(folder)
    if not saved:
        raise DataError(f"{folder}: there is no checkpoint here: train a net first")
    if len(saved) > 1:
        try:
            recorded = json.loads((folder / METRICS).read_text())["config"]["checkpoint_format"]
        except (OSError, ValueError, LookupError, TypeError):
            recorded = None
        names = " and ".join(path.name for path in saved)
        saved = [path for path in saved if path.suffix == f".{recorded}"]
        if not saved:
            raise DataError(f"{folder} holds {names}, and {METRICS} does not say which its run wrote: remove the other")
    return saved[0]


class Run:
    """What a run is made of and how far it has come: what its checkpoint holds.

    Parameters
    ----------
    folder : Path
        Where its results go.
    data : str
        What it learns: ``"mnist"`` or ``"synthetic"``.
    config : dict
        Its options: those that a run must share to continue it, and ``epochs``; its format is added.
    net, optimizer, batches
        What changes from step to step.
    suffix : str
        Of the checkpoint: its format.
    every : int, optional
        Steps from one checkpoint to the next within an epoch; there is one at its end in any case.
    is_first : bool
        Whether this process is the one that writes.

    Attributes
    ----------
    checkpoint : Path
        What the run can be continued from.
    metrics : dict
        What ``metrics.json`` will hold: the options, and the history of the epochs that are finished.
    is_saved : bool
        Whether the checkpoint is of this run.
    """

    def __init__(
        self,
        folder: Path,
        data: str,
        config: dict[str, Any],
        net: nn.Module,
        optimizer: optim.Optimizer,
        batches: Batches,
        suffix: str = ".npz",
        every: int | None = None,
        is_first: bool = True,
    ) -> None:
        self.folder, self.checkpoint = folder, folder / f"checkpoint{suffix}"
        self.net, self.optimizer, self.batches = net, optimizer, batches
        self.every, self.is_first, self.is_saved = every, is_first, False
        self.metrics: dict[str, Any] = {
            "data": data,
            "config": {**config, "checkpoint_format": suffix.removeprefix(".")},
            "initial_valid_accuracy": None,
            "history": [],
            "test_accuracy": None,
            "seconds": 0.0,
        }
        self._spent = 0.0  # seconds of the epoch under way, before it was broken off
        self._started = time.perf_counter()

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return len(self.metrics["history"])

    @property
    def position(self) -> int:
        """How many steps of the next epoch are done: 0 where none is under way."""
        return self.batches.state_dict()["position"]

    @property
    def place(self) -> str:
        """How far it has come, in words."""
        return f"step {self.position} of epoch {self.epoch + 1}" if self.position else f"epoch {self.epoch}"

    def begin_epoch(self) -> None:
        """Start the clock."""
        self._started, self._spent = time.perf_counter() - self._spent, 0.0

    def after_step(self) -> None:
        """Save if it is time for it; after the last step of an epoch `finish_epoch` does, with the results."""
        if self.every and self.position and self.position % self.every == 0:
            self.save()

    def finish_epoch(self, **results: float) -> None:
        """Add an epoch to the history, and save."""
        seconds = self._seconds()
        finished = {"epoch": self.epoch + 1, **results, "seconds": seconds}
        self.metrics["history"] = [*self.metrics["history"], finished]
        self.metrics["seconds"] += seconds
        self._started = time.perf_counter()
        self.save()
        self.write_metrics()

    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def save(self) -> None:
        """Write the checkpoint; before the first one, what an earlier run has left here goes aside."""
        if self.is_first:
            if not self.is_saved:
                set_aside(self.folder)
            states = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}
            progress = {"batches": self.batches.state_dict(), "random": self.net.random_state()}
            checkpoint.save(self.checkpoint, states, {**self.metrics, **progress, "spent": self._seconds()})
        self.is_saved = True

    def load(self, world: World) -> bool:
        """Bring everything to where the checkpoint left it, which the first rank reads for all.

        Returns
        -------
        bool
            Whether there is one: there is none where a run was stopped before it first saved.

        Raises
        ------
        DataError
            If it belongs to a run with other options, to one of more epochs, or to no run of this program, or there
            is one of the other format instead.
        """
        found = world.of_first(self._read)
        if found is None:
            return False
        states, facts = found
        try:
            before, now = ({"data": m["data"], **m["config"]} for m in (facts, self.metrics))
            differ = [f"{k} was {before[k]}, not {now[k]}" for k in now if k not in UNLIKE and before[k] != now[k]]
            if not differ:
                self.net.load_state_dict(states["net"])
                self.optimizer.load_state_dict(states.get("optimizer", {}))
                self.net.load_random_state(facts["random"])
                self.batches.load_state_dict(facts["batches"])
                self._spent = facts["spent"]
                self.metrics |= {name: facts[name] for name in self.metrics if name != "config"}
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.checkpoint} holds no run of this program ({error}): run without --resume") from None
        if differ:
            raise DataError(
                f"{self.checkpoint} belongs to a run with other options ({'; '.join(differ)}): give the same ones to "
                "resume it, or no --resume to start anew"
            )
        begun = self.epoch + (self.position > 0)
        if begun > self.metrics["config"]["epochs"]:
            raise DataError(f"{self.checkpoint} is of {self.place} already: give --epochs {begun} or more to resume it")
        self.is_saved = True
        return True

    def _read(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        others = [path for path in checkpoints_in(self.folder) if path != self.checkpoint]
        if others and not self.checkpoint.exists():
            raise DataError(
                f"{self.checkpoint}: there is no such checkpoint, but {others[0].name} beside it: give its "
                "--checkpoint-format to resume it"
            )
        if not (self.checkpoint.exists() or checkpoint.previous(self.checkpoint).exists()):
            return None
        try:
            return checkpoint.load(self.checkpoint)
        except DataError as error:
            raise DataError(f"{error}. Run without --resume to start anew") from None

    def write_metrics(self) -> None:
        """Write ``metrics.json``."""
        if self.is_first:
            text = json.dumps(self.metrics, indent=2, allow_nan=False) + "\n"
            write_atomically(self.folder / METRICS, text.encode())

    def write_figures(self, test: Split, predictions: Any, weights: Any) -> None:
        """Draw the curves, the test digits that were misread, which was taken for which, and the first layer."""
        digits = "MNIST" if self.metrics["data"] == "mnist" else "synthetic digits"
        classes = int(test.labels.max()) + 1
        figures = (
            plot.curves(self.metrics["history"], f"Learning {digits}"),
            plot.mistakes(test.images, test.labels, predictions, f"Test set of {digits}"),
            plot.confusion(test.labels, predictions, classes, f"Test set of {digits}"),
            plot.weights(weights, f"First layer, trained on {digits}"),
        )
        for name, figure in zip(FIGURES, figures, strict=True):
            plot.save(figure, self.folder / f"{name}.png")
