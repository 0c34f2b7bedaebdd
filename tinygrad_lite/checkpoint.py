"""Checkpoints: arrays and facts in one file, from which an interrupted run continues.

The file is an ``.npz`` archive, which ``numpy.load`` can open, or a ``.safetensors`` file. Besides the arrays it holds
a JSON text: the version of this layout, the facts, the names of the arrays in order, and a SHA-256 digest of all this,
which reveals damage. Loading a checkpoint executes no code from it.

Examples
--------
A run that can be stopped at any step. Started again, it continues with bitwise the same results, if BLAS uses as many
threads as before: another number of threads adds sums in another order, and so rounds their last digits differently.


>>> import os, tempfile
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> path = os.path.join(tempfile.mkdtemp(), "run.npz")
>>> x, y = np.random.default_rng(0).random((100, 3)), np.ones((100, 1))
>>> def train(epochs):
...     net = tg.nn.Sequential(tg.nn.Linear(3, 1, rng=0), tg.nn.Dropout(0.1, rng=1))
...     optimizer = tg.optim.Adam(net.parameters())
...     batches = tg.data.Batches(x, y, batch_size=10, shuffle=True, seed=0)
...     if os.path.exists(path):
...         states, facts = tg.checkpoint.load(path)
...         net.load_state_dict(states["net"])
...         optimizer.load_state_dict(states["optimizer"])
...         batches.load_state_dict(facts["batches"])
...         net.load_random_state(facts["random"])  # the generator of Dropout
...     for _ in range(batches.epoch, epochs):
...         for some_x, some_y in batches:
...             loss = tg.nn.functional.squared_loss(net(some_x), some_y)
...             optimizer.zero_grad()
...             loss.backward()
...             optimizer.step()
...             states = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
...             facts = {"batches": batches.state_dict(), "random": net.random_state()}
...             tg.checkpoint.save(path, states, facts)
...     return batches.epoch
>>> train(epochs=1), train(epochs=3)
(1, 3)
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shlex
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, MissingExtra
from .support.extras import extra
from .support.files import as_path, file_error, read_file, write_atomically

VERSION = 1
HEADER = "checkpoint"  # the name of the JSON text in the file
MAX_BYTES = 1 << 34

Arrays = dict[str, NDArray[Any]]
States = dict[str, Arrays]
Facts = dict[str, Any]


class _WrittenByNewer(DataError):
    """A checkpoint of a newer version: it need not be damaged, so `load` does not suggest the previous one."""


def save(
    path: str | os.PathLike[str],
    states: Mapping[str, Mapping[str, Any]],
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write a checkpoint, and keep the old one under the name that `previous` returns.

    Both names stand for whole files at every moment, even if the process is killed. A damaged old file does not replace
    a whole previous one.

    Parameters
    ----------
    path : path-like
        The file, with the suffix ``.npz``, or ``.safetensors``, which other programs read too. Its folder must exist.
    states : mapping of str to mapping of str to array-like
        The arrays by part and name, such as ``{"net": net.state_dict(), "optimizer": optimizer.state_dict()}``. They
        hold numbers and keep type and shape; the file has them in little-endian bytes and C order.
    facts : mapping, optional
        Other values that belong to the run: anything that JSON can hold.

    Raises
    ------
    ValueError
        If the suffix is another one, an array holds no numbers or has a type that the format lacks, a name does not
        suit the format, or the facts hold a number that is not finite.
    TypeError
        If the states are not arrays by part and name, a name is not a str, or JSON cannot hold the facts.
    MissingExtra
        If the format is ``.safetensors`` and the package safetensors is not installed.
    OSError
        If the file cannot be written; the old one stays.

    Examples
    --------
    >>> net = tg.nn.Linear(2, 3, rng=0)
    >>> tg.checkpoint.save("run.npz", {"net": net.state_dict()}, {"epoch": 1})
    >>> tg.checkpoint.save("run.npz", {"net": net.state_dict()}, {"epoch": 2})
    >>> tg.checkpoint.load("run.previous.npz")[1]
    {'epoch': 1}
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f"the path comes first, as in save(path, states), but it is a {type(path).__name__}")
    path = as_path(path)
    encode, _ = _format_of(path)
    _check_states(states)
    arrays = {part: {name: _stored(part, name, x) for name, x in state.items()} for part, state in states.items()}
    # To JSON and back, so that the digest is of the facts as `load` will read them.
    plain: Facts = json.loads(json.dumps(dict(facts), allow_nan=False, default=_python_number))
    header = {
        "version": VERSION,
        "sha256": _digest(VERSION, arrays, plain),
        "arrays": {part: list(state) for part, state in arrays.items()},
        "facts": plain,
    }
    flat = {_key(part, name): x for part, state in arrays.items() for name, x in state.items()}
    if len(flat) < sum(map(len, arrays.values())):
        raise ValueError("two arrays would have the same part/name in the file: rename the one with a / in its name")
    content = encode(flat, json.dumps(header))
    before, max_bytes = previous(path), max(MAX_BYTES, 2 * len(content))
    keep = _is_whole(path, max_bytes) or not _is_whole(before, max_bytes)
    write_atomically(path, content, kept=before if keep else None)


def load(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> tuple[States, Facts]:
    """Read a checkpoint. Nothing in it is executed. The memory needed is a few times the size of the file.

    Parameters
    ----------
    path : path-like
        The file.
    max_bytes : int, optional
        The size limit of the file.

    Returns
    -------
    states : dict of str to dict of str to ndarray
        The arrays by part and name, as they were saved.
    facts : dict
        The facts, as JSON returns them: tuples are lists.

    Raises
    ------
    DataError
        If the file does not exist, or is no checkpoint, too large, damaged, or of a newer version. If the previous
        checkpoint is whole, the message says how to continue from that.
    ValueError
        If the suffix is neither ``.npz`` nor ``.safetensors``.
    MissingExtra
        If it is ``.safetensors`` and the package safetensors is not installed.

    Examples
    --------
    >>> net = tg.nn.Linear(2, 3, rng=0)
    >>> tg.checkpoint.save("run.npz", {"net": net.state_dict()}, {"epoch": 7})
    >>> states, facts = tg.checkpoint.load("run.npz")
    >>> net.load_state_dict(states["net"])
    >>> facts["epoch"]
    7
    """
    path = as_path(path)
    try:
        return _read(path, max_bytes)
    except _WrittenByNewer:
        raise
    except DataError as error:
        message, before = str(error).rstrip("."), previous(path)
        if _is_whole(before, max_bytes):
            move = f"mv {shlex.quote(str(before))} {shlex.quote(str(path))}"
            message += f". The one before it, {before}, is whole: `{move}` to continue from it"
        raise DataError(message) from None


def previous(path: str | os.PathLike[str]) -> Path:
    """Return the path at which `save` keeps the old checkpoint: ``run.previous.npz`` for ``run.npz``.

    Examples
    --------
    >>> tg.checkpoint.previous("runs/mnist/checkpoint.npz").name
    'checkpoint.previous.npz'
    """
    path = as_path(path)
    return path.with_suffix(f".previous{path.suffix}")


def check_format(path: str | os.PathLike[str]) -> None:
    """Check, before a run starts, that `save` supports the format of a path.

    Raises
    ------
    ValueError
        If the suffix is neither ``.npz`` nor ``.safetensors``.
    MissingExtra
        If the package for the format is not installed.

    Examples
    --------
    >>> tg.checkpoint.check_format("run.npz")
    >>> tg.checkpoint.check_format("run.pth")
    Traceback (most recent call last):
    ValueError: run.pth: a checkpoint's suffix is .npz or .safetensors, not '.pth': write 'run.npz'
    """
    encode, _ = _format_of(as_path(path))
    encode({}, "")


def _python_number(x: Any) -> Any:
    """Return a NumPy number as a Python number, because JSON does not know NumPy's."""
    if isinstance(x, np.generic):
        return x.item()
    raise TypeError(f"the facts of a checkpoint must be values that JSON can hold, not {type(x).__name__}: {x!r:.60}")


