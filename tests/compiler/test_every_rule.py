"""Every rule, recorded and run as a program, gives bit for bit what it gives eagerly: values and gradients."""

import numpy as np
import pytest

import tinygrad_lite as tg

CASES = [(rule, i) for rule in tg.rules.all() if rule.is_built_in for i in range(len(rule.samples))]


@pytest.mark.parametrize(("rule", "i"), CASES, ids=lambda x: getattr(x, "name", str(x)))
def test_values_and_gradients(rule, i):
    sample = rule.samples[i]
    rng = np.random.default_rng(0)
    # Contiguous, since of others NumPy adds up the elements in another order.
    inputs = [np.array(x, order="C") for x in sample.args[: len(sample.args) if rule.variadic else len(rule.inputs)]]
    params = sample.args[len(inputs) :]
    weights = rng.normal(size=np.shape(rule.compute(inputs, rule.bind(sample.args, sample.params)[1])))

    def f(*xs):
        y = rule(*xs, *params, **sample.params)
        return (y * weights).sum(), y

    def gradients(*xs):
        return tg.grad(lambda *xs: f(*xs)[0], tuple(range(len(xs))))(*xs)

    for function in (lambda *xs: f(*map(tg.Tensor, xs))[1], gradients):
        jitted = tg.jit(function)
        eager = function(*inputs)
        for _ in range(2):
            _equal(eager, jitted(*inputs))
        others = [x[::-1].copy() if x.ndim else np.array(x * 0.5) for x in inputs]
        _equal(function(*others), jitted(*others))
        assert len(jitted.programs) == 1


def _equal(a, b):
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            _equal(x, y)
    else:
        assert type(a) is type(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a.numpy(), b.numpy())
