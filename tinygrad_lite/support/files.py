"""Safe reading and writing of files.

A killed process must not leave half a checkpoint: `write_atomically` replaces a file in one step. A stranger's file
must not fill the memory or block the process: `read_file` has a size limit and refuses devices and pipes.

    write_atomically("net.bin", content)
    content = read_file("net.bin", max_bytes=1_000_000)
"""

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
RAISE_LIMIT = "To read it anyway, pass a larger max_bytes."


def file_error(path: str | os.PathLike[str], expected: str, found: str, remedy: str) -> DataError:
    """Return the error for a bad file: it names the file, what was expected, what was found, and what to do."""
    return DataError(f"{os.fspath(path)}: expected {expected}, found {found}. {remedy}")


def as_path(path: str | bytes | os.PathLike[str]) -> Path:
    r"""Return a path as a `Path`, after the check that the operating system can take it.

    Raises
    ------
    DataError
        If it holds a ``\0``, at which the system would cut it, or a character that the system cannot encode.
    """
    name = os.fsdecode(path)
    with contextlib.suppress(UnicodeEncodeError):
        if b"\0" not in os.fsencode(name):
            return Path(name)
    raise DataError(f"{name!r} is not a path: it holds a character that no file name can have. Leave it out")


def read_file(path: str | bytes | os.PathLike[str], max_bytes: int, remedy: str = RAISE_LIMIT) -> bytes:
    """Return the bytes of a regular file: reading one ends, and cannot take more than a known size.

    Parameters
    ----------
    path : path-like
        The file. A device or a named pipe is refused: it may never end, or never begin.
    max_bytes : int
        The size limit.
    remedy : str, optional
        The advice in the error about a larger file.

    Raises
    ------
    DataError
        If the file does not exist, cannot be read, is larger than the limit, or changes its size during the read.
    """
    path = as_path(path)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                remedy = "Save its content as a file, and name that file."
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
    """Return the error for a file above the size limit."""
    return file_error(path, f"at most {max_bytes:,} bytes", found, remedy)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without blocking: to open a pipe otherwise waits for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def write_atomically(path: str | os.PathLike[str], content: bytes, kept: str | os.PathLike[str] | None = None) -> None:
    """Write a file atomically: a reader sees either the whole old file or the whole new one.

    The content goes to a temporary file in the same folder, is synced to the disk, and is renamed in one step. So a
    process that is killed at any moment leaves a whole file; `remove_unfinished` removes its temporary file.

    Parameters
    ----------
    path : path-like
        The file. An existing one is replaced; the folder must exist.
    content : bytes
        The whole content.
    kept : path-like, optional
        A second path in the same folder, under which the replaced file is kept. It too names a whole file at every
        moment.

    Raises
    ------
    OSError
        If the file cannot be written; the error names ``path``. The old file stays, and the temporary file is removed.
    DataError
        If the path is not valid.
    """
    path = as_path(path)
    temporary = _temporary(path)
    try:
        if path.exists() and not path.is_file():
            raise FileExistsError(errno.EEXIST, "The path is not that of a file, so it cannot be replaced")
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if kept is not None and path.exists():
            _keep(path, Path(kept))
        temporary.replace(path)
    except OSError as error:
        # The OSError names the temporary file, or no file at all; report the user's path.
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        # A failed removal, as in a folder that became read-only, must not hide the first error.
        with contextlib.suppress(OSError):
            temporary.unlink()
    _sync_folder(path.parent)


def remove_unfinished(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed writers left in a folder, and nothing else.

    Parameters
    ----------
    folder : path-like
        The folder. No other process may write to it meanwhile.

    Raises
    ------
    OSError
        If the folder cannot be read, or a temporary file cannot be removed.
    """
    for path in Path(folder).iterdir():
        if TEMPORARY.fullmatch(path.name) and not path.is_dir():
            path.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _keep(path: Path, kept: Path) -> None:
    """Give a file a second name, and replace the file that had that name."""
    temporary = _temporary(kept)
    try:
        os.link(path, temporary)
        temporary.replace(kept)
    except OSError:
        # Not every file system has hard links: write a copy instead.
        write_atomically(kept, path.read_bytes())
    finally:
        # If both names already were the same file, the rename did nothing, and the temporary name is still there.
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Sync a folder, if the system can, so that a rename in it survives a power cut."""
    # Without the sync the old file may return after a power cut; it is whole too.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
