"""Digits of MNIST as the strokes of a pen."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_lite.data.digits import _thin

FINER = 4  # the picture is made finer by this factor before its strokes are peeled down to lines


def strokes_of(image: Any) -> list[list[tuple[float, float]]]:
    """Return the lines along the strokes of a picture (784,): lists of points (x, y), in units of the picture."""
    picture = image.reshape(28, 28)
    at = np.arange(28 * FINER) / FINER
    rows = np.array([np.interp(at, np.arange(28), row) for row in picture])
    fine = np.array([np.interp(at, np.arange(28), column) for column in rows.T]).T
    left = {*zip(*map(np.ndarray.tolist, np.nonzero(_thin((fine > 0.5)[None])[0])), strict=True)}
    whole, lines = {*left}, []
    while left:
        # Begin at an end, if there is one, and close to what has been drawn.
        place = min(left, key=lambda p: (len(_around(p, left)) > 1, p))
        drawn = _around(place, whole - left)
        line = [next(iter(drawn))] if drawn else []
        while True:
            left.discard(place)
            line.append(place)
            near = _around(place, left)
            if not near:
                break
            # Straight on, rather than diagonally: the corner of a stair is met first.
            place = min(near, key=lambda p: (abs(p[0] - line[-1][0]) + abs(p[1] - line[-1][1]), p))
        if drawn := _around(line[-1], whole - left - {*line}):
            line.append(next(iter(drawn)))
        if len(line) > FINER or not lines:
            lines.append([((x + 0.5) / 28 / FINER, (y + 0.5) / 28 / FINER) for y, x in [*line[::3], line[-1]]])
    return lines


def _around(place: tuple[int, int], places: set[tuple[int, int]]) -> set[tuple[int, int]]:
    y, x = place
    return {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j} & places
