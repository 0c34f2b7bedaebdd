"""The pictures that a run leaves are pictures: the other tests put up with files in their place."""

from __future__ import annotations

from matplotlib.image import imread

from models import mnist


def test_all_that_a_run_draws_can_be_seen(small, tmp_path):
    assert mnist.main(["--out", str(tmp_path), "--data", "mnist", "--lr", "0.1", "--epochs", "1"]) == 0
    pictures = {path.stem: imread(path) for path in tmp_path.glob("*.png")}
    assert pictures.keys() == {"curves", "mistakes", "confusion", "weights"}
    for picture in pictures.values():
        assert picture.std() > 0.05
        assert min(picture.shape[:2]) > 200
