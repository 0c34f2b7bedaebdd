"""Embeddings and attention: the layers of language models.

A language model reads a sequence of tokens, which are whole numbers. An `Embedding` looks up a vector for each.
Attention then lets each position take a weighted mean of the vectors at other positions, with weights that depend on
both.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> tokens = np.array([[0, 2, 1]])
>>> x = tg.nn.Embedding(3, 8, rng=0)(tokens)
>>> tg.nn.TransformerBlock(8, 2, rng=1)(x, causal=True).shape
(1, 3, 8)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import get_default_dtype
from ..errors import ShapeError
from ..support.randomness import Rng, generator_for
from ..tensor import Tensor
from .activations import GELU
from .functional.attention import attention_weights, embedding
from .layers import Dropout, Linear, Sequential
from .module import Module
from .norms import LayerNorm


class Embedding(Module):
    """A table of vectors, one for each token: `functional.embedding` with rows that are learnt.

    Parameters
    ----------
    num_embeddings : int
        The number of tokens.
    embedding_dim : int
        The length of a vector.
    rng : numpy.random.Generator or int, optional
        Draws the rows from a standard normal distribution, as in PyTorch.

    Attributes
    ----------
    weight : Tensor of shape (num_embeddings, embedding_dim)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, rng: Rng = None) -> None:
        for name, value in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"Embedding needs a positive whole number of {name}, not {value!r}")
        drawn = generator_for(rng).standard_normal((num_embeddings, embedding_dim)).astype(get_default_dtype())
        self.weight = Tensor(drawn, requires_grad=True, name="weight")

    def forward(self, tokens: Any) -> Any:
        """Map tokens of any shape to vectors of shape (*tokens.shape, embedding_dim)."""
        return embedding(tokens, self.weight)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"Embedding({self.weight.shape[0]}, {self.weight.shape[1]})"


class MultiHeadAttention(Module):
    """Attention of several heads: each looks at the sequence through projections of its own.

    Source: A. Vaswani and others, "Attention is all you need", 2017, section 3.2.2.

    Parameters
    ----------
    embed_dim : int
        The number of features of a position, a multiple of ``num_heads``.
    num_heads : int
        The number of heads, of embed_dim / num_heads features each.
    bias : bool
        Whether the four projections have a bias.
    dropout : float
        The probability that a weight of attention is set to 0 in training.
    rng : numpy.random.Generator or int, optional
        Draws the weights.

    Attributes
    ----------
    query, key, value, output : Linear
        The projections.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0, *, rng: Rng = None
    ) -> None:
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiHeadAttention: {embed_dim} features do not divide into {num_heads} heads")
        rng = generator_for(rng)
        self.num_heads = num_heads
        self.query = Linear(embed_dim, embed_dim, bias, rng=rng)
        self.key = Linear(embed_dim, embed_dim, bias, rng=rng)
        self.value = Linear(embed_dim, embed_dim, bias, rng=rng)
        self.output = Linear(embed_dim, embed_dim, bias, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x: Any, context: Any = None, mask: Any = None, causal: bool = False) -> Any:
        """Map sequences of shape (N, L, embed_dim) to the same shape.

        Parameters
        ----------
        x : Tensor or array of shape (N, L, embed_dim)
        context : Tensor or array of shape (N, positions, embed_dim), optional
            What to look at; by default the sequences themselves.
        mask : array that broadcasts to (N, heads, L, positions), optional
            As ``attn_mask`` of `functional.scaled_dot_product_attention`.
        causal : bool
            Whether each position may only look at itself and at earlier ones.
        """
        weights = self.weights(x, context, mask, causal)
        mixed = self.dropout(weights) @ self._heads(self.value(x if context is None else context))
        n, heads, length, features = mixed.shape
        return self.output(mixed.transpose((0, 2, 1, 3)).reshape((n, length, heads * features)))

    def weights(self, x: Any, context: Any = None, mask: Any = None, causal: bool = False) -> Any:
        """Return how much each position looks at each, of shape (N, heads, L, positions): to draw as a picture."""
        if len(np.shape(x)) != 3:
            raise ShapeError(f"attention needs sequences of shape (N, L, features), not {np.shape(x)}")
        looked_at = x if context is None else context
        return attention_weights(self._heads(self.query(x)), self._heads(self.key(looked_at)), mask, causal)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"MultiHeadAttention({self.query.weight.shape[0]}, {self.num_heads})"

    def _heads(self, x: Any) -> Any:
        """Split the features into heads: (N, L, features) to (N, heads, L, features of a head)."""
        n, length, features = x.shape
        return x.reshape((n, length, self.num_heads, features // self.num_heads)).transpose((0, 2, 1, 3))


class TransformerBlock(Module):
    """Attention, then a small net at each position; both are added to their input, which is normalised first.

    Source: A. Radford and others, "Language models are unsupervised multitask learners", 2019, for the order.

    Parameters
    ----------
    embed_dim, num_heads
        As for `MultiHeadAttention`.
    hidden : int, optional
        The units of the small net; by default 4 · embed_dim.
    dropout : float
        The probability that an element of either result is set to 0 in training.
    rng : numpy.random.Generator or int, optional
        Draws the weights.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, hidden: int | None = None, dropout: float = 0.0, *, rng: Rng = None
    ) -> None:
        rng = generator_for(rng)
        hidden = 4 * embed_dim if hidden is None else hidden
        self.norm1 = LayerNorm(embed_dim)
        self.attention = MultiHeadAttention(embed_dim, num_heads, rng=rng)
        self.norm2 = LayerNorm(embed_dim)
        self.net = Sequential(Linear(embed_dim, hidden, rng=rng), GELU(), Linear(hidden, embed_dim, rng=rng))
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x: Any, mask: Any = None, causal: bool = False) -> Any:
        """Map sequences of shape (N, L, embed_dim) to the same shape."""
        x = x + self.dropout(self.attention(self.norm1(x), mask=mask, causal=causal))
        return x + self.dropout(self.net(self.norm2(x)))
