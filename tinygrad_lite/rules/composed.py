"""NumPy's functions that need no rule of their own, since they are composed of functions that have one.

The chain rule gives their derivatives: each function fewer in the tables is one derivative fewer to write and to check.
Each takes NumPy's arguments, and works on all kinds of values that the rules work on.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: np.log2(x))(2.0)  # 1 / (2 log 2)
Tensor(0.7213475, dtype=float32)
"""

from __future__ import annotations

import builtins
import math
import string
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from ..errors import ShapeError, explained
from . import elementwise, products, reductions, shapes, windows
from .reductions import Axis, axes_of, count


def array_like(x: Any) -> Any:
    """Return a list or number as an array; a value that has a shape is returned as it is."""
    return x if hasattr(x, "shape") else np.asarray(x)


def power(a: Any, b: Any) -> Any:
    """Raise to a power: by the textbook's rule of xⁿ for a plain number n, else by that of aᵇ.

    At 0 the derivative of a root by its base, which is not finite, is taken to be 0.
    """
    # A number of NumPy's counts as Python's and adapts to the type of the base, unless that is of truth values.
    is_of_truth = getattr(getattr(a, "dtype", None), "kind", "") == "b"
    b = b.item() if issubclass(type(b), np.generic) and not is_of_truth else b
    is_number = isinstance(b, Real) and not hasattr(b, "shape")
    return elementwise.power(a, b) if is_number else elementwise.power_of(a, b)


def log2(x: Any) -> Any:
    """Return the logarithm to base 2."""
    return np.log(x) / math.log(2)


def log10(x: Any) -> Any:
    """Return the logarithm to base 10."""
    return np.log(x) / math.log(10)


def where(condition: Any, a: Any, b: Any) -> Any:
    """Choose from ``a`` where the condition holds, else from ``b``; differentiable by both."""
    return elementwise.where(a, b, condition)


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Limit values to an interval; a bound of None means no limit. Differentiable by the bounds, too."""
    low, high = a_min if min is None else min, a_max if max is None else max
    is_number = not hasattr(a, "dtype")  # or a list of numbers, whose type adapts to the bounds
    is_open = low is None or high is None
    has_gradient = any(getattr(x, "requires_grad", False) for x in (low, high))
    if not is_number:
        low, high = _bound(low, a), _bound(high, a)
    if is_number or has_gradient or (is_open and a.dtype.kind != "f"):
        a = a if low is None else np.maximum(a, low)
        return a if high is None else np.minimum(a, high)
    return elementwise.clip(a, -np.inf if low is None else low, np.inf if high is None else high)


def _bound(value: Any, x: Any) -> Any:
    """Return a bound of ``x`` as a Python number or in the type of ``x``, so that it does not change that type."""
    value = np.asarray(value) if isinstance(value, (list, tuple)) else value
    return value.astype(x.dtype) if hasattr(value, "astype") and x.dtype.kind == "f" else value


def divmod(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the quotient rounded down, a step function with no derivative, and the remainder."""
    return np.floor_divide(a, b), np.remainder(a, b)


def full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Return an array like ``a`` filled with a value; differentiable by that value."""
    zeros = np.zeros_like(a, dtype=dtype, shape=shape)
    filled = np.where(zeros == 0, fill_value, zeros)  # not zeros + fill_value, which loses the sign of -0.0
    if filled.shape != zeros.shape:
        raise ShapeError(f"full_like: a value of shape {np.shape(fill_value)} does not fit into shape {zeros.shape}")
    return filled.astype(zeros.dtype)


def copy(a: Any) -> Any:
    """Return the same elements in new memory."""
    return a.astype(a.dtype)


def matmul(a: Any, b: Any) -> Any:
    """Multiply matrices, or batches of them; a vector is a row on the left and a column on the right."""
    if getattr(a, "ndim", 0) >= 2 <= getattr(b, "ndim", 0):
        return products.product(a, b)
    a, b = array_like(a), array_like(b)
    if not a.shape or not b.shape:
        raise ShapeError(f"matmul of {a.shape} @ {b.shape}: a 0-d operand has no axis to sum over, multiply with *")
    rows = expand_dims(a, 0) if len(a.shape) == 1 else a
    columns = expand_dims(b, 1) if len(b.shape) == 1 else b
    try:
        y = products.product(rows, columns)
    except ValueError as error:
        raise explained(error, "matmul", [a.shape, b.shape]) from None
    return squeeze(y, (*((-2,) if rows is not a else ()), *((-1,) if columns is not b else ())))


def dot(a: Any, b: Any) -> Any:
    """Sum over the last axis of ``a`` and the second to last (or only) one of ``b``."""
    if not np.ndim(a) or not np.ndim(b):
        return a * b
    a, b = array_like(a), array_like(b)
    if len(a.shape) <= 2 and len(b.shape) <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=(-1, -2 if len(b.shape) > 1 else -1))


def outer(a: Any, b: Any) -> Any:
    """Multiply each element of ``a`` by each of ``b``."""
    return expand_dims(ravel(array_like(a)), 1) * expand_dims(ravel(array_like(b)), 0)


def inner(a: Any, b: Any) -> Any:
    """Sum over the last axes of both."""
    return tensordot(a, b, axes=(-1, -1)) if np.ndim(a) and np.ndim(b) else a * b


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum over pairs of axes, as one matrix product."""
    a, b = array_like(a), array_like(b)
    if np.ndim(axes) == 0:
        axes = (tuple(range(-axes, 0)), tuple(range(axes)))
    summed_a, summed_b = axes_of(axes[0], len(a.shape)), axes_of(axes[1], len(b.shape))
    lengths_a, lengths_b = ([x.shape[i] for i in summed] for x, summed in ((a, summed_a), (b, summed_b)))
    if lengths_a != lengths_b:
        raise ShapeError(
            f"tensordot of {a.shape} and {b.shape}: axes {summed_a} of the first have lengths {lengths_a}, axes "
            f"{summed_b} of the second {lengths_b}; they must be equal"
        )
    free_a = tuple(i for i in range(len(a.shape)) if i not in summed_a)
    free_b = tuple(i for i in range(len(b.shape)) if i not in summed_b)
    left = shapes.transpose(a, free_a + summed_a).reshape((count(a, free_a), count(a, summed_a)))
    right = shapes.transpose(b, summed_b + free_b).reshape((count(b, summed_b), count(b, free_b)))
    return (left @ right).reshape((*(a.shape[i] for i in free_a), *(b.shape[i] for i in free_b)))


