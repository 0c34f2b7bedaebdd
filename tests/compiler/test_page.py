"""What a real browser computes with a page's program is what NumPy computes, or the model is refused by name."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

import tinygrad_lite as tg
from models import lenet
from tests.browser import Browser, needs_browser
from tests.compiler.test_onnx import BUILT_IN, OnOperands
from tinygrad_lite.compiler.primitives import UFUNCS
from tinygrad_lite.compiler.writers import page_table as table
from tinygrad_lite.compiler.writers.batched import ExportError, batched, evaluating, named_inputs
from tinygrad_lite.compiler.writers.page import FILES, export_page
from tinygrad_lite.compiler.writers.page_source import UNITS, script_of
from tinygrad_lite.compiler.writers.refusals import Refused
from tinygrad_lite.nn import functional as F

PICTURES = np.random.default_rng(0).random((3, 784), np.float32)
REFUSED = {name for name, entry in table.OPERATIONS.items() if isinstance(entry, Refused)}


class Function(tg.nn.Module):
    """A model that is one function of its input."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        browser.run((FILES / "runtime.js").read_text().replace('"use strict"', "").replace("const ", "var "))
        yield browser


def script(model, x):
    """Return the program of a model, and the arrays that it reads."""
    with evaluating(model):
        program = batched(model, named_inputs(x), UNITS)
    text, arrays = script_of(program)
    return text, {name: np.asarray(program.constants[variable]) for name, variable in arrays.items()}


def in_page(browser, model, x):
    """Run a model's program in the page."""
    run, arrays = script(model, x)
    given, arrays = json.dumps(encoded(x)), {name: encoded(array) for name, array in arrays.items()}
    found = browser.run(
        f"(() => {{ {run}; const weights = {json.dumps(arrays)};"
        "for (const name in weights) weights[name] = decoded(weights[name]);"
        f"const {{ output: y }} = forward(decoded({given}), weights);"
        "return [y.shape, y.data.constructor.name, Array.from(y.data, String)]; })()"
    )
    shape, kind, numbers = found
    dtype = {"Float32Array": np.float32, "Float64Array": np.float64, "Uint8Array": bool}[kind]
    return np.array([float(x) for x in numbers]).reshape(shape).astype(dtype)


def encoded(x):
    x = x.astype(float) if x.dtype.kind == "i" else x
    return {"shape": x.shape, "type": x.dtype.name, "data": base64.b64encode(x.tobytes()).decode()}


def agrees(browser, model, x):
    with tg.no_grad(), np.errstate(all="ignore"):
        y = model(tg.Tensor(x))
    wanted, found = np.asarray(y.numpy() if isinstance(y, tg.Tensor) else y), in_page(browser, model, x)
    assert found.shape == wanted.shape
    if wanted.dtype.kind == "f":
        assert found.dtype == wanted.dtype
        tolerance = 2e-6 if wanted.dtype == np.float32 else 1e-13
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)
    else:
        assert np.array_equal(found, wanted)


@needs_browser
@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.whole)])
def test_every_rule(browser, dtype):
    refused = set()
    for rule in BUILT_IN:
        for sample in rule.samples if dtype == np.float64 else rule.samples[:1]:
            if rule.name == "astype":
                sample = tg.rules.sample(sample.args[0], np.dtype(dtype))
            model = OnOperands(rule, sample)
            rows = np.stack([model.row()] * 2).astype(dtype)
            try:
                script(model, rows)
            except ExportError:
                refused.add(rule.name)
            else:
                agrees(browser, model, rows)
    assert refused - {"einsum", "getitem"} == {  # of which some calls are refused
        *("place", "conv2d_input", "overlap_add", "correlate", "convolve"),  # write to parts of arrays
        *("solve", "inv", "pinv", "det", "cholesky", "qr", "eigh", "svd", "slogdet"),
        *("cumsum", "cumprod", "roll", "ldexp"),
    }


SPECIAL = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -2.5, 3.0, -7.25, np.inf, -np.inf, np.nan, 1e30]
PAIRS = np.array([(a, b) for a in SPECIAL for b in SPECIAL], np.float32)
ELEMENTWISE = [name for name, entry in table.OPERATIONS.items() if "elementwise" in getattr(entry, "text", "")]


@needs_browser
@pytest.mark.parametrize("name", sorted({*ELEMENTWISE} & {ufunc.__name__ for ufunc in UFUNCS}))
def test_functions_of_elements_of_special_numbers(browser, name):
    function, is_of_truths = getattr(np, name), name.startswith(("logical", "bitwise", "invert"))

    def of_columns(x):
        columns = [x[:, 0] > 0, x[:, 1] > 0] if is_of_truths else [x[:, 0], x[:, 1]]
        return function(*columns[: function.nin])

    agrees(browser, Function(of_columns), PAIRS)


