"""Weights go to PyTorch and come back: files that PyTorch 2.13 wrote give its outputs, and are what is written here;
where PyTorch is installed both directions are run. What does not fit is listed whole, and changes nothing.

The stored files hold nets with random weights, beside them an input and PyTorch's output: ``mlp`` and ``square`` by
``save_file``, ``shared``, a layer in two places, by ``save_model``; those that name a type hold ``square`` converted.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import DataError, checkpoint, nn
from tinygrad_lite.safetensors import load_safetensors, save_safetensors

pytest.importorskip("safetensors", reason="the package safetensors is not installed")
from safetensors.numpy import load_file, save_file

STORED = Path(__file__).parent


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 6, rng=0), nn.ReLU(), nn.Linear(6, 3, rng=1))


def square() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 4, rng=0), nn.Tanh(), nn.Linear(4, 4, bias=False, rng=1))


def shared() -> nn.Sequential:
    layer = nn.Linear(4, 4, rng=0)
    return nn.Sequential(layer, nn.ReLU(), layer)


class Nested(nn.Module):
    """Linear layers wherever modules are found, and Tensors that no Linear owns."""

    def __init__(self) -> None:
        self.weight = tg.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True)
        self.steps = nn.Buffer(np.array(3))
        self.blocks = [nn.Sequential(nn.Linear(2, 3, rng=0)), {"head": nn.Linear(3, 2, rng=1)}]


MODELS = {"mlp": mlp, "square": square, "shared": shared}


@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_pytorchs_gives_pytorchs_output(name):
    net = MODELS[name]()
    load_safetensors(net, STORED / f"{name}.safetensors")
    with np.load(STORED / f"{name}.npz") as seen:
        np.testing.assert_allclose(net(seen["x"]).numpy(), seen["y"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["mlp", "square"])
def test_what_is_written_is_pytorchs_file_byte_for_byte(tmp_path, name):
    net = MODELS[name]()
    load_safetensors(net, STORED / f"{name}.safetensors")
    save_safetensors(net, tmp_path / "net.safetensors")
    assert (tmp_path / "net.safetensors").read_bytes() == (STORED / f"{name}.safetensors").read_bytes()


def test_a_linear_weight_alone_is_transposed(tmp_path):
    net = Nested()
    save_safetensors(net, str(tmp_path / "net.safetensors"))
    state, written = net.state_dict(), load_file(tmp_path / "net.safetensors")
    assert set(written) == set(state) == {
        "weight", "steps", "blocks.0.0.weight", "blocks.0.0.bias", "blocks.1.head.weight", "blocks.1.head.bias"
    }  # fmt: skip
    for name, array in state.items():
        expected = array.T if name in ("blocks.0.0.weight", "blocks.1.head.weight") else array
        assert np.array_equal(written[name], expected)
        assert written[name].dtype == array.dtype


def test_a_model_may_be_one_linear_layer(tmp_path):
    layer = nn.Linear(3, 3, rng=0)
    save_safetensors(layer, tmp_path / "net.safetensors")
    assert np.array_equal(load_file(tmp_path / "net.safetensors")["weight"], layer.weight.data.T)


@pytest.mark.parametrize("make", [*MODELS.values(), Nested])
def test_what_is_written_is_read_back_bit_for_bit(tmp_path, make):
    net, other = make(), make()
    for _, tensor in other._named_tensors():
        tensor.data = tensor.data + 1
    save_safetensors(net, tmp_path / "net.safetensors")
    load_safetensors(other, tmp_path / "net.safetensors")
    for name, array in net.state_dict().items():
        assert other.state_dict()[name].tobytes() == array.tobytes()


def test_a_shared_layer_is_written_under_each_name_and_stays_shared(tmp_path):
    net = shared()
    load_safetensors(net, STORED / "shared.safetensors")
    assert len(net.parameters()) == 2
    save_safetensors(net, tmp_path / "net.safetensors")
    written = load_file(tmp_path / "net.safetensors")
    assert set(written) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert np.array_equal(written["0.weight"], written["2.weight"])


@pytest.mark.parametrize(("kind", "digits"), [("bfloat16", 2**-8), ("float16", 2**-11)])
def test_half_precision_is_read_into_the_types_of_the_net(kind, digits):
    exact, rounded = square(), square()
    load_safetensors(exact, STORED / "square.safetensors")
    load_safetensors(rounded, STORED / f"square_{kind}.safetensors")
    for name, array in rounded.state_dict().items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, exact.state_dict()[name], rtol=digits)
        assert not np.array_equal(array, exact.state_dict()[name])


def test_a_net_in_float64_keeps_its_type():
    net = mlp().astype(np.float64)
    load_safetensors(net, STORED / "mlp.safetensors")
    assert {array.dtype for array in net.state_dict().values()} == {np.dtype(np.float64)}
    assert np.array_equal(net.state_dict()["0.weight"], load_file(STORED / "mlp.safetensors")["0.weight"].T)


def refused(net: nn.Module, path: Path) -> str:
    """Return the message, after a look at its form and at the net, which must be as it was."""
    before = net.state_dict()
    with pytest.raises(DataError) as caught:
        load_safetensors(net, path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert all(np.array_equal(array, before[name]) for name, array in net.state_dict().items())
    return message


def test_all_that_does_not_fit_is_listed_with_the_files_shapes_and_nothing_changes(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(
        {
            "0.weight": np.ones((7, 5), np.float32),
            "0.bias": np.ones(6, np.float32),
            "2.weight": np.ones((3, 6), np.float32),
            "4.bias": np.ones(3, np.float32),
        },
        path,
    )
    message = refused(mlp(), path)
    assert "does not fit this Sequential" in message
    assert "missing 2.bias; unexpected 4.bias; 0.weight has shape (7, 5), not (6, 5)." in message


def test_a_weight_that_was_not_transposed_is_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(mlp().state_dict(), path)
    message = refused(mlp(), path)
    assert "0.weight has shape (5, 6), not (6, 5)" in message
    assert "2.weight has shape (6, 3), not (3, 6)" in message


GOOD = (STORED / "mlp.safetensors").read_bytes()
BAD = {
    "empty": b"",
    "cut in the length": GOOD[:5],
    "cut in the header": GOOD[:60],
    "cut in the numbers": GOOD[:-1],
    "longer": GOOD + b"\0",
    "text": b"weights, honestly\n" * 10,
    "header": GOOD[:8] + b"[" + GOOD[9:],
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_foreign_or_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    assert "expected a safetensors file, found something else or a damaged one" in refused(mlp(), path)


@pytest.mark.parametrize("name", ["absent.safetensors", "."])
def test_what_cannot_be_read_is_refused(tmp_path, name):
    assert "expected a readable file" in refused(mlp(), tmp_path / name)


def test_a_checkpoint_is_refused_by_name(tmp_path):
    for suffix, found in (("npz", "found a zip archive, as checkpoint.save"), ("safetensors", "found a checkpoint")):
        path = tmp_path / f"checkpoint.{suffix}"
        checkpoint.save(path, {"net": mlp().state_dict()}, {})
        assert found in refused(mlp(), path)


def test_a_type_that_numpy_lacks_is_refused_by_name(tmp_path):
    path = tmp_path / "net.safetensors"
    header = b'{"0.bias":{"dtype":"F8_E4M3","shape":[6],"data_offsets":[0,6]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(6))
    assert "'0.bias' is of type F8_E4M3, which NumPy does not have" in refused(mlp(), path)


def weights(path: Path, entry: object, data: bytes = b"", name: str = "0.bias", **others: object) -> Path:
    header = json.dumps({name: entry, **others}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


@pytest.mark.parametrize("shape", [[0, 2**62], [0, 2**40, 2**40], [1] * 65])
@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_a_shape_that_numpy_cannot_hold_is_refused_by_name(tmp_path, shape, dtype):
    size = 0 if 0 in shape else {"F32": 4, "BF16": 2}[dtype]
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}
    assert "'0.bias' has a shape that NumPy cannot hold" in refused(
        mlp(), weights(tmp_path / "net", entry, bytes(size))
    )


def test_strange_names_and_no_metadata_are_read_as_they_are(tmp_path):
    entry = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
    path = weights(tmp_path / "net", entry, b"1", name="a\n\x1b[2J")
    assert r"found 'a\n\x1b[2J'" in refused(mlp(), path)
    assert "unexpected a" in refused(mlp(), weights(path, entry, b"1", name="a", __metadata__=None))


def test_nothing_but_a_data_error_comes_of_damage(tmp_path):
    rng, path, whole = np.random.default_rng(0), tmp_path / "net", 0
    for _ in range(300):
        damaged = bytearray(GOOD)
        for position in rng.integers(0, rng.choice([8, 400, len(GOOD)]), 2):
            damaged[position] = rng.integers(256)
        path.write_bytes(damaged[: len(GOOD) - max(0, rng.integers(-20, 4))])
        try:
            load_safetensors(mlp(), path)
            whole += 1
        except DataError:
            pass
    assert whole < 150


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_and_a_file_that_is_too_large_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "expected a file, found a device or a pipe" in refused(mlp(), tmp_path / "pipe")
    net = mlp()
    load_safetensors(net, STORED / "mlp.safetensors", max_bytes=len(GOOD))
    with pytest.raises(DataError, match="pass a larger max_bytes"):
        load_safetensors(net, STORED / "mlp.safetensors", max_bytes=len(GOOD) - 1)


def test_a_dictionary_and_exchanged_arguments_are_answered_by_what_to_write(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(TypeError, match=r"this is a dict \(safetensors.numpy.save_file writes"):
        save_safetensors(mlp().state_dict(), path)
    for function in (save_safetensors, load_safetensors):
        with pytest.raises(TypeError, match="the model comes first, then the path, but this is a "):
            function(path, mlp())


def test_a_type_that_the_format_lacks_is_not_written(tmp_path):
    net = Nested()
    net.steps = nn.Buffer(np.array(1j))
    with pytest.raises(TypeError, match="steps is of complex128, which safetensors files cannot hold"):
        save_safetensors(net, tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    save_safetensors(mlp(), path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_safetensors(square(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch):
    for module in ("safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, module, None)
    for function in (save_safetensors, load_safetensors):
        with pytest.raises(ImportError, match=re.escape("pip install 'tinygrad_lite[interop]'")):
            function(mlp(), tmp_path / "net.safetensors")


def test_pytorch_reads_what_is_written_and_writes_what_is_read(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import safetensors.torch

    path = tmp_path / "net.safetensors"
    layers = torch.nn.Sequential(torch.nn.Linear(5, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    net = nn.Sequential(nn.Linear(5, 5, rng=0), nn.Tanh(), nn.Linear(5, 3, rng=1))
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)

    def agree() -> bool:
        return np.allclose(layers(torch.from_numpy(x)).detach().numpy(), net(x).numpy(), rtol=1e-5, atol=1e-6)

    assert not agree()
    save_safetensors(net, path)
    layers.load_state_dict(safetensors.torch.load_file(path))
    assert agree()

    for write in (
        safetensors.torch.save_model,
        lambda model, path: safetensors.torch.save_file(model.state_dict(), path),
    ):
        for parameter in layers.parameters():
            torch.nn.init.normal_(parameter)
        assert not agree()
        write(layers, path)
        load_safetensors(net, path)
        assert agree()


def test_pytorch_reads_the_stored_files_and_gives_the_stored_outputs():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import safetensors.torch

    net = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    net.load_state_dict(safetensors.torch.load_file(STORED / "mlp.safetensors"))
    with np.load(STORED / "mlp.npz") as seen:
        output = net(torch.from_numpy(seen["x"])).detach().numpy()
        np.testing.assert_allclose(output, seen["y"], rtol=1e-5, atol=1e-6)
