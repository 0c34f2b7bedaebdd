"""The function under check, as a function from one vector to one vector.

Numeric differentiation needs no more than that. A `Subject` therefore concatenates all inputs into one vector, and all
results into another. It can be called with real or complex numbers, and `pull_back` applies the derivative to check.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import PrecisionWarning, raw
from ..engine import recording
from ..errors import ShapeError
from ..paths import sweep_to
from ..tensor import Tensor, constant
from .numeric import Array

COTANGENT = 1.5  # not 1, so that a derivative that forgets to multiply by its cotangent fails
REPEATS = 4  # evaluations at the same point: with fewer, a small dropout mask could be the same each time


@dataclass(frozen=True)
class Part:
    """The part of a vector that holds one array: an input, a parameter or a result."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def stop(self) -> int:
        return self.start + int(np.prod(self.shape, dtype=int))

    def of(self, vector: Array) -> Array:
        """Return the array, as a view of the vector."""
        return vector[self.start : self.stop].reshape(self.shape)

    def index(self, position: int) -> tuple[int, ...]:
        """Return the index in the array that belongs to a position in the vector."""
        return tuple(map(int, np.unravel_index(position - self.start, self.shape)))


def parts(names: Iterable[str], arrays: Iterable[Any]) -> tuple[Part, ...]:
    """Return the part of each array or Tensor in the vector that concatenates them."""
    found: list[Part] = []
    for name, array in zip(names, arrays, strict=True):
        found.append(Part(name, np.shape(array), found[-1].stop if found else 0))
    return tuple(found)


def part_at(position: int, among: Sequence[Part]) -> int:
    """Return the number of the part that holds a position of the vector."""
    return next(number for number, part in enumerate(among) if part.start <= position < part.stop)


