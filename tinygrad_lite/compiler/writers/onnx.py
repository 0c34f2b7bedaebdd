"""Write models as ONNX files, so that other software can run them.

A file contains the program of a model, written with the operators of `onnx_table`. Before it is saved, it is run, and
its results must agree with the model's.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any, NoReturn

import numpy as np

from ... import rules
from ...arrays import raw
from ...engine import no_grad
from ...errors import JitError
from ...nn import Module
from ...support.devices import to_device
from ...support.extras import extra
from ...support.files import write_atomically
from ...tensor import Tensor
from ..program import Instruction, Variable
from .batched import Batched, batched, leaves, rows
from .lengths import BATCHES, Length
from .onnx_table import OF_ANOTHER_TYPE, OPERATIONS, RULES, Refused

OPSET = 18
IR_VERSION = 8  # the one that came with the operator set
VERIFIED = (1, 2, 5, 17)  # lengths of batches for which the file is run, besides the sample
PACKAGE = "tinygrad_lite"


class ExportError(RuntimeError):
    """A model, or a part of one, that cannot be written as an ONNX file."""


def export_onnx(model: Module, sample: Any, path: str | os.PathLike[str]) -> None:
    """Write a model as an ONNX file, for batches of any length.

    The file contains the model in evaluation mode; afterwards each module is in its former mode. Before the file is
    saved, the onnx package checks it, and its reference evaluator runs it on the sample, on one row, and on batches of
    other lengths: the results must agree with the model's.

    Parameters
    ----------
    model : Module
        The model. The names of its parameters in the file are their paths.
    sample : array or Tensor, or a tuple of them
        The arguments of the model. Axis 0 is the batch, of any length but 0; the file requires the other axes and the
        types of the sample. One input is named ``input``, several ``input.0``, ``input.1``, …
    path : path-like
        The file; it is written completely or not at all. One output is named ``output``; those in a tuple or dictionary
        ``output.0`` or ``output.name``.

    Raises
    ------
    ExportError
        If the model uses an operation that has no counterpart in ONNX, or reads the values or the length of the batch.
        The message names the operation and the user's line. `tinygrad_lite.compiler.writers.onnx_table` lists the
        supported primitives; add an operator for a rule of your own to its ``RULES``.
    MissingExtra
        If the package onnx is not installed.
    """
    onnx = extra("onnx", "interop", "export_onnx")
    if not isinstance(model, Module):
        raise TypeError(f"export_onnx takes a Module, not {type(model).__name__}: put forward in a class of its own")
    given = {f"input.{i}": x for i, x in enumerate(sample)} if isinstance(sample, tuple) else {"input": sample}
    samples = tuple(x if isinstance(x, Tensor) else np.asarray(x) for x in given.values())
    lengths = {x.shape[0] if x.ndim else 0 for x in samples}
    if len(lengths) != 1 or 0 in lengths:
        listed = ", ".join(str(x.shape) for x in samples) or "none"
        raise ValueError(f"axis 0 of every sample must be the batch, of one length above 0; the shapes are {listed}")

    with no_grad(), _evaluating(model):
        batches = [samples, *(tuple(rows(x, n) for x in samples) for n in VERIFIED)]
        expected = [_computed(model, batch) for batch in batches]
        try:
            program = batched(model, samples, RULES)
        except JitError as error:
            about = str(error).replace("the jitted function", "forward").replace("a jitted function", "forward")
            raise ExportError(about) from error
    graph = _Graph(onnx, program)
    proto = graph.written([*given], type(model).__name__)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(
            f"the model takes an operator to types or shapes that ONNX has it not for: {error}"
        ) from error
    _verify(proto, batches, expected, graph.precision)
    write_atomically(path, proto.SerializeToString())


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Put a model into evaluation mode within a ``with`` block; then restore the mode of each module."""
    modules = [model, *(module for _, module in model.named_modules())]
    modes = [{key: value for key, value in vars(module).items() if key == "training"} for module in modules]
    try:
        model.eval()
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            vars(module).pop("training", None)
            vars(module).update(mode)


