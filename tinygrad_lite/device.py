"""Where arrays live: on the CPU in NumPy's arrays, or on a GPU in CuPy's.

A device is the module of its arrays. CuPy's answer NumPy's protocols, so that the rules compute wherever their
operands are; what is made anew, such as a mask, is put beside them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import DeviceError

# The module whose `ndarray` holds a device's arrays, by the name of the device. But for NumPy they are as CuPy is.
MODULES = {"cpu": "numpy", "cuda": "cupy"}

# NumPy's own arrays and scalars: the types of almost every result.
HOST_TYPES = frozenset({np.ndarray, *np.sctypeDict.values()})


def device_of(x: Any) -> str:
    """Return the name of the device on which an array, or the array of a Tensor, lives; "cpu" for all else."""
    module = type(getattr(x, "_data", x)).__module__
    return next((name for name, known in MODULES.items() if known == module), "cpu")


def module_of(device: str) -> Any:
    """Return the module of a device's arrays.

    Raises
    ------
    DeviceError
        If there is no such device, its module is not installed, or it finds no GPU: says which, and what to do.
    """
    if device not in MODULES:
        raise DeviceError(f"there is no device {device!r}: the devices are {', '.join(map(repr, MODULES))}")
    name = MODULES[device]
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise DeviceError(
            f"the device {device!r} needs {name}: pip install 'tinygrad_lite[{device}]' ({error})"
        ) from error
    if module is not np and not module.cuda.is_available():
        raise DeviceError(f"{name} finds no GPU that it can use on this machine: stay on the device 'cpu'")
    return module


def moved(array: Any, device: str) -> Any:
    """Return an array on a device: itself if it is there already, else a copy.

    Raises
    ------
    DeviceError
        If the device cannot be used.
    """
    source = device_of(array)
    if source == device:
        return array
    return module_of(device).asarray(array if source == "cpu" else array.get())


def beside(x: Any, array: Any) -> Any:
    """Return an array that was made on the CPU where an array or Tensor is, to be computed with it."""
    return moved(array, device_of(x))


def mixing_error(operation: str, operands: Mapping[str, Any]) -> DeviceError | None:
    """Return the error about arrays that are not on one device, None if they are.

    Parameters
    ----------
    operation : str
        What was to be computed.
    operands : mapping of str to object
        Its operands, by what a message calls them. Numbers, NumPy's too, are at home everywhere.
    """
    places = {
        name: device_of(x) for name, x in operands.items() if hasattr(x, "shape") and not isinstance(x, np.generic)
    }
    if len({*places.values()}) < 2:
        return None
    listed = ", ".join(f"{name}, of shape {operands[name].shape}, is on {place!r}" for name, place in places.items())
    other = next(place for place in places.values() if place != "cpu")
    return DeviceError(
        f"{operation} of operands on different devices: {listed}. Move them to one: x.to({other!r}) of a Tensor or "
        f"module, tg.Tensor(x).to({other!r}) of an array"
    )
