"""A module called with other parameters; its costs; chains of functions; layers that add or drop."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import nn

X = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)


def net():
    return nn.Sequential(nn.Linear(3, 4, rng=0), np.tanh, nn.Linear(4, 2, rng=1))


def test_a_module_is_called_with_other_parameters_for_once():
    model, other = net(), net()
    before = model(X).numpy()
    for x in other.parameters():
        x.data = x.numpy() + 1
    y = nn.functional_call(model, other.state_dict(), X)
    np.testing.assert_array_equal(y.numpy(), other(X).numpy())
    np.testing.assert_array_equal(model(X).numpy(), before)


def test_gradients_flow_to_the_given_parameters_alone():
    model, w = net(), tg.Tensor(np.ones((3, 4), np.float32), requires_grad=True)
    nn.functional_call(model, {"0.weight": w}, X).sum().backward()
    assert w.grad is not None
    assert model[0].weight.grad is None
    expected = net()
    expected[0].weight.data = w.numpy()
    expected(X).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), expected[0].weight.grad.numpy())


def test_a_model_is_differentiated_by_its_parameters_twice():
    model = nn.Linear(2, 1, bias=False, rng=0)
    x = np.array([[1.0, 2.0]], np.float32)
    hessian = tg.hessian(lambda w: np.square(nn.functional_call(model, {"weight": w}, x)).sum())
    np.testing.assert_allclose(hessian(np.ones((2, 1), np.float32)).numpy().reshape(2, 2), [[2, 4], [4, 8]])


def test_it_is_restored_after_an_error_and_shared_parameters_are_replaced_everywhere():
    model = nn.Sequential(nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1))
    model[1].weight = model[0].weight
    w = model[0].weight
    with pytest.raises(tg.ShapeError):
        nn.functional_call(model, {"0.weight": np.eye(3, dtype=np.float32)}, X[:, :2])
    assert model[0].weight is w
    y = nn.functional_call(model, {"0.weight": np.zeros((3, 3), np.float32)}, X)
    np.testing.assert_array_equal(y.numpy(), np.zeros((5, 3)))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [({"w": X}, KeyError, "no parameter 'w'; there are 0.weight"), ({"0.bias": X}, tg.ShapeError, r"has shape \(4,\)")],
)
def test_what_does_not_fit_is_named(given, error, words):
    with pytest.raises(error, match=words):
        nn.functional_call(net(), given, X)


def test_the_costs_of_a_convnet_are_counted():
    model = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 784, 10, rng=0))
    lines = model.summary(np.zeros((1, 1, 28, 28), np.float32)).splitlines()
    assert lines[3].split() == ["0", "Conv2d", "1×6×28×28", "156", f"{6 * 25 * 784:,}"]
    assert lines[-1].split() == ["total", f"{156 + 47050:,}", f"{6 * 25 * 784 + 47040:,}"]


def test_layers_of_a_chain_have_the_names_of_a_dictionary():
    model = nn.Sequential({"hidden": nn.Linear(3, 4, rng=0), "bend": np.tanh, "output": nn.Linear(4, 2, rng=1)})
    np.testing.assert_array_equal(model(X).numpy(), net()(X).numpy())
    assert [*model.state_dict()] == ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]
    assert [*model[1:].state_dict()] == ["output.weight", "output.bias"]


def test_what_is_no_layer_is_named():
    with pytest.raises(TypeError, match=r"number 0 is of type list: unpack a list with \*"):
        nn.Sequential([nn.ReLU()])
    with pytest.raises(TypeError, match="number 0 is of type type: write"):
        nn.Sequential(nn.ReLU)


def test_a_residual_adds_its_input():
    model = nn.Residual(nn.Linear(3, 3, rng=0))
    np.testing.assert_allclose(model(X).numpy(), X + model.module(X).numpy(), rtol=1e-6)


def test_whole_channels_are_dropped():
    y = nn.Dropout2d(0.5, rng=0)(np.ones((20, 10, 4, 3), np.float32))
    assert {*np.unique(y)} == {0.0, 2.0}
    assert (y == y[:, :, :1, :1]).all()
    with pytest.raises(tg.ShapeError, match="Dropout2d needs images"):
        nn.Dropout2d(rng=0)(X)


def test_gradients_are_reset_and_parameters_frozen_by_the_names_of_pytorch():
    model = net()
    model(X).sum().backward()
    model.zero_grad()
    assert all(x.grad is None for x in model.parameters())
    assert not model.requires_grad_(False).parameters()
    assert len(model.requires_grad_().parameters()) == 4