def _computed(model: Module, batch: tuple[Any, ...]) -> dict[str, Any]:
    """Return the outputs of the model itself for a batch, by name."""
    try:
        outputs = {name: _host(y) for name, y in leaves(model(*batch), "output").items()}
    except ValueError as error:
        error.add_note(
            f"while the model was run on a batch of {len(batch[0])}: axis 0 of the sample is taken for the batch, and "
            "the file is for batches of any length"
        )
        raise
    for name, y in outputs.items():
        if y.dtype.kind not in "biuf":
            raise ExportError(f"{name} of the model is no array of numbers, but {y!r:.60}: return arrays alone")
    return outputs


def _host(x: Any) -> Any:
    """Return a Tensor, an array of any device or a number as a NumPy array."""
    return np.asarray(to_device(raw(x), "cpu"))


def _verify(
    proto: Any, batches: Sequence[tuple[Any, ...]], expected: Sequence[dict[str, Any]], precision: float
) -> None:
    """Run the file on batches of several lengths; raise an error if its results differ from the model's."""
    evaluator = extra("onnx.reference", "interop", "export_onnx").ReferenceEvaluator(proto)
    names = [x.name for x in proto.graph.input]
    for batch, wanted in zip(batches, expected, strict=True):
        cause, found = None, {}
        try:
            with np.errstate(all="ignore"):
                results = evaluator.run(None, dict(zip(names, map(_host, batch), strict=True)))
            found = dict(zip(wanted, map(np.asarray, results), strict=True))
        except Exception as error:  # any type, since the evaluator runs NumPy
            cause = error
        for name, a in wanted.items():
            if name not in found or not _close(a, found[name], precision):
                raise ExportError(
                    f"{name} of the file is not that of the model for a batch of {len(batch[0])}: forward depends on "
                    "the input or on the length of the batch in a way that cannot be seen (a value kept from an "
                    "earlier call, say). Nothing was written"
                ) from cause


def _close(a: Any, b: Any, precision: float) -> bool:
    if (a.shape, a.dtype) != (b.shape, b.dtype) or a.dtype.kind != "f":
        return a.dtype == b.dtype and np.array_equal(a, b)
    # Half of the digits must agree: the two may round differently at every step.
    tolerance = math.sqrt(precision)
    scale = np.max(np.abs(a), initial=0, where=np.isfinite(a))
    return np.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


