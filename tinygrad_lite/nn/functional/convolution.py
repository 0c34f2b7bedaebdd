"""Convolution and pooling: functions that look at small windows of an image.

Images have shape (N, C, H, W): a batch of N images, each with C channels of H rows and W columns; sequences have
shape (N, C, L).

Examples
--------
>>> import numpy as np
>>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
array([[[[ 5.,  7.],
         [13., 15.]]]])
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays import ArrayLike
from ...errors import ShapeError
from ...rules import windows
from ...rules.windows import Geometry
from ...tensor import Tensor
from .checks import expect_choice, is_whole, operand

Size = int | tuple[int, ...]


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Multiply each window of images by each kernel: a cross-correlation, which the field calls convolution.

    Parameters
    ----------
    x : Tensor or array of shape (N, C, H, W)
        The images.
    weight : Tensor or array of shape (O, C / groups, kernel height, kernel width)
        The kernels, one for each of O output channels.
    bias : Tensor or array of shape (O,), optional
        A number that is added to each output channel.
    stride, dilation : int or tuple of two int
        The step from one window to the next, and from one element of a window to the next.
    padding : int, tuple of two int, "same" or "valid"
        The width of the margin of zeros. "same" chooses it so that the result has the size of the images.
    groups : int
        The number of groups of channels; kernels see the channels of their own group only.

    Returns
    -------
    Tensor or array of shape (N, O, rows, columns)
        With rows = (H + 2 · padding - dilation · (kernel height - 1) - 1) // stride + 1, and likewise for columns.

    Raises
    ------
    ShapeError
        If the shapes do not fit together; the message names the sizes that disagree.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> edges = np.array([[[[1.0, -1.0]]]])
    >>> tg.nn.functional.conv2d(np.array([[[[0.0, 0.0, 1.0, 1.0]]]]), edges)
    array([[[[ 0., -1.,  0.]]]])
    """
    x, weight = operand("conv2d", x), operand("conv2d", weight)
    size, kernel = _sizes("conv2d", x, "N, C, H, W"), _sizes("conv2d", weight, "O, C / groups, height, width", "weight")
    how = geometry("conv2d", kernel, stride, padding, dilation, groups)
    _check_channels("conv2d", x.shape, weight.shape, groups)
    _check_size("conv2d", size, kernel, how)
    return _with_bias("conv2d", windows.conv2d(x, weight, how), bias)


def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Multiply each window of sequences by each kernel; `conv2d` has the meaning of each argument.

    Parameters
    ----------
    x : Tensor or array of shape (N, C, L)
    weight : Tensor or array of shape (O, C / groups, kernel size)
    bias : Tensor or array of shape (O,), optional

    Returns
    -------
    Tensor or array of shape (N, O, windows)

    Examples
    --------
    >>> tg.nn.functional.conv1d(np.array([[[0.0, 0.0, 1.0, 1.0]]]), np.array([[[-1.0, 1.0]]]))  # each step
    array([[[0., 1., 0.]]])
    """
    x, weight = operand("conv1d", x), operand("conv1d", weight)
    (length,), (kernel,) = _sizes("conv1d", x, "N, C, L"), _sizes("conv1d", weight, "O, C / groups, size", "weight")
    how = geometry("conv1d", (kernel,), stride, padding, dilation, groups)
    _check_channels("conv1d", x.shape, weight.shape, groups)
    _check_size("conv1d", (1, length), (1, kernel), how)
    y = windows.conv2d(x[:, :, None], weight[:, :, None], how)
    return _with_bias("conv1d", y[:, :, 0], bias)


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Spread each element of images over a window, weighted by the kernels: the derivative of `conv2d` by its images.

    It makes images larger, where a convolution with the same arguments makes them smaller.

    Parameters
    ----------
    x : Tensor or array of shape (N, C, H, W)
    weight : Tensor or array of shape (C, O / groups, kernel height, kernel width)
    bias : Tensor or array of shape (O,), optional
    stride, padding, dilation, groups
        Those of the convolution whose images this one computes.
    output_padding : int or tuple of two int
        Rows and columns to add on one side: convolutions with a stride map images of several sizes to one size.

    Returns
    -------
    Tensor or array of shape (N, O, rows, columns)
        With rows = (H - 1) · stride - 2 · padding + dilation · (kernel height - 1) + output_padding + 1.

    Examples
    --------
    >>> kernel = np.array([[[[1.0, 2.0]]]])
    >>> tg.nn.functional.conv_transpose2d(np.array([[[[1.0, 10.0]]]]), kernel, stride=(1, 2))
    array([[[[ 1.,  2., 10., 20.]]]])
    """
    name = "conv_transpose2d"
    x, weight = operand(name, x), operand(name, weight)
    size, kernel = _sizes(name, x, "N, C, H, W"), _sizes(name, weight, "C, O / groups, height, width", "weight")
    how, added = transposed_geometry(name, kernel, stride, padding, output_padding, dilation, groups)
    channels = np.shape(x)[1]
    if channels != np.shape(weight)[0] or channels % groups:
        raise ShapeError(
            f"{name} of images {np.shape(x)} and weight {np.shape(weight)} in {groups} groups: the images have "
            f"{channels} channels, the first axis of the weight must be as long, and a multiple of groups"
        )
    given = zip(size, kernel, how.stride, how.padding, how.dilation, added, strict=True)
    made = tuple((n - 1) * s - 2 * p + d * (k - 1) + a + 1 for n, k, s, p, d, a in given)
    if min(made) < 1:
        raise ShapeError(f"{name} of images {np.shape(x)} would make images of size {made}: use less padding")
    return _with_bias(name, windows.conv2d_input(x, weight, made, how), bias)


