"""Fuse elementwise operations on a GPU, where a call takes longer than what it computes on a small array.

CuPy makes one kernel of a function of arrays by its decorator ``fuse``. Such a function has elementwise operations, at
most one sum or extreme of their result, and operations of constants with that. A program has these functions at its
head:

    @np.fuse
    def fused_add_maximum(a, b, out):
        add = a + b
        out[...] = np.maximum(add, 0)

A value that only kernels read is computed again in each of them: that takes less time than to write it to memory, and
to read it from there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import primitives
from .loops import in_bodies
from .passes import drop_unused, may_raise
from .primitives import Primitive
from .program import Instruction, Program, Variable

MOST = 32  # instructions of a kernel; with each goes about one operand, and CUDA passes 4 kB of them
FEW = 2  # arrays of full size that are read again for a value, in place of writing and reading it
FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}
MASK = np.dtype(bool)
# The reductions that may be in a kernel, as they are written there.
REDUCTIONS = {
    primitives.REDUCTIONS[name]: replace(primitives.REDUCTIONS[name], template=f"np.{name}({{arguments}})")
    for name in ("sum", "max", "min")
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Kernel(Primitive):
    """The primitive of some instructions that are computed as one; the last computes its result.

    Attributes
    ----------
    body : tuple of Instruction
        The instructions, in their order.
    """

    body: tuple[Instruction, ...]


def fuse(program: Program) -> Program:
    """Compute each chain of elementwise operations, and the sum or extreme that it ends in, as one `Kernel`."""
    if program.device == "cpu":
        return program
    program = in_bodies(program, fuse)
    uses = program.uses()
    places = {instruction: n for n, instruction in enumerate(program.instructions)}
    fusible = {instruction for instruction in places if _is_fusible(instruction)}
    bodies: dict[Variable, tuple[Instruction, ...]] = {}

    def is_computed_again(x: Variable, reader: Instruction) -> bool:
        """Return True if a kernel computes a value that it reads, in place of an instruction of its own."""
        if x not in bodies or not fusible.issuperset(uses[x]):
            return False
        if _reduces(bodies[x]):  # then only operations of constants may follow
            return len(uses[x]) == 1 and [*reader.reads] == [x] and reader.primitive not in REDUCTIONS
        return len({*uses[x]}) == 1 or sum(y.size >= x.size for y in _read_by(bodies[x])) <= FEW

    def fused(instruction: Instruction) -> list[Instruction]:
        if instruction not in fusible:
            return [instruction]
        body = {instruction}
        for x in instruction.reads:
            if is_computed_again(x, instruction) and len(body.union(bodies[x])) <= MOST:
                body.update(bodies[x])
        ordered = bodies[instruction.result] = tuple(sorted(body, key=places.__getitem__))
        if len(ordered) == 1:
            return [instruction]
        kernel = Kernel(
            name=instruction.primitive.name,
            compute=tuple,
            template="",
            template_into="" if _reduces(ordered) else "out",  # CuPy's have no ``out`` for what is reduced
            elementwise=True,
            body=ordered,
        )
        return [replace(instruction, primitive=kernel, operands=_read_by(ordered), params={})]

    return drop_unused(program.rewritten(fused))


def _is_fusible(instruction: Instruction) -> bool:
    """Return True for an operation that a kernel may have: of floats of one type, masks, and numbers beside floats."""
    primitive, result, operands = instruction.primitive, instruction.result, instruction.operands
    is_reduction = primitive in REDUCTIONS and result.dtype in FLOATS
    if not (primitive.elementwise or primitive is primitives.where or is_reduction) or may_raise(instruction):
        return False
    if not all(map(_is_fit, operands)) or instruction.params.keys() - {"axis", "keepdims"}:
        return False
    # CuPy would make a number float16 beside a mask alone.
    floats = FLOATS & {x.dtype for x in instruction.reads if x.is_array}
    if not floats:
        return all(getattr(x, "dtype", None) == MASK for x in (result, *operands))
    return len(floats) == 1 and {x.dtype for x in (result, *instruction.reads)} <= {*floats, MASK, None}


def _is_fit(operand: Any) -> bool:
    """Return True for a variable, and for a constant that CUDA has: a float, or a whole number of 64 bits."""
    if isinstance(operand, int):
        return abs(operand) < 2**63
    return isinstance(operand, (Variable, float, np.bool_, np.floating))


def _reduces(body: tuple[Instruction, ...]) -> bool:
    return any(instruction.primitive in REDUCTIONS for instruction in body)


def _read_by(body: tuple[Instruction, ...]) -> tuple[Variable, ...]:
    """Return the variables that instructions read, but for those that they compute."""
    computed = {instruction.result for instruction in body}
    return tuple(dict.fromkeys(x for i in body for x in i.reads if x not in computed))
