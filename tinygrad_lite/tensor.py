"""A Tensor is an array that remembers how it was computed, so that it can be differentiated.

Its operators and methods only name rules: `apply` computes and records them all. Conversions that leave the graph
are in `conversions`, changes of a Tensor in place in `in_place`.

Examples
--------
>>> import tinygrad_lite as tg
>>> x = tg.Tensor(2.0, requires_grad=True)
>>> y = x * 3.0
>>> y.operation.rule, y.operation.inputs[0] is x
(<rule multiply(a, b)>, True)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Concatenate, ParamSpec

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .arrays import ArrayLike, as_array, in_one_dtype, is_owned, is_scalar, operand, owned
from .checks import complete, cotangent, expect_floating, in_words, raw_parameter
from .conversions import Conversions, GradientWarning, current_evaluation
from .engine import Node, Operation, derivative_step, is_recording, sweep
from .errors import GraphError, ShapeError
from .in_place import BUFFER, PARAMETER, InPlace, raw_index
from .numpy_calls import call, call_method
from .rules import Rule, elementwise, neural, products, reductions, shapes, trigonometric
from .rules.composed import arithmetic, axes, choices, contractions, diagonals, folds, pieces, statistics
from .rules.numpy_functions import advice_on_methods
from .rules.reductions import Axis
from .support.call_stack import frames_to_user
from .support.devices import HOST_TYPES, device_of
from .support.locks import changing
from .support.names import Absent, answer_for_absent
from .support.observer import RULE, Step, observers

__all__ = ["BUFFER", "PARAMETER", "GradientWarning", "Tensor", "apply", "constant", "cotangent"]


P = ParamSpec("P")


def _operators(rule: Rule) -> tuple[Callable[[Any, ArrayLike], Tensor], Callable[[Any, ArrayLike], Tensor]]:
    """Return the methods of an operator between two operands: with the Tensor on the left, and on the right."""

    def left(self: Tensor, other: ArrayLike) -> Tensor:
        return apply(rule, (self, other))

    def right(self: Tensor, other: ArrayLike) -> Tensor:
        return apply(rule, (other, self))

    return left, right


def _function(rule: Rule, doc: str) -> Callable[[Any], Tensor]:
    """Return the method that applies a rule to a Tensor alone."""

    def method(self: Tensor) -> Tensor:
        return apply(rule, (self,))

    method.__name__, method.__qualname__, method.__doc__ = rule.name, f"Tensor.{rule.name}", doc
    return method


def _method(function: Callable[Concatenate[Any, P], Any]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """Return one of NumPy's functions as a method: of a Tensor it makes a Tensor."""
    return function


def _of_array(name: str, doc: str) -> Any:
    """Return the property that is an attribute of the array."""
    return property(attrgetter(f"_data.{name}"), doc=doc)


