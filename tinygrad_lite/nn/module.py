"""Module: a part of a model that finds its own parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..errors import ShapeError
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
            yield from _found_in(name, value)

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
        return {name: tensor.data.copy() for name, tensor in self._named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every Tensor from arrays such as `state_dict` returned.

        Parameters
        ----------
        state : mapping of str to array-like
            One array a path, of the Tensor's shape; converted to its type.

        Raises
        ------
        ValueError
            If paths are missing or unknown, or shapes differ: all are listed, and nothing is changed.
        """
        tensors = dict(self._named_tensors())
        problems = [f"missing {name}" for name in tensors if name not in state]
        problems += [f"unexpected {name}" for name in state if name not in tensors]
        problems += [
            f"{name} has shape {np.shape(state[name])}, not {tensor.shape}"
            for name, tensor in tensors.items()
            if name in state and np.shape(state[name]) != tensor.shape
        ]
        if problems:
            raise ValueError(f"the state does not fit this {type(self).__name__}: {'; '.join(problems)}")
        arrays = {name: Tensor(state[name], dtype=tensor.dtype).data.copy() for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            tensor.data = arrays[name]

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


def _found_in(name: str, value: Any) -> Iterator[tuple[str, Module | Tensor]]:
    if isinstance(value, (Module, Tensor)):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _found_in(f"{name}.{key}", item)
