"""A Tensor behaves like the NumPy array it holds: made, read, printed, indexed, compared and called upon alike.

Where it cannot (a function without a derivative rule, a result written in place) it says so, and what to do.
"""

from __future__ import annotations

import contextlib
import copy
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices

import tinygrad_lite as tg
from tinygrad_lite import Tensor

quick = settings(deadline=None, max_examples=50)


def tracked(*shape, dtype=np.float64, seed=0):
    return Tensor(np.random.default_rng((seed, *shape)).normal(size=shape).astype(dtype), requires_grad=True)


@pytest.fixture
def float64_default():
    before = tg.get_default_dtype()
    tg.set_default_dtype(np.float64)
    yield
    tg.set_default_dtype(before)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        ([1, 2.5], np.float32),
        ((1.0, (2.0)), np.float32),
        ([[1.0], [2.0]], np.float32),
        ([], np.float32),
        (math.inf, np.float32),
        (np.array([1.0]), np.float64),
        (np.array([1.0], np.float16), np.float16),
        (np.float64(1.0), np.float64),
        (np.float32(1.0), np.float32),
        ([np.array([1.0]), np.array([2.0])], np.float64),
        ([np.array([1.0], np.float32)], np.float32),
        ([Tensor(1.0), Tensor(2.0)], np.float32),
        (Tensor(np.array([1.0])), np.float64),
        (True, np.bool_),
        ([True, False], np.bool_),
        (np.array([1, 2], np.uint8), np.uint8),
    ],
)
def test_the_dtype_that_data_take_on(data, dtype):
    assert Tensor(data).dtype == dtype


@pytest.mark.parametrize("data", [3, [1, 2], [[1], [2]], range(3)])
def test_whole_numbers_stay_whole(data):
    assert Tensor(data).dtype.kind == "i"


def test_float32_scalars_beside_python_floats_stay_float32():
    assert Tensor([np.float32(1.0), 2.0]).dtype == np.float32


@pytest.mark.parametrize("data", [[[1.0, 2.0], [3.0, 4.0]], [np.arange(2.0), [1, 2]], [[Tensor(1.0)], [2.0]]])
def test_nested_lists_have_the_shape_they_look_like(data):
    assert Tensor(data).shape == np.shape([[float(x) for x in row] for row in data])


def test_the_default_dtype_can_be_changed(float64_default):
    assert Tensor(1.0).dtype == np.float64
    assert Tensor([1.0, 2.0], requires_grad=True).dtype == np.float64
    assert Tensor(np.float32(1)).dtype == np.float32
    assert tg.nn.Linear(2, 2).weight.dtype == np.float64
    assert tg.get_default_dtype() == np.float64


@pytest.mark.parametrize("dtype", [int, "complex64", bool, np.uint8])
def test_the_default_dtype_must_be_a_floating_type(dtype):
    with pytest.raises(TypeError, match="floating type"):
        tg.set_default_dtype(dtype)
    assert tg.get_default_dtype() == np.float32


def test_dtype_converts():
    assert Tensor([1, 2], dtype="float64").dtype == np.float64
    assert Tensor(np.array([1.0]), dtype=np.float32, requires_grad=True).dtype == np.float32
    assert Tensor([1.7], dtype=int).tolist() == [1]


@pytest.mark.parametrize("data", ["1.0", None, {}, {1.0}, object(), [None], ["a"], [1.0, "a"], b"1"])
def test_what_is_not_numbers_is_refused(data):
    with pytest.raises(TypeError, match="holds numbers, not"):
        Tensor(data)


@pytest.mark.parametrize("data", [[[1.0], [1.0, 2.0]], [1.0, [2.0]]])
def test_rows_of_different_lengths_are_refused(data):
    with pytest.raises(tg.ShapeError, match="rows of equal length"):
        Tensor(data)


@pytest.mark.parametrize("data", [1, [1, 2], True, np.arange(3), np.array([1j])])
def test_only_real_floats_can_require_a_gradient(data):
    with pytest.raises(TypeError, match=r"require a gradient, not \w+: pass dtype='float32'"):
        Tensor(data, requires_grad=True)
    if np.asarray(data).dtype.kind != "c":
        assert Tensor(data, requires_grad=True, dtype="float32").requires_grad


def test_a_list_of_tracked_tensors_is_not_silently_cut_off():
    with pytest.raises(TypeError, match=r"np\.stack"):
        Tensor([tracked(), tracked()])


def test_a_tensor_has_only_the_attributes_it_was_given():
    t = tracked(2, 3)
    assert (t.shape, t.ndim, t.size, t.dtype, t.grad, t.name) == ((2, 3), 2, 6, np.float64, None, None)
    assert Tensor(1.0, name="w").name == "w"
    with pytest.raises(AttributeError):
        t.gradient = 1


def test_a_constant_shares_the_array_it_is_given():
    array = np.zeros(3)
    assert np.shares_memory(Tensor(array).data, array)
    array[0] = 5
    assert Tensor(array).data is array


class Subclass(np.ndarray):
    pass


