"""One run at a time in a folder: a lock that ends with its process."""

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
    """Keep all other runs out of a folder, which is made if need be, and undo what a killed run has left half done.

    The lock is the operating system's, so it ends with the process, however that ends.

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
        put_back(folder)
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
