"""NumPy's functions in all the forms they are called in: values and two derivatives, in every mode and type.

What a function computes of Tensors is what NumPy computes of arrays; finite differences confirm the derivatives in
float64, and what is found in float32, and by a program, is the same.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg

X = np.array([[0.3, -1.6, 2.2], [-0.7, 1.4, 0.6]])
Y = np.array([[1.3, 0.4, -0.9], [2.1, -1.2, 0.8]])
P = abs(X) + 0.25
MASK = np.array([[True, False, True], [True, True, False]])
GAPS = np.where(MASK, X, np.nan)
POINTS = np.array([-1.0, 0.5, 3.0])

CASES = {
    # reductions and their arguments
    "sum where": (lambda x: np.sum(x, axis=1, where=MASK, initial=2.0), [X]),
    "sum where a column": (lambda x: np.sum(x, axis=0, keepdims=True, where=[[True], [False]]), [X]),
    "sum of NaN left out": (lambda x: np.sum(np.where(MASK, x, np.nan), where=MASK) ** 2, [X]),
    "sum from a start": (lambda x: np.sum(x, axis=(0, 1), initial=-1.5) ** 2, [X]),
    "sum from a Tensor": (lambda x, y: np.sum(x, axis=1, initial=y[0, 0]) ** 2, [X, Y]),
    "prod where": (lambda x: np.prod(x, axis=0, where=MASK, initial=3.0), [X]),
    "max where": (lambda x: np.max(x, axis=1, where=MASK, initial=-9.0) ** 2, [X]),
    "max from a start": (lambda x: np.max(x, axis=1, initial=0.5) ** 2, [X]),
    "max of nothing": (lambda x: np.max(x[:, :0], axis=1, initial=0.5) + x[:, 0] ** 2, [X]),
    "min where": (lambda x: np.min(x, axis=0, where=MASK, initial=9.0, keepdims=True) ** 2, [X]),
    "mean where": (lambda x: np.mean(x, axis=1, where=MASK) ** 2, [X]),
    "mean where a row": (lambda x: np.mean(x, where=[True, False, True]) ** 2, [X]),
    "var where": (lambda x: np.var(x, axis=1, where=MASK, ddof=0.5), [X]),
    "var of NaN left out": (lambda x: np.var(np.where(MASK, x, np.nan), axis=1, where=MASK), [X]),
    "var by a correction": (lambda x: np.var(x, axis=0, correction=1, keepdims=True), [X]),
    "var from a mean": (lambda x, m: np.var(x, axis=1, mean=m), [X, Y[:, :1]]),
    "std where": (lambda x: np.std(x, axis=1, where=MASK), [X]),
    "std by a correction": (lambda x: np.std(x, correction=1), [X]),
    # running results
    "cumsum": (lambda x: np.cumsum(x) ** 2, [X]),
    "cumprod": (lambda x: np.cumprod(x), [X]),
    "cumprod along rows": (lambda x: np.cumprod(x, axis=-1), [X]),
    "cumprod of zeros": (lambda x: np.cumprod(x * MASK, axis=1), [X]),
    "nancumsum": (lambda x: np.nancumsum(np.where(MASK, x, np.nan), axis=1) ** 2, [X]),
    "nancumprod": (lambda x: np.nancumprod(np.where(MASK, x, np.nan), axis=0), [X]),
    "cumulative_sum from 0": (lambda x: np.cumulative_sum(x, axis=1, include_initial=True) ** 2, [X]),
    "cumulative_prod from 1": (lambda x: np.cumulative_prod(x, axis=-2, include_initial=True), [X]),
    "unwrap": (lambda x: np.unwrap(4 * x) ** 2, [X]),
    "unwrap by steps": (lambda x: np.unwrap(9 * x, discont=5.0, axis=0, period=4.0) ** 2, [X]),
    # methods of ufuncs
    "add.reduce": (lambda x: np.add.reduce(x) ** 2, [X]),
    "multiply.reduce": (lambda x: np.multiply.reduce(x, axis=1, keepdims=True), [X]),
    "maximum.reduce": (lambda x: np.maximum.reduce(x, axis=None) ** 2, [X]),
    "minimum.reduce where": (lambda x: np.minimum.reduce(x, axis=1, where=MASK, initial=1.0) ** 2, [X]),
    "logaddexp.reduce": (lambda x: np.logaddexp.reduce(x, axis=1), [X]),
    "logaddexp.reduce where": (lambda x: np.logaddexp.reduce(x, axis=1, where=MASK), [X]),
    "hypot.reduce": (lambda x: np.hypot.reduce(x, axis=(0, 1)), [X]),
    "subtract.reduce": (lambda x: np.subtract.reduce(x, axis=1) ** 2, [X]),
    "divide.accumulate": (lambda x: np.divide.accumulate(x, axis=1), [P]),
    "add.accumulate": (lambda x: np.add.accumulate(x, axis=1) ** 2, [X]),
    "multiply.accumulate": (lambda x: np.multiply.accumulate(x), [X]),
    "maximum.accumulate": (lambda x: np.maximum.accumulate(x, axis=1) ** 2, [X]),
    "minimum.accumulate": (lambda x: np.minimum.accumulate(x, axis=-1) ** 2, [X]),
    "logaddexp.accumulate": (lambda x: np.logaddexp.accumulate(x, axis=1), [X]),
    "add.reduceat": (lambda x: np.add.reduceat(x, [0, 2, 1], axis=1) ** 2, [X]),
    "maximum.reduceat": (lambda x: np.maximum.reduceat(x, [0, 1]) ** 2, [X]),
    "multiply.outer": (lambda x, y: np.multiply.outer(x, y), [X, Y[0]]),
    "arctan2.outer": (lambda x, y: np.arctan2.outer(x[0], y), [X, P]),
    "a ufunc in a type": (lambda x: np.exp(x, dtype=x.dtype), [X]),
    # arithmetic
    "operators": (lambda x, y: (x % y) * (7 % y) + divmod(x, y)[1] + (x // y), [X, P]),
    "modf": (lambda x: np.modf(x)[0] ** 2 + np.modf(x)[1], [X]),
    "frexp": (lambda x: np.frexp(x)[0] ** 2 + np.frexp(x)[1], [X]),
    "ldexp": (lambda x: np.ldexp(x, [1, -3, 0]) ** 2, [X]),
    "copysign": (lambda x, y: np.copysign(x, y) ** 3, [X, Y]),
    "copysign of a number": (lambda y: np.copysign(2.0, y) * y, [Y]),
    "float_power": (lambda x, y: np.float_power(x, y), [P, Y]),
    "float_power of a number": (lambda y: np.float_power(3, y), [Y]),
    "parts": (lambda x: (x.real * x.imag + x.conj()) ** 2 + np.real_if_close(x) * np.angle(x, deg=True), [X]),
    "i0": (np.i0, [X]),
    "sinc": (np.sinc, [X]),
    "angles": (lambda x: np.sin(np.deg2rad(90 * x)) + np.cos(np.rad2deg(x / 90)), [X]),
    "radians and degrees": (lambda x: np.radians(x) ** 2 + np.degrees(x) ** 2, [X]),
    "logaddexp2": (np.logaddexp2, [X, Y]),
    # choices
    "fmax": (lambda x: np.fmax(np.where(MASK, x, np.nan), 0.25 * x) ** 2, [X]),
    "fmin of a number": (lambda x: np.fmin(0.5, x) ** 2, [X]),
    "fmax of gaps": (lambda x: np.fmax(GAPS, x) ** 2, [Y]),
    "nan_to_num": (lambda x: np.nan_to_num(np.where(MASK, x, np.nan), nan=0.5) ** 2, [X]),
    "heaviside": (lambda x, y: np.heaviside(np.where(MASK, 0, x), y) ** 2, [X, Y]),
    "select": (lambda x, y: np.select([x > 1, y > 0], [x * y, y * y], default=0.5 * x), [X, Y]),
    "select by masks": (lambda x: np.select([MASK, ~MASK[0]], [x**2, 3.0], 1.0), [X]),
    "interp": (lambda x, xp, fp: np.interp(x, xp, fp), [X, POINTS, Y[0]]),
    "interp with ends": (lambda x, fp: np.interp(x, [-0.5, 0.5, 1.0], fp, left=fp[1] ** 2, right=7.0), [X, Y[0]]),
    "interp around a circle": (lambda x, fp: np.interp(x, [5.0, -1.5, 0.5], fp, period=4.0), [X, Y[0]]),
    "interp of one point": (lambda x, fp: np.interp(x, [0.5], fp) * x, [X, Y[0, :1]]),
    "clip by Tensors": (lambda x, y: np.clip(x, y - 0.9, y + 1.2) ** 2, [X, Y]),
    "clip without bounds": (lambda x: np.clip(x, None, None) ** 2, [X]),
}


def everything(f, count):
    """Return a function that computes what another does, its derivatives by all inputs, and those of their squares."""
    inputs = tuple(range(count))

    def weighted(*xs):
        y = f(*xs)
        return (y * np.cos(1.0 + np.arange(y.size)).reshape(y.shape)).sum()

    first = tg.grad(weighted, inputs)

    def second(*xs):
        return tg.grad(lambda *xs: sum((d * d).sum() for d in first(*xs)), inputs)(*xs)

    return lambda *xs: (f(*map(tg.Tensor, xs)), *first(*xs), *second(*xs))


MODES = {"eager": lambda f: f, "jit": tg.jit}


@pytest.mark.parametrize("name", CASES)
def test_values_and_two_derivatives(name):
    f, inputs = CASES[name]
    assert tg.gradcheck(f, *inputs, order=2)
    expected = f(*inputs), *[x.numpy() for x in everything(f, len(inputs))(*inputs)[1:]]
    for mode, dtype in [("eager", np.float64), ("eager", np.float32), ("jit", np.float32)]:
        found = MODES[mode](everything(f, len(inputs)))(*(x.astype(dtype) for x in inputs))
        for one, other in zip(found, expected, strict=True):
            assert isinstance(one, tg.Tensor)
            assert (one.dtype, one.shape) == (dtype, np.shape(other)), mode
            tolerance = 1e-12 if dtype == np.float64 else 2e-5
            np.testing.assert_allclose(one.numpy(), other, rtol=tolerance, atol=10 * tolerance, err_msg=mode)


REFUSED = {
    "where of a ufunc": (lambda x: np.exp(x, where=MASK), TypeError, r"np\.exp.*where=.*undefined: write np\.where"),
    "out of a method": (
        lambda x: np.add.reduce(x, out=np.ones(3)),
        TypeError,
        r"np\.add\.reduce of a Tensor: .*'out'",
    ),
    "a narrower type": (lambda x: np.exp(x, dtype=int), TypeError, r"would cut numbers of float64.*\.astype\(int64\)"),
    "at": (lambda x: np.add.at(x, [0], 1.0), TypeError, r"np\.add\.at changes an array in place.*shapes\.place"),
    "reduce by order": (lambda x: np.subtract.reduce(x, axis=None), ValueError, r"one axis at a time"),
    "no neutral element": (lambda x: np.max(x, where=MASK), ValueError, r"np\.maximum.*where= needs initial="),
    "nothing to reduce": (lambda x: np.max(x[:0], axis=0), ValueError, r"zero-size"),
    "two names": (lambda x: np.var(x, ddof=1, correction=1), ValueError, r"two names of one number"),
    "choices": (lambda x: np.select([x > 0], [x, x]), ValueError, r"1 conditions needs as many choices, not 2"),
    "in place": (lambda x: np.nan_to_num(x, copy=False), TypeError, r"in place: write x = np\.nan_to_num"),
    "a number": (lambda x: np.add.accumulate(x[0, 0]), TypeError, r"np\.add\.accumulate needs an array with axes"),
    "several axes": (lambda x: np.cumulative_sum(x), ValueError, r"shape \(2, 3\) needs axis="),
    "another argument": (lambda x: x.sum(out=x), TypeError, r"'out'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name):
    f, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        f(tg.Tensor(X))


def test_a_condition_alone_says_where_it_holds():
    for found, expected in zip(np.where(tg.Tensor(X) > 0), np.where(X > 0), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_piecewise_takes_numpys_conditions():
    pieces = [lambda x: -x, np.square, 0.5]
    for conditions in ([X < 0, X > 1], [X < 0, X > 1, (X >= 0) & (X <= 1)]):
        found = np.piecewise(tg.Tensor(X), conditions, pieces)
        np.testing.assert_allclose(found.numpy(), np.piecewise(X, conditions, pieces))
    assert tg.gradcheck(lambda x: np.piecewise(x, [x < 0, x > 1], [lambda x: -x, np.square, 0.5]), X, order=2)
    with pytest.raises(tg.errors.JitError, match="a mask chooses elements"):
        tg.jit(lambda x: np.piecewise(tg.Tensor(x), [x < 0], pieces[:2]))(X)


def test_a_type_may_be_asked_for():
    x = tg.Tensor(X.astype(np.float32))
    for f in (np.sum, np.prod, np.mean, np.var, np.std, np.cumsum, np.cumprod, np.nancumsum, np.add.reduce):
        assert f(x, dtype=np.float64).dtype == np.float64
        assert f(x).dtype == np.float32
    assert np.add(x, 1.0, dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize("ufunc", [np.logical_and, np.bitwise_or, np.gcd])
def test_methods_of_plain_functions_answer_with_plain_arrays(ufunc):
    x = np.array([[6, 4], [9, 3]])
    for method in ("reduce", "accumulate"):
        np.testing.assert_array_equal(getattr(ufunc, method)(tg.Tensor(x)), getattr(ufunc, method)(x))
    np.testing.assert_array_equal(ufunc.outer(tg.Tensor(x), x), ufunc.outer(x, x))


def test_methods_that_round_and_tell_the_truth():
    x = tg.Tensor(X)
    np.testing.assert_array_equal(x.round(1), X.round(1))
    np.testing.assert_array_equal((x > 0).all(axis=0), (X > 0).all(axis=0))
    np.testing.assert_array_equal(x.any(axis=1, keepdims=True), X.any(axis=1, keepdims=True))
    assert x.all()


MEANS = (np.mean, np.var, np.std, np.nanmean, np.nanvar, np.nanstd, np.cov, np.corrcoef)


@pytest.mark.parametrize("f", MEANS)
def test_a_mean_in_a_whole_type_is_refused(f):
    def of_whole_type(x):
        return np.sum(f(tg.Tensor(x), dtype=int))

    for form in (of_whole_type, tg.jit(of_whole_type), tg.grad(lambda x: np.sum(f(x, dtype=int)))):
        with pytest.raises(
            TypeError, match=r"np\.\w+ computes in a floating type.*lose the gradient.*\.astype\(int64\)"
        ):
            form(X)


# NumPy multiplies the conjugates of complex numbers.
CONJUGATING = {
    "vdot": lambda z: np.vdot(z, z),
    "vecdot": lambda z: np.vecdot(z, z),
    "linalg.vecdot": lambda z: np.linalg.vecdot(z, z),
    "var": lambda z: np.var(z),
    "nanvar": lambda z: np.nanvar(z),
    "cov": lambda z: np.cov(z),
}


@pytest.mark.parametrize("name", CONJUGATING)
def test_products_with_a_conjugate_are_refused(name):
    with pytest.raises(TypeError, match=rf"np\.{name.removeprefix('linalg.')} of complex numbers.*\(x\.numpy\(\)\)"):
        CONJUGATING[name](tg.Tensor(X * 1j))


@pytest.mark.parametrize("f", [np.polyadd, np.polysub])
def test_a_polynomial_is_given_by_a_vector(f):
    with pytest.raises(ValueError, match=r"a vector of its coefficients, not by an array of shape \(2, 3\)"):
        f(tg.Tensor(X), [1.0])
    np.testing.assert_array_equal(f(tg.Tensor([1.0, 2.0]), 3.0), f([1.0, 2.0], 3.0))
