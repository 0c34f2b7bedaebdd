"""What data-parallel training takes: a step of several ranks, its all-reduce, and how far the two carry."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tg
from models.mnist import training_step
from tests.benchmarks.comparison import Size, Work
from tests.benchmarks.measure import LR, Times, median, ratio
from tests.benchmarks.own import JitStep, net_of
from tinygrad_lite import optim
from tinygrad_lite.parallel import World, _cores

ALONE, TOGETHER = "one process", "the ranks"
NAP = 50e-6  # seconds
MESSAGES = (1, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)  # numbers of float32
BYTES = 4  # of a number
SAMPLES = 100  # a rank has in the table of how far it carries
MODELS = tuple(10**k for k in range(4, 10))  # parameters
RANKS = (2, 4, 16, 64, 256)


class Watched(World):
    """A world that notes how long it spends in all-reduces, in an array, whose contents no program depends on."""

    def __init__(self, world: World) -> None:
        super().__init__(world._comm)
        self.seconds = np.zeros(1)

    def all_reduce(self, values: Any, *args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        super().all_reduce(values, *args, **kwargs)
        self.seconds[0] += time.perf_counter() - start

    def meet(self) -> None:
        """Wait for all ranks asleep: a rank that waits in MPI keeps a core busy."""
        request = self._comm.Ibarrier()
        while not request.Test():
            time.sleep(NAP)


class ParallelStep(JitStep):
    """The compiled step of `models.mnist` on this rank's rows."""

    def __init__(self, parameters: list[np.ndarray], world: World) -> None:
        super().__init__(parameters)
        self.world = world
        self.step = tg.jit(training_step(self.net, optim.SGD(self.net.parameters(), LR), world))

    def run(self, images: Any, targets: Any) -> Any:
        return self.step(*self.world.shard(images, targets))


class Compared(NamedTuple):
    """A step of the ranks beside that of one process on all cores, both of the same global batch.

    Attributes
    ----------
    parameters : int
        How many the net has.
    alone, together : float
        Microseconds a step.
    speedup : float
        How many times as fast the ranks are: the median over the rounds.
    in_all_reduce : float
        The part of the ranks' time in all-reduces, in which a rank waits for slower ones, too.
    """

    parameters: int
    alone: float
    together: float
    speedup: float
    in_all_reduce: float


def compare(world: World, size: Size, rounds: int) -> Compared:
    """Compare the step of all ranks with that of one process; every rank takes part."""
    from threadpoolctl import ThreadpoolController

    watched, work, threads = Watched(world), Work(size), ThreadpoolController()
    alone = work.turns(JitStep(work.parameters))
    together = work.turns(ParallelStep(work.parameters, watched))
    inside: list[float] = []
    whole: list[float] = []

    def turn_alone() -> None:
        watched.meet()
        if world.is_first:
            with threads.limit(limits=len(_cores())):
                alone()

    def turn_together() -> None:
        watched.meet()
        before, start = watched.seconds[0], time.perf_counter()
        together()
        whole.append(time.perf_counter() - start)
        inside.append(watched.seconds[0] - before)

    times: Times = work.measure({ALONE: turn_alone, TOGETHER: turn_together}, rounds)
    parameters = sum(p.size for p in net_of(size.hidden).parameters())
    share = statistics.median(a / b for a, b in zip(inside, whole, strict=True))
    return Compared(parameters, median(times, ALONE), median(times, TOGETHER), ratio(times, ALONE, TOGETHER), share)


