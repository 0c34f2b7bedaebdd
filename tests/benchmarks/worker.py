"""A candidate's process: it makes ready for a case when it is told to, and takes a turn when it is told to.

Every order, and every answer, is a line of JSON. Only NumPy is imported before the candidate's own library.
"""

import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tests.benchmarks.steps import Size, Step

BRINGS_IT = "pip install -e '.[bench]' brings it, where this Python can have it"


class Worker:
    """What carries out the orders for one candidate: the function ``make`` of the file ``library``, with options."""

    def __init__(self, library: str, make: str, options: dict[str, Any], tree: str = "") -> None:
        self.library, self.make, self.options = library, make, options
        if tree:  # another checkout, whose library and models are imported in place of this one's
            sys.path.insert(0, tree)

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to ``{"case": arguments, "warm": bool}``, ``{"calls": n}`` or ``{"notes": True}``."""
        try:
            if "case" in order:
                return self.made_ready(order["case"], order["warm"])
            return self.turn(order["calls"]) if "calls" in order else getattr(self.made, "notes", dict)()
        except ModuleNotFoundError as error:
            return {"left out": f"{error.name} is not installed ({BRINGS_IT})"}
        except Exception as error:  # whatever a library raises that cannot do it here
            return {"left out": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}

    def made_ready(self, arguments: list[Any], warm: bool) -> dict[str, Any]:
        """Make the candidate for a case, and call it once if it is to be warm; return what its times depend on."""
        module = importlib.import_module(f"tests.benchmarks.libraries.{self.library}")
        sized = [Size(a[0], tuple(a[1])) if isinstance(a, list) else a for a in arguments]
        self.made = getattr(module, self.make)(*sized, **self.options)
        self.call: Callable[[], Any] = self.made.turns() if isinstance(self.made, Step) else self.made
        if warm:
            self.call()
        version = getattr(sys.modules.get(self.library), "__version__", "")
        theirs = f", {self.library} {version}" if version else ""
        return {"environment": f"Python {platform.python_version()}, NumPy {np.__version__}{theirs}; {pools()}"}

    def turn(self, calls: int) -> dict[str, Any]:
        """Return the seconds, and those of the processor, of so many calls, after half as many to warm up."""
        for _ in range(calls // 2):
            self.call()
        start, processor = time.perf_counter(), processor_time()
        for _ in range(calls):
            self.call()
        return {"wall": time.perf_counter() - start, "cpu": processor_time() - processor}


def processor_time() -> float:
    """Return the seconds of the processor that this process, its threads and the processes it ended have used."""
    return time.process_time() + sum(os.times()[2:4])


def pools() -> str:
    """Return the pools of threads, such as that of BLAS, each with its version, its kernel and its threads."""
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError as error:
        return f"{error.name} would tell its BLAS ({BRINGS_IT})"
    parts = [[p["internal_api"], p["version"], p.get("architecture"), p["num_threads"]] for p in threadpool_info()]
    return "; ".join(sorted(f"{' '.join(filter(None, part[:3]))}, threads: {part[3]}" for part in parts))


def serve(worker: Worker, orders: Iterable[str], answer: Callable[[str], Any]) -> None:
    """Carry out orders until there are no more."""
    for order in orders:
        answer(json.dumps(worker.answer(json.loads(order))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    serve(Worker(*json.loads(sys.argv[1])), sys.stdin, told.write)
