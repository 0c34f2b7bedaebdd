"""The table of ONNX operators for the primitives of a program.

An entry is one of three: the name of an operator; a function of the writer ``to`` and the primitive's operands and
parameters, in which ``to.Add(a, b)`` writes an operator; or a `Refused` with the reason why there is none. Operands are
converted to the type of the result; for comparisons and `OF_ANOTHER_TYPE`, to the common type of the operands.

`OPERATIONS` has the entries for primitives. `RULES` has entries for whole rules, in place of the primitives of their
forward expression. A rule of your own needs no entry; if ONNX has an operator for it, add it:

>>> import tinygrad_lite as tg
>>> from tinygrad_lite.compiler.writers import onnx_table
>>> onnx_table.RULES["softplus"] = "Softplus"
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...rules.reductions import axes_of
from ..program import Variable
from .lengths import Length


class Refused(Exception):
    """The reason why a primitive cannot be written in ONNX."""


Entry = str | Callable[..., Any] | Refused

START, END = -(2**63), 2**63 - 1  # slice bounds before the first and after the last element, for any length


def _log1p(to: Any, x: Any) -> Any:
    # Source: W. Kahan; the factor x / (u - 1) corrects the rounding error of u = 1 + x, which matters for small x.
    u = to.Add(x, 1)
    exact = to.Mul(to.Log(u), to.Div(x, to.Sub(u, 1)))
    return to.Where(to.Equal(u, 1), x, to.Where(to.Greater(x, 1), to.Log(u), exact))


def _logaddexp(to: Any, a: Any, b: Any) -> Any:
    return to.Add(to.Max(a, b), _log1p(to, to.Exp(to.Neg(to.Abs(to.Sub(a, b))))))


def _clip(to: Any, x: Any, low: Any, high: Any) -> Any:
    x = x if low is None or (np.isscalar(low) and low == -np.inf) else to.Max(x, low)
    return x if high is None or (np.isscalar(high) and high == np.inf) else to.Min(x, high)


def _linear(to: Any, a: Any, b: Any, c: Any) -> Any:
    if len(to.shape(a)) == len(to.shape(b)) == 2 and len(to.shape(c)) <= 2:
        return to.Gemm(a, b, c)
    return to.Add(to.MatMul(a, b), c)


def _axes(to: Any, x: Any, axis: Any) -> tuple[int, ...]:
    """Return the axes that are reduced; none for a 0-d array, though NumPy accepts an axis for it."""
    ndim = len(to.shape(x))
    return axes_of(axis, ndim) if ndim else ()


def _reduced(operator: str) -> Callable[..., Any]:
    """Return the entry for a reduction; over no axes it writes nothing."""

    def write(to: Any, x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
        axes = _axes(to, x, axis)
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
    """Return the entry for `numpy.any` or `numpy.all`: the maximum or minimum of zeros and ones."""

    def write(to: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        ones, axes = to.cast(to.cast(x, bool), np.int32), _axes(to, x, axis)
        return to.cast(getattr(to, reduction)(ones, to.ints(axes), keepdims=int(keepdims)) if axes else ones, bool)

    return write


def _count_nonzero(to: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return to.ReduceSum(to.cast(to.cast(x, bool), np.int64), to.ints(_axes(to, x, axis)), keepdims=int(keepdims))


def _floor_divide(to: Any, a: Any, b: Any) -> Any:
    if to.dtype.kind not in "iu":
        raise Refused("NumPy takes the floor before it rounds the quotient: write np.floor(a / b)")
    return to.Div(to.Sub(a, to.Mod(a, b)), b)


def _remainder(to: Any, a: Any, b: Any) -> Any:
    # The remainder of C has the sign of a, NumPy's has the sign of b.
    rest = to.Mod(a, b, fmod=1)
    return to.Where(to.Less(to.Mul(to.Sign(rest), to.Sign(b)), 0), to.Add(rest, b), rest)


def _of_truths(operator: str) -> Callable[..., Any]:
    return lambda to, *xs: getattr(to, operator)(*(to.cast(x, bool) for x in xs))


def _of_bits(operator: str) -> Callable[..., Any]:
    return lambda to, *xs: getattr(to, operator if to.dtype == bool else f"Bitwise{operator}")(*xs)


def _reshape(to: Any, x: Any, shape: Any) -> Any:
    # A single length that depends on the batch is written as -1, which ONNX replaces.
    if sum(isinstance(n, Length) for n in shape) <= 1 and 0 not in shape:
        return to.Reshape(x, to.ints([-1 if isinstance(n, Length) else n for n in shape]))
    return to.Reshape(x, to.ints(shape), allowzero=1)


def _pad(to: Any, x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant":
        raise Refused("it is written with constants alone")
    widths = np.broadcast_to(np.asarray(pad_width), (len(to.shape(x)), 2))
    return to.Pad(x, to.ints([*widths[:, 0], *widths[:, 1]]), to.wire(constant_values))


def _flip(to: Any, x: Any, axis: Any = None) -> Any:
    return _sliced(to, x, {a: slice(None, None, -1) for a in axes_of(axis, len(to.shape(x)))})


def _roll(to: Any, x: Any, shift: Any, axis: Any = None) -> Any:
    shape = to.shape(x)
    y, lengths = (x, shape) if axis is not None else (to.Reshape(x, to.ints([-1])), (math.prod(shape),))
    for by, a in np.broadcast(shift, 0 if axis is None else axis):
        if isinstance(lengths[a], Length):
            raise Refused("along an axis whose length varies with the batch, how far it goes round varies too")
        y = to.Gather(y, to.cast(np.roll(np.arange(lengths[a]), by), np.int64), axis=int(a))
    return y if axis is not None else _reshape(to, y, shape)


def _sliced(to: Any, x: Any, slices: dict[int, slice]) -> Any:
    """Write slices of the given axes."""
    if not slices:
        return x
    steps = [1 if part.step is None else part.step for part in slices.values()]
    whole = [(0, END) if step > 0 else (END, START) for step in steps]
    starts = [first if p.start is None else p.start for p, (first, _) in zip(slices.values(), whole, strict=True)]
    ends = [last if p.stop is None else p.stop for p, (_, last) in zip(slices.values(), whole, strict=True)]
    return to.Slice(x, to.ints(starts), to.ints(ends), to.ints(slices), to.ints(steps))


def _parts(to: Any, x: Any, index: Any) -> list[Any]:
    """Return an index as one part for each axis and each new axis; constant masks become positions."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        value = to.value(part)
        part = part if value is None else value
        if not isinstance(part, bool) and getattr(part, "dtype", None) != np.dtype(bool):
            parts.append(part)
        elif isinstance(part, np.ndarray) and part.ndim:
            parts.extend(np.nonzero(part))
        else:
            raise Refused(
                "a mask chooses elements, so that the shape of the result depends on their values: use "
                "np.where(mask, x, 0), which keeps it"
            )
    rest = [slice(None)] * (len(to.shape(x)) - sum(part is not None and part is not Ellipsis for part in parts))
    gap = next((i for i, part in enumerate(parts) if part is Ellipsis), None)
    return [*parts, *rest] if gap is None else [*parts[:gap], *rest, *parts[gap + 1 :]]


