"""The symbol reading of the rules: their formulas, and the derivation of a loss, as a person would write them."""

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
        A rule or its name: its forward formula and its gradients. A Tensor: everything it was computed from, then
        the derivatives by each of these. A model: the same for ``loss``, with the parameters' paths.
    loss : Tensor, optional
        What was computed with the model; not yet passed by ``backward()``, which frees the graph.
    norms : bool
        Whether a derivation shows the Euclidean norm of each actual value as well.

    Returns
    -------
    Formula or Derivation
        Prints as text, shows itself typeset in a notebook; ``.latex`` is the source of that.

    Raises
    ------
    KeyError
        If there is no rule of that name: lists the known ones.
    GraphError
        If the Tensor has no graph, it has been freed, or a Tensor in it was changed in place.
    TypeError
        If ``subject`` is something else, a model comes without a loss, or a rule cannot be read with symbols.
    ValueError
        If the loss has nothing to do with the model.

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
