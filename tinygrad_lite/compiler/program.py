"""A program: straight-line code in which every value is assigned once.

This form keeps the passes simple: every variable has one definition, and there are no branches or loops.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..support.devices import device_of, is_array
from .primitives import Primitive

GENERATORS = (np.random.Generator, np.random.RandomState)
PHASES = ("forward", "loss", "backward", "update")
LEAST_FACTOR = 2.0**-20  # about 1e-6; usual learning rates are larger


def is_moderate(number: Any) -> bool:
    """Return True if multiplying by a factor earlier is safe: nothing overflows, and little underflows."""
    return bool(LEAST_FACTOR <= abs(number) <= 1)


def memory_order(x: Any) -> tuple[int, ...] | None:
    """Return the axes of an array in the order of its memory; None for C's order, and for memory with gaps."""
    if not isinstance(x, np.ndarray) or x.ndim < 2 or x.flags.c_contiguous:
        return None
    order = tuple(sorted(range(x.ndim), key=lambda axis: (-x.strides[axis], axis)))
    return order if x.transpose(order).flags.c_contiguous else None


def judged(number: Any) -> bool | None:
    """Return `is_moderate` of one real number on the CPU, for a variable that of its recorded value; else None."""
    if isinstance(number, Variable):
        return number.is_moderate
    dtype = getattr(number, "dtype", None)
    is_real = isinstance(number, (int, float)) if dtype is None else dtype.kind in "fiu"
    return is_moderate(number) if is_real and not np.shape(number) and device_of(number) == "cpu" else None


@dataclass(eq=False)
class Variable:
    """A value of a program; only its type is known, not its contents.

    Attributes
    ----------
    shape : tuple of int
        The shape; ``()`` for numbers too.
    dtype : dtype or None
        The type of the elements; None for a Python number, a random generator or a function.
    is_array : bool
        True for an array, False for a scalar.
    is_generator, is_function : bool
        True for a random generator; for a function.
    device : str
        The device of the array.
    name : str
        The name wanted in the source: that of a parameter, a layer, a local variable, or the rule that computes it.
    is_named : bool
        True if the name is from the user's code; False for a layer or a rule.
    is_final : bool
        True for the last step of a rule or a derivative: that variable gets its name.
    derivative_of : Variable or None
        For a cotangent, the variable it belongs to.
    factor : str
        The name of a factor that `fold_factors` multiplied it by, for the name in the source.
    is_moderate : bool or None
        For one real number on the CPU, `is_moderate` of its recorded value; None for anything else.
    order : tuple of int, or None
        The axes in the order of memory, from the longest step to the shortest; None for the usual order, C's.
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
    order: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @classmethod
    def like(cls, value: Any, name: str = "") -> Variable:
        """Return a new variable with the type of a value."""
        if isinstance(value, GENERATORS):
            return cls((), None, False, name, is_generator=True)
        if callable(value):
            return cls((), None, False, name, is_function=True)
        shape, dtype, device = np.shape(value), getattr(value, "dtype", None), device_of(value)
        moderate, order = judged(value), memory_order(value)
        return cls(shape, dtype, is_array(value), name, device=device, is_moderate=moderate, order=order)

    def __repr__(self) -> str:
        return f"<{self.name or 'variable'} {self.shape} {self.dtype}>"


@dataclass(frozen=True, eq=False)
class Instruction:
    """One line of a program: ``result = primitive(*operands, **params)``.

    Attributes
    ----------
    primitive : Primitive
        The primitive.
    operands : tuple
        Variables, constants, and tuples of them.
    params : dict
        Axes, shapes and the like, which are constants.
    result : Variable
        The variable that is assigned.
    phase : str
        One of `PHASES`.
    again : object
        The second evaluation that it is part of, whose results were not kept from the first; None for the first.
    """

    primitive: Primitive
    operands: tuple[Any, ...]
    params: Mapping[str, Any]
    result: Variable
    phase: str
    again: object = None

    @property
    def reads(self) -> Iterator[Variable]:
        """The variables it reads."""
        return variables_in(self.operands)


@dataclass(frozen=True, eq=False)
class Program:
    """Instructions, with the inputs they read and the outputs and updates they compute.

    Attributes
    ----------
    name : str
        The name of the function it was recorded from.
    inputs : tuple of Variable
        The arguments, then the state the function reaches: parameters, learning rates, random generators.
    instructions : tuple of Instruction
        The computation, in this order.
    outputs : tuple
        The variables and constants that the program returns.
    updates : tuple of (Variable, Variable)
        For each input that is changed in place, the input and its final value.
    device : str
        The device of the computation. Constants are written in the source; inputs may be on the CPU, to be moved.
    judged : frozenset of Variable
        The factors for which `fold_factors` chose the order of computation by `is_moderate`: each call checks these.
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
        """The variables that must be computed: the outputs, and the new values of updated inputs."""
        return [*variables_in(self.outputs), *(new for _, new in self.updates)]

    def uses(self) -> dict[Variable, list[Instruction | None]]:
        """Return the instructions that read each variable; None stands for the end of the program, for results."""
        found: dict[Variable, list[Instruction | None]] = defaultdict(list)
        for instruction in self.instructions:
            for variable in instruction.reads:
                found[variable].append(instruction)
        for variable in self.results:
            found[variable].append(None)
        return found

    def views(self) -> dict[Variable, Variable]:
        """Return, for each view of a variable, the variable whose memory it shares."""
        found: dict[Variable, Variable] = {}
        for instruction in self.instructions:
            if instruction.primitive.is_view and instruction.result.is_array:
                x = instruction.operands[0]
                if isinstance(x, Variable):
                    found[instruction.result] = found.get(x, x)
        return found

    def rewritten(self, rewrite: Callable[[Instruction], Any]) -> Program:
        """Return the program with every instruction passed through a function, in order.

        Parameters
        ----------
        rewrite : callable
            Takes an instruction, with earlier replacements made in its operands. Returns the list of instructions
            to put in its place, or the variable or constant that replaces its result.
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
    """Yield the variables in operands, once for each occurrence."""
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
