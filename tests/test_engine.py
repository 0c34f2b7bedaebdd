"""The sweep: right on graphs of any shape and depth, frugal, and never wrong in silence.

What a gradient is not needed of is not computed, memory goes back as soon as it can, threads do not disturb one
another, and a graph that was freed or whose values changed is refused, but only where the change matters.
"""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor
from tinygrad_lite.rules import registry as table
from tinygrad_lite.rules import sample


@pytest.fixture
def scratch(monkeypatch):
    """Let a test define rules that are gone after it."""
    monkeypatch.setattr(table, "_rules", dict(table._rules))
    monkeypatch.setattr(table, "_answers", dict(table._answers))


def leaf(*values, shape=None, dtype=np.float64):
    array = np.array(values, dtype)
    return Tensor(array.reshape(shape) if shape else array, requires_grad=True)


deep = pytest.mark.parametrize("depth", [200_000, pytest.param(1_000_000, marks=pytest.mark.whole)])


def chain(x, n):
    y = x
    for _ in range(n):
        y = y + 1.0
    return y


@deep
def test_a_deep_graph_is_differentiated(depth):
    limit = sys.getrecursionlimit()
    x = Tensor(1.0, requires_grad=True)
    y = chain(x, depth)
    y.backward()
    assert x.grad.item() == 1
    assert sys.getrecursionlimit() == limit


@deep
def test_a_deep_graph_is_dropped_without_a_backward_pass(depth):
    x = Tensor(1.0, requires_grad=True)
    y = chain(x, depth)
    end = weakref.ref(y)
    del y
    assert end() is None


def test_grad_of_grad_goes_through_a_deep_graph():
    def f(x):
        y = x * x
        for _ in range(20_000):
            y = y * 1.0
        return y

    assert tg.grad(tg.grad(f))(3.0).item() == 2


def counting(calls, name="counted"):
    return tg.rules.define(
        name, lambda x: x * 1, x=lambda g: (calls.append(1), g)[1], samples=lambda: [sample(np.ones(2))]
    )


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_each_operation_is_passed_once_however_many_paths_lead_to_it(scratch, n):
    """Doubling n times makes 2ⁿ paths; the sweep must add them up at each node, not walk them."""
    calls = []
    rule = counting(calls)
    x = Tensor(np.float64(1), requires_grad=True)
    y = x
    for _ in range(n):
        y = rule(y)
        y = y * 0.5 + y * 0.5
    y.backward()
    assert len(calls) == n
    assert x.grad.item() == 1


@pytest.mark.parametrize("transform", [lambda f: tg.grad(f), lambda f: tg.grad(lambda x: tg.grad(f)(x))])
def test_a_transform_passes_each_operation_once_too(scratch, transform):
    calls = []
    rule = counting(calls)

    def f(x):
        for _ in range(50):
            x = rule(x) * 0.5 + rule(x) * 0.5
        return x * x

    transform(f)(1.0)
    assert 100 <= len(calls) <= 500


def test_grad_looks_only_at_what_lies_between_source_and_output(scratch):
    """What the argument was computed from, however much that is, does not take part."""
    calls = []
    rule = counting(calls)
    x = leaf(1.0)
    for _ in range(50):
        x = rule(x)
    tg.grad(lambda z: (z * z).sum())(x)
    assert not calls


def refusing(name="refusing"):
    def never(g):
        raise AssertionError("the derivative of an input that needs none was computed")

    return tg.rules.define(name, lambda a, b: a * b, a=lambda g, b: g * b, b=never, samples=list)


@pytest.mark.parametrize(
    "other", [np.array([2.0, 3.0]), 2.0, Tensor(np.array([2.0, 3.0]))], ids=["array", "float", "Tensor"]
)
def test_the_gradient_of_a_constant_is_never_computed(scratch, other):
    x = leaf(1.0, 1.0)
    refusing()(x, other).sum().backward()
    assert x.grad.tolist() == (np.ones(2) * (other.numpy() if isinstance(other, Tensor) else other)).tolist()


