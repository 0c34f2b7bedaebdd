"""The witnesses of joining, cutting, picking, repeating and turning, of diagonals, and of grids."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tinygrad_lite as tg
from tests.witness.cases import (
    along,
    axes_of,
    broadcastable,
    each,
    filled,
    number,
    pairs,
    positive,
    ranked,
    shapes,
    side,
    signed,
    solid,
)
from tests.witness.formulas import Witness, linear, listed, moved, parts
from tests.witness.shapes import joined, one_part


@st.composite
def vectors_or_columns(draw):
    n = draw(side)
    shape = st.one_of(st.just((n,)), st.tuples(st.just(n), side))
    return draw(st.lists(shape.flatmap(filled), min_size=1, max_size=3)), {}


@st.composite
def layers_of_solids(draw):
    m, n = draw(st.sampled_from([1, 3])), draw(side)
    shape = st.one_of(st.just((m, n)), st.tuples(st.just(m), st.just(n), side), st.just((n,) if m == 1 else (m, n)))
    return draw(st.lists(shape.flatmap(filled), min_size=1, max_size=3)), {}


@st.composite
def blocks(draw):
    heights, widths = draw(st.tuples(side, side)), draw(st.tuples(side, side))
    return [draw(filled((m, n))) for m in heights for n in widths], {}


@st.composite
def any_cuts(draw):
    """Draw cuts into parts that may differ in length."""
    shape = draw(array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    where = draw(st.one_of(st.integers(1, 3), st.lists(st.integers(0, 4), max_size=3).map(sorted)))
    part = draw(st.integers(0, where - 1 if isinstance(where, int) else len(where)))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return [draw(filled(shape))], {"where": where, "part": part, "axis": axis}


@st.composite
def equal_cuts(draw, axis, fewest):
    shape = list(draw(array_shapes(min_dims=fewest, max_dims=3, min_side=0, max_side=3)))
    axis = min(axis, len(shape) - 1)
    where = draw(st.one_of(st.integers(1, 3), st.lists(st.integers(0, 4), max_size=3).map(sorted)))
    if isinstance(where, int):
        shape[axis] = where * draw(st.integers(0, 2))
    part = draw(st.integers(0, where - 1 if isinstance(where, int) else len(where)))
    return [draw(filled(tuple(shape)))], {"where": where, "part": part}


@st.composite
def chosen(draw):
    *choices, of_numbers = draw(broadcastable(num_shapes=4, max_dims=2)).input_shapes
    numbers = draw(arrays(int, of_numbers, elements=st.integers(0, 2)))
    return [draw(filled(shape)) for shape in choices], {"numbers": numbers}


@st.composite
def conditions(draw):
    [x], params = draw(along(shapes.filter(len), all_axes=True))
    n = x.size if params["axis"] is None else x.shape[params["axis"]]
    return [x], params | {"condition": draw(arrays(bool, draw(st.integers(0, n))))}


@st.composite
def masked(draw):
    x = draw(filled(shapes))
    return [x], {"condition": draw(arrays(bool, x.shape))}


@st.composite
def removed(draw):
    """Draw a position, several, a mask, or a slice."""
    [x], params = draw(along(solid, all_axes=True))
    n = x.size if params["axis"] is None else x.shape[params["axis"]]
    position = st.integers(-n, n - 1)
    options = [position, st.lists(position, max_size=3), arrays(bool, n), st.slices(n)]
    return [x], params | {"obj": draw(st.one_of(options))}


@st.composite
def inserted(draw):
    """Draw one position or several, and the values for each; or one value for all."""
    [x], params = draw(along(ranked, all_axes=True))
    axis = params["axis"]
    shape = [x.size] if axis is None else list(x.shape)
    where = draw(st.lists(st.integers(0, shape[axis or 0]), min_size=1, max_size=3))
    shape[axis or 0] = len(where)
    return [x, draw(st.one_of(filled(()), filled(tuple(shape))))], params | {"obj": where}


@st.composite
def repetitions(draw):
    [x], params = draw(along(shapes.filter(len), all_axes=True))
    n = x.size if params["axis"] is None else x.shape[params["axis"]]
    return [x], params | {"repeats": draw(st.one_of(side, arrays(int, n, elements=side)))}


@st.composite
def taken_along_axis(draw):
    [x], params = draw(along(solid, all_axes=True))
    shape = [x.size] if params["axis"] is None else list(x.shape)
    n = shape[params["axis"] or 0]
    shape[params["axis"] or 0] = draw(side)
    return [x], params | {"indices": draw(arrays(int, tuple(shape), elements=st.integers(-n, n - 1)))}


@st.composite
def unstacked(draw):
    [x], params = draw(along(solid))
    return [x], params | {"part": draw(st.integers(0, x.shape[params["axis"]] - 1))}


@st.composite
def slid(draw):
    [x], _ = draw(each(shape=solid))
    several = draw(st.permutations(range(x.ndim)))[: draw(st.integers(1, x.ndim))]
    window = tuple(draw(st.integers(1, x.shape[i])) for i in several)
    return [x], {"window_shape": window, "axis": tuple(draw(signed(i, x.ndim)) for i in several)}


@st.composite
def turned(draw):
    x = draw(filled(ranked.filter(lambda shape: len(shape) > 1)))
    axes = draw(st.permutations(range(x.ndim)))[:2]
    return [x], {"k": draw(st.integers(-5, 5)), "axes": tuple(draw(signed(i, x.ndim)) for i in axes)}


@st.composite
def rolled_axes(draw):
    x = draw(filled(ranked))
    return [x], {"axis": draw(st.integers(-x.ndim, x.ndim - 1)), "start": draw(st.integers(-x.ndim, x.ndim))}


@st.composite
def diagonals(draw):
    x = draw(filled(ranked.filter(lambda shape: len(shape) > 1)))
    axes = draw(st.permutations(range(x.ndim)))[:2]
    names = zip(["axis1", "axis2"], (draw(signed(i, x.ndim)) for i in axes), strict=True)
    return [x], dict(names) | {"offset": draw(st.integers(-3, 3))}


@st.composite
def scattered(draw):
    """Draw an array, positions of their own for each place of the other axes, and what goes there."""
    [x], params = draw(along(solid))
    axis = params["axis"]
    count = draw(st.integers(0, x.shape[axis]))
    order = np.argsort(np.random.default_rng(draw(st.integers(0, 1000))).random(x.shape), axis=axis)
    index = np.take(order, np.arange(count), axis=axis)
    return [x, draw(filled(index.shape))], params | {"index": index}


def put(x, source, axis, index):
    y = x.copy()
    np.put_along_axis(y, index, source, axis)
    return y


@st.composite
def added(draw):
    """Draw an array, positions along an axis, and what is added there."""
    [x], params = draw(along(solid))
    n = x.shape[params["axis"]]
    index = draw(st.lists(st.integers(-n, n - 1), max_size=4))
    shape = list(x.shape)
    shape[params["axis"]] = len(index)
    return [x, draw(filled(tuple(shape)))], params | {"index": np.array(index, int)}


def add_at(x, source, axis, index):
    y = np.moveaxis(x, axis, 0).copy()
    np.add.at(y, index, np.moveaxis(source, axis, 0))
    return np.moveaxis(y, 0, axis)


@st.composite
def grids(draw, **options):
    lengths = draw(st.lists(side, min_size=1, max_size=3))
    return [draw(filled((n,))) for n in lengths], {k: draw(v) for k, v in options.items()}


@st.composite
def ends(draw, elements=number):
    """Draw the ends of grids, and how many numbers lie between."""
    inputs, _ = draw(pairs(elements, elements))
    axis = st.integers(-1, max(x.ndim for x in inputs))
    return inputs, {"num": draw(st.integers(0, 4)), "endpoint": draw(st.booleans()), "axis": draw(axis)}


@st.composite
def with_offset(draw, shape):
    return [draw(filled(draw(shape)))], {"k": draw(st.integers(-3, 3))}


@st.composite
def with_lengths(draw, name, fewest=0):
    return [draw(filled(shapes))], {name: draw(st.lists(side, min_size=fewest, max_size=3).map(tuple))}


@st.composite
def shifts(draw):
    x = draw(filled(ranked))
    return [x], {"axes": draw(axes_of(x.ndim))}


def scatter(x, source, axis, index):
    return tg.scatter(x, axis, index, source)


def index_add(x, source, axis, index):
    return tg.index_add(x, axis, index, source)


def inserting(x, values, obj, axis):
    return np.insert(x, obj, values, axis)


def compress(x, condition, axis):
    return np.compress(condition, x, axis)


def extract(x, condition):
    return np.extract(condition, x)


def choose(*choices, numbers):
    return np.choose(numbers, choices)


def unstack(x, axis, part):
    return np.unstack(x, axis=axis)[part]


def blocked(a, b, c, d):
    return np.block([[a, b], [c, d]])


WITNESSES = {
    # joining
    "np.append": Witness(moved(np.append), joined(count=2)),
    "np.block": Witness(moved(blocked), blocks(), blocked),
    "np.column_stack": Witness(moved(listed(np.column_stack)), vectors_or_columns(), listed(np.column_stack)),
    "np.dstack": Witness(moved(listed(np.dstack)), layers_of_solids(), listed(np.dstack)),
    "np.insert": Witness(moved(inserting), inserted(), inserting),
    # cutting and picking
    "np.array_split": Witness(moved(one_part(np.array_split)), any_cuts(), one_part(np.array_split)),
    "np.vsplit": Witness(moved(one_part(np.vsplit)), equal_cuts(0, 2), one_part(np.vsplit)),
    "np.hsplit": Witness(moved(one_part(np.hsplit)), equal_cuts(1, 1), one_part(np.hsplit)),
    "np.dsplit": Witness(moved(one_part(np.dsplit)), equal_cuts(2, 3), one_part(np.dsplit)),
    "np.unstack": Witness(moved(unstack), unstacked(), unstack),
    "np.choose": Witness(moved(choose), chosen(), choose),
    "np.compress": Witness(moved(compress), conditions(), compress),
    "np.extract": Witness(moved(extract), masked(), extract),
    "np.delete": Witness(moved(np.delete), removed()),
    "np.take_along_axis": Witness(moved(np.take_along_axis), taken_along_axis()),
    "np.lib.stride_tricks.sliding_window_view": Witness(moved(np.lib.stride_tricks.sliding_window_view), slid()),
    "tg.scatter": Witness(moved(put), scattered(), scatter),
    "tg.index_add": Witness(linear(add_at), added(), index_add),
    # repeating
    "np.repeat": Witness(moved(np.repeat), repetitions()),
    "np.resize": Witness(moved(np.resize), with_lengths("new_shape")),
    "np.tile": Witness(moved(np.tile), with_lengths("reps")),
    # axes
    "np.atleast_1d": Witness(moved(np.atleast_1d), each()),
    "np.atleast_2d": Witness(moved(np.atleast_2d), each()),
    "np.atleast_3d": Witness(moved(np.atleast_3d), each()),
    "np.broadcast_arrays": Witness(moved(parts(np.broadcast_arrays)), pairs(), parts(np.broadcast_arrays)),
    "np.flipud": Witness(moved(np.flipud), each(shape=ranked)),
    "np.fliplr": Witness(moved(np.fliplr), each(shape=ranked.filter(lambda shape: len(shape) > 1))),
    "np.rollaxis": Witness(moved(np.rollaxis), rolled_axes()),
    "np.rot90": Witness(moved(np.rot90), turned()),
    "np.fft.fftshift": Witness(moved(np.fft.fftshift), shifts()),
    "np.fft.ifftshift": Witness(moved(np.fft.ifftshift), shifts()),
    # diagonals and triangles
    "np.diagonal": Witness(moved(np.diagonal), diagonals()),
    "np.trace": Witness(linear(np.trace), diagonals()),
    "np.diag": Witness(moved(np.diag), with_offset(st.one_of(st.tuples(side), st.tuples(side, side)))),
    "np.diagflat": Witness(moved(np.diagflat), with_offset(array_shapes(min_dims=0, max_dims=2, max_side=2))),
    "np.tril": Witness(moved(np.tril), with_offset(ranked)),
    "np.triu": Witness(moved(np.triu), with_offset(ranked)),
    # grids
    "np.ix_": Witness(moved(parts(np.ix_)), grids(), parts(np.ix_)),
    "np.meshgrid": Witness(
        moved(parts(np.meshgrid)),
        grids(sparse=st.booleans(), indexing=st.sampled_from(["xy", "ij"])),
        parts(np.meshgrid),
    ),
    "np.linspace": Witness(linear(np.linspace), ends()),
    "np.logspace": Witness(lambda a, b, **params: 10.0 ** linear(np.linspace)(a, b, **params), ends()),
    "np.geomspace": Witness(
        lambda a, b, **params: anp.exp(linear(np.linspace)(anp.log(a), anp.log(b), **params)), ends(positive)
    ),
}
