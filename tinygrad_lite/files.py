"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whole.

    The content goes to a temporary file beside it, is synced to the disk, and takes the name in one step.

    Parameters
    ----------
    path : path-like
        The file, replaced if it exists; its folder must exist.
    content : bytes
        All of it.

    Raises
    ------
    OSError
        If it cannot be written. What stood there before is left alone, and no temporary file stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
