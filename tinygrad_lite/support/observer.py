"""Observers: who wants to know what the library does is told, and looks into no function's frame.

A recording of `jit` notes the rule, the module and the phase of each instruction; `detect_anomaly` looks at every
result; an ONNX file says which layer an operator is of. The engine knows none of them. It says which step it is in,
and what came of it, to those who observe. Mostly that is no one, and it costs a look at an empty list.

Examples
--------
>>> import tinygrad_lite as tg
>>> class Told(Observer):
...     def applied(self, rule, inputs, arrays, y):
...         print(rule.name, "within", [step.kind for step in under_way()])
>>> net = tg.nn.Sequential(tg.nn.Linear(2, 1), tg.nn.Tanh())
>>> with observing(Told()):
...     y = net([[1.0, 2.0]])
linear within ['rule', 'module', 'module']
tanh within ['rule', 'module', 'module']
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Self

from .flags import Block, Flag

# The kinds of steps, and what each is of.
RULE, DERIVATIVE, MODULE, UPDATE = "rule", "derivative", "module", "update"


class Observer:
    """What is told of all that happens in a block of `observing`; here it has no use for any of it."""

    def applied(self, rule: Any, inputs: Any, arrays: Any, y: Any) -> None:
        """Take note that a rule was applied to ``inputs``, Tensors and constants, whose raw values are ``arrays``."""

    def pulled_back(self, operation: Any, k: int, g: Any) -> None:
        """Take note of the cotangent that an operation's input ``k`` has so far: an array or a Tensor."""

    def ran(self, module: Any, y: Any) -> None:
        """Take note of what a module has returned."""

    def drew(self) -> None:
        """Take note that the library's generator stands in for one that was not given."""


class _Observers(Flag):
    """The open blocks of observers: those of one observer, within each other, count once."""

    def _said_by(self, blocks: tuple[Block, ...]) -> tuple[Observer, ...]:
        return tuple(dict.fromkeys(block.value for block in blocks))


# `observers.open` is quick to look at; `observers.get()` are those of the current thread and asynchronous task.
observers = _Observers("observers", default=())


def observing(observer: Observer) -> Block:
    """Tell an observer, besides others, what happens within a ``with`` block, in the current thread and task only."""
    return Block(observers, observer)


class Step:
    """A step under way: a ``with`` block, or from `begin` to `end`; entered only while someone observes.

    Parameters
    ----------
    kind : str
        One of `RULE`, `DERIVATIVE`, `MODULE` and `UPDATE`.
    of : object
        What it is of: the rule that is applied, the Tensor whose cotangent is computed, the module that runs, the
        parameter that is updated. It may be assigned anew in a block that goes through several.

    Attributes
    ----------
    outer : Step or None
        The step it is a part of.
    """

    __slots__ = ("_token", "kind", "of", "outer")

    def __init__(self, kind: str, of: Any = None) -> None:
        self.kind, self.of = kind, of

    def begin(self) -> Self:
        """Begin it, as the innermost one."""
        self.outer = _innermost.get()
        self._token = _innermost.set(self)
        return self

    def end(self, *error: object) -> None:
        """End it, also after an error."""
        _innermost.reset(self._token)

    __enter__, __exit__ = begin, end


_innermost: ContextVar[Step | None] = ContextVar("innermost", default=None)


def under_way() -> Iterator[Step]:
    """Yield the steps under way in the current thread and task, innermost first."""
    step = _innermost.get()
    while step is not None:
        yield step
        step = step.outer
