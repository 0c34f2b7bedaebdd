"""Observers: the engine reports each step and its result, without knowing who listens.

Several parts of the library need this report. `jit` records the rule, the module and the phase of each instruction,
`detect_anomaly` checks every result, and an ONNX file names the layer of each operator. Without an observer, the cost
is a check of an empty list.

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

# The kinds of steps: a rule's forward, a derivative in the backward pass, a module's call, an optimizer's update, and a
# second evaluation of what was not kept.
RULE, DERIVATIVE, MODULE, UPDATE, AGAIN = "rule", "derivative", "module", "update", "again"


class Observer:
    """The base class of observers: it ignores every report; a subclass overrides the methods that it needs."""

    def applied(self, rule: Any, inputs: Any, arrays: Any, y: Any) -> None:
        """Receive the result ``y`` of a rule, its ``inputs``, Tensors and constants, and their values, ``arrays``."""

    def pulled_back(self, operation: Any, k: int, g: Any) -> None:
        """Receive the cotangent, so far, of an operation's input ``k``, as an array or a Tensor."""

    def ran(self, module: Any, y: Any) -> None:
        """Receive the output ``y`` of a module."""

    def drew(self) -> None:
        """Receive a draw from the library's generator, by a caller that was given none of its own."""


class _Observers(Flag):
    """The flag whose value is all observers with an open block, each of them once."""

    def _said_by(self, blocks: tuple[Block, ...]) -> tuple[Observer, ...]:
        return tuple(dict.fromkeys(block.value for block in blocks))


# `observers.open` is quick to check; `observers.get()` returns those of the current thread and asynchronous task.
observers = _Observers("observers", default=())


def observing(observer: Observer) -> Block:
    """Return a ``with`` block that adds an observer, in the current thread and task only."""
    return Block(observers, observer)


class Step:
    """A step in progress: a ``with`` block, or the time from `begin` to `end`. The engine opens it only for observers.

    Parameters
    ----------
    kind : str
        One of `RULE`, `DERIVATIVE`, `MODULE`, `UPDATE` and `AGAIN`.
    of : object
        The subject of the step: the applied rule, the Tensor whose cotangent is computed, the running module, the
        updated parameter, or the evaluation. A block that handles several of them in turn may assign it.

    Attributes
    ----------
    outer : Step or None
        The enclosing step.
    """

    __slots__ = ("_token", "kind", "of", "outer")

    def __init__(self, kind: str, of: Any = None) -> None:
        self.kind, self.of = kind, of

    def begin(self) -> Self:
        """Make this the innermost step."""
        self.outer = _innermost.get()
        self._token = _innermost.set(self)
        return self

    def end(self, *error: object) -> None:
        """End the step, also after an error."""
        _innermost.reset(self._token)

    __enter__, __exit__ = begin, end


_innermost: ContextVar[Step | None] = ContextVar("innermost", default=None)


def under_way() -> Iterator[Step]:
    """Yield the steps in progress in the current thread and task, innermost first."""
    step = _innermost.get()
    while step is not None:
        yield step
        step = step.outer
