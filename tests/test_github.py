"""What contributors are told, and the workflow that runs the README's commands on other systems, are true."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import textwrap
import tomllib
from pathlib import Path

import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules import elementwise, registry

ROOT = Path(__file__).parent.parent
WORKFLOW = (ROOT / ".github/workflows/readme.yml").read_text(encoding="utf-8")
GUIDE = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

SCRIPT = textwrap.dedent(re.findall(r"run: \|\n((?: {10}.*\n)+)", WORKFLOW)[0])
EXAMPLE = """
`.venv/bin/say nothing`
```sh
python3 -m venv .venv && .venv/bin/say first
.venv/bin/mpiexec -n 2 .venv/bin/say several
.venv/bin/say second && .venv/bin/say third
```
"""


@pytest.fixture
def run(tmp_path):
    """Return what runs the workflow's script beside a README; every program there says its arguments."""

    def run(readme: str, system: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "README.md").write_text(readme, encoding="utf-8")
        for name in ("python", "python3", ".venv/bin/say", ".venv/bin/mpiexec", ".venv/Scripts/say"):
            program = tmp_path / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(f'#!/bin/sh\necho "{name}: $@"\nexec [ "$1" != fail ]\n')
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        environment = os.environ | {"RUNNER_OS": system, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", SCRIPT]
        return subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("+ ")]


def test_the_workflow_runs_what_the_readme_has(run):
    assert said(run(EXAMPLE, "Linux")) == [
        "python3: -m venv .venv",
        ".venv/bin/say: first",
        ".venv/bin/mpiexec: -n 2 .venv/bin/say several",
        ".venv/bin/say: second",
        ".venv/bin/say: third",
    ]


def test_on_windows_it_finds_the_programs_elsewhere(run):
    assert said(run(EXAMPLE, "Windows")) == [
        "python: -m venv .venv",
        ".venv/Scripts/say: first",
        ".venv/Scripts/say: second",
        ".venv/Scripts/say: third",
    ]


@pytest.mark.parametrize("readme", [EXAMPLE.replace("second", "fail"), "no commands"])
def test_it_fails_where_a_command_does_or_there_is_none(run, readme):
    done = run(readme, "Linux")
    assert done.returncode != 0
    assert "third" not in done.stdout.replace("+ .venv/bin/say fail && .venv/bin/say third", "")


def test_no_command_of_the_readme_is_left_out():
    pattern = re.search(r"grep -E '(.*)' README.md", SCRIPT)[1]
    commands = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    assert [line for line in README.splitlines() if re.match(pattern, line)] == commands


def test_the_workflow_tries_the_pythons_that_the_project_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tried = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", WORKFLOW)[1])
    named = [text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r"Python :: 3\.\d", text)]
    assert set(named) <= set(tried)
    assert project["requires-python"] == f">={tried[0]}"


def test_a_report_of_a_bug_says_what_the_machine_is():
    form = (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8")
    assert "`python -m tinygrad_lite`" in form
    assert form.count("required: true") == form.count("type: textarea") == 4


def test_the_rule_in_the_guide_holds(monkeypatch):
    monkeypatch.setattr(registry, "_rules", dict(registry._rules))
    namespace = dict(vars(elementwise))
    for block in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(compile(block, "CONTRIBUTING.md", "exec"), namespace)
    assert tg.prove(namespace["cube"])


def test_what_the_guide_points_to_exists():
    paths = {ROOT / ".github" / target for target in re.findall(r"\]\(([\w./]+)\)", GUIDE)}
    paths |= {ROOT / name for name in re.findall(r"(?:tests|tinygrad_lite)/[\w./]*\w", GUIDE)}
    assert len(paths) > 5
    assert [path for path in paths if not path.exists()] == []
