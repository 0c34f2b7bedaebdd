"""What a check found: a comparison for each input and order, the kinks it met, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..support.formatting import table
from .numeric import Array
from .subject import place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METHOD_NAMES = {"central": "central differences", "complex": "the complex step"}
LONGEST_NAME = 14  # of a parameter in the table


class GradientMismatch(AssertionError):
    """A derivative that differs from its numeric value: names the input, the index, the output and both values.

    Attributes
    ----------
    report : Report
        All that was found.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(max(self.report.comparisons, key=lambda c: c.error / c.tolerance))


class KinkWarning(UserWarning):
    """The point of a check lies on a kink, where any value between the two one-sided slopes is accepted."""


@dataclass(frozen=True)
class Kink:
    """One output, seen along one element of an input, has different slopes on its two sides.

    Attributes
    ----------
    order : int
        1 where the function has the kink, 2 where its gradient has.
    argument : int
        The number of the input.
    name : str
        What the input is called.
    index : tuple of int
        The element of the input.
    result : int or None
        The number of the result, if there are several; for second order, that of the input the gradient is by.
    of : str
        What the result is called.
    output : tuple of int
        The element of the result.
    left, right : float
        The one-sided slopes.
    analytic : float
        The derivative that was checked.
    """

    order: int
    argument: int
    name: str
    index: tuple[int, ...]
    result: int | None
    of: str
    output: tuple[int, ...]
    left: float
    right: float
    analytic: float

    def __str__(self) -> str:
        return (
            f"kink at {place(self.name, self.index)}: the slopes of {place(self.of, self.output)} are {self.left:z.6g} "
            f"on its left and {self.right:z.6g} on its right, the derivative given is {self.analytic:z.6g}"
        )