OWNED = {
    "array": lambda a: a,
    "view": lambda a: a[:],
    "float64 asked for": lambda a: a,
    "tensor": Tensor,
    "tensor detached": lambda a: Tensor(a).detach(),
    "subclass": lambda a: a.view(Subclass),
    "memoryview": memoryview,
}


@pytest.mark.parametrize("kind", OWNED)
def test_a_parameter_never_shares_the_callers_array(kind):
    array = np.zeros(3)
    p = Tensor(OWNED[kind](array), requires_grad=True, dtype=np.float64 if "asked" in kind else None)
    assert not np.shares_memory(p.data, array)


@pytest.mark.parametrize("kind", OWNED)
@pytest.mark.parametrize("make", [tg.optim.SGD, tg.optim.Adam, tg.optim.AdamW])
def test_an_optimizer_step_never_changes_the_callers_array(kind, make):
    array = np.ones(3)
    p = Tensor(OWNED[kind](array), requires_grad=True)
    (p * p).sum().backward()
    make([p], lr=0.1).step()
    assert (array == 1).all()
    assert (p.data != 1).all()


def test_an_array_assigned_to_a_parameter_is_not_shared_either():
    p, array = tracked(3), np.zeros(3)
    p.data = array
    assert not np.shares_memory(p.data, array)
    t = Tensor([1.0])
    t.data = array
    assert t.data is array


@pytest.mark.parametrize("requires_grad", [False, True])
def test_data_is_assignable(requires_grad):
    t = Tensor([1.0, 2.0], requires_grad=requires_grad)
    t.data = np.array([3.0, 4.0], np.float32)
    assert t.tolist() == [3, 4]
    t.data = [5.0, 6.0]
    assert t.tolist() == [5, 6]
    assert t.dtype == np.float32
    t.data -= 1
    t.data *= 2
    assert t.tolist() == [8, 10]
    scalar = Tensor(1.0, requires_grad=requires_grad)
    scalar.data -= 0.5
    assert scalar.item() == 0.5
    assert isinstance(scalar.data, np.ndarray)


@pytest.mark.parametrize("value", ["abc", None, [[1.0], [1.0, 2.0]]])
def test_data_refuses_what_the_constructor_refuses(value):
    t = Tensor([1.0])
    with pytest.raises((TypeError, ValueError)):
        t.data = value
    assert t.tolist() == [1.0]


def test_a_parameter_stays_of_a_floating_type_when_data_are_assigned():
    p = Tensor([1.0, 2.0], requires_grad=True)
    with contextlib.suppress(TypeError):
        p.data = np.array([1, 2])
    assert p.dtype.kind == "f"


def test_numpy_is_a_read_only_view():
    t = tracked(3)
    view = t.numpy()
    assert np.shares_memory(view, t.data)
    assert type(view) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    t.data[0] = 7
    assert view[0] == 7
    assert (t * 2).sum().numpy().shape == ()


def test_detach_shares_memory_and_has_no_history():
    t = tracked(3)
    d = (t * 2).detach()
    assert not d.requires_grad
    assert d.operation is None
    assert np.shares_memory(t.detach().data, t.data)


def test_item_and_tolist():
    assert Tensor([[2.5]]).item() == 2.5
    assert type(Tensor(1).item()) is int
    assert type(tracked(2).sum().item()) is float
    assert Tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(tg.ShapeError, match=r"one element.*\(3,\)"):
        Tensor([1.0, 2.0, 3.0]).item()
    with pytest.raises(tg.ShapeError, match="one element"):
        Tensor([]).item()


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (Tensor(1.5), "Tensor(1.5, dtype=float32)"),
        (Tensor([1.0, 2.5]), "Tensor([1. , 2.5], dtype=float32)"),
        (Tensor([1, 2]), "Tensor([1, 2], dtype=int64)"),
        (Tensor([True]), "Tensor([ True], dtype=bool)"),
        (Tensor(np.array([1.0])), "Tensor([1.], dtype=float64)"),
        (Tensor([1.0], requires_grad=True), "Tensor([1.], dtype=float32, requires_grad=True)"),
        (Tensor([1.0], name="w"), "Tensor([1.], dtype=float32, name='w')"),
        (Tensor(np.zeros((0, 3))), "Tensor([], dtype=float64, shape=(0, 3))"),
        (Tensor(1.0, requires_grad=True).exp() * 0, "Tensor(0., dtype=float32, requires_grad=True, from=multiply)"),
        (Tensor([[1.0], [2.0]]), "Tensor([[1.],\n        [2.]], dtype=float32)"),
    ],
)
def test_repr(t, text):
    assert repr(t) == text
    assert str(t) == text


def test_repr_of_a_big_tensor_is_short_and_gives_the_shape():
    text = repr(Tensor(np.zeros((100, 100)), name="big"))
    assert len(text) < 500
    assert "..." in text
    assert "shape=(100, 100)" in text
    assert "name='big'" in text


