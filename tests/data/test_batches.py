"""Batches: every sample once an epoch, views when in file order, and a state from which any epoch continues."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from tinygrad_lite.data import Batches
from tinygrad_lite.parallel import World

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


def one_by_one(batches, epochs):
    """Yield the batches of some loops and, after each, the state as JSON."""
    for _ in range(epochs):
        for images, labels in batches:
            yield (images.tolist(), labels.tolist()), json.dumps(batches.state_dict())


@given(n=st.integers(1, 12), size=st.integers(1, 13), shuffle=st.booleans(), data=st.data())
def test_from_a_state_after_any_batch_the_loop_continues_as_if_undisturbed(n, size, shuffle, data):
    images, labels = np.arange(n) * 10, np.arange(n)
    undisturbed = list(one_by_one(Batches(images, labels, size, shuffle, seed=3), epochs=3))
    per_epoch = len(undisturbed) // 3
    stop = data.draw(st.integers(0, 2 * per_epoch))
    resumed = Batches(images, labels, size, shuffle, seed=99)
    start = json.dumps(Batches(images, labels, size, shuffle, seed=3).state_dict())
    resumed.load_state_dict(json.loads(undisturbed[stop - 1][1] if stop else start))
    assert resumed.epoch == stop // per_epoch
    assert resumed.position == stop % per_epoch
    assert len(resumed) == per_epoch
    rest = list(one_by_one(resumed, epochs=3 - stop // per_epoch))
    assert rest == undisturbed[stop:]


def test_a_state_tells_the_next_batch():
    batches = Batches(IMAGES, LABELS, 4, shuffle=True, seed=5)
    fixed = {"batch_size": 4, "shuffle": 1, "samples": 10, "seed": 5}
    assert batches.state_dict() == {**fixed, "epoch": 0, "position": 0}
    after = [(batches.state_dict()["epoch"], batches.state_dict()["position"]) for _ in range(2) for _ in batches]
    assert after == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]
    iter(batches)
    assert batches.state_dict()["epoch"] == 2, "no batch of this epoch has been given yet"


def test_loading_changes_no_state_and_a_second_loop_is_whole():
    batches = Batches(IMAGES, LABELS, 4, shuffle=True, seed=1)
    for _ in batches:
        break
    state = batches.state_dict()
    other = Batches(IMAGES, LABELS, 4, shuffle=True)
    other.load_state_dict(state)
    assert other.state_dict() == state
    assert [len(list(other)), len(list(other))] == [2, 3]


def test_after_a_break_the_next_loop_is_a_new_epoch_but_the_state_is_where_it_broke_off():
    batches, other = (Batches(IMAGES, LABELS, 4, shuffle=True, seed=1) for _ in range(2))
    epochs = [labels_of(other) for _ in range(2)]
    for _ in batches:
        break
    assert (batches.state_dict()["epoch"], batches.state_dict()["position"]) == (0, 1)
    assert (batches.epoch, batches.position) == (1, 0)
    assert labels_of(batches) == epochs[1]
    for _ in batches:
        break
    iter(batches)
    assert (batches.state_dict()["epoch"], batches.state_dict()["position"]) == (3, 0), "the new epoch counts"


def test_to_set_the_epoch_forgets_the_position():
    batches = Batches(IMAGES, LABELS, 4, shuffle=True, seed=1)
    batches.load_state_dict(batches.state_dict() | {"epoch": 7, "position": 2})
    batches.epoch = np.int64(3)
    assert batches.position == 0
    assert json.dumps(batches.state_dict()).endswith('"epoch": 3, "position": 0}')
    assert labels_of(batches) == np.random.default_rng((1, 3)).permutation(10).tolist()


def test_a_progress_bar_starts_at_the_position():
    batches = Batches(IMAGES, LABELS, 2)
    batches.load_state_dict(batches.state_dict() | {"epoch": 1, "position": 3})
    counts = []
    for _ in range(2):
        bar = tqdm(batches, initial=batches.position, file=io.StringIO())
        counts.append((bar.initial, bar.total))
        for _ in bar:
            pass
        assert bar.n == bar.total
    # After a break as well.
    for _ in batches:
        break
    with tqdm(batches, initial=batches.position, file=io.StringIO()) as bar:
        counts.append((bar.initial, bar.total))
    assert counts == [(3, 5), (0, 5), (0, 5)]


def test_the_rest_of_an_epoch_in_file_order_is_views_too():
    batches = Batches(IMAGES, LABELS, 4)
    batches.load_state_dict(batches.state_dict() | {"position": 1})
    parts = list(batches)
    assert [labels.tolist() for _, labels in parts] == [[4, 5, 6, 7], [8, 9]]
    assert all(np.shares_memory(images, IMAGES) and np.shares_memory(labels, LABELS) for images, labels in parts)


def test_a_state_of_other_batches_is_refused_with_every_difference_and_changes_nothing():
    state = Batches(IMAGES, LABELS, 4, shuffle=True, seed=1).state_dict()
    batches = Batches(IMAGES[:9], LABELS[:9], 3, seed=2)
    before = batches.state_dict()
    with pytest.raises(ValueError, match="does not fit this Batches") as caught:
        batches.load_state_dict(state)
    faults = "batch_size was 4, not 3; shuffle was 1, not 0; samples was 10, not 9"
    assert str(caught.value) == f"the state does not fit this Batches: {faults}"
    assert batches.state_dict() == before


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"position": 3}, "position was 3, which it cannot be"),
        ({"position": -1}, "position was -1,"),
        ({"position": 1.0}, "position was 1.0,"),
        ({"epoch": -1}, "epoch was -1,"),
        ({"epoch": "2"}, "epoch was '2',"),
        ({"seed": None}, "seed was None,"),
        ({"surplus": 1}, "unexpected surplus"),
    ],
)
def test_what_is_no_state_is_refused(change, fault):
    batches = Batches(IMAGES, LABELS, 4, seed=2)
    before = batches.state_dict()
    with pytest.raises(ValueError, match="does not fit") as caught:
        batches.load_state_dict(before | change)
    assert fault in str(caught.value)
    with pytest.raises(ValueError, match="missing epoch; missing position"):
        batches.load_state_dict({k: v for k, v in before.items() if k not in ("epoch", "position")})
    assert batches.state_dict() == before


@pytest.mark.parametrize("shuffle", [False, True])
def test_ranks_get_their_rows_of_each_batch_and_the_same_state(shuffle):
    worlds = [World(SimpleNamespace(rank=rank, size=3)) for rank in range(3)]
    of_ranks = [Batches(IMAGES, LABELS, 4, shuffle, seed=1, shard=world.shard) for world in worlds]
    whole = Batches(IMAGES, LABELS, 4, shuffle, seed=1)
    for (images, labels), *parts in zip(whole, *of_ranks, strict=True):
        owned = [part for part, world in zip(parts, worlds, strict=True) if world.share]
        for i, expected in enumerate((images, labels)):
            np.testing.assert_array_equal(np.concatenate([part[i] for part in owned]), expected)
        assert sum(world.share for world in worlds) == pytest.approx(1)
        assert all(batches.state_dict() == whole.state_dict() for batches in of_ranks)
