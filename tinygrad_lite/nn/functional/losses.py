"""Losses, labels and accuracy.

The losses check the shapes first: broadcasting predictions against targets would give a wrong loss without an error.

Examples
--------
>>> import numpy as np
>>> round(float(binary_cross_entropy_with_logits(np.array([0.0, 20.0]), np.array([1.0, 1.0]))), 3)
0.347
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...arrays import get_default_dtype, raw
from ...errors import ShapeError
from ...rules import composed, neural
from ...support.devices import mixing_error, on_device_of
from .activations import softplus
from .checks import expect_below, shape_of

REDUCTIONS = ("mean", "sum", "none")


def squared_loss(p: Any, y: Any) -> Any:
    """Return the squared differences, summed over a sample and averaged over the batch: 1/n Σ (p - y)².

    Parameters
    ----------
    p : Tensor or array of shape (n, k)
        Predictions. The last axis holds one sample, and all axes before it are the batch; shape (k,) is one sample.
    y : Tensor or array of the same shape
        Targets. For a classification, `one_hot` of the labels.

    Raises
    ------
    ShapeError
        If the shapes differ: the loss does not broadcast.
    ValueError
        If the batch is empty.
    """
    _check_targets("squared_loss", p, y)
    return neural.squared_loss(p, y)


def cross_entropy(
    logits: Any,
    y: Any,
    weight: Any = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return the cross-entropy of softmax(logits), averaged over the batch: -1/n Σ y log softmax(logits).

    Parameters
    ----------
    logits : Tensor or array of shape (…, k)
        Scores, before any softmax.
    y : array of int of shape (…,), or Tensor or array of shape (…, k)
        The label of each sample, or its distribution over the classes.
    weight : array of shape (k,), optional
        The weight of each class. The mean over labels is then a weighted one.
    ignore_index : int, optional
        The label of samples that do not count. By default all count, unlike in PyTorch, where it is -100.
    reduction : {"mean", "sum", "none"}
        What to return of the losses of all samples.
    label_smoothing : float
        The part of each target that is spread evenly over all classes, from 0 to 1. Source: C. Szegedy and others,
        "Rethinking the inception architecture for computer vision", 2016, section 7.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ValueError
        If the batch is empty or a label is outside ``range(k)``.
    TypeError
        If labels are not whole numbers.
    """
    shape = shape_of(logits)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be from 0 to 1, not {label_smoothing!r}")
    counted = None  # the weight of each sample in the mean, if they differ
    is_column = shape_of(y) == (*shape[:-1], 1) != shape
    if len(shape_of(y)) == len(shape) - 1 or is_column:
        _check_labels("cross_entropy", logits, y)
        labels, counts = _counted(y, ignore_index)
        y = one_hot(labels, shape[-1])
        is_counted = ignore_index is not None or weight is not None
        if (is_counted or label_smoothing) and logits.dtype.kind == "f":
            y = y.astype(logits.dtype)  # quotients are rounded, as labels are not
        if is_counted:
            counted = counts.astype(y.dtype)
            y = y * counted[..., None]
    _check_targets("cross_entropy", logits, y)
    if label_smoothing:
        y = (1 - label_smoothing) * y + label_smoothing / shape[-1] * y.sum(axis=-1, keepdims=True)
    if weight is not None:
        if shape_of(weight) != shape[-1:]:
            raise ShapeError(f"cross_entropy needs a weight for each of {shape[-1]} classes, not {shape_of(weight)}")
        weight = composed.array_like(raw(weight)).astype(y.dtype)
        y = y * weight
        if counted is not None:
            counted = counted * np.take(weight, labels)
    if reduction == "mean":
        loss = neural.cross_entropy(logits, y)
        return loss if counted is None else loss * (math.prod(shape[:-1]) / counted.sum())
    return reduced("cross_entropy", -(y * neural.log_softmax(logits)).sum(axis=-1), reduction)


