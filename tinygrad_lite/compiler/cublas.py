"""Add a product of matrices to an array in one pass on a GPU, as `blas` does on the CPU: by the gemm of cuBLAS."""

from __future__ import annotations

import numpy as np

TYPES = {np.dtype(np.float32), np.dtype(np.float64)}

# What stands at the head of a program that adds products. `cublas.gemm` takes matrices in any order of memory; one that
# is neither in C's order nor in Fortran's it copies.
SOURCE = '''
from {module} import cublas


def add_product(c, a, b, sign=1):
    """Compute c += sign * a @ b in one pass over c, a matrix or the one row of a matrix."""
    cublas.gemm("N", "N", a, b, out=np.atleast_2d(c), alpha=sign, beta=1)


def subtract_product(c, a, b):
    """Compute c -= a @ b in one pass over c."""
    add_product(c, a, b, -1)
'''
