"""Recording: a function is run once, on tracers, and what it computes is written down."""

from __future__ import annotations

import builtins
import gc
import keyword
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import JitError
from ..support.devices import is_array, moved
from ..support.locks import Lock
from ..tensor import Tensor
from .operations import is_literal
from .outputs import Outputs
from .places import EMPTY, contents, set_contents
from .program import GENERATORS, Instruction, Program, Variable
from .state import GIVEN, Input, State, is_plain
from .tracer import Number, Recorder, Reflects, Tracer, variable_of
from .watch import Gradients, Namer, calls_watched, handlers_apart, no_chance

recording_lock = Lock()
_under_way: list[Before] = []  # the recording that is, if any


def is_being_recorded() -> bool:
    """Return whether the current thread is recording a function."""
    return any(before.thread == threading.get_ident() for before in _under_way)


def _give_up_others() -> None:
    """In a forked child, put back what another thread's recording, which does not go on here, has replaced."""
    for before in [before for before in _under_way if before.thread != threading.get_ident()]:
        before.put_back()
        _under_way.remove(before)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_give_up_others)


@dataclass(frozen=True)
class Recording:
    """What one call of a function was seen to do.

    Attributes
    ----------
    program : Program
        What it computes.
    state : State
        What it reaches.
    sources : dict of Variable to Input or array
        Where each input of the program comes from: a place, or an array of its own.
    guards : dict of str to str
        When the program holds: conditions, and what each is about.
    made : list of str
        Statements of the ``values`` that the program hands out: they make the result, and what is left behind.
    writes : list of str
        Those that then leave behind what the function leaves behind besides the contents of arrays.
    result : str
        The name of the result.
    returned : object
        The result itself, in which tracers stand for what is computed.
    """

    program: Program
    state: State
    sources: dict[Variable, Any]
    guards: dict[str, str]
    made: list[str]
    writes: list[str]
    result: str
    returned: Any


def record(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder | None = None
) -> Recording:
    """Run a function once on tracers, and leave all that it reaches as it was.

    Parameters
    ----------
    function : callable
        What to run.
    args, kwargs : tuple and dict
        What to call it with.
    recorder : Recorder, optional
        Who writes down what is computed, for a reading that takes note of more.

    Returns
    -------
    Recording
        What the function was seen to do; nothing of it is done yet.

    Raises
    ------
    JitError
        If no program can be made of the function.
    """
    with recording_lock:
        if recorder is not None:  # it cannot begin anew
            return _record(function, args, kwargs, recorder, reflects=True)
        try:
            return _record(function, args, kwargs, Recorder(), reflects=False)
        except Reflects:
            return _record(function, args, kwargs, Recorder(), reflects=True)


def _record(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder, reflects: bool
) -> Recording:
    lifted, named = list(args), dict(kwargs)
    state = State(function, lifted, named, reflects)
    gradients = Gradients([*state.tensors])
    before = Before(state, gradients)
    with handlers_apart(recorder), _put_back_on_error(before):
        gc.disable()  # or others' code, which is not the function's, might run meanwhile
        state.lift(recorder)
        before.note_tracers()
        with gradients.watched(), no_chance(), calls_watched(recorder, Namer(state)):
            result = state.called[0](*lifted, **named)
        if recorder.refusal is not None:
            raise recorder.refusal
        return _finished(function, state, recorder, gradients, before, result)