def test_a_transform_computes_only_the_gradient_it_was_asked_for(scratch):
    rule = refusing()
    assert tg.grad(lambda a, b: rule(a, b), 0)(2.0, 3.0).item() == 3
    w = leaf(5.0)
    assert tg.grad(lambda a: rule(a, w).sum())(np.array([2.0])).item() == 5


def test_nothing_is_recorded_of_constants():
    y = Tensor([1.0]) * 2 + 1
    assert not y.requires_grad
    assert y.operation is None


def test_gradients_go_to_leaves_only():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.sum().backward()
    with pytest.warns(tg.GradientWarning, match=r"computed by multiply, and only leaves.*w\.data -= lr \* w\.grad"):
        assert y.grad is None
    assert x.grad is not None


def test_intermediates_are_freed_when_the_sweep_has_passed():
    x = leaf(1.0, 2.0)
    h = x.exp()
    seen = weakref.ref(h)
    loss = (h * h).sum()
    del h
    assert seen() is not None
    gc.disable()
    try:
        loss.backward()
        assert seen() is None
    finally:
        gc.enable()


def test_a_graph_is_freed_without_the_garbage_collector_when_its_end_is_dropped():
    x = leaf(1.0, 2.0)
    gc.disable()
    try:
        h = x.exp()
        seen = weakref.ref(h)
        loss = (h * h).sum()
        del h, loss
        assert seen() is None
    finally:
        gc.enable()


def test_no_arrays_stay_behind_after_backward():
    x = Tensor(np.ones(100_000), requires_grad=True)

    def step():
        y = x
        for _ in range(20):
            y = (y * 0.5).tanh()
        loss = y.sum()
        loss.backward()
        x.grad = None
        return loss

    step()
    tracemalloc.start()
    try:
        losses = [step() for _ in range(5)]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(losses) == 5
    assert kept < 100_000 * 8


def test_memory_goes_back_during_the_sweep_not_only_after_it():
    n = 200_000
    x = Tensor(np.ones(n), requires_grad=True)
    tracemalloc.start()
    try:
        y = x
        for _ in range(20):
            y = y.tanh()
        loss = y.sum()
        del y
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        loss.backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - held < 5 * n * 8


def test_no_grad_holds_no_intermediates():
    x = leaf(1.0)
    with tg.no_grad():
        h = x.exp()
        y = h * h
    seen = weakref.ref(h)
    del h
    assert seen() is None
    assert not y.requires_grad


def test_a_leaf_used_many_times_adds_up():
    x = leaf(2.0)
    sum((x * k for k in range(100)), start=x * 0).sum().backward()
    assert x.grad.item() == sum(range(100))


def test_a_diamond():
    x = Tensor(np.float64(3), requires_grad=True)
    a, b = x * 2, x.exp()
    c = a * b
    (c + a).backward()
    assert x.grad.item() == pytest.approx(2 * np.exp(3) + 6 * np.exp(3) + 2)


def test_diamonds_within_diamonds():
    x = Tensor(np.float64(1.1), requires_grad=True)
    y = x
    for _ in range(6):
        y = y * y
    y.backward()
    assert x.grad.item() == pytest.approx(64 * 1.1**63)


def test_the_same_tensor_as_both_operands():
    x = leaf(2.0, 3.0)
    (x * x).sum().backward()
    assert x.grad.tolist() == [4, 6]
    m = leaf(1.0, 2.0, 3.0, 4.0, shape=(2, 2))
    (m @ m).sum().backward()
    a, one = m.data, np.ones((2, 2))
    np.testing.assert_allclose(m.grad.numpy(), one @ a.T + a.T @ one)


def test_broadcast_operands_get_gradients_of_their_own_shape():
    shapes = [(3, 1), (4,), (1, 1), (), (2, 3, 4), (1, 3, 1)]
    tensors = [Tensor(np.full(s, 2.0), requires_grad=True) for s in shapes]
    total = tensors[0]
    for t in tensors[1:]:
        total = total + t
    total.sum().backward()
    for t in tensors:
        assert t.grad.shape == t.shape
        assert np.all(t.grad.numpy() == 24 / t.size)


def test_leaves_that_do_not_take_part_stay_without_a_gradient():
    x, other = leaf(1.0), leaf(1.0)
    (x * 2).sum().backward()
    assert other.grad is None


