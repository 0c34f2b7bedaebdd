"""The witnesses of means, variances and covariances, and of reductions that leave out NaN."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.lib.array_utils import normalize_axis_tuple

from tests.witness.cases import along, filled, number, positive, solid, spaced, tied
from tests.witness.formulas import Witness, flip, value_of
from tests.witness.reductions import prod, reductions
from tests.witness.shapes import flips


@st.composite
def lacking(draw, elements=number, fewest=1, unique=False, **options):
    """Draw NaN in place of some elements, but a number or two of those that are reduced together."""
    [x], params = draw(reductions(elements, fewest, unique, others=1, **options))
    axes = normalize_axis_tuple(range(x.ndim) if params["axis"] is None else params["axis"], x.ndim)
    is_missing = draw(arrays(bool, x.shape))
    for corner in (0, -1):
        is_missing[tuple(corner if i in axes else slice(None) for i in range(x.ndim))] = False
    return [np.where(is_missing, np.nan, x)], params


def of_numbers(reduce, neutral):
    """Return the formula of a reduction in which NaN counts as another value."""
    return lambda x, **params: reduce(anp.where(np.isnan(value_of(x)), neutral, x), **params)


def nanvar(x, axis, keepdims, ddof=0):
    counts = ~np.isnan(value_of(x))
    x = anp.where(counts, x, 0.0)
    n = np.sum(counts, axis=axis, keepdims=True)
    deviations = counts * (x - anp.sum(x, axis=axis, keepdims=True) / n)
    squares = anp.sum(deviations**2, axis=axis, keepdims=keepdims)
    return squares / (np.reshape(n, squares.shape) - ddof)


def nanmean(x, axis, keepdims):
    counts = ~np.isnan(value_of(x))
    return anp.sum(anp.where(counts, x, 0.0), axis=axis, keepdims=keepdims) / np.sum(
        counts, axis=axis, keepdims=keepdims
    )


@st.composite
def weighted(draw):
    """Draw weights for each element, or for those along the axes."""
    [x], params = draw(reductions())
    axes = params["axis"]
    shapes_of_weights = [x.shape]
    if isinstance(axes, int):
        shapes_of_weights.append((x.shape[axes],))
    return [x, draw(filled(draw(st.sampled_from(shapes_of_weights)), positive))], params


def average(x, w, axis, keepdims):
    if w.shape != x.shape:
        w = anp.reshape(w, [n if i == axis % x.ndim else 1 for i, n in enumerate(x.shape)]) + np.zeros(x.shape)
    return anp.sum(x * w, axis=axis, keepdims=keepdims) / anp.sum(w, axis=axis, keepdims=keepdims)


@st.composite
def variables(draw, **options):
    """Draw variables, each a row or each a column, that no line goes through."""
    n, rowvar = draw(st.integers(4, 5)), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    inputs = [rng.normal(size=(k, n)) for k in draw(st.lists(st.integers(2, 3), min_size=1, max_size=2))]
    return [x if rowvar else x.T for x in inputs], {"rowvar": rowvar} | {k: draw(v) for k, v in options.items()}


@st.composite
def observations(draw):
    """Draw variables, how many times each observation was made, and how much it is worth."""
    inputs, params = draw(variables(ddof=st.integers(0, 1)))
    n = inputs[0].shape[int(params["rowvar"])]
    times, worth = draw(arrays(int, n, elements=st.integers(1, 3))), draw(filled((n,), positive))
    return inputs, params | {"fweights": times, "aweights": worth}


def cov(*xs, rowvar, ddof=1, fweights=1, aweights=1):
    rows = anp.concatenate([x if rowvar else x.T for x in xs])
    weights = fweights * aweights * np.ones(rows.shape[1])
    total = np.sum(weights)
    deviations = rows - anp.sum(rows * weights, axis=1, keepdims=True) / total
    return anp.dot(deviations * weights, deviations.T) / (total - ddof * np.sum(weights * aweights) / total)


def corrcoef(*xs, rowvar):
    c = cov(*xs, rowvar=rowvar)
    deviations = anp.sqrt(anp.diag(c))
    return c / anp.outer(deviations, deviations)


def applied(x, axis):
    return np.apply_along_axis(lambda v: v * np.flip(v), axis, x)


def summed(x, axis):
    return np.apply_over_axes(np.sum, x, axis)


several_axes = flips().filter(lambda case: case[1]["axis"] is not None)

WITNESSES = {
    "np.average": Witness(average, weighted(), lambda x, w, **params: np.average(x, weights=w, **params)),
    "np.ptp": Witness(lambda x, **params: anp.max(x, **params) - anp.min(x, **params), reductions(tied)),
    "np.cov": Witness(cov, st.one_of(variables(ddof=st.integers(0, 2)), observations())),
    "np.corrcoef": Witness(corrcoef, variables()),
    "np.nansum": Witness(of_numbers(anp.sum, 0.0), lacking()),
    "np.nanprod": Witness(of_numbers(prod, 1.0), lacking()),
    "np.nanmax": Witness(of_numbers(anp.max, -np.inf), lacking(tied)),
    "np.nanmin": Witness(of_numbers(anp.min, np.inf), lacking(tied)),
    "np.nanmean": Witness(nanmean, lacking()),
    "np.nanvar": Witness(nanvar, lacking(fewest=2, ddof=st.sampled_from([0, 0.5, 1]))),
    "np.nanstd": Witness(lambda x, **params: anp.sqrt(nanvar(x, **params)), lacking(spaced, fewest=2, unique=True)),
    "np.apply_along_axis": Witness(lambda x, axis: x * flip(x, axis), along(solid), applied),
    "np.apply_over_axes": Witness(
        lambda x, axis: anp.sum(x, axis=axis, keepdims=True),
        several_axes,
        summed,
    ),
}
