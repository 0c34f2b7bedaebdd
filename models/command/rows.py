"""The results of a sweep, a row for each run: as a table, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_lite import plot
from tinygrad_lite.support.formatting import table

from .model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]  # the metrics of a run; and as "diverged" the place where it did, or None


def described(rows: Sequence[Row]) -> str:
    """Return a table of the runs, and a sentence on the best one."""
    names = ["lr", *varied(rows)]
    cells = [[*(name.replace("_", " ") for name in names), "train loss", "validation accuracy"]]
    for row in rows:
        loss, result = "", f"diverged at {row['diverged']}"
        if not row["diverged"]:
            loss, result = (f"{row['history'][-1][name]:.4f}" for name in ("train_loss", "valid_accuracy"))
        cells.append([*(shown(row["config"][name]) for name in names), loss, result])
    found = "every run diverged: try lower learning rates"
    if whole := [row for row in rows if not row["diverged"]]:
        best = max(whole, key=reached)
        options = " ".join(f"--{name.replace('_', '-')} {shown(best['config'][name])}" for name in names)
        found = f"best validation accuracy: {options}  (test accuracy: {best['test_accuracy']:.4f})"
    return f"{table(cells, right=range(len(names) + 1))}\n{found}"


def picture(model: Model, rows: Sequence[Row]) -> Figure:
    """Draw the validation accuracy over the learning rate, with a line for each combination of the other options."""
    others = [name for name in varied(rows) if name != "seed"]
    epochs = rows[0]["config"]["epochs"]
    return plot.sweep(
        [row["config"]["lr"] for row in rows],
        [reached(row) for row in rows],
        [row["initial_valid_accuracy"] for row in rows],
        [", ".join(f"{name.replace('_', ' ')} {shown(row['config'][name])}" for name in others) for row in rows],
        f"models.{model.name} after {epochs} epoch{'s' * (epochs > 1)} on {rows[0]['data']} {model.sample}s",
    )


def varied(rows: Sequence[Row]) -> list[str]:
    """Return the options in which the runs differ, but for the learning rate."""
    configs = [row["config"] for row in rows]
    return [name for name in configs[0] if name != "lr" and any(c[name] != configs[0][name] for c in configs)]


def reached(row: Row) -> float:
    """Return the validation accuracy after the last epoch; NaN if the run diverged."""
    return math.nan if row["diverged"] else row["history"][-1]["valid_accuracy"]


def shown(value: Any) -> str:
    """Return the value of an option as a user would type it: 1, not 1.0."""
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
