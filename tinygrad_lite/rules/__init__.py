"""The derivative rules, each written once.

`all` enumerates them, `define` adds one, `tinygrad_lite.prove` checks one. The tables, to be
read first, are in `elementwise`, `products`, `reductions`, `shapes` and `neural`; `composed` holds what is made of
them, `plain` what has no derivative, `onnx` how each is written in that format, `rule` how a rule is put together.
"""

from . import composed, elementwise, neural, onnx, plain, products, reductions, shapes
from .rule import Rule, Sample, Vjp, all, answer_for, answers, define, get, sample

__all__ = [
    "Rule",
    "Sample",
    "Vjp",
    "all",
    "answer_for",
    "answers",
    "composed",
    "define",
    "elementwise",
    "get",
    "neural",
    "onnx",
    "plain",
    "products",
    "reductions",
    "sample",
    "shapes",
]
