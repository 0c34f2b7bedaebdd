"""Rendered digits are the same for a seed, balanced, framed as MNIST's, and survive a bad cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lite.data import digits
from tinygrad_lite.data.cache import cache_folder
from tinygrad_lite.data.splits import Digits

COUNT = 2000


@pytest.fixture(scope="module")
def rendered() -> tuple[np.ndarray, np.ndarray]:
    labels, images = digits._render(0, (COUNT,))
    return labels, images.reshape(-1, 28, 28)


def keep_caches_in(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        patch.setenv(variable, str(folder))
    return cache_folder()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield keep_caches_in(tmp_path_factory.mktemp("cache"), patch)


@pytest.fixture(scope="module")
def whole(cache: Path) -> Digits:
    return digits.load_synthetic()


@pytest.fixture(scope="module")
def glyphs() -> digits._Glyphs:
    return digits._trace_glyphs()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, glyphs: digits._Glyphs) -> Path:
    """Make the data set 300 digits, and return where the one of seed 7 is kept."""
    monkeypatch.setattr(digits, "SIZES", (100, 100, 100))
    monkeypatch.setattr(digits, "_trace_glyphs", lambda: glyphs)
    return keep_caches_in(tmp_path, monkeypatch) / f"synthetic-v{digits.GENERATOR_VERSION}-seed7.bin"


def same(one: Digits, other: Digits) -> bool:
    return all(
        np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)
        for a, b in zip(one, other, strict=True)
    )


def test_the_whole_set_has_mnists_sizes_types_and_range(whole: Digits) -> None:
    for split, count in zip(whole, (50_000, 10_000, 10_000), strict=True):
        assert split.images.shape == (count, 784)
        assert split.images.dtype == np.float32
        assert split.labels.shape == (count,)
        assert split.labels.dtype == np.uint8
        assert split.images.min() == 0
        assert split.images.max() == 1
        assert np.array_equal(np.bincount(split.labels), [count // 10] * 10)


def test_a_second_load_reads_the_cache_and_gives_the_same(
    whole: Digits, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digits, "_render", lambda *_: pytest.fail("rendered although the cache holds it"))
    assert same(digits.load_synthetic(), whole)
    assert [file.name for file in cache.iterdir()] == [f"synthetic-v{digits.GENERATOR_VERSION}-seed0.bin"]


def test_no_picture_occurs_twice_in_or_across_the_splits(whole: Digits) -> None:
    seen = {hashlib.blake2b(image).digest() for split in whole for image in split.images}
    assert len(seen) == 70_000


def test_a_linear_reader_learns_them_but_not_perfectly(whole: Digits) -> None:
    def features(images: np.ndarray) -> np.ndarray:
        return np.column_stack([images, np.ones(len(images), np.float32)])

    x = features(whole.train.images[:10_000])
    targets = np.eye(10, dtype=np.float32)[whole.train.labels[:10_000]]
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(785, dtype=np.float32), x.T @ targets)
    right = (features(whole.test.images) @ weights).argmax(axis=1) == whole.test.labels
    assert 0.6 < right.mean() < 0.95  # on MNIST, least squares reads about 85 %


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    labels, images = digits._render(3, (200, 100))
    again_labels, again_images = digits._render(3, (200, 100))
    other_labels, other_images = digits._render(4, (200, 100))
    assert images.tobytes() == again_images.tobytes()
    assert labels.tobytes() == again_labels.tobytes()
    assert not np.array_equal(images, other_images)
    assert not np.array_equal(labels, other_labels)


def test_a_split_does_not_depend_on_the_sizes_of_the_others() -> None:
    labels, images = digits._render(3, (100, 100))
    longer_labels, longer_images = digits._render(3, (300, 100))
    assert np.array_equal(images[100:], longer_images[300:])
    assert np.array_equal(labels[100:], longer_labels[300:])


def test_labels_are_balanced_and_in_random_order(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    labels, _ = rendered
    assert np.array_equal(np.bincount(labels), [COUNT // 10] * 10)
    followed_by_the_next = (np.diff(labels.astype(int)) % 10 == 1).mean()
    assert 0.05 < followed_by_the_next < 0.15


def test_ink_is_as_much_and_as_grey_as_mnists(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    _, images = rendered
    assert images.mean() / 255 == pytest.approx(0.1307, abs=0.01)  # MNIST's mean and standard deviation
    assert images.std() / 255 == pytest.approx(0.3081, abs=0.02)
    anti_aliased = ((images > 0) & (images < 250)).mean()
    assert 0.07 < anti_aliased < 0.15
    assert (images.max(axis=(1, 2)) > 200).all()


def test_every_digit_fits_a_box_of_20(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    _, images = rendered
    height = (images > 0).any(axis=2).sum(axis=1)
    width = (images > 0).any(axis=1).sum(axis=1)
    longer = np.maximum(height, width)
    assert longer.max() == 20
    assert (longer >= 19).all()


def test_the_centre_of_mass_is_the_middle(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    _, images = rendered
    for axis in (1, 2):
        profile = images.sum(axis=axis)
        centre = profile @ np.arange(28) / profile.sum(axis=1)
        assert (np.abs(centre - 14) <= 0.5 + 1e-9).mean() > 0.99
        assert np.abs(centre - 14).max() < 2  # where the box would leave the picture, it stays inside


def test_classes_differ_and_samples_of_a_class_too(rendered: tuple[np.ndarray, np.ndarray]) -> None:
    labels, images = rendered
    flat = images.reshape(COUNT, -1).astype(float)
    means = np.stack([flat[labels == digit].mean(axis=0) for digit in range(10)])
    apart = np.linalg.norm(means[:, None] - means, axis=-1)[np.triu_indices(10, 1)]
    assert apart.min() > 300
    assert all(flat[labels == digit].std(axis=0).max() > 80 for digit in range(10))


def test_a_hand_can_undo_what_it_writes() -> None:
    rng = np.random.default_rng(0)
    hand = digits._Hand(50, rng)
    x, y = rng.uniform(-0.5, 0.5, (2, 50, 4, 5)).astype(np.float32)
    written = hand.write(x, y)
    assert np.abs(written[0] - x).max() > 0.05
    np.testing.assert_allclose(hand.unwrite(*written), (x, y), atol=1e-5)


def test_thinning_leaves_a_line_one_cell_wide_and_as_many_pieces() -> None:
    bar = np.zeros((1, 64, 64), bool)
    bar[0, 10:50, 20:27] = True
    ring = np.zeros((1, 64, 64), bool)
    ring[0, 10:50, 10:50] = True
    ring[0, 20:40, 20:40] = False
    thin_bar, thin_ring = digits._thin(np.concatenate([bar, ring]))
    assert thin_bar.any(axis=1).sum() > 30
    assert thin_bar.sum(axis=1).max() == 1
    assert not (thin_bar & ~bar[0]).any()
    assert not thin_ring[20:40, 20:40].any()
    for line in (thin_ring[30], thin_ring[:, 30]):  # cut across, the ring is still two single cells
        assert line.sum() == 2


def test_a_glyphs_table_holds_the_distance_to_its_path(glyphs: digits._Glyphs) -> None:
    x, y = np.moveaxis(glyphs.points[:, None], -1, 0)
    every = np.arange(len(glyphs.points))
    on_the_path = digits._look_up(glyphs.distances, every, x, y)
    assert on_the_path.max() < 0.02
    far = digits._look_up(glyphs.distances, every, x + 2, y)
    assert far.min() > 0.2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
        lambda content: bytes([content[0] ^ 1]) + content[1:],
    ],
    ids=["empty", "cut", "longer", "a bit flipped", "its digest wrong"],
)
def test_a_damaged_cache_is_rendered_again(small: Path, damage) -> None:
    first = digits.load_synthetic(7)
    content = small.read_bytes()
    small.write_bytes(damage(content))
    assert same(digits.load_synthetic(7), first)
    assert small.read_bytes() == content


def test_a_cache_that_cannot_be_read_is_not_fatal(small: Path) -> None:
    first = digits.load_synthetic(7)
    small.unlink()
    small.mkdir()  # neither to be read nor to be replaced, even by root
    (small / "in the way").touch()
    assert same(digits.load_synthetic(7), first)
    assert list(small.parent.iterdir()) == [small]


def test_a_cache_folder_that_cannot_be_made_is_not_fatal(small: Path) -> None:
    small.parent.parent.mkdir(parents=True, exist_ok=True)
    small.parent.write_text("a file where the folder should be")
    assert len(digits.load_synthetic(7).train) == 100


def test_the_cache_keeps_seeds_apart(small: Path) -> None:
    seven = digits.load_synthetic(7)
    assert not same(digits.load_synthetic(8), seven)
    assert same(digits.load_synthetic(7), seven)
    assert len(list(small.parent.iterdir())) == 2


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="the seed is -1, but must be 0 or more"):
        digits.load_synthetic(-1)
