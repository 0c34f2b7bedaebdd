"""Tracers: stand-ins for arrays and numbers that compute like them and write down each primitive.

A recording runs the function once, for real, on tracers in place of its arrays. Each tracer holds the actual value, so
the results are those of an ordinary call. A step that other values could take differently, such as a branch on an
element, is refused: the program would be wrong for them.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from inspect import signature
from numbers import Real
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..engine import Node
from ..errors import JitError, ShapeError
from ..rules import Rule, answer_for, composed
from ..support.call_stack import is_library, users_line
from ..support.devices import device_of, is_array, on_device_of, share_memory, to_device
from ..support.formatting import numpy_name
from . import primitives
from .origin import origin
from .places import EMPTY
from .primitives import FUNCTIONS, OF_SEVERAL, REDUCTIONS, Primitive, of_draw, of_numbers, of_ufunc
from .program import GENERATORS, Instruction, Variable


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
        self.computes_on: tuple[str, str] | None = None
        self._errors = np.geterr()
        self.thread = threading.get_ident()
        self.interruptions = 0
        self.is_open = True

    def lift(self, value: Any, name: str, is_given: bool = True, is_constant: bool = False) -> Any:
        """Return a tracer for an input: an array, a number or a random generator. Arguments have ``is_given``."""
        variable = Variable.like(value, name)
        variable.is_named = True
        if isinstance(value, GENERATORS):
            return GeneratorTracer(self, variable, value)
        if _is_array_or_scalar(value):
            tracer = self.traced(variable, value)
            tracer.is_given = is_given
            return tracer
        number = NumberTracer(self, variable, value, frozenset({variable}))
        number.is_constant = is_constant
        return number

    def traced(self, variable: Variable, value: Any, base: Tracer | None = None) -> Tracer:
        """Return the tracer of an array."""
        return Tracer(self, variable, value, base)

    def record(self, primitive: Primitive, *operands: Any, **params: Any) -> Any:
        """Compute one primitive on the values of its operands, and write it down; return the result's tracer."""
        self.check()
        if np.geterr() != self._errors:
            self.refuse("NumPy's handling of errors is changed", "Put np.errstate around the call of the function")
        operands = tuple(map(_settled, operands))
        value = primitive.compute(*map(_value, operands), **params)
        shown = operands[0] if is_array(value) and not primitive.is_view and operands else None
        if isinstance(shown, Tracer) and share_memory(value, shown.value):
            primitive = replace(primitive, is_view=True, text_into=None)  # einsum("ij->ji", x) returns a view
        return self.written(primitive, operands, params, value)

    def written(self, primitive: Primitive, operands: tuple[Any, ...], params: dict[str, Any], value: Any) -> Any:
        """Write down a primitive that has been computed; return the result's tracer."""
        where = origin()
        result = Variable.like(value, self.names.get(where.parameter, where.rule))
        result.derivative_of = variable_of(where.derivative_of)
        self.instructions.append(Instruction(primitive, tuple(map(_operand, operands)), params, result, where.phase))
        if _is_array_or_scalar(value):
            # Random draws happen on the CPU, whatever the program's device.
            if not (operands and isinstance(operands[0], GeneratorTracer)):
                self._stay_on(result.device, primitive)
            base = operands[0] if primitive.is_view and is_array(value) else None
            # A reshape that copies now, because of the memory order, may return a view at the next call.
            if primitive is not primitives.reshape and base is not None:
                base = base if share_memory(value, base.value) else None
            return self.traced(result, value, base)
        roots: frozenset[Variable] | None = frozenset()
        for x in operands:
            if isinstance(x, (Tracer, GeneratorTracer)):
                roots = None
            elif isinstance(x, NumberTracer) and roots is not None:
                roots = None if x.roots is None else roots | x.roots
        return NumberTracer(self, result, value, roots)

    def _stay_on(self, device: str, primitive: Primitive) -> None:
        """Note the device of a result, and a refusal if it is not the program's: a program has one device.

        The refusal is not raised at once: a primitive whose own operands are on two devices has a better error.
        """
        self.computes_on = self.computes_on or (device, primitive.name)
        first_device, first = self.computes_on
        if device != first_device:
            self._note_refusal(
                f"{first} is computed on {first_device!r}, {primitive.name} on {device!r}, and a program on one device "
                "alone",
                "Move what they are computed from to one device first, or compute outside of the jitted function",
            )

    def refuse(self, what: str, instead: str) -> NoReturn:
        """Raise a JitError that names the user's line.

        The error is also stored: if the function catches it, the recording still fails.
        """
        raise self._note_refusal(what, instead)

    def _note_refusal(self, what: str, instead: str) -> JitError:
        self.refusal = self.refusal or JitError(f"{users_line() or 'in a jitted function'}: {what}. {instead}")
        return self.refusal

    def primitive_of(self, ufunc: np.ufunc, method: str, of_numbers: bool = False) -> Primitive:
        """Return the primitive of a ufunc, or of one of its methods such as ``reduce``; refuse unknown ones."""
        try:
            if method != "__call__":
                return _OF_REDUCE[ufunc, method]
            return of_ufunc(ufunc, True) if of_numbers else of_ufunc(ufunc)
        except KeyError:
            name = f"np.{ufunc.__name__}" if getattr(np, ufunc.__name__, None) is ufunc else ufunc.__name__
            self.unsupported(name if method == "__call__" else f"{name}.{method}")

    def unsupported(self, what: str) -> NoReturn:
        """Refuse a primitive that cannot be recorded."""
        self.refuse(
            f"{what} cannot be recorded",
            "Leave it outside of the jitted function, or compose it of NumPy's arithmetic, reductions and products",
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
                "this value belongs to a recording that has ended: a jitted function must return what is wanted of "
                "it, not leave it somewhere that jit does not know"
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


def _reduction(name: str) -> Callable[..., Any]:
    """Return the method of `Tracer` for a reduction."""

    def reduce(self: Tracer, axis: Any = None, dtype: Any = None, keepdims: bool = False, **others: Any) -> Any:
        if others:
            self.recorder.unsupported(f"{name} with {', '.join(others)}")
        params = {"axis": axis, "dtype": dtype, "keepdims": keepdims}
        kept = {key: value for key, value in params.items() if value is not None and value is not False}
        return self.recorder.record(REDUCTIONS[name], self, **kept)

    reduce.__doc__ = f"Return what `numpy.{name}` does."
    return reduce


_WRITTEN_ELSEWHERE = (
    "a result is written into an array that jit does not know",
    "Write a = a + b instead of a += b, or make the array outside of the function",
)
_IN_PLACE = ("sort", "partition")  # these methods change the array; NumPy's functions of the same names do not


class _Flags:
    """The flags of a traced array: ``writeable`` can be read and set, all others are refused."""

    writeable = True

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        self._recorder.unsupported(f"the flag {name} of an array")


class Tracer(NDArrayOperatorsMixin):
    """Stands for an array during a recording.

    Attributes
    ----------
    variable : Variable
        The variable of the program that holds the array's present value.
    value : array or NumPy scalar
        The present value.
    base : Tracer or None
        For a view, the array whose memory it shares.
    index : object
        For a view that indexing made, the index.
    refusal : str or None
        The reason why the array may not be read.
    is_given : bool
        False for arrays that the function reaches without an argument: they are likely the same at the next call.
    """

    def __init__(self, recorder: Recorder, variable: Variable, value: Any, base: Tracer | None = None) -> None:
        self.recorder, self.variable, self.value = recorder, variable, value
        self.flags = _Flags(recorder)
        self.base: Tracer | None = base if base is None or base.base is None else base.base
        self.changes = 0
        self.index: Any = EMPTY
        self.is_given = True
        self.refusal: str | None = None
        self._changes_of_base = 0 if self.base is None else self.base.changes

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.value.dtype

    def __repr__(self) -> str:
        return f"<array of a recording, shape {self.shape}, {self.dtype}>"

    def change(self, new: Tracer) -> Tracer:
        """Take a new value, as ``+=`` does: every reference to this array sees the change."""
        if self.base is not None and self.index is EMPTY:
            self.recorder.refuse(
                "a view of an array is changed in place",
                "Change the array itself: x[i] = …, or x += … of the whole",
            )
        if not self.flags.writeable:
            raise ValueError("the array is read-only: change the one it was taken from")
        if new.value.shape != self.value.shape:
            raise ShapeError(f"an array of shape {self.shape} cannot hold a result of shape {new.shape}")
        if not np.can_cast(new.dtype, self.dtype, "same_kind"):
            raise TypeError(f"an array of {self.dtype} cannot hold a result of {new.dtype}")
        new = new.astype(self.dtype, copy=False)
        if self.base is not None:
            self.base.change(self.recorder.record(primitives.put, self.base, self.index, new))
            new = self.recorder.record(primitives.getitem, self.base, self.index)
            self._changes_of_base = self.base.changes
        if not is_array(new.value):
            new = self.recorder.record(primitives.array, new)  # NumPy may compute a scalar; an array stays one
        self.variable, self.value = new.variable, new.value
        self.changes += 1
        return self

    def current(self) -> Tracer:
        """Return this tracer; refuse a view whose array was changed since, and an array that may not be read."""
        if self.refusal is not None:
            self.recorder.refuse(self.refusal, "Compute it inside, or use its .detach()")
        if self.base is not None and self.base.changes != self._changes_of_base:
            self.recorder.refuse(
                "a view is read after the array it shows was changed in place",
                "Take the view, such as the transpose, again after the change",
            )
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if any(isinstance(x, Node) for x in inputs):
            return NotImplemented
        if method == "__call__" and ufunc.nout > 1 and (composed := answer_for(ufunc)) is not None:
            return composed(*inputs, **kwargs)
        if method == "at" and ufunc is np.add:
            target, index, value = inputs
            if not isinstance(target, Tracer):
                self.recorder.refuse(*_WRITTEN_ELSEWHERE)
            target.change(self.recorder.record(primitives.add_at, target, _static_index(index), value))
            return None
        primitive = self.recorder.primitive_of(ufunc, method)
        if method == "reduce":
            kwargs = {"axis": 0} | kwargs
        elif kwargs:
            self.recorder.unsupported(f"np.{ufunc.__name__} with {', '.join(kwargs)}")
        result = self.recorder.record(primitive, *inputs, **kwargs)
        if out is None:
            return result
        (target,) = out
        if isinstance(getattr(target, "value", None), np.generic):
            return result  # NumPy's scalars are immutable: += binds the name to the result
        if not isinstance(target, Tracer):
            self.recorder.refuse(*_WRITTEN_ELSEWHERE)
        return target.change(result)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if any(issubclass(t, Node) for t in types):
            return NotImplemented
        if kwargs.pop("out", None) is not None:
            self.recorder.unsupported(f"{numpy_name(function)} with out")
        if not _holds_tracers((args, kwargs)):
            return on_device_of(self, function(*args, **kwargs))  # called for like=: a constant, on its device
        answer = _ANSWERS.get(function) or answer_for(function)
        if answer is None:
            self.recorder.unsupported(numpy_name(function))
        if not isinstance(answer, Rule):
            given = (self.recorder, *args) if function in _ANSWERS else args
            try:
                signature(answer).bind(*given, **kwargs)
            except TypeError:
                self.recorder.unsupported(f"{numpy_name(function)} with these arguments")
            return answer(*given, **kwargs)
        return answer(*args, **kwargs)

    sum, prod, max, min = map(_reduction, ("sum", "prod", "max", "min"))
    mean, any, all = map(_reduction, ("mean", "any", "all"))
    argmax, argmin = map(_reduction, ("argmax", "argmin"))

    def reshape(self, *shape: Any, **others: Any) -> Any:
        """Lay the elements out in another shape."""
        self._refuse_options("reshape", others)
        target = np.empty(self.value.shape, bool).reshape(*shape).shape
        return self.recorder.record(primitives.reshape, self, shape=target)

    def transpose(self, *axes: Any) -> Any:
        """Permute the axes."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        order = tuple(reversed(range(self.ndim))) if order is None else tuple(a % self.ndim for a in order)
        return self.recorder.record(primitives.transpose, self, axes=order)

    @property
    def T(self) -> Any:
        """The axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return self.transpose((*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))

    def astype(self, dtype: Any, copy: bool = True, **others: Any) -> Any:
        """Convert to another type."""
        self._refuse_options("astype", others)
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self.copy() if copy else self
        return self.recorder.record(primitives.astype, self, dtype=dtype)

    def as_number(self) -> Any:
        """Return a scalar as a traced Python number; its value cannot be read during the recording either."""
        return self.recorder.record(primitives.item, self)

    def copy(self, *others: Any) -> Any:
        """Return a copy in memory of its own."""
        self._refuse_options("copy", others)
        return self.recorder.record(primitives.copy, self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def view(self, *others: Any) -> Any:
        """Return another array that shares the memory."""
        self._refuse_options("view", others)
        return self[...]

    def __pow__(self, exponent: Any) -> Any:
        # NumPy's ** also uses a special function for these exponents, so the exponent's value is pinned.
        if _is_number(exponent) and exponent.roots is not None and exponent._value in (2, 0.5, -1):
            exponent = exponent.known()
        of_floats = self.dtype.kind in "fc"
        special: dict[Any, Any] = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal} if of_floats else {2: np.square}
        if type(self.value) is np.bool:
            special = {}  # for a scalar of this type NumPy uses none
        if type(exponent) in ((int, float) if of_floats else (int,)) and exponent in special:
            return special[exponent](self)
        return np.power(self, exponent)

    def _refuse_options(self, method: str, options: Any) -> None:
        if options:
            self.recorder.unsupported(f"{method} with {', '.join(map(str, options))}")

    def __getitem__(self, index: Any) -> Any:
        index = _static_index(index)
        parts = index if isinstance(index, tuple) else (index,)
        advanced = any(isinstance(part, Tracer) or is_array(part) for part in parts)
        part = self.recorder.record(primitives.take if advanced else primitives.getitem, self, index)
        if isinstance(part, Tracer) and part.base is self:
            part.index = index
        return part

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, Node):
            if value.requires_grad:
                self.recorder.refuse(
                    "a Tensor that requires a gradient is written into an array, which would lose the gradient",
                    "Build the new value with np.stack, np.concatenate or np.where",
                )
            value = value._data
        if isinstance(self.value, np.generic):
            self.recorder.refuse(
                "something is written into a result without axes, which is a number in a program",
                "Give the name another value: x = …",
            )
        self.change(self.recorder.record(primitives.put, self, _static_index(index, for_reading=False), value))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a 0-d array has no length")
        return self.shape[0]

    def _refuse_value(self, *args: Any, **kwargs: Any) -> Any:
        self.recorder.refuse(
            "the value of an array is asked for, which differs from call to call",
            "Return it to look at it, choose by it with np.where, look for a Tensor in a list by any(x is t for x in "
            "list), or leave this line outside of the jitted function",
        )

    def _refuse_array(self, *args: Any, **kwargs: Any) -> Any:
        self.recorder.refuse(
            "an array that is being recorded is turned into a plain one", "Call NumPy's functions on it as it is"
        )

    def _refuse_index(self) -> Any:
        self.recorder.refuse(
            "an array that is being recorded is used as a whole number, or as an index of an array outside",
            "For table[i] write np.take(table, i, axis=0)",
        )

    @property
    def __traced__(self) -> Any:
        """The value it stands for."""
        return self.value

    def __to_device__(self, device: str) -> Any:
        source = device_of(self)
        if source != "cpu":
            self.recorder.refuse(
                f"an array is copied from {source!r} to {device!r}, which waits for all that is computed there",
                "Return it, and copy it outside of the jitted function",
            )
        return self.recorder.record(primitives.to, self, device=device)

    @staticmethod
    def __require__(holds: Any, error: type[Exception], message: str) -> None:
        holds.recorder.record(primitives.of_check(error, message), holds)

    def __all_reduce__(self, function: Callable[[Any], None]) -> Any:
        if device_of(self) != "cpu":
            self.recorder.unsupported(f"the exchange between ranks of arrays on {device_of(self)!r}")
        summed = self.recorder.record(primitives.all_reduce, self, function)
        summed.variable.name, summed.variable.is_named = "reduced", True
        return summed

    __bool__ = __float__ = __int__ = __complex__ = __contains__ = __format__ = item = _refuse_value
    tolist = _refuse_value
    __array__, __index__ = _refuse_array, _refuse_index
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        function: Any = None if name in _IN_PLACE else getattr(np, name, None)
        if function in _ANSWERS or answer_for(function) is not None:
            return lambda *args, **kwargs: function(self, *args, **kwargs)
        if hasattr(np.ndarray, name):
            self.recorder.unsupported(f"the method {name} of an array")
        raise AttributeError(f"an array has no attribute {name!r}")


