"""How fast single functions are, beside the NumPy expressions that compute the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tests.benchmarks.measure import alternate, median, ratio

ELEMENTS = 262_144
X, B = np.random.default_rng(0).normal(size=(2, ELEMENTS)).astype(np.float32)

# For each function the expression that it should cost no more than.
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "x**3": (lambda x: x**3, lambda x: x * x * x),
    "x**-2": (lambda x: x**-2, lambda x: 1 / (x * x)),
}


def rows(rounds: int) -> list[tuple[str, ...]]:
    """Return a row for each function: its time, and how many times as long as its expression it takes."""
    found: list[tuple[str, ...]] = [("function", "µs", "times the expression", "its derivative", "with jit")]
    for name, (function, expression) in FUNCTIONS.items():
        compiled, gradient = tg.jit(function), tg.grad(lambda x, f=function: f(x).sum())
        turns = {
            "expression": lambda f=expression: f(X),
            "eager": lambda f=function: f(tg.Tensor(X)),
            "derivative": lambda f=gradient: f(X),
            "jit": lambda f=compiled: f(tg.Tensor(X)),
        }
        times = alternate(turns, rounds, 2)
        ratios = [f"{ratio(times, who, 'expression'):.1f}" for who in ("eager", "derivative", "jit")]
        found.append((name, f"{median(times, 'eager'):.0f}", *ratios))
    return found
