"""Shapes and axes: every order and shape of the same elements, composed of `reshape` and `transpose`.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.moveaxis(tg.Tensor(np.zeros((2, 3, 4))), 0, -1).shape
(3, 4, 2)
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ShapeError
from .. import reductions, shapes
from ..reductions import Axis, axes_of
from .operands import array_like, as_tuple


def reshape(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """Lay the same elements out in another shape: row by row, or column by column in the order "F"."""
    shape = as_tuple(shape)
    if order not in ("C", "F"):
        raise ValueError(f"the order {order!r} depends on the memory of an array: write 'C' for rows, 'F' for columns")
    if copy is False:
        raise ValueError(
            "reshape(copy=False) asks for a view, which not every shape has: leave copy out, or write True"
        )
    y = shapes.reshape(a, shape) if order == "C" else transpose(shapes.reshape(transpose(a), shape[::-1]))
    return y.astype(y.dtype) if copy else y


def ravel(a: Any, order: str = "C") -> Any:
    """Lay the elements out along one axis."""
    return reshape(a, (-1,), order)


def in_rows(a: Any) -> Any:
    """Lay the elements out in C order, as NumPy does where an index leaves another one.

    The order is seen in what shares memory: a reshape of such an array is a view, which ``-=`` changes with it.
    """
    return reshape(ravel(a), a.shape)


def transpose(a: Any, axes: Any = None) -> Any:
    """Permute the axes; reverse them by default."""
    order = tuple(reversed(range(len(a.shape)))) if axes is None else axes_of(tuple(axes), len(a.shape))
    if len(order) != len(a.shape):
        raise ShapeError(
            f"transpose of {a.shape}: {axes} must name each of the {len(a.shape)} axes once; swapaxes exchanges two"
        )
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
        raise ShapeError(f"np.moveaxis: {len(origins)} axes cannot be moved to {len(targets)} positions")
    order = [axis for axis in range(len(a.shape)) if axis not in origins]
    for target, origin in sorted(zip(targets, origins, strict=True)):
        order.insert(target, origin)
    return shapes.transpose(a, tuple(order))


def expand_dims(a: Any, axis: Any) -> Any:
    """Insert axes of length 1.

    Examples
    --------
    >>> tg.Tensor([1.0, 2.0]).unsqueeze(0).shape, np.expand_dims(tg.Tensor([1.0, 2.0]), 1).shape
    ((1, 2), (2, 1))
    """
    rank = len(a.shape) + np.size(axis)
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
            raise ShapeError(f"np.squeeze: axis {i} of shape {a.shape} has length {a.shape[i]}, not 1")
    return shapes.reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in axes))


def as_vector(a: Any) -> Any:
    """Return a number as a vector of one element, and any other array as it is."""
    return a if a.shape else reshape(a, (1,))


def as_matrix(a: Any) -> Any:
    """Return a vector as a row, and an array with two axes or more as it is."""
    return a if len(a.shape) >= 2 else reshape(a, (1, -1))


def as_solid(a: Any) -> Any:
    """Return a vector of shape (n,) as (1, n, 1), a matrix of shape (m, n) as (m, n, 1), others as they are."""
    return a if len(a.shape) >= 3 else expand_dims(as_matrix(a), 2)


def atleast_1d(*arys: Any) -> Any:
    """Return each array with one axis at least."""
    return _each(arys, as_vector)


def atleast_2d(*arys: Any) -> Any:
    """Return each array with two axes at least."""
    return _each(arys, as_matrix)


def atleast_3d(*arys: Any) -> Any:
    """Return each array with three axes at least."""
    return _each(arys, as_solid)


def _each(arrays: tuple[Any, ...], shaped: Callable[[Any], Any]) -> Any:
    """Return one array reshaped, or several as a tuple."""
    results = tuple(shaped(array_like(a)) for a in arrays)
    return results[0] if len(results) == 1 else results


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """Move an axis backwards, until it lies before the axis ``start``."""
    n = len(a.shape)
    (axis,) = axes_of(axis, n)
    (start,) = axes_of(start, n + 1) if start >= 0 else axes_of(start, n)
    return moveaxis(a, axis, start - 1 if axis < start else start)


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Broadcast arrays to their common shape."""
    arrays = list(map(array_like, args))
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(shapes.broadcast_to(a, shape) for a in arrays)


def flipud(m: Any) -> Any:
    """Reverse the first axis."""
    return shapes.flip(m, 0)


def fliplr(m: Any) -> Any:
    """Reverse the second axis."""
    return shapes.flip(m, 1)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Turn by 90 degrees ``k`` times, from the first of two axes towards the second."""
    first, second = axes_of(tuple(axes), len(m.shape))
    k = operator.index(k) % 4
    if k % 2:
        m = swapaxes(m, first, second)
    turned = [axis for axis, times in ((first, (1, 2)), (second, (2, 3))) if k in times]
    return shapes.flip(m, tuple(turned))
