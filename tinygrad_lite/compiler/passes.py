"""Passes that make a program shorter and faster without changing what it computes.

A recording contains every step of the rules, including copies, repeated work and results that nothing reads. Each pass
takes a program and returns one. `fold_factors` and `merge_sums` change the rounding, since they multiply and add in
another order. The other passes keep every bit of the results, with one exception: if a copy in another memory order is
left out, NumPy may sum its elements in another order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from . import primitives
from .primitives import REDUCTIONS, of_ufunc
from .program import Instruction, Program, Variable, variables_in

multiply, divide, power, matmul = map(of_ufunc, (np.multiply, np.divide, np.power, np.matmul))
total = REDUCTIONS["sum"]


def simplify(program: Program) -> Program:
    """Return a shorter program that computes the same: apply all `PASSES` until none changes anything."""
    while True:
        before = program
        for simplification in PASSES:
            program = simplification(program)
        if _same(program, before):
            return program


def _same(a: Program, b: Program) -> bool:
    return len(a.instructions) == len(b.instructions) and all(
        x.primitive is y.primitive and x.operands == y.operands and x.params == y.params
        for x, y in zip(a.instructions, b.instructions, strict=True)
    )


def drop_unused(program: Program) -> Program:
    """Remove instructions that no result needs and that have no effect and raise nothing; and unread inputs."""
    needed = set(program.results)
    kept = []
    for instruction in reversed(program.instructions):
        if instruction.result in needed or instruction.primitive.has_effect or _may_raise(instruction):
            needed.update(instruction.reads)
            kept.append(instruction)
    needed.update(old for old, _ in program.updates)
    inputs = tuple(variable for variable in program.inputs if variable in needed)
    return replace(program, inputs=inputs, instructions=tuple(reversed(kept)))


def _may_raise(instruction: Instruction) -> bool:
    """Return True if the values of an instruction's operands may make it raise an error."""
    deciding = tuple(instruction.operands[k] for k in instruction.primitive.raises_by)
    return any(x.dtype is None or x.dtype.kind in "iu" for x in variables_in(deciding))


def compute_constants(program: Program) -> Program:
    """Compute results that depend only on constants (constant folding); remove factors and exponents of one."""
    uses = program.uses()
    written = {x for x in uses if any(use is not None and use.primitive.overwrites_first for use in uses[x])}
    shown = _Shown(program)
    return program.rewritten(lambda instruction: _computed(instruction, written, shown))


class _Shown:
    """The arrays that the outputs share memory with: no two of them may be merged, since the caller may change one.

    Parameters
    ----------
    program : Program
        The program.
    """

    def __init__(self, program: Program) -> None:
        self._views = {i.result: i.operands[0] for i in program.instructions if i.primitive.is_view}
        self._fixed = {*program.inputs}
        self._roots = {self._root(x) for x in variables_in(program.outputs)}

    def _root(self, x: Any) -> Any:
        while isinstance(x, Variable) and x in self._views:
            x = self._views[x]
        return x

    def may_become(self, x: Variable, other: Variable) -> bool:
        """Return True if ``other`` may replace ``x``; note that it does."""
        if not x.shape or x not in self._roots:
            return True
        root = self._root(other)
        if not isinstance(root, Variable) or root in self._roots or root in self._fixed or other is not root:
            return False
        self._roots.add(root)
        return True


def _computed(instruction: Instruction, written: set[Variable], shown: _Shown) -> Any:
    primitive, result, operands = instruction.primitive, instruction.result, instruction.operands
    if primitive.has_effect or (primitive is primitives.full and (result.size > 1 or result in written)):
        return [instruction]
    if not any(variables_in(operands)):
        value = primitive.compute(*operands, **instruction.params)
        return value if np.size(value) <= primitives.LITERAL_SIZE else [instruction]
    if primitive is multiply and _is_one(operands[0]):
        operands = operands[::-1]
    if primitive in (multiply, divide, power) and _is_one(operands[1]) and _has_type(operands[0], result):
        return operands[0] if shown.may_become(result, operands[0]) else _copied(instruction, operands[0])
    return [instruction]


def _copied(instruction: Instruction, x: Variable) -> list[Instruction]:
    return [replace(instruction, primitive=primitives.copy, operands=(x,), params={})]