def strung(arrays: Iterable[Any]) -> Array:
    """Concatenate arrays, flattened, into one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def weighted_sum(weights: Array, values: Array) -> Array:
    """Return the product of weights with values; values with the weight 0 are left out, even if they are NaN."""
    used = np.flatnonzero(weights)
    return weights[used] @ values[used]


class Subject(ABC):
    """A function under check.

    Attributes
    ----------
    arguments, results : tuple of Part
        The parts of the vector of all arguments and of the vector of all results.
    point : ndarray of float64
        The arguments at which the function is checked.
    value : ndarray of float64
        The results at that point.
    """

    arguments: tuple[Part, ...]
    results: tuple[Part, ...]
    point: Array
    value: Array

    @abstractmethod
    def outputs(self, arrays: Sequence[Array]) -> Sequence[Any]:
        """Return the results at real or complex arguments, one array or Tensor for each."""

    @abstractmethod
    def pull_back(self, u: Array) -> Array:
        """Return u times the Jacobian at `point`, by the derivative under check."""

    def __call__(self, x: Array) -> Array:
        """Return the vector of all results at a real or complex point."""
        return strung(map(raw, self.outputs([part.of(x) for part in self.arguments])))

    def reaches(self, argument: Part) -> bool:
        """Return False if the graph has no path from an argument to the results, so that its gradient is 0."""
        return True

    def evaluate(self, f: Callable[..., Any], names: Sequence[str], arrays: Sequence[Array], expected: type) -> None:
        """Evaluate the function at the point; refuse one that has no derivative there, or returns another type."""
        self.arguments, self.point = parts(names, arrays), strung(arrays)
        given = [x.copy() for x in arrays]
        outputs = self.outputs(given)
        for part, old, new in zip(self.arguments, arrays, given, strict=True):
            if not np.array_equal(old, new):
                raise _changed(f, part.name)
        if not outputs:
            raise TypeError(f"{_name(f)} must return a Tensor, or several, but it returned none")
        for y in outputs:
            _refuse_type(f, y, expected)
        self.results = parts(["y"] if len(outputs) == 1 else [f"y{i}" for i in range(len(outputs))], outputs)
        self.value = strung(map(raw, outputs))
        _refuse_value(f, self)


class PlainFunction(Subject):
    """A function of arrays, with a gradient worked out by hand."""

    def __init__(self, f: Callable[..., Any], gradient: Callable[..., Any], inputs: Sequence[Array]) -> None:
        self._f = f
        self.evaluate(f, input_names(inputs), inputs, object)
        self._jacobian = self._checked(gradient(*(x.copy() for x in inputs)), gradient)

    def outputs(self, arrays: Sequence[Array]) -> Sequence[Any]:
        return [raw(self._f(*arrays))]

    def pull_back(self, u: Array) -> Array:
        return weighted_sum(u, self._jacobian)

    def _checked(self, given: Any, gradient: Callable[..., Any]) -> Array:
        """Return the Jacobian as one matrix, after a check of the shapes and types that the gradient returned."""
        if given is None:
            raise TypeError(f"{_name(gradient)} returned None: does it end with return?")
        count = len(self.arguments)
        has_one_more = isinstance(given, tuple) and len(given) == count + 1
        if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], (tuple, list)):
            has_one_more = has_one_more or not isinstance(given[0], (tuple, list))
        if has_one_more and np.shape(raw(given[0])) == self.results[0].shape:
            raise TypeError(
                f"{_name(gradient)} seems to return the value of {_name(self._f)} too: return the gradient alone"
            )
        several = isinstance(given, (tuple, list) if count > 1 else tuple) and (count > 1 or len(given) == 1)
        blocks = [np.asarray(raw(block)) for block in (given if several else [given])]
        if len(blocks) != count:
            raise ValueError(
                f"{_name(gradient)} must return one array for each of the {count} inputs, as a tuple, "
                f"but it returned {len(blocks)}"
            )
        y = self.results[0]
        for part, block in zip(self.arguments, blocks, strict=True):
            expected = y.shape + part.shape
            if block.shape != expected:
                hint = ""
                if block.shape in (part.shape + y.shape, expected[::-1]):
                    hint = ": is it transposed?"
                elif block.shape == part.shape == y.shape:
                    diagonal = "that is np.diag of it, or " if block.ndim == 1 else ""
                    hint = f": for a function of each element by itself, {diagonal}let the function return the sum"
                raise ShapeError(
                    f"the derivative of y, of shape {y.shape}, by {part.name}, of shape {part.shape}, has shape "
                    f"{expected}, but {_name(gradient)} returned {block.shape}{hint}"
                )
            if block.dtype.kind not in "iuf":
                raise TypeError(f"{_name(gradient)} must return real numbers, not {block.dtype}")
        rows = [
            block.reshape(self.value.size, p.stop - p.start) for p, block in zip(self.arguments, blocks, strict=True)
        ]
        return np.concatenate(rows, axis=1, dtype=np.float64)


@dataclass(frozen=True)
class Linearization:
    """One recorded evaluation: its outputs, and the Tensors they are differentiated by."""

    outputs: Sequence[Tensor]
    sources: Sequence[Tensor]

    def gradient(self, u: Array, record: bool = True) -> Linearization:
        """Return u times the Jacobian: for second derivatives as a graph, else as its value alone."""
        seeds: list[Any] = [COTANGENT * part.of(u) for part in parts([""] * len(self.outputs), self.outputs)]
        with recording(record):
            seeds = [constant(seed) for seed in seeds] if record else seeds
            found = sweep_to(self.outputs, seeds, self.sources, as_nodes=record)
            rows = [found[x] / COTANGENT if x in found else constant(np.zeros(x.shape)) for x in self.sources]
        return Linearization(rows, self.sources)


class Recorded(Subject):
    """A function of Tensors, recorded at the point as a graph, which gives its derivatives."""

    graph: Linearization

    def pull_back(self, u: Array) -> Array:
        return strung(map(raw, self.graph.gradient(u, record=False).outputs))

    def reaches(self, argument: Part) -> bool:
        outputs, source = self.graph.outputs, self.graph.sources[self.arguments.index(argument)]
        return source in sweep_to(outputs, [np.ones(y.shape) for y in outputs], [source])


class TensorFunction(Recorded):
    """A function of Tensors, whose derivatives come from the rules.

    Its arguments are its inputs and the parameters that it reads from outside. The parameters must be `borrowed` while
    the subject is in use.
    """

    def __init__(
        self, f: Callable[..., Any], inputs: Sequence[Array], parameters: Mapping[str, Tensor] | None = None
    ) -> None:
        parameters = parameters or {}
        self._f = f
        self._parameters = tuple(parameters.values())
        self._count = len(inputs)
        arrays = [*inputs, *(p.data for p in self._parameters)]
        self._base = arrays[self._count :]
        self.evaluate(f, [*input_names(inputs), *parameters], arrays, Tensor)
        # The given arrays, not contiguous copies of them: so rules are also checked on arrays that are not contiguous.
        self.graph = self.linearized(arrays)

    def outputs(self, arrays: Sequence[Array]) -> Sequence[Any]:
        return self.linearized(arrays, record=False).outputs

    def linearized(self, arrays: Sequence[Array], record: bool = True) -> Linearization:
        """Call the function: the first arrays are its inputs, the others stand in its parameters during the call."""
        inputs, held = [constant(array) for array in arrays[: self._count]], arrays[self._count :]
        for x in inputs:
            x._requires_grad = record
        _hold(self._parameters, held)
        try:
            with recording(record):
                y = self._f(*inputs)
            for part, p, array in zip(self.arguments[self._count :], self._parameters, held, strict=True):
                if p.data is not array:
                    raise _changed(self._f, part.name)
        finally:
            _hold(self._parameters, self._base)
        return Linearization(list(y) if isinstance(y, (tuple, list)) else [y], [*inputs, *self._parameters])


class Gradient(Recorded):
    """The gradient of a weighted sum of a function's results; its derivatives are the second derivatives.

    The weights all differ, so that second derivatives of different results do not cancel.
    """

    def __init__(self, function: TensorFunction) -> None:
        self._function = function
        self._weights = np.linspace(1.0, 2.0, function.value.size)
        self.arguments = self.results = function.arguments
        self.point = function.point
        self.graph = function.graph.gradient(self._weights)
        self.value = strung(map(raw, self.graph.outputs))

    def outputs(self, arrays: Sequence[Array]) -> Sequence[Any]:
        return self._function.linearized(arrays).gradient(self._weights, record=False).outputs


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of NumPy where a step leaves the function's domain, and those about float32 constants."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", PrecisionWarning)
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        yield


@contextmanager
def borrowed(parameters: Iterable[Tensor]) -> Iterator[None]:
    """Make Tensors hold float64 and require gradients; afterwards restore the same array, flag and gradient."""
    kept = [(p, p.data, p._requires_grad, p.grad) for p in parameters]
    try:
        for p, array, _, _ in kept:
            p._data, p._requires_grad = np.array(array, dtype=np.float64), True
        yield
    finally:
        for p, array, requires_grad, gradient in kept:
            p._data, p._requires_grad, p.grad = array, requires_grad, gradient


def input_names(inputs: Sequence[Any]) -> list[str]:
    """Return the names that inputs have in a report."""
    return [f"input {k}" for k in range(len(inputs))]


def _hold(parameters: Sequence[Tensor], arrays: Sequence[Array]) -> None:
    # Assign the private attribute: the property `data` would copy.
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter._data = array


def _refuse_type(f: Callable[..., Any], y: Any, expected: type) -> None:
    if y is None:
        raise TypeError(f"{_name(f)} returned None: does it end with return?")
    if not isinstance(y, expected):
        raise TypeError(
            f"{_name(f)} must return a Tensor, or several, but it returned {type(y).__name__}: a value taken by "
            ".numpy() or .item(), or by Python's math, has no history; pass a gradient derived by hand as gradient="
        )
    dtype = np.asarray(raw(y)).dtype
    if dtype.kind != "f":
        raise TypeError(f"{_name(f)} returned {dtype}, but only real floating numbers can be differentiated")
    if dtype != np.float64:
        raise TypeError(
            f"{_name(f)} returned {dtype} for inputs of float64, so it computes in {dtype} inside, where differences "
            "leave few digits: use constants of float64"
            + (", and pass Tensors it reads as parameters=" if expected is Tensor else "")
        )


def _changed(f: Callable[..., Any], name: str) -> ValueError:
    return ValueError(f"{_name(f)} changes {name} in place, so its value depends on the call: change a .copy()")


def _refuse_value(f: Callable[..., Any], subject: Subject) -> None:
    """Refuse a function whose value is not finite, or differs between calls at the same point."""
    value, results = subject.value, subject.results
    for position in map(int, np.flatnonzero(~np.isfinite(value))):
        part = results[part_at(position, results)]
        raise ValueError(
            f"{_name(f)} has {place(part.name, part.index(position))} = {value[position]} at the point of the check: "
            "choose a point inside its domain"
        )
    for _ in range(REPEATS):
        again = subject(subject.point)
        if value.shape != again.shape or not np.allclose(value, again, rtol=1e-10, atol=1e-14):
            raise ValueError(
                f"{_name(f)} returned different values at the same point: seed its random numbers inside it"
                + (
                    ", and switch a net with dropout or running means to net.eval()"
                    if isinstance(subject, TensorFunction)
                    else ""
                )
            )


def place(name: str, index: tuple[int, ...]) -> str:
    """Return an element as Python code: ``y[0, 2]``, or ``y`` if the index is empty."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)
