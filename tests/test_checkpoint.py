"""Checkpoints: what goes in comes out bit for bit, any damage is refused, and a run continues as if undisturbed."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import DataError, MissingExtra, checkpoint, nn
from tinygrad_lite.data import Batches
from tinygrad_lite.optim import SGD, Adam, AdamW

ROOT = Path(__file__).parent.parent
SUFFIXES = [".npz", ".safetensors"]
STATES = {"net": {"hidden.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, "optimizer": {"steps.0": 7}}
FACTS = {"history": [{"loss": 0.1}], "name": "Gauß"}


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path):
    return tmp_path / f"run.best{request.param}"


def save_numbered(path, number):
    checkpoint.save(path, {"net": {"x": np.full(50, number)}}, {"number": number})


def number_in(path):
    states, facts = checkpoint.load(path)
    assert set(states["net"]["x"].tolist()) == {facts["number"]}
    return facts["number"]


def flip(path, position, bit=0):
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def refusal(path):
    """Return why a checkpoint is refused, which is said in one line that begins with its name."""
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_what_is_saved_is_loaded(path):
    checkpoint.save(path, STATES, FACTS)
    states, facts = checkpoint.load(path)
    assert facts == FACTS
    assert same(states["net"]["hidden.weight"], STATES["net"]["hidden.weight"])
    assert states["optimizer"]["steps.0"] == 7
    assert states["net"]["hidden.weight"].flags.writeable


TYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_and_shape_is_exact(path, kind, order):
    x = np.random.default_rng(0).integers(0, 2 if kind == "?" else 127, (3, 4, 2)).astype(order + kind)
    if kind[0] == "f":
        x.ravel()[:5] = np.nan, -np.inf, -0.0, np.finfo(kind).smallest_subnormal, np.finfo(kind).max
    state = {
        "plain": x,
        "fortran": np.asfortranarray(x),
        "strided": x[::2, ::-1, 1],
        "broadcast": np.broadcast_to(x[:, :, :1], (3, 4, 5)),
        "one": x[0, 0, 0],
        "0-d": np.asarray(x[1, 1, 1]),
        "empty": x[:0],
        "empty inside": x[:, :0],
    }
    checkpoint.save(path, {"part": state}, {})
    loaded = checkpoint.load(path)[0]["part"]
    assert list(loaded) == list(state)
    for name, value in state.items():
        # Bytes are stored little-endian, whatever they were.
        assert same(loaded[name], np.asarray(value).astype(np.dtype(kind))), name


def test_complex_numbers_are_for_npz(tmp_path):
    z = np.array([1 + 2j, complex(np.nan, -0.0)])
    checkpoint.save(tmp_path / "c.npz", {"net": {"z": z}}, {})
    assert same(checkpoint.load(tmp_path / "c.npz")[0]["net"]["z"], z)
    with pytest.raises(ValueError, match=r"cannot hold complex numbers, as in net/z: save an \.npz file"):
        checkpoint.save(tmp_path / "c.safetensors", {"net": {"z": z}}, {})


def test_parts_and_names_of_any_kind_keep_their_order_and_empty_ones_are_kept(path):
    states = {"z": {}, "net": {"b": 1, "a": 2, "a.npy": 3, "ü/x": 4, "checkpoint.json": 5, "": 6}, "": {"x": 7}}
    checkpoint.save(path, states, {"b": 1, "a": {"d": 1.5, "c": [None, True, "\ud800"]}})
    loaded, facts = checkpoint.load(path)
    assert {part: {name: int(x) for name, x in state.items()} for part, state in loaded.items()} == states
    assert [list(loaded), list(loaded["net"]), list(facts)] == [list(states), list(states["net"]), ["b", "a"]]
    assert facts["a"]["c"] == [None, True, "\ud800"]


def test_facts_come_back_as_json_has_them(path):
    checkpoint.save(path, {}, {2: (1, 2), 10: 0.1, 1: 1e300, "large": 2**200})
    assert checkpoint.load(path) == ({}, {"2": [1, 2], "10": 0.1, "1": 1e300, "large": 2**200})


def test_both_formats_have_one_digest_and_equal_states_make_equal_files(tmp_path):
    for name in ("a.npz", "b.npz", "a.safetensors", "b.safetensors"):
        checkpoint.save(tmp_path / name, STATES, FACTS)
    for suffix in SUFFIXES:
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}, "no file says when"
    texts = [header_of(tmp_path / f"a{suffix}") for suffix in SUFFIXES]
    assert texts[0] == texts[1]
    assert texts[0]["version"] == checkpoint.VERSION


def header_of(path):
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("checkpoint.json"))
    content = path.read_bytes()
    return json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["checkpoint"])


def test_other_programs_read_the_arrays(tmp_path):
    from safetensors.numpy import load_file

    for suffix in SUFFIXES:
        checkpoint.save(tmp_path / f"c{suffix}", STATES, FACTS)
    with np.load(tmp_path / "c.npz") as archive:
        assert same(archive["net/hidden.weight"], STATES["net"]["hidden.weight"])
    assert same(load_file(tmp_path / "c.safetensors")["net/hidden.weight"], STATES["net"]["hidden.weight"])


@pytest.mark.parametrize("name", ["run", "run.pt", "run.npz.gz", "run.NPZ"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"suffix is \.npz or \.safetensors, not"):
        checkpoint.save(tmp_path / name, STATES, FACTS)
    with pytest.raises(ValueError, match=r"suffix is \.npz or \.safetensors, not"):
        checkpoint.load(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("states", "facts", "error", "message"),
    [
        ({"net": {"x": np.array([{}, None])}}, {}, ValueError, "net/x is of type object"),
        ({"net": {"x": {"y": 1}}}, {}, ValueError, "net/x is of type object, a dict"),
        ({"net": {"x": "text"}}, {}, ValueError, "net/x is of type <U4"),
        ({"net": {"x": np.zeros(2, "M8[s]")}}, {}, ValueError, r"net/x is of type datetime64\[s\]"),
        ({"net": {"x": np.zeros(2, [("a", "f4")])}}, {}, ValueError, "net/x is of type"),
        ({"net": {"x": np.longdouble(1)}}, {}, ValueError, "net/x is of type"),
        ({"net": {3: np.zeros(2)}}, {}, TypeError, "must be str, not 'net' and 3"),
        ({"a/b": {"c": 1}, "a": {"b/c": 2}}, {}, ValueError, "two arrays would have the same part/name"),
        ({}, {"loss": np.nan}, ValueError, "JSON"),
        ({}, {"loss": np.zeros(2)}, TypeError, "JSON"),
    ],
)
def test_what_a_checkpoint_cannot_hold_is_refused_and_the_old_one_left_alone(path, states, facts, error, message):
    checkpoint.save(path, STATES, FACTS)
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        checkpoint.save(path, states, facts)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_name_that_an_archive_cannot_have_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot have an array named"):
        checkpoint.save(tmp_path / "c.npz", {"net": {"a\0b": 1}}, {})


def test_where_safetensors_is_not_installed_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "c.safetensors").touch()
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingExtra, match=r"unlike an .npz one, needs .* pip install 'tinygrad_lite\[interop\]'"):
        checkpoint.save(tmp_path / "c.safetensors", STATES, FACTS)
    with pytest.raises(MissingExtra, match="interop"):
        checkpoint.load(tmp_path / "c.safetensors")
    checkpoint.save(tmp_path / "c.npz", STATES, FACTS)
    assert checkpoint.load(tmp_path / "c.npz")[1] == FACTS


def test_importing_the_package_does_not_import_safetensors():
    code = "import sys; from tinygrad_lite import checkpoint; sys.exit('safetensors' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_any_flipped_bit_is_refused_or_changes_nothing_that_is_loaded(path):
    checkpoint.save(path, {"net": {"w": np.array([1.5, 2], np.float32)}, "optimizer": {"steps.0": 3}}, {"epoch": 1})
    content = path.read_bytes()
    expected = header_of(path)
    harmless = set()
    for position in range(len(content)):
        # Each bit has its turn at every eighth byte, and all of them where one has slipped through.
        for bit in {position % 8, (position // 8) % 8}:
            flip(path, position, bit)
            try:
                states, facts = checkpoint.load(path)
            except DataError:
                pass
            else:
                harmless.add(position)
                assert facts == {"epoch": 1}
                assert list(states) == ["net", "optimizer"]
                assert same(states["net"]["w"], np.array([1.5, 2], np.float32))
                assert same(states["optimizer"]["steps.0"], np.array(3))
                assert header_of(path) == expected
            path.write_bytes(content)
    # A safetensors file has no byte that is not read; a zip has dates, permissions, and what it says twice.
    assert len(harmless) < (0.25 * len(content) if path.suffix == ".npz" else 1)


def test_a_file_that_is_cut_short_anywhere_is_refused(path):
    checkpoint.save(path, STATES, FACTS)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"cut short|no checkpoint"):
            checkpoint.load(path)


def test_one_cut_short_says_so(path):
    checkpoint.save(path, {"net": {"x": np.zeros(1000)}}, {})
    path.write_bytes(path.read_bytes()[:4000])
    assert "the checkpoint is cut short" in refusal(path)


def test_a_damaged_array_is_named_damage(path):
    checkpoint.save(path, {"net": {"x": np.zeros(1000)}}, {})
    flip(path, 4000)
    assert "the checkpoint is damaged" in refusal(path)


def as_others_write_it(path, header, arrays):
    """Write what a program that means to deceive may write, or a later version of this one."""
    encode, _ = checkpoint._format_of(path)
    path.write_bytes(encode(arrays, json.dumps(header)))


@pytest.mark.parametrize(
    "change",
    [
        lambda header, arrays: header.update(version=0),
        lambda header, arrays: header.update(version="2"),
        lambda header, arrays: header.update(facts={"epoch": 2}),
        lambda header, arrays: header.update(arrays={"net": ["x"]}),
        lambda header, arrays: header.update(arrays=[]),
        lambda header, arrays: header["arrays"]["net"].reverse(),
        lambda header, arrays: header.pop("sha256"),
        lambda header, arrays: arrays.update({"net/x": arrays["net/x"].view(np.int32)}),
        lambda header, arrays: arrays.update({"net/x": arrays["net/x"].reshape(2, 2)}),
        lambda header, arrays: arrays.update({"net/x": arrays["net/x"] + 1}),
        lambda header, arrays: arrays.update({"net/z": np.zeros(1)}),
        lambda header, arrays: arrays.pop("net/y"),
        lambda header, arrays: (
            header.update(arrays={"net": ["x", "z"]}),
            arrays.update({"net/z": arrays.pop("net/y")}),
        ),
    ],
)
def test_the_digest_covers_version_facts_names_types_shapes_and_bytes(path, change):
    arrays = {"net/x": np.arange(4.0, dtype=np.float32), "net/y": np.zeros(1)}
    checkpoint.save(path, {"net": {"x": arrays["net/x"], "y": arrays["net/y"]}}, {"epoch": 1})
    header = header_of(path)
    as_others_write_it(path, header, arrays)
    assert checkpoint.load(path)[1] == {"epoch": 1}
    change(header, arrays)
    as_others_write_it(path, header, arrays)
    assert "the checkpoint is damaged" in refusal(path)


def test_a_newer_version_is_no_damage(path):
    checkpoint.save(path, STATES, FACTS)
    as_others_write_it(path, {"version": checkpoint.VERSION + 1, "facts": {}, "else": 1}, {"net/x": np.zeros(1)})
    assert refusal(path).endswith("it was written by a newer version: update tinygrad_lite")


def test_no_file_and_no_file_at_all(path):
    assert refusal(path).endswith("there is no such checkpoint")
    path.mkdir()
    assert "expected a readable file, found Is a directory" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"text\n" * 9, b"{}", bytes(99), b"\xff" * 40, b"\2\0\0\0\0\0\0\0{}"])
def test_any_other_file_is_no_checkpoint(path, content):
    path.write_bytes(content)
    assert "this is no checkpoint" in refusal(path)


def test_an_archive_of_arrays_and_weights_are_no_checkpoints(tmp_path):
    from safetensors.numpy import save_file

    np.savez(tmp_path / "c.npz", x=np.zeros(3))
    assert "this is no checkpoint, but some other archive" in refusal(tmp_path / "c.npz")
    for metadata in (None, {"format": "np"}):
        save_file({"x": np.zeros(3)}, tmp_path / "c.safetensors", metadata)
        assert "this is no checkpoint, but other arrays, such as weights" in refusal(tmp_path / "c.safetensors")


def with_members(path, members, compression=zipfile.ZIP_STORED):
    """Write an archive that begins as a checkpoint does."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("checkpoint.json", json.dumps({"version": 1, "facts": {}, "arrays": {}, "sha256": ""}))
        for name, content in members:
            archive.writestr(name, content)