def test_format():
    t = Tensor(3.14159)
    assert f"{t:.2f}" == "3.14"
    assert f"{t}" == repr(t)
    assert f"{Tensor([1.0, 2.0])}" == "Tensor([1., 2.], dtype=float32)"
    with pytest.raises(ValueError, match="one element"):
        f"{Tensor([1.0, 2.0]):.2f}"


def test_len_and_iteration():
    t = tracked(3, 2)
    assert len(t) == 3
    rows = list(t)
    assert all(isinstance(row, Tensor) and row.shape == (2,) for row in rows)
    sum(rows[1:], start=rows[0] * 2).sum().backward()
    assert t.grad.tolist() == [[2, 2], [1, 1], [1, 1]]
    for call in (len, iter):
        with pytest.raises(TypeError, match="0-d"):
            call(Tensor(1.0))


def test_unpacking():
    a, b = Tensor([1.0, 2.0])
    assert (a.item(), b.item()) == (1, 2)


def test_conversion_to_python_numbers():
    t = Tensor(2.5)
    assert float(t) == 2.5
    assert int(t) == 2
    assert complex(t) == 2.5
    assert round(t) == 2
    assert round(Tensor(2.25), 1) == 2.2
    assert bool(t)
    assert bool(Tensor(1.0, requires_grad=True))
    assert not Tensor(0.0)
    assert float(Tensor([[1.5]])) == 1.5
    assert math.sqrt(Tensor(4.0)) == 2
    for call in (float, int):
        with pytest.raises(ValueError, match=r"one element"):
            call(Tensor([1.0, 2.0]))


COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize(
    "other", [2.0, 2, np.float64(2), [2.0, 2.0, 3.0], np.array([[2.0], [1.0]]), Tensor(2.0)], ids=str
)
def test_comparisons_give_boolean_arrays(name, other):
    x = np.array([1.0, 2.0, 3.0], np.float32)
    call = getattr(__import__("operator"), name)
    raw = other.numpy() if isinstance(other, Tensor) else np.asarray(other)
    for found, expected in (
        (call(Tensor(x, requires_grad=True), other), call(x, raw)),
        (call(raw, Tensor(x, requires_grad=True)), call(raw, x)),
    ):
        assert isinstance(found, (np.ndarray, np.bool_))
        assert found.dtype == bool
        assert found.dtype == bool
        assert np.array_equal(found, expected)


def test_comparison_with_none_or_text_is_just_false():
    t = Tensor([1.0])
    assert (t == None) is False  # noqa: E711
    assert (t != None) is True  # noqa: E711
    assert (t == "a") is False
    with pytest.raises(TypeError):
        _ = t < "a"


def test_tensors_hash_by_identity():
    a, b = Tensor([1.0]), Tensor([1.0])
    assert len({a, b}) == 2
    assert {a: 1}[a] == 1


