"""Checks that functions and layers share: of operands, of sizes and options, of labels and tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from ...arrays import as_array, get_default_dtype, raw
from ...errors import ShapeError, require
from ...rules.composed.operands import array_like
from ...support.observer import MODULE, under_way


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of a Tensor, an array, a number or a list."""
    return x.shape if hasattr(x, "shape") else np.shape(x)


def operand(name: str, x: Any) -> Any:
    """Return what a function computes with, as `numbers_of`; truth values become the whole numbers 0 and 1."""
    dtype = getattr(x, "dtype", None)
    if dtype is not None and dtype.kind == "f":
        return x
    if dtype is None and isinstance(x, Real):  # also one that stands for a number in a recording
        return x * np.ones((), get_default_dtype())
    x = numbers_of(name, x)
    return x.astype(int) if x.dtype.kind == "b" else x


def numbers_of(name: str, x: Any) -> Any:
    """Return a Tensor or array of numbers as it is; a list or a number as an array.

    Raises
    ------
    TypeError
        If it holds no numbers; the message starts with ``name``.
    ShapeError
        If it is a list of rows of different lengths.
    """
    dtype = getattr(x, "dtype", None)
    if dtype is not None:
        if dtype.kind not in "biufc":
            raise TypeError(f"{name}: a Tensor or an array of numbers is needed, not one of type {dtype}")
        return x
    try:
        return as_array(x)
    except ShapeError:
        raise _unequal_rows(name) from None
    except TypeError:
        raise TypeError(f"{name}: a Tensor or an array of numbers is needed, not {type(x).__name__}") from None


def _unequal_rows(name: str) -> ShapeError:
    return ShapeError(f"{name}: the rows have different lengths; pad the shorter ones, and mask the rest")


def is_whole(value: Any, least: float = -math.inf) -> bool:
    """Return whether an argument is a whole number of at least ``least``, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= least)


def expect_axis(name: str, axis: Any, x: Any) -> None:
    """Raise unless an input has an axis of that number."""
    rank = max(len(x.shape), 1)  # NumPy reduces a 0-d array along axis 0 or -1
    if not is_whole(axis, -rank) or axis >= rank:
        raise ShapeError(f"{name} along axis {axis!r} of shape {x.shape}: the axes are {-rank} to {rank - 1}")


def expect_whole(name: str, argument: str, value: Any, least: float = -math.inf) -> None:
    """Raise unless an option is a whole number of at least ``least``."""
    if not is_whole(value, least):
        bound = "" if least == -math.inf else f" of at least {least}"
        raise ValueError(f"{name}: {argument} must be a whole number{bound}, not {value!r:.60}")


def expect_sizes(name: str, **sizes: Any) -> None:
    """Raise unless each of a layer's sizes, given by the names of its arguments, is a whole number of at least 1."""
    for argument, value in sizes.items():
        if not is_whole(value, 1):
            raise ValueError(f"{name} needs a positive whole number of {argument}, not {value!r:.60}")


def is_number(value: Any) -> bool:
    """Return whether an argument is a number, or a Tensor or an array that holds one; truth values are none."""
    if hasattr(value, "dtype"):
        return value.dtype.kind in "iuf" and not value.shape
    return isinstance(value, Real) and not isinstance(value, bool)


Range = tuple[str, Callable[[Any], Any]]
# The numbers that options may be: in words, and as a condition.
ANY: Range = ("", lambda x: x == x)
NOT_NEGATIVE: Range = (" of at least 0", lambda x: x >= 0)
FINITE: Range = (" of at least 0", lambda x: (x >= 0) & (x < math.inf))
POSITIVE: Range = (" above 0", lambda x: x > 0)
FRACTION: Range = (" from 0 to 1", lambda x: (x >= 0) & (x <= 1))
BELOW_ONE: Range = (" of at least 0 and below 1", lambda x: (x >= 0) & (x < 1))
BETWEEN: Range = (" above 0 and below 1", lambda x: (x > 0) & (x < 1))


def expect_number(name: str, argument: str, value: Any, within: Range = ANY) -> None:
    """Raise unless an option is a number within a range; a program checks its own argument at each call."""
    words, holds = within
    inside = is_number(value) and holds(raw(value))
    if inside is not True:
        message = f"{name}: {argument} must be a number{words}"
        require(inside, ValueError, message, lambda: f"{message}, not {value!r:.60}")


def expect_flags(name: str, **flags: Any) -> None:
    """Raise unless each of these options is True or False."""
    for argument, value in flags.items():
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{name}: {argument} must be True or False, not {value!r:.60}")


def expect_choice(name: str, argument: str, value: Any, choices: Sequence[str]) -> None:
    """Raise unless an option is one of some words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: {argument} must be one of {', '.join(map(repr, choices))}, not {value!r:.60}")


def expect_broadcast(what: str, x: Any, whole: str, shape: tuple[int, ...]) -> None:
    """Raise unless an operand broadcasts to a shape, which is that of ``whole``."""
    axes = x.shape[::-1]
    if len(axes) > len(shape) or any(n not in (1, m) for n, m in zip(axes, shape[::-1], strict=False)):
        raise ShapeError(f"{what} of shape {x.shape} does not broadcast to {whole} {shape}")


def _layer_of_program() -> str:
    """Return the layer in which a recording is, for the message of a check that a program makes at each call."""
    modules: list[Any] = [step.of for step in under_way() if step.kind == MODULE]
    if not modules:
        return ""
    path = next((path for path, module in modules[-1].named_modules() if module is modules[0]), None)
    return f" (in {'' if path is None else f'layer {path!r}, '}{modules[0].describe()})"


def expect_below(values: Any, size: int, what: str, outside: str) -> Any:
    """Return whole numbers as an array, after the check that each is in ``range(size)``.

    Parameters
    ----------
    values : array of int
    size : int
        The number of classes, rows, …
    what, outside : str
        The words of the error: "label 7 at index 3 is none of the 5 classes" has "label", and what follows the index.

    Raises
    ------
    TypeError
        If they are not whole numbers.
    ValueError
        If one is outside; the message says which one, and at which index.
    """
    try:
        array = array_like(raw(values))
    except ValueError:
        raise _unequal_rows(f"{what}s") from None
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what}s must be whole numbers, not {array.dtype}: convert with .astype(int)")
    inside = (array >= 0) & (array < size)

    def first_outside() -> str:
        index = tuple(int(i) for i in np.argwhere(~inside)[0])
        where = f" at index {', '.join(map(str, index))}" if index else ""
        return f"{what} {array[index]}{where} {outside}"

    require(inside.all(), ValueError, f"a {what} {outside}{_layer_of_program()}", first_outside)
    return array
