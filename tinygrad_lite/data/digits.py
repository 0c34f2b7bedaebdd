"""Synthetic handwritten digits, for a machine that has neither MNIST nor a network.

    train, valid, test = load_synthetic(seed=0)

A printed digit becomes a handwritten one in three steps. The glyph is thinned to its skeleton, the path a pen
would take. The path is turned, slanted, stretched and bent, differently for every sample. Then a round pen
follows it. The grey level of a pixel depends only on its distance to the path, so each glyph needs one table of
distances, and a sample is drawn by looking up its pixels in the table.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..support.files import read_file, write_atomically
from .cache import cache_folder
from .frame import BOX, centred
from .splits import SIDE, Digits, Split, rows_in_unit_interval

GENERATOR_VERSION = 1  # part of the cache file's name: increase it with every change to the pictures
SIZES = (50_000, 10_000, 10_000)  # train, valid, test

# Listed by name, so that a font added to matplotlib or removed from it cannot silently change the data.
FONTS = (
    *(f"DejaVu{style}" for style in ("Sans", "Sans-Bold", "SansMono", "Serif", "Serif-Bold", "Serif-Italic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *(f"cm{style}10" for style in ("b", "mi", "r", "ss", "ti", "tt")),
)
CELLS = 64  # glyphs are traced on a grid of CELLS × CELLS
MARGIN = 0.25  # how far a glyph's table of distances reaches beyond the unit square around the glyph
PATH_POINTS = 64  # points on the path that give a sample's extent and centre

# A hand: standard deviations; lengths are in units of the digit's longer side.
TURN = 0.15  # radians
SLANT = 0.3  # sideways shift per unit of height
ASPECT = 0.15  # logarithm of the stretch in width, which is also the shrinkage in height
BEND = 0.055  # amplitude of the waves
WAVES = (2.0, 8.0)  # radians per unit length, lowest and highest
# A pen, in pixels.
RADIUS = (0.7, 1.7)  # thinnest and thickest
PRESSURE = 0.02  # standard deviation of the growth of the radius per pixel to the right, and downwards
TREMOR = 0.3  # width of the noise on the distance to the path

CHUNK = 500  # samples drawn at once: enough to amortise NumPy's calls, few enough for the processor's cache
DIGEST_SIZE = hashlib.sha256().digest_size

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]


def load_synthetic(seed: int = 0) -> Digits:
    """Return 70,000 rendered digits, the same ones for the same seed.

    The first call renders them in a few seconds and stores them in `cache_folder` for later calls. If the cache
    cannot be read or written, they are rendered again.

    Parameters
    ----------
    seed
        A non-negative integer. Another seed gives other pictures in another order.

    Returns
    -------
    Digits
        `train` (50,000), `valid` (10,000) and `test` (10,000), each with `images`, float32 in [0, 1] of shape
        (n, 784), and `labels`, uint8 of shape (n,). All ten classes are equally frequent.

    Raises
    ------
    ValueError
        If the seed is negative.

    Examples
    --------
    >>> train, valid, test = tg.data.load_synthetic()  # doctest: +SKIP
    >>> train.images.shape, train.labels[:3]  # doctest: +SKIP
    ((50000, 784), array([1, 6, 1], dtype=uint8))
    """
    if seed < 0:
        raise ValueError(f"load_synthetic: the seed is {seed}, but must be 0 or more")
    path = cache_folder() / f"synthetic-v{GENERATOR_VERSION}-seed{seed}.bin"
    rendered = _read(path)
    if rendered is None:
        rendered = _render(seed, SIZES)
        _write(path, *rendered)
    return _split(*rendered)


def _render(seed: int, sizes: tuple[int, ...]) -> tuple[Bytes, Bytes]:
    """Return labels (n,) and grey levels (n, 784), where the splits of the given sizes follow one another."""
    glyphs = _trace_glyphs()
    labels, images = [], []
    for size, stream in zip(sizes, np.random.SeedSequence(seed).spawn(len(sizes)), strict=True):
        rng = np.random.default_rng(stream)
        own_labels = rng.permutation(np.arange(size) % 10).astype(np.uint8)
        labels.append(own_labels)
        images += [_draw(own_labels[first : first + CHUNK], glyphs, rng) for first in range(0, size, CHUNK)]
    return np.concatenate(labels), np.concatenate(images)


def _split(labels: Bytes, images: Bytes) -> Digits:
    pixels = rows_in_unit_interval(images)
    bounds = np.cumsum((0, *SIZES))
    return Digits(*(Split(pixels[start:end], labels[start:end]) for start, end in pairwise(bounds)))


@dataclass
class _Glyphs:
    """The pen's paths; the path of digit d in font f has the index 10 f + d.

    A path fits the unit square around the origin; y points down, like the rows of a picture.
    """

    points: Floats  # (glyphs, PATH_POINTS, 2): x and y of points spread over the path
    distances: Floats  # (glyphs, CELLS, CELLS): from each cell of a square of side 1 + 2 MARGIN to the path


def _trace_glyphs() -> _Glyphs:
    cells, table = _cell_middles(1), _cell_middles(1 + 2 * MARGIN)
    points, distances = [], []
    for skeleton in _thin(_masks()):
        rows, columns = np.nonzero(skeleton)
        x, y = cells[columns], cells[rows]
        spread = np.linspace(0, len(x) - 1, PATH_POINTS).round().astype(np.intp)
        points.append(np.stack([x[spread], y[spread]], axis=-1))
        squared = np.square(table[:, None, None] - y) + np.square(table[:, None] - x)
        distances.append(np.sqrt(squared.min(axis=-1)))
    return _Glyphs(np.stack(points), np.stack(distances))


def _cell_middles(side: float) -> Floats:
    """Return the midpoints of CELLS equal cells that divide the interval of the given length around 0."""
    return (((np.arange(CELLS) + 0.5) / CELLS - 0.5) * side).astype(np.float32)


def _masks() -> Flags:
    """Return True for each cell of the unit square inside the outline of a glyph: (glyphs, CELLS, CELLS)."""
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path as Outline
    from matplotlib.textpath import TextPath

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    middles = _cell_middles(1)
    cells = np.stack(np.meshgrid(middles, -middles), axis=-1).reshape(-1, 2)
    masks = []
    for font in FONTS:
        face = FontProperties(fname=str(folder / f"{font}.ttf"))
        for digit in "0123456789":
            glyph = TextPath((0, 0), digit, size=CELLS, prop=face)
            corners = glyph.get_extents().get_points()
            centre, side = corners.mean(axis=0), np.ptp(corners, axis=0).max()
            contours = [(np.asarray(contour) - centre) / side for contour in glyph.to_polygons()]
            # A cell has ink if an odd number of contours enclose it: the second contour of a 0 is its hole.
            masks.append(np.logical_xor.reduce([Outline(c).contains_points(cells) for c in contours]))
    return np.reshape(masks, (-1, CELLS, CELLS))


def _thin(masks: Flags) -> Flags:
    """Peel shapes down to lines one cell wide.

    T. Y. Zhang and C. Y. Suen, "A fast parallel algorithm for thinning digital patterns", Communications of
    the ACM 27 (3), 1984. A border cell is removed unless it ends a line or connects two parts of the shape.
    South-east and north-west borders alternate, so that the line ends up in the middle of the stroke.
    """
    clockwise = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]  # from the north
    ink = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    while True:
        before = ink
        for turn in (0, 4):
            around = [np.roll(ink, (-row, -column), axis=(1, 2)) for row, column in clockwise]
            neighbours = np.sum(around, axis=0, dtype=np.int8)
            parts = np.sum([~a & b for a, b in pairwise([*around, around[0]])], axis=0, dtype=np.int8)
            north, east, south, west = (around[(turn + side) % 8] for side in (0, 2, 4, 6))
            border = ~(east & south & (north | west))
            ink = ink & ~((neighbours >= 2) & (neighbours <= 6) & (parts == 1) & border)
        if np.array_equal(ink, before):
            return ink[:, 1:-1, 1:-1]


def _draw(labels: Bytes, glyphs: _Glyphs, rng: np.random.Generator) -> Bytes:
    """Draw each digit with its own random hand and pen; return grey levels of shape (n, 784)."""
    n = len(labels)
    glyph = rng.integers(len(FONTS), size=n) * 10 + labels
    hand = _Hand(n, rng)
    radius = _uniform(rng, n, *RADIUS)
    across, down = _normal(rng, n, PRESSURE), _normal(rng, n, PRESSURE)
    x, y = hand.write(*np.moveaxis(glyphs.points[glyph, None], -1, 0))
    left, top, right, bottom = (end(t, axis=-1, keepdims=True) for end in (np.min, np.max) for t in (x, y))
    # The size of a pixel such that the longer side, plus half a pen's width at either end, spans BOX pixels.
    pixel = np.maximum(right - left, bottom - top) / (BOX - 2 * radius)
    column = np.arange(BOX, dtype=np.float32) - (BOX - 1) / 2
    row = column[:, None]
    x, y = hand.unwrite((left + right) / 2 + pixel * column, (top + bottom) / 2 + pixel * row)

    distance = _look_up(glyphs.distances, glyph, x, y) / pixel
    distance += TREMOR * (rng.random(distance.shape, dtype=np.float32) - 0.5)
    grey = np.clip(radius + across * column + down * row + 0.5 - distance, 0, 1)
    return centred(np.rint(255 * grey).astype(np.uint8)).reshape(n, SIDE * SIDE)


class _Hand:
    """The handwriting of n people: a 2×2 matrix that turns, slants and stretches, followed by a bend.

    The matrix has determinant 1, so it preserves areas, and distances stay right on average. The bend first
    shifts points sideways by a wave in y, then up or down by a wave in the new x. Each shift depends only on the
    coordinate that it leaves unchanged, so subtracting it undoes it.
    """

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        turn, slant, aspect = (_normal(rng, n, spread) for spread in (TURN, SLANT, ASPECT))
        cos: Floats = np.cos(turn)
        sin: Floats = np.sin(turn)
        wide: Floats = np.exp(aspect)
        tall: Floats = np.exp(-aspect)
        self.matrix = cos * wide, -(sin + slant * cos) * tall, sin * wide, (cos - slant * sin) * tall
        self.sideways, self.upright = _wave(n, rng), _wave(n, rng)

    def write(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        a, b, c, d = self.matrix
        x, y = a * x + b * y, c * x + d * y
        x += self.sideways(y)
        y += self.upright(x)
        return x, y

    def unwrite(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        a, b, c, d = self.matrix
        y = y - self.upright(x)
        x = x - self.sideways(y)
        return d * x - b * y, a * y - c * x


def _wave(n: int, rng: np.random.Generator) -> Callable[[Floats], Floats]:
    """Return a sine of random amplitude, length and phase for each of n samples."""
    amplitude, frequency, phase = _normal(rng, n, BEND), _uniform(rng, n, *WAVES), _uniform(rng, n, 0, 2 * np.pi)
    return lambda t: amplitude * np.sin(frequency * t + phase)


def _look_up(tables: Floats, glyph: NDArray[np.intp], x: Floats, y: Floats) -> Floats:
    """Interpolate bilinearly in a glyph's table of distances at points (x, y) of shape (n, rows, columns)."""
    last = CELLS - 1
    # Points beyond the table are background, like its outermost cells: clip to those.
    x, y = (np.clip(t * (CELLS / (1 + 2 * MARGIN)) + last / 2, 0, last - 0.001) for t in (x, y))
    column, row = x.astype(np.int32), y.astype(np.int32)
    right: Floats = np.subtract(x, column, dtype=np.float32)
    lower: Floats = np.subtract(y, row, dtype=np.float32)
    corner = (glyph[:, None, None] * CELLS + row) * CELLS + column
    flat = tables.reshape(-1)
    west: Floats = flat[corner] * (1 - lower) + flat[corner + CELLS] * lower
    east: Floats = flat[corner + 1] * (1 - lower) + flat[corner + CELLS + 1] * lower
    return west * (1 - right) + east * right


