"""Derivatives that only a device can prove: of moving there, and of rules that make arrays of their own."""

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import rules


def test_the_gradient_comes_back(standin):
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = x.to(standin)
    (y * y).sum().to("cpu").backward()
    assert type(x.grad.data) is np.ndarray
    np.testing.assert_array_equal(x.grad.data, [2, 4])


def test_derivatives_of_higher_order_pass_between_devices(standin):
    def f(x):
        return (x.to(standin) ** 3).sum()

    x = np.array([1.0, 2.0])
    second = tg.grad(lambda x: tg.grad(f)(x).sum())(x)
    assert second.device == "cpu"
    np.testing.assert_array_equal(second.data, 6 * x)
    _, slope = tg.jvp(f, x, np.array([1.0, 0.0]))
    assert (slope.device, slope.item()) == (standin, 3.0)


def test_the_derivative_of_a_product_over_axes(standin):
    x = tg.Tensor(np.array([[2.0, 3.0, 5.0]]), requires_grad=True)
    x.to(standin).prod(axis=1).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [[15, 10, 6]])


def test_the_derivative_of_a_diagonal(standin):
    x = tg.Tensor(np.arange(4.0).reshape(2, 2), requires_grad=True)
    np.einsum("ii->i", x.to(standin)).sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.eye(2))


def test_one_element_is_placed_in_an_array_of_no_axes(standin):
    # CuPy takes the empty shape of what is to be filled for none given.
    x = tg.Tensor([[2.0]]).to(standin)
    y = rules.shapes.place(x, (None, None), ())
    assert (y.shape, y.item()) == ((), 2.0)
    y = rules.shapes.place(tg.Tensor(np.empty(0)).to(standin), np.array(False), ())
    assert (y.shape, y.item()) == ((), 0.0)
