"""Functions of functions: gradients, products with the Jacobian, the Jacobian itself, the Hessian.

Each takes a function of Tensors that returns a Tensor, and each can be applied to what another returned. All rest
on the same sweep: a derivative is differentiated again by letting Tensors, not arrays, flow through the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from .device import beside
from .engine import Operation, depends_on_others, is_recording, recording, sweep
from .errors import GraphError, ShapeError
from .rules import composed, elementwise
from .tensor import Tensor, constant, cotangent

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes the gradient of ``f``.

    Parameters
    ----------
    f : callable
        Takes Tensors (arrays and floats are made into Tensors), returns a Tensor of one element.
    argnums : int or tuple of int
        By which arguments to differentiate.

    Returns
    -------
    callable
        Takes the arguments of ``f``; returns a Tensor of the argument's shape, or a tuple of them.

    Raises
    ------
    GraphError
        When called, if ``f`` returns several numbers (`jacobian` differentiates those).
    TypeError
        When called, if ``f`` returns no Tensor or an argument is not of a floating type.

    Examples
    --------
    >>> import tinygrad_lite as tg
    >>> second = tg.grad(tg.grad(lambda x: x**3))
    >>> second(2.0)
    Tensor(12., dtype=float32)
    """
    both = value_and_grad(f, argnums)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def value_and_grad(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes both the value of ``f`` and its gradient; arguments as for `grad`."""

    @wraps(f)
    def both(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        trace = _Trace(f, args, kwargs, argnums)
        if trace.y.size != 1:
            raise GraphError(
                f"grad needs a function that returns one number, but {_name(f)} returned shape {trace.y.shape}: "
                "reduce it, for example by .sum() or .mean(), or use jacobian"
            )
        return trace.value(), trace.unpack(trace.pull_back(np.ones_like(trace.y.data)))

    return both


def vjp(f: Function, *primals: Any) -> Any:
    """Compute ``f`` and a function for the product of a cotangent with its Jacobian.

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor.
    *primals : array-like
        Where to differentiate. Without any, ``vjp(f)`` is the function that takes them.

    Returns
    -------
    y : Tensor
        ``f(*primals)``.
    pull_back : callable
        Takes a cotangent of the shape of ``y``; returns one cotangent for each of ``primals`` (a tuple if there are
        several). Can be called any number of times.
    """
    if not primals:
        return lambda *args: vjp(f, *args)
    trace = _Trace(f, primals, {}, 0 if len(primals) == 1 else tuple(range(len(primals))))
    return trace.value(), lambda g: trace.unpack(trace.pull_back(g))


def jvp(f: Function, primals: Any = None, tangents: Any = None) -> Any:
    """Compute ``f`` and the product of its Jacobian with tangents: the derivative in a direction.

    The product with the transposed Jacobian, g ↦ Jᵀg, is linear in g; transposing it once more gives v ↦ Jv. So the
    rules for gradients suffice (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor.
    primals, tangents : array-like or tuple of array-like
        Where to differentiate, and in which direction: of the same shapes. Without them, ``jvp(f)`` is the function
        that takes them.

    Returns
    -------
    y, dy : Tensor
        ``f(*primals)``, and its derivative along ``tangents``, of the same shape.
    """
    if primals is None:
        return lambda primals, tangents: jvp(f, primals, tangents)
    primals, tangents = (x if isinstance(x, tuple) else (x,) for x in (primals, tangents))
    if len(primals) != len(tangents):
        raise ShapeError(f"jvp needs one tangent for each primal: got {len(tangents)} for {len(primals)}")
    trace = _Trace(f, primals, {}, tuple(range(len(primals))))
    directions = [cotangent(v, x, True, name="tangent") for v, x in zip(tangents, trace.sources, strict=True)]
    keep_history = is_recording()
    with recording(True):
        u = _source(np.zeros_like(trace.y.data))
        pulled = sweep([trace.y], [u], trace.sources, as_nodes=True) if trace.y.requires_grad else {}
        reached = [(pulled[x], v) for x, v in zip(trace.sources, directions, strict=True) if x in pulled]
        outputs, seeds = [x for x, _ in reached], [v for _, v in reached]
        dy = sweep(outputs, seeds, [u], as_nodes=True).get(u, constant(np.zeros_like(trace.y.data)))
    if not (keep_history and depends_on_others([dy], [*trace.sources, u])):
        dy = dy.detach()
    return trace.value(), dy


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes every partial derivative of every output.

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor.
    argnums : int or tuple of int
        By which arguments to differentiate.

    Returns
    -------
    callable
        Takes the arguments of ``f``; returns a Tensor of shape ``y.shape + x.shape``, or a tuple of them. It sweeps
        once for each element of ``y``.
    """

    @wraps(f)
    def all_partials(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace(f, args, kwargs, argnums)
        y = trace.y
        basis = beside(y.data, np.eye(y.size, dtype=y.dtype)).reshape(y.size, *y.shape)
        rows = [trace.pull_back(e) for e in basis]
        return trace.unpack([_stacked([row[i] for row in rows], y, x) for i, x in enumerate(trace.sources)])

    return all_partials


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes every second partial derivative of a function with one output.

    Parameters
    ----------
    f : callable
        Takes Tensors, returns a Tensor of one element.
    argnums : int or tuple of int
        By which arguments to differentiate.

    Returns
    -------
    callable
        Takes the arguments of ``f``; returns a Tensor of shape ``x.shape + x.shape``, or for a tuple of arguments a
        tuple of tuples, ``[i][j]`` being the derivative by argument ``i``, then ``j``.
    """
    if isinstance(argnums, int):
        return jacobian(grad(f, argnums), argnums)
    rows = [[jacobian(grad(f, i), j) for j in argnums] for i in argnums]
    return wraps(f)(lambda *args, **kwargs: tuple(tuple(g(*args, **kwargs) for g in row) for row in rows))


def _stacked(rows: list[Tensor], y: Tensor, x: Tensor) -> Tensor:
    """Return the derivatives of each element of ``y`` by ``x`` as one Tensor."""
    if not rows:
        return constant(beside(y.data, np.zeros(y.shape + x.shape, y.dtype)))
    stacked: Tensor = composed.stack(rows)
    return stacked.reshape(y.shape + x.shape)


class _Trace:
    """One evaluation of a function, with the chosen arguments as sources to differentiate by."""

    def __init__(self, f: Function, args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Argnums) -> None:
        self.single = isinstance(argnums, int)
        numbers = (argnums,) if isinstance(argnums, int) else argnums
        for number in numbers:
            if not -len(args) <= number < len(args):
                raise TypeError(f"argnums asks for argument {number} of {_name(f)}, but it was given {len(args)}")
        keep_history = is_recording()
        lifted = list(args)
        with recording(True):
            for number in numbers:
                lifted[number] = _source(args[number], keep_history)
            self.sources = [lifted[number] for number in numbers]
            y = f(*lifted, **kwargs)
        if not isinstance(y, Tensor):
            reasons = {type(None): "does it end with return?", tuple: "one at a time"}
            reason = reasons.get(type(y), "a value taken by .numpy() or .item(), or by Python's math, has no history")
            raise TypeError(
                f"{_name(f)} must return a Tensor to be differentiated, but it returned {type(y).__name__}: {reason}"
            )
        self.y = y
        self.keep_history = keep_history and depends_on_others([y], self.sources)

    def value(self) -> Tensor:
        """Return the value of the function, with its history if anyone outside can ask for it."""
        return self.y if self.keep_history else self.y.detach()

    def pull_back(self, gradient: Any) -> list[Tensor]:
        """Return the cotangent of each source, given that of the value."""
        as_nodes = self.keep_history or (isinstance(gradient, Tensor) and gradient.requires_grad)
        seed = cotangent(gradient, self.y, keep_history=as_nodes)
        found = sweep([self.y], [seed], self.sources, as_nodes=as_nodes) if self.y.requires_grad else {}
        results = [found[x] if x in found else np.zeros_like(x.data) for x in self.sources]
        return [g if isinstance(g, Tensor) else constant(np.copy(g)) for g in results]

    def unpack(self, results: list[Tensor]) -> Any:
        """Return one result for one argument number, a tuple for a tuple."""
        return results[0] if self.single else tuple(results)


def _source(x: Any, keep_history: bool = True) -> Tensor:
    """Return a Tensor that stands for an argument: the end of a sweep, and linked to what the argument came from."""
    argument = x if isinstance(x, Tensor) else Tensor(x)
    if argument.dtype.kind != "f":
        raise TypeError(
            f"only real floating numbers can be differentiated by, not {argument.dtype}: write 3.0, not 3, or convert "
            "with .astype(np.float32)"
        )
    source = argument.detach()
    source.requires_grad = True
    source.operation = Operation(elementwise.identity, (argument if keep_history else None,), (argument.data,), ())
    return source


def _name(f: Function) -> str:
    return getattr(f, "__name__", repr(f))