def claiming(shape):
    """Return an .npy file whose header claims a shape, with no numbers behind it."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


def peak(read):
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(2**40,), (2**62, 2**62), (0, 2**70), (1,) * 65, (-1,), (2**31, 0)])
def test_an_array_that_claims_to_be_larger_than_it_is_is_damage(tmp_path, shape):
    path = tmp_path / "c.npz"
    with_members(path, [("net/x.npy", claiming(shape))])
    assert peak(lambda: refusal(path)) < 1_000_000
    assert "the checkpoint is damaged" in refusal(path)
    # And is replaced like any other file.
    save_numbered(path, 1)
    save_numbered(path, 2)
    assert (number_in(path), number_in(checkpoint.previous(path))) == (2, 1)


def test_what_would_decompress_to_more_is_not_decompressed(tmp_path):
    path = tmp_path / "c.npz"
    with_members(path, [("net/x.npy", bytes(20_000_000))], zipfile.ZIP_DEFLATED)
    assert "its content is not as large as it claims" in refusal(path)
    assert peak(lambda: refusal(path)) < 2_000_000
    # Nor if the archive says that it would be 100 bytes.
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02") + 24
    content[start : start + 4] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    assert peak(lambda: refusal(path)) < 2_000_000


def test_one_content_under_many_names_is_not_read_many_times(tmp_path):
    path, copies = tmp_path / "c.npz", 3000
    with_members(path, [("net/x.npy", bytes(1_000_000))])
    content = path.read_bytes()
    end, entry = content.rindex(b"PK\x05\x06"), content.rindex(b"PK\x01\x02")
    fields = list(struct.unpack("<4s4H2LH", content[end:]))
    fields[3] = fields[4] = fields[3] + copies
    fields[5] += copies * (end - entry)
    path.write_bytes(content[:end] + content[entry:end] * copies + struct.pack("<4s4H2LH", *fields))
    assert "its content is not as large as it claims" in refusal(path)


def test_thousands_of_arrays_are_read(path):
    state = {f"layers.{i}.weight": np.float32(i) for i in range(2000)}
    checkpoint.save(path, {"net": state})
    assert checkpoint.load(path)[0]["net"] == state


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_or_a_device_is_neither_waited_for_nor_replaced(path):
    os.mkfifo(path)
    assert "expected a file, found a device or a pipe" in refusal(path)
    with pytest.raises(FileExistsError, match="not that of a file, so it cannot be replaced"):
        save_numbered(path, 1)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "expected a file, found a device or a pipe" in refusal(path)


def test_a_larger_file_than_the_caller_allows_is_refused(path):
    save_numbered(path, 1)
    size = path.stat().st_size
    assert checkpoint.load(path, max_bytes=size)
    with pytest.raises(DataError, match=rf"expected at most {size - 1:,} bytes, found {size:,}\. .* larger max_bytes$"):
        checkpoint.load(path, max_bytes=size - 1)


@pytest.mark.parametrize(
    "use",
    [
        checkpoint.load,
        checkpoint.previous,
        checkpoint.check_format,
        lambda path: checkpoint.save(path, STATES),
        lambda path: tg.save_safetensors(nn.Linear(1, 1, rng=0), path),
        lambda path: tg.load_safetensors(nn.Linear(1, 1, rng=0), path),
    ],
)
def test_what_is_no_path_is_a_data_error(use):
    with pytest.raises(DataError, match=r"'a\\x00b.npz' is not a path"):
        use("a\0b.npz")


NET = nn.Linear(1, 2, rng=0)


@pytest.mark.parametrize(
    "states", [NET, NET.state_dict(), {"net": NET}, {"net": NET.parameters()}, np.zeros(3), [NET.state_dict()], None]
)
def test_what_is_handed_over_out_of_habit_is_answered_by_what_to_write(path, states):
    with pytest.raises(
        TypeError, match=r'write save\(path, \{"net": net\.state_dict\(\)\}\)\. Expected a dictionary, found a '
    ):
        checkpoint.save(path, states)
    assert not path.exists()
    with pytest.raises(TypeError, match="the path comes first, as in"):
        checkpoint.save(states, path)


def test_facts_may_be_left_out_and_a_path_may_be_of_bytes(path):
    checkpoint.save(os.fsencode(path), {"net": NET.state_dict()})
    states, facts = checkpoint.load(os.fsencode(path))
    assert facts == {}
    NET.load_state_dict(states["net"])


class Dangerous:
    def __reduce__(self):
        return Path.touch, (Path(self.mark),)


def test_a_pickle_is_never_loaded(tmp_path):
    dangerous = Dangerous()
    dangerous.mark = str(tmp_path / "executed")
    path = tmp_path / "c.npz"
    checkpoint.save(path, {"net": {"x": 1}}, {})
    header = header_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("checkpoint.json", json.dumps(header))
        with archive.open("net/x.npy", "w") as file:
            np.lib.format.write_array(file, np.array(dangerous, dtype=object), allow_pickle=True)
    assert "the checkpoint is damaged" in refusal(path)
    path.write_bytes(pickle.dumps(dangerous))
    assert "this is no checkpoint" in refusal(path)
    assert not (tmp_path / "executed").exists()
    np.load(path, allow_pickle=True)
    assert (tmp_path / "executed").exists(), "the pickle is as dangerous as it is meant to be"


def test_the_one_before_is_kept(path):
    before = checkpoint.previous(path)
    assert before == path.with_name(f"run.best.previous{path.suffix}")
    assert checkpoint.previous(str(path)) == before
    save_numbered(path, 1)
    assert not before.exists()
    for number in (2, 3):
        save_numbered(path, number)
        assert (number_in(path), number_in(before)) == (number, number - 1)
    assert set(path.parent.iterdir()) == {path, before}


@pytest.mark.parametrize("trouble", ["missing", "cut short", "flipped", "foreign"])
def test_if_the_one_before_is_whole_the_message_says_how_to_continue_and_that_works(path, trouble):
    path = path.parent / "a folder" / path.name
    path.parent.mkdir()
    save_numbered(path, 1)
    save_numbered(path, 2)
    if trouble == "missing":
        path.unlink()
    elif trouble == "cut short":
        path.write_bytes(path.read_bytes()[:300])
    elif trouble == "flipped":
        flip(path, path.read_bytes().index(bytes([2, 0, 0, 0])))
    else:
        path.write_text("shopping list")
    message = refusal(path)
    assert f"The one before it, {checkpoint.previous(path)}, is whole: `mv " in message
    subprocess.run(message.split("`")[1], shell=True, check=True)
    assert number_in(path) == 1


def test_if_the_one_before_is_damaged_too_it_is_not_named(path):
    save_numbered(path, 1)
    save_numbered(path, 2)
    for each in (path, checkpoint.previous(path)):
        each.write_bytes(each.read_bytes()[:300])
    assert "previous" not in refusal(path)


def test_a_damaged_one_never_takes_the_place_of_a_whole_one(path):
    for number in (1, 2):
        save_numbered(path, number)
    path.write_bytes(path.read_bytes()[:-30])
    # A new run was started instead of continuing from the one before.
    save_numbered(path, 10)
    assert (number_in(path), number_in(checkpoint.previous(path))) == (10, 1)
    save_numbered(path, 11)
    assert (number_in(path), number_in(checkpoint.previous(path))) == (11, 10)


def test_where_there_is_no_whole_one_before_whatever_stood_there_is_kept(path):
    path.write_text("shopping list")
    save_numbered(path, 1)
    assert number_in(path) == 1
    assert checkpoint.previous(path).read_text() == "shopping list"
    save_numbered(path, 2)
    assert number_in(checkpoint.previous(path)) == 1


def test_after_a_kill_between_the_two_renames_the_next_save_goes_on(path):
    save_numbered(path, 1)
    save_numbered(path, 2)
    # The state then: both names stand for the same file.
    checkpoint.previous(path).unlink()
    checkpoint.previous(path).hardlink_to(path)
    save_numbered(path, 3)
    assert (number_in(path), number_in(checkpoint.previous(path))) == (3, 2)
    assert set(path.parent.iterdir()) == {path, checkpoint.previous(path)}


WRITER = """
import sys
from pathlib import Path
import numpy as np
from tinygrad_lite import checkpoint
for number in range(1, 1 + int(sys.argv[2])):
    checkpoint.save(Path(sys.argv[1]), {"net": {"x": np.full(50, number)}}, {"number": number})
