"""Symbols: values that remember the formula they were computed by.

A rule that is called with symbols in place of arrays returns its own formula. Each symbol also holds an array of real
numbers, so shapes are known, and a rule that decides by a shape (which axes broadcast, say) takes the right branch.

>>> x = Symbol(Name("x"), np.array([1.0, 2.0]), Scope())
>>> np.exp(x) + 1
<symbol exp(x) + 1>
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..rules import Rule
from .expressions import Call, Expression, Number, Word, write
from .values import AppliedModule, Name, Value

_LETTERS = "nmklpq"
_REDUCTIONS = ("sum", "mean", "prod", "max", "min")


@dataclass(frozen=True)
class Scope:
    """The names that are known while a formula is read.

    Attributes
    ----------
    sizes : dict
        The letter for each length of an axis; other lengths are written as numbers.
    parameters : dict
        The names of a rule's parameters, by the ``id`` of their values.
    """

    sizes: Mapping[int, str] = field(default_factory=dict)
    parameters: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: list[Any], parameters: Mapping[str, Any]) -> Scope:
        """Return the scope of a rule's sample: a letter for each length, names for its parameters."""
        lengths = dict.fromkeys(n for array in arrays for n in np.shape(array) if n > 1)
        named = {id(x): name for name, x in parameters.items() if not isinstance(x, (int, float, str, type(None)))}
        letters = [letter for letter in _LETTERS if letter not in parameters]
        return cls(dict(zip(lengths, letters, strict=False)), named)

    def size(self, n: int) -> Size:
        """Return the length of an axis as a `Size`, which is written by its letter."""
        return Size(n, Name(self.sizes[n]) if n in self.sizes else Number(n), self)


class NotAnExpression(TypeError):
    """The code assigns to elements of an array, which a formula cannot show."""


