"""A program: straight-line code in which every value is assigned once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..support.devices import device_of, is_array
from .operations import Operation

GENERATORS = (np.random.Generator, np.random.RandomState)
PHASES = ("forward", "loss", "backward", "update")
LEAST_FACTOR = 2.0**-20  # about 1e-6; the learning rates there are lie above


def is_moderate(number: Any) -> bool:
    """Return whether a factor may be multiplied in earlier: it makes nothing larger, and little too small."""
    return bool(LEAST_FACTOR <= abs(number) <= 1)


@dataclass(eq=False)
class Variable:
    """A value of a program, known by its type alone.

    Attributes
    ----------
    shape : tuple of int
        Its shape; ``()`` for numbers too.
    dtype : dtype or None
        The type of its elements; None for a Python number, a random generator or a function.
    is_array : bool
        Whether it is an array, which has memory of its own, or a scalar.
    is_generator, is_function : bool
        Whether it is a random generator, or a function.
    device : str
        Where it lives.
    name : str
        What it is called if that name is free: that of a parameter, of a layer or of a local variable.
    is_named : bool
        Whether that is its own name, in the user's code; otherwise it is that of the rule it is computed by.
    is_final : bool
        Whether it is what that rule, or the derivative it is a part of, comes to.
    derivative_of : Variable or None
        What it is a cotangent of.
    factor : str
        What it has been multiplied by, to be said in its name.
    is_moderate : bool or None
        Whether it was when it was recorded, if it is one real number of the CPU.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    is_array: bool
    name: str = ""
    is_generator: bool = False
    is_function: bool = False
    device: str = "cpu"
    is_named: bool = False
    is_final: bool = False
    derivative_of: Variable | None = None
    factor: str = ""
    is_moderate: bool | None = None

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @classmethod
    def like(cls, value: Any, name: str = "") -> Variable:
        """Return a variable of the type of a value."""
        if isinstance(value, GENERATORS):
            return cls((), None, False, name, is_generator=True)
        if callable(value):
            return cls((), None, False, name, is_function=True)
        shape, dtype, device = np.shape(value), getattr(value, "dtype", None), device_of(value)
        is_number = not shape and device == "cpu" and (dtype is None or dtype.kind in "fiu")
        moderate = is_moderate(value) if is_number else None
        return cls(shape, dtype, is_array(value), name, device=device, is_moderate=moderate)

    def __repr__(self) -> str:
        return f"<{self.name or 'variable'} {self.shape} {self.dtype}>"


@dataclass(frozen=True, eq=False)
class Instruction:
    """One line of a program: ``result = operation(*operands, **params)``.

    Attributes
    ----------
    operation : Operation
        What is computed.
    operands : tuple
        Variables, constants, and tuples of them.
    params : dict
        Axes, shapes and the like, which never change.
    result : Variable
        What is assigned.
    phase : str
        One of `PHASES`.
    """

    operation: Operation
    operands: tuple[Any, ...]
    params: Mapping[str, Any]
    result: Variable
    phase: str

    @property
    def reads(self) -> Iterator[Variable]:
        """The variables it reads."""
        return variables_in(self.operands)


@dataclass(frozen=True, eq=False)
class Program:
    """Instructions, what they start from, and what becomes of their results.

    Attributes
    ----------
    name : str
        The name of the function it was recorded from.
    inputs : tuple of Variable
        The arguments, then the state the function reaches: parameters, learning rates, random generators.
    instructions : tuple of Instruction
        What is computed, in this order.
    outputs : tuple
        The variables and constants that are handed out.
    updates : tuple of (Variable, Variable)
        For each input that is changed in place, the input and the value it has in the end.
    device : str
        Where it computes. Its constants are the CPU's, and written out; inputs may come from there too, to be moved.
    judged : frozenset of Variable
        The inputs for which it matters to the order of computing whether they are moderate.
    """

    name: str
    inputs: tuple[Variable, ...]
    instructions: tuple[Instruction, ...]
    outputs: tuple[Any, ...]
    updates: tuple[tuple[Variable, Variable], ...] = field(default=())
    device: str = "cpu"
    judged: frozenset[Variable] = frozenset()

    @property
    def results(self) -> list[Variable]:
        """The variables that must be computed: those handed out, and the new values of what is changed in place."""
        return [*variables_in(self.outputs), *(new for _, new in self.updates)]

    def uses(self) -> dict[Variable, list[Instruction | None]]:
        """Return the instructions that read each variable; None stands for the end, where results are read."""
        found: dict[Variable, list[Instruction | None]] = {}
        for instruction in self.instructions:
            for variable in instruction.reads:
                found.setdefault(variable, []).append(instruction)
        for variable in self.results:
            found.setdefault(variable, []).append(None)
        return found

    def rewritten(self, rewrite: Callable[[Instruction], Any]) -> Program:
        """Return the program with every instruction passed through a function, in order.

        Parameters
        ----------
        rewrite : callable
            Takes an instruction whose operands have been replaced already. Returns instructions to put in its place,
            or the variable or constant that its result is to be replaced by.
        """
        known: dict[Variable, Any] = {}
        instructions: list[Instruction] = []
        for old in self.instructions:
            is_as_before = not known or known.keys().isdisjoint(old.reads)
            new = rewrite(old if is_as_before else replace(old, operands=substituted(old.operands, known)))
            if isinstance(new, list):
                instructions += new
                if new and new[-1].result is not old.result:
                    known[old.result] = new[-1].result
            else:
                known[old.result] = new
        return replace(
            self,
            instructions=tuple(instructions),
            outputs=substituted(self.outputs, known),
            updates=tuple((variable, substituted(new, known)) for variable, new in self.updates),
        )


def variables_in(tree: Any) -> Iterator[Variable]:
    """Yield the variables in operands, each time they stand there."""
    if isinstance(tree, Variable):
        yield tree
    elif isinstance(tree, tuple):
        for part in tree:
            yield from variables_in(part)


def substituted(tree: Any, known: Mapping[Variable, Any]) -> Any:
    """Return operands with some variables replaced."""
    if isinstance(tree, Variable):
        return known.get(tree, tree)
    if isinstance(tree, tuple):
        return tuple(substituted(part, known) for part in tree)
    return tree
