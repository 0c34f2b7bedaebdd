"""Devices: arrays on the CPU are NumPy's, arrays on a GPU are CuPy's.

CuPy's arrays support NumPy's protocols, so that the same rule computes on the device of its operands. Only a new array,
such as a mask, needs a move to their device: see `beside`.

Examples
--------
>>> device_of(np.zeros(2))
'cpu'
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DeviceError

# For each device the module whose `ndarray` is its type of array. All but NumPy have the interface of CuPy.
MODULES = {"cpu": "numpy", "cuda": "cupy"}

# The packages that belong to CuPy, and those that it imports.
BESIDE_CUPY = ("cupyx", "cupy_backends", "cuda")

# NumPy's own arrays and scalars: the types of almost every result.
HOST_TYPES = frozenset({np.ndarray, *np.sctypeDict.values()})


def device_of(x: Any) -> str:
    """Return the name of the device of an array or Tensor; "cpu" for any other object."""
    array = getattr(x, "_data", x)
    module = type(array).__module__
    for name, known in MODULES.items():
        if known == module:
            return name
    # A tracer, which stands for an array while jit records, is on the device of that array.
    return device_of(array.__traced__) if hasattr(type(array), "__traced__") else "cpu"


def is_array(x: Any) -> bool:
    """Return True for an array of any device, False for a scalar, a Tensor or a tracer."""
    # Not isinstance, which a tracer of jit would pass.
    cls = type(x)
    return issubclass(cls, np.ndarray) or (cls.__name__ == "ndarray" and cls.__module__ in MODULES.values())


def random_modules() -> tuple[str, ...]:
    """Return the names of the modules that draw random numbers on devices other than the CPU, if imported."""
    return tuple(f"{name}.random" for name in MODULES.values() if name != "numpy" and name in sys.modules)


def is_of_a_device(module: str) -> bool:
    """Return True for the name of a module of a library that computes on a device other than the CPU."""
    libraries = [name for name in MODULES.values() if name != "numpy"]
    return f"{module}.".startswith(tuple(f"{name}." for name in (*libraries, *BESIDE_CUPY)))


def scatter_add(y: Any, index: Any, x: Any) -> None:
    """Add ``x`` to an array at an index, also repeatedly to one element; CuPy's arrays refuse ``np.add.at``."""
    (module_of(device_of(y)) if is_array(y) else np).add.at(y, index, x)


def add_rows(y: Any, index: Any, x: Any) -> None:
    """Add ``x`` to many rows of zeros, sorted by their place: `numpy.add.at` takes five times as long."""
    places = np.arange(len(y))[index].ravel()  # none of them negative
    order = np.argsort(places, kind="stable")
    found, starts = np.unique(places[order], return_index=True)
    y[found] = np.add.reduceat(x.reshape((places.size, *y.shape[1:]))[order], starts)


def share_memory(a: Any, b: Any) -> bool:
    """Return True if two arrays may share memory, which needs the same device."""
    return device_of(a) == device_of(b) and bool(np.may_share_memory(a, b))


def module_of(device: str) -> Any:
    """Return the module of a device's arrays.

    Raises
    ------
    DeviceError
        If there is no such device, its module is not installed, or it finds no GPU. The message says what to do.
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


def to_device(array: Any, device: str) -> Any:
    """Return an array on a device: the array itself if it is there already, else a copy.

    Raises
    ------
    DeviceError
        If the device cannot be used.
    """
    source = device_of(array)
    if source == device:
        return array
    record = getattr(type(array), "__to_device__", None)
    if record is not None:
        return record(array, device)
    return module_of(device).asarray(array if source == "cpu" else array.get())


def on_device_of(x: Any, array: Any) -> Any:
    """Return an array on the device of ``x``, an array or Tensor, so that the two can be operands of one rule."""
    return to_device(array, device_of(x))


def mixing_error(operation: str, operands: Mapping[str, Any]) -> DeviceError | None:
    """Return the error about operands on different devices; None if all are on one.

    Parameters
    ----------
    operation : str
        The name of the operation, for the message.
    operands : mapping of str to object
        The operands, by their names in the message. Numbers, also NumPy's, count for no device.
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
