"""Record a function: run it once on tracers, and turn the operations they saw into a program.

A program must also repeat the function's side effects: new values of parameters, gradients, the state of optimizers.
So a recording compares the reachable values before and after the run, and then restores them: it changes nothing.
"""

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
from ..support.devices import is_array, to_device
from ..support.locks import Lock
from ..tensor import Tensor
from .environment import Environment, Input
from .kinds import is_plain
from .outputs import Outputs
from .places import EMPTY, GIVEN, contents, set_contents
from .primitives import is_literal
from .program import GENERATORS, Instruction, Program, Variable
from .tracer import NumberTracer, Recorder, Reflects, Tracer, variable_of
from .watch import Gradients, Namer, calls_watched, handlers_apart, no_chance

recording_lock = Lock()
_under_way: list[Before] = []  # the recording in progress, if any


def is_being_recorded() -> bool:
    """Return True while the current thread is recording a function."""
    return any(before.thread == threading.get_ident() for before in _under_way)


def _give_up_others() -> None:
    """In a forked child, undo the recordings of other threads: those threads do not exist in the child."""
    for before in [before for before in _under_way if before.thread != threading.get_ident()]:
        before.put_back()
        _under_way.remove(before)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_give_up_others)


@dataclass(frozen=True)
class Recording:
    """The outcome of one recorded call of a function.

    Attributes
    ----------
    program : Program
        The operations of the call.
    state : Environment
        The values the function reaches.
    sources : dict of Variable to Input or array
        The source of each input of the program: a value of the state, or a constant array or function.
    guards : dict of str to str
        The conditions under which the program is correct, each with the name of the value it is about.
    made : list of str
        Statements that build the result and the new state from ``values``, the outputs of the program.
    writes : list of str
        Statements that then store the new state (gradients, attributes); the program itself changes arrays in place.
    result : str
        The name of the result in these statements.
    returned : object
        The result of the recorded call, with tracers for computed values.
    """

    program: Program
    state: Environment
    sources: dict[Variable, Any]
    guards: dict[str, str]
    made: list[str]
    writes: list[str]
    result: str
    returned: Any


def record(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder | None = None
) -> Recording:
    """Run a function once on tracers; leave all values that it reaches unchanged.

    Parameters
    ----------
    function : callable
        The function to run.
    args, kwargs : tuple and dict
        The arguments of the call.
    recorder : Recorder, optional
        A recorder of a subclass, which notes more than `Recorder` does.

    Returns
    -------
    Recording
        The program and the function's side effects, none of which has happened yet.

    Raises
    ------
    JitError
        If the function cannot be made a program.
    """
    with recording_lock:
        if recorder is not None:  # it cannot start again, so all attributes count from the start
            return _record(function, args, kwargs, recorder, reflects=True)
        try:
            return _record(function, args, kwargs, Recorder(), reflects=False)
        except Reflects:
            return _record(function, args, kwargs, Recorder(), reflects=True)


def _record(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder, reflects: bool
) -> Recording:
    lifted, named = list(args), dict(kwargs)
    state = Environment(function, lifted, named, reflects)
    gradients = Gradients([*state.tensors])
    before = Before(state, gradients)
    with handlers_apart(recorder), _put_back_on_error(before):
        gc.disable()  # a collection could run finalizers, which are not part of the function
        state.lift(recorder)
        before.note_tracers()
        with gradients.watched(), no_chance(), calls_watched(recorder, Namer(state)):
            result = state.called[0](*lifted, **named)
        if recorder.refusal is not None:
            raise recorder.refusal
        return _finished(function, state, recorder, gradients, before, result)