def test_the_order_of_construction_does_not_matter():
    x = leaf(1.0)
    late = x * 3
    early = x * 2
    (late * early + early).sum().backward()
    assert x.grad.item() == 14


def test_backward_twice_on_two_graphs_accumulates():
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [5, 7]
    assert first.tolist() == [3, 3]


def test_a_gradient_given_is_pulled_back():
    x = leaf(1.0, 2.0)
    (x * x).backward(gradient=[10.0, 1.0])
    assert x.grad.tolist() == [20, 4]
    assert x.grad.dtype == np.float64
    x.grad = None
    (x * x).backward(Tensor([1.0, 0.0]))
    assert x.grad.tolist() == [2, 0]


def test_backward_on_a_leaf():
    x = Tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1
    x.backward()
    assert x.grad.item() == 2


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_element_of_any_shape_needs_no_gradient_argument(shape):
    x = Tensor(np.full(shape, 3.0), requires_grad=True)
    (x * x).backward()
    assert x.grad.shape == shape
    assert x.grad.item() == 6


GIVEN = np.ones((2, 2))
GRAPHS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "reshape": lambda a, b: a.reshape(4).reshape(2, 2) + b.T.T,
    "transpose": lambda a, b: a.T + b.T,
    "stack": lambda a, b: np.stack([a, b])[0] + np.stack([a, b])[1],
    "concatenate": lambda a, b: np.concatenate([a[:1], b[:1]]),
    "sum": lambda a, b: (a.sum() + b.sum()) * Tensor(GIVEN),
    "where": lambda a, b: np.where(np.eye(2) > 0, a, b),
    "identity": lambda a, b: tg.rules.get("identity")(a) + tg.rules.get("identity")(b),
    "pad": lambda a, b: np.pad(a, 0) + b,
    "broadcast": lambda a, b: np.broadcast_to(a, (2, 2)) + np.broadcast_to(b, (2, 2)),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_of_different_leaves_never_share_memory(name, create_graph):
    a, b = (Tensor(np.arange(4.0).reshape(2, 2), requires_grad=True) for _ in range(2))
    given = GIVEN.copy()
    GRAPHS[name](a, b).backward(given, create_graph=create_graph)
    arrays = [a.grad.data, b.grad.data, given, a.data, b.data]
    for i, x in enumerate(arrays):
        assert not any(np.shares_memory(x, y) for y in arrays[:i])
    before = b.grad.tolist()
    a.grad.data *= 5
    assert b.grad.tolist() == before
    assert (given == 1).all()


