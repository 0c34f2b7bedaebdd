"""Running a notebook from a clean kernel, and what is saved of it."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SECONDS = 300  # that a cell may take, on a machine that is busy with other things
WIDGET = "application/vnd.jupyter.widget-view+json"


def notebooks() -> list[Path]:
    """Return the notebooks: those in English, and their translations in folders named after the language."""
    return sorted(FOLDER.glob("*.ipynb")) + sorted(FOLDER.glob("[a-z][a-z]/*.ipynb"))


def read(path: Path) -> Any:
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    """Return the cells that are run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(path: Path, folder: Path) -> Any:
    """Return a notebook run from a clean kernel, with its outputs as a reader sees them and no trace of the machine.

    Parameters
    ----------
    path : Path
        The notebook; it is left as it is.
    folder : Path
        Where its code runs.
    """
    notebook = read(path)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", record_timing=False, resources=resources).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = {}
    for cell in code_cells(notebook):
        cell.outputs = _joined(cell.outputs)
    return notebook


def _joined(outputs: list[Any]) -> list[Any]:
    """Return outputs with what was printed in pieces in one, and a progress bar as it stands in the end.

    Sliders are left out, as they live in a running notebook only, and so are addresses in memory.
    """
    joined = []
    lasting = [output for output in outputs if WIDGET not in output.get("data", {})]
    for output in lasting:
        if "text/plain" in output.get("data", {}):
            output.data["text/plain"] = re.sub(r" at 0x[0-9a-f]+>", ">", output.data["text/plain"])
    for name, pieces in groupby(lasting, lambda output: output.get("name")):
        several = list(pieces)
        if name is not None:
            text = "".join(piece.text for piece in several)
            several = [nbformat.v4.new_output("stream", name=name, text=_overwritten(text))]
        joined += several
    return joined


def _overwritten(text: str) -> str:
    """Return what a terminal shows of text: after a carriage return the line is written over."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return "\n".join(lines)
