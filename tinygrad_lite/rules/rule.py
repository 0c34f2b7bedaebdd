"""A derivative rule: an operation, and one expression for its derivative by each differentiable input.

All that the library knows of calculus is written as such rules. The expressions use operators, array methods and NumPy
functions only. So any value that answers NumPy's protocols may flow through them: arrays give the gradient, Tensors a
gradient that can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from operator import itemgetter
from typing import Any

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

    Examples
    --------
    >>> tanh = tg.rules.get("tanh")
    >>> x, g = np.array([0.0, 100.0]), np.array([1.0, 1.0])
    >>> tanh.vjps[0].expression(g, np.tanh(x))  # g * (1 - y * y)
    array([1., 0.])
    """

    expression: Callable[..., Any]
    pull_back: Callable[[Any, Any, int, Sequence[Any], tuple[Any, ...]], Any]


def pull_back_by_place(expression: Callable[..., Any], places: list[int], first_input: int) -> Callable[..., Any]:
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


@dataclass(frozen=True)
class Sample:
    """The arguments of one call, on which a rule is checked; `sample` makes one, and `define` takes a list of them.

    Examples
    --------
    >>> tg.rules.sample(np.array([1.0, 2.0]), axis=0).params
    {'axis': 0}
    """

    args: tuple[Any, ...]
    params: dict[str, Any]


def sample(*args: Any, **params: Any) -> Sample:
    """Return the arguments of one call of a rule, written as in that call: ``sample(x, axis=0)``.

    Examples
    --------
    >>> tg.rules.sample(np.array([1.0, 2.0]), axis=0)
    Sample(args=(array([1., 2.]),), params={'axis': 0})
    """
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

    Examples
    --------
    >>> tanh = tg.rules.get("tanh")
    >>> tanh, tanh(np.array([0.0, 100.0]))
    (<rule tanh(x)>, array([0., 1.]))
    >>> tanh(tg.Tensor([0.0], requires_grad=True))
    Tensor([0.], dtype=float32, requires_grad=True, from=tanh)
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
        names = self.params if self.variadic else (*self.inputs, *self.params)
        values = () if self.variadic else args
        if len(values) > len(names):
            raise TypeError(f"{self.name} takes {len(names)} arguments ({', '.join(names)}), not {len(values)}")
        given = dict(zip(names, values, strict=False))
        for name in kwargs:
            if name in given:
                raise TypeError(f"{self.name} got the argument {name!r} twice")
            if name not in names:
                taken = ", ".join(self.params) or "none"
                raise TypeError(f"{self.name} has no argument {name!r}; it takes {taken}")
        given = self.defaults | given | kwargs
        for name in names:
            if name not in given:
                raise TypeError(f"{self.name} needs the argument {name!r}")
        inputs = args if self.variadic else tuple([given[name] for name in self.inputs])
        return inputs, tuple([given[name] for name in self.params])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the rule to values of any kind: the first whose type has ``__apply_rule__`` takes the call."""
        count = len(self.inputs)
        if self.variadic or kwargs or len(args) != count + len(self.params):
            inputs, params = self.bind(args, kwargs)
        else:
            inputs, params = args[:count], args[count:]
        for value in (*inputs, *params):
            apply = getattr(type(value), "__apply_rule__", None)
            if apply is not None:
                return apply(self, inputs, params)
        return self.compute(inputs, params)


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that rules use, so that formulas show its name and operands in place of what it computes.

    A value whose type has ``__apply_helper__`` takes the call, as ``__apply_rule__`` does that of a rule.
    """

    @wraps(function)
    def call(*args: Any) -> Any:
        apply = next((f for f in (getattr(type(x), "__apply_helper__", None) for x in args) if f is not None), None)
        return function(*args) if apply is None else apply(function, args)

    return call