def _getitem(to: Any, x: Any, index: Any) -> Any:
    """Write an index, in NumPy's order: new axes, slices, then positions."""
    parts = _parts(to, x, index)
    new = [i for i, part in enumerate(parts) if part is None]
    if new:
        x = to.Unsqueeze(x, to.ints(new))
        parts = [slice(None) if part is None else part for part in parts]
    x = _sliced(to, x, {i: p for i, p in enumerate(parts) if isinstance(p, slice) and p != slice(None)})
    positions = {i: part for i, part in enumerate(parts) if not isinstance(part, slice)}
    if len(positions) <= 1 or not any(to.shape(part) for part in positions.values()):
        for axis, part in reversed(positions.items()):
            x = to.Gather(x, to.cast(part, np.int64), axis=axis)
        return x
    if any(isinstance(part, (Variable, Length)) for part in positions.values()):
        raise Refused("of several indices none may be computed: take along one axis after the other")
    axes, others = [*positions], [i for i in range(len(parts)) if i not in positions]
    places = np.stack(np.broadcast_arrays(*positions.values()), -1)
    y = to.GatherND(to.Transpose(x, perm=axes + others), to.cast(places, np.int64))
    # As in NumPy, the axes of adjacent positions stay in place; otherwise they come first.
    first, ndim = axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0, places.ndim - 1
    order = [*range(ndim, ndim + first), *range(ndim), *range(ndim + first, ndim + len(others))]
    return to.Transpose(y, perm=order)


