"""On a GPU chains of elementwise operations are one kernel, and a sum that is subtracted is one call: see `fusion`."""

from __future__ import annotations

import re
from contextlib import suppress

import numpy as np
import pytest

import tinygrad_lite as tg
from models import mnist
from tests.devices import standin as module
from tests.devices.training import OPTIMIZERS, trained
from tinygrad_lite import nn
from tinygrad_lite.compiler import compiled, fusion
from tinygrad_lite.nn import functional as F
from tinygrad_lite.support.devices import to_device

RNG = np.random.default_rng(0)
X, Y = (RNG.normal(size=(6, 4)).astype(np.float32) for _ in range(2))


@pytest.fixture
def there(standin):
    """Return a function that makes an array of the stand-in's device."""
    return lambda data: to_device(np.asarray(data), standin)


@pytest.fixture
def unfused(monkeypatch):
    """Return a function that calls another one while programs are made without kernels."""

    def run(function, *args):
        with monkeypatch.context() as patch:
            patch.setattr(compiled, "fuse", lambda program: program)
            return function(*args)

    return run


def launches(function, *args):
    """Return the names of what a call launches, after a call that compiles it."""
    function(*args)
    module.launches.clear()
    function(*args)
    return [*module.launches]


def kernels(jitted):
    """Return the functions that are kernels, as text, by their names."""
    return functions_of(jitted.source)


def functions_of(source):
    """Return the functions of a source that are kernels, as text, by their names."""
    found = re.findall(r"@np.fuse\ndef (\w+)(.*?\n)(?=\n\n)", source, re.DOTALL)
    assert len(found) == source.count("@np.fuse")
    return dict(found)


