"""What a module holds: the Tensors and modules in its attributes, each under its path.

An assignment or a changed list must not silently replace a parameter by an array that is neither trained nor saved.
Most of the code here prevents that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..arrays import as_array, owned
from ..engine import calls
from ..errors import GraphError, ShapeError
from ..support.devices import to_device
from ..support.randomness import GENERATORS
from ..tensor import BUFFER, PARAMETER, Tensor


def Buffer(data: Any, dtype: DTypeLike | None = None, name: str | None = None) -> Tensor:
    """Return a Tensor that a `Module` keeps as state without training it, such as a running mean.

    `Module.state_dict` saves it, `Module.to` moves it and `Module.astype` converts it. A later assignment to its
    attribute copies the values, so it stays a buffer: ``self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)``.
    A buffer holds values without a graph, so detach what requires a gradient: ``x.detach().mean(axis=0)``.

    Parameters
    ----------
    data, dtype, name
        As for `Tensor`. The buffer holds a copy of the data.

    Examples
    --------
    >>> class Counter(tg.nn.Module):
    ...     def __init__(self):
    ...         self.calls = tg.nn.Buffer(0)
    ...
    ...     def forward(self, x):
    ...         self.calls = self.calls + 1
    ...         return x
    >>> counter = Counter()
    >>> _ = counter(1.0), counter(1.0)
    >>> counter.state_dict(), counter.parameters()
    ({'calls': array(2)}, [])
    """
    buffer = Tensor(data, dtype=dtype, name=name)
    buffer._data = owned(buffer._data)
    buffer._role = BUFFER
    return buffer


class Tree:
    """The base class of modules: an object that finds, and guards, the Tensors and trees in its attributes.

    An attribute is guarded when it is assigned. A list or dictionary does not tell when an item is replaced. So the
    paths of the state in it are remembered, and compared with what is there at each call of the module, and whenever
    its state is looked at.
    """

    # The attributes that hold an argument of `forward`. The set is replaced, not changed in place: jit can follow that.
    _given: frozenset[str] = frozenset()
    # The paths of its state inside lists and dictionaries, also of state that is None now. No plain value may go there.
    _state_paths: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        held = vars(self).get(name) if name not in self._given else None
        inside = {path for path in self._state_paths if _is_at_or_below(path, name)}
        guarded = set(inside) if name in vars(self) else set()  # after `del` anything may go there
        if isinstance(held, Tensor) and is_state(held):
            if _is_to_be_copied(value):
                held.data = self._fitted(name, held, value)
                return
            guarded.add(name)
        paths = self._state_paths - inside | self._state_paths_in(name, value, guarded)
        super().__setattr__(name, value)
        if any(_is_given(tensor) for _, tensor in found_in(name, value, (Tensor,))) is not (name in self._given):
            super().__setattr__("_given", self._given ^ {name})
        self._note_state_paths(paths)

    def _state_paths_in(self, name: str, value: Any, guarded: Set[str]) -> set[str]:
        """Return the paths in an attribute that hold state now, or are guarded and hold None now; mark parameters.

        Guarded are the paths that held state before.

        Raises
        ------
        GraphError
            If plain values stand at a guarded path: they would be neither trained nor saved.
        """
        above = {path[:i] for path in guarded for i, letter in enumerate(path) if letter == "."}
        paths = set()
        for path, item in _places(name, value):
            if isinstance(item, Tensor) and is_state(item):
                paths.add(path)
            elif item is None:
                paths |= {missing for missing in guarded if _is_at_or_below(missing, path)}
            elif path in guarded or (path in above and not isinstance(item, _CONTAINERS)):
                self._check_item(path, item)
        # `__setattr__` itself checks an attribute that is a Tensor.
        return paths - {name} if isinstance(value, Tensor) else paths

    def _note_state_paths(self, paths: Set[str]) -> None:
        if paths != self._state_paths:
            super().__setattr__("_state_paths", frozenset(paths))

    def _check_containers(self, names: Iterable[str]) -> None:
        """Check that no list or dictionary in these attributes has lost state: an object cannot see them change."""
        held = {name: vars(self)[name] for name in names if name in vars(self) and name not in self._given}
        found = (self._state_paths_in(name, value, self._state_paths) for name, value in held.items())
        self._note_state_paths(set().union(*found))

    def _check_item(self, path: str, item: Any) -> None:
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

    def _children(self) -> Iterator[tuple[str, Tree | Tensor]]:
        self._check_containers(vars(self))
        for name, value in vars(self).items():
            yield from found_in(name, value, (Tree,) if name in self._given else (Tree, Tensor))

    def _below(self, prefix: str = "", above: tuple[Tree, ...] = ()) -> Iterator[tuple[str, Tree | Tensor]]:
        """Yield each module and Tensor below this one with its path, outer ones first.

        A module may hold a module that contains it, such as its parent: the search does not enter that one again.
        """
        above = (*above, self)
        for name, child in self._children():
            if isinstance(child, Tensor):
                yield prefix + name, child
            elif not any(child is tree for tree in above):
                yield prefix + name, child
                yield from child._below(f"{prefix}{name}.", above)

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each parameter and buffer with its path."""
        return ((path, child) for path, child in self._below() if isinstance(child, Tensor) and is_state(child))

    def _named_generators(self) -> Iterator[tuple[str, Any]]:
        """Yield each random generator with its path; a shared one only once, with its first path."""
        seen: set[int] = set()
        for prefix, tree in [("", self), *((f"{path}.", x) for path, x in self._below() if isinstance(x, Tree))]:
            for name, value in vars(tree).items():
                for path, generator in found_in(name, value, GENERATORS):
                    if id(generator) not in seen:
                        seen.add(id(generator))
                        yield prefix + path, generator

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each parameter that is not frozen, with its path; a shared one only once, with its first path.

        Examples
        --------
        >>> net = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.Linear(3, 1, bias=False))
        >>> [(name, parameter.shape) for name, parameter in net.named_parameters()]
        [('0.weight', (2, 3)), ('0.bias', (3,)), ('1.weight', (3, 1))]
        """
        seen: set[Tensor] = set()
        for name, tensor in self._named_tensors():
            if tensor._role == PARAMETER and tensor.requires_grad and tensor not in seen:
                seen.add(tensor)
                yield name, tensor

    def parameters(self) -> list[Tensor]:
        """Return the parameters that are not frozen, for an optimizer.

        Examples
        --------
        >>> optimizer = tg.optim.SGD(tg.nn.Linear(2, 3).parameters(), lr=0.1)
        >>> [parameter.shape for parameter in optimizer.params]
        [(2, 3), (3,)]
        """
        return [tensor for _, tensor in self.named_parameters()]


def is_state(tensor: Tensor) -> bool:
    """Return True for a parameter or buffer; mark a leaf that requires a gradient, and is no argument, a parameter."""
    if not hasattr(tensor, "_role"):
        if not tensor.requires_grad or tensor.operation is not None or _is_given(tensor):
            return False
        tensor._role = PARAMETER
    return True


def _is_given(tensor: Tensor) -> bool:
    """Return True for an argument of the `forward` call in progress that is neither a parameter nor a buffer."""
    call = calls.get()
    if call is None or hasattr(tensor, "_role"):
        return False
    return any(x is tensor for _, x in found_in("", (call.args, call.kwargs), (Tensor,)))


def _is_to_be_copied(value: Any) -> bool:
    """Return True for plain values to copy into a parameter or buffer, not for None, a module or such a Tensor."""
    found = found_in("", value, (Tree, Tensor))
    return value is not None and not any(isinstance(x, Tree) or is_state(x) for _, x in found)


_CONTAINERS = (list, tuple, dict)


def _places(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a value and, if it is a container, everything in it, each with its path, outer ones first."""
    yield name, value
    if isinstance(value, _CONTAINERS):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(f"{name}.{key}", item)


def found_in(name: str, value: Any, kinds: tuple[type, ...]) -> Iterator[tuple[str, Any]]:
    """Yield each object of these kinds in a value and its containers, with its path."""
    return ((path, item) for path, item in _places(name, value) if isinstance(item, kinds))


def _is_at_or_below(path: str, name: str) -> bool:
    return f"{path}.".startswith(f"{name}.")
