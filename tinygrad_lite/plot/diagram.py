"""A Tensor's graph as boxes with texts, and edges: the common basis of the picture and of the Mermaid and DOT texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formulas.graph import Graph, backward_steps
from ..formulas.values import AppliedModule, Name, Step, Value, shape_text
from .chinese import words
from .style import BLUE, INK, PAPER, VERMILION

SMALL = 6  # elements: the numbers of a vector up to this length are shown
FEW = 6  # operands: a longer list is shortened with an ellipsis
LONGEST = 24  # characters of a name or a parameter
LINE = 36  # characters in a line of an array
COLOURS = {  # for each kind of box: its fill, its frame and its text
    "input": (PAPER, "#999999", INK),
    "parameter": ("#F7E2D1", VERMILION, INK),
    "result": ("#DCECF5", BLUE, INK),
    "output": (BLUE, "white", "white"),
    "loss": (BLUE, "white", "white"),
}


@dataclass(frozen=True)
class Box:
    """A value in a diagram, or all results of a folded module.

    Attributes
    ----------
    kind : str
        A key of `COLOURS`. The last box is the loss if it is a single number, else the output.
    operation : str or None
        The operation that computed it, or the path of the folded module; None for a leaf.
    name : Name
        Its name; of a folded module, those of all its results.
    numbers : str
        An equals sign and its elements, if it is a number or a short vector, else empty.
    details : list of str
        Its shape, if the elements are not shown; its path, if it has one; its gradient, if that is shown. Of a folded
        module its type, the shapes of what it is given and returns, and the number of its parameters.
    """

    kind: str
    operation: str | None
    name: Name
    numbers: str
    details: list[str]

    @property
    def lines(self) -> list[str]:
        """Its plain text: the operation, the name with the numbers, and the details."""
        operation = [] if self.operation is None else [self.operation]
        return "\n".join([*operation, shortened(self.name.text) + self.numbers, *self.details]).split("\n")


@dataclass(frozen=True)
class Diagram:
    """Boxes, and edges as pairs of indices; the edges to one box are consecutive, in the order of its operands."""

    boxes: list[Box]
    edges: list[tuple[int, int]]


def diagram(graph: Graph) -> Diagram:
    """Return the diagram of a graph. The parameters of a folded module have no box of their own."""
    gradients = _gradients(graph)
    folded = {step.parameters for step in graph.steps if isinstance(step, AppliedModule)}
    leaves = [leaf for leaf in graph.leaves if leaf not in folded]
    boxes = [_box(leaf, None, graph.result, gradients) for leaf in leaves]
    number = {leaf: i for i, leaf in enumerate(leaves)}
    edges = []
    for step in graph.steps:
        edges += [(number[x], len(boxes)) for x in (*step.operands, *step.indices) if isinstance(x, Value)]
        number |= dict.fromkeys(step.results, len(boxes))
        boxes.append(_box(step.results[0], step, graph.result, gradients))
    return Diagram(boxes, edges)


def _box(value: Value, step: Step | None, result: Value, gradients: dict[Value, Any]) -> Box:
    if value is result:
        kind = "loss" if np.size(value.array) == 1 else "output"
    elif step is not None:
        kind = "result"
    else:
        kind = "parameter" if value.requires_grad else "input"
    is_small = _is_small(value)
    if isinstance(step, AppliedModule):
        details = _details(step)
    else:
        details = [] if is_small else [shape_text(np.shape(value.array))]
    if value.path not in (None, value.name.word):
        details.append(shortened(value.path))
    if value in gradients:
        gradient = f"∂{shortened(result.name.text)}/∂{shortened(value.name.text)}"
        details.append(f"{gradient} = {_numbers(gradients[value])}")
    numbers = f" = {_numbers(value.array)}" if is_small else ""
    others = [] if step is None else [y.name.text for y in step.results[1:]]
    name = Name(", ".join([value.name.text, *others])) if others else value.name
    return Box(kind, None if step is None else _operation(step), name, numbers, details)


def _details(module: AppliedModule) -> list[str]:
    """Return the lines below the name of a folded module's result."""
    given, returned = (
        shortened(", ".join(shape_text(np.shape(x.array)) for x in values), LINE)
        for values in (module.operands, module.results)
    )
    count = [] if module.parameters is None else [words("{count:,} parameters", count=np.size(module.parameters.array))]
    return [shortened(module.kind), f"{given} → {returned}", *count]


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return a text in one line, cut off with an ellipsis after `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _is_small(value: Value) -> bool:
    size = np.size(value.array)
    return size == 1 or (np.ndim(value.array) == 1 and 0 < size <= SMALL)


def _gradients(graph: Graph) -> dict[Value, Any]:
    """Return the derivatives of the result by all small values; empty if the result is not a single number."""
    shown = {value for value in graph.values if _is_small(value) and value.requires_grad} - {graph.result}
    if not shown or np.size(graph.result.array) != 1:
        return {}
    gradients: dict[Value, Any] = {}
    # Overflows need no warning: the picture shows the infinities.
    with np.errstate(all="ignore"):
        for _, completed in backward_steps(graph, np.ones_like(graph.result.array)):
            gradients |= {value: g for value, g in completed.items() if value in shown}
    return gradients


def _operation(step: Step) -> str:
    """Return the path of a folded module, or the name of a rule, with arguments if some are not values of the graph."""
    if isinstance(step, AppliedModule):
        return shortened(step.path)
    rule = step.rule
    given = ["·" if isinstance(x, Value) else _numbers(x) for x in step.operands]
    if len(given) > FEW:
        given = [*given[:2], "…", given[-1]]
    for name, param in zip(rule.params, step.params, strict=True):
        if name not in rule.defaults:
            given.append(_parameter(param))
        elif _parameter(param) != _parameter(rule.defaults[name]):
            given.append(f"{name}={_parameter(param)}")
    return rule.name if set(given) == {"·"} else f"{rule.name}({', '.join(given)})"


def _parameter(param: Any) -> str:
    text = str(param)
    return "…" if isinstance(param, np.ndarray) or len(text) > LONGEST else text


def _numbers(array: Any) -> str:
    text = np.array2string(
        np.asarray(array), separator=", ", formatter={"float_kind": "{:.3g}".format}, max_line_width=LINE
    ).replace("-", "−")
    line = " ".join(text.split())
    return line if len(line) <= LINE else text
