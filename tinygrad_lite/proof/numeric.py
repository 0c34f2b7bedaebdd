"""Numeric derivatives, from function values alone: extrapolated central differences, and the complex step.

Both take a function from vectors to vectors and return its derivatives along directions v, the products J·v with the
Jacobian J. A unit vector as v gives a column of J.

>>> central(np.square, np.array([3.0]), np.array([[1.0]])).value.round(6)
array([[6.]])
>>> central(np.abs, np.array([0.0]), np.array([[1.0]])).kink
array([[ True]])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[[Array], Array]

FIRST_STEP = 2.0**-6  # all steps are powers of two, so that x + h is mostly exact
FEWEST_HALVINGS = 2  # one-sided slopes are extrapolated from three steps
LEVELS = 25  # down to the step 1e-9, and further while the slopes have not settled
LAST_STEP = 2.0**-30  # the smallest step, relative to an element of the point
SMALLEST_STEP = 2.0**-60  # the same for an element that is 0
NO_ROUNDING = 1e-11  # relative to the output: a larger change is not caused by rounding
COLUMNS = 6  # of the tableau: steps 64 times as large no longer help
GOAL = 1e-11  # the relative error at which extrapolation stops
ROUNDING = 2 * np.finfo(np.float64).eps
SMALLEST_JUMP = 1e-9  # relative to the output, where that is above 1
APART = 30  # one-sided slopes that differ by this many times their estimated error make a kink
KINK_LEVEL = 8  # slopes still apart at this level, with the step 6e-5, count as a kink
COMPLEX_STEP = 2.0**-66


class Slopes(NamedTuple):
    """Derivatives along directions; each array has one row for each direction, one column for each output.

    Attributes
    ----------
    value : ndarray
        The derivative; NaN where the function is not finite on both sides, and where the derivative is lost.
    error : ndarray
        The estimated error of the derivative.
    left, right : ndarray
        The one-sided slopes, useful at a kink.
    kink : ndarray of bool
        True where the one-sided slopes stay apart as the step shrinks.
    jump : ndarray of bool
        True where a slope grows as fast as the step shrinks, since the function is not continuous.
    lost : ndarray of bool
        True where the slopes keep changing down to the smallest step: there is no derivative, or the input needs to be
        rescaled.
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

    [f(x + hv) - f(x - hv)] / 2h is the derivative plus a series in h². The step is halved repeatedly, and each column
    of the tableau removes one more term of the series (Richardson). For each output, the entry with the smallest
    estimated error is kept. The estimate is the distance to the entries it was computed from (C. J. F. Ridders,
    "Accurate computation of F'(x) and F'(x) F''(x)", 1982), plus the rounding error, which grows as the step shrinks.
    Steps that leave the domain of the function give NaN, which is never kept.

    Parameters
    ----------
    f : callable
        Takes a vector, returns a vector. The caller silences NumPy's warnings about invalid values.
    x : ndarray of float64
        The point.
    directions : ndarray
        The directions v, one in each row, scaled so that the function changes noticeably, but not completely, between
        x and x + v.
    least : int
        The least number of halvings. `KINK_LEVEL` also shows a kink that is small compared with the curvature.

    Returns
    -------
    Slopes
    """
    y = f(x)
    # The scale of rounding errors. A small output is often a difference of numbers near 1, or near small inputs.
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
        # If halving the step changes slopes as much as before, the steps are still too large: drop the results so far.
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
        # If the second derivative jumps, there is no series in h², and the mean of the two sides converges faster.
        _keep_better(active, uncertain + np.abs(on_right - on_left), error, ((on_left + on_right) / 2, value))

        already, suspect[active] = suspect[active], np.abs(on_right - on_left) > APART * uncertain
        # Stop once rounding dominates: halving the step doubles its rounding error.
        settled = (error[active] <= 2 * noise + GOAL * np.abs(value[active])) & ~diverging[active]
        done = settled & (level >= least) & (~suspect[active] | (level >= KINK_LEVEL))
        level += 1
        if level >= LEVELS:
            moved = h * np.abs(directions[active]) > np.maximum(LAST_STEP * np.abs(x), SMALLEST_STEP)
            done |= (already & suspect[active]) | ~moved.any(axis=1, keepdims=True)
        active = active[~done.all(axis=1)]

    steepness = np.abs(sides).max(axis=1)
    # Halving the step doubles the slope across a jump; the slope of a vertical tangent grows more slowly.
    doubles = steepness[2] > 1.9 * steepness[1]
    jump = doubles & (steepness[2] * steps / 2 > SMALLEST_JUMP * unit)
    kink = suspect & (np.abs(right - left) > APART * sides_error)
    lost = diverging & ~jump & ~kink
    return Slopes(np.where(lost, np.nan, value), error, left, right, kink, jump, lost)


def _one_sided(slopes: Array) -> tuple[Array, Array]:
    """Extrapolate the two one-sided slopes from three steps to the step 0; estimate the error of their difference.

    The series is in h, not in h²: the first extrapolation removes h, the second h².
    """
    older, old, new = slopes
    earlier, later = 2 * old - older, 2 * new - old
    change = (later - earlier) / 3
    return later + change, np.abs(change).sum(axis=0)


def _keep_better(rows: Array, estimate: Array, error: Array, *pairs: tuple[Array, Array]) -> None:
    """Keep new values, in place, where their estimated error is the smallest so far; NaN is never kept."""
    better = estimate < error[rows]
    for new, kept in (*pairs, (estimate, error)):
        kept[rows] = np.where(better, new, kept[rows])


def complex_step(f: Function, x: Array, directions: Array) -> Slopes:
    """Differentiate an analytic function to the last digit, by f(x + ihv) = f(x) + ih f'(x)v - ….

    The imaginary part is the derivative times h. Nothing is subtracted, so no digits cancel, and the step may be so
    small that the rest of the series vanishes (W. Squire and G. Trapp, "Using complex variables to estimate
    derivatives of real functions", 1998). Kinks are not detected.

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
