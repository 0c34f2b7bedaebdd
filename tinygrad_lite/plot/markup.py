"""A Tensor's graph as a text that other programs draw: Mermaid for Markdown pages, DOT for Graphviz."""

from __future__ import annotations

from ..formulas.graph import read
from ..nn import Module
from ..tensor import Tensor
from .diagram import COLOURS, diagram


def to_mermaid(tensor: Tensor, model: Module | None = None, *, depth: int | None = 1) -> str:
    """Return the graph of a Tensor as a flowchart in Mermaid's language, which GitHub draws in Markdown files.

    Parameters
    ----------
    tensor : Tensor
        The result of an operation, whose graph has not been freed.
    model : Module, optional
        The net, whose modules are folded. By default it is the outermost module that computed the Tensor.
    depth : int, optional
        The number of levels of modules that are shown, as in `graph`.

    Raises
    ------
    GraphError
        If the Tensor has no graph, or the graph has been freed or changed.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="x")
    >>> print(tg.plot.to_mermaid((x * x).sum()))
    flowchart TD
        n0["x = [1, 2, 3]<br/>∂L/∂x = [2, 4, 6]"]:::parameter
        n1["multiply<br/>v = [1, 4, 9]<br/>∂L/∂v = [1, 1, 1]"]:::result
        n2["sum<br/>L = 14"]:::loss
        n0 --> n1
        n0 --> n1
        n1 --> n2
        classDef parameter fill:#F7E2D1,stroke:#D55E00,color:black
        classDef result fill:#DCECF5,stroke:#0072B2,color:black
        classDef loss fill:#0072B2,stroke:white,color:white
    """
    drawn = diagram(read(tensor, model, depth=depth))
    # Within quotes only these characters are special: # begins an entity, < a tag, ` Markdown.
    escapes = str.maketrans({mark: f"#{ord(mark)};" for mark in '"#&<>`'})
    lines = ["flowchart TD"]
    for i, box in enumerate(drawn.boxes):
        label = "<br/>".join(line.translate(escapes) for line in box.lines)
        lines.append(f'    n{i}["{label}"]:::{box.kind}')
    lines += [f"    n{source} --> n{target}" for source, target in drawn.edges]
    for kind in dict.fromkeys(box.kind for box in drawn.boxes):
        fill, frame, ink = COLOURS[kind]
        lines.append(f"    classDef {kind} fill:{fill},stroke:{frame},color:{ink}")
    return "\n".join(lines)


def to_dot(tensor: Tensor, model: Module | None = None, *, depth: int | None = 1) -> str:
    r"""Return the graph of a Tensor in Graphviz's language, for ``dot -Tsvg``.

    Parameters
    ----------
    tensor : Tensor
        The result of an operation, whose graph has not been freed.
    model : Module, optional
        The net, whose modules are folded. By default it is the outermost module that computed the Tensor.
    depth : int, optional
        The number of levels of modules that are shown, as in `graph`.

    Raises
    ------
    GraphError
        If the Tensor has no graph, or the graph has been freed or changed.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> x = tg.Tensor(3.0, requires_grad=True, name="x")
    >>> print(tg.plot.to_dot(x.exp()))
    digraph {
        node [shape=box, style="rounded,filled", fontname="sans-serif"]
        n0 [label="x = 3\n∂L/∂x = 20.1", fillcolor="#F7E2D1", color="#D55E00", fontcolor="black"]
        n1 [label="exp\nL = 20.1", fillcolor="#0072B2", color="white", fontcolor="white"]
        n0 -> n1
    }
    """
    drawn = diagram(read(tensor, model, depth=depth))
    escapes = str.maketrans({"\\": r"\\", '"': r"\"", "&": "&amp;"})
    lines = ["digraph {", '    node [shape=box, style="rounded,filled", fontname="sans-serif"]']
    for i, box in enumerate(drawn.boxes):
        label = r"\n".join(line.translate(escapes) for line in box.lines)
        fill, frame, ink = COLOURS[box.kind]
        lines.append(f'    n{i} [label="{label}", fillcolor="{fill}", color="{frame}", fontcolor="{ink}"]')
    lines += [f"    n{source} -> n{target}" for source, target in drawn.edges]
    return "\n".join([*lines, "}"])
