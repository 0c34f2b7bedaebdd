"""Files appear whole or not at all: after a kill at any line, on a full disk, and in a folder one may not write to.

And only what is a file, of a size that is allowed, is read; nothing is waited for, and nothing but a file replaced.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_lite.errors import DataError
from tinygrad_lite.support import files
from tinygrad_lite.support.files import as_path, read_file, remove_unfinished, write_atomically

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="the limits and mounts of Linux")

# Writes until a kill hits before line n of the module, for n = 1, 2, … until one is written to its end.
KILLED_AT_EVERY_LINE = """
import os, signal, sys
from pathlib import Path
from tinygrad_lite.support import files

folder, lines = Path(sys.argv[1]), {files.__file__, *sys.argv[2:]}
path, kept = folder / "file", folder / "kept"

def kill_before(n):
    def trace(frame, event, argument):
        nonlocal n
        if frame.f_code.co_filename not in lines:
            return None
        n -= event == "line"
        if n == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)

n, seen = 0, set()
killed = True
while killed:
    n += 1
    path.write_bytes(b"old")
    kept.write_bytes(b"older")
    child = os.fork()
    if child == 0:
        kill_before(n)
        files.write_atomically(path, b"new" * 1000, kept)
        os._exit(0)
    killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    now = path.read_bytes(), kept.read_bytes()
    assert now in [(b"old", b"older"), (b"old", b"old"), (b"new" * 1000, b"old")], (n, now)
    seen.add(now)
    files.remove_unfinished(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["file", "kept"], n
    # And goes on from there: both names may stand for one file now.
    files.write_atomically(path, b"next", kept)
    assert (path.read_bytes(), kept.read_bytes()) == (b"next", now[0])
    assert sorted(p.name for p in folder.iterdir()) == ["file", "kept"], n
print(n, len(seen))
"""


def python(code: str, *arguments: object) -> str:
    """Run code in a process of its own, and return what it printed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_and_what_it_replaces_is_kept(tmp_path):
    path, kept = tmp_path / "file", tmp_path / "kept"
    for content in (b"1", b"2", b"", b"4"):
        write_atomically(path, content, kept)
        assert path.read_bytes() == content
    assert kept.read_bytes() == b""
    assert names(tmp_path) == ["file", "kept"]


def test_a_first_file_replaces_none(tmp_path):
    write_atomically(tmp_path / "file", b"1", tmp_path / "kept")
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_killed_before_any_line_it_leaves_a_whole_file_under_each_name(tmp_path):
    tried, seen = map(int, python(KILLED_AT_EVERY_LINE, tmp_path).split())
    assert tried > 20
    assert seen == 3


def test_without_hard_links_the_replaced_file_is_copied(tmp_path, monkeypatch):
    def no_links(*names):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    path, kept = tmp_path / "file", tmp_path / "kept"
    for content in (b"1", b"2", b"3"):
        write_atomically(path, content, kept)
    assert (path.read_bytes(), kept.read_bytes()) == (b"3", b"2")
    assert names(tmp_path) == ["file", "kept"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot sync a folder")
def test_the_content_is_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace

    def record_fsync(descriptor):
        calls.append("folder" if os.path.isdir(f"/dev/fd/{descriptor}") else "file")  # noqa: PTH112
        fsync(descriptor)

    def record_replace(source, target):
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "replace", record_replace)
    write_atomically(tmp_path / "file", b"1")
    assert calls == ["file", "rename", "folder"]


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "open", refuse)
    write_atomically(tmp_path / "file", b"1")
    assert (tmp_path / "file").read_bytes() == b"1"


@pytest.mark.parametrize("moment", ["write", "sync", "link", "rename", "interrupt"])
def test_after_a_failure_the_old_file_is_there_and_no_other(tmp_path, monkeypatch, moment):
    path, kept = tmp_path / "file", tmp_path / "kept"
    write_atomically(path, b"old")

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    def interrupt(descriptor):
        raise KeyboardInterrupt

    if moment == "write":
        monkeypatch.setattr(Path, "open", full)
    elif moment == "link":
        monkeypatch.setattr(os, "link", full)
        monkeypatch.setattr(Path, "read_bytes", full)
    elif moment == "rename":
        monkeypatch.setattr(Path, "replace", full)
    else:
        monkeypatch.setattr(os, "fsync", interrupt if moment == "interrupt" else full)
    if moment == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, b"new", kept)
    else:
        with pytest.raises(OSError, match=r"No space left on device: .*file'$") as caught:
            write_atomically(path, b"new", kept)
        assert caught.value.filename == str(path)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


FAILS = """
import errno, os, sys
from pathlib import Path
from tinygrad_lite.support.files import write_atomically

path, expected = Path(sys.argv[1]), getattr(errno, sys.argv[2])
exec(sys.argv[3])
try:
    write_atomically(path, bytes(3_000_000), path.with_name("kept"))
except OSError as error:
    assert (error.errno, error.filename) == (expected, str(path)), error
    assert str(path) in str(error) and ".tmp" not in str(error), error
else:
    raise AssertionError("it was written")
assert path.read_bytes() == b"old"
assert os.listdir(path.parent) == [path.name], os.listdir(path.parent)
"""


@linux
def test_a_limit_on_the_size_of_files_leaves_the_old_one(tmp_path):
    write_atomically(tmp_path / "file", b"old")
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    )
    python(FAILS, tmp_path / "file", "EFBIG", limit)


