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


def explain(subject: Any, loss: Tensor | None = None, *, norms: bool = False) -> Explanation:
    """Return the formulas behind a rule, or the whole derivation behind a loss.

    Parameters
    ----------
    subject : str, Rule, Tensor or Module
        A rule or its name gives its forward formula and its gradients. A Tensor gives the values it was computed
        from, the operations in order, and the derivative of the Tensor by each of these. A model gives the same for
        ``loss``, with the paths of the parameters.
    loss : Tensor, optional
        A Tensor computed with the model. Call ``explain`` before ``backward()``, which frees the graph.
    norms : bool
        True adds the Euclidean norm of each actual value to a derivation.

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
        If none of the model's parameters is in the graph of the loss.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> tg.explain("tanh")
    tanh   x: n×m
          y = tanh(x)
      ∂L/∂x = g ⊙ (1 − y ⊙ y)
      where g = ∂L/∂y; ⊙ multiplies element by element
    """
    if isinstance(subject, (str, Rule)):
        return formula(get(subject) if isinstance(subject, str) else subject)
    if hasattr(subject, "named_parameters"):
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"explain a model together with a loss computed with it: explain(model, loss), not {loss!r:.60}"
            )
        return derivation(loss, subject, norms)
    if isinstance(subject, Tensor):
        return derivation(subject, None, norms)
    raise TypeError(
        f"explain takes the name of a rule, a Tensor, or a model and its loss, not a {type(subject).__name__}: "
        f"{subject!r:.60}"
    )
