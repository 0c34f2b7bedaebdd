"""On a GPU every rule gives what it gives on the CPU, up to rounding, with jit or without; the reference net learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from models import mnist
from tests.devices.compare import derivatives, samples, with_and_without_jit
from tests.devices.training import OPTIMIZERS, trained
from tinygrad_lite.errors import DeviceError
from tinygrad_lite.support import devices as device

try:
    device.module_of("cuda")
except DeviceError as error:
    pytest.skip(str(error), allow_module_level=True)

each_rule = pytest.mark.parametrize(("rule", "i"), samples(), ids=lambda x: getattr(x, "name", str(x)))


@each_rule
def test_rules(rule, i):
    there = derivatives(rule, rule.samples[i], "cuda")
    here = derivatives(rule, rule.samples[i], "cpu")
    for a, b in zip(there, here, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


@each_rule
def test_rules_under_jit(rule, i):
    for eager, jitted in with_and_without_jit(rule, rule.samples[i], "cuda"):
        np.testing.assert_allclose(jitted.numpy(), eager.numpy(), rtol=1e-9, atol=1e-12)


FIRST = """
import numpy as np
import tinygrad_lite as tg
x = tg.Tensor(np.arange(1.0, 7.0).reshape(2, 3)).to("cuda")
found = tg.jit({function})(x)
print(found.numpy().tolist())
"""


@pytest.mark.parametrize(
    "function",
    [
        "lambda x: x ** -1",
        "lambda x: np.min(x, axis=1, keepdims=True)",
        "tg.grad(lambda x: np.tanh(x[np.array([0, 0]), 1:]).sum())",
        "tg.grad(lambda x: (x @ x.T).softmax().max())",
    ],
)
def test_the_first_call_on_a_fresh_machine(function, tmp_path):
    x = tg.Tensor(np.arange(1.0, 7.0).reshape(2, 3))
    expected = eval(function)(x).numpy()
    # Where CuPy keeps the kernels it has compiled: nothing is there yet.
    environment = os.environ | {"CUPY_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FIRST.format(function=function)],
        cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("jit", [False, True])
def test_the_reference_net(jit, optimizer):
    there, here = trained("cuda", 40, optimizer, jit), trained("cpu", 40, optimizer)
    np.testing.assert_allclose(there.losses, here.losses, rtol=1e-3, atol=1e-4)
    for a, b in zip(there.parameters, here.parameters, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3)
    for compiled in there.programs:
        assert compiled.source.partition('"""\n')[2].split()[:4] == ["import", "cupy", "as", "np"]
        kernels = [f for name, f in compiled._idle[0].__globals__.items() if name.startswith("fused_")]
        assert len(kernels) > 5
        assert not any(kernel.new_fusion for kernel in kernels)  # CuPy knows a single kernel for each


@pytest.fixture(scope="module")
def epoch(tmp_path_factory):
    """Return a function that runs the first epoch of the reference run, and returns what it found."""

    def run(*options):
        out = tmp_path_factory.mktemp("run")
        assert mnist.main(["--epochs", "1", "--quiet", "--out", str(out), *options]) == 0
        return json.loads((out / "metrics.json").read_text())

    return run


@pytest.fixture(scope="module")
def on_the_cpu(epoch):
    """Return what the first epoch finds on the CPU."""
    return epoch()


@pytest.mark.parametrize("option", ["--jit", "--no-jit"])
def test_the_reference_run(option, epoch, on_the_cpu):
    found = epoch("--device", "cuda", option)
    (ours,), (expected,) = found["history"], on_the_cpu["history"]
    for name in ("train_loss", "valid_loss"):
        assert ours[name] == pytest.approx(expected[name], rel=0.02)
    assert found["initial_valid_accuracy"] == pytest.approx(on_the_cpu["initial_valid_accuracy"], abs=0.001)
    assert found["test_accuracy"] == pytest.approx(on_the_cpu["test_accuracy"], abs=0.005)


def test_mixing():
    with pytest.raises(DeviceError, match=r"add of operands on different devices: .*is on 'cuda'.*is on 'cpu'"):
        tg.Tensor([1.0, 2.0]).to("cuda") + np.ones(2)
    for product in (lambda a, b: a * b, tg.jit(lambda a, b: a * b)):
        with pytest.raises(DeviceError, match=r"multiply of operands on different devices"):
            product(tg.Tensor([1.0, 2.0]).to("cuda"), tg.Tensor(2.0))
