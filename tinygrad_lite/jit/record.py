"""Recording: one real call of a function, on tracers, that leaves a program behind."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

import numpy as np

from ..engine import Operation
from ..errors import GraphError, JitError
from ..nn import Module
from ..optim import Optimizer
from ..rules import Rule, Vjp
from ..tensor import Tensor, apply, constant
from .operations import is_literal
from .origin import is_ours, users_line
from .program import Instruction, Program, Variable
from .state import GENERATORS, GIVEN, Input, State
from .tracer import Draws, Number, Recorder, Tracer, variable_of

recording_lock = threading.RLock()
_active: list[Recorder] = []

LEAST_LETTERS = 3  # of a local variable whose name is told
OF_SYSTEM = ("time", "posix", "nt")
IMPURE = {"time", "time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time", "urandom"}


def is_being_recorded() -> bool:
    """Return whether the current thread is recording a function."""
    return bool(_active) and _active[-1].thread == threading.get_ident()


_grad: Any = vars(Tensor)["grad"]


class _Watched(Tensor):
    """A Tensor of which it matters whether its old gradient was read."""

    __slots__ = ()

    def _read(self) -> Any:
        Gradients.current.read(self)
        return _grad.__get__(self)

    def _write(self, value: Any) -> None:
        Gradients.current.written.add(self)
        _grad.__set__(self, value)


setattr(_Watched, "grad", property(_Watched._read, _Watched._write))  # noqa: B010 - the slot's name is taken


class Gradients:
    """Which Tensors' gradients a function reads, and which it writes."""

    current: Gradients

    def __init__(self, tensors: list[Tensor]) -> None:
        self.before = {tensor: tensor.grad for tensor in tensors}
        self.written: set[Tensor] = set()
        self.were_read: set[Tensor] = set()

    def read(self, tensor: Tensor) -> None:
        """Note that a gradient was read; the one of the last call, if it was not written before."""
        if tensor not in self.written:
            self.were_read.add(tensor)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch within a ``with`` block."""
        Gradients.current = self
        for tensor in self.before:
            tensor.__class__ = _Watched
        try:
            yield
        finally:
            for tensor in self.before:
                tensor.__class__ = Tensor


@dataclass(frozen=True)
class Write:
    """Something the function leaves behind in an object it reaches.

    Attributes
    ----------
    holder_text, key : str, object
        Where: an expression of the state's names, and the key there.
    build : callable
        ``build(values, args, kwargs)`` returns what is left, given the values the program handed out.
    """

    holder_text: str
    key: Any
    build: Build


Build = Callable[[tuple[Any, ...], Any, Any], Any]
REMOVED = object()


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
    writes : list of Write
        What it leaves behind besides in arrays that are changed in place.
    changed : list of str
        The Tensors whose arrays are changed in place.
    build : callable
        Makes the result of a call from the values the program hands out.
    """

    program: Program
    state: State
    sources: dict[Variable, Any]
    guards: dict[str, str]
    writes: list[Write]
    changed: list[str]
    build: Build


