"""`jit`: record a function at its first call, and run the program from then on.

Recording takes much longer than a call, so a program must serve many calls. Each program has guards, which each call
checks first; if those of no program hold, the function is recorded again.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from textwrap import indent
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar

from ..arrays import raw
from ..engine import is_recording
from ..errors import JitError
from ..support.locks import changing
from ..support.observer import observers
from ..tensor import Tensor
from .environment import Input
from .fusion import fuse
from .memory import Plan, plan_memory
from .passes import simplify
from .program import Program, is_moderate
from .recording import Recording, is_being_recorded, record, recording_lock
from .traced import is_traced
from .tuning import tune
from .writers.numpy_source import source_of

P = ParamSpec("P")
R = TypeVar("R")
# A guard raises one of these if its object no longer exists.
GUARD_ERRORS = (LookupError, AttributeError, ValueError, TypeError)
VERSIONS = 16  # the limit on the number of programs of one function
PATIENCE = 5.0  # seconds to wait for another thread's recording, which might itself wait for this thread
NOT_HELD = object()  # returned in place of a result if the guards of a program fail
_numbers = count(1)
# The file names of deleted programs. Their lines leave `linecache` when the next program is loaded, not in a finalizer:
# that may run while a traceback iterates over the same table.
_gone: list[str] = []


class JitWarning(UserWarning):
    """A jitted function is compiled again and again, which takes longer than the programs save."""


def load(source: str, name: str) -> Callable[..., Any]:
    """Return the function that a program's source defines; tracebacks and debuggers can show its lines.

    Parameters
    ----------
    source : str
        The result of `source_of`.
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
    """One program of a jitted function, with the guards that say for which calls it is correct.

    Attributes
    ----------
    program : Program
        The simplified program.
    plan : Plan
        The memory of its values.
    source : str
        The program as Python source.
    call : callable
        ``call(args, kwargs)`` checks the guards, runs the program, makes the function's side effects (such as new
        gradients) and returns the function's result; it returns `NOT_HELD` and changes nothing if a guard fails.
    """

    def __init__(self, recording: Recording) -> None:
        self.program: Program = fuse(tune(simplify(recording.program)))
        self.plan: Plan = plan_memory(self.program)
        self.source = source_of(self.program, self.plan)
        # A loaded program has its own memory, so it runs one call at a time. If all are running, a thread or signal
        # handler loads another one.
        load_program = functools.partial(load, self.source, self.program.name)
        self._idle = [load_program()]
        environment, sources = recording.environment, recording.sources
        self._names, self._guards = environment.names, environment.guards
        self._names |= {"idle": self._idle, "load_program": load_program, "changing": changing}
        # `is_moderate` of a factor decided whether it moves.
        self._names |= {"NOT_HELD": NOT_HELD, "GUARD_ERRORS": GUARD_ERRORS, "is_moderate": is_moderate}
        for x in self.program.judged:
            self._guards[f"is_moderate({sources[x].place.text}) is {x.is_moderate}"] = sources[x].path
        found = [sources[x] for x in self.program.inputs]
        inputs = [x.place.text if isinstance(x, Input) else environment.bind(x) for x in found]
        exec(self._text_of_call(inputs, recording), self._names)
        self.call: Callable[[Any, Any], Any] = self._names.pop("call")

    def _text_of_call(self, inputs: list[str], recording: Recording) -> str:
        """Return `call` as source: one function, since calling others would take a third of its time."""
        # A condition a line: Python jumps a short way faster than to the end of a long expression.
        guards = "\n        ".join(f"if not ({condition}): return NOT_HELD" for condition in self._guards)
        values = "[run(*inputs)]" if len(self.program.outputs) == 1 else "run(*inputs)"
        steps = f"""\
    try:
        {guards}
        inputs = [{", ".join(inputs)}]
    except GUARD_ERRORS:
        return NOT_HELD
    try:
        run = idle.pop()
    except IndexError:
        run = load_program()
    try:
        values = {values}
    finally:
        idle.append(run)
    """ + "\n    ".join(recording.statements)
        if recording.has_effects:
            steps = f"    with changing.rlock:\n{indent(steps, '    ')}"
        return f"def call(args, kwargs):\n{steps}"

    def reason(self, args: Any, kwargs: Any) -> str:
        """Return the name of the first value whose guard fails."""
        about = "nothing"
        with suppress(*GUARD_ERRORS):
            for condition, about in self._guards.items():
                if not eval(condition, self._names, {"args": args, "kwargs": kwargs}):
                    return about
            return "nothing"
        return about


