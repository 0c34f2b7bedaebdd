"""What a rule gives on a device, to be compared with what it gives on the CPU."""

from __future__ import annotations

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite.support.devices import device_of, to_device


def samples():
    """Return the number of every sample of every rule, with its rule."""
    return [(rule, i) for rule in tg.rules.all() if rule.is_built_in for i in range(len(rule.samples))]


def placed(rule, sample, device, order="A"):
    """Return the inputs of a sample as arrays of a device, and the function of Tensors that applies the rule there."""

    def there(x):
        # What names the CPU is to name the device.
        if isinstance(x, np.ndarray):
            return to_device(np.asarray(x, order=order), device)
        return device if x == "cpu" else x

    args = [there(x) if isinstance(x, (np.ndarray, str)) else x for x in sample.args]
    n = len(args) if rule.variadic else len(rule.inputs)
    named = {name: there(x) if isinstance(x, np.ndarray) else x for name, x in sample.params.items()}
    inputs = [to_device(np.asarray(x), device) if np.isscalar(x) else x for x in args[:n]]
    return inputs, lambda *xs: rule(*xs, *args[n:], **named)


def derivatives(rule, sample, device):
    """Return a rule's value, its first and its second derivatives, all checked to be on the device."""
    inputs, function = placed(rule, sample, device)
    xs = [tg.Tensor(x, requires_grad=True) for x in inputs]
    y = function(*xs)
    weights = np.random.default_rng(0).uniform(0.5, 2, y.shape)
    y.backward(to_device(weights, device), create_graph=True)
    first = [x.grad for x in xs]
    for x in xs:
        x.grad = None
    twice = [(g * g).sum() for g in first if g.requires_grad]
    for part in twice:
        part.backward(create_graph=True)
    found = [y, *first, *(x.grad for x in xs if x.grad is not None)]
    assert {device_of(x) for x in found} == {device}
    return found


def with_and_without_jit(rule, sample, device):
    """Return pairs of what a rule and its derivatives are without jit and with it, all checked to be on the device."""
    # Contiguous, since of others NumPy adds up the elements in another order.
    inputs, function = placed(rule, sample, device, order="C")
    weights = to_device(np.random.default_rng(0).normal(size=function(*map(tg.Tensor, inputs)).shape), device)

    def value(*xs):
        return (function(*map(tg.Tensor, xs)),)

    def gradients(*xs):
        return tg.grad(lambda *xs: (function(*xs) * weights).sum(), tuple(range(len(xs))))(*xs)

    pairs = []
    for f in (value, gradients):
        jitted = tg.jit(f)
        for _ in range(2):
            found = jitted(*inputs)  # first, since it may have to compile kernels
            pairs += zip(f(*inputs), found, strict=True)
        (compiled,) = jitted.programs
        # Without an instruction there is nothing to compute there.
        assert compiled.program.device == device or not compiled.program.instructions
    for a, b in pairs:
        assert (device_of(b), b.dtype, b.shape) == (device, a.dtype, a.shape)
    return pairs
