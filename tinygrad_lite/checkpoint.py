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


def save(path: str | os.PathLike[str], states: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint: a NumPy ``.npz`` archive with one member more, the facts as JSON.

    Parameters
    ----------
    path : path-like
        The file; it appears whole or not at all.
    states : mapping of str to mapping of str to array-like
        By name, such as ``{"net": net.state_dict(), "optimizer": optimizer.state_dict()}``.
    facts : mapping
        Whatever JSON can hold.

    Raises
    ------
    OSError
        If the file cannot be written; the one before is left alone.
    """
    buffer = io.BytesIO()
    arrays = {f"{part}/{name}": np.asarray(x) for part, state in states.items() for name, x in state.items()}
    text = np.frombuffer(json.dumps(facts, allow_nan=False).encode(), np.uint8)
    np.savez(buffer, allow_pickle=False, **{FACTS: text}, **arrays)
    write_atomically(path, buffer.getvalue())


def load(path: str | os.PathLike[str]) -> tuple[dict[str, dict[str, NDArray[Any]]], dict[str, Any]]:
    """Read a checkpoint; nothing in it is executed.

    Returns
    -------
    states : dict of str to dict of str to ndarray
        As they were saved; one that was empty is missing.
    facts : dict

    Raises
    ------
    DataError
        If there is no such file, or it is no checkpoint, or damaged.
    """
    name = os.fspath(path)
    states: dict[str, dict[str, NDArray[Any]]] = {}
    try:
        # Read whole first: NumPy leaves a damaged archive's file open.
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as archive:
            facts = dict(json.loads(archive[FACTS].tobytes()))
            for member in archive.files:
                part, slash, key = member.partition("/")
                if slash:
                    states.setdefault(part, {})[key] = archive[member]
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such checkpoint, so nothing to resume; run without --resume") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile, EOFError):
        raise DataError(
            f"{name}: expected a checkpoint, found something else or a damaged one. Delete it and run without --resume"
        ) from None
    return states, facts
