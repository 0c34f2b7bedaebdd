"""Statistics, composed of reductions.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.var(tg.Tensor([1.0, 2.0, 3.0]), ddof=1)
Tensor(1., dtype=float32)
>>> tg.grad(lambda w: np.average(np.array([1.0, 5.0]), weights=w))(np.array([3.0, 1.0]))
Tensor([-0.25,  0.75], dtype=float64)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError, require
from .. import reductions
from ..reductions import Axis, axes_of, count
from . import folds
from .axes import expand_dims, squeeze
from .operands import array_like, as_reals, in_floating
from .pieces import concatenate


def var(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    *,
    ddof: float = 0,
    keepdims: bool = False,
    where: Any = True,
    mean: Any = None,
    correction: float | None = None,
) -> Any:
    """Return the variance: the sum of squared deviations over n - ddof, or over 0 if that is negative.

    ``correction`` is another name of ``ddof``, ``mean`` the mean if it is known, with the reduced axes of length 1.
    """
    squares, freedom = squared_deviations("np.var", a, axis, dtype, where, ddof, keepdims, mean, correction)
    return squares / (max(freedom, 0) if where is True else np.maximum(freedom, 0))


def squared_deviations(
    function: str,
    a: Any,
    axis: Axis,
    dtype: Any,
    where: Any,
    ddof: float = 0,
    keepdims: bool = False,
    mean: Any = None,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """Return the sum of squared deviations from the mean, and the degrees of freedom: n - ddof."""
    if correction is not None and ddof:
        raise ValueError(f"{function} has ddof and correction, which are two names of one number: give one of them")
    a = in_floating(function, as_reals(function, a), dtype)
    deviations = a - (folds.mean(a, axis, keepdims=True, where=where) if mean is None else mean)
    if where is not True:
        deviations = np.where(where, deviations, 0)  # NaN that does not count has no derivative either
    squares = reductions.sum(np.square(deviations), axis, keepdims)
    return squares, folds.counted(a, axis, keepdims, where) - (ddof if correction is None else correction)


def std(a: Any, axis: Axis = None, dtype: Any = None, **options: Any) -> Any:
    """Return the square root of the variance, with its arguments. Where it is 0, its derivative is taken to be 0."""
    return np.sqrt(var(a, axis, dtype, **options))


def ptp(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """Return the range, from the minimum to the maximum; equal extremes share the derivative."""
    return a.max(axis=axis, keepdims=keepdims) - a.min(axis=axis, keepdims=keepdims)


def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """Return the mean, or the mean with weights; differentiable by the weights, too.

    As in NumPy, weights of another shape than ``a`` belong to the axes that are averaged, and ``returned=True`` adds
    the sum of the weights.
    """
    a = array_like(a)
    if weights is None:
        mean = a.mean(axis=axis, keepdims=keepdims)
        total = np.full_like(mean, count(a, axis))
    else:
        weights = weights_beside("np.average", a, axis, array_like(weights))
        total = reductions.sum(weights, axis, keepdims)
        require(np.all(total != 0), ZeroDivisionError, "np.average: the weights sum to zero, so there is no mean")
        mean = reductions.sum(a * weights, axis, keepdims) / total
    return (mean, np.broadcast_to(total, mean.shape)) if returned else mean


def weights_beside(function: str, a: Any, axis: Axis, weights: Any) -> Any:
    """Return weights so that they broadcast against ``a``, given those of elements along the axes alone, or of all."""
    if len(weights.shape) == len(a.shape) and weights.shape == a.shape:
        return weights
    axes = axes_of(axis, len(a.shape))
    if axis is None or weights.shape != tuple(a.shape[i] for i in axes):
        raise ShapeError(
            f"{function} of shape {a.shape} over axis {axis}: the weights have shape {weights.shape}; give one for "
            "each element, or one for each element along the axes"
        )
    weights = weights.transpose(tuple(sorted(range(len(axes)), key=axes.__getitem__)))
    return expand_dims(weights, tuple(i for i in range(len(a.shape)) if i not in axes))


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: float | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Return the covariances of variables, each a row, or each a column with ``rowvar=False``.

    As in NumPy, ``fweights`` say how many times each observation was made, and ``aweights`` how much each is worth.
    """
    rows = _variables(m, rowvar)
    if y is not None:
        rows = concatenate([rows, _variables(y, rowvar or np.ndim(y) < 2 or y.shape[0] == 1)])
    rows = in_floating("np.cov", as_reals("np.cov", rows), dtype)
    ddof = int(not bias) if ddof is None else ddof
    if ddof != int(ddof):
        raise ValueError(f"np.cov: ddof is a whole number, not {ddof}")
    weights, freedom = None, rows.shape[1] - ddof
    if fweights is not None:
        weights = _of_observations("fweights", rows, fweights)
        require(np.all(weights == np.rint(weights)), TypeError, "np.cov: fweights must be whole numbers")
    if aweights is not None:
        worth = _of_observations("aweights", rows, aweights)
        weights = worth if weights is None else weights * worth
    if weights is not None:
        total = reductions.sum(weights)
        freedom = total - (ddof if aweights is None else ddof * reductions.sum(weights * worth) / total)
    deviations = rows - average(rows, 1, weights, keepdims=True)
    weighted = deviations if weights is None else deviations * weights
    return squeeze(weighted @ deviations.T / (max(freedom, 0) if weights is None else np.maximum(freedom, 0)))


def _variables(x: Any, rowvar: bool) -> Any:
    """Return variables as the rows of a matrix; a vector is one variable."""
    x = array_like(x)
    if len(x.shape) > 2:
        raise ShapeError(f"np.cov of shape {x.shape}: each variable is a row of a matrix, so there are at most 2 axes")
    if len(x.shape) < 2:
        return x.reshape((1, -1))
    return x if rowvar else x.T


def _of_observations(name: str, rows: Any, weights: Any) -> Any:
    weights = array_like(weights)
    if weights.shape != rows.shape[1:]:
        raise ShapeError(
            f"np.cov of {rows.shape[1]} observations: {name} have shape {weights.shape}; give one for each"
        )
    require(np.all(weights >= 0), ValueError, f"np.cov: {name} must not be negative")
    return weights


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Return the correlations of variables, each a row, or each a column with ``rowvar=False``."""
    covariances = cov(x, y, rowvar, dtype=dtype)
    if not covariances.shape:
        return covariances / covariances
    deviation = np.sqrt(np.einsum("ii->i", covariances))
    return np.clip(covariances / deviation[:, None] / deviation, -1, 1)  # beyond 1 there is only a rounding error
