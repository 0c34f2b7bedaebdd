"""Exchange of weights with PyTorch: safetensors files with PyTorch's names and layout.

`Module.state_dict` makes names as PyTorch does, so most names agree. A weight that multiplies features has shape
(in, out) here, for ``x @ weight``, and (out, in) in PyTorch, for ``x @ weight.T``; attention stacks three of them.
`LAYOUTS` has the layers whose arrays differ in names or in axes. All others, such as those of convolutions and norms,
are the same in both.

    tg.save_safetensors(net, "net.safetensors")
    tg.load_safetensors(another_net, "net.safetensors")
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from .checkpoint import HEADER, MAX_BYTES
from .errors import DataError
from .nn import (
    GRU,
    LSTM,
    BatchNorm1d,
    BatchNorm2d,
    Buffer,
    GRUCell,
    Linear,
    LSTMCell,
    Module,
    MultiHeadAttention,
    TransformerBlock,
)
from .nn.tree import Tree
from .support.extras import extra
from .support.files import as_path, read_file, write_atomically
from .tensor import Tensor

Arrays = dict[str, np.ndarray[Any, Any]]

Names = dict[str, tuple[str, ...]]
LINEAR: Names = {"weight": ("weight",), "bias": ("bias",)}
ATTENTION: Names = {
    "in_proj_weight": ("query.weight", "key.weight", "value.weight"),
    "in_proj_bias": ("query.bias", "key.bias", "value.bias"),
    "out_proj.weight": ("output.weight",),
    "out_proj.bias": ("output.bias",),
}
CELL: Names = {
    "weight_ih": ("weight_input",),
    "weight_hh": ("weight_hidden",),
    "bias_ih": ("bias_input",),
    "bias_hh": ("bias_hidden",),
}
RECURRENT: Names = {f"{theirs}_l0": (f"cell.{ours}",) for theirs, (ours,) in CELL.items()}
# The layers whose arrays are transposed: their names in PyTorch's layout, and for each the names here; the arrays of
# several names are stacked. Gates have the same order in both.
LAYOUTS: dict[type[Module], Names] = {
    Linear: LINEAR,
    MultiHeadAttention: ATTENTION,
    **dict.fromkeys((GRUCell, LSTMCell), CELL),
    **dict.fromkeys((GRU, LSTM), RECURRENT),
}
# The layers within others that have another name in PyTorch, which calls this one a TransformerEncoderLayer.
RENAMED: dict[type[Module], dict[str, str]] = {
    TransformerBlock: {"self_attn": "attention", "linear1": "net.0", "linear2": "net.2"},
}
# What PyTorch saves and no layer here has: the number of batches counts only if a BatchNorm's momentum is None.
UNUSED: dict[type[Module], tuple[str, ...]] = dict.fromkeys((BatchNorm1d, BatchNorm2d), ("num_batches_tracked",))

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

    The layout is that of the same layers in PyTorch: the weight of a `Linear` is transposed to (out, in), a
    `MultiHeadAttention` has an ``in_proj_weight``, a `TransformerBlock` is a ``TransformerEncoderLayer`` with
    ``norm_first=True`` and ``activation="gelu"``. A PyTorch model with the same layers under the same names loads the
    file like this::

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

    Examples
    --------
    >>> tg.save_safetensors(tg.nn.Linear(2, 3, rng=0), "net.safetensors")
    >>> import safetensors.numpy
    >>> safetensors.numpy.load_file("net.safetensors")["weight"].shape  # (out, in), as in PyTorch
    (3, 2)
    """
    library = extra("safetensors.numpy", "interop", "a safetensors file")
    _check_model(model, "safetensors.numpy.save_file writes a dictionary of arrays")
    state = _to_pytorch(_entries(model), model.state_dict())
    for name, array in state.items():
        if array.dtype.newbyteorder("<") not in DTYPES.values():
            raise TypeError(f"{name} is of {array.dtype}, which safetensors files cannot hold: convert it first")
    write_atomically(path, library.save(state))


