"""A Tensor is an array that remembers how it was computed, so that it can be differentiated.

Its operators and methods only name rules: `apply` computes and records them all. The rest of the module keeps gradients
right where Python would lose them: changes in place, views, numbers taken out of the graph, copies.

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
import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from .arrays import PrecisionWarning, as_array, in_one_dtype, is_owned, of_whole_numbers, operand, owned, raw
from .engine import REMEMBERED_CHANGES, Evaluation, Node, Operation, clock, is_recording, sweep
from .errors import DeviceError, GraphError, ShapeError, explained
from .numpy_calls import call, no_rule, raw_tree
from .rules import Rule, composed, elementwise, neural, products, reductions, shapes
from .rules.numpy_functions import advice_on_methods
from .rules.reductions import Axis
from .support.call_stack import frames_to_user
from .support.devices import HOST_TYPES, device_of, is_array, mixing_error, to_device
from .support.locks import changing
from .support.names import Absent, answer_for_absent
from .support.observer import DERIVATIVE, RULE, Step, observers

PARAMETER, BUFFER = "parameter", "buffer"  # the roles of a Tensor in a module


class GradientWarning(UserWarning):
    """A gradient is lost: a number was taken out of a graph, or the ``grad`` of a result was read."""


class Tensor(Node):
    """An array that remembers how it was computed, so that it can be differentiated.

    Parameters
    ----------
    data : array-like
        Python floats (and lists of them) get the type of `get_default_dtype`; arrays keep theirs. An array is shared,
        not copied, unless ``requires_grad``: a parameter owns its memory, since optimizers change it in place.
    requires_grad : bool
        Whether gradients by this Tensor are wanted.
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

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad
    Tensor([2., 4.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_grad", "_role", "_taken", "name")

    _grad: Tensor | None
    name: str | None
    _role: str  # PARAMETER or BUFFER; not set before a Module holds the Tensor
    _taken: int  # of a view: the tick of the last change of its memory when the view was taken

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: DTypeLike | None = None, name: str | None = None
    ) -> None:
        if isinstance(data, Tensor) and data._requires_grad and is_recording():
            raise TypeError(
                "Tensor(x) of a Tensor that requires a gradient would cut its history, and nothing would be learnt "
                "through it: use x as it is, or x.detach() if that is meant"
            )
        array = as_array(data, dtype)
        if requires_grad:
            _expect_floating(array.dtype)
        self._data = owned(array) if requires_grad else array
        self._requires_grad = bool(requires_grad)
        self.operation = None
        self.memory = None
        if isinstance(data, Tensor) and data._data is array and not requires_grad:
            self.memory = data.shared_memory()
            self._taken = self.memory.changed
        self._grad = None
        self.name = name

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
    def data(self) -> Any:
        """The raw array. Assigning, also by ``t.data -= …``, counts as a change in place; writing into it does not."""
        self._note_taken()
        if issubclass(type(self._data), np.generic):
            self._data = np.asarray(self._data)
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if value is self._data:
            self.mark_changed()
            return
        if not hasattr(value, "dtype"):
            value = as_array(value, self.dtype)  # Python's numbers adapt to the type that is there
        value = raw(value).copy() if isinstance(value, Tensor) else as_array(value)
        if self._requires_grad:
            _expect_floating(value.dtype)
            if value.dtype != self.dtype and np.can_cast(self.dtype, value.dtype):
                warnings.warn(
                    f"a Tensor of {self.dtype} is given data of {value.dtype}, and has that type from now on: assign "
                    f"array.astype({str(self.dtype)!r}) to keep its type, or convert a model by net.astype(…)",
                    PrecisionWarning,
                    stacklevel=frames_to_user(),
                )
        self._data = owned(value) if self._requires_grad else value
        self.mark_replaced()

    @property
    def requires_grad(self) -> bool:
        """Whether gradients by this Tensor are wanted. It may be set for a leaf, which then owns its memory."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value == self._requires_grad:
            return
        if self.operation is not None:
            raise GraphError(
                f"whether a result, here of {self.operation.rule.name}, requires a gradient follows from what it was "
                "computed from: use its .detach()"
            )
        if value:
            _expect_floating(self.dtype)
            if not is_owned(self._data) or (self.memory is not None and self.memory.is_shared):
                self._data = owned(self._data)
                self.mark_replaced()
        self._requires_grad = bool(value)

    def _could_lose_gradient(self) -> bool:
        """Return whether a gradient may still flow through this Tensor: not after `backward` has freed its graph."""
        is_freed = self.operation is not None and self.operation.inputs is None
        return self._requires_grad and is_recording() and not is_freed

    def _note_taken(self) -> None:
        if self._requires_grad:
            Evaluation.note_taken()

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._data.dtype

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
        """
        return self if device == self.device else apply(elementwise.to, (self,), (device, self.device))

    def numpy(self) -> Any:
        """Return a read-only view of the array, or a copy if it is on a GPU; no gradient flows through it."""
        self._note_taken()
        view = to_device(self.data, "cpu").view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """Return the only element as a Python number; no gradient flows through it."""
        if self.size != 1:
            raise ShapeError(f"item(), or a number, needs a Tensor of one element, but this one has shape {self.shape}")
        self._note_taken()
        return self._data.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers; no gradient flows through them."""
        self._note_taken()
        return self._data.tolist()

    def detach(self) -> Tensor:
        """Return a Tensor that shares the memory of this one and has no history."""
        y = constant(self._data)
        if not issubclass(type(self._data), np.generic):  # NumPy's scalars never change
            y.memory = self.shared_memory()
            y._taken = y.memory.changed
        return y

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add the derivative of this Tensor to the ``grad`` of every leaf it depends on.

        Parameters
        ----------
        gradient : array-like, optional
            The cotangent of this Tensor, of its shape; by default 1, for a Tensor of one element.
        create_graph : bool
            Record the backward pass too, so that the gradients can be differentiated again. Otherwise each part of the
            graph is freed once the pass is through with it.

        Raises
        ------
        GraphError
            If this Tensor does not require a gradient, has several elements and no ``gradient`` is given, or
            its graph was freed or changed.
        ShapeError
            If ``gradient`` has another shape.
        """
        if not self.requires_grad:
            raise GraphError(
                "backward() on a Tensor that does not require a gradient: create a Tensor it is computed from with "
                "requires_grad=True, and compute it outside no_grad()"
            )
        if gradient is None:
            if self.size != 1:
                raise GraphError(
                    f"backward() starts from one number, but this Tensor has shape {self.shape}: reduce it, for "
                    "example by .sum() or .mean(), or pass gradient= of the same shape"
                )
            # A scalar if possible: NumPy computes with it several times faster than with a 0-d array.
            is_number = not self.shape and self.device == "cpu"
            one = self.dtype.type(1) if is_number else np.ones_like(self._data)
            seed = constant(one) if create_graph else one
        else:
            seed = cotangent(gradient, self, keep_history=create_graph)
        if not create_graph:
            Evaluation.note_taken()  # the gradients have no history
        found = sweep([self], [seed], as_nodes=create_graph, free=not create_graph)
        step = Step(DERIVATIVE).begin() if observers.open else None
        try:
            with changing:
                _add_gradients(found, seed, step, create_graph)
        finally:
            if step is not None:
                step.end()

    @staticmethod
    def __apply_rule__(rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Tensor:
        return apply(rule, inputs, params)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            raise no_rule(f"np.{ufunc.__name__}.{method}")
        return call(ufunc, inputs, kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return call(function, args, kwargs)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Any:
        if self._could_lose_gradient():
            raise TypeError(
                "turning a Tensor that requires a gradient into an array would lose the gradient. Use an operator or a "
                "function of NumPy's in place of an array's method, a list or an element of an array: x @ w, "
                "np.dot(x, w), np.stack([a, b]). To look at it, plot or save it, use .numpy()"
            )
        if self.device != "cpu":
            raise DeviceError(f"this Tensor is on {self.device!r}, and is not copied unasked: use .numpy()")
        return np.array(self._data, dtype=dtype, copy=copy)

    # Conversions to Python's numbers, which have no history: math.exp(x), a[i] = x and round(x) ask for them.

    def __float__(self) -> float:
        return float(_number(self))

    def __int__(self) -> int:
        return int(_number(self))

    def __complex__(self) -> complex:
        return complex(_number(self))

    def __index__(self) -> int:
        return operator.index(_number(self))

    def __round__(self, digits: int | None = None) -> Any:
        return round(_number(self), digits)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __add__(self, other: Any) -> Tensor:
        return apply(elementwise.add, (self, other))

    def __radd__(self, other: Any) -> Tensor:
        return apply(elementwise.add, (other, self))

    def __sub__(self, other: Any) -> Tensor:
        return apply(elementwise.subtract, (self, other))

    def __rsub__(self, other: Any) -> Tensor:
        return apply(elementwise.subtract, (other, self))

    def __mul__(self, other: Any) -> Tensor:
        return apply(elementwise.multiply, (self, other))

    def __rmul__(self, other: Any) -> Tensor:
        return apply(elementwise.multiply, (other, self))

    def __truediv__(self, other: Any) -> Tensor:
        return apply(elementwise.divide, (self, other))

    def __rtruediv__(self, other: Any) -> Tensor:
        return apply(elementwise.divide, (other, self))

    def __mod__(self, other: Any) -> Tensor:
        return apply(elementwise.remainder, (self, other))

    def __rmod__(self, other: Any) -> Tensor:
        return apply(elementwise.remainder, (other, self))

    def __floordiv__(self, other: Any) -> Any:
        return np.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return np.floor_divide(other, self)

    def __divmod__(self, other: Any) -> tuple[Any, Tensor]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Tensor]:
        return other // self, other % self

    def __pow__(self, other: Any) -> Tensor:
        return composed.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return composed.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        if isinstance(other, Tensor) and self.ndim >= 2 <= other.ndim:
            return apply(products.product, (self, other))
        return composed.matmul(self, operand(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return composed.matmul(operand(other), self)

    def dot(self, other: Any) -> Tensor:
        """Sum over the last axis and the second to last (or only) one of ``other``, as `numpy.dot` does."""
        return composed.dot(self, other)

    def __neg__(self) -> Tensor:
        return apply(elementwise.negative, (self,))

    def __pos__(self) -> Tensor:
        return self.copy()

    def __abs__(self) -> Tensor:
        return apply(elementwise.absolute, (self,))

    def __iadd__(self, other: Any) -> Self:
        return self._in_place("add", other)

    def __isub__(self, other: Any) -> Self:
        return self._in_place("sub", other)

    def __imul__(self, other: Any) -> Self:
        return self._in_place("mul", other)

    def __itruediv__(self, other: Any) -> Self:
        return self._in_place("truediv", other)

    def __ifloordiv__(self, other: Any) -> Self:
        return self._in_place("floordiv", other)

    def __imod__(self, other: Any) -> Self:
        return self._in_place("mod", other)

    def __ipow__(self, other: Any) -> Self:
        return self._in_place("pow", other)

    def __imatmul__(self, other: Any) -> Self:
        return self._in_place("matmul", other)

    def _in_place(self, name: str, other: Any) -> Self:
        """Change the value of this Tensor for all who hold it, as ``+=`` does.

        If no gradient is recorded, the result is written into the memory, as by NumPy; a graph that needs the old value
        raises later. If one is, as in ``total += loss``, the Tensor becomes the result of a new operation; the operand
        is a new node that holds the old value.

        Raises
        ------
        GraphError
            If a gradient would be lost or wrong; the message says what to write.
        """
        is_tracked = is_recording() and (self._requires_grad or (isinstance(other, Tensor) and other._requires_grad))
        if self.operation is not None and not is_tracked:
            raise GraphError(
                f"this Tensor was computed by {self.operation.rule.name}, whose derivative would not belong to what "
                "augmented assignment, such as +=, makes of it: write x = x + … for x += …, or change x.detach()"
            )
        if is_tracked and getattr(self, "_role", None) == BUFFER:
            raise GraphError(
                "a Buffer holds values and no history, so it cannot become a result that requires a gradient: add "
                "x.detach(), or keep the result under another name"
            )
        if is_tracked and self._requires_grad and self.operation is None:
            raise GraphError(
                "a Tensor that requires a gradient cannot be changed while operations are recorded: write w -= … "
                "inside no_grad(), to update a parameter, or w = w - … for a new value"
            )
        if is_tracked and self.memory is not None and self.memory.is_shared:
            raise GraphError(
                "this Tensor shares its memory with another, as a view and the whole do, which augmented assignment "
                "would change without its history: write x = x + … for x += …"
            )
        if not is_tracked:
            value = operand(raw(other))
            # A plain array cannot hold a value that jit is recording: it is replaced, if no other node shares it.
            is_recorded = type(self._data) is np.ndarray and hasattr(type(value), "__traced__")
            is_alone = self.memory is None or not self.memory.is_shared
            written = getattr(operator, name if is_recorded and is_alone else f"i{name}")

            def write() -> None:
                try:
                    self._data = self._held(written(self.data, value))
                except (ValueError, TypeError):
                    self._held(getattr(operator, name)(self.data, value))  # its message is clearer, if it raises
                    raise

            self._change(write, other)
            if self.memory is not None:
                self._taken = self.memory.changed  # t[i] += … assigns the view to t[i], after the view's own change
            return self
        before = constant(self._data)
        before._requires_grad, before.operation, before.name = self._requires_grad, self.operation, self.name
        y = self._held(getattr(operator, name)(before, before if other is self else other))
        if not isinstance(y, Tensor) or y.operation is None:
            raise TypeError(
                f"{name} has no derivative, so a Tensor that has a gradient cannot become its result: detach it"
            )
        self._data, self._requires_grad, self.operation, self.memory = y._data, True, y.operation, y.memory
        clock.last_change = y.operation.time
        return self

    def _held(self, result: Any) -> Any:
        """Return a result in the type of this Tensor, which is to become that result."""
        if result.shape != self.shape:
            raise ShapeError(
                f"a Tensor of shape {self.shape} cannot become a result of shape {result.shape}: write x = x + … for "
                "x += …"
            )
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise TypeError(
                f"a Tensor of {self.dtype} cannot become a result of {result.dtype}: write Tensor(0.0), not 0"
            )
        return result.astype(self.dtype, copy=False)

    def _change(self, write: Callable[[], Any], value: Any, part: Callable[[], Any] = lambda: None) -> None:
        """Write into the memory, and note the change for the graphs and views that read it."""
        try:
            write()
        except (ValueError, TypeError) as error:
            raise mixing_error("assignment", {"the Tensor": self, "the value": value}) or error from None
        self.mark_changed(part() if self.memory is not None and self.memory.is_shared else None)

    # Comparisons return arrays of booleans, which have no derivative.

    def __eq__(self, other: object) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else np.equal(self, operand(other))

    def __ne__(self, other: object) -> Any:
        return NotImplemented if other is None or isinstance(other, str) else np.not_equal(self, operand(other))

    def __lt__(self, other: Any) -> Any:
        return np.less(self, operand(other))

    def __le__(self, other: Any) -> Any:
        return np.less_equal(self, operand(other))

    def __gt__(self, other: Any) -> Any:
        return np.greater(self, operand(other))

    def __ge__(self, other: Any) -> Any:
        return np.greater_equal(self, operand(other))

    __hash__ = Node.__hash__

    def exp(self) -> Tensor:
        """Return eˣ."""
        return apply(elementwise.exp, (self,))

    def log(self) -> Tensor:
        """Return the natural logarithm."""
        return apply(elementwise.log, (self,))

    def sqrt(self) -> Tensor:
        """Return the square root. Its derivative at 0, which is not finite, is taken to be 0."""
        return apply(elementwise.sqrt, (self,))

    def square(self) -> Tensor:
        """Return x²."""
        return apply(elementwise.square, (self,))

    def sin(self) -> Tensor:
        """Return the sine."""
        return apply(elementwise.sin, (self,))

    def cos(self) -> Tensor:
        """Return the cosine."""
        return apply(elementwise.cos, (self,))

    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent."""
        return apply(elementwise.tanh, (self,))

    def abs(self) -> Tensor:
        """Return the absolute value; its derivative at 0 is taken to be 0."""
        return apply(elementwise.absolute, (self,))

    def maximum(self, other: Any) -> Tensor:
        """Return the larger of the two, element by element."""
        return apply(elementwise.maximum, (self, other))

    def minimum(self, other: Any) -> Tensor:
        """Return the smaller of the two, element by element."""
        return apply(elementwise.minimum, (self, other))

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Limit the values to an interval; the derivative outside is 0. A bound may require a gradient, too."""
        return composed.clip(self, min, max)

    def astype(self, dtype: DTypeLike, copy: bool = True) -> Tensor:
        """Convert to another type. Between floating types this is differentiable; else the result is a constant."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype and not copy:
            return self
        if dtype.kind != "f" or self.dtype.kind != "f":
            return constant(self._data.astype(dtype))
        return apply(elementwise.cast, (self,), (dtype,))

    def copy(self) -> Tensor:
        """Return a copy in memory of its own."""
        return self.astype(self.dtype)

    clone = copy

    def relu(self) -> Tensor:
        """Return max(x, 0); its derivative at 0 is taken to be 0."""
        return apply(neural.relu, (self,))

    def sigmoid(self) -> Tensor:
        """Return 1 / (1 + e⁻ˣ)."""
        return apply(neural.sigmoid, (self,))

    def softmax(self, axis: int = -1) -> Tensor:
        """Return exp(x) / Σ exp(x) along an axis: positive numbers that add up to one."""
        return apply(neural.softmax, (self,), (axis,))

    def log_softmax(self, axis: int = -1) -> Tensor:
        """Return the logarithm of `softmax`, computed without underflow."""
        return apply(neural.log_softmax, (self,), (axis,))

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return log Σ exp(x), computed without overflow; equal elements, even infinite ones, share the derivative."""
        return apply(neural.logsumexp, (self,), (axis, keepdims))

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the sum over axes."""
        return apply(reductions.sum, (self,), (axis, keepdims))

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the mean over axes."""
        return apply(reductions.mean, (self,), (axis, keepdims))

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the product over axes."""
        return apply(reductions.prod, (self,), (axis, keepdims))

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the maximum over axes; equal maxima share the derivative."""
        return apply(reductions.max, (self,), (axis, keepdims))

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return the minimum over axes; equal minima share the derivative."""
        return apply(reductions.min, (self,), (axis, keepdims))

    def var(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Return the variance over axes: the sum of squared deviations from the mean, divided by n - ddof."""
        return composed.var(self, axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Return the standard deviation over axes. Where it is 0, its derivative is taken to be 0."""
        return composed.std(self, axis, ddof=ddof, keepdims=keepdims)

    def norm(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Return √(Σ x²) over axes, the Euclidean or Frobenius norm; its derivative at 0 is taken to be 0."""
        return self.square().sum(axis, keepdims).sqrt()

    def cumsum(self, axis: int | None = None) -> Tensor:
        """Return the running sum along an axis."""
        return composed.cumsum(self, axis)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Return the index of the maximum, as a plain array."""
        return np.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """Return the index of the minimum, as a plain array."""
        return np.argmin(self, axis=axis, keepdims=keepdims)

    def argsort(self, axis: int = -1) -> Any:
        """Return the indices that would sort the elements, as a plain array."""
        return np.argsort(self, axis=axis)

    def reshape(self, *shape: Any) -> Tensor:
        """Lay the same elements out in another shape; one length may be -1."""
        return composed.reshape(self, shape[0] if len(shape) == 1 else shape)

    view = reshape

    def ravel(self) -> Tensor:
        """Lay the elements out along one axis.

        The result shares the memory of this Tensor if possible, even for ``x[::2]``, which NumPy copies.
        """
        return composed.ravel(self)

    def flatten(self, start: int = 0) -> Tensor:
        """Lay the elements out along one axis, from axis ``start`` on: ``flatten(1)`` keeps the samples.

        As in PyTorch, and unlike in NumPy, the result shares the memory of this Tensor if possible.
        """
        if not 0 <= start <= self.ndim:
            raise ShapeError(f"flatten from axis {start} on: this Tensor has {self.ndim} axes")
        return composed.reshape(self, (*self.shape[:start], math.prod(self.shape[start:])))

    def transpose(self, *axes: Any) -> Tensor:
        """Permute the axes; reverse them by default."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else (axes or None)
        return composed.transpose(self, order)

    permute = transpose

    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        return composed.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        if self.ndim < 2:
            raise ShapeError(f"mT exchanges the last two axes, but this Tensor has shape {self.shape}")
        return composed.matrix_transpose(self)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Exchange two axes."""
        return composed.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Remove axes of length 1."""
        return composed.squeeze(self, axis)

    def expand_dims(self, axis: int | tuple[int, ...]) -> Tensor:
        """Insert axes of length 1."""
        return composed.expand_dims(self, axis)

    unsqueeze = expand_dims

    def broadcast_to(self, shape: Sequence[int]) -> Tensor:
        """Repeat the elements along axes of length 1, and along new axes, to fill a shape."""
        return apply(shapes.broadcast_to, (self,), (tuple(shape),))

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not isinstance(vars(Tensor).get(name), Absent)]

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __getitem__(self, index: Any) -> Tensor:
        return apply(shapes.getitem, (self,), (_raw_index(index),))

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.operation is not None or (self.requires_grad and is_recording()):
            raise GraphError(
                "a Tensor that takes part in a graph cannot be written into: build the new value with np.where or "
                "np.concatenate, or change a parameter inside no_grad()"
            )
        if isinstance(value, Tensor) and value.requires_grad and is_recording():
            raise GraphError(
                "a value that requires a gradient would lose it when written into a Tensor: build the new value with "
                "np.where or np.concatenate, or write value.detach()"
            )
        index = _raw_index(index)
        if isinstance(value, Tensor) and value._data is not self._data and self._overwrote(value):
            raise GraphError(
                "the value is a view of this Tensor whose elements were written to since it was taken, as in t[i], "
                "t[j] = t[j], t[i]: write t[[i, j]] = t[[j, i]] to exchange, t[rng.permutation(len(t))] to shuffle"
            )
        self._change(lambda: self.data.__setitem__(index, raw(value)), value, lambda: self._part(index))

    def _part(self, index: Any) -> Any:
        """Return the view of the memory that an index names; None for an index that copies."""
        part = self.data[index]
        return part if is_array(part) and part.base is not None else None

    def _overwrote(self, view: Tensor) -> bool:
        """Return whether elements of a view may have been written to after it was taken."""
        memory = self.memory
        if memory is None or view.memory is not memory or not is_array(view._data):
            return False
        taken = getattr(view, "_taken", memory.changed)  # the whole array is no view, and has no such time
        since = [part for when, part in memory.written if when > taken]
        if len(since) == REMEMBERED_CHANGES or any(part is None for part in since):
            return True
        return any(np.shares_memory(part, view._data) for part in since)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a 0-d Tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"a Tensor of shape {self.shape} is neither true nor false: use np.any or np.all of a comparison, and "
                "`is` to find a Tensor in a list"
            )
        return bool(self.data)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.operation is not None:
            raise TypeError(
                f"this Tensor was computed by {self.operation.rule.name}, and a copy would carry its whole graph with "
                "it, cut off from its leaves: copy or pickle .detach(), and plot .numpy()"
            )
        return _restored, (self._data, self._requires_grad, self._grad, self.name, getattr(self, "_role", None))

    def __repr__(self) -> str:
        notes = [
            np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=200),
            f"dtype={self.dtype}",
        ]
        if self.size > 200 or self.size == 0:
            notes.append(f"shape={self.shape}")
        if self.device != "cpu":
            notes.append(f"device={self.device!r}")
        if self.name is not None:
            notes.append(f"name={self.name!r}")
        if self.requires_grad:
            notes.append("requires_grad=True")
        if self.operation is not None:
            notes.append(f"from={self.operation.rule.name}")
        return f"Tensor({', '.join(notes)})"


def _add_gradients(found: dict[Node, Any], seed: Any, step: Step | None, keep_history: bool) -> None:
    """Add the cotangents that a sweep has found to the gradients of the leaves."""
    handed_out = {id(raw(seed))}
    for leaf, g in found.items():
        assert isinstance(leaf, Tensor)
        if step is not None:
            step.of = leaf
        # A rule may return the array it was given, or a view of it, but the gradient of a leaf must own its memory.
        array = raw(g)
        if array.base is not None or id(array) in handed_out:
            g = g.copy()
        handed_out.add(id(array))
        if not keep_history:
            g = constant(g)
        before = leaf.grad
        leaf.grad = g if before is None else before + g


def _restored(data: Any, requires_grad: bool, grad: Tensor | None, name: str | None, role: str | None) -> Tensor:
    """Return the Tensor that `copy` or `pickle` makes of these parts; it owns its memory."""
    y = constant(owned(data) if requires_grad else data.copy())
    y._requires_grad, y._grad, y.name = requires_grad, None if grad is None else grad.copy(), name
    if role is not None:
        y._role = role
    return y


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
        If not all operands are on one device; the message says which is where.
    TypeError
        If a gradient of a complex result is wanted: the rules hold for real numbers only.
    """
    arrays, requires_grad, is_plain = _raw_values(inputs)
    if not is_plain:
        inputs, arrays = in_one_dtype(rule, inputs)
    if params:
        params = tuple(_parameter(rule, i, p) if isinstance(p, Tensor) else p for i, p in enumerate(params))
    try:
        data = _computed(rule, arrays, params) if rule.variadic or observers.open else rule.forward(*arrays, *params)
    except (ValueError, TypeError) as error:
        raise _in_words(error, rule, inputs, arrays, params) from None
    y = constant(data)
    if requires_grad and is_recording():
        y._requires_grad = True
        # A tuple of arrays, unlike a list, costs Python's garbage collector nothing.
        y.operation = Operation(rule, inputs, tuple(arrays), params)
    is_fresh = is_plain and type(data) in HOST_TYPES and data.base is None and rule is not elementwise.identity
    if not is_fresh or (params and data.dtype.kind == "c"):
        _finish(y, rule, inputs, params, is_plain)
    if observers.open:
        _tell(rule, inputs, arrays, y)
    return y


def _raw_values(inputs: tuple[Any, ...]) -> tuple[list[Any], bool, bool]:
    """Return the raw values of inputs, whether any requires a gradient, and whether all have one floating type.

    Python's numbers fit any type.
    """
    arrays = []
    requires_grad, is_plain = False, True
    dtype = None
    for x in inputs:
        if isinstance(x, Tensor):
            array = x._data
            requires_grad = requires_grad or x._requires_grad
        elif type(x) is float or type(x) is int:
            arrays.append(x)
            continue
        else:
            array = x
            is_plain = is_plain and isinstance(x, np.ndarray)  # NumPy's scalars adapt as Python's numbers do
        found = getattr(array, "dtype", None)
        if dtype is None:
            dtype = found
        if found is not dtype:
            is_plain = False
        arrays.append(array)
    return arrays, requires_grad, is_plain and dtype is not None and dtype.kind in "fc"


def _computed(rule: Rule, arrays: Sequence[Any], params: tuple[Any, ...]) -> Any:
    if not observers.open:
        return rule.compute(arrays, params)
    with Step(RULE, rule):
        return rule.compute(arrays, params)


def _in_words(
    error: Exception, rule: Rule, inputs: tuple[Any, ...], arrays: Sequence[Any], params: tuple[Any, ...]
) -> Exception:
    """Return the error to raise instead of NumPy's: it names the rule and the operands that do not fit."""
    return _mixing_error(rule, inputs, params) or explained(error, rule.name, [np.shape(a) for a in arrays])


def _finish(y: Tensor, rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...], is_plain: bool) -> None:
    """Complete a result that needs more than its array: it is a view, complex, on a device, or of mixed types."""
    if type(y._data) not in HOST_TYPES:
        y._data = _not_of_numpy(y._data, rule, inputs)
    data = y._data
    if data.base is not None or rule is elementwise.identity:
        _share_memory(y, data.base, inputs)
    if y.operation is not None:
        # Complex numbers come from complex operands, whose type differs from the Tensors', or from parameters.
        if data.dtype.kind == "c":
            raise _complex(rule.name)
    elif not is_plain:
        y._data = of_whole_numbers(data, inputs, lambda arrays: rule.compute(arrays, params))


def _tell(rule: Rule, inputs: Sequence[Any], arrays: Sequence[Any], y: Tensor) -> None:
    with Step(RULE, rule):  # the work of observers is part of the rule's step, too
        for observer in observers.get():
            observer.applied(rule, inputs, arrays, y)


def _complex(what: str) -> TypeError:
    return TypeError(
        f"{what} gives complex numbers, and a gradient is wanted of them: the rules differentiate real numbers alone. "
        "Compute with the real and the imaginary part as two Tensors, or use .detach() where no gradient is needed"
    )


def _not_of_numpy(data: Any, rule: Rule, inputs: tuple[Any, ...]) -> Any:
    """Return a Python number as an array; a device's array as it is, provided all operands were on that device."""
    if not hasattr(data, "base"):
        return np.asarray(data)
    # CuPy accepts some operands of the host, such as scalars, but their gradient would stay on the device.
    error = _mixing_error(rule, inputs)
    if error is not None:
        raise error
    return data


def _mixing_error(rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...] = ()) -> DeviceError | None:
    """Return the error for operands of a rule on different devices, or None. An index may be on any device."""
    operands = {f"input {i}" + (f", {x.name!r}" if getattr(x, "name", None) else ""): x for i, x in enumerate(inputs)}
    others = {name: p for name, p in zip(rule.params, params, strict=True) if name != "index"} if params else {}
    return mixing_error(rule.name, operands | others)


