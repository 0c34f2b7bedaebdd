"""Choices between values: by conditions, by size, and by position between given points.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.grad(lambda x: np.interp(x, [0.0, 1.0, 3.0], [0.0, 5.0, 6.0]))(2.0)  # the slope between the last two points
Tensor(0.5, dtype=float32)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import elementwise, shapes
from .operands import array_like, as_floating


def where(condition: Any, *choices: Any) -> Any:
    """Choose from the first where the condition holds, else from the second; of a condition alone, say where it holds.

    It is differentiable by both choices.
    """
    if not choices:
        return np.nonzero(condition)
    a, b = choices
    return elementwise.where(a, b, condition)


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """Limit values to an interval; a bound of None means no limit. Differentiable by the bounds, too."""
    low, high = a_min if min is None else min, a_max if max is None else max
    is_number = not hasattr(a, "dtype")  # or a list of numbers, whose type adapts to the bounds
    is_open = low is None or high is None
    has_gradient = any(getattr(x, "requires_grad", False) for x in (low, high))
    if not is_number:
        low, high = _bound(low, a), _bound(high, a)
    if is_number or has_gradient or (is_open and a.dtype.kind != "f"):
        a = a if low is None else np.maximum(a, low)
        return a if high is None else np.minimum(a, high)
    return elementwise.clip(a, -np.inf if low is None else low, np.inf if high is None else high)


def _bound(value: Any, x: Any) -> Any:
    """Return a bound of ``x`` as a Python number or in the type of ``x``, so that it does not change that type."""
    value = np.asarray(value) if isinstance(value, (list, tuple)) else value
    return value.astype(x.dtype) if hasattr(value, "astype") and x.dtype.kind == "f" else value


def fmax(a: Any, b: Any) -> Any:
    """Return the larger of two; of a number and NaN, the number."""
    return np.maximum(*_without_nan(a, b))


def fmin(a: Any, b: Any) -> Any:
    """Return the smaller of two; of a number and NaN, the number."""
    return np.minimum(*_without_nan(a, b))


def _without_nan(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two operands, each with the other's element where its own is NaN."""
    return np.where(np.isnan(a), b, a), np.where(np.isnan(b), a, b)


def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Replace NaN and infinite numbers, by default with 0 and the largest numbers; the rest keep their derivative."""
    if not copy:
        raise TypeError("np.nan_to_num(copy=False) would change a Tensor in place: write x = np.nan_to_num(x)")
    if x.dtype.kind != "f":
        return x
    largest = float(np.finfo(x.dtype).max)
    y = np.where(np.isnan(x), nan, x)
    y = np.where(x == np.inf, largest if posinf is None else posinf, y)
    return np.where(x == -np.inf, -largest if neginf is None else neginf, y)


def heaviside(x1: Any, x2: Any) -> Any:
    """Return 0 where ``x1`` is negative, 1 where it is positive, and ``x2``, by which it is differentiable, at 0."""
    x1 = as_floating(array_like(x1))
    return np.where(x1 > 0, 1, np.where(x1 < 0, 0, np.where(x1 == 0, x2, x1)))


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Choose from the first of several whose condition holds."""
    if len(condlist) != len(choicelist):
        raise ValueError(f"np.select of {len(condlist)} conditions needs as many choices, not {len(choicelist)}")
    y = default
    for condition, choice in reversed([*zip(condlist, choicelist, strict=True)]):
        y = np.where(condition, choice, y)
    return y


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Compute each function of the elements for which its condition holds; one more function is for all others."""
    is_one = not isinstance(condlist, (list, tuple)) and len(condlist.shape) == len(x.shape)
    conditions = [array_like(condition) for condition in ([condlist] if is_one else condlist)]
    if len(funclist) == len(conditions) + 1:
        others = conditions[0]
        for condition in conditions[1:]:
            others = others | condition
        conditions.append(~others)
    y = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if callable(function):
            chosen = x[condition]  # not the whole of x, of which the function may be infinite elsewhere
            values = np.full_like(chosen, function(chosen, *args, **kw))
            function = shapes.place(values, condition, x.shape)
        y = np.where(condition, function, y)
    return y if y.dtype == x.dtype else y.astype(x.dtype)


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None) -> Any:
    """Interpolate linearly between points. At a point the derivative by ``x`` is the slope to the right of it."""
    x, xp, fp = map(array_like, (x, xp, fp))
    if period is not None:
        xp = xp % period
        order = np.argsort(xp)
        x, xp, fp = x % period, xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    xp, fp = (points + np.zeros_like(x, points.dtype).sum() for points in (xp, fp))  # of the reading of x
    # The last point belongs to the interval before it; of a single point the slope is 0.
    start = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, max(len(xp) - 2, 0))
    end = np.minimum(start + 1, len(xp) - 1)
    x0, x1, y0, y1 = np.take(xp, start), np.take(xp, end), np.take(fp, start), np.take(fp, end)
    y = y0 + (y1 - y0) / np.where(x1 == x0, 1, x1 - x0) * (x - x0)
    y = np.where(x < xp[0], fp[0] if left is None or period is not None else left, y)
    return np.where(x > xp[-1], fp[-1] if right is None or period is not None else right, y)