def test_gradients_can_be_written_to():
    x = leaf(1.0, 2.0)
    np.broadcast_to(x, (2, 2)).sum().backward()
    x.grad.data *= 0.5
    assert x.grad.tolist() == [1, 1]
    y = leaf(1.0, 2.0)
    y.sum().backward()
    y.grad.data[0] = 9
    assert y.grad.tolist() == [9, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_gradients_have_the_dtype_of_their_leaf(dtype):
    x = leaf(1.0, 2.0, dtype=dtype)
    (x * 2.5).tanh().mean().backward()
    assert x.grad.dtype == dtype


def test_create_graph_makes_gradients_that_are_differentiated_again():
    x = Tensor(np.float64(2), requires_grad=True)
    (x**4).backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    first.backward(create_graph=True)
    assert x.grad.item() == 12 * 4
    second, x.grad = x.grad, None
    second.backward()
    assert x.grad.item() == 24 * 2
    assert not x.grad.requires_grad


def test_create_graph_keeps_the_graph():
    x = Tensor(np.float64(2), requires_grad=True)
    y = x**3
    y.backward(create_graph=True)
    y.backward(create_graph=True)
    assert x.grad.item() == 24
    y.backward()
    assert x.grad.item() == 36


def test_a_penalty_on_a_gradient_is_differentiated_through_it():
    x, w = leaf(1.0, 2.0), leaf(0.5, -1.0)
    y = (w * x * x).sum()
    y.backward(create_graph=True)
    (x.grad * x.grad).sum().backward()
    # d/dw [(2 w x)²] = 8 w x², plus x² from the first pass
    np.testing.assert_allclose(w.grad.numpy(), 8 * w.data * x.data**2 + x.data**2)


def test_backward_from_several_numbers_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(tg.GraphError, match=r"starts from one number.*\(2,\).*\.sum\(\) or \.mean\(\)"):
        (x * 2).backward()
    with pytest.raises(tg.GraphError, match="starts from one number"):
        Tensor(np.zeros((0,)), requires_grad=True).backward()


@pytest.mark.parametrize("make", [lambda: Tensor(1.0), lambda: Tensor(1.0) * 2, lambda: leaf(1.0).detach().sum()])
def test_backward_where_nothing_requires_a_gradient_is_refused(make):
    with pytest.raises(tg.GraphError, match=r"does not require a gradient.*requires_grad=True.*no_grad\(\)"):
        make().backward()


def test_a_second_backward_through_a_freed_graph_is_refused():
    x = leaf(1.0)
    h = x.exp()
    y = h.sum()
    y.backward()
    with pytest.raises(tg.GraphError, match=r"graph of this sum was freed.*create_graph=True"):
        y.backward()
    with pytest.raises(tg.GraphError, match="graph of this exp was freed"):
        (h * 2).sum().backward()
    assert x.grad.item() == pytest.approx(np.e)


def test_a_refused_backward_leaves_all_gradients_as_they_were():
    x, w = leaf(1.0), leaf(2.0)
    h = x.exp()
    h.sum().backward()
    before = x.grad
    with pytest.raises(tg.GraphError):
        (h * w).sum().backward()
    assert x.grad is before
    assert w.grad is None


@pytest.mark.parametrize("gradient", [np.ones(3), 1.0, np.ones((2, 1)), [[1.0, 1.0]]])
def test_a_gradient_of_another_shape_is_refused(gradient):
    with pytest.raises(tg.ShapeError, match=r"the gradient has shape .*has shape \(2,\)"):
        (leaf(1.0, 2.0) * 2).backward(gradient)


@pytest.mark.parametrize("gradient", ["ab", [None, None], {}])
def test_a_gradient_that_is_no_numbers_is_refused(gradient):
    with pytest.raises((TypeError, ValueError)):
        (leaf(1.0, 2.0) * 2).backward(gradient)


def assign(t):
    t.data = t.data * 2


def augment(t):
    t.data -= 1


def write(t):
    with tg.no_grad():
        t[...] = 7


def subtract(t):
    with tg.no_grad():
        t -= 1


changes = pytest.mark.parametrize("change", [assign, augment, write, subtract])
changes_in_place = pytest.mark.parametrize("change", [augment, write, subtract])

READS_X = {
    "x * w by w": lambda x, w: x * w,
    "x / w": lambda x, w: w / x,
    "sin": lambda x, w: np.sin(x) * w.sum(),
    "log": lambda x, w: np.log(x),
    "x**3": lambda x, w: x**3,
    "max": lambda x, w: x.max(),
    "squared_loss": lambda x, w: tg.nn.functional.squared_loss(x, w),
    "einsum": lambda x, w: np.einsum("i,i", x, w),
}


@changes_in_place
@pytest.mark.parametrize("name", READS_X)
def test_changing_an_input_that_a_derivative_reads_is_noticed(name, change):
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = READS_X[name](x, w).sum()
    change(x)
    with pytest.raises(tg.GraphError, match=r"shape \(2,\) was changed in place.*compute the loss again"):
        y.backward()


@pytest.mark.parametrize("name", READS_X)
def test_an_input_with_new_data_is_differentiated_at_the_old_ones_which_are_still_there(name):
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    expected = tg.grad(lambda x: READS_X[name](x, w).sum())(x).tolist()
    y = READS_X[name](x, w).sum()
    assign(x)
    y.backward()
    assert x.grad.tolist() == expected


@pytest.mark.parametrize("name", ["x * w by w", "x**3", "sin"])
def test_new_data_of_an_input_are_noticed_where_its_node_is_differentiated_by_again(name):
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = READS_X[name](x, w).sum()
    assign(x)
    with pytest.raises(tg.GraphError, match=r"shape \(2,\) was changed"):
        y.backward(create_graph=True)


def test_old_data_that_were_changed_before_they_were_replaced_are_noticed():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    augment(x)
    assign(x)
    with pytest.raises(tg.GraphError, match="changed in place after multiply"):
        y.backward()
    y = (x * w).sum()
    view = x.detach()
    assign(x)
    augment(view)
    with pytest.raises(tg.GraphError, match="changed in place after multiply"):
        y.backward()


def test_data_replaced_twice_are_refused_since_one_array_of_before_is_remembered():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    assign(x)
    assign(x)
    with pytest.raises(tg.GraphError, match="changed in place after multiply"):
        y.backward()


@changes_in_place
def test_changing_a_constant_input_that_a_derivative_reads_is_noticed(change):
    x, constant = leaf(1.0, 2.0), Tensor(np.array([3.0, 4.0]))
    y = (x * constant).sum()
    change(constant)
    with pytest.raises(tg.GraphError, match="multiply"):
        y.backward()


@pytest.mark.parametrize("change", [assign, augment])
@pytest.mark.parametrize("name", ["exp", "tanh", "sqrt", "sigmoid", "softmax", "relu"])
def test_changing_an_output_that_the_derivative_reads_is_noticed(name, change):
    x = leaf(1.0, 2.0)
    y = getattr(x, name)()
    change(y)
    with pytest.raises(tg.GraphError, match=f"changed in place after {name}"):
        y.backward([1.0, 1.0])


UNREAD = {
    "add": lambda x, w: x + w,
    "subtract": lambda x, w: w - x,
    "negative": lambda x, w: -x,
    "multiply by a constant": lambda x, w: x * 3,
    "divide by a constant": lambda x, w: x / 4,
    "exp": lambda x, w: x.exp(),
    "tanh": lambda x, w: x.tanh(),
    "sqrt": lambda x, w: x.sqrt(),
    "transpose": lambda x, w: x.T,
    "cumsum": lambda x, w: x.cumsum(0),
    "where": lambda x, w: np.where(np.array([True, False]), x, w),
    "roll": lambda x, w: np.roll(x, 1),
    "pad": lambda x, w: np.pad(x, 1),
    # of these, only the shape is read, which a change in place leaves as it is
    "sum": lambda x, w: x.sum(),
    "mean": lambda x, w: x.mean(),
    "reshape": lambda x, w: x.reshape(2, 1),
    "getitem": lambda x, w: x[0],
    "concatenate": lambda x, w: np.concatenate([x, w]),
    "astype": lambda x, w: x.astype(np.float32),
    "broadcast_to": lambda x, w: np.broadcast_to(x, (3, 2)),
}


@changes
@pytest.mark.parametrize("name", UNREAD)
def test_there_is_no_false_alarm_where_no_derivative_reads_what_changed(name, change):
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    expected = tg.grad(lambda x: UNREAD[name](x, w).sum())(x).tolist()
    y = UNREAD[name](x, w).sum()
    change(x)
    y.backward()
    assert x.grad.tolist() == expected


VIEWS = {
    "transpose": lambda x: x.T,
    "reshape": lambda x: x.reshape(2, 1),
    "ravel": lambda x: x.ravel(),
    "slice": lambda x: x[::-1],
    "newaxis": lambda x: x[None],
    "swapaxes": lambda x: x.swapaxes(0, 0),
    "squeeze": lambda x: x.squeeze(),
    "broadcast_to": lambda x: np.broadcast_to(x, (3, 2)),
    "flip": lambda x: np.flip(x),
    "split": lambda x: np.split(x, 2)[0],
    "view of a view": lambda x: x.reshape(1, 2).T,
    "detach": lambda x: x.detach(),
}


@changes
@pytest.mark.parametrize(
    "f", [lambda v, w: v * w.sum(), lambda v, w: (v * v).sum() * w, lambda v, w: v.ravel()[:1] @ w[:1]]
)
@pytest.mark.parametrize("name", VIEWS)
def test_a_change_seen_through_a_view_is_noticed_or_does_no_harm(name, f, change):
    """A view shares its memory, so what changes one changes the other; a wrong gradient must not come of it."""

    def of(x, w):
        return f(VIEWS[name](x), w).sum()

    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    expected = tg.grad(of, 1)(x, w).tolist()
    y = of(x, w)
    change(x)
    try:
        y.backward()
    except tg.GraphError:
        return
    assert w.grad.tolist() == expected


@pytest.mark.parametrize("change", [assign, augment])
def test_a_change_made_through_a_view_is_noticed_or_does_no_harm(change):
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    change(x.detach())
    try:
        y.backward()
    except tg.GraphError:
        return
    assert w.grad.tolist() == [1, 2]


@changes_in_place
def test_only_the_other_operand_of_a_product_is_read(change):
    x, w = Tensor(np.ones((2, 3))), Tensor(np.full((3, 2), 2.0), requires_grad=True)
    y = (x @ w).sum()
    change(w)
    y.backward()
    assert (w.grad.numpy() == 2).all()
    y = (x @ w).sum()
    change(x)
    with pytest.raises(tg.GraphError, match="matmul"):
        y.backward()


@changes
def test_a_change_before_the_operation_is_no_change(change):
    x = leaf(1.0, 2.0)
    change(x)
    y = (x * x).sum()
    other = leaf(1.0)
    change(other)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.data)