def _is_one(x: Any) -> bool:
    return not isinstance(x, (Variable, tuple, str)) and np.size(x) > 0 and bool(np.all(np.equal(x, 1)))


def _has_type(x: Any, result: Variable) -> bool:
    return isinstance(x, Variable) and (x.shape, x.dtype) == (result.shape, result.dtype)


def merge_equal(program: Program) -> Program:
    """Compute equal instructions once: common subexpression elimination."""
    known: dict[Any, Variable] = {}
    shown = _Shown(program)

    def merged(instruction: Instruction) -> Any:
        if instruction.primitive.has_effect:
            return [instruction]
        params = tuple(sorted((name, _key(value)) for name, value in instruction.params.items()))
        first = known.setdefault((instruction.primitive, _key(instruction.operands), params), instruction.result)
        if first is instruction.result:
            return [instruction]
        return first if shown.may_become(instruction.result, first) else _copied(instruction, first)

    return program.rewritten(merged)


def _key(x: Any) -> Any:
    """Return a key that is equal exactly for equal operands; 1, 1.0 and True are different."""
    if isinstance(x, tuple):
        return tuple(map(_key, x))
    if isinstance(x, np.ndarray):
        return x.shape, str(x.dtype), x.tobytes()
    return x if isinstance(x, Variable) else (type(x).__name__, repr(x))


def drop_moves(program: Program) -> Program:
    """Remove useless moves of elements: copies, reshapes to the same shape, transposes of transposes."""
    made: dict[Variable, Instruction] = {}
    uses, shown = program.uses(), _Shown(program)
    narrowed: set[Variable] = set()

    def moved(instruction: Instruction) -> Any:
        is_copy = instruction.primitive is primitives.copy
        if is_copy and not shown.may_become(instruction.result, instruction.operands[0]):
            return [instruction]
        new = _moved(instruction, made, uses, narrowed)
        if isinstance(new, list):
            made[new[-1].result] = new[-1]
        return new

    return program.rewritten(moved)


def _moved(
    instruction: Instruction,
    made: dict[Variable, Instruction],
    uses: dict[Variable, list[Instruction | None]],
    narrowed: set[Variable],
) -> Any:
    primitive, result, params = instruction.primitive, instruction.result, instruction.params
    x = instruction.operands[0] if instruction.operands else None
    if not isinstance(x, Variable):
        return [instruction]
    source = made.get(x)
    if primitive is primitives.copy or (primitive is primitives.getitem and instruction.operands[1] in (..., ())):
        return x
    if primitive in (primitives.reshape, primitives.broadcast_to) and x.shape == result.shape:
        return x
    if primitive is primitives.reshape and source is not None and source.primitive is primitives.reshape:
        return [replace(instruction, operands=source.operands)]
    if primitive is primitives.transpose:
        axes = params["axes"]
        if axes == tuple(range(len(axes))):
            return x
        if source is not None and source.primitive is primitives.transpose:
            before = source.params["axes"]
            return [
                replace(instruction, operands=source.operands, params={"axes": tuple(before[axis] for axis in axes)})
            ]
    if primitive is primitives.broadcast_to and all(_stretches(use, result, narrowed) for use in uses.get(result, [])):
        narrowed.add(result)
        return x
    return [instruction]


def _stretches(use: Instruction | None, wide: Variable, narrowed: set[Variable]) -> bool:
    """Return True if broadcasting gives this shape anyway, so that an explicit `broadcast_to` is redundant."""
    if use is None or not use.primitive.elementwise:
        return False
    others = [x for x in use.operands if isinstance(x, Variable) and x is not wide and x not in narrowed]
    return np.broadcast_shapes(*(x.shape for x in others)) == wide.shape


