"""What is read before a change, and what shows the memory of something else, is what it is eagerly, or refused."""

import copy
import functools
import types

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.nn.functional import cross_entropy

X, Y = np.random.default_rng(0).random((3, 3)), np.random.default_rng(1).random((3, 3))


def read_again(x):
    y = x * 2
    row = y[x[:, 0].argmax()]
    z = x + 1
    z = z * z
    return row * np.exp(-z)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x * 2)[x[:, 0].argmax()],
        lambda x: np.einsum("ij->ji", x * 2),
        lambda x: np.einsum("ii->i", x * 2),
        lambda x: np.diff(x * 2, n=0),
        lambda x: np.take(x * 2, np.array(1), axis=0),
        lambda x: x.copy().reshape(-1).reshape(3, 3) * 2,
        lambda x: x.copy().T.T * 2,
        lambda x: x.sum().sum(axis=-1),
        lambda x: np.full_like(x, x[0]) * 2,
        lambda x: x * (np.array([[1.0, -0.0], [0.0, 1.0]]) / 1.0).sum() + np.array([125, 126, 127], np.int8).sum(),
        read_again,
    ],
)
def test_results_are_right_and_stay_so(f):
    jitted = tg.jit(f)
    first = jitted(X)
    np.testing.assert_array_equal(first, f(X))
    kept = np.array(first)
    np.testing.assert_array_equal(jitted(Y), f(Y))
    np.testing.assert_array_equal(first, kept)


def swap(held):
    held["a"], held["b"] = held["b"], held["a"]


def shift(held):
    held["b"] = held["a"]
    held["a"] = held["a"] * 2


def shift_and_tell(held):
    old = held["a"]
    held["a"] = held["a"] * 2
    return old


@pytest.mark.parametrize("f", [swap, shift, shift_and_tell])
def test_what_stood_there_before_is_kept_or_returned_as_it_was(f):
    mine, plain = ({"a": np.ones(2), "b": np.zeros(2)} for _ in range(2))
    jitted = tg.jit(lambda: f(mine))
    for _ in range(3):
        a, b = jitted(), f(plain)
        np.testing.assert_equal(a, b)
        np.testing.assert_equal(mine, plain)


def test_the_old_data_of_a_tensor_and_the_old_rate_of_an_optimizer_are_returned():
    def replaced(t):
        old = t.data
        t.data = t.data * 2
        return old

    np.testing.assert_array_equal(tg.jit(replaced)(tg.Tensor(np.ones(2))), [1, 1])
    optimizer = tg.optim.SGD([tg.Tensor(1.0, requires_grad=True)], 0.5)

    def halved():
        old = optimizer.lr
        optimizer.lr *= 0.5
        return old

    assert [tg.jit(halved)(), tg.jit(halved)(), optimizer.lr] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize("view", [lambda x: x.T, lambda x: x[0], lambda x: x.reshape(-1)])
def test_a_view_from_before_a_change_is_refused(view):
    def f(x):
        y = view(x)
        x *= 2
        return y

    with pytest.raises(tg.JitError, match="a view is read after the array it shows was changed"):
        tg.jit(f)(X.copy())


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_reshape_that_may_show_its_array_is_not_written_into(order):
    def f(x):
        y = x.reshape(-1)
        y[0] = 5

    with pytest.raises(tg.JitError, match="a view of an array is changed"):
        tg.jit(f)(np.ones((2, 2), order=order))


@pytest.mark.parametrize(
    "make",
    [
        lambda p: tg.optim.Adam([p], 0.1),
        lambda p: tg.optim.AdamW([p], 0.1),
        lambda p: tg.optim.SGD([p], 0.1, momentum=0.9, weight_decay=0.1),
    ],
)
def test_parameters_of_one_element_are_trained_alike_whatever_their_shape(make):
    reached = []
    for shape in ((), (1,)):
        for compiled in (False, True):
            p = tg.Tensor(np.full(shape, 0.5, np.float32), requires_grad=True)
            optimizer = make(p)

            def step(p=p, optimizer=optimizer):
                optimizer.zero_grad()
                (p * p).sum().backward()
                optimizer.step()

            step = tg.jit(step) if compiled else step
            for _ in range(5):
                step()
            reached.append(p.numpy().ravel()[0])
    np.testing.assert_allclose(reached, reached[0], rtol=1e-6)


