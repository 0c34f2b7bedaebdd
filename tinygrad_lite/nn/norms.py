"""Normalisation: layers that shift and scale activations to mean 0 and variance 1, and learn the best mean and scale.

A deep net learns faster if the scale of its activations does not drift from layer to layer. The layers differ only in
the elements of which they take the mean: over the batch for each channel (`BatchNorm2d`), over each sample
(`LayerNorm`), or over groups of its channels (`GroupNorm`).

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.nn.LayerNorm(3)(np.array([[1.0, 2.0, 3.0]], dtype=np.float32)).numpy().round(2)
array([[-1.22,  0.  ,  1.22]], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import ArrayLike, get_default_dtype
from ..errors import ShapeError
from ..tensor import Tensor
from .functional.checks import FRACTION, NOT_NEGATIVE, expect_flags, expect_number, expect_sizes, operand
from .functional.norms import EPS, batch_norm, group_norm, layer_norm, rms_norm, shape_to_normalise
from .module import Module
from .tree import Buffer


def _ones(shape: tuple[int, ...], name: str) -> Tensor:
    return Tensor(np.ones(shape, get_default_dtype()), requires_grad=True, name=name)


def _zeros(shape: tuple[int, ...], name: str) -> Tensor:
    return Tensor(np.zeros(shape, get_default_dtype()), requires_grad=True, name=name)


class LayerNorm(Module):
    """Each sample normalised over its last axes: `functional.layer_norm` with a learnt scale and shift.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The shape of these axes.
    eps : float
        Is added to the variance.
    elementwise_affine, bias : bool
        Whether there is a scale, and besides it a shift.

    Attributes
    ----------
    weight, bias : Tensor of shape normalized_shape, or None
        The scale, at first ones, and the shift, at first zeros.

    Examples
    --------
    >>> norm = tg.nn.LayerNorm(2)
    >>> norm(np.array([[1.0, 3.0], [10.0, 50.0]])).numpy().round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = EPS,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        expect_number("LayerNorm", "eps", eps, NOT_NEGATIVE)
        expect_flags("LayerNorm", elementwise_affine=elementwise_affine, bias=bias)
        self.shape, self.eps = shape_to_normalise("LayerNorm", normalized_shape), eps
        self.weight = _ones(self.shape, "weight") if elementwise_affine else None
        self.bias = _zeros(self.shape, "bias") if elementwise_affine and bias else None

    def forward(self, x: ArrayLike) -> Tensor:
        """Normalise an input of shape (…, *normalized_shape)."""
        return layer_norm(x, self.shape, self.weight, self.bias, self.eps)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"LayerNorm({self.shape[0] if len(self.shape) == 1 else self.shape})"


class RMSNorm(Module):
    """Each sample divided by its root mean square over its last axes: `functional.rms_norm` with a learnt scale.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The shape of these axes.
    eps : float, optional
        Is added to the mean square.
    elementwise_affine : bool
        Whether there is a scale.

    Attributes
    ----------
    weight : Tensor of shape normalized_shape, or None
        The scale, at first ones.

    Examples
    --------
    >>> tg.nn.RMSNorm(2)(np.array([[1.0, 7.0]])).numpy()  # divided by √((1 + 49) / 2)
    array([[0.2, 1.4]], dtype=float32)
    """

    def __init__(
        self, normalized_shape: int | tuple[int, ...], eps: float | None = None, elementwise_affine: bool = True
    ) -> None:
        expect_number("RMSNorm", "eps", 0 if eps is None else eps, NOT_NEGATIVE)
        expect_flags("RMSNorm", elementwise_affine=elementwise_affine)
        self.shape, self.eps = shape_to_normalise("RMSNorm", normalized_shape), eps
        self.weight = _ones(self.shape, "weight") if elementwise_affine else None

    def forward(self, x: ArrayLike) -> Tensor:
        """Normalise an input of shape (…, *normalized_shape)."""
        return rms_norm(x, self.shape, self.weight, self.eps)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"RMSNorm({self.shape[0] if len(self.shape) == 1 else self.shape})"


