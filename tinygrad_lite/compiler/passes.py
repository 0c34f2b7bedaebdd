"""Passes that make a program shorter and faster without changing what it computes.

A recording contains every step of the rules, including copies, repeated work and results that nothing reads. Each pass
takes a program and returns one. `fold_factors` changes the rounding, since it multiplies in another order. The other
passes keep every bit of the results, with one exception: if a copy in another memory order is left out, NumPy may sum
its elements in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import primitives
from .loops import Loop
from .primitives import of_ufunc
from .program import Instruction, Program, Variable, judged, variables_in

CALL = 1000  # elements of an array that are multiplied in the time it takes to call NumPy
CALL_ON_GPU = 2**22  # the same there: 20 µs at three terabytes a second
SCALED = "scaled"  # the name of what was multiplied by a constant
add, multiply, divide, power, matmul = map(of_ufunc, (np.add, np.multiply, np.divide, np.power, np.matmul))


def simplify(program: Program, is_exact: bool = False) -> Program:
    """Return a shorter program that computes the same: apply all `PASSES` until none changes anything.

    One that is exact rounds as the recording: no factor moves.
    """
    passes, of_body = (EXACT, EXACT) if is_exact else (PASSES, PASSES_OF_BODY)
    finished = tuple(_with_finished_body(instruction, of_body) for instruction in program.instructions)
    return _simplified(replace(program, instructions=finished), passes)


def _simplified(program: Program, passes: Iterable[Callable[[Program], Program]]) -> Program:
    while True:
        before = program.instructions
        for simplification in passes:
            program = simplification(program)
        if program.instructions == before:
            return program


def _with_finished_body(instruction: Instruction, passes: Iterable[Callable[[Program], Program]]) -> Instruction:
    if not isinstance(instruction.primitive, Loop):
        return instruction
    loop, operands = instruction.primitive.finished(instruction.operands, lambda body: _simplified(body, passes))
    return replace(instruction, primitive=loop, operands=operands)


def drop_unused(program: Program) -> Program:
    """Remove instructions that no result needs and that have no effect and raise nothing; and unread inputs."""
    needed = set(program.results)
    kept = []
    for instruction in reversed(program.instructions):
        if instruction.result in needed or instruction.primitive.has_effect or may_raise(instruction):
            needed.update(instruction.reads)
            kept.append(instruction)
    needed.update(old for old, _ in program.updates)
    inputs = tuple(variable for variable in program.inputs if variable in needed)
    return replace(program, inputs=inputs, instructions=tuple(reversed(kept)))


def may_raise(instruction: Instruction) -> bool:
    """Return True if the values of an instruction's operands may make it raise an error."""
    deciding = tuple(instruction.operands[k] for k in instruction.primitive.raises_by)
    return instruction.primitive.raises_by_floats or any(
        x.dtype is None or x.dtype.kind in "iu" for x in variables_in(deciding)
    )


def _rewritten(program: Program, rewrite: Callable[[Instruction], Any]) -> Program:
    """Return `Program.rewritten`, with copies where two outputs would share memory: the caller may change one."""
    views = program.views()
    shown = {views.get(x, x) for x in variables_in(program.outputs)}
    unfit = {*program.inputs, *(i.result for i in program.instructions if i.primitive.is_view)}

    def rewritten(instruction: Instruction) -> Any:
        result, new = instruction.result, rewrite(instruction)
        if not isinstance(new, Variable) or not new.is_array or result not in shown:  # numbers are immutable
            return new
        if new not in shown and new not in unfit:
            shown.add(new)
            return new
        return [instruction if instruction.primitive is primitives.copy else _copy(instruction, new)]

    return program.rewritten(rewritten)


