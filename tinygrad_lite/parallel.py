"""Data-parallel training on MPI: each rank takes its rows of a batch, and one all-reduce brings the gradients together.

``mpiexec -n 4 python train.py`` starts four ranks of one program. Started by itself, the program is a world of one, in
which everything is handed through and nothing is imported.

The result is that of one process but for rounding, and every rank's weights are the same bits. Each rank takes the same
number of steps, and shuffles by the same seed. A rank that fails, leaves, or does something else than the others ends
the job, and its error is shown.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> net = tg.nn.Linear(3, 1, rng=0)
>>> optimizer = tg.optim.SGD(net.parameters(), lr=0.1)
>>> x, y = np.random.default_rng(0).random((100, 3)), np.ones((100, 1))
>>> with tg.parallel.world() as world:
...     world.broadcast(net)  # what the first rank starts from
...     for some_x, some_y in tg.data.Batches(x, y, batch_size=10, shuffle=True, seed=0, shard=world.shard):
...         loss = tg.nn.functional.squared_loss(net(some_x), some_y)
...         optimizer.zero_grad()
...         loss.backward()
...         loss = world.average(loss, optimizer.params)
...         optimizer.step()
...     if world.is_first:
...         print(f"{loss:.1f}")
0.1
"""

from __future__ import annotations

import os
import sys
import time
import traceback
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar, cast

import numpy as np

from .arrays import raw
from .errors import GraphError
from .nn import Module
from .support.extras import extra
from .tensor import Tensor, constant

T = TypeVar("T")

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")  # where launchers say how many ranks they started
THREADS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
PATIENCE = 1.0  # seconds in which the first rank can show an error that all ranks have met
PASSING_ON = 0.5  # seconds in which mpiexec can pass on what a rank has printed, before it ends the rank
TIMEOUT = 600.0  # seconds that a rank waits for another: a download or an evaluation that only one does takes less
NOTICE = 0.1  # the part of it after which a rank that waits tells the others that it is there
AWAKE, NAP = 2_000, 50e-6  # looks in quick succession at whether all are there, then seconds between two
TAG = 32_767  # of what they tell one another then: the largest that every MPI has
WHOLE = 2**40  # what the shares add up to, as whole numbers
SLACK = 1e-6  # by which the shares may miss 1
INTERRUPTED = 130  # the exit status after Ctrl-C, by the shells' custom

# What the Tensors that ranks have in common are called, by id. No part of the world, which jitted functions look into.
_names: dict[int, str] = {}


