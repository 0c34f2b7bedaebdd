"""With real ranks: training comes to what one process comes to, and a rank that fails ends the job, seen and soon."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.parallel.launch import MPIEXEC, needs_mpi
from tinygrad_lite.parallel import THREADS, _cores

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
SOON = 60  # seconds: what takes longer hangs
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in THREADS} | {"PYTHONPATH": str(ROOT)}

pytestmark = needs_mpi


def start(ranks, script, *arguments, options=(), **environment):
    launcher = [] if ranks == 1 else [MPIEXEC, "-n", str(ranks)]
    command = [*launcher, sys.executable, *options, str(HERE / script), *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=ENVIRONMENT | environment, text=True, **pipes)


def finish(process):
    """Return the exit status, stdout and stderr; mpiexec takes its ranks with it where they hang."""
    try:
        out, err = process.communicate(timeout=SOON)
    except subprocess.TimeoutExpired:
        process.terminate()
        out, err = process.communicate(timeout=SOON)
        pytest.fail(f"the ranks hang: {out} {err}")
    return process.returncode, out, err


def trained(ranks, folder, **environment):
    """Train with so many ranks; return what each of them has saved."""
    status, _, err = finish(start(ranks, "train.py", folder, options=("-W", "error"), **environment))
    assert (status, err) == (0, "")
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(ranks)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return trained(1, tmp_path_factory.mktemp("alone"))[0]


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.whole)])
def ranks(request, tmp_path_factory):
    return trained(request.param, tmp_path_factory.mktemp("ranks"))


def of_training(found):
    return {name: x for name, x in found.items() if " weights " in name or " losses" in name}


def test_the_ranks_are_one_world(ranks, alone):
    assert [found["size"] for found in ranks] == [len(ranks)] * len(ranks)
    assert sum(found["rows"] for found in ranks) == alone["rows"] == 7
    assert not alone["mpi"]


def test_every_rank_ends_with_identical_weights_and_has_seen_the_same_losses(ranks):
    first, *others = map(of_training, ranks)
    assert len(first) == 12 * 5
    for other in others:
        assert {name: x.tobytes() for name, x in other.items()} == {name: x.tobytes() for name, x in first.items()}


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        ("SGD float64", 1e-12),
        ("momentum float64", 1e-12),
        ("Adam float64", 1e-12),
        ("SGD float32", 1e-6),
        ("SGD mixed", 1e-6),
        ("SGD float16", 2e-3),
    ],
)
@pytest.mark.parametrize("compiled", ["eager", "jit"])
def test_training_comes_to_what_one_process_comes_to(ranks, alone, kind, compiled, tolerance):
    names = [name for name in of_training(alone) if name.startswith(f"{kind} {compiled} ")]
    assert len(names) == 5
    for name in names:
        assert ranks[0][name].dtype == alone[name].dtype
        np.testing.assert_allclose(ranks[0][name].astype(float), alone[name].astype(float), rtol=0, atol=tolerance)


def test_training_has_moved_the_weights(alone):
    assert alone["SGD float64 eager losses"][-1] < 0.9 * alone["SGD float64 eager losses"][0]


def test_what_a_rank_without_rows_computes_does_not_matter(ranks, alone):
    np.testing.assert_array_equal(alone["nan"], [2.0, 1.0, 1.0])
    for found in ranks:
        np.testing.assert_array_equal(found["nan"], alone["nan"])


def test_means_over_uneven_shards_are_those_of_all_rows(ranks, alone):
    for found in (alone, *ranks):
        np.testing.assert_allclose(found["mean"], [3.0, 13.0], rtol=1e-15)


def test_what_is_not_trained_is_the_same_on_every_rank_too(ranks, alone):
    for found in ranks:
        np.testing.assert_array_equal(found["frozen"], alone["frozen"])


def test_the_first_goes_before_the_others_or_for_them(ranks, alone):
    for found in (alone, *ranks):
        assert (found["call_on_first"], found["after_first"]) == (1, True)


def test_the_ranks_share_the_cores(ranks):
    assert [found["threads"] for found in ranks] == [max(1, len(_cores()) // len(ranks))] * len(ranks)


@pytest.mark.whole
def test_the_user_s_number_of_threads_stands(tmp_path):
    (found, _) = trained(2, tmp_path, OMP_NUM_THREADS="3", OPENBLAS_NUM_THREADS="3")
    assert found["threads"] == min(3, len(_cores()))


FAILURES = {
    "raises": (1, r"rank 1 of N: Traceback.*in raises\n.*KeyError: 'no such row'"),
    "raises_on_all": (2, r"rank 0 of N: no such file\n"),
    "raises_in_an_unknown_way_on_all": (1, r"rank 0 of N: Traceback.*KeyError: 'no such row'"),
    "exits": (3, r""),
    "exits_with_a_message": (1, r"rank 1 of N: nothing to do\n"),
    "is_killed": (9, r""),
    "has_another_net": (1, r"ValueError: rank \d has .*\(4,\)|\(5,\).* and rank 0 has .*\(3,\)"),
    "exits_well_on_one": (1, r"rank 0 of N: .*do different things: rank 0 sums 4 numbers of float32.*, rank 1 leaves"),
    "leaves_early": (1, r"rank 0 of N: .*do different things: rank 0 sums 4 numbers of float32.*, rank 1 leaves"),
    "has_more_parameters": (1, r"rank 0 of N: .*rank 0 sums 4 numbers of float32.*, rank 1 sums 7 numbers"),
    "splits_nothing": (1, r"rank 0 of N: .*no batch has been split over the ranks yet: call shard"),
    "has_no_stderr": (1, r""),
    "exits_with_a_status_that_is_0_to_the_system": (1, r""),
    "has_them_in_another_order": (1, r"sums 7 .* 0 \(3,\), 1 \(3,\), rank 1 sums 7 .* 1 \(3,\), 0 \(3,\)\. Every"),
    "has_them_in_another_order_in_a_jitted_step": (1, r"rank 1 sums 7 .* of a loss and of 1 \(3,\), 0 \(3,\)\. Every"),
    "has_other_shapes_in_as_many_numbers": (
        1,
        r"rank 0 sums 5 .* \(1,\), .* \(3,\), rank 1 .* \(3,\), .* \(1,\)\. Every",
    ),
    "has_too_large_a_share": (1, r"add up to 1\.5, not to 1: 0\.75 of rank 0, 0\.75 of rank 1\. Set"),
    "has_too_large_a_share_in_a_jitted_step": (1, r"add up to 1\.5, not to 1"),
    "has_another_share_in_a_mean": (1, r"add up to 1\.1, not to 1: 0\.5 of rank 0, 0\.6 of rank 1\. Set"),
    "has_a_share_that_is_none": (1, r"a share is this rank's part of a batch's rows, from 0 to 1, not nan"),
    "sleeps": (None, r"rank 0 of N: .*RuntimeError: rank 2 has not come for 2 seconds, while this one sums 4 numbers"),
    "sleeps_first": (1, r"rank 1 of N: .*RuntimeError: rank 0 has not come .* give world\(timeout=…\) more seconds"),
    "sleeps_in_what_it_does_for_all": (
        1,
        r"rank 1 of N: .*rank 0 has not come .* waits in call_on_first\(\) for the result",
    ),
    "sleeps_before_the_others": (
        1,
        r"rank 1 of N: .*rank 0 has not come .* is in first_before_others\(\), after the first rank",
    ),
    "exits_at_once": (1, r"rank 1 of N: it has left by os\._exit\(0\), without the others"),
    "exits_well_while_it_waits": (1, r"rank 1 of N: it has left while it waited for the others, as it sums 4 numbers"),
    "has_a_child_that_exits_at_once": (3, r""),
    "has_no_gradient": (1, r"rank 0 of N: .*GraphError: parameter 0, of shape \(3,\), has no gradient"),
}
# One of each kind; starting ranks takes a second a case.
ALWAYS = {
    "raises",
    "exits",
    "is_killed",
    "has_another_net",
    "has_them_in_another_order",
    "sleeps",
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in ALWAYS else pytest.mark.whole) for case in FAILURES]
)
def test_a_rank_that_fails_ends_the_job_and_its_error_is_shown(case):
    n = 3 if case in ("raises", "is_killed", "sleeps") else 2
    status, out, err = finish(start(n, "fail.py", case))
    expected, message = FAILURES[case]
    assert status == expected if expected else status  # with that of a third rank, which mpiexec has killed
    assert "the end" not in out
    assert re.search(message.replace("N", str(n)), err, re.DOTALL)
    assert len(re.findall(r"^rank \d of", err, re.MULTILINE)) == bool(message)


def test_an_exit_with_status_0_is_none():
    assert finish(start(2, "fail.py", "exits_well_on_all")) == (0, "", "")


def test_ctrl_c_ends_the_job():
    process = start(2, "fail.py", "is_interrupted")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process)
    assert status == 130
    # A rank that waits in MPI does not hear of it, so that it may be the other that tells.
    assert re.search(r"^rank [01] of 2: interrupted$", err, re.MULTILINE)
    assert "Traceback" not in err


def test_ranks_that_do_not_know_of_each_other_are_told():
    status, out, err = finish(start(1, "fail.py", "raises", OMPI_COMM_WORLD_SIZE="3"))
    assert (status, out) == (1, "")
    assert "RuntimeError: mpiexec has started 3 ranks, but mpi4py's MPI knows of 1: use the mpiexec that" in err
