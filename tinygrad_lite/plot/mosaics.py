"""Many small images in one picture: digits, misread digits, weights, kernels and feature maps."""

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

GAP = 14  # a tile of a mosaic is so many times as wide as the gap to the next
CAPTION = 9  # the height of a caption above its digit, in pixels of the digit
TILE_INCHES = 0.6
MOSAIC_INCHES = 3.6  # the least width of a mosaic, so that a heading fits; if there are few tiles, they are enlarged
MOST_TILES, MOST_COLUMNS = 100, 10  # of weights, kernels and feature maps
SATURATION = 0.995  # the share of numbers within the colour scale; a few outliers would make all others pale


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
    return _signed(values.T.reshape(-1, SIDE, SIDE), "units", "weight", title)


@in_style
def kernels(weight: ArrayLike, title: str | None = None) -> Figure:
    """Draw the kernels of a convolution: a row for each output channel, a column for each input channel.

    Parameters
    ----------
    weight
        An array of shape (out, in, height, width). Red is positive and blue negative, as in `weights`. With a
        single input channel, the kernels are in a grid.
    title
        The figure's heading. With more than 100 kernels, or 10 input channels, it adds which of them are drawn.

    Raises
    ------
    ValueError
        If the shape is wrong.
    """
    values = numbers("kernels", "weights", weight)
    if values.ndim != 4 or not values.size:
        raise ShapeError(
            f"kernels: the weight has shape {values.shape}, but must have (out, in, height, width)"
            + (": plot.weights draws the weights of a Linear layer" if values.ndim == 2 else "")
        )
    outputs, inputs, height, width = values.shape
    columns = min(inputs, MOST_COLUMNS)
    shown = values[: MOST_TILES // columns, :columns]
    if shown.size < values.size:
        capped = f"the first {len(shown)} of {outputs} output and {columns} of {inputs} input channels"
        title = join_lines(title, capped)
    return _signed(shown.reshape(-1, height, width), "kernels", "weight", title, columns if inputs > 1 else None)


@in_style
def feature_maps(maps: ArrayLike, title: str | None = None) -> Figure:
    """Draw the channels that a layer computed from one image, each as an image.

    Parameters
    ----------
    maps
        An array of shape (channels, height, width). Red is positive and blue negative, as in `weights`.
    title
        The figure's heading. With more than 100 channels, it adds that only the first 100 are drawn.

    Raises
    ------
    ValueError
        If the shape is wrong.
    """
    values = numbers("feature_maps", "maps", maps)
    if values.ndim != 3 or not values.size:
        raise ShapeError(
            f"feature_maps: the maps have shape {values.shape}, but must have (channels, height, width)"
            + (": write [0] for those of the first image" if values.ndim == 4 else "")
        )
    return _signed(values, "channels", "activation", title)


def _signed(tiles: NDArray[Any], kind: str, label: str, title: str | None, columns: int | None = None) -> Figure:
    """Draw tiles with a colour for each sign; without a number of columns, the grid is near a square."""
    from matplotlib import colormaps

    capped = f"the first {MOST_TILES} of {len(tiles)} {kind}" if len(tiles) > MOST_TILES else None
    tiles = tiles[:MOST_TILES]
    # A diverged net has infinities and NaNs; its finite weights should still be visible.
    sizes = np.abs(tiles[np.isfinite(tiles)])
    limit = (np.quantile(sizes, SATURATION) if len(sizes) else 0) or 1
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    figure, picture = _mosaic(
        tiles, columns, join_lines(title, capped), colormaps["RdBu_r"], (-limit, limit), margin=BAR_INCHES
    )
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
    rows = math.ceil(len(tiles) / columns)
    tall, broad = tiles.shape[1:]
    gap = math.ceil(broad / GAP)
    high, wide = tall + gap + (CAPTION if captions else 0), broad + gap
    inch = max(TILE_INCHES, MOSAIC_INCHES / columns) / wide
    width, height = columns * wide * inch, rows * high * inch
    figure = new_figure(width + 0.2 + margin, height + 0.2, heading)
    ax = add_axes(figure, 0.1, 0.1, width, height)
    ax.set_axis_off()
    canvas = np.full((rows * high, columns * wide), np.nan, np.float32)
    for index, tile in enumerate(tiles):
        y, x = (index // columns + 1) * high - gap - tall, index % columns * wide
        canvas[y : y + tall, x : x + broad] = tile
        if captions is not None:
            ax.text(x + broad / 2, y - 1, captions[index], ha="center", va="bottom", fontsize=8)
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
