"""A picture of a benchmark: a dot for each candidate, on a logarithmic axis, beside the floor."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from tests.benchmarks.harness import Benchmark
from tinygrad_lite.plot import BLUE, INK, STYLE, VERMILION


def draw(benchmark: Benchmark, figures: dict[str, dict[str, dict[str, Any]]], path: Path) -> None:
    """Save a picture with a panel for each case: the median of each candidate, and its 10th to 90th percentile."""
    logs: dict[str, list[float]] = {who: [] for who in benchmark.candidates if who != benchmark.floor}
    for rows in figures.values():
        for who in rows.keys() & logs:
            logs[who].append(np.log(rows[who]["wall"].median))
    names = sorted(filter(logs.get, logs), key=lambda who: -np.mean(logs[who]))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(6, 2.6 + 2 * len(figures)), 1.4 + 0.24 * len(names)), layout="constrained")
        panels = figure.subplots(1, len(figures), sharey=True, squeeze=False)[0]
        for panel, (case, rows) in zip(panels, figures.items(), strict=True):
            for y, who in enumerate(names):
                middle, *ends = rows[who]["wall"] if who in rows else (np.nan,) * 3
                colour = BLUE if "tinygrad_lite" in who else VERMILION
                panel.plot(ends, [y, y], color=colour, alpha=0.4)
                panel.plot(middle, y, "o", color=colour)
            if benchmark.floor in rows:
                panel.axvline(rows[benchmark.floor]["wall"].median, color=INK, linewidth=1, linestyle="--")
            panel.set_xscale("log")
            panel.set_title(case.replace(", ", "\n"), fontsize=9)
            low, high = panel.get_xlim()
            marks = [float(f"{x:.0e}") for x in np.geomspace(low, high, 4)]
            panel.xaxis.set(major_locator=FixedLocator(marks[1:]), minor_locator=NullLocator())
            panel.set_xlim(low, high)
            panel.xaxis.set_major_formatter("{x:,.10g}")
            panel.tick_params("x", labelsize=8)
        panels[0].set_yticks(range(len(names)), names)
        is_drawn = any(benchmark.floor in rows for rows in figures.values())
        dashed = f"; dashed: {benchmark.floor}" if is_drawn else ""
        figure.suptitle(f"{benchmark.title}\nµs: median, 10th to 90th percentile{dashed}", fontsize=10)
        figure.savefig(path)
