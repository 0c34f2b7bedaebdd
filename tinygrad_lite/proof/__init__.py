"""Checks of derivatives: those of the rules are compared with numeric ones, computed from function values alone.

`gradcheck` checks a function, `prove` a rule, of the library or of your own.

>>> import numpy as np
>>> bool(gradcheck(np.tanh, [0.5, -1.0]))
True
"""

from .check import gradcheck
from .findings import Comparison, Kink
from .report import GradientMismatch, KinkWarning, Report
from .rule_proof import Proof, prove

__all__ = ["Comparison", "GradientMismatch", "Kink", "KinkWarning", "Proof", "Report", "gradcheck", "prove"]
