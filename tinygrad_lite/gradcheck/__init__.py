"""Proof of derivatives: finite differences beside what the rules say."""

from .check import Comparison, GradientMismatch, Report, gradcheck

__all__ = ["Comparison", "GradientMismatch", "Report", "gradcheck"]
