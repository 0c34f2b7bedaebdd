"""Rules to be caught: planted mistakes, gone after the test that defined them."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules import registry as table
from tinygrad_lite.rules import sample


@pytest.fixture(autouse=True)
def _scratch(monkeypatch):
    monkeypatch.setattr(table, "_rules", dict(table._rules))


@pytest.fixture
def define():
    """Define a rule proven on one vector."""

    def add(name, forward, **vjps):
        return tg.rules.define(name, forward, samples=lambda: [sample(np.array([1.0, -2.0, 0.25]))], **vjps)

    return add


@pytest.fixture
def wrong_at(define):
    """Return a square whose derivative is off by a factor at element k of its flattened input."""

    def square(k, factor=2.0):
        def derivative(g, x):
            weights = np.ones(x.shape)
            weights.flat[k] = factor
            return g * 2 * x * weights

        return define(f"wrong_at_{k}", lambda x: x * x, x=derivative)

    return square


@pytest.fixture
def cut(define):
    """Return a cube whose derivative is right but cannot be differentiated again."""

    def constant(x):
        return x.numpy() if isinstance(x, tg.Tensor) else x

    return define("cut", lambda x: x**3, x=lambda g, x: g * (3 * constant(x) ** 2))