@dataclass(frozen=True)
class Comparison:
    """The derivatives by one input beside their numeric values.

    Attributes
    ----------
    order : int
        1 for first derivatives, 2 for second.
    argument : int
        The number of the input; parameters are counted after the inputs.
    name : str
        What the input is called: "input 0", or the path of a parameter.
    method : {"central", "complex"}
        Where the numeric values come from.
    tolerance : float
        The largest error that passes.
    error : float
        The largest error, as described in `Report`; 0 if there is nothing to compare.
    absolute : float
        The largest |analytic - numeric|.
    relative : float or None
        The largest |analytic - numeric| / |numeric|, among values that stand out from rounding errors or are wrong;
        None if there are none.
    index, output : tuple of int, or None
        Where in the input and in the result the largest error sits; None where there is nothing to compare, and for
        random projections, which agree as a whole.
    result : int or None
        The number of that result, if there are several; for second order, that of the input the gradient is by.
    of : str
        What the result is called: "y", "y1", or for second order "gradient by input 0".
    analytic, numeric : float
        The two values there.
    note : str
        "kink" where one was met, "jump" where the function is not continuous, else empty.
    hint : str
        What is certain about the cause of a mismatch, or that some derivatives are too small to be compared, or empty.
    errors : ndarray or None
        The error of every entry, of the shape of the result + that of the input; several results are strung together
        along one axis. NaN where nothing was compared. None for random projections.
    """

    order: int
    argument: int
    name: str
    method: str
    tolerance: float
    error: float = 0.0
    absolute: float = 0.0
    relative: float | None = None
    index: tuple[int, ...] | None = None
    output: tuple[int, ...] | None = None
    result: int | None = None
    of: str = "y"
    analytic: float = 0.0
    numeric: float = 0.0
    note: str = ""
    hint: str = ""
    errors: Array | None = field(default=None, compare=False, repr=False)

    def __bool__(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        if self.index is None or self.output is None:
            where = f"of {self.of} by {self.name}, projected at random"
        else:
            where = f"of {place(self.of, self.output)} by {place(self.name, self.index)}"
        text = f"derivative of order {self.order} {where}: {self.analytic:z.10g}, but "
        if self.note == "jump" or np.isnan(self.numeric):
            return text + self.hint
        return f"{text}{self.numeric:z.10g} by {METHOD_NAMES[self.method]}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True, repr=False)
class Report:
    """What `gradcheck` found: true when every derivative agrees with its numeric value.

    The error of an entry, the derivative of output o by element i of an input, is

        |analytic - numeric| / max(|numeric|, noise / tolerance)

    so it is the relative error, unless the derivative is lost in the noise. The noise is 1e-15 times the size of the
    output, of its largest derivative, or 1, whichever is largest, since a derivative may be what is left of larger
    numbers. For central differences it is what the extrapolation gives as its own error where that is more, up to 1e-10
    times the size of the output, or times 1. How many derivatives pass only for the noise is said below the table. At a
    kink, what counts is the distance to the interval between the one-sided slopes. For a random projection all sizes
    are those of a sum of terms with random signs, so that what is small beside other derivatives is not seen.

    Attributes
    ----------
    comparisons : tuple of Comparison
        One for each order and input.
    kinks : tuple of Kink
        Entries at which any value between the one-sided slopes was accepted.
    notes : tuple of str
        What else there is to know, such as that float32 was checked in float64.
    """

    comparisons: tuple[Comparison, ...]
    kinks: tuple[Kink, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return all(self.comparisons)

    @property
    def tolerance(self) -> float:
        """The largest error that passes, by the most lenient of the comparisons."""
        return max(c.tolerance for c in self.comparisons)

    @property
    def max_error(self) -> float:
        """The largest error over all inputs and orders."""
        return max((c.error for c in self.comparisons), default=0.0)

    def table(self) -> str:
        """Return one line for each order and input: the largest error, where it sits, both values there."""
        return table(self._rows(), right=range(3, 6))

    def __str__(self) -> str:
        return "\n".join([self._heading(), self.table(), *self._remarks()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        remarks = "".join(f"<div>{escape(remark)}</div>" for remark in self._remarks())
        return f"<div>{escape(self._heading())}</div>{html_table(self._rows(), list(self.comparisons))}{remarks}"

    def plot(self) -> Figure:
        """Draw the error of every first derivative, one panel an input.

        Raises
        ------
        ValueError
            If only random projections were compared.
        """
        from .picture import errors

        return errors(self)

    def _heading(self) -> str:
        tolerances = ", ".join(f"{tolerance:g}" for tolerance in sorted({c.tolerance for c in self.comparisons}))
        return f"gradcheck {'holds' if self else 'does not hold'} (tolerance {tolerances})"

    def _remarks(self) -> list[str]:
        names: dict[str, list[str]] = {}
        for c in self.comparisons:
            if c.hint:
                names.setdefault(c.hint, []).append(c.name)
        hints = [f"{', '.join(dict.fromkeys(several))}: {hint}" for hint, several in names.items()]
        return [*hints, *map(str, self.kinks), *(f"note: {note}" for note in self.notes)]

    def _rows(self) -> list[tuple[str, ...]]:
        header = ("order", "by", "method", "error", "abs.", "rel.", "of", "analytic", "numeric", "note")
        return [header, *map(_row, self.comparisons)]


def _row(c: Comparison) -> tuple[str, ...]:
    of = c.of if c.order == 1 else f"grad {_short(c.of.removeprefix('gradient by '))}"
    return (
        str(c.order),
        place(_short(c.name), c.index or ()),
        c.method,
        f"{c.error:z.1e}",
        f"{c.absolute:z.1e}",
        "" if c.relative is None else f"{c.relative:z.1e}",
        place(of, c.output or ()),
        f"{c.analytic:z.5g}",
        f"{c.numeric:z.5g}",
        c.note if c else f"WRONG, {c.note}".removesuffix(", "),
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def html_table(rows: Sequence[Sequence[str]], good: Sequence[object]) -> str:
    """Return rows of cells, the first a header, as a table for notebooks; those that are not good stand out."""

    def line(tag: str, cells: Sequence[str], style: str = "") -> str:
        return f"<tr{style}>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    mark = ' style="background: #EAAE80; color: black"'
    body = [line("td", row, "" if fine else mark) for row, fine in zip(rows[1:], good, strict=True)]
    return f"<table>{line('th', rows[0])}{''.join(body)}</table>"
