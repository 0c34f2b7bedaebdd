"""A Tensor's graph as a picture."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..formulas.graph import Graph, TooLarge, read
from ..nn import Module
from ..tensor import Tensor
from .diagram import COLOURS, Box, Diagram, diagram, shortened
from .layout import Layout, Point, arrange
from .output import png
from .style import HEADING_SIZE, add_axes, in_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 120, 200  # operations and values in a picture
MOST_IN_A_NOTEBOOK = 40, 60  # where it comes unasked
NOTEBOOK_DPI = 144  # crisp, and on the page not too large
PAGE, COLUMN = 9.4, 11.0  # the width of a notebook's page, and how far down a graph runs before it starts anew beside
LEAST_WIDTH = 4.2  # so that the legend fits
LEGEND = 0.35
MARGIN, PADDING = 0.12, 0.08
NAME_SIZE, SIZE = 11, 8  # of letters, in points
FRAME = 0.12  # what the frame of an operation adds
ROUNDED, LABEL = "round,pad=0,rounding_size=0.06", "round,pad=0.25,rounding_size=0.5"
ARROW, WIRE = "-|>,head_length=3.5,head_width=1.8", "#777777"
LEGENDS = {"input": "input or constant"}


@in_style
def graph(tensor: Tensor, model: Module | None = None, title: str | None = None) -> Figure:
    """Draw the graph of a Tensor: what it was computed from, and how.

    A box is a value, with its shape or, if it is a number or a vector of up to 6, these; and then also the derivative
    by it of a result that is one number. The operation that computed it stands at its top; a dot there stands for an
    operand, and operands arrive in order. The graph is not changed or freed, and no ``grad`` is touched.

    Parameters
    ----------
    tensor : Tensor
        Computed from others, with its graph not freed yet.
    model : Module, optional
        Whose parameters are to be named by their paths as well.
    title : str, optional
        The figure's heading.

    Raises
    ------
    GraphError
        If the Tensor has no graph, or it has been freed or changed.
    ValueError
        If there are more than 120 operations, or 200 values, or they have nothing to do with the model.
    """
    try:
        found = _read(tensor, model, *MOST)
    except TooLarge as error:
        raise ValueError(
            f"graph: {error}, which is more than a picture has room for: draw a part, such as the output of one layer, "
            "or give the text that to_dot returns to Graphviz"
        ) from None
    return _draw(diagram(found), title)


def notebook_png(tensor: Tensor) -> bytes | None:
    """Return the picture of a Tensor's graph under the Tensor's repr, or None where the repr alone says more.

    That is where there is no graph, it was freed or changed, or is too large to be drawn unasked.
    """
    if tensor.operation is None:
        return None
    # Whatever goes wrong, a rule of the user's own included: showing a value must not fail, nor warn, as matplotlib
    # does of letters that its font lacks.
    try:
        with warnings.catch_warnings(action="ignore"):
            _read(tensor, None, *MOST_IN_A_NOTEBOOK)
            return png(graph(tensor, title=shortened(repr(tensor), 80).replace("$", r"\$")), NOTEBOOK_DPI)
    except Exception:
        return None


# Notebooks ask a value for its picture by this name. A Tensor is given it from here, so that it knows of no pictures.
Tensor._repr_png_ = notebook_png  # type: ignore[attr-defined]


def _read(tensor: Tensor, model: Module | None, operations: int, values: int) -> Graph:
    """Return the graph of a Tensor, or raise TooLarge."""
    found = read(tensor, model, operations)
    if len(found.values) > values:
        raise TooLarge(f"there are more than {values} values")
    return found


@dataclass(frozen=True)
class _Line:
    """A line, or lines of one kind, of text in a box."""

    text: str
    size: float = SIZE
    is_math: bool = False
    is_operation: bool = False

    @cached_property
    def width(self) -> float:
        """The width in inches."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import text_to_path

        font = FontProperties(size=self.size)
        lines = self.text.split("\n")
        widths = [text_to_path.get_text_width_height_descent(line, font, self.is_math)[0] for line in lines]
        return max(widths) / 72 + FRAME * self.is_operation

    @property
    def height(self) -> float:
        """The height in inches."""
        return 1.3 * self.size / 72 * (self.text.count("\n") + 1) + FRAME * self.is_operation

    def write(self, ax: Axes, x: float, y: float, kind: str) -> None:
        """Write it around a point in a box of some kind."""
        fill, frame, ink = COLOURS[kind]
        ax.text(
            x,
            y,
            self.text,
            color=fill if self.is_operation else ink,
            fontsize=self.size,
            parse_math=self.is_math,
            ha="center",
            va="center",
            bbox={"boxstyle": LABEL, "facecolor": frame, "edgecolor": "none"} if self.is_operation else None,
        )