def one_hot(labels: ArrayLike, classes: int) -> NDArray[Any]:
    """Return the one-hot encoding of labels: each row is zero, except for a one in the label's column.

    Parameters
    ----------
    labels : array of int of shape (n,)
        Each in ``range(classes)``.
    classes : int
        The number of classes.

    Returns
    -------
    ndarray of the default dtype, of shape (n, classes)

    Raises
    ------
    TypeError
        If labels are not whole numbers.
    ValueError
        If a label is outside ``range(classes)``; the message says which one, and at which index.
    """
    column = _checked_labels(labels, classes)[..., None]
    return (column == on_device_of(column, np.arange(classes))).astype(get_default_dtype())


def accuracy(p: Any, labels: ArrayLike) -> float:
    """Return the fraction of samples whose largest prediction is at the label.

    Parameters
    ----------
    p : Tensor or array of shape (n, k)
        Predictions.
    labels : array of int of shape (n,)
        The right classes.

    Raises
    ------
    ShapeError
        If the number of labels is not the number of samples.
    TypeError
        If labels are not whole numbers.
    ValueError
        If the batch is empty, or a label is outside ``range(k)``.
    DeviceError
        If predictions and labels are on different devices.
    """
    _check_labels("accuracy", p, labels)
    mixing = mixing_error("accuracy", {"the predictions": p, "the labels": labels})
    if mixing is not None:
        raise mixing
    if not np.size(labels):
        raise ValueError("accuracy of an empty batch has no value")
    return float(np.mean(np.argmax(p, axis=-1) == _checked_labels(labels, shape_of(p)[-1])))


def _checked_labels(labels: Any, classes: int) -> Any:
    return expect_below(labels, classes, "label", f"is none of the {classes} classes, which are 0 to {classes - 1}")


def _check_labels(name: str, p: Any, labels: Any) -> None:
    shape, given = shape_of(p), shape_of(labels)
    if shape[:-1] != given:
        hint = ""
        if given == (*shape[:-1], 1):
            hint = "; write labels.ravel()"
        elif shape == given:
            hint = f"; {name} finds the largest prediction itself, so leave out argmax"
        raise ShapeError(f"{name} of predictions {shape} and labels {given}: one label for each sample is needed{hint}")


def _check_targets(name: str, p: Any, y: Any) -> None:
    shape, given = shape_of(p), shape_of(y)
    if shape != given:
        hint = ""
        if len(given) < len(shape):
            hint = f"; reshape the targets to {shape}" if shape[-1] == 1 else "; encode labels with one_hot"
        elif given == (*shape, 1):
            hint = f"; reshape the targets to {shape}"
        elif given == (*shape[:-1], 1):
            hint = "; encode labels with one_hot, after .ravel()"
        raise ShapeError(f"{name} of predictions {shape} and targets {given}: the shapes must be equal{hint}")
    if not shape:
        raise ShapeError(f"{name} needs samples along the last axis, but the predictions are a single number")
    if 0 in shape:
        raise ValueError(f"{name} of an empty batch, of shape {shape}, has no value")


def binary_cross_entropy_with_logits(
    logits: Any, y: Any, weight: Any = None, pos_weight: Any = None, reduction: str = "mean"
) -> Any:
    """Return the cross-entropy of sigmoid(logits) and yes-or-no targets: -y log p - (1 - y) log(1 - p).

    Parameters
    ----------
    logits : Tensor or array of any shape
        Scores, before any sigmoid.
    y : Tensor or array of the same shape
        Targets, from 0 to 1.
    weight, pos_weight : array that broadcasts to that shape, optional
        Factors of all terms, and of those of y alone.
    reduction : {"mean", "sum", "none"}
        What to return of the losses of all elements.

    Raises
    ------
    ShapeError
        If the shapes differ: the loss does not broadcast.
    """
    _check_shapes("binary_cross_entropy_with_logits", logits, y)
    no, yes = softplus(logits), softplus(-logits)  # -log(1 - p) and -log p, without overflow
    loss = (1 - y) * no + (y if pos_weight is None else y * pos_weight) * yes
    return reduced("binary_cross_entropy_with_logits", loss if weight is None else loss * weight, reduction)


