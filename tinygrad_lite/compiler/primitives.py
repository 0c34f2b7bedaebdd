"""The primitives of programs: for each, the NumPy function that computes it and the text that the source has for it.

One table serves both the recording and the source, so they cannot differ. A primitive that can write its result into
given memory has a text for this too. A primitive that is not in a table here cannot be recorded.

>>> of_ufunc(np.add).text("x", "y"), of_ufunc(np.add).text_into("out", "x", "y")
('x + y', 'np.add(x, y, out=out)')
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from inspect import unwrap
from typing import Any

import numpy as np

from ..rules import linalg
from ..support.devices import scatter_add, to_device
from ..support.formatting import numpy_name

LITERAL_SIZE = 64  # the largest number of elements of a constant array in the source

# By the name of a primitive, the operands in which it is linear.
_LINEAR_IN: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("multiply", "matmul", "dot"), (0, 1)),
    **dict.fromkeys(("divide", "negative", "sum", "mean", "copy", "getitem", "take"), (0,)),
    **dict.fromkeys(("reshape", "transpose", "broadcast_to", "flip"), (0,)),
}


@dataclass(frozen=True, eq=False)
class Primitive:
    """One kind of instruction.

    Attributes
    ----------
    name : str
        The name; results that have no better name get it too.
    compute : callable
        ``compute(*operands, **params)`` computes the result from arrays and numbers.
    template : str
        The expression for the source, as a format string. Statements may follow after ``"; "``. It may have the fields
        ``{0}``, ``{1}``, … for the operands, ``{operands}`` for all of them, ``{name}`` for a parameter, ``{options}``
        for all parameters by keyword, ``{arguments}`` for all operands and parameters, and ``{out}`` for the result.
        A field may say how to write an operand, as in ``{1:index}``: see `_Text`.
    template_into : str
        The statements that compute into ``{out}``; empty if the primitive always allocates its result.
    into_on_cpu_alone : bool
        True if NumPy can compute it into given memory, but CuPy cannot.
    elementwise : bool
        True if each element of the result only depends on the elements at its position, so that the result may
        overwrite any operand.
    overwrites_first : bool
        True if the result may overwrite the first operand, but no other.
    is_view : bool
        True if the result may share its operand's memory.
    has_effect : bool
        True if it must run exactly once and in order, even if nothing reads the result.
    is_statement : bool
        True if it has no result, and its template is of statements in place of an expression.
    raises_by : tuple of int
        The positions of the operands, such as indices and exponents, whose integer or Python values may raise an error.
    raises_by_floats : bool
        True if any values may raise an error, such as those of a singular matrix.
    """

    name: str
    compute: Callable[..., Any]
    template: str
    template_into: str = ""
    into_on_cpu_alone: bool = False
    elementwise: bool = False
    overwrites_first: bool = False
    is_view: bool = False
    has_effect: bool = False
    is_statement: bool = False
    raises_by: tuple[int, ...] = ()
    raises_by_floats: bool = False

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    @property
    def linear_in(self) -> tuple[int, ...]:
        """The positions of the operands in which it is linear, each on its own: ``f(s * x) = s * f(x)``."""
        return _LINEAR_IN.get(self.name, ())

    def text(self, *operands: str, **params: Any) -> str:
        """Return the expression for the source, given those of the operands; ``{result}`` stands for the result."""
        return _filled(self.template, operands, params)

    def text_into(self, out: str, *operands: str, **params: Any) -> str:
        """Return the statements that compute into ``out``."""
        return _filled(self.template_into, operands, params | {"out": _Text(out)})


class _Text(str):
    """The text of an operand or a parameter, which a template may write in several ways."""

    def __format__(self, way: str) -> str:
        if way == "term":  # of an infix operator
            return f"({self})" if self.startswith("-") else str(self)
        inside = self[1:-1].rstrip(",") if self.startswith("(") and self.endswith(")") else self
        if way == "index":  # between brackets, without those of a tuple
            return inside or "()"
        if way == "argument" and (":" in self or "..." in self):  # an index outside of brackets
            return f"np.s_[{inside}]"
        return str(self)


def _filled(template: str, operands: tuple[str, ...], params: Mapping[str, Any]) -> str:
    """Return a template with its fields filled in."""
    texts = {name: x if isinstance(x, _Text) else literal(x) for name, x in params.items()}
    options = [f"{name}={text}" for name, text in texts.items()]
    texts = {"out": "{result}", "operands": ", ".join(operands), "options": ", ".join(options)} | texts
    written = map(_Text, operands) if ":" in template else operands
    return template.format(*written, arguments=", ".join([*operands, *options]), **texts)


class _Transpose(Primitive):
    """The transpose, which has shorter texts for the usual order of axes."""

    def text(self, *operands: str, **params: Any) -> str:
        """Return the expression for the source."""
        (x,), axes = operands, params["axes"]
        if axes == (1, 0):
            return f"{x}.T"
        if axes == (*range(len(axes) - 2), len(axes) - 1, len(axes) - 2):
            return f"{x}.mT"
        return super().text(x, axes=axes)


# Power is missing: for some exponents `**` uses another function than `numpy.power`.
# fmt: off
_SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "negative": "-", "invert": "~",
    "floor_divide": "//", "remainder": "%", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
    "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=",
}
# fmt: on


def _with_sign(sign: str, count: int) -> str:
    """Return the template of an operator."""
    return f"{{0:term}} {sign} {{1:term}}" if count > 1 else f"{sign}{{0:term}}"


@cache
def of_ufunc(ufunc: np.ufunc) -> Primitive:
    """Return the primitive of one of `UFUNCS`."""
    name = ufunc.__name__
    call = f"np.{name}({{arguments}})"
    text = _with_sign(_SIGNS[name], ufunc.nin) if name in _SIGNS else call
    raises_by = (1,) if name == "power" else ()
    return Primitive(name, ufunc, text, call, elementwise=ufunc.signature is None, raises_by=raises_by)


@cache
def of_ufunc_of_numbers(ufunc: np.ufunc) -> Primitive:
    """Return the primitive of one of `UFUNCS` on Python numbers.

    It is written as a function, since Python's operators would return another type, and raise an error for 0.0 / 0.0.
    """
    primitive = of_ufunc(ufunc)
    return replace(primitive, template=primitive.template_into)


# The ufuncs that programs may have: all of NumPy's with one result.
UFUNCS = {x for x in vars(np).values() if isinstance(x, np.ufunc) and x.nout == 1}

# The operators on Python numbers that are recorded, by their names in `operator`.
OPERATORS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**"}


@cache
def of_operator(name: str) -> Primitive:
    """Return the primitive of one of `OPERATORS`, or of ``neg``, on Python numbers."""
    text = _with_sign(OPERATORS[name], 2) if name in OPERATORS else _with_sign("-", 1)
    raises_by = (0, 1) if name in ("truediv", "floordiv", "mod", "pow") else ()
    return Primitive(name, getattr(operator, name), text, raises_by=raises_by)


def _function(function: Callable[..., Any], *, into: bool = False, **flags: Any) -> Primitive:
    """Return a primitive that is written as a function of NumPy, such as ``np.roll(x, 1)``."""
    call = f"{numpy_name(function)}({{arguments}})"
    return Primitive(function.__name__, function, call, call if into else "", **flags)


def _method(name: str, **flags: Any) -> Primitive:
    """Return a primitive that is written as a method of its operand, such as ``x.sum(axis=0)``."""
    call = f"{{0}}.{name}({{options}})"
    return Primitive(name, getattr(np, name), call, call, **flags)


def _change(name: str, change: Callable[..., Any], statement: str, **flags: Any) -> Primitive:
    """Return a primitive that changes a copy of its first operand."""

    def compute(x: Any, *operands: Any) -> Any:
        y = x.copy()
        change(y, *operands)
        return y

    template, into = f"{{0}}.copy(); {statement}", f"np.copyto({{out}}, {{0}}); {statement}"
    return Primitive(name, compute, template, into, overwrites_first=True, **flags)


def _add_to(x: Any, index: Any, value: Any) -> None:
    x[index] += value


# fmt: off
reshape = Primitive("reshape", lambda x, shape: x.reshape(shape), "{0}.reshape({shape})", is_view=True)
# A reshape that copies, because of the memory order of its operand, into given memory.
gather = Primitive("gather", lambda x, shape: x.copy().reshape(shape), "{0}.copy().reshape({shape})",
                   "np.copyto({out}.reshape({0}.shape), {0})")
transpose = _Transpose("transpose", lambda x, axes: x.transpose(axes), "{0}.transpose({axes})", is_view=True)
broadcast_to = Primitive("broadcast_to", lambda x, shape: np.broadcast_to(x, shape), "np.broadcast_to({0}, {shape})",
                         is_view=True)
getitem = Primitive("getitem", operator.getitem, "{0}[{1:index}]", is_view=True)
take = replace(getitem, name="take", is_view=False, raises_by=(1,))
put = _change("put", operator.setitem, "{out}[{1:index}] = {2}", raises_by=(1, 2))
add_to = _change("add_to", _add_to, "{out}[{1:index}] += {2}", raises_by=(1, 2))
add_at = _change("add_at", scatter_add, "np.add.at({out}, {1:argument}, {2})", raises_by=(1, 2))
full = Primitive("full", lambda value, shape, dtype: np.full(shape, value, dtype), "np.full({shape}, {0}, {dtype})",
                 "{out}.fill({0})")
# Written into memory that is there, it does nothing.
empty = Primitive("empty", np.zeros, "np.empty({shape}, {dtype})", "np.copyto({out}, {out})")
copy = Primitive("copy", lambda x: x.copy(), "{0}.copy()", "np.copyto({out}, {0})", elementwise=True)
astype = Primitive("astype", lambda x, dtype: x.astype(dtype), "{0}.astype({dtype})",
                   'np.copyto({out}, {0}, casting="unsafe")')
item = Primitive("item", lambda x: x.item(), "{0}.item()")
array = Primitive("array", np.asarray, "np.asarray({0})")
where = Primitive("where", np.where, "np.where({operands})",
                  "np.copyto({out}, {2}); np.copyto({out}, {1}, where={0})")
concatenate = Primitive("concatenate", lambda *xs, axis: np.concatenate(xs, axis),
                        "np.concatenate([{operands}], {options})", "np.concatenate([{operands}], {options})")
einsum = Primitive("einsum", lambda *xs, subscripts: np.einsum(subscripts, *xs), "np.einsum({subscripts}, {operands})",
                   "np.einsum({subscripts}, {operands}, out={out})", into_on_cpu_alone=True)
convolve, correlate = _function(np.convolve), _function(np.correlate)
lexsort = Primitive("lexsort", lambda *keys, axis: np.lexsort(keys, axis), "np.lexsort([{operands}], {options})")
dot = _function(np.dot, into=True)
add_product = Primitive("add_product", lambda c, a, b: c + a @ b, "{0} + {1} @ {2}",
                        "np.copyto({out}, {0}); add_product({out}, {1}, {2})", overwrites_first=True)
subtract_product = Primitive("subtract_product", lambda c, a, b: c - a @ b, "{0} - {1} @ {2}",
                             "np.copyto({out}, {0}); subtract_product({out}, {1}, {2})", overwrites_first=True)
ADDING_PRODUCTS = add_product, subtract_product
# Moves an array to the device of the program.
to = Primitive("to", to_device, "np.asarray({0})")
# The recording sends nothing, since other ranks may have their program already, which sends once in each call.
all_reduce = _change("all_reduce", lambda x, function: None, "{1}({out})", has_effect=True)
# fmt: on

REDUCTIONS = {name: _method(name) for name in ("sum", "prod", "max", "mean", "any", "all", "argmax", "argmin")}
REDUCTIONS["min"] = _method("min", into_on_cpu_alone=True)  # CuPy's raises an error for ``out``

FUNCTIONS: dict[Callable[..., Any], Primitive] = {
    **{getattr(np, name): primitive for name, primitive in REDUCTIONS.items()},
    **{f: _function(f, into=True) for f in (np.cumsum, np.cumprod, np.round, np.around)},
    **{f: _function(f) for f in (np.roll, np.pad, np.fix, np.argsort, np.sort, np.count_nonzero, np.searchsorted)},
    **{f: _function(f) for f in (np.isclose, np.allclose, np.array_equal, np.median)},
    # Of plain arrays alone, which keep NumPy's types; of a Tensor they are composed.
    **{f: _function(f) for f in (np.partition, np.quantile, np.percentile, np.cov, np.corrcoef)},
    **{f: _function(f) for f in (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin)},
    **{f: _function(f) for f in (np.nanmedian, np.nanquantile, np.nanpercentile, np.nancumsum, np.nancumprod)},
    **{f: _function(f) for f in (np.sinc, np.i0, np.angle, np.unwrap, np.nan_to_num, np.interp)},
    **{f: _function(f) for f in (np.argpartition, np.nanargmax, np.nanargmin, np.digitize, np.isin, np.array_equiv)},
    **{f: _function(f) for f in (np.isposinf, np.isneginf, np.isreal, np.iscomplex)},
    np.lib.stride_tricks.sliding_window_view: _function(np.lib.stride_tricks.sliding_window_view, is_view=True),
    np.clip: _function(np.clip, into=True, elementwise=True),
    np.flip: _function(np.flip, is_view=True),
    **{
        f: _function(f, raises_by_floats=True)
        for f in (np.linalg.solve, np.linalg.inv, np.linalg.pinv, np.linalg.cholesky, np.linalg.matrix_rank)
    },
    np.linalg.det: _function(np.linalg.det),
}

# How a function with several results is written, which a helper of rules puts into one array.
_STACKED = {
    linalg.stacked_slogdet: "np.stack(np.linalg.slogdet({0}), axis=-1)",
    linalg.stacked_qr: "np.concatenate(np.linalg.qr({0}), axis=-2)",
    linalg.stacked_eigh: "np.linalg.eigh({0}, {1}); "
    "{out} = np.concatenate([{out}[0][..., None, :], {out}[1]], axis=-2)",
    linalg.stacked_svd: "np.linalg.svd({0}, full_matrices=False); "
    "{out} = np.concatenate([{out}[0], {out}[1][..., None, :], {out}[2].mT], axis=-2)",
}
OF_HELPERS: dict[Callable[..., Any], Primitive] = {
    unwrap(f): Primitive(f.__name__.removeprefix("stacked_"), f, template, raises_by_floats=True)
    for f, template in _STACKED.items()
}

# Functions of several arrays whose result's shape only depends on their shapes, not on their values.
OF_SEVERAL = {np.clip, np.searchsorted, np.isclose, np.allclose, np.array_equal, np.interp}
OF_SEVERAL |= {np.quantile, np.percentile, np.nanquantile, np.nanpercentile}
OF_SEVERAL |= {np.cov, np.corrcoef, np.digitize, np.isin, np.array_equiv}

_FILLING = ("random", "standard_normal", "standard_exponential")


@cache
def of_draw(method: str, names: tuple[str, ...], is_of_generator: bool) -> Primitive:
    """Return the primitive of a method that draws, ``rng.random(size=(3, 4))``; of a Generator or a RandomState."""
    given = {name: f"{name}={{{i}}}" for i, name in enumerate(names, 1)}
    without_size = [text for name, text in given.items() if name != "size"]
    # These methods of NumPy have an ``out``, and draw the same numbers with it.
    fills = is_of_generator and method in _FILLING
    return Primitive(
        name=method,
        compute=lambda rng, *values: getattr(rng, method)(**dict(zip(names, values, strict=True))),
        template=f"{{0}}.{method}({', '.join(given.values())})",
        template_into=f"{{0}}.{method}({', '.join([*without_size, 'out={out}'])})" if fills else "",
        has_effect=True,
    )


def of_check(error: type[Exception], message: str) -> Primitive:
    """Return the primitive that raises an error if its operand is false."""

    def compute(holds: Any) -> Any:
        if not holds:
            raise error(message)
        return holds

    written = repr(message).replace("{", "{{").replace("}", "}}")
    template = f"if not {{0}}:\n    raise {numpy_name(error).removeprefix('builtins.')}({written})"
    return Primitive("check", compute, template, has_effect=True, is_statement=True)


def literal(value: Any) -> str:
    """Return the source text of a constant."""
    if isinstance(value, np.ndarray):
        return _pattern(value) or f"np.array({literal(value.tolist())}, {literal(value.dtype)})"
    if isinstance(value, (type, np.dtype)):
        dtype = np.dtype(value)
        return "bool" if dtype.kind == "b" else f"np.{dtype.name}"
    if isinstance(value, np.generic):
        # CuPy has no np.True_, and no number is written as nan or inf.
        is_plain = value.dtype != bool and np.isfinite(value)
        return repr(value) if is_plain else f"np.{value.dtype.name}({literal(value.item())})"
    if isinstance(value, complex):
        return f"complex({literal(value.real)}, {literal(value.imag)})"
    if isinstance(value, float) and not np.isfinite(value):
        return f"{'-' if value < 0 else ''}np.{'nan' if np.isnan(value) else 'inf'}"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, slice):
        parts = ["" if end is None else literal(end) for end in (value.start, value.stop, value.step)]
        return ":".join(parts if value.step is not None else parts[:2])
    if isinstance(value, str):
        return json.dumps(value)  # with double quotes
    if isinstance(value, Enum):
        return literal(value.value)
    return "..." if value is Ellipsis else repr(value)


def _pattern(x: np.ndarray[Any, Any]) -> str:
    """Return a short expression for an array of a simple pattern; an empty text for any other array."""
    dtype = literal(x.dtype)
    if not x.size:
        return f"np.empty({x.shape}, {dtype})"
    if x.size > 1 and x.tobytes() == np.full_like(x, x.flat[0]).tobytes():
        first = literal(x.flat[0].item())
        names = dict.fromkeys(("1", "1.0", "True"), "ones") | dict.fromkeys(("0", "0.0", "False"), "zeros")
        function = names.get(first)
        return f"np.{function}({x.shape}, {dtype})" if function else f"np.full({x.shape}, {first}, {dtype})"
    if x.ndim == 2 and x.shape[0] == x.shape[1] > 1 and x.tobytes() == np.eye(len(x), dtype=x.dtype).tobytes():
        return f"np.eye({len(x)}, dtype={dtype})"
    if x.ndim == 1 and x.dtype.kind == "i" and x.size > 2 and np.array_equal(x, np.arange(int(x[0]), int(x[-1]) + 1)):
        return f"np.arange({x[0]}, {int(x[-1]) + 1}, dtype={dtype})"
    return ""


def is_literal(x: np.ndarray[Any, Any]) -> bool:
    """Return True for a constant array that is written in the source, False for one that is too large for it."""
    return x.size <= LITERAL_SIZE or bool(_pattern(x))
