"""What the models' commands share: options that explain themselves, errors of one line."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line on stderr, and exits with status 2."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help lists the options)\n")


def whole(least: int) -> Callable[[str], int]:
    """Return a type for options that are whole numbers of at least ``least``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, found {text!r}")
        return number

    return parse


def positive(text: str) -> float:
    """Read an option that is a positive number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text!r}")
    return number


def fraction(text: str) -> float:
    """Read an option that is a number of at least 0 and below 1."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0 and below 1, found {text!r}")
    return number


def output_folder(text: str) -> Path:
    """Read an option that is a folder for results: made if need be, and tried, so that no run ends in vain."""
    if not text:
        raise argparse.ArgumentTypeError("the name of the folder is empty")
    folder = Path(text)
    trial = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink(missing_ok=True)  # another process may be trying it, too
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write to the folder {text!r}: {error.strerror}") from None
    return folder


def say(text: str, quiet: bool = False) -> None:
    """Print a line at once, past any buffer, so that it stands in order with the progress bars on stderr."""
    if not quiet:
        sys.stderr.flush()
        print(text, flush=True)
