"""Write models as ONNX files, so that other software can run them.

A file contains the program of a model, written with the operators of `onnx_table`. Before it is saved, it is run, and
its results must agree with the model's.

    tg.export_onnx(net, sample=images[:1], path="net.onnx")
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any, NoReturn

import numpy as np

from ...nn import Module
from ...support.extras import extra
from ...support.files import write_atomically
from ..loops import VALUE, Loop
from ..program import Instruction, Variable
from .batched import Batched, ExportError, batched, evaluating, host, leaves, named_inputs, rows
from .lengths import Length
from .onnx_table import OF_ANOTHER_TYPE, OPERATIONS, RULES
from .refusals import DRAWS, Refused, refuse

OPSET = 18
IR_VERSION = 8  # the one that came with the operator set
VERIFIED = (1, 2, 5, 17)  # lengths of batches for which the file is run, besides the sample
PACKAGE = "tinygrad_lite"


def export_onnx(model: Module, sample: Any, path: str | os.PathLike[str]) -> None:
    """Write a model as an ONNX file, for batches of any length.

    The file contains the model in evaluation mode; afterwards each module is in its former mode. Before the file is
    saved, the onnx package checks it, and its reference evaluator runs it on the sample, on one row, and on batches of
    other lengths: the results must agree with the model's. Checks of values are left out: the file's one-hot encoding
    of a label that is none of the classes is a row of zeros.

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

    Examples
    --------
    >>> net = tg.nn.Sequential(tg.nn.Linear(2, 3, rng=0), tg.nn.Softmax())
    >>> tg.export_onnx(net, np.zeros((1, 2), np.float32), "net.onnx")
    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession("net.onnx")
    >>> session.run(None, {"input": np.zeros((5, 2), np.float32)})[0].shape
    (5, 3)
    """
    onnx = extra("onnx", "interop", "export_onnx")
    if not isinstance(model, Module):
        raise TypeError(f"export_onnx takes a Module, not {type(model).__name__}: put forward in a class of its own")
    inputs = named_inputs(sample)
    with evaluating(model):
        graph = _Graph(onnx, batched(model, inputs, RULES))
        proto = graph.written(type(model).__name__)
        try:
            onnx.checker.check_model(proto, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ExportError(
                f"the model uses an operator with types or shapes that ONNX does not support: {error}"
            ) from error
        evaluator = extra("onnx.reference", "interop", "export_onnx").ReferenceEvaluator(proto)
        for n in (len(next(iter(inputs.values()))), *VERIFIED):
            batch = {name: rows(x, n) for name, x in inputs.items()}
            wires = {wire: host(x) for wire, x in zip(graph.inputs, batch.values(), strict=True)}
            _verify(evaluator, wires, leaves(model(*batch.values())), graph.precision)
    write_atomically(path, proto.SerializeToString())


def _verify(evaluator: Any, batch: dict[str, Any], wanted: dict[str, Any], precision: float) -> None:
    """Run the file on a batch; raise an error if its results differ from the model's."""
    cause, found, n = None, {}, len(next(iter(batch.values())))
    try:
        with np.errstate(all="ignore"):
            found = dict(zip(wanted, map(np.asarray, evaluator.run(None, batch)), strict=True))
    except Exception as error:  # any type, since the evaluator runs NumPy
        cause = error
    for name, y in wanted.items():
        if name not in found or not _close(host(y), found[name], precision):
            raise ExportError(
                f"{name} of the file differs from that of the model for a batch of {n}: forward depends on the input "
                "or on the length of the batch in a way that a recording cannot see, such as by a value kept from an "
                "earlier call. Nothing was written"
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
        self._results: dict[Any, list[str]] = {}
        self._once: dict[Any, str] = {}
        self._path = ""

    def written(self, title: str) -> Any:
        """Write the whole program; return the content of the file."""
        for name, variable in self.program.inputs.items():
            self._define(variable, self._unique(name))
        self.inputs = [self._wires[x] for x in self.program.inputs.values()]
        self._write(self.program.instructions)
        return self._finished(title)

    def _write(self, instructions: Iterable[Instruction]) -> None:
        for instruction in instructions:
            try:
                self._define(instruction.result, self._operation(instruction))
            except Refused as reason:
                self._refuse(instruction, str(reason))
            except (TypeError, OverflowError) as error:
                self._refuse(instruction, f"it cannot be written with these arguments: {error}")

    def _scan(self, loop: Loop, operands: tuple[Any, ...]) -> list[str]:
        """Write a loop as one operator, whose body is a graph of its own; return the names of its results."""
        name, given = self._unique("/".join(filter(None, [self._path, "Scan"]))), loop.body.inputs[: len(operands)]
        wires = [self.cast(x, like.dtype) for x, like in zip(operands, given, strict=True)]
        for x in given:
            self._define(x, self._unique(x.name or VALUE))
        inputs, outputs = [self._info(self._wires[x], x.dtype, self.shape(x)) for x in given], []
        if not loop.counts[1]:  # the operator takes the number of steps from an input
            wires.append(self._constant(np.arange(len(loop.steps))))
            inputs.append(self._info(self._unique("step"), np.dtype(np.int64), ()))
        nodes, self.nodes, once, self._once = self.nodes, [], self._once, {**self._once}
        self._write(loop.body.instructions)
        count = len(loop.slots)
        for old, new in (*loop.body.updates[count:], *loop.body.updates[:count]):
            output = self._unique(f"next/{old.name or VALUE}")
            self.nodes.append(self.onnx.helper.make_node("Identity", [self.cast(new, old.dtype)], [output], output))
            outputs.append(self._info(output, old.dtype, self.shape(new)))
        body = self.onnx.helper.make_graph(self.nodes, name, inputs, outputs)
        # The operators of the body cannot be read outside; constants are those of the whole file.
        self.nodes, self._once = nodes, once | {key: x for key, x in self._once.items() if x in self.constants}
        results = [self._unique(f"{name}/{x.name}") for x in outputs]
        steps = {"body": body, "num_scan_inputs": len(wires) - loop.counts[0]}
        self.nodes.append(self.onnx.helper.make_node("Scan", wires, results, name, **steps))
        return results

    def _operation(self, instruction: Instruction) -> str:
        """Write an instruction by its entry in the table; return the name of its result."""
        name, dtype, operands = instruction.primitive.name, instruction.result.dtype, instruction.operands
        if (first := next(instruction.reads, None)) in self._results:
            return self._results[first][operands[1]]
        self._path = self.program.origins[instruction.result][2]
        if isinstance(instruction.primitive, Loop):
            self._results[instruction.result] = self._scan(instruction.primitive, operands)
            return ""  # each result is picked
        entry = RULES.get(name) or OPERATIONS.get(name, _ABSENT)
        if any(x.is_generator for x in instruction.reads):
            raise DRAWS
        if isinstance(entry, Refused):
            raise entry
        if dtype is None or dtype.kind == "b" or name in OF_ANOTHER_TYPE:
            kinds = (Variable, np.ndarray, np.generic, int, float)
            dtype = np.result_type(*(_type(x) for x in operands if isinstance(x, kinds)))
        self.dtype = dtype
        y = getattr(self, entry)(*operands) if isinstance(entry, str) else entry(self, *operands, **instruction.params)
        return self.wire(y)

    def _define(self, variable: Variable, wire: str) -> None:
        self._wires[variable] = wire
        if variable.dtype is not None and variable.dtype.kind == "f":
            self.precision = max(self.precision, float(np.finfo(variable.dtype).eps))

    def _refuse(self, instruction: Instruction, reason: str) -> NoReturn:
        """Raise an error that names an instruction without a counterpart in ONNX, and the user's line."""
        refuse(self.program, instruction, "in ONNX", reason, _REMEDY)

    def __getattr__(self, operator: str) -> Callable[..., str]:
        if not operator[0].isupper():
            raise AttributeError(operator)
        return lambda *operands, **attributes: self._node(operator, [*map(self.wire, operands)], attributes)

    def wire(self, x: Any) -> str:
        """Return the name of an operand, converted to `dtype`."""
        return x if isinstance(x, str) else self.cast(x, self.dtype)

    def cast(self, x: Any, dtype: Any) -> str:
        """Return the name of an operand, or of an earlier result, converted to a type."""
        dtype, own = np.dtype(dtype), None
        x = x.variable if isinstance(x, Length) else x
        if isinstance(x, Variable) and x in self._wires:
            x, own = self._wires[x], x.dtype
        if isinstance(x, str):
            to = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
            # A result in between has no known type; NumPy takes None for float64.
            return x if own is not None and own == dtype else self._node("Cast", [x], {"to": to})
        value = self.value(x)
        array = np.asarray(value).astype(dtype)
        if dtype.kind in "iu" and not np.array_equal(array, value):
            raise Refused(f"{value!r:.60} is no operand of {dtype}: convert the other operand with .astype")
        return self._constant(array, self.program.names.get(x, "constant") if isinstance(x, Variable) else "constant")

    def value(self, x: Any) -> Any:
        """Return the value of a constant operand; None for computed operands."""
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

    def _constant(self, array: Any, name: str = "constant") -> str:
        """Put an array into the file, once; return its name."""
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
        made = {wire for node in self.nodes for wire in node.output}
        renamed: dict[str, str] = {}
        infos = []
        for name, y in self.program.outputs.items():
            dtype = np.result_type(_type(y)) if isinstance(y, Variable) else host(y).dtype
            if dtype.kind not in "biuf":
                raise ExportError(f"{name} of the model is not an array of numbers, but {y!r:.60}: return arrays alone")
            wire = self.cast(y, dtype)
            if wire in made and wire not in renamed:
                renamed[wire] = name
            else:
                self.nodes.append(helper.make_node("Identity", [wire], [name], f"{name}/Identity"))
            infos.append(self._info(name, dtype, self.shape(y)))
        needed = {*self.program.outputs}
        nodes: list[Any] = []
        for node in reversed(self.nodes):
            within = [node, *(x for attribute in node.attribute for x in attribute.g.node)]  # a loop has a body
            for wires in (wires for x in within for wires in (x.input, x.output)):
                wires[:] = [renamed.get(wire, wire) for wire in wires]
            if needed.intersection(node.output):
                needed.update(wire for x in within for wire in x.input)
                nodes.insert(0, node)
        inputs = [self._info(self._wires[x], x.dtype, self.shape(x)) for x in self.program.inputs.values()]
        constants = [self.onnx.numpy_helper.from_array(x, name) for name, x in self.constants.items() if name in needed]
        try:
            version = metadata.version(PACKAGE)
        except metadata.PackageNotFoundError:  # a checkout that is not installed
            version = ""
        return helper.make_model(
            helper.make_graph(nodes, title, inputs, infos, constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=PACKAGE,
            producer_version=version,
        )

    def _info(self, name: str, dtype: Any, shape: tuple[Any, ...]) -> Any:
        batch = self.shape(next(iter(self.program.inputs.values())))[0]
        lengths = ["batch" if n is batch else None if isinstance(n, Length) else n for n in shape]
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(name, kind, lengths)


def _type(x: Any) -> Any:
    """Return the dtype of an operand; for a Python number a number, so that it adapts to other types."""
    dtype = getattr(x, "dtype", x)
    return 0.0 if dtype is None else dtype  # a computed Python number has no dtype


_REMEDY = (
    "To write the rule as an operator of ONNX, add it to the table: "
    "tinygrad_lite.compiler.writers.onnx_table.RULES[{rule!r}] = …"
)
_ABSENT = Refused("it is not in the table of onnx_table.py: compose it of functions in the table")
