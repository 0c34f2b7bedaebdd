"""Where an instruction comes from: read off the calls that are under way while it is recorded."""

from __future__ import annotations

from typing import NamedTuple

from ..engine import Node, sweep
from ..nn import Module
from ..optim import Optimizer
from ..support.call_stack import frames
from ..tensor import Tensor, apply


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
