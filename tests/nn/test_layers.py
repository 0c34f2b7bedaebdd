"""Layers compute what their formulas say, start where their initialisers say, and refuse what makes no sense."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor, nn
from tinygrad_lite.nn import init

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 5, 4), (0, 4)])
@pytest.mark.parametrize("wrap", [Tensor, np.asarray])
def test_linear_is_a_product_and_a_sum(shape, wrap):
    layer = nn.Linear(4, 3, rng=0)
    layer.bias.data += 1
    x = np.ones(shape, np.float32)
    y = layer(wrap(x))
    assert isinstance(y, Tensor)
    assert y.shape == (*shape[:-1], 3)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), x @ layer.weight.data + layer.bias.data, rtol=1e-6)


def test_linear_without_bias():
    layer = nn.Linear(4, 3, bias=False, rng=0)
    assert layer.bias is None
    np.testing.assert_allclose(layer(X).numpy(), X @ layer.weight.data, rtol=1e-6)


def test_linear_parameters_have_shape_names_and_start():
    layer = nn.Linear(4, 3)
    assert layer.weight.shape == (4, 3)
    assert layer.bias.shape == (3,)
    assert (layer.weight.name, layer.bias.name) == ("weight", "bias")
    assert not layer.bias.numpy().any()
    assert layer.weight.requires_grad
    assert layer.bias.requires_grad


def test_linear_is_the_same_for_the_same_seed():
    one, other, third = (nn.Linear(4, 3, rng=seed).weight.numpy() for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, other)
    assert (one != third).any()
    rng = np.random.default_rng(7)
    first, second = nn.Linear(4, 3, rng=rng), nn.Linear(4, 3, rng=rng)
    np.testing.assert_array_equal(first.weight.numpy(), one)
    assert (second.weight.numpy() != one).any()
    assert (nn.Linear(4, 3).weight.numpy() != nn.Linear(4, 3).weight.numpy()).any()


def test_linear_takes_any_initialiser():
    assert not nn.Linear(4, 3, initialiser=init.zeros).weight.numpy().any()
    drawn = nn.Linear(4, 3, rng=1, initialiser=init.he_normal).weight.numpy()
    np.testing.assert_array_equal(drawn, init.he_normal((4, 3), 1))


@pytest.mark.parametrize("sizes", [(0, 3), (4, -1), (2.0, 3), ("4", 3), (None, 1)])
def test_linear_refuses_sizes_that_are_no_positive_whole_numbers(sizes):
    with pytest.raises(ValueError, match=r"Linear needs a positive whole number of (in|out)_features, not"):
        nn.Linear(*sizes)
    assert nn.Linear(np.int64(2), 3).weight.shape == (2, 3)


def test_linear_gradients():
    layer = nn.Linear(4, 3, rng=0).astype(np.float64)
    x = X.astype(np.float64)

    report = tg.gradcheck(layer, x, order=2)
    assert {c.name for c in report.comparisons} >= {"input 0", "weight", "bias"}


SCALES = {
    "glorot_uniform": lambda i, o: math.sqrt(2 / (i + o)),
    "glorot_normal": lambda i, o: math.sqrt(2 / (i + o)),
    "he_uniform": lambda i, o: math.sqrt(2 / i),
    "he_normal": lambda i, o: math.sqrt(2 / i),
}


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("shape", [(400, 100), (100, 400)])
def test_initialisers_have_the_deviation_of_their_paper(name, shape):
    w = getattr(init, name)(shape, rng=0)
    deviation = SCALES[name](*shape)
    assert w.shape == shape
    assert w.std() == pytest.approx(deviation, rel=0.02)
    assert abs(w.mean()) < 0.02 * deviation
    if name.endswith("uniform"):
        limit = deviation * math.sqrt(3)
        assert abs(w).max() <= limit * (1 + 1e-6)
        assert abs(w).max() > 0.99 * limit


@pytest.mark.parametrize("name", [*SCALES, "zeros"])
def test_initialisers_are_of_the_default_or_the_given_dtype_and_seeded(name):
    make = getattr(init, name)
    assert make((2, 3)).dtype == np.float32
    assert make((2, 3), dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(make((2, 3), 5), make((2, 3), 5))
    np.testing.assert_array_equal(make((2, 3), 5), make((2, 3), np.random.default_rng(5)))
    assert isinstance(make((2, 3)), np.ndarray)


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("shape", [(3,), ()])
def test_initialisers_explain_that_they_need_two_axes(name, shape):
    with pytest.raises(ValueError, match=r"axes|shape"):
        getattr(init, name)(shape)


ACTIVATIONS = {
    "Identity": (nn.Identity, lambda x: x),
    "ReLU": (nn.ReLU, lambda x: np.maximum(x, 0)),
    "Sigmoid": (nn.Sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "Tanh": (nn.Tanh, np.tanh),
    "Softmax": (nn.Softmax, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    "LogSoftmax": (nn.LogSoftmax, lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
    "Softmax(0)": (lambda: nn.Softmax(axis=0), lambda x: np.exp(x) / np.exp(x).sum(0)),
    "LogSoftmax(0)": (lambda: nn.LogSoftmax(0), lambda x: x - np.log(np.exp(x).sum(0))),
    "Flatten": (nn.Flatten, lambda x: x.reshape(len(x), -1)),
    "Dropout(0)": (lambda: nn.Dropout(0), lambda x: x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("wrap", [Tensor, np.asarray])
def test_activations_on_tensors_and_arrays(name, wrap):
    make, expected = ACTIVATIONS[name]
    y = make()(wrap(X))
    assert isinstance(y, Tensor if wrap is Tensor else np.ndarray)
    assert y.dtype == np.float32
    np.testing.assert_allclose(np.asarray(y), expected(X), rtol=1e-5, atol=1e-6)


def test_softmax_rows_are_distributions_even_for_huge_scores():
    y = nn.Softmax()(Tensor([[1e4, 0.0, -1e4], [5.0, 5.0, 5.0]])).numpy()
    np.testing.assert_allclose(y, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4), (5, 1), (3,), (0, 28, 28)])
def test_flatten_keeps_the_batch(shape):
    y = nn.Flatten()(Tensor(np.zeros(shape)))
    assert y.shape == (shape[0], math.prod(shape[1:]))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_a_share_and_keeps_the_expectation(p):
    y = nn.Dropout(p, rng=0)(Tensor(np.ones((400, 250), np.float32))).numpy()
    assert np.mean(y == 0) == pytest.approx(p, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.03)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - p)], rtol=1e-6)


def test_dropout_is_fixed_by_its_rng_and_differs_from_call_to_call():
    x = Tensor(np.ones((20, 20), np.float32))
    one, other = nn.Dropout(rng=3), nn.Dropout(rng=np.random.default_rng(3))
    first = one(x).numpy()
    np.testing.assert_array_equal(first, other(x).numpy())
    assert (one(x).numpy() != first).any()


def test_dropout_in_evaluation_is_the_identity_and_draws_nothing():
    layer, x = nn.Dropout(0.5, rng=1), Tensor([1.0, 2.0])
    layer.eval()
    assert layer(x) is x
    layer.train()
    np.testing.assert_array_equal(layer(x).numpy(), nn.Dropout(0.5, rng=1)(x).numpy())


def test_dropout_passes_gradients_where_it_passes_values():
    x = Tensor(np.ones(1000), requires_grad=True)
    y = nn.Dropout(0.3, rng=0)(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


@pytest.mark.parametrize("wrap", [Tensor, np.asarray])
def test_dropout_keeps_float32(wrap):
    assert nn.Dropout(0.5, rng=0)(wrap(X)).dtype == np.float32


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, math.nan])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="p must be a number of at least 0 and below 1"):
        nn.Dropout(p)


def test_sequential_is_a_list_of_layers():
    layers = [nn.Linear(4, 3, rng=0), nn.ReLU(), nn.Linear(3, 2, rng=1)]
    net = nn.Sequential(*layers)
    assert len(net) == 3
    assert net[0] is layers[0]
    assert net[-1] is layers[2]
    assert list(net) == layers
    expected = np.maximum(X @ layers[0].weight.data, 0) @ layers[2].weight.data
    np.testing.assert_allclose(net(X).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bad", [nn.ReLU, [nn.ReLU()], None])
def test_sequential_takes_modules_and_functions_only(bad):
    with pytest.raises(TypeError, match="Sequential takes modules and functions, but number 1 is"):
        nn.Sequential(nn.ReLU(), bad)


@pytest.mark.parametrize("bias", [True, False])
def test_images_into_linear_are_told_how_they_become_rows(bias):
    net = nn.Sequential(nn.Linear(784, 3, bias=bias, rng=0))
    with pytest.raises(tg.ShapeError, match=r"nn\.Flatten\(\) before this layer makes \(5, 784\) of it \(in layer '0'"):
        net(np.zeros((5, 28, 28)))
    with pytest.raises(tg.ShapeError, match=r"\.reshape\(1, 784\) makes a batch of one sample"):
        net(np.zeros((28, 28)))
    with pytest.raises(tg.ShapeError) as caught:
        net(np.zeros((5, 27)))
    assert "Flatten" not in str(caught.value)
    assert net([[0.0] * 784]).shape == (1, 3)


def test_a_slice_of_a_sequential_is_one():
    net = nn.Sequential(nn.Linear(4, 3, rng=0), nn.ReLU(), nn.Linear(3, 2, rng=1))
    first = net[0:2]
    assert isinstance(first, nn.Sequential)
    assert list(first) == [net[0], net[1]]
    np.testing.assert_array_equal(net[2](first(X)).numpy(), net(X).numpy())


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize(
    ("shape", "fans"), [((64, 32, 3, 3), (288, 576)), ((64, 3, 5, 7), (105, 2240)), ((256, 64, 9), (576, 2304))]
)
def test_initialisers_count_what_a_unit_of_a_convolution_adds_up(name, shape, fans):
    w = getattr(init, name)(shape, rng=0)
    assert w.shape == shape
    assert w.std() == pytest.approx(SCALES[name](*fans), rel=0.02)


def test_the_deviation_of_a_convolution_by_he_and_others():
    assert init.he_normal((64, 32, 3, 3), rng=0).std() == pytest.approx(0.0833, abs=1e-3)


@pytest.mark.parametrize("name", SCALES)
def test_initialisers_refuse_weights_without_elements(name):
    with pytest.raises(tg.ShapeError, match="no element to draw"):
        getattr(init, name)((0, 3))
