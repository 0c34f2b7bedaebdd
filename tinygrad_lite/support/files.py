"""Files that appear whole or not at all, and files from strangers: read within limits, and never waited for."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from pathlib import Path

from ..errors import DataError

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp", re.DOTALL)
RAISE_LIMIT = "If it is to be read, pass a larger max_bytes."


def file_error(path: str | os.PathLike[str], expected: str, found: str, remedy: str) -> DataError:
    """Return the error for a bad file: which file, what was expected, what was found, what to do."""
    return DataError(f"{os.fspath(path)}: expected {expected}, found {found}. {remedy}")


def as_path(path: str | bytes | os.PathLike[str]) -> Path:
    r"""Return a path such as the system takes one.

    Raises
    ------
    DataError
        If it holds a ``\0``, at which the system would cut it, or what the system cannot encode.
    """
    name = os.fsdecode(path)
    with contextlib.suppress(UnicodeEncodeError):
        if b"\0" not in os.fsencode(name):
            return Path(name)
    raise DataError(f"{name!r} is no path: it holds a character that no name of a file has. Write it anew")


def read_file(path: str | bytes | os.PathLike[str], max_bytes: int, remedy: str = RAISE_LIMIT) -> bytes:
    """Return the bytes of a file, in which alone is no danger: of its size, which is known, and on a disk.

    Parameters
    ----------
    path : path-like
        The file. What never ends or may not even begin, such as a device or a named pipe, is none.
    max_bytes : int
        The largest size that is read.
    remedy : str, optional
        What to do about a larger one.

    Raises
    ------
    DataError
        If there is none, or it cannot be read, or is larger, or changes meanwhile.
    """
    path = as_path(path)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                remedy = "Save what it gives as a file, and name that."
                raise file_error(path, "a file", "a device or a pipe, which may never end", remedy)
            if status.st_size > max_bytes:
                raise too_large(path, max_bytes, f"{status.st_size:,}", remedy)
            content = file.read(status.st_size + 1)
    except OSError as error:
        found = error.strerror or str(error)
        raise file_error(path, "a readable file", found, "Check the path and its permissions.") from error
    except MemoryError as error:
        found = f"one of {status.st_size:,} bytes"
        raise file_error(path, "a file that fits into memory", found, "Free some memory.") from error
    if content is None or len(content) != status.st_size:
        found = "one whose size changes while it is read"
        raise file_error(path, "a whole file", found, "Wait until it is written, and read it then.")
    return content


def too_large(path: str | os.PathLike[str], max_bytes: int, found: str, remedy: str = RAISE_LIMIT) -> DataError:
    """Return the error for a file that holds more than is read."""
    return file_error(path, f"at most {max_bytes:,} bytes", found, remedy)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, not waiting for who may write into it if it is a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def write_atomically(path: str | os.PathLike[str], content: bytes, kept: str | os.PathLike[str] | None = None) -> None:
    """Write a file so that a reader sees the old one or the new one, whole.

    The content goes to a temporary file beside it, is synced to the disk, and takes the name in one step. This holds
    at every moment, also if the process is killed; what it leaves behind then, `remove_unfinished` removes.

    Parameters
    ----------
    path : path-like
        The file, replaced if it exists; its folder must exist.
    content : bytes
        All of it.
    kept : path-like, optional
        The name in the same folder that the file which is replaced, if any, takes, whole at every moment too.

    Raises
    ------
    OSError
        If it cannot be written; it names the file. What stood there before is left alone, and no temporary file stays.
    DataError
        If the path is none.
    """
    path = as_path(path)
    temporary = _temporary(path)
    try:
        if path.exists() and not path.is_file():
            raise FileExistsError(errno.EEXIST, "What is there is not a file that could be replaced")
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if kept is not None and path.exists():
            _keep(path, Path(kept))
        temporary.replace(path)
    except OSError as error:
        # It is about the temporary file, of which no one knows, or about none.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        # Nothing may hide what went wrong; where the folder has become read-only, the file stays.
        with contextlib.suppress(OSError):
            temporary.unlink()
    _sync_folder(path.parent)


def remove_unfinished(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed writers left in a folder, and nothing else.

    Parameters
    ----------
    folder : path-like
        No one else may be writing to it.

    Raises
    ------
    OSError
        If the folder cannot be read, or such a file not be removed.
    """
    for path in Path(folder).iterdir():
        if TEMPORARY.fullmatch(path.name) and not path.is_dir():
            path.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _keep(path: Path, kept: Path) -> None:
    """Let a file have a second name in place of what had it."""
    temporary = _temporary(kept)
    try:
        os.link(path, temporary)
        temporary.replace(kept)
    except OSError:
        # Not every file system has hard links.
        write_atomically(kept, path.read_bytes())
    finally:
        # Renaming one name of a file to another of it does nothing, so that the first one is still there.
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Let what was renamed in a folder survive a power cut, where the system can sync folders."""
    # If not, the old file may be back after the power cut, as whole as the new one.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
