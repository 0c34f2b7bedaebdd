"""The predict command: what it prints for pictures and IDX files, and how it fails."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from matplotlib.image import imsave

import tinygrad_lite as tg
from models import mnist
from models.command.record import Record
from tinygrad_lite.data import Batches, write_idx
from tinygrad_lite.support.formatting import columns


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
        ("digits", "nowhere", "holds no trained net. This trains one: python -m models.mnist --out "),
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


class Terminal(io.TextIOWrapper):
    """An output that is a terminal with some encoding."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding)

    def isatty(self):
        return True

    def lines(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding).splitlines()


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that runs predict in a terminal, and returns the lines that it prints there."""

    def run(*arguments, encoding="utf-8", status=0):
        output = Terminal(encoding)
        monkeypatch.setattr(sys, "stdout", output)
        assert mnist.main(["predict", *map(str, arguments)]) == status
        monkeypatch.undo()
        lines = output.lines()
        assert all(columns(line) <= 80 for line in lines)
        return lines

    return run


def test_a_terminal_shows_what_the_net_sees_beside_the_probabilities(trained, terminal):
    write_idx(trained / "一 图", stripes(18))
    lines = terminal(trained / "一 图", "--out", trained)
    assert lines[0].endswith(f"一 图: 7 ({lines[10].split()[-3]} %)")
    assert [line[:28].rstrip() for line in lines[1:15]] == [*[""] * 9, 4 * " " + 20 * "▀", *[""] * 4]
    assert [line[28:].split()[0] for line in lines[3:13]] == [*"0123456789"]
    assert "▄" * 20 in lines[10]
    assert "models.mnist --hidden 10, trained on MNIST" in " ".join(lines[15:])


def test_where_blocks_cannot_be_written_shades_are(trained, terminal, capsys):
    write_idx(trained / "图", stripes(18))
    lines = terminal(trained / "图", "--out", trained, encoding="ascii")
    assert "\\u56fe: 7 (" in lines[0]
    assert lines[10].startswith(4 * " " + 20 * lines[10][4])
    assert lines[10][4] in "=+*"
    assert "##########" in lines[10]
    assert capsys.readouterr().err == ""


def test_many_pictures_or_no_show_are_a_table_that_fits_a_terminal(trained, terminal, capsys):
    write_idx(trained / "many", stripes(*[4] * 11))
    write_idx(trained / "one", stripes(22))
    for arguments, count in (([trained / "many"], 11), ([trained / "one", "--no-show"], 1)):
        lines = terminal(*arguments, "--out", trained)
        assert lines[0].split() == ["image", "likeliest", "then", "then"]
        assert len(lines) >= count + 3
    assert lines[2].split()[-9] == "9"
    assert mnist.main(["predict", "--show", "--out", str(trained), str(trained / "one")]) == 0
    assert 20 * "▀" in capsys.readouterr().out


def test_python_gets_the_probabilities_of_a_picture_by_name(trained):
    paper = np.full((120, 200), 0.9)
    paper[20:24, 30:70] = 0.1
    imsave(trained / "dash.png", paper, cmap="gray", vmin=0, vmax=1)
    shares = mnist.MODEL.read(trained / "dash.png", trained)
    assert [*shares] == [*"0123456789"]
    assert max(shares, key=shares.get) == "5"
    assert sum(shares.values()) == pytest.approx(1)
    assert mnist.MODEL.read(paper, str(trained)) == pytest.approx(shares, abs=1e-3)
    write_idx(trained / "two", stripes(4, 6))
    with pytest.raises(tg.DataError, match="holds 2 images"):
        mnist.MODEL.read(trained / "two", trained)


def test_two_digits_are_refused_and_the_others_are_read(trained, capsys):
    two = np.full((100, 160), 0.9)
    two[20:80, 40:50] = two[20:80, 100:110] = 0.1
    imsave(trained / "two.png", two, cmap="gray", vmin=0, vmax=1)
    write_idx(trained / "digits", stripes(4))
    arguments = ["predict", "--out", str(trained), str(trained / "two.png"), str(trained / "digits")]
    assert mnist.main(arguments) == 2
    out, err = capsys.readouterr()
    assert "found 2 separate marks, each of the height of a digit. Crop the picture to one digit." in err
    assert "1.000" in out
