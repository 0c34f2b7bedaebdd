"""Find the checkpoint of a run in its folder, which may hold files of several formats."""

from __future__ import annotations

import json
from pathlib import Path

from tinygrad_lite import DataError

from .folder import CHECKPOINTS, METRICS


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, of all formats."""
    return [path for name in CHECKPOINTS if (path := folder / name).is_file()]


def checkpoint_of(folder: Path) -> Path:
    """Return the checkpoint of the run in a folder that has one; of several, the one that ``metrics.json`` belongs to.

    Raises
    ------
    DataError
        If there are several, and the metrics do not name one.
    """
    saved = checkpoints_in(folder)
    if len(saved) > 1:
        try:
            recorded = json.loads((folder / METRICS).read_text())["config"]["checkpoint_format"]
        except (OSError, ValueError, LookupError, TypeError):
            recorded = None
        names = " and ".join(path.name for path in saved)
        saved = [path for path in saved if path.suffix == f".{recorded}"]
        if not saved:
            raise DataError(f"{folder} holds {names}, and {METRICS} does not name the one of its run: delete the other")
    return saved[0]
