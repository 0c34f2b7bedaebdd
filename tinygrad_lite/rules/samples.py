"""The arrays on which rules are checked against finite differences.

They are the same at every call, so that a failure can be repeated. They keep away from kinks, such as that of the
absolute value at 0, where differences do not approximate a derivative.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .rule import Sample, sample

Array = NDArray[np.float64]


def normal(*shape: int, seed: int = 0) -> Array:
    """Return random numbers of both signs, none within 0.05 of zero: standard normal ones, shifted by 0.05."""
    x = np.random.default_rng((seed, *shape)).standard_normal(shape)
    return np.asarray(np.where(x < 0, x - 0.05, x + 0.05))


def positive(*shape: int, seed: int = 0) -> Array:
    """Return random numbers between 0.5 and 2."""
    return np.asarray(np.random.default_rng((seed, *shape)).uniform(0.5, 2.0, shape))


def above_one(*shape: int, seed: int = 0) -> Array:
    """Return random numbers between 1.5 and 3."""
    return positive(*shape, seed=seed) + 1


def inside_one(*shape: int, seed: int = 0) -> Array:
    """Return random numbers of both signs between -0.8 and 0.8."""
    return np.asarray(np.random.default_rng((seed, *shape)).uniform(-0.8, 0.8, shape))


def distinct(*shape: int, seed: int = 0) -> Array:
    """Return numbers in steps of 0.1, in random order, none closer than 0.05 to zero."""
    size = int(np.prod(shape))
    steps = np.random.default_rng((seed, *shape)).permutation(size) - size // 2
    return np.asarray(0.1 * (steps + 0.5)).reshape(shape)


def with_zeros(*shape: int, seed: int = 0) -> Array:
    """Return the numbers of `normal`, with every other one replaced by zero."""
    return np.where(np.arange(np.prod(shape)).reshape(shape) % 2, normal(*shape, seed=seed), 0.0)


def strided(*shape: int) -> Array:
    """Return numbers like those of `distinct`, whose memory is neither in C nor in Fortran order."""
    return distinct(*shape[:-1], 2 * shape[-1], seed=1)[..., ::2][::-1]


def each(make: Callable[..., Array] = distinct) -> Callable[[], list[Sample]]:
    """Return a function that makes the usual samples of one input: of ranks 2, 3 and 0, strided, empty."""
    return lambda: [
        sample(make(3, 4)),
        sample(make(2, 1, 3)),
        sample(make()),
        sample(make(8, 3)[::2, ::-1]),
        sample(make(0, 3)),
    ]


def pairs(first: Callable[..., Array] = normal, second: Callable[..., Array] = normal) -> Callable[[], list[Sample]]:
    """Return a function that makes the usual samples of two inputs: every way to broadcast, and empty arrays."""
    return lambda: [
        sample(first(3, 4), second(3, 4, seed=1)),
        sample(first(3, 4), second(4, seed=1)),
        sample(first(4), second(3, 4, seed=1)),
        sample(first(3, 1), second(1, 4, seed=1)),
        sample(first(2, 1, 4), second(3, 1, seed=1)),
        sample(first(3, 4), second(seed=1)),
        sample(first(), second(seed=1)),
        sample(first(4, 3)[::2].T, second(3, 4, seed=1)[:, ::2]),
        sample(first(0, 3), second(3, seed=1)),
    ]
