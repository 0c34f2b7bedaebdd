"""A jitted function whose arrays are on a device is a program of that device, and computes what the function does."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.devices import standin as module
from tests.devices.compare import samples, with_and_without_jit
from tests.devices.training import OPTIMIZERS, trained
from tinygrad_lite import nn
from tinygrad_lite.errors import DeviceError
from tinygrad_lite.nn import functional as F
from tinygrad_lite.support.devices import on_device_of, scatter_add, to_device

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = np.array([0, 2, 1, 2, 2, 0])
MODULE = "tests.devices.standin"


@pytest.fixture
def there(standin):
    """Return a function that makes an array of the stand-in's device."""
    return lambda data: to_device(np.asarray(data), standin)


def _head(source):
    """Return the lines of a source that are not of its function, without its title."""
    return source.partition('"""\n')[2].partition("\ndef ")[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_reference_net(optimizer, standin):
    def run(device, jit):
        return trained(device, 12, optimizer, jit)

    there, eager, here = run(standin, True), run(standin, False), run("cpu", True)
    for other in (eager, here):
        np.testing.assert_allclose(there.losses, other.losses, rtol=1e-5)
        for a, b in zip(there.parameters, other.parameters, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert "lr_d_" in there.programs[0].source or optimizer != "SGD"


def test_the_source_needs_the_module_of_the_device_alone(standin):
    (program, *_) = trained(standin, 2, jit=True).programs
    assert program.program.device == standin
    assert "numpy" not in program.source
    assert _head(program.source).split()[:4] == ["import", MODULE, "as", "np"]
    program_alone = f"{program.source}\nassert np.empty((2,)).__class__.__module__ == {MODULE!r}"
    done = subprocess.run(
        [sys.executable, "-c", program_alone],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


FIRST_CALLS = {
    "a layer": lambda x: np.tanh(x @ x.T),
    "its slope": tg.grad(lambda x: (np.tanh(x @ x.T) ** -1).sum()),
    "positions": tg.grad(lambda x: (x[np.array([0, 0, 2]), 1:] ** 2).sum()),
    "extremes": lambda x: (np.min(x, axis=1, keepdims=True), np.max(x, axis=0), np.min(x)),
}


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_a_function_is_recorded_where_every_kernel_must_be_compiled_first(name, there):
    f = FIRST_CALLS[name]
    first = tg.jit(f)(there(X))
    assert module.kernels
    for a, b in zip(first, f(there(X)), strict=True):
        on_cpu = [to_device(tg.Tensor(x).data, "cpu") for x in (a, b)]
        np.testing.assert_array_equal(*map(np.asarray, on_cpu))


@pytest.mark.parametrize("ask", [time.time, random.random, tempfile.mkdtemp, lambda: np.loadtxt(__file__)])
def test_what_the_function_itself_asks_for_is_refused_where_kernels_are_compiled_too(ask, there):
    def f(x):
        y = np.tanh(x)
        ask()
        return y

    with pytest.raises(tg.JitError, match=r"differently at each call|a file is read"):
        tg.jit(f)(there(X))


@pytest.mark.parametrize(("rule", "i"), samples(), ids=lambda x: getattr(x, "name", str(x)))
def test_every_rule(rule, i, standin):
    for eager, jitted in with_and_without_jit(rule, rule.samples[i], standin):
        np.testing.assert_array_equal(jitted.numpy(), eager.numpy())


def _net(rng=0):
    return nn.Sequential(nn.Linear(4, 5, rng=rng), nn.ReLU(), nn.Linear(5, 3, rng=rng))


def _step_of(net, optimizer, loss=F.cross_entropy):
    def step(x, y):
        optimizer.zero_grad()
        value = loss(net(x), y)
        value.backward()
        optimizer.step()
        return value

    return step


def test_a_net_that_moves_has_a_program_for_each_device(standin):
    net, other = _net(), _net()
    step = tg.jit(_step_of(net, tg.optim.SGD(net.parameters(), 0.1)))
    eager = _step_of(other, tg.optim.SGD(other.parameters(), 0.1))
    for device in ("cpu", standin, "cpu", standin):
        net.to(device)
        other.to(device)
        loss = step(tg.Tensor(X).to(device), tg.Tensor(LABELS).to(device))
        expected = eager(tg.Tensor(X).to(device), tg.Tensor(LABELS).to(device))
        assert loss.device == device
        assert step.programs[0].program.device == device
        np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-6)
    assert len(step.programs) == 2
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-7)


def test_what_an_optimizer_remembers_does_not_move(standin):
    net = _net()
    step = tg.jit(_step_of(net, tg.optim.SGD(net.parameters(), 0.1, momentum=0.9)))
    step(tg.Tensor(X), tg.Tensor(LABELS))
    net.to(standin)
    before = [p.numpy() for p in net.parameters()]
    with pytest.raises(DeviceError, match=r"parameter 0 is on 'standin', but its momentum on 'cpu'"):
        step(tg.Tensor(X).to(standin), tg.Tensor(LABELS).to(standin))
    for a, b in zip(before, net.parameters(), strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize(("x", "y"), [("cpu", "cpu"), ("cpu", "standin"), ("standin", "cpu")])
@pytest.mark.parametrize("has_program", [False, True])
def test_arguments_elsewhere_are_the_error_that_they_are_without_jit(x, y, has_program, standin):
    net = _net().to(standin)
    step = _step_of(net, tg.optim.SGD(net.parameters(), 0.1))
    jitted = tg.jit(step)
    if has_program:
        jitted(tg.Tensor(X).to(standin), tg.Tensor(LABELS).to(standin))
    args = tg.Tensor(X).to(x), tg.Tensor(LABELS).to(y)
    with pytest.raises(DeviceError) as expected:
        step(*args)
    with pytest.raises(DeviceError) as caught:
        jitted(*args)
    assert str(caught.value) == str(expected.value)
    assert "different devices" in str(caught.value)


def test_labels_are_checked(standin):
    net = _net().to(standin)
    step = tg.jit(_step_of(net, tg.optim.SGD(net.parameters(), 0.1)))
    x, labels = tg.Tensor(X).to(standin), tg.Tensor(LABELS).to(standin)
    first = step(x, labels).item()
    assert step(x, labels).item() < first
    before = [p.numpy() for p in net.parameters()]
    with pytest.raises(ValueError, match="a label is none of the 3 classes"):
        step(x, tg.Tensor(LABELS + 1).to(standin))
    for a, b in zip(before, net.parameters(), strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    assert len(step.programs) == 1
    predict = tg.jit(lambda x: net(x).softmax())
    with tg.no_grad():
        assert F.accuracy(predict(x), labels) == F.accuracy(net(x), labels)


def _runs_once_alike(make, *args):
    """Check a function, made anew for each, with jit and without: results, their types, and the number of programs."""
    eager, jitted = make(), tg.jit(make())
    for _ in range(3):
        expected, found = eager(*args), jitted(*args)
        assert type(found) is type(expected)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(to_device(found, "cpu"), to_device(expected, "cpu"))
    assert len(jitted.programs) == 1
    return jitted


def test_what_is_drawn_and_moved_is_drawn_anew(there, standin):
    def make():
        rng = np.random.default_rng(0)
        return lambda x: x * (on_device_of(x, rng.random(x.shape)) >= 0.5)

    jitted = _runs_once_alike(make, there(X))
    assert "np.asarray(random)" in jitted.source
    assert "out=random" not in jitted.source


def test_an_argument_that_is_moved_inside_is_moved_at_each_call(there, standin):
    weight = there(np.arange(4.0))
    jitted = _runs_once_alike(lambda: lambda x: to_device(x, standin) * weight, X.astype(float))
    assert "x: float64 (6, 4), on 'cpu'" in jitted.source
    np.testing.assert_array_equal(jitted(np.ones((6, 4))).get(), np.ones((6, 1)) * np.arange(4.0))


COMPUTED = {
    "a large constant": lambda x: x * on_device_of(x, np.arange(x.size, dtype=float).reshape(x.shape) ** 2),
    "a small constant": lambda x: x * on_device_of(x, np.array([1.0, 2.0, 4.0, -1.0])),
    "an identity": lambda x: np.where(on_device_of(x, np.eye(10, dtype=bool)), x, 0),
    "made alike": lambda x: np.ones_like(x) + np.zeros(4, like=x) + np.full_like(x, 2.5),
    "a number of no axes": lambda x: x.sum() * np.ones_like(x.sum()),
    "one of the elements": lambda x: x[1, 2],
    "a constant is handed out": lambda x: np.ones_like(x.sum()) * 3,
    "a list of positions": lambda x: x[[0, 1, 1]],
    "an index of the CPU's": lambda x: x[np.array([0, 1, 1])],
    "whole numbers": lambda x: np.argsort(x, axis=1),
    "converted": lambda x: (x > 0).astype(np.float32) * 2,
    "einsum": lambda x: np.einsum("ij,kj->ik", x + 1, x) * 2,
    "einsum of a transpose": lambda x: np.einsum("ij->ji", x + 1) * 2,
    "joined": lambda x: np.concatenate([x, x + 1]) * 2,
    "chosen": lambda x: np.where(x > 0, x, -1.0) * 2,
    "limited": lambda x: np.clip(x + 1, 0, 1) * 2,
    "a square root of a half": lambda x: (x * x) ** 0.5,
    "by a position of no axes": lambda x: x[on_device_of(x, np.array(1))] * 2,
    "false": lambda x: x + np.zeros_like(x.sum(), dtype=bool),
    "limited by arrays": lambda x: np.clip(x, on_device_of(x, np.zeros(4)), on_device_of(x, np.arange(4.0))),
    "filled with one of no axes": lambda x: np.full_like(x, on_device_of(x, np.array(2.5))) * x,
    "close by": lambda x: np.isclose(x, on_device_of(x, np.arange(4.0)), atol=0.5) * 2,
    "infinite": lambda x: np.where(x > 0, x, -np.inf).max(axis=0),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_what_programs_are_made_of(name, there):
    x = there(np.random.default_rng(1).normal(size=(10, 10) if name == "an identity" else (20, 4)))
    jitted = _runs_once_alike(lambda: COMPUTED[name], x)
    assert jitted.programs[0].program.device == "standin"


def test_what_is_handed_out_stays_as_it_is(there):
    @tg.jit
    def f(x):
        total = (x * 2).sum()
        return total, (x * 2)[0], x, x[0, 0], np.ones_like(total), on_device_of(x, np.ones(3))

    first = f(there(X))
    kept = [x.get() for x in first]
    for x in f(there(X + 1)):
        x.fill(-1)
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a.get(), b)


def test_numbers_meet_what_is_made_there(there):
    def scaled(x, rate):
        return rate * on_device_of(x, np.arange(4.0)) + x * rate

    _runs_once_alike(lambda: scaled, there(X.astype(float)), 0.25)


def test_a_mask_of_the_device_holds_for_its_values(there):
    mask = there(np.array([True, False, True, True, False, False]))
    jitted = tg.jit(lambda x: x[mask] * 2)
    for chosen in ([0, 2, 3], [1, 2]):
        mask[:] = there(np.isin(np.arange(6), chosen))
        np.testing.assert_array_equal(jitted(there(X)).get(), X[chosen] * 2)
    assert len(jitted.programs) == 2


def test_a_step_may_move_its_batches(standin):
    net, other = _net().to(standin), _net().to(standin)
    step = _step_of(net, tg.optim.SGD(net.parameters(), 0.1))
    jitted = tg.jit(lambda x, labels: step(tg.Tensor(x).to(standin), tg.Tensor(labels).to(standin)))
    eager = _step_of(other, tg.optim.SGD(other.parameters(), 0.1))
    for _ in range(3):
        expected = eager(tg.Tensor(X).to(standin), tg.Tensor(LABELS).to(standin))
        np.testing.assert_allclose(jitted(X, LABELS).item(), expected.item(), rtol=1e-6)
    assert len(jitted.programs) == 1
    assert jitted.source.count("np.asarray(") == 2


def test_what_is_changed_in_place(there):
    def make():
        total = there(np.zeros(4, np.float32))

        def f(x):
            total[1:] += x[0, 1:]
            scatter_add(total, np.array([0, 0]), x[0, 0])
            return total * 1

        return f

    _runs_once_alike(make, there(X))


def test_an_argument_must_not_share_the_memory_of_what_is_changed(there):
    w = there(np.ones(4))

    @tg.jit
    def f(x):
        w[:] = w + x
        return w * 1

    f(there(np.ones(4)))
    with pytest.raises(tg.JitError, match="shares its memory"):
        f(w[:])


def _old_view(x, view):
    y = x * 1
    part = view(y)
    y += 1
    return part * 1


RNG, ARRAY = np.random.default_rng(0), np.arange(3.0)
REFUSED = {
    "copied back": (lambda x: tg.Tensor(x).to("cpu") * 2, r"copied from 'standin' to 'cpu'.*outside"),
    "looked at": (lambda x: tg.Tensor(x).numpy(), r"copied from 'standin' to 'cpu'.*outside"),
    "a value": (lambda x: float(x.sum()), "this line needs the value of an array"),
    "an old view": (lambda x: _old_view(x, np.transpose), "a view is read after the array it shows was changed"),
    "an old view of einsum's": (
        lambda x: _old_view(x, lambda y: np.einsum("ij->ji", y)),
        "a view is read after the array it shows was changed",
    ),
    "computed of what is drawn": (
        lambda x: x * on_device_of(x, RNG.random(x.shape) >= 0.5),
        r"test_jit.py, line \d+.*greater_equal is computed on 'cpu', and to on 'standin', but a program has one device",
    ),
    "computed of what is here": (
        lambda x: (x * 2, ARRAY.mean()),
        "multiply is computed on 'standin', and mean on 'cpu'",
    ),
    "NumPy's number of a number": (
        lambda x, rate=0.1: x * np.sqrt(rate),
        "sqrt is computed on 'cpu', and multiply on 'standin'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_there_is_refused_by_name(name, there):
    function, message = REFUSED[name]
    state = RNG.bit_generator.state
    args = (there(X), 0.1) if name.startswith("NumPy") else (there(X),)
    with pytest.raises(tg.JitError, match=message):
        tg.jit(function)(*args)
    assert RNG.bit_generator.state == state


def test_ranks_exchange_arrays_of_the_cpu(there):
    with pytest.raises(tg.JitError, match="exchange between ranks of arrays on 'standin' cannot be recorded"):
        tg.jit(lambda x: x.__all_reduce__(print))(there(X))


def _of_the_device_s_random_module():
    namespace = {"__name__": f"{MODULE}.random", "np": np, "to_device": to_device}
    exec("def rand(n): return to_device(np.ones(n), 'standin')\nclass Generator: pass", namespace)
    return namespace


def test_draws_of_the_device_are_refused(there):
    random = _of_the_device_s_random_module()
    draw, generator = random["rand"], random["Generator"]()
    with pytest.raises(tg.JitError, match=r"rand\(\) draws on a device, differently at each call"):
        tg.jit(lambda x: x * draw(4))(there(X))
    with pytest.raises(tg.JitError, match="generator is a random generator of a device"):
        tg.jit(lambda x: (generator, x * 2)[1])(there(X))


def test_dropout_draws_on_the_cpu(there, standin):
    def make():
        net = nn.Sequential(nn.Linear(4, 5, rng=0), nn.Dropout(0.5, rng=0)).to(standin)
        return lambda x: net(x).data

    assert _runs_once_alike(make, there(X)).source.count("np.asarray(") == 1


def test_a_recurrent_net(standin):
    found = []
    for device, jit in (("cpu", True), (standin, True), (standin, False)):
        net, x = nn.GRU(3, 4, rng=0).to(device), to_device(np.ones((2, 5, 3), np.float32), device)

        def slopes(x, net=net):
            np.square(net(x)[0]).sum().backward()
            return [p.grad for p in net.parameters()]

        found.append([to_device(g.data, "cpu") for g in (tg.jit(slopes) if jit else slopes)(x)])
    for here, in_a_program, eager in zip(*found, strict=True):
        np.testing.assert_allclose(here, in_a_program, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(in_a_program, eager, rtol=1e-5, atol=1e-7)
