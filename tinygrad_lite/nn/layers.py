"""Layers: ready-made modules, from which a model is composed.

Examples
--------
>>> import numpy as np
>>> net = Sequential(Linear(4, 8, rng=0), ReLU(), Linear(8, 3, rng=1))
>>> net(np.ones((5, 4))).shape
(5, 3)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, overload

from ..arrays import ArrayLike, get_default_dtype
from ..errors import ShapeError
from ..support.devices import on_device_of
from ..support.names import answer_for_arguments
from ..support.randomness import Rng, generator_for
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.checks import BELOW_ONE, expect_flags, expect_number, expect_sizes, expect_whole, operand
from .module import Module
from .tree import Tree


class Sequential(Module):
    """A chain of modules and functions, each applied to the output of the one before.

    They are named ``0``, ``1``, …, or by the keys of a dictionary. Indexing, slicing and ``len`` work as for a list.

    Parameters
    ----------
    *layers : Module or callable
        The modules and functions, in the order in which they are applied; or one dictionary of them.

    Examples
    --------
    >>> import numpy as np
    >>> net = Sequential({"hidden": Linear(4, 8, rng=0), "bend": np.tanh, "output": Linear(8, 3, rng=1)})
    >>> [name for name, _ in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'output.weight', 'output.bias']
    """

    def __init__(self, *layers: Any) -> None:
        named = layers[0] if len(layers) == 1 and isinstance(layers[0], dict) else dict(enumerate(layers))
        for name, layer in named.items():
            if not callable(layer) or isinstance(layer, (type, Tensor)):
                hint = "unpack a list with *" if isinstance(layer, (list, tuple)) else "write tg.nn.ReLU(), say"
                raise TypeError(
                    f"Sequential takes modules and functions, but number {name} is of type {type(layer).__name__}: "
                    f"{hint}"
                )
        self.layers, self.names = tuple(named.values()), tuple(map(str, named))

    def _children(self) -> Iterator[tuple[str, Tree | Tensor]]:
        named = zip(self.names, self.layers, strict=True)
        return ((name, layer) for name, layer in named if isinstance(layer, Module))

    @overload
    def __getitem__(self, i: int) -> Any: ...

    @overload
    def __getitem__(self, i: slice) -> Sequential: ...

    def __getitem__(self, i: int | slice) -> Any:
        if isinstance(i, slice):
            return Sequential(dict(zip(self.names[i], self.layers[i], strict=True)))
        return self.layers[i]

    def __len__(self) -> int:
        return len(self.layers)

    def forward(self, x: ArrayLike) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Residual(Module):
    """A module whose input is added to its output, so that a deep net may leave its input as it is.

    Source: K. He and others, "Deep residual learning for image recognition", 2016.

    Parameters
    ----------
    module : Module or callable
        Its output must have the shape of its input.

    Examples
    --------
    >>> block = tg.nn.Residual(np.tanh)
    >>> block(np.array([0.0, 100.0]))  # x + tanh(x)
    array([  0., 101.])
    """

    def __init__(self, module: Any) -> None:
        if not callable(module):
            raise TypeError(f"Residual takes a module or a function, not {type(module).__name__}")
        self.module = module

    def forward(self, x: ArrayLike) -> Tensor:
        return x + self.module(x)


class Linear(Module):
    """A fully connected layer: ``x @ weight + bias``.

    It starts as X. Glorot and Y. Bengio propose, so that activations keep their scale from layer to layer. PyTorch's
    starts with smaller weights and a random bias; ``initialiser=init.fan_in_uniform`` draws such weights.

    Parameters
    ----------
    in_features, out_features : int
        The number of features of a sample in the input and in the output.
    bias : bool
        Whether a number is added to each feature of the output.
    rng : numpy.random.Generator or int, optional
        The generator that draws the weights, or a seed for one. The default is the library's generator:
        `tinygrad_lite.manual_seed` seeds it, and ``np.random.seed`` has no effect on it.
    initialiser : callable
        A function such as those of `tinygrad_lite.nn.init`: it takes a shape and ``rng``, and returns the weights.

    Attributes
    ----------
    weight : Tensor of shape (in_features, out_features)
        At first uniform in ±√(6 / (in_features + out_features)).
    bias : Tensor of shape (out_features,), or None
        At first zeros.

    Examples
    --------
    >>> layer = tg.nn.Linear(2, 3, rng=0)
    >>> layer(np.array([[1.0, 2.0]])).shape
    (1, 3)
    >>> layer.weight.shape, layer.bias.tolist()
    ((2, 3), [0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: Rng = None,
        initialiser: Callable[..., Any] = init.glorot_uniform,
    ) -> None:
        expect_sizes("Linear", in_features=in_features, out_features=out_features)
        expect_flags("Linear", bias=bias)
        self.weight = init.weights("Linear", initialiser, (in_features, out_features), rng)
        self.bias = Tensor(init.zeros((out_features,)), requires_grad=True, name="bias") if bias else None

    def forward(self, x: ArrayLike) -> Tensor:
        """Map inputs of shape ``(…, in_features)`` to ``(…, out_features)``."""
        try:
            return F.linear(x, self.weight, self.bias)
        except ShapeError as error:
            shape, features = operand("Linear", x).shape, self.weight.shape[0]
            if shape and math.prod(shape[1:]) == features:
                advice = f"nn.Flatten() before this layer makes {(shape[0], features)} of it"
            elif math.prod(shape) == features:
                advice = f".reshape(1, {features}) makes a batch of one sample of it"
            else:
                raise
            raise ShapeError(f"{error}: {advice}") from None

    def describe(self) -> str:
        """Return the layer in one line."""
        sizes = f"{self.weight.shape[0]}, {self.weight.shape[1]}"
        return f"Linear({sizes})" if self.bias is not None else f"Linear({sizes}, bias=False)"


class Identity(Module):
    """The unchanged input: the activation of an input layer.

    Examples
    --------
    >>> tg.nn.Identity()(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    def forward(self, x: ArrayLike) -> Tensor:
        return x


class ReLU(Module):
    """``max(x, 0)``.

    Examples
    --------
    >>> tg.nn.ReLU()(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """

    def forward(self, x: ArrayLike) -> Tensor:
        return F.relu(x)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> tg.nn.Sigmoid()(np.array([-100.0, 0.0, 100.0])).round(3)
    array([0. , 0.5, 1. ])
    """

    def forward(self, x: ArrayLike) -> Tensor:
        return F.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent.

    Examples
    --------
    >>> tg.nn.Tanh()(np.array([-100.0, 0.0, 100.0]))
    array([-1.,  0.,  1.])
    """

    def forward(self, x: ArrayLike) -> Tensor:
        return F.tanh(x)


class Softmax(Module):
    """``exp(x) / Σ exp(x)`` along an axis, by default the last.

    Examples
    --------
    >>> tg.nn.Softmax()(np.log([[1.0, 2.0, 1.0]]))
    array([[0.25, 0.5 , 0.25]])
    >>> tg.nn.Softmax(axis=0)(np.array([[5.0], [5.0]]))
    array([[0.5],
           [0.5]])
    """

    def __init__(self, axis: int = -1) -> None:
        expect_whole(type(self).__name__, "axis", axis)
        self.axis = axis

    def forward(self, x: ArrayLike) -> Tensor:
        return F.softmax(x, self.axis)


class LogSoftmax(Module):
    """The logarithm of `Softmax`.

    Examples
    --------
    >>> np.exp(tg.nn.LogSoftmax()(np.log([[1.0, 2.0, 1.0]])))
    array([[0.25, 0.5 , 0.25]])
    >>> tg.nn.LogSoftmax()(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """

    def __init__(self, axis: int = -1) -> None:
        expect_whole(type(self).__name__, "axis", axis)
        self.axis = axis

    def forward(self, x: ArrayLike) -> Tensor:
        return F.log_softmax(x, self.axis)


class Flatten(Module):
    """Each sample flattened to one axis: shape ``(n, …)`` becomes ``(n, features)``.

    Examples
    --------
    >>> tg.nn.Flatten()(np.zeros((10, 3, 28, 28))).shape
    (10, 2352)
    """

    def forward(self, x: ArrayLike) -> Tensor:
        x = operand("Flatten", x)
        if not x.shape:
            raise ShapeError("Flatten needs a batch, of shape (n, …), not a single number")
        return x.reshape((x.shape[0], math.prod(x.shape[1:])))


class Dropout(Module):
    """In training, set each element to 0 with probability ``p``, and multiply the others by ``1 / (1 - p)``.

    That factor keeps the expected value. In evaluation mode the input passes unchanged.

    Source: N. Srivastava and others, "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Parameters
    ----------
    p : float
        The probability that an element is set to 0, in [0, 1).
    rng : numpy.random.Generator or int, optional
        The generator that draws the elements to drop, or a seed for one. The default is the library's generator,
        which `tinygrad_lite.manual_seed` seeds.

    Examples
    --------
    >>> drop = tg.nn.Dropout(0.5, rng=0)
    >>> drop(np.ones(6))
    array([2., 0., 0., 0., 2., 2.])
    >>> drop.eval()(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        expect_number(type(self).__name__, "p", p, BELOW_ONE)
        self.p = p
        self.rng = generator_for(rng)

    def forward(self, x: ArrayLike) -> Tensor:
        x = operand(type(self).__name__, x)
        if not self.training or self.p == 0:
            return x
        # NumPy draws on the CPU. An immediate move lets a compiled program do everything else on the other device.
        kept = on_device_of(x, self.rng.random(self._drawn(x.shape))) >= self.p
        dtype = x.dtype if x.dtype.kind == "f" else get_default_dtype()
        return x * (kept / (1 - self.p)).astype(dtype)

    def _drawn(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the numbers that are drawn for an input."""
        return shape

    def describe(self) -> str:
        """Return the layer in one line."""
        return f"{type(self).__name__}({self.p})"


answer_for_arguments(Softmax, LogSoftmax)


class Dropout2d(Dropout):
    """`Dropout` of whole channels of images (N, C, H, W), whose neighbouring elements tell nearly the same.

    Examples
    --------
    >>> tg.nn.Dropout2d(0.5, rng=0)(np.ones((1, 3, 1, 2)))
    array([[[[2., 2.]],
    <BLANKLINE>
            [[0., 0.]],
    <BLANKLINE>
            [[0., 0.]]]])
    """

    def _drawn(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) < 3:
            raise ShapeError(f"Dropout2d needs images of shape (N, C, H, W), not {shape}")
        return (*shape[:2], *[1] * (len(shape) - 2))
