"""Loops: a step that is recorded once, and a primitive that runs it for each part of its inputs.

The body of a loop is a program of its own. All that it computes is written into its inputs: the values that are carried
from step to step, and the parts, of this step, of the arrays in which outputs are stacked. The derivative is a loop
that runs backwards. It reads what the steps have computed: each such value is stacked as one more output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..support.devices import to_device
from . import primitives
from .primitives import Primitive, is_literal
from .program import Instruction, Program, Variable
from .traced import is_traced, operand_of, value_of, variable_of

VALUE = "value"  # the name of what has no better one


@dataclass(frozen=True, eq=False, kw_only=True)
class Loop(Primitive):
    """The primitive of one loop: it returns the carried values after the last step, then the stacked outputs.

    Its operands are the carried values before the first step, the inputs of all steps, stacked along axis 0, and what
    the steps read from outside.

    Attributes
    ----------
    body : Program
        The step. Its inputs are the carried values, those of the step, and those from outside; its updates the new
        values of the carried ones.
    counts : (int, int)
        How many of the inputs are carried, and how many are of the step.
    steps : range
        The order of the steps.
    stacked : list
        What is stacked: variables of the body.
    slots : tuple of Variable
        The inputs of the finished body that stand for the parts of the stacked outputs.
    """

    body: Program
    counts: tuple[int, int]
    steps: range
    stacked: list[Variable]
    slots: tuple[Variable, ...] = ()

    def finished(self, operands: tuple[Any, ...], simplify: Callable[[Program], Program]) -> tuple[Loop, Any]:
        """Return the loop with a simplified body that writes the stacked outputs, and the operands that it reads."""
        slots = tuple(replace(x, name=x.name or VALUE, is_array=True, order=None) for x in self.stacked)
        # What is stacked comes first: it may be a value that was carried to the step, and changes with it.
        updates = (*zip(slots, self.stacked, strict=True), *self.body.updates)
        body = simplify(replace(self.body, inputs=(*self.body.inputs, *slots), updates=updates))
        is_read = [x in body.inputs for x in self.body.inputs]
        carried, of_step = self.counts
        counts = carried, sum(is_read[carried : carried + of_step])
        read = tuple(x for x, is_needed in zip(operands, is_read, strict=True) if is_needed)
        return replace(self, body=body, counts=counts, slots=slots), read


class RecordedLoop:
    """A loop of a recording: the step was called once, and its instructions were run for all steps.

    Parameters
    ----------
    recorder : Recorder
        The recorder.
    step : callable
        ``step(carried, x)`` takes lists of arrays, and returns those of the new carried ones and of outputs.
    carried, xs : list of arrays
        The arrays before the first step; the inputs of all steps, stacked along axis 0.
    of : RecordedLoop, optional
        The loop of which this one is the derivative: it runs backwards, and reads what the steps of that one computed.

    Attributes
    ----------
    carried, ys : list of Tracer
        The arrays after the last step; the stacked outputs.
    """

    loop: Loop

    def __init__(self, recorder: Any, step: Any, carried: Any, xs: Any, of: RecordedLoop | None = None) -> None:
        self.recorder, self.xs = recorder, [*xs]
        self.steps = range(len(value_of(xs[0]))) if of is None else of.loop.steps[::-1]
        values = [*(np.copy(value_of(x)) for x in carried), *(value_of(x)[self.steps[0]] for x in xs)]
        names = [_name_of(x, "carried") for x in carried] + [_name_of(x, "part") for x in xs]
        given = [recorder.given_to_step(Variable.like(x, name), x) for x, name in zip(values, names, strict=True)]
        with recorder.apart() as noted:
            new, ys = step(given[: len(carried)], given[len(carried) :])
            ends = [x if is_traced(x) else recorder.record(primitives.array, x) for x in (*new, *ys)]
            recorded, device = recorder.instructions, recorder.computes_on[0] if recorder.computes_on else "cpu"
        instructions, captured = with_captured(recorded, device)
        name_derivatives(instructions)
        noted = {x.variable: x.value for x in ends} | noted | captured
        results = [operand_of(x) for x in ends]

        inputs = [x.variable for x in given]
        self.local = {*inputs, *(i.result for i in instructions)}
        reads = dict.fromkeys(x for x in (*(x for i in instructions for x in i.reads), *results) if x not in self.local)
        of_steps = {x: of.stack(x) for x in reads if of is not None and x in of.local}
        outer = [x for x in reads if x not in of_steps]
        self.xs += of_steps.values()
        body = Program(
            name="body",
            inputs=(*inputs, *of_steps, *outer),
            instructions=tuple(replace(i, phase="") for i in instructions),
            outputs=(),
            updates=tuple(zip(inputs, results[: len(carried)], strict=False)),
            device=device,
        )
        self.loop = Loop(
            name="loop",
            compute=tuple,
            template="",
            has_effect=True,
            body=body,
            counts=(len(carried), len(self.xs)),
            steps=self.steps,
            stacked=results[len(carried) :],
        )
        self.values = self._run(values[: len(carried)], noted)
        last = [np.copy(self.values[self.steps[-1]][x]) for x in results[: len(carried)]]
        everything = [*last, *map(self._stacked, self.loop.stacked)]
        operands = (*carried, *self.xs, *(captured.get(x, x) for x in outer))
        self._all = recorder.written(self.loop, operands, {}, _Several(everything))
        picks = [self._pick(k, x, value) for k, (x, value) in enumerate(zip(results, everything, strict=True))]
        self.carried, self.ys = picks[: len(carried)], picks[len(carried) :]

    def stack(self, x: Variable) -> Any:
        """Return the values that a variable of the body has had in all steps, stacked along axis 0."""
        carried, of_step = self.loop.counts
        inputs_of_step = self.loop.body.inputs[carried : carried + of_step]
        if x in inputs_of_step:
            return self.xs[inputs_of_step.index(x)]
        if x.dtype is None:
            self.recorder.refuse(
                "the derivative of a scan needs a Python number or a random generator that its step made",
                "Make it outside of the scan, or an array of the number",
            )
        if x not in self.loop.stacked:
            self.loop.stacked.append(x)
        return self._pick(carried + self.loop.stacked.index(x), x, self._stacked(x))

    def _pick(self, k: int, x: Variable, value: Any) -> Any:
        """Write down that one of the loop's results is picked."""
        pick = self.recorder.written(primitives.getitem, (self._all, k), {}, value)
        pick.variable.name, pick.variable.is_named, pick.variable.is_final = x.name or VALUE, x.is_named, True
        pick.variable.derivative_of = None
        return pick

    def _stacked(self, x: Variable) -> Any:
        return np.stack([self.values[t][x] for t in range(len(self.steps))])

    def _run(self, carried: list[Any], noted: dict[Variable, Any]) -> list[dict[Variable, Any]]:
        """Run the steps; return, for each, the values of its variables."""
        body = self.loop.body
        found: list[dict[Variable, Any]] = [{} for _ in self.steps]
        for t in self.steps:
            given = [*carried, *(value_of(x)[t] for x in self.xs)]
            known = found[t] = noted | dict(zip(body.inputs, given, strict=False))
            self.recorder.run(body.instructions, known)
            carried = [np.copy(known[new]) for _, new in body.updates]
        return found