@pytest.mark.parametrize("name", ["argmax", "argmin", "argsort"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_positions_are_plain(name, axis):
    t = tracked(3, 4)
    for found in (getattr(t, name)(axis=axis), getattr(np, name)(t, axis=axis)):
        assert type(found) is np.ndarray
        assert np.array_equal(found, getattr(t.data, name)(axis=axis))
    if name != "argsort":
        assert t.argmax() == t.data.argmax()
        assert t.argmin(axis=axis, keepdims=True).ndim == 2


PLAIN_CALLS = {
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "rint": np.rint,
    "round": np.round,
    "round to 1": lambda t: np.round(t, 1),
    "trunc": np.trunc,
    "floor_divide": lambda t: np.floor_divide(t, 0.3),
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "isclose": lambda t: np.isclose(t, 0.5),
    "allclose": lambda t: np.allclose(t, t),
    "array_equal": lambda t: np.array_equal(t, t),
    "any": np.any,
    "all": lambda t: np.all(t > 0, axis=0),
    "logical_and": lambda t: np.logical_and(t, [True, False, True]),
    "logical_not": np.logical_not,
    "count_nonzero": np.count_nonzero,
    "nonzero": np.nonzero,
    "argwhere": np.argwhere,
    "flatnonzero": np.flatnonzero,
    "searchsorted": lambda t: np.searchsorted([0.0, 1.0], t),
    "shape": np.shape,
    "ndim": np.ndim,
    "size": np.size,
    "zeros_like": np.zeros_like,
    "ones_like": np.ones_like,
    "full_like": lambda t: np.full_like(t, 2),
    "result_type": lambda t: np.result_type(t, np.float32),
}


@pytest.mark.parametrize("name", PLAIN_CALLS)
def test_functions_without_a_derivative_to_speak_of_answer_with_plain_arrays(name):
    t = tracked(2, 3)
    found, expected = PLAIN_CALLS[name](t), PLAIN_CALLS[name](t.data)
    assert type(found) is type(expected)
    np.testing.assert_array_equal(found, expected)


NO_RULE = {
    "np.nextafter.reduce": np.nextafter.reduce,
    "np.floor_divide.accumulate": np.floor_divide.accumulate,
    "np.sort_complex": np.sort_complex,
}


@pytest.mark.parametrize("name", NO_RULE)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_functions_without_a_rule_name_themselves_and_the_way_out(name, requires_grad):
    t = Tensor(np.eye(3), requires_grad=requires_grad)
    with pytest.raises(TypeError) as caught:
        NO_RULE[name](t)
    text = str(caught.value)
    assert text.startswith(f"{name} has no derivative rule")
    advice = ["tinygrad_lite.rules.define", "rules.all()"] if name != "np.sort_complex" else ["write np.sort(x)"]
    assert all(part in text for part in [*advice, ".numpy()"])


def test_results_are_written_into_arrays_where_no_gradient_is_lost():
    t, array = Tensor([1.0, 2.0]), np.zeros(2, np.float32)
    assert np.square(t, out=array) is array
    assert array.tolist() == [1, 4]
    array += t
    assert array.tolist() == [2, 6]
    assert np.sum(t, axis=0, out=np.zeros((), np.float32)).tolist() == 3
    w = tracked(2)
    with tg.no_grad():
        array -= w
    np.testing.assert_allclose(array, [2, 6] - w.data, rtol=1e-6)


def test_results_that_would_lose_their_gradient_are_not_written_into_arrays():
    w, array = tracked(2), np.zeros(2)
    with pytest.raises(TypeError, match=r"np.exp would lose the gradient.*a = a \+ x"):
        np.exp(w, out=array)
    with pytest.raises(TypeError, match=r"np.add would lose the gradient"):
        array += w
    assert (array == 0).all()


def test_nothing_is_written_into_a_tensor_by_out():
    t = Tensor([1.0, 2.0])
    for array in (t, np.ones(2)):
        with pytest.raises(TypeError, match=r"np.exp\(…, out=…\) does not write into a Tensor: write t\[\.\.\.\] ="):
            np.exp(array, out=t)
    assert t.tolist() == [1, 2]


def test_out_none_is_no_out():
    assert np.sum(Tensor([1.0, 2.0]), axis=0, out=None).item() == 3
    assert np.exp(Tensor(0.0), out=None).item() == 1


def test_an_array_from_a_tensor_that_requires_a_gradient_is_refused():
    t = tracked(2)
    for call in (np.asarray, np.array, lambda t: np.zeros(2) + np.asarray(t), lambda t: np.array([t, t])):
        with pytest.raises(TypeError, match=r"lose the gradient.*np.stack.*use \.numpy\(\)"):
            call(t)
    d = t.detach()
    assert np.shares_memory(np.asarray(d), t.data)
    assert not np.shares_memory(np.array(d), t.data)
    assert np.asarray(d, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "array", [np.arange(1.0, 4.0), np.float64(2), np.float32(2), 2, 2.0, np.arange(1.0, 7.0).reshape(2, 3)]
)
@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_operators_with_arrays_and_numbers_on_either_side(array, symbol):
    x = np.array([1.0, 2.0, 0.5])
    f = eval(f"lambda a, b: a {symbol} b")
    for found, expected in ((f(Tensor(x), array), f(x, array)), (f(array, Tensor(x)), f(array, x))):
        assert isinstance(found, Tensor)
        np.testing.assert_allclose(found.numpy(), expected)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "power", "logaddexp"])
def test_numpy_functions_with_the_tensor_on_either_side(name):
    f, x, a = getattr(np, name), np.array([1.0, 2.0]), np.array([[3.0], [0.5]])
    for found, expected in ((f(Tensor(x), a), f(x, a)), (f(a, Tensor(x)), f(a, x)), (f(Tensor(a), Tensor(x)), f(a, x))):
        assert isinstance(found, Tensor)
        np.testing.assert_allclose(found.numpy(), expected)


@pytest.mark.parametrize("other", ["a", None, object(), {}, [None]])
@pytest.mark.parametrize("f", [lambda a, b: a + b, lambda a, b: b * a, lambda a, b: a @ b, lambda a, b: a.maximum(b)])
def test_operands_that_are_no_numbers_are_refused(f, other):
    with pytest.raises(TypeError, match=r"takes numbers, not|unsupported operand|multiply sequence"):
        f(Tensor([1.0]), other)


@pytest.mark.parametrize(
    "f", [lambda t: t @ 2.0, lambda t: 2.0 @ t, lambda t: t @ Tensor(2.0), lambda t: np.matmul(t, 2)]
)
def test_a_matrix_product_with_a_number_says_to_multiply(f):
    with pytest.raises(tg.ShapeError, match=r"matmul of .*0-d operand.*multiply with \*"):
        f(Tensor([1.0, 2.0]))


def test_keyword_names_of_numpy_are_understood():
    x = np.arange(6.0).reshape(2, 3)
    t = Tensor(x)
    assert np.sum(a=t).item() == 15
    assert np.mean(a=t, axis=0).tolist() == x.mean(0).tolist()
    assert np.reshape(t, shape=(3, 2)).shape == (3, 2)
    assert np.clip(t, min=1, max=2).tolist() == x.clip(1, 2).tolist()
    assert np.concatenate((t, t), axis=1).shape == (2, 6)
    assert np.flip(m=t, axis=0).tolist() == x[::-1].tolist()
    assert np.roll(a=t, shift=1).tolist() == np.roll(x, 1).tolist()
    assert np.broadcast_to(array=t, shape=(4, 2, 3)).shape == (4, 2, 3)


