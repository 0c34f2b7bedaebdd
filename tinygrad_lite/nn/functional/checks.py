"""Checks that several functions share: of shapes, and of whole numbers that choose a class or a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import raw
from ...errors import require
from ...rules.composed import array_like


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of a Tensor, an array, a number or a list."""
    return x.shape if hasattr(x, "shape") else np.shape(x)


def expect_below(values: Any, size: int, what: str, outside: str) -> Any:
    """Return whole numbers as an array, after the check that each is in ``range(size)``.

    Parameters
    ----------
    values : array of int
    size : int
        The number of classes, rows, …
    what, outside : str
        The words of the error: "label 7 at index 3 is none of the 5 classes" has "label", and what follows the index.

    Raises
    ------
    TypeError
        If they are not whole numbers.
    ValueError
        If one is outside; the message says which one, and at which index.
    """
    array = array_like(raw(values))
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what}s must be whole numbers, not {array.dtype}: convert with .astype(int)")
    inside = (array >= 0) & (array < size)

    def first_outside() -> str:
        index = tuple(int(i) for i in np.argwhere(~inside)[0])
        where = f" at index {', '.join(map(str, index))}" if index else ""
        return f"{what} {array[index]}{where} {outside}"

    require(inside.all(), ValueError, f"a {what} {outside}", first_outside)
    return array