def in_bodies(program: Program, change: Callable[[Program], Program]) -> Program:
    """Return a program with a change made in the body of each loop."""

    def changed(instruction: Instruction) -> Instruction:
        loop = instruction.primitive
        if not isinstance(loop, Loop):
            return instruction
        return replace(instruction, primitive=replace(loop, body=change(loop.body)))

    return replace(program, instructions=tuple(map(changed, program.instructions)))


def _name_of(x: Any, otherwise: str) -> str:
    return getattr(variable_of(x), "name", "") or otherwise


class _Several(tuple[Any, ...]):
    """The results of a loop, as the value of one variable."""

    shape = ()


def with_captured(instructions: list[Instruction], device: str) -> tuple[list[Instruction], dict[Variable, Any]]:
    """Turn functions, and constant arrays too large for the source, into inputs of the program, on its device."""
    captured: dict[Variable, Any] = {}

    def replaced(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(replaced, x))
        is_function = callable(x) and not isinstance(x, type)
        if not is_function and (not isinstance(x, np.ndarray) or is_literal(x)):
            return x
        value = x if is_function else to_device(x, device)
        variable = Variable.like(value, getattr(x, "__name__", "constant"))
        captured[variable] = value
        return variable

    return [replace(i, operands=replaced(i.operands)) for i in instructions], captured


def name_derivatives(instructions: list[Instruction]) -> None:
    """Mark the last variable of each derivative as final: it holds the whole derivative and gets its name."""
    derivatives = [i.result for i in instructions if i.result.derivative_of is not None]
    final = {variable.derivative_of: variable for variable in derivatives}
    for variable in derivatives:
        variable.is_final = variable is final[variable.derivative_of]
