"""The messages of a command, and the check for divergence: a loss that is no longer finite."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Iterable
from typing import TextIO

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import nn
from tinygrad_lite.support.formatting import shortened, wrapped


class Diverged(Exception):
    """The error about a loss that is no longer a finite number, and the place where it arose, such as an epoch."""

    def __init__(self, *reason: str, place: str = "") -> None:
        super().__init__(*reason)
        self.place = place


def expect_finite(loss: tg.Tensor) -> None:
    """Raise `Diverged` if a loss is infinite or NaN."""
    value = loss.item()
    if not math.isfinite(value):
        raise Diverged(f"the loss is {value}")


def first_not_finite(net: nn.Module) -> str:
    """Return the name of the first parameter that is infinite or NaN, as the end of a sentence about the loss."""
    for name, parameter in net.named_parameters():
        if not np.isfinite(parameter.numpy()).all():
            return f"and the first parameter that is not finite is {name}"
    return "though every parameter is finite"


def advice_on_loss(before: float, after: float) -> str:
    """Return advice if the loss did not fall during some training; an empty text if it fell."""
    if after < before or after == 0:
        return ""
    other = ", or a much higher one" if after == before else ""
    return f"the loss did not fall: it was {before:.4g} before and is {after:.4g} now. Try a lower --lr{other}"


def meant(word: str, known: Iterable[str]) -> str:
    """Return `": did you mean …?"` with the known word most similar to a wrong one; an empty text if none is."""
    close = difflib.get_close_matches(word.lower(), known, 1)
    return f": did you mean {close[0]}?" if close else ""


def legible(text: str) -> str:
    """Return a text in which codes stand for the characters that the output cannot print, as in an old terminal."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def fitting(text: str, most: int, from_start: bool = False) -> str:
    """Return a text as the output can print it, cut to so many columns, at its end or at its start."""
    return shortened(legible(text), most, from_start, "…" if legible("…") == "…" else "...")


def tell(text: str, stream: TextIO) -> None:
    """Print a text and flush it: to a terminal in lines of at most 80 columns, elsewhere in the lines it has."""
    print(wrapped(text) if stream.isatty() else text, file=stream, flush=True)


def say(text: str, quiet: bool = False) -> None:
    """Print a line and flush it, so that it appears in order with the progress bars on stderr."""
    if not quiet:
        sys.stderr.flush()
        tell(legible(text), sys.stdout)


def failed(prog: str, error: object) -> int:
    """Print a user's mistake on stderr, as one line but for a terminal's width; return its exit status, 2."""
    if isinstance(error, OSError) and error.filename:
        error = f"{error.filename}: {error.strerror}"  # without the number of the error
    tell(f"{prog}: {error}", sys.stderr)
    return 2
