"""Rules of neural networks: activations and losses.

Each could be composed of other rules. As one rule its derivative is the textbook's formula, it does not overflow where
its parts would, and a sweep passes one operation instead of several.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .elementwise import difference
from .reductions import Axis, count, fold, restore_axes, share
from .registry import define
from .rule import Sample, sample
from .samples import distinct, each, normal, pairs, positive


def samples_in(x: Any) -> int:
    """Return how many samples a batch holds: the product of all lengths but the last, which is a sample's own."""
    return math.prod(x.shape[:-1])


def _below_largest(z: Any, axis: int) -> Any:
    """Return z - max(z), computed in floating numbers, since whole numbers may wrap around."""
    z = z if z.dtype.kind in "fc" else z.astype(float)  # the complex step differentiates this, too
    return z - fold("max", z, axis, True)


def _softmax(z: Any, axis: int = -1) -> Any:
    if count(z, axis) == 0:
        return z
    # The quotient does not depend on the shift by the maximum. Without the shift, exp of 89 overflows in float32.
    e = np.exp(_below_largest(z, axis))
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax(z: Any, axis: int = -1) -> Any:
    if count(z, axis) == 0:
        return z
    shifted = _below_largest(z, axis)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    if count(x, axis) == 0:
        return x.sum(axis=axis, keepdims=keepdims) - np.inf  # full_like fails for whole numbers, which have no infinity
    largest = fold("max", x, axis, True)
    total = np.exp(difference(x, largest)).sum(axis=axis, keepdims=keepdims)
    return np.log(total) + largest.reshape(total.shape)


def _logaddexp(a: Any, b: Any) -> Any:
    low, high = np.minimum(a, b), np.maximum(a, b)
    return high + np.log1p(np.exp(difference(low, high)))


def _rows() -> list[Sample]:
    return [
        sample(normal(3, 4)),
        sample(normal(3, 4), axis=0),
        sample(normal(5)),
        sample(normal(2, 3, 4), axis=1),
        sample(normal(4, 6)[:, ::2].T),
        sample(normal(0, 3)),
        sample(normal(3, 0)),
        sample(normal(3, 1)),
        sample(200 * normal(2, 3)),
    ]


# fmt: off

# The derivative at 0 is taken to be 0.
relu = define("relu", lambda x: np.maximum(x, 0), samples=each(),
    x=lambda g, y: g * (y > 0))

# 1 / (1 + exp(-x)), written so that nothing overflows, and results close to 0 keep their precision.
sigmoid = define("sigmoid", lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, -x))), samples=each(),
    x=lambda g, y: g * y * (1 - y))

softmax = define("softmax", _softmax, samples=_rows,
    z=lambda g, y, axis: y * (g - (g * y).sum(axis=axis, keepdims=True)))

log_softmax = define("log_softmax", _log_softmax, samples=_rows,
    z=lambda g, y, axis: g - np.exp(y) * g.sum(axis=axis, keepdims=True))

# eˣ / Σ eˣ, as softmax. `share` divides by the sum: for large equal numbers y is rounded to x, and e^(x - y) is 1 for
# each of them.
logsumexp = define("logsumexp", _logsumexp,
    x=lambda g, y, x, axis: restore_axes(g, x, axis) * share(np.exp(difference(x, restore_axes(y, x, axis))), x, axis),
    samples=lambda: [sample(normal(3, 4)), sample(normal(3, 4), axis=1), sample(normal(2, 3, 4), axis=(0, -1)),
                     sample(normal(3, 4), axis=0, keepdims=True), sample(normal(0, 3), axis=1),
                     sample(normal(3, 1), axis=1)])

# log(eᵃ + eᵇ). The derivative by a is eᵃ / (eᵃ + eᵇ). It is not written e^(a - y): for large a = b, y is rounded to a,
# which gives 1, not 1/2.
logaddexp = define("logaddexp", _logaddexp, samples=pairs(),
    a=lambda g, a, b: g * sigmoid(difference(a, b)),
    b=lambda g, a, b: g * sigmoid(difference(b, a)))

# L = 1/n Σ (p - t)²: the sum over each sample's elements, averaged over the batch.
squared_loss = define("squared_loss", lambda p, t: np.square(p - t).sum() / samples_in(p),
    p=lambda g, p, t: 2 / samples_in(p) * g * (p - t),
    t=lambda g, p, t: 2 / samples_in(p) * g * (t - p),
    samples=lambda: [sample(normal(5, 3), normal(5, 3, seed=1)), sample(normal(3), normal(3, seed=1)),
                     sample(normal(1, 3), normal(1, 3, seed=1)), sample(normal(2, 3, 4), normal(2, 3, 4, seed=1))])

# L = -1/n Σ t·log softmax(z), with each row of t a distribution over the classes (its sum is one). 0·log 0 counts as 0.
cross_entropy = define("cross_entropy",
    lambda z, t: -(t * np.where(t == 0, 0, log_softmax(z))).sum() / samples_in(z),
    z=lambda g, z, t: g / samples_in(z) * (softmax(z) * t.sum(axis=-1, keepdims=True) - t),
    t=lambda g, z: -g / samples_in(z) * log_softmax(z),
    samples=lambda: [sample(normal(5, 3), positive(5, 3)), sample(distinct(4), positive(4)),
                     sample(normal(1, 3), positive(1, 3)), sample(normal(3, 1), positive(3, 1)),
                     sample(normal(2, 3, 4), positive(2, 3, 4))])
