"""Proves that a run of the MNIST command survives: killed or stopped at any moment, it ends as an undisturbed one."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models import mnist
from models.command import DigitReader
from models.command.record import Record
from tests.models.small import ON_SMALL_DIGITS
from tests.real import needs_mnist
from tinygrad_lite import checkpoint

pytestmark = pytest.mark.usefixtures("unpainted")


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


@pytest.mark.parametrize(
    ("times", "program", "batch_size"),
    [(3, ON_SMALL_DIGITS, 1), pytest.param(25, "models.mnist", 50, marks=[needs_mnist, pytest.mark.whole])],
)
def test_a_run_that_is_killed_time_and_again_ends_as_an_undisturbed_one(tmp_path, times, program, batch_size):
    options = ["--epochs", "2", "--shuffle", "--momentum", "0.5", "--lr", "0.1", "--quiet"]
    options += ["--data", "mnist", "--batch-size", str(batch_size), "--checkpoint-every", "10"]
    command = [sys.executable, "-m", program, *options, "--out"]
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    saved = killed / "checkpoint.npz"
    moments = random.Random(0)

    def stamp():
        return saved.stat().st_mtime_ns if saved.exists() else None

    kills = 0
    while kills < times:
        before = stamp()
        process = subprocess.Popen([*command, str(killed), "--resume"])  # also where there is nothing yet
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


class Stopped(BaseException):
    """What ends a run at once, in the middle of a step."""


def run(folder, *options):
    fixed = ["--data", "mnist", "--epochs", "3", "--checkpoint-every", "2", "--hidden", "8", "--quiet"]
    assert mnist.main(["--out", str(folder), *fixed, *options]) == 0


@pytest.mark.parametrize("compiled", ["--jit", "--no-jit"])
@pytest.mark.parametrize("order", [[], ["--shuffle"]], ids=["in order", "shuffled"])
@pytest.mark.parametrize(
    "optimizer",
    [["--lr", "0.1"], ["--lr", "0.1", "--momentum", "0.9"], ["--optimizer", "adam"]],
    ids=["sgd", "momentum", "adam"],
)
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_a_run_that_is_stopped_in_the_middle_of_epochs_ends_as_an_undisturbed_one(
    small, tmp_path, monkeypatch, compiled, order, optimizer, kind
):
    options = [compiled, *order, *optimizer, "--checkpoint-format", kind]
    monkeypatch.setattr(DigitReader, "figures", lambda *args: {})  # which take most of the time
    run(tmp_path / "whole", *options)

    after_step, steps = Record.after_step, iter(range(100))

    def stopping(self):
        after_step(self)
        if next(steps) in (3, 8, 9):  # steps that are no checkpoint's are lost, and done again
            raise Stopped

    monkeypatch.setattr(Record, "after_step", stopping)
    for again in ([], ["--resume"], ["--resume"]):
        with pytest.raises(Stopped):
            run(tmp_path / "parts", *options, *again)
    monkeypatch.setattr(Record, "after_step", after_step)
    run(tmp_path / "parts", *options, "--resume")
    ends_alike(tmp_path / "parts", tmp_path / "whole", f"checkpoint.{kind}")


def test_resuming_in_the_middle_of_an_epoch_says_where(small, tmp_path, monkeypatch, capsys):
    def interrupted(self):
        self.save()
        if self.position == 4:
            raise KeyboardInterrupt

    after_step = Record.after_step
    monkeypatch.setattr(Record, "after_step", interrupted)
    options = ["--out", str(tmp_path), "--data", "mnist", "--lr", "0.1"]
    assert mnist.main(options) == 130
    assert "interrupted. The results of step 4 of epoch 1 are kept in" in capsys.readouterr().out
    monkeypatch.setattr(Record, "after_step", after_step)
    assert mnist.main([*options, "--resume", "--epochs", "2"]) == 0
    out, err = capsys.readouterr()
    assert "resuming after step 4 of epoch 1" in out
    assert "epoch 1/2:  67%" in err  # the bar starts there, of 6 batches


def test_a_damaged_checkpoint_names_the_one_before_and_the_command_that_goes_on_from_it(small, tmp_path, capsys):
    run(tmp_path, "--lr", "0.1")
    saved = tmp_path / "checkpoint.npz"
    saved.write_bytes(saved.read_bytes()[:-100])
    before = saved.read_bytes()
    options = ["--out", str(tmp_path), "--data", "mnist", "--lr", "0.1", "--hidden", "8", "--epochs", "3", "--resume"]
    assert mnist.main(options) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    (move,) = re.findall(r"`(mv .*)`", message)
    assert saved.read_bytes() == before
    subprocess.run(move, shell=True, check=True)
    assert mnist.main(options) == 0
    assert "resuming after step 4 of epoch 3" in capsys.readouterr().out


def test_what_a_killed_run_has_left_half_written_goes_at_the_next_start(small, tmp_path):
    left = tmp_path / ".checkpoint.npz.0123abcd.tmp"
    left.write_bytes(b"half of it")
    run(tmp_path, "--lr", "0.1")
    assert not left.exists()


def test_a_format_whose_package_is_missing_is_refused_before_training(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--checkpoint-format", "safetensors"]) == 2
    out, err = capsys.readouterr()
    assert "pip install 'tinygrad_lite[interop]'" in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_checkpoint_of_the_other_format_is_named(small, tmp_path, capsys):
    run(tmp_path, "--lr", "0.1")
    other = ["--out", str(tmp_path), "--data", "mnist", "--resume", "--checkpoint-format", "safetensors"]
    assert mnist.main(other) == 2
    assert "but checkpoint.npz does: give the --checkpoint-format" in capsys.readouterr().err
