"""Module: the base class of models and layers, which finds its own parameters.

An optimizer, a checkpoint and a move to a GPU all need the list of a model's parameters. A module finds them in its
attributes, so that a user writes no list. Most of the code here protects that state: an assignment or a changed list
must not silently replace a parameter by an array that is neither trained nor saved.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Set
from contextvars import ContextVar
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import as_array, owned
from ..errors import GraphError, ShapeError
from ..support.devices import to_device
from ..support.formatting import table
from ..support.names import Absent, answer_for_absent_of_modules
from ..support.observer import MODULE, Step, observers
from ..tensor import BUFFER, PARAMETER, Tensor
from .state_dict import by_path, expect_no_problems, fitted, misnamed

# The arguments of the innermost `forward` call in progress.
_arguments: ContextVar[tuple[Any, ...]] = ContextVar("_arguments", default=())


def Buffer(data: Any, dtype: DTypeLike | None = None, name: str | None = None) -> Tensor:
    """Return a Tensor that a `Module` keeps as state without training it, such as a running mean.

    `Module.state_dict` saves it, `Module.to` moves it and `Module.astype` converts it. A later assignment to its
    attribute copies the values, so it stays a buffer: ``self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)``.
    A buffer holds values without a graph, so detach what requires a gradient: ``x.detach().mean(axis=0)``.

    Parameters
    ----------
    data, dtype, name
        As for `Tensor`. The buffer holds a copy of the data.
    """
    buffer = Tensor(data, dtype=dtype, name=name)
    buffer._data = owned(buffer._data)
    buffer._role = BUFFER
    return buffer


class Module:
    """A model or a part of one: its attributes hold Tensors and other modules, and `forward` computes its output.

    A module finds modules and Tensors in its attributes, and in lists, tuples and dictionaries there. Each has the path
    to it as its name: ``hidden.weight``, ``layers.0.bias``. Two kinds of Tensors are its state, which is saved and
    moved:

    - parameters: the leaves that require gradients. A module marks a parameter when it first sees it, so a parameter
      that is frozen later stays part of the state;
    - buffers, made by `Buffer`.

    Other Tensors in attributes, such as an activation or a batch, are no state. Neither is an argument that `forward`
    stores, as in ``self.x = x``, even if it is a leaf that requires a gradient.

    An array, a list or a Tensor that requires no gradient, assigned to the attribute of a parameter or buffer, is
    copied into that Tensor, so that an optimizer keeps the Tensor it updates. Another parameter replaces the old one,
    as in ``self.output.weight = self.embedding.weight``. In a list or dictionary, values in place of a parameter or
    buffer are an error, which the next call of the module or the next look at its state raises.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> class Net(tg.nn.Module):
    ...     def __init__(self):
    ...         self.hidden = tg.nn.Linear(2, 16, rng=0)
    ...         self.output = tg.nn.Linear(16, 1, rng=1)
    ...
    ...     def forward(self, x):
    ...         return self.output(self.hidden(x).tanh())
    >>> print(Net())
    Net
    layer   type    shapes                parameters
    ------  ------  --------------------  ----------
    hidden  Linear  weight 2×16, bias 16          48
    output  Linear  weight 16×1, bias 1           17
    total                                         65
    """

    training = True
    # The attributes that hold an argument of `forward`. The set is replaced, not changed in place: jit can follow that.
    _given: frozenset[str] = frozenset()
    # The paths of its state inside lists and dictionaries, also of state that is None now. No plain value may go there.
    _kept: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        held = vars(self).get(name) if name not in self._given else None
        before = {path for path in self._kept if _is_at_or_below(path, name)}
        missed = set(before) if name in vars(self) else set()  # after `del` anything may go there
        if isinstance(held, Tensor) and _is_state(held):
            if _is_to_be_copied(value):
                held.data = self._fitted(name, held, value)
                return
            missed.add(name)
        kept = self._kept - before | self._kept_in(name, value, missed)
        super().__setattr__(name, value)
        if any(_is_given(tensor) for _, tensor in _found_in(name, value, (Tensor,))) is not (name in self._given):
            super().__setattr__("_given", self._given ^ {name})
        self._keep(kept)

    def _kept_in(self, name: str, value: Any, before: Set[str]) -> set[str]:
        """Return the paths in an attribute that hold state now, or held it before and are None now; mark parameters.

        Raises
        ------
        GraphError
            If plain values replaced state: they would be neither trained nor saved.
        """
        above = {path[:i] for path in before for i, letter in enumerate(path) if letter == "."}
        kept = set()
        for path, item in _places(name, value):
            if isinstance(item, Tensor) and _is_state(item):
                kept.add(path)
            elif item is None:
                kept |= {missing for missing in before if _is_at_or_below(missing, path)}
            elif path in before or (path in above and not isinstance(item, _CONTAINERS)):
                self._expect_no_values(path, item)
        # `__setattr__` itself checks an attribute that is a Tensor.
        return kept - {name} if isinstance(value, Tensor) else kept

    def _keep(self, paths: Set[str]) -> None:
        if paths != self._kept:
            super().__setattr__("_kept", frozenset(paths))

    def _expect_kept(self, names: Iterable[str]) -> None:
        """Check that no list or dictionary in these attributes has lost state: a module cannot see them change."""
        held = {name: vars(self)[name] for name in names if name in vars(self) and name not in self._given}
        self._keep({path for name, value in held.items() for path in self._kept_in(name, value, self._kept)})

    def _expect_no_values(self, path: str, item: Any) -> None:
        """Raise an error if a plain value stands where a parameter or buffer was; another one, or a module, may."""
        if not _is_to_be_copied(item):
            return
        name, *keys = path.split(".")
        place = name + "".join(f"[{key if key.isdecimal() else repr(key)}]" for key in keys)
        raise GraphError(
            f"{place} of this {type(self).__name__} is of type {type(item).__name__}, where a parameter or buffer was, "
            f"and would be neither trained nor saved: write {place}.data = … to change the values of the one that was "
            "there, or give it another, tg.Tensor(…, requires_grad=True) or tg.nn.Buffer(…). To do without, del "
            f"{name} first"
        )

    def _fitted(self, name: str, held: Tensor, value: Any) -> Any:
        """Return values assigned to a parameter or buffer as an array of its type, on its device; check the shape."""
        if getattr(value, "requires_grad", False):
            raise GraphError(
                f"{name} is a {held._role}, which holds values, but it was assigned a result that requires a gradient: "
                "assign its .detach(), or keep it under another name"
            )
        array = as_array(value)
        if array.shape != held.shape:
            raise ShapeError(
                f"{name} is a {held._role} of shape {held.shape}, but it was assigned values of shape {array.shape}: "
                f"write {name}.data = … for a {held._role} of another shape"
            )
        if not np.can_cast(array.dtype, held.dtype, "same_kind"):
            raise TypeError(
                f"{name} is a {held._role} of type {held.dtype}, but it was assigned values of type {array.dtype}: "
                "convert them with .astype"
            )
        return to_device(array, held.device).astype(held.dtype)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every module defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, …), which computes its output")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`; an error about shapes gets the name of the layer where it arose."""
        if self._kept:
            self._expect_kept({path.partition(".")[0] for path in self._kept})
        outer = _arguments.set((args, kwargs))
        try:
            y = self._observed_forward(args, kwargs) if observers.open else self.forward(*args, **kwargs)
            if y is None:
                raise TypeError(f"forward of {type(self).__name__} returned None: does it end with return?")
            return y
        except ShapeError as error:
            if error.origin is None:
                error.origin, error.layer = self, self.describe()
            for path, module in self.named_modules():
                if module is error.origin:
                    error.layer = f"layer {path!r}, {module.describe()}"
            raise
        except AttributeError as error:
            # Was a Tensor's attribute asked of a list, a plain or recorded array, or the memoryview in `array.data`?
            is_plain = isinstance(error.obj, (list, memoryview)) or hasattr(error.obj, "__array_function__")
            if not is_plain or isinstance(error.obj, Tensor) or not hasattr(Tensor, error.name or ""):
                raise
            raise AttributeError(
                f"forward of {type(self).__name__} asks an array or a list for {error.name!r}, which Tensors have: "
                "make one of it first, as in net(tg.Tensor(x))"
            ) from error
        finally:
            _arguments.reset(outer)

    def _observed_forward(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Step(MODULE, self):
            y = self.forward(*args, **kwargs)
        for observer in observers.get():
            observer.ran(self, y)
        return y

    def _children(self) -> Iterator[tuple[str, Module | Tensor]]:
        self._expect_kept(vars(self))
        for name, value in vars(self).items():
            yield from _found_in(name, value, (Module,) if name in self._given else (Module, Tensor))

    def _below(self, prefix: str = "", above: tuple[Module, ...] = ()) -> Iterator[tuple[str, Module | Tensor]]:
        """Yield each module and Tensor below this one with its path, outer ones first.

        A module may hold a module that contains it, such as its parent: the search does not enter that one again.
        """
        above = (*above, self)
        for name, child in self._children():
            if isinstance(child, Tensor):
                yield prefix + name, child
            elif not any(child is module for module in above):
                yield prefix + name, child
                yield from child._below(f"{prefix}{name}.", above)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield each module below this one with its path, outer ones first."""
        return ((path, child) for path, child in self._below(prefix) if isinstance(child, Module))

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each parameter and buffer with its path."""
        return ((path, child) for path, child in self._below() if isinstance(child, Tensor) and _is_state(child))

    def _named_generators(self) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for prefix, module in [("", self), *((f"{path}.", module) for path, module in self.named_modules())]:
            for name, value in vars(module).items():
                for path, generator in _found_in(name, value, _GENERATORS):
                    if id(generator) not in seen:
                        seen.add(id(generator))
                        yield prefix + path, generator

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each parameter that is not frozen, with its path; a shared one only once, with its first path."""
        seen: set[Tensor] = set()
        for name, tensor in self._named_tensors():
            if tensor._role == PARAMETER and tensor.requires_grad and tensor not in seen:
                seen.add(tensor)
                yield name, tensor

    def parameters(self) -> list[Tensor]:
        """Return the parameters that are not frozen, for an optimizer."""
        return [tensor for _, tensor in self.named_parameters()]

    def freeze(self, mode: bool = True) -> Self:
        """Freeze every parameter, or unfreeze it; reset its gradient; return the module.

        A frozen parameter requires no gradient and is not in `parameters`. It stays in the state.

        Parameters
        ----------
        mode : bool
            True to freeze the parameters, False to train them again.
        """
        for _, tensor in self._named_tensors():
            if tensor._role == PARAMETER:
                tensor.requires_grad = not mode
                tensor.grad = None
        return self

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return a copy, on the CPU, of the array of every parameter and buffer, by path."""
        tensors = by_path(self._named_tensors())
        return {name: np.array(to_device(tensor.data, "cpu")) for name, tensor in tensors.items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Set every parameter and buffer from arrays such as `state_dict` returned.

        Parameters
        ----------
        state : mapping of str to array-like
            For each path an array of the Tensor's shape, which is converted to its type.
        strict : bool
            True if a missing or unknown path is an error. False loads the paths that the state and the module share.

        Raises
        ------
        ValueError
            If paths are missing or unknown, shapes differ, values are no numbers or of a type that does not convert,
            such as complex to real, or two paths of one Tensor have different values. The message lists all problems,
            and the module stays unchanged.
        TypeError
            If the state is not a mapping.
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"load_state_dict takes what state_dict() returned, not {type(state).__name__}: write "
                'other.state_dict() for a module, states, facts = tg.checkpoint.load(path) and states["net"] for a file'
            )
        tensors = by_path(self._named_tensors())
        common = tensors.keys() & state.keys()
        if common and not strict:
            tensors = {name: tensor for name, tensor in tensors.items() if name in common}
            state = {name: state[name] for name in common}
        arrays = fitted(state, {name: tensor.data for name, tensor in tensors.items()}, self)
        first = {tensor: name for name, tensor in reversed(tensors.items())}
        differing = [
            f"{name} is another than {first[tensor]}, which is the same Tensor"
            for name, tensor in tensors.items()
            if first[tensor] != name and not np.array_equal(arrays[name], arrays[first[tensor]], equal_nan=True)
        ]
        expect_no_problems(differing, self)
        for name, tensor in tensors.items():
            tensor.data = arrays[name]

    def random_state(self) -> dict[str, dict[str, Any]]:
        """Return the state of every NumPy random generator by path, as numbers and lists that JSON can hold.

        A module finds generators where it finds Tensors. A shared one appears once, under its first path.
        """
        return {name: _plain(_state_of(generator)) for name, generator in by_path(self._named_generators()).items()}

    def load_random_state(self, state: Mapping[str, Any]) -> None:
        """Set every random generator, in place, to a state that `random_state` returned; each then repeats its draws.

        Parameters
        ----------
        state : mapping of str to mapping
            For each path the state of a generator of the same kind.

        Raises
        ------
        ValueError
            If paths are missing or unknown, or a state does not fit its generator. The message lists all problems, and
            the generators stay unchanged.
        """
        generators = by_path(self._named_generators())
        problems = misnamed(state, generators)
        for name, generator in generators.items():
            if name in state:
                try:
                    _set_state(_copied(generator), state[name])
                except Exception as error:  # NumPy documents no type of error for a bad state
                    problems.append(f"{name} takes another state ({error})")
        expect_no_problems(problems, self)
        for name, generator in generators.items():
            _set_state(generator, state[name])

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below it to training mode, in which layers such as `Dropout` act."""
        modules: list[Module] = [self, *(module for _, module in self.named_modules())]
        for module in modules:
            # Without an attribute of its own, a module has the mode of its class.
            vars(module).pop("training", None)
            if module.training is not mode:
                module.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and all below it to evaluation mode."""
        return self.train(False)

    def astype(self, dtype: Any) -> Self:
        """Convert parameters and buffers of floating types, in place; reset their gradients; return the module."""
        for _, tensor in self._named_tensors():
            if tensor.dtype.kind == "f":
                tensor._data = owned(tensor.data.astype(dtype))  # assigning `data` would warn of a larger type
                tensor.mark_replaced()
                tensor.grad = None
        return self

    def to(self, device: str) -> Self:
        """Move parameters and buffers to a device, in place; reset the gradients of those that move.

        Create the optimizer after the move: the state of one that has made steps stays on the old device.

        Parameters
        ----------
        device : str
            As for `Tensor.to`.

        Returns
        -------
        Module
            This one.

        Raises
        ------
        DeviceError
            If there is no such device, or it cannot be used.
        """
        for _, tensor in self._named_tensors():
            if tensor.device != device:
                tensor.data = to_device(tensor.data, device)
                tensor.grad = None
        return self

    def describe(self) -> str:
        """Return the module in one line, such as ``Linear(784, 90)``."""
        return f"{type(self).__name__}()"

    def __dir__(self) -> list[str]:
        return [
            name for name in super().__dir__() if not isinstance(vars(Module).get(name), Absent) or hasattr(self, name)
        ]

    def __repr__(self) -> str:
        modules = list(self.named_modules())
        if not modules:
            return self.describe()
        rows = [("layer", "type", "shapes", "parameters")]
        for name, module in [("", self), *modules]:
            tensors = [(path, x) for path, x in module._children() if isinstance(x, Tensor) and _is_state(x)]
            is_inner = not name or any(path.startswith(f"{name}.") for path, _ in modules)
            if tensors or not is_inner:
                shapes = ", ".join(f"{path} {'×'.join(map(str, tensor.shape))}" for path, tensor in tensors)
                count = sum(tensor.size for _, tensor in tensors if tensor.requires_grad)
                rows.append((name, type(module).__name__, shapes, f"{count:,}"))
        rows.append(("total", "", "", f"{sum(parameter.size for parameter in self.parameters()):,}"))
        return f"{type(self).__name__}\n{table(rows, right=[3])}"


answer_for_absent_of_modules(Module)


def _is_state(tensor: Tensor) -> bool:
    """Return True for a parameter or buffer; mark a leaf that requires a gradient, and is no argument, a parameter."""
    if not hasattr(tensor, "_role"):
        if not tensor.requires_grad or tensor.operation is not None or _is_given(tensor):
            return False
        tensor._role = PARAMETER
    return True


def _is_given(tensor: Tensor) -> bool:
    """Return True for an argument of the `forward` call in progress that is neither a parameter nor a buffer."""
    return not hasattr(tensor, "_role") and any(x is tensor for _, x in _found_in("", _arguments.get(), (Tensor,)))


def _is_to_be_copied(value: Any) -> bool:
    """Return True for plain values to copy into a parameter or buffer, not for None, a module or such a Tensor."""
    found = _found_in("", value, (Module, Tensor))
    return value is not None and not any(isinstance(x, Module) or _is_state(x) for _, x in found)


_GENERATORS = (np.random.Generator, np.random.RandomState)


def _state_of(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.get_state(legacy=False)


def _set_state(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)


def _copied(generator: Any) -> Any:
    """Return a copy of a generator, also of the library's, of which `copy.deepcopy` returns the original."""
    if isinstance(generator, np.random.Generator):
        return np.random.Generator(copy.deepcopy(generator.bit_generator))
    return copy.deepcopy(generator)


def _plain(state: Any) -> Any:
    """Return the state of a generator in types that JSON can hold."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.generic)) else state


_CONTAINERS = (list, tuple, dict)


def _places(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a value and, if it is a container, everything in it, each with its path, outer ones first."""
    yield name, value
    if isinstance(value, _CONTAINERS):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(f"{name}.{key}", item)


def _found_in(name: str, value: Any, kinds: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    return ((path, item) for path, item in _places(name, value) if isinstance(item, kinds))


def _is_at_or_below(path: str, name: str) -> bool:
    return f"{path}.".startswith(f"{name}.")
