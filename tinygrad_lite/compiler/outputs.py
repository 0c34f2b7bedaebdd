"""What a program hands out, and what is made of it: results, and what the function leaves behind.

Each is written as an expression of ``values``, which the program handed out, of ``args`` and ``kwargs``, and of the
state's names, so that a call is one generated function.
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
from .places import EMPTY, contents, set_contents, slots_of, store
from .program import Variable
from .state import WITHOUT_CONTENTS, State, is_open, is_plain
from .tracer import Draws, Number, Tracer


class Outputs:
    """The values a program is to hand out, and the expressions of them.

    Parameters
    ----------
    state : State
        What the function reaches.

    Attributes
    ----------
    variables : list of Variable
        What is handed out.
    made : list of str
        The statements that make what `keep` has named.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.variables: list[Variable] = []
        self.made: list[str] = []
        self._given = {id(found.traced): found for found in state.inputs}
        self._new: dict[int, tuple[Any, str]] = {}

    def expression(self, x: Any) -> str:
        """Return the expression of an object like ``x``: of this very one if it was there before, else of a new one.

        Raises
        ------
        JitError
            If it is an iterator, whose values are not there yet, or of a type that cannot be made anew.
        """
        if isinstance(x, Tensor) and x in self.state.tensors:
            return self.state.tensors[x]
        if issubclass(type(x), (Tracer, Number, Draws)):
            return self._of_traced(x)
        known = self.state.text_of(x) or self._new.get(id(x), (None, ""))[1]
        if known:
            return known
        if is_plain(x) or isinstance(x, Real):  # numbers do not change
            return self.state.bind(x)
        # What is in two places is one object in both.
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
        if type(x) is Number:
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
            text = f"asarray({text})"  # NumPy computes a scalar
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
        """Return a name for what is made of the values, before anything is left behind that would change it."""
        text = self.expression(x)
        name = f"kept{len(self.made)}"
        self.made.append(f"{name} = {text}")
        return name

    def writing(self, holder_text: str, key: str, x: Any) -> str:
        """Return the statement that leaves something in an attribute of a Tensor."""
        return f"{holder_text}.{'data' if key == '_data' else key} = {self.keep(x)}"

    def storing(self, holder_text: str, key: Any, x: Any) -> str:
        """Return the statement that leaves something in another place."""
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
        """Return the expression of a copy of an object with this in it: items, or attributes."""
        self.state.names |= {"filled": filled}
        parts = ", ".join(f"{self.state.bind(key)}: {self.expression(part)}" for key, part in items.items())
        return f"filled({self.state.bind(empty)}, {{{parts}}})"


def filled(empty: Any, items: dict[Any, Any]) -> Any:
    """Return a copy of an empty object with items in it, or attributes."""
    made = copy(empty)
    set_contents(made if isinstance(made, (dict, list, deque)) else vars(made), items)
    return made


def leaf(data: Any, requires_grad: bool, name: str | None) -> Tensor:
    """Return a Tensor without history."""
    y = constant(data)
    y._requires_grad, y.name = requires_grad, name
    return y


def beyond_history(data: Any, is_freed: bool) -> Tensor:
    """Return a Tensor that depends on parameters through a program, which keeps no history to go back through.

    Where a backward pass has freed the history in the function itself, no gradient can be wanted of it any more.
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
# What all such values came from: one is enough, since nothing else about it is ever read.
_FORGOTTEN, _FREED = (Operation(_JITTED, (leaf(np.zeros(()), True, None),), (np.zeros(()),), ()) for _ in range(2))
_FREED.free()
