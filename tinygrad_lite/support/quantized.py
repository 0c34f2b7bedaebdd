"""Weights of one byte: whole numbers from -127 to 127, and a factor, or scale, for each row.

>>> import numpy as np
>>> numbers, scales = quantized(np.float32([[1, -2.54], [0, 0]]))
>>> numbers
array([[  50, -127],
       [   0,    0]], dtype=int8)
>>> dequantized(numbers, scales)
array([[ 1.  , -2.54],
       [ 0.  ,  0.  ]], dtype=float32)
"""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST = 127


def quantized(x: Any) -> tuple[Any, Any]:
    """Return the numbers of the size of a byte that are closest to an array's, and the scale of each row."""
    scales = np.abs(x).reshape(len(x), -1).max(axis=1) / LARGEST
    return np.rint(x / _column(np.where(scales > 0, scales, 1), x.ndim)).astype(np.int8), scales.astype(np.float32)


def dequantized(numbers: Any, scales: Any) -> Any:
    """Return the array that such numbers and scales stand for."""
    return numbers * _column(scales, numbers.ndim)


def _column(scales: Any, ndim: int) -> Any:
    return scales.reshape(-1, *[1] * (ndim - 1))
