"""Photographs of handwritten digits, made into pictures as MNIST has them.

A photograph has paper of any shade, unevenly lit, and a digit of any size somewhere on it, darker or lighter than the
paper. In MNIST a digit is bright on black, fits a box of 20×20 pixels and has its centre of mass in the middle of
28×28. The way from the one to the other: estimate the paper as it would look without ink, take how far each pixel
departs from it, split ink from paper by Otsu's threshold, keep the heaviest connected stroke and what is near it,
and average that down into the box, so that edges stay grey.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..support.files import file_error
from .frame import BOX, centred
from .idx import MAX_BYTES, parse_idx, read_content
from .splits import SIDE, rows_in_unit_interval

if TYPE_CHECKING:
    from PIL.Image import Image

IDX_MAGIC = b"\0\0"
# The formats that are read, by Pillow's names. It knows others by their content too, among them PostScript, which is a
# program that it would have run.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: Recommendation ITU-R BT.601

LIBTIFF = "libtiff"  # a decoder of Pillow's that writes to the terminal what it finds damaged

READ_SIDE = 1024  # pixels: the longer side of a picture is read as less than twice this many
WORKING_SIDE = 128  # pixels: the longer side of the pictures that are worked on
COARSE_SIDE = 21  # pixels: the same, where ink is told from paper
# Parts of the longer side of the picture.
COARSE_WINDOW = 2 / 3  # of the median
PEN = 1 / 3  # wider than any stroke
LEAST_DIGIT = 1 / 20
# Parts of the digit.
NEAR = 0.2  # of its longer side: a gap that a stroke may leave
SPECK = 0.02  # of its ink: a part with less is dirt

BLUR = 2  # pixels: how far a stroke's edge may be blurred
EDGE = 0.25  # the least ink of a pixel that the box has to hold
DARKEST = 0.25  # added to the brightness of the paper, by which that of ink is divided: in deep shadow all is noise
FAINTEST = 0.04  # departure of ink from the paper: less is but the rounding of bytes
STANDS_OUT = 5.0  # standard deviations of the paper, by which ink departs from it

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


# What Pillow logs of a strange file would reach the user where nothing else handles it; the error says enough.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def read_images(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Floats:
    """Read pictures of digits from a file, and make them such as MNIST has.

    Parameters
    ----------
    path : path-like
        A photograph or drawing of one digit, in grey or colour, with or without transparency: PNG, JPEG, BMP, GIF,
        WebP or TIFF, which is seen from the content. Of several pictures in one, the first is read; one that is
        stored turned is read as it is stored. The digit is darker or lighter than its surroundings, which show all
        around it. Or an IDX file of bytes of shape (n, rows, columns), plain or gzipped: images of 28×28 are taken as
        they are, others as photographs.
    max_bytes : int, optional
        The most that the file may hold, decompressed if it is gzipped. How many pixels a picture may have is Pillow's
        to say: twice ``PIL.Image.MAX_IMAGE_PIXELS``, 179 million where no one has changed that.

    Returns
    -------
    ndarray
        float32 in [0, 1] of shape (n, 784), 0 the background and 1 the ink; n is 1 for a photograph.

    Raises
    ------
    DataError
        If the file is missing, damaged, too large or none of these, or no digit stands out in a picture.
    """
    content = read_content(path, max_bytes)
    if not content.startswith(IDX_MAGIC):
        return _prepared([_decoded(content, path)], [os.fspath(path)])
    images = parse_idx(content, path)
    if images.ndim != 3 or images.dtype != np.uint8 or not images.size:
        found = f"{images.dtype.newbyteorder('=')} of shape {images.shape}"
        raise file_error(path, "bytes of shape (n, rows, columns)", found, "Name a file of images, not of labels.")
    if images.shape[1:] == (SIDE, SIDE):
        return rows_in_unit_interval(images)
    from PIL import Image

    pictures = (_grey(Image.fromarray(image)) for image in images)
    return _prepared(pictures, [f"{path}, image {i}" for i in range(len(images))])


def _decoded(content: bytes, path: str | os.PathLike[str]) -> Floats:
    from PIL import Image

    expected, found = f"a picture ({', '.join(FORMATS)}) or an IDX file", "a larger one"
    remedy = "Save the picture as a PNG file."
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if all(decoder != LIBTIFF for decoder, *_ in picture.tile):
                picture.draft(None, (READ_SIDE, READ_SIDE))  # a JPEG is made smaller as it is decoded
                return _grey(picture)
        expected, found = "a TIFF file without compression", "one that is compressed"
    except Image.DecompressionBombError:
        expected = f"a picture of at most {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
        remedy = "Save it smaller, or set PIL.Image.MAX_IMAGE_PIXELS to half of what it has."
    except MemoryError:
        expected, remedy = "a picture that fits into memory", "Save it smaller."
    except Exception:  # damage shows as errors of many kinds
        found = f"something else or a damaged one, which begins with {content[:4].hex(' ') or 'nothing'}"
    raise file_error(path, expected, found, remedy)


def _grey(picture: Image) -> Floats:
    """Return the brightness, in [0, 1], of a picture, which is made smaller if it is large."""
    mode = picture.mode
    if mode.startswith(("I", "F")):  # grey, in more than 8 bits
        simple = mode[0]
    elif mode.upper().endswith("A") or "transparency" in picture.info:
        simple = "RGBA"
    else:
        simple = "L" if mode in ("1", "L") else "RGB"
    if mode != simple:
        picture = picture.convert(simple)
    if (factor := max(picture.size) // READ_SIDE) > 1:
        picture = picture.reduce(factor)
    numbers = np.asarray(picture, np.float64)
    low, high = (numbers.min(), numbers.max()) if mode in ("I", "F") else (0, 65535 if simple == "I" else 255)
    with np.errstate(all="ignore"):
        levels: Floats = ((numbers - low) / (high - low)).astype(np.float32)
    levels = np.nan_to_num(levels, posinf=0, neginf=0)  # where there is no range there is no digit either
    if levels.ndim == 2:
        return levels
    grey: Floats = levels[..., :3] @ np.array(LUMINANCE, np.float32)
    if levels.shape[-1] == 4:
        opacity = levels[..., 3]
        # What shows through is such that the drawing stands out: white behind a dark one, black behind a bright one.
        dark = (grey * opacity).sum() < opacity.sum() / 2
        grey = grey * opacity + dark * (1 - opacity)
    return grey


def _prepared(pictures: Iterable[Floats], names: list[str]) -> Floats:
    boxes = np.zeros((len(names), BOX, BOX), np.uint8)
    for i, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        ink = _digit(picture) if picture.size > 1 else None
        if ink is None:
            remedy = "Show one digit, well lit, with a margin on all sides."
            raise file_error(name, "a digit that stands out from its background", "none", remedy)
        boxes[i] = np.rint(255 * _boxed(ink))
    return rows_in_unit_interval(centred(boxes))


def _digit(picture: Floats) -> Floats | None:
    """Return how much ink each pixel of the picture, made smaller, has of the digit: 0 to 1; None if there is none."""
    side = max(picture.shape)
    small = _resized(picture, min(side, WORKING_SIDE) / side)
    departure = _departure(small)
    threshold = _otsu(departure)
    inked = departure > threshold
    if not inked.any():
        return None
    paper, ink = np.median(departure[~inked]), np.median(departure[inked])
    if ink - paper < max(STANDS_OUT * departure[~inked].std(), FAINTEST):
        return None
    kept = _strokes(departure * inked)
    if max(map(np.ptp, np.nonzero(kept))) + 1 < LEAST_DIGIT * max(small.shape):
        return None
    # The blurred edge of a stroke lies beside what is kept.
    edged = _extreme(np.pad(kept, BLUR), BLUR, np.max)
    return np.clip((departure - paper) / (ink - paper), 0, 1) * edged


def _departure(picture: Floats) -> Floats:
    """Return by what part each pixel is darker than the paper, or brighter if the ink is bright."""
    coarse = _resized(picture, min(1, COARSE_SIDE / max(picture.shape)))
    residual = coarse - _median(coarse, round(COARSE_WINDOW * max(coarse.shape)))
    # Ink covers less than paper: it is the longer tail. At the border the median is least sure of a shadow's edge.
    inside = np.outer(*map(np.hanning, coarse.shape))
    sign = np.float32(-1 if (residual**3 * inside).sum() < 0 else 1)
    reach = round(PEN * max(picture.shape) / 2)
    # Closing fills what is narrower than its window, and follows the edge of a shadow, which goes on past the border.
    around = np.pad(-sign * picture, 2 * reach, mode="edge")
    paper = -sign * _extreme(_extreme(around, reach, np.max), reach, np.min)
    return sign * (picture - paper) / (paper + np.float32(DARKEST))


def _median(picture: Floats, width: int) -> Floats:
    """Return the median of the square window around each pixel; beyond the border all goes on as it was."""
    reach = width // 2
    around = np.pad(picture, reach, mode="reflect", reflect_type="odd")
    return np.median(sliding_window_view(around, (2 * reach + 1, 2 * reach + 1)), axis=(-2, -1))


def _extreme(picture: NDArray[Any], reach: int, which: Any) -> NDArray[Any]:
    """Return the least or the greatest (``np.min`` or ``np.max``) of each square window, which reaches so far around.

    The picture gets smaller by the reach on all sides.
    """
    for axis in range(2):
        picture = which(sliding_window_view(picture, 2 * reach + 1, axis), axis=-1)
    return picture


def _otsu(values: Floats) -> float:
    """Return the threshold that splits values into two classes with the greatest variance between them.

    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
    Cybernetics 9 (1), 1979.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    count = np.arange(1, ordered.size)
    below = np.cumsum(ordered)[:-1]
    between = (below - count * ordered.mean()) ** 2 / (count * (ordered.size - count))
    return float(ordered[between.argmax()])


