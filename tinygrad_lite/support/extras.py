"""Optional packages: the library imports them only where it uses them.

So most users need not install them, and a missing package gives an error that says what to install.

    onnx = extra("onnx", "interop", "export_onnx")
"""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import MissingExtra


def extra(module: str, name: str, user: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        The module, such as ``"safetensors.numpy"``.
    name : str
        The extra of tinygrad_lite that installs its package.
    user : str
        The part of the library that needs it, for the message.

    Raises
    ------
    MissingExtra
        If the import fails. The message says what needs the module, and what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(f"{user} needs {module}: pip install 'tinygrad_lite[{name}]' ({error})") from error