def test_a_training_loop_that_changes_parameters_after_backward_raises_no_alarm():
    w = leaf(1.0, 2.0)
    optimizer = tg.optim.SGD([w], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(w.data, 0.8**3 * np.array([1.0, 2.0]))


def test_a_change_is_noticed_in_second_order_too():
    x = leaf(1.0, 2.0)
    (x**3).sum().backward(create_graph=True)
    g, x.grad = x.grad, None
    augment(x)
    with pytest.raises(tg.GraphError, match="changed in place"):
        g.sum().backward()


# no_grad


def test_no_grad_as_context_decorator_and_nested():
    x = leaf(1.0)

    @tg.no_grad()
    def f(a, k=2):
        """Say something."""
        return a * k

    assert f.__name__ == "f"
    assert f.__doc__ == "Say something."
    for _ in range(2):
        assert not f(x, k=3).requires_grad
        assert (x * 2).requires_grad
    with tg.no_grad():
        with tg.no_grad():
            assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    assert x.requires_grad


def fail():
    with tg.no_grad():
        raise KeyError("inside")


def test_no_grad_ends_with_an_exception():
    with pytest.raises(KeyError):
        fail()
    assert (leaf(1.0) * 2).requires_grad
    with pytest.raises(KeyError):
        tg.no_grad()(fail)()
    assert (leaf(1.0) * 2).requires_grad


def test_no_grad_holds_for_its_own_thread_only():
    x, inside, done = leaf(1.0), threading.Event(), threading.Event()
    found = []

    def hold():
        with tg.no_grad():
            inside.set()
            done.wait(10)
            found.append((x * 2).requires_grad)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    assert (x * 2).requires_grad
    with tg.no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: (x * 2).requires_grad).result()
    done.set()
    thread.join(10)
    assert found == [False]


