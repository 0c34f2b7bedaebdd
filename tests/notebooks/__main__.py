"""``python -m tests.notebooks [NOTEBOOK …]`` runs the notebooks again, and saves them with their outputs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import nbformat

from .run import notebooks, run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the notebooks named, or all, and save them."""
    told = "Run notebooks from a clean kernel, and save them with their outputs."
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks", description=told)
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK", help="a file .ipynb (all notebooks)")
    named = parser.parse_args(arguments).notebooks
    for path in named:
        if path.suffix != ".ipynb" or not path.is_file():
            parser.error(f"there is no notebook {path}: name files such as notebooks/{notebooks()[0].name}")
    for path in named or notebooks():
        nbformat.write(run(path, path.parent), path)
        print(path.name)


if __name__ == "__main__":
    main()
