"""Sums by products with ones, maxima of short rows by columns, arrays in place of numbers: NumPy's values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg

RNG = np.random.default_rng(0)
LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "with gaps": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "moved": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0),
}


def body(jitted):
    """Return the program without the lines that make its memory."""
    return jitted.source.rpartition("\ndef ")[2]


def array(shape, dtype, layout="rows"):
    return LAYOUTS[layout](RNG.normal(size=shape).astype(dtype))


@settings(deadline=None, max_examples=150)
@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=4).map(lambda sizes: (*sizes[:-1], 3 * sizes[-1])),
    data=st.data(),
    dtype=st.sampled_from(["float32", "float64", "int64"]),
    layouts=st.tuples(*[st.sampled_from([*LAYOUTS])] * 2),
    name=st.sampled_from(["sum", "mean", "max", "min"]),
    keepdims=st.booleans(),
    first=st.sampled_from([lambda x: x, lambda x: x + 1, lambda x: x[..., 1:], lambda x: (2 * x).mT]),
)
def test_values_are_those_of_numpy(shape, data, dtype, layouts, name, keepdims, first):
    axes = data.draw(st.sets(st.integers(-len(shape), len(shape) - 1), min_size=1))
    axes = tuple({axis % len(shape) for axis in axes})

    def f(x):
        return getattr(first(x), name)(axis=axes if len(axes) > 1 else axes[0], keepdims=keepdims)

    jitted = tg.jit(f)
    for layout in layouts:
        x = array(shape, dtype, layout)
        result, expected = jitted(x), f(x)
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
        tolerance = 0 if name in ("max", "min") or dtype == "int64" else 50 * np.finfo(dtype).eps
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)
    kept = result.copy()
    jitted(array(shape, dtype))
    np.testing.assert_array_equal(result, kept)


@pytest.mark.parametrize(
    ("f", "line"),
    [
        (lambda x: x.sum(axis=0), "= np.dot(ones, x)"),
        (lambda x: x.sum(axis=0, keepdims=True), "= np.dot(ones, x)"),
        (lambda x: x.sum(axis=1), "= np.dot(x, ones)"),
        (lambda x: x.sum(axis=-1, keepdims=True), "= np.dot(x, ones)"),
        (lambda x: x.mean(axis=1), "mean = sum_2 / 20"),
        (lambda x: np.exp(x.reshape(10, 4, 5)).sum(axis=-1), "= exp @ ones"),
        (lambda x: np.exp(x.reshape(10, 4, 5)).sum(axis=(0, 1)), "= np.dot(ones, rows)"),
        (lambda x: np.exp(x.reshape(10, 4, 5)).sum(axis=(1, 0)), "= np.dot(ones, rows)"),
        (lambda x: x.max(axis=1), "np.copyto(columns, x.T)"),
        (lambda x: x.max(axis=1), "= columns.max(axis=0)"),
        (lambda x: x.reshape(10, 2, 5, 2).min(axis=(1, 3)), "columns.min(axis=(0, 1)"),
    ],
)
def test_the_source_says_what_is_called(f, line):
    x = array((10, 20), "float32")
    jitted = tg.jit(f)
    np.testing.assert_allclose(jitted(x), f(x), rtol=1e-5, atol=1e-6)
    assert line in body(jitted)


def test_names_are_those_of_the_results():
    class Largest(tg.nn.Module):
        def forward(self, x):
            return x.max(axis=1, keepdims=True)

    net = tg.nn.Sequential(Largest())

    def f(x):
        average = x.mean(axis=0)
        return (x - average) * net(x)

    jitted = tg.jit(f)
    jitted(array((10, 20), "float32"))
    for line in ("layer_0_columns.max(axis=0, out=layer_0_max)", "np.dot(ones, x, out=average)"):
        assert line in jitted.source


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.sum(),
        lambda x: x[:2, :20].sum(axis=0),
        lambda x: x[:, :1].sum(axis=1),
        lambda x: x.sum(axis=1, dtype=np.float64),
        lambda x: (x > 0).sum(axis=1),
        lambda x: x.astype(np.float16).sum(axis=1),
        lambda x: x.max(axis=0),
        lambda x: np.tile(x, (1, 30)).sum(axis=1),
        lambda x: np.exp(x.reshape(10, 4, 10)).sum(axis=(0, 1), keepdims=True),
        lambda x: x.max(axis=1),
        lambda x: x.reshape(-1, 1).max(axis=1),
        lambda x: x.astype(np.float16)[:, :8].sum(axis=1),
        lambda x: x.reshape(1, 400).sum(axis=1),
        lambda x: np.concatenate([x, x], axis=1),
        lambda x: np.argmax(x[:, :5], axis=1),
        lambda x: np.prod(x[:, :5], axis=1),
        lambda x: (9 * x).astype(np.int64).sum(axis=1),
        lambda x: (1j * x).sum(axis=1),
        lambda x: np.exp(x.reshape(10, 10, 4))[:, ::2].sum(axis=(0, 1)),
        lambda x: np.exp(x.reshape(10, 4, 10).mT).sum(axis=(0, 1)),
        lambda x: np.exp(x.reshape(10, 4, 10).T).max(axis=-1),
        lambda x: np.exp(x.reshape(10, 4, 10)).sum(axis=0),
    ],
    ids=[
        "whole",
        "small",
        "narrow",
        "other type",
        "truth",
        "float16",
        "columns",
        "long",
        "kept",
        "long maximum",
        "one element",
        "few of float16",
        "one sum",
        "no reduction",
        "a place",
        "product",
        "whole numbers",
        "complex",
        "rows with gaps",
        "another order",
        "a result in another order",
        "the first of three axes",
    ],
)
def test_other_reductions_stay(f):
    x = array((10, 40), "float32")
    jitted = tg.jit(f)
    np.testing.assert_allclose(jitted(x), f(x), rtol=1e-2)
    assert ("ones" in body(jitted), "columns" in body(jitted)) == (False, False)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_stays_where_it_is(dtype):
    x = np.ones((12, 9), dtype)
    x[0, 0], x[1, 1], x[2, 2], x[3, 3:5] = np.nan, np.inf, -np.inf, (np.inf, -np.inf)

    def f(x):
        return x.sum(axis=0), x.sum(axis=1), x.mean(axis=1), x.max(axis=1)

    jitted = tg.jit(f)
    with np.errstate(invalid="ignore"):
        for found, expected in zip(jitted(x), f(x), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert body(jitted).count("ones") == 3


def test_a_mean_of_equal_numbers_is_exact():
    x = np.full((40, 7), 3.0, np.float32)
    np.testing.assert_array_equal(tg.jit(lambda x: x - x.mean(axis=1, keepdims=True))(x), 0)


def test_a_sum_that_becomes_state_is_written_where_it_lies():
    state, x = np.zeros((4, 20))[:, ::2], RNG.normal(size=(12, 10))
    w = tg.Tensor(np.zeros(10))
    w.data = state[0]

    def f(x):
        np.multiply(x.sum(axis=0), 1, out=w.data)
        return w.data.sum()

    np.testing.assert_allclose(tg.jit(f)(x), x.sum(), rtol=1e-12)
    np.testing.assert_allclose(state[0], x.sum(axis=0), rtol=1e-12)


def test_the_steps_of_a_loop_too():
    xs = RNG.normal(size=(3, 16, 8))

    def f(xs):
        return tg.scan(lambda total, x: (total + x.sum(axis=0), x / x.max(axis=1, keepdims=True)), np.zeros(8), xs)

    jitted = tg.jit(f)
    for found, expected in zip(jitted(xs), f(xs), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)
    assert "np.dot(ones" in jitted.source
    assert "columns" in jitted.source


def test_gradients_of_both_orders():
    x = RNG.normal(size=(16, 8))

    def f(x):
        return (np.exp(x - x.max(axis=1, keepdims=True)).sum(axis=0) * x.mean(axis=1)[:8]).sum()

    for g in (tg.grad(f), tg.grad(lambda x: (tg.grad(f)(x) * x).sum())):
        np.testing.assert_allclose(tg.jit(g)(x).numpy(), g(x).numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("f", "line"),
    [
        (lambda x: np.maximum(x, 0), "np.maximum(x, zeros)"),
        (lambda x: np.minimum(6.5, x), "np.minimum(constant, x)"),
        (lambda x: np.maximum(x, -0.0), "np.maximum(x, constant)"),
        (lambda x: np.maximum(x, np.nan), "np.maximum(x, constant)"),
        (lambda x: np.maximum(x + x, 1), "np.maximum(add, ones"),
    ],
)
def test_an_array_is_compared_with_an_array_in_place_of_a_number(f, line, dtype):
    x = array((10, 20), dtype)
    x[0, :4] = np.nan, np.inf, -np.inf, -0.0
    jitted = tg.jit(f)
    result = jitted(x)
    assert line in body(jitted)
    assert result.dtype == x.dtype
    np.testing.assert_array_equal(result, f(x))


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_number_stays_where_an_array_gains_nothing(layout):
    for x in (
        array((7, 9), "float32"),
        array((2**19 + 1,), "float32"),
        array((100,), "float16"),
        array((100,), "int64"),
        *([array((10, 20), "float32", layout)] if layout == "columns" else []),
    ):
        jitted = tg.jit(lambda x: np.maximum(2 * x, 0))
        np.testing.assert_array_equal(jitted(x), np.maximum(2 * x, 0))
        assert "zeros" not in jitted.source
    for other in (np.float64(0), np.zeros((1, 20), np.float32)):
        jitted = tg.jit(lambda x, other=other: np.maximum(x, other))
        x = array((10, 20), "float32", layout)
        np.testing.assert_array_equal(jitted(x), np.maximum(x, other))
        assert jitted(x).dtype == np.maximum(x, other).dtype


def test_a_number_beside_an_array_in_a_loop():
    x = array((5, 10, 10), "float32")

    def f(x):
        return tg.scan(lambda h, x: ((h := np.maximum(h + x, 0)), h), x[0], x)

    jitted = tg.jit(f)
    for result, expected in zip(jitted(tg.Tensor(x)), f(tg.Tensor(x)), strict=True):
        np.testing.assert_array_equal(result.numpy(), expected.numpy())
    assert jitted.source.count("zeros = ") == 1
