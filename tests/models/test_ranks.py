"""The MNIST command on several ranks: it comes to what one process comes to, and only the first prints and writes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from models.command import reserved
from tests.models.small import ON_SMALL_DIGITS
from tests.parallel.launch import MPIEXEC, needs_mpi
from tests.real import needs_mnist
from tinygrad_lite import checkpoint


def run(ranks, folder, *options, program="models.mnist"):
    launcher = [] if ranks == 1 else [MPIEXEC, "-n", str(ranks)]
    command = [*launcher, sys.executable, "-m", program, "--out", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@needs_mpi
@pytest.mark.parametrize(
    ("ranks", "program"),
    [
        (2, ON_SMALL_DIGITS),
        pytest.param(3, ON_SMALL_DIGITS, marks=pytest.mark.whole),
        pytest.param(2, "models.mnist", marks=[needs_mnist, pytest.mark.whole]),
        pytest.param(3, "models.mnist", marks=[needs_mnist, pytest.mark.whole]),
    ],
)
def test_several_ranks_train_as_one_process_does(ranks, program, tmp_path):
    # Batches of 299 leave one of 67 of MNIST at the end, and one of 2 of the small data: no rank has as many rows as
    # another, and the third of three has none.
    options = ["--data", "mnist", "--epochs", "1", "--dtype", "float64", "--batch-size", "299"]
    options += ["--shuffle", "--momentum", "0.5", "--lr", "0.1"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert run(1, alone, *options, "--quiet", program=program).returncode == 0
    done = run(ranks, together, *options, program=program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test accuracy:") == 1
    assert done.stdout.count("validation accuracy before training") == 1
    one, other = (checkpoint.load(folder / "checkpoint.npz")[0] for folder in (alone, together))
    for part, state in one.items():
        for name, array in state.items():
            np.testing.assert_allclose(other[part][name], array, rtol=0, atol=1e-10)
    metrics, others = (json.loads((folder / "metrics.json").read_text()) for folder in (alone, together))
    assert others["test_accuracy"] == pytest.approx(metrics["test_accuracy"], abs=1e-12)
    assert others["history"][0]["train_loss"] == pytest.approx(metrics["history"][0]["train_loss"], abs=1e-10)
    # It goes on from there on other ranks.
    more = run(ranks, together, *options, "--quiet", "--resume", "--epochs", "2", program=program)
    assert (more.returncode, more.stdout, more.stderr) == (0, "", "")
    assert len(json.loads((together / "metrics.json").read_text())["history"]) == 2


@needs_mpi
@needs_mnist
def test_a_mistake_is_one_line_with_status_2_and_no_rank_waits(tmp_path):
    done = run(2, tmp_path / "out", "--data", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert done.stderr.count("there is no folder") == 1
    assert "Traceback" not in done.stderr


@needs_mpi
def test_a_diverged_run_ends_on_all_ranks_alike(tmp_path):
    done = run(2, tmp_path, "--data", "mnist", "--lr", "1e30", "--epochs", "1", "--quiet", program=ON_SMALL_DIGITS)
    assert done.returncode == 2
    assert done.stderr.count("Try a lower --lr") == 1
    assert "first parameter that is not finite is hidden.weight" in done.stderr
    assert list(tmp_path.iterdir()) == []


@needs_mpi
def test_ranks_are_refused_a_folder_in_which_another_run_is_at_work(tmp_path):
    with reserved(tmp_path):
        done = run(2, tmp_path, "--data", "synthetic")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count(f"rank 0 of 2: another run is still writing to {tmp_path}, process") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@needs_mpi
def test_a_wrong_option_is_said_once(tmp_path):
    done = run(2, tmp_path, "--epoch", "3")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("did you mean --epochs?") == 1
