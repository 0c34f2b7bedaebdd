"""Embeddings, attention, transformers and recurrent layers."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.nn.against import assert_equal
from tinygrad_lite import nn

F = nn.functional
TOKENS = np.array([[0, 3, 3, 1], [4, 0, 2, 2]])


def random(*shape):
    return np.random.default_rng(shape).standard_normal(shape)


def test_an_embedding_looks_up_rows():
    layer = nn.Embedding(5, 3, rng=0)
    np.testing.assert_array_equal(layer(TOKENS).numpy(), layer.weight.numpy()[TOKENS])


def test_a_row_that_is_looked_up_twice_gets_the_sum_of_both_gradients():
    layer = nn.Embedding(5, 2, rng=0)
    layer(TOKENS).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [2, 1, 2, 2, 1])


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (np.array([[0, 5]]), "token 5 at index 0, 1 has no row in an embedding of 5, which are 0 to 4"),
        (np.array([-1]), "token -1 at index 0"),
        (np.array([0.0]), "tokens must be whole numbers, not float64"),
    ],
)
def test_a_token_without_a_row_is_named(tokens, words):
    layer = nn.Embedding(5, 3, rng=0)
    with pytest.raises((ValueError, TypeError), match=words):
        layer(tokens)


def test_a_program_checks_tokens_at_each_call():
    layer = nn.Embedding(5, 3, rng=0)
    lookup = tg.jit(lambda tokens: layer(tokens))
    np.testing.assert_array_equal(lookup(TOKENS).numpy(), layer(TOKENS).numpy())
    with pytest.raises(ValueError, match="a token has no row in an embedding of 5"):
        lookup(TOKENS + 1)


def test_weights_of_attention_are_those_of_the_formula():
    q, k = random(2, 3, 4), random(2, 5, 4)
    scores = np.exp(q @ k.mT / 2)
    np.testing.assert_allclose(F.attention_weights(q, k), scores / scores.sum(axis=-1, keepdims=True), rtol=1e-12)


def test_a_causal_position_sees_only_itself_and_earlier_ones():
    weights = F.attention_weights(random(1, 4, 3), random(1, 4, 3), is_causal=True)[0]
    assert (np.triu(weights, 1) == 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1)


def test_later_tokens_do_not_change_what_a_causal_block_says_of_earlier_ones():
    block = nn.TransformerBlock(8, 2, rng=0)
    x = random(1, 5, 8).astype("f")
    changed = x.copy()
    changed[:, 3:] += 1
    before, after = block(x, causal=True).numpy(), block(changed, causal=True).numpy()
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert not np.allclose(before[:, 3:], after[:, 3:])


@pytest.mark.parametrize("mask", [random(4, 4), np.tri(4, dtype=bool)], ids=["added", "boolean"])
def test_derivatives_of_attention_agree_with_differences(mask):
    def attend(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, mask)

    q, k, v = random(2, 4, 3), random(2, 4, 3), random(2, 4, 2)
    assert tg.gradcheck(attend, q, k, v)
    assert tg.gradcheck(attend, q, k, v, order=2)


MODULES = {
    "MultiHeadAttention": lambda: nn.MultiHeadAttention(6, 2, rng=0),
    "TransformerBlock": lambda: nn.TransformerBlock(6, 3, rng=0),
    "GRU": lambda: nn.GRU(6, 5, rng=0),
    "LSTM": lambda: nn.LSTM(6, 5, rng=0),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_can_be_differentiated_and_compiled(name):
    module = MODULES[name]().astype("float64")

    def forward(x):
        y = module(x)
        return y[0] if isinstance(y, tuple) else y

    x = random(2, 4, 6)
    assert tg.gradcheck(forward, x)

    def step(x):
        for p in module.parameters():
            p.grad = None
        loss = np.square(forward(x)).sum()
        loss.backward()
        return [loss, *(p.grad for p in module.parameters())]

    for a, b in zip(step(x), tg.jit(step)(x), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", [nn.GRU, nn.LSTM])
def test_a_layer_runs_its_cell_step_by_step(make):
    layer = make(3, 4, rng=0)
    x = random(2, 5, 3).astype("f")
    states, last = layer(x)
    state = layer.cell.start(x[:, 0])
    for t in range(5):
        state = layer.cell(x[:, t], state)
        h = state[0] if make is nn.LSTM else state
        np.testing.assert_allclose(states[:, t].numpy(), h.numpy(), rtol=1e-6)
    for a, b in zip(last, state, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_a_sequence_may_go_on_where_another_ended():
    layer = nn.LSTM(3, 4, rng=0)
    x = random(2, 6, 3).astype("f")
    whole, _ = layer(x)
    _, middle = layer(x[:, :4])
    rest, _ = layer(x[:, 4:], middle)
    np.testing.assert_allclose(whole[:, 4:].numpy(), rest.numpy(), rtol=1e-6)


MISTAKES = {
    "heads": (lambda: nn.MultiHeadAttention(6, 4), "6 features do not divide into 4 heads"),
    "no sequence": (lambda: nn.MultiHeadAttention(6, 2)(random(4, 6)), r"sequences of shape \(N, L, features\)"),
    "mask": (
        lambda: F.scaled_dot_product_attention(random(4, 3), random(4, 3), random(4, 3), np.ones((3, 4), bool)),
        r"a mask of shape \(3, 4\) does not broadcast to the scores \(4, 4\)",
    ),
    "features": (lambda: F.attention_weights(random(4, 3), random(4, 2)), "the last axes must be equal"),
    "inputs": (lambda: nn.GRU(3, 4)(random(2, 5, 2)), "have 2 features, but this layer is for 3"),
    "no step": (lambda: nn.GRU(3, 4)(random(2, 0, 3)), r"sequences of shape \(N, L, features\)"),
    "no units": (lambda: nn.LSTM(3, 0), "positive whole number of hidden_size"),
    "no rows": (lambda: nn.Embedding(0, 3), "positive whole number of num_embeddings"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_named(what):
    make, words = MISTAKES[what]
    with pytest.raises((ValueError, tg.ShapeError), match=words):
        make()


def test_attention_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.scaled_dot_product_attention
    q, k, v = random(2, 3, 5, 4), random(2, 3, 7, 4), random(2, 3, 7, 6)
    mask = np.random.default_rng(0).random((5, 7)) < 0.7
    mask[:, 0] = True
    assert_equal(
        lambda *a: F.scaled_dot_product_attention(*a, mask), lambda *a: theirs(*a, torch.tensor(mask)), q, k, v
    )
    assert_equal(
        lambda *a: F.scaled_dot_product_attention(*a, is_causal=True), lambda *a: theirs(*a, is_causal=True), q, q, q
    )


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_recurrent_layers_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(3, 5, batch_first=True).double()
    ours = getattr(nn, name)(3, 5, rng=0).astype("float64")
    state = {n: p.detach().numpy() for n, p in theirs.named_parameters()}
    for of_ours, of_theirs in {"weight_input": "weight_ih_l0", "weight_hidden": "weight_hh_l0"}.items():
        getattr(ours.cell, of_ours).data = state[of_theirs].T
    for of_ours, of_theirs in {"bias_input": "bias_ih_l0", "bias_hidden": "bias_hh_l0"}.items():
        getattr(ours.cell, of_ours).data = state[of_theirs]
    assert_equal(lambda x: ours(x)[0], lambda x: theirs(x)[0], random(2, 6, 3))