class Tensor(Conversions, InPlace):
    """An array that remembers how it was computed, so that it can be differentiated.

    Parameters
    ----------
    data : array-like
        Python floats (and lists of them) get the type of `get_default_dtype`; arrays keep theirs. An array is shared,
        not copied, unless ``requires_grad``: a parameter owns its memory, since optimizers change it in place.
        Do not write into a shared array between an operation and its backward pass: the derivative would read it.
    requires_grad : bool
        Whether `backward` computes the gradient by this Tensor.
    dtype : dtype-like, optional
        The type to convert to.
    name : str, optional
        The name shown in its repr and in error messages.

    Attributes
    ----------
    grad : Tensor or None
        The gradient that `backward` accumulates, of the same shape and type. Only leaves have one: after
        ``w = w - lr * w.grad`` the name ``w`` stands for a result. So change parameters in place,
        ``w.data -= lr * w.grad``.

    Raises
    ------
    TypeError
        If the data are not numbers, or require a gradient and are not of a floating type, or are a Tensor whose
        history would be lost.

    Notes
    -----
    NumPy's own annotations say that its functions return arrays, also of Tensors. Where an editor or a type checker is
    to know better, write methods and operators: ``x.exp()`` for ``np.exp(x)``.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad
    Tensor([2., 4.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_grad", "_role", "name")

    _grad: Tensor | None

    def __init__(
        self, data: ArrayLike, requires_grad: bool = False, dtype: DTypeLike | None = None, name: str | None = None
    ) -> None:
        if isinstance(data, Tensor) and data._requires_grad and is_recording():
            raise TypeError(
                "Tensor(x) of a Tensor that requires a gradient would cut its history, and nothing would be learnt "
                "through it: use x as it is, or x.detach() if that is meant"
            )
        array = as_array(data, dtype)
        if requires_grad:
            expect_floating(array.dtype)
        self._data = owned(array) if requires_grad else array
        self._requires_grad = bool(requires_grad)
        self.operation = self.memory = self._grad = None
        self.name = name
        if isinstance(data, Tensor) and data._data is self._data:
            data.share_memory(self)

    @property
    def grad(self) -> Tensor | None:
        """The gradient. One may assign an array or a list, which becomes a Tensor of this Tensor's type."""
        if self._grad is None and self.operation is not None:
            warnings.warn(
                f"this Tensor was computed by {self.operation.rule.name}, and only leaves have a gradient: in a loop, "
                "w = w - lr * w.grad makes a result of w, so change it in place, w.data -= lr * w.grad",
                GradientWarning,
                stacklevel=frames_to_user(),
            )
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        fits = value is None
        if isinstance(value, Tensor):
            g, data = value._data, self._data
            fits = g.dtype is data.dtype and g.shape == data.shape
        self._grad = value if fits else cotangent(value, self, keep_history=True)

    @property
    def data(self) -> NDArray[Any]:
        """The raw array. Assigning, also by ``t.data -= …``, counts as a change in place; writing into it does not."""
        if current_evaluation() is not None:
            self._note_taken()
        if issubclass(type(self._data), np.generic):  # isinstance would accept a traced value too
            self._data = np.asarray(self._data)
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is self._data:
            self.mark_changed()
        else:
            self._replace(value)

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` computes a gradient by this Tensor. It may be set for a leaf, which then owns its data."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value == self._requires_grad:
            return
        if self.operation is not None:
            raise GraphError(
                f"requires_grad cannot be set for a result, here of {self.operation.rule.name}, since its inputs "
                "decide: use its .detach()"
            )
        if value:
            expect_floating(self.dtype)
            if not is_owned(self._data) or (self.memory is not None and self.memory.is_shared):
                self._data = owned(self._data)
                self.mark_replaced()
        self._requires_grad = bool(value)

    shape: tuple[int, ...] = _of_array("shape", "The length of each axis.")
    ndim: int = _of_array("ndim", "The number of axes.")
    size: int = _of_array("size", "The number of elements.")
    dtype: np.dtype[Any] = _of_array("dtype", "The type of the elements.")

    @property
    def device(self) -> str:
        """The device whose memory holds the elements: "cpu", or "cuda" for a GPU."""
        return device_of(self._data)

    def to(self, device: str) -> Tensor:
        """Return this Tensor on a device. The move is differentiable: the gradient moves back.

        Parameters
        ----------
        device : str
            "cpu", or "cuda" for a GPU by way of CuPy, the extra `cuda`.

        Returns
        -------
        Tensor
            This Tensor if it is there already, else a result computed from it. Move parameters by `Module.to`: a
            result is no leaf.

        Raises
        ------
        DeviceError
            If there is no such device, or it cannot be used; the message says what is missing.

        Examples
        --------
        >>> tg.Tensor([1.0, 2.0]).to("cpu").device
        'cpu'
        """
        return self if device == self.device else apply(elementwise.to, (self,), (device, self.device))

    def detach(self) -> Tensor:
        """Return a Tensor that shares the memory of this one and has no history.

        Examples
        --------
        >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x.detach()).sum().backward()
        >>> x.grad  # x · c has the derivative c
        Tensor([1., 2.], dtype=float32)
        """
        y = constant(self._data)
        if not is_scalar(self._data):
            self.share_memory(y)
        return y

    def backward(self, gradient: ArrayLike | None = None, create_graph: bool = False) -> None:
        """Add the derivative of this Tensor to the ``grad`` of every leaf it depends on.

        Parameters
        ----------
        gradient : array-like, optional
            The cotangent of this Tensor, of its shape; by default 1, for a Tensor of one element.
        create_graph : bool
            Record the backward pass too, so that the gradients can be differentiated again. Otherwise each part of the
            graph is freed once the pass has used it.

        Raises
        ------
        GraphError
            If this Tensor does not require a gradient, has several elements and no ``gradient`` is given, or
            its graph was freed or changed.
        ShapeError
            If ``gradient`` has another shape.

        Examples
        --------
        >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).backward(gradient=np.array([1.0, 10.0]))
        >>> x.grad
        Tensor([ 2., 40.], dtype=float32)
        """
        if not self._requires_grad:
            raise GraphError(
                "backward() on a Tensor that does not require a gradient: create a Tensor it is computed from with "
                "requires_grad=True, and compute it outside no_grad()"
            )
        if gradient is None:
            if self._data.size != 1:
                raise GraphError(
                    f"backward() starts from one number, but this Tensor has shape {self.shape}: reduce it, for "
                    "example by .sum() or .mean(), or pass gradient= of the same shape"
                )
            # A scalar if possible: NumPy computes with it several times faster than with a 0-d array.
            is_number = not self._data.shape and type(self._data) in HOST_TYPES
            one = self._data.dtype.type(1) if is_number else np.ones_like(self._data)
            seed = constant(one) if create_graph else one
        else:
            seed = cotangent(gradient, self, keep_history=create_graph)
        if not create_graph and current_evaluation() is not None:
            self._note_taken()  # the gradients have no history
        found = sweep([self], [seed], as_nodes=create_graph, free=not create_graph)
        with derivative_step() as step, changing:
            _add_gradients(found, seed, step, create_graph)

    # Protocols: the application of a rule, and NumPy's functions.

    @staticmethod
    def __apply_rule__(rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
        return apply(rule, inputs, params)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call(ufunc, inputs, kwargs) if method == "__call__" else call_method(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(function, args, kwargs)

    __add__, __radd__ = _operators(elementwise.add)
    __sub__, __rsub__ = _operators(elementwise.subtract)
    __mul__, __rmul__ = _operators(elementwise.multiply)
    __truediv__, __rtruediv__ = _operators(elementwise.divide)
    __mod__, __rmod__ = _operators(elementwise.remainder)

    def __divmod__(self, other: ArrayLike) -> tuple[NDArray[Any], Tensor]:
        return self // other, self % other

    def __rdivmod__(self, other: ArrayLike) -> tuple[NDArray[Any], Tensor]:
        return other // self, other % self

    def __pow__(self, other: ArrayLike) -> Tensor:
        return arithmetic.power(self, other)

    def __rpow__(self, other: ArrayLike) -> Tensor:
        return arithmetic.power(other, self)

    def __matmul__(self, other: ArrayLike) -> Tensor:
        if isinstance(other, Tensor) and self.ndim >= 2 <= other.ndim:
            return apply(products.product, (self, other))
        return contractions.matmul(self, operand(other))

    def __rmatmul__(self, other: ArrayLike) -> Tensor:
        return contractions.matmul(operand(other), self)

    def dot(self, other: ArrayLike) -> Tensor:
        """Sum over the last axis and the second to last (or only) one of ``other``, as `numpy.dot` does."""
        return contractions.dot(self, other)

    __neg__ = _function(elementwise.negative, "Return -x.")
    __abs__ = abs = _function(elementwise.absolute, "Return the absolute value; its derivative at 0 is taken to be 0.")

    def __pos__(self) -> Tensor:
        return self.copy()

    def __getitem__(self, index: Any) -> Tensor:
        return apply(shapes.getitem, (self,), (raw_index(index),))

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    exp = _function(elementwise.exp, "Return eˣ.")
    log = _function(elementwise.log, "Return the natural logarithm.")
    sqrt = _function(elementwise.sqrt, "Return √x. Its derivative at 0, which is not finite, is taken to be 0.")
    square = _function(elementwise.square, "Return x².")
    sin = _function(trigonometric.sin, "Return the sine.")
    cos = _function(trigonometric.cos, "Return the cosine.")
    tanh = _function(trigonometric.tanh, "Return the hyperbolic tangent.")
    relu = _function(neural.relu, "Return max(x, 0); its derivative at 0 is taken to be 0.")
    sigmoid = _function(neural.sigmoid, "Return 1 / (1 + e⁻ˣ).")

    def maximum(self, other: ArrayLike) -> Tensor:
        """Return the larger of the two, element by element."""
        return apply(elementwise.maximum, (self, other))

    def minimum(self, other: ArrayLike) -> Tensor:
        """Return the smaller of the two, element by element."""
        return apply(elementwise.minimum, (self, other))

    def clip(self, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Tensor:
        """Limit the values to an interval; the derivative outside is 0. A bound may require a gradient, too."""
        return choices.clip(self, min, max)

    def astype(self, dtype: DTypeLike, copy: bool = True) -> Tensor:
        """Convert to another type. Between floating types this is differentiable; else the result is a constant."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype and not copy:
            return self
        if dtype.kind != "f" or self.dtype.kind != "f":
            return constant(self._data.astype(dtype))
        return apply(elementwise.cast, (self,), (dtype,))

    def copy(self) -> Tensor:
        """Return a copy in memory of its own, in the same order: as `np.copy`.

        Examples
        --------
        >>> x = tg.Tensor([1.0, 2.0])
        >>> y = x.copy()
        >>> y[0] = 5.0
        >>> x
        Tensor([1., 2.], dtype=float32)
        """
        return self.astype(self.dtype)

    clone = copy

    def softmax(self, axis: int = -1) -> Tensor:
        """Return exp(x) / Σ exp(x) along an axis: positive numbers that add up to one."""
        return apply(neural.softmax, (self,), (axis,))

    def log_softmax(self, axis: int = -1) -> Tensor:
        """Return the logarithm of `softmax`, computed without underflow."""
        return apply(neural.log_softmax, (self,), (axis,))

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return log Σ exp(x), computed without overflow; equal elements, even infinite ones, share the derivative.

        Examples
        --------
        >>> round(tg.Tensor([1000.0, 1000.0, 0.0]).logsumexp().item() - 1000.0, 3)  # log 2
        0.693
        """
        return apply(neural.logsumexp, (self,), (axis, keepdims))

    # The options are NumPy's, such as where.

    def sum(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Return the sum over axes."""
        if options:
            return folds.sum(self, axis, keepdims=keepdims, **options)
        return apply(reductions.sum, (self,), (axis, keepdims))

    def mean(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Return the mean over axes."""
        if options:
            return folds.mean(self, axis, keepdims=keepdims, **options)
        return apply(reductions.mean, (self,), (axis, keepdims))

    def prod(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Return the product over axes."""
        if options:
            return folds.prod(self, axis, keepdims=keepdims, **options)
        return apply(reductions.prod, (self,), (axis, keepdims))

    def max(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Return the maximum over axes; equal maxima share the derivative."""
        if options:
            return folds.max(self, axis, keepdims=keepdims, **options)
        return apply(reductions.max, (self,), (axis, keepdims))

    def min(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """Return the minimum over axes; equal minima share the derivative."""
        if options:
            return folds.min(self, axis, keepdims=keepdims, **options)
        return apply(reductions.min, (self,), (axis, keepdims))

    def var(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False, **options: Any) -> Tensor:
        """Return the variance over axes: the sum of squared deviations from the mean, divided by n - ddof."""
        return statistics.var(self, axis, ddof=ddof, keepdims=keepdims, **options)

    def std(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False, **options: Any) -> Tensor:
        """Return the standard deviation over axes. Where it is 0, its derivative is taken to be 0."""
        return statistics.std(self, axis, ddof=ddof, keepdims=keepdims, **options)

    def norm(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return √(Σ x²) over axes, the Euclidean or Frobenius norm; its derivative at 0 is taken to be 0.

        Examples
        --------
        >>> tg.Tensor([[3.0, 4.0], [0.0, 5.0]]).norm(axis=1)
        Tensor([5., 5.], dtype=float32)
        """
        return self.square().sum(axis, keepdims).sqrt()

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Tensor:
        """Lay the same elements out in another shape; one length may be -1.

        The result shares the memory of this Tensor if the order of the elements there allows it. No function promises
        that order, so write ``copy=True`` to change one and not the other.

        Examples
        --------
        >>> tg.Tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1)
        Tensor([[1., 2.],
                [3., 4.]], dtype=float32)
        """
        return axes.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)

    view = reshape

    def ravel(self, order: str = "C") -> Tensor:
        """Lay the elements out along one axis.

        The result shares the memory of this Tensor if possible, even for ``x[::2]``, which NumPy copies.
        """
        return axes.ravel(self, order)

    def flatten(self, start: int | str = 0, order: str = "C") -> Tensor:
        """Lay the elements out along one axis, from axis ``start`` on: ``flatten(1)`` keeps the samples.

        As in NumPy one may give an order instead, ``flatten("F")``. As in PyTorch, and unlike in NumPy, the result
        shares the memory of this Tensor if possible.

        Examples
        --------
        >>> tg.Tensor(np.zeros((10, 3, 4))).flatten(1).shape
        (10, 12)
        """
        if isinstance(start, str) or order != "C":
            return axes.ravel(self, start if isinstance(start, str) else order)
        if not 0 <= start <= self.ndim:
            raise ShapeError(f"flatten from axis {start} on: this Tensor has {self.ndim} axes")
        return axes.reshape(self, (*self.shape[:start], math.prod(self.shape[start:])))

    def transpose(self, *order: Any) -> Tensor:
        """Permute the axes; reverse them by default.

        Examples
        --------
        >>> x = tg.Tensor(np.zeros((2, 3, 4)))
        >>> x.transpose(1, 0, 2).shape, x.transpose().shape
        ((3, 2, 4), (4, 3, 2))
        """
        is_given_as_one = len(order) == 1 and not isinstance(order[0], int)
        return axes.transpose(self, order[0] if is_given_as_one else order or None)

    permute = transpose

    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        return axes.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        if self.ndim < 2:
            raise ShapeError(f"mT exchanges the last two axes, but this Tensor has shape {self.shape}")
        return axes.matrix_transpose(self)

    # NumPy's functions of these names, of which a Tensor is the first argument.
    cumsum, cumprod, swapaxes = _method(folds.cumsum), _method(folds.cumprod), _method(axes.swapaxes)
    conj = conjugate = _method(arithmetic.conjugate)
    squeeze, diagonal, trace = _method(axes.squeeze), _method(diagonals.diagonal), _method(diagonals.trace)
    expand_dims = unsqueeze = _method(axes.expand_dims)
    take, repeat, choose = _method(pieces.take), _method(pieces.repeat), _method(pieces.choose)

    @property
    def real(self) -> Tensor:
        """The real part: of real numbers, which alone have a derivative, they themselves."""
        return arithmetic.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part of real numbers: zeros."""
        return arithmetic.imag(self)

    def compress(self, condition: Any, axis: int | None = None) -> Tensor:
        """Pick the elements along an axis for which a condition holds."""
        return pieces.compress(condition, self, axis)

    def broadcast_to(self, shape: Sequence[int]) -> Tensor:
        """Repeat the elements along axes of length 1, and along new axes, to fill a shape."""
        return apply(shapes.broadcast_to, (self,), (tuple(shape),))

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not isinstance(vars(Tensor).get(name), Absent)]


def _add_gradients(found: dict[Node, Any], seed: Any, step: Step | None, keep_history: bool) -> None:
    """Add the cotangents that a sweep has found to the gradients of the leaves."""
    handed_out = {id(seed._data if keep_history else seed)}
    for leaf, g in found.items():
        assert isinstance(leaf, Tensor)
        if step is not None:
            step.of = leaf
        # A rule may return the array it was given, or a view of it, but the gradient of a leaf must own its memory.
        array = g._data if keep_history else g
        if array.base is not None or id(array) in handed_out:
            g = g.copy()
        handed_out.add(id(array))
        if not keep_history:
            g = constant(g)
        before = leaf.grad
        leaf.grad = g if before is None else before + g


answer_for_absent(Tensor, advice_on_methods())


def apply(rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...] = ()) -> Tensor:
    """Apply a rule to Tensors and constants, and record the operation if an input requires a gradient.

    Every differentiable operation on Tensors comes through here.

    Parameters
    ----------
    rule : Rule
        The rule to apply.
    inputs : tuple
        The differentiable inputs: Tensors, arrays, numbers. Arrays and numbers take on the Tensors' floating type.
        Arrays are kept, not copied: they must not change before the backward pass.
    params : tuple
        The other arguments, in the rule's order.

    Raises
    ------
    ShapeError
        If the shapes do not fit; the message names the operation, the shapes and the axis that disagrees.
    DeviceError
        If not all operands are on one device; the message names the device of each.
    TypeError
        If an input requires a gradient and the result is complex: the rules hold for real numbers only.
    """
    inputs, arrays, params, requires_grad, is_plain = _raw_values(rule, inputs, params)
    try:
        data = _computed(rule, arrays, params) if rule.variadic or observers.open else rule.forward(*arrays, *params)
    except (ValueError, TypeError) as error:
        raise in_words(error, rule, inputs, arrays, params) from None
    y = constant(data)
    if requires_grad and is_recording():
        y._requires_grad = True
        # A tuple of arrays, unlike a list, costs Python's garbage collector nothing.
        y.operation = Operation(rule, inputs, tuple(arrays), params)
    is_new_array = is_plain and type(data) in HOST_TYPES and data.base is None and data is not arrays[0]
    if not is_new_array or (params and data.dtype.kind == "c"):
        complete(y, rule, inputs, params, is_plain)
    if observers.open:
        _tell(rule, inputs, arrays, y)
    return y


def _raw_values(
    rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...]
) -> tuple[tuple[Any, ...], list[Any], tuple[Any, ...], bool, bool]:
    """Return inputs of one floating type, their raw values, and those of parameters.

    Also return whether any input requires a gradient, and whether all had one floating type, so that none was
    converted. Python's numbers fit any type.
    """
    arrays = []
    requires_grad, is_plain = False, True
    dtype = None
    for x in inputs:
        if isinstance(x, Tensor):
            array = x._data
            found = array.dtype
            requires_grad = requires_grad or x._requires_grad
        elif type(x) is float or type(x) is int:
            arrays.append(x)
            continue
        else:
            array, found = x, getattr(x, "dtype", None)
            is_plain = is_plain and isinstance(x, np.ndarray)  # NumPy's scalars adapt as Python's numbers do
        if dtype is None:
            dtype = found
        if found is not dtype:
            is_plain = False
        arrays.append(array)
    is_plain = is_plain and dtype is not None and dtype.kind in "fc"
    if not is_plain:
        inputs, arrays = in_one_dtype(rule, inputs)
    if params:
        params = tuple(raw_parameter(rule, i, p) if isinstance(p, Tensor) else p for i, p in enumerate(params))
    return inputs, arrays, params, requires_grad, is_plain


def _computed(rule: Rule, arrays: Sequence[Any], params: tuple[Any, ...]) -> Any:
    if not observers.open:
        return rule.compute(arrays, params)
    with Step(RULE, rule):
        return rule.compute(arrays, params)


def _tell(rule: Rule, inputs: Sequence[Any], arrays: Sequence[Any], y: Tensor) -> None:
    with Step(RULE, rule):  # the work of observers is part of the rule's step, too
        for observer in observers.get():
            observer.applied(rule, inputs, arrays, y)


def constant(data: Any) -> Tensor:
    """Return a Tensor without history that holds a raw array; nothing is checked."""
    y = Tensor.__new__(Tensor)
    y._data = data
    y._requires_grad = False
    y.operation = y.memory = y._grad = y.name = None
    return y
