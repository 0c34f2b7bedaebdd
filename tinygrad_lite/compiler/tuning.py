"""Faster calls of NumPy for the same results: the last pass, for programs that run on the CPU.

NumPy reduces an array row by row, and a short row does not fill the processor's registers: for a matrix of 100×10, the
sums of the columns take 6 µs and the maxima of the rows 13 µs.

- Sums are products with ones, for which BLAS takes 0.6 µs. It adds in another order than NumPy does, so the last digit
  may differ.
- The maxima of short rows are those of the columns of a transposed copy: 2 µs, with the same bits.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..rules.reductions import FEW
from . import primitives
from .loops import Loop
from .passes import divide, matmul
from .primitives import Primitive
from .program import Instruction, Program, Variable

SMALL = 64  # elements of an array; for fewer a call takes as long, however it is done
LONG = 1024  # terms of the sum of a row; of more, NumPy's sum has more exact digits, since it adds pairs
SUM, MEAN, MAX = (primitives.REDUCTIONS[name] for name in ("sum", "mean", "max"))
# What takes their place has their names, since a name in the source says what a value is.
SUM_OF_MATRIX, SUM_OF_ROWS = (replace(product, name="sum") for product in (primitives.dot, matmul))
COLUMNS, AS_COLUMN = replace(primitives.copy, name="columns"), replace(primitives.reshape, name="max")
ROWS, AS_MEAN = replace(primitives.reshape, name="rows"), replace(divide, name="mean")


def tune(program: Program) -> Program:
    """Return the program with faster calls for sums, means and maxima along some axes."""
    updated = {new for _, new in program.updates}  # inputs may have any memory order, but dot only writes in C order
    in_rows = {i.result for i in program.instructions if not i.primitive.is_view and i.result.order is None}

    def tuned(instruction: Instruction) -> list[Instruction]:
        primitive = instruction.primitive
        if isinstance(primitive, Loop):
            return [replace(instruction, primitive=replace(primitive, body=tune(primitive.body)))]
        axes = _axes(instruction)
        if not axes or instruction.result in updated:
            return [instruction]
        x, keepdims = instruction.operands[0], instruction.params.get("keepdims", False)
        *others, n = x.shape
        if primitive is MAX:
            return _maxima(instruction, x) if axes == {1} and len(others) == 1 and n <= FEW["max"] else [instruction]
        if axes == {len(others)} and n <= LONG and (len(others) == 1 or x in in_rows):
            return _sums(instruction, x, np.ones((n, 1) if keepdims else n, x.dtype), n)
        if axes == {*range(len(others))} and (len(others) == 1 or (x in in_rows and not keepdims)):
            rows = prod(others)
            matrix = x if len(others) == 1 else _value(instruction, (rows, n))
            flat = [] if matrix is x else [_step(instruction, ROWS, x, result=matrix, shape=(rows, n))]
            return flat + _sums(instruction, np.ones((1, rows) if keepdims else rows, x.dtype), matrix, rows)
        return [instruction]

    return program.rewritten(tuned) if program.device == "cpu" else program


def _axes(instruction: Instruction) -> set[int]:
    """Return the axes along which an instruction reduces an array of floating-point numbers; none for any other."""
    if instruction.primitive not in (SUM, MEAN, MAX) or not instruction.params.keys() <= {"axis", "keepdims"}:
        return set()
    x, result, axis = instruction.operands[0], instruction.result, instruction.params.get("axis")
    if not isinstance(x, Variable) or axis is None or len(x.shape) < 2 or min(x.shape) < 2 or x.size < SMALL:
        return set()
    if x.dtype != result.dtype or x.dtype not in (np.float32, np.float64):
        return set()
    return {int(i) % len(x.shape) for i in np.ravel(axis)}


def _sums(instruction: Instruction, a: Any, b: Any, n: int) -> list[Instruction]:
    """Return a product with ones in place of sums of ``n`` terms, or of means."""
    product = SUM_OF_MATRIX if len(a.shape) <= 2 else SUM_OF_ROWS
    if instruction.primitive is SUM:
        return [_step(instruction, product, a, b)]
    sums = _value(instruction, instruction.result.shape)
    return [_step(instruction, product, a, b, result=sums), _step(instruction, AS_MEAN, sums, n)]


def _maxima(instruction: Instruction, x: Variable) -> list[Instruction]:
    """Return the maxima of the columns of a transposed copy in place of those of the rows."""
    turned, columns, maxima = (_value(instruction, shape) for shape in (x.shape[::-1], x.shape[::-1], x.shape[:1]))
    return [
        _step(instruction, primitives.transpose, x, result=turned, axes=(1, 0)),
        _step(instruction, COLUMNS, turned, result=columns),
        _step(instruction, MAX, columns, result=maxima, axis=0),
        _step(instruction, AS_COLUMN, maxima, shape=instruction.result.shape),
    ]


def _value(instruction: Instruction, shape: tuple[int, ...]) -> Variable:
    """Return a variable for a value on the way to an instruction's result."""
    return replace(instruction.result, shape=shape, is_named=False, is_final=False)


def _step(
    instruction: Instruction, primitive: Primitive, *operands: Any, result: Variable | None = None, **params: Any
) -> Instruction:
    """Return one of the instructions that replace one; without a result the last of them."""
    result = result or instruction.result
    return replace(instruction, primitive=primitive, operands=operands, params=params, result=result)
