"""Writing to positions of an array, without changing it: each function returns a new array.

A Tensor in a graph cannot be written into, since the derivative of what was there before would be wrong.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tg.index_add(tg.Tensor([1.0, 2.0, 3.0]), 0, [0, 2, 2], np.ones(3))
Tensor([2., 2., 5.], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError, require
from .. import shapes
from ..reductions import axes_of
from .operands import array_like, as_positions, fitting
from .pieces import along_axis


def scatter(x: Any, axis: int, index: Any, source: Any) -> Any:
    """Return an array with other elements at some positions along an axis; differentiable by the old and the new.

    It means what `torch.scatter` means, and what `numpy.put_along_axis` writes if no axis is broadcast. For two axes
    and ``axis=0`` the result has ``y[index[i, j], j] == source[i, j]``, and the elements of ``x`` elsewhere; in JAX
    that is ``x.at[index, np.arange(index.shape[1])].set(source)``.

    Parameters
    ----------
    x : array-like
        The array.
    axis : int
        The axis along which the positions count.
    index : array-like of int
        The positions, in as many axes as ``x`` has. Along the other axes it may be shorter than ``x``.
    source : array-like
        The new elements: one number, or an array at least as long as ``index`` along each axis.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ValueError
        If a position is written to twice: `index_add` adds up.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> tg.scatter(tg.Tensor(np.zeros((2, 3))), 1, [[2], [0]], 5.0)
    Tensor([[0., 0., 5.],
            [5., 0., 0.]], dtype=float64)
    """
    x, axis, index = _operands("tg.scatter", x, axis, index)
    others = [(m, n) for i, (m, n) in enumerate(zip(index.shape, x.shape, strict=False)) if i != axis]
    if len(index.shape) != len(x.shape) or any(m > n for m, n in others):
        raise ShapeError(
            f"tg.scatter: an index of shape {index.shape} does not fit into {x.shape} along axis {axis}: it needs as "
            "many axes, and no greater length along the others"
        )
    places = along_axis(x, index, axis, index.shape)
    counts = _placed(np.ones(index.shape, int), index, places, x.shape)
    holds = np.all(counts <= 1)
    require(holds, ValueError, "tg.scatter writes to a position twice: tg.index_add adds up what comes to one position")
    source = fitting(source, x, "tg.scatter")
    if np.ndim(source):
        part = source[tuple(map(slice, index.shape))]
        if part.shape != index.shape:
            raise ShapeError(f"tg.scatter: a source of shape {source.shape} is too short for an index of {index.shape}")
        source = _placed(part, index, places, x.shape)
    return np.where(counts > 0, source, x)


def index_add(x: Any, axis: int, index: Any, source: Any) -> Any:
    """Return an array with slices added to it at some positions along an axis, also repeatedly at one position.

    It means what `torch.index_add` means: for ``axis=1``, ``source[:, k]`` is added to ``x[:, index[k]]``, for each
    k; in JAX that is ``x.at[:, index].add(source)``, and `numpy.add.at` writes it into ``x``.

    Parameters
    ----------
    x : array-like
        The array.
    axis : int
        The axis along which the positions count.
    index : array-like of int
        The positions, a vector.
    source : array-like
        What is added: of the shape of ``x``, but with the length of ``index`` along the axis; or what broadcasts to
        that shape.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> tg.index_add(tg.Tensor([[1.0, 2.0]]), 1, [0, 0], [[10.0, 20.0]])
    Tensor([[31.,  2.]], dtype=float32)
    """
    x, axis, index = _operands("tg.index_add", x, axis, index)
    if len(index.shape) != 1:
        raise ShapeError(f"tg.index_add takes a vector of positions, not an index of shape {index.shape}")
    shape = shapes.with_length(x.shape, axis, index.shape[0])
    source = fitting(source, x, "tg.index_add")
    try:
        slices = shapes.broadcast_to(source, shape)
    except ValueError:
        raise ShapeError(
            f"tg.index_add: a source of shape {np.shape(source)} does not fit {len(index)} positions along axis {axis} "
            f"of {x.shape}: it needs the shape {shape}"
        ) from None
    return x + _placed(slices, index, shapes.on_axis(axis, index), x.shape)


def _operands(function: str, x: Any, axis: int, index: Any) -> tuple[Any, int, Any]:
    """Return an array, one of its axes, not negative, and positions as an array of whole numbers."""
    x, index = array_like(x), as_positions(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{function} takes whole numbers as positions, not {index.dtype}")
    (axis,) = axes_of(axis, len(x.shape))
    return x, axis, np.bitwise_or(index, 0)  # which is the array of a Tensor


def _placed(values: Any, index: Any, places: Any, shape: tuple[int, ...]) -> Any:
    """Return zeros with values added at some places."""
    if not hasattr(values, "requires_grad"):  # a constant is recorded only if it is computed from what is
        values = values + (0 * index.sum()).astype(values.dtype)
    return shapes.place(values, places, shape)
