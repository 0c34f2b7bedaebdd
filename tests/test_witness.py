"""Every rule, and all that is composed of rules, has the values and two derivatives that HIPS autograd finds.

Autograd is a library of its own, with derivatives of its own. What it has no function for is written in those it has,
so that its formula is that of the value alone and the derivatives are found by autograd. Shapes (0-d, empty,
broadcast), values (zeros, ties), axes and indices are drawn by Hypothesis; where autograd is wrong, or knows no
derivative, a comment says what is not drawn.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.tracer import isbox
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import (
    array_shapes,
    arrays,
    basic_indices,
    integer_array_indices,
    mutually_broadcastable_shapes,
)
from numpy.lib.array_utils import normalize_axis_tuple

import tinygrad_lite as tg
from models.mnist import Net
from tinygrad_lite.nn.functional import cross_entropy, one_hot, squared_loss
from tinygrad_lite.rules.windows import Geometry

quick = settings(deadline=None, max_examples=20, derandomize=True)

# Numbers. Half precision has none so small that its square or reciprocal is lost.

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

# Cases: the inputs of a call and its parameters.

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
def choices(draw):
    a, b, c = draw(broadcastable(num_shapes=3, max_dims=3)).input_shapes
    return [draw(filled(a)), draw(filled(b))], {"condition": draw(arrays(bool, c))}


@st.composite
def narrowed(draw, shape):
    """Draw a shape that broadcasts to ``shape``."""
    return tuple(draw(st.sampled_from([1, n])) for n in shape[draw(st.integers(0, len(shape))) :])


@st.composite
def signed(draw, axis, ndim):
    """Draw one of the two numbers that an axis has."""
    return axis - ndim * draw(st.booleans())


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


@st.composite
def axes_of(draw, ndim, fewest=0):
    """Draw None, an axis, or several."""
    if not ndim:
        return draw(st.sampled_from([None, ()]))
    several = draw(st.permutations(range(ndim)))[: draw(st.integers(fewest, ndim))]
    several = tuple(draw(signed(i, ndim)) for i in several)
    return draw(st.sampled_from([None, several, *several]))


@st.composite
def reductions(draw, elements=number, fewest=1, unique=False, **options):
    """Draw axes, and an array that is at least so long along them.

    An extreme or a mean has no value along an axis without elements. A variance may divide by n - 1.
    """
    ndim = draw(st.integers(fewest > 1, 3))
    axis = draw(axes_of(ndim, fewest=fewest > 1))
    reduced = normalize_axis_tuple(range(ndim) if axis is None else axis, ndim)
    shape = [draw(st.integers(fewest if i in reduced else 0, 3)) for i in range(ndim)]
    params = {"axis": axis, "keepdims": draw(st.booleans())} | {k: draw(v) for k, v in options.items()}
    return [draw(filled(tuple(shape), elements, unique))], params


@st.composite
def along(draw, shape=ranked, all_axes=False, elements=number):
    """Draw an array and one of its axes."""
    x = draw(filled(shape, elements))
    return [x], {"axis": draw(st.sampled_from([None] * all_axes + list(range(-x.ndim, x.ndim))))}


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
def losses(draw, second):
    shape = draw(solid)
    return [draw(filled(shape)), draw(filled(shape, second))], {}


@st.composite
def products(draw, signature):
    a, b = draw(broadcastable(signature=signature, max_dims=2)).input_shapes
    return [draw(filled(a)), draw(filled(b))], {}


@st.composite
def layers(draw):
    drawn = draw(broadcastable(signature="(m,n),(n,p)->(m,p)", max_dims=2))
    return [draw(filled(shape)) for shape in (*drawn.input_shapes, draw(narrowed(drawn.result_shape)))], {}


@st.composite
def dots(draw):
    left, right, n, m = draw(st.lists(side, max_size=2)), draw(st.lists(side, max_size=1)), draw(side), draw(side)
    pairs = [((*left, n), (*right, n, m)), ((*left, n), (n,)), ((), tuple(left)), (tuple(left), ())]
    return [draw(filled(shape)) for shape in draw(st.sampled_from(pairs))], {}


@st.composite
def outers(draw):
    return [draw(filled(draw(shapes))) for _ in range(2)], {}


@st.composite
def inners(draw):
    left, right, n = draw(st.lists(side, max_size=2)), draw(st.lists(side, max_size=2)), draw(side)
    pairs = [((*left, n), (*right, n)), ((), tuple(left)), (tuple(left), ())]
    return [draw(filled(shape)) for shape in draw(st.sampled_from(pairs))], {}


@st.composite
def tensordots(draw):
    left, shared, right = (draw(st.lists(side, max_size=2)) for _ in range(3))
    if draw(st.booleans()):
        return [draw(filled((*left, *shared))), draw(filled((*shared, *right)))], {"axes": len(shared)}
    inputs, axes = [], []
    for free in (left, right):
        sizes = [*free, *shared]
        order = draw(st.permutations(range(len(sizes))))
        inputs.append(draw(filled(tuple(sizes[i] for i in order))))
        axes.append(tuple(draw(signed(order.index(len(free) + j), len(sizes))) for j in range(len(shared))))
    return inputs, {"axes": tuple(axes)}


@st.composite
def einsums(draw):
    """Draw subscripts: labels that are summed, kept, exchanged, repeated in a term, and of length 1 in a term."""
    sizes = {label: draw(side) for label in "abc"}
    terms = draw(st.lists(st.text("abc", max_size=3), min_size=1, max_size=3))
    ones = draw(st.integers(0, 2)), draw(st.sampled_from("abc"))
    labels = sorted(set("".join(terms)))
    output = "".join(draw(st.permutations(labels))[: draw(st.integers(0, len(labels)))])
    lengths = [tuple(1 if ones == (i, label) else sizes[label] for label in term) for i, term in enumerate(terms)]
    return [draw(filled(shape)) for shape in lengths], {"subscripts": f"{','.join(terms)}->{output}"}


@st.composite
def abbreviated_einsums(draw):
    """Draw subscripts with an ellipsis, without an output, with spaces."""
    subscripts = draw(
        st.sampled_from(
            ["ij,jk", "ba", "ii", "i j, j k -> i k", "...ij,...jk->...ik", "...i,i", "i...,...i->...", "...,...", "..."]
        )
    )
    sizes = {label: draw(side) for label in "abijk"}
    terms = subscripts.replace(" ", "").partition("->")[0].split(",")
    batches = draw(broadcastable(num_shapes=len(terms), max_dims=2)).input_shapes
    inputs = []
    for term, batch in zip(terms, batches, strict=True):
        before, dots, after = term.partition("...")
        ends = [tuple(sizes[label] for label in labels) for labels in (before, after)]
        inputs.append(draw(filled((*ends[0], *(batch if dots else ()), *ends[1]))))
    return inputs, {"subscripts": subscripts}


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
def joined(draw, any_axis=True):
    """Draw arrays that differ in length along one axis, or are joined as they are laid out."""
    shape = draw(ranked)
    axis = draw(st.integers(0, len(shape) - 1))
    lengths = draw(st.lists(side, min_size=1, max_size=3))
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


def take(x, indices, axis):
    x, axis = (anp.ravel(x), 0) if axis is None else (x, axis % x.ndim)
    return x[(*[slice(None)] * axis, indices)]


@st.composite
def placed(draw):
    shape = draw(shapes)
    index = draw(indices(shape))
    return [draw(filled(np.shape(np.zeros(shape)[index])))], {"index": index, "shape": shape}


# Formulas of values that autograd has no function for, or none whose derivative is right.


def softmax(z, axis=-1):
    e = anp.exp(z)
    return e / anp.sum(e, axis=axis, keepdims=True)


def where(a, b, condition):
    # Autograd does not sum its derivative back over what was broadcast.
    zeros = np.zeros(np.broadcast_shapes(a.shape, b.shape, condition.shape))
    return anp.where(condition, a + zeros, b + zeros)


def prod(x, axis, keepdims):
    # Autograd divides by the elements, of which some may be zero.
    result = np.prod(np.zeros(x.shape), axis=axis, keepdims=keepdims)
    for i in normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim):
        factors = [x[(*[slice(None)] * i, slice(j, j + 1))] for j in range(x.shape[i])]
        x = functools.reduce(anp.multiply, factors, 1 + 0 * anp.sum(x, axis=i, keepdims=True))
    return anp.reshape(x, result.shape)


def einsum(*xs, subscripts):
    # Autograd's derivative knows neither labels that stand twice in a term (the second is renamed here, and δ makes it
    # equal to the first) nor lengths of one beside longer ones that are summed over (they are broadcast here).
    inputs, _, output = subscripts.partition("->")
    terms, fresh, sizes = inputs.split(","), iter("uvwxyz"), {}
    for term, x in zip(terms, xs, strict=True):
        sizes |= {label: n for label, n in zip(term, x.shape, strict=True) if sizes.get(label, 1) == 1}
    operands = [x + np.zeros([sizes[label] for label in term]) for term, x in zip(terms, xs, strict=True)]
    for i, term in enumerate(terms):
        name = ""
        for label in term:
            twin = next(fresh) if label in name else label
            if twin != label:
                terms.append(label + twin)
                operands.append(np.eye(sizes[label]))
            name += twin
        terms[i] = name
    return anp.einsum(f"{','.join(terms)}->{output}", *operands)


def abbreviated_einsum(*xs, subscripts):
    return anp.trace(xs[0]) if subscripts == "ii" else anp.einsum(subscripts, *xs)


def flip(x, axis):
    flipped = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in flipped else None) for i in range(x.ndim))]


def roll(x, shift, axis):
    if axis is None:
        return anp.roll(x, shift)
    for s, i in np.broadcast(shift, axis):
        x = anp.roll(x, int(s), int(i))
    return x


def transpose(x, axes):
    # Autograd's derivative is wrong for negative axes.
    return anp.transpose(x, axes if axes is None else normalize_axis_tuple(axes, x.ndim))


def value_of(x):
    """Return the number that autograd traces."""
    while isbox(x):
        x = x._value
    return x


def hypot(a, b):
    # Autograd's derivative divides by 0 at the origin.
    is_origin = (a == 0) & (b == 0)
    return anp.where(is_origin, 0, anp.sqrt(anp.where(is_origin, 1, a * a + b * b)))


def cumprod(x, axis):
    """Return running products, each a product of its own; of all elements in order if the axis is None."""
    x, axis = (anp.ravel(x), 0) if axis is None else (x, axis)
    if not x.shape[axis]:
        return 1 * x
    rows = [take(x, [i], axis) for i in range(x.shape[axis])]
    return anp.concatenate([functools.reduce(anp.multiply, rows[: i + 1]) for i in range(len(rows))], axis)


def interp(x, xp, fp):
    """Return the first value, and what each interval adds to it."""
    y = fp[0] + 0 * x
    for k in range(len(xp) - 1):
        run, rise = xp[k + 1] - xp[k], fp[k + 1] - fp[k]
        y = y + rise * anp.where(x < xp[k], 0, anp.where(x > xp[k + 1], 1, (x - xp[k]) / run))
    return y


def place(x, index, shape):
    # A product with the matrix that has a one where an element of x goes to an element of the result.
    positions = np.arange(math.prod(shape)).reshape(shape)[index]
    return anp.reshape(anp.dot(anp.ravel(x), np.eye(math.prod(shape))[np.ravel(positions)]), shape)


def concatenate(*xs, axis):
    # Autograd does not take an axis of None.
    return anp.concatenate([anp.ravel(x) for x in xs]) if axis is None else anp.concatenate(xs, axis)


def raised(power):
    return lambda a, *b, n=None: power(a, *b) if n is None else power(a, n)


def listed(join):
    return lambda *xs, **params: join(xs, **params)


def filled_like(value, shape):
    return np.full_like(tg.Tensor(np.empty(shape)), value)


def one_part(split):
    return lambda x, where, axis, part: split(x, where, axis)[part]


def windowed(positions, window, axes, stride, dilation):
    """Return the elements of an array of positions in each window: the window's axes come last."""
    parts = []
    for offset in np.ndindex(*window):
        part = positions
        for axis, i, k, s, d in zip(axes, offset, window, stride, dilation, strict=True):
            last = part.shape[axis] - d * (k - 1)
            part = np.take(part, np.arange(0, last, s) + i * d, axis=axis)
        parts.append(part)
    return np.stack(parts, axis=-1).reshape((*parts[0].shape, *window))


