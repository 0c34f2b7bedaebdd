"""Mistakes in every argument of every layer, function, optimizer and schedule: each is refused in one sentence.

A refusal is raised on purpose, by a line of this library, and names who refuses. Values that are no mistake pass.
"""

from __future__ import annotations

import inspect
import re
import traceback
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import nn, optim
from tinygrad_lite.optim import schedule

F = nn.functional
PACKAGE = str(Path(tg.__file__).parent)

NOT_NUMBERS = [None, "3", [], [1, "a"], (1, 2, 3), {}, object(), np.ones(2), True]
NO_SIZE = [*NOT_NUMBERS, 0, -1, 2.5, float("nan")]
NO_SIZES = [x for x in NO_SIZE if not isinstance(x, np.ndarray)]  # one number or one for each axis
NO_FLAG = [None, "no", 0.5, 2, np.ones(2), object()]
NO_WORD = [None, "fast", 1, np.ones(2), ["mean"]]
NOT_NEGATIVE = [*NOT_NUMBERS, -1, float("nan")]
NOT_POSITIVE = [*NOT_NEGATIVE, 0]
NOT_BELOW_ONE = [*NOT_NEGATIVE, 1, 2.5]
NO_NUMBER = [*NOT_NUMBERS, float("nan")]
NO_SEED = [x for x in NO_SIZE if x is not None and not (isinstance(x, int) and x == 0)] + [True]
NO_ARRAY = [None, "abc", ["a"], [[1, 2], [3]], {}, object(), np.array([None])]
NO_OPTIONAL_ARRAY = NO_ARRAY[1:]
NO_LABELS = [*NO_ARRAY, np.array([0.0, 1.0]), np.array([True, False]), np.array([0, 9]), np.array([-1, 0])]

# What cannot be the value of an argument, by the name of the argument.
WRONG = {
    **dict.fromkeys(("in_features", "out_features", "in_channels", "out_channels", "num_features", "hidden"), NO_SIZE),
    **dict.fromkeys(("num_groups", "num_channels", "num_embeddings", "embedding_dim", "embed_dim"), NO_SIZE),
    **dict.fromkeys(("num_heads", "input_size", "hidden_size", "groups", "classes", "steps", "every"), NO_SIZE),
    **dict.fromkeys(("kernel_size", "stride", "dilation", "output_size"), NO_SIZES),
    **dict.fromkeys(("padding", "output_padding"), [x for x in NO_SIZES if x is True or x != 0] + ["full"]),
    **dict.fromkeys(("bias", "affine", "elementwise_affine", "track_running_stats", "nesterov"), NO_FLAG),
    **dict.fromkeys(("training", "is_causal", "log_target"), NO_FLAG),
    **dict.fromkeys(("approximate", "reduction"), NO_WORD),
    **dict.fromkeys(("eps", "lr", "weight_decay", "final", "factor"), NOT_NEGATIVE),
    **dict.fromkeys(("alpha of RMSprop", "p", "dropout", "decay"), NOT_BELOW_ONE),
    **dict.fromkeys(("momentum", "label_smoothing"), NOT_NEGATIVE),
    **dict.fromkeys(("negative_slope", "alpha", "scale"), NO_NUMBER),
    **dict.fromkeys(("delta", "start", "end", "max_norm", "clip_value"), NOT_POSITIVE),
    "normalized_shape": [x for x in NO_SIZES if x != (1, 2, 3)] + [(4, 0), (4, "a")],
    "peak": [*NOT_NEGATIVE, 0, 1],
    "axis": [*NOT_NUMBERS, 2.5],
    "betas": [*NOT_NUMBERS, 0.9, (0.9, 1.0), (-0.1, 0.9), (True, 0.9), (0.9,)],
    **dict.fromkeys(("i", "eps of rms_norm"), NOT_NEGATIVE),
    "warmup": [x for x in NO_SIZE if x is True or isinstance(x, np.ndarray) or x != 0] + [10],
    "after": [0.1, "cosine"],
    "ignore_index": [x for x in NO_SIZE[1:] if x is True or not isinstance(x, int)],
    "rng": NO_SEED,
    "initialiser": [None, "zeros", 0.1, lambda shape, rng: np.zeros(3)],
    "module": [None, "relu", 3],
    "params": [None, "p", 3, [], [1.0], [None], np.ones(2), tg.Tensor([1.0], requires_grad=True)],
    "groups of Groups": [None, "p", 3, [], [1.0], np.ones(2)],
    "model": [None, "net", 3, []],
    "layers": [None, "relu", 3, [nn.ReLU()]],
    **dict.fromkeys(("labels", "tokens"), NO_LABELS),
    **dict.fromkeys(("x", "p of a loss", "y", "logits", "log_p", "query", "key", "value"), NO_ARRAY),
    **dict.fromkeys(("weight", "running_mean", "running_var"), NO_ARRAY),
    **dict.fromkeys(("bias of a function", "weight of classes", "pos_weight", "attn_mask"), NO_OPTIONAL_ARRAY),
}
OPTIONAL = {"stride", "scale", "hidden", "ignore_index", "after", "eps of rms_norm"}
NORMS = ("layer_norm", "rms_norm", "group_norm", "batch_norm")
# What an argument means in one place, where it means something else in most.
MEANING = {
    ("RMSprop", "alpha"): "alpha of RMSprop",
    ("Groups", "groups"): "groups of Groups",
    **{(name, "eps"): "eps of rms_norm" for name in ("RMSNorm", "rms_norm")},
    **{(name, "p"): "p of a loss" for name in ("squared_loss", "accuracy", "huber_loss")},
    **{(name, "bias"): "bias of a function" for name in vars(F) if name.islower()},
    **{
        (name, "weight"): "weight of classes"
        for name in ("cross_entropy", "nll_loss", "binary_cross_entropy_with_logits", *NORMS)
    },
}


