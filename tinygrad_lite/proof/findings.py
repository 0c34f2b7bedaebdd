"""What a check compares, input by input, and the kinks it meets: the lines of a report, and of its picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .numeric import Array
from .subject import place

METHOD_NAMES = {"central": "central differences", "complex": "the complex step"}


@dataclass(frozen=True)
class Kink:
    """One output, seen along one element of an input, has different slopes on its two sides.

    Attributes
    ----------
    order : int
        1 where the function has the kink, 2 where its gradient has.
    argument : int
        The number of the input.
    name : str
        What the input is called.
    index : tuple of int
        The element of the input.
    result : int or None
        The number of the result, if there are several; for second order, that of the input the gradient is by.
    of : str
        What the result is called.
    output : tuple of int
        The element of the result.
    left, right : float
        The one-sided slopes.
    analytic : float
        The derivative that was checked.
    """

    order: int
    argument: int
    name: str
    index: tuple[int, ...]
    result: int | None
    of: str
    output: tuple[int, ...]
    left: float
    right: float
    analytic: float

    def __str__(self) -> str:
        return (
            f"kink at {place(self.name, self.index)}: the slopes of {place(self.of, self.output)} are {self.left:z.6g} "
            f"on its left and {self.right:z.6g} on its right, the derivative given is {self.analytic:z.6g}"
        )


@dataclass(frozen=True)
class Comparison:
    """The derivatives by one input beside their numeric values.

    Attributes
    ----------
    order : int
        1 for first derivatives, 2 for second.
    argument : int
        The number of the input; parameters are counted after the inputs.
    name : str
        What the input is called: "input 0", or the path of a parameter.
    method : {"central", "complex"}
        Where the numeric values come from.
    tolerance : float
        The largest error that passes.
    error : float
        The largest error, as described in `Report`; 0 if there is nothing to compare.
    absolute : float
        The largest |analytic - numeric|.
    relative : float or None
        The largest |analytic - numeric| / |numeric|, among values that stand out from rounding errors or are wrong;
        None if there are none.
    index, output : tuple of int, or None
        Where in the input and in the result the largest error sits; None where there is nothing to compare, and for
        random projections, which agree as a whole.
    result : int or None
        The number of that result, if there are several; for second order, that of the input the gradient is by.
    of : str
        What the result is called: "y", "y1", or for second order "gradient by input 0".
    analytic, numeric : float
        The two values there.
    note : str
        "kink" where one was met, "jump" where the function is not continuous, else empty.
    hint : str
        What is certain about the cause of a mismatch, or that some derivatives are too small to be compared, or empty.
    errors : ndarray or None
        The error of every entry, of the shape of the result + that of the input; several results are strung together
        along one axis. NaN where nothing was compared. None for random projections.
    """

    order: int
    argument: int
    name: str
    method: str
    tolerance: float
    error: float = 0.0
    absolute: float = 0.0
    relative: float | None = None
    index: tuple[int, ...] | None = None
    output: tuple[int, ...] | None = None
    result: int | None = None
    of: str = "y"
    analytic: float = 0.0
    numeric: float = 0.0
    note: str = ""
    hint: str = ""
    errors: Array | None = field(default=None, compare=False, repr=False)

    def __bool__(self) -> bool:
        return self.error <= self.tolerance

    def __str__(self) -> str:
        if self.index is None or self.output is None:
            where = f"of {self.of} by {self.name}, projected at random"
        else:
            where = f"of {place(self.of, self.output)} by {place(self.name, self.index)}"
        text = f"derivative of order {self.order} {where}: {self.analytic:z.10g}, but "
        if self.note == "jump" or np.isnan(self.numeric):
            return text + self.hint
        return f"{text}{self.numeric:z.10g} by {METHOD_NAMES[self.method]}" + (f"; {self.hint}" if self.hint else "")
