"""The values a function can read: its arguments, closures, globals, and the attributes its code names.

A program is only correct while the values it does not read stay the same, so the recording must find them all.
Arrays, Tensors, learning rates and random generators become inputs of the program: each call reads them again. Every
other value (flags, sizes, other numbers, the function behind a name) gets a guard, a condition that each call checks.
If a guard fails, the function is recorded again. Two rules keep the guards both complete and few:

- *Names decide.* Code can only read an attribute whose name it contains, so other attributes are ignored: a `Trainer`
  may count and collect freely. If code computes attribute names, all attributes count. For an object of a library's
  class, the names in the methods of that class count, too.
- *A closed world.* Only values of listed types are followed. A value of any other type could change unnoticed, so it
  is refused with an error that names it: see `kinds`.

Each value is visited in its place. What is immutable is compared by content, and an argument by type. Any other object
must be the same one; then its parts are visited.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from copy import copy
from itertools import combinations
from types import CodeType, FunctionType, ModuleType, NoneType
from typing import Any

import numpy as np

from ..arrays import get_default_dtype
from ..engine import is_recording
from ..errors import JitError
from ..nn import Module
from ..optim import Optimizer
from ..support.call_stack import OURS, is_library
from ..support.devices import MODULES, is_array
from ..tensor import Tensor
from . import kinds
from .kinds import CONTAINERS, METHODS, is_plain, of_library
from .naming import Names
from .places import EMPTY, GIVEN, Place, slots_of
from .program import GENERATORS, Variable
from .recorder import Recorder
from .stand_ins import STAND_INS

CONSTRUCTORS = {"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__", "__del__"}
# Code with one of these names can call any constructor; read any attribute; visit all parts of a module.
MAKING = {"type", "__class__"}
REFLECTING = {"vars", "__dict__", "asdict", "astuple", "deepcopy", "attrgetter", "methodcaller", "getmembers"}
WALKING = {name for name in dir(Module) if not name.startswith("_")} - {"forward", "describe", "training"}
# A global or an attribute may match one of these names only because the code calls the method of that name.
LIKE_METHODS = {*dir(Tensor), *dir(np.ndarray), *dir(Module), *dir(Optimizer), *dir(np.random.Generator)}
NUMBERS = (int, float, np.inexact)
STOOD_FOR = [getattr(builtins, name) for name in STAND_INS]
MOST = 20_000  # the limit on the number of values a function may reach


class Code:
    """The names in the user's code that a function can run: they decide which attributes it can read.

    Attributes
    ----------
    names : set of str
        The names.
    makes : set of type
        The classes that the code names, whose constructors it can call.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.makes: set[type] = set()

    @property
    def reflects(self) -> bool:
        """True if it computes names of attributes, so that it can read all of them."""
        return not REFLECTING.isdisjoint(self.names)

    def can_read(self, name: str) -> bool:
        """Return True if it can read an attribute of this name."""
        return name in self.names or self.reflects

    def reads(self, owner: Any) -> set[str]:
        """Return the names of those attributes of an object, class or module that it, or a library, can read."""
        values = vars(owner)
        if isinstance(owner, ModuleType):
            return self.names & values.keys()
        bases = (owner if isinstance(owner, type) else type(owner)).__mro__
        names = self.names.union(*(_names_in_methods(base) for base in bases if of_library(base))) & values.keys()
        if self.reflects:
            names = {*values}
        if isinstance(owner, type):
            special = {name for name in values if name.startswith("__") and name.endswith("__")}
            methods = {name for name in special if isinstance(values[name], FunctionType)}
            makes = owner in self.makes or not MAKING.isdisjoint(self.names)
            return (names - special) | (methods if makes else methods - CONSTRUCTORS)
        if isinstance(owner, Module) and not WALKING.isdisjoint(self.names):
            walked = (Tensor, Module, NoneType, *CONTAINERS)
            names |= {name for name, x in values.items() if isinstance(x, walked)}
        return names


