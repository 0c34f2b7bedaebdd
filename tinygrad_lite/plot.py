"""The pictures a run leaves: learning curves, digits, what was misread for what, weights, boundaries.

Every function builds a matplotlib figure and returns it; `save` writes it to a file. Matplotlib is imported
when the first figure is made, and without pyplot: nothing is global, so nothing has to be closed.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping, Sequence, Sized
from functools import wraps
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .data.splits import SIDE
from .errors import ShapeError
from .files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Blue and vermilion of the palette by M. Okabe and K. Ito, "Color Universal Design", 2002: told apart by
# colour-blind readers too, and lighter and darker in grey.
BLUE, VERMILION = "#0072B2", "#D55E00"
PALE_BLUE, PALE_VERMILION = "#80B8D8", "#EAAE80"  # half way to white
STYLE = {
    "figure.dpi": 100,
    "font.size": 10,
    "figure.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
}
PAPER, INK = "#eeeeee", "black"
GAP = 2  # between digits in a mosaic, in their pixels
CAPTION = 9  # the height a caption takes above its digit, in the digit's pixels
TILE_INCHES = 0.6
MOSAIC_INCHES = 3.6  # the least width of a mosaic, so that a heading fits: few tiles are drawn larger
BAR_INCHES = 1.1  # what a colour bar with its labels takes beside a picture
LINE_INCHES = 0.22  # the height of a line in a heading
MOST_WEIGHTS = 100
SATURATION = 0.995  # the share of weights within the colour scale: a few large ones would leave the rest pale
GRID = 200  # points along each axis on which a decision boundary is sought

P = ParamSpec("P")


def _in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @wraps(draw)
    def draw_in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        from matplotlib import rc_context

        with rc_context(STYLE):  # type: ignore[arg-type]
            return draw(*args, **kwargs)

    return draw_in_style


@_in_style
def curves(history: Sequence[Mapping[str, float]], title: str | None = None) -> Figure:
    """Draw how loss and accuracy changed from epoch to epoch.

    Parameters
    ----------
    history
        One mapping an epoch, with the keys `epoch`, `train_loss`, `valid_loss` (means over samples),
        `train_accuracy` and `valid_accuracy` (shares between 0 and 1, drawn in per cent).
    title
        The figure's heading.

    Raises
    ------
    ValueError
        If the history is empty or an epoch lacks a key.
    """
    if not history:
        raise ValueError("curves: the history is empty, so there is no epoch to draw; train for one at least")
    from matplotlib.ticker import MaxNLocator

    figure = _figure(9.4, 3.3, title)
    epochs = _column(history, "epoch")
    for left, quantity, unit, scale in ((0.85, "loss", "mean per sample", 1), (5.55, "accuracy", "%", 100)):
        ax = _axes(figure, left, 0.5, 3.7, 2.7)
        for split, color, marker in (("train", BLUE, "o"), ("valid", VERMILION, "s")):
            values = scale * _column(history, f"{split}_{quantity}")
            ax.plot(epochs, values, color=color, marker=marker, label=split)
        ax.set(xlabel="epoch", ylabel=f"{quantity} ({unit})", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        ax.legend()
    return figure


@_in_style
def digits(
    images: ArrayLike, titles: Sequence[str] | None = None, columns: int = 10, title: str | None = None
) -> Figure:
    """Draw images in a grid, dark ink on light paper.

    Parameters
    ----------
    images
        Of shape (n, 784) or (n, 28, 28), with 0 for the background; the largest value is drawn black.
    titles
        A caption for each image.
    columns
        Images in a row of the grid.
    title
        The figure's heading.

    Raises
    ------
    ValueError
        If there are no images, they have another shape, the captions are not as many, or `columns` is not
        positive.
    """
    return _digits("digits", images, titles, columns, title)


@_in_style
def mistakes(
    images: ArrayLike, labels: ArrayLike, predictions: ArrayLike, title: str | None = None, most: int = 40
) -> Figure:
    """Draw the digits that were misread, each under a caption "true → read".

    Parameters
    ----------
    images
        Of shape (n, 784) or (n, 28, 28).
    labels, predictions
        What each image shows, and what it was taken for: integers of shape (n,).
    title
        The figure's heading, followed by a line that counts the mistakes.
    most
        How many to draw; these are the first ones.

    Raises
    ------
    ValueError
        If a shape is another, the counts differ, or `most` is not positive.
    """
    _check_positive("mistakes", "most", most)
    tiles = _tiles("mistakes", images)
    truth, read = np.asarray(labels), np.asarray(predictions)
    _check_counts("mistakes", images=tiles, labels=truth, predictions=read)
    wrong = np.flatnonzero(truth != read)
    if not len(wrong):
        figure = _figure(6, 1, title)
        figure.text(0.5, 0.3, f"No mistakes: all {len(truth):,} digits were read right.", ha="center")
        return figure
    shown = wrong[:most]
    captions = [f"{true} → {taken}" for true, taken in zip(truth[shown], read[shown], strict=True)]
    count = f"{len(wrong):,} of {len(truth):,} misread"
    if len(shown) < len(wrong):
        count += f", the first {len(shown)} shown"
    return _digits("mistakes", tiles[shown], captions, 10, _lines(title, f"{count}: true → read"))


@_in_style
def confusion(labels: ArrayLike, predictions: ArrayLike, classes: int = 10, title: str | None = None) -> Figure:
    """Draw how often each class was read as each other: a row for the truth, a column for the reading.

    The colour is the share of the row, on a scale that spreads the small shares; counts of 0 are left blank.

    Parameters
    ----------
    labels, predictions
        Integers of shape (n,), from 0 to `classes` - 1.
    classes
        How many classes there are.
    title
        The figure's heading, followed by a line that counts what was read right.

    Raises
    ------
    ValueError
        If the counts differ, or a class is out of range.
    """
    _check_positive("confusion", "classes", classes)
    truth = _classes("confusion", "labels", labels, classes)
    read = _classes("confusion", "predictions", predictions, classes)
    _check_counts("confusion", labels=truth, predictions=read)
    counts = np.bincount(truth * classes + read, minlength=classes**2).reshape(classes, classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    from matplotlib.colors import PowerNorm

    norm = PowerNorm(0.4, 0, 1)
    figure = _figure(5.6 + BAR_INCHES, 5.6, _lines(title, f"{np.trace(counts):,} of {counts.sum():,} read right"))
    ax = _axes(figure, 0.6, 0.5, 5, 5)
    picture = ax.imshow(share, cmap="Blues", norm=norm)
    dark = norm(share) > 0.6
    for row, column in np.argwhere(counts):
        color = "white" if dark[row, column] else "black"
        ax.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=color, fontsize=9)
    ax.set(xlabel="read as", ylabel="true class", xticks=range(classes), yticks=range(classes))
    ax.grid(False)
    bar = _colour_bar(figure, picture, ax, "share of the true class (%)")
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0", "1", "5", "20", "50", "100"])
    return figure


@_in_style
def weights(weight: ArrayLike, title: str | None = None) -> Figure:
    """Draw what each unit of a first layer looks for: its incoming weights as an image.

    Parameters
    ----------
    weight
        Of shape (784, units). Red weighs for, blue against, on a scale symmetric about 0 that the largest
        1 in 200 exceed.
    title
        The figure's heading; where there are more than 100 units, it says that only the first 100 are drawn.

    Raises
    ------
    ValueError
        If the shape is another.
    """
    values = np.asarray(weight)
    if values.ndim != 2 or len(values) != SIDE * SIDE or not values.size:
        raise ShapeError(
            f"weights: the weight has shape {values.shape}, but must have (784, units): "
            f"a row for each pixel of a 28×28 image, a column for each unit"
        )
    from matplotlib import colormaps

    units = values.shape[1]
    tiles = values.T[:MOST_WEIGHTS].reshape(-1, SIDE, SIDE)
    capped = f"the first {MOST_WEIGHTS} of {units} units" if units > MOST_WEIGHTS else None
    # A net that has diverged holds infinities and NaNs, and what else it holds should be seen all the same.
    sizes = np.abs(tiles[np.isfinite(tiles)])
    limit = (np.quantile(sizes, SATURATION) if len(sizes) else 0) or 1
    columns = math.ceil(math.sqrt(len(tiles)))
    figure, picture = _mosaic(
        tiles, columns, _lines(title, capped), colormaps["RdBu_r"], (-limit, limit), margin=BAR_INCHES
    )
    _colour_bar(figure, picture, picture.axes, "weight", extend="both")
    return figure


@_in_style
def boundary(
    predict: Callable[[NDArray[Any]], ArrayLike],
    points: ArrayLike,
    labels: ArrayLike,
    title: str | None = None,
) -> Figure:
    """Draw where in the plane a classifier says class 0 and where class 1, with the points it learnt from.

    Parameters
    ----------
    predict
        Takes points of shape (m, 2) and returns the probability of class 1, or a score, of shape (m,).
        The boundary is where it is 0.5.
    points
        Of shape (n, 2).
    labels
        The class of each point, 0 or 1, of shape (n,).
    title
        The figure's heading.

    Raises
    ------
    ValueError
        If a shape is another, the counts differ, or there is a class besides 0 and 1.
    """
    places = np.asarray(points)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise ShapeError(f"boundary: the points have shape {places.shape}, but must have (n, 2): x₁ and x₂ of each")
    truth = _classes("boundary", "labels", labels, 2)
    _check_counts("boundary", points=places, labels=truth)
    low, high = places.min(axis=0), places.max(axis=0)
    margin = 0.1 * np.maximum(high - low, 1e-3)
    x, y = np.linspace(low - margin, high + margin, GRID).T
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.result_type(places, np.float32))
    scores = np.asarray(predict(grid))
    if scores.shape != (len(grid),):
        raise ShapeError(
            f"boundary: predict returned the shape {scores.shape} for {len(grid)} points, but must return "
            f"({len(grid)},): one probability of class 1 for each"
        )
    scores = scores.reshape(GRID, GRID)
    reach = max(0.5, np.abs(scores - 0.5).max())  # 0.5 for probabilities, so that they span 0 to 1

    from matplotlib.colors import LinearSegmentedColormap

    figure = _figure(5.2 + BAR_INCHES, 4.5, title)
    ax = _axes(figure, 0.8, 0.5, 4.4, 3.9)
    cmap = LinearSegmentedColormap.from_list("classes", [PALE_BLUE, "white", PALE_VERMILION])
    areas = ax.contourf(x, y, scores, np.linspace(0.5 - reach, 0.5 + reach, 21), cmap=cmap)
    if scores.min() < 0.5 < scores.max():
        ax.contour(x, y, scores, [0.5], colors="black", linewidths=1.5)
        ax.plot([], [], color="black", linewidth=1.5, label="score 0.5")
    for label, color, marker in ((0, BLUE, "o"), (1, VERMILION, "s")):
        x1, x2 = places[truth == label].T
        ax.scatter(x1, x2, s=22, c=color, marker=marker, edgecolors="white", label=f"class {label}")
    ax.set(xlabel="x₁", ylabel="x₂")
    ax.grid(False)
    ax.legend(frameon=True)
    ticks = [float(tick) for tick in np.linspace(0.5 - reach, 0.5 + reach, 5)]
    _colour_bar(figure, areas, ax, "score of class 1").set_ticks(ticks, labels=[f"{tick:.3g}" for tick in ticks])
    return figure


def prepare() -> None:
    """Import matplotlib in the background, so that the first figure of a run need not wait for it."""
    Thread(target=_import_matplotlib, daemon=True).start()


def _import_matplotlib() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as a PNG file, which appears whole or not at all.

    Parameters
    ----------
    figure
        Any matplotlib figure.
    path
        The file, replaced if it exists; its folder must exist.

    Raises
    ------
    OSError
        If the file cannot be written. What stood there before is left alone.
    """
    png = io.BytesIO()
    # Level 1 takes a third of the default's time, for files an eighth larger.
    figure.savefig(png, format="png", pil_kwargs={"compress_level": 1})
    write_atomically(Path(path), png.getvalue())


