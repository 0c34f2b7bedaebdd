"""Losses beyond the rules' own: each is composed of rules, checks shapes first, and reduces as PyTorch's does.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.nn.functional.binary_cross_entropy_with_logits(np.array([0.0, 20.0]), np.array([1.0, 1.0])).round(3)
0.347
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import raw
from ..errors import ShapeError
from ..rules.composed import array_like
from .activations import softplus
from .functional import _checked_labels

REDUCTIONS = ("mean", "sum", "none")


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


def nll_loss(log_p: Any, labels: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Any:
    """Return minus the logarithm of the probability of each label.

    Parameters
    ----------
    log_p : Tensor or array of shape (n, k)
        Logarithms of probabilities, such as `log_softmax` returns.
    labels : array of int of shape (n,)
        Each in ``range(k)``, or ``ignore_index``.
    weight : array of shape (k,), optional
        The weight of each class; the mean is a weighted one.
    ignore_index : int
        The label of samples that do not count.
    reduction : {"mean", "sum", "none"}
        What to return of the losses of all samples.
    """
    shape, labels = np.shape(log_p), array_like(raw(labels))
    if shape[:-1] != labels.shape:
        raise ShapeError(f"nll_loss of log probabilities {shape} and labels {labels.shape}: one label a row is needed")
    counts = labels != ignore_index
    labels = _checked_labels(np.where(counts, labels, 0), shape[-1])
    factors = counts.astype(log_p.dtype)
    if weight is not None:
        if np.shape(weight) != shape[-1:]:
            raise ShapeError(f"nll_loss needs a weight for each of {shape[-1]} classes, not {np.shape(weight)}")
        factors = factors * np.take(array_like(raw(weight)).astype(log_p.dtype), labels, axis=0)
    rows = log_p.reshape((-1, shape[-1]))
    chosen = rows[np.arange(labels.size), labels.reshape(-1)].reshape(labels.shape)
    loss = -chosen * factors
    return loss.sum() / factors.sum() if reduction == "mean" else reduced("nll_loss", loss, reduction)


def reduced(name: str, losses: Any, reduction: str) -> Any:
    """Return the mean or the sum of losses, or the losses themselves."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{name}: reduction must be one of {', '.join(map(repr, REDUCTIONS))}, not {reduction!r}")
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _check_shapes(name: str, p: Any, y: Any) -> None:
    if np.shape(p) != np.shape(y):
        raise ShapeError(f"{name} of predictions {np.shape(p)} and targets {np.shape(y)}: the shapes must be equal")