def _check_states(states: Any) -> None:
    parts = states.values() if isinstance(states, Mapping) else [states]
    for part in parts:
        if not isinstance(part, Mapping):
            raise TypeError(
                'a checkpoint holds arrays by part and name: write save(path, {"net": net.state_dict()}). '
                f"Expected a dictionary, found a {type(part).__name__}"
            )


def _read(path: Path, max_bytes: int) -> tuple[States, Facts]:
    _, decode = _format_of(path)
    try:
        content = read_file(path, max_bytes)
    except DataError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise DataError(f"{path}: there is no such checkpoint") from None
        raise
    try:
        text, flat = decode(content)
        header = json.loads(text)
        version, facts = header["version"], header["facts"]
        if version > VERSION:
            raise _WrittenByNewer("it was written by a newer version: update tinygrad_lite")
        names = header["arrays"]
        states = {part: {name: flat.pop(_key(part, name)) for name in names[part]} for part in names}
        is_whole = not flat and header["sha256"] == _digest(version, states, facts)
    except MissingExtra:
        raise
    except MemoryError:
        raise file_error(path, "a checkpoint that fits into memory", "a larger one", "Free some memory") from None
    except DataError as error:
        raise type(error)(f"{path}: {error}") from None
    except Exception as error:  # a damaged file may raise any type of error
        raise DataError(f"{path}: the checkpoint is damaged ({type(error).__name__} while it was read)") from None
    if not is_whole:
        raise DataError(
            f"{path}: the checkpoint is damaged (its content has another digest than it had when it was saved)"
        )
    return states, facts


def _is_whole(path: Path, max_bytes: int) -> bool:
    try:
        _read(path, max_bytes)
    except DataError:
        return False
    return True


def _key(part: str, name: str) -> str:
    return f"{part}/{name}"


