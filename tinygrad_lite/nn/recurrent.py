"""Recurrent layers: they read a sequence step by step, and remember what they have read in a state.

A cell computes the next state from an input and the state before. Gates, numbers between 0 and 1, decide how much of
the old state stays. A layer runs its cell over a whole sequence.

Examples
--------
>>> import numpy as np
>>> import tinygrad_lite as tg
>>> states, last = tg.nn.GRU(3, 5, rng=0)(np.zeros((2, 7, 3), dtype=np.float32))
>>> states.shape, last.shape
((2, 7, 5), (2, 5))
"""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar

import numpy as np

from ..arrays import ArrayLike
from ..errors import ShapeError
from ..rules import neural
from ..scan import scan
from ..support.randomness import Rng, generator_for
from ..tensor import Tensor
from . import init
from .functional.activations import linear
from .functional.checks import expect_flags, expect_sizes, operand
from .module import Module

State = TypeVar("State")


class _Cell(Module):
    """What the cells share: one product of the input and one of the state, for all gates at once."""

    gates: int
    start: Any
    parts = 1  # the number of arrays that are the state

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, rng: Rng = None) -> None:
        expect_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        expect_flags(type(self).__name__, bias=bias)
        self.hidden_size = hidden_size
        rng, limit, units = generator_for(rng), 1 / math.sqrt(hidden_size), self.gates * hidden_size

        def drawn(name: str, *shape: int) -> Tensor:
            values = rng.uniform(-limit, limit, shape).astype(init.zeros(()).dtype)
            return Tensor(values, requires_grad=True, name=name)

        self.weight_input = drawn("weight_input", input_size, units)
        self.weight_hidden = drawn("weight_hidden", hidden_size, units)
        self.bias_input = drawn("bias_input", units) if bias else None
        self.bias_hidden = drawn("bias_hidden", units) if bias else None

    def of_inputs(self, x: Any) -> Any:
        """Return the part of all gates that depends on the inputs alone, of one step or of all steps at once."""
        x = operand(type(self).__name__, x)
        if x.shape[-1:] != self.weight_input.shape[:1]:
            raise ShapeError(
                f"inputs of shape {x.shape} have {x.shape[-1] if x.shape else 'no'} features, but this layer is for "
                f"{self.weight_input.shape[0]}"
            )
        return linear(x, self.weight_input, self.bias_input)

    def state_before(self, gates: Any, state: Any) -> Any:
        """Return the state before a step: zeros, or the one that is given, after the check of its shape."""
        if state is None:
            return self.start(gates)
        name, shape = type(self).__name__, (*gates.shape[:-1], self.hidden_size)
        given = state if self.parts > 1 else [state]
        arrays = [operand(name, array) for array in given] if isinstance(given, (tuple, list)) else []
        if [array.shape for array in arrays] != [shape] * self.parts:
            what = "a pair (h, c) of arrays, each" if self.parts > 1 else "one array"
            raise ShapeError(f"{name}: the state before these inputs must be {what} of shape {shape}")
        return tuple(arrays) if self.parts > 1 else arrays[0]

    def _split(self, gates: Any) -> list[Any]:
        n = self.hidden_size
        return [gates[..., k * n : (k + 1) * n] for k in range(self.gates)]

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"{type(self).__name__}({self.weight_input.shape[0]}, {self.hidden_size})"


class GRUCell(_Cell):
    """A step of a gated recurrent unit.

    With the input x and the state h: r = σ(xWᵣ + hUᵣ), z = σ(xW_z + hU_z), n = tanh(xWₙ + r ⊙ (hUₙ)), and the next
    state is (1 - z) ⊙ n + z ⊙ h; each product has a bias. Source: K. Cho and others, "Learning phrase representations
    using RNN encoder-decoder", 2014, with r applied after the product, as in PyTorch.

    Parameters
    ----------
    input_size, hidden_size : int
        The number of features of an input, and of the state.
    bias : bool
        Whether there are two biases, one for each product.
    rng : numpy.random.Generator or int, optional
        Draws all weights uniformly from ±1/√hidden_size, as in PyTorch.

    Attributes
    ----------
    weight_input : Tensor of shape (input_size, 3 · hidden_size)
    weight_hidden : Tensor of shape (hidden_size, 3 · hidden_size)
    bias_input, bias_hidden : Tensor of shape (3 · hidden_size,), or None

    Examples
    --------
    >>> cell = tg.nn.GRUCell(input_size=3, hidden_size=5, rng=0)
    >>> h = cell(np.zeros((2, 3)))  # the state starts at 0
    >>> h = cell(np.ones((2, 3)), h)
    >>> h.shape
    (2, 5)
    """

    gates = 3

    def forward(self, x: ArrayLike, h: ArrayLike = None) -> Tensor:
        """Return the next state, of shape (N, hidden_size), for inputs of shape (N, input_size); at first h is 0."""
        of_inputs = self.of_inputs(x)
        return self.step(of_inputs, self.state_before(of_inputs, h))

    def step(self, of_inputs: Any, h: Any) -> Any:
        """Return the next state from what `of_inputs` returned."""
        reset, update, new = self._split(of_inputs)
        reset_h, update_h, new_h = self._split(linear(h, self.weight_hidden, self.bias_hidden))
        r, z = neural.sigmoid(reset + reset_h), neural.sigmoid(update + update_h)
        n = np.tanh(new + r * new_h)
        return n + z * (h - n)

    def start(self, like: Any) -> Any:
        """Return the state before a sequence: zeros."""
        return _zeros_beside(like, self.hidden_size)


