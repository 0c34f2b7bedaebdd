"""A module as a table: its layers, the shapes of their state, and how many numbers are trained."""

from __future__ import annotations

from collections.abc import Sequence

from ..support.formatting import table
from ..tensor import Tensor
from .tree import Tree, is_state


def summary(model: Tree, modules: Sequence[tuple[str, Tree]]) -> str:
    """Return the table of a model and the modules below it, which are given with their paths."""
    rows = [("layer", "type", "shapes", "parameters")]
    for name, module in [("", model), *modules]:
        tensors = [(path, x) for path, x in module._children() if isinstance(x, Tensor) and is_state(x)]
        is_inner = not name or any(path.startswith(f"{name}.") for path, _ in modules)
        if tensors or not is_inner:
            shapes = ", ".join(f"{path} {'×'.join(map(str, tensor.shape))}" for path, tensor in tensors)
            count = sum(tensor.size for _, tensor in tensors if tensor.requires_grad)
            rows.append((name, type(module).__name__, shapes, f"{count:,}"))
    rows.append(("total", "", "", f"{sum(parameter.size for parameter in model.parameters()):,}"))
    return f"{type(model).__name__}\n{table(rows, right=[3])}"
