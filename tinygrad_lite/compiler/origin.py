"""The origin of an instruction: the phase, rule, derivative and parameter that it is recorded for.

A program is written in phases, and its variables are named after rules and derivatives; both follow from the steps of
the library that are under way when an instruction is recorded.
"""

from __future__ import annotations

from typing import NamedTuple

from ..engine import Node
from ..support.observer import DERIVATIVE, MODULE, RULE, UPDATE, under_way
from ..tensor import Tensor


class Origin(NamedTuple):
    """The origin of one instruction.

    Attributes
    ----------
    phase : str
        The phase; empty if it must follow from the position among the other instructions.
    rule : str
        The name of the rule it belongs to, if any.
    derivative_of : Node or None
        The node whose derivative it helps to compute.
    parameter : Tensor or None
        The parameter it helps to update.
    """

    phase: str
    rule: str
    derivative_of: Node | None
    parameter: Tensor | None


def origin() -> Origin:
    """Return the origin of the instruction that is being recorded."""
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
