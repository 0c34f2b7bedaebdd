"""The call stack: the calls in progress, and the user's line among them.

An error or warning about a formula helps most when it names the user's line, not the library's line that found it.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

OURS = __name__.partition(".")[0]


def frames(frame: FrameType | None = None) -> Iterator[FrameType]:
    """Yield the frames of the calls in progress, innermost first, from the given frame or the caller's."""
    frame = frame or sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def is_library(module: str | None) -> bool:
    """Return True for a module of the standard library, of an installed package, or of this library."""
    root = (module or "").partition(".")[0]
    if root == OURS or (root in sys.stdlib_module_names and root != "__main__"):
        return True
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def is_users(frame: FrameType) -> bool:
    """Return True for a frame of the user's code."""
    module = frame.f_globals.get("__name__")
    # Generated code, such as that of named tuples, belongs to no module.
    return module in sys.modules and not is_library(module)


def frames_to_user() -> int:
    """Return the stacklevel with which a warning by the caller points to the line that called this package."""
    level = 0
    for frame in frames():
        if not f"{frame.f_globals.get('__name__')}.".startswith(f"{OURS}."):
            break
        level += 1
    return level


def users_line() -> str | None:
    """Return the user's innermost line in progress, as file, number and text; None if there is none."""
    for frame in frames():
        file, number = frame.f_code.co_filename, frame.f_lineno
        if is_users(frame):
            text = linecache.getline(file, number).strip()
            return f"{Path(file).name}, line {number}" + (f", {text!r}" if text else "")
    return None
