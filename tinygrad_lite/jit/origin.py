"""Where an instruction comes from: read off the calls that are under way while it is recorded."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from ..engine import Node, sweep
from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor, apply

OURS = __name__.partition(".")[0]


def frames() -> Iterator[FrameType]:
    """Yield the frames of the calls under way, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


class Origin(NamedTuple):
    """Where an instruction belongs.

    Attributes
    ----------
    phase : str
        The phase; empty where it is for its place among the others to say.
    rule : str
        The name of the rule it belongs to, if any.
    derivative_of : Node or None
        What its result is a part of a derivative of.
    parameter : Tensor or None
        What it helps to update.
    """

    phase: str
    rule: str
    derivative_of: Node | None
    parameter: Tensor | None


def origin() -> Origin:
    """Return where the instruction that is being recorded belongs."""
    phase = rule = ""
    derivative_of = parameter = None
    for frame in frames():
        code = frame.f_code
        if code is Optimizer.step.__code__:
            phase, parameter = "update", frame.f_locals.get("p")
        elif code is sweep.__code__ and not phase:
            phase, derivative_of = "backward", frame.f_locals.get("x")
        elif code is Tensor.backward.__code__ and not phase:
            phase, derivative_of = "backward", frame.f_locals.get("leaf")
        elif code is Module.__call__.__code__ and not phase:
            phase = "forward"
        elif code is apply.__code__ and not rule:
            rule = frame.f_locals["rule"].name
    return Origin(phase, rule, derivative_of, parameter)


def is_library(module: str | None) -> bool:
    """Return whether a module is no one's own code: of the standard library, an installed package, or this one."""
    root = (module or "").partition(".")[0]
    if root == OURS or (root in sys.stdlib_module_names and root != "__main__"):
        return True
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def is_users(frame: FrameType) -> bool:
    """Return whether a frame is of the user's code."""
    module = frame.f_globals.get("__name__")
    # What named tuples and the like are generated from is in no module.
    return module in sys.modules and not is_library(module)


def users_line() -> str:
    """Return the user's line that is being executed, as file, number and text."""
    for frame in frames():
        file, number = frame.f_code.co_filename, frame.f_lineno
        if is_users(frame):
            text = linecache.getline(file, number).strip()
            return f"{Path(file).name}, line {number}" + (f", {text!r}" if text else "")
    return "in a jitted function"
