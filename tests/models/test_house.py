"""The models are short, and run as scripts, too; what they share knows none of them, and serves others."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from models import lenet, mnist, text
from models.command import Model, Run, expect_finite, run_command
from tests.models.test_predict import Terminal
from tinygrad_lite import nn
from tinygrad_lite.data import Digits, Split
from tinygrad_lite.nn.functional import accuracy, cross_entropy
from tinygrad_lite.support.formatting import columns, wrapped

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "models").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the modules of the models that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            found.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith(("models", "."))}


def test_what_the_models_share_imports_none_of_them():
    for path in (ROOT / "models/command").rglob("*.py"):
        assert all(name.startswith(".") and not name.startswith("..") for name in imported(path)), path


def test_a_model_is_a_script_too_and_takes_what_is_beside_it(tmp_path):
    models = shutil.copytree(ROOT / "models", tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, str(models / "mnist.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path.parent, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "--hidden" in done.stdout
    (models / "command/__init__.py").write_text("raise SystemExit('beside the script')")
    done = subprocess.run(command, cwd=tmp_path.parent, capture_output=True, text=True)
    assert "beside the script" in done.stderr


def test_a_model_as_a_script_has_the_library_of_its_checkout_installed_or_not(tmp_path):
    """Without `pip install -e .`, and from any folder, also in the processes of a sweep."""
    for name in ("models", "tinygrad_lite"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "tinygrad_lite/data/__init__.py").open("a") as file:
        file.write("\nprint(__file__)\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, str(tmp_path / "models/mnist.py"), "--help"]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.startswith(f"{tmp_path / 'tinygrad_lite/data/__init__.py'}\nusage: ")


RUNS_WITHOUT = """
import sys
sys.version_info, sys.version = {version}, "3.10.1 (main)"
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name in {missing} else find(name)
sys.argv = {argv}
import models
print("it runs")
"""
AS_A_MODULE, AS_A_SCRIPT, IN_A_NOTEBOOK = ["-m"], [str(ROOT / "models/mnist.py")], ["/usr/bin/jupyter"]


@pytest.mark.parametrize("argv", [AS_A_MODULE, AS_A_SCRIPT])
@pytest.mark.parametrize(
    ("version", "missing", "said"),
    [
        ((3, 10), (), "Python 3.11 or newer is needed, and this is Python 3.10.1\n"),
        ((3, 12), ("tqdm",), f'tqdm cannot be found: `{sys.executable} -m pip install -e "{ROOT}"` installs what is'),
        ((3, 12), ("numpy", "matplotlib"), "numpy and matplotlib cannot be found: "),
    ],
)
def test_a_command_says_in_a_sentence_why_it_cannot_run(argv, version, missing, said):
    code = RUNS_WITHOUT.format(version=version, missing=missing, argv=argv)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_what_is_missing_ends_no_notebook():
    code = RUNS_WITHOUT.format(version=(3, 12), missing=("matplotlib",), argv=IN_A_NOTEBOOK)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("it runs\n", "")


class Sides(Model):
    """A second model: on which side of a line random points lie."""

    def load(self, args):
        rng = np.random.default_rng(0)

        def split(n):
            points = rng.normal(size=(n, 2)).astype(np.float32)
            return Split(points, (points.sum(axis=1) > 0).astype(np.uint8))

        return Digits(split(400), split(100), split(100)), "points"


def learn(net, optimizer, run: Run):
    def step(points, labels):
        loss = cross_entropy(net(points), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = run.compiled(step)
    for batches in run.epochs():
        for points, labels in batches:
            expect_finite(step(points, labels))
        run.finish_epoch(run.evaluate(run.data.train), run.evaluate(run.data.valid))


def evaluate(net, split):
    scores = net(split.images)
    return cross_entropy(scores, split.labels).item(), accuracy(scores, split.labels)


SIDES = Sides(
    "sides",
    "Which side?",
    lambda rng: nn.Linear(2, 2, rng=rng),
    learn,
    evaluate,
    epochs=2,
    batch_size=20,
    lr={"sgd": 1},
)


def test_a_second_model_has_the_same_command(tmp_path, capsys):
    assert run_command(SIDES, ["--out", str(tmp_path), "--epochs", "1"]) == 0
    assert run_command(SIDES, ["--out", str(tmp_path), "--resume", "--quiet"]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["data"] == "points"
    assert len(metrics["history"]) == 2
    assert metrics["test_accuracy"] > 0.9
    assert SIDES.trained_net(tmp_path).weight.shape == (2, 2)
    assert run_command(SIDES, ["--out", str(tmp_path), "--resume", "--lr", "2"]) == 2
    assert "python -m models.sides: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_command(SIDES, ["--optimizer", "adam"])
    assert "expected sgd, found 'adam'" in capsys.readouterr().err


def test_its_help_shows_its_defaults(capsys):
    with pytest.raises(SystemExit):
        run_command(SIDES, ["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "number of passes over the training samples (2)" in shown
    assert "learning rate (1)" in shown
    assert "folder for results (runs/sides)" in shown
    assert "--data" not in shown


def test_a_command_starts_without_the_modules_of_the_network_and_of_the_formulas():
    unneeded = {"http.client", "ssl", "matplotlib", "tinygrad_lite.formulas"}
    code = f"import sys, models.mnist; print({unneeded} & {{*sys.modules}})"
    started = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert started.stdout == "set()\n"


@pytest.mark.parametrize("model", [mnist, lenet, text], ids=lambda model: model.__name__)
@pytest.mark.parametrize(
    "arguments",
    ["--help", "--lr x", "--data nowhere", "--epochs 0", "predict nowhere.png", "--momentum 0.5 --optimizer adam"],
)
def test_a_terminal_gets_lines_of_80_columns(model, arguments, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    outputs = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", outputs[0])
    monkeypatch.setattr(sys, "stderr", outputs[1])
    with suppress(SystemExit):
        model.main(arguments.split())
    monkeypatch.undo()
    lines = [line for output in outputs for line in output.lines()]
    assert lines
    assert all(columns(line) <= 80 for line in lines), max(lines, key=columns)


def test_a_long_word_keeps_its_line_and_spaces_between_words_stay():
    path = "/" + 90 * "x"
    assert wrapped(f"cannot read  {path}: try another\n  a  b") == f"cannot read \n{path}:\ntry another\n  a  b"


def test_sgd_is_only_advised_where_the_model_has_it(capsys):
    for model, advised in ((mnist, True), (text, False)):
        with pytest.raises(SystemExit):
            model.main(["--optimizer", "adam", "--momentum", "0.5"])
        assert ("give --optimizer sgd" in capsys.readouterr().err) == advised
