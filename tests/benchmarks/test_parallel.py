"""How far ranks carry is reckoned from what an all-reduce was measured to take, and one rank tells."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.parallel import SAMPLES, Link
from tinygrad_lite.parallel import SIZES

MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
# The same at a size that takes no time.
SMALL = """
import sys
from tests.benchmarks import __main__ as benchmarks, parallel
benchmarks.SIZES_OF_RANKS = (benchmarks.Size(4, (5,)),)
parallel.MESSAGES = (1, 1_000)
sys.exit(benchmarks.main(["parallel", "--rounds", "1", "--latency", "25", "--bandwidth", "3"]))
"""


@pytest.mark.parametrize("ranks", [2, 8])
def test_a_link_that_was_measured_takes_what_was_measured(ranks: int) -> None:
    link = Link(latency=1e-6, bandwidth=1e9, flops=1e10)
    times = {n: 1e6 * link.communication(n, ranks) for n in (0, 10**9)}
    measured = Link.measured(times, ranks, 1e10)
    assert measured.latency == pytest.approx(link.latency)
    assert measured.bandwidth == pytest.approx(link.bandwidth, rel=1e-4)
    # Two ranks send each other half of it, and then the other half.
    assert link.communication(1_000_000, 2) == pytest.approx(2e-6 + 4e6 / 1e9)


def test_at_the_break_even_half_of_a_step_is_communication() -> None:
    link = Link(latency=1e-5, bandwidth=1e9, flops=1e11)
    samples = link.break_even(10_000, 16)
    assert link.share(10_000, 16, samples) == pytest.approx(0.5)
    assert link.share(10_000, 16, 2 * samples) < 0.5
    assert link.share(10_000, 64) > link.share(10_000, 16) > link.share(1_000_000, 16)
    assert link.share(10**9, 2) == pytest.approx(4 / (4 + 6 * SAMPLES / 100), rel=1e-4)


@pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None, reason="mpi4py or mpiexec is not installed"
)
def test_one_of_the_ranks_reports() -> None:
    command = [str(MPIEXEC), "-n", "2", sys.executable, "-c", SMALL]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("A training step of 2 ranks beside one process") == 1
    for text in ("784-5-10, batch 4", "1,000 numbers, float32", "from 25.00 µs a message, 3.00 GB/s", "256 ranks"):
        assert text in done.stdout


def test_a_process_alone_is_told_how_to_start_several(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SIZES:
        monkeypatch.delenv(name, raising=False)
    assert main(["parallel"]) == 2
    assert "mpiexec -n 2 python -m tests.benchmarks parallel\n" in capsys.readouterr().err
