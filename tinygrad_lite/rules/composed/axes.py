"""Shapes and axes: every order and shape of the same elements, composed of `reshape` and `transpose`.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.moveaxis(tg.Tensor(np.zeros((2, 3, 4))), 0, -1).shape
(3, 4, 2)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError
from .. import reductions, shapes
from ..reductions import Axis, axes_of


def reshape(a: Any, shape: Any) -> Any:
    """Lay the same elements out in another shape."""
    return shapes.reshape(a, (shape,) if np.ndim(shape) == 0 else tuple(shape))


def ravel(a: Any) -> Any:
    """Lay the elements out along one axis."""
    return shapes.reshape(a, (-1,))


def transpose(a: Any, axes: Any = None) -> Any:
    """Permute the axes; reverse them by default."""
    order = tuple(reversed(range(len(a.shape)))) if axes is None else axes_of(tuple(axes), len(a.shape))
    if len(order) != len(a.shape):
        raise ShapeError(f"transpose of {a.shape}: {axes} must name each of the {len(a.shape)} axes once")
    return shapes.transpose(a, order)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    axes = list(range(len(a.shape)))
    (i,), (j,) = axes_of(axis1, len(axes)), axes_of(axis2, len(axes))
    axes[i], axes[j] = axes[j], axes[i]
    return shapes.transpose(a, tuple(axes))


def matrix_transpose(a: Any) -> Any:
    """Exchange the last two axes."""
    return swapaxes(a, -1, -2)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes to other positions; the rest keep their order."""
    origins, targets = axes_of(source, len(a.shape)), axes_of(destination, len(a.shape))
    if len(origins) != len(targets):
        raise ShapeError(f"moveaxis: {len(origins)} axes cannot be moved to {len(targets)} positions")
    order = [axis for axis in range(len(a.shape)) if axis not in origins]
    for target, origin in sorted(zip(targets, origins, strict=True)):
        order.insert(target, origin)
    return shapes.transpose(a, tuple(order))


def expand_dims(a: Any, axis: Any) -> Any:
    """Insert axes of length 1."""
    rank = len(a.shape) + (len(axis) if isinstance(axis, tuple) else 1)
    new = axes_of(axis, rank)
    sizes = iter(a.shape)
    return shapes.reshape(a, tuple(1 if i in new else next(sizes) for i in range(rank)))


def squeeze(a: Any, axis: Axis = None) -> Any:
    """Remove axes of length 1: all of them by default."""
    if axis is None:
        return shapes.reshape(a, tuple(n for n in a.shape if n != 1))
    axes = reductions.reduced(a, axis)
    for i in axes:
        if a.shape[i] != 1:
            raise ShapeError(f"squeeze: axis {i} of shape {a.shape} has length {a.shape[i]}, not 1")
    return shapes.reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes))
