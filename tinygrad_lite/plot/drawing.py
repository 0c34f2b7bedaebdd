"""A Tensor's graph as a picture: a matplotlib figure, also shown below a Tensor in a notebook.

figure = tg.plot.graph(loss, net)
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..formulas.graph import TooLarge, read
from ..nn import Module
from ..tensor import Tensor
from .chinese import NO_FONT, families, legible, words
from .diagram import COLOURS, Box, diagram, shortened
from .layout import Layout, Point, arrange
from .output import png
from .style import HEADING_SIZE, add_axes, in_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 120, 200  # operations and values in a picture
MOST_IN_A_NOTEBOOK = 40, 60  # the same for a picture that the user has not asked for
NOTEBOOK_DPI = 144  # sharp, and not too large on the page
PAGE, COLUMN = 9.4, 11.0  # inches: the width of a notebook's page, and the height of a column of a long graph
LEAST_WIDTH = 4.2  # inches, so that the legend fits
LEGEND = 0.35
MARGIN, PADDING = 0.12, 0.08
NAME_SIZE, SIZE = 11, 8  # points: the font size of names, and of other text
FRAME = 0.12  # inches that the frame of an operation adds to its width and height
ROUNDED, LABEL = "round,pad=0,rounding_size=0.06", "round,pad=0.25,rounding_size=0.5"
ARROW, WIRE = "-|>,head_length=3.5,head_width=1.8", "#777777"


def graph(tensor: Tensor, model: Module | None = None, title: str | None = None, *, depth: int | None = 1) -> Figure:
    """Draw the graph of a Tensor: the values and operations that it was computed from.

    Each box is a value. It shows the shape, or the numbers themselves for a single number or a vector of up to 6. Such
    a box also shows the derivative of the drawn Tensor by its value, if the Tensor is a single number. The operation
    that computed a value is at the top of its box; a dot in it stands for an operand, and wires arrive in the order of
    the operands. The graph is neither changed nor freed, and ``grad`` stays as it is.

    The modules that a net consists of are folded: a module of more than two operations is one box, with its path in
    the net, its type, the shapes of what it is given and returns, and the number of its parameters.

    Parameters
    ----------
    tensor : Tensor
        The result of an operation, whose graph has not been freed.
    model : Module, optional
        The net, whose modules are folded. By default it is the outermost module that computed the Tensor.
    title : str, optional
        The figure's heading.
    depth : int, optional
        The number of levels of modules that are shown: 1 folds each layer of the net, 2 opens them and folds what they
        consist of. None opens all.

    Raises
    ------
    GraphError
        If the Tensor has no graph, or the graph has been freed or changed.
    ValueError
        If there are more than 120 operations or 200 values, none of the model's parameters is in the graph, or the
        depth is no whole number of at least 1.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> net = tg.nn.Sequential(tg.nn.TransformerBlock(4, 2, rng=0), tg.nn.Linear(4, 3, rng=1))
    >>> y = net(np.ones((2, 5, 4), np.float32))
    >>> figure = graph(y)  # a box for the block
    >>> figure = graph(y, depth=2)  # a box for its attention, and one for each norm
    """
    try:
        return _picture(tensor, model, title, MOST, depth)
    except TooLarge as error:
        fold = "" if depth == 1 else "fold the layers with depth=1, "
        raise ValueError(
            f"graph: {error}, which is more than a picture has room for: draw a part, such as the output of one layer, "
            f"{fold}or give the text that to_dot returns to Graphviz"
        ) from None


def notebook_png(tensor: Tensor) -> bytes | None:
    """Return the picture of a Tensor's graph, headed by its repr, for a notebook; None shows the repr alone.

    None is for a Tensor without a graph, or whose graph was freed, changed or is too large to be drawn unasked.
    """
    # Showing a value must not fail, even if a rule of the user does. Nor must it warn, as matplotlib does about letters
    # that its font lacks, but for the line that says which font to install.
    try:
        with warnings.catch_warnings(action="ignore"):
            warnings.filterwarnings("default", re.escape(NO_FONT))
            title = shortened(repr(tensor), 80).replace("$", r"\$")
            return png(_picture(tensor, None, title, MOST_IN_A_NOTEBOOK, 1), NOTEBOOK_DPI)
    except Exception:
        return None


# Notebooks call a value's method of this name for a picture. It is attached here, so that Tensor imports no pictures.
Tensor._repr_png_ = notebook_png  # type: ignore[attr-defined]


@in_style
def _picture(
    tensor: Tensor, model: Module | None, title: str | None, most: tuple[int, int], depth: int | None
) -> Figure:
    """Draw the graph of a Tensor; raise TooLarge if there are more than so many operations and values."""
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch
    from matplotlib.path import Path

    found = read(tensor, model, most[0], depth)
    if len(found.values) > most[1]:
        raise TooLarge(f"there are more than {most[1]} values")
    drawn = diagram(found)
    labels = [_labels(box) for box in drawn.boxes]
    layout = _placed([_size(texts) for texts in labels], drawn.edges)
    width, height = layout.extent
    full_width = max(width, LEAST_WIDTH, _Label(title or "", HEADING_SIZE).width) + 2 * MARGIN
    full_height = height + 2 * MARGIN + LEGEND
    figure = new_figure(full_width, full_height, title)
    ax = add_axes(figure, 0, 0, full_width, full_height)
    ax.set_axis_off()
    left = (width - full_width) / 2
    ax.set(xlim=(left, left + full_width), ylim=(height + MARGIN + LEGEND, -MARGIN))
    for wire in layout.wires:
        path = Path(wire, [Path.MOVETO, *[Path.CURVE4] * (len(wire) - 1)])
        ax.add_patch(FancyArrowPatch(path=path, arrowstyle=ARROW, color=WIRE, linewidth=1, shrinkA=0, shrinkB=0))
    for box, texts, (x, y) in zip(drawn.boxes, labels, layout.centres, strict=True):
        fill, frame, ink = COLOURS[box.kind]
        width, height = _size(texts)
        left, top = x - width / 2, y - height / 2
        ax.add_patch(FancyBboxPatch((left, top), width, height, boxstyle=ROUNDED, facecolor=fill, edgecolor=frame))
        for label in texts:
            ax.text(
                x,
                top + PADDING + label.height / 2,
                label.text,
                color=fill if label.is_framed else ink,
                fontsize=label.size,
                parse_math=label.is_math,
                ha="center",
                va="center",
                bbox={"boxstyle": LABEL, "facecolor": frame, "edgecolor": "none"} if label.is_framed else None,
            )
            top += label.height
    kinds = [kind for kind in COLOURS if any(box.kind == kind for box in drawn.boxes)]
    patches = [Patch(facecolor=COLOURS[kind][0], edgecolor=COLOURS[kind][1]) for kind in kinds]
    names = [words(kind.replace("input", "input or constant")) for kind in kinds]
    figure.legend(patches, names, loc="lower center", ncols=len(kinds), fontsize=SIZE)
    return figure


@dataclass(frozen=True)
class _Label:
    """A text in a box, of one or several lines in the same font."""

    text: str
    size: float = SIZE
    is_math: bool = False
    is_framed: bool = False

    @cached_property
    def width(self) -> float:
        """The width in inches."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import text_to_path

        font = FontProperties(family=families(self.text), size=self.size)
        lines = legible(self.text).split("\n")
        widths = [text_to_path.get_text_width_height_descent(line, font, self.is_math)[0] for line in lines]
        return max(widths) / 72 + FRAME * self.is_framed

    @property
    def height(self) -> float:
        """The height in inches."""
        return 1.3 * self.size / 72 * (self.text.count("\n") + 1) + FRAME * self.is_framed


