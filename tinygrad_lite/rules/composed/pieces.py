"""Joining, cutting, picking and repeating.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.stack([tg.Tensor([1.0, 2.0]), np.zeros(2)])
Tensor([[1., 2.],
        [0., 0.]], dtype=float32)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ...errors import ShapeError, require
from ...support.devices import on_device_of
from .. import shapes, windows
from ..reductions import axes_of
from .arithmetic import copy as copied
from .axes import as_matrix, as_solid, as_vector, expand_dims, in_rows, moveaxis, ravel, reshape, transpose
from .operands import array_like, arrays_like, as_count, as_positions, as_tuple, fitting


def concatenate(
    arrays: Any, axis: int | None = 0, *, dtype: DTypeLike | None = None, casting: str = "same_kind"
) -> Any:
    """Join along an existing axis."""
    arrays = _cast(map(array_like, arrays), dtype, casting)
    if axis is None:
        arrays, axis = list(map(ravel, arrays)), 0
    (axis,) = axes_of(axis, len(arrays[0].shape)) if arrays else (axis,)
    # In groups, since each operand adds up the lengths of those before it, to find its part of the cotangent: without
    # groups the cost would grow with the square of their number.
    while len(arrays) > _GROUP:
        arrays = [shapes.concatenate(*arrays[i : i + _GROUP], axis=axis) for i in range(0, len(arrays), _GROUP)]
    return shapes.concatenate(*arrays, axis=axis)


_GROUP = 64


def _cast(arrays: Iterable[Any], dtype: DTypeLike | None, casting: Any) -> list[Any]:
    """Return arrays in the type that they are to be joined in; as they are if it is not given."""
    if dtype is None:
        if casting != "same_kind":
            raise TypeError(f"casting={casting!r} needs a dtype to convert to, such as dtype=np.float32")
        return list(arrays)
    converted = []
    for a in arrays:
        if not np.can_cast(a.dtype, dtype, casting):
            raise TypeError(f"{a.dtype} is not converted to {np.dtype(dtype)} with casting={casting!r}: use .astype()")
        converted.append(a.astype(dtype))
    return converted


def stack(arrays: Any, axis: int = 0, *, dtype: DTypeLike | None = None, casting: str = "same_kind") -> Any:
    """Join along a new axis."""
    arrays = list(map(array_like, arrays))
    try:
        return concatenate([expand_dims(a, axis) for a in arrays], axis, dtype=dtype, casting=casting)
    except ShapeError:
        raise ShapeError(f"np.stack of {' and '.join(str(a.shape) for a in arrays)}: all must have one shape") from None


def vstack(tup: Any, *, dtype: DTypeLike | None = None, casting: str = "same_kind") -> Any:
    """Join as rows."""
    return concatenate([as_matrix(a) for a in map(array_like, tup)], 0, dtype=dtype, casting=casting)


def hstack(tup: Any, *, dtype: DTypeLike | None = None, casting: str = "same_kind") -> Any:
    """Join as columns; vectors end to end."""
    rows = [as_vector(a) for a in map(array_like, tup)]
    return concatenate(rows, 0 if len(rows[0].shape) == 1 else 1, dtype=dtype, casting=casting)


def dstack(tup: Any) -> Any:
    """Join along the third axis, which vectors and matrices get."""
    return concatenate([as_solid(a) for a in map(array_like, tup)], 2)


def column_stack(tup: Any) -> Any:
    """Join vectors, and matrices, as columns."""
    return concatenate([a if len(a.shape) >= 2 else transpose(as_matrix(a)) for a in map(array_like, tup)], 1)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join values to the end of an axis, or of all elements in order if the axis is None."""
    return concatenate((arr, values), axis)


def block(arrays: Any) -> Any:
    """Join the blocks in nested lists: the innermost lists along the last axis, those around them along the one before.

    Raises
    ------
    ValueError
        If the blocks lie at different depths, or a list is empty.
    """
    depth, first = 0, arrays
    while isinstance(first, list) and first:
        depth, first = depth + 1, first[0]

    def leaves(part: Any, level: int) -> list[Any]:
        if isinstance(part, tuple) or isinstance(part, list) != (level > 0) or (level and not part):
            raise ValueError(
                "np.block takes blocks in lists that are nested to one depth, [[a, b], [c, d]], and no tuples"
            )
        return [x for inner in part for x in leaves(inner, level - 1)] if level else [part]

    rank = max(depth, *map(np.ndim, leaves(arrays, depth)))

    def joined(part: Any, level: int) -> Any:
        if level:
            return concatenate([joined(x, level - 1) for x in part], -level)
        x = array_like(part)
        return reshape(x, shapes.of_rank(x.shape, rank))

    return joined(arrays, depth)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cut into parts whose lengths differ by at most 1, or before the given indices."""
    return _split(ary, indices_or_sections, axis, False)


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cut into equal parts, or before the given indices."""
    return _split(ary, indices_or_sections, axis, True)