def windows(x, window, axes, stride, dilation):
    positions = windowed(np.arange(x.size).reshape(x.shape), window, axes, stride, dilation)
    return anp.reshape(anp.ravel(x)[np.ravel(positions)], positions.shape)


def overlap_add(v, shape, window, axes, stride, dilation):
    positions = windowed(np.arange(math.prod(shape)).reshape(shape), window, axes, stride, dilation)
    return anp.reshape(anp.dot(anp.ravel(v), np.eye(math.prod(shape))[np.ravel(positions)]), shape)


def conv2d(x, w, how):
    (p, q), groups = how.padding, how.groups
    x = anp.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), "constant")
    seen = windows(x, w.shape[2:], (2, 3), how.stride, how.dilation)
    n, c, rows, columns, *kernel = seen.shape
    seen = anp.reshape(seen, (n, groups, c // groups, rows, columns, *kernel))
    kernels = anp.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:]))
    return anp.reshape(anp.einsum("ngcijkl,gockl->ngoij", seen, kernels), (n, w.shape[0], rows, columns))


def conv2d_input(v, w, size, how):
    x = np.zeros((v.shape[0], w.shape[1] * how.groups, *size))
    return autograd.grad(lambda x: anp.sum(v * conv2d(x, w, how)))(x)


def conv2d_weight(x, v, kernel, how):
    w = np.zeros((v.shape[1], x.shape[1] // how.groups, *kernel))
    return autograd.grad(lambda w: anp.sum(v * conv2d(x, w, how)))(w)


def max_pool(x, window, axes, stride):
    seen = windows(x, window, axes, stride, (1,) * len(window))
    return anp.max(anp.reshape(seen, (*seen.shape[: x.ndim], -1)), axis=-1)


def transposed(x):
    return anp.swapaxes(x, -1, -2)


def mirrored(x):
    """Return the symmetric matrix that the lower triangle of another stands for: autograd's derivative is symmetric."""
    return anp.tril(x) + transposed(anp.tril(x, -1))


def qr(a):
    """Return Q and R, from the decomposition R'R of A'A, with the signs that NumPy's have."""
    plain = a
    while hasattr(plain, "_value"):
        plain = plain._value
    m = a.shape[-2]
    columns = a[..., :m]
    signs = np.sign(np.linalg.diagonal(np.linalg.qr(plain).R))[..., None]
    r = signs * transposed(anp.linalg.cholesky(anp.matmul(transposed(columns), columns)))
    return anp.concatenate([anp.matmul(columns, anp.linalg.inv(r)), r], axis=-2)


def eigh(a, triangle):
    w, v = anp.linalg.eigh(a, triangle)
    return anp.concatenate([w[..., None, :], v], axis=-2)


def svd(a):
    u, s, vh = anp.linalg.svd(a, full_matrices=False)
    return anp.concatenate([u, s[..., None, :], transposed(vh)], axis=-2)


def slogdet(a):
    sign, logarithm = anp.linalg.slogdet(a)
    return anp.stack([sign, logarithm], axis=-1)


@st.composite
def matrices(draw, kind="square"):
    """Draw matrices, one or several, with the singular values 1, 2, 3: square, definite, high, or of any shape."""
    n = draw(st.integers(1, 3))
    m = n if kind in ("square", "definite") else draw(st.integers(n if kind == "high" else 1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    u, _, vh = np.linalg.svd(rng.normal(size=(*draw(st.sampled_from([(), (2,), (1, 2)])), m, n)), full_matrices=False)
    vh = u.mT if kind == "definite" else vh
    return [u * np.arange(1, u.shape[-1] + 1) @ vh], {}


@st.composite
def systems(draw):
    (a,), _ = draw(matrices())
    columns = draw(st.integers(1, 2))
    return [a, np.random.default_rng(draw(st.integers(0, 1000))).normal(size=(*a.shape[:-1], columns))], {}


def erf(x):
    return (
        2
        / math.sqrt(math.pi)
        * sum((-1) ** n * x ** (2 * n + 1) / (math.factorial(n) * (2 * n + 1)) for n in range(40))
    )


def moving(kind):
    """Return cases of windows, of their sums, of their maxima, or of convolutions, of all that a geometry can be."""

    @st.composite
    def cases(draw):
        window, stride, dilation = (draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) for _ in range(3))
        rng = np.random.default_rng(draw(st.integers(0, 1000)))
        groups, size = draw(st.integers(1, 2)), draw(st.tuples(st.integers(4, 5), st.integers(3, 5)))
        how = Geometry(stride, draw(st.tuples(st.integers(0, 1), st.integers(0, 1))), dilation, groups)
        x = rng.permutation(2 * 2 * math.prod(size)).reshape(2, 2, *size) / 10
        w = rng.normal(size=(2 * groups, 2 // groups, *window))
        v = rng.normal(size=(2, 2 * groups, *how.windows_in(size, window)))
        where = {"window": window, "axes": (2, 3), "stride": stride}
        return {
            "windows": ([x], where | {"dilation": dilation}),
            "overlap_add": (
                [rng.normal(size=windows(x, window, (2, 3), stride, dilation).shape)],
                {"shape": x.shape} | where | {"dilation": dilation},
            ),
            "max_pool": ([x], where),
            "conv2d": ([x, w], {"how": how}),
            "conv2d_input": ([v, w], {"size": size, "how": how}),
            "conv2d_weight": ([x, v], {"kernel": window, "how": how}),
        }[kind]

    return cases()


@dataclass(frozen=True)
class Witness:
    """What a function is compared with: the formula for autograd, the cases, and how it is called if not by name."""

    formula: Callable[..., Any]
    cases: st.SearchStrategy[Any]
    call: Callable[..., Any] | None = None


WITNESSES = {
    # elementwise
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
    # products
    "matmul": Witness(anp.matmul, products("(m,n),(n,p)->(m,p)")),
    "linear": Witness(lambda a, b, c: anp.matmul(a, b) + c, layers()),
    "einsum": Witness(einsum, einsums()),
    # linear algebra
    "quotient": Witness(anp.divide, pairs(tied, nonzero)),
    "solve": Witness(anp.linalg.solve, systems()),
    "inv": Witness(anp.linalg.inv, matrices()),
    "pinv": Witness(lambda a: anp.linalg.pinv(a), matrices("any")),
    "det": Witness(anp.linalg.det, matrices()),
    "slogdet": Witness(slogdet, matrices()),
    "cholesky": Witness(lambda a: anp.linalg.cholesky(mirrored(a)), matrices("definite")),
    "qr": Witness(qr, matrices("high")),
    "eigh": Witness(
        eigh,
        st.tuples(matrices("definite"), st.sampled_from("LU")).map(lambda drawn: (drawn[0][0], {"triangle": drawn[1]})),
    ),
    "svd": Witness(svd, matrices("any")),
    # reductions
    "sum": Witness(anp.sum, reductions(fewest=0)),
    "mean": Witness(anp.mean, reductions()),
    "prod": Witness(prod, reductions(fewest=0)),
    "max": Witness(anp.max, reductions(tied)),
    "min": Witness(anp.min, reductions(tied)),
    "cumsum": Witness(anp.cumsum, along()),
    "cumprod": Witness(cumprod, along(elements=tied)),
    # shapes
    "reshape": Witness(anp.reshape, reshapes()),
    "transpose": Witness(transpose, permutations(any_sign=False)),
    "broadcast_to": Witness(lambda x, shape: x + np.zeros(shape), broadcasts()),
    "concatenate": Witness(listed(anp.concatenate), joined(any_axis=False)),
    "pad": Witness(lambda x, widths, value: anp.pad(x, widths, "constant", constant_values=value), paddings()),
    "flip": Witness(flip, flips()),
    "roll": Witness(roll, rolls()),
    "getitem": Witness(lambda x, index: x[index], taken(), lambda x, index: x[index]),
    "place": Witness(place, placed()),
    # neural
    "relu": Witness(lambda x: anp.where(x > 0, x, 0.0), each(tied)),
    "sigmoid": Witness(lambda x: 1 / (1 + anp.exp(-x)), each()),
    "softmax": Witness(softmax, along()),
    "log_softmax": Witness(lambda z, axis: anp.log(softmax(z, axis)), along()),
    "logsumexp": Witness(
        lambda x, axis, keepdims: anp.log(anp.sum(anp.exp(x), axis=axis, keepdims=keepdims)), reductions()
    ),
    "squared_loss": Witness(lambda p, t: anp.sum((p - t) ** 2) / math.prod(p.shape[:-1]), losses(number)),
    "cross_entropy": Witness(
        lambda z, t: -anp.sum(t * anp.log(softmax(z))) / math.prod(z.shape[:-1]), losses(nonnegative)
    ),
    # special
    "erf": Witness(erf, each()),
    # windows
    "windows": Witness(windows, moving("windows")),
    "overlap_add": Witness(overlap_add, moving("overlap_add")),
    "max_pool": Witness(max_pool, moving("max_pool")),
    "conv2d": Witness(conv2d, moving("conv2d")),
    "conv2d_input": Witness(conv2d_input, moving("conv2d_input")),
    "conv2d_weight": Witness(conv2d_weight, moving("conv2d_weight")),
    # composed
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
    "np.real": Witness(lambda x: 1 * x, each()),
    "np.imag": Witness(lambda x: 0 * x, each(), lambda x: np.imag(x) * x),
    "np.conjugate": Witness(lambda x: 1 * x, each()),
    "np.real_if_close": Witness(lambda x: 1 * x, each()),
    "np.angle": Witness(lambda x: np.where(value_of(x) < 0, math.pi, 0) * x, each(), lambda x: np.angle(x) * x),
    "np.unwrap": Witness(
        lambda p, axis: p + (np.unwrap(value_of(p), axis=axis) - value_of(p)),
        along(elements=st.floats(-9, 9, width=16)),
    ),
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
    "np.full_like": Witness(lambda v, shape: v + np.zeros(shape), broadcasts(), filled_like),
    "np.matmul": Witness(anp.matmul, products(np.matmul.signature)),
    "np.dot": Witness(anp.dot, dots()),
    "np.outer": Witness(lambda a, b: anp.outer(anp.ravel(a), anp.ravel(b)), outers()),
    "np.inner": Witness(anp.inner, inners()),
    "np.tensordot": Witness(anp.tensordot, tensordots()),
    "np.einsum": Witness(abbreviated_einsum, abbreviated_einsums(), lambda *xs, subscripts: np.einsum(subscripts, *xs)),
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


def by_autograd(f, *inputs):
    """Return the value of ``f``, and what takes a cotangent back, as `tinygrad_lite.vjp` does."""
    pull_back, y = autograd.make_vjp(f, tuple(range(len(inputs))))(*inputs)
    return y, pull_back


def by_rules(f, *inputs):
    y, pull_back = tg.vjp(f, *inputs)
    return y, pull_back if len(inputs) > 1 else lambda g: (pull_back(g),)


def derivatives(vjp, grad, f, inputs, cotangent, weights):
    """Return value, derivatives by each input, and those of their weighted squares, by the cotangent too."""
    y, pull_back = vjp(f, *inputs)

    def squares(*primals):
        *xs, g = primals
        return sum((w * d * d).sum() for w, d in zip(weights, vjp(f, *xs)[1](g), strict=True))

    second = grad(squares, tuple(range(len(inputs) + 1)))(*inputs, cotangent)
    return [y, *pull_back(cotangent), *second]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == np.shape(other)
        assert one.dtype == np.float64
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-10, atol=1e-12)


@quick
@given(data=st.data())
@pytest.mark.parametrize("name", WITNESSES)
def test_values_and_two_derivatives_are_those_of_autograd(name, data):
    witness = WITNESSES[name]
    f = witness.call or (getattr(np, name[3:]) if name.startswith("np.") else tg.rules.get(name))
    inputs, params = data.draw(witness.cases)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    shape = np.shape(witness.formula(*inputs, **params))
    weights = [rng.uniform(0.5, 1.5, x.shape) for x in inputs]
    at = inputs, np.asarray(rng.normal(size=shape)), weights
    expected = derivatives(by_autograd, autograd.grad, functools.partial(witness.formula, **params), *at)
    assert_same(derivatives(by_rules, tg.grad, functools.partial(f, **params), *at), expected)


def test_nothing_is_without_a_witness():
    built_in = {rule.name for rule in tg.rules.all() if rule.forward.__module__.startswith(tg.rules.__name__)}
    functions = inspect.getmembers(tg.rules.composed, inspect.isfunction)
    composed = {f"np.{name}" for name, f in functions if tg.rules.answer_for(getattr(np, name, None)) is f}
    assert set(WITNESSES) == built_in | composed


@pytest.mark.parametrize("subscripts", ["i,i->", "ij,ij->j", "i,ij->"])
def test_a_length_of_one_beside_a_longer_one_that_is_summed_over(subscripts):
    rng = np.random.default_rng(0)
    terms = subscripts.partition("->")[0].split(",")
    inputs = [rng.normal(size=[1 if (k, label) == (1, "i") else 3 for label in term]) for k, term in enumerate(terms)]
    found = tg.grad(lambda *xs: (np.einsum(subscripts, *xs) ** 2).sum(), (0, 1))(*inputs)
    expected = autograd.grad(lambda *xs: anp.sum(einsum(*xs, subscripts=subscripts) ** 2), (0, 1))(*inputs)
    assert_same(found, expected)


@pytest.mark.parametrize("shape", [(0,), (0, 1), (0, 3), (2, 0)])
def test_a_mask_of_something_empty(shape):
    x, mask = np.zeros(shape), np.zeros(shape, dtype=bool)
    assert_same(
        [tg.Tensor(x)[mask], tg.grad(lambda t: t[mask].sum())(x)],
        [x[mask], autograd.grad(lambda t: anp.sum(t[mask]))(x)],
    )


@pytest.mark.parametrize("loss", ["squared_loss", "cross_entropy"])
def test_a_whole_net_has_the_loss_and_gradients_of_autograd(loss):
    """784, 90 and 10 units, ReLU and softmax, and a batch of 20 images."""
    rng = np.random.default_rng(5)
    images, targets = rng.random((20, 784)), one_hot(rng.integers(0, 10, 20), 10).astype(np.float64)
    net = Net(rng=3).astype(np.float64)
    parameters = [p.numpy() + rng.normal(0, 0.1, p.shape) for p in net.parameters()]
    net.load_state_dict(dict(zip(net.state_dict(), parameters, strict=True)))

    def formula(weights, biases, more_weights, more_biases):
        hidden = anp.dot(images, weights) + biases
        p = softmax(anp.dot(anp.where(hidden > 0, hidden, 0.0), more_weights) + more_biases)
        if loss == "squared_loss":
            return anp.sum((p - targets) ** 2) / len(images)
        return -anp.sum(targets * anp.log(p)) / len(images)

    if loss == "squared_loss":
        y = squared_loss(net(images), targets)
    else:
        y = cross_entropy(net.output(net.hidden(images).relu()), targets)
    y.backward()
    expected = autograd.grad(formula, (0, 1, 2, 3))(*parameters)
    assert_same([y, *(p.grad for p in net.parameters())], [formula(*parameters), *expected])