def _labels(box: Box) -> list[_Label]:
    # Mathtext cannot write every character a name may hold, so only a letter with a number is set as a formula.
    is_math = re.fullmatch(r"(\\[a-z]+|[A-Za-zΑ-Ωα-ω])(_\{\d+\})?", box.name.latex) is not None
    name = f"${box.name.latex}$" if is_math else shortened(box.name.text)
    operation = [] if box.operation is None else [_Label(box.operation, is_framed=True)]
    return [*operation, _Label(name + box.numbers, NAME_SIZE, is_math), *map(_Label, box.details)]


def _size(labels: Sequence[_Label]) -> Point:
    """Return the width and height of a box with these labels."""
    return max(label.width for label in labels) + 2 * PADDING, sum(label.height for label in labels) + 2 * PADDING


def _placed(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Layout:
    """Lay boxes out from left to right if that fits on the page, else from top to bottom, in columns if it is long."""
    layout = arrange(sizes, edges)
    if layout.extent[0] <= PAGE:
        return layout
    layout = arrange([(height, width) for width, height in sizes], edges, room=(COLUMN, PAGE))
    wires = [[(x, y) for y, x in wire] for wire in layout.wires]
    return Layout(layout.extent[::-1], [(x, y) for y, x in layout.centres], wires)
