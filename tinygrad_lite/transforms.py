"""Functions of functions: gradients, products with the Jacobian, the Jacobian itself, the Hessian.

Each takes a function of Tensors that returns a Tensor, and may be applied again to the function that another one
returns. All use the same sweep: to differentiate a derivative, Tensors instead of arrays flow through the rules.

An argument may be a container of arrays, such as the list of a net's parameters: a list, tuple or dictionary, which may
be nested. The derivative by it is a container of the same structure. A list of nothing but numbers is an array.

Examples
--------
Derivatives may be nested. The inner one differentiates x·y by y alone, at y = x. Its value is x. So f(x) is x², and
the outer derivative is 2x: 6 at x = 3. If the inner one took the x in x·y for y as well, its value would be 2x, and the
outer one would be 12. That error is called perturbation confusion. It cannot happen, since each evaluation gives its
arguments new nodes: the inner sweep ends at the node of y, and the node of x is a constant to it.

>>> import tinygrad_lite as tg
>>> def f(x):
...     slope = tg.grad(lambda y: x * y)(x)
...     return x * slope
>>> tg.grad(f)(3.0)
Tensor(6., dtype=float32)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import wraps
from numbers import Integral
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from .arrays import ArrayLike, as_array, get_default_dtype
from .checks import cotangent
from .conversions import Evaluation
from .engine import Operation, is_recording, recording
from .errors import GraphError, ShapeError
from .paths import depends_on_others, is_leaf_of, sweep_to
from .rules import elementwise
from .rules.composed import pieces
from .support.devices import on_device_of
from .tensor import Tensor, constant

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]
P = ParamSpec("P")
X = TypeVar("X")
# A function of an X, and one that returns an X: a gradient has the type of the argument. A call may give any array.
Of = Callable[Concatenate[X, P], Any]
Returning = Callable[Concatenate[ArrayLike, P], X]


@overload
def grad(f: Of[X, P]) -> Returning[P, X]: ...


@overload
def grad(f: Callable[P, Any], argnums: Argnums) -> Callable[P, Any]: ...


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes the gradient of ``f``.

    Parameters
    ----------
    f : callable
        Takes Tensors (arrays and floats become Tensors), returns a Tensor of one element.
    argnums : int or tuple of int
        The arguments to differentiate by: arrays, or lists, tuples and dictionaries of arrays.

    Returns
    -------
    callable
        Takes the arguments of ``f``; returns a Tensor of the argument's shape, for a container one of the same
        structure, and for several ``argnums`` a tuple. The gradient by an argument that ``f`` does not use is 0.

    Raises
    ------
    GraphError
        When called, if ``f`` returns several numbers (use `jacobian` for those).
    TypeError
        When called, if ``f`` returns no number, or one that was taken out of the graph, or if an argument has no
        floating type.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> second = tg.grad(tg.grad(lambda x: x**3))
    >>> second(2.0)
    Tensor(12., dtype=float32)
    >>> tg.grad(lambda p: (p["w"] * 3.0 + p["b"]).sum())({"w": tg.Tensor([1.0, 2.0]), "b": tg.Tensor(0.5)})
    {'w': Tensor([3., 3.], dtype=float32), 'b': Tensor(2., dtype=float32)}
    """
    both = value_and_grad(f, argnums)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


@overload
def value_and_grad(f: Of[X, P]) -> Returning[P, tuple[Tensor, X]]: ...


@overload
def value_and_grad(f: Callable[P, Any], argnums: Argnums) -> Callable[P, tuple[Tensor, Any]]: ...


