"""Random functions and random trainings give the same eagerly and jitted, at every call, and keep what they own."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.compiler import Variable, record, simplify, source_of
from tinygrad_lite.compiler.passes import PASSES, fold_factors
from tinygrad_lite.compiler.tuning import SUM_OF_MATRIX, SUM_OF_ROWS, tune
from tinygrad_lite.nn import functional as F

SHAPES = (6, 11), (11,), (6, 1), (11, 5), (2, 3, 11)
BIG = 1e4


def fitted(a, b):
    """Return ``b``, or its mean where it cannot be broadcast to ``a``."""
    return b if _fits(b.shape, a.shape) else b.mean()


def _fits(shape, wide):
    return len(shape) <= len(wide) and all(m in (1, n) for m, n in zip(shape[::-1], wide[::-1], strict=False))


def _axis(a, k):
    """Return one of the axes of ``a``, or several, or None for all of them."""
    choices = [None, *range(a.ndim), *range(-a.ndim, 0), *combinations(range(a.ndim), 2)]
    return choices[k % len(choices)]


def _one_axis(a, k):
    return k % (2 * a.ndim) - a.ndim


def _matmul(a, b):
    if a.ndim < 2:
        return None
    b = b if b.shape[-2:-1] == a.shape[-1:] else np.swapaxes(a, -1, -2)
    return np.tanh(a @ b)


def _linear(a, b):
    return F.linear(a, b, b.mean(axis=0)) if a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0] else None


def _einsum(a, b):
    if a.ndim == 2 == b.ndim and a.shape[1] == b.shape[0]:
        return np.tanh(np.einsum("ij,jk->ik", a, b))
    return np.einsum("...i,...i->...", a, a) / 8 if a.ndim else None


def _taken(a, k):
    return a[np.array([0, -1, k % a.shape[0], 0])] if a.ndim else None


def _taken_inside(a, k):
    return a[..., np.array([[0, k % a.shape[-1]], [0, 0]])] if a.ndim else None


def _accumulated(a, b):
    y = a * 1.5
    before = np.tanh(y)
    if isinstance(a, tg.Tensor) or isinstance(b, tg.Tensor):
        return (y + fitted(a, b)) * before
    y += fitted(a, b)
    y *= before
    return y


def _assigned(a, b, k):
    if isinstance(a, tg.Tensor) or isinstance(b, tg.Tensor) or not a.ndim:
        return None
    y, value = a * 1.5, fitted(a, b) - a
    y[:: -1 if k % 2 else 1] = value
    y[k % a.shape[0]] = y[0] + 1.0
    return np.tanh(y)


def _assigned_in_order(a, k):
    if isinstance(a, tg.Tensor) or not a.ndim:
        return None
    y, value = a.copy(), np.sin(a)
    y[np.arange(a.shape[0])[::-1].copy() if k % 2 else (slice(None, None, -1),)] = value
    return y * 0.5


# fmt: off
OPERATIONS = {
    "add": lambda a, b, k, s: a + fitted(a, b),
    "subtract": lambda a, b, k, s: fitted(a, b) - a,
    "multiply": lambda a, b, k, s: a * fitted(a, b),
    "divide": lambda a, b, k, s: a / (2.0 + np.square(fitted(a, b))),
    "power": lambda a, b, k, s: a ** (k % 4),
    "negative": lambda a, b, k, s: -a,
    "times a number": lambda a, b, k, s: (0.5, 1.0, 2.0, -1.0)[k % 4] * a,
    "times a changing number": lambda a, b, k, s: s * a,
    "one minus": lambda a, b, k, s: 1.0 - s * a,
    "exp": lambda a, b, k, s: np.exp(-np.square(a)),
    "log": lambda a, b, k, s: np.log(1.5 + np.square(a)),
    "sin": lambda a, b, k, s: np.sin(a),
    "tanh": lambda a, b, k, s: np.tanh(a),
    "maximum": lambda a, b, k, s: np.maximum(a, fitted(a, b)),
    "relu": lambda a, b, k, s: F.relu(a - 0.9),
    "sigmoid": lambda a, b, k, s: F.sigmoid(a),
    "softmax": lambda a, b, k, s: F.softmax(a, _one_axis(a, k)) if a.ndim else None,
    "log_softmax": lambda a, b, k, s: F.log_softmax(a, _one_axis(a, k)) if a.ndim else None,
    "clip": lambda a, b, k, s: np.clip(a, 0.4, 1.1 + k / 10),
    "where": lambda a, b, k, s: np.where(a > 0.8, a, fitted(a, b)),
    "sum": lambda a, b, k, s: a.sum(axis=_axis(a, k), keepdims=bool(k % 2)) / 8,
    "mean": lambda a, b, k, s: a.mean(axis=_axis(a, k), keepdims=bool(k % 2)),
    "max": lambda a, b, k, s: a.max(axis=_axis(a, k), keepdims=bool(k % 2)),
    "centered": lambda a, b, k, s: a - a.max(axis=_axis(a, k), keepdims=True),
    "std": lambda a, b, k, s: np.std(a + fitted(a, b), axis=_axis(a, k), keepdims=bool(k % 2)) if a.size > 9 else None,
    "var": lambda a, b, k, s: np.var(a, axis=_axis(a, k), keepdims=bool(k % 2)),
    "matmul": lambda a, b, k, s: _matmul(a, b),
    "linear": lambda a, b, k, s: _linear(a, b),
    "einsum": lambda a, b, k, s: _einsum(a, b),
    "concatenate": lambda a, b, k, s: np.concatenate([a, np.sin(a), a], axis=_one_axis(a, k)) if a.ndim else None,
    "slice": lambda a, b, k, s: a[..., k % 3 :: 2] if a.ndim and a.shape[-1] > 3 else None,
    "row": lambda a, b, k, s: a[k % a.shape[0]] if a.ndim else None,
    "take": lambda a, b, k, s: _taken(a, k),
    "take inside": lambda a, b, k, s: _taken_inside(a, k),
    "reshape": lambda a, b, k, s: a.reshape((-1,) if k % 2 else (a.size, 1)),
    "transpose": lambda a, b, k, s: np.transpose(a),
    "broadcast": lambda a, b, k, s: np.broadcast_to(a, (2, *a.shape)) if a.ndim < 3 else None,
    "accumulate": lambda a, b, k, s: _accumulated(a, b),
    "assign": lambda a, b, k, s: _assigned(a, b, k),
    "assign in order": lambda a, b, k, s: _assigned_in_order(a, k),
}
# fmt: on

steps = st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9), st.integers(0, 9), st.integers(0, 7))
programs = st.lists(steps, min_size=2, max_size=7)
dtypes = st.sampled_from([np.float32, np.float64])
small = settings(deadline=None, derandomize=True, max_examples=45, database=None)


def function_of(program):
    """Return a function of five arrays and a number that goes through the steps of a program."""

    def f(*args):
        *values, s = args
        for name, i, j, k in program:
            value = OPERATIONS[name](values[-1 - i % len(values)], values[j % len(values)], k, s)
            if value is not None and value.size <= BIG:
                values.append(value)
        total = values[0].sum() * 0.0
        for value in values[len(SHAPES) :]:
            total = total + np.tanh(value).mean()
        return total, values[-1] * 1.0, values[len(values) // 2] * 1.0

    return f


def arguments(seed, dtype):
    rng = np.random.default_rng(seed)
    return [*(rng.uniform(0.3, 1.7, size=shape).astype(dtype) for shape in SHAPES), float(rng.uniform(0.2, 0.9))]


def rounds_alike(f, args):
    """Return whether a program of ``f`` multiplies and adds in the same order: no factor moved, no sum is a product.

    NumPy goes through memory in the order in which it lies, so all values must lie as the plan would have them.
    """
    recording = record(f, args, {})
    program = recording.program
    while True:
        before = source_of(program)
        for simplification in PASSES:
            simplified = simplification(program)
            if simplification is fold_factors and source_of(simplified) != source_of(program):
                return False
            program = simplified
        if source_of(program) == before:
            break
    if {SUM_OF_MATRIX, SUM_OF_ROWS} & {instruction.primitive for instruction in tune(program).instructions}:
        return False
    inputs = {
        variable: eval(found.place.text, dict(recording.environment.names), {"args": args, "kwargs": {}})
        if hasattr(found, "place")
        else found
        for variable, found in recording.sources.items()
    }
    return all(
        np.ndim(value) < 2 or np.asarray(value).flags.c_contiguous or _only_multiplied(recording.program, variable)
        for variable, value in computed(recording.program, inputs)
    )


def _only_multiplied(program, variable):
    uses = program.uses().get(variable, [])
    return all(use is not None and use.primitive.name == "matmul" for use in uses)


def computed(program, inputs):
    """Yield each result of a program's instructions, computed without regard to any plan."""
    values = dict(inputs)

    def operand(x):
        return tuple(map(operand, x)) if isinstance(x, tuple) else values[x] if isinstance(x, Variable) else x

    for instruction in program.instructions:
        operands = map(operand, instruction.operands)
        values[instruction.result] = instruction.primitive.compute(*operands, **instruction.params)
        yield instruction.result, values[instruction.result]


