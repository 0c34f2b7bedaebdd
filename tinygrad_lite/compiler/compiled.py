"""jit: a function that is recorded at its first call, and from then on runs as a program."""

from __future__ import annotations

import functools
import inspect
import linecache
import warnings
import weakref
from collections.abc import Callable
from itertools import count
from types import MethodType
from typing import Any

from ..arrays import raw
from ..engine import is_recording
from ..errors import JitError
from ..support.locks import changing
from ..support.observer import observers
from ..tensor import Tensor
from .plan import Plan, plan
from .program import Program, is_moderate
from .record import Recording, is_being_recorded, record, recording_lock
from .simplify import simplify
from .source import source_of
from .state import Input
from .tracer import Number, Tracer

GONE = (LookupError, AttributeError, ValueError, TypeError)  # what a guard raises if its object is not there any more
VERSIONS = 16  # programs of one function that are kept
PATIENCE = 5.0  # seconds in which another function has been recorded, if that does not wait for this thread
NOT_HELD = object()  # in place of a result
_numbers = count(1)
# Files of programs that are no more. Their lines are let go of when the next one comes: a finalizer may run while a
# traceback goes through the same table.
_gone: list[str] = []


class JitWarning(UserWarning):
    """A jitted function is compiled again and again, which takes longer than it saves."""


def load(source: str, name: str) -> Callable[..., Any]:
    """Return the function that a program's source defines, its lines known to tracebacks and debuggers.

    Parameters
    ----------
    source : str
        What `source_of` has written.
    name : str
        The name of the program.
    """
    while _gone:
        linecache.cache.pop(_gone.pop(), None)
    filename = f"<jit {name} {next(_numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    namespace: dict[str, Any] = {"__name__": filename}
    exec(compile(source, filename, "exec"), namespace)
    function = namespace[name]
    weakref.finalize(function, _gone.append, filename)
    return function


class Compiled:
    """One program of a jitted function, and when it holds.

    Attributes
    ----------
    program : Program
        What it computes, simplified.
    plan : Plan
        Where its values live.
    source : str
        How it is written.
    finish : callable
        ``finish(values, args, kwargs)``, given what the program has handed out, leaves behind what the function leaves
        behind, and returns its result.
    """

    def __init__(self, recording: Recording) -> None:
        self.program: Program = simplify(recording.program)
        self.plan: Plan = plan(self.program)
        self.source = source_of(self.program, self.plan)
        # Each has memory of its own: a thread, or a signal handler, that comes while all are running loads another.
        self._idle = [load(self.source, self.program.name)]
        self._has_one_output = len(self.program.outputs) == 1
        self.leaves_changes = bool(self.program.updates or recording.writes)
        self._names, self._guards = recording.state.names, recording.guards | self._guards_of_factors(recording)
        values = [self._text(recording.sources[variable]) for variable in self.program.inputs]
        self._inputs = self._function(f"[{', '.join(values)}] if {' and '.join(self._guards)} else None")
        lines = [*recording.made, *recording.writes, f"return {recording.result}"]
        exec("\n    ".join(["def finish(values, args, kwargs):", *lines]), self._names)
        self.finish = self._names.pop("finish")

    def _guards_of_factors(self, recording: Recording) -> dict[str, str]:
        """Return the conditions that factors are as moderate as they were, where one has moved or would have."""
        recording.state.names["is_moderate"] = is_moderate
        factors = [(variable.is_moderate, recording.sources[variable]) for variable in self.program.judged]
        return {f"is_moderate({found.place.text}) is {moderate}": found.path for moderate, found in factors}

    def _text(self, source: Any) -> str:
        """Return where an input comes from, as an expression."""
        if isinstance(source, Input):
            return source.place.text
        name = f"constant{len(self._names)}"
        self._names[name] = source
        return name

    def _function(self, text: str) -> Callable[[Any, Any], Any]:
        return eval(f"lambda args, kwargs: {text}", self._names)

    def inputs(self, args: Any, kwargs: Any) -> list[Any] | None:
        """Return what the program reads, or None if it does not hold for this call."""
        try:
            return self._inputs(args, kwargs)
        except GONE:
            return None

    def reason(self, args: Any, kwargs: Any) -> str:
        """Return what has changed, so that the program does not hold."""
        for condition, about in self._guards.items():
            try:
                if not self._function(condition)(args, kwargs):
                    return about
            except GONE:
                return about
        return "nothing"

    def run(self, inputs: list[Any]) -> Any:
        """Run the program; return what it hands out."""
        try:
            run = self._idle.pop()
        except IndexError:
            run = load(self.source, self.program.name)
        try:
            values = run(*inputs)
        finally:
            self._idle.append(run)
        return (values,) if self._has_one_output else values

    def call(self, args: Any, kwargs: Any) -> Any:
        """Return what the function returns, and leave behind what it leaves behind; `NOT_HELD` if it does not hold."""
        if self.leaves_changes:
            with changing:
                return self._call(args, kwargs)
        return self._call(args, kwargs)

    def _call(self, args: Any, kwargs: Any) -> Any:
        inputs = self.inputs(args, kwargs)
        return NOT_HELD if inputs is None else self.finish(self.run(inputs), args, kwargs)