class Before:
    """How things stood before the function ran: before tracers were put in place, and with them.

    Parameters
    ----------
    state : State
        What the function reaches.
    gradients : Gradients
        The gradients among it.
    """

    def __init__(self, state: State, gradients: Gradients) -> None:
        self.state, self.gradients = state, gradients
        self.thread = threading.get_ident()
        self.collects_garbage = gc.isenabled()
        self.items = [contents(holder) for holder, *_ in state.containers]
        self.bindings = [place.get() for place, _ in state.bindings]
        generators = [found.value for found in state.inputs if isinstance(found.value, GENERATORS)]
        self.cached = {function: function.cache_info().currsize for function in state.caches}
        self.history = {tensor: (tensor._requires_grad, tensor.operation, tensor.memory) for tensor in state.tensors}
        self.draws = [(bits, bits.state) for bits in map(_bits, generators)]

    def note_tracers(self) -> None:
        """Note how things stand with the tracers in place."""
        self.lifted_items = [contents(holder) for holder, *_ in self.state.containers]
        self.lifted_bindings = [place.get() for place, _ in self.state.bindings]

    def put_back(self) -> None:
        """Put everything back."""
        if self.collects_garbage:
            gc.enable()
        self.gradients.unwatch()
        for (holder, *_), items in zip(self.state.containers, self.items, strict=True):
            set_contents(holder, items)
        for (place, _), value in zip(self.state.bindings, self.bindings, strict=True):
            place.set(value)
        self.state.restore()
        for function, size in self.cached.items():
            if function.cache_info().currsize != size:
                function.cache_clear()  # of what was recorded
        for bits, state in self.draws:
            bits.state = state
        for tensor, grad in self.gradients.before.items():
            tensor._grad = grad  # unchecked, as it was there before
        for tensor, history in self.history.items():
            tensor._requires_grad, tensor.operation, tensor.memory = history


def _bits(generator: Any) -> Any:
    """Return where a random generator keeps its state."""
    return generator.bit_generator if isinstance(generator, np.random.Generator) else generator._bit_generator


@contextmanager
def _put_back_on_error(before: Before) -> Iterator[None]:
    _under_way.append(before)
    try:
        yield
    except BaseException:
        before.put_back()
        raise
    finally:
        _under_way.remove(before)


def _finished(
    function: Callable[..., Any], state: State, recorder: Recorder, gradients: Gradients, before: Before, result: Any
) -> Recording:
    """Close a recording: see what the function has left behind, and put everything back."""
    outputs = Outputs(state)
    made = outputs.keep(result)
    updates = [found for found in state.inputs if getattr(found.traced, "changes", 0)]
    changed = [place for found in updates for place in found.places if isinstance(place.holder, Tensor)]
    writes = [f"{place.holder_text}.mark_changed()" for place in changed]
    writes += _replaced_values(state, before, outputs)
    writes += _kept_gradients(state, gradients, outputs, recorder.instructions)
    guards = state.guards | dict(_guards_of_gradients(state, gradients))
    guards |= dict(_guards_of_inputs(state, recorder, gradients))
    guards |= dict(_guards_of_memory(state, updates, recorder))
    guards |= dict(_guards_of_identity(state, gradients))

    device = recorder.computes_on[0] if recorder.computes_on else "cpu"
    instructions, captured = _with_captured(recorder.instructions, device)
    _name_derivatives(instructions)
    given = [found for found in state.inputs if found.is_given]
    reached = [found for found in state.inputs if not found.is_given]
    reached.sort(key=lambda found: not isinstance(found.place.holder, Tensor))
    sources = {found.started: found for found in (*given, *reached)} | captured
    program = Program(
        name=_identifier(function),
        inputs=tuple(sources),
        instructions=tuple(_with_phases(instructions)),
        outputs=tuple(outputs.variables),
        updates=tuple((found.started, found.traced.variable) for found in updates),
        device=device,
    )
    recorder.is_open = False
    before.put_back()
    for found in state.inputs:
        found.traced = found.value = None  # or the arrays of this call would be kept
    return Recording(program, state, sources, guards, outputs.made, writes, made, result)


