"""Rules of functions that move elements.

They change no element, so their derivatives only move each cotangent back to where its element came from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..support.devices import add_rows, scatter_add
from .registry import define
from .rule import Rule, sample
from .samples import normal, strided


def on_axis(axis: int, part: Any) -> tuple[Any, ...]:
    """Return the index that takes a part along one axis, which is not negative."""
    return (*[slice(None)] * axis, part)


def with_length(shape: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    """Return a shape with another length along one axis, which is not negative."""
    return (*shape[:axis], n, *shape[axis + 1 :])


def of_rank(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Return a shape with axes of length 1 before its own, so that there are at least ``rank`` of them."""
    return (1,) * (rank - len(shape)) + shape


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the permutation that undoes ``axes`` (none of them negative)."""
    return tuple(axes.index(i) for i in range(len(axes)))


def opposite(shift: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """Return the shift that undoes ``shift``."""
    return tuple(-s for s in shift) if isinstance(shift, tuple) else -shift


def inner(widths: tuple[tuple[int, int], ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the index of the original array within the ``shape`` that it has after padding by ``widths``."""
    return tuple(slice(before, n - after) for (before, after), n in zip(widths, shape, strict=True))


def operand_index(k: int, xs: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    """Return the index of operand ``k`` within the concatenation of ``xs`` along ``axis`` (not negative)."""
    start = sum(x.shape[axis] for x in xs[:k])
    return on_axis(axis, slice(start, start + xs[k].shape[axis]))


def _place(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    # CuPy takes an empty shape for no shape at all.
    y = np.zeros_like(x, shape=shape) if shape else np.zeros_like(x.sum())
    parts = index if isinstance(index, tuple) else (index,)
    # Only an array of positions can name an element twice. For all other indices assignment is right, and much faster.
    if any(isinstance(part, (list, tuple)) or getattr(part, "dtype", None) not in (None, np.bool_) for part in parts):
        names_rows = len(parts) == 1 and len(shape) > 1
        if names_rows and type(x) is np.ndarray and x.size >= 4096:
            add_rows(y, np.asarray(parts[0]), x)
        else:
            scatter_add(y, index, x)
    else:
        y[index] = x
    return y


# fmt: off

reshape = define("reshape", lambda x, shape: x.reshape(shape),
    x=lambda g, x: g.reshape(x.shape),
    samples=lambda: [
        sample(normal(3, 4), (2, 6)), sample(normal(3, 4), (-1,)), sample(normal(), (1, 1)),
        sample(strided(3, 4), (4, 3)), sample(normal(0, 3), (3, 0)),
    ])

transpose = define("transpose", lambda x, axes: x.transpose(axes),
    x=lambda g, axes: g.transpose(inverse(axes)),
    samples=lambda: [
        sample(normal(2, 3), (1, 0)), sample(normal(2, 3, 4), (1, 2, 0)), sample(normal(), ()),
        sample(normal(0, 3), (1, 0)),
    ])

broadcast_to = define("broadcast_to", lambda x, shape: np.broadcast_to(x, shape),
    x=lambda g: g,
    samples=lambda: [
        sample(normal(3, 1), (3, 4)), sample(normal(3), (2, 3)), sample(normal(), (2, 2)), sample(normal(1, 3), (0, 3)),
    ])

concatenate = define("concatenate", lambda *xs, axis: np.concatenate(xs, axis),
    xs=lambda g, k, xs, axis: g[operand_index(k, xs, axis)],
    samples=lambda: [
        sample(normal(2, 3), normal(1, 3), normal(2, 3, seed=1), axis=0), sample(normal(2, 3), normal(2, 1), axis=1),
        sample(normal(3), axis=0), sample(normal(0, 2), normal(3, 2), axis=0),
    ])

pad = define("pad", lambda x, widths, value: np.pad(x, widths, constant_values=value),
    x=lambda g, widths: g[inner(widths, g.shape)],
    samples=lambda: [
        sample(normal(2, 3), ((1, 2), (0, 1)), 0.0), sample(normal(3), ((0, 0),), 1.0),
        sample(normal(0, 2), ((1, 1), (0, 0)), 0.0),
    ])

flip = define("flip", lambda x, axis=None: np.flip(x, axis),
    x=lambda g, axis: np.flip(g, axis),
    samples=lambda: [sample(normal(2, 3)), sample(normal(2, 3), axis=1), sample(normal(2, 3, 2), axis=(0, -1)),
                     sample(normal(0, 3), axis=0)])

roll = define("roll", lambda x, shift, axis=None: np.roll(x, shift, axis),
    x=lambda g, shift, axis: np.roll(g, opposite(shift), axis),
    samples=lambda: [sample(normal(2, 3), 1), sample(normal(2, 3), -2, axis=1),
                     sample(normal(2, 3), (1, 2), axis=(0, 1)), sample(normal(0, 3), 1, axis=0)])

# `getitem` takes elements out, `place` puts them into zeros: each is the derivative of the other. An element that was
# taken twice receives the sum of two cotangents.
getitem = define("getitem", lambda x, index: x[index],
    x=lambda g, x, index: place(g, index, x.shape),
    samples=lambda: [
        sample(normal(3, 4), index) for index in (
            1, (slice(None), 2), (slice(None, None, -2),), (None, Ellipsis, 0), (slice(1, 1),), (2, -1),
            np.array([0, 2, 0, 0]), (np.array([[0, 1], [2, 1]]), np.array([3, 3])), (slice(None), np.array([1, 1])),
            np.array([True, False, True]), normal(3, 4) > 0, np.array([], dtype=int), (np.array([0, 0]), slice(1, 3)),
        )] + [sample(normal(), ()), sample(normal(0, 3), slice(None))])

place: Rule = define("place", _place,
    x=lambda g, index: g[index],
    samples=lambda: [
        sample(normal(4), (slice(None), 2), (4, 3)), sample(normal(3, 2), np.array([0, 1, 0]), (2, 2)),
        sample(normal(), (1, 2), (3, 3)), sample(normal(2), np.array([True, False, True]), (3,)),
        sample(normal(0, 2), slice(0, 0), (3, 2)),
    ])
