"""No value leaves its graph in silence: as a number of Python's, in an array, by a copy of a Tensor, as complex."""

import copy
import math
import pickle
import re
import threading
import warnings
from array import array as python_array

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor


def element(x):
    out = np.zeros(1)
    out[0] = x
    return x * out


def filled(x):
    out = np.zeros(1)
    out.fill(x)
    return x * out


TAKEN = {
    "math.exp": lambda x: x * math.exp(x),
    "float": lambda x: x * float(x),
    "int": lambda x: x * int(x),
    "complex": lambda x: x * complex(x).real,
    "round": lambda x: x * round(x),
    "math.floor": lambda x: x * math.floor(x),
    "np.float64": lambda x: x * np.float64(x),
    "np.float32": lambda x: x * np.float32(x),
    "np.int64": lambda x: x * np.int64(x),
    "math.fsum": lambda x: x * math.fsum([x, x]),
    "array.array": lambda x: x * python_array("d", [x])[0],
    "np.array of a list": lambda x: x * np.array([x, x]).sum(),
    "an element of an array": element,
    "fill": filled,
}
taken = pytest.mark.parametrize("name", TAKEN)


@taken
@pytest.mark.parametrize("transform", ["grad", "value_and_grad", "jacobian", "hessian", "vjp", "jvp"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_taken_from_what_is_differentiated_is_refused(name, transform, dtype):
    x = np.asarray(1.5, dtype)
    calls = {
        "grad": lambda f: tg.grad(f)(x),
        "value_and_grad": lambda f: tg.value_and_grad(f)(x),
        "jacobian": lambda f: tg.jacobian(f)(x),
        "hessian": lambda f: tg.hessian(f)(x),
        "vjp": lambda f: tg.vjp(f, x),
        "jvp": lambda f: tg.jvp(f, x, np.ones_like(x)),
    }
    with pytest.raises((TypeError, ValueError)) as error:
        calls[transform](TAKEN[name])
    # NumPy has an error of its own to say about an element, and names this one as its cause.
    reason = error.value.__cause__ or error.value
    assert re.search(r"lose (its|the) gradient.*(np\.exp for math\.exp|np\.stack)", str(reason))


@taken
def test_a_jitted_gradient_refuses_it_too(name):
    with pytest.raises((TypeError, ValueError, tg.JitError)):
        tg.jit(tg.grad(TAKEN[name]))(1.5)


@taken
def test_a_number_of_what_is_not_differentiated_by_is_a_number(name):
    value = TAKEN[name](Tensor(1.5))
    assert tg.grad(lambda x: (x * TAKEN[name](Tensor(1.5))).sum())(2.0).item() == np.sum(value).item()
    w = Tensor(1.5, requires_grad=True)
    with tg.no_grad():
        np.testing.assert_allclose(np.sum(TAKEN[name](w)).item(), np.sum(value).item())


def test_taking_a_number_on_purpose_is_allowed():
    assert tg.grad(lambda x: x * x.item())(3.0).item() == 3
    assert tg.grad(lambda x: x * float(x.detach()))(3.0).item() == 3
    assert tg.grad(lambda x: x if x > 0 else -x)(-3.0).item() == -1


def test_a_number_of_a_loss_warns_once_a_line_while_a_gradient_could_be_wanted():
    w = Tensor(2.0, requires_grad=True)

    def log():
        total = 0.0
        for _ in range(3):
            total += float(w * w)
        return total

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        assert log() == 12
        assert log() == 12
    (warning,) = caught
    assert warning.category is tg.GradientWarning
    assert ".item()" in str(warning.message)
    assert warning.filename == __file__
    loss = w * w
    loss.backward()
    assert float(loss) == 4, "after backward there is no gradient to lose"
    assert f"{w * w:.1f}" == "4.0"
    assert (w * w).item() == 4


def test_a_tensor_of_a_tensor_keeps_its_history_or_is_refused():
    w = Tensor([1.0, 2.0], requires_grad=True)
    for x in (w, w * 2):
        with pytest.raises(TypeError, match=r"cut its history.*x\.detach\(\)"):
            Tensor(x)
        assert Tensor(x.detach()).tolist() == x.tolist()
        with tg.no_grad():
            assert Tensor(x).tolist() == x.tolist()
    with pytest.raises(TypeError, match=r"np\.stack"):
        Tensor([w.sum(), w.sum()])


def test_a_tensor_of_a_tensor_is_known_to_share_its_memory():
    w, constant = Tensor([3.0], requires_grad=True), Tensor([2.0])
    same = Tensor(constant)
    y = (w * same).sum()
    constant += 1
    with pytest.raises(tg.GraphError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize(
    ("data", "dtype"),
    [(0.1, "float64"), (1e300, "float64"), ([0.1, 1e-300], "float64"), (16777217.0, "int64"), (2**53 + 1, "int64")],
)
def test_a_number_is_not_rounded_before_it_is_converted(data, dtype):
    np.testing.assert_array_equal(Tensor(data, dtype=dtype).data, np.array(data).astype(dtype))


def test_a_number_adapts_to_the_tensor_it_is_for():
    t = Tensor(np.ones(2), requires_grad=True)
    t.data = [0.1, 0.2]
    assert t.dtype == np.float64
    assert t.tolist() == [0.1, 0.2]
    (t * 3).backward([0.1, 0.2])
    assert t.grad.tolist() == [0.1 * 3, 0.2 * 3]
    _, dy = tg.jvp(lambda x: x * 3, np.ones(2), [0.1, 0.2])
    assert dy.tolist() == [0.1 * 3, 0.2 * 3]


COMPLEX = {
    "abs": lambda x: np.abs(x * (3 + 4j)),
    "product": lambda x: x * np.array([1j]),
    "sum": lambda x: np.array(2j) + x,
    "matmul": lambda x: x.reshape(1, 1) @ np.array([[1j]]),
    "einsum": lambda x: np.einsum("i,i", x.reshape(1), np.array([1j])),
    "power": lambda x: x**1j,
    "where": lambda x: np.where(x > 0, x, 1j),
    "loss": lambda x: tg.nn.functional.squared_loss(x.reshape(1, 1), np.array([[1j]])),
}


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("wrap", [tg.grad, tg.jacobian, tg.hessian, lambda f: tg.jit(tg.grad(f))])
def test_complex_numbers_are_refused_where_a_gradient_is_wanted(name, wrap):
    with pytest.raises(TypeError, match=r"complex numbers, which cannot have a gradient.*real and the imaginary part"):
        wrap(COMPLEX[name])(2.0)


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers_are_computed_with_where_none_is(name):
    assert np.isfinite(COMPLEX[name](Tensor(2.0)).data).all()


def test_a_rule_of_ones_own_that_turns_real_numbers_into_complex_ones_is_refused():
    turned = tg.rules.define(
        "turned", lambda x: x * 1j, x=lambda g: g * 1j, samples=lambda: [tg.rules.sample(np.ones(2))]
    )
    try:
        for wrap in (tg.grad, tg.hessian, lambda f: tg.jit(tg.grad(f))):
            with pytest.raises(TypeError, match="complex"):
                wrap(lambda x: np.abs(turned(x)))(2.0)
    finally:
        del tg.rules.registry._rules["turned"]


def test_a_complex_cotangent_is_refused():
    with pytest.raises(TypeError, match="the gradient gives complex numbers"):
        Tensor([1.0], requires_grad=True).sum().backward(np.array(1j))


def test_threads_that_share_a_parameter_lose_no_gradient():
    w = Tensor(np.zeros(200_000), requires_grad=True)
    count, rounds = 4, 25

    def work():
        for _ in range(rounds):
            (w * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (w.grad.data == count * rounds).all()


def test_a_tensor_that_comes_to_require_a_gradient_owns_its_memory():
    data = np.ones(3)
    t = Tensor(data)
    t.requires_grad = True
    tg.optim.SGD([t], lr=0.5)
    (t * t).sum().backward()
    with tg.no_grad():
        t -= t.grad
    assert data.tolist() == [1, 1, 1]
    assert t.tolist() == [-1, -1, -1]
    own = t.data
    t.requires_grad = False
    t.requires_grad = True
    assert t.data is own
    other = t.detach()
    other.requires_grad = True
    with tg.no_grad():
        other += 1
    assert t.tolist() == own.tolist() != other.tolist()
    with pytest.raises(TypeError, match="real floating numbers"):
        Tensor([1]).requires_grad = True
    with pytest.raises(tg.GraphError, match=r"a result, here of multiply.*detach"):
        (t * 2).requires_grad = False


@pytest.mark.parametrize("made", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_shares_its_memory_with_no_one(made):
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    assert w.T.shape == (2,)  # a view
    loss = (w * w).sum()
    other = made(w)
    with tg.no_grad():
        other += 1
    loss.backward()
    assert (w.tolist(), w.grad.tolist(), other.tolist(), other.name) == ([1, 2], [2, 4], [2, 3], "w")
    total = made(w.detach())
    total += w  # refused where memory is shared
    assert total.operation is not None


def test_a_plus_sign_makes_a_copy():
    t = Tensor([1.0])
    y = +t
    y *= 2
    assert t.tolist() == [1]


def test_copies_and_pickles_are_tensors_of_their_own():
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    w.grad = [0.5, 0.5]
    x = Tensor([3.0, 4.0])
    view = x.detach()
    for again in (copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))):
        other = again(w)
        assert (other.name, other.requires_grad, other.tolist(), other.grad.tolist()) == ("w", True, [1, 2], [0.5, 0.5])
        with tg.no_grad():
            other += 1
            other.grad *= 2
        assert (w.tolist(), w.grad.tolist()) == ([1, 2], [0.5, 0.5])
        total = again(x)
        total += w
        assert x.tolist() == view.tolist() == [3, 4]
    net = copy.deepcopy(tg.nn.Linear(2, 2))
    assert [*net.state_dict()] == ["weight", "bias"]


def test_what_backward_has_freed_is_an_array_as_it_is_a_number():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    with pytest.raises(TypeError, match="lose the gradient"):
        np.asarray(loss)
    loss.backward()
    assert np.asarray(loss) == np.mean([loss, loss]) == np.float32(loss) == 5


def test_a_whole_number_is_an_index():
    assert [*range(Tensor(2))] == [0, 1]
    assert ["a", "b"][Tensor(1)] == "b"
    assert Tensor([1.0, 2.0, 3.0])[: Tensor(2)].tolist() == [1, 2]
    with pytest.raises(TypeError):
        range(Tensor(2.0))


MODES = pytest.mark.parametrize("mode", [lambda f: f, tg.jit], ids=["eager", "jit"])


@MODES
@pytest.mark.parametrize("scalar", [np.float32, np.float64], ids=["float32", "float64"])
def test_a_scalar_of_numpys_adapts_in_a_comparison_however_it_is_written(mode, scalar):
    x = tg.Tensor(np.array([0.3, 1.0], np.float16))  # 0.3 in float16, which is greater than 0.3
    for f in (lambda x, s: x > s, np.greater, lambda x, s: np.logical_not(np.less_equal(x, s))):
        assert mode(f)(x, scalar(0.3)).tolist() == [False, True]
    for f in (lambda x, s: x == s, np.equal):
        assert mode(f)(x, scalar(0.3)).tolist() == [True, False]


@MODES
def test_a_scalar_that_numpy_computes_adapts_to_whole_numbers(mode):
    y = mode(lambda x, a: x + np.argmax(a))(tg.Tensor(np.array([1, 2], np.int32)), np.array([0.0, 1.0]))
    assert (y.dtype, y.tolist()) == (np.int32, [2, 3])


@MODES
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "uint32", "int32", "float32", "float64"])
def test_the_logarithm_of_an_empty_sum_of_exponentials_is_minus_infinity(mode, dtype):
    y = mode(lambda x: x.logsumexp(0))(tg.Tensor(np.zeros((0, 2), dtype)))
    assert y.tolist() == [-np.inf, -np.inf]
    assert y.dtype == (np.float64 if dtype == "float64" else np.float32)


@MODES
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
def test_differences_of_whole_numbers_do_not_wrap_around_inside_of_functions(mode, dtype):
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -(2**31)), min(limits.max, 2**31 - 1)
    x = tg.Tensor(np.array([low, high, 1], dtype))
    np.testing.assert_allclose(mode(lambda x: x.softmax())(x).numpy(), [0, 1, 0], atol=1e-30)
    small = tg.Tensor(np.array([1, 3, 2], dtype))
    exact = np.exp([1.0, 3.0, 2.0]) / np.exp([1.0, 3.0, 2.0]).sum()
    np.testing.assert_allclose(mode(lambda x: x.log_softmax())(small).numpy(), np.log(exact), rtol=1e-6)