class World:
    """The ranks that work on one training run, seen from one of them.

    Attributes
    ----------
    rank, size : int
        The number of this rank, from 0, and how many there are.
    share : float or None
        This rank's part of the rows that `shard` has split last; None before. It may be assigned, where batches are
        split by other means; the shares of all ranks add up to 1.

    Notes
    -----
    Before the ranks exchange anything they tell each other, in a few bytes, what they are about to: where one does
    something else, or has left, every rank raises a RuntimeError, and none waits for what will never come. So it does
    where a rank has not come for longer than `world` allows.
    """

    def __init__(self, comm: Any = None, timeout: float | None = TIMEOUT) -> None:
        self._comm = comm
        self._meet = _meetings(comm, timeout)
        self.rank: int = 0 if comm is None else comm.rank
        self.size: int = 1 if comm is None else comm.size
        self.share: float | None = 1.0 if comm is None else None

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that prints and writes."""
        return self.rank == 0

    def of_first(self, make: Callable[[], T]) -> T:
        """Return what the first rank makes: only there ``make`` is called, and the others get a copy.

        If it exits there, all do.
        """
        if self._comm is None:
            return make()
        self._meet("gets what the first rank makes")
        made, leaving = None, None
        if self.is_first:
            try:
                made = make()
            except SystemExit as error:
                leaving = error
        self._meet("takes what the first rank has made")
        made, leaving = self._comm.bcast((made, leaving))
        if leaving is not None:
            raise leaving
        return cast(T, made)

    def first_before_others(self, make: Callable[[], T]) -> T:
        """Return what each rank makes for itself, the others when the first has done so: a download is in its cache."""
        if self._comm is None:
            return make()
        self._meet("makes what the first rank makes before")
        if self.is_first:
            made = make()
            self._meet("makes it after the first rank")
            return made
        self._meet("makes it after the first rank")
        return make()

    def broadcast(self, model: Module | Iterable[Tensor]) -> None:
        """Give every Tensor of a model, whether trained or not, the values it has in the first rank.

        Parameters
        ----------
        model : Module or iterable of Tensor

        Raises
        ------
        ValueError
            If they are not of the same names, shapes and types there.
        """
        if self._comm is None:
            return
        named = model._named_tensors() if isinstance(model, Module) else enumerate(model)
        tensors = {str(name): tensor for name, tensor in named}
        self._meet("broadcasts a model")
        kinds = {name: (x.shape, x.dtype.str) for name, x in tensors.items()}
        expected = self._comm.bcast([*kinds.items()])
        if [*kinds.items()] != expected:
            raise ValueError(f"rank {self.rank} has {kinds}, and rank 0 has {dict(expected)}: build the same model")
        for name, x in tensors.items():
            if id(x) not in _names:
                weakref.finalize(x, _names.pop, id(x))
            _names[id(x)] = name
            values = self._comm.bcast(_on_host(x.data))
            if not self.is_first:
                x.data = values

    def shard(self, *arrays: Any) -> tuple[Any, ...]:
        """Return this rank's rows of the arrays of a batch: contiguous, and as many as any other's, or one more.

        If there are fewer rows than ranks, a rank without any gets the first one, and its `share` is 0.
        ``Batches(…, shard=world.shard)`` (see `tinygrad_lite.data`) yields batches that are split already.

        Raises
        ------
        ValueError
            If the arrays are not of the same length, or there are no rows.
        """
        if self._comm is None:
            return arrays
        n, *others = map(len, arrays)
        if n == 0 or any(length != n for length in others):
            raise ValueError(f"a batch has arrays of one length, at least 1, not of {[n, *others]} rows")
        start, stop = (rank * n // self.size for rank in (self.rank, self.rank + 1))
        self.share = (stop - start) / n
        return tuple(x[start:stop] if stop > start else x[:1] for x in arrays)

    def average(self, loss: Tensor, params: Iterable[Tensor]) -> Tensor:
        """Turn the loss and the gradients of this rank's rows into those of the whole batch, by one all-reduce.

        A loss that is the mean over its rows is, over the whole batch, the sum of ``share * loss`` over the ranks; so
        are its gradients. Each rank must give the same parameters, in the same order.

        Parameters
        ----------
        loss : Tensor
            The mean over the rows that `shard` returned last, after ``loss.backward()``.
        params : iterable of Tensor
            The parameters; their ``grad`` is replaced.

        Returns
        -------
        Tensor
            The loss of the whole batch: the same number on every rank.

        Raises
        ------
        GraphError
            If a parameter has no gradient. The ranks could not tell whether it has one elsewhere.
        RuntimeError
            If no batch has been split, the ranks do not all come here with the same parameters in the same order, as
            far as names and shapes tell, or their shares do not add up to 1.
        """
        params = list(params)
        gradients = [p.grad for p in params]
        for i, (p, g) in enumerate(zip(params, gradients, strict=True)):
            if g is None:
                raise GraphError(
                    f"parameter {i}, of shape {p.shape}, has no gradient: call average() after loss.backward(), with "
                    "the parameters that the loss depends on"
                )
        if self._comm is None:
            return loss
        parts = [raw(x) for x in (loss, *gradients)]
        flat = np.concatenate([x.reshape(-1) for x in parts])
        # MPI's standard has no numbers of half precision, and their sums would be coarse.
        flat = flat.astype(np.result_type(flat.dtype, np.float32), copy=False)
        order = ", ".join(f"{_names.get(id(p), p.name) or 'a parameter'} {p.shape}" for p in params)
        flat = self._weighted_sum(flat, f", of a loss and of {order}")
        averaged, end = [], 0
        for x in parts:
            start, end = end, end + x.size
            averaged.append(constant(flat[start:end].reshape(x.shape).astype(x.dtype, copy=False)))
        for p, g in zip(params, averaged[1:], strict=True):
            p.grad = g
        return averaged[0]

    def mean(self, values: Sequence[float]) -> list[float]:
        """Return the means over all rows that `shard` has split last, given those over this rank's rows."""
        if self._comm is None:
            return [*values]
        return self._weighted_sum(np.array(values, dtype=np.float64)).tolist()

    def all_reduce(self, values: Any, of: str = "", share: float | None = None) -> None:
        """Replace an array by its sum over the ranks, in place; every rank gets the same bits.

        Parameters
        ----------
        values : ndarray
        of : str
            What the numbers are of: the same text on every rank.
        share : float, optional
            This rank's part of a whole, where the sum is a mean that the ranks' shares weigh.

        Raises
        ------
        RuntimeError
            If the ranks do not all come here with as many numbers of the same, or their shares do not add up to 1.
        """
        if self._comm is None:
            return
        from mpi4py import MPI

        parts = self._meet(f"sums {values.size} numbers of {values.dtype}{of}", share or 0.0)
        if share is not None and abs(parts - 1) > SLACK:
            shares = ", ".join(f"{own:.6g} of rank {rank}" for rank, own in enumerate(self._comm.allgather(share)))
            raise RuntimeError(
                f"the shares of the ranks add up to {parts:.6g}, not to 1: {shares}. Set each world's share to its "
                "part of the rows of the whole batch, or call shard()"
            )
        self._comm.Allreduce(MPI.IN_PLACE, values)

    def _weighted_sum(self, values: Any, of: str = "") -> Any:
        """Return the sum of ``share * values`` over the ranks; what a share of 0 is of does not matter, be it NaN."""
        if self.share is None:
            raise RuntimeError(
                "no batch has been split over the ranks yet: call shard() on it first, or set the world's share to "
                "this rank's part of its rows"
            )
        if not 0 <= self.share <= 1:
            raise ValueError(f"a share is this rank's part of a batch's rows, from 0 to 1, not {self.share}")
        values = self.share * values if self.share else np.zeros_like(values)
        share = float(self.share)

        def all_reduce(values: Any) -> None:
            self.all_reduce(values, of, share)

        record = getattr(type(values), "__all_reduce__", None)
        if record is not None:
            return record(values, all_reduce)
        all_reduce(_on_host(values))
        return values