@pytest.mark.parametrize("other", [np.array([[1], [2]], np.float32), np.array([[True], [False]]), np.array([[1], [2]])])
def test_a_factor_keeps_the_precision_of_what_it_multiplies(other):
    def f(lr, a, b):
        return lr * (a * b)

    b = np.ones((2, 3))
    np.testing.assert_array_equal(tg.jit(f)(0.1, other, b), f(0.1, other, b))


def test_counts_make_a_program_each():
    repeated = tg.jit(lambda x, n: np.repeat(x, n) * 2.0)
    for n in (3, 1):
        np.testing.assert_array_equal(repeated(np.ones(1), np.int64(n)), np.full(n, 2.0))
    with pytest.raises(tg.JitError, match="with computed counts"):
        tg.jit(lambda x, n: np.repeat(x, n))(np.ones(2), np.array([1, 2]))


def test_arrays_that_share_memory_from_a_later_call_on_are_noticed():
    held = {"a": np.arange(4.0), "b": np.ones(4)}

    def f():
        before = held["b"] * 3
        held["a"] *= 2
        return (before + held["b"] * 3).sum()

    jitted = tg.jit(f)
    jitted()
    held["b"] = held["a"][::-1]
    with pytest.raises(tg.JitError, match=r"b shares its memory with held\.a"):
        jitted()


def test_arrays_changed_in_place_may_be_replaced_between_calls():
    held = {"a": np.arange(4.0), "b": np.arange(4.0)}

    def f(x):
        held["a"] += x
        held["b"] -= x
        return (x * 2).sum()

    jitted = tg.jit(f)
    jitted(np.ones(4))
    before = held["a"]
    held["a"] = np.zeros(8)[::2]
    assert jitted(before) == 2 * before.sum()  # it is no longer the one that is changed
    np.testing.assert_array_equal(held["a"], before)
    for x in (held["a"].base[:4], held["b"][::-1]):
        with pytest.raises(tg.JitError, match="shares its memory with"):
            jitted(x)
    held["b"] = held["a"].base[1::2]  # between the elements of the other one, in one memory
    with pytest.raises(tg.JitError, match=r"b shares its memory with held\.a"):
        jitted(np.ones(4))


def test_arguments_that_are_only_read_may_share_memory():
    total, rows = np.zeros(3), np.arange(8.0)

    def f(x, y):
        total[...] += x * y
        return total.sum()

    jitted = tg.jit(f)
    for start in (0, 4):
        x, y = rows[start : start + 3], rows[start + 1 : start + 4]
        expected = (total + x * y).sum()
        assert jitted(x, y) == expected
    assert len(jitted.programs) == 1


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_order_are_written_into(order):
    rng, target = np.random.default_rng(0), np.zeros((3, 2), order=order)

    def drawn(x):
        np.multiply(rng.standard_normal((3, 2)), x, out=target)

    tg.jit(drawn)(2.0)
    np.testing.assert_array_equal(target, np.random.default_rng(0).standard_normal((3, 2)) * 2)

    def product(w, x):
        np.multiply(x @ x, 0.5, out=w)

    w = np.ones((3, 3), order=order)
    tg.jit(product)(w, X)
    np.testing.assert_array_equal(w, X @ X * 0.5)


def test_a_check_that_fails_leaves_everything_as_it_was():
    total, logits = np.ones(3), tg.Tensor(np.zeros((1, 3)))

    def f(labels):
        scaled = total * 0.9
        loss = cross_entropy(logits, labels)
        np.add(scaled, 1, out=total)
        return loss

    jitted = tg.jit(f)
    jitted(np.array([0]))
    with pytest.raises(ValueError, match="none of the 3 classes"):
        jitted(np.array([9]))
    np.testing.assert_array_equal(total, np.full(3, 1.9))


def test_a_generator_of_the_old_kind_draws_as_ever():
    jitted = tg.jit(lambda rng, x: x + rng.random(3))
    np.testing.assert_array_equal(jitted(np.random.RandomState(0), np.ones(3)), 1 + np.random.RandomState(0).random(3))
    one, other = np.random.RandomState(0), np.random.RandomState(0)  # which computes two normal numbers at a time
    normal = tg.jit(lambda x: x + one.standard_normal())
    np.testing.assert_array_equal([normal(0.0) for _ in range(3)], other.standard_normal(3))


