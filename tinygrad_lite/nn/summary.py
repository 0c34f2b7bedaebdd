"""A module as a table: its layers, the shapes of their state, and how many numbers are trained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ..support.formatting import table, wrapped
from ..support.observer import MODULE, Observer, under_way
from ..tensor import Tensor
from .tree import Tree, is_state

WIDEST = 40  # of the column of shapes, so that the table fits a terminal


def summary(model: Tree, modules: Sequence[tuple[str, Tree]]) -> str:
    """Return the table of a model and the modules below it, which are given with their paths."""
    rows = [("layer", "type", "shapes", "parameters")]
    for name, module in [("", model), *modules]:
        tensors = [(path, x) for path, x in module._children() if isinstance(x, Tensor) and is_state(x)]
        is_inner = not name or any(path.startswith(f"{name}.") for path, _ in modules)
        if tensors or not is_inner:
            shapes = ", ".join(f"{path}~{'×'.join(map(str, tensor.shape))}" for path, tensor in tensors)
            first, *others = wrapped(shapes, WIDEST).replace("~", " ").split("\n")
            count = sum(tensor.size for _, tensor in tensors if tensor.requires_grad)
            rows += [(name, type(module).__name__, first, f"{count:,}"), *(("", "", line, "") for line in others)]
    rows.append(("total", "", "", f"{sum(parameter.size for parameter in model.parameters()):,}"))
    return f"{type(model).__name__}\n{table(rows, right=[3])}"


# By the name of a rule, how many products are added up for one element of its result.
SUMMED: dict[str, Callable[..., int]] = {
    "matmul": lambda a, b: a.shape[-1],
    "linear": lambda a, b, c: a.shape[-1],
    "conv2d": lambda x, w: math.prod(w.shape[1:]),
}


class Costs(Observer):
    """Notes the output's shape of each module that runs, and how many products its rules compute."""

    def __init__(self) -> None:
        self.shapes: dict[Any, tuple[int, ...]] = {}
        self.products: Counter[Any] = Counter()

    def applied(self, rule: Any, inputs: Any, arrays: Any, y: Any) -> None:
        """Count the products of a rule for the innermost module."""
        module = next((step.of for step in under_way() if step.kind == MODULE), None)
        if module is not None and rule.name in SUMMED:
            self.products[module] += y.size * SUMMED[rule.name](*arrays)

    def ran(self, module: Any, y: Any) -> None:
        """Note the shape of an output; of several outputs, that of the first."""
        first = y[0] if isinstance(y, tuple) else y
        self.shapes[module] = tuple(getattr(first, "shape", ()))


def summary_of_costs(model: Tree, modules: Sequence[tuple[str, Tree]], costs: Costs) -> str:
    """Return the table of a model and the modules below it, with the shapes and the work of one call."""
    rows = [("layer", "type", "output", "parameters", "multiply-adds")]
    for name, module in modules:
        own = [x for _, x in module._children() if isinstance(x, Tensor) and is_state(x) and x.requires_grad]
        is_inner = any(path.startswith(f"{name}.") for path, _ in modules)
        if own or costs.products[module] or not is_inner:
            shape = "×".join(map(str, costs.shapes.get(module, ())))
            rows.append(
                (name, type(module).__name__, shape, f"{sum(x.size for x in own):,}", f"{costs.products[module]:,}")
            )
    total = sum(parameter.size for parameter in model.parameters())
    rows.append(("total", "", "", f"{total:,}", f"{costs.products.total():,}"))
    return f"{type(model).__name__}\n{table(rows, right=[3, 4])}"
