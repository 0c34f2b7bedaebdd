"""Rebuild the function's result and side effects from the outputs of the program.

A program only returns arrays and numbers. The function may return a tuple of Tensors, and replace values elsewhere. So
the code that builds these objects is generated too, as statements on ``values`` (the program's outputs), ``args``,
``kwargs`` and the names of the state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from copy import copy
from numbers import Real
from types import FunctionType
from typing import Any

import numpy as np

from ..engine import Operation
from ..errors import GraphError, JitError
from ..rules import Rule, Vjp
from ..support.call_stack import is_library
from ..support.devices import is_array, share_memory
from ..tensor import Tensor, constant
from .environment import Environment
from .kinds import WITHOUT_CONTENTS, is_open, is_plain
from .places import EMPTY, contents, set_contents, slots_of, store
from .program import Variable
from .tracer import GeneratorTracer, NumberTracer, Tracer


class Outputs:
    """Collects the outputs of a program, and generates the code that uses them.

    Parameters
    ----------
    state : Environment
        The values the function reaches.

    Attributes
    ----------
    variables : list of Variable
        The outputs of the program.
    made : list of str
        The statements that assign the names which `keep` returns.
    """

    def __init__(self, state: Environment) -> None:
        self.state = state
        self.variables: list[Variable] = []
        self.made: list[str] = []
        self._given = {id(found.tracer): found for found in state.inputs}
        self._new: dict[int, tuple[Any, str]] = {}

    def expression(self, x: Any) -> str:
        """Return an expression for ``x``: for the same object if it existed before the call, else for a new copy.

        Raises
        ------
        JitError
            If it is an iterator, whose values do not exist yet, or of a type that the program cannot construct.
        """
        if isinstance(x, Tensor) and x in self.state.tensors:
            return self.state.tensors[x]
        if issubclass(type(x), (Tracer, NumberTracer, GeneratorTracer)):
            return self._of_traced(x)
        known = self.state.text_of(x) or self._new.get(id(x), (None, ""))[1]
        if known:
            return known
        if is_plain(x) or isinstance(x, Real):  # numbers are immutable
            return self.state.bind(x)
        # An object that occurs twice gets one name, so that it stays one object.
        return self._named(x, self._of_new(x))

    def _named(self, x: Any, text: str) -> str:
        name = f"new{len(self._new)}"
        self.made.append(f"{name} = {text}")
        self._new[id(x)] = x, name
        return name

    def _of_traced(self, x: Any) -> str:
        found = self._given.get(id(x))
        if found is not None:
            return found.place.text
        if id(x) in self._new:
            return self._new[id(x)][1]
        if type(x) is NumberTracer:
            self.variables.append(x.variable)
            return f"values[{len(self.variables) - 1}]"
        x.current()
        if x.base is not None and x.base.changes and id(x.base) in self._given:
            path = self._given[id(x.base)].path
            raise JitError(
                f"the function returns or keeps a view of {path}, in whose memory it changes something: return a copy, "
                "with .copy()"
            )
        self.variables.append(x.variable)
        text = f"values[{len(self.variables) - 1}]"
        if issubclass(type(x.value), np.ndarray) and not x.shape:
            self.state.names["asarray"] = np.asarray
            text = f"asarray({text})"  # the program may compute a scalar instead
        return self._named(x, text)

    def _of_new(self, x: Any) -> str:
        if isinstance(x, Tensor):
            return self._of_tensor(x)
        if is_array(x):
            if any(is_array(other) and share_memory(other, x) for other, _ in self._new.values()):
                raise JitError("the function returns two arrays that share their memory: return one of them, or a copy")
            return f"{self.state.bind(x.copy())}.copy()"
        if isinstance(x, Iterator):
            raise JitError(
                f"the function returns or keeps a {type(x).__name__}, whose values are computed only later: make a list"
            )
        if isinstance(x, (dict, list, tuple, deque, set, frozenset)):
            return self._of_container(x)
        is_of_library = is_library(getattr(x, "__module__", None))
        if isinstance(x, (type, *WITHOUT_CONTENTS)) or (isinstance(x, FunctionType) and is_of_library):
            return self.state.bind(x)
        if callable(x) or not hasattr(x, "__dict__") or slots_of(type(x)) or not all(map(is_open, type(x).__mro__)):
            raise JitError(
                f"the function returns or keeps a {type(x).__name__} that it makes, which a program cannot make anew: "
                "return Tensors, arrays and numbers, and lists, tuples and dictionaries of them"
            )
        empty = copy(x)
        vars(empty).clear()
        return self._filled(empty, vars(x))

    def keep(self, x: Any) -> str:
        """Return a name for ``x``, which is assigned before any side effect could change the values used."""
        text = self.expression(x)
        name = f"kept{len(self.made)}"
        self.made.append(f"{name} = {text}")
        return name

    def writing(self, holder_text: str, key: str, x: Any) -> str:
        """Return the statement that sets an attribute of a Tensor."""
        return f"{holder_text}.{'data' if key == '_data' else key} = {self.keep(x)}"

    def storing(self, holder_text: str, key: Any, x: Any) -> str:
        """Return the statement that stores a value anywhere else; `EMPTY` deletes the old one."""
        self.state.names["store"] = store
        if x is EMPTY:
            return f"store({holder_text}, {self.state.bind(key)}, EMPTY)"
        if isinstance(x, Tracer) and isinstance(key, str) and key.isidentifier() and not x.variable.is_named:
            x.variable.name, x.variable.is_named = f"new_{key}", True
        return f"store({holder_text}, {self.state.bind(key)}, {self.keep(x)})"

    def _of_tensor(self, x: Tensor) -> str:
        data = self.expression(x._data)
        if x.operation is not None and x.requires_grad:
            self.state.names["beyond_history"] = beyond_history
            return f"beyond_history({data}, {x.operation.inputs is None})"
        self.state.names |= {"constant": constant, "leaf": leaf}
        if not x.requires_grad and x.name is None:
            return f"constant({data})"
        return f"leaf({data}, {x.requires_grad}, {x.name!r})"

    def _of_container(self, x: Any) -> str:
        items = x.items() if isinstance(x, dict) else enumerate(x)
        parts = [(self.state.bind(key), self.expression(part)) for key, part in items]
        if type(x) is dict:
            return f"{{{', '.join(f'{key}: {text}' for key, text in parts)}}}"
        listed = f"[{', '.join(text for _, text in parts)}]"
        if type(x) is list:
            return listed
        if isinstance(x, (tuple, set, frozenset)):
            return f"{self.state.bind(getattr(type(x), '_make', type(x)))}({listed})"
        empty = copy(x)
        empty.clear()
        return self._filled(empty, contents(x))

    def _filled(self, empty: Any, items: dict[Any, Any]) -> str:
        """Return the expression for a copy of an empty object, filled with items or attributes."""
        self.state.names |= {"filled": filled}
        parts = ", ".join(f"{self.state.bind(key)}: {self.expression(part)}" for key, part in items.items())
        return f"filled({self.state.bind(empty)}, {{{parts}}})"


def filled(empty: Any, items: dict[Any, Any]) -> Any:
    """Return a copy of an empty object, filled with items or attributes."""
    made = copy(empty)
    set_contents(made if isinstance(made, (dict, list, deque)) else vars(made), items)
    return made


def leaf(data: Any, requires_grad: bool, name: str | None) -> Tensor:
    """Return a Tensor without history."""
    y = constant(data)
    y._requires_grad, y.name = requires_grad, name
    return y


def beyond_history(data: Any, is_freed: bool) -> Tensor:
    """Return a Tensor that requires a gradient, but whose history a program did not keep: `backward` raises an error.

    The error differs if a backward pass in the function has freed the history anyway.
    """
    y = constant(data)
    y._requires_grad = True
    y.operation = _FREED if is_freed else _FORGOTTEN
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
# The operations of all such Tensors. One of each kind is enough, since only the error of their backward pass matters.
_FORGOTTEN, _FREED = (Operation(_JITTED, (leaf(np.zeros(()), True, None),), (np.zeros(()),), ()) for _ in range(2))
_FREED.free()
