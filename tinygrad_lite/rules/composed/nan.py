"""Reductions that leave out NaN, which stands for a missing number. What is left out has the derivative 0.

``where`` leaves out more elements, and ``initial`` is one number more, as in NumPy.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: np.nanmean(x))(np.array([1.0, np.nan, 3.0]))
Tensor([0.5, 0. , 0.5], dtype=float64)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import reductions
from ..reductions import Axis
from .arithmetic import array_like


def nansum(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Return the sum of all that is a number."""
    y = reductions.sum(_numbers_or(0, a, dtype, where), axis, keepdims)
    return y if initial is None else y + initial


def nanprod(
    a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Any:
    """Return the product of all that is a number."""
    y = reductions.prod(_numbers_or(1, a, dtype, where), axis, keepdims)
    return y if initial is None else y * initial


def nanmean(a: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False, where: Any = True) -> Any:
    """Return the mean of all that is a number; NaN if nothing is."""
    return nansum(a, axis, dtype, keepdims=keepdims, where=where) / _count_of_numbers(a, axis, keepdims, where)


def nanvar(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    *,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    """Return the variance of all that is a number; NaN if there are no more than ``ddof`` numbers.

    ``correction`` is another name of ``ddof``, ``mean`` the mean if it is known, with the reduced axes of length 1.
    """
    if correction is not None and ddof:
        raise ValueError("np.nanvar has ddof and correction, which are two names of one number: give one of them")
    if mean is None:
        mean = nanmean(a, axis, dtype, keepdims=True, where=where)
    numbers = _numbers_or(0, a, dtype, where)
    deviations = np.where(_is_number(a, where), numbers - mean, 0)
    freedom = _count_of_numbers(a, axis, keepdims, where) - (ddof if correction is None else correction)
    return reductions.sum(np.square(deviations), axis, keepdims) / np.where(freedom > 0, freedom, np.nan)


def nanstd(a: Any, axis: Axis = None, dtype: Any = None, **options: Any) -> Any:
    """Return the square root of `nanvar`, with its arguments. Where it is 0, its derivative is taken to be 0."""
    return np.sqrt(nanvar(a, axis, dtype, **options))


def nanmax(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Return the maximum of all that is a number, or NaN if nothing is; equal maxima share the derivative."""
    y = _beside_numbers(-np.inf, a, axis, initial, where).max(axis=axis, keepdims=keepdims)
    return y if initial is None else np.maximum(y, initial)


def nanmin(a: Any, axis: Axis = None, *, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    """Return the minimum of all that is a number, or NaN if nothing is; equal minima share the derivative."""
    y = _beside_numbers(np.inf, a, axis, initial, where).min(axis=axis, keepdims=keepdims)
    return y if initial is None else np.minimum(y, initial)


def _is_number(a: Any, where: Any) -> Any:
    """Return which elements count."""
    return ~np.isnan(a) if where is True else ~np.isnan(a) & where


def _numbers_or(value: int, a: Any, dtype: Any, where: Any) -> Any:
    """Return ``a``, in a type if one is given, with a value in place of each element that does not count."""
    a = array_like(a)
    return np.where(_is_number(a, where), a if dtype is None else a.astype(dtype), value)


def _beside_numbers(value: float, a: Any, axis: Axis, initial: Any, where: Any) -> Any:
    """Return ``a`` with a value in place of each element that does not count, but is reduced together with a number."""
    a, counts = array_like(a), _is_number(a, where)
    if initial is not None:
        return np.where(counts, a, initial)
    if where is not True:
        raise ValueError("np.nanmax and np.nanmin with where= need initial=, the result where no element counts")
    if a.dtype.kind != "f":
        return a  # whole numbers keep their type
    return np.where(np.any(counts, axis=axis, keepdims=True) & ~counts, value, a)


def _count_of_numbers(a: Any, axis: Axis, keepdims: bool, where: Any) -> Any:
    return np.sum(_is_number(a, where), axis=axis, keepdims=keepdims)
