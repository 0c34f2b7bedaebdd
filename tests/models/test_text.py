"""The command of the language model: it learns a text, shows samples, resumes, writes, and fails in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tg
from models import text

LINE = "the cat sat on the mat and the dog sat on the log. "
SHORT = ("--epochs", "2", "--context", "16", "--width", "16", "--layers", "1", "--batch-size", "8")


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(LINE * 60, encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def as_before():
    yield
    tg.set_default_dtype(np.float32)


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_it_learns_a_text_and_shows_what_it_writes(book, tmp_path, capsys):
    assert text.main([*SHORT, "--text", book, "--prompt", "the ", "--out", str(tmp_path / "run")]) == 0
    history = metrics(tmp_path / "run")["history"]
    assert history[1]["valid_loss"] < history[0]["valid_loss"] < np.log2(18)
    assert capsys.readouterr().out.count("| the ") == 2
    assert {"metrics.json", "curves.png", "checkpoint.npz"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_it_writes_with_the_net_that_was_trained(book, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert text.main([*SHORT, "--text", book, "--out", out, "--quiet"]) == 0
    written = []
    for _ in range(2):
        assert text.main(["write", "--out", out, "--length", "30", "--prompt", "the dog", "--seed", "1"]) == 0
        written.append(capsys.readouterr().out)
    assert written[0] == written[1]
    assert written[0].startswith("the dog")
    assert len(written[0]) == len("the dog") + 30 + 1
    assert set(written[0]) <= {*LINE, "\n"}


def test_a_chinese_text_works(tmp_path, capsys):
    path = tmp_path / "书.txt"
    path.write_text("天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。" * 60, encoding="utf-8")
    assert text.main([*SHORT, "--text", str(path), "--prompt", "天地", "--out", str(tmp_path / "run")]) == 0
    assert "| 天地" in capsys.readouterr().out


def test_a_run_goes_on_where_it_stopped(book, tmp_path):
    options = (*SHORT, "--text", book, "--no-jit", "--quiet", "--out")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert text.main([*options, str(whole)]) == 0
    assert text.main([*options, str(parts)]) == 0
    assert metrics(whole)["history"][1]["valid_loss"] == metrics(parts)["history"][1]["valid_loss"]
    assert text.main([*options, str(parts), "--resume", "--epochs", "3"]) == 0
    assert len(metrics(parts)["history"]) == 3


MISTAKES = {
    "no file": (["--text", "none.txt"], "none.txt"),
    "unknown prompt": (["--prompt", "漢"], "'漢' is not among the"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(what, book, tmp_path, capsys):
    options, words = MISTAKES[what]
    given = options if "--text" in options else ["--text", book, *options]
    assert text.main([*given, "--out", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_a_short_text_is_refused(tmp_path, capsys):
    path = tmp_path / "short.txt"
    path.write_text("The end.")
    assert text.main(["--text", str(path), "--prompt", "The", "--out", str(tmp_path / "run")]) == 2
    assert "has 8 characters, and at least 1,281 are needed for passages of 64" in capsys.readouterr().err


def test_writing_without_a_trained_net_is_one_line(tmp_path, capsys):
    assert text.main(["write", "--out", str(tmp_path)]) == 2
    assert f"This trains one: python -m models.text --out {tmp_path}" in capsys.readouterr().err
