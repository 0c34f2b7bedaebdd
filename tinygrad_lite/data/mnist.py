"""MNIST, the 70,000 handwritten digits: found on disk, or fetched once from a mirror, and always verified."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import DataError
from .cache import cache_folder
from .idx import file_error, parse_idx, read_content
from .splits import Digits, Split, rows_in_unit_interval


class DataUnavailable(DataError):
    """MNIST is neither on disk nor to be had from a mirror."""


class MnistFile(NamedTuple):
    """One of MNIST's four files: its name, its shape, and the SHA-256 of its decompressed bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names under which the file is found, as it is spread in both spellings, gzipped and not."""
        dotted = self.name.replace("-idx", ".idx")
        return self.name, f"{self.name}.gz", dotted, f"{dotted}.gz"


FILES = (
    MnistFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    MnistFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    MnistFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    MnistFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
VALID_SIZE = 10_000

FOLDER_VARIABLE = "TINYGRAD_LITE_DATA"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
PATIENCE = 5.0  # seconds a mirror may keep silent before it is given up
CHUNK = 1 << 16


def load_mnist(root: str | os.PathLike[str] | None = None, *, download: bool = True) -> Digits:
    """Load MNIST, looking for it on disk first and fetching what is missing.

    The first of these that is given decides: ``root``, the folder named by the environment variable
    ``TINYGRAD_LITE_DATA``, the user's cache folder. Only the cache folder is filled from the mirrors.

    Parameters
    ----------
    root
        A folder that holds the four files, gzipped or not.
    download
        Whether to ask the mirrors for what the cache folder lacks.

    Returns
    -------
    Digits
        ``train`` (the first 50,000 of the training file), ``valid`` (its last 10,000) and ``test`` (10,000),
        each with ``images``, float32 in [0, 1] of shape (n, 784), and ``labels``, uint8 of shape (n,).

    Raises
    ------
    DataError
        If the named folder lacks a file, or a file is damaged or not MNIST's.
    DataUnavailable
        If no folder is named, the cache folder lacks a file, and no mirror supplies it.
    """
    if root is not None:
        paths = _all_in(Path(root))
    elif folder := os.environ.get(FOLDER_VARIABLE):
        paths = _all_in(Path(folder), f", named by the environment variable {FOLDER_VARIABLE},")
    else:
        paths = _all_cached(cache_folder() / "mnist", download)

    with ThreadPoolExecutor(len(FILES)) as pool:  # zlib and hashlib release the GIL
        images, labels, test_images, test_labels = pool.map(_read_verified, paths, FILES)
    pixels, digits = rows_in_unit_interval(images), labels.copy()
    end = len(digits) - VALID_SIZE
    return Digits(
        train=Split(pixels[:end], digits[:end]),
        valid=Split(pixels[end:], digits[end:]),
        test=Split(rows_in_unit_interval(test_images), test_labels.copy()),
    )


def _find(folder: Path, file: MnistFile) -> Path | None:
    return next((path for name in file.spellings if (path := folder / name).is_file()), None)


def _missing(folder: Path) -> list[MnistFile]:
    return [file for file in FILES if _find(folder, file) is None]


def _paths(folder: Path) -> list[Path]:
    return [path for file in FILES if (path := _find(folder, file))]


def _all_in(folder: Path, origin: str = "") -> list[Path]:
    folder = folder.expanduser()
    if missing := _missing(folder):
        state = "lacks" if folder.is_dir() else "is not a folder, so it lacks"
        raise DataError(
            f"The MNIST folder {folder}{origin} {state} {_names(missing)}. Each file may be named as in "
            f"{' or '.join(FILES[0].spellings)}. Add what is missing, name a folder that has all four, "
            f"or name none to use the cache folder and the mirrors."
        )
    return _paths(folder)


def _names(files: list[MnistFile]) -> str:
    return ", ".join(file.name for file in files)


def _read_verified(path: Path, file: MnistFile) -> NDArray[np.uint8]:
    content = read_content(path)
    array = parse_idx(content, path)
    remedy = "Delete it: in the cache folder it is then fetched anew, elsewhere put a good copy in its place."
    if array.shape != file.shape:
        raise file_error(path, f"the shape {file.shape}", f"{array.shape}", remedy)
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise file_error(path, f"the decompressed SHA-256 {file.sha256}", digest, remedy)
    return array


def _all_cached(folder: Path, download: bool) -> list[Path]:
    if missing := _missing(folder):
        answers = _download(missing, folder) if download else ["not asked, since download=False"]
        if lacking := _missing(folder):
            raise DataUnavailable(
                f"MNIST is not to be had: {FOLDER_VARIABLE} is not set, the cache folder {folder} lacks "
                f"{_names(lacking)}, and the mirrors gave: {'; '.join(answers)}. Connect to the network "
                f"and try again, or put the four files into that folder, or name one that has them: "
                f"by {FOLDER_VARIABLE}, as load_mnist(folder), or to a command by --data."
            )
    return _paths(folder)


def _download(wanted: list[MnistFile], folder: Path) -> list[str]:
    """Fetch files into the folder until one is not to be had; return what the mirrors answered in failing."""
    mirrors, answers = list(MIRRORS), []
    for file in wanted:
        for mirror in tuple(mirrors):
            url = f"{mirror}{file.name}.gz"
            try:
                _fetch(url, file, folder)
                break
            except (DataError, HTTPError) as error:
                answers.append(f"{url}: {error}")
            except (OSError, HTTPException) as error:
                reason = error.reason if isinstance(error, URLError) else error
                answers.append(f"{url}: {reason}")
                mirrors.remove(mirror)  # out of reach or failing: the other files need not wait for it too
        else:
            break
    return answers


def _fetch(url: str, file: MnistFile, folder: Path) -> None:
    """Download one file; it gets its name only when it is whole and right."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{file.name}.gz.part"
    resumed = _transfer(url, part)
    try:
        _read_verified(part, file)
    except DataError as error:
        part.unlink(missing_ok=True)
        if not resumed:
            raise DataError("sent something other than MNIST's file") from error
        _fetch(url, file, folder)  # the earlier part may have been the bad one
    else:
        part.replace(part.with_suffix(""))


def _transfer(url: str, part: Path) -> bool:
    """Download what ``part`` still lacks, and return whether the bytes it already held were kept."""
    held = part.stat().st_size if part.exists() else 0
    try:
        response = _connect(Request(url, headers={"Range": f"bytes={held}-"} if held else {}))
    except HTTPError as error:
        with error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and held:
                return True  # nothing comes after what is held: the digest tells whether it is right
            raise
    with response:
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        start = held if resumed else 0
        total = None if response.length is None else start + response.length
        _save(response, part, start, total)
    return resumed


def _save(response: HTTPResponse, part: Path, start: int, total: int | None) -> None:
    with (
        part.open("ab" if start else "wb") as file,
        tqdm(desc=part.stem, initial=start, total=total, unit="B", unit_scale=True) as bar,
    ):
        while chunk := response.read(CHUNK):
            bar.update(file.write(chunk))
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    if total is not None and size < total:
        raise ConnectionError(f"the connection was cut after {size:,} of {total:,} bytes")


def _connect(request: Request) -> HTTPResponse:
    """Open a URL in a thread of its own, since a socket's timeout does not bound the lookup of a name."""
    answer: Future[HTTPResponse] = Future()

    def attempt() -> None:
        try:
            answer.set_result(urlopen(request, timeout=PATIENCE))
        except Exception as error:
            answer.set_exception(error)

    Thread(target=attempt, daemon=True).start()
    try:
        return answer.result(PATIENCE)
    except TimeoutError:
        answer.add_done_callback(_close_late)
        raise TimeoutError(f"no answer within {PATIENCE:g} seconds") from None


def _close_late(answer: Future[Any]) -> None:
    if answer.exception() is None:
        answer.result().close()
