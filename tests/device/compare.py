"""What a rule gives on a device, to be compared with what it gives on the CPU."""

from __future__ import annotations

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite.device import device_of, moved


def samples():
    """Return the number of every sample of every rule, with its rule."""
    return [(rule, i) for rule in tg.rules.all() if rule.is_built_in for i in range(len(rule.samples))]


def derivatives(rule, sample, device):
    """Return a rule's value, its first and its second derivatives, all checked to be on the device."""

    def there(x):
        return moved(x, device) if isinstance(x, np.ndarray) else device if x == "cpu" else x

    inputs = sample.args[: len(sample.args) if rule.variadic else len(rule.inputs)]
    params = [there(x) if isinstance(x, (np.ndarray, str)) else x for x in sample.args[len(inputs) :]]
    named = {name: there(x) if isinstance(x, np.ndarray) else x for name, x in sample.params.items()}
    xs = [tg.Tensor(there(np.asarray(x)), requires_grad=True) for x in inputs]
    y = rule(*xs, *params, **named)
    weights = np.random.default_rng(0).uniform(0.5, 2, y.shape)
    y.backward(there(weights), create_graph=True)
    first = [x.grad for x in xs]
    for x in xs:
        x.grad = None
    twice = [(g * g).sum() for g in first if g.requires_grad]
    for part in twice:
        part.backward(create_graph=True)
    found = [y, *first, *(x.grad for x in xs if x.grad is not None)]
    assert {device_of(x) for x in found} == {device}
    return found
