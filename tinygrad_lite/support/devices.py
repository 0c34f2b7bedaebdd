"""Where arrays live: on the CPU in NumPy's arrays, or on a GPU in CuPy's.

A device is the module of its arrays. CuPy's answer NumPy's protocols, so that the rules compute wherever their
operands are; what is made anew, such as a mask, is put beside them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DeviceError

# The module whose `ndarray` holds a device's arrays, by the name of the device. But for NumPy they are as CuPy is.
MODULES = {"cpu": "numpy", "cuda": "cupy"}

# The packages that CuPy brings, or brings in.
BESIDE_CUPY = ("cupyx", "cupy_backends", "cuda")

# NumPy's own arrays and scalars: the types of almost every result.
HOST_TYPES = frozenset({np.ndarray, *np.sctypeDict.values()})


def device_of(x: Any) -> str:
    """Return the name of the device on which an array, or the array of a Tensor, lives; "cpu" for all else."""
    array = getattr(x, "_data", x)
    module = type(array).__module__
    for name, known in MODULES.items():
        if known == module:
            return name
    # What stands for an array while a program is recorded is where that is.
    return device_of(array.__traced__) if hasattr(type(array), "__traced__") else "cpu"


def is_array(x: Any) -> bool:
    """Return whether something is an array of some device. Scalars and Tensors are none."""
    # Not isinstance: what stands for an array while a program is recorded passes for one there.
    cls = type(x)
    return issubclass(cls, np.ndarray) or (cls.__name__ == "ndarray" and cls.__module__ in MODULES.values())


def random_modules() -> tuple[str, ...]:
    """Return the names of the modules that draw random numbers on devices other than the CPU, of those in use."""
    return tuple(f"{name}.random" for name in MODULES.values() if name != "numpy" and name in sys.modules)


def is_of_a_device(module: str) -> bool:
    """Return whether a module, by its name, belongs to what computes on a device other than the CPU."""
    libraries = [name for name in MODULES.values() if name != "numpy"]
    return f"{module}.".startswith(tuple(f"{name}." for name in (*libraries, *BESIDE_CUPY)))


def scatter_add(y: Any, index: Any, x: Any) -> None:
    """Add ``x`` to an array at an index, as often as that names an element; CuPy's arrays refuse ``np.add.at``."""
    (module_of(device_of(y)) if is_array(y) else np).add.at(y, index, x)


def share_memory(a: Any, b: Any) -> bool:
    """Return whether two arrays may share memory; those of different devices never do."""
    return device_of(a) == device_of(b) and bool(np.may_share_memory(a, b))


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
    record = getattr(type(array), "__moved__", None)
    if record is not None:
        return record(array, device)
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
