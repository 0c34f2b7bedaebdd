"""A model's program for batches of any length, from which each writer starts.

A model is recorded with batches of three lengths, and the recordings are compared step by step: a number that differs
depends on the batch. A model that computes by other steps for other batches is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import Any, NoReturn

import numpy as np

from ...arrays import raw
from ...engine import is_recording, no_grad
from ...errors import JitError
from ...nn import Module
from ...rules import Rule
from ...rules import all as all_rules
from ...support.call_stack import users_line
from ...support.devices import is_array, to_device
from ...support.observer import MODULE, under_way
from ...tensor import Tensor
from .. import primitives
from ..loops import Loop, RecordedLoop
from ..passes import simplify
from ..primitives import Primitive
from ..program import Instruction, Program, Variable, substituted
from ..recorder import Recorder
from ..recording import Recording, record, recording_lock
from ..traced import variable_of
from ..tracer import Tracer
from .lengths import AS_A_NUMBER, SAMPLES, Length, lengths_in, mapped, plain

LONG = 211  # rows of the second recording, if no slice of the batch reaches further
LONGEST = 2**14  # rows that a slice may reach
LENGTH = Primitive("length", lambda x, axis: x.shape[axis], "{0}.shape[{axis}]")
_AS_TEXT = (np.array2string, np.array_repr, np.array_str)


class ExportError(RuntimeError):
    """A model, or a part of one, that cannot be written in another format."""


@dataclass(frozen=True)
class Batched:
    """A model's program, in which the lengths that depend on the batch are marked.

    Attributes
    ----------
    instructions : tuple of Instruction
        The instructions. Shapes and indices may contain a `Length`, whose variable is computed before. The body of a
        loop reads variables from outside.
    inputs : dict of str to Variable
        The arguments of the model, by name.
    constants : dict of Variable to array
        The other values it reads: parameters, buffers, arrays.
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
    inputs: dict[str, Variable]
    constants: dict[Variable, Any]
    names: dict[Variable, str]
    outputs: dict[str, Any]
    shapes: dict[Variable, tuple[Any, ...]]
    origins: dict[Variable, tuple[str, str, str]]


