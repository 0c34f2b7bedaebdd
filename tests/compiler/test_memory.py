"""No value is overwritten while it is needed, what is handed out is the caller's own, and steps allocate nothing."""

from __future__ import annotations

import re
import tracemalloc
from itertools import product

import numpy as np
import pytest

import tinygrad_lite as tg
from models.mnist import Net, training_step
from tinygrad_lite import nn
from tinygrad_lite.compiler import Plan, Variable, load, plan_memory, record, simplify, source_of
from tinygrad_lite.nn.functional import cross_entropy, one_hot, softmax, squared_loss
from tinygrad_lite.optim import SGD, Adam, AdamW

OPTIMIZERS = {
    "SGD": lambda ps: SGD(ps, lr=0.1),
    "momentum": lambda ps: SGD(ps, lr=0.1, momentum=0.9),
    "nesterov": lambda ps: SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda ps: Adam(ps, lr=0.01, weight_decay=0.1),
    "AdamW": lambda ps: AdamW(ps, lr=0.01),
}


class Small(nn.Module):
    def __init__(self):
        self.first, self.second, self.last = nn.Linear(4, 4, rng=0), nn.Linear(4, 4, rng=1), nn.Linear(4, 3, rng=2)
        self.dropout = nn.Dropout(0.4, rng=3)

    def forward(self, x):
        return self.last(self.second(self.dropout(self.first(x).tanh())).relu())


def array(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def training(name, also=lambda net, loss: None):
    """Return a step of a small net with dropout that has been taken once, and what it is called with."""
    net = Small()
    optimizer = OPTIMIZERS[name](net.parameters())

    def step(x, labels):
        loss = cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        result = also(net, loss)
        optimizer.step()
        return loss, result

    args = array(4, 4).astype(np.float32), np.array([0, 2, 1, 1])
    step(*args)
    return step, args


def swap():
    a, b = array(3, 3), array(3, 3, seed=1)

    def f(x):
        kept = a.copy()
        a[...] = b
        b[...] = kept
        return a * x

    return f, (array(3, 3, seed=2),)


def swap_of_parameters():
    p, q = tg.Tensor(array(3, 3), requires_grad=True), tg.Tensor(array(3, 3, seed=1), requires_grad=True)

    def f(x):
        kept = p.data.copy()
        p.data[...] = q.data.T
        q.data[...] = kept.T
        return (p.data * x).sum(), q.data - x

    return f, (array(3, 3, seed=2),)


def cycle_of_steps():
    a, b, c = array(3, 3), array(3, 3, seed=1), array(3, 3, seed=2)

    def f(x):
        first, second = a * 2.0, b + x
        a[...] = second
        b[...] = c
        c[...] = first - b
        return first, a + c

    return f, (array(3, 3, seed=3),)


def old_and_new_values():
    p = tg.Tensor(array(3, 3), requires_grad=True)

    def f(x):
        old = p.data.copy()
        row = p.data[1].copy()
        p.data -= 0.1 * x
        return old, row, p.data * 1.0, p.data.T.copy()

    return f, (array(3, 3, seed=1),)


def value_before_an_update():
    p = tg.Tensor(array(3, 3), requires_grad=True)

    def f(x):
        before = p * 1.0
        p.grad = None
        (p * x).sum().backward()
        p.data -= 0.1 * p.grad.data
        return before, p * 1.0, p

    return f, (array(3, 3, seed=1),)


def returned_and_updated():
    p = tg.Tensor(array(3, 3), requires_grad=True)

    def f(x):
        new = p.data * 0.5 + x
        p.data[...] = new
        return new, new + 1.0

    return f, (array(3, 3, seed=1),)


def swap_by_factors_of_one():
    a, b = array(3, 3), array(3, 3, seed=1)

    def f(x):
        kept = a * 1.0
        np.multiply(b, 1.0, out=a)
        np.multiply(kept, 1.0, out=b)
        return a * x

    return f, (array(3, 3, seed=2),)


def swap_of_transposes():
    a, b = array(3, 3), array(3, 3, seed=1)

    def f(x):
        kept = a * 1.0
        np.multiply(b.T, 1.0, out=a)
        np.multiply(kept.T, 1.0, out=b)
        return a * x

    return f, (array(3, 3, seed=2),)


def step_on_the_way_that_is_read_later():
    p = tg.Tensor(array(3, 3), requires_grad=True)

    def f(x):
        p.data *= 2.0
        half_way = p.data.copy()
        p.data += x
        p.data *= 0.5
        return (half_way * 3.0).sum(), half_way @ x

    return f, (array(3, 3, seed=1),)


def draws():
    rng = np.random.default_rng(5)

    def f(x):
        kept = rng.random(x.shape, np.float32) > 0.5
        noise = rng.standard_normal(x.shape) + rng.random(size=x.shape, dtype="f") * rng.normal(0.5, 2.0, x.shape)
        times = rng.standard_exponential(x.shape, np.float32, "inv") * 2.0 + rng.standard_exponential(x.shape)
        return x * kept + noise, times * rng.integers(0, 5, size=4) + rng.permutation(4)

    return f, (array(4, 4),)


def tied_parameters():
    layer, out = nn.Linear(4, 4, rng=0), nn.Linear(4, 4, rng=1)
    out.weight = layer.weight
    net = nn.Sequential(layer, nn.Tanh(), out, nn.Tanh(), layer)
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x, y):
        loss = squared_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    args = array(4, 4).astype("f"), array(4, 4, seed=1).astype("f")
    step(*args)
    return step, args


