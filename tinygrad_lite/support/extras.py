"""Packages that not everyone needs: imported where they are used, named where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import MissingExtra


def extra(module: str, name: str, user: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        The module: ``"safetensors.numpy"``.
    name : str
        The extra that brings its package.
    user : str
        What needs it, for the error.

    Raises
    ------
    MissingExtra
        If it cannot be imported: says what needs it, and what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(f"{user} needs {module}: pip install 'tinygrad_lite[{name}]' ({error})") from error