X = np.arange(24.0).reshape(4, 3, 2)
INDICES = {
    "number": 1,
    "negative": -1,
    "numpy integer": np.int64(2),
    "slice": slice(1, 3),
    "backwards": slice(None, None, -2),
    "ellipsis": (..., 0),
    "new axis": (None, slice(None), None, 1),
    "several numbers": (1, 2, 0),
    "empty": slice(2, 2),
    "nothing": (),
    "list": [0, 2],
    "list repeated": [1, 1, 1],
    "list empty": [],
    "list of booleans": [True, False, True, False],
    "nested list": [[0, 1], [1, 0]],
    "list beside slice": (slice(None), [0, 0, 2]),
    "lists": ([0, 0, 1], [2, 2, 0]),
    "tuple within": ((0, 0), slice(None)),
    "tuples only": ((0, 0, 3), (1, 1, 2)),
    "array": np.array([3, 3, 0]),
    "uint8 array": np.array([3, 3, 0], np.uint8),
    "2-d array": np.array([[0, 1], [3, 3]]),
    "mask": X > 10,
    "row mask": np.array([True, False, False, True]),
    "mask beside number": (np.array([True, False, False, True]), 1),
    "separated arrays": (np.array([0, 0]), slice(None), np.array([1, 1])),
    "range": range(2),
    "true": True,
}


@pytest.mark.parametrize("name", INDICES)
def test_every_kind_of_index_reads_and_is_differentiated_as_numpy_would(name):
    index = INDICES[name]
    t = Tensor(X, requires_grad=True)
    y = t[index]
    np.testing.assert_array_equal(y.numpy(), X[index])
    weights = np.arange(1.0, y.size + 1).reshape(y.shape)
    (y * weights).sum().backward()
    places = np.arange(X.size).reshape(X.shape)[index]
    gradient = np.bincount(places.ravel(), weights.ravel(), minlength=X.size).reshape(X.shape)
    np.testing.assert_array_equal(t.grad.numpy(), gradient)


@pytest.mark.parametrize(
    "index", [Tensor([0, 0, 2]), Tensor(X > 10), (Tensor([0, 0]), Tensor([1, 1])), [Tensor(0), Tensor(1)]]
)
def test_tensors_as_index(index):
    raw = tuple(i.numpy() for i in index) if isinstance(index, tuple) else np.asarray(index)
    np.testing.assert_array_equal(Tensor(X)[index].numpy(), X[raw])


