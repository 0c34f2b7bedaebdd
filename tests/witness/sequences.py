"""The witnesses of differences, convolutions and polynomials."""

from __future__ import annotations

import functools
import itertools

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from tests.witness.cases import along, filled, nonzero, positive, ranked, shapes, side
from tests.witness.formulas import Witness, bilinear, linear


@st.composite
def vectors(draw, is_first_longer=False):
    lengths = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return [draw(filled((n,))) for n in (sorted(lengths, reverse=True) if is_first_longer else lengths)], {}


@st.composite
def sequences(draw):
    inputs, _ = draw(vectors())
    return inputs, {"mode": draw(st.sampled_from(["full", "same", "valid"]))}


@st.composite
def differences(draw):
    """Draw an array, and perhaps what stands before it and after it."""
    [x], params = draw(along(ranked))
    axis = params["axis"]
    ends = [draw(filled((*x.shape[:axis], 1, *x.shape[axis:][1:]))) for _ in range(draw(st.sampled_from([0, 2])))]
    return [x, *ends], params | {"n": draw(st.integers(0, 3))}


def diff(x, *ends, n, axis):
    return np.diff(x, n, axis, *ends)


@st.composite
def between(draw):
    return [draw(filled(draw(shapes))) for _ in range(draw(st.sampled_from([1, 3])))], {}


@st.composite
def samples(draw):
    """Draw sampled values, and a distance of the samples, or their coordinates along an axis."""
    x = draw(filled(array_shapes(min_dims=1, max_dims=2, min_side=3, max_side=4)))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    steps = draw(st.one_of(filled((), positive), filled((x.shape[axis] - 1,), positive)))
    return [x, steps], {"axis": axis}


@st.composite
def slopes(draw):
    inputs, params = draw(samples())
    return inputs, params | {"edge_order": draw(st.integers(1, 2))}


def gradient(f, steps, axis, edge_order):
    """Return the slope at each sample of the parabola through it and two others, or of a line at the ends."""
    n = f.shape[axis]
    f, h = anp.moveaxis(f, axis, 0), anp.reshape(steps + np.zeros(n - 1), (n - 1, *[1] * (f.ndim - 1)))
    rows = []
    for i in range(n):
        if 0 < i < n - 1:
            a, b = h[i - 1], h[i]
            row = (a * a * f[i + 1] + (b * b - a * a) * f[i] - b * b * f[i - 1]) / (a * b * (a + b))
        elif edge_order == 1:
            j = min(i, n - 2)
            row = (f[j + 1] - f[j]) / h[j]
        else:
            (a, b), (p, q, r) = (h[:2], f[:3]) if i == 0 else (-h[:-3:-1], f[:-4:-1])
            row = ((a + b) ** 2 * (q - p) - a * a * (r - p)) / (a * b * (a + b))
        rows.append(row)
    return anp.moveaxis(anp.stack(rows), 0, axis)


def coordinates(steps):
    return steps if steps.ndim == 0 else np.concatenate([np.zeros(1), np.cumsum(steps)])


def by_gradient(x, steps, **params):
    return np.gradient(x, coordinates(steps), **params)


def by_trapezoid(y, steps, axis):
    return np.trapezoid(y, dx=steps, axis=axis) if steps.ndim == 0 else np.trapezoid(y, coordinates(steps), axis=axis)


def polyint(p, k, m):
    return np.polyint(p, m, k)


def trapezoid(y, steps, axis):
    y = anp.moveaxis(y, axis, -1)
    return anp.sum(steps * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)


@st.composite
def polynomials(draw, count=1, fewest=1, **options):
    inputs = [draw(filled((draw(st.integers(fewest, 4)),), nonzero)) for _ in range(count)]
    return inputs, {k: draw(v) for k, v in options.items()}


@st.composite
def evaluations(draw):
    return [draw(filled((draw(side),))), draw(filled(shapes))], {}


@st.composite
def integrals(draw):
    m = draw(st.integers(0, 2))
    return [draw(filled((draw(side),))), draw(filled((m,)))], {"m": m}


def polyval(p, x):
    return sum((p[i] * x ** (len(p) - 1 - i) for i in range(len(p))), 0 * x)


def poly(zeros):
    """Return the coefficients, each a sum over subsets of the zeros of their products."""
    rows = []
    for k in range(zeros.size + 1):
        subsets = itertools.combinations(range(zeros.size), k)
        products = [functools.reduce(anp.multiply, [zeros[i] for i in subset], 1.0) for subset in subsets]
        rows.append((-1) ** k * sum(products))
    return anp.stack(rows)


def vander(x, N, increasing):
    powers = [x**0 if k == 0 else x**k for k in range(x.size if N is None else N)]
    return anp.stack(powers if increasing else powers[::-1], axis=1)


WITNESSES = {
    # sequences that move along each other
    "convolve": Witness(bilinear(np.convolve), vectors()),
    "correlate": Witness(bilinear(np.correlate), vectors(is_first_longer=True)),
    "np.convolve": Witness(bilinear(np.convolve), sequences()),
    "np.correlate": Witness(bilinear(np.correlate), sequences()),
    # differences
    "np.diff": Witness(linear(diff), differences(), diff),
    "np.ediff1d": Witness(linear(np.ediff1d), between()),
    "np.gradient": Witness(gradient, slopes(), by_gradient),
    "np.trapezoid": Witness(trapezoid, samples(), by_trapezoid),
    # polynomials
    "np.polyval": Witness(polyval, evaluations()),
    "np.polyadd": Witness(linear(np.polyadd), polynomials(2)),
    "np.polysub": Witness(linear(np.polysub), polynomials(2)),
    "np.polymul": Witness(bilinear(np.convolve), polynomials(2)),
    "np.polyder": Witness(linear(np.polyder), polynomials(m=side)),
    "np.polyint": Witness(linear(polyint), integrals(), polyint),
    "np.poly": Witness(poly, polynomials()),
    "np.vander": Witness(vander, polynomials(N=st.one_of(st.none(), st.integers(1, 4)), increasing=st.booleans())),
}
