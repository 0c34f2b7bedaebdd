"""A graph folded by layer: the call of a module stands in place of the operations it consists of.

Each operation knows the innermost call that it is part of, and each call the one around it.
"""

from __future__ import annotations

import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..arrays import raw
from ..engine import Call
from ..nn import Module, Sequential
from ..nn.tree import found_in
from ..tensor import Tensor
from .values import AppliedModule, AppliedRule, Step, Value

FEW = 2  # operations: a call of no more is shown by its formulas, which say more than its name


def expect_depth(depth: Any) -> None:
    """Raise an error if a depth is neither None nor a whole number of at least 1."""
    is_whole = isinstance(depth, (int, np.integer)) and not isinstance(depth, bool)
    if depth is not None and not (is_whole and depth >= 1):
        raise ValueError(
            "depth is the number of levels of modules to show, a whole number: 1 folds each layer of the net, 2 opens "
            f"them and folds what they consist of, and None opens all. It cannot be {depth!r}"
        )


class Nets:
    """The modules that a graph was computed by.

    Parameters
    ----------
    innermost : iterable of Call or None
        The innermost call that each operation is part of.
    model : Module, optional
        The net. By default it is the outermost module, if there is only one.

    Attributes
    ----------
    paths : dict of int to str
        The paths in the net of its modules and Tensors, by the ``id`` of each. Those of a module outside the net begin
        with its type, and a number if there are several.
    """

    def __init__(self, innermost: Iterable[Call | None], model: Module | None) -> None:
        calls = {call: _with_those_around(call) for call in innermost}
        outermost = dict.fromkeys(around[0] for around in calls.values() if around)
        modules = list({id(call.module): call.module for call in outermost}.values())
        if model is None and len(modules) == 1:
            model = modules[0]
        self.paths = {} if model is None else _paths(model, "")
        outside = [module for module in modules if id(module) not in self.paths]
        for i, module in enumerate(outside, 1):
            self.paths = _paths(module, type(module).__name__ + str(i) * (len(outside) > 1)) | self.paths
        of_the_net = dict.fromkeys(call for around in calls.values() for call in around if call.module is model)
        opened = {outer for call in of_the_net for outer in _with_those_around(call)}
        self._levels = {
            innermost: [call for call in around if call not in opened and type(call.module) is not Sequential]
            for innermost, around in calls.items()
        }
        self._inputs = [named for call in outermost | of_the_net for named in arguments(call)]

    def call_at(self, depth: int | None, innermost: Call | None) -> Call | None:
        """Return the call around another that is so many levels below the net; None if there are fewer.

        A `Sequential` is no level of its own, just as a list of layers is none.
        """
        return None if depth is None else next(iter(self._levels[innermost][depth - 1 :]), None)

    def path_of(self, module: Any) -> str:
        """Return the path of a module. One that is a mere number, or missing, is told by the module's type."""
        kind, path = type(module).__name__, self.paths.get(id(module), "")
        return path if path.strip(".0123456789") else kind + path

    def input(self, x: Any) -> str | None:
        """Return the name of the net's argument that a value is; None for other values."""
        return next((name for name, given in self._inputs if _is_same(x, given)), None)


def _with_those_around(call: Call | None) -> list[Call]:
    """Return a call and those around it, the outermost first."""
    return [] if call is None else [*_with_those_around(call.within), call]


def _paths(module: Module, path: str) -> dict[int, str]:
    """Return the paths of a module and of all in it, by the ``id`` of each; of something held twice, the first one."""
    below = reversed([*module._below(path and f"{path}.")])
    return {id(x): path for path, x in below} | {id(module): path or type(module).__name__}


def arguments(call: Call) -> list[tuple[str, Any]]:
    """Return the Tensors and arrays among the arguments of a call, also those in containers, each with its name."""
    given = inspect.signature(call.module.forward).bind(*call.args, **call.kwargs).arguments
    return [(name, x) for name, value in given.items() for _, x in found_in("", value, (Tensor, np.ndarray))]


def _is_same(x: Any, given: Any) -> bool:
    """Return whether a value is an argument, or shows its memory, or is a copy of another type."""
    x, given = raw(x), raw(given)
    if x is given or not isinstance(x, np.ndarray) or not isinstance(given, np.ndarray):
        return x is given
    is_copy = x.shape == given.shape and given.dtype.kind in "biuf" and np.array_equal(x, given.astype(x.dtype))
    return is_copy or np.may_share_memory(x, given)


def folded(
    steps: Sequence[AppliedRule], nets: Nets, depth: int | None, value: Callable[[Any], Value]
) -> tuple[Step, ...]:
    """Return the steps of a graph with the calls of modules at a depth in place of the operations in them.

    The function ``value`` returns the value of a Tensor or array.
    """
    calls = {step: nets.call_at(depth, step.call) for step in steps}
    size = Counter(calls.values())
    parts: dict[AppliedRule | Call, list[AppliedRule]] = defaultdict(list)
    users: dict[Any, set[AppliedRule | Call]] = defaultdict(set)
    for step, call in calls.items():
        part = call if call is not None and size[call] > FEW else step
        parts[part].append(step)
        for x in step.operands:
            users[x].add(part)
    members: dict[int, dict[Value, None]] = defaultdict(dict)  # of a module, in all of its calls
    for part, inner in parts.items():
        if isinstance(part, Call):
            state = {id(x) for _, x in part.module._named_tensors()}
            held = dict.fromkeys(x for step in inner for x in step.inputs if id(x.source) in state)
            members[id(part.module)] |= {x: None for x in held if _is_used_in_calls_of(part.module, users[x])}
    vectors: dict[int, Value] = {}
    found: list[Step] = []
    for part, inner in parts.items():
        if not isinstance(part, Call):
            found.append(part)
            continue
        key, own = id(part.module), tuple(members[id(part.module)])
        if own and key not in vectors:
            vectors[key] = Value(part.module, np.concatenate([x.array.reshape(-1) for x in own]), requires_grad=True)
        inside = {*own, *(step.result for step in inner)}
        used = dict.fromkeys(x for step in inner for x in step.inputs if x not in inside)
        given = [x for x in (value(x) for _, x in arguments(part)) if x in used or not x.requires_grad]
        results = tuple(step.result for step in inner if users[step.result] != {part})
        path, kind = nets.path_of(part.module), type(part.module).__name__
        operands = tuple(dict.fromkeys([*given, *used]))
        found.append(AppliedModule(path, kind, operands, vectors.get(key), own, results, tuple(inner)))
    return tuple(found)


def _is_used_in_calls_of(module: Module, users: Iterable[AppliedRule | Call]) -> bool:
    return all(isinstance(user, Call) and user.module is module for user in users)
