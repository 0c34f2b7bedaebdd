"""Write models that read digits as web pages: one file, in which one draws a digit and sees what the model makes of it.

The page contains the model's program as JavaScript, its weights, and all else that it needs: it works offline, and can
be sent to a friend.

    tg.export_page(net, sample=images[:1], path="draw.html")
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from ...nn import Module
from ...support.files import write_atomically
from ...support.quantized import quantized
from ..program import Variable
from .batched import Batched, ExportError, batched, evaluating, host, leaves, named_inputs
from .page_source import UNITS, script_of

SIDE = 28  # pixels: the width and height of the picture that the page makes of a drawing
FILES = resources.files(__package__) / "page_files"


def export_page(
    model: Module,
    sample: Any,
    path: str | os.PathLike[str],
    *,
    classes: Sequence[str] = tuple("0123456789"),
    accuracy: float | None = None,
    data: str = "",
    in_bytes: bool = False,
) -> None:
    """Write a model as a web page, in which one draws a digit and sees how the model reads it.

    The page contains the model in evaluation mode; afterwards each module is in its former mode.

    Parameters
    ----------
    model : Module
        The model. It takes pictures of 28×28 pixels, ink 1 on paper 0, and returns the probabilities of the classes.
    sample : array or Tensor
        Some pictures, of shape (n, 784), (n, 28, 28) or (n, 1, 28, 28).
    path : path-like
        The file; it is written completely or not at all.
    classes : sequence of str
        The names of the classes.
    accuracy : float, optional
        The fraction of test pictures that the model reads correctly, which the page tells.
    data : str
        The kind of data that the model has learnt from. The page says so of ``"synthetic"`` ones.
    in_bytes : bool
        True writes one byte a weight, and a scale for each row, so that the file is smaller. See
        `tinygrad_lite.support.quantized`.

    Raises
    ------
    ExportError
        If the model uses an operation that the page does not have, or is no model of pictures. The message names the
        operation and the user's line. `tinygrad_lite.compiler.writers.page_table` lists the primitives.

    Examples
    --------
    >>> net = tg.nn.Sequential(tg.nn.Linear(784, 10, rng=0), tg.nn.Softmax())
    >>> tg.export_page(net, np.zeros((1, 784), np.float32), "draw.html")  # to open in a browser
    """
    if not isinstance(model, Module):
        raise TypeError(f"export_page takes a Module, not {type(model).__name__}: put forward in a class of its own")
    parameters = {path: host(x) for path, x in model._named_tensors()}
    # The page makes pictures of the model's own type.
    real = next((x.dtype for x in parameters.values() if x.dtype.kind == "f"), np.dtype(np.float32))
    inputs = {name: host(x).astype(real) for name, x in named_inputs(sample).items()}
    with evaluating(model):
        program = batched(model, inputs, UNITS)
        _check_kind([x.shape for x in inputs.values()], leaves(model(*inputs.values())), len(classes))
    weight, units = _first_layer(program, parameters) or (None, None)
    script, arrays = script_of(program, units)
    facts = {
        "classes": [*classes],
        "weights": sum(x.size for x in parameters.values()),
        "shape": next(iter(inputs.values())).shape[1:],
        "accuracy": accuracy,
        "data": data,
        "layer": None,
    }
    if weight is not None and units is not None:
        (name,), (count, *map_shape) = (name for name, x in arrays.items() if x is weight), units.shape[1:]
        size, width = math.prod(map_shape), (map_shape or [1])[-1]
        shape = parameters[program.names[weight]].shape
        facts["layer"] = {"weight": name, "shape": shape, "count": count, "size": size, "width": width}
    encoded = {name: _encoded(program.constants[x]) for name, x in arrays.items()}
    if in_bytes:
        weights = {name: _stored(program, x, parameters) for name, x in arrays.items()}
        encoded |= {name: _in_bytes(x, encoded[name]) for name, x in weights.items() if x is not None and x.ndim > 1}
    parts = {
        "program": script.replace("</", "<\\/").replace("<!--", "<\\!--"),  # no text in it may end the script
        "weights": json.dumps(encoded),
        "model": json.dumps(facts).replace("<", "\\u003c"),
    }
    write_atomically(path, _filled(parts).encode())


def _check_kind(shapes: list[tuple[int, ...]], outputs: dict[str, Any], classes: int) -> None:
    """Raise an error unless a model maps pictures to probabilities."""
    if len(shapes) != 1 or shapes[0][1:] not in ((SIDE * SIDE,), (SIDE, SIDE), (1, SIDE, SIDE)):
        raise ExportError(
            f"the page shows pictures of {SIDE}×{SIDE} pixels to the model, and the shape of the sample is "
            f"{', '.join(map(str, shapes))}: give one array of shape (n, {SIDE * SIDE}), (n, {SIDE}, {SIDE}) or "
            f"(n, 1, {SIDE}, {SIDE})"
        )
    for name, output in outputs.items():
        y = host(output)
        is_of_classes = len(outputs) == 1 and y.shape == (len(y), classes) and y.dtype.kind == "f"
        if not is_of_classes or not (np.all(y >= 0) and np.allclose(y.sum(axis=-1), 1, atol=1e-3)):
            raise ExportError(
                f"the page shows the probabilities of {classes} classes, and the model's {name} of shape {y.shape} "
                "holds none: let forward end with .softmax(), or name the classes with classes=…"
            )


def _first_layer(program: Batched, parameters: dict[str, Any]) -> tuple[Variable, Variable] | None:
    """Return the first weight, and what its layer answers: the last result before the second weight.

    None, if a page cannot show them: as columns of a matrix that are pictures, or as kernels and their maps.
    """
    weight, units = None, None
    for i in program.instructions:
        read = [x for x in i.reads if x in program.names and parameters[program.names[x]].ndim > 1]
        if weight is not None and read and program.names[read[0]] != program.names[weight]:
            break
        weight = weight or next(iter(read), None)
        if weight is not None and i.result.is_final and len(i.result.shape) in (2, 4):
            units = i.result
    stored = None if weight is None else _stored(program, weight, parameters)
    if weight is None or units is None or stored is None:
        return None
    is_dense = stored.shape == (SIDE * SIDE, *units.shape[1:])
    is_of_kernels = stored.ndim == len(units.shape) == 4 and len(stored) == units.shape[1]
    return (weight, units) if is_dense or is_of_kernels else None


def _stored(program: Batched, x: Variable, parameters: dict[str, Any]) -> Any:
    """Return the parameter whose numbers an array has, in the same order; None if there is none."""
    parameter = parameters.get(program.names.get(x, ""))
    is_same = parameter is not None and np.array_equal(parameter.ravel(), host(program.constants[x]).ravel())
    return parameter if is_same else None


def _encoded(x: Any) -> dict[str, Any]:
    """Return an array for the page: its shape, and its numbers in base64, little-endian."""
    x = host(x)
    x = x.astype(np.float64) if x.dtype.kind in "iu" and x.dtype != np.int8 else x
    content = np.ascontiguousarray(x, x.dtype.newbyteorder("<")).tobytes()
    return {"shape": x.shape, "type": x.dtype.name, "data": base64.b64encode(content).decode()}


def _in_bytes(x: Any, entry: dict[str, Any]) -> dict[str, Any]:
    """Return an array for the page in bytes, with the shape that its entry has."""
    numbers, scales = quantized(x)
    return {**_encoded(numbers), "shape": entry["shape"], "scales": [float(f"{scale:.9g}") for scale in scales]}


def _filled(parts: dict[str, str]) -> str:
    """Return the page: the template with the parts, and with the files that it names."""

    def part(field: re.Match[str]) -> str:
        return parts[field[1]] if field[1] in parts else (FILES / field[1]).read_text(encoding="utf-8")

    return re.sub(r"\{\{([\w.]+)\}\}", part, (FILES / "page.html").read_text(encoding="utf-8"))
