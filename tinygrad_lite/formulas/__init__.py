"""Formulas on paper: of one rule, or of a whole loss and its gradients.

A student can compare them with a derivation of their own. No formula is stored anywhere: symbols are sent through the
rules in place of arrays, so the formulas printed are those that the engine computes with.
"""

from __future__ import annotations

from typing import Any

from ..rules import Rule, get
from ..tensor import Tensor
from .derivation import Derivation, derivation
from .explanation import Explanation
from .formula import Formula, formula

__all__ = ["Derivation", "Explanation", "Formula", "explain"]


def explain(subject: Any, loss: Tensor | None = None, *, norms: bool = False, depth: int | None = 1) -> Explanation:
    """Return the formulas behind a rule, or the whole derivation behind a loss.

    Parameters
    ----------
    subject : str, Rule, Tensor or Module
        A rule or its name gives its forward formula and its gradients. A Tensor gives the values it was computed
        from, the operations in order, and the derivative of the Tensor by each of these. A model gives the same for
        ``loss``; it need not be given if it computed the Tensor by a call, as in ``net(x)``.
    loss : Tensor, optional
        A Tensor computed with the model. Call ``explain`` before ``backward()``, which frees the graph.
    norms : bool
        True adds the Euclidean norm of each actual value to a derivation.
    depth : int, optional
        The number of levels of modules that a derivation shows. With 1, each layer of the net is folded, unless it
        consists of one or two operations: a line has its path in the net, its type, shapes and the number of its
        parameters θ, and its derivatives are vector-Jacobian products, ``vjp``. With 2, these layers are opened, and
        those in them are folded. None opens all.

    Returns
    -------
    Formula or Derivation
        Prints as text, and is typeset in a notebook; ``.latex`` is the LaTeX source.

    Raises
    ------
    KeyError
        If no rule has that name; the message lists the known ones.
    GraphError
        If the Tensor has no graph, the graph has been freed, or a Tensor in it was changed in place.
    TypeError
        If ``subject`` has another type, a model is given without a loss, or a rule does not run on symbols.
    ValueError
        If none of the model's parameters is in the graph of the loss, or the depth is no whole number of at least 1.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> tg.explain("tanh")
    tanh   x: n×m
          y = tanh(x)
      ∂L/∂x = g ⊙ (1 − y ⊙ y)
      where g = ∂L/∂y; ⊙ multiplies element by element
    >>> net = tg.nn.Sequential({"block": tg.nn.TransformerBlock(4, 2, rng=0), "bend": tg.nn.ReLU()})
    >>> loss = net(tg.Tensor([[[1.0, 2.0, 3.0, 4.0]]])).mean()
    >>> tg.explain(net, loss)
                                                shape     from
    given
        x                                       1×1×4
        θ                                       244       block.*
    <BLANKLINE>
    forward
        h = block(x: 1×1×4, θ: 244 parameters)  1×1×4     TransformerBlock
        v = ReLU(h)                             1×1×4     relu
        L = mean v                              a number  mean
    <BLANKLINE>
    backward
    ∂L/∂v = broadcast_to(1 / 4)                 1×1×4     mean
    ∂L/∂h = ∂L/∂v ⊙ [v > 0]                     1×1×4     relu
    ∂L/∂θ = vjp(block, θ, ∂L/∂h)                244       TransformerBlock
    <BLANKLINE>
    where ⊙ multiplies element by element; […] is 1 where it holds, else 0;
          broadcast_to repeats along axes;
          vjp(f, x, g) is g carried back through f to x
    """
    if isinstance(subject, (str, Rule)):
        return formula(get(subject) if isinstance(subject, str) else subject)
    if hasattr(subject, "named_parameters"):
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"explain a model together with a loss computed with it: explain(model, loss), not {loss!r:.60}"
            )
        return derivation(loss, subject, norms, depth)
    if isinstance(subject, Tensor):
        return derivation(subject, None, norms, depth)
    raise TypeError(
        f"explain takes the name of a rule, a Tensor, or a model and its loss, not a {type(subject).__name__}: "
        f"{subject!r:.60}"
    )
