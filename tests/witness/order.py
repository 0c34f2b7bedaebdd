"""The witnesses of sorting and quantiles, of sets, and of histograms."""

from __future__ import annotations

import math

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st
from numpy.lib.array_utils import normalize_axis_tuple

from tests.witness.cases import along, each, filled, positive, shapes, side, solid, spaced, tied
from tests.witness.formulas import Witness, found, linear, take, value_of
from tests.witness.reductions import reductions
from tests.witness.statistics import lacking


def sort(x, axis=-1):
    """Return elements in order; equal ones keep theirs. Autograd's derivative sorts again, perhaps in another order."""
    x, axis = (anp.ravel(x), 0) if axis is None else (x, axis)
    order = np.argsort(value_of(x), axis=axis, kind="stable")
    numbers = np.take_along_axis(np.arange(x.size).reshape(x.shape), order, axis)
    return anp.ravel(x)[numbers]


def of_sorted(f):
    """Return the formula of a median or a quantile of all that is a number, which is linear in sorted numbers.

    They are made of the first one and of what each adds to the one before: NumPy says the quantile of 0, ..., 0, 1,
    ..., 1.
    """

    def of_row(row, **params):
        row = sort(row[~np.isnan(value_of(row))])
        places = np.arange(row.size)
        shares = np.stack([f(1.0 * (places >= k), **params) for k in places], axis=-1)
        return anp.dot(shares, anp.concatenate([row[:1], row[1:] - row[:-1]]))

    def formula(x, axis, keepdims, **params):
        axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
        rest = [i for i in range(x.ndim) if i not in axes]
        rows = anp.reshape(anp.transpose(x, (*rest, *axes)), (-1, math.prod(x.shape[i] for i in axes)))
        y = anp.stack([of_row(rows[i], **params) for i in range(rows.shape[0])], axis=-1)
        return anp.reshape(y, f(np.zeros(x.shape), axis=axis, keepdims=keepdims, **params).shape)

    return formula


def quantile(x, q):
    """Return quantiles of a vector, with a derivative by how much lies below."""
    rows, position = sort(x), (x.size - 1) * q
    low = np.floor(value_of(position)).astype(int)
    return rows[low] + (rows[np.minimum(low + 1, x.size - 1)] - rows[low]) * (position - low)


@st.composite
def quantiles(draw):
    """Draw how much lies below, but no element's own place: there the slope of a quantile changes."""
    n = draw(st.integers(2, 4))
    places = st.integers(0, 4 * (n - 1) - 1).map(lambda i: (i + 0.5) / (4 * (n - 1)))
    return [draw(filled((n,))), draw(filled(draw(st.sampled_from([(), (3,), (2, 1)])), places))], {}


@st.composite
def partitions(draw):
    x = draw(filled(solid, spaced, unique=True))
    axis = draw(st.sampled_from([None, *range(-x.ndim, x.ndim)]))
    n = x.size if axis is None else x.shape[axis]
    return [x], {"axis": axis, "kth": draw(st.one_of(st.just(0), st.just(tuple(range(n)))))}


@st.composite
def slices(draw):
    """Draw an array of which some slices are equal."""
    [x], params = draw(along(solid, elements=st.sampled_from([0.0, 1.0])))
    return [x], params


def unique(x, axis=None):
    index = np.unique(value_of(x), return_index=True, axis=axis)[1]
    return take(x, index, axis)


def first(f):
    return lambda *xs, **params: f(*xs, **params)[0]


@st.composite
def counted(draw):
    """Draw weights, and whole numbers that they are of."""
    numbers = draw(st.lists(st.integers(0, 4), max_size=5).map(lambda numbers: np.array(numbers, int)))
    return [draw(filled(numbers.shape))], {"x": numbers, "minlength": draw(side)}


def bincount(weights, x, minlength):
    return np.bincount(x, weights, minlength)


@st.composite
def binned(draw, columns):
    """Draw points, their weights, and a number of bins."""
    n = draw(st.integers(2, 5))
    points = [draw(filled((n,), spaced, unique=True)) for _ in range(columns)]
    return [*points, draw(filled((n,), positive))], {"bins": draw(st.integers(1, 3)), "density": draw(st.booleans())}