def load_safetensors(model: Module, path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> None:
    """Load a model's weights from a safetensors file with PyTorch's names and layout.

    The layout is that of `save_safetensors`. In PyTorch either of these lines writes such a file::

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

    Examples
    --------
    >>> trained, net = tg.nn.Linear(2, 3, rng=0), tg.nn.Linear(2, 3, rng=1)
    >>> tg.save_safetensors(trained, "net.safetensors")
    >>> tg.load_safetensors(net, "net.safetensors")
    >>> bool((net.weight == trained.weight).all())
    True
    """
    _check_model(model, "safetensors.numpy.load_file reads a dictionary of arrays")
    name = str(as_path(path))
    entries = _entries(model)
    expected = _PyTorchLayout(_to_pytorch(entries, model.state_dict()))
    unused = {prefix + name for prefix, names in _of(UNUSED, model) for name in names}
    state = {theirs: array for theirs, array in _read(name, max_bytes).items() if theirs not in unused}
    for names in _shared(model, entries):
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
    model.load_state_dict(_from_pytorch(entries, expected.state_dict()))


def _check_model(model: Any, instead: str) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"the model comes first, then the path, but this is a {type(model).__name__} ({instead})")


class _PyTorchLayout(Module):
    """A model's arrays in PyTorch's layout, with their names: its `load_state_dict` checks a file."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.tensors = {name: Buffer(array) for name, array in state.items()}

    def _children(self) -> Iterator[tuple[str, Tree | Tensor]]:
        return iter(self.tensors.items())


class _Entry(NamedTuple):
    """An array of a file: the names of the arrays here of which it is made, and whether each is transposed."""

    ours: tuple[str, ...]
    transposed: bool


def _of(table: Mapping[type[Module], Any], model: Module) -> list[tuple[str, Any]]:
    """Return what a table has for each module, outer ones first, beside how the names of the module's arrays begin."""
    modules = [("", model), *((f"{path}.", module) for path, module in model.named_modules())]
    return [(prefix, x) for prefix, module in modules for layer, x in table.items() if isinstance(module, layer)]


def _entries(model: Module) -> dict[str, _Entry]:
    """Return what a file of a model holds, by the names in PyTorch's layout."""
    left = dict(model._named_tensors())
    entries: dict[str, _Entry] = {}
    for prefix, layout in _of(LAYOUTS, model):
        for theirs, names in layout.items():
            ours = tuple(prefix + name for name in names)
            if left.keys() >= set(ours):  # there is a bias, and no outer layer has it
                entries[prefix + theirs] = _Entry(ours, transposed=True)
                left = {name: tensor for name, tensor in left.items() if name not in ours}
    entries |= {name: _Entry((name,), transposed=False) for name in left}
    for prefix, names in reversed(_of(RENAMED, model)):  # inner ones first: the outer names are part of theirs
        for theirs, here in names.items():
            entries = {_renamed(name, f"{prefix}{here}.", f"{prefix}{theirs}."): x for name, x in entries.items()}
    return entries


def _renamed(name: str, old: str, new: str) -> str:
    return new + name.removeprefix(old) if name.startswith(old) else name


def _to_pytorch(entries: Mapping[str, _Entry], state: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
    """Convert arrays from this layout to PyTorch's."""

    def array(entry: _Entry) -> np.ndarray[Any, Any]:
        parts = [state[name].T if entry.transposed else state[name] for name in entry.ours]
        whole = np.concatenate(parts) if len(parts) > 1 else parts[0]
        return whole if whole.ndim < 2 else np.ascontiguousarray(whole)  # the format has no strides

    return {theirs: array(entry) for theirs, entry in entries.items()}


def _from_pytorch(entries: Mapping[str, _Entry], state: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
    """Convert arrays from PyTorch's layout to this one."""
    arrays: Arrays = {}
    for theirs, (ours, transposed) in entries.items():
        parts = np.split(state[theirs], len(ours)) if len(ours) > 1 else [state[theirs]]
        arrays |= {name: part.T if transposed else part for name, part in zip(ours, parts, strict=True)}
    return arrays


def _shared(model: Module, entries: Mapping[str, _Entry]) -> list[list[str]]:
    """Return lists of the names in a file that hold the same Tensors in the same layout."""
    tensors = dict(model._named_tensors())
    names: dict[tuple[tuple[int, ...], bool], list[str]] = {}
    for theirs, (ours, transposed) in entries.items():
        names.setdefault((tuple(id(tensors[name]) for name in ours), transposed), []).append(theirs)
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
