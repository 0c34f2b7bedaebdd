"""Clipping: large gradients are made smaller before a step, which would go too far otherwise.

Both functions change ``p.grad`` after `backward` and before ``step``, also inside a jitted step. Neither depends on a
branch, so one program serves all gradients.

Examples
--------
>>> import tinygrad_lite as tg
>>> p = tg.Tensor([3.0, 4.0], requires_grad=True)
>>> (p * p).sum().backward()
>>> clip_grad_norm([p], max_norm=1.0)
Tensor(10., dtype=float32)
>>> p.grad
Tensor([0.6, 0.8], dtype=float32)
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

from ..engine import no_grad
from ..errors import GraphError
from ..nn.functional.checks import POSITIVE, expect_number
from ..tensor import Tensor


@no_grad()
def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients by one factor, so that their norm together is at most ``max_norm``.

    Source: R. Pascanu and others, "On the difficulty of training recurrent neural networks", 2013, algorithm 1.

    Parameters
    ----------
    params : iterable of Tensor
        The parameters. Those without a gradient do not count.
    max_norm : float
        The largest norm, above 0.

    Returns
    -------
    Tensor
        The norm before: the square root of the sum of all squares.

    Raises
    ------
    GraphError
        If no parameter has a gradient.

    Examples
    --------
    >>> w = tg.Tensor([3.0, 4.0], requires_grad=True, name="w")
    >>> w.grad = [30.0, 40.0]
    >>> tg.optim.clip_grad_norm([w], max_norm=5.0).item()
    50.0
    >>> w.grad.tolist()
    [3.0, 4.0]
    """
    pairs = _gradients("clip_grad_norm", params, "max_norm", max_norm)
    norm: Any = np.sqrt(reduce(operator.add, [np.square(g).sum() for _, g in pairs]))
    factor = max_norm / np.maximum(norm, max_norm)
    for p, g in pairs:
        p.grad = g * factor.astype(g.dtype)
    return norm


@no_grad()
def clip_grad_value(params: Iterable[Tensor], clip_value: float) -> None:
    """Limit each element of the gradients to the interval from ``-clip_value`` to ``clip_value``.

    Parameters
    ----------
    params : iterable of Tensor
        The parameters. Those without a gradient do not count.
    clip_value : float
        The largest magnitude, above 0.

    Raises
    ------
    GraphError
        If no parameter has a gradient.

    Examples
    --------
    >>> w = tg.Tensor([3.0, 4.0], requires_grad=True)
    >>> w.grad = [0.5, -100.0]
    >>> tg.optim.clip_grad_value([w], clip_value=1.0)
    >>> w.grad.tolist()
    [0.5, -1.0]
    """
    for p, g in _gradients("clip_grad_value", params, "clip_value", clip_value):
        p.grad = np.clip(g, -clip_value, clip_value)


def _gradients(name: str, params: Iterable[Tensor], option: str, value: float) -> list[tuple[Tensor, Tensor]]:
    """Return the parameters that have a gradient, each with it."""
    expect_number(name, option, value, POSITIVE)
    listed = [] if isinstance(params, Tensor) or not isinstance(params, Iterable) else list(params)
    if not listed or not all(isinstance(p, Tensor) for p in listed):
        raise TypeError(f"{name} takes a list of parameters, such as model.parameters(), not {params!r:.60}")
    found = [(p, g) for p in listed if (g := p.grad) is not None]
    if not found:
        raise GraphError(f"{name}: no parameter has a gradient: call loss.backward() before it")
    return found
