"""Watch a function while it is recorded: the calls it makes, its local variables, the gradients it reads.

Tracers only see operations on arrays. A read of the clock, a random draw or a file bypasses them, and a program would
silently repeat the first answer; so such calls are found here, with a profiler, and refused. The same profiler sees
local variables, whose names make the program readable.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from ..errors import JitError
from ..optim import Optimizer
from ..support.call_stack import OURS, frames, is_users
from ..support.devices import is_of_a_device, random_modules
from ..support.observer import UPDATE, Observer, observing, under_way
from ..tensor import Tensor
from .environment import Environment
from .kinds import DRAW_OUTSIDE
from .tracer import Recorder, variable_of

LEAST_LETTERS = 2  # shorter names of local variables are not used: x often stands for many values in turn


GRAD = vars(Tensor)["grad"]


class Gradients:
    """Notes which Tensors' gradients a function reads, and which it writes."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.before = {tensor: tensor._grad for tensor in tensors}
        self.written: set[Tensor] = set()
        self.were_read: set[Tensor] = set()
        self.thread = threading.get_ident()

    def _concern(self, tensor: Tensor) -> bool:
        return threading.get_ident() == self.thread and tensor in self.before

    def _read(self, tensor: Tensor) -> Any:
        """Return a gradient; note a read of the gradient from before the call, one that is not written yet."""
        if self._concern(tensor) and tensor not in self.written:
            self.were_read.add(tensor)
        return GRAD.__get__(tensor)

    def _write(self, tensor: Tensor, value: Any) -> None:
        if self._concern(tensor):
            self.written.add(tensor)
        GRAD.__set__(tensor, value)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch `Tensor.grad` within a ``with`` block."""
        Tensor.grad = property(self._read, self._write)  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            self.unwatch()

    def unwatch(self) -> None:
        """Stop watching."""
        Tensor.grad = GRAD  # type: ignore[method-assign]


READS_FOR_ITSELF = ("importlib", "linecache", "tokenize", "traceback", "warnings")
SETTINGS = {f.__code__: f"np.{f.__name__}" for f in (np.geterr, np.geterrcall, np.get_printoptions)}


def _differs_each_time(function: Any) -> bool:
    """Return True for a built-in function whose result depends on the clock or on chance."""
    owner, name = getattr(function, "__self__", None), function.__name__
    if isinstance(owner, ModuleType):
        return (owner.__name__ == "time" and name != "sleep") or name == "urandom"
    return isinstance(owner, random.Random) or (
        (owner is date or owner is datetime) and name in ("now", "today", "utcnow")
    )


def _is_for_a_device(frame: FrameType) -> bool:
    """Return True for a call that a device's library makes for itself, such as to compile a kernel."""
    for caller in frames(frame):
        if is_of_a_device(caller.f_globals.get("__name__", "")):
            return True
        if is_users(caller):
            return False
    return False


def _reads_for_the_user(frame: FrameType) -> bool:
    """Return True if the user's code opens a file, or a library does so for it; False for imports and tracebacks."""
    for caller in frames(frame):
        module = caller.f_globals.get("__name__", "")
        if is_of_a_device(module) or module.partition(".")[0] in (OURS, *READS_FOR_ITSELF):
            return False
        if is_users(caller):
            return True
    return False


@contextmanager
def no_chance() -> Iterator[None]:
    """Refuse draws from the global generators, which a program would not repeat; restore their states."""
    # NumPy's global generator has no public name.
    generator = np.random.mtrand._rand
    before, before_of_python = generator.get_state(), random.getstate()
    try:
        yield
    finally:
        after = generator.get_state()
        is_unchanged = all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        generator.set_state(before)
        is_unchanged = is_unchanged and random.getstate() == before_of_python
        random.setstate(before_of_python)
    if not is_unchanged:
        raise JitError(f"the function draws from a global random generator, which cannot be recorded. {DRAW_OUTSIDE}")


