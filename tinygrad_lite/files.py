"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp", re.DOTALL)


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
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
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
