"""Assign memory to the values of a program: which share an array, and which are computed in place.

NumPy allocates a new array for each result, which costs time for large ones. A program knows the last use of each
value, so it allocates a few arrays once and uses them again within a call and at every call.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .program import Instruction, Program, Variable, variables_in


@dataclass(eq=False)
class Allocation:
    """An array that is allocated once and used at every call.

    Attributes
    ----------
    shape, dtype, order
        The shape, the type of the elements, and the order of the axes in memory, as of a `Variable`.
    holds : list of Variable
        The values it holds, one after the other.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: tuple[int, ...] | None = None
    holds: list[Variable] = field(default_factory=list)

    @property
    def made(self) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """The shape of the array that is allocated, in C's order, and the axes of it that are the array's."""
        if self.order is None:
            return self.shape, None
        return tuple(self.shape[axis] for axis in self.order), tuple(map(self.order.index, range(len(self.order))))

    def empty(self) -> Any:
        """Return a new array of this kind."""
        shape, axes = self.made
        return np.empty(shape, self.dtype) if axes is None else np.empty(shape, self.dtype).transpose(axes)


@dataclass(eq=False)
class Plan:
    """The memory of each value of a program. A value that is in none of these gets a new array at each call.

    Attributes
    ----------
    memories : list of Allocation
        The arrays that are allocated once.
    places : dict of Variable to Allocation or Variable
        The memory a result is computed into: one of ``memories``, or an input that is changed in place.
    overwrites : dict of Variable to Variable
        For a result that overwrites an operand, this operand.
    fixed_views : set of Variable
        Views of ``memories``, which are also made once.
    copied : tuple of bool
        For each output, True if the program returns a copy, since its memory is used again later.
    """

    memories: list[Allocation] = field(default_factory=list)
    places: dict[Variable, Allocation | Variable] = field(default_factory=dict)
    overwrites: dict[Variable, Variable] = field(default_factory=dict)
    fixed_views: set[Variable] = field(default_factory=set)
    copied: tuple[bool, ...] = ()

    @property
    def bytes(self) -> int:
        """The total size of ``memories``."""
        return sum(int(np.prod(m.shape)) * m.dtype.itemsize for m in self.memories)


def plan_memory(program: Program) -> Plan:
    """Assign memory to each value of a program.

    A value's memory is free after the last instruction that reads it, or a view of it. An elementwise primitive may
    overwrite an operand that it is the last to read. Outputs get a new array at each call.
    """
    return _Planner(program).run()


