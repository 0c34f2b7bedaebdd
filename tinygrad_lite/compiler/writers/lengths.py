"""Numbers in a program that depend on the length of the batch.

A recording sees one batch, whose lengths are plain numbers: it cannot tell which of them depend on the batch. So a
model is recorded twice, with batches of two lengths. A number that differs between the two recordings depends on the
batch, and is a `Length` in the program.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from ..program import Variable

# The lengths of the two batches. One is shorter than a slice that a model might take of a batch, the other is longer,
# and they have no common factor: so an axis' two lengths show how it depends on the batch.
BATCHES = (3, 212)
# The batch lengths for which a comparison must have the same result.
_SAMPLES = (*range(1, 65), *(2**k for k in range(7, 41)))


class Length:
    """A number that depends on the length of the batch.

    It supports arithmetic, and comparisons that have the same result for every batch. Everything else is refused, since
    it would turn the length into a fixed number.

    Attributes
    ----------
    values : tuple of two numbers
        Its values in the two recordings.
    terms : tuple
        For a computed number, the name of a function of `operator`, and its operands; empty for the length of an axis.
    variable : Variable
        The variable that stands for it among the operands of an instruction.
    """

    def __init__(self, recorder: Any, values: tuple[Any, Any], terms: tuple[Any, ...] = ()) -> None:
        self._recorder, self.values, self.terms = recorder, values, terms
        self.variable = Variable((), None, False, "length")

    @property
    def factor(self) -> int:
        """The ratio of an axis' length to that of the batch; 0 if it is no fixed integer."""
        small, large = self.values
        return small // BATCHES[0] if small * BATCHES[1] == large * BATCHES[0] else 0

    def at(self, n: int) -> Any:
        """Return its value for a batch of length ``n``; for an axis that was sliced, an estimate."""
        if self.terms:
            name, a, b = self.terms
            return getattr(operator, name)(at(a, n), at(b, n))
        return n * self.factor or float(np.interp(n, (0, *BATCHES), (0, *self.values)))

    def refuse_value(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse to be used as a fixed number."""
        self._recorder.refuse(
            "the length of the batch as a fixed number",
            "It may be any: reshape with -1 or x.shape[0], divide by x.shape[0], take np.zeros_like(x, shape=…); loops "
            "over the batch and arrays of its length cannot be written",
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        is_left_to_other = any(hasattr(x, "__array_function__") and not isinstance(x, np.ndarray) for x in inputs)
        return NotImplemented if is_left_to_other else self.refuse_value()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        # An array of objects, so that NumPy can handle a shape that contains this.
        array = np.empty((), object)
        array[()] = self
        return array

    def __repr__(self) -> str:
        return f"<length {self.values} of {BATCHES}: {self.terms}>"

    def _computed(self, name: str, a: Any, b: Any) -> Any:
        """Return the result of an operator on this and another number."""
        pairs = [x.values if isinstance(x, Length) else (x, x) for x in (a, b)]
        if not all(isinstance(x, (int, float)) for pair in pairs for x in pair):
            return NotImplemented
        values = tuple(getattr(operator, name)(*operands) for operands in zip(*pairs, strict=True))
        if values[0] != values[1]:
            return self._recorder.lengths.setdefault(values, Length(self._recorder, values, (name, a, b)))
        if name == "floordiv" and any(x % y for x, y in zip(*pairs, strict=True)):
            self._recorder.refuse(
                "a part of the length of the batch",
                f"It is {values[0]} for small batches and more for large ones: compute it outside",
            )
        return values[0]

    def _compared(self, compare: Callable[[Any, Any], bool], other: Any) -> Any:
        """Return the result of a comparison if it is the same for every batch; refuse otherwise."""
        if self is other or not isinstance(other, (Length, int, float)):
            return compare(0, 0) if self is other else NotImplemented
        signs = {np.sign(self.at(n) - at(other, n)) for n in _SAMPLES}
        answers = {bool(compare(sign, 0)) for sign in (signs | {0} if {-1, 1} <= signs else signs)}
        if len(answers) > 1:
            self._recorder.refuse(
                "a comparison with the length of the batch",
                "What is written is for batches of any length, and cannot go one way or the other by it",
            )
        return answers.pop()

    __bool__ = __float__ = __int__ = __index__ = __round__ = __trunc__ = __floor__ = __ceil__ = refuse_value
    __mod__ = __rmod__ = __divmod__ = __rdivmod__ = __and__ = __rand__ = __hash__ = __format__ = refuse_value


for _name in ("add", "sub", "mul", "truediv", "floordiv", "pow"):
    setattr(Length, f"__{_name}__", lambda self, other, name=_name: self._computed(name, self, other))
    setattr(Length, f"__r{_name}__", lambda self, other, name=_name: self._computed(name, other, self))
for _compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
    setattr(Length, f"__{_compare.__name__}__", lambda a, b, compare=_compare: a._compared(compare, b))
Real.register(Length)


def at(x: Any, n: int) -> Any:
    """Return the value of a number for a batch of length ``n``."""
    return x.at(n) if isinstance(x, Length) else x


def mapped(function: Callable[..., Any], *trees: Any) -> Any:
    """Apply a function to each leaf of nested arguments; for several trees, to their corresponding leaves."""
    first = trees[0]
    if isinstance(first, slice):
        return slice(
            *(mapped(function, *parts) for parts in zip(*((x.start, x.stop, x.step) for x in trees), strict=True))
        )
    if isinstance(first, dict):
        return {key: mapped(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, (tuple, list)):
        return type(first)(mapped(function, *parts) for parts in zip(*trees, strict=True))
    return function(*trees)


def plain(tree: Any) -> Any:
    """Return nested arguments with each length replaced by its value in the second recording."""
    return mapped(lambda x: x.values[1] if isinstance(x, Length) else x, tree)


def varies(tree: Any) -> bool:
    """Return True if nested arguments contain a length."""
    found: list[bool] = []
    mapped(lambda x: found.append(isinstance(x, Length)), tree)
    return any(found)
