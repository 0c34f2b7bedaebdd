"""What a program hands out, and what is made of it: results, and what the function leaves behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import raw
from ..engine import Operation
from ..errors import GraphError, JitError
from ..rules import Rule, Vjp
from ..tensor import Tensor, constant
from .program import Variable
from .state import State
from .tracer import Draws, Number, Tracer

Build = Callable[[Any, Any, Any], Any]
ALL = object()  # the key of everything that a list holds


@dataclass(frozen=True)
class Write:
    """Something the function leaves behind in an object it reaches.

    Attributes
    ----------
    holder_text, key : str, object
        Where: an expression of the state's names, and the key there.
    build : callable
        ``build(values, args, kwargs)`` returns what is left, given the values the program handed out.
    """

    holder_text: str
    key: Any
    build: Build


class Outputs:
    """What a program hands out, and how objects are made of it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.variables: list[Variable] = []
        self._given = {id(found.traced): found for found in state.inputs}

    def builder(self, x: Any) -> Build:
        """Return the function that makes an object like ``x`` of the values a program has handed out."""
        if isinstance(x, Tensor) and x in self.state.tensors:
            return self.accessor(self.state.tensors[x])
        if isinstance(x, (Tracer, Number, Draws)) and id(x) in self._given:
            return self.accessor(self._given[id(x)].place.text)
        if isinstance(x, (Tracer, Number)):
            i = len(self.variables)
            self.variables.append(x.variable)
            return lambda values, args, kwargs: values[i]
        if isinstance(x, Tensor):
            return self._tensor_builder(x)
        if isinstance(x, np.ndarray):
            return lambda values, args, kwargs: x.copy()
        if isinstance(x, Iterator):
            raise JitError(
                f"the function returns or keeps a {type(x).__name__}, whose values are computed only later: make a list"
            )
        if isinstance(x, (dict, list, tuple, deque)) and not self.state.reaches(x):
            return self._container_builder(x)
        if _is_traced(x) and not self.state.reaches(x):
            return self._object_builder(x)
        return lambda values, args, kwargs: x

    def accessor(self, text: str) -> Build:
        """Return the function that looks something up."""
        return eval(f"lambda values, args, kwargs: {text}", self.state.names)

    def _tensor_builder(self, x: Tensor) -> Build:
        # What is needed of it alone: it holds on to every value of the recording.
        requires_grad, name, data = x.requires_grad, x.name, self.builder(x._data)
        if x.operation is not None and requires_grad:
            return lambda values, args, kwargs: beyond_history(data(values, args, kwargs))
        return lambda values, args, kwargs: leaf(data(values, args, kwargs), requires_grad, name)

    def _container_builder(self, x: Any) -> Build:
        parts = [(key, self.builder(part)) for key, part in (x.items() if isinstance(x, dict) else enumerate(x))]
        kind = type(x)
        if isinstance(x, tuple):
            make = kind._make if hasattr(kind, "_make") else kind
            return lambda values, args, kwargs: make([part(values, args, kwargs) for _, part in parts])
        empty = copy(x)
        empty.clear()

        def build(values: Any, args: Any, kwargs: Any) -> Any:
            made = copy(empty)
            if isinstance(made, dict):
                made.update({key: part(values, args, kwargs) for key, part in parts})
            else:
                made.extend(part(values, args, kwargs) for _, part in parts)
            return made

        return build

    def _object_builder(self, x: Any) -> Build:
        parts = [(name, self.builder(value)) for name, value in vars(x).items()]
        empty = copy(x)
        vars(empty).clear()

        def build(values: Any, args: Any, kwargs: Any) -> Any:
            made = copy(empty)
            vars(made).update({name: part(values, args, kwargs) for name, part in parts})
            return made

        return build


def _is_traced(x: Any) -> bool:
    """Return whether an object has attributes that come from a recording."""
    return hasattr(x, "__dict__") and not isinstance(x, type) and any(map(_holds_traced, vars(x).values()))


def _holds_traced(x: Any) -> bool:
    if isinstance(x, (list, tuple, dict)):
        return any(map(_holds_traced, x.values() if isinstance(x, dict) else x))
    return isinstance(raw(x), (Tracer, Number))


def leaf(data: Any, requires_grad: bool, name: str | None) -> Tensor:
    """Return a Tensor without history."""
    y = constant(data)
    y.requires_grad, y.name = requires_grad, name
    return y


def beyond_history(data: Any) -> Tensor:
    """Return a Tensor that depends on parameters through a program, which keeps no history to go back through."""
    y = constant(data)
    y.requires_grad = True
    y.operation = Operation(_JITTED, (leaf(data, True, None),), (data,), ())
    return y


def _no_history(g: Any) -> Any:
    raise GraphError(
        "a value that came out of a jitted function cannot be differentiated, since its program keeps no history: jit "
        "the function that differentiates, tg.jit(tg.grad(f)) or a whole training step, or call f.__wrapped__"
    )


_JITTED = Rule(
    name="jit",
    forward=lambda x: x,
    inputs=("x",),
    params=(),
    defaults={},
    variadic=False,
    vjps=(Vjp(_no_history, lambda g, y, k, inputs, params: _no_history(g)),),
    make_samples=list,
)
