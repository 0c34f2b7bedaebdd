"""The checkpoint of a run, from which it can resume, and its metrics."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import tinygrad_lite as tg
from tinygrad_lite import nn, optim
from tinygrad_lite.data import Batches
from tinygrad_lite.parallel import ALONE, World
from tinygrad_lite.support.files import write_atomically

from .folder import METRICS, set_aside


class Record:
    """The progress of a run: the content of its checkpoint and of its metrics.

    Parameters
    ----------
    checkpoint : Path
        The file of the checkpoint, in the folder of the results. Its suffix selects the format.
    data : str
        The kind of the data, such as ``"mnist"`` or ``"synthetic"``.
    config : dict
        The options that must be equal to resume the run, and ``epochs``. The format of the checkpoint is added.
    net, optimizer, batches
        The objects whose states change from step to step.
    every : int, optional
        The number of steps between checkpoints within an epoch. Each epoch also ends with a checkpoint.
    world : World
        The ranks that train together. The first one writes the files.

    Attributes
    ----------
    metrics : dict
        The content of ``metrics.json``, such as the options, and the history of the finished epochs.
    is_saved : bool
        True once the checkpoint is of this run, not of an earlier one.
    spent : float
        The seconds that the current epoch took before the run was interrupted.
    """

    def __init__(
        self,
        checkpoint: Path,
        data: str,
        config: dict[str, Any],
        net: nn.Module,
        optimizer: optim.Optimizer,
        batches: Batches,
        every: int | None = None,
        world: World = ALONE,
    ) -> None:
        self.folder, self.checkpoint = checkpoint.parent, checkpoint
        self.net, self.optimizer, self.batches = net, optimizer, batches
        self.every, self.world, self.is_saved = every, world, False
        self.metrics: dict[str, Any] = {
            "data": data,
            "config": {**config, "checkpoint_format": checkpoint.suffix.removeprefix(".")},
            "initial_valid_accuracy": None,
            "history": [],
            "test_accuracy": None,
            "seconds": 0.0,
        }
        self.spent = 0.0
        self._started = time.perf_counter()

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.metrics["history"])

    @property
    def position(self) -> int:
        """The number of finished steps in the current epoch; 0 between epochs."""
        return self.batches.state_dict()["position"]

    @property
    def place(self) -> str:
        """The progress, in words."""
        return f"step {self.position} of epoch {self.epoch + 1}" if self.position else f"epoch {self.epoch}"

    def begin_epoch(self) -> None:
        """Start the clock of an epoch, with the time that it took before an interruption."""
        self._started, self.spent = time.perf_counter() - self.spent, 0.0

    def after_step(self) -> None:
        """Save after every ``every`` steps, except after the last one of an epoch: `finish_epoch` saves then."""
        if self.every and self.position and self.position % self.every == 0:
            self.save()

    def finish_epoch(self, **results: float) -> None:
        """Add an epoch to the history, and save."""
        seconds = time.perf_counter() - self._started
        self.metrics["history"] = [*self.metrics["history"], {"epoch": self.epoch + 1, **results, "seconds": seconds}]
        self.metrics["seconds"] += seconds
        self._started = time.perf_counter()
        self.save()
        self.write_metrics()

    def save(self) -> None:
        """Write the checkpoint. The first time, move the files of an earlier run aside."""
        if self.world.is_first:
            if not self.is_saved:
                set_aside(self.folder)
            states = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}
            progress = {"batches": self.batches.state_dict(), "random": self.net.random_state()}
            spent = time.perf_counter() - self._started
            tg.checkpoint.save(self.checkpoint, states, {**self.metrics, **progress, "spent": spent})
        self.is_saved = True

    def write_metrics(self) -> None:
        """Write ``metrics.json``."""
        if self.world.is_first:
            text = json.dumps(self.metrics, indent=2, allow_nan=False)
            write_atomically(self.folder / METRICS, f"{text}\n".encode())
