"""What a run leaves, and can be resumed from: its metrics, and its checkpoint."""

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
    """How far a run has come: what its checkpoint and its metrics hold.

    Parameters
    ----------
    checkpoint : Path
        Its file, in the folder of the results; the suffix says in which format.
    data : str
        What the run learns, such as ``"mnist"`` or ``"synthetic"``.
    config : dict
        The options that a run must share to be resumed, and ``epochs``; the checkpoint's format is added.
    net, optimizer, batches
        What changes from step to step.
    every : int, optional
        Steps from one checkpoint to the next within an epoch; in any case there is one at its end.
    world : World
        The ranks that train; the first one writes.

    Attributes
    ----------
    metrics : dict
        What ``metrics.json`` will hold: the options, and the history of the epochs that are finished.
    is_saved : bool
        Whether the checkpoint is of this run.
    spent : float
        The seconds of the epoch under way, before the run was interrupted.
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
        self._started, self.spent = time.perf_counter() - self.spent, 0.0

    def after_step(self) -> None:
        """Save if it is time for it; after the last step of an epoch `finish_epoch` does, with the results."""
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
        """Write the checkpoint; before the first one, what an earlier run has left here goes aside."""
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
