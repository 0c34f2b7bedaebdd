"""IDX files: the bytes are the format's, every array survives the round trip, a bad file is refused
in clear words, and a write that fails leaves nothing behind.
"""

from __future__ import annotations

import errno
import gzip
import os
import re
import struct
import tracemalloc
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.data.idx import DTYPES, parse_idx, read_idx, write_idx
from tinygrad_lite.errors import DataError

KINDS = [(0x08, "B"), (0x09, "b"), (0x0B, "h"), (0x0C, "i"), (0x0D, "f"), (0x0E, "d")]


def idx_bytes(code: int, letter: str, shape: tuple[int, ...], numbers: list[int]) -> bytes:
    """Write the format a second time, with struct alone."""
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)
    return header + struct.pack(f">{len(numbers)}{letter}", *numbers)


@given(
    data=st.data(),
    dtype=st.sampled_from(list(DTYPES.values())),
    order=st.sampled_from("<>"),
    name=st.sampled_from(["a.idx", "a.idx.gz"]),
    transpose=st.booleans(),
)
def test_every_dtype_rank_and_byte_order_survives_the_round_trip(tmp_path_factory, data, dtype, order, name, transpose):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=4))
    array = data.draw(hnp.arrays(dtype.newbyteorder(order), shape))
    if transpose:
        array = array.T
    path = tmp_path_factory.getbasetemp() / name
    write_idx(path, array)
    read = read_idx(path)
    assert read.shape == array.shape
    assert read.dtype == dtype
    assert read.dtype.isnative
    assert read.flags.writeable
    assert read.tobytes() == array.astype(dtype).tobytes()  # bit by bit, so that NaN counts as equal


@pytest.mark.parametrize(("code", "letter"), KINDS)
@pytest.mark.parametrize("shape", [(), (6,), (2, 3), (1, 2, 3)])
def test_the_bytes_are_those_of_the_format(tmp_path, code, letter, shape):
    numbers = list(range(np.prod(shape, dtype=int)))
    content = idx_bytes(code, letter, shape, numbers)
    array = np.array(numbers, dtype=letter).reshape(shape)
    write_idx(tmp_path / "a.idx", array)
    assert (tmp_path / "a.idx").read_bytes() == content
    write_idx(tmp_path / "a.idx.gz", array)
    assert gzip.decompress((tmp_path / "a.idx.gz").read_bytes()) == content
    assert np.array_equal(parse_idx(content, "memory"), array)


def test_gzip_is_recognised_by_content_not_by_name(tmp_path):
    content = idx_bytes(0x08, "B", (3,), [1, 2, 3])
    (tmp_path / "plain.gz").write_bytes(content)
    (tmp_path / "zipped").write_bytes(gzip.compress(content))
    (tmp_path / "twice").write_bytes(gzip.compress(content[:5]) + gzip.compress(content[5:]))
    for name in ("plain.gz", "zipped", "twice"):
        assert read_idx(str(tmp_path / name)).tolist() == [1, 2, 3]


