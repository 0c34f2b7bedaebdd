"""The witnesses of shapes and axes, and of joining, cutting and indexing as the rules know it."""

from __future__ import annotations

import math

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, basic_indices, integer_array_indices
from numpy.lib.array_utils import normalize_axis_tuple

import tinygrad_lite as tg
from tests.witness.cases import axes_of, each, filled, narrowed, number, ranked, shapes, side, signed, solid
from tests.witness.formulas import Witness, flip, listed, take


@st.composite
def flips(draw):
    x = draw(filled(shapes))
    return [x], {"axis": draw(axes_of(x.ndim))}


@st.composite
def rolls(draw):
    x = draw(filled(shapes))
    axis, shift = draw(axes_of(x.ndim, fewest=1) if x.ndim else st.none()), st.integers(-4, 4)
    several = st.tuples(*[shift] * len(axis)) if isinstance(axis, tuple) else st.nothing()
    return [x], {"axis": axis, "shift": draw(st.one_of(shift, several))}


@st.composite
def reshapes(draw):
    x = draw(filled(shapes))
    order = tuple(draw(st.permutations(x.shape)))
    options = [order, (1, *order, 1), (-1,), x.size, (math.prod(order[:2]), *order[2:])]
    return [x], {"shape": draw(st.sampled_from(options))}


@st.composite
def permutations(draw, any_sign=True):
    """Draw an order of the axes: any, or a rotation, which from three axes on is not its own inverse."""
    x = draw(filled(shapes))
    order = draw(st.one_of(st.permutations(range(x.ndim)), st.just([*range(1, x.ndim), 0][: x.ndim])))
    if any_sign:
        order = draw(st.sampled_from([None, tuple(draw(signed(i, x.ndim)) for i in order)]))
    return [x], {"axes": order if order is None else tuple(order)}


@st.composite
def exchanges(draw, one="axis1", other="axis2"):
    x = draw(filled(ranked))
    axis = st.integers(-x.ndim, x.ndim - 1)
    return [x], {one: draw(axis), other: draw(axis)}


@st.composite
def moves(draw):
    x = draw(filled(shapes))
    n = draw(st.integers(0, x.ndim))
    names = [tuple(draw(signed(i, x.ndim)) for i in draw(st.permutations(range(x.ndim)))[:n]) for _ in range(2)]
    return [x], {"source": names[0], "destination": names[1]}


@st.composite
def broadcasts(draw):
    shape = draw(shapes)
    return [draw(filled(draw(narrowed(shape))))], {"shape": shape}


@st.composite
def insertions(draw):
    x = draw(filled(shapes))
    new = draw(st.integers(1, 2))
    rank = x.ndim + new
    axes = tuple(draw(signed(i, rank)) for i in draw(st.permutations(range(rank)))[:new])
    return [x], {"axis": axes if new > 1 else draw(st.sampled_from([axes, *axes]))}


@st.composite
def removals(draw):
    shape = draw(st.lists(st.sampled_from([1, 1, 0, 3]), max_size=4))
    ones = [draw(signed(i, len(shape))) for i, n in enumerate(shape) if n == 1]
    axis = draw(st.sampled_from([None, tuple(ones), tuple(ones[:1]), *ones]))
    return [draw(filled(tuple(shape)))], {"axis": axis}


@st.composite
def joined(draw, any_axis=True, count=None):
    """Draw arrays that differ in length along one axis, or are joined as they are laid out."""
    shape = draw(ranked)
    axis = draw(st.integers(0, len(shape) - 1))
    lengths = draw(st.lists(side, min_size=count or 1, max_size=count or 3))
    inputs = [draw(filled((*shape[:axis], n, *shape[axis + 1 :]))) for n in lengths]
    return inputs, {"axis": draw(st.sampled_from([None, draw(signed(axis, len(shape)))])) if any_axis else axis}


@st.composite
def stacked(draw):
    shape, count = draw(shapes), draw(st.integers(1, 3))
    return [draw(filled(shape)) for _ in range(count)], {"axis": draw(st.integers(-len(shape) - 1, len(shape)))}


@st.composite
def rows(draw):
    n = draw(side)
    shape = st.one_of(st.just((n,)), st.tuples(side, st.just(n)), st.just(()) if n == 1 else st.nothing())
    return draw(st.lists(shape.flatmap(filled), min_size=1, max_size=3)), {}


@st.composite
def columns(draw):
    n = draw(side)
    vectors = st.one_of(st.just(()), st.tuples(side))
    shape = draw(st.sampled_from([vectors, st.tuples(st.just(n), side), st.tuples(st.just(n), side, st.just(2))]))
    return draw(st.lists(shape.flatmap(filled), min_size=1, max_size=3)), {}


@st.composite
def cuts(draw):
    x = draw(filled(ranked))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    parts = [n for n in (1, 2, 3) if x.shape[axis] % n == 0]
    where = draw(st.one_of(st.sampled_from(parts), st.lists(st.integers(0, 4), max_size=3).map(sorted)))
    part = draw(st.integers(0, where - 1 if isinstance(where, int) else len(where)))
    return [x], {"where": where, "axis": axis, "part": part}


