"""The functions of `numpy.fft` whose results are real: they move frequencies. The transforms themselves are complex.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> np.fft.fftshift(tg.Tensor([0.0, 1.0, 2.0, -2.0, -1.0]))
Tensor([-2., -1.,  0.,  1.,  2.], dtype=float32)
"""

from __future__ import annotations

from typing import Any

from .. import shapes
from ..reductions import Axis, axes_of
from .operands import array_like


def fftshift(x: Any, axes: Axis = None) -> Any:
    """Move the frequency 0 to the middle."""
    return _shifted(x, axes, 1)


def ifftshift(x: Any, axes: Axis = None) -> Any:
    """Move the frequency 0 from the middle to the start: the inverse of `fftshift`."""
    return _shifted(x, axes, -1)


def _shifted(x: Any, axes: Axis, direction: int) -> Any:
    x = array_like(x)
    moved = axes_of(axes, len(x.shape))
    return shapes.roll(x, tuple(direction * (x.shape[axis] // 2) for axis in moved), moved)