def value_and_grad(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes both the value of ``f`` and its gradient; arguments as for `grad`.

    Examples
    --------
    >>> loss_and_slope = tg.value_and_grad(lambda w: (w - 1.0) ** 2)
    >>> loss_and_slope(4.0)
    (Tensor(9., dtype=float32), Tensor(6., dtype=float32))
    """

    @wraps(f)
    def both(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        trace = _Trace(f, args, kwargs, argnums)
        if trace.y.size != 1:
            raise GraphError(
                f"grad needs a function that returns one number, but {_name(f)} returned shape {trace.y.shape}: "
                "reduce it, for example by .sum() or .mean(), or use jacobian"
            )
        return trace.value(), trace.unpack(trace.pull_back(np.ones_like(trace.y._data), trace.y))

    return both


@overload
def vjp(f: Function) -> Callable[..., tuple[Tensor, Function]]: ...


@overload
def vjp(f: Function, primal: Tensor | NDArray[Any] | float, /) -> tuple[Tensor, Callable[[ArrayLike], Tensor]]: ...


@overload
def vjp(f: Function, *primals: Any) -> tuple[Tensor, Function]: ...


def vjp(f: Function, *primals: Any) -> Any:
    """Compute ``f`` and a function for the product of a cotangent with its Jacobian.

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor.
    *primals : array-like
        The point where to differentiate. Without any, ``vjp(f)`` is the function that takes them.

    Returns
    -------
    y : Tensor
        ``f(*primals)``.
    pull_back : callable
        Takes a cotangent of the shape of ``y``; returns one cotangent for each of ``primals`` (a tuple if there are
        several). It can be called any number of times.

    Examples
    --------
    >>> y, pull_back = tg.vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> y
    Tensor([1., 4.], dtype=float64)
    >>> pull_back(np.array([1.0, 0.0])), pull_back(np.array([0.0, 1.0]))  # the rows of the Jacobian
    (Tensor([2., 0.], dtype=float64), Tensor([0., 4.], dtype=float64))
    """
    if not primals:
        return lambda *args: vjp(f, *args)
    trace = _Trace(f, primals, {}, 0 if len(primals) == 1 else tuple(range(len(primals))))
    return trace.value(), lambda g: trace.unpack(trace.pull_back(g, trace.y))


@overload
def jvp(f: Function) -> Callable[[Any, Any], tuple[Tensor, Tensor]]: ...


@overload
def jvp(f: Function, primals: Any, tangents: Any) -> tuple[Tensor, Tensor]: ...


def jvp(f: Function, primals: Any = None, tangents: Any = None) -> Any:
    """Compute ``f`` and the product of its Jacobian with tangents: the derivative in a direction.

    The product with the transposed Jacobian, g ↦ Jᵀg, is linear in g; transposing it once more gives v ↦ Jv. So the
    rules for gradients suffice (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor.
    primals, tangents : array-like or tuple of array-like
        The point where to differentiate, and the direction: of the same shapes; containers of the same structure.
        Without them, ``jvp(f)`` is the function that takes them.

    Returns
    -------
    y, dy : Tensor
        ``f(*primals)``, and its derivative along ``tangents``, of the same shape.

    Examples
    --------
    >>> y, dy = tg.jvp(lambda x: x * x, np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    >>> y, dy
    (Tensor([1., 4.], dtype=float64), Tensor([2., 0.], dtype=float64))
    """
    if primals is None:
        return lambda primals, tangents: jvp(f, primals, tangents)
    primals, tangents = (x if type(x) is tuple else (x,) for x in (primals, tangents))
    if len(primals) != len(tangents):
        raise ShapeError(f"jvp needs one tangent for each primal: got {len(tangents)} for {len(primals)}")
    trace = _Trace(f, primals, {}, tuple(range(len(primals))))
    given: list[Any] = []
    for x, v in zip(primals, tangents, strict=True):
        mapped(lambda _, part: given.append(part), x, v)
    directions = [cotangent(v, x, True, name="tangent") for v, x in zip(given, trace.sources, strict=True)]
    keep_history = is_recording()
    with recording(True):
        u = new_source(np.zeros_like(trace.y._data))
        pulled = sweep_to([trace.y], [u], trace.sources, as_nodes=True) if trace.y.requires_grad else {}
        reached = [(pulled[x], v) for x, v in zip(trace.sources, directions, strict=True) if x in pulled]
        outputs, seeds = [x for x, _ in reached], [v for _, v in reached]
        dy = sweep_to(outputs, seeds, [u], as_nodes=True).get(u, constant(np.zeros_like(trace.y._data)))
    if not (keep_history and depends_on_others([dy], [*trace.sources, u])):
        dy = dy.detach()
    return trace.value(), dy


@overload
def jacobian(f: Of[X, P]) -> Returning[P, X]: ...


@overload
def jacobian(f: Callable[P, Any], argnums: Argnums) -> Callable[P, Any]: ...


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes every partial derivative of every output.

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor.
    argnums : int or tuple of int
        The arguments to differentiate by.

    Returns
    -------
    callable
        Takes the arguments of ``f``; returns a Tensor of shape ``y.shape + x.shape``, or a tuple of them. It sweeps
        once for each element of ``y``.

    Examples
    --------
    >>> tg.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], dtype=float64)
    """

    @wraps(f)
    def all_partials(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(f, args, kwargs, argnums)
        return trace.partials(trace.y)

    return all_partials


def hessian(f: Callable[P, Any], argnums: Argnums = 0) -> Callable[P, Any]:
    """Return the function that computes every second partial derivative of a function with one output.

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor of one element.
    argnums : int or tuple of int
        The arguments to differentiate by.

    Returns
    -------
    callable
        Takes the arguments of ``f``; returns a Tensor of shape ``x.shape + x.shape``. For a tuple of arguments it
        returns a tuple of tuples: ``[i][j]`` is the derivative by argument ``i``, then ``j``. For a container likewise:
        ``["w"]["b"]`` is the derivative by ``w``, then ``b``.

    Examples
    --------
    >>> tg.hessian(lambda x: x[0] * x[0] * x[1])(np.array([1.0, 2.0]))
    Tensor([[4., 2.],
            [2., 0.]], dtype=float64)
    """
    gradient = grad(f, argnums)

    @wraps(f)
    def all_second_partials(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(gradient, args, kwargs, argnums, results=leaves)
        return trace.unpack([trace.partials(slope) for slope in trace.ys])

    return all_second_partials


def _stacked(rows: list[Tensor], y: Tensor, x: Tensor) -> Tensor:
    """Return the derivatives of each element of ``y`` by ``x`` as one Tensor."""
    if not rows:
        return constant(on_device_of(y._data, np.zeros(y.shape + x.shape, y.dtype)))
    stacked: Tensor = pieces.stack(rows)
    return stacked.reshape(y.shape + x.shape)


def _chosen(f: Function, args: tuple[Any, ...], argnums: Argnums) -> list[Any]:
    """Return the arguments to differentiate by."""
    numbers = _numbers(argnums)
    for number in numbers:
        if not isinstance(number, Integral):
            raise TypeError(f"argnums are the numbers of arguments, such as 0 or (0, 1), not {argnums!r}")
        if not -len(args) <= number < len(args):
            raise TypeError(f"argnums names argument {number} of {_name(f)}, but the call has {len(args)}")
    if len({number % len(args) for number in numbers}) < len(numbers):
        raise TypeError(f"argnums names an argument twice: {argnums!r}")
    return [args[number] for number in numbers]


def _numbers(argnums: Argnums) -> tuple[int, ...]:
    return argnums if isinstance(argnums, (tuple, list)) else (argnums,)


def _unpacked(results: list[Any], chosen: list[Any], argnums: Argnums) -> Any:
    """Return the result for one argument number, or a tuple for a tuple, in containers like the arguments'."""
    remaining = iter(results)
    unpacked = tuple(mapped(lambda x: next(remaining), x) for x in chosen)
    return unpacked if isinstance(argnums, (tuple, list)) else unpacked[0]


def _is_container(x: Any) -> bool:
    """Return whether an argument is a container of arrays; a list of nothing but numbers is an array itself."""
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return not x or any(_is_container(part) or (hasattr(part, "shape") and not np.isscalar(part)) for part in x)
    return isinstance(x, (dict, tuple))


def mapped(f: Callable[..., Any], x: Any, *others: Any) -> Any:
    """Return a container like ``x`` with a function applied to its arrays; a None, such as for no bias, stays.

    Others are containers of the same structure: the function takes their parts, too, at the place of each array.

    Raises
    ------
    ShapeError
        If another one has another structure.
    """
    if x is None or not _is_container(x):
        return x if x is None else f(x, *others)
    for other in others:
        same_kind = isinstance(other, dict) if isinstance(x, dict) else isinstance(other, (list, tuple))
        if not same_kind or {*_keys(x)} != {*_keys(other)}:
            raise ShapeError(
                f"the tangent of a container must have the same structure, but that of {x!r:.60} is {other!r:.60}"
            )
    parts = {key: mapped(f, x[key], *(other[key] for other in others)) for key in _keys(x)}
    if isinstance(x, dict):
        like_x = copy.copy(x)
        like_x.update(parts)
        return like_x
    return type(x)(*parts.values()) if hasattr(x, "_fields") else type(x)(parts.values())


def _keys(container: Any) -> Iterable[Any]:
    return container if isinstance(container, dict) else range(len(container))


def leaves(x: Any) -> list[Any]:
    """Return the arrays of a container (or the one array), in the order of `mapped`."""
    found: list[Any] = []
    mapped(found.append, x)
    return found


class _Trace:
    """One evaluation of a function; the chosen arguments are sources, nodes of their own where a sweep ends.

    ``results`` makes a list of what the function returns, for one that returns a container of Tensors.
    """

    def __init__(
        self,
        f: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: Argnums,
        results: Callable[[Any], list[Any]] = lambda y: [y],
    ) -> None:
        self.argnums = argnums
        self.chosen = _chosen(f, args, argnums)
        self.sources: list[Tensor] = []
        keep_history = is_recording()
        lifted = list(args)

        self.arguments: list[Any] = []

        def lift(x: Any) -> Tensor:
            self.arguments.append(x)
            self.sources.append(new_source(x, keep_history))
            return self.sources[-1]

        with recording(True), Evaluation() as evaluation:
            for number in _numbers(argnums):
                lifted[number] = mapped(lift, args[number])
            y = f(*lifted, **kwargs)
        self.ys = [_result(f, y, evaluation) for y in results(y)]
        self.keep_history = keep_history and depends_on_others(self.ys, self.sources)

    @property
    def y(self) -> Tensor:
        """The only result."""
        (y,) = self.ys
        return y

    def value(self) -> Tensor:
        """Return the value of the function, with its history if that leads to anything outside the function."""
        return self.y if self.keep_history else self.y.detach()

    def pull_back(self, gradient: Any, y: Tensor) -> list[Tensor]:
        """Return the cotangent of each source, given the cotangent of a result."""
        as_nodes = self.keep_history or (isinstance(gradient, Tensor) and gradient.requires_grad)
        seed = cotangent(gradient, y, keep_history=as_nodes)
        found = sweep_to([y], [seed], self.sources, as_nodes=as_nodes) if y.requires_grad else {}
        for x, argument in zip(self.sources, self.arguments, strict=True):
            if x not in found and isinstance(argument, Tensor) and is_leaf_of(argument, y):
                raise GraphError(
                    f"the function reads the Tensor of shape {x.shape} from a closure or a module, not its argument: "
                    "use the argument, or loss.backward() for parameters of a net"
                )
        results = [found[x] if x in found else np.zeros_like(x._data) for x in self.sources]
        return [g if isinstance(g, Tensor) else constant(np.copy(g)) for g in results]

    def partials(self, y: Tensor) -> Any:
        """Return the derivatives of each element of a result by the sources, in the structure of the arguments."""
        basis = on_device_of(y._data, np.eye(y.size, dtype=y.dtype)).reshape(y.size, *y.shape)
        rows = [self.pull_back(e, y) for e in basis]
        return self.unpack([_stacked([row[i] for row in rows], y, x) for i, x in enumerate(self.sources)])

    def unpack(self, results: list[Any]) -> Any:
        """Return results, one for each source, in the structure of the arguments."""
        return _unpacked(results, self.chosen, self.argnums)


def _result(f: Function, y: Any, evaluation: Evaluation) -> Tensor:
    """Return a function's result as a Tensor; a plain number, which depends on no argument, becomes a constant."""
    is_cut_off = evaluation.was_taken and not getattr(y, "requires_grad", False)
    if isinstance(y, Tensor) and not is_cut_off:
        return y
    dtype = getattr(y, "dtype", None) or (np.asarray(y).dtype if np.isscalar(y) else np.dtype(object))
    if dtype.kind in "iuf" and not is_cut_off:
        return constant(as_array(y, get_default_dtype() if dtype.kind != "f" else None))
    reasons = {type(None): "does it end with return?", tuple: "differentiate one result at a time"}
    reason = reasons.get(type(y), "a value taken by .numpy(), .data, .item() or a backward() of its own has no history")
    kind = "one of constants" if isinstance(y, Tensor) else type(y).__name__
    raise TypeError(f"{_name(f)} must return a Tensor to be differentiated, but it returned {kind}: {reason}")


def new_source(x: Any, keep_history: bool = True) -> Tensor:
    """Return a new node for an argument: a sweep ends there, but an outer one goes on to the argument itself."""
    argument = x if isinstance(x, Tensor) else Tensor(x)
    if argument.dtype.kind != "f":
        raise TypeError(
            f"only real floating numbers can be differentiated by, not {argument.dtype}: write 3.0, not 3, or convert "
            "with .astype(np.float32)"
        )
    source = argument.detach()
    source._requires_grad = True
    source.operation = Operation(elementwise.identity, (argument if keep_history else None,), (argument._data,), ())
    return source


def _name(f: Function) -> str:
    return getattr(f, "__name__", repr(f))
