"""Single functions of the library, and the NumPy expressions that they should cost no more than."""

from functools import partial, reduce
from typing import Any

import numpy as np

import tinygrad_lite as tg

RANDOM = np.random.default_rng(0)
X, B, IMAGES, SEQUENCES, W = (
    RANDOM.normal(size=shape).astype(np.float32)
    for shape in (262_144, 262_144, (16, 16, 32, 32), (16, 64, 256), (256, 256))
)
TABLE, TOKENS = W[:96, :64], RANDOM.integers(0, 96, (64, 64))
PIXELS = [(..., slice(i, None, 2), slice(j, None, 2)) for i in (0, 1) for j in (0, 1)]
BLOCKS = (16, 16, 16, 2, 16, 2)
FUNCTIONS: dict[str, Any] = {
    "x**3": (X, lambda x: x**3, lambda x: x * x * x),
    "x**-2": (X, lambda x: x**-2, lambda x: 1 / (x * x)),
    "sigmoid": (X, tg.nn.functional.sigmoid, lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))),
    "logaddexp": (X, lambda x: np.logaddexp(x, B), lambda x: np.maximum(x, B) + np.log1p(np.exp(-np.abs(x - B)))),
    "einsum": (SEQUENCES, lambda x: np.einsum("zij,jk->zik", x, W), lambda x: x @ W),
    "matmul": (W, lambda w: SEQUENCES @ w, lambda w: SEQUENCES.reshape(-1, 256) @ w),
    "max of 2×2": (
        IMAGES,
        lambda x: x.reshape(BLOCKS).max((3, 5)),
        lambda x: reduce(np.maximum, [x[p] for p in PIXELS]),
    ),
    "max of 4": (X, lambda x: x.reshape(-1, 4).max(-1), lambda x: reduce(np.maximum, [x[i::4] for i in range(4)])),
    "embedding": (TABLE, lambda x: x[TOKENS], lambda x: x[TOKENS]),
}


def call(name: str, how: str) -> Any:
    """Return the expression, or the function called in one of the ways that a user has."""
    x, function, expression = FUNCTIONS[name]
    gradient = tg.grad(lambda x: function(x).sum())
    ways = {"eager": function, "grad": gradient, "jit": tg.jit(function), "jit of grad": tg.jit(gradient)}
    return partial(expression, x) if how == "expression" else partial(ways[how], tg.Tensor(x))