def compute_constants(program: Program) -> Program:
    """Compute results that depend only on constants (constant folding); remove factors and exponents of one."""
    uses, updated = program.uses(), {new for _, new in program.updates}

    def is_overwritten(x: Variable) -> bool:
        return any(use is not None and use.primitive.overwrites_first for use in uses.get(x, []))

    def computed(instruction: Instruction) -> Any:
        primitive, result, operands = instruction.primitive, instruction.result, instruction.operands
        is_new = primitive in (primitives.full, primitives.empty)
        if primitive.has_effect or (is_new and (result.size > 1 or is_overwritten(result))):
            return [instruction]
        if not any(variables_in(operands)) and result not in updated:
            value = primitive.compute(*operands, **instruction.params)
            return value if np.size(value) <= primitives.LITERAL_SIZE else [instruction]
        if primitive is multiply and _is_one(operands[0]):
            operands = operands[::-1]
        if primitive in (multiply, divide, power) and _is_one(operands[1]) and has_type(operands[0], result):
            return operands[0]
        return [instruction]

    return _rewritten(program, computed)


def _is_one(x: Any) -> bool:
    return not isinstance(x, (Variable, tuple, str)) and np.size(x) > 0 and bool(np.all(np.equal(x, 1)))


def has_type(x: Any, result: Variable) -> bool:
    """Return True for a variable of the shape and the type of a result."""
    is_number = result.dtype is None  # a Python number; NumPy takes None for float64
    return isinstance(x, Variable) and (x.shape, x.dtype, x.dtype is None) == (result.shape, result.dtype, is_number)


def drop_moves(program: Program) -> Program:
    """Remove useless moves of elements: copies in the same order, reshapes to the same shape, double transposes."""
    made: dict[Variable, Instruction] = {}
    uses = program.uses()
    narrowed: set[Variable] = set()

    def moved(instruction: Instruction) -> Any:
        primitive, result, params = instruction.primitive, instruction.result, instruction.params
        x = instruction.operands[0] if instruction.operands else None
        if not isinstance(x, Variable):
            return [instruction]
        if (
            (primitive is primitives.copy and x.order == result.order)
            or (primitive is primitives.getitem and instruction.operands[1] in (..., ()))
            or (primitive is primitives.transpose and params["axes"] == tuple(range(len(x.shape))))
            or (primitive in (primitives.reshape, primitives.broadcast_to) and x.shape == result.shape)
        ):
            return x
        if primitive is primitives.broadcast_to and all(_stretches(u, result, narrowed) for u in uses.get(result, [])):
            narrowed.add(result)
            return x
        source = made.get(x)
        if source is not None and source.primitive is primitive in (primitives.reshape, primitives.transpose):
            if primitive is primitives.transpose:
                params = {"axes": tuple(source.params["axes"][axis] for axis in params["axes"])}
            instruction = replace(instruction, operands=source.operands, params=params)
        made[result] = instruction
        return [instruction]

    return _rewritten(program, moved)


def _stretches(use: Instruction | None, wide: Variable, narrowed: set[Variable]) -> bool:
    """Return True if broadcasting gives this shape anyway, so that an explicit `broadcast_to` is redundant."""
    if use is None or not use.primitive.elementwise:
        return False
    others = [x for x in use.operands if isinstance(x, Variable) and x is not wide and x not in narrowed]
    return np.broadcast_shapes(*(x.shape for x in others)) == wide.shape


def merge_equal(program: Program) -> Program:
    """Compute equal instructions once: common subexpression elimination. A second evaluation is on purpose."""
    known: dict[Any, Variable] = {}

    def merged(instruction: Instruction) -> Any:
        if instruction.primitive.has_effect or instruction.primitive is primitives.empty:
            return [instruction]
        params = tuple(sorted((name, _key(value)) for name, value in instruction.params.items()))
        key = instruction.primitive, _key(instruction.operands), params, instruction.again
        first = known.setdefault(key, instruction.result)
        return [instruction] if first is instruction.result else first

    return _rewritten(program, merged)


def _key(x: Any) -> Any:
    """Return a key that is equal exactly for equal operands; 1, 1.0 and True are different."""
    if isinstance(x, tuple):
        return tuple(map(_key, x))
    if isinstance(x, np.ndarray):
        return x.shape, str(x.dtype), x.tobytes()
    return x if isinstance(x, Variable) else (type(x).__name__, repr(x))


