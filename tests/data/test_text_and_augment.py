"""Text as tokens, and digits that are changed at random."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.data import Batches, Vocabulary, augmented, numpy_docstrings, read_text
from tinygrad_lite.data.augment import sampled


@pytest.mark.parametrize("text", ["hello", "一只猫 🐈 and\nmore", "ß"])
def test_text_comes_back_from_its_tokens(text):
    vocabulary = Vocabulary.of(text)
    tokens = vocabulary.encode(text)
    assert vocabulary.decode(tokens) == text
    assert tokens.max() == len(vocabulary) - 1


def test_an_unknown_character_is_named():
    with pytest.raises(tg.DataError, match="'x' is not among the 2 characters"):
        Vocabulary.of("ab").encode("abx")


def test_a_file_is_read_as_utf_8(tmp_path):
    path = tmp_path / "文本.txt"
    path.write_bytes("\ufeff一\r\n二".encode())
    assert read_text(path) == "一\n二"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"a\xff", "byte 1 is 0xff"), (b"a\0b", "is a binary file")],
)
def test_what_is_no_text_is_named(tmp_path, content, words):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(tg.DataError, match=words):
        read_text(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(tg.DataError, match=r"none\.txt"):
        read_text(tmp_path / "none.txt")


def test_the_documentation_of_numpy_is_much_text():
    text = numpy_docstrings()
    assert len(text) > 500_000
    assert "Return" in text


def ring(n=2, side=28):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    one = np.exp(-np.square(np.hypot(x, y + 3) - 6) / 4).astype(np.float32)
    return np.repeat(one.reshape(1, -1), n, axis=0)


def test_nothing_changes_within_limits_of_zero():
    images = ring()
    same = augmented(images, np.random.default_rng(0), shift=0, rotation=0, zoom=0, elastic=0)
    np.testing.assert_allclose(same, images, atol=1e-5)


@pytest.mark.parametrize("limit", ["shift", "rotation", "zoom", "elastic"])
def test_each_limit_changes_images_a_little(limit):
    images, off = ring(8), {"shift": 0, "rotation": 0, "zoom": 0, "elastic": 0}
    changed = augmented(images, np.random.default_rng(0), **{**off, limit: {"zoom": 0.2, "rotation": 20}.get(limit, 1)})
    assert changed.dtype == np.float32
    assert changed.shape == images.shape
    assert np.abs(changed - images).max() > 0.2
    assert len({row.tobytes() for row in changed}) == 8
    np.testing.assert_allclose(changed.sum(axis=1), images.sum(axis=1), rtol=0.6)


def test_a_shift_of_whole_pixels_moves_elements():
    images = np.arange(9.0).reshape(1, 3, 3)
    rows, columns = np.mgrid[:3, :3]
    moved = sampled(images, rows[None] + 1.0, columns[None] + 0.0)
    np.testing.assert_allclose(moved, [[[3, 4, 5], [6, 7, 8], [0, 0, 0]]], atol=1e-2)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="square images"):
        augmented(np.zeros((2, 30)), np.random.default_rng(0))
    with pytest.raises(ValueError, match="zoom must be a number of at least 0, not -1"):
        augmented(np.zeros((2, 4)), np.random.default_rng(0), zoom=-1)


def test_batches_are_changed_alike_after_a_stop():
    def batches():
        return Batches(ring(10), np.arange(10), 4, shuffle=True, seed=3, augment=augmented)

    whole = [images for images, _ in batches()]
    first, second = batches(), batches()
    next(iter(first))
    second.load_state_dict(first.state_dict())
    for a, (b, _) in zip(whole[1:], second, strict=True):
        np.testing.assert_array_equal(a, b)
