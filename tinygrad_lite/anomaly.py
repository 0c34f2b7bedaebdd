"""Anomalies: where the first number that is not finite came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import expect
from .rules import Rule, elementwise
from .support.call_stack import users_line
from .support.flags import Block, Flag

detectors = Flag("detecting", default=False)


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
    return Block(detectors, True)


def is_detecting() -> bool:
    """Return whether the current thread and task are inside of `detect_anomaly`."""
    return bool(detectors.open) and detectors.get()


def check_result(data: Any, rule: Rule, arrays: Sequence[Any], names: Sequence[str | None]) -> str | None:
    """Refuse a result that is not finite.

    Parameters
    ----------
    data : array
        The result.
    rule : Rule
        What has computed it.
    arrays : sequence
        From what: the raw values of its inputs.
    names : sequence of str or None
        What these are called.

    Returns
    -------
    str or None
        The user's line, for the operation to remember.

    Raises
    ------
    FloatingPointError
        Names the operation, the first element that is not finite, what it was computed from, and the line.
    """
    line = users_line()
    at = f" ({line})" if line else ""

    def explain() -> str:
        for i, (x, name) in enumerate(zip(arrays, names, strict=True)):
            if not np.isfinite(x).all():
                called = f"input {i}" + (f", {name!r}," if name else "")
                return f"{rule.name} is given what is not finite: {called} has {_first(x)}{at}"
        return f"{rule.name} gives {_first(data)}{_causes(data, rule, arrays)}{at}"

    expect(np.isfinite(data).all(), FloatingPointError, f"{rule.name} gives a number that is not finite{at}", explain)
    return line


def check_cotangent(g: Any, rule: Rule, k: int, line: str | None) -> None:
    """Refuse the cotangent of an input that is not finite.

    Parameters
    ----------
    g : array
        The cotangent.
    rule : Rule
        Whose derivative it is.
    k : int
        By which input.
    line : str or None
        The user's line that made the operation.

    Raises
    ------
    FloatingPointError
        Names the operation, the first element that is not finite, and the line.
    """
    of = f"backward, in the derivative of {rule.name} by input {k}" + (f", computed in {line}" if line else "")
    expect(
        np.isfinite(g).all(), FloatingPointError, f"{of}: a number is not finite", lambda: f"{of}: there is {_first(g)}"
    )


def _where(x: Any) -> tuple[int, ...]:
    """Return where the first element stands that is not finite."""
    return tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])


def _first(x: Any) -> str:
    """Return the first element that is not finite, and where it stands."""
    index = _where(x)
    place = f" at index {', '.join(map(str, index))} of shape {np.shape(x)}" if index else ""
    return f"{x[index] if index else x}{place}"


def _causes(y: Any, rule: Rule, arrays: Sequence[Any]) -> str:
    """Return what an element-by-element rule has computed the first wrong element from."""
    if rule.forward.__module__ != elementwise.__name__:
        return ""
    index = _where(y)
    values = [str(np.broadcast_to(x, np.shape(y))[index]) for x in arrays]
    return f", from {' and '.join(values)}"
