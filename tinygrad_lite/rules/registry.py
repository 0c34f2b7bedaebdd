"""The table of rules: `define` adds one, `all` enumerates them, `get` finds one by its name, `answer_for` by NumPy's.

`define` reads the names of the arguments of each expression, and refuses what does not fit together: a mistake in a
rule shows where it is written, not in the first backward pass that comes to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from .rule import Rule, Sample, Vjp, pull_back_by_place

_rules: dict[str, Rule] = {}

# What answers for functions of NumPy: the rows of `numpy_functions`, and what users add or replace.
_answers: dict[Callable[..., Any], Any] = {}


class _Same(tuple[Vjp]):
    """The one derivative of a variadic rule, at every index: it serves all inputs."""

    __slots__ = ()

    def __new__(cls, vjp: Vjp) -> Self:
        return super().__new__(cls, (vjp,))

    def __getitem__(self, k: Any) -> Any:
        return super().__getitem__(0)


def define(
    name: str,
    forward: Callable[..., Any],
    /,
    *,
    samples: Callable[[], Iterable[Sample]],
    numpy: Callable[..., Any] | None = None,
    **vjps: Callable[..., Any],
) -> Rule:
    """Add a rule to the table.

    Parameters
    ----------
    name : str
        The rule's name. You may define your own rule again (as a notebook cell run twice does), but no built-in one.
    forward : callable
        The operation on arrays. Its arguments are the differentiable inputs first, then the parameters.
    samples : callable
        Returns a list of samples (see `sample`) to check the rule on: shapes that broadcast, 0-d, empty; no kinks.
    numpy : callable, optional
        The NumPy function that is answered by this rule when it is called on a Tensor, such as `numpy.exp`.
    **vjps : callable
        For each differentiable input, under its name in ``forward``, the vector-Jacobian product. Its first argument is
        the cotangent ``g`` of the output. The others are any of ``y`` (the output), the inputs and the parameters, by
        name; for ``lambda *xs`` also ``k``, the number of the input.

    Returns
    -------
    Rule
        The rule, which is called like a function: with arrays it computes, with Tensors it also records.

    Raises
    ------
    TypeError
        If ``forward`` and the derivatives do not fit together.
    ValueError
        If the name is taken.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lite as tg
    >>> cube = tg.rules.define(
    ...     "cube", lambda x: x * x * x,
    ...     x=lambda g, x: g * 3 * x * x,
    ...     samples=lambda: [tg.rules.sample(np.array([-1.0, 0.5, 2.0]))],
    ... )
    >>> tg.grad(lambda x: cube(x))(2.0).item()
    12.0
    """
    arguments = inspect.signature(forward).parameters
    variadic = any(a.kind is a.VAR_POSITIONAL for a in arguments.values())
    if not variadic and any(a.kind is a.KEYWORD_ONLY for a in arguments.values()):
        raise TypeError(
            f"rule {name!r}: forward takes arguments by keyword alone, as NumPy's own functions do: wrap it, such as "
            "lambda x: np.cbrt(x)"
        )
    inputs = tuple(argument for argument in arguments if argument in vjps)
    params = tuple(argument for argument in arguments if argument not in vjps)
    stray = [argument for argument in vjps if argument not in arguments]
    if stray:
        raise TypeError(f"rule {name!r}: a derivative by {stray[0]!r}, but forward takes {', '.join(arguments)}")
    if not inputs:
        raise TypeError(f"rule {name!r} has no derivative: give one expression an input, e.g. x=lambda g, x: …")
    if tuple(arguments) != (*inputs, *params) or (variadic and len(inputs) > 1):
        raise TypeError(f"rule {name!r}: the differentiable inputs ({', '.join(inputs)}) must come first in forward")
    if not callable(samples):
        raise TypeError(f"rule {name!r}: samples must be a function that makes them: samples=lambda: [sample(…), …]")
    if {"numpy", "samples"} & set(arguments):
        raise TypeError(f"rule {name!r}: forward may not name an argument numpy or samples, which define has itself")
    if {"g", "y"} & set(arguments):
        raise TypeError(
            f"rule {name!r}: forward may not name an argument g or y; they are the cotangent and the output"
        )
    known = _rules.get(name)
    if known is not None and (known.is_built_in or known.forward.__module__ != forward.__module__):
        raise ValueError(f"there is already a rule {name!r}, from {known.forward.__module__}: choose another name")

    derivatives = tuple(_vjp(name, argument, vjps[argument], inputs, params, variadic) for argument in inputs)
    rule = Rule(
        name=name,
        forward=forward,
        inputs=inputs,
        params=params,
        defaults={p: arguments[p].default for p in params if arguments[p].default is not inspect.Parameter.empty},
        variadic=variadic,
        vjps=_Same(*derivatives) if variadic else derivatives,
        make_samples=samples,
    )
    _rules[name] = rule
    if numpy is not None:
        answers(numpy)(rule)
    return rule


def _vjp(
    rule: str,
    argument: str,
    expression: Callable[..., Any],
    inputs: tuple[str, ...],
    params: tuple[str, ...],
    variadic: bool,
) -> Vjp:
    first, *names = inspect.signature(expression).parameters or [""]
    # The place of each value among (g, y, k, inputs, *params, *inputs).
    known = {"y": 1} | {name: 4 + i for i, name in enumerate(params)}
    first_input = 4 + len(params)
    known |= {"k": 2, inputs[0]: 3} if variadic else {name: first_input + i for i, name in enumerate(inputs)}
    if first != "g":
        raise TypeError(f"rule {rule!r}: the derivative by {argument!r} must take the cotangent g first, not {first!r}")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise TypeError(
            f"rule {rule!r}: the derivative by {argument!r} reads {unknown[0]!r}; known are {', '.join(known)}"
        )
    return Vjp(expression, pull_back_by_place(expression, [known[name] for name in names], first_input))


def all() -> tuple[Rule, ...]:
    """Return every rule, in the order of definition.

    Examples
    --------
    >>> [rule.name for rule in tg.rules.all()][:4]
    ['identity', 'add', 'subtract', 'difference']
    """
    return tuple(_rules.values())


def get(name: str) -> Rule:
    """Return the rule of that name; otherwise a KeyError lists the known names.

    Examples
    --------
    >>> tg.rules.get("multiply")(2.0, 3.0)
    6.0
    """
    if name not in _rules:
        raise KeyError(f"no rule {name!r}; there are {', '.join(sorted(_rules))}")
    return _rules[name]


def add_rows(rows: Mapping[Callable[..., Any], Any]) -> None:
    """Add rows to the table of NumPy's functions."""
    _answers.update(rows)


def answers(*functions: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a decorator: the rule, or function composed of rules, answers for NumPy functions called on a Tensor.

    Examples
    --------
    >>> @tg.rules.answers(np.ceil)
    ... def straight_through(x):  # as if nothing were rounded
    ...     return x + (np.ceil(x.numpy()) - x.numpy())
    >>> tg.value_and_grad(np.ceil)(0.25)
    (Tensor(1., dtype=float32), Tensor(1., dtype=float32))
    """

    def register(implementation: Any) -> Any:
        add_rows(dict.fromkeys(functions, implementation))
        return implementation

    return register


def row_of(function: Callable[..., Any]) -> Any:
    """Return what the table of NumPy's functions has for one, see `numpy_functions`; None if it is not there."""
    return _answers.get(function)


def answer_for(function: Callable[..., Any]) -> Rule | Callable[..., Any] | None:
    """Return the rule, or the function composed of rules, that computes a NumPy function; None without one.

    Examples
    --------
    >>> tg.rules.answer_for(np.exp)
    <rule exp(x)>
    >>> tg.rules.answer_for(np.cov).__name__
    'cov'
    """
    row = row_of(function)
    return row if callable(row) else None