def _stored(part: str, name: str, value: Any) -> NDArray[Any]:
    """Return a value as an array that the formats can hold."""
    if not (isinstance(part, str) and isinstance(name, str)):
        raise TypeError(f"the names of parts and arrays in a checkpoint must be str, not {part!r} and {name!r}")
    array = np.asarray(value)
    # The layout of a long double depends on the machine, and has padding bytes, which would change the digest.
    if array.dtype.kind not in "biufc" or array.dtype.char in "gG":
        kind = f"type {array.dtype}" + f", a {type(value).__name__}" * (array.dtype.kind == "O")
        raise ValueError(f"a checkpoint holds portable numbers, such as float64, but {_key(part, name)} is of {kind}")
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _digest(version: int, states: Mapping[str, Arrays], facts: Facts) -> str:
    """Return the SHA-256 of the content of a checkpoint, which does not depend on its format."""
    described = {part: [(name, x.dtype.str, x.shape) for name, x in state.items()] for part, state in states.items()}
    sha = hashlib.sha256(json.dumps([version, facts, described]).encode())
    for state in states.values():
        for x in state.values():
            sha.update(x.tobytes())
    return sha.hexdigest()


def _to_npz(arrays: Arrays, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # Unlike np.savez, this stores the header as text; and without a time of writing equal states give equal files.
        archive.writestr(zipfile.ZipInfo(f"{HEADER}.json"), text)
        for name, x in arrays.items():
            member, info = io.BytesIO(), zipfile.ZipInfo(f"{name}.npy")
            if info.filename != f"{name}.npy":
                raise ValueError(f"an .npz file cannot have an array named {name!r}")
            np.lib.format.write_array(member, x, allow_pickle=False)
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def _from_npz(content: bytes) -> tuple[str, Arrays]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile:
        if content.startswith(b"PK\x03\x04"):
            raise DataError("the checkpoint is cut short, or its end is damaged") from None
        raise DataError("this is no checkpoint") from None
    with archive:
        infos = archive.infolist()
        if f"{HEADER}.json" not in (info.filename for info in infos):
            raise DataError("this is no checkpoint, but some other archive, as numpy.savez writes: numpy.load reads it")
        # `save` writes no compressed or overlapping members: a small file that claims more could fill the memory.
        if any(info.compress_type for info in infos) or sum(info.file_size for info in infos) > len(content):
            raise DataError("the checkpoint is damaged (its content is not as large as it claims)")
        # `read` verifies the checksum of each member.
        members = {info.filename.removesuffix(".npy"): archive.read(info) for info in infos}
    text = members.pop(f"{HEADER}.json").decode()
    return text, {name: _array(member) for name, member in members.items()}


def _array(member: bytes) -> NDArray[Any]:
    """Return the array in an .npy file."""
    # NumPy's own reader would allocate the size that the header claims before it checks the data.
    file = io.BytesIO(member)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("a version that `save` does not write")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    numbers = np.frombuffer(member, dtype, math.prod(shape), file.tell())  # refuses objects, stored as pickles
    return numbers.reshape(shape, order="F" if is_fortran else "C").copy()


def _to_safetensors(arrays: Arrays, text: str) -> bytes:
    library = _safetensors()
    for name, x in arrays.items():
        if x.dtype.kind == "c":
            raise ValueError(f"a .safetensors file cannot hold complex numbers, as in {name}: save an .npz file")
    return library.save(arrays, {HEADER: text})


def _from_safetensors(content: bytes) -> tuple[str, Arrays]:
    library = _safetensors()
    # The format: eight bytes with the length of a JSON text, the text, and the bytes that it describes.
    start, length = 8, int.from_bytes(content[:8], "little")
    text = content[start : start + length]
    if not text.startswith(b"{"):
        raise DataError("this is no checkpoint")
    if len(text) < length:
        raise DataError("the checkpoint is cut short, or its beginning is damaged")
    described = json.loads(text)
    metadata = described.pop("__metadata__", None) or {}
    if HEADER not in metadata:
        raise DataError("this is no checkpoint, but other arrays, such as weights: tg.load_safetensors reads them")
    end = max((x["data_offsets"][1] for x in described.values()), default=0)
    if len(content) < start + length + end:
        raise DataError("the checkpoint is cut short")
    return metadata[HEADER], library.load(content)


def _safetensors() -> Any:
    return extra("safetensors.numpy", "interop", "a .safetensors checkpoint, unlike an .npz one,")


FORMATS: dict[str, tuple[Callable[[Arrays, str], bytes], Callable[[bytes], tuple[str, Arrays]]]] = {
    ".npz": (_to_npz, _from_npz),
    ".safetensors": (_to_safetensors, _from_safetensors),
}


def _format_of(path: Path) -> tuple[Callable[[Arrays, str], bytes], Callable[[bytes], tuple[str, Arrays]]]:
    if path.suffix not in FORMATS:
        name = f"{path.name.partition('.')[0] or 'run'}.npz"
        raise ValueError(
            f"{path}: a checkpoint's suffix is {' or '.join(FORMATS)}, not {path.suffix!r}: write {name!r}"
        )
    return FORMATS[path.suffix]
