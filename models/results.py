"""What a training run leaves: its checkpoint, its metrics, its figures."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tinygrad_lite import DataError, checkpoint, nn, optim, plot
from tinygrad_lite.data import Batches, Split
from tinygrad_lite.files import write_atomically
from tinygrad_lite.parallel import World


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints of runs in a folder, of whatever format, the latest first."""
    found = [path for suffix in checkpoint.FORMATS if (path := folder / f"checkpoint{suffix}").is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


class Run:
    """What a run is made of and how far it has come: what its checkpoint holds.

    Parameters
    ----------
    folder : Path
        Where its results go.
    data : str
        What it learns: ``"mnist"`` or ``"synthetic"``.
    config : dict
        Its options: those that a run must share to continue it, and ``epochs``.
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
            "config": config,
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
        """Write the checkpoint."""
        if self.is_first:
            states = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}
            progress = {"batches": self.batches.state_dict(), "random": self.net.random_state()}
            checkpoint.save(self.checkpoint, states, {**self.metrics, **progress, "spent": self._seconds()})
        self.is_saved = True

    def load(self, world: World) -> None:
        """Bring everything to where the checkpoint left it, which the first rank reads for all.

        Raises
        ------
        DataError
            If there is none, or it belongs to a run with other options, to one of more epochs, or to no run of this
            program.
        """
        states, facts = world.of_first(self._read)
        try:
            before, now = ({"data": m["data"], **m["config"]} for m in (facts, self.metrics))
            differ = [f"{k} was {before[k]}, not {now[k]}" for k in now if k != "epochs" and before[k] != now[k]]
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
                "resume it"
            )
        begun = self.epoch + (self.position > 0)
        if begun > self.metrics["config"]["epochs"]:
            raise DataError(f"{self.checkpoint} is of {self.place} already: give --epochs {begun} or more to resume it")
        self.is_saved = True

    def _read(self) -> tuple[dict[str, Any], dict[str, Any]]:
        others = [path for path in checkpoints_in(self.folder) if path != self.checkpoint]
        if others and not self.checkpoint.exists():
            raise DataError(
                f"{self.checkpoint}: there is no such checkpoint, but {others[0].name} beside it: give its "
                "--checkpoint-format to resume it"
            )
        try:
            return checkpoint.load(self.checkpoint)
        except DataError as error:
            raise DataError(f"{error}. Run without --resume to start anew") from None

    def write_metrics(self) -> None:
        """Write ``metrics.json``."""
        if self.is_first:
            text = json.dumps(self.metrics, indent=2, allow_nan=False) + "\n"
            write_atomically(self.folder / "metrics.json", text.encode())

    def write_figures(self, test: Split, predictions: Any, weights: Any) -> None:
        """Draw the curves, the test digits that were misread, which was taken for which, and the first layer."""
        digits = "MNIST" if self.metrics["data"] == "mnist" else "synthetic digits"
        classes = int(test.labels.max()) + 1
        figures = {
            "curves": plot.curves(self.metrics["history"], f"Learning {digits}"),
            "mistakes": plot.mistakes(test.images, test.labels, predictions, f"Test set of {digits}"),
            "confusion": plot.confusion(test.labels, predictions, classes, f"Test set of {digits}"),
            "weights": plot.weights(weights, f"First layer, trained on {digits}"),
        }
        for name, figure in figures.items():
            plot.save(figure, self.folder / f"{name}.png")
