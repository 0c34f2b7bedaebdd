"""The common style of all pictures: colours, fonts and line widths, and figures measured in inches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, ParamSpec

from .chinese import make_legible
from .output import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

# Blue and vermilion of the palette by M. Okabe and K. Ito, "Color Universal Design", 2002. Colour-blind readers can
# tell them apart, and so can readers of a print in grey.
BLUE, VERMILION = "#0072B2", "#D55E00"
PALE_BLUE, PALE_VERMILION = "#80B8D8", "#EAAE80"  # mixed with white, half and half
PAPER, INK = "#eeeeee", "black"
HEADING_SIZE = 11  # points: the font size of a heading
STYLE = {
    "figure.dpi": 100,
    "font.size": 10,
    "figure.titlesize": HEADING_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
}
BAR_INCHES = 1.1  # the width of a colour bar with its labels
LINE_INCHES = 0.22  # the height of a line in a heading

P = ParamSpec("P")


def in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function so that it draws with `STYLE`; matplotlib reads its settings while a figure is made."""

    @wraps(draw)
    def draw_in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        from matplotlib import rc_context

        with rc_context(STYLE):  # type: ignore[arg-type]
            return make_legible(draw(*args, **kwargs))

    return draw_in_style


def new_figure(width: float, height: float, heading: str | None) -> Figure:
    """Return a figure with room for content of this size, in inches, and for the heading above it."""
    from matplotlib.figure import Figure

    lines = heading.count("\n") + 1 if heading else 0
    total = height + lines * LINE_INCHES
    figure = Figure(figsize=(width, total))
    figure._repr_png_ = partial(png, figure)  # type: ignore[attr-defined]  # shown by notebooks, also without pyplot
    if heading:
        figure.suptitle(heading, y=1 - 0.08 / total, va="top")
    return figure


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes at a position in inches; fixed margins save the time that a layout engine would take."""
    full_width, full_height = figure.get_size_inches()
    return figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))


def colour_bar(figure: Figure, picture: ScalarMappable, ax: Axes, label: str, extend: str = "neither") -> Colorbar:
    """Draw a colour bar to the right of the axes, with their height."""
    inch = 1 / (ax.get_position().width * figure.get_figwidth())
    return figure.colorbar(picture, cax=ax.inset_axes((1 + 0.15 * inch, 0, 0.18 * inch, 1)), label=label, extend=extend)


def join_lines(*lines: str | None) -> str:
    """Join the lines of a heading, without those that are None or empty."""
    return "\n".join(line for line in lines if line)
