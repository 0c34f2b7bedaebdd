"""Data: MNIST from disk or from a mirror, digits rendered on the spot or photographed, IDX files, and mini-batches."""

from __future__ import annotations

from ..support.names import answer_for_missing
from .batches import Batches
from .digits import load_synthetic
from .idx import read_idx, write_idx
from .mnist import DataUnavailable, load_mnist
from .photo import read_images
from .splits import Digits, Split

__all__ = [
    "Batches",
    "DataUnavailable",
    "Digits",
    "Split",
    "load_mnist",
    "load_synthetic",
    "read_idx",
    "read_images",
    "write_idx",
]

answer_for_missing(__name__)
