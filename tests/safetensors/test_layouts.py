"""Every layer has PyTorch's layout in a file: names and shapes here, outputs beside PyTorch where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import nn
from tinygrad_lite.safetensors import load_safetensors, save_safetensors

pytest.importorskip("safetensors", reason="the package safetensors is not installed")
from safetensors.numpy import load_file, save_file


def random(*shape):
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


SEQUENCES, IMAGES = random(2, 5, 4), random(2, 4, 6, 6)
ATTENTION = {"in_proj_weight": (12, 4), "in_proj_bias": (12,), "out_proj.weight": (4, 4), "out_proj.bias": (4,)}
NORM = {"weight": (4,), "bias": (4,)}
RUNNING = {"running_mean": (4,), "running_var": (4,)}


def recurrent(gates, end=""):
    units = 3 * gates
    shapes = {"weight_ih": (units, 4), "weight_hh": (units, 3), "bias_ih": (units,), "bias_hh": (units,)}
    return {name + end: shape for name, shape in shapes.items()}


def within(layer, shapes):
    return {f"{layer}.{name}": shape for name, shape in shapes.items()}


BLOCK = within("self_attn", ATTENTION) | within("linear1", {"weight": (8, 4), "bias": (8,)})
BLOCK |= within("linear2", {"weight": (4, 8), "bias": (4,)}) | within("norm1", NORM) | within("norm2", NORM)
ENCODER = "dim_feedforward=8, dropout=0.0, activation='gelu', batch_first=True, norm_first=True"
# The layer; the names and shapes in PyTorch's layout, as `state_dict` of PyTorch 2.13 has them; the same layer there,
# if it has other arguments; an input.
LAYERS = {
    "Linear(4, 3)": ({"weight": (3, 4), "bias": (3,)}, None, SEQUENCES),
    "Conv1d(5, 3, 2)": ({"weight": (3, 5, 2), "bias": (3,)}, None, SEQUENCES),
    "Conv2d(4, 6, (3, 2), groups=2)": ({"weight": (6, 2, 3, 2), "bias": (6,)}, None, IMAGES),
    "ConvTranspose2d(4, 6, (3, 2), stride=2, groups=2)": ({"weight": (4, 3, 3, 2), "bias": (6,)}, None, IMAGES),
    "BatchNorm1d(5)": (dict.fromkeys((*NORM, *RUNNING), (5,)), None, SEQUENCES),
    "BatchNorm2d(4)": (NORM | RUNNING, None, IMAGES),
    "LayerNorm((5, 4))": ({"weight": (5, 4), "bias": (5, 4)}, None, SEQUENCES),
    "RMSNorm(4)": ({"weight": (4,)}, None, SEQUENCES),
    "GroupNorm(2, 4)": (NORM, None, IMAGES),
    "Embedding(7, 3)": ({"weight": (7, 3)}, None, np.array([[0, 6, 2]])),
    "MultiHeadAttention(4, 2)": (ATTENTION, "MultiheadAttention(4, 2, batch_first=True)", SEQUENCES),
    "MultiHeadAttention(4, 2, bias=False)": (
        {name: shape for name, shape in ATTENTION.items() if "bias" not in name},
        "MultiheadAttention(4, 2, bias=False, batch_first=True)",
        SEQUENCES,
    ),
    "TransformerBlock(4, 2, 8)": (BLOCK, f"TransformerEncoderLayer(4, 2, {ENCODER})", SEQUENCES),
    "GRU(4, 3)": (recurrent(3, "_l0"), "GRU(4, 3, batch_first=True)", SEQUENCES),
    "LSTM(4, 3)": (recurrent(4, "_l0"), "LSTM(4, 3, batch_first=True)", SEQUENCES),
    "GRUCell(4, 3)": (recurrent(3), None, SEQUENCES[:, 0]),
    "LSTMCell(4, 3)": (recurrent(4), None, SEQUENCES[:, 0]),
}
OTHERS = {"Module", "Sequential", "Residual"}  # their names are those of what they hold


def made(layer, module=nn):
    return eval(f"module.{layer}")


@pytest.mark.parametrize("layer", LAYERS)
def test_a_file_has_the_names_and_shapes_of_pytorch(tmp_path, layer):
    for net, prefix in ((made(layer), ""), (nn.Sequential(nn.Identity(), made(layer)), "1.")):
        save_safetensors(net, tmp_path / "net")
        shapes = {prefix + name: shape for name, shape in LAYERS[layer][0].items()}
        assert {name: x.shape for name, x in load_file(tmp_path / "net").items()} == shapes


@pytest.mark.parametrize("layer", LAYERS)
def test_a_file_is_read_back_bit_for_bit(tmp_path, layer):
    net, other = made(layer), made(layer)
    for p in net.parameters():
        p.data = random(*p.shape)
    save_safetensors(net, tmp_path / "net")
    load_safetensors(other, tmp_path / "net")
    for name, array in net.state_dict().items():
        assert other.state_dict()[name].tobytes() == array.tobytes()


def test_every_layer_with_weights_is_in_the_table():
    layers = {name for name, x in vars(nn).items() if isinstance(x, type) and issubclass(x, nn.Module)}
    bare = {name for name in layers if name not in OTHERS and f"{name}()" and not _has_weights(name)}
    assert layers - OTHERS - bare == {layer.partition("(")[0] for layer in LAYERS}


def _has_weights(name):
    for arguments in ("", "4", "4, 2", "4, 4, 2", "2, 4"):
        try:
            return bool(made(f"{name}({arguments})")._named_tensors().__next__())
        except StopIteration:
            return False
        except (TypeError, ValueError):
            continue
    raise AssertionError(name)


def test_stacked_and_gated_arrays_have_the_order_of_pytorch(tmp_path):
    attention, gru = nn.MultiHeadAttention(4, 2, rng=0), nn.GRU(4, 3, rng=0)
    save_safetensors(attention, tmp_path / "net")
    stacked = load_file(tmp_path / "net")["in_proj_weight"]
    for i, part in enumerate((attention.query, attention.key, attention.value)):
        np.testing.assert_array_equal(stacked[4 * i : 4 * i + 4], part.weight.numpy().T)
    save_safetensors(gru, tmp_path / "net")
    # Rows 3 to 5 belong to the gate z, which PyTorch's documentation lists second: h' = (1 - z) n + z h.
    state = load_file(tmp_path / "net")
    state["bias_ih_l0"][3:6] = 50  # z = 1, so the state stays what it was
    save_file(state, tmp_path / "net")
    load_safetensors(gru, tmp_path / "net")
    before = random(2, 3)
    np.testing.assert_allclose(gru(SEQUENCES, before)[1].numpy(), before, rtol=1e-6)


def test_a_count_of_batches_is_read_over_and_other_names_are_not(tmp_path):
    net = nn.Sequential(nn.BatchNorm2d(4))
    state = {f"0.{name}": np.ones(4, np.float32) for name in (*NORM, *RUNNING)}
    save_file(state | {"0.num_batches_tracked": np.array(7)}, tmp_path / "net")
    load_safetensors(net, tmp_path / "net")
    save_file(state | {"num_batches_tracked": np.array(7)}, tmp_path / "net")
    with pytest.raises(tg.DataError, match="unexpected num_batches_tracked"):
        load_safetensors(net, tmp_path / "net")


def test_a_second_layer_of_a_recurrent_one_is_unexpected(tmp_path):
    save_safetensors(nn.GRU(4, 3, rng=0), tmp_path / "net")
    more = {name.replace("l0", "l1"): x for name, x in load_file(tmp_path / "net").items()}
    save_file(load_file(tmp_path / "net") | more, tmp_path / "net")
    with pytest.raises(tg.DataError, match=r"unexpected .*weight_hh_l1"):
        load_safetensors(nn.GRU(4, 3, rng=0), tmp_path / "net")


class Shared(nn.Module):
    """Attention in two places of a net, as a layer shared by two blocks."""

    def __init__(self):
        attention = nn.MultiHeadAttention(4, 2, rng=0)
        self.blocks = [{"first": attention}, {"second": attention}]


def test_shared_attention_is_read_from_one_of_its_names(tmp_path):
    net, other = Shared(), Shared()
    net.blocks[0]["first"].query.weight.data = random(4, 4)
    save_safetensors(net, tmp_path / "net")
    state = load_file(tmp_path / "net")
    assert {name.split(".")[2] for name in state} == {"first", "second"}
    save_file({name: x for name, x in state.items() if "first" in name}, tmp_path / "net")
    load_safetensors(other, tmp_path / "net")
    assert other.blocks[1]["second"] is other.blocks[0]["first"]
    np.testing.assert_array_equal(other.blocks[0]["first"].query.weight.numpy(), random(4, 4))


@pytest.mark.parametrize("layer", LAYERS)
def test_pytorch_has_that_layout_and_gives_the_same_output(tmp_path, layer):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    import safetensors.torch

    shapes, theirs, x = LAYERS[layer]
    net, other = made(layer), made(theirs or layer, torch.nn)
    state = {name: tuple(p.shape) for name, p in other.state_dict().items() if "num_batches" not in name}
    assert state == shapes

    def agree():
        given = torch.from_numpy(x)
        y = other(given, given, given) if "Attention" in layer else other(given)
        z = net(x)
        y, z = (y[0], z[0]) if isinstance(y, tuple) and isinstance(z, tuple) else (y, z)
        y = y[0] if isinstance(y, tuple) else y
        return np.allclose(z.numpy(), y.detach().numpy(), rtol=1e-4, atol=1e-5)

    for p in net.parameters():
        p.data = random(*p.shape)
    save_safetensors(net, tmp_path / "net")
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "net"))
    assert agree()
    for p in other.parameters():
        torch.nn.init.normal_(p)
    assert not agree()
    safetensors.torch.save_file(other.state_dict(), tmp_path / "net")
    load_safetensors(net, tmp_path / "net")
    assert agree()
    assert net.state_dict().keys() == made(layer).state_dict().keys()
