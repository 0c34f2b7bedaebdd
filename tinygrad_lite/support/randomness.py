"""The library's random generator: the default wherever a user passes no generator.

It is a single object, which `manual_seed` seeds in place: layers that hold it follow the new seed.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .observer import observers

Rng = np.random.Generator | int | None
GENERATORS = (np.random.Generator, np.random.RandomState)


class _OfTheLibrary(np.random.Generator):
    """The library's generator: a copy, also a pickled one, is the same object.

    So `manual_seed` reaches copies of layers. Generators that it spawns also have this class, but copy as usual.
    """

    def __reduce__(self) -> Any:
        return (generator_for, (None,)) if self is generator else super().__reduce__()


generator: np.random.Generator = _OfTheLibrary(np.random.PCG64())


def manual_seed(seed: int) -> None:
    """Seed the library's generator, from which layers, initialisers and batches draw if given no ``rng`` or ``seed``.

    NumPy's own ``np.random.seed`` has no effect on them. What is computed from the same random numbers may differ in
    its last digits if BLAS uses another number of threads (``OPENBLAS_NUM_THREADS``), which add sums in another order.

    Parameters
    ----------
    seed : int
        A whole number of at least 0.

    Raises
    ------
    ValueError
        If the seed is not such a number.

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
    """Return a seed as a Python int.

    Raises
    ------
    ValueError
        If it is not a whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"a seed is a whole number of at least 0, not {seed!r}")
    return int(seed)


def generator_for(rng: Rng) -> np.random.Generator:
    """Return ``rng`` itself if it is a generator, a new generator for a seed, the library's generator for None."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is not None:
        return np.random.default_rng(checked_seed(rng))
    for observer in observers.get():
        observer.drew()
    return generator


def state_of(generator: Any) -> Any:
    """Return the state of a random generator; for one of a recording, what it stands for."""
    if hasattr(type(generator), "__state__"):
        return generator.__state__
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state(legacy=False)


def set_state(generator: Any, state: Any) -> None:
    """Set a random generator, in place, to a state."""
    if hasattr(type(generator), "__state__"):
        generator.__state__ = state
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def copied(generator: Any) -> Any:
    """Return a copy of a generator, also of the library's, of which `copy.deepcopy` returns the original."""
    if isinstance(generator, np.random.Generator):
        return np.random.Generator(copy.deepcopy(generator.bit_generator))
    return copy.deepcopy(generator)


def kept_state(generator: Any) -> Any:
    """Return a state to go back to; in a recording, that of a copy, which is used up by draws from it."""
    return state_of(copy.copy(generator) if hasattr(type(generator), "__state__") else generator)