def _scattered(reduction: str) -> Callable[..., Any]:
    """Return the entry that writes or adds values at positions of an array."""

    def write(to: Any, x: Any, index: Any, value: Any) -> Any:
        shape = to.shape(x)
        if isinstance(index, Variable) and to.value(index) is None:
            if index.dtype != bool:
                update = to.Expand(value, to.ints([*to.shape(index), *shape[1:]]))
                places = to.Unsqueeze(to.cast(index, np.int64), to.ints([-1]))
                return to.ScatterND(x, places, update, reduction=reduction)
            if to.shape(value) or reduction == "add":
                raise Refused("where a mask holds one number alone can be written: use np.where(mask, a, x)")
            mask = to.Unsqueeze(index, to.ints(range(len(to.shape(index)), len(shape))))
            return to.Where(to.cast(mask, bool), value, x)
        parts = _parts(to, x, index)
        # With a batch, the same positions are written in each sample: columns of a matrix whose rows are samples.
        is_of_samples = bool(shape) and isinstance(shape[0], Length) and isinstance(parts[0], slice)
        batch = shape[:1] if is_of_samples and parts[0] == slice(None) else ()
        rest = shape[len(batch) :]
        if any(isinstance(n, (Length, Variable)) for n in (*rest, *parts)):
            raise Refused("what is written goes to places that vary: build the result by np.concatenate or np.where")
        places = np.arange(math.prod(rest)).reshape(rest)[tuple(parts[len(batch) :])]
        if not places.size:
            return x
        columns = [to.Reshape(x, to.ints([*[-1] * len(batch), math.prod(rest)]))]
        update = to.Expand(value, to.ints([*batch, *places.shape]))
        columns.append(to.Reshape(update, to.ints([*[-1] * len(batch), places.size])))
        columns = [to.Transpose(y) if batch else y for y in columns]
        y = to.ScatterND(columns[0], to.cast(places.reshape(-1, 1), np.int64), columns[1], reduction=reduction)
        return _reshape(to, to.Transpose(y) if batch else y, shape)

    return write


_VALUES = Refused("its answer is about the values, which only the file's reader has")

# Operations whose result has another type than their operands, which therefore keep theirs.
OF_ANOTHER_TYPE = {"argmax", "argmin", "count_nonzero"}

# fmt: off

RULES: dict[str, Entry] = {
    "linear":    _linear,
    "relu":      "Relu",
    # Not Sigmoid: in some runtimes it is 0 where the result should be small.
    "sigmoid":   lambda to, x: to.Reciprocal(to.Add(to.Exp(to.Neg(x)), 1)),
    # There is no LogSoftmax: some runtimes compute it as log(softmax(z)), which underflows.
    "softmax":   lambda to, z, axis: to.Softmax(z, axis=axis),
    "logsumexp": _reduced("ReduceLogSumExp"),
}

