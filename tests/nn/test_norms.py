"""Normalisation: means and variances, running statistics, derivatives, programs, and words for mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.nn.against import assert_equal
from tinygrad_lite import nn

F = nn.functional


def random(*shape):
    return np.random.default_rng(shape).standard_normal(shape)


LAYERS = {
    "LayerNorm": (lambda: nn.LayerNorm((3, 4)), (2, 3, 4)),
    "LayerNorm of one axis": (lambda: nn.LayerNorm(4, bias=False), (2, 3, 4)),
    "RMSNorm": (lambda: nn.RMSNorm(4), (2, 3, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), (5, 4)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), (2, 4, 3, 2)),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_agree_with_differences(name, order):
    make, shape = LAYERS[name]
    layer = make().astype("float64")
    assert tg.gradcheck(lambda x: np.tanh(layer(x)), random(*shape), order=order)


@pytest.mark.parametrize("name", LAYERS)
def test_programs_do_what_the_layer_does(name):
    make, shape = LAYERS[name]
    x = tg.Tensor(random(*shape).astype(np.float32))
    eager, compiled = make(), make()
    step = tg.jit(lambda x: compiled(x))
    for _ in range(3):
        np.testing.assert_allclose(step(x).numpy(), eager(x).numpy(), rtol=1e-5)
    for a, b in zip(eager.state_dict().values(), compiled.state_dict().values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert len(step.programs) == 1
    assert step(x).dtype == np.float32


def test_each_sample_has_mean_0_and_variance_1():
    y = F.layer_norm(3 + 5 * random(4, 100), 100)
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=1), 1, rtol=1e-4)


def test_running_statistics_are_those_of_many_batches():
    layer = nn.BatchNorm1d(3, momentum=0.05)
    rng = np.random.default_rng(0)
    for _ in range(300):
        layer((2 + 3 * rng.standard_normal((64, 3))).astype(np.float32))
    np.testing.assert_allclose(layer.running_mean.numpy(), 2, atol=0.3)
    np.testing.assert_allclose(layer.running_var.numpy(), 9, rtol=0.15)
    layer.eval()
    before = layer.state_dict()
    y = layer(np.full((1, 3), 2, np.float32))
    np.testing.assert_allclose(y.numpy(), 0, atol=0.1)
    assert all((before[name] == x).all() for name, x in layer.state_dict().items())


def test_running_statistics_are_saved_and_not_trained():
    layer = nn.BatchNorm2d(3)
    assert [*layer.state_dict()] == ["weight", "bias", "running_mean", "running_var"]
    assert len(layer.parameters()) == 2


def test_without_running_statistics_evaluation_uses_the_batch():
    layer = nn.BatchNorm1d(3, track_running_stats=False).eval()
    np.testing.assert_allclose(layer(5 + random(8, 3).astype("f")).numpy().mean(axis=0), 0, atol=1e-6)


MISTAKES = {
    "one value": (lambda: nn.BatchNorm2d(3)(random(1, 3, 1, 1)), "has one value for each channel, whose variance is 0"),
    "channels": (lambda: nn.BatchNorm2d(3)(random(2, 4, 3, 3)), r"\(N, C, H, W\) with C = 3 channels is needed"),
    "axes": (lambda: nn.BatchNorm1d(3)(random(2, 3, 3, 3)), r"\(N, C\) or \(N, C, L\) with C = 3"),
    "last axes": (lambda: nn.LayerNorm(4)(random(2, 3)), r"over the last axes, of shape \(4,\)"),
    "groups": (lambda: nn.GroupNorm(3, 4), "4 channels do not divide into 3 groups"),
    "groups of an input": (lambda: F.group_norm(random(2, 4), 3), "must divide into 3 groups"),
    "no features": (lambda: nn.BatchNorm1d(0), "positive whole number of num_features"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_named(what):
    make, words = MISTAKES[what]
    with pytest.raises((ValueError, tg.ShapeError), match=words):
        make()


def test_they_are_those_of_pytorch():
    T = pytest.importorskip("torch").nn.functional
    import torch

    w, b = random(4), random(4)
    x = random(3, 4, 8)
    assert_equal(lambda x, w, b: F.group_norm(x, 2, w, b), lambda x, w, b: T.group_norm(x, 2, w, b), x, w, b)
    assert_equal(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        lambda x, w, b: T.batch_norm(x, None, None, w, b, True),
        *(x, w, b),
    )
    m, v = random(4), np.square(random(4))
    assert_equal(
        lambda x, w, b: F.batch_norm(x, m, v, w, b),
        lambda x, w, b: T.batch_norm(x, torch.tensor(m), torch.tensor(v), w, b),
        *(x, w, b),
    )
    w, b = random(4, 8), random(4, 8)
    assert_equal(lambda x, w, b: F.layer_norm(x, (4, 8), w, b), lambda x, w, b: T.layer_norm(x, (4, 8), w, b), x, w, b)
    assert_equal(lambda x, w: F.rms_norm(x, 8, w), lambda x, w: T.rms_norm(x, (8,), w), x, random(8))
