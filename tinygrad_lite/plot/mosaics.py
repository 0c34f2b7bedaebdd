"""Many small images in one picture: digits, misread digits, the weights of a layer's units, kernels and maps.

figure = tg.plot.mistakes(test.images, test.labels, predictions)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import raw
from ..data.splits import SIDE, Digits, Split
from ..errors import ShapeError
from ..support.devices import to_device
from ..support.formatting import columns as columns_of
from ..support.formatting import shortened
from .checks import check_classes, check_counts, check_labels, check_positive, numbers
from .chinese import words
from .style import BAR_INCHES, HEADING_SIZE, INK, PAPER, add_axes, colour_bar, in_style, join_lines, new_figure

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

GAP = 2  # between tiles of 28×28 pixels in a mosaic, in such pixels
CAPTION = 9  # the height of a caption above such a tile
TILE_INCHES = 0.6
MOSAIC_INCHES = 3.6  # the least width of a mosaic, so that a heading fits; if there are few tiles, they are enlarged
MOST_WEIGHTS = 100
SHORT_NAME, LONG_NAME = 4, 8  # letters of the name of a class: short ones fit above a tile, longer ones are cut
MOST_IN_A_ROW = 10  # units, where each row is an epoch
SATURATION = 0.995  # the share of weights within the colour scale; a few outliers would make all others pale


@in_style
def digit(digits: Split | ArrayLike, i: int, title: str | None = None) -> Figure:
    """Draw one digit of a data set, headed by its number and its label.

    Parameters
    ----------
    digits
        A part of a data set, such as ``load_mnist().train``; or images of shape (n, 784) or (n, 28, 28), which have no
        labels.
    i
        The number of the digit, from 0 to n - 1.
    title
        The figure's heading, followed by the line with the number and the label.

    Raises
    ------
    ValueError
        If there is no such number, or the images have another shape.
    TypeError
        If the digits are a whole data set, or no digits.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> images = np.random.default_rng(0).random((3, 784), np.float32)
    >>> tg.plot.digit(tg.data.Split(images, np.array([5, 0, 4])), 2).get_suptitle()
    'image 2: label 4'
    """
    if isinstance(digits, Digits):
        raise TypeError("digit: choose a part of the data set: write data.train, data.valid or data.test")
    images = _tiles("digit", digits.images if isinstance(digits, Split) else digits)
    if not isinstance(i, Integral) or not 0 <= i < len(images):
        raise ValueError(f"digit: i is {i!r}, but must be a whole number from 0 to {len(images) - 1}")
    told = words("image {i}", i=i)
    if isinstance(digits, Split):
        told = words("image {i}: label {label}", i=i, label=digits.labels[i])
    return _digits("digit", images[i], None, 1, join_lines(title, told))


@in_style
def digits(
    images: ArrayLike, titles: Sequence[Any] | None = None, columns: int = 10, title: str | None = None
) -> Figure:
    """Draw images in a grid, dark ink on light paper.

    Parameters
    ----------
    images
        An array of shape (n, 784) or (n, 28, 28), or a single image of shape (784,) or (28, 28), with 0 for the
        background; the largest value is drawn black.
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

    Examples
    --------
    >>> figure = tg.plot.digits(np.random.default_rng(0).random((20, 784)), titles=range(20))
    >>> tg.plot.save(figure, "digits.png")
    """
    return _digits("digits", images, _captions(titles), columns, title)


@in_style
def mistakes(
    images: ArrayLike,
    labels: ArrayLike,
    predictions: ArrayLike,
    title: str | None = None,
    most: int = 40,
    names: Sequence[str] | None = None,
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
    names
        The names of the classes, for the captions; by default their numbers.

    Raises
    ------
    ValueError
        If a shape is wrong, the counts differ, or `most` is not positive.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((3, 784))
    >>> tg.plot.mistakes(images, labels=[7, 2, 1], predictions=[7, 3, 1]).get_suptitle()
    '1 of 3 misread: true → read'
    """
    check_positive("mistakes", "most", most)
    tiles = _tiles("mistakes", images)
    truth, read = check_labels("mistakes", "labels", labels), check_labels("mistakes", "predictions", predictions)
    check_counts("mistakes", images=tiles, labels=truth, predictions=read)
    wrong = np.flatnonzero(truth != read)
    if not len(wrong):
        figure = new_figure(6, 1, title)
        told = words("No mistakes: all {total:,} digits were read right.", total=len(truth))
        figure.text(0.5, 0.3, told, ha="center")
        return figure
    shown, per_row = wrong[:most], 10
    if names is not None:
        short = np.array([shortened(name, LONG_NAME) for name in names], object)
        truth = short[check_classes("mistakes", "labels", truth, len(short))]
        read = short[check_classes("mistakes", "predictions", read, len(short))]
        per_row = 10 if max(map(columns_of, short)) <= SHORT_NAME else 3
    captions = [f"{true} → {taken}" for true, taken in zip(truth[shown], read[shown], strict=True)]
    told = "{wrong:,} of {total:,} misread: true → read"
    if len(shown) < len(wrong):
        told = "{wrong:,} of {total:,} misread, the first {shown} shown: true → read"
    told = words(told, wrong=len(wrong), total=len(truth), shown=len(shown))
    return _digits("mistakes", tiles[shown], captions, per_row, join_lines(title, told))


