"""The curve of the loss over one weight is the loss, its tangent has the gradient's slope, and nothing is changed."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.plot.test_plot import heading, inside
from tinygrad_lite import nn, plot
from tinygrad_lite.nn.functional import cross_entropy, squared_loss

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
Y = np.arange(6) % 3


@pytest.fixture
def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5, rng=0), nn.Tanh(), nn.Linear(5, 3, rng=1))


def lines(figure):
    return {line.get_label().split(":")[0].split(",")[0]: line.get_xydata() for line in figure.axes[0].lines}


@pytest.mark.parametrize(
    ("layer", "name", "index"), [(2, "weight", (3, 1)), (0, "bias", np.int64(4)), (0, "weight", (-1, 0))]
)
def test_the_curve_is_the_loss_and_the_tangent_touches_it(net, layer, name, index):
    weight = getattr(net[layer], name)
    figure = plot.loss_over(lambda: cross_entropy(net(X), Y), weight, index, reach=2, title="a batch")
    drawn = lines(figure)
    cross_entropy(net(X), Y).backward()
    here, slope, loss = weight.data[index], weight.grad.numpy()[index], cross_entropy(net(X), Y).item()
    np.testing.assert_allclose(drawn["now"], [[here, loss]], rtol=1e-6)
    values, losses = drawn["loss"].T
    assert (values[0], values[50], values[-1]) == pytest.approx((here - 2, here, here + 2))
    np.testing.assert_allclose(drawn["tangent"][:, 1], loss + slope * (values - here), rtol=1e-5)
    for place in (0, 20, 100):
        weight.data[index] = values[place]
        assert losses[place] == pytest.approx(cross_entropy(net(X), Y).item(), rel=1e-6)
    ax = figure.axes[0]
    inner = ", ".join(map(str, np.atleast_1d(index)))
    assert (ax.get_xlabel(), ax.get_ylabel()) == (f"{name}[{inner}]", "loss")
    assert heading(figure) == "a batch"
    assert inside(figure)
    assert ax.get_ylim()[0] < losses.min() < losses.max() < ax.get_ylim()[1]


def test_a_single_weight_of_float64_and_a_loss_of_shape_1():
    w = tg.Tensor(np.float64(3), requires_grad=True, name="w")
    figure = plot.loss_over(lambda: (w * w).reshape(1), w)
    assert figure.axes[0].get_xlabel() == "w"
    np.testing.assert_allclose(lines(figure)["loss"][:, 1], np.linspace(2, 4, 101) ** 2)
    assert "slope 6 is" in figure.axes[0].lines[1].get_label()


def test_nothing_is_changed_not_even_for_a_graph_that_exists(net):
    weight = net[2].weight
    before, array = net.state_dict(), weight.data
    loss = cross_entropy(net(X), Y)
    plot.loss_over(lambda: cross_entropy(net(X), Y), weight, (0, 0))
    assert weight.data is array
    assert all(np.array_equal(after, before[name]) for name, after in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    loss.backward()
    with tg.no_grad():
        loss = cross_entropy(net(X), Y)
        plot.loss_over(lambda: cross_entropy(net(X), Y), weight, (0, 0))  # it records by itself


def test_the_weight_is_back_after_an_error(net):
    weight, calls = net[2].weight, iter(range(10))
    array = weight.data
    before = array.copy()

    def loss():
        if next(calls) == 5:
            raise KeyboardInterrupt
        return cross_entropy(net(X), Y)

    with pytest.raises(KeyboardInterrupt):
        plot.loss_over(loss, weight, (0, 0))
    assert weight.data is array
    np.testing.assert_array_equal(array, before)


def test_a_weight_without_influence_gives_a_level_line(net):
    net[0].weight.data[:] = 0
    net[0].bias.data[:] = 0
    figure = plot.loss_over(lambda: cross_entropy(net(X), Y), net[2].weight, (0, 0))
    assert np.ptp(lines(figure)["loss"][:, 1]) == 0
    assert inside(figure)


def test_a_change_below_the_precision_of_the_loss_is_a_level_line_too():
    w = tg.Tensor(0.0, requires_grad=True)
    figure = plot.loss_over(lambda: 2 + 1e-9 * w, w)
    assert np.ptp(lines(figure)["loss"][:, 1]) == 0


def test_where_the_loss_overflows_the_curve_has_a_gap():
    w = tg.Tensor(0.0, requires_grad=True)
    figure = plot.loss_over(lambda: (100 * w).exp(), w)
    values, losses = lines(figure)["loss"].T
    np.testing.assert_array_equal(np.isinf(losses), values > np.log(np.finfo(np.float32).max) / 100)
    assert inside(figure)


def test_what_cannot_be_drawn_is_answered_with_what_to_write(net):
    weight = net[2].weight

    def loss():
        return cross_entropy(net(X), Y)

    with_dropout = nn.Sequential(nn.Linear(4, 5, rng=0), nn.Dropout(0.5, rng=0), net[2])
    with_norm = nn.Sequential(nn.Linear(4, 5, rng=0), nn.BatchNorm1d(5), net[2])
    old = loss()
    for arguments, remedy in [
        (
            (loss, weight, 3),
            "3 is not the index of one weight in the shape (5, 3): write whole numbers, such as (0, 0)",
        ),
        ((loss, weight, (5, 0)), "(5, 0) is not the index of one weight"),
        ((loss, weight, ("a", 0)), "('a', 0) is not the index of one weight"),
        ((loss, weight), "() is not the index of one weight"),
        ((loss, weight.data, (0, 0)), "such as net.output.weight"),
        ((loss, weight * 2, (0, 0)), "such as net.output.weight"),
        ((loss, weight, (0, 0), 0), "reach is 0, but must be a positive number"),
        ((old, weight, (0, 0)), "write lambda: and the expression"),
        ((lambda: old, weight, (0, 0)), "write lambda: and the whole expression"),
        ((lambda: net(X), weight, (0, 0)), "it returned a Tensor of shape (6, 3)"),
        ((lambda: loss().item(), weight, (0, 0)), "it returned float"),
        ((loss, nn.Linear(5, 3, rng=0).weight, (0, 0)), "the loss does not depend on the weight"),
        ((lambda: tg.Tensor(1.0), weight, (0, 0)), "the loss does not depend on the weight"),
        ((lambda: cross_entropy(with_dropout(X), Y), weight, (0, 0)), "net.eval()"),
        ((lambda: cross_entropy(with_norm(X), Y), weight, (0, 0)), "net.eval()"),
        ((tg.jit(loss), weight, (0, 0)), "f.__wrapped__"),
    ]:
        with pytest.raises((TypeError, ValueError, tg.GraphError), match=re.escape(remedy)):
            plot.loss_over(*arguments)
    for model in (with_dropout.eval(), with_norm.eval()):
        plot.loss_over(lambda model=model: squared_loss(model(X), np.eye(3)[Y]), weight, (0, 0))
