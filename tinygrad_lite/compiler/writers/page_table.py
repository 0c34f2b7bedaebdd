"""The table of JavaScript for the primitives of a program.

An entry is the definition of a function from the helpers of ``runtime.js``, where its elements are called ``a``, ``b``
and ``c``; or empty, if ``runtime.js`` has the function; or a `Refused` with the reason why there is none. A page only
contains the definitions that its program uses.

>>> OPERATIONS["maximum"].text
'elementwise((a, b) => Math.max(a, b))'
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .refusals import Refused

FLOATS, TRUTHS, COUNTS, ANY = "f", "b", "i", "fbi"  # NumPy's kinds of types


class Function(NamedTuple):
    """A function of the page.

    Attributes
    ----------
    text : str
        Its definition; empty if it is in ``runtime.js``.
    kinds : str
        The kinds of types that its result may have.
    options : tuple of str
        The parameters that it takes.
    """

    text: str
    kinds: str = FLOATS
    options: tuple[str, ...] = ()


def _of_elements(expression: str, kinds: str = FLOATS) -> Function:
    letters = ", ".join(sorted({*re.findall(r"\b[abc]\b", expression)}))
    return Function(f"elementwise(({letters}) => {expression}{', Uint8Array' * (kinds == TRUTHS)})", kinds)


def _joined(expression: str, start: str, kinds: str = FLOATS) -> Function:
    """Return a reduction: the expression adds an element ``a`` to the ``total``."""
    types = {FLOATS: "", TRUTHS: ", Uint8Array", COUNTS: ", Float64Array"}
    return Function(f"reduction((total, a) => {expression}, {start}{types[kinds]})", kinds, ("axis", "keepdims"))


def _in_runtime(*options: str, kinds: str = ANY) -> Function:
    return Function("", kinds, options)


def _first(better: str) -> Function:
    return Function(f"extreme((a, b) => {better})", COUNTS, ("axis", "keepdims"))


# fmt: off

OPERATIONS: dict[str, Function | Refused] = {
    # elementwise
    "add":           _of_elements("a + b"),
    "subtract":      _of_elements("a - b"),
    "multiply":      _of_elements("a * b"),
    "divide":        _of_elements("a / b"),
    "negative":      _of_elements("-a"),
    "absolute":      _of_elements("Math.abs(a)"),
    "fabs":          _of_elements("Math.abs(a)"),
    "sign":          _of_elements("Math.sign(a)"),
    "copysign":      _of_elements("b < 0 || Object.is(b, -0) ? -Math.abs(a) : Math.abs(a)"),
    "square":        _of_elements("a * a"),
    "reciprocal":    _of_elements("1 / a"),
    # In JavaScript 1 to the power of anything that is not finite is not a number, and in NumPy it is 1.
    "power":         _of_elements("a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b"),
    "sqrt":          _of_elements("Math.sqrt(a)"),
    "cbrt":          _of_elements("Math.cbrt(a)"),
    "hypot":         _of_elements("Math.hypot(a, b)"),
    "exp":           _of_elements("Math.exp(a)"),
    "exp2":          _of_elements("2 ** a"),
    "expm1":         _of_elements("Math.expm1(a)"),
    "log":           _of_elements("Math.log(a)"),
    "log2":          _of_elements("Math.log2(a)"),
    "log10":         _of_elements("Math.log10(a)"),
    "log1p":         _of_elements("Math.log1p(a)"),
    "sin":           _of_elements("Math.sin(a)"),
    "cos":           _of_elements("Math.cos(a)"),
    "tan":           _of_elements("Math.tan(a)"),
    "arcsin":        _of_elements("Math.asin(a)"),
    "arccos":        _of_elements("Math.acos(a)"),
    "arctan":        _of_elements("Math.atan(a)"),
    "arctan2":       _of_elements("Math.atan2(a, b)"),
    "sinh":          _of_elements("Math.sinh(a)"),
    "cosh":          _of_elements("Math.cosh(a)"),
    "tanh":          _of_elements("Math.tanh(a)"),
    "arcsinh":       _of_elements("Math.asinh(a)"),
    "arccosh":       _of_elements("Math.acosh(a)"),
    "arctanh":       _of_elements("Math.atanh(a)"),
    "maximum":       _of_elements("Math.max(a, b)"),
    "minimum":       _of_elements("Math.min(a, b)"),
    "floor":         _of_elements("Math.floor(a)"),
    "ceil":          _of_elements("Math.ceil(a)"),
    "trunc":         _of_elements("Math.trunc(a)"),
    "fix":           _of_elements("Math.trunc(a)"),
    "rint":          _of_elements("rounded(a)"),
    "fmod":          _of_elements("a % b"),
    "remainder":     _of_elements("(a % b) * b < 0 ? (a % b) + b : a % b"),
    "where":         _of_elements("a ? b : c"),
    "clip":          Function("(x, low, high) => clipped(x, low ?? -Infinity, high ?? Infinity)"),
    # truths
    "equal":         _of_elements("a === b", TRUTHS),
    "not_equal":     _of_elements("a !== b", TRUTHS),
    "less":          _of_elements("a < b", TRUTHS),
    "less_equal":    _of_elements("a <= b", TRUTHS),
    "greater":       _of_elements("a > b", TRUTHS),
    "greater_equal": _of_elements("a >= b", TRUTHS),
    "logical_and":   _of_elements("a && b ? 1 : 0", TRUTHS),
    "logical_or":    _of_elements("a || b ? 1 : 0", TRUTHS),
    "logical_xor":   _of_elements("!a !== !b", TRUTHS),
    "logical_not":   _of_elements("!a", TRUTHS),
    "bitwise_and":   _of_elements("a & b", TRUTHS),
    "bitwise_or":    _of_elements("a | b", TRUTHS),
    "bitwise_xor":   _of_elements("a ^ b", TRUTHS),
    "invert":        _of_elements("!a", TRUTHS),
    "isnan":         _of_elements("Number.isNaN(a)", TRUTHS),
    "isinf":         _of_elements("Math.abs(a) === Infinity", TRUTHS),
    "isfinite":      _of_elements("Number.isFinite(a)", TRUTHS),
    # sums and extremes
    "sum":           _joined("total + a", "0"),
    "prod":          _joined("total * a", "1"),
    "max":           _joined("Math.max(total, a)", "-Infinity"),
    "min":           _joined("Math.min(total, a)", "Infinity"),
    "mean":          _in_runtime("axis", "keepdims", kinds=FLOATS),
    "any":           _joined("total || a !== 0", "0", TRUTHS),
    "all":           _joined("total && a !== 0", "1", TRUTHS),
    "count_nonzero": _joined("total + (a !== 0)", "0", COUNTS),
    "argmax":        _first("a > b"),
    "argmin":        _first("a < b"),
    # shapes and places
    "astype":        _in_runtime("dtype"),
    "full":          _in_runtime("shape", "dtype", kinds=FLOATS),
    "broadcast_to":  _in_runtime("shape"),
    "reshape":       _in_runtime("shape"),
    "transpose":     _in_runtime("axes"),
    "flip":          _in_runtime("axis"),
    "concatenate":   _in_runtime("axis"),
    "getitem":       _in_runtime("index"),
    "take":          _in_runtime("positions"),
    "pad":           _in_runtime("pad_width", "mode", "constant_values"),
    "sliding_window_view": _in_runtime("window_shape", "axis"),
    # products
    "matmul":        _in_runtime(kinds=FLOATS),
    "dot":           _in_runtime(kinds=FLOATS),
    # without a counterpart
    "floor_divide":  Refused("NumPy takes the floor before it rounds the quotient: write np.floor(a / b)"),
    "einsum":        Refused("write it with @, transpose and sum"),
    **dict.fromkeys(("put", "add_to", "add_at"),
                    Refused("a page does not change arrays in place: write np.where or np.concatenate")),
    **dict.fromkeys(("solve", "inv", "pinv", "det", "cholesky", "qr", "eigh", "svd", "slogdet", "matrix_rank"),
                    Refused("it has no counterpart: of a matrix that is known beforehand, compute it beforehand")),
}
