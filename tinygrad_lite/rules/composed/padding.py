"""Padding, axis by axis: each axis is surrounded with values that depend on the array as padded so far.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.pad(tg.Tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
Tensor([3., 2., 1., 2., 3., 2.], dtype=float32)
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from ...errors import ShapeError
from .. import shapes
from ..reductions import axes_of
from .grids import linspace
from .operands import array_like
from .pieces import concatenate, take

# The modes that only move elements.
MOVING = ("edge", "wrap", "reflect", "symmetric")


def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    """Surround with constants, ramps, statistics, or elements of the array itself; differentiable by constants, too."""
    known = {**dict.fromkeys(MOVING, ()), **{name: (option,) for name, (option, _, _) in BEFORE.items()}}
    known |= dict.fromkeys(("reflect", "symmetric"), ("reflect_type",))
    if not isinstance(mode, str) or mode not in known:
        raise ValueError(f"np.pad of a Tensor takes one of the modes {', '.join(known)}, not {mode!r}")
    if not options.keys() <= {*known[mode]}:
        given, taken = ", ".join(options.keys() - {*known[mode]}), ", ".join(known[mode]) or "none"
        raise ValueError(f"np.pad in the mode {mode!r} does not take {given}; it takes {taken}")
    widths = _widths(pad_width, len(array.shape))
    if not any(map(any, widths)):
        return np.copy(array)
    constant = options.get("constant_values", 0)
    if mode == "constant" and isinstance(constant, (Number, np.generic)):
        return shapes.pad(array, widths, constant)
    for axis, (before, after) in enumerate(widths):
        if before or after:
            if not array.shape[axis] and mode != "constant":
                raise ShapeError(f"np.pad in the mode {mode!r}: axis {axis} of {array.shape} has no elements to repeat")
            array = _padded(array, axis, before, after, mode, options)
    return array


def _widths(pad_width: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """Return how many elements are added before and after each axis."""
    if isinstance(pad_width, dict):  # the widths of some axes, negative ones from the last
        given = {axes_of(axis, rank)[0]: np.broadcast_to(width, 2) for axis, width in pad_width.items()}
        pad_width = [given.get(axis, (0, 0)) for axis in range(rank)]
    try:
        pairs = np.broadcast_to(np.asarray(pad_width, dtype=object), (rank, 2))
    except ValueError:
        raise ShapeError(
            f"np.pad takes one width, a pair of them, or a pair for each of the {rank} axes, not {pad_width!r}"
        ) from None
    try:
        widths = tuple((operator.index(before), operator.index(after)) for before, after in pairs)
    except TypeError:
        raise TypeError(f"np.pad takes whole numbers as widths, not {pad_width!r}") from None
    if any(width < 0 for pair in widths for width in pair):
        raise ValueError(f"np.pad takes no negative widths, as in {pad_width!r}: cut with a slice, x[1:-1]")
    return widths


def _padded(x: Any, axis: int, before: int, after: int, mode: Any, options: dict[str, Any]) -> Any:
    """Return an array padded along one axis."""
    is_odd = _is_odd(options.get("reflect_type", "even")) and x.shape[axis] > 1
    if mode in MOVING and not is_odd:
        return take(x, np.pad(np.arange(x.shape[axis]), (before, after), mode), axis)
    if is_odd:
        sides = [mode == "symmetric"] * 2
        extend: Callable[..., Any] = _reflected
    else:
        name, default, extend = BEFORE[mode]
        sides = [_side(options.get(name, default), len(x.shape), axis, side) for side in (0, 1)]
    # What comes after an axis comes before the reversed axis.
    parts = [
        extend(x, before, axis, sides[0]),
        x,
        shapes.flip(extend(shapes.flip(x, axis), after, axis, sides[1]), axis),
    ]
    return concatenate([part.astype(x.dtype) for part in parts], axis)


def _is_odd(reflect_type: str) -> bool:
    if reflect_type not in ("even", "odd"):
        raise ValueError(f"np.pad: the reflect_type is 'even' or 'odd', not {reflect_type!r}")
    return reflect_type == "odd"


def _side(option: Any, rank: int, axis: int, side: int) -> Any:
    """Return an option's value for one side of one axis."""
    return None if option is None else np.broadcast_to(array_like(option), (rank, 2))[axis, side]


def _first(x: Any, axis: int, start: int, stop: int | None) -> Any:
    return x[shapes.on_axis(axis, slice(start, stop))]


def _constant(x: Any, width: int, axis: int, value: Any) -> Any:
    return shapes.broadcast_to(value, shapes.with_length(x.shape, axis, width))


def _ramp(x: Any, width: int, axis: int, end: Any) -> Any:
    y = linspace(end, x[shapes.on_axis(axis, 0)], width, endpoint=False, axis=axis)
    return np.floor(y) if x.dtype.kind in "iu" else y


def _statistic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what repeats a statistic of the elements nearest to the side, or of all."""

    def repeated(x: Any, width: int, axis: int, length: Any) -> Any:
        if length is not None and length < 1:
            raise ValueError(f"np.pad: a statistic needs elements, so stat_length must be positive, not {length}")
        y = function(_first(x, axis, 0, None if length is None else int(length)), axis=axis, keepdims=True)
        return _constant(x, width, axis, np.rint(y) if x.dtype.kind in "iu" else y)

    return repeated


def _reflected(x: Any, width: int, axis: int, is_edge_repeated: bool) -> Any:
    """Return what comes before an axis that is continued as an odd function around its first element, step by step."""
    n, y = x.shape[axis], x
    first = 0 if is_edge_repeated else 1
    while y.shape[axis] < n + width:
        mirrored = shapes.flip(_first(y, axis, first, n), axis)
        y = concatenate([2 * _first(y, axis, 0, 1) - mirrored, y], axis)
    return _first(y, axis, y.shape[axis] - n - width, y.shape[axis] - n)


# The other modes: an option, its default, and what comes before an axis.
BEFORE: dict[str, tuple[str, Any, Callable[..., Any]]] = {
    "constant": ("constant_values", 0, _constant),
    "linear_ramp": ("end_values", 0, _ramp),
    "maximum": ("stat_length", None, _statistic(np.max)),
    "minimum": ("stat_length", None, _statistic(np.min)),
    "mean": ("stat_length", None, _statistic(np.mean)),
    "median": ("stat_length", None, _statistic(np.median)),
}
