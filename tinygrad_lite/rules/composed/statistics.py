"""Statistics and running sums, composed of reductions.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.var(tg.Tensor([1.0, 2.0, 3.0]), ddof=1)
Tensor(1., dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import reductions
from ..reductions import Axis, count
from .axes import ravel


def var(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the variance: the sum of squared deviations over n - ddof, or over 0 if that is negative."""
    deviations = a - a.mean(axis=axis, keepdims=True)
    return reductions.sum(np.square(deviations), axis, keepdims) / max(count(a, axis) - ddof, 0)


def std(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the square root of the variance. Where it is 0, its derivative is taken to be 0."""
    return np.sqrt(var(a, axis, ddof=ddof, keepdims=keepdims))


def cumsum(a: Any, axis: int | None = None) -> Any:
    """Return the running sum along an axis, or of all elements in order if the axis is None."""
    return reductions.cumsum(ravel(a), 0) if axis is None else reductions.cumsum(a, axis)
