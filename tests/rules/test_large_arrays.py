"""What is computed in another way for large arrays is what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules import reductions, shapes


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "bool"])
@pytest.mark.parametrize("name", ["max", "min", "sum"])
def test_few_elements_side_by_side_are_reduced_as_numpy_does(name, dtype, keepdims, random):
    rule = getattr(reductions, name)
    for shape, axis in [
        ((1500, 3), -1),
        ((4, 64, 2, 16, 2), (2, -1)),
        ((700, 6), 1),
        ((3, 2000), 0),
        ((2, 3, 900), None),
    ]:
        x = (9 * random.normal(size=shape)).astype(dtype)
        for a in (x, x[::-1], np.asfortranarray(x)):
            expected, found = getattr(a, name)(axis=axis, keepdims=keepdims), rule(a, axis, keepdims)
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            if name == "sum":
                np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
            else:
                np.testing.assert_array_equal(found, expected)


def test_only_few_elements_of_a_large_array_are_moved_apart():
    """Of many, and of a small array, NumPy's own way is as fast; a sum of many would be rounded in another order."""
    moved = []

    class Watched(np.ndarray):
        def transpose(self, axes):
            moved.append((name, self.shape))
            return np.asarray(self).transpose(axes)

    few = [("max", (2048, 2)), ("max", (500, 2)), ("min", (128, 32)), ("sum", (512, 7)), ("max", (2, 1500, 2))]
    others = [("max", (333, 3)), ("max", (128, 33)), ("min", (128, 33)), ("sum", (512, 8)), ("sum", (5000, 1))]
    others += [("max", (20, 100, 3))]
    for name, shape in few + others:
        getattr(reductions, name)(np.ones(shape).view(Watched), (0, -1) if len(shape) == 3 else -1)
    for name, x, axis in [("max", np.ones((2, 3000)), 0), ("max", np.ones((3000, 2), np.float16), 1)]:
        getattr(reductions, name)(x.view(Watched), axis)
    assert moved == few


def test_a_maximum_of_few_elements_keeps_nan_and_shares_its_cotangent_in_every_mode(random):
    x = random.integers(0, 3, size=(2000, 4)).astype(np.float32)
    x[7, 2], x[8] = np.nan, -np.inf
    assert np.isnan(tg.Tensor(x).max(axis=1).numpy()[7])
    x[7, 2] = 0
    expected = (x == x.max(axis=1, keepdims=True)) / (x == x.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
    gradient = tg.grad(lambda x: x.max(axis=1).sum())
    for f in (gradient, tg.jit(gradient)):
        np.testing.assert_allclose(f(x).numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(tg.jit(lambda x: x.min(axis=-1))(tg.Tensor(x)).numpy(), x.min(axis=-1))


def test_what_only_says_that_it_is_an_array_is_reduced_as_it_is():
    class Tracer:
        __class__ = property(lambda self: np.ndarray)
        size, shape, dtype = 2000, (1000, 2), np.dtype(float)

        def max(self, axis, keepdims):
            return axis, keepdims

    assert reductions.fold("max", Tracer(), 1, False) == (1, False)


def test_a_program_moves_few_elements_apart(random):
    jitted = tg.jit(lambda x: x.max(axis=1))
    jitted(tg.Tensor(random.normal(size=(2000, 4))))
    assert ".max(axis=0" in jitted.source
    assert "np.copyto" in jitted.source


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_are_named_repeatedly_are_added_as_numpy_adds_them(dtype, random):
    for index, shape in [
        (random.integers(-7, 7, (40, 50)), (7, 3)),
        (random.integers(0, 5, 900).astype(np.uint8), (5, 2, 3)),
        (random.integers(0, 2, 3000), (9, 2)),
        ((random.integers(0, 3, 2000),), (3, 4)),
        ((random.integers(0, 3, 2000), slice(1, 4)), (3, 4)),
        (random.integers(0, 3, 2000).tolist(), (3, 4)),
        ((tuple(random.integers(0, 3, 2000).tolist()),), (3, 4)),
    ]:
        x = random.normal(size=np.zeros(shape)[index].shape).astype(dtype)
        expected = np.zeros(shape)
        np.add.at(expected, index, x)
        found = shapes.place(x, index, shape)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    for index in (7, -8):
        with pytest.raises(IndexError):
            shapes.place(np.ones((2000, 3)), np.full(2000, index), (7, 3))


def test_only_rows_of_large_arrays_are_sorted_before_they_are_added(random, monkeypatch):
    """Of small arrays, and of elements, it would take longer than to add them one by one."""
    sorted_rows = []
    monkeypatch.setattr(shapes, "add_rows", lambda y, index, x: sorted_rows.append(x.shape))
    index = random.integers(0, 3, 5000).tolist()
    for rows, shape in [(2048, (3, 2)), (1365, (3, 3)), (1025, (3, 2, 2)), (5000, (3,))]:
        shapes.place(np.ones((rows, *shape[1:])), index[:rows], shape)
    assert sorted_rows == [(2048, 2), (1025, 2, 2)]


def test_the_derivative_of_an_embedding_is_the_same_in_every_mode(random):
    tokens, table = random.integers(-20, 20, (30, 40)), random.normal(size=(20, 8))
    weights = random.normal(size=(30, 40, 8))
    gradient = tg.grad(lambda table: (np.square(table[tokens]) * weights).sum())
    np.testing.assert_allclose(tg.jit(gradient)(table).numpy(), gradient(table).numpy(), rtol=1e-10)
    assert tg.gradcheck(lambda rows: (np.square(rows[tokens.ravel()]) * weights.reshape(-1, 8)).sum(), table[:20, :8])
