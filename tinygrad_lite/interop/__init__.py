"""Models and weights in the formats of other frameworks."""

from __future__ import annotations

from .onnx import ExportError, export_onnx
from .safetensors import load_safetensors, save_safetensors

__all__ = ["ExportError", "export_onnx", "load_safetensors", "save_safetensors"]
