"""Schedules: learning rates as functions of the number of the step, which starts at 0.

Large steps find the region of a minimum sooner, small ones end closer to it, so the rate is lowered during training.
Assign it before each step. A compiled step reads ``optimizer.lr`` at each call, so there is one program for all rates.

    rate = tg.optim.schedule.cosine(0.1, steps=1000)
    for i, (images, labels) in enumerate(batches):
        optimizer.lr = rate(i)
        step(images, labels)

After its last step each schedule stays at its last rate.

Examples
--------
>>> rate = one_cycle(0.1, steps=100)
>>> [round(rate(i), 3) for i in (0, 30, 65, 100, 200)]
[0.004, 0.1, 0.05, 0.0, 0.0]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..nn.functional.checks import BETWEEN, FINITE, NOT_NEGATIVE, POSITIVE, expect_number, expect_whole
from ..support.names import answer_for_missing

Schedule = Callable[[int], float]


def warmup(lr: float, steps: int, after: Schedule | None = None) -> Schedule:
    """Raise the rate in equal amounts to ``lr``, which step number ``steps`` has; then stay, or follow a schedule.

    Parameters
    ----------
    lr : float
        The rate at the end.
    steps : int
        The number of steps below it.
    after : callable, optional
        The schedule of the steps from then on; they are counted from 0 again.

    Returns
    -------
    callable
        ``rate(i)`` is the learning rate of step ``i``.

    Examples
    --------
    >>> rate = tg.optim.schedule.warmup(0.1, steps=4)
    >>> [round(rate(i), 3) for i in range(6)]
    [0.02, 0.04, 0.06, 0.08, 0.1, 0.1]
    """
    _check("warmup", lr, steps)
    if after is not None and not callable(after):
        raise TypeError(f"warmup: after must be a schedule, such as cosine(0.1, steps=1000), not {after!r:.60}")

    @_of_a_step
    def rate(i: int) -> float:
        if i < steps:
            return lr * (i + 1) / (steps + 1)
        return lr if after is None else after(i - steps)

    return rate


def cosine(lr: float, steps: int, final: float = 0.0, warmup: int = 0) -> Schedule:
    """Lower the rate from ``lr`` to ``final`` along half a wave of the cosine.

    Source: I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5.

    Parameters
    ----------
    lr, final : float
        The first and the last rate.
    steps : int
        The number of steps between them.
    warmup : int
        How many of these steps raise the rate to ``lr`` first.

    Examples
    --------
    >>> rate = tg.optim.schedule.cosine(0.1, steps=100)
    >>> [round(rate(i), 3) for i in (0, 50, 100)]
    [0.1, 0.05, 0.0]
    """
    _check("cosine", lr, steps)
    expect_number("cosine", "final", final, NOT_NEGATIVE)
    expect_whole("cosine", "warmup", warmup, 0)
    if warmup >= steps:
        raise ValueError(f"cosine: warmup must be at least 0 and less than the {steps} steps, not {warmup}")

    @_of_a_step
    def rate(i: int) -> float:
        done = min(i / (steps - warmup), 1)
        return final + (lr - final) * (1 + math.cos(math.pi * done)) / 2

    return globals()["warmup"](lr, warmup, rate) if warmup else rate


def step(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the rate by a factor after every so many steps.

    Examples
    --------
    >>> rate = tg.optim.schedule.step(0.1, every=10, factor=0.5)
    >>> [rate(i) for i in (0, 9, 10, 20)]
    [0.1, 0.1, 0.05, 0.025]
    """
    _check("step", lr, every, "every")
    expect_number("step", "factor", factor, NOT_NEGATIVE)
    return _of_a_step(lambda i: lr * factor ** (i // every))


def one_cycle(lr: float, steps: int, peak: float = 0.3, start: float = 25.0, end: float = 1e4) -> Schedule:
    """Raise the rate to ``lr`` and lower it again, along waves of the cosine.

    Source: L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2018.

    Parameters
    ----------
    lr : float
        The highest rate.
    steps : int
        The number of steps in all.
    peak : float
        The fraction of the steps at which the rate is highest.
    start : float
        The first rate is ``lr / start``.
    end : float
        The last rate is ``lr / start / end``.

    Examples
    --------
    >>> rate = tg.optim.schedule.one_cycle(0.1, steps=100)
    >>> [round(rate(i), 4) for i in (0, 30, 65, 100)]
    [0.004, 0.1, 0.05, 0.0]
    """
    _check("one_cycle", lr, steps)
    expect_number("one_cycle", "peak", peak, BETWEEN)
    for argument, value in (("start", start), ("end", end)):
        expect_number("one_cycle", argument, value, POSITIVE)
    first, last, top = lr / start, lr / start / end, peak * steps

    @_of_a_step
    def rate(i: int) -> float:
        low, done = (first, 1 - i / top) if i < top else (last, min((i - top) / (steps - top), 1))
        return low + (lr - low) * (1 + math.cos(math.pi * done)) / 2

    return rate


def _check(name: str, lr: float, steps: int, argument: str = "steps") -> None:
    expect_number(name, "the learning rate", lr, FINITE)
    expect_whole(name, argument, steps, 1)


def _of_a_step(rate: Schedule) -> Schedule:
    """Let a schedule take numbers of at least 0 alone; a fraction is a time between two steps."""

    @wraps(rate)
    def checked(i: Any) -> float:
        expect_number("a schedule", "the number of the step", i, NOT_NEGATIVE)
        return rate(i)

    return checked


answer_for_missing(__name__)