_UFUNCS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
}


def _operator(name: str) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Return the method of `NumberTracer` for an operator, and the reflected one."""

    def operate(a: Any, b: Any) -> Any:
        a, b = _settled(a), _settled(b)
        if not (_is_number(a) or _is_number(b)):
            return getattr(operator, name)(a, b)
        if _is_array_or_scalar(a) or _is_array_or_scalar(b):
            return _UFUNCS[name](a, b)
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            number: Any = a if _is_number(a) else b
            if name == "pow":
                _keep_type_of_power(number.recorder, a, b)
            return number.recorder.record(of_numbers(name), a, b)
        return NotImplemented

    return operate, lambda self, other: operate(other, self)


def _keep_type_of_power(recorder: Recorder, base: Any, exponent: Any) -> None:
    """Make the program check that a power still has the type it had in the recording.

    In Python (-2.0) ** 0.5 is complex, and 2 ** -1 a float: the sign of an operand decides the type.
    """
    a, b = (x._value if isinstance(x, NumberTracer) else x for x in (base, exponent))
    if isinstance(b, int):
        decisive = exponent if isinstance(a, int) else None
    elif isinstance(exponent, NumberTracer):
        decisive = base if isinstance(base, NumberTracer) or a >= 0 else exponent.known() and None
    else:
        decisive = None if b.is_integer() else base
    if isinstance(decisive, NumberTracer):
        sign = np.greater_equal if decisive._value >= 0 else np.less
        holds = recorder.record(of_ufunc(sign, of_numbers=True), decisive, 0)
        message = (
            f"the sign of {decisive.variable.name} has changed, which decides the type of a power of Python numbers: "
            "take np.power of arrays"
        )
        recorder.record(primitives.of_check(ValueError, message), holds)


def _of_arrays(recorder: Recorder, *operands: Any) -> list[Any]:
    """Return operands with numbers as arrays: `numpy.dot` converts them too, so a float counts as float64."""
    return [recorder.record(primitives.array, x) if isinstance(x, Real) else x for x in operands]


def _broadcast(recorder: Recorder, x: Any, shape: Any) -> Any:
    result = recorder.record(primitives.broadcast_to, x, shape=tuple(shape))
    result.flags.writeable = False  # as in NumPy: several positions share one element
    return result


_COMPARISONS = {
    operator.eq: np.equal,
    operator.ne: np.not_equal,
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
}


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a comparison method: with a number it pins the value, with an array it is recorded."""

    def method(self: NumberTracer, other: Any) -> Any:
        if hasattr(other, "__array_ufunc__") and not isinstance(other, NumberTracer):
            return _COMPARISONS[compare](self, other)
        return compare(self.known(), _known(other))

    return method


