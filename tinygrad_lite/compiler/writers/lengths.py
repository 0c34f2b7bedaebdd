"""Numbers in a program that depend on the length of the batch.

A recording sees one batch, whose lengths are plain numbers: it cannot tell which of them depend on the batch. So a
model is recorded for batches of several lengths. A number that differs between the recordings depends on the batch, and
is a `Length` in the program.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from ..primitives import of_operator
from ..program import Variable

# The batch lengths for which a comparison must have the same result.
SAMPLES = np.array([*range(1, 65), *(2**k for k in range(7, 41))], float)
AS_A_NUMBER = (
    "this line needs the length of the batch as a fixed number",
    "The file must work for any length: reshape with -1 or x.shape[0], divide by x.shape[0], use np.zeros_like(x, "
    "shape=…); loops over the batch and arrays of its length cannot be written",
)


class Length:
    """A number that depends on the length of the batch.

    It supports arithmetic, which becomes a part of the program, and comparisons that have the same result for every
    batch. Everything else is refused, since it would turn the length into a fixed number.

    Attributes
    ----------
    values : tuple of numbers
        Its value in each recording.
    samples : array
        Its value for each batch length of `SAMPLES`. It is exact if the number is a multiple of the batch length plus a
        constant. Otherwise, as after a slice, it is an estimate for lengths that were not recorded.
    variable : Variable
        The variable of the program that holds it.
    """

    def __init__(self, recorder: Any, values: tuple[Any, ...], samples: Any, variable: Variable) -> None:
        self._recorder, self.values, self.samples, self.variable = recorder, values, samples, variable

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        self._recorder.refuse(*AS_A_NUMBER)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        is_left_to_other = any(hasattr(x, "__array_function__") and not isinstance(x, np.ndarray) for x in inputs)
        return NotImplemented if is_left_to_other else self._refuse()

    def __repr__(self) -> str:
        return f"<length, in the recordings {self.values}>"

    def _computed(self, name: str, a: Any, b: Any) -> Any:
        """Return the result of an operator on this and another number."""
        if not all(isinstance(x, (Length, int, float)) for x in (a, b)):
            return NotImplemented
        operate = getattr(operator, name)
        pairs = zip(*(x.values if isinstance(x, Length) else [x] * len(self.values) for x in (a, b)), strict=True)
        values = tuple(operate(*pair) for pair in pairs)
        with np.errstate(all="ignore"):
            samples = operate(_samples(a), _samples(b))
        if len({*values}) == 1 and np.all(samples == samples[0]):
            return values[0]
        return self._recorder.length(values, samples, of_operator(name), a, b)

    def _compared(self, compare: Callable[[Any, Any], bool], other: Any) -> Any:
        """Return the result of a comparison if it is the same for every batch; refuse otherwise."""
        if not isinstance(other, (Length, int, float)):
            return NotImplemented
        signs = {*np.sign(self.samples - _samples(other))}
        # A difference of both signs may also be zero, for a batch between.
        answers = {bool(compare(sign, 0)) for sign in (signs | {0} if {-1, 1} <= signs else signs)}
        if len(answers) > 1:
            self._recorder.refuse(
                "this line compares with the length of the batch",
                "The file must work for batches of any length, and cannot choose by it",
            )
        return answers.pop()

    def __neg__(self) -> Any:
        return self._computed("sub", 0, self)

    __bool__ = __float__ = __int__ = __index__ = __round__ = __trunc__ = __floor__ = __ceil__ = _refuse
    __mod__ = __rmod__ = __divmod__ = __rdivmod__ = __and__ = __rand__ = __hash__ = __format__ = _refuse


for _name in ("add", "sub", "mul", "truediv", "floordiv", "pow"):
    setattr(Length, f"__{_name}__", lambda self, other, name=_name: self._computed(name, self, other))
    setattr(Length, f"__r{_name}__", lambda self, other, name=_name: self._computed(name, other, self))
for _compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
    setattr(Length, f"__{_compare.__name__}__", lambda a, b, compare=_compare: a._compared(compare, b))
Real.register(Length)


def _samples(x: Any) -> Any:
    return x.samples if isinstance(x, Length) else np.float64(x)


def mapped(function: Callable[..., Any], *trees: Any) -> Any:
    """Apply a function to each leaf of nested arguments; for several trees, to their corresponding leaves."""
    first = trees[0]
    if isinstance(first, slice):
        ends = zip(*((x.start, x.stop, x.step) for x in trees), strict=True)
        return slice(*(mapped(function, *parts) for parts in ends))
    if isinstance(first, dict):
        return {key: mapped(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, (tuple, list)):
        parts = [mapped(function, *parts) for parts in zip(*trees, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return function(*trees)


def plain(tree: Any) -> Any:
    """Return nested arguments with each length replaced by its value in the present recording."""
    return mapped(lambda x: x.values[-1] if isinstance(x, Length) else x, tree)


def lengths_in(tree: Any) -> list[Length]:
    """Return the lengths in nested arguments."""
    found: list[Length] = []
    mapped(lambda x: found.append(x) if isinstance(x, Length) else None, tree)
    return found
