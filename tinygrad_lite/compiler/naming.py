"""Names for inputs, parameters and layers in a program: their paths in the model.

A program is meant to be read, so ``net.hidden.weight`` is called ``hidden_weight`` there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor

if TYPE_CHECKING:
    from .environment import Environment, Input


class Names:
    """The names of the values that a function reaches.

    Parameters
    ----------
    state : Environment
        The values.

    Attributes
    ----------
    tensors : dict of Tensor to str
        The names of Tensors; for a parameter, its path in the model.
    layers : dict of Module to str
        The names of the innermost modules.
    """

    def __init__(self, state: Environment) -> None:
        self._optimizers = state.optimizers
        self._models = _models(state.modules)
        in_model = {tensor: path + name for _, path, model in self._models for name, tensor in model._named_tensors()}
        self.tensors = {tensor: _as_identifier(path) for tensor, path in (state.paths | in_model).items()}
        self.layers = {
            layer: _as_identifier(path + name)
            for _, path, model in self._models
            for name, layer in model.named_modules()
            if not any(layer.named_modules())
        }

    def of(self, found: Input) -> str:
        """Return the name of an input."""
        holder = found.place.holder
        if found.owner is not None:
            return f"{self.tensors[found.owner]}_grad"
        if isinstance(holder, Tensor):
            return self.tensors[holder]
        for path, optimizer in self._optimizers.items():
            if found.path.startswith(f"{path}."):
                return self._in_optimizer(found.path.removeprefix(f"{path}."), optimizer)
        for reached_as, path, _ in self._models:
            if found.path.startswith(f"{reached_as}."):
                return _as_identifier(path + found.path.removeprefix(f"{reached_as}."))
        return _as_identifier(found.path)

    def _in_optimizer(self, path: str, optimizer: Optimizer) -> str:
        """Return the name of an optimizer's option, or of its state for a parameter, such as ``state.momentum.0``."""
        kind, *rest = path.split(".")
        if kind == "state":
            return f"{self.tensors[optimizer.params[int(rest[1])]]}_{rest[0]}"
        return _as_identifier(path)


def _models(modules: dict[Module, str]) -> list[tuple[str, str, Module]]:
    """Return the outermost modules: each with its path for the user and the prefix for the names of its parts."""
    inner = {child for module in modules for _, child in module.named_modules()}
    models = [(path, module) for module, path in modules.items() if module not in inner]
    several = len(models) > 1
    return [(path, f"{path.rpartition('.')[2]}." if several else "", model) for path, model in models]


def _as_identifier(path: str) -> str:
    """Return a path as an identifier; a path that begins with a digit is a layer of a sequence."""
    name = re.sub(r"\W", "_", path)
    return f"layer_{name}" if name[:1].isdigit() or not name else name
