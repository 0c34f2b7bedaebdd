"""Folds: reductions with all the arguments that NumPy's have, running totals, and what else is done along axes.

NumPy makes reductions and running totals of a function of two operands, such as `numpy.add`: so `numpy.sum` is
``np.add.reduce`` over all axes, and `numpy.cumsum` is ``np.add.accumulate``.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.maximum.accumulate(tg.Tensor([1.0, 3.0, 2.0]))
Tensor([1., 3., 3.], dtype=float32)
>>> np.sum(tg.Tensor([1.0, 3.0, 2.0]), where=[True, False, True], initial=10.0)
Tensor(13., dtype=float32)
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...errors import ShapeError
from ...support.formatting import numpy_name
from .. import neural, reductions, shapes
from ..reductions import Axis, axes_of, count
from ..rule import Rule
from .axes import as_vector, expand_dims, moveaxis
from .operands import array_like, converted, in_floating
from .pieces import along, concatenate, stack

# The rules that reduce by a function of two operands, and that give its running results.
_REDUCED_BY: dict[np.ufunc, Rule] = {
    np.add: reductions.sum,
    np.multiply: reductions.prod,
    np.maximum: reductions.max,
    np.minimum: reductions.min,
    np.logaddexp: neural.logsumexp,
}
_RUNNING: dict[np.ufunc, Rule] = {np.add: reductions.cumsum, np.multiply: reductions.cumprod}
# Those that may be grouped in any way: a ∘ (b ∘ c) = (a ∘ b) ∘ c.
_ASSOCIATIVE = {*_REDUCED_BY, np.fmax, np.fmin, np.hypot, np.logaddexp2}


def _reduce(
    ufunc: np.ufunc,
    a: Any,
    axis: Axis = 0,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """Reduce by a ufunc: ``initial`` is one operand more, and elements count only where ``where`` holds."""
    a = a if dtype is None else converted(a, dtype)
    rule = _REDUCED_BY.get(ufunc)
    if rule is not None and initial is None and where is True:
        return rule(a, axis, keepdims)
    is_fixed = initial is not None or where is not True or len(reductions.reduced(a, axis)) > 1
    if ufunc not in _ASSOCIATIVE and is_fixed:
        raise ValueError(
            f"{numpy_name(ufunc)}.reduce takes one axis at a time, and neither initial= nor where=, since the order of "
            "its operands counts"
        )
    neutral = initial if ufunc.identity is None else ufunc.identity
    if where is not True:
        if neutral is None:
            raise ValueError(
                f"{numpy_name(ufunc)} has no neutral element: where= needs initial=, as np.max(x, initial=0)"
            )
        a = np.where(where, a, neutral)
    if neutral is not None and count(a, axis) == 0:
        y = reductions.sum(a, axis, keepdims) + neutral
    elif rule is not None:
        y = rule(a, axis, keepdims)
    else:
        y = a
        for i in sorted(reductions.reduced(a, axis), reverse=True):
            y = accumulate(ufunc, y, i)[shapes.on_axis(i, -1)]
        y = reductions.restore_axes(y, a, axis) if keepdims else y
    return y if initial is None else ufunc(y, initial)


def sum(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Return the sum over axes."""
    return _reduce(np.add, a, axis, dtype, keepdims, initial, where)


