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
from numpy.typing import NDArray

from ...arrays import ArrayLike, get_default_dtype, raw
from ...errors import ShapeError
from ...rules import neural
from ...support.devices import mixing_error, on_device_of
from ...tensor import Tensor
from .activations import softplus
from .checks import (
    FRACTION,
    POSITIVE,
    expect_below,
    expect_broadcast,
    expect_choice,
    expect_flags,
    expect_number,
    expect_sizes,
    expect_whole,
    numbers_of,
    operand,
)

REDUCTIONS = ("mean", "sum", "none")


def squared_loss(p: ArrayLike, y: ArrayLike) -> Tensor:
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

    Examples
    --------
    >>> p, y = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 0.0]])
    >>> tg.nn.functional.squared_loss(p, y)  # (0 + 4 + 0 + 0) / 2 samples
    np.float64(2.0)
    """
    p, y = operand("squared_loss", p), operand("squared_loss", y)
    _check_targets("squared_loss", p, y)
    return neural.squared_loss(p, y)


def cross_entropy(
    logits: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
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

    Examples
    --------
    >>> logits = np.log([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]])
    >>> np.exp(-tg.nn.functional.cross_entropy(logits, [0, 0])).round(3)  # the probability of the labels
    np.float64(0.5)
    >>> np.exp(-tg.nn.functional.cross_entropy(logits, [0, 1], reduction="none"))
    array([0.5 , 0.25])
    """
    logits, y = operand("cross_entropy", logits), numbers_of("cross_entropy", y)
    shape = logits.shape
    expect_number("cross_entropy", "label_smoothing", label_smoothing, FRACTION)
    expect_choice("cross_entropy", "reduction", reduction, REDUCTIONS)
    counted = None  # the weight of each sample in the mean, if they differ
    is_column = y.shape == (*shape[:-1], 1) != shape
    if len(y.shape) == len(shape) - 1 or is_column:
        _check_labels("cross_entropy", logits, y)
        labels, counts = _counted("cross_entropy", y, ignore_index)
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
        weight = _of_classes("cross_entropy", weight, shape).astype(y.dtype)
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

    Examples
    --------
    >>> tg.nn.functional.one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    expect_sizes("one_hot", classes=classes)
    column = _checked_labels(labels, classes)[..., None]
    return (column == on_device_of(column, np.arange(classes))).astype(get_default_dtype())


def accuracy(p: ArrayLike, labels: ArrayLike) -> float:
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

    Examples
    --------
    >>> tg.nn.functional.accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), [1, 1])
    0.5
    """
    p, labels = operand("accuracy", p), numbers_of("accuracy", labels)
    _check_labels("accuracy", p, labels)
    mixing = mixing_error("accuracy", {"the predictions": p, "the labels": labels})
    if mixing is not None:
        raise mixing
    if 0 in p.shape:
        raise ValueError(f"accuracy of an empty batch has no value: the predictions have shape {p.shape}")
    return float(np.mean(np.argmax(p, axis=-1) == _checked_labels(labels, p.shape[-1])))


def _checked_labels(labels: Any, classes: int) -> Any:
    return expect_below(labels, classes, "label", f"is none of the {classes} classes, which are 0 to {classes - 1}")


def _check_labels(name: str, p: Any, labels: Any) -> None:
    shape, given = p.shape, labels.shape
    if shape[:-1] != given:
        hint = ""
        if given == (*shape[:-1], 1):
            hint = "; write labels.ravel()"
        elif shape == given:
            hint = f"; {name} finds the largest prediction itself, so leave out argmax"
        raise ShapeError(f"{name} of predictions {shape} and labels {given}: one label for each sample is needed{hint}")


def _check_targets(name: str, p: Any, y: Any) -> None:
    shape, given = p.shape, y.shape
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
    logits: ArrayLike, y: ArrayLike, weight: ArrayLike = None, pos_weight: ArrayLike = None, reduction: str = "mean"
) -> Tensor:
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

    Examples
    --------
    >>> tg.nn.functional.binary_cross_entropy_with_logits(np.array([5.0, -5.0]), np.array([1.0, 0.0])).round(3)
    np.float64(0.007)
    >>> tg.nn.functional.binary_cross_entropy_with_logits(np.array([5.0, -5.0]), np.array([0.0, 1.0])).round(3)
    np.float64(5.007)
    """
    name = "binary_cross_entropy_with_logits"
    logits, y = _alike(name, logits, y)
    weight, pos_weight = (
        None if factor is None else _factor(f"{name}: a {argument}", factor, logits.shape)
        for argument, factor in (("weight", weight), ("pos_weight", pos_weight))
    )
    no, yes = softplus(logits), softplus(-logits)  # -log(1 - p) and -log p, without overflow
    loss = (1 - y) * no + (y if pos_weight is None else y * pos_weight) * yes
    return reduced(name, loss if weight is None else loss * weight, reduction)


