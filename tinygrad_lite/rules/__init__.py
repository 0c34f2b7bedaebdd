"""The derivative rules, each written once.

`all` enumerates them, `define` adds one, `tinygrad_lite.prove` checks one. The tables, to be
read first, are in `elementwise`, `products`, `reductions`, `shapes` and `neural`; `composed` holds what is made of
them, `plain` what has no derivative, `rule` how a rule is put together.
"""

from . import composed, elementwise, neural, plain, products, reductions, shapes
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
    "plain",
    "products",
    "reductions",
    "sample",
    "shapes",
]
