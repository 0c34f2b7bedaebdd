"""The values a function can read: its arguments, closures, globals, and the attributes its code names.

A program is only correct while the values it does not read stay the same, so the recording must find them all.
Arrays, Tensors, learning rates and random generators become inputs of the program: each call reads them again. Every
other value (flags, sizes, other numbers, the function behind a name) gets a guard, a condition that each call checks.
If a guard fails, the function is recorded again. Two rules keep the guards both complete and few:

- *Names decide.* Code can only read an attribute whose name it contains, so other attributes are ignored: a `Trainer`
  may count and collect freely. If code computes attribute names, all attributes count.
- *A closed world.* Only values of listed types are followed. A value of any other type could change unnoticed, so it
  is refused with an error that names it.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import inspect
import re
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from copy import copy
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from random import Random
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    GenericAlias,
    MethodType,
    MethodWrapperType,
    ModuleType,
    NoneType,
    UnionType,
)
from typing import Any
from uuid import UUID

import numpy as np

from ..arrays import get_default_dtype
from ..engine import is_recording
from ..errors import JitError
from ..nn import Module
from ..numpy_calls import BooleanArray
from ..optim import Optimizer
from ..support.call_stack import OURS, is_library
from ..support.devices import MODULES, is_array, random_modules
from ..support.flags import Block
from ..tensor import Tensor
from .naming import Names
from .places import EMPTY, Place, alike, slots_of
from .program import GENERATORS, Variable
from .recorder import Recorder
from .stand_ins import STAND_INS

# Immutable types, whose values are compared by content; PLAIN_OF_NUMPY also accepts subclasses.
PLAIN = (
    NoneType,
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    range,
    slice,
    EllipsisType,
    Decimal,
    Fraction,
    UUID,
)
PLAIN_OF_NUMPY = (np.generic, np.dtype, np.finfo, np.iinfo, re.Pattern, PurePath, date, time, timedelta, tzinfo)
CONTAINERS = (tuple, list, dict, set, frozenset, deque)
WITHOUT_CONTENTS = (BuiltinFunctionType, np.ufunc, type(np.sum), GenericAlias, UnionType, property)
# A user's class may derive from the classes of these modules: they store no state outside of its attributes.
OPEN = ("abc", "argparse", "collections.abc", "contextlib", "dataclasses", "enum", "numbers", "types", "typing", OURS)
GIVEN = ("args", "kwargs", "vars(args", "vars(kwargs")
CONSTRUCTORS = {"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__", "__del__"}
# REFLECTING: code with one of these names can read any attribute. WALKING: methods that visit all parts of a module.
REFLECTING = {"vars", "__dict__", "asdict", "astuple", "deepcopy", "attrgetter", "methodcaller", "getmembers"}
WALKING = {name for name in dir(Module) if not name.startswith("_")} - {"forward", "describe", "training"}
STOOD_FOR = [getattr(builtins, name) for name in STAND_INS]
# A global or an attribute may match one of these names only because the code calls the method of that name.
LIKE_METHODS = {*dir(Tensor), *dir(np.ndarray), *dir(Module), *dir(Optimizer), *dir(np.random.Generator)}
HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: set for classes that Python code defines
DRAW_OUTSIDE = (
    "Draw from an np.random.Generator made outside of the jitted function, and give it other values as arguments"
)
MOST = 20_000  # the limit on the number of values a function may reach


@dataclasses.dataclass(eq=False)
class Input:
    """A value that the program may read.

    Attributes
    ----------
    places : list of Place
        Every place that holds the value.
    path : str
        The value's name for the user, such as ``net.hidden.weight``.
    value : object
        The array, number or generator before the recording.
    owner : Tensor or None
        For a gradient, the Tensor it belongs to.
    has_history : bool
        True for the data of a Tensor that was computed from Tensors that require gradients.
    is_constant : bool
        True for a number that becomes a constant of the program when it is used: the program then needs that value.
    started : Variable
        The variable of the program that holds the value at the start.
    traced : Tracer, NumberTracer or GeneratorTracer
        The tracer that replaces the value during the recording.
    """

    places: list[Place]
    path: str
    value: Any
    owner: Tensor | None = None
    has_history: bool = False
    is_constant: bool = False
    started: Variable = dataclasses.field(init=False)
    traced: Any = dataclasses.field(init=False, default=None)

    @property
    def place(self) -> Place:
        """The place where the value was found first."""
        return self.places[0]

    @property
    def is_given(self) -> bool:
        """True for an argument, and for a part of one."""
        return self.place.holder_text.startswith(GIVEN)


@dataclasses.dataclass(eq=False)
class Held:
    """The attributes of one object, class or module; only those that code names are visited.

    Attributes
    ----------
    holder : object
        The dictionary or the class that stores the attributes.
    values : mapping
        The attributes by name.
    text : str
        The expression for ``values`` in guards.
    path : str
        The object's name for the user.
    of : object
        The object, class or module that has the attributes.
    seen : set of str
        The names of the attributes that have been visited.
    """

    holder: Any
    values: Mapping[str, Any]
    text: str
    path: str
    of: Any
    seen: set[str] = dataclasses.field(default_factory=set)


class Environment:
    """The values that a function can reach, found before it is recorded.

    Parameters
    ----------
    function : callable
        The function to record.
    args, kwargs : list and dict
        The arguments of the call.
    reflects : bool
        True if an earlier recording saw the function compute attribute names, so that all attributes count.

    Attributes
    ----------
    called : list
        The function, as the only element: `lift` may replace it, such as a bound method of a traced object.
    names : dict
        The namespace in which guards are evaluated.
    guards : dict of str to str
        The conditions under which the program is correct, as expressions of ``names``, ``args`` and ``kwargs``; each
        with the user's name for the value that it is about.
    inputs : list of Input
        The values the program may read.
    tensors : dict of Tensor to str
        Every Tensor, with its expression.
    paths : dict of Tensor to str
        Every Tensor, with its name for the user.
    modules : dict of Module to str
        Every module, with its name for the user.
    optimizers : dict of str to Optimizer
        Every optimizer, by its name for the user.
    program_names : Names
        The names of inputs, parameters and layers in the program.
    containers : list of (holder, str, str)
        Every mutable holder (list, dictionary, object, class), with its expression and its name for the user.
    bindings : list of (Place, str)
        The places of the globals, closure variables and attributes of modules that code names, with these names.
    caches : list of callable
        The functions with a cache, such as `functools.lru_cache` makes.
    apart : list of str
        The expressions of objects that were different: a later call that passes one object twice needs a new program.
    """

    def __init__(
        self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], reflects: bool = False
    ) -> None:
        self.called = [function]
        self.names: dict[str, Any] = {
            "is_recording": is_recording,
            "get_default_dtype": get_default_dtype,
            "alike": alike,
            "array_equal": np.array_equal,
            "EMPTY": EMPTY,
        }
        self.guards: dict[str, str] = {}
        self.inputs: list[Input] = []
        self.tensors: dict[Tensor, str] = {}
        self.paths: dict[Tensor, str] = {}
        self.containers: list[tuple[Any, str, str]] = []
        self.bindings: list[tuple[Place, str]] = []
        self.caches: list[Any] = []
        self.modules: dict[Module, str] = {}
        self.optimizers: dict[str, Optimizer] = {}
        self.apart: list[str] = []
        self.reflects = reflects
        self.code_names: set[str] = set()
        self._texts: dict[int, str] = {}
        self._arrays: dict[int, Input] = {}
        self._wholes: list[tuple[Any, Place, Callable[[dict[Any, Any]], Any]]] = []
        self._stand_ins: list[Place] = []
        self._replaced: list[tuple[Place, Any]] = []
        self._visited: set[int] = set()
        self._held: list[Held] = []
        self._own_names: set[str] = set()
        self._constructs = self._walks = False
        self._makers: set[type] = set()
        self._classes: set[type] = set()
        self._globals: set[tuple[int, str]] = set()
        self._lifts_numbers = False
        self._count = 0
        self._random_modules = random_modules()

        self._guard(f"is_recording() is {is_recording()}", "no_grad()")
        self._guard(f"get_default_dtype() == {self.bind(get_default_dtype())}", "the default dtype")
        self._guard(f"len(args) == {len(args)} and [*kwargs] == {self.bind([*kwargs])}", "the number of arguments")
        name = getattr(function, "__name__", "function")
        self.bind(function)
        self._visit_object(function, Place(self.called, 0, "", ""), name if name.isidentifier() else "function")
        names = _argument_names(function, args)
        for i, value in enumerate(args):
            self._visit(value, Place(args, i, "args", str(i)), names[i])
        for name, value in kwargs.items():
            self._visit(value, Place(kwargs, name, "kwargs", repr(name)), name)
        self._visit_named()
        # A bound method would keep this object, and with it the arguments of the first call, alive.
        self.names["as_before"] = functools.partial(as_before, frozenset(self.code_names), self.reflects, self._walks)
        if "name" in self._own_names:
            for tensor, text in self.tensors.items():
                self._guard(f"{text}.name == {tensor.name!r}", self.paths[tensor])
        self.program_names = Names(self)

    def lift(self, recorder: Recorder) -> None:
        """Replace every input by a tracer."""
        recorder.names = self.program_names.tensors
        in_wholes: dict[int, dict[Any, Any]] = {}
        wholes = {id(whole) for whole, _, _ in self._wholes}

        def put(place: Place, value: Any) -> None:
            if id(place.holder) in wholes:
                in_wholes.setdefault(id(place.holder), {})[place.key] = value
            else:
                self._replaced.append((place, place.get()))
                place.set(value)

        for found in self.inputs:
            found.traced = recorder.lift(found.value, self.program_names.of(found), found.is_given, found.is_constant)
            found.started = found.traced.variable
            if found.has_history:
                found.traced.refusal = (
                    f"the Tensor {found.path} was computed outside of the jitted function, and no program can go back "
                    "into its history"
                )
            for place in found.places:
                put(place, found.traced)
        for place in self._stand_ins:
            value = place.get()
            put(place, STAND_INS[place.key if value is EMPTY else value.__name__](recorder, self))
        for whole, place, make in reversed(self._wholes):  # inner tuples before outer ones
            if id(whole) in in_wholes:
                put(place, make(in_wholes[id(whole)]))

    def restore(self) -> None:
        """Undo `lift`: put the original values back in every place."""
        for place, value in reversed(self._replaced):
            place.set(value)

    def guards_of(self, found: Input) -> list[str]:
        """Return the guards of an array's type, shape and dtype; numbers and generators have other guards."""
        text, value = found.place.text, found.value
        if not (isinstance(value, np.generic) or is_array(value)):
            return []
        return [
            f"type({text}) is {self.bind(type(value))}",
            f"{text}.shape == {value.shape}",
            f"{text}.dtype == {self.bind(value.dtype)}",
        ]

    def guard_of_value(self, found: Input) -> str:
        """Return the guard that an input, a number or a mask, has the value it has now."""
        if is_array(found.value):
            return f"array_equal({found.place.text}, {self.bind(found.value.copy())})"
        return f"alike({found.place.text}, {self.bind(found.value)})"

    def bind(self, value: Any) -> str:
        """Return the name of an object in guards; a new object gets a new name."""
        name = self._texts.get(id(value))
        if name is None:
            name = self._texts[id(value)] = f"o{len(self._texts)}"
            self.names[name] = value
        return name

    def text_of(self, value: Any) -> str | None:
        """Return the expression for an object that existed before the recording; None for a new object."""
        return self._texts.get(id(value))

    def is_named(self, name: str) -> bool:
        """Return True if the code may read an attribute of this name."""
        return self.reflects or name in self.code_names

    def _note_names(self, code: CodeType) -> None:
        names = _names_in(code)
        self.code_names |= names
        self._own_names |= names
        self._walks = self._walks or not WALKING.isdisjoint(names)
        self.reflects = self.reflects or not REFLECTING.isdisjoint(names)
        self._constructs = self._constructs or not {"type", "__class__"}.isdisjoint(names)

    def _visit_named(self) -> None:
        """Visit all attributes that code names; repeat, since their code may name more, until nothing is new."""
        while True:
            before = self._known()
            for held in [*self._held]:
                self._visit_held(held)
            if before == self._known():
                break
        for held in self._held:
            if not is_of_library(held.of):
                self._guard_names(held)

    def _known(self) -> tuple[Any, ...]:
        return len(self.code_names), self.reflects, self._constructs, self._walks, len(self._makers), len(self._held)

    def _guard_names(self, held: Held) -> None:
        of_module = isinstance(held.of, Module)
        counted = self.bind(frozenset(held.seen))
        known = self.bind([*held.values])
        self._guard(f"([*{held.text}] == {known} or as_before({held.text}, {counted}, {of_module}))", held.path)

    def _visit(self, value: Any, place: Place, path: str, is_named: bool = False) -> None:
        """Make an input of a value or guard it, and visit the values inside it."""
        self._count += 1
        if self._count > MOST:
            raise JitError(
                f"the function reaches more than {MOST:,} values, the last of them {path}: let it reach less, and pass "
                "what it needs as arguments"
            )
        text, given = place.text, place.holder_text.startswith(GIVEN)
        kind = type(value)
        is_number = kind is float or (kind is int and not given)
        is_constant = is_named and is_number and not self._lifts_numbers and place.key in LIKE_METHODS
        if is_array(value) or (isinstance(value, np.inexact) and given):
            self._visit_array(value, place, path)
        elif isinstance(value, GENERATORS):
            self._visit_generator(value, place, path)
        elif is_constant:
            self._add_input(value, place, path).is_constant = True
        elif is_number and (given or self._lifts_numbers):
            self._guard(f"type({text}) is {kind.__name__}", path)
            self._add_input(value, place, path)
        elif kind in PLAIN or isinstance(value, PLAIN_OF_NUMPY):
            self._guard_equal(text, value, path)
        elif isinstance(value, CONTAINERS):
            self._visit_container(value, place, path)
        elif isinstance(value, Tensor):
            self._visit_tensor(value, place, path)
        elif isinstance(value, Iterator):
            raise JitError(
                f"{path} is an iterator, which gives something else each time: take the next value outside of the "
                "jitted function, and give it as an argument"
            )
        elif kind.__module__.startswith(self._random_modules):
            raise JitError(
                f"{path} is a random generator of a device, whose draws cannot be recorded: draw from an "
                "np.random.Generator, and move what it draws"
            )
        elif isinstance(value, (memoryview, array)) or hasattr(kind, "__array__"):
            raise _not_seen_into(value, path)
        elif isinstance(value, bytearray):
            self._guard(f"alike({text}, {self.bind(value[:])})", path)
        elif given and not callable(value) and not isinstance(value, (Optimizer, ModuleType)):
            if not self._is_met(value, text, path):
                self._visit_object(value, place, path)
        elif isinstance(value, (MethodType, BuiltinFunctionType, MethodWrapperType)):
            kept = self.bind(value)
            self._guard(f"({text} is {kept} or type({text}) is type({kept}) and {text} == {kept})", path)
            self._visit_object(value, place, path)
        else:
            self._guard(f"{text} is {self.bind(value)}", path)
            self._visit_object(value, place, path)

    def _is_met(self, value: Any, text: str, path: str) -> bool:
        """Return True if an argument is an object that was met before, which is guarded; note it otherwise."""
        known = self._texts.get(id(value))
        if known is not None:
            self._guard(f"{text} is {known}", path)
            return True
        self._texts[id(value)] = text
        self.apart.append(text)
        return False

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
        elif type(value) in (str, int):
            self._guard(f"({text} is {kept} or type({text}) is type({kept}) and {text} == {kept})", path)
        else:
            self._guard(f"({text} is {kept} or alike({text}, {kept}))", path)

    def _visit_array(self, value: Any, place: Place, path: str) -> None:
        if isinstance(value, np.ndarray) and type(value) not in (np.ndarray, np.memmap, BooleanArray):
            raise _not_seen_into(value, path)
        known = self._arrays.get(id(value))
        if known is None:
            self._arrays[id(value)] = self._add_input(value, place, path)
        else:
            self._guard(f"{place.text} is {known.place.text}", path)
            known.places.append(place)

    def _visit_generator(self, value: Any, place: Place, path: str) -> None:
        known = self._arrays.get(id(value))
        if known is not None:
            known.places.append(place)
        else:
            known = self._arrays[id(value)] = self._add_input(value, place, path)
        if place.holder_text.startswith(GIVEN):
            self._guard(f"type({place.text}) is {self.bind(type(value))}", path)
            if not self._is_met(value, place.text, path):
                return
        else:
            self._guard(f"{place.text} is {self.bind(value)}", path)

    def _visit_container(self, value: Any, place: Place, path: str) -> None:
        text = place.text
        given = place.holder_text.startswith(GIVEN)
        if given:
            self._guard(f"type({text}) is {self.bind(type(value))}", path)
            if not isinstance(value, (tuple, frozenset)) and self._is_met(value, text, path):
                return
        else:
            known = id(value) in self._texts
            self._guard(f"{text} is {self.bind(value)}", path)
            if known:
                if isinstance(value, tuple):
                    self._wholes.append((value, place, functools.partial(_tuple_with, value)))
                return
            text = self.bind(value)
        if type(value) not in CONTAINERS:
            self._visit_attributes(value, text, path)
        parts = value.values() if isinstance(value, dict) else value
        if not isinstance(value, tuple):
            self.containers.append((value, text, path))
        is_set = isinstance(value, (set, frozenset))
        if is_set or (not self._lifts_numbers and not given and all(map(is_plain, parts))):
            if is_set and not all(map(is_plain, value)):
                for x in value:
                    self._visit(x, Place([x], 0, self.bind([x]), "0"), path)
            kept = value if isinstance(value, (tuple, frozenset)) else copy(value)
            self._guard(f"alike({text}, {self.bind(kept)})", path)
            return
        if isinstance(value, dict):
            is_simple = all(type(key) is str for key in value)
            listed = self.bind([*value])
            self._guard(f"[*{text}] == {listed}" if is_simple else f"alike([*{text}], {listed})", path)
        else:
            self._guard(f"len({text}) == {len(value)}", path)
        if isinstance(value, tuple):
            self._wholes.append((value, place, functools.partial(_tuple_with, value)))
        for key, x in [*value.items()] if isinstance(value, dict) else enumerate(value):
            key_text = repr(key) if type(key) in (str, int) else self.bind(key)
            self._visit(x, Place(value, key, text, key_text), f"{path}.{key}")

    def _visit_tensor(self, tensor: Tensor, place: Place, path: str) -> None:
        text, given = place.text, place.holder_text.startswith(GIVEN)
        known = self.tensors.get(tensor)
        if known is not None:
            self._guard(f"{text} is {known}", path)
            return
        # A parameter is guarded by identity. Data and computed Tensors may be replaced between calls.
        if given or not tensor.requires_grad or tensor.operation is not None:
            self._guard(f"type({text}) is {self.bind(type(tensor))}", path)
        else:
            self._guard(f"{text} is {self.bind(tensor)}", path)
            text = self.bind(tensor)
        self._guard(f"{text}._requires_grad is {tensor._requires_grad}", path)
        if tensor.requires_grad:
            self._guard(f"{text}.operation is {'not ' * (tensor.operation is not None)}None", path)
        self.tensors[tensor] = text
        self.paths[tensor] = path
        self._texts.setdefault(id(tensor), text)
        is_shared = id(tensor._data) in self._arrays
        self._visit_array(tensor._data, Place(tensor, "_data", text, "'_data'"), path)
        self._arrays[id(tensor._data)].has_history |= tensor.operation is not None and tensor.requires_grad
        if given or is_shared:
            self.apart.append(text)
        grad = tensor._grad
        if grad is not None:
            data = Place(grad, "_data", f"{text}.grad", "'_data'")
            if id(grad._data) in self._arrays:
                other = self._arrays[id(grad._data)].path
                raise JitError(f"{path}.grad and {other} are one array in memory: give each its own, with .copy()")
            found = self._arrays[id(grad._data)] = self._add_input(grad._data, data, f"{path}.grad")
            found.owner = tensor

    def _visit_object(self, value: Any, place: Place, path: str) -> None:
        """Visit the values inside an object whose identity is guarded already, or that is an argument."""
        text = self.text_of(value) or self.bind(value)
        is_new = id(value) not in self._visited
        self._visited.add(id(value))
        if isinstance(value, functools.partial):
            self._wholes.append((value, place, functools.partial(_partial_with, value)))
            for name in ("func", "args", "keywords") if is_new else ():
                self._visit(getattr(value, name), Place(value, name, text, name), path)
        elif isinstance(value, (BuiltinFunctionType, MethodWrapperType, MethodType)):
            if value in STOOD_FOR:
                self._stand_ins.append(place)
            elif not isinstance(value.__self__, (NoneType, ModuleType)):
                self._wholes.append((value, place, functools.partial(_method_with, value)))
                if is_new:
                    self._visit(value.__self__, Place(value, "__self__", text, "__self__"), _self_of(path))
            if isinstance(value, MethodType) and isinstance(value.__func__, FunctionType):
                self._visit_object(value.__func__, place, path)
        elif not is_new or isinstance(value, Block):  # a Block is a mode such as no_grad()
            return
        elif callable(getattr(value, "__wrapped__", None)):
            self._visit_object(value.__wrapped__, Place(value, "__wrapped__", text, "__wrapped__"), path)
            if hasattr(value, "cache_clear"):
                self.caches.append(value)
            if isinstance(value, FunctionType):
                self._visit_function(value, text)
        elif isinstance(value, FunctionType):
            self._visit_function(value, text)
        elif isinstance(value, ContextVar):
            kept = value.get(EMPTY)
            if kept is not EMPTY and not is_plain(kept) and not callable(kept):
                raise _refusal(kept, f"{path}.get()")
            self._guard(f"{text}.get(EMPTY) is {self.bind(kept)}", path)
        elif isinstance(value, ModuleType):
            if value.__name__.partition(".")[0] not in (*MODULES.values(), "builtins", OURS):
                self._hold(vars(value), vars(value), self.bind(vars(value)), path, value)
        elif isinstance(value, type):
            self._makers.update(value.__mro__)
            self._visit_class(value)
        elif not isinstance(value, WITHOUT_CONTENTS) and type(value).__module__ != "typing":
            hidden = next((base for base in type(value).__mro__ if not is_open(base)), None)
            if hidden is not None:
                raise _refusal(value, path)
            self._visit_attributes(value, text, path)

    def _hold(self, holder: Any, values: Mapping[str, Any], text: str, path: str, of: Any) -> None:
        self._held.append(Held(holder, values, text, path, of))
        if not isinstance(of, ModuleType):
            self.containers.append((holder, self.bind(holder) if isinstance(holder, type) else text, path))

    def _visit_attributes(self, value: Any, text: str, path: str) -> None:
        """Visit the slots of an object; register its other attributes and its class, which are visited if named."""
        if isinstance(value, Module):
            self.modules.setdefault(value, path)
        if isinstance(value, Optimizer):
            self.optimizers[path] = value
        self._guard(f"type({text}) is {self.bind(type(value))}", path)
        self._visit_class(type(value))
        if hasattr(value, "__dict__"):
            attributes = vars(value)
            bound = f"vars({text})"
            if not text.startswith(GIVEN):
                self._guard(f"{text}.__dict__ is {self.bind(attributes)}", path)
                bound = self.bind(attributes)
            self._hold(attributes, attributes, bound, path, value)
        slots = slots_of(type(value))
        if slots:
            self.containers.append((value, text, path))
            for name in slots:
                if hasattr(value, name):
                    self._visit(getattr(value, name), Place(value, name, text, repr(name)), f"{path}.{name}")
                else:
                    self._guard(f"not hasattr({text}, {name!r})", path)

    def _visit_class(self, cls: type) -> None:
        for base in cls.__mro__:
            # `dataclass(slots=True)` makes a second class with the same methods: each class is registered for itself.
            if base is not object and base not in self._classes:
                self._classes.add(base)
                if of_library(base):
                    self._held.append(Held(base, vars(base), "", base.__name__, base))
                else:
                    text = self.bind(base)
                    self._hold(base, vars(base), f"vars({text})", base.__name__, base)
        if type(cls) is not type and not of_library(type(cls)):
            self._visit_class(type(cls))

    def _visit_held(self, held: Held) -> None:
        """Visit those attributes that the code found so far names."""
        of, is_class = held.of, isinstance(held.of, type)
        follows_all = isinstance(of, Optimizer) or (self.reflects and not is_class and not isinstance(of, ModuleType))
        names = self.code_names & held.values.keys() if isinstance(of, ModuleType) else held.values.keys()
        for name in [*names - held.seen]:
            x = held.values[name]
            if is_class and name.startswith("__") and name.endswith("__"):
                makes = self._constructs or of in self._makers
                counts = isinstance(x, FunctionType) and (makes or name not in CONSTRUCTORS)
            else:
                is_walked = isinstance(of, Module) and self._walks and _is_walked(x)
                counts = follows_all or is_walked or self.is_named(name)
            if counts:
                held.seen.add(name)
                (self._visit_member if is_class else self._visit_attribute)(held, name, x)

    def _visit_attribute(self, held: Held, name: str, x: Any) -> None:
        of, path = held.of, f"{held.path}.{name}"
        place = Place(held.holder, name, held.text, repr(name))
        if is_of_library(of) and not (type(x) in PLAIN or isinstance(x, (*CONTAINERS, Mapping))):
            return
        if isinstance(of, ModuleType):
            self.bindings.append((place, path))
        is_librarys = of_library(type(of)) or not (self.reflects or name in self._own_names)
        if is_librarys and not isinstance(of, ModuleType) and not _is_followed(x):
            self._guard(f"{place.text} is {self.bind(x)}", path)  # only the library reads it: its identity is enough
            return
        before, self._lifts_numbers = self._lifts_numbers, isinstance(of, Optimizer)
        self._visit(x, place, path, is_named=not isinstance(of, ModuleType))
        self._lifts_numbers = before

    def _visit_member(self, held: Held, name: str, x: Any) -> None:
        """Visit a member of a class: a method, a property or a value."""
        functions = [getattr(x, of, None) for of in ("__func__", "fget", "fset", "func")]
        inner = [f for f in (x, *functions) if isinstance(f, FunctionType)]
        if of_library(held.of):
            for function in inner:
                self.code_names |= _names_in(function.__code__)
            return
        place, path = Place(held.of, name, self.bind(held.of), repr(name)), f"{held.path}.{name}"
        if inner:
            self._guard(f"{place.text} is {self.bind(x)}", path)
            for function in inner:
                self._visit_object(function, place, path)
        elif not inspect.isdatadescriptor(x) or not of_library(type(x)):
            self._visit(x, place, path, is_named=True)

    def _visit_function(self, function: FunctionType, text: str) -> None:
        """Visit the values a function reads besides its arguments: defaults, closure variables, globals."""
        code, outer, path = function.__code__, function.__globals__, function.__name__
        if (function.__module__ or "").partition(".")[0] == OURS:
            return
        is_own = not is_library(outer.get("__name__"))
        if is_own:
            self._note_names(code)
            self._guard(f"{text}.__code__ is {self.bind(code)}", path)
            for name in ("__defaults__", "__kwdefaults__"):
                value = getattr(function, name)
                if value is not None:  # without defaults the caller passes every argument
                    self._visit(value, Place(function, name, text, repr(name)), path)
            if vars(function):
                self._hold(vars(function), vars(function), self.bind(vars(function)), path, function)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            place = Place(cell, "cell_contents", self.bind(cell), "'cell_contents'")
            if name == "__class__":  # the cell that super() reads
                self._visit_class(cell.cell_contents)
            elif is_own or _is_followed(place.get()):
                self._visit_binding(place, name)
        for name in sorted(_names_in(code)) if is_own else ():
            if (id(outer), name) in self._globals:
                continue
            self._globals.add((id(outer), name))
            place = Place(outer, name, self.bind(outer), repr(name))
            if name in STAND_INS and name not in outer:
                self._stand_ins.append(place)
            if name in outer or hasattr(builtins, name):
                self._visit_binding(place, name)
            else:
                self.bindings.append((place, name))  # an attribute's name, or a global not set yet
                if name in sys.modules and not is_library(name):
                    self._visit_object(sys.modules[name], place, name)

    def _visit_binding(self, place: Place, path: str) -> None:
        """Visit the value of a global or closure variable; guard that an unset global stays unset."""
        self.bindings.append((place, path))
        value = place.get()
        if value is not EMPTY:
            self._visit(value, place, path, is_named=isinstance(place.holder, dict))
        elif isinstance(place.holder, dict):
            self._guard(f"{place.key_text} not in {place.holder_text}", path)


