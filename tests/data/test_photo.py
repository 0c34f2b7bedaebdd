"""Photographs become pictures as MNIST has them: whatever the file, the paper, the light and the place of the digit;
what has no digit is refused in one line; and a net reads photographed test digits nearly as well as the originals.
"""

from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygrad_lite import Tensor
from tinygrad_lite.data import load_mnist, write_idx
from tinygrad_lite.data.photo import read_images
from tinygrad_lite.errors import DataError

SEVEN = [(0.2, 0.1), (0.8, 0.1), (0.45, 0.9)]
ONE = [(0.5, 0.1), (0.5, 0.9)]


def drawn(path=SEVEN, height=240, side=160, top=50, left=90, width=320, pen=0.09) -> np.ndarray:
    """Return the ink, 0 to 1, of strokes from corner to corner of a path in a square, somewhere on paper."""
    y, x = np.mgrid[:height, :width] + 0.5
    distances = []
    for (x0, y0), (x1, y1) in pairwise(path):
        ax, ay, bx, by = left + x0 * side, top + y0 * side, (x1 - x0) * side, (y1 - y0) * side
        along = np.clip(((x - ax) * bx + (y - ay) * by) / (bx**2 + by**2), 0, 1)
        distances.append(np.hypot(x - ax - along * bx, y - ay - along * by))
    return np.clip(pen * side / 2 + 0.5 - np.min(distances, axis=0), 0, 1)


def on_paper(ink: np.ndarray, paper: float = 0.9, pen: float = 0.2) -> np.ndarray:
    return paper + (pen - paper) * ink


def write_png(path: Path, picture: np.ndarray, bits: int = 8) -> Path:
    """Write brightness in [0, 1], of shape (rows, columns) or (rows, columns, 2 to 4), as the format says."""
    picture = np.atleast_3d(picture)
    rows, columns, channels = picture.shape
    numbers = np.rint(np.clip(picture, 0, 1) * (2**bits - 1)).astype(f">u{bits // 8}").reshape(rows, -1)
    lines = b"".join(b"\0" + line.tobytes() for line in numbers)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">2I5B", columns, rows, bits, kind, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a picture, reads it, and gives it back as 28×28."""

    def through_a_file(picture: np.ndarray, bits: int = 8) -> np.ndarray:
        images = read_images(write_png(tmp_path / "digit.png", picture, bits))
        assert images.shape == (1, 784)
        assert images.dtype == np.float32
        return images.reshape(28, 28)

    return through_a_file


def extent(image: np.ndarray) -> tuple[int, int]:
    """Return height and width of what is not black."""
    return tuple(int(np.ptp(np.flatnonzero((image > 0).any(axis=axis)))) + 1 for axis in (1, 0))


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures are the same, but for noise and the rounding of the place to a pixel."""
    shifted = [np.roll(one, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return min(np.sqrt(np.square(s - other).mean()) for s in shifted) < 0.06


def test_the_digit_is_framed_as_mnist_does(read):
    image = read(on_paper(drawn()))
    assert image.min() == 0
    assert image.max() == 1
    height, width = extent(image)
    assert height == 20
    assert width < 20
    for axis in (0, 1):
        profile = image.sum(axis=axis)
        assert abs(profile @ np.arange(28) / profile.sum() - 14) <= 0.51
    grey = (image > 0.05) & (image < 0.95)
    assert 0.2 < grey.sum() / (image > 0.05).sum() < 0.8
    assert image[8:10, 8:18].max(axis=0).min() > 0.9  # the bar of the 7, upright, where its mass puts it


def test_the_aspect_is_kept(read):
    height, width = extent(read(on_paper(drawn(ONE))))
    assert height == 20
    assert width <= 4


def test_other_digits_are_not_alike(read):
    assert not alike(read(on_paper(drawn())), read(on_paper(drawn(ONE))))


@pytest.mark.parametrize("place", [(0, 0), (70, 150), (70, 10)])
@pytest.mark.parametrize("side", [60, 160])
def test_neither_place_nor_size_matters(read, place, side):
    reference = read(on_paper(drawn()))
    assert alike(read(on_paper(drawn(side=side, top=place[0], left=place[1]))), reference)


@pytest.mark.parametrize("scale", [0.15, 8])
def test_small_and_large_pictures_are_read(read, scale):
    numbers = {"height": 240, "side": 160, "top": 50, "left": 90, "width": 320}
    ink = drawn(**{name: round(n * scale) for name, n in numbers.items()})
    assert alike(read(on_paper(ink)), read(on_paper(drawn())))


FLAT = on_paper(drawn())
SHEER = np.ones(FLAT.shape)
KINDS = {
    "grey in 16 bits": (FLAT, 16),
    "colour": (FLAT[..., None] * [1, 0.9, 0.8], 8),
    "colour in 16 bits": (FLAT[..., None] * [1, 0.9, 0.8], 16),
    "blue ink": (1 - drawn()[..., None] * [0.8, 0.7, 0.2], 8),
    "opaque": (np.dstack([FLAT, FLAT, FLAT, SHEER]), 8),
    "dark on nothing": (np.dstack([0 * SHEER, 0 * SHEER, 0 * SHEER, drawn()]), 8),
    "bright on nothing": (np.dstack([SHEER, SHEER, SHEER, drawn()]), 8),
    "grey on nothing": (np.dstack([0 * SHEER, drawn()]), 8),
}


@pytest.mark.parametrize(("picture", "bits"), KINDS.values(), ids=KINDS)
def test_every_kind_of_png_is_read(read, picture, bits):
    assert alike(read(picture, bits), read(FLAT))


def test_a_jpeg_is_read(read, tmp_path):
    from matplotlib.image import imsave

    imsave(tmp_path / "digit.jpg", FLAT, cmap="gray", vmin=0, vmax=1)
    assert alike(read_images(tmp_path / "digit.jpg").reshape(28, 28), read(FLAT))


def saved(path: Path, mode: str = "L", picture: np.ndarray = FLAT, **options) -> Path:
    scale, dtype = {"I;16": (65535, "u2"), "I": (1e5, "i4"), "F": (1e5, "f4")}.get(mode, (255, "u1"))
    grey = Image.fromarray((scale * picture).astype(dtype))
    (grey if grey.mode == mode else grey.convert("RGB").convert(mode)).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        *(("png", mode) for mode in ("1", "P", "I;16")),
        *(("jpg", mode) for mode in ("RGB", "CMYK")),
        *(("tiff", mode) for mode in ("L", "RGB", "CMYK", "I;16", "I", "F")),
        *((suffix, "RGB") for suffix in ("bmp", "gif", "webp")),
    ],
)
def test_every_format_is_read_whatever_its_name(read, tmp_path, suffix, mode):
    path = saved(tmp_path / f"digit.{suffix}", mode).rename(tmp_path / "digit")
    assert alike(read_images(path).reshape(28, 28), read(FLAT))


