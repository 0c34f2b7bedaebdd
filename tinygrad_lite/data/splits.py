"""What a set of labelled digits looks like, wherever it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # of an image, in pixels


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels; ``len(split)`` is their number.

    Parameters
    ----------
    images
        float32 in [0, 1], of shape (n, 784): each 28×28 image a row, 0 the background and 1 the ink.
    labels
        uint8 of shape (n,): the digit in each image.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)


class Digits(NamedTuple):
    """The three parts of a data set: to learn from, to choose settings by, and to judge the result once."""

    train: Split
    valid: Split
    test: Split


def rows_in_unit_interval(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return grey levels of 0 to 255, of any shape (n, …), as rows of float32 in [0, 1]."""
    return np.divide(images.reshape(len(images), -1), 255, dtype=np.float32)
