"""Rules of functions that reduce axes: sum, mean, product, maximum, minimum; and of running sums and products.

Each expression first gives ``g`` its reduced axes back (`restore_axes`), and then spreads it over the elements: a sum
gives the same to each, a maximum gives all to the largest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..support.devices import on_device_of
from . import shapes
from .registry import define
from .rule import Sample, helper, sample
from .samples import distinct, normal, with_zeros

Axis = int | tuple[int, ...] | None


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return ``axis`` as a tuple of non-negative axes, None as all; raise an AxisError if there is no such axis."""
    if isinstance(axis, int):
        return (normalize_axis_index(axis, ndim),)
    return tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)


def reduced(x: Any, axis: Axis) -> tuple[int, ...]:
    """Return the axes that a reduction of ``x`` removes: of a 0-d array none, though NumPy accepts axis 0 or -1."""
    return axes_of(axis, len(x.shape)) if x.shape else ()


def kept_shape(x: Any, axis: Axis) -> tuple[int, ...]:
    """Return the shape of ``x`` with its reduced axes of length 1."""
    axes = reduced(x, axis)
    return tuple([1 if i in axes else n for i, n in enumerate(x.shape)])


def restore_axes(g: Any, x: Any, axis: Axis) -> Any:
    """Return a reduction of ``x`` with its reduced axes, of length 1 each, so that it broadcasts against ``x``."""
    return g.reshape(kept_shape(x, axis))


def count(x: Any, axis: Axis) -> int:
    """Return how many elements of ``x`` are reduced to one."""
    size = 1
    for a in reduced(x, axis):
        size *= x.shape[a]
    return size


def reductions() -> list[Sample]:
    """Return the usual samples of a reduction: of all axes, one, several; kept; of 0-d and strided arrays."""
    x = distinct(2, 3, 4)
    return [
        sample(x),
        sample(x, axis=1),
        sample(x, axis=-1, keepdims=True),
        sample(x, axis=(0, 2)),
        sample(x, axis=(-1, 0), keepdims=True),
        sample(distinct()),
        sample(distinct(1, 3), axis=0),
        sample(distinct(6, 4)[::2, ::-1].T, axis=0),
        sample(distinct(0, 3), axis=1),
    ]


def folds() -> list[Sample]:
    """Return the samples of a reduction for which NumPy accepts axis 0 of a 0-d array."""
    return [*reductions(), sample(distinct(), axis=0), sample(distinct(), axis=-1, keepdims=True)]


def product_of_others(x: Any, axis: Axis) -> Any:
    """Return for each element of ``x`` the product of the other elements that are reduced with it.

    To divide the whole product by each element would be shorter, but fails where an element is zero.
    """
    axes = reduced(x, axis)
    rest = tuple(i for i in range(len(x.shape)) if i not in axes)
    order = (*rest, *axes)
    rows = x.transpose(order).reshape((*(x.shape[i] for i in rest), 1, count(x, axis)))
    own = on_device_of(x, np.eye(count(x, axis), dtype=bool))
    product = np.where(own, 1, rows).prod(axis=-1)
    return product.reshape(tuple(x.shape[i] for i in order)).transpose(tuple(order.index(i) for i in range(len(order))))


# Up to how many elements side by side NumPy takes several times as long as for as many that lie apart. Sums of more
# would be rounded in another order.
FEW = {"max": 32, "min": 32, "sum": 7}


def fold(method: str, x: Any, axis: Axis, keepdims: bool) -> Any:
    """Return ``x.max(axis, keepdims)``, or another reduction: in a large array, few elements are moved apart first."""
    # A tracer, whose type is another one than it says, is reduced as it is: the compiler chooses later.
    if issubclass(type(x), np.ndarray) and x.size >= 1000 and x.dtype != np.float16:
        axes, ndim = reduced(x, axis), len(x.shape)
        if ndim - 1 in axes and 1 < count(x, axis) <= FEW[method]:
            order = (*axes, *[i for i in range(ndim) if i not in axes])
            x = x.transpose(order).copy().transpose(shapes.inverse(order))
    return getattr(x, method)(axis=axis, keepdims=keepdims)


