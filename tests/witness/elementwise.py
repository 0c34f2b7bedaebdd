"""The witnesses of arithmetic, powers, trigonometric functions and choices."""

from __future__ import annotations

import math

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.witness.cases import (
    broadcastable,
    each,
    filled,
    inside,
    narrowed,
    nonnegative,
    nonzero,
    number,
    outside,
    pairs,
    positive,
    shapes,
    third,
    tied,
    whole,
)
from tests.witness.formulas import Witness, value_of, where


@st.composite
def choices(draw):
    a, b, c = draw(broadcastable(num_shapes=3, max_dims=3)).input_shapes
    return [draw(filled(a)), draw(filled(b))], {"condition": draw(arrays(bool, c))}


@st.composite
def scalings(draw):
    a, b = draw(broadcastable(num_shapes=2, max_dims=3)).input_shapes
    return [draw(filled(a))], {"i": draw(arrays(int, b, elements=st.integers(-3, 3)))}


@st.composite
def interpolations(draw):
    """Draw points, and numbers between, before and behind them."""
    count, reach = draw(st.integers(1, 4)), st.integers(-3, 3).map(float)
    points = np.sort(draw(arrays(np.float64, count, elements=reach, fill=st.nothing(), unique=True)))
    return [draw(filled(shapes, third)), points, draw(filled((count,)))], {}


@st.composite
def powers(draw):
    n = draw(st.sampled_from([-2, -1, 0, 1, 2, 3, 2.0, 0.5, -1.5]))
    elements = positive if n != int(n) else nonzero if n < 0 else tied
    return [draw(filled(shapes, elements))], {"n": n}


@st.composite
def bounded(draw):
    """Draw bounds that no element is equal to: there autograd's derivative is 0, this library's 1; both may be."""
    return [draw(filled(shapes))], {"low": draw(third), "high": draw(third)}


@st.composite
def bounded_by_arrays(draw):
    x = draw(filled(shapes))
    bound = st.one_of(st.none(), third, narrowed(x.shape).flatmap(lambda shape: filled(shape, third)))
    return [x], {"a_min": draw(bound), "a_max": draw(bound)}


def hypot(a, b):
    # Autograd's derivative divides by 0 at the origin.
    is_origin = (a == 0) & (b == 0)
    return anp.where(is_origin, 0, anp.sqrt(anp.where(is_origin, 1, a * a + b * b)))


def interp(x, xp, fp):
    """Return the first value, and what each interval adds to it."""
    y = fp[0] + 0 * x
    for k in range(len(xp) - 1):
        run, rise = xp[k + 1] - xp[k], fp[k + 1] - fp[k]
        y = y + rise * anp.where(x < xp[k], 0, anp.where(x > xp[k + 1], 1, (x - xp[k]) / run))
    return y


def raised(power):
    return lambda a, *b, n=None: power(a, *b) if n is None else power(a, n)


