"""Imports that wait until a name is used, so that to import the library takes little longer than to import NumPy.

A package writes such imports in a block ``if TYPE_CHECKING:``, where readers, editors and type checkers find them. This
module reads the block, so that no second list of the names is needed.

Examples
--------
>>> origins = imports_for_later("tinygrad_lite")
>>> origins["jit"]
('tinygrad_lite.compiler', 'jit')
>>> load(*origins["jit"]).__name__
'jit'
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from typing import Any


def imports_for_later(package: str) -> dict[str, tuple[str, str]]:
    """Return the module and the name of each import in the block ``if TYPE_CHECKING:`` of a package.

    The name is that of a submodule, too, as in ``from . import data``.
    """
    spec: Any = sys.modules[package].__spec__
    blocks = [node for node in ast.parse(spec.loader.get_source(package)).body if isinstance(node, ast.If)]
    return {
        alias.name: (f"{package}.{statement.module}" if statement.module else package, alias.name)
        for block in blocks
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def load(module: str, name: str) -> Any:
    """Import a name from a module, or a submodule of that name."""
    found = vars(import_module(module)).get(name)
    return import_module(f"{module}.{name}") if found is None else found
