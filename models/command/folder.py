"""The files of a run in its folder. A new run does not delete old ones: it moves them to a folder beside it."""

from __future__ import annotations

import contextlib
import os
from itertools import count
from pathlib import Path

from tinygrad_lite import checkpoint

METRICS, PAGE, FIGURES = "metrics.json", "draw.html", ("curves", "mistakes", "confusion", "weights", "features")
CHECKPOINTS = [f"checkpoint{suffix}" for suffix in checkpoint.FORMATS]
SWEEP, RUNS = ("sweep.json", "sweep.png"), "lr-*"  # the results of a sweep, and the folders of its runs
RESULTS = [
    METRICS,
    PAGE,
    *SWEEP,
    *(f"{name}.png" for name in FIGURES),
    *(str(name) for saved in CHECKPOINTS for name in (saved, checkpoint.previous(saved))),
]
LEAVING = ".replaced"


def results_in(folder: Path) -> list[Path]:
    """Return the files of a run in a folder, and the folders of the runs of a sweep."""
    files = [path for name in RESULTS if (path := folder / name).is_file()]
    return [*files, *(path for path in folder.glob(RUNS) if results_in(path))]


def place_beside(folder: Path) -> Path:
    """Return the folder for results that a new run replaces: ``runs/mnist.1``, or the next free number.

    Raises
    ------
    OSError
        If a trial shows that the results could not be moved there.
    """
    named = folder.resolve() if folder.name in ("", "..") else folder
    numbered = (named.with_name(f"{named.name}.{number}") for number in count(1))
    place = next(path for path in numbered if not os.path.lexists(path))
    trial = folder / LEAVING
    try:
        trial.mkdir()
        trial.rename(place)
        place.rmdir()
    except OSError as error:
        with contextlib.suppress(OSError):
            trial.rmdir()
        raise OSError(
            f"the earlier run in {folder} cannot be moved to {place} ({error.strerror}): give another --out, or "
            "--resume"
        ) from None
    return place


def set_aside(folder: Path) -> None:
    """Move the files of a run to a folder beside its own. `put_back` undoes it if the process is killed."""
    results = results_in(folder)
    if not results:
        return
    place, leaving = place_beside(folder), folder / LEAVING
    leaving.mkdir()
    for path in results:
        path.rename(leaving / path.name)
    leaving.rename(place)


def put_back(folder: Path) -> None:
    """Move files back that a killed `set_aside` had begun to move."""
    leaving = folder / LEAVING
    if leaving.is_dir():
        for path in leaving.iterdir():
            path.replace(folder / path.name)
        leaving.rmdir()
