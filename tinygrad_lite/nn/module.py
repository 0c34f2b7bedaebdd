"""Module: a part of a model that finds its own parameters."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..device import moved
from ..errors import ShapeError
from ..state import by_path, expect_no_problems, fitted, misnamed
from ..tensor import Tensor
from ..text import table


class Module:
    """A part of a model: its Tensors and modules are its attributes, what it computes is `forward`.

    Tensors and modules are found in attributes, and in lists, tuples and dictionaries there, and named by the path
    to them: ``hidden.weight``, ``layers.0.bias``.

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

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every module defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, …), which computes its output")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`; an error about shapes is told which layer it arose in."""
        try:
            y = self.forward(*args, **kwargs)
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

    def _children(self) -> Iterator[tuple[str, Module | Tensor]]:
        for name, value in vars(self).items():
            yield from _found_in(name, value, (Module, Tensor))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield each module below this one with its path, outer ones first."""
        for name, child in self._children():
            if isinstance(child, Module):
                yield prefix + name, child
                yield from child.named_modules(f"{prefix}{name}.")

    def _named_tensors(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for name, child in self._children():
            if isinstance(child, Module):
                yield from child._named_tensors(f"{prefix}{name}.")
            else:
                yield prefix + name, child

    def _named_generators(self) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for prefix, module in [("", self), *((f"{path}.", module) for path, module in self.named_modules())]:
            for name, value in vars(module).items():
                for path, generator in _found_in(name, value, _GENERATORS):
                    if id(generator) not in seen:
                        seen.add(id(generator))
                        yield prefix + path, generator

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each Tensor that requires a gradient with its path; one that is shared once, by its first path."""
        seen: set[Tensor] = set()
        for name, tensor in self._named_tensors():
            if tensor.requires_grad and tensor not in seen:
                seen.add(tensor)
                yield name, tensor

    def parameters(self) -> list[Tensor]:
        """Return the Tensors that require gradients: what an optimizer changes."""
        return [tensor for _, tensor in self.named_parameters()]

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return a copy of every Tensor's array, by path."""
        return {name: np.array(moved(tensor.data, "cpu")) for name, tensor in by_path(self._named_tensors()).items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every Tensor from arrays such as `state_dict` returned.

        Parameters
        ----------
        state : mapping of str to array-like
            One array a path, of the Tensor's shape; converted to its type.

        Raises
        ------
        ValueError
            If paths are missing or unknown, shapes differ, or values are no numbers or of a type that does not
            convert, such as complex ones to real ones, or two paths of one Tensor have different ones: all are
            listed, and nothing is changed.
        """
        tensors = by_path(self._named_tensors())
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
        """Return the state of every random generator of NumPy's, by path: numbers and lists, as JSON holds them.

        Generators are found where Tensors are. One that is shared has one state, by its first path.
        """
        return {name: _plain(_state_of(generator)) for name, generator in by_path(self._named_generators()).items()}

    def load_random_state(self, state: Mapping[str, Any]) -> None:
        """Set every random generator, in place, to draw what it would have drawn when `random_state` returned this.

        Parameters
        ----------
        state : mapping of str to mapping
            One state a path, of a generator of the same kind.

        Raises
        ------
        ValueError
            If paths are missing or unknown, or a state is none of its generator: all are listed, and nothing is
            changed.
        """
        generators = by_path(self._named_generators())
        problems = misnamed(state, generators)
        for name, generator in generators.items():
            if name in state:
                try:
                    _set_state(copy.deepcopy(generator), state[name])
                except Exception as error:  # of any type, as NumPy raises what comes of using it
                    problems.append(f"{name} takes another state ({error})")
        expect_no_problems(problems, self)
        for name, generator in generators.items():
            _set_state(generator, state[name])

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below it to training, where layers such as `Dropout` act."""
        modules: list[Module] = [self, *(module for _, module in self.named_modules())]
        for module in modules:
            # As it was before, where that is how its class has it.
            vars(module).pop("training", None)
            if module.training is not mode:
                module.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and all below it to evaluation."""
        return self.train(False)

    def astype(self, dtype: Any) -> Self:
        """Convert every Tensor of a floating type, in place, forgetting its gradient; return the module."""
        for _, tensor in self._named_tensors():
            if tensor.dtype.kind == "f":
                tensor.data = tensor.data.astype(dtype)
                tensor.grad = None
        return self

    def to(self, device: str) -> Self:
        """Move every Tensor to a device, in place, forgetting the gradient of what is moved; return the module.

        An optimizer that has made steps already remembers them on the old device: make it after the move.

        Parameters
        ----------
        device : str
            As for `Tensor.to`.

        Raises
        ------
        DeviceError
            If there is no such device, or it cannot be used.
        """
        for _, tensor in self._named_tensors():
            if tensor.device != device:
                tensor.data = moved(tensor.data, device)
                tensor.grad = None
        return self

    def describe(self) -> str:
        """Return the module in one line, such as ``Linear(784, 90)``."""
        return f"{type(self).__name__}()"

    def __repr__(self) -> str:
        modules = list(self.named_modules())
        if not modules:
            return self.describe()
        rows = [("layer", "type", "shapes", "parameters")]
        for name, module in [("", self), *modules]:
            tensors = [(path, child) for path, child in module._children() if isinstance(child, Tensor)]
            if tensors or not any(module.named_modules()):
                shapes = ", ".join(f"{path} {'×'.join(map(str, tensor.shape))}" for path, tensor in tensors)
                count = sum(tensor.size for _, tensor in tensors if tensor.requires_grad)
                rows.append((name, type(module).__name__, shapes, f"{count:,}"))
        rows.append(("total", "", "", f"{sum(parameter.size for parameter in self.parameters()):,}"))
        return f"{type(self).__name__}\n{table(rows, right=[3])}"


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


def _plain(state: Any) -> Any:
    """Return the state of a generator as JSON holds it."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.generic)) else state


def _found_in(name: str, value: Any, kinds: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, kinds):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _found_in(f"{name}.{key}", item, kinds)