"""


def test_a_reader_meanwhile_sees_whole_ones_only(path):
    save_numbered(path, 0)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path, "60"], cwd=ROOT)
    seen = []
    while writer.poll() is None:
        seen.append(number_in(path))
        if seen[-1] > 0:
            assert number_in(checkpoint.previous(path)) >= seen[-1] - 1
    assert writer.returncode == 0
    assert seen == sorted(seen)
    assert (number_in(path), number_in(checkpoint.previous(path))) == (60, 59)


def test_killed_at_any_moment_it_leaves_a_whole_one(path):
    save_numbered(path, 0)
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path, "100000"], cwd=ROOT)
        before = path.stat().st_ino
        while path.stat().st_ino == before:
            assert writer.poll() is None
        writer.kill()
        writer.wait()
        assert number_in(path) > 0
        number_in(checkpoint.previous(path))
        save_numbered(path, 0)


class Net(nn.Module):
    def __init__(self, seed):
        self.layers = nn.Sequential(
            nn.Linear(6, 8, rng=seed), nn.ReLU(), nn.Dropout(0.3, rng=seed + 1), nn.Linear(8, 3, rng=seed + 2)
        )

    def forward(self, x):
        return self.layers(x).softmax()


OPTIMIZERS = {
    "SGD": lambda ps: SGD(ps, lr=0.1),
    "momentum": lambda ps: SGD(ps, lr=0.1, momentum=0.9),
    "nesterov": lambda ps: SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
    "weight decay": lambda ps: SGD(ps, lr=0.1, momentum=0.5, weight_decay=0.1),
    "Adam": lambda ps: Adam(ps, lr=0.05),
    "AdamW": lambda ps: AdamW(ps, lr=0.05),
}


def training_step(net, optimizer):
    def step(images, labels):
        loss = nn.functional.squared_loss(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


class Training:
    """Everything a run has that changes, from one seed."""

    def __init__(self, optimizer, jit, seed):
        rng = np.random.default_rng(0)
        images, labels = rng.random((20, 6), np.float32), np.eye(3, dtype=np.float32)[rng.integers(3, size=20)]
        self.net = Net(seed)
        self.optimizer = OPTIMIZERS[optimizer](self.net.parameters())
        self.batches = Batches(images, labels, 5, shuffle=True, seed=seed)
        step = training_step(self.net, self.optimizer)
        self.step = tg.jit(step) if jit else step

    def steps(self, count):
        losses = []
        while len(losses) < count:
            for images, labels in self.batches:
                losses.append(self.step(images, labels).item())
                if len(losses) == count:
                    break
        return losses

    def save(self, path):
        states = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}
        facts = {"batches": self.batches.state_dict(), "random": self.net.random_state()}
        checkpoint.save(path, states, facts)

    def load(self, path):
        states, facts = checkpoint.load(path)
        self.net.load_state_dict(states["net"])
        self.optimizer.load_state_dict(states["optimizer"])
        self.batches.load_state_dict(facts["batches"])
        self.net.load_random_state(facts["random"])


@pytest.mark.parametrize("jit", [False, True], ids=["eager", "jit"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_stopped_in_the_middle_of_an_epoch_ends_with_the_same_bits(tmp_path, optimizer, jit):
    whole = Training(optimizer, jit, seed=1)
    losses = whole.steps(14)  # three epochs of four batches, and two more
    stopped = Training(optimizer, jit, seed=1)
    assert stopped.steps(6) == losses[:6]
    for suffix in SUFFIXES:
        stopped.save(tmp_path / f"run{suffix}")
        fresh = Training(optimizer, jit, seed=50)
        # With a program and a state of its own by then, which must not show.
        fresh.steps(3)
        fresh.load(tmp_path / f"run{suffix}")
        assert fresh.steps(8) == losses[6:]
        for part in ("net", "optimizer"):
            for name, array in getattr(whole, part).state_dict().items():
                assert same(getattr(fresh, part).state_dict()[name], array), name


def test_numbers_of_numpy_among_the_facts_are_kept_and_what_json_lacks_is_named(tmp_path):
    checkpoint.save(tmp_path / "c.npz", {}, {"loss": np.float32(0.5), "epoch": np.int64(3)})
    assert checkpoint.load(tmp_path / "c.npz")[1] == {"loss": 0.5, "epoch": 3}
    with pytest.raises(TypeError, match="facts of a checkpoint must be values that JSON can hold, not ndarray"):
        checkpoint.save(tmp_path / "c.npz", {}, {"losses": np.ones(2)})


@pytest.mark.parametrize("name", ["c.npz", "c.safetensors"])
def test_a_format_is_checked_without_writing(tmp_path, name):
    checkpoint.check_format(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="suffix is"):
        checkpoint.check_format(tmp_path / "c.pickle")
