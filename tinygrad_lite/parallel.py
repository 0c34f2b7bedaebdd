"""Data-parallel training with MPI: each rank has some rows of a batch, and one all-reduce averages the gradients.

``mpiexec -n 4 python train.py`` starts four processes, called ranks, of one program. Without mpiexec the same program
is a world of one rank: it exchanges nothing, and does not import MPI.

The result equals that of one process up to rounding, and all ranks have bitwise equal weights. Each rank must take the
same number of steps, and shuffle with the same seed. A rank that fails, leaves, or does something else than the others
ends the whole job, and its error is shown.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> net = tg.nn.Linear(3, 1, rng=0)
>>> optimizer = tg.optim.SGD(net.parameters(), lr=0.1)
>>> x, y = np.random.default_rng(0).random((100, 3)), np.ones((100, 1))
>>> with tg.parallel.world() as world:
...     world.broadcast(net)  # all ranks start from the weights of the first one
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

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")  # where launchers put the number of ranks
THREADS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
PATIENCE = 1.0  # seconds that the other ranks wait before they show an error: the first rank shows one that all have
PASSING_ON = 0.5  # seconds for mpiexec to forward the output of a rank before the rank ends
TIMEOUT = 600.0  # seconds that a rank waits for another: longer than a download or an evaluation by one rank alone
NOTICE = 0.1  # the fraction of the timeout after which a waiting rank tells the others that it is there
AWAKE, NAP = 2_000, 50e-6  # the number of checks without a pause whether all ranks have come, then the pause in seconds
TAG = 32_767  # of these messages: the largest that every MPI has
WHOLE = 2**40  # the sum of all shares, which are exchanged as whole numbers
SLACK = 1e-6  # the tolerance for a sum of shares other than 1
INTERRUPTED = 130  # the exit status after Ctrl-C, as in a shell

# The names of broadcast Tensors, by id. They are not in the `World`, whose attributes a jitted function depends on.
_names: dict[int, str] = {}


class World:
    """The ranks of one training run, as one of them sees it.

    Attributes
    ----------
    rank, size : int
        The number of this rank, from 0, and the number of ranks.
    share : float or None
        This rank's fraction of the rows that `shard` split last; None before the first split. Assign it where other
        code splits the batches; the shares of all ranks must add up to 1.

    Notes
    -----
    Before each exchange of data, the ranks exchange a few bytes that say what each is about to do. If one of them is
    about to do something else, or has left, every rank raises a RuntimeError, and none waits for ever. The same happens
    if a rank does not come within the timeout of `world`.

    Examples
    --------
    >>> with tg.parallel.world() as world:  # of this process alone, for want of an mpiexec
    ...     print(world.rank, world.size, world.is_first)
    0 1 True
    """

    def __init__(self, comm: Any = None, timeout: float | None = TIMEOUT) -> None:
        self._comm = comm
        self._meet = _meetings(comm, timeout)
        self.rank: int = 0 if comm is None else comm.rank
        self.size: int = 1 if comm is None else comm.size
        self.share: float | None = 1.0 if comm is None else None

    @property
    def is_first(self) -> bool:
        """True for rank 0, which prints and writes files."""
        return self.rank == 0

    def call_on_first(self, make: Callable[[], T]) -> T:
        """Call ``make`` on the first rank only; return its result there, and a copy of it on the others.

        If ``make`` raises SystemExit, every rank does.
        """
        if self._comm is None:
            return make()
        self._meet("calls call_on_first()")
        made, leaving = None, None
        if self.is_first:
            try:
                made = make()
            except SystemExit as error:
                leaving = error
        self._meet("waits in call_on_first() for the result")
        made, leaving = self._comm.bcast((made, leaving))
        if leaving is not None:
            raise leaving
        return cast(T, made)

    def first_before_others(self, make: Callable[[], T]) -> T:
        """Call ``make`` on the first rank, then on the others: they find in the cache what the first has downloaded."""
        if self._comm is None:
            return make()
        self._meet("calls first_before_others()")
        if self.is_first:
            made = make()
            self._meet("is in first_before_others(), after the first rank")
            return made
        self._meet("is in first_before_others(), after the first rank")
        return make()

    def broadcast(self, model: Module | Iterable[Tensor]) -> None:
        """Set every parameter and buffer of a model to the values of the first rank.

        Parameters
        ----------
        model : Module or iterable of Tensor

        Raises
        ------
        ValueError
            If names, shapes or types differ from those on the first rank.
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
        """Return this rank's contiguous rows of a batch; the ranks' numbers of rows differ by at most one.

        If there are fewer rows than ranks, a rank without rows gets the first row, and its `share` is 0.
        ``Batches(…, shard=world.shard)`` (see `tinygrad_lite.data`) yields batches that are already split.

        Raises
        ------
        ValueError
            If the arrays differ in length, or have no rows.
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
        """Replace the loss and the gradients of this rank's rows by those of the whole batch, with one all-reduce.

        If the loss is a mean over rows, the loss of the whole batch is the sum of ``share * loss`` over the ranks. The
        same holds for the gradients. Each rank must pass the same parameters, in the same order.

        Parameters
        ----------
        loss : Tensor
            The mean loss over the rows that `shard` returned last. Call ``loss.backward()`` before.
        params : iterable of Tensor
            The parameters, whose ``grad`` is replaced.

        Returns
        -------
        Tensor
            The loss of the whole batch: the same number on every rank.

        Raises
        ------
        GraphError
            If a parameter has no gradient: no rank knows whether it has one on the others.
        RuntimeError
            If no batch has been split, the shares do not add up to 1, or the ranks pass different parameters or another
            order, as far as names and shapes show.
        """
        params, gradients = list(params), []
        for i, p in enumerate(params):
            gradients.append(p.grad)
            if gradients[i] is None:
                raise GraphError(
                    f"parameter {i}, of shape {p.shape}, has no gradient: call average() after loss.backward(), with "
                    "the parameters that the loss depends on"
                )
        if self._comm is None:
            return loss
        parts = [raw(x) for x in (loss, *gradients)]
        flat = np.concatenate([x.reshape(-1) for x in parts])
        # The MPI standard has no half precision, whose sums would also be inaccurate.
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
        """Return means over all rows of the batch that `shard` split last, given the means over this rank's rows."""
        if self._comm is None:
            return [*values]
        return self._weighted_sum(np.array(values, dtype=np.float64)).tolist()

    def all_reduce(self, values: Any, of: str = "", share: float | None = None) -> None:
        """Replace an array by its sum over the ranks, in place; the sums are bitwise equal on all ranks.

        Parameters
        ----------
        values : ndarray
        of : str
            A description of the numbers, which must be the same text on every rank.
        share : float, optional
            This rank's weight, if the sum is a weighted mean: the weights of all ranks must add up to 1.

        Raises
        ------
        RuntimeError
            If the ranks differ in the number, type or description of the values, or the shares do not add up to 1.
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
        """Return the sum of ``share * values`` over the ranks; values with a share of 0 have no effect, even NaN."""
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
    """Return the function with which the ranks wait for each other and check that all have the same purpose.

    ``meet(purpose, share=0.0)`` returns the sum of the shares of all ranks. The number of meetings is a variable of
    this function, not an attribute of `World`, on whose attributes a jitted function depends.
    """
    number = 0
    told: list[Any] = []  # a reference until the end, because MPI may still be sending the message

    def meet(purpose: str, share: float = 0.0) -> float:
        nonlocal number
        from mpi4py import MPI

        number += 1
        # By the Cauchy-Schwarz inequality n Σ c² > (Σ c)², unless all c are equal. 24 bits: the sums cannot overflow.
        code = zlib.crc32(purpose.encode()) >> 8
        sums = np.array([code, code * code, round(share * WHOLE)])
        request = comm.Iallreduce(MPI.IN_PLACE, sums)
        try:
            if not any(request.Test() for _ in range(AWAKE)):
                wait(request, purpose)
        except SystemExit as error:  # raised by a signal handler
            raise SystemExit(error.code or f"it has left while it waited for the others, as it {purpose}") from None
        codes, squares, shares = sums.tolist()
        if comm.size * squares != codes**2:
            purposes = enumerate(comm.allgather(purpose))
            raise RuntimeError(
                f"the ranks do different things: {', '.join(f'rank {rank} {does}' for rank, does in purposes)}. Every "
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
                    "hangs or is still busy. If it may take so long, give world(timeout=…) more seconds"
                )
            if timeout is not None and waited > NOTICE * timeout and not has_told:
                here = np.array([number])
                told.extend((comm.Isend(here, rank, TAG), here) for rank in range(comm.size) if rank != comm.rank)
                has_told = True
            time.sleep(NAP)

    def missing() -> list[int]:
        """Return the ranks that have not sent a message that they wait at this meeting."""
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
            "the CPU, and inside a jitted function use only average() of the world"
        )
    return array


ALONE = World()  # the world of this process alone


@contextmanager
def world(mistakes: tuple[type[Exception], ...] = (), timeout: float | None = TIMEOUT) -> Iterator[World]:
    """Enter the world of all ranks that ``mpiexec`` started, or of this process alone: a context manager.

    An error on one rank ends the job: the error is shown with the number of the rank, and every rank stops. The same
    holds for Ctrl-C, for ``sys.exit`` with a status other than 0, and for a rank that leaves early, with any status, or
    does not come where the others wait. In a world of one rank, exceptions propagate as usual.

    The ranks on one machine share its cores: each limits its BLAS threads to its part of the cores, unless
    ``OPENBLAS_NUM_THREADS`` or a similar variable is set.

    Parameters
    ----------
    mistakes : tuple of type
        The types of error that are a user's mistake, such as a missing file. They are shown in one line, without a
        traceback, and the exit status is 2.
    timeout : float, optional
        The seconds that a rank waits for another, for example during a download by one of them, before it ends the
        job. None waits for ever.

    Raises
    ------
    ValueError
        If the timeout is not positive.
    MissingExtra
        If several ranks were started, and mpi4py or threadpoolctl is not installed.
    RuntimeError
        If the ``mpiexec`` belongs to another MPI than mpi4py, so that the ranks cannot find each other.

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
        # From here on the other ranks may be waiting, so that every error must end the job.
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
    """Make ``os._exit`` end the job with an error: mpiexec might otherwise stop all ranks and report success."""
    leave, process = os._exit, os.getpid()

    def end_job(status: int) -> NoReturn:
        os._exit = leave
        if os.getpid() == process:  # not in a forked child
            _end_job(comm, SystemExit(status or "it has left by os._exit(0), without the others"), ())
        leave(status)

    os._exit = end_job
    try:
        yield
    finally:
        os._exit = leave


