"""What a function reaches: its arguments, and all it can read through closures, globals and attributes.

Arrays, Tensors, learning rates and random generators become inputs of the program, read anew at each call. All else
(flags, sizes, other numbers, which function a name stands for) is guarded: where it is no longer as it was, another
program is needed.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..dtypes import get_default_dtype
from ..engine import is_recording
from ..errors import JitError
from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor
from .program import Variable
from .tracer import Recorder

PLAIN = (int, float, complex, str, bytes, range, np.generic, np.dtype)
GIVEN = ("args", "kwargs")
GENERATORS = (np.random.Generator, np.random.RandomState)


@dataclasses.dataclass(eq=False)
class Place:
    """Somewhere a value is kept: an item of a dictionary or list, a cell of a closure, the data of a Tensor.

    Attributes
    ----------
    holder : object
        What keeps it.
    key : object
        The key of an item, or the name of an attribute.
    holder_text : str
        The holder, as an expression of the names in `State.names`.
    text : str
        The place, as such an expression.
    """

    holder: Any
    key: Any
    holder_text: str
    text: str

    def get(self) -> Any:
        """Return the value."""
        return fetch(self.holder, self.key)

    def set(self, value: Any) -> None:
        """Put another value there."""
        store(self.holder, self.key, value)


def fetch(holder: Any, key: Any) -> Any:
    """Return what a holder keeps."""
    return getattr(holder, key) if isinstance(holder, (CellType, Tensor)) else holder[key]


def store(holder: Any, key: Any, value: Any) -> None:
    """Let a holder keep something else."""
    if isinstance(holder, (CellType, Tensor)):
        setattr(holder, key, value)
    else:
        holder[key] = value


@dataclasses.dataclass(eq=False)
class Input:
    """A place whose value the program reads.

    Attributes
    ----------
    place : Place
        Where it is.
    path : str
        How the user knows it: ``net.hidden.weight``.
    value : object
        The array, number or generator there before the recording.
    owner : Tensor or None
        The Tensor whose gradient it is.
    started : Variable
        What it is in the program.
    traced : Tracer, Number or Draws
        What stands there during the recording.
    """

    place: Place
    path: str
    value: Any
    owner: Tensor | None = None
    started: Variable = dataclasses.field(init=False)
    traced: Any = dataclasses.field(init=False, default=None)

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
    containers : list of (holder, str)
        Every list and dictionary, and how it is reached.
    bindings : list of Place
        Where the names of closures and modules stand for something.
    """

    def __init__(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        self.names: dict[str, Any] = {"is_recording": is_recording, "get_default_dtype": get_default_dtype}
        self._seen: dict[int, str] = {}
        self.guards: dict[str, str] = {}
        self._guard(f"is_recording() is {is_recording()}", "no_grad()")
        self._guard(f"get_default_dtype() == {self.bind(get_default_dtype())}", "the default dtype")
        self._guard(f"len(args) == {len(args)} and len(kwargs) == {len(kwargs)}", "the number of arguments")
        self.inputs: list[Input] = []
        self.tensors: dict[Tensor, str] = {}
        self.tensor_names: dict[Tensor, str] = {}
        self.containers: list[tuple[Any, str]] = []
        self.bindings: list[Place] = []
        self.modules: dict[Module, str] = {}
        self.optimizers: dict[str, Optimizer] = {}
        self._of_globals: set[str] = set()
        self._tuples: list[tuple[Any, Place]] = []
        self._visited: set[int] = set()
        self._globals: set[tuple[str, str]] = set()
        self._lifts_numbers = False
        self._visit_function(function)
        names = _argument_names(function, args)
        for i, value in enumerate(args):
            self._visit(value, args, i, "args", names[i], given=True)
        for name, value in kwargs.items():
            self._visit(value, kwargs, name, "kwargs", name, given=True)
        self._name_tensors()

    def lift(self, recorder: Recorder) -> None:
        """Put tracers in the place of all inputs."""
        recorder.names = {tensor: _as_identifier(name) for tensor, name in self.tensor_names.items()}
        in_tuples: dict[tuple[int, Any], Any] = {}
        for found in self.inputs:
            name = self.name_of(found)
            found.traced = recorder.lift(found.value, name, found.is_given)
            found.started = found.traced.variable
            if isinstance(found.place.holder, tuple):
                in_tuples[id(found.place.holder), found.place.key] = found.traced
            else:
                found.place.set(found.traced)
        for whole, place in reversed(self._tuples):  # the innermost first
            changed = tuple(in_tuples.get((id(whole), i), x) for i, x in enumerate(whole))
            if any(a is not b for a, b in zip(changed, whole, strict=True)):
                in_tuples[id(place.holder), place.key] = changed
                if not isinstance(place.holder, tuple):
                    place.set(changed)

    def restore(self) -> None:
        """Put everything back that `lift` replaced and the recording has left in its place."""
        for whole, place in self._tuples:
            if not isinstance(place.holder, tuple):
                place.set(whole)
        for found in self.inputs:
            if not isinstance(found.place.holder, tuple):
                found.place.set(found.value)

    def guards_of(self, found: Input) -> list[str]:
        """Return the conditions on an input's type."""
        text, value = found.place.text, found.value
        if not isinstance(value, (np.ndarray, np.generic)):
            return []
        return [
            f"type({text}) is {self.bind(type(value))}",
            f"{text}.shape == {value.shape}",
            f"{text}.dtype == {self.bind(value.dtype)}",
        ]

    def guard_of_value(self, found: Input) -> str:
        """Return the condition that an input, a number or a mask, has the value it has now."""
        if isinstance(found.value, np.ndarray):
            self.names["array_equal"] = np.array_equal
            return f"array_equal({found.place.text}, {self.bind(found.value.copy())})"
        return f"{found.place.text} == {self.bind(found.value)}"

    def name_of(self, found: Input) -> str:
        """Return what an input is called in the program."""
        holder = found.place.holder
        path = self.tensor_names.get(holder, found.path) if isinstance(holder, Tensor) else found.path
        if found.owner is not None:
            path = f"{self.tensor_names[found.owner]}.grad"
        optimizer = next((o for o in self.optimizers if path.startswith(f"{o}.")), None)
        if optimizer is not None:
            path = self._name_in_optimizer(path, self.optimizers[optimizer])
        for root, prefix in self._roots():
            path = re.sub(rf"^{re.escape(self.modules[root])}\.", prefix, path)
        return _as_identifier(path)

    def _name_in_optimizer(self, path: str, optimizer: Optimizer) -> str:
        kind, *rest = path.split(".")[1:]
        if kind == "state":
            return f"{self.tensor_names[optimizer.params[int(rest[1])]]}_{rest[0]}"
        return "_".join([kind, *rest])

    def bind(self, value: Any) -> str:
        """Return a name for an object."""
        name = self._seen.get(id(value))
        if name is None:
            name = self._seen[id(value)] = f"o{len(self._seen)}"
            self.names[name] = value
        return name

    def _visit(self, value: Any, holder: Any, key: Any, holder_text: str, path: str, given: bool = False) -> None:
        """Look at a value and what is behind it; ``given`` if another one may stand there at the next call."""
        attribute = isinstance(holder, (CellType, Tensor))
        text = f"{holder_text}.{key}" if attribute else f"{holder_text}[{self._key(key)}]"
        place = Place(holder, key, holder_text, text)
        if isinstance(holder, CellType) or holder_text in self._of_globals:
            self.bindings.append(place)
        number = type(value) is float or (type(value) is int and not given)
        if isinstance(value, np.ndarray) or (isinstance(value, np.generic) and given):
            self.inputs.append(Input(place, path, value))
        elif isinstance(value, GENERATORS):
            self._guard(f"{text} is {self.bind(value)}", path)
            self.inputs.append(Input(place, path, value))
        elif number and (given or self._lifts_numbers):
            self._guard(f"type({text}) is {type(value).__name__}", path)
            self.inputs.append(Input(place, path, value))
        elif value is None or isinstance(value, (bool, *PLAIN)):
            self._guard_equal(text, value, path)
        elif type(value) in (tuple, list, dict):
            self._visit_container(value, place, path, given)
        elif isinstance(value, Tensor):
            self._visit_tensor(value, text, path, given)
        else:
            self._guard(f"{text} is {self.bind(value)}", path)
            self._visit_object(value, path)

    def _key(self, key: Any) -> str:
        return repr(key) if isinstance(key, (str, int)) else self.bind(key)

    def _guard(self, condition: str, path: str) -> None:
        self.guards.setdefault(condition, path)

    def _guard_equal(self, text: str, value: Any, path: str) -> None:
        if value is None or isinstance(value, bool):
            self._guard(f"{text} is {value}", path)
        else:
            kept = self.bind(value)
            # A number that is not one equals nothing, but is itself.
            self._guard(f"({text} is {kept} or type({text}) is type({kept}) and {text} == {kept})", path)

    def _visit_container(self, value: Any, place: Place, path: str, given: bool) -> None:
        text = place.text
        if not given:
            if id(value) in self._seen:
                self._guard(f"{text} is {self._seen[id(value)]}", path)
                return
            name = self.bind(value)
            self._guard(f"{text} is {name}", path)
            text = name
        else:
            self._guard(f"type({text}) is {type(value).__name__}", path)
        if all(x is None or isinstance(x, (bool, *PLAIN)) for x in _items(value)) and not self._lifts_numbers:
            self._guard(f"{text} == {self.bind(value if isinstance(value, tuple) else value.copy())}", path)
        else:
            self._guard(f"len({text}) == {len(value)}", path)
            for key, x in value.items() if isinstance(value, dict) else enumerate(value):
                self._visit(x, value, key, text, f"{path}.{key}", given)
        if isinstance(value, tuple):
            self._tuples.append((value, place))
        else:
            self.containers.append((value, text))

    def _visit_tensor(self, tensor: Tensor, text: str, path: str, given: bool) -> None:
        known = self.tensors.get(tensor)
        if known is not None:
            self._guard(f"{text} is {known}", path)
            return
        if given:
            self._guard(f"type({text}) is {self.bind(Tensor)}", path)
        else:
            name = self.bind(tensor)
            self._guard(f"{text} is {name}", path)
            text = name
        if tensor.operation is not None and tensor.requires_grad and not given:
            raise JitError(
                f"the Tensor {path} was computed outside of the jitted function and has a history there, which no "
                "program can go back into: compute it inside, or use its .detach()"
            )
        self._guard(f"{text}.requires_grad is {tensor.requires_grad}", path)
        self.tensors[tensor] = text
        self.tensor_names[tensor] = path
        self.inputs.append(Input(Place(tensor, "_data", text, f"{text}._data"), path, tensor._data))
        if tensor.grad is not None:
            place = Place(tensor.grad, "_data", f"{text}.grad", f"{text}.grad._data")
            self.inputs.append(Input(place, f"{path}.grad", tensor.grad._data, owner=tensor))

    def _visit_object(self, value: Any, path: str) -> None:
        """Look behind an object whose identity is guarded already."""
        if id(value) in self._visited:
            return
        self._visited.add(id(value))
        if isinstance(value, FunctionType):
            if not _is_library(value.__module__):
                self._visit_function(value)
        elif isinstance(value, MethodType):
            self._visit_object(value.__self__, path.rpartition(".")[0] or path)
            self._visit_object(value.__func__, path)
        elif isinstance(value, functools.partial):
            for i, part in enumerate((value.func, *value.args, *value.keywords.values())):
                name = self.bind((part,))
                self._visit(part, self.names[name], 0, name, f"{path}.{i}")
        elif isinstance(value, type):
            if not _is_library(value.__module__):
                self._visit_class(value, path)
        elif hasattr(value, "__wrapped__") and isinstance(value.__wrapped__, FunctionType):
            self._visit_object(value.__wrapped__, path)
        elif hasattr(value, "__dict__") and not isinstance(value, (ModuleType, BuiltinFunctionType)):
            self._visit_instance(value, path)

    def _visit_instance(self, value: Any, path: str) -> None:
        module = type(value).__module__
        if _is_library(module) and not module.startswith(__name__.partition(".")[0]):
            return
        if isinstance(value, Module):
            self.modules.setdefault(value, path)
        if isinstance(value, Optimizer):
            self.optimizers[path] = value
        self._visit_class(type(value), path)
        attributes = vars(value)
        text = self.bind(attributes)
        self._guard(f"len({text}) == {len(attributes)}", path)
        self.containers.append((attributes, text))
        before, self._lifts_numbers = self._lifts_numbers, isinstance(value, Optimizer)
        for name, x in attributes.items():
            self._visit(x, attributes, name, text, f"{path}.{name}")
        self._lifts_numbers = before

    def _visit_class(self, cls: type, path: str) -> None:
        for base in cls.__mro__:
            if id(base) in self._visited or _is_library(base.__module__):
                continue
            self._visited.add(id(base))
            text = self.bind(vars(base))
            for name, x in vars(base).items():
                function = getattr(x, "__func__", getattr(x, "fget", x))
                if isinstance(function, FunctionType):
                    self._guard(f"{text}[{name!r}] is {self.bind(x)}", f"{base.__name__}.{name}")
                    self._visit_object(function, name)
                elif not name.startswith("__") and isinstance(x, (bool, *PLAIN, type(None))):
                    self._guard_equal(f"{text}[{name!r}]", x, f"{base.__name__}.{name}")

    def _visit_function(self, function: Any) -> None:
        """Look at what a function reads besides its arguments."""
        while not isinstance(function, (FunctionType, MethodType)) and hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        if isinstance(function, MethodType):
            self._visit_object(function, "self")
            return
        if not isinstance(function, FunctionType):
            self._visit_object(function, getattr(function, "__name__", type(function).__name__).lower())
            return
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # a name that is not yet bound
                continue
            bound = self.bind(cell)
            self._visit(value, cell, "cell_contents", bound, name)
        text = self.bind(function.__globals__)
        self._of_globals.add(text)
        for name in _names_in(function.__code__):
            if name in function.__globals__:
                value = function.__globals__[name]
                if isinstance(value, ModuleType):
                    self._visit_module(value, function.__code__, f"{text}[{name!r}]", name)
                else:
                    self._visit_once(value, function.__globals__, name, text, name)
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        for i, x in enumerate(defaults):
            kept = self.bind((x,))
            self._visit(x, self.names[kept], 0, kept, f"{function.__name__}.{i}")

    def _visit_module(self, module: ModuleType, code: CodeType, text: str, path: str) -> None:
        """Look at what code reads of a module of the user's."""
        if _is_library(module.__name__):
            return
        self._guard(f"{text} is {self.bind(module)}", path)
        attributes = vars(module)
        bound = self.bind(attributes)
        self._of_globals.add(bound)
        for name in _names_in(code):
            if name in attributes:
                value = attributes[name]
                if isinstance(value, ModuleType):
                    self._visit_module(value, code, f"{bound}[{name!r}]", name)
                else:
                    self._visit_once(value, attributes, name, bound, f"{path}.{name}")

    def _visit_once(self, value: Any, holder: Any, key: str, text: str, path: str) -> None:
        """Look at a global that several functions may read."""
        if (text, key) not in self._globals:
            self._globals.add((text, key))
            self._visit(value, holder, key, text, path)

    def _name_tensors(self) -> None:
        """Name parameters by where they stand in their model."""
        for root, prefix in self._roots():
            for name, tensor in root._named_tensors():
                self.tensor_names[tensor] = prefix + name

    def layer_names(self) -> dict[Module, str]:
        """Return what the innermost modules are called in their models."""
        return {
            module: _as_identifier(prefix + name)
            for root, prefix in self._roots()
            for name, module in root.named_modules()
            if not any(module.named_modules())
        }

    def _roots(self) -> list[tuple[Module, str]]:
        """Return the models, each with a prefix for the names of its parts if there are several."""
        roots = [module for module in self.modules if not self._is_inner(module)]
        prefixes = [f"{self.modules[root].rpartition('.')[2]}." if len(roots) > 1 else "" for root in roots]
        return list(zip(roots, prefixes, strict=True))

    def _is_inner(self, module: Module) -> bool:
        return any(child is module for other in self.modules for _, child in other.named_modules())


def _is_library(module: str | None) -> bool:
    """Return whether a module is no one's own code: of the standard library, an installed package, or this one."""
    root = (module or "").partition(".")[0]
    if root in sys.stdlib_module_names and root != "__main__":
        return True
    if root == __name__.partition(".")[0]:
        return True
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the names of globals and attributes in code, and in the functions it defines."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _items(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value


def _as_identifier(path: str) -> str:
    """Return a path as one name; what begins with a number is a layer of a sequence."""
    name = re.sub(r"\W", "_", path)
    return f"layer_{name}" if name[:1].isdigit() or not name else name


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