@st.composite
def paddings(draw):
    x = draw(filled(ranked))
    width = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return [x], {"widths": draw(st.tuples(*[width] * x.ndim)), "value": draw(number)}


@st.composite
def abbreviated_paddings(draw):
    [x], params = draw(paddings())
    widths = params["widths"]
    return [x], {"widths": draw(st.sampled_from([widths, widths[0], widths[0][0]])), "value": params["value"]}


@st.composite
def indices(draw, shape):
    """Draw slices and numbers and new axes, a mask, positions along every axis, or along one."""
    options = [basic_indices(shape, allow_newaxis=True), arrays(bool, shape)]
    if shape and all(shape):
        axis = draw(st.integers(0, len(shape) - 1))
        positions = arrays(int, draw(shapes), elements=st.integers(-shape[axis], shape[axis] - 1))
        options.append(integer_array_indices(shape, result_shape=shapes))
        options.append(positions.map(lambda positions: (*[slice(None)] * axis, positions)))
    return draw(st.one_of(options))


@st.composite
def taken(draw):
    x = draw(filled(shapes))
    return [x], {"index": draw(indices(x.shape))}


@st.composite
def taken_along(draw):
    """Draw positions along one axis, of any sign and of any rank, or among all elements."""
    shape = draw(solid)
    axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    n = math.prod(shape) if axis is None else shape[axis]
    positions = draw(
        arrays(int, draw(array_shapes(min_dims=0, max_dims=2, max_side=3)), elements=st.integers(-n, n - 1))
    )
    return [draw(filled(shape))], {"indices": positions, "axis": axis}


@st.composite
def placed(draw):
    shape = draw(shapes)
    index = draw(indices(shape))
    return [draw(filled(np.shape(np.zeros(shape)[index])))], {"index": index, "shape": shape}


def roll(x, shift, axis):
    if axis is None:
        return anp.roll(x, shift)
    for s, i in np.broadcast(shift, axis):
        x = anp.roll(x, int(s), int(i))
    return x


def transpose(x, axes):
    # Autograd's derivative is wrong for negative axes.
    return anp.transpose(x, axes if axes is None else normalize_axis_tuple(axes, x.ndim))


def place(x, index, shape):
    # A product with the matrix that has a one where an element of x goes to an element of the result.
    positions = np.arange(math.prod(shape)).reshape(shape)[index]
    return anp.reshape(anp.dot(anp.ravel(x), np.eye(math.prod(shape))[np.ravel(positions)]), shape)


def concatenate(*xs, axis):
    # Autograd does not take an axis of None.
    return anp.concatenate([anp.ravel(x) for x in xs]) if axis is None else anp.concatenate(xs, axis)


def filled_like(value, shape):
    return np.full_like(tg.Tensor(np.empty(shape)), value)


def one_part(split):
    return lambda x, where, part, **axis: split(x, where, **axis)[part]


WITNESSES = {
    "reshape": Witness(anp.reshape, reshapes()),
    "transpose": Witness(transpose, permutations(any_sign=False)),
    "broadcast_to": Witness(lambda x, shape: x + np.zeros(shape), broadcasts()),
    "concatenate": Witness(listed(anp.concatenate), joined(any_axis=False)),
    "pad": Witness(lambda x, widths, value: anp.pad(x, widths, "constant", constant_values=value), paddings()),
    "flip": Witness(flip, flips()),
    "roll": Witness(roll, rolls()),
    "getitem": Witness(lambda x, index: x[index], taken(), lambda x, index: x[index]),
    "place": Witness(place, placed()),
    "np.full_like": Witness(lambda v, shape: v + np.zeros(shape), broadcasts(), filled_like),
    "np.reshape": Witness(anp.reshape, reshapes()),
    "np.ravel": Witness(anp.ravel, each()),
    "np.transpose": Witness(transpose, permutations()),
    "np.swapaxes": Witness(anp.swapaxes, exchanges()),
    "np.matrix_transpose": Witness(lambda x: anp.swapaxes(x, -1, -2), each(shape=ranked.filter(lambda s: len(s) > 1))),
    "np.moveaxis": Witness(anp.moveaxis, st.one_of(moves(), exchanges("source", "destination"))),
    "np.expand_dims": Witness(anp.expand_dims, insertions()),
    "np.squeeze": Witness(anp.squeeze, removals()),
    "np.concatenate": Witness(concatenate, joined(), listed(np.concatenate)),
    "np.stack": Witness(listed(anp.stack), stacked(), listed(np.stack)),
    "np.vstack": Witness(listed(anp.vstack), rows(), listed(np.vstack)),
    "np.hstack": Witness(listed(anp.hstack), columns(), listed(np.hstack)),
    "np.split": Witness(one_part(anp.split), cuts(), one_part(np.split)),
    "np.take": Witness(take, taken_along()),
    "np.copy": Witness(lambda x: 1 * x, each()),
    "np.pad": Witness(
        lambda x, widths, value: anp.pad(x, widths, "constant", constant_values=value),
        abbreviated_paddings(),
        lambda x, widths, value: np.pad(x, widths, constant_values=value),
    ),
}
