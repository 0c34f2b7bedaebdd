"""Optimizers: each updates parameters from their gradients, in place.

The formulas are those in PyTorch's documentation of the optimizers with the same names.

Examples
--------
>>> import tinygrad_lite as tg
>>> p = tg.Tensor(2.0, requires_grad=True)
>>> optimizer = SGD([p], lr=0.25)
>>> (p * p).backward()
>>> optimizer.step()
>>> p.item()
1.0
"""

from ..support.names import answer_for_missing
from .adaptive import BETAS, EPS, LR, Adam, AdamW
from .descent import SGD
from .optimizer import Optimizer

__all__ = ["BETAS", "EPS", "LR", "SGD", "Adam", "AdamW", "Optimizer"]

answer_for_missing(__name__)