@quick
@given(data=st.data(), shape=array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
def test_basic_indices_read_as_numpy_would(data, shape):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    index = data.draw(basic_indices(shape, allow_newaxis=True))
    np.testing.assert_array_equal(Tensor(x)[index].numpy(), x[index])
    g = tg.grad(lambda t: t[index].sum())(x)
    expected = np.zeros(shape)
    expected[index] = 1
    np.testing.assert_array_equal(g.numpy(), expected)


@pytest.mark.parametrize("index", [4, (0, 3), [0, 9], "a", 1.0, (0, 0, 0, 0), np.zeros((2, 2), bool)])
def test_an_index_that_does_not_fit_is_an_index_error(index):
    with pytest.raises((IndexError, TypeError)):
        Tensor(X)[index]


def test_a_gradient_belongs_to_the_index_at_the_time_it_was_read():
    index, t = np.array([0, 0]), tracked(3)
    y = t[index].sum()
    index[:] = 2
    y.backward()
    assert t.grad.tolist() == [2, 0, 0]


def test_writing_into_a_constant():
    t = Tensor(np.zeros(3))
    t[0] = 1
    t[1:] = Tensor([2.0, 3.0])
    assert t.tolist() == [1, 2, 3]
    t[[0, 1]] = [5.0, 6.0]
    t[t > 5] = 0
    assert t.tolist() == [5, 0, 3]
    t[0] += 1
    assert t.tolist() == [6, 0, 3]
    scalar = Tensor(1.0)
    scalar[()] = 2
    assert scalar.item() == 2


def test_writing_into_what_takes_part_in_a_graph_is_refused():
    t = tracked(3)
    for target in (t, t * 2):
        with pytest.raises(tg.GraphError, match=r"cannot be written into.*np.where.*no_grad\(\)"):
            target[0] = 1
    with tg.no_grad():
        t[0] = 5
        assert t.data[0] == 5
    y = t * 2
    with pytest.raises(tg.GraphError), tg.no_grad():
        y[0] = 1


def test_a_tracked_value_cannot_be_written_into_a_constant_and_lose_its_gradient():
    t = Tensor(np.zeros(3))
    with pytest.raises((tg.GraphError, TypeError)):
        t[0] = tracked()


def test_data_of_a_larger_type_change_a_parameters_type_with_a_warning():
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(tg.PrecisionWarning, match=r"astype\('float32'\)") as caught:
        w.data = w.data * np.float64(0.5)
    assert caught[0].filename == __file__
    assert w.dtype == np.float64
    w.data = np.array([1.0, 2.0], np.float32)  # a smaller one loses what the user has chosen to lose
    assert w.dtype == np.float32
    net = tg.nn.Linear(2, 1).astype("float64")  # asked for
    assert net.weight.dtype == np.float64


def test_mixing_precisions_warns_at_the_callers_line_and_takes_the_larger():
    a, b = Tensor([1.0]), Tensor(np.array([2.0]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        y = a + b
    (warning,) = caught
    assert y.dtype == np.float64
    assert warning.category is tg.PrecisionWarning
    assert warning.filename == __file__
    source = __import__("linecache").getline(__file__, warning.lineno)
    assert "y = a + b" in source
    assert "float32 and float64" in str(warning.message)
    assert ".astype()" in str(warning.message)


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a @ b,
        lambda a, b: np.concatenate([a, b]),
        lambda a, b: np.where(np.array([True, False]), a, b),
        lambda a, b: np.einsum("i,i", a, b),
        lambda a, b: np.stack([a, b]),
        lambda a, b: a.maximum(b),
        lambda a, b: b**a,
        lambda a, b: tg.nn.functional.squared_loss(a, b),
        lambda a, b: tg.nn.Linear(2, 2)(b) + a,
    ],
)
def test_every_way_of_mixing_warns_here(f):
    with pytest.warns(tg.PrecisionWarning) as caught:
        f(Tensor([1.0, 2.0]), Tensor(np.array([1.0, 2.0])))
    assert {warning.filename for warning in caught} == {__file__}


def test_gradients_of_mixed_precisions_have_each_their_inputs_type():
    a, b = Tensor([1.0], requires_grad=True), Tensor(np.array([2.0]), requires_grad=True)
    with pytest.warns(tg.PrecisionWarning):
        (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


@pytest.mark.parametrize("other", [2, 2.0, np.float64(2), np.array([2.0]), np.array([2]), Tensor([2]), True, [2.0]])
@pytest.mark.parametrize("f", [lambda a, b: a * b, lambda a, b: a - b, lambda a, b: b / a, lambda a, b: a**b])
def test_float32_beside_anything_but_float64_tensors_stays_float32_without_a_warning(f, other):
    t = Tensor([1.0], requires_grad=True)
    y = f(t, other)
    assert y.dtype == np.float32
    y.sum().backward()
    assert t.grad.dtype == np.float32


def test_astype():
    t = Tensor([1.5, 2.5], requires_grad=True)
    y = t.astype(np.float64)
    assert y.dtype == np.float64
    y.sum().backward()
    assert t.grad.dtype == np.float32
    whole = t.astype(int)
    assert whole.tolist() == [1, 2]
    assert not whole.requires_grad
    assert t.astype(np.float32, copy=False) is t
    assert not np.shares_memory(t.copy().data, t.data)
    assert t.copy().requires_grad


shapes = array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4)
SMOOTH = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": np.square,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "abs": np.abs,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "flatten": np.ravel,
    "ravel": np.ravel,
    "cumsum": np.cumsum,
    "copy": np.array,
    "squeeze": np.squeeze,
    "transpose": np.transpose,
    "logsumexp": lambda x: np.log(np.exp(x).sum()),
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "var": np.var,
    "std": np.std,
}


@quick
@given(shape=shapes, seed=st.integers(0, 9))
@pytest.mark.parametrize("name", SMOOTH)
def test_methods_without_arguments_equal_numpy(name, shape, seed):
    x = np.random.default_rng(seed).uniform(0.5, 2, shape)
    y = getattr(Tensor(x), name)()
    assert isinstance(y, Tensor)
    assert y.shape == np.shape(SMOOTH[name](x))
    np.testing.assert_allclose(y.numpy(), SMOOTH[name](x), rtol=1e-12, atol=1e-14)