def fold_factors(program: Program) -> Program:
    """Multiply by a number where that takes the least time: ``lr * (x.T @ g)`` becomes ``x.T @ (lr * g)``.

    One product of few elements may take the place of several, and of products of many elements.

    The factor moves from the result of a linear primitive to its operand, then through the primitive that computed the
    operand, and so on, as long as nothing else reads the values between. It does not move into differences: the
    rounding errors of their terms may be large relative to the difference. Nor does a factor move that is large or
    tiny, since the values between might overflow or underflow.
    """
    return _folded(program, program.inputs)


def fold_constant_factors(program: Program) -> Program:
    """Do the same with constants alone: a call checks inputs that are factors, but not those of a loop's body."""
    return _folded(program, ())


def _folded(program: Program, inputs: Sequence[Variable]) -> Program:
    """Fold the factors that are constants, or one of these inputs."""
    # In float16 even a moderate factor may cause an underflow.
    if any(instruction.result.dtype == np.float16 for instruction in program.instructions):
        return program
    factors = {_key(factor): factor for factor in map(_factor, program.instructions)}
    for factor in factors.values():
        if factor is None or (isinstance(factor, Variable) and factor not in inputs):
            continue
        while place := _better_place(program, factor):
            if isinstance(factor, Variable):
                program = replace(program, judged=program.judged | {factor})
            if not judged(factor):
                break
            program = _multiplied_at(program, factor, *place)
    return program


def _factor(instruction: Instruction) -> Any:
    """Return the number that an instruction multiplies an array by, an input or a constant; None if it does not."""
    if instruction.primitive is multiply and instruction.result.shape:
        for s, x in (instruction.operands, instruction.operands[::-1]):
            if has_type(x, instruction.result) and judged(s) is not None:
                return s
    return None


def _better_place(program: Program, factor: Any) -> tuple[Variable, set[Variable]] | None:
    """Return the value to multiply by a factor in place of the products it leads to; None if no place saves anything.

    Return the results that lead from it to these products, too.
    """
    uses, call = program.uses(), CALL if program.device == "cpu" else CALL_ON_GPU
    saved = {i.result: i.result.size + call for i in program.instructions if _key(_factor(i)) == _key(factor)}
    free = set(saved)  # the values whose every use is, in the end, multiplied by the factor
    linear: dict[Variable, list[Variable]] = {product: [] for product in saved}
    for x in [*(i.result for i in reversed(program.instructions)), *program.inputs]:
        if x.shape and x not in saved:
            linear[x] = [use.result for use in uses.get(x, []) if use and use.result in free and _is_linear(use, x)]
            saved[x] = sum(saved[result] for result in linear[x])
            if len(linear[x]) == len(uses.get(x, [])):
                free.add(x)
    for x in sorted(saved, key=lambda x: x.size - saved[x]):
        if saved[x] <= x.size + call:
            break
        path = [*linear[x]]
        for result in path:
            path += linear[result] if len(path) < len(linear) else []
        if len(path) == len(set(path)):  # else two ways lead to a product, which would be multiplied twice
            return x, set(path)
    return None


def _is_linear(instruction: Instruction, x: Variable) -> bool:
    """Return True if an instruction is linear in a variable, and gives a result of its type."""
    operands = [instruction.operands[k] for k in instruction.primitive.linear_in]
    return instruction.result.dtype == x.dtype and any(operand is x for operand in operands)


def _multiplied_at(program: Program, factor: Any, x: Variable, path: set[Variable]) -> Program:
    """Return the program with a value multiplied by a factor, and copies in place of the products it leads to."""
    name = factor.name if isinstance(factor, Variable) else SCALED

    def scaled(variable: Variable) -> Variable:
        return replace(variable, name=variable.name and f"{name}_{variable.name}", factor=name)

    results = [instruction.result for instruction in program.instructions]
    at = results.index(x) + 1 if x in results else 0
    first = Instruction(multiply, (factor, x), {}, scaled(x), program.instructions[max(at - 1, 0)].phase)

    def rewrite(instruction: Instruction) -> list[Instruction]:
        if instruction.result not in path:
            return [instruction]
        operands = tuple(first.result if operand is x else operand for operand in instruction.operands)
        if _key(_factor(instruction)) == _key(factor):
            return [_copy(instruction, next(operand for operand in operands if _key(operand) != _key(factor)))]
        return [replace(instruction, operands=operands, result=scaled(instruction.result))]

    instructions = (*program.instructions[:at], first, *program.instructions[at:])
    return replace(program, instructions=instructions).rewritten(rewrite)


