"""The states of the random generators of a module, which a run that is continued needs to repeat their draws."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .state_dict import by_path, expect_no_problems, misnamed

GENERATORS = (np.random.Generator, np.random.RandomState)


def states_of(named: Iterable[tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the state of each random generator by its path, as numbers and lists that JSON can hold."""
    return {path: _plain(_state_of(generator)) for path, generator in by_path(named).items()}


def load_states(named: Iterable[tuple[str, Any]], state: Mapping[str, Any], owner: object) -> None:
    """Set each random generator, in place, to its state; if one does not fit, raise an error and change none."""
    generators = by_path(named)
    problems = misnamed(state, generators)
    for name, generator in generators.items():
        if name in state:
            try:
                _set_state(_copied(generator), state[name])
            except Exception as error:  # NumPy documents no type of error for a bad state
                problems.append(f"{name} takes another state ({error})")
    expect_no_problems(problems, owner)
    for name, generator in generators.items():
        _set_state(generator, state[name])


def _state_of(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state(legacy=False)


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def _copied(generator: Any) -> Any:
    """Return a copy of a generator, also of the library's, of which `copy.deepcopy` returns the original."""
    if isinstance(generator, np.random.Generator):
        return np.random.Generator(copy.deepcopy(generator.bit_generator))
    return copy.deepcopy(generator)


def _plain(state: Any) -> Any:
    """Return the state of a generator in types that JSON can hold."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.generic)) else state
