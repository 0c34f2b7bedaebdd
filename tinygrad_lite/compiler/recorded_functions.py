"""NumPy's functions on tracers: the primitive that records each, or the functions that it is composed of.

Any other function is refused with the user's line, since a program that left it out would be wrong.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np

from ..engine import Node
from ..rules import answer_for
from ..rules.composed import contractions, folds, operands, padding, pieces
from ..support.devices import is_array, on_device_of
from ..support.formatting import numpy_name
from . import primitives
from .primitives import FUNCTIONS, OF_SEVERAL, REDUCTIONS, UFUNCS, of_ufunc
from .traced import holds_tracers, is_array_or_scalar, is_traced, value_of

_OPTIONS = {"axis", "dtype", "keepdims"}  # those of reductions
_signature = cache(signature)


def call_ufunc(x: Any, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
    """Record a ufunc called on a tracer ``x``, or its method ``reduce`` or ``at``; write the result into ``out``."""
    recorder = x.recorder
    if any(isinstance(operand, Node) for operand in inputs):
        return NotImplemented
    composition: Any = answer_for(ufunc) if ufunc.nout > 1 else None
    answer = folds.method_of(ufunc, method)
    if method == "at" and ufunc is np.add:
        target, index, value = inputs
        _write(recorder, target, recorder.record(primitives.add_at, target, static_index(index), value))
        return None
    if method not in ("__call__", "at") and answer is not None:
        result = answer(*inputs, **kwargs)
    elif method == "__call__" and composition is not None:
        result = composition(*inputs, **kwargs)
    elif method == "__call__" and ufunc in UFUNCS and not kwargs:
        result = recorder.record(of_ufunc(ufunc), *inputs)
    else:
        name = numpy_name(ufunc) if method == "__call__" else f"{numpy_name(ufunc)}.{method}"
        recorder.unsupported(f"{name} with {', '.join(kwargs)}" if kwargs else name)
    return result if out is None else _write(recorder, out[0], result)


def _write(recorder: Any, target: Any, result: Any) -> Any:
    """Write a result into an array; return the array, or the result in place of a scalar, which is immutable."""
    if isinstance(value_of(target), np.generic):
        return result
    if not is_traced(target):
        recorder.refuse(
            "a result is written into an array that jit does not know",
            "Write a = a + b instead of a += b, or make the array outside of the function",
        )
    return target.change(result)


def call_function(x: Any, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
    """Record another function of NumPy, called on a tracer ``x``."""
    if any(issubclass(t, Node) for t in types):
        return NotImplemented
    name, recorder = numpy_name(function), x.recorder
    if kwargs.pop("out", None) is not None:
        recorder.unsupported(f"{name} with out")
    if not holds_tracers((args, kwargs)):
        return on_device_of(x, function(*args, **kwargs))  # called for like=: a constant, on its device
    answer: Any = partial(ANSWERS[function], recorder) if function in ANSWERS else answer_for(function)
    if answer is None:
        recorder.unsupported(name)
    try:
        return answer(*args, **kwargs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call itself raised it
            recorder.unsupported(f"{name} with these arguments")
        raise


def _recorded(function: Callable[..., Any], recorder: Any, *args: Any, **kwargs: Any) -> Any:
    """Record a function whose arrays come first, and whose other arguments are constants."""
    parameters = _signature(function).parameters
    if len(args) == 1 and kwargs.keys() <= _OPTIONS:  # as binding the arguments takes long
        given = {"": args[0], **kwargs}
    else:
        given = _signature(function).bind(*args, **kwargs).arguments
    given |= given.pop("kwargs", {})
    given = {k: x for k, x in given.items() if k not in parameters or x is not parameters[k].default}
    operands = [x for x in given.values() if is_traced(x) or is_array(x)]
    params = deepcopy(dict([*given.items()][len(operands) :]))  # the function may change a list later
    if params.get("keepdims") is False:
        del params["keepdims"]
    # An operand is recorded by its place, so np.isclose(a, b, atol=c) would be np.isclose(a, b, c), where c is rtol.
    have_their_places = [*given][: len(operands)] == [*parameters][: len(operands)] or "" in given
    come_first = have_their_places and all(a is b for a, b in zip(given.values(), operands, strict=False))
    is_option_missing = function.__name__ in REDUCTIONS and not params.keys() <= _OPTIONS
    composition = answer_for(function) if is_option_missing else None
    if composition is not None:
        return composition(*args, **kwargs)
    if not come_first or is_option_missing:
        recorder.unsupported(f"{numpy_name(function)} with these arguments")
    if len(operands) > 1 and function not in OF_SEVERAL:
        recorder.unsupported(f"{numpy_name(function)} with computed counts")
    return recorder.record(FUNCTIONS[function], *operands, **params)


def _of_arrays(answer: Callable[..., Any], recorder: Any, *operands: Any) -> Any:
    """Compose a function of operands with numbers as arrays: `numpy.dot` converts them too, so a float is float64."""
    return answer(*(recorder.record(primitives.array, x) if isinstance(x, Real) else x for x in operands))


def _convolve(recorder: Any, a: Any, v: Any, mode: str = "full") -> Any:
    """Record a convolution, or compose a part of one."""
    return recorder.record(primitives.convolve, a, v) if mode == "full" else contractions.convolve(a, v, mode)


def _correlate(recorder: Any, a: Any, v: Any, mode: str = "valid") -> Any:
    """Record a correlation within a sequence, or compose another one."""
    is_within = mode == "valid" and np.size(a) >= np.size(v)
    return recorder.record(primitives.correlate, a, v) if is_within else contractions.correlate(a, v, mode)


def _taken(index_of: Callable[..., Any], recorder: Any, *args: Any, **kwargs: Any) -> Any:
    """Record a function that picks elements by their positions, also of a plain array by traced positions."""
    x, index = index_of(*args, **kwargs)
    return x[index] if is_traced(x) else recorder.record(primitives.take, x, static_index(index))


def _padded(recorder: Any, x: Any, pad_width: Any, mode: str = "constant", **options: Any) -> Any:
    """Record `numpy.pad`: one constant is a primitive, all else is composed."""
    if mode == "constant" and np.ndim(options.get("constant_values", 0)) == 0:
        return _recorded(np.pad, recorder, x, pad_width, **options)
    return padding.pad(x, pad_width, mode, **options)


def _repeated(recorder: Any, x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Record `numpy.repeat`; the counts decide on the shape of the result."""
    if is_traced(repeats) and is_array_or_scalar(repeats.value) and np.ndim(repeats):
        recorder.unsupported("np.repeat with computed counts")
    return pieces.repeat(x, repeats, axis)


