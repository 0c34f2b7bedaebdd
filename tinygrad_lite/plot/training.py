"""Pictures of training and its results: learning curves, sweeps, confusion matrices, decision boundaries.

figure = tg.plot.confusion(test.labels, predictions)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ShapeError
from ..support.formatting import columns, shortened
from .checks import check_classes, check_counts, check_labels, check_positive, numbers
from .chinese import words
from .style import (
    BAR_INCHES,
    BLUE,
    INK,
    PALE_BLUE,
    PALE_VERMILION,
    VERMILION,
    add_axes,
    colour_bar,
    in_style,
    join_lines,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MARKED = 40  # epochs: with more, the markers would overlap and be cut off
LONG_NAME, SHORT_NAME = 16, 2  # letters of the name of a class: longer ones are cut, or written upwards
LETTER_INCHES = 0.085
MOST_WRITTEN = 12  # learning rates: with more, the numbers beside the points would overlap
GRID = 200  # points along each axis at which a classifier is evaluated


@in_style
def curves(history: Sequence[Mapping[str, float]], title: str | None = None) -> Figure:
    """Draw the loss and accuracy of each epoch.

    Parameters
    ----------
    history
        One mapping for each epoch, with the keys `epoch`, `train_loss`, `valid_loss` (means over samples),
        `train_accuracy` and `valid_accuracy` (between 0 and 1, drawn in per cent).
    title
        The figure's heading.

    Raises
    ------
    ValueError
        If the history is empty or an epoch lacks a key.

    Examples
    --------
    >>> epoch = {"train_loss": 0.4, "valid_loss": 0.5, "train_accuracy": 0.75, "valid_accuracy": 0.7}
    >>> figure = tg.plot.curves([{"epoch": 1, **epoch}, {"epoch": 2, **epoch}])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss (mean per sample)', 'accuracy (%)']
    """
    if isinstance(history, Mapping) or not all(isinstance(epoch, Mapping) for epoch in history):
        raise TypeError(
            'curves: the history is a list with a dictionary for each epoch, such as metrics["history"] of a run\'s '
            "metrics.json"
        )
    if not history:
        raise ValueError("curves: the history is empty, so there is no epoch to draw; train for one at least")
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(9.4, 3.3, title)
    epochs = _column(history, "epoch")
    marked = len(epochs) <= MOST_MARKED
    quantities = (0.85, "loss", "loss (mean per sample)", 1), (5.55, "accuracy", "accuracy (%)", 100)
    for left, quantity, label, scale in quantities:
        ax = add_axes(figure, left, 0.5, 3.7, 2.7)
        for split, color, marker in (("train", BLUE, "o"), ("valid", VERMILION, "s")):
            values = scale * _column(history, f"{split}_{quantity}")
            ax.plot(epochs, values, color=color, marker=marker if marked else "", label=words(split))
        ax.set(xlabel=words("epoch"), ylabel=words(label), xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        ax.legend()
    return figure


@in_style
def confusion(
    labels: ArrayLike,
    predictions: ArrayLike,
    classes: int = 10,
    title: str | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw the confusion matrix: a row for each true class, a column for each predicted class.

    The colour is the share of the true class, on a scale that spreads small shares. Cells of 0 have no number.

    Parameters
    ----------
    labels, predictions
        Integers of shape (n,), from 0 to `classes` - 1.
    classes
        The number of classes.
    title
        The figure's heading, followed by a line with the number of right predictions.
    names
        The names of the classes; by default their numbers.

    Raises
    ------
    ValueError
        If the counts differ, or a class is out of range.

    Examples
    --------
    >>> tg.plot.confusion(labels=[0, 1, 1], predictions=[0, 1, 0], classes=2).get_suptitle()
    '2 of 3 read right'
    """
    check_positive("confusion", "classes", classes)
    truth = check_classes("confusion", "labels", labels, classes)
    read = check_classes("confusion", "predictions", predictions, classes)
    check_counts("confusion", labels=truth, predictions=read)
    counts = np.bincount(truth * classes + read, minlength=classes**2).reshape(classes, classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    from matplotlib.colors import PowerNorm

    norm = PowerNorm(0.4, 0, 1)
    if names is not None and len(names) != classes:
        raise ValueError(f"confusion: {len(names)} names for {classes} classes: give a name for each")
    ticks = [*map(str, range(classes))] if names is None else [shortened(name, LONG_NAME) for name in names]
    longest = max(map(columns, ticks))
    margin = LETTER_INCHES * max(0, longest - 2)  # for names longer than numbers
    told = words("{right:,} of {total:,} read right", right=np.trace(counts), total=counts.sum())
    figure = new_figure(margin + 5.6 + BAR_INCHES, margin + 5.6, join_lines(title, told))
    ax = add_axes(figure, margin + 0.6, margin + 0.5, 5, 5)
    picture = ax.imshow(share, cmap="Blues", norm=norm)
    dark = norm(share) > 0.6
    for row, column in np.argwhere(counts):
        color = "white" if dark[row, column] else "black"
        ax.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=color, fontsize=9)
    ax.set(xlabel=words("read as"), ylabel=words("true class"), xticks=range(classes), yticks=range(classes))
    ax.set_xticklabels(ticks, rotation=90 if longest > SHORT_NAME else 0)
    ax.set_yticklabels(ticks)
    ax.grid(False)
    bar = colour_bar(figure, picture, ax, words("share of the true class (%)"))
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0", "1", "5", "20", "50", "100"])
    return figure


