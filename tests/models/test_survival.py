"""Proves that a run of the MNIST command survives: killed or stopped at any moment, it ends as an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinygrad_lite import checkpoint

KILLS = 25

needs_mnist = pytest.mark.skipif("TINYGRAD_LITE_DATA" not in os.environ, reason="TINYGRAD_LITE_DATA names no MNIST")


def without_times(metrics: dict) -> dict:
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in metrics["history"]]
    return {**metrics, "seconds": None, "history": history}


def ends_alike(one: Path, two: Path, name: str = "checkpoint.npz") -> None:
    """Check that two runs have ended with the same bits: weights, optimizer, metrics."""
    (states, facts), (other_states, other_facts) = (checkpoint.load(folder / name) for folder in (one, two))
    assert states.keys() == other_states.keys()
    for part, state in states.items():
        assert state.keys() == other_states[part].keys()
        for key, array in state.items():
            assert array.tobytes() == other_states[part][key].tobytes(), (part, key)
    for key in facts.keys() - {"seconds", "history", "spent"}:
        assert facts[key] == other_facts[key], key
    metrics, other = (json.loads((folder / "metrics.json").read_text()) for folder in (one, two))
    assert without_times(metrics) == without_times(other)


@needs_mnist
def test_a_run_that_is_killed_25_times_ends_as_an_undisturbed_one(tmp_path):
    options = ["--epochs", "2", "--shuffle", "--momentum", "0.5", "--lr", "0.1", "--quiet"]
    options += ["--batch-size", "50", "--checkpoint-every", "10"]
    command = [sys.executable, "-m", "models.mnist", *options, "--out"]
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    saved = killed / "checkpoint.npz"
    moments = random.Random(0)

    def stamp():
        return saved.stat().st_mtime_ns if saved.exists() else None

    kills = 0
    while kills < KILLS:
        before = stamp()
        process = subprocess.Popen([*command, str(killed), *["--resume"] * (before is not None)])
        # In one life of five before anything is saved, else while the run goes on from what it has saved.
        deadline = time.monotonic() + (60 if moments.random() < 0.8 else moments.uniform(0.1, 0.8))
        while time.monotonic() < deadline and stamp() == before:
            assert process.poll() is None, "the run ended by itself: it is too short for so many kills"
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.05))
        assert process.poll() is None, "the run ended by itself: it is too short for so many kills"
        process.kill()
        process.wait()
        kills += 1
        if saved.exists():
            checkpoint.load(saved)  # whole, whenever it was
    subprocess.run([*command, str(killed), "--resume"], check=True)
    subprocess.run([*command, str(undisturbed)], check=True)
    ends_alike(killed, undisturbed)
    assert {path.name for path in killed.iterdir()} == {path.name for path in undisturbed.iterdir()}
