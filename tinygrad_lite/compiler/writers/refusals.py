"""What a writer cannot say is refused by name: the operation, the user's line, and what to write instead."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from ... import rules
from ..program import Instruction
from .batched import Batched, ExportError


class Refused(Exception):
    """The reason why a primitive cannot be written in another format."""


DRAWS = Refused("it draws random numbers: draw outside of the model, or in training mode alone")


def refuse(program: Batched, instruction: Instruction, where: str, reason: object, remedy: str = "") -> NoReturn:
    """Raise an error that names an instruction without a counterpart in a format, and the user's line.

    ``remedy`` says what to do for a rule of the user's own, ``{rule}``.
    """
    name, (line, rule, _) = instruction.primitive.name, program.origins[instruction.result]
    error = ExportError(f"{line}: {'np.' * hasattr(np, name)}{name} cannot be written {where}: {reason}")
    if remedy and rule and not rules.get(rule).is_built_in:
        error.add_note(f"in the forward expression of the rule {rule!r}. {remedy.format(rule=rule)}")
    raise error