def _meetings(comm: Any, timeout: float | None) -> Callable[..., float]:
    """Return the function by which ranks wait for one another, and see that all are there for the same purpose.

    ``meet(purpose, share=0.0)`` returns the sum of the ranks' shares. How often they have met is its own: a jitted
    function must not look into it.
    """
    number = 0
    told: list[Any] = []  # kept, as MPI may still be sending it

    def meet(purpose: str, share: float = 0.0) -> float:
        nonlocal number
        from mpi4py import MPI

        number += 1
        # By Cauchy and Schwarz, n Σ c² is more than (Σ c)² unless all are the same; 24 bits, so that no sum overflows.
        code = zlib.crc32(purpose.encode()) >> 8
        sums = np.array([code, code * code, round(share * WHOLE)])
        request = comm.Iallreduce(MPI.IN_PLACE, sums)
        try:
            if not any(request.Test() for _ in range(AWAKE)):
                wait(request, purpose)
        except SystemExit as error:  # in a signal's handler
            raise SystemExit(error.code or f"it has left while it waited for the others, as it {purpose}") from None
        codes, squares, shares = sums.tolist()
        if comm.size * squares != codes**2:
            purposes = enumerate(comm.allgather(purpose))
            raise RuntimeError(
                f"the ranks do not do the same: {', '.join(f'rank {rank} {does}' for rank, does in purposes)}. Every "
                "rank must take the same steps, with the same parameters in the same order"
            )
        return shares / WHOLE

    def wait(request: Any, purpose: str) -> None:
        begun, has_told = time.monotonic(), False
        while not request.Test():
            waited = time.monotonic() - begun
            if timeout is not None and waited > timeout:
                absent = " and ".join(f"rank {rank}" for rank in missing())
                raise RuntimeError(
                    f"{absent or 'another rank'} has not come for {timeout:g} seconds, while this one {purpose}: it "
                    "sleeps, hangs, or is still at work; if it may take so long, give world(timeout=…) more seconds"
                )
            if timeout is not None and waited > NOTICE * timeout and not has_told:
                here = np.array([number])
                told.extend((comm.Isend(here, rank, TAG), here) for rank in range(comm.size) if rank != comm.rank)
                has_told = True
            time.sleep(NAP)

    def missing() -> list[int]:
        """Return the ranks that have not told of waiting at this meeting."""
        from mpi4py import MPI

        there, status, absent = np.array([0]), MPI.Status(), {*range(comm.size)} - {comm.rank}
        while comm.Iprobe(tag=TAG, status=status):
            comm.Recv(there, status.Get_source(), TAG)
            if there[0] == number:
                absent.discard(status.Get_source())
        return sorted(absent)

    return meet


def _on_host(array: Any) -> Any:
    if not issubclass(type(array), np.ndarray):
        raise TypeError(
            f"ranks exchange NumPy's arrays, not those of {type(array).__module__}.{type(array).__name__}: train on "
            "the CPU, and outside of a jitted function call nothing of the world but average()"
        )
    return array


ALONE = World()  # this process, without others