class Before:
    """A snapshot of the reachable values before the function runs: without tracers, and with them.

    The first is used to restore the values. The second shows which of them the function replaced.

    Parameters
    ----------
    state : Environment
        The values the function reaches.
    gradients : Gradients
        The gradients of the Tensors among them.
    """

    def __init__(self, state: Environment, gradients: Gradients) -> None:
        self.state, self.gradients = state, gradients
        self.thread = threading.get_ident()
        self.collects_garbage = gc.isenabled()
        self.items = [contents(holder) for holder, *_ in state.containers]
        self.bindings = [place.get() for place in state.bindings]
        generators = [found.value for found in state.inputs if isinstance(found.value, GENERATORS)]
        self.cached = {function: function.cache_info().currsize for function in state.caches}
        self.history = {tensor: (tensor._requires_grad, tensor.operation, tensor.memory) for tensor in state.tensors}
        self.draws = [(bits, bits.state) for bits in map(_bits, generators)]

    def note_tracers(self) -> None:
        """Take the snapshot with the tracers in place."""
        self.lifted_items = [contents(holder) for holder, *_ in self.state.containers]
        self.lifted_bindings = [place.get() for place in self.state.bindings]

    def put_back(self) -> None:
        """Restore everything."""
        if self.collects_garbage:
            gc.enable()
        self.gradients.unwatch()
        for (holder, *_), items in zip(self.state.containers, self.items, strict=True):
            set_contents(holder, items)
        for place, value in zip(self.state.bindings, self.bindings, strict=True):
            place.set(value)
        self.state.restore()
        for function, size in self.cached.items():
            if function.cache_info().currsize != size:
                function.cache_clear()  # it may hold tracers
        for bits, state in self.draws:
            bits.state = state
        for tensor, grad in self.gradients.before.items():
            tensor._grad = grad  # without the checks of `grad`: the value was there before
        for tensor, history in self.history.items():
            tensor._requires_grad, tensor.operation, tensor.memory = history


def _bits(generator: Any) -> Any:
    """Return the object that holds the state of a random generator."""
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
    function: Callable[..., Any],
    state: Environment,
    recorder: Recorder,
    gradients: Gradients,
    before: Before,
    result: Any,
) -> Recording:
    """Finish a recording: collect the side effects of the function, then restore everything."""
    outputs = Outputs(state)
    made = outputs.keep(result)
    updates = [found for found in state.inputs if getattr(found.tracer, "changes", 0)]
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
    given = [found for found in state.inputs if found.place.is_given]
    reached = [found for found in state.inputs if not found.place.is_given]
    reached.sort(key=lambda found: not isinstance(found.place.holder, Tensor))
    sources = {found.variable: found for found in (*given, *reached)} | captured
    program = Program(
        name=_identifier(function),
        inputs=tuple(sources),
        instructions=tuple(_with_phases(instructions)),
        outputs=tuple(outputs.variables),
        updates=tuple((found.variable, found.tracer.variable) for found in updates),
        device=device,
    )
    recorder.is_open = False
    before.put_back()
    for found in state.inputs:
        found.tracer = found.value = None  # or the recording would keep the arrays of this call alive
    return Recording(program, state, sources, guards, outputs.made, writes, made, result)


def _replaced_values(state: Environment, before: Before, outputs: Outputs) -> Iterator[str]:
    """Yield the statements for values that the function replaced: in Tensors, variables, containers and objects."""
    for tensor, text in state.tensors.items():
        if tensor._data is not state.tracer_of(tensor):
            yield outputs.writing(text, "_data", tensor._data)
        requires_grad, operation, _ = before.history[tensor]
        if tensor.operation is not operation:
            raise JitError(
                f"{state.paths[tensor]} has a history when the function returns, as after total += loss, and a program "
                "keeps none: return the result, or add it up in a Tensor that is made in the function"
            )
        if tensor.requires_grad is not requires_grad:
            yield outputs.writing(text, "requires_grad", tensor.requires_grad)
    for place, bound in zip(state.bindings, before.lifted_bindings, strict=True):
        if place.get() is not bound:
            yield _left(outputs, place.holder_text, place.path, place.key, bound, place.get())
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
    """Return the statement that stores a new value; refuse counters, and what is no array or flag."""
    x = old if new is EMPTY else new
    is_flag = is_plain(x) and (of_optimizer or type(x) not in (int, float, complex))
    if not (is_flag or isinstance(x, Tensor) or is_array(x) or issubclass(type(x), (Tracer, NumberTracer))):
        raise _refusal_to_leave(path)
    return outputs.storing(holder_text, key, new)


def _refusal_to_leave(path: str) -> JitError:
    return JitError(
        f"the function changes {path}, and all that a jitted function leaves behind are Tensors and arrays, gradients, "
        "and the state of optimizers: return it, and count and collect outside; or count in an array"
    )


def _kept_gradients(
    state: Environment, gradients: Gradients, outputs: Outputs, instructions: list[Instruction]
) -> Iterator[str]:
    """Yield the statements that set `.grad` after the call: None for a gradient that this call's update consumed.

    An update consumes a gradient by computing the Tensor's new value from it. But a gradient stays if the function also
    reads the one that the call before left.
    """
    for tensor in gradients.written:
        is_used_up = tensor not in gradients.were_read and _is_computed_from(tensor, tensor.grad, instructions)
        yield outputs.writing(state.tensors[tensor], "grad", None if is_used_up else tensor.grad)


