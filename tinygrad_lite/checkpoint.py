"""Checkpoints: arrays and facts in one file, from which a run continues."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .files import write_atomically

FACTS = "facts.json"


def save(path: str | os.PathLike[str], arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint: a NumPy ``.npz`` archive with one member more, the facts as JSON.

    Parameters
    ----------
    path : path-like
        The file; it appears whole or not at all.
    arrays : mapping of str to array-like
        Such as `Module.state_dict` returns.
    facts : mapping
        Whatever JSON can hold.

    Raises
    ------
    OSError
        If the file cannot be written; the one before is left alone.
    """
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(buffer, allow_pickle=False, **{FACTS: text}, **{name: np.asarray(x) for name, x in arrays.items()})
    write_atomically(path, buffer.getvalue())


def load(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read a checkpoint; nothing in it is executed.

    Returns
    -------
    arrays : dict of str to ndarray
    facts : dict

    Raises
    ------
    DataError
        If there is no such file, or it is no checkpoint, or damaged.
    """
    name = os.fspath(path)
    try:
        # Read whole first: NumPy leaves a damaged archive's file open.
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as archive:
            arrays = {member: archive[member] for member in archive.files}
        return arrays, json.loads(arrays.pop(FACTS).tobytes())
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such checkpoint, so nothing to resume; run without --resume") from None
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(
            f"{name}: expected a checkpoint, found something else or a damaged one ({error}). "
            "Delete it and run without --resume"
        ) from None
