"""Measuring: candidates in turn in one process, the machine they ran on, tables of the result."""

from __future__ import annotations

import gc
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_lite.support.formatting import table

LR = 10**-0.35

Times = dict[str, list[float]]


class Step:
    """One step of stochastic gradient descent, as someone writes it; it has its own copy of the parameters."""

    def batch(self, images: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
        """Return a batch of float32 arrays as `run` takes it; done beforehand, so not measured."""
        return images, targets

    def batches(self, images: np.ndarray, targets: np.ndarray) -> list[tuple[Any, Any]]:
        """Return several batches, stacked in two arrays, as `run` takes them one after another."""
        return [self.batch(*batch) for batch in zip(images, targets, strict=True)]

    def run(self, images: Any, targets: Any) -> Any:
        """Do the step."""
        raise NotImplementedError

    def weights(self) -> list[np.ndarray]:
        """Return the parameters, ``[w1, b1, w2, b2, …]``, as they are now."""
        raise NotImplementedError


def alternate(functions: Mapping[str, Callable[[], Any]], rounds: int, repeats: int) -> Times:
    """Time functions in turn, A B C A B C …, so that whatever slows the machine for a while slows all of them.

    The garbage collector runs as it does for a user, who has not imported all the other libraries: what they hold
    is kept from it.

    Parameters
    ----------
    functions : mapping of str to callable
        The candidates.
    rounds : int
        How often each has its turn, besides one to warm up.
    repeats : int
        Calls a turn. Half as many go before them, uncounted: they bring the candidate's data into the caches and
        let the threads of the one before fall asleep.

    Returns
    -------
    dict of str to list of float
        Seconds a call, of each turn.
    """
    times: Times = {name: [] for name in functions}
    gc.collect()
    gc.freeze()
    for turn in range(rounds + 1):
        for name, function in functions.items():
            _call(function, -(-repeats // 2))
            start = time.perf_counter()
            _call(function, repeats)
            seconds = time.perf_counter() - start
            if turn > 0:
                times[name].append(seconds / repeats)
    gc.unfreeze()
    return times


def _call(function: Callable[[], Any], repeats: int) -> None:
    for _ in range(repeats):
        result = function()
    # JAX returns before it has finished.
    if hasattr(result, "block_until_ready"):
        result.block_until_ready()


def median(times: Times, name: str) -> float:
    """Return the median of a candidate's times, in microseconds."""
    return 1e6 * statistics.median(times[name])


def ratio(times: Times, name: str, reference: str) -> float:
    """Return how many times as long as the reference a candidate takes: the median over the rounds."""
    return statistics.median(a / b for a, b in zip(times[name], times[reference], strict=True))


Rows = Sequence[Sequence[str]]


def report(title: str, rows: Rows, *more: tuple[str, Rows]) -> str:
    """Return a table under a title and the machine it was measured on, and more tables under titles of their own.

    All columns but the first are numbers.
    """
    tables = [(f"{title}\n{machine()}", rows), *more]
    return "\n".join(f"{title}\n\n{table(rows, right=range(1, len(rows[0])))}\n" for title, rows in tables)


def machine() -> str:
    """Return what figures depend on, in one line: processor, Python, NumPy, BLAS and its threads."""
    blas = np.show_config("dicts")["Build Dependencies"]["blas"]
    return (
        f"{_processor()}, {_cores()} cores; Python {platform.python_version()}; NumPy {np.__version__} with "
        f"{blas['name']} {blas['version']}, {_threads()} threads"
    )


def _processor() -> str:
    if platform.system() == "Linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        return subprocess.check_output(["sysctl", "-n", "machdep.cpu.brand_string"], text=True).strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _threads() -> int:
    """Return how many threads OpenBLAS uses: what the first of its variables says, else one a core."""
    asked = (os.environ.get(name, "") for name in ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"))
    return next((min(int(n), _cores()) for n in asked if n.isdecimal() and int(n) > 0), _cores())
