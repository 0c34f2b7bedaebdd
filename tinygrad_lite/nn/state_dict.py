"""Checks on a saved state before it is loaded into a module or an optimizer.

A state that does not fit gives one error that lists every problem, and the module or optimizer stays unchanged: half a
loaded state would be worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from ..arrays import raw
from ..support.devices import to_device
from ..tensor import Tensor

T = TypeVar("T")


def misnamed(state: Iterable[str], expected: Iterable[str]) -> list[str]:
    """Return a message for each name that is missing from a state, or unexpected in it."""
    state, expected = list(state), list(expected)
    missing = [f"missing {name}" for name in expected if name not in state]
    return missing + [f"unexpected {name}" for name in state if name not in expected]


def by_path(found: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Return pairs of path and object as a dictionary.

    Raises
    ------
    ValueError
        If two objects have the same path: only one of them could be saved.
    """
    paths: dict[str, T] = {}
    for path, x in found:
        if path in paths:
            raise ValueError(f"two parts of the model have the path {path!r}: rename an attribute or a key")
        paths[path] = x
    return paths


def expect_no_problems(problems: list[str], owner: object) -> None:
    """Raise one error that lists all problems with a state, if there are any.

    Raises
    ------
    ValueError
        If there are problems.
    """
    if problems:
        raise ValueError(f"the state does not fit this {type(owner).__name__}: {'; '.join(problems)}")


def fitted(state: Mapping[str, Any], places: Mapping[str, Any], owner: object) -> dict[str, Any]:
    """Return copies of a state's values, converted to the arrays that they will replace.

    Parameters
    ----------
    state : mapping of str to array-like
        The values by name.
    places : mapping of str to array
        The array to replace, by name. The value must have its shape; the copy gets its type, memory order and library
        (NumPy or CuPy).
    owner : object
        The module or optimizer that loads the state: the error names its class.

    Raises
    ------
    ValueError
        If names are missing or unexpected, shapes differ, or values are no numbers or of a type that does not convert,
        such as complex to real. The message lists all problems.
    """
    problems, values = misnamed(state, places), {}
    for name in (name for name in places if name in state):
        value, place = to_device(raw(state[name]), "cpu"), places[name]
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


def load(named: Iterable[tuple[str, Tensor]], state: Any, strict: bool, owner: object) -> None:
    """Set Tensors, given with their paths, from the arrays of a state, as `Module.load_state_dict` says."""
    if not isinstance(state, Mapping):
        raise TypeError(
            f"load_state_dict takes what state_dict() returned, not {type(state).__name__}: write "
            'other.state_dict() for a module, states, facts = tg.checkpoint.load(path) and states["net"] for a file'
        )
    tensors = by_path(named)
    common = tensors.keys() & state.keys()
    if common and not strict:
        tensors = {name: tensor for name, tensor in tensors.items() if name in common}
        state = {name: state[name] for name in common}
    arrays = fitted(state, {name: tensor.data for name, tensor in tensors.items()}, owner)
    first = {tensor: name for name, tensor in reversed(tensors.items())}
    differing = [
        f"{name} is another than {first[tensor]}, which is the same Tensor"
        for name, tensor in tensors.items()
        if first[tensor] != name and not np.array_equal(arrays[name], arrays[first[tensor]], equal_nan=True)
    ]
    expect_no_problems(differing, owner)
    for name, tensor in tensors.items():
        tensor.data = arrays[name]
