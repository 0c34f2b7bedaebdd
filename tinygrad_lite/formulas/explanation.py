"""What every explanation has: plain text for the terminal, LaTeX for a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Explanation(ABC):
    """Formulas that a terminal prints as text and a notebook typesets."""

    @property
    @abstractmethod
    def latex(self) -> str:
        """The formulas in LaTeX, as they stand between dollars."""

    @abstractmethod
    def __str__(self) -> str: ...

    def __repr__(self) -> str:
        return str(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"
