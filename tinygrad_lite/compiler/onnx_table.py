"""How each operation is written in ONNX: one table for the rules, one for NumPy's functions that have no derivative.

An entry is the name of an ONNX operator of the same operands; or a function that writes several, given the writer
``to`` (``to.Add(a, b)`` writes one operator and returns its result), the operands and the parameters; or `AS_FORWARD`,
where the rule's own forward expression says it; or the reason why there is none. Operands come in one type: that of
the result for a rule, their common one for a function. Numbers take on that type.

A rule of your own that is not in the table is written as its forward expression says. To write it otherwise, add it:
``RULES["softplus"] = "Softplus"``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..rules.reductions import axes_of, reduced


class Refused(Exception):
    """The reason why an operation cannot be written in ONNX."""


Entry = str | Callable[..., Any] | Refused | None

AS_FORWARD = None
START, END = -(2**63), 2**63 - 1  # before the first element and behind the last, of an axis of any length


def _log1p(to: Any, x: Any) -> Any:
    # Source: W. Kahan; the factor x / (u - 1) makes good what 1 + x has lost, so that it is right for small x too.
    u = to.Add(x, 1)
    exact = to.Mul(to.Log(u), to.Div(x, to.Sub(u, 1)))
    return to.Where(to.Equal(u, 1), x, to.Where(to.Greater(x, 1), to.Log(u), exact))


def _logaddexp(to: Any, a: Any, b: Any) -> Any:
    return to.Add(to.Max(a, b), _log1p(to, to.Exp(to.Neg(to.Abs(to.Sub(a, b))))))


def _clip(to: Any, x: Any, low: Any, high: Any) -> Any:
    x = x if np.isscalar(low) and low == -np.inf else to.Max(x, low)
    return x if np.isscalar(high) and high == np.inf else to.Min(x, high)


def _linear(to: Any, a: Any, b: Any, c: Any) -> Any:
    if a.ndim == b.ndim == 2 and c.ndim <= 2:
        return to.Gemm(a, b, c)
    return to.Add(to.MatMul(a, b), c)


def _reduced(operator: str) -> Callable[..., Any]:
    """Return how a reduction is written; over no axes it leaves everything as it is."""

    def write(to: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        axes = reduced(x, axis)
        return getattr(to, operator)(x, to.ints(axes), keepdims=int(keepdims)) if axes else x

    return write


def _where_extreme(operator: str) -> Callable[..., Any]:
    def write(to: Any, x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        if axis is None and keepdims:
            raise Refused("without an axis it keeps none either: give the axis")
        if axis is None:
            x, axis = to.Reshape(x, to.ints([-1])), 0
        return getattr(to, operator)(x, axis=axis, keepdims=int(keepdims))

    return write


def _truth(reduction: str) -> Callable[..., Any]:
    """Return how `numpy.any` or `numpy.all` is written: as the extreme of zeros and ones."""

    def write(to: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        ones = to.cast(to.cast(x, bool), np.int32)
        axes = reduced(x, axis)
        return to.cast(getattr(to, reduction)(ones, to.ints(axes), keepdims=int(keepdims)) if axes else ones, bool)

    return write


def _count_nonzero(to: Any, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return to.ReduceSum(to.cast(to.cast(x, bool), np.int64), to.ints(axes_of(axis, x.ndim)), keepdims=int(keepdims))


def _floor_divide(to: Any, a: Any, b: Any) -> Any:
    if to.dtype.kind not in "iu":
        raise Refused("NumPy takes the floor before it rounds the quotient: write np.floor(a / b)")
    return to.Div(to.Sub(a, to.Mod(a, b)), b)


def _remainder(to: Any, a: Any, b: Any) -> Any:
    # That of C has the sign of a, NumPy's that of b.
    rest = to.Mod(a, b, fmod=1)
    return to.Where(to.Less(to.Mul(to.Sign(rest), to.Sign(b)), 0), to.Add(rest, b), rest)


def _of_truths(operator: str) -> Callable[..., Any]:
    return lambda to, *xs: getattr(to, operator)(*(to.cast(x, bool) for x in xs))


def _of_bits(operator: str) -> Callable[..., Any]:
    return lambda to, *xs: getattr(to, operator if to.dtype == bool else f"Bitwise{operator}")(*xs)


def _reshape(to: Any, x: Any, shape: Any) -> Any:
    # One length that varies with the batch is left for ONNX to find; if there are several, the model has said how.
    varying = [n is None for n in to.lengths]
    if sum(varying) <= 1 and 0 not in to.lengths:
        shape = [-1 if n is None else n for n in to.lengths]
    else:
        shape = [given if n is None else n for n, given in zip(to.lengths, shape, strict=True)]
    return to.Reshape(x, to.ints(shape), **({"allowzero": 1} if 0 in to.lengths else {}))


def _pad(to: Any, x: Any, widths: Any, value: Any) -> Any:
    return to.Pad(x, to.ints([before for before, _ in widths] + [after for _, after in widths]), to.constant(value))


def _flip(to: Any, x: Any, axis: Any = None) -> Any:
    axes = axes_of(axis, x.ndim)
    return _sliced(to, x, {a: slice(None, None, -1) for a in axes})


def _roll(to: Any, x: Any, shift: Any, axis: Any = None) -> Any:
    lengths = [x.size] if axis is None else x.shape
    y = to.Reshape(x, to.ints([-1])) if axis is None else x
    axes = (0,) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for by, a in zip(shift if isinstance(shift, tuple) else (shift,) * len(axes), axes, strict=True):
        if not isinstance(lengths[a], int):
            raise Refused("along an axis whose length varies with the batch, how far it goes round varies too")
        by = by % lengths[a] if lengths[a] else 0
        if by:
            y = to.Concat(_sliced(to, y, {a: slice(-by, None)}), _sliced(to, y, {a: slice(None, -by)}), axis=a)
    return _reshape(to, y, x.shape) if axis is None else y


def _sliced(to: Any, x: Any, slices: dict[int, slice]) -> Any:
    """Write the slices of some axes."""
    if not slices:
        return x
    steps = [1 if part.step is None else part.step for part in slices.values()]
    whole = [(0, END) if step > 0 else (END, START) for step in steps]
    starts = [
        first if part.start is None else part.start for part, (first, _) in zip(slices.values(), whole, strict=True)
    ]
    ends = [last if part.stop is None else part.stop for part, (_, last) in zip(slices.values(), whole, strict=True)]
    return to.Slice(x, to.ints(starts), to.ints(ends), to.ints(slices), to.ints(steps))


def _getitem(to: Any, x: Any, index: Any) -> Any:
    """Write an index, in NumPy's order: new axes, slices, then positions."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if not isinstance(part, bool) and getattr(part, "dtype", None) != np.dtype(bool):
            parts.append(part)
        elif isinstance(part, np.ndarray) and part.ndim:
            parts.extend(np.nonzero(part))
        else:
            raise Refused(
                "a mask chooses elements, so that the shape of the result depends on their values: use "
                "np.where(mask, x, 0), which keeps it"
            )
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    rest = [slice(None)] * (x.ndim - taken)
    gap = next((i for i, part in enumerate(parts) if part is Ellipsis), None)
    parts = [*parts, *rest] if gap is None else [*parts[:gap], *rest, *parts[gap + 1 :]]
    for n, part in zip(x.shape, [part for part in parts if part is not None], strict=True):
        if isinstance(part, slice) and not isinstance(n, int):
            _refuse_hidden_length(n, part)
    new = [i for i, part in enumerate(parts) if part is None]
    if new:
        x = to.Unsqueeze(x, to.ints(new))
        parts = [slice(None) if part is None else part for part in parts]
    x = _sliced(to, x, {i: p for i, p in enumerate(parts) if isinstance(p, slice) and p != slice(None)})
    positions = {i: part for i, part in enumerate(parts) if not isinstance(part, slice)}
    arrays = [i for i, part in positions.items() if np.shape(part) != ()]
    if not arrays or len(positions) == 1:
        for axis, part in reversed(positions.items()):
            x = to.Gather(x, to.positions(part), axis=axis)
        return x
    if any(not isinstance(part, (int, np.integer, np.ndarray)) for part in positions.values()):
        raise Refused("of several indices none may be computed: take along one axis after the other")
    return _gathered(to, x, positions, len(parts))


