"""Grids: numbers between two ends, and the coordinates of points.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.linspace(0, tg.Tensor(1.0), 5)
Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ...errors import require
from ...support.devices import on_device_of
from .arithmetic import copy as copied
from .axes import broadcast_arrays, expand_dims, moveaxis, reshape
from .operands import array_like, arrays_like, as_count, converted


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike | None = None,
    *,
    axis: int = 0,
) -> Any:
    """Return numbers at equal distances, from one end to the other; rounded down if they are to be whole numbers."""
    start, stop, t, steps = _shares("np.linspace", start, stop, num, endpoint)
    y = np.where(t == 1, stop, start + (stop - start) * t)  # the end itself, even if the start is infinite or no number
    y = moveaxis(y, 0, axis)
    y = converted(np.floor(y) if dtype is not None and np.dtype(dtype).kind in "iu" else y, dtype)
    return (y, (stop - start) / steps if steps else np.nan * (stop - start)) if retstep else y


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: DTypeLike | None = None,
    *,
    axis: int = 0,
) -> Any:
    """Return the powers of a base at equal distances of the exponents."""
    if np.ndim(base):
        start, base = broadcast_arrays(start, base)
        base = expand_dims(base, axis)
    return converted(np.power(base, linspace(start, stop, num, endpoint, axis=axis)), dtype)


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: DTypeLike | None = None, *, axis: int = 0
) -> Any:
    """Return numbers at equal ratios, from one end to the other."""
    start, stop = array_like(start), array_like(stop)  # here NumPy's numbers do not adapt
    start, stop, t, _ = _shares("np.geomspace", start, stop, num, endpoint)
    holds = np.all(np.sign(start) * np.sign(stop) > 0)
    require(holds, ValueError, "np.geomspace: the ends must be of one sign, and not zero")
    y = np.where(t == 1, stop, start * (stop / start) ** t)  # without rounding at the end
    return converted(moveaxis(y, 0, axis), dtype)


def _shares(function: str, start: Any, stop: Any, num: int, endpoint: bool) -> tuple[Any, Any, Any, int]:
    """Return two ends as arrays, the share of the way that each number of a grid has gone, and the number of steps."""
    num = as_count(function, "num", num)
    steps = num - 1 if endpoint else num
    of_device = stop if hasattr(stop, "shape") else start
    given = [x.dtype for x in (start, stop) if hasattr(x, "shape") and not isinstance(x, np.generic)]
    floating = [dtype for dtype in given if dtype.kind in "fc"]
    start, stop, _ = arrays_like((start, stop, 0.0))
    t = (np.arange(num) / max(steps, 1)).astype(np.result_type(start.dtype, stop.dtype, 0.0))
    # Whole numbers adapt to the floating ones; those of a narrow type would wrap around.
    one = np.ones((), np.result_type(*floating)) if floating else t.dtype.type(1)
    start, stop = (x if x.dtype.kind in "fc" else x * one for x in (start, stop))
    rank = max(len(start.shape), len(stop.shape))
    return start, stop, on_device_of(of_device, t.reshape((-1,) + (1,) * rank)), steps


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Return the coordinates of the points of a grid, one array for each axis."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"np.meshgrid: the indexing is 'xy' or 'ij', not {indexing!r}")
    order = [1, 0, *range(2, len(xi))] if indexing == "xy" and len(xi) > 1 else range(len(xi))
    grid = [_along(array_like(x), i, len(xi)) for x, i in zip(xi, order, strict=True)]
    grid = grid if sparse else list(broadcast_arrays(*grid))
    return tuple(map(copied, grid) if copy else grid)


def ix_(*args: Any) -> tuple[Any, ...]:
    """Return positions along each axis as an index of all their combinations."""
    arrays = [np.flatnonzero(x) if x.dtype.kind == "b" else x for x in map(array_like, args)]
    if any(len(x.shape) != 1 for x in arrays):
        raise ValueError("np.ix_ takes vectors, one for each axis")
    return tuple(_along(x, i, len(arrays)) for i, x in enumerate(arrays))


def _along(x: Any, axis: int, rank: int) -> Any:
    """Return the elements along one of ``rank`` axes."""
    return reshape(x, tuple(-1 if i == axis else 1 for i in range(rank)))
