"""The pictures that a run of a model that reads digits leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite import Tensor, nn, no_grad, plot
from tinygrad_lite.data import Split
from tinygrad_lite.data.splits import DIGITS

from .predict import probabilities
from .run import Run
from .trained import called

MAPS = 16  # at most so many kernels are shown at work


def figures(run: Run) -> dict[str, Any]:
    """Draw the training curves, the misread test digits, the confusion matrix, and the first layer."""
    metrics, test = run.record.metrics, run.data.test
    digits = called(metrics["data"])
    predictions, heading = probabilities(run.net, test.images).argmax(axis=1), f"Test set of {digits}"
    classes = len(test.classes)
    named: dict[str, Any] = {} if test.classes == DIGITS else {"names": test.classes}
    return {
        "curves": plot.curves(metrics["history"], f"Learning {digits}"),
        "mistakes": plot.mistakes(test.images, test.labels, predictions, heading, **named),
        "confusion": plot.confusion(test.labels, predictions, classes, heading, **named),
        **first_layer(run.net, test, f"First layer, trained on {digits}"),
    }


@no_grad()
def first_layer(net: nn.Module, test: Split, heading: str) -> dict[str, Any]:
    """Draw the weights of the first layer; of a convolution its kernels, and the maps that they make of some digits."""
    weight = next(iter(net.parameters()))
    if weight.ndim == 2:
        return {"weights": plot.weights(weight.numpy(), heading)}
    convolution = next(layer for _, layer in net.named_modules() if isinstance(layer, nn.Conv2d))
    some = test.images[np.unique(test.labels, return_index=True)[1]].reshape(-1, 1, 28, 28)  # the first of each digit
    maps = convolution(Tensor(some).to(weight.device)).numpy()[:, :MAPS]
    digits = some * np.quantile(np.abs(maps), 0.995)  # as dark as the strongest answers
    height, width = maps.shape[2:]
    rows = np.concatenate([digits[:, :, :height, :width], maps], axis=1)
    return {
        "weights": plot.tiles(weight.numpy()[:, 0], title=heading, label="weight"),
        "features": plot.tiles(
            rows.reshape(-1, height, width),
            columns=rows.shape[1],
            title=f"{heading}: digits, and what its kernels answer at each place; ReLU lets red pass",
            label="answer",
        ),
    }