@pytest.mark.parametrize("suffix", ["gif", "tiff", "webp", "png"])
def test_of_several_pictures_the_first_is_read(read, tmp_path, suffix):
    others = [Image.fromarray(np.rint(255 * on_paper(drawn(ONE))).astype(np.uint8))] * 2
    path = saved(tmp_path / f"digit.{suffix}", save_all=True, append_images=others)
    assert alike(read_images(path).reshape(28, 28), read(FLAT))


def test_a_picture_that_is_a_program_is_not_run(tmp_path, monkeypatch):
    program, mark, path = tmp_path / "gs", tmp_path / "was run", tmp_path / "digit.png"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n")
    assert "which begins with 25 21 50 53" in refused(path)
    assert not mark.exists()
    with Image.open(path) as picture, suppress(OSError):
        picture.load()
    assert mark.exists() or os.name == "nt", "the picture is as dangerous as it is meant to be"


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif"])
def test_a_very_large_picture_is_read_reduced(read, tmp_path, suffix):
    large = Image.fromarray(np.rint(255 * FLAT).astype(np.uint8)).resize((4800, 3600))
    large.save(tmp_path / f"digit.{suffix}")
    tracemalloc.start()
    image = read_images(tmp_path / f"digit.{suffix}").reshape(28, 28)
    assert tracemalloc.get_traced_memory()[1] < 4 * 4800 * 3600, "as numbers it would take more"
    tracemalloc.stop()
    assert alike(image, read(FLAT))