class NumberTracer:
    """Stands for a Python number, such as a learning rate, that may differ at the next call.

    The function may read its value if it was computed from numbers alone. The program is then correct for these
    numbers only, so they are guarded.
    """

    def __init__(self, recorder: Recorder, variable: Variable, value: Any, roots: frozenset[Variable] | None) -> None:
        self.recorder, self.variable, self._value, self.roots = recorder, variable, value, roots
        self.is_constant = False

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._value)

    def known(self) -> Any:
        """Return the value, and note that the program depends on it."""
        self.recorder.check()
        if self.roots is None:
            self.recorder.refuse(
                "a value that was computed from arrays, or drawn, is asked for, which differs from call to call",
                "Return it to look at it, choose by it with np.where, or leave this line outside",
            )
        self.recorder.pinned |= self.roots
        return self._value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(_is_number(x) and x.is_constant for x in inputs):
            return getattr(ufunc, method)(*map(_settled, inputs), **kwargs)
        if any(hasattr(x, "shape") for x in inputs):
            return Tracer.__array_ufunc__(self, ufunc, method, *inputs, **kwargs)  # type: ignore[arg-type]
        if method != "__call__" or kwargs:
            return getattr(ufunc, method)(*map(_known, inputs), **kwargs)
        return self.recorder.record(self.recorder.primitive_of(ufunc, method, of_numbers=True), *inputs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.known(), dtype)

    def is_integer(self) -> bool:
        """Return True for a whole number."""
        return float(self.known()).is_integer()

    @property
    def real(self) -> Any:
        """The number itself."""
        return self

    def __bool__(self) -> bool:
        return bool(self.known())

    def __float__(self) -> float:
        return float(self.known())

    def __int__(self) -> int:
        return int(self.known())

    def __index__(self) -> int:
        return operator.index(self.known())

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.known(), digits)

    def __trunc__(self) -> int:
        return math.trunc(self.known())

    def __divmod__(self, other: Any) -> Any:
        return divmod(self.known(), _known(other))

    def __rdivmod__(self, other: Any) -> Any:
        return divmod(_known(other), self.known())

    def __pos__(self) -> Any:
        return self

    def __copy__(self) -> Any:
        return self  # a number does not change

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    __eq__, __ne__ = _comparison(operator.eq), _comparison(operator.ne)
    __lt__, __le__ = _comparison(operator.lt), _comparison(operator.le)
    __gt__, __ge__ = _comparison(operator.gt), _comparison(operator.ge)

    def __hash__(self) -> int:
        return hash(self.known())

    def __format__(self, spec: str) -> str:
        return format(self.known(), spec)

    def __repr__(self) -> str:
        return repr(self.known())

    __add__, __radd__ = _operator("add")
    __sub__, __rsub__ = _operator("sub")
    __mul__, __rmul__ = _operator("mul")
    __truediv__, __rtruediv__ = _operator("truediv")
    __floordiv__, __rfloordiv__ = _operator("floordiv")
    __mod__, __rmod__ = _operator("mod")
    __pow__, __rpow__ = _operator("pow")

    def __neg__(self) -> Any:
        return -self.known() if self.is_constant else self.recorder.record(of_numbers("neg"), self)

    def __abs__(self) -> Any:
        return abs(self.known())


