"""MNIST, 70,000 handwritten digits: read from disk, or downloaded once from a mirror.

    train, valid, test = load_mnist()
    train.images.shape  # (50000, 784)

Every file is verified by its SHA-256, so a wrong or damaged copy is never trained on. Downloads that are cut off are
continued, and several processes may download at once.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http import HTTPStatus
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import DataError
from ..support.files import as_path, file_error
from .cache import cache_folder
from .idx import gzipped, parse_idx, read_content
from .splits import Digits, Split, rows_in_unit_interval

if TYPE_CHECKING:
    from urllib.request import Request


class DataUnavailable(DataError):
    """MNIST is not on disk and could not be downloaded. The attribute ``remedy`` says in a sentence what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.remedy = remedy

    def __str__(self) -> str:
        return ". ".join(self.args)


class Limits(NamedTuple):
    """Limits in seconds: how long a mirror may be silent, and how long one file may take."""

    patience: float
    time_limit: float


class MnistFile(NamedTuple):
    """One of MNIST's four files: its name, its shape, and the SHA-256 of its decompressed bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def size(self) -> int:
        """The size of the decompressed file in bytes."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The possible names of the file: it is distributed in two spellings, gzipped and not."""
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
    "https://dataset.bj.bcebos.com/mnist/",  # PaddlePaddle's, which is quickly reached from China
)
PATIENCE = 5.0
TIME_LIMIT = 300.0
ABANDONED = 60.0  # seconds: a partial file that has not grown for so long belongs to a process that has ended
CHUNK = 1 << 16


def load_mnist(
    root: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
    patience: float = PATIENCE,
    time_limit: float = TIME_LIMIT,
) -> Digits:
    r"""Load MNIST from disk, after downloading missing files.

    The files are read from ``root`` if it is given, else from the folder that the environment variable
    ``TINYGRAD_LITE_DATA`` names, else from the user's cache folder. Files are downloaded only to the cache folder.

    Without a network, get the four files elsewhere: ``train-images-idx3-ubyte.gz``, ``train-labels-idx1-ubyte.gz``,
    ``t10k-images-idx3-ubyte.gz`` and ``t10k-labels-idx1-ubyte.gz``, unpacked or not. A browser downloads them from a
    mirror: append each name to https://ossci-datasets.s3.amazonaws.com/mnist/,
    https://storage.googleapis.com/cvdf-datasets/mnist/ or https://dataset.bj.bcebos.com/mnist/ (in China). Put them
    into ``~/.cache/tinygrad_lite/mnist`` (on macOS ``~/Library/Caches/tinygrad_lite/mnist``, on Windows
    ``%LOCALAPPDATA%\tinygrad_lite\mnist``), or into any folder that ``root``, ``TINYGRAD_LITE_DATA`` or the option
    ``--data`` of a command names.

    Parameters
    ----------
    root
        A folder that holds the four files, gzipped or not.
    download
        True downloads files that the cache folder lacks.
    patience
        Seconds that a mirror may be silent before the next one is tried.
    time_limit
        Seconds that a mirror may take for one file. After that, the bytes received are kept and the next attempt
        continues from them.

    Returns
    -------
    Digits
        ``train`` (the first 50,000 of the training file), ``valid`` (its last 10,000) and ``test`` (10,000),
        each with ``images``, float32 in [0, 1] of shape (n, 784), and ``labels``, uint8 of shape (n,).

    Raises
    ------
    DataError
        If the given folder lacks a file, or a file is damaged or not MNIST's.
    DataUnavailable
        If no folder is given, the cache folder lacks a file, and no mirror supplies it.

    Examples
    --------
    >>> train, valid, test = tg.data.load_mnist()  # doctest: +SKIP
    >>> train.images.shape, train.labels[:3]  # doctest: +SKIP
    ((50000, 784), array([5, 0, 4], dtype=uint8))
    """
    if root is not None:
        paths = _all_in(as_path(root))
    elif folder := os.environ.get(FOLDER_VARIABLE):
        paths = _all_in(as_path(folder), f", named by the environment variable {FOLDER_VARIABLE},")
    else:
        limits = Limits(patience, time_limit) if download else None
        paths = _all_cached(cache_folder() / "mnist", limits)

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
    # os.path.isfile returns False where Path.is_file raises: without permission, or for a name that is too long.
    return next((path for name in file.spellings if os.path.isfile(path := folder / name)), None)  # noqa: PTH113


