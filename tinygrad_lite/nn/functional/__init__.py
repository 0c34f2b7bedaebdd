"""Layers, activations, losses and metrics as functions of Tensors or arrays.

A layer object such as `tinygrad_lite.nn.ReLU` has a place in a `Sequential`; these functions serve in a `forward`.
If all operands are arrays, the result is one, too, though the annotations, which are for training, say Tensor.
"""

from ...support.names import answer_for_missing
from .activations import elu, gelu, leaky_relu, linear, log_softmax, relu, sigmoid, silu, softmax, softplus, tanh
from .attention import attention_weights, embedding, scaled_dot_product_attention
from .convolution import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    conv1d,
    conv2d,
    conv_transpose2d,
    max_pool2d,
)
from .losses import (
    accuracy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    nll_loss,
    one_hot,
    squared_loss,
)
from .norms import batch_norm, group_norm, layer_norm, rms_norm

__all__ = [
    "accuracy",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "attention_weights",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "elu",
    "embedding",
    "gelu",
    "group_norm",
    "huber_loss",
    "kl_div",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "nll_loss",
    "one_hot",
    "relu",
    "rms_norm",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "squared_loss",
    "tanh",
]

answer_for_missing(__name__)