def add_in_place(program: Program) -> Program:
    """Add to a part of an array, ``x[i] += v``, instead of to a copy of the part or to a whole array of zeros.

    The first is how a recording sees that statement. The second is the sum of an array and of the derivative of a part.
    """
    made = {instruction.result: instruction for instruction in program.instructions}
    uses = program.uses()

    def made_by(x: Any, primitive: Any) -> tuple[Any, ...] | None:
        """Return the operands of the instruction that made a value, if it is of this kind."""
        instruction = made.get(x) if isinstance(x, Variable) else None
        return instruction.operands if instruction is not None and instruction.primitive is primitive else None

    def made_for_this(x: Any, primitive: Any) -> tuple[Any, ...] | None:
        """Return the same, if nothing else uses the value."""
        return made_by(x, primitive) if isinstance(x, Variable) and len(uses.get(x, ())) == 1 else None

    def is_part(value: Any, x: Any, index: Any) -> bool:
        instruction = made.get(value) if isinstance(value, Variable) else None
        return (
            instruction is not None
            and instruction.primitive is primitives.getitem
            and _key(instruction.operands) == _key((x, index))
        )

    def rewritten(instruction: Instruction) -> Any:
        primitive, operands = instruction.primitive, instruction.operands
        if primitive is primitives.put:
            x, index, value = operands
            if is_part(value, x, index):
                return x  # it is there already
            for part, added in both_ways(made_for_this(value, add)):
                if is_part(part, x, index) and has_type(part, value):
                    return [replace(instruction, primitive=primitives.add_to, operands=(x, index, added))]
        if primitive is add and instruction.result.shape:  # a result of no axes is a number, which does not change
            for x, other in both_ways(operands):
                zeros, index, value = made_for_this(other, primitives.put) or (None, None, None)
                if made_by(zeros, primitives.full) == (0,) and has_type(x, instruction.result) and _is_basic(index):
                    return [replace(instruction, primitive=primitives.add_to, operands=(x, index, value))]
        return [instruction]

    return _rewritten(program, rewritten)


def both_ways(operands: tuple[Any, ...] | None) -> list[tuple[Any, Any]]:
    """Return a pair of operands, and the pair in the other order; nothing for None."""
    return [(operands[0], operands[1]), (operands[1], operands[0])] if operands else []


def _is_basic(index: Any) -> bool:
    """Return True for an index of numbers and slices, which names no element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(part, (int, slice)) or part is None or part is ... for part in parts)


def use_dot(program: Program) -> Program:
    """Multiply matrices by `numpy.dot`: it makes the same BLAS call as `numpy.matmul` with less overhead."""

    def chosen(instruction: Instruction) -> list[Instruction]:
        if instruction.primitive is not matmul:
            return [instruction]
        # For a row or a column the two make different BLAS calls, which may round differently.
        shapes = [x.shape for x in instruction.operands]
        are_matrices = all(len(shape) == 2 and min(shape) > 1 for shape in shapes)
        return [replace(instruction, primitive=primitives.dot)] if are_matrices else [instruction]

    return program.rewritten(chosen)


def _copy(instruction: Instruction, x: Variable) -> Instruction:
    """Return an instruction with the same result, which copies a variable."""
    return replace(instruction, primitive=primitives.copy, operands=(x,), params={})


EXACT = (drop_unused, compute_constants, drop_moves, merge_equal, add_in_place, use_dot)
PASSES = (*EXACT[:4], fold_factors, *EXACT[4:])
PASSES_OF_BODY = (*EXACT[:4], fold_constant_factors, *EXACT[4:])
