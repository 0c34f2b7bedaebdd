"""grad, vjp, jvp, jacobian and hessian agree with closed forms, with one another and with finite differences.

They nest to any order, see through no_grad and closures, keep nested variables apart, and leave nothing tracked that
nobody outside can ask for.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Tensor

quick = settings(deadline=None, max_examples=40)
X, W, B = np.array([0.5, -1.0, 2.0]), np.arange(6.0).reshape(2, 3) / 5 - 0.4, np.array([0.3, -0.2])


def net(x, w, b):
    return (w @ x + b).tanh()


def loss(x, w, b):
    return (net(x, w, b) ** 2).sum()


def differences(f, x, h=1e-5):
    """Return the gradient of a function from arrays to a float, by central differences."""
    x, g = np.array(x, dtype=np.float64), np.zeros(np.shape(x))
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        g[i] = (f(up) - f(down)) / (2 * h)
    return g


# grad and value_and_grad.


def test_grad_of_a_polynomial():
    assert tg.grad(lambda x: x**3 + 2 * x)(3.0).item() == 29


@pytest.mark.parametrize(
    "x", [3.0, [1.0, 2.0], np.array([1.0, 2.0]), np.float64(3), np.float32(3), Tensor([1.0]), (1.0, 2.0)], ids=str
)
def test_arguments_may_be_numbers_lists_arrays_or_tensors(x):
    g = tg.grad(lambda z: (z * z).sum())(x)
    assert isinstance(g, Tensor)
    assert g.dtype == Tensor(x).dtype
    np.testing.assert_allclose(g.numpy(), 2 * Tensor(x).numpy())


@pytest.mark.parametrize("argnums", [0, 1, 2, -1, -3, (0,), (0, 1), (2, 0), (-1, -2), (0, 1, 2)], ids=str)
def test_argnums_choose_the_arguments_and_their_order(argnums):
    arguments = (X, W, B)
    found = tg.grad(loss, argnums)(*arguments)
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    assert isinstance(found, Tensor if isinstance(argnums, int) else tuple)
    for n, g in zip(numbers, (found,) if isinstance(argnums, int) else found, strict=True):

        def at(x, n=n):
            args = list(arguments)
            args[n] = x
            return loss(*map(Tensor, args)).item()

        np.testing.assert_allclose(g.numpy(), differences(at, arguments[n]), atol=1e-8)


def test_value_and_grad_gives_both_from_one_evaluation():
    calls = []

    def f(x):
        calls.append(1)
        return (x * x).sum()

    value, g = tg.value_and_grad(f)(X)
    assert value.item() == (X**2).sum()
    assert g.tolist() == (2 * X).tolist()
    assert len(calls) == 1


def test_keyword_arguments_and_other_arguments_go_through_untouched():
    seen = []

    def f(x, other, *, power, flag=False):
        seen.append((other, power, flag))
        return x**power

    assert tg.grad(f)(2.0, "text", power=3).item() == 12
    assert tg.value_and_grad(f)(2.0, None, power=2, flag=True)[1].item() == 4
    assert tg.jacobian(f)(2.0, [1], power=2).item() == 4
    assert tg.hessian(f)(2.0, "x", power=3).item() == 12
    assert seen[0] == ("text", 3, False)
    assert seen[1] == (None, 2, True)


@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian])
def test_the_returned_function_keeps_name_and_docstring(transform):
    def energy(x):
        """Return the energy."""
        return x

    assert transform(energy).__name__ == "energy"
    assert transform(energy).__doc__ == "Return the energy."
    assert transform(energy, (0,)).__name__ == "energy"


def test_what_does_not_depend_on_the_argument_has_gradient_zero():
    for f in (lambda x: Tensor(1.0), lambda x: x * 0, lambda x: x.detach().sum(), lambda x: (x > 0) * Tensor(1.0)):
        g = tg.grad(lambda x, f=f: f(x).sum())(X)
        assert g.shape == X.shape
        assert not g.numpy().any()


def test_an_argument_may_be_returned_as_it_is():
    assert tg.grad(lambda x: x)(3.0).item() == 1
    assert tg.jacobian(lambda x: x)(X).tolist() == np.eye(3).tolist()


def test_the_argument_is_not_changed_and_its_grad_stays_empty():
    x = Tensor(X.copy(), requires_grad=True)
    tg.grad(lambda z: (z * z).sum())(x)
    assert x.grad is None
    assert x.tolist() == X.tolist()


def test_gradients_of_different_arguments_are_different_arrays():
    a, b = tg.grad(lambda a, b: (a + b).sum(), (0, 1))(X, X)
    assert not np.shares_memory(a.data, b.data)
    a.data += 1
    assert b.tolist() == [1, 1, 1]


FORMS = {
    "x⁴": (lambda x: x**4, lambda x: (4 * x**3, 12 * x**2, 24 * x)),
    "sin": (np.sin, lambda x: (np.cos(x), -np.sin(x), -np.cos(x))),
    "exp(2x)": (lambda x: np.exp(2 * x), lambda x: tuple(2**k * np.exp(2 * x) for k in (1, 2, 3))),
    "log": (np.log, lambda x: (1 / x, -1 / x**2, 2 / x**3)),
    "1/x": (lambda x: 1 / x, lambda x: (-1 / x**2, 2 / x**3, -6 / x**4)),
    "sqrt": (np.sqrt, lambda x: (0.5 * x**-0.5, -0.25 * x**-1.5, 0.375 * x**-2.5)),
    "tanh": (
        np.tanh,
        lambda x: (
            1 - np.tanh(x) ** 2,
            -2 * np.tanh(x) * (1 - np.tanh(x) ** 2),
            (1 - np.tanh(x) ** 2) * (6 * np.tanh(x) ** 2 - 2),
        ),
    ),
    "x exp(x)": (lambda x: x * np.exp(x), lambda x: tuple((x + k) * np.exp(x) for k in (1, 2, 3))),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("x", [0.3, 1.7])
def test_three_derivatives_have_their_closed_form(name, x):
    f, closed = FORMS[name]
    x = np.float64(x)
    for expected in closed(x):
        f = tg.grad(f)
        assert f(x).item() == pytest.approx(expected, rel=1e-10)
        assert not f(x).requires_grad


def test_third_order_of_many_variables():
    t = tg.jacobian(tg.hessian(lambda x: (x**3).sum()))(X).numpy()
    expected = np.zeros((3, 3, 3))
    expected[range(3), range(3), range(3)] = 6
    np.testing.assert_allclose(t, expected)


def test_variables_of_nested_derivatives_are_not_confused():
    inner = []

    def f(x):
        d = tg.grad(lambda y: x * y)(2.0)
        inner.append(d.item())
        return x * d

    assert tg.grad(f)(3.0).item() == 6  # d/dx [x · d/dy (x y)] = d/dx x²
    assert tg.grad(lambda x: x * tg.grad(lambda y: x + y)(1.0))(5.0).item() == 1
    assert tg.grad(lambda x: tg.grad(lambda y: x)(1.0))(5.0).item() == 0
    assert tg.jvp(lambda x: x * tg.jvp(lambda y: x * y, 2.0, 1.0)[1], 3.0, 1.0)[1].item() == 6
    assert tg.jvp(lambda x: x * tg.grad(lambda y: x * y)(2.0), 3.0, 1.0)[1].item() == 6
    assert tg.grad(lambda x: x * tg.jvp(lambda y: x * y, 2.0, 1.0)[1])(3.0).item() == 6
    assert inner == [3.0]


def test_the_inner_variable_may_be_the_outer_one():
    # d/dx [3y² at y = x] = 6x, and of x³ + 3x²
    assert tg.grad(lambda x: tg.grad(lambda y: y**3)(x))(2.0).item() == 12
    assert tg.grad(lambda x: x**3 + tg.grad(lambda y: y**3)(x))(2.0).item() == 24
    assert tg.grad(lambda x: tg.grad(lambda y: x * y**2)(x))(3.0).item() == 12


def test_three_levels_with_variables_of_each_in_the_innermost():
    def f(x):
        return tg.grad(lambda y: tg.grad(lambda z: x**2 * y**2 * z**2)(y))(x)

    # d/dz = 2x²y²z at z = y: 2x²y³; d/dy: 6x²y² at y = x: 6x⁴; d/dx: 24x³
    assert tg.grad(f)(2.0).item() == 24 * 8


# no_grad, closures.


@pytest.mark.parametrize("outside", [False, True])
def test_derivatives_are_computed_inside_no_grad(outside):
    w = Tensor(W, requires_grad=outside)

    def f(x):
        return ((w @ x) ** 2).sum()

    with tg.no_grad():
        value, g = tg.value_and_grad(f)(X)
        hess = tg.hessian(f)(X)
        jac = tg.jacobian(lambda x: w @ x)(X)
        y, dy = tg.jvp(lambda x: w @ x, X, X)
        z, pull_back = tg.vjp(lambda x: w @ x, X)
        cotangents = pull_back(B)
    np.testing.assert_allclose(g.numpy(), 2 * W.T @ W @ X)
    np.testing.assert_allclose(hess.numpy(), 2 * W.T @ W)
    np.testing.assert_allclose(jac.numpy(), W)
    np.testing.assert_allclose(dy.numpy(), W @ X)
    np.testing.assert_allclose(cotangents.numpy(), W.T @ B)
    for found in (value, g, hess, jac, y, dy, z, cotangents):
        assert not found.requires_grad


def test_a_gradient_penalty_reaches_the_parameters_it_closes_over():
    w = Tensor(W, requires_grad=True)

    def penalty(w):
        g = tg.grad(lambda x: ((w @ x).tanh()).sum())(X)
        return (g * g).sum()

    found = penalty(w)
    assert found.requires_grad
    found.backward()
    np.testing.assert_allclose(w.grad.numpy(), differences(lambda a: penalty(Tensor(a)).item(), W), atol=1e-8)


@pytest.mark.parametrize(
    "quantity",
    [
        lambda f: tg.value_and_grad(f)(X)[0],
        lambda f: (tg.grad(f)(X) ** 2).sum(),
        lambda f: (tg.hessian(f)(X) ** 2).sum(),
        lambda f: (tg.jacobian(lambda x: f(x) * x)(X) ** 2).sum(),
        lambda f: tg.jvp(f, X, X)[1] ** 2,
        lambda f: tg.jvp(f, X, X)[0] ** 2,
        lambda f: (tg.vjp(f, X)[1](2.0) ** 2).sum(),
    ],
)
def test_every_transform_reaches_what_the_function_closes_over(quantity):
    def total(w):
        return quantity(lambda x: (w * np.sin(w * x)).sum())

    w = Tensor(np.array([0.4, 1.2, -0.7]), requires_grad=True)
    total(w).backward()
    np.testing.assert_allclose(w.grad.numpy(), differences(lambda a: total(Tensor(a)).item(), w.data), atol=1e-6)


def test_what_the_function_closes_over_may_itself_be_computed():
    w = Tensor(np.float64(3), requires_grad=True)
    h = w * w
    tg.grad(lambda x: h * x * x)(2.0 * np.float64(1)).backward()
    assert w.grad.item() == 4 * 2 * 3


def test_the_argument_may_itself_be_tracked():
    x = Tensor(np.float64(2), requires_grad=True)
    tg.grad(lambda z: z**3)(x * 2).backward()
    assert x.grad.item() == 2 * 6 * 4


def test_results_do_not_require_gradients_when_nothing_outside_is_tracked():
    found = [
        *tg.value_and_grad(loss)(X, W, B),
        *tg.grad(loss, (0, 1))(X, W, B),
        tg.jacobian(net)(X, W, B),
        tg.hessian(loss)(X, W, B),
        *tg.jvp(net, (X, W, B), (X, W, B)),
        tg.vjp(net, X, W, B)[0],
        *tg.vjp(net, X, W, B)[1](B),
        tg.grad(lambda x: tg.grad(lambda y: y**3)(x))(2.0),
    ]
    for t in found:
        assert not t.requires_grad
        assert t.operation is None


def test_a_transform_works_in_every_thread():
    found = []
    threads = [threading.Thread(target=lambda: found.append(tg.grad(lambda x: x**2)(3.0).item())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [6, 6, 6, 6]


def test_vjp_can_be_pulled_back_any_number_of_times():
    y, pull_back = tg.vjp(net, X, W, B)
    np.testing.assert_allclose(y.numpy(), np.tanh(W @ X + B))
    first = [g.numpy().copy() for g in pull_back([1.0, 0.0])]
    second = [g.numpy() for g in pull_back([0.0, 1.0])]
    both = pull_back(np.ones(2))
    for a, b, s in zip(first, second, both, strict=True):
        np.testing.assert_allclose(a + b, s.numpy())
    np.testing.assert_array_equal(pull_back([1.0, 0.0])[0].numpy(), first[0])


def test_vjp_of_one_argument_gives_one_cotangent():
    y, pull_back = tg.vjp(lambda x: x * x, X)
    assert y.tolist() == (X * X).tolist()
    assert pull_back([1.0, 1.0, 0.0]).tolist() == [1.0, -2.0, 0.0]


def test_vjp_is_differentiable_by_the_cotangent():
    g = tg.grad(lambda v: (tg.vjp(lambda x: x**2, X)[1](v) ** 2).sum())(np.ones(3))
    np.testing.assert_allclose(g.numpy(), 2 * (2 * X) ** 2)


@pytest.mark.parametrize("g", [np.ones(3), 1.0, np.ones((2, 1))])
def test_vjp_refuses_a_cotangent_of_another_shape(g):
    with pytest.raises(tg.ShapeError, match=r"\(2,\)"):
        tg.vjp(net, X, W, B)[1](g)


@quick
@given(seed=st.integers(0, 1000))
def test_jvp_is_the_jacobian_times_the_tangent(seed):
    rng = np.random.default_rng(seed)
    arguments = [rng.normal(size=a.shape) for a in (X, W, B)]
    tangents = [rng.normal(size=a.shape) for a in (X, W, B)]
    y, dy = tg.jvp(net, tuple(arguments), tuple(tangents))
    jacobians = tg.jacobian(net, (0, 1, 2))(*arguments)
    expected = sum(np.tensordot(j.numpy(), v, v.ndim) for j, v in zip(jacobians, tangents, strict=True))
    np.testing.assert_allclose(dy.numpy(), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(y.numpy(), net(*map(Tensor, arguments)).numpy())
    u = rng.normal(size=2)
    pulled = tg.vjp(net, *arguments)[1](u)
    dot = sum((g.numpy() * v).sum() for g, v in zip(pulled, tangents, strict=True))
    assert (u * dy.numpy()).sum() == pytest.approx(dot, rel=1e-9, abs=1e-12)


def test_curried_forms():
    y, dy = tg.jvp(lambda x: x**2)(3.0, 1.0)
    assert (y.item(), dy.item()) == (9, 6)
    y, dy = tg.jvp(net)((X, W, B), (X, W, B))
    assert dy.shape == (2,)
    y, pull_back = tg.vjp(lambda a, b: a * b)(2.0, 3.0)
    assert [g.item() for g in pull_back(1.0)] == [3, 2]


def test_jvp_of_jvp_is_the_second_derivative_along_two_directions():
    def along(x):
        return tg.jvp(lambda z: np.exp(z * np.array([1.0, 2.0, 3.0])).sum(), x, np.array([1.0, 0.0, 1.0]))[1]

    _, second = tg.jvp(along, X, np.array([1.0, 1.0, 0.0]))
    assert second.item() == pytest.approx(np.exp(0.5))
    third = tg.jvp(lambda x: tg.jvp(lambda y: tg.jvp(lambda z: z**4, y, 1.0)[1], x, 1.0)[1], 2.0, 1.0)[1]
    assert third.item() == 48


def test_jvp_along_what_the_output_does_not_depend_on_is_zero():
    y, dy = tg.jvp(lambda a, b: a * 2, (X, X), (np.zeros(3), np.ones(3)))
    assert dy.tolist() == [0, 0, 0]
    y, dy = tg.jvp(lambda a: Tensor([1.0, 2.0]), X, X)
    assert dy.tolist() == [0, 0]
    assert y.tolist() == [1, 2]


def test_jvp_is_differentiable_by_the_tangent():
    g = tg.grad(lambda v: (tg.jvp(lambda x: x**2, X, v)[1] ** 2).sum())(np.ones(3))
    np.testing.assert_allclose(g.numpy(), 2 * (2 * X) ** 2)


def test_jvp_of_a_linear_function_is_the_function():
    rules = [lambda x: x[::-1], lambda x: x.cumsum(0), lambda x: np.stack([x, x]).sum(axis=1), lambda x: W @ x]
    for f in rules:
        np.testing.assert_allclose(tg.jvp(f, X, 2 * X)[1].numpy(), f(Tensor(2 * X)).numpy())


def test_the_product_of_the_hessian_with_a_vector_in_both_ways():
    v = np.array([1.0, -1.0, 0.5])

    def f(x):
        return loss(x, W, B)

    expected = tg.hessian(f)(X).numpy() @ v
    np.testing.assert_allclose(tg.jvp(tg.grad(f), X, v)[1].numpy(), expected)
    np.testing.assert_allclose(tg.grad(lambda x: (tg.grad(f)(x) * v).sum())(X).numpy(), expected)


@pytest.mark.parametrize(
    ("primals", "tangents", "error", "message"),
    [
        ((X, X), (X,), tg.ShapeError, "one tangent for each primal: got 1 for 2"),
        (X, X[:2], tg.ShapeError, r"\(2,\).*\(3,\)"),
        (X, 1.0, tg.ShapeError, r"\(\).*\(3,\)"),
        (X, "abc", TypeError, "numbers"),
    ],
)
def test_jvp_refuses_tangents_that_do_not_fit(primals, tangents, error, message):
    with pytest.raises(error, match=message):
        tg.jvp(lambda *xs: xs[0], primals, tangents)


def test_the_message_about_a_wrong_tangent_calls_it_a_tangent():
    with pytest.raises(tg.ShapeError, match="tangent"):
        tg.jvp(lambda x: x, X, X[:2])


@pytest.mark.parametrize("shape", [(), (1,), (2,), (2, 3), (0,)])
def test_the_jacobian_has_the_shape_of_output_and_input(shape):
    f = {0: lambda x: x * 2, 1: lambda x: x[:, None] * np.ones(2), 2: lambda x: x.sum(axis=0)}[len(shape)]
    x = np.ones(shape)
    y = f(Tensor(x))
    assert tg.jacobian(f)(x).shape == y.shape + shape


def test_the_jacobian_of_several_arguments():
    a, b = tg.jacobian(lambda x, w: w @ x, (0, 1))(X, W)
    np.testing.assert_allclose(a.numpy(), W)
    np.testing.assert_allclose(b.numpy(), np.einsum("ik,j->ikj", np.eye(2), X))
    np.testing.assert_allclose(tg.jacobian(lambda x, w: w @ x, -1)(X, W).numpy(), b.numpy())


def test_a_jacobian_of_what_does_not_depend_on_the_argument_is_zero():
    found = tg.jacobian(lambda x: Tensor([1.0, 2.0]))(X)
    assert found.shape == (2, 3)
    assert not found.numpy().any()


def test_the_hessian_is_symmetric_and_right():
    a = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, -1.0], [1.0, 0.0, 1.0]])
    found = tg.hessian(lambda x: x @ a @ x)(X).numpy()
    np.testing.assert_allclose(found, a + a.T)
    m = np.arange(4.0).reshape(2, 2)
    h = tg.hessian(lambda x: np.exp(x).sum() * x[0, 1])(m).numpy()
    assert h.shape == (2, 2, 2, 2)
    np.testing.assert_allclose(h.reshape(4, 4), h.reshape(4, 4).T)


def test_the_hessian_evaluates_the_function_once_so_its_blocks_see_the_same_random_numbers():
    rng = np.random.default_rng(0)
    drawn = []

    def f(x, y):
        drawn.append(rng.normal())
        return (x * y * drawn[-1]).sum()

    blocks = tg.hessian(f, (0, 1))(np.array(2.0), np.array(3.0))
    assert len(drawn) == 1
    assert blocks[0][1].item() == blocks[1][0].item() == drawn[0]


def test_the_hessian_by_several_arguments_is_a_square_of_blocks():
    blocks = tg.hessian(loss, (0, 2, 1))(X, W, B)
    sizes = [X.shape, B.shape, W.shape]
    assert isinstance(blocks, tuple)
    for i, row in enumerate(blocks):
        for j, block in enumerate(row):
            assert block.shape == sizes[i] + sizes[j]
            flat = block.numpy().reshape(np.prod(sizes[i]), -1)
            other = blocks[j][i].numpy().reshape(np.prod(sizes[j]), -1)
            np.testing.assert_allclose(flat, other.T, atol=1e-12)
    whole = differences(lambda b: tg.grad(loss, 0)(X, W, b).numpy()[1], B)
    np.testing.assert_allclose(blocks[0][1].numpy()[1], whole, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_transform_keeps_the_dtype(dtype):
    x, w, b = (a.astype(dtype) for a in (X, W, B))
    found = [
        *tg.value_and_grad(loss)(x, w, b),
        tg.jacobian(net)(x, w, b),
        tg.hessian(loss)(x, w, b),
        *tg.jvp(net, (x, w, b), (X, W, B)),
        *tg.vjp(net, x, w, b)[1](B),
        tg.jacobian(lambda x: Tensor(np.ones(2, dtype)))(x),
    ]
    assert {t.dtype for t in found} == {np.dtype(dtype)}


@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad, tg.hessian])
def test_a_function_with_several_outputs_has_no_gradient(transform):
    def several(x):
        return x * 2

    with pytest.raises(tg.GraphError, match=r"returns one number, but several returned shape \(3,\).*or use jacobian"):
        transform(several)(X)


@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian])
@pytest.mark.parametrize(
    ("f", "kind"),
    [
        (lambda x: x.sum().item(), "float: .*has no history"),
        (lambda x: x.numpy(), "ndarray: .*has no history"),
        (lambda x: None, "NoneType: does it end with return"),
        (lambda x: (x, x), "tuple: differentiate one result at a time"),
    ],
)
def test_a_function_must_return_a_tensor(transform, f, kind):
    with pytest.raises(TypeError, match=rf"must return a Tensor.*returned {kind}"):
        transform(f)(X)
    with pytest.raises(TypeError, match="must return a Tensor"):
        tg.vjp(f, X)
    with pytest.raises(TypeError, match="must return a Tensor"):
        tg.jvp(f, X, X)


@pytest.mark.parametrize("x", [3, [1, 2], np.array([1, 2]), True, Tensor([1, 2])], ids=str)
def test_whole_numbers_cannot_be_differentiated_by(x):
    for transform in (tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian):
        with pytest.raises(TypeError, match=r"only real floating numbers.*write 3\.0, not 3, or convert"):
            transform(lambda z: (z * z).sum())(x)
    with pytest.raises(TypeError, match="only real floating numbers"):
        tg.vjp(lambda z: z, x)
    with pytest.raises(TypeError, match="only real floating numbers"):
        tg.jvp(lambda z: z, x, x)


@pytest.mark.parametrize("argnums", [1, -2, (0, 5)])
@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian])
def test_argnums_beyond_the_arguments_are_refused(transform, argnums):
    def f(x):
        return x * x

    with pytest.raises(TypeError, match=r"argnums names argument -?\d of f, but the call has 1"):
        transform(f, argnums)(2.0)


@pytest.mark.parametrize("argnums", [(0, 0), (0, -2), "x", 1.0, (0, None)], ids=str)
@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad, tg.jacobian, tg.hessian])
def test_argnums_that_are_no_numbers_or_name_an_argument_twice_are_refused(transform, argnums):
    with pytest.raises(TypeError, match=r"argnums (names an argument twice|are the numbers of arguments)"):
        transform(lambda x, y: x * y, argnums)(2.0, 3.0)


def test_argnums_may_be_numpys():
    assert tg.grad(lambda x, y: x * y, np.int64(1))(2.0, 3.0).item() == 2


def test_an_exception_within_the_function_leaves_recording_as_it_was():
    def fail(x):
        raise KeyError("inside")

    for call in (lambda: tg.grad(fail)(1.0), lambda: tg.jvp(fail, 1.0, 1.0)):
        with tg.no_grad(), pytest.raises(KeyError):
            call()
        with tg.no_grad():
            with pytest.raises(KeyError):
                call()
            assert not (Tensor(1.0, requires_grad=True) * 2).requires_grad
        assert (Tensor(1.0, requires_grad=True) * 2).requires_grad


def test_a_value_taken_in_an_inner_function_is_lost_to_the_outer_one():
    outer = tg.grad(lambda x: tg.grad(lambda y: y * x.item())(2.0))
    with pytest.raises(TypeError, match=r"one of constants: a value taken by .*\.item\(\)"):
        outer(3.0)
