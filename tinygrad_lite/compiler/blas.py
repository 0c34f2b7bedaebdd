"""Add a product of matrices to an array in one pass: BLAS has a function for it, NumPy has none.

For an update ``W -= x.T @ g`` NumPy writes the product into memory of its own, and reads it again to subtract it. The
function gemm of BLAS adds each number to ``W`` as it is computed. NumPy's wheels bring an OpenBLAS, whose gemm is
called here. With another BLAS a program takes two passes.

A program that adds products has the text below at its head, so it needs nothing but NumPy.

Examples
--------
>>> c = np.ones((2, 2))
>>> add_product(c, np.eye(2), np.eye(2))
>>> c
array([[2., 1.],
       [1., 2.]])
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np


def loaded_gemm() -> dict[Any, Any]:
    """Return the functions gemm of the OpenBLAS that NumPy has loaded, by the type of their arrays; none without it."""
    folder, found = Path(np.__file__).parent, {}
    for path in (*folder.parent.glob("numpy.libs/*openblas*"), *folder.glob(".dylibs/*openblas*")):
        for name, real in (("s", ctypes.c_float), ("d", ctypes.c_double)):
            gemm = getattr(ctypes.CDLL(str(path)), f"scipy_cblas_{name}gemm64_", None)
            if gemm is not None:
                matrix = ctypes.c_void_p, ctypes.c_int64
                gemm.argtypes = [*[ctypes.c_int] * 3, *[ctypes.c_int64] * 3, real, *matrix, *matrix, real, *matrix]
                gemm.restype = None
                found[np.dtype(real)] = gemm
    return found


GEMM = loaded_gemm()
ROWS, PLAIN, TRANSPOSED = 101, 111, 112  # what BLAS calls memory in C's order, and a matrix as it is or transposed


def add_product(c: Any, a: Any, b: Any, sign: int = 1) -> None:
    """Compute c += sign * a @ b in one pass over c; in two where OpenBLAS cannot."""
    gemm = GEMM.get(c.dtype)
    if gemm is None or not c.flags.c_contiguous:
        c += sign * (a @ b)
        return
    a, b = (x if x.flags.forc else x.copy() for x in (a, b))  # without gaps
    orders, (m, n), k = (order(a), order(b)), c.shape, a.shape[1]
    gemm(ROWS, *orders, m, n, k, sign, *memory(a), *memory(b), 1, *memory(c))


def subtract_product(c: Any, a: Any, b: Any) -> None:
    """Compute c -= a @ b in one pass over c; in two where OpenBLAS cannot."""
    add_product(c, a, b, -1)


def order(x: Any) -> int:
    """Return whether the memory of a matrix is that of its transpose."""
    return PLAIN if x.flags.c_contiguous else TRANSPOSED


def memory(x: Any) -> tuple[int, int]:
    """Return where the memory of a matrix begins, and how many elements a row has there."""
    rows = x if x.flags.c_contiguous else x.T
    is_writable = rows.flags.writeable  # then there is a way that takes a tenth of the time
    start = ctypes.addressof(ctypes.c_char.from_buffer(rows)) if is_writable else rows.ctypes.data
    return start, rows.shape[1]