class Jitted(Generic[P, R]):
    """A jitted function, which is called like the original.

    Attributes
    ----------
    programs : list of Compiled
        Its programs, one for each kind of call; the one used last comes first.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"jit takes a function, not {type(function).__name__}: {function!r:.60}")
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(f"jit takes a function, not a generator or coroutine function such as {function.__name__}")
        self.programs: list[Compiled] = []
        self.__wrapped__ = function
        # Do not copy `__dict__`: a module's attributes could hide those of this object.
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if observers.open and observers.get():
            return self.__wrapped__(*args, **kwargs)  # a program has no steps to observe
        result = self._by_program(args, kwargs)
        if result is not NOT_HELD:
            return result
        if is_being_recorded() or (is_recording() and any(map(_has_history, _parts((args, kwargs))))):
            return self.__wrapped__(*args, **kwargs)
        for traced in map(raw, _parts((args, kwargs))):
            if is_traced(traced):
                traced.recorder.check()  # refuses one of another thread: waiting for its recording might be a deadlock
        if not recording_lock.acquire(PATIENCE):
            return self.__wrapped__(*args, **kwargs)  # the other recording may wait for this thread
        try:
            return self._recorded(args, kwargs)
        finally:
            recording_lock.release()

    def _by_program(self, args: Any, kwargs: Any) -> Any:
        """Call the first program whose guards hold; return `NOT_HELD` if there is none."""
        for compiled in self.programs:
            result = compiled.call(args, kwargs)
            if result is not NOT_HELD:
                if compiled is not self.programs[0]:
                    self.programs = [compiled, *(other for other in self.programs if other is not compiled)]
                return result
        return NOT_HELD

    def _recorded(self, args: Any, kwargs: Any) -> Any:
        """Record a new program and call it."""
        result = self._by_program(args, kwargs)
        if result is not NOT_HELD:
            return result  # another thread has recorded it meanwhile
        if len(self.programs) == VERSIONS:
            latest = self.programs[0]
            warnings.warn(
                f"{latest.program.name} has {VERSIONS} programs and is compiled once more, because this has changed: "
                f"{latest.reason(args, kwargs)}. Pass values that change from call to call as arguments, as floats or "
                "arrays. Count and collect outside of the function, or in an array",
                JitWarning,
                stacklevel=3,
            )
        # The program also runs the first call, so that all calls round alike.
        compiled = Compiled(record(self.__wrapped__, args, kwargs))
        self.programs = [compiled, *self.programs[: VERSIONS - 1]]
        result = compiled.call(args, kwargs)
        if result is NOT_HELD:
            self.programs.remove(compiled)
            raise JitError(
                f"{compiled.program.name} depends on a value that changes on its own: "
                f"{compiled.reason(args, kwargs)}. Read it outside of the function, and pass it as an argument"
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
        """The program used last, as Python source that only needs NumPy, or CuPy on a GPU.

        Raises
        ------
        JitError
            Before the first call, since a program is made for the shapes of its arguments.
        """
        if not self.programs:
            raise JitError("there is no program yet: call the function once, since a program is made for given shapes")
        return self.programs[0].source


def _parts(x: Any) -> Iterator[Any]:
    """Yield the values in nested lists, tuples and dictionaries."""
    if isinstance(x, (list, tuple, dict)):
        for part in x.values() if isinstance(x, dict) else x:
            yield from _parts(part)
    else:
        yield x


def _has_history(x: Any) -> bool:
    """Return True for a Tensor with a history, which a program could not continue."""
    return isinstance(x, Tensor) and x.requires_grad and x.operation is not None


def jit(function: Callable[P, R]) -> Jitted[P, R]:
    """Compile a function to a straight-line NumPy program that computes the same, or to a CuPy program on a GPU.

    The first call runs the function on tracers, which record its NumPy operations: forward, backward, update. From then
    on the program runs in its place. A call with other shapes or types makes another program, and so does another value
    of a flag, closure variable, global or mode (`no_grad`) that the function reads. The contents of arrays and
    parameters, ``optimizer.lr``, and floats passed as arguments may change without a new program.

    Parameters
    ----------
    function : callable
        Takes and returns Tensors, arrays, numbers, and lists, tuples and dictionaries of them; it may differentiate and
        update parameters. It may be a method or a `Module`.

    Returns
    -------
    Jitted
        A function to call in place of the original; its ``source`` is the program as text.

    Raises
    ------
    JitError
        When called, if the function cannot be made a program: it reads the value of an array (``if loss > 1``,
        ``loss.item()``), or calls something that cannot be recorded. The message names the line. All values that the
        function reaches are unchanged.
    TypeError
        If it is not a function, or a generator or coroutine function, which returns before it has computed.

    Warns
    -----
    JitWarning
        If there are too many programs, since something changes at every call.

    Notes
    -----
    *Devices.* A program computes on one device, that of the arrays in its first call. On a GPU its source imports CuPy
    in place of NumPy, and copies no result to the CPU. There a chain of elementwise operations, and the sum or maximum
    that it ends in, is one kernel, compiled at the first call; CUDA may round a product and its sum in a kernel as one.
    After ``net.to(...)`` there is another program. If the function moves arguments or random draws to the device, the
    program does so at each call. Computation on a second device is refused.

    *Rounding.* A number that multiplies a product or a sum, such as a learning rate, is multiplied where there are the
    fewest elements: ``x.T @ (lr * g)`` for ``lr * (x.T @ g)``. This changes the last digit of a result. It is only done
    for numbers between 2⁻²⁰ (about 10⁻⁶) and 1 in magnitude, and not in float16; for other numbers there is another
    program. So it causes no overflow. Intermediate values below about 10⁻³² in float32, or 10⁻³⁰² in float64, may lose
    digits or become 0; each further factor raises this limit, up to a millionfold. On a CPU, sums and means along some
    axes of an array of 64 elements or more are products with ones, which BLAS adds in another order than NumPy.

    *Time.* A program takes some hundredths of a second to make, a tenth for large models, so it pays off for functions
    that are called hundreds of times. The code of the function does not run again: it prints once, and reads the
    environment once.

    *Dependencies.* A program depends on the values that code names; other attributes may change freely. The recording
    follows plain data, containers, functions, Tensors, modules, optimizers, random generators, objects of the user's
    classes, and methods bound to them. Anything else that code names, such as a lock or a logger, is refused: pass the
    needed value as an argument.

    *Side effects.* A program may change Tensors, arrays, gradients and the state of optimizers. A function that
    appends to a list or counts in a number is refused: return the value, and collect or count outside. A gradient that
    an update consumed is not kept: after ``zero_grad``, ``backward`` and ``step``, ``grad`` is None, so return the
    gradient to see it. A gradient that is computed or changed after the update stays. Results have no history, so they
    cannot be differentiated: jit the function that differentiates.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> slope = tg.jit(tg.grad(lambda x: (x * x).sum()))
    >>> slope(np.array([1.0, 2.0]))
    Tensor([2., 4.], dtype=float64)
    """
    return Jitted(function)