def huber_loss(p: ArrayLike, y: ArrayLike, delta: float = 1.0, reduction: str = "mean") -> Tensor:
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

    Examples
    --------
    >>> p, y = np.array([0.0, 1.0, 10.0]), np.zeros(3)
    >>> tg.nn.functional.huber_loss(p, y, reduction="none")  # half of 1², but 10 - ½
    array([0. , 0.5, 9.5])
    """
    expect_number("huber_loss", "delta", delta, POSITIVE)
    p, y = _alike("huber_loss", p, y)
    size = np.abs(p - y)
    inside = np.minimum(size, delta)
    return reduced("huber_loss", inside * (size - 0.5 * inside), reduction)


def kl_div(log_p: ArrayLike, y: ArrayLike, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Return the Kullback-Leibler divergence of y from p, element by element: y (log y - log p).

    Parameters
    ----------
    log_p : Tensor or array
        Logarithms of the predicted probabilities.
    y : Tensor or array of the same shape
        Target probabilities, or their logarithms if ``log_target``.
    reduction : {"mean", "batchmean", "sum", "none"}
        What to return: "batchmean", the sum over the number of samples, is the divergence as it is defined.

    Examples
    --------
    >>> p = np.array([[0.5, 0.5]])
    >>> tg.nn.functional.kl_div(np.log(p), p)
    np.float64(0.0)
    >>> tg.nn.functional.kl_div(np.log(p), np.array([[0.0, 1.0]]), reduction="none").round(3)  # log 2
    array([[0.   , 0.693]])
    """
    log_p, y = _alike("kl_div", log_p, y)
    expect_flags("kl_div", log_target=log_target)
    expect_choice("kl_div", "reduction", reduction, ("batchmean", *REDUCTIONS))
    probability, logarithm = (np.exp(y), y) if log_target else (y, np.log(np.where(y > 0, y, 1)))
    loss = probability * (logarithm - log_p)
    if reduction == "batchmean":
        return loss.sum() / loss.shape[0]
    return reduced("kl_div", loss, reduction)


def nll_loss(
    log_p: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
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
        The label of samples that do not count. By default all count, unlike in PyTorch, where it is -100.
    reduction : {"mean", "sum", "none"}
        What to return of the losses of all samples.

    Examples
    --------
    >>> log_p = np.log([[0.5, 0.25, 0.25]])
    >>> np.exp(-tg.nn.functional.nll_loss(log_p, [0])).round(3)
    np.float64(0.5)
    """
    log_p, labels = operand("nll_loss", log_p), numbers_of("nll_loss", labels)
    shape = log_p.shape
    expect_choice("nll_loss", "reduction", reduction, REDUCTIONS)
    _check_labels("nll_loss", log_p, labels)
    labels, counts = _counted("nll_loss", labels, ignore_index)
    labels = _checked_labels(labels, shape[-1])
    factors = counts.astype(log_p.dtype)
    if weight is not None:
        factors = factors * np.take(_of_classes("nll_loss", weight, shape).astype(log_p.dtype), labels, axis=0)
    rows = log_p.reshape((-1, shape[-1]))
    chosen = rows[np.arange(labels.size), labels.reshape(-1)].reshape(labels.shape)
    loss = -chosen * factors
    return loss.sum() / factors.sum() if reduction == "mean" else reduced("nll_loss", loss, reduction)


def _of_classes(name: str, weight: Any, shape: tuple[int, ...]) -> Any:
    """Return the weights of the classes as an array, after the check that there is one for each."""
    weight = raw(operand(name, weight))
    if weight.shape != shape[-1:]:
        raise ShapeError(f"{name} needs a weight for each of {shape[-1]} classes, not {weight.shape}")
    return weight


def _counted(name: str, labels: Any, ignore_index: int | None) -> tuple[Any, Any]:
    """Return the labels, with 0 for those that do not count; and for each label whether it counts."""
    labels = raw(labels)
    if ignore_index is None:
        return labels, labels == labels
    expect_whole(name, "ignore_index", ignore_index)
    counts = labels != ignore_index
    return np.where(counts, labels, np.zeros_like(labels)), counts


def reduced(name: str, losses: Any, reduction: str) -> Any:
    """Return the mean or the sum of losses, or the losses themselves."""
    expect_choice(name, "reduction", reduction, REDUCTIONS)
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _alike(name: str, p: Any, y: Any) -> tuple[Any, Any]:
    """Return predictions and targets as operands, after the check that their shapes are equal."""
    p, y = operand(name, p), operand(name, y)
    if p.shape != y.shape:
        raise ShapeError(f"{name} of predictions {p.shape} and targets {y.shape}: the shapes must be equal")
    return p, y


def _factor(what: str, factor: Any, shape: tuple[int, ...]) -> Any:
    factor = operand(what, factor)
    expect_broadcast(what, factor, "the logits", shape)
    return factor
