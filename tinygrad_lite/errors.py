"""The errors a user meets: each says what is wrong, where, and what to do.

NumPy's own messages often lack the operation and the axis, and always the layer. `explained` adds the operation and the
axis. The module in which an error about its input arises adds the layer: `name_layer`.

>>> import numpy as np
>>> x, y = np.zeros((2, 3)), np.zeros((4, 3))
>>> try:
...     x + y
... except ValueError as error:
...     print(explained(error, "add", [x.shape, y.shape]))
add of (2, 3) and (4, 3): axis -2 has length 2 and 4; lengths must be equal, or one of them 1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """Shapes of operands do not fit one another, or do not fit the operation."""


class GraphError(RuntimeError):
    """A graph cannot be differentiated: it was freed, a value was changed in place, or the result is not one number."""


class JitError(RuntimeError):
    """`jit` cannot make a program of a function, or a traced value is used where a real one is needed."""


class DeviceError(RuntimeError):
    """A device does not exist or cannot be used, or operands are on different devices."""


class MissingExtra(ImportError):
    """An optional package is needed, but not installed."""


class DataError(ValueError):
    """A data file or folder is missing, damaged or of another kind than its name says."""


def name_layer(error: Any, origin: object, layer: str) -> None:
    """Let the message of an error end with the layer in which it arose; a longer path replaces a shorter one.

    Parameters
    ----------
    error : ShapeError, ValueError or TypeError
        It gets two attributes: ``origin``, the module in which it arose, and ``layer``.
    origin : object
        That module.
    layer : str
        Its path in the net, and its description.
    """
    if type(error) in (ShapeError, ValueError, TypeError) and len(error.args) == 1:
        before = f" (in {error.layer})" if hasattr(error, "layer") else ""
        error.origin, error.layer = origin, layer
        error.args = (f"{str(error.args[0]).removesuffix(before)} (in {layer})",)


def require(holds: Any, error: type[Exception], message: str, explain: Callable[[], str] | None = None) -> None:
    """Raise an error unless a condition on values holds.

    Parameters
    ----------
    holds : bool or value of a recording
        The condition. A traced one becomes part of the program, which checks it at each call.
    error : type
        The kind of error.
    message : str
        The message, without reference to values.
    explain : callable, optional
        Returns a better message, which may look at values to say where the fault is.
    """
    record = getattr(type(holds), "__require__", None)
    if record is not None:
        record(holds, error, message)
    elif not holds:
        raise error(message if explain is None else explain())


def explained(error: Exception, operation: str, shapes: Sequence[Shape]) -> Exception:
    """Return an error like NumPy's about operands, but one that names the operation, the shapes and the axis.

    Parameters
    ----------
    error : Exception
        NumPy's error: a ValueError, or a TypeError, which stays one.
    operation : str
        The name of the rule.
    shapes : sequence of tuple of int
        The shapes of its operands.

    Returns
    -------
    Exception
        The error to raise instead.
    """
    if "negative integer powers" in str(error):  # about values, not about shapes
        return ValueError(f"{operation}: {error} Write floats, such as 2.0 for 2")
    reason = None
    listed = " and ".join(map(str, shapes))
    if isinstance(error, np.linalg.LinAlgError):  # about values, too
        return np.linalg.LinAlgError(f"{operation} of {listed}: {error}")
    if operation in ("matmul", "linear"):
        a, b, *added = shapes
        reason = _product_mismatch(a, b) or _broadcast_mismatch([(*a[:-1], b[-1]), *added])
        listed = " + ".join([f"{a} @ {b}", *map(str, added)])
    elif operation == "solve":
        reason = _broadcast_mismatch([_without_matrices(shape) for shape in shapes])
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
    return _broadcast_mismatch([_without_matrices(a), _without_matrices(b)])


def _without_matrices(shape: Shape) -> Shape:
    """Return the lengths of the axes of a batch, and 1 for those of its matrices, which need not be equal."""
    return (*shape[:-2], *(1 for _ in shape[-2:]))


def _broadcast_mismatch(shapes: Sequence[Shape]) -> str | None:
    for axis in range(-1, -1 - max(map(len, shapes), default=0), -1):
        lengths = sorted({shape[axis] for shape in shapes if len(shape) >= -axis} - {1})
        if len(lengths) > 1:
            return f"axis {axis} has length {' and '.join(map(str, lengths))}; lengths must be equal, or one of them 1"
    return None
