"""A picture of the loss as a function of one weight: a curve, and the gradient as the slope of its tangent.

figure = tg.plot.loss_over(lambda: cross_entropy(net(x), y), net.output.weight, (3, 1))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..changes import clock
from ..engine import no_grad, recording, sweep
from ..errors import GraphError
from ..tensor import Tensor
from .chinese import words
from .style import BLUE, VERMILION, add_axes, in_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 50  # points of the curve on each side of the weight


@in_style
def loss_over(
    loss: Callable[[], Tensor],
    weight: Tensor,
    index: int | tuple[int, ...] = (),
    reach: float = 1.0,
    title: str | None = None,
) -> Figure:
    """Draw the loss as a curve over one weight, while all others stay, with the gradient as the tangent's slope.

    The weight is back at its place afterwards, also after an error. No ``grad`` is changed.

    Parameters
    ----------
    loss : callable
        Computes the loss, a single number, anew at each call, as ``lambda: cross_entropy(net(x), y)`` does. It is
        called about a hundred times.
    weight : Tensor
        The parameter that holds the weight, such as ``net.output.weight``.
    index : int or tuple of int
        The place of the weight in it, such as ``(3, 1)``; ``()`` for a parameter of shape ``()``.
    reach : float
        How far the weight is moved to both sides.
    title : str, optional
        The figure's heading.

    Raises
    ------
    TypeError
        If the loss is no function, or returns anything but a Tensor with a single number.
    ValueError
        If the index is not that of one weight, `reach` is not positive, or two calls give different losses.
    GraphError
        If the loss does not depend on the weight, or changes a Tensor, such as the running mean of a normalization.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> net = tg.nn.Linear(2, 1, rng=0)
    >>> x, y = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.array([[1.0], [0.0]], np.float32)
    >>> figure = tg.plot.loss_over(lambda: tg.nn.functional.squared_loss(net(x), y), net.weight, (1, 0))
    """
    if not reach > 0:
        raise ValueError(f"loss_over: reach is {reach!r}, but must be a positive number")
    _expect_one_weight(weight, index)
    present, slope = _value_and_slope(loss, weight, index)
    centre = weight.data[index].item()
    values = centre + reach * np.arange(-STEPS, STEPS + 1) / STEPS
    losses = _losses(loss, weight, index, values)
    if not np.isclose(losses[STEPS], present, rtol=1e-4, equal_nan=True):
        raise ValueError(
            f"loss_over: two calls of loss gave {present:.6g} and {losses[STEPS]:.6g} with the same weights: let it "
            "use the same batch each time, and call net.eval() first, which turns dropout off"
        )
    change = abs(slope) * reach
    if len(set(losses)) == 1 and change > 10 * np.finfo(weight.dtype).eps * abs(present):  # more than rounding hides
        raise GraphError("loss_over: loss does not compute the loss anew: write lambda: and the whole expression")

    figure = new_figure(5.6, 3.9, title)
    ax = add_axes(figure, 0.85, 0.5, 4.6, 3.25)
    ax.margins(0.02, 0.15)
    ax.plot(values, losses, color=BLUE, label=words("loss"))
    ax.set_ylim(ax.get_ylim())  # that of the curve: the tangent may be cut off
    tangent = present + slope * (values - centre)
    ax.plot(
        values,
        tangent,
        color=VERMILION,
        linestyle="--",
        label=words("tangent, its slope {slope} is the gradient", slope=_short(slope)),
    )
    now = words("now: weight {weight}, loss {loss}", weight=_short(centre), loss=_short(present))
    ax.plot([centre], [present], "o", color=VERMILION, markersize=8, label=now)
    inner = ", ".join(map(str, np.atleast_1d(index)))
    place = f"[{inner}]" if inner else ""
    ax.set(xlabel=(weight.name or words("weight")) + place, ylabel=words("loss"))
    ax.legend()
    return figure


def _expect_one_weight(weight: Any, index: Any) -> None:
    if not isinstance(weight, Tensor) or weight.operation is not None or not weight.requires_grad:
        raise TypeError(
            "loss_over: the weight must be a parameter, a Tensor with requires_grad, such as net.output.weight"
        )
    try:
        is_one = np.shape(weight.data[index]) == ()
    except (IndexError, TypeError):
        is_one = False
    if not is_one:
        raise ValueError(
            f"loss_over: {index!r} is not the index of one weight in the shape {weight.shape}: "
            f"write whole numbers, such as {(0,) * weight.ndim}"
        )


def _value_and_slope(loss: Callable[[], Tensor], weight: Tensor, index: Any) -> tuple[float, float]:
    """Return the loss and its derivative by the weight at an index."""
    if not callable(loss):
        raise TypeError("loss_over: loss must be a function that computes it: write lambda: and the expression")
    last_change = clock.last_change
    with recording(True):
        y = loss()
    if not isinstance(y, Tensor) or y.size != 1:
        found = f"a Tensor of shape {y.shape}" if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"loss_over: loss must return a Tensor with a single number, but it returned {found}")
    if clock.last_change != last_change:
        raise GraphError(
            "loss_over: loss changed a Tensor in place, such as the running mean of a normalization: call net.eval() "
            "first, and let loss do nothing but compute the loss"
        )
    gradients = sweep([y], [np.ones_like(y.data)])
    if weight not in gradients:
        raise GraphError(
            "loss_over: the loss does not depend on the weight: is it a parameter of the net that loss calls?"
        )
    return y.item(), gradients[weight][index].item()


@no_grad()
@np.errstate(all="ignore")  # an overflow shows as a gap in the curve
def _losses(loss: Callable[[], Tensor], weight: Tensor, index: Any, values: NDArray[Any]) -> NDArray[Any]:
    """Return the loss at each value of the weight. Its own array is left alone: graphs that have read it hold."""
    original = weight._data
    moved = weight._data = original.copy()
    losses = []
    try:
        for value in values:
            moved[index] = value
            losses.append(loss().item())
    finally:
        weight._data = original
    return np.array(losses)


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
