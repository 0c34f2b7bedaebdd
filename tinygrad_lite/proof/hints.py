"""Hints for the reader of a report: a wrong derivative often has a cause that the numbers show for certain.

A transpose, a sign or a factor, a kink or jump of the function, an input that no gradient reaches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .numeric import Array, Slopes
from .subject import Part, Subject

SAME = 1e-6  # derivatives this close, relative to the largest entry, count as equal
NEAR_ONE = 1e-3  # a factor this close to 1 is numeric error, not a slip in a formula


def cause(subject: Subject, argument: Part, analytic: Array, slopes: Slopes, worst: tuple[Any, ...]) -> str:
    """Return a hint about the cause of a mismatch, or an empty string.

    Parameters
    ----------
    subject : Subject
    argument : Part
        The argument that the derivatives are taken by.
    analytic : ndarray
        One row for each element of the argument, one column for each output.
    slopes : Slopes
        The numeric values.
    worst : tuple of int
        The place of the largest error.
    """
    numeric = slopes.value
    if slopes.jump[worst]:
        return "the function has a jump there, so it has no derivative"
    if slopes.kink[worst]:
        return f"there is a kink there, with the slopes {slopes.left[worst]:z.6g} and {slopes.right[worst]:z.6g}"
    if slopes.lost[worst]:
        return "the differences do not converge at any step: there is no derivative, or the input must be rescaled"
    if np.isnan(numeric[worst]):
        return "the function has no finite values on both sides of the point"
    if not analytic.any():
        if subject.reaches(argument):
            return ""
        return f"no gradient reaches {argument.name}: does the function use .numpy(), .detach() or math?"
    if any(_same(analytic, other) and not _same(numeric, other) for other in _transposed(numeric, argument)):
        return "it is the transpose of the right derivative"
    ratio = np.vdot(analytic, numeric) / np.vdot(numeric, numeric) if numeric.any() else 0.0
    if np.count_nonzero(numeric) > 1 and abs(ratio - 1) > NEAR_ONE and _same(analytic, ratio * numeric):
        return (
            "the sign is flipped everywhere"
            if abs(ratio + 1) < SAME
            else f"it is {ratio:z.6g} times as large everywhere"
        )
    return ""


def _transposed(numeric: Array, argument: Part) -> list[Array]:
    """Return the numeric derivatives in each transposed form that has the same shape: mistakes that are often made."""
    found: list[Array] = []
    if numeric.shape[0] != argument.stop - argument.start:  # single entries, found by projections
        return found
    if len(argument.shape) == 2 and argument.shape[0] == argument.shape[1]:
        found.append(numeric.reshape(*argument.shape, -1).swapaxes(0, 1).reshape(numeric.shape))
    if numeric.shape[0] == numeric.shape[1]:
        found.append(numeric.T)
    return found


def _same(one: Array, other: Array) -> bool:
    return np.allclose(one, other, rtol=0, atol=SAME * np.abs(other).max())