def _replaced_values(state: State, before: Before, outputs: Outputs) -> Iterator[str]:
    """Yield what now stands where something else stood: in Tensors, behind names, in lists and dictionaries."""
    for tensor, text in state.tensors.items():
        if tensor._data is not state.traced(tensor):
            yield outputs.writing(text, "_data", tensor._data)
        requires_grad, operation, _ = before.history[tensor]
        if tensor.operation is not operation:
            raise JitError(
                f"{state.paths[tensor]} has a history when the function returns, as after total += loss, and a program "
                "keeps none: return the result, or add it up in a Tensor that is made in the function"
            )
        if tensor.requires_grad is not requires_grad:
            yield outputs.writing(text, "requires_grad", tensor.requires_grad)
    for (place, path), bound in zip(state.bindings, before.lifted_bindings, strict=True):
        if place.get() is not bound:
            yield _left(outputs, place.holder_text, path, place.key, bound, place.get())
    of_optimizers = [f"{path}." for path in state.optimizers]
    for (holder, text, path), old in zip(state.containers, before.lifted_items, strict=True):
        now = contents(holder)
        is_filled = isinstance(holder, (list, deque)) and len(now) != len(old)
        if is_filled or (isinstance(holder, set) and now.keys() != old.keys()):
            raise _refusal_to_leave(path)
        for key in {**now, **old}:
            if now.get(key, EMPTY) is not old.get(key, EMPTY):
                is_state = any(f"{path}.".startswith(of) for of in of_optimizers)
                yield _left(outputs, text, f"{path}.{key}", key, old.get(key, EMPTY), now.get(key, EMPTY), is_state)


def _left(
    outputs: Outputs, holder_text: str, path: str, key: Any, old: Any, new: Any, of_optimizer: bool = False
) -> str:
    """Return the statement that leaves something behind; refuse what would count or collect."""
    x = old if new is EMPTY else new
    is_flag = is_plain(x) and (of_optimizer or type(x) not in (int, float, complex))
    if not (is_flag or isinstance(x, Tensor) or is_array(x) or issubclass(type(x), (Tracer, Number))):
        raise _refusal_to_leave(path)
    return outputs.storing(holder_text, key, new)


def _refusal_to_leave(path: str) -> JitError:
    return JitError(
        f"the function changes {path}, and all that a jitted function leaves behind are Tensors and arrays, gradients, "
        "and the state of optimizers: return it, and count and collect outside; or count in an array"
    )


def _kept_gradients(
    state: State, gradients: Gradients, outputs: Outputs, instructions: list[Instruction]
) -> Iterator[str]:
    """Yield the gradients that stay; those an update has used up do only if the next call goes on from them."""
    for tensor in gradients.written:
        is_used_up = tensor not in gradients.were_read and _is_computed_from(tensor, tensor.grad, instructions)
        yield outputs.writing(state.tensors[tensor], "grad", None if is_used_up else tensor.grad)


def _is_computed_from(x: Any, source: Any, instructions: list[Instruction]) -> bool:
    """Return whether a value was computed from another one, as that is now."""
    wanted, of_source = {variable_of(x)}, variable_of(source)
    if of_source is None:
        return False
    for instruction in reversed(instructions):
        if instruction.result is of_source:
            break  # nothing was computed from it before
        if instruction.result in wanted:
            wanted.update(instruction.reads)
    return of_source in wanted


def _guards_of_gradients(state: State, gradients: Gradients) -> Iterator[tuple[str, str]]:
    """Yield what must hold of the gradients that the function reads before it writes them."""
    for tensor in gradients.were_read:
        is_there = gradients.before[tensor] is not None
        yield f"{state.tensors[tensor]}.grad is {'not ' * is_there}None", f"{state.paths[tensor]}.grad"


def _guards_of_inputs(state: State, recorder: Recorder, gradients: Gradients) -> Iterator[tuple[str, str]]:
    """Yield what must hold of the inputs: their types, and the values of those that decided something."""
    for found in state.inputs:
        if found.owner is None or found.owner in gradients.were_read:
            yield from ((condition, found.path) for condition in state.guards_of(found))
        if found.started in recorder.pinned:
            yield state.guard_of_value(found), found.path


