"""Derivatives from values alone: central differences, extrapolated, and the complex step.

Both take a function of one vector that returns one vector, and differentiate it along directions: unit vectors give
the columns of the Jacobian, random ones a mixture of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[[Array], Array]

FIRST_STEP = 2.0**-6  # a power of two, as all steps are, so that x + h is mostly exact
FEWEST_HALVINGS = 2  # one-sided slopes take three steps
LEVELS = 25  # down to the step 1e-9, and further where no derivative is to be seen yet
LAST_STEP = 2.0**-30  # relative to the elements of the point
SMALLEST_STEP = 2.0**-60  # where they are 0
NO_ROUNDING = 1e-11  # relative to the output: what changes by more does not do so by rounding
COLUMNS = 6  # of the tableau: what comes from steps 64 times as large is of no use any more
GOAL = 1e-11  # the relative error with which extrapolation is content
ROUNDING = 2 * np.finfo(np.float64).eps
SMALLEST_JUMP = 1e-9  # relative to the output, where that is above 1
APART = 30  # times their estimated error: so far from each other one-sided slopes make a kink
KINK_LEVEL = 8  # the step, 6e-5, down to which they are given the chance to approach each other
COMPLEX_STEP = 2.0**-66


class Slopes(NamedTuple):
    """Derivatives along directions; each array has a row for each direction, a column for each output.

    Attributes
    ----------
    value : ndarray
        The derivative; NaN where the function has no finite values on both sides, and where it is lost.
    error : ndarray
        How far off it may be, by its own estimate.
    left, right : ndarray
        The one-sided slopes, meant to be read where there is a kink.
    kink : ndarray of bool
        Where the one-sided slopes stay apart as the step shrinks.
    jump : ndarray of bool
        Where a slope grows as fast as the step shrinks: the function itself is not continuous.
    lost : ndarray of bool
        Where the slopes go on changing down to the smallest step: there is no derivative, or it needs smaller ones.
    """

    value: Array
    error: Array
    left: Array
    right: Array
    kink: Array
    jump: Array
    lost: Array


def central(f: Function, x: Array, directions: Array, least: int = FEWEST_HALVINGS) -> Slopes:
    """Differentiate by central differences, extrapolated to the step 0.

    [f(x + hv) - f(x - hv)] / 2h is the derivative plus a series in h². The step is halved again and again, and each
    column of the tableau removes one more term of the series (Richardson). For each output the entry with the smallest
    estimated error is kept, which is how far it lies from those it was made of (C. J. F. Ridders, "Accurate computation
    of F'(x) and F'(x) F''(x)", 1982), and the rounding error, which grows as the step shrinks. Steps that leave the
    domain of the function give NaN, which is never the best entry.

    Parameters
    ----------
    f : callable
        Takes a vector, returns a vector; NumPy's warnings about invalid values are for the caller to silence.
    x : ndarray of float64
        Where to differentiate.
    directions : ndarray
        The directions v, one a row, scaled so that the function changes noticeably, but not beyond recognition,
        between x and x + v.
    least : int
        How often the step is halved at least. At `KINK_LEVEL` a kink shows that is small beside the curvature.

    Returns
    -------
    Slopes
    """
    y = f(x)
    # Also values far below 1 are mostly differences of numbers near it, or near the inputs where these are small.
    unit = np.maximum(np.abs(y), min(1.0, np.abs(x).max(initial=0.0)) or 1.0)
    shape = (len(directions), len(y))
    value, error = np.full(shape, np.nan), np.full(shape, np.inf)
    left, right, sides_error = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.inf)
    tableau = np.full((COLUMNS, *shape), np.nan)
    sides = np.full((3, 2, *shape), np.nan)  # the slopes on the left and right at the last three steps
    suspect, diverging = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    steps = np.full((len(directions), 1), FIRST_STEP)
    active, level = np.arange(len(directions)), 0
    while active.size:
        steps[active] = h = FIRST_STEP / 2**level
        ahead = np.array([f(x + h * v) for v in directions[active]])
        behind = np.array([f(x - h * v) for v in directions[active]])
        noise = ROUNDING * np.maximum(unit, np.maximum(np.abs(ahead), np.abs(behind))) / h

        sides[:, :, active] = [*sides[1:, :, active], [(y - behind) / h, (ahead - y) / h]]
        # Where slopes change by as much as before, the steps are too large for the function, and what was kept is void.
        before, change = np.abs(np.diff(sides[:, :, active], axis=0)).max(axis=1)
        diverging[active] = (change > 0.75 * before) & (change * h > NO_ROUNDING * unit)
        error[diverging] = sides_error[diverging] = np.inf

        row = [(ahead - behind) / (2 * h)]
        for column, older in enumerate(tableau[: min(level, COLUMNS - 1), active], 1):
            newer = row[-1]
            row.append(newer + (newer - older) / (4**column - 1))
            estimate = np.maximum(np.abs(row[-1] - newer), np.abs(row[-1] - older)) + noise
            _keep_better(active, estimate, error, (row[-1], value))
        tableau[: len(row), active] = row

        (on_left, on_right), uncertain = _one_sided(sides[:, :, active])
        uncertain = uncertain + 4 * noise
        _keep_better(active, uncertain, sides_error, (on_left, left), (on_right, right))
        # Where the second derivative jumps, the series is not one in h², and the two sides converge faster.
        _keep_better(active, uncertain + np.abs(on_right - on_left), error, ((on_left + on_right) / 2, value))

        already, suspect[active] = suspect[active], np.abs(on_right - on_left) > APART * uncertain
        # Smaller steps bring no more: their rounding error is twice as large.
        settled = (error[active] <= 2 * noise + GOAL * np.abs(value[active])) & ~diverging[active]
        done = settled & (level >= least) & (~suspect[active] | (level >= KINK_LEVEL))
        level += 1
        if level >= LEVELS:
            moved = h * np.abs(directions[active]) > np.maximum(LAST_STEP * np.abs(x), SMALLEST_STEP)
            done |= (already & suspect[active]) | ~moved.any(axis=1, keepdims=True)
        active = active[~done.all(axis=1)]

    steepness = np.abs(sides).max(axis=1)
    # A jump's slope doubles as the step is halved; that of a vertical tangent grows more slowly.
    doubles = steepness[2] > 1.9 * steepness[1]
    jump = doubles & (steepness[2] * steps / 2 > SMALLEST_JUMP * unit)
    kink = suspect & (np.abs(right - left) > APART * sides_error)
    lost = diverging & ~jump & ~kink
    return Slopes(np.where(lost, np.nan, value), error, left, right, kink, jump, lost)


def _one_sided(slopes: Array) -> tuple[Array, Array]:
    """Return the slopes on both sides extrapolated from three steps to 0, and the estimated error of their difference.

    The series is in h, not in h²: the first extrapolation removes h, the second h².
    """
    older, old, new = slopes
    earlier, later = 2 * old - older, 2 * new - old
    change = (later - earlier) / 3
    return later + change, np.abs(change).sum(axis=0)


def _keep_better(rows: Array, estimate: Array, error: Array, *pairs: tuple[Array, Array]) -> None:
    """Write values into the rows of what is kept wherever their estimated error is the smallest yet; NaN never is."""
    better = estimate < error[rows]
    for new, kept in (*pairs, (estimate, error)):
        kept[rows] = np.where(better, new, kept[rows])


def complex_step(f: Function, x: Array, directions: Array) -> Slopes:
    """Differentiate an analytic function to the last digit: f(x + ihv) = f(x) + ih f'(x)v - …, without a difference.

    Nothing is subtracted, so the step may be so small that the rest of the series vanishes (W. Squire and G. Trapp,
    "Using complex variables to estimate derivatives of real functions", 1998). It does not see kinks.

    Parameters
    ----------
    f : callable
        Takes a complex vector, returns a vector.
    x, directions : ndarray
        As for `central`.

    Returns
    -------
    Slopes
    """
    value = np.array([np.imag(f(x + 1j * COMPLEX_STEP * v)) / COMPLEX_STEP for v in directions])
    nowhere = np.zeros(value.shape, dtype=bool)
    return Slopes(value, np.zeros(value.shape), value, value, nowhere, nowhere, nowhere)