def _is_computed_from(x: Any, source: Any, instructions: list[Instruction]) -> bool:
    """Return True if a value was computed from the present value of another one."""
    wanted, of_source = {variable_of(x)}, variable_of(source)
    if of_source is None:
        return False
    for instruction in reversed(instructions):
        if instruction.result is of_source:
            break  # earlier instructions cannot use it
        if instruction.result in wanted:
            wanted.update(instruction.reads)
    return of_source in wanted


def _guards_of_gradients(state: Environment, gradients: Gradients) -> Iterator[tuple[str, str]]:
    """Yield the guards of gradients that the function reads before it writes them: present, or None."""
    for tensor in gradients.were_read:
        is_there = gradients.before[tensor] is not None
        yield f"{state.tensors[tensor]}.grad is {'not ' * is_there}None", f"{state.paths[tensor]}.grad"


def _guards_of_inputs(state: Environment, recorder: Recorder, gradients: Gradients) -> Iterator[tuple[str, str]]:
    """Yield the guards of the inputs: their types, and the values of those that decided a branch or a shape."""
    for found in state.inputs:
        if found.owner is None or found.owner in gradients.were_read:
            yield from ((condition, found.path) for condition in state.guards_of(found))
        if found.variable in recorder.pinned:
            yield state.guard_of_value(found), found.path


def _guards_of_memory(state: Environment, updates: list[Input], recorder: Recorder) -> Iterator[tuple[str, str]]:
    """Yield the guard that no other array shares memory with one changed in place: it would change too.

    Raises
    ------
    JitError
        If two arrays share memory already.
    """
    read = {variable for instruction in recorder.instructions for variable in instruction.reads}
    for device in dict.fromkeys(found.variable.device for found in updates):
        arrays = [found for found in state.inputs if is_array(found.value) and found.variable.device == device]
        changed = [found for found in updates if found.variable.device == device]
        others = [found for found in arrays if found.variable in read and found not in changed]
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
    """Return True if an array that is changed may share memory with another one."""
    owners = set()
    for x in (*changed, *others):
        owner = x if x.base is None else x.base
        if type(owner) is not np.ndarray or owner.base is not None:
            break  # another object may own the memory
        owners.add(id(owner))
    if len(owners) == len(changed) + len(others):
        return False
    return any(np.may_share_memory(x, y) for i, x in enumerate(changed) for y in (*changed[:i], *others))


def _guards_of_identity(state: Environment, gradients: Gradients) -> Iterator[tuple[str, str]]:
    """Yield the guards that objects which were different in the recording are different in the call."""
    read = [found for found in state.inputs if found.owner is None or found.owner in gradients.were_read]
    texts = [*state.distinct, *(found.place.text for found in read if is_array(found.value))]
    about = "an object that is given twice"
    if len(texts) > 1:
        yield f"len({{*map(id, [{', '.join(texts)}])}}) == {len(texts)}", about
    given = [text for text in state.distinct if text.startswith(GIVEN)]
    if given:
        state.names["reached"] = frozenset(id(x) for x in state.names.values() if not is_plain(x))
        yield f"reached.isdisjoint(map(id, [{', '.join(given)}]))", about


def _name_derivatives(instructions: list[Instruction]) -> None:
    """Mark the last variable of each derivative as final: it holds the whole derivative and gets its name."""
    derivatives = [i.result for i in instructions if i.result.derivative_of is not None]
    final = {variable.derivative_of: variable for variable in derivatives}
    for variable in derivatives:
        variable.is_final = variable is final[variable.derivative_of]


def _identifier(function: Callable[..., Any]) -> str:
    """Return the name of the program: the function's name, changed if it is a keyword, a builtin or ``np``."""
    name = getattr(function, "__name__", type(function).__name__)
    if not name.isidentifier():
        return "program"
    return f"{name}_" if keyword.iskeyword(name) or name in ("np", *dir(builtins)) else name


def _with_captured(instructions: list[Instruction], device: str) -> tuple[list[Instruction], dict[Variable, Any]]:
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


def _with_phases(instructions: list[Instruction]) -> Iterator[Instruction]:
    """Give instructions outside of any module, backward pass or optimizer a phase, by their position."""
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
