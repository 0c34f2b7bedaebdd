"""Proof of derivatives: what the rules say beside what the values say."""

from .check import gradcheck
from .proof import Proof, prove
from .report import Comparison, GradientMismatch, Kink, KinkWarning, Report

__all__ = ["Comparison", "GradientMismatch", "Kink", "KinkWarning", "Proof", "Report", "gradcheck", "prove"]
