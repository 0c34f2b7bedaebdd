"""The functions of `numpy.linalg`, composed of rules: norms, decompositions, systems of equations, products.

They take what NumPy takes: real matrices in the last two axes. Complex ones are refused.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> a = tg.Tensor([[2.0, 1.0], [1.0, 3.0]])
>>> np.linalg.solve(a, [3.0, 5.0])
Tensor([0.8, 1.4], dtype=float32)
>>> tg.grad(lambda a: np.linalg.slogdet(a).logabsdet)(a)  # the inverse, transposed
Tensor([[ 0.6, -0.2],
        [-0.2,  0.4]], dtype=float32)
"""

from __future__ import annotations

import math
import operator
from functools import cache
from typing import Any

import numpy as np

from ...errors import ShapeError, require
from ...support.devices import on_device_of
from .. import linalg as rules
from ..reductions import Axis, axes_of
from . import contractions, diagonals
from .axes import expand_dims, moveaxis, ravel, reshape
from .operands import array_like, as_floating, as_reals

# NumPy's own tuples of results, whose names are not public.
_EighResult: Any = type(np.linalg.eigh(np.eye(1)))
_QRResult: Any = type(np.linalg.qr(np.eye(1)))
_SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))
_SVDResult: Any = type(np.linalg.svd(np.eye(1)))


def _floating(name: str, x: Any) -> Any:
    """Return an operand in a floating type, in which it is squared without overflow."""
    return as_floating(as_reals(f"np.linalg.{name}", x))


def _precision(a: Any) -> float:
    """Return the distance from 1 to the next number, in the type in which NumPy computes."""
    return float(np.finfo(a.dtype if a.dtype.kind == "f" else float).eps)


def _matrix(name: str, x: Any, is_square: bool = False) -> Any:
    """Return an operand of two axes or more; check that its matrices are square, if they have to be."""
    x = as_reals(f"np.linalg.{name}", x)
    if len(x.shape) < 2 or (is_square and x.shape[-1] != x.shape[-2]):
        raise ShapeError(
            f"np.linalg.{name} takes {'square ' * is_square}matrices, which are the last two axes of an array, but not "
            f"an array of shape {x.shape}"
        )
    return x


def _square(name: str, x: Any) -> Any:
    return _matrix(name, x, is_square=True)


def _finite(name: str, x: Any) -> Any:
    """Return an operand as `_matrix`; refuse what is not finite, with which LAPACK's singular values never end."""
    x = _matrix(name, x)
    message = f"np.linalg.{name} of an element that is not finite: tg.detect_anomaly() finds where it came from"
    require(np.all(np.isfinite(x)), np.linalg.LinAlgError, message)
    return x


# Systems of equations and inverses.


def solve(a: Any, b: Any) -> Any:
    """Return the x of a @ x = b, for a vector or for the columns of a matrix."""
    a, b = _square("solve", a), as_reals("np.linalg.solve", b)
    columns = expand_dims(b, 1) if len(b.shape) == 1 else _matrix("solve", b)
    if columns.shape[-2] != a.shape[-1]:
        raise ShapeError(
            f"np.linalg.solve of {a.shape} and {b.shape}: {a.shape[-1]} equations need as many right sides, not "
            f"{columns.shape[-2]}"
        )
    x = rules.solve(a, columns)
    return x if columns is b else x[..., 0]


def inv(a: Any) -> Any:
    """Return the inverse."""
    return rules.inv(_square("inv", a))


def pinv(a: Any, rcond: Any = None, *, rtol: Any = 1e-15) -> Any:
    """Return the inverse of Moore and Penrose; a rank that changes has no derivative."""
    a = _finite("pinv", a)
    precision = max(a.shape[-2:]) * _precision(a)
    rtol = precision if rtol is None else rtol
    least = rtol if rcond is None else rcond
    if np.all(least <= precision):
        return rules.pinv(a, least)
    u, s, vh = svd(a, full_matrices=False)  # some singular values may be left out, and their vectors
    is_kept = s > np.asarray(least)[..., None] * s[..., :1]
    return vh.mT @ (np.where(is_kept, 1 / np.where(is_kept, s, 1), 0)[..., None] * u.mT)


def lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Any, Any, Any, Any]:
    """Return the x of the least ‖a @ x - b‖, the squares of that, the rank of a, and its singular values."""
    a, b = _matrix("lstsq", a), as_reals("np.linalg.lstsq", b)
    if len(a.shape) != 2 or len(b.shape) not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ShapeError(
            f"np.linalg.lstsq of {a.shape} and {b.shape}: it takes a matrix, and a vector or a matrix of as many rows"
        )
    m, n = a.shape
    least = max(m, n) * _precision(a) if rcond is None else rcond
    least = _precision(a) if least < 0 else least
    x, s = pinv(a, least) @ b, svdvals(a)
    rank = np.count_nonzero(s > least * s[:1])
    if m <= n:
        return x, ravel(b)[:0], rank, s
    require(
        rank == n,
        np.linalg.LinAlgError,
        "np.linalg.lstsq of a Tensor takes linearly independent columns, or no more rows than columns: for the "
        "shortest of several solutions write np.linalg.pinv(a) @ b",
    )
    residuals = np.square(a @ x - b).sum(axis=0)
    return x, reshape(residuals, (-1,)), rank, s


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Return the x of tensordot(a, x, x.ndim) = b."""
    a, b = as_reals("np.linalg.tensorsolve", a), as_reals("np.linalg.tensorsolve", b)
    if axes is not None:
        moved = axes_of(tuple(axes), len(a.shape))
        a = moveaxis(a, moved, range(len(a.shape) - len(moved), len(a.shape)))
    shape, size = a.shape[len(b.shape) :], math.prod(b.shape)
    if math.prod(shape) != size or math.prod(a.shape) != size**2:
        raise ShapeError(
            f"np.linalg.tensorsolve of {a.shape} and {b.shape}: the first axes of a are those of b, and the product of "
            "the others is the same"
        )
    return reshape(solve(reshape(a, (size, size)), ravel(b)), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Return the inverse of x ↦ tensordot(a, x, a.ndim - ind)."""
    a = as_reals("np.linalg.tensorinv", a)
    left, right = a.shape[:ind], a.shape[ind:]
    if ind <= 0 or math.prod(left) != math.prod(right):
        raise ShapeError(
            f"np.linalg.tensorinv of {a.shape}: the product of the first {ind} lengths must be that of the others"
        )
    return reshape(inv(reshape(a, (math.prod(left), math.prod(right)))), (*right, *left))


def matrix_power(a: Any, n: int) -> Any:
    """Return the product of n equal factors; of inverses for a negative n, and the identity for 0."""
    a, n = _square("matrix_power", a), operator.index(n)
    if n == 0:
        return a**0 * on_device_of(a, np.eye(a.shape[-1], dtype=a.dtype))
    factor, n = (a, n) if n > 0 else (inv(a), -n)
    y = None
    while n:  # the squares of the factor whose bit is set in n
        if n % 2:
            y = factor if y is None else y @ factor
        n //= 2
        factor = factor @ factor if n else factor
    return y


# Determinants and decompositions.


def det(a: Any) -> Any:
    """Return the determinant."""
    return rules.det(_square("det", a))


def slogdet(a: Any) -> Any:
    """Return the sign of the determinant, and the logarithm of its absolute value."""
    y = rules.slogdet(_square("slogdet", a))
    return _SlogdetResult(y[..., 0], y[..., 1])


def cholesky(a: Any, *, upper: bool = False) -> Any:
    """Return the lower triangle L of A = L Lᵀ, or the upper one; what is read is the triangle of the same name."""
    a = _square("cholesky", a)
    return rules.cholesky(a.mT).mT if upper else rules.cholesky(a)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Return Q, whose columns are orthonormal, and the upper triangle R of A = Q R; for mode "r" only R."""
    a = _matrix("qr", a)
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise TypeError(
            f"np.linalg.qr(mode={mode!r}) of shape {a.shape} has no derivative rule: mode='reduced' and mode='r' have"
        )
    y = rules.qr(a[..., :m])
    q, r = rules.first(y, m), rules.last(y, m)
    if m < n:
        r = np.concatenate([r, q.mT @ a[..., m:]], axis=-1)
    return r if mode == "r" else _QRResult(q, r)


def eigh(a: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues, in ascending order, and the eigenvectors of a symmetric matrix."""
    a = _square("eigh", a)
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"np.linalg.eigh(UPLO={UPLO!r}): the triangle to read is 'L', the lower one, or 'U'")
    y = rules.eigh(a, UPLO.upper())
    return _EighResult(rules.values(y, 0), rules.last(y, 1))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues of a symmetric matrix, in ascending order."""
    return eigh(a, UPLO)[0]


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return the U, S and Vᵀ of A = U S Vᵀ; if not ``compute_uv``, only S."""
    a = _finite("svd", a)
    m, n = a.shape[-2:]
    if compute_uv and full_matrices and m != n:
        raise TypeError(
            f"np.linalg.svd(full_matrices=True) of shape {a.shape} has no derivative rule, since the vectors that are "
            "added are not determined: write full_matrices=False"
        )
    y = rules.svd(a)
    s = rules.values(y, m)
    return _SVDResult(rules.first(y, m), s, rules.last(y, m + 1).mT) if compute_uv else s


def svdvals(x: Any) -> Any:
    """Return the singular values, in descending order."""
    return svd(x, compute_uv=False)


# Norms.


def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the norm of a vector or a matrix; along one axis that of vectors, along two that of matrices."""
    x = _floating("norm", x)
    axes = axes_of(axis, len(x.shape))
    if len(axes) == 1 or (ord is None and axis is None):
        return _of_vectors(x, ord, axes, keepdims)
    if len(axes) == 2:
        return _of_matrices(x, ord, axes, keepdims)
    raise ShapeError(
        f"np.linalg.norm(ord={ord!r}) of shape {x.shape}: one axis is for vectors, two are for matrices, not {axes}"
    )


def vector_norm(x: Any, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Return the norm of vectors, which lie along one axis or several."""
    x = _floating("vector_norm", x)
    return _of_vectors(x, ord, axes_of(axis, len(x.shape)), keepdims)


