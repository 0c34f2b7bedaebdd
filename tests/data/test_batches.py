"""Batches: every sample once an epoch, views when in file order, and shuffles that a resumed run repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.data import Batches

IMAGES, LABELS = np.arange(20.0, dtype=np.float32).reshape(10, 2), np.arange(10, dtype=np.uint8)


def labels_of(batches):
    return np.concatenate([labels for _, labels in batches]).tolist()


@given(n=st.integers(1, 40), size=st.integers(1, 50), shuffle=st.booleans())
def test_an_epoch_has_every_sample_once_with_its_own_label(n, size, shuffle):
    batches = Batches(np.arange(n) * 10, np.arange(n), size, shuffle, seed=3)
    pairs = list(batches)
    assert len(batches) == len(pairs)
    assert [len(labels) for _, labels in pairs] == [size] * (n // size) + [n % size] * (n % size > 0)
    assert sorted(label for _, labels in pairs for label in labels) == list(range(n))
    assert all(np.array_equal(images, labels * 10) for images, labels in pairs)


def test_in_file_order_the_batches_are_views():
    for images, labels in Batches(IMAGES, LABELS, 4):
        assert np.shares_memory(images, IMAGES)
        assert np.shares_memory(labels, LABELS)
    assert labels_of(Batches(IMAGES, LABELS, 4)) == list(range(10))


def test_each_epoch_has_an_order_of_its_own_fixed_by_the_seed():
    first, again = (Batches(IMAGES, LABELS, 3, shuffle=True, seed=1) for _ in range(2))
    epochs = [labels_of(first) for _ in range(3)]
    assert epochs == [labels_of(again) for _ in range(3)]
    assert len(set(map(tuple, epochs))) == 3
    assert epochs[2] == np.random.default_rng((1, 2)).permutation(10).tolist()
    assert labels_of(Batches(IMAGES, LABELS, 3, shuffle=True, seed=2)) != epochs[0]


def test_a_resumed_run_continues_identically():
    whole = Batches(IMAGES, LABELS, 3, shuffle=True, seed=1)
    epochs = [labels_of(whole) for _ in range(4)]
    resumed = Batches(IMAGES, LABELS, 3, shuffle=True, seed=1)
    resumed.epoch = 2
    assert [labels_of(resumed) for _ in range(2)] == epochs[2:]


def test_the_epoch_advances_when_an_iteration_starts():
    batches = Batches(IMAGES, LABELS, 3, shuffle=True, seed=1)
    assert batches.epoch == 0
    iterator = iter(batches)
    assert batches.epoch == 1
    next(iterator)
    assert batches.epoch == 1


def test_without_a_seed_one_is_drawn_and_kept():
    batches, other = (Batches(IMAGES, LABELS, 3, shuffle=True) for _ in range(2))
    assert batches.seed != other.seed
    first = labels_of(batches)
    assert first == labels_of(Batches(IMAGES, LABELS, 3, shuffle=True, seed=batches.seed))


def test_anything_array_like_of_any_rank_serves():
    ((images, labels),) = Batches([[[1, 2]], [[3, 4]]], (0, 1), np.int64(5))
    assert images.shape == (2, 1, 2)
    assert labels.tolist() == [0, 1]


@pytest.mark.parametrize("size", [0, -1, True, 2.0, "3", None])
def test_a_batch_size_must_be_a_positive_integer(size):
    with pytest.raises(ValueError, match="positive integer") as caught:
        Batches(IMAGES, LABELS, size)
    assert repr(size) in str(caught.value)


def test_counts_must_agree():
    with pytest.raises(ValueError, match=r"\(10, 2\).*\(9,\)"):
        Batches(IMAGES, LABELS[:9], 2)
    with pytest.raises(ValueError, match=r"shape \(\)"):
        Batches(1.0, 2, 2)
    with pytest.raises(ValueError, match=r"shape \(\)"):
        Batches(IMAGES, 2, 2)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        Batches(IMAGES[:0], LABELS[:0], 2)
