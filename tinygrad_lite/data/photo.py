"""Photographs of handwritten digits, converted to images like those of MNIST, so that a trained net can read them.

    images = read_images("digit.jpg")  # an array of shape (1, 784)

A photograph shows paper of any shade, unevenly lit, with a digit of any size somewhere on it, darker or lighter than
the paper. In MNIST a digit is bright on black, fits a box of 20×20 pixels, and has its centre of mass in the middle of
28×28 pixels. The conversion estimates the paper as it would look without ink, takes the difference of each pixel from
it, and separates ink from paper by Otsu's threshold. It keeps the heaviest connected stroke with the strokes near it,
and averages them into the box, so that edges stay grey.
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
# The formats allowed, by Pillow's names. By default Pillow also recognises others, such as PostScript: a program, which
# it would have Ghostscript run.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")

LIBTIFF = "libtiff"  # a decoder of Pillow that prints its complaints about damaged files to the terminal

READ_SIDE = 1024  # pixels: larger pictures are reduced until the longer side is below twice this
WORKING_SIDE = 128  # pixels: the longer side of a picture while the digit is searched
COARSE_SIDE = 21  # pixels: the same while it is decided whether ink is dark or bright
# Fractions of the longer side of the picture.
COARSE_WINDOW = 2 / 3  # window of the median
PEN = 1 / 3  # wider than any stroke
LEAST_DIGIT = 1 / 20
# Fractions of the digit.
NEAR = 0.2  # of its longer side: the largest gap between strokes of one digit
SPECK = 0.02  # of the heaviest piece's ink: a piece with less is dirt

BLUR = 2  # pixels: how far a stroke's edge may be blurred
EDGE = 0.25  # pixels with more ink than this must be inside the box
DARKEST = 0.25  # added to the paper's brightness before dividing by it: otherwise noise in deep shadow looks like ink
FAINTEST = 0.04  # the least departure of ink from paper: a smaller one may be the rounding of bytes
STANDS_OUT = 5.0  # the least departure of ink from paper, in standard deviations of the paper

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


# Without a handler, Pillow's log messages about a damaged file would be printed; the error message is enough.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def read_images(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Floats:
    """Read pictures of digits from a file, and convert them to images like those of MNIST.

    Parameters
    ----------
    path : path-like
        A photograph or drawing of one digit, in grey or colour, with or without transparency. The format (PNG, JPEG,
        BMP, GIF, WebP or TIFF) is recognised by the content. The digit is darker or lighter than its surroundings,
        which must be visible on all sides. Of a file with several pictures, the first is read. Orientation tags are
        ignored.
        Or an IDX file of bytes with shape (n, rows, columns), plain or gzipped: images of 28×28 are used unchanged,
        others are treated as photographs.
    max_bytes : int, optional
        The largest size of the file, decompressed if it is gzipped. Pillow limits the number of pixels, to twice
        ``PIL.Image.MAX_IMAGE_PIXELS``, by default 179 million.

    Returns
    -------
    ndarray
        float32 in [0, 1] of shape (n, 784), 0 for background and 1 for ink; n is 1 for a photograph.

    Raises
    ------
    DataError
        If the file is missing, damaged, too large or of another format, or a picture shows no clear digit.
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
                picture.draft(None, (READ_SIDE, READ_SIDE))  # reduces a JPEG while it is decoded
                return _grey(picture)
        expected, found = "a TIFF file without compression", "one that is compressed"
    except Image.DecompressionBombError:
        expected = f"a picture of at most {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
        remedy = "Save it smaller, or set PIL.Image.MAX_IMAGE_PIXELS to half its number of pixels."
    except MemoryError:
        expected, remedy = "a picture that fits into memory", "Save it smaller."
    except Exception:  # damage shows as errors of many kinds
        found = f"something else or a damaged one, which begins with {content[:4].hex(' ') or 'nothing'}"
    raise file_error(path, expected, found, remedy)


