"""A net is trained on pictures of one's own, whatever their names; what is told, drawn and read names the classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import tinygrad_lite as tg
from models import lenet, mnist
from tinygrad_lite.data import write_idx
from tinygrad_lite.plot.chinese import legible

pytestmark = pytest.mark.filterwarnings("ignore:Glyph", "ignore:no font")  # where none has Chinese characters

FEW = ("--batch-size", "10", "--epochs", "15", "--lr", "0.1")


@pytest.fixture(autouse=True)
def as_before():
    yield
    tg.set_default_dtype(np.float32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Return a folder with two folders of pictures: bars that lie, and bars that stand."""
    folder = tmp_path_factory.mktemp("我的 pictures")
    for name, bar in (("横 lying", np.s_[30:36, 15:55]), ("standing", np.s_[15:55, 30:36])):
        (folder / name).mkdir()
        for i in range(10):
            pixels = np.full((70, 70), 250 - i, np.uint8)
            pixels[bar] = 10 * i
            Image.fromarray(pixels).save(folder / name / f"图 {i}.png")
    return folder


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "结果 1"
    assert mnist.main(["--data", str(pictures), "--out", str(out), "--quiet", *FEW]) == 0
    return out


def test_it_says_how_many_there_are_and_learns_them(pictures, tmp_path, capsys, monkeypatch):
    headings = {}
    monkeypatch.setattr(tg.plot, "save", lambda figure, path: headings.setdefault(path.stem, figure))
    assert mnist.main(["--data", str(pictures), "--out", str(tmp_path), *FEW]) == 0
    out = capsys.readouterr().out
    assert out.startswith("20 pictures: standing 10, 横 lying 10\nchosen at random: 16 to train, 2 to validate, 2 to t")
    assert "steps of training: 30, which is few: --batch-size 10 --epochs 30 makes more" in out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test_accuracy"] == 1
    assert metrics["data"] == str(pictures)
    assert metrics["config"]["classes"] == ["standing", "横 lying"]
    (ax, *_) = headings["confusion"].axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["standing", legible("横 lying")]
    assert legible(pictures.name) in headings["curves"].get_suptitle()


def test_predict_draw_and_resume_know_the_classes(pictures, run, capsys):
    assert mnist.main(["predict", "--show", "--out", str(run), str(pictures / "standing" / "图 3.png")]) == 0
    out = capsys.readouterr().out
    assert "图 3.png: standing (" in out
    assert f"models.mnist --hidden 90, trained on {pictures.name}" in " ".join(out.split())
    assert mnist.main(["predict", "--out", str(run), str(pictures / "横 lying" / "图 0.png")]) == 0
    assert capsys.readouterr().out.split()[:4] == ["image", "class", "standing", "横"]
    assert mnist.main(["draw", "--no-open", "--in-bytes", "--out", str(run)]) == 0
    page = (run / "draw.html").read_text(encoding="utf-8")
    assert '"classes": ["standing", "\\u6a2a lying"]' in page
    assert str(pictures.parent) not in page
    capsys.readouterr()
    assert mnist.main(["--out", str(run), "--resume", "--data", "synthetic", *FEW]) == 2
    message = capsys.readouterr().err
    assert f"data was {pictures}, not synthetic" in message


def test_mistakes_name_the_classes():
    figure = tg.plot.mistakes(np.eye(3, 784), [0, 1, 1], [1, 0, 1], names=["cat", "dog"])
    assert [text.get_text() for text in figure.axes[0].texts] == ["cat → dog", "dog → cat"]


def test_a_command_reads_with_the_net_of_another(pictures, tmp_path, capsys):
    lenet_run = ["--out", str(tmp_path), "--channels", "2", "--epochs", "1", "--quiet"]
    assert lenet.main(["--data", str(pictures), *lenet_run]) == 0
    assert mnist.main(["predict", "--show", "--out", str(tmp_path), str(pictures / "standing" / "图 3.png")]) == 0
    assert "models.lenet --channels 2" in " ".join(capsys.readouterr().out.split())
    states, facts = tg.checkpoint.load(tmp_path / "checkpoint.npz")
    for name in ("text", "nothing", "../secret"):
        tg.checkpoint.save(tmp_path / "checkpoint.npz", states, {**facts, "config": {**facts["config"], "model": name}})
        assert mnist.main(["predict", "--out", str(tmp_path), "x.png"]) == 2
        assert f"holds a net of models.{name}, which python -m models.mnist cannot use" in capsys.readouterr().err


def test_what_was_drawn_in_the_page_is_trained_on(tmp_path, capsys):
    images = np.zeros((40, 28, 28), np.uint8)
    images[::2, 4:24, 12:15] = images[1::2, 12:15, 4:24] = 255
    write_idx(tmp_path / "drawn-images-idx3-ubyte", images)
    write_idx(tmp_path / "drawn-labels-idx1-ubyte", np.tile([1, 7], 20).astype(np.uint8))
    assert mnist.main(["--data", str(tmp_path), "--out", str(tmp_path / "out"), *FEW]) == 0
    out = capsys.readouterr().out
    assert "40 pictures: 0 0, 1 20, 2 0," in out
    assert "test accuracy: 1.0000" in out


def test_what_is_no_data_is_one_line_and_status_2(pictures, tmp_path, capsys):
    assert mnist.main(["--data", str(pictures / "standing"), "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "expected a folder for each of two or more classes" in message
    assert not (tmp_path / "out").exists()