class _Planner:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.plan = Plan()
        self.views = program.views()
        self.last_read = self._last_reads()
        outputs = [x for x in program.outputs if isinstance(x, Variable)]
        shown = Counter(map(self.root, outputs))
        self.handed_out = {*outputs, *(root for root in shown if shown[root] > 1)}
        self.free: list[Allocation] = []
        # Actual arrays, to find out which views of them are possible.
        self.arrays: dict[Variable, Any] = {}
        self._update_in_place()
        self._change_outputs_in_place()

    def root(self, variable: Variable) -> Variable:
        """Return the variable whose memory a view shares, or the variable itself."""
        return self.views.get(variable, variable)

    def _last_reads(self) -> dict[Variable, int]:
        last: dict[Variable, int] = {}
        for n, instruction in enumerate(self.program.instructions):
            for variable in (instruction.result, *instruction.reads):
                last[self.root(variable)] = n
        for variable in self.program.results:
            last[self.root(variable)] = len(self.program.instructions)
        return last

    def _update_in_place(self) -> None:
        """Let new values of inputs, and the steps to them as in ``m *= k; m += g``, be computed into these inputs.

        An input's memory may have any order, so only elementwise results go there. They wait for the last check: if a
        check raises an error, no input has been changed.
        """
        targets = {new: old for old, new in self.program.updates}
        for n, instruction in reversed([*enumerate(self.program.instructions)]):
            target, primitive = targets.get(instruction.result), instruction.primitive
            if primitive.is_statement:
                break
            if target is None or not (primitive.elementwise or primitive.overwrites_first):
                continue
            if self._can_be_placed(instruction) and self._may_overwrite(n, instruction, target):
                self.plan.places[instruction.result] = target
                first = instruction.operands[0]
                if isinstance(first, Variable) and self.last_read.get(first) == n:
                    targets.setdefault(first, target)

    def _change_outputs_in_place(self) -> None:
        """Let an output that is a changed array, as after ``y[i] = v``, be the new array itself, not a copy of it."""
        made = {i.result for i in self.program.instructions if not i.primitive.is_view}
        for n, instruction in reversed([*enumerate(self.program.instructions)]):
            result, x = instruction.result, next(iter(instruction.operands), None)
            if result in self.handed_out and instruction.primitive.overwrites_first and isinstance(x, Variable):
                is_free = x in made and x not in self.handed_out and x not in self.plan.places
                if is_free and self._may_overwrite(n, instruction, x):
                    self.handed_out.add(x)
                    self.plan.overwrites[result] = x
        for result, x in reversed(self.plan.overwrites.items()):
            self.plan.places[result] = self.plan.places.get(x, x)

    def run(self) -> Plan:
        for n, instruction in enumerate(self.program.instructions):
            if instruction.result in self.views:
                self._take_view(instruction)
            elif instruction.result not in self.plan.places and self._can_be_placed(instruction):
                self._place(n, instruction)
            self._release(n, instruction)
        self.plan.copied = tuple(map(self._is_copied, self.program.outputs))
        return self.plan

    def _take_view(self, instruction: Instruction) -> None:
        array = self.arrays.get(instruction.operands[0])
        if array is not None and not any(variables_in(instruction.operands[1:])):
            view = instruction.primitive.compute(array, *instruction.operands[1:], **instruction.params)
            if np.may_share_memory(view, array):
                self.plan.fixed_views.add(instruction.result)
                self.arrays[instruction.result] = view

    def _can_be_placed(self, instruction: Instruction) -> bool:
        """Return True if an instruction can write its result into given memory of the program's device."""
        primitive, result, device = instruction.primitive, instruction.result, self.program.device
        if not primitive.template_into or (primitive.into_on_cpu_alone and device != "cpu"):
            return False
        return result.shape != () and result.device == device and result not in self.handed_out

    def _place(self, n: int, instruction: Instruction) -> None:
        result = instruction.result
        memory = self._memory_of_operand(n, instruction) or self._free_memory(result)
        self.arrays[result] = self.arrays[memory.holds[0]] if memory.holds else memory.empty()
        memory.holds.append(result)
        self.plan.places[result] = memory

    def _memory_of_operand(self, n: int, instruction: Instruction) -> Allocation | None:
        for operand in variables_in(instruction.operands):
            memory = self.plan.places.get(operand)
            if isinstance(memory, Allocation) and self._may_overwrite(n, instruction, operand):
                self.plan.overwrites[instruction.result] = operand
                return memory
        return None

    def _free_memory(self, result: Variable) -> Allocation:
        assert result.dtype is not None
        for memory in self.free:
            if (memory.shape, memory.dtype, memory.order) == (result.shape, result.dtype, result.order):
                self.free.remove(memory)
                return memory
        self.plan.memories.append(Allocation(result.shape, result.dtype, result.order))
        return self.plan.memories[-1]

    def _may_overwrite(self, n: int, instruction: Instruction, target: Variable) -> bool:
        """Return True if a result may overwrite an input or operand: nothing else needs the old value."""
        primitive, result = instruction.primitive, instruction.result
        if (target.shape, target.dtype) != (result.shape, result.dtype) or self.last_read.get(target, -1) > n:
            return False
        reads = [variable for variable in instruction.reads if self.root(variable) is target]
        if primitive.overwrites_first:
            return not reads or (len(reads) == 1 and instruction.operands[0] is target)
        return not reads or (primitive.elementwise and all(variable is target for variable in reads))

    def _release(self, n: int, instruction: Instruction) -> None:
        """Free the memory of the values that this instruction is the last to read."""
        for variable in dict.fromkeys(map(self.root, (*instruction.reads, instruction.result))):
            memory = self.plan.places.get(variable)
            if isinstance(memory, Allocation) and self.last_read[variable] == n and memory.holds[-1] is variable:
                self.free.append(memory)

    def _is_copied(self, output: Any) -> bool:
        """Return True if an output must be copied: a constant, made once, or a view of memory that is used again.

        Other outputs need no copy: they share memory with inputs and each other as the function's results would.
        """
        if not isinstance(output, Variable):
            return isinstance(output, np.ndarray) and output.ndim > 0
        place = self.plan.places.get(self.root(output))
        return output.is_array and place is not None and place not in self.handed_out
