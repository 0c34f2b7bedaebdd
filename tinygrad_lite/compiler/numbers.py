"""Tracers of inputs that are no arrays: Python numbers, such as a learning rate, and random generators.

A program reads them anew at each call, so a learning rate may change without a new program.
"""

from __future__ import annotations

import math
import operator
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np

from ..support.randomness import copied
from . import primitives
from .primitives import OPERATORS, UFUNCS, Primitive, of_draw, of_operator, of_ufunc_of_numbers
from .recorded_functions import call_ufunc, static_index
from .traced import Traced, holds_tracers, value_of


class NumberTracer(Traced):
    """Stands for a Python number, which may differ at the next call.

    The function may read its value if it was computed from numbers alone. The program is then correct for these
    numbers only, so they are guarded.

    Attributes
    ----------
    is_constant : bool
        True for a constant of a module: an operation takes its plain value, which the program then depends on.
    """

    is_constant = False

    def known(self) -> Any:
        """Return the value, and note that the program depends on it."""
        self.recorder.check()
        if self.roots is None:
            self.recorder.refuse(
                "this line needs the value of a number from arrays or draws, which differs from call to call",
                "Return it to see it, choose by it with np.where, or leave this line outside of the jitted function",
            )
        self.recorder.pinned |= self.roots
        return self.value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(x is not settled(x) for x in inputs):
            return getattr(ufunc, method)(*map(settled, inputs), **kwargs)
        if any(hasattr(x, "shape") for x in inputs):
            return call_ufunc(self, ufunc, method, *inputs, **kwargs)
        if method == "__call__" and ufunc in UFUNCS and not kwargs:
            return self.recorder.record(of_ufunc_of_numbers(ufunc), *inputs)
        return getattr(ufunc, method)(*map(known, inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not all(issubclass(t, (NumberTracer, np.ndarray)) for t in types):
            return NotImplemented  # a traced array or a Tensor records it
        # Python numbers decide on the type of a result in another way than the arrays that NumPy would make of tracers.
        return function(*_known_in(args), **_known_in(kwargs))

    def __neg__(self) -> Any:
        return -self.known() if self.is_constant else self.recorder.record(of_operator("neg"), self)

    def __pos__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self  # a number does not change

    __copy__ = __pos__
    real = property(__pos__, doc="The number itself.")


_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def known(x: Any) -> Any:
    """Return the value of a traced number, which the program then depends on; anything else as it is."""
    return x.known() if isinstance(x, NumberTracer) else x


def _known_in(x: Any) -> Any:
    """Return nested tuples, lists and dictionaries with the values of their traced numbers."""
    if isinstance(x, dict):
        return {key: _known_in(part) for key, part in x.items()}
    return type(x)(map(_known_in, x)) if isinstance(x, (tuple, list)) else known(x)


def settled(x: Any) -> Any:
    """Return an operand; a constant `NumberTracer` as its plain value."""
    return x.known() if isinstance(x, NumberTracer) and x.is_constant else x


def _operate(name: str, a: Any, b: Any) -> Any:
    """Record an operator on numbers; arrays use their own operators. A comparison of numbers needs their values."""
    a, b = settled(a), settled(b)
    numbers = [x for x in (a, b) if isinstance(x, NumberTracer)]
    if numbers and (hasattr(a, "shape") or hasattr(b, "shape")):
        return NotImplemented
    if not numbers or name in _COMPARISONS:
        return getattr(operator, name)(known(a), known(b))
    if not all(isinstance(x, (int, float)) for x in (a, b)):
        return NotImplemented
    recorder = numbers[0].recorder
    if name == "pow":
        if value_of(a) < 0 and value_of(b) % 1:  # complex, which has no tracer
            return operator.pow(known(a), known(b))
        _keep_type_of_power(recorder, a, b)
    return recorder.record(of_operator(name), a, b)


def _keep_type_of_power(recorder: Any, base: Any, exponent: Any) -> None:
    """Make the program check that a power still has the type it had in the recording.

    In Python (-2.0) ** 0.5 is complex, and 2 ** -1 a float: the sign of an operand decides the type.
    """
    a, b = value_of(base), value_of(exponent)
    if isinstance(b, int):
        decisive = exponent if isinstance(a, int) else None
    elif isinstance(exponent, NumberTracer):
        decisive = base if isinstance(base, NumberTracer) or a >= 0 else exponent.known() and None
    else:
        decisive = None if b.is_integer() else base
    if isinstance(decisive, NumberTracer):
        sign = np.greater_equal if decisive.value >= 0 else np.less
        holds = recorder.record(of_ufunc_of_numbers(sign), decisive, 0)
        message = (
            f"the sign of {decisive.variable.name} has changed, which decides the type of a power of Python numbers: "
            "use np.power on arrays"
        )
        recorder.record(primitives.of_check(ValueError, message), holds)


# Methods that need the value of a number.
_READING = {
    **{f"__{f.__name__}__": f for f in (bool, float, int, operator.index, round, math.trunc, abs, divmod)},
    **{f"__{f.__name__}__": f for f in (hash, format, repr, np.array)},
    "__rdivmod__": lambda a, b: divmod(b, a),
    "is_integer": lambda x: float(x).is_integer(),
}

for _name, _function in _READING.items():
    setattr(NumberTracer, _name, lambda x, *args, f=_function, **others: f(x.known(), *map(known, args), **others))
for _name in (*OPERATORS, *_COMPARISONS):
    setattr(NumberTracer, f"__{_name}__", lambda a, b, name=_name: _operate(name, a, b))
for _name in OPERATORS:
    setattr(NumberTracer, f"__r{_name}__", lambda a, b, name=_name: _operate(name, b, a))
Real.register(NumberTracer)

_NO_DRAWS = ("shuffle", "spawn", "bytes", "seed", "set_state")  # they have side effects, or return no array
_BY_SIZE = {"rand": "random_sample", "randn": "standard_normal"}  # the same draws with the size as one argument


class GeneratorTracer(Traced):
    """Stands for a random generator during a recording: the program draws new values at each call."""

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.value, name)
        if name.startswith("_") or not callable(method) or name in _NO_DRAWS:
            self.recorder.unsupported(f"{name} of a random generator")

        def draw(*args: Any, **kwargs: Any) -> Any:
            given = signature(method).bind(*args, **kwargs).arguments
            if "args" in given:
                return getattr(self, _BY_SIZE[name])(size=given["args"])
            if given.get("out") is not None:
                self.recorder.unsupported(f"{name} of a random generator with out")
            if "size" in given:  # a program depends on a size that is a number
                given["size"] = static_index(given["size"])
            if holds_tracers(given.get("size")):
                self.recorder.unsupported(f"{name} of a random generator with a computed size")
            draws = of_draw(name, tuple(given), isinstance(self.value, np.random.Generator))
            return self.recorder.record(draws, self, *given.values())

        return draw

    def __copy__(self) -> GeneratorTracer:
        # It is another primitive each time: two copies differ by the draws between them.
        primitive = Primitive("generator", lambda rng, copied: copied(rng), "{1}({0})")
        made = self.recorder.record(primitive, self, copied)
        return GeneratorTracer(self.recorder, made.variable, made.value)

    @property
    def __state__(self) -> Any:
        return self.variable, self.value

    @__state__.setter
    def __state__(self, state: Any) -> None:
        self.variable, self.value = state
