"""Optimizers: each updates parameters from their gradients, in place.

The formulas are those in PyTorch's documentation of the optimizers with the same names.

Examples
--------
>>> p = Tensor(2.0, requires_grad=True)
>>> optimizer = SGD([p], lr=0.25)
>>> (p * p).backward()
>>> optimizer.step()
>>> p.item()
1.0
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np

from .errors import DeviceError
from .nn.state_dict import fitted
from .support.devices import device_of, to_device
from .support.names import answer_for_missing
from .support.observer import UPDATE, Step, observers
from .tensor import Tensor

# The defaults of Adam and AdamW, as Adam's authors propose.
LR, BETAS, EPS = 1e-3, (0.9, 0.999), 1e-8


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
    """

    lr: float

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                f"an optimizer takes a list of parameters, such as model.parameters(), not {type(params).__name__}"
            )
        self.params = list(params)
        for i, p in enumerate(self.params):
            if not isinstance(p, Tensor) or not p.requires_grad:
                hint = ""
                if isinstance(params, Mapping) or isinstance(p, Mapping):
                    hint = ": pass a list; groups of parameters have an optimizer each, with options of their own"
                elif isinstance(p, tuple):
                    hint = ": pass model.parameters(), which are without their names"
                raise TypeError(f"parameter {i}, a {type(p).__name__}, is no Tensor that requires a gradient{hint}")
            if p.operation is not None:
                raise TypeError(
                    f"parameter {i} is a result of {p.operation.rule.name}, and gradients go to what it was computed "
                    "from: pass that"
                )
        if len(set(self.params)) < len(self.params):
            raise ValueError("a parameter is in the list twice, so each step would change it twice")
        if not self.params:
            hint = ": those of a frozen net are trained again after net.freeze(False)"
            if isinstance(params, Iterator):
                hint = ": if it was gone through before, it is used up, so make a list of it first"
            raise ValueError(f"an optimizer needs at least one parameter, but there is none{hint}")
        self.lr = lr
        # The values by name, and then by the number of the parameter.
        self.state: dict[str, dict[int, Any]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _checked(name, value))

    def zero_grad(self) -> None:
        """Reset all gradients, because `backward` adds to those that are there."""
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient, in place; warn if none has one."""
        gradients = [(i, p, g) for i, p in enumerate(self.params) if (g := p.grad) is not None]
        if not gradients:
            warnings.warn("no parameter has a gradient, so step() changes none: call loss.backward()", stacklevel=2)
        update = self._observed_update if observers.open else self._update
        for i, p, g in gradients:
            try:
                update(i, p, g.data)
            except TypeError:
                self._check_devices(i, p, g)
                raise

    def _zeros(self) -> dict[int, Any]:
        """Return zeros for every parameter: made before the first step, they make it the same as all others."""
        return {i: np.zeros_like(p.data) for i, p in enumerate(self.params)}

    def _kept(self, name: str, i: int, p: Tensor) -> Any:
        """Return a parameter's state; make new zeros if it moved or changed its type before its first step."""
        kept, data = self.state[name].get(i), p._data
        if kept is None or ((type(kept), kept.dtype) != (type(data), data.dtype) and not kept.any()):
            kept = self.state[name][i] = np.zeros_like(data)
        return kept

    def _check_devices(self, i: int, p: Tensor, g: Tensor) -> None:
        remembered = {name: values[i] for name, values in self.state.items() if i in values and name != "steps"}
        for name, x in {"gradient": g, **remembered}.items():
            if device_of(x) != p.device:
                raise DeviceError(
                    f"parameter {i} is on {p.device!r}, but its {name} on {device_of(x)!r}: make the optimizer, and "
                    "compute the gradient, after the parameters are moved"
                )

    def _observed_update(self, i: int, p: Tensor, g: Any) -> None:
        with Step(UPDATE, p):
            self._update(i, p, g)

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _update(i, p, g), which changes p.data in place")

    def state_dict(self) -> dict[str, Any]:
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