def test_the_number_of_pixels_is_looked_at_before_they_are_decoded(tmp_path, monkeypatch):
    path = saved(tmp_path / "digit.png")
    count = FLAT.size
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", count // 2 + 1)
    read_images(path)  # Pillow warns
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", count // 2 - 1)
    assert f"a picture of at most {count - 2:,} pixels, found a larger one. Save it smaller, or set" in refused(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    read_images(path)


Y, X = np.mgrid[:240, :320] / 240
NOISE = np.random.default_rng(0).normal(0, 0.05, FLAT.shape)
LINES = 1 - 0.15 * (np.arange(240) % 30 < 2)[:, None]
CARPET = np.where((X < 0.1) | (Y > 0.95), 0.3, 1)
SPECKS = np.where(np.hypot(X - 1.2, Y - 0.15) < 0.03, 0.2, 1) * np.where(np.hypot(X - 0.1, Y - 0.8) < 0.02, 0.2, 1)
SCENES = {
    "bright on dark": on_paper(drawn(), 0.1, 0.8),
    "faint": on_paper(drawn(), 0.6, 0.5),
    "lit from a side": FLAT * (1 - 0.7 * X / X.max()),
    "bright on dark, lit from a side": on_paper(drawn(), 0.1, 0.9) * (1 - 0.5 * X / X.max()),
    "a shadow": FLAT * np.where(Y > 0.45 + 0.1 * X, 0.5, 1),
    "a slanted shadow": FLAT * np.where(X + Y > 1.2, 0.5, 1),
    "noise": FLAT + NOISE,
    "ruled paper": FLAT * LINES,
    "the table beside the paper": FLAT * CARPET,
    "a bold line across the paper": FLAT * np.where(abs(X - 0.2) < 0.03, 0.2, 1),
    "specks": FLAT * SPECKS,
    "a speck near by": FLAT * np.where(np.hypot(X - 0.7, Y - 0.92) < 0.013, 0.2, 1),
    "all at once": FLAT * (1 - 0.4 * X / X.max()) * np.where(X + Y > 1.2, 0.6, 1) * LINES * SPECKS + NOISE / 2,
}


@pytest.mark.parametrize("picture", SCENES.values(), ids=SCENES)
def test_paper_light_and_dirt_do_not_matter(read, picture):
    image = read(picture)
    assert alike(image, read(FLAT))
    assert (image == 0).mean() > 0.7  # black, not nearly so


def test_a_hard_shadow_that_is_larger_than_the_digit_is_not_taken_for_ink(read):
    picture = on_paper(drawn(side=90, top=80, left=110, pen=0.06), 0.9, 0.25)
    shadow = np.where(np.cos(0.4) * (X - 0.66) + np.sin(0.4) * (Y - 0.5) > -0.1, 0.5, 1)
    assert alike(read(picture * shadow), read(picture))


def test_a_part_that_lies_near_belongs_to_the_digit(read):
    gap, whole = drawn(), drawn()
    gap[50 + 80 : 50 + 90] = 0
    assert extent(read(on_paper(gap)))[0] == extent(read(on_paper(whole)))[0] == 20
    assert alike(np.where(read(on_paper(gap)) > 0, read(on_paper(whole)), 0), read(on_paper(gap)))


def test_the_bar_of_a_five_that_lies_apart_belongs_to_it(read):
    body, bar = [(0.3, 0.1), (0.3, 0.45), (0.7, 0.5), (0.7, 0.85), (0.25, 0.9)], [(0.4, 0.1), (0.8, 0.1)]
    for gap in (0, 0.04, 0.08, 0.12, 0.16):
        ink = np.maximum(drawn([(x, y + gap) for x, y in body]), drawn([(x + gap, y) for x, y in bar]))
        assert (read(on_paper(ink))[4:8] > 0.5).sum() > 10


def beside(gap: int, one=SEVEN, other=ONE, down: int = 0, side: int = 100) -> np.ndarray:
    """Return the ink of two digits, with a gap between them."""
    first, second = (drawn(path, 160 + down, side, 20, 20, 160) for path in (one, other))
    first, second = (ink[:, np.flatnonzero(ink.any(axis=0))] for ink in (first, np.roll(second, down, 0)))
    return np.pad(np.hstack([first, np.zeros((len(first), gap)), second]), ((0, 0), (40, 40)))


@pytest.mark.parametrize("gap", [6, 10, 20, 50, 120])
@pytest.mark.parametrize("down", [0, 30])
def test_two_digits_are_not_read_as_one(tmp_path, gap, down):
    for ink in (beside(gap, down=down), beside(gap, ONE, ONE, down), np.rot90(beside(max(gap, 30), SEVEN, SEVEN))):
        path = write_png(tmp_path / "digits.png", on_paper(ink))
        said = (
            "expected one digit, found 2 separate marks, each of the height of a digit. Crop the picture to one digit."
        )
        assert said in refused(path)
        assert read_images(path, whole=True).any()


def test_of_a_sign_all_strokes_are_kept(read, tmp_path):
    bars = np.zeros((200, 200))
    for row in (40, 100, 160):
        bars[row : row + 9, 50:150] = 1
    assert "found 3 separate marks" in refused(write_png(tmp_path / "three.png", on_paper(bars)))
    image = read_images(on_paper(bars), whole=True).reshape(28, 28)
    assert len(np.flatnonzero(np.diff((image > 0.5).any(axis=1).astype(int)) == 1)) == 3


def test_a_drawing_on_nothing_is_its_opacity(read):
    ink = drawn()
    for shade in (0, 0.5, 1):
        drawing = np.dstack([*[np.full(ink.shape, shade)] * 3, ink])
        np.testing.assert_array_equal(read(drawing), read(np.dstack([0 * ink, ink])))
    # Along the border, too, where a photograph would show the table beside the paper.
    box = np.zeros((100, 100))
    box[:10] = box[-10:] = box[:, :10] = box[:, -10:] = 1
    assert (read(np.dstack([0 * box, box]))[4:24, 4:24] > 0.5).mean() == pytest.approx((box > 0).mean(), abs=0.02)


ARRAYS = {
    "fractions": lambda: FLAT,
    "float32": lambda: FLAT.astype(np.float32),
    "a Tensor": lambda: Tensor(FLAT),
    "a list": lambda: FLAT.tolist(),
    "bytes": lambda: np.rint(255 * FLAT).astype(np.uint8),
    "bytes in strides": lambda: np.rint(255 * FLAT).astype(np.uint8)[::-1][::-1],
    "colours": lambda: np.dstack([FLAT] * 3),
    "colours and opacity": lambda: np.dstack([FLAT, FLAT, FLAT, SHEER]),
    "truths": lambda: drawn() < 0.5,
    "a picture": lambda: Image.fromarray(np.rint(255 * FLAT).astype(np.uint8)),
    "a picture with a palette": lambda: Image.fromarray(np.rint(255 * FLAT).astype(np.uint8)).convert("P"),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_and_pictures_are_read_like_files(read, array):
    image = read_images(array())
    assert (image.shape, image.dtype) == ((1, 784), np.float32)
    assert alike(image.reshape(28, 28), read(FLAT))


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros((3, 784)), r"found \(3, 784\). Rows of 784 numbers are images already: give them to the net as they"),
        (np.zeros(784), r"found \(784,\). Rows of 784"),
        (np.zeros((5, 28, 28), np.uint8), r"found \(5, 28, 28\). Give one picture at a time"),
        (np.zeros((0, 9)), r"found \(0, 9\)"),
        (7, r"found \(\)"),
        (None, r"found \(\)"),
        ([[1.0, 2.0], [3.0]], r"found list \(.*inhomogeneous.*\). Give a path or an array"),
        (
            255 * FLAT,
            r"expected fractions from 0 to 1, found numbers from 51 to 229.5. Divide them by the largest level",
        ),
        (FLAT - 1, "found numbers from -0.8 to -0.1"),
        (np.full((9, 9), np.nan), "found numbers from nan to nan"),
        (
            np.zeros((9, 9), int),
            r"expected an array of uint8 or of floats, found int64. Convert .* .astype\(np.uint8\)",
        ),
        (0 * FLAT, "the picture: expected a digit that stands out from its background, found none"),
    ],
)
def test_an_array_that_is_no_picture_is_refused(array, complaint):
    with pytest.raises(DataError, match=complaint) as caught:
        read_images(array)
    assert str(caught.value).startswith("the picture: ")
    assert "\n" not in str(caught.value)


