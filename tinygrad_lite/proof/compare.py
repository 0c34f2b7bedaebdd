"""The comparison of analytic with numeric derivatives.

Small Jacobians are compared entry by entry. For large ones that would take too many evaluations, so random projections
of them are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from .findings import Comparison, Kink
from .hints import cause
from .numeric import FEWEST_HALVINGS, KINK_LEVEL, Array, Slopes, central, complex_step
from .subject import Subject, part_at, weighted_sum

FULL_LIMIT = 2000  # inputs and outputs together: "auto" compares projections of more
BLOCK = 64  # directions at a time, to limit memory: each is as long as all inputs together
PROJECTIONS = 4  # for each input
MOST_KINKS = 20  # elements at kinks that are set aside, one after the other, in the projections for an input
ROUNDING = 1e-15  # the rounding error of a derivative, which may be a difference of larger numbers
MOST_NOISE = 1e-10  # the largest error estimate of differences that is believed, times the output if that is above 1
TOO_SMALL = "too small compared with rounding errors to be checked: rescale the function, or subtract its constant part"
MANY_KINKS = f"{MOST_KINKS} kinks were met, and there are more: move the point, or use mode='full'"
AGREEMENT = 1e-6  # the complex step is trusted if it agrees with differences this well


def compare(
    subject: Subject,
    order: int,
    *,
    method: str = "auto",
    mode: str = "auto",
    tolerance: float = 1e-7,
    seed: int = 0,
    avoid: Collection[int] = (),
) -> tuple[list[Comparison], list[Kink]]:
    """Compare the derivatives of a function by each of its arguments with numeric ones.

    Parameters
    ----------
    subject : Subject
    order : {1, 2}
        The order named in the comparisons: 1 if the subject is the function itself, 2 if it is its `Gradient`.
    method : {"auto", "central", "complex"}
        As for `gradcheck`. For "complex", the caller checks first that there is no `objection`.
    mode, tolerance, seed
        As for `gradcheck`.
    avoid : collection of int
        Positions in the vector of all arguments that lie on a kink; their second derivatives are not compared.

    Returns
    -------
    comparisons : list of Comparison
        One for each argument.
    kinks : list of Kink
    """
    check = _Check(subject, order, tolerance, seed, avoid)
    by = check.by_entries if is_full(subject, mode) else check.by_projections
    automatic = method == "auto"
    if automatic:
        method = "central" if objection(subject, seed) else "complex"
    comparisons, kinks = [], []
    for number in range(len(subject.arguments)):
        comparison, met = by(number, method)
        if automatic and method == "complex" and not comparison:
            # A function that looks analytic in one direction may not be so in all, so differences decide. But if they
            # pass only because derivatives are lost in their noise (they have a hint), the mismatch stands.
            other, met_by_differences = by(number, "central")
            if not other or not other.hint:
                comparison, met = other, met_by_differences
        comparisons.append(comparison)
        kinks += met
    return comparisons, kinks


def is_full(subject: Subject, mode: str) -> bool:
    """Return True if every entry of the Jacobian is compared, False for random projections."""
    return mode == "full" or (mode == "auto" and subject.point.size + subject.value.size <= FULL_LIMIT)


def objection(subject: Subject, seed: int = 0) -> str | None:
    """Return the reason not to use the complex step, or None if it can be trusted.

    It is trusted if the function runs on complex numbers and its derivative in one random direction, through all
    inputs, agrees with differences. It cannot be used at a kink, since it does not see one-sided slopes.
    """
    direction = np.random.default_rng(seed).normal(size=(1, subject.point.size)) * sizes(subject.point)
    try:
        found = complex_step(subject, subject.point, direction)
    except Exception as error:  # a function that was not written for complex numbers may raise anything
        return f"it does not run on complex numbers ({type(error).__name__}: {error})"
    slopes = central(subject, subject.point, direction)
    if slopes.kink.any() or slopes.jump.any():
        return "it has a kink at the point of the check"
    if slopes.lost.any():
        return "differences find no derivative to compare it with"
    errors = measured(found.value, slopes, noise(slopes, np.abs(found.value), subject.value), AGREEMENT).scaled
    if (errors <= AGREEMENT).all():
        return None
    worst = np.argmax(errors)
    value, expected = found.value.flat[worst], slopes.value.flat[worst]
    if value == 0:
        return "a result loses its imaginary part, as by np.abs or a cast"
    found_there = f"its derivative is {value:z.6g}, but {expected:z.6g} by differences"
    return f"it is not analytic: along a random direction {found_there}"


def sizes(x: Array) -> Array:
    """Return a step for each element that is noticeable beside its value: the next power of two, at least 1."""
    return 2.0 ** np.ceil(np.log2(np.maximum(1.0, np.abs(x))))


class Errors(NamedTuple):
    """The errors of derivatives: scaled as `Report` defines it, absolute, and relative to the numeric value.

    The relative error is NaN where the numeric value is no larger than rounding errors and the derivative passes.
    ``lost`` marks derivatives that pass only because rounding errors are allowed for.
    """

    scaled: Array
    absolute: Array
    relative: Array
    lost: Array


def measured(analytic: Array, slopes: Slopes, rounding: Array, tolerance: float, scale: Array | None = None) -> Errors:
    """Return the errors of derivatives.

    Parameters
    ----------
    analytic : ndarray
        The derivatives under check, as in ``slopes``.
    slopes : Slopes
        The numeric values.
    rounding : ndarray
        The error that rounding alone may cause.
    tolerance : float
        The largest error that passes.
    scale : ndarray, optional
        What an error is measured by, where that is above rounding; by default the numeric values.
    """
    low = np.where(slopes.kink, np.minimum(slopes.left, slopes.right), slopes.value)
    high = np.where(slopes.kink, np.maximum(slopes.left, slopes.right), slopes.value)
    distance = np.maximum(0.0, np.maximum(low - analytic, analytic - high))
    size = np.maximum(np.abs(low), np.abs(high))
    scale = size if scale is None else scale
    floor = rounding / tolerance
    scaled = distance / np.maximum(scale, floor)
    scaled = np.where(np.isnan(scaled) | slopes.jump, np.inf, scaled)
    wrong = scaled > tolerance
    relative = np.where(wrong | (size >= floor), distance / size, np.nan)
    return Errors(scaled, distance, relative, ~wrong & (analytic != 0) & (distance > tolerance * scale))


def noise(slopes: Slopes, largest: Array, y: Array) -> Array:
    """Return the error that rounding alone may cause; differences estimate theirs, which is believed up to a limit.

    Parameters
    ----------
    slopes : Slopes
    largest : ndarray
        The largest absolute derivative of each output.
    y : ndarray
        The outputs.
    """
    unit = np.maximum(1.0, np.abs(y))
    claimed = np.minimum(slopes.error, MOST_NOISE * unit)
    return np.maximum(claimed, ROUNDING * np.maximum(unit, largest))


class _Check:
    """The comparison of a subject's derivatives, argument by argument.

    Elements and outputs are given as positions in the vector of all arguments and in the vector of all results.
    """

    def __init__(self, subject: Subject, order: int, tolerance: float, seed: int, avoid: Collection[int]) -> None:
        self.subject = subject
        self.order = order
        self.tolerance = tolerance
        self.seed = seed
        # In second order the outputs are the gradient, so a position names an element and its output alike.
        self.avoid = np.array(sorted(avoid), dtype=int)

    def slopes(self, method: str, directions: Array, least: int = FEWEST_HALVINGS) -> Slopes:
        """Return the numeric derivatives along directions."""
        if method == "complex":
            return complex_step(self.subject, self.subject.point, directions)
        return central(self.subject, self.subject.point, directions, least)

    def columns(self, method: str, elements: Array, least: int = FEWEST_HALVINGS) -> Slopes:
        """Return the numeric derivatives by elements, one row for each element."""
        blocks = []
        for block in np.split(elements, range(BLOCK, len(elements), BLOCK)):
            size = sizes(self.subject.point[block])[:, np.newaxis]
            directions = np.zeros((len(block), self.subject.point.size))
            np.put_along_axis(directions, block[:, np.newaxis], size, axis=1)
            *slopes, kink, jump, lost = self.slopes(method, directions, least)
            blocks.append((*(slope / size for slope in slopes), kink, jump, lost))
        return Slopes(*map(np.concatenate, zip(*blocks, strict=True)))

    def entries(
        self, number: int, method: str, elements: Array, outputs: Array, jacobian: Array, least: int = FEWEST_HALVINGS
    ) -> tuple[Comparison, list[Kink]]:
        """Compare the entries of some elements; `jacobian` has a row for every element, a column for each output."""
        part, analytic = self.subject.arguments[number], jacobian[elements]
        slopes = Slopes(*(slope[:, outputs] for slope in self.columns(method, elements, least)))
        rounding = noise(slopes, largest_of(jacobian), self.subject.value[outputs])
        errors = measured(analytic, slopes, rounding, self.tolerance)
        if method == "central" and least < KINK_LEVEL and (errors.scaled > self.tolerance).any():
            # A kink that is small compared with the curvature shows only at small steps.
            return self.entries(number, method, elements, outputs, jacobian, least=KINK_LEVEL)
        left_out = np.isin(elements, self.avoid)[:, np.newaxis] | np.isin(outputs, self.avoid)
        scaled = np.where(left_out, np.nan, errors.scaled)
        if left_out.all():
            return self.comparison(number, method, note="kink", errors=scaled), []
        kinks = []
        for i, o in np.argwhere(slopes.kink & ~left_out):
            left, right, value = (float(array[i, o]) for array in (slopes.left, slopes.right, analytic))
            entry = self.entry(number, elements[i], outputs[o])
            kinks.append(Kink(self.order, number, part.name, **entry, left=left, right=right, analytic=value))
        i, o = worst = _telling(scaled, slopes)
        lost = np.count_nonzero(errors.lost & ~left_out)
        if scaled[worst] > self.tolerance:
            hint = cause(self.subject, part, analytic, slopes, worst)
        else:
            hint = f"{lost} derivative{' is' if lost == 1 else 's are'} {TOO_SMALL}" if lost else ""
        comparison = self.comparison(
            number,
            method,
            **self.entry(number, elements[i], outputs[o]),
            **_largest(errors, ~left_out, analytic[worst], slopes.value[worst]),
            note="jump" if slopes.jump[worst] else "kink" if kinks else "",
            hint=hint,
            errors=scaled,
        )
        return comparison, kinks

    def comparison(self, number: int, method: str, **found: Any) -> Comparison:
        """Return a Comparison for an argument, with the fields in `found`."""
        return Comparison(self.order, number, self.subject.arguments[number].name, method, self.tolerance, **found)

    def entry(self, number: int, element: int, output: int) -> dict[str, Any]:
        """Return the fields of a Comparison that say which entry of the Jacobian it is about."""
        results = self.subject.results
        result = part_at(output, results)
        return {
            "index": self.subject.arguments[number].index(element),
            "output": results[result].index(output),
            "result": result if self.order == 2 or len(results) > 1 else None,
            "of": results[result].name if self.order == 1 else f"gradient by {results[result].name}",
        }

    def by_entries(self, number: int, method: str) -> tuple[Comparison, list[Kink]]:
        """Compare every entry of the Jacobian by one argument."""
        part, results = self.subject.arguments[number], self.subject.results
        elements, outputs = np.arange(part.start, part.stop), np.arange(self.subject.value.size)
        shape = (results[0].shape if len(results) == 1 else outputs.shape) + part.shape
        if not elements.size or not outputs.size:
            return self.comparison(number, method, errors=np.zeros(shape)), []
        comparison, kinks = self.entries(number, method, elements, outputs, self.jacobian)
        assert comparison.errors is not None
        return replace(comparison, errors=comparison.errors.T.reshape(shape)), kinks

    @cached_property
    def jacobian(self) -> Array:
        """The analytic derivatives: one row for each element of the arguments, one column for each output."""
        return np.array([self.subject.pull_back(u) for u in np.eye(self.subject.value.size)]).T

    def by_projections(self, number: int, method: str) -> tuple[Comparison, list[Kink]]:
        """Compare only u·J·v, of the Jacobian J by one argument, for a few random vectors u and v.

        Each product takes one backward sweep and a few evaluations. A wrong entry changes nearly every product. The
        entry is then found by bisection: first of v, then of u.
        """
        part, y = self.subject.arguments[number], self.subject.value
        rng = np.random.default_rng((self.seed, number))
        elements = np.setdiff1d(np.arange(part.start, part.stop), self.avoid)
        outputs = np.setdiff1d(np.arange(y.size), self.avoid)
        if not elements.size or not outputs.size:
            return self.comparison(number, method, note="kink" if self.avoid.size else ""), []
        comparisons: list[Comparison] = []
        kinks: list[Kink] = []
        apart = 0  # elements at a kink, or near one
        for _ in range(PROJECTIONS):
            u, v = np.zeros(y.size), np.zeros(self.subject.point.size)
            u[outputs] = rng.normal(size=outputs.size)
            v[elements] = rng.normal(size=elements.size) * sizes(self.subject.point[elements])
            comparison = self.projected(number, method, u, v)
            while not comparison and apart < MOST_KINKS:
                element, output = self.located(method, u, v)
                row = self.subject.pull_back(_only(np.ones(y.size), [output]))
                entry, met = self.entries(number, method, np.array([element]), np.array([output]), row[:, np.newaxis])
                if not entry:
                    return replace(entry, errors=None), kinks
                # The entry is right, but the product is wrong even with this element alone: report the product.
                if not met and not self.projected(number, method, u, _only(v, [element])):
                    return comparison, kinks
                # Set this element aside: the next search then finds other errors.
                kinks += met
                apart += 1
                elements, v[element] = elements[elements != element], 0.0
                comparison = self.projected(number, method, u, v)
            comparisons.append(comparison if comparison else replace(comparison, hint=MANY_KINKS))
        worst = max(comparisons, key=lambda c: c.error)
        return replace(worst, note="kink" if kinks else worst.note), kinks

    def projected(self, number: int, method: str, u: Array, v: Array) -> Comparison:
        """Compare u·J·v; the scale of its error is the Euclidean norm of the terms, whose signs are random."""
        slopes = self.slopes(method, v[np.newaxis])
        row = self.subject.pull_back(u)
        rounding = noise(slopes, largest_of(row * sizes(self.subject.point)), self.subject.value)
        analytic, numeric = row @ v, u @ slopes.value[0]
        product = Slopes(*map(np.asarray, (numeric, numeric, numeric, numeric, False, slopes.jump.any(), False)))
        scale, floor = (np.asarray(np.linalg.norm(u * terms)) for terms in (slopes.value, rounding))
        errors = measured(analytic, product, floor, self.tolerance, scale)
        return self.comparison(
            number,
            method,
            **_largest(errors, True, analytic, numeric),
            hint=f"they are {TOO_SMALL}" if errors.lost else "",
            note="kink" if slopes.kink.any() else "",
        )

    def located(self, method: str, u: Array, v: Array) -> tuple[int, int]:
        """Return the element and output of a wrong entry, found by bisection of v and then of u."""
        row = self.subject.pull_back(u)
        element = _halved(v, lambda part: weighted_sum(part, row) - u @ self.slopes(method, part[np.newaxis]).value[0])
        column = self.columns(method, np.array([element])).value[0]
        return element, _halved(u, lambda part: self.subject.pull_back(part)[element] - weighted_sum(part, column))


def largest_of(jacobian: Array) -> Array:
    """Return the largest absolute derivative of each output, infinities left out."""
    largest: Array = np.max(np.abs(jacobian), axis=0, where=np.isfinite(jacobian), initial=0.0)
    return largest


def _largest(errors: Errors, compared: Any, analytic: Any, numeric: Any) -> dict[str, Any]:
    """Return the fields of a Comparison about the largest of the errors compared, and the derivatives there."""
    relative = errors.relative[compared]
    return {
        "error": float(np.max(errors.scaled[compared])),
        "absolute": float(np.max(errors.absolute[compared])),
        "relative": None if np.isnan(relative).all() else float(np.nanmax(relative)),
        "analytic": float(analytic),
        "numeric": float(numeric),
    }


def _telling(scaled: Array, slopes: Slopes) -> tuple[Any, ...]:
    """Return the place of the largest error; of several such, one where the function itself has a kink, jump or NaN."""
    largest = scaled == np.nanmax(scaled)
    peculiar = largest & (np.isnan(slopes.value) | slopes.jump | slopes.kink)
    return tuple(np.argwhere(peculiar if peculiar.any() else largest)[0])


def _halved(weights: Array, off: Callable[[Array], float]) -> int:
    """Return a position with a large error, by bisection: keep the half with the larger error until one is left."""
    support = np.flatnonzero(weights)
    while support.size > 1:
        halves = np.array_split(support, 2)
        support = max(halves, key=lambda half: np.nan_to_num(np.abs(off(_only(weights, half))), nan=np.inf))
    return int(support[0])


def _only(weights: Array, positions: Any) -> Array:
    """Return a copy of weights that keeps some positions and is 0 elsewhere."""
    kept = np.zeros(weights.size)
    kept[positions] = weights[positions]
    return kept
