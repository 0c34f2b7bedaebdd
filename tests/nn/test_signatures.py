"""Arguments have the order and defaults of PyTorch's layers of that name, and weights start as theirs do."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from tinygrad_lite import nn, optim

F = nn.functional
CONVOLUTION = "in_channels out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True"
BATCH_NORM = "num_features eps=1e-05 momentum=0.1 affine=True track_running_stats=True"
ADAM = "params lr=0.001 betas=(0.9,0.999) eps=1e-08 weight_decay="
CONV = "x weight bias=None stride=1 padding=0 dilation=1 groups=1"
# The arguments of PyTorch 2.13 by position, without those that no layer here has after them.
SIGNATURES = {
    nn.Linear: "in_features out_features bias=True",
    nn.Conv1d: CONVOLUTION,
    nn.Conv2d: CONVOLUTION,
    nn.ConvTranspose2d: "in_channels out_channels kernel_size stride=1 padding=0 output_padding=0 groups=1 bias=True "
    "dilation=1",
    nn.MaxPool2d: "kernel_size stride=None padding=0",
    nn.AvgPool2d: "kernel_size stride=None padding=0",
    nn.AdaptiveAvgPool2d: "output_size",
    nn.AdaptiveMaxPool2d: "output_size",
    nn.BatchNorm1d: BATCH_NORM,
    nn.BatchNorm2d: BATCH_NORM,
    nn.LayerNorm: "normalized_shape eps=1e-05 elementwise_affine=True bias=True",
    nn.RMSNorm: "normalized_shape eps=None elementwise_affine=True",
    nn.GroupNorm: "num_groups num_channels eps=1e-05 affine=True",
    nn.Embedding: "num_embeddings embedding_dim",
    nn.MultiHeadAttention: "embed_dim num_heads dropout=0.0 bias=True",
    nn.GRUCell: "input_size hidden_size bias=True",
    nn.LSTMCell: "input_size hidden_size bias=True",
    nn.Dropout: "p=0.5",
    nn.Dropout2d: "p=0.5",
    nn.GELU: "approximate='none'",
    nn.LeakyReLU: "negative_slope=0.01",
    nn.ELU: "alpha=1.0",
    F.linear: "x weight bias=None",
    F.conv1d: CONV,
    F.conv2d: CONV,
    F.conv_transpose2d: "x weight bias=None stride=1 padding=0 output_padding=0 groups=1 dilation=1",
    F.max_pool2d: "x kernel_size stride=None padding=0",
    F.avg_pool2d: "x kernel_size stride=None padding=0",
    F.layer_norm: "x normalized_shape weight=None bias=None eps=1e-05",
    F.rms_norm: "x normalized_shape weight=None eps=None",
    F.group_norm: "x num_groups weight=None bias=None eps=1e-05",
    F.batch_norm: "x running_mean running_var weight=None bias=None training=False",
    F.embedding: "tokens weight",
    F.gelu: "x approximate='none'",
    F.leaky_relu: "x negative_slope=0.01",
    F.elu: "x alpha=1.0",
    optim.Adam: f"{ADAM}0",
    optim.AdamW: f"{ADAM}0.01",
    optim.RMSprop: "params lr=0.01 alpha=0.99 eps=1e-08 weight_decay=0 momentum=0",
}


@pytest.mark.parametrize("of", SIGNATURES, ids=lambda of: of.__name__)
def test_arguments_have_the_order_and_defaults_of_pytorch(of):
    arguments = inspect.signature(of).parameters.values()
    by_position = [x for x in arguments if x.kind is x.POSITIONAL_OR_KEYWORD]
    assert " ".join(str(x.replace(annotation=x.empty)).replace(" ", "") for x in by_position) == SIGNATURES[of]


GLOROT = math.sqrt(6 / (64 + 96))
# The largest number that a weight and a bias may start with; they are drawn uniformly.
LIMITS = {
    "Linear(64, 96)": {"weight": GLOROT, "bias": 0},
    "Conv1d(64, 96, 3)": dict.fromkeys(("weight", "bias"), 1 / math.sqrt(64 * 3)),
    "Conv2d(64, 96, 3, groups=4)": dict.fromkeys(("weight", "bias"), 1 / math.sqrt(16 * 9)),
    "ConvTranspose2d(64, 96, 3, groups=4)": dict.fromkeys(("weight", "bias"), 1 / math.sqrt(24 * 9)),
    "GRUCell(64, 96)": dict.fromkeys(("weight_input", "weight_hidden", "bias_input", "bias_hidden"), 1 / math.sqrt(96)),
    "LSTMCell(64, 96)": dict.fromkeys(
        ("weight_input", "weight_hidden", "bias_input", "bias_hidden"), 1 / math.sqrt(96)
    ),
}


@pytest.mark.parametrize("layer", LIMITS)
def test_weights_are_drawn_uniformly_up_to_the_limit_of_pytorch_or_of_glorot(layer):
    state = eval(f"nn.{layer[:-1]}, rng=0)").state_dict()
    for name, limit in LIMITS[layer].items():
        assert np.abs(state[name]).max() <= limit
        assert np.square(state[name]).mean() == pytest.approx(limit**2 / 3, rel=0.3)


def test_embeddings_start_normal_and_norms_as_the_identity():
    assert nn.Embedding(1000, 8, rng=0).weight.numpy().std() == pytest.approx(1, rel=0.05)
    for layer in (nn.LayerNorm(4), nn.GroupNorm(2, 4), nn.BatchNorm2d(4), nn.RMSNorm(4)):
        state = layer.state_dict()
        assert (state["weight"] == 1).all()
        assert not any(state[name].any() for name in ("bias", "running_mean") if name in state)
        assert np.all(state.get("running_var", 1) == 1)
