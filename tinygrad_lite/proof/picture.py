"""The picture of a check: where in the Jacobian the errors are, which the table of a report cannot show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..plot.style import BAR_INCHES, VERMILION, add_axes, colour_bar, in_style, new_figure
from .findings import METHOD_NAMES, Comparison
from .numeric import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE, MARGIN = 2.6, 0.9  # inches: the side of a panel, and the space between panels for labels
SMALLEST = -16  # errors of 0, which have no logarithm, are drawn as this power of ten


@in_style
def errors(comparisons: Sequence[Comparison], tolerance: float) -> Figure:
    """Draw the error of every first derivative on a logarithmic scale, one panel for each input.

    A panel has a row for each output and a column for each element of the input. If there is a single output, the
    panel of a matrix has the shape of the matrix. Entries that were not compared stay white.

    Parameters
    ----------
    comparisons : sequence of Comparison
        The results of a check that compared every entry; second derivatives are not drawn.
    tolerance : float
        The tolerance, drawn as a red line in the colour bar.

    Raises
    ------
    ValueError
        If only random projections were compared, or there is nothing to draw.
    """
    firsts = [c for c in comparisons if c.order == 1]
    if any(c.errors is None for c in firsts):
        raise ValueError("only random projections were compared, so no entry has an error of its own: use mode='full'")
    drawn = [(c, *_matrix(c)) for c in firsts if c.errors is not None and c.errors.size]
    if not drawn:
        raise ValueError("the inputs or the outputs are empty, so there is no error to draw")
    from matplotlib.ticker import MaxNLocator, MultipleLocator

    width = len(drawn) * (SIDE + MARGIN) - MARGIN
    figure = new_figure(0.7 + width + BAR_INCHES, SIDE + 0.9, "Errors of the first derivatives")
    for number, (comparison, matrix, labels) in enumerate(drawn):
        ax = add_axes(figure, 0.7 + number * (SIDE + MARGIN), 0.5, SIDE, SIDE)
        powers = np.log10(np.maximum(matrix, 10.0**SMALLEST))
        picture = ax.imshow(powers, vmin=SMALLEST, vmax=0, aspect="auto", interpolation="nearest")
        ax.set(title=f"{comparison.name}, {METHOD_NAMES[comparison.method]}", **labels)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        ax.grid(False)
    bar = colour_bar(figure, picture, ax, "error", extend="both")
    bar.ax.yaxis.set_major_locator(MultipleLocator(4))
    bar.ax.yaxis.set_major_formatter(lambda power, _: f"$10^{{{power:.0f}}}$")
    bar.ax.axhline(np.log10(tolerance), color=VERMILION, linewidth=2)
    figure.text(0.99, 0.02, "red line: the tolerance", ha="right", color=VERMILION, fontsize=8)
    return figure


def _matrix(comparison: Comparison) -> tuple[Array, dict[str, str]]:
    """Return the errors as a matrix, and the labels of its axes."""
    assert comparison.errors is not None
    shape = comparison.errors.shape
    of_output = shape[: len(shape) - len(comparison.index or ())]
    if not of_output and len(shape) == 2:
        return comparison.errors, {"xlabel": "column of the input", "ylabel": "row of the input"}
    outputs = math.prod(of_output)
    return comparison.errors.reshape(outputs, -1), {"xlabel": "element of the input", "ylabel": "output"}
