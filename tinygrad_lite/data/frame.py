"""The framing of MNIST: a digit fits a box of 20×20 pixels, and its centre of mass is in the middle of the picture.

Rendered digits and photographs are framed alike, since a net trained on MNIST expects it.

Source: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .splits import SIDE

BOX = 20  # pixels: the length of the digit's longer side


def centred(boxes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Place boxes (n, BOX, BOX) in pictures (n, SIDE, SIDE) so that the centre of mass is in the middle.

    As in MNIST, the middle is the pixel SIDE / 2 and the box moves by whole pixels.
    """
    mass = boxes.sum(axis=(1, 2))
    position = np.arange(BOX)
    top, left = (
        np.clip(np.rint(SIDE / 2 - boxes.sum(axis=axis) @ position / mass), 0, SIDE - BOX).astype(np.intp)
        for axis in (2, 1)
    )
    pictures = np.zeros((len(boxes), SIDE, SIDE), np.uint8)
    sample = np.arange(len(boxes))[:, None, None]
    pictures[sample, (top[:, None] + position)[:, :, None], (left[:, None] + position)[:, None, :]] = boxes
    return pictures