def _grey(picture: Image) -> Floats:
    """Return the brightness of a picture, in [0, 1]; a large picture is reduced."""
    mode = picture.mode
    is_deep = mode.startswith(("I", "F"))  # grey, in more than 8 bits
    picture = picture.convert(mode[0]) if is_deep else picture.convert("RGBA").convert("LA")
    if (factor := max(picture.size) // READ_SIDE) > 1:
        picture = picture.reduce(factor)
    if is_deep:
        numbers = np.asarray(picture, np.float64)
        low, high = (numbers.min(), numbers.max()) if mode in ("I", "F") else (0, 65535)
        with np.errstate(all="ignore"):
            levels: Floats = ((numbers - low) / (high - low)).astype(np.float32)
        return np.nan_to_num(levels, posinf=0, neginf=0)  # a picture of one value only: there is no digit
    grey, opacity = np.moveaxis(np.asarray(picture) / np.float32(255), -1, 0)
    # Fill transparent parts with a contrasting colour: white behind a dark drawing, black behind a bright one.
    is_dark = (grey * opacity).sum() < opacity.sum() / 2
    return grey * opacity + is_dark * (1 - opacity)


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
    """Return the digit's ink in each pixel of the reduced picture, from 0 to 1; None if there is no digit."""
    small = _reduced(picture, WORKING_SIDE)
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
    # The blurred edge of a stroke is below the threshold, so also keep pixels near a stroke.
    edged = _extreme(np.pad(kept, BLUR), BLUR, np.max)
    return np.clip((departure - paper) / (ink - paper), 0, 1) * edged


def _departure(picture: Floats) -> Floats:
    """Return how much darker each pixel is than the paper, relative to it; for bright ink, how much brighter."""
    coarse = _reduced(picture, COARSE_SIDE)
    residual = coarse - _median(coarse, round(COARSE_WINDOW * max(coarse.shape)))
    # Ink covers less area than paper, so it is the longer tail of the residuals: the sign of their third moment tells
    # dark from bright. The border gets a low weight, since the median is least reliable there.
    inside = np.outer(*map(np.hanning, coarse.shape))
    sign = np.float32(-1 if (residual**3 * inside).sum() < 0 else 1)
    reach = round(PEN * max(picture.shape) / 2)
    # A morphological closing fills strokes, which are narrower than its window, but follows the edge of a shadow.
    around = np.pad(-sign * picture, 2 * reach, mode="edge")
    paper = -sign * _extreme(_extreme(around, reach, np.max), reach, np.min)
    return sign * (picture - paper) / (paper + np.float32(DARKEST))


def _median(picture: Floats, width: int) -> Floats:
    """Return the median of the square window around each pixel; the picture is reflected at its borders."""
    reach = width // 2
    around = np.pad(picture, reach, mode="reflect", reflect_type="odd")
    return np.median(sliding_window_view(around, (2 * reach + 1, 2 * reach + 1)), axis=(-2, -1))


def _extreme(picture: NDArray[Any], reach: int, which: Any) -> NDArray[Any]:
    """Return the minimum or maximum (``np.min`` or ``np.max``) in the square window of this reach around each pixel.

    The result is smaller than the picture by the reach on each side.
    """
    for axis in range(2):
        picture = which(sliding_window_view(picture, 2 * reach + 1, axis), axis=-1)
    return picture


def _otsu(values: Floats) -> float:
    """Return the threshold that splits values into two classes with the largest variance between them.

    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
    Cybernetics 9 (1), 1979.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    count = np.arange(1, ordered.size)
    below = np.cumsum(ordered)[:-1]
    between = (below - count * ordered.mean()) ** 2 / (count * (ordered.size - count))
    return float(ordered[between.argmax()])


def _strokes(ink: Floats) -> Flags:
    """Return the pixels of the digit: the heaviest piece of ink and pieces near it; not at the border, if possible."""
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
    """Return the rows and columns, of shape (2, n), of each connected component of a mask."""
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
    """Scale a digit to fit the box, by averaging; its shorter side is centred."""
    rows, columns = (np.flatnonzero((ink > EDGE).any(axis=axis)) for axis in (1, 0))
    ends = [(its[0], its[-1] + 1) for its in (rows, columns)]
    side = max(end - start for start, end in ends)
    starts = [(start + end - side) / 2 for start, end in ends]
    down, across = (_overlaps(n, start, side, BOX) for n, start in zip(ink.shape, starts, strict=True))
    box = np.linalg.multi_dot([down, ink, across.T])
    return box / box.max()


def _reduced(picture: Floats, side: int) -> Floats:
    """Average the pixels of a picture so that no side is longer than the given one."""
    scale = min(1, side / max(picture.shape))
    rows, columns = (_overlaps(n, 0, n, max(1, round(n * scale))) for n in picture.shape)
    return np.linalg.multi_dot([rows, picture, columns.T])


def _overlaps(n: int, start: float, length: float, parts: int) -> Floats:
    """Return the matrix (parts, n) that averages n pixels over equal parts of an interval.

    Each element is the fraction of a part that lies in a pixel. Beyond the pixels the picture counts as zero.
    """
    edges = np.linspace(start, start + length, parts + 1)[:, None]
    pixels = np.arange(n)
    shared = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return (np.maximum(shared, 0) * parts / length).astype(np.float32)
