"""The recorder: it computes each primitive as the function calls it, and writes it down.

A recording runs the function once, for real, on tracers in place of its arrays. Each tracer holds the actual value, so
the results are those of an ordinary call. A step that other values could take differently, such as a branch on an
element, is refused: the program would be wrong for them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from ..errors import JitError
from ..support.call_stack import users_line
from ..support.devices import is_array, share_memory, to_device
from ..support.observer import AGAIN, DERIVATIVE, MODULE, RULE, UPDATE, under_way
from ..support.randomness import copied
from . import primitives
from .loops import RecordedLoop
from .numbers import GeneratorTracer, NumberTracer, settled
from .primitives import Primitive
from .program import GENERATORS, Instruction, Variable, substituted
from .traced import Traced, is_array_or_scalar, operand_of, tracers_in, value_of, variable_of
from .tracer import Tracer

# The phase of each kind of step. If steps of several kinds are in progress, the last of these kinds decides.
_PHASES = {MODULE: "forward", DERIVATIVE: "backward", UPDATE: "update"}


class Recorder:
    """Collects the instructions of one recording.

    Attributes
    ----------
    instructions : list of Instruction
        The primitives so far.
    pinned : set of Variable
        The inputs, numbers and masks, whose value decided something: the program is only correct for that value.
    refusal : JitError or None
        The first refusal.
    computes_on : tuple of (str, str) or None
        The device of the first result, which is the program's, and the name of the primitive that computed it.
    noted : dict of Variable to object, or None
        While the step of a loop is recorded, the values of what its instructions read and compute.
    interruptions : int
        The number of signal handlers that are running, interrupting the recording.
    names : mapping of Tensor to str
        The names of parameters in the program.
    """

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.pinned: set[Variable] = set()
        self.names: Mapping[Any, str] = {}
        self.refusal: JitError | None = None
        self.noted: dict[Variable, Any] | None = None
        self.computes_on: tuple[str, str] | None = None
        self._errors = np.geterr()
        self.thread = threading.get_ident()
        self.interruptions = 0
        self.is_open = True

    def lift(self, value: Any, name: str, is_given: bool = True, is_constant: bool = False) -> Any:
        """Return a tracer for an input: an array, a number or a random generator. Arguments have ``is_given``."""
        variable = Variable.like(value, name)
        variable.is_named = True
        tracer: Any = NumberTracer(self, variable, value, frozenset({variable}))
        if isinstance(value, GENERATORS):
            # The recording draws from a copy: only a call advances the generator.
            tracer = GeneratorTracer(self, variable, copied(value))
        elif is_array_or_scalar(value):
            tracer = self.traced(variable, value)
        tracer.is_given, tracer.is_constant = is_given, is_constant
        return tracer

    def traced(self, variable: Variable, value: Any, base: Tracer | None = None) -> Tracer:
        """Return the tracer of an array."""
        return Tracer(self, variable, value, base)

    def record(self, primitive: Primitive, *operands: Any, **params: Any) -> Any:
        """Compute one primitive on the values of its operands, and write it down; return the result's tracer."""
        self.check()
        if np.geterr() != self._errors:
            self.refuse(
                "the function changes NumPy's error handling", "Put np.errstate around the call of the function"
            )
        operands = tuple(map(settled, operands))
        return self.written(primitive, operands, params, primitive.compute(*map(value_of, operands), **params))

    def written(self, primitive: Primitive, operands: tuple[Any, ...], params: dict[str, Any], value: Any) -> Any:
        """Write down a primitive that has been computed; return the result's tracer."""
        first = operands[0] if operands else None
        is_shown = isinstance(first, Tracer) and is_array(value) and share_memory(value, first.value)
        is_reshape = primitive is primitives.reshape
        if is_reshape and is_array(value) and not is_shown and value.size > 1:
            primitive = primitives.gather
        if is_shown and not primitive.is_view:  # einsum("ij->ji", x) returns a view
            primitive = replace(primitive, is_view=True, template_into="")
        # Of each kind, the innermost step: it tells the phase, and names variables after rules and derivatives.
        steps: dict[str, Any] = {}
        for step in under_way():
            if step.kind not in steps:
                steps[step.kind] = step.of
            if step.kind == AGAIN:
                steps.setdefault(DERIVATIVE, None)  # it is a part of a backward pass, but computes no derivative
        phase = ""
        for kind in _PHASES:
            phase = _PHASES[kind] if kind in steps else phase
        name = steps[RULE].name if RULE in steps else ""
        result = Variable.like(value, self.names.get(steps[UPDATE], name) if UPDATE in steps else name)
        result.derivative_of = variable_of(steps[DERIVATIVE]) if DERIVATIVE in steps else None
        if self.noted is not None:
            self.noted.update((x.variable, x.value) for x in tracers_in(operands))
            self.noted[result] = value
        read = tuple(map(operand_of, operands))
        self.instructions.append(Instruction(primitive, read, params, result, phase, steps.get(AGAIN)))
        if not is_array_or_scalar(value):
            roots = [x.roots for x in operands if isinstance(x, Traced)]
            return NumberTracer(self, result, value, None if None in roots else frozenset().union(*filter(None, roots)))
        if not isinstance(first, GeneratorTracer):  # which draws on the CPU, whatever the program's device
            self._stay_on(result.device, primitive)
        # A reshape that copies now, because of the memory order, may return a view at the next call.
        is_shown = is_shown or (is_reshape and is_array(value))
        return self.traced(result, value, first if is_shown else None)

    def given_to_step(self, variable: Variable, value: Any) -> Tracer:
        """Return the tracer of an array that is given to the step of a loop."""
        return self.traced(variable, value)

    def loop(self, step: Any, carried: list[Any], xs: list[Any], of: RecordedLoop | None = None) -> RecordedLoop:
        """Record a loop: see `RecordedLoop`."""
        return RecordedLoop(self, step, carried, xs, of)

    def run(self, instructions: Iterable[Instruction], known: dict[Variable, Any]) -> None:
        """Compute instructions, and add their results to the known values."""
        for i in instructions:
            value = i.primitive.compute(*substituted(i.operands, known), **i.params)
            # A primitive that fills an array makes one of NumPy, but the source one of the device.
            known[i.result] = to_device(value, i.result.device) if i.result.is_array else value

    @contextmanager
    def apart(self) -> Iterator[dict[Variable, Any]]:
        """Collect the instructions within a ``with`` block apart, and note values: those of the step of a loop."""
        before, self.instructions = self.instructions, []
        self.noted = {}
        try:
            yield self.noted
        finally:
            self.instructions, self.noted = before, None

    def _stay_on(self, device: str, primitive: Primitive) -> None:
        """Note the device of a result, and a refusal if it is not the program's: a program has one device.

        The refusal is not raised at once: a primitive whose own operands are on two devices has a better error.
        """
        self.computes_on = self.computes_on or (device, primitive.name)
        first_device, first = self.computes_on
        if device != first_device:
            self._note_refusal(
                f"{first} is computed on {first_device!r}, and {primitive.name} on {device!r}, but a program has one "
                "device",
                "Move the operands to one device first, or compute outside of the jitted function",
            )

    def refuse(self, what: str, instead: str) -> NoReturn:
        """Raise a JitError that names the user's line.

        The error is also stored: if the function catches it, the recording still fails.
        """
        raise self._note_refusal(what, instead)

    def _note_refusal(self, what: str, instead: str) -> JitError:
        self.refusal = self.refusal or JitError(f"{users_line() or 'in a jitted function'}: {what}. {instead}")
        return self.refusal

    def unsupported(self, what: str) -> NoReturn:
        """Refuse a primitive that cannot be recorded."""
        self.refuse(
            f"{what} cannot be recorded",
            "Call it outside of the jitted function, or compose it of NumPy's arithmetic, reductions and products",
        )

    def check(self) -> None:
        """Refuse a primitive that is not part of this recording.

        Raises
        ------
        JitError
            If the recording has ended, runs in another thread, or is interrupted by a signal handler.
        """
        if not self.is_open:
            raise JitError(
                "this value belongs to a recording that has ended, since the jitted function left it in a place that "
                "jit does not know: return the value instead"
            )
        if threading.get_ident() != self.thread:
            raise JitError(
                "a model is used in this thread while a jitted function that uses it too is being recorded in another: "
                "call the function once before the threads start"
            )
        if self.interruptions:
            raise JitError(
                "a model is used in a signal handler while a jitted function that uses it too is being recorded: call "
                "the function once before signals may come"
            )
