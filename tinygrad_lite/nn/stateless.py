"""Calls of a module with other parameters than its own: a module as a function of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import raw
from ..errors import ShapeError
from ..rules import elementwise
from ..tensor import Tensor, apply
from .module import Module


def functional_call(module: Module, parameters: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call a module with other values in place of some of its parameters and buffers.

    So a model is differentiated by its parameters as by an argument, with `tinygrad_lite.grad`, `jvp` or `hessian`.

    Parameters
    ----------
    module : Module
    parameters : dict of str to Tensor or array
        The values, by the paths that `Module.state_dict` has. Gradients flow to Tensors among them.
    *args, **kwargs
        The arguments of the call.

    Raises
    ------
    KeyError
        If the module has no parameter or buffer of such a path.
    ShapeError
        If a value has another shape.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> net = tg.nn.Linear(1, 1, rng=0)
    >>> x = tg.Tensor([[3.0]])
    >>> tg.grad(lambda w: functional_call(net, {"weight": w}, x).sum())(tg.Tensor([[2.0]]))
    Tensor([[3.]], dtype=float32)
    """
    own = dict(module._named_tensors())
    stand_ins: dict[Tensor, Tensor] = {}
    for path, value in parameters.items():
        if path not in own:
            raise KeyError(f"{type(module).__name__} has no parameter {path!r}; there are {', '.join(own)}")
        if np.shape(raw(value)) != own[path].shape:
            raise ShapeError(
                f"parameter {path!r} has shape {own[path].shape}, but the given value {np.shape(raw(value))}"
            )
        stand_in = apply(elementwise.identity, (value if isinstance(value, Tensor) else Tensor(value),))
        stand_in._role = own[path]._role
        stand_ins[own[path]] = stand_in
    before: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for tree in (module, *(child for _, child in module.named_modules())):
            attributes = vars(tree)
            for name, value in [*attributes.items()]:
                replaced = _replaced(value, stand_ins)
                if replaced is not value:
                    before.append((attributes, name, value))
                    attributes[name] = replaced
        return module(*args, **kwargs)
    finally:
        for attributes, name, value in before:
            attributes[name] = value


def _replaced(value: Any, stand_ins: Mapping[Tensor, Tensor]) -> Any:
    """Return a value with Tensors in it replaced; the value itself if none of them is in it."""
    if isinstance(value, Tensor):
        return stand_ins.get(value, value)
    if isinstance(value, dict):
        parts = {key: _replaced(x, stand_ins) for key, x in value.items()}
        return parts if any(parts[key] is not x for key, x in value.items()) else value
    if type(value) in (list, tuple):
        items = [_replaced(x, stand_ins) for x in value]
        return type(value)(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value
