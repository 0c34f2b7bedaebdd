"""`+=` and its kin change a Tensor for all who hold it, or say what to write: eagerly, under jit, differentiated."""

import operator
import random
import warnings

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor
from tinygrad_lite.changes import REMEMBERED_CHANGES
from tinygrad_lite.rules import registry

OPERATORS = ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"]
operators = pytest.mark.parametrize("name", OPERATORS)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def vector(dtype=np.float64):
    return np.array([1.0, 2.0, 4.0], dtype)


@dtypes
@operators
@pytest.mark.parametrize("operand", [2, 0.5, np.float64(1.5), vector(), Tensor(vector(np.float32)), [1.0, 2.0, 3.0]])
def test_a_tensor_without_history_is_changed_in_its_memory_as_an_array_is(name, operand, dtype):
    array = vector(dtype)
    t = other_name = Tensor(array)
    view = t[1:]
    expected = getattr(operator, name)(vector(dtype), getattr(operand, "data", operand))
    t = getattr(operator, name)(t, operand)
    assert t is other_name
    assert t.data is array
    assert t.dtype == dtype
    np.testing.assert_allclose(array, expected, rtol=1e-6)
    np.testing.assert_array_equal(view.data, array[1:])


def test_matrices_are_multiplied_in_place():
    t = same = Tensor(np.eye(2))
    t @= np.array([[1.0, 2.0], [3.0, 4.0]])
    assert t is same
    assert t.tolist() == [[1, 2], [3, 4]]


@dtypes
@pytest.mark.parametrize("jit", [False, True])
def test_a_loop_over_parameters_updates_them(jit, dtype):
    net = tg.nn.Linear(2, 1, rng=0).astype(dtype)
    before = net.state_dict()
    x = np.ones((3, 2), dtype)

    def step():
        for p in net.parameters():
            p.grad = None
        net(x).sum().backward()
        with tg.no_grad():
            for p in net.parameters():
                p -= 0.1 * p.grad
            net.weight *= 0.5

    step = tg.jit(step) if jit else step
    for _ in range(2):
        step()
    expected = ((before["weight"] - 0.3) * 0.5 - 0.3) * 0.5
    np.testing.assert_allclose(net.weight.data, expected, rtol=1e-5)
    np.testing.assert_allclose(net.bias.data, before["bias"] - 0.6, rtol=1e-6)
    assert [*net.state_dict()] == ["weight", "bias"]
    assert all(p.requires_grad and p.dtype == dtype for p in net.parameters())


@pytest.mark.parametrize("jit", [False, True])
def test_gradients_are_scaled_in_place(jit):
    w = Tensor([3.0, 4.0], requires_grad=True)

    def step():
        w.grad = None
        (w * w).sum().backward()
        for g in [w.grad]:
            g *= 0.5
        return w.grad

    for _ in range(2):
        assert (tg.jit(step) if jit else step)().tolist() == [3, 4]


@pytest.mark.parametrize("jit", [False, True])
def test_the_data_of_a_parameter_are_changed_by_its_gradient(jit):
    w = Tensor([3.0, 4.0], requires_grad=True)

    def step():
        w.grad = None
        (w * w).sum().backward()
        w.data -= 0.25 * w.grad

    step = tg.jit(step) if jit else step
    step()
    step()
    assert w.tolist() == [0.75, 1]


@pytest.mark.parametrize("start", [int, float, lambda: np.float32(0), lambda: Tensor(0.0)])
def test_losses_are_added_up_and_differentiated(start):
    def total(x):
        y = start()
        for k in range(1, 4):
            y += (x**k).sum()
            y *= 2
        return y

    for f in (total, tg.jit(total)):
        assert f(Tensor(2.0)).item() == 8 * 2 + 4 * 4 + 2 * 8
    for f in (tg.grad(total), tg.jit(tg.grad(total))):
        for x in (2.0, 3.0):
            assert f(x).item() == 8 + 4 * 2 * x + 2 * 3 * x**2
    assert tg.grad(tg.grad(total))(2.0).item() == 4 * 2 + 2 * 6 * 2