def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Return the norm of matrices."""
    x = _matrix("matrix_norm", _floating("matrix_norm", x))
    return _of_matrices(x, ord, axes_of((-2, -1), len(x.shape)), keepdims)


def _of_vectors(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord in (2, None):
        return np.sqrt(np.square(x).sum(axis=axes, keepdims=keepdims))
    if ord == 0:  # a step function: its derivative is 0 wherever there is one
        return np.where(x == 0, 0 * x, 1).sum(axis=axes, keepdims=keepdims)
    size = np.abs(x)
    if ord == np.inf:
        return size.max(axis=axes, keepdims=keepdims)
    if ord == -np.inf:
        return size.min(axis=axes, keepdims=keepdims)
    if ord == 1:
        return size.sum(axis=axes, keepdims=keepdims)
    return (size**ord).sum(axis=axes, keepdims=keepdims) ** (1 / ord)


def _of_matrices(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    row_axis, column_axis = axes
    if ord in ("fro", "f", None):
        return _of_vectors(x, 2, axes, keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        sums = np.abs(x).sum(axis=row_axis if abs(ord) == 1 else column_axis, keepdims=True)
        return (sums.max if ord > 0 else sums.min)(axis=axes, keepdims=keepdims)
    reduce: Any = {2: np.max, -2: np.min, "nuc": np.sum}.get(ord)
    if reduce is None:
        raise ValueError(f"Invalid norm order {ord!r} for matrices")
    y = reduce(svdvals(moveaxis(x, axes, (-2, -1))), axis=-1)
    return expand_dims(y, axes) if keepdims else y


def cond(x: Any, p: Any = None) -> Any:
    """Return the condition number: ‖x‖ ‖x⁻¹‖."""
    x = _floating("cond", x)
    if p is not None and p not in (2, -2):
        return norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))
    s = svdvals(x)
    above, below = (s[..., -1], s[..., 0]) if p == -2 else (s[..., 0], s[..., -1])
    return np.where(above + below == 0, np.inf, above / below)  # of a singular matrix it is infinite


# Products, and parts of matrices.


def multi_dot(arrays: Any) -> Any:
    """Multiply matrices in the order that takes the fewest steps; the first and the last may be vectors."""
    arrays = [as_reals("np.linalg.multi_dot", x) for x in arrays]
    ends_fit = all(len(x.shape) in (1, 2) for x in (*arrays[:1], *arrays[-1:]))
    if len(arrays) < 2 or not ends_fit or any(len(x.shape) != 2 for x in arrays[1:-1]):
        raise ShapeError(
            "np.linalg.multi_dot takes two matrices or more, of which the first and the last may be vectors, not "
            f"arrays of shape {', '.join(str(x.shape) for x in arrays)}"
        )
    before, after = ([x.shape[axis] if len(x.shape) > 1 else 1 for x in arrays] for axis in (0, -1))
    before[-1] = arrays[-1].shape[0]

    @cache
    def cheapest(i: int, j: int) -> tuple[int, int]:
        """Return the cost of the product from i to j, and the last factor of its left part."""
        costs = (
            (cheapest(i, k)[0] + cheapest(k + 1, j)[0] + before[i] * before[k + 1] * after[j], k) for k in range(i, j)
        )
        return min(costs, default=(0, i))

    def product(i: int, j: int) -> Any:
        k = cheapest(i, j)[1]
        return arrays[i] if i == j else contractions.matmul(product(i, k), product(k + 1, j))

    return product(0, len(arrays) - 1)


def outer(x1: Any, x2: Any) -> Any:
    """Multiply each element of a vector by each of another."""
    x1, x2 = array_like(x1), array_like(x2)
    if len(x1.shape) != 1 or len(x2.shape) != 1:
        raise ShapeError(f"np.linalg.outer takes two vectors, not arrays of shape {x1.shape} and {x2.shape}")
    return contractions.outer(x1, x2)


def cross(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    """Return the cross product of vectors of three elements along an axis."""
    x1, x2 = array_like(x1), array_like(x2)
    if not all(x.shape and x.shape[axes_of(axis, len(x.shape))[0]] == 3 for x in (x1, x2)):
        raise ShapeError(
            f"np.linalg.cross of {x1.shape} and {x2.shape}: vectors along axis {axis} must have three elements"
        )
    return contractions.cross(x1, x2, axis=axis)


def diagonal(x: Any, *, offset: int = 0) -> Any:
    """Return the diagonals of matrices, or those that are ``offset`` to the right of them."""
    return diagonals.diagonal(_matrix("diagonal", x), offset, -2, -1)


def trace(x: Any, *, offset: int = 0, dtype: Any = None) -> Any:
    """Return the sum of `diagonal`."""
    return diagonals.trace(_matrix("trace", x), offset, -2, -1, dtype)