class Jitted:
    """What `jit` returns: a drop-in for the function.

    Attributes
    ----------
    programs : list of Compiled
        What it has been compiled to, the latest first: one program for each kind of call.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"jit takes a function, not {type(function).__name__}: {function!r:.60}")
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(f"jit takes a function that returns when it is called, and {function.__name__} does not")
        self.programs: list[Compiled] = []
        self.__wrapped__ = function
        # Not the attributes: a module's would hide its own.
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if observers.open and observers.get():
            return self.__wrapped__(*args, **kwargs)  # a program tells no one what it does
        result = self._by_program(args, kwargs)
        if result is not NOT_HELD:
            return result
        if is_being_recorded() or (is_recording() and (_has_history(args) or _has_history(kwargs))):
            return self.__wrapped__(*args, **kwargs)
        _refuse_tracers_of_others((*args, *kwargs.values()))
        if not recording_lock.acquire(PATIENCE):
            return self.__wrapped__(*args, **kwargs)  # what is being recorded may wait for this thread
        try:
            return self._recorded(args, kwargs)
        finally:
            recording_lock.release()

    def _by_program(self, args: Any, kwargs: Any) -> Any:
        """Return what the function does, by the first program that holds; `NOT_HELD` if none does."""
        for compiled in self.programs:
            result = compiled.call(args, kwargs)
            if result is not NOT_HELD:
                if compiled is not self.programs[0]:
                    self.programs = [compiled, *(other for other in self.programs if other is not compiled)]
                return result
        return NOT_HELD

    def _recorded(self, args: Any, kwargs: Any) -> Any:
        """Make a program, and return what it does."""
        result = self._by_program(args, kwargs)
        if result is not NOT_HELD:
            return result  # another thread was faster
        if len(self.programs) == VERSIONS:
            latest = self.programs[0]
            warnings.warn(
                f"{latest.program.name} has {VERSIONS} programs and is compiled once more, because of "
                f"{latest.reason(args, kwargs)}: give what changes from call to call as an argument, a float or an "
                "array; count and collect outside of the function, or in an array",
                JitWarning,
                stacklevel=3,
            )
        # The first call, too, is done by the program: whenever it is compiled, it rounds alike.
        compiled = Compiled(record(self.__wrapped__, args, kwargs))
        self.programs = [compiled, *self.programs[: VERSIONS - 1]]
        result = compiled.call(args, kwargs)
        if result is NOT_HELD:
            self.programs.remove(compiled)
            raise JitError(
                f"{compiled.program.name} depends on something that does not stay as it is from one moment to the "
                f"next: {compiled.reason(args, kwargs)}"
            )
        return result

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> Any:
        return Jitted, (self.__wrapped__,)

    def __repr__(self) -> str:
        return f"<jit of {getattr(self.__wrapped__, '__qualname__', type(self.__wrapped__).__name__)}>"

    @property
    def source(self) -> str:
        """The program of the latest kind of call, as Python source that needs NumPy alone, or on a GPU CuPy.

        Raises
        ------
        JitError
            Before the first call, since a program is made for the shapes of its arguments.
        """
        if not self.programs:
            raise JitError(
                "there is no program yet: call the function once, since it is made for its arguments' shapes"
            )
        return self.programs[0].source


def _refuse_tracers_of_others(args: Any) -> None:
    """Refuse values of a recording that another thread has under way: it may be waiting for this one."""
    for x in args:
        traced = raw(x)
        if isinstance(traced, (Tracer, Number)):
            traced.recorder.check()


def _has_history(x: Any) -> bool:
    """Return whether there is a Tensor among arguments that is being differentiated by."""
    if isinstance(x, Tensor):
        return x.requires_grad and x.operation is not None
    if isinstance(x, (list, tuple, dict)):
        return any(map(_has_history, x.values() if isinstance(x, dict) else x))
    return False


def jit(function: Callable[..., Any]) -> Jitted:
    """Compile a function to a straight-line NumPy program that computes the same, or to CuPy's where its arrays are.

    At the first call the function is run on tracers, which record what NumPy computes: forward, backward, update. From
    then on the program runs in its place. Other shapes or types, and other values of what the function reads besides
    arrays (flags, closures, globals, `no_grad`), make another program; ``optimizer.lr``, floats given as arguments, and
    the contents of arrays and parameters do not.

    Parameters
    ----------
    function : callable
        Takes and returns Tensors, arrays, numbers, and lists, tuples and dictionaries of them; it may differentiate and
        update parameters. A method or a `Module` will do.

    Returns
    -------
    Jitted
        A drop-in for the function; its ``source`` is the program as text.

    Raises
    ------
    JitError
        When called, if no program can be made: the function asks for the value of an array (``if loss > 1``,
        ``loss.item()``), or calls what cannot be recorded. The message names the line, and all that the function
        reaches is as before.
    TypeError
        If it is no function, or one that returns before it has computed: a generator or a coroutine.

    Warns
    -----
    JitWarning
        When there are too many programs, since something changes at every call.

    Notes
    -----
    A program computes on one device, that of the arrays it is first called with: on a GPU its source imports CuPy in
    NumPy's place, and brings nothing back. After ``net.to(...)`` there is another program. Arguments that the function
    itself moves to the device, and what it draws and moves there, are moved at each call; what it would compute
    elsewhere is refused.

    A number that multiplies a product or a sum, such as a learning rate, is multiplied in where there are the fewest
    elements: ``x.T @ (lr * g)`` for ``lr * (x.T @ g)``. The result is rounded differently in the last place. So that
    nothing more happens to it, this is done only if the number is between 2⁻²⁰, about 10⁻⁶, and 1 in magnitude (for
    others there is another program), and not in float16. Then nothing overflows that would not have; but what is
    smaller than about 10⁻³² in float32, 10⁻³⁰² in float64, on its way to the result may lose digits, or become 0, for
    each such factor a millionth sooner.

    A program takes some hundredths of a second to make, for large models a tenth, so it pays where a function is called
    hundreds of times. The code of the function does not run again: what it prints, it prints once; the environment it
    reads, it reads once.

    Names decide what a program depends on: attributes that no code names may change as they like. What is followed is
    plain data, containers, functions, Tensors, modules, optimizers, random generators, objects of one's own classes,
    and methods bound to them. What else is named, such as a lock or a logger, is refused: pass what is needed of it as
    an argument. A function leaves behind Tensors and arrays, gradients, the state of optimizers, and its result. A list
    that it lengthens, or a number that it counts, is refused: return it, and collect and count outside. A gradient that
    an update has used up is not kept: after ``zero_grad``, ``backward`` and ``step``, ``grad`` is None, so return a
    gradient to look at it; one that is computed or changed after the update stays. Results keep no history to
    differentiate through: jit the function that differentiates.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> slope = tg.jit(tg.grad(lambda x: (x * x).sum()))
    >>> slope(np.array([1.0, 2.0]))
    Tensor([2., 4.], dtype=float64)
    """
    return Jitted(function)