def named_inputs(sample: Any) -> dict[str, Any]:
    """Return the arguments of a model by name: ``input``, or ``input.0``, ``input.1``, … for a tuple.

    Raises
    ------
    ValueError
        If they are no batches of one length.
    """
    given = {f"input.{i}": x for i, x in enumerate(sample)} if isinstance(sample, tuple) else {"input": sample}
    inputs = {name: x if isinstance(x, Tensor) else np.asarray(x) for name, x in given.items()}
    lengths = {x.shape[0] if x.ndim else 0 for x in inputs.values()}
    if len(lengths) != 1 or 0 in lengths:
        listed = ", ".join(str(x.shape) for x in inputs.values()) or "none"
        raise ValueError(f"axis 0 of every sample must be the batch, of one length above 0; the shapes are {listed}")
    return inputs


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Put a model into evaluation mode within a ``with`` block; then restore the mode of each module.

    A `JitError` in the block becomes an `ExportError`.
    """
    modules = [model, *(module for _, module in model.named_modules())]
    modes = [{key: value for key, value in vars(module).items() if key == "training"} for module in modules]
    try:
        model.eval()
        with no_grad():
            yield
    except JitError as error:
        raise ExportError(re.sub("(the|a) jitted function", "forward", str(error))) from error
    finally:
        for module, mode in zip(modules, modes, strict=True):
            vars(module).pop("training", None)
            vars(module).update(mode)


def rows(x: Any, n: int) -> Any:
    """Return a batch of ``n`` rows, which repeats the rows of ``x``."""
    return x[np.arange(n) % len(x)]


def host(x: Any) -> Any:
    """Return a Tensor, an array of any device or a number as a NumPy array."""
    return np.asarray(to_device(raw(x), "cpu"))


def leaves(outputs: Any, name: str = "output") -> dict[str, Any]:
    """Return the arrays in nested tuples, lists and dictionaries, by name."""
    if isinstance(outputs, (tuple, list, dict)):
        items = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
        return {k: y for key, output in items for k, y in leaves(output, f"{name}.{key}").items()}
    return {name: outputs}


def batched(model: Module, inputs: dict[str, Any], units: Collection[str]) -> Batched:
    """Record a model's program for batches of any length. Checks of values are left out.

    Parameters
    ----------
    model : Module
        The model, in the mode (training or evaluation) that the program should have.
    inputs : dict of str to array or Tensor
        The arguments of the model, by name; axis 0 is the batch.
    units : collection of str
        The rules that become one instruction each; other rules become the instructions of their forward expression.

    Raises
    ------
    JitError
        If the model cannot be made a program, or only one for certain batch lengths.
    """
    long = LONG
    with recording_lock, np.errstate(all="ignore"):  # in a long batch of repeated rows a product may overflow
        while True:
            recorders: tuple[_BatchRecorder, ...] = ()
            recordings: list[Recording] = []
            for n in (1, long, 2 * long + 1):
                recorders = (*recorders, _BatchRecorder(model, n, recorders))
                recordings.append(_recorded(model, tuple(rows(x, n) for x in inputs.values()), recorders[-1], units))
            if recorders[-1].furthest < long:
                break
            long = 2 * recorders[-1].furthest + 1
        outputs = recorders[-1].outputs(*(leaves(recording.returned) for recording in recordings))
        return _finished(model, recordings[-1], recorders[-1], [*inputs], outputs)


def _recorded(model: Module, batch: tuple[Any, ...], recorder: _BatchRecorder, units: Collection[str]) -> Recording:
    """Record a model for one batch; each of some rules becomes one instruction instead of its forward expression."""
    forwards = {rule: rule.forward for rule in all_rules() if rule.name in units}
    try:
        for rule in forwards:
            object.__setattr__(rule, "forward", _as_unit(recorder, rule))
        return record(model, batch, {}, recorder)
    except ValueError as error:
        error.add_note(
            f"the model was run on a batch of {len(batch[0])}: axis 0 of the sample is the batch, and the file must "
            "work for batches of any length"
        )
        raise
    finally:
        for rule, forward in forwards.items():
            object.__setattr__(rule, "forward", forward)


def _finished(
    model: Module, recording: Recording, recorder: _BatchRecorder, inputs: list[str], outputs: dict[str, Any]
) -> Batched:
    """Simplify a recording, and compute results that only depend on constants."""
    program = recording.program
    found = {x: source if is_array(source) else source.place.get() for x, source in recording.sources.items()}
    variables = {id(array): x for x, array in found.items()}
    # A shared parameter gets the first of its paths.
    paths = {id(raw(x)): path for path, x in reversed([*model._named_tensors()])}
    known = {x: to_device(array, "cpu") for x, array in found.items() if x not in program.inputs[: len(inputs)]}
    results = tuple(variables.get(id(y), y) for y in outputs.values())
    checked, lengths = _with_lengths(program, recorder)
    simple = simplify(replace(program, instructions=checked, outputs=(*results, *lengths), updates=()), is_exact=True)
    names = {x: paths[id(array)] for x, array in found.items() if id(array) in paths}
    return Batched(
        instructions=_computed(simple.instructions, known, names),
        inputs=dict(zip(inputs, program.inputs, strict=False)),
        constants=known,
        names=names,
        outputs=dict(zip(outputs, simple.outputs, strict=False)),
        shapes=recorder.shapes,
        origins=recorder.origins,
    )


def _lengths(i: Instruction) -> list[Variable]:
    return [x.variable for x in lengths_in((i.operands, dict(i.params)))]


def _with_lengths(program: Program, recorder: _BatchRecorder) -> tuple[tuple[Instruction, ...], list[Variable]]:
    """Return the instructions without checks, and the lengths that they need.

    The passes do not see the lengths in shapes and indices, and in the bodies of loops: as outputs they are kept.
    """
    checked, lengths, outside = [], [], {x.variable for x in recorder.lengths.values()}
    for i in program.instructions:
        if isinstance(i.primitive, Loop):
            steps = tuple(j for j in recorder.steps_of[i.primitive] if not j.primitive.is_statement)
            of_steps = tuple(x for j in steps for x in _lengths(j))
            body = replace(i.primitive.body, instructions=steps, outputs=of_steps)
            checked.append(replace(i, primitive=replace(i.primitive, body=body)))
            lengths += [*of_steps, *(x for j in steps for x in j.reads if x in outside)]
        elif not i.primitive.is_statement:
            checked.append(i)
            lengths += _lengths(i)
    return tuple(checked), lengths


def _computed(
    instructions: Iterable[Instruction], known: dict[Variable, Any], names: dict[Variable, str]
) -> tuple[Instruction, ...]:
    """Compute results that only depend on constants, in the bodies of loops too; return the other instructions."""
    others = []
    for i in instructions:
        is_only_for_now = i.primitive is primitives.to or i.primitive.has_effect
        if isinstance(i.primitive, Loop):
            body, start = i.primitive.body, sum(i.primitive.counts)
            outside = dict(zip(body.inputs[start:], i.operands[start:], strict=False))
            steps = [replace(j, operands=substituted(j.operands, outside)) for j in body.instructions]
            updates = substituted(body.updates, outside)
            body = replace(body, instructions=_computed(steps, known, names), updates=updates)
            others.append(replace(i, primitive=replace(i.primitive, body=body), operands=i.operands[:start]))
        elif is_only_for_now or _lengths(i) or not all(x in known for x in i.reads):
            others.append(i)
        else:
            known[i.result] = i.primitive.compute(*substituted(i.operands, known), **i.params)
            if i.primitive.is_view and i.operands[0] in names:  # a bias in the shape of a column, say
                names[i.result] = names[i.operands[0]]
    return tuple(others)


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
    """Records a model for one batch; the third recorder compares with the others and marks lengths of the batch.

    Attributes
    ----------
    batches : tuple of int
        The lengths of the batches of the recordings, up to this one.
    steps : list of tuple of Variable and Instruction or None
        The inputs, and the instructions with their results, as they were recorded.
    furthest : int
        The recordings only show how lengths depend on the batch if the second batch is longer than this.
    lengths : dict of tuple to Length
        The lengths so far, by their type and their values in the recordings.
    steps_of : dict of Loop to list of Instruction
        The instructions of the body of each loop, with the lengths of the batch; those of the loop have none.
    shapes, origins : dict
        As in `Batched`.
    """

    def __init__(self, model: Module, n: int, earlier: tuple[_BatchRecorder, ...]) -> None:
        super().__init__()
        self.batches: tuple[int, ...] = (*(recorder.batches[-1] for recorder in earlier), n)
        self.furthest = 0
        self.lengths: dict[Any, Length] = {}
        self.steps_of: dict[Any, list[Instruction]] = {}
        self._of_step: list[Instruction] = []
        self.shapes: dict[Variable, tuple[Any, ...]] = {}
        self.origins: dict[Variable, tuple[str, str, str]] = {}
        self._paths = {id(module): path for path, module in model.named_modules()}
        self.steps: list[tuple[Variable, Instruction | None]] = []
        self._others = zip_longest(*(recorder.steps for recorder in earlier))
        self._counterparts: dict[Variable, tuple[Variable, ...]] = {}

    def traced(self, variable: Variable, value: Any, base: Tracer | None = None) -> Tracer:
        """Return the tracer of an array; its shape marks the lengths that depend on the batch."""
        return _BatchTracer(self, variable, value, base)

    def lift(self, value: Any, name: str, is_given: bool = True, is_constant: bool = False) -> Any:
        """Return a tracer for an input."""
        tracer = super().lift(value, name, is_given, is_constant)
        self._compare(tracer.variable, None)
        return tracer

    def given_to_step(self, variable: Variable, value: Any) -> Tracer:
        """Return the tracer of an array that is given to the step of a loop."""
        tracer = super().given_to_step(variable, value)
        self._compare(variable, None)
        return tracer

    def loop(self, step: Any, carried: list[Any], xs: list[Any], of: RecordedLoop | None = None) -> RecordedLoop:
        """Record a loop, and keep the instructions of its body with the lengths of the batch."""
        recorded = super().loop(step, carried, xs, of)
        self.steps_of[recorded.loop] = self._of_step
        return recorded

    @contextmanager
    def apart(self) -> Iterator[dict[Variable, Any]]:
        """Collect the instructions of the step of a loop apart; lengths that it computes are known in it alone."""
        outside, self.lengths, self._of_step = self.lengths, {**self.lengths}, []
        with super().apart() as noted:
            yield noted
        self.lengths = outside

    def record(self, primitive: Primitive, *operands: Any, **params: Any) -> Any:
        """Compute one primitive with lengths as plain numbers, and write it down; `written` marks the lengths."""
        return super().record(primitive, *plain(operands), **plain(params))

    def written(self, primitive: Primitive, operands: tuple[Any, ...], params: dict[str, Any], value: Any) -> Any:
        """Write down a primitive, with a `Length` for each number that differs between the recordings."""
        traced = super().written(primitive, operands, params, value)
        if self.instructions[-1].primitive is primitives.gather:  # whether a reshape copies depends on the batch
            self.instructions[-1] = replace(self.instructions[-1], primitive=primitives.reshape)
        self._compare(self.instructions[-1].result, self.instructions[-1])
        return traced

    def length(self, values: tuple[Any, ...], samples: Any, primitive: Primitive, *operands: Any, **params: Any) -> Any:
        """Return the number with these values in the recordings; if it is new, write down how it is computed."""
        if len({*values}) == 1:
            self._reach(2 * self.batches[1])  # longer batches show how it depends on them
        if (type(values[0]), values) not in self.lengths:
            operands = tuple(x.variable if isinstance(x, Length) else x for x in operands)
            result = Variable((), np.dtype(type(values[0])), False, "length")
            instructions = self.instructions if self.noted is None else self._of_step
            instructions.append(Instruction(primitive, operands, params, result, ""))
            self.shapes[result], self.origins[result] = (), (users_line() or "in forward", "", "")
            self.lengths[type(values[0]), values] = Length(self, values, samples, result)
        return self.lengths[type(values[0]), values]

    def outputs(self, *found: dict[str, Any]) -> dict[str, Any]:
        """Return the model's outputs by name; refuse constants that differ between the recordings."""
        if next(self._others, ()) or any([*names] != [*found[-1]] for names in found):
            self._refuse_other_steps()
        outputs = {}
        for name, y in found[-1].items():
            variable = y.variable if isinstance(y, Length) else variable_of(y)
            if variable is None and not isinstance(y, Tensor):
                self._merged(*(old[name] for old in found))
            outputs[name] = raw(y) if variable is None else variable
        return outputs

    def _compare(self, new: Variable, instruction: Instruction | None) -> None:
        """Compare a step with that of the other recordings; mark its lengths."""
        self.steps.append((new, instruction))
        if len(self.batches) < 3:
            return
        others = next(self._others, (None,))
        if None in others:
            self._refuse_other_steps()
        steps = (*others, (new, instruction))
        if len({(len(x.shape), x.dtype, i and (i.primitive.name, len(i.operands))) for x, i in steps}) > 1:
            self._refuse_other_steps()
        if instruction is not None:
            marked = self._marked([i for _, i in steps])
            if self.noted is None:
                self.instructions[-1] = marked
            else:  # the steps of the loop are run for the recording, with plain numbers
                self._of_step.append(marked)
        self._counterparts[new] = steps[0][0], steps[1][0]
        shapes = zip(*(x.shape for x, _ in steps), strict=True)
        self.shapes[new] = tuple(self._axis(new, axis, values) for axis, values in enumerate(shapes))

    def _marked(self, instructions: list[Any]) -> Instruction:
        """Return an instruction with a `Length` for each number that differs between the recordings."""
        new = instructions[-1]
        modules = (self._paths.get(id(step.of)) for step in under_way() if step.kind == MODULE)
        self.origins[new.result] = users_line() or "in forward", new.result.name, next(filter(None, modules), "")
        operands = mapped(self._merged, *(x.operands for x in instructions))
        if new.primitive in (primitives.getitem, primitives.take):
            self._reach_slices(*operands)
        operands = tuple(x.variable if isinstance(x, Length) else x for x in operands)
        # A length that no other array has was asked for with -1.
        merged = partial(self._merged, unknown=-1) if new.primitive is primitives.reshape else self._merged
        return replace(new, operands=operands, params=mapped(merged, *(dict(x.params) for x in instructions)))

    def _merged(self, *leaves: Any, unknown: Any = None) -> Any:
        """Return a leaf of an operand or parameter; a `Length` if the recordings differ in it."""
        *olds, new = leaves
        if isinstance(new, Variable):
            if self._counterparts[new] != tuple(olds):
                self._refuse_other_steps()
            return new
        if all(_alike(old, new) for old in olds):
            return new
        is_number = isinstance(new, (int, float))
        found = self.lengths.get((type(new), leaves), unknown) if is_number else None
        return self.refuse(*AS_A_NUMBER) if found is None else found

    def _axis(self, x: Variable, axis: int, values: tuple[int, ...]) -> Any:
        """Return the length of an axis: a number if it is the same in the recordings, otherwise a `Length`."""
        if len({*values}) == 1:
            return values[0]
        slope = (values[2] - values[1]) / (self.batches[2] - self.batches[1])
        beyond = slope * np.maximum(SAMPLES - self.batches[2], 0)
        samples = np.round(np.interp(SAMPLES, self.batches, values) + beyond, 6)
        return self.length(values, samples, LENGTH, x, axis=axis)

    def _reach_slices(self, x: Variable, index: Any) -> None:
        """Note how far slices reach along axes whose length depends on the batch."""
        parts = spread(index if isinstance(index, tuple) else (index,), len(x.shape))
        for n, part in zip(self.shapes[x], (part for part in parts if part is not None), strict=False):
            if isinstance(n, Length) and isinstance(part, slice):
                mapped(lambda end: self._reach(abs(end)) if isinstance(end, int) else None, part)

    def _reach(self, n: int) -> None:
        if n >= LONGEST:
            self.refuse(
                f"a slice or a comparison reaches row {n} of the batch",
                f"The file must work for batches of any length, and slices may reach row {LONGEST} at most: compute "
                "this outside of the model",
            )
        self.furthest = max(self.furthest, n)

    def _refuse_other_steps(self) -> NoReturn:
        self.refuse(
            f"a batch of {self.batches[-1]} is computed by other steps than one of {self.batches[0]}",
            "The file must work for batches of any length: leave out loops over the batch and choices by its length",
        )


def spread(parts: Sequence[Any], ndim: int) -> list[Any]:
    """Return the parts of an index with a whole slice for each axis that it does not name."""
    rest = [slice(None)] * (ndim - sum(part is not None and part is not Ellipsis for part in parts))
    gap = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    return [*parts[:gap], *rest, *parts[gap + 1 :]]


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

    @property
    def __loop__(self) -> Any:
        # A loop by which derivatives are taken is written out.
        return None if is_recording() else super().__loop__

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(plain(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(plain(index), raw(value))  # a file has no gradients that could be lost

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        if function in _AS_TEXT:
            self.recorder.refuse(f"np.{function.__name__} shows values", "Leave it out: the file has none")
        return super().__array_function__(function, types, plain(args), plain(kwargs))
