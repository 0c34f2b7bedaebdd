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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..arrays import raw
from ..support.devices import to_device
from ..support.files import file_error
from .frame import BOX, centred
from .idx import MAX_BYTES, parse_idx, read_content
from .splits import SIDE, rows_in_unit_interval
from .strokes import extreme, grown, marks, mask_of, near_the_first, strokes_in

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
BLUR = 2  # pixels: how far a stroke's edge may be blurred
EDGE = 0.25  # pixels with more ink than this must be inside the box
DARKEST = 0.25  # added to the paper's brightness before dividing by it: otherwise noise in deep shadow looks like ink
FAINTEST = 0.04  # the least departure of ink from paper: a smaller one may be the rounding of bytes
STANDS_OUT = 5.0  # the least departure of ink from paper, in standard deviations of the paper
ONE_SHADE = 0.05  # the standard deviation of brightness below which all that is opaque was drawn with one pen

Floats = NDArray[np.float32]


# Without a handler, Pillow's log messages about a damaged file would be printed; the error message is enough.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def read_images(
    picture: str | bytes | os.PathLike[str] | Any, *, whole: bool = False, max_bytes: int = MAX_BYTES
) -> Floats:
    """Read pictures of digits from a file or an array, and convert them to images like those of MNIST.

    Parameters
    ----------
    picture : path-like, array, or picture of Pillow
        The path of a photograph or drawing of one digit, in grey or colour, with or without transparency. The format
        (PNG, JPEG, BMP, GIF, WebP or TIFF) is recognised by the content. The digit is darker or lighter than its
        surroundings, which must be visible on all sides; a drawing on transparent paper may touch the border. Of a file
        with several pictures, the first is read. Orientation tags are ignored.
        Or an array of shape (height, width), (height, width, 3) or (height, width, 4), of bytes or of fractions from 0
        to 1, or a picture of Pillow: they are read like such a file.
        Or the path of an IDX file of bytes with shape (n, rows, columns), plain or gzipped: images of 28×28 are used
        unchanged, others are treated as photographs.
    whole : bool, optional
        True takes all strokes together, for signs whose parts lie apart, such as 三. By default a digit is looked for:
        what lies far from its strokes is left out, and a picture of two digits is refused.
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
        If the file is missing, damaged, too large or of another format, the array is no picture, or a picture shows no
        clear digit, or several.

    Examples
    --------
    >>> paper = np.full((60, 80), 0.9)
    >>> paper[10:50, 30:35] = 0.1  # a stroke of ink
    >>> image = read_images(paper)
    >>> image.shape
    (1, 784)
    >>> int(image.reshape(28, 28).any(axis=1).sum())  # rows with ink, as in MNIST
    20
    """
    if not isinstance(picture, str | bytes | os.PathLike):
        return _framed([_seen(_as_picture(picture))], ["the picture"], whole)
    name = os.fsdecode(picture)
    content = read_content(name, max_bytes)
    if not content.startswith(IDX_MAGIC):
        return _framed([_decoded(content, name)], [name], whole)
    images = parse_idx(content, name)
    if images.ndim != 3 or images.dtype != np.uint8 or not images.size:
        found = f"{images.dtype.newbyteorder('=')} of shape {images.shape}"
        raise file_error(name, "bytes of shape (n, rows, columns)", found, "Name a file of images, not of labels.")
    if images.shape[1:] == (SIDE, SIDE):
        return rows_in_unit_interval(images)
    return _framed(map(_seen, map(_as_picture, images)), [f"{name}, image {i}" for i in range(len(images))], whole)


def _as_picture(pixels: Any) -> Image:
    """Return an array as a picture of Pillow, after the check that it is one."""
    from PIL import Image

    if isinstance(pixels, Image.Image):
        return pixels
    name, expected = "the picture", "an array of shape (height, width) or (height, width, 3)"
    try:
        array = np.asarray(to_device(raw(pixels), "cpu"))
    except (TypeError, ValueError) as error:
        raise file_error(name, expected, f"{type(pixels).__name__} ({error})", "Give a path or an array.") from None
    found = str(array.shape)
    if array.shape[-1:] == (SIDE * SIDE,) and array.ndim < 3:
        remedy = f"Rows of {SIDE * SIDE} numbers are images already: give them to the net as they are."
        raise file_error(name, expected, found, remedy)
    if array.shape[2:] not in ((), (3,), (4,)) or array.ndim < 2 or not array.size:
        raise file_error(name, expected, found, "Give one picture at a time: its path, or its pixels.")
    if array.dtype.kind in "bf":
        if not ((array >= 0) & (array <= 1)).all():
            found = f"numbers from {array.min():g} to {array.max():g}"
            raise file_error(name, "fractions from 0 to 1", found, "Divide them by the largest level, such as 255.")
        array = np.rint(np.multiply(array, 255, dtype=np.float32)).astype(np.uint8)
    if array.dtype != np.uint8:
        remedy = "Convert levels from 0 to 255 with .astype(np.uint8), or divide by the largest level."
        raise file_error(name, "an array of uint8 or of floats", f"{array.dtype}", remedy)
    return Image.fromarray(np.ascontiguousarray(array))


