"""Whole programs: 6 epochs on MNIST, from import to the last line or picture."""

import re
import subprocess
import sys
import tempfile
from typing import Any


def program(words: list[str]) -> Any:
    """Return the run of a module with arguments; the last one may be an option that takes a new folder."""
    notes: dict[str, float] = {}

    def run() -> None:
        import resource  # which Windows does not have

        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", *words, *([folder] if words[1:] else [])]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        notes["test accuracy"] = float(re.findall(r"test accuracy: ([\d.]+)", done.stdout)[0])
        unit = 1 if sys.platform == "darwin" else 1024
        notes["peak memory, MB"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6

    run.notes = lambda: notes
    return run
