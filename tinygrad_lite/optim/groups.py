"""Groups of parameters with options of their own, such as another learning rate or no weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from .checks import checked_parameters
from .optimizer import Optimizer


class Groups(Optimizer):
    """Several optimizers that step together, one for each group of parameters.

    Parameters
    ----------
    groups : iterable of Optimizer
        The optimizers, of different parameters. Each keeps its options as attributes, so there is no dictionary of
        options as in PyTorch.

    Attributes
    ----------
    groups : list of Optimizer
        Each has its own options, which may be assigned.
    lr : float
        The learning rate of the first group. An assigned rate changes those of the other groups by the same factor, so
        that one schedule serves all.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> weight, bias = tg.Tensor([1.0], requires_grad=True), tg.Tensor([0.0], requires_grad=True)
    >>> optimizer = Groups([tg.optim.SGD([weight], lr=0.1, weight_decay=0.01), tg.optim.SGD([bias], lr=0.2)])
    >>> optimizer.lr = 0.05
    >>> [group.lr for group in optimizer.groups]
    [0.05, 0.1]
    """

    def __init__(self, groups: Iterable[Optimizer]) -> None:
        listed = list(groups) if isinstance(groups, Iterable) else []
        if not listed or not all(isinstance(group, Optimizer) for group in listed):
            raise TypeError("Groups takes optimizers, one for each group: Groups([SGD(a, lr=0.1), SGD(b, lr=0.01)])")
        self.groups = listed
        self.factors = [group.lr / self.groups[0].lr if self.groups[0].lr else 1.0 for group in listed]
        super().__init__(checked_parameters(p for group in listed for p in group.params), self.groups[0].lr)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "lr":
            for group, factor in zip(self.groups, self.factors, strict=True):
                group.lr = value * factor

    def step(self) -> None:
        """Update every parameter that has a gradient, by the options of its group."""
        for group in self.groups:
            if any(p.grad is not None for p in group.params):
                group.step()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return the state of each group, under its number: ``0.lr``, ``1.momentum.0``."""
        states = [group.state_dict() for group in self.groups]
        return {f"{k}.{name}": x for k, state in enumerate(states) for name, x in state.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state that `state_dict` returned."""
        for k, group in enumerate(self.groups):
            group.load_state_dict({name[len(f"{k}.") :]: x for name, x in state.items() if name.startswith(f"{k}.")})
        super().__setattr__("lr", self.groups[0].lr)
