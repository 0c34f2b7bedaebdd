"""``python -m tests.notebooks [NOTEBOOK …]`` runs the notebooks again, and saves them with their outputs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from .run import notebooks, run


def main(arguments: Sequence[str]) -> None:
    """Run the notebooks named, or all, and save them."""
    for path in map(Path, arguments) if arguments else notebooks():
        nbformat.write(run(path, path.parent), path)
        print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
