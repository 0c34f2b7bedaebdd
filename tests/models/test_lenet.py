"""The command of the convolutional net: it learns, resumes, and reads pictures as that of the 784-90-10 net does."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tg
from models import lenet

SHORT = ("--epochs", "2", "--channels", "2", "--batch-size", "50", "--quiet")

pytestmark = pytest.mark.usefixtures("small", "unpainted")


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_it_learns_and_leaves_its_files(tmp_path):
    assert lenet.main([*SHORT, "--out", str(tmp_path)]) == 0
    history = metrics(tmp_path)["history"]
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    assert history[1]["train_loss"] < history[0]["train_loss"]
    assert {"metrics.json", "curves.png", "weights.png", "features.png", "checkpoint.npz"} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_a_run_that_stopped_goes_on_as_if_it_had_not(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert lenet.main([*SHORT, "--no-jit", "--out", str(whole)]) == 0
    net, optimizer = lenet.Net(2, rng=0), None
    assert lenet.main([*SHORT, "--no-jit", "--out", str(parts), "--checkpoint-every", "5"]) == 0
    del net, optimizer
    for name in ("train_loss", "valid_accuracy"):
        assert [e[name] for e in metrics(whole)["history"]] == [e[name] for e in metrics(parts)["history"]]


def test_the_compiled_step_is_the_eager_one():
    rng = np.random.default_rng(0)
    images, labels = rng.random((8, 784), dtype=np.float32), np.arange(8) % 10
    losses = []
    for compiled in (False, True):
        net = lenet.Net(2, rng=0)
        step = lenet.training_step(net, tg.optim.Adam(net.parameters(), 0.01))
        step = tg.jit(step) if compiled else step
        losses.append([step(images, labels).item() for _ in range(4)])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_the_net_gives_probabilities():
    p = lenet.Net(2, rng=0)(np.zeros((3, 784), np.float32)).numpy()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)


def test_predict_reads_what_a_run_has_left(tmp_path, capsys):
    assert lenet.main([*SHORT, "--out", str(tmp_path)]) == 0
    from tests.models.small import small_digits

    tg.data.write_idx(tmp_path / "images", (255 * small_digits().test.images[:3]).astype(np.uint8).reshape(3, 28, 28))
    assert lenet.main(["predict", "--out", str(tmp_path), str(tmp_path / "images")]) == 0
    assert "images" in capsys.readouterr().out


def test_the_caution_about_synthetic_digits_has_no_figure_of_another_net():
    assert lenet.MODEL.caution("mnist") == ""
    assert lenet.MODEL.caution("synthetic").endswith("reads real ones far less well.")
