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

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np

from ...rules.reductions import axes_of
from ..program import Variable
from .batched import spread
from .lengths import Length
from .refusals import Refused

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


def _reduced(operator: str, of_truths: Any = None) -> Callable[..., Any]:
    """Return the entry for a reduction, of the elements or of their truth as zeros and ones."""

    def write(to: Any, x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
        ndim = len(to.shape(x))
        axes = axes_of(axis, ndim) if ndim else ()  # NumPy accepts an axis for a 0-d array
        x = to.cast(to.cast(x, bool), of_truths) if of_truths else x
        return getattr(to, operator)(x, to.ints(axes), keepdims=int(keepdims)) if axes else x

    return write


def _truth(operator: str) -> Callable[..., Any]:
    write = _reduced(operator, np.int32)
    return lambda to, x, **params: to.cast(write(to, x, **params), bool)


def _where_extreme(operator: str) -> Callable[..., Any]:
    def write(to: Any, x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        if axis is None and keepdims:
            raise Refused("keepdims=True needs an axis: give the axis")
        if axis is None:
            x, axis = to.Reshape(x, to.ints([-1])), 0
        return getattr(to, operator)(x, axis=axis, keepdims=int(keepdims))

    return write


def _round(to: Any, x: Any, decimals: int = 0) -> Any:
    return to.Div(to.Round(to.Mul(x, 10**decimals)), 10**decimals)


def _floor_divide(to: Any, a: Any, b: Any) -> Any:
    if to.dtype.kind not in "iu":
        raise Refused("NumPy takes the floor before it rounds the quotient: write np.floor(a / b)")
    return to.Div(to.Sub(a, to.Mod(a, b)), b)


def _remainder(to: Any, a: Any, b: Any) -> Any:
    # The remainder of C has the sign of a, NumPy's has the sign of b.
    rest = to.Mod(a, b, fmod=1)
    return to.Where(to.Less(to.Mul(to.Sign(rest), to.Sign(b)), 0), to.Add(rest, b), rest)


def _hypot(to: Any, a: Any, b: Any) -> Any:
    # The larger operand is a factor, so that no square overflows, unless it is 0 or infinite.
    a, b = to.Abs(a), to.Abs(b)
    larger = to.Max(a, b)
    scale = to.Where(to.Or(to.Equal(larger, 0), to.IsInf(larger)), 1, larger)
    a, b = to.Div(a, scale), to.Div(b, scale)
    return to.Mul(scale, to.Sqrt(to.Add(to.Mul(a, a), to.Mul(b, b))))


def _ldexp(to: Any, x: Any, i: Any) -> Any:
    # In two factors, since 2ⁱ alone may be infinite or 0 where the result is not.
    half, two = to.Floor(to.Div(i, 2)), to.cast(2, to.dtype)
    return to.Mul(to.Mul(x, to.Pow(two, half)), to.Pow(two, to.Sub(i, half)))


def _cumprod(to: Any, x: Any, axis: Any) -> Any:
    if to.dtype.kind != "f":
        raise Refused("ONNX has no running product: convert the operand to floats")
    axis, is_odd = to.cast(axis, np.int64), to.cast(to.Less(x, 0), to.dtype)
    negative = to.Mod(to.CumSum(is_odd, axis), 2, fmod=1)
    return to.Mul(to.Sub(1, to.Mul(negative, 2)), to.Exp(to.CumSum(to.Log(to.Abs(x)), axis)))


def _of_truths(operator: str) -> Callable[..., Any]:
    return lambda to, *xs: getattr(to, operator)(*(to.cast(x, bool) for x in xs))


def _of_bits(operator: str) -> Callable[..., Any]:
    return lambda to, *xs: getattr(to, operator if to.dtype == bool else f"Bitwise{operator}")(*xs)


def _reshape(to: Any, x: Any, shape: Any) -> Any:
    # A single length that depends on the batch is written as -1, which ONNX replaces.
    if sum(isinstance(n, Length) for n in shape) <= 1 and not {0, -1} & {n for n in shape if isinstance(n, int)}:
        return to.Reshape(x, to.ints([-1 if isinstance(n, Length) else n for n in shape]))
    return to.Reshape(x, to.ints(shape), allowzero=int(-1 not in shape))


def _pad(to: Any, x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant":
        raise Refused("only mode='constant' can be written")
    widths = np.broadcast_to(np.asarray(pad_width), (len(to.shape(x)), 2))
    return to.Pad(x, to.ints([*widths[:, 0], *widths[:, 1]]), to.wire(constant_values))


def _flip(to: Any, x: Any, axis: Any = None) -> Any:
    return _sliced(to, x, {a: slice(None, None, -1) for a in axes_of(axis, len(to.shape(x)))})


def _length(to: Any, x: Any, axis: int) -> Any:
    return to.Squeeze(to.Shape(x, start=axis, end=axis + 1))


def _numbers(to: Any, n: Any) -> Any:
    """Write the numbers from 0 to a length."""
    return to.Range(to.cast(0, np.int64), n, to.cast(1, np.int64))


def _roll(to: Any, x: Any, shift: Any, axis: Any = None) -> Any:
    y, ndim = (to.Reshape(x, to.ints([-1])), 1) if axis is None else (x, len(to.shape(x)))
    for by, a in np.broadcast(shift, 0 if axis is None else axis):
        n = _length(to, y, int(a) % ndim)
        back = to.Sub(_numbers(to, n), to.cast(by, np.int64))
        # Some runtimes refuse to divide by 0, even if there is nothing to divide.
        y = to.Gather(y, to.Mod(back, to.Max(n, to.cast(1, np.int64))), axis=int(a))
    return to.Reshape(y, to.Shape(x)) if axis is None else y


def _sliced(to: Any, x: Any, slices: dict[int, slice]) -> Any:
    """Write slices of the given axes."""
    starts, ends, steps = [], [], []
    for part in slices.values():
        step = 1 if part.step is None else part.step
        first, last = (0, END) if step > 0 else (END, START)
        starts.append(first if part.start is None else part.start)
        ends.append(last if part.stop is None else part.stop)
        steps.append(step)
    return to.Slice(x, *map(to.ints, (starts, ends, slices, steps))) if slices else x


def _parts(to: Any, index: Any, ndim: int) -> list[Any]:
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
    return spread(parts, ndim)


def _taken(to: Any, x: Any, parts: list[Any]) -> Any:
    """Write an index, in NumPy's order: new axes, slices, then positions."""
    new = [i for i, part in enumerate(parts) if part is None]
    if new:
        x = to.Unsqueeze(x, to.ints(new))
        parts = [slice(None) if part is None else part for part in parts]
    x = _sliced(to, x, {i: p for i, p in enumerate(parts) if isinstance(p, slice) and p != slice(None)})
    positions = {i: part for i, part in enumerate(parts) if not isinstance(part, slice)}
    ndim = max((len(to.shape(part)) for part in positions.values()), default=0)
    places = [to.cast(part, np.int64) for part in positions.values()]
    if len(places) <= 1 or not ndim:
        for axis, place in reversed([*zip(positions, places, strict=True)]):
            x = to.Gather(x, place, axis=axis)
        return x
    shape = to.Shape(reduce(to.Add, places))  # they are broadcast
    columns = [to.Unsqueeze(to.Expand(place, shape), to.ints([-1])) for place in places]
    axes, others = [*positions], [i for i in range(len(parts)) if i not in positions]
    y = to.GatherND(to.Transpose(x, perm=axes + others), to.Concat(*columns, axis=-1))
    # As in NumPy, the axes of adjacent positions stay in place; otherwise they come first.
    first = axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0
    return to.Transpose(y, perm=[*range(ndim, ndim + first), *range(ndim), *range(ndim + first, ndim + len(others))])


def _getitem(to: Any, x: Any, index: Any) -> Any:
    return _taken(to, x, _parts(to, index, len(to.shape(x))))


def _scattered(reduction: str) -> Callable[..., Any]:
    """Return the entry that writes or adds values at positions of an array."""

    def write(to: Any, x: Any, index: Any, value: Any) -> Any:
        if isinstance(index, Variable) and to.value(index) is None and index.dtype == bool:
            if to.shape(value) or reduction == "add":
                raise Refused("only a single number can be written through a mask: use np.where(mask, a, x)")
            mask = to.Unsqueeze(index, to.ints(range(len(to.shape(index)), len(to.shape(x)))))
            return to.Where(to.cast(mask, bool), value, x)
        parts = _parts(to, index, len(to.shape(x)))
        while parts and isinstance(parts[-1], slice) and parts[-1] == slice(None):
            parts.pop()
        # The axes of the index become one, along which rows are written; the same index takes the rows' numbers.
        ndim = sum(part is not None for part in parts)
        row, whole = to.Shape(x, start=ndim), to.ints([-1])
        rows = to.Reshape(x, to.Concat(whole, row, axis=0))
        numbers = to.Reshape(_numbers(to, _length(to, rows, 0)), to.Shape(x, end=ndim))
        places = _taken(to, numbers, parts)
        update = to.Expand(value, to.Concat(to.Shape(places), row, axis=0))
        update = to.Reshape(update, to.Concat(whole, row, axis=0))
        places = to.Unsqueeze(to.Reshape(places, whole), whole)
        return to.Reshape(to.ScatterND(rows, places, update, reduction=reduction), to.Shape(x))

    return write


def _add_to(to: Any, x: Any, index: Any, value: Any) -> Any:
    return _scattered("none")(to, x, index, to.Add(_getitem(to, x, index), value))


def _windows(to: Any, x: Any, window: Any, axes: Any, stride: Any, dilation: Any) -> Any:
    """Write every window of an array; its axes come last."""
    shape, ndim = to.shape(x), len(to.shape(x))
    y, order = x, [*range(ndim)]
    for axis, k, s, d in sorted(zip(axes, window, stride, dilation, strict=True), reverse=True):
        if isinstance(shape[axis], Length):
            raise Refused("the windows go along the batch, whose length the file does not know: use slices")
        starts = np.arange(0, shape[axis] - d * (k - 1), s)
        y = to.Gather(y, to.cast(starts[:, None] + d * np.arange(k), np.int64), axis=axis)
        order.insert(axis + 1, ndim + axes.index(axis))  # the axis becomes two: one of windows and one in them
    return to.Transpose(y, perm=[order.index(i) for i in range(len(order))])


def _sliding_window_view(to: Any, x: Any, window_shape: Any, axis: Any = None) -> Any:
    window = tuple(np.atleast_1d(window_shape).tolist())
    axes, ones = axes_of(axis, len(to.shape(x))), (1,) * len(window)
    return _windows(to, x, window, axes, ones, ones)


def _in_single_precision(operator: str) -> Callable[..., Any]:
    def write(to: Any, x: Any) -> Any:
        if to.dtype.itemsize > 4:
            raise Refused("runtimes have it in single precision alone: use float32, as after model.astype(np.float32)")
        return getattr(to, operator)(x)

    return write


def _window_parts(window: Any, axes: Any, stride: Any) -> Iterator[dict[int, slice]]:
    """Yield for each element of a window the slices of the elements that it meets; for axes of any length."""
    for offset in np.ndindex(*window):
        sides = zip(axes, window, offset, stride, strict=True)
        yield {axis: slice(i, i + 1 - n or None, step) for axis, n, i, step in sides}


def _max_pool(to: Any, x: Any, window: Any, axes: Any, stride: Any) -> Any:
    shape = to.shape(x)
    if len(shape) == len(axes) + 2 and tuple(axes) == (*range(2, len(shape)),) and to.dtype.kind == "f":
        return to.MaxPool(x, kernel_shape=window, strides=stride)
    return reduce(to.Max, [_sliced(to, x, part) for part in _window_parts(window, axes, stride)])


def _moves(how: Any) -> dict[str, Any]:
    """Return the attributes of an operator for the geometry of a convolution."""
    return {"strides": how.stride, "pads": 2 * how.padding, "dilations": how.dilation, "group": how.groups}


def _correlate(to: Any, a: Any, v: Any, margin: int = 0) -> Any:
    a, v = (to.Reshape(x, to.ints([1, 1, -1])) for x in (a, v))
    return to.Reshape(to.Conv(a, v, pads=[margin, margin]), to.ints([-1]))


def _conv2d_input(to: Any, v: Any, w: Any, size: Any, how: Any) -> Any:
    (n, kernels, *count), (_, channels, *kernel) = to.shape(v), to.shape(w)
    if n == 0:  # some runtimes refuse to make images of none
        return to.Expand(0, to.ints((0, how.groups * channels, *size)))
    # A stride maps images of several sizes to one size; the least of them is made without further rows and columns.
    sides = zip(size, count, kernel, how.stride, how.padding, how.dilation, strict=True)
    added = [m - ((c - 1) * s - 2 * p + d * (k - 1) + 1) for m, c, k, s, p, d in sides]
    # The groups are written one by one, since the evaluator of the package onnx takes several for others.
    step, groups = kernels // how.groups, [(v, w)]
    if how.groups > 1:
        parts = [slice(i, i + step) for i in range(0, kernels, step)]
        groups = [(_sliced(to, v, {1: part}), _sliced(to, w, {0: part})) for part in parts]
    moves = _moves(how._replace(groups=1))
    made = [to.ConvTranspose(*group, output_padding=added, **moves) for group in groups]
    return to.Concat(*made, axis=1) if len(made) > 1 else made[0]


def _conv2d_weight(to: Any, x: Any, v: Any, kernel: Any, how: Any) -> Any:
    # The images are kernels of a convolution over the batch: its stride is the step within a window.
    per_group, size = to.shape(x)[1] // how.groups, to.shape(x)[2:]
    x = to.Transpose(to.Reshape(x, to.ints([-1, how.groups, per_group, *size])), perm=[2, 1, 0, 3, 4])
    x = to.Reshape(x, to.ints([per_group, -1, *size]))
    w = to.Conv(x, to.Transpose(v, perm=[1, 0, 2, 3]), **_moves(how._replace(stride=how.dilation, dilation=how.stride)))
    return _sliced(to, to.Transpose(w, perm=[1, 0, 2, 3]), {2: slice(kernel[0]), 3: slice(kernel[1])})


# Operations whose result has another type than their operands, which therefore keep theirs.
OF_ANOTHER_TYPE = {"argmax", "argmin", "count_nonzero", "length"}

# fmt: off

# Primitives, and rules of that name, whose forward expression may have several others.
_ALIKE: dict[str, Entry] = {
    "einsum": lambda to, *xs, subscripts: to.Einsum(*xs, equation=subscripts),
    **{name.lower(): _reduced(f"Reduce{name}") for name in ("Sum", "Mean", "Prod", "Max", "Min")},
}

RULES: dict[str, Entry] = {
    **_ALIKE,
    "linear":    _linear,
    "relu":      "Relu",
    # Not Sigmoid: in some runtimes it is 0 where the result should be small.
    "sigmoid":   lambda to, x: to.Reciprocal(to.Add(to.Exp(to.Neg(x)), 1)),
    # There is no LogSoftmax: some runtimes compute it as log(softmax(z)), which underflows.
    "softmax":   lambda to, z, axis: to.Softmax(z, axis=axis),
    "logsumexp": _reduced("ReduceLogSumExp"),
    "erf":       _in_single_precision("Erf"),
    "conv2d":    lambda to, x, w, how: to.Conv(x, w, **_moves(how)),
    "windows":   _windows,
    "max_pool":  _max_pool,
    "conv2d_input":  _conv2d_input,
    "conv2d_weight": _conv2d_weight,
}

OPERATIONS: dict[str, Entry] = {
    **_ALIKE,
    # one operator, with the same operands
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "negative": "Neg", "power": "Pow",
    "sqrt": "Sqrt", "reciprocal": "Reciprocal", "absolute": "Abs", "exp": "Exp", "log": "Log",
    "sin": "Sin", "cos": "Cos", "tan": "Tan", "arctan": "Atan", "arcsin": "Asin", "arccos": "Acos",
    "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh",
    "maximum": "Max", "minimum": "Min", "matmul": "MatMul",
    "dot": "MatMul",  # programs only use it for matrices
    "sign": "Sign", "floor": "Floor", "ceil": "Ceil",
    "rint": "Round",  # both round halves to even
    "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual", "isnan": "IsNaN", "isinf": "IsInf",
    # arithmetic with Python numbers
    "sub": "Sub", "mul": "Mul", "truediv": "Div", "pow": "Pow", "floordiv": _floor_divide,
    # no computation
    **dict.fromkeys(("positive", "copy", "array"), lambda to, x: x),
    "to":            lambda to, x, device: x,
    # elementwise
    "floor_divide":  _floor_divide,
    "remainder":     _remainder,
    "fmod":          lambda to, a, b: to.Mod(a, b, fmod=1),
    "square":        lambda to, x: to.Mul(x, x),
    # e^x - 1 = tanh(x/2) (e^x + 1), which has no cancellation for x close to 0.
    "expm1":         lambda to, x: to.Mul(to.Tanh(to.Div(x, 2)), to.Add(to.Exp(x), 1)),
    "exp2":          lambda to, x: to.Pow(to.cast(2, to.dtype), x),
    "log2":          lambda to, x: to.Div(to.Log(x), np.log(2)),
    "log10":         lambda to, x: to.Div(to.Log(x), np.log(10)),
    "log1p":         _log1p,
    "logaddexp":     _logaddexp,
    "ldexp":         _ldexp,
    "cbrt":          lambda to, x: to.Mul(to.Sign(x), to.Pow(to.Abs(x), 1 / 3)),
    "hypot":         _hypot,
    "clip":          _clip,
    "where":         lambda to, condition, a, b: to.Where(to.cast(condition, bool), a, b),
    "astype":        lambda to, x, dtype: to.cast(x, dtype),
    **dict.fromkeys(("trunc", "fix"), lambda to, x: to.Mul(to.Sign(x), to.Floor(to.Abs(x)))),
    **dict.fromkeys(("round", "around"), _round),
    "not_equal":     lambda to, a, b: to.Not(to.Equal(a, b)),
    "isposinf":      lambda to, x: to.IsInf(x, detect_negative=0),
    "isneginf":      lambda to, x: to.IsInf(x, detect_positive=0),
    "isfinite":      lambda to, x: to.Not(to.Or(to.IsNaN(x), to.IsInf(x))),
    **{f"logical_{name.lower()}": _of_truths(name) for name in ("And", "Or", "Not", "Xor")},
    **{f"bitwise_{name.lower()}": _of_bits(name) for name in ("And", "Or", "Xor")},
    "invert":        _of_bits("Not"),
    # sums and extremes
    "any":           _truth("ReduceMax"),
    "all":           _truth("ReduceMin"),
    "count_nonzero": _reduced("ReduceSum", np.int64),
    "argmax":        _where_extreme("ArgMax"),
    "argmin":        _where_extreme("ArgMin"),
    "cumsum":        lambda to, x, axis: to.CumSum(x, to.cast(axis, np.int64)),
    "correlate":     _correlate,
    "convolve":      lambda to, a, v: _correlate(to, a, _flip(to, v, 0), to.shape(v)[0] - 1),
    "cumprod":       _cumprod,
    # shapes and places
    "length":        _length,
    "item":          lambda to, x: to.Reshape(x, to.ints([])),
    "reshape":       _reshape,
    "transpose":     lambda to, x, axes: to.Transpose(x, perm=axes) if axes else x,
    "broadcast_to":  lambda to, x, shape: to.Expand(x, to.ints(shape)),
    "full":          lambda to, value, shape, dtype: to.Expand(value, to.ints(shape)),
    "empty":         lambda to, shape, dtype: to.Expand(dtype.type(0), to.ints(shape)),
    "concatenate":   lambda to, *xs, axis: to.Concat(*xs, axis=axis),
    "pad":           _pad,
    "flip":          _flip,
    "roll":          _roll,
    "getitem":       _getitem,
    "take":          _getitem,
    "put":           _scattered("none"),
    "add_to":        _add_to,
    "add_at":        _scattered("add"),
    "sliding_window_view": _sliding_window_view,
    # matrices
    "det":           _in_single_precision("Det"),
    # without a counterpart
    **dict.fromkeys(("solve", "inv", "pinv", "cholesky", "qr", "eigh", "svd", "slogdet", "matrix_rank"),
                    Refused("it has no counterpart: of a matrix that is known beforehand, compute it beforehand")),
    "copysign":      Refused("ONNX does not tell -0 from 0: write np.where(y < 0, -abs(x), abs(x))"),
    "signbit":       Refused("ONNX does not tell -0 from 0: write x < 0"),
    "arctan2":       Refused("ONNX does not tell -0 from 0: write np.arctan(a / b), where b is positive"),
    "spacing":       Refused("ONNX does not have the distance to the next number"),
    **dict.fromkeys(("gcd", "lcm"), Refused("ONNX has no divisors of whole numbers")),
    "bitwise_count": Refused("ONNX does not count bits"),
    "left_shift":    Refused("ONNX shifts numbers without a sign alone: write a * 2**b"),
    "right_shift":   Refused("ONNX shifts numbers without a sign alone: write a // 2**b"),
    "argsort":       Refused("ONNX puts equal elements in another order"),
    **dict.fromkeys(("argpartition", "lexsort"), Refused("it has no counterpart: ONNX sorts by one key alone")),
    **dict.fromkeys(("nanargmax", "nanargmin"),
                    Refused("it has no counterpart: write np.argmax(np.where(np.isnan(x), -np.inf, x))")),
    **dict.fromkeys(("searchsorted", "digitize"),
                    Refused("it has no counterpart: compare with np.less and count with np.count_nonzero")),
    "isin":          Refused("it has no counterpart: compare with == and combine with |"),
    **dict.fromkeys(("isreal", "iscomplex"), Refused("all numbers of a file are real, so it is not needed")),
    "isclose":       Refused("it has no counterpart: compare np.abs(a - b) with a bound"),
    **dict.fromkeys(("allclose", "array_equal", "array_equiv"),
                    Refused("its result depends on values, which only a run of the file has")),
}
