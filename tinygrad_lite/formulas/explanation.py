"""The common base of `Formula` and `Derivation`: text in a terminal, typeset LaTeX in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Explanation(ABC):
    """Formulas that a terminal prints as text and a notebook typesets.

    Examples
    --------
    >>> "e^{x}" in tg.explain("exp").latex
    True
    """

    @property
    @abstractmethod
    def latex(self) -> str:
        """The formulas in LaTeX, without the enclosing dollar signs."""

    @abstractmethod
    def __str__(self) -> str: ...

    def __repr__(self) -> str:
        return str(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"