def _strokes(ink: Floats) -> Flags:
    """Return the pixels of the digit: the heaviest piece of ink and what is near it, off the border if it can be."""
    pieces = _pieces(ink > 0)
    height, width = ink.shape
    inner = [piece for piece in pieces if piece.min() > 0 and (piece.max(axis=1) < (height - 1, width - 1)).all()]
    pieces = inner or pieces
    mass = [ink[*piece].sum() for piece in pieces]
    heaviest = pieces[np.argmax(mass)]
    low, high = heaviest.min(axis=1), heaviest.max(axis=1)
    reach = NEAR * (high - low).max()
    kept = np.zeros(ink.shape, np.bool_)
    for piece, its_mass in zip(pieces, mass, strict=True):
        gap = np.maximum(low - piece.max(axis=1), piece.min(axis=1) - high)
        if its_mass >= SPECK * max(mass) and (gap <= reach).all():
            kept[*piece] = True
    return kept


def _pieces(mask: Flags) -> list[NDArray[np.intp]]:
    """Return the rows and columns, of shape (2, n), of each connected part of a mask."""
    left = set(zip(*map(np.ndarray.tolist, np.nonzero(mask)), strict=True))
    pieces = []
    while left:
        piece = [left.pop()]
        for row, column in piece:  # grows as neighbours are found
            around = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= around
            piece += around
        pieces.append(np.array(piece).T)
    return pieces


