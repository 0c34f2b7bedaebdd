"""The form of a set of labelled images, the same for MNIST, for rendered digits, and for one's own pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..support.formatting import shortened

SIDE = 28  # pixels: the width and height of an image
DIGITS = tuple("0123456789")


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images and their labels; ``len(split)`` is the number of images.

    Parameters
    ----------
    images
        float32 in [0, 1], of shape (n, 784): one row for each 28×28 image, 0 for background and 1 for ink.
    labels
        uint8 of shape (n,): the number of the class of each image; for digits, the digit.
    classes
        The names of the classes, in the order of their numbers.

    Examples
    --------
    >>> Split(np.eye(2, 784, dtype=np.float32), np.array([7, 3], np.uint8))
    2 samples
    images: 784 float32 in [0, 1], labels: uint8 from 3 to 7
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    classes: Sequence[str] = DIGITS

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"{len(self):,} samples\n{_content(self)}"


class Digits(NamedTuple):
    """The three parts of a data set: for training, for choosing settings, and for one final test.

    Examples
    --------
    >>> some = Split(np.eye(3, 784, dtype=np.float32), np.array([0, 1, 1], np.uint8), ["cat", "dog"])
    >>> Digits(train=some, valid=some, test=some)
    3 train, 3 valid, 3 test
    images: 784 float32 in [0, 1], labels: uint8 from 0 to 1
    classes: cat, dog
    """

    train: Split
    valid: Split
    test: Split

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes."""
        return self.train.classes

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(split):,} {name}" for name, split in self._asdict().items())
        return f"{counts}\n{_content(*self)}"


def _content(*splits: Split) -> str:
    """Return what the arrays of splits hold, in lines of at most 80 columns."""
    images, labels = ([np.asarray(getattr(split, name)) for split in splits] for name in ("images", "labels"))
    lines = [f"images: {_numbers(images)}, labels: {_numbers(labels)}"]
    if (classes := splits[0].classes) is not DIGITS:
        lines.append(shortened(f"classes: {', '.join(classes)}", 80))
    return "\n".join(lines)


def _numbers(arrays: list[NDArray[Any]]) -> str:
    """Return the shape of a sample, the type of the numbers, and their range, which arrays have in common."""
    kind = " ".join(["×".join(map(str, arrays[0].shape[1:])), str(arrays[0].dtype)]).strip()
    filled = [array for array in arrays if array.size]
    if not filled:
        return kind
    low, high = min(array.min() for array in filled), max(array.max() for array in filled)
    return f"{kind} in [{low:.4g}, {high:.4g}]" if arrays[0].dtype.kind == "f" else f"{kind} from {low} to {high}"


def are_digits(classes: Sequence[str]) -> bool:
    """Return whether the names of classes are digits. Other signs may have parts that lie apart."""
    return {*classes} <= {*DIGITS}


def rows_in_unit_interval(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert grey levels from 0 to 255, of shape (n, …), to rows of float32 in [0, 1]."""
    return np.divide(images.reshape(len(images), -1), 255, dtype=np.float32)
