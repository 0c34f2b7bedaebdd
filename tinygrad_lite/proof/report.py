"""The report of a check: its verdict, its table and its picture, and the error and the warning it raises."""

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