def merge_sums(program: Program) -> Program:
    """Sum over several axes at once, and keep or drop the summed axes in the same step."""
    made: dict[Variable, Instruction] = {}
    uses = program.uses()

    def merged(instruction: Instruction) -> Any:
        new = merged_alone(instruction)
        made[new[0].result] = new[0]
        return new

    def merged_alone(instruction: Instruction) -> list[Instruction]:
        x = instruction.operands[0] if instruction.operands else None
        source = made.get(x) if isinstance(x, Variable) else None
        if source is None or source.primitive is not total or len(uses[source.result]) > 1:
            return [instruction]
        if not source.result.shape or "dtype" in source.params or "dtype" in instruction.params:
            return [instruction]
        axes, (summed,) = _axes(source), source.operands
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(summed.shape))
        left = tuple(n for axis, n in enumerate(summed.shape) if axis not in axes)
        if instruction.primitive is primitives.reshape and instruction.result.shape in (kept, left):
            return [_sum(instruction, summed, axes, keepdims=instruction.result.shape == kept != left)]
        if instruction.primitive is total and bool(source.params.get("keepdims")) is bool(
            instruction.params.get("keepdims")
        ):
            names = range(len(summed.shape)) if source.params.get("keepdims") else _left(axes, len(summed.shape))
            more = tuple(names[axis] for axis in _axes(instruction))
            return [_sum(instruction, summed, (*axes, *more), keepdims=bool(source.params.get("keepdims")))]
        return [instruction]

    return program.rewritten(merged)


def _axes(instruction: Instruction) -> tuple[int, ...]:
    axis, ndim = instruction.params.get("axis"), len(instruction.operands[0].shape)
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % max(ndim, 1) for a in (axis if isinstance(axis, tuple) else (axis,)))


def _left(axes: tuple[int, ...], ndim: int) -> list[int]:
    return [axis for axis in range(ndim) if axis not in axes]


def _sum(instruction: Instruction, x: Variable, axes: tuple[int, ...], keepdims: bool) -> Instruction:
    ordered = tuple(sorted(set(axes)))
    axis: Any = ordered[0] if len(ordered) == 1 else ordered
    params = {"axis": axis} if len(ordered) < len(x.shape) or keepdims else {}
    return replace(
        instruction, primitive=total, operands=(x,), params={**params, **({"keepdims": True} if keepdims else {})}
    )


def fold_factors(program: Program) -> Program:
    """Multiply by a number where there are the fewest elements: ``lr * (x.T @ g)`` becomes ``x.T @ (lr * g)``.

    The factor moves from the result of a linear primitive to its operand, then through the primitive that computed the
    operand, and so on, as long as nothing else reads the values between. It does not move into differences: the
    rounding errors of their terms may be large relative to the difference. Nor does a factor move that is large or
    tiny, since the values between might overflow or underflow.
    """
    # In float16 even a moderate factor may cause an underflow.
    if any(instruction.result.dtype == np.float16 for instruction in program.instructions):
        return program
    for factor in dict.fromkeys(_product(instruction)[0] for instruction in program.instructions):
        if isinstance(factor, Variable) and factor in program.inputs and factor.is_moderate is not None:
            folding = _Folding(program, factor)
            if folding.is_worth_it():
                folded = drop_unused(merge_equal(folding.run()))
                if _work(folded) < _work(program):
                    judged = program.judged | {factor}
                    program = replace(folded if factor.is_moderate else program, judged=judged)
    return program


def _product(instruction: Instruction) -> tuple[Any, Any]:
    """Return the number and the array that an instruction multiplies; ``(None, None)`` for other instructions."""
    if instruction.primitive is multiply and instruction.result.shape:
        for s, x in (instruction.operands, instruction.operands[::-1]):
            is_number = isinstance(s, (int, float, np.generic)) or (isinstance(s, Variable) and s.shape == ())
            if is_number and _has_type(x, instruction.result):
                return s, x
    return None, None


def _work(program: Program) -> float:
    """Estimate a program's cost: 1 for each element written, 1/16 for each multiplication in a matrix product."""
    work = 0.0
    for instruction in program.instructions:
        if not instruction.primitive.is_view:
            work += instruction.result.size
        if instruction.primitive in (matmul, primitives.dot):
            work += instruction.result.size * instruction.operands[0].shape[-1] / 16
    return work


def use_dot(program: Program) -> Program:
    """Multiply matrices by `numpy.dot`: it makes the same BLAS call as `numpy.matmul` with less overhead."""
    updated = {new for _, new in program.updates}  # inputs may have any memory order, but dot only writes in C order

    def chosen(instruction: Instruction) -> Any:
        shapes = [x.shape if isinstance(x, Variable) else () for x in instruction.operands]
        if instruction.primitive is not matmul or instruction.result in updated:
            return [instruction]
        # For a row or a column the two make different BLAS calls, which may round differently.
        are_matrices = all(len(shape) == 2 and min(shape) > 1 for shape in shapes)
        return [replace(instruction, primitive=primitives.dot)] if are_matrices else [instruction]

    return program.rewritten(chosen)


