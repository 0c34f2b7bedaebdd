"""Reductions that leave out NaN, which stands for a missing number. What is left out has the derivative 0.

Each is the reduction of `folds` or `statistics` of the elements that are numbers.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: np.nanmean(x))(np.array([1.0, np.nan, 3.0]))
Tensor([0.5, 0. , 0.5], dtype=float64)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..reductions import Axis
from . import folds
from .operands import array_like, in_floating
from .statistics import squared_deviations


def nansum(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Return the sum of all that is a number."""
    return folds.sum(a, axis, dtype, keepdims=keepdims, initial=initial, where=_is_number(a, where))


def nanprod(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Return the product of all that is a number."""
    return folds.prod(a, axis, dtype, keepdims=keepdims, initial=initial, where=_is_number(a, where))


def nanmean(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Return the mean of all that is a number; NaN if nothing is."""
    a = in_floating("np.nanmean", a, dtype)
    return folds.mean(a, axis, keepdims=keepdims, where=_is_number(a, where))


def nanvar(a: Any, axis: Axis = None, dtype: Any = None, *, where: Any = True, **options: Any) -> Any:
    """Return the variance of all that is a number; NaN if there are no more than ``ddof`` numbers.

    The arguments are those of `statistics.var`.
    """
    squares, freedom = squared_deviations("np.nanvar", a, axis, dtype, _is_number(a, where), **options)
    return squares / np.where(freedom > 0, freedom, np.nan)


def nanstd(a: Any, axis: Axis = None, dtype: Any = None, **options: Any) -> Any:
    """Return the square root of `nanvar`, with its arguments. Where it is 0, its derivative is taken to be 0."""
    return np.sqrt(nanvar(a, axis, dtype, **options))


def nanmax(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Return the maximum of all that is a number, or NaN if nothing is; equal maxima share the derivative."""
    return _extreme(folds.max, -np.inf, a, axis, keepdims, initial, where)


def nanmin(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Return the minimum of all that is a number, or NaN if nothing is; equal minima share the derivative."""
    return _extreme(folds.min, np.inf, a, axis, keepdims, initial, where)


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running sum, in which NaN counts as 0."""
    return folds.cumsum(np.where(np.isnan(a), 0, a), axis, dtype)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Return the running product, in which NaN counts as 1."""
    return folds.cumprod(np.where(np.isnan(a), 1, a), axis, dtype)


def _is_number(a: Any, where: Any = True) -> Any:
    """Return which elements count."""
    return ~np.isnan(a) if where is True else ~np.isnan(a) & where


def _extreme(
    fold: Callable[..., Any], outermost: float, a: Any, axis: Axis, keepdims: bool, initial: Any, where: Any
) -> Any:
    """Return an extreme of all that is a number; ``outermost`` takes the place of a NaN that stands beside numbers."""
    a = array_like(a)
    if initial is not None:
        where = _is_number(a, where)
    elif where is True and a.dtype.kind == "f":  # whole numbers keep their type
        counts = _is_number(a)
        a = np.where(np.any(counts, axis=axis, keepdims=True) & ~counts, outermost, a)
    return fold(a, axis, keepdims=keepdims, initial=initial, where=where)
