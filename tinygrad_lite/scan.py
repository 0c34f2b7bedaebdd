"""Scan: a loop whose steps pass on a state, such as a recurrent net that reads a sequence.

Examples
--------
The sums of the first numbers, the first two, and so on:

>>> import numpy as np
>>> import tinygrad_lite as tg
>>> state, ys = scan(lambda total, x: (total + x, total + x), 0.0, np.array([1.0, 2.0, 3.0], dtype="float32"))
>>> state, ys
(Tensor(6., dtype=float32), Tensor([1., 3., 6.], dtype=float32))
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from .arrays import raw
from .changes import clock
from .engine import is_recording
from .errors import ShapeError
from .joint import joint
from .paths import older_than, sweep_to
from .recompute import Recomputed, has_gradient
from .tensor import Tensor, constant
from .transforms import leaves, mapped, new_source

State = TypeVar("State")
Y = TypeVar("Y")


def scan(f: Callable[[State, Any], tuple[State, Y]], state: Any, xs: Any) -> tuple[State, Y]:
    """Apply a function step by step: ``state, y = f(state, x)`` for each ``x`` of ``xs``.

    Parameters
    ----------
    f : callable
        Takes the state and the input of a step; returns the next state, of the same shapes and types, and an output.
    state : Tensor, array or number, or a container of them
        The state before the first step.
    xs : Tensor or array, or a container of them
        The inputs of all steps, stacked along axis 0. Arrays are constants.

    Returns
    -------
    state
        The state after the last step.
    ys
        The outputs of all steps, stacked along axis 0.

    Raises
    ------
    ShapeError
        If ``xs`` have no step, or different numbers of steps; if the state or the output changes its shapes or types.
    TypeError
        If ``f`` does not return a pair.

    Notes
    -----
    In a jitted function ``f`` is called once, for the recording, and the program has a loop, and another one for the
    derivative. So ``f`` must not count or collect outside of itself. A second derivative is that of the loop written
    out, step by step; so is a scan within the step of another one. An ONNX file has a loop as the operator Scan.

    Examples
    --------
    >>> def step(total, x):
    ...     total = total + x
    ...     return total, total
    >>> last, totals = tg.scan(step, 0.0, np.array([1.0, 2.0, 3.0]))
    >>> last.item(), totals.tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    # Arrays among the inputs stay constants, which adapt to the types of Tensors.
    state, xs = mapped(_tensor, state), mapped(lambda x: x if hasattr(x, "shape") else Tensor(x), xs)
    shapes = [x.shape for x in leaves(xs)]
    lengths = {shape[:1] for shape in shapes}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        raise ShapeError(
            f"scan: xs have the shapes {shapes}, but axis 0 counts the steps: give all the same "
            "length there, of at least 1"
        )
    of_recording = (getattr(raw(x), "__loop__", None) for x in (*leaves(state), *leaves(xs)))
    loop = next(filter(None, of_recording), None) if shapes[0][0] > 1 else None
    return _written_out(f, state, xs) if loop is None else _InProgram(f, state, xs, loop).first()


def _written_out(f: Any, state: Any, xs: Any) -> tuple[Any, Any]:
    """Return what `scan` returns, from one step after the other."""
    ys: list[Any] = []
    for t in range(len(leaves(xs)[0])):
        before, (state, y) = state, _pair(f(state, mapped(lambda x, t=t: x[t], xs)))
        _expect_alike("state", t, before, state)
        _expect_alike("output", t, ys[0] if ys else y, y)
        ys.append(y)
    return state, mapped(lambda *parts: np.stack(parts), *ys)


