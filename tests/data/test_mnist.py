"""MNIST: the real files give the documented splits; folders are searched in the documented order and none
that is named is silently passed over; nothing damaged is ever returned; and a download survives every failure
that a small local server can stage, or says in one paragraph why it cannot. What a mirror sends has bounds in size
and time, and processes that download at once do not meet.
"""

from __future__ import annotations

import gc
import gzip
import hashlib
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lite.data import DataUnavailable, load_mnist, mnist, read_idx, write_idx
from tinygrad_lite.data.cache import cache_folder
from tinygrad_lite.errors import DataError

ROOT = Path(__file__).parent.parent.parent
REAL = os.environ.get(mnist.FOLDER_VARIABLE)
MIRRORS = mnist.MIRRORS
TRAIN, VALID, TEST = 50, 10, 20


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Start with no folder named, an empty cache, no mirror and no proxy."""
    monkeypatch.delenv(mnist.FOLDER_VARIABLE, raising=False)
    for variable in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):  # Linux, macOS, Windows
        monkeypatch.setenv(variable, str(tmp_path / "user"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mnist, "MIRRORS", ())


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Make a folder with an MNIST of 80 images, and the table of files describe it."""
    folder = tmp_path / "small"
    folder.mkdir()
    rng = np.random.default_rng(0)
    files = []
    for name, shape, _ in mnist.FILES:
        count = TEST if name.startswith("t10k") else TRAIN + VALID
        array = rng.integers(0, 256 if "images" in name else 10, (count, *shape[1:]), dtype=np.uint8)
        write_idx(folder / f"{name}.gz", array)
        content = gzip.decompress((folder / f"{name}.gz").read_bytes())
        files.append(mnist.MnistFile(name, array.shape, hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(mnist, "FILES", tuple(files))
    monkeypatch.setattr(mnist, "VALID_SIZE", VALID)
    return folder


def cache() -> Path:
    return cache_folder() / "mnist"


def cached() -> list[str]:
    return sorted(path.name for path in cache().iterdir())


def zipped_names() -> list[str]:
    return sorted(f"{file.name}.gz" for file in mnist.FILES)


@pytest.mark.skipif(not REAL, reason=f"{mnist.FOLDER_VARIABLE} names no folder with the real files")
def test_the_real_files_give_the_documented_splits():
    train, valid, test = load_mnist(REAL)
    for split, count in ((train, 50_000), (valid, 10_000), (test, 10_000)):
        assert len(split) == count
        assert split.images.shape == (count, 784)
        assert split.images.dtype == np.float32
        assert split.labels.shape == (count,)
        assert split.labels.dtype == np.uint8
        assert split.images.min() == 0
        assert split.images.max() == 1
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_the_splits_are_the_first_and_last_of_the_training_file(small):
    train, valid, test = load_mnist(small)
    assert (len(train), len(valid), len(test)) == (TRAIN, VALID, TEST)
    pixels = read_idx(small / "train-images-idx3-ubyte.gz").reshape(-1, 784)
    digits = read_idx(small / "train-labels-idx1-ubyte.gz")
    images = np.concatenate([train.images, valid.images])
    assert images.dtype == np.float32
    assert np.array_equal(images, pixels.astype(np.float32) / np.float32(255))
    assert np.array_equal(np.concatenate([train.labels, valid.labels]), digits)
    assert np.array_equal(test.labels, read_idx(small / "t10k-labels-idx1-ubyte.gz"))
    assert train.images.base is valid.images.base  # two views of one array
    assert all(array.flags.writeable for split in (train, test) for array in (split.images, split.labels))


@pytest.mark.parametrize("spelling", range(4))
def test_both_spellings_gzipped_or_plain_are_accepted(small, tmp_path, spelling):
    folder = tmp_path / "other"
    folder.mkdir()
    for file in mnist.FILES:
        write_idx(folder / file.spellings[spelling], read_idx(small / f"{file.name}.gz"))
    assert {path.name for path in folder.iterdir()} >= {
        ("train-images-idx3-ubyte", "train-images.idx3-ubyte")[spelling // 2] + ("", ".gz")[spelling % 2]
    }
    assert len(load_mnist(str(folder)).train) == TRAIN


def test_the_path_comes_first_then_the_variable_then_the_cache(small, tmp_path, monkeypatch):
    cache().mkdir(parents=True)
    for path in small.iterdir():
        shutil.copy(path, cache())
    assert len(load_mnist().train) == TRAIN
    monkeypatch.setenv(mnist.FOLDER_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(DataError, match="absent"):
        load_mnist()
    assert len(load_mnist(small).train) == TRAIN
    monkeypatch.setenv(mnist.FOLDER_VARIABLE, str(small))
    shutil.rmtree(cache())
    assert len(load_mnist().train) == TRAIN
    with pytest.raises(DataError, match="nowhere"):
        load_mnist(tmp_path / "nowhere")


@pytest.mark.parametrize("by_variable", [False, True])
@pytest.mark.parametrize("state", ["missing", "empty", "incomplete", "a file"])
def test_a_named_folder_is_never_passed_over(small, tmp_path, monkeypatch, state, by_variable):
    folder = tmp_path / "named"
    if state == "a file":
        folder.write_bytes(b"")
    elif state != "missing":
        folder.mkdir()
    absent = [file.name for file in mnist.FILES]
    if state == "incomplete":
        shutil.copy(small / f"{absent[0]}.gz", folder)
        shutil.copy(small / f"{absent[1]}.gz", folder / f"{absent[1]}.gz.part")
        absent = absent[1:]
    monkeypatch.setenv(mnist.FOLDER_VARIABLE, str(folder if by_variable else small))
    with pytest.raises(DataError) as caught:
        load_mnist(None if by_variable else folder)
    message = str(caught.value)
    assert not isinstance(caught.value, DataUnavailable)
    assert str(folder) in message
    assert f"lacks {', '.join(absent)}. " in message
    assert "train-images.idx3-ubyte.gz" in message
    assert (mnist.FOLDER_VARIABLE in message) == by_variable


def damage(path: Path, kind: str) -> None:
    array = read_idx(path)
    if kind == "one bit":
        array.flat[0] ^= 1
    elif kind == "one sample fewer":
        array = array[:-1]
    elif kind == "signed":
        array = array.view(np.int8)
    write_idx(path, array)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("one bit", "SHA-256"),
        ("signed", "SHA-256"),
        ("one sample fewer", "shape"),
        ("truncated", "cut short"),
    ],
)
def test_a_damaged_file_is_refused_by_name(small, position, kind, said):
    name = f"{mnist.FILES[position].name}.gz"
    damage(small / name, kind)
    with pytest.raises(DataError, match=f"{name}: expected .*{said}") as caught:
        load_mnist(small)
    assert not isinstance(caught.value, DataUnavailable)


def test_a_damaged_file_in_the_cache_is_not_silently_replaced(small):
    cache().mkdir(parents=True)
    for path in small.iterdir():
        shutil.copy(path, cache())
    damage(cache() / zipped_names()[0], "one bit")
    with pytest.raises(DataError, match="Delete it"):
        load_mnist()


class Mirror(BaseHTTPRequestHandler):
    """Serves ``/KIND/NAME``, where KIND says in which way the mirror is good or bad."""

    def do_GET(self):
        _, kind, name = self.path.split("/")
        self.server.asked.append((kind, name, self.headers["Range"]))
        content = (self.server.folder / name).read_bytes()
        getattr(self, kind)(content)

    def answer(self, content, status=200, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def good(self, content):
        start = int((self.headers["Range"] or "bytes=0-")[len("bytes=") : -1])
        if start >= len(content):
            self.answer(b"", 416)
        else:
            self.answer(content[start:], 206 if start else 200)

    def rangeless(self, content):
        self.answer(content)

    def unsized(self, content):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def missing(self, content):
        self.send_error(404)

    def wrong(self, content):
        self.answer(b"<html>Please log in</html>")

    def cut(self, content):
        self.answer(content[: len(content) // 2], length=len(content))

    def stalling(self, content):
        self.cut(content)
        self.wfile.flush()
        self.server.over.wait()

    def silent(self, content):
        self.server.over.wait()

    def endless(self, content):
        self.send_response(200)
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(bytes(1 << 16))

    def oversized(self, content):
        self.answer(content, length=10**12)

    def bomb(self, content):
        self.answer(gzip.compress(bytes(2_000_000)))

    def dripping(self, content):
        self.send_response(200)
        self.end_headers()
        while not self.server.over.wait(0.01):
            self.wfile.write(b"0")

    def chunk_dripping(self, content):
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.server.over.wait(0.01):
            self.wfile.write(b"0")

    def unasked(self, content):
        self.answer(content, 206)

    def unasked_wrong(self, content):
        self.answer(content[1:], 206)

    def astray(self, content):
        self.send_response(302)
        self.send_header("Location", "http://[")
        self.end_headers()

    def in_two_halves(self, content, between):
        self.cut(content)
        self.wfile.flush()
        between.wait()
        self.wfile.write(content[len(content) // 2 :])

    def paused(self, content):
        self.in_two_halves(content, self.server.resumed)

    def together(self, content):
        if self.path.endswith(f"{mnist.FILES[0].name}.gz"):
            self.server.both.wait()
            self.in_two_halves(content, self.server.both)
        else:
            self.good(content)

    def log_message(self, *_):
        pass


class MirrorServer(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for every handler

    def handle_error(self, request, client_address):
        """Be silent about one who hangs up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def server(small, monkeypatch):
    server = MirrorServer(("127.0.0.1", 0), Mirror)
    server.folder, server.asked, server.over = small, [], threading.Event()
    server.both, server.resumed = threading.Barrier(2, timeout=30), threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    with socket.socket() as server.deaf:
        # A port that refuses, and is given to no one else.
        server.deaf.bind(("127.0.0.1", 0))
        yield server
    server.over.set()
    server.resumed.set()
    server.shutdown()
    thread.join()
    server.server_close()


def use(monkeypatch, server, *kinds):
    urls = {kind: f"http://127.0.0.1:{server.server_port}/{kind}/" for kind in kinds}
    urls["refusing"] = f"http://127.0.0.1:{server.deaf.getsockname()[1]}/"
    urls["unresolved"] = "http://slow.invalid/"
    monkeypatch.setattr(mnist, "MIRRORS", tuple(urls[kind] for kind in kinds))


@pytest.fixture
def slow_names(monkeypatch):
    """Let the lookup of any name but an address last until the test is over."""
    real, over, asked = socket.getaddrinfo, threading.Event(), []

    def getaddrinfo(host, *args, **kwargs):
        if host != "127.0.0.1":
            asked.append(host)
            over.wait()
            raise socket.gaierror("unknown name")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    over.set()


@pytest.mark.parametrize("kind", ["good", "rangeless", "unsized"])
def test_a_download_fills_the_cache_once(server, monkeypatch, capsys, kind):
    use(monkeypatch, server, kind)
    assert len(load_mnist().train) == TRAIN
    assert cached() == zipped_names()
    bars = capsys.readouterr().err
    assert all(f"{file.name}.gz" in bars for file in mnist.FILES)
    assert len(server.asked) == 4
    assert len(load_mnist(download=False).test) == TEST
    assert len(server.asked) == 4


def test_only_what_is_missing_is_fetched(server, small, monkeypatch):
    use(monkeypatch, server, "good")
    cache().mkdir(parents=True)
    for name in zipped_names()[1:]:
        shutil.copy(small / name, cache())
    load_mnist()
    assert [name for _, name, _ in server.asked] == zipped_names()[:1]


WRONG = ["missing", "wrong", "endless", "oversized", "bomb", "unasked_wrong"]
FAILING = ["cut", "stalling", "silent", "dripping", "chunk_dripping", "refusing", "unresolved"]


def limits(kind: str) -> dict[str, int]:
    """Return the limit in seconds that a mirror meets, and one that no slow machine meets."""
    waits = kind in ("stalling", "silent", "chunk_dripping", "unresolved")
    return {"patience": 2 if waits else 60, "time_limit": 2 if kind == "dripping" else 60}


@pytest.mark.parametrize("kind", [*WRONG, *FAILING])
def test_a_second_mirror_serves_when_the_first_fails(server, slow_names, monkeypatch, kind):
    use(monkeypatch, server, kind, "good")
    assert len(load_mnist(**limits(kind)).train) == TRAIN
    assert cached() == zipped_names()
    attempts = sum(asked[0] == kind for asked in server.asked) + len(slow_names)
    # One that sends what is wrong is asked for every file, one that does not send is not.
    assert attempts == {"refusing": 0}.get(kind, 4 if kind in WRONG else 1)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("endless", "sent more than [0-9,]+ bytes, and so more than MNIST's file has"),
        ("oversized", "sent 1,000,000,000,000 bytes, more than MNIST's file has"),
        ("bomb", "sent something other than MNIST's file"),
        ("dripping", "not all of it within 2 seconds"),
        ("chunk_dripping", "no answer within 2 seconds"),
        ("stalling", "no answer within 2 seconds"),
    ],
)
def test_what_is_sent_has_bounds_in_size_and_time(server, monkeypatch, kind, said):
    use(monkeypatch, server, kind)
    with pytest.raises(DataUnavailable, match=said):
        load_mnist(**limits(kind))
    kept = sum(path.stat().st_size for path in cache().iterdir())
    assert kept < (100_000 if kind in ("dripping", "stalling") else 1)


def test_an_answer_that_claims_to_be_a_part_unasked_is_a_whole_one(server, monkeypatch):
    use(monkeypatch, server, "unasked")
    assert len(load_mnist().train) == TRAIN
    use(monkeypatch, server, "unasked_wrong")
    shutil.rmtree(cache())
    with pytest.raises(DataUnavailable, match="something other"):
        load_mnist()
    assert len(server.asked) == 5


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib leaves the first answer open
def test_a_mirror_that_leads_astray_is_passed_over(server, monkeypatch):
    use(monkeypatch, server, "astray", "good")
    assert len(load_mnist().train) == TRAIN
    gc.collect()


def test_what_one_mirror_began_the_next_one_finishes(server, small, monkeypatch):
    use(monkeypatch, server, "cut", "good")
    load_mnist()
    kind, name, asked_range = server.asked[1]
    assert kind == "good"
    assert asked_range == f"bytes={(small / name).stat().st_size // 2}-"


def begin(small: Path, change=lambda content: content[: len(content) // 2]) -> Path:
    """Leave a partial download of the first file in the cache."""
    name = f"{mnist.FILES[0].name}.gz"
    cache().mkdir(parents=True)
    part = cache() / f"{name}.part"
    part.write_bytes(change((small / name).read_bytes()))
    return part


def first_ranges(server) -> list[str | None]:
    return [asked for _, name, asked in server.asked if name == f"{mnist.FILES[0].name}.gz"]


def test_a_partial_download_counts_as_absent_and_is_resumed(server, small, monkeypatch):
    part = begin(small)
    held = part.stat().st_size
    with pytest.raises(DataUnavailable):
        load_mnist(download=False)
    use(monkeypatch, server, "good")
    load_mnist()
    assert first_ranges(server) == [f"bytes={held}-"]
    assert cached() == zipped_names()


def test_a_server_that_cannot_resume_is_read_from_the_start(server, small, monkeypatch):
    begin(small)
    use(monkeypatch, server, "rangeless")
    load_mnist()
    assert len(first_ranges(server)) == 1
    assert cached() == zipped_names()


CHANGES = {
    "wrong bytes": lambda content: b"\0" * 100,
    "too long": lambda content: content + b"more",
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_wrong_partial_is_dropped_and_the_download_restarted(server, small, monkeypatch, change):
    part = begin(small, change)
    expected = [f"bytes={part.stat().st_size}-", None] if part.stat().st_size else [None]
    use(monkeypatch, server, "good")
    load_mnist()
    assert first_ranges(server) == expected
    assert cached() == zipped_names()


def test_a_partial_that_is_already_whole_is_kept(server, small, monkeypatch):
    begin(small, lambda content: content)
    use(monkeypatch, server, "good")
    load_mnist()
    assert len(first_ranges(server)) == 1
    assert cached() == zipped_names()


def test_a_cut_download_is_resumed_by_the_next_call(server, monkeypatch):
    use(monkeypatch, server, "cut")
    with pytest.raises(DataUnavailable, match=r"cut after [\d,]+ of [\d,]+ bytes"):
        load_mnist()
    assert cached() == [f"{mnist.FILES[0].name}.gz.part"]
    use(monkeypatch, server, "good")
    load_mnist()
    assert first_ranges(server)[1].startswith("bytes=")
    assert cached() == zipped_names()


def test_wrong_bytes_are_not_kept(server, monkeypatch):
    use(monkeypatch, server, "wrong")
    with pytest.raises(DataUnavailable, match="something other than MNIST's file"):
        load_mnist()
    assert cached() == []


def test_a_file_gets_its_name_only_once_it_is_safely_on_disk(server, monkeypatch):
    def fail(_):
        raise OSError("disk full")

    use(monkeypatch, server, "good")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataUnavailable, match="disk full"):
        load_mnist()
    assert cached() == [f"{mnist.FILES[0].name}.gz.part"]


def test_one_paragraph_says_what_was_tried_and_what_to_do(server, slow_names, monkeypatch):
    use(monkeypatch, server, "missing", "refusing", "unresolved")
    with pytest.raises(DataUnavailable) as caught:
        load_mnist(patience=2)
    message = str(caught.value)
    assert "\n" not in message
    for mirror in mnist.MIRRORS:
        assert mirror in message
    for part in ("404", "refused", "no answer within 2 seconds", str(cache()), "help(tinygrad_lite.data.load_mnist)"):
        assert part in message
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_what_to_do_names_the_files_that_are_missing_and_the_documentation_says_where_they_are(small):
    cache().mkdir(parents=True)
    names = [f"{file.name}.gz" for file in mnist.FILES]
    shutil.copy(small / names[0], cache())
    with pytest.raises(DataUnavailable) as caught:
        load_mnist()
    assert f"Put {', '.join(names[1:])} into {cache()}: help(" in caught.value.remedy
    told = mnist.load_mnist.__doc__
    assert all(text in told for text in (*names, *MIRRORS, mnist.FOLDER_VARIABLE))


def test_every_mirror_is_a_folder_to_which_a_name_is_appended():
    assert len(MIRRORS) >= 3
    assert all(mirror.startswith("https://") and mirror.endswith("/mnist/") for mirror in MIRRORS)


def test_without_download_no_mirror_is_asked(server, monkeypatch):
    use(monkeypatch, server, "good")
    with pytest.raises(DataUnavailable, match="download=False"):
        load_mnist(download=False)
    assert server.asked == []
    assert not cache().exists()


def test_a_cache_that_cannot_be_written_is_unavailable_too(server, monkeypatch):
    use(monkeypatch, server, "good")
    cache_folder().parent.mkdir(parents=True)
    cache_folder().write_bytes(b"")  # a file where the folder should be
    with pytest.raises(DataUnavailable, match="mnist"):
        load_mnist()


DOWNLOADS = """
import json, sys
from tinygrad_lite.data import mnist
mnist.MIRRORS, mnist.VALID_SIZE = (sys.argv[1],), int(sys.argv[2])
mnist.FILES = tuple(mnist.MnistFile(name, tuple(shape), digest) for name, shape, digest in json.loads(sys.argv[3]))
print(len(mnist.load_mnist(patience=60).train))
"""


def downloading(server, kind) -> subprocess.Popen:
    """Start another process that downloads."""
    url = f"http://127.0.0.1:{server.server_port}/{kind}/"
    command = [sys.executable, "-c", DOWNLOADS, url, str(VALID), json.dumps(mnist.FILES)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_that_fill_an_empty_cache_at_once_both_get_all(server):
    pair = [downloading(server, "together") for _ in range(2)]
    outputs = [process.communicate() for process in pair]
    assert [process.returncode for process in pair] == [0, 0], outputs
    assert [out for out, _ in outputs] == [f"{TRAIN}\n"] * 2
    assert cached() == zipped_names()


def wait_for_a_part(process: subprocess.Popen) -> Path:
    while not (parts := [path for path in cache().glob("*.part") if path.stat().st_size]):
        assert process.poll() is None
    return parts[0]


def test_a_process_that_comes_later_and_ends_first_does_not_meet_the_other(server, monkeypatch):
    with downloading(server, "paused") as process:
        wait_for_a_part(process)
        use(monkeypatch, server, "good")
        assert len(load_mnist().train) == TRAIN
        server.resumed.set()
        out, _ = process.communicate()
    assert out == f"{TRAIN}\n"
    assert len(load_mnist(download=False).train) == TRAIN
    assert cached() == zipped_names()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_what_a_killed_process_had_begun_is_gone_on_with_once_it_is_surely_dead(server, small, monkeypatch):
    with downloading(server, "stalling") as process:
        part = wait_for_a_part(process)
        process.kill()
    held = part.stat().st_size
    use(monkeypatch, server, "good")
    load_mnist()
    assert cached() == sorted([*zipped_names(), part.name])  # for all one knows the other still writes to it
    for name in zipped_names():
        (cache() / name).unlink()
    os.utime(part, (0, 0))
    load_mnist()
    assert cached() == zipped_names()
    assert first_ranges(server)[1:] == [None, f"bytes={held}-"]


def test_more_parts_than_one_are_cleared_away(server, small, monkeypatch):
    part = begin(small)
    for token in ("0123abcd", "4567abcd"):
        copy = part.with_suffix(f".{token}.part")
        shutil.copy(part, copy)
        os.utime(copy, (0, 0))
    use(monkeypatch, server, "good")
    load_mnist()
    assert cached() == zipped_names()


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300, "~nobody-has-this-name/data"])
def test_a_folder_that_can_not_be_is_a_data_error(small, name):
    with pytest.raises(DataError):
        load_mnist(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_and_a_file_that_grows_on_decompression_are_refused(small):
    path = small / zipped_names()[0]
    path.write_bytes(gzip.compress(bytes(2_000_000)))
    with pytest.raises(DataError, match=r"expected at most [0-9,]+ bytes, found more\. Delete it"):
        load_mnist(small)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="lacks"):
        load_mnist(small)