WITNESSES = {
    "identity": Witness(lambda x: 1 * x, each()),
    "add": Witness(anp.add, pairs()),
    "subtract": Witness(anp.subtract, pairs()),
    "difference": Witness(anp.subtract, pairs()),
    "multiply": Witness(anp.multiply, pairs()),
    "divide": Witness(anp.divide, pairs(number, nonzero)),
    "remainder": Witness(anp.remainder, pairs(number, nonzero)),
    "fmod": Witness(lambda a, b: anp.sign(a) * anp.remainder(anp.abs(a), anp.abs(b)), pairs(nonzero, nonzero)),
    "negative": Witness(anp.negative, each()),
    "power": Witness(lambda x, n: anp.power(x, n), powers()),
    # At an exponent of 0 autograd's mixed second derivative is wrong: a, not 1 / a. At a base of 0 its derivative is
    # infinite for exponents below 1, this library's 0.
    "power_of": Witness(anp.power, st.one_of(pairs(positive, nonzero), pairs(nonnegative, whole))),
    "square": Witness(anp.square, each()),
    "sqrt": Witness(anp.sqrt, each(positive)),
    "cbrt": Witness(lambda x: anp.sign(x) * anp.abs(x) ** (1 / 3), each(nonzero)),
    "hypot": Witness(hypot, st.one_of(pairs(), pairs(tied, tied))),
    "ldexp": Witness(lambda x, i: x * 2.0**i, scalings()),
    "reciprocal": Witness(anp.reciprocal, each(nonzero)),
    "abs": Witness(anp.abs, each()),
    "exp": Witness(anp.exp, each()),
    "expm1": Witness(anp.expm1, each()),
    "exp2": Witness(anp.exp2, each()),
    "log2": Witness(anp.log2, each(positive)),
    "log10": Witness(anp.log10, each(positive)),
    "log": Witness(anp.log, each(positive)),
    "log1p": Witness(anp.log1p, each(st.floats(-0.5, 2, width=16))),
    "logaddexp": Witness(anp.logaddexp, st.one_of(pairs(), pairs(tied, tied))),
    "sin": Witness(anp.sin, each()),
    "cos": Witness(anp.cos, each()),
    "tan": Witness(anp.tan, each(st.floats(-1.25, 1.25, width=16))),
    "arcsin": Witness(anp.arcsin, each(inside)),
    "arccos": Witness(anp.arccos, each(inside)),
    "arctan": Witness(anp.arctan, each()),
    "arctan2": Witness(anp.arctan2, st.one_of(pairs(number, nonzero), pairs(nonzero, number))),
    "arcsinh": Witness(anp.arcsinh, each()),
    "arccosh": Witness(anp.arccosh, each(outside)),
    "arctanh": Witness(anp.arctanh, each(inside)),
    "sinh": Witness(anp.sinh, each()),
    "cosh": Witness(anp.cosh, each()),
    "tanh": Witness(anp.tanh, each()),
    "maximum": Witness(anp.maximum, pairs(tied, tied)),
    "minimum": Witness(anp.minimum, pairs(tied, tied)),
    "clip": Witness(lambda x, low, high: anp.clip(x, low, high), bounded()),
    "where": Witness(where, choices()),
    "astype": Witness(lambda x, dtype: x.astype(dtype), each().map(lambda case: (case[0], {"dtype": np.float64}))),
    "to": Witness(
        lambda x, device, source: 1 * x, each().map(lambda case: (case[0], {"device": "cpu", "source": "cpu"}))
    ),
    "np.power": Witness(
        raised(anp.power), st.one_of(powers(), pairs(positive, nonzero), pairs(nonnegative, whole)), raised(np.power)
    ),
    "np.float_power": Witness(raised(anp.power), st.one_of(powers(), pairs(positive, nonzero)), raised(np.float_power)),
    "np.logaddexp2": Witness(anp.logaddexp2, pairs()),
    "np.i0": Witness(lambda x: sum((x * x / 4) ** k / math.factorial(k) ** 2 for k in range(20)), each()),
    "np.sinc": Witness(
        lambda x: sum((-1) ** k * (math.pi * x) ** (2 * k) / math.factorial(2 * k + 1) for k in range(30)), each()
    ),
    "np.deg2rad": Witness(anp.deg2rad, each()),
    "np.rad2deg": Witness(anp.rad2deg, each()),
    "np.fabs": Witness(anp.fabs, each(nonzero)),
    "np.copysign": Witness(lambda a, b: anp.abs(a) * anp.where(b < 0, -1, 1), pairs(nonzero, nonzero)),
    "np.modf": Witness(lambda x: x - np.trunc(value_of(x)), each(), lambda x: np.modf(x)[0]),
    "np.frexp": Witness(lambda x: x / 2.0 ** np.frexp(value_of(x))[1], each(), lambda x: np.frexp(x)[0]),
    "np.astype": Witness(lambda x: 1 * x, each(), lambda x: np.astype(x, np.float64)),
    "np.real": Witness(lambda x: 1 * x, each()),
    "np.imag": Witness(lambda x: 0 * x, each(), lambda x: np.imag(x) * x),
    "np.conjugate": Witness(lambda x: 1 * x, each()),
    "np.real_if_close": Witness(lambda x: 1 * x, each()),
    "np.angle": Witness(lambda x: np.angle(value_of(x)) * x, each(), lambda x: np.angle(x) * x),
    "np.fmax": Witness(anp.maximum, pairs(tied, tied)),
    "np.fmin": Witness(anp.minimum, pairs(tied, tied)),
    "np.heaviside": Witness(
        lambda a, b: a * where(b, (value_of(a) > 0) * 1.0, value_of(a) == 0),
        pairs(tied, number),
        lambda a, b: np.heaviside(a, b) * a,
    ),
    "np.select": Witness(
        lambda a, b: where(a, where(a * b, -b, value_of(b) > 0), value_of(a) > 1),
        pairs(tied, nonzero),
        lambda a, b: np.select([a > 1, b > 0], [a, a * b], -b),
    ),
    "np.piecewise": Witness(
        lambda x: anp.where(x < 0, -x, anp.where(x > 0, x * x, 0.5)),
        each(tied),
        lambda x: np.piecewise(x, [x < 0, x > 0], [lambda x: -x, np.square, 0.5]),
    ),
    "np.interp": Witness(interp, interpolations()),
    "np.nan_to_num": Witness(
        lambda x: anp.where(value_of(x) == 2, 0.5, x),
        each(tied),
        lambda x: np.nan_to_num(np.where(x == 2, np.nan, x), nan=0.5),
    ),
    "np.where": Witness(where, choices(), lambda a, b, condition: np.where(condition, a, b)),
    "np.clip": Witness(
        lambda x, a_min, a_max: anp.clip(x, -np.inf if a_min is None else a_min, np.inf if a_max is None else a_max),
        bounded_by_arrays(),
    ),
    "np.divmod": Witness(anp.remainder, pairs(number, nonzero), lambda a, b: np.divmod(a, b)[1]),
}
