"""Joining, cutting, picking and padding.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.stack([tg.Tensor([1.0, 2.0]), np.zeros(2)])
Tensor([[1., 2.],
        [0., 0.]], dtype=float32)
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import ShapeError
from .. import shapes, windows
from ..reductions import axes_of
from .arithmetic import array_like
from .axes import expand_dims, ravel, reshape


def concatenate(arrays: Any, axis: int | None = 0) -> Any:
    """Join along an existing axis."""
    arrays = list(map(array_like, arrays))
    if axis is None:
        arrays, axis = list(map(ravel, arrays)), 0
    (axis,) = axes_of(axis, len(arrays[0].shape)) if arrays else (axis,)
    # In groups, since each operand adds up the lengths of those before it, to find its part of the cotangent: without
    # groups the cost would grow with the square of their number.
    while len(arrays) > _GROUP:
        arrays = [shapes.concatenate(*arrays[i : i + _GROUP], axis=axis) for i in range(0, len(arrays), _GROUP)]
    return shapes.concatenate(*arrays, axis=axis)


_GROUP = 64


def stack(arrays: Any, axis: int = 0) -> Any:
    """Join along a new axis."""
    return concatenate([expand_dims(array_like(a), axis) for a in arrays], axis)


def vstack(tup: Any) -> Any:
    """Join as rows."""
    return concatenate([a if len(a.shape) >= 2 else reshape(a, (1, -1)) for a in map(array_like, tup)], 0)


def hstack(tup: Any) -> Any:
    """Join as columns; vectors end to end."""
    rows = [a if a.shape else reshape(a, (1,)) for a in map(array_like, tup)]
    return concatenate(rows, 0 if len(rows[0].shape) == 1 else 1)


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cut into equal parts, or before the given indices."""
    (axis,) = axes_of(axis, len(ary.shape))
    n = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        parts = indices_or_sections
        if n % parts:
            raise ShapeError(
                f"split of {ary.shape}: axis {axis} of length {n} does not divide into {parts} equal parts"
            )
        indices_or_sections = [n // parts * i for i in range(1, parts)]
    cuts = [0, *indices_or_sections, n]
    return [ary[(*[slice(None)] * axis, slice(i, j))] for i, j in pairwise(cuts)]


def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """Pick elements along an axis by their positions, or from all elements in order if the axis is None."""
    a, index = index_along(a, indices, axis)
    return a[index]


def index_along(a: Any, indices: Any, axis: int | None) -> tuple[Any, tuple[Any, ...]]:
    """Return the array from which `numpy.take` picks, and the index by which ``a[index]`` does the same."""
    if axis is None:
        a, axis = ravel(a), 0
    (axis,) = axes_of(axis, len(a.shape))
    indices = array_like(indices)
    if indices.dtype.kind == "b":  # for NumPy these are the positions 0 and 1, not a mask
        indices = indices.astype(int)
    return a, (*[slice(None)] * axis, indices)


def sliding_window_view(x: Any, window_shape: Any, axis: Any = None) -> Any:
    """Return every window of an array, as a copy: the axes of the windows come last."""
    window = (window_shape,) if np.ndim(window_shape) == 0 else tuple(window_shape)
    axes = axes_of(axis, len(x.shape))
    if len(window) != len(axes) or any(not 1 <= k <= x.shape[i] for k, i in zip(window, axes, strict=False)):
        raise ShapeError(f"sliding_window_view: a window of shape {window} does not fit into axes {axes} of {x.shape}")
    ones = (1,) * len(window)
    return windows.windows(x, window, axes, ones, ones)


def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: float = 0) -> Any:
    """Surround with a constant."""
    if mode != "constant":
        raise TypeError(f"np.pad(mode={mode!r}) has no derivative rule; mode='constant' has")
    rank = len(array.shape)
    if isinstance(pad_width, dict):  # the widths of some axes, negative ones from the last
        given = {axes_of(axis, rank)[0]: np.broadcast_to(width, 2) for axis, width in pad_width.items()}
        pad_width = [given.get(axis, (0, 0)) for axis in range(rank)]
    widths = np.broadcast_to(np.asarray(pad_width, dtype=int), (rank, 2))
    return shapes.pad(array, tuple((int(a), int(b)) for a, b in widths), constant_values)