def huber_loss(p: Any, y: Any, delta: float = 1.0, reduction: str = "mean") -> Any:
    """Return ½ d² for differences d up to ``delta``, and delta (|d| - ½ delta) beyond: outliers count less.

    Source: P. Huber, "Robust estimation of a location parameter", 1964.

    Parameters
    ----------
    p, y : Tensor or array of one shape
        Predictions and targets.
    delta : float
        Where the square ends.
    reduction : {"mean", "sum", "none"}
        What to return of the losses of all elements.
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be above 0, not {delta!r}")
    _check_shapes("huber_loss", p, y)
    size = np.abs(p - y)
    inside = np.minimum(size, delta)
    return reduced("huber_loss", inside * (size - 0.5 * inside), reduction)


def kl_div(log_p: Any, y: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """Return the Kullback-Leibler divergence of y from p, element by element: y (log y - log p).

    Parameters
    ----------
    log_p : Tensor or array
        Logarithms of the predicted probabilities.
    y : Tensor or array of the same shape
        Target probabilities, or their logarithms if ``log_target``.
    reduction : {"mean", "batchmean", "sum", "none"}
        What to return: "batchmean", the sum over the number of samples, is the divergence as it is defined.
    """
    _check_shapes("kl_div", log_p, y)
    probability, logarithm = (np.exp(y), y) if log_target else (y, np.log(np.where(y > 0, y, 1)))
    loss = probability * (logarithm - log_p)
    if reduction == "batchmean":
        return loss.sum() / loss.shape[0]
    return reduced("kl_div", loss, reduction)


def nll_loss(
    log_p: Any, labels: Any, weight: Any = None, ignore_index: int | None = None, reduction: str = "mean"
) -> Any:
    """Return minus the logarithm of the probability of each label.

    Parameters
    ----------
    log_p : Tensor or array of shape (n, k)
        Logarithms of probabilities, such as `log_softmax` returns.
    labels : array of int of shape (n,)
        Each in ``range(k)``, or ``ignore_index``.
    weight : array of shape (k,), optional
        The weight of each class; the mean is a weighted one.
    ignore_index : int, optional
        The label of samples that do not count.
    reduction : {"mean", "sum", "none"}
        What to return of the losses of all samples.
    """
    shape = shape_of(log_p)
    _check_labels("nll_loss", log_p, labels)
    labels, counts = _counted(labels, ignore_index)
    labels = _checked_labels(labels, shape[-1])
    factors = counts.astype(log_p.dtype)
    if weight is not None:
        if np.shape(weight) != shape[-1:]:
            raise ShapeError(f"nll_loss needs a weight for each of {shape[-1]} classes, not {np.shape(weight)}")
        factors = factors * np.take(composed.array_like(raw(weight)).astype(log_p.dtype), labels, axis=0)
    rows = log_p.reshape((-1, shape[-1]))
    chosen = rows[np.arange(labels.size), labels.reshape(-1)].reshape(labels.shape)
    loss = -chosen * factors
    return loss.sum() / factors.sum() if reduction == "mean" else reduced("nll_loss", loss, reduction)


def _counted(labels: Any, ignore_index: int | None) -> tuple[Any, Any]:
    """Return the labels, with 0 for those that do not count; and for each label whether it counts."""
    labels = composed.array_like(raw(labels))
    counts = labels == labels if ignore_index is None else labels != ignore_index
    return labels if ignore_index is None else np.where(counts, labels, 0), counts


def reduced(name: str, losses: Any, reduction: str) -> Any:
    """Return the mean or the sum of losses, or the losses themselves."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{name}: reduction must be one of {', '.join(map(repr, REDUCTIONS))}, not {reduction!r}")
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _check_shapes(name: str, p: Any, y: Any) -> None:
    if np.shape(p) != np.shape(y):
        raise ShapeError(f"{name} of predictions {np.shape(p)} and targets {np.shape(y)}: the shapes must be equal")
