"""The predict command: what it prints for pictures and IDX files, and how it fails."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imsave

import tinygrad_lite as tg
from models import mnist
from models.command.record import Record
from tinygrad_lite.data import Batches, write_idx


@pytest.fixture
def trained(tmp_path):
    """Leave the checkpoint of a net that sees a digit by its brightest row: row 2 k + 4 is the digit k."""
    net = mnist.Net(10, rng=0)
    for parameter in net.parameters():
        parameter.data = np.zeros_like(parameter.data)
    for k in range(10):
        net.hidden.weight.data.reshape(28, 28, 10)[2 * k + 4, :, k] = 1
    net.output.weight.data[...] = 5 * np.eye(10)
    optimizer = tg.optim.SGD(net.parameters(), 0.1)
    config = {"hidden": 10, "dtype": "float32"}
    batches = Batches(np.zeros((1, 1)), np.zeros(1), 1)
    Record(tmp_path / "checkpoint.npz", "mnist", config, net, optimizer, batches).save()
    return tmp_path


def stripes(*rows: int) -> np.ndarray:
    images = np.zeros((len(rows), 28, 28), np.uint8)
    for image, row in zip(images, rows, strict=True):
        image[row, 4:24] = 200
    return images


def test_each_image_of_an_idx_file_is_a_row_with_ten_probabilities(trained, capsys):
    write_idx(trained / "digits", stripes(4, 18, 22))
    assert mnist.main(["predict", str(trained / "digits"), "--out", str(trained)]) == 0
    heading, _, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["image", "digit", *map(str, range(10))]
    assert [row.split()[-11] for row in rows] == ["0", "7", "9"]
    assert [row.split()[-12] for row in rows] == ["0", "1", "2"]  # which of the file
    probabilities = np.array([[float(p) for p in row.split()[-10:]] for row in rows])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=0.01)
    assert (probabilities.argmax(axis=1) == [0, 7, 9]).all()


def test_a_net_of_synthetic_digits_says_what_it_is_worth(trained, capsys):
    path = trained / "checkpoint.npz"
    states, facts = tg.checkpoint.load(path)
    write_idx(trained / "digits", np.zeros((1, 28, 28), np.uint8))
    for kind, is_told in (("mnist", False), ("synthetic", True)):
        tg.checkpoint.save(path, states, {**facts, "data": kind})
        assert mnist.main(["predict", str(trained / "digits"), "--out", str(trained)]) == 0
        assert ("about 62 % of real ones" in capsys.readouterr().out) is is_told


def test_a_picture_is_centred_before_it_is_read(trained, capsys):
    picture = np.full((120, 200), 0.9)
    picture[20:24, 30:70] = 0.1  # a dash in a corner: after centring its rows are those of the digit 5
    imsave(trained / "dash.png", picture, cmap="gray", vmin=0, vmax=1)
    assert mnist.main(["predict", str(trained / "dash.png"), "--out", str(trained)]) == 0
    row = capsys.readouterr().out.splitlines()[2].split()
    assert row[:2] == [str(trained / "dash.png"), "5"]


@pytest.mark.parametrize(
    ("image", "run", "complaint"),
    [
        ("nothing.png", ".", "nothing.png: expected a readable file"),
        ("digits", "nowhere", "holds no checkpoint: train a net first"),
    ],
)
def test_what_is_not_there_is_one_line_and_status_2(trained, capsys, image, run, complaint):
    write_idx(trained / "digits", stripes(4))
    images = [str(trained / name) for name in ("digits", image)]
    assert mnist.main(["predict", *images, "--out", str(trained / run)]) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert ("1.000" in out) is (run == ".")  # what can be read is
    assert complaint in err


def test_a_checkpoint_of_something_else_is_refused(tmp_path, capsys):
    tg.checkpoint.save(tmp_path / "checkpoint.npz", {"net": {}}, {"config": {"hidden": 3, "dtype": "float32"}})
    write_idx(tmp_path / "digits", stripes(4))
    assert mnist.main(["predict", str(tmp_path / "digits"), "--out", str(tmp_path)]) == 2
    assert "holds no run of this program (the state does not fit this Net: missing hidden.weight" in (
        capsys.readouterr().err
    )
