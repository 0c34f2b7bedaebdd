"""The folders that ``--data`` names: those with MNIST's files, and those with pictures of one's own."""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path

import numpy as np

from tinygrad_lite.data import Digits, load_pictures
from tinygrad_lite.data.mnist import FILES
from tinygrad_lite.support.formatting import wrapped

from .messages import say

FEW_STEPS = 100


def holds_mnist(folder: Path) -> bool:
    """Return whether a folder holds at least one file with a name of MNIST's."""
    return any((folder / name).is_file() for file in FILES for name in file.spellings)


def load_own(folder: Path, args: Namespace) -> tuple[Digits, str]:
    """Return one's own pictures, and the path of their folder as their kind; say how many there are."""
    data = load_pictures(folder, quiet=args.quiet)
    if not args.quiet:
        counts = np.bincount(np.concatenate([split.labels for split in data]), minlength=len(data.classes))
        each = ", ".join(f"{name} {count}" for name, count in zip(data.classes, counts, strict=True))
        train, valid, test = map(len, data)
        say(wrapped(f"{counts.sum():,} pictures: {each}"))
        say(f"chosen at random: {train:,} to train, {valid:,} to validate, {test:,} to test")
        steps = args.epochs * math.ceil(train / args.batch_size)
        if steps < FEW_STEPS:
            say(f"steps of training: {steps}, which is few: --batch-size 10 --epochs 30 makes more")
    return data, str(folder.resolve())
