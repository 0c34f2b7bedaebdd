"""The activations and losses that are composed of rules: values, derivatives, programs, and PyTorch's beside them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.nn.against import assert_equal
from tinygrad_lite import nn

F = nn.functional
X = np.array([[-30.0, -3.0, -0.5], [0.2, 4.0, 40.0]])
ACTIVATIONS = ["gelu", "silu", "leaky_relu", "elu", "softplus"]
LABELS, WEIGHT = np.array([0, 2, -1, 1]), np.array([1.0, 2.0, 3.0])


def random(*shape):
    return np.random.default_rng(shape).standard_normal(shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_erf_is_that_of_python(dtype):
    x = np.concatenate([np.linspace(-7, 7, 20_001), [0.0, 1e-300, 1e-8, np.inf, -np.inf]]).astype(dtype)
    exact = np.array([math.erf(v) for v in x.tolist()])
    y = tg.rules.get("erf")(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, exact, rtol=8 * np.finfo(dtype).eps, atol=0)
    assert np.isnan(tg.rules.get("erf")(np.array([np.nan])))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_right_derivatives_and_layers(name):
    function = getattr(F, name)
    assert tg.gradcheck(function, X[:, 1:])
    assert tg.gradcheck(function, X[:, 1:], order=2)
    np.testing.assert_array_equal(tg.jit(function)(X), function(X))
    assert np.isfinite(tg.grad(lambda x: function(x).sum())(X).numpy()).all()
    layer = {"gelu": nn.GELU, "silu": nn.SiLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "softplus": nn.Softplus}[name]
    np.testing.assert_array_equal(layer()(X), function(X))
    assert function(X.astype("f")).dtype == np.float32


def test_gelu_by_tanh_is_close_to_the_exact_one():
    x = np.linspace(-4, 4, 101)
    np.testing.assert_allclose(F.gelu(x, "tanh"), F.gelu(x), atol=1e-3)
    with pytest.raises(ValueError, match="one of 'none', 'tanh', not 'fast'"):
        F.gelu(x, "fast")


LOSSES = {
    "bce": lambda z, reduction: F.binary_cross_entropy_with_logits(
        z, np.tri(4, 3), WEIGHT, pos_weight=WEIGHT, reduction=reduction
    ),
    "huber": lambda z, reduction: F.huber_loss(z, np.tri(4, 3), 0.7, reduction),
    "kl": lambda z, reduction: F.kl_div(z, np.tri(4, 3), reduction),
    "nll": lambda z, reduction: F.nll_loss(z, LABELS, WEIGHT, -1, reduction),
    "ce": lambda z, reduction: F.cross_entropy(z, LABELS, WEIGHT, -1, reduction, 0.2),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_right_derivatives_and_programs(name, reduction):
    z = random(4, 3)

    def loss(z):
        return LOSSES[name](z, reduction)

    assert tg.gradcheck(loss, z)
    assert tg.gradcheck(loss, z, order=2)
    np.testing.assert_allclose(tg.jit(loss)(z), loss(z), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_an_unknown_reduction_is_named(name):
    with pytest.raises(ValueError, match=r"reduction must be one of .*'mean', 'sum', 'none', not 'max'"):
        LOSSES[name](random(4, 3), "max")


def test_samples_that_do_not_count_change_neither_loss_nor_gradient():
    z = random(4, 3)
    counted = LABELS >= 0
    np.testing.assert_allclose(
        F.cross_entropy(z, LABELS, ignore_index=-1), F.cross_entropy(z[counted], LABELS[counted]), rtol=1e-12
    )
    g = tg.grad(lambda z: F.cross_entropy(z, LABELS, ignore_index=-1))(z)
    assert (g.numpy()[~counted] == 0).all()


def test_large_logits_do_not_overflow():
    z, y = np.array([1e4, -1e4]), np.array([1.0, 0.0])
    assert F.binary_cross_entropy_with_logits(z, y) == 0
    assert F.binary_cross_entropy_with_logits(-z, y) == 1e4


MISTAKES = {
    "bce": lambda: F.binary_cross_entropy_with_logits(X, X[0]),
    "huber": lambda: F.huber_loss(X, X[:, :1]),
    "kl": lambda: F.kl_div(X, X[0]),
    "nll": lambda: F.nll_loss(X, np.array([0])),
    "weight": lambda: F.cross_entropy(X, np.array([0, 1]), weight=np.ones(2)),
    "delta": lambda: F.huber_loss(X, X, delta=0),
    "smoothing": lambda: F.cross_entropy(X, np.array([0, 1]), label_smoothing=2),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_named(what):
    with pytest.raises((ValueError, tg.ShapeError), match=r"must be|needed|weight for each"):
        MISTAKES[what]()


class TestBesidePyTorch:
    """The same functions of PyTorch's, where it is installed."""

    @pytest.fixture(autouse=True)
    def functional(self):
        self.torch = pytest.importorskip("torch")
        self.T = self.torch.nn.functional

    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_activations(self, name):
        assert_equal(getattr(F, name), getattr(self.T, name), 3 * random(5, 6))

    @pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # of kl_div, which has two kinds of means
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_losses(self, reduction):
        T, t = self.T, self.torch.tensor
        target, weight, labels, how = t(np.tri(4, 3)), t(WEIGHT), t(LABELS), {"reduction": reduction}
        theirs = {
            "bce": lambda z: T.binary_cross_entropy_with_logits(z, target, weight, pos_weight=weight, **how),
            "huber": lambda z: T.huber_loss(z, target, delta=0.7, **how),
            "kl": lambda z: T.kl_div(z, target, **how),
            "nll": lambda z: T.nll_loss(z, labels, weight, ignore_index=-1, **how),
            "ce": lambda z: T.cross_entropy(z, labels, weight, ignore_index=-1, label_smoothing=0.2, **how),
        }
        for name, ours in LOSSES.items():
            assert_equal(lambda z, ours=ours: ours(z, reduction), theirs[name], random(4, 3))
