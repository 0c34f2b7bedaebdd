"""Histograms. A count is a step function and has no derivative, but the edges of bins and sums of weights have one.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.histogram(tg.Tensor([0.5, 1.0, 2.0]), bins=2)
(array([2, 1]), Tensor([0.5 , 1.25, 2.  ], dtype=float32))
>>> tg.grad(lambda w: np.bincount(np.array([1, 0, 1]), weights=w)[1])(np.array([0.5, 2.0, 3.0]))
Tensor([1., 0., 1.], dtype=float64)
"""

from __future__ import annotations

import math
import operator
from functools import reduce
from numbers import Real
from typing import Any

import numpy as np

from ...errors import ShapeError, require
from ...support.devices import on_device_of
from .. import shapes
from .axes import ravel
from .differences import diff
from .operands import array_like, as_count
from .pieces import concatenate


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """Return how many there are of each whole number, or the sums of their weights."""
    x = array_like(x)
    if len(x.shape) != 1 or x.dtype.kind not in "biu":
        raise TypeError(f"np.bincount takes a vector of whole numbers, not {x.dtype} of shape {x.shape}")
    numbers = np.floor(x).astype(int)
    require(np.all(numbers >= 0), ValueError, "np.bincount: the numbers must not be negative")
    minlength = as_count("np.bincount", "minlength", minlength)
    longest = int(numbers.max()) + 1 if x.shape[0] else 0
    if weights is not None:
        weights = array_like(weights)
        weights = weights if weights.dtype.kind == "f" else weights.astype(float)
    return _sums("np.bincount", numbers.shape, (numbers,), (max(longest, minlength),), weights)


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """Return the edges of bins: those given, or of a number of equal ones from the minimum to the maximum.

    Equal extremes share the derivative of the edges that they set.
    """
    a = array_like(a)
    if isinstance(bins, str):
        raise TypeError(
            f"np.histogram of a Tensor takes the number of bins, not bins={bins!r} to estimate it: write "
            f"bins=len(np.histogram_bin_edges(x.numpy(), {bins!r})) - 1"
        )
    if np.ndim(bins):
        edges = array_like(bins)
        if len(edges.shape) > 1:
            raise ShapeError(f"np.histogram: the edges of bins are a vector, not an array of shape {edges.shape}")
        require(np.all(edges[1:] >= edges[:-1]), ValueError, "np.histogram: the edges of bins must be in order")
        return edges
    count = operator.index(bins)
    if count < 1:
        raise ValueError(f"np.histogram: there must be 1 bin or more, not {count}")
    kind = a.dtype if a.dtype.kind == "f" else np.dtype(float)
    if range is None:
        range = (a.min(), a.max()) if math.prod(a.shape) else (0, 1)
    if all(isinstance(x, Real) and not hasattr(x, "shape") for x in range):
        return on_device_of(a, np.histogram_bin_edges(np.empty(0, kind), count, range))
    low, high = (array_like(x).astype(kind) for x in range)
    holds = np.isfinite(low) & np.isfinite(high) & (low <= high)
    require(holds, ValueError, "np.histogram: the range of bins must be finite, from the smaller to the larger end")
    half = (low == high) * kind.type(0.5)  # the half of a bin around a single value
    low, high = low - half, high + half
    steps = on_device_of(a, np.arange(count, dtype=kind)) * ((high - low) / count) + low
    return concatenate([steps, high.reshape(1)])


def histogram(a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None) -> Any:
    """Return how many elements lie in each bin, or the sums of their weights, and the edges of the bins."""
    a = array_like(a)
    edges = histogram_bin_edges(a, bins, range)
    total = _in_bins("np.histogram", a.shape, [ravel(a)], [edges], weights)
    return (total / diff(edges) / total.sum() if density else total), edges


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> Any:
    """Return how many pairs lie in each rectangle, or the sums of their weights, and the edges on either side."""
    is_of_both = not _is_number(bins) and len(bins) != 2
    total, edges = histogramdd([x, y], [bins, bins] if is_of_both else bins, range, density, weights)
    return total, *edges


def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> Any:
    """Return how many rows lie in each box, or the sums of their weights, and a list of the edges for each column."""
    is_matrix = len(getattr(sample, "shape", ())) == 2
    columns = [sample[:, i] for i in np.arange(sample.shape[1])] if is_matrix else list(map(array_like, sample))
    bins = [bins] * len(columns) if _is_number(bins) else bins
    range = [None] * len(columns) if range is None else range
    if not len(bins) == len(range) == len(columns):
        raise ValueError(f"np.histogramdd of {len(columns)} columns needs bins, and a range if any, for each of them")
    edges = [histogram_bin_edges(*given) for given in zip(columns, bins, range, strict=True)]
    total = _in_bins("np.histogramdd", columns[0].shape, columns, edges, weights)
    total = total if total.dtype.kind == "f" else total.astype(float)
    if not density:
        return total, edges
    shares = total / total.sum()
    for axis, width in enumerate(map(diff, edges)):
        shares = shares / width.reshape((-1, *[1] * (len(edges) - axis - 1)))
    return shares, edges


def _is_number(bins: Any) -> bool:
    return not isinstance(bins, (list, tuple)) and np.ndim(bins) == 0


def _in_bins(function: str, shape: tuple[int, ...], columns: list[Any], edges: list[Any], weights: Any) -> Any:
    """Return the counts, or the sums of weights, in all bins; the last bin on either side has both of its edges."""
    counts = tuple(e.shape[0] - 1 for e in edges)
    found = [np.searchsorted(e, x, "right") - 1 - (x == e[-1]) for e, x in zip(edges, columns, strict=True)]
    is_inside = reduce(np.logical_and, [(i >= 0) & (i < n) for i, n in zip(found, counts, strict=True)])
    places = tuple(np.clip(i, 0, n - 1) for i, n in zip(found, counts, strict=True))
    return _sums(function, shape, places, counts, weights, is_inside)


def _sums(
    function: str,
    shape: tuple[int, ...],
    places: tuple[Any, ...],
    counts: tuple[int, ...],
    weights: Any,
    is_inside: Any = True,
) -> Any:
    """Return an array in which weights are added up at their places, or ones."""
    if weights is None:  # floats, since CuPy adds up no long integers
        ones = on_device_of(places[0], np.ones(math.prod(shape)))
        return _added(ones, is_inside, places, counts).astype(int)
    weights = array_like(weights)
    if weights.shape != shape:
        raise ShapeError(f"{function} of {shape}: the weights have shape {weights.shape}; give one for each element")
    return _added(ravel(weights), is_inside, places, counts)


def _added(weights: Any, is_inside: Any, places: tuple[Any, ...], counts: tuple[int, ...]) -> Any:
    return shapes.place(weights if is_inside is True else np.where(is_inside, weights, 0), places, counts)
