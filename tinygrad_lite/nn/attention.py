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

from ..arrays import ArrayLike, get_default_dtype
from ..errors import ShapeError
from ..support.randomness import Rng, generator_for
from ..tensor import Tensor
from .activations import GELU
from .functional.attention import attention_weights, embedding
from .functional.checks import BELOW_ONE, expect_flags, expect_number, expect_sizes, operand
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
        Row number i is the vector of token i.

    Examples
    --------
    >>> table = tg.nn.Embedding(3, 2, rng=0)
    >>> table.weight.data[...] = [[0, 0], [1, 2], [3, 4]]
    >>> table(np.array([2, 0, 2]))
    Tensor([[3., 4.],
            [0., 0.],
            [3., 4.]], dtype=float32, requires_grad=True, from=getitem)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, rng: Rng = None) -> None:
        expect_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        drawn = generator_for(rng).standard_normal((num_embeddings, embedding_dim)).astype(get_default_dtype())
        self.weight = Tensor(drawn, requires_grad=True, name="weight")

    def forward(self, tokens: ArrayLike) -> Tensor:
        """Map tokens of any shape to vectors of shape (*tokens.shape, embedding_dim)."""
        return embedding(tokens, self.weight)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"Embedding({self.weight.shape[0]}, {self.weight.shape[1]})"


class MultiHeadAttention(Module):
    """Attention of several heads: each looks at the sequence through projections of its own.

    Source: A. Vaswani and others, "Attention is all you need", 2017, section 3.2.2.

    PyTorch's ``MultiheadAttention`` computes the same with ``batch_first=True``, but its boolean masks are True where a
    position may *not* look; here, as in all of `functional`, they are True where it may. Each projection is a `Linear`,
    and starts as one; PyTorch's start a third smaller.

    Parameters
    ----------
    embed_dim : int
        The number of features of a position, a multiple of ``num_heads``.
    num_heads : int
        The number of heads, of embed_dim / num_heads features each.
    dropout : float
        The probability that a weight of attention is set to 0 in training.
    bias : bool
        Whether the four projections have a bias.
    rng : numpy.random.Generator or int, optional
        Draws the weights.

    Attributes
    ----------
    query, key, value, output : Linear
        The projections.

    Examples
    --------
    >>> attention = tg.nn.MultiHeadAttention(embed_dim=8, num_heads=2, rng=0)
    >>> x = np.random.default_rng(1).normal(size=(5, 3, 8))
    >>> attention(x, causal=True).shape
    (5, 3, 8)
    >>> attention.weights(x, causal=True)[0, 0, 0].tolist()  # the first position sees only itself
    [1.0, 0.0, 0.0]
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, *, rng: Rng = None
    ) -> None:
        expect_sizes("MultiHeadAttention", embed_dim=embed_dim, num_heads=num_heads)
        expect_number("MultiHeadAttention", "dropout", dropout, BELOW_ONE)
        expect_flags("MultiHeadAttention", bias=bias)
        if embed_dim % num_heads:
            raise ValueError(f"MultiHeadAttention: {embed_dim} features do not divide into {num_heads} heads")
        rng = generator_for(rng)
        self.num_heads = num_heads
        self.query = Linear(embed_dim, embed_dim, bias, rng=rng)
        self.key = Linear(embed_dim, embed_dim, bias, rng=rng)
        self.value = Linear(embed_dim, embed_dim, bias, rng=rng)
        self.output = Linear(embed_dim, embed_dim, bias, rng=rng)
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x: ArrayLike, context: ArrayLike = None, mask: ArrayLike = None, causal: bool = False) -> Tensor:
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
        x, looked_at = self._sequences(x, context)
        weights = self.weights(x, looked_at, mask, causal)
        mixed = self.dropout(weights) @ self._heads(self.value(looked_at))
        n, heads, length, features = mixed.shape
        return self.output(mixed.transpose((0, 2, 1, 3)).reshape((n, length, heads * features)))

    def weights(self, x: ArrayLike, context: ArrayLike = None, mask: ArrayLike = None, causal: bool = False) -> Tensor:
        """Return how much each position looks at each, of shape (N, heads, L, positions): to draw as a picture."""
        x, looked_at = self._sequences(x, context)
        return attention_weights(self._heads(self.query(x)), self._heads(self.key(looked_at)), mask, causal)

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"MultiHeadAttention({self.query.weight.shape[0]}, {self.num_heads})"

    def _sequences(self, x: Any, context: Any) -> tuple[Any, Any]:
        """Return the sequences that look, and those that they look at, after the check of their shapes."""
        x = operand("attention", x)
        looked_at = x if context is None else operand("attention", context)
        for sequences in (x, looked_at):
            if len(sequences.shape) != 3:
                raise ShapeError(f"attention needs sequences of shape (N, L, features), not {sequences.shape}")
        n, others = x.shape[0], looked_at.shape[0]
        if n != others:
            raise ShapeError(f"attention of {n} sequences looks at a context of as many, not of {others}")
        return x, looked_at

    def _heads(self, x: Any) -> Any:
        """Split the features into heads: (N, L, features) to (N, heads, L, features of a head)."""
        n, length, features = x.shape
        return x.reshape((n, length, self.num_heads, features // self.num_heads)).transpose((0, 2, 1, 3))


class TransformerBlock(Module):
    """Attention, then a small net at each position; both are added to their input, which is normalised first.

    Source: A. Radford and others, "Language models are unsupervised multitask learners", 2019, for the order. PyTorch
    calls it a ``TransformerEncoderLayer`` with ``norm_first=True`` and ``activation="gelu"``; here the size of the
    small net follows embed_dim, and there is no dropout unless it is asked for.

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

    Examples
    --------
    >>> block = tg.nn.TransformerBlock(embed_dim=8, num_heads=2, rng=0)
    >>> block(np.zeros((5, 3, 8)), causal=True).shape
    (5, 3, 8)
    >>> [name for name, module in block.named_modules() if "." not in name]
    ['norm1', 'attention', 'norm2', 'net', 'dropout']
    """

    def __init__(
        self, embed_dim: int, num_heads: int, hidden: int | None = None, dropout: float = 0.0, *, rng: Rng = None
    ) -> None:
        rng = generator_for(rng)
        expect_sizes("TransformerBlock", embed_dim=embed_dim, num_heads=num_heads)
        hidden = 4 * embed_dim if hidden is None else hidden
        expect_sizes("TransformerBlock", hidden=hidden)
        expect_number("TransformerBlock", "dropout", dropout, BELOW_ONE)
        self.norm1 = LayerNorm(embed_dim)
        self.attention = MultiHeadAttention(embed_dim, num_heads, rng=rng)
        self.norm2 = LayerNorm(embed_dim)
        self.net = Sequential(Linear(embed_dim, hidden, rng=rng), GELU(), Linear(hidden, embed_dim, rng=rng))
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x: ArrayLike, mask: ArrayLike = None, causal: bool = False) -> Tensor:
        """Map sequences of shape (N, L, embed_dim) to the same shape."""
        x = x + self.dropout(self.attention(self.norm1(x), mask=mask, causal=causal))
        return x + self.dropout(self.net(self.norm2(x)))
