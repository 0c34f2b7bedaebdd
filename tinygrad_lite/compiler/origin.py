"""Where an instruction comes from: the steps that are under way while it is recorded."""

from __future__ import annotations

from typing import NamedTuple

from ..engine import Node
from ..support.observer import DERIVATIVE, MODULE, RULE, UPDATE, under_way
from ..tensor import Tensor


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
    for step in under_way():
        if step.kind == UPDATE:
            phase, parameter = "update", step.of
        elif step.kind == DERIVATIVE and not phase:
            phase, derivative_of = "backward", step.of
        elif step.kind == MODULE and not phase:
            phase = "forward"
        elif step.kind == RULE and not rule:
            rule = step.of.name
    return Origin(phase, rule, derivative_of, parameter)