def edges_of(x, bins):
    return anp.min(x) + (anp.max(x) - anp.min(x)) * (np.arange(bins + 1) / bins)


def histogram(*columns_and_weights, bins, density):
    """Return the sums of weights in all bins, and the edges of the bins."""
    *columns, weights = columns_and_weights
    sums = linear(lambda w: np.histogramdd([*map(value_of, columns)], bins, weights=w)[0])(weights)
    edges = [edges_of(x, bins) for x in columns]
    if density:
        sums = sums / anp.sum(sums)
        for axis, e in enumerate(edges):
            sums = sums / anp.reshape(e[1:] - e[:-1], (-1, *[1] * (len(edges) - axis - 1)))
    return anp.concatenate([anp.ravel(sums), *edges])


def histogramdd(*columns_and_weights, bins, density):
    *columns, weights = columns_and_weights
    sums, edges = np.histogramdd(columns, bins, density=density, weights=weights)
    return np.concatenate([np.ravel(sums), *edges])


def binned_by(f):
    return lambda *columns_and_weights, bins, density: np.concatenate(
        [np.ravel(y) for y in f(*columns_and_weights[:-1], bins, None, density, columns_and_weights[-1])]
    )


@st.composite
def bins(draw):
    [x, _], params = draw(binned(1))
    return [x], {"bins": params["bins"]}


portions = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.just(np.array([0.1, 0.7])))
METHODS = [
    *("linear", "lower", "higher", "nearest", "midpoint", "inverted_cdf", "averaged_inverted_cdf"),
    *("closest_observation", "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased"),
]
methods = st.sampled_from(METHODS)
percents = portions.map(lambda q: 100 * q)
sets = st.tuples(filled(shapes, tied), filled(shapes, tied)).map(lambda inputs: ([*inputs], {}))

WITNESSES = {
    # order
    "np.sort": Witness(sort, along(shapes.filter(len), all_axes=True, elements=tied)),
    "np.partition": Witness(found(np.partition), partitions()),
    "np.median": Witness(of_sorted(np.median), reductions(tied, others=1)),
    "np.nanmedian": Witness(of_sorted(np.nanmedian), lacking(tied)),
    "np.quantile": Witness(
        lambda x, *q, **params: quantile(x, *q) if q else of_sorted(np.quantile)(x, **params),
        st.one_of(reductions(tied, others=1, q=portions, method=methods), quantiles()),
    ),
    "np.percentile": Witness(of_sorted(np.percentile), reductions(tied, others=1, q=percents, method=methods)),
    "np.nanquantile": Witness(of_sorted(np.nanquantile), lacking(tied, q=portions, method=methods)),
    "np.nanpercentile": Witness(of_sorted(np.nanpercentile), lacking(tied, q=percents, method=methods)),
    # sets
    "np.unique": Witness(unique, st.one_of(each(tied), slices())),
    "np.unique_values": Witness(unique, each(tied)),
    "np.unique_counts": Witness(unique, each(tied), first(np.unique_counts)),
    "np.unique_inverse": Witness(unique, each(tied), first(np.unique_inverse)),
    "np.unique_all": Witness(unique, each(tied), first(np.unique_all)),
    "np.union1d": Witness(found(np.union1d), sets),
    "np.intersect1d": Witness(found(np.intersect1d), sets),
    "np.setdiff1d": Witness(found(np.setdiff1d), sets),
    "np.setxor1d": Witness(found(np.setxor1d), sets),
    # histograms
    "np.bincount": Witness(linear(bincount), counted(), bincount),
    "np.histogram": Witness(histogram, binned(1), binned_by(np.histogram)),
    "np.histogram2d": Witness(histogram, binned(2), binned_by(np.histogram2d)),
    "np.histogramdd": Witness(histogram, binned(3), histogramdd),
    "np.histogram_bin_edges": Witness(edges_of, bins()),
}
