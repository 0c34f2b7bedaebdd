"""Rebuild the function's result and side effects from the outputs of the program.

A program only returns arrays and numbers. The function may return a tuple of Tensors, and replace values elsewhere. So
the code that builds these objects is generated too, as statements on ``values`` (the program's outputs), ``args``,
``kwargs`` and the names of the environment.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from dataclasses import replace
from numbers import Real
from types import FunctionType
from typing import Any

import numpy as np

from ..engine import Operation
from ..errors import GraphError, JitError
from ..rules import Vjp, get
from ..support.call_stack import is_library
from ..support.devices import is_array, share_memory
from ..tensor import Tensor, constant
from .environment import Environment
from .kinds import CONTAINERS, WITHOUT_CONTENTS, is_open, is_plain
from .numbers import NumberTracer
from .places import EMPTY, set_contents, slots_of, store
from .program import Variable
from .traced import is_traced
from .tracer import Tracer


class Outputs:
    """Collects the outputs of a program, and generates the code that uses them.

    Parameters
    ----------
    environment : Environment
        The values the function reaches.

    Attributes
    ----------
    variables : list of Variable
        The outputs of the program.
    made : list of str
        The statements that build the result and the new values, before any side effect could change what they use.
    writes : list of str
        The statements that then store the new values.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.variables: list[Variable] = []
        self.made: list[str] = []
        self.writes: list[str] = []
        self._texts = {id(found.tracer): found.place.text for found in environment.inputs}
        self._texts |= {id(tensor): text for tensor, text in environment.tensors.items()}
        self._named: dict[int, tuple[str, Any]] = {}
        environment.names |= HELPERS

    def name(self, x: Any) -> str:
        """Return the name of ``x``: of the same object if it existed before the call, else of a new copy.

        It is assigned before any side effect, which could change the values used, and once only, so that an object that
        occurs twice stays one object.

        Raises
        ------
        JitError
            If it is of a type that the program cannot construct.
        """
        if id(x) not in self._named:
            text = self._expression(x)
            self._named[id(x)] = f"new{len(self._named)}", x
            self.made.append(f"{self._named[id(x)][0]} = {text}")
        return self._named[id(x)][0]

    def _expression(self, x: Any) -> str:
        known = self._texts.get(id(x)) or self.environment.text_of(x)
        if known:
            return known
        if is_traced(x):
            return self._of_computed(x)
        if is_plain(x) or isinstance(x, Real):  # numbers are immutable
            return self.environment.bind(x)
        return self._of_new(x)

    def write(self, holder_text: str, name: str, x: Any) -> None:
        """Set an attribute of a Tensor."""
        self.writes.append(f"{holder_text}.{name} = {self.name(x)}")

    def store(self, holder_text: str, key: Any, x: Any) -> None:
        """Store a value anywhere else; `EMPTY` deletes the old one."""
        if isinstance(x, Tracer) and isinstance(key, str) and key.isidentifier() and not x.variable.is_named:
            x.variable.name, x.variable.is_named = f"new_{key}", True
        kept = "EMPTY" if x is EMPTY else self.name(x)
        self.writes.append(f"store({holder_text}, {self.environment.bind(key)}, {kept})")

    def _of_computed(self, x: Any) -> str:
        self.variables.append(x.variable)
        text = f"values[{len(self.variables) - 1}]"
        if type(x) is NumberTracer:
            return text
        x.current()
        changed = next((f for f in self.environment.inputs if f.tracer is x.base and x.base.changes), None)
        if changed is not None:
            raise JitError(
                f"the function returns or keeps a view of {changed.path}, and changes {changed.path} in place: return "
                "a copy, with .copy()"
            )
        # The program may compute a scalar in place of an array without axes.
        return f"asarray({text})" if issubclass(type(x.value), np.ndarray) and not x.shape else text

    def _of_new(self, x: Any) -> str:
        if isinstance(x, Tensor):
            return self._of_tensor(x)
        if is_array(x):
            if any(is_array(other) and share_memory(other, x) for _, other in self._named.values()):
                raise JitError("the function returns two arrays that share their memory: return one of them, or a copy")
            return f"{self.environment.bind(x.copy())}.copy()"
        is_of_library = is_library(getattr(x, "__module__", None))
        if isinstance(x, (type, *WITHOUT_CONTENTS)) or (isinstance(x, FunctionType) and is_of_library):
            return self.environment.bind(x)
        is_object = hasattr(x, "__dict__") and not callable(x) and not slots_of(type(x))
        if isinstance(x, CONTAINERS) or (is_object and all(map(is_open, type(x).__mro__))):
            return self._of_parts(x)
        raise JitError(
            f"the function returns or keeps a new {type(x).__name__}, which a program cannot construct: "
            "return Tensors, arrays and numbers, and lists, tuples and dictionaries of them"
        )

    def _of_tensor(self, x: Tensor) -> str:
        data = self.name(x._data)
        if x.operation is None or not x.requires_grad:
            is_bare = not x.requires_grad and x.name is None
            return f"constant({data})" if is_bare else f"tensor({data}, {x.requires_grad}, {x.name!r})"
        # The operation only gives the error of a backward pass, which differs if the function freed the graph.
        operation = "FORGOTTEN" if x.operation.inputs is not None else "FREED"
        return f"tensor({data}, True, {x.name!r}, {operation})"

    def _of_parts(self, x: Any) -> str:
        """Return the expression for a container, or for an object with its attributes."""
        is_container = isinstance(x, CONTAINERS)
        items = x if isinstance(x, dict) else dict(enumerate(x)) if is_container else vars(x)
        parts = {self.environment.bind(key): self.name(part) for key, part in items.items()}
        listed, pairs = f"[{', '.join(parts.values())}]", ", ".join(f"{key}: {text}" for key, text in parts.items())
        if type(x) is list:
            return listed
        if type(x) is dict:
            return f"{{{pairs}}}"
        if isinstance(x, (tuple, set, frozenset)):
            return f"{self.environment.bind(getattr(type(x), '_make', type(x)))}({listed})"
        empty = copy(x)
        (empty if is_container else vars(empty)).clear()
        return f"filled({self.environment.bind(empty)}, {{{pairs}}})"


def filled(empty: Any, items: dict[Any, Any]) -> Any:
    """Return a copy of an empty object, filled with items or attributes."""
    made = copy(empty)
    set_contents(made if isinstance(made, (dict, list, deque)) else vars(made), items)
    return made


def tensor(data: Any, requires_grad: bool, name: str | None, operation: Operation | None = None) -> Tensor:
    """Return a Tensor; its operation, if any, only says why there is no history."""
    y = constant(data)
    y._requires_grad, y.name, y.operation = requires_grad, name, operation
    return y


def _no_history(*values: Any) -> Any:
    raise GraphError(
        "the result of a jitted function cannot be differentiated, since a program keeps no history: jit the function "
        "that differentiates, tg.jit(tg.grad(f)) or a whole training step, or call f.__wrapped__"
    )


_JITTED = replace(get("identity"), name="jit", vjps=(Vjp(_no_history, _no_history),))
# The operations of all such Tensors. One of each kind is enough, since only the error of their backward pass matters.
FORGOTTEN, FREED = (Operation(_JITTED, (tensor(np.zeros(()), True, None),), (np.zeros(()),), ()) for _ in range(2))
FREED.free()
# The functions and objects that the statements name.
HELPERS: dict[str, Any] = {f.__name__: f for f in (np.asarray, constant, filled, store, tensor)}
HELPERS |= {"FORGOTTEN": FORGOTTEN, "FREED": FREED}
