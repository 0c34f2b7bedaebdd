"""Exchange of weights with PyTorch: safetensors files with PyTorch's names and layout.

`Module.state_dict` makes names as PyTorch does, so the names agree. The layout differs in one point only: the weight of
a `Linear` has shape (in, out) here, for ``x @ weight``, and (out, in) in PyTorch, for ``x @ weight.T``. Saving and
loading transpose it; all other arrays stay as they are.

    tg.save_safetensors(net, "net.safetensors")
    tg.load_safetensors(another_net, "net.safetensors")
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .checkpoint import HEADER, MAX_BYTES
from .errors import DataError
from .nn import Buffer, Linear, Module
from .nn.tree import Tree
from .support.extras import extra
from .support.files import as_path, read_file, write_atomically
from .tensor import Tensor

Arrays = dict[str, np.ndarray[Any, Any]]

ZIP_MAGIC = b"PK"
BFLOAT16 = "BF16"
# The format's names for NumPy's types. The numbers are little-endian.
DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}


def save_safetensors(model: Module, path: str | os.PathLike[str]) -> None:
    """Write a model's weights to a safetensors file, with PyTorch's names and layout.

    The weight of a `Linear` is transposed to (out, in). A PyTorch model with the same layers under the same names loads
    the file like this::

        state = safetensors.torch.load_file("net.safetensors")
        model.load_state_dict(state)

    A layer used in several places is written under each of its names, as in PyTorch's ``state_dict``.

    Parameters
    ----------
    model : Module
        The model, whose parameters and buffers are written.
    path : path-like
        The file. It is written whole or not at all.

    Raises
    ------
    TypeError
        If the format lacks the type of a Tensor, or ``model`` is not a Module.
    OSError
        If the file cannot be written; an old one stays.
    MissingExtra
        If the package safetensors is not installed.
    """
    library = extra("safetensors.numpy", "interop", "a safetensors file")
    _check_model(model, "safetensors.numpy.save_file writes a dictionary of arrays")
    state = _other_layout(model, model.state_dict())
    for name, array in state.items():
        if array.dtype.newbyteorder("<") not in DTYPES.values():
            raise TypeError(f"{name} is of {array.dtype}, which safetensors files cannot hold: convert it first")
    write_atomically(path, library.save(state))


def load_safetensors(model: Module, path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> None:
    """Load a model's weights from a safetensors file with PyTorch's names and layout.

    The weight of a `Linear` is transposed to (in, out). In PyTorch either of these lines writes such a file::

        safetensors.torch.save_model(model, "net.safetensors")
        safetensors.torch.save_file(model.state_dict(), "net.safetensors")

    The first line writes a layer used in several places only once, under one of its names, which is enough here.

    Parameters
    ----------
    model : Module
        A model with the same layers under the same names. Its Tensors keep their types, and the numbers are converted;
        float32 holds bfloat16 and float16 exactly.
    path : path-like
        The file.
    max_bytes : int, optional
        The size limit of the file.

    Raises
    ------
    DataError
        If the file does not exist, is of another format, too large or damaged, or holds a type or shape that NumPy
        lacks. Also if names are missing or unknown, or shapes differ: the message lists all, with the shapes in
        PyTorch's layout. The model stays unchanged.
    MissingExtra
        If the package safetensors is not installed.
    """
    _check_model(model, "safetensors.numpy.load_file reads a dictionary of arrays")
    name = str(as_path(path))
    expected = _PyTorchLayout(_other_layout(model, model.state_dict()))
    state = _read(name, max_bytes)
    for names in _shared(model):
        found = next((state[one] for one in names if one in state), None)
        if found is not None:
            state = dict.fromkeys(names, found) | state
    try:
        expected.load_state_dict(state)
    except ValueError as error:
        problems = str(error).partition(": ")[2]
        raise DataError(
            f"{name} does not fit this {type(model).__name__}, with shapes as PyTorch has them: {problems}. "
            "Build the model with the layers and names of the file"
        ) from None
    model.load_state_dict(_other_layout(model, expected.state_dict()))


def _check_model(model: Any, instead: str) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"the model comes first, then the path, but this is a {type(model).__name__} ({instead})")


class _PyTorchLayout(Module):
    """A model's arrays in PyTorch's layout, with their names: its `load_state_dict` checks a file."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.tensors = {name: Buffer(array) for name, array in state.items()}

    def _children(self) -> Iterator[tuple[str, Tree | Tensor]]:
        return iter(self.tensors.items())


def _linear_weights(model: Module) -> set[str]:
    """Return the names of the weights that PyTorch stores transposed."""
    modules = [("", model), *((f"{path}.", module) for path, module in model.named_modules())]
    return {f"{prefix}weight" for prefix, module in modules if isinstance(module, Linear)}


def _other_layout(model: Module, state: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
    """Convert arrays from this layout to PyTorch's, or back: a second transposition undoes the first."""
    transposed = _linear_weights(model)
    # Contiguous, because the format has no strides.
    return {name: np.ascontiguousarray(x.T) if name in transposed else x for name, x in state.items()}


def _shared(model: Module) -> list[list[str]]:
    """Return lists of the names of one Tensor; names of a transposed and of another layout are in separate lists."""
    transposed = _linear_weights(model)
    names: dict[tuple[int, bool], list[str]] = {}
    for name, tensor in model._named_tensors():
        names.setdefault((id(tensor), name in transposed), []).append(name)
    return list(names.values())


def _read(path: str, max_bytes: int) -> Arrays:
    """Return the arrays in a safetensors file by name, in the layout of the file."""
    library = extra("safetensors", "interop", "a safetensors file")
    content = read_file(path, max_bytes)
    if content.startswith(ZIP_MAGIC):
        raise DataError(
            f"{path}: expected a safetensors file, found a zip archive, as checkpoint.save and torch.save write. "
            "Read it with checkpoint.load or torch.load, and write the model with save_safetensors or "
            "safetensors.torch.save_model"
        )
    try:
        entries = library.deserialize(content)
    except library.SafetensorError as error:
        raise DataError(
            f"{path}: expected a safetensors file, found something else or a damaged one ({error}). Write it again"
        ) from None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    if HEADER in (header.get("__metadata__") or {}):
        raise DataError(
            f"{path}: expected the weights of one model, found a checkpoint. Read it with checkpoint.load, and write "
            "the model with save_safetensors"
        )
    if strange := [name for name, _ in entries if not name.isprintable()]:
        raise DataError(f"{path}: expected names of weights, found {strange[0]!r}. Write it again")
    return {name: _array(path, name, entry) for name, entry in entries}


def _array(path: str, name: str, entry: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    data, kind, shape = entry["data"], entry["dtype"], entry["shape"]
    if kind != BFLOAT16 and kind not in DTYPES:
        raise DataError(
            f"{path}: {name!r} is of type {kind}, which NumPy does not have. Convert it in PyTorch before it is saved, "
            "as in model.float()"
        )
    try:
        if kind == BFLOAT16:
            # A bfloat16 is the upper half of a float32.
            halves = np.frombuffer(data, "<u2").astype(np.uint32)
            return (halves << 16).view(np.float32).reshape(shape)
        return np.frombuffer(data, DTYPES[kind]).reshape(shape)
    except ValueError as error:  # more than 64 axes, or huge ones beside an empty one
        raise DataError(f"{path}: {name!r} has a shape that NumPy cannot hold ({error}). Write it again") from None
