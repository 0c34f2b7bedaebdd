"""The primitives of programs: for each, the NumPy function that computes it and the text that the source has for it.

One table serves both the recording and the source, so they cannot differ. A primitive that can write its result into
given memory has a text for this too. A primitive that is not in a table here cannot be recorded.

>>> of_ufunc(np.add).text("x", "y"), of_ufunc(np.add).text_into("out", "x", "y")
('x + y', 'np.add(x, y, out=out)')
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

import numpy as np

from ..support.devices import scatter_add, to_device

LITERAL_SIZE = 64  # the largest number of elements of a constant array in the source

Text = Callable[..., str]


@dataclass(frozen=True, eq=False)
class Primitive:
    """One kind of instruction.

    Attributes
    ----------
    name : str
        The name; results that have no better name get it too.
    compute : callable
        ``compute(*operands, **params)`` computes the result from arrays and numbers.
    text : callable
        ``text(*operands, **params)`` returns the expression for the source, given those of the operands. Statements
        may follow after ``"; "``; in them ``{result}`` stands for the result.
    text_into : callable or None
        ``text_into(out, *operands, **params)`` returns statements that compute into ``out``; None if the primitive
        always allocates its result.
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
        True if it has no result, and ``text`` returns statements in place of an expression.
    linear_in : tuple of int
        The positions of the operands in which it is linear, each on its own: ``f(s * x) = s * f(x)``.
    raises_by : tuple of int
        The positions of the operands, such as indices and exponents, whose integer or Python values may raise an error.
    """

    name: str
    compute: Callable[..., Any]
    text: Text
    text_into: Text | None = None
    into_on_cpu_alone: bool = False
    elementwise: bool = False
    overwrites_first: bool = False
    is_view: bool = False
    has_effect: bool = False
    is_statement: bool = False
    linear_in: tuple[int, ...] = ()
    raises_by: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


# Power is missing: for some exponents `**` uses another function than `numpy.power`.
# fmt: off
_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@",
    "floor_divide": "//", "remainder": "%", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
    "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=",
}
# fmt: on
_PREFIX = {"negative": "-", "invert": "~"}
_LINEAR = {
    "multiply": (0, 1),
    "matmul": (0, 1),
    "dot": (0, 1),
    "flip": (0,),
    "divide": (0,),
    "negative": (0,),
    "sum": (0,),
    "mean": (0,),
}


@cache
def of_ufunc(ufunc: np.ufunc, of_numbers: bool = False) -> Primitive:
    """Return the primitive of a ufunc of NumPy; raise `KeyError` for other ufuncs.

    For Python numbers it is written as a function, since Python's operators would return another type, and raise an
    error for 0.0 / 0.0.
    """
    name = ufunc.__name__
    if getattr(np, name, None) is not ufunc or ufunc.nout != 1:
        raise KeyError(name)

    def text(*operands: str) -> str:
        if name in _INFIX and not of_numbers:
            return f" {_INFIX[name]} ".join(map(_bracketed, operands))
        if name in _PREFIX and not of_numbers:
            return f"{_PREFIX[name]}{_bracketed(operands[0])}"
        return f"np.{name}({', '.join(operands)})"

    return Primitive(
        name=name,
        compute=ufunc,
        text=text,
        text_into=lambda out, *operands: f"np.{name}({', '.join(operands)}, out={out})",
        elementwise=ufunc.signature is None,
        linear_in=_LINEAR.get(name, ()),
        raises_by=(1,) if name == "power" else (),
    )


def _bracketed(operand: str) -> str:
    return f"({operand})" if operand.startswith("-") else operand


def _arguments(params: dict[str, Any]) -> list[str]:
    """Return the text of parameters as keyword arguments."""
    return [f"{name}={literal(value)}" for name, value in params.items()]


def _reduction(name: str) -> Primitive:
    """Return a primitive that is written as a method of its operand, such as ``x.sum(axis=0)``."""
    return Primitive(
        name=name,
        compute=lambda x, **params: getattr(x, name)(**params),
        text=lambda x, **params: f"{x}.{name}({', '.join(_arguments(params))})",
        text_into=lambda out, x, **params: f"{x}.{name}({', '.join([*_arguments(params), f'out={out}'])})",
        linear_in=_LINEAR.get(name, ()),
    )


def _function(function: Callable[..., Any], *, into: bool = False, **flags: Any) -> Primitive:
    """Return a primitive that is written as a function of NumPy, such as ``np.roll(x, 1)``."""
    name = function.__name__

    def text(*operands: str, **params: Any) -> str:
        return f"np.{name}({', '.join([*operands, *_arguments(params)])})"

    def text_into(out: str, *operands: str, **params: Any) -> str:
        return f"np.{name}({', '.join([*operands, *_arguments(params), f'out={out}'])})"

    return Primitive(
        name=name,
        compute=function,
        text=text,
        text_into=text_into if into else None,
        linear_in=_LINEAR.get(name, ()),
        **flags,
    )


def _index_text(index: str) -> str:
    """Return an index without the brackets of a tuple."""
    inside = index[1:-1].rstrip(",") if index.startswith("(") and index.endswith(")") else index
    return inside or "()"


def _index_argument(index: str) -> str:
    """Return an index as a function argument, where slices cannot be written with colons."""
    return f"np.s_[{_index_text(index)}]" if ":" in index or "..." in index else index


def _transposed(x: str, axes: tuple[int, ...]) -> str:
    if axes == (1, 0):
        return f"{x}.T"
    if axes == (*range(len(axes) - 2), len(axes) - 1, len(axes) - 2):
        return f"{x}.mT"
    return f"{x}.transpose({literal(axes)})"


def _put(x: Any, index: Any, value: Any) -> Any:
    y = x.copy()
    y[index] = value
    return y


def _add_at(x: Any, index: Any, value: Any) -> Any:
    y = x.copy()
    scatter_add(y, index, value)
    return y


REDUCTIONS = {
    name: _reduction(name) for name in ("sum", "prod", "max", "min", "mean", "any", "all", "argmax", "argmin")
}
# CuPy's raises an error for ``out``.
REDUCTIONS["min"] = replace(REDUCTIONS["min"], into_on_cpu_alone=True)

reshape = Primitive(
    "reshape", lambda x, shape: x.reshape(shape), lambda x, shape: f"{x}.reshape({literal(shape)})",
    is_view=True, linear_in=(0,),
)  # fmt: skip

transpose = Primitive(
    "transpose", lambda x, axes: x.transpose(axes), _transposed, is_view=True, linear_in=(0,),
)  # fmt: skip

broadcast_to = Primitive(
    "broadcast_to", lambda x, shape: np.broadcast_to(x, shape), lambda x, shape: f"np.broadcast_to({x}, {shape})",
    is_view=True, linear_in=(0,),
)  # fmt: skip

flip = _function(np.flip, is_view=True)

getitem = Primitive(
    "getitem", lambda x, index: x[index], lambda x, index: f"{x}[{_index_text(index)}]", is_view=True, linear_in=(0,),
)  # fmt: skip

take = Primitive(
    "take", lambda x, index: x[index], lambda x, index: f"{x}[{_index_text(index)}]", linear_in=(0,), raises_by=(1,),
)  # fmt: skip

put = Primitive(
    "put", _put, lambda x, index, value: f"{x}.copy(); {{result}}[{_index_text(index)}] = {value}",
    lambda out, x, index, value: f"np.copyto({out}, {x}); {out}[{_index_text(index)}] = {value}",
    overwrites_first=True, raises_by=(1, 2),
)  # fmt: skip

add_at = Primitive(
    "add_at", _add_at, lambda x, index, value: f"{x}.copy(); np.add.at({{result}}, {_index_argument(index)}, {value})",
    lambda out, x, index, value: f"np.copyto({out}, {x}); np.add.at({out}, {_index_argument(index)}, {value})",
    overwrites_first=True, raises_by=(1, 2),
)  # fmt: skip

full = Primitive(
    "full", lambda value, shape, dtype: np.full(shape, value, dtype),
    lambda value, shape, dtype: f"np.full({shape}, {value}, {literal(dtype)})",
    lambda out, value, shape, dtype: f"{out}.fill({value})",
)  # fmt: skip

copy = Primitive(
    "copy", lambda x: x.copy(), lambda x: f"{x}.copy()", lambda out, x: f"np.copyto({out}, {x})",
    elementwise=True, linear_in=(0,),
)  # fmt: skip

astype = Primitive(
    "astype", lambda x, dtype: x.astype(dtype), lambda x, dtype: f"{x}.astype({literal(dtype)})",
    lambda out, x, dtype: f'np.copyto({out}, {x}, casting="unsafe")',
)  # fmt: skip

item = Primitive("item", lambda x: x.item(), lambda x: f"{x}.item()")

array = Primitive("array", np.asarray, lambda x: f"np.asarray({x})")

where = Primitive(
    "where", np.where, lambda condition, a, b: f"np.where({condition}, {a}, {b})",
    lambda out, condition, a, b: f"np.copyto({out}, {b}); np.copyto({out}, {a}, where={condition})",
)  # fmt: skip

concatenate = Primitive(
    "concatenate", lambda *xs, axis: np.concatenate(xs, axis),
    lambda *xs, axis: f"np.concatenate([{', '.join(xs)}], axis={axis})",
    lambda out, *xs, axis: f"np.concatenate([{', '.join(xs)}], axis={axis}, out={out})",
)  # fmt: skip

einsum = Primitive(
    "einsum", lambda *xs, subscripts: np.einsum(subscripts, *xs),
    lambda *xs, subscripts: f'np.einsum("{subscripts}", {", ".join(xs)})',
    lambda out, *xs, subscripts: f'np.einsum("{subscripts}", {", ".join(xs)}, out={out})',
    into_on_cpu_alone=True,
)  # fmt: skip

dot = _function(np.dot, into=True)

# Moves an array to the device of the program.
to = Primitive("to", to_device, lambda x, device: f"np.asarray({x})")

# The recording sends nothing, since other ranks may have their program already, which sends once in each call.
all_reduce = Primitive(
    "all_reduce", lambda x, function: x.copy(),
    lambda x, function: f"{x}.copy(); {function}({{result}})",
    lambda out, x, function: f"np.copyto({out}, {x}); {function}({out})",
    overwrites_first=True, has_effect=True,
)  # fmt: skip

FUNCTIONS: dict[Callable[..., Any], Primitive] = {
    **{f: _function(f, into=True) for f in (np.cumsum, np.cumprod, np.round)},
    np.clip: _function(np.clip, into=True, elementwise=True),
    **{f: _function(f) for f in (np.roll, np.pad, np.argsort, np.sort, np.count_nonzero, np.searchsorted)},
    **{f: _function(f) for f in (np.isclose, np.allclose, np.array_equal, np.tril, np.triu, np.diff, np.trace)},
    **{f: _function(f) for f in (np.repeat, np.tile, np.median)},
    np.take_along_axis: _function(np.take_along_axis, raises_by=(1,)),
}


_FILLING = ("random", "standard_normal", "standard_exponential")

# Functions of several arrays whose result's shape only depends on their shapes, not on their values.
OF_SEVERAL = {np.clip, np.searchsorted, np.isclose, np.allclose, np.array_equal, np.take_along_axis}


@cache
def of_draw(method: str, is_of_generator: bool) -> Primitive:
    """Return the primitive of a method that draws, ``rng.random(size=(3, 4))``; of a Generator or a RandomState."""

    def arguments(values: tuple[str, ...], names: tuple[str, ...], left_out: str | None = None) -> list[str]:
        pairs = [(name, x) for name, x in zip(names, values, strict=True) if name != left_out]
        return [f"{name}={x}" if name else x for name, x in pairs]

    def compute(rng: Any, *values: Any, names: tuple[str, ...]) -> Any:
        draw = getattr(rng, method)
        return draw(**dict(zip(names, values, strict=True))) if all(names) else draw(*values)

    def text(rng: str, *values: str, names: tuple[str, ...]) -> str:
        return f"{rng}.{method}({', '.join(arguments(values, names))})"

    def text_into(out: str, rng: str, *values: str, names: tuple[str, ...]) -> str:
        return f"{rng}.{method}({', '.join([*arguments(values, names, 'size'), f'out={out}'])})"

    return Primitive(
        name=method,
        compute=compute,
        text=text,
        # These methods of NumPy have an ``out``, and draw the same numbers with it.
        text_into=text_into if is_of_generator and method in _FILLING else None,
        has_effect=True,
    )


@cache
def of_numbers(name: str) -> Primitive:
    """Return the primitive of an operator on Python numbers, by the name of its function in `operator`."""
    signs = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**", "floordiv": "//", "mod": "%"}
    if name == "neg":
        return Primitive("negative", operator.neg, lambda x: f"-{_bracketed(x)}")
    sign = signs[name]
    raises_by = (0, 1) if name in ("truediv", "floordiv", "mod", "pow") else ()
    return Primitive(
        name, getattr(operator, name), lambda a, b: f"{_bracketed(a)} {sign} {_bracketed(b)}", raises_by=raises_by
    )


def of_check(error: type[Exception], message: str) -> Primitive:
    """Return the primitive that raises an error if its operand is false."""

    def compute(holds: Any) -> Any:
        if not holds:
            raise error(message)
        return holds

    raising = f"raise {error.__name__}({message!r})"
    return Primitive(
        "check", compute, lambda holds: f"if not {holds}:\n    {raising}", has_effect=True, is_statement=True
    )


def literal(value: Any) -> str:
    """Return the source text of a constant.

    Raises
    ------
    KeyError
        If it is a large array without a short expression.
    """
    if isinstance(value, np.ndarray):
        return _array_literal(value)
    if isinstance(value, np.dtype):
        return "bool" if value.kind == "b" else f"np.{value.name}"
    if isinstance(value, np.bool):
        return f"np.bool({value})"  # CuPy has no np.True_
    if isinstance(value, np.generic):
        return repr(value) if np.isfinite(value) else f"np.{value.dtype.name}({literal(value.item())})"
    if isinstance(value, complex):
        return f"complex({literal(value.real)}, {literal(value.imag)})"
    if isinstance(value, float) and not np.isfinite(value):
        return "np.nan" if value != value else f"{'-' if value < 0 else ''}np.inf"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, slice):
        parts = ["" if end is None else literal(end) for end in (value.start, value.stop, value.step)]
        return ":".join(parts if value.step is not None else parts[:2])
    if value is Ellipsis:
        return "..."
    if isinstance(value, type):
        return f"np.{value.__name__}" if issubclass(value, np.generic) else value.__name__
    return literal(value.value) if isinstance(value, Enum) else repr(value)


def _array_literal(x: np.ndarray[Any, Any]) -> str:
    dtype = literal(x.dtype)
    if x.size > 1 and x.tobytes() == np.full_like(x, x.flat[0]).tobytes():
        return f"np.full({x.shape}, {literal(x.flat[0].item())}, {dtype})"
    if x.ndim == 2 and x.shape[0] == x.shape[1] > 1 and x.tobytes() == np.eye(len(x), dtype=x.dtype).tobytes():
        return f"np.eye({len(x)}, dtype={dtype})"
    if x.ndim == 1 and x.dtype.kind == "i" and x.size > 2 and np.array_equal(x, np.arange(int(x[0]), int(x[-1]) + 1)):
        return f"np.arange({x[0]}, {int(x[-1]) + 1}, dtype={dtype})"
    if x.size > LITERAL_SIZE:
        raise KeyError("array")
    if not x.size:
        return f"np.empty({x.shape}, {dtype})"
    return f"np.array({literal(x.tolist())}, {dtype})"


def is_literal(value: Any) -> bool:
    """Return True if `literal` has a text for a constant."""
    try:
        literal(value)
    except KeyError:
        return False
    return True
