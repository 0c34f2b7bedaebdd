"""A product is added to an array in one pass; where that cannot be, in two."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from models.mnist import Net, training_step
from tinygrad_lite.compiler import blas, tuning

RNG = np.random.default_rng(0)
IMAGES, TARGETS = RNG.random((100, 784), np.float32), np.eye(10, dtype=np.float32)[RNG.integers(0, 10, 100)]
DTYPES = ["float32", "float64"]
LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "with gaps": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
}
needs_gemm = pytest.mark.skipif(not blas.GEMM, reason="NumPy has no OpenBLAS of its own here")


def read_only(x):
    x.flags.writeable = False
    return x


def added(source):
    """Return the lines of a program that add products, without the functions at its head."""
    return re.findall(r"^ +(?:add|subtract)_product\(.*\)", source.rpartition("\ndef ")[2], re.MULTILINE)


def without_gemm(make, *args, calls=3):
    """Return what a jitted function returns in its last call, if it is compiled for a machine without gemm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "GEMM", {})
        step, state = make()
        results = [step(*args) for _ in range(calls)]
        assert not added(step.source)
    return [x.numpy() for x in [results[-1], *state]]


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.tuples(*[st.integers(1, 20)] * 3),
    dtype=st.sampled_from(DTYPES),
    layouts=st.tuples(*[st.sampled_from([*LAYOUTS.values(), read_only])] * 2),
    layout=st.sampled_from([*LAYOUTS.values()]),
    sign=st.sampled_from([1, -1]),
)
def test_a_product_is_added_as_numpy_adds_it(sizes, dtype, layouts, layout, sign):
    m, n, k = sizes
    a, b = (f(RNG.integers(-9, 9, shape).astype(dtype)) for f, shape in zip(layouts, [(m, k), (k, n)], strict=True))
    c = layout(RNG.integers(-9, 9, (m, n)).astype(dtype))
    expected = c + sign * (a @ b)
    blas.add_product(c, a, b, sign)
    np.testing.assert_array_equal(c, expected)


def mnist(optimizer=tg.optim.SGD, **options):
    net = Net(rng=0)
    return tg.jit(training_step(net, optimizer(net.parameters(), lr=0.35, **options))), net.parameters()


@needs_gemm
@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"weight_decay": 0.1}])
def test_a_step_of_the_mnist_net_has_the_same_bits(options):
    step, parameters = mnist(**options)
    results = [step(IMAGES, TARGETS) for _ in range(3)]
    assert len(added(step.source)) == ("nesterov" not in options)  # which uses the gradient twice
    expected = without_gemm(lambda: mnist(**options), IMAGES, TARGETS)
    for x, y in zip([results[-1], *parameters], expected, strict=True):
        np.testing.assert_array_equal(x.numpy(), y)


def big(shape, dtype="float64", seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


X, Y, W = big((300, 200)), big((300, 250), seed=2), big((200, 250), seed=3)
CHANGES = {
    "subtracted": lambda w, x, y: np.subtract(w, x.T @ y, out=w),
    "added": lambda w, x, y: np.add(w, x.T @ y, out=w),
    "added to": lambda w, x, y: np.add(x.T @ y, w, out=w),
    "read later": lambda w, x, y: np.add(w, x.T @ y, out=w).sum() + (x @ w).sum(),
    "read before": lambda w, x, y: (w * 2, np.subtract(w, x.T @ y, out=w))[0],
    "from a product of itself": lambda w, x, y: np.subtract(w, (w @ y.T) @ y, out=w),
    "twice": lambda w, x, y: np.subtract(np.subtract(w, x.T @ y, out=w), x.T @ (2 * y), out=w),
    "the product is used again": lambda w, x, y: np.add(w, (p := x.T @ y), out=w) + p,
    "of parts": lambda w, x, y: np.add(w, x[::2].T @ y[::2], out=w),
    "a value of the program": lambda w, x, y: np.exp(w) + x.T @ y,
    "a value that is used again": lambda w, x, y: ((e := np.exp(w)) - x.T @ y) * e,
    "a difference the other way": lambda w, x, y: x.T @ y - np.exp(w),
    "a part": lambda w, x, y: np.add(w[:150], x[:, :150].T @ y, out=w[:150]) * 1,
}


@needs_gemm
@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_change_by_a_product_is_that_of_numpy(name, order):
    change = CHANGES[name]
    w, plain = W.copy(order), W.copy(order)

    def f(x, y):
        return change(w, x, y)

    jitted = tg.jit(f)
    for _ in range(2):
        result, expected = jitted(X, Y), change(plain, X, Y)
        np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(w, plain, rtol=1e-9, atol=1e-9)
    needs_two = name in ("a part", "a difference the other way") or "used again" in name
    is_in_order = order == "C" or name == "twice"
    assert bool(added(jitted.source)) is (is_in_order and not needs_two)


@needs_gemm
def test_a_loop_adds_products_in_its_steps():
    def f(w, xs, ys):
        return tg.scan(lambda w, parts: (w - parts[0].T @ parts[1], w.sum()), w, (xs, ys))

    xs, ys = np.stack([X, X / 2, -X]), np.stack([Y, Y, Y / 3])
    jitted = tg.jit(f)
    for one, other in zip(jitted(W, xs, ys), f(W, xs, ys), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-9, atol=1e-9)
    assert len(added(jitted.source[: jitted.source.index("\ndef loop(")])) == 1


@needs_gemm
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_the_type_decides_and_small_arrays_take_two_passes(dtype):
    for n, is_large in ((300, True), (10, False)):
        jitted = tg.jit(lambda x, w: np.subtract(w, x.T @ x, out=w).sum())
        jitted(np.zeros((4, n), dtype), np.zeros((n, n), dtype))
        assert bool(added(jitted.source)) is (is_large and dtype != "float16")


@needs_gemm
def test_names_of_the_user_do_not_hide_the_functions_at_the_head():
    def f(memory, order, GEMM):
        np.add(GEMM, memory.T @ order, out=GEMM)
        return GEMM.sum()

    w, plain = W.copy(), W.copy()
    np.testing.assert_allclose(tg.jit(f)(X, Y, w), f(X, Y, plain))
    np.testing.assert_allclose(w, plain)


@needs_gemm
def test_arrays_that_share_memory_at_a_later_call_are_noticed():
    square = big((200, 200))

    def f(w, x):
        np.subtract(w, x.T @ x, out=w)

    jitted = tg.jit(f)
    jitted(square.copy(), square.copy())
    with pytest.raises(tg.JitError, match="shares its memory"):
        jitted(square, square[:])
