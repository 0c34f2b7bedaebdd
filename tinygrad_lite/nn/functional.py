"""Activations, losses, labels and accuracy, as functions of Tensors or arrays.

A layer object such as `tinygrad_lite.nn.ReLU` has a place in a `Sequential`; these functions serve in a `forward`.
The losses check the shapes first: broadcasting predictions against targets would give a wrong loss without an error.
"""

from __future__ import annotations

from typing import Any, Never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import get_default_dtype, raw
from ..errors import ShapeError, require
from ..rules import composed, elementwise, neural, products
from ..support.devices import mixing_error, on_device_of
from ..support.names import answer_for_missing, unknown_argument


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return ``x @ weight + bias``.

    Parameters
    ----------
    x : Tensor or array of shape (…, in_features)
    weight : Tensor or array of shape (in_features, out_features)
    bias : Tensor or array of shape (out_features,), optional

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    """
    if bias is None:
        return x @ weight
    rows, columns, added = _shape(x), _shape(weight), _shape(bias)
    # The rule is for products of matrices whose shape the bias does not change; the operators do all other cases.
    is_layer = len(rows) >= 2 <= len(columns) and len(added) <= 1 and (columns[-1] != 1 or added in ((), (1,)))
    return products.linear(x, weight, bias) if is_layer else x @ weight + bias


def relu(x: Any) -> Any:
    """Return max(x, 0), with the derivative 0 at x = 0."""
    return neural.relu(x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + e⁻ˣ)."""
    return neural.sigmoid(x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    return elementwise.tanh(x)


def softmax(x: Any, axis: int = -1, **unknown: Never) -> Any:
    """Return exp(x) / Σ exp(x) along an axis: positive numbers that add up to one."""
    if unknown:
        raise unknown_argument("softmax", unknown)
    return neural.softmax(x, axis)


def log_softmax(x: Any, axis: int = -1, **unknown: Never) -> Any:
    """Return the logarithm of `softmax`, without underflow."""
    if unknown:
        raise unknown_argument("log_softmax", unknown)
    return neural.log_softmax(x, axis)


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


def cross_entropy(logits: Any, y: Any) -> Any:
    """Return the cross-entropy of softmax(logits), averaged over the batch: -1/n Σ y log softmax(logits).

    Parameters
    ----------
    logits : Tensor or array of shape (n, k)
        Scores, before any softmax.
    y : array of int of shape (n,), or Tensor or array of shape (n, k)
        The label of each sample, or its distribution over the classes.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ValueError
        If the batch is empty or a label is outside ``range(k)``.
    TypeError
        If labels are not whole numbers.
    """
    is_column = _shape(y) == (*_shape(logits)[:-1], 1) != _shape(logits)
    if len(_shape(y)) == len(_shape(logits)) - 1 or is_column:
        _check_labels("cross_entropy", logits, y)
        y = one_hot(y, _shape(logits)[-1])
    _check_targets("cross_entropy", logits, y)
    return neural.cross_entropy(logits, y)


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
    return float(np.mean(np.argmax(p, axis=-1) == _checked_labels(labels, _shape(p)[-1])))


def _shape(x: Any) -> tuple[int, ...]:
    return x.shape if hasattr(x, "shape") else np.shape(x)


def _checked_labels(labels: Any, classes: int) -> Any:
    """Return labels as an array, after the check that they are whole numbers in ``range(classes)``."""
    labels = composed.array_like(raw(labels))
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be whole numbers, not {labels.dtype}: convert with .astype(int)")
    inside = (labels >= 0) & (labels < classes)
    none_of = f"is none of the {classes} classes, which are 0 to {classes - 1}"

    def first_outside() -> str:
        index = tuple(int(i) for i in np.argwhere(~inside)[0])
        where = f" at index {', '.join(map(str, index))}" if index else ""
        return f"label {labels[index]}{where} {none_of}"

    require(inside.all(), ValueError, f"a label {none_of}", first_outside)
    return labels


def _check_labels(name: str, p: Any, labels: Any) -> None:
    shape, given = _shape(p), _shape(labels)
    if shape[:-1] != given:
        hint = ""
        if given == (*shape[:-1], 1):
            hint = "; write labels.ravel()"
        elif shape == given:
            hint = f"; {name} finds the largest prediction itself, so leave out argmax"
        raise ShapeError(f"{name} of predictions {shape} and labels {given}: one label for each sample is needed{hint}")


def _check_targets(name: str, p: Any, y: Any) -> None:
    shape, given = _shape(p), _shape(y)
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


answer_for_missing(__name__)
