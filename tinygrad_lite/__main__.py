"""``python -m tinygrad_lite`` prints the facts about this machine for a bug report: versions, BLAS, devices, extras.

They explain most faults that occur on one machine only, so a bug report begins with them.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from . import __version__
from .compiler.blas import GEMM
from .errors import DeviceError, MissingExtra
from .support.devices import MODULES, module_of
from .support.extras import extra
from .support.formatting import wrapped

# The packages of each extra that users install, as pyproject.toml has them for every system.
EXTRAS = {
    "interop": ("safetensors", "onnx"),
    "mpi": ("mpi4py", "threadpoolctl"),
    "cuda": ("cupy-cuda12x",),
    "sweep": ("joblib",),
    "notebooks": ("jupyterlab", "ipywidgets"),
}
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")  # variables that limit the threads of a BLAS


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the lines, or the help text for ``--help``."""
    argparse.ArgumentParser(
        prog="python -m tinygrad_lite",
        description="Print the facts about this machine that belong in a bug report: version, Python, NumPy, BLAS "
        "and its threads, devices, and the optional packages that are installed.",
    ).parse_args(arguments)
    for subject, said in lines():
        print(f"{subject:15}{wrapped(said, 80 - 15)}".replace("\n", "\n" + 15 * " "))


def lines() -> Iterator[tuple[str, str]]:
    """Yield the subject and the text of each line."""
    yield "tinygrad_lite", __version__
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()}), {platform.platform()}"
    yield "NumPy", np.__version__
    yield "BLAS", f"{_blas()}; {_threads()}"
    yield "products", f"jit adds a product to an array in {'one pass, by gemm' if GEMM else 'two passes'}"
    for device in MODULES:
        yield f"device {device}", _device(device)
    for name, packages in EXTRAS.items():
        found = {package: _version(package) for package in packages}
        listed = ", ".join(f"{package} {there or 'missing'}" for package, there in found.items())
        advice = "" if all(found.values()) else f": pip install 'tinygrad_lite[{name}]'"
        yield f"[{name}]", listed + advice


def _blas() -> str:
    built: Any = np.show_config("dicts")
    blas = built.get("Build Dependencies", {}).get("blas", {})  # a build without a BLAS may lack both
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".rstrip()


def _threads() -> str:
    """Return the number of BLAS threads (if threadpoolctl is installed), of cores, and the variables that are set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    set_by = "".join(f", {name}={os.environ[name]}" for name in THREADS if name in os.environ)
    try:
        pools = extra("threadpoolctl", "mpi", "the number of threads").threadpool_info()
    except MissingExtra:
        return f"{cores} cores{set_by}"
    used = ", ".join(str(pool["num_threads"]) for pool in pools if pool["user_api"] == "blas") or "unknown"
    return f"threads: {used}, on {cores} cores{set_by}"


def _device(name: str) -> str:
    try:
        module = module_of(name)
    except DeviceError as error:
        return str(error)
    return f"by {module.__name__} {module.__version__}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