def _figure(width: float, height: float, heading: str | None) -> Figure:
    """Return a figure with room for content of this size, in inches, and above it for the heading."""
    from matplotlib.figure import Figure

    lines = heading.count("\n") + 1 if heading else 0
    total = height + lines * LINE_INCHES
    figure = Figure(figsize=(width, total))
    if heading:
        figure.suptitle(heading, y=1 - 0.08 / total, va="top")
    return figure


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes placed in the figure by inches: fixed margins cost none of a layout engine's time."""
    full_width, full_height = figure.get_size_inches()
    return figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))


def _colour_bar(figure: Figure, picture: ScalarMappable, ax: Axes, label: str, extend: str = "neither") -> Colorbar:
    """Draw a colour bar at the right of the axes and as high as they are."""
    return figure.colorbar(picture, cax=ax.inset_axes((1.03, 0, 0.035, 1)), label=label, extend=extend)


def _lines(*lines: str | None) -> str:
    return "\n".join(line for line in lines if line)


def _digits(
    caller: str, images: ArrayLike, captions: Sequence[str] | None, columns: int, heading: str | None
) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    _check_positive(caller, "columns", columns)
    tiles = _tiles(caller, images)
    if captions is not None:
        _check_counts(caller, images=tiles, titles=captions)
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
    """Draw tiles (n, 28, 28) as one picture: far quicker than n pairs of axes.

    `margin` is what is left free at the right, in inches.
    """
    rows = math.ceil(len(tiles) / columns)
    high, wide = SIDE + GAP + (CAPTION if captions else 0), SIDE + GAP
    inch = max(TILE_INCHES, MOSAIC_INCHES / columns) / wide
    width, height = columns * wide * inch, rows * high * inch
    figure = _figure(width + 0.2 + margin, height + 0.2, heading)
    ax = _axes(figure, 0.1, 0.1, width, height)
    ax.set_axis_off()
    canvas = np.full((rows * high, columns * wide), np.nan, np.float32)
    for index, tile in enumerate(tiles):
        y, x = (index // columns + 1) * high - GAP - SIDE, index % columns * wide
        canvas[y : y + SIDE, x : x + SIDE] = tile
        if captions is not None:
            ax.text(x + SIDE / 2, y - 1, captions[index], ha="center", va="bottom", fontsize=8)
    picture = ax.imshow(canvas, cmap.with_extremes(bad="white"), vmin=limits[0], vmax=limits[1])
    return figure, picture


def _column(history: Sequence[Mapping[str, float]], key: str) -> NDArray[np.float64]:
    missing = [index for index, epoch in enumerate(history) if key not in epoch]
    if missing:
        raise ValueError(
            f"curves: entry {missing[0]} of the history lacks {key!r}; it has {sorted(history[missing[0]])}"
        )
    return np.array([epoch[key] for epoch in history], np.float64)


def _tiles(caller: str, images: ArrayLike) -> NDArray[Any]:
    """Return images as (n, 28, 28)."""
    array = np.asarray(images)
    if array.shape[1:] not in ((SIDE * SIDE,), (SIDE, SIDE)) or not len(array):
        raise ShapeError(
            f"{caller}: the images have shape {array.shape}, but must have (n, 784) or (n, 28, 28), with n at least 1"
        )
    return array.reshape(-1, SIDE, SIDE)


def _classes(caller: str, name: str, values: ArrayLike, classes: int) -> NDArray[np.intp]:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise ShapeError(f"{caller}: the {name} have shape {array.shape}, but must have (n,) with n at least 1")
    strange = array[(array < 0) | (array >= classes) | (array != np.floor(array))]
    if len(strange):
        raise ValueError(
            f"{caller}: the {name} hold {strange[0]}, but classes are whole numbers from 0 to {classes - 1}"
        )
    return array.astype(np.intp)


def _check_counts(caller: str, **arrays: Sized) -> None:
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ValueError(f"{caller}: {told}; there must be as many of each")


def _check_positive(caller: str, name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{caller}: {name} is {value}, but must be at least 1")
