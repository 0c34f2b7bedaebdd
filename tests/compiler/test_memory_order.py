"""Programs keep the memory order that NumPy chose, and add to parts of arrays in place."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.compiler.program import memory_order

X = np.random.default_rng(0).standard_normal((3, 4, 5))


def turned(x):
    """Return an array whose memory is in the order of axes 1, 2, 0."""
    return np.ascontiguousarray(x.transpose(1, 2, 0)).transpose(2, 0, 1)


def lines(jitted):
    return [line.split("  #")[0].strip() for line in jitted.source.splitlines()]


def assert_alike(function, *args):
    """Compare the program of a function with the function, in the first call and in the next."""
    jitted = tg.jit(function)
    for _ in range(2):
        np.testing.assert_array_equal(jitted(*args), function(*args))
    return jitted


def test_the_order_of_axes_in_memory_is_found():
    assert memory_order(X) is None
    assert memory_order(turned(X)) == (1, 2, 0)
    assert memory_order(X[:, ::2]) is None, "memory with gaps has no order of its own"
    assert memory_order(np.zeros((1, 1, 1))) is None


def test_an_elementwise_result_lies_as_its_operand_does():
    jitted = assert_alike(lambda x: np.exp(np.sin(x) + 1).sum(), turned(X))
    assert "np.empty((4, 5, 3), np.float64).transpose((2, 0, 1))" in jitted.source


def test_an_argument_in_another_order_gives_the_same_values():
    jitted = tg.jit(lambda x: (2 * np.sin(x)).sum(axis=0))
    np.testing.assert_allclose(jitted(turned(X)), jitted(X), rtol=1e-15)
    np.testing.assert_allclose(jitted(np.asfortranarray(X)), jitted(X), rtol=1e-15)
    assert len(jitted.programs) == 1


@pytest.mark.parametrize("make", [turned, np.asfortranarray, np.array])
def test_a_reshape_that_copies_is_right_for_each_order(make):
    def f(x):
        flat = (x + 1).transpose(2, 0, 1).reshape(5, 12)
        return (flat * flat).sum(axis=1)

    jitted = tg.jit(f)
    jitted(turned(X))
    np.testing.assert_allclose(jitted(make(X)), f(X), rtol=1e-15)


def test_a_reshape_that_copied_is_not_memory_of_the_program_when_it_is_returned():
    jitted = tg.jit(lambda x: (x + 1).transpose(2, 0, 1).reshape(5, 12))
    first = jitted(X)
    kept = first.copy()
    jitted(2 * X)
    np.testing.assert_array_equal(first, kept)


def test_a_part_is_added_to_in_place():
    def f(x, v):
        y = np.zeros_like(x)
        y[1:3] += v
        y[0] += 2 * v[0]
        return y.sum(axis=0)

    jitted = assert_alike(f, X, X[:2])
    assert [line for line in lines(jitted) if "+=" in line] == ["full[1:3] += v", "full[0] += multiply"]
    assert "copyto" not in jitted.source


def test_the_derivative_of_a_part_is_added_to_the_rest():
    jitted = assert_alike(lambda x: tg.grad(lambda x: (x * x).sum() + (3 * x[1:2]).sum())(x).numpy(), X)
    assert len([line for line in lines(jitted) if "+=" in line]) == 1


def test_the_derivatives_of_several_parts_are_added_to_one_array():
    f = tg.grad(lambda x: (3 * x[0]).sum() + np.square(x[1:3]).sum() + np.sin(x[2]).sum())
    jitted = assert_alike(lambda x: f(x).numpy(), X)
    assert len([line for line in lines(jitted) if "+=" in line]) == 2
    assert "= np.full((3, 4, 5), 0," in jitted.source
    assert "copy" not in jitted.source
    assert "copyto" not in jitted.source


@pytest.mark.parametrize("index", [np.array([0, 0, 2]), (slice(None), np.array([1, 1]))], ids=["rows", "columns"])
def test_an_index_that_names_elements_twice_adds_once_for_a_statement_and_twice_for_a_derivative(index):
    def statement(x):
        y = x.copy()
        y[index] += 1
        return y

    assert_alike(statement, X)
    assert_alike(lambda x: tg.grad(lambda x: (x * x).sum() + x[index].sum())(x).numpy(), X)


def test_a_value_that_is_read_again_is_not_changed_in_place():
    def f(x, v):
        part = x[1:3]
        total = part + v
        y = x.copy()
        y[1:3] = total
        return y.sum() + total.sum() + part.sum()

    assert_alike(f, X, X[:2])


def test_the_windows_of_an_array_are_recorded():
    view = np.lib.stride_tricks.sliding_window_view
    assert_alike(lambda x: view(x, (2, 3), axis=(0, 2))[::2].max(axis=(-1, -2)), X)


def test_the_derivative_of_a_number_taken_by_an_index_is_added_to_the_rest():
    assert_alike(lambda x: tg.grad(lambda x: x ** x[()])(x).numpy(), np.array(0.2))
