"""Every rule, and all that is composed of rules, has the values and two derivatives that HIPS autograd finds.

Autograd is a library of its own, with derivatives of its own. What it has no function for is written in those it has,
so that its formula is that of the value alone and the derivatives are found by autograd. Shapes (0-d, empty,
broadcast), values (zeros, ties), axes and indices are drawn by Hypothesis; where autograd is wrong, or knows no
derivative, a comment says what is not drawn. The witnesses stand in tables, one for each topic.
"""

from __future__ import annotations

import functools
import inspect
import operator

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from models.mnist import Net
from tests.witness import (
    elementwise,
    linalg,
    neural,
    order,
    pieces,
    products,
    reductions,
    sequences,
    shapes,
    statistics,
)
from tests.witness.neural import softmax
from tests.witness.products import einsum
from tinygrad_lite.nn.functional import cross_entropy, one_hot, squared_loss
from tinygrad_lite.rules.numpy_functions import NUMPY_FUNCTIONS
from tinygrad_lite.support.formatting import numpy_name

TOPICS = [elementwise, products, linalg, reductions, shapes, neural, statistics, sequences, pieces, order]
WITNESSES = {name: witness for topic in TOPICS for name, witness in topic.WITNESSES.items()}
COMPOSED = [name for name in WITNESSES if "." in name]
RULES = [name for name in WITNESSES if "." not in name]


def by_autograd(f, *inputs):
    """Return the value of ``f``, and what takes a cotangent back, as `tinygrad_lite.vjp` does."""
    pull_back, y = autograd.make_vjp(f, tuple(range(len(inputs))))(*inputs)
    return y, pull_back


def by_rules(f, *inputs):
    y, pull_back = tg.vjp(f, *inputs)
    return y, pull_back if len(inputs) > 1 else lambda g: (pull_back(g),)


def derivatives(vjp, grad, f, inputs, cotangent, weights):
    """Return value, derivatives by each input, and those of their weighted squares, by the cotangent too."""
    y, pull_back = vjp(f, *inputs)

    def squares(*primals):
        *xs, g = primals
        return sum((w * d * d).sum() for w, d in zip(weights, vjp(f, *xs)[1](g), strict=True))

    second = grad(squares, tuple(range(len(inputs) + 1)))(*inputs, cotangent)
    return [y, *pull_back(cotangent), *second]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == np.shape(other)
        assert one.dtype == np.float64
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-10, atol=1e-12)


def assert_witnessed(name, data):
    """Compare a function with its witness for one case."""
    witness = WITNESSES[name]
    f = witness.call or (operator.attrgetter(name[3:])(np) if name in COMPOSED else tg.rules.get(name))
    inputs, params = data.draw(witness.cases)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    shape = np.shape(witness.formula(*inputs, **params))
    weights = [rng.uniform(0.5, 1.5, x.shape) for x in inputs]
    at = inputs, np.asarray(rng.normal(size=shape)), weights
    expected = derivatives(by_autograd, autograd.grad, functools.partial(witness.formula, **params), *at)
    assert_same(derivatives(by_rules, tg.grad, functools.partial(f, **params), *at), expected)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", RULES)
def test_rules_have_the_values_and_two_derivatives_of_autograd(name, data):
    assert_witnessed(name, data)


@settings(deadline=None, max_examples=8, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", COMPOSED)
def test_what_is_composed_of_rules_has_the_values_and_two_derivatives_of_autograd(name, data):
    assert_witnessed(name, data)


@pytest.mark.whole
@settings(deadline=None, max_examples=20, derandomize=True)
@given(data=st.data())
@pytest.mark.parametrize("name", WITNESSES)
def test_more_cases_of_all(name, data):
    assert_witnessed(name, data)


def test_nothing_is_without_a_witness():
    built_in = {rule.name for rule in tg.rules.all() if rule.forward.__module__.startswith(tg.rules.__name__)}
    composed = {numpy_name(function): row for function, row in NUMPY_FUNCTIONS.items() if inspect.isfunction(row)}
    assert {*WITNESSES} - {*composed} == built_in | {"tg.scatter", "tg.index_add"}
    # Several functions may have one row, such as np.positive and np.copy.
    assert {composed[name] for name in WITNESSES if name in composed} == {*composed.values()}
    assert len(WITNESSES) == sum(len(topic.WITNESSES) for topic in TOPICS)


@pytest.mark.parametrize("subscripts", ["i,i->", "ij,ij->j", "i,ij->"])
def test_a_length_of_one_beside_a_longer_one_that_is_summed_over(subscripts):
    rng = np.random.default_rng(0)
    terms = subscripts.partition("->")[0].split(",")
    inputs = [rng.normal(size=[1 if (k, label) == (1, "i") else 3 for label in term]) for k, term in enumerate(terms)]
    found = tg.grad(lambda *xs: (np.einsum(subscripts, *xs) ** 2).sum(), (0, 1))(*inputs)
    expected = autograd.grad(lambda *xs: anp.sum(einsum(*xs, subscripts=subscripts) ** 2), (0, 1))(*inputs)
    assert_same(found, expected)


@pytest.mark.parametrize("shape", [(0,), (0, 1), (0, 3), (2, 0)])
def test_a_mask_of_something_empty(shape):
    x, mask = np.zeros(shape), np.zeros(shape, dtype=bool)
    assert_same(
        [tg.Tensor(x)[mask], tg.grad(lambda t: t[mask].sum())(x)],
        [x[mask], autograd.grad(lambda t: anp.sum(t[mask]))(x)],
    )


@pytest.mark.parametrize("loss", ["squared_loss", "cross_entropy"])
def test_a_whole_net_has_the_loss_and_gradients_of_autograd(loss):
    """784, 90 and 10 units, ReLU and softmax, and a batch of 20 images."""
    rng = np.random.default_rng(5)
    images, targets = rng.random((20, 784)), one_hot(rng.integers(0, 10, 20), 10).astype(np.float64)
    net = Net(rng=3).astype(np.float64)
    parameters = [p.numpy() + rng.normal(0, 0.1, p.shape) for p in net.parameters()]
    net.load_state_dict(dict(zip(net.state_dict(), parameters, strict=True)))

    def formula(weights, biases, more_weights, more_biases):
        hidden = anp.dot(images, weights) + biases
        p = softmax(anp.dot(anp.where(hidden > 0, hidden, 0.0), more_weights) + more_biases)
        if loss == "squared_loss":
            return anp.sum((p - targets) ** 2) / len(images)
        return -anp.sum(targets * anp.log(p)) / len(images)

    if loss == "squared_loss":
        y = squared_loss(net(images), targets)
    else:
        y = cross_entropy(net.output(net.hidden(images).relu()), targets)
    y.backward()
    expected = autograd.grad(formula, (0, 1, 2, 3))(*parameters)
    assert_same([y, *(p.grad for p in net.parameters())], [formula(*parameters), *expected])
