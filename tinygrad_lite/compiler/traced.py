"""The base of all tracers: each stands for a value, and for the variable that holds it in the program.

A recording runs the function on the values, and writes its instructions with the variables.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from operator import attrgetter
from typing import Any, Self

import numpy as np

from ..engine import Node
from ..support.devices import is_array, to_device
from .program import Variable


class Traced:
    """Stands for a value during a recording.

    Attributes
    ----------
    recorder : Recorder
        The recorder of the program.
    variable : Variable
        The variable of the program that holds the present value.
    value : object
        The present value.
    roots : frozenset of Variable or None
        For a number, the inputs it was computed from; None if these are not all numbers.
    """

    def __init__(self, recorder: Any, variable: Variable, value: Any, roots: frozenset[Variable] | None = None) -> None:
        self.recorder, self.variable, self.value, self.roots = recorder, variable, value, roots

    __class__ = property(attrgetter("value.__class__"))

    def current(self) -> Self:
        """Return this tracer, or refuse if its value may not be read."""
        return self


def variable_of(x: Any) -> Variable | None:
    """Return the variable of a tracer, or of a Tensor whose data is one; None for anything else."""
    traced = x._data if isinstance(x, Node) else x
    return traced.variable if isinstance(traced, Traced) else None


def tracers_in(x: Any) -> Iterator[Traced]:
    """Yield the tracers in an operand."""
    if isinstance(x, Traced):
        yield x
    elif isinstance(x, tuple):
        for part in x:
            yield from tracers_in(part)


def value_of(x: Any) -> Any:
    """Return the value of an operand; of a tuple of operands, their values."""
    if isinstance(x, Traced):
        return x.value
    return tuple(map(value_of, x)) if isinstance(x, tuple) else x


def operand_of(x: Any) -> Any:
    """Return an operand in the form that instructions hold: a variable, a constant, or a tuple of these."""
    if isinstance(x, Traced):
        return x.current().variable
    if is_array(x):
        return to_device(x, "cpu").copy()  # the function may change it later
    if isinstance(x, list):
        return deepcopy(x)
    return tuple(map(operand_of, x)) if isinstance(x, tuple) else x


def is_traced(x: Any) -> bool:
    """Return True for a tracer."""
    return isinstance(x, Traced)


def holds_tracers(x: Any) -> bool:
    """Return True for a tracer, and for nested tuples, lists and dictionaries with one."""
    if isinstance(x, (tuple, list, dict)):
        return any(map(holds_tracers, x.values() if isinstance(x, dict) else x))
    return is_traced(x)


def is_array_or_scalar(x: Any) -> bool:
    """Return True for an array, and for a NumPy scalar, which NumPy returns in place of an array without axes."""
    return issubclass(type(x), np.generic) or is_array(x)