def _is_number(x: Any) -> bool:
    return type(x) is NumberTracer


def _known(x: Any) -> Any:
    return x.known() if _is_number(x) else x


def _settled(x: Any) -> Any:
    """Return an operand; a constant `NumberTracer` as its plain value."""
    return x.known() if _is_number(x) and x.is_constant else x


Real.register(NumberTracer)


class Reflects(BaseException):
    """The function reads an attribute by a computed name: it must be recorded again, with all attributes visited."""


class _Type:
    """Replaces ``type`` during a recording: the type of a tracer is that of the value it stands for."""

    def __init__(self, recorder: Recorder, state: Any) -> None:
        pass

    def __call__(self, x: Any, *others: Any, **options: Any) -> Any:
        is_traced = issubclass(type(x), (Tracer, NumberTracer, GeneratorTracer)) and not others
        return x.__class__ if is_traced else type(x, *others, **options)

    def __instancecheck__(self, x: Any) -> bool:
        return isinstance(x, type)

    def __getattr__(self, name: str) -> Any:
        return getattr(type, name)


def _by_name(function: Callable[..., Any]) -> Callable[[Recorder, Any], Any]:
    """Return the replacement of ``getattr`` and the like during a recording: it detects computed names."""

    def make(recorder: Recorder, state: Any) -> Any:
        def read(x: Any, name: str, *default: Any) -> Any:
            if not isinstance(x, ModuleType) and not state.is_named(name) and state.text_of(x) is not None:
                raise Reflects
            if isinstance(x, ModuleType) and name not in state.code_names and not is_library(x.__name__):
                recorder.refuse(
                    f"{function.__name__}() reads {name} of the module {x.__name__} by a name that is computed",
                    f"write {x.__name__}.{name}, or keep it in a dictionary",
                )
            return function(x, name, *default)

        return read

    return make


