"""Values and derivatives where the samples of the rules cannot stand: ties, bounds, zeros, infinities, nothing at all.

The samples keep away from points where finite differences mean nothing, so what holds there is said here.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules import elementwise, linalg, neural, reductions, shapes

LOSSES = [neural.squared_loss, neural.cross_entropy]


def numbers(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).normal(size=shape)


def pulled_back(f, inputs, g):
    """Return the cotangents of the inputs, as lists."""
    _, pull_back = tg.vjp(f, *map(np.array, inputs))
    cotangents = pull_back(np.array(g))
    return [x.tolist() for x in (cotangents if len(inputs) > 1 else [cotangents])]


# The cotangents are none of the numbers they are compared with, and differ from one another.


def test_of_two_equal_operands_each_gets_half_of_the_cotangent():
    a, b, g = [1.0, 4.0, 6.0], [3.0, 4.0, 2.0], [5.0, 7.0, 9.0]
    assert pulled_back(np.maximum, (a, b), g) == [[0, 3.5, 9], [5, 3.5, 0]]
    assert pulled_back(np.minimum, (a, b), g) == [[5, 3.5, 0], [0, 3.5, 9]]


def test_an_operand_that_equals_the_cotangent_is_no_tie():
    a, b, g = [2.0, 6.0], [6.0, 2.0], [2.0, 2.0]
    assert pulled_back(np.maximum, (a, b), g) == [[0, 2], [2, 0]]
    assert pulled_back(np.minimum, (a, b), g) == [[2, 0], [0, 2]]
    assert pulled_back(np.maximum, (a, b), [6.0, 6.0]) == [[0, 6], [6, 0]]
    assert pulled_back(np.minimum, (a, b), [6.0, 6.0]) == [[6, 0], [0, 6]]


@pytest.mark.parametrize(("rule", "x"), [(reductions.max, [[1.0, 3.0, 3.0, 2.0]]), (reductions.min, [[4.0, 3, 3, 5]])])
def test_equal_extremes_share_the_cotangent_of_their_own_reduction(rule, x):
    assert pulled_back(lambda z: rule(z, axis=1), (x,), [5.0]) == [[[0, 2.5, 2.5, 0]]]
    x = [*x, [7.0, 8.0, 7.0, 8.0]]
    expected = [0, 3.5, 0, 3.5] if rule is reductions.max else [3.5, 0, 3.5, 0]
    assert pulled_back(lambda z: rule(z, axis=-1), (x,), [5.0, 7.0]) == [[[0, 2.5, 2.5, 0], expected]]


def test_the_bounds_belong_to_the_interval():
    assert pulled_back(lambda x: x.clip(1, 4), ([0.0, 1.0, 2.0, 4.0, 6.0],), [3.0, 5, 7, 9, 11]) == [[0, 5, 7, 9, 0]]


@pytest.mark.parametrize("f", [abs, neural.relu])
def test_at_its_kink_nothing_passes(f):
    assert pulled_back(f, ([0.0, 2.0],), [5.0, 7.0]) == [[0, 7]]


def test_to_the_power_0_is_flat_at_zero_and_at_infinity():
    assert pulled_back(lambda x: x**0, ([0.0, 2.0, np.inf],), [5.0, 7.0, 9.0]) == [[0, 0, 0]]


def test_a_power_of_zero_is_flat_in_its_exponent():
    a, b, g = np.zeros(2), [0.0, 2.0], [5.0, 7.0]
    assert pulled_back(lambda b: elementwise.power_of(a, b), (b,), g) == [[0, 0]]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_loss_that_is_part_of_another_passes_on_its_weight(loss):
    assert tg.gradcheck(lambda p, t: -3 * loss(p, t), numbers(4, 3), np.abs(numbers(4, 3, seed=1)), order=2)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_one_target_may_serve_a_batch(loss):
    """As many samples are averaged as there are predictions."""
    assert tg.gradcheck(loss, numbers(4, 3), np.abs(numbers(1, 3, seed=1)), order=2)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_a_loss_is_averaged_over_all_samples_of_a_batch(shape):
    """Each is one off in each of its four numbers, or a uniform guess."""
    x, n = np.zeros(shape), np.prod(shape[:-1])
    assert neural.squared_loss(x, x + 1) == 4
    assert neural.cross_entropy(x, x + 0.25) == pytest.approx(np.log(4))
    np.testing.assert_allclose(tg.grad(lambda p: neural.squared_loss(p, x + 1))(x).numpy(), -2 / n)


@pytest.mark.parametrize("before", [(1, 4), (2, 1, 2), (4, 1)])
def test_a_reshape_that_drops_axes_of_length_1_gives_them_back(before):
    assert tg.gradcheck(lambda x: x.reshape(4) ** 2, numbers(*before), order=2)


@pytest.mark.parametrize("rule", tg.rules.all(), ids=lambda rule: rule.name)
def test_a_derivative_has_the_type_of_its_input_and_a_shape_that_sums_to_it(rule):
    """By itself: the engine would mend much of it on the way."""
    for sample in rule.samples:
        inputs, params = rule.bind(sample.args, sample.params)
        inputs = [x.astype(np.float32) for x in inputs]
        y = rule.compute(inputs, params)
        for k, x in enumerate(inputs):
            dx = rule.vjps[k].pull_back(np.ones_like(y), y, k, inputs, params)
            assert dx.dtype == np.float32
            assert np.broadcast_shapes(dx.shape, x.shape) == dx.shape


def test_the_axes_are_a_tuple():
    assert reductions.axes_of(None, 2) == reductions.axes_of((0, -1), 2) == (0, 1)


def test_the_inner_part_has_an_index_for_each_axis():
    assert shapes.inner(((1, 2), (0, 1)), (5, 4)) == (slice(1, 3), slice(0, 3))
    with pytest.raises(ValueError, match="longer"):
        shapes.inner(((1, 2),), (5, 4))


@pytest.mark.parametrize("subscripts", ["AA->A", "AA->", "aAA->a", "AA,BB->AB"])
def test_an_einsum_may_take_a_diagonal_by_any_label(subscripts):
    """The label that is exchanged for the second of two is one that does not stand in the subscripts."""
    operands = [numbers(*[2] * len(term), seed=i) for i, term in enumerate(subscripts.partition("->")[0].split(","))]
    assert tg.gradcheck(lambda *xs: np.einsum(subscripts, *xs) ** 2, *operands, order=2)


def test_an_einsum_may_take_more_than_half_of_the_labels():
    labels = "abcdefghijklmnopqrstuvwxyzA"
    x = np.full((1,) * len(labels), 2.0)
    assert tg.grad(lambda x: np.einsum(f"{labels}->{labels[::-1]}", x).sum())(x).item() == 1


@pytest.mark.parametrize(("a", "b"), [((2, 3), (1, 4)), ((2, 1), (3, 4)), ((1, 3), (3, 1))])
def test_an_einsum_may_stretch_a_label_of_length_1(a, b):
    assert tg.gradcheck(lambda a, b: np.einsum("ij,jk->ik", a, b) ** 2, numbers(*a), numbers(*b), order=2)


# What holds at an edge holds in every mode: eagerly and jitted, in either type, and once more differentiated.

INF, NAN = np.inf, np.nan
ANY = None  # where there is no such derivative, and what is finite will do
LOG2, PI = np.log(2), np.pi

EDGES = {
    # name: (function, inputs, value, first derivatives by each input, second ones by each pair of inputs)
    "powers of zero": (
        lambda a, b: a**b,
        ([0, 0, 0, 0, 2, 2], [0, 1, 2, 3, 0, 3]),
        [1, 0, 0, 0, 1, 8],
        [[0, 1, 0, 0, 0, 12], [0, 0, 0, 0, LOG2, 8 * LOG2]],
        {
            (0, 0): [0, 0, 2, 0, 0, 12],
            (0, 1): [0, ANY, 0, 0, 0.5, 4 + 12 * LOG2],
            (1, 0): [0, ANY, 0, 0, 0.5, 4 + 12 * LOG2],
            (1, 1): [0, 0, 0, 0, LOG2**2, 8 * LOG2**2],
        },
    ),
    "powers of infinity": (
        lambda a, b: a**b,
        ([INF, INF], [-1, 0]),
        [0, 1],
        [[0, 0], [0, INF]],
        {(0, 0): [0, 0]},
    ),
    "negative powers of zero": (lambda a, b: a**b, ([0, 0], [-1, -2]), [INF, INF], [[-INF, -INF], [-INF, -INF]], {}),
    "powers of negative numbers": (
        lambda a, b: a**b,
        ([-2, -2, -2], [0, 3, -1]),
        [1, -8, -0.5],
        [[0, 12, -0.25], [NAN, NAN, NAN]],
        {(0, 0): [0, -12, -0.25]},
    ),
    "roots of zero": (lambda x: x**0.5, ([0, 4],), [0, 2], [[0, 0.25]], {(0, 0): [0, -1 / 32]}),
    "roots of zero by an array": (
        lambda x: x ** np.array([0.5, 0.5]),
        ([0, 4],),
        [0, 2],
        [[0, 0.25]],
        {(0, 0): [0, -1 / 32]},
    ),
    "powers of zero above the first": (lambda x: x**1.5, ([0, 4],), [0, 8], [[0, 3]], {}),
    "third roots of zero": (lambda x: x ** (1 / 3), ([0, 8],), [0, 2], [[0, 1 / 12]], {(0, 0): [0, -1 / 144]}),
    "square roots of zero": (np.sqrt, ([0, 4],), [0, 2], [[0, 0.25]], {(0, 0): [0, -1 / 32]}),
    "a norm at zero": (lambda x: np.sqrt(np.sum(x * x)), ([0, 0],), 0, [[0, 0]], {(0, 0): [0, 0]}),
    "another norm at zero": (lambda x: (abs(x) ** 3).sum() ** (1 / 3), ([0, 0],), 0, [[0, 0]], {(0, 0): [0, 0]}),
    "the deviation of one number": (np.std, ([3],), 0, [[0]], {(0, 0): [0]}),
    "the deviation of equal numbers": (np.std, ([3, 3, 3],), 0, [[0, 0, 0]], {(0, 0): [0, 0, 0]}),
    "a variance without degrees of freedom": (lambda x: np.var(x, ddof=5), ([1, 2, 3],), INF, [[NAN] * 3], {}),
    "logaddexp of large equal numbers": (
        np.logaddexp,
        ([1e30, -1e30], [1e30, -1e30]),
        [1e30, -1e30],
        [[0.5, 0.5], [0.5, 0.5]],
        {(0, 0): [0.25, 0.25], (0, 1): [-0.25, -0.25], (1, 1): [0.25, 0.25]},
    ),
    "logaddexp of infinities": (
        np.logaddexp,
        ([INF, INF, 1, -INF, -INF], [INF, 1, INF, 1, -INF]),
        [INF, INF, INF, 1, -INF],
        [[0.5, 1, 0, 0, 0.5], [0.5, 0, 1, 1, 0.5]],
        {(0, 0): [0.25, 0, 0, 0, 0.25], (0, 1): [-0.25, 0, 0, 0, -0.25]},
    ),
    "a difference from a number": (lambda x: elementwise.difference(x, INF), ([INF, 1],), [0, -INF], [[1, 1]], {}),
    "a difference of a number": (lambda x: elementwise.difference(INF, x), ([INF, 1],), [0, INF], [[-1, -1]], {}),
    "logaddexp of a number on the right": (
        lambda x: np.logaddexp(x, INF),
        ([INF, 1],),
        [INF, INF],
        [[0.5, 0]],
        {(0, 0): [0.25, 0]},
    ),
    "logaddexp of a number on the left": (
        lambda x: np.logaddexp(-2.0, x),
        ([-2, INF],),
        [LOG2 - 2, INF],
        [[0.5, 1]],
        {(0, 0): [0.25, 0]},
    ),
    "logsumexp of large equal numbers": (
        lambda x: x.logsumexp(),
        ([1e30, 1e30],),
        1e30,
        [[0.5, 0.5]],
        {(0, 0): [0, 0]},
    ),
    "logsumexp of nothing but -inf": (lambda x: x.logsumexp(), ([-INF, -INF],), -INF, [[0.5, 0.5]], {(0, 0): [0, 0]}),
    "logsumexp with -inf": (lambda x: x.logsumexp(), ([-INF, 2],), 2, [[0, 1]], {(0, 0): [0, 0]}),
    "logsumexp with inf": (
        lambda x: x.logsumexp(),
        ([INF, 1000, INF, -INF],),
        INF,
        [[0.5, 0, 0.5, 0]],
        {(0, 0): [0, 0, 0, 0]},
    ),
    "softmax with -inf": (lambda x: x.softmax(), ([-INF, 2, 2],), [0, 0.5, 0.5], [[0, 0, 0]], {(0, 0): [0, 0, 0]}),
    "the maximum beside NaN": (lambda x: x.max(), ([1, NAN],), NAN, [[NAN, NAN]], {}),
    "a remainder": (
        lambda a, b: a % b,
        ([7, -7, 7, -7, 5.5], [3, 3, -3, -3, 2]),
        [1, 2, -2, -1, 1.5],
        [[1] * 5, [-2, 3, 3, -2, -2]],
        {(0, 0): [0] * 5, (1, 1): [0] * 5},
    ),
    "a remainder with the sign of what is divided": (
        np.fmod,
        ([7, -7, 7, -7, 5.5, 2], [3, 3, -3, -3, 2, INF]),
        [1, -1, 1, -1, 1.5, 2],
        [[1] * 6, [-2, 2, 2, -2, -2, 0]],
        {(0, 0): [0] * 6, (1, 1): [0] * 6},
    ),
    "the ends of an inverse sine": (np.arcsin, ([-1, 0, 1],), [-PI / 2, 0, PI / 2], [[0, 1, 0]], {(0, 0): [0, 0, 0]}),
    "the ends of an inverse cosine": (np.arccos, ([-1, 0, 1],), [PI, PI / 2, 0], [[0, -1, 0]], {(0, 0): [0, 0, 0]}),
    "the end of an inverse cosh": (np.arccosh, ([1, 1.25],), [0, LOG2], [[0, 4 / 3]], {(0, 0): [0, -80 / 27]}),
    "the ends of an inverse tanh": (np.arctanh, ([-1, 0, 1],), [-INF, 0, INF], [[INF, 1, INF]], {}),
    "an inverse sinh of large numbers": (np.arcsinh, ([1e25],), [np.arcsinh(1e25)], [[1e-25]], {(0, 0): [0]}),
    "an angle": (
        np.arctan2,
        ([0, 0, 0, 2, 3, 1e30], [0, 2, -2, 0, 4, 1e30]),
        [0, 0, PI, PI / 2, np.arctan2(3, 4), PI / 4],
        [[0, 0.5, -0.5, 0, 0.16, 0], [0, 0, 0, -0.5, -0.12, 0]],
        {(0, 0): [0, 0, 0, 0, -24 / 625, 0], (0, 1): [0, -0.25, -0.25, 0.25, -7 / 625, 0]},
    ),
    "an angle of what is infinite": (
        np.arctan2,
        ([2, -2, INF, -INF, INF], [-INF, INF, 3, 0, INF]),
        [PI, 0, PI / 2, -PI / 2, PI / 4],
        [[0] * 5, [0] * 5],
        {(0, 0): [0] * 5, (0, 1): [0] * 5, (1, 1): [0] * 5},
    ),
    "cube roots of zero": (np.cbrt, ([0, 8, -8],), [0, 2, -2], [[0, 1 / 12, 1 / 12]], {(0, 0): [0, -1 / 144, 1 / 144]}),
    "a hypotenuse": (
        np.hypot,
        ([0, 3, 3e25, 0, 2], [0, 4, 4e25, 2, 0]),
        [0, 5, 5e25, 2, 2],
        [[0, 0.6, 0.6, 0, 1], [0, 0.8, 0.8, 1, 0]],
        {(0, 0): [0, 16 / 125, 0, 0.5, 0], (0, 1): [0, -12 / 125, 0, 0, 0], (1, 1): [0, 9 / 125, 0, 0, 0.5]},
    ),
    "a running product of zeros": (
        lambda x: np.cumprod(x),
        ([2, 0, 3, 0, 5],),
        [2, 0, 0, 0, 0],
        [[1, 8, 0, 0, 0]],
        {(0, 0): [4, 42, 2, 36, 0]},
    ),
    "a running maximum of equal numbers": (
        lambda x: np.maximum.accumulate(x),
        ([1, 1, 0, 2],),
        [1, 1, 1, 2],
        [[2, 1, 0, 1]],
        {(0, 0): [0, 0, 0, 0]},
    ),
    "the larger of a number and NaN": (
        np.fmax,
        ([1, NAN, 2, NAN], [NAN, 3, 2, NAN]),
        [1, 3, 2, NAN],
        [[1, 0, 0.5, 0], [0, 1, 0.5, 0]],
        {(0, 0): [0, 0, 0, 0]},
    ),
    "a sine beside its zero": (
        np.sinc,
        ([0, 1, 1e-6],),
        [1, 0, 1],
        [[0, -1, -1e-6 * PI**2 / 3]],
        {(0, 0): [-(PI**2) / 3, 2, -(PI**2) / 3]},
    ),
    "a Bessel function": (np.i0, ([0, INF],), [1, INF], [[0, INF]], {(0, 0): [0.5, INF]}),
    "an absolute value with a sign": (np.copysign, ([0, 2, -2], [-1, -0.0, 3]), [0, -2, 2], [[0, -1, -1], [0] * 3], {}),
    "a step": (np.heaviside, ([-2, 0, 2, NAN], [3, 3, 3, 3]), [0, 3, 1, NAN], [[0, 0, 0, ANY], [0, 1, 0, 0]], {}),
    "what is no number": (
        lambda x: np.nan_to_num(x, nan=INF, posinf=4, neginf=-5),
        ([NAN, INF, -INF, 2],),
        [INF, 4, -5, 2],
        [[0, 0, 0, 1]],
        {(0, 0): [0, 0, 0, 0]},
    ),
    "a fraction": (lambda x: np.modf(x)[0], ([-1.5, 2, INF],), [-0.5, 0, 0], [[1, 1, 1]], {}),
    "a mantissa": (lambda x: np.frexp(x)[0], ([0, -3, 4, INF],), [0, -0.75, 0.5, INF], [[1, 0.25, 0.125, 1]], {}),
    "a mantissa beside a power of 2": (
        lambda x: np.frexp(x)[0],
        ([8 - 2**-20],),
        [1 - 2**-23],
        [[0.125]],
        {(0, 0): [0]},
    ),
    "two powers of 2": (
        lambda x: np.ldexp(x, [120, -120]),
        ([2**-30, 2**30],),
        [2**90, 2**-90],
        [[2**120, 2**-120]],
        {(0, 0): [0, 0]},
    ),
    "between points": (
        lambda x, xp, fp: np.interp(x, xp, fp),
        ([-1, 0, 1, 2, 4, 5], [0, 2, 4], [0, 1, 5]),
        [0, 0, 0.5, 1, 5, 5],
        [[0, 0.5, 0.5, 2, 2, 0], [-0.75, -2.25, -2], [2.5, 1.5, 2]],
        {(0, 0): [0] * 6},
    ),
    "a sum over axis 0 of a number": (lambda x: x.sum(axis=0), (3,), 3, [1], {(0, 0): 0}),
    "a product over axis -1 of a number": (lambda x: x.prod(axis=-1) ** 2, (3,), 9, [6], {(0, 0): 2}),
    "a maximum over axis 0 of a number": (lambda x: np.max(x, axis=0) ** 2, (3,), 9, [6], {(0, 0): 2}),
    "a full array": (lambda x: np.full_like(x, x[1]) * x, ([2, 3],), [6, 9], [[3, 8]], {(0, 0): [1, 3]}),
    "bounds that have a gradient": (
        lambda x, low, high: np.clip(x, low, high),
        ([0, 2, 9], 1, 4),
        [1, 2, 4],
        [[0, 1, 0], 1, 1],
        {(0, 0): [0, 0, 0], (0, 1): 0},
    ),
    "one bound that has a gradient": (
        lambda x, low: x.clip(min=low),
        ([0, 2], [1, 1]),
        [1, 2],
        [[0, 1], [1, 0]],
        {(0, 0): [0, 0]},
    ),
}


def derivative(f, k, dtype):
    """Return the derivative of the sum of what a function returns by its input number ``k``."""
    return lambda *xs: tg.grad(lambda *zs: f(*zs).sum(), k)(*xs)


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning")
@pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EDGES)
def test_what_holds_at_an_edge(name, dtype, mode):
    f, inputs, value, first, second = EDGES[name]
    inputs = [np.array(x, dtype) for x in inputs]
    functions = [(lambda *xs: f(*map(tg.Tensor, xs)), value)]
    functions += [(derivative(f, k, dtype), expected) for k, expected in enumerate(first)]
    functions += [(derivative(derivative(f, k, dtype), j, dtype), expected) for (k, j), expected in second.items()]
    for function, expected in functions:
        found = mode(function)(*inputs)
        assert found.dtype == dtype
        free = np.equal(np.array(expected, object), ANY).astype(bool)
        found, expected = found.numpy(), np.array(expected, float)
        np.testing.assert_allclose(found[~free], expected[~free], rtol=1e-5, atol=1e-7)
        assert np.isfinite(found[free]).all()


@pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "axis"), [((3, 0), -1), ((0, 3), 0), ((0,), 0), ((0, 0), 1), ((0, 3), -1)])
def test_an_axis_of_length_0_has_a_softmax(shape, axis, dtype, mode):
    x = np.zeros(shape, dtype)
    for rule in ("softmax", "log_softmax"):
        value = mode(lambda x, rule=rule: getattr(tg.Tensor(x), rule)(axis))(x)
        slope = mode(tg.grad(lambda x, rule=rule: getattr(x, rule)(axis).sum()))(x)
        assert (value.shape, value.dtype) == (slope.shape, slope.dtype) == (shape, dtype)
    total = mode(lambda x: tg.Tensor(x).logsumexp(axis))(x)
    slope = mode(tg.grad(lambda x: x.logsumexp(axis).sum()))(x)
    np.testing.assert_array_equal(total.numpy(), np.full(np.sum(x, axis).shape, -np.inf))
    assert total.dtype == dtype
    assert (slope.shape, slope.dtype) == (shape, dtype)


@pytest.mark.parametrize("rule", [neural.softmax, neural.log_softmax, neural.logsumexp], ids=lambda rule: rule.name)
def test_an_axis_there_is_not_is_refused_of_something_empty_too(rule):
    with pytest.raises(ValueError, match="axis 5 is out of bounds"):
        rule(tg.Tensor(np.zeros((0, 3))), axis=5)


def test_booleans_are_limited_as_numpy_limits_them():
    x = np.array([True, False])
    assert np.clip(tg.Tensor(x), 0, None).tolist() == np.clip(x, 0, None).tolist()
    assert tg.Tensor(x).clip(0.5, 2).tolist() == np.clip(x, 0.5, 2).tolist()


@pytest.mark.parametrize("x", [np.array([True, False]), np.array([1, 2]), np.array([1.0, 2.0], np.float32)])
@pytest.mark.parametrize("low", [1.5, np.float32(1.5), 1, None])
@pytest.mark.parametrize("high", [1.75, 2, None])
def test_a_bound_that_is_open_limits_nothing_whatever_the_type(x, low, high):
    for f in (lambda t: np.clip(t, low, high), tg.jit(lambda t: np.clip(t, low, high))):
        expected = x if low is None is high else np.clip(x, low, high)
        np.testing.assert_array_equal(f(tg.Tensor(x)).data, expected)


@pytest.mark.parametrize("exponent", [[0.0, 0.0, 0.0], 0.0, 0])
def test_a_power_with_exponent_0_is_flat_also_at_nan(exponent):
    a, g = [NAN, 0.0, 3.0], [5.0, 7.0, 9.0]
    if isinstance(exponent, list):
        assert pulled_back(np.power, (a, exponent), g)[0] == [0, 0, 0]
    else:
        assert pulled_back(lambda x: x**exponent, (a,), g) == [[0, 0, 0]]


def test_a_power_of_nan_with_another_exponent_has_no_slope_there():
    for b in (1.5, 2.0, 0.5, -1.0):
        assert np.isnan(pulled_back(np.power, ([NAN], [b]), [0.0])[0]).all()
        assert np.isnan(pulled_back(lambda x, b=b: x**b, ([NAN],), [5.0])).all()


@pytest.mark.parametrize("f", [tg.nn.functional.softmax, tg.nn.functional.log_softmax])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint16, np.uint8])
def test_whole_numbers_do_not_wrap_around_below_the_largest(f, dtype):
    x = np.array([[np.iinfo(dtype).min, np.iinfo(dtype).max, 3]], dtype)
    assert np.allclose(f(x), f(x.astype(float)))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
def test_whole_numbers_do_not_wrap_around_in_sums_of_exponentials(dtype):
    x = np.array([0, 3, 127], dtype)
    x[0] = max(np.iinfo(dtype).min, -300)
    assert np.allclose(neural.logsumexp(x), np.logaddexp.reduce(x.astype(float)))
    assert np.allclose(neural.logaddexp(x, x[::-1]), np.logaddexp(x.astype(float), x[::-1]))


def test_softmax_is_differentiated_by_the_complex_step_too():
    weights = numbers(4)
    for f in (neural.softmax, neural.log_softmax):
        assert tg.gradcheck(lambda z, f=f: np.sum(f(z) * weights), numbers(4, seed=1), method="complex")


@pytest.mark.parametrize("shape", [(), (1,)])
def test_the_root_of_minus_infinity_is_nan_whatever_its_axes(shape):
    """Of one of its scalars NumPy's operator gives infinity, and a result without axes is such a scalar."""
    x = np.full(shape, -INF, np.float32)

    def f(x):
        return (x * np.cosh(x)) ** 0.5

    with np.errstate(invalid="ignore"):
        for root in (f(tg.Tensor(x)), tg.jit(f)(tg.Tensor(x))):
            assert np.isnan(root.numpy()).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("dtype", "n"),
    [
        *product(["float16", "float32", "float64"], [-8, -3, -2, -2.0, 3, 3.0, 4, 8]),
        *product(["int8", "int64", "uint8", "bool"], [-2.0, 3, 3.0, 4]),
    ],
)
def test_small_whole_powers_are_those_of_numpy(dtype, n):
    power = tg.rules.get("power")
    floats = [0, -0.0, 1, -1.5, 3, 1e-30, 1e30, 1e-45, np.inf, -np.inf, np.nan]
    every = np.array(floats if dtype.startswith("float") else [0, 1, 3, 100]).astype(dtype)
    for x in (every, every[2], every[:0]):
        expected = x**n
        assert power(x, n).dtype == expected.dtype
        for y in (power(x, n), (tg.Tensor(x) ** n).numpy(), tg.jit(lambda x: tg.Tensor(x) ** n)(x).numpy()):
            assert y.shape == expected.shape
            assert np.array_equal(np.signbit(y), np.signbit(expected)) or np.isnan(expected).any()
            np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(y.dtype).eps if y.dtype.kind == "f" else 0)