def test_gzipped_bytes_carry_no_time_stamp(tmp_path):
    write_idx(tmp_path / "a.gz", np.arange(5, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4)


def test_lists_of_a_supported_dtype_are_written_too(tmp_path):
    write_idx(tmp_path / "a.idx", [1.5, 2.5])
    assert read_idx(tmp_path / "a.idx").tolist() == [1.5, 2.5]


def test_parsing_copies_nothing():
    content = idx_bytes(0x08, "B", (3,), [1, 2, 3])
    view = parse_idx(content, "memory")
    assert view.base is content
    assert not view.flags.writeable


@pytest.mark.parametrize("dtype", ["int64", "float16", "bool", "complex64", "U3"])
def test_an_unsupported_dtype_is_named_beside_the_supported_ones(tmp_path, dtype):
    with pytest.raises(TypeError) as caught:
        write_idx(tmp_path / "a.idx", np.zeros(2, dtype))
    for name in (str(np.dtype(dtype)), "uint8", "int8", "int16", "int32", "float32", "float64"):
        assert name in str(caught.value)
    assert not list(tmp_path.iterdir())


GOOD = idx_bytes(0x0B, "h", (2, 3), [1, 2, 3, 4, 5, 6])
ZIPPED = gzip.compress(GOOD, mtime=0)
BAD = {
    "empty": (b"", "nothing at its start"),
    "three bytes": (GOOD[:3], "00 00 0b at its start"),
    "wrong magic": (b"\x89PNG", "89 50 4e 47 at its start"),
    "type code": (b"\0\0\x0a\x01" + GOOD[4:], "0x0A"),
    "no shape": (GOOD[:9], "header of 12 bytes for 2 axes, found 9"),
    "truncated": (GOOD[:-1], r"24 bytes for shape \(2, 3\) of int16, found 23 \(truncated\)"),
    "trailing": (GOOD + b"\0", r"found 25 \(with trailing bytes\)"),
    "overflow": (idx_bytes(0x08, "B", (0, 2**32 - 1, 2**32 - 1), []), "NumPy can hold"),
    "65 axes": (idx_bytes(0x08, "B", (1,) * 65, [7]), "NumPy can hold"),
    "gzip crc": (ZIPPED[:-8] + bytes([ZIPPED[-8] ^ 1]) + ZIPPED[-7:], "CRC check failed"),
    "gzip header": (ZIPPED[:2], "cut short"),
    "gzip cut": (ZIPPED[:-9], "cut short"),
    "gzip without checksum": (ZIPPED[:-8], "cut short"),
    "gzip trailing": (ZIPPED + b"more", "Not a gzipped file"),
    "gzipped truncated": (gzip.compress(GOOD[:-1]), "truncated"),
}


@pytest.mark.parametrize(("content", "found"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_in_words_that_teach(tmp_path, content, found):
    path = tmp_path / "bad.idx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=found) as caught:
        read_idx(path)
    assert re.fullmatch(r".*bad\.idx: expected .+, found .+\. .+\.", str(caught.value))


@pytest.mark.parametrize("name", ["absent.idx", "."])
def test_what_cannot_be_read_is_a_data_error(tmp_path, name):
    with pytest.raises(DataError, match="readable file"):
        read_idx(tmp_path / name)


@pytest.mark.parametrize("use", [read_idx, lambda path: write_idx(path, np.uint8(1))])
@pytest.mark.parametrize("name", ["a\0b", b"a\0b", "\ud800"])
def test_what_is_no_path_is_a_data_error(use, name):
    with pytest.raises(DataError, match="is not a path"):
        use(name)


def test_a_path_may_be_of_bytes(tmp_path):
    path = os.fsencode(tmp_path / "a.idx")
    write_idx(path, np.uint8(1))
    assert read_idx(path) == 1


SEVEN = np.full(5000, 7, np.uint8)  # a file of 5,008 bytes


@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
def test_a_file_holds_as_many_bytes_as_the_caller_allows_and_no_more(tmp_path, name):
    write_idx(tmp_path / name, SEVEN)
    assert np.array_equal(read_idx(tmp_path / name, max_bytes=5008), SEVEN)
    with pytest.raises(
        DataError, match=rf"{name}: expected at most 5,007 bytes, found more\. To read.*larger max_bytes"
    ):
        read_idx(tmp_path / name, max_bytes=5007)


def peak(read) -> int:
    """Return how many bytes are in use at once while something is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_would_decompress_to_more_is_not_decompressed(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(50_000_000), 1))
    assert peak(lambda: read_idx(path, max_bytes=1_000_000)) < 5_000_000
    # What is allowed is not reserved before it is there.
    path.write_bytes(gzip.compress(b"no IDX file"))
    assert peak(lambda: read_idx(path)) < 5_000_000


def test_empty_members_of_a_gzip_stream_are_passed_over(tmp_path):
    # 20,000 of them, each copying what comes after it, would be 4 GB.
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"") * 20_000 + ZIPPED)
    assert read_idx(tmp_path / "a.gz").tolist() == [[1, 2, 3], [4, 5, 6]]


def test_nothing_but_a_data_error_comes_of_damage(tmp_path):
    rng, path, whole = np.random.default_rng(0), tmp_path / "a.idx", 0
    for content in (GOOD, ZIPPED):
        for _ in range(200):
            damaged = bytearray(content)
            for position in rng.integers(0, len(content), rng.integers(1, 4)):
                damaged[position] = rng.integers(256)
            path.write_bytes(damaged[: rng.integers(len(content) // 2, len(content) + 1)])
            try:
                read_idx(path)
                whole += 1
            except DataError:
                pass
    assert whole < 100


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.idx"
    write_idx(path, np.uint8(1))

    def fail(*_):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[failing], fail)
    with pytest.raises(OSError, match="disk full"):
        write_idx(path, np.uint8(2))
    assert read_idx(path) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_the_target_name_never_shows_a_part_of_the_file(tmp_path, monkeypatch):
    path, seen = tmp_path / "a.idx", []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (seen.append(path.exists()), real(fd)))
    write_idx(path, np.arange(4, dtype=np.int8))
    assert seen[0] is False