@pytest.mark.parametrize("batch", [100, 1000])
def test_the_step_of_mnist_launches_fourteen(batch, standin, there):
    net = mnist.Net(rng=0).to(standin)
    step = tg.jit(mnist.training_step(net, tg.optim.SGD(net.parameters(), 0.1)))
    images, targets = there(RNG.random((batch, 784), np.float32)), there(np.eye(10, dtype=np.float32)[[3] * batch])
    found = launches(step, tg.Tensor(images), tg.Tensor(targets))
    assert len(found) <= 14, found
    assert (found.count("dot"), found.count("gemm")) == (3, 4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_kernels_compute_what_single_operations_do(optimizer, standin, unfused):
    one, other = trained(standin, 6, optimizer, jit=True), unfused(trained, standin, 6, optimizer, True)
    assert "np.fuse" in one.programs[0].source
    assert "np.fuse" not in other.programs[0].source
    assert one.losses == other.losses
    for a, b in zip(one.parameters, other.parameters, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_program_of_the_cpu_has_no_kernels():
    assert "fuse" not in trained("cpu", 2, jit=True).programs[0].source


def test_equal_kernels_are_one_function(standin):
    net = mnist.Net(5, rng=0).to(standin)
    step = tg.jit(mnist.training_step(net, tg.optim.Adam(net.parameters())))
    step(tg.Tensor(np.ones((3, 784), np.float32)).to(standin), tg.Tensor(np.ones((3, 10), np.float32)).to(standin))
    updates = [name for name in kernels(step) if step.source.count(f" {name}(") == 1 + len(net.parameters())]
    assert len(updates) == 3  # the mean, the mean square, the parameter


def test_the_function_is_to_be_read(there):
    jitted = tg.jit(lambda x, y: (np.float32(0.5) * np.maximum(x + y, 0)).max(axis=0))
    jitted(there(X), there(Y[0]))
    (text,) = kernels(jitted).values()
    assert text.split("\n") == [
        "(a, b):",
        "    add = a + b",
        "    maximum = np.maximum(add, 0)",
        "    multiply = np.multiply(np.float32(0.5), maximum)",  # as an operator, NumPy's scalar would take all
        "    return np.max(multiply, axis=0)",
        "",
    ]


FUSED = {
    "an operator": (lambda x, y: (x + y) * 2 - 1, 1),
    "a constant of NumPy's": (lambda x, y: np.float32(0.1) * (x + y), 1),
    "a mask": (lambda x, y: np.where((x > 0) == (y > 0), x, -y), 1),
    "infinity": (lambda x, y: np.exp(np.where(x > 0, x, -np.inf) + y), 1),
    "limits": (lambda x, y: np.clip(x * y, -0.5, 0.5), 1),
    "rows": (lambda x, y: x + y[0] * 2, 1),
    "columns": (lambda x, y: np.exp(x - x.max(axis=1, keepdims=True)), 2),
    "a number of no axes": (lambda x, y: (x * y).sum() / 3 + 1, 1),
    "a number beside an array": (lambda x, y: np.sqrt((x * y).sum() ** 2) * x, 2),
    "two sums": (lambda x, y: ((x * y).sum(axis=0) * 2).sum(), 2),
    "several axes": (lambda x, y: (x * y).sum(axis=(0, 1), keepdims=True), 1),
    "of a transpose": (lambda x, y: (x.T * y.T).sum(axis=0) + 1, 1),
    "read twice": (lambda x, y: (x * y + 1, x * y - 1), 2),
    "read once": (lambda x, y: (x * y + y[::-1] - x[::-1] + y[:, ::-1]) * 2, 1),
    "a sum read twice": (lambda x, y: [f((x * y).sum()) for f in (lambda s: s / 3, lambda s: s * 2)], 3),
    "a sum of a type": (lambda x, y: (x * y).sum(axis=0, dtype=np.float32), 2),
    "a choice by floats": (lambda x, y: np.where(x, y, 0) * 2, None),
    "an exponent": (lambda x, y: (x - y) ** 2 + 1, 1),
    "float64": (lambda x, y: (x.astype(float) + 1) * 0.1, 2),
    "of two types": (lambda x, y: (x + 1) * (y.astype(float) + 1), 4),
    "float16": (lambda x, y: (x.astype(np.float16) + 1) * 2, 3),
    "whole numbers": (lambda x, y: ((x > 0).astype(int) + 1) * 2, 4),
    "a mask and a number": (lambda x, y: ((x > 0) * 0.1) * x.astype(float), None),
    "a choice of numbers": (lambda x, y: np.where(x > 0, 1.0, 0.1) + 1, None),
    "a large number": (lambda x, y: (x + 1) * 10**20, None),
    "a constant mask": (lambda x, y: (x > 0) & np.bool_(True) | (y > 0), 1),
    "a quotient of masks": (lambda x, y: ~(x > 0) / ((y > 0) | (y <= 0)), 3),
    "masks": (lambda x, y: ~(x > 0) & (y > 0) | (x < y), 1),
    "the largest of masks": (lambda x, y: ((x > 0) & (y > 0)).max(axis=1), 2),
    "a mask beside whole numbers": (lambda x, y: ((x > 0).astype(int) > x) & (y > 0), 4),
    "a sum of whole numbers": (lambda x, y: (x > y).sum(axis=0) * 2, None),
}


@pytest.mark.parametrize("name", FUSED)
def test_kernels_have_the_types_and_bits_of_single_operations(name, there):
    function, count = FUSED[name]
    jitted, args = tg.jit(function), (there(X), there(Y))
    for _ in range(2):
        found, expected = (f(*args) for f in (jitted, function))
        found, expected = (x if isinstance(x, (tuple, list)) else [x] for x in (found, expected))
        for a, b in zip(found, expected, strict=True):
            assert (type(a), a.dtype, a.shape) == (type(b), b.dtype, b.shape)
            np.testing.assert_array_equal(a.get(), b.get())
    assert count is None or len(launches(jitted, *args)) == count, jitted.source


def test_a_number_beside_masks_keeps_its_type(there):
    jitted = tg.jit(lambda x, s: ~(x > 0) * s)
    found = jitted(there(X), np.float32(0.1))
    assert found.dtype == np.float32
    assert " * " not in "".join(kernels(jitted).values())


def test_a_kernel_writes_where_the_old_value_lies(there):
    def f(w, x):
        w -= 0.1 * (w * 0.5 + x)

    jitted = tg.jit(f)
    assert launches(jitted, there(X), there(Y)) == [*kernels(jitted)]


def test_what_is_handed_out_is_not_computed_again(there):
    jitted = tg.jit(lambda x, y: [z := x * y, z + 1, z - 1])
    jitted(there(X), there(Y))
    assert not kernels(jitted)


def test_numbers_are_computed_on_the_cpu(there):
    jitted = tg.jit(lambda x, a, b: x * (~a & b) + 1)
    for a, b in ((True, False), (False, True)):
        found = jitted(there(X), np.bool_(a), np.bool_(b))
        np.testing.assert_array_equal(found.get(), X * (not a and b) + 1)


def test_a_number_may_be_of_any_type(there):
    def f(x, s):
        return x * s + np.power(x, s)

    jitted = tg.jit(f)
    for s in (2, 0.5, np.float32(0.5), np.float64(0.5), True):
        found, expected = jitted(there(X * X), s), f(there(X * X), s)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.get(), expected.get())
        assert jitted.source.count("np.power") <= 1


def test_what_is_changed_in_place_is_read_before(there):
    def f(w, v, x):
        before = w * 2 + x
        v *= 0.5
        v += w * x
        w -= v * 2 + w.T[0, 0]
        return before, w.sum(axis=0) / 2, v + before

    def run(f):
        w, v = there(X[:4].copy()), there(Y[:4].copy())
        return [*[y.get() for _ in range(3) for y in f(w, v, there(X[2:]))], w.get(), v.get()]

    for a, b in zip(run(tg.jit(f)), run(f), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_drawn_is_drawn_once(there, standin):
    net = nn.Sequential(nn.Dropout(0.5, rng=1)).to(standin)

    def f(x):
        y = net(x * 2)
        return y + 1, y - 1

    a, b = (y.numpy() for y in tg.jit(f)(tg.Tensor(there(X))))
    np.testing.assert_array_equal(a != 1, b != -1)
    assert 0 < (a == 1).sum() < a.size


def test_a_failing_check_leaves_everything_as_it_was(standin):
    net = nn.Linear(4, 3, rng=0).to(standin)
    optimizer = tg.optim.SGD(net.parameters(), 0.1)

    def step(x, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x * 2 + 1), labels)
        loss.backward()
        optimizer.step()
        return loss

    jitted, x, labels = tg.jit(step), tg.Tensor(X).to(standin), np.array([0, 2, 1, 2, 2, 0])
    jitted(x, tg.Tensor(labels).to(standin))
    before = [p.numpy() for p in net.parameters()]
    with pytest.raises(ValueError, match="a label is none of the 3 classes"):
        jitted(x, tg.Tensor(labels + 1).to(standin))
    for a, b in zip(before, net.parameters(), strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize("depth", [3, 100])
def test_no_value_is_computed_again_and_again(depth, there):
    def f(x, ys):
        found = []
        for y in ys:
            x = x + y * 2
            found.append((x * x).sum())
        return found

    args = there(X), [there(Y + k) for k in range(depth)]
    jitted = tg.jit(f)
    assert [float(a) for a in jitted(*args)] == [float(b) for b in f(*args)]
    kernels_of = [
        i.primitive for i in jitted.programs[0].program.instructions if isinstance(i.primitive, fusion.Kernel)
    ]
    assert sum(len(kernel.body) for kernel in kernels_of) <= 8 * depth
    assert len(launches(jitted, *args)) <= 2 * depth


def test_a_long_chain_is_several_kernels(there):
    def f(x):
        for k in range(100):
            x = x * 0.5 + k
        return x

    jitted = tg.jit(f)
    np.testing.assert_array_equal(jitted(there(X)).get(), f(there(X)).get())
    assert len(launches(jitted, there(X))) == -(-200 // fusion.MOST)


def test_the_step_of_a_scan_has_kernels(there):
    def f(h, xs):
        return tg.scan(lambda h, x: (np.tanh(h * 2 + x), (h * h + 1).sum(axis=0)), h, xs)

    jitted, args = tg.jit(f), (there(X), there(np.stack([X, Y])))
    for a, b in zip(jitted(*args), f(*args), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert len(kernels(jitted)) == 2


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_a_product_is_subtracted_in_one_call(layout, dtype, there):
    def f(w, b, x, g):
        w -= x.T @ g
        b += (g * 2).sum(axis=0)
        b -= g.sum(axis=0)

    def run(f):
        w, x, g = (module.ndarray(layout(a.astype(dtype))) for a in (np.ones((4, 3)), X, Y[:, :3]))
        b = module.ndarray(layout(np.ones((2, 3), dtype))[1])
        f(w, b, x, g)
        return w.get(), b.get()

    jitted = tg.jit(f)
    for a, b in zip(run(jitted), run(f), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0.01 if dtype == np.float16 else 1e-5)
    assert ("subtract_product(w, x.T, g)" in jitted.source) == (dtype != np.float16)


@pytest.mark.parametrize("options", [{"axis": 1}, {"axis": 0, "keepdims": True}, {"axis": (0,)}, {}])
def test_another_sum_is_subtracted_as_it_is(options, there):
    def f(b, g):
        b -= g.sum(**options)
        return b

    g = X[:4]
    b = np.ones(g.sum(**options).shape or 4, np.float32)
    found = tg.jit(f)(there(b.copy()), there(g))
    np.testing.assert_allclose(found.get(), f(b, g), rtol=1e-6)


@pytest.fixture
def cupy(monkeypatch):
    """Return CuPy, of which only arrays without memory are used, so that no GPU is needed."""
    return pytest.importorskip("cupy", exc_type=ImportError)


def test_cupy_takes_the_functions(cupy, standin):
    memory = cupy.cuda.MemoryPointer(cupy.cuda.UnownedMemory(1 << 20, 1 << 40, None, 0), 0)
    sources = [program.source for optimizer in OPTIMIZERS for program in trained(standin, 1, optimizer, True).programs]
    for name, text in {function for source in sources for function in functions_of(source).items()}:
        namespace = {"np": cupy}
        exec(f"@np.fuse\ndef {name}{text}", namespace)
        operands = text.partition(")")[0][1:].split(", ")
        args = [cupy.ndarray((4, 3), np.float32, memory) for _ in operands]
        with suppress(cupy.cuda.runtime.CUDARuntimeError):  # it is known how to compute it, but there is no GPU
            namespace[name](*args)
        assert namespace[name].new_fusion is None, text  # not the way that needs CUDA's headers
