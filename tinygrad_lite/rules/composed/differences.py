"""Differences of neighbours, slopes and areas.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.diff(tg.Tensor([1.0, 4.0, 9.0]))
Tensor([3., 5.], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError
from ...support.devices import on_device_of
from .. import reductions, shapes
from ..reductions import axes_of
from .axes import in_rows, moveaxis, ravel
from .operands import array_like, as_count, as_floating
from .pieces import concatenate


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the differences of neighbours along an axis, ``n`` times over."""
    times = as_count("np.diff", "n", n)
    if times == 0:
        return a
    a = array_like(a)
    if not a.shape:
        raise ShapeError("np.diff of a 0-d array: there is no axis along which elements are neighbours")
    (axis,) = axes_of(axis, len(a.shape))
    ends = [x if x is None or np.ndim(x) else _one_of(a, axis, x) for x in (prepend, append)]
    if any(x is not None for x in ends):
        a = concatenate([x for x in (ends[0], a, ends[1]) if x is not None], axis)
    for _ in range(times):
        first, last = _neighbours(a, axis)
        a = last != first if a.dtype == bool else last - first
    return a


def _one_of(a: Any, axis: int, value: Any) -> Any:
    """Return a number as an array that `diff` can put before or after ``a``."""
    return on_device_of(a, np.broadcast_to(value, shapes.with_length(a.shape, axis, 1)))


def _neighbours(a: Any, axis: int) -> tuple[Any, Any]:
    """Return the first and the second of each two neighbours."""
    return a[shapes.on_axis(axis, slice(None, -1))], a[shapes.on_axis(axis, slice(1, None))]


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Return the differences of neighbours among all elements, between two given ends."""
    ary = ravel(array_like(ary))
    pieces = [array_like(x) for x in (to_begin, ary[1:] - ary[:-1], to_end) if x is not None]
    if not all(np.can_cast(x.dtype, ary.dtype, "same_kind") for x in pieces):
        raise TypeError(f"np.ediff1d of {ary.dtype}: to_begin and to_end must be of the same kind of numbers")
    return concatenate([x.astype(ary.dtype) for x in pieces], axis=None) if len(pieces) > 1 else pieces[0]


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return the slopes of sampled values along each axis, given the distances or the coordinates of the samples."""
    f = array_like(f)
    axes = axes_of(axis, len(f.shape))
    spacings = varargs or (1.0,)
    if len(spacings) == 1 and not np.ndim(spacings[0]):
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"np.gradient takes one distance, or one of each of the {len(axes)} axes, not {len(spacings)}")
    slopes = [_slope(f, array_like(h), i, edge_order) for h, i in zip(spacings, axes, strict=True)]
    return slopes[0] if len(axes) == 1 else tuple(slopes)


def _slope(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """Return the slopes along an axis: that of the parabola through three samples, or at the ends through two."""
    n = f.shape[axis]
    if edge_order not in (1, 2):
        raise ValueError(f"np.gradient: edge_order is 1 or 2, not {edge_order}")
    if n <= edge_order:
        raise ShapeError(f"np.gradient of {f.shape}: axis {axis} of length {n} needs {edge_order + 1} samples or more")
    if spacing.shape not in ((), (n,)):
        raise ShapeError(f"np.gradient of {f.shape}: axis {axis} has {n} samples, but coordinates {spacing.shape}")
    f = moveaxis(as_floating(f), axis, -1)
    # The distances, and the slopes, between neighbours.
    h = diff(spacing) if spacing.shape else on_device_of(f, np.broadcast_to(spacing, (n - 1,)))
    h = h.astype(f.dtype)
    s = diff(f) / h
    left, right = h[:-1], h[1:]
    if spacing.shape:
        inner = (s[..., :-1] * right + s[..., 1:] * left) / (left + right)
    else:
        inner = (f[..., 2:] - f[..., :-2]) / (left + right)  # does not need the sample in the middle, as NumPy's
    first, last = s[..., :1], s[..., -1:]
    if edge_order == 2:
        first = first + (first - s[..., 1:2]) * h[:1] / (h[:1] + h[1:2])
        last = last + (last - s[..., -2:-1]) * h[-1:] / (h[-1:] + h[-2:-1])
    return in_rows(moveaxis(concatenate([first, inner, last], axis=-1), -1, axis))


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Return the area under sampled values: each two neighbours add their mean times their distance."""
    y = array_like(y)
    (along,) = axes_of(axis, len(y.shape))
    if x is not None:
        dx = diff(x, axis=axis) if np.ndim(x) > 1 else diff(x).reshape((-1, *[1] * (len(y.shape) - along - 1)))
    first, last = _neighbours(y, along)
    return reductions.sum(dx * (first + last) / 2, along)


def unwrap(p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """Add whole periods, which are constants, so that no step is longer than half of one."""
    p = moveaxis(p, axis, 0)
    steps = p[1:] - p[:-1]
    turns = np.sign(steps) * np.floor((period / 2 - np.abs(steps)) / period)
    if discont is not None:
        turns = np.where(np.abs(steps) < discont, 0, turns)
    return moveaxis(concatenate([p[:1], p[1:] + period * np.cumsum(turns, axis=0)], 0), 0, axis)
