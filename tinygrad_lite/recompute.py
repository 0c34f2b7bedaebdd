"""Activation checkpointing: a function that keeps none of its intermediate results, and computes them again.

The backward pass needs the activations of a net, and keeping them takes most of the memory of a training. A function
that is checkpointed keeps its arguments alone: the backward pass evaluates it again. So a net of n layers in √n pieces
needs the memory of about 2√n layers, for the time of one more forward pass.

Source: T. Chen and others, "Training deep nets with sublinear memory cost", 2016.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .arrays import raw
from .changes import clock
from .engine import is_recording, recording
from .errors import GraphError
from .joint import joint
from .paths import older_than, sweep_to
from .support.call_stack import is_library
from .support.observer import AGAIN, Step
from .support.randomness import GENERATORS, generator, kept_state, set_state, state_of
from .tensor import Tensor
from .transforms import leaves, mapped, new_source

NUMPYS_GENERATOR = np.random.mtrand._rand  # the global one, which has no public name
P = ParamSpec("P")
R = TypeVar("R")
ALIKE = 1e-3  # the greatest difference of a second evaluation, relative to the largest element


def checkpoint_activations(f: Callable[P, R]) -> Callable[P, R]:
    """Return a function that computes what ``f`` computes, but keeps no activations for the backward pass.

    The backward pass evaluates ``f`` again, which takes time and saves memory. Gradients flow to the arguments and to
    the parameters that ``f`` reads. In a jitted function the program computes again, too.

    Parameters
    ----------
    f : callable
        A function or a module. It takes and returns Tensors, also in lists, tuples and dictionaries.

    Returns
    -------
    callable
        The function to call in place of ``f``.

    Raises
    ------
    GraphError
        In the call, if ``f`` changes a Tensor in place; a buffer may be assigned. In the backward pass, if the second
        evaluation gives other results, since a value that ``f`` reads was changed between the two.

    Notes
    -----
    Both evaluations draw the same random numbers, from the library's generator, NumPy's global one, and those that
    ``f`` reaches: in its arguments and its closure, in global variables and in modules. A buffer that ``f`` assigns,
    such as the running statistics of `BatchNorm1d`, changes only once. All else that ``f`` does happens twice.

    In a module, call it in ``forward``: ``tg.checkpoint_activations(self.block)(x)``. So a copy of the module computes
    with its own block.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> block = tg.nn.Sequential(tg.nn.Linear(4, 64, rng=0), tg.nn.Tanh(), tg.nn.Linear(64, 4, rng=0))
    >>> x = tg.Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    >>> y = tg.checkpoint_activations(block)(x)
    >>> y.sum().backward()
    >>> x.grad.shape, block[0].weight.grad.shape
    ((1, 4), (4, 64))
    """

    @wraps(f, updated=())
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        return Recomputed(f, args, kwargs).first() if is_recording() else f(*args, **kwargs)

    return checkpointed


class Recomputed:
    """One call of a function, which can be evaluated again in the state in which it was called.

    Attributes
    ----------
    generators : list of (generator, state)
        The random generators that the function reaches, with their states before the call.
    buffers : list of (Tensor, array, Memory)
        The Tensors that the function assigned, with what they held before the call.
    chosen : list of int
        Which of the results require a gradient.
    expected : list of array
        The values of these results.
    found : list of Tensor
        What the function reads besides its arguments, and is differentiated by.
    """

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.f, self.given = f, (args, kwargs)
        reached = {id(x): x for x in (generator, *_reached(f, args, kwargs))}.values()
        self.generators = [(x, kept_state(x)) for x in reached if isinstance(x, GENERATORS)]
        self.buffers = [(x, x._data, x.memory) for x in reached if isinstance(x, Tensor) and not x.requires_grad]

    def first(self) -> Any:
        """Evaluate the function for the first time; return its result, with one operation for its history."""
        start = clock.tick()
        result, sources = self.evaluate()
        for x, _, _ in self.buffers:
            if x.memory is not None and x.memory.changed > start:
                raise GraphError(
                    f"checkpoint_activations: the function changes a Tensor of shape {x.shape} in place, which its "
                    "second evaluation would repeat: assign a new value, as in self.mean = 0.9 * self.mean + …"
                )
        self.buffers = [(x, data, memory) for x, data, memory in self.buffers if x._data is not data]
        self.chosen = [k for k, y in enumerate(leaves(result)) if has_gradient(y)]
        if not self.chosen:
            return result
        outputs = [leaves(result)[k] for k in self.chosen]
        self.found = older_than(outputs, start, but={source for source, _ in sources})
        self.expected = [y._data for y in outputs]
        inputs = [*(x for _, x in sources), *self.found]
        made = iter(joint("checkpoint_activations", inputs, outputs, self.pull_back))
        return mapped(lambda y: next(made) if has_gradient(y) else y, result)

    def evaluate(self) -> tuple[Any, list[tuple[Tensor, Tensor]]]:
        """Evaluate the function; return its result, and the source for each argument that requires a gradient."""
        sources: list[tuple[Tensor, Tensor]] = []

        def lifted(x: Any) -> Any:
            if not has_gradient(x):
                return x
            sources.append((new_source(x), x))
            return sources[-1][0]

        args, kwargs = mapped(lifted, self.given)
        with recording(True):
            result = self.f(*args, **kwargs)
        return result, sources

    def pull_back(self, gs: Any, as_nodes: bool) -> list[Any]:
        """Return the cotangent of each input, by evaluating the function again."""
        pull = partial(self._pull_back, as_nodes=as_nodes)
        # The derivative is differentiated by evaluating it again, too.
        return checkpoint_activations(pull)(gs) if as_nodes else pull(gs)

    def _pull_back(self, gs: Any, as_nodes: bool) -> list[Any]:
        with self._as_before():
            result, sources = self.evaluate()
        outputs = [y for k, y in enumerate(leaves(result)) if k in self.chosen]
        if len(outputs) != len(self.expected) or not all(map(_alike, outputs, self.expected)):
            raise GraphError(
                "checkpoint_activations: the second evaluation of the function gave other results than the first. A "
                "value that it reads was changed since then, or it draws from a generator that it does not name: "
                "pass what differs as an argument"
            )
        reached = [(y, g) for y, g in zip(outputs, gs, strict=True) if g is not None]
        inputs = [*(source for source, _ in sources), *self.found]
        found = sweep_to([y for y, _ in reached], [g for _, g in reached], inputs, as_nodes=as_nodes)
        return [found.get(x) for x in inputs]

    @contextmanager
    def _as_before(self) -> Iterator[None]:
        """Put random generators and buffers into their state before the call, within a ``with`` block."""
        states = [(x, state_of(x)) for x, _ in self.generators]
        held = [(x, x._data, x.memory) for x, _, _ in self.buffers]
        try:
            _restore(self.generators, self.buffers)
            self.generators = [(x, kept_state(x)) for x, _ in self.generators]
            with Step(AGAIN, object()):
                yield
        finally:
            _restore(states, held)


def _restore(states: list[Any], held: list[Any]) -> None:
    for x, state in states:
        set_state(x, state)
    for x, data, memory in held:
        x._data, x.memory = data, memory


def has_gradient(x: Any) -> bool:
    """Return whether a value is a Tensor that requires a gradient."""
    return isinstance(x, Tensor) and x.requires_grad


def _alike(y: Any, expected: Any) -> bool:
    """Return whether a result is that of the first evaluation, but for rounding; a recording cannot compare values."""
    if np.shape(y) != expected.shape or hasattr(type(expected), "__traced__"):
        return np.shape(y) == expected.shape
    bound = ALIKE * float(np.abs(expected).max(initial=0))
    return bool(np.allclose(raw(y), expected, ALIKE, bound if np.isfinite(bound) else 0, equal_nan=True))


def _reached(*roots: Any) -> Iterator[Any]:
    """Yield the generators and Tensors in values: in containers, modules and objects, and those that functions name."""
    seen: set[int] = set()
    stack = [*roots]
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, (Tensor, *GENERATORS)):
            yield x
        elif isinstance(x, (list, tuple, set, dict)):
            stack += x.values() if isinstance(x, dict) else x
        elif isinstance(x, types.FunctionType) and not is_library(x.__module__):
            stack += _named_in(x)
        elif isinstance(x, (types.MethodType, partial)):
            stack += [x.__self__, x.__func__] if isinstance(x, types.MethodType) else [x.func, x.args, x.keywords]
        elif hasattr(x, "_named_tensors") or not is_library(type(x).__module__):  # a module, or a user's object
            stack += getattr(x, "__dict__", {}).values()


def _named_in(function: types.FunctionType) -> Iterator[Any]:
    """Yield what a function reads besides its arguments: closure, defaults, and the globals that its code names."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is not assigned yet
            continue
    yield from (function.__defaults__, function.__kwdefaults__)
    codes = [function.__code__]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        yield from (function.__globals__[name] for name in code.co_names if name in function.__globals__)
        if "random" in code.co_names:
            yield NUMPYS_GENERATOR