def _refuse_hidden_length(n: Any, part: slice) -> None:
    """Refuse a slice whose length varies with the batch, but not between the batches that are looked at."""
    bounds = (part.start, part.stop, part.step)
    if not all(bound is None or isinstance(bound, (int, np.integer)) for bound in bounds):
        return
    enough = 3 + 2 * sum(abs(int(bound)) for bound in bounds if bound is not None)
    seen, possible = ({len(range(*part.indices(m))) for m in lengths} for lengths in (n.runs, range(1, enough)))
    if len(seen) == 1 and seen != possible:
        raise Refused(
            "a slice of the batch has one length for small batches and another for large ones: slice the axes of a "
            "sample, or choose by np.where"
        )


def _gathered(to: Any, x: Any, positions: dict[int, Any], ndim: int) -> Any:
    """Write positions along several axes; the axes of the result stand where these stood, if they stood together."""
    axes = list(positions)
    others = [i for i in range(ndim) if i not in axes]
    places = np.stack(np.broadcast_arrays(*positions.values()), -1)
    y = to.GatherND(to.Transpose(x, perm=axes + others), to.positions(places))
    first = axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0
    new = places.ndim - 1
    order = [*range(new, new + first), *range(new), *range(new + first, new + len(others))]
    return to.Transpose(y, perm=order)