def max_pool2d(x: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> Tensor:
    """Return the maximum of each window of images; its gradient goes to the first of equal maxima.

    Parameters
    ----------
    x : Tensor or array of shape (N, C, H, W)
    kernel_size : int or tuple of two int
        The height and the width of a window.
    stride : int or tuple of two int, optional
        The step from one window to the next; by default the size of a window.
    padding : int or tuple of two int
        The width of a margin that is never the maximum; at most half a window.

    Returns
    -------
    Tensor or array of shape (N, C, rows, columns)

    Examples
    --------
    >>> images = np.arange(8.0).reshape(1, 1, 2, 4)
    >>> images
    array([[[[0., 1., 2., 3.],
             [4., 5., 6., 7.]]]])
    >>> tg.nn.functional.max_pool2d(images, 2)
    array([[[[5., 7.]]]])
    """
    x = operand("max_pool2d", x)
    kernel, how = _pooling("max_pool2d", x, kernel_size, stride, padding)
    if how.padding != (0, 0):
        (p, q) = how.padding
        lowest = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -math.inf
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), constant_values=lowest)
    return windows.max_pool(x, kernel, (2, 3), how.stride)


def avg_pool2d(x: ArrayLike, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> Tensor:
    """Return the mean of each window of images; the zeros of a margin count as elements.

    Parameters
    ----------
    x : Tensor or array of shape (N, C, H, W)
    kernel_size, stride, padding
        As for `max_pool2d`.

    Returns
    -------
    Tensor or array of shape (N, C, rows, columns)

    Examples
    --------
    >>> tg.nn.functional.avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), 2)
    array([[[[2.5, 4.5]]]])
    """
    x = operand("avg_pool2d", x)
    kernel, how = _pooling("avg_pool2d", x, kernel_size, stride, padding)
    if how.padding != (0, 0):
        (p, q) = how.padding
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)))
    return windows.windows(x, kernel, (2, 3), how.stride, (1, 1)).mean(axis=(-2, -1))


def adaptive_avg_pool2d(x: ArrayLike, output_size: Size) -> Tensor:
    """Return means over equal windows, as many as wanted: ``output_size`` 1 is the mean of each whole channel.

    Raises
    ------
    ShapeError
        If the size of the images is no multiple of the output's.

    Examples
    --------
    >>> tg.nn.functional.adaptive_avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), (1, 2))
    array([[[[2.5, 4.5]]]])
    """
    x = operand("adaptive_avg_pool2d", x)
    return avg_pool2d(x, _equal_parts("adaptive_avg_pool2d", x, output_size))


def adaptive_max_pool2d(x: ArrayLike, output_size: Size) -> Tensor:
    """Return maxima over equal windows, as many as wanted: ``output_size`` 1 is the maximum of each whole channel.

    Examples
    --------
    >>> tg.nn.functional.adaptive_max_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), (1, 2))
    array([[[[5., 7.]]]])
    """
    x = operand("adaptive_max_pool2d", x)
    return max_pool2d(x, _equal_parts("adaptive_max_pool2d", x, output_size))


def _sizes(name: str, x: Any, axes: str, what: str = "images") -> tuple[int, ...]:
    """Return the lengths of the axes after the first two, after the check of the number of axes."""
    shape = np.shape(x)
    if len(shape) != axes.count(",") + 1:
        hint = ""
        if what == "images":
            what = "images" if "H" in axes else "sequences"
            missing = axes.count(",") + 1 - len(shape)
            hint = "; x[None] makes a batch of one" if missing == 1 else "; x.reshape(…) gives it these axes"
            if missing == 2:
                hint = "; x[None, None] makes a batch of one with one channel" + hint
        raise ShapeError(f"{name} needs {what} of shape ({axes}), not {shape}{hint}")
    return shape[2:]


def per_axis(name: str, argument: str, value: Any, least: int = 0, axes: int = 2) -> tuple[int, ...]:
    """Return a size for each axis, such as rows and columns, given as one number or one for each."""
    sizes = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(sizes) != axes or not all(is_whole(n, least) for n in sizes):
        bound = f"{least}, or two" if axes == 2 else str(least)
        raise ValueError(f"{name}: {argument} must be a whole number of at least {bound}, not {value!r:.60}")
    return tuple(map(int, sizes))