def _refused(function: Callable[..., Any]) -> Callable[[Recorder, Any], Any]:
    """Return the replacement of a function that may read anything, such as ``eval``: it refuses."""

    def make(recorder: Recorder, state: Any) -> Any:
        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            recorder.refuse(
                f"{function.__name__}() may read anything, and jit does not see what",
                "Name what is read, or do that outside of the jitted function",
            )

        return refuse

    return make


STAND_INS: dict[str, Callable[[Recorder, Any], Any]] = {
    "type": _Type,
    **{f.__name__: _by_name(f) for f in (getattr, hasattr, setattr, delattr)},
    **{f.__name__: _refused(f) for f in (eval, exec, globals)},
}


_NO_DRAWS = ("shuffle", "spawn", "bytes", "seed", "set_state")  # they have side effects, or return no array


class GeneratorTracer:
    """Stands for a random generator during a recording: the program draws new values at each call."""

    def __init__(self, recorder: Recorder, variable: Variable, value: Any) -> None:
        self.recorder, self.variable, self.value = recorder, variable, value

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.value)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.value, name)
        if name.startswith("_") or not callable(method) or name in _NO_DRAWS:
            self.recorder.unsupported(f"{name} of a random generator")

        draws = of_draw(name, isinstance(self.value, np.random.Generator))

        def draw(*args: Any, **kwargs: Any) -> Any:
            bound = signature(method).bind(*args, **kwargs)
            if "args" in bound.arguments:  # rand(3, 4)
                return self.recorder.record(draws, self, *bound.args, names=("",) * len(bound.args))
            given = bound.arguments
            if given.get("out") is not None:
                self.recorder.unsupported(f"{name} of a random generator with out")
            if isinstance(given.get("size"), Tracer):
                self.recorder.unsupported(f"{name} of a random generator, of a size that is computed")
            return self.recorder.record(draws, self, *given.values(), names=tuple(given))

        return draw


