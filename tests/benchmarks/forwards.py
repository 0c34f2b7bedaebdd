"""How fast single functions are, beside the NumPy expressions that compute the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tg
from tests.benchmarks.measure import alternate, median, ratio

ELEMENTS = 262_144
_random = np.random.default_rng(0)


def _normal(*shape: int) -> Any:
    return _random.normal(size=shape).astype(np.float32)


class Case(NamedTuple):
    """A function of an array, and the expression that it should cost no more than."""

    x: Any
    function: Callable[[Any], Any]
    expression: Callable[[Any], Any]


X, B, IMAGES = _normal(ELEMENTS), _normal(ELEMENTS), _normal(16, 16, 32, 32)
SEQUENCES, WEIGHT = _normal(16, 64, 256), _normal(256, 256)
TABLE, TOKENS = _normal(96, 64), _random.integers(0, 96, (64, 64))


def _largest_of_slices(x: Any) -> Any:
    return reduce(np.maximum, [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)])


FUNCTIONS = {
    "x**3": Case(X, lambda x: x**3, lambda x: x * x * x),
    "x**-2": Case(X, lambda x: x**-2, lambda x: 1 / (x * x)),
    "sigmoid": Case(
        X, lambda x: tg.nn.functional.sigmoid(x), lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
    ),
    "logaddexp": Case(X, lambda x: np.logaddexp(x, B), lambda x: np.maximum(x, B) + np.log1p(np.exp(-np.abs(x - B)))),
    "einsum zij,jk->zik": Case(SEQUENCES, lambda x: np.einsum("zij,jk->zik", x, WEIGHT), lambda x: x @ WEIGHT),
    "x @ w, x of 3 axes": Case(WEIGHT, lambda w: SEQUENCES @ w, lambda w: SEQUENCES.reshape(-1, 256) @ w),
    "max of 2×2": Case(IMAGES, lambda x: x.reshape((16, 16, 16, 2, 16, 2)).max(axis=(3, 5)), _largest_of_slices),
    "max of 4": Case(
        X, lambda x: x.reshape((-1, 4)).max(axis=-1), lambda x: reduce(np.maximum, [x[i::4] for i in range(4)])
    ),
    "embedding": Case(TABLE, lambda x: x[TOKENS], lambda x: x[TOKENS]),
}


def rows(rounds: int) -> list[tuple[str, ...]]:
    """Return a row for each function: its time, and how many times as long as its expression it takes."""
    found: list[tuple[str, ...]] = [
        ("function", "µs", "times the expression", "with its derivative", "with jit", "both")
    ]
    for name, (x, function, expression) in FUNCTIONS.items():
        gradient = tg.grad(lambda x, f=function: f(x).sum())
        candidates = {"expression": expression, "eager": function, "derivative": gradient}
        candidates |= {"jit": tg.jit(function), "both": tg.jit(gradient)}
        turns = {who: partial(f, x if who == "expression" else tg.Tensor(x)) for who, f in candidates.items()}
        times = alternate(turns, rounds, 2)
        ratios = [f"{ratio(times, who, 'expression'):.1f}" for who in ("eager", "derivative", "jit", "both")]
        found.append((name, f"{median(times, 'eager'):.0f}", *ratios))
    return found