@MODES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [0, 0.0, "scalar", "array", "Tensor"])
def test_a_power_of_zero_is_flat_everywhere_also_where_the_base_is_no_number(mode, dtype, exponent):
    x = tg.Tensor(np.array([np.nan, 0.0, -2.0, np.inf, -np.inf], dtype))
    kinds = {"scalar": np.float64(0), "array": np.zeros(5, dtype), "Tensor": tg.Tensor(np.zeros(5, dtype))}
    gradient = tg.grad(lambda x, n: (x**n).sum())
    g = mode(gradient)(x, kinds.get(exponent, exponent))
    assert (g.dtype, g.tolist()) == (dtype, [0.0] * 5)
    if exponent in (0, "scalar"):
        assert mode(tg.grad(lambda x, n: gradient(x, n).sum()))(x, kinds.get(exponent, 0)).tolist() == [0.0] * 5


def test_a_power_of_zero_has_a_mixed_derivative():
    d_a = tg.grad(lambda a, b: a**b)
    assert tg.grad(d_a, 1)(tg.Tensor(2.0), tg.Tensor(0.0)).item() == pytest.approx(0.5)


@MODES
def test_an_array_of_one_number_that_is_changed_in_place_remains_an_array(mode):
    def f(x):
        x *= x
        x[...] = x + 1.0
        return x * 2.0

    assert mode(f)(np.array(3.0)) == 20.0


@MODES
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: copy.deepcopy([s])[0]])
def test_a_copy_of_a_number_is_that_number(mode, copied):
    f = mode(lambda x, s: x * copied(s))
    assert [f(tg.Tensor([1.0, 2.0]), s).tolist() for s in (3.0, 0.5)] == [[3.0, 6.0], [0.5, 1.0]]