def variable_of(x: Any) -> Variable | None:
    """Return the variable of a tracer, or of a Tensor whose data is one; None for anything else."""
    traced = x._data if isinstance(x, Node) else x
    return traced.variable if isinstance(traced, (Tracer, NumberTracer)) else None


def _is_array_or_scalar(x: Any) -> bool:
    """Return True for an array, and for a NumPy scalar, which NumPy returns in place of an array without axes."""
    return issubclass(type(x), np.generic) or is_array(x)


def _holds_tracers(x: Any) -> bool:
    if isinstance(x, (tuple, list, dict)):
        return any(map(_holds_tracers, x.values() if isinstance(x, dict) else x))
    return isinstance(x, (Tracer, NumberTracer))


def _value(x: Any) -> Any:
    """Return the value of an operand; of a tuple of operands, their values."""
    if isinstance(x, (Tracer, GeneratorTracer)):
        return x.value
    if isinstance(x, NumberTracer):
        return x._value
    return tuple(map(_value, x)) if isinstance(x, tuple) else x


def _operand(x: Any) -> Any:
    """Return an operand in the form that instructions hold: a variable, a constant, or a tuple of these."""
    if isinstance(x, Tracer):
        return x.current().variable
    if isinstance(x, (NumberTracer, GeneratorTracer)):
        return x.variable
    if is_array(x):
        return to_device(x, "cpu").copy()  # the function may change it later
    return tuple(map(_operand, x)) if isinstance(x, tuple) else x