def all_reduces(world: World, rounds: int) -> dict[int, float]:
    """Return how long an all-reduce takes, in microseconds, by how many numbers it sums: the least, as of the link."""
    watched, found = Watched(world), {}
    for n in MESSAGES:
        values = np.zeros(n, np.float32)
        repeats = max(3, min(1_000, 1_000_000 // n))
        seconds = []
        for _ in range(rounds + 1):
            watched.meet()
            watched.all_reduce(values)  # so that all begin together
            start = time.perf_counter()
            for _ in range(repeats):
                watched.all_reduce(values)
            seconds.append((time.perf_counter() - start) / repeats)
        found[n] = 1e6 * min(seconds[1:])
    return found


class Link(NamedTuple):
    """What an all-reduce and the computing between two of them depend on.

    Attributes
    ----------
    latency : float
        Seconds a message takes, however short.
    bandwidth : float
        Bytes a second that a rank sends.
    flops : float
        Operations a second that a rank computes.
    """

    latency: float
    bandwidth: float
    flops: float

    def communication(self, parameters: int, ranks: int) -> float:
        """Return the seconds of an all-reduce: parts are exchanged and summed, then gathered, log₂ ranks times each.

        Source: R. Thakur, R. Rabenseifner and W. Gropp, "Optimization of collective communication operations in
        MPICH", 2005, section 4.5, without the time of the sums.
        """
        sent = 2 * (ranks - 1) / ranks * BYTES * parameters
        return 2 * math.log2(ranks) * self.latency + sent / self.bandwidth

    def computing(self, parameters: int, samples: float) -> float:
        """Return the seconds of forward and backward: a product and a sum for each weight and sample, three times."""
        return 6 * parameters * samples / self.flops

    def share(self, parameters: int, ranks: int, samples: float = SAMPLES) -> float:
        """Return the part of a step in communication."""
        communication = self.communication(parameters, ranks)
        return communication / (communication + self.computing(parameters, samples))

    def break_even(self, parameters: int, ranks: int) -> float:
        """Return the samples a rank with which computing takes as long as communication."""
        return self.communication(parameters, ranks) / self.computing(parameters, 1)

    @classmethod
    def measured(cls, times: dict[int, float], ranks: int, flops: float) -> Link:
        """Return the link that all-reduces of so many microseconds tell of: the shortest one, and the longest."""
        longest = max(times)
        steps = 2 * math.log2(ranks)
        sent = 2 * (ranks - 1) / ranks * BYTES * longest
        return cls(1e-6 * times[min(times)] / steps, sent / (1e-6 * times[longest]), flops)


def tables(world: World, compared: Sequence[Size], rounds: int, **given: float) -> Iterator[tuple[str, list[Any]]]:
    """Yield the tables of the report, each a title and rows; every rank takes part.

    Parameters
    ----------
    world : World
        The ranks.
    compared : sequence of Size
        The steps.
    rounds : int
        How often each is measured.
    **given : float
        The latency and the bandwidth of a network to reckon with, in place of those measured: seconds, bytes a second.
    """
    rows = [("a step", "parameters", "one process, µs", f"{world.size} ranks, µs", "times as fast", "in all-reduce")]
    flops = 0.0
    for size in compared:
        found = compare(world, size, rounds)
        cells = (f"{found.alone:.0f}", f"{found.together:.0f}", f"{found.speedup:.2f}", f"{found.in_all_reduce:.0%}")
        rows.append((str(size), f"{found.parameters:,}", *cells))
        seconds = 1e-6 * found.together * (1 - found.in_all_reduce)
        flops = max(flops, 6 * found.parameters * size.batch_size / world.size / seconds)
    yield f"A training step of {world.size} ranks beside one process, the same global batch", rows

    times = all_reduces(world, rounds)
    rows = [("an all-reduce of", "µs", "MB/s")]
    rows += [(f"{n:,} numbers, float32", f"{us:.1f}", f"{BYTES * n / us:.0f}") for n, us in times.items()]
    yield f"What an all-reduce of {world.size} ranks takes", rows

    link = Link.measured(times, world.size, flops)._replace(**given)
    heads = [f"{ranks} ranks" for ranks in RANKS]
    shares = [("parameters", *heads)]
    shares += [(f"{n:,}", *(f"{link.share(n, ranks):.0%}" for ranks in RANKS)) for n in MODELS]
    figures = (
        f"from {1e6 * link.latency:.2f} µs a message, {link.bandwidth / 1e9:.2f} GB/s, "
        f"{link.flops / 1e9:.0f} GFLOP/s a rank"
    )
    yield f"The share of a step in communication with {SAMPLES} samples a rank, reckoned {figures}", shares
    even = [("parameters", *heads)]
    even += [(f"{n:,}", *(f"{math.ceil(link.break_even(n, ranks)):,}" for ranks in RANKS)) for n in MODELS]
    yield "The samples a rank below which communication takes longer than computing", even
