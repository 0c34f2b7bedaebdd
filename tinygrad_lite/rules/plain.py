"""NumPy functions that answer with plain arrays: what they return has no derivative, or one that is zero.

That holds for every argument: `numpy.full_like`, whose result has a derivative by the value it is filled with, is
composed of rules instead.
"""

from __future__ import annotations

import numpy as np

PLAIN = frozenset(
    {
        # where an element stands
        *(np.argmax, np.argmin, np.argsort, np.nonzero, np.flatnonzero, np.argwhere, np.searchsorted),
        # what holds of it
        *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
        *(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.any, np.all),
        *(np.isnan, np.isinf, np.isfinite, np.isclose, np.allclose, np.array_equal, np.count_nonzero),
        *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert),
        # steps, flat wherever they have a derivative
        *(np.sign, np.floor, np.ceil, np.rint, np.round, np.trunc, np.floor_divide),
        # what it looks like from outside
        *(
            np.shape,
            np.ndim,
            np.size,
            np.result_type,
            np.can_cast,
            np.array2string,
            np.array_repr,
            np.array_str,
        ),
        # arrays of the same shape or kind
        *(
            np.zeros_like,
            np.ones_like,
            np.empty_like,
            np.zeros,
            np.ones,
            np.eye,
        ),
    }
)