def _boxed(ink: Floats) -> Floats:
    """Average a digit down, or up, until it fits the box; one that is narrower stands in its middle."""
    rows, columns = (np.flatnonzero((ink > EDGE).any(axis=axis)) for axis in (1, 0))
    ends = [(its[0], its[-1] + 1) for its in (rows, columns)]
    side = max(end - start for start, end in ends)
    starts = [(start + end - side) / 2 for start, end in ends]
    down, across = (_overlaps(n, start, side, BOX) for n, start in zip(ink.shape, starts, strict=True))
    box: Floats = np.linalg.multi_dot([down, ink, across.T])
    return box / box.max()


def _resized(picture: Floats, scale: float) -> Floats:
    rows, columns = (_overlaps(n, 0, n, max(1, round(n * scale))) for n in picture.shape)
    resized: Floats = np.linalg.multi_dot([rows, picture, columns.T])
    return resized


def _overlaps(n: int, start: float, length: float, parts: int) -> Floats:
    """Return the matrix (parts, n) that averages n pixels over equal parts of a stretch of them.

    Its elements are the share of a part that lies in a pixel: what lies in none counts as zero.
    """
    edges = np.linspace(start, start + length, parts + 1)[:, None]
    pixels = np.arange(n)
    shared = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return (np.maximum(shared, 0) * parts / length).astype(np.float32)
