"""The witnesses of sums, products and extremes, along axes and running."""

from __future__ import annotations

import functools

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st
from numpy.lib.array_utils import normalize_axis_tuple

from tests.witness.cases import along, axes_of, filled, number, shapes, spaced, tied
from tests.witness.formulas import Witness, take, value_of


@st.composite
def reductions(draw, elements=number, fewest=1, unique=False, others=0, **options):
    """Draw axes, and an array that is at least so long along them.

    An extreme or a mean has no value along an axis without elements. A variance may divide by n - 1.
    """
    ndim = draw(st.integers(fewest > 1, 3))
    axis = draw(axes_of(ndim, fewest=fewest > 1))
    reduced = normalize_axis_tuple(range(ndim) if axis is None else axis, ndim)
    shape = [draw(st.integers(fewest if i in reduced else others, 3)) for i in range(ndim)]
    params = {"axis": axis, "keepdims": draw(st.booleans())} | {k: draw(v) for k, v in options.items()}
    return [draw(filled(tuple(shape), elements, unique))], params


def prod(x, axis, keepdims):
    # Autograd divides by the elements, of which some may be zero.
    result = np.prod(np.zeros(x.shape), axis=axis, keepdims=keepdims)
    for i in normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim):
        factors = [x[(*[slice(None)] * i, slice(j, j + 1))] for j in range(x.shape[i])]
        x = functools.reduce(anp.multiply, factors, 1 + 0 * anp.sum(x, axis=i, keepdims=True))
    return anp.reshape(x, result.shape)


def cumprod(x, axis):
    """Return running products, each a product of its own; of all elements in order if the axis is None."""
    x, axis = (anp.ravel(x), 0) if axis is None else (x, axis)
    if not x.shape[axis]:
        return 1 * x
    rows = [take(x, [i], axis) for i in range(x.shape[axis])]
    return anp.concatenate([functools.reduce(anp.multiply, rows[: i + 1]) for i in range(len(rows))], axis)


WITNESSES = {
    "sum": Witness(anp.sum, reductions(fewest=0)),
    "mean": Witness(anp.mean, reductions()),
    "prod": Witness(prod, reductions(fewest=0)),
    "max": Witness(anp.max, reductions(tied)),
    "min": Witness(anp.min, reductions(tied)),
    "cumsum": Witness(anp.cumsum, along()),
    "cumprod": Witness(cumprod, along(elements=tied)),
    "np.unwrap": Witness(
        lambda p, axis: p + (np.unwrap(value_of(p), axis=axis) - value_of(p)),
        along(elements=st.floats(-9, 9, width=16)),
    ),
    "np.sum": Witness(anp.sum, reductions(fewest=0)),
    "np.mean": Witness(anp.mean, reductions()),
    "np.prod": Witness(prod, reductions(fewest=0)),
    "np.max": Witness(anp.max, reductions(tied)),
    "np.min": Witness(anp.min, reductions(tied)),
    "np.var": Witness(anp.var, reductions(fewest=2, ddof=st.sampled_from([0, 0.5, 1]))),
    "np.std": Witness(
        anp.std,
        st.one_of(
            reductions(spaced, fewest=2, unique=True, ddof=st.sampled_from([0, 0.5, 1])),
            reductions(spaced, fewest=1, unique=True, ddof=st.just(0)),
        ),
    ),
    "np.cumsum": Witness(anp.cumsum, along(shapes, all_axes=True)),
    "np.cumprod": Witness(cumprod, along(shapes, all_axes=True, elements=tied)),
    "np.nancumsum": Witness(anp.cumsum, along(shapes, all_axes=True)),
    "np.nancumprod": Witness(cumprod, along(shapes, all_axes=True, elements=tied)),
    "np.cumulative_sum": Witness(anp.cumsum, along()),
    "np.cumulative_prod": Witness(cumprod, along(elements=tied)),
}