def _truth(condition: Any) -> Any:
    """Return a condition as booleans: the program passes it to ``np.copyto(where=…)``, which takes no other type."""
    is_boolean = isinstance(condition, bool) or getattr(condition, "dtype", None) == np.bool_
    return condition if is_boolean else np.not_equal(condition, 0)


def _static_index(index: Any, for_reading: bool = True) -> Any:
    """Return an index with lists as arrays and numbers as constants; refuse to read by a mask that may change."""
    if isinstance(index, tuple):
        return tuple(_static_index(part, for_reading) for part in index)
    if isinstance(index, slice):
        return slice(*(None if end is None else operator.index(end) for end in (index.start, index.stop, index.step)))
    if _is_number(index) or issubclass(type(index), np.integer):
        return operator.index(index)
    if type(index) is np.ndarray and not index.shape and index.dtype.kind in "iu":
        return int(index)  # the program's source has a plain integer there
    if isinstance(index, list):
        return np.array(index, dtype=None if index else int)
    if isinstance(index, Tracer) and index.dtype == bool and for_reading:
        if not index.is_given and not index.changes:
            index.recorder.pinned.add(index.variable)
            return index.value.copy()
        index.recorder.refuse(
            "a mask chooses elements, so that the shape of the result depends on their values",
            "Use np.where(mask, x, 0), which keeps the shape",
        )
    return index


_OF_REDUCE: dict[tuple[np.ufunc, str], Primitive] = {
    (ufunc, "reduce"): REDUCTIONS[name]
    for ufunc, name in ((np.add, "sum"), (np.multiply, "prod"), (np.maximum, "max"), (np.minimum, "min"))
}


