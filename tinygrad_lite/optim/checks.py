"""Checks of what an optimizer is given: its parameters, its options, and the devices that they are on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import DeviceError
from ..nn.functional.checks import is_number
from ..support.devices import device_of
from ..tensor import Tensor

# The options that are numbers of at least 0, and their names in messages.
NUMBERS = {"lr": "the learning rate", **{name: name for name in ("momentum", "weight_decay", "eps", "alpha")}}


def checked_parameters(params: Iterable[Tensor]) -> list[Tensor]:
    """Return the parameters as a list, after the check that they are different Tensors that can be trained."""
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        raise TypeError(
            f"an optimizer takes a list of parameters, such as model.parameters(), not {type(params).__name__}"
        )
    listed = list(params)
    for i, p in enumerate(listed):
        if not isinstance(p, Tensor) or not p.requires_grad:
            hint = ""
            if isinstance(params, Mapping) or isinstance(p, Mapping):
                hint = ": pass a list; groups have an optimizer each: Groups([SGD(a, lr=0.1), SGD(b, lr=0.01)])"
            elif isinstance(p, tuple):
                hint = ": pass model.parameters(), which are without their names"
            raise TypeError(f"parameter {i}, a {type(p).__name__}, is no Tensor that requires a gradient{hint}")
        if p.operation is not None:
            raise TypeError(
                f"parameter {i} is a result of {p.operation.rule.name}, and gradients go to what it was computed "
                "from: pass that"
            )
    if len(set(listed)) < len(listed):
        raise ValueError("a parameter is in the list twice, so each step would change it twice")
    if not listed:
        hint = ": those of a frozen net are trained again after net.freeze(False)"
        if isinstance(params, Iterator):
            hint = ": if it was gone through before, it is used up, so make a list of it first"
        raise ValueError(f"an optimizer needs at least one parameter, but there is none{hint}")
    return listed


def checked_option(name: str, value: Any) -> Any:
    """Return the value of an attribute; check it if the attribute is an option.

    Options become Python numbers, which keep a float32 parameter float32: a NumPy float64 would widen it.
    """
    if name == "betas":
        if np.shape(value) != (2,) or not all(is_number(beta) and 0 <= beta < 1 for beta in value):
            raise ValueError(f"betas must be at least 0 and below 1, not {value}: two numbers such as (0.9, 0.999)")
        return float(value[0]), float(value[1])
    # A tracer that stands for a number while jit records has no value yet, and claims another `__class__`.
    if name not in NUMBERS or type(value) is not value.__class__:
        return value
    if isinstance(value, np.ndarray) and not value.shape:
        value = value.item()  # a state holds numbers as arrays without axes
    try:
        number = float(value) if is_number(value) and not isinstance(value, Tensor) else math.nan
    except OverflowError:
        number = math.inf
    above, limit = ("", math.inf) if name != "alpha" else (" and below 1", 1)
    if not 0 <= number < limit:
        hint = ""
        if isinstance(value, str):
            hint = ": leave out the quotes"
        elif isinstance(value, Tensor):
            hint = ": pass its .item()"
        elif number == math.inf:
            hint = ": a float holds up to about 1.8e308"
        raise ValueError(f"{NUMBERS[name]} must be a number of at least 0{above}, not {value!r:.60}{hint}")
    return number


def check_devices(i: int, p: Tensor, g: Tensor, state: Mapping[str, Mapping[int, Any]]) -> None:
    """Check that a parameter is on one device with its gradient and with its state in the optimizer."""
    arrays = {name: values[i] for name, values in state.items() if i in values and name != "steps"}
    for name, x in {"gradient": g, **arrays}.items():
        if device_of(x) != p.device:
            raise DeviceError(
                f"parameter {i} is on {p.device!r}, but its {name} on {device_of(x)!r}: make the optimizer, and "
                "compute the gradient, after the parameters are moved"
            )
