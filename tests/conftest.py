"""What all tests share: one thread of BLAS, a worker for each core, and no test that a slow machine fails."""

from __future__ import annotations

import os

# Before NumPy is imported, which reads it then. Workers, and the processes that tests start, have the cores to share:
# with a pool of threads in each, they would mostly wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a machine that is busy with other things.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` starts: one for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
