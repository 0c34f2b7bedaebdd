"""The runs of a sweep: one for each combination of options, on all cores."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from importlib import import_module
from itertools import product
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from tqdm import tqdm

import tinygrad_lite as tg
from tinygrad_lite.data import Digits
from tinygrad_lite.parallel import ALONE
from tinygrad_lite.support.extras import extra

from .lock import reserved
from .main import learn, test
from .messages import Diverged, say
from .model import Model
from .rows import Row, shown
from .run import Run


def grid(args: Namespace) -> list[Namespace]:
    """Return the options of each run: every combination of the values in lists."""
    options = {"lr": args.lr, **vars(args)}  # the learning rate varies last
    values = {name: np.asarray(value).tolist() for name, value in options.items() if np.ndim(value) == 1}
    several = [name for name in values if name != "lr" and len(values[name]) > 1]
    runs = []
    for chosen in product(*values.values()):
        own = {**options, **dict(zip(values, chosen, strict=True)), "quiet": True}
        folder = "-".join(f"{name}-{shown(own[name])}" for name in ("lr", *several))
        runs.append(Namespace(**{**own, "out": args.out / folder}))
    return runs


def compare(model: Model, args: Namespace, data: Digits, kind: str) -> list[Row]:
    """Train once for each combination of options; return the metrics of the runs, after Ctrl-C of those that ended."""
    rows: dict[int, Row] = {}
    runs = grid(args)
    try:
        joblib, model = extra("joblib", "sweep", "a sweep on all cores"), importable(model)
        at_once = min(len(runs), joblib.cpu_count()) if args.device == "cpu" else 1
        ended = on_cores(at_once, joblib, [(i, model, own, data, kind) for i, own in enumerate(runs)])
    except ImportError as error:
        say(f"{error}. The runs follow one another", args.quiet)
        ended = (trained(i, model, own, data, kind) for i, own in enumerate(runs))
    with tqdm(total=len(runs), desc="sweep", unit="run", disable=args.quiet) as bar, suppress(KeyboardInterrupt):
        for i, row in ended:
            rows[i] = row
            bar.update()
    return [rows[i] for i in sorted(rows)]


def on_cores(at_once: int, joblib: Any, jobs: list[Any]) -> Iterator[tuple[int, Row]]:
    """Yield the number and the metrics of each run that ends; so many at once run, each with one thread of BLAS."""
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(at_once, batch_size=1, return_as="generator_unordered")
        heard = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the processes inherit this: Ctrl-C is for this one alone
        try:
            rows = parallel(joblib.delayed(trained)(*job) for job in jobs)
        finally:
            signal.signal(signal.SIGINT, heard)
        try:
            yield from rows
        except BrokenProcessPool:
            raise MemoryError("a process was ended from outside, probably for lack of memory") from None


def importable(model: Model) -> Model:
    """Return the same model from the module of its file; other processes cannot import what the main module defines.

    Raises
    ------
    ImportError
        If there is no such module, as for what a notebook defines.
    """
    if model.learn.__module__ != "__main__":
        return model
    module, path = import_module(f"models.{model.name}"), getattr(sys.modules["__main__"], "__file__", None)
    if path is None or not Path(path).samefile(str(module.__file__)):
        raise ImportError(f"other processes cannot import {model.name}, which is not in a file of its own")
    return module.MODEL


def trained(i: int, model: Model, args: Namespace, data: Digits, kind: str) -> tuple[int, Row]:
    """Train one net; return its number, and its metrics."""
    before, diverged = tg.get_default_dtype(), None
    tg.set_default_dtype(args.dtype)
    tqdm.set_lock(RLock())  # tqdm's own lock is for several processes: one that is ended at once would leave it behind
    try:
        with reserved(args.out):
            run = Run(model, args, data, kind, ALONE)
            run.start()
            try:
                learn(run)
                test(run)
            except Diverged as error:
                diverged = error.place
        return i, {**run.record.metrics, "diverged": diverged}
    finally:
        tg.set_default_dtype(before)
