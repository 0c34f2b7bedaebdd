"""One's own pictures become a data set: classes are folders, the split is the same each time, and faults are named."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tinygrad_lite.data import Digits, Split, load_pictures, write_idx
from tinygrad_lite.data.pictures import DRAWN_CLASSES, DRAWN_IMAGES, DRAWN_LABELS
from tinygrad_lite.errors import DataError

NAMES = ("10", "9", "猫 咪", "dog")


def picture(k: int, i: int = 0) -> Image.Image:
    """Return white paper with k bars, one above the other, whose length tells i."""
    pixels = np.full((80, 80), 255, np.uint8)
    for bar in range(k):
        pixels[10 + 15 * bar : 16 + 15 * bar, 10 : 40 + i] = 0
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        for i in range(7 + k):
            picture(k + 1, i).save(tmp_path / name / f"图 {i}.png")
    (tmp_path / ".DS_Store").write_bytes(b"of the system")
    (tmp_path / "dog" / "Thumbs.db").write_bytes(b"of the system")
    (tmp_path / "notes.txt").write_text("beside the folders")
    return tmp_path


def refused(folder) -> str:
    with pytest.raises(DataError) as caught:
        load_pictures(folder, quiet=True)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


def test_each_folder_is_a_class_and_each_class_is_in_all_parts(folder, capfd):
    data = load_pictures(folder, quiet=True)
    assert capfd.readouterr() == ("", "")
    assert data.classes == ["9", "10", "dog", "猫 咪"]  # numbers by their value, first
    assert [np.bincount(split.labels).tolist() for split in data] == [[6, 5, 8, 7], [1, 1, 1, 1], [1, 1, 1, 1]]
    bars = [2, 1, 4, 3]
    for split in data:
        assert (split.images.shape, split.images.dtype, split.labels.dtype) == ((len(split), 784), np.float32, np.uint8)
        inked = (split.images.reshape(-1, 28, 28) > 0.5).any(axis=2)
        assert (np.diff(np.pad(inked, ((0, 0), (1, 0))).astype(int)) == 1).sum(axis=1).tolist() == [
            bars[label] for label in split.labels
        ]
    assert len(np.unique(np.concatenate([split.images for split in data]), axis=0)) == 34  # none is in two parts


def test_the_split_depends_on_its_seed_alone(folder):
    first, again, other = (load_pictures(folder, seed=seed, quiet=True) for seed in (0, 0, 1))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.labels, two.labels)
    assert not np.array_equal(first.train.images, other.train.images)
    assert (np.diff(first.train.labels.astype(int)) < 0).any(), "an epoch in the order of the file mixes the classes"


def test_digits_are_looked_for_where_the_classes_are_digits(tmp_path):
    for name in "12":
        (tmp_path / name).mkdir()
        for i in range(5):
            picture(int(name), i).save(tmp_path / name / f"{i}.png")
    assert "found 2 separate marks" in refused(tmp_path)
    (tmp_path / "2").rename(tmp_path / "two")
    assert len(load_pictures(tmp_path, quiet=True).train) == 6


def test_what_is_no_set_of_pictures_is_refused(folder, tmp_path):
    empty = tmp_path / "空 empty"
    empty.mkdir()
    assert "expected a folder for each of two or more classes, found no folders in it. Put the pictures" in refused(
        empty
    )
    assert "fewer of 空 empty (0). Add pictures" in refused(folder)
    (empty / "cat").mkdir()
    assert "found the folder 'cat' alone" in refused(empty)
    (empty / "dog").mkdir()
    assert "name a folder" not in refused(empty)
    assert f"{empty}: expected pictures of one class, found folders. Name a folder" in refused(folder)
    assert "found no folders in it" in refused(folder / "dog")
    said = refused(tmp_path / "nowhere")
    assert "expected a readable folder, found No such file or directory. Check the path" in said


def test_pictures_that_cannot_be_read_are_named_and_counted(folder):
    for i in range(6):
        (folder / "dog" / f"note {i}").write_text("no picture")
    Image.new("L", (50, 50), 200).save(folder / "10" / "blank.png")
    message = refused(folder)
    assert f"7 of 41 pictures in {folder} cannot be read: 10/blank.png, dog/note 0, dog/note 1, dog/note 2, " in message
    assert "dog/note 3 and 2 more. The first: " in message
    assert "blank.png: expected a sign that stands out from its background, found none." in message


def drawn(folder, labels, count=None):
    images = np.random.default_rng(0).integers(0, 256, (len(labels) if count is None else count, 28, 28))
    write_idx(folder / DRAWN_IMAGES, images.astype(np.uint8))
    write_idx(folder / DRAWN_LABELS, np.array(labels, np.uint8))
    return images


def test_what_the_page_downloads_is_a_data_set(tmp_path):
    labels = [7, *range(5), *[8] * 24]
    images = drawn(tmp_path, labels)
    data = load_pictures(tmp_path)
    assert data.classes == tuple("0123456789")
    assert [len(split) for split in data] == [24, 3, 3]
    rows = np.concatenate([split.images for split in data])
    assert {row.tobytes() for row in rows} == {
        (x / np.float32(255)).tobytes() for x in images.reshape(30, 784).astype(np.uint8)
    }
    assert set(data.test.labels) == {8}  # of a class of one, the picture is for training


def test_drawn_signs_bring_their_names(tmp_path):
    drawn(tmp_path, [0, 1] * 20)
    (tmp_path / DRAWN_CLASSES).write_text('["猫", "dog"]', encoding="utf-8")
    assert load_pictures(tmp_path).classes == ["猫", "dog"]
    drawn(tmp_path, [0, 2] * 20)
    assert "expected one of 2 classes for each image" in refused(tmp_path)
    for damaged in ("", "3", "[]", "[1, 2]"):
        (tmp_path / DRAWN_CLASSES).write_text(damaged)
        assert "expected a list of names in JSON" in refused(tmp_path)


@pytest.mark.parametrize(
    ("labels", "count", "complaint"),
    [
        (range(10), None, "expected at least 30 drawn digits of two or more kinds, found 10 digits of kinds: 10"),
        ([3] * 40, None, "found 40 digits of kinds: 1. Draw more"),
        ([1, 2] * 20, 39, "expected one of 10 classes for each image, found uint8 of shape (40,), for 39 images"),
        ([1, 20] * 20, None, "expected one of 10 classes for each image"),
    ],
)
def test_too_few_or_wrong_drawings_are_refused(tmp_path, labels, count, complaint):
    drawn(tmp_path, [*labels], count)
    assert complaint in refused(tmp_path)


def test_one_file_of_the_two_is_missed(tmp_path):
    drawn(tmp_path, [1, 2] * 20)
    (tmp_path / DRAWN_LABELS).unlink()
    assert f"{DRAWN_LABELS}: expected a readable file" in refused(tmp_path)


def test_a_data_set_says_what_it_holds(folder):
    data = load_pictures(folder, quiet=True)
    assert (
        str(data)
        == repr(data)
        == (
            "26 train, 4 valid, 4 test\n"
            "images: 784 float32 in [0, 1], labels: uint8 from 0 to 3\n"
            "classes: 9, 10, dog, 猫 咪"
        )
    )
    images = np.zeros((12345, 784), np.float32)
    images[0, 0] = 1
    split = Split(images, np.arange(12345) % 10)
    assert repr(split) == "12,345 samples\nimages: 784 float32 in [0, 1], labels: int64 from 0 to 9"
    assert repr(Digits(split, split, split)).startswith("12,345 train, 12,345 valid, 12,345 test\nimages: 784 float32")
    assert repr(Split(images[:0], split.labels[:0])) == "0 samples\nimages: 784 float32, labels: int64"
    many = Split(images, split.labels, [f"class {i}" for i in range(50)])
    assert all(len(line) <= 80 for line in repr(many).splitlines())
