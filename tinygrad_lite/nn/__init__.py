"""The building blocks of models: modules, layers, activations, losses and initialisers."""

from ..support.names import answer_for_missing
from . import functional, init
from .layers import (
    Dropout,
    Flatten,
    Identity,
    Linear,
    LogSoftmax,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from .module import Module
from .tree import Buffer

__all__ = [
    "Buffer",
    "Dropout",
    "Flatten",
    "Identity",
    "Linear",
    "LogSoftmax",
    "Module",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
]

answer_for_missing(__name__)