def arrays_in(result):
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in arrays_in(part)]
    return [result.numpy() if isinstance(result, tg.Tensor) else np.asarray(result)]


def assert_same(eager, jitted, ulps):
    for a, b in zip(arrays_in(eager), arrays_in(jitted), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if ulps:
            scale = np.finfo(a.dtype).eps * np.abs(a).max(initial=1.0, where=np.isfinite(a))
            np.testing.assert_allclose(b, a, rtol=0, atol=ulps * scale)
        else:
            np.testing.assert_array_equal(b, a)


@np.errstate(all="ignore")  # the standard deviation of equal values has no derivative
def assert_calls_agree(f, dtype, ulps, calls=3):
    """Call ``f`` eagerly and jitted with different data, and look at what becomes of arguments and results."""
    jitted = tg.jit(f)
    exact = rounds_alike(f, arguments(0, dtype))
    kept = []
    for call in range(calls):
        args, copies = arguments(call, dtype), arguments(call, dtype)
        result = jitted(*args)
        assert_same(f(*copies), result, 0 if exact else ulps)
        assert_same(copies[:-1], args[:-1], 0)
        arrays = arrays_in(result)
        for a, b in combinations([*arrays, *args[:-1]], 2):
            assert not np.shares_memory(a, b)
        kept.append((arrays, [array.copy() for array in arrays]))
    assert len(jitted.programs) == 1
    for arrays, copies in kept:
        assert_same(copies, arrays, 0)


@small
@given(programs, dtypes)
def test_values_of_arrays_are_those_of_eager_calls(program, dtype):
    assert_calls_agree(function_of(program), dtype, ulps=64)


@small
@given(programs, dtypes)
def test_values_of_tensors_are_those_of_eager_calls(program, dtype):
    f = function_of(program)
    assert_calls_agree(lambda *args: f(*map(tg.Tensor, args[:-1]), args[-1]), dtype, ulps=64)


@small
@given(programs, dtypes)
def test_gradients_are_those_of_eager_calls(program, dtype):
    f = function_of(program)
    assert_calls_agree(tg.grad(lambda *args: f(*args)[0], tuple(range(len(SHAPES)))), dtype, ulps=64)


@settings(small, max_examples=20)
@given(programs, dtypes)
def test_second_derivatives_are_those_of_eager_calls(program, dtype):
    f = function_of(program)
    slope = tg.grad(lambda *args: f(*args)[0])
    assert_calls_agree(tg.grad(lambda *args: np.sin(slope(*args)).sum()), dtype, ulps=256)


def test_the_same_program_is_simplified_to_the_same():
    f = function_of([("matmul", 4, 0, 0), ("softmax", 0, 0, 1), ("centered", 0, 0, 2)])
    program = record(f, arguments(0, np.float32), {}).program
    once = simplify(program)
    assert source_of(simplify(once)) == source_of(once)


ACTIVATIONS = {"relu": tg.nn.ReLU, "tanh": tg.nn.Tanh, "sigmoid": tg.nn.Sigmoid}
OPTIMIZERS = {
    "SGD": lambda ps: tg.optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: tg.optim.SGD(ps, lr=0.05, momentum=0.9),
    "nesterov": lambda ps: tg.optim.SGD(ps, lr=0.05, momentum=0.9, nesterov=True),
    "decay": lambda ps: tg.optim.SGD(ps, lr=0.1, weight_decay=0.1),
    "all": lambda ps: tg.optim.SGD(ps, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1),
    "Adam": lambda ps: tg.optim.Adam(ps, lr=0.02),
    "Adam, decay": lambda ps: tg.optim.Adam(ps, lr=0.02, weight_decay=0.1),
    "AdamW": lambda ps: tg.optim.AdamW(ps, lr=0.02),
}
trainings = st.fixed_dictionaries(
    {
        "sizes": st.lists(st.integers(2, 7), min_size=2, max_size=4),
        "activation": st.sampled_from(sorted(ACTIVATIONS)),
        "dropout": st.booleans(),
        "loss": st.sampled_from(["squared", "labels", "distributions"]),
        "optimizer": st.sampled_from(sorted(OPTIMIZERS)),
        "dtype": st.sampled_from(["float32", "float64"]),
        "batches": st.lists(st.sampled_from([8, 8, 8, 3, 1]), min_size=5, max_size=8),
    }
)


class Training:
    """A net, its optimizer and the step that a test calls eagerly or jitted."""

    def __init__(self, sizes, activation, dropout, loss, optimizer, dtype, batches):
        layers = []
        for i, (m, n) in enumerate(pairwise(sizes)):
            layers += [tg.nn.Linear(m, n, rng=i), ACTIVATIONS[activation]()]
            layers += [tg.nn.Dropout(0.3, rng=10 + i)] * dropout
        self.net = tg.nn.Sequential(*layers[: -1 - dropout]).astype(dtype)
        self.optimizer = OPTIMIZERS[optimizer](self.net.parameters())
        self.loss = F.squared_loss if loss == "squared" else F.cross_entropy

    def step(self, x, y):
        p = self.net(x)
        loss = self.loss(p, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss, p


def batch_of(case, n, rng):
    inputs, outputs = case["sizes"][0], case["sizes"][-1]
    x = rng.normal(size=(n, inputs)).astype(case["dtype"])
    if case["loss"] == "labels":
        return x, rng.integers(0, outputs, size=n)
    y = rng.uniform(size=(n, outputs))
    return x, (y / y.sum(axis=1, keepdims=True)).astype(case["dtype"])


@settings(small, max_examples=30)
@given(trainings)
def test_trainings_take_the_same_way(case):
    before = tg.get_default_dtype()
    tg.set_default_dtype(case["dtype"])
    try:
        _train_both(case)
    finally:
        tg.set_default_dtype(before)


def _train_both(case):
    eager, jitted = Training(**case), Training(**case)
    step = tg.jit(jitted.step)
    rng = np.random.default_rng(len(case["batches"]))
    tolerance = {"rtol": 2e-4, "atol": 2e-6} if case["dtype"] == "float32" else {"rtol": 1e-11, "atol": 1e-13}
    kept = []
    for number, n in enumerate(case["batches"]):
        if number in (3, 5):
            eager.optimizer.lr = jitted.optimizer.lr = eager.optimizer.lr * 0.5
        x, y = batch_of(case, n, rng)
        copies = x.copy(), y.copy()
        results = step(x, y)
        for a, b in zip(eager.step(*copies), results, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            np.testing.assert_allclose(b.numpy(), a.numpy(), **tolerance)
        assert_same(copies, (x, y), 0)
        parameters = [p.data for p in jitted.net.parameters()]
        for a, b in combinations([*arrays_in(results), x, y, *parameters], 2):
            assert not np.shares_memory(a, b)
        for p, q in zip(eager.net.parameters(), jitted.net.parameters(), strict=True):
            assert p.dtype == q.dtype
            np.testing.assert_allclose(q.numpy(), p.numpy(), **tolerance)
        states = eager.optimizer.state_dict(), jitted.optimizer.state_dict()
        assert states[0].keys() == states[1].keys()
        for key, value in states[0].items():
            np.testing.assert_allclose(states[1][key], value, **tolerance)
        kept.append((arrays_in(results), [array.copy() for array in arrays_in(results)]))
    for arrays, copies in kept:
        assert_same(copies, arrays, 0)
