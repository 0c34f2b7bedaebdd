"""Sums of products: over axes, composed of the product of matrices and of `einsum`; and of sequences that move.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> a = tg.Tensor([1.0, 2.0])
>>> np.outer(a, a)
Tensor([[1., 2.],
        [2., 4.]], dtype=float32)
>>> np.convolve(tg.Tensor([1.0, 2.0, 3.0]), [1.0, 1.0])
Tensor([1., 3., 5., 3.], dtype=float32)
"""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from ...errors import ShapeError, explained
from .. import products, shapes, windows
from ..reductions import axes_of, count
from .axes import expand_dims, in_rows, moveaxis, ravel, squeeze
from .operands import array_like, as_reals


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


def kron(a: Any, b: Any) -> Any:
    """Multiply each element of ``a`` by all of ``b``, and lay the products out as a matrix of blocks."""
    a, b = array_like(a), array_like(b)
    rank = max(len(a.shape), len(b.shape))
    of_a, of_b = shapes.of_rank(a.shape, rank), shapes.of_rank(b.shape, rank)
    blocks = a.reshape(tuple(m for n in of_a for m in (n, 1))) * b.reshape(tuple(m for n in of_b for m in (1, n)))
    return blocks.reshape(tuple(m * n for m, n in zip(of_a, of_b, strict=True)))


def inner(a: Any, b: Any) -> Any:
    """Sum over the last axes of both."""
    return tensordot(a, b, axes=(-1, -1)) if np.ndim(a) and np.ndim(b) else a * b


def vdot(a: Any, b: Any) -> Any:
    """Sum the products of all elements, in order."""
    return matmul(ravel(as_reals("np.vdot", a)), ravel(as_reals("np.vdot", b)))


def vecdot(x1: Any, x2: Any, *, axis: int = -1, keepdims: bool = False) -> Any:
    """Sum the products of vectors along an axis, for each pair of vectors."""
    rows, columns = (moveaxis(_with_axes("np.vecdot", as_reals("np.vecdot", x), 1), axis, -1) for x in (x1, x2))
    y = squeeze(matmul(expand_dims(rows, -2), expand_dims(columns, -1)), (-2, -1))
    return expand_dims(y, axis) if keepdims else y


def matvec(x1: Any, x2: Any) -> Any:
    """Multiply matrices by columns, for each pair of a matrix and a vector."""
    return squeeze(matmul(_with_axes("np.matvec", x1, 2), expand_dims(_with_axes("np.matvec", x2, 1), -1)), -1)


def vecmat(x1: Any, x2: Any) -> Any:
    """Multiply rows by matrices, for each pair of a vector and a matrix."""
    x1 = as_reals("np.vecmat", x1)  # whose conjugates are multiplied
    return squeeze(matmul(expand_dims(_with_axes("np.vecmat", x1, 1), -2), _with_axes("np.vecmat", x2, 2)), -2)


def _with_axes(name: str, x: Any, least: int) -> Any:
    """Return an operand as an array; refuse one with fewer axes than the function multiplies."""
    x = array_like(x)
    if len(x.shape) < least:
        raise ShapeError(f"{name}: an operand of shape {x.shape} has fewer than {least} axes")
    return x


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Return vectors that are perpendicular to pairs of vectors; of those in a plane, what is perpendicular to it."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(_with_axes("np.cross", a, 1), axisa, -1), moveaxis(_with_axes("np.cross", b, 1), axisb, -1)
    if not {a.shape[-1], b.shape[-1]} <= {2, 3}:
        raise ShapeError(
            f"np.cross of vectors of {a.shape[-1]} and {b.shape[-1]} elements: it takes vectors of 3 elements, or of 2"
        )
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    a, b = (np.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(0, 3 - x.shape[-1])]) for x in (a, b))
    return moveaxis(in_rows(np.roll(a * np.roll(b, -1, -1) - np.roll(a, -1, -1) * b, -1, -1)), -1, axisc)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum over pairs of axes, as one matrix product."""
    a, b = array_like(a), array_like(b)
    if np.ndim(axes) == 0:
        axes = (tuple(range(-axes, 0)), tuple(range(axes)))
    summed_a, summed_b = axes_of(axes[0], len(a.shape)), axes_of(axes[1], len(b.shape))
    lengths_a, lengths_b = ([x.shape[i] for i in summed] for x, summed in ((a, summed_a), (b, summed_b)))
    if lengths_a != lengths_b:
        raise ShapeError(
            f"np.tensordot of {a.shape} and {b.shape}: axes {summed_a} of the first have lengths {lengths_a}, axes "
            f"{summed_b} of the second {lengths_b}; they must be equal"
        )
    free_a = tuple(i for i in range(len(a.shape)) if i not in summed_a)
    free_b = tuple(i for i in range(len(b.shape)) if i not in summed_b)
    left = shapes.transpose(a, free_a + summed_a).reshape((count(a, free_a), count(a, summed_a)))
    right = shapes.transpose(b, summed_b + free_b).reshape((count(b, summed_b), count(b, free_b)))
    return (left @ right).reshape((*(a.shape[i] for i in free_a), *(b.shape[i] for i in free_b)))


def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    """Sum products as the subscripts say (Einstein's convention), in pairs: ``optimize`` is ignored.

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
