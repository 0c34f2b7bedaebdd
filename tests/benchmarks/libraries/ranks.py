"""The step of several ranks, and an all-reduce of them: the process is one of those that mpiexec has started."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.benchmarks.libraries import ours
from tests.benchmarks.steps import Size, Step
from tests.benchmarks.worker import Worker, serve
from tinygrad_lite.parallel import World, world

NAP = 50e-6  # seconds
ALL: list[World] = []
SPENT = np.zeros(2)  # seconds in all-reduces, and in steps: in an array, whose contents no program depends on


class Watched(World):
    def all_reduce(self, values: Any, *args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        super().all_reduce(values, *args, **kwargs)
        SPENT[0] += time.perf_counter() - start


def step(size: Size) -> Step:
    """Return the compiled step of `models.mnist` on this rank's rows."""
    made = ours.jit(size, world=ALL[0])
    SPENT[:] = 0

    def run(*batch: Any) -> Any:
        start = time.perf_counter()
        loss = made.run(*ALL[0].shard(*batch))
        SPENT[1] += time.perf_counter() - start
        return loss

    return made._replace(run=run, notes=lambda: {"in all-reduce": SPENT[0] / SPENT[1]})


def all_reduce(numbers: int) -> Any:
    values = np.zeros(numbers, np.float32)
    return lambda: ALL[0].all_reduce(values)


def orders(ranks: World) -> Iterator[str]:
    """Yield the orders to the first rank, on all of them; wait asleep: who waits in MPI keeps a core busy."""
    while True:
        order = sys.stdin.readline() if ranks.is_first else None
        request = ranks._comm.Ibarrier()
        while not request.Test():
            time.sleep(NAP)
        order = ranks._comm.bcast(order)
        if not order:
            return
        yield order


if __name__ == "__main__":
    from tests.benchmarks.libraries import ranks  # this file, as the worker imports it

    with world() as them:
        ranks.ALL.append(ranks.Watched(them._comm))
        serve(Worker(*json.loads(sys.argv[1])), orders(them), sys.stdout.write if them.is_first else len)