def plain(f, *args):
    return lambda: (f, args)


def _views(x):
    y = np.exp(x)
    top, turned, flat = y[:2], y.T, y.reshape(-1)
    z = np.sin(x) * 2.0
    z = np.cos(z) + 1.0
    return top * 3.0, turned @ z, flat[::2] + 1.0, top


def _view_of_a_view(x):
    y = np.exp(x)
    part = y[1:].T[1:]
    z = [np.sin(x + i) for i in range(5)]
    return part + (z[0] + z[1] * z[2] + z[3] * z[4]).sum()


def _written(x, y):
    a, value = x.copy(), y * 2.0
    a[::-1] = value
    b, value = x.copy(), np.sin(y)
    b[np.array([2, 0, 1])] = value
    c, value = x * 2.0, y * 3.0
    np.add.at(c, np.array([1, 1, 0]), value)
    return a * 0.5, b * 0.5, c * 0.5


def _made_to_be_written(x):
    y, z = np.empty_like(x), np.empty_like(x)
    y[0], y[1:] = x[1] * 2.0, x[:-1] + 1.0
    before = y.sum()
    y[2] += x[0]
    z[...] = y
    z[:, 0] = before
    kept = np.zeros_like(x)
    kept[1] = 3.0
    other = kept.copy()
    other[0] = x[0]
    return y, z * 2.0, kept, kept[1], other


def _overwritten_by_itself(x):
    y = x * 2.0
    y += y.T
    y *= y[::-1]
    y -= y[:, :1]
    return y.sum(axis=0)


def _results_that_are_one(x):
    y = np.sin(x)
    return y, np.sin(x), y.T, y[1:], (y, x)


