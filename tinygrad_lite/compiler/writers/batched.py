"""A model's program for batches of any length, from which each writer starts.

A model is recorded twice, with batches of two lengths, and the two recordings are compared instruction by instruction:
a number that differs depends on the batch. A model that computes by other steps for other batches is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from ...arrays import raw
from ...nn import Module
from ...rules import Rule
from ...rules import all as all_rules
from ...support.call_stack import users_line
from ...support.devices import is_array, to_device
from ...support.observer import MODULE, under_way
from ...tensor import Tensor
from .. import primitives
from ..passes import simplify
from ..primitives import Primitive
from ..program import Instruction, Variable, substituted
from ..recorder import Recorder
from ..recording import Recording, record, recording_lock
from ..traced import variable_of
from ..tracer import Tracer
from .lengths import BATCHES, Length, at, mapped, plain, varies

_AS_TEXT = (np.array2string, np.array_repr, np.array_str)


@dataclass(frozen=True)
class Batched:
    """A model's program, in which the lengths that depend on the batch are marked.

    Attributes
    ----------
    instructions : tuple of Instruction
        The instructions. Shapes and indices may contain a `Length`.
    inputs : tuple of Variable
        The arguments of the model.
    constants : dict of Variable to array or Length
        The other values it reads: parameters, buffers, arrays; and numbers that depend on the batch.
    names : dict of Variable to str
        The paths of the constants that have one.
    outputs : dict of str to Variable, array or number
        The outputs of the model, by name.
    shapes : dict of Variable to tuple of int and Length
        The shape of each array.
    origins : dict of Variable to tuple of three str
        For each result, the user's line that computes it, and its rule and the path of its module, if any.
    """

    instructions: tuple[Instruction, ...]
    inputs: tuple[Variable, ...]
    constants: dict[Variable, Any]
    names: dict[Variable, str]
    outputs: dict[str, Any]
    shapes: dict[Variable, tuple[Any, ...]]
    origins: dict[Variable, tuple[str, str, str]]
    _axes: dict[Any, tuple[Variable, int]] = field(default_factory=dict)

    def defined(self, variable: Variable) -> None:
        """Note that a variable has been computed, so that lengths can be read from its shape."""
        for axis, n in enumerate(self.shapes[variable]):
            if isinstance(n, Length):
                self._axes.setdefault(n.values, (variable, axis))

    def axis_of(self, length: Length) -> tuple[Variable, int, int] | None:
        """Return where to read a length: a variable, one of its axes, and a factor for the length of that axis."""
        if length.values in self._axes:
            return (*self._axes[length.values], 1)
        return (*self._axes[BATCHES], length.factor) if length.factor else None


def batched(model: Module, samples: tuple[Any, ...], units: Collection[str]) -> Batched:
    """Record a model's program for batches of any length.

    Parameters
    ----------
    model : Module
        The model, in the mode (training or evaluation) that the program should have.
    samples : tuple of array or Tensor
        The arguments of the model; axis 0 is the batch.
    units : collection of str
        The rules that become one instruction each; other rules become the instructions of their forward expression.

    Raises
    ------
    JitError
        If the model cannot be made a program, or only one for certain batch lengths.
    """
    recorders: list[_BatchRecorder] = [_BatchRecorder(model, None)]
    recorders.append(_BatchRecorder(model, recorders[0]))
    recordings = []
    for recorder, n in zip(recorders, BATCHES, strict=True):
        with recording_lock, _units(recorder, units):
            recordings.append(record(model, tuple(rows(x, n) for x in samples), {}, recorder))
    recording = recordings[1]
    outputs = recorders[1].outputs(*(leaves(recording.returned, "output") for recording in recordings))
    return _finished(model, recording, recorders[1], len(samples), outputs)


def rows(x: Any, n: int) -> Any:
    """Return a batch of ``n`` rows, which repeats the rows of ``x``."""
    return x[np.arange(n) % len(x)]


def leaves(outputs: Any, name: str) -> dict[str, Any]:
    """Return the arrays in nested tuples, lists and dictionaries, by name."""
    if isinstance(outputs, (tuple, list, dict)):
        items = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
        return {k: y for key, output in items for k, y in leaves(output, f"{name}.{key}").items()}
    return {name: outputs}


def _finished(
    model: Module, recording: Recording, recorder: _BatchRecorder, count: int, outputs: dict[str, Any]
) -> Batched:
    """Simplify a recording, and compute results that only depend on constants."""
    program = recording.program
    found = {x: source if is_array(source) else source.place.get() for x, source in recording.sources.items()}
    variables = {id(array): x for x, array in found.items()}
    # A shared parameter gets the first of its paths.
    paths = {id(raw(x)): path for path, x in reversed([*model._named_tensors()])}
    inputs = program.inputs[:count]
    known = {x: to_device(array, "cpu") for x, array in found.items() if x not in inputs}
    results = tuple(variables.get(id(raw(y)), raw(y)) for y in outputs.values())
    program = simplify(replace(program, outputs=results, updates=()))
    instructions = []
    for i in program.instructions:
        is_only_for_now = i.primitive is primitives.to or (i.primitive.has_effect and not i.primitive.is_statement)
        if is_only_for_now or varies((i.operands, dict(i.params))) or not all(x in known for x in i.reads):
            instructions.append(i)
        else:
            known[i.result] = i.primitive.compute(*substituted(i.operands, known), **i.params)
    return Batched(
        instructions=tuple(instructions),
        inputs=inputs,
        constants=known | {length.variable: length for length in recorder.lengths.values()},
        names={x: paths[id(array)] for x, array in found.items() if id(array) in paths},
        outputs=dict(zip(outputs, program.outputs, strict=True)),
        shapes=recorder.shapes,
        origins=recorder.origins,
    )


@contextmanager
def _units(recorder: _BatchRecorder, names: Collection[str]) -> Iterator[None]:
    """Record some rules as one instruction each within a ``with`` block, instead of by their forward expression."""
    with ExitStack() as restored:
        for rule in [rule for rule in all_rules() if rule.name in names]:
            restored.callback(object.__setattr__, rule, "forward", rule.forward)
            object.__setattr__(rule, "forward", _as_unit(recorder, rule))
        yield


def _as_unit(recorder: _BatchRecorder, rule: Rule) -> Callable[..., Any]:
    primitive = Primitive(rule.name, rule.forward, rule.name)

    def unit(*args: Any, **params: Any) -> Any:
        # Other threads may use the rule on arrays meanwhile.
        if not any(isinstance(x, Tracer) and x.recorder is recorder for x in args):
            return primitive.compute(*args, **params)
        count = len(args) if rule.variadic else len(rule.inputs)
        return recorder.record(primitive, *args[:count], **dict(zip(rule.params, args[count:], strict=False)), **params)

    return unit


class _BatchRecorder(Recorder):
    """Records a model for one batch; the second recorder compares with the first and marks lengths of the batch.

    Attributes
    ----------
    lengths : dict of tuple to Length
        The lengths so far, by their two values.
    shapes, origins : dict
        As in `Batched`.
    """

    def __init__(self, model: Module, first: _BatchRecorder | None) -> None:
        super().__init__()
        self.first = first
        self._paths = {id(module): path for path, module in model.named_modules()}
        self.lengths: dict[Any, Length] = {BATCHES: Length(self, BATCHES)}
        self.shapes: dict[Variable, tuple[Any, ...]] = {}
        self.origins: dict[Variable, tuple[str, str, str]] = {}
        self._lifted: list[Variable] = []
        self._counterparts: dict[Variable, Variable] = {}

    def traced(self, variable: Variable, value: Any, base: Tracer | None = None) -> Tracer:
        """Return the tracer of an array; its shape marks the lengths that depend on the batch."""
        return _BatchTracer(self, variable, value, base)

    def lift(self, value: Any, name: str, is_given: bool = True, is_constant: bool = False) -> Any:
        """Return a tracer for an input."""
        tracer = super().lift(value, name, is_given, is_constant)
        tracer.variable.is_moderate = None  # so that no factor moves: the file must round as the model
        self._lifted.append(tracer.variable)
        if self.first is not None:
            self._pair(self.first._lifted[len(self._lifted) - 1], tracer.variable)
        return tracer

    def record(self, primitive: Primitive, *operands: Any, **params: Any) -> Any:
        """Compute one primitive with lengths as plain numbers, and write it down; `written` marks the lengths."""
        return super().record(primitive, *plain(operands), **plain(params))

    def written(self, primitive: Primitive, operands: tuple[Any, ...], params: dict[str, Any], value: Any) -> Any:
        """Write down a primitive, with a `Length` for each number that differs between the recordings."""
        traced = super().written(primitive, operands, params, value)
        if self.first is not None:
            new, i = self.instructions[-1], len(self.instructions) - 1
            if len(self.first.instructions) <= i:
                self._refuse_other_steps()
            self.instructions[-1] = self._marked(self.first.instructions[i], new)
        return traced

    def _marked(self, old: Instruction, new: Instruction) -> Instruction:
        if (old.primitive.name, len(old.operands)) != (new.primitive.name, len(new.operands)):
            self._refuse_other_steps()
        modules = (self._paths.get(id(step.of), "") for step in under_way() if step.kind == MODULE)
        path = next(filter(None, modules), "")
        self.origins[new.result] = users_line() or "in forward", new.result.name, path
        self._pair(old.result, new.result)
        operands = mapped(self._merged, new.operands, old.operands)
        if new.primitive.name == "getitem":
            self._check_slices(new.operands[0], operands[1], new.result)
        operands = tuple(x.variable if isinstance(x, Length) else x for x in operands)
        return replace(new, operands=operands, params=mapped(self._merged, dict(new.params), dict(old.params)))

    def _pair(self, old: Variable, new: Variable) -> None:
        if len(old.shape) != len(new.shape) or old.dtype != new.dtype:
            self._refuse_other_steps()
        self._counterparts[new] = old
        self.shapes[new] = tuple(map(self._axis, old.shape, new.shape))

    def _axis(self, old: int, new: int) -> Any:
        return new if old == new else self.lengths.setdefault((old, new), Length(self, (old, new)))

    def _merged(self, new: Any, old: Any) -> Any:
        """Return a leaf of an operand or parameter; a `Length` if the two recordings differ in it."""
        if isinstance(new, Variable) and self._counterparts[new] is not old:
            self._refuse_other_steps()
        if isinstance(new, Variable) or _alike(old, new):
            return new
        is_number = isinstance(new, (int, float, np.generic))
        return self.lengths[old, new] if is_number and (old, new) in self.lengths else self._refuse_fixed()

    def outputs(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        """Return the model's outputs by name; refuse constants that differ between the recordings."""
        if self.first is None or [*old] != [*new] or len(self.instructions) != len(self.first.instructions):
            self._refuse_other_steps()
        found = {name: y.variable if isinstance(y, Length) else variable_of(y) for name, y in new.items()}
        for name, y in new.items():
            if found[name] is None and not isinstance(y, Tensor) and not _alike(old[name], y):
                self._refuse_fixed()
        return {name: new[name] if found[name] is None else found[name] for name in new}

    def _check_slices(self, x: Variable, index: Any, result: Variable) -> None:
        """Refuse a slice whose length depends on the batch in a way that two recordings do not show."""
        bounds: list[int] = []
        mapped(lambda part: bounds.append(abs(part) if isinstance(part, int) else 0), index)
        for m in range(1, 3 + 2 * sum(bounds) if any(isinstance(n, Length) for n in self.shapes[x]) else 1):
            array = np.broadcast_to(0, [int(at(n, m)) for n in self.shapes[x]])
            found = array[mapped(lambda part, m=m: int(at(part, m)) if isinstance(part, Length) else part, index)].shape
            # A length that is neither the same for all batches nor a multiple of theirs is taken for no other.
            expected = [n if isinstance(n, Length) and not n.factor else at(n, m) for n in self.shapes[result]]
            if any(isinstance(n, int) and n != k for n, k in zip(expected, found, strict=True)):
                self.refuse(
                    "a slice of the batch has one length for small batches and another for large ones",
                    "Slice the axes of a sample, or choose by np.where",
                )

    def _refuse_fixed(self) -> Any:
        return self.lengths[BATCHES].refuse_value()

    def _refuse_other_steps(self) -> NoReturn:
        self.refuse(
            f"a batch of {BATCHES[1]} is computed by other steps than one of {BATCHES[0]}",
            "What is written is for batches of any length: loops over the batch, and choices by its length, cannot be",
        )


def _alike(a: Any, b: Any) -> bool:
    """Return True if two constants are the same; NaN counts as the same as NaN."""
    if hasattr(b, "dtype"):
        return getattr(a, "dtype", None) == b.dtype and np.array_equal(a, b, equal_nan=b.dtype.kind in "fc")
    return type(a) is type(b) and (a is b or a == b or (a != a and b != b))


class _BatchTracer(Tracer):
    """Stands for an array, some of whose lengths depend on the batch."""

    recorder: _BatchRecorder

    @property
    def shape(self) -> tuple[Any, ...]:
        """The length of each axis."""
        return self.recorder.shapes.get(self.variable, self.value.shape)

    def reshape(self, *shape: Any, **others: Any) -> Any:
        """Lay the elements out in another shape."""
        return super().reshape(*plain(shape), **others)

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(plain(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(plain(index), value)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if function in _AS_TEXT:
            self.recorder.refuse(f"np.{function.__name__} shows values", "Leave it out: they are the reader's alone")
        return super().__array_function__(function, types, plain(args), plain(kwargs))