def _of_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the traced version of a NumPy function whose arrays come first and whose other arguments are fixed."""
    parameters = signature(function).parameters

    def answer(recorder: Recorder, *args: Any, **kwargs: Any) -> Any:
        given = signature(function).bind(*args, **kwargs).arguments
        given |= given.pop("kwargs", {})
        given = {k: x for k, x in given.items() if k not in parameters or x is not parameters[k].default}
        operands = [x for x in given.values() if isinstance(x, (Tracer, NumberTracer)) or is_array(x)]
        if any(a is not b for a, b in zip(given.values(), operands, strict=False)):
            recorder.unsupported(f"{numpy_name(function)} with these arguments")
        if len(operands) > 1 and function not in OF_SEVERAL:
            recorder.unsupported(f"{numpy_name(function)} by counts that are computed")
        params = dict([*given.items()][len(operands) :])
        return recorder.record(FUNCTIONS[function], *operands, **params)

    return answer


def _method(name: str) -> Callable[..., Any]:
    return lambda recorder, x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def _taken(recorder: Recorder, x: Any, indices: Any, axis: int | None) -> Any:
    """Record `numpy.take`, also of a plain array by traced indices."""
    x, index = composed.index_along(x, indices, axis)
    return x[index] if isinstance(x, Tracer) else recorder.record(primitives.take, x, _static_index(index))


def _filled(value: Any) -> Callable[..., Any]:
    """Return the traced version of `numpy.zeros_like` and the like: it makes an array that can be written into."""

    def answer(recorder: Recorder, x: Any, dtype: Any = None, *, shape: Any = None) -> Any:
        shape = _value(x).shape if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        dtype = np.dtype(x.dtype if dtype is None else dtype)
        if isinstance(value, Tracer) or is_array(value):
            return recorder.record(primitives.astype, np.broadcast_to(value, shape), dtype=dtype)
        recorder.check()
        made = on_device_of(x, np.full(shape, _value(value), dtype))
        return recorder.written(primitives.full, (value,), {"shape": shape, "dtype": dtype}, made)

    return answer


_ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    **{function: _of_function(function) for function in FUNCTIONS},
    np.where: lambda recorder, condition, a, b: recorder.record(primitives.where, _truth(condition), a, b),
    np.concatenate: lambda recorder, xs, axis=0: recorder.record(primitives.concatenate, *xs, axis=axis),
    np.einsum: lambda recorder, subscripts, *xs, optimize=False: (
        recorder.record(primitives.einsum, *xs, subscripts=subscripts)
        if isinstance(subscripts, str)
        else recorder.unsupported("np.einsum with lists of axes")
    ),
    np.broadcast_to: lambda recorder, x, shape: _broadcast(recorder, x, shape),
    np.dot: lambda recorder, a, b: composed.dot(*_of_arrays(recorder, a, b)),
    np.inner: lambda recorder, a, b: composed.inner(*_of_arrays(recorder, a, b)),
    np.take: lambda recorder, x, indices, axis=None: _taken(recorder, x, indices, axis),
    np.clip: lambda recorder, x, a_min=None, a_max=None, *, min=None, max=None: recorder.record(
        FUNCTIONS[np.clip], x, a_min if min is None else min, a_max if max is None else max
    ),
    np.flip: lambda recorder, x, axis=None: recorder.record(
        primitives.flip, x, **({} if axis is None else {"axis": axis})
    ),
    **{getattr(np, name): _method(name) for name in (*REDUCTIONS, "copy")},
    np.zeros_like: _filled(0),
    np.empty_like: _filled(0),
    np.ones_like: _filled(1),
    np.full_like: lambda recorder, x, value, dtype=None, shape=None: _filled(value)(recorder, x, dtype, shape=shape),
    # A print during the recording shows the tracer.
    **dict.fromkeys((np.array2string, np.array_repr, np.array_str), lambda recorder, x, *args, **kwargs: repr(x)),
    np.shape: lambda recorder, x: x.shape,
    np.ndim: lambda recorder, x: x.ndim,
    np.size: lambda recorder, x, axis=None: x.size if axis is None else x.shape[axis],
    np.result_type: lambda recorder, *xs: np.result_type(*map(_value, xs)),
    np.can_cast: lambda recorder, x, *others: np.can_cast(x.dtype, *others),
}