def _split(ary: Any, indices_or_sections: Any, axis: int, is_equal: bool) -> list[Any]:
    (axis,) = axes_of(axis, len(ary.shape))
    n = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        parts = operator.index(indices_or_sections)
        if parts <= 0:
            raise ShapeError(f"np.split of {ary.shape}: there must be at least one part, not {parts}")
        length, rest = divmod(n, parts)
        if is_equal and rest:
            raise ShapeError(
                f"np.split of {ary.shape}: axis {axis} of length {n} does not divide into {parts} equal parts"
            )
        indices_or_sections = [length * i + min(i, rest) for i in range(1, parts)]
    cuts = [0, *indices_or_sections, n]
    return [ary[shapes.on_axis(axis, slice(i, j))] for i, j in pairwise(cuts)]


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Cut the first axis of two or more."""
    return _split_axis(ary, indices_or_sections, 0, 2)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Cut the second axis, or that of a vector."""
    return _split_axis(ary, indices_or_sections, 0 if len(ary.shape) == 1 else 1, 1)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Cut the third axis."""
    return _split_axis(ary, indices_or_sections, 2, 3)


def _split_axis(ary: Any, indices_or_sections: Any, axis: int, fewest: int) -> list[Any]:
    if len(ary.shape) < fewest:
        raise ShapeError(
            f"this split needs at least {fewest} axes, but the shape is {ary.shape}: np.split takes an axis"
        )
    return split(ary, indices_or_sections, axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Return the parts along an axis, without that axis."""
    (axis,) = axes_of(axis, len(x.shape))
    return tuple(x[shapes.on_axis(axis, i)] for i in range(x.shape[axis]))


def along(a: Any, axis: int | None) -> tuple[Any, int]:
    """Return an array and one of its axes, not negative: None is that of all elements in order."""
    return (ravel(a), 0) if axis is None else (a, axes_of(axis, len(a.shape))[0])


def take(a: Any, indices: Any, axis: int | None = None, *, mode: str = "raise") -> Any:
    """Pick elements along an axis by their positions, or from all elements in order if the axis is None.

    Positions outside are refused; or counted around the axis, or moved to its ends, in the modes "wrap" and "clip".
    """
    a, index = index_along(a, indices, axis, mode)
    return in_rows(a[index]) if len(index) > 1 else a[index]


def index_along(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> tuple[Any, tuple[Any, ...]]:
    """Return the array from which `numpy.take` picks, and the index by which ``a[index]`` does the same."""
    a, axis = along(as_vector(array_like(a)), axis)
    indices = array_like(indices)
    if indices.dtype.kind == "b":  # for NumPy these are the positions 0 and 1, not a mask
        indices = indices.astype(int)
    return a, shapes.on_axis(axis, _inside(indices, a.shape[axis], mode))


def _inside(indices: Any, n: int, mode: str) -> Any:
    """Return positions among ``n`` as one of NumPy's modes takes them."""
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"the mode is 'raise', 'wrap' or 'clip', not {mode!r}")
    if mode == "raise":
        return indices
    if n == 0 and indices.size:
        raise IndexError("there is nothing to pick along an axis of length 0")
    return indices % n if mode == "wrap" else np.clip(indices, 0, n - 1)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Pick elements along an axis, by positions of their own for each place of the other axes."""
    arr, index = index_along_axis(arr, indices, axis)
    return arr[index]


def index_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> tuple[Any, tuple[Any, ...]]:
    """Return the array that `numpy.take_along_axis` picks from, and the index by which ``arr[index]`` does the same."""
    (arr, axis), indices = along(arr, axis), array_like(indices)
    if len(indices.shape) != len(arr.shape) or indices.dtype.kind not in "iu":
        raise ShapeError(
            f"np.take_along_axis needs whole numbers in as many axes as the array, which has the shape {arr.shape}, "
            f"not {indices.dtype} of shape {indices.shape}"
        )
    return arr, along_axis(arr, indices, axis, arr.shape)


def along_axis(a: Any, indices: Any, axis: int, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the index of elements of ``a`` in a shape: given positions along one axis, their own along the others."""
    grid = np.ix_(*map(np.arange, shape))
    return tuple(indices if i == axis else on_device_of(a, places) for i, places in enumerate(grid))


