"""NumPy functions that return plain arrays, since their results have no derivative, or one that is zero.

The list tells them from functions whose gradient would be lost, which raise. It must hold for every argument:
`numpy.full_like` is not in it, since its result has a derivative by the value that fills it.
"""

from __future__ import annotations

import numpy as np

PLAIN = frozenset(
    {
        # positions of elements
        *(np.argmax, np.argmin, np.argsort, np.nonzero, np.flatnonzero, np.argwhere, np.searchsorted),
        # truth values, counts and bits
        *(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
        *(np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.any, np.all),
        *(np.isnan, np.isinf, np.isfinite, np.isclose, np.allclose, np.array_equal, np.count_nonzero),
        *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert),
        # step functions, whose derivative is 0 wherever there is one
        *(np.sign, np.floor, np.ceil, np.rint, np.round, np.trunc, np.floor_divide),
        # shape, type and text
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
