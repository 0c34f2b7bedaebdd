"""A derivative rule: an operation, and one expression for its derivative by each differentiable input.

All that the library knows of calculus is written as such rules. The expressions use operators, array methods and NumPy
functions only. So any value that answers NumPy's protocols may flow through them: arrays give the gradient, Tensors a
gradient that can be differentiated again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Self

_rules: dict[str, Rule] = {}
_answers: dict[Callable[..., Any], Rule | Callable[..., Any]] = {}
_own_package = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class Vjp:
    """The derivative of a rule by one input: a vector-Jacobian product.

    Attributes
    ----------
    expression : callable
        Takes the cotangent ``g`` of the output, then the values it names; returns the cotangent of the input, still
        of the broadcast shape, which the caller sums to that of the input.
    pull_back : callable
        ``pull_back(g, y, k, inputs, params)`` calls the expression with the values it names. The values may be of any
        one kind (arrays, Tensors, …), and the result is of that kind; ``k`` is the number of the input.
    """

    expression: Callable[..., Any]
    pull_back: Callable[[Any, Any, int, Sequence[Any], tuple[Any, ...]], Any]


@dataclass(frozen=True)
class Sample:
    """The arguments of one call, on which a rule is checked; `sample` makes one, and `define` takes a list of them."""

    args: tuple[Any, ...]
    params: dict[str, Any]


def sample(*args: Any, **params: Any) -> Sample:
    """Return the arguments of one call of a rule, written as in that call: ``sample(x, axis=0)``."""
    return Sample(args, params)


@dataclass(frozen=True, eq=False)
class Rule:
    """An operation and its derivatives. `define` makes it, and it is called like a function.

    Attributes
    ----------
    name : str
        Its name in the table of rules, in error messages and in a Tensor's repr.
    forward : callable
        The operation on raw arrays: ``forward(*inputs, *params)``.
    inputs : tuple of str
        The differentiable inputs, in the order of ``forward``. A variadic rule (``lambda *xs, axis``) has one name.
    params : tuple of str
        The other arguments of ``forward``, such as axes, shapes and indices: there is no derivative by them.
    defaults : dict
        The default values of ``params``.
    variadic : bool
        Whether the inputs are ``*xs``. The one expression may then read ``k``, the number of the input.
    vjps : sequence of Vjp
        The derivative by input number ``k`` is ``vjps[k]``; for a variadic rule it is the same for all.
    make_samples : callable
        Returns the samples on which the rule is checked.
    """

    name: str
    forward: Callable[..., Any]
    inputs: tuple[str, ...]
    params: tuple[str, ...]
    defaults: dict[str, Any]
    variadic: bool
    vjps: Sequence[Vjp]
    make_samples: Callable[[], Iterable[Sample]]

    @property
    def is_built_in(self) -> bool:
        """Whether the rule is the library's own."""
        return self.forward.__module__.startswith(_own_package)

    def __repr__(self) -> str:
        return f"<rule {self.name}({', '.join([*self.inputs, *self.params])})>"

    @property
    def samples(self) -> list[Sample]:
        """The samples on which the rule is checked, made anew."""
        samples = list(self.make_samples())
        for i, made in enumerate(samples):
            if not isinstance(made, Sample):
                raise TypeError(f"rule {self.name!r}: sample {i} is {made!r:.60}; write sample({made!r:.20}, …)")
        return samples

    def compute(self, inputs: Sequence[Any], params: tuple[Any, ...]) -> Any:
        """Return the value of the operation on raw arrays."""
        if self.variadic:
            return self.forward(*inputs, **dict(zip(self.params, params, strict=True)))
        return self.forward(*inputs, *params)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Sort the arguments of a call into inputs and parameters, filling in the defaults.

        Raises
        ------
        TypeError
            If an argument is missing, given twice or unknown.
        """
        if self.variadic:
            inputs, given = args, dict(kwargs)
        else:
            names = (*self.inputs, *self.params)
            if len(args) > len(names):
                raise TypeError(f"{self.name} takes {len(names)} arguments ({', '.join(names)}), not {len(args)}")
            given = dict(zip(names, args, strict=False))
            for name, value in kwargs.items():
                if name in given:
                    raise TypeError(f"{self.name} got the argument {name!r} twice")
                given[name] = value
            missing = [name for name in self.inputs if name not in given]
            if missing:
                raise TypeError(f"{self.name} needs the argument {missing[0]!r}")
            inputs = tuple(given.pop(name) for name in self.inputs)
        unknown = [name for name in given if name not in self.params]
        if unknown:
            raise TypeError(f"{self.name} has no argument {unknown[0]!r}; it takes {', '.join(self.params) or 'none'}")
        given = self.defaults | given
        missing = [name for name in self.params if name not in given]
        if missing:
            raise TypeError(f"{self.name} needs the argument {missing[0]!r}")
        return inputs, tuple(given[name] for name in self.params)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the rule to values of any kind: the first whose type has ``__apply_rule__`` takes the call."""
        if self.defaults or self.variadic or kwargs or len(args) != len(self.inputs) + len(self.params):
            inputs, params = self.bind(args, kwargs)
        else:
            inputs, params = args[: len(self.inputs)], args[len(self.inputs) :]
        for value in (*inputs, *params):
            apply = getattr(type(value), "__apply_rule__", None)
            if apply is not None:
                return apply(self, inputs, params)
        return self.compute(inputs, params)


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
    return Vjp(expression, _pull_back(expression, [known[name] for name in names], first_input))


def _pull_back(expression: Callable[..., Any], places: list[int], first_input: int) -> Callable[..., Any]:
    """Return a function that calls an expression with the values at these places of (g, y, k, inputs, …).

    Every operation of every backward pass calls it. To look values up by name would double the cost of a small
    operation, so the most frequent kinds of expressions have a function of their own.
    """
    if not places:
        return lambda g, y, k, inputs, params: expression(g)
    if places == [1]:
        return lambda g, y, k, inputs, params: expression(g, y)
    if min(places) >= first_input and len(places) == 1:
        i = places[0] - first_input
        return lambda g, y, k, inputs, params: expression(g, inputs[i])
    if min(places) >= first_input and len(places) == 2:
        i, j = (place - first_input for place in places)
        return lambda g, y, k, inputs, params: expression(g, inputs[i], inputs[j])
    chosen = itemgetter(0, *places)
    return lambda g, y, k, inputs, params: expression(*chosen((g, y, k, inputs, *params, *inputs)))


def all() -> tuple[Rule, ...]:
    """Return every rule, in the order of definition."""
    return tuple(_rules.values())


def get(name: str) -> Rule:
    """Return the rule of that name; otherwise a KeyError lists the known names."""
    if name not in _rules:
        raise KeyError(f"no rule {name!r}; there are {', '.join(sorted(_rules))}")
    return _rules[name]


def answers(*functions: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a decorator: the rule, or function composed of rules, answers for NumPy functions called on a Tensor."""

    def register(implementation: Any) -> Any:
        _answers.update(dict.fromkeys(functions, implementation))
        return implementation

    return register


def answer_for(function: Callable[..., Any]) -> Rule | Callable[..., Any] | None:
    """Return the rule, or the function composed of rules, that answers for a NumPy function; None without one."""
    return _answers.get(function)
