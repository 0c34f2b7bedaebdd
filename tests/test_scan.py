"""Scan: a loop with a state, which computes and differentiates like the same loop written out."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import nn


def random(*shape, dtype="float64", seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(dtype)


def tensor(*shape, **how):
    return tg.Tensor(random(*shape, **how), requires_grad=True)


def written_out(f, state, xs):
    """Return what `scan` returns, from a loop over one array."""
    ys = []
    for x in xs:
        state, y = f(state, x)
        ys.append(y)
    return state, np.stack(ys)


def rnn(w, u):
    def step(h, x):
        h = np.tanh(x @ w + h @ u)
        return h, h * 2.0

    return step


def loss_of(loop):
    def loss(w, u, h, xs):
        last, ys = loop(rnn(w, u), h, xs)
        return np.sin(last).sum() + np.square(ys).sum()

    return loss


GIVEN = random(3, 4), random(4, 4), random(2, 4), random(5, 2, 3)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("length", [1, 5])
def test_values_and_gradients_are_those_of_the_loop_written_out(jit, length):
    given = (*GIVEN[:3], GIVEN[3][:length])
    found = []
    for loop in (written_out, tg.scan):
        f = tg.value_and_grad(loss_of(loop), (0, 1, 2, 3))
        value, slopes = (tg.jit(f) if jit else f)(*given)
        found.append([value.numpy(), *(g.numpy() for g in slopes)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("jit", [False, True])
def test_second_derivatives_are_those_of_the_loop_written_out(jit):
    given = random(1, 2), random(2, 2), random(1, 2), random(3, 1, 1)
    f, g = (tg.hessian(loss_of(loop), (0, 2, 3)) for loop in (written_out, tg.scan))
    for rows in zip(f(*given), (tg.jit(g) if jit else g)(*given), strict=True):
        for a, b in zip(*rows, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("jit", [False, True])
def test_types_stay(dtype, jit):
    given = [x.astype(dtype) for x in GIVEN]
    f = tg.grad(loss_of(tg.scan), (0, 1, 2, 3))
    assert {str(g.dtype) for g in (tg.jit(f) if jit else f)(*given)} == {dtype}


@pytest.mark.parametrize("jit", [False, True])
def test_states_inputs_and_outputs_may_be_containers(jit):
    def step(state, x):
        a, b = state["a"] + x[0], state["b"] * x[1]["k"]
        return {"a": a, "b": b}, (a * b, [b, None])

    def run(p):
        state, (product, (b, nothing)) = tg.scan(step, {"a": 0.0, "b": np.float32(1)}, (p, {"k": p}))
        assert nothing is None
        return {"all": product.sum() + b[1] * 3.0 + state["a"]}["all"]

    p = np.array([2, 3, 4], dtype=np.float32)
    f = tg.value_and_grad(run)
    value, slope = (tg.jit(f) if jit else f)(p)
    assert value.item() == 2 * 2 + 5 * 6 + 9 * 24 + 6 * 3 + 9
    # Of p₁² + (p₁ + p₂)p₁p₂ + (p₁ + p₂ + p₃)p₁p₂p₃ + 3p₁p₂ + p₁ + p₂ + p₃.
    a, b, c = p
    np.testing.assert_array_equal(
        slope.numpy(),
        [
            2 * a + 2 * a * b + b * b + (2 * a + b + c) * b * c + 3 * b + 1,
            a * a + 2 * a * b + (a + 2 * b + c) * a * c + 3 * a + 1,
            (a + b + 2 * c) * a * b + 1,
        ],
    )


@pytest.mark.parametrize("jit", [False, True])
def test_parameters_that_the_step_reads_get_their_gradients(jit):
    cell, xs = nn.GRUCell(3, 4, rng=0), random(5, 2, 3, dtype="float32")

    def step(xs):
        for p in cell.parameters():
            p.grad = None
        last, ys = tg.scan(lambda h, x: (cell(x, h),) * 2, np.zeros((2, 4), np.float32), xs)
        (np.square(ys).sum() + last.sum()).backward()
        return [p.grad for p in cell.parameters()]

    found = [g.numpy() for g in (tg.jit(step) if jit else step)(xs)]
    h, total = tg.Tensor(np.zeros((2, 4), np.float32)), 0.0
    for p in cell.parameters():
        p.grad = None
    for x in xs:
        h = cell(x, h)
        total = total + np.square(h).sum()
    (total + h.sum()).backward()
    for g, p in zip(found, cell.parameters(), strict=True):
        np.testing.assert_allclose(g, p.grad.numpy(), rtol=1e-5, atol=1e-6)


W, P, BIG = (tensor(*shape, dtype="float32") for shape in ((3, 3), (3, 100), (2, 100)))
ZEROS, DROPOUT = np.zeros((2, 3), np.float32), nn.Dropout(0.5, rng=3)


def checkpointed(h, x):
    h = tg.checkpoint_activations(lambda h: np.tanh(h @ W))(h) + x
    return h, None


def nested(h, x):
    return tg.scan(lambda s, v: (np.tanh(s @ W) + v, s), h, np.stack([x, x * 2]))


# Steps, each with a state: of a function that has a parameter, W, and takes arrays of shape (2, 3).
STEPS = {
    "a tanh": (lambda h, x: (np.tanh(h @ W + x), h), ZEROS),
    "no output": (lambda h, x: (np.tanh(h @ W + x), None), ZEROS),
    "a state that it does not read": (lambda h, x: (x, x @ W), ZEROS),
    "nothing": (lambda h, x: (h, x), ZEROS),
    "a parameter as output": (lambda h, x: (h + x, W), ZEROS),
    "an exchange": (lambda s, x: ((s[1], s[0] @ W + x), s[0] * s[1]), (ZEROS, ZEROS)),
    "two that change places": (lambda s, x: ((s[1], s[0]), s[0] * x), (ZEROS, ZEROS + 1)),
    "a counter": (lambda s, x: ((s[0] + 1, np.tanh(s[1] @ W) + x * s[0]), s[1]), (np.int64(0), ZEROS)),
    "a number as state": (lambda s, x: (s * 0.5 + (x @ W).sum(), s), 0.0),
    "a large constant": (lambda h, x: (np.tanh(h @ W + x), (h @ P.numpy()) * BIG.numpy()), ZEROS),
    "a choice": (lambda h, x: (np.where(x > 0, np.tanh(h @ W), x), x.max()), ZEROS),
    "a loss": (lambda h, x: (np.tanh(h @ W), nn.functional.cross_entropy(h + x, np.array([0, 2]))), ZEROS),
    "a gradient": (lambda h, x: (tg.grad(lambda h: (np.tanh(h @ W) * x).sum())(h), h), ZEROS),
    "random draws": (lambda h, x: (np.tanh(DROPOUT(h @ W) + x), DROPOUT.rng.random((2, 3), dtype="f") * h), ZEROS),
    "a checkpoint": (checkpointed, ZEROS),
    "another scan": (nested, ZEROS),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_program_computes_what_the_loop_computes(name):
    step, state = STEPS[name]

    def run(array):
        W.grad, xs = None, tg.Tensor(array, requires_grad=True)
        last, ys = tg.scan(step, state, xs)
        parts = [*(last if isinstance(last, tuple) else [last]), *([] if ys is None else [ys])]
        loss = sum(np.square(part).sum() for part in parts)
        loss.backward()
        return [loss, *parts, xs.grad, *([] if W.grad is None else [W.grad])]

    jitted, found = tg.jit(run), []
    for f in (run, jitted):
        DROPOUT.rng.bit_generator.state = np.random.default_rng(5).bit_generator.state
        found.append([x.numpy() for seed in range(2) for x in f(random(6, 2, 3, dtype="f", seed=seed))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
    assert "    for t in range(0, 6):\n" in jitted.source


@pytest.mark.parametrize("jit", [False, True])
def test_a_tensor_that_is_given_twice_gets_both_derivatives(jit):
    def run(x):
        (a, b), ys = tg.scan(lambda s, x: ((s[0] * x[0], s[1] + x[1]), s[0] * s[1]), (x[0], x[0]), (x, x))
        return (a * b).sum() + ys.sum()

    def written(x):
        a = b = x[0]
        total = 0.0
        for part in x:
            total = total + (a * b).sum()
            a, b = a * part, b + part
        return (a * b).sum() + total

    x, slope = random(3, 2), tg.grad(run)
    np.testing.assert_allclose((tg.jit(slope) if jit else slope)(x).numpy(), tg.grad(written)(x).numpy(), rtol=1e-12)


def test_a_program_has_the_step_once():
    net = nn.GRU(3, 4, rng=0)
    slope = tg.jit(tg.grad(lambda x: np.square(net(x)[0]).sum()))
    sizes = []
    for length in (5, 50):
        slope(random(2, length, 3, dtype="f"))
        sizes.append(len(slope.source.splitlines()))
    assert sizes[0] <= sizes[1] < sizes[0] + 10
    assert slope.source.count("\ndef body") == slope.source.count("\ndef loop") == 2


def test_a_value_that_a_step_leaves_outside_is_refused_in_a_program():
    layer = nn.BatchNorm1d(3)
    f = tg.jit(lambda xs: tg.scan(lambda h, x: (layer(h + x), None), ZEROS, xs)[0])
    with pytest.raises(tg.JitError, match="the step of a scan leaves a value outside, such as an attribute"):
        f(random(6, 2, 3, dtype="f"))


def test_random_numbers_that_a_checkpoint_repeats_are_refused_within_the_step_of_a_program():
    def run(xs):
        again = tg.checkpoint_activations(lambda h, x: DROPOUT(h @ W) + x)
        loss = np.square(tg.scan(lambda h, x: (again(h, x), None), ZEROS, xs)[0]).sum()
        loss.backward()
        return W.grad

    with pytest.raises(tg.JitError, match="a scan needs a Python number or a random generator that its step made"):
        tg.jit(run)(random(6, 2, 3, dtype="f"))


def test_a_scan_within_a_checkpoint_draws_the_same_numbers_in_a_program():
    again = tg.checkpoint_activations(lambda xs: tg.scan(lambda h, x: (np.tanh(DROPOUT(h @ W) + x), h), ZEROS, xs)[1])

    def run(xs):
        W.grad = None
        np.square(again(xs)).sum().backward()
        return W.grad

    found = []
    for f in (run, tg.jit(run)):
        DROPOUT.rng.bit_generator.state = np.random.default_rng(5).bit_generator.state
        found.append([f(random(6, 2, 3, dtype="f")).numpy() for _ in range(2)])
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_without_gradients_nothing_is_recorded():
    with tg.no_grad():
        last, ys = tg.scan(rnn(tensor(3, 4), tensor(4, 4)), random(2, 4), random(5, 2, 3))
    assert last.operation is ys.operation is None


def test_inputs_that_were_changed_since_are_refused():
    xs = tensor(3, 2)
    state, _ = tg.scan(lambda s, x: (s + x * x, None), np.zeros(2), xs)
    with tg.no_grad():
        xs -= 1.0
    with pytest.raises(tg.GraphError, match="was changed in place"):
        state.sum().backward()


@pytest.mark.filterwarnings("ignore::tinygrad_lite.PrecisionWarning")
@pytest.mark.parametrize(
    ("state", "xs", "words"),
    [
        (0.0, (np.zeros(3), np.zeros(4)), r"xs have the shapes \[\(3,\), \(4,\)\], but axis 0 counts the steps"),
        (0.0, np.zeros((0, 2)), "at least 1"),
        (0.0, np.float64(1), r"xs have the shapes \[\(\)\], but"),
        (0.0, None, "but axis 0 counts the steps"),
        (0.0, np.zeros((2, 3), "f"), r"the state keeps .* step 0 made float32 \(3,\) of float32 \(\)"),
        (np.float32(0), tg.Tensor([1.0], dtype="float64"), r"step 0 made float64 \(\) of float32 \(\)"),
        ([tg.Tensor(0.0)] * 2, np.zeros(2), r"the state keeps .* made float32 \(\) of \["),
    ],
)
def test_inputs_and_states_that_do_not_fit_are_refused_in_words(state, xs, words):
    with pytest.raises(tg.ShapeError, match=words):
        tg.scan(lambda s, x: (s[0] if isinstance(s, list) else s + x, x), state, xs)


def test_outputs_that_do_not_fit_are_refused_in_words():
    outputs = iter([tg.Tensor(1.0), None])
    with pytest.raises(tg.ShapeError, match=r"the output keeps .* step 1 made None of float32 \(\)"):
        tg.scan(lambda s, x: (s, next(outputs)), 0.0, np.zeros(2))
    with pytest.raises(TypeError, match=r"a step returns a pair, .* not Tensor: write return state, state"):
        tg.scan(lambda s, x: s + x, 0.0, np.zeros(2))
