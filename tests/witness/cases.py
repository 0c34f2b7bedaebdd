"""The numbers, shapes and axes that Hypothesis draws: the inputs of a call and its parameters."""

from __future__ import annotations

import functools

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, mutually_broadcastable_shapes

number = st.floats(-2, 2, width=16, allow_subnormal=False)

positive = st.floats(0.5, 2, width=16)

nonzero = st.one_of(positive, st.floats(-2, -0.5, width=16))

nonnegative = st.one_of(st.just(0.0), positive)

tied = st.integers(-2, 2).map(float)

whole = st.integers(1, 3).map(float)

spaced = st.integers(-40, 40).map(lambda i: i / 16)

third = st.integers(-2, 1).map(lambda i: i + 1 / 3)

inside = st.floats(-0.75, 0.75, width=16, allow_subnormal=False)

outside = st.floats(1.25, 3, width=16)

side = st.integers(0, 3)

large = st.sampled_from([(2, 3), (3, 2), (2, 1, 3), (2, 3, 2), (3, 1, 2)])

shapes = st.one_of(large, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))

ranked = st.one_of(large, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))

solid = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)

broadcastable = functools.partial(mutually_broadcastable_shapes, min_side=0, max_side=3)


def filled(shape, elements=number, unique=False):
    """Draw an array, each element by itself."""
    return arrays(np.float64, shape, elements=elements, fill=st.nothing(), unique=unique)


def each(elements=number, shape=shapes):
    return filled(shape, elements).map(lambda x: ([x], {}))


@st.composite
def pairs(draw, first=number, second=number):
    a, b = draw(broadcastable(num_shapes=2, max_dims=3)).input_shapes
    return [draw(filled(a, first)), draw(filled(b, second))], {}


@st.composite
def narrowed(draw, shape):
    """Draw a shape that broadcasts to ``shape``."""
    return tuple(draw(st.sampled_from([1, n])) for n in shape[draw(st.integers(0, len(shape))) :])


@st.composite
def signed(draw, axis, ndim):
    """Draw one of the two numbers that an axis has."""
    return axis - ndim * draw(st.booleans())


@st.composite
def axes_of(draw, ndim, fewest=0):
    """Draw None, an axis, or several."""
    if not ndim:
        return draw(st.sampled_from([None, ()]))
    several = draw(st.permutations(range(ndim)))[: draw(st.integers(fewest, ndim))]
    several = tuple(draw(signed(i, ndim)) for i in several)
    return draw(st.sampled_from([None, several, *several]))


@st.composite
def along(draw, shape=ranked, all_axes=False, elements=number):
    """Draw an array and one of its axes."""
    x = draw(filled(shape, elements))
    return [x], {"axis": draw(st.sampled_from([None] * all_axes + list(range(-x.ndim, x.ndim))))}
