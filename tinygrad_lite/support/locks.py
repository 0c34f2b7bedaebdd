"""Locks that cannot deadlock in a signal handler or in a forked child.

A signal handler may need a lock that its own thread holds. A forked child may need one whose holder, a thread of the
parent, does not exist in the child.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet


class Lock:
    """A lock for a ``with`` block.

    The thread that holds it may take it again, because a signal handler runs in the thread that it interrupts. In a
    forked child it is free, unless the thread that forked holds it: the child has no other thread.

    Attributes
    ----------
    rlock : RLock
        What is locked. A ``with`` block of its own saves two calls where these count; it must be read each time.
    """

    def __init__(self) -> None:
        self.rlock = threading.RLock()
        _locks.add(self)

    def acquire(self, timeout: float = -1) -> bool:
        """Take the lock and return True; return False if it is not free within so many seconds (-1: wait for ever)."""
        return self.rlock.acquire(timeout=timeout)

    def release(self) -> None:
        """Release the lock."""
        self.rlock.release()

    def __enter__(self) -> None:
        self.rlock.acquire()

    def __exit__(self, *error: object) -> None:
        self.rlock.release()

    def renew(self) -> None:
        """Make the lock free, unless this thread holds it."""
        if self.rlock.acquire(blocking=False):
            self.rlock.release()
        else:
            self.rlock = threading.RLock()


_locks: WeakSet[Lock] = WeakSet()

# A backward pass holds it while it adds to gradients, and a compiled step while it updates arrays: no addition of
# another thread may be lost.
changing = Lock()


def _renew_all() -> None:
    for lock in _locks:
        lock.renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_all)
