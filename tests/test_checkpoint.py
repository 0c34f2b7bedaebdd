"""Checkpoints and atomic files: what goes in comes out, and a failure leaves the old file alone."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tinygrad_lite import DataError, checkpoint
from tinygrad_lite.files import write_atomically


def test_round_trip(tmp_path):
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    arrays = {"net": {"hidden.weight": weight}, "optimizer": {"steps.0": 7}}
    checkpoint.save(tmp_path / "c.npz", arrays, {"history": [{"loss": 0.5}]})
    loaded, facts = checkpoint.load(tmp_path / "c.npz")
    assert facts == {"history": [{"loss": 0.5}]}
    assert loaded["net"]["hidden.weight"].dtype == np.float32
    np.testing.assert_array_equal(loaded["net"]["hidden.weight"], weight)
    assert loaded["optimizer"]["steps.0"] == 7


def test_an_array_of_objects_is_never_unpickled(tmp_path):
    path = tmp_path / "c.npz"
    np.savez(path, **{checkpoint.FACTS: np.array([{}], dtype=object)})
    with pytest.raises(DataError, match="expected a checkpoint"):
        checkpoint.load(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(tmp_path, share):
    path = tmp_path / "c.npz"
    checkpoint.save(path, {"net": {"x": np.zeros(1000)}}, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"c\.npz"):
        checkpoint.load(path)


def test_an_archive_that_is_no_checkpoint_is_refused(tmp_path):
    np.savez(tmp_path / "c.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="expected a checkpoint"):
        checkpoint.load(tmp_path / "c.npz")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