@linux
def test_a_folder_one_may_not_write_to_leaves_the_old_file(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_atomically(folder / "file", b"old")
    folder.chmod(0o555)
    # Permissions do not bind root: it goes where nobody else may come, and becomes nobody there.
    nobody = 65534
    python(FAILS, "file", "EACCES", f"os.chdir({str(folder)!r}); os.getuid() or os.setuid({nobody})")
    folder.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder with a file on a disk of one megabyte; skip where mounting is not permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root mounts a disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.strip()}")
    write_atomically(folder / "file", b"old")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_old_file(small_disk):
    python(FAILS, small_disk / "file", "ENOSPC", "")


def test_a_disk_mounted_to_be_read_only_leaves_the_old_file(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    python(FAILS, small_disk / "file", "EROFS", "")


def test_a_folder_that_is_missing_is_named_and_so_is_one_in_the_way(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "none" / "file", b"1")
    assert caught.value.filename == str(tmp_path / "none" / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"folder'$"):
        write_atomically(tmp_path / "folder", b"1", tmp_path / "kept")
    assert names(tmp_path) == ["folder"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    killed_while_syncing = (
        "import os, signal, sys; from tinygrad_lite.support import files;"
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL);"
        "files.write_atomically(sys.argv[1], b'half')"
    )
    command = [sys.executable, "-c", killed_while_syncing, tmp_path / "curves.png"]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert files.TEMPORARY.fullmatch(left.name)
    others = [".hidden", ".a.tmp", "a.0123abcd.tmp", ".a.0123abcg.tmp", ".a.0123abcd.tmp.gz", "curves.png"]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / ".folder.0123abcd.tmp").mkdir()
    remove_unfinished(tmp_path)
    assert names(tmp_path) == sorted([*others, ".folder.0123abcd.tmp"])


def test_a_file_is_read_up_to_the_size_that_is_allowed(tmp_path):
    path = tmp_path / "file"
    for content in (b"", b"12345"):
        path.write_bytes(content)
        for name in (path, str(path), os.fsencode(path)):
            assert read_file(name, 5) == content
    with pytest.raises(DataError, match=r"file: expected at most 4 bytes, found 5\. To read .* larger max_bytes\.$"):
        read_file(path, 4)
    with pytest.raises(DataError, match=r"at most 4 bytes, found 5\. Delete it\.$"):
        read_file(path, 4, "Delete it.")
    path.with_name("huge").touch()
    os.truncate(path.with_name("huge"), 2**40)  # with nothing in it, it takes no room on the disk
    with pytest.raises(DataError, match="found 1,099,511,627,776"):
        read_file(path.with_name("huge"), 2**39)


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither pipes nor devices among its files")
@pytest.mark.parametrize("kind", ["pipe", "pipe with a writer", "device", "link to a device", "terminal"])
def test_what_is_no_file_is_neither_read_nor_replaced(tmp_path, kind):
    path, opened = tmp_path / "file", []
    if kind.startswith("pipe"):
        os.mkfifo(path)
        if "writer" in kind:
            opened = [os.open(path, os.O_RDWR)]
    elif kind == "terminal":
        opened = os.openpty()
        path = Path(os.ttyname(opened[1]))
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="expected a file, found a device or a pipe, which may never end"):
        read_file(path, 100)
    with pytest.raises(FileExistsError, match="not that of a file, so it cannot be replaced"):
        write_atomically(path, b"1")
    for descriptor in opened:
        os.close(descriptor)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no sockets among the files")
def test_what_is_missing_a_folder_a_socket_or_a_circle_of_links_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("circle").symlink_to("circle")
    Path("folder").mkdir()
    Path("link").symlink_to("folder")
    Path("dangling").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name in ("absent", "folder", "link", "dangling", "socket", "circle", "", "x" * 300, "file/below"):
            with pytest.raises(DataError, match=r"expected a readable file, found [A-Z].*\. Check the path"):
                read_file(name, 100)


@linux
def test_a_file_whose_size_is_not_what_it_says_is_refused():
    with pytest.raises(DataError, match="expected a whole file, found one whose size changes while it is read"):
        read_file("/proc/self/status", 100)


@linux
def test_a_file_one_may_not_read_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"secret")
    (tmp_path / "file").chmod(0)
    code = """
import os, sys
from tinygrad_lite.errors import DataError
from tinygrad_lite.support.files import read_file
os.chdir(sys.argv[1])
os.getuid() or os.setuid(65534)
try:
    read_file("file", 100)
except DataError as error:
    print(error)
"""
    assert python(code, tmp_path) == (
        "file: expected a readable file, found Permission denied. Check the path and its permissions.\n"
    )


@pytest.mark.parametrize("path", ["a\0b", b"a\0b", "\0", "\ud800", Path("a\0b")])
def test_what_no_file_can_be_called_is_no_path(path):
    for use in (as_path, lambda path: read_file(path, 1), lambda path: write_atomically(path, b"1")):
        with pytest.raises(DataError, match="is not a path: it holds a character that no file name can have"):
            use(path)


@pytest.mark.parametrize("path", [None, 3, ["a"]])
def test_what_is_of_another_type_is_no_path_either(path):
    with pytest.raises(TypeError):
        as_path(path)
