"""On a GPU: every rule gives what it gives on the CPU, up to rounding, and the reference net learns the same."""

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.device.compare import derivatives, samples
from tests.device.training import trained
from tinygrad_lite import device
from tinygrad_lite.errors import DeviceError

try:
    device.module_of("cuda")
except DeviceError as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.mark.parametrize(("rule", "i"), samples(), ids=lambda x: getattr(x, "name", str(x)))
def test_rules(rule, i):
    there = derivatives(rule, rule.samples[i], "cuda")
    here = derivatives(rule, rule.samples[i], "cpu")
    for a, b in zip(there, here, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


def test_the_reference_net():
    (losses, parameters), (expected, of_the_cpu) = trained("cuda", 300), trained("cpu", 300)
    np.testing.assert_allclose(losses, expected, rtol=1e-3, atol=1e-4)
    for a, b in zip(parameters, of_the_cpu, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3)


def test_mixing():
    with pytest.raises(DeviceError, match=r"add of operands on different devices: .*is on 'cuda'.*is on 'cpu'"):
        tg.Tensor([1.0, 2.0]).to("cuda") + np.ones(2)
    with pytest.raises(DeviceError, match=r"multiply of operands on different devices"):
        tg.Tensor([1.0, 2.0]).to("cuda") * tg.Tensor(2.0)
