"""``python -m tinygrad_lite`` says what a report of a bug should say, whatever is installed."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.devices import standin
from tinygrad_lite import __main__ as machine
from tinygrad_lite.compiler.blas import GEMM
from tinygrad_lite.support import devices, late

PYPROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_command_prints_a_line_for_each_subject():
    done = subprocess.run([sys.executable, "-m", "tinygrad_lite"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    printed = dict(re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines())
    assert printed["tinygrad_lite"] == tg.__version__
    assert printed["Python"].startswith(platform.python_version())
    assert printed["NumPy"] == np.__version__
    assert re.search(r"\d cores", printed["BLAS"])
    assert printed["products"] == f"jit adds a product to an array in {'one pass, by gemm' if GEMM else 'two passes'}"
    assert printed["device cpu"] == f"by numpy {np.__version__}"
    assert {f"[{name}]" for name in machine.EXTRAS} | {"device cuda"} < printed.keys()


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["--colour"], 2)])
def test_help_says_what_it_is_for_and_what_is_not_known_is_refused(arguments, status, capsys):
    with pytest.raises(SystemExit) as stopped:
        machine.main(arguments)
    assert stopped.value.code == status
    printed = capsys.readouterr()
    assert "python -m tinygrad_lite" in printed.out + printed.err
    assert ("BLAS" in printed.out) == (status == 0)


def test_the_extras_are_those_of_the_project():
    declared = {
        name: tuple(re.match(r"[\w-]+", package)[0] for package in packages if ";" not in package)
        for name, packages in PYPROJECT["project"]["optional-dependencies"].items()
        if name not in ("test", "bench")
    }
    assert declared == machine.EXTRAS


def test_what_is_missing_comes_with_the_line_that_brings_it(monkeypatch):
    def version(package):
        if package == "onnx":
            raise metadata.PackageNotFoundError(package)
        return "1.2"

    monkeypatch.setattr(machine, "version", version)
    said = dict(machine.lines())
    assert said["[interop]"] == "safetensors 1.2, onnx missing: pip install 'tinygrad_lite[interop]'"
    assert said["[mpi]"] == "mpi4py 1.2, threadpoolctl 1.2"


def test_a_device_is_named_by_its_package_or_says_why_it_is_not_there(monkeypatch):
    monkeypatch.setitem(devices.MODULES, "standin", "tests.devices.standin")
    monkeypatch.setitem(devices.MODULES, "elsewhere", "no_such_package")
    monkeypatch.setattr(standin, "__version__", "14.0", raising=False)
    said = dict(machine.lines())
    assert said["device standin"] == "by tests.devices.standin 14.0"
    assert "needs no_such_package: pip install" in said["device elsewhere"]


def test_threads_are_those_that_the_blas_has_or_what_the_environment_asks_for(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert re.search(r"; \d+ cores, OPENBLAS_NUM_THREADS=3", dict(machine.lines())["BLAS"])


def test_a_numpy_without_a_blas_is_no_error(monkeypatch):
    monkeypatch.setattr(np, "show_config", lambda mode: {})
    assert dict(machine.lines())["BLAS"].startswith("unknown;")


def test_importing_the_library_loads_neither_matplotlib_nor_the_compiler():
    code = (
        "import sys, tinygrad_lite as tg; print([m for m in sys.modules if m.split('.')[0] == 'matplotlib' or m in %r])"
    )
    later = ["tinygrad_lite.compiler", "tinygrad_lite.proof", "tinygrad_lite.plot", "tinygrad_lite.data", "tqdm", "ssl"]
    loaded = subprocess.run([sys.executable, "-c", code % later], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


def test_what_is_imported_for_later_is_public_and_of_the_type_checkers_list():
    origins = late.imports_for_later("tinygrad_lite")
    assert origins.keys() <= {*tg.__all__} <= {*dir(tg)}
    for name, origin in origins.items():
        assert getattr(tg, name) is late.load(*origin)
