"""Compare derivatives with finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rules import composed
from ..tensor import Tensor
from ..text import table
from ..transforms import grad, jacobian

Array = NDArray[np.float64]
METHODS = ("auto", "central")


class GradientMismatch(AssertionError):
    """A derivative that differs from its finite difference: names the input, the index and both values."""


@dataclass(frozen=True)
class Comparison:
    """The derivatives by one input beside their finite differences.

    Attributes
    ----------
    order : int
        1 for first derivatives, 2 for second.
    argument : int
        The number of the input.
    error : float
        The largest of |analytic - numeric| / max(1, |numeric|); 0 if there is nothing to compare.
    index : tuple of int
        Where in the input the largest error sits.
    output : tuple of int
        Which output it is the derivative of; for second order, an element of the gradients strung together.
    analytic, numeric : float
        The two values there.
    """

    order: int
    argument: int
    error: float
    index: tuple[int, ...]
    output: tuple[int, ...]
    analytic: float
    numeric: float

    def __str__(self) -> str:
        return (
            f"derivative of order {self.order} by input {self.argument} at index {self.index}, of output "
            f"{self.output}: {self.analytic:.10g}, but by finite differences {self.numeric:.10g}"
        )


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found: true when every derivative agrees with its finite difference."""

    comparisons: tuple[Comparison, ...]
    tolerance: float
    method: str

    def __bool__(self) -> bool:
        return self.max_error <= self.tolerance

    @property
    def max_error(self) -> float:
        """The largest error over all inputs and orders: absolute, or relative where values exceed 1."""
        # Not max(): it would pass over a NaN that does not come first.
        return float(np.max([c.error for c in self.comparisons], initial=0.0))

    def table(self) -> str:
        """Return one line for each input and order: the largest error, where it sits, both values there."""
        rows = [("order", "input", "error", "at", "analytic", "numeric")]
        rows += [
            (
                str(c.order),
                str(c.argument),
                f"{c.error:.1e}",
                str(c.index),
                f"{c.analytic:.8g}",
                f"{c.numeric:.8g}",
            )
            for c in self.comparisons
        ]
        return table(rows)

    def __str__(self) -> str:
        verdict = "holds" if self else "does not hold"
        return f"gradcheck {verdict} ({self.method} differences, tolerance {self.tolerance:g})\n{self.table()}"


def gradcheck(
    f: Callable[..., Tensor],
    *inputs: Any,
    order: int = 1,
    method: str = "auto",
    raise_exception: bool = True,
    tolerance: float = 1e-7,
) -> Report:
    """Check the derivatives of a function against finite differences.

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor of any shape; smooth around ``inputs``.
    *inputs : array-like
        Where to check, by all of them. The check is made in float64.
    order : {1, 2}
        2 checks the second derivatives as well.
    method : {"auto", "central"}
        How the numeric values are found: central differences over five points, whose error falls with the fourth
        power of the step.
    raise_exception : bool
        Whether a mismatch is raised, or only reported.
    tolerance : float
        The largest |analytic - numeric| / max(1, |numeric|) that passes.

    Returns
    -------
    Report
        True when everything agrees; ``.max_error``, ``.table()``.

    Raises
    ------
    GradientMismatch
        If a derivative is off: names the input, the index, both values.
    ValueError
        If ``order`` or ``method`` is not one of those above, or there is no input.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> bool(tg.gradcheck(lambda x, w: np.tanh(x @ w), np.ones((2, 3)), np.ones((3, 1))))
    True
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, not {order!r}")
    if not inputs:
        raise ValueError("gradcheck needs at least one input to differentiate by")
    points = [np.array(x.numpy() if isinstance(x, Tensor) else x, dtype=np.float64) for x in inputs]
    comparisons = _compare(f, points, 1)
    if order == 2:
        comparisons += _compare(_gradients(f, points), points, 2)
    report = Report(tuple(comparisons), tolerance, "central")
    if raise_exception and not report:
        raise GradientMismatch(str(max(comparisons, key=lambda c: np.nan_to_num(c.error, nan=np.inf))))
    return report


def _gradients(f: Callable[..., Tensor], points: list[Array]) -> Callable[..., Tensor]:
    """Return the function that strings together the gradients of a weighted sum of the outputs of ``f``.

    With weights that are all different no second derivative can cancel another.
    """

    def weighted(*xs: Tensor) -> Tensor:
        y = f(*xs)
        return (y * np.linspace(1.0, 2.0, y.size).reshape(y.shape)).sum()

    def gradients(*xs: Tensor) -> Tensor:
        parts = grad(weighted, tuple(range(len(points))))(*xs)
        joined: Tensor = composed.concatenate([part.flatten() for part in parts])
        return joined

    return gradients


def _compare(f: Callable[..., Tensor], points: list[Array], order: int) -> list[Comparison]:
    def on_arrays(*xs: Array) -> Array:
        values: Array = f(*map(Tensor, xs)).numpy()
        return values

    analytic = jacobian(f, tuple(range(len(points))))(*points)
    return [
        _comparison(order, k, x.ndim, analytic[k].numpy(), numeric_jacobian(on_arrays, points, k))
        for k, x in enumerate(points)
    ]


def _comparison(order: int, k: int, rank: int, analytic: Array, numeric: Array) -> Comparison:
    if not numeric.size:
        return Comparison(order, k, 0.0, (), (), 0.0, 0.0)
    errors = np.abs(analytic - numeric) / np.maximum(1.0, np.abs(numeric))
    worst = tuple(map(int, np.unravel_index(np.argmax(np.where(np.isnan(errors), np.inf, errors)), errors.shape)))
    output, index = worst[: numeric.ndim - rank], worst[numeric.ndim - rank :]
    return Comparison(order, k, float(errors[worst]), index, output, float(analytic[worst]), float(numeric[worst]))


def numeric_jacobian(f: Callable[..., Array], points: list[Array], k: int) -> Array:
    """Return the derivative of a function of arrays by input ``k``, by central differences over five points.

    f'(x) ≈ (8 [f(x + h) - f(x - h)] - [f(x + 2h) - f(x - 2h)]) / 12h, with an error of h⁴ f⁽⁵⁾ / 30
    (Abramowitz and Stegun, 25.3.6).

    Parameters
    ----------
    f : callable
        Takes arrays, returns an array.
    points : list of ndarray of float64
        Where to differentiate.
    k : int
        By which input.

    Returns
    -------
    ndarray of float64
        Of shape ``y.shape + x.shape``.
    """
    x = points[k]

    def shifted(index: tuple[int, ...], h: float) -> Array:
        moved = x.copy()
        moved[index] += h
        return np.array(f(*points[:k], moved, *points[k + 1 :]), dtype=np.float64)

    columns = []
    for index in np.ndindex(x.shape):
        h = 1e-3 * max(1.0, abs(float(x[index])))
        near = shifted(index, h) - shifted(index, -h)
        far = shifted(index, 2 * h) - shifted(index, -2 * h)
        columns.append((8 * near - far) / (12 * h))
    y_shape = np.shape(f(*points))
    return np.moveaxis(np.array(columns).reshape(x.shape + y_shape), range(x.ndim), range(-x.ndim, 0))
