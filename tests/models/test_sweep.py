"""The sweep: each of its runs is the single run, on all cores or one by one; none of them ends the others."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

import tinygrad_lite as tg
from models import lenet, mnist
from models.command import grid, sweep
from tests.models.small import ON_SMALL_DIGITS
from tests.models.test_house import Sides, evaluate, learn
from tinygrad_lite import nn

ROOT = Path(__file__).parents[2]
FIXED = ["--data", "mnist", "--epochs", "2", "--hidden", "8"]


@pytest.fixture
def alone(monkeypatch):
    """Let joblib be missing."""
    monkeypatch.setitem(sys.modules, "joblib", None)


def swept(folder: Path, *options: str, status: int = 0, model=mnist) -> list[dict]:
    """Run the command and return the runs in its file."""
    assert model.main(["sweep", "--out", str(folder), *options]) == status
    return json.loads((folder / "sweep.json").read_text())["runs"]


def results(metrics: dict) -> tuple:
    """Return what a run has reached, to the last bit."""
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in metrics["history"]]
    return history, metrics["initial_valid_accuracy"], metrics["test_accuracy"]


def test_a_row_is_the_single_run_and_one_that_diverges_is_a_row_too(small, alone, unpainted, tmp_path, capsys):
    runs = swept(tmp_path / "sweep", "--lr", "1e30,0.1,0.5", *FIXED)
    out, err = capsys.readouterr()
    assert [run["config"]["lr"] for run in runs] == [1e30, 0.1, 0.5]
    assert [run["diverged"] for run in runs] == ["epoch 1, step 2", None, None]
    for run in runs[1:]:
        single = tmp_path / str(run["config"]["lr"])
        assert mnist.main(["--out", str(single), "--lr", str(run["config"]["lr"]), *FIXED]) == 0
        assert results(run) == results(json.loads((single / "metrics.json").read_text()))
    said, *lines = out.splitlines()
    assert "pip install 'tinygrad_lite[sweep]'" in said
    assert said.endswith("The runs follow one another")
    assert re.fullmatch(r"1e\+30 +diverged at epoch 1, step 2", lines[2])
    assert re.fullmatch(rf" +0\.5 +{runs[2]['history'][1]['train_loss']:.4f}  \d\.\d{{4}}", lines[4])
    best = max(runs[1:], key=lambda run: run["history"][-1]["valid_accuracy"])
    told = f"--lr {best['config']['lr']:g}  (test accuracy: {best['test_accuracy']:.4f})"
    assert lines[5] == f"best validation accuracy: {told}"
    assert all(len(line) <= 80 for line in lines[:6])
    assert "sweep: 100%" in err
    assert "3/3" in err


def test_it_leaves_a_picture_and_the_runs_which_serve_as_any_other(small, alone, tmp_path):
    swept(tmp_path, "--lr", "0.1,0.5", *FIXED)
    assert {path.name for path in tmp_path.iterdir()} == {"sweep.json", "sweep.png", "lr-0.1", "lr-0.5"}
    assert imread(tmp_path / "sweep.png").std() > 0.05
    assert mnist.MODEL.trained_net(tmp_path / "lr-0.5").hidden.weight.shape == (784, 8)


def test_on_all_cores_each_run_is_the_same_has_one_thread_and_is_deaf_to_ctrl_c(
    small, unpainted, tmp_path, monkeypatch
):
    pytest.importorskip("joblib")
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")  # to which the processes do not keep
    there = swept(tmp_path / "there", "--lr", "0.1,1e30", *FIXED)
    threads, _ = sweep(THREADS, lr=[0.1, 0.2], out=tmp_path / "threads")
    assert [(run["history"][0]["train_loss"], run["initial_valid_accuracy"]) for run in threads] == [(True, 1)] * 2
    monkeypatch.setitem(sys.modules, "joblib", None)
    here = swept(tmp_path / "here", "--lr", "0.1,1e30", *FIXED)
    assert [results(run) for run in there] == [results(run) for run in here]
    assert [run["diverged"] for run in there] == [None, "epoch 1, step 2"]


def deafness_and_threads(net, split):
    evaluate(net, split)
    return float(signal.getsignal(signal.SIGINT) == signal.SIG_IGN), float(os.environ["OPENBLAS_NUM_THREADS"])


THREADS = Sides(
    "threads",
    "How many threads?",
    lambda rng: nn.Linear(2, 2, rng=rng),
    learn,
    deafness_and_threads,
    epochs=1,
    batch_size=100,
    lr={"sgd": 1},
)


def test_rows_have_the_order_of_the_options_whichever_run_ends_first(small, unpainted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", SimpleNamespace(cpu_count=lambda: 2))
    monkeypatch.setattr(grid, "on_cores", lambda n, joblib, jobs: (grid.trained(*job) for job in reversed(jobs)))
    assert [run["config"]["lr"] for run in swept(tmp_path, "--lr", "0.1,0.3,0.2", *FIXED)] == [0.1, 0.3, 0.2]


def test_options_with_several_values_are_combined(small, alone, unpainted, tmp_path, capsys):
    options = ["--lr", "0.1,1,0.1", "--hidden", "4,8", "--seed", "1,2", "--batch-size", "50", "--epochs", "1"]
    runs = swept(tmp_path, *options, "--data", "mnist", "--quiet")
    tried = [tuple(run["config"][name] for name in ("lr", "seed", "hidden", "batch_size")) for run in runs]
    assert tried == [(lr, seed, hidden, 50) for lr in (0.1, 1) for seed in (1, 2) for hidden in (4, 8)]
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "lr-0.1-seed-2-hidden-8/metrics.json").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "give --lr the learning rates to compare, such as --lr 0.1,0.3,1"),
        (["--lr"], "argument --lr: expected one argument"),
        (["--lr", ""], "argument --lr: expected a positive number, found '' (--help"),
        (["--lr", "0"], "argument --lr: expected a positive number, found '0' (--help"),
        (["--lr", "0.1,,x"], "found '' in '0.1,,x': write a comma between values, and no space"),
        (["--lr", "0.1,", "1"], "found '' in '0.1,': write a comma between values, and no space"),
        (["--lr", "0.1,nan"], "argument --lr: expected a positive number, found 'nan'"),
        (["--lr", "0.1", "--hidden", "3,0"], "argument --hidden: expected a whole number from 1 to 1000000, found '0'"),
        (["--lr", "0.1", "--seed", "-1"], "argument --seed: expected a whole number of at least 0, found '-1'"),
        (["--lr", "0.1", "--epochs", "1,2"], "argument --epochs: expected a whole number of at least 1, found '1,2'"),
        (["--lr", "0.1", "--momentum", "0.5", "--optimizer", "adam"], "adam has no momentum"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_one_line(tmp_path, capsys, options, complaint):
    with pytest.raises(SystemExit) as stopped:
        mnist.main(["sweep", "--out", str(tmp_path / "out"), *options])
    out, message = capsys.readouterr()
    assert (stopped.value.code, out, message.count("\n")) == (2, "", 1)
    assert message.startswith("python -m models.mnist sweep: ")
    assert complaint in message
    assert not (tmp_path / "out").exists()


def test_mistakes_and_a_lack_of_memory_are_one_line(small, alone, tmp_path, monkeypatch, capsys):
    assert mnist.main(["sweep", "--out", str(tmp_path), "--lr", "0.1", "--data", "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

    def full(*args, **kwargs):
        raise MemoryError("Unable to allocate 5.84 GiB")

    monkeypatch.setattr(mnist.MODEL, "net", full)
    assert mnist.main(["sweep", "--out", str(tmp_path), "--lr", "0.1", *FIXED, "--quiet"]) == 2
    assert "try a smaller --hidden or --batch-size" in capsys.readouterr().err


def test_a_full_disk_is_one_line(small, alone, tmp_path, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert mnist.main(["sweep", "--out", str(tmp_path), "--lr", "0.1", *FIXED, "--quiet"]) == 2
    saved = tmp_path / "lr-0.1/checkpoint.npz"
    assert capsys.readouterr().err == f"python -m models.mnist: {saved}: No space left on device\n"


def test_where_all_diverge_there_is_no_best_one(small, alone, unpainted, tmp_path, capsys):
    swept(tmp_path, "--lr", "1e30", *FIXED)
    assert "every run diverged: try lower learning rates" in capsys.readouterr().out


def test_ctrl_c_keeps_the_runs_that_have_ended_and_resume_makes_up_for_the_others(
    small, alone, unpainted, tmp_path, monkeypatch, capsys
):
    whole, calls = mnist.train, iter(range(1, 100))

    def interrupted(*arguments):
        if next(calls) == 4:  # in the second epoch of the second run
            raise KeyboardInterrupt
        whole(*arguments)

    options = ["--lr", "0.1,0.2,0.5", *FIXED]
    monkeypatch.setattr(mnist, "train", interrupted)
    assert [run["config"]["lr"] for run in swept(tmp_path / "cut", *options, status=130)] == [0.1]
    printed = capsys.readouterr().out
    assert "best validation accuracy: --lr 0.1" in printed
    assert "interrupted: 2 of 3 runs have not ended (--resume continues them)" in printed
    cut = swept(tmp_path / "cut", *options, "--resume")
    assert next(calls) == 4 + 1 + 2 + 1  # the epoch that was cut, and the two of the third run
    assert [results(run) for run in cut] == [results(run) for run in swept(tmp_path / "whole", *options)]


def test_a_real_ctrl_c_ends_all_processes_without_a_traceback(tmp_path):
    pytest.importorskip("joblib")
    out = tmp_path / "out"
    command = [sys.executable, "-m", ON_SMALL_DIGITS, "sweep", "--lr", "0.1,0.2,0.3", "--epochs", "100000"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    # A shell starts what runs in the background deaf to Ctrl-C, and so what that starts.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([*command, "--out", str(out)], cwd=ROOT, preexec_fn=heard, **streams)
    deadline = time.monotonic() + 60
    while not (out / "lr-0.1/metrics.json").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes get it
    printed, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "leaked" not in err  # a semaphore of a bar, of which Python would tell after the end
    assert "interrupted: 3 of 3 runs have not ended" in printed


def test_an_earlier_sweep_is_kept_beside_the_new_one(small, alone, unpainted, tmp_path, capsys):
    out = tmp_path / "sweep"
    swept(out, "--lr", "0.1", *FIXED)
    (out / "lr-notes").mkdir()
    capsys.readouterr()
    swept(out, "--lr", "0.2", *FIXED)
    assert capsys.readouterr().out.startswith(f"the earlier results in {out} are moved to {out}.1\n")
    assert {path.name for path in out.iterdir()} == {"lr-0.2", "lr-notes", "sweep.json", "sweep.png"}
    assert {path.name for path in (tmp_path / "sweep.1").iterdir()} == {"lr-0.1", "sweep.json", "sweep.png"}


def test_in_python_it_is_one_line_that_leaves_no_files(small, alone, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows, figure = sweep(mnist.MODEL, lr=np.array([0.1, 0.5]), epochs=1, hidden=8, seed=range(2), dtype="float64")
    assert [(row["config"]["lr"], row["config"]["seed"]) for row in rows] == [(0.1, 0), (0.1, 1), (0.5, 0), (0.5, 1)]
    assert figure.get_suptitle() == "models.mnist after 1 epoch on mnist digits"
    assert list(tmp_path.iterdir()) == []
    assert tg.get_default_dtype() == np.float32
    with pytest.raises(TypeError, match="has no option 'epoch': did you mean epochs"):
        sweep(mnist.MODEL, lr=[0.1], epoch=1)
    for options in ({"lr": []}, {"lr": [0.1], "hidden": []}, {"lr": [0.1], "epochs": [1, 0]}):
        with pytest.raises(ValueError, match="nothing to compare"):
            sweep(mnist.MODEL, **options)


def test_ctrl_c_before_any_run_has_ended_leaves_python_nothing_to_draw(small, alone, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep(mnist.MODEL, lr=[0.1])


def test_it_serves_other_readers_of_digits_too(small, alone, unpainted, tmp_path):
    (run,) = swept(tmp_path, "--lr", "0.003", "--epochs", "1", "--channels", "1", model=lenet)
    assert 0 <= run["test_accuracy"] <= 1


def test_other_processes_import_the_model_of_a_script_but_none_that_a_notebook_defines(monkeypatch):
    def in_main(): ...

    in_main.__module__ = "__main__"
    model = SimpleNamespace(name="mnist", learn=in_main)
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__file__=str(ROOT / "models/mnist.py")))
    assert grid.importable(model) is mnist.MODEL
    for main in (SimpleNamespace(), SimpleNamespace(__file__=__file__)):
        monkeypatch.setitem(sys.modules, "__main__", main)
        with pytest.raises(ImportError, match="cannot import mnist"):
            grid.importable(model)
