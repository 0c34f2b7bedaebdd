"""Folds: reductions with all the arguments that NumPy's have, running totals, and the methods of ufuncs.

NumPy makes them of a function of two operands, such as `numpy.add`: so `numpy.sum` is ``np.add.reduce`` over all axes,
and `numpy.cumsum` is ``np.add.accumulate``.

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
from .. import neural, reductions
from ..reductions import Axis, axes_of, count
from ..rule import Rule
from .arithmetic import array_like
from .axes import moveaxis, ravel
from .pieces import concatenate, stack

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


def converted(a: Any, dtype: Any) -> Any:
    """Return an array, in the given type unless that is None."""
    a = array_like(a)
    return a if dtype is None or a.dtype == dtype else a.astype(dtype)


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
            y = accumulate(ufunc, y, i)[(*[slice(None)] * i, -1)]
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
    a = converted(a, dtype)
    if where is True:
        return a.mean(axis=axis, keepdims=keepdims)
    return sum(a, axis, keepdims=keepdims, where=where) / counted(a, axis, keepdims, where)


def counted(a: Any, axis: Axis, keepdims: bool, where: Any) -> Any:
    """Return how many of the elements that are reduced to one count."""
    return count(a, axis) if where is True else np.sum(np.broadcast_to(where, a.shape), axis=axis, keepdims=keepdims)


def _in_order(a: Any, axis: int | None) -> tuple[Any, int]:
    """Return an array, and the axis to run along; all elements in order if the axis is None."""
    return (ravel(a), 0) if axis is None or not a.shape else (a, axis)


def cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running sum along an axis, or of all elements in order if the axis is None."""
    return reductions.cumsum(*_in_order(converted(a, dtype), axis))


def cumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running product along an axis, or of all elements in order if the axis is None."""
    return reductions.cumprod(*_in_order(converted(a, dtype), axis))


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running sum, in which NaN counts as 0."""
    return cumsum(np.where(np.isnan(a), 0, a), axis, dtype)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running product, in which NaN counts as 1."""
    return cumprod(np.where(np.isnan(a), 1, a), axis, dtype)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Return the running sum; of several axes one must be given."""
    return _cumulative("sum", 0, x, axis, dtype, include_initial)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
    """Return the running product; of several axes one must be given."""
    return _cumulative("prod", 1, x, axis, dtype, include_initial)


def _cumulative(of: str, first: int, x: Any, axis: int | None, dtype: Any, include_initial: bool) -> Any:
    if axis is None and len(x.shape) > 1:
        raise ShapeError(f"cumulative_{of} of shape {x.shape} needs axis=, since it has several")
    axis = 0 if axis is None else axis
    y = (cumsum if of == "sum" else cumprod)(x, axis, dtype)
    if not include_initial:
        return y
    (along,) = axes_of(axis, len(y.shape))
    before = np.full_like(y, first, shape=tuple(1 if i == along else n for i, n in enumerate(y.shape)))
    return concatenate([before, y], axis)


def unwrap(p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """Add whole periods, which are constants, so that no step is longer than half of one."""
    p = moveaxis(p, axis, 0)
    steps = p[1:] - p[:-1]
    turns = np.sign(steps) * np.floor((period / 2 - np.abs(steps)) / period)
    if discont is not None:
        turns = np.where(np.abs(steps) < discont, 0, turns)
    return moveaxis(concatenate([p[:1], p[1:] + period * np.cumsum(turns, axis=0)], 0), 0, axis)


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
