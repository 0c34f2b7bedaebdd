"""Embeddings and attention, as functions.

Examples
--------
>>> import numpy as np
>>> x = np.eye(3)[None]
>>> scaled_dot_product_attention(x, x, x, is_causal=True)[0, 0]
array([1., 0., 0.])
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ShapeError
from ...rules import neural
from ...rules.composed import array_like
from ...support.devices import on_device_of
from .checks import expect_below


def embedding(tokens: Any, weight: Any) -> Any:
    """Look up the row of ``weight`` for each token.

    Parameters
    ----------
    tokens : array of int of any shape
        Each in ``range(rows)``.
    weight : Tensor or array of shape (rows, features)

    Returns
    -------
    Tensor or array of shape (*tokens.shape, features)

    Raises
    ------
    TypeError
        If tokens are not whole numbers.
    ValueError
        If a token has no row; the message says which one, and at which index.
    """
    rows = weight.shape[0]
    tokens = expect_below(tokens, rows, "token", f"has no row in an embedding of {rows}, which are 0 to {rows - 1}")
    return weight[tokens]


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Any:
    """Return for each query a mean of the values, weighted by softmax(query · key · scale).

    Source: A. Vaswani and others, "Attention is all you need", 2017, equation 1.

    Parameters
    ----------
    query : Tensor or array of shape (…, queries, features)
    key : Tensor or array of shape (…, positions, features)
    value : Tensor or array of shape (…, positions, value features)
    attn_mask : array that broadcasts to (…, queries, positions), optional
        Of booleans: True where a query may look. Of numbers: is added to the scores.
    is_causal : bool
        Whether query i may only look at positions up to i.
    scale : float, optional
        By default 1 / √features.

    Returns
    -------
    Tensor or array of shape (…, queries, value features)

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    """
    return attention_weights(query, key, attn_mask, is_causal, scale) @ value


def attention_weights(
    query: Any, key: Any, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Any:
    """Return the weights of `scaled_dot_product_attention`, of shape (…, queries, positions); each row adds up to 1."""
    if query.shape[-1] != key.shape[-1]:
        raise ShapeError(f"attention of queries {query.shape} and keys {key.shape}: the last axes must be equal")
    scores = (query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)) @ key.mT
    if is_causal:
        queries, positions = scores.shape[-2:]
        earlier = np.arange(positions) <= np.arange(queries)[:, None]
        scores = np.where(on_device_of(scores, earlier), scores, -math.inf)
    if attn_mask is not None:
        mask = array_like(attn_mask)
        try:
            fits = np.broadcast_shapes(mask.shape, scores.shape) == scores.shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"a mask of shape {mask.shape} does not broadcast to the scores {scores.shape}")
        scores = np.where(mask, scores, -math.inf) if mask.dtype == bool else scores + mask
    return neural.softmax(scores)
