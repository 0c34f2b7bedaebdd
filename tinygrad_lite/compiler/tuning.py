"""Faster calls of NumPy for the same results: the last pass, for programs that run on the CPU.

NumPy reduces an array row by row, and a short row does not fill the processor's registers: for a matrix of 100×10, the
sums of the columns take 6 µs and the maxima of the rows 13 µs.

- Sums are products with ones, for which BLAS takes 0.6 µs. It adds in another order than NumPy does, so the last digit
  may differ.
- The extremes of short rows are those of the columns of a transposed copy: 2 µs, with the same bits.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..rules.reductions import FEW
from . import primitives
from .loops import in_bodies
from .passes import divide, matmul
from .primitives import Primitive
from .program import Instruction, Program, Variable

SMALL = 64  # elements of an array; for fewer a call takes as long, however it is done
LONG = 1024  # terms of the sum of a row; of more, NumPy's sum has more exact digits, since it adds pairs
REDUCTIONS = SUM, MEAN, *_ = [primitives.REDUCTIONS[name] for name in ("sum", "mean", "max", "min")]
# What takes their place has their names, since a name in the source says what a value is.
SUM_OF_MATRIX, SUM_OF_ROWS = (replace(product, name="sum") for product in (primitives.dot, matmul))
COLUMNS, ROWS = replace(primitives.copy, name="columns"), replace(primitives.reshape, name="rows")
AS_MEAN = replace(divide, name="mean")


def tune(program: Program) -> Program:
    """Return the program with faster calls for sums, means and extremes along some axes."""
    if program.device != "cpu":
        return program
    program = in_bodies(program, tune)
    updated = {new for _, new in program.updates}  # inputs may have any memory order, but dot only writes in C order
    in_rows = {i.result for i in program.instructions if not i.primitive.is_view and i.result.order is None}

    def tuned(instruction: Instruction) -> list[Instruction]:
        primitive, axes = instruction.primitive, _axes(instruction)
        if not axes or instruction.result in updated:
            return [instruction]
        x, keepdims = instruction.operands[0], instruction.params.get("keepdims", False)
        *others, n = x.shape
        is_matrix, terms = len(others) == 1, prod(x.shape[axis] for axis in axes)
        if primitive in (SUM, MEAN) and x.dtype in (np.float32, np.float64) and (is_matrix or x in in_rows):
            if axes == (len(others),) and n <= LONG:
                return _sums(instruction, x, np.ones((n, 1) if keepdims else n, x.dtype), n)
            if axes == (*range(len(others)),) and (is_matrix or not keepdims):
                matrix = x if is_matrix else _value(instruction, (terms, n))
                flat = [] if is_matrix else [_step(instruction, ROWS, x, result=matrix, shape=matrix.shape)]
                return flat + _sums(instruction, np.ones((1, terms) if keepdims else terms, x.dtype), matrix, terms)
        if axes[-1] == len(others) and 1 < terms <= FEW.get(primitive.name, 0):
            return _by_columns(instruction, x, axes)
        return [instruction]

    return program.rewritten(tuned)


def _axes(instruction: Instruction) -> tuple[int, ...]:
    """Return the axes, in order, along which an instruction reduces an array in its type; none for any other one."""
    if instruction.primitive not in REDUCTIONS or not instruction.params.keys() <= {"axis", "keepdims"}:
        return ()
    x, result, axis = instruction.operands[0], instruction.result, instruction.params.get("axis")
    if not isinstance(x, Variable) or axis is None or len(x.shape) < 2 or x.size < SMALL or result.size < 2:
        return ()
    is_fit = x.dtype == result.dtype and x.dtype != np.float16 and result.order is None
    return tuple(sorted(int(i) % len(x.shape) for i in np.ravel(axis))) if is_fit else ()


def _sums(instruction: Instruction, a: Any, b: Any, n: int) -> list[Instruction]:
    """Return a product with ones in place of sums of ``n`` terms, or of means."""
    product = SUM_OF_MATRIX if len(a.shape) <= 2 else SUM_OF_ROWS
    if instruction.primitive is SUM:
        return [_step(instruction, product, a, b)]
    sums = _value(instruction, instruction.result.shape)
    return [_step(instruction, product, a, b, result=sums), _step(instruction, AS_MEAN, sums, n)]


def _by_columns(instruction: Instruction, x: Variable, axes: tuple[int, ...]) -> list[Instruction]:
    """Reduce the leading axes of a transposed copy in place of the last ones."""
    order = axes + tuple(i for i in range(len(x.shape)) if i not in axes)
    shape, leading = tuple(x.shape[i] for i in order), tuple(range(len(axes)))
    turned, columns, reduced = (_value(instruction, s) for s in (shape, shape, shape[len(axes) :]))
    moves = [
        _step(instruction, primitives.transpose, x, result=turned, axes=order),
        _step(instruction, COLUMNS, turned, result=columns),
    ]
    axis = leading if axes[1:] else 0
    if not instruction.params.get("keepdims", False):
        return [*moves, _step(instruction, instruction.primitive, columns, axis=axis)]
    reduction = _step(instruction, instruction.primitive, columns, result=reduced, axis=axis)
    return [*moves, reduction, _step(instruction, primitives.reshape, reduced, shape=instruction.result.shape)]


def _value(instruction: Instruction, shape: tuple[int, ...]) -> Variable:
    """Return a variable for a value on the way to an instruction's result."""
    return replace(instruction.result, shape=shape, is_named=False, is_final=False)


def _step(
    instruction: Instruction, primitive: Primitive, *operands: Any, result: Variable | None = None, **params: Any
) -> Instruction:
    """Return one of the instructions that replace one; without a result the last of them."""
    result = result or instruction.result
    return replace(instruction, primitive=primitive, operands=operands, params=params, result=result)
