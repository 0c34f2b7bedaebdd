"""What a function reaches: its arguments, and all it can read through closures, globals and attributes.

Arrays, Tensors, learning rates and random generators become inputs of the program, read anew at each call. All else
(flags, sizes, other numbers, which function a name stands for) is guarded: where it is no longer as it was, another
program is needed.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import inspect
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from copy import copy
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

from ..arrays import get_default_dtype
from ..engine import is_recording
from ..errors import JitError
from ..nn import Module
from ..numpy_calls import Comparison
from ..optim import Optimizer
from ..support.call_stack import OURS, is_library
from ..support.devices import MODULES, is_array, random_modules
from ..support.flags import Block
from ..tensor import Tensor
from .naming import Names
from .places import EMPTY, Place, alike, slots_of
from .program import GENERATORS, Variable
from .tracer import Recorder

PLAIN = (int, float, complex, str, bytes, range, np.generic, np.dtype)
CONTAINERS = (tuple, list, dict, set, frozenset, deque)
GIVEN = ("args", "kwargs")
OF_DATA = ("argparse", "collections", "types")  # modules of classes that hold what others put there
MOST = 20_000  # values that a function may reach


@dataclasses.dataclass(eq=False)
class Input:
    """A value that the program may read.

    Attributes
    ----------
    places : list of Place
        Where it is.
    path : str
        How the user knows it: ``net.hidden.weight``.
    value : object
        The array, number or generator there before the recording.
    owner : Tensor or None
        The Tensor whose gradient it is.
    has_history : bool
        Whether it is a Tensor that was computed from others.
    started : Variable
        What it is in the program.
    traced : Tracer, Number or Draws
        What stands there during the recording.
    """

    places: list[Place]
    path: str
    value: Any
    owner: Tensor | None = None
    has_history: bool = False
    started: Variable = dataclasses.field(init=False)
    traced: Any = dataclasses.field(init=False, default=None)

    @property
    def place(self) -> Place:
        """The first place."""
        return self.places[0]

    @property
    def is_given(self) -> bool:
        """Whether it is an argument, or a part of one."""
        return self.place.holder_text.startswith(GIVEN)


class State:
    """All that a function and its arguments reach.

    Parameters
    ----------
    function : callable
        What is to be recorded.
    args, kwargs : list and dict
        What it is called with.

    Attributes
    ----------
    names : dict
        What the guards' names stand for.
    guards : dict of str to str
        Conditions, as expressions of these names, of ``args`` and of ``kwargs``; and what each is about.
    inputs : list of Input
        What the program may read.
    tensors : dict of Tensor to str
        Every Tensor, and how it is reached.
    paths : dict of Tensor to str
        Every Tensor, and how the user knows it.
    modules : dict of Module to str
        Every module, and how the user knows it.
    optimizers : dict of str to Optimizer
        Every optimizer, by how the user knows it.
    program_names : Names
        What all this is called in the program.
    containers : list of (holder, str)
        Every list, dictionary and the like, class and object, and how it is reached.
    bindings : list of Place
        Where the names of closures and modules stand for something.
    caches : list of callable
        Functions that keep what they have computed.
    """

    def __init__(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        # Of a library's objects only those attributes matter that the code names, so the names are collected first.
        self._code_names: set[str] = set()
        for _ in range(2):
            self._begin()
            self._visit_callable(function, getattr(function, "__name__", "function"))
            names = _argument_names(function, args)
            for i, value in enumerate(args):
                self._visit(value, Place(args, i, "args", str(i)), names[i])
            for name, value in kwargs.items():
                self._visit(value, Place(kwargs, name, "kwargs", repr(name)), name)
        self._guard(f"len(args) == {len(args)} and [*kwargs] == {self.bind([*kwargs])}", "the number of arguments")
        self.program_names = Names(self)

    def _begin(self) -> None:
        self.names: dict[str, Any] = {
            "is_recording": is_recording,
            "get_default_dtype": get_default_dtype,
            "alike": alike,
            "array_equal": np.array_equal,
            "EMPTY": EMPTY,
        }
        self._seen: dict[int, str] = {}
        self.guards: dict[str, str] = {}
        self._guard(f"is_recording() is {is_recording()}", "no_grad()")
        self._guard(f"get_default_dtype() == {self.bind(get_default_dtype())}", "the default dtype")
        self.inputs: list[Input] = []
        self.tensors: dict[Tensor, str] = {}
        self.paths: dict[Tensor, str] = {}
        self.containers: list[tuple[Any, str]] = []
        self.bindings: list[Place] = []
        self.caches: list[Any] = []
        self.modules: dict[Module, str] = {}
        self.optimizers: dict[str, Optimizer] = {}
        self._arrays: dict[int, Input] = {}
        self._tuples: list[tuple[Any, Place]] = []
        self._visited: set[int] = set()
        self._globals: set[tuple[int, str]] = set()
        self._lifts_numbers = False
        self._count = 0
        self._random_modules = random_modules()

    def lift(self, recorder: Recorder) -> None:
        """Put tracers in the place of all inputs."""
        recorder.names = self.program_names.tensors
        in_tuples: dict[tuple[int, Any], Any] = {}
        for found in self.inputs:
            found.traced = recorder.lift(found.value, self.program_names.of(found), found.is_given)
            found.started = found.traced.variable
            if found.has_history:
                found.traced.refusal = (
                    f"the Tensor {found.path} was computed outside of the jitted function, and no program can go back "
                    "into its history"
                )
            for place in found.places:
                if isinstance(place.holder, tuple):
                    in_tuples[id(place.holder), place.key] = found.traced
                else:
                    place.set(found.traced)
        for whole, place in reversed(self._tuples):  # the innermost first
            changed = [in_tuples.get((id(whole), i), x) for i, x in enumerate(whole)]
            if any(a is not b for a, b in zip(changed, whole, strict=True)):
                again = type(whole)._make(changed) if hasattr(whole, "_make") else type(whole)(changed)
                in_tuples[id(place.holder), place.key] = again
                if not isinstance(place.holder, tuple):
                    place.set(again)

    def traced(self, tensor: Tensor) -> Any:
        """Return what stood for the data of a Tensor when the recording began."""
        return next(f.traced for f in self.inputs if any(place.holder is tensor for place in f.places))

    def restore(self) -> None:
        """Put everything back that `lift` replaced and the recording has left in its place."""
        for whole, place in self._tuples:
            if not (place.is_fixed or isinstance(place.holder, tuple)):
                place.set(whole)
        for found in self.inputs:
            for place in found.places:
                if not (place.is_fixed or isinstance(place.holder, tuple)):
                    place.set(found.value)

    def guards_of(self, found: Input) -> list[str]:
        """Return the conditions on an input's type."""
        text, value = found.place.text, found.value
        if not (isinstance(value, np.generic) or is_array(value)):
            return []
        return [
            f"type({text}) is {self.bind(type(value))}",
            f"{text}.shape == {value.shape}",
            f"{text}.dtype == {self.bind(value.dtype)}",
        ]

    def guard_of_value(self, found: Input) -> str:
        """Return the condition that an input, a number or a mask, has the value it has now."""
        if is_array(found.value):
            return f"array_equal({found.place.text}, {self.bind(found.value.copy())})"
        return f"alike({found.place.text}, {self.bind(found.value)})"

    def bind(self, value: Any) -> str:
        """Return a name for an object."""
        name = self._seen.get(id(value))
        if name is None:
            name = self._seen[id(value)] = f"o{len(self._seen)}"
            self.names[name] = value
        return name

    def reaches(self, value: Any) -> bool:
        """Return whether an object was there before."""
        return id(value) in self._seen

    def _visit(self, value: Any, place: Place, path: str) -> None:
        """Look at a value and what is behind it."""
        self._count += 1
        if self._count > MOST:
            raise JitError(
                f"the function reaches more than {MOST:,} values, the last of them {path}: let it reach less, and pass "
                "what it needs as arguments"
            )
        text, given = place.text, place.holder_text.startswith(GIVEN)
        number = type(value) is float or (type(value) is int and not given)
        if is_array(value) or (isinstance(value, np.inexact) and given):
            self._visit_array(value, place, path)
        elif isinstance(value, GENERATORS) and place.is_fixed:
            raise JitError(
                f"the random generator {path} stands where jit cannot follow its draws: let the function reach it by a "
                "name, an attribute or an argument of its own"
            )
        elif isinstance(value, GENERATORS):
            self._guard(f"type({text}) is {self.bind(type(value))}" if given else f"{text} is {self.bind(value)}", path)
            self._add_input(value, place, path)
        elif number and (given or self._lifts_numbers) and not place.is_fixed:
            self._guard(f"type({text}) is {type(value).__name__}", path)
            self._add_input(value, place, path)
        elif isinstance(value, (bool, type(None), *PLAIN)):
            self._guard_equal(text, value, path)
        elif isinstance(value, CONTAINERS):
            self._visit_container(value, place, path)
        elif isinstance(value, Tensor):
            self._visit_tensor(value, text, path, given)
        elif isinstance(value, ModuleType):
            self._guard(f"{text} is {self.bind(value)}", path)
            self._visit_module(value, path)
        elif isinstance(value, Iterator):
            raise JitError(
                f"{path} is an iterator, which gives something else each time: take the next value outside of the "
                "jitted function, and give it as an argument"
            )
        elif type(value).__module__.startswith(self._random_modules):
            raise JitError(
                f"{path} is a random generator of a device, whose draws cannot be recorded: draw from an "
                "np.random.Generator, and move what it draws"
            )
        elif _is_array_of_others(value):
            raise _not_seen_into(value, path)
        elif isinstance(value, bytearray):
            self._guard(f"alike({text}, {self.bind(value[:])})", path)
        elif given and not callable(value) and not isinstance(value, Optimizer) and hasattr(value, "__dict__"):
            self._guard(f"type({text}) is {self.bind(type(value))}", path)
            self._visit_attributes(value, text, path)
        else:
            self._guard(f"{text} is {self.bind(value)}", path)
            self._visit_object(value, path)

    def _add_input(self, value: Any, place: Place, path: str) -> Input:
        found = Input([place], path, value)
        self.inputs.append(found)
        return found

    def _guard(self, condition: str, path: str) -> None:
        self.guards.setdefault(condition, path)

    def _guard_equal(self, text: str, value: Any, path: str) -> None:
        kept = self.bind(value)
        if value is None or isinstance(value, bool):
            self._guard(f"{text} is {value}", path)
        elif isinstance(value, (str, int)):
            self._guard(f"({text} is {kept} or type({text}) is type({kept}) and {text} == {kept})", path)
        else:
            self._guard(f"({text} is {kept} or alike({text}, {kept}))", path)

    def _visit_array(self, value: Any, place: Place, path: str) -> None:
        if isinstance(value, np.ndarray) and type(value) not in (np.ndarray, np.memmap, Comparison):
            raise _not_seen_into(value, path)
        known = self._arrays.get(id(value))
        if known is not None:
            self._guard(f"{place.text} is {known.place.text}", path)
            known.places.append(place)
        elif place.is_fixed:
            self._guard(f"array_equal({place.text}, {self.bind(value.copy())})", path)
        else:
            self._arrays[id(value)] = self._add_input(value, place, path)

    def _visit_container(self, value: Any, place: Place, path: str) -> None:
        text = place.text
        given = place.holder_text.startswith(GIVEN)
        if given:
            self._guard(f"type({text}) is {self.bind(type(value))}", path)
        else:
            known = id(value) in self._seen
            self._guard(f"{text} is {self.bind(value)}", path)
            if known:
                return
            text = self.bind(value)
        if type(value) not in CONTAINERS:
            self._visit_attributes(value, text, path)
        parts = value.values() if isinstance(value, dict) else value
        if not isinstance(value, tuple):
            self.containers.append((value, text))
        if isinstance(value, (set, frozenset)) or (
            not self._lifts_numbers and not given and all(map(_is_plain, parts))
        ):
            kept = value if isinstance(value, (tuple, frozenset)) else copy(value)
            self._guard(f"alike({text}, {self.bind(kept)})", path)
            return
        if isinstance(value, dict):
            self._guard(f"[*{text}] == {self.bind([*value])}", path)
        else:
            self._guard(f"len({text}) == {len(value)}", path)
        for key, x in [*value.items()] if isinstance(value, dict) else enumerate(value):
            key_text = repr(key) if isinstance(key, (str, int)) else self.bind(key)
            is_fixed = place.is_fixed and isinstance(value, tuple)
            self._visit(x, Place(value, key, text, key_text, is_fixed), f"{path}.{key}")
        if isinstance(value, tuple) and not place.is_fixed:
            self._tuples.append((value, place))

    def _visit_tensor(self, tensor: Tensor, text: str, path: str, given: bool) -> None:
        known = self.tensors.get(tensor)
        if known is not None:
            self._guard(f"{text} is {known}", path)
            return
        if given:
            self._guard(f"type({text}) is {self.bind(type(tensor))}", path)
        else:
            self._guard(f"{text} is {self.bind(tensor)}", path)
            text = self.bind(tensor)
        self._guard(f"{text}.requires_grad is {tensor.requires_grad}", path)
        if given and tensor.requires_grad:
            self._guard(f"{text}.operation is None", path)
        self.tensors[tensor] = text
        self.paths[tensor] = path
        place = Place(tensor, "_data", text, "'_data'")
        if id(tensor._data) in self._arrays:
            self._visit_array(tensor._data, place, path)
            found = self._arrays[id(tensor._data)]
        else:
            found = self._arrays[id(tensor._data)] = self._add_input(tensor._data, place, path)
        found.has_history = tensor.operation is not None and tensor.requires_grad
        grad = tensor._grad
        if grad is not None:
            data = Place(grad, "_data", f"{text}.grad", "'_data'")
            self._add_input(grad._data, data, f"{path}.grad").owner = tensor

    def _visit_object(self, value: Any, path: str) -> None:
        """Look behind an object whose identity is guarded already."""
        if id(value) in self._visited or isinstance(value, Block):  # one of no_grad(): which it is says all
            return
        self._visited.add(id(value))
        self.bind(value)  # so that it lives as long as its identity counts
        if callable(getattr(value, "__wrapped__", None)):
            self._visit_object(value.__wrapped__, path)
            if hasattr(value, "cache_clear"):
                self.caches.append(value)
        if isinstance(value, FunctionType):
            if not is_library(value.__module__):
                self._visit_function(value)
        elif isinstance(value, MethodType):
            self._visit_object(value.__self__, path.rpartition(".")[0] or "self")
            self._visit_object(value.__func__, path)
        elif isinstance(value, functools.partial):
            text = self.bind(value)
            for name in ("func", "args", "keywords"):
                self._visit(getattr(value, name), Place(value, name, text, name, is_fixed=True), path)
        elif isinstance(value, ContextVar):
            self._guard(f"{self.bind(value)}.get(EMPTY) is {self.bind(value.get(EMPTY))}", path)
        elif isinstance(value, type):
            self._visit_class(value)
        elif not isinstance(value, (BuiltinFunctionType, ModuleType)) and not hasattr(value, "__wrapped__"):
            self._visit_attributes(value, self.bind(value), path)

    def _visit_attributes(self, value: Any, text: str, path: str) -> None:
        """Look at the attributes of an object, and at its class."""
        if isinstance(value, Module):
            self.modules.setdefault(value, path)
        if isinstance(value, Optimizer):
            self.optimizers[path] = value
        self._visit_class(type(value))
        module = type(value).__module__.partition(".")[0]
        named_alone = is_library(module) and module not in (*OF_DATA, OURS) and not text.startswith(GIVEN)
        before, self._lifts_numbers = self._lifts_numbers, isinstance(value, Optimizer)
        if hasattr(value, "__dict__"):
            attributes = vars(value)
            bound = f"vars({text})" if text.startswith(GIVEN) else self.bind(attributes)
            if not named_alone:
                self._guard(f"len({bound}) == {len(attributes)}", path)
            self.containers.append((attributes, bound))
            for name, x in [*attributes.items()]:
                if not named_alone or name in self._code_names:
                    self._visit(x, Place(attributes, name, bound, repr(name)), f"{path}.{name}")
        slots = slots_of(type(value))
        if slots and not named_alone:
            self.containers.append((value, text))
            for name in slots:
                if hasattr(value, name):
                    self._visit(getattr(value, name), Place(value, name, text, repr(name)), f"{path}.{name}")
                else:
                    self._guard(f"not hasattr({text}, {name!r})", path)
        self._lifts_numbers = before

    def _visit_class(self, cls: type) -> None:
        for base in cls.__mro__:
            if id(base) in self._visited and base is not cls:
                continue
            if is_library(base.__module__) or id(vars(base).get("__dict__", base)) in self._visited:
                continue
            self._visited.add(id(vars(base).get("__dict__", base)))
            text = self.bind(base)
            self._guard(f"len(vars({text})) == {len(vars(base))}", base.__name__)
            self.containers.append((base, text))
            for name, x in [*vars(base).items()]:
                inner = getattr(x, "__func__", getattr(x, "fget", x))
                place, path = Place(base, name, text, repr(name)), f"{base.__name__}.{name}"
                if isinstance(inner, FunctionType):
                    self._guard(f"{place.text} is {self.bind(x)}", path)
                    self._visit_object(inner, path)
                elif not name.startswith("__") and not isinstance(x, (MemberDescriptorType, GetSetDescriptorType)):
                    self._visit(x, place, path)

    def _visit_callable(self, function: Any, path: str) -> None:
        self.bind(function)
        self._visit_object(function, path if path.isidentifier() else "function")

    def _visit_function(self, function: FunctionType) -> None:
        """Look at what a function reads besides its arguments."""
        code, text, outer = function.__code__, self.bind(function), function.__globals__
        names, attributes, modules = _names_in(code)
        self._code_names |= attributes
        self._guard(f"{text}.__code__ is {self.bind(code)}", function.__name__)
        for name in ("__defaults__", "__kwdefaults__"):
            self._visit(getattr(function, name), Place(function, name, text, repr(name)), function.__name__)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._visit_binding(Place(cell, "cell_contents", self.bind(cell), "'cell_contents'"), name)
        for name in sorted(names):
            if (id(outer), name) not in self._globals:
                self._globals.add((id(outer), name))
                self._visit_binding(Place(outer, name, self.bind(outer), repr(name)), name)
        for name in sorted(modules & sys.modules.keys()):
            self._visit_module(sys.modules[name], name)

    def _visit_module(self, module: ModuleType, path: str) -> None:
        """Look at those attributes of a module that code names somewhere."""
        if module.__name__.partition(".")[0] in (*MODULES.values(), "builtins", __name__.partition(".")[0]):
            return
        attributes = vars(module)
        for name in sorted(self._code_names & attributes.keys()):
            if (id(attributes), name) not in self._globals:
                self._globals.add((id(attributes), name))
                place = Place(attributes, name, self.bind(attributes), repr(name))
                self._visit_binding(place, f"{path}.{name}")

    def _visit_binding(self, place: Place, path: str) -> None:
        """Look at what a name of a closure or a module stands for."""
        self.bindings.append(place)
        value = place.get()
        if value is not EMPTY:
            self._visit(value, place, path)
        elif isinstance(place.holder, dict):
            self._guard(f"{place.key_text} not in {place.holder_text}", path)