def is_of_library(of: Any) -> bool:
    """Return True for a class or a module of a library, as opposed to the user's own code."""
    return of_library(of) if isinstance(of, type) else isinstance(of, ModuleType) and is_library(of.__name__)


def as_before(
    names: frozenset[str],
    reflects: bool,
    walks: bool,
    values: Mapping[str, Any],
    before: frozenset[str],
    of_module: bool,
) -> bool:
    """Return True if the attribute names that count are the same as in the recording: none was added or deleted."""
    of_python = {k for k in values if k.startswith("__") and k not in before}  # `copy` adds one to a class
    named = values.keys() if reflects else {k for k in values if k in names}
    walked = {k for k, x in values.items() if _is_walked(x)} if of_module and walks else set()
    return before == (named | walked) - of_python


def _is_walked(value: Any) -> bool:
    """Return True for an attribute value that the methods of `Module` visit, such as a parameter or a submodule."""
    return isinstance(value, (Tensor, Module, NoneType, *CONTAINERS))


def of_library(cls: type) -> bool:
    """Return True for a class of a library, as opposed to the user's own."""
    module = cls.__module__
    # A class that Python code defines outside of any module is the user's, though its module reads "builtins".
    return not isinstance(module, str) or (is_library(module) and not (module == "builtins" and cls.__flags__ & HEAP))


