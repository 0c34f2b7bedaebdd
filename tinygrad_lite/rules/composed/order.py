"""Sorting and what follows from it: medians and quantiles. Each takes elements by the positions of their order.

So an element's cotangent is that of the place it is sorted to. Equal elements keep their order, and NaN comes last.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.sort(tg.Tensor([3.0, 1.0, 2.0]))
Tensor([1., 2., 3.], dtype=float32)
>>> tg.grad(lambda x: np.quantile(x, 0.75))(np.array([3.0, 1.0, 2.0]))
Tensor([0.5, 0. , 0.5], dtype=float64)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ShapeError, require
from ...support.devices import on_device_of
from .. import reductions
from ..reductions import Axis, axes_of
from .axes import moveaxis
from .nan import nanmean
from .operands import array_like
from .pieces import along, take_along_axis
from .statistics import weights_beside


def sort(a: Any, axis: int | None = -1, kind: Any = None, *, stable: bool | None = None) -> Any:
    """Sort along an axis, or all elements if it is None; always stable, so ``kind`` and ``stable`` change nothing."""
    np.sort(np.empty(0), kind=kind, stable=stable)  # refuses what NumPy does not know
    a, axis = along(a, axis)
    return take_along_axis(a, np.argsort(a, axis=axis, kind="stable"), axis)


def partition(a: Any, kth: Any, axis: int | None = -1, kind: Any = "introselect") -> Any:
    """Put the ``kth`` elements where sorting puts them, smaller ones before and larger ones after."""
    a, axis = along(a, axis)
    return take_along_axis(a, np.argpartition(a, kth, axis=axis, kind=kind), axis)


def median(a: Any, axis: Axis = None, *, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Return the middle of the sorted elements, or the mean of the two in the middle; NaN if an element is."""
    a = array_like(a)
    rows = _sorted_rows_or_nan(a, axis)
    return _shaped(_middle(rows, rows.shape[-1]), a, (), axis, keepdims)


