"""Module: the base class of models and layers, which finds its own parameters.

An optimizer, a checkpoint and a move to a GPU all need the list of a model's parameters. A module finds them in its
attributes, so that a user writes no list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from ..arrays import owned
from ..engine import Call, calls, no_grad
from ..errors import name_layer
from ..support.devices import to_device
from ..support.names import Absent, answer_for_absent_of_modules
from ..support.observer import MODULE, Step, observers, observing
from ..tensor import PARAMETER, Tensor
from .random_state import load_states, states_of
from .state_dict import by_path, load
from .summary import Costs, summary, summary_of_costs
from .tree import Tree

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class _Forward(Protocol[P, R]):
    """What has a `forward`: the call of a module takes its arguments, and returns its result."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R: ...


class Module(Tree):
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

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every module defines its own."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, …), which computes its output")

    def __call__(self: _Forward[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `forward`; an error about its input gets the name of the layer where it arose."""
        module: Any = self
        if module._state_paths:
            module._check_containers({path.partition(".")[0] for path in module._state_paths})
        outer = calls.set(Call(module, args, kwargs, calls.get()))
        try:
            y = module._observed_forward(args, kwargs) if observers.open else module.forward(*args, **kwargs)
            if y is None:
                raise TypeError(f"forward of {type(module).__name__} returned None: does it end with return?")
            return y
        except (TypeError, ValueError) as error:
            module._name_origin(error)
            raise
        except AttributeError as error:
            # Was a Tensor's attribute asked of a list, a plain or recorded array, or the memoryview in `array.data`?
            is_plain = isinstance(error.obj, (list, memoryview)) or hasattr(error.obj, "__array_function__")
            if not is_plain or isinstance(error.obj, Tensor) or not hasattr(Tensor, error.name or ""):
                raise
            raise AttributeError(
                f"forward of {type(module).__name__} asks an array or a list for {error.name!r}, which Tensors have: "
                "make one of it first, as in net(tg.Tensor(x))"
            ) from error
        finally:
            calls.reset(outer)

    def _name_origin(self, error: Exception) -> None:
        """Let an error name the layer where it arose, by the path to it from here."""
        origin = getattr(error, "origin", self)
        paths = [path for path, module in self.named_modules() if module is origin]
        if paths:
            name_layer(error, origin, f"layer {paths[-1]!r}, {origin.describe()}")
        elif origin is self:
            name_layer(error, self, self.describe())

    def _observed_forward(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with Step(MODULE, self):
            y = self.forward(*args, **kwargs)
        for observer in observers.get():
            observer.ran(self, y)
        return y

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield each module below this one with its path, outer ones first.

        Examples
        --------
        >>> net = tg.nn.Sequential({"block": tg.nn.Residual(tg.nn.Linear(2, 2)), "end": tg.nn.Softmax()})
        >>> [path for path, module in net.named_modules()]
        ['block', 'block.module', 'end']
        """
        return ((path, child) for path, child in self._below(prefix) if isinstance(child, Module))

    def freeze(self, mode: bool = True) -> Self:
        """Freeze every parameter, or unfreeze it; reset its gradient; return the module.

        A frozen parameter requires no gradient and is not in `parameters`. It stays in the state.

        Parameters
        ----------
        mode : bool
            True to freeze the parameters, False to train them again.

        Examples
        --------
        >>> net = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.Linear(3, 1))
        >>> _ = net[0].freeze()
        >>> [name for name, parameter in net.named_parameters()]
        ['1.weight', '1.bias']
        """
        for _, tensor in self._named_tensors():
            if tensor._role == PARAMETER:
                tensor.requires_grad = not mode
                tensor.grad = None
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let every parameter require a gradient, or freeze it; return the module. See `freeze`.

        Examples
        --------
        >>> len(tg.nn.Linear(2, 3).requires_grad_(False).parameters())
        0
        """
        return self.freeze(not requires_grad)

    def zero_grad(self) -> None:
        """Reset the gradient of every parameter.

        Examples
        --------
        >>> net = tg.nn.Linear(2, 1)
        >>> net(np.ones((1, 2))).sum().backward()
        >>> net.zero_grad()
        >>> net.weight.grad is None
        True
        """
        for parameter in self.parameters():
            parameter.grad = None

    def summary(self, *sample: Any, **kwargs: Any) -> str:
        """Return a table of the layers: output shapes, parameters, and multiplications with addition, for one call.

        Parameters
        ----------
        *sample, **kwargs
            The arguments of the call, such as a batch of one sample.

        Examples
        --------
        >>> import tinygrad_lite as tg
        >>> net = tg.nn.Sequential(tg.nn.Linear(784, 90), tg.nn.ReLU(), tg.nn.Linear(90, 10))
        >>> print(net.summary(np.zeros((1, 784), np.float32)))
        Sequential
        layer  type    output  parameters  multiply-adds
        -----  ------  ------  ----------  -------------
        0      Linear  1×90        70,650         70,560
        1      ReLU    1×90             0              0
        2      Linear  1×10           910            900
        total                      71,560         71,460
        """
        costs = Costs()
        with no_grad(), observing(costs):
            self(*sample, **kwargs)
        return summary_of_costs(self, list(self.named_modules()), costs)

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return a copy, on the CPU, of the array of every parameter and buffer, by path.

        Examples
        --------
        >>> {name: array.shape for name, array in tg.nn.Sequential(tg.nn.Linear(2, 3)).state_dict().items()}
        {'0.weight': (2, 3), '0.bias': (3,)}
        """
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

        Examples
        --------
        >>> net, twin = tg.nn.Linear(2, 3, rng=0), tg.nn.Linear(2, 3, rng=1)
        >>> twin.load_state_dict(net.state_dict())
        >>> bool((twin.weight == net.weight).all())
        True
        """
        load(self._named_tensors(), state, strict, self)

    def random_state(self) -> dict[str, dict[str, Any]]:
        """Return the state of every NumPy random generator by path, as numbers and lists that JSON can hold.

        A module finds generators where it finds Tensors. A shared one appears once, under its first path.

        Examples
        --------
        >>> drop = tg.nn.Dropout(0.5, rng=0)
        >>> state = drop.random_state()
        >>> first = drop(np.ones(8))
        >>> drop.load_random_state(state)  # to continue a run as if it had not been stopped
        >>> bool((drop(np.ones(8)) == first).all())
        True
        """
        return states_of(self._named_generators())

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

        Examples
        --------
        >>> drop, twin = tg.nn.Dropout(0.5, rng=0), tg.nn.Dropout(0.5, rng=1)
        >>> twin.load_random_state(drop.random_state())
        >>> bool((drop(np.ones(8)) == twin(np.ones(8))).all())
        True
        """
        load_states(self._named_generators(), state, self)

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all below it to training mode, in which layers such as `Dropout` act.

        Examples
        --------
        >>> net = tg.nn.Sequential(tg.nn.Dropout(0.5)).eval()
        >>> net.train()[0].training
        True
        """
        modules: list[Module] = [self, *(module for _, module in self.named_modules())]
        for module in modules:
            # Without an attribute of its own, a module has the mode of its class.
            vars(module).pop("training", None)
            if module.training is not mode:
                module.training = mode
        return self

    def eval(self) -> Self:
        """Switch this module and all below it to evaluation mode.

        Examples
        --------
        >>> tg.nn.Dropout(0.9).eval()(np.ones(3))
        array([1., 1., 1.])
        """
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

        Examples
        --------
        >>> tg.nn.Linear(2, 3).to("cpu").weight.device
        'cpu'
        """
        for _, tensor in self._named_tensors():
            if tensor.device != device:
                tensor.data = to_device(tensor.data, device)
                tensor.grad = None
        return self

    def describe(self) -> str:
        """Return the module in one line, such as ``Linear(784, 90)``.

        Examples
        --------
        >>> tg.nn.Linear(2, 3, bias=False).describe()
        'Linear(2, 3, bias=False)'
        """
        return f"{type(self).__name__}()"

    def __dir__(self) -> list[str]:
        return [
            name for name in super().__dir__() if not isinstance(vars(Module).get(name), Absent) or hasattr(self, name)
        ]

    def __repr__(self) -> str:
        modules = list(self.named_modules())
        return summary(self, modules) if modules else self.describe()


answer_for_absent_of_modules(Module)
