"""A program's source runs on NumPy alone and gives the same bits, says what it computes, and is valid for any names."""

from __future__ import annotations

import ast
import builtins
import keyword
import linecache
import re
import subprocess
import sys
import traceback

import numpy as np
import pytest

import tinygrad_lite as tg
from models.mnist import Net, training_step
from tinygrad_lite import nn
from tinygrad_lite.compiler import load, plan_memory, record, simplify, source_of
from tinygrad_lite.errors import require
from tinygrad_lite.nn.functional import cross_entropy, one_hot, squared_loss

X = np.random.default_rng(0).normal(size=(3, 4))
Y = np.random.default_rng(1).normal(size=(3, 4))

ALONE = """
import importlib.util
import sys

import numpy as np


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tinygrad_lite", "models"):
            raise ImportError(name)


sys.meta_path.insert(0, Blocked())
spec = importlib.util.spec_from_file_location("alone", sys.argv[1])
alone = importlib.util.module_from_spec(spec)
spec.loader.exec_module(alone)
given = np.load(sys.argv[2])
inputs = [given[f"input_{i}"] if f"input_{i}" in given else None for i in range(int(sys.argv[4]))]
inputs = [x.item() if x is not None and not x.ndim else x for x in inputs]
inputs = [np.random.default_rng(7) if x is None else x for x in inputs]
results = []
for _ in range(3):
    values = getattr(alone, sys.argv[5])(*inputs)
    results += [np.array(x) for x in (values if isinstance(values, tuple) else (values,))]
assert not any(name.partition(".")[0] in ("tinygrad_lite", "models") for name in sys.modules)
arrays = [x for x in inputs if isinstance(x, np.ndarray)]
np.savez(sys.argv[3], **{f"{kind}_{i}": x for kind, xs in (("r", results), ("i", arrays)) for i, x in enumerate(xs)})
"""


