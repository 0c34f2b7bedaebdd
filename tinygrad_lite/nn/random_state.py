"""The states of the random generators of a module, which a run that is continued needs to repeat their draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..support.randomness import copied, set_state, state_of
from .state_dict import by_path, expect_no_problems, misnamed


def states_of(named: Iterable[tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the state of each random generator by its path, as numbers and lists that JSON can hold."""
    return {path: _plain(state_of(generator)) for path, generator in by_path(named).items()}


def load_states(named: Iterable[tuple[str, Any]], state: Mapping[str, Any], owner: object) -> None:
    """Set each random generator, in place, to its state; if one does not fit, raise an error and change none."""
    generators = by_path(named)
    problems = misnamed(state, generators)
    for name, generator in generators.items():
        if name in state:
            try:
                set_state(copied(generator), state[name])
            except Exception as error:  # NumPy documents no type of error for a bad state
                problems.append(f"{name} takes another state ({error})")
    expect_no_problems(problems, owner)
    for name, generator in generators.items():
        set_state(generator, state[name])


def _plain(state: Any) -> Any:
    """Return the state of a generator in types that JSON can hold."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.generic)) else state