def nanmedian(a: Any, axis: Axis = None, *, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """Return the median of all that is a number, or NaN if nothing is."""
    a = array_like(a)
    rows = _sorted_rows(a, axis)
    return _shaped(_middle(rows, np.sum(~np.isnan(rows), axis=-1)), a, (), axis, keepdims)


def _middle(rows: Any, n: Any) -> Any:
    """Return the mean of the two elements in the middle of the first ``n`` of sorted rows, which may be the same."""
    if not rows.shape[-1]:
        return rows.mean(axis=-1)  # NaN, as NumPy's
    low, high = (_picked(rows, array_like(i)) for i in ((n - 1) // 2, n // 2))
    return low / 2 + high / 2


def percentile(a: Any, q: Any, axis: Axis = None, **options: Any) -> Any:
    """Return quantiles; ``q`` is in percent. The arguments are those of `quantile`."""
    return quantile(a, array_like(q) / 100, axis, **options)


def nanpercentile(a: Any, q: Any, axis: Axis = None, **options: Any) -> Any:
    """Return quantiles of all that is a number; ``q`` is in percent. The arguments are those of `quantile`."""
    return nanquantile(a, array_like(q) / 100, axis, **options)


def quantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    *,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    weights: Any = None,
) -> Any:
    """Return what the portion ``q`` of the elements lies below; NaN if an element is.

    Differentiable by ``q``, too, if the method interpolates. By weights, for which NumPy has the method "inverted_cdf"
    alone, quantiles are step functions.
    """
    a = array_like(a)
    return _quantile(_sorted_rows_or_nan(a, axis), None, a, q, axis, keepdims, method, weights)


def nanquantile(
    a: Any, q: Any, axis: Axis = None, *, overwrite_input: bool = False, keepdims: bool = False, **options: Any
) -> Any:
    """Return quantiles of all that is a number, or NaN if nothing is. The arguments are those of `quantile`."""
    a = array_like(a)
    if not reductions.count(a, None):
        return nanmean(a, axis, keepdims=keepdims)  # without the axes of q, as NumPy
    rows = _sorted_rows(a, axis)
    return _quantile(rows, np.sum(~np.isnan(rows), axis=-1), a, q, axis, keepdims, **options)


def _rows(a: Any, axis: Axis) -> Any:
    """Return an array with the axes that are reduced as one, the last."""
    axes = axes_of(axis, len(a.shape))
    rest = tuple(i for i in range(len(a.shape)) if i not in axes)
    return a.transpose((*rest, *axes)).reshape((*(a.shape[i] for i in rest), reductions.count(a, axis)))


def _sorted_rows(a: Any, axis: Axis) -> Any:
    """Return the elements that are reduced together, sorted."""
    return sort(_rows(a, axis))


def _sorted_rows_or_nan(a: Any, axis: Axis) -> Any:
    """Return `_sorted_rows`, those with a NaN filled with it: the cotangents of the whole row go to that element."""
    rows = _sorted_rows(a, axis)
    return np.where(np.isnan(rows[..., -1:]), rows[..., -1:], rows) if a.dtype.kind == "f" else rows


def _picked(rows: Any, indices: Any) -> Any:
    """Return elements of rows by their positions, whose last axes are the rows, or are broadcast to them."""
    rest = rows.shape[:-1]
    indices = np.broadcast_to(indices, np.broadcast_shapes(indices.shape, rest))
    several = indices.shape[: len(indices.shape) - len(rest)]
    last = np.moveaxis(indices.reshape((math.prod(several), *rest)), 0, -1)
    return moveaxis(take_along_axis(rows, on_device_of(rows, last)), -1, 0).reshape((*several, *rest))


def _shaped(y: Any, a: Any, several: tuple[int, ...], axis: Axis, keepdims: bool) -> Any:
    """Return a reduction of ``a`` with its axes of length 1, if they are to be kept, behind those of ``several``."""
    return y.reshape((*several, *reductions.kept_shape(a, axis))) if keepdims else y


def _quantile(
    rows: Any, n: Any, a: Any, q: Any, axis: Axis, keepdims: bool, method: str = "linear", weights: Any = None
) -> Any:
    """Return quantiles of sorted rows, of which the first ``n`` elements count, or all."""
    if method not in POSITIONS:
        raise ValueError(f"np.quantile has no method {method!r}: use one of {', '.join(POSITIONS)}")
    q = on_device_of(rows, array_like(q))
    require(
        np.all((q >= 0) & (q <= 1)),
        ValueError,
        "np.quantile: quantiles lie between 0 and 1, percentiles between 0 and 100",
    )
    length, several = rows.shape[-1], q.shape
    q = q.reshape((*several, *[1] * len(rows.shape[:-1])))
    if not length:
        raise ShapeError(f"np.quantile of shape {a.shape} over axis {axis}: there are no elements")
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(f"np.quantile takes weights with method='inverted_cdf' alone, not {method!r}")
        y = _picked(rows, _position_by_weights(a, weights, q, axis))
    else:
        n = length if n is None else n
        # Of no numbers at all, the position is -1, that of a NaN.
        position = np.clip(POSITIONS[method](n, q), 0, n - 1)
        low, high = np.floor(position).astype(int), np.ceil(position).astype(int)
        y = _picked(rows, low)
        if method not in OF_ONE_ELEMENT:
            part = position - low
            y = np.where(part == 0, y, y + (_picked(rows, high) - y) * part)  # the element above may be infinite
    return _shaped(y, a, several, axis, keepdims)


def _position_by_weights(a: Any, weights: Any, q: Any, axis: Axis) -> Any:
    """Return the position of the first sorted element at which the portion ``q`` of the weights is reached."""
    weights = weights_beside("np.quantile", a, axis, array_like(weights))
    total = reductions.sum(weights, axis, keepdims=True)
    holds = np.all(weights >= 0) & np.all(np.isfinite(total) & (total > 0))
    require(holds, ValueError, "np.quantile: weights must not be negative, NaN or infinite, nor all be zero")
    rows = _rows(a, axis)
    weights = take_along_axis(np.where(np.isnan(rows), 0, _rows(weights, axis)), np.argsort(rows, kind="stable"))
    reached = np.cumsum(weights.astype(np.float64), axis=-1)
    reached = reached / reached[..., -1:]
    reached = np.where(reached == 0, -1, reached)  # a weight of 0 reaches nothing, not even the portion 0
    is_below = (reached.astype(q.dtype) if q.dtype.kind == "f" else reached) < q[..., None]
    return np.minimum(np.sum(is_below, axis=-1), rows.shape[-1] - 1)


# The position of a quantile among n sorted elements, counted from 0; between two, it is interpolated.
# Source: R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", 1996; and NumPy's own.
# fmt: off
POSITIONS: dict[str, Callable[[Any, Any], Any]] = {
    "linear":                    lambda n, q: (n - 1) * q,
    "lower":                     lambda n, q: np.floor((n - 1) * q),
    "higher":                    lambda n, q: np.ceil((n - 1) * q),
    "nearest":                   lambda n, q: np.rint((n - 1) * q),
    "midpoint":                  lambda n, q: (np.floor((n - 1) * q) + np.ceil((n - 1) * q)) / 2,
    "inverted_cdf":              lambda n, q: np.ceil(n * q) - 1,
    "averaged_inverted_cdf":     lambda n, q: (np.floor(n * q) + np.ceil(n * q) - 1) / 2,
    "closest_observation":       lambda n, q: np.rint(n * q) - 1,
    "interpolated_inverted_cdf": lambda n, q: n * q - 1,
    "hazen":                     lambda n, q: n * q - 1 / 2,
    "weibull":                   lambda n, q: (n + 1) * q - 1,
    "median_unbiased":           lambda n, q: (n + 1 / 3) * q - 2 / 3,
    "normal_unbiased":           lambda n, q: (n + 1 / 4) * q - 5 / 8,
}
# fmt: on
OF_ONE_ELEMENT = {"lower", "higher", "nearest", "inverted_cdf", "closest_observation"}
