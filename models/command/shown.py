"""A picture that a net has read, and the probabilities, as text for a terminal: at most 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from tinygrad_lite.support.formatting import columns, table

from .messages import fitting, legible

SIDE = 28  # pixels of a picture in each direction; a line of text shows two rows of them
BLOCKS = (
    " ▄▀█"  # neither, the lower, the upper, or both of two pixels; in the terminal's colours, be they light or dark
)
SHADES = " .:-=+*#%@"  # where the terminal has no blocks: the mean of two pixels
MOST_CLASSES, LONG_NAME, BAR = 12, 16, 24


def picture(image: Any) -> list[str]:
    """Return an image (784,) as 14 lines of 28 characters, for ink and paper."""
    pairs = image.reshape(SIDE // 2, 2, SIDE) / (image.max() or 1)
    if legible(BLOCKS) == BLOCKS:
        upper, lower = np.moveaxis(pairs > 0.5, 1, 0).astype(int)
        return ["".join(BLOCKS[i] for i in line) for line in 2 * upper + lower]
    levels = np.rint(pairs.mean(axis=1) * (len(SHADES) - 1)).astype(int)
    return ["".join(SHADES[i] for i in line) for line in levels]


def percent(share: float) -> str:
    """Return a probability in per cent."""
    return f"{100 * share:.1f} %"


def ranked(shares: Any, most: int) -> list[int]:
    """Return the numbers of the likeliest classes, the likeliest first."""
    return [int(i) for i in np.argsort(-shares, kind="stable")[:most]]


def bars(shares: Any, classes: Sequence[str]) -> Iterator[str]:
    """Yield a line for each class with its probability, as a number and as a bar; of many classes, the likeliest."""
    shown = range(len(classes)) if len(classes) <= MOST_CLASSES else ranked(shares, MOST_CLASSES - 1)
    names = [fitting(classes[i], LONG_NAME) for i in shown]
    width = max(map(columns, names))
    for i, name in zip(shown, names, strict=True):
        bar = ("▄" if legible(BLOCKS) == BLOCKS else "#") * round(BAR * float(shares[i]))
        yield f"{' ' * (width - columns(name))}{name}  {percent(shares[i]):>7}  {bar}".rstrip()
    if rest := len(classes) - len(shown):
        yield f"{rest} others: {percent(1 - sum(shares[i] for i in shown))}"


def side_by_side(name: str, image: Any, shares: Any, classes: Sequence[str]) -> str:
    """Return the picture beside the probabilities, below the name and what the net has read."""
    best = ranked(shares, 1)[0]
    heading = f": {fitting(classes[best], LONG_NAME)} ({percent(shares[best])})"
    left, right = picture(image), [*bars(shares, classes)]
    right = [""] * ((len(left) - len(right)) // 2) + right  # in the middle of the height
    lines = [f"{a:{SIDE}}   {b}".rstrip() for a, b in zip_longest(left, right, fillvalue="")]
    return "\n".join([fitting(name, 80 - columns(heading), from_start=True) + heading, *lines])


def in_brief(read: Sequence[tuple[str, Any]], classes: Sequence[str]) -> str:
    """Return a table with the likeliest classes of each picture."""
    rows = [("image", *["likeliest", "then", "then"][: len(classes)])]
    for name, shares in read:
        told = (f"{fitting(classes[i], 8)} {percent(shares[i])}" for i in ranked(shares, 3))
        rows.append((fitting(name, 26, from_start=True), *told))
    return table(rows)


def in_full(read: Sequence[tuple[str, Any]], classes: Sequence[str], what: str) -> str:
    """Return a table with all probabilities of each picture, as other programs read it."""
    rows = [("image", what, *classes)]
    rows += [(name, classes[p.argmax()], *(f"{share:.3f}" for share in p)) for name, p in read]
    return table(rows, right=range(1, 2 + len(classes)))