class LSTMCell(_Cell):
    """A step of a long short-term memory, whose state is a pair (h, c).

    With gates i, f, o = σ(…) and g = tanh(…), each of x and h: c ← f ⊙ c + i ⊙ g, h ← o ⊙ tanh(c). Source: F. Gers and
    others, "Learning to forget: continual prediction with LSTM", 2000. Arguments and attributes are those of `GRUCell`,
    with 4 gates in place of 3.

    Examples
    --------
    >>> cell = tg.nn.LSTMCell(input_size=3, hidden_size=5, rng=0)
    >>> h, c = cell(np.zeros((2, 3)))  # the state starts at 0
    >>> h, c = cell(np.ones((2, 3)), (h, c))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """

    gates = 4
    parts = 2

    def forward(self, x: ArrayLike, state: tuple[ArrayLike, ArrayLike] | None = None) -> tuple[Tensor, Tensor]:
        """Return the next state, two arrays of shape (N, hidden_size), for inputs of shape (N, input_size)."""
        of_inputs = self.of_inputs(x)
        return self.step(of_inputs, self.state_before(of_inputs, state))

    def step(self, of_inputs: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        """Return the next state from what `of_inputs` returned."""
        h, c = state
        i, f, g, o = self._split(of_inputs + linear(h, self.weight_hidden, self.bias_hidden))
        c = neural.sigmoid(f) * c + neural.sigmoid(i) * np.tanh(g)
        return neural.sigmoid(o) * np.tanh(c), c

    def start(self, like: Any) -> tuple[Any, Any]:
        """Return the state before a sequence: zeros."""
        zeros = _zeros_beside(like, self.hidden_size)
        return zeros, zeros


def _zeros_beside(gates: Any, size: int) -> Any:
    return np.zeros_like(gates, shape=(*gates.shape[:-1], size))


class _Recurrent(Module, Generic[State]):
    """What the layers share that run a cell over sequences of shape (N, L, input_size)."""

    cell: Any

    def forward(self, x: ArrayLike, state: Any = None) -> tuple[Tensor, State]:
        """Run over sequences.

        Parameters
        ----------
        x : Tensor or array of shape (N, L, input_size)
        state : optional
            The state before the sequence; by default zeros. For an LSTM a pair (h, c).

        Returns
        -------
        states : Tensor of shape (N, L, hidden_size)
            The state h after each step.
        last : Tensor of shape (N, hidden_size), or a pair of them
            The whole state after the last step.
        """
        name = type(self).__name__
        x = operand(name, x)
        if len(x.shape) != 3 or x.shape[1] < 1:
            raise ShapeError(f"{name} needs sequences of shape (N, L, features) with at least one step, not {x.shape}")
        gates = self.cell.of_inputs(x)
        state = self.cell.state_before(gates[:, 0], state)

        def step(state: Any, of_inputs: Any) -> tuple[Any, Any]:
            state = self.cell.step(of_inputs, state)
            return state, state[0] if isinstance(state, tuple) else state

        last, states = scan(step, state, np.moveaxis(gates, 1, 0))
        return np.moveaxis(states, 0, 1), last

    def describe(self) -> str:
        """Return the layer in one line."""
        return self.cell.describe().replace("Cell", "")


class GRU(_Recurrent[Tensor]):
    """A gated recurrent unit that runs over sequences: `GRUCell`, step by step, with its arguments.

    The cell with the weights is the attribute ``cell``. The batch comes first, as in all layers here; PyTorch's do that
    with ``batch_first=True``.

    Examples
    --------
    >>> states, last = tg.nn.GRU(input_size=3, hidden_size=5, rng=0)(np.ones((2, 7, 3)))
    >>> states.shape, last.shape
    ((2, 7, 5), (2, 5))
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, rng: Rng = None) -> None:
        self.cell = GRUCell(input_size, hidden_size, bias, rng=rng)


class LSTM(_Recurrent[tuple[Tensor, Tensor]]):
    """A long short-term memory that runs over sequences: `LSTMCell`, step by step, with its arguments.

    The cell with the weights is the attribute ``cell``.

    Examples
    --------
    >>> states, (h, c) = tg.nn.LSTM(input_size=3, hidden_size=5, rng=0)(np.ones((2, 7, 3)))
    >>> states.shape, h.shape, c.shape
    ((2, 7, 5), (2, 5), (2, 5))
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, rng: Rng = None) -> None:
        self.cell = LSTMCell(input_size, hidden_size, bias, rng=rng)