def record(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recording:
    """Run a function once on tracers, and leave all that it reaches as it was.

    Parameters
    ----------
    function : callable
        What to run.
    args, kwargs : tuple and dict
        What to call it with.

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
        lifted, named = list(args), dict(kwargs)
        state = State(function, lifted, named)
        recorder = Recorder()
        gradients = Gradients([tensor for tensor in state.tensors if type(tensor) is Tensor])
        before = Before(state, gradients)
        with _put_back_on_error(before):
            state.lift(recorder)
            before.lifted()
            _active.append(recorder)
            try:
                with gradients.watched(), _no_chance(), _profiled(_Namer(state)):
                    result = function(*lifted, **named)
            finally:
                _active.pop()
            return _finished(function, state, recorder, gradients, before, result)


class Before:
    """How things stood before the function ran: before tracers were put in place, and then.

    Parameters
    ----------
    state : State
        What the function reaches.
    gradients : Gradients
        The gradients among it.
    """

    def __init__(self, state: State, gradients: Gradients) -> None:
        self.state, self.gradients = state, gradients
        self.items = [_items(holder) for holder, _ in state.containers]
        self.bindings = [place.get() for place in state.bindings]
        generators = [found.value for found in state.inputs if isinstance(found.value, GENERATORS)]
        self.draws = [(bits, bits.state) for bits in map(_bits, generators)]

    def lifted(self) -> None:
        """Note how things stand with the tracers in place."""
        self.lifted_items = [_items(holder) for holder, _ in self.state.containers]
        self.lifted_bindings = [place.get() for place in self.state.bindings]
        self.variables = {found: found.traced.variable for found in self.state.inputs}

    def put_back(self) -> None:
        """Put everything back."""
        for (holder, _), items in zip(self.state.containers, self.items, strict=True):
            _set_items(holder, items)
        for place, value in zip(self.state.bindings, self.bindings, strict=True):
            place.set(value)
        self.state.restore()
        for bits, state in self.draws:
            bits.state = state
        for tensor, grad in self.gradients.before.items():
            tensor.grad = grad


def _bits(generator: Any) -> Any:
    """Return where a random generator keeps its state."""
    return generator.bit_generator if isinstance(generator, np.random.Generator) else generator._bit_generator


@contextmanager
def _put_back_on_error(before: Before) -> Iterator[None]:
    try:
        yield
    except BaseException:
        before.put_back()
        raise


def _items(holder: Any) -> dict[Any, Any]:
    """Return what a list or dictionary holds, by key."""
    return dict(holder) if isinstance(holder, dict) else dict(enumerate(holder))


def _set_items(holder: Any, items: dict[Any, Any]) -> None:
    if isinstance(holder, dict):
        for key in [key for key in holder if key not in items]:
            del holder[key]
        holder.update(items)
    else:
        holder[:] = items.values()


@contextmanager
def _no_chance() -> Iterator[None]:
    """Refuse draws from NumPy's global generator, which no program could repeat in its turn."""
    # NumPy's own access to that generator's state.
    generator = np.random.mtrand._rand
    before = generator.get_state(legacy=False)["state"]
    yield
    after = generator.get_state(legacy=False)["state"]
    if before["pos"] != after["pos"] or not np.array_equal(before["key"], after["key"]):
        raise JitError(
            "the function draws from NumPy's global random generator, which cannot be recorded: draw from an "
            "np.random.Generator made outside of it, rng = np.random.default_rng(seed)"
        )


@contextmanager
def _profiled(on_return: Callable[[FrameType, Any], None]) -> Iterator[None]:
    """Watch calls: refuse those that answer differently each time, look at the locals of functions that return."""

    def watch(frame: FrameType, event: str, called: Any) -> None:
        if event == "return":
            on_return(frame, called)
        elif event == "c_call":
            owner = getattr(called, "__self__", None)
            name = getattr(called, "__name__", "")
            if isinstance(owner, random.Random) or (name in IMPURE and getattr(owner, "__name__", "") in OF_SYSTEM):
                raise JitError(
                    f"{users_line()}: {name}() answers differently at each call, which cannot be recorded. Draw from "
                    "an np.random.Generator made outside of the jitted function; pass other values as arguments"
                )

    profiler = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(profiler)


class _Namer:
    """Names variables when functions return: after the user's local variables, the layers, the rules."""

    def __init__(self, state: State) -> None:
        self.layers = {id(module): name for module, name in state.layer_names().items()}
        self.parameters = state.tensor_names

    def __call__(self, frame: FrameType, returned: Any) -> None:
        """Look at a function that returns."""
        code = frame.f_code
        if code is apply.__code__ or code is Module.__call__.__code__:
            variable = variable_of(returned)
            if variable is not None and not variable.is_named:
                variable.is_final = True
                if code is not apply.__code__:
                    variable.name = self.layers.get(id(frame.f_locals["self"]), variable.name)
        elif not is_ours(frame):
            self._name_locals(frame, "")
        elif frame.f_globals.get("__name__") == Optimizer.__module__ and frame.f_locals.get("p") in self.parameters:
            self._name_locals(frame, f"{self.parameters[frame.f_locals['p']]}_".replace(".", "_"))

    def _name_locals(self, frame: FrameType, prefix: str) -> None:
        for name, value in frame.f_locals.items():
            variable = variable_of(value)
            if variable is not None and len(name) >= LEAST_LETTERS and not variable.is_named:
                variable.name, variable.is_named = prefix + name, True


class _Outputs:
    """What a program hands out, and how objects are made of it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.variables: list[Variable] = []
        self._given = {id(found.traced): found for found in state.inputs}

    def builder(self, x: Any) -> Build:
        """Return the function that makes an object like ``x`` of the values a program has handed out."""
        if isinstance(x, Tensor) and x in self.state.tensors:
            return self.accessor(self.state.tensors[x])
        if isinstance(x, (Tracer, Number, Draws)) and id(x) in self._given:
            return self.accessor(self._given[id(x)].place.text)
        if isinstance(x, (Tracer, Number)):
            i = len(self.variables)
            self.variables.append(x.variable)
            return lambda values, args, kwargs: values[i]
        if isinstance(x, Tensor):
            return self._tensor_builder(x)
        if isinstance(x, np.ndarray):
            return lambda values, args, kwargs: x.copy()
        if type(x) is dict or (isinstance(x, (tuple, list)) and hasattr(type(x), "__len__")):
            return self._container_builder(x)
        return lambda values, args, kwargs: x

    def accessor(self, text: str) -> Build:
        """Return the function that looks something up."""
        return eval(f"lambda values, args, kwargs: {text}", self.state.names)

    def _tensor_builder(self, x: Tensor) -> Build:
        # What is needed of it alone: it holds on to every value of the recording.
        requires_grad, name, data = x.requires_grad, x.name, self.builder(x._data)
        if x.operation is not None and requires_grad:
            return lambda values, args, kwargs: beyond_history(data(values, args, kwargs))
        return lambda values, args, kwargs: leaf(data(values, args, kwargs), requires_grad, name)

    def _container_builder(self, x: Any) -> Build:
        keys = list(x) if isinstance(x, dict) else range(len(x))
        parts = [(key, self.builder(x[key])) for key in keys]
        kind = type(x)

        def build(values: Any, args: Any, kwargs: Any) -> Any:
            made = {key: part(values, args, kwargs) for key, part in parts}
            if kind is dict:
                return made
            return kind(*made.values()) if hasattr(kind, "_fields") else kind(made.values())

        return build


def leaf(data: Any, requires_grad: bool, name: str | None) -> Tensor:
    """Return a Tensor without history."""
    y = constant(data)
    y.requires_grad, y.name = requires_grad, name
    return y


def beyond_history(data: Any) -> Tensor:
    """Return a Tensor that depends on parameters through a program, which keeps no history to go back through."""
    y = constant(data)
    y.requires_grad = True
    y.operation = Operation(_JITTED, (leaf(data, True, None),), (data,), ())
    return y


def _no_history(g: Any) -> Any:
    raise GraphError(
        "a value that came out of a jitted function cannot be differentiated, since its program keeps no history: jit "
        "the function that differentiates, tg.jit(tg.grad(f)) or a whole training step, or call f.__wrapped__"
    )


_JITTED = Rule(
    name="jit",
    forward=lambda x: x,
    inputs=("x",),
    params=(),
    defaults={},
    variadic=False,
    vjps=(Vjp(_no_history, lambda g, y, k, inputs, params: _no_history(g)),),
    make_samples=list,
)


def _finished(
    function: Callable[..., Any],
    state: State,
    recorder: Recorder,
    gradients: Gradients,
    before: Before,
    result: Any,
) -> Recording:
    """Close a recording: see what the function left behind, put real values in the place of tracers."""
    outputs = _Outputs(state)
    build = outputs.builder(result)
    writes: list[Write] = []
    updates: list[tuple[Input, Tracer]] = []
    guards = state.guards

    updates = [(found, found.traced) for found in state.inputs if getattr(found.traced, "changes", 0)]
    updated = {found.place.holder for found, _ in updates if isinstance(found.place.holder, Tensor)}
    for found in state.inputs:
        holder = found.place.holder
        if isinstance(holder, Tensor) and holder._data is not found.traced:
            writes.append(Write(found.place.holder_text, "_data", outputs.builder(holder._data)))
            updated.add(holder)
    for place, bound in zip(state.bindings, before.lifted_bindings, strict=True):
        if place.get() is not bound:
            writes.append(Write(place.holder_text, place.key, outputs.builder(place.get())))
    for (holder, text), items, old in zip(state.containers, before.lifted_items, before.items, strict=True):
        now = _items(holder)
        changed = [key for key in now.keys() | old.keys() if now.get(key, REMOVED) is not items.get(key, REMOVED)]
        if changed and isinstance(holder, list):
            writes.append(Write(text, slice(None), outputs.builder([*holder])))
        elif changed:
            writes += [Write(text, key, outputs.builder(now.get(key, REMOVED))) for key in changed]
    for tensor in gradients.written:
        # What an update has used up is kept only if the next call goes on from it.
        is_kept = tensor in gradients.were_read or tensor not in updated
        grad = tensor.grad if is_kept else None
        writes.append(Write(state.tensors[tensor], "grad", outputs.builder(grad)))
    for tensor in gradients.were_read:
        text, there = state.tensors[tensor], gradients.before[tensor] is not None
        guards[f"{text}.grad is {'not ' * there}None"] = f"{state.tensor_names[tensor]}.grad"
    read = {tensor for tensor in gradients.were_read if gradients.before[tensor] is not None}
    for found in state.inputs:
        if found.owner is None or found.owner in read:
            guards |= dict.fromkeys(state.guards_of(found), found.path)
    for found, variable in before.variables.items():
        if variable in recorder.pinned and isinstance(found.value, np.ndarray):
            state.names["array_equal"] = np.array_equal
            guards[f"array_equal({found.place.text}, {state.bind(found.value.copy())})"] = found.path
        elif variable in recorder.pinned:
            guards[f"{found.place.text} == {state.bind(found.value)}"] = found.path

    # What a derivative comes to is what was computed of it last.
    derivatives = [i.result for i in recorder.instructions if i.result.derivative_of is not None]
    for variable in derivatives:
        variable.is_final = False
    for variable in {v.derivative_of: v for v in derivatives}.values():
        variable.is_final = True
    instructions, captured = _with_captured(recorder.instructions)
    given = [found for found in before.variables if found.place.holder_text.startswith(GIVEN)]
    reached = [found for found in before.variables if found not in given]
    sources = {before.variables[found]: found for found in (*given, *reached)} | captured
    program = Program(
        name=_identifier(function),
        inputs=tuple(sources),
        instructions=tuple(_with_phases(instructions)),
        outputs=tuple(outputs.variables),
        updates=tuple((before.variables[found], traced.variable) for found, traced in updates),
    )
    recorder.is_open = False
    before.put_back()
    for found in state.inputs:
        found.traced = found.value = None  # or the arrays of this call would be kept
    return Recording(
        program=program,
        state=state,
        sources=sources,
        guards=guards,
        writes=writes,
        changed=[found.place.holder_text for found, _ in updates if isinstance(found.place.holder, Tensor)],
        build=build,
    )


def _identifier(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() else "program"


def _with_captured(instructions: list[Instruction]) -> tuple[list[Instruction], dict[Variable, Any]]:
    """Make inputs of the constants that are too large to be written out."""
    captured: dict[Variable, Any] = {}

    def replaced(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(replaced, x))
        if not isinstance(x, np.ndarray) or is_literal(x):
            return x
        variable = Variable.like(x, "constant")
        captured[variable] = x
        return variable

    return [replace(i, operands=replaced(i.operands)) for i in instructions], captured


def _with_phases(instructions: list[Instruction]) -> Iterator[Instruction]:
    """Give a phase to what was computed outside of any module, sweep or optimizer, by where it stands."""
    phases = [instruction.phase for instruction in instructions]
    last_forward = max((i for i, phase in enumerate(phases) if phase == "forward"), default=len(phases))
    first_later = next((i for i, phase in enumerate(phases) if phase in ("backward", "update")), len(phases))
    for i, instruction in enumerate(instructions):
        if instruction.phase:
            yield instruction
        elif i > first_later:
            yield replace(instruction, phase="update" if "update" in phases[:i] else "backward")
        else:
            yield replace(instruction, phase="loss" if last_forward < i and first_later < len(phases) else "forward")
