"""Names for inputs, parameters and layers in a program: their paths in the model.

A program is meant to be read, so ``net.hidden.weight`` is called ``hidden_weight`` there.
"""

from __future__ import annotations

import re

from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor


class Names:
    """The names of the values that a function reaches.

    Parameters
    ----------
    paths : dict of Tensor to str
        The Tensors, each with its name for the user, such as ``net.hidden.weight``.
    modules : dict of Module to str
        The modules, each with its name for the user.
    optimizers : dict of str to Optimizer
        The optimizers by their names for the user.

    Attributes
    ----------
    tensors : dict of Tensor to str
        The names of Tensors; for a parameter, its path in the model.
    layers : dict of Module to str
        The names of the innermost modules.
    """

    def __init__(self, paths: dict[Tensor, str], modules: dict[Module, str], optimizers: dict[str, Optimizer]) -> None:
        self._optimizers = optimizers
        inner = {child for module in modules for _, child in module.named_modules()}
        models = {module: path for module, path in modules.items() if module not in inner}
        # A single model needs no name of its own.
        short = {path: f"{path.rpartition('.')[2]}." if len(models) > 1 else "" for path in models.values()}
        in_model = {x: short[path] + name for model, path in models.items() for name, x in model._named_tensors()}
        self.tensors = {tensor: as_identifier(path) for tensor, path in (paths | in_model).items()}
        self.layers = {
            layer: as_identifier(short[path] + name)
            for model, path in models.items()
            for name, layer in model.named_modules()
            if not any(layer.named_modules())
        }
        # For each beginning of a path, its replacement.
        self._shortened = dict.fromkeys(optimizers, "") | short

    def of(self, path: str) -> str:
        """Return the name of an input that is no part of a Tensor."""
        for outer, prefix in self._shortened.items():
            if path.startswith(f"{outer}."):
                inner = path.removeprefix(f"{outer}.")
                of_state = re.fullmatch(r"state\.(\w+)\.(\d+)", inner)
                if of_state and outer in self._optimizers:
                    return f"{self.tensors[self._optimizers[outer].params[int(of_state[2])]]}_{of_state[1]}"
                return as_identifier(prefix + inner)
        return as_identifier(path)


def as_identifier(path: str) -> str:
    """Return a path as an identifier; a path that begins with a digit is a layer of a sequence."""
    name = re.sub(r"\W", "_", path)
    return f"layer_{name}" if name[:1].isdigit() or not name else name
