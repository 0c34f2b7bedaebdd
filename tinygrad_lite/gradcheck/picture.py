"""The picture of a check: the error of every first derivative."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..plot.style import add_axes, colour_bar, in_style, new_figure
from .numeric import Array
from .report import Comparison, Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE, MARGIN = 2.6, 1.0  # of a panel, and beside it for the labels, in inches
SMALLEST = 1e-17  # smaller errors, and those that are 0, are drawn as this: the logarithm has to end somewhere


@in_style
def errors(report: Report) -> Figure:
    """Draw the error of every first derivative on a logarithmic scale, one panel an input.

    A row for each output, a column for each element of the input; what was not compared is left white.

    Parameters
    ----------
    report : Report
        Of a check that compared every entry.

    Raises
    ------
    ValueError
        If only random projections were compared, or there is nothing to draw.
    """
    firsts = [c for c in report.comparisons if c.order == 1]
    if any(c.errors is None for c in firsts):
        raise ValueError("only random projections were compared, so no entry has an error of its own: use mode='full'")
    matrices = {f"{c.name}, {c.method}": _matrix(c) for c in firsts if c.errors is not None and c.errors.size}
    if not matrices:
        raise ValueError("the inputs or the outputs are empty, so there is no error to draw")
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(len(matrices) * (SIDE + MARGIN) + MARGIN, SIDE + MARGIN, "The error of each first derivative")
    for number, (title, matrix) in enumerate(matrices.items()):
        ax = add_axes(figure, 0.8 * MARGIN + number * (SIDE + MARGIN), 0.5 * MARGIN, SIDE, SIDE)
        picture = ax.imshow(np.log10(np.maximum(matrix, SMALLEST)), vmin=np.log10(SMALLEST), vmax=0, aspect="auto")
        ax.set(title=title, xlabel="element of the input", ylabel="output")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        ax.grid(False)
    colour_bar(figure, picture, ax, "log₁₀ of the error", extend="both")
    return figure


def _matrix(comparison: Comparison) -> Array:
    """Return the errors with a row for each output."""
    assert comparison.errors is not None
    shape = comparison.errors.shape
    of_output = shape[: len(shape) - len(comparison.index or ())]
    return comparison.errors.reshape(math.prod(of_output), -1)
