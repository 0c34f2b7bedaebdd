"""The folder of a run's results: one run at a time writes there, and what a new one replaces is kept beside it."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

from tinygrad_lite import checkpoint
from tinygrad_lite.support.files import remove_unfinished

METRICS, FIGURES = "metrics.json", ("curves", "mistakes", "confusion", "weights")
CHECKPOINTS = [f"checkpoint{suffix}" for suffix in checkpoint.FORMATS]
RESULTS = [
    METRICS,
    *(f"{name}.png" for name in FIGURES),
    *(str(name) for saved in CHECKPOINTS for name in (saved, checkpoint.previous(saved))),
]
LOCK, LEAVING = ".lock", ".replaced"


@contextlib.contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keep all other runs out of a folder, which is made if need be, and clear what a killed run has left half done.

    The lock is the system's, so that it ends with the process, however that ends.

    Raises
    ------
    OSError
        If the folder can't be made or written to, or another run is at work there; it says who.
    """
    is_new = not os.path.lexists(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder / LOCK)
    except BlockingIOError:
        raise
    except OSError as error:
        raise OSError(
            f"cannot write to the folder '{folder}' ({error.strerror}): give --out a folder that you may write to"
        ) from None
    try:
        remove_unfinished(folder)
        _put_back(folder)
        yield
    finally:
        _unlock(folder / LOCK, lock)
        if is_new:
            with contextlib.suppress(OSError):  # where there are results
                folder.rmdir()


def _locked(path: Path) -> int:
    """Return the descriptor of a file that no one else has locked."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(lock)
        except OSError as error:
            os.close(lock)
            if not isinstance(error, (BlockingIOError, PermissionError)):
                raise  # not every file system has locks
            holder = "another process"
            with contextlib.suppress(OSError):  # where it has come to its end in between
                holder = path.read_text(errors="replace") or holder
            raise BlockingIOError(
                f"{path.parent} belongs to a run that is still going on, {holder}: wait for its end, or give another "
                "--out"
            ) from None
        # Who had it before may have removed the file in between.
        if path.exists() and os.path.samestat(path.stat(), os.fstat(lock)):
            break
        os.close(lock)
    os.truncate(lock, 0)
    os.write(lock, f"process {os.getpid()} on {platform.node()}, since {datetime.now():%Y-%m-%d %H:%M:%S}".encode())
    return lock


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # past the text, which others read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(path: Path, descriptor: int) -> None:
    # First the name, so that no one locks a file that is about to go; Windows does not remove an open file.
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            path.unlink()


def results_in(folder: Path) -> list[Path]:
    """Return the files that a run has left in a folder."""
    return [path for name in RESULTS if (path := folder / name).is_file()]


def place_beside(folder: Path) -> Path:
    """Return where the results go that a new run replaces: ``runs/mnist.1``, or the next number that is free.

    Raises
    ------
    OSError
        If they could not go there.
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
            f"the run in {folder} cannot be kept as {place} ({error.strerror}): give another --out, or --resume"
        ) from None
    return place


def set_aside(folder: Path) -> None:
    """Move what a run has left to a place beside its folder: all of it, or, if the process is killed, nothing."""
    results = results_in(folder)
    if not results:
        return
    place, leaving = place_beside(folder), folder / LEAVING
    leaving.mkdir()
    for path in results:
        path.rename(leaving / path.name)
    leaving.rename(place)


def _put_back(folder: Path) -> None:
    """Undo what `set_aside` had begun when it was killed."""
    leaving = folder / LEAVING
    if leaving.is_dir():
        for path in leaving.iterdir():
            path.replace(folder / path.name)
        leaving.rmdir()
