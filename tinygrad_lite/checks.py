"""The uncommon cases of `apply`: checks of operands, parameters and gradients, and results of special kinds.

A training step runs none of it, since its operands are arrays of one floating type, and its results new arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import as_array, of_whole_numbers
from .engine import Node, is_recording
from .errors import DeviceError, ShapeError, explained
from .rules import Rule
from .support.devices import HOST_TYPES, mixing_error


def expect_floating(dtype: np.dtype[Any]) -> None:
    """Raise unless numbers of a type can require a gradient."""
    if dtype.kind != "f":
        raise TypeError(f"only real floating numbers can require a gradient, not {dtype}: pass dtype='float32'")


def raw_parameter(rule: Rule, i: int, value: Node) -> Any:
    """Return a copy of a Tensor that is a rule's parameter, which has no derivative by it; refuse one with a gradient.

    The Tensor may be changed before the backward pass, so it is copied.
    """
    if value.requires_grad and is_recording():
        raise TypeError(
            f"{rule.name} has no derivative by {rule.params[i]!r}, so a Tensor that requires a gradient would lose it "
            "there: pass .numpy() if that is meant"
        )
    return value._data.copy()


def in_words(
    error: Exception, rule: Rule, inputs: tuple[Any, ...], arrays: Sequence[Any], params: tuple[Any, ...]
) -> Exception:
    """Return the error to raise instead of NumPy's: it names the rule and the operands that do not fit."""
    return _mixing_error(rule, inputs, params) or explained(error, rule.name, [np.shape(a) for a in arrays])


def _mixing_error(rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...] = ()) -> DeviceError | None:
    """Return the error for operands of a rule on different devices, or None. An index may be on any device."""
    operands = {f"input {i}" + (f", {x.name!r}" if getattr(x, "name", None) else ""): x for i, x in enumerate(inputs)}
    others = {name: p for name, p in zip(rule.params, params, strict=True) if name != "index"} if params else {}
    return mixing_error(rule.name, operands | others)


def complete(y: Node, rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...], is_plain: bool) -> None:
    """Complete a result that needs more than its array: it is a view, complex, on a device, or of mixed types."""
    if type(y._data) not in HOST_TYPES:
        y._data = _not_of_numpy(y._data, rule, inputs)
    data = y._data
    memory = data if data.base is None else data.base
    for x in inputs:
        # A view, such as a transpose, and the Tensor it shows share one record of changes in place.
        if isinstance(x, Node) and (x._data is memory or x._data.base is memory):
            x.share_memory(y)
    if y.operation is not None:
        # Complex numbers come from complex operands, whose type differs from the Tensors', or from parameters.
        if data.dtype.kind == "c":
            raise _complex(rule.name)
    elif not is_plain:
        y._data = of_whole_numbers(data, inputs, lambda arrays: rule.compute(arrays, params))


def _not_of_numpy(data: Any, rule: Rule, inputs: tuple[Any, ...]) -> Any:
    """Return a Python number as an array; a device's array as it is, provided all operands were on that device."""
    if not hasattr(data, "base"):
        return np.asarray(data)
    # CuPy accepts some operands of the host, such as scalars, but their gradient would stay on the device.
    error = _mixing_error(rule, inputs)
    if error is not None:
        raise error
    return data


def _complex(what: str) -> TypeError:
    return TypeError(
        f"{what} gives complex numbers, which cannot have a gradient: the rules differentiate real numbers alone. "
        "Compute with the real and the imaginary part as two Tensors, or use .detach() where no gradient is needed"
    )


def cotangent(gradient: Any, y: Any, keep_history: bool, name: str = "gradient") -> Any:
    """Check a given cotangent (or tangent) of ``y``, and return it: a Tensor if its history is kept, else an array."""
    g = gradient
    if not isinstance(g, Node):
        g = type(y)(as_array(g, None if hasattr(g, "dtype") else y.dtype))
    if g.dtype.kind == "c":
        raise _complex(f"the {name}")
    if g.device != y.device:
        raise DeviceError(
            f"the {name} is on {g.device!r}, but its Tensor is on {y.device!r}: move it with .to({y.device!r})"
        )
    if g.shape != y.shape:
        raise ShapeError(f"the {name} has shape {g.shape}, but its Tensor has shape {y.shape}: they must be equal")
    if g.dtype != y.dtype:
        g = g.astype(y.dtype)
    return g if keep_history else g._data
