"""What a command says, and the one mistake that training itself can make: a loss that is no longer a number."""

from __future__ import annotations

import math
import sys

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite import nn


class Diverged(Exception):
    """The loss is no longer a number."""


def expect_finite(loss: tg.Tensor) -> None:
    """Raise `Diverged` if a loss is infinite or NaN."""
    value = loss.item()
    if not math.isfinite(value):
        raise Diverged(f"the loss is {value}")


def first_not_finite(net: nn.Module) -> str:
    """Return which parameter is infinite or NaN, as the end of a sentence about a loss that is."""
    for name, parameter in net.named_parameters():
        if not np.isfinite(parameter.numpy()).all():
            return f"and the first parameter that is not finite is {name}"
    return "though every parameter is finite"


def advice_on_loss(before: float, after: float) -> str:
    """Return what to try if a loss did not fall from before to after some training; nothing if it fell."""
    if after < before or after == 0:
        return ""
    other = ", or a much higher one" if after == before else ""
    return f"the loss did not fall: it was {before:.4g} before, and is {after:.4g} after it: try a lower --lr{other}"


def say(text: str, quiet: bool = False) -> None:
    """Print a line at once, past any buffer, so that it stands in order with the progress bars on stderr."""
    if not quiet:
        sys.stderr.flush()
        print(text, flush=True)


def failed(prog: str, error: object) -> int:
    """Print a user's mistake as one line on stderr; return the exit status for it."""
    print(f"{prog}: {error}", file=sys.stderr)
    return 2
