"""The moons command: it learns the boundary, draws it, and fails in one line."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from models import moons


def test_it_learns_and_leaves_the_boundary(tmp_path, capsys):
    assert moons.main(["--out", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["boundary.png"]
    printed = capsys.readouterr().out
    accuracy = float(re.search(r"test accuracy ([\d.]+)", printed)[1])
    assert accuracy > 0.95


def test_the_film_shows_the_boundary_form(tmp_path, capsys):
    assert moons.main(["--out", str(tmp_path), "--animate", "--points", "20", "--steps", "3"]) == 0
    assert str(tmp_path / "boundary.gif") in capsys.readouterr().out
    with Image.open(tmp_path / "boundary.gif") as film:
        first = np.asarray(film.convert("RGB"), int)
        assert film.n_frames == 4
        film.seek(3)
        assert np.abs(np.asarray(film.convert("RGB"), int) - first).max() > 50


def test_the_half_moons_interleave():
    points, labels = moons.moons(2_000, 1e-9, np.random.default_rng(0))
    assert points.shape == (2_000, 2)
    assert 900 < labels.sum() < 1_100
    upper, lower = points[labels == 0], points[labels == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1, atol=1e-6)
    np.testing.assert_allclose(np.hypot(lower[:, 0] - 1, lower[:, 1] - 0.5), 1, atol=1e-6)
    assert upper[:, 1].min() >= -1e-6
    assert lower[:, 1].max() <= 0.5 + 1e-6


def test_quiet_prints_nothing(tmp_path, capsys):
    assert moons.main(["--out", str(tmp_path), "--steps", "3", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_wrong_option_is_one_line_and_status_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        moons.main(["--out", str(tmp_path), "--points", "1"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_loss_that_is_no_number_is_one_line_and_status_2(tmp_path, capsys):
    assert moons.main(["--out", str(tmp_path), "--noise", "1e300", "--quiet"]) == 2
    message = capsys.readouterr().err
    assert "the loss is nan: try a lower --lr or --noise" in message
    assert list(tmp_path.iterdir()) == []
