"""The strokes of a digit in a picture: connected pieces of ink, those that belong together, and those that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

NEAR = 0.2  # of the heaviest piece's longer side: the largest gap to other strokes of the same digit
SPECK = 0.02  # of the heaviest piece's ink: a piece with less is dirt
# Two digits are two marks that are similarly high and lie apart. The bar of a 5 is low, and so no mark of its own; the
# parts of a broken stroke lie one above the other, or closer than two digits do.
AS_HIGH = 0.5  # of the highest mark: one that is lower is no second digit
ABOVE, BESIDE = 0.2, 0.05  # of the highest piece: the gaps that marks are at least apart

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Piece = NDArray[np.intp]  # its rows and columns, of shape (2, n)


def strokes_in(ink: Floats, is_cut: bool) -> list[Piece]:
    """Return the connected pieces of ink that are no dirt, the heaviest first.

    If the picture is cut out of a larger scene, pieces at its border are left out if there are others: they are cut
    off, or no ink at all, but the table beside the paper.
    """
    found = pieces(ink > 0)
    height, width = ink.shape
    inner = [piece for piece in found if piece.min() > 0 and (piece.max(axis=1) < (height - 1, width - 1)).all()]
    mass = [(ink[*piece].sum(), piece) for piece in (is_cut and inner) or found]
    mass.sort(key=lambda pair: -pair[0])
    return [piece for its, piece in mass if its >= SPECK * mass[0][0]]


def near_the_first(strokes: list[Piece]) -> list[Piece]:
    """Return the first stroke, and those whose gap to it is small; none of none."""
    if not strokes:
        return []
    low, high = strokes[0].min(axis=1), strokes[0].max(axis=1)
    reach = NEAR * (high - low).max()
    gaps = [np.maximum(low - piece.max(axis=1), piece.min(axis=1) - high) for piece in strokes]
    return [piece for piece, gap in zip(strokes, gaps, strict=True) if (gap <= reach).all()]


def marks(strokes: list[Piece], shape: tuple[int, ...]) -> int:
    """Return how many digits the strokes may be: marks that lie apart, and are at least half as high as the highest."""
    if len(strokes) == 1:
        return 1
    mask = mask_of(strokes, shape)
    highest = max(height(stroke) for stroke in strokes)
    # Strokes belong to the same mark if they touch after each has grown by half a gap.
    joined = pieces(grown(mask, round(ABOVE * highest / 2), round(BESIDE * highest / 2)))
    heights = [height(piece[:, mask[*piece]]) for piece in joined]
    return sum(its >= AS_HIGH * max(heights) for its in heights)


def mask_of(strokes: list[Piece], shape: tuple[int, ...]) -> Flags:
    """Return the pixels of strokes as a mask."""
    mask = np.zeros(shape, np.bool_)
    for stroke in strokes:
        mask[*stroke] = True
    return mask


def height(piece: Piece) -> int:
    """Return the number of rows from the highest pixel to the lowest."""
    return int(np.ptp(piece[0])) + 1


def pieces(mask: Flags) -> list[Piece]:
    """Return the connected components of a mask."""
    left = set(zip(*map(np.ndarray.tolist, np.nonzero(mask)), strict=True))
    found = []
    while left:
        piece = [left.pop()]
        for row, column in piece:  # grows as neighbours are found
            around = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= around
            piece += around
        found.append(np.array(piece).T)
    return found


def grown(mask: Flags, down: int, across: int) -> Flags:
    """Return a mask with all pixels that are at most so far from one of its own."""
    return extreme(np.pad(mask, ((down, down), (across, across))), (down, across), np.max)


def extreme(picture: NDArray[Any], reach: tuple[int, int], which: Any) -> NDArray[Any]:
    """Return the minimum or maximum (``np.min`` or ``np.max``) in the window of this reach around each pixel.

    The result is smaller than the picture by the reach on each side.
    """
    for axis in range(2):
        picture = which(sliding_window_view(picture, 2 * reach[axis] + 1, axis), axis=-1)
    return picture
