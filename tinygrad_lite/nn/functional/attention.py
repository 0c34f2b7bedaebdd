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

from ...arrays import ArrayLike
from ...errors import ShapeError
from ...rules import neural
from ...support.devices import on_device_of
from ...tensor import Tensor
from .checks import expect_below, expect_broadcast, expect_flags, expect_number, numbers_of, operand


def embedding(tokens: ArrayLike, weight: ArrayLike) -> Tensor:
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

    Examples
    --------
    >>> tg.nn.functional.embedding([2, 0, 2], np.array([[0, 0], [1, 2], [3, 4]]))
    array([[3, 4],
           [0, 0],
           [3, 4]])
    """
    weight = operand("embedding", weight)
    if len(weight.shape) != 2:
        raise ShapeError(f"embedding needs a weight of shape (rows, features), not {weight.shape}")
    rows = weight.shape[0]
    tokens = expect_below(tokens, rows, "token", f"has no row in an embedding of {rows}, which are 0 to {rows - 1}")
    return weight[tokens]


def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    attn_mask: ArrayLike = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
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

    Examples
    --------
    >>> query, key = np.zeros((2, 1)), np.zeros((2, 1))  # all alike: each query looks everywhere
    >>> value = np.array([[10.0], [20.0]])
    >>> tg.nn.functional.scaled_dot_product_attention(query, key, value)
    array([[15.],
           [15.]])
    >>> tg.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    array([[10.],
           [15.]])
    """
    key, value = operand("attention", key), operand("attention", value)
    _expect_fitting("keys", key, "values", value, -2)
    return attention_weights(query, key, attn_mask, is_causal, scale) @ value


def attention_weights(
    query: ArrayLike, key: ArrayLike, attn_mask: ArrayLike = None, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """Return the weights of `scaled_dot_product_attention`, of shape (…, queries, positions); each row adds up to 1.

    Examples
    --------
    >>> tg.nn.functional.attention_weights(np.zeros((3, 1)), np.zeros((3, 1)), is_causal=True).round(2)
    array([[1.  , 0.  , 0.  ],
           [0.5 , 0.5 , 0.  ],
           [0.33, 0.33, 0.33]])
    """
    query, key = operand("attention", query), operand("attention", key)
    expect_flags("attention", is_causal=is_causal)
    _expect_fitting("queries", query, "keys", key, -1)
    if scale is None:
        scale = 1 / math.sqrt(max(query.shape[-1], 1))
    expect_number("attention", "scale", scale)
    scores = (query * scale) @ key.mT
    if is_causal:
        queries, positions = scores.shape[-2:]
        earlier = np.arange(positions) <= np.arange(queries)[:, None]
        scores = np.where(on_device_of(scores, earlier), scores, -math.inf)
    if attn_mask is not None:
        mask = numbers_of("attn_mask", attn_mask)
        expect_broadcast("a mask", mask, "the scores", scores.shape)
        scores = np.where(mask, scores, -math.inf) if mask.dtype == bool else scores + mask
    return neural.softmax(scores)


def _expect_fitting(one: str, a: Any, other: str, b: Any, axis: int) -> None:
    """Raise unless two operands have an axis of the same length, and the axes before the last two broadcast."""
    shape, others = a.shape, b.shape
    text = f"attention of {one} {shape} and {other} {others}:"
    if min(len(shape), len(others)) < 2:
        raise ShapeError(f"{text} each needs two axes at least, (…, length, features)")
    if shape[axis] != others[axis]:
        raise ShapeError(f"{text} the {'last axes' if axis == -1 else 'axes before the last'} must be equal")
    if any(n != m and 1 not in (n, m) for n, m in zip(shape[-3::-1], others[-3::-1], strict=False)):
        raise ShapeError(f"{text} the axes before the last two must be equal, or 1")
