"""What cannot be checked is refused: the message says what is wrong, where, and what to do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor

Y = np.array([1.0, -2.0, 0.25])


@pytest.mark.parametrize(("options", "message"), [
    ({"method": "forward"}, "method must be one of auto, central, complex, not 'forward'"),
    ({"method": None}, "method must be one of"),
    ({"mode": "slow"}, "mode must be one of auto, full, fast, not 'slow'"),
    ({"order": 0}, "order must be 1 or 2, not 0"),
    ({"order": 3}, "order must be 1 or 2, not 3"),
    ({"order": "2"}, "order must be 1 or 2, not '2'"),
    ({"tolerance": 0.0}, "tolerance must be above 0, not 0.0"),
    ({"tolerance": np.nan}, "tolerance must be above 0"),
])  # fmt: skip
def test_options_are_validated(options, message):
    with pytest.raises(ValueError, match=message):
        tg.gradcheck(lambda x: x, Y, **options)


def test_a_check_without_inputs_proves_nothing():
    with pytest.raises(ValueError, match="needs at least one input"):
        tg.gradcheck(lambda: Tensor(1.0))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.array([[1.0, np.nan]]), ValueError, r"input 1\[0, 1\] is nan"),
        (np.inf, ValueError, "input 1 is inf"),
        (np.array([1j]), TypeError, "input 1 must be real numbers, not complex128"),
        (["a"], TypeError, "input 1 must be real numbers"),
    ],
)
def test_inputs_that_nothing_can_be_differentiated_by(x, error, message):
    with pytest.raises(error, match=message):
        tg.gradcheck(lambda a, b: a, Y, x)


counter = itertools.count()


def nothing(x):
    x * 2


def without_return(x):
    return nothing(x)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (without_return, TypeError, r"without_return returned None: does it end with return\?"),
        (lambda x: (x, None), TypeError, "returned None"),
        (lambda x: x.numpy(), TypeError, r"must return a Tensor, or several, but it returned ndarray: .*gradient="),
        (lambda x: 2.0, TypeError, "returned float"),
        (lambda x: [x, 2.0], TypeError, "returned float"),
        (lambda x: (), TypeError, "must return a Tensor, or several, but it returned none"),
        (lambda x: x > 0, TypeError, "must return a Tensor"),
        (lambda x: x.astype(int), TypeError, "returned int64, but only real floating numbers"),
        (lambda x: x.astype(bool), TypeError, "returned bool, but only real floating numbers"),
        (lambda x: x.astype(np.float32), TypeError, "returned float32 for inputs of float64.*parameters="),
        (lambda x: (x, Tensor([1.0])), TypeError, "returned float32"),
        (lambda x: np.log(x), ValueError, r"has y\[1\] = nan at the point of the check: choose"),
        (lambda x: (x, x.sum() / 0.0), ValueError, "has y1 = -inf at the point"),
    ],
)
@pytest.mark.parametrize("raise_exception", [True, False])
def test_results_that_have_no_derivative(f, error, message, raise_exception):
    with pytest.raises(error, match=message):
        tg.gradcheck(f, Y, raise_exception=raise_exception)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * np.random.default_rng().normal(),
        tg.nn.Dropout(0.5, rng=0),
        lambda x: x + next(counter),
    ],
)
def test_a_function_that_rolls_dice_is_told_to_seed_them(f):
    with pytest.raises(ValueError, match=r"different values at the same point: seed .*net\.eval\(\)"):
        tg.gradcheck(f, Y)


def test_a_seed_inside_or_evaluation_is_enough():
    assert tg.gradcheck(lambda x: x * np.random.default_rng(0).normal(size=3), Y)
    assert tg.gradcheck(tg.nn.Sequential(tg.nn.Linear(3, 2, rng=0), tg.nn.Dropout(0.5)).eval(), Y)


def adding_in_place(x, y):
    y.data[1] += 1
    return x * y


def test_a_function_that_changes_its_input_is_told_to_copy_it():
    y = Y.copy()
    with pytest.raises(ValueError, match=r"adding_in_place changes input 1 in place.*\.copy\(\)"):
        tg.gradcheck(adding_in_place, Y, y)
    assert y.tolist() == Y.tolist()


def test_what_goes_wrong_inside_the_function_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        tg.gradcheck(lambda x: x * (1 // 0), Y)


def test_a_value_in_place_of_a_function_is_refused():
    with pytest.raises(TypeError, match="gradcheck takes the function itself, not its value: ndarray"):
        tg.gradcheck(Y, Y)
    with pytest.raises(TypeError, match="gradient= is the function that computes the gradient, not its value"):
        tg.gradcheck(np.sin, Y, gradient=np.cos(Y))


@pytest.mark.parametrize("mode", ["full", "fast"])
def test_it_is_said_where_nothing_was_compared(mode):
    empty = np.zeros((0, 2))
    assert "nothing was compared for input 0, which is empty" in tg.gradcheck(lambda x: x.sum(), empty, mode=mode).notes
    assert (
        "nothing was compared for y, input 1, which are empty"
        in tg.gradcheck(lambda x, y: y, Y, empty, mode=mode).notes
    )
    assert not tg.gradcheck(lambda x: x, Y).notes


def test_it_is_said_what_second_derivatives_are_of():
    (note,) = tg.gradcheck(lambda x: x**2, Y, order=2).notes
    assert note == "second derivatives are those of the sum of 3 results, weighted 1 to 2"
    assert not tg.gradcheck(lambda x: (x**2).sum(), Y, order=2).notes