def idx(path: Path, images: np.ndarray) -> Path:
    write_idx(path, images)
    return path


@pytest.mark.parametrize("name", ["images.idx", "images.idx.gz"])
def test_idx_images_of_mnists_size_are_taken_as_they_are(tmp_path, name):
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8)
    expected = images.reshape(3, 784) / np.float32(255)
    np.testing.assert_array_equal(read_images(idx(tmp_path / name, images)), expected)


def test_idx_images_of_another_size_are_read_as_photographs(read, tmp_path):
    pictures = [np.rint(255 * on_paper(drawn(path))).astype(np.uint8) for path in (SEVEN, ONE)]
    images = read_images(idx(tmp_path / "images.idx", np.stack(pictures)))
    assert images.shape == (2, 784)
    for image, picture in zip(images, pictures, strict=True):
        np.testing.assert_array_equal(image.reshape(28, 28), read(picture / 255))


BLANK = {
    "one grey": 0 * FLAT + 0.8,
    "black": 0 * FLAT,
    "noise": 0.5 + NOISE,
    "lit from a side": 0.9 - 0.5 * X,
    "a shadow": np.where(X + Y > 1, 0.5, 0.9) + NOISE / 2,
    "a speck": np.where(np.hypot(X - 0.5, Y - 0.5) < 0.02, 0.1, 0.9),
    "noise in a small picture": np.random.default_rng(0).random((12, 12)),
    "one pixel": np.ones((1, 1)),
    "two pixels": np.array([[0.1, 0.9]]),
}


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_images(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("picture", BLANK.values(), ids=BLANK)
def test_a_picture_without_a_digit_is_refused(tmp_path, picture):
    message = refused(write_png(tmp_path / "digit.png", picture))
    assert "expected a digit that stands out from its background, found none. Show one digit" in message


def test_a_blank_image_of_many_is_named(tmp_path):
    images = np.rint(255 * np.stack([FLAT, BLANK["one grey"]])).astype(np.uint8)
    assert "images.idx, image 1: expected a digit" in refused(idx(tmp_path / "images.idx", images))


@pytest.mark.parametrize(
    "array", [np.arange(5, dtype=np.uint8), np.zeros((2, 28, 28), np.float32), np.zeros((0, 28, 28), np.uint8)]
)
def test_an_idx_file_of_anything_but_images_is_refused(tmp_path, array):
    message = refused(idx(tmp_path / "labels.idx", array))
    assert f"expected bytes of shape (n, rows, columns), found {array.dtype} of shape {array.shape}" in message


@pytest.mark.parametrize(
    "damage", [lambda png: b"a letter", lambda png: b"", lambda png: png[:40], lambda png: png[:-200]]
)
def test_what_is_no_picture_or_a_damaged_one_is_refused(tmp_path, damage):
    path = write_png(tmp_path / "digit.png", FLAT)
    path.write_bytes(damage(path.read_bytes()))
    said = "expected a picture (PNG, JPEG, BMP, GIF, TIFF, WEBP) or an IDX file, found something else or a damaged one"
    assert f"{said}, which begins with {path.read_bytes()[:4].hex(' ') or 'nothing'}. Save" in refused(path)


def test_a_compressed_tiff_is_refused_since_its_decoder_writes_to_the_terminal(tmp_path):
    path = saved(tmp_path / "digit.tiff", compression="tiff_lzw")
    assert "expected a TIFF file without compression, found one that is compressed. Save" in refused(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_picture_of_numbers_that_are_none_has_no_digit(tmp_path, value):
    picture = FLAT.copy()
    picture[100] = value
    assert "expected a digit" in refused(saved(tmp_path / "digit.tiff", "F", picture))


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tiff", "bmp", "webp"])
def test_damage_is_refused_without_a_word_of_pillows(tmp_path, capfd, caplog, suffix):
    content = saved(tmp_path / f"digit.{suffix}", picture=FLAT[::4, ::4]).read_bytes()
    rng, path, errors = np.random.default_rng(0), tmp_path / "digit", 0
    for round in range(40):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content) if round % 2 else 100, 4):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(content))] if round % 4 == 0 else damaged)
        try:
            read_images(path)
        except DataError:
            errors += 1
    assert errors > 10
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("name", ["pipe", "link", "/dev/zero"])
def test_what_never_ends_is_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    assert "expected a file, found a device or a pipe, which may never end. Save its content" in refused(
        tmp_path / name
    )