def _filled(value: Any) -> Callable[..., Any]:
    """Return how an array full of a value is written, of the shape of another."""
    return lambda to, x, dtype=None, *, shape=None: to.Expand(
        to.constant(value, to.result), to.ints(x.shape if shape is None else shape if np.ndim(shape) else (shape,))
    )


_VALUES = Refused("its answer is about the values, which only the file's reader has")
_VARYING = Refused("the shape of its result depends on the values")
_SIZED = Refused("its size varies with the batch: use np.zeros_like, np.ones_like or np.full_like with shape=")

# fmt: off

RULES: dict[str, Entry] = {
    # elementwise
    "identity":     lambda to, x: x,
    "add":          "Add",
    "subtract":     "Sub",
    "difference":   AS_FORWARD,
    "multiply":     "Mul",
    "divide":       "Div",
    "remainder":    _remainder,
    "negative":     "Neg",
    "power":        lambda to, x, n: to.Pow(x, n),
    "power_of":     "Pow",
    "square":       lambda to, x: to.Mul(x, x),
    "sqrt":         "Sqrt",
    "reciprocal":   "Reciprocal",
    "abs":          "Abs",
    "exp":          "Exp",
    # e^x - 1 = tanh(x/2) (e^x + 1), of which nothing is lost where x is close to 0.
    "expm1":        lambda to, x: to.Mul(to.Tanh(to.Div(x, 2)), to.Add(to.Exp(x), 1)),
    "log":          "Log",
    "log1p":        _log1p,
    "logaddexp":    _logaddexp,
    "sin":          "Sin",
    "cos":          "Cos",
    "tan":          "Tan",
    "arctan":       "Atan",
    "sinh":         "Sinh",
    "cosh":         "Cosh",
    "tanh":         "Tanh",
    "maximum":      "Max",
    "minimum":      "Min",
    "clip":         _clip,
    "where":        lambda to, a, b, condition: to.Where(to.cast(condition, bool), a, b),
    "astype":       lambda to, x, dtype: x,  # operands come in the type of the result
    "to":           lambda to, x, device, source: x,
    # products
    "matmul":       "MatMul",
    "linear":       _linear,
    "einsum":       lambda to, *xs, subscripts: to.Einsum(*xs, equation=subscripts),
    # reductions
    "sum":          _reduced("ReduceSum"),
    "mean":         _reduced("ReduceMean"),
    "prod":         _reduced("ReduceProd"),
    "max":          _reduced("ReduceMax"),
    "min":          _reduced("ReduceMin"),
    "cumsum":       lambda to, x, axis: to.CumSum(x, to.constant(axis, np.int64)),
    # shapes
    "reshape":      _reshape,
    "transpose":    lambda to, x, axes: to.Transpose(x, perm=axes_of(axes, x.ndim)) if axes else x,
    "broadcast_to": lambda to, x, shape: to.Expand(x, to.ints(shape)),
    "concatenate":  lambda to, *xs, axis: to.Concat(*xs, axis=axis),
    "pad":          _pad,
    "flip":         _flip,
    "roll":         _roll,
    "getitem":      _getitem,
    "place":        Refused("it writes into an array, which ONNX has none of: build the result by np.concatenate"),
    # neural
    "relu":         "Relu",
    # Not Sigmoid, which to some readers is 0 where it is but small.
    "sigmoid":      lambda to, x: to.Reciprocal(to.Add(to.Exp(to.Neg(x)), 1)),
    "softmax":      lambda to, z, axis: to.Softmax(z, axis=axis),
    "log_softmax":  AS_FORWARD,  # to some readers LogSoftmax is log(softmax(z)), which underflows
    "logsumexp":    _reduced("ReduceLogSumExp"),
    "squared_loss": AS_FORWARD,
    "cross_entropy":AS_FORWARD,
}

