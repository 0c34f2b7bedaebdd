"""The pictures a run leaves: learning curves, digits, what was misread for what, weights, boundaries; and graphs.

Every function builds a matplotlib figure and returns it; `save` writes it to a file. Matplotlib is imported
when the first figure is made, and without pyplot: nothing is global, so nothing has to be closed.
"""

from .drawing import graph
from .markup import to_dot, to_mermaid
from .mosaics import digits, mistakes, weights
from .output import prepare, save
from .style import BLUE, INK, PALE_BLUE, PALE_VERMILION, PAPER, STYLE, VERMILION
from .training import boundary, confusion, curves

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
    "to_dot",
    "to_mermaid",
    "weights",
]
