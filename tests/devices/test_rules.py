"""No rule falls back to the host: each computes on a device that refuses to, and gives what it gives on the CPU."""

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.devices.compare import derivatives, samples
from tinygrad_lite import rules
from tinygrad_lite.rules import registry as table
from tinygrad_lite.support.devices import to_device


@pytest.mark.parametrize(("rule", "i"), samples(), ids=lambda x: getattr(x, "name", str(x)))
def test_value_and_derivatives_of_first_and_second_order(rule, i, standin):
    there = derivatives(rule, rule.samples[i], standin)
    here = derivatives(rule, rule.samples[i], "cpu")
    assert len(there) == len(here)
    for a, b in zip(there, here, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        # A GPU computes powers and contractions in its own way, where NumPy's is slow.
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12)


def _as_array(x):
    return x if isinstance(x, tg.Tensor) else np.asarray(x)


@pytest.mark.parametrize(
    "slip",
    [
        lambda g, x: g * _as_array(x),
        lambda g, x: g * np.ones(x.shape),
        lambda g, x: g * np.asarray([float(v) for v in x]),
        lambda g, x: np.where(np.ones(x.shape, bool), g * x, 0),
        lambda g, x: g * np.clip(x, min=-9),
        lambda g, x: g * np.vander(x, 1)[:, 0],
        lambda g, x: g.sum(initial=0.0) * x,
        lambda g, x: np.concatenate([g * x, np.ones(0)]),
        lambda g, x: np.einsum("i,i->i", g, np.ones(3)) * x,
    ],
)
def test_a_rule_that_needs_the_host_is_caught(slip, standin, monkeypatch):
    monkeypatch.setattr(table, "_rules", dict(table._rules))
    rule = tg.rules.define(
        "slip", lambda x: x * x / 2, x=slip, samples=lambda: [rules.sample(np.array([1.0, -2.0, 0.25]))]
    )
    x = tg.Tensor(np.array([1.0, -2.0, 0.25]), requires_grad=True)
    x.data = to_device(x.data, standin)
    with pytest.raises((TypeError, AttributeError)):
        rule(x).sum().backward()


x = np.arange(1.0, 7.0).reshape(2, 3)

COMPOSED = {
    "power": lambda x: np.power(x, 3),
    "power of": lambda x: np.power(x, x),
    "clip": lambda x: np.clip(x, 2, None),
    "clip by arrays": lambda x: np.clip(x, x.detach() / 2, x.detach() - 0.5),
    "where": lambda x: np.where(x > 2, x, 0),
    "matmul": lambda x: np.matmul(x, x.mT),
    "matmul of a vector": lambda x: x @ x[0],
    "dot": lambda x: np.dot(x, x.T),
    "outer": lambda x: np.outer(x, x[0]),
    "inner": lambda x: np.inner(x, x),
    "tensordot": lambda x: np.tensordot(x, x, axes=([0], [0])),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "einsum of a diagonal": lambda x: np.einsum("ii->i", x @ x.mT),
    "einsum of a sum": lambda x: np.einsum("ij->j", x),
    "einsum of nothing": lambda x: np.einsum("ij->j", x[:0]).sum() + x.sum(),
    "parts of numbers": lambda x: np.modf(x / 4)[0] + np.frexp(x)[0] + np.copysign(x, -x) + np.fabs(x),
    "parts of complex numbers": lambda x: np.real(x) + np.imag(x) + np.conjugate(x) + np.angle(-x) * x,
    "float_power": lambda x: np.float_power(x, 2),
    "logaddexp2": lambda x: np.logaddexp2(x, 2),
    "i0": np.i0,
    "sinc": lambda x: np.sinc(x / 7),
    "angles": lambda x: np.deg2rad(x) + np.rad2deg(x) + np.unwrap(4 * x),
    "choices": lambda x: np.fmax(x, 2) + np.fmin(x, 3.0) + np.heaviside(x - 3, 0.5) * x,
    "nan_to_num": np.nan_to_num,
    "select": lambda x: np.select([x > 4, x > 2], [x, x * x], 0.5),
    "piecewise": lambda x: np.piecewise(x, [x > 4, x > 2], [lambda x: -x, np.square, 0.5]),
    "interp": lambda x: np.interp(x, x[0], 2 * x[0]),
    "running products": lambda x: np.cumprod(x, axis=1) + np.maximum.accumulate(x) + np.nancumsum(x, axis=0),
    "running sums from 0": lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "methods of ufuncs": lambda x: np.add.reduce(x) + np.maximum.reduce(x) + np.add.reduceat(x, [0, 1]),
    "reductions where": lambda x: np.sum(x, axis=1, where=x > 2) + np.max(x, axis=1, initial=5.0),
    "var": np.var,
    "var where": lambda x: np.var(x, axis=1, where=x > 1, correction=1),
    "std": lambda x: np.std(x, axis=1, ddof=1),
    "cumsum": np.cumsum,
    "reshape": lambda x: np.reshape(x, -1),
    "transpose": np.transpose,
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "squeeze": lambda x: np.squeeze(x[:1]),
    "stack": lambda x: np.stack([x, x]),
    "vstack": lambda x: np.vstack([x, x[0]]),
    "hstack": lambda x: np.hstack([x, x]),
    "split": lambda x: np.split(x, 3, axis=1)[1],
    "pad": lambda x: np.pad(x, 1, constant_values=2.0),
    "new axes of one element": lambda x: x[0, 0][None, None],
    "a list of positions": lambda x: x[[0, 1, 0]],
    "positions": lambda x: x[:, tg.Tensor(np.array([0, 2, 0])).to(x.device).data],
    "a mask": lambda x: x[x > 2],
    "rows, one by one": lambda x: sum(x),
    "a whole number": lambda x: x.astype(int) * x,
    "abs": lambda x: abs(-x),
    "float32": lambda x: x.astype(np.float32).sum(),
    "rpow": lambda x: 2**x,
    "numbers of NumPy's": lambda x: np.float64(2) * x + np.int64(1),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_what_is_composed_of_rules(name, standin):
    def run(device):
        source = tg.Tensor(x, requires_grad=True)
        y = COMPOSED[name](source.to(device))
        y.sum().backward()
        assert y.device == device
        assert source.grad.device == "cpu"
        return y.numpy(), source.grad.numpy()

    for a, b in zip(run(standin), run("cpu"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "function",
    [np.argmax, np.argsort, np.isfinite, np.sign, np.floor, np.zeros_like, lambda x: x == x, lambda x: np.any(x > 2)],
)
def test_what_has_no_derivative_is_an_array_of_the_device(function, standin):
    there = function(tg.Tensor(x).to(standin))
    np.testing.assert_array_equal(to_device(there, "cpu"), function(x))
    assert to_device(there, standin) is there
