"""The arrays on which rules are proven: the same at every call, and away from the kinks of the functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .rule import Sample, sample

Array = NDArray[np.float64]


def normal(*shape: int, seed: int = 0) -> Array:
    """Return standard normal numbers of both signs, none within 0.05 of zero."""
    x = np.random.default_rng((seed, *shape)).standard_normal(shape)
    return np.asarray(np.where(x < 0, x - 0.05, x + 0.05))


def positive(*shape: int, seed: int = 0) -> Array:
    """Return numbers of 0.5 to 2."""
    return np.asarray(np.random.default_rng((seed, *shape)).uniform(0.5, 2.0, shape))


def distinct(*shape: int, seed: int = 0) -> Array:
    """Return numbers at least 0.1 apart, in random order, none within 0.05 of zero or of one another."""
    size = int(np.prod(shape))
    steps = np.random.default_rng((seed, *shape)).permutation(size) - size // 2
    return np.asarray(0.1 * (steps + 0.5)).reshape(shape)


def with_zeros(*shape: int, seed: int = 0) -> Array:
    """Return numbers as `normal` does, every other one replaced by zero."""
    return np.where(np.arange(np.prod(shape)).reshape(shape) % 2, normal(*shape, seed=seed), 0.0)


def strided(*shape: int) -> Array:
    """Return numbers as `distinct` does, laid out in memory neither in C nor in Fortran order."""
    return distinct(*shape[:-1], 2 * shape[-1], seed=1)[..., ::2][::-1]


def each(make: Callable[..., Array] = distinct) -> Callable[[], list[Sample]]:
    """Return the usual samples of an elementwise function of one input: ranks 2, 3 and 0, strided, empty."""
    return lambda: [
        sample(make(3, 4)),
        sample(make(2, 1, 3)),
        sample(make()),
        sample(make(8, 3)[::2, ::-1]),
        sample(make(0, 3)),
    ]


def pairs(first: Callable[..., Array] = normal, second: Callable[..., Array] = normal) -> Callable[[], list[Sample]]:
    """Return the usual samples of an elementwise function of two inputs: every way to broadcast, and empty."""
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
