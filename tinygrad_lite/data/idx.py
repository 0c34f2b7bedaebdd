"""The IDX format, in which MNIST is published: a header that says type and shape, then the numbers.

======  ==========================================================
bytes   meaning
======  ==========================================================
2       zero
1       type code, see ``DTYPES``
1       number of axes
4 each  length of each axis, an unsigned big-endian integer
rest    the numbers, big-endian, the last axis varying fastest
======  ==========================================================

>>> parse_idx(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 5, 6, 7]), "example")
array([5, 6, 7], dtype=uint8)
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..support.files import RAISE_LIMIT, as_path, file_error, read_file, too_large, write_atomically

DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
CODES = {dtype: code for code, dtype in DTYPES.items()}

GZIP_MAGIC = b"\x1f\x8b"
GZIP_WBITS = 31  # tells zlib to expect or write a gzip header and checksum
GZIP_MOST = 1032  # the largest ratio of decompressed to compressed bytes
MAX_BYTES = 1 << 30
FETCH_AGAIN = "The file is damaged or incomplete: fetch or write it again."


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """Read the array in an IDX file. A gzipped file is recognised by its content.

    Parameters
    ----------
    path
        The file.
    max_bytes
        The largest decompressed size allowed. A small gzip file can decompress to a size that fills the memory.

    Returns
    -------
    ndarray
        A new, writable array in the machine's byte order, of the file's shape, and of dtype uint8, int8,
        int16, int32, float32 or float64.

    Raises
    ------
    DataError
        If the file is missing, truncated, too long, too large, corrupt, or not an IDX file.

    Examples
    --------
    >>> tg.data.write_idx("labels.gz", np.array([5, 0, 4], np.uint8))
    >>> tg.data.read_idx("labels.gz")
    array([5, 0, 4], dtype=uint8)
    """
    array = parse_idx(read_content(path, max_bytes), path)
    return array.astype(array.dtype.newbyteorder("="))


def read_content(path: str | os.PathLike[str], max_bytes: int, remedy: str = RAISE_LIMIT) -> bytes:
    """Return a file's bytes, decompressed if they are gzipped.

    Raises
    ------
    DataError
        If the file cannot be read, its gzip stream is truncated or corrupt, or it holds more than ``max_bytes``. In
        the last case, the message ends with ``remedy``.
    """
    content = read_file(path, gzipped(max_bytes), remedy)
    if content.startswith(GZIP_MAGIC):
        content = _gunzip(content, path, max_bytes)
    if len(content) > max_bytes:
        raise too_large(path, max_bytes, "more", remedy)
    return content


def gzipped(size: int) -> int:
    """Return the largest size of a gzip stream for so many bytes: incompressible bytes take a little more."""
    return size + size // 1024 + 1024


def _gunzip(content: bytes, path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """Decompress up to one byte more than allowed, so that the caller sees an excess."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            return stream.read(min(max_bytes, GZIP_MOST * len(content)) + 1)  # memory is reserved for so many
    except EOFError as error:
        raise file_error(path, "a whole gzip stream", "one that is cut short", FETCH_AGAIN) from error
    except (OSError, zlib.error) as error:
        raise file_error(path, "an intact gzip stream", str(error), FETCH_AGAIN) from error
    except MemoryError as error:
        raise file_error(path, "a file that fits into memory", "a larger one", "Free some memory.") from error


def parse_idx(content: bytes, path: str | os.PathLike[str]) -> NDArray[Any]:
    """Interpret the (decompressed) bytes of an IDX file.

    Parameters
    ----------
    content
        The bytes.
    path
        The file they come from, for error messages.

    Returns
    -------
    ndarray
        A read-only view of ``content``, in the file's byte order.

    Raises
    ------
    DataError
        If the bytes are not exactly one IDX array.
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        found = f"{content[:4].hex(' ') or 'nothing'} at its start"
        raise file_error(path, "an IDX file (00 00, type code, number of axes)", found, "Name an IDX file.")
    code, axes = content[2], content[3]
    if code not in DTYPES:
        known = ", ".join(f"0x{known:02X} {dtype}" for known, dtype in DTYPES.items())
        raise file_error(path, f"a type code among {known}", f"0x{code:02X}", FETCH_AGAIN)
    dtype = DTYPES[code].newbyteorder(">")

    start = 4 + 4 * axes
    if len(content) < start:
        raise file_error(path, f"a header of {start} bytes for {axes} axes", f"{len(content)} bytes", FETCH_AGAIN)
    shape = struct.unpack_from(f">{axes}I", content, offset=4)
    size = start + math.prod(shape) * dtype.itemsize
    if len(content) != size:
        verdict = "truncated" if len(content) < size else "with trailing bytes"
        expected = f"{size} bytes for shape {shape} of {DTYPES[code]}"
        raise file_error(path, expected, f"{len(content)} ({verdict})", FETCH_AGAIN)
    try:
        return np.ndarray(shape, dtype, buffer=content, offset=start)
    except ValueError as error:  # more than 64 axes, or huge axes beside an empty one
        raise file_error(path, "a shape that NumPy can hold", f"{shape} ({error})", FETCH_AGAIN) from error


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array as an IDX file, gzipped if the name ends in ``.gz``.

    The file appears whole or not at all; after a failure the old file is still there.
    Equal arrays give equal bytes.

    Parameters
    ----------
    path
        The file, replaced if it exists.
    array
        An array of any shape, with dtype uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    TypeError
        If IDX has no code for the array's dtype.

    Examples
    --------
    >>> tg.data.write_idx("images", np.zeros((2, 28, 28), np.uint8))
    >>> tg.data.read_idx("images").shape
    (2, 28, 28)
    """
    path, array = as_path(path), np.asarray(array)
    dtype = array.dtype.newbyteorder("=")
    if dtype not in CODES:
        supported = ", ".join(map(str, CODES))
        raise TypeError(
            f"IDX files hold {supported}, not {array.dtype}: convert first, as in array.astype(np.float32)."
        )
    header = struct.pack(f">2x2B{array.ndim}I", CODES[dtype], array.ndim, *array.shape)
    content = header + array.astype(dtype.newbyteorder(">"), copy=False).tobytes()
    # zlib writes 0 as the time stamp of the gzip header, so the bytes depend only on the array.
    write_atomically(path, zlib.compress(content, wbits=GZIP_WBITS) if path.suffix == ".gz" else content)