def train(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(8, 4))
    w = Tensor(rng.normal(size=(4, 3)), requires_grad=True)
    for _ in range(30):
        w.grad = None
        ((x @ w).tanh() ** 2).sum().backward()
        w.data -= 0.1 * w.grad.data
    second = tg.hessian(lambda v: (v**4).sum())(w.data[0])
    return w.data.copy(), second.data


def test_threads_build_and_differentiate_graphs_of_their_own():
    alone = [train(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(train, range(8)))
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_may_share_a_parameter_and_read_it():
    w = leaf(1.0, 2.0)

    def gradient(k):
        return tg.grad(lambda v: (w * v * v * k).sum())(np.array([1.0, 1.0])).tolist()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(gradient, range(1, 50)))
    assert found == [[2.0 * k, 4.0 * k] for k in range(1, 50)]


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (
            lambda: Tensor(np.ones((2, 3))) @ Tensor(np.ones((4, 5))),
            r"matmul of \(2, 3\) @ \(4, 5\): the last axis of the first has length 3, the second to last axis of the "
            r"second has length 4",
        ),
        (lambda: Tensor(np.ones((2, 3))) @ np.ones(4), r"matmul of \(2, 3\) @ \(4,\): .*only axis of the second"),
        (lambda: np.ones(4) @ Tensor(np.ones((3, 2))), r"matmul of \(4,\) @ \(3, 2\): .*length 4.*length 3"),
        (lambda: Tensor(np.ones((2, 2, 3))) @ np.ones((3, 3, 1)), r"matmul of .*axis -3 has length 2 and 3"),
        (
            lambda: Tensor(np.ones((2, 3))) + np.ones(2),
            r"add of \(2, 3\) and \(2,\): axis -1 has length 2 and 3; lengths must be equal, or one of them 1",
        ),
        (lambda: Tensor(np.ones((2, 3))) * Tensor(np.ones((3, 3))), r"multiply of .*axis -2 has length 2 and 3"),
        (lambda: np.ones(2) - Tensor(np.ones(3)), r"subtract of \(2,\) and \(3,\)"),
        (lambda: Tensor(np.ones((2, 3))).reshape(4, 2), r"reshape of \(2, 3\): .*\(4,\s?2\)"),
        (lambda: Tensor(np.ones((2, 3))).sum(axis=2), r"sum of \(2, 3\): axis 2 is out of bounds"),
        (lambda: Tensor(np.zeros((0, 3))).max(), r"max of \(0, 3\): .*zero-size"),
    ],
)
def test_an_error_about_shapes_names_operation_shapes_and_axis(f, message):
    with pytest.raises(tg.ShapeError, match=message):
        f()


