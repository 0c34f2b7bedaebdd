"""`gradcheck`: derivatives of a function compared with numeric ones.

It checks the options and inputs, has the derivatives compared (`compare`), and makes the report.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..tensor import Tensor
from .compare import PROJECTIONS, compare, is_full, objection
from .findings import Kink
from .numeric import Array
from .report import GradientMismatch, KinkWarning, Report
from .subject import Gradient, PlainFunction, Subject, TensorFunction, borrowed, input_names, place, quiet

METHODS = ("auto", "central", "complex")
MODES = ("auto", "full", "fast")


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    gradient: Callable[..., Any] | None = None,
    parameters: Any = None,
    order: int = 1,
    method: str = "auto",
    mode: str = "auto",
    tolerance: float = 1e-7,
    raise_exception: bool = True,
    seed: int = 0,
) -> Report:
    """Check the derivatives of a function against numeric ones.

    Parameters
    ----------
    f : callable
        Takes Tensors and returns a Tensor of any shape, or several as a tuple or list. If it is a `Module`, its
        parameters are checked as well. With ``gradient=``, it takes NumPy arrays and returns a number or an array.
    *inputs : array-like
        The point of the check. The derivatives by all inputs are checked, in float64.
    gradient : callable, optional
        A derivative of ``f`` worked out by hand, checked in place of the rules. It takes the same arrays and returns
        an array of shape ``y.shape + x.shape``, which is the shape of ``x`` if ``f`` returns one number. For several
        inputs it returns a tuple of such arrays.
    parameters : Module, Tensor, iterable or mapping of Tensors, optional
        Tensors that ``f`` reads from outside, checked as well. They hold float64 during the check, and their old
        values again afterwards.
    order : {1, 2}
        2 also checks the second derivatives of a weighted sum of all results; the weights all differ.
    method : {"auto", "central", "complex"}
        How numeric derivatives are computed: by extrapolated central differences, or by the complex step, which is
        exact to rounding but needs an analytic function. "auto" uses the complex step if ``f`` runs on complex
        numbers and its derivative in a random direction agrees with differences; a mismatch is checked by differences
        as well. Second derivatives are always differences of first derivatives.
    mode : {"auto", "full", "fast"}
        "full" compares every entry of the Jacobian. "fast" compares random projections of it, and searches for the
        wrong entry if one disagrees. "auto" is "full" up to 2000 inputs and outputs together.
    tolerance : float
        The largest error that passes; `Report` defines the error.
    raise_exception : bool
        True raises a mismatch and warns of a kink; False only reports them.
    seed : int
        The seed of the random directions.

    Returns
    -------
    Report
        True in an ``if`` when all derivatives agree; has ``.max_error``, ``.table()``, ``.kinks`` and ``.plot()``.

    Raises
    ------
    GradientMismatch
        If a derivative is wrong. The message names the input, the index, the output and both values; the attribute
        ``report`` holds the whole report.
    TypeError, ValueError
        If ``f`` has no derivatives to check at the inputs, or an option has a value that is not allowed.

    Warns
    -----
    KinkWarning
        If the inputs lie on a kink, such as 0 for the absolute value. There, any value between the two one-sided
        slopes passes, and second derivatives are not compared.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> bool(tg.gradcheck(lambda x, w: np.tanh(x @ w), np.ones((2, 3)), np.ones((3, 1))))
    True
    >>> bool(tg.gradcheck(lambda x: np.sum(x**3), np.ones(4), gradient=lambda x: 3 * x**2))
    True
    """
    _check_options(order, method, mode, tolerance)
    if not callable(f):
        raise TypeError(f"gradcheck takes the function itself, not its value: {type(f).__name__} cannot be called")
    if gradient is not None and not callable(gradient):
        raise TypeError(
            "gradient= is the function that computes the gradient, not its value: "
            f"{type(gradient).__name__} cannot be called"
        )
    if gradient is not None and (order == 2 or parameters is not None):
        raise ValueError("gradient= is checked to first order, by the inputs alone: leave out order=2 and parameters=")
    named = _parameters(f, parameters) if gradient is None else {}
    arrays, notes = points(inputs, named)
    with quiet(), borrowed(named.values()):
        try:
            subject: Subject = (
                TensorFunction(f, arrays, named) if gradient is None else PlainFunction(f, gradient, arrays)
            )
        except Exception as error:
            for note in notes:
                error.add_note(note)
            raise
        if method == "complex" and (reason := objection(subject, seed)):
            raise ValueError(f"method='complex' cannot be used: {reason}; use 'central', or 'auto'")
        options: dict[str, Any] = {"mode": mode, "tolerance": tolerance, "seed": seed}
        comparisons, kinks = compare(subject, 1, method=method, **options)
        if order == 2:
            assert isinstance(subject, TensorFunction)
            avoid = _positions(subject, kinks)
            seconds, more = compare(Gradient(subject), 2, method="central", avoid=avoid, **options)
            comparisons, kinks = comparisons + seconds, kinks + more
            if subject.value.size > 1:
                notes.append(
                    f"second derivatives are those of the sum of {subject.value.size} results, weighted 1 to 2"
                )
            if avoid:
                notes.append("second derivatives by an element at a kink, and of its gradient, were not compared")
    empty = [part.name for part in (*subject.results, *subject.arguments) if part.start == part.stop]
    if empty:
        notes.append(f"nothing was compared for {_listed(empty)}, which {'is' if len(empty) == 1 else 'are'} empty")
    if not is_full(subject, mode):
        notes.append(
            f"{subject.value.size} × {subject.point.size} derivatives were compared by {PROJECTIONS} random "
            "projections an input; mode='full' compares every one"
        )
    report = Report(tuple(comparisons), tuple(kinks), tuple(notes))
    if raise_exception:
        if not report:
            raise GradientMismatch(report)
        if kinks:
            _warn(kinks)
    return report


def _check_options(order: int, method: str, mode: str, tolerance: float) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, not {order!r}")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, not {tolerance!r}: rounding leaves no derivative exact")


def _parameters(f: Callable[..., Any], given: Any) -> dict[str, Tensor]:
    """Return the parameters to check, by name, each Tensor once: those of a module, then those in `parameters=`."""
    named: dict[str, Tensor] = {}
    own = f.named_parameters() if hasattr(f, "named_parameters") else ()
    for name, p in [*own, *_named(given)]:
        if not isinstance(p, Tensor) or p.dtype.kind != "f":
            kind = f"a Tensor of {p.dtype}" if isinstance(p, Tensor) else type(p).__name__
            raise TypeError(f"parameters= must be Tensors of floating numbers, but {name!r} is {kind}")
        if not any(p is q for q in named.values()):
            if name in named:
                raise ValueError(f"two parameters are called {name!r}: pass parameters= as a mapping with other names")
            named[name] = p
    return named


def _named(parameters: Any) -> Iterable[tuple[str, Any]]:
    """Return parameters with names: the path in a module, else the Tensor's name if unique, else a number."""
    if parameters is None:
        return ()
    if hasattr(parameters, "named_parameters"):
        return parameters.named_parameters()
    if isinstance(parameters, Mapping):
        return parameters.items()
    if isinstance(parameters, Tensor):
        return [(parameters.name or "parameter", parameters)]
    if not isinstance(parameters, Iterable):
        raise TypeError(f"parameters= must be a Module, a Tensor, or several, not {type(parameters).__name__}")
    several = list(parameters)
    names = [getattr(p, "name", None) for p in several]
    return [
        (name if name and names.count(name) == 1 else f"parameter {i}", p)
        for i, (name, p) in enumerate(zip(names, several, strict=True))
    ]


