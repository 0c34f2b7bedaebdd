"""The library's random generator: what is given none of its own draws from it.

It is one object for good, which `manual_seed` sets in place, so that whatever holds it follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .observer import observers

Rng = np.random.Generator | int | None


class _OfTheLibrary(np.random.Generator):
    """The library's generator, of which a copy is itself, pickled or not: `manual_seed` has to reach copies of layers.

    What it spawns is of this class too, and is copied like any other.
    """

    def __reduce__(self) -> Any:
        return (generator_for, (None,)) if self is generator else super().__reduce__()


generator: np.random.Generator = _OfTheLibrary(np.random.PCG64())


def manual_seed(seed: int) -> None:
    """Fix all that is drawn from now on by layers, initialisers and batches that were given no ``rng`` or ``seed``.

    NumPy's own ``np.random.seed`` has no influence on them.

    Parameters
    ----------
    seed : int
        At least 0.

    Raises
    ------
    ValueError
        If it is no whole number of at least 0.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> tg.manual_seed(0)
    >>> first = tg.nn.Linear(2, 2).weight.tolist()
    >>> tg.manual_seed(0)
    >>> tg.nn.Linear(2, 2).weight.tolist() == first
    True
    """
    generator.bit_generator.state = np.random.default_rng(checked_seed(seed)).bit_generator.state


def checked_seed(seed: int) -> int:
    """Return a seed as a Python number.

    Raises
    ------
    ValueError
        If it is no whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"a seed is a whole number of at least 0, not {seed!r}")
    return int(seed)


def generator_for(rng: Rng) -> np.random.Generator:
    """Return the generator that ``rng`` stands for: itself, a new one of that seed, or the library's for None."""
    if rng is not None:
        return np.random.default_rng(rng)
    for observer in observers.get():
        observer.drew()
    return generator