ALL = {
    "add": lambda h, w: operator.iadd(h, w),
    "subtract": lambda h, w: operator.isub(h, w),
    "multiply": lambda h, w: operator.imul(h, w),
    "divide": lambda h, w: operator.itruediv(h, w),
    "power": lambda h, w: operator.ipow(h, w),
    "remainder": lambda h, w: operator.imod(h, w),
    "by itself": lambda h, w: operator.imul(h, h),
    "twice": lambda h, w: operator.itruediv(operator.imul(h, w), w + 1),
}


@pytest.mark.parametrize("name", ALL)
def test_a_result_that_is_changed_is_differentiated_in_both_orders(name):
    def f(x, w):
        h = x.exp()
        return (ALL[name](h, w) * w).sum()

    assert tg.gradcheck(f, np.array([0.5, 1.0]), np.array([1.5, 0.7]), order=2)


def test_everyone_who_holds_a_result_sees_what_it_has_become():
    w = Tensor([1.0, 2.0], requires_grad=True)
    parts = [w * 2, w * 3]
    for part in parts:
        part += 1
    assert [part.tolist() for part in parts] == [[3, 5], [4, 7]]
    sum(part.sum() for part in parts).backward()
    assert w.grad.tolist() == [5, 5]


def test_an_operation_that_used_what_a_result_was_before_is_refused_at_backward():
    w = Tensor([1.0, 2.0], requires_grad=True)
    h = w * 2
    y = h * 3
    h += 1
    with pytest.raises(
        tg.GraphError, match=r"changed by augmented assignment, such as \+=, after multiply used it.*write x = x \+"
    ):
        y.sum().backward()
    h = w * 2
    y = h * 3
    h += y
    with pytest.raises(tg.GraphError, match=r"changed by augmented assignment"):
        h.sum().backward()


@operators
def test_a_parameter_is_not_changed_while_operations_are_recorded(name):
    w = Tensor(vector(), requires_grad=True)
    with pytest.raises(tg.GraphError, match=r"inside no_grad\(\)"):
        getattr(operator, name)(w, 2.0)
    assert w.tolist() == vector().tolist()


def test_what_shares_its_memory_with_another_is_not_changed_with_a_history():
    w = Tensor(2.0, requires_grad=True)
    whole = Tensor(np.ones((2, 3)))
    for t in (whole[0], whole.T):
        with pytest.raises(tg.GraphError, match=r"shares its memory.*write x = x \+"):
            t *= w
    assert (whole.data == 1).all()


def test_a_result_is_not_changed_where_nothing_is_recorded():
    h = Tensor([1.0], requires_grad=True) * 2
    with tg.no_grad(), pytest.raises(tg.GraphError, match=r"computed by multiply.*write x = x"):
        h += 1


@pytest.mark.parametrize("change", [lambda t: operator.iadd(t, 0.5), lambda t: operator.itruediv(t, 2)])
def test_whole_numbers_hold_no_fractions(change):
    t = Tensor([1, 2])
    with pytest.raises(TypeError, match="a Tensor of int64 cannot become a result of float64"):
        change(t)
    assert t.tolist() == [1, 2]
    with pytest.raises(TypeError, match=r"Tensor\(0\.0\)"):
        t += Tensor([1.0, 2.0], requires_grad=True)


def test_another_shape_is_refused():
    t = Tensor([1.0, 2.0])
    with pytest.raises(tg.ShapeError, match=r"shape \(2,\) cannot become.*\(3, 2\)"):
        t += np.ones((3, 2))
    with pytest.raises(ValueError, match="broadcast"):
        t += np.ones(3)
    with pytest.raises(tg.ShapeError, match=r"shape \(2,\) cannot become.*\(3, 2\)"):
        t += Tensor(np.ones((3, 2), np.float32), requires_grad=True)


def test_what_has_a_gradient_does_not_become_a_step():
    h = Tensor([1.0], requires_grad=True) * 3
    with pytest.raises(TypeError, match="floordiv has no derivative"):
        h //= 2
    assert h.tolist() == [3]
    h += 1  # the refusal left it as it was
    assert h.tolist() == [4]


