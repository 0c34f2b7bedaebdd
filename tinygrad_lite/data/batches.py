"""Mini-batches: a training loop takes the samples of a data set a few at a time.

An epoch can be stopped at any batch and continued in another process with the same samples in the same order.

>>> for images, labels in Batches(np.zeros((5, 784)), np.arange(5), batch_size=2):
...     print(labels)
[0 1]
[2 3]
[4]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..nn.state_dict import expect_no_problems, misnamed
from ..support.devices import to_device
from ..support.randomness import checked_seed, generator_for


class Batches:
    """Pairs ``(images, labels)`` of ``batch_size`` samples; each ``for`` loop over them is one epoch.

    Parameters
    ----------
    images, labels
        Arrays of any rank. Their first axes run over the samples and have the same length.
    batch_size
        Samples in a batch; the last batch of an epoch has the remainder.
    shuffle
        True takes the samples in a new random order in each epoch. False takes them in the given order, as views.
    seed
        A non-negative integer that fixes the orders. By default it is drawn from the library's generator, which
        `tinygrad_lite.manual_seed` seeds.
    device
        The device that batches are copied to; the whole data set stays in NumPy arrays.
    shard
        A function that each batch passes through. With ``shard=world.shard`` a rank gets its rows of the batch (see
        `tinygrad_lite.parallel`); ``batch_size`` then counts the samples of all ranks together.
    augment
        A function ``augment(images, rng)`` that changes the images of each batch at random, such as
        `tinygrad_lite.data.augmented`. The generator depends only on ``seed``, the epoch and the batch.

    Attributes
    ----------
    epoch : int
        The number of the epoch that the next loop runs; it counts the epochs started so far. The order of an epoch
        depends only on ``seed`` and this number, so a run that stopped after ``k`` epochs continues identically with
        ``batches.epoch = k``.
    position : int
        The number of the batch that the next loop starts with: 0, unless a state from the middle of an epoch was
        loaded. A progress bar starts there: ``tqdm(batches, initial=batches.position)``.
    seed : int
        The seed in use.

    Raises
    ------
    ValueError
        If there are no samples, the counts of images and labels differ, ``batch_size`` is not a positive integer, or
        ``seed`` is negative.

    Examples
    --------
    >>> batches = tg.data.Batches(np.eye(5), np.arange(5), batch_size=2, shuffle=True, seed=1)
    >>> for images, labels in batches:
    ...     print(images.shape, labels)
    (2, 5) [4 0]
    (2, 5) [1 2]
    (1, 5) [3]
    >>> batches.epoch
    1
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        batch_size: int,
        shuffle: bool = False,
        seed: int | None = None,
        device: str = "cpu",
        shard: Callable[..., tuple[Any, ...]] | None = None,
        augment: Callable[[NDArray[Any], np.random.Generator], NDArray[Any]] | None = None,
    ) -> None:
        self.images, self.labels = np.asarray(images), np.asarray(labels)
        if self.images.ndim == 0 or self.images.shape[:1] != self.labels.shape[:1]:
            raise ValueError(
                f"Batches needs as many labels as images along the first axis, but images has shape "
                f"{self.images.shape} and labels has shape {self.labels.shape}."
            )
        if len(self.images) == 0:
            raise ValueError(f"Batches needs at least one sample, but images has shape {self.images.shape}.")
        # bool is a subclass of int, but a batch size of True is a mistake.
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size must be a positive integer such as 100, not {batch_size!r}.")
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.device = device
        self.shard, self.augment = shard, augment
        if seed is None:
            # Without shuffling no seed is needed, and a draw would change the numbers that other code draws.
            seed = int(generator_for(None).integers(2**63)) if shuffle else 0
        self.seed = checked_seed(seed)
        self.epoch = 0

    @property
    def epoch(self) -> int:
        return self._start[0]

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        # Two pairs (epoch, position): where the next loop starts, and the batch after the latest one handed out.
        self._start = self._next = (int(epoch), 0)

    @property
    def position(self) -> int:
        return self._start[1]

    @property
    def taken(self) -> int:
        """The number of batches that loops have taken, in all epochs."""
        epoch, position = self._next
        return epoch * len(self) + position

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)  # division rounded up

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        epoch, first = self._next = self._start
        self._start = (epoch + 1, 0)
        return self._rest_of(epoch, first)

    def _rest_of(self, epoch: int, first: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images)) if self.shuffle else None
        for i in range(first, len(self)):
            part: Any = slice(i * self.batch_size, (i + 1) * self.batch_size)
            pick = part if order is None else order[part]
            self._next = (epoch, i + 1) if i + 1 < len(self) else (epoch + 1, 0)
            images, labels = self.images[pick], self.labels[pick]
            if self.augment is not None:
                images = self.augment(images, np.random.default_rng((self.seed, epoch, i)))
            if self.shard is not None:
                images, labels = self.shard(images, labels)
            yield to_device(images, self.device), to_device(labels, self.device)

    def state_dict(self) -> dict[str, int]:
        """Return the place of the next batch, the one after the latest that a loop has taken, as integers.

        The place is the ``epoch`` and the ``position`` in it; after the last batch of an epoch, the start of the next
        epoch. The state also holds the ``seed`` and the settings that must be the same when it is loaded:
        ``batch_size``, ``shuffle`` and the number of ``samples``.
        """
        epoch, position = self._next
        return {**self._settings(), "seed": int(self.seed), "epoch": epoch, "position": position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Let the next loop continue where the state was taken; in the middle of an epoch, with its remaining batches.

        Raises
        ------
        ValueError
            If batch size, shuffle or the number of samples differ, or the state does not come from `state_dict`. The
            message lists all problems, and nothing is changed.
        """
        settings = self._settings()
        problems = misnamed(state, self.state_dict())
        problems += [f"{k} was {state[k]}, not {now}" for k, now in settings.items() if k in state and state[k] != now]
        for name, end in {"seed": math.inf, "epoch": math.inf, "position": len(self)}.items():
            if name in state and not (isinstance(state[name], int) and 0 <= state[name] < end):
                problems.append(f"{name} was {state[name]!r}, which it cannot be")
        expect_no_problems(problems, self)
        self.seed = state["seed"]
        self._start = self._next = (state["epoch"], state["position"])

    def _settings(self) -> dict[str, int]:
        return {"batch_size": self.batch_size, "shuffle": int(self.shuffle), "samples": len(self.images)}
