"""Locks that no one waits for in vain: not in a signal handler, and not in a forked child."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet


class Lock:
    """A lock for a ``with`` block.

    A thread that holds it may take it again: a signal handler runs in the thread that it interrupts. In a forked child
    it is free, since of the parent's threads only the one that forked is there.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def acquire(self, timeout: float = -1) -> bool:
        """Take it, and return True; or False if that took longer than so many seconds."""
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Let others take it."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Be free, unless this thread holds it."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock = threading.RLock()


_locks: WeakSet[Lock] = WeakSet()

# Held by a backward pass while it adds to gradients, and by a compiled step while it changes what it finds: what two
# threads add must not get lost.
changing = Lock()


def _renew_all() -> None:
    for lock in _locks:
        lock.renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_all)