def random(*shape):
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


X, SEQUENCES, IMAGES, LABELS = random(2, 4), random(2, 5, 4), random(2, 4, 6, 6), np.array([0, 1])
CONVOLUTION = {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "stride": 1, "padding": 0, "dilation": 1}
CONVOLUTION |= {"groups": 1, "bias": True, "rng": 0, "initialiser": nn.init.fan_in_uniform}
POOL = {"kernel_size": 2, "stride": None, "padding": 0}
BATCH_NORM = {"num_features": 4, "eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
RECURRENT = {"input_size": 4, "hidden_size": 3, "bias": True, "rng": 0}
# Arguments of each layer, and an input.
LAYERS = {
    "Linear": (
        {"in_features": 4, "out_features": 3, "bias": True, "rng": 0, "initialiser": nn.init.he_normal},
        X,
    ),
    "Conv2d": (CONVOLUTION, IMAGES),
    "Conv1d": (CONVOLUTION, SEQUENCES.mT),
    "ConvTranspose2d": (CONVOLUTION | {"output_padding": 0}, IMAGES),
    **dict.fromkeys(("MaxPool2d", "AvgPool2d"), (POOL, IMAGES)),
    **dict.fromkeys(("AdaptiveAvgPool2d", "AdaptiveMaxPool2d"), ({"output_size": 2}, IMAGES)),
    "BatchNorm1d": (BATCH_NORM, X),
    "BatchNorm2d": (BATCH_NORM, IMAGES),
    "LayerNorm": ({"normalized_shape": 4, "eps": 1e-5, "elementwise_affine": True, "bias": True}, X),
    "RMSNorm": ({"normalized_shape": 4, "eps": 1e-5, "elementwise_affine": True}, X),
    "GroupNorm": ({"num_groups": 2, "num_channels": 4, "eps": 1e-5, "affine": True}, X),
    "Embedding": ({"num_embeddings": 5, "embedding_dim": 3, "rng": 0}, LABELS),
    "MultiHeadAttention": ({"embed_dim": 4, "num_heads": 2, "dropout": 0.0, "bias": True, "rng": 0}, SEQUENCES),
    "TransformerBlock": ({"embed_dim": 4, "num_heads": 2, "hidden": 8, "dropout": 0.0, "rng": 0}, SEQUENCES),
    **dict.fromkeys(("GRU", "LSTM"), (RECURRENT, SEQUENCES)),
    **dict.fromkeys(("GRUCell", "LSTMCell"), (RECURRENT, X)),
    "Dropout": ({"p": 0.5, "rng": 0}, X),
    "Dropout2d": ({"p": 0.5, "rng": 0}, IMAGES),
    **dict.fromkeys(("Softmax", "LogSoftmax"), ({"axis": -1}, X)),
    "GELU": ({"approximate": "none"}, X),
    "LeakyReLU": ({"negative_slope": 0.1}, X),
    "ELU": ({"alpha": 1.0}, X),
    "Residual": ({"module": nn.ReLU()}, X),
    **dict.fromkeys(("ReLU", "Sigmoid", "Tanh", "SiLU", "Softplus", "Flatten"), ({}, X)),
}
OTHER_MODULES = {"Module", "Sequential", "Identity"}  # Sequential has tests of its own; all inputs suit Identity
HOW = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
FUNCTIONS = {
    "linear": {"x": X, "weight": random(4, 3), "bias": random(3)},
    **{key: {"x": X} for key in ("relu", "sigmoid", "tanh", "silu", "softplus")},
    **{key: {"x": X, "axis": -1} for key in ("softmax", "log_softmax")},
    "gelu": {"x": X, "approximate": "none"},
    "leaky_relu": {"x": X, "negative_slope": 0.1},
    "elu": {"x": X, "alpha": 1.0},
    "conv2d": {"x": IMAGES, "weight": random(2, 4, 3, 3), "bias": random(2), **HOW},
    "conv1d": {"x": SEQUENCES.mT, "weight": random(2, 4, 3), "bias": random(2), **HOW},
    "conv_transpose2d": {"x": IMAGES, "weight": random(4, 2, 3, 3), "bias": random(2), "output_padding": 0, **HOW},
    **{key: {"x": IMAGES, **POOL} for key in ("max_pool2d", "avg_pool2d")},
    **{key: {"x": IMAGES, "output_size": 2} for key in ("adaptive_avg_pool2d", "adaptive_max_pool2d")},
    "layer_norm": {"x": X, "normalized_shape": 4, "weight": random(4), "bias": random(4), "eps": 1e-5},
    "rms_norm": {"x": X, "normalized_shape": 4, "weight": random(4), "eps": 1e-5},
    "group_norm": {"x": X, "num_groups": 2, "weight": random(4), "bias": random(4), "eps": 1e-5},
    "batch_norm": {
        **{"x": X, "running_mean": random(4), "running_var": np.ones(4, np.float32)},
        **{"weight": random(4), "bias": random(4), "training": False, "eps": 1e-5},
    },
    "embedding": {"tokens": LABELS, "weight": random(5, 3)},
    "scaled_dot_product_attention": {
        **{"query": SEQUENCES, "key": SEQUENCES, "value": SEQUENCES},
        **{"attn_mask": np.tri(5, dtype=bool), "is_causal": False, "scale": 0.5},
    },
    "attention_weights": {"query": X, "key": X, "attn_mask": np.tri(2, dtype=bool), "is_causal": False, "scale": 0.5},
    "squared_loss": {"p": X, "y": X},
    "cross_entropy": {
        **{"logits": X, "y": LABELS, "weight": random(4), "ignore_index": -1},
        **{"reduction": "mean", "label_smoothing": 0.1},
    },
    "one_hot": {"labels": LABELS, "classes": 4},
    "accuracy": {"p": X, "labels": LABELS},
    "binary_cross_entropy_with_logits": {
        **{"logits": X, "y": np.ones((2, 4), np.float32), "weight": random(4), "pos_weight": random(4)},
        "reduction": "mean",
    },
    "huber_loss": {"p": X, "y": X, "delta": 1.0, "reduction": "mean"},
    "kl_div": {"log_p": X, "y": np.square(X), "reduction": "mean", "log_target": False},
    "nll_loss": {"log_p": X, "labels": LABELS, "weight": random(4), "ignore_index": 3, "reduction": "mean"},
}
SHORT = {"scaled_dot_product_attention": "attention", "attention_weights": "attention"}  # what the messages say


def parameters():
    p = tg.Tensor(np.ones(2, np.float32), requires_grad=True)
    p.grad = tg.Tensor(np.ones(2, np.float32))
    return [p]


OPTIMIZERS = {
    "SGD": {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "nesterov": False},
    **{key: {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-08, "weight_decay": 0.1} for key in ("Adam", "AdamW")},
    "RMSprop": {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.1, "momentum": 0.5},
    "Adagrad": {"lr": 0.1, "eps": 1e-8, "weight_decay": 0.1},
    "Lion": {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.1},
    "EMA": {"model": nn.Linear(2, 2, rng=0), "decay": 0.9},
    "Groups": {"groups": [optim.SGD(parameters(), 0.1)]},
    "clip_grad_norm": {"max_norm": 1.0},
    "clip_grad_value": {"clip_value": 1.0},
}
SCHEDULES = {
    "warmup": {"lr": 0.1, "steps": 10, "after": None},
    "cosine": {"lr": 0.1, "steps": 10, "final": 0.01, "warmup": 2},
    "step": {"lr": 0.1, "every": 3, "factor": 0.1},
    "one_cycle": {"lr": 0.1, "steps": 10, "peak": 0.3, "start": 25.0, "end": 1e4},
}


def refusal(call):
    """Return the message of a call that is refused; complain if it is not, or by accident."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    message = str(caught.value)
    assert last.filename.startswith(PACKAGE), f"{last.filename}: {message}"
    assert last.line.lstrip().startswith("raise"), f"by accident at {last.line}: {message}"
    assert "\n" not in message, message
    return message


def mistakes(name, arguments):
    """Yield all arguments of a call, one of them wrong, and its name."""
    for argument in arguments:
        meaning = MEANING.get((name, argument), argument)
        for wrong in WRONG[meaning]:
            if wrong is not None or meaning not in OPTIONAL:
                yield argument, {**arguments, argument: wrong}


def refused(name, arguments, function):
    """Check each mistake; return the messages."""
    messages = []
    for argument, mistaken in mistakes(name, arguments):
        try:
            messages.append(refusal(lambda mistaken=mistaken: function(**mistaken)))
        except (AssertionError, pytest.fail.Exception) as error:
            raise AssertionError(f"{name}({argument}={mistaken[argument]!r}): {error}") from None
    return messages


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_refuses_wrong_arguments(name):
    arguments, x = LAYERS[name]
    make = getattr(nn, name)
    make(**arguments)(x)
    for message in refused(name, arguments, make):
        assert name in message or "generator" in message or "seed" in message, message


INSIDE = {"TransformerBlock": ("norm1", nn.LayerNorm(4)), "Residual": ("module", nn.ReLU())}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_refuses_wrong_inputs_and_is_named_by_its_path(name):
    arguments, _ = LAYERS[name]
    layer = getattr(nn, name)(**arguments)
    inner, refusing = INSIDE.get(name, ("", layer))
    path, described = f".{inner}" * bool(inner), refusing.describe()
    net = nn.Sequential({"first": nn.Identity(), "rest": nn.Sequential(layer)})
    for x in NO_LABELS[1:] if name == "Embedding" else NO_ARRAY[1:]:
        assert re.search(rf"\(in (layer '{inner}', )?{re.escape(described)}\)$", refusal(lambda x=x: layer(x)))
        assert refusal(lambda x=x: net(x)).endswith(f"(in layer 'rest.0{path}', {described})")


SHAPES = [(), (1,), (3,), (2, 3), (2, 0), (0, 3), (2, 3, 3), (2, 3, 3, 3), (1, 1, 1, 1, 3)]
SUIT_ALL = {"Residual", "ReLU", "Sigmoid", "Tanh", "SiLU", "Softplus", "Softmax", "LogSoftmax", "GELU", "ELU"}
SUIT_ALL |= {"LeakyReLU", "Dropout", "Flatten", "Embedding", "Dropout2d", "MaxPool2d", "AvgPool2d"}


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in SUIT_ALL])
def test_a_layer_refuses_inputs_of_other_shapes(name):
    arguments, _ = LAYERS[name]
    layer = getattr(nn, name)(**arguments)
    for shape in SHAPES:
        message = refusal(lambda shape=shape: layer(np.zeros(shape, np.float32)))
        assert str(shape) in message or "images of size (3, 3)" in message, message


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_refuses_wrong_arguments(name):
    arguments, function = FUNCTIONS[name], getattr(F, name)
    function(**arguments)
    for message in refused(name, arguments, function):
        assert SHORT.get(name, name) in message or message.startswith(("label", "token", "attn_mask")), message


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_refuses_wrong_arguments(name):
    arguments, make = OPTIMIZERS[name], getattr(optim, name)
    takes_parameters = name not in ("EMA", "Groups")

    def step(**given):
        given = {"params": parameters(), **given} if takes_parameters else given
        made = make(**given)
        if isinstance(made, optim.Optimizer) and name != "Groups":
            made.step()

    step(**arguments)
    refused(name, arguments, step)
    if takes_parameters:
        refused(name, {"params": parameters()}, lambda params: step(**arguments, params=params))


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_refuses_wrong_arguments_and_steps(name):
    arguments, make = SCHEDULES[name], getattr(schedule, name)
    for message in refused(name, arguments, make):
        assert message.startswith(f"{name}: "), message
    rate = make(**arguments)
    refused("a schedule", {"i": 0}, lambda i: rate(i))
    assert all(rate(i) == rate(10**6) for i in (11, 12, 1000)) or name == "step"


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "fan_in_uniform"])
def test_an_initialiser_refuses_what_is_no_shape(name):
    for shape in (None, 3, "ab", (), (3,), (3, 0), (3, -1), (3, 2.5), (3, "a"), np.ones(2)):
        refusal(lambda shape=shape: getattr(nn.init, name)(shape, 0))


def test_every_layer_function_and_argument_is_in_the_tables():
    layers = {name for name, x in vars(nn).items() if isinstance(x, type) and issubclass(x, nn.Module)}
    assert layers - OTHER_MODULES == set(LAYERS)
    assert set(F.__all__) == set(FUNCTIONS)
    assert set(optim.__all__) - {"BETAS", "EPS", "LR", "Optimizer", "schedule"} == set(OPTIMIZERS)
    schedules = {name for name, x in vars(schedule).items() if inspect.isfunction(x) and name[0] != "_"}
    assert schedules - {"answer_for_missing", "expect_number", "expect_whole", "wraps"} == set(SCHEDULES)
    tables = {nn: {name: known for name, (known, _) in LAYERS.items()}, F: FUNCTIONS, optim: OPTIMIZERS}
    for owner, table in {**tables, schedule: SCHEDULES}.items():
        for name, known in table.items():
            takes = set(inspect.signature(getattr(owner, name)).parameters) - {"args", "kwargs", "options", "unknown"}
            assert takes - {"params"} <= known.keys(), name


STATES = {
    "GRU": [np.zeros(3), np.zeros((2, 4)), (np.zeros((2, 3)),) * 2],
    "LSTM": [np.zeros((2, 3)), (np.zeros((2, 3)),), (np.zeros((2, 3)), np.zeros((2, 4))), "hc"],
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("cell", ["", "Cell"])
def test_a_recurrent_layer_refuses_a_state_of_another_shape(name, cell):
    layer = getattr(nn, name + cell)(4, 3, rng=0)
    for state in STATES[name]:
        message = refusal(lambda state=state: layer(X if cell else SEQUENCES, state))
        assert f"{name}Cell: the state before these inputs must be" in message
        assert "of shape (2, 3)" in message
    for state in ("h", [[1, 2], [3]], object()):
        assert f"(in {layer.describe()})" in refusal(lambda state=state: layer(X if cell else SEQUENCES, state))


def test_attention_refuses_a_context_that_does_not_fit():
    layer = nn.MultiHeadAttention(4, 2, rng=0)
    assert "2 sequences looks at a context of as many, not of 3" in refusal(lambda: layer(SEQUENCES, random(3, 5, 4)))
    assert "(N, L, features), not (5, 4)" in refusal(lambda: layer(SEQUENCES, random(5, 4)))
    assert "a mask of shape (5, 4)" in refusal(lambda: layer(SEQUENCES, mask=np.ones((5, 4), bool)))


def test_a_learnt_number_is_an_option_too():
    slope = tg.Tensor(0.2, requires_grad=True)
    F.leaky_relu(-X, slope).sum().backward()
    assert slope.grad.item() == pytest.approx(np.minimum(-X, 0).sum(), rel=1e-5)
    step = tg.jit(lambda x, eps: F.layer_norm(x, 4, eps=eps))
    for eps in (np.float32(1e-5), np.float32(1e-3)):
        np.testing.assert_allclose(step(X, eps), F.layer_norm(X, 4, eps=eps), rtol=1e-5)
    assert len(step.programs) == 1
    with pytest.raises(ValueError, match="layer_norm: eps must be a number of at least 0"):
        step(X, np.float32(-1))
