"""The results of a check: a `Comparison` for each input and order, and a `Kink` for each kink it finds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .numeric import Array
from .subject import place

METHOD_NAMES = {"central": "central differences", "complex": "the complex step"}


@dataclass(frozen=True)
class Kink:
    """A point at which one output, as a function of one element of an input, has two different one-sided slopes.

    Attributes
    ----------
    order : int
        1 if the function has the kink, 2 if its gradient has it.
    argument : int
        The number of the input.
    name : str
        The name of the input.
    index : tuple of int
        The element of the input.
    result : int or None
        The number of the result, if there are several; in second order, the number of the gradient's input.
    of : str
        The name of the result.
    output : tuple of int
        The element of the result.
    left, right : float
        The one-sided slopes.
    analytic : float
        The derivative that was checked.

    Examples
    --------
    >>> report = tg.gradcheck(np.abs, [0.0], raise_exception=False)
    >>> print(report.kinks[0])
    kink at input 0[0]: the slopes of y[0] are -1 on its left and 1 on its right, the derivative given is 0
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
    """The result of comparing the derivatives by one input with their numeric values.

    Attributes
    ----------
    order : int
        1 for first derivatives, 2 for second.
    argument : int
        The number of the input; parameters are counted after the inputs.
    name : str
        The name of the input: "input 0", or the path of a parameter.
    method : {"central", "complex"}
        The method that gave the numeric values.
    tolerance : float
        The largest error that passes.
    error : float
        The largest error, as described in `Report`; 0 if there is nothing to compare.
    absolute : float
        The largest |analytic - numeric|.
    relative : float or None
        The largest |analytic - numeric| / |numeric|, among derivatives that are wrong or larger than rounding errors;
        None if there are none.
    index, output : tuple of int, or None
        The place of the largest error in the input and in the result; None if there is nothing to compare, and for
        random projections, which have no single place.
    result : int or None
        The number of that result, if there are several; in second order, the number of the gradient's input.
    of : str
        The name of the result: "y", "y1", or in second order "gradient by input 0".
    analytic, numeric : float
        The two values at that place.
    note : str
        "kink" if one was found, "jump" if the function is not continuous there, else empty.
    hint : str
        A cause of the mismatch that is certain, or that some derivatives are too small to compare, or empty.
    errors : ndarray or None
        The error of every entry, with the shape of the result + the shape of the input; several results are
        concatenated along one axis. NaN for entries that were not compared. None for random projections.

    Examples
    --------
    >>> report = tg.gradcheck(np.sum, [1.0, 2.0], gradient=lambda x: np.array([1.0, 5.0]), raise_exception=False)
    >>> print(report.comparisons[0])
    derivative of order 1 of y by input 0[1]: 5, but 1 by central differences
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