def is_open(base: type) -> bool:
    """Return True if objects of a class store all their state where it is visited: in attributes or as a container."""
    if not of_library(base) or base in CONTAINERS:
        return True
    if base.__module__ == "builtins":
        return base in (object, *PLAIN, *CONTAINERS, type) or issubclass(base, BaseException)
    return f"{base.__module__}.".startswith(tuple(f"{name}." for name in OPEN))


def _is_followed(value: Any) -> bool:
    """Return True for a value of a type whose contents are visited."""
    if isinstance(value, (Iterator, ModuleType)):
        return False
    followed = (*GENERATORS, *PLAIN_OF_NUMPY, FunctionType, MethodType, functools.partial)
    return is_array(value) or isinstance(value, followed) or all(map(is_open, type(value).__mro__))


def _refusal(value: Any, path: str) -> JitError:
    cls = type(value)
    if isinstance(value, Random):
        return JitError(f"{path} is a random.Random, which draws differently at each call. {DRAW_OUTSIDE}")
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return JitError(
        f"{path} is a {name}, which may change without jit seeing it: pass what the function needs of it as an "
        "argument, or compute that outside of the jitted function"
    )


def _not_seen_into(value: Any, path: str) -> JitError:
    return JitError(
        f"{path} is a {type(value).__name__}, whose contents and arithmetic are its own: give a plain array"
    )


