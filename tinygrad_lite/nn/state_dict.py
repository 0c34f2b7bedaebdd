"""States that were saved: whatever does not fit is listed at once, and nothing is changed then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from ..arrays import raw
from ..support.devices import moved

T = TypeVar("T")


def misnamed(state: Iterable[str], expected: Iterable[str]) -> list[str]:
    """Return what is wrong with the names in a state."""
    state, expected = list(state), list(expected)
    missing = [f"missing {name}" for name in expected if name not in state]
    return missing + [f"unexpected {name}" for name in state if name not in expected]


def by_path(found: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Return what was found by its path.

    Raises
    ------
    ValueError
        If a path leads to two things, so that only one of them could be saved.
    """
    paths: dict[str, T] = {}
    for path, x in found:
        if path in paths:
            raise ValueError(f"two parts of the model have the path {path!r}: rename an attribute or a key")
        paths[path] = x
    return paths


def expect_no_problems(problems: list[str], owner: object) -> None:
    """Raise an error that lists what is wrong with a state, if anything is.

    Raises
    ------
    ValueError
        If there are problems.
    """
    if problems:
        raise ValueError(f"the state does not fit this {type(owner).__name__}: {'; '.join(problems)}")


def fitted(state: Mapping[str, Any], places: Mapping[str, Any], owner: object) -> dict[str, Any]:
    """Return copies of a state's values as they are wanted.

    Parameters
    ----------
    state : mapping of str to array-like
        The values by name.
    places : mapping of str to array
        For each name an array whose shape the value must have, and whose type, memory order and kind (CuPy's or
        NumPy's) the copy gets.
    owner : object
        Whose state it is, for the error.

    Raises
    ------
    ValueError
        If names are missing or unexpected, shapes differ, or values are no numbers or of a type that does not convert
        to the wanted one, such as complex ones to real ones: all are listed.
    """
    problems, values = misnamed(state, places), {}
    for name in (name for name in places if name in state):
        value, place = moved(raw(state[name]), "cpu"), places[name]
        try:
            array = value if hasattr(value, "__array_function__") else np.asarray(value)
        except ValueError:
            problems.append(f"{name} has rows of unequal length")
            continue
        if array.shape != place.shape:
            problems.append(f"{name} has shape {array.shape}, not {place.shape}")
        elif not np.can_cast(array.dtype, place.dtype, "same_kind"):
            problems.append(f"{name} is of type {array.dtype}, not {place.dtype}")
        else:
            values[name] = np.array(array, place.dtype, order="F" if place.flags.fnc else "C", like=place)
    expect_no_problems(problems, owner)
    return values
