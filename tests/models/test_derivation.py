"""The net's loss and gradients are those of the formulas derived by hand, one sample at a time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_lite as tg
from models.mnist import Net
from tests.benchmarks.steps import initial_parameters
from tests.models.by_hand import SampleBySample
from tinygrad_lite.nn.functional import one_hot, squared_loss
from tinygrad_lite.optim import SGD

LR = 10**-0.35


@pytest.fixture
def batch():
    rng = np.random.default_rng(7)
    return rng.random((100, 784)), one_hot(rng.integers(0, 10, 100), 10)


@pytest.fixture
def net():
    net = Net()
    names = [name for name, _ in net.named_parameters()]
    net.astype(np.float64).load_state_dict(dict(zip(names, initial_parameters(seed=3), strict=True)))
    return net


def test_loss_and_every_gradient_agree_to_1e_12(net, batch):
    loss = squared_loss(net(batch[0]), batch[1])
    loss.backward()
    by_hand_loss, by_hand = SampleBySample.gradients(initial_parameters(seed=3), *batch)
    assert loss.dtype == np.float64
    assert loss.item() == pytest.approx(by_hand_loss, rel=1e-12)
    for parameter, gradient in zip(net.parameters(), by_hand, strict=True):
        largest = np.abs(gradient).max()
        assert np.abs(parameter.grad.numpy() - gradient).max() <= 1e-12 * largest


def test_ten_steps_agree_to_1e_10(net, batch):
    by_hand = SampleBySample(initial_parameters(seed=3))
    optimizer = SGD(net.parameters(), LR)
    for _ in range(10):
        loss = squared_loss(net(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert loss.item() == pytest.approx(by_hand.step(*batch, LR), rel=1e-10)
    for parameter, expected in zip(net.parameters(), by_hand.parameters, strict=True):
        np.testing.assert_allclose(parameter.numpy(), expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


def test_the_softmax_jacobian_is_diag_s_minus_s_s_transposed():
    z = np.random.default_rng(0).standard_normal(10)
    s = np.exp(z) / np.exp(z).sum()
    jacobian = tg.jacobian(lambda z: z.softmax())(z)
    np.testing.assert_allclose(jacobian.numpy(), np.diag(s) - np.outer(s, s), rtol=1e-12, atol=1e-15)


def test_the_net_by_hand_starts_like_the_library_s_and_learns():
    for theirs, of_ours in zip(initial_parameters(), Net(rng=0).parameters(), strict=True):
        np.testing.assert_array_equal(theirs.astype(np.float32), of_ours.numpy())
    rng = np.random.default_rng(1)
    digits = SimpleNamespace(
        images=rng.random((20, 784)) * (rng.random((20, 784)) < 0.2), labels=rng.integers(10, size=20)
    )
    first, *_, last = SampleBySample(initial_parameters()).train(digits, digits, epochs=15, batch_size=10)
    assert min(last) > max(*first, 0.5)