def is_plain(x: Any) -> bool:
    """Return True for an immutable value, which guards compare by content."""
    if type(x) in (tuple, frozenset):
        return all(map(is_plain, x))
    return type(x) in PLAIN or issubclass(type(x), PLAIN_OF_NUMPY)  # isinstance would accept a tracer


def _self_of(path: str) -> str:
    """Return the user's name for the object of a bound method: ``net`` for ``net.forward``."""
    return path.rpartition(".")[0] or "self"


def _tuple_with(whole: Any, parts: dict[Any, Any]) -> Any:
    """Return a tuple with some of its parts replaced."""
    replaced = [parts.get(i, x) for i, x in enumerate(whole)]
    return type(whole)._make(replaced) if hasattr(whole, "_make") else type(whole)(replaced)


def _partial_with(whole: Any, parts: dict[Any, Any]) -> Any:
    return functools.partial(parts.get("func", whole.func), *parts.get("args", whole.args), **whole.keywords)


def _method_with(whole: Any, parts: dict[Any, Any]) -> Any:
    return getattr(parts["__self__"], whole.__name__)


@functools.cache
def _names_in(code: CodeType) -> frozenset[str]:
    """Return all names in code and in functions defined in it, and string constants that `getattr` could get."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names_in(constant)
        elif isinstance(constant, str) and constant.isidentifier():
            found.add(constant)
    return frozenset(found)


def _argument_names(function: Callable[..., Any], args: list[Any]) -> list[str]:
    """Return the names of the parameters that receive the positional arguments."""
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
