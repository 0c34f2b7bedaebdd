"""Data sets of digits, and mini-batches.

`load_mnist` loads MNIST from disk or the network, `load_synthetic` draws digits where there is neither, `load_pictures`
loads pictures of your own, and `read_images` reads one of them. `Batches` hands a data set to a training loop.

>>> import numpy as np
>>> images, labels = np.zeros((250, 784)), np.zeros(250, int)
>>> [len(some_labels) for some_images, some_labels in Batches(images, labels, batch_size=100)]
[100, 100, 50]
"""

from __future__ import annotations

from ..support.names import answer_for_missing
from .augment import augmented
from .batches import Batches
from .digits import load_synthetic
from .idx import read_idx, write_idx
from .mnist import DataUnavailable, load_mnist
from .photo import read_images
from .pictures import load_pictures
from .splits import Digits, Split
from .text import Vocabulary, numpy_docstrings, read_text

__all__ = [
    "Batches",
    "DataUnavailable",
    "Digits",
    "Split",
    "Vocabulary",
    "augmented",
    "load_mnist",
    "load_pictures",
    "load_synthetic",
    "numpy_docstrings",
    "read_idx",
    "read_images",
    "read_text",
    "write_idx",
]

answer_for_missing(__name__)
