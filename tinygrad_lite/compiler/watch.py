"""Watch a function while it is recorded: the calls it makes, its local variables, the gradients it reads.

Tracers only see operations on arrays. A read of the clock, a random draw or a file bypasses them, and a program would
silently repeat the first answer; so such calls are found here, with a profiler, and refused. The same profiler sees
local variables, whose names make the program readable.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from types import BuiltinFunctionType, FrameType
from typing import Any

import numpy as np

from .. import optim
from ..support.call_stack import OURS, frames, is_users
from ..support.devices import is_of_a_device, random_modules
from ..support.observer import UPDATE, Observer, observing, under_way
from ..tensor import Tensor
from .environment import Environment
from .kinds import DRAW_OUTSIDE
from .recorder import Recorder
from .traced import variable_of

LEAST_LETTERS = 2  # shorter names of local variables are not used: x often stands for many values in turn
GRAD = vars(Tensor)["grad"]
# Built-in functions whose results depend on the clock or on chance.
DIFFERS_EACH_TIME = {
    *(f for name, f in vars(time).items() if isinstance(f, BuiltinFunctionType) and name != "sleep"),
    *(date.today, datetime.today, datetime.now, datetime.utcnow, os.urandom),
}
SETTINGS = {f.__name__: f.__code__ for f in (np.geterr, np.geterrcall, np.get_printoptions)}
# The packages that open files for themselves: this one, and those behind imports, warnings and tracebacks.
READS_FOR_ITSELF = (OURS, "importlib", "linecache", "tokenize", "traceback", "warnings")


@contextmanager
def handlers_apart(recorder: Recorder) -> Iterator[None]:
    """Keep the work of signal handlers out of the recording that they interrupt; refuse their use of its tracers."""

    def apart(handler: Callable[..., Any], number: int, frame: FrameType | None) -> None:
        recorder.interruptions += 1
        try:
            handler(number, frame)
        finally:
            recorder.interruptions -= 1

    is_main = threading.current_thread() is threading.main_thread()  # handlers only run there
    theirs = {number: signal.getsignal(number) for number in signal.valid_signals() if is_main}
    ours = {n: partial(apart, f) for n, f in theirs.items() if callable(f) and f is not signal.default_int_handler}
    try:
        for number, handler in ours.items():
            signal.signal(number, handler)
        yield
    finally:
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:  # unless the function set another one
                signal.signal(number, theirs[number])


@contextmanager
def watched(recorder: Recorder, environment: Environment) -> Iterator[Watcher]:
    """Watch the calls and gradients within a ``with`` block: refuse what cannot be recorded, and name variables."""
    watcher = Watcher(recorder, environment)
    profiler: Any = sys.getprofile()

    def unwatched(method: Any, *args: Any, **params: Any) -> Any:
        recorder.check()  # or another thread would be watched afterwards
        sys.setprofile(None)  # most calls are made here, and none of them is the user's
        try:
            return method(*args, **params)
        finally:
            sys.setprofile(watcher.noted)

    for method in (recorder.record, recorder.run):
        setattr(recorder, method.__name__, partial(unwatched, method))
    Tensor.grad = property(watcher.read_grad, watcher.write_grad)  # type: ignore[assignment, method-assign]
    sys.setprofile(watcher.noted)
    try:
        with observing(watcher):
            yield watcher
    finally:
        # And a cycle of references, which would keep the arrays of this call alive for a while.
        del recorder.record, recorder.run
        Tensor.grad = GRAD  # type: ignore[method-assign]
        if hasattr(profiler, "enable"):
            profiler.enable()  # a profiler of cProfile is an object, which sys.setprofile does not take
        else:
            sys.setprofile(profiler)


class Watcher(Observer):
    """Refuses calls whose results differ each time; names variables after layers, rules and local variables.

    Parameters
    ----------
    recorder : Recorder
        The recorder, which stores the refusals.
    environment : Environment
        The values that the function reaches.

    Attributes
    ----------
    written : set of Tensor
        The Tensors whose gradient the function writes.
    read_first : dict of Tensor to None
        Those whose gradient it reads before it writes it: the one that the call before has left.
    """

    def __init__(self, recorder: Recorder, environment: Environment) -> None:
        self.recorder, self.names, self._tensors = recorder, environment.program_names, environment.tensors
        self.written: set[Tensor] = set()
        self.read_first: dict[Tensor, None] = {}
        self._random_modules = random_modules()
        self._users: dict[str, bool] = {}  # whether a module is the user's

    def read_grad(self, tensor: Tensor) -> Any:
        """Return the gradient of a Tensor."""
        if self._concern(tensor) and tensor not in self.written:
            self.read_first[tensor] = None
        return GRAD.__get__(tensor)

    def write_grad(self, tensor: Tensor, value: Any) -> None:
        """Set the gradient of a Tensor."""
        if self._concern(tensor):
            self.written.add(tensor)
        GRAD.__set__(tensor, value)

    def _concern(self, tensor: Tensor) -> bool:
        return threading.get_ident() == self.recorder.thread and tensor in self._tensors

    def noted(self, frame: FrameType, event: str, called: Any) -> None:
        """Take note of a call or a return: the function that `sys.setprofile` calls."""
        if self.recorder.interruptions:  # this is a signal handler's
            return
        if event == "return":
            self._take_names(frame)
        elif event == "call":
            name = frame.f_code.co_name
            if frame.f_code is SETTINGS.get(name) and frame.f_back and is_users(frame.f_back):
                self.recorder.refuse(
                    f"np.{name}() is read once, when it is recorded", "Read it outside of the function"
                )
            if self._random_modules and frame.f_globals.get("__name__", "").startswith(self._random_modules):
                self.recorder.refuse(f"{name}() draws on a device, differently at each call", DRAW_OUTSIDE)
        elif event == "c_call":
            if called is open and _is_for_the_user(frame, READS_FOR_ITSELF):
                self.recorder.refuse("a file is read or written", "Do that outside of the jitted function")
            is_anew = called in DIFFERS_EACH_TIME or isinstance(getattr(called, "__self__", None), random.Random)
            if is_anew and _is_for_the_user(frame):
                self.recorder.refuse(f"{called.__name__}() answers differently at each call", DRAW_OUTSIDE)

    def drew(self) -> None:
        """Refuse a draw from the library's global generator."""
        self.recorder.refuse("this line gives no rng, and so draws from the library's generator", DRAW_OUTSIDE)

    def applied(self, rule: Any, inputs: Any, arrays: Any, y: Any) -> None:
        """Mark the result of a rule, which has the rule's name, as the rule's last step."""
        variable = variable_of(y)
        if variable is not None and not variable.is_named:
            variable.is_final = True

    def ran(self, module: Any, y: Any) -> None:
        """Give the result of a layer the layer's name."""
        variable = variable_of(y)
        if variable is not None and not variable.is_named:
            variable.is_final, variable.name = True, self.names.layers.get(module, variable.name)

    def _take_names(self, frame: FrameType) -> None:
        """Take names from the local variables of a returning function."""
        prefix = self._prefix(frame)
        for name, value in frame.f_locals.items() if prefix is not None else ():
            variable = variable_of(value)
            if variable is not None and len(name) >= LEAST_LETTERS and not variable.is_named:
                variable.name, variable.is_named = f"{prefix}{name}", True

    def _prefix(self, frame: FrameType) -> str | None:
        """Return the beginning of names from a function: the user's, or an optimizer's; None for any other."""
        module = frame.f_globals.get("__name__", "")
        if frame.f_globals.get("__package__") == optim.__name__:
            updated = next((step.of for step in under_way() if step.kind == UPDATE), None)
            return f"{self.names.tensors[updated]}_" if updated in self.names.tensors else None
        if module not in self._users:
            self._users[module] = is_users(frame)
        return "" if self._users[module] else None


def _is_for_the_user(frame: FrameType, but_for: tuple[str, ...] = ("importlib",)) -> bool:
    """Return True if the user's code makes a call, or a library does so for it.

    False if a device's library makes it for itself, such as to compile a kernel, or one of the packages ``but_for``:
    the import of a module happens once, whatever it calls.
    """
    for caller in frames(frame):
        module = caller.f_globals.get("__name__", "")
        if is_of_a_device(module) or module.partition(".")[0] in but_for:
            return False
        if is_users(caller):
            break
    return True