@in_style
def weights(weight: ArrayLike | Sequence[ArrayLike], title: str | None = None) -> Figure:
    """Draw the incoming weights of each unit of a first layer as an image: the pattern that excites the unit.

    Parameters
    ----------
    weight
        An array of shape (784, units). Red is positive and blue negative, on a scale symmetric about 0 that
        contains 99.5 % of the weights. A list of such arrays, or an array of shape (epochs, 784, units), gives a row
        of images for each: the weights before training, after the first epoch, and so on.
    title
        The figure's heading. With more than 100 units, or 10 in rows of epochs, it adds that only the first are drawn.

    Raises
    ------
    ValueError
        If the shape is wrong, or two epochs are one and the same array.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> layer = tg.nn.Linear(784, 4, rng=0)
    >>> history = [layer.weight.numpy().copy()]
    >>> layer.weight.data += 0.1
    >>> history.append(layer.weight.numpy().copy())
    >>> figure = tg.plot.weights(history)  # two rows of four images
    """
    if isinstance(weight, list | tuple):
        weight = [to_device(raw(epoch), "cpu") for epoch in weight]
        arrays = [epoch for epoch in weight if isinstance(epoch, np.ndarray)]
        if any(map(np.may_share_memory, arrays, arrays[1:])):
            raise ValueError(
                "weights: two epochs are the same array, which training changes: append weight.numpy().copy() instead"
            )
    values = numbers("weights", "weights", weight)
    if values.ndim not in (2, 3) or values.shape[-2] != SIDE * SIDE or not values.size:
        raise ShapeError(
            f"weights: the weight has shape {values.shape}, but must have (784, units): "
            f"a row for each pixel of a 28×28 image, a column for each unit"
            + (": write .T" if values.ndim == 2 and values.shape[1] == SIDE * SIDE else "")
        )
    units, most, columns, captions = values.shape[-1], MOST_WEIGHTS, None, None
    if values.ndim == 3:
        most = MOST_IN_A_ROW
        columns = min(units, most)
        captions = [""] * columns * len(values)
        captions[::columns] = [words("epoch {number}", number=epoch) for epoch in range(len(values))]
    shown = values[..., :most].swapaxes(-1, -2).reshape(-1, SIDE, SIDE)
    capped = words("the first {most} of {units} units", most=most, units=units) if units > most else None
    return _signed(shown, columns, join_lines(title, capped), captions, words("weight"))


@in_style
def tiles(
    images: ArrayLike,
    titles: Sequence[Any] | None = None,
    columns: int | None = None,
    title: str | None = None,
    label: str | None = None,
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
        What a pixel is: the label of the colour bar; by default "value".

    Raises
    ------
    ValueError
        If there are no images, they have another shape, the number of captions differs, or `columns` is not
        positive.

    Examples
    --------
    >>> layer = tg.nn.Conv2d(1, 6, kernel_size=5, rng=0)
    >>> figure = tg.plot.tiles(layer.weight.numpy()[:, 0], title="what the layer looks for")
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
    return _signed(values, columns, title, captions, label or words("value"))


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
    size = min(8 * wide * inch / TILE_INCHES, HEADING_SIZE)
    figure = new_figure(width + 0.2 + margin, height + 0.2, heading)
    ax = add_axes(figure, 0.1, 0.1, width, height)
    ax.set_axis_off()
    canvas = np.full((rows * high, columns * wide), np.nan, np.float32)
    for index, tile in enumerate(tiles):
        y, x = (index // columns + 1) * high - gap - h, index % columns * wide
        canvas[y : y + h, x : x + w] = tile
        if captions is not None:
            ax.text(x + w / 2, y - 0.5 - 0.5 * h / SIDE, captions[index], ha="center", va="bottom", fontsize=size)
    # Pixels keep sharp edges: interpolated pictures are blurred, and compress badly.
    picture = ax.imshow(
        canvas, cmap.with_extremes(bad="white"), vmin=limits[0], vmax=limits[1], interpolation="nearest"
    )
    return figure, picture


def _captions(titles: Sequence[Any] | None) -> list[str] | None:
    if titles is None:
        return None
    captions = to_device(raw(titles), "cpu")
    return [str(x) for x in ([captions] if isinstance(captions, str) or not np.iterable(captions) else captions)]


def _tiles(caller: str, images: ArrayLike) -> NDArray[Any]:
    """Return images, or a single one, as (n, 28, 28)."""
    if isinstance(images, Split):
        raise TypeError(f"{caller}: the images are an array or a Tensor of numbers, not a Split: write .images")
    array = numbers(caller, "images", images)
    if array.shape in ((SIDE * SIDE,), (SIDE, SIDE)):
        array = array[None]
    if array.shape[1:] not in ((SIDE * SIDE,), (SIDE, SIDE)) or not len(array):
        raise ShapeError(
            f"{caller}: the images have shape {array.shape}, but must have (n, 784) or (n, 28, 28), with n at least 1"
            + (": write .reshape(-1, 28, 28)" if array.size and array.size % SIDE**2 == 0 else "")
        )
    return array.reshape(-1, SIDE, SIDE)