def _is_one_of_several() -> bool:
    """Return True if an MPI launcher started this process together with others."""
    sizes = [os.environ[name] for name in SIZES if name in os.environ]
    return sizes[0] != "1" if sizes else "PMIX_RANK" in os.environ


def _joined() -> tuple[Any, Any]:
    """Return the communicator of all ranks, and the context manager that limits the threads of a process."""
    user = "a program of which mpiexec has started several ranks"
    MPI, limits = extra("mpi4py.MPI", "mpi", user), extra("threadpoolctl", "mpi", user)
    comm = MPI.COMM_WORLD
    started = next((os.environ[name] for name in SIZES if name in os.environ), None)
    if started is not None and int(started) != comm.size:
        raise RuntimeError(
            f"mpiexec has started {started} ranks, but mpi4py's MPI knows of {comm.size}: use the mpiexec that belongs "
            f"to {MPI.Get_library_version().splitlines()[0]}, such as the one beside {sys.executable}"
        )
    return comm.Dup(), limits.threadpool_limits  # a duplicate, so that messages of other code cannot get mixed in


def _threads(comm: Any) -> int | None:
    """Return this rank's number of threads, its part of the machine's cores; None if the user has set a number."""
    from mpi4py import MPI

    neighbours = comm.Split_type(MPI.COMM_TYPE_SHARED)
    cores = _cores()
    # A launcher may have bound each rank to cores of its own: count only the ranks that share cores with this one.
    sharing = sum(not cores.isdisjoint(others) for others in neighbours.allgather(cores))
    neighbours.Free()
    return None if any(name in os.environ for name in THREADS) else max(1, len(cores) // sharing)


def _cores() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _end_job(comm: Any, error: BaseException, mistakes: tuple[type[Exception], ...]) -> NoReturn:
    """Show an error, only once if all ranks have it, and stop every rank."""
    if comm.rank:
        time.sleep(PATIENCE)
    status, text = 1, "".join(traceback.format_exception(error))
    if isinstance(error, SystemExit):
        status, text = (error.code, "") if isinstance(error.code, int) else (1, str(error.code))
    elif isinstance(error, KeyboardInterrupt):
        status, text = INTERRUPTED, "interrupted"
    elif isinstance(error, mistakes):
        status, text = 2, str(error)
    status = status % 256 or 1  # the operating system keeps eight bits
    try:
        if text:
            print(f"rank {comm.rank} of {comm.size}: {text}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(PASSING_ON)
    finally:  # even if stderr is closed
        comm.Abort(status)
        os._exit(status)  # if MPI's Abort returns
