"""Rules of linear algebra: inverses, determinants and decompositions, of one matrix or of a batch of them.

The formulas without another source are those of M. Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation" (2008).

A decomposition has several factors, but a rule has one output. So the factors lie in one array, one below another, and
`composed.linalg` takes them apart.

`cholesky` and `eigh` read one triangle alone, by default the lower one, as NumPy does. So the derivative by an element
of the other triangle is 0, and that by an element beside the diagonal counts its mirror image, too. To have a symmetric
gradient, pass (A + Aᵀ) / 2.

Some factors are not determined: eigenvectors of equal eigenvalues may be turned among themselves, and so may singular
vectors. The derivatives divide by differences λⱼ - λᵢ, and there `quotient` is 0 / 0 = 0 where the cotangent of the
vectors is 0. So eigenvalues and singular values alone always have a derivative; of what depends on such vectors it is
infinite or nan, since there is none. (Only of an element that was computed as exactly 0 it may be finite.) Second
derivatives at equal values are of this kind, too.

A singular matrix has no inverse, and here no derivative of a logarithm of its determinant: both raise a LinAlgError. A
singular value of 0 has the derivative u vᵀ, one of its subgradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..support.devices import on_device_of
from .registry import define
from .rule import Rule, Sample, helper, sample
from .samples import normal, pairs, positive, with_zeros

SMALL = 4  # rows of a matrix whose cofactors are computed one by one
ROUNDING = 4  # errors of eigenvalues, relative to the sum of their absolute values, in units of the type's precision


@helper
def stacked_slogdet(a: Any) -> Any:
    """Return the sign of the determinant, and the logarithm of its absolute value."""
    return np.stack(np.linalg.slogdet(a), axis=-1)


@helper
def stacked_qr(a: Any) -> Any:
    """Return Q, and R below it."""
    return np.concatenate(np.linalg.qr(a), axis=-2)


@helper
def stacked_eigh(a: Any, triangle: Any) -> Any:
    """Return the eigenvalues as a row, and the eigenvectors below it."""
    w, v = np.linalg.eigh(a, triangle)
    return np.concatenate([w[..., None, :], v], axis=-2)


@helper
def stacked_svd(a: Any) -> Any:
    """Return the left singular vectors, the singular values as a row, and the right singular vectors."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, s[..., None, :], vh.mT], axis=-2)


@helper
def first(y: Any, rows: int) -> Any:
    """Return the factor in the first rows: Q, or the left singular vectors."""
    return y[..., :rows, :]


@helper
def values(y: Any, row: int) -> Any:
    """Return the eigenvalues or the singular values, which are a row."""
    return y[..., row, :]


@helper
def last(y: Any, row: int) -> Any:
    """Return the factor in the rows from a number on: R, the eigenvectors, or the right singular vectors."""
    return y[..., row:, :]


def _order(x: Any) -> Any:
    """Return the number of the rows, and of the columns, of square matrices."""
    return x.shape[-1]


@helper
def diagonal(x: Any) -> Any:
    """Return the diagonal matrices with given elements."""
    return x[..., None, :] * on_device_of(x, np.eye(_order(x), dtype=x.dtype))


@helper
def lower(x: Any) -> Any:
    """Return the lower triangle with half of its diagonal; the rest is 0."""
    return x * on_device_of(x, np.tri(_order(x), dtype=x.dtype) - np.eye(_order(x), dtype=x.dtype) / 2)


@helper
def mirrored(x: Any) -> Any:
    """Return the symmetric matrix that has the lower triangle of a given one."""
    return lower(x) + lower(x).mT


@helper
def of_triangle(x: Any, triangle: str = "L") -> Any:
    """Return the cotangent of a matrix of which a triangle is read, given that of the symmetric matrix it stands for.

    ``lower`` counts each pair of elements once: those of the diagonal are in both terms.
    """
    return lower(x + x.mT) if triangle == "L" else lower(x + x.mT).mT


@helper
def symmetric(x: Any) -> Any:
    """Return the symmetric part of a matrix: (X + Xᵀ) / 2."""
    return (x + x.mT) / 2


