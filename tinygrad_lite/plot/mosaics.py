"""Many small images in one picture: digits, misread digits, the weights of a layer's units, kernels and maps.

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

GAP = 2  # between tiles of 28×28 pixels in a mosaic, in such pixels
CAPTION = 9  # the height of a caption above such a tile
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
    return _digits("digits", images, _captions(titles), columns, title)


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
    units = values.shape[1]
    shown = values.T[:MOST_WEIGHTS].reshape(-1, SIDE, SIDE)
    capped = f"the first {MOST_WEIGHTS} of {units} units" if units > MOST_WEIGHTS else None
    return _signed(shown, None, join_lines(title, capped), None, "weight")


@in_style
def tiles(
    images: ArrayLike,
    titles: Sequence[Any] | None = None,
    columns: int | None = None,
    title: str | None = None,
    label: str = "value",
) -> Figure:
    """Draw images of any size, whose pixels may be negative, in a grid: the kernels of a convolution, or feature maps.

    Parameters
    ----------
    images
        An array of shape (n, height, width). Red is positive and blue negative, on a scale symmetric about 0 that
        contains 99.5 % of the pixels.
    titles
        A caption for each image.
    columns
        Images in a row of the grid; by default as many as rows.
    title
        The figure's heading.
    label
        What a pixel is: the label of the colour bar.

    Raises
    ------
    ValueError
        If there are no images, they have another shape, the number of captions differs, or `columns` is not
        positive.
    """
    values = numbers("tiles", "images", images)
    if values.ndim != 3 or not values.size:
        raise ShapeError(
            f"tiles: the images have shape {values.shape}, but must have (n, height, width), with n at least 1"
            + (": write [:, 0] for images of one channel" if values.ndim == 4 and values.shape[1] == 1 else "")
        )
    if columns is not None:
        check_positive("tiles", "columns", columns)
    captions = _captions(titles)
    if captions is not None:
        check_counts("tiles", images=values, titles=captions)
    return _signed(values, columns, title, captions, label)


def _signed(
    images: NDArray[Any], columns: int | None, heading: str | None, captions: Sequence[str] | None, label: str
) -> Figure:
    from matplotlib import colormaps

    # A diverged net has infinities and NaNs; its finite weights should still be visible.
    sizes = np.abs(images[np.isfinite(images)])
    limit = (np.quantile(sizes, SATURATION) if len(sizes) else 0) or 1
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    cmap = colormaps["RdBu_r"]
    figure, picture = _mosaic(images, columns, heading, cmap, (-limit, limit), captions, margin=BAR_INCHES)
    colour_bar(figure, picture, picture.axes, label, extend="both")
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
    """Draw tiles (n, height, width) as a single picture, which is much faster than n pairs of axes.

    `margin` is the free space at the right, in inches.
    """
    rows, (h, w) = math.ceil(len(tiles) / columns), tiles.shape[1:]
    gap = math.ceil(GAP * w / SIDE)
    high, wide = h + gap + (math.ceil(CAPTION * h / SIDE) if captions else 0), w + gap
    inch = max(TILE_INCHES, MOSAIC_INCHES / columns) / wide
    width, height = columns * wide * inch, rows * high * inch
    figure = new_figure(width + 0.2 + margin, height + 0.2, heading)
    ax = add_axes(figure, 0.1, 0.1, width, height)
    ax.set_axis_off()
    canvas = np.full((rows * high, columns * wide), np.nan, np.float32)
    for index, tile in enumerate(tiles):
        y, x = (index // columns + 1) * high - gap - h, index % columns * wide
        canvas[y : y + h, x : x + w] = tile
        if captions is not None:
            ax.text(x + w / 2, y - 0.5 - 0.5 * h / SIDE, captions[index], ha="center", va="bottom", fontsize=8)
    # Pixels keep sharp edges: interpolated pictures are blurred, and compress badly.
    picture = ax.imshow(
        canvas, cmap.with_extremes(bad="white"), vmin=limits[0], vmax=limits[1], interpolation="nearest"
    )
    return figure, picture


def _captions(titles: Sequence[Any] | None) -> list[str] | None:
    return None if titles is None else [str(x) for x in to_device(raw(titles), "cpu")]


def _tiles(caller: str, images: ArrayLike) -> NDArray[Any]:
    """Return images as (n, 28, 28)."""
    array = numbers(caller, "images", images)
    if array.shape[1:] not in ((SIDE * SIDE,), (SIDE, SIDE)) or not len(array):
        raise ShapeError(
            f"{caller}: the images have shape {array.shape}, but must have (n, 784) or (n, 28, 28), with n at least 1"
            + (": write .reshape(-1, 28, 28)" if array.size and array.size % SIDE**2 == 0 else "")
        )
    return array.reshape(-1, SIDE, SIDE)
