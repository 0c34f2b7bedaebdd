"""Losses have the values of their formulas, on Tensors and arrays, and refuse every kind of bad input by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Tensor
from tinygrad_lite.nn import functional as F

RNG = np.random.default_rng(0)
Z, P, LABELS = RNG.normal(size=(5, 3)), RNG.dirichlet(np.ones(3), 5), np.array([0, 2, 1, 1, 0])
quick = settings(deadline=None, max_examples=40)


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


@pytest.mark.parametrize("f", [F.linear, F.squared_loss, F.huber_loss, lambda x, y: F.cross_entropy(y, x)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_truth_values_adapt_to_the_numbers_they_meet(f, dtype):
    numbers, truths = np.full((3, 3), 0.5, dtype), np.eye(3, dtype=bool)
    results = f(tg.Tensor(truths), tg.Tensor(numbers)), tg.jit(f)(tg.Tensor(truths), tg.Tensor(numbers))
    for result in results:
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, f(tg.Tensor(truths * 1), tg.Tensor(numbers)))


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "softmax", "log_softmax"])
def test_activations_are_the_methods_of_a_tensor(name):
    f = getattr(F, name)
    np.testing.assert_array_equal(f(Tensor(Z)).numpy(), getattr(Tensor(Z), name)().numpy())
    np.testing.assert_allclose(f(Z), f(Tensor(Z)).numpy())
    assert isinstance(f(Z), np.ndarray)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_along_any_axis(name):
    f = getattr(F, name)
    np.testing.assert_allclose(f(Z.T, axis=0), f(Z).T)
    np.testing.assert_allclose(f(Tensor(Z.T), 0).numpy(), f(Z).T)


# squared_loss.


@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (4,), (2, 5, 3)])
@pytest.mark.parametrize("wrap", [Tensor, np.asarray])
def test_squared_loss_sums_over_a_sample_and_averages_over_the_batch(shape, wrap):
    p, y = RNG.normal(size=shape), RNG.normal(size=shape)
    found = F.squared_loss(wrap(p), y)
    assert float(found) == pytest.approx(((p - y) ** 2).sum(-1).mean())
    assert found.shape == ()


def test_squared_loss_gradients():
    assert tg.gradcheck(F.squared_loss, Z, P, order=2)
    g = tg.grad(F.squared_loss)(Z, P)
    np.testing.assert_allclose(g.numpy(), 2 * (Z - P) / 5)


def test_squared_loss_by_integer_targets():
    p = Tensor([[0.5, 0.5]], requires_grad=True)
    loss = F.squared_loss(p, np.array([[1, 0]]))
    assert loss.dtype == np.float32
    assert loss.item() == 0.5


@pytest.mark.parametrize(
    ("p", "y", "error", "message"),
    [
        (Z, P[:4], tg.ShapeError, r"squared_loss of predictions \(5, 3\) and targets \(4, 3\): .*must be equal"),
        (Z, P[:1], tg.ShapeError, "must be equal"),
        (Z, LABELS, tg.ShapeError, r"targets \(5,\).*encode labels with one_hot"),
        (Z, P.T, tg.ShapeError, "must be equal"),
        (Z[:, :1], P[:, 0], tg.ShapeError, r"reshape the targets to \(5, 1\)"),
        (Z[:, 0], P[:, :1], tg.ShapeError, r"reshape the targets to \(5,\)"),
        (Z, 0.0, tg.ShapeError, "must be equal"),
        (np.float64(1), np.float64(2), tg.ShapeError, "single number"),
        (Z[:0], P[:0], ValueError, r"empty batch, of shape \(0, 3\), has no value"),
        (Z[:, :0], P[:, :0], ValueError, "no value"),
    ],
)
def test_squared_loss_refuses_what_does_not_fit(p, y, error, message):
    for wrap in (Tensor, np.asarray):
        with pytest.raises(error, match=message):
            F.squared_loss(wrap(p), y)


# cross_entropy.


@quick
@given(n=st.integers(1, 5), k=st.integers(1, 6), seed=st.integers(0, 99))
def test_cross_entropy_is_the_mean_negative_logarithm_of_softmax(n, k, seed):
    rng = np.random.default_rng(seed)
    z, labels = 5 * rng.normal(size=(n, k)), rng.integers(k, size=n)
    expected = -log_softmax(z)[np.arange(n), labels].mean()
    for found in (
        F.cross_entropy(Tensor(z), labels),
        F.cross_entropy(z, labels),
        F.cross_entropy(Tensor(z), np.eye(k)[labels]),
        F.cross_entropy(Tensor(z), Tensor(labels)),
        F.cross_entropy(Tensor(z), labels.tolist()),
    ):
        assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_cross_entropy_of_distributions():
    expected = -(P * log_softmax(Z)).sum(-1).mean()
    assert F.cross_entropy(Tensor(Z), P).item() == pytest.approx(expected)
    assert F.cross_entropy(Tensor(Z), Tensor(P)).item() == pytest.approx(expected)


def test_cross_entropy_gradient_is_softmax_minus_target():
    g = tg.grad(F.cross_entropy)(Z, P)
    np.testing.assert_allclose(g.numpy(), (np.exp(log_softmax(Z)) - P) / 5)
    assert tg.gradcheck(F.cross_entropy, Z, P, order=2)


def test_cross_entropy_of_one_sample_and_of_more_axes():
    assert F.cross_entropy(Tensor(Z[0]), 2).item() == pytest.approx(-log_softmax(Z[0])[2])
    z = RNG.normal(size=(2, 5, 3))
    labels = RNG.integers(3, size=(2, 5))
    expected = -np.take_along_axis(log_softmax(z), labels[..., None], -1).mean()
    assert F.cross_entropy(Tensor(z), labels).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_cross_entropy_stands_huge_logits(dtype, size):
    z = np.array([[size, 0, -size], [-size, size, 0]], dtype)
    right, g = tg.value_and_grad(lambda z: F.cross_entropy(z, [0, 1]))(z)
    wrong, h = tg.value_and_grad(lambda z: F.cross_entropy(z, [1, 2]))(z)
    assert right.item() == pytest.approx(0, abs=1e-40)
    assert wrong.item() == pytest.approx(size, rel=1e-6)
    np.testing.assert_allclose(g.numpy(), np.zeros((2, 3)), atol=1e-40)
    np.testing.assert_allclose(h.numpy(), [[0.5, -0.5, 0], [0, 0.5, -0.5]], atol=1e-40)


def test_a_class_ruled_out_by_minus_infinity_costs_nothing():
    z = np.array([[1.0, 2.0, -np.inf]])
    value, g = tg.value_and_grad(lambda z: F.cross_entropy(z, [0]))(z)
    assert value.item() == pytest.approx(-log_softmax(z[:, :2])[0, 0])
    assert np.isfinite(g.numpy()).all()


@pytest.mark.parametrize(
    "labels", [LABELS, LABELS.astype(np.uint8), LABELS.tolist(), np.eye(3)[LABELS], np.eye(3, dtype=bool)[LABELS]]
)
def test_cross_entropy_of_float32_stays_float32(labels):
    z = Tensor(Z.astype(np.float32), requires_grad=True)
    loss = F.cross_entropy(z, labels)
    loss.backward()
    assert loss.dtype == np.float32
    assert z.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([0, 1, 2, 3, 0], ValueError, "label 3 at index 3 is none of the 3 classes, which are 0 to 2"),
        ([0, -1, 2, 2, 0], ValueError, "label -1 at index 1 is none of the 3 classes"),
        ([0.0, 1.0, 2.0, 0.0, 1.0], TypeError, r"labels must be whole numbers, not float32.*astype\(int\)"),
        ([True, False, True, True, False], TypeError, "whole numbers, not bool"),
        (["a", "b", "c", "d", "e"], TypeError, "an array of numbers is needed"),
        ([0, 1, 2], tg.ShapeError, r"cross_entropy of predictions \(5, 3\)"),
        (np.eye(4)[LABELS], tg.ShapeError, r"cross_entropy of predictions \(5, 3\) and targets \(5, 4\)"),
        (P[:3], tg.ShapeError, "must be equal"),
        (P[None], tg.ShapeError, "must be equal"),
        (LABELS[:, None], tg.ShapeError, r"predictions \(5, 3\) and labels \(5, 1\): .*write labels\.ravel\(\)"),
        (0, tg.ShapeError, "must be equal"),
    ],
)
def test_cross_entropy_refuses_what_does_not_fit(y, error, message):
    for wrap in (Tensor, np.asarray):
        with pytest.raises(error, match=message):
            F.cross_entropy(wrap(Z), y)


def test_the_message_about_too_few_labels_speaks_of_the_labels_as_given():
    with pytest.raises(tg.ShapeError, match=r"\(3,\)"):
        F.cross_entropy(Tensor(Z), [0, 1, 2])


@pytest.mark.parametrize("y", [np.zeros((0, 3)), np.zeros(0, int)], ids=["rows", "labels"])
def test_cross_entropy_of_an_empty_batch_has_no_value(y):
    with pytest.raises(ValueError, match=r"empty batch, of shape \(0, 3\)"):
        F.cross_entropy(Tensor(np.zeros((0, 3))), y)


def test_a_label_outside_for_a_single_sample_reads_well():
    with pytest.raises(ValueError, match="label 7 ") as caught:
        F.cross_entropy(Tensor(Z[0]), 7)
    assert "index  is" not in str(caught.value)


# one_hot.


def test_one_hot():
    found = F.one_hot([2, 0], 3)
    assert found.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert found.dtype == np.float32
    assert F.one_hot(np.array([[0], [1]], np.uint8), 2).shape == (2, 1, 2)
    assert F.one_hot(Tensor([1]), 2).tolist() == [[0, 1]]
    assert F.one_hot(np.array([], int), 3).shape == (0, 3)


def test_one_hot_rows_are_not_shared():
    rows = F.one_hot([1, 1], 3)
    rows[0, 0] = 9
    assert rows[1, 0] == 0


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([1.0], TypeError, "whole numbers, not float64"),
        ([3], ValueError, "label 3 at index 0 is none of the 3 classes"),
        ([[0, 1], [2, -5]], ValueError, "label -5 at index 1, 1 "),
    ],
)
def test_one_hot_refuses_labels_that_are_no_classes(labels, error, message):
    with pytest.raises(error, match=message):
        F.one_hot(labels, 3)


@pytest.mark.parametrize("wrap", [Tensor, np.asarray, lambda p: Tensor(p, requires_grad=True)])
def test_accuracy_is_the_share_of_right_answers(wrap):
    p = np.eye(3)[[0, 2, 1, 0]]
    assert F.accuracy(wrap(p), [0, 2, 1, 1]) == 0.75
    assert F.accuracy(wrap(p), np.array([1, 1, 0, 1], np.uint8)) == 0
    assert type(F.accuracy(wrap(p), [0, 2, 1, 0])) is float


def test_accuracy_refuses_what_does_not_fit():
    with pytest.raises(tg.ShapeError, match=r"predictions \(5, 3\) and labels \(4,\): one label for each sample"):
        F.accuracy(Z, LABELS[:4])
    with pytest.raises(tg.ShapeError, match=r"write labels\.ravel\(\)"):
        F.accuracy(Z, LABELS[:, None])
    for p in (Z.argmax(axis=1), Tensor(Z).argmax(axis=1)):
        with pytest.raises(tg.ShapeError, match="finds the largest prediction itself, so leave out argmax"):
            F.accuracy(p, LABELS)
    with pytest.raises(tg.ShapeError, match="one label for each sample"):
        F.accuracy(Z, np.eye(3)[LABELS])
    with pytest.raises(ValueError, match="empty batch has no value"):
        F.accuracy(Z[:0], LABELS[:0])


@pytest.mark.parametrize(
    "shapes", [((1, 3), (3, 3), (3, 3)), ((2, 3), (3,), (2,)), ((2, 3), (3, 1), (5,)), ((1, 3), (3,), (4, 1))]
)
@pytest.mark.parametrize("order", [1, 2])
def test_linear_is_differentiated_by_weights_and_biases_of_any_shape(shapes, order):
    x, weight, bias = (np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(shapes))
    assert tg.gradcheck(lambda x, w, b: (F.linear(x, w, b) ** 2).sum(), x, weight, bias, order=order)
