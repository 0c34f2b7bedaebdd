"""What is declared free of derivatives has none: each of its results is the same right beside each of its arguments."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules.numpy_functions import NUMPY_FUNCTIONS, PLAIN

STEP = 1e-3  # no sample is so close to a jump

X = np.array([[0.3, -1.6, 2.2], [-0.7, 1.4, 0.6]])
Y = np.array([[0.8, 0.9, -1.3], [0.4, -2.1, 1.7]])
BITS = np.array([5, 3, 6])

# The arguments that each function is called with; of those that are arrays of floats there may be no derivative.
SAMPLES = {
    function: samples
    for functions, samples in [
        ((np.argmax, np.argmin, np.argsort, np.nanargmax, np.nanargmin), [(X,), (X, 1)]),
        ((np.argpartition,), [(X, 1), (X, 1, 0)]),
        ((np.lexsort,), [((X[0], X[1]),)]),
        ((np.nonzero, np.flatnonzero, np.argwhere, np.count_nonzero), [(X,)]),
        ((np.searchsorted,), [(np.array([-1.0, 0.5, 2.0]), X)]),
        ((np.digitize,), [(X, np.array([-1.0, 0.5, 2.0]))]),
        ((np.isin,), [(X, Y)]),
        ((np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal), [(X, Y), (X, 0.9)]),
        ((np.logical_and, np.logical_or, np.logical_xor), [(X, Y)]),
        ((np.logical_not, np.isnan, np.isinf, np.isfinite, np.isposinf, np.isneginf), [(X,)]),
        ((np.isreal, np.iscomplex, np.isrealobj, np.iscomplexobj), [(X,)]),
        ((np.any, np.all), [(X,), (X, 0)]),
        ((np.isclose, np.allclose), [(X, Y), (X, X + 0.5, np.array(0.1), np.array(0.2))]),
        ((np.array_equal, np.array_equiv), [(X, Y)]),
        ((np.bitwise_and, np.bitwise_or, np.bitwise_xor), [(BITS, 3)]),
        ((np.left_shift, np.right_shift, np.gcd, np.lcm), [(BITS, 2)]),
        ((np.invert, np.bitwise_count), [(BITS,)]),
        ((np.sign, np.signbit, np.spacing, np.floor, np.ceil, np.rint, np.trunc, np.fix), [(X,)]),
        ((np.round, np.around), [(X,), (X + 0.023, 1)]),
        ((np.floor_divide,), [(X, Y), (X, 0.9)]),
        ((np.shape, np.ndim, np.size, np.result_type), [(X,)]),
        ((np.can_cast,), [(X.dtype, np.float32)]),
        ((np.zeros_like, np.ones_like), [(X,), (X, np.float32)]),
        ((np.zeros, np.ones), [((2, 3),)]),
        ((np.eye,), [(3,)]),
        ((np.linalg.matrix_rank,), [(X,), (np.stack([X, X]),), (X, 0.1)]),
        ((np.diag_indices_from, np.tril_indices_from, np.triu_indices_from), [(X[:, :2],)]),
    ]
    for function in functions
}
# Text has no derivative by its letters, nor has memory by what happened to be in it.
NOT_NUMBERS = {np.array2string, np.array_repr, np.array_str, np.empty_like}

CASES = [
    pytest.param(function, args, id=f"{function.__name__}-{i}")
    for function, samples in SAMPLES.items()
    for i, args in enumerate(samples)
]


def test_every_function_has_a_sample():
    assert set(SAMPLES) | NOT_NUMBERS == {function for function, row in NUMPY_FUNCTIONS.items() if row is PLAIN}
    assert not set(SAMPLES) & NOT_NUMBERS


def same(a, b):
    a, b = (x if isinstance(x, tuple) else (x,) for x in (a, b))
    return all(np.array_equal(np.asarray(x), np.asarray(y)) for x, y in zip(a, b, strict=True))


def slopes(function, args):
    """Return the numbers of the elements, of each argument of floats, that the result moves with."""
    for k, x in enumerate(args):
        if isinstance(x, np.ndarray) and x.dtype.kind == "f":
            for i in range(x.size):
                for step in (-STEP, STEP):
                    beside = x.copy()
                    beside.flat[i] += step
                    if not same(function(*args[:k], beside, *args[k + 1 :]), function(*args)):
                        yield k, i


@pytest.mark.parametrize(("function", "args"), CASES)
def test_its_differences_are_zero(function, args):
    assert not list(slopes(function, args))


def test_a_function_that_has_a_derivative_would_be_noticed():
    assert list(slopes(np.full_like, (X, np.array(2.0)))) == [(1, 0), (1, 0)]
    assert list(slopes(np.maximum, (np.array([1.0]), np.array([2.0])))) == [(1, 0), (1, 0)]


@pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("other", [np.array([2, 1, 3], np.int32), np.array([0.5, 0.25, 0.3]), np.float64(0.3), 2, 0.3])
def test_a_result_has_the_type_of_the_tensor_it_comes_from(other, mode):
    """Of two operands only a quotient that is rounded down has their type; the rest are truths and places."""
    x = np.array([[7.0, -7.0, 0.1], [5.5, 2.0, -0.3]], np.float32)
    for f in (lambda x: tg.Tensor(x) // other, lambda x: np.floor_divide(tg.Tensor(x), other)):
        found = mode(f)(x)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.floor_divide(x, np.asarray(other, np.float32)))
    found = mode(lambda x: other // tg.Tensor(x))(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.floor_divide(np.asarray(other, np.float32), x))


def test_what_may_have_a_derivative_is_refused_or_right():
    x = tg.Tensor([2.0, 3.0], requires_grad=True)
    with pytest.raises(TypeError, match="would lose the gradient"):
        np.full(3, x[0])
    with pytest.raises(TypeError, match=r"np\.full has no derivative rule"):
        np.full(3, x[0], like=x)
    with pytest.raises(TypeError, match=r"np\.arange has no derivative rule"):
        np.arange(x[0], like=x)


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (2.5, {}),
        (2.5, {"dtype": int}),
        (True, {"dtype": bool}),
        (np.float64(0.1), {}),
        ([1, 2, 3], {}),
        (np.array([[1], [2]]), {"shape": (2, 4)}),
        (3, {"shape": ()}),
        (np.ones(1), {"shape": ()}),
        (np.arange(3).reshape(1, 1, 1, 3), {}),
    ],
)
def test_a_full_array_of_constants_is_that_of_numpy(value, options):
    x = np.zeros((2, 3), np.float32)
    expected = np.full_like(x, value, **options)
    jitted = tg.jit(lambda x, value: np.full_like(x, value, **options))
    for found in (np.full_like(tg.Tensor(x), value, **options), jitted(x, value)):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)


def test_a_value_that_does_not_fit_a_full_array_is_refused():
    x = tg.Tensor(np.zeros(3))
    for value in (np.zeros(2), np.zeros((2, 3)), tg.Tensor(np.zeros((2, 3)))):
        with pytest.raises(ValueError, match="shape"):
            np.full_like(x, value)
