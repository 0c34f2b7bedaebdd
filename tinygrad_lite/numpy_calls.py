"""NumPy's functions called on a Tensor: `call` answers its protocols ``__array_ufunc__`` and ``__array_function__``.

Users thus write NumPy, and get derivatives. The table `rules.numpy_functions` has a row for each function: a rule, or
a composition of rules, computes it; or NumPy itself does, from the raw arrays, if it has no derivative. All other
functions raise, since the gradient would be lost.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> x = tg.Tensor([1.0, 4.0], requires_grad=True)
>>> np.sqrt(x)
Tensor([1., 2.], dtype=float32, requires_grad=True, from=sqrt)
>>> np.argmax(x).item()
1
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import adapting, in_one_dtype, of_whole_numbers, raw
from .engine import Node, is_recording
from .errors import explained
from .rules import elementwise
from .rules.composed import folds
from .rules.numpy_functions import PLAIN, Instead
from .rules.registry import row_of
from .support.devices import mixing_error
from .support.formatting import numpy_name

COMPARISONS = frozenset({np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal})

LOOK_FOR = (
    "`t in list`, list.index(t) and list.remove(t) compare values, too: to look for the Tensor t itself, write "
    "any(x is t for x in list)"
)


class BooleanArray(np.ndarray):
    """The result of comparing Tensors: an array of booleans, with a helpful error if one boolean is needed.

    Python needs one when it looks for a Tensor in a list. Results computed from a comparison are plain arrays.
    """

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"a comparison of Tensors of shape {self.shape} has no single answer: write (a == b).all() or "
                f"(a == b).any() for one. {LOOK_FOR}"
            )
        return bool(np.asarray(self))

    def __repr__(self) -> str:
        return repr(np.asarray(self))

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else array

    def astype(self, *args: Any, **kwargs: Any) -> Any:
        """Convert to a plain array of another type."""
        return np.asarray(self).astype(*args, **kwargs)


def call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a NumPy function that was called on a Tensor, as its row in `rules.numpy_functions` says."""
    out = kwargs.pop("out", None)
    if out is not None:
        return _written_out(function, args, kwargs, out)
    row = row_of(function)
    if kwargs and isinstance(function, np.ufunc):
        args = _without_options(function, args, kwargs)
    if row is PLAIN:
        return _plain(function, args, kwargs)
    if not callable(row):
        raise no_rule(numpy_name(function), row)
    if not args:
        # The first argument was given by NumPy's name for it; the rule's name may differ.
        args = (kwargs.pop(next(iter(inspect.signature(function).parameters))),)
    try:
        return row(*args, **kwargs)
    except TypeError:
        _check_arguments(numpy_name(function), row, args, kwargs)
        raise


def call_method(ufunc: np.ufunc, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a method of a ufunc, such as `numpy.add.reduce`, that was called on a Tensor."""
    name, row = f"{numpy_name(ufunc)}.{method}", row_of(ufunc)
    if method == "at":
        raise TypeError(
            f"{name} changes an array in place, and a Tensor would lose its gradient: write x + "
            "tinygrad_lite.rules.shapes.place(v, i, x.shape) for numpy.add, or use x.data where no gradient is needed"
        )
    # All reductions of plain functions are of truths, whole numbers or bits, but that of one element is this element.
    if row is PLAIN and (method == "outer" or ufunc is not np.floor_divide):
        return getattr(ufunc, method)(*raw_tree(args), **raw_tree(kwargs))
    answer = folds.method_of(ufunc, method) if callable(row) else None
    if answer is None:
        raise no_rule(name)
    try:
        return answer(*args, **kwargs)
    except TypeError:
        _check_arguments(name, answer, args, kwargs)
        raise


def _without_options(ufunc: np.ufunc, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Return the operands, in the type ``dtype`` of the options, which is removed; refuse ``where``."""
    name = numpy_name(ufunc)
    if "where" in kwargs:
        raise TypeError(
            f"{name}(…, where=…) of a Tensor leaves the other elements undefined: write np.where(mask, {name}(…), x)"
        )
    if row_of(ufunc) is PLAIN or "dtype" not in kwargs:
        return args
    dtype = np.dtype(kwargs.pop("dtype"))
    for x in args:
        if hasattr(x, "dtype") and not np.can_cast(x.dtype, dtype, "same_kind"):
            raise TypeError(f"{name}(…, dtype={dtype}) would cut numbers of {x.dtype}: use .astype({dtype}) to do so")
    return tuple(x.astype(dtype) if hasattr(x, "dtype") else x for x in args)


def _plain(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what NumPy computes from the raw arrays; its result has no derivative."""
    try:
        if function is np.floor_divide and not kwargs:  # only here the result has the operands' type
            inputs, arrays = in_one_dtype(elementwise.remainder, args)
            return of_whole_numbers(np.floor_divide(*arrays), inputs, lambda arrays: np.floor_divide(*arrays))
        result = function(*raw_tree(list(map(adapting, args))), **raw_tree(kwargs))
        return result.view(BooleanArray) if function in COMPARISONS and type(result) is np.ndarray else result
    except (ValueError, TypeError) as error:
        operands = {f"argument {i}": x for i, x in enumerate(args)} | kwargs
        fault: Exception = mixing_error(numpy_name(function), operands) or error
        if fault is error and function in COMPARISONS:
            fault = explained(error, numpy_name(function), [np.shape(x) for x in args])
            fault.add_note(LOOK_FOR)
        raise fault from None


def _written_out(function: Callable[..., Any], args: Any, kwargs: dict[str, Any], out: Any) -> Any:
    """Answer a NumPy function that writes into an array, as in ``w.data -= lr * w.grad``."""
    if any(isinstance(x, Node) for x in (out if isinstance(out, tuple) else (out,))):
        raise TypeError(f"{numpy_name(function)}(…, out=…) does not write into a Tensor: write t[...] = … to do so")
    for x in args:
        if isinstance(x, Node) and x._requires_grad and is_recording():
            raise TypeError(
                f"{numpy_name(function)} would lose the gradient of a Tensor when it writes into an array, as += and "
                "out= do: give the result a new name, a = a + x, or use x.detach() if that is meant"
            )
    return function(*raw_tree(args), **raw_tree(kwargs), out=out)


def raw_tree(x: Any) -> Any:
    """Return nested tuples, lists and dictionaries with the raw arrays of their Tensors."""
    if isinstance(x, (tuple, list)):
        return type(x)(map(raw_tree, x))
    if isinstance(x, dict):
        return {key: raw_tree(value) for key, value in x.items()}
    return raw(x)


def no_rule(name: str, instead: Instead | None = None) -> TypeError:
    """Return the error for a NumPy function that Tensors refuse."""
    if instead and instead.writes:
        return TypeError(
            f"{name} writes into an array, and the derivative of what was there would be lost: write {instead}, which "
            "returns a new Tensor"
        )
    advice = (
        f"write {instead}"
        if instead
        else "compose it from functions that have one (tinygrad_lite.rules.all() lists them), add one with "
        "tinygrad_lite.rules.define"
    )
    return TypeError(
        f"{name} has no derivative rule, so a Tensor cannot pass through it: {advice}, or apply it to .numpy() where "
        "no gradient is needed"
    )


def _check_arguments(name: str, answer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise a TypeError that lists the arguments, if the call does not fit the function that answers."""
    takes = inspect.signature(answer)
    try:
        takes.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name} of a Tensor: {error}; it takes the arguments {', '.join(takes.parameters)}") from None