def _decoded(content: bytes, name: str) -> Seen:
    from PIL import Image

    expected, found = f"a picture ({', '.join(FORMATS)}) or an IDX file", "a larger one"
    remedy = "Save the picture as a PNG file."
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            if all(decoder != LIBTIFF for decoder, *_ in picture.tile):
                picture.draft(None, (READ_SIDE, READ_SIDE))  # reduces a JPEG while it is decoded
                return _seen(picture)
        expected, found = "a TIFF file without compression", "one that is compressed"
    except Image.DecompressionBombError:
        expected = f"a picture of at most {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
        remedy = "Save it smaller, or set PIL.Image.MAX_IMAGE_PIXELS to half its number of pixels."
    except MemoryError:
        expected, remedy = "a picture that fits into memory", "Save it smaller."
    except Exception:  # damage shows as errors of many kinds
        found = f"something else or a damaged one, which begins with {content[:4].hex(' ') or 'nothing'}"
    raise file_error(name, expected, found, remedy)


class Seen(NamedTuple):
    """A picture, reduced to the size in which the digit is looked for.

    Attributes
    ----------
    pixels
        The brightness of a photograph, or the ink of a drawing, from 0 to 1.
    is_drawing
        True if the ink is known, because it is on transparent paper.
    """

    pixels: Floats
    is_drawing: bool = False


def _seen(picture: Image) -> Seen:
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
        levels = np.nan_to_num(levels, posinf=0, neginf=0)  # a picture of one value only: there is no digit
        return Seen(_reduced(levels, WORKING_SIDE))
    grey, opacity = np.moveaxis(np.asarray(picture) / np.float32(255), -1, 0)
    opaque = grey[opacity > 0.5]
    if opacity.min() == 0 and opaque.size and opaque.std() < ONE_SHADE:
        return Seen(_reduced(opacity, WORKING_SIDE), is_drawing=True)
    # Fill transparent parts with a contrasting colour: white behind a dark picture, black behind a bright one.
    is_dark = (grey * opacity).sum() < opacity.sum() / 2
    return Seen(_reduced(grey * opacity + is_dark * (1 - opacity), WORKING_SIDE))


def _framed(pictures: Iterable[Seen], names: list[str], whole: bool) -> Floats:
    boxes = np.zeros((len(names), BOX, BOX), np.uint8)
    for i, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        boxes[i] = np.rint(255 * _boxed(_digit(picture, name, whole)))
    return rows_in_unit_interval(centred(boxes))


def _digit(picture: Seen, name: str, whole: bool) -> Floats:
    """Return the digit's ink in each pixel of the reduced picture, from 0 to 1."""
    ink = picture.pixels if picture.is_drawing else _departure(picture.pixels)
    inked = ink > _otsu(ink)
    shade = ink
    if not picture.is_drawing and inked.any():
        paper, pen = np.median(ink[~inked]), np.median(ink[inked])
        inked &= pen - paper >= max(STANDS_OUT * ink[~inked].std(), FAINTEST)
        shade = np.clip((ink - paper) / (pen - paper), 0, 1)
    strokes = strokes_in(ink * inked, is_cut=not picture.is_drawing)
    kept = mask_of(strokes if whole else near_the_first(strokes), ink.shape)
    if not kept.any() or max(map(np.ptp, np.nonzero(kept))) + 1 < LEAST_DIGIT * max(ink.shape):
        what, remedy = "sign" if whole else "digit", "well lit, with a margin on all sides."
        raise file_error(name, f"a {what} that stands out from its background", "none", f"Show one {what}, {remedy}")
    if not whole and (count := marks(strokes, ink.shape)) > 1:
        found = f"{count} separate marks, each of the height of a digit"
        raise file_error(name, "one digit", found, "Crop the picture to one digit.")
    # The blurred edge of a stroke is below the threshold, so also keep pixels near a stroke.
    return shade * grown(kept, BLUR, BLUR)


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
    paper = -sign * extreme(extreme(around, (reach, reach), np.max), (reach, reach), np.min)
    return sign * (picture - paper) / (paper + np.float32(DARKEST))


def _median(picture: Floats, width: int) -> Floats:
    """Return the median of the square window around each pixel; the picture is reflected at its borders."""
    reach = width // 2
    around = np.pad(picture, reach, mode="reflect", reflect_type="odd")
    return np.median(sliding_window_view(around, (2 * reach + 1, 2 * reach + 1)), axis=(-2, -1))


def _otsu(values: Floats) -> float:
    """Return the threshold that splits values into two classes with the largest variance between them.

    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
    Cybernetics 9 (1), 1979.
    """
    ordered = np.sort(values, axis=None).astype(np.float64)
    count = np.arange(1, ordered.size)
    below = np.cumsum(ordered)[:-1]
    between = (below - count * ordered.mean()) ** 2 / (count * (ordered.size - count))
    return float(ordered[between.argmax() if between.size else 0])


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
