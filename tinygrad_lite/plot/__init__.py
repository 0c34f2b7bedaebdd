"""Pictures: learning curves, digits, confusion matrices, weights, kernels, decision boundaries, and graphs of Tensors.

Every function that draws returns a matplotlib figure. `save` writes it to a file, `show` opens a window, and `animate`
makes a film of several; a notebook shows the figure at the end of a cell. `language` chooses English or Chinese labels.

Matplotlib is imported when the first figure is made, so a run without pictures starts faster. Only `show` uses pyplot:
no figure is global, so none must be closed.

    figure = tg.plot.digits(images[:20], titles=labels[:20])
    tg.plot.save(figure, "digits.png")
    tg.plot.show(tg.plot.digit(load_mnist().train, 7))
"""

from typing import TYPE_CHECKING

from ..support.late import imports_for_later
from ..support.names import answer_for_missing
from .chinese import language
from .mosaics import digit, digits, mistakes, tiles, weights
from .output import animate, prepare, save, show
from .slices import loss_over
from .style import BLUE, INK, PALE_BLUE, PALE_VERMILION, PAPER, STYLE, VERMILION
from .training import boundary, confusion, curves, sweep

# Pictures of a graph need `tinygrad_lite.formulas`, which no picture of training needs: see `support.late`.
if TYPE_CHECKING:
    from .drawing import graph
    from .markup import to_dot, to_mermaid

__all__ = [
    "BLUE",
    "INK",
    "PALE_BLUE",
    "PALE_VERMILION",
    "PAPER",
    "STYLE",
    "VERMILION",
    "animate",
    "boundary",
    "confusion",
    "curves",
    "digit",
    "digits",
    "graph",
    "language",
    "loss_over",
    "mistakes",
    "prepare",
    "save",
    "show",
    "sweep",
    "tiles",
    "to_dot",
    "to_mermaid",
    "weights",
]

answer_for_missing(__name__, imports_for_later(__name__))