class _InProgram(Recomputed):
    """A scan that is being recorded: the program has the step once, in a loop, and its derivative in another one.

    A second derivative needs the first one as a graph, so it is that of the loop written out.
    """

    def __init__(self, f: Any, state: Any, xs: Any, loop: Any) -> None:
        super().__init__(partial(_written_out, f), (state, xs), {})
        self.step, self.loop = f, loop

    def first(self) -> tuple[Any, Any]:
        """Record the loop; return its results, with one operation for their history."""
        start = clock.tick()
        (state, xs), _ = self.given
        self.forward = self.loop(self._recorded, [x._data for x in leaves(state)], [raw(x) for x in leaves(xs)])
        self.found = older_than(self.ends, start, but=frozenset(self.starts))
        self.inputs = [x for x in (*leaves(state), *leaves(xs)) if has_gradient(x)]
        self.takes_state = [has_gradient(x) for x in leaves(state)]
        results = [constant(y) for y in (*self.forward.carried, *self.forward.ys)]
        self.chosen = [k for k, y in enumerate(self.ends) if y.requires_grad and (self.inputs or self.found)]
        self.expected = [results[k]._data for k in self.chosen]
        outputs = [results[k] for k in self.chosen]
        for k, y in zip(self.chosen, joint("scan", [*self.inputs, *self.found], outputs, self.pull_back), strict=True):
            results[k] = y
        count = len(self.forward.carried)
        return _filled(state, results[:count]), _filled(self.y, results[count:])

    def _recorded(self, carried: list[Any], parts: list[Any]) -> tuple[list[Any], list[Any]]:
        """Evaluate the step for the recording: with a source for each value by which its derivative is taken."""
        (state, xs), _ = self.given

        def source(array: Any, has_gradient: bool) -> Any:
            return new_source(constant(array), keep_history=False) if has_gradient else constant(array)

        # A state that starts as a constant may depend on parameters after a step.
        states = [source(a, is_recording() and a.dtype.kind == "f") for a in carried]
        inputs = [
            source(a, has_gradient(x) and is_recording()) if isinstance(x, Tensor) else a
            for a, x in zip(parts, leaves(xs), strict=True)
        ]
        before = _filled(state, states)
        new, self.y = _pair(self.step(before, _filled(xs, inputs)))
        _expect_alike("state", 0, before, new)
        self.states = states
        self.starts = [x for x in (*states, *inputs) if has_gradient(x)]
        self.ends = [*leaves(new), *leaves(self.y)]
        return [x._data for x in leaves(new)], [x._data for x in leaves(self.y)]

    def pull_back(self, gs: Any, as_nodes: bool) -> list[Any]:
        """Return the cotangent of each input, from a loop that runs backwards."""
        if self.forward.recorder.noted is not None:  # within the step of another loop
            return self._of_written_out(gs, as_nodes)
        cotangents = self._by_loop(dict(zip(self.chosen, map(raw, gs), strict=True)))
        if not as_nodes:
            return cotangents
        again = Recomputed(partial(self._of_written_out, as_nodes=True), (gs,), {})
        again.chosen, again.expected = [*range(len(cotangents))], cotangents
        again.found = [*dict.fromkeys([*self.inputs, *self.found])]
        return joint(
            "scan", [*filter(has_gradient, gs), *again.found], [constant(g) for g in cotangents], again.pull_back
        )

    def _of_written_out(self, gs: Any, as_nodes: bool) -> list[Any]:
        """Return the cotangent of each input, from the loop written out."""
        found = zip(super()._pull_back(gs, as_nodes), [*self.inputs, *self.found], strict=True)
        return [_or_zeros(g, x) for g, x in found]

    def _by_loop(self, given: dict[int, Any]) -> list[Any]:
        """Return the cotangents, from those of the results by their numbers.

        The cotangents of the state are carried from step to step, and so are the sums of those of parameters.
        """
        count, of_states = len(self.states), [k for k, x in enumerate(self.states) if has_gradient(x)]
        of_outputs = [k for k, g in given.items() if k >= count and g is not None]
        n = len(of_states)

        def step(carried: list[Any], parts: list[Any]) -> tuple[list[Any], list[Any]]:
            pairs = zip([*of_states, *of_outputs], [*carried[:n], *parts], strict=True)
            reached = [(self.ends[k], g) for k, g in pairs if self.ends[k].requires_grad]
            found = sweep_to([y for y, _ in reached], [g for _, g in reached], [*self.starts, *self.found])
            slopes = [_or_zeros(found.get(x), x._data) for x in self.starts]
            sums = [total + found[x] if x in found else total for total, x in zip(carried[n:], self.found, strict=True)]
            return [*slopes[:n], *sums], slopes[n:]

        ends = [_or_zeros(given.get(k), self.forward.carried[k]) for k in of_states]
        zeros = [np.zeros_like(x._data) for x in self.found]
        loop = self.loop(step, [*ends, *zeros], [given[k] for k in of_outputs], self.forward)
        of_states_given = [g for k, g in zip(of_states, loop.carried, strict=False) if self.takes_state[k]]
        return [*of_states_given, *loop.ys, *loop.carried[n:]]


def _filled(like: Any, parts: Any) -> Any:
    """Return a container with other parts."""
    remaining = iter(parts)
    return mapped(lambda x: next(remaining), like)


def _or_zeros(g: Any, like: Any) -> Any:
    return np.zeros_like(like) if g is None else g


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(x)


def _kind(x: Tensor) -> tuple[Any, Any]:
    return x._data.dtype, x._data.shape


def _pair(result: Any) -> tuple[Any, Any]:
    """Return what a step has returned, with Tensors for arrays and numbers."""
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"scan: a step returns a pair, the next state and an output, not {type(result).__name__}: write return "
            "state, state if they are the same"
        )
    return mapped(_tensor, result[0]), mapped(_tensor, result[1])


def _expect_alike(what: str, t: int, before: Any, after: Any) -> None:
    """Raise if a state or an output has other shapes or types than that of the step before."""
    if mapped(_kind, before) != mapped(_kind, after):
        was, is_now = (mapped(lambda x: f"{x.dtype} {x.shape}", x) for x in (before, after))
        raise ShapeError(f"scan: the {what} keeps its structure, shapes and types, but step {t} made {is_now} of {was}")
