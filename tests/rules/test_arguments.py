"""Whatever arguments NumPy's functions are called with on Tensors, they mean what NumPy means, or are refused in words.

Types, bounds, lists of axes, operators that round down; and joining many Tensors takes time in proportion to them.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import rules
from tinygrad_lite.errors import ShapeError
from tinygrad_lite.numpy_calls import call
from tinygrad_lite.rules import shapes

A = np.random.default_rng(0).normal(size=(2, 3))
MODES = pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])

# Arguments that NumPy takes and the function composed of rules does not.
REFUSED = {
    "np.clip": lambda x: np.clip(x, 0, 1, where=True),
    "np.einsum": lambda x: np.einsum("ij->", x, dtype=np.float64),
    "np.full_like": lambda x: np.full_like(x, 1, order="C"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_argument_that_is_not_taken_is_refused_beside_those_that_are(name):
    REFUSED[name](A)
    taken = ", ".join(inspect.signature(rules.answer_for(getattr(np, name[3:]))).parameters)
    with pytest.raises(TypeError, match=rf"^{name} of a Tensor: .*; it takes the arguments {taken}$"):
        REFUSED[name](tg.Tensor(A))


def test_an_error_inside_a_function_stays_its_own():
    with pytest.raises(TypeError, match=r"^np\.pad takes whole numbers as widths, not 0\.5$"):
        np.pad(tg.Tensor(A), 0.5)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: np.einsum(x, [0, 1], w, [1, 2]),
        lambda x, w: np.einsum(x, [0, 1], w, [1, 2], [2, 0]),
        lambda x, w: np.einsum(x, [1, 0]),
        lambda x, w: np.einsum(x, (Ellipsis, 30), w, (30, 51)),
        lambda x, w: np.einsum(x, [0, 1], []),
    ],
)
def test_the_subscripts_of_einsum_may_be_lists(f):
    value = f(tg.Tensor(A), tg.Tensor(A.T))
    np.testing.assert_allclose(value.numpy(), f(A, A.T))
    assert tg.gradcheck(lambda x, w: f(x, w) ** 2, A, A.T, order=2)


@pytest.mark.parametrize("f", [lambda x: np.einsum(x), lambda x: np.einsum(x, 3), lambda x: np.einsum(x, "ij")])
def test_subscripts_in_the_wrong_place_are_refused(f):
    with pytest.raises(TypeError, match=r'einsum takes subscripts and operands, \("ij,jk->ik", a, b\), or lists'):
        f(tg.Tensor(A))


@MODES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize(
    "indices",
    [1, [0, 1, 1], [], np.array([[-1, 0]]), [True, False, True], np.array([False, True]), np.array([1, 0], np.uint8)],
    ids=repr,
)
def test_what_is_taken_is_what_numpy_takes(indices, axis, dtype, mode):
    x = A.astype(dtype)
    indices = np.array(indices, int) if isinstance(indices, list) and not indices else indices

    def f(x):
        return np.take(x, indices, axis=axis)

    np.testing.assert_array_equal(mode(f)(x), f(x))
    if isinstance(indices, np.ndarray):
        np.testing.assert_array_equal(mode(lambda i: np.take(x, i, axis=axis))(indices), f(x))
    found = mode(lambda x: f(tg.Tensor(x)))(x)
    assert (found.dtype, found.shape) == (dtype, f(x).shape)
    np.testing.assert_array_equal(found.numpy(), f(x))
    first = mode(tg.grad(lambda x: (f(x) ** 3).sum()))(x)
    second = mode(tg.grad(lambda x: (tg.grad(lambda x: (f(x) ** 3).sum())(x) ** 2).sum()))(x)
    counts = np.zeros_like(x)
    np.add.at(counts, np.unravel_index(f(np.arange(6).reshape(2, 3)), (2, 3)), 1)
    assert (first.dtype, second.dtype) == (dtype, dtype)
    np.testing.assert_allclose(first.numpy(), 3 * counts * x**2, rtol=1e-6)
    np.testing.assert_allclose(second.numpy(), 36 * counts**2 * x**3, rtol=1e-5)


@pytest.mark.parametrize("x", [A, tg.Tensor(A)], ids=["array", "Tensor"])
def test_an_axis_that_is_not_there_is_refused(x):
    for f in (lambda x: np.take(x, [0], axis=5), tg.jit(lambda x: np.take(x, [0], axis=5))):
        with pytest.raises(ValueError, match="axis 5 is out of bounds"):
            f(x)


def test_what_cannot_be_taken_is_refused():
    x = tg.Tensor(A)
    with pytest.raises(IndexError, match="out of bounds"):
        np.take(x, 7, axis=0)
    with pytest.raises(IndexError, match="must be of integer"):
        np.take(x, [0.5], axis=0)
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        np.take(x, [0], axis=2)
    with pytest.raises(TypeError, match=r"np\.take of a Tensor: .*; it takes the arguments a, indices, axis, mode$"):
        call(np.take, (x, 7), {"dtype": float})
    with pytest.raises(ValueError, match="the mode is 'raise', 'wrap' or 'clip', not 'around'"):
        np.take(x, 7, mode="around")


@pytest.mark.parametrize("widths", [{0: 1}, {-1: (1, 0)}, {0: 2, 1: (0, 1)}, {}])
def test_the_widths_of_a_pad_may_be_those_of_some_axes(widths):
    x = tg.Tensor(A)
    full = [widths.get(0, 0), widths.get(1, widths.get(-1, 0))]
    expected = np.pad(A, [np.broadcast_to(width, 2).tolist() for width in full])
    np.testing.assert_array_equal(np.pad(x, widths).numpy(), expected)
    with pytest.raises(ValueError, match="axis 5"):
        np.pad(x, {5: 1})


@MODES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bound", [np.array([2, 0, 1], np.int32), np.array([2.0, 0.5, 1]), [2, 0, 1], np.float64(0.1)])
def test_a_bound_does_not_change_the_type(bound, dtype, mode):
    x = np.array([1.0, 1.0, 1.0], dtype)
    for f, g in [
        (lambda x: np.clip(tg.Tensor(x), bound, None), lambda x: np.clip(x, bound, None)),
        (lambda x: tg.Tensor(x).clip(max=bound), lambda x: x.clip(max=bound)),
        (lambda x: tg.Tensor(x).clip(tg.Tensor(bound), 9), lambda x: np.clip(x, bound, 9)),
    ]:
        found = mode(f)(x)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.numpy(), g(x).astype(dtype))
    if isinstance(bound, np.ndarray):
        found = mode(lambda x, bound: np.clip(tg.Tensor(x), bound, None))(x, bound)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.numpy(), np.clip(x, bound, None).astype(dtype))


def test_whole_numbers_are_limited_to_what_numpy_limits_them_to():
    x = np.array([1, 5, 3])
    for low, high in [(None, 2), (2, None), (2, 4), (None, None)]:
        found = tg.Tensor(x).clip(low, high)
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found.numpy(), np.clip(x, low, high) if (low, high) != (None, None) else x)
    np.testing.assert_array_equal(tg.Tensor(x).clip(1.5, np.array([2.5, 2.5, 9])).numpy(), [1.5, 2.5, 3])
    for numbers in (2.0, [2.0, 0.5]):
        limited = np.clip(numbers, tg.Tensor(1.0), None)
        assert (limited.dtype, limited.tolist()) == (np.float32, np.clip(numbers, 1.0, None).tolist())


@pytest.mark.parametrize("bounds", [(0.1, None), (None, 0.5), (0.1, 0.5)])
def test_bounds_have_derivatives_that_differences_confirm(bounds):
    given = [np.array(bound) for bound in bounds if bound is not None]

    def f(x, *some):
        some = iter(some)
        return np.clip(x, *(None if bound is None else next(some) for bound in bounds)) ** 2

    assert tg.gradcheck(f, A, *given, order=2)
    if bounds[0] is not None:
        assert tg.grad(lambda low: np.clip(A, low, None).sum())(0.1).item() == (A < 0.1).sum()


@MODES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("other", [2, 0.7, -1.5, np.array([2, 3, 4]), np.array([0.5, -2.0, 3.0])])
def test_operators_that_round_down(other, dtype, mode):
    x = np.array([[7.25, -7.25, 5.5], [0.3, -0.3, 11]], dtype)
    like = np.asarray(other, dtype)
    for f, expected in [
        (lambda x: x % other, x % like),
        (lambda x: other % x, like % x),
        (lambda x: x // other, x // like),
        (lambda x: other // x, like // x),
        (lambda x: divmod(x, other)[0], x // like),
        (lambda x: divmod(x, other)[1], x % like),
        (lambda x: divmod(other, x)[0], like // x),
        (lambda x: divmod(other, x)[1], like % x),
        (lambda x: np.divmod(x, other)[0], x // like),
        (lambda x: np.mod(x, other), x % like),
    ]:
        found = mode(lambda x, f=f: f(tg.Tensor(x)))(x)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy() if isinstance(found, tg.Tensor) else found, expected)
    assert tg.grad(lambda x: (x % other).sum())(x).tolist() == np.ones_like(x).tolist()
    slope = tg.grad(lambda x: (other % x).sum())(x)
    np.testing.assert_array_equal(slope.numpy(), -(like // x))


@MODES
@pytest.mark.parametrize(
    "f", [lambda x: x**-1, lambda x: x ** np.array([-1, 2]), lambda x: 2 ** (x - 3), lambda x: np.power(x, -2)]
)
def test_whole_numbers_have_no_negative_powers(f, mode):
    with pytest.raises(
        ValueError, match=r"Integers to negative integer powers are not allowed\. Write floats"
    ) as error:
        mode(lambda x: f(tg.Tensor(x)))(np.array([1, 2]))
    assert not isinstance(error.value, ShapeError)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "logsumexp"])
def test_a_number_may_be_reduced_over_axis_0_as_in_numpy(name):
    for axis, keepdims in [(0, False), (0, True), (-1, False), (-1, True)]:
        assert tg.grad(lambda x, a=axis, k=keepdims: getattr(x, name)(axis=a, keepdims=k))(3.0).item() == 1
    with pytest.raises(ValueError, match="axis 1 is out of bounds"):
        getattr(tg.Tensor(3.0), name)(axis=1)


@pytest.mark.parametrize("name", ["max", "min"])
def test_nan_is_the_extreme_as_in_numpy(name):
    x = np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(getattr(tg.Tensor(x), name)(axis=1).numpy(), getattr(x, name)(axis=1))
    np.testing.assert_array_equal(getattr(tg.Tensor(x), f"arg{name}")(axis=1), getattr(x, f"arg{name}")(axis=1))
    np.testing.assert_array_equal(
        getattr(np, f"{name}imum")(tg.Tensor(x), 2.0).numpy(), getattr(np, f"{name}imum")(x, 2)
    )


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning")
@pytest.mark.parametrize("ddof", [1, 3, 5])
@pytest.mark.parametrize("x", [[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]])
def test_a_variance_without_degrees_of_freedom_is_that_of_numpy(x, ddof):
    np.testing.assert_array_equal(tg.Tensor(x, dtype=float).var(ddof=ddof).numpy(), np.var(x, ddof=ddof))
    np.testing.assert_array_equal(np.std(tg.Tensor(x, dtype=float), ddof=ddof).numpy(), np.std(x, ddof=ddof))


@pytest.mark.parametrize("count", [63, 64, 65, 64 * 64 + 1])
def test_many_are_joined_as_few_are(count):
    xs = [tg.Tensor(np.full((1 + i % 2, 1), float(i)), requires_grad=True) for i in range(count)]
    y = np.concatenate(xs)
    np.testing.assert_array_equal(y.numpy(), np.concatenate([x.numpy() for x in xs]))
    (y * np.arange(y.size).reshape(-1, 1)).sum().backward()
    np.testing.assert_array_equal(np.concatenate([x.grad.numpy() for x in xs])[:, 0], np.arange(y.size))


@pytest.mark.parametrize("join", [np.concatenate, np.stack, np.vstack, np.hstack])
def test_the_derivative_of_joining_takes_steps_in_proportion_to_what_is_joined(join, monkeypatch):
    """Counted in operands whose lengths are added up, of which each would otherwise count those before it."""
    seen = 0
    original = shapes.operand_index

    def counted(k, xs, axis):
        nonlocal seen
        seen += k + 1
        return original(k, xs, axis)

    monkeypatch.setattr(shapes, "operand_index", counted)
    steps = []
    for n in (500, 1000):
        seen = 0
        join([tg.Tensor([1.0], requires_grad=True) for _ in range(n)]).sum().backward()
        steps.append(seen)
    assert 0 < steps[1] < 2.2 * steps[0]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 3)])
def test_a_label_of_einsum_has_one_length_in_an_operand(shape):
    for x in (np.zeros(shape), tg.Tensor(np.zeros(shape))):
        with pytest.raises(tg.ShapeError, match=r"'i' stands for axes of \d and \d in"):
            rules.composed.contractions.einsum("ii->i", x)


NEGATIVE = {
    "np.diff: n": lambda x: np.diff(x, -1),
    "np.linspace: num": lambda x: np.linspace(x, 1.0, -1),
    "np.geomspace: num": lambda x: np.geomspace(x, 1.0, -1),
    "np.repeat: repeats": lambda x: np.repeat(x, -1),
    "np.polyder: m": lambda x: np.polyder(x, -1),
    "np.polyint: m": lambda x: np.polyint(x, -1),
    "np.bincount: minlength": lambda x: np.bincount([0, 1], x, -1),
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_a_number_of_times_or_of_elements_is_not_negative(name):
    with pytest.raises(ValueError, match=f"{name} must not be negative, but it is -1"):
        NEGATIVE[name](tg.Tensor([0.5, 2.0]))