def points(inputs: tuple[Any, ...], named: Mapping[str, Tensor]) -> tuple[list[Array], list[str]]:
    """Return the inputs in float64, and notes for the report about those that had another type."""
    if not inputs and not named:
        raise ValueError("gradcheck needs at least one input to differentiate by: gradcheck(f, x)")
    arrays: list[Array] = []
    converted: dict[str, list[str]] = {}
    for name, x in [*zip(input_names(inputs), inputs, strict=True), *named.items()]:
        array = np.asarray(x.numpy() if isinstance(x, Tensor) else x)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name} must be real numbers, not {array.dtype}")
        for index in np.argwhere(~np.isfinite(array)):
            where = tuple(map(int, index))
            raise ValueError(f"{place(name, where)} is {array[where]}, and only finite numbers can be checked")
        if array.dtype != np.float64:
            converted.setdefault(str(array.dtype), []).append(name)
        arrays.append(np.array(array, dtype=np.float64))
    notes = [
        f"{_listed(names)} of {dtype}, checked in float64: "
        + (
            "in float32 differences have about 3 right digits"
            if "float" in dtype
            else "whole numbers have no derivative; let the function read labels and indices from outside"
        )
        for dtype, names in converted.items()
    ]
    return arrays[: len(inputs)], notes


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _positions(subject: Subject, kinks: Iterable[Kink]) -> set[int]:
    """Return the positions of the elements at kinks in the vector of all arguments."""
    places = [(subject.arguments[kink.argument], kink.index) for kink in kinks]
    return {part.start + int(np.ravel_multi_index(index, part.shape)) for part, index in places}


def _warn(kinks: list[Kink]) -> None:
    rest = f" (and {len(kinks) - 1} more, in report.kinks)" if len(kinks) > 1 else ""
    warnings.warn(
        f"{kinks[0]}{rest}. Any value between the two was accepted: move the point away to check the derivative",
        KinkWarning,
        stacklevel=3,
    )
