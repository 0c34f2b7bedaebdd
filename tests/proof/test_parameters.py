"""Tensors that a function reads from outside are checked as well, and are afterwards what they were."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor

X = np.array([[0.5, -1.0, 2.0], [0.3, 1.5, -0.7]])


class Net(tg.nn.Module):
    def __init__(self):
        self.hidden = tg.nn.Linear(3, 4, rng=0)
        self.output = tg.nn.Linear(4, 2, rng=1)

    def forward(self, x):
        return self.output(self.hidden(x).tanh())


PATHS = ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]


@pytest.fixture
def net():
    net = Net()
    net(X).sum().backward()
    return net


@pytest.fixture(autouse=True)
def _unchanged(net):
    """Every parameter holds the very same array afterwards, and the very same gradient."""

    def state():
        return [(p.data, p.dtype, p.data.tolist(), p.grad, p.requires_grad) for p in net.parameters()]

    before = state()
    yield
    for one, other in zip(before, state(), strict=True):
        assert one[0] is other[0]
        assert one[3] is other[3]
        assert one[1:3] + one[4:] == other[1:3] + other[4:]


def names(report):
    return [c.name for c in report.comparisons]


@pytest.mark.parametrize("method", ["complex", "central"])
@pytest.mark.parametrize("mode", ["full", "fast"])
def test_the_parameters_of_a_module_are_checked_by_path(net, method, mode):
    report = tg.gradcheck(net, X, method=method, mode=mode, order=2)
    assert report
    assert names(report) == ["input 0", *PATHS] * 2
    assert [c.argument for c in report.comparisons] == list(range(5)) * 2
    assert report.notes[0].startswith(
        "hidden.weight, hidden.bias, output.weight and 1 more of float32, checked in float64"
    )


def test_what_parameters_takes(net):
    w, b = net.hidden.weight, net.hidden.bias

    def f(x):
        return net(x).sum()

    assert names(tg.gradcheck(f, X, parameters=net)) == ["input 0", *PATHS]
    assert names(tg.gradcheck(f, X, parameters=w)) == ["input 0", "weight"]
    assert names(tg.gradcheck(f, X, parameters=Tensor(1.0))) == ["input 0", "parameter"]
    assert names(tg.gradcheck(f, X, parameters=[w, b])) == ["input 0", "weight", "bias"]
    assert names(tg.gradcheck(f, X, parameters=(p for p in (b, Tensor(1.0))))) == ["input 0", "bias", "parameter 1"]
    assert names(tg.gradcheck(f, X, parameters=[w, w])) == ["input 0", "parameter 0"]
    assert names(tg.gradcheck(f, X, parameters=net.parameters())) == ["input 0", *(f"parameter {i}" for i in range(4))]
    assert names(tg.gradcheck(f, X, parameters={"w": w, "b": b})) == ["input 0", "w", "b"]
    assert names(tg.gradcheck(f, X, parameters=Tensor([1.0], name="unused"))) == ["input 0", "unused"]
    assert names(tg.gradcheck(net, X, parameters=net)) == ["input 0", *PATHS]


def test_parameters_alone_are_enough(net):
    assert tg.gradcheck(lambda: net(X).sum(), parameters=net)


def test_a_tensor_that_requires_no_gradient_is_checked_too(net):
    w = Tensor([1.0, 2.0, 3.0])
    array = w.data
    assert names(tg.gradcheck(lambda x: (x * w).exp(), X, parameters={"w": w})) == ["input 0", "w"]
    assert w.data is array
    assert w.dtype == np.float32
    assert not w.requires_grad


def test_a_mismatch_names_the_path(net, wrong_at):
    rule = wrong_at(5)

    def f(x):
        return x @ rule(net.hidden.weight)

    for mode in ("full", "fast"):
        with pytest.raises(tg.GradientMismatch, match=r"of y\[\d, 1\] by hidden\.weight\[1, 1\]: "):
            tg.gradcheck(f, X, parameters=net, mode=mode)


@pytest.mark.parametrize("call", [1, 2, 4, 7, 12])
def test_they_are_given_back_when_the_function_raises(net, call):
    calls = iter(range(1, 1000))

    def f(x):
        y = net(x)
        if next(calls) == call:
            raise ZeroDivisionError
        return y

    with pytest.raises(ZeroDivisionError):
        tg.gradcheck(f, X, parameters=net, method="central")


def test_a_gradient_that_is_collected_inside_does_not_stay(net):
    def f(x):
        y = net(x)
        with tg.no_grad():
            net.hidden.weight.grad = None
        return y

    assert tg.gradcheck(f, X, parameters=net)


def test_a_function_that_changes_a_parameter_is_refused(net):
    def replacing(x):
        net.hidden.weight.data = net.hidden.weight.data + 1
        return net(x)

    def writing(x):
        net.hidden.weight.data[0, 0] += 1
        return net(x)

    for f in (replacing, writing):
        with pytest.raises(ValueError, match=r"changes hidden\.weight in place"):
            tg.gradcheck(f, X, parameters=net)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (3, "parameters= must be a Module, a Tensor, or several, not int"),
        ([np.ones(2)], "parameters= must be Tensors of floating numbers, but 'parameter 0' is ndarray"),
        ({"n": Tensor([1, 2])}, "but 'n' is a Tensor of int64"),
    ],
)
def test_parameters_are_validated(parameters, message):
    with pytest.raises(TypeError, match=message):
        tg.gradcheck(lambda x: x, X, parameters=parameters)


def test_a_parameter_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"w\[1\] is nan"):
        tg.gradcheck(lambda x: x, X, parameters={"w": Tensor([1.0, np.nan])})


def test_two_parameters_of_one_name_are_refused(net):
    with pytest.raises(ValueError, match=r"two parameters are called 'hidden\.bias'"):
        tg.gradcheck(net, X, parameters={"hidden.bias": Tensor(1.0)})
