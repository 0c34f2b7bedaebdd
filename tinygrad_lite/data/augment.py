"""Augmentation: images that are shifted, turned, zoomed and bent a little, anew each time a net sees them.

A net that has seen many forms of each digit reads unknown ones better. All four changes are one map of positions, so
each image is sampled once.

Examples
--------
>>> images = np.zeros((2, 784), dtype=np.float32)
>>> augmented(images, np.random.default_rng(0)).shape
(2, 784)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[Any]
MARGIN = 2  # pixels around an image: what lies outside is background
KNOTS = 6  # of the grid of random displacements that bends an image


def augmented(
    images: Images,
    rng: np.random.Generator,
    shift: float = 2.0,
    rotation: float = 12.0,
    zoom: float = 0.1,
    elastic: float = 1.0,
) -> Images:
    """Return images, each changed at random: shifted, turned about its centre, zoomed and bent.

    Parameters
    ----------
    images : array of shape (n, …), whose other axes have height · width elements
        Square images; background is 0. The result has the same shape and type.
    rng : numpy.random.Generator
        Draws the changes.
    shift : float
        The largest shift along each axis, in pixels.
    rotation : float
        The largest angle, in degrees.
    zoom : float
        The largest change of size: 0.1 is 10 %.
    elastic : float
        The standard deviation of the displacements that bend an image, in pixels. Source: P. Simard and others, "Best
        practices for convolutional neural networks", 2003; here the displacements are drawn on a coarse grid, and
        interpolated smoothly.

    Raises
    ------
    ValueError
        If images are not square, or a limit is negative.

    Examples
    --------
    >>> image = np.zeros((1, 5, 5))
    >>> image[0, 2, 2] = 1.0
    >>> tg.data.augmented(image, np.random.default_rng(0), shift=1, rotation=0, zoom=0, elastic=0)[0].round(2)
    array([[0.  , 0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.08, 0.  ],
           [0.  , 0.  , 0.03, 0.89, 0.  ],
           [0.  , 0.  , 0.  , 0.  , 0.  ]])
    """
    n, size = len(images), math.prod(images.shape[1:])
    side = math.isqrt(size)
    if side * side != size:
        raise ValueError(f"augmented needs square images, but each of shape {images.shape[1:]} has {size} pixels")
    for name, limit in (("shift", shift), ("rotation", rotation), ("zoom", zoom), ("elastic", elastic)):
        if not 0 <= limit < math.inf:
            raise ValueError(f"augmented: {name} must be a number of at least 0, not {limit!r}")
    angle = rng.uniform(-1, 1, (n, 1, 1)) * math.radians(rotation)
    scale = np.exp(rng.uniform(-1, 1, (n, 1, 1)) * math.log1p(zoom))
    down, right = rng.uniform(-shift, shift, (2, n, 1, 1))
    centre = (side - 1) / 2
    y, x = np.mgrid[:side, :side] - centre
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    rows = cos * y - sin * x + centre + down
    columns = sin * y + cos * x + centre + right
    if elastic:
        spread = _interpolation(side)
        rows = rows + spread @ rng.normal(0, elastic, (n, KNOTS, KNOTS)) @ spread.T
        columns = columns + spread @ rng.normal(0, elastic, (n, KNOTS, KNOTS)) @ spread.T
    return sampled(images.reshape((n, side, side)), rows, columns).reshape(images.shape)


def _interpolation(side: int) -> Images:
    """Return the matrix of shape (side, KNOTS) that spreads values at knots smoothly over pixels."""
    distance = np.linspace(0, KNOTS - 1, side)[:, None] - np.arange(KNOTS)
    weights = np.exp(-2 * distance * distance)
    return np.asarray(weights / np.sqrt(np.square(weights).sum(axis=1, keepdims=True)))


def sampled(images: Images, rows: Images, columns: Images) -> Images:
    """Return images of shape (n, h, w) at positions between their pixels, by bilinear interpolation; outside is 0.

    Parameters
    ----------
    images : array of shape (n, h, w)
    rows, columns : array of shape (n, …)
        The positions to look at in each image, in pixels.

    Returns
    -------
    array of the type of the images, of the shape of the positions
    """
    n, h, w = images.shape
    padded = np.zeros((n, h + 2 * MARGIN, w + 2 * MARGIN), images.dtype)
    padded[:, MARGIN : MARGIN + h, MARGIN : MARGIN + w] = images
    y = np.clip(rows + MARGIN, 0, h + 2 * MARGIN - 1.001).astype(images.dtype)
    x = np.clip(columns + MARGIN, 0, w + 2 * MARGIN - 1.001).astype(images.dtype)
    top, left = y.astype(np.intp), x.astype(np.intp)
    down, right = (y - top).astype(images.dtype), (x - left).astype(images.dtype)
    width = padded.shape[2]
    first = np.arange(n).reshape((n, *[1] * (rows.ndim - 1))) * (padded.shape[1] * width) + top * width + left
    pixels = padded.reshape(-1)
    above = pixels[first] * (1 - right) + pixels[first + 1] * right
    below = pixels[first + width] * (1 - right) + pixels[first + width + 1] * right
    return np.asarray(above * (1 - down) + below * down)
