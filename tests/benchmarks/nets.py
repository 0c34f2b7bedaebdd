"""How fast training steps of larger nets are, beside PyTorch, JAX and MyGrad: each in a process of its own, in turn.

Thread pools of different libraries in one process wait for one another, and other work on the machine takes wall time.
So every process uses one thread, and what counts is the processor time of a step.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lite as tg
from tests.benchmarks.nets_peers import step_of_jax, step_of_mygrad
from tinygrad_lite import nn

ROOT = Path(__file__).parents[2]
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
WARM_UP, STEPS = 3, 10
LENET, BLOCK, GRU = "LeNet, batch 64", "transformer block, 16×64×64", "GRU, 64×30×32"
BATCHES: dict[str, tuple[int, ...]] = {LENET: (64, 1, 28, 28), BLOCK: (16, 64, 64), GRU: (64, 30, 32)}
EAGER, JIT, TORCH = "tinygrad_lite, eager", "tinygrad_lite, jit", "PyTorch, eager"
JAX, MYGRAD = "JAX, compiled", "MyGrad"
PACKAGES = {TORCH: ["torch"], JAX: ["jax"], MYGRAD: ["mygrad", "numba", "scipy"]}  # its GRU needs the last two


def our_step(net: str, compiled: bool) -> Callable[[Any], Any]:
    """Return a training step of a net, of this library; as all steps it returns the loss before."""
    if net == LENET:
        model: nn.Module = nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2, rng=0), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120, rng=0), nn.ReLU(), nn.Linear(120, 84, rng=0), nn.ReLU(), nn.Linear(84, 10, rng=0)),
        )
    else:
        model = nn.TransformerBlock(64, 4, rng=0) if net == BLOCK else nn.GRU(32, 32, rng=0)
    optimizer, labels = tg.optim.SGD(model.parameters(), 0.01), np.arange(64) % 10

    def step(x: Any) -> Any:
        y = model(x, causal=True) if net == BLOCK else model(x)
        y = y[0] if net == GRU else y
        loss = nn.functional.cross_entropy(y, labels) if net == LENET else np.square(y).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return tg.jit(step) if compiled else step


def step_of_pytorch(net: str) -> Callable[[Any], Any]:
    """Return the same training step of PyTorch."""
    import torch
    from torch import nn as theirs

    torch.set_num_threads(1)
    mask = torch.triu(torch.full((64, 64), float("-inf")), 1)
    if net == LENET:
        model: Any = theirs.Sequential(
            *(theirs.Conv2d(1, 6, 5, padding=2), theirs.ReLU(), theirs.MaxPool2d(2)),
            *(theirs.Conv2d(6, 16, 5), theirs.ReLU(), theirs.MaxPool2d(2), theirs.Flatten()),
            *(theirs.Linear(400, 120), theirs.ReLU(), theirs.Linear(120, 84), theirs.ReLU(), theirs.Linear(84, 10)),
        )
    elif net == BLOCK:
        how: Any = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        model = theirs.TransformerEncoderLayer(64, 4, 256, **how)
    else:
        model = theirs.GRU(32, 32, batch_first=True)
    optimizer, labels = torch.optim.SGD(model.parameters(), 0.01), torch.arange(64) % 10

    def step(x: Any) -> Any:
        x = torch.from_numpy(x)
        y = model(x, src_mask=mask, is_causal=True) if net == BLOCK else model(x)
        y = y[0] if net == GRU else y
        loss = theirs.functional.cross_entropy(y, labels) if net == LENET else y.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def step_of(net: str, who: str) -> Callable[[Any], Any]:
    """Return a candidate's training step of a net."""
    theirs = {TORCH: step_of_pytorch, JAX: step_of_jax, MYGRAD: step_of_mygrad}
    return theirs[who](net) if who in theirs else our_step(net, compiled=who == JIT)


def timed(net: str, who: str) -> float:
    """Return the processor time of a step in milliseconds, in this process."""
    step = step_of(net, who)
    x = np.random.default_rng(0).random(BATCHES[net], np.float32)
    for _ in range(WARM_UP):
        step(x)
    start = time.process_time()
    for _ in range(STEPS):
        step(x)
    return 1e3 * (time.process_time() - start) / STEPS


def measured(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the times of all candidates for each net, one of each round, from processes of their own in turn."""
    candidates = [EAGER, JIT, *(who for who, packages in PACKAGES.items() if all(map(find_spec, packages)))]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    times: dict[str, dict[str, list[float]]] = {net: {who: [] for who in candidates} for net in BATCHES}
    for _ in range(rounds):
        for net in BATCHES:
            for who in candidates:
                command = [sys.executable, "-m", "tests.benchmarks.nets", json.dumps([net, who])]
                done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
                times[net][who].append(float(done.stdout))
    return times


def tables(rounds: int) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Return a table for each net: the median time of a step, its range, and its ratio to PyTorch's, run by run."""
    found = []
    for net, times in measured(rounds).items():
        rows: list[tuple[str, ...]] = [("who", "ms of processor time a step", "range", "times PyTorch")]
        for who, ms in times.items():
            ratios = [a / b for a, b in zip(ms, times.get(TORCH, []), strict=False)]
            ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
            rows.append((who, f"{statistics.median(ms):.2f}", f"{min(ms):.2f} to {max(ms):.2f}", ratio))
        found.append((f"One training step, {net}, float32, one thread", rows))
    return found


if __name__ == "__main__":
    print(timed(*json.loads(sys.argv[1])))
