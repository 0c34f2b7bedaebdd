"""Anomalies: where the first number that is not finite came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import raw
from .engine import Operation
from .errors import expect
from .rules import Rule, elementwise
from .support.call_stack import users_line
from .support.flags import Block
from .support.observer import Observer, observers, observing


def detect_anomaly() -> Block:
    """Stop at the first NaN or infinity, forward or backward: a context manager, and as a decorator with brackets.

    Every result and every cotangent is looked at, in the current thread and asynchronous task, which takes time: use it
    to find out what is wrong. A jitted function that is called in the block runs as it is written, not as a program; a
    block inside a jitted function becomes part of the program. Where an infinity is meant, as in a mask of -inf, leave
    the block. What an optimizer does to a parameter shows where the parameter is used next.

    Raises
    ------
    FloatingPointError
        As soon as a number is not finite: names the operation, whether forward or backward, where in the array it
        stands, and the line of the user's code that made the operation.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> x = tg.Tensor([1.0, 0.0], requires_grad=True)
    >>> with tg.detect_anomaly(), np.errstate(divide="ignore"):
    ...     np.log(x)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FloatingPointError: log gives -inf at index 1 of shape (2,), from 0.0 (...)
    """
    return observing(_detector)


def is_detecting() -> bool:
    """Return whether the current thread and task are inside of `detect_anomaly`."""
    return _detector in observers.get()


class _Detector(Observer):
    """Refuses results and cotangents that are not finite."""

    def applied(self, rule: Rule, inputs: Any, arrays: Any, y: Any) -> None:
        """Check a result, and note the user's line for the derivative, which has none of its own.

        Raises
        ------
        FloatingPointError
            Names the operation, the first element that is not finite, what it was computed from, and the line.
        """
        line, data = users_line(), y._data
        at = f" ({line})" if line else ""

        def explain() -> str:
            for i, (x, array) in enumerate(zip(inputs, arrays, strict=True)):
                if not np.isfinite(array).all():
                    name = getattr(x, "name", None)
                    called = f"input {i}" + (f", {name!r}," if name else "")
                    return f"{rule.name} is given what is not finite: {called} has {_first(array)}{at}"
            return f"{rule.name} gives {_first(data)}{_causes(data, rule, arrays)}{at}"

        message = f"{rule.name} gives a number that is not finite{at}"
        expect(np.isfinite(data).all(), FloatingPointError, message, explain)
        if y.operation is not None:
            y.operation.line = line

    def pulled_back(self, operation: Operation, k: int, g: Any) -> None:
        """Check a cotangent.

        Raises
        ------
        FloatingPointError
            Names the operation, the first element that is not finite, and the line.
        """
        line, g = getattr(operation, "line", None), raw(g)
        of = f"backward, in the derivative of {operation.rule.name} by input {k}"
        of += f", computed in {line}" if line else ""
        finite = np.isfinite(g).all()
        expect(finite, FloatingPointError, f"{of}: a number is not finite", lambda: f"{of}: there is {_first(g)}")


_detector = _Detector()


def _where(x: Any) -> tuple[int, ...]:
    """Return where the first element stands that is not finite."""
    return tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])


def _first(x: Any) -> str:
    """Return the first element that is not finite, and where it stands."""
    index = _where(x)
    place = f" at index {', '.join(map(str, index))} of shape {np.shape(x)}" if index else ""
    return f"{x[index] if index else x}{place}"


def _causes(y: Any, rule: Rule, arrays: Any) -> str:
    """Return what an element-by-element rule has computed the first wrong element from."""
    if rule.forward.__module__ != elementwise.__name__:
        return ""
    index = _where(y)
    values = [str(np.broadcast_to(x, np.shape(y))[index]) for x in arrays]
    return f", from {' and '.join(values)}"