@contextmanager
def handlers_apart(recorder: Recorder) -> Iterator[None]:
    """Keep the work of signal handlers out of the recording that they interrupt; refuse their use of its tracers."""
    if threading.current_thread() is not threading.main_thread():  # handlers only run in the main thread
        yield
        return

    def apart(handler: Callable[..., Any]) -> Callable[..., Any]:
        def handle(number: int, frame: FrameType | None) -> None:
            profiler = sys.getprofile()
            sys.setprofile(None)
            recorder.interruptions += 1
            try:
                handler(number, frame)
            finally:
                recorder.interruptions -= 1
                sys.setprofile(profiler)

        return handle

    theirs = {number: signal.getsignal(number) for number in signal.valid_signals()}
    ours = {
        number: apart(handler)
        for number, handler in theirs.items()
        if callable(handler) and handler is not signal.default_int_handler
    }
    try:
        for number, handler in ours.items():
            signal.signal(number, handler)
        yield
    finally:
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:  # unless the function set another one
                signal.signal(number, theirs[number])


@contextmanager
def calls_watched(recorder: Recorder, namer: Namer) -> Iterator[None]:
    """Watch calls: refuse those whose results differ each time; take names from the locals of returning functions."""
    modules = random_modules()

    def watch(frame: FrameType, event: str, called: Any) -> None:
        if event == "return":
            namer.look_at(frame)
        elif event == "c_call" and called is open and _reads_for_the_user(frame):
            recorder.refuse("a file is read or written", "Do that outside of the jitted function")
        elif event == "call" and frame.f_code in SETTINGS and frame.f_back and is_users(frame.f_back):
            name = SETTINGS[frame.f_code]
            recorder.refuse(f"{name}() is read once, when it is recorded", "Read it outside of the jitted function")
        elif modules and event == "call" and frame.f_globals.get("__name__", "").startswith(modules):
            recorder.refuse(f"{frame.f_code.co_name}() draws on a device, differently at each call", DRAW_OUTSIDE)
        elif event == "c_call" and _differs_each_time(called) and not _is_for_a_device(frame):
            recorder.refuse(f"{called.__name__}() answers differently at each call", DRAW_OUTSIDE)

    profiler: Any = sys.getprofile()
    sys.setprofile(watch)
    try:
        with observing(namer), observing(_NoDraws(recorder)):
            yield
    finally:
        if hasattr(profiler, "enable"):
            profiler.enable()  # a profiler of cProfile is an object, which sys.setprofile does not take
        else:
            sys.setprofile(profiler)


class _NoDraws(Observer):
    """Refuses draws from the library's global generator."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def drew(self) -> None:
        self.recorder.refuse("what is made here without an rng draws from the library's generator", DRAW_OUTSIDE)


class Namer(Observer):
    """Names variables after the layers and rules that compute them, and after the user's local variables."""

    def __init__(self, state: Environment) -> None:
        self.layers = state.program_names.layers
        self.parameters = state.program_names.tensors

    def applied(self, rule: Any, inputs: Any, arrays: Any, y: Any) -> None:
        """Mark the result of a rule, which has the rule's name, as the rule's last step."""
        variable = variable_of(y)
        if variable is not None and not variable.is_named:
            variable.is_final = True

    def ran(self, module: Any, y: Any) -> None:
        """Give the result of a layer the layer's name."""
        variable = variable_of(y)
        if variable is not None and not variable.is_named:
            variable.is_final, variable.name = True, self.layers.get(module, variable.name)

    def look_at(self, frame: FrameType) -> None:
        """Take names from a returning function: the user's, or an optimizer's that updates a parameter."""
        if is_users(frame):
            self._name_locals(frame, "")
        elif frame.f_globals.get("__name__") == Optimizer.__module__:
            updated = next((step.of for step in under_way() if step.kind == UPDATE), None)
            if updated in self.parameters:
                self._name_locals(frame, f"{self.parameters[updated]}_")

    def _name_locals(self, frame: FrameType, prefix: str) -> None:
        for name, value in frame.f_locals.items():
            variable = variable_of(value)
            if variable is not None and len(name) >= LEAST_LETTERS and not variable.is_named:
                variable.name, variable.is_named = prefix + name, True
