"""gradient= checks a gradient in plain NumPy, derived by hand: no Tensor is involved."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor
from tinygrad_lite.proof import KinkWarning

X, Y = np.array([[0.5, -1.0, 2.0], [0.3, 1.5, -0.7]]), np.array([1.0, -2.0, 0.25])


def f(x, y):
    return np.tanh(x @ y)


def gradient(x, y):
    slope = 1 - f(x, y) ** 2
    return np.einsum("i,ij,k->ijk", slope, np.eye(2), y), slope[:, np.newaxis] * x


@pytest.mark.parametrize("method", ["auto", "central", "complex"])
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_what_is_right_holds(method, mode):
    report = tg.gradcheck(f, X, Y, gradient=gradient, method=method, mode=mode)
    assert report
    assert [c.name for c in report.comparisons] == ["input 0", "input 1"]
    assert report.max_error < 1e-10


@pytest.mark.parametrize("mode", ["full", "fast"])
def test_a_mistake_is_found(mode):
    def mistaken(x, y):
        by_x, by_y = gradient(x, y)
        by_x[1, 0, 2] += 1e-3
        return by_x, by_y

    with pytest.raises(tg.GradientMismatch, match=r"of y\[1\] by input 0\[0, 2\]: 0.001, but .*0 by"):
        tg.gradcheck(f, X, Y, gradient=mistaken, mode=mode)


def test_what_goes_in_is_plain_and_float64():
    seen = []

    def cube(x):
        seen.append(type(x))
        return (x**3).sum()

    def slope(x):
        seen.append(type(x))
        assert x.dtype == np.float64
        return 3 * x**2

    assert tg.gradcheck(cube, np.float32([1, 2]), gradient=slope)
    assert set(seen) == {np.ndarray}


@pytest.mark.parametrize(
    ("f", "x", "gradient"),
    [
        (lambda x: float(x**3), 2.0, lambda x: 3 * x**2),
        (lambda x: np.sum(x), Y, lambda x: [1, 1, 1]),
        (lambda x: np.sum(x), Y, lambda x: (np.ones(3),)),
        (lambda x: Tensor(x) * 2, Y, lambda x: Tensor(2 * np.eye(3))),
        (lambda x: x, np.zeros((0, 2)), lambda x: np.zeros((0, 2, 0, 2))),
        (lambda x: x[:0], Y, lambda x: np.zeros((0, 3))),
    ],
)
def test_what_is_returned_may_be_of_any_kind(f, x, gradient):
    assert tg.gradcheck(f, x, gradient=gradient, method="central")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            lambda x, y: gradient(x, y)[0],
            ValueError,
            "one array for each of the 2 inputs, as a tuple, but it returned 1",
        ),
        (lambda x, y: (*gradient(x, y), 0), ValueError, "but it returned 3"),
        (lambda x, y: (f(x, y), gradient(x, y)), TypeError, "seems to return the value of f too: return the"),
        (lambda x, y: (f(x, y), *gradient(x, y)), TypeError, "seems to return the value of f too: return the"),
        (
            lambda x, y: (gradient(x, y)[0], gradient(x, y)[1].T),
            ValueError,
            r"by input 1, of shape \(3,\), has shape \(2, 3\), but .* returned \(3, 2\): is it transposed\?",
        ),
        (lambda x, y: (gradient(x, y)[0][0], gradient(x, y)[1]), ValueError, r"\(2, 2, 3\), but .* \(2, 3\)$"),
        (lambda x, y: (gradient(x, y)[0], None), ValueError, "but"),
        (lambda x, y: (gradient(x, y)[0] * 1j, gradient(x, y)[1]), TypeError, "real numbers, not complex128"),
    ],
)
def test_a_gradient_of_the_wrong_kind_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        tg.gradcheck(f, X, Y, gradient=given)


def test_a_gradient_that_comes_with_the_value_is_told_to_come_alone():
    def slope(x):
        return (x**2).sum(), 2 * x

    with pytest.raises(TypeError, match=r"slope seems to return the value of .* too: return the gradient alone"):
        tg.gradcheck(lambda x: (x**2).sum(), Y, gradient=slope)


def writing(x):
    x *= 2
    return x


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: None, TypeError, "returned None"),
        (lambda x: np.sum(x > 0), TypeError, "returned int64"),
        (lambda x: x.astype(np.float32), TypeError, "returned float32"),
        (lambda x: np.log(x), ValueError, r"has y\[1\] = nan"),
        (lambda x: x * np.random.default_rng().normal(), ValueError, "different values at the same point"),
        (writing, ValueError, "writing changes input 0 in place"),
    ],
)
def test_a_function_that_has_no_derivative_is_refused(f, error, message):
    with pytest.raises(error, match=message):
        tg.gradcheck(f, Y, gradient=lambda x: np.eye(3))


@pytest.mark.parametrize("options", [{"order": 2}, {"parameters": [Tensor([1.0])]}])
def test_it_is_first_order_and_by_the_inputs(options):
    with pytest.raises(ValueError, match="gradient= is checked to first order, by the inputs alone"):
        tg.gradcheck(f, X, Y, gradient=gradient, **options)


def test_a_kink_is_seen_in_a_plain_function_too():
    with pytest.warns(KinkWarning, match="kink at input 0"):
        assert tg.gradcheck(lambda x: np.abs(x).sum(), np.array([0.0, 1.0]), gradient=lambda x: np.sign(x))


def test_a_list_of_one_is_an_array():
    assert tg.gradcheck(lambda x: np.sum(x**2), np.array([3.0]), gradient=lambda x: [2 * float(x[0])])


def without_return(x):
    2 * x


def test_a_gradient_without_return_is_told_so():
    with pytest.raises(TypeError, match=r"without_return returned None: does it end with return\?"):
        tg.gradcheck(lambda x: np.sum(x**2), Y, gradient=without_return)


def test_a_gradient_of_each_element_by_itself_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"by itself, that is np\.diag of it, or let the function return the sum$"):
        tg.gradcheck(np.sin, Y, gradient=np.cos)
    with pytest.raises(ValueError, match=r"by itself, let the function return the sum$"):
        tg.gradcheck(np.sin, X, gradient=np.cos)


def test_no_advice_is_given_that_cannot_be_followed():
    """Parameters are not for a gradient derived by hand."""
    net = tg.nn.Linear(3, 1, rng=0)
    w = Tensor(np.float32([1.0, 2.0, 3.0]))
    for function in (net, lambda x: Tensor(x) * w, lambda x: (x * w.numpy()).astype(np.float32)):
        try:
            tg.gradcheck(function, Y, gradient=lambda x: np.eye(3), raise_exception=False)
        except Exception as error:
            said = [str(error), *getattr(error, "__notes__", [])]
            assert not any("parameters=" in text for text in said)
