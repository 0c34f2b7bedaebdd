"""Text for output: tables, text in LaTeX formulas, and the names of NumPy's functions.

>>> print(table([("rule", "samples"), ("tanh", "5")], right=[1]))
rule  samples
----  -------
tanh        5
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return rows of cells in aligned columns, with a line below the first row.

    Parameters
    ----------
    rows : sequence of sequences of str
        The header and the rows, of equal length.
    right : sequence of int
        The columns that are aligned to the right.
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        spaces = [" " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = [
            space + cell if i in right else cell + space
            for i, (cell, space) in enumerate(zip(row, spaces, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([line(rows[0]), "  ".join("-" * width for width in widths), *map(line, rows[1:])])


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a Chinese character, none for an accent on another.

    >>> columns("猫 3")
    4
    """
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text
    )


def shortened(text: str, most: int, from_start: bool = False, mark: str = "…") -> str:
    """Return a text cut to so many columns, with a mark where it is cut: at its end, or at its start.

    >>> shortened("photographs/seven.png", 11, from_start=True)
    '…/seven.png'
    """
    if columns(text) <= most:
        return text
    while columns(text) > most - columns(mark):
        text = text[1:] if from_start else text[:-1]
    return f"{mark}{text}" if from_start else f"{text}{mark}"


def wrapped(text: str, most: int = 80) -> str:
    """Return a text whose lines are broken between words, so that they take at most so many columns where words allow.

    >>> print(wrapped("a picture of a digit", 12))
    a picture of
    a digit
    """
    lines = []
    for line in text.split("\n"):
        first, *others = line.split(" ")
        lines.append(first)
        for word in others:
            longer = f"{lines[-1]} {word}"
            if columns(longer) <= most:
                lines[-1] = longer
            else:
                lines.append(word)
    return "\n".join(lines)


def latex_escaped(text: str) -> str:
    """Return text with LaTeX's special characters escaped or replaced, for formulas and for words."""
    lookalikes = text.translate({ord("\\"): "∖", ord("^"): "ˆ", ord("~"): "˜"})
    return "".join("\\" + c if c in "_#$%&{}" else c for c in lookalikes)


def numpy_name(function: Callable[..., Any]) -> str:
    """Return the usual name of a NumPy function, such as ``np.linalg.norm``."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".replace("numpy", "np", 1)