class _Folding:
    """Moves one factor to the cheapest place before the product."""

    def __init__(self, program: Program, factor: Variable) -> None:
        self.program, self.factor = program, factor
        self.made = {instruction.result: instruction for instruction in program.instructions}
        self.uses = program.uses()
        self.free = self._free()
        self.ways: dict[Variable, partial[Iterator[Instruction]]] = {}
        self.products: list[Instruction] = []
        self.scaled: dict[Variable, Variable] = {}

    def _free(self) -> set[Variable]:
        """Return the values whose every use is, in the end, multiplied by the factor."""
        free: set[Variable] = set()
        for instruction in reversed(self.program.instructions):
            x = instruction.result
            if all(use is not None and self._is_scaled(use, x, free) for use in self.uses.get(x, [None])):
                free.add(x)
        return free

    def _is_scaled(self, use: Instruction, x: Variable, free: set[Variable]) -> bool:
        s, scaled = _product(use)
        if s is self.factor and scaled is x:
            return True
        if use.result not in free or use.result.dtype != x.dtype:
            return False
        positions = [k for k, operand in enumerate(use.operands) if operand is x]
        return len(positions) == 1 and positions[0] in use.primitive.linear_in

    def cost(self, x: Variable) -> float:
        """Return the fewest multiplications that compute the factor times ``x``; note the way to do it."""
        if x in self.ways:
            return 0
        best, way = float(x.size), partial(self._directly, x)
        instruction = self.made.get(x) if x in self.free else None
        if instruction is not None:
            for k in instruction.primitive.linear_in:
                operand, others = instruction.operands[k], dict(self.ways)
                if not _has_elements(operand) or operand.dtype != x.dtype:
                    continue
                cost = self.cost(operand)
                if operand in self.free:
                    cost /= len(self.uses[operand])  # its uses share the cost
                if cost < best:
                    best, way = cost, partial(self._through, instruction, k)
                else:
                    self.ways = others
        self.ways[x] = way
        return best

    def is_worth_it(self) -> bool:
        """Find the cheapest way to compute each product; return True if it differs from the present one for any."""
        self.products = [i for i in self.program.instructions if _product(i)[0] is self.factor]
        # The largest first: they gain most, and the others can use the ways that are found for them.
        for product in sorted(self.products, key=lambda i: -i.result.size):
            self.cost(_product(product)[1])
        return any(way.func != self._directly for way in self.ways.values())

    def run(self) -> Program:
        """Return the program with the products computed in these ways."""
        instructions: list[Instruction] = []
        for x in [x for x in self.ways if x not in self.made]:
            instructions += self.ways[x]()
        for instruction in self.program.instructions:
            instructions.append(instruction)
            if instruction.result in self.ways:
                instructions += self.ways[instruction.result]()
        replaced = replace(self.program, instructions=tuple(instructions))
        results = {product.result: self.scaled[_product(product)[1]] for product in self.products}
        return replaced.rewritten(lambda i: results.get(i.result, [i]))

    def _directly(self, x: Variable) -> Iterator[Instruction]:
        phase = self.made[x].phase if x in self.made else self.program.instructions[0].phase
        yield Instruction(multiply, (self.factor, x), {}, self._result(x), phase)

    def _through(self, instruction: Instruction, position: int) -> Iterator[Instruction]:
        operands = tuple(self.scaled[x] if k == position else x for k, x in enumerate(instruction.operands))
        yield replace(instruction, operands=operands, result=self._result(instruction.result))

    def _result(self, x: Variable) -> Variable:
        scaled = replace(x, name=x.name and f"{self.factor.name}_{x.name}", factor=self.factor.name)
        self.scaled[x] = scaled
        return scaled


def _has_elements(x: Any) -> bool:
    return isinstance(x, Variable) and bool(x.shape) and math.prod(x.shape) > 0


PASSES = (drop_unused, compute_constants, drop_moves, merge_equal, merge_sums, fold_factors, use_dot)
