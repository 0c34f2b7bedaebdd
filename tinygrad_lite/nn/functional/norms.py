"""Normalisation: functions that shift and scale activations to mean 0 and variance 1.

They differ only in the elements of which they take the mean: over the batch for each channel (`batch_norm`), over each
sample (`layer_norm`), or over groups of its channels (`group_norm`).

Examples
--------
>>> import numpy as np
>>> layer_norm(np.array([[1.0, 2.0, 3.0]]), 3).round(2)
array([[-1.22,  0.  ,  1.22]])
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ShapeError

EPS = 1e-5  # is added to a variance, so that equal elements do not divide by zero


def normalised(x: Any, axis: int | tuple[int, ...], eps: float = EPS) -> Any:
    """Return ``x`` shifted and scaled to mean 0 and variance 1 over some axes: (x - mean) / √(variance + eps)."""
    deviation = x - x.mean(axis=axis, keepdims=True)
    return deviation / np.sqrt(np.square(deviation).mean(axis=axis, keepdims=True) + eps)


def layer_norm(
    x: Any, normalized_shape: int | tuple[int, ...], weight: Any = None, bias: Any = None, eps: float = EPS
) -> Any:
    """Normalise each sample over its last axes, then multiply by ``weight`` and add ``bias``.

    Source: J. L. Ba and others, "Layer normalization", 2016.

    Parameters
    ----------
    x : Tensor or array of shape (…, *normalized_shape)
    normalized_shape : int or tuple of int
        The shape over which to take mean and variance.
    weight, bias : Tensor or array of that shape, optional
    eps : float
        Is added to the variance.

    Raises
    ------
    ShapeError
        If ``x`` does not end in ``normalized_shape``.
    """
    shape = _ends_in("layer_norm", x, normalized_shape)
    return _scaled(normalised(x, tuple(range(-len(shape), 0)), eps), weight, bias)


def rms_norm(x: Any, normalized_shape: int | tuple[int, ...], weight: Any = None, eps: float | None = None) -> Any:
    """Divide each sample by the root of its mean square over its last axes, then multiply by ``weight``.

    Source: B. Zhang and R. Sennrich, "Root mean square layer normalization", 2019. Arguments are those of `layer_norm`;
    ``eps`` is by default the distance from 1 to the next number of the type of ``x``, as in PyTorch.
    """
    shape = _ends_in("rms_norm", x, normalized_shape)
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    square = np.square(x).mean(axis=tuple(range(-len(shape), 0)), keepdims=True)
    return _scaled(x / np.sqrt(square + eps), weight, None)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = EPS) -> Any:
    """Normalise each sample over groups of its channels, then multiply by ``weight`` and add ``bias`` for each channel.

    Source: Y. Wu and K. He, "Group normalization", 2018.

    Parameters
    ----------
    x : Tensor or array of shape (N, C, …)
    num_groups : int
        The number of groups, of C / num_groups channels each.
    weight, bias : Tensor or array of shape (C,), optional
    eps : float
        Is added to the variance.

    Raises
    ------
    ShapeError
        If the channels do not divide into groups.
    """
    shape = np.shape(x)
    if len(shape) < 2 or shape[1] % num_groups:
        raise ShapeError(f"group_norm of {shape}: axis 1, the channels, must divide into {num_groups} groups")
    grouped = x.reshape((shape[0], num_groups, math.prod(shape[1:]) // num_groups))
    return _scaled(normalised(grouped, -1, eps).reshape(shape), *_per_channel(shape, weight, bias))


def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    eps: float = EPS,
) -> Any:
    """Normalise each channel over the batch in training, or by its running statistics; then scale and shift it.

    Source: S. Ioffe and C. Szegedy, "Batch normalization", 2015. The running statistics are not changed here:
    `BatchNorm2d` does that.

    Parameters
    ----------
    x : Tensor or array of shape (N, C, …)
    running_mean, running_var : Tensor or array of shape (C,), or None in training
    weight, bias : Tensor or array of shape (C,), optional
    training : bool
        Whether to use the mean and variance of this batch.
    eps : float
        Is added to the variance.

    Raises
    ------
    ValueError
        If a training batch has one value for each channel, whose variance is 0.
    """
    shape = np.shape(x)
    axes = (0, *range(2, len(shape)))
    if training:
        if math.prod(shape[i] for i in axes) < 2:
            raise ValueError(
                f"batch_norm in training of shape {shape} has one value for each channel, whose variance is 0: use "
                "larger batches, or net.eval()"
            )
        return _scaled(normalised(x, axes, eps), *_per_channel(shape, weight, bias))
    mean, variance = _per_channel(shape, running_mean, running_var)
    return _scaled((x - mean) / np.sqrt(variance + eps), *_per_channel(shape, weight, bias))


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _per_channel(shape: tuple[int, ...], *values: Any) -> list[Any]:
    """Return values for each channel so that they broadcast against ``x`` of a shape (N, C, …)."""
    return [value if value is None else value.reshape((-1, *[1] * (len(shape) - 2))) for value in values]


def _ends_in(name: str, x: Any, normalized_shape: int | tuple[int, ...]) -> tuple[int, ...]:
    given = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    if np.shape(x)[-len(given) :] != given:
        raise ShapeError(f"{name} over the last axes, of shape {given}, but the input has shape {np.shape(x)}")
    return given