class GroupNorm(Module):
    """Each sample normalised over groups of its channels: `functional.group_norm` with a learnt scale and shift.

    Parameters
    ----------
    num_groups, num_channels : int
        The number of groups, and that of channels, axis 1 of the input.
    eps : float
        Is added to the variance.
    affine : bool
        Whether there are a scale and a shift.

    Attributes
    ----------
    weight, bias : Tensor of shape (num_channels,), or None
        The scale, at first ones, and the shift, at first zeros.

    Examples
    --------
    >>> norm = tg.nn.GroupNorm(num_groups=2, num_channels=4)
    >>> norm(np.array([[1.0, 3.0, 10.0, 50.0]])).numpy().round(3)  # (1, 3) and (10, 50) are the groups
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = EPS, affine: bool = True) -> None:
        expect_sizes("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        expect_number("GroupNorm", "eps", eps, NOT_NEGATIVE)
        expect_flags("GroupNorm", affine=affine)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels do not divide into {num_groups} groups")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = _ones((num_channels,), "weight") if affine else None
        self.bias = _zeros((num_channels,), "bias") if affine else None

    def forward(self, x: ArrayLike) -> Tensor:
        """Normalise an input of shape (N, num_channels, …)."""
        x = operand("GroupNorm", x)
        if x.shape[1:2] != (self.num_channels,):
            needed = f"(N, {self.num_channels}, …), with its channels on axis 1"
            raise ShapeError(f"GroupNorm needs an input of shape {needed}, not {x.shape}")
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"GroupNorm({self.num_groups}, {self.num_channels})"


class _BatchNorm(Module):
    """What the layers that normalise over the batch share."""

    ranks: tuple[int, ...]
    running_mean: Any
    running_var: Any

    def __init__(
        self,
        num_features: int,
        eps: float = EPS,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        name = type(self).__name__
        expect_sizes(name, num_features=num_features)
        expect_number(name, "eps", eps, NOT_NEGATIVE)
        expect_number(name, "momentum", momentum, FRACTION)
        expect_flags(name, affine=affine, track_running_stats=track_running_stats)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = _ones((num_features,), "weight") if affine else None
        self.bias = _zeros((num_features,), "bias") if affine else None
        tracked = track_running_stats
        self.running_mean = (
            Buffer(np.zeros(num_features, get_default_dtype()), name="running_mean") if tracked else None
        )
        self.running_var = Buffer(np.ones(num_features, get_default_dtype()), name="running_var") if tracked else None

    def forward(self, x: ArrayLike) -> Tensor:
        """Normalise an input whose axis 1 has num_features channels; in training also note its statistics."""
        x = operand(type(self).__name__, x)
        shape = x.shape
        if len(shape) not in self.ranks or shape[1] != self.num_features:
            axes = " or ".join(("(N, C)", "(N, C, L)", "(N, C, H, W)")[rank - 2] for rank in self.ranks)
            raise ShapeError(f"an input of shape {shape}, but {axes} with C = {self.num_features} channels is needed")
        uses_batch = self.training or self.running_mean is None
        y = batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, uses_batch, eps=self.eps)
        if self.training and self.running_mean is not None:
            values = x.detach() if isinstance(x, Tensor) else x
            over, keep, new = (0, *range(2, len(shape))), 1 - self.momentum, self.momentum
            self.running_mean = keep * self.running_mean + new * values.mean(axis=over)
            self.running_var = keep * self.running_var + new * values.var(axis=over, ddof=1)
        return y

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"{type(self).__name__}({self.num_features})"


class BatchNorm1d(_BatchNorm):
    """Each feature normalised over the batch: inputs of shape (N, C) or (N, C, L).

    Arguments and attributes are those of `BatchNorm2d`.

    Examples
    --------
    >>> norm = tg.nn.BatchNorm1d(2)
    >>> norm(np.array([[1.0, 10.0], [3.0, 50.0]])).numpy().round(3)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> norm.eval()
    BatchNorm1d(2)
    >>> norm(np.array([[1.0, 10.0], [3.0, 50.0]])).numpy().round(3)  # by running_mean and running_var, after one batch
    array([[0.763, 0.778],
           [2.67 , 5.225]], dtype=float32)
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of images normalised over the batch and all positions: inputs of shape (N, C, H, W).

    Parameters
    ----------
    num_features : int
        The number of channels, axis 1 of the input.
    eps : float
        Is added to the variance.
    momentum : float
        The weight of a new batch in the running statistics: mean ← (1 - momentum) · mean + momentum · mean of batch.
    affine, track_running_stats : bool
        Whether there are a scale and a shift; whether running statistics are kept for evaluation.

    Attributes
    ----------
    weight, bias : Tensor of shape (num_features,), or None
        The scale, at first ones, and the shift, at first zeros.
    running_mean, running_var : Buffer of shape (num_features,), or None
        The statistics that evaluation uses, at first 0 and 1. The variance divides by n - 1, as in PyTorch.

    Examples
    --------
    >>> norm = tg.nn.BatchNorm2d(3)
    >>> norm(np.ones((10, 3, 8, 8))).shape
    (10, 3, 8, 8)
    >>> norm.running_mean.numpy(), norm.running_var.numpy()  # a tenth of the way from 0 to 1, and from 1 to 0
    (array([0.1, 0.1, 0.1], dtype=float32), array([0.9, 0.9, 0.9], dtype=float32))
    """

    ranks = (4,)