def test_a_shape_error_is_a_value_error():
    assert issubclass(tg.ShapeError, ValueError)
    assert issubclass(tg.GraphError, RuntimeError)


class Block(tg.nn.Module):
    def __init__(self):
        self.stages = [tg.nn.Sequential(tg.nn.Linear(4, 3), tg.nn.ReLU(), tg.nn.Linear(5, 2))]

    def forward(self, x):
        return self.stages[0](x)


class Net(tg.nn.Module):
    def __init__(self):
        self.body = Block()

    def forward(self, x):
        return self.body(x)


def test_an_error_inside_a_model_names_the_layer_by_its_path():
    with pytest.raises(
        tg.ShapeError, match=r"linear of \(6, 3\) @ \(5, 2\).*in layer 'body.stages.0.2', Linear\(5, 2\)"
    ):
        Net()(np.ones((6, 4), np.float32))
    with pytest.raises(tg.ShapeError, match=r"\(6, 7\) @ \(4, 3\).*in layer 'body.stages.0.0', Linear\(4, 3\)"):
        Net()(Tensor(np.ones((6, 7), np.float32)))


def test_an_error_outside_any_model_names_no_layer():
    with pytest.raises(tg.ShapeError) as caught:
        Tensor([1.0, 2.0]) + np.ones(3)
    assert "layer" not in str(caught.value)


def test_an_error_in_a_single_layer_names_that_layer():
    with pytest.raises(tg.ShapeError, match=r"\(in Linear\(2, 2\)\)"):
        tg.nn.Linear(2, 2)(np.ones((1, 3), np.float32))


@pytest.mark.parametrize("shape", [(3, 2), (6,), (1, 6), (), (2, 3, 1)])
def test_a_cotangent_of_a_shape_that_does_not_belong_to_its_input_is_refused(shape):
    with pytest.raises(tg.ShapeError, match=r"does not belong to an input of shape \(2, 3\)"):
        tg.engine.sum_to_shape(np.ones(shape), (2, 3))


def test_a_derivative_of_the_wrong_shape_is_not_reshaped_in_silence(monkeypatch):
    monkeypatch.setattr(tg.rules.registry, "_rules", dict(tg.rules.registry._rules))
    flat = tg.rules.define("flat", lambda x: x * 1, x=lambda g: g.ravel(), samples=list)
    with pytest.raises(tg.ShapeError, match="cotangent of shape"):
        flat(Tensor(np.ones((2, 3)), requires_grad=True)).sum().backward()