def _empty(recorder: Any, x: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Record `numpy.empty_like`: the memory of an array that is yet to be written."""
    recorder.check()
    made = np.zeros_like(value_of(x), dtype, shape=shape)
    return recorder.written(primitives.empty, (), {"shape": made.shape, "dtype": made.dtype}, made)


def _fill(value: Any, recorder: Any, x: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Record a function such as `numpy.zeros_like`: it makes an array that can be written into."""
    shape = np.broadcast_to(0, value_of(x).shape if shape is None else shape).shape
    dtype = np.dtype(x.dtype if dtype is None else dtype)
    if hasattr(value, "shape"):
        value = np.broadcast_to(operands.of_rank_at_most(len(shape), value), shape)
        return recorder.record(primitives.astype, value, dtype=dtype)
    recorder.check()
    made = np.full_like(value_of(x), value_of(value), dtype, shape=shape)
    return recorder.written(primitives.full, (value,), {"shape": shape, "dtype": dtype}, made)


def _truth(condition: Any) -> Any:
    """Return a condition as booleans: the program passes it to ``np.copyto(where=…)``, which takes no other type."""
    is_boolean = isinstance(condition, bool) or getattr(condition, "dtype", None) == np.bool_
    return condition if is_boolean else np.not_equal(condition, 0)


def static_index(index: Any, for_reading: bool = True) -> Any:
    """Return an index with lists as arrays and numbers as constants; refuse to read by a mask that may change."""
    if isinstance(index, tuple):
        return tuple(static_index(part, for_reading) for part in index)
    if isinstance(index, slice):
        return slice(*(None if end is None else operator.index(end) for end in (index.start, index.stop, index.step)))
    if isinstance(index, list):
        return np.array(index, dtype=None if index else int)
    if is_traced(index) and getattr(index, "dtype", None) == np.bool and for_reading:
        if index.is_given or index.changes:
            index.recorder.refuse(
                "a mask chooses elements, so that the shape of the result depends on their values",
                "Use np.where(mask, x, 0), which keeps the shape",
            )
        index.recorder.pinned.add(index.variable)
        return index.value.copy()
    is_number = not is_array_or_scalar(value_of(index)) if is_traced(index) else _is_whole(index)
    return operator.index(index) if is_number else index  # the program's source has a plain integer there


def _is_whole(x: Any) -> bool:
    """Return True for a NumPy integer on the CPU."""
    return isinstance(x, (np.ndarray, np.generic)) and not x.shape and x.dtype.kind in "iu"


def _unrecorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a function whose composition has other types for plain arrays than NumPy."""
    return lambda recorder, *args, **kwargs: recorder.unsupported(f"{numpy_name(function)} of plain arrays")


def _of_values(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda recorder, *args: function(*map(value_of, args))


# How each function is recorded: ``answer(recorder, *args, **kwargs)``.
ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    **{function: partial(_recorded, function) for function in FUNCTIONS},
    np.where: lambda recorder, condition, a, b: recorder.record(primitives.where, _truth(condition), a, b),
    np.concatenate: lambda recorder, xs, axis=0, **options: (
        pieces.concatenate(xs, axis, **options) if options else recorder.record(primitives.concatenate, *xs, axis=axis)
    ),
    np.convolve: _convolve,
    np.correlate: _correlate,
    np.lexsort: lambda recorder, keys, axis=-1: recorder.record(primitives.lexsort, *keys, axis=axis),
    np.einsum: lambda recorder, subscripts, *xs, optimize=False: (
        recorder.record(primitives.einsum, *xs, subscripts=subscripts)
        if isinstance(subscripts, str)
        else contractions.einsum(subscripts, *xs)
    ),
    np.broadcast_to: lambda recorder, x, shape: recorder.record(
        primitives.broadcast_to, x, shape=np.broadcast_to(value_of(x), shape).shape
    ),
    np.dot: partial(_of_arrays, contractions.dot),
    np.inner: partial(_of_arrays, contractions.inner),
    np.take: partial(_taken, pieces.index_along),
    np.take_along_axis: partial(_taken, pieces.index_along_axis),
    np.repeat: _repeated,
    np.pad: _padded,
    np.clip: lambda recorder, x, a_min=None, a_max=None, *, min=None, max=None: recorder.record(
        FUNCTIONS[np.clip], x, a_min if min is None else min, a_max if max is None else max
    ),
    np.linalg.solve: lambda recorder, a, b: recorder.record(
        FUNCTIONS[np.linalg.solve], operands.array_like(a), operands.array_like(b)
    ),
    # A copy of a number is an array.
    np.copy: lambda recorder, x: recorder.record(primitives.copy if is_array(x.value) else primitives.array, x),
    np.zeros_like: partial(_fill, 0),
    np.empty_like: _empty,
    np.ones_like: partial(_fill, 1),
    np.full_like: lambda recorder, x, value, *args, **kwargs: _fill(value, recorder, x, *args, **kwargs),
    # A print during the recording shows the tracer.
    **dict.fromkeys((np.array2string, np.array_repr, np.array_str), lambda recorder, x, *args, **kwargs: repr(x)),
    np.shape: lambda recorder, x: x.shape,
    np.ndim: lambda recorder, x: x.ndim,
    np.size: lambda recorder, x, axis=None: x.size if axis is None else x.shape[axis],
    **{f: _of_values(f) for f in (np.diag_indices_from, np.tril_indices_from, np.triu_indices_from)},
    **{
        f: _unrecorded(f)
        for f in (np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges, np.bincount, np.vander)
    },
    np.result_type: _of_values(np.result_type),
    np.can_cast: _of_values(np.can_cast),
    np.isrealobj: _of_values(np.isrealobj),
    np.iscomplexobj: _of_values(np.iscomplexobj),
}
