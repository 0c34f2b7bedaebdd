"""The report of a check: verdict, table and picture, and the exception and warning that carry it to the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..support.formatting import table
from .findings import Comparison, Kink
from .picture import errors
from .subject import place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST_NAME = 14  # characters of a parameter's name in the table


class GradientMismatch(AssertionError):
    """A derivative differs from its numeric value; the message names the input, the index, the output and both values.

    Attributes
    ----------
    report : Report
        The whole report.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(max(self.report.comparisons, key=lambda c: c.error / c.tolerance))


class KinkWarning(UserWarning):
    """The point of a check lies on a kink, so any value between the two one-sided slopes was accepted."""


@dataclass(frozen=True, repr=False)
class Report:
    """What `gradcheck` found: true when every derivative agrees with its numeric value.

    The error of an entry, the derivative of output o by element i of an input, is

        |analytic - numeric| / max(|numeric|, noise / tolerance)

    This is the relative error, except for derivatives so small that rounding errors (the noise) would dominate it. The
    noise is 1e-15 times the largest of 1, the output and the output's largest derivative, in absolute value, since a
    derivative may be a difference of numbers of that size. For central differences the noise is the error that the
    extrapolation estimates, if that is larger, but at most 1e-10 times the output, or 1e-10 if the output is below 1.
    A line below the table says how many derivatives pass only because of the noise. At a kink, the numerator is the
    distance to the interval between the one-sided slopes. For a random projection, which sums many terms, all
    sizes are Euclidean norms of the terms, so an error in a derivative much smaller than the others is not seen.

    Attributes
    ----------
    comparisons : tuple of Comparison
        One for each order and input.
    kinks : tuple of Kink
        Entries where any value between the one-sided slopes was accepted.
    notes : tuple of str
        Remarks, such as that a float32 input was checked in float64.

    Examples
    --------
    >>> report = tg.gradcheck(lambda x: x**2, 3.0)
    >>> bool(report), report.max_error < 1e-7
    (True, True)
    >>> report.comparisons[0].analytic
    6.0
    """

    comparisons: tuple[Comparison, ...]
    kinks: tuple[Kink, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return all(self.comparisons)

    @property
    def tolerance(self) -> float:
        """The largest error that passes; if comparisons have different tolerances, the largest of them."""
        return max(c.tolerance for c in self.comparisons)

    @property
    def max_error(self) -> float:
        """The largest error over all inputs and orders."""
        return max((c.error for c in self.comparisons), default=0.0)

    def table(self) -> str:
        """Return one line for each order and input: the largest error, its place, and both values there.

        It fits a terminal: columns that say nothing are left out, and the absolute and the relative error, which the
        report shows in a notebook.
        """
        header, *rows = self._rows()
        left_out = {
            "order": all(c.order == 1 for c in self.comparisons),
            "note": not any(row[-1] for row in rows),
            "abs.": True,
            "rel.": True,
        }
        kept = [i for i, name in enumerate(header) if not left_out.get(name)]
        told = [[row[i] for i in kept] for row in (header, *rows)]
        return table(told, right=[told[0].index("error")])

    def __str__(self) -> str:
        return "\n".join([self._heading(), self.table(), *self._remarks()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        remarks = "".join(f"<div>{escape(remark)}</div>" for remark in self._remarks())
        return f"<div>{escape(self._heading())}</div>{html_table(self._rows(), list(self.comparisons))}{remarks}"

    def plot(self) -> Figure:
        """Draw the error of every first derivative, one panel for each input.

        Raises
        ------
        ValueError
            If only random projections were compared.
        """
        return errors(self.comparisons, self.tolerance)

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
    of = c.of if c.order == 1 else f"∇ {_short(c.of.removeprefix('gradient by '))}"
    return (
        str(c.order),
        place(_short(c.name), c.index or ()),
        c.method,
        f"{c.error:z.1e}",
        f"{c.absolute:z.1e}",
        "" if c.relative is None else f"{c.relative:z.1e}",
        place(of, c.output or ()),
        f"{c.analytic:z.4g}",
        f"{c.numeric:z.4g}",
        c.note if c else f"WRONG, {c.note}".removesuffix(", "),
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def html_table(rows: Sequence[Sequence[str]], good: Sequence[object]) -> str:
    """Return rows of cells as an HTML table, the first row as header; rows whose entry in `good` is false stand out."""

    def line(tag: str, cells: Sequence[str], style: str = "") -> str:
        return f"<tr{style}>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    mark = ' style="background: #EAAE80; color: black"'
    body = [line("td", row, "" if fine else mark) for row, fine in zip(rows[1:], good, strict=True)]
    return f"<table>{line('th', rows[0])}{''.join(body)}</table>"