def _operator(function: str, compute: Callable[[Any, Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return an operator on sizes, and its reflected form; an int result is a `Size`, a float result a `Symbol`."""

    def operate(a: Any, b: Any) -> Any:
        if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
            return NotImplemented
        scope = a.scope if isinstance(a, Size) else b.scope  # type: ignore[union-attr]
        value = compute(_plain(a), _plain(b))
        expression = _simplified(Call(function, (expression_of(a, scope), expression_of(b, scope))))
        return Size(value, expression, scope) if isinstance(value, int) else Symbol(expression, value, scope)

    return operate, lambda self, other: operate(other, self)


class Size(int):
    """A whole number that remembers how it was computed from the lengths of axes."""

    expression: Expression
    scope: Scope

    def __new__(cls, value: int, expression: Expression, scope: Scope) -> Size:
        size = super().__new__(cls, value)
        size.expression, size.scope = expression, scope
        return size

    __add__, __radd__ = _operator("add", operator.add)
    __sub__, __rsub__ = _operator("subtract", operator.sub)
    __mul__, __rmul__ = _operator("scale", operator.mul)
    __truediv__, __rtruediv__ = _operator("divide", operator.truediv)

    def __neg__(self) -> Size:
        return Size(-int(self), Call("negative", (self.expression,)), self.scope)


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a NumPy function over axes as a method."""
    return lambda self, axis=None, keepdims=False: function(self, axis=axis, keepdims=keepdims)


class Symbol(NDArrayOperatorsMixin):
    """A value with the formula it was computed by.

    Attributes
    ----------
    expression : Expression
        The formula.
    value : array or number
        The value that the formula has for the sample.
    scope : Scope
        The names that the formula may use.
    """

    def __init__(self, expression: Expression, value: Any, scope: Scope) -> None:
        self.expression, self.value, self.scope = expression, value, scope

    @property
    def shape(self) -> tuple[Size, ...]:
        """The length of each axis."""
        return tuple(map(self.scope.size, np.shape(self.value)))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return np.ndim(self.value)

    @property
    def size(self) -> int:
        """The number of elements."""
        return np.size(self.value)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return np.asarray(self.value).dtype

    def __repr__(self) -> str:
        return f"<symbol {write(self.expression, 'text')}>"

    @staticmethod
    def __apply_rule__(rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Symbol:
        scope = next(_scopes([*inputs, *params]))
        operands = [expression_of(x, scope) for x in inputs]
        many = len(params) > 2 or any(hasattr(p, "_fields") for p in params)  # they would hide the operands
        for name, value in () if many else zip(rule.params, params, strict=True):
            if name not in rule.defaults:
                operands.append(expression_of(value, scope))
            elif not np.array_equal(_plain(value), rule.defaults[name]):
                operands.append(Word(f"{name}={write(expression_of(value, scope), 'text')}"))
        value = rule.compute([_plain(x) for x in inputs], tuple(_plain(p) for p in params))
        return Symbol(Call(rule.name, tuple(operands)), value, scope)

    @staticmethod
    def __apply_helper__(helper: Callable[..., Any], args: tuple[Any, ...]) -> Symbol:
        operands = tuple(x.expression for x in args if isinstance(x, Symbol))
        return Symbol(Call(helper.__name__, operands), helper(*_plain(args)), next(_scopes([*args])))

    @staticmethod
    def __pull_back__(module: AppliedModule, cotangents: Mapping[Value, Symbol]) -> dict[Value, Symbol]:
        gs = list(cotangents.values())
        found = module.pull_back({y: g.value for y, g in cotangents.items()}, attrgetter("array"))
        written = tuple(g.expression for g in gs)
        return {x: Symbol(Call("vjp", (Word(module.path), x.name, *written)), found[x], gs[0].scope) for x in found}

    @staticmethod
    def __require__(holds: Symbol, error: type[Exception], message: str) -> None:
        if not holds.value:
            raise error(message)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Symbol:
        if method != "__call__":
            raise TypeError(f"np.{ufunc.__name__}.{method} has no formula")
        if "out" in kwargs:
            raise NotAnExpression("a symbol cannot be written into")
        value = ufunc(*map(_plain, inputs), **kwargs)
        operands = tuple(expression_of(x, self.scope) for x in inputs)
        function = ufunc.__name__
        if function in ("multiply", "divide"):
            operands = tuple(_in_brackets(e, x) for e, x in zip(operands, inputs, strict=True))
        if function == "multiply" and not all(map(np.ndim, map(_plain, inputs))):
            function = "scale"
        return Symbol(_simplified(Call(function, operands)), value, self.scope)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Symbol:
        value = function(*_plain(args), **_plain(kwargs))
        if not any(_scopes([*args, *kwargs.values()])):  # called because of like= only: a constant
            return Symbol(expression_of(value, self.scope), value, self.scope)
        name = function.__name__
        if name == "broadcast_to":
            expression = self.expression if value.shape == np.shape(self.value) else Call(name, (self.expression,))
            return Symbol(expression, value, self.scope)
        if name in _REDUCTIONS and len(args) > 1:
            args, kwargs = args[:1], {"axis": args[1], **kwargs}
        axis = kwargs.pop("axis", None)
        axes = () if axis is None else tuple(map(int, axis if isinstance(axis, tuple) else (axis,)))
        kwargs.pop("keepdims", None)
        operands = [e for x in (*args, *kwargs.values()) if x is not None for e in self._expressions(x)]
        if name in _REDUCTIONS:
            operands = [_in_brackets(operands[0], args[0])]
        return Symbol(Call(name, tuple(operands), axes), value, self.scope)

    def _expressions(self, x: Any) -> Iterator[Expression]:
        """Yield the expression of an argument; for a list that holds symbols, one expression for each element."""
        if isinstance(x, (tuple, list)) and any(isinstance(part, Symbol) for part in x):
            yield from (expression_of(part, self.scope) for part in x)
        else:
            yield expression_of(x, self.scope)

    sum, mean, prod, max, min = (_reduction(f) for f in (np.sum, np.mean, np.prod, np.max, np.min))

    def reshape(self, *shape: Any) -> Symbol:
        """Reshape; a change of axes of length 1 alone is written only where `_with_axes` finds it matters."""
        target = shape[0] if len(shape) == 1 else shape
        value = np.reshape(self.value, _plain(target))
        if [n for n in value.shape if n != 1] == [n for n in np.shape(self.value) if n != 1]:
            return Symbol(self._with_axes(value.shape), value, self.scope)
        return Symbol(Call("reshape", (self.expression, expression_of(target, self.scope))), value, self.scope)

    def _with_axes(self, shape: tuple[int, ...]) -> Expression:
        """Write new axes of length 1 as an index with ``None`` if they change how the value broadcasts."""
        own = np.shape(self.value)
        added = len(shape) - len(own)
        if not own or 1 in own or added <= 0 or shape[added:] == own:
            return self.expression
        index = ", ".join("None" if n == 1 else ":" for n in shape)
        return Call("getitem", (self.expression, Word(index)))

    def transpose(self, axes: tuple[int, ...]) -> Symbol:
        """Permute the axes."""
        value = np.transpose(self.value, axes)
        if axes == tuple(range(self.ndim)):
            return Symbol(self.expression, value, self.scope)
        if axes == (1, 0):
            return self.mT
        return Symbol(Call("transpose", (self.expression, expression_of(axes, self.scope))), value, self.scope)

    @property
    def mT(self) -> Symbol:
        """The last two axes exchanged."""
        return Symbol(Call("mT", (self.expression,)), np.asarray(self.value).mT, self.scope)

    @property
    def T(self) -> Symbol:
        """The axes reversed."""
        return self.transpose(tuple(reversed(range(self.ndim))))

    def astype(self, dtype: Any) -> Symbol:
        """Convert to another type; formulas do not show types."""
        expression = _in_brackets(self.expression, self)
        return Symbol(expression, np.asarray(self.value).astype(dtype), self.scope)

    def __getitem__(self, index: Any) -> Symbol:
        place = Word(_index_text(index, self.scope))
        return Symbol(Call("getitem", (self.expression, place)), self.value[_plain(index)], self.scope)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotAnExpression("a symbol cannot be written into")

    def _refuse(self, *args: Any) -> Any:
        raise TypeError(
            f"{write(self.expression, 'text')} is a symbol here, neither true nor false nor a number: to choose by a "
            "value, use np.where"
        )

    __bool__ = __float__ = __int__ = __index__ = __iter__ = __len__ = _refuse
    __hash__ = object.__hash__


def _scopes(values: list[Any]) -> Iterator[Scope]:
    """Yield the scope of each symbol in a list of values and in nested lists and tuples."""
    for value in values:
        if isinstance(value, Symbol):
            yield value.scope
        elif isinstance(value, (tuple, list)):
            yield from _scopes(list(value))


def _plain(x: Any) -> Any:
    """Replace symbols and sizes by their values, also within slices, tuples, lists and dictionaries."""
    if isinstance(x, Symbol):
        return x.value
    if isinstance(x, Size):
        return int(x)
    if isinstance(x, slice):
        return slice(*map(_plain, (x.start, x.stop, x.step)))
    if type(x) in (tuple, list):
        return type(x)(map(_plain, x))
    return {key: _plain(value) for key, value in x.items()} if type(x) is dict else x


def expression_of(x: Any, scope: Scope) -> Expression:
    """Return the expression for an operand of any kind: symbol, parameter, number, array, tuple or slice."""
    if isinstance(x, (Symbol, Size)):
        return x.expression
    if id(x) in scope.parameters:
        return Name(scope.parameters[id(x)])
    if isinstance(x, (int, float, np.generic)) or (isinstance(x, np.ndarray) and x.ndim == 0):
        return Number(x if isinstance(x, (int, float)) else x.item())
    if isinstance(x, np.ndarray):
        return _array(x)
    if isinstance(x, (tuple, list)):
        return Word(f"({_index_text(x, scope)}{',' * (len(x) == 1)})")
    return Word(_index_text(x, scope) if isinstance(x, slice) else repr(x))


def _array(x: Any) -> Expression:
    if x.size and np.all(x == x.flat[0]):
        return Number(x.flat[0].item())
    if x.ndim == 2 and x.shape[0] == x.shape[1] and np.array_equal(x, np.eye(len(x))):
        return Word("I")
    return Word(f"array of shape {'×'.join(map(str, x.shape))}")


def _index_text(index: Any, scope: Scope) -> str:
    """Return an index or a shape as Python code, without the outer brackets."""
    if id(index) in scope.parameters:
        return scope.parameters[id(index)]
    if isinstance(index, (tuple, list)):
        return ", ".join(_index_text(part, scope) for part in index)
    if isinstance(index, slice):
        ends = ["" if end is None else _index_text(end, scope) for end in (index.start, index.stop)]
        return ":".join(ends if index.step is None else [*ends, str(index.step)])
    if index is Ellipsis:
        return "…"
    return write(expression_of(index, scope), "text")


def _in_brackets(expression: Expression, x: Any) -> Expression:
    """Wrap a condition in Iverson brackets, which turn true and false into 1 and 0."""
    is_written = isinstance(expression, Call) and expression.function != "bracket"
    return Call("bracket", (expression,)) if is_written and np.asarray(_plain(x)).dtype == bool else expression


def _simplified(call: Call) -> Expression:
    """Drop factors of 1 and terms of 0, evaluate numbers, write ``2 · x`` as ``2 x`` and ``a + −b`` as ``a − b``."""
    match call:
        case Call("multiply" | "scale", (Number(1), other)) | Call("multiply" | "scale" | "divide", (other, Number(1))):
            return other
        case Call("add", (Number(0), other)):
            return other
        case Call("add" | "subtract" | "scale" as function, (Number(a), Number(b))):
            return Number({"add": a + b, "subtract": a - b, "scale": a * b}[function])
        case Call("power", (base, Number(1))):
            return base
        case Call("power", (_, Number(0))):
            return Number(1)
        case Call("add", (a, Call("negative", (b,)))):
            return Call("subtract", (a, b))
        case Call("add", (a, b)) if a == b:
            return Call("coefficient", (Number(2), a))
        case Call("scale", (Number(a), (Name() | Call()) as other)) if a >= 0:
            return Call("coefficient", (Number(a), other))
        case Call("scale", (Name() as name, Call("power") as other)):
            return Call("coefficient", (name, other))
        case _:
            return call
