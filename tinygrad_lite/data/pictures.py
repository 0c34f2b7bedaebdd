"""One's own pictures as a data set: a folder with a folder for each class, or the files that a drawing page downloads.

train, valid, test = load_pictures("my pictures")  # with "my pictures/cat/1.jpg", …, "my pictures/dog/1.jpg", …
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import DataError
from ..support.files import as_path, file_error, read_file
from .idx import MAX_BYTES, read_idx
from .photo import read_images
from .splits import DIGITS, Digits, Split, are_digits

# The names under which the page of the command `draw` downloads what was drawn in it.
DRAWN_IMAGES, DRAWN_LABELS = "drawn-images-idx3-ubyte", "drawn-labels-idx1-ubyte"
DRAWN_CLASSES = "drawn-classes.json"  # the names of the classes, if they are no digits
FEWEST_DRAWN = 30
FEWEST = 5  # pictures of a class
HELD_OUT = 7  # one of so many pictures is for validation, and one for the test: the shares of MNIST
FOR_SYSTEMS = {"Thumbs.db", "desktop.ini"}  # files that are no pictures, and that nobody has put there
NAMED = 5  # at most so many files are named in an error


def load_pictures(folder: str | os.PathLike[str], *, seed: int = 0, quiet: bool = False) -> Digits:
    """Load pictures of one's own, and split them at random into pictures for training, validation and test.

    Each is converted to an image like those of MNIST, as `read_images` does; of other signs than digits, all strokes
    are taken together (``whole=True``).

    Parameters
    ----------
    folder
        It holds a folder for each class, whose name is that of the class, with at least 5 pictures. Or it holds the two
        files ``drawn-images-idx3-ubyte`` and ``drawn-labels-idx1-ubyte`` with at least 30 digits, which the page of the
        command ``draw`` downloads; of other signs, also ``drawn-classes.json``.
    seed
        Of the split: the same seed and pictures give the same split.
    quiet
        True shows no progress bar.

    Returns
    -------
    Digits
        ``train``, ``valid`` and ``test``. Of each class a seventh is for validation, and a seventh for the test.

    Raises
    ------
    DataError
        If there are too few classes or pictures, or some cannot be read; the message names them.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> paper = np.full((60, 60), 255, np.uint8)
    >>> for name, stroke in (("dash", np.s_[28:32, 10:50]), ("dot", np.s_[20:40, 20:40])):
    ...     (folder / name).mkdir()
    ...     for i in range(7):
    ...         picture = paper.copy()
    ...         picture[stroke] = 10 * i
    ...         Image.fromarray(picture).save(folder / name / f"{i}.png")
    >>> load_pictures(folder, quiet=True)
    10 train, 2 valid, 2 test
    images: 784 float32 in [0, 1], labels: uint8 from 0 to 1
    classes: dash, dot
    """
    folder = as_path(folder)
    load = _drawn if any((folder / name).is_file() for name in (DRAWN_IMAGES, DRAWN_LABELS)) else _in_folders
    return _split(*load(folder, quiet), seed)


def _drawn(folder: Path, quiet: bool) -> tuple[NDArray[Any], NDArray[Any], Sequence[str]]:
    """Return the images, labels and classes in the files of the page."""
    images, labels = read_images(folder / DRAWN_IMAGES), read_idx(folder / DRAWN_LABELS)
    classes = _drawn_classes(folder / DRAWN_CLASSES) if (folder / DRAWN_CLASSES).is_file() else DIGITS
    found = f"{labels.dtype} of shape {labels.shape}, for {len(images)} images"
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1] or labels.max() >= len(classes):
        raise file_error(
            folder / DRAWN_LABELS, f"one of {len(classes)} classes for each image", found, "Download all files again."
        )
    if len(labels) < FEWEST_DRAWN or len(np.unique(labels)) == 1:
        found = f"{len(labels)} digits of kinds: {len(np.unique(labels))}"
        expected = f"at least {FEWEST_DRAWN} drawn digits of two or more kinds"
        raise file_error(
            folder / DRAWN_IMAGES, expected, found, "Draw more, keep them in the page, and download again."
        )
    return images, labels, classes


def _drawn_classes(path: Path) -> list[str]:
    """Return the names of classes in a file of the page."""
    content = read_file(path, MAX_BYTES)
    try:
        names = json.loads(content)
    except ValueError:
        names = None
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise file_error(path, "a list of names in JSON", "something else", "Download all files again.")
    return names


def _in_folders(folder: Path, quiet: bool) -> tuple[NDArray[Any], NDArray[Any], Sequence[str]]:
    """Return the images, labels and classes of a folder with a folder for each class."""
    files = {path.name: _visible(path) for path in _visible(folder) if path.is_dir()}
    classes = sorted(files, key=_in_order)
    if len(classes) < 2:
        found = f"the folder {classes[0]!r} alone" if classes else "no folders in it"
        remedy = (
            "Put the pictures of each class into a folder whose name is that of the class, or name a folder with the "
            f"four files of MNIST (train-images-idx3-ubyte, …) or with {DRAWN_IMAGES} and {DRAWN_LABELS}."
        )
        raise file_error(folder, "a folder for each of two or more classes", found, remedy)
    nested = [name for name in classes if any(path.is_dir() for path in files[name])]
    if nested:
        remedy = f"Name a folder that holds one folder for each class; is it {folder / nested[0]}?"
        raise file_error(folder / nested[0], "pictures of one class", "folders", remedy)
    few = ", ".join(f"{name} ({len(files[name])})" for name in classes if len(files[name]) < FEWEST)
    if few:
        expected, remedy = f"at least {FEWEST} pictures of each class", "Add pictures, or remove what is no class."
        raise file_error(folder, expected, f"fewer of {few}", remedy)
    images, labels, failed = [], [], {}
    every = [(path, label) for label, name in enumerate(classes) for path in files[name]]
    for path, label in tqdm(every, "pictures", unit="", disable=quiet or None):  # None: unless it is no terminal
        try:
            images.append(read_images(path, whole=not are_digits(classes)))
            labels += [label] * len(images[-1])
        except DataError as error:
            failed[f"{path.parent.name}/{path.name}"] = error
    if failed:
        names = ", ".join([*failed][:NAMED]) + f" and {len(failed) - NAMED} more" * (len(failed) > NAMED)
        first = next(iter(failed.values()))
        raise DataError(
            f"{len(failed)} of {len(every)} pictures in {folder} cannot be read: {names}. The first: {first}"
        )
    return np.concatenate(images), np.array(labels, np.min_scalar_type(len(classes) - 1)), classes


def _visible(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted by name, but for files that systems put there."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        remedy = "Check the path and its permissions."
        raise file_error(folder, "a readable folder", str(error.strerror), remedy) from None
    return [path for path in paths if not path.name.startswith(".") and path.name not in FOR_SYSTEMS]


def _in_order(name: str) -> tuple[bool, int, str]:
    """Return the key that sorts names: numbers by their value, before other names."""
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)


def _split(images: NDArray[Any], labels: NDArray[Any], classes: Sequence[str], seed: int) -> Digits:
    """Split each class at random, and put the pictures of each part into a random order."""
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray[np.intp]]] = []
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        held_out = len(own) // HELD_OUT or int(len(own) >= 3)
        parts.append(np.split(own, [-2 * held_out, -held_out] if held_out else [len(own), len(own)]))
    chosen = [rng.permutation(np.concatenate(part)) for part in zip(*parts, strict=True)]
    return Digits(*(Split(images[part], labels[part], classes) for part in chosen))
