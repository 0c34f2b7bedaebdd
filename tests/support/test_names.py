"""A name that a module lacks is answered with what to write instead, and what is written there exists."""

from __future__ import annotations

import importlib
import pydoc
import re
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.nn import functional as F
from tinygrad_lite.support import names

ASKED = {
    (tg, "save"): "tg.checkpoint.save",
    (tg, "load"): "tg.checkpoint.load",
    (tg, "tensor"): "write tg.Tensor(data)",
    (tg, "DataLoader"): "tg.data.Batches(images, labels, batch_size)",
    (tg, "Linear"): "write tg.nn.Linear",
    (tg, "SGD"): "write tg.optim.SGD",
    (tg, "exp"): "write np.exp",
    (tg, "zeros"): "tg.Tensor",
    (tg, "linalg"): "'linalg': NumPy has np.linalg",
    (tg, "float32"): "'float32': NumPy has np.float32",
    (tg, "relu"): "write tg.nn.functional.relu",
    (tg.nn, "relu"): "write tg.nn.functional.relu",
    (tg, "Tensro"): "did you mean tg.Tensor?",
    (tg.nn, "CrossEntropyLoss"): "tg.nn.functional.cross_entropy(logits, labels)",
    (tg.nn, "MSELoss"): "tg.nn.functional.squared_loss(p, y)",
    (tg.nn, "Dense"): "tg.nn.Linear(in_features, out_features)",
    (tg.nn, "Parameter"): "tg.Tensor(data, requires_grad=True)",
    (tg.nn, "Relu"): "write tg.nn.ReLU",
    (tg.nn, "Sequental"): "did you mean tg.nn.Sequential?",
    (tg.nn, "Transformer"): "tinygrad_lite.nn has no 'Transformer' yet",
    (F, "mse_loss"): "((p - y) ** 2).mean()",
    (F, "softmx"): "did you mean tg.nn.functional.softmax?",
    (tg.nn.init, "kaiming_normal_"): "tg.nn.init.he_normal(shape)",
    (tg.optim, "Adamax"): "tinygrad_lite.optim has no 'Adamax' yet",
    (tg.optim, "adam"): "write tg.optim.Adam",
    (tg.data, "DataLoader"): "tg.data.Batches",
    (tg, "nothing_like_it"): "tinygrad_lite has no 'nothing_like_it'",
}


@pytest.mark.parametrize(("module", "name"), ASKED, ids=lambda x: x if isinstance(x, str) else x.__name__)
def test_a_missing_name_is_answered(module, name):
    with pytest.raises(AttributeError) as caught:
        getattr(module, name)
    assert str(caught.value).startswith(f"{module.__name__} has no {name!r}")
    assert ASKED[module, name] in str(caught.value)
    assert not hasattr(module, name)
    assert getattr(module, name, 3) == 3


@pytest.mark.parametrize("line", ["from tinygrad_lite import save", "from tinygrad_lite.nn import Linear, MSELoss"])
def test_a_name_that_is_imported_is_answered_too(line):
    with pytest.raises(ImportError, match=r": write .*tg\."):
        exec(line)


def test_submodules_are_imported_as_ever():
    code = "import tinygrad_lite.tensor as t; from tinygrad_lite import tensor, engine; print(t.Tensor, engine.sweep)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tinygrad_lite.save")


def test_what_is_there_is_not_said_to_be_missing():
    for place in names.PLACES:
        module = importlib.import_module(place)
        public = set(names._public(module))
        assert not public & {*names.NOT_YET.split()}
        if place != "tinygrad_lite.nn.init":
            assert not public & {*names.INSTEAD}


def test_what_is_written_instead_exists():
    said = " ".join(names.INSTEAD.values())
    found = re.findall(r"\b(tg|np)((?:\.\w+)+)", said)
    assert len(found) > 30
    for root, path in found:
        x = {"tg": tg, "np": np}[root]
        for part in path.split(".")[1:]:
            x = getattr(x, part)


def test_help_on_a_class_says_what_to_write_instead_of_other_names():
    told = pydoc.render_doc(tg.nn.Linear, renderer=pydoc.plaintext)
    assert re.search(r"add_module\n.*Not here: write ", told)