def test_what_is_written_into_an_array_made_inside_by_position_is_refused():
    with pytest.raises(tg.JitError, match="an array that jit does not know"):
        tg.jit(lambda i, x: np.add.at(np.zeros(3), i, x))(np.array([0]), np.ones(1))


def test_a_read_only_view_stays_read_only():
    def f(t):
        n = t.numpy()
        n += 1

    with pytest.raises(ValueError, match="read-only"):
        tg.jit(f)(tg.Tensor(np.ones(2)))


def test_a_list_that_is_returned_is_the_one_that_was_given():
    given = [np.ones(2)]
    assert tg.jit(lambda x: x)(given) is given


def test_a_model_that_keeps_a_jitted_function_can_be_copied():
    class Net(tg.nn.Module):
        def __init__(self):
            self.layer = tg.nn.Linear(2, 2, rng=0)
            self.fast = tg.jit(self.forward)

        def forward(self, x):
            return self.layer(x)

    net = Net()
    net.fast(np.ones((1, 2), np.float32))
    other = copy.deepcopy(net)
    other.layer.weight.data *= 2
    assert not np.array_equal(other.fast(np.ones((1, 2), np.float32)).data, net.fast(np.ones((1, 2), np.float32)).data)


def test_training_and_evaluation_make_a_program_each():
    net = tg.nn.Sequential(tg.nn.Linear(2, 2, rng=0), tg.nn.Dropout(0.5, rng=1))
    jitted = tg.jit(lambda x: net(x))
    for _ in range(3):
        jitted(np.ones((1, 2), np.float32))
        net.eval()
        jitted(np.ones((1, 2), np.float32))
        net.train()
    assert len(jitted.programs) == 2


@pytest.mark.parametrize("rows", [0, 2])
def test_a_broadcast_array_is_not_written_into(rows):
    def f(x):
        shown = np.broadcast_to(x, (2, rows, 3))
        shown[..., :2] = 1.0
        return x

    with pytest.raises(ValueError, match="read-only"):
        f(np.zeros((rows, 3)))
    with pytest.raises((ValueError, tg.JitError), match=r"read-only|view of an array"):
        tg.jit(f)(np.zeros((rows, 3)))


def test_a_tensor_is_given_the_name_that_the_function_gives_it():
    t = tg.Tensor([1.0], name="a")

    def f(x):
        t.name = "b"
        return x * 2

    jitted = tg.jit(f)
    for x in (1.0, 2.0):
        assert jitted(x) == x * 2
        assert t.name == "b"


def test_an_attribute_that_a_partial_of_getattr_reads_is_followed():
    held = types.SimpleNamespace(scale_a=2.0)
    read = functools.partial(getattr, held)
    jitted = tg.jit(lambda x: x * read("scale_" + "abc"[:1]))
    for scale in (2.0, 3.0):
        held.scale_a = scale
        np.testing.assert_array_equal(jitted(np.ones(2)), np.full(2, scale))


def test_a_list_among_the_arguments_counts_as_it_was_in_the_call():
    def rolled(x):
        shift = [1]
        y = np.roll(x, shift, axis=(0,))
        shift[0] = 0
        return y

    def drawn(x, rng):
        choices = [1, 2, 3]
        y = x * rng.choice(choices, size=3)
        choices[:] = [0, 0, 0]
        return y

    x = np.arange(3.0)
    assert np.array_equal(tg.jit(rolled)(x), rolled(x))
    expected = drawn(x, np.random.default_rng(0))
    assert np.array_equal(tg.jit(drawn)(x, np.random.default_rng(0)), expected)


def test_the_size_of_a_draw_may_be_a_number_that_changes():
    scope = {"size": 3}  # a global with the name of a method, so that it may be meant or not
    exec("def drawn(x, rng): return rng.random(size=(size, 2)).sum() / size + x", scope)
    x, drawn = np.arange(3.0), scope["drawn"]
    jitted = tg.jit(drawn)
    for n in (3, 5, 3):
        scope["size"] = n
        expected = drawn(x, np.random.default_rng(n))
        assert np.array_equal(jitted(x, np.random.default_rng(n)), expected)