@helper
def skew(x: Any) -> Any:
    """Return the antisymmetric part of a matrix: (X - Xᵀ) / 2."""
    return (x - x.mT) / 2


@helper
def gaps(s: Any) -> Any:
    """Return the matrix of the differences sⱼ - sᵢ, with ∞ on the diagonal, where nothing is to be divided by 0."""
    return _infinite_diagonal(_settled(s[..., None, :] - s[..., :, None], s))


@helper
def sums(s: Any) -> Any:
    """Return the matrix of the sums sⱼ + sᵢ, with ∞ on the diagonal."""
    return _infinite_diagonal(_settled(s[..., None, :] + s[..., :, None], s))


@helper
def as_row(s: Any) -> Any:
    """Return the values as a row."""
    return _settled(s[..., None, :], s)


def _settled(x: Any, s: Any) -> Any:
    """Return x, with zeros for what is only rounding errors of the eigenvalues or singular values ``s``.

    Equal eigenvalues of random matrices were never found further apart than ROUNDING allows.
    """
    rounding = ROUNDING * np.finfo(x.dtype).eps * np.abs(s).sum(axis=-1)[..., None, None]
    return np.where(np.abs(x) <= rounding, 0, x)


def _infinite_diagonal(x: Any) -> Any:
    return x + on_device_of(x, np.diag(np.full(_order(x), np.inf, x.dtype)))


@helper
def cofactors(a: Any) -> Any:
    """Return the matrix of the derivatives of det A by the elements of A.

    Those of a small matrix are determinants of what remains without a row and a column, so that they are right for a
    singular one, too. Of a larger one they are those of Cramer's rule, det(A) A⁻ᵀ, which needs an inverse.
    """
    n = _order(a)
    if n > SMALL:
        return det(a)[..., None, None] * inv(a).mT
    rows = np.arange(n)[:, None]
    others = np.arange(n - 1) + (np.arange(n - 1) >= rows)  # in row i, all numbers but i
    signs = ((-1.0) ** (rows + rows.T)).astype(a.dtype)
    return on_device_of(a, signs) * det(a[..., others[:, None, :, None], others[None, :, None, :]])


def _qr_back(g_q: Any, g_r: Any, q: Any, r: Any) -> Any:
    """Return the cotangent of A = Q R, given those of Q and R."""
    return solve(r, (g_q + q @ mirrored(r @ g_r.mT - g_q.mT @ q)).mT).mT


def _svd_back(g: Any, y: Any, a: Any) -> Any:
    """Return the cotangent of A = U S Vᵀ, of which ``y`` has the factors and ``g`` their cotangents.

    Source: J. Townsend, "Differentiating the singular value decomposition" (2016). His factor 1 / (sⱼ² - sᵢ²) is
    written by its partial fractions, which are exact for small singular values, too.
    """
    m, n = a.shape[-2:]
    u, s, v = first(y, m), values(y, m), last(y, m + 1)
    gu, gs, gv = first(g, m), values(g, m), last(g, m + 1)
    left, right = u.mT @ gu, v.mT @ gv
    alike, opposed = quotient(left + right, gaps(s)), quotient(left - right, sums(s))
    inner = u @ (diagonal(gs) + symmetric(alike) + skew(opposed)) @ v.mT
    if m > n:  # vectors may turn out of the space that they span
        return inner + quotient(gu - u @ left, as_row(s)) @ v.mT
    return inner if m == n else inner + u @ quotient(gv - v @ right, as_row(s)).mT


def _definite(*shape: int) -> Any:
    """Return matrices with a lower triangle of positive eigenvalues; the rest, which is not read, is anything."""
    x = normal(*shape)
    return x @ x.mT + 2 * np.eye(shape[-1]) + np.triu(normal(*shape, seed=1), 1)


def _square() -> list[Sample]:
    """Return the usual samples of a square matrix: one, batches, strided, of one row, of nothing."""
    return [
        sample(normal(3, 3)),
        sample(normal(2, 1, 2, 2)),
        sample(normal(6, 6)[::2, ::-2].T),
        sample(normal(1, 1)),
        sample(normal(0, 2, 2)),
    ]


# fmt: off