def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    """Sum products as the subscripts say (Einstein's convention), in the given order: ``optimize`` is ignored.

    As in NumPy the subscripts may be lists of numbers, one after each operand: ``np.einsum(a, [0, 1], b, [1], [0])``.
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _lettered((subscripts, *operands))
    operands = tuple(map(array_like, operands))
    subscripts = products.explicit_subscripts(subscripts, [len(x.shape) for x in operands])
    for term, x in zip(products.split_subscripts(subscripts)[0], operands, strict=True):
        for label in set(term):
            # NumPy does not check the lengths on a diagonal, and reads beyond the end of an empty operand.
            lengths = [n for other, n in zip(term, x.shape, strict=True) if other == label]
            lengths = sorted({*lengths} - {1}) if len(lengths) > 1 else []
            if len(lengths) > 1:
                raise ShapeError(f"einsum: {label!r} stands for axes of {lengths[0]} and {lengths[1]} in {x.shape}")
    return products.einsum(*operands, subscripts=subscripts)


def _lettered(operands: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Return as letters the subscripts that were given as lists of numbers, and the operands alone."""
    pairs = len(operands) // 2
    lists = [*operands[1 : 2 * pairs : 2], *operands[2 * pairs :]]
    if not pairs or not all(isinstance(labels, (list, tuple)) for labels in lists):
        raise TypeError(
            'einsum takes subscripts and operands, ("ij,jk->ik", a, b), or lists after each, (a, [0, 1], …)'
        )
    terms = ["".join("..." if i is Ellipsis else string.ascii_letters[i] for i in labels) for labels in lists]
    return ",".join(terms[:pairs]) + "".join(f"->{term}" for term in terms[pairs:]), operands[: 2 * pairs : 2]


def var(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the variance: the sum of squared deviations over n - ddof, or over 0 if that is negative."""
    deviations = a - a.mean(axis=axis, keepdims=True)
    return reductions.sum(np.square(deviations), axis, keepdims) / max(count(a, axis) - ddof, 0)


def std(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the square root of the variance. Where it is 0, its derivative is taken to be 0."""
    return np.sqrt(var(a, axis, ddof=ddof, keepdims=keepdims))


def cumsum(a: Any, axis: builtins.int | None = None) -> Any:
    """Return the running sum along an axis, or of all elements in order if the axis is None."""
    return reductions.cumsum(ravel(a), 0) if axis is None else reductions.cumsum(a, axis)


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


def swapaxes(a: Any, axis1: builtins.int, axis2: builtins.int) -> Any:
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


def concatenate(arrays: Any, axis: builtins.int | None = 0) -> Any:
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


def stack(arrays: Any, axis: builtins.int = 0) -> Any:
    """Join along a new axis."""
    return concatenate([expand_dims(array_like(a), axis) for a in arrays], axis)


def vstack(tup: Any) -> Any:
    """Join as rows."""
    return concatenate([a if len(a.shape) >= 2 else reshape(a, (1, -1)) for a in map(array_like, tup)], 0)


def hstack(tup: Any) -> Any:
    """Join as columns; vectors end to end."""
    rows = [a if a.shape else reshape(a, (1,)) for a in map(array_like, tup)]
    return concatenate(rows, 0 if len(rows[0].shape) == 1 else 1)


def split(ary: Any, indices_or_sections: Any, axis: builtins.int = 0) -> list[Any]:
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


def take(a: Any, indices: Any, axis: builtins.int | None = None) -> Any:
    """Pick elements along an axis by their positions, or from all elements in order if the axis is None."""
    a, index = index_along(a, indices, axis)
    return a[index]


def index_along(a: Any, indices: Any, axis: builtins.int | None) -> tuple[Any, tuple[Any, ...]]:
    """Return the array from which `numpy.take` picks, and the index by which ``a[index]`` does the same."""
    if axis is None:
        a, axis = ravel(a), 0
    (axis,) = axes_of(axis, len(a.shape))
    indices = array_like(indices)
    if indices.dtype.kind == "b":  # for NumPy these are the positions 0 and 1, not a mask
        indices = indices.astype(builtins.int)
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
    widths = np.broadcast_to(np.asarray(pad_width, dtype=builtins.int), (rank, 2))
    return shapes.pad(array, tuple((builtins.int(a), builtins.int(b)) for a, b in widths), constant_values)
