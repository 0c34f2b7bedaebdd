"""What pictures of predictions ask of their arguments."""

from __future__ import annotations

from collections.abc import Sized

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError


def check_classes(caller: str, name: str, values: ArrayLike, classes: int) -> NDArray[np.intp]:
    """Return class numbers of shape (n,), or refuse what are none."""
    array = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise ShapeError(f"{caller}: the {name} have shape {array.shape}, but must have (n,) with n at least 1")
    strange = array[(array < 0) | (array >= classes) | (array != np.floor(array))]
    if len(strange):
        raise ValueError(
            f"{caller}: the {name} hold {strange[0]}, but classes are whole numbers from 0 to {classes - 1}"
        )
    return array.astype(np.intp)


def check_counts(caller: str, **arrays: Sized) -> None:
    """Refuse arrays that are not as long as each other."""
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ValueError(f"{caller}: {told}; there must be as many of each")


def check_positive(caller: str, name: str, value: int) -> None:
    """Refuse a number below 1."""
    if value < 1:
        raise ValueError(f"{caller}: {name} is {value}, but must be at least 1")
