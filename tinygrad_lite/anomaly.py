"""Anomaly detection: find the operation that made the first NaN or infinity.

A NaN spreads through all later results, so that the place where it is noticed says little about its cause.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import raw
from .engine import Operation
from .errors import require
from .joint import Bundle
from .rules import Rule, elementwise
from .support.call_stack import users_line
from .support.flags import Block
from .support.observer import Observer, observers, observing


def detect_anomaly() -> Block:
    """Stop at the first NaN or infinity, forward or backward: a context manager, or a decorator ``@detect_anomaly()``.

    It checks every result and every cotangent in the current thread and asynchronous task. That takes time, so use it
    to search for a fault. A jitted function called in the block runs uncompiled; a block inside a jitted function
    becomes part of the compiled program. Code that needs an infinity, as in a mask of -inf, must be outside the block.
    A bad update by an optimizer shows at the next use of the parameter.

    Raises
    ------
    FloatingPointError
        At the first number that is not finite. The message names the operation, forward or backward, the index in the
        array, and the user's line that made the operation.

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
    """Return True inside a block of `detect_anomaly`, for the current thread and task."""
    return _detector in observers.get()


class _Detector(Observer):
    """The observer that raises an error for a result or cotangent that is not finite."""

    def applied(self, rule: Rule, inputs: Any, arrays: Any, y: Any) -> None:
        """Check a result, and store the user's line for the derivative: the backward pass has no such line.

        Raises
        ------
        FloatingPointError
            If it is not finite. The message names the operation, the first such element, its operands, and the line.
        """
        line, data = users_line(), y._data
        at = f" ({line})" if line else ""

        def explain() -> str:
            for i, (x, array) in enumerate(zip(inputs, arrays, strict=True)):
                if not np.isfinite(array).all():
                    name = getattr(x, "name", None)
                    called = f"input {i}" + (f", {name!r}," if name else "")
                    return f"{rule.name} is given a number that is not finite: {called} has {_first(array)}{at}"
            return f"{rule.name} gives {_first(data)}{_causes(data, rule, arrays)}{at}"

        message = f"{rule.name} gives a number that is not finite{at}"
        require(np.isfinite(data).all(), FloatingPointError, message, explain)
        if y.operation is not None:
            y.operation.line = line

    def pulled_back(self, operation: Operation, k: int, g: Any) -> None:
        """Check a cotangent.

        Raises
        ------
        FloatingPointError
            If it is not finite. The message names the operation, the first such element, and the line.
        """
        if isinstance(g, Bundle):
            return  # its parts are checked where they arise
        line, g = getattr(operation, "line", None), raw(g)
        of = f"backward, in the derivative of {operation.rule.name} by input {k}"
        of += f", computed in {line}" if line else ""
        finite = np.all(np.isfinite(g))
        require(finite, FloatingPointError, f"{of}: a number is not finite", lambda: f"{of}: there is {_first(g)}")


_detector = _Detector()


def _where(x: Any) -> tuple[int, ...]:
    """Return the index of the first element that is not finite."""
    return tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])


def _first(x: Any) -> str:
    """Return the first element that is not finite, and its index, as text."""
    index = _where(x)
    place = f" at index {', '.join(map(str, index))} of shape {np.shape(x)}" if index else ""
    return f"{x[index] if index else x}{place}"


def _causes(y: Any, rule: Rule, arrays: Any) -> str:
    """Return the operands of the first element that is not finite, as text; only elementwise rules have them."""
    if rule.forward.__module__ != elementwise.__name__:
        return ""
    index = _where(y)
    values = [str(np.broadcast_to(x, np.shape(y))[index]) for x in arrays]
    return f", from {' and '.join(values)}"
