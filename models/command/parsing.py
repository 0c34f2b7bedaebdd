"""An argument parser whose errors say in one line what to write instead, and the types of its options."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .messages import failed, meant


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line on stderr, and exits with status 2.

    Parameters
    ----------
    commands : sequence of str
        The subcommands, which an error suggests for a mistyped one.
    **kwargs
        As for `argparse.ArgumentParser`.
    """

    def __init__(self, commands: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        self.commands = commands

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the parsed options; the error about an unknown one suggests the most similar one."""
        namespace, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            known = self._option_string_actions if word.startswith("-") else self.commands
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant(word, known)}")
        return namespace

    def error(self, message: str) -> NoReturn:
        self.exit(failed(self.prog, f"{' '.join(message.split())} (--help lists the options)"))


def one_of(*choices: str) -> dict[str, Any]:
    """Return the `argparse` arguments of an option whose value is one of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"expected {' or '.join(choices)}, found {text!r}{meant(text, choices)}")
        return text

    return {"type": parse, "metavar": f"{{{','.join(choices)}}}"}


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """Return an option type: whole numbers from ``least`` to ``most``."""

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


def several(parse: Any) -> Callable[[str], list[Any]]:
    """Return an option type: values of another type, separated by commas; equal ones count once."""

    def parse_each(text: str) -> list[Any]:
        parts = text.split(",")
        try:
            return [*dict.fromkeys(parse(part) for part in parts)]
        except argparse.ArgumentTypeError as error:
            between = f" in {text!r}: write a comma between values, and no space" if text and "" in parts else ""
            raise argparse.ArgumentTypeError(f"{error}{between}") from None

    return parse_each


def _number(text: str) -> float:
    """Return the number that a text stands for; NaN if it stands for none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def positive(text: str) -> float:
    """Convert an option to a positive number."""
    number = _number(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"expected a positive number, found {text!r}")
    return number


def fraction(text: str) -> float:
    """Convert an option to a number of at least 0 and below 1."""
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0 and below 1, found {text!r}")
    return number


def path_to(what: str) -> Callable[[str], Path]:
    """Return an option type: paths to ``what``, a word for the error."""

    def parse(text: str) -> Path:
        if not text or "\0" in text:
            raise argparse.ArgumentTypeError(f"expected the name of {what}, found {text!r}")
        return Path(text)

    return parse
