"""Each pass leaves out or rewrites what it is meant to, leaves alone what it must, and what a program computes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from models.mnist import Net
from tinygrad_lite.compiler import Program, load, record, simplify, source_of
from tinygrad_lite.compiler.passes import (
    compute_constants,
    drop_moves,
    drop_unused,
    fold_factors,
    merge_equal,
)
from tinygrad_lite.errors import require
from tinygrad_lite.nn.functional import cross_entropy, one_hot, squared_loss

X = np.random.default_rng(0).normal(size=(3, 4))
Y = np.random.default_rng(1).normal(size=(3, 4))


def recorded(f, *args) -> Program:
    return record(f, args, {}).program


def names(program):
    return [instruction.primitive.name for instruction in program.instructions]


def run(program, *args):
    """Run a program as it is, every value in memory of its own."""
    values = load(source_of(program), program.name)(*args)
    return values if len(program.outputs) > 1 else (values,)


def assert_computes_the_same(before, after, *args, exact=True):
    given = dict(zip(before.inputs, args, strict=True))
    first = run(before, *(_copy(x) for x in args))
    second = run(after, *(_copy(given[variable]) for variable in after.inputs))
    for a, b in zip(first, second, strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
        if exact:
            np.testing.assert_array_equal(b, a)
        else:
            np.testing.assert_allclose(b, a, rtol=1e-13, atol=1e-13)


def _copy(x):
    return x.copy() if isinstance(x, np.ndarray) else x


def test_what_contributes_to_no_result_is_left_out_with_the_inputs_it_alone_reads():
    def f(x, y):
        np.exp(x * y) + y
        return np.sin(x)

    before = recorded(f, X, Y)
    after = drop_unused(before)
    assert names(before) == ["multiply", "exp", "add", "sin"]
    assert names(after) == ["sin"]
    assert [variable.name for variable in after.inputs] == ["x"]
    assert_computes_the_same(before, after, X, Y)


def test_what_is_read_only_by_what_is_left_out_is_kept_for_others():
    def f(x):
        e = np.exp(x)
        np.sin(e)
        return e + 1.0

    assert names(drop_unused(recorded(f, X))) == ["exp", "add"]


def test_draws_and_checks_are_kept_in_their_order():
    rng = np.random.default_rng(0)

    def f(x):
        rng.random(3)
        require((x > -100).all(), ValueError, "too small")
        rng.normal(size=2)
        return x + rng.random(4)

    before = recorded(f, X)
    after = drop_unused(before)
    assert names(after) == ["random", "greater", "all", "check", "normal", "random", "add"]
    assert names(simplify(before)) == names(after)
    first, second = np.random.default_rng(7), np.random.default_rng(7)
    np.testing.assert_array_equal(run(before, X, first)[0], run(after, X, second)[0])
    assert first.random() == second.random()


def test_an_input_that_is_changed_is_kept_though_nothing_reads_it():
    total = np.zeros((3, 4))

    def f(x):
        total[...] = x

    after = simplify(recorded(f, X))
    assert [variable.name for variable in after.inputs] == ["x", "total"]
    kept = np.zeros((3, 4))
    load(source_of(after), after.name)(X, kept)
    np.testing.assert_array_equal(kept, X)


@pytest.mark.parametrize(
    "f",
    [lambda x: x * 1.0, lambda x: 1.0 * x, lambda x: x / 1.0, lambda x: x**1.0],
    ids=["times one", "one times", "over one", "to the one"],
)
def test_factors_of_one_are_left_out(f):
    def g(x):
        return np.sin(f(x))

    before = recorded(g, X)
    after = compute_constants(before)
    assert names(after) == ["sin"]
    assert_computes_the_same(before, after, X)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 1.0 / x,
        lambda x: 1.0**x,
        lambda x: x + 1.0,
        lambda x: x - 1.0,
        lambda x: x * 2.0,
        lambda x: np.maximum(x, 1.0),
        lambda x: x * np.ones((2, 3, 4)),
        lambda x: x.astype("f") * np.float64(1.0),
        lambda x: (x > 0) * 1.0,
        lambda x: (x > 0).astype(int) / 1,
    ],
    ids=["one over", "one to the", "add", "subtract", "double", "maximum", "shape", "dtype", "bool", "whole numbers"],
)
def test_ones_that_do_something_are_kept(f):
    before = recorded(f, X)
    after = compute_constants(before)
    assert names(after) == names(before)
    assert_computes_the_same(before, after, X)


def test_a_factor_of_one_that_was_an_input_times_a_number_is_kept():
    def f(x, s):
        return x * s

    before = recorded(f, X, 1.0)
    assert names(compute_constants(before)) == ["multiply"]
    assert_computes_the_same(before, simplify(before), X, 3.0)


@pytest.mark.parametrize(
    ("f", "left"),
    [
        (lambda x: np.sin(x.copy()), []),
        (lambda x: np.sin(x[...]), []),
        (lambda x: np.sin(x.reshape(3, 4)), []),
        (lambda x: np.sin(x.reshape(2, 6).reshape(12)), ["reshape"]),
        (lambda x: np.sin(x.reshape(2, 6).reshape(3, 4)), []),
        (lambda x: np.sin(x.transpose((0, 1))), []),
        (lambda x: np.sin(x.T.T), []),
        (lambda x: np.sin(x.T), ["transpose"]),
        (lambda x: np.sin(x[1:]), ["getitem"]),
        (lambda x: np.sin(x[None]), ["getitem"]),
    ],
)
def test_moves_for_nothing_are_left_out(f, left):
    before = recorded(f, X)
    once = drop_unused(drop_moves(before))
    twice = drop_unused(drop_moves(once))
    assert names(twice) == [*left, "sin"]
    for after in (once, twice, simplify(before)):
        assert_computes_the_same(before, after, X)


def test_transposes_of_transposes_are_put_together():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))

    def f(x):
        return np.sin(x.transpose((1, 2, 0, 3)).transpose((3, 0, 2, 1)))

    before = recorded(f, x)
    after = simplify(before)
    assert names(after) == ["transpose", "sin"]
    assert_computes_the_same(before, after, x)


def test_reshapes_of_reshapes_are_put_together():
    before = recorded(lambda x: np.sin(x.reshape(2, 6).reshape(12)), X)
    after = simplify(before)
    assert names(after) == ["reshape", "sin"]
    assert_computes_the_same(before, after, X)


def test_a_copy_is_a_value_of_its_own_when_the_original_changes_later():
    def f(x):
        y = x * 2.0
        kept = y.copy()
        y += x
        return kept, y

    before = recorded(f, X)
    assert_computes_the_same(before, simplify(before), X)


@pytest.mark.parametrize("value", [-1.0, [1.0, 2.0]], ids=["no axes", "one axis"])
def test_a_copy_of_an_argument_is_a_value_of_its_own_when_the_argument_changes_later(value):
    def f(x):
        kept = np.copy(np.transpose(x))
        x += 1.0
        return kept

    x = tg.Tensor(np.array(value))
    y = tg.jit(f)(x)
    np.testing.assert_array_equal(y.numpy(), value)
    np.testing.assert_array_equal(x.numpy(), np.add(value, 1))


def test_broadcasting_is_left_out_where_numpy_stretches_by_itself():
    def f(x, y):
        return np.broadcast_to(x, (3, 4)) + y

    before = recorded(f, X[0], Y)
    after = drop_moves(before)
    assert names(after) == ["add"]
    assert_computes_the_same(before, after, X[0], Y)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: np.broadcast_to(x, (3, 4)) + np.broadcast_to(y, (3, 4)),
        lambda x, y: np.broadcast_to(x, (3, 4)) + y,
        lambda x, y: np.broadcast_to(x, (3, 4)) * np.broadcast_to(x, (3, 4)) + y,
        lambda x, y: np.broadcast_to(x, (3, 4)).sum(axis=0) + y,
        lambda x, y: (np.broadcast_to(x, (3, 4)) + np.broadcast_to(y, (3, 4)), np.broadcast_to(y, (3, 4)) * 2.0),
        lambda x, y: (np.broadcast_to(x, (3, 4)), y),
        lambda x, y: np.where(x > 0, np.broadcast_to(x, (3, 4)), y),
        lambda x, y: np.concatenate([np.broadcast_to(x, (3, 4)), np.broadcast_to(y, (2, 4))]),
        lambda x, y: np.clip(np.broadcast_to(x, (3, 4)), np.broadcast_to(y, (3, 4)), 1.0),
    ],
    ids=["both", "neither wide", "squared", "summed", "also elsewhere", "returned", "where", "concatenate", "clip"],
)
def test_broadcasting_that_makes_the_shape_is_kept(f):
    args = X[0], Y[0]
    before = recorded(f, *args)
    assert_computes_the_same(before, drop_moves(before), *args)
    assert_computes_the_same(before, simplify(before), *args)


def test_two_gradients_of_one_input_that_are_both_broadcast_keep_its_shape():
    step = tg.jit(tg.grad(lambda x: x.sum() * 2.0 + x.mean()))
    for x in (X, Y):
        np.testing.assert_array_equal(step(x).numpy(), np.full((3, 4), 2 + 1 / 12))


def test_what_is_computed_several_times_is_computed_once():
    def f(x, y):
        return np.exp(x * y) + np.sin(x * y), np.exp(x * y)

    before = recorded(f, X, Y)
    after = merge_equal(before)
    assert names(after) == ["multiply", "exp", "sin", "add"]
    assert_computes_the_same(before, after, X, Y)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x - 1.0, 1.0 - x),
        lambda x: (x.sum(axis=0), x.sum(axis=0, keepdims=True)),
        lambda x: (x * 0.0, x * -0.0),
        lambda x: (x > 1, x >= 1),
        lambda x: (x > 1, x > 1.5),
        lambda x: (x[1:], x[:-1]),
        lambda x: (x * np.array([1.0, 2.0, 3.0, 4.0]), x * np.array([1.0, 2.0, 3.0, 5.0])),
        lambda x: (x * np.float32(0.1), x * 0.1),
        lambda x: (x.astype("f"), x.astype("e")),
    ],
)
def test_what_only_looks_equal_is_computed_twice(f):
    before = recorded(f, X)
    after = merge_equal(before)
    assert len(after.instructions) == len(before.instructions)
    assert_computes_the_same(before, after, X)
    for a, b in zip(run(before, X), run(simplify(before), X), strict=True):
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


def test_one_and_true_are_told_apart():
    before = recorded(lambda mask: (mask * 1, mask * 1.0, mask * True), X > 0)
    after = merge_equal(before)
    assert names(after) == ["multiply"] * 3
    assert_computes_the_same(before, after, X > 0)
    assert_computes_the_same(before, simplify(before), X > 0)


def test_draws_are_never_merged():
    rng = np.random.default_rng(0)

    def f(x):
        return x + rng.random(4) - rng.random(4)

    after = simplify(recorded(f, X))
    assert names(after).count("random") == 2
    assert not np.array_equal(run(after, X, np.random.default_rng(1))[0], X)


def products_with(program, name):
    """Return the results of products of an array with an input, or with what was made of it and numbers alone."""
    numbers = {variable for variable in program.inputs if variable.name == name}
    for instruction in program.instructions:
        if instruction.result.shape == () and set(instruction.reads) & numbers:
            numbers.add(instruction.result)
    return [
        instruction.result
        for instruction in program.instructions
        if instruction.primitive.name == "multiply" and instruction.result.shape and set(instruction.reads) & numbers
    ]


A, B = np.random.default_rng(0).normal(size=(9, 5)), np.random.default_rng(1).normal(size=(9, 40))


@pytest.mark.parametrize(
    ("f", "size"),
    [
        (lambda a, b, lr: lr * (a.T @ b), 45),
        (lambda a, b, lr: (b.T @ a) * lr, 45),
        (lambda a, b, lr: lr * -(a.T @ b), 45),
        (lambda a, b, lr: lr * np.broadcast_to(a[:, :1], (9, 40)), 9),
        (lambda a, b, lr: lr * (a.T @ b).reshape(-1), 45),
        (lambda a, b, lr: lr * ((a.T @ b) / 3.0), 45),
        (lambda a, b, lr: b - lr * (a @ (a.T @ b)), 45),
    ],
)
def test_a_factor_goes_where_there_are_the_fewest_elements(f, size):
    before = recorded(f, A, B, 0.3)
    after = fold_factors(before)
    assert [variable.size for variable in products_with(after, "lr")] == [size]
    assert_computes_the_same(before, after, A, B, 0.3, exact=False)
    assert_computes_the_same(before, simplify(before), A, B, 0.7, exact=False)


LIMITS = (1.0, -1.0, 2.0**-20, -(2.0**-20))


@pytest.mark.parametrize("s", [*LIMITS, 1.0001, 0.9e-6, 1e20, -1e20, 1e-20, 1e-30, 0.0, np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(1e20, 1e-30), (1e-20, 1e20), (1e30, 1e-30), (1e-18, 1e-18), (1e18, 1e19)])
@np.errstate(all="ignore")
def test_a_factor_that_is_large_or_tiny_changes_no_result_by_being_moved(s, dtype, sizes):
    x, g = (size * np.ones(shape, dtype) for size, shape in zip(sizes, [(4, 9), (4, 2)], strict=True))

    def f(s, x, g):
        return s * (x.T @ g)

    limits = np.finfo(dtype)
    jitted = tg.jit(f)
    jitted(0.5, x, g)  # which is moved, so that this one's program is there
    for factor in (s, 0.5, s, 0.5):
        found, expected = jitted(factor, x, g), f(factor, x, g)
        np.testing.assert_allclose(found, expected, rtol=8 * limits.eps, atol=8 * limits.smallest_subnormal)
    assert len(jitted.programs) == (1 if s in LIMITS else 2)


@pytest.mark.parametrize("rate", [0.3, np.float32(0.3), np.array(0.3, np.float32)])
def test_a_learning_rate_that_falls_and_falls_makes_two_programs_in_all(rate):
    a, b = A.astype(np.float32), B.astype(np.float32)
    jitted = tg.jit(lambda lr: lr * (a.T @ b))
    for i in range(40):
        lr = np.asarray(rate * 0.6**i, rate.dtype) if isinstance(rate, np.ndarray) else type(rate)(rate * 0.6**i)
        np.testing.assert_allclose(jitted(lr), lr * (a.T @ b), rtol=1e-4)
    assert len(jitted.programs) == 2
    sizes = [[v.size for v in products_with(c.program, "lr")] for c in jitted.programs]
    assert sizes == [[200], [45]]  # the latest, of a tiny rate, is as it was written


def test_a_factor_that_stays_where_it_is_makes_no_second_program():
    jitted = tg.jit(lambda s: s * np.exp(A))
    for s in (0.5, 1e-20, 1e20, 0.0):
        jitted(s)
    assert len(jitted.programs) == 1


def test_a_factor_does_not_move_into_another_precision():
    def f(a, b, lr):
        return lr * (a * b)

    column = np.array([[1], [2]], np.float32)
    for a, b in ((column, np.ones((2, 3))), (column > 1, np.ones((2, 3))), (column.astype(np.float16), A[:2, :3])):
        before = recorded(f, a, b, 0.1)
        assert_computes_the_same(before, fold_factors(before), a, b, 0.1)


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b, lr: (lr * (a.T @ b), a.T @ b),
        lambda a, b, lr: lr * np.exp(a.T @ b),
        lambda a, b, lr: lr * np.maximum(a.T @ b, 0.0),
        lambda a, b, lr: lr * (a.T @ b + 1.0),
        lambda a, b, lr: lr * (1.0 / (a.T @ b)),
        lambda a, b, lr: lr * np.square(a.T @ b),
        lambda a, b, lr: lr * (a.T @ b).max(axis=0, keepdims=True),
    ],
    ids=["returned too", "exp", "maximum", "plus a number", "under a line", "square", "max"],
)
def test_a_factor_stays_where_it_may_not_move(f):
    before = merge_equal(recorded(f, A, B, 0.3))
    after = fold_factors(before)
    assert source_of(after) == source_of(before)
    assert_computes_the_same(before, simplify(before), A, B, -0.3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("factor", "size"),
    [(0.45, 45), (np.float32(-0.45), 45), (1.5, 200), (1e-9, 200), (0.0, 200)],
)
def test_a_constant_factor_goes_where_there_are_the_fewest_elements(dtype, factor, size):
    a, b = A.astype(dtype), B.astype(dtype)
    before = recorded(lambda a, b: b - a @ (factor * (a.T @ b)), a, b)
    after = simplify(before)
    assert [i.result.size for i in after.instructions if i.primitive.name == "multiply"] == [size]
    for x, y in zip(run(before, a, b), run(after, a, b), strict=True):
        np.testing.assert_allclose(x, y, rtol=100 * np.finfo(dtype).eps, atol=100 * np.finfo(dtype).eps)
    exact = simplify(before, is_exact=True)
    assert [i.result.size for i in exact.instructions if i.primitive.name == "multiply"] == [200]


def test_a_constant_factor_moves_inside_a_loop_and_an_input_does_not():
    def f(w, xs, lr):
        return tg.scan(lambda w, x: (w - lr * (0.25 * (x.T @ (x @ w))), 0.0), w, xs)[0]

    w, xs = np.random.default_rng(2).normal(size=(40, 9)), np.stack([B[:3], 2 * B[3:6]])
    jitted = tg.jit(f)
    for lr in (0.3, 1e-20, 3.0):
        np.testing.assert_allclose(jitted(w, xs, lr), f(w, xs, lr).numpy(), rtol=1e-11)
    assert len(jitted.programs) == 1
    assert [line.split()[0] for line in jitted.source.splitlines() if "0.25" in line] == ["np.multiply(0.25,"]
    assert "out=scaled" in jitted.source


def test_a_factor_stays_after_a_value_that_the_program_goes_on_with():
    def f(a, b, lr):
        g = a.T @ b
        return lr * g + np.exp(g)

    before = recorded(f, A, B, 0.3)
    after = fold_factors(before)
    assert names(after).count("matmul") == 1
    assert source_of(after) == source_of(before)


def test_a_product_of_two_numbers_that_may_change_follows_both():
    before = recorded(lambda a, b, s, t: s * (t * (a.T @ b)), A, B, 0.3, 0.7)
    after = simplify(before)
    assert_computes_the_same(before, after, A, B, 0.3, 0.7, exact=False)
    assert_computes_the_same(before, after, A, B, -1.3, 0.2, exact=False)


def test_results_that_are_multiplied_earlier_share_no_memory():
    def f(a, b, lr):
        y = a.T @ b
        return lr * y, lr * y.T

    for x, y in (tg.jit(f)(A, B, 0.3), load(source_of(simplify(recorded(f, A, B, 0.3))), "f")(A, B, 0.3)):
        np.testing.assert_allclose(x, 0.3 * (A.T @ B))
        np.testing.assert_array_equal(x, y.T)
        assert not np.shares_memory(x, y)


def test_a_factor_reaches_a_product_on_one_way_alone():
    def f(a, b, lr):
        y = np.sin(a[0])
        return lr * ((y * a) * (y * np.cos(a)))

    before = recorded(f, A, B, 0.3)
    assert_computes_the_same(before, simplify(before), A, B, 0.3, exact=False)


def test_a_difference_from_the_maximum_stays_exact():
    x = (1e4 + np.random.default_rng(0).normal(size=(50, 20)) * 0.01).astype(np.float32)

    def f(x, lr):
        y = x * 0.5
        return lr * (y - y.max(axis=1, keepdims=True)), lr * np.exp(y - y.max(axis=1, keepdims=True))

    before = recorded(f, x, 0.3)
    assert_computes_the_same(before, simplify(before), x, 0.3)


def mnist_step(make=lambda ps: tg.optim.SGD(ps, lr=0.4), also=lambda net: None):
    net = Net(rng=0)
    optimizer = make(net.parameters())

    def step(images, targets):
        loss = squared_loss(net(images), targets)
        optimizer.zero_grad()
        loss.backward()
        gradients = also(net)
        optimizer.step()
        return loss, gradients

    rng = np.random.default_rng(0)
    images = rng.random((100, 784), dtype=np.float32)
    return net, step, (images, one_hot(np.arange(100) % 10, 10))


def test_the_learning_rate_of_the_mnist_step_ends_on_the_derivative_by_the_output():
    net, step, batch = mnist_step()
    recording = record(step, batch, {})
    weights = {p.shape for p in net.parameters()}
    assert weights <= {variable.shape for variable in products_with(recording.program, "lr")}
    program = simplify(recording.program)
    assert [variable.shape for variable in products_with(program, "lr")] == [(100, 10)]
    others = [i.result.shape for i in program.instructions if i.primitive.name == "multiply"]
    assert not weights & set(others)
    assert names(program).count("dot") == 5


def test_a_gradient_that_is_returned_is_not_scaled():
    net, step, batch = mnist_step(also=lambda net: net.hidden.weight.grad)
    program = simplify(record(step, batch, {}).program)
    assert net.hidden.weight.shape in {variable.shape for variable in products_with(program, "lr")}
    copy = Net(rng=0)
    squared_loss(copy(batch[0]), batch[1]).backward()
    gradient = tg.jit(step)(*batch)[1]
    np.testing.assert_allclose(gradient.numpy(), copy.hidden.weight.grad.numpy(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: tg.optim.SGD(ps, lr=0.4, momentum=0.9),
        lambda ps: tg.optim.Adam(ps, lr=0.01),
    ],
    ids=["momentum", "Adam"],
)
def test_the_state_of_an_optimizer_is_not_scaled(make):
    net, step, batch = mnist_step(make)
    program = simplify(record(step, batch, {}).program)
    for _ in range(2):
        program = simplify(record(step, batch, {}).program)
        tg.jit(step)(*batch)
    assert net.hidden.weight.shape in {variable.shape for variable in products_with(program, "lr")}


def test_passes_end_and_change_nothing_the_second_time():
    net = tg.nn.Sequential(tg.nn.Linear(5, 4, rng=0), tg.nn.Tanh(), tg.nn.Linear(4, 3, rng=1))
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        loss = cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    program = simplify(recorded(step, A, np.arange(9) % 3))
    assert source_of(simplify(program)) == source_of(program)
    for simplification in (drop_unused, compute_constants, drop_moves, merge_equal, fold_factors):
        assert source_of(simplification(program)) == source_of(program)


@pytest.mark.parametrize("exponent", [2, 2.0, 3, 0.5, -1.0])
@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
@pytest.mark.parametrize("kind", [np.array, tg.Tensor])
def test_a_power_has_the_type_that_numpy_gives_it(exponent, dtype, kind):
    x = kind(np.array([2, 3], dtype))
    eager, compiled = x**exponent, tg.jit(lambda x: x**exponent)(x)
    assert compiled.dtype == eager.dtype
    np.testing.assert_allclose(compiled, eager, rtol=1e-6)


def test_an_empty_array_multiplied_by_one_in_place_is_copied_to_itself_on_no_line():
    """Empty arrays share no memory, so the program may return a view of the argument that it changes."""

    @tg.jit
    def f(x):
        x *= 1
        return np.broadcast_to(x, (2, *x.shape))

    assert f(tg.Tensor(np.ones((0, 3)))).shape == (2, 0, 3)


def test_a_factor_of_one_does_not_make_a_number_of_python_an_array():
    def f(x, factor):
        return (np.ravel(x * factor) * 1).sin().sum()

    x = tg.Tensor(0.6, dtype="float64")
    for g in (tg.grad(f), tg.grad(tg.grad(f)), tg.hessian(f)):
        np.testing.assert_allclose(tg.jit(g)(x, -1.5), g(x, -1.5))
    for number in (2.0, 3, True, np.float32(2)):
        assert tg.jit(lambda x: (x * 1, tg.rules.get("quotient")(x, x)))(number) == (number, 1)
