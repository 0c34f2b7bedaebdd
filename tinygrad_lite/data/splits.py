"""The form of a set of labelled digits, the same for MNIST and for rendered digits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # pixels: the width and height of an image


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels; ``len(split)`` is the number of images.

    Parameters
    ----------
    images
        float32 in [0, 1], of shape (n, 784): one row for each 28×28 image, 0 for background and 1 for ink.
    labels
        uint8 of shape (n,): the digit in each image.
    """

    images: NDArray[Any]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.images)


class Digits(NamedTuple):
    """The three parts of a data set: for training, for choosing settings, and for one final test."""

    train: Split
    valid: Split
    test: Split


def rows_in_unit_interval(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert grey levels from 0 to 255, of shape (n, …), to rows of float32 in [0, 1]."""
    return np.divide(images.reshape(len(images), -1), 255, dtype=np.float32)