@quick
@given(shape=array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), data=st.data())
def test_methods_with_an_axis_equal_numpy(shape, data):
    x = np.random.default_rng(len(shape)).normal(size=shape)
    t, n = Tensor(x), len(shape)
    axis = data.draw(st.integers(-n, n - 1))
    e = np.exp(x)
    pairs = [
        (t.softmax(axis), e / e.sum(axis, keepdims=True)),
        (t.log_softmax(axis), np.log(e / e.sum(axis, keepdims=True))),
        (t.logsumexp(axis, keepdims=True), np.log(e.sum(axis, keepdims=True))),
        (t.logsumexp(axis), np.log(e.sum(axis))),
        (t.cumsum(axis), x.cumsum(axis)),
        (t.swapaxes(axis, 0), x.swapaxes(axis, 0)),
        (t.expand_dims(axis), np.expand_dims(x, axis)),
        (t.sum(axis, True), x.sum(axis, keepdims=True)),
        (t.var(axis), x.var(axis)),
        (t.reshape(-1), x.reshape(-1)),
        (t.reshape(*shape[::-1]), x.reshape(*shape[::-1])),
        (t.reshape(list(shape)), x.reshape(shape)),
        (t.transpose(tuple(range(n))), x),
        (t.T, x.T),
        (t.clip(-0.5, 0.5), x.clip(-0.5, 0.5)),
        (t.clip(max=0.5), x.clip(max=0.5)),
        (t.maximum(0.1), np.maximum(x, 0.1)),
        (t.minimum(x[::-1]), np.minimum(x, x[::-1])),
        (t.broadcast_to((2, *shape)), np.broadcast_to(x, (2, *shape))),
        (-t, -x),
        (+t, x),
        (abs(t), abs(x)),
    ]
    for found, expected in pairs:
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11, atol=1e-12)
    if n >= 2:
        np.testing.assert_array_equal(t.mT.numpy(), x.mT)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_mT_of_fewer_than_two_axes_is_refused(shape):
    with pytest.raises(tg.ShapeError, match=r"last two axes.*" + str(shape).replace("(", r"\(").replace(")", r"\)")):
        _ = Tensor(np.zeros(shape)).mT


def test_shapes_may_be_numpy_integers():
    t = Tensor(np.arange(6.0))
    assert t.reshape(np.prod((2, 3))).shape == (6,)
    assert t.reshape(np.int64(2), np.int64(3)).shape == (2, 3)
    assert np.reshape(t, np.int64(6)).shape == (6,)
    assert t.broadcast_to(np.shape(t)).shape == (6,)


@pytest.mark.parametrize("value", [2, [1, 2]])
def test_division_of_whole_numbers_has_the_default_dtype(value):
    assert (Tensor(value) / 2).dtype == np.float32
    assert (Tensor(value) * 0.5).dtype == np.float32
    assert Tensor(value).mean().dtype == np.float32
    for number in (0.5, np.float64(0.5), np.float32(0.5)):
        for f in (lambda t, s: t * s, lambda t, s: s * t, lambda t, s: np.sin(s) * t):
            assert f(Tensor(value), number).dtype == tg.jit(f)(Tensor(value), number).dtype == np.float32
    assert (Tensor(value) * Tensor(0.5, dtype="float64")).dtype == np.float64


@pytest.mark.parametrize("data", [[1.0, 2.0], [1, 2], [True, False]])
def test_plus_gives_an_array_of_its_own(data):
    x = Tensor(data)
    y = +x
    y[0] = 0
    assert x.tolist() == data


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("compiled", [False, True])
def test_whole_numbers_are_converted_to_the_type_asked_for(dtype, compiled):
    def convert(t):
        return t.astype(dtype)

    y = (tg.jit(convert) if compiled else convert)(Tensor([1, 2]))
    assert y.dtype == dtype
    assert y.tolist() == [1, 2]


def test_importing_the_library_leaves_numpy_as_it_was():
    code = "import numpy as np; a = np.geterr(), np.get_printoptions(); import tinygrad_lite; "
    code += "assert (np.geterr(), np.get_printoptions()) == a"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_leaves_can_be_copied_and_pickled_and_results_say_to_detach(again):
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    z = again(x)
    assert (z.name, z.tolist(), z.requires_grad) == ("x", [1, 2], True)
    with pytest.raises(TypeError, match=r"computed by multiply.*\.detach\(\)"):
        again(x * 2)
    assert again((x * 2).detach()).tolist() == [2, 4]


def test_a_tensor_of_several_elements_is_neither_true_nor_false():
    with pytest.raises(ValueError, match=r"shape \(2,\) is neither true nor false: use np.any"):
        bool(Tensor([1.0, 2.0]))