def _share_memory(y: Tensor, base: Any, inputs: tuple[Any, ...]) -> None:
    """Let a view, such as a transpose, and the Tensor it shows share one record of changes in place."""
    for x in inputs:
        if isinstance(x, Tensor) and (x._data is y._data or x._data is base or x._data.base is base):
            y.memory = x.shared_memory()
            y._taken = y.memory.changed


def _parameter(rule: Rule, i: int, value: Tensor) -> Any:
    if value.requires_grad and is_recording():
        raise TypeError(
            f"{rule.name} has no derivative by {rule.params[i]!r}, so a Tensor that requires a gradient would lose it "
            "there: pass .numpy() if that is meant"
        )
    return value._data.copy()  # it may be changed before the backward pass reads it


def constant(data: Any) -> Tensor:
    """Return a Tensor without history that holds a raw array; nothing is checked."""
    y = Tensor.__new__(Tensor)
    y._data = data
    y._requires_grad = False
    y.operation = None
    y.memory = y._grad = y.name = None
    return y


def _raw_index(index: Any) -> Any:
    """Return an index with its Tensors and lists as arrays, copied: the user may change theirs before a sweep."""
    if isinstance(index, tuple):
        return tuple(_raw_index(list(part) if isinstance(part, tuple) else part) for part in index)
    index = raw(index)
    if device_of(index) != "cpu":
        return index.copy()
    if issubclass(type(index), (list, np.ndarray)):
        index = np.array(raw_tree(index))
        # NumPy makes floats of an empty list, but an index needs integers; an empty mask stays a mask.
        return index.astype(int) if index.dtype.kind == "f" and not index.size else index
    return index


