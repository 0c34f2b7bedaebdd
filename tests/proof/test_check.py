"""gradcheck is true when derivatives hold, and says where when they do not; nothing wrong passes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Tensor

X, Y = np.array([[0.5, -1.0, 2.0], [0.3, 1.5, -0.7]]), np.array([1.0, -2.0, 0.25])
each_mode = pytest.mark.parametrize("mode", ["full", "fast"])


def found(*args, **options):
    return tg.gradcheck(*args, raise_exception=False, **options)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("method", ["auto", "central", "complex"])
@each_mode
def test_what_is_right_holds(order, method, mode):
    report = tg.gradcheck(lambda x, y: np.tanh(x * y).sum(axis=0), X, Y, order=order, method=method, mode=mode)
    assert report
    assert bool(report) is True
    assert 0 <= report.max_error < 1e-10
    assert [(c.order, c.argument) for c in report.comparisons] == [(o, k) for o in range(1, order + 1) for k in (0, 1)]
    first = {"auto": "complex"}.get(method, method)
    assert [c.method for c in report.comparisons] == [first] * 2 + ["central"] * (2 * order - 2)
    assert "holds" in str(report)
    assert not report.kinks


@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (lambda x: x, (2.0,)),
        (lambda x: x.sum(), ([1.0, 2.0],)),
        (lambda x: x * x, (Tensor([1.0, 2.0], requires_grad=True),)),
        (lambda x: x * 3, (3,)),
        (lambda x: x * x, (np.zeros((0, 2)),)),
        (lambda x, y: x * 2 + y.sum(), (np.zeros((0, 2)), Y)),
        (lambda x: x[:0], (Y,)),
        (lambda x: x.exp(), (np.float32([1.0, -2.0]),)),
        (lambda x: x * 1e6, (np.array([1e3, -1e-3]),)),
        (lambda x, y: x * 2, (X, Y)),
        (lambda x: x.T @ x, (X.T[::2],)),
        (lambda x: x * 0 + 1.0, (Y,)),
        (lambda x: np.exp(x), (np.array([20.0, 30.0]),)),
    ],
)
@each_mode
def test_inputs_of_every_kind(f, inputs, mode):
    assert tg.gradcheck(f, *inputs, order=2, mode=mode)


def test_the_check_is_made_in_float64_and_leaves_the_inputs_alone():
    x, seen = np.float32([1.0, 2.0]), []

    def f(t):
        seen.append(t.dtype)
        return t * t

    tg.gradcheck(f, x, method="central")
    assert set(seen) == {np.dtype(np.float64)}
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.float32([1, 2]), r"of float32, checked in float64: .*3 right digits"),
        (2, "of int64, .*whole numbers have no derivative"),
    ],
)
def test_it_is_said_why_other_types_are_checked_in_float64(x, said):
    (note,) = tg.gradcheck(lambda x: x * x, x).notes
    assert re.match(f"input 0 {said}", note)
    assert not tg.gradcheck(lambda x: x * x, 2.0).notes


@pytest.mark.parametrize("order", [1, 2])
@each_mode
def test_several_results_are_checked_together(order, mode):
    assert tg.gradcheck(lambda x, y: (x * y, np.tanh(x), y.sum()), X, Y, order=order, mode=mode)
    assert tg.gradcheck(lambda x: [x.sum()], X, order=order, mode=mode)


def test_a_mismatch_names_which_of_several_results(wrong_at):
    report = found(lambda x: (x * 2, wrong_at(1)(x), x.sum()), Y)
    (c,) = report.comparisons
    assert (c.result, c.of, c.output, c.index) == (1, "y1", (1,), (1,))
    assert c.errors.shape == (7, 3)
    assert "of y1[1] by input 0[1]" in str(c)


@pytest.mark.parametrize("k", [0, 4, 5])
@pytest.mark.parametrize("method", ["auto", "central", "complex"])
@each_mode
def test_a_mismatch_names_input_index_and_both_values(wrong_at, k, method, mode):
    rule = wrong_at(k)
    i, j = map(int, np.unravel_index(k, X.shape))
    with pytest.raises(tg.GradientMismatch) as caught:
        tg.gradcheck(lambda y, x: rule(x) + y, Y, X, method=method, mode=mode)
    text = str(caught.value)
    assert f"derivative of order 1 of y[{i}, {j}] by input 1[{i}, {j}]: {4 * X[i, j]:.10g}, but" in text
    assert f"{2 * X[i, j]:.6g}"[:5] in text
    assert ("complex step" if method == "complex" else "central differences") in text
    assert not caught.value.report
    assert isinstance(caught.value, AssertionError)


@settings(deadline=None, max_examples=15)
@given(k=st.integers(0, 23), row=st.integers(0, 3), factor=st.sampled_from([0.0, -1.0, 1.00001, 2.0, 1e3]))
def test_one_wrong_entry_is_found_wherever_it_is_planted(k, row, factor):
    weights = np.random.default_rng(0).normal(size=(4, 24))
    slope = weights.copy()
    slope[row, k] *= factor

    def planted(f, **options):
        report = found(f, np.linspace(-1, 1, 24).reshape(2, 3, 4), gradient=gradient, **options)
        (c,) = report.comparisons
        assert not report
        assert (c.output, c.index) == ((row,), tuple(np.unravel_index(k, (2, 3, 4))))

    def gradient(x):
        return slope.reshape(4, 2, 3, 4)

    planted(lambda x: weights @ x.ravel(), mode="full")
    # In a projection a hundred-thousandth of one entry may be lost beside the others.
    if factor != 1.00001:
        planted(lambda x: weights @ x.ravel(), mode="fast")


def test_a_large_input_is_checked_fast_and_says_so(wrong_at):
    x = np.random.default_rng(0).normal(size=(200, 10))
    report = tg.gradcheck(lambda x: np.tanh(x).sum(axis=0), x)
    assert "10 × 2000 derivatives" in report.notes[0]
    assert report.comparisons[0].index is None
    rule = wrong_at(1234, factor=1.001)
    (c,) = found(lambda x: rule(x).sum(axis=0), x).comparisons
    assert (c.output, c.index) == ((4,), (123, 4))
    assert c.analytic == pytest.approx(2.002 * x[123, 4])
    assert c.numeric == pytest.approx(2 * x[123, 4])
    (c,) = found(lambda x: rule(x).sum(axis=0), x, mode="full").comparisons
    assert (c.output, c.index) == ((4,), (123, 4))


def test_the_same_seed_gives_the_same_directions():
    def error(seed):
        return tg.gradcheck(lambda x: np.exp(np.sin(x)), X, mode="fast", method="central", seed=seed).comparisons[0]

    assert error(1) == error(1)
    assert error(1) != error(2)


@each_mode
def test_an_error_visible_only_in_second_order(cut, mode):
    assert tg.gradcheck(cut, Y, order=1, mode=mode)
    with pytest.raises(
        tg.GradientMismatch, match=r"derivative of order 2 of gradient by input 0\[\d\] by input 0\[\d\]"
    ):
        tg.gradcheck(cut, Y, order=2, mode=mode)
    assert list(map(bool, found(cut, Y, order=2, mode=mode).comparisons)) == [True, False]


def test_second_derivatives_that_cancel_in_a_plain_sum_are_caught(cut):
    """The outputs x³ and -x³, both with a cut graph: the sum of all their second derivatives is right, 0."""
    assert not found(lambda x: np.stack([cut(x), -cut(x)]), Y, order=2)


def test_a_second_derivative_names_both_inputs(define):
    product = define(
        "half_cut",
        lambda a, b: a * b,
        a=lambda g, b: g * (b.numpy() if isinstance(b, Tensor) else b),
        b=lambda g, a: g * a,
    )
    report = found(lambda a, b: product(a, b).sum(), Y, 2 * Y, order=2)
    wrong = [c for c in report.comparisons if not c]
    assert [(c.argument, c.result, c.of) for c in wrong] == [(1, 0, "gradient by input 0")]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("order", [1, 2])
@each_mode
def test_nan_and_infinity_never_pass(define, bad, place, order, mode):
    factor = np.ones(3)
    factor[place] = bad
    rule = define("bad", lambda x: x * 1, x=lambda g: g * factor)
    report = found(rule, Y, order=order, mode=mode)
    assert not report
    assert report.max_error == np.inf
    with pytest.raises(tg.GradientMismatch, match=r"nan|inf"):
        tg.gradcheck(lambda y, x: rule(x) + y, Y, Y, order=order, mode=mode)


@pytest.mark.parametrize("size", [1e-9, 1e-6, 1e-3, 1e3, 1e9])
@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("method", ["auto", "central"])
def test_a_wrong_factor_is_found_however_small_the_derivative(size, offset, method):
    def f(x):
        return size * np.sin(x) + offset

    for factor in (0.0, 0.5, 1.0, 2.0):
        right = factor * size * np.diag(np.cos(Y))
        assert bool(found(f, Y, gradient=lambda x, right=right: right, method=method)) == (factor == 1)


@pytest.mark.parametrize("noise", [1e-17, -1e-16])
@pytest.mark.parametrize("method", ["complex", "central"])
def test_rounding_noise_of_true_zeros_is_no_error(noise, method):
    assert found(lambda x: 0 * x + 1, Y, gradient=lambda x: np.full((3, 3), noise), method=method)
    assert found(lambda x: np.tanh(x) + 0 * x.sum(), Y, gradient=lambda x: np.diag(1 - np.tanh(x) ** 2) + noise)


def test_saturated_functions_pass():
    assert tg.gradcheck(lambda x: np.tanh(x), np.array([0.1, 8.0, 15.0, -25.0]), order=2)
    assert tg.gradcheck(lambda x: x.softmax(), np.array([0.1, 80.0, -150.0]), order=2)


def test_tolerance(define):
    slightly = define("slightly", lambda x: x * 1, x=lambda g: g * (1 + 1e-5))
    assert not found(slightly, Y)
    assert tg.gradcheck(slightly, Y, tolerance=1e-4)


def test_absolute_and_relative_errors(define):
    slightly = define("slightly", lambda x: 100 * x, x=lambda g: 100 * g * np.array([1, 1.001, 1]))
    (c,) = found(slightly, Y).comparisons
    assert c.error == pytest.approx(1e-3)
    assert c.absolute == pytest.approx(0.1)
    assert c.relative == pytest.approx(1e-3)
    assert c.errors.shape == (3, 3)
    assert np.argmax(c.errors) == 4


def test_constants_of_float32_are_no_noise():
    w = Tensor([1.0, 2.0, 3.0])
    assert w.dtype == np.float32
    assert tg.gradcheck(lambda x: (x * w).exp(), Y, order=2)


def test_probing_outside_a_domain_is_silent():
    for method in ("auto", "central"):
        assert tg.gradcheck(lambda x: np.log(x), np.array([1e-5, 1e-3]), method=method)
        assert tg.gradcheck(lambda x: 1 / x + np.sqrt(x), np.array([1e-2, 1.0]), method=method, order=2)
        assert tg.gradcheck(lambda x: np.exp(x), np.array([650.0]), method=method)


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (lambda x: np.abs(x), "loses its imaginary part"),
        (lambda x: np.remainder(x, 0.3), "does not run on complex numbers"),
        (lambda x: x * np.floor(x) + np.conj(x) if x.dtype.kind == "c" else x, "does not run"),
        (lambda x: np.abs(x) * x + x, "not analytic"),
        (lambda x: np.sum(np.where(x > 0, x, 0.0)) + (x[0] - 1).relu(), "kink"),
    ],
)
def test_the_complex_step_by_name_says_where_it_cannot_be_used(f, reason):
    with pytest.raises(ValueError, match=rf"method='complex' cannot be used: .*{reason}.*'central'"):
        tg.gradcheck(f, Y, method="complex")


@pytest.mark.parametrize("f", [lambda x: np.abs(x), lambda x: np.remainder(x, 0.3), lambda x: np.abs(x) * x + x])
def test_auto_takes_differences_where_the_complex_step_cannot_be_used(f):
    report = tg.gradcheck(f, Y)
    assert [c.method for c in report.comparisons] == ["central"]


def test_auto_confirms_by_differences_what_the_complex_step_calls_wrong():
    """A function whose complex values lie along unit vectors, but not along the direction that is tried first."""

    def f(x):
        if np.iscomplexobj(x) and np.count_nonzero(x.imag) == 1:
            return x * (1 + 1j)
        return x * 2

    report = tg.gradcheck(f, Y, gradient=lambda x: 2 * np.eye(3))
    assert [c.method for c in report.comparisons] == ["central"]
    with pytest.raises(tg.GradientMismatch, match="complex step"):
        tg.gradcheck(f, Y, gradient=lambda x: 2 * np.eye(3), method="complex")


def detached(x):
    return x.detach() * 2


@pytest.mark.parametrize(
    ("f", "inputs", "hint"),
    [
        (detached, (Y,), r"no gradient reaches input 0: does the function use \.numpy\(\), \.detach\(\) or math\?"),
        (lambda x, y: x * detached(y), (Y, Y), "no gradient reaches input 1"),
    ],
)
@each_mode
def test_a_lost_history_is_said(f, inputs, hint, mode):
    with pytest.raises(tg.GradientMismatch, match=hint):
        tg.gradcheck(f, *inputs, mode=mode)


A = np.arange(9.0).reshape(3, 3)


@pytest.mark.parametrize(
    ("f", "gradient", "x", "hint"),
    [
        (lambda x: A @ x, lambda x: A.T, Y, "transpose"),
        (lambda x: np.sum(A * x), lambda x: A.T, np.ones((3, 3)), "transpose"),
        (lambda x: np.sum(x**3), lambda x: 6 * x**2, Y, "2 times as large everywhere"),
        (lambda x: np.mean(x**2), lambda x: 2 * x, Y, "3 times as large everywhere"),
        (lambda x: np.sum(x**3), lambda x: -3 * x**2, Y, "sign is flipped everywhere"),
        (lambda x: x**3, lambda x: 0 * np.eye(3), Y, ""),
        (lambda x: x**3, lambda x: np.diag(x), Y, ""),
        (lambda x: np.sum(x**2), lambda x: 2 * x + [0, 0, 1], Y, ""),
    ],
)
def test_hints_are_given_where_they_are_certain(f, gradient, x, hint):
    (c,) = found(f, x, gradient=gradient).comparisons
    assert not c
    assert bool(hint) == bool(c.hint)
    assert hint in str(c)


@pytest.mark.parametrize(
    ("f", "gradient", "x"),
    [
        (lambda x: 1e6 * x[0] ** 2 + 1e-2 * x[1] ** 2, lambda x: np.array([2e6 * x[0], -2e-2 * x[1]]), [1.0, 1.0]),
        (lambda x: 1e14 + np.sum(np.sin(x)), lambda x: -np.cos(x), [0.5, 1.0, 2.0]),
        (lambda x: 1e-14 * np.sum(x**2), lambda x: -2e-14 * x, [1.0, 2.0]),
    ],
)
def test_what_is_wrong_does_not_pass_for_being_small(f, gradient, x):
    assert not found(f, np.array(x), gradient=gradient)
    assert found(f, np.array(x), gradient=lambda x: np.abs(gradient(x)) * np.sign(right(f, x)))


def right(f, x):
    return np.array([np.imag(f(x + 1e-20j * v)) / 1e-20 for v in np.eye(len(x))])


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("f", [lambda x: x.softmax().sum(), lambda x: x - x * 1.1 + 0.1 * x])
def test_derivatives_that_cancel_are_no_error(f, mode):
    for method in ("auto", "central"):
        assert found(f, Y, order=2, method=method, mode=mode)


def test_what_passes_only_for_being_small_is_said():
    x = np.array([0.5, 1.0, 2.0])
    raised = (lambda x: 1e14 + np.sum(np.sin(x))), np.cos
    tiny = (lambda x: 1e-17 * np.sum(x)), (lambda x: 2e-17 + 0 * x)
    for mode, many in (("full", "3 derivatives"), ("fast", "they")):
        for f, g in (raised, tiny):
            report = found(f, x, gradient=g, method="central", mode=mode)
            assert report
            assert f"input 0: {many} are too small compared with rounding errors to be checked: rescale" in str(report)
            assert report.comparisons[0].relative is None
    report = found(lambda x: 1e14 + np.sum(np.sin(x)), x[:1], gradient=np.cos, method="central")
    assert "1 derivative is too small" in str(report)
    assert "too small" not in str(found(lambda x: np.tanh(x), Y, order=2, method="central"))


def test_the_relative_error_of_what_is_wrong_is_the_true_one():
    (c,) = found(lambda x: 0 * x, Y, gradient=lambda x: np.eye(3)).comparisons
    assert c.relative == np.inf
    (c,) = found(lambda x: 1e-14 * np.sum(x), Y, gradient=lambda x: 3e-14 + 0 * x).comparisons
    assert c.relative == pytest.approx(2)


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("method", ["auto", "central", "complex"])
def test_inputs_in_units_of_every_size(method, mode):
    def energy(r):
        return 8.99e9 * 1.6e-19**2 / np.sqrt(r @ r)

    def force(r):
        return -energy(r) * r / (r @ r)

    r = np.array([1e-10, 2e-10, 0.0])
    assert found(energy, r, gradient=force, method=method, mode=mode)
    assert not found(energy, r, gradient=lambda r: -force(r), method=method, mode=mode)
    assert found(lambda x: (1 / x + x.log()).sum(), np.array([1e-9, 2.0]), method=method, mode=mode)


def test_a_factor_near_one_is_no_hint():
    (c,) = found(lambda x: np.sum(x**3), Y, gradient=lambda x: 3.000003 * x**2).comparisons
    assert not c
    assert not c.hint


def test_what_is_noisy_does_not_pass_for_it():
    def f(x):
        return np.sum(1e-3 * np.sin(x) + 1e-9 * np.sin(1e15 * x))

    assert not found(f, Y, gradient=lambda x: 1e-3 * np.cos(x) + 5e-8, method="central")


def test_projections_move_large_inputs_by_as_much():
    (c,) = found(lambda x: np.sum(x**2), 1e8 * Y, mode="fast", method="central").comparisons
    assert c
    assert not c.hint
    assert c.relative < 1e-11