@pytest.mark.parametrize("name", ["absent.png", "."])
def test_what_cannot_be_read_is_refused(tmp_path, name):
    assert "expected a readable file" in refused(tmp_path / name)


def enlarged(image: np.ndarray, factor: int) -> np.ndarray:
    """Return a picture made larger, linearly between the middles of its pixels."""
    middles = (np.arange(factor * len(image)) + 0.5) / factor - 0.5
    weights = np.maximum(0, 1 - np.abs(middles[:, None] - np.arange(len(image))))
    return weights @ image @ weights.T


def thickened(ink: np.ndarray, reach: int) -> np.ndarray:
    for axis in (0, 1):
        ink = np.max([np.roll(ink, step, axis) for step in range(-reach, reach + 1)], axis=0)
    return ink


def photographed(image: np.ndarray, rng: np.random.Generator, largest: int = 20) -> np.ndarray:
    """Return a digit of MNIST's on paper: larger, off the centre, tinted, unevenly lit, noisy, half of them bolder."""
    factor = rng.integers(8, largest + 1)
    digit = enlarged(image, factor)
    if rng.random() < 0.5:
        digit = thickened(digit, round(0.35 * factor))  # 1.3 times as thick as MNIST's 2 to 3 pixels
    height, width = (rng.uniform(1.1, 1.8, 2) * len(digit)).astype(int)
    top, left = rng.integers(0, (height - len(digit) + 1, width - len(digit) + 1))
    ink = np.zeros((height, width))
    ink[top : top + len(digit), left : left + len(digit)] = digit
    bright, dark = rng.uniform(0.7, 0.95), rng.uniform(0.05, 0.3)
    grey = on_paper(ink, bright, dark) if rng.random() < 0.5 else on_paper(ink, dark, bright)
    y, x = np.mgrid[:height, :width] / max(height, width)
    angle = rng.uniform(0, 2 * np.pi)
    slope = x * np.cos(angle) + y * np.sin(angle)
    light = 1 - 0.5 * (slope - slope.min()) / np.ptp(slope)
    picture = (grey * light)[..., None] * rng.uniform(0.85, 1, 3)
    return picture + 0.04 * rng.standard_normal(picture.shape, np.float32)