def share(weights: Any, x: Any, axis: Axis) -> Any:
    """Return weights in the type of ``x``, scaled so that those of each reduction add up to one."""
    weights = weights.astype(x.dtype)
    return weights / fold("sum", weights, axis, True)


def _moved(x: Any, steps: int, axis: int, fill: float) -> Any:
    """Return the elements moved along an axis, or back if the steps are negative; ``fill`` where none moves in."""
    (axis,) = axes_of(axis, len(x.shape))
    before, after = steps * (steps > 0), -steps * (steps < 0)
    padded = shapes.pad(x, tuple((before, after) if i == axis else (0, 0) for i in range(len(x.shape))), fill)
    return padded[shapes.on_axis(axis, slice(after, after + x.shape[axis]))]


@helper
def product_before(y: Any, axis: int) -> Any:
    """Return for each element the running product ``y`` of those before it: 1 for the first."""
    return _moved(y, 1, axis, 1)


@helper
def sum_of_products_after(g: Any, x: Any, axis: int) -> Any:
    """Return for each i the sum over j ≥ i of gⱼ · xᵢ₊₁ · … · xⱼ.

    It is the solution of sᵢ = gᵢ + xᵢ₊₁ · sᵢ₊₁. Each pass doubles how many terms each sum has.
    """
    factors, terms = _moved(x, -1, axis, 0), 1
    while terms < x.shape[axis]:
        g = g + factors * _moved(g, -terms, axis, 0)
        factors = factors * _moved(factors, -terms, axis, 0)
        terms *= 2
    return g


# fmt: off

sum = define("sum", lambda x, axis=None, keepdims=False: fold("sum", x, axis, keepdims),
    x=lambda g, x, axis: np.broadcast_to(restore_axes(g, x, axis), x.shape),
    samples=lambda: [*folds(), sample(distinct(0, 3), axis=0)])

mean = define("mean", lambda x, axis=None, keepdims=False: x.mean(axis=axis, keepdims=keepdims),
    x=lambda g, x, axis: np.broadcast_to(restore_axes(g / count(x, axis), x, axis), x.shape),
    samples=reductions)

prod = define("prod", lambda x, axis=None, keepdims=False: x.prod(axis=axis, keepdims=keepdims),
    x=lambda g, x, axis: restore_axes(g, x, axis) * product_of_others(x, axis),
    samples=lambda: [*folds(), sample(distinct(3, 3) * (1 - np.eye(3)), axis=1)])

# Equal extremes share the cotangent: any split whose parts add up to one is a subgradient.
_extreme = {"x": lambda g, y, x, axis: restore_axes(g, x, axis) * share(x == restore_axes(y, x, axis), x, axis)}

max = define("max", lambda x, axis=None, keepdims=False: fold("max", x, axis, keepdims), **_extreme,
    samples=folds)

min = define("min", lambda x, axis=None, keepdims=False: fold("min", x, axis, keepdims), **_extreme,
    samples=folds)


cumsum = define("cumsum", lambda x, axis: np.cumsum(x, axis),
    x=lambda g, axis: np.flip(np.cumsum(np.flip(g, axis), axis), axis),
    samples=lambda: [sample(normal(3, 4), 0), sample(normal(3, 4), -1), sample(normal(2, 0), 1), sample(normal(5), 0)])

# ∂yⱼ/∂xᵢ is the product of the other elements up to the j-th: right where elements are zero, too.
cumprod = define("cumprod", lambda x, axis: np.cumprod(x, axis),
    x=lambda g, y, x, axis: product_before(y, axis) * sum_of_products_after(g, x, axis),
    samples=lambda: [sample(normal(5, 2), 0), sample(normal(2, 5), -1), sample(normal(2, 0), 1), sample(normal(5), 0),
                     sample(with_zeros(2, 5), 1), sample(normal(1), 0)])