def _missing(folder: Path) -> list[MnistFile]:
    return [file for file in FILES if _find(folder, file) is None]


def _paths(folder: Path) -> list[Path]:
    return [path for file in FILES if (path := _find(folder, file))]


def _all_in(folder: Path, origin: str = "") -> list[Path]:
    folder = Path(os.path.expanduser(folder))  # noqa: PTH111 (not every user has a home)
    if missing := _missing(folder):
        state = (
            "lacks" if os.access(folder, os.X_OK) and folder.is_dir() else "is missing or cannot be read, so it lacks"
        )
        raise DataError(
            f"The MNIST folder {folder}{origin} {state} {_names(missing)}. Each file may be named as in "
            f"{' or '.join(FILES[0].spellings)}. Add what is missing, name a folder that has all four, "
            f"or name none to use the cache folder and the mirrors."
        )
    return _paths(folder)


def _names(files: list[MnistFile]) -> str:
    return ", ".join(file.name for file in files)


def _read_verified(path: Path, file: MnistFile) -> NDArray[np.uint8]:
    remedy = "Delete it: in the cache folder it is then fetched anew, elsewhere put a good copy in its place."
    content = read_content(path, file.size, remedy)
    array = parse_idx(content, path)
    if array.shape != file.shape:
        raise file_error(path, f"the shape {file.shape}", f"{array.shape}", remedy)
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise file_error(path, f"the decompressed SHA-256 {file.sha256}", digest, remedy)
    return array


def _all_cached(folder: Path, limits: Limits | None) -> list[Path]:
    if missing := _missing(folder):
        answers = _download(missing, folder, limits) if limits else ["download=False forbids it"]
        if lacking := _missing(folder):
            raise DataUnavailable(
                f"MNIST is neither on this computer nor could it be downloaded: {'; '.join(answers)}",
                f"Put {', '.join(f'{file.name}.gz' for file in lacking)} into {folder}: "
                "help(tinygrad_lite.data.load_mnist) tells where to get them",
            )
    return _paths(folder)


def _download(wanted: list[MnistFile], folder: Path, limits: Limits) -> list[str]:
    """Download files to the folder, up to the first that no mirror supplies; return the mirrors' errors."""
    # The modules of the network are imported only here and below: they take as long to import as all of this library.
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError

    mirrors, answers = list(MIRRORS), []
    for file in wanted:
        for mirror in tuple(mirrors):
            if _find(folder, file):
                break  # downloaded, by this process or by another one in the meantime
            url = f"{mirror}{file.name}.gz"
            try:
                _fetch(url, file, folder, limits)
            except (ValueError, HTTPError) as error:
                answers.append(f"{url}: {error}")
            except (OSError, HTTPException) as error:
                reason = error.reason if isinstance(error, URLError) else error
                answers.append(f"{url}: {reason}")
                mirrors.remove(mirror)  # unreachable or failing: do not wait for it again
        if not _find(folder, file):
            break
    return answers