def pair(one: np.ndarray, other: np.ndarray, gap: int) -> np.ndarray:
    """Return two digits of MNIST's side by side, with so many pixels between their ink."""
    inked = [np.flatnonzero((image > 0.25).any(axis=0)) for image in (one, other)]
    one, other = (image[:, its[0] : its[-1] + 1] for image, its in zip((one, other), inked, strict=True))
    both = np.hstack([one, np.zeros((28, gap)), other])
    side = max(28, both.shape[1] + 8)
    pads = [((side - length) // 2, (side - length + 1) // 2) for length in both.shape]
    return np.pad(both, pads)


def is_refused(picture: np.ndarray) -> bool:
    try:
        read_images(np.clip(picture, 0, 1))
    except DataError as error:
        return "separate marks" in str(error)
    return False


@pytest.mark.skipif("TINYGRAD_LITE_DATA" not in os.environ, reason="TINYGRAD_LITE_DATA names no MNIST")
@pytest.mark.parametrize("count", [4, pytest.param(1000, marks=pytest.mark.whole)])
def test_photographs_of_test_digits_are_read_and_those_of_pairs_are_refused(count):
    rng, images = np.random.default_rng(0), load_mnist().test.images.reshape(-1, 28, 28)
    chosen = images[rng.permutation(len(images))[:count]]
    assert np.mean([is_refused(photographed(image, rng, largest=9)) for image in chosen]) <= 0.002
    for gap in (2, 4, 8, 20):  # 20 pixels are the height of a digit
        some = images[rng.integers(len(images), size=(max(2, count // 10), 2))]
        assert np.mean([is_refused(photographed(pair(*two, gap), rng, largest=9)) for two in some]) >= (
            0.95 if gap > 2 else 0.9
        )


@pytest.mark.whole
@pytest.mark.skipif("TINYGRAD_LITE_DATA" not in os.environ, reason="TINYGRAD_LITE_DATA names no MNIST")
def test_a_net_reads_photographs_of_test_digits_nearly_as_well_as_the_originals(read):
    import tinygrad_lite as tg
    from models import mnist

    data = load_mnist()
    net = mnist.Net(rng=0)
    step = tg.jit(mnist.training_step(net, tg.optim.SGD(net.parameters(), 10**-0.35)))
    targets = tg.nn.functional.one_hot(data.train.labels, 10)
    mnist.train(step, tg.data.Batches(data.train.images, targets, 100))

    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(data.test))[:150]
    originals, labels = data.test.images[chosen], data.test.labels[chosen]
    photographs = np.stack([read(photographed(image.reshape(28, 28), rng)).ravel() for image in originals])
    accuracy = {
        name: float((net(images).numpy().argmax(axis=1) == labels).mean())
        for name, images in (("originals", originals), ("photographs", photographs))
    }
    print(accuracy)
    assert accuracy["originals"] > 0.88
    assert accuracy["photographs"] > accuracy["originals"] - 0.04