# Matrices: equal eigenvalues, singular values of 0, no inverse.


def turned(*values, columns=None):
    """Return a matrix of these singular values, not quite as computed; symmetric if it is square."""
    q = np.linalg.qr(numbers(len(values), len(values))).Q
    return q @ np.diag(values) @ (q.T if columns is None else np.linalg.qr(numbers(columns, columns)).Q[: len(values)])


def slopes(f, x):
    with np.errstate(all="ignore"):
        return tg.grad(f)(x).numpy()


@pytest.mark.parametrize("values", [(1, 1, 1, 3), (1000, 1000, 3000), (1, 1, -2), (0, 0, 5)])
def test_vectors_of_equal_eigenvalues_have_no_slope_and_others_have_theirs(values):
    x = turned(*values)
    single = int(np.argsort(np.abs(np.sort(values) - values[0]))[-1])
    for batch in (x, np.stack([x, 1e6 * turned(*range(len(values)))])):
        of_pair, of_single = (
            slopes(lambda a, k=k: np.linalg.eigh(a).eigenvectors[..., k].sum(), batch).reshape(-1, *x.shape)[0]
            for k in (1, single)
        )
        assert not np.isfinite(of_pair).any()
        assert np.isfinite(of_single).all()
        assert np.isfinite(slopes(lambda a: np.linalg.eigvalsh(a).sum(), batch)).all()