def _fetch(url: str, file: MnistFile, folder: Path, limits: Limits) -> None:
    """Download one file, which gets its final name only when it is complete and verified.

    Until then it has a temporary name that no other process uses. After a failed attempt, the bytes received are kept
    for the next attempt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / f"{file.name}.gz"
    part = whole.with_suffix(f".gz.{secrets.token_hex(4)}.part")
    _take_over(whole, part)
    try:
        if _transfer(url, part, file, limits) and not _is_right(part, file):
            part.unlink()  # the bytes of an earlier attempt may have been wrong: start anew
            _transfer(url, part, file, limits)
        if not _is_right(part, file):
            raise DataError("sent something other than MNIST's file")
        part.replace(whole)
        for left in _abandoned(whole):
            with suppress(OSError):
                left.unlink()
    except DataError:
        part.unlink(missing_ok=True)
        raise
    finally:
        if part.exists():
            part.replace(whole.with_suffix(".gz.part"))


def _take_over(whole: Path, part: Path) -> None:
    """Rename an abandoned partial file, if there is one, to be this process's part."""
    for left in _abandoned(whole):
        with suppress(OSError):  # another process has taken it
            os.utime(left)
            left.rename(part)
            return


def _abandoned(whole: Path) -> Iterator[Path]:
    """Yield the partial files of failed attempts and of killed processes."""
    for left in whole.parent.glob(f"{whole.name}*.part"):
        with suppress(OSError):
            if left.name == f"{whole.name}.part" or time.time() - left.stat().st_mtime > ABANDONED:
                yield left


def _is_right(part: Path, file: MnistFile) -> bool:
    try:
        _read_verified(part, file)
    except DataError:
        return False
    return True


def _transfer(url: str, part: Path, file: MnistFile, limits: Limits) -> bool:
    """Download the bytes that ``part`` lacks; return True if the bytes it already held were kept."""
    from urllib.error import HTTPError
    from urllib.request import Request

    most = gzipped(file.size)
    held = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={held}-"} if held else {})
    with closing(_arriving(request, most, limits)) as arriving:
        try:
            status, length = next(arriving)
        except HTTPError as error:
            with error:
                if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and held:
                    return True  # the part has all bytes; the caller verifies its SHA-256
                raise
        resumed = status == HTTPStatus.PARTIAL_CONTENT and held > 0
        start = held if resumed else 0
        total = None if length is None else start + length
        if total is not None and total > most:
            raise DataError(f"sent {total:,} bytes, more than MNIST's file has")
        with (
            part.open("ab" if resumed else "wb") as saved,
            tqdm(desc=f"{file.name}.gz", initial=start, total=total, unit="B", unit_scale=True) as bar,
        ):
            for chunk in arriving:
                bar.update(saved.write(chunk))
                if saved.tell() > most:
                    raise DataError(f"sent more than {most:,} bytes, and so more than MNIST's file has")
            size = saved.tell()
            saved.flush()
            os.fsync(saved.fileno())
    if total is not None and size < total:
        raise ConnectionError(f"the connection was cut after {size:,} of {total:,} bytes")
    return resumed


def _arriving(request: Request, most: int, limits: Limits) -> Generator[Any, None, None]:
    """Request a URL; yield the status and length of the response, then its bytes as they arrive, up to about ``most``.

    The request runs in a thread, since the timeout of a socket limits neither the lookup of a name nor a response that
    arrives byte by byte.
    """
    from urllib.request import urlopen

    arrived: SimpleQueue[Any] = SimpleQueue()
    given_up = Event()

    def ask() -> None:
        try:
            # This timeout only ends the thread. It is longer than the wait below, whose message the user sees.
            with urlopen(request, timeout=2 * limits.patience) as response:
                arrived.put((response.status, response.length))
                size = 0
                while size <= most and not given_up.is_set() and (chunk := response.read1(CHUNK)):
                    arrived.put(chunk)
                    size += len(chunk)
            arrived.put(None)
        except Exception as error:
            arrived.put(error)

    Thread(target=ask, daemon=True).start()
    end = time.monotonic() + limits.time_limit
    try:
        while True:
            left = end - time.monotonic()
            try:
                item = arrived.get(timeout=max(0, min(limits.patience, left)))
            except Empty:
                never = f"no answer within {limits.patience:g} seconds"
                late = f"not all of it within {limits.time_limit:g} seconds"
                raise TimeoutError(never if left > limits.patience else late) from None
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        given_up.set()
