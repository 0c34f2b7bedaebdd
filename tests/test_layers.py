"""Imports point one way, and what is to be read stays short."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.sizes import code_lines

ROOT = Path(__file__).parent.parent
PACKAGE, MODELS = ROOT / "tinygrad_lite", ROOT / "models"

# Each part may import what stands before it: what all use; what a step needs; the readings and the tools; all of them
# together; what a user writes.
LAYERS = [
    *("errors", "support", "rules", "changes", "engine", "paths", "arrays", "numpy_calls", "checks", "conversions"),
    *("in_place", "tensor", "joint", "transforms", "recompute", "scan", "nn", "optim"),
    *("anomaly", "formulas", "data", "plot", "proof", "compiler", "checkpoint", "safetensors", "parallel"),
    *("__init__", "__main__"),
    "models",
]

# What still points the other way. These sets may only lose what is in them.
UPWARD: set[tuple[str, str]] = set()
LATE: set[tuple[str, str]] = set()


def modules() -> dict[str, Path]:
    """Return the files of the package by their names in it, and those of models by theirs."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for root, folder in ((PACKAGE, PACKAGE), (ROOT, MODELS))
        for path in sorted(folder.rglob("*.py"))
    }


FILES = modules()


def imports(name: str) -> set[tuple[str, bool]]:
    """Return the modules that one imports, and whether each import stands at the top of the file.

    Those inside functions count, and those for the type checker alone: who reads a type must read where it comes from.
    """
    path = FILES[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(ROOT).parts[:-1]
    # Also a block under a condition, such as that of the imports for later.
    at_top = [*tree.body, *(node for block in tree.body if isinstance(block, ast.If) for node in block.body)]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = (*base, *(node.module or "").split("."))
            targets = [(*filter(None, module), alias.name) for alias in node.names]
        else:
            continue
        found |= {(known(target), node in at_top) for target in targets if target[0] in ("tinygrad_lite", "models")}
    return found


def known(target: tuple[str, ...]) -> str:
    """Return the module that a dotted name is, or is a name in."""
    dotted = target[1:] if target[0] == "tinygrad_lite" else target
    return next((name for i in range(len(dotted), 0, -1) if (name := ".".join(dotted[:i])) in FILES), "__init__")


def part(name: str) -> str:
    return name.split(".")[0]


EDGES = {(name, target) for name in FILES for target, _ in imports(name)}


def test_every_part_has_its_place():
    assert {part(name) for name in FILES} == set(LAYERS)


def test_imports_point_down_the_list():
    assert {edge for edge in EDGES if LAYERS.index(part(edge[0])) < LAYERS.index(part(edge[1]))} <= UPWARD


def test_imports_within_a_part_make_no_circle():
    graph: dict[str, set[str]] = {}
    for name, target in EDGES - UPWARD - LATE:
        graph.setdefault(name, set()).add(target)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_imports_of_ones_own_stand_at_the_top():
    assert {(name, target) for name in FILES for target, at_top in imports(name) if not at_top} <= LATE


def path_of_a_step() -> list[Path]:
    """Return the files that run in a step of training, but for the tables of rules, and of layers and losses."""
    net = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=1), tg.nn.ReLU(), tg.nn.Linear(3, 2, rng=2), tg.nn.Softmax())
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1)
    ran = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, *_: ran.add(Path(frame.f_code.co_filename)))
    try:
        loss = tg.nn.functional.squared_loss(net(np.ones((4, 2), np.float32)), np.ones((4, 2), np.float32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    finally:
        sys.setprofile(before)
    tables = {PACKAGE / "nn/layers.py", *(PACKAGE / "nn/functional").glob("*.py"), *(PACKAGE / "rules").rglob("*.py")}
    return sorted(path for path in ran if path in FILES.values() and path not in tables - {PACKAGE / "rules/rule.py"})


def code(paths: Iterable[Path]) -> int:
    return sum(map(code_lines, paths))


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


# What is counted, what it may be today, and what it shall come down to. A bound is lowered, or raised for a feature:
# the loops of `scan`, products that are added in one pass, constant factors, sums by products, arrays in place of
# numbers, and kernels for a GPU have raised the compiler's.
BUDGETS = {
    "code lines a step of training runs through": (lambda: code(path_of_a_step()), 1300, 1300),
    "files a step of training runs through": (lambda: len(path_of_a_step()), 10, 10),
    "code lines of the compiler with its writer of NumPy": (
        lambda: code([*(PACKAGE / "compiler").glob("*.py"), PACKAGE / "compiler/writers/numpy_source.py"]),
        *(3517, 2000),
    ),
    "lines of README.md": (lambda: lines(ROOT / "README.md"), 200, 200),
    "lines of models/mnist.py": (lambda: lines(MODELS / "mnist.py"), 95, 95),
    "lines of the longest other file in models/": (
        lambda: max(lines(path) for path in MODELS.rglob("*.py") if path != MODELS / "mnist.py"),
        *(120, 120),
    ),
}


@pytest.mark.parametrize("what", BUDGETS)
def test_what_is_to_be_read_stays_short(what):
    count, bound, target = BUDGETS[what]
    assert count() <= bound, f"too many {what}; the target is {target:,}"


def test_the_path_of_a_step_is_that_of_this_checkout():
    known = ("engine.py", "tensor.py", "rules/rule.py", "optim/descent.py")
    assert {PACKAGE / name for name in known} <= {*path_of_a_step()}


def test_docstrings_comments_and_blank_lines_are_not_counted(tmp_path):
    (tmp_path / "few.py").write_text('"""One,\ntwo."""\n\n# Three.\ndef f():\n    """Four."""\n    return """\n"""\n')
    assert code_lines(tmp_path / "few.py") == 3
