"""`contract` computes what `numpy.einsum` computes, in less time; a derivative by a matrix is one product."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules import products
from tinygrad_lite.rules.products import contract

LENGTHS = {"a": 2, "b": 3, "c": 4, "d": 1, "z": 0}


@pytest.fixture
def random():
    return np.random.default_rng(0)


def operands(subscripts, dtype, random):
    terms = subscripts.partition("->")[0].split(",")
    return [(3 * random.normal(size=[LENGTHS[label] for label in term])).astype(dtype) for term in terms]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int64", "bool"])
def test_every_contraction_of_two_or_more_is_that_of_numpy(dtype, random):
    labels = [*LENGTHS]
    for _ in range(300):
        terms = ["".join(random.choice(labels, random.integers(4))) for _ in range(random.integers(2, 5))]
        used = sorted({*"".join(terms)})
        subscripts = f"{','.join(terms)}->{''.join(random.permutation(used)[: random.integers(len(used) + 1)])}"
        xs = operands(subscripts, dtype, random)
        expected, found = np.einsum(subscripts, *xs), contract(subscripts, *xs)
        assert (np.shape(found), found.dtype) == (np.shape(expected), expected.dtype)
        eps = np.finfo(found.dtype).eps if found.dtype.kind in "fc" else 0
        size = np.einsum(subscripts, *map(np.abs, xs)) if eps else 0
        assert (np.abs(expected.astype(complex) - found) <= 16 * eps * (size + 1)).all(), subscripts


@pytest.mark.parametrize("subscripts", ["ab,bc->ac", "cab,cbd->cad", "ab,bc,ca->", "ab,ab->a", "abc,bc->a"])
def test_contractions_are_products_of_matrices(subscripts, random, monkeypatch):
    xs = operands(subscripts, float, random)
    expected = np.einsum(subscripts, *xs)
    monkeypatch.setattr(np, "einsum", None)
    np.testing.assert_allclose(contract(subscripts, *xs), expected)


def test_a_contraction_of_tensors_is_one_step(random):
    """Only its value is computed in pairs: the steps would be recorded one by one."""
    a, b = operands("ab,bc", float, random)
    x, y = (tg.Tensor(operand, requires_grad=True) for operand in (a, b))
    for xs in ((x, y), (x, b), (a, y)):
        assert "from=einsum" in repr(contract("ab,bc->ac", *xs))


@pytest.mark.parametrize("subscripts", ["ab,bc,ca->b", "cab,bcd->dac", "ab,ab->a", "aab,bc->ac", "ab,c->a"])
def test_contractions_are_differentiable_twice_and_compile(subscripts, random):
    xs = operands(subscripts, float, random)
    assert tg.gradcheck(lambda *xs: np.einsum(subscripts, *xs) ** 2, *xs, order=2)
    jitted = tg.jit(tg.grad(lambda *xs: (np.einsum(subscripts, *xs) ** 2).sum()))
    expected = tg.grad(lambda *xs: (np.einsum(subscripts, *xs) ** 2).sum())(*xs)
    np.testing.assert_allclose(jitted(*xs), expected)


def test_lengths_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"einsum of \(2, 3\) and \(4, 5\) and \(5,\): operands could not be"):
        np.einsum("ij,jk,k->i", *map(tg.Tensor, (np.ones((2, 3)), np.ones((4, 5)), np.ones(5))))


@pytest.mark.parametrize("rule", [products.product, products.linear])
@pytest.mark.parametrize("shape", [(5, 2, 3), (2, 1, 2, 3), (0, 2, 3), (2, 0, 3)])
def test_the_derivative_by_a_matrix_is_one_product(rule, shape, random):
    a, b, g = random.normal(size=shape), random.normal(size=(3, 4)), random.normal(size=(*shape[:-1], 4))
    found = rule.vjps[1].pull_back(g, None, 1, (a, b, 0), ())
    assert found.shape == b.shape
    np.testing.assert_allclose(found, np.tensordot(a, g, axes=(range(a.ndim - 1),) * 2))