OPERATIONS: dict[str, Entry] = {
    # elementwise
    "positive":      lambda to, x: x,
    "add":           "Add",
    "subtract":      "Sub",
    "multiply":      "Mul",
    "divide":        "Div",
    "floor_divide":  _floor_divide,
    "remainder":     _remainder,
    "negative":      "Neg",
    "power":         "Pow",
    "square":        lambda to, x: to.Mul(x, x),
    "sqrt":          "Sqrt",
    "reciprocal":    "Reciprocal",
    "absolute":      "Abs",
    "exp":           "Exp",
    # e^x - 1 = tanh(x/2) (e^x + 1), which has no cancellation for x close to 0.
    "expm1":         lambda to, x: to.Mul(to.Tanh(to.Div(x, 2)), to.Add(to.Exp(x), 1)),
    "log":           "Log",
    "log1p":         _log1p,
    "logaddexp":     _logaddexp,
    "sin":           "Sin",
    "cos":           "Cos",
    "tan":           "Tan",
    "arctan":        "Atan",
    "sinh":          "Sinh",
    "cosh":          "Cosh",
    "tanh":          "Tanh",
    "maximum":       "Max",
    "minimum":       "Min",
    "clip":          _clip,
    "where":         lambda to, condition, a, b: to.Where(to.cast(condition, bool), a, b),
    "astype":        lambda to, x, dtype: to.cast(x, dtype),
    "copy":          lambda to, x: x,
    "to":            lambda to, x, device: x,
    "array":         lambda to, x: x,
    "item":          lambda to, x: to.Reshape(x, to.ints([])),
    # rounding and sign
    "sign":          "Sign",
    "floor":         "Floor",
    "ceil":          "Ceil",
    "rint":          "Round",  # both round halves to even
    "round":         lambda to, x, decimals=0: (
        to.Div(to.Round(to.Mul(x, 10**decimals)), 10**decimals) if decimals else to.Round(x)
    ),
    "trunc":         lambda to, x: to.Mul(to.Sign(x), to.Floor(to.Abs(x))),
    # products
    "matmul":        "MatMul",
    "dot":           "MatMul",  # programs only use it for matrices
    "einsum":        lambda to, *xs, subscripts: to.Einsum(*xs, equation=subscripts),
    # reductions
    "sum":           _reduced("ReduceSum"),
    "mean":          _reduced("ReduceMean"),
    "prod":          _reduced("ReduceProd"),
    "max":           _reduced("ReduceMax"),
    "min":           _reduced("ReduceMin"),
    "any":           _truth("ReduceMax"),
    "all":           _truth("ReduceMin"),
    "count_nonzero": _count_nonzero,
    "argmax":        _where_extreme("ArgMax"),
    "argmin":        _where_extreme("ArgMin"),
    "cumsum":        lambda to, x, axis: to.CumSum(x, to.cast(axis, np.int64)),
    # shapes
    "reshape":       _reshape,
    "transpose":     lambda to, x, axes: to.Transpose(x, perm=axes) if axes else x,
    "broadcast_to":  lambda to, x, shape: to.Expand(x, to.ints(shape)),
    "full":          lambda to, value, shape, dtype: to.Expand(value, to.ints(shape)),
    "concatenate":   lambda to, *xs, axis: to.Concat(*xs, axis=axis),
    "pad":           _pad,
    "flip":          _flip,
    "roll":          _roll,
    "getitem":       _getitem,
    "take":          _getitem,
    "put":           _scattered("none"),
    "add_at":        _scattered("add"),
    # comparisons and logic
    "equal":         "Equal",
    "not_equal":     lambda to, a, b: to.Not(to.Equal(a, b)),
    "less":          "Less",
    "less_equal":    "LessOrEqual",
    "greater":       "Greater",
    "greater_equal": "GreaterOrEqual",
    "logical_and":   _of_truths("And"),
    "logical_or":    _of_truths("Or"),
    "logical_not":   _of_truths("Not"),
    "logical_xor":   _of_truths("Xor"),
    "isnan":         "IsNaN",
    "isinf":         "IsInf",
    "isfinite":      lambda to, x: to.Not(to.Or(to.IsNaN(x), to.IsInf(x))),
    "bitwise_and":   _of_bits("And"),
    "bitwise_or":    _of_bits("Or"),
    "bitwise_xor":   _of_bits("Xor"),
    "invert":        _of_bits("Not"),
    # without a counterpart
    "check":         Refused("it raises an error by the values, which only the file's reader has. For F.one_hot write "
                             "(labels[:, None] == np.arange(classes)).astype(np.float32)"),
    "argsort":       Refused("ONNX puts equal elements in another order"),
    "searchsorted":  Refused("it has no counterpart: compare with np.less and count with np.count_nonzero"),
    "isclose":       Refused("it has no counterpart: compare np.abs(a - b) with a bound"),
    "allclose":      _VALUES,
    "array_equal":   _VALUES,
}