def cotangent(gradient: Any, y: Tensor, keep_history: bool, name: str = "gradient") -> Any:
    """Check a given cotangent (or tangent) of ``y``, and return it: a Tensor if its history is kept, else an array."""
    if not isinstance(gradient, Tensor):
        gradient = constant(as_array(gradient, None if hasattr(gradient, "dtype") else y.dtype))
    g = gradient
    if g.dtype.kind == "c":
        raise _complex(f"the {name}")
    if g.device != y.device:
        raise DeviceError(
            f"the {name} is on {g.device!r}, but the Tensor it is for on {y.device!r}: move it there with .to"
        )
    if g.shape != y.shape:
        raise ShapeError(f"the {name} has shape {g.shape}, but the Tensor it is for has shape {y.shape}")
    if g.dtype != y.dtype:
        g = g.astype(y.dtype)
    return g if keep_history else g._data


def _expect_floating(dtype: np.dtype[Any]) -> None:
    if dtype.kind != "f":
        raise TypeError(f"only real floating numbers can require a gradient, not {dtype}: pass dtype='float32'")


def _number(x: Tensor) -> Any:
    """Return the only element of a Tensor as a Python number; tell the user if a gradient is lost thereby.

    Raises
    ------
    TypeError
        If a gradient could still flow through the Tensor, inside a function that is being differentiated.

    Warns
    -----
    GradientWarning
        If a gradient could still flow through the Tensor, elsewhere.
    """
    number = x.item()
    if not x._could_lose_gradient():
        return number
    if Evaluation.current.get() is not None:
        raise TypeError(
            "a Tensor that is being differentiated would lose its gradient as a number of Python's: use NumPy's "
            "functions, such as np.exp for math.exp, and np.stack in place of a[i] = x; or .item() if that is meant"
        )
    warnings.warn(
        "a Tensor that requires a gradient was turned into a number of Python's, through which no gradient flows: use "
        ".item() to say that this is meant, or NumPy's functions, such as np.exp for math.exp",
        GradientWarning,
        stacklevel=frames_to_user(),
    )
    return number
