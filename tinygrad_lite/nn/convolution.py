"""Convolution and pooling: the layers that look at small windows of an image.

A convolution multiplies each window by the same kernels, so it finds a pattern wherever it stands, with few weights. A
pooling keeps one number of each window. Each layer here has a function of the same meaning in `functional`.

Images have shape (N, C, H, W): a batch of N images, each with C channels of H rows and W columns; sequences have
shape (N, C, L).

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> images = np.zeros((2, 1, 28, 28), dtype=np.float32)
>>> tg.nn.MaxPool2d(2)(tg.nn.Conv2d(1, 6, 5, rng=0)(images)).shape
(2, 6, 12, 12)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..arrays import ArrayLike
from ..support.randomness import Rng, generator_for
from ..tensor import Tensor
from . import init
from .functional.checks import expect_flags, expect_sizes
from .functional.convolution import (
    Size,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    conv1d,
    conv2d,
    conv_transpose2d,
    geometry,
    max_pool2d,
    per_axis,
    pool_geometry,
    transposed_geometry,
)
from .module import Module


class _Convolution(Module):
    """What the layers of convolutions share: their weights, and how they print."""

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: Rng = None,
        initialiser: Callable[..., Any] = init.fan_in_uniform,
    ) -> None:
        name = type(self).__name__
        expect_sizes(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        expect_flags(name, bias=bias)
        for argument, value in (("in_channels", in_channels), ("out_channels", out_channels)):
            if value % groups:
                raise ValueError(f"{name}: {argument}={value} is no multiple of groups={groups}")
        kernel = per_axis(name, "kernel_size", kernel_size, 1, self.axes)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self._check(name, kernel)  # an error here names the layer
        rng = generator_for(rng)
        shape = (*self._channels(in_channels, out_channels), *kernel)
        self.weight = init.weights(name, initialiser, shape, rng)
        limit = 1 / math.sqrt(math.prod(shape[1:]))
        drawn = rng.uniform(-limit, limit, out_channels).astype(self.weight.dtype)
        self.bias = Tensor(drawn, requires_grad=True, name="bias") if bias else None

    def _check(self, name: str, kernel: tuple[int, ...]) -> None:
        geometry(name, kernel, self.stride, self.padding, self.dilation, self.groups)

    def _channels(self, in_channels: int, out_channels: int) -> tuple[int, int]:
        return out_channels, in_channels // self.groups

    def describe(self) -> str:
        """Return the layer in one line."""
        kernel = self.weight.shape[2:]
        sizes = (self.in_channels, self.out_channels, kernel[0] if len({*kernel}) == 1 else kernel)
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        others = [f"{name}={getattr(self, name)!r}" for name, value in usual.items() if getattr(self, name) != value]
        return f"{type(self).__name__}({', '.join([*map(str, sizes), *others])})"


class Conv2d(_Convolution):
    """A convolution of images: `functional.conv2d` with kernels that are learnt.

    Parameters
    ----------
    in_channels, out_channels : int
        The number of channels of the input and of the output.
    kernel_size : int or tuple of two int
        The height and the width of a window.
    stride, padding, dilation, groups
        As for `functional.conv2d`.
    bias : bool
        Whether a number is added to each output channel.
    rng : numpy.random.Generator or int, optional
        Draws weight and bias.
    initialiser : callable
        Draws the weight in place of `init.fan_in_uniform`, with which PyTorch's start, too.

    Attributes
    ----------
    weight : Tensor of shape (out_channels, in_channels / groups, height, width)
        At first uniform in ±1 / √fan-in, where the fan-in is the number of elements that a window multiplies.
    bias : Tensor of shape (out_channels,), or None
        At first from the same interval.

    Examples
    --------
    >>> layer = tg.nn.Conv2d(1, 6, kernel_size=5, padding=2, rng=0)
    >>> layer(np.zeros((100, 1, 28, 28))).shape
    (100, 6, 28, 28)
    >>> layer.weight.shape, layer.bias.shape
    ((6, 1, 5, 5), (6,))
    """

    def forward(self, x: ArrayLike) -> Tensor:
        """Map images of shape (N, in_channels, H, W) to (N, out_channels, rows, columns)."""
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv1d(_Convolution):
    """A convolution of sequences: `functional.conv1d` with kernels that are learnt.

    Arguments and initial values are those of `Conv2d`, with one number for each size. The weight has shape
    (out_channels, in_channels / groups, kernel_size).

    Examples
    --------
    >>> tg.nn.Conv1d(4, 8, kernel_size=3, rng=0)(np.zeros((10, 4, 50))).shape
    (10, 8, 48)
    """

    axes = 1

    def forward(self, x: ArrayLike) -> Tensor:
        """Map sequences of shape (N, in_channels, L) to (N, out_channels, windows)."""
        how: Any = (self.stride, self.padding, self.dilation, self.groups)
        return conv1d(x, self.weight, self.bias, *how)


class ConvTranspose2d(_Convolution):
    """A transposed convolution, which makes images larger: `functional.conv_transpose2d` with learnt kernels.

    Its weight has shape (in_channels, out_channels / groups, height, width). Arguments are those of `Conv2d`, in
    PyTorch's order, and ``output_padding``, the rows and columns to add on one side.

    Examples
    --------
    >>> tg.nn.ConvTranspose2d(8, 1, kernel_size=2, stride=2, rng=0)(np.zeros((10, 8, 7, 7))).shape
    (10, 1, 14, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        **options: Any,
    ) -> None:
        self.output_padding = output_padding
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, **options)

    def _check(self, name: str, kernel: tuple[int, ...]) -> None:
        how = (self.stride, self.padding, self.output_padding, self.dilation, self.groups)
        transposed_geometry(name, kernel, *how)

    def _channels(self, in_channels: int, out_channels: int) -> tuple[int, int]:
        return in_channels, out_channels // self.groups

    def forward(self, x: ArrayLike) -> Tensor:
        """Map images of shape (N, in_channels, H, W) to (N, out_channels, rows, columns)."""
        how: Any = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return conv_transpose2d(x, self.weight, self.bias, *how)


