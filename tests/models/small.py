"""Digits that are learnt in a moment."""

import numpy as np

from tinygrad_lite.data import Digits, Split

# The module whose command is that of models.mnist, on them.
ON_SMALL_DIGITS = "tests.models.on_small_digits"


def small_digits(train: int = 600, seed: int = 0) -> Digits:
    """Ten noisy patterns, learnt in a moment."""
    rng = np.random.default_rng(seed)
    patterns = rng.random((10, 784), dtype=np.float32)

    def split(n: int) -> Split:
        labels = (np.arange(n) % 10).astype(np.uint8)
        noise = rng.normal(0, 0.3, (n, 784)).astype(np.float32)
        return Split(np.clip(patterns[labels] + noise, 0, 1), labels)

    return Digits(split(train), split(100), split(100))
