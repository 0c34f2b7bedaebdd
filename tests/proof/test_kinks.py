"""At a kink every value between the one-sided slopes passes, with a warning, and none outside; a jump never does."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.proof import KinkWarning

ZERO = np.array([1.0, 0.0, -2.0])


def found(*args, **options):
    return tg.gradcheck(*args, raise_exception=False, **options)


@pytest.mark.parametrize(
    ("f", "x", "places", "slopes"),
    [
        (lambda x: x.relu(), ZERO, [(1,)], (0, 1)),
        (lambda x: abs(x), ZERO, [(1,)], (-1, 1)),
        (lambda x: np.where(x >= 0, x, 0.0), ZERO, [(1,)], (0, 1)),
        (lambda x: np.where(x > 0, x, -x), ZERO, [(1,)], (-1, 1)),
        (lambda x: x.max(), np.array([1.0, 1.0, 0.5]), [(0,), (1,)], (0, 1)),
        (lambda x: x.min(), np.array([1.0, 0.5, 0.5]), [(1,), (2,)], (1, 0)),
        (lambda x: np.maximum(x, 2.0), np.array([2.0, 1.0]), [(0,)], (0, 1)),
        (lambda x: np.exp(abs(x)).sum() * 1e-3, ZERO, [(1,)], (-1e-3, 1e-3)),
    ],
)
@pytest.mark.parametrize("method", ["auto", "central"])
def test_a_subgradient_is_accepted_and_the_kink_reported(f, x, places, slopes, method):
    report = found(f, x, method=method)
    assert report
    assert [kink.index for kink in report.kinks] == places
    for kink in report.kinks:
        assert (kink.left, kink.right) == pytest.approx(slopes, abs=1e-8)
        assert min(slopes) <= kink.analytic <= max(slopes)
        assert (kink.order, kink.argument, kink.name) == (1, 0, "input 0")
        assert str(kink) in str(report)
    assert report.comparisons[0].method == "central"
    assert report.table().splitlines()[2].endswith("kink")
    with pytest.warns(
        KinkWarning, match=r"kink at input 0\[\d\]: the slopes of y.* are .* move the point away"
    ) as caught:
        assert tg.gradcheck(f, x, method=method)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert ("and 1 more, in report.kinks" in str(caught[0].message)) == (len(places) == 2)


@pytest.mark.parametrize("value", [-1.0, -0.3, 0.0, 1.0])
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_any_value_between_the_slopes_passes(value, mode):
    def gradient(x):
        return np.diag(np.where(x == 0, value, np.sign(x)))

    report = found(lambda x: np.abs(x), ZERO, gradient=gradient, mode=mode)
    assert report
    if mode == "full":
        assert [kink.analytic for kink in report.kinks] == [value]


@pytest.mark.parametrize("value", [-1.01, 1.00001, 2.0, np.nan])
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_a_value_outside_does_not(value, mode):
    def gradient(x):
        return np.diag(np.where(x == 0, value, np.sign(x)))

    with pytest.raises(tg.GradientMismatch, match=r"y\[1\] by input 0\[1\].*a kink there, with the slopes -1 and 1"):
        tg.gradcheck(lambda x: np.abs(x), ZERO, gradient=gradient, mode=mode)


@pytest.mark.parametrize("size", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_a_kink_that_is_small_beside_the_curvature_is_found(size, mode):
    def f(x):
        return np.exp(5 * x) + x**2 + size * np.abs(x)

    def gradient(x):
        return np.diag(5 * np.exp(5 * x) + 2 * x + size * np.where(x >= 0, 1, -1))

    (kink,) = found(f, np.array([0.5, 0.0]), gradient=gradient, mode=mode).kinks
    assert (kink.left, kink.right) == pytest.approx((5 - size, 5 + size), abs=1e-7)


def test_a_mistake_elsewhere_is_found_behind_a_kink(wrong_at):
    rule = wrong_at(2)
    for mode in ("full", "fast"):
        (c,) = found(lambda x: rule(x) + x.relu(), ZERO, mode=mode).comparisons
        assert (c.index, c.output) == ((2,), (2,))


def test_many_kinks_are_found_behind_one_another():
    x = np.where(np.arange(3000) % 500 == 7, 0.0, np.linspace(-2, 2, 3000))
    report = found(lambda x: x.relu().sum(), x)
    assert report
    assert sorted(kink.index for kink in report.kinks) == [(i,) for i in range(7, 3000, 500)]


def test_a_kink_close_by_is_none():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tg.gradcheck(lambda x: x.relu(), np.array([0.05, 1e-4, -1e-5]), method="central", order=2)


@pytest.mark.parametrize("mode", ["full", "fast"])
def test_second_derivatives_at_a_kink_are_not_compared(mode):
    report = found(lambda x, y: (x.relu() * np.exp(y)).sum(), ZERO, ZERO, order=2, mode=mode)
    assert report
    assert {kink.order for kink in report.kinks} == {1}
    assert "second derivatives by an element at a kink, and of its gradient, were not compared" in report.notes
    if mode == "full":
        second = report.comparisons[2].errors
        assert np.isnan(second[:, 1]).all()
        assert np.isnan(second[1]).all()
        assert not np.isnan(second[[0, 2, 3]][:, [0, 2]]).any()


def test_where_nothing_is_left_to_compare_nothing_fails():
    for mode in ("full", "fast"):
        report = found(lambda x: x.relu(), 0.0, order=2, mode=mode)
        assert report
        assert report.comparisons[1].note == "kink"
        assert report.comparisons[1].index is None


def test_a_kink_of_the_gradient_is_found_in_second_order():
    report = found(lambda x: x.relu() ** 2, ZERO, order=2)
    assert report
    assert [(kink.order, kink.index, kink.of) for kink in report.kinks] == [(2, (1,), "gradient by input 0")]
    assert (report.kinks[0].left, report.kinks[0].right) == pytest.approx(
        (0, 3)
    )  # the second result has the weight 1.5


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.where(x >= 0, 1.0, 0.0) + x,
        lambda x: np.where(x > 0, x + 1e-3, x),
        lambda x: np.floor(x) * x.sum() + x,
    ],
)
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_a_jump_is_a_mismatch_that_says_so(f, mode):
    report = found(f, ZERO, mode=mode)
    assert not report
    assert report.max_error == np.inf
    assert report.comparisons[0].note == "jump"
    with pytest.raises(tg.GradientMismatch, match="jump"):
        tg.gradcheck(f, ZERO, mode=mode)


def test_the_edge_of_a_domain_is_said():
    with pytest.raises(tg.GradientMismatch, match="no finite values on both sides"):
        tg.gradcheck(lambda x: np.sqrt(x), np.array([1.0, 0.0]))


@pytest.mark.parametrize("mode", ["full", "fast"])
@pytest.mark.parametrize("at", [1e-7, -1e-7, 3e-9])
def test_a_kink_very_close_by_is_no_mistake(at, mode):
    x = np.array([at] + [1.0] * 50)
    for f in (lambda x: x.relu().sum(), lambda x: 2500 + x.relu().sum()):
        for method in ("auto", "central"):
            assert found(f, x, mode=mode, method=method)


def test_very_many_kinks_are_too_many_for_projections_and_said_to_be():
    f, x = (lambda x: x.relu().sum()), np.zeros(30)
    assert found(f, x)
    with pytest.raises(tg.GradientMismatch, match="20 kinks were met, and there are more: move the point, or use mode"):
        tg.gradcheck(f, x, mode="fast")


@pytest.mark.parametrize("mode", ["full", "fast"])
def test_infinite_slopes_are_no_derivative(mode):
    def gradient(x):
        return 0 * x

    with pytest.raises(tg.GradientMismatch, match=r"do not converge at any step: .* rescaled"):
        tg.gradcheck(lambda x: np.sqrt(np.abs(x)).sum(), np.zeros(3), gradient=gradient, mode=mode)


def test_a_method_that_cannot_be_examined_says_so():
    def f(x):
        return (x / (x * x + 1e-50) ** (1 / 3)).sum()

    with pytest.raises(ValueError, match="differences find no derivative to compare it with"):
        tg.gradcheck(f, np.zeros(1), gradient=lambda x: 1e50 ** (1 / 3) + x, method="complex")