class _Pool(Module):
    """What the layers that pool windows share: the size and the step of a window."""

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        self.kernel_size, _ = pool_geometry(type(self).__name__, kernel_size, stride, padding)
        self.stride, self.padding = self.kernel_size if stride is None else stride, padding

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"{type(self).__name__}({self.kernel_size}, stride={self.stride}, padding={self.padding})"


class MaxPool2d(_Pool):
    """The maximum of each window of images: `functional.max_pool2d`, which describes the arguments.

    Examples
    --------
    >>> tg.nn.MaxPool2d(2)(np.arange(8.0).reshape(1, 1, 2, 4))
    array([[[[5., 7.]]]])
    """

    def forward(self, x: ArrayLike) -> Tensor:
        """Map images of shape (N, C, H, W) to (N, C, rows, columns)."""
        return max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool):
    """The mean of each window of images: `functional.avg_pool2d`, which describes the arguments.

    Examples
    --------
    >>> tg.nn.AvgPool2d(2)(np.arange(8.0).reshape(1, 1, 2, 4))
    array([[[[2.5, 4.5]]]])
    """

    def forward(self, x: ArrayLike) -> Tensor:
        """Map images of shape (N, C, H, W) to (N, C, rows, columns)."""
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class AdaptiveAvgPool2d(Module):
    """Means over as many equal windows as wanted: with ``output_size`` 1 the global average pooling.

    Examples
    --------
    >>> tg.nn.AdaptiveAvgPool2d(1)(np.arange(8.0).reshape(1, 1, 2, 4))
    array([[[[3.5]]]])
    >>> tg.nn.AdaptiveAvgPool2d((1, 2))(np.arange(8.0).reshape(1, 1, 2, 4))
    array([[[[2.5, 4.5]]]])
    """

    def __init__(self, output_size: Size) -> None:
        per_axis("AdaptiveAvgPool2d", "output_size", output_size, 1)
        self.output_size = output_size

    def forward(self, x: ArrayLike) -> Tensor:
        """Map images of shape (N, C, H, W) to (N, C, rows, columns)."""
        return adaptive_avg_pool2d(x, self.output_size)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"AdaptiveAvgPool2d({self.output_size})"


class AdaptiveMaxPool2d(Module):
    """Maxima over as many equal windows as wanted: with ``output_size`` 1 the global max pooling.

    Examples
    --------
    >>> tg.nn.AdaptiveMaxPool2d(1)(np.arange(8.0).reshape(1, 1, 2, 4))
    array([[[[7.]]]])
    """

    def __init__(self, output_size: Size) -> None:
        per_axis("AdaptiveMaxPool2d", "output_size", output_size, 1)
        self.output_size = output_size

    def forward(self, x: ArrayLike) -> Tensor:
        """Map images of shape (N, C, H, W) to (N, C, rows, columns)."""
        return adaptive_max_pool2d(x, self.output_size)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"AdaptiveMaxPool2d({self.output_size})"
