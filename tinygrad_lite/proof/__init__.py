"""Proof of derivatives: what the rules say beside what the values say."""

from .check import gradcheck
from .findings import Comparison, Kink
from .report import GradientMismatch, KinkWarning, Report
from .rule_proof import Proof, prove

__all__ = ["Comparison", "GradientMismatch", "Kink", "KinkWarning", "Proof", "Report", "gradcheck", "prove"]
