"""Whatever a jitted function reads or writes besides its arguments: each call does what the plain function would do."""

import argparse
import collections
import contextvars
import copy
import dataclasses
import enum
import functools
import gc
import itertools
import linecache
import math
import sys
import tracemalloc
import types
import weakref

import numpy as np
import pytest

import tinygrad_lite as tg

X = np.array([1.0, 2.0, 3.0])
BATCH = np.random.default_rng(0).random((6, 3)).astype(np.float32)

A_FLOAT, AN_INT, A_BOOL, A_STRING = 2.0, 2, True, "plus"
A_LIST, A_DICT, A_SET, A_TUPLE = [2.0, 1], {"scale": 2.0}, {1}, (2.0, [3.0])
AN_ARRAY = np.array([1.0, 5.0, 2.0])
VARIABLE = contextvars.ContextVar("VARIABLE", default=2.0)


def same(a, b):
    """Return whether two results are of the same kind and value, all through."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tg.Tensor):
        return same(a.data, b.data) and (a.grad is None) == (b.grad is None)
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(map(same, a, b))
    if dataclasses.is_dataclass(a) or isinstance(a, types.SimpleNamespace):
        return same(vars(a), vars(b))
    return a == b


def close(a, b):
    """Return whether arrays, or lists of them, agree but for rounding."""
    return all(np.allclose(x, y, rtol=1e-5, atol=1e-6) for x, y in zip(a, b, strict=True))


# What is read: each function returns a function of an array, and what changes something that it reads.


class Mode(enum.Enum):
    UP = 1
    DOWN = -1


@dataclasses.dataclass
class Options:
    scale: float = 2.0
    flags: list = dataclasses.field(default_factory=lambda: [1])


class Plain:
    pass


class Scaled:
    def __init__(self, scale):
        self.scale = scale

    def __get__(self, instance, owner):
        return self.scale

    def __set__(self, instance, value):
        raise AttributeError


class Slotted:
    __slots__ = ("scale",)


class Private:
    __slots__ = ("__scale",)

    def __init__(self, scale):
        self.set(scale)

    def set(self, scale):
        self.__scale = scale

    def times(self, x):
        return x * self.__scale


def helper_of_helper(x):
    return x * A_FLOAT


def helper(x):
    return helper_of_helper(x) + 1


def of_global(name, value, f):
    return lambda patch: (f, lambda: patch.setitem(globals(), name, value))


def of_object(make, read, change):
    def place(patch):
        held = make()
        return lambda x: read(x, held), lambda: change(held)

    return place


def of_class(body, read, change):
    def place(patch):
        cls = type("Local", (), dict(body))
        instance = cls()
        return lambda x: read(x, instance), lambda: change(cls)

    return place


def set_in(name, value):
    return lambda held: setattr(held, name, value)


def put(key, value):
    return lambda held: held.__setitem__(key, value)


def nonlocal_name(patch):
    scale = 2.0

    def change():
        nonlocal scale
        scale = 3.0

    return lambda x: x * scale, change


def default_list(patch):
    scales = [2.0]

    def f(x, scales=scales):
        return x * scales[0]

    return f, lambda: put(0, 3.0)(scales)


def default_array(patch):
    weights = np.ones(3)

    def f(x, weights=weights):
        return x * weights

    return f, lambda: weights.fill(3.0)


def keyword_only_default_replaced(patch):
    def f(x, *, scale=2.0):
        return x * scale

    return f, lambda: f.__kwdefaults__.update(scale=3.0)


def defaults_replaced(patch):
    def inner(x, scale=2.0):
        return x * scale

    return lambda x: inner(x), lambda: setattr(inner, "__defaults__", (3.0,))


def partial_of_a_dict(patch):
    options = {"scale": 2.0}
    return functools.partial(lambda options, x: x * options["scale"], options), lambda: put("scale", 3.0)(options)


def partial_of_an_array(patch):
    weights = np.ones(3)
    return functools.partial(lambda weights, x: x * weights, weights), lambda: weights.fill(3.0)


def partial_by_keyword(patch):
    weights = np.ones(3)
    return functools.partial(lambda x, weights: x * weights, weights=weights), lambda: weights.fill(3.0)


def function_redefined(patch):
    return lambda x: helper(x), lambda: patch.setitem(globals(), "helper", lambda x: x - 1)


def code_replaced_by_a_reload(patch):
    def inner(x):
        return x * 2

    return lambda x: inner(x), lambda: setattr(inner, "__code__", (lambda x: x * 3).__code__)


def method_redefined(patch):
    class Layer:
        def scale(self):
            return 2.0

    layer = Layer()
    return lambda x: x * layer.scale(), lambda: setattr(Layer, "scale", lambda self: 3.0)


def method_overridden_in_a_subclass(patch):
    class Layer:
        def scale(self):
            return 2.0

    class Inner(Layer):
        pass

    layer = Inner()
    return lambda x: x * layer.scale(), lambda: setattr(Inner, "scale", lambda self: 3.0)


def property_that_reads_a_list(patch):
    class Layer:
        scales = [2.0]  # noqa: RUF012

        @property
        def scale(self):
            return self.scales[0]

    layer = Layer()
    return lambda x: x * layer.scale, lambda: put(0, 3.0)(Layer.scales)


def attribute_of_a_module_subclass(patch):
    class Net(tg.nn.Module):
        def __init__(self):
            self.temperature = 2.0

        def forward(self, x):
            return x / self.temperature

    net = Net()
    return net, lambda: setattr(net, "temperature", 4.0)


def module_of_the_users(patch):
    module = types.ModuleType("module_of_the_users")
    exec("scale = 2.0\ndef times(x):\n    return x * scale", vars(module))
    patch.setitem(globals(), "users", module)
    return lambda x: users.times(x) + users.scale, lambda: setattr(module, "scale", 3.0)  # noqa: F821


def module_imported_inside(patch):
    module = types.ModuleType("module_imported_inside")
    module.scale = 2.0
    patch.setitem(sys.modules, "module_imported_inside", module)

    def f(x):
        import module_imported_inside

        return x * module_imported_inside.scale

    return f, lambda: setattr(module, "scale", 3.0)


def module_in_a_closure(patch):
    module = types.ModuleType("module_in_a_closure")
    module.scale = 2.0
    return lambda x: x * module.scale, lambda: setattr(module, "scale", 3.0)


def builtin_shadowed(patch):
    return lambda x: x * abs(-2), lambda: patch.setitem(globals(), "abs", lambda x: 5)


def callbacks_in_a_list(patch):
    callbacks = [lambda x: x * 2, lambda x: x + 1]

    def f(x):
        for callback in callbacks:
            x = callback(x)
        return x

    return f, lambda: put(1, lambda x: x - 1)(callbacks)


def object_in_a_list_of_an_object(patch):
    outer, inner = Plain(), Plain()
    inner.scale, outer.parts = 2.0, [inner]
    return lambda x: x * outer.parts[0].scale, lambda: setattr(inner, "scale", 3.0)


def context_variable(patch):
    token = VARIABLE.set(2.0)
    VARIABLE.reset(token)
    return lambda x: x * VARIABLE.get(), lambda: VARIABLE.set(3.0)


def list_in_a_context_variable(patch):
    variable = contextvars.ContextVar("variable", default=(scales := [2.0]))
    return lambda x: x * variable.get()[0], lambda: put(0, 3.0)(scales)


def array_in_a_context_variable(patch):
    variable = contextvars.ContextVar("variable", default=(weights := np.ones(3)))
    return lambda x: x * variable.get(), lambda: weights.fill(3.0)


def context_variable_that_is_none(patch):
    variable = contextvars.ContextVar("variable", default=None)
    return lambda x: x * (variable.get() or 2.0), lambda: variable.set(3.0)


def context_variable_unset(patch):
    variable = contextvars.ContextVar("variable")
    return lambda x: x * variable.get(2.0), lambda: variable.set(3.0)


def default_dtype(patch):
    def change():
        tg.set_default_dtype("float64")

    return lambda x: tg.Tensor([2.0, 1.0]).data, change


def by_order_of_a_dictionary(patch):
    parts = {"a": np.ones(1), "b": np.zeros(1)}
    return lambda x: np.concatenate([*parts.values(), x]), lambda: parts.update(a=parts.pop("a"))


Named = collections.namedtuple("Named", "weights")


class Derived(list):
    pass


READS = {
    "a global float": of_global("A_FLOAT", 3.0, lambda x: x * A_FLOAT),
    "a global float that becomes an int": of_global("A_FLOAT", 2, lambda x: x.astype(int) * A_FLOAT),
    "a global int": of_global("AN_INT", 3, lambda x: x[:AN_INT]),
    "a global bool": of_global("A_BOOL", False, lambda x: x if A_BOOL else -x),
    "a global string": of_global("A_STRING", "minus", lambda x: x if A_STRING == "plus" else -x),
    "a global list replaced": of_global("A_LIST", [3.0, 1], lambda x: x * A_LIST[0]),
    "a global dict replaced": of_global("A_DICT", {"scale": 3.0}, lambda x: x * A_DICT["scale"]),
    "a global tuple": of_global("A_TUPLE", (2.0, [4.0]), lambda x: x * A_TUPLE[0] * A_TUPLE[1][0]),
    "a global array replaced": of_global("AN_ARRAY", np.zeros(3), lambda x: x * AN_ARRAY),
    "a global array of another type": of_global("AN_ARRAY", np.array([1, 2, 3]), lambda x: x.astype(int) * AN_ARRAY),
    "a global set": lambda patch: (
        lambda x: x if 2 in A_SET else -x,
        lambda: patch.setitem(globals(), "A_SET", {1, 2}),
    ),
    "a global read by the helper of a helper": of_global("A_FLOAT", 3.0, helper),
    "a nonlocal name": nonlocal_name,
    "a list in a closure": of_object(lambda: [2.0], lambda x, held: x * held[0], put(0, 3.0)),
    "a number in a list that changes its type": of_object(
        lambda: [2], lambda x, held: x.astype(int) * held[0], put(0, 2.0)
    ),
    "a bool in a list that becomes an int": of_object(
        lambda: [True], lambda x, held: x if held[0] is True else -x, put(0, 1)
    ),
    "a number in a dict that changes its type": of_object(
        lambda: {"n": 2}, lambda x, held: x.astype(int) * held["n"], put("n", 2.0)
    ),
    "a list that grows": of_object(lambda: [2.0], lambda x, held: x * sum(held), lambda held: held.append(1.0)),
    "a dict in a closure": of_object(lambda: {"s": 2.0}, lambda x, held: x * held["s"], put("s", 3.0)),
    "a dict that grows": of_object(lambda: {}, lambda x, held: x * held.get("s", 2.0), put("s", 3.0)),
    "the order of a dict": by_order_of_a_dictionary,
    "an array in a closure": of_object(lambda: np.ones(3), lambda x, held: x * held, put(slice(None), 3.0)),
    "an array in a dict of lists": of_object(
        lambda: {"a": [np.ones(3)]}, lambda x, held: x * held["a"][0], lambda held: put(slice(None), 3.0)(held["a"][0])
    ),
    "an attribute": of_object(Options, lambda x, held: x * held.scale, set_in("scale", 3.0)),
    "a list of a dataclass": of_object(Options, lambda x, held: x * len(held.flags), lambda held: held.flags.append(2)),
    "an attribute that hides the class's": of_class(
        {"scale": 2.0}, lambda x, held: x * held.scale, set_in("scale", 3.0)
    ),
    "a list of a class": of_class(
        {"scales": [2.0]}, lambda x, held: x * held.scales[0], lambda cls: put(0, 3.0)(cls.scales)
    ),
    "an array of a class": of_class(
        {"weights": np.ones(3)}, lambda x, held: x * held.weights, lambda cls: put(slice(None), 3.0)(cls.weights)
    ),
    "an array of a class replaced": of_class(
        {"weights": np.ones(3)}, lambda x, held: x * held.weights, set_in("weights", np.zeros(3))
    ),
    "an object of a class": of_class(
        {"options": Options()}, lambda x, held: x * held.options.scale, lambda cls: set_in("scale", 5.0)(cls.options)
    ),
    "an attribute of a class within a class": of_class(
        {"Inner": type("Inner", (), {"scale": 2.0})},
        lambda x, held: x * held.Inner.scale,
        lambda cls: set_in("scale", 3.0)(cls.Inner),
    ),
    "an attribute of a descriptor": of_class(
        {"by": Scaled(2.0)}, lambda x, held: x * held.by, lambda cls: set_in("scale", 3.0)(vars(cls)["by"])
    ),
    "an attribute added to a class": of_class(
        {}, lambda x, held: x * getattr(held, "scale", 2.0), set_in("scale", 3.0)
    ),
    "an attribute of a Module": attribute_of_a_module_subclass,
    "a default argument, a list": default_list,
    "a default argument, an array": default_array,
    "a default argument replaced": defaults_replaced,
    "a keyword's default replaced": keyword_only_default_replaced,
    "a dict in a partial": partial_of_a_dict,
    "an array in a partial": partial_of_an_array,
    "an array in a partial, by keyword": partial_by_keyword,
    "a function redefined": function_redefined,
    "a function reloaded": code_replaced_by_a_reload,
    "a method redefined": method_redefined,
    "a method overridden later": method_overridden_in_a_subclass,
    "a property": property_that_reads_a_list,
    "a module of the user's": module_of_the_users,
    "a module imported inside": module_imported_inside,
    "a module in a closure": module_in_a_closure,
    "a builtin shadowed": builtin_shadowed,
    "callbacks in a list": callbacks_in_a_list,
    "an object in a list of an object": object_in_a_list_of_an_object,
    "an attribute by its name": of_object(Options, lambda x, held: x * getattr(held, "scale"), set_in("scale", 3.0)),  # noqa: B009
    "a namespace": of_object(
        lambda: types.SimpleNamespace(scale=2.0), lambda x, held: x * held.scale, set_in("scale", 3.0)
    ),
    "the options of a command line": of_object(
        lambda: argparse.Namespace(scale=2.0), lambda x, held: x * held.scale, set_in("scale", 3.0)
    ),
    "slots": of_object(
        lambda: [set_in("scale", 2.0)(s := Slotted()), s][1], lambda x, held: x * held.scale, set_in("scale", 3.0)
    ),
    "private slots": of_object(lambda: Private(2.0), lambda x, held: held.times(x), lambda held: held.set(3.0)),
    "a set": of_object(lambda: {1}, lambda x, held: x if 2 in held else -x, lambda held: held.add(2)),
    "a deque": of_object(lambda: collections.deque([2.0]), lambda x, held: x * held[0], put(0, 3.0)),
    "an ordered dict": of_object(lambda: collections.OrderedDict(s=2.0), lambda x, held: x * held["s"], put("s", 3.0)),
    "a dict with defaults": of_object(
        lambda: collections.defaultdict(float, s=2.0), lambda x, held: x * held["s"], put("s", 3.0)
    ),
    "a list of the user's type": of_object(lambda: Derived([2.0]), lambda x, held: x * held[0], put(0, 3.0)),
    "a named tuple of arrays": of_object(
        lambda: Named(np.ones(3)), lambda x, held: x * held.weights, lambda held: held.weights.fill(3.0)
    ),
    "a bytearray": of_object(lambda: bytearray([2]), lambda x, held: x * held[0], put(0, 3)),
    "the sign of a zero": of_object(lambda: [0.0], lambda x, held: math.copysign(2.0, held[0]) * x, put(0, -0.0)),
    "a mask": of_object(
        lambda: np.array([True, False, True]), lambda x, held: x[held], put(slice(None), [False, True, False])
    ),
    "a context variable": context_variable,
    "a list in a context variable": list_in_a_context_variable,
    "an array in a context variable": array_in_a_context_variable,
    "a context variable that is None": context_variable_that_is_none,
    "a context variable not set yet": context_variable_unset,
    "the default dtype": default_dtype,
    "an enumeration": of_object(
        lambda: {"mode": Mode.UP}, lambda x, held: x * held["mode"].value, put("mode", Mode.DOWN)
    ),
}
# Here a refusal will do: that no one may go on with an old value is what matters.
MAY_BE_REFUSED = {
    "a context variable",
    "slots",
    "a bytearray",
    "a builtin shadowed",
    "a list in a context variable",
    "an array in a context variable",
}
MAY_BE_REFUSED |= {"a function reloaded", "a deque", "a set", "a global set", "a module imported inside"}


@pytest.fixture
def in_a_context_of_its_own():
    dtype = tg.get_default_dtype()
    yield
    tg.set_default_dtype(dtype)


@pytest.mark.parametrize("name", READS)
@pytest.mark.usefixtures("in_a_context_of_its_own")
def test_what_is_read_is_read_anew(name, monkeypatch):
    f, change = READS[name](monkeypatch)
    jitted = tg.jit(f)
    try:
        first = jitted(X)
    except tg.JitError:
        assert name in MAY_BE_REFUSED
        return
    before = f(X)
    assert same(first, before)
    assert same(jitted(X), before)
    change()
    after = f(X)
    assert not same(before, after), "the change must matter"
    assert same(jitted(X), after)


def test_a_module_may_be_imported_that_reads_the_clock(monkeypatch):
    def f(x):
        import logging

        return x * logging.DEBUG

    monkeypatch.delitem(sys.modules, "logging")
    assert same(tg.jit(f)(X), X * 10)


# What is drawn or counted: each function returns a function that answers differently at each call.


def generator_in_a_closure():
    rng = np.random.default_rng(3)
    return lambda x: x * rng.random(3)


def generator_of_an_object():
    held = Plain()
    held.rng = np.random.default_rng(3)
    return lambda x: x + held.rng.normal(size=x.shape)


def generator_of_a_class():
    class Noise:
        rng = np.random.default_rng(3)

        def __call__(self, x):
            return x * self.rng.random(3)

    return Noise()


def generator_as_a_default():
    def f(x, rng=np.random.default_rng(3)):  # noqa: B008
        return x * rng.random(3)

    return f


def generator_in_a_partial():
    return functools.partial(lambda rng, x: x * rng.random(3), np.random.default_rng(3))


def generator_in_a_tuple():
    rngs = (np.random.default_rng(3), 1.0)
    return lambda x: x * rngs[0].random(3) + rngs[1]


def generator_under_two_names():
    rng = np.random.default_rng(3)
    other = rng
    return lambda x: x * rng.random() + other.random()


def generator_of_the_old_kind():
    rng = np.random.RandomState(3)
    return lambda x: x * rng.rand(3)


def branch_on_a_draw():
    rng = np.random.default_rng(3)
    return lambda x: x[::-1] if rng.random() < 0.5 else x


def index_by_a_draw():
    rng = np.random.RandomState(3)
    return lambda x: x[rng.randint(3)]


def length_by_a_draw():
    rng = np.random.default_rng(3)
    return lambda x: x[: int(rng.integers(1, 4))]


def shuffled_indices():
    rng = np.random.default_rng(3)

    def f(x):
        order = np.arange(3)
        rng.shuffle(order)
        return x[order]

    return f


def permuted_indices():
    rng = np.random.default_rng(3)
    return lambda x: x[rng.permutation(3)]


def chosen():
    rng = np.random.default_rng(3)
    return lambda x: rng.choice(x, 2)


def drawn_into_an_array():
    rng = np.random.default_rng(3)

    def f(x):
        noise = np.empty(3)
        rng.random(out=noise)
        return x + noise

    return f


def drawn_with_a_scale_of_arrays():
    rng = np.random.default_rng(3)
    return lambda x: rng.normal(loc=x, scale=0.5)


def generators_spawned():
    rng = np.random.default_rng(3)
    return lambda x: x * rng.spawn(1)[0].random()


def generator_asked_for_its_type():
    rng = np.random.default_rng(3)
    return lambda x: x * (rng if isinstance(rng, np.random.Generator) else np.random.default_rng(0)).random(3)


def counter():
    numbers = itertools.count(1)
    return lambda x: x * next(numbers)


def batches_of_a_loader():
    loader = iter([X, X * 2, X * 3, X * 4, X * 5, X * 6])
    return lambda x: x + next(loader)


def generator_function_under_way():
    def numbers():
        yield from (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)

    running = numbers()
    return lambda x: x * next(running)


def list_that_is_emptied():
    left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    return lambda x: x * left.pop()


DRAWS = [
    generator_in_a_closure, generator_of_an_object, generator_of_a_class, generator_as_a_default,
    generator_in_a_partial, generator_in_a_tuple, generator_under_two_names, generator_of_the_old_kind,
    branch_on_a_draw, index_by_a_draw, length_by_a_draw, shuffled_indices, permuted_indices, chosen,
    drawn_into_an_array, drawn_with_a_scale_of_arrays, generators_spawned,
    generator_asked_for_its_type, counter, batches_of_a_loader, generator_function_under_way,
    list_that_is_emptied,
]  # fmt: skip
MUST_WORK = {generator_in_a_closure, generator_of_an_object, generator_in_a_tuple, generator_under_two_names}
MUST_WORK |= {generator_of_the_old_kind, permuted_indices}


@pytest.mark.parametrize("make", DRAWS, ids=lambda make: make.__name__)
def test_what_is_drawn_is_drawn_anew_in_the_eager_order_or_refused(make):
    plain, jitted = make(), tg.jit(make())
    expected = [plain(X) for _ in range(5)]
    try:
        results = [jitted(X) for _ in range(5)]
    except tg.JitError:
        assert make not in MUST_WORK
        return
    assert same(results, expected)


def test_dropout_draws_as_eagerly_and_not_at_all_in_evaluation():
    def make():
        net = tg.nn.Sequential(tg.nn.Linear(3, 8, rng=1), tg.nn.Dropout(0.5, rng=2), tg.nn.Linear(8, 1, rng=3))
        return net, lambda x: net(x)

    (net, plain), (other, function) = make(), make()
    jitted = tg.jit(function)
    for mode in (True, True, False, True, False, True):
        net.train(mode)
        other.train(mode)
        assert close([plain(BATCH).data], [jitted(BATCH).data])
    assert len(jitted.programs) == 2


def test_a_generator_given_as_an_argument_goes_on_where_it_stood():
    jitted = tg.jit(lambda x, rng: x * rng.random(3))
    rng, other = np.random.default_rng(1), np.random.default_rng(1)
    assert same([jitted(X, rng) for _ in range(4)], [X * other.random(3) for _ in range(4)])
    assert rng.random() == other.random()


# What is written: each function returns a function of an array, and what there is to see afterwards.


def running_statistics():
    class BatchNorm(tg.nn.Module):
        def __init__(self):
            self.mean, self.var, self.momentum = np.zeros(3), np.ones(3), 0.1

        def forward(self, x):
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.mean = (1 - self.momentum) * self.mean + self.momentum * mean
            self.var *= 1 - self.momentum
            self.var += self.momentum * var
            return (x - mean) / np.sqrt(var + 1e-5)

    norm = BatchNorm()
    return norm, lambda: (norm.mean, norm.var)


def a_list_appended_to():
    losses = []

    def f(x):
        losses.append(x.sum())
        return x * 2

    return f, lambda: losses


def a_deque_appended_to():
    losses = collections.deque(maxlen=3)

    def f(x):
        losses.append(x.sum())
        return x * 2

    return f, lambda: losses


def a_dict_written():
    seen = {}

    def f(x):
        seen["mean"] = x.mean()
        seen.setdefault("first", x * 1.0)
        return x * 2

    return f, lambda: seen


def a_dict_with_defaults_written():
    seen = collections.defaultdict(list)

    def f(x):
        seen["sums"].append(x.sum())
        return x

    return f, lambda: dict(seen)


def a_nonlocal_counter():
    count, last = 0, None

    def f(x):
        nonlocal count, last
        count += 1
        last = x * count
        return x

    return f, lambda: (count, last)


def a_nonlocal_unbound_before():
    def f(x):
        nonlocal last
        last = x * 2
        return x

    def look():
        return last

    if not f:
        last = None
    return f, look


def a_global():
    namespace = {"total": 0.0}
    exec("def f(x):\n    global total\n    total = total + x.sum()\n    return x", namespace)
    return namespace["f"], lambda: namespace["total"]


def a_global_new():
    namespace = {}
    exec("def f(x):\n    global newest\n    newest = x.sum()\n    return x", namespace)
    return namespace["f"], lambda: namespace["newest"]


def an_attribute_of_an_object():
    held = Plain()
    held.count = 0

    def f(x):
        held.count += 1
        held.newest = x * 2
        return x

    return f, lambda: (held.count, held.newest)


def an_attribute_of_slots():
    held = Slotted()

    def f(x):
        held.scale = x * 2
        return x

    return f, lambda: held.scale


def an_attribute_of_a_namespace():
    held = types.SimpleNamespace(newest=None)

    def f(x):
        held.newest = x * 2
        return x

    return f, lambda: held.newest


def an_attribute_of_a_class():
    class Layer:
        newest = None

    def f(x):
        Layer.newest = x * 2
        return x

    return f, lambda: Layer.newest


def an_attribute_that_is_a_new_object():
    held = Plain()

    def f(x):
        held.newest = Options(scale=x.sum())
        return x

    return f, lambda: held.newest.scale


def an_attribute_removed():
    held = Plain()

    def f(x):
        if hasattr(held, "flag"):
            del held.flag
            return x
        held.flag = True
        return -x

    return f, lambda: vars(held)


def elements_of_an_array():
    table = np.zeros((2, 3))

    def f(x):
        table[0] = x
        table[1, 1:] += x[1:]
        return table.sum()

    return f, lambda: table


def elements_at_repeated_indices():
    table, places = np.zeros(3), np.array([0, 0, 2])

    def f(x):
        np.add.at(table, places, x)
        return x

    return f, lambda: table


def an_array_changed_by_operators():
    total = np.zeros(3)

    def f(x):
        nonlocal total
        total += x
        total *= 0.5
        return x

    return f, lambda: total


def a_copy_from_before_the_change():
    table = np.ones(3)

    def f(x):
        old = table.copy()
        table[:] = x
        return old

    return f, lambda: table


def a_copy_kept_from_before_the_change():
    held = Plain()
    held.now, held.before = np.ones(3), np.zeros(3)

    def f(x):
        held.before = held.now.copy()
        held.now += x
        return x

    return f, lambda: (held.now, held.before)


def a_tensor_from_before_the_change():
    w = tg.Tensor(np.ones(3), requires_grad=True)

    def f(x):
        old = w.data.copy()
        w.data -= 0.5 * x
        return old, w.data.sum()

    return f, lambda: w.data


def an_array_sorted():
    def f(x):
        y = x.copy()
        y.sort()
        return y

    return f, lambda: None


def one_array_under_two_names():
    table = np.ones(3)
    again = table

    def f(x):
        before = again * 2
        table[0] += 1
        return before, again * 2

    return f, lambda: table


def a_view_kept_elsewhere():
    table = np.ones((2, 3))
    row = table[0]

    def f(x):
        before = row.sum()
        table[0] += x
        return before, row.sum()

    return f, lambda: table


def data_of_a_tensor_replaced():
    w = tg.Tensor(np.ones(3), requires_grad=True)

    def f(x):
        w.data = w.data * 2 + x
        return w.data.sum()

    return f, lambda: w.data


WRITES = [
    running_statistics, a_list_appended_to, a_deque_appended_to, a_dict_written, a_dict_with_defaults_written,
    a_nonlocal_counter, a_nonlocal_unbound_before, a_global, a_global_new, an_attribute_of_an_object,
    an_attribute_of_slots, an_attribute_of_a_namespace, an_attribute_of_a_class, an_attribute_that_is_a_new_object,
    an_attribute_removed, elements_of_an_array, elements_at_repeated_indices, an_array_changed_by_operators,
    a_copy_from_before_the_change, a_copy_kept_from_before_the_change, a_tensor_from_before_the_change,
    an_array_sorted, one_array_under_two_names, a_view_kept_elsewhere, data_of_a_tensor_replaced,
]  # fmt: skip
MAY_REFUSE_TO_WRITE = {
    a_deque_appended_to, a_dict_with_defaults_written, a_nonlocal_unbound_before, a_global_new, an_attribute_of_slots,
    an_attribute_of_a_class, an_attribute_that_is_a_new_object, an_array_sorted, one_array_under_two_names,
    a_view_kept_elsewhere, a_list_appended_to, a_nonlocal_counter, an_attribute_of_an_object,
}  # fmt: skip


@pytest.mark.parametrize("make", WRITES, ids=lambda make: make.__name__)
def test_what_is_written_is_written_at_each_call(make):
    (plain, seen), (function, seen_of_jitted) = make(), make()
    jitted = tg.jit(function)
    for scale in (3.0, -1.0, 2.0, 5.0):
        x = np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0]]) if make is running_statistics else np.array([3.0, 1.0, 2.0])
        expected = plain(x * scale)
        try:
            result = jitted(x * scale)
        except tg.JitError:
            assert make in MAY_REFUSE_TO_WRITE
            return
        assert same(result, expected)
        assert same(seen_of_jitted(), seen())


# Arguments.


@pytest.mark.parametrize(
    "f",
    [
        lambda x, s: x * s,
        lambda x, s: x if s < 2 else -x,
        lambda x, s: x * math.sqrt(s),
        lambda x, s: [x * i for i in range(int(s))],
        lambda x, s: x * round(s),
        lambda x, s: x * +s,
        lambda x, s: x * divmod(s, 2)[0],
        lambda x, s: x * math.floor(s) + math.trunc(s),
        lambda x, s: s < x,
        lambda x, s: (s == x, s != x, s >= x),
        lambda x, s: np.clip(x, 0, s),
        lambda x, s: np.array([s, 1.0, s]) * x,
        lambda x, s: np.full(3, s) + x,
        lambda x, s: np.linspace(0, s, 3) * x,
        lambda x, s: np.arange(0, s + 1)[:1] * x,
        lambda x, s: x * 2 if isinstance(s, float) else x * 3,
        lambda x, s: x * 2 if s.is_integer() else x * 3,
        lambda x, s: f"{s:.2f}",
        lambda x, s: {"a": [s * 2, (s, x)]},
        lambda x, s: s,
        lambda x, s: abs(-s) * x + max(s, 2.0) ** 2 + s % 2 + s // 2,
        lambda x, s: x[: int(s)],
        lambda x, s: x * (2.0 if s else 3.0),
    ],
)
def test_a_float_given_as_an_argument_may_be_used_as_a_float(f):
    jitted = tg.jit(f)
    for s in (1.5, 1.5, 3.0, 0.0, -0.0, 1.5):
        assert same(jitted(X, s), f(X, s))


@pytest.mark.parametrize("many", [(1, 1.0, True, 2), (1.0, 1, np.float64(1), np.float32(1)), ("a", None, b"a", "b")])
def test_an_argument_of_another_type_is_another_argument(many):
    def f(x, value):
        return type(value).__name__ in ("int", "bool"), x.astype(int) * (value if isinstance(value, int) else 2)

    jitted = tg.jit(f)
    for value in (*many, *many):
        assert same(jitted(X, value), f(X, value))
        assert same(jitted(X, value=value), f(X, value=value))


@pytest.mark.parametrize(("first", "then"), [([2], [2.0]), ((2,), (2.0,)), ({"a": 2}, {"a": 2.0}), ([True], [1])])
def test_a_number_of_another_type_within_an_argument_is_another_number(first, then):
    def f(x, values):
        value = values["a"] if isinstance(values, dict) else values[0]
        return x.astype(int) * value, value is True

    jitted = tg.jit(f)
    for values in (first, then, first):
        assert same(jitted(X, values), f(X, values))


def test_the_order_of_dictionaries_and_of_keywords_counts():
    def f(**parts):
        return np.concatenate([*parts.values()])

    of_dict = tg.jit(lambda parts: f(**parts))
    of_keywords = tg.jit(f)
    for parts in ({"a": X, "b": -X}, {"b": -X, "a": X}, {"a": -X, "b": X}):
        assert same(of_dict(parts), f(**parts))
        assert same(of_keywords(**parts), f(**parts))


def test_arguments_in_every_place_are_read_anew():
    def f(x, /, y, *more, scale=1.0, tree, **others):
        return {
            "sum": x + y * scale,
            "more": [m * 2 for m in more],
            "tree": (tree["w"][0] @ tree["b"], *others.values()),
        }

    jitted = tg.jit(f)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x, y, w, b, m = rng.random((5, 3))
        args, kwargs = (x, y, m, m + 1), {"tree": {"w": [w], "b": b}, "scale": float(rng.random()), "z": x * 2}
        assert same(jitted(*args, **kwargs), f(*args, **kwargs))
    assert len(jitted.programs) == 1


def test_dataclasses_given_as_arguments_are_read_anew():
    def f(options):
        return X * options.scale * len(options.flags)

    jitted = tg.jit(f)
    options = Options()
    for scale in (1.0, 2.0):
        options.scale = scale
        assert same(jitted(options), f(options))
    options.flags.append(3)
    assert same(jitted(options), f(options))
    assert same(jitted(Options(scale=7.0)), f(Options(scale=7.0)))


def test_named_tuples_given_as_arguments_are_read_anew():
    jitted = tg.jit(lambda named: named.weights * 2)
    named = Named(np.ones(3))
    assert same(jitted(named), named.weights * 2)
    named.weights[:] = 5
    assert same(jitted(named), named.weights * 2)
    assert same(jitted(Named(X)), X * 2)


@pytest.mark.parametrize(
    "x",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24.0).reshape(3, 8)[:, ::2],
        np.arange(12.0).reshape(3, 4)[::-1],
        np.arange(12).reshape(3, 4),
        np.arange(12.0, dtype=np.float32).reshape(3, 4),
        np.zeros((0, 4)),
        np.array(2.0),
        np.array([[True, False]]),
        np.broadcast_to(np.array([1.0, 2.0]), (3, 2)),
        np.arange(12.0).reshape(3, 4).astype(">f8"),
    ],
)
def test_arrays_of_every_layout_type_and_shape_are_taken_by_the_same_function(x):
    def f(x):
        return x * 2, x.T + 1, x.sum(), x.reshape(-1)[:1], np.exp(x), x

    jitted = tg.jit(f)
    for argument in (np.arange(12.0).reshape(3, 4), x, x.copy(), x):
        expected, result = f(argument), jitted(argument)
        assert [np.asarray(y).dtype for y in result] == [np.asarray(y).dtype for y in expected]
        assert close(result, expected)


def test_one_array_given_twice_is_one_array():
    def f(a, b):
        before = b * 2
        a += 1
        return before, b * 2, a - b

    jitted = tg.jit(f)
    for x, y in ((X.copy(), X.copy()), (X + 5, X + 6)):
        assert same(jitted(x.copy(), y.copy()), f(x.copy(), y.copy()))
    x, y = X.copy(), X.copy()
    expected = f(x, x)
    try:
        result = jitted(y, y)
    except tg.JitError:
        return
    assert same(result, expected)
    assert same(x, y)


def test_an_argument_that_is_a_view_of_a_parameter_is_seen_to_change_with_it():
    def make():
        w = tg.Tensor(np.ones(3), requires_grad=True)

        def f(v):
            before = v * 2
            w.data -= 1
            return before, v * 2

        return w, f

    (w, plain), (other, function) = make(), make()
    jitted = tg.jit(function)
    for _ in range(3):
        expected = plain(w.data[:2])
        try:
            result = jitted(other.data[:2])
        except tg.JitError:
            return
        assert same(result, expected)


def test_arrays_of_a_type_with_an_arithmetic_of_its_own_are_computed_as_it_says_or_refused():
    masked = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])

    def f(x):
        return np.asarray((x * 2 + 1).sum()) if type(x) is not np.ma.MaskedArray else (x * 2 + 1).sum()

    jitted = tg.jit(lambda x: (x * 2 + 1).sum())
    try:
        results = [jitted(masked) for _ in range(2)]
    except (tg.JitError, TypeError):
        return
    assert results == [f(masked), f(masked)]


# Results.


def test_results_are_the_callers():
    def f(x):
        return x * 2, x, x[:2], np.ones(3), tg.Tensor(x) + 1, tg.Tensor(np.zeros(2)), {"a": x + 1}

    jitted = tg.jit(f)
    first = jitted(X.copy())
    kept = copy.deepcopy([first[0], first[4].data, first[6]])
    others = [jitted(X * i) for i in range(3)]
    assert same([first[0], first[4].data, first[6]], kept)
    for result in (first, *others):
        for y in (result[0], result[3], result[4].data, result[5].data, result[6]["a"]):
            y[:] = 100
    assert same(jitted(X.copy())[3:], f(X)[3:])
    assert same(jitted(X.copy())[0], f(X)[0])


def test_results_that_are_an_argument_or_a_parameter_are_these_very_objects():
    w, tensor = tg.Tensor(X, requires_grad=True), tg.Tensor(X)
    held = [w]
    jitted = tg.jit(lambda x, t: (x, t, w, held, (w, x * 2)))
    for x in (X.copy(), X + 1):
        result = jitted(x, tensor)
        assert result[0] is x
        assert result[1] is tensor
        assert result[2] is w
        assert result[4][0] is w
        assert result[3][0] is w


@pytest.mark.parametrize(
    "wrap",
    [
        Options,
        lambda y: collections.OrderedDict(y=y),
        lambda y: collections.deque([y]),
        lambda y: types.SimpleNamespace(y=y),
        lambda y: Derived([y]),
        lambda y: {1: {"a": [y]}},
        lambda y: Named(y),
        lambda y: map(np.exp, [y]),
    ],
    ids=["dataclass", "ordered dict", "deque", "namespace", "list of one's own", "dict", "named tuple", "iterator"],
)
def test_results_in_objects_of_any_kind_are_real_and_new_at_each_call_or_refused(wrap):
    jitted = tg.jit(lambda x: wrap(x * 2))
    try:
        results = [jitted(X), jitted(X * 2)]
    except tg.JitError:
        return
    expected = [wrap(X * 2), wrap(X * 4)]
    assert same(*([*x] if hasattr(x, "__next__") else x for x in (results[0], expected[0])))
    assert same(*([*x] if hasattr(x, "__next__") else x for x in (results[1], expected[1])))


def test_functions_that_return_before_they_have_computed_are_refused():
    def numbers(x):
        yield x * 2

    async def later(x):
        return x * 2

    for f in (numbers, later):
        with pytest.raises(TypeError, match=f"not a generator or coroutine function such as {f.__name__}"):
            tg.jit(f)


# Training.


def trained(kind, **options):
    net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=1), tg.nn.Tanh(), tg.nn.Linear(4, 1, rng=2))
    return net, getattr(tg.optim, kind)(net.parameters(), **{"lr": 0.1} | options)


def weights_of(net):
    return [p.data for p in net.parameters()]


OPTIMIZERS = [("SGD", {}), ("SGD", {"momentum": 0.9, "nesterov": True}), ("Adam", {}), ("AdamW", {"lr": 0.01})]


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_a_training_goes_as_eagerly_through_every_change_from_outside(kind, options):
    def make():
        net, optimizer = trained(kind, **options)
        world = {"net": net, "optimizer": optimizer}

        def step(x):
            loss = (world["net"](x) ** 2).mean()
            world["optimizer"].zero_grad()
            loss.backward()
            world["optimizer"].step()
            return loss

        return world, step

    (world, plain), (other, function) = make(), make()
    jitted = tg.jit(function)

    def nothing(w):
        pass

    def lr(w):
        w["optimizer"].lr = 0.03

    def data(w):
        w["net"][0].weight.data = np.full((3, 4), 0.3, np.float32)

    def data_in_place(w):
        w["net"][0].weight.data *= 0.5

    def loaded(w):
        w["net"].load_state_dict({name: x * 0.9 for name, x in w["net"].state_dict().items()})

    def optimizer_loaded(w):
        state = w["optimizer"].state_dict()
        w["optimizer"].load_state_dict({k: x if k.startswith("steps") else x * 0.5 for k, x in state.items()})

    def optimizer_replaced(w):
        w["optimizer"] = tg.optim.SGD(w["net"].parameters(), lr=0.2)

    def layer_replaced(w):
        w["net"].layers = (tg.nn.Linear(3, 4, rng=7), tg.nn.ReLU(), tg.nn.Linear(4, 1, rng=8))
        w["optimizer"] = tg.optim.SGD(w["net"].parameters(), lr=0.1, momentum=0.5)

    def frozen(w):
        w["net"][0].weight.requires_grad = False

    changes = (nothing, nothing, lr, data, data_in_place, loaded, optimizer_loaded, optimizer_replaced, layer_replaced)
    for change in (*changes, frozen, nothing):
        change(world)
        change(other)
        for size in (6, 6, 2):
            assert close([plain(BATCH[:size]).data], [jitted(BATCH[:size]).data])
        assert close(weights_of(world["net"]), weights_of(other["net"]))


@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize("clips", [True, False])
def test_gradients_are_accumulated_clipped_and_forgotten_as_eagerly(forgets, clips):
    def make():
        net, optimizer = trained("SGD")

        def step(x):
            if forgets:
                optimizer.zero_grad()
            (net(x) ** 2).mean().backward()
            if clips:
                norm = np.sqrt(sum((p.grad.data**2).sum() for p in net.parameters()))
                for p in net.parameters():
                    p.grad.data *= np.minimum(1.0, 0.1 / (norm + 1e-6)).astype(np.float32)
            optimizer.step()

        return net, step

    (net, plain), (other, function) = make(), make()
    jitted = tg.jit(function)
    for size in (6, 6, 4, 6):
        plain(BATCH[:size])
        jitted(BATCH[:size])
        assert close(weights_of(net), weights_of(other))
        if not forgets:
            assert close([p.grad.data for p in net.parameters()], [p.grad.data for p in other.parameters()])


def test_gradients_are_accumulated_over_two_jitted_functions_and_eager_code():
    def make(wrap):
        net, optimizer = trained("Adam")

        def add(x):
            (net(x) ** 2).mean().backward()

        def update():
            optimizer.step()
            optimizer.zero_grad()

        return net, add, wrap(add), wrap(update)

    net, *plain = make(lambda f: f)
    other, *jitted = make(tg.jit)
    for _ in range(3):
        for eagerly, add, update in (plain, jitted):
            add(BATCH[:3])
            eagerly(BATCH[1:4])
            add(BATCH[3:])
            update()
        assert close(weights_of(net), weights_of(other))
        assert all(p.grad is None for p in other.parameters())


def test_models_and_optimizers_are_given_as_arguments():
    def step(net, optimizer, x):
        loss = (net(x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    jitted = tg.jit(step)
    eager, compiled = ([trained("SGD", momentum=0.9), trained("SGD", momentum=0.9)] for _ in range(2))
    compiled[1][0][0].weight.data *= 2
    eager[1][0][0].weight.data *= 2
    for _ in range(3):
        for a, b in zip(eager, compiled, strict=True):
            assert close([step(*a, BATCH).data], [jitted(*b, BATCH).data])
            assert close(weights_of(a[0]), weights_of(b[0]))


def test_no_grad_outside_and_inside_is_seen():
    net, _ = trained("SGD")

    def f(x):
        y = net(x)
        with tg.no_grad():
            z = net(x)
        return y.requires_grad, z.requires_grad

    jitted = tg.jit(f)
    for _ in range(2):
        assert jitted(BATCH) == f(BATCH) == (True, False)
        with tg.no_grad():
            assert jitted(BATCH) == f(BATCH) == (False, False)


def test_a_loop_variable_named_like_a_method_makes_no_program_of_its_own():
    namespace = {}
    net, optimizer = trained("SGD")
    namespace.update(net=net, optimizer=optimizer, x=BATCH, jit=tg.jit)
    exec(
        """@jit