FUNCTIONS: dict[Callable[..., Any], Entry] = {
    # where an element stands
    np.argmax:        _where_extreme("ArgMax"),
    np.argmin:        _where_extreme("ArgMin"),
    np.argsort:       Refused("ONNX puts equal elements in another order"),
    np.nonzero:       _VARYING,
    np.flatnonzero:   _VARYING,
    np.argwhere:      _VARYING,
    np.searchsorted:  Refused("it has no counterpart: compare with np.less and count with np.count_nonzero"),
    # what holds of it
    np.equal:         "Equal",
    np.not_equal:     lambda to, a, b: to.Not(to.Equal(a, b)),
    np.less:          "Less",
    np.less_equal:    "LessOrEqual",
    np.greater:       "Greater",
    np.greater_equal: "GreaterOrEqual",
    np.logical_and:   _of_truths("And"),
    np.logical_or:    _of_truths("Or"),
    np.logical_not:   _of_truths("Not"),
    np.logical_xor:   _of_truths("Xor"),
    np.any:           _truth("ReduceMax"),
    np.all:           _truth("ReduceMin"),
    np.isnan:         "IsNaN",
    np.isinf:         "IsInf",
    np.isfinite:      lambda to, x: to.Not(to.Or(to.IsNaN(x), to.IsInf(x))),
    np.isclose:       Refused("it has no counterpart: compare np.abs(a - b) with a bound"),
    np.allclose:      _VALUES,
    np.array_equal:   _VALUES,
    np.count_nonzero: _count_nonzero,
    np.bitwise_and:   _of_bits("And"),
    np.bitwise_or:    _of_bits("Or"),
    np.bitwise_xor:   _of_bits("Xor"),
    np.invert:        _of_bits("Not"),
    # steps
    np.sign:          "Sign",
    np.floor:         "Floor",
    np.ceil:          "Ceil",
    np.rint:          "Round",  # both round halves to even
    np.round:         lambda to, x, decimals=0: (
        to.Div(to.Round(to.Mul(x, 10**decimals)), 10**decimals) if decimals else to.Round(x)
    ),
    np.trunc:         lambda to, x: to.Mul(to.Sign(x), to.Floor(to.Abs(x))),
    np.floor_divide:  _floor_divide,
    # what it looks like from outside
    np.shape:         lambda to, x: x.shape,
    np.ndim:          lambda to, x: x.ndim,
    np.size:          lambda to, x, axis=None: x.size if axis is None else x.shape[axis],
    np.result_type:   lambda to, *xs: to.dtype,
    np.can_cast:      lambda to, x, *others: np.can_cast(x.dtype, *others),
    np.array2string:  _VALUES,
    np.array_repr:    _VALUES,
    np.array_str:     _VALUES,
    # arrays of the same shape or kind
    np.zeros_like:    _filled(0),
    np.ones_like:     _filled(1),
    np.empty_like:    _filled(0),
    np.zeros:         _SIZED,
    np.ones:          _SIZED,
    np.eye:           _SIZED,
}