def _lines(box: Box) -> list[_Line]:
    # Mathtext has no way to write all that a name may hold: beyond a letter and a number it stands as it is.
    is_math = re.fullmatch(r"(\\[a-z]+|[A-Za-zΑ-Ωα-ω])(_\{\d+\})?", box.name.latex) is not None
    title = box.titled(f"${box.name.latex}$") if is_math else box.title
    operation = [_Line(box.operation, is_operation=True)] if box.operation is not None else []
    return [*operation, _Line(title, NAME_SIZE, is_math), *map(_Line, box.details)]


def _draw(drawn: Diagram, title: str | None) -> Figure:
    texts = [_lines(box) for box in drawn.boxes]
    sizes = [_size(text) for text in texts]
    layout = _placed(sizes, drawn.edges)
    width, height = layout.extent
    heading = [_Line(line, HEADING_SIZE).width for line in (title or "").split("\n")]
    full_width, full_height = max(width, LEAST_WIDTH, *heading) + 2 * MARGIN, height + 2 * MARGIN + LEGEND
    figure = new_figure(full_width, full_height, title)
    ax = add_axes(figure, 0, 0, full_width, full_height)
    ax.set_axis_off()
    left = (width - full_width) / 2
    ax.set(xlim=(left, left + full_width), ylim=(height + MARGIN + LEGEND, -MARGIN))
    for wire in layout.wires:
        _draw_wire(ax, wire)
    for box, text, size, centre in zip(drawn.boxes, texts, sizes, layout.centres, strict=True):
        _draw_box(ax, box.kind, text, size, centre)
    _draw_legend(figure, {box.kind for box in drawn.boxes})
    return figure


def _size(text: Sequence[_Line]) -> Point:
    """Return width and height of a box with this text."""
    return max(line.width for line in text) + 2 * PADDING, sum(line.height for line in text) + 2 * PADDING


def _placed(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Layout:
    """Lay boxes out from left to right if that fits on the page, else downwards, in columns if need be."""
    layout = arrange(sizes, edges)
    if layout.extent[0] <= PAGE:
        return layout
    layout = arrange([(height, width) for width, height in sizes], edges, room=(COLUMN, PAGE))
    wires = [[(x, y) for y, x in wire] for wire in layout.wires]
    return Layout(layout.extent[::-1], [(x, y) for y, x in layout.centres], wires)


def _draw_wire(ax: Axes, wire: Sequence[Point]) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    path = Path(wire, [Path.MOVETO, *[Path.CURVE4] * (len(wire) - 1)])
    ax.add_patch(FancyArrowPatch(path=path, arrowstyle=ARROW, color=WIRE, linewidth=1, shrinkA=0, shrinkB=0))


def _draw_box(ax: Axes, kind: str, text: Sequence[_Line], size: Point, centre: Point) -> None:
    from matplotlib.patches import FancyBboxPatch

    (width, height), (x, y) = size, centre
    fill, frame, _ = COLOURS[kind]
    corner = (x - width / 2, y - height / 2)
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=ROUNDED, facecolor=fill, edgecolor=frame, linewidth=1))
    top = corner[1] + PADDING
    for line in text:
        line.write(ax, x, top + line.height / 2, kind)
        top += line.height


def _draw_legend(figure: Figure, kinds: Collection[str]) -> None:
    from matplotlib.patches import Patch

    shown = [(kind, COLOURS[kind]) for kind in COLOURS if kind in kinds]
    patches = [
        Patch(facecolor=fill, edgecolor=frame, label=LEGENDS.get(kind, kind)) for kind, (fill, frame, _) in shown
    ]
    figure.legend(handles=patches, loc="lower center", ncols=len(patches), fontsize=SIZE)
