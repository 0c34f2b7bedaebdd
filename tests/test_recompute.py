"""Activation checkpointing: the same results and gradients as without it, in less memory."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from functools import partial

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import nn

DTYPES = ("float32", "float64")


def tensor(*shape, dtype="float64", seed=0):
    return tg.Tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype), requires_grad=True)


W, B = tensor(3, 3, seed=1), tensor(3, seed=2)


class Shifted:
    """An object of the user's, which holds a parameter and a generator."""

    def __init__(self):
        self.shift, self.rng = B, np.random.default_rng(5)

    def apply(self, x):
        return x * (self.shift + self.rng.random(3))


def scaled(x, scale):
    return np.sin(x @ W) * scale


def of_lists(x):
    return {"sum": [x.sum(axis=0), x @ W], "nothing": None, "constant": x.detach(), "same": x}


# Functions of one array; each is made anew, since some hold a generator.
FUNCTIONS = {
    "a closure": lambda: lambda x: np.tanh(x @ W) + B,
    "a module": lambda: nn.Sequential(nn.Linear(3, 5, rng=0), nn.GELU(), nn.Linear(5, 3, rng=1)).astype("float64"),
    "a method": lambda: Shifted().apply,
    "a partial function": lambda: partial(scaled, scale=B),
    "several results": lambda: lambda x: (x * x, x @ W, x[0, 0] * 3.0),
    "containers": lambda: of_lists,
    "its argument": lambda: lambda x: x,
    "a parameter": lambda: lambda x: (W, x.sum()),
    "a view": lambda: lambda x: x.T,
    "nested": lambda: tg.checkpoint_activations(lambda x: np.exp(x @ W) * tg.checkpoint_activations(np.sin)(x)),
    "a gradient": lambda: tg.grad(lambda x: (np.sin(x) * B).sum()),
    "dropout": lambda: nn.Dropout(0.5, rng=3),
    "the library's generator": lambda: nn.Dropout(0.5),
    "NumPy's generator": lambda: lambda x: x * np.random.rand(3),  # noqa: NPY002 - users do
}


def parameters(f):
    f = getattr(f, "__wrapped__", f)
    return [W, B, *(f.parameters() if isinstance(f, nn.Module) else [])]


def total(result):
    """Return a number that depends on every Tensor of a result, not linearly."""
    if isinstance(result, tg.Tensor):
        return np.sin(result).sum()
    parts = result.values() if isinstance(result, dict) else result
    return sum((total(part) for part in parts if part is not None), tg.Tensor(0.0, dtype="float64"))


def derivatives(make, checkpointed, x):
    """Return the value, first and second derivatives by the argument and by parameters, computed in several ways."""
    tg.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    f = make()
    g = tg.checkpoint_activations(f) if checkpointed else f
    leaves = [x, *parameters(f)]
    found = []
    for leaf in leaves:
        leaf.grad = None
    total(g(x)).backward(create_graph=True)
    first = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    sum((np.square(d).sum() for d in first if d is not None), tg.Tensor(0.0)).backward()
    found += [*first, *(leaf.grad for leaf in leaves)]
    found += [tg.grad(lambda x: total(g(x)))(x.detach()), tg.hessian(lambda x: total(g(x)))(x.detach())]
    found += tg.jvp(lambda x: total(g(x)), x.detach(), np.ones(x.shape, x.dtype))
    return [None if d is None else d.numpy() for d in found]


@pytest.mark.filterwarnings("ignore::tinygrad_lite.PrecisionWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_both_orders_are_those_of_the_function(name):
    x = tensor(4, 3)
    plain, again = (derivatives(FUNCTIONS[name], checkpointed, x) for checkpointed in (False, True))
    for a, b in zip(plain, again, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
            assert a.dtype == b.dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_types_stay(dtype):
    x, w = tensor(2, 3, dtype=dtype), tensor(3, dtype=dtype)
    y = tg.checkpoint_activations(lambda x: np.tanh(x) * w)(x)
    y.sum().backward()
    assert {str(a.dtype) for a in (y, x.grad, w.grad)} == {dtype}


@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_arrays_without_axes_or_elements(shape):
    x = tensor(*shape)
    tg.checkpoint_activations(lambda x: (np.sin(x), x * 2.0))(x)[0].sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(x.numpy()))


def test_keyword_arguments_and_others_than_tensors():
    x, y = tensor(3), tensor(3, seed=1)
    f = tg.checkpoint_activations(lambda x, how, *, y, n=2: x**n * y if how == "power" else None)
    f(x, "power", y=y, n=3).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 3 * x.numpy() ** 2 * y.numpy())
    np.testing.assert_allclose(y.grad.numpy(), x.numpy() ** 3)


def test_a_function_without_a_gradient_is_only_called():
    counted = []
    f = tg.checkpoint_activations(lambda x: counted.append(1) or x * 2.0)
    with tg.no_grad():
        assert f(tensor(2)).operation is None
    assert f(tg.Tensor([1.0])).operation is None
    assert len(counted) == 2


def trained(checkpointed, jit, steps=3):
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6, rng=0), nn.BatchNorm1d(6), nn.Dropout(0.5, rng=1), nn.Linear(6, 4, rng=2))
    f = tg.checkpoint_activations(net) if checkpointed else net
    optimizer = tg.optim.SGD(net.parameters(), 0.1, momentum=0.9)

    def step(x):
        optimizer.zero_grad()
        loss = np.square(f(x)).mean()
        loss.backward()
        optimizer.step()
        return loss

    step = tg.jit(step) if jit else step
    losses = [step(np.random.default_rng(k).standard_normal((5, 4)).astype("f")).item() for k in range(steps)]
    return [losses, *(x.numpy() for _, x in net._named_tensors())]