def prod(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Return the product over axes."""
    return _reduce(np.multiply, a, axis, dtype, keepdims, initial, where)


def max(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Return the maximum over axes; equal maxima share the derivative."""
    return _reduce(np.maximum, a, axis, None, keepdims, initial, where)


def min(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Return the minimum over axes; equal minima share the derivative."""
    return _reduce(np.minimum, a, axis, None, keepdims, initial, where)


def mean(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Return the mean over axes."""
    a = in_floating("np.mean", a, dtype)
    if where is True:
        return a.mean(axis=axis, keepdims=keepdims)
    return sum(a, axis, keepdims=keepdims, where=where) / counted(a, axis, keepdims, where)


def counted(a: Any, axis: Axis, keepdims: bool, where: Any) -> Any:
    """Return how many of the elements that are reduced to one count."""
    return count(a, axis) if where is True else np.sum(np.broadcast_to(where, a.shape), axis=axis, keepdims=keepdims)


def cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running sum along an axis, or of all elements in order if the axis is None."""
    return reductions.cumsum(*along(as_vector(converted(a, dtype)), axis))


def cumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running product along an axis, or of all elements in order if the axis is None."""
    return reductions.cumprod(*along(as_vector(converted(a, dtype)), axis))


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Return the running sum; of several axes one must be given."""
    return _cumulative("sum", 0, x, axis, dtype, include_initial)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Return the running product; of several axes one must be given."""
    return _cumulative("prod", 1, x, axis, dtype, include_initial)


def _cumulative(of: str, first: int, x: Any, axis: int | None, dtype: Any, include_initial: bool) -> Any:
    if axis is None and len(x.shape) > 1:
        raise ShapeError(f"np.cumulative_{of} of shape {x.shape} needs axis=, since it has several")
    axis = 0 if axis is None else axis
    y = (cumsum if of == "sum" else cumprod)(x, axis, dtype)
    if not include_initial:
        return y
    (axis,) = axes_of(axis, len(y.shape))
    before = np.full_like(y, first, shape=shapes.with_length(y.shape, axis, 1))
    return concatenate([before, y], axis)


def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Apply a function to each vector along an axis, and put the results in the place of the axis."""
    (axis,) = axes_of(axis, len(arr.shape))
    rows = moveaxis(arr, axis, -1)
    rest = rows.shape[:-1]
    if 0 in rest:
        raise ValueError(f"np.apply_along_axis of {arr.shape}: there is no vector along axis {axis} to call it with")
    results = stack([array_like(func1d(rows[i], *args, **kwargs)) for i in np.ndindex(rest)])
    of_one = results.shape[1:]
    results = results.reshape((*rest, *of_one))
    return moveaxis(results, tuple(range(len(rest), len(results.shape))), tuple(range(axis, axis + len(of_one))))


def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """Apply a function, such as `numpy.sum`, over one axis after the other, and keep the axes."""
    for axis in axes_of(axes, len(a.shape)):
        y = func(a, axis)
        a = y if len(y.shape) == len(a.shape) else expand_dims(y, axis)
    return a


# The methods of ufuncs.


def accumulate(ufunc: np.ufunc, array: Any, axis: int = 0, dtype: Any = None) -> Any:
    """Return the running result along an axis; equal extremes share the derivative, in parts that add up to one."""
    a = converted(array, dtype)
    if not a.shape:
        raise TypeError(f"{numpy_name(ufunc)}.accumulate needs an array with axes, not a number")
    if ufunc in _RUNNING:
        return _RUNNING[ufunc](a, axis)
    a = moveaxis(a, axis, 0)
    return moveaxis(_doubled(ufunc, a) if ufunc in _ASSOCIATIVE else _one_by_one(ufunc, a), 0, axis)


def _doubled(ufunc: np.ufunc, a: Any) -> Any:
    """Return the running result along axis 0: each pass doubles how many elements a result is computed from."""
    reach = 1
    while reach < a.shape[0]:
        a = concatenate([a[:reach], ufunc(a[:-reach], a[reach:])], 0)
        reach *= 2
    return a


def _one_by_one(ufunc: np.ufunc, a: Any) -> Any:
    rows = [*a[:1]]
    for i in range(1, a.shape[0]):
        rows.append(ufunc(rows[-1], a[i]))
    return stack(rows) if rows else a


def reduceat(ufunc: np.ufunc, array: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    """Reduce from each index to the next, or to the end; where the next is not larger, the result is one element."""
    a = moveaxis(converted(array, dtype), axis, 0)
    starts = [operator.index(i) for i in indices]
    ends = [*starts[1:], a.shape[0]]
    rows = [_reduce(ufunc, a[i:j]) if i < j else a[i] for i, j in zip(starts, ends, strict=True)]
    return moveaxis(stack(rows) if rows else a[:0], 0, axis)


def outer(ufunc: np.ufunc, A: Any, B: Any, /) -> Any:
    """Return the results of all pairs of elements."""
    A, B = array_like(A), array_like(B)
    return ufunc(A.reshape(A.shape + (1,) * len(B.shape)), B)


def method_of(ufunc: np.ufunc, method: str) -> Callable[..., Any] | None:
    """Return the function that answers a method of a ufunc that has a rule, or None."""
    is_of_two = ufunc.nin == 2 and ufunc.nout == 1 and ufunc.signature is None
    return partial(_METHODS[method], ufunc) if is_of_two and method in _METHODS else None


_METHODS: dict[str, Callable[..., Any]] = {
    "reduce": _reduce,
    "accumulate": accumulate,
    "reduceat": reduceat,
    "outer": outer,
}