# a / b, but 0 / 0 is 0. (Where a is 0, a + 1 is 1, in the type of a.)
quotient: Rule = define("quotient", lambda a, b: a / np.where(a == 0, a + 1, b),
    a=lambda g, b: quotient(g, b),
    b=lambda g, y, b: -quotient(g * y, b),
    samples=lambda: [*pairs(with_zeros, positive)(), sample(normal(2, 3, 3), normal(2, 1, 3))])

solve: Rule = define("solve", lambda a, b: np.linalg.solve(a, b),
    a=lambda g, y, a: -(solve(a.mT, g) @ y.mT),
    b=lambda g, a: solve(a.mT, g),
    samples=lambda: [sample(normal(3, 3), normal(3, 2)), sample(normal(2, 3, 3), normal(3, 1)),
                     sample(normal(2, 2), normal(3, 2, 2)), sample(normal(1, 2, 2), normal(3, 2, 1)),
                     sample(normal(2, 2), normal(2, 0))])

inv: Rule = define("inv", lambda a: np.linalg.inv(a), samples=_square,
    a=lambda g, y: -(y.mT @ g @ y.mT))

# The inverse of Moore and Penrose. Source: G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and
# nonlinear least squares problems whose variables separate" (1973), for matrices whose rank does not change.
pinv: Rule = define("pinv", lambda a, rcond=1e-15: np.linalg.pinv(a, rcond),
    a=lambda g, y, a: (g.mT - a @ y @ g.mT) @ y @ y.mT + y.mT @ y @ (g.mT - g.mT @ y @ a) - y.mT @ g @ y.mT,
    samples=lambda: [sample(normal(3, 2)), sample(normal(2, 3)), sample(normal(2, 1, 2, 2)), sample(normal(0, 2, 3))])

det: Rule = define("det", lambda a: np.linalg.det(a),
    a=lambda g, a: g[..., None, None] * cofactors(a),
    samples=lambda: [*_square(), sample(np.ones((3, 3))), sample(np.ones((1, 0, 0))),
                     sample(normal(SMALL + 1, SMALL + 1) / 4)])

slogdet: Rule = define("slogdet", lambda a: stacked_slogdet(a), samples=_square,
    a=lambda g, a: g[..., 1, None, None] * inv(a).mT)

# A = L Lᵀ. Source: I. Murray, "Differentiation of the Cholesky decomposition" (2016).
cholesky: Rule = define("cholesky", lambda a: np.linalg.cholesky(a),
    a=lambda g, y: of_triangle(inv(y).mT @ lower(y.mT @ g) @ inv(y)),
    samples=lambda: [sample(_definite(1, 3, 3)), sample(_definite(2, 1, 2, 2)), sample(_definite(1, 1)),
                     sample(_definite(0, 2, 2))])

# A = Q R, for at least as many rows as columns, which are linearly independent. Source: S. Walter and L. Lehmann,
# "Algorithmic differentiation of linear algebra functions with application in optimum experimental design" (2010).
qr: Rule = define("qr", lambda a: stacked_qr(a),
    a=lambda g, y, a: _qr_back(
        first(g, a.shape[-2]), last(g, a.shape[-2]), first(y, a.shape[-2]), last(y, a.shape[-2])),
    samples=lambda: [sample(normal(3, 2)), sample(normal(3, 3)), sample(normal(2, 1, 2, 2)), sample(normal(0, 3, 2)),
                     sample(normal(2, 0))])

# A = V Λ Vᵀ, for symmetric A.
eigh: Rule = define("eigh", lambda a, triangle="L": stacked_eigh(a, triangle),
    a=lambda g, y, triangle: of_triangle(
        last(y, 1) @ (diagonal(values(g, 0)) + quotient(last(y, 1).mT @ last(g, 1), gaps(values(y, 0))))
        @ last(y, 1).mT, triangle),
    samples=lambda: [*_square(), sample(normal(3, 3), "U")])

svd: Rule = define("svd", lambda a: stacked_svd(a), a=_svd_back,
    samples=lambda: [*_square(), sample(normal(2, 3, 2)), sample(normal(2, 2, 3)), sample(normal(3, 4)),
                     sample(normal(2, 0))])
