"""Faster calls for the same results: the last passes, for programs that run.

- A product that is added to an array, as in ``W -= x.T @ g``, is added in one pass over the array: see `blas` and
  `cublas`.
- On the CPU sums are products with ones. NumPy reduces an array row by row, and a short row does not fill the
  processor's registers: for a matrix of 100×10, the sums of the columns take 6 µs, those of BLAS 0.6 µs. It adds in
  another order, so the last digit may differ.
- There a large array is compared with an array of zeros in ``np.maximum(x, 0)``: NumPy's loop for an array and a number
  takes three times as long as that for two arrays.
- There the extremes of short rows are those of the columns of a transposed copy: 2 µs in place of 13 µs, with the same
  bits.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ..rules.reductions import FEW
from . import cublas, primitives
from .blas import GEMM
from .loops import in_bodies
from .passes import add, both_ways, divide, drop_unused, has_type, matmul
from .primitives import Primitive, of_ufunc
from .program import Instruction, Program, Variable

PASS = 2**15  # elements of an array over which one pass less saves more than a call by ctypes takes
WITH_PRODUCTS = {add: primitives.add_product, of_ufunc(np.subtract): primitives.subtract_product}
SMALL = 64  # elements of an array; for fewer a call takes as long, however it is done
LONG = 1024  # terms of the sum of a row; of more, NumPy's sum has more exact digits, since it adds pairs
MANY = 2**19  # elements of an array, beyond which a second one to read takes as long as it gains
EXTREMES = of_ufunc(np.maximum), of_ufunc(np.minimum)
SHORT = {primitives.REDUCTIONS[name]: terms for name, terms in FEW.items()}  # up to how many terms columns are faster
SUM, MEAN = (primitives.REDUCTIONS[name] for name in ("sum", "mean"))
# What takes their place has their names, since a name in the source says what a value is.
SUM_OF_MATRIX, SUM_OF_ROWS = (replace(product, name="sum") for product in (primitives.dot, matmul))
COLUMNS, ROWS = replace(primitives.copy, name="columns"), replace(primitives.reshape, name="rows")
AS_MEAN = replace(divide, name="mean")


def tune(program: Program) -> Program:
    """Return the program with faster calls."""
    program = _with_products_added(program)
    return _with_faster_calls(program) if program.device == "cpu" else program


def _with_products_added(program: Program) -> Program:
    """Add a product to an array that is changed, as in ``W -= x.T @ g``, in one pass over the array: see `blas`.

    The result is that of two passes, bit by bit, up to some hundred terms; sums of more are rounded in another order.
    """
    program = in_bodies(program, _with_products_added)
    made = {instruction.result: instruction for instruction in program.instructions}
    uses, new_values = program.uses(), dict(program.updates)

    def is_changed(x: Variable, instruction: Instruction) -> bool:
        """Return True if no one needs the old value of an operand, so that the result takes its memory."""
        if x in made:
            return not made[x].primitive.is_view and uses[x] == [instruction]
        return new_values.get(x) is instruction.result

    def rewritten(instruction: Instruction) -> list[Instruction]:
        result, adding = instruction.result, WITH_PRODUCTS.get(instruction.primitive)
        if adding is None or not _is_added_in_one_pass(result):
            return [instruction]
        for x, product in both_ways(instruction.operands)[: 1 if adding is primitives.subtract_product else 2]:
            if all(has_type(y, result) and y.order is None for y in (x, product)) and is_changed(x, instruction):
                source = made.get(product)
                if source and uses[product] == [instruction] and (factors := _factors_of(source)):
                    return [replace(instruction, primitive=adding, operands=(x, *factors))]
        return [instruction]

    return drop_unused(program.rewritten(rewritten))


def _is_added_in_one_pass(x: Variable) -> bool:
    """Return True if BLAS adds a product to an array like this, in less time than two passes take."""
    return x.size >= PASS and x.dtype in GEMM if x.device == "cpu" else x.dtype in cublas.TYPES


def _factors_of(instruction: Instruction) -> tuple[Any, ...] | None:
    """Return two matrices of one type, which have elements, for their product; on a GPU, also for a sum of rows."""
    primitive, result, operands = instruction.primitive, instruction.result, instruction.operands
    for x in operands:
        if not isinstance(x, Variable) or len(x.shape) != 2 or not x.size or x.dtype != result.dtype:
            return None
    if primitive in (matmul, primitives.dot):
        return operands
    if primitive is SUM and instruction.params == {"axis": 0} and result.device != "cpu":
        return np.ones((1, operands[0].shape[0]), result.dtype), *operands
    return None


def _with_faster_calls(program: Program) -> Program:
    """Compute sums and means along some axes as products with ones, and extremes of arrays as NumPy is fast at them."""
    program = in_bodies(program, _with_faster_calls)
    in_rows = {i.result for i in program.instructions if not i.primitive.is_view and i.result.order is None}

    def tuned(instruction: Instruction) -> list[Instruction]:
        if instruction.primitive in EXTREMES:
            return [_of_two_arrays(instruction)]
        axes = _axes(instruction)
        if not axes:
            return [instruction]
        x = instruction.operands[0]
        fits_blas = x.dtype in (np.float32, np.float64) and (len(x.shape) == 2 or x in in_rows)
        products = _as_products(instruction, axes) if instruction.primitive in (SUM, MEAN) and fits_blas else []
        return products or _by_columns(instruction, axes) or [instruction]

    return program.rewritten(tuned)


def _of_two_arrays(instruction: Instruction) -> Instruction:
    """Return the maximum or minimum of an array and a number as that of two arrays, if it has many elements."""
    result, operands = instruction.result, instruction.operands
    is_large = SMALL <= result.size <= MANY and result.dtype in (np.float32, np.float64) and result.order is None
    if not is_large or not any(has_type(x, result) for x in operands):
        return instruction
    filled = [x if isinstance(x, Variable) or np.ndim(x) else np.full(result.shape, x, result.dtype) for x in operands]
    return replace(instruction, operands=tuple(filled))


def _axes(instruction: Instruction) -> tuple[int, ...]:
    """Return the axes, in order, along which an instruction reduces an array in its type; none for any other one."""
    result = instruction.result
    if instruction.primitive not in (MEAN, *SHORT) or result.size < 2 or result.order is not None:
        return ()
    x = instruction.operands[0]
    if x.size < SMALL or x.dtype != result.dtype or x.dtype == np.float16:
        return ()
    return tuple(sorted(int(axis) % len(x.shape) for axis in np.ravel(instruction.params["axis"])))


def _as_products(instruction: Instruction, axes: tuple[int, ...]) -> list[Instruction]:
    """Return products with ones in place of sums or means along the last axis, or all others; none along other axes."""
    x, keepdims = instruction.operands[0], instruction.params.get("keepdims", False)
    *leading, last = range(len(x.shape))
    terms = prod(x.shape[axis] for axis in axes)
    if axes == (last,) and terms <= LONG:
        return _sums(instruction, terms, x, np.ones((terms, 1) if keepdims else terms, x.dtype))
    if axes == (0,) and last == 1:
        return _sums(instruction, terms, np.ones((1, terms) if keepdims else terms, x.dtype), x)
    if axes == (*leading,) and not keepdims:
        matrix = _value(instruction, (terms, x.shape[-1]))
        rows = _step(instruction, ROWS, x, result=matrix, shape=matrix.shape)
        return [rows, *_sums(instruction, terms, np.ones(terms, x.dtype), matrix)]
    return []


def _sums(instruction: Instruction, terms: int, a: Any, b: Any) -> list[Instruction]:
    """Return a product with ones in place of the sums of so many terms, or of their means."""
    product = SUM_OF_MATRIX if len(a.shape) <= 2 else SUM_OF_ROWS
    if instruction.primitive is SUM:
        return [_step(instruction, product, a, b)]
    sums = _value(instruction, instruction.result.shape)
    return [_step(instruction, product, a, b, result=sums), _step(instruction, AS_MEAN, sums, terms)]


def _by_columns(instruction: Instruction, axes: tuple[int, ...]) -> list[Instruction]:
    """Reduce the leading axes of a transposed copy in place of the last ones, if they have few elements; else none."""
    primitive, x = instruction.primitive, instruction.operands[0]
    order = axes + tuple(axis for axis in range(len(x.shape)) if axis not in axes)
    shape = tuple(x.shape[axis] for axis in order)
    if axes[-1] != len(x.shape) - 1 or not 1 < prod(shape[: len(axes)]) <= SHORT.get(primitive, 0):
        return []
    keepdims = instruction.params.get("keepdims", False)
    turned, columns = _value(instruction, shape), _value(instruction, shape)
    reduced = _value(instruction, shape[len(axes) :]) if keepdims else instruction.result
    steps = [
        _step(instruction, primitives.transpose, x, result=turned, axes=order),
        _step(instruction, COLUMNS, turned, result=columns),
        _step(instruction, primitive, columns, result=reduced, axis=tuple(range(len(axes))) if axes[1:] else 0),
    ]
    restored = _step(instruction, primitives.reshape, reduced, shape=instruction.result.shape)
    return [*steps, restored] if keepdims else steps


def _value(instruction: Instruction, shape: tuple[int, ...]) -> Variable:
    """Return a variable for a value on the way to an instruction's result."""
    return replace(instruction.result, shape=shape, is_named=False, is_final=False)


def _step(of: Instruction, primitive: Primitive, *operands: Any, result: Any = None, **params: Any) -> Instruction:
    """Return one of the instructions that replace one; without a result the last of them."""
    return replace(of, primitive=primitive, operands=operands, params=params, result=result or of.result)