def _is_array_of_others(value: Any) -> bool:
    """Return whether something is an array in disguise, whose contents are not looked at."""
    return isinstance(value, (memoryview, array)) or hasattr(type(value), "__array__")


def _not_seen_into(value: Any, path: str) -> JitError:
    return JitError(
        f"{path} is a {type(value).__name__}, whose contents and arithmetic are its own: give a plain array"
    )


def _is_plain(x: Any) -> bool:
    """Return whether a value can never change, and is compared with another by what it says."""
    if type(x) in (tuple, frozenset):
        return all(map(_is_plain, x))
    return x is None or isinstance(x, (bool, *PLAIN))


@functools.cache
def _names_in(code: CodeType) -> tuple[set[str], set[str], set[str]]:
    """Return the names in code, and in the functions it defines: globals, attributes, modules it imports."""
    found, attributes, modules = set[str](), set(code.co_names), set[str]()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"):
            found.add(instruction.argval)
        elif instruction.opname == "IMPORT_NAME":
            modules.add(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            for mine, inner in zip((found, attributes, modules), _names_in(constant), strict=True):
                mine |= inner
        elif isinstance(constant, str):
            attributes.add(constant)  # of getattr
    return found, attributes, modules


def _argument_names(function: Callable[..., Any], args: list[Any]) -> list[str]:
    """Return what the function calls its positional arguments."""
    names = []
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    for i in range(len(args)):
        if i < len(parameters) and parameters[i].kind is not inspect.Parameter.VAR_POSITIONAL:
            names.append(parameters[i].name)
        else:
            rest = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), "argument")
            names.append(f"{rest}_{i}")
    return names