def _many(x):
    values = [x]
    for i in range(12):
        values.append(np.sin(values[-1]) * values[i // 2] + values[-1].sum(axis=0))
    return values[-1] + values[3], values[5]


def _pieces(x, y):
    z = np.concatenate([np.exp(x), np.sin(y)])
    w = np.where(z > 0.5, z * 2.0, 0.1)
    return softmax(w[:3] @ w[3:].T), np.einsum("ij,kj->ik", w, z).astype("f"), np.clip(w, z * 0.1, z) * 2.0


CASES = {
    **{f"training by {name}": lambda name=name: training(name) for name in OPTIMIZERS},
    "gradient returned": lambda: training("SGD", lambda net, loss: net.parameters()[0].grad),
    "parameter returned": lambda: training("momentum", lambda net, loss: (net.last.weight * 1.0, net.last.weight)),
    "swap": swap,
    "swap of parameters": swap_of_parameters,
    "cycle of steps": cycle_of_steps,
    "old and new values": old_and_new_values,
    "value before an update": value_before_an_update,
    "returned and updated": returned_and_updated,
    "swap by factors of one": swap_by_factors_of_one,
    "swap of transposes": swap_of_transposes,
    "step on the way": step_on_the_way_that_is_read_later,
    "draws": draws,
    "tied parameters": tied_parameters,
    "views": plain(_views, array(4, 4)),
    "view of a view": plain(_view_of_a_view, array(4, 4)),
    "written": plain(_written, array(3, 4), array(3, 4, seed=1)),
    "made to be written": plain(_made_to_be_written, array(3, 4)),
    "overwritten by itself": plain(_overwritten_by_itself, array(4, 4)),
    "results that are one": plain(_results_that_are_one, array(4, 4)),
    "many": plain(_many, array(4, 4)),
    "pieces": plain(_pieces, array(3, 4), array(3, 4, seed=1)),
    "second derivative": plain(
        tg.grad(lambda x: np.square(tg.grad(lambda x: (softmax(x) * np.sin(x)).sum())(x)).sum()), array(4, 4)
    ),
}
each = pytest.mark.parametrize("make", CASES.values(), ids=CASES)


def recorded(make):
    """Return a program, simplified and as recorded, and the values of its inputs."""
    function, args = make()
    recording = record(function, args, {})
    values = {
        variable: found.place.get() if hasattr(found, "place") else found
        for variable, found in recording.sources.items()
    }
    return simplify(recording.program), recording.program, values


def copied(x):
    if isinstance(x, np.random.Generator):
        twin = np.random.default_rng()
        twin.bit_generator.state = x.bit_generator.state
        return twin
    return x.copy() if isinstance(x, np.ndarray) else x


def substituted(x, values):
    if isinstance(x, tuple):
        return tuple(substituted(part, values) for part in x)
    return values[x] if isinstance(x, Variable) else x


def read_by(x):
    if isinstance(x, tuple):
        return {variable for part in x for variable in read_by(part)}
    return {x} if isinstance(x, Variable) else set()


def poison(memory):
    memory.fill(np.nan if memory.dtype.kind == "f" else 1)


@each
def test_values_are_whole_for_as_long_as_they_are_read(make):
    """Run the program in the memory of its plan, spoiling it as soon as nothing that is still needed lies there."""
    program, _, given = recorded(make)
    planned = plan_memory(program)
    real = {variable: copied(value) for variable, value in given.items()}
    seen = {variable: copied(value) for variable, value in given.items()}
    memories = {memory: np.empty(memory.shape, memory.dtype) for memory in planned.memories}
    for memory in memories.values():
        poison(memory)
    updated = dict(program.updates)
    at_the_end = read_by(program.outputs) | set(updated.values())
    left = [set().union(*(read_by(i.operands) for i in program.instructions[n:])) for n in range(1, 999)]
    for n, instruction in enumerate(program.instructions):
        for variable in read_by(instruction.operands):
            if not variable.is_generator:
                np.testing.assert_array_equal(real[variable], seen[variable])
        params = instruction.params
        seen[instruction.result] = instruction.primitive.compute(*substituted(instruction.operands, seen), **params)
        value = instruction.primitive.compute(*substituted(instruction.operands, real), **params)
        place = planned.places.get(instruction.result)
        if place is not None:
            memory = real[place] if isinstance(place, Variable) else memories[place]
            assert (memory.shape, memory.dtype) == (value.shape, value.dtype)
            np.copyto(memory, value)
            value = memory
        real[instruction.result] = value
        needed = [real[variable] for variable in left[n] | at_the_end if variable in real]
        for memory in memories.values():
            if not any(np.shares_memory(memory, x) for x in needed if isinstance(x, np.ndarray)):
                poison(memory)
    for variable in at_the_end:
        np.testing.assert_array_equal(real[variable], seen[variable])
    for variable in program.inputs:
        if variable not in updated and not variable.is_generator:
            np.testing.assert_array_equal(real[variable], given[variable])


def outcome(program, inputs):
    """Return what a program hands out, from copies of its inputs, and the inputs as it leaves them; by no plan."""
    values = {variable: copied(value) for variable, value in inputs.items()}
    for i in program.instructions:
        values[i.result] = i.primitive.compute(*substituted(i.operands, values), **i.params)
    changed = {old: np.array(values[new]) for old, new in program.updates}
    return [np.array(x) for x in substituted(program.outputs, values)], values | changed


@each
def test_the_planned_program_gives_what_the_recorded_one_gives(make):
    program, as_recorded, given = recorded(make)
    source = source_of(program, plan_memory(program))
    run = load(source, program.name)
    made_once = re.findall(r"^(\w+) = .*\bnp\.empty\(", source, re.MULTILINE)
    assert len(made_once) == len(plan_memory(program).memories)
    values = {variable: copied(value) for variable, value in given.items()}
    kept = []
    for call in range(3):
        for variable, value in values.items():
            if call and variable.name in "xy":
                value[...] = np.random.default_rng(call).normal(size=value.shape)
        for name in made_once:
            poison(run.__globals__[name])
        expected, left = outcome(program, values)
        unsimplified, left_unsimplified = outcome(as_recorded, values)
        result = _as_tuple(run(*(values[variable] for variable in program.inputs)))
        for a, b, c in zip(result, expected, unsimplified, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_allclose(b, c, rtol=2e-5, atol=1e-6)
        for variable, value in values.items():
            if not variable.is_generator:
                np.testing.assert_array_equal(value, left[variable])
                np.testing.assert_allclose(value, left_unsimplified[variable], rtol=2e-5, atol=1e-6)
        kept.append((result, [copied(x) for x in result]))
    for result, copies in kept:
        for a, b in zip(result, copies, strict=True):
            np.testing.assert_array_equal(a, b)


def _as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


@each
def test_what_is_handed_out_lies_in_no_memory_of_others(make):
    program, _, given = recorded(make)
    run = load(source_of(program, plan_memory(program)), program.name)
    inputs = [copied(given[variable]) for variable in program.inputs]
    arrays = [x for call in range(2) for x in _as_tuple(run(*inputs)) if isinstance(x, np.ndarray)]
    half = len(arrays) // 2
    for a, b in product(arrays[:half], arrays[half:]):
        assert not np.shares_memory(a, b)
    for other in (*inputs, *run.__globals__.values()):
        for x in arrays:
            assert not isinstance(other, np.ndarray) or not np.shares_memory(x, other)


def test_a_constant_that_is_handed_out_is_another_array_at_each_call():
    jitted = tg.jit(lambda x: (x * 2, np.ones_like(x) * 3, np.full_like(x, 4)))
    for shape in ((1,), (0, 2), (2, 2)):
        first = jitted(np.ones(shape))
        for array in first:
            array[...] = 7
        np.testing.assert_array_equal(jitted(np.ones(shape)), [np.full(shape, n) for n in (2, 3, 4)])


@each
def test_calls_of_the_jitted_function_agree_with_eager_ones(make):
    (eager, args), (other, copies) = make(), make()
    jitted = tg.jit(other)
    for call in range(4):
        expected, result = _flat(eager(*args)), _flat(jitted(*copies))
        for a, b in zip(expected, result, strict=True):
            np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6, err_msg=f"call {call}")
        for a, b in zip(args, copies, strict=True):
            np.testing.assert_array_equal(a, b)


def _flat(x):
    if isinstance(x, (tuple, list)):
        return [array for part in x for array in _flat(part)]
    return [] if x is None else [np.array(x.numpy() if isinstance(x, tg.Tensor) else x)]


@pytest.mark.parametrize("reach", ["arguments", "names"])
def test_an_array_under_two_names_is_one_or_refused(reach):
    def make():
        total = np.zeros((3, 4))
        parts = {"total": total}

        def of_names(x):
            nonlocal total
            before = total.copy()
            total += x
            return parts["total"] * 2.0, before

        def of_arguments(x):
            def change(a, b):
                before = a.copy()
                a += 1.0
                return b * x, before

            return change

        return of_names if reach == "names" else of_arguments(array(3, 4))

    eager, jitted = make(), tg.jit(make())
    args, copies = [[array(3, 4)] * (2 if reach == "arguments" else 1) for _ in range(2)]
    for _ in range(3):
        expected = eager(*args)
        try:
            result = jitted(*copies)
        except tg.JitError:
            return
        np.testing.assert_array_equal(result[0], expected[0])
        np.testing.assert_array_equal(result[1], expected[1])


def test_memory_is_used_again():
    def f(x):
        for i in range(20):
            x = np.sin(x @ x) + i
        return x.sum()

    x = array(16, 16)
    program = simplify(record(f, (x,), {}).program)
    assert len(plan_memory(program).memories) == 2
    assert plan_memory(program).bytes == 2 * x.nbytes


def test_an_array_that_is_made_to_be_written_is_neither_filled_nor_copied():
    def f(x):
        y = np.empty_like(x)
        y[:2], y[2:] = np.sin(x[:2]), 3.0
        return y

    jitted = tg.jit(f)
    np.testing.assert_array_equal(jitted(array(4, 4)), f(array(4, 4)))
    assert re.search(r"fill|full|copy", jitted.source) is None


def test_elementwise_chains_are_computed_in_place():
    program = simplify(record(lambda x: (np.exp(np.sin(x) * 2.0) + 1.0).sum(), (array(4, 4),), {}).program)
    planned = plan_memory(program)
    assert len(planned.memories) == 1
    assert len(planned.overwrites) == 3


def test_results_are_computed_into_memory_of_their_own_and_not_copied():
    program = simplify(record(lambda x: (np.sin(x) * 2.0, np.cos(x) + 1.0), (array(4, 4),), {}).program)
    planned = plan_memory(program)
    assert planned.copied == (False, False)
    assert not {*program.outputs} & {*planned.places}


def test_parameters_and_the_state_of_optimizers_are_changed_in_place():
    step, args = training("momentum")
    program = simplify(record(step, args, {}).program)
    planned = plan_memory(program)
    assert len(program.updates) == 12
    assert all(planned.places[new] is old for old, new in program.updates)


def test_a_plan_of_nothing_is_empty():
    program = simplify(record(lambda x: x, (array(2),), {}).program)
    planned = plan_memory(program)
    assert isinstance(planned, Plan)
    assert planned.memories == []
    assert planned.bytes == 0


class Dropped(nn.Module):
    def __init__(self):
        self.hidden = nn.Linear(784, 90, rng=0)
        self.dropout = nn.Dropout(0.5, rng=1)
        self.output = nn.Linear(90, 10, rng=2)

    def forward(self, images):
        return self.output(self.dropout(self.hidden(images).relu())).softmax()


@pytest.mark.parametrize(
    ("make_net", "make_optimizer"),
    [
        (lambda: Net(rng=0), OPTIMIZERS["SGD"]),
        (lambda: Net(rng=0), OPTIMIZERS["momentum"]),
        (lambda: Net(rng=0), lambda ps: Adam(ps, lr=0.001)),
        (Dropped, OPTIMIZERS["SGD"]),
    ],
    ids=["SGD", "momentum", "Adam", "dropout"],
)
def test_steps_of_the_mnist_net_allocate_no_array(make_net, make_optimizer):
    net = make_net()
    step = tg.jit(training_step(net, make_optimizer(net.parameters())))
    rng = np.random.default_rng(0)
    images, targets = rng.random((100, 784), dtype=np.float32), one_hot(np.arange(100) % 10, 10)
    for _ in range(3):
        step(images, targets)
    # What NumPy converts from one type to another in one operation goes through buffers of this many elements.
    size = np.setbufsize(16)
    tracemalloc.start()
    try:
        step(images, targets)
        peaks = []
        for _ in range(3):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            loss = step(images, targets)
            now, peak = tracemalloc.get_traced_memory()
            peaks.append((peak - before, now - before))
    finally:
        tracemalloc.stop()
        np.setbufsize(size)
    assert np.isfinite(loss.item())
    smallest = 90 * 4
    assert min(left for _, left in peaks) < smallest * 4
    assert min(peak for peak, _ in peaks) < 4_000


@pytest.mark.parametrize("condition", [np.array([1.5, 0.0, np.nan]), np.array([2, 0, 1]), 0.5, [1, 0, 1]])
def test_a_condition_that_is_not_boolean_chooses_as_in_numpy(condition):
    def f(x):
        return np.exp(np.where(condition, x, -x)), np.flip(np.where(x, x, 1.0))

    x = np.array([1.0, 0.0, 3.0])
    for a, b in zip(f(x), tg.jit(f)(x), strict=True):
        np.testing.assert_array_equal(b, a)