class SGD(Optimizer):
    """Stochastic gradient descent: ``p -= lr * g``, with optional momentum and weight decay.

    Parameters
    ----------
    params, lr
        As for `Optimizer`.
    momentum : float
        The factor of the last step's direction in the next one.
    weight_decay : float
        The factor of an L2 penalty.
    nesterov : bool
        True for Nesterov's variant, which looks ahead along the momentum.

    Raises
    ------
    ValueError
        If momentum or weight decay is negative, or ``nesterov`` is set without momentum.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        if nesterov and not momentum:
            raise ValueError("nesterov looks ahead along the momentum: set momentum above 0")
        self.state["momentum"] = self._zeros() if momentum else {}

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        if self.momentum:
            direction = self._kept("momentum", i, p)
            direction *= self.momentum
            direction += g
            g = g + self.momentum * direction if self.nesterov else direction
        p.data -= self.lr * g


class Adam(Optimizer):
    """Adam: steps of about ``lr`` in each coordinate, whatever the scale of the gradient.

    Source: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.

    Parameters
    ----------
    params, lr
        As for `Optimizer`.
    betas : (float, float)
        The decay rates of the running means of the gradient and of its square.
    eps : float
        A small number in the denominator, against a division by zero.
    weight_decay : float
        The factor of an L2 penalty.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = LR,
        betas: tuple[float, float] = BETAS,
        eps: float = EPS,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, lr)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        steps = dict.fromkeys(range(len(self.params)), 0)
        self.state |= {"steps": steps, "mean": self._zeros(), "square": self._zeros()}

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p.data
        self._adapt(i, p, g)

    def _adapt(self, i: int, p: Tensor, g: Any) -> None:
        keep_mean, keep_square = self.betas
        steps = self.state["steps"][i] = self.state["steps"].get(i, 0) + 1
        mean, square = self._kept("mean", i, p), self._kept("square", i, p)
        mean *= keep_mean
        mean += (1 - keep_mean) * g
        square *= keep_square
        square += (1 - keep_square) * g * g
        # Both means start at 0 and are too small at first: the division corrects this bias.
        unbiased_mean = mean / (1 - keep_mean**steps)
        unbiased_square = square / (1 - keep_square**steps)
        p.data -= self.lr * unbiased_mean / (np.sqrt(unbiased_square) + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay, which shrinks the parameters directly instead of adding to the gradient.

    Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    Parameters as for `Adam`, with a weight decay of 0.01 by default.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = LR,
        betas: tuple[float, float] = BETAS,
        eps: float = EPS,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def _update(self, i: int, p: Tensor, g: Any) -> None:
        p.data *= 1 - self.lr * self.weight_decay
        self._adapt(i, p, g)


# The options that are numbers of at least 0, and their names in messages.
NUMBERS = {"lr": "the learning rate", "momentum": "momentum", "weight_decay": "weight_decay", "eps": "eps"}


def _checked(name: str, value: Any) -> Any:
    """Return the value of an attribute; check it if the attribute is an option.

    Options become Python numbers, which keep a float32 parameter float32: a NumPy float64 would widen it.
    """
    if name == "betas":
        if np.shape(value) != (2,) or not all(isinstance(beta, Real) and 0 <= float(beta) < 1 for beta in value):
            raise ValueError(f"betas must be at least 0 and below 1, not {value}: two numbers such as (0.9, 0.999)")
        return float(value[0]), float(value[1])
    # A tracer that stands for a number while jit records has no value yet, and claims another `__class__`.
    if name not in NUMBERS or type(value) is not value.__class__:
        return value
    if isinstance(value, np.ndarray) and not value.shape:
        value = value.item()  # a state holds numbers as arrays without axes
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        hint = ""
        if isinstance(value, str):
            hint = ": leave out the quotes"
        elif isinstance(value, Tensor):
            hint = ": pass its .item()"
        elif number == math.inf:
            hint = ": a float holds up to about 1.8e308"
        raise ValueError(f"{NUMBERS[name]} must be a number of at least 0, not {value!r:.60}{hint}")
    return number


answer_for_missing(__name__)
