"""Differences of neighbours, slopes and areas; sums of products of sequences that move along each other.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.diff(tg.Tensor([1.0, 4.0, 9.0]))
Tensor([3., 5.], dtype=float32)
>>> np.convolve(tg.Tensor([1.0, 2.0, 3.0]), [1.0, 1.0])
Tensor([1., 3., 5., 3.], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError
from ...support.devices import on_device_of
from .. import reductions, windows
from ..reductions import axes_of
from .arithmetic import array_like
from .axes import expand_dims, moveaxis, ravel
from .pieces import concatenate, stack


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the differences of neighbours along an axis, ``n`` times over."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"np.diff: differences are taken n times, so n must not be negative, but it is {n}")
    a = array_like(a)
    if not a.shape:
        raise ShapeError("np.diff of a 0-d array: there is no axis along which elements are neighbours")
    (axis,) = axes_of(axis, len(a.shape))
    ends = [x if x is None or np.ndim(x) else _one_of(a, axis, x) for x in (prepend, append)]
    if any(x is not None for x in ends):
        a = concatenate([x for x in (ends[0], a, ends[1]) if x is not None], axis)
    for _ in range(n):
        first, last = _neighbours(a, axis)
        a = last != first if a.dtype == bool else last - first
    return a


def _one_of(a: Any, axis: int, value: Any) -> Any:
    """Return a number as an array that `diff` can put before or after ``a``."""
    return on_device_of(a, np.broadcast_to(value, tuple(1 if i == axis else n for i, n in enumerate(a.shape))))


def _neighbours(a: Any, axis: int) -> tuple[Any, Any]:
    """Return the first and the second of each two neighbours."""
    before = (slice(None),) * axis
    return a[(*before, slice(None, -1))], a[(*before, slice(1, None))]


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
    f = moveaxis(f if f.dtype.kind == "f" else f / 1, axis, -1)
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
    return moveaxis(concatenate([first, inner, last], axis=-1), -1, axis)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Return the area under sampled values: each two neighbours add their mean times their distance."""
    y = array_like(y)
    (along,) = axes_of(axis, len(y.shape))
    if x is not None:
        dx = diff(x, axis=axis) if np.ndim(x) > 1 else diff(x).reshape((-1, *[1] * (len(y.shape) - along - 1)))
    first, last = _neighbours(y, along)
    return reductions.sum(dx * (first + last) / 2, along)


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Return the sums of products of one sequence and the other one reversed, moved along it."""
    a, v = _vector(a), _vector(v)
    if a.shape < v.shape:
        a, v = v, a
    if mode == "valid":
        return windows.correlate(a, np.flip(v))
    return _middle(windows.convolve(a, v), a, mode, (v.shape[0] - 1) // 2)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Return the sums of products of one sequence and the other one, moved along it."""
    a, v = _vector(a), _vector(v)
    if a.shape < v.shape:
        return np.flip(correlate(v, a, mode))
    if mode == "valid":
        return windows.correlate(a, v)
    return _middle(windows.convolve(a, np.flip(v)), a, mode, (v.shape[0] - 1) // 2)


def _middle(full: Any, a: Any, mode: str, before: int) -> Any:
    """Return a whole convolution, or the part of it that is as long as ``a``."""
    if mode not in ("full", "same"):
        raise ValueError(f"np.convolve and np.correlate have the modes 'full', 'same' and 'valid', not {mode!r}")
    return full if mode == "full" else full[before : before + a.shape[0]]


def _vector(x: Any) -> Any:
    """Return a sequence as an array; a number is one of length 1."""
    x = array_like(x)
    if len(x.shape) > 1 or 0 in x.shape:
        raise ShapeError(f"np.convolve and np.correlate take two vectors with elements, but one has shape {x.shape}")
    return ravel(x)


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
