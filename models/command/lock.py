"""A lock on the folder of a run: two runs in one folder would overwrite each other's files."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tinygrad_lite.support.files import remove_unfinished

from .folder import put_back

LOCK = ".lock"


@contextlib.contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Lock a folder against other runs; create it if necessary; clean up after a killed run.

    The operating system holds the lock, and releases it when the process ends, even if it is killed.

    Raises
    ------
    OSError
        If the folder cannot be created or written to, or another run has locked it. The message names that run.
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
        put_back(folder)
        yield
    finally:
        _unlock(folder / LOCK, lock)
        if is_new:
            with contextlib.suppress(OSError):  # a folder with results stays
                folder.rmdir()


def _locked(path: Path) -> int:
    """Lock a file, and return its descriptor."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(lock)
        except OSError as error:
            os.close(lock)
            if not isinstance(error, (BlockingIOError, PermissionError)):
                raise  # for example on a file system without locks
            holder = "another process"
            with contextlib.suppress(OSError):  # the run may have ended and removed the file since
                holder = path.read_text(errors="replace") or holder
            raise BlockingIOError(
                f"another run is still writing to {path.parent}, {holder}: wait until it ends, or give another --out"
            ) from None
        # The run before may have removed the file after it was opened here: then lock the new file.
        if path.exists() and os.path.samestat(path.stat(), os.fstat(lock)):
            break
        os.close(lock)
    os.truncate(lock, 0)
    os.write(lock, f"process {os.getpid()} on {platform.node()}, since {datetime.now():%Y-%m-%d %H:%M:%S}".encode())
    return lock


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # beyond the text, which other processes must be able to read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _unlock(path: Path, descriptor: int) -> None:
    # Unlink before closing, so that no run locks a file that is about to vanish. Windows cannot unlink an open file.
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            path.unlink()
