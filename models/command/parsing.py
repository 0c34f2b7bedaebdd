"""A parser whose errors say in one line what to write instead, and the types of its options."""

from __future__ import annotations

import argparse
import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn


def meant(word: str, known: Iterable[str]) -> str:
    """Return the question to add to a complaint about a word: `": did you mean …?"`, or nothing if none is like it."""
    close = difflib.get_close_matches(word.lower(), known, 1)
    return f": did you mean {close[0]}?" if close else ""


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line on stderr, and exits with status 2.

    Parameters
    ----------
    commands : sequence of str
        Words that may stand in place of the options; who mistypes one is told.
    **kwargs
        As for `argparse.ArgumentParser`.
    """

    def __init__(self, commands: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        self.commands = commands

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return what the options say; one that there is not is answered with the one that is most like it."""
        namespace, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            known = self._option_string_actions if word.startswith("-") else self.commands
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant(word, known)}")
        return namespace

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (--help lists the options)\n")


def one_of(*choices: str) -> dict[str, Any]:
    """Return the type and the metavar of an option that is one of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"expected {' or '.join(choices)}, found {text!r}{meant(text, choices)}")
        return text

    return {"type": parse, "metavar": f"{{{','.join(choices)}}}"}


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """Return a type for options that are whole numbers of at least ``least``, and at most ``most``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            limits = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"expected a whole number {limits}, found {text!r}")
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


def path_to(what: str) -> Callable[[str], Path]:
    """Return a type for options that are paths."""

    def parse(text: str) -> Path:
        if not text or "\0" in text:
            raise argparse.ArgumentTypeError(f"expected the name of {what}, found {text!r}")
        return Path(text)

    return parse
