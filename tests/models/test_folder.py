"""Proves that no run is lost: one at a time writes to a folder, and what a new one replaces stays whole beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from models import mnist, moons
from models.command import Diverged, lock, reserved
from models.command.checkpoints import checkpoint_of
from models.command.folder import set_aside
from tinygrad_lite import DataError

ROOT = Path(__file__).parents[2]
HOLD = """
import pathlib, sys
from models.command import reserved
with reserved(pathlib.Path(sys.argv[1])):
    print(1, flush=True)
    input()
"""


pytestmark = pytest.mark.usefixtures("unpainted")


def run(out: Path, *options: str) -> int:
    return mnist.main(["--out", str(out), "--data", "mnist", "--lr", "0.1", "--epochs", "1", "--hidden", "8", *options])


def content(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture
def holder(tmp_path):
    """Start a process that works in the folder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"1\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("command", [mnist, moons])
def test_a_folder_in_which_a_run_is_at_work_is_refused_and_says_whose_it_is(holder, tmp_path, capsys, command):
    assert command.main(["--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert re.search(rf"another run is still writing to {tmp_path}, process {holder.pid} on .*, since 20", err)
    assert "wait until it ends, or give another --out" in err
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize("end", ["killed", "ended"])
def test_a_lock_ends_with_its_process(holder, small, tmp_path, end):
    holder.kill() if end == "killed" else holder.communicate(b"\n")
    holder.wait()
    assert (tmp_path / ".lock").exists() is (end == "killed")
    assert run(tmp_path, "--quiet") == 0
    assert not (tmp_path / ".lock").exists()


def test_a_lock_on_a_file_that_has_gone_is_none(tmp_path, monkeypatch):
    lock_at_once, gone = lock._lock, iter([True, False])

    def late(descriptor):
        lock_at_once(descriptor)
        if next(gone):
            (tmp_path / ".lock").unlink()

    monkeypatch.setattr(lock, "_lock", late)
    with reserved(tmp_path):
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()} "), reserved(tmp_path):
            pass
        assert (tmp_path / ".lock").exists()


def test_on_windows_a_byte_past_the_text_is_locked(tmp_path, monkeypatch):
    locked = []

    def locking(descriptor, mode, size):
        if locked:
            raise PermissionError(13, "Permission denied")
        locked.append((os.lseek(descriptor, 0, os.SEEK_CUR), mode, size))

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    monkeypatch.setattr(lock.sys, "platform", "win32")
    with reserved(tmp_path), pytest.raises(BlockingIOError, match=f"process {os.getpid()} "), reserved(tmp_path):
        pass
    assert locked == [(1 << 20, 2, 1)]
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_says_so(tmp_path, monkeypatch):
    def none(descriptor):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(lock, "_lock", none)
    with pytest.raises(OSError, match="No locks available"), reserved(tmp_path):
        pass


def test_a_folder_that_was_made_for_nothing_goes(tmp_path):
    with reserved(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("written", [["--checkpoint-format", "npz"], ["--checkpoint-format", "safetensors"]])
def test_what_a_run_replaces_is_kept_beside_it_and_said_in_one_line(small, tmp_path, capsys, written):
    out = tmp_path / "mnist"
    assert run(out, "--seed", "1", *written) == 0
    first = content(out)
    capsys.readouterr()
    assert run(out, "--seed", "2") == 0
    said = f"starting anew: the earlier run in {out} is moved to {out}.1 when this run first saves"
    assert capsys.readouterr().out.splitlines()[0] == f"{said} (--resume would continue it)"
    second = content(out)
    assert run(out, "--seed", "3") == 0
    assert content(tmp_path / "mnist.1") == first
    assert content(tmp_path / "mnist.2") == second
    seeds = [
        json.loads((tmp_path / name / "metrics.json").read_text())["config"]["seed"]
        for name in ("mnist.1", "mnist.2", "mnist")
    ]
    assert seeds == [1, 2, 3]
    assert not any(path.name.startswith(".") for path in (*tmp_path.iterdir(), *out.iterdir()))


def test_what_is_no_run_s_stays(small, tmp_path):
    out = tmp_path / "mnist"
    assert run(out) == 0
    (out / "notes.txt").write_text("mine")
    (tmp_path / "mnist.1").write_text("also mine")
    assert run(out) == 0
    assert (out / "notes.txt").read_text() == "mine"
    assert (tmp_path / "mnist.1").read_text() == "also mine"
    assert set(content(tmp_path / "mnist.2")) == set(content(out)) - {"notes.txt"}


@pytest.mark.parametrize("here", [".", "../mnist"])
def test_the_current_folder_has_a_place_beside_it_too(small, tmp_path, monkeypatch, here):
    out = tmp_path / "mnist"
    assert run(out) == 0
    monkeypatch.chdir(out)
    assert run(Path(here)) == 0
    assert set(content(tmp_path / "mnist.1")) == set(content(out))


@pytest.mark.parametrize("wrong", [["--device", "cuda"], ["--data", "nowhere"]])
def test_a_run_that_does_not_come_about_replaces_nothing_and_does_not_speak_of_it(small, tmp_path, capsys, wrong):
    out = tmp_path / "mnist"
    assert run(out) == 0
    before = content(out)
    capsys.readouterr()
    assert run(out, *wrong) == 2
    assert capsys.readouterr().out == ""
    assert content(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["mnist"]


@pytest.mark.parametrize("reason", [KeyboardInterrupt, Diverged])
def test_a_run_that_saves_nothing_replaces_nothing(small, tmp_path, monkeypatch, reason):
    def fails(*arguments):
        raise reason

    out = tmp_path / "mnist"
    assert run(out) == 0
    before = content(out)
    monkeypatch.setattr(mnist, "train", fails)
    assert run(out) in (2, 130)
    assert content(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["mnist"]


class Killed(BaseException):
    """What ends a process at once."""


def set_aside_but_killed(out: Path, moves: int) -> None:
    """Set aside what is in a folder, in a process that is killed after so many moves."""
    rename, left = Path.rename, iter(range(moves))

    def killed(self, target):
        if next(left, None) is None:
            raise Killed
        return rename(self, target)

    with pytest.MonkeyPatch.context() as patch, reserved(out):
        patch.setattr(Path, "rename", killed)
        set_aside(out)
        raise Killed


@pytest.mark.parametrize("again", [(), ("--resume",)], ids=["anew", "resumed"])
@pytest.mark.parametrize("moves", range(10))
def test_whenever_it_is_killed_the_run_that_goes_aside_is_whole_in_one_place(small, tmp_path, moves, again):
    out, kept = tmp_path / "mnist", tmp_path / "mnist.1"
    assert run(out) == 0
    first = content(out)
    with pytest.raises(Killed):
        set_aside_but_killed(out, moves)
    assert run(out, "--quiet", *again) == 0
    assert not (out / ".replaced").exists()
    if moves > 1 + len(first) or not again:
        assert content(kept) == first
        assert set(content(out)) == set(first)
    else:  # it is where it was, and has been resumed
        assert content(out)["checkpoint.npz"] == first["checkpoint.npz"]
        assert not kept.exists()


def test_a_place_that_cannot_be_made_is_said_before_training(small, tmp_path, monkeypatch, capsys):
    out = tmp_path / "mnist"
    assert run(out) == 0
    before, rename = content(out), Path.rename

    def refused(self, target):
        if target == tmp_path / "mnist.1":
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    capsys.readouterr()
    assert run(out) == 2
    out_text, err = capsys.readouterr()
    assert f"cannot be moved to {out}.1 (Invalid cross-device link): give another --out, or --resume" in err
    assert (out_text, err.count("\n")) == ("", 1)
    assert content(out) == before
    assert run(out, "--resume", "--quiet") == 0


def test_of_two_checkpoints_the_one_of_the_run_s_own_record_is_meant(small, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert run(one, "--checkpoint-format", "safetensors") == run(other) == 0
    both = (other / "checkpoint.npz").rename(one / "checkpoint.npz")  # as one copies them together
    os.utime(one / "checkpoint.npz", (2**31, 2**31))
    assert checkpoint_of(one) == one / "checkpoint.safetensors"
    os.utime(one / "checkpoint.npz", (0, 0))
    assert checkpoint_of(one) == one / "checkpoint.safetensors"
    (one / "metrics.json").write_bytes((other / "metrics.json").read_bytes())
    assert checkpoint_of(one) == both
    for record in (b"", b"{}", b"[]", b'{"config": {"checkpoint_format": "pt"}}'):
        (one / "metrics.json").unlink()
        (one / "metrics.json").write_bytes(record)
        with pytest.raises(DataError, match=r"npz and checkpoint\.safetensors, and metrics\.json does not name"):
            checkpoint_of(one)