def _normal(rng: np.random.Generator, n: int, spread: float) -> Floats:
    """Return normal deviates with mean 0, of shape (n, 1, 1): one for each picture."""
    return spread * rng.standard_normal((n, 1, 1), dtype=np.float32)


def _uniform(rng: np.random.Generator, n: int, low: float, high: float) -> Floats:
    """Return uniform numbers between low and high, of shape (n, 1, 1): one for each picture."""
    return low + (high - low) * rng.random((n, 1, 1), dtype=np.float32)


def _read(path: Path) -> tuple[Bytes, Bytes] | None:
    """Return labels and grey levels from a cache file, or None if it is missing, unreadable or damaged."""
    n = sum(SIZES)
    try:
        stored = memoryview(read_file(path, DIGEST_SIZE + n + n * SIDE * SIDE))
    except DataError:
        return None
    digest, content = stored[:DIGEST_SIZE], stored[DIGEST_SIZE:]
    if len(content) != n + n * SIDE * SIDE or hashlib.sha256(content).digest() != digest:
        return None
    labels, images = np.split(np.frombuffer(content, np.uint8), [n])
    return labels.copy(), images.reshape(n, SIDE * SIDE)


def _write(path: Path, labels: Bytes, images: Bytes) -> None:
    """Store the SHA-256 of labels and grey levels, then both; ignore a disk that cannot be written."""
    content = labels.tobytes() + images.tobytes()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, hashlib.sha256(content).digest() + content)
