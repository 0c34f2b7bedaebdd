"""Convolutions and poolings: values beside sums written out, derivatives, programs, and words for mistakes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.nn.against import assert_equal
from tinygrad_lite import nn

F = nn.functional
RNG = np.random.default_rng(0)


def random(*shape):
    return np.random.default_rng(shape).standard_normal(shape)


def written_out(x, w, stride, padding, dilation, groups):
    """Return a convolution as the sum that defines it."""
    (p, q), (s, t), (d, e) = padding, stride, dilation
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)))
    kernels, channels, height, width = w.shape
    rows = (x.shape[2] - d * (height - 1) - 1) // s + 1
    columns = (x.shape[3] - e * (width - 1) - 1) // t + 1
    y = np.zeros((len(x), kernels, rows, columns))
    for o, i, j in itertools.product(range(kernels), range(rows), range(columns)):
        first = o // (kernels // groups) * channels
        window = x[:, first : first + channels, i * s : i * s + d * height : d, j * t : j * t + e * width : e]
        y[:, o, i, j] = (window * w[o]).sum(axis=(1, 2, 3))
    return y


GEOMETRIES = [
    ((1, 1), (0, 0), (1, 1), 1),
    ((2, 1), (1, 2), (1, 2), 2),
    ((1, 3), (0, 1), (2, 1), 4),
    ((3, 3), (2, 2), (1, 1), 1),
]


@pytest.mark.parametrize("how", GEOMETRIES)
def test_a_convolution_is_the_sum_that_defines_it(how):
    x, w = random(3, 4, 9, 8), random(8, 4 // how[3], 3, 2)
    np.testing.assert_allclose(F.conv2d(x, w, None, *how), written_out(x, w, *how), atol=1e-12)


@pytest.mark.parametrize("how", GEOMETRIES)
@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_a_convolution_agree_with_differences(how, order):
    x, w, b = random(1, 4, 5, 6), random(4, 4 // how[3], 3, 2), random(4)
    assert tg.gradcheck(lambda x, w, b: np.tanh(F.conv2d(x, w, b, *how)).sum(), x, w, b, order=order)


LAYERS = {
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, padding=1, rng=0), (2, 4, 6, 5)),
    "Conv2d, groups": (lambda: nn.Conv2d(4, 8, (3, 2), stride=2, dilation=(1, 2), groups=2, rng=0), (2, 4, 6, 7)),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, padding="same", rng=0), (2, 4, 6)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1, rng=0), (2, 4, 3, 4)),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1), (2, 4, 7, 6)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2, padding=1), (2, 4, 6, 6)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(1), (2, 4, 6, 6)),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((2, 3)), (2, 4, 6, 6)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_can_be_differentiated_and_compiled(name):
    make, shape = LAYERS[name]
    layer = make().astype("float64")
    x = random(*shape)
    assert tg.gradcheck(layer, x)

    def step(x):
        for p in layer.parameters():
            p.grad = None
        by_input = tg.grad(lambda x: np.square(layer(x)).sum())(x)
        loss = np.square(layer(x)).sum()
        if layer.parameters():
            loss.backward()
        return [by_input, *(p.grad for p in layer.parameters())]

    for a, b in zip(step(x), tg.jit(step)(x), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_keep_float32(name):
    make, shape = LAYERS[name]
    x = tg.Tensor(random(*shape).astype(np.float32), requires_grad=True)
    y = make()(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32


def test_the_result_has_the_memory_order_that_the_next_convolution_reads_fastest():
    y = nn.Conv2d(1, 3, 3, rng=0)(np.zeros((2, 1, 5, 5), np.float32))
    assert np.maximum(y.data, 0).transpose(1, 2, 3, 0).flags.c_contiguous


def test_a_maximum_that_occurs_twice_passes_its_gradient_to_the_first():
    x = tg.Tensor([[[[1.0, 1.0], [1.0, 0.0]]]], requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[1.0, 0.0], [0.0, 0.0]]]]


def test_the_transposed_convolution_undoes_the_size_of_a_convolution():
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1, rng=0)
    back = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1, rng=0)
    assert back(conv(random(1, 2, 8, 6).astype("float32"))).shape == (1, 2, 8, 6)


def test_the_transposed_convolution_is_the_adjoint_of_the_convolution():
    x, w, v = random(2, 4, 6, 5), random(3, 4, 2, 3), random(2, 3, 3, 3)
    y = F.conv2d(x, w, stride=2, padding=1)
    v = random(*y.shape)
    back = F.conv_transpose2d(v, w, stride=2, padding=1, output_padding=(0, 0))
    assert back.shape == x.shape
    assert np.isclose((y * v).sum(), (x * back).sum())


X = random(2, 4, 8, 8)
MISTAKES = {
    "channels": (lambda: nn.Conv2d(3, 6, 5)(X), "has 4 channels, but the weight, .* is for 3"),
    "too large": (
        lambda: nn.Conv2d(4, 6, 9)(X),
        r"a window of size \(9, 9\) does not fit into images of size \(8, 8\)",
    ),
    "even same": (lambda: nn.Conv2d(4, 6, 2, padding="same"), "use odd sizes, or pad with np.pad"),
    "stride same": (lambda: nn.Conv2d(4, 6, 3, 2, padding="same"), "keeps the size only with stride 1"),
    "word": (lambda: nn.Conv2d(4, 6, 3, padding="full"), "padding must be one of 'same', 'valid', not 'full'"),
    "groups": (lambda: nn.Conv2d(4, 6, 3, groups=3), "in_channels=4 is no multiple of groups=3"),
    "kernels": (lambda: F.conv2d(X, random(3, 2, 3, 3), groups=2), "3 kernels .* do not divide into 2 groups"),
    "no batch": (lambda: nn.Conv2d(4, 6, 3)(X[0]), r"x\[None\] makes a batch of one"),
    "no channel": (lambda: nn.Conv2d(4, 6, 3)(X[0, 0]), r"x\[None, None\] makes a batch of one with one channel"),
    "flat": (lambda: nn.MaxPool2d(2)(X.reshape(2, -1)), r"images of shape \(N, C, H, W\), not \(2, 256\)"),
    "size": (lambda: nn.Conv2d(4, 6, 0), "kernel_size must be a whole number of at least 1, or two, not 0"),
    "three": (lambda: nn.MaxPool2d((2, 2, 2)), "kernel_size must be a whole number of at least 1, or two"),
    "margin": (lambda: nn.MaxPool2d(2, padding=2)(X), "must be at most half of the window"),
    "parts": (lambda: nn.AdaptiveAvgPool2d(3)(X), r"do not divide into \(3, 3\) equal windows"),
    "bias": (lambda: F.conv2d(X, random(3, 4, 3, 3), random(4)), "a bias of shape .* for 3 output channels"),
    "output": (lambda: F.conv_transpose2d(X, random(4, 2, 3, 3), output_padding=1), "must be less than the stride"),
    "nothing": (lambda: F.conv_transpose2d(X, random(4, 2, 1, 1), padding=4), "use less padding"),
    "in": (lambda: nn.Conv2d(0, 1, 3), "positive whole number of in_channels"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_named(what):
    make, words = MISTAKES[what]
    with pytest.raises((ValueError, tg.ShapeError), match=words):
        make()


def test_an_error_names_the_layer():
    with pytest.raises(tg.ShapeError, match=r"\(in Conv2d\(3, 6, 5\)\)"):
        nn.Conv2d(3, 6, 5)(X)


def test_layers_print_what_differs_from_the_usual():
    assert nn.Conv2d(4, 8, (3, 2), stride=2, rng=0).describe() == "Conv2d(4, 8, (3, 2), stride=2)"
    assert nn.ConvTranspose2d(4, 2, 3, rng=0).describe() == "ConvTranspose2d(4, 2, 3)"


class TestBesidePyTorch:
    """The same functions of PyTorch's, where it is installed."""

    @pytest.fixture(autouse=True)
    def functional(self):
        self.T = pytest.importorskip("torch").nn.functional

    @pytest.mark.parametrize("how", [(1, 0, 1, 1), (2, 1, 1, 2), ((1, 2), (2, 1), (2, 1), 1), (1, 1, 1, 4)])
    def test_conv2d(self, how):
        x, w, b = random(3, 4, 9, 8), random(8, 4 // how[3], 3, 2), random(8)
        assert_equal(lambda x, w, b: F.conv2d(x, w, b, *how), lambda x, w, b: self.T.conv2d(x, w, b, *how), x, w, b)

    def test_conv1d(self):
        args, how = (random(3, 4, 9), random(8, 2, 3), random(8)), (2, 1, 2, 2)
        assert_equal(lambda *a: F.conv1d(*a, *how), lambda *a: self.T.conv1d(*a, *how), *args)

    def test_conv_transpose2d(self):
        args, how = (random(3, 4, 5, 6), random(4, 3, 3, 2), random(6)), (2, 1, 1, 2, 2)
        assert_equal(lambda *a: F.conv_transpose2d(*a, *how), lambda *a: self.T.conv_transpose2d(*a, *how), *args)

    def test_pools(self):
        ties = RNG.integers(0, 3, (3, 4, 9, 8)).astype(float)
        assert_equal(lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: self.T.max_pool2d(x, 3, 2, 1), ties)
        x = random(3, 4, 9, 8)
        assert_equal(lambda x: F.avg_pool2d(x, 3, 2, 1), lambda x: self.T.avg_pool2d(x, 3, 2, 1), x)
        assert_equal(lambda x: F.adaptive_avg_pool2d(x, (3, 2)), lambda x: self.T.adaptive_avg_pool2d(x, (3, 2)), x)
