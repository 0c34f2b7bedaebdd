"""Checks of the arguments of pictures, so that a wrong array gives a clear error and not a wrong picture."""

from __future__ import annotations

from collections.abc import Sized
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import raw
from ..errors import ShapeError
from ..support.devices import to_device


def numbers(caller: str, name: str, values: Any) -> NDArray[Any]:
    """Return the numbers in an array or Tensor as a NumPy array; raise TypeError for anything else."""
    array = np.asarray(to_device(raw(values), "cpu"))
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{caller}: the {name} are an array or a Tensor of numbers, not {type(values).__name__}")
    return array


def check_labels(caller: str, name: str, values: Any) -> NDArray[Any]:
    """Return an array with one number for each sample; raise ShapeError if the shape is not (n,)."""
    array = numbers(caller, name, values)
    if array.ndim != 1 or not len(array):
        remedy = ""
        if array.ndim == 2:
            remedy = ": write .ravel()" if array.shape[1] == 1 else ": write .argmax(axis=1) for the class of each row"
        raise ShapeError(f"{caller}: the {name} have shape {array.shape}, but must have (n,) with n at least 1{remedy}")
    return array


def check_classes(caller: str, name: str, values: Any, classes: int) -> NDArray[np.intp]:
    """Return class numbers of shape (n,); raise ValueError for a number that is no class."""
    array = check_labels(caller, name, values)
    strange = array[(array < 0) | (array >= classes) | (array != np.floor(array))]
    if len(strange):
        raise ValueError(
            f"{caller}: the {name} hold {strange[0]}, but classes are whole numbers from 0 to {classes - 1}"
        )
    return array.astype(np.intp)


def check_counts(caller: str, **arrays: Sized) -> None:
    """Raise ValueError unless all arrays have the same length."""
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ValueError(f"{caller}: {told}; the numbers must be equal")


def check_positive(caller: str, name: str, value: int) -> None:
    """Raise ValueError unless the value is a whole number of at least 1."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{caller}: {name} is {value!r}, but must be a whole number of at least 1")