class _Graph:
    """The graph of the file while it is built; entries of the table write with it.

    ``to.Add(a, b)`` writes an operator and returns the name of its result. Its operands are such names, or operands of
    the instruction, which are converted to `dtype`.

    Attributes
    ----------
    dtype : dtype
        The type to which the operands of the present instruction are converted.
    nodes : list of NodeProto
        The operators so far.
    constants : dict of str to array
        The arrays in the file, by name.
    precision : float
        The machine epsilon of the coarsest floating type in the program.
    """

    def __init__(self, onnx: Any, program: Batched) -> None:
        self.onnx, self.program = onnx, program
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.precision = 0.0
        self.dtype: Any = None
        self._taken = set(program.outputs)
        self._wires: dict[Variable, str] = {}
        self._once: dict[Any, str] = {}
        self._path = ""

    def written(self, inputs: list[str], title: str) -> Any:
        """Write the whole program; return the content of the file."""
        for name, variable in zip(inputs, self.program.inputs, strict=True):
            self._define(variable, self._unique(name))
        for instruction in self.program.instructions:
            try:
                self._define(instruction.result, self._operation(instruction))
            except Refused as reason:
                self._refuse(instruction, str(reason))
            except (TypeError, OverflowError) as error:
                self._refuse(instruction, f"it is not for these arguments: {error}")
        return self._finished(title)

    def _operation(self, instruction: Instruction) -> str:
        """Write an instruction by its entry in the table; return the name of its result."""
        name, dtype, operands = instruction.primitive.name, instruction.result.dtype, instruction.operands
        entry = RULES.get(name) or OPERATIONS.get(name, _ABSENT)
        if any(x.is_generator for x in instruction.reads):
            raise Refused("it draws random numbers, others at each call: draw outside, or in training alone")
        if isinstance(entry, Refused):
            raise entry
        self._path = self.program.origins[instruction.result][2]
        if dtype is None or dtype.kind == "b" or name in OF_ANOTHER_TYPE:
            kinds = (Variable, np.ndarray, np.generic, int, float)
            dtype = np.result_type(*(self._type(x) for x in operands if isinstance(x, kinds)))
        self.dtype = dtype
        y = getattr(self, entry)(*operands) if isinstance(entry, str) else entry(self, *operands, **instruction.params)
        return self.wire(y)

    def _define(self, variable: Variable, wire: str) -> None:
        self._wires[variable] = wire
        self.program.defined(variable)
        if variable.dtype is not None and variable.dtype.kind == "f":
            self.precision = max(self.precision, float(np.finfo(variable.dtype).eps))

    def _refuse(self, instruction: Instruction, reason: str) -> NoReturn:
        """Raise an error that names an instruction without a counterpart in ONNX, and the user's line."""
        name, (line, rule, _) = instruction.primitive.name, self.program.origins[instruction.result]
        error = ExportError(f"{line}: {'np.' * hasattr(np, name)}{name} cannot be written in ONNX: {reason}")
        if rule and not rules.get(rule).is_built_in:
            error.add_note(
                f"in the forward expression of the rule {rule!r}. To write the rule as an operator of ONNX, add it to "
                f"the table: tinygrad_lite.compiler.writers.onnx_table.RULES[{rule!r}] = …"
            )
        raise error

    def __getattr__(self, operator: str) -> Callable[..., str]:
        if not operator[0].isupper():
            raise AttributeError(operator)
        return lambda *operands, **attributes: self._node(operator, [*map(self.wire, operands)], attributes)

    def _type(self, x: Any) -> Any:
        """Return the dtype of an operand; for a Python number a number, so that it adapts to other types."""
        x = self.value(x) if isinstance(self.value(x), Length) else x
        dtype = type(x.values[1])() if isinstance(x, Length) else getattr(x, "dtype", x)
        return 0.0 if dtype is None else dtype  # a computed Python number has no dtype

    def wire(self, x: Any) -> str:
        """Return the name of an operand, converted to `dtype`."""
        return x if isinstance(x, str) else self.cast(x, self.dtype)

    def cast(self, x: Any, dtype: Any) -> str:
        """Return the name of an operand, or of an earlier result, converted to a type."""
        dtype = np.dtype(dtype)
        value = self.value(x)
        if isinstance(value, Length):
            x, own = self._length(value), np.dtype(type(value.values[1]))
        elif isinstance(x, Variable) and value is None:
            x, own = self._wires[x], x.dtype
        elif not isinstance(x, str):
            array = np.asarray(value).astype(dtype)
            if dtype.kind in "iu" and not np.array_equal(array, value):
                raise Refused(f"{value!r:.60} is no operand of {dtype}: convert the other operand with .astype")
            return self._constant(
                array, self.program.names.get(x, "constant") if isinstance(x, Variable) else "constant"
            )
        else:
            own = None
        to = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        return x if own == dtype else self._node("Cast", [x], {"to": to})

    def value(self, x: Any) -> Any:
        """Return the value of a constant operand, which may be a `Length`; None for computed operands."""
        return self.program.constants.get(x) if isinstance(x, Variable) else x

    def shape(self, x: Any) -> tuple[Any, ...]:
        """Return the shape of an operand."""
        return self.program.shapes.get(x, x.shape) if isinstance(x, Variable) else np.shape(x)

    def ints(self, numbers: Iterable[Any]) -> str:
        """Return the name of a vector of integers, some of which may be lengths."""
        numbers = list(numbers)
        if not any(isinstance(n, Length) for n in numbers):
            return self._constant(np.array(numbers, np.int64))
        first = self._constant(np.array([0], np.int64))
        rows = [self._node("Unsqueeze", [self.cast(n, np.int64), first], {}) for n in numbers]
        return self._node("Concat", rows, {"axis": 0})

    def _length(self, x: Length) -> str:
        """Write a number that depends on the batch; return its name."""
        if x.terms:
            name, *terms = x.terms
            a, b = (self.cast(term, type(x.values[1])) for term in terms)
            if name != "floordiv":
                return self._node(_ARITHMETIC[name], [a, b], {})
            return self._node("Div", [self._node("Sub", [a, self._node("Mod", [a, b], {})], {}), b], {})
        found = self.program.axis_of(x)
        if found is None:
            raise Refused("a length is asked of what is not computed any further: take it of the result")
        variable, axis, factor = found
        shape = self._node("Shape", [self._wires[variable]], {"start": axis, "end": axis + 1})
        n = self._node("Squeeze", [shape, self._constant(np.array([0], np.int64))], {})
        return n if factor == 1 else self._node("Mul", [n, self._constant(np.array(factor, np.int64))], {})

    def _constant(self, array: Any, name: str = "constant") -> str:
        """Put an array into the file, once; return its name."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype, array.shape, array.tobytes(), name)
        if key not in self._once:
            self._once[key] = self._unique(name)
            self.constants[self._once[key]] = array
        return self._once[key]

    def _node(self, operator: str, wires: list[str], attributes: dict[str, Any]) -> str:
        """Write an operator, once for the same operands; return the name of its result."""
        key = (operator, *wires, repr(attributes))
        if key not in self._once:
            name = self._once[key] = self._unique(f"{self._path}/{operator}" if self._path else operator)
            self.nodes.append(self.onnx.helper.make_node(operator, wires, [name], name, **attributes))
        return self._once[key]

    def _unique(self, name: str) -> str:
        candidates = (name if i == 0 else f"{name}_{i}" for i in range(len(self._taken) + 1))
        unique = next(candidate for candidate in candidates if candidate not in self._taken)
        self._taken.add(unique)
        return unique

    def _finished(self, title: str) -> Any:
        """Name the outputs, and return the content of the file."""
        helper = self.onnx.helper
        made = {node.output[0] for node in self.nodes}
        renamed: dict[str, str] = {}
        infos = []
        for name, y in self.program.outputs.items():
            dtype = np.result_type(self._type(y))
            wire = self.cast(y, dtype)
            if wire in made and wire not in renamed:
                renamed[wire] = name
            else:
                self.nodes.append(helper.make_node("Identity", [wire], [name], f"{name}/Identity"))
            infos.append(self._info(name, dtype, self.shape(y)))
        for node in self.nodes:
            for wires in (node.input, node.output):
                wires[:] = [renamed.get(wire, wire) for wire in wires]
        graph = helper.make_graph(
            self.nodes,
            title,
            [self._info(self._wires[x], x.dtype, self.shape(x)) for x in self.program.inputs],
            infos,
            [self.onnx.numpy_helper.from_array(x, name) for name, x in self.constants.items()],
        )
        try:
            version = metadata.version(PACKAGE)
        except metadata.PackageNotFoundError:  # a checkout that is not installed
            version = ""
        opsets = [helper.make_opsetid("", OPSET)]
        made_by = {"producer_name": PACKAGE, "producer_version": version}
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, **made_by)

    def _info(self, name: str, dtype: Any, shape: tuple[Any, ...]) -> Any:
        lengths = [n if not isinstance(n, Length) else "batch" if n.values == BATCHES else None for n in shape]
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(name, kind, lengths)


_ABSENT = Refused("it is not in the table of onnx_table.py: compose it of functions that are")
_ARITHMETIC = {"add": "Add", "sub": "Sub", "mul": "Mul", "truediv": "Div", "pow": "Pow"}