def _guards_of_memory(state: State, updates: list[Input], recorder: Recorder) -> Iterator[tuple[str, str]]:
    """Yield the condition that nothing else shares the memory of what is changed in place: it would change too.

    Raises
    ------
    JitError
        If something does.
    """
    read = {variable for instruction in recorder.instructions for variable in instruction.reads}
    for device in dict.fromkeys(found.started.device for found in updates):
        arrays = [found for found in state.inputs if is_array(found.value) and found.started.device == device]
        changed = [found for found in updates if found.started.device == device]
        others = [found for found in arrays if found.started in read and found not in changed]
        for found in changed:
            for other in (*changed, *others):
                if other is not found and overlap([found.value], [other.value]):
                    raise JitError(
                        f"{other.path} shares its memory with {found.path}, which is changed in place: give a copy"
                    )
        if len(changed) + len(others) > 1:
            state.names["overlap"] = overlap
            texts = (", ".join(f.place.text for f in group) for group in (changed, others))
            yield "not overlap([{}], [{}])".format(*texts), "arrays that share their memory"


def overlap(changed: list[Any], others: list[Any]) -> bool:
    """Return whether arrays, of which some are changed, may share memory."""
    owners = set()
    for x in (*changed, *others):
        owner = x if x.base is None else x.base
        if type(owner) is not np.ndarray or owner.base is not None:
            break  # the memory may be another object's
        owners.add(id(owner))
    if len(owners) == len(changed) + len(others):
        return False
    return any(np.may_share_memory(x, y) for i, x in enumerate(changed) for y in (*changed[:i], *others))


def _guards_of_identity(state: State, gradients: Gradients) -> Iterator[tuple[str, str]]:
    """Yield the conditions that what were different objects are not one."""
    read = [found for found in state.inputs if found.owner is None or found.owner in gradients.were_read]
    texts = [*state.apart, *(found.place.text for found in read if is_array(found.value))]
    about = "an object that is given twice"
    if len(texts) > 1:
        yield f"len({{*map(id, [{', '.join(texts)}])}}) == {len(texts)}", about
    given = [text for text in state.apart if text.startswith(GIVEN)]
    if given:
        state.names["reached"] = frozenset(id(x) for x in state.names.values() if not is_plain(x))
        yield f"reached.isdisjoint(map(id, [{', '.join(given)}]))", about


def _name_derivatives(instructions: list[Instruction]) -> None:
    """Let what a derivative comes to, which is what was computed of it last, have its name."""
    derivatives = [i.result for i in instructions if i.result.derivative_of is not None]
    final = {variable.derivative_of: variable for variable in derivatives}
    for variable in derivatives:
        variable.is_final = variable is final[variable.derivative_of]


def _identifier(function: Callable[..., Any]) -> str:
    """Return what the program is called: as the function, if that is no name its source needs."""
    name = getattr(function, "__name__", type(function).__name__)
    if not name.isidentifier():
        return "program"
    return f"{name}_" if keyword.iskeyword(name) or name in ("np", *dir(builtins)) else name


def _with_captured(instructions: list[Instruction], device: str) -> tuple[list[Instruction], dict[Variable, Any]]:
    """Make inputs of the constants that are too large to be written out, on the device, and of functions."""
    captured: dict[Variable, Any] = {}

    def replaced(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(replaced, x))
        is_function = callable(x) and not isinstance(x, type)
        if not is_function and (not isinstance(x, np.ndarray) or is_literal(x)):
            return x
        value = x if is_function else moved(x, device)
        variable = Variable.like(value, getattr(x, "__name__", "constant"))
        captured[variable] = value
        return variable

    return [replace(i, operands=replaced(i.operands)) for i in instructions], captured


def _with_phases(instructions: list[Instruction]) -> Iterator[Instruction]:
    """Give a phase to what was computed outside of any module, sweep or optimizer, by where it stands."""
    phases = [instruction.phase for instruction in instructions]
    backward = [i for i, phase in enumerate(phases) if phase == "backward"] or [len(phases)]
    last_forward = max((i for i, phase in enumerate(phases[: backward[0]]) if phase == "forward"), default=len(phases))
    for i, instruction in enumerate(instructions):
        if instruction.phase:
            yield instruction
        elif i > backward[0]:
            yield replace(instruction, phase="update" if i > backward[-1] else "backward")
        else:
            is_loss = last_forward < i and backward[0] < len(phases)
            yield replace(instruction, phase="loss" if is_loss else "forward")