def run_alone(tmp_path, source, inputs, name="step"):
    """Run a source three times in a process of its own; return the results, and the arrays it was given."""
    (tmp_path / "alone.py").write_text(source)
    (tmp_path / "run.py").write_text(ALONE)
    kept = {f"input_{i}": x for i, x in enumerate(inputs) if not isinstance(x, np.random.Generator)}
    np.savez(tmp_path / "given.npz", **kept)
    arguments = [tmp_path / "run.py", tmp_path / "alone.py", tmp_path / "given.npz", tmp_path / "out.npz"]
    command = [sys.executable, "-I", *map(str, arguments), str(len(inputs)), name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out.npz") as found:
        results = [found[f"r_{i}"] for i in range(sum(key.startswith("r_") for key in found))]
        arrays = [found[f"i_{i}"] for i in range(sum(key.startswith("i_") for key in found))]
    return results, arrays


def mnist_step():
    net = Net(rng=0)
    optimizer = tg.optim.SGD(net.parameters(), lr=10**-0.35)
    rng = np.random.default_rng(0)
    batch = rng.random((100, 784), dtype=np.float32), one_hot(np.arange(100) % 10, 10)
    return net, optimizer, training_step(net, optimizer), batch


def mnist_source():
    _, _, step, batch = mnist_step()
    jitted = tg.jit(step)
    jitted(*batch)
    return jitted.source


def test_the_source_of_the_mnist_step_runs_alone(tmp_path):
    net, optimizer, step, batch = mnist_step()
    before = [p.data.copy() for p in net.parameters()]
    jitted = tg.jit(step)
    expected = [jitted(*batch).numpy() for _ in range(3)]
    (compiled,) = jitted.programs
    given = dict(
        zip([variable.name for variable in compiled.program.inputs], [*batch, *before, optimizer.lr], strict=True)
    )
    assert [*given] == ["images", "targets", "hidden_weight", "hidden_bias", "output_weight", "output_bias", "lr"]
    results, arrays = run_alone(tmp_path, jitted.source, [*given.values()])
    for a, b in zip(results, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for a, b in zip(arrays, [*batch, *(p.data for p in net.parameters())], strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_source_of_a_net_with_dropout_and_adam_runs_alone(tmp_path):
    rng = np.random.default_rng(7)
    net = nn.Sequential(nn.Linear(6, 5, rng=0), nn.ReLU(), nn.Dropout(0.3, rng=rng), nn.Linear(5, 3, rng=1))
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)

    @tg.jit
    def step(x, labels):
        p = net(x)
        loss = cross_entropy(p, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, p

    batch = np.random.default_rng(0).normal(size=(8, 6)).astype("f"), np.array([0, 1, 2, 0, 1, 2, 0, 1])
    step(*batch)  # the state of the optimizer is there from now on
    step(*batch)
    (compiled,) = step.programs
    seen, program, run = [], compiled.program, compiled._idle[0]
    compiled._idle[:] = [lambda *inputs: seen.append(inputs) or run(*inputs)]
    step(*batch)
    rng.bit_generator.state = np.random.default_rng(7).bit_generator.state
    (inputs,) = seen
    assert [isinstance(x, np.random.Generator) for x in inputs] == [
        variable.is_generator for variable in program.inputs
    ]
    inputs = [x.copy() if isinstance(x, np.ndarray) else x for x in inputs]
    results, arrays = run_alone(tmp_path, step.source, inputs)
    run = load(step.source, program.name)
    expected = [np.array(x) for _ in range(3) for x in run(*inputs)]
    assert len(results) == len(expected) > 6
    for a, b in zip(results, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for a, b in zip(arrays, [x for x in inputs if isinstance(x, np.ndarray)], strict=True):
        np.testing.assert_array_equal(a, b)
    rng.bit_generator.state = np.random.default_rng(7).bit_generator.state
    loss, p = step(*batch)
    np.testing.assert_array_equal(loss.numpy(), results[0])
    np.testing.assert_array_equal(p.numpy(), results[1])
    assert len(step.programs) == 1


def test_the_source_names_parameters_layers_and_derivatives():
    names = assigned(mnist_source())
    assert {"images", "targets", "hidden_weight", "output_bias", "lr"} <= names["arguments"]
    assert {"hidden", "loss"} <= names["all"]
    assert any("_d_output_weight" in name for name in names["all"])
    jitted = tg.jit(lambda x: tg.grad(lambda x: np.tanh(np.sin(x)).sum())(x))
    jitted(X)
    assert any(name.startswith("d_") for name in assigned(jitted.source)["all"])


def test_the_source_goes_through_the_phases_in_order_with_shapes():
    source = mnist_source()
    headings = re.findall(r"^    # (\w+)$", source, re.MULTILINE)
    assert headings == ["forward", "loss", "backward", "update"]
    lines = source.splitlines()
    shapes = [re.search(r"# (\(.*\))$", line) for line in lines if " = " in line or "out=" in line]
    assert sum(found is not None for found in shapes) > 20
    assert re.search(r"np\.dot\(images, hidden_weight, out=hidden\) +# \(100, 90\)", source)
    updated = source[source.index("# update") :]
    for name in ("hidden_weight", "hidden_bias", "output_weight", "output_bias"):
        assert f"out={name})" in updated or f"subtract_product({name}," in updated
    assert len(max(lines, key=len)) <= 120


def test_each_shape_that_is_noted_is_that_of_the_value():
    _, _, step, batch = mnist_step()
    program = simplify(record(step, batch, {}).program)
    source = source_of(program)
    noted = re.findall(r"^    (\w+) = .*# (\(.*\))$", source, re.MULTILINE)
    values = {}
    watched = re.sub(r"^    return .*$", "    seen.update(locals())", source, flags=re.MULTILINE)
    run = load(watched, program.name)
    run.__globals__["seen"] = values
    run(*(np.ones(v.shape, v.dtype) if v.dtype is not None else 0.1 for v in program.inputs))
    assert len(noted) > 20
    for name, shape in noted:
        assert values[name].shape == ast.literal_eval(shape)


def assigned(source):
    """Return the names that a source binds, and check that they are fit for that."""
    tree = ast.parse(source)
    *_, function = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    arguments = [argument.arg for argument in function.args.args]
    assert len(arguments) == len(set(arguments))
    stores = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    made_once = {
        node.id
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    inside = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    assert not {*stores, *arguments} & {*dir(builtins)}
    for name in {*stores, *arguments, function.name}:
        assert name.isidentifier()
        assert not keyword.iskeyword(name)
    assert "np" not in {*stores, *arguments, function.name}
    assert function.name not in {*stores, *arguments}
    assert not made_once & ({*arguments} | inside)
    assert not {*arguments} & inside
    return {"all": {*stores, *arguments}, "arguments": {*arguments}, "function": function.name}


def test_lines_of_a_program_are_shown_in_tracebacks():
    @tg.jit
    def checked(x, limit):
        require((x < limit).all(), ValueError, "too large; see {result}")
        return x * 2.0

    checked(X, 100.0)
    with pytest.raises(ValueError, match=re.escape("too large; see {result}")) as caught:
        checked(X, -100.0)
    shown = "".join(traceback.format_exception(caught.value))
    assert 'File "<jit checked ' in shown
    assert "raise ValueError" in shown.split("<jit checked")[-1]
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert linecache.getline(last.filename, last.lineno).strip() == last.line.strip()
    assert last.line.strip() in checked.source


def test_a_label_that_is_none_of_the_classes_is_found_by_the_program():
    net = nn.Linear(4, 3, rng=0)
    step = tg.jit(lambda x, labels: cross_entropy(net(x), labels))
    step(X, np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="none of the 3 classes"):
        step(X, np.array([0, 1, 3]))
    assert len(step.programs) == 1


def _of_arguments(*names):
    namespace = {}
    exec(
        f"def f({', '.join(names)}):\n    return {' + '.join(f'{i + 1} * {name}' for i, name in enumerate(names))}",
        namespace,
    )
    return namespace["f"]


@pytest.mark.parametrize(
    "names",
    [
        ("np", "step", "result"),
        ("f", "list", "print"),
        ("multiply", "add", "multiply_2"),
        ("new_x", "x", "new_new_x"),
        ("constant_1", "constant_2", "constant"),
        ("_", "__", "args"),
        ("d_x", "x", "lr"),
        ("sum", "sum_2", "out"),
        ("ß", "δ", "x1"),
    ],
)
def test_arguments_may_be_called_anything(names):
    f = _of_arguments(*names)
    args = X, Y, X + Y
    jitted = tg.jit(lambda *xs: f(*xs) * np.array([1.0, 2.0, 3.0, 5.0])) if "x" not in names else tg.jit(f)
    direct = tg.jit(f)
    for _ in range(2):
        np.testing.assert_array_equal(direct(*args), f(*args))
        np.testing.assert_array_equal(jitted(*args), jitted.__wrapped__(*args))
        args = args[1:] + args[:1]
    for each in (direct, jitted):
        assigned(each.source)


def test_an_argument_named_like_a_constant_is_not_mistaken_for_it():
    @tg.jit
    def f(constant_1, constant_2):
        return constant_1 * np.array([1.0, 2.0, 3.0, 5.0]) + constant_2 * np.array([7.0, 2.0, 3.0, 5.0])

    for args in ((X, Y), (Y, X)):
        np.testing.assert_array_equal(f(*args), f.__wrapped__(*args))
    assigned(f.source)


def test_constants_written_out_and_those_that_are_too_large_have_names_of_their_own():
    large = [np.random.default_rng(i).normal(size=100).tolist() for i in range(3)]

    @tg.jit
    def f(x):
        y = x
        for numbers in large:
            y = y * np.array(numbers)
        return y, [x[:3] * np.array([1.0, 2.0, 3.0 + i]) for i in range(4)]

    for seed in (0, 1):
        x = np.random.default_rng(seed).normal(size=100)
        result, expected = f(x), f.__wrapped__(x)
        np.testing.assert_array_equal(result[0], expected[0])
        np.testing.assert_array_equal(result[1], expected[1])
    assigned(f.source)


def test_a_new_value_on_hold_does_not_take_the_name_of_another():
    w, v = X.copy(), Y.copy()

    @tg.jit
    def f(x):
        new_w = x * 2.0
        kept = w.copy()
        w[...] = v
        v[...] = kept
        return new_w, new_w + 1.0

    for x in (X, Y, X):
        result = f(x)
        np.testing.assert_array_equal(result[0], x * 2.0)
        np.testing.assert_array_equal(result[1], x * 2.0 + 1.0)
    np.testing.assert_array_equal(w, Y)
    np.testing.assert_array_equal(v, X)
    assigned(f.source)


@pytest.mark.parametrize(
    "path", ["lambda", "np", "step", "list", "a b", "1st", "weight.bias", "é", "loss", "result", "class", ""]
)
def test_parameters_may_stand_under_any_name(path):
    net = nn.Linear(4, 3, rng=0)
    net.parts = {path: nn.Linear(3, 3, rng=1), f"{path}_2": nn.Linear(3, 3, rng=2)}
    net.list = [tg.Tensor(np.ones(3, np.float32), requires_grad=True)]
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)

    def step(x, y):
        p = net.list[0] * net(x)
        for part in net.parts.values():
            p = part(p)
        loss = squared_loss(p, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    jitted = tg.jit(step)
    losses = [jitted(X, Y[:, :3]).item() for _ in range(4)]
    assert losses[-1] < losses[0]
    for compiled in jitted.programs:
        names = assigned(compiled.source)
        assert len(names["arguments"]) == len(compiled.program.inputs)


def test_layers_of_a_sequence_have_valid_names():
    net = nn.Sequential(nn.Linear(4, 5, rng=0), nn.Tanh(), nn.Linear(5, 4, rng=1))
    for make in (tg.optim.SGD, tg.optim.Adam):
        optimizer = make(net.parameters(), lr=0.01)

        def step(x, y, optimizer=optimizer):
            loss = squared_loss(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        jitted = tg.jit(step)
        for _ in range(3):
            jitted(X, Y)
        assert "layer_0_weight" in assigned(jitted.source)["arguments"]


class Holder:
    def double(self, x):
        return x * 2.0

    @staticmethod
    def still(x):
        return x * 2.0

    def __call__(self, x):
        return x * 2.0


def _nested():
    def inner(x):
        return x * 2.0

    return inner


def _called(name):
    def f(x):
        return x * 2.0

    f.__name__ = name
    return f


FUNCTIONS = {
    "lambda": lambda x: x * 2.0,
    "nested": _nested(),
    "method": Holder().double,
    "static method": Holder.still,
    "object": Holder(),
    **{f"called {name!r}": _called(name) for name in ("np", "class", "None", "print", "x", "multiply", "a b", "1", "")},
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_may_be_called_anything(function):
    jitted = tg.jit(function)
    for x in (X, Y):
        np.testing.assert_array_equal(jitted(x), x * 2.0)
    names = assigned(jitted.source)
    np.testing.assert_array_equal(load(jitted.source, names["function"])(X), X * 2.0)


@pytest.mark.parametrize("name", ["bool", "ValueError", "np"])
def test_a_function_may_be_called_like_what_its_source_uses(name):
    def f(x):
        require((x < 5).all(), ValueError, "too large")
        return np.sin(x).astype(bool)

    f.__name__ = name
    jitted = tg.jit(f)
    for x in (X, np.zeros((3, 4))):
        np.testing.assert_array_equal(jitted(x), x.astype(bool))
    with pytest.raises(ValueError, match="too large"):
        jitted(X + 9)


def test_source_without_a_plan_makes_no_memory_beforehand():
    _, _, step, batch = mnist_step()
    program = simplify(record(step, batch, {}).program)
    assert "np.empty" not in source_of(program)
    assert "out=" not in source_of(program)
    assert "np.empty" in source_of(program, plan_memory(program))


@pytest.mark.parametrize(
    "value", [np.inf, -np.inf, np.nan, -0.0, 1e-300, -1.5, np.float32(0.1), np.float64(np.nan), np.int8(-3), True]
)
@np.errstate(invalid="ignore")
def test_constants_are_written_exactly(value):
    jitted = tg.jit(lambda x: (x * value, np.minimum(value, x), x * np.array([value, 1, 2, 3])))
    for x in (X, Y, np.where(X > 0, 0.0, -0.0)):
        for a, b in zip(jitted(x), jitted.__wrapped__(x), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


def test_the_plan_and_the_source_of_a_jitted_function_are_those_of_its_program():
    jitted = tg.jit(lambda x: (np.sin(x) * 2.0).sum())
    jitted(X)
    (compiled,) = jitted.programs
    assert compiled.source == jitted.source == source_of(compiled.program, plan_memory(compiled.program))