@in_style
def boundary(
    predict: Callable[[NDArray[Any]], ArrayLike],
    points: ArrayLike,
    labels: ArrayLike,
    title: str | None = None,
) -> Figure:
    """Draw the regions of the plane that a classifier assigns to class 0 and class 1, and labelled points.

    Parameters
    ----------
    predict
        Takes points of shape (m, 2) and returns the probability of class 1, or a score, of shape (m,).
        The boundary is where it is 0.5.
    points
        The points to draw, such as the training set, of shape (n, 2).
    labels
        The class of each point, 0 or 1, of shape (n,).
    title
        The figure's heading.

    Raises
    ------
    ValueError
        If a shape is wrong, the counts differ, or there is a class other than 0 and 1.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [1.0, 1.0]])
    >>> figure = tg.plot.boundary(lambda x: x.mean(axis=1), points, labels=[0, 1])
    """
    places = numbers("boundary", "points", points)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise ShapeError(f"boundary: the points have shape {places.shape}, but must have (n, 2): x₁ and x₂ of each")
    truth = check_classes("boundary", "labels", labels, 2)
    check_counts("boundary", points=places, labels=truth)
    low, high = places.min(axis=0), places.max(axis=0)
    margin = 0.1 * np.maximum(high - low, 1e-3)
    x, y = np.linspace(low - margin, high + margin, GRID).T
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.result_type(places, np.float32))
    scores = numbers("boundary", "scores", predict(grid))
    if scores.shape != (len(grid),):
        remedy = {(len(grid), 1): ": let it return [:, 0]", (len(grid), 2): ": let it return [:, 1]"}
        raise ShapeError(
            f"boundary: predict returned the shape {scores.shape} for {len(grid)} points, but must return "
            f"({len(grid)},): one probability of class 1 for each{remedy.get(scores.shape, '')}"
        )
    scores = scores.reshape(GRID, GRID)
    reach = max(0.5, np.abs(scores - 0.5).max())  # 0.5 for probabilities, so that they span 0 to 1

    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(5.2 + BAR_INCHES, 4.8, title)
    ax = add_axes(figure, 0.8, 0.5, 4.4, 3.9)
    cmap = LinearSegmentedColormap.from_list("classes", [PALE_BLUE, "white", PALE_VERMILION])
    areas = ax.contourf(x, y, scores, np.linspace(0.5 - reach, 0.5 + reach, 21), cmap=cmap)
    if scores.min() < 0.5 < scores.max():
        ax.contour(x, y, scores, [0.5], colors="black", linewidths=1.5)
        ax.plot([], [], color="black", linewidth=1.5, label=words("score {score}", score=0.5))
    for label, color, marker in ((0, BLUE, "o"), (1, VERMILION, "s")):
        x1, x2 = places[truth == label].T
        ax.scatter(x1, x2, s=22, c=color, marker=marker, edgecolors="white", label=words("class {label}", label=label))
    ax.set(xlabel="x₁", ylabel="x₂")
    ax.grid(False)
    ax.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)  # above the axes
    colour_bar(figure, areas, ax, words("score of class 1")).set_ticks(MaxNLocator(8, steps=[1, 2.5, 5, 10]))
    return figure


