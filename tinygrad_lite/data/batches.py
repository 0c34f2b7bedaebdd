"""Mini-batches: the samples of a data set, a few at a time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Batches:
    """Pairs ``(images, labels)`` of ``batch_size`` samples; each ``for`` loop over them is one epoch.

    Parameters
    ----------
    images, labels
        Arrays of any rank with as many samples each, along the first axis.
    batch_size
        Samples a batch; the last batch of an epoch has the remainder.
    shuffle
        Whether each epoch takes the samples in a new order. Otherwise the batches are views, in file order.
    seed
        A non-negative integer that fixes the orders; by default a fresh one is drawn.

    Attributes
    ----------
    epoch : int
        How many epochs have been started. The next one's order depends on ``seed`` and this number alone,
        so a run that stopped after ``k`` epochs continues identically with ``batches.epoch = k``.
    seed : int
        The seed in use.

    Raises
    ------
    ValueError
        If there are no samples, their counts differ, or ``batch_size`` is not a positive integer.
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        batch_size: int,
        shuffle: bool = False,
        seed: int | None = None,
    ) -> None:
        self.images, self.labels = np.asarray(images), np.asarray(labels)
        if self.images.ndim == 0 or self.images.shape[:1] != self.labels.shape[:1]:
            raise ValueError(
                f"Batches needs as many labels as images along the first axis, but images has shape "
                f"{self.images.shape} and labels has shape {self.labels.shape}."
            )
        if len(self.images) == 0:
            raise ValueError(f"Batches needs at least one sample, but images has shape {self.images.shape}.")
        # bool is a kind of int, but True is no batch size anyone means.
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size must be a positive integer such as 100, not {batch_size!r}.")
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.seed = secrets.randbits(64) if seed is None else seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)  # division rounded up

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        epoch = self.epoch
        self.epoch += 1
        starts = range(0, len(self.images), self.batch_size)
        if not self.shuffle:
            slices = (slice(start, start + self.batch_size) for start in starts)
            return ((self.images[part], self.labels[part]) for part in slices)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))
        picks = (order[start : start + self.batch_size] for start in starts)
        return ((self.images[pick], self.labels[pick]) for pick in picks)