def geometry(name: str, kernel: tuple[int, ...], stride: Any, padding: Any, dilation: Any, groups: Any) -> Geometry:
    """Return how kernels of a size move over images, or sequences, after the check of each argument of ``name``."""
    axes = len(kernel)
    stride, dilation = per_axis(name, "stride", stride, 1, axes), per_axis(name, "dilation", dilation, 1, axes)
    if not is_whole(groups, 1):
        raise ValueError(f"{name}: groups must be a whole number of at least 1, not {groups!r}")
    if isinstance(padding, str):
        expect_choice(name, "padding", padding, ("same", "valid"))
    if isinstance(padding, str) and padding == "same":
        added = tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        if max(stride) > 1:
            raise ValueError(f'{name}: padding="same" keeps the size only with stride 1, not {stride}')
        if any(n % 2 for n in added):
            raise ValueError(
                f'{name}: padding="same" cannot be the same on both sides of a window of an even size, here {kernel}: '
                "use odd sizes, or pad with np.pad"
            )
        padding = tuple(n // 2 for n in added)
    elif isinstance(padding, str):
        padding = 0
    padding = per_axis(name, "padding", padding, 0, axes)
    if axes == 1:  # a sequence is an image of one row
        stride, padding, dilation = (1, *stride), (0, *padding), (1, *dilation)
    return Geometry(stride, padding, dilation, int(groups))


def transposed_geometry(
    name: str, kernel: tuple[int, ...], stride: Any, padding: Any, output_padding: Any, dilation: Any, groups: Any
) -> tuple[Geometry, tuple[int, ...]]:
    """Return the geometry of the convolution of which this is the derivative, and the rows and columns to add."""
    if isinstance(padding, str):
        raise ValueError(f"{name}: padding must be a whole number or two, not {padding!r}")
    how = geometry(name, kernel, stride, padding, dilation, groups)
    added = per_axis(name, "output_padding", output_padding)
    if any(a >= max(s, d) for a, s, d in zip(added, how.stride, how.dilation, strict=True)):
        raise ShapeError(f"{name}: output_padding {added} must be less than the stride or the dilation")
    return how, added


def pool_geometry(name: str, kernel_size: Any, stride: Any, padding: Any) -> tuple[tuple[int, ...], Geometry]:
    """Return the size of the windows of a pooling, and how they move over images."""
    kernel = per_axis(name, "kernel_size", kernel_size, 1)
    how = geometry(name, kernel, kernel if stride is None else stride, padding, 1, 1)
    if any(2 * p > k for p, k in zip(how.padding, kernel, strict=True)):
        raise ValueError(f"{name}: padding {how.padding} must be at most half of the window {kernel}")
    return kernel, how


def _check_channels(name: str, x: tuple[int, ...], weight: tuple[int, ...], groups: int) -> None:
    if weight[0] % groups:
        raise ShapeError(f"{name}: the {weight[0]} kernels of weight {weight} do not divide into {groups} groups")
    if x[1] != weight[1] * groups:
        in_groups = f" in each of {groups} groups" if groups > 1 else ""
        raise ShapeError(
            f"{name}: the input, of shape {x}, has {x[1]} channels, but the weight, of shape {weight}, is for "
            f"{weight[1]}{in_groups}"
        )


def _check_size(name: str, size: tuple[int, ...], kernel: tuple[int, ...], how: Geometry) -> None:
    if min(how.windows_in(size, kernel)) < 1:
        spread = f" with dilation {how.dilation}" if how.dilation != (1, 1) else ""
        margin = f" with padding {how.padding}" if how.padding != (0, 0) else ""
        raise ShapeError(
            f"{name}: a window of size {kernel}{spread} does not fit into images of size {size}{margin}: use a smaller "
            "kernel, or padding"
        )


def _pooling(name: str, x: Any, kernel_size: Any, stride: Any, padding: Any) -> tuple[tuple[int, ...], Geometry]:
    size, (kernel, how) = _sizes(name, x, "N, C, H, W"), pool_geometry(name, kernel_size, stride, padding)
    _check_size(name, size, kernel, how)
    return kernel, how


def _equal_parts(name: str, x: Any, output_size: Any) -> tuple[int, ...]:
    size, parts = _sizes(name, x, "N, C, H, W"), per_axis(name, "output_size", output_size, 1)
    if any(n % part or not n for n, part in zip(size, parts, strict=True)):
        raise ShapeError(f"{name}: images of size {size} do not divide into {parts} equal windows")
    return tuple(n // part for n, part in zip(size, parts, strict=True))


def _with_bias(name: str, y: Any, bias: Any) -> Any:
    if bias is None:
        return y
    bias = operand(name, bias)
    if bias.shape != y.shape[1:2]:
        raise ShapeError(f"{name}: a bias of shape {bias.shape} for {y.shape[1]} output channels, which need one each")
    return y + bias.reshape((-1, *[1] * (y.ndim - 2)))
