"""Sums of products over axes, composed of the product of matrices and of `einsum`.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> a = tg.Tensor([1.0, 2.0])
>>> np.outer(a, a)
Tensor([[1., 2.],
        [2., 4.]], dtype=float32)
"""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from ...errors import ShapeError, explained
from .. import products, shapes
from ..reductions import axes_of, count
from .arithmetic import array_like
from .axes import expand_dims, ravel, squeeze


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
    sizes = [(1,) * (rank - len(x.shape)) + x.shape for x in (a, b)]
    blocks = a.reshape(tuple(m for n in sizes[0] for m in (n, 1))) * b.reshape(
        tuple(m for n in sizes[1] for m in (1, n))
    )
    return blocks.reshape(tuple(m * n for m, n in zip(*sizes, strict=True)))


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