def train(x):
    loss = (net(x) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss

for step in range(8):
    train(x)
""",
        namespace,
    )
    assert len(namespace["train"].programs) == 1


def test_a_global_named_like_a_method_is_not_looked_at():
    w = tg.Tensor(X, requires_grad=True)
    namespace = {"mean": w * 2}  # has a history, which a function that read it could not go back into
    exec("def f(x):\n    return x.mean()", namespace)
    assert same(tg.jit(namespace["f"])(X), X.mean())


# Memory.


def test_thousands_of_calls_keep_nothing():
    net, optimizer = trained("SGD", momentum=0.9)

    @tg.jit
    def step(x, scale):
        loss = (net(x) ** 2).mean() * scale
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for i in range(50):
        step(BATCH, i / 1e6)
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(3000):
        step(BATCH, i / 1e6)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000
    assert len(gc.get_objects()) - objects < 1000


@pytest.mark.parametrize("kind", [np.copy, tg.Tensor, lambda x: Options(flags=[np.copy(x)])])
def test_the_arguments_of_the_first_call_are_not_kept(kind):
    net, _ = trained("SGD")
    jitted = tg.jit(lambda x: (net(x.flags[0] if isinstance(x, Options) else x) ** 2).mean())
    x = kind(BATCH)
    reference = weakref.ref(x)
    jitted(x)
    del x
    gc.collect()
    assert reference() is None


def test_a_model_is_freed_with_the_jitted_function():
    net, optimizer = trained("SGD")

    def make(net, optimizer):
        def step(x):
            optimizer.zero_grad()
            (net(x) ** 2).mean().backward()
            optimizer.step()

        return tg.jit(step)

    step = make(net, optimizer)
    step(BATCH)
    references = [weakref.ref(x) for x in (net, net[0].weight, step.__wrapped__)]
    del net, optimizer, step
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_an_object_with_a_jitted_method_is_freed():
    class Layer:
        def __init__(self):
            self.weight = np.ones(3)

        @tg.jit
        def scaled(self, x):
            return x * self.weight

    layer = Layer()
    assert same(layer.scaled(X), X)
    reference = weakref.ref(layer)
    del layer
    gc.collect()
    assert reference() is None


def test_the_source_of_a_dropped_function_is_dropped():
    before = len(linecache.cache)
    for _ in range(5):
        tg.jit(lambda x: x * 2)(X)
    gc.collect()
    tg.jit(lambda x: x * 3)(X)  # lets go of what is no more
    assert len(linecache.cache) <= before + 1


def test_the_number_of_programs_is_bounded_and_a_warning_tells_why():
    jitted = tg.jit(lambda x, n: x[:n])
    for n in range(16):
        jitted(np.arange(40.0), n)
    with pytest.warns(tg.JitWarning, match=r"has 16 programs.*because this has changed: n\. .*as arguments"):
        result = jitted(np.arange(40.0), 16)
    assert same(result, np.arange(16.0))
    assert len(jitted.programs) == 16
    for n in (16, 15, 2):
        assert same(jitted(np.arange(40.0), n), np.arange(float(n)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_detached_scalar_is_changed_alone_in_every_mode(dtype):
    def f(x):
        largest = x.max()  # a scalar of NumPy, which shares no memory
        squared = largest.detach()
        squared **= 2
        return largest * squared

    x = tg.Tensor([1.0, 3.0, 2.0], dtype=dtype)
    for mode in (lambda g: g, tg.jit):
        assert mode(f)(x).item() == 27
        assert mode(tg.grad(f))(x).tolist() == [0, 9, 0]
        assert mode(tg.hessian(f))(x).tolist() == np.zeros((3, 3)).tolist()  # linear in x: what is detached is constant