@dataclasses.dataclass(eq=False)
class Attributes:
    """The attributes of one object, class or module; only those that the code can read are visited.

    Attributes
    ----------
    owner : object
        The object, class or module.
    owner_text : str
        Its expression.
    holder : object
        What stores the attributes: the dictionary of the object or module, or the class.
    holder_text : str
        Its expression.
    path : str
        The owner's name for the user.
    read : set of str
        The names of the attributes that have been visited.
    """

    owner: Any
    owner_text: str
    holder: Any
    holder_text: str
    path: str
    read: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(eq=False)
class Input:
    """A value that the program may read.

    Attributes
    ----------
    places : list of Place
        Every place that holds the value.
    value : object
        The array, number or generator before the recording.
    owner : Tensor or None
        For a gradient, the Tensor it belongs to.
    has_history : bool
        True for the data of a Tensor that was computed from Tensors that require gradients.
    is_constant : bool
        True for a number that becomes a constant of the program when it is used: the program then needs that value.
    variable : Variable
        The variable of the program that holds the value at the start.
    tracer : Tracer, NumberTracer or GeneratorTracer
        The tracer that replaces the value during the recording.
    """

    places: list[Place]
    value: Any
    owner: Tensor | None = None
    has_history: bool = False
    is_constant: bool = False
    variable: Variable = dataclasses.field(init=False)
    tracer: Any = dataclasses.field(init=False, default=None)

    @property
    def place(self) -> Place:
        """The place where the value was found first."""
        return self.places[0]

    @property
    def path(self) -> str:
        """The value's name for the user."""
        return self.place.path


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
    code : Code
        The names in the code that the function can run.
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
    bindings : list of Place
        The places of the globals, closure variables and attributes of modules that code names.
    caches : list of callable
        The functions with a cache, such as `functools.lru_cache` makes.
    distinct : list of str
        The expressions of objects that were different: a later call that passes one object twice needs a new program.
    """

    def __init__(
        self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], reflects: bool = False
    ) -> None:
        self.called = [function]
        self.code = Code()
        self.code.names |= REFLECTING if reflects else set()
        self.names: dict[str, Any] = {"is_recording": is_recording, "get_default_dtype": get_default_dtype}
        self.names |= {"alike": kinds.alike, "array_equal": np.array_equal, "code": self.code, "EMPTY": EMPTY}
        self.guards: dict[str, str] = {}
        self.tensors: dict[Tensor, str] = {}
        self.paths: dict[Tensor, str] = {}
        self.containers: list[tuple[Any, str, str]] = []
        self.bindings: list[Place] = []
        self.caches: list[Any] = []
        self.modules: dict[Module, str] = {}
        self.optimizers: dict[str, Optimizer] = {}
        self.distinct: list[str] = []
        # Objects are known by their id: most of them cannot be keys of a dictionary.
        self._texts: dict[int, str] = {}
        self._visited: set[int] = set()
        self._outer: dict[int, list[Place]] = {}  # the places of immutable objects
        self._inputs: dict[int, Input] = {}
        self._data: dict[Tensor, Input] = {}
        self._attributes: dict[int, Attributes] = {}
        self._globals: dict[int, set[str]] = {}
        self._views: dict[int, Any] = {}  # those of the attributes of classes
        self._stand_ins: list[Place] = []
        self._originals: list[tuple[Place, Any]] = []
        self._count = 0

        self._guard(f"is_recording() is {is_recording()}", "no_grad()")
        self._guard(f"get_default_dtype() == {self.bind(get_default_dtype())}", "the default dtype")
        named = f"[*kwargs] == {self.bind([*kwargs])}" if kwargs else "not kwargs"
        self._guard(f"len(args) == {len(args)} and {named}", "the number of arguments")
        name = getattr(function, "__name__", "")
        self._visit(self._place(self.called, 0, "", name if name.isidentifier() else "function"))
        for i, name in enumerate(_argument_names(function, len(args))):
            self._visit(self._place(args, i, "args", name))
        for name in kwargs:
            self._visit(self._place(kwargs, name, "kwargs", name))
        self._visit_attributes()
        self.inputs = [*self._inputs.values()]
        numbers = [found for found in self.inputs if isinstance(found.value, NUMBERS) and found.place.is_given]
        for a, b in combinations(numbers, 2):  # the function may decide by `a is b`
            self._guard(f"{a.place.text} is not {b.place.text}", b.path)
        if "name" in self.code.names:
            for tensor, text in self.tensors.items():
                self._guard(f"{text}.name == {tensor.name!r}", self.paths[tensor])
        self.program_names = Names(self.paths, self.modules, self.optimizers)

    def lift(self, recorder: Recorder) -> None:
        """Replace every input by a tracer."""
        recorder.names = self.program_names.tensors
        tracers: list[tuple[Place, Any]] = []
        for found in self.inputs:
            name = self._name_of(found)
            found.tracer = recorder.lift(found.value, name, found.place.is_given, found.is_constant)
            found.variable = found.tracer.variable
            if found.has_history:
                found.tracer.refusal = (
                    f"the Tensor {found.path} was computed outside of the jitted function, and a program cannot "
                    "continue its history"
                )
            tracers += [(place, found.tracer) for place in found.places]
        for place in self._stand_ins:
            value = place.get()
            tracers.append((place, STAND_INS[place.key if value is EMPTY else value.__name__](recorder, self)))
        self._originals = [(changed, changed.get()) for place, _ in tracers for changed in place.mutable]
        for place, tracer in tracers:
            place.set(tracer)

    def _name_of(self, found: Input) -> str:
        """Return the name of an input in the program."""
        if found.owner is not None:
            return f"{self.program_names.tensors[found.owner]}_grad"
        if isinstance(found.place.holder, Tensor):
            return self.program_names.tensors[found.place.holder]
        return self.program_names.of(found.path)

    def tracer_of(self, tensor: Tensor) -> Any:
        """Return the tracer that replaced the data of a Tensor when the recording began."""
        return self._data[tensor].tracer

    def restore(self) -> None:
        """Undo `lift`: put the original values back in every place."""
        while self._originals:
            place, value = self._originals.pop()
            place.set(value)

    def guards_of(self, found: Input) -> list[str]:
        """Return the guard of an array's type, shape and dtype, or of a number's type; generators have other guards."""
        text, value = found.place.text, found.value
        if not hasattr(value, "dtype"):
            return [f"type({text}) is {type(value).__name__}"] * isinstance(value, (int, float))
        kind, dtype = self.bind(type(value)), self.bind(value.dtype)
        return [
            f"type(x := {text}) is {kind} and x.shape == {value.shape} and (x.dtype is {dtype} or x.dtype == {dtype})"
        ]

    def guard_of_value(self, found: Input) -> str:
        """Return the guard that an input, a number or a mask, has the value it has now."""
        if is_array(found.value):
            return f"array_equal({found.place.text}, {self.bind(found.value.copy())})"
        return self._is_alike(found.place.text, self.bind(found.value))

    def bind(self, value: Any) -> str:
        """Return the expression for an object in guards; a new object gets a new name."""
        text = self._texts.get(id(value))
        if text is None:
            text = self._texts[id(value)] = f"o{len(self._texts)}"
            self.names[text] = value
        return text

    def text_of(self, value: Any) -> str | None:
        """Return the expression for an object that existed before the recording; None for a new object."""
        return self._texts.get(id(value))

    def _guard(self, condition: str, path: str) -> None:
        self.guards.setdefault(condition, path)

    def _guard_content(self, value: Any, text: str, path: str) -> None:
        kept = self.bind(value if is_plain(value) else copy(value))
        self._guard(self._is_alike(text, kept), path)

    def _is_alike(self, text: str, kept: str) -> str:
        """Return the guard of a plain value; most often it is the very object, which is quickest to see."""
        return f"({text} is {kept} or alike({text}, {kept}))"

    def _guard_object(self, value: Any, place: Place) -> tuple[str, bool]:
        """Guard which object a place holds; return its expression, and True if it is found for the first time."""
        text, path, known = place.text, place.path, self._texts.get(id(value))
        is_new = id(value) not in self._visited
        self._visited.add(id(value))
        if isinstance(value, kinds.IMMUTABLE):
            self._outer.setdefault(id(value), []).append(place)
        is_replaceable = place.is_given and not (callable(value) or isinstance(value, (Optimizer, ModuleType)))
        if isinstance(value, Tensor):  # a parameter is guarded by identity; data may be replaced between calls
            is_replaceable |= not value.requires_grad or value.operation is not None
        if is_replaceable and known is None:
            self._guard(f"type({text}) is {self.bind(type(value))}", path)
            self._texts[id(value)] = text
            if place.is_given and not isinstance(value, (tuple, frozenset)):
                self.distinct.append(text)
            return text, True
        kept = self.bind(value)
        if not place.is_fixed:
            # Each reading of a method makes another object.
            is_equal = f" or type({text}) is type({kept}) and {text} == {kept}" * isinstance(value, METHODS)
            self._guard(f"({text} is {kept}{is_equal})", path)
        return kept, is_new

    def _place(self, holder: Any, key: Any, holder_text: str, path: str, of_optimizer: bool = False) -> Place:
        key_text = repr(key) if type(key) in (str, int) else self.bind(key)
        holder_text = self._items_text(holder, holder_text)
        return Place(holder, key, holder_text, key_text, path, of_optimizer, self._outer.get(id(holder)))

    def _items_text(self, holder: Any, text: str) -> str:
        """Return the expression of a holder; of a class, that of the view of its attributes."""
        return self.bind(self._views.setdefault(id(holder), vars(holder))) if isinstance(holder, type) else text

    def _add_input(self, value: Any, place: Place) -> Input:
        """Return the input of a value: an array, a generator or a number that is given has one, wherever it is."""
        is_of_optimizer = isinstance(value, NUMBERS) and not place.is_given
        found = self._inputs.setdefault(id(place) if is_of_optimizer else id(value), Input([], value))
        found.places.append(place)
        if place is not found.place:
            self._guard(f"{place.text} is {found.place.text}", place.path)
        return found

    def _visit(self, place: Place) -> None:
        """Make an input of the value in a place or guard it, and visit the values inside it."""
        value, text, path = place.get(), place.text, place.path
        self._count += 1
        if self._count > MOST:
            raise JitError(
                f"the function reaches more than {MOST:,} values, the last of them {path}: pass the "
                "values that it needs as arguments"
            )
        refused = kinds.refusal(value, path)
        if refused is not None:
            raise refused
        kind, makes_inputs = type(value), place.is_given or place.of_optimizer
        is_number = kind is float or (kind is int and not place.is_given)
        if is_array(value) or (is_number and makes_inputs) or (isinstance(value, np.inexact) and place.is_given):
            self._add_input(value, place)
        elif is_number and place.key in LIKE_METHODS:
            self._add_input(value, place).is_constant = True
        elif isinstance(value, bytearray) or (is_plain(value) and not (kind is tuple and makes_inputs)):
            if not place.is_fixed:
                self._guard_content(value, text, path)
        elif isinstance(value, Tensor):
            self._visit_tensor(value, place)
        else:
            self._visit_object(value, place)

    def _visit_tensor(self, tensor: Tensor, place: Place) -> None:
        is_shared = id(tensor._data) in self._inputs
        text, is_new = self._guard_object(tensor, place)
        if not is_new:
            return
        path = place.path
        self._guard(f"{text}._requires_grad is {tensor._requires_grad}", path)
        if tensor.requires_grad:
            self._guard(f"{text}.operation is {'not ' * (tensor.operation is not None)}None", path)
        self.tensors[tensor], self.paths[tensor] = text, path
        found = self._data[tensor] = self._add_input(tensor._data, self._place(tensor, "_data", text, path))
        found.has_history |= tensor.operation is not None and tensor.requires_grad
        if is_shared and not place.is_given:
            self.distinct.append(text)
        grad = tensor._grad
        if grad is not None:
            other = self._inputs.get(id(grad._data))
            if other is not None:
                raise JitError(f"{path}.grad and {other.path} are one array in memory: give each its own, with .copy()")
            found = self._add_input(grad._data, self._place(grad, "_data", f"{text}.grad", f"{path}.grad"))
            found.owner = tensor

    def _visit_object(self, value: Any, place: Place) -> None:
        """Guard which object a place holds, and visit the values inside it."""
        (text, is_new), path = self._guard_object(value, place), place.path
        if isinstance(value, GENERATORS):
            self._add_input(value, place)
        elif isinstance(value, METHODS) and value in STOOD_FOR:
            self._stand_ins.append(place)
        elif isinstance(value, CONTAINERS) and is_new:
            self._visit_container(value, text, place)
        elif is_new:
            self._visit_parts(value, text, path)

    def _visit_parts(self, value: Any, text: str, path: str) -> None:
        """Visit the values inside an object that is no container."""
        parts = kinds.parts_of(value)
        for name in parts:
            path_of_part = path.rpartition(".")[0] or "self" if name == "__self__" else path
            self._visit(self._place(value, name, text, path_of_part))
        if parts and hasattr(value, "cache_clear"):
            self.caches.append(value)
        if isinstance(value, FunctionType):
            self._visit_function(value, text)
        elif isinstance(value, ModuleType):
            if value.__name__.partition(".")[0] not in (*MODULES.values(), "builtins", OURS):
                self._add_attributes(value, text, path)
        elif isinstance(value, ContextVar):
            self._guard(f"{text}.get(EMPTY) is {self.bind(value.get(EMPTY))}", path)
        elif isinstance(value, type):
            self.code.makes.update(value.__mro__)
            self._add_class(value)
        elif not parts and not kinds.has_no_contents(value):
            self._visit_inside(value, text, path)

    def _visit_container(self, value: Any, text: str, place: Place) -> None:
        path, is_set = place.path, isinstance(value, (set, frozenset))
        if type(value) not in CONTAINERS:
            self._visit_inside(value, text, path)
        if not isinstance(value, tuple):
            self.containers.append((value, text, path))
        items = value if isinstance(value, dict) else dict(enumerate(value))
        is_all_plain = all(map(is_plain, items.values()))
        if is_set or (is_all_plain and not place.is_given and not place.of_optimizer):
            self._guard_content(value, text, path)
            if is_all_plain:
                return
            value = tuple(value)  # its elements are visited, but none of them can be replaced
            self._outer[id(value)], text = [], self.bind(value)
        else:
            is_of_names = isinstance(value, dict) and all(type(key) is str for key in value)
            self._guard(f"[*{text}] == {self.bind([*value])}" if is_of_names else f"len({text}) == {len(value)}", path)
            if isinstance(value, dict) and not is_of_names:
                self._guard(f"all(map(alike, {text}, {self.bind([*value])}))", path)
        for key in [*items]:
            self._visit(self._place(value, key, text, f"{path}.{key}", place.of_optimizer))

    def _visit_inside(self, value: Any, text: str, path: str) -> None:
        """Visit the slots of an object; its other attributes and those of its class are visited if code reads them."""
        if isinstance(value, Module):
            self.modules.setdefault(value, path)
        if isinstance(value, Optimizer):
            self.optimizers[path] = value
        self._guard(f"type({text}) is {self.bind(type(value))}", path)
        self._add_class(type(value))
        if hasattr(value, "__dict__"):
            if not text.startswith(GIVEN):
                self._guard(f"{text}.__dict__ is {self.bind(vars(value))}", path)
            self._add_attributes(value, text, path)
        slots = slots_of(type(value))
        if slots:
            self.containers.append((value, text, path))
        for name in slots:
            if hasattr(value, name):
                self._visit(self._place(value, name, text, f"{path}.{name}"))
            else:
                self._guard(f"not hasattr({text}, {name!r})", path)

    def _add_attributes(self, owner: Any, text: str, path: str) -> None:
        if (of_library(owner) and isinstance(owner, type)) or id(owner) in self._attributes:
            return
        holder: Any = owner if isinstance(owner, type) else vars(owner)
        holder_text = f"{text}.__dict__" if text.startswith(GIVEN) else self.bind(holder)
        self._attributes[id(owner)] = Attributes(owner, text, holder, holder_text, path)
        if not isinstance(owner, ModuleType):
            self.containers.append((holder, holder_text, path))

    def _add_class(self, cls: type) -> None:
        for base in cls.__mro__:
            self._add_attributes(base, self.bind(base), base.__name__)
        if not of_library(type(cls)):
            self._add_class(type(cls))

    def _visit_attributes(self) -> None:
        """Visit the attributes that the code can read; repeat, since their code may read more, until none is new."""
        while unread := [
            (a, name) for a in self._attributes.values() for name in sorted(self.code.reads(a.owner) - a.read)
        ]:
            for attributes, name in unread:
                self._visit_attribute(attributes, name)
        for attributes in self._attributes.values():
            if not of_library(attributes.owner):
                values = self._items_text(attributes.holder, attributes.holder_text)
                names, read = [*vars(attributes.owner)], self.bind(frozenset(attributes.read))
                # If each is read, and so has a guard that it is there, their number says that there is no other.
                is_each_read = attributes.read.issuperset(names) and not isinstance(attributes.owner, ModuleType)
                same = f"len({values}) == {len(names)}" if is_each_read else f"[*{values}] == {self.bind(names)}"
                self._guard(f"({same} or code.reads({attributes.owner_text}) == {read})", attributes.path)

    def _visit_attribute(self, attributes: Attributes, name: str) -> None:
        attributes.read.add(name)
        owner, path = attributes.owner, f"{attributes.path}.{name}"
        place = self._place(attributes.holder, name, attributes.holder_text, path, isinstance(owner, Optimizer))
        value = place.get()
        if isinstance(owner, ModuleType):
            if of_library(owner) and not (type(value) in kinds.PLAIN or isinstance(value, (*CONTAINERS, Mapping))):
                return
            self.bindings.append(place)
        of_users = isinstance(owner, (type, ModuleType)) or not of_library(type(owner))
        if (of_users and self.code.can_read(name)) or kinds.refusal(value, path) is None:
            self._visit(place)
        else:
            self._guard(f"{place.text} is {self.bind(value)}", path)  # only the library reads it

    def _visit_function(self, function: FunctionType, text: str) -> None:
        """Visit the values a function reads besides its arguments: defaults, closure variables, globals."""
        code, outer, path = function.__code__, function.__globals__, function.__name__
        if (function.__module__ or "").partition(".")[0] == OURS:
            return
        is_own = not is_library(outer.get("__name__"))
        if is_own:
            self.code.names |= _names_in(code)
            self._guard(f"{text}.__code__ is {self.bind(code)}", path)
            for name in ("__defaults__", "__kwdefaults__"):
                if getattr(function, name) is not None:  # without defaults the caller passes every argument
                    self._visit(self._place(function, name, text, path))
            if vars(function):
                self._add_attributes(function, text, path)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            place = self._place(cell, "cell_contents", self.bind(cell), name)
            value = place.get()
            if name == "__class__":  # the cell that super() reads
                self._add_class(value)
            elif is_own or kinds.refusal(value, name) is None:
                self.bindings.append(place)
                if value is not EMPTY:
                    self._visit(place)
        known = self._globals.setdefault(id(outer), set())
        for name in sorted(_names_in(code) - known) if is_own else ():
            known.add(name)
            place = self._place(outer, name, self.bind(outer), name)
            self.bindings.append(place)
            if name in STAND_INS and name not in outer:
                self._stand_ins.append(place)
            if name in outer:
                self._visit(place)
            elif hasattr(builtins, name):
                self._guard(f"{name!r} not in {place.holder_text}", name)
            elif name in sys.modules and not is_library(name):  # the function may import it
                self._add_attributes(sys.modules[name], self.bind(sys.modules[name]), name)


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


@functools.cache
def _names_in_methods(cls: type) -> frozenset[str]:
    """Return all names in the methods of a class: these may read attributes of its objects."""
    members = [*vars(cls).values()]
    functions = [*members, *(getattr(x, part, None) for x in members for part in kinds.parts_of(x))]
    return frozenset[str]().union(*(_names_in(f.__code__) for f in functions if isinstance(f, FunctionType)))


def _argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """Return the names of the parameters that receive the positional arguments."""
    try:
        parameters = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "argument")
    return [*names[:count], *(f"{rest}_{i}" for i in range(len(names), count))]