ANSWERS = {
    "in": lambda t, others: t in others,
    "index": lambda t, others: others.index(t),
    "remove": lambda t, others: others.remove(t),
    "count": lambda t, others: others.count(t),
    "if": lambda t, others: 1 if t == others[0] else 0,
    "unless": lambda t, others: 1 if t != others[0] else 0,
    "order": lambda t, others: max(t, others[0]),
    "chain": lambda t, others: others[0] <= t <= others[0],
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_where_one_answer_is_wanted_of_a_comparison_the_error_says_what_to_write(compiled, name):
    call = tg.jit(ANSWERS[name]) if compiled else ANSWERS[name]
    error = tg.JitError if compiled else ValueError
    for other in (Tensor([1.0, 2.0]), np.array([1.0, 2.0])):
        with pytest.raises(error, match=r"any\(x is t for x in list\)"):
            call(Tensor([1.0, 3.0]), [other])


def test_the_error_about_a_comparison_names_its_shape_and_what_gives_one_answer():
    with pytest.raises(ValueError, match=r"of shape \(0, 2\) has no single answer: write \(a == b\)\.all\(\)"):
        bool(Tensor(np.zeros((0, 2))) == 1)
    with pytest.raises(tg.ShapeError, match=r"np\.equal of \(3,\) and \(2,\): axis -1 has length 2 and 3") as caught:
        Tensor([1.0, 2.0]) in [Tensor([1.0, 2.0, 3.0])]  # noqa: B015
    assert "any(x is t for x in list)" in caught.value.__notes__[0]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_a_list_finds_a_tensor_that_comes_first_by_what_it_is(compiled):
    find = tg.jit(lambda t, u: (t in [t, u], [t, u].index(t))) if compiled else lambda t, u: (t in [t, u], 0)
    assert find(Tensor([1.0, 2.0]), Tensor([1.0, 2.0])) == (True, 0)


def test_a_comparison_of_one_element_is_an_answer_and_a_tensor_holds_values():
    one = Tensor([[1.0]])
    assert one in [Tensor([[1.0]])]
    assert one != 2
    assert bool(one < 2) is True
    t = Tensor([[1.0, 2.0]])
    assert t in t
    assert 2 in t
    assert 3 not in t
    assert Tensor([5.0, 2.0]) in t  # where any element is equal, as in NumPy


def test_what_is_computed_from_a_comparison_is_a_plain_array():
    x = Tensor([[1.0, -2.0]])
    mask = x > 0
    assert isinstance(mask, np.ndarray)
    assert repr(mask) == "array([[ True, False]])"
    for y in (
        ~mask,
        mask & mask,
        mask.astype("float32"),
        mask * 2,
        mask.sum(axis=1),
        np.where(mask, 1, 0),
        mask == mask,
    ):
        assert type(y) is np.ndarray
    assert type(mask.sum()) is np.int64
    for made in (Tensor(mask), x * mask, mask * x, x + mask, x @ mask.T, np.where(mask, x, 0), x[mask], Tensor([mask])):
        assert type(made.data) is np.ndarray
    for again in (pickle.loads(pickle.dumps(mask)), copy.deepcopy(mask)):
        np.testing.assert_array_equal(again, mask)
    assert type(x.data > 0) is np.ndarray


def test_a_comparison_is_an_array_to_jit():
    x = Tensor([1.0, -2.0])
    mask = x > 0
    call = tg.jit(lambda x, m: (x * m * mask, x > 0, m & (x > 1)))
    for m in (mask, mask, np.array([True, True])):
        y, more, fewer = call(x, m)
        assert y.tolist() == [1, 0]
        assert more.tolist() == [True, False]
        assert fewer.tolist() == [False, False]
    mask[:] = True
    assert call(x, np.array([True, True]))[0].tolist() == [1, -2]


@pytest.mark.filterwarnings("ignore::tinygrad_lite.GradientWarning")
@pytest.mark.parametrize("make", [lambda w: w, lambda w: 2 * w], ids=["leaf", "result"])
def test_who_plots_a_tensor_that_requires_a_gradient_is_told_what_to_plot(make):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, axes = pyplot.subplots()
    with pytest.raises(TypeError, match=r"plot \.numpy\(\)"):
        axes.plot(make(Tensor([1.0, 2.0], requires_grad=True)))
    pyplot.close(figure)


def test_a_tensor_may_be_a_parameter_of_a_numpy_function_on_arrays():
    assert np.where(Tensor([0.0, 1.0]), 1.0, 2.0).tolist() == [2, 1]
    assert np.where(Tensor(np.array([True, False])), np.ones(2), np.zeros(2)).tolist() == [1, 0]
    assert np.clip(np.ones(2), 0.0, Tensor(0.5)).tolist() == [0.5, 0.5]
    assert np.clip(np.ones(2), 0.0, Tensor(0.5, requires_grad=True)).requires_grad


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool", "int16", "int64"])
@pytest.mark.parametrize("jit", [False, True])
def test_functions_of_whole_numbers_are_computed_in_the_default_dtype(dtype, jit):
    x = np.array([1, 7, 10]).astype(dtype)
    functions = [np.exp, np.log2, np.sqrt, np.tanh, lambda t: t.mean(), np.log10]
    if dtype != "bool":
        functions.append(lambda t: t.softmax())
    for f in functions:
        with np.errstate(all="ignore"):  # of NumPy's coarse result, which is computed again
            found = (tg.jit(f) if jit else f)(Tensor(x))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.data, f(Tensor(x.astype(np.float64))).data, rtol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
def test_whole_numbers_take_on_the_floating_type_of_arrays(jit):
    for whole in (Tensor(2), Tensor([1, 2])):
        for dtype in (np.float32, np.float64):
            f = lambda t, a: t * a + t // 1  # noqa: E731
            assert (tg.jit(f) if jit else f)(whole, np.ones(2, dtype)).dtype == dtype
    mask = Tensor([True, False])
    f = lambda m: np.where(m, 1.0, 2.0)  # noqa: E731
    assert (tg.jit(f) if jit else f)(mask).dtype == np.float32
    f = lambda t: t // 2.5  # noqa: E731
    assert (tg.jit(f) if jit else f)(Tensor([1, 7])).dtype == np.float32
