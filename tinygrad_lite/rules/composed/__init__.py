"""NumPy's functions that need no rule of their own, since they are composed of functions that have one.

The chain rule gives their derivatives: each function fewer in the tables of rules is one derivative fewer to write and
to check. Each takes NumPy's arguments, and works on all kinds of values that the rules work on.

Examples
--------
>>> import tinygrad_lite as tg
>>> from tinygrad_lite.rules import composed
>>> composed.vstack([tg.Tensor([1.0, 2.0]), tg.Tensor([3.0, 4.0])]).shape
(2, 2)
"""

from .arithmetic import array_like, clip, copy, divmod, full_like, log2, log10, power, where
from .axes import expand_dims, matrix_transpose, moveaxis, ravel, reshape, squeeze, swapaxes, transpose
from .contractions import dot, einsum, inner, matmul, outer, tensordot
from .pieces import concatenate, hstack, index_along, pad, sliding_window_view, split, stack, take, vstack
from .statistics import cumsum, std, var

__all__ = [
    "array_like",
    "clip",
    "concatenate",
    "copy",
    "cumsum",
    "divmod",
    "dot",
    "einsum",
    "expand_dims",
    "full_like",
    "hstack",
    "index_along",
    "inner",
    "log2",
    "log10",
    "matmul",
    "matrix_transpose",
    "moveaxis",
    "outer",
    "pad",
    "power",
    "ravel",
    "reshape",
    "sliding_window_view",
    "split",
    "squeeze",
    "stack",
    "std",
    "swapaxes",
    "take",
    "tensordot",
    "transpose",
    "var",
    "vstack",
    "where",
]