def test_a_parameter_of_a_module_stays_one():
    net = tg.nn.Linear(2, 2, rng=0)
    weight = net.weight
    with tg.no_grad():
        net.weight -= 1.0
    assert net.weight is weight
    assert net.weight.requires_grad


@pytest.mark.parametrize("jit", [False, True])
def test_a_jitted_function_changes_an_argument_as_the_function_does(jit):
    def f(t):
        t += 1
        return t * 2

    t = Tensor([1.0, 2.0])
    f = tg.jit(f) if jit else f
    for k in (2, 3):
        assert f(t).tolist() == [2 * k, 2 * k + 2]
        assert t.tolist() == [k, k + 1]


def test_a_jitted_function_cannot_leave_a_history_behind():
    w, total = Tensor(2.0, requires_grad=True), Tensor(0.0)

    def f():
        nonlocal total
        total += w * w
        return total

    with pytest.raises(tg.JitError, match="history"):
        tg.jit(f)()
    assert total.operation is None
    assert not total.requires_grad


def test_rows_are_exchanged_or_the_mistake_is_named():
    t = Tensor(np.arange(6.0).reshape(3, 2))
    with pytest.raises(tg.GraphError, match=r"written to since it was taken.*t\[\[i, j\]\] = t\[\[j, i\]\]"):
        t[0], t[1] = t[1], t[0]
    t = Tensor([[1.0], [2.0], [3.0]])
    with pytest.raises(tg.GraphError, match="written to since it was taken"):
        t[0], t[1], t[2] = t[1], t[2], t[0]
    t = Tensor([[1.0], [2.0], [3.0]])
    first = t[0]
    t[0] = t[1]
    t[1] = t[2]
    with pytest.raises(tg.GraphError, match="written to since it was taken"):
        t[2] = first
    for shuffle in (random.Random(0).shuffle, np.random.default_rng(0).shuffle):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "you are shuffling")  # NumPy's own
            with pytest.raises(tg.GraphError, match="permutation"):
                shuffle(Tensor(np.arange(20.0).reshape(10, 2)))
    row = t[0]
    t[[0, 1]] = 9.0
    with pytest.raises(tg.GraphError, match="written to since it was taken"):
        t[2] = row
    t = Tensor(np.arange(6.0).reshape(3, 2))
    t[[0, 1]] = t[[1, 0]]
    assert t.tolist() == [[2, 3], [0, 1], [4, 5]]


@pytest.mark.parametrize("order", [1, 2])
def test_functions_of_functions_notice_what_became_another_value(order):
    def f(x):
        v = x * 3.0
        y = v * v
        v *= y
        return y

    for _ in range(order):
        f = tg.grad(f)
    for call in (f, tg.jit(f)):
        with pytest.raises(tg.GraphError, match="after multiply used it"):
            call(2.0)


@pytest.mark.parametrize(("other", "error"), [(0.5, TypeError), (np.array([2]), ValueError)])
@pytest.mark.parametrize("mode", [lambda f: f, tg.jit])
def test_a_number_does_not_become_what_it_cannot_hold(mode, other, error):
    def f(t):
        total = t.sum()
        total += other
        return total

    with pytest.raises(error):
        mode(f)(Tensor([1, 2]))


def test_the_whole_is_written_into_its_own_view_as_in_numpy():
    t, expected = Tensor([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])
    turned, turned_array = t[::-1], expected[::-1]
    t[0], expected[0] = 5.0, 5.0
    turned[...], turned_array[...] = t, expected
    assert t.tolist() == expected.tolist()


