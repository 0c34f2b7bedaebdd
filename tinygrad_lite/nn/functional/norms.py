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

from ...arrays import ArrayLike, get_default_dtype
from ...errors import ShapeError
from ...tensor import Tensor
from .checks import NOT_NEGATIVE, expect_flags, expect_number, expect_sizes, is_whole, operand

EPS = 1e-5  # is added to a variance, so that equal elements do not divide by zero


def normalised(x: Any, axis: int | tuple[int, ...], eps: float = EPS) -> Any:
    """Return ``x`` shifted and scaled to mean 0 and variance 1 over some axes: (x - mean) / √(variance + eps)."""
    deviation = x - x.mean(axis=axis, keepdims=True)
    return deviation / np.sqrt(np.square(deviation).mean(axis=axis, keepdims=True) + eps)


def layer_norm(
    x: ArrayLike,
    normalized_shape: int | tuple[int, ...],
    weight: ArrayLike = None,
    bias: ArrayLike = None,
    eps: float = EPS,
) -> Tensor:
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

    Examples
    --------
    >>> tg.nn.functional.layer_norm(np.array([[1.0, 3.0], [10.0, 50.0]]), 2).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    x, shape = _ends_in("layer_norm", x, normalized_shape)
    expect_number("layer_norm", "eps", eps, NOT_NEGATIVE)
    scale = _of_shape("layer_norm", shape, f"over axes of shape {shape}", weight=weight, bias=bias)
    return _scaled(normalised(x, tuple(range(-len(shape), 0)), eps), *scale)


def rms_norm(
    x: ArrayLike, normalized_shape: int | tuple[int, ...], weight: ArrayLike = None, eps: float | None = None
) -> Tensor:
    """Divide each sample by the root of its mean square over its last axes, then multiply by ``weight``.

    Source: B. Zhang and R. Sennrich, "Root mean square layer normalization", 2019. Arguments are those of `layer_norm`;
    ``eps`` is by default the distance from 1 to the next number of the type of ``x``, as in PyTorch.

    Examples
    --------
    >>> tg.nn.functional.rms_norm(np.array([[1.0, 7.0]]), 2)  # divided by √((1 + 49) / 2)
    array([[0.2, 1.4]])
    """
    x, shape = _ends_in("rms_norm", x, normalized_shape)
    eps = float(np.finfo(x.dtype if x.dtype.kind == "f" else get_default_dtype()).eps) if eps is None else eps
    expect_number("rms_norm", "eps", eps, NOT_NEGATIVE)
    scale = _of_shape("rms_norm", shape, f"over axes of shape {shape}", weight=weight, bias=None)
    square = np.square(x).mean(axis=tuple(range(-len(shape), 0)), keepdims=True)
    return _scaled(x / np.sqrt(square + eps), *scale)


def group_norm(
    x: ArrayLike, num_groups: int, weight: ArrayLike = None, bias: ArrayLike = None, eps: float = EPS
) -> Tensor:
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

    Examples
    --------
    >>> tg.nn.functional.group_norm(np.array([[1.0, 3.0, 10.0, 50.0]]), num_groups=2).round(3)
    array([[-1.,  1., -1.,  1.]])
    """
    x = operand("group_norm", x)
    shape = x.shape
    expect_sizes("group_norm", num_groups=num_groups)
    expect_number("group_norm", "eps", eps, NOT_NEGATIVE)
    if len(shape) < 2 or shape[1] % num_groups or 0 in shape[1:]:
        raise ShapeError(f"group_norm of {shape}: axis 1, the channels, must divide into {num_groups} groups")
    grouped = x.reshape((shape[0], num_groups, math.prod(shape[1:]) // num_groups))
    return _scaled(
        normalised(grouped, -1, eps).reshape(shape), *_per_channel("group_norm", shape, weight=weight, bias=bias)
    )


def batch_norm(
    x: ArrayLike,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    weight: ArrayLike = None,
    bias: ArrayLike = None,
    training: bool = False,
    *,
    eps: float = EPS,
) -> Tensor:
    """Normalise each channel over the batch in training, or by its running statistics; then scale and shift it.

    Source: S. Ioffe and C. Szegedy, "Batch normalization", 2015. The running statistics are not changed here, unlike in
    PyTorch, since a function changes none of its arguments: `BatchNorm2d` does that.

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
        If a training batch has less than two values for each channel, or there are no statistics in evaluation.
    ShapeError
        If there is not one number for each channel in the statistics, the weight or the bias.

    Examples
    --------
    >>> x = np.array([[1.0, 10.0], [3.0, 50.0]])
    >>> tg.nn.functional.batch_norm(x, None, None, training=True).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> tg.nn.functional.batch_norm(x, running_mean=[1.0, 0.0], running_var=[4.0, 100.0]).round(3)
    array([[0., 1.],
           [1., 5.]])
    """
    x = operand("batch_norm", x)
    shape = x.shape
    expect_flags("batch_norm", training=training)
    expect_number("batch_norm", "eps", eps, NOT_NEGATIVE)
    if len(shape) < 2:
        raise ShapeError(f"batch_norm needs an input of shape (N, C, …), not {shape}")
    scale = _per_channel("batch_norm", shape, weight=weight, bias=bias)
    axes = (0, *range(2, len(shape)))
    if training:
        count = math.prod(shape[i] for i in axes)
        if count < 2:
            few = "one value for each channel, whose variance is 0" if count else "no value"
            raise ValueError(f"batch_norm in training of shape {shape} has {few}: use larger batches, or net.eval()")
        return _scaled(normalised(x, axes, eps), *scale)
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm needs running_mean and running_var, unless training=True")
    mean, variance = _per_channel("batch_norm", shape, running_mean=running_mean, running_var=running_var)
    return _scaled((x - mean) / np.sqrt(variance + eps), *scale)


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _per_channel(name: str, shape: tuple[int, ...], **values: Any) -> list[Any]:
    """Return values for each channel so that they broadcast against ``x`` of a shape (N, C, …)."""
    of_channels = _of_shape(name, shape[1:2], f"of shape {shape}", **values)
    return [value if value is None else value.reshape((-1, *[1] * (len(shape) - 2))) for value in of_channels]


def _of_shape(name: str, shape: tuple[int, ...], what: str, **values: Any) -> list[Any]:
    """Return scales, shifts and statistics as operands, after the check that each that is given has one shape."""
    found = [value if value is None else operand(name, value) for value in values.values()]
    for argument, value in zip(values, found, strict=True):
        if value is not None and value.shape != shape:
            raise ShapeError(f"{name} {what} needs a {argument} of shape {shape}, not {value.shape}")
    return found


def _ends_in(name: str, x: Any, normalized_shape: Any) -> tuple[Any, tuple[int, ...]]:
    """Return the operand and the shape of its last axes, which are to be normalised, after the check of both."""
    x, given = operand(name, x), shape_to_normalise(name, normalized_shape)
    if x.shape[-len(given) :] != given:
        raise ShapeError(f"{name} over the last axes, of shape {given}, but the input has shape {x.shape}")
    return x, given


def shape_to_normalise(name: str, normalized_shape: Any) -> tuple[int, ...]:
    """Return the shape of the axes to normalise, given as one number or several."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    if not shape or not all(is_whole(n, 1) for n in shape):
        raise ValueError(f"{name} needs a normalized_shape of whole numbers above 0, not {normalized_shape!r:.60}")
    return shape
