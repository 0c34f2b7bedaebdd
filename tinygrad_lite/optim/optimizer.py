"""The base class of optimizers, which goes through the parameters; a subclass says how one of them is updated."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..nn.state_dict import fitted
from ..support.devices import to_device
from ..support.observer import UPDATE, Step, observers
from ..tensor import Tensor
from .checks import check_devices, checked_option, checked_parameters


class Optimizer:
    """The base class of optimizers: parameters, a learning rate, and a state that can be saved.

    Parameters
    ----------
    params : iterable of Tensor
        The parameters to update, such as ``model.parameters()``.
    lr : float
        The learning rate.

    Attributes
    ----------
    lr : float
        The learning rate. This and the other options may be assigned between steps.
    state : dict
        Values that the next step needs besides parameters, gradients and options, such as running means.

    Raises
    ------
    TypeError
        If ``params`` are not Tensors that require gradients.
    ValueError
        If there are no parameters, or the learning rate is not a number of at least 0. The same check holds when the
        rate is assigned or loaded.

    Examples
    --------
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.SGD([w], lr=0.25, momentum=0.9)
    >>> optimizer.zero_grad()
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> saved = optimizer.state_dict()
    >>> saved
    {'lr': array(0.25), 'momentum.0': array([2., 4.], dtype=float32)}
    >>> optimizer.load_state_dict(saved)
    >>> class SignDescent(tg.optim.Optimizer):  # one of your own says how one parameter is updated
    ...     def _update(self, i, p, g):
    ...         p.data -= self.lr * np.sign(g)
    >>> SignDescent([w], lr=0.5).step()
    >>> w.tolist()
    [0.0, 0.5]
    """

    lr: float

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = checked_parameters(params)
        self.lr = lr
        # The values by name, and then by the number of the parameter.
        self.state: dict[str, dict[int, Any]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, checked_option(name, value))

    def zero_grad(self) -> None:
        """Reset all gradients, because `backward` adds to those that are there."""
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient, in place; warn if none has one."""
        update = self._observed_update if observers.open else self._update
        found = None
        for i, p in enumerate(self.params):
            if (g := p.grad) is not None:
                found = g
                try:
                    update(i, p, g.data)
                except TypeError:
                    check_devices(i, p, g, self.state)
                    raise
        if found is None:
            warnings.warn("no parameter has a gradient, so step() changes none: call loss.backward()", stacklevel=2)

    def _zeros(self) -> dict[int, Any]:
        """Return zeros for every parameter: made before the first step, they make it the same as all others."""
        return {i: np.zeros_like(p.data) for i, p in enumerate(self.params)}

    def _state_of(self, name: str, i: int, p: Tensor) -> Any:
        """Return a parameter's state; make new zeros if it moved or changed its type before its first step."""
        state, data = self.state[name].get(i), p._data
        if state is None or ((type(state), state.dtype) != (type(data), data.dtype) and not state.any()):
            state = self.state[name][i] = np.zeros_like(data)
        return state

    def _observed_update(self, i: int, p: Tensor, g: Any) -> None:
        with Step(UPDATE, p):
            self._update(i, p, g)

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _update(i, p, g), which changes p.data in place")

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return a copy, on the CPU, of all that may change from step to step.

        It has the learning rate, ``lr``, and the state of each parameter under its number, such as ``momentum.0``.
        """
        state = {f"{name}.{i}": to_device(x, "cpu") for name, values in self.state.items() for i, x in values.items()}
        return {name: np.array(x) for name, x in {"lr": self.lr, **state}.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state that `state_dict` returned. If it lacks ``lr``, the learning rate stays.

        Raises
        ------
        ValueError
            If a value is missing, unexpected, not of its parameter's shape, or no real number. The message lists all
            problems, and the optimizer stays unchanged.
        """
        # A parameter has either all of its values or, before its first step, none.
        numbers = [i for i in range(len(self.params)) if any(f"{name}.{i}" in state for name in self.state)]
        places = {
            f"{name}.{i}": np.zeros((), int) if name == "steps" else self.params[i].data
            for name in self.state
            for i in numbers
        }
        if "lr" in state:
            places["lr"] = np.zeros(())
        loaded = fitted(state, places, self)
        self.lr = float(loaded.get("lr", self.lr))
        self.state = {name: {i: loaded[f"{name}.{i}"] for i in numbers} for name in self.state}
        if "steps" in self.state:
            self.state["steps"] = {i: int(steps) for i, steps in self.state["steps"].items()}
