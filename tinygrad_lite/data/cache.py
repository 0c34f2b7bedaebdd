"""The folder where downloaded and rendered data sets are kept, so that later runs need not make them again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    r"""Return the user's cache folder for this library, at the usual place of the platform.

    Returns
    -------
    Path
        ``$XDG_CACHE_HOME/tinygrad_lite`` (by default ``~/.cache/tinygrad_lite``) on Linux,
        ``~/Library/Caches/tinygrad_lite`` on macOS, ``%LOCALAPPDATA%\tinygrad_lite`` on Windows.
        The folder need not exist yet.
    """
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tinygrad_lite"
