"""Diagonals and triangles of matrices.

A diagonal of a matrix with m columns is every (m + 1)-th of its elements in order: a slice takes it out, and the
derivative of the slice puts it back.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.trace(tg.Tensor([[1.0, 2.0], [3.0, 4.0]]))
Tensor(5., dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ...errors import ShapeError
from ...support.devices import on_device_of
from .. import elementwise, shapes
from ..reductions import axes_of
from .axes import moveaxis, ravel, reshape
from .operands import array_like


def places(rows: int, columns: int, offset: int) -> slice:
    """Return where a diagonal lies among the elements of a matrix in order; ``offset`` columns right of the main."""
    first = offset if offset >= 0 else -offset * columns
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    return slice(first, first + length * (columns + 1), columns + 1)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return a diagonal of each matrix that two axes span, along a last axis.

    It shares the memory of matrices in C order. Of others, such as transposed ones, it is a copy, as a reshape is.
    """
    if len(a.shape) < 2:
        raise ShapeError(f"a diagonal needs two axes, but the shape is {a.shape}")
    a = moveaxis(a, axes_of((axis1, axis2), len(a.shape)), (-2, -1))
    *others, rows, columns = a.shape
    return reshape(a, (*others, rows * columns))[..., places(rows, columns, offset)]


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike | None = None) -> Any:
    """Return the sum of a diagonal of each matrix that two axes span."""
    elements = diagonal(a, offset, axis1, axis2)
    if dtype is None:
        return elements.sum(axis=-1)
    return elements.astype(dtype).sum(axis=-1).astype(dtype)  # NumPy adds up narrow whole numbers in a wider type


def diag(v: Any, k: int = 0) -> Any:
    """Return a diagonal of a matrix, or the matrix of zeros that has a vector as diagonal."""
    if len(v.shape) not in (1, 2):
        raise ShapeError(f"np.diag takes a vector or a matrix, not {v.shape}: of several matrices take np.diagonal")
    if len(v.shape) == 2:
        return diagonal(v, k)
    n = v.shape[0] + abs(k)
    return reshape(shapes.place(v, places(n, n, k), (n * n,)), (n, n))


def diagflat(v: Any, k: int = 0) -> Any:
    """Return the matrix of zeros that has all elements in order as a diagonal."""
    return diag(ravel(array_like(v)), k)


def tril(m: Any, k: int = 0) -> Any:
    """Return matrices with zeros above a diagonal."""
    return _triangle(m, lambda rows, columns: np.tri(rows, columns, k, dtype=bool))


def triu(m: Any, k: int = 0) -> Any:
    """Return matrices with zeros below a diagonal."""
    return _triangle(m, lambda rows, columns: ~np.tri(rows, columns, k - 1, dtype=bool))


def _triangle(m: Any, kept: Any) -> Any:
    if not m.shape:
        raise ShapeError("a triangle needs a matrix, not a single number")
    rows, columns = m.shape[-2:] if len(m.shape) > 1 else 2 * m.shape  # as NumPy makes a matrix of a vector
    return elementwise.where(m, m.dtype.type(0), on_device_of(m, kept(rows, columns)))