@pytest.mark.parametrize("jit", [False, True])
def test_running_statistics_and_draws_of_a_training_are_those_without_it(jit):
    for a, b in zip(trained(False, jit), trained(True, jit), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_jitted_gradient_is_that_of_the_function():
    f = tg.checkpoint_activations(lambda x: np.tanh(x @ W))
    slope = tg.grad(lambda x: np.square(f(x)).sum())
    x = tensor(4, 3).numpy()
    np.testing.assert_allclose(tg.jit(slope)(x).numpy(), slope(x).numpy(), rtol=1e-12)


def deep(checkpointed):
    blocks = [nn.Sequential(nn.Linear(16, 64, rng=i), nn.Tanh(), nn.Linear(64, 16, rng=i)) for i in range(8)]
    blocks = [tg.checkpoint_activations(block) for block in blocks] if checkpointed else blocks

    def loss(x):
        for block in blocks:
            x = x + block(x)
        return np.square(x).mean()

    return loss


def by_backward(loss, x):
    loss(x).backward()


def by_grad(loss, x):
    tg.grad(loss)(x.detach())


def by_second_order(loss, x):
    np.square(tg.grad(loss)(x)).sum().backward()


@pytest.mark.parametrize("differentiate", [by_backward, by_grad, by_second_order])
def test_peak_memory_of_a_deep_net_falls(differentiate):
    peaks = []
    for checkpointed in (False, True):
        loss, x = deep(checkpointed), tensor(256, 16, dtype="float32")
        tracemalloc.start()
        differentiate(loss, x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 0.5 * peaks[0], peaks


def test_a_parameter_that_was_changed_since_is_refused():
    w = tensor(3)
    y = tg.checkpoint_activations(lambda x: x * w)(tensor(3)).sum()
    with tg.no_grad():
        w -= 0.5
    with pytest.raises(tg.GraphError, match="was changed in place after checkpoint_activations used it"):
        y.backward()


def test_other_results_the_second_time_are_refused():
    y = tg.checkpoint_activations(lambda x: x * random.random())(tensor(3)).sum()
    with pytest.raises(tg.GraphError, match="checkpoint_activations: the second evaluation of the function gave other"):
        y.backward()


def test_a_change_in_place_is_refused_and_an_assignment_is_not():
    layer = nn.Module()
    layer.mean = nn.Buffer(np.zeros(3))

    def in_place(x):
        layer.mean += 1.0
        return x * layer.mean

    def assigned(x):
        layer.mean = layer.mean + 1.0
        return x * layer.mean

    with pytest.raises(tg.GraphError, match=r"checkpoint_activations: the function changes a Tensor of shape \(3,\)"):
        tg.checkpoint_activations(in_place)(tensor(3))
    layer.mean = np.zeros(3)
    x = tensor(3)
    tg.checkpoint_activations(assigned)(x).sum().backward()
    np.testing.assert_array_equal(layer.mean.numpy(), np.ones(3))
    np.testing.assert_array_equal(x.grad.numpy(), np.ones(3))


def test_a_result_that_is_a_view_shares_the_record_of_changes():
    x, w = tg.Tensor(np.ones(3)), tensor(3)
    view = tg.checkpoint_activations(lambda x: (x[:2], w * 2.0))(x)[0]
    y = (view * tensor(2)).sum()
    x[0] = 5.0
    with pytest.raises(tg.GraphError, match="was changed in place"):
        y.backward()


def test_a_second_backward_pass_and_formulas_are_refused_in_words():
    y = tg.checkpoint_activations(np.sin)(tensor(3)).sum()
    with pytest.raises(tg.GraphError, match="checkpoint_activations keeps no graph of what it computes"):
        tg.explain(y)
    y.backward()
    with pytest.raises(tg.GraphError, match="was freed by an earlier backward pass"):
        y.backward()


def test_anomalies_are_found_within():
    with tg.detect_anomaly(), np.errstate(divide="ignore"), pytest.raises(FloatingPointError, match="log"):
        tg.checkpoint_activations(np.log)(tg.Tensor([0.0], requires_grad=True))
    with tg.detect_anomaly():
        tg.checkpoint_activations(np.sin)(tensor(3)).sum().backward()


def test_a_program_plans_less_memory():
    planned = []
    for checkpointed in (False, True):
        loss, x = deep(checkpointed), tensor(256, 16, dtype="float32").numpy()
        slope = tg.jit(tg.grad(loss))
        slope(x)
        planned.append(slope.programs[0].plan.bytes)
    assert planned[1] < 0.5 * planned[0], planned


@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_second_derivatives_draw_the_same_numbers_each_time(kind):
    x, found = tensor(3).numpy(), []
    for jit, checkpointed in itertools.product((False, True), repeat=2):
        rng = kind(4)

        def drawn(x, rng=rng):
            return np.sin(x * rng.uniform(1.0, 2.0, size=3)) * rng.uniform(1.0, 2.0, size=3)

        f = tg.checkpoint_activations(drawn) if checkpointed else drawn
        second = tg.hessian(lambda x, f=f: f(x).sum())
        second = tg.jit(second) if jit else second
        found.append([second(x).numpy(), rng.uniform()])
    for second, following in found:
        np.testing.assert_allclose(second, found[0][0], rtol=1e-12)
        assert following == found[0][1]


def test_a_tensor_that_is_given_twice_gets_both_derivatives():
    x = tensor(3)
    f = tg.checkpoint_activations(lambda a, b: np.sin(a) * b * x)
    second = tg.hessian(lambda x: f(x, x).sum())(x.detach())
    f(x, x).sum().backward()
    a = x.numpy()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(a) * a**2 + 2 * np.sin(a) * a)
    np.testing.assert_allclose(np.diag(second.numpy()), (2 * np.cos(a) - np.sin(a) * a) * a)
