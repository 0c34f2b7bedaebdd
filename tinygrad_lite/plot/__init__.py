"""Pictures: learning curves, digits, confusion matrices, weights, kernels, decision boundaries, and graphs of Tensors.

Every function returns a matplotlib figure; `save` writes it to a file. Matplotlib is imported when the first figure
is made, so a run without pictures starts faster. Pyplot is not used: no figure is global, so none must be closed.

    figure = tg.plot.digits(images[:20], titles=labels[:20])
    tg.plot.save(figure, "digits.png")
"""

from typing import TYPE_CHECKING

from ..support.late import imports_for_later
from ..support.names import answer_for_missing
from .mosaics import digits, mistakes, tiles, weights
from .output import prepare, save
from .style import BLUE, INK, PALE_BLUE, PALE_VERMILION, PAPER, STYLE, VERMILION
from .training import boundary, confusion, curves

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
    "boundary",
    "confusion",
    "curves",
    "digits",
    "graph",
    "mistakes",
    "prepare",
    "save",
    "tiles",
    "to_dot",
    "to_mermaid",
    "weights",
]

answer_for_missing(__name__, imports_for_later(__name__))
