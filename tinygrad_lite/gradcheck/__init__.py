"""Proof of derivatives: finite differences beside what the rules say."""

from .check import Comparison, GradientMismatch, Report, gradcheck
from .proof import Proof, prove

__all__ = ["Comparison", "GradientMismatch", "Proof", "Report", "gradcheck", "prove"]