@contextmanager
def world(mistakes: tuple[type[Exception], ...] = (), timeout: float | None = TIMEOUT) -> Iterator[World]:
    """Enter the world of the ranks that ``mpiexec`` started, or of this process alone: a context manager.

    An error on a rank ends the job: it is shown, with the number of the rank, and every rank is stopped. So does
    ``sys.exit`` with a status other than 0, Ctrl-C, and a rank that leaves, by whatever status, or does not come where
    the others wait. In a world of one they pass as ever.

    The ranks of one machine share its cores: each limits the threads of its BLAS to its part of them, unless
    ``OPENBLAS_NUM_THREADS`` or its like is set.

    Parameters
    ----------
    mistakes : tuple of type
        The errors that are the user's, such as a missing file: shown in one line, with exit status 2.
    timeout : float, optional
        The seconds that a rank waits for another, as for one that downloads what all need, before it ends the job; for
        ever if None.

    Raises
    ------
    ValueError
        If the timeout is no positive number.
    MissingExtra
        If several ranks were started, and mpi4py or threadpoolctl is not installed.
    RuntimeError
        If they were started by the ``mpiexec`` of another MPI, so that they do not know of each other.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_lite import parallel
    >>> with parallel.world() as world:
    ...     images, targets = world.shard(np.zeros((4, 784)), np.zeros((4, 10)))
    >>> images.shape
    (4, 784)
    """
    if timeout is not None and not timeout > 0:
        raise ValueError(f"a timeout is a positive number of seconds, or None to wait for ever, not {timeout}")
    if not _is_one_of_several():
        yield World()
        return
    comm, limit_threads = _joined()
    leaving = None
    try:
        # In here too the others may be waiting.
        with limit_threads(_threads(comm)), _no_secret_exit(comm):
            joined = World(comm, timeout)
            try:
                yield joined
            except SystemExit as error:
                if error.code:
                    raise
                leaving = error
            joined._meet("leaves")
    except BaseException as error:
        _end_job(comm, error, mistakes)
    if leaving is not None:
        raise leaving


@contextmanager
def _no_secret_exit(comm: Any) -> Iterator[None]:
    """Let ``os._exit`` end the job as any other exit does: mpiexec may take the others with it, and report success."""
    leave, process = os._exit, os.getpid()

    def end_job(status: int) -> NoReturn:
        os._exit = leave
        if os.getpid() == process:  # and no child of it
            _end_job(comm, SystemExit(status or "it has left by os._exit(0), without the others"), ())
        leave(status)

    os._exit = end_job
    try:
        yield
    finally:
        os._exit = leave


def _is_one_of_several() -> bool:
    """Return whether a launcher of MPI has started this process, and others with it."""
    sizes = [os.environ[name] for name in SIZES if name in os.environ]
    return sizes[0] != "1" if sizes else "PMIX_RANK" in os.environ


def _joined() -> tuple[Any, Any]:
    """Return what joins the ranks, and what limits the threads of a process."""
    user = "a program of which mpiexec has started several ranks"
    MPI, limits = extra("mpi4py.MPI", "mpi", user), extra("threadpoolctl", "mpi", user)
    comm = MPI.COMM_WORLD
    started = next((os.environ[name] for name in SIZES if name in os.environ), None)
    if started is not None and int(started) != comm.size:
        raise RuntimeError(
            f"mpiexec has started {started} ranks, but mpi4py's MPI knows of {comm.size}: use the mpiexec that belongs "
            f"to {MPI.Get_library_version().splitlines()[0]}, such as the one beside {sys.executable}"
        )
    return comm.Dup(), limits.threadpool_limits  # so that nobody else's messages get between


def _threads(comm: Any) -> int | None:
    """Return how many threads are this rank's part of the cores of its machine; None if the user has set a number."""
    from mpi4py import MPI

    neighbours = comm.Split_type(MPI.COMM_TYPE_SHARED)
    cores = _cores()
    # A launcher may have given each rank cores of its own.
    sharing = sum(not cores.isdisjoint(others) for others in neighbours.allgather(cores))
    neighbours.Free()
    return None if any(name in os.environ for name in THREADS) else max(1, len(cores) // sharing)


def _cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _end_job(comm: Any, error: BaseException, mistakes: tuple[type[Exception], ...]) -> NoReturn:
    """Show an error, once if all ranks have met it, and stop every rank."""
    if comm.rank:
        time.sleep(PATIENCE)
    status, text = 1, "".join(traceback.format_exception(error))
    if isinstance(error, SystemExit):
        status, text = (error.code, "") if isinstance(error.code, int) else (1, str(error.code))
    elif isinstance(error, KeyboardInterrupt):
        status, text = INTERRUPTED, "interrupted"
    elif isinstance(error, mistakes):
        status, text = 2, str(error)
    status = status % 256 or 1  # what a system keeps of it
    try:
        if text:
            print(f"rank {comm.rank} of {comm.size}: {text}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(PASSING_ON)
    finally:  # also where there is no stderr to write to
        comm.Abort(status)
        os._exit(status)  # where MPI only asks for the end