CALLS = {
    "reductions": lambda x: np.stack([x.sum(0), x.mean(0), x.max(0), np.min(x, 0), x.prod(axis=0)]),
    "kept axes": lambda x: x.reshape((-1, 2, 3)).sum(axis=(0, 2), keepdims=True) + x.mean(),
    "truths": lambda x: np.stack([np.any(x > 1, axis=1), np.all(x > -1, axis=1)]),
    "counts": lambda x: np.stack([np.argmax(x, 1), np.argmin(x, 1), np.count_nonzero(x > 0, axis=1)]),
    "where": lambda x: np.where(x > 0, x, 0.1) * np.where(x[0] > 1, 1.0, x),
    "clip": lambda x: np.clip(x, -0.5, 0.5) + np.clip(x, None, 0.3) + x.clip(0.1),
    "index": lambda x: np.concatenate([x[:, 1::2], x[:, ::-3], x[:, -2:], x[:, None, 0], x[..., -1:]], axis=1),
    "rows": lambda x: x[np.array([0, -1, 0])] + x[0],
    "positions": lambda x: x.T[np.argmax(x, axis=1)],
    "products": lambda x: (x @ x.T) @ x[:, 0] + x[0] @ x.T,
    "stacks of matrices": lambda x: x.reshape((-1, 2, 3)) @ x.reshape((-1, 3, 2)) @ np.ones((2, 4), np.float32),
    "pad": lambda x: np.pad(x, ((0, 0), (1, 2)), constant_values=0.5),
    "flip": lambda x: np.flip(x) + np.flip(x, axis=1) + x[::-1],
    "lengths": lambda x: (
        x.sum(axis=0) / x.shape[0] + np.ones_like(x, shape=(x.shape[0], 6)) * (2 * x.shape[0] - 1) ** -2
    ),
    "numbers": lambda x: 0.1 * x + 1 / 3 - np.float32(0.7) * x,
    "types": lambda x: (x > 0).astype(np.float32) * x + (x < 0),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 3, axis=1).max(axis=-1),
    "gelu": lambda x: F.gelu(x) + F.silu(x) + np.tanh(x),
    "norm": tg.nn.LayerNorm(6),
    "attention": lambda x: F.softmax(x.reshape((-1, 2, 3)) @ x.reshape((-1, 2, 3)).mT),
}


@needs_browser
@pytest.mark.parametrize("what", CALLS)
def test_calls_of_everything(browser, what):
    x = np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)
    agrees(browser, CALLS[what] if isinstance(CALLS[what], tg.nn.Module) else Function(CALLS[what]), x)


def test_every_primitive_is_in_the_table_or_refused_for_a_reason():
    for name, entry in table.OPERATIONS.items():
        if isinstance(entry, Refused):
            assert str(entry)
        elif not entry.text:
            assert re.search(rf"^np\.{name} = ", (FILES / "runtime.js").read_text(), re.MULTILINE), name


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x.cumsum(axis=1), "np.cumsum cannot be written in JavaScript: it is not in the table"),
        (lambda x: np.einsum("ij,kj->ik", x, x), "np.einsum cannot be written in JavaScript: write it with @"),
        (lambda x: x + np.random.default_rng(0).random(784), "the page computes float32 here"),
        (lambda x: x[np.array([0, -1]), np.array([2, 3])], "only rows are taken at positions"),
        (lambda x: np.pad(x, ((0, 0), (1, 1)), mode="edge"), "mode"),
        (lambda x: np.argmax(x, axis=1) * 2, "the result is of int64"),
        (lambda x: x.astype(np.int32), "the result is of int32"),
        (lambda x: tg.scan(lambda c, y: (c + y, c), x[0], x)[1], "it is a loop by scan"),
    ],
)
def test_what_the_page_cannot_say_is_refused_by_name_and_line(function, words):
    with pytest.raises(ExportError, match=re.escape(words)) as refusal:
        script(Function(function), PICTURES)
    assert "test_page.py, line" in str(refusal.value)


@pytest.mark.parametrize(
    ("model", "sample", "words"),
    [
        (Function(lambda x: F.softmax(x[:, :10])), PICTURES[:, :50], "the shape of the sample is (3, 50)"),
        (Function(lambda x: x[:, :10]), PICTURES, "let forward end with .softmax()"),
        (Function(lambda x: F.softmax(x[:, :12])), PICTURES, "name the classes with classes="),
        (Function(lambda x: (F.softmax(x[:, :10]), x)), PICTURES, "let forward end with .softmax()"),
    ],
)
def test_a_model_that_reads_no_pictures_is_refused(tmp_path, model, sample, words):
    with pytest.raises(ExportError, match=re.escape(words)):
        export_page(model, sample, tmp_path / "page.html")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(784,), (28, 28), (1, 28, 28)])
def test_pictures_of_any_shape_and_type(tmp_path, shape, dtype):
    net = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(784, 10, rng=0), tg.nn.Softmax()).astype(dtype)
    export_page(net, PICTURES.reshape(-1, *shape), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"np.Real = Float{8 * np.dtype(dtype).itemsize}Array;" in text
    assert f'"shape": {[*shape]}, ' in text
    assert '"layer": {"weight": "layer_1_weight", "shape": [784, 10], "count": 10, "size": 1, "width": 1}' in text


def test_names_of_the_language_are_no_names_of_the_program():
    def forward(x):
        new = x + 1
        let = new * 2
        return let - new

    text = script(Function(forward), PICTURES)[0]
    assert "const new_2 = np.add(input, 1);" in text
    assert "const let_2 = np.multiply(new_2, 2);" in text


def test_texts_in_the_page_cannot_end_its_scripts(tmp_path):
    path = tmp_path / "page.html"
    names = ["</script><script>alert(1)</script>", *"123456789"]
    export_page(Function(lambda x: F.softmax(x[:, :10])), PICTURES, path, classes=names)
    assert path.read_text(encoding="utf-8").count("</script>") == 6


def test_lenet_is_read_line_by_line_as_in_the_numpy_source():
    text = script(lenet.Net(2, rng=0), PICTURES)[0]
    assert "  // forward\n" in text
    assert re.search(r"const features_0 = np.add\(conv2d, features_0_bias\); +// \(n, 2, 28, 28\)", text)