@operators
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "index", [0, slice(1, None), (slice(None), 1), Ellipsis, [0, 2], np.array([True, False, True])], ids=str
)
def test_a_part_is_changed_in_place_as_in_numpy(name, index, compiled):
    w, expected = Tensor(np.arange(1.0, 7.0).reshape(3, 2), requires_grad=True), np.arange(1.0, 7.0).reshape(3, 2)

    def change(array, by):
        array[index] = getattr(operator, name)(array[index], by)

    @tg.no_grad()
    def step(by):
        change(w, by)

    call = tg.jit(step) if compiled else step
    for by in (2.0, 3.0):
        call(by)
        change(expected, by)
        np.testing.assert_allclose(w.numpy(), expected)


def test_a_view_may_be_written_where_nothing_it_shows_has_changed():
    t = Tensor(np.arange(6.0).reshape(3, 2))
    row, column = t[2], t[:, 1]
    t[0] = 7.0
    t[1] = row
    t[:, 0] = t[:, 1]
    assert t.tolist() == [[7, 7], [5, 5], [5, 5]]
    assert column.tolist() == [7, 5, 5]
    numbers = Tensor([1.0, 2.0, 3.0])
    random.Random(1).shuffle(numbers)
    assert sorted(numbers.tolist()) == [1, 2, 3]


@pytest.mark.parametrize(("changes", "is_known"), [(REMEMBERED_CHANGES - 1, True), (REMEMBERED_CHANGES, False)])
def test_a_view_is_refused_once_more_has_changed_than_is_remembered(changes, is_known):
    t = Tensor(np.arange(6.0))
    view = t[3:]
    for k in range(changes):
        t[:1] = k
    if is_known:
        t[:3] = view
        assert t.tolist() == [3, 4, 5, 3, 4, 5]
    else:
        with pytest.raises(tg.GraphError, match="written to since it was taken"):
            t[:3] = view


def test_of_earlier_memory_only_the_last_is_remembered():
    w = Tensor([1.0], requires_grad=True)
    for k in range(REMEMBERED_CHANGES):
        w.data = np.array([k], np.float32)
        w.data -= 1
    assert w.memory.before is not None
    assert w.memory.before.before is None
    t = Tensor([1.0, 2.0])
    view = t[1:]
    for k in range(2 * REMEMBERED_CHANGES):
        t[:1] = k
    assert len(view.memory.written) == REMEMBERED_CHANGES


def test_the_result_of_a_rule_that_returns_its_input_shares_the_record_of_changes(monkeypatch):
    monkeypatch.setattr(registry, "_rules", dict(registry._rules))
    same = tg.rules.define("same", lambda x: x, x=lambda g: g, samples=list)
    t = Tensor([1.0, 2.0])
    y = Tensor([3.0, 4.0], requires_grad=True) * same(t)
    t += 1
    with pytest.raises(tg.GraphError, match="changed in place after multiply used it"):
        y.sum().backward()


def test_a_mask_that_is_changed_later_leaves_the_derivative_as_it_was():
    mask, w = Tensor([True, False]), Tensor([1.0, 2.0], requires_grad=True)
    y = np.where(mask, w, 0.0).sum()
    mask[0] = False
    y.backward()
    assert w.grad.tolist() == [1, 0]


def test_a_total_may_be_looked_at_while_it_is_added_up():
    w, total, log = Tensor(2.0, requires_grad=True), Tensor(0.0), []
    for k in range(3):
        total += w * k
        log.append(total.detach())
    total.backward()
    assert w.grad.item() == 3
    assert [x.item() for x in log] == [0, 2, 6]


def test_a_buffer_gets_no_history():
    class Mean(tg.nn.Module):
        def __init__(self):
            self.mean = tg.nn.Buffer(np.zeros(2, np.float32))

        def forward(self, x):
            self.mean += x.mean(axis=0)
            return self.mean

    net = Mean()
    assert net(Tensor([[1.0, 2.0]])).tolist() == [1, 2]
    with pytest.raises(tg.GraphError, match=r"a Buffer holds values and no history.*x\.detach\(\)"):
        net(Tensor([[1.0, 2.0]], requires_grad=True))
    assert net.mean.tolist() == [1, 2]


def test_new_data_given_as_a_tensor_are_a_copy():
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    a.data = b
    b += 1
    assert a.tolist() == [3, 4]
