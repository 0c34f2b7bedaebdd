"""Layers, losses, optimizers and the reference net give on a device what they give on the CPU."""

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.devices.training import trained
from tinygrad_lite import nn
from tinygrad_lite.errors import DeviceError
from tinygrad_lite.nn import functional as F

LAYERS = {
    "linear": lambda: nn.Linear(4, 3, rng=0),
    "without bias": lambda: nn.Linear(4, 3, bias=False, rng=0),
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": nn.Softmax,
    "log_softmax": nn.LogSoftmax,
    "flatten": nn.Flatten,
    "dropout": lambda: nn.Dropout(0.5, rng=0),
    "sequential": lambda: nn.Sequential(
        nn.Linear(4, 5, rng=0), nn.ReLU(), nn.Dropout(0.2, rng=1), nn.Linear(5, 2, rng=2)
    ),
}
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, standin):
    def run(device):
        layer = LAYERS[name]().to(device)
        x = tg.Tensor(X, requires_grad=True)
        y = layer(x.to(device))
        (y * y).sum().backward()
        assert {y.device, *(p.device for p in layer.parameters()), *(p.grad.device for p in layer.parameters())} == {
            device
        }
        return [y.numpy(), x.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())]

    for a, b in zip(run(standin), run("cpu"), strict=True):
        np.testing.assert_array_equal(a, b)


LABELS = np.array([0, 3, 1, 2, 2, 0])
LOSSES = {
    "squared_loss": lambda x, labels: F.squared_loss(x.softmax(), F.one_hot(labels, 4)),
    "cross_entropy of labels": F.cross_entropy,
    "cross_entropy of a distribution": lambda x, labels: F.cross_entropy(x, F.one_hot(labels, 4)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, standin):
    def run(device):
        x = tg.Tensor(X, requires_grad=True)
        loss = LOSSES[name](x.to(device), tg.Tensor(LABELS).to(device))
        loss.backward()
        assert loss.device == device
        return loss.item(), x.grad.numpy()

    (a, da), (b, db) = run(standin), run("cpu")
    assert a == b
    np.testing.assert_array_equal(da, db)


def test_labels(standin):
    labels, p = tg.Tensor(LABELS).to(standin), tg.Tensor(X).to(standin)
    assert F.accuracy(p, labels) == F.accuracy(X, LABELS)
    with pytest.raises(ValueError, match="label 3 at index 1 is none of the 3 classes"):
        F.one_hot(labels, 3)
    with pytest.raises(DeviceError, match="cross_entropy of operands on different devices"):
        F.cross_entropy(p, LABELS)
    with pytest.raises(DeviceError, match="accuracy of operands on different devices"):
        F.accuracy(p, LABELS)


OPTIMIZERS = {
    "SGD": lambda ps: tg.optim.SGD(ps, 0.1),
    "momentum": lambda ps: tg.optim.SGD(ps, 0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "Adam": lambda ps: tg.optim.Adam(ps, 0.1, weight_decay=0.01),
    "AdamW": lambda ps: tg.optim.AdamW(ps, 0.1),
}


def _step(layer, optimizer, device):
    optimizer.zero_grad()
    F.squared_loss(layer(tg.Tensor(X).to(device)), tg.Tensor(np.ones((6, 3), np.float32)).to(device)).backward()
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, standin):
    def run(device):
        layer = nn.Linear(4, 3, rng=0).to(device)
        optimizer = OPTIMIZERS[name](layer.parameters())
        for _ in range(5):
            _step(layer, optimizer, device)
        assert {p.device for p in layer.parameters()} == {device}
        return [p.numpy() for p in layer.parameters()]

    for a, b in zip(run(standin), run("cpu"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["momentum", "Adam", "AdamW"])
@pytest.mark.parametrize("way", [("cpu", "standin"), ("standin", "cpu")])
def test_what_an_optimizer_remembers_does_not_move(name, way, standin):
    layer = nn.Linear(4, 3, rng=0).to(way[0])
    optimizer = OPTIMIZERS[name](layer.parameters())
    _step(layer, optimizer, way[0])
    layer.to(way[1])
    with pytest.raises(DeviceError, match=rf"parameter 0 is on '{way[1]}'.*on '{way[0]}': make the optimizer"):
        _step(layer, optimizer, way[1])


def test_an_optimizer_without_a_step_follows(standin):
    layer = nn.Linear(4, 3, rng=0)
    optimizer = OPTIMIZERS["Adam"](layer.parameters())
    layer.to(standin)
    _step(layer, optimizer, standin)
    assert {x.device for x in layer.parameters()} == {standin}


def test_a_module_moves_in_place(standin):
    layer = nn.Linear(4, 3, rng=0)
    layer.mask = tg.nn.Buffer([1.0, 0.0, 1.0])
    weight = layer.weight
    layer(X).sum().backward()
    assert layer.to("cpu").weight.grad is not None
    assert layer.to(standin) is layer
    assert layer.weight is weight
    assert (weight.device, layer.mask.device, weight.grad) == (standin, standin, None)
    assert layer.to("cpu").weight.device == "cpu"


def test_a_saved_state_is_loaded_where_the_module_is(standin):
    saved, there = nn.Linear(4, 3, rng=0), nn.Linear(4, 3, rng=1).to(standin)
    there.load_state_dict(saved.state_dict())
    assert {p.device for p in there.parameters()} == {standin}
    np.testing.assert_array_equal(there.weight.numpy(), saved.weight.numpy())


def test_the_reference_net(standin):
    (losses, parameters, _), (expected, of_the_cpu, _) = trained(standin), trained("cpu")
    assert losses == expected
    *losses, accuracy = losses
    assert losses[-1] < losses[0] / 2
    assert accuracy > 0.9
    for a, b in zip(parameters, of_the_cpu, strict=True):
        np.testing.assert_array_equal(a, b)
