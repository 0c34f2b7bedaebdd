"""Record a function: run it once on tracers, and turn the operations they saw into a program.

A program must also repeat the function's side effects: new values of parameters, gradients, the state of optimizers.
So a recording compares the reachable values before and after the run, and then restores them: it changes nothing.
"""

from __future__ import annotations

import builtins
import gc
import keyword
import os
import random
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from operator import call, is_
from typing import Any

import numpy as np

from ..errors import JitError
from ..support.devices import is_array, share_memory
from ..support.locks import Lock
from ..tensor import Tensor
from .environment import Environment, Input
from .kinds import DRAW_OUTSIDE, is_plain
from .loops import name_derivatives, with_captured
from .outputs import Outputs
from .places import EMPTY, GIVEN, contents, set_contents
from .program import PHASES, Instruction, Program, Variable
from .recorder import Recorder
from .stand_ins import Reflects
from .traced import is_traced, variable_of
from .watch import GRAD, Watcher, handlers_apart, watched

NUMPYS_GENERATOR = np.random.mtrand._rand  # the global one, which has no public name
# The attributes of a Tensor that a program sets, by the slots that hold them; the watcher knows the gradients.
OF_TENSORS = {"_data": "data", "_requires_grad": "requires_grad", "name": "name"}
recording_lock = Lock()
_under_way: list[Snapshot] = []  # that of the recording in progress, if any


def is_being_recorded() -> bool:
    """Return True while the current thread is recording a function."""
    return any(snapshot.thread == threading.get_ident() for snapshot in _under_way)


def _give_up_others() -> None:
    """In a forked child, undo the recordings of other threads: those threads do not exist in the child."""
    for snapshot in [snapshot for snapshot in _under_way if snapshot.thread != threading.get_ident()]:
        snapshot.put_back()
        _under_way.remove(snapshot)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_give_up_others)


@dataclass(frozen=True)
class Recording:
    """The outcome of one recorded call of a function.

    Attributes
    ----------
    program : Program
        The operations of the call.
    environment : Environment
        The values the function reaches, and the guards: the conditions under which the program is correct.
    sources : dict of Variable to Input or array
        The source of each input of the program: a value of the environment, or a constant array or function.
    statements : list of str
        The code around the program: it takes ``values``, the outputs of the program, builds the result and the new
        values of attributes, gradients and the like, stores these, and returns the result.
    has_effects : bool
        True if a call changes anything: the program arrays, or the statements attributes or gradients.
    returned : object
        The result of the recorded call, with tracers for computed values.
    """

    program: Program
    environment: Environment
    sources: dict[Variable, Any]
    statements: list[str]
    has_effects: bool
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
        if recorder is None:
            with suppress(Reflects):
                return _record(function, args, kwargs, Recorder(), reflects=False)
        # A recorder that was given cannot start again, so all attributes count from the start.
        return _record(function, args, kwargs, recorder or Recorder(), reflects=True)


def _record(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], recorder: Recorder, reflects: bool
) -> Recording:
    lifted, named = list(args), dict(kwargs)
    snapshot = Snapshot(Environment(function, lifted, named, reflects))
    environment = snapshot.environment
    with handlers_apart(recorder):
        _under_way.append(snapshot)
        try:
            gc.disable()  # a collection could run finalizers, which are not part of the function
            environment.lift(recorder)
            snapshot.take()
            with watched(recorder, environment) as watcher:
                result = environment.called[0](*lifted, **named)
            if recorder.refusal is not None:
                raise recorder.refusal
            snapshot.refuse_draws()
            return _finished(_identifier(function), snapshot, watcher, result)
        finally:
            recorder.is_open = False
            snapshot.put_back()
            _under_way.remove(snapshot)


