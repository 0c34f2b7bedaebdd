"""Text for output: tables, text in LaTeX formulas, and the names of NumPy's functions.

>>> print(table([("rule", "samples"), ("tanh", "5")], right=[1]))
rule  samples
----  -------
tanh        5
"""

from __future__ import annotations

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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([line(rows[0]), "  ".join("-" * width for width in widths), *map(line, rows[1:])])


def latex_escaped(text: str) -> str:
    """Return text with LaTeX's special characters escaped or replaced, for formulas and for words."""
    lookalikes = text.translate({ord("\\"): "∖", ord("^"): "ˆ", ord("~"): "˜"})
    return "".join("\\" + c if c in "_#$%&{}" else c for c in lookalikes)


def numpy_name(function: Callable[..., Any]) -> str:
    """Return the usual name of a NumPy function, such as ``np.linalg.norm``."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".replace("numpy", "np", 1)