@pytest.mark.parametrize("columns", [3, 4])
@pytest.mark.parametrize("is_high", [False, True])
def test_vectors_of_several_singular_values_of_0_have_no_slope(columns, is_high):
    x = turned(2, 0, 0, columns=columns)
    x = x.T if is_high else x
    # Sums, since LAPACK may give single elements that are 0, for which 0 / 0 is 0.
    parts = {"u of 0": lambda u, _, v: u[:, 2], "v of 0": lambda u, _, v: v[2], "v of 2": lambda u, _, v: v[0]}
    for name, part in parts.items():
        found = slopes(lambda a, part=part: part(*np.linalg.svd(a, full_matrices=False)).sum(), x)
        assert np.isfinite(found).all() == (name == "v of 2")


@pytest.mark.parametrize("k", [0, 2])
def test_of_a_square_matrix_one_singular_value_may_be_0(k):
    x = turned(2, 1, 0, columns=3)
    assert np.isfinite(slopes(lambda a: np.linalg.svd(a)[k].sum(), x)).all()


def test_a_singular_matrix_has_cofactors():
    x = numbers(4, 4)
    x[3] = 0
    found = slopes(lambda a: np.linalg.det(a), x)
    assert found[3, 3] == pytest.approx(np.linalg.det(x[:3, :3]))
    assert not found[:3].any()


def test_values_are_equal_as_far_as_their_precision_goes():
    unit = np.finfo(np.float64).eps
    values = np.array([[1, 1 + 6 * unit, 1 + 30 * unit], [1e6, 2e6, 3e6]])
    np.testing.assert_array_equal(linalg.gaps(values)[0, 0] != 0, [True, False, True])
    values = np.array([1, unit, unit])
    np.testing.assert_array_equal(linalg.sums(values)[1] != 0, [True, True, False])
    np.testing.assert_array_equal(linalg.as_row(values), [[1, 0, 0]])
