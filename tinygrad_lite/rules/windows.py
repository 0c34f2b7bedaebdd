"""Rules of sliding windows: the windows themselves, convolution, and the maximum of each window.

A convolution is linear in the images x and in the kernels w. So, with a cotangent v of its result, one number says all
of it: T(x, w, v) = Σ v · conv2d(x, w). Its derivatives by v, x and w are three functions of the other two, and each of
these functions has the others as its own derivatives. Three rules thus suffice for derivatives of any order:

    conv2d(x, w)         dT/dv
    conv2d_input(v, w)   dT/dx, known as the transposed convolution
    conv2d_weight(x, v)  dT/dw

Each is one product of matrices, for which the windows of the images are the columns. Their memory is in the order
channel, row, column, batch: a window then consists of long pieces, each of which is copied at once. The result is seen
as images of shape (N, C, H, W) without a copy. NumPy's elementwise functions keep the memory order of their operand, so
the next convolution finds it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .registry import define
from .rule import Rule, helper, sample
from .samples import distinct, normal

Sizes = tuple[int, ...]


class Geometry(NamedTuple):
    """How the kernels of a convolution move over images; each but ``groups`` for rows and for columns.

    Attributes
    ----------
    stride : tuple of int
        The step from one window to the next.
    padding : tuple of int
        The width of the margin of zeros on either side.
    dilation : tuple of int
        The step from one element of a window to the next.
    groups : int
        The number of groups of channels, each of which has kernels of its own.
    """

    stride: Sizes = (1, 1)
    padding: Sizes = (0, 0)
    dilation: Sizes = (1, 1)
    groups: int = 1

    def windows_in(self, size: Sizes, kernel: Sizes) -> Sizes:
        """Return how many windows there are in images of a size, one below another and side by side."""
        sizes = zip(size, kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes)


def _view(x: Any, window: Sizes, axes: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """Return every window of an array as a view: its axes come last."""
    reach = tuple(d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True))
    every = sliding_window_view(x, reach, axis=axes)
    if set(stride) | set(dilation) == {1}:
        return every
    index = [slice(None)] * len(x.shape)
    for axis, step in zip(axes, stride, strict=True):
        index[axis] = slice(None, None, step)
    return every[(*index, *(slice(None, None, d) for d in dilation))]


def _parts(counts: Sizes, window: Sizes, axes: Sizes, stride: Sizes, dilation: Sizes) -> Iterator[tuple[slice, ...]]:
    """Yield for each element of a window the index of the elements of the array that it meets, in all windows.

    ``counts`` are the numbers of windows along ``axes``.
    """
    for offset in np.ndindex(*window):
        index = [slice(None)] * (max(axes) + 1)
        for axis, n, i, s, d in zip(axes, counts, offset, stride, dilation, strict=True):
            index[axis] = slice(i * d, i * d + s * (n - 1) + 1, s)
        yield tuple(index)


def _overlap_add(v: Any, shape: Sizes, window: Sizes, axes: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    x = np.zeros_like(v[(..., *[0] * len(window))], shape=shape)  # in the memory order of v
    counts = tuple(v.shape[axis] for axis in axes)
    overlaps = any(d * (k - 1) >= s for k, s, d in zip(window, stride, dilation, strict=True))
    for offset, part in zip(np.ndindex(*window), _parts(counts, window, axes, stride, dilation), strict=True):
        if overlaps:
            x[part] += v[(..., *offset)]
        else:
            x[part] = v[(..., *offset)]
    return x


def _pooled(x: Any, window: Sizes, axes: Sizes, stride: Sizes) -> list[Any]:
    """Return for each element of a window the elements of the array that it meets, in all windows."""
    counts = tuple((x.shape[axis] - n) // s + 1 for axis, n, s in zip(axes, window, stride, strict=True))
    return [x[part] for part in _parts(counts, window, axes, stride, (1,) * len(window))]


def _channels_first(x: Any) -> Any:
    return x.transpose((1, 2, 3, 0))


def _batch_first(x: Any) -> Any:
    return x.transpose((3, 0, 1, 2))


def _columns(x: Any, kernel: Sizes, how: Geometry) -> Any:
    """Return the windows of images as columns: a matrix for each group of channels."""
    (p, q), x = how.padding, _channels_first(x)
    if p or q:
        x = np.pad(x, ((0, 0), (p, p), (q, q), (0, 0)))
    windows = _view(x, kernel, (1, 2), how.stride, how.dilation).transpose((0, 4, 5, 1, 2, 3))
    return windows.reshape((how.groups, x.shape[0] // how.groups * math.prod(kernel), math.prod(windows.shape[3:])))


def _channels(v: Any, groups: int) -> Any:
    """Return images with a row for each channel: a matrix for each group of channels."""
    n, c, h, w = v.shape
    return _channels_first(v).reshape((groups, c // groups, h * w * n))


def _kernels(w: Any, groups: int) -> Any:
    return w.reshape((groups, w.shape[0] // groups, math.prod(w.shape[1:])))


def _conv2d(x: Any, w: Any, how: Geometry) -> Any:
    y = _kernels(w, how.groups) @ _columns(x, w.shape[2:], how)
    return _batch_first(y.reshape((w.shape[0], *how.windows_in(x.shape[2:], w.shape[2:]), x.shape[0])))


def _conv2d_input(v: Any, w: Any, size: Sizes, how: Geometry) -> Any:
    (height, width), (p, q), kernel = size, how.padding, w.shape[2:]
    channels, count, n = how.groups * w.shape[1], v.shape[2:], v.shape[0]
    columns = (_kernels(w, how.groups).mT @ _channels(v, how.groups)).reshape((channels, *kernel, *count, n))
    padded = (channels, height + 2 * p, width + 2 * q, n)
    x = _overlap_add(columns.transpose((0, 3, 4, 5, 1, 2)), padded, kernel, (1, 2), how.stride, how.dilation)
    return _batch_first(x[:, p : p + height, q : q + width])


def _conv2d_weight(x: Any, v: Any, kernel: Sizes, how: Geometry) -> Any:
    # The transposed product of v and the windows, which BLAS takes longer for.
    w = (_columns(x, kernel, how) @ _channels(v, how.groups).mT).mT
    return w.reshape((v.shape[1], x.shape[1] // how.groups, *kernel))


# The shapes of images and kernels, with all that a geometry can be.
_CASES = [
    ((1, 1, 4, 5), (1, 1, 2, 3), Geometry()),  # of different lengths, which formulas show by different letters
    ((2, 1, 2, 3), (2, 1, 1, 2), Geometry()),
    ((1, 2, 3, 2), (2, 1, 2, 2), Geometry(stride=(2, 1), padding=(1, 0), groups=2)),
    ((1, 1, 3, 4), (1, 1, 2, 2), Geometry(stride=(1, 2), padding=(0, 1), dilation=(2, 3))),
    ((0, 1, 3, 3), (1, 1, 2, 2), Geometry()),
]


def _triples() -> list[tuple[Any, Any, Any, Geometry]]:
    """Return images, kernels and a cotangent of their convolution for each case."""
    return [
        (normal(*x), normal(*w, seed=1), normal(x[0], w[0], *how.windows_in(x[2:], w[2:]), seed=2), how)
        for x, w, how in _CASES
    ]


# fmt: off

windows: Rule = define("windows",
    lambda x, window, axes, stride, dilation: np.copy(_view(x, window, axes, stride, dilation)),
    x=lambda g, x, window, axes, stride, dilation: overlap_add(g, x.shape, window, axes, stride, dilation),
    samples=lambda: [
        sample(normal(2, 4), (3,), (1,), (1,), (1,)), sample(normal(3, 1, 3), (2, 2), (0, 2), (1, 1), (1, 1)),
        sample(normal(4, 3), (2, 2), (0, 1), (1, 2), (2, 1)), sample(normal(0, 3), (2,), (1,), (1,), (1,)),
    ])

overlap_add: Rule = define("overlap_add", _overlap_add,
    v=lambda g, window, axes, stride, dilation: windows(g, window, axes, stride, dilation),
    samples=lambda: [sample(normal(*_view(*made.args).shape), made.args[0].shape, *made.args[1:])
                     for made in windows.samples])

conv2d: Rule = define("conv2d", _conv2d,
    x=lambda g, x, w, how: conv2d_input(g, w, x.shape[2:], how),
    w=lambda g, x, w, how: conv2d_weight(x, g, w.shape[2:], how),
    samples=lambda: [sample(x, w, how) for x, w, v, how in _triples()])

conv2d_input: Rule = define("conv2d_input", _conv2d_input,
    v=lambda g, w, how: conv2d(g, w, how),
    w=lambda g, v, w, how: conv2d_weight(g, v, w.shape[2:], how),
    samples=lambda: [sample(v, w, x.shape[2:], how) for x, w, v, how in _triples()])

conv2d_weight: Rule = define("conv2d_weight", _conv2d_weight,
    x=lambda g, x, v, how: conv2d_input(v, g, x.shape[2:], how),
    v=lambda g, x, how: conv2d(x, g, how),
    samples=lambda: [sample(x, v, w.shape[2:], how) for x, w, v, how in _triples()])

# Of vectors: a convolution is longer than both, a correlation has a place for each place of v within a.
convolve: Rule = define("convolve", lambda a, v: np.convolve(a, v),
    a=lambda g, v: np.correlate(g, v),
    v=lambda g, a: np.correlate(g, a),
    samples=lambda: [sample(normal(5), normal(3)), sample(normal(2), normal(4)), sample(normal(3), normal(1, seed=1))])

correlate: Rule = define("correlate", lambda a, v: np.correlate(a, v),
    a=lambda g, v: np.convolve(g, v),
    v=lambda g, a: np.correlate(a, g),
    samples=lambda: [sample(normal(5), normal(3)), sample(normal(4), normal(4, seed=1)), sample(normal(3), normal(1))])

# The cotangent goes to the maximum of its window; to the first of equal ones, as in PyTorch.
max_pool: Rule = define("max_pool",
    lambda x, window, axes, stride: reduce(np.maximum, _pooled(x, window, axes, stride)),
    x=lambda g, y, x, window, axes, stride: overlap_add(
        g[(..., *[None] * len(window))] * is_first_maximum(x, y, window, axes, stride),
        x.shape, window, axes, stride, (1,) * len(window)),
    samples=lambda: [
        sample(distinct(2, 1, 2, 4), (2, 2), (2, 3), (2, 2)), sample(distinct(1, 4, 3), (2, 2), (1, 2), (2, 1)),
        sample(distinct(2, 5), (3,), (1,), (1,)), sample(distinct(0, 1, 4, 4), (2, 2), (2, 3), (2, 2)),
    ])
# fmt: on


@helper
def is_first_maximum(x: Any, y: Any, window: Sizes, axes: Sizes, stride: Sizes) -> Any:
    """Return for each element of each window, whose axes come last, whether it is the first maximum of its window."""
    is_first: list[Any] = []
    taken: Any = np.zeros_like(y, dtype=bool)
    for part in _pooled(x, window, axes, stride):
        is_first.append(np.greater(part == y, taken))
        taken = taken | is_first[-1]
    stacked = np.stack(is_first).reshape((*window, *y.shape))
    return np.moveaxis(stacked, range(len(window)), range(-len(window), 0))
