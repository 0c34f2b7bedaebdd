"""Numeric derivatives are right to ten digits and more, near the edge of a domain too; kinks and jumps are seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite.proof.numeric import central, complex_step

quick = settings(deadline=None, max_examples=60)
numbers = st.floats(-3, 3)


def slopes(f, *x, directions=None):
    point = np.array(x, dtype=np.float64)
    with np.errstate(all="ignore"):
        return central(f, point, np.eye(len(point)) if directions is None else np.array(directions))


@st.composite
def smooth(draw):
    """Draw a function of one variable with its derivative, and how large the terms in it are."""
    coefficients = draw(st.lists(numbers, min_size=1, max_size=6))
    a, b, c = draw(numbers), draw(numbers), draw(st.floats(-1, 1))
    p = np.polynomial.Polynomial(coefficients)

    def f(x):
        return p(x) + a * np.sin(b * x) + np.exp(c * x) * np.cos(x)

    def derivative(x):
        return p.deriv()(x) + a * b * np.cos(b * x) + np.exp(c * x) * (c * np.cos(x) - np.sin(x))

    def size(x):
        return (
            sum(abs(k) * max(1, abs(x)) ** i for i, k in enumerate(coefficients)) + abs(a * b) + np.exp(abs(c * x)) + 1
        )

    return f, derivative, size


@quick
@given(drawn=smooth(), x=numbers)
def test_central_differences_of_smooth_functions(drawn, x):
    f, derivative, size = drawn
    found = slopes(f, x)
    assert found.value[0, 0] == pytest.approx(derivative(x), rel=1e-10, abs=1e-11 * size(x))
    assert not found.kink.any()
    assert not found.jump.any()
    assert abs(found.value[0, 0] - derivative(x)) <= 10 * found.error[0, 0] + 1e-15 * size(x)


@quick
@given(drawn=smooth(), x=numbers)
def test_the_complex_step_of_smooth_functions(drawn, x):
    f, derivative, size = drawn
    found = complex_step(f, np.array([x]), np.eye(1))
    assert found.value[0, 0] == pytest.approx(derivative(x), rel=1e-14, abs=1e-14 * size(x))


@quick
@given(data=st.data())
def test_directions_mix_the_columns_of_the_jacobian(data):
    a = np.array(data.draw(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=4)))
    v = np.array(data.draw(st.tuples(numbers, numbers, numbers)))
    x = np.array([0.3, -1.0, 0.7])
    expected = np.cos(a @ x) * (a @ v)
    for method in (central, complex_step):
        found = method(lambda z: np.sin(a @ z), x, v[np.newaxis])
        np.testing.assert_allclose(found.value, expected[np.newaxis], rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.log, 1e-6, 1e6),
        (np.log, 0.01, 100.0),
        (np.sqrt, 1e-4, 50.0),
        (lambda x: 1 / x, 1e-3, -1e6),
        (lambda x: 1 / x, 1e-5, -1e10),
        (lambda x: np.sin(50 * x), 0.7, 50 * np.cos(35)),
        (lambda x: x**2, 1e6, 2e6),
        (lambda x: x + 1e8, 0.3, 1.0),
        (lambda x: 1e-9 * x, 0.3, 1e-9),
        (lambda x: np.where(x > 0.999, x**2, np.nan), 1.0, 2.0),
        (lambda x: np.maximum(x, 0) ** 2 + np.maximum(x, 0), 1e-3, 1.002),
        (lambda x: np.maximum(x, 0) ** 2 + np.maximum(x, 0), 1e-5, 1.00002),
    ],
)
def test_what_goes_on_far_from_the_point_does_not_spoil_it(f, x, expected):
    found = slopes(f, x)
    assert found.value[0, 0] == pytest.approx(expected, rel=1e-10)
    assert not found.kink.any()
    assert not found.jump.any()


def test_each_output_has_its_own_best_step():
    found = slopes(lambda x: np.stack([x[0] ** 2, np.sin(300 * x[0]), np.log(x[1]), 0 * x[0]]), 0.5, 1e-4)
    expected = [[1, 300 * np.cos(150), 0, 0], [0, 0, 1e4, 0]]
    np.testing.assert_allclose(found.value, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("f", "left", "right"),
    [
        (np.abs, -1, 1),
        (lambda x: np.maximum(x, 0), 0, 1),
        (lambda x: np.minimum(x, 0) + 5, 1, 0),
        (lambda x: np.maximum(x, 0) + np.maximum(x, 0) ** 2, 0, 1),
        (lambda x: np.abs(x) + 3 * x + x**2, 2, 4),
        (lambda x: np.abs(x) + 500 * x**2, -1, 1),
        (lambda x: np.abs(x) + 1000 * x, 999, 1001),
        (lambda x: np.where(x > 0, np.exp(x) - 1, np.sin(2 * x)), 2, 1),
    ],
)
def test_a_kink_has_two_slopes(f, left, right):
    found = slopes(f, 0.0)
    assert found.kink.all()
    assert not found.jump.any()
    assert found.left[0, 0] == pytest.approx(left, abs=1e-9)
    assert found.right[0, 0] == pytest.approx(right, abs=1e-9)


@pytest.mark.parametrize(
    "f", [lambda x: x * np.abs(x), lambda x: np.maximum(x, 0) ** 2 + 1, lambda x: np.abs(x) ** 1.5]
)
def test_a_kink_of_the_derivative_is_none_of_the_function(f):
    found = slopes(f, 0.0)
    assert not found.kink.any()
    assert found.value[0, 0] == pytest.approx(0, abs=1e-11)


@pytest.mark.parametrize(
    ("f", "x"), [(np.floor, 1.0), (np.sign, 0.0), (lambda x: np.where(x > 0, x, 1e-3), 0.0), (np.ceil, 2.0)]
)
def test_a_jump_is_no_kink(f, x):
    found = slopes(f, x)
    assert found.jump.all()
    assert not found.kink.any()


@pytest.mark.parametrize("f", [np.cbrt, lambda x: np.sqrt(np.abs(x)), lambda x: np.sqrt(x)])
def test_a_vertical_tangent_is_neither(f):
    found = slopes(f, 0.0)
    assert not found.jump.any()
    assert not found.kink.any()


def test_where_there_are_values_on_one_side_only_there_is_no_slope():
    assert np.isnan(slopes(np.sqrt, 0.0).value).all()


@pytest.mark.parametrize("method", [central, complex_step])
def test_nothing_gives_nothing(method):
    empty = np.zeros(0)
    assert method(lambda x: np.concatenate([x, np.ones(2)]), empty, np.zeros((1, 0))).value.tolist() == [[0, 0]]
    assert method(lambda x: x[:0], np.ones(2), np.eye(2)).value.shape == (2, 0)


def test_few_evaluations_suffice_for_what_is_smooth():
    calls = []

    def counted(x):
        calls.append(x)
        return np.tanh(x)

    slopes(counted, 0.3)
    assert len(calls) <= 11
    calls.clear()
    points = np.linspace(-2, 2, 100)
    for x in points:
        slopes(lambda x: counted(x) * 0 + np.pi * x, x)
    assert len(calls) <= 7 * len(points)


def test_rounding_errors_are_no_jump():
    found = slopes(lambda x: 1 + 1e-13 * np.sin(1e15 * x), *np.linspace(-1, 1, 50))
    assert not found.jump.any()


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: 1 / x, 1e-9, -1e18),
        (lambda x: np.log(np.abs(x)), 1e-7, 1e7),
        (lambda x: np.log(x), 1e-12, 1e12),
        (lambda x: np.sqrt(np.abs(x)), 1e-8, 5e3),
        (lambda x: np.sin(x / 1e-12), 0.0, 1e12),
        (lambda x: np.sin(x / 1e-12), 1e-12, 1e12 * np.cos(1)),
        (lambda x: 2.3e-28 / np.abs(x), 1e-10, -2.3e-8),
        (lambda x: np.maximum(x, 0), 3e-9, 1.0),
    ],
)
def test_a_function_of_a_small_input_is_resolved(f, x, expected):
    found = slopes(f, x)
    assert found.value[0, 0] == pytest.approx(expected, rel=1e-6)
    assert not (found.kink | found.jump | found.lost).any()


@pytest.mark.parametrize(
    ("f", "x"),
    [(np.cbrt, 0.0), (lambda x: np.sqrt(np.abs(x)), 0.0), (lambda x: np.sin(1e12 * x), 1.0)],
)
def test_where_slopes_go_on_changing_there_is_no_derivative(f, x):
    found = slopes(f, x)
    assert found.lost.all()
    assert np.isnan(found.value).all()


def test_noise_far_above_rounding_is_not_mistaken_for_the_function():
    for f in (lambda x: np.tanh(x) + 1e-12 * np.sin(1e15 * x), lambda x: 1e-12 * np.sin(1e15 * x)):
        found = slopes(f, *np.linspace(0.1, 1, 20))
        assert not (found.kink | found.jump | found.lost).any()
        assert np.abs(np.diag(found.value) - (1 - f(np.linspace(0.1, 1, 20)) ** 2) * (f(1e3) > 0.5)).max() < 1e-8


def test_rounding_errors_are_no_kink():
    x = np.random.default_rng(0).normal(size=300)
    for offset in (0.0, 1.0, 1e3, 1e8):
        found = central(lambda z, offset=offset: np.array([np.pi * z.sum() + offset]), x, np.eye(300), least=8)
        assert not found.kink.any()
