"""Functions are differentiated by containers, by arguments they do not use, and not by what left the graph."""

from typing import NamedTuple

import numpy as np
import pytest

import tinygrad_lite as tg

X, W, B = np.array([[0.5, -1.0, 2.0], [1.0, 0.5, -0.5]]), np.array([1.0, -2.0, 0.5]), np.array(0.25)


class Parameters(NamedTuple):
    w: object
    b: object


def affine(p):
    w, b = (p["w"], p["b"]) if isinstance(p, dict) else p
    return np.sum((X @ w + b) ** 2 * w[0])


KINDS = [lambda w, b: [w, b], lambda w, b: (w, b), lambda w, b: {"w": w, "b": b}, Parameters]
kinds = pytest.mark.parametrize("kind", KINDS, ids=["list", "tuple", "dict", "named tuple"])


def parts_of(p):
    return [*p.values()] if isinstance(p, dict) else [*p]


@kinds
@pytest.mark.parametrize("wrap", [lambda f: f, tg.jit])
def test_a_container_has_a_gradient_of_the_same_structure(kind, wrap):
    expected = tg.grad(lambda w, b: affine((w, b)), (0, 1))(W, B)
    for _ in range(2):
        found = wrap(tg.grad(affine))(kind(W, B))
        assert type(found) is type(kind(W, B))
        assert all(isinstance(g, tg.Tensor) for g in parts_of(found))
        for g, e in zip(parts_of(found), expected, strict=True):
            np.testing.assert_allclose(g.data, e.data)


@kinds
def test_every_function_of_functions_takes_containers(kind):
    p, tangent = kind(W, B), kind(np.ones_like(W), np.array(2.0))
    value, gradient = tg.value_and_grad(affine)(p)
    y, pull_back = tg.vjp(affine, p)
    np.testing.assert_allclose(y.data, value.data)
    for a, b in zip(parts_of(pull_back(1.0)), parts_of(gradient), strict=True):
        np.testing.assert_allclose(a.data, b.data)
    y, dy = tg.jvp(affine, (p,), (tangent,))
    slope = sum((g.data * v).sum() for g, v in zip(parts_of(gradient), parts_of(tangent), strict=True))
    np.testing.assert_allclose(dy.item(), slope)
    second = tg.hessian(affine)(p)
    expected = tg.hessian(lambda w, b: affine((w, b)), (0, 1))(W, B)
    assert type(second) is type(p)
    for row, expected_row in zip(parts_of(second), expected, strict=True):
        for h, e in zip(parts_of(row), expected_row, strict=True):
            np.testing.assert_allclose(h.data, e.data)


def test_containers_nest_and_keep_what_is_none():
    p = {"first": [W, None], "second": (B, {"third": np.array([2.0])})}
    g = tg.grad(lambda p: (p["first"][0].sum() * p["second"][0] + 3 * p["second"][1]["third"]).sum())(p)
    assert g["first"][1] is None
    assert g["first"][0].tolist() == [0.25] * len(W)
    assert g["second"][1]["third"].tolist() == [3]
    assert p["second"][0] is B, "what was given is as it was"


def test_a_list_of_numbers_is_an_array():
    assert tg.grad(lambda x: (x * x).sum())([1.0, 2.0]).tolist() == [2, 4]
    assert tg.grad(lambda x: (x * x).sum())([[1.0], [2.0]]).tolist() == [[2], [4]]
    assert tg.grad(lambda x: (x * x).sum())([*np.array([1.0, 2.0])]).tolist() == [2, 4]


def test_arguments_that_are_numbers_are_several_all_the_same():
    def f(x, y):
        return x * x * y

    assert [[h.item() for h in row] for row in tg.hessian(f, (0, 1))(2.0, 3.0)] == [[6, 4], [4, 0]]
    assert [[h.item() for h in row] for row in tg.hessian(f, (1,))(2.0, 3.0)] == [[0]]


def test_a_tangent_of_another_structure_is_refused():
    for tangent in ([W, B], {"w": W}, {"w": W, "c": B}, W):
        with pytest.raises(tg.ShapeError, match="same structure"):
            tg.jvp(affine, {"w": W, "b": B}, tangent)


def test_a_container_with_whole_numbers_is_refused():
    with pytest.raises(TypeError, match="only real floating numbers"):
        tg.grad(affine)([W, 3])


@pytest.mark.parametrize("value", [1.0, 2, np.float32(3), np.ones(()), len])
def test_what_does_not_depend_on_an_argument_has_the_gradient_zero(value):
    def f(x, y):
        return x * 2 if value is len else value

    for argnums in (1, (0, 1)):
        if value is not len or argnums == 1:
            gradient = tg.grad(f, argnums)(3.0, W)
            last = gradient if argnums == 1 else gradient[1]
            assert last.tolist() == [0] * len(W)
    assert tg.hessian(f, 1)(3.0, W).tolist() == [[0] * len(W)] * len(W)
    assert tg.jvp(lambda y: f(3.0, y), W, W)[1].item() == 0


TAKEN = [lambda x: x.item(), lambda x: x.numpy(), lambda x: x.data, lambda x: x.tolist()]


@pytest.mark.parametrize("f", [*TAKEN, *(lambda x, take=take: tg.Tensor(take(x)) for take in TAKEN)])
def test_what_was_taken_out_of_the_graph_is_not_taken_for_a_constant(f):
    with pytest.raises(TypeError, match="has no history"):
        tg.grad(f)(2.0)


def test_a_constant_that_was_only_looked_at_is_one():
    assert tg.grad(lambda x: repr(x) and 1.0)(2.0).item() == 0
    assert tg.grad(lambda x: x.detach() * 3.0)(2.0).item() == 0


def test_a_named_tuple_of_numbers_is_a_container_and_keys_have_no_order():
    assert tg.grad(lambda p: p.w * p.b)(Parameters(2.0, 3.0)) == Parameters(3.0, 2.0)
    point, tangent = {"w": np.array(2.0), "b": np.array(3.0)}, {"b": np.array(1.0), "w": np.array(10.0)}
    assert tg.jvp(lambda p: p["w"] * p["b"], point, tangent)[1].item() == 32
    assert tg.grad(lambda p: (p["w"] * 2).sum())({"w": W, "none": []})["none"] == []


def test_a_function_that_uses_the_very_parameters_in_place_of_its_argument_is_refused():
    net = tg.nn.Linear(3, 1)
    for argument in (net.parameters(), net.weight):
        with pytest.raises(tg.GraphError, match=r"not its argument: use the argument.*loss\.backward\(\)"):
            tg.grad(lambda p: net(X.astype(np.float32)).sum())(argument)
    w = tg.Tensor(2.0, requires_grad=True)
    assert tg.grad(lambda x: x * w)(w).item() == 2, "by the argument alone"


@pytest.mark.parametrize("inner", [lambda x: tg.Tensor(x.item()) * 2, lambda x: tg.Tensor(x.tolist()) * 2])
def test_what_is_cut_off_is_no_constant_in_nested_functions_either(inner):
    with pytest.raises(TypeError, match="has no history"):
        tg.grad(inner)(2.0)
    with pytest.raises(TypeError, match="has no history"):
        tg.grad(lambda x: tg.grad(lambda y: y * x.item())(1.0).item())(2.0)

    def by_backward(x):
        w = tg.Tensor(3.0, requires_grad=True)
        (w * w * x).backward()
        return w.grad

    with pytest.raises(TypeError, match="has no history"):
        tg.grad(by_backward)(2.0)
