"""Every example and command in the README and the docstrings does what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite
from models import mnist
from models.command import options, sweep
from tests.parallel.launch import MPIEXEC
from tests.readme import COMMANDS, PROGRAMS, README
from tests.sizes import LINES_A_MINUTE, lines_in_the_map
from tinygrad_lite.compiler.writers import onnx_table
from tinygrad_lite.rules import registry

ROOT = Path(__file__).parent.parent
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
    """Forget the rules that examples define, their entries for ONNX, and what answers for NumPy's functions."""
    monkeypatch.setattr(registry, "_rules", dict(registry._rules))
    monkeypatch.setattr(registry, "_answers", dict(registry._answers))
    monkeypatch.setattr(onnx_table, "RULES", dict(onnx_table.RULES))


def examples(name: str) -> list[doctest.DocTest]:
    """Return the examples of a module. As in NumPy's own, ``np`` is imported already, and so is ``tg``."""
    found = doctest.DocTestFinder().find(importlib.import_module(name), extraglobs={"np": np, "tg": tinygrad_lite})
    return [test for test in found if any(not example.options.get(doctest.SKIP) for example in test.examples)]


@pytest.mark.parametrize("name", modules)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where some leave files
    runner = doctest.DocTestRunner()
    for test in examples(name):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


NAMESPACES = (
    *("", "checkpoint", "data", "formulas", "nn", "nn.functional", "nn.init", "optim", "optim.schedule"),
    *("parallel", "plot", "proof", "rules", "safetensors"),
)

# Names that have no example of their own, each with the reason.
WITHOUT_EXAMPLE = {
    "data.Digits": "`load_mnist` returns it",
    "data.Split": "`load_mnist` returns it",
    "data.load_mnist": "its example needs the files of MNIST",
    "data.load_synthetic": "its example draws 70,000 digits, and keeps them in the user's folder",
    "nn.init.weights": "the layers call it",
}
METHODS_WITHOUT_EXAMPLE = dict.fromkeys(
    ("mark_changed", "mark_replaced", "share_memory"), "`changes` keeps its record by them; a user calls none"
)


def public_names() -> dict[str, Any]:
    """Return the functions and classes that users call, by their dotted names; one with two names only once."""
    found: dict[str, Any] = {}
    for space in NAMESPACES:
        module = importlib.import_module(".".join(filter(None, ["tinygrad_lite", space])))
        own = [name for name, x in vars(module).items() if getattr(x, "__module__", "") == module.__name__]
        for name in getattr(module, "__all__", [name for name in own if not name.startswith("_")]):
            x = getattr(module, name)
            if callable(x) and not any(x is other for other in found.values()):
                found[".".join(filter(None, [space, name]))] = x
    return found


def public_methods(cls: type) -> dict[str, Any]:
    """Return the methods and properties that users call, by name; those of its bases, too."""
    found = {name: inspect.getattr_static(cls, name) for name in dir(cls) if not name.startswith("_")}
    return {name: x for name, x in found.items() if callable(x) or isinstance(x, property)}


def docstrings_with_examples() -> set[str | None]:
    return {test.docstring for name in modules for test in examples(name)}


def test_every_public_name_has_an_example_that_is_run():
    """Each function and each class has an example of its own; an error needs none, since its message advises."""
    run = docstrings_with_examples()
    missing = {name for name, x in public_names().items() if x.__doc__ not in run}
    errors = {name for name, x in public_names().items() if inspect.isclass(x) and issubclass(x, BaseException)}
    assert missing - errors - WITHOUT_EXAMPLE.keys() == set()


@pytest.mark.parametrize("cls", [tinygrad_lite.Tensor, tinygrad_lite.nn.Module, tinygrad_lite.optim.Optimizer])
def test_every_method_has_a_docstring_and_an_example_where_one_does_not_know_it(cls):
    """A method needs none if NumPy or `nn.functional` has one of that name, or if the example of its class shows it."""
    run = docstrings_with_examples()
    methods = public_methods(cls)
    assert {name for name, x in methods.items() if not x.__doc__} == set()
    elsewhere = (np, np.ndarray, np.linalg, tinygrad_lite.nn.functional)
    known = {name for name in methods if any(hasattr(place, name) for place in elsewhere)}
    shown = set(re.findall(r"\w+", cls.__doc__.partition(">>>")[2]))
    missing = {name for name in methods.keys() - known - shown if methods[name].__doc__ not in run}
    assert missing - METHODS_WITHOUT_EXAMPLE.keys() == set()


def test_the_version_is_that_of_the_package():
    assert tinygrad_lite.__version__ == metadata.version("tinygrad_lite")
    assert "__version__" in tinygrad_lite.__doc__


def test_examples_in_the_readme(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where some leave files
    namespace: dict = {"__name__": "readme"}
    for program in PROGRAMS:
        exec(compile(program, "README.md", "exec"), namespace)
    printed = capsys.readouterr().out
    assert "[False  True  True False]" in printed
    assert printed.count("gradcheck holds") == 1
    assert re.search(r"^softplus +holds +1 ", printed, re.MULTILINE)
    for shown in re.findall(r"```text\n(.*?)```", README, re.DOTALL):
        assert shown in printed


def test_where_the_same_bits_are_promised_it_is_said_that_they_depend_on_the_threads():
    promises = [
        tinygrad_lite.checkpoint.__doc__,
        tinygrad_lite.manual_seed.__doc__,
        options.parser_of(mnist.MODEL).format_help(),
        sweep.__doc__,
    ]
    for promise in promises:
        said = " ".join(promise.split())
        assert re.search(r"threads[^.]*\badds? (in|sums in)[^.]* order", said), said


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
