"""Text as numbers: each character of a vocabulary has a token, a whole number.

Examples
--------
>>> vocabulary = Vocabulary.of("hello")
>>> vocabulary.encode("hole")
array([1, 3, 2, 0])
>>> vocabulary.decode([1, 3, 2, 0])
'hole'
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..support.files import read_file

LARGEST = 1 << 30  # bytes of a text file


@dataclass(frozen=True)
class Vocabulary:
    """The characters that a model knows, in the order of their tokens.

    Parameters
    ----------
    characters : str
        Each once.

    Examples
    --------
    >>> vocabulary = tg.data.Vocabulary.of("hello")
    >>> vocabulary
    Vocabulary(characters='ehlo')
    >>> vocabulary.encode("hole"), vocabulary.decode([1, 3, 2, 0])
    (array([1, 3, 2, 0]), 'hole')
    """

    characters: str

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        """Return the vocabulary of all characters of a text, in the order of Unicode."""
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the token of each character.

        Raises
        ------
        DataError
            If a character is not in the vocabulary; the message names it.
        """
        known = {character: token for token, character in enumerate(self.characters)}
        unknown = sorted(set(text) - known.keys())
        if unknown:
            raise DataError(
                f"{unknown[0]!r} is not among the {len(self)} characters that the model has learned: use others"
            )
        return np.array([known[character] for character in text], dtype=np.int64)

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens."""
        return "".join(self.characters[token] for token in tokens)


def read_text(path: str | Path) -> str:
    """Read a text file in UTF-8.

    Raises
    ------
    DataError
        If the file is missing, empty, binary or not UTF-8.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("hello.txt").write_text("hello, world", encoding="utf-8")
    >>> tg.data.read_text("hello.txt")
    'hello, world'
    """
    try:
        text = read_file(path, LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no text in UTF-8: byte {error.start} is {error.object[error.start]:#04x}. Save it as UTF-8, or "
            "give another file"
        ) from None
    if "\0" in text:
        raise DataError(f"{path} is a binary file, since it has bytes of 0: give a text file")
    if not text.strip():
        raise DataError(f"{path} is empty: give a file with some thousand characters or more")
    return text.replace("\r\n", "\n")


def numpy_docstrings() -> str:
    """Return the documentation of NumPy's functions: English text that every machine with NumPy has.

    Examples
    --------
    >>> "hyperbolic tangent" in tg.data.numpy_docstrings()
    True
    """
    found: dict[str, None] = {}
    for module in (np, np.linalg, np.fft, np.random, np.polynomial, np.ma):
        for _, member in _public(module):
            found[inspect.getdoc(member) or ""] = None
            if isinstance(member, type) and member.__module__.startswith("numpy"):
                found.update(dict.fromkeys(inspect.getdoc(method) or "" for _, method in _public(member)))
    return "\n\n".join(filter(None, found))


def _public(of: ModuleType | type) -> list[tuple[str, Any]]:
    """Return the public functions and classes of a module, or the public methods of a class, by name."""
    names = sorted(vars(of)) if isinstance(of, type) else dir(of)
    members = [(name, getattr(of, name, None)) for name in names if not name.startswith("_")]
    return [(name, member) for name, member in members if callable(member)]
