"""Every example and command in the README and the docstrings does what it says."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_lite
from tests.parallel.launch import MPIEXEC
from tests.sizes import LINES_A_MINUTE, lines_in_the_map
from tinygrad_lite.compiler.writers import onnx_table
from tinygrad_lite.rules import registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
USERS = [line for line in COMMANDS if "models.mnist" in line]
CHECKPOINTS = "checkpoint.npz", "checkpoint.previous.npz"
TESTERS = [line for line in COMMANDS if line not in USERS and "-m pytest" not in line]

modules = [
    module.name
    for module in pkgutil.walk_packages(tinygrad_lite.__path__, "tinygrad_lite.")
    if not module.name.endswith("__main__")
]


@pytest.fixture(autouse=True)
def own_rules(monkeypatch):
    """Forget the rules that examples define, and their entries for ONNX."""
    monkeypatch.setattr(registry, "_rules", dict(registry._rules))
    monkeypatch.setattr(onnx_table, "RULES", dict(onnx_table.RULES))


@pytest.mark.parametrize("name", modules)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples_in_docstrings():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in modules) > 10


def test_examples_in_the_readme(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where some leave files
    namespace: dict = {"__name__": "readme"}
    for block in PYTHON:
        exec(compile(block, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "[False  True  True False]" in printed
    assert printed.count("gradcheck holds") == 1
    assert re.search(r"^softplus +holds +1 ", printed, re.MULTILINE)
    for shown in re.findall(r"```text\n(.*?)```", README, re.DOTALL):
        assert shown in printed


def copy_of_the_project(folder: Path) -> Path:
    """Return a copy of the checkout as one gets it by cloning."""
    aside = shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__", ".*_cache", ".hypothesis")
    return Path(shutil.copytree(ROOT, folder / "clone", ignore=aside))


@pytest.mark.whole
def test_the_commands_of_a_user_one_after_the_other_on_a_fresh_machine(tmp_path):
    if "TINYGRAD_LITE_DATA" not in os.environ:
        pytest.skip("TINYGRAD_LITE_DATA names no MNIST")
    clone = copy_of_the_project(tmp_path)
    first, *others = USERS
    done = subprocess.run(["bash", "-c", first], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((clone / "runs/mnist/metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.965
    left = {path.name for path in (clone / "runs/mnist").iterdir()}
    assert left == {"metrics.json", "curves.png", "mistakes.png", "confusion.png", "weights.png", *CHECKPOINTS}
    for command in others:
        done = subprocess.run(["bash", "-c", command], cwd=clone, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        if "mnist predict" in command:
            assert done.stdout.splitlines()[-1].split()[:2] == [".images/digit.png", "6"]


@pytest.mark.whole
@pytest.mark.parametrize("command", TESTERS)
def test_the_other_commands(command, tmp_path):
    if command.endswith("run") and "TINYGRAD_LITE_DATA" not in os.environ:
        pytest.skip("TINYGRAD_LITE_DATA names no MNIST")
    clone = copy_of_the_project(tmp_path)
    here = command.replace(".venv/bin/python", sys.executable).replace(".venv/bin/mpiexec", str(MPIEXEC))
    done = subprocess.run(here.split(), cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_command_goes_untried():
    tests = [line for line in COMMANDS if "-m pytest" in line]
    assert len(tests) == 1
    assert "models.mnist" in USERS[0]
    assert all(line.startswith(".venv/bin/") for line in (*USERS[1:], *TESTERS))
    assert sorted(COMMANDS) == sorted([*tests, *USERS, *TESTERS])
    # The test command itself is what runs this.
    assert "'python -m pytest' README.md" in (ROOT / ".ci/run").read_text()


def test_files_the_readme_points_to_exist():
    for target in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_map_tells_how_much_there_is_to_read():
    rows = lines_in_the_map()
    assert len(rows) > 10
    for row, count in rows.items():
        found = re.search(rf"^\| {re.escape(row)} \|.*\| ([\d,]+) \| (\d+) \|$", README, re.MULTILINE)
        lines, minutes = (int(text.replace(",", "")) for text in found.groups())
        assert lines == pytest.approx(count, rel=0.1), row
        assert minutes == pytest.approx(count / LINES_A_MINUTE, rel=0.1, abs=1), row