def choose(a: Any, choices: Any, *, mode: str = "raise") -> Any:
    """Pick each element from one of several arrays, by the number of the array."""
    choices, a = arrays_like(choices), array_like(a)
    numbers = _inside(a, len(choices), mode)
    holds = np.all((numbers >= 0) & (numbers < len(choices)))
    require(holds, ValueError, f"np.choose: the numbers must be those of the {len(choices)} choices, from 0 on")
    shape = np.broadcast_shapes(numbers.shape, *(x.shape for x in choices))
    rows = stack([shapes.broadcast_to(x, shape) for x in choices])
    return np.take_along_axis(rows, shapes.broadcast_to(numbers, shape)[None], 0)[0]


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """Pick the elements along an axis for which a condition holds."""
    if np.ndim(condition) != 1:
        raise ShapeError(f"np.compress takes a vector of truth values, not a condition of shape {np.shape(condition)}")
    return take(a, np.flatnonzero(condition), axis)


def extract(condition: Any, arr: Any) -> Any:
    """Pick the elements for which a condition holds, of all elements in order."""
    return take(array_like(arr), np.flatnonzero(condition))


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element along an axis, or of all elements in order if the axis is None."""
    a, axis = along(as_vector(array_like(a)), axis)
    before, n, after = a.shape[:axis], a.shape[axis], a.shape[axis + 1 :]
    if np.ndim(repeats):
        return take(a, np.repeat(np.arange(n), np.asarray(repeats)), axis)
    times = as_count("np.repeat", "repeats", repeats)
    repeated = shapes.broadcast_to(expand_dims(a, axis + 1), (*before, n, times, *after))
    return copied(reshape(repeated, (*before, n * times, *after)))


def tile(A: Any, reps: Any) -> Any:
    """Repeat the whole along each axis."""
    A = array_like(A)
    reps = as_tuple(reps)
    rank = max(len(reps), len(A.shape))
    sizes, times = (shapes.of_rank(some, rank) for some in (A.shape, reps))
    pairs = [*zip(times, sizes, strict=True)]
    repeated = shapes.broadcast_to(
        reshape(A, [m for n in sizes for m in (1, n)]), tuple(m for pair in pairs for m in pair)
    )
    return copied(reshape(repeated, tuple(map(math.prod, pairs))))


def resize(a: Any, new_shape: Any) -> Any:
    """Fill a shape with the elements in order, again and again; with zeros if there are none."""
    new_shape = as_tuple(new_shape)
    if any(n < 0 for n in new_shape):
        raise ShapeError(f"np.resize: a shape has no negative lengths, as {new_shape} has")
    a, size = ravel(a), math.prod(new_shape)
    n = a.shape[0]
    filled = tile(a, -(-size // n))[:size] if n else shapes.place(a, slice(0, 0), (size,))
    return reshape(filled, new_shape)


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """Insert values along an axis before the given positions, as NumPy orders them."""
    arr = array_like(arr)
    values = fitting(values, arr, "np.insert")
    arr, axis = along(arr, axis)
    where = _chosen(obj)
    n = arr.shape[axis]
    count = int(np.insert(np.zeros(n, int), where, 1).sum())
    values = reshape(values, shapes.of_rank(values.shape, len(arr.shape)))
    if not isinstance(where, slice) and where.ndim == 0:
        values = moveaxis(values, 0, axis)
    count = values.shape[axis] if count == 1 else count  # several values may go to one position
    new = shapes.broadcast_to(values, shapes.with_length(arr.shape, axis, count))
    return take(concatenate([arr, new], axis), np.insert(np.arange(n), where, n + np.arange(count)), axis)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """Leave out positions of an axis, or of all elements in order if the axis is None."""
    arr, axis = along(arr, axis)
    return take(arr, np.delete(np.arange(arr.shape[axis]), _chosen(obj)), axis)


def _chosen(obj: Any) -> Any:
    """Return a slice as it is, and positions, or a mask, as an array."""
    return obj if isinstance(obj, slice) else np.asarray(as_positions(obj))


def sliding_window_view(x: Any, window_shape: Any, axis: Any = None) -> Any:
    """Return every window of an array, as a copy: the axes of the windows come last."""
    window = as_tuple(window_shape)
    axes = axes_of(axis, len(x.shape))
    if len(window) != len(axes) or any(not 1 <= k <= x.shape[i] for k, i in zip(window, axes, strict=False)):
        raise ShapeError(
            f"np.lib.stride_tricks.sliding_window_view: a window of shape {window} does not fit into axes {axes} of "
            f"{x.shape}"
        )
    ones = (1,) * len(window)
    return windows.windows(x, window, axes, ones, ones)
