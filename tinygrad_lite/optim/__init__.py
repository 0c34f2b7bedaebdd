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
from . import schedule
from .adaptive import BETAS, EPS, LR, Adagrad, Adam, AdamW, Lion, RMSprop
from .average import EMA
from .clipping import clip_grad_norm, clip_grad_value
from .descent import SGD
from .groups import Groups
from .optimizer import Optimizer

__all__ = [
    "BETAS",
    "EMA",
    "EPS",
    "LR",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Groups",
    "Lion",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm",
    "clip_grad_value",
    "schedule",
]

answer_for_missing(__name__)