class Snapshot:
    """The values that a function may replace, as they are before it runs: with tracers in place.

    Parameters
    ----------
    environment : Environment
        The values the function reaches.

    Attributes
    ----------
    bound : list of (Place, str, object)
        The globals and variables, each with its name for the user and its value.
    held : list of (object, str, str, dict)
        The containers, objects and Tensors, each with its expression, its name for the user, and its contents.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment, self.thread = environment, threading.get_ident()
        self.collects_garbage = gc.isenabled()
        self.chance = NUMPYS_GENERATOR.get_state(), random.getstate()
        self.cached = {function: function.cache_info().currsize for function in environment.caches}
        self.bound: list[tuple[Any, str, Any]] = []
        self.held: list[tuple[Any, str, str, dict[Any, Any]]] = []

    def take(self) -> None:
        """Take the snapshot."""
        environment = self.environment
        tensors = [(tensor, text, environment.paths[tensor]) for tensor, text in environment.tensors.items()]
        self.bound = [(place, place.path, place.get()) for place in environment.bindings]
        self.held = [(holder, *names, contents(holder)) for holder, *names in (*environment.containers, *tensors)]

    def replaced(self) -> Iterator[tuple[Any, str, str, Any, Any, Any]]:
        """Yield the values that were replaced since: holder, its expression, name for the user, key, old, new."""
        for place, path, old in self.bound:
            if place.get() is not old:
                yield place.holder, place.holder_text, path, place.key, old, place.get()
        for holder, text, path, items in self.held:
            now = contents(holder)
            if isinstance(holder, (list, deque, set)) and now.keys() != items.keys():
                yield holder, text, path, None, holder, holder  # this is refused
            for key in {**now, **items}:
                old, new = items.get(key, EMPTY), now.get(key, EMPTY)
                if new is not old:
                    yield holder, text, f"{path}.{key}", key, old, new

    def refuse_draws(self) -> None:
        """Refuse draws from the global random generators, which a program would not repeat."""
        of_numpy, of_python = self.chance
        is_as_before = all(map(np.array_equal, NUMPYS_GENERATOR.get_state(), of_numpy))
        if not is_as_before or random.getstate() != of_python:
            raise JitError(
                f"the function draws from a global random generator, which cannot be recorded. {DRAW_OUTSIDE}"
            )

    def put_back(self) -> None:
        """Restore everything, with the original values in place of tracers."""
        if self.collects_garbage:
            gc.enable()
        Tensor.grad = GRAD  # type: ignore[method-assign]
        for holder, _, _, items in self.held:
            set_contents(holder, items)
        for place, _, value in self.bound:
            place.set(value)
        self.environment.restore()
        for function, size in self.cached.items():
            if function.cache_info().currsize != size:
                function.cache_clear()  # it may hold tracers
        NUMPYS_GENERATOR.set_state(self.chance[0])
        random.setstate(self.chance[1])


def _finished(name: str, snapshot: Snapshot, watcher: Watcher, result: Any) -> Recording:
    """Turn what the recorder has seen into a program, and collect the side effects of the function."""
    environment, recorder = snapshot.environment, watcher.recorder
    outputs = Outputs(environment)
    returned = outputs.name(result)
    updates = [found for found in environment.inputs if getattr(found.tracer, "changes", 0)]
    changed = [place for found in updates for place in found.places if isinstance(place.holder, Tensor)]
    outputs.writes += [f"{place.holder_text}.mark_changed()" for place in changed]
    _write_replaced(snapshot, outputs)
    _write_gradients(watcher, outputs)
    _add_guards(environment, watcher, updates)

    device = recorder.computes_on[0] if recorder.computes_on else "cpu"
    instructions, captured = with_captured(recorder.instructions, device)
    name_derivatives(instructions)
    reached = [found for found in environment.inputs if not found.place.is_given]
    reached.sort(key=lambda found: not isinstance(found.place.holder, Tensor))
    given = [found for found in environment.inputs if found.place.is_given]
    sources = {found.variable: found for found in (*given, *reached)} | captured
    program = Program(
        name=name,
        inputs=tuple(sources),
        instructions=_with_phases(instructions),
        outputs=tuple(outputs.variables),
        updates=tuple((found.variable, found.tracer.variable) for found in updates),
        device=device,
    )
    _refuse_left_outside(program)
    for found in environment.inputs:
        found.tracer = found.value = None  # or the recording would keep the arrays of this call alive
    statements = [*outputs.made, *outputs.writes, f"return {returned}"]
    return Recording(program, environment, sources, statements, bool(updates or outputs.writes), result)


def _refuse_left_outside(program: Program) -> None:
    """Refuse a value of one step of a loop that is read outside of the loop."""
    known = {*program.inputs, *(instruction.result for instruction in program.instructions)}
    if not known.issuperset((*program.results, *(x for i in program.instructions for x in i.reads))):
        raise JitError(
            "the step of a scan leaves a value outside, such as an attribute that it assigns, and a program has one "
            "for all steps: return the value as a part of the state or of the output, or write the loop with for"
        )


def _write_replaced(snapshot: Snapshot, outputs: Outputs) -> None:
    """Write the values that the function replaced, except gradients; refuse counters and all but arrays and flags."""
    of_optimizers = tuple(f"{path}." for path in snapshot.environment.optimizers)
    for holder, text, path, key, old, new in snapshot.replaced():
        if isinstance(holder, Tensor) and key == "operation":
            raise JitError(
                f"{path.removesuffix('.operation')} has a history when the function returns, as after total += loss, "
                "but a program keeps no history: return the result, or add up in a Tensor that the function makes"
            )
        x = old if new is EMPTY else new
        is_flag = is_plain(x) and (path.startswith(of_optimizers) or type(x) not in (int, float, complex))
        if isinstance(holder, Tensor):
            if key in OF_TENSORS:
                outputs.write(text, OF_TENSORS[key], new)
        elif is_flag or isinstance(x, Tensor) or is_array(x) or is_traced(x):
            outputs.store(text, key, new)
        else:
            raise JitError(
                f"the function changes {path}, but a jitted function can only change Tensors, arrays, gradients and "
                "the state of optimizers: return it, and count or collect outside; or count in an array"
            )


def _write_gradients(watcher: Watcher, outputs: Outputs) -> None:
    """Write the gradients that the function wrote.

    A gradient becomes None if this call's update consumed it, by computing the Tensor's new value from it. But it stays
    if the function also reads the one that the call before left.
    """
    for tensor, text in outputs.environment.tensors.items():
        if tensor in watcher.written:
            is_used_up = _is_computed_from(tensor, tensor.grad, watcher.recorder.instructions)
            is_kept = tensor in watcher.read_first or not is_used_up
            outputs.write(text, "_grad", tensor.grad if is_kept else None)  # it has the Tensor's shape and type


def _is_computed_from(x: Any, source: Any, instructions: list[Instruction]) -> bool:
    """Return True if a value was computed from the present value of another one."""
    wanted, of_source = {variable_of(x)}, variable_of(source)
    for instruction in reversed(instructions):
        if instruction.result is of_source:
            break  # earlier instructions cannot use it
        if instruction.result in wanted:
            wanted.update(instruction.reads)
    return of_source is not None and of_source in wanted


def _add_guards(environment: Environment, watcher: Watcher, updates: list[Input]) -> None:
    """Add the guards that follow from what the function did.

    They are about the presence of gradients that it reads before it writes them, the types of inputs, the values of
    those that decided a branch or a shape, memory that arrays share, and objects that are given twice.
    """
    recorder, read_first = watcher.recorder, watcher.read_first
    guards, inputs = environment.guards, environment.inputs
    for tensor in read_first:
        is_there = any(found.owner is tensor for found in inputs)
        guards[f"{environment.tensors[tensor]}.grad is {'not ' * is_there}None"] = f"{environment.paths[tensor]}.grad"
    read = [found for found in inputs if found.owner is None or found.owner in read_first]
    for found in read:
        if is_array(found.value) or found.variable not in recorder.pinned:
            guards |= dict.fromkeys(environment.guards_of(found), found.path)
    guards |= {environment.guard_of_value(found): found.path for found in inputs if found.variable in recorder.pinned}
    changed, others = _arrays_of_memory(inputs, updates, recorder.instructions)
    if changed and len(changed) + len(others) > 1:
        environment.names["lie_apart"] = ChangedArrays([x.value for x in changed]).lie_apart
        of_changed, of_others = (", ".join(x.place.text for x in group) for group in (changed, others))
        guards[f"lie_apart([{of_changed}], [{of_others}])"] = "arrays that share their memory"
    _guard_identities(environment, read, changed, others)


def _guard_identities(environment: Environment, read: list[Input], changed: list[Input], others: list[Input]) -> None:
    """Guard that objects which were different are different."""
    texts = [*environment.distinct, *(found.place.text for found in read if is_array(found.value))]
    array_of = {text: f"{text}._data" if f"{text}._data" in texts else text for text in texts}
    # If all are known to lie apart in memory from those that are changed, only the others might be one object.
    if changed and {*array_of.values()} <= {found.place.text for found in (*changed, *others) if found.value.size}:
        known = {found.place.text for found in changed}
        texts = [text for text in texts if array_of[text] not in known]
    about = "an object that is given twice"
    pairs = [f"{a} is not {b}" for a, b in combinations(texts, 2)]
    if pairs:
        is_short = len(pairs) <= len(texts)
        condition = " and ".join(pairs) if is_short else f"len({{*map(id, [{', '.join(texts)}])}}) == {len(texts)}"
        environment.guards[condition] = about
    given = [text for text in environment.distinct if text.startswith(GIVEN)]
    if given:
        environment.names["reached"] = frozenset(id(x) for x in environment.names.values() if not is_plain(x))
        environment.guards[f"reached.isdisjoint(map(id, [{', '.join(given)}]))"] = about


def _arrays_of_memory(
    inputs: list[Input], updates: list[Input], instructions: list[Instruction]
) -> tuple[list[Input], list[Input]]:
    """Return the arrays that are changed in place, and those with which they must not share memory.

    Raises
    ------
    JitError
        If two arrays share memory already.
    """
    read = {variable for instruction in instructions for variable in instruction.reads}
    others = [x for x in inputs if is_array(x.value) and x.variable in read and x not in updates]
    for x in updates:
        for y in (*updates, *others):
            if x is not y and share_memory(x.value, y.value):
                raise JitError(f"{y.path} shares its memory with {x.path}, which is changed in place: pass a copy")
    return updates, others


class ChangedArrays:
    """The arrays that a program changes in place: no other array may share their memory, or it would change, too.

    Most calls change the same arrays. So these are remembered, by weak references, with the objects that own their
    memory, and only the other arrays are examined.

    Parameters
    ----------
    arrays : list of array
        Those of the first call.
    """

    def __init__(self, arrays: list[Any]) -> None:
        self._remember(arrays)

    def lie_apart(self, changed: list[Any], others: list[Any]) -> bool:
        """Return True if each of ``changed``, the arrays of this call, shares no memory with any other array."""
        if not all(map(is_, map(call, self._known), changed)):
            self._remember(changed)
        owners, array = self._owners, np.ndarray
        if len(owners) == len(changed):
            for x in others:
                owner = x if x.base is None else x.base
                if id(owner) in owners or type(owner) is not array or owner.base is not None:
                    break
            else:
                return True
        return not any(share_memory(x, y) for i, x in enumerate(changed) for y in (*changed[:i], *others))

    def _remember(self, arrays: list[Any]) -> None:
        self._known = [weakref.ref(x) for x in arrays]
        # Known by their id, which is right as long as the arrays exist. An object of another kind may show memory that
        # it does not own.
        owners = [x if x.base is None else x.base for x in arrays]
        self._owners = {id(x) for x in owners if type(x) is np.ndarray and x.base is None}


def _identifier(function: Callable[..., Any]) -> str:
    """Return the name of the program: the function's name, changed if it is a keyword, a builtin or ``np``."""
    name = getattr(function, "__name__", type(function).__name__)
    if not name.isidentifier():
        return "program"
    return f"{name}_" if keyword.iskeyword(name) or name in ("np", *dir(builtins)) else name


def _with_phases(instructions: list[Instruction]) -> tuple[Instruction, ...]:
    """Give instructions outside of any module, backward pass or optimizer a phase, by their position."""
    places: dict[str, list[int]] = {phase: [] for phase in ("", *PHASES)}
    for i, instruction in enumerate(instructions):
        places[instruction.phase].append(i)
    backward = places["backward"] or [len(instructions)]
    forward = [i for i in places["forward"] if i < backward[0] < len(instructions)]
    # Where the forward pass, the loss and the backward pass end; without a backward pass, all is forward.
    ends = (max(forward, default=backward[0]), backward[0], backward[-1])
    return tuple(
        instruction if instruction.phase else replace(instruction, phase=PHASES[sum(i > end for end in ends)])
        for i, instruction in enumerate(instructions)
    )
