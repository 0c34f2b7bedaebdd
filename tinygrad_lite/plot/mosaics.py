"""Many small images in one picture: digits, misread digits, and the weights of a layer's units.

figure = tg.plot.mistakes(test.images, test.labels, predictions)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import raw
from ..data.splits import SIDE
from ..errors import ShapeError
from ..support.devices import to_device
from .checks import check_counts, check_labels, check_positive, numbers
from .style import BAR_INCHES, INK, PAPER, add_axes, colour_bar, in_style, join_lines, new_figure

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

GAP = 2  # between digits in a mosaic, in pixels of the digits
CAPTION = 9  # the height of a caption above its digit, in pixels of the digit
TILE_INCHES = 0.6
MOSAIC_INCHES = 3.6  # the least width of a mosaic, so that a heading fits; if there are few tiles, they are enlarged
MOST_WEIGHTS = 100
SATURATION = 0.995  # the share of weights within the colour scale; a few outliers would make all others pale


@in_style
def digits(
    images: ArrayLike, titles: Sequence[Any] | None = None, columns: int = 10, title: str | None = None
) -> Figure:
    """Draw images in a grid, dark ink on light paper.

    Parameters
    ----------
    images
        An array of shape (n, 784) or (n, 28, 28), with 0 for the background; the largest value is drawn black.
    titles
        A caption for each image, such as its label.
    columns
        Images in a row of the grid.
    title
        The figure's heading.

    Raises
    ------
    ValueError
        If there are no images, they have another shape, the number of captions differs, or `columns` is not
        positive.
    """
    if titles is not None:
        titles = [str(x) for x in to_device(raw(titles), "cpu")]
    return _digits("digits", images, titles, columns, title)


@in_style
def mistakes(
    images: ArrayLike, labels: ArrayLike, predictions: ArrayLike, title: str | None = None, most: int = 40
) -> Figure:
    """Draw the digits that were misread, each under a caption "true → read".

    Parameters
    ----------
    images
        An array of shape (n, 784) or (n, 28, 28).
    labels, predictions
        The true and the predicted digit of each image: integers of shape (n,).
    title
        The figure's heading, followed by a line that counts the mistakes.
    most
        The largest number of mistakes to draw, from the first on.

    Raises
    ------
    ValueError
        If a shape is wrong, the counts differ, or `most` is not positive.
    """
    check_positive("mistakes", "most", most)
    tiles = _tiles("mistakes", images)
    truth, read = check_labels("mistakes", "labels", labels), check_labels("mistakes", "predictions", predictions)
    check_counts("mistakes", images=tiles, labels=truth, predictions=read)
    wrong = np.flatnonzero(truth != read)
    if not len(wrong):
        figure = new_figure(6, 1, title)
        figure.text(0.5, 0.3, f"No mistakes: all {len(truth):,} digits were read right.", ha="center")
        return figure
    shown = wrong[:most]
    captions = [f"{true} → {taken}" for true, taken in zip(truth[shown], read[shown], strict=True)]
    count = f"{len(wrong):,} of {len(truth):,} misread"
    if len(shown) < len(wrong):
        count += f", the first {len(shown)} shown"
    return _digits("mistakes", tiles[shown], captions, 10, join_lines(title, f"{count}: true → read"))


@in_style
def weights(weight: ArrayLike, title: str | None = None) -> Figure:
    """Draw the incoming weights of each unit of a first layer as an image: the pattern that excites the unit.

    Parameters
    ----------
    weight
        An array of shape (784, units). Red is positive and blue negative, on a scale symmetric about 0 that
        contains 99.5 % of the weights.
    title
        The figure's heading. With more than 100 units, it adds that only the first 100 are drawn.

    Raises
    ------
    ValueError
        If the shape is wrong.
    """
    values = numbers("weights", "weights", weight)
    if values.ndim != 2 or len(values) != SIDE * SIDE or not values.size:
        raise ShapeError(
            f"weights: the weight has shape {values.shape}, but must have (784, units): "
            f"a row for each pixel of a 28×28 image, a column for each unit"
            + (": write .T" if values.ndim == 2 and values.shape[1] == SIDE * SIDE else "")
        )
    from matplotlib import colormaps

    units = values.shape[1]
    tiles = values.T[:MOST_WEIGHTS].reshape(-1, SIDE, SIDE)
    capped = f"the first {MOST_WEIGHTS} of {units} units" if units > MOST_WEIGHTS else None
    # A diverged net has infinities and NaNs; its finite weights should still be visible.
    sizes = np.abs(tiles[np.isfinite(tiles)])
    limit = (np.quantile(sizes, SATURATION) if len(sizes) else 0) or 1
    columns = math.ceil(math.sqrt(len(tiles)))
    figure, picture = _mosaic(
        tiles, columns, join_lines(title, capped), colormaps["RdBu_r"], (-limit, limit), margin=BAR_INCHES
    )
    colour_bar(figure, picture, picture.axes, "weight", extend="both")
    return figure


def _digits(
    caller: str, images: ArrayLike, captions: Sequence[str] | None, columns: int, heading: str | None
) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    check_positive(caller, "columns", columns)
    tiles = _tiles(caller, images)
    if captions is not None:
        check_counts(caller, images=tiles, titles=captions)
    cmap = LinearSegmentedColormap.from_list("ink", [PAPER, INK])
    figure, _ = _mosaic(tiles, min(columns, len(tiles)), heading, cmap, (0, tiles.max() or 1), captions)
    return figure


def _mosaic(
    tiles: NDArray[Any],
    columns: int,
    heading: str | None,
    cmap: Colormap,
    limits: tuple[float, float],
    captions: Sequence[str] | None = None,
    margin: float = 0,
) -> tuple[Figure, AxesImage]:
    """Draw tiles (n, 28, 28) as a single picture, which is much faster than n pairs of axes.

    `margin` is the free space at the right, in inches.
    """
    rows = math.ceil(len(tiles) / columns)
    high, wide = SIDE + GAP + (CAPTION if captions else 0), SIDE + GAP
    inch = max(TILE_INCHES, MOSAIC_INCHES / columns) / wide
    width, height = columns * wide * inch, rows * high * inch
    figure = new_figure(width + 0.2 + margin, height + 0.2, heading)
    ax = add_axes(figure, 0.1, 0.1, width, height)
    ax.set_axis_off()
    canvas = np.full((rows * high, columns * wide), np.nan, np.float32)
    for index, tile in enumerate(tiles):
        y, x = (index // columns + 1) * high - GAP - SIDE, index % columns * wide
        canvas[y : y + SIDE, x : x + SIDE] = tile
        if captions is not None:
            ax.text(x + SIDE / 2, y - 1, captions[index], ha="center", va="bottom", fontsize=8)
    # Pixels keep sharp edges: interpolated pictures are blurred, and compress badly.
    picture = ax.imshow(
        canvas, cmap.with_extremes(bad="white"), vmin=limits[0], vmax=limits[1], interpolation="nearest"
    )
    return figure, picture


def _tiles(caller: str, images: ArrayLike) -> NDArray[Any]:
    """Return images as (n, 28, 28)."""
    array = numbers(caller, "images", images)
    if array.shape[1:] not in ((SIDE * SIDE,), (SIDE, SIDE)) or not len(array):
        raise ShapeError(
            f"{caller}: the images have shape {array.shape}, but must have (n, 784) or (n, 28, 28), with n at least 1"
            + (": write .reshape(-1, 28, 28)" if array.size and array.size % SIDE**2 == 0 else "")
        )
    return array.reshape(-1, SIDE, SIDE)