@in_style
def sweep(
    rates: ArrayLike,
    accuracies: ArrayLike,
    initial: ArrayLike,
    labels: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the accuracies that runs with several learning rates have reached, and where they began.

    The line goes through the mean of the runs that have the same learning rate and label. A run that diverged is a
    cross at the bottom.

    Parameters
    ----------
    rates
        The learning rate of each run, of shape (n,).
    accuracies
        The accuracy that each run has reached, between 0 and 1, of shape (n,); NaN if the run diverged.
    initial
        The accuracy of each run before training, of shape (n,).
    labels
        What else distinguishes each run, such as ``"hidden 90"``. Each label gets a line of its own.
    title
        The figure's heading.

    Raises
    ------
    ValueError
        If the counts differ, or a learning rate is not a positive number.

    Examples
    --------
    >>> rates, accuracies = [0.01, 0.1, 1.0], [0.8, 0.95, float("nan")]  # the last run diverged
    >>> figure = tg.plot.sweep(rates, accuracies, initial=[0.1, 0.1, 0.1])
    """
    rates = check_labels("sweep", "rates", rates)
    reached = 100 * check_labels("sweep", "accuracies", accuracies)
    before = 100 * check_labels("sweep", "initial accuracies", initial)
    names = np.array([""] * len(rates) if labels is None else labels)
    check_counts("sweep", rates=rates, accuracies=reached, initial=before, labels=names)
    strange = rates[~((rates > 0) & np.isfinite(rates))]
    if len(strange):
        raise ValueError(f"sweep: the axis is logarithmic, so learning rates must be positive, not {strange[0]}")
    from matplotlib import colormaps
    from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter

    lines = [*dict.fromkeys(names)]
    colors = [BLUE] if len(lines) == 1 else colormaps["viridis"](np.linspace(0, 0.85, len(lines)))
    height = max(3.3, 0.22 * (len(lines) + 2))  # of the legend, which is beside the axes
    figure = new_figure(6.9 + 0.085 * max(len("before training"), *map(len, lines)), 0.6 + height, title)
    ax = add_axes(figure, 0.8, 0.5, 5.2, height)
    for line, color in zip(lines, colors, strict=True):
        own = names == line
        places = np.unique(rates[own])
        means = np.array([reached[own & (rates == rate)].mean() for rate in places])
        ax.plot(places, means, color=color, label=line or words("after training"))
        ax.plot(rates[own], reached[own], "o", color=color)
        ax.axhline(before[own].mean(), color=color, linestyle="--", linewidth=1)
        if len(lines) == 1 and len(places) <= MOST_WRITTEN:
            for place, mean in zip(places[np.isfinite(means)], means[np.isfinite(means)], strict=True):
                ax.annotate(f"{mean:.1f}", (place, mean), (0, 6), textcoords="offset points", ha="center", fontsize=9)
    ax.plot([], [], color=INK, linestyle="--", linewidth=1, label=words("before training"))
    diverged = rates[np.isnan(reached)]
    if len(diverged):
        bottom = np.zeros(len(diverged))
        ax.plot(diverged, bottom, "x", color=VERMILION, markersize=9, clip_on=False, label=words("diverged"))
    ax.set(xscale="log", xlabel=words("learning rate"), ylabel=words("validation accuracy (%)"), ylim=(0, 106))
    ax.margins(x=0.08)
    exponents = np.log(np.unique(rates))
    has_room = (np.diff(exponents) > 0.12 * np.ptp(exponents)).all()  # for a number at each rate
    ax.xaxis.set_major_locator(FixedLocator(np.unique(rates).tolist()) if has_room else LogLocator())
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
    return figure


def _column(history: Sequence[Mapping[str, float]], key: str) -> NDArray[np.float64]:
    missing = [index for index, epoch in enumerate(history) if key not in epoch]
    if missing:
        raise ValueError(
            f"curves: entry {missing[0]} of the history lacks {key!r}; it has {sorted(history[missing[0]])}"
        )
    return np.array([epoch[key] for epoch in history], np.float64)
