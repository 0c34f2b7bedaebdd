"""The errors a user meets: each says what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """Operands whose shapes do not fit one another, or the operation they were given to.

    Attributes
    ----------
    origin : object or None
        The module it arose in, if any.
    layer : str or None
        That module, as one would look for it: its path and description.
    """

    origin: object | None = None
    layer: str | None = None

    def __str__(self) -> str:
        return super().__str__() + (f" (in {self.layer})" if self.layer else "")


class GraphError(RuntimeError):
    """A graph that cannot be differentiated: freed already, changed in place, or with no one number to start from."""


class JitError(RuntimeError):
    """A function that no program can be made of, or a value of a recording where only a real one will do."""


class DeviceError(RuntimeError):
    """A device that there is not, or operands that are not on the same one."""


class MissingExtra(ImportError):
    """An optional package that is needed, and not installed."""


class DataError(ValueError):
    """A data file or folder that is missing, damaged or not what its name promises."""


def expect(holds: Any, error: type[Exception], message: str, explain: Callable[[], str] | None = None) -> None:
    """Raise an error unless a condition on values holds.

    Parameters
    ----------
    holds : bool or value of a recording
        The condition. One that is being recorded becomes part of the program, and is checked at each of its calls.
    error : type
        The kind of error.
    message : str
        What is wrong.
    explain : callable, optional
        Returns a better message, which says where; it may look at values.
    """
    record = getattr(type(holds), "__expect__", None)
    if record is not None:
        record(holds, error, message)
    elif not holds:
        raise error(message if explain is None else explain())


def explained(error: Exception, operation: str, shapes: Sequence[Shape]) -> Exception:
    """Turn NumPy's complaint about operands into one that names the operation, the shapes and the axis.

    Parameters
    ----------
    error : Exception
        What NumPy raised: a ValueError, or a TypeError, which stays one.
    operation : str
        The name of the rule.
    shapes : sequence of tuple of int
        The shapes of its operands.

    Returns
    -------
    Exception
        The error to raise instead.
    """
    if "negative integer powers" in str(error):  # of numbers, not of shapes
        return ValueError(f"{operation}: {error} Write floats, such as 2.0 for 2")
    reason = None
    listed = " and ".join(map(str, shapes))
    if operation in ("matmul", "linear"):
        a, b, *added = shapes
        reason = _product_mismatch(a, b) or _broadcast_mismatch([(*a[:-1], b[-1]), *added])
        listed = " + ".join([f"{a} @ {b}", *map(str, added)])
    elif "could not be broadcast together with shapes" in str(error):
        reason = _broadcast_mismatch(shapes)
    message = f"{operation} of {listed}: {reason or error}"
    return TypeError(message) if isinstance(error, TypeError) else ShapeError(message)


def _product_mismatch(a: Shape, b: Shape) -> str | None:
    if a and b and a[-1] != b[-2:][0]:
        summed = "second to last" if len(b) > 1 else "only"
        return (
            f"the last axis of the first has length {a[-1]}, the {summed} axis of the second has length {b[-2:][0]}; "
            "a matrix product sums over the two, so they must be equal"
        )
    return _broadcast_mismatch([a[:-2], b[:-2]])


def _broadcast_mismatch(shapes: Sequence[Shape]) -> str | None:
    for axis in range(-1, -1 - max(map(len, shapes), default=0), -1):
        lengths = sorted({shape[axis] for shape in shapes if len(shape) >= -axis} - {1})
        if len(lengths) > 1:
            return f"axis {axis} has length {' and '.join(map(str, lengths))}; lengths must be equal, or one of them 1"
    return None
