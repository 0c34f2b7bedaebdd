"""Models as ONNX files: the program of a model, written with the operators of `onnx_table`.

What is written is run, and must agree with the model.
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
from ...support.devices import moved
from ...support.extras import extra
from ...support.files import write_atomically
from ...tensor import Tensor
from ..program import Instruction, Variable
from .batched import Batched, batched, leaves, rows
from .lengths import BATCHES, Length
from .onnx_table import OF_ANOTHER_TYPE, OPERATIONS, RULES, Refused

OPSET = 18
IR_VERSION = 8  # the one that came with the operator set
VERIFIED = (1, 2, 5, 17)  # batches for which the file is run, besides the sample
PACKAGE = "tinygrad_lite"


class ExportError(RuntimeError):
    """A model, or a part of one, that cannot be written as an ONNX file."""


def export_onnx(model: Module, sample: Any, path: str | os.PathLike[str]) -> None:
    """Write a model as an ONNX file, for batches of any length.

    It is written as it predicts, in evaluation mode; the mode each of its modules is in stays. Before anything is on
    the disk, the file is checked by the onnx package and run, by its reference evaluator, on the sample, one row of
    it and batches of other lengths: the results must be the model's.

    Parameters
    ----------
    model : Module
        The model. Its parameters keep their paths as names.
    sample : array or Tensor, or a tuple of them
        What the model is called with. Axis 0 is the batch, of any length but 0; the other axes and the types are
        those the file will take. One input is named ``input``, several ``input.0``, ``input.1``, …
    path : path-like
        The file; it appears whole or not at all. One output is named ``output``; those in a tuple or dictionary
        ``output.0`` or ``output.name``.

    Raises
    ------
    ExportError
        If the model contains what ONNX cannot say, or asks for the values or the length of the batch: names the
        operation and the user's line. The table `tinygrad_lite.compiler.writers.onnx_table` lists what can be said;
        its ``RULES`` take an operator for a rule of your own.
    MissingExtra
        If the package onnx is not installed.
    """
    onnx = extra("onnx", "interop", "export_onnx")
    if not isinstance(model, Module):
        raise TypeError(f"export_onnx takes a Module, not {type(model).__name__}: put forward in a class of its own")
    samples = tuple(x if isinstance(x, Tensor) else np.asarray(x) for x in _several(sample))
    lengths = {x.shape[0] if x.ndim else 0 for x in samples}
    if len(lengths) != 1 or 0 in lengths:
        listed = ", ".join(str(x.shape) for x in samples) or "none"
        raise ValueError(f"axis 0 of every sample must be the batch, of one length above 0; the shapes are {listed}")

    with no_grad(), _evaluating(model):
        batches = [samples, *(tuple(rows(x, n) for x in samples) for n in VERIFIED)]
        expected = [_computed(model, batch) for batch in batches]
        try:
            graph = _Graph(onnx, batched(model, samples, RULES), expected[0])
        except JitError as error:
            about = str(error).replace("the jitted function", "forward").replace("a jitted function", "forward")
            raise ExportError(about) from error
        proto = graph.written(_names("input", sample), type(model).__name__)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(
            f"the model takes an operator to types or shapes that ONNX has it not for: {error}"
        ) from error
    _verify(proto, batches, expected, graph.precision)
    write_atomically(path, proto.SerializeToString())


def _several(sample: Any) -> tuple[Any, ...]:
    return sample if isinstance(sample, tuple) else (sample,)


def _names(name: str, sample: Any) -> list[str]:
    return [f"{name}.{i}" for i in range(len(sample))] if isinstance(sample, tuple) else [name]


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    """Put a model into evaluation mode, and each of its modules back into the mode it was in."""
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
    """Return what the model itself gives for a batch, by the names of the outputs."""
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
    """Return a Tensor, an array of any device or a number as an array of NumPy."""
    return np.asarray(moved(raw(x), "cpu"))


def _verify(
    proto: Any, batches: Sequence[tuple[Any, ...]], expected: Sequence[dict[str, Any]], precision: float
) -> None:
    """Run the file on batches of several lengths, and see that it gives what the model gives."""
    evaluator = extra("onnx.reference", "interop", "export_onnx").ReferenceEvaluator(proto)
    names = [x.name for x in proto.graph.input]
    for batch, wanted in zip(batches, expected, strict=True):
        cause = None
        try:
            with np.errstate(all="ignore"):
                found = evaluator.run(None, dict(zip(names, map(_host, batch), strict=True)))
        except Exception as error:  # of any type, as the evaluator computes with NumPy
            found, cause = [np.empty(0)] * len(wanted), error
        for (name, a), b in zip(wanted.items(), found, strict=True):
            if (
                cause
                or np.shape(a) != np.shape(b)
                or a.dtype != np.asarray(b).dtype
                or not _close(a, np.asarray(b), precision)
            ):
                raise ExportError(
                    f"{name} of the file is not that of the model for a batch of {len(batch[0])}: forward depends on "
                    "the input or on the length of the batch in a way that cannot be seen (a value kept from an "
                    "earlier call, say). Nothing was written"
                ) from cause


def _close(a: Any, b: Any, precision: float) -> bool:
    if a.dtype.kind != "f":
        return np.array_equal(a, b)
    # Half of the digits: the two round differently at every step.
    tolerance = math.sqrt(precision)
    scale = np.max(np.abs(a), initial=0, where=np.isfinite(a))
    return np.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


class _Graph:
    """The file as it is written.

    Attributes
    ----------
    nodes : list of NodeProto
    constants : dict of str to array
        What is in the file, by name.
    precision : float
        That of the coarsest floating type anything is computed in.
    """

    def __init__(self, onnx: Any, program: Batched, outputs: Iterable[str]) -> None:
        self.onnx, self.program = onnx, program
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.precision = 0.0
        self._taken = set(outputs)
        self._wires: dict[Variable, str] = {}
        self._once: dict[Any, str] = {}
        self._path = ""

    def written(self, inputs: list[str], title: str) -> Any:
        """Write the whole program; return the file's content."""
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
        """Write an instruction as the table says; return the name of its result."""
        name = instruction.operation.name
        entry = RULES.get(name) or OPERATIONS.get(name, _ABSENT)
        if any(x.is_generator for x in instruction.reads):
            raise Refused("it draws random numbers, others at each call: draw outside, or in training alone")
        if isinstance(entry, Refused):
            raise entry
        # Nodes are named after the module whose parameters they read.
        paths = [self.program.names[x] for x in instruction.reads if x in self.program.names]
        self._path = paths[0].rpartition(".")[0] if paths else ""
        to = _Writer(self, instruction)
        if isinstance(entry, str):
            return getattr(to, entry)(*instruction.operands)
        return to.wire(entry(to, *instruction.operands, **instruction.params))

    def _define(self, variable: Variable, wire: str) -> None:
        self._wires[variable] = wire
        self.program.defined(variable)
        if variable.dtype is not None and variable.dtype.kind == "f":
            self.precision = max(self.precision, float(np.finfo(variable.dtype).eps))

    def _refuse(self, instruction: Instruction, reason: str) -> NoReturn:
        """Raise the error about what ONNX has no counterpart of, naming the user's line."""
        name, (line, rule) = instruction.operation.name, self.program.origins[instruction.result]
        error = ExportError(f"{line}: {'np.' * hasattr(np, name)}{name} cannot be written in ONNX: {reason}")
        if rule and not rules.get(rule).is_built_in:
            error.add_note(
                f"in the forward expression of the rule {rule!r}. To write the rule as an operator of ONNX, add it to "
                f"the table: tinygrad_lite.compiler.writers.onnx_table.RULES[{rule!r}] = …"
            )
        raise error

    def dtype_of(self, x: Any) -> Any:
        """Return the type of an operand; for Python's numbers one of them, which adapts to others."""
        x = self.program.numbers.get(x, x) if isinstance(x, Variable) else x
        dtype = type(x.values[1])() if isinstance(x, Length) else getattr(x, "dtype", x)
        return 0.0 if dtype is None else dtype  # a number that was computed has no type of its own

    def wire(self, x: Any, dtype: Any) -> str:
        """Return the name of an operand, converted to a type."""
        own: Any
        x = self.program.numbers.get(x, x) if isinstance(x, Variable) else x
        if isinstance(x, Length):
            wire, own = self.length(x), np.dtype(type(x.values[1]))
        elif isinstance(x, Variable) and x in self._wires:
            wire, own = self._wires[x], x.dtype
        else:
            is_kept = isinstance(x, Variable)
            given = np.asarray(self.program.constants[x] if is_kept else x)
            array = given.astype(dtype)
            if array.dtype.kind in "iu" and not np.array_equal(array, given):
                raise Refused(f"{x!r:.60} is no operand of {array.dtype}: convert the other operand with .astype")
            return self.constant(array, self.program.names.get(x, "constant") if is_kept else "constant")
        return wire if own == dtype else self.cast(wire, dtype)

    def constant(self, array: Any, name: str = "constant") -> str:
        """Return the name of an array in the file."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype, array.shape, array.tobytes(), name)
        if key not in self._once:
            self._once[key] = self._unique(name)
            self.constants[self._once[key]] = array
        return self._once[key]

    def length(self, x: Length) -> str:
        """Write a number that follows from the batch."""
        if x.terms:
            name, *operands = x.terms
            a, b = (self.wire(operand, np.dtype(type(x.values[1]))) for operand in operands)
            if name != "floordiv":
                return self.node(_ARITHMETIC[name], [a, b], {})
            return self.node("Div", [self.node("Sub", [a, self.node("Mod", [a, b], {})], {}), b], {})
        found = self.program.axis_of(x)
        if found is None:
            raise Refused("a length is asked of what is not computed any further: take it of the result")
        variable, axis, factor = found
        shape = self.node("Shape", [self._wires[variable]], {"start": axis, "end": axis + 1})
        n = self.node("Squeeze", [shape, self.constant(np.array([0], np.int64))], {})
        return n if factor == 1 else self.node("Mul", [n, self.constant(np.array(factor, np.int64))], {})

    def cast(self, wire: str, dtype: Any) -> str:
        """Write a conversion."""
        return self.node("Cast", [wire], {"to": self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))})

    def node(self, operator: str, wires: list[str], attributes: dict[str, Any]) -> str:
        """Write an operator, and return the name of its result; the same one twice is written once."""
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
        """Return the file's content, without what the outputs do not depend on."""
        helper = self.onnx.helper
        made = {node.output[0] for node in self.nodes}
        renamed: dict[str, str] = {}
        infos = []
        for name, y in self.program.outputs.items():
            dtype = np.result_type(self.dtype_of(y))
            wire = self.wire(y, dtype)
            if wire in made and wire not in renamed:
                renamed[wire] = name
            else:
                self.nodes.append(helper.make_node("Identity", [wire], [name], f"{name}/Identity"))
            infos.append(self._info(name, dtype, self.shape(y)))
        for node in self.nodes:
            for wires in (node.input, node.output):
                wires[:] = [renamed.get(wire, wire) for wire in wires]
        needed = set(self.program.outputs)
        nodes = []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                needed |= set(node.input)
                nodes.append(node)
        graph = helper.make_graph(
            nodes[::-1],
            title,
            [self._info(self._wires[x], x.dtype, self.shape(x)) for x in self.program.inputs],
            infos,
            [self.onnx.numpy_helper.from_array(x, name) for name, x in self.constants.items() if name in needed],
        )
        try:
            version = metadata.version(PACKAGE)
        except metadata.PackageNotFoundError:  # a checkout that is not installed
            version = ""
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=PACKAGE,
            producer_version=version,
        )

    def shape(self, x: Any) -> tuple[Any, ...]:
        """Return the shape of an operand."""
        return self.program.shapes.get(x, x.shape) if isinstance(x, Variable) else np.shape(x)

    def _info(self, name: str, dtype: Any, shape: tuple[Any, ...]) -> Any:
        lengths = [n if not isinstance(n, Length) else "batch" if n.values == BATCHES else None for n in shape]
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(name, kind, lengths)


_ABSENT = Refused("it is not in the table of onnx_table.py: compose it of functions that are")
_ARITHMETIC = {"add": "Add", "sub": "Sub", "mul": "Mul", "truediv": "Div", "pow": "Pow"}


class _Writer:
    """What an entry of the table writes with: ``to.Add(a, b)`` writes an operator and returns its result's name.

    Attributes
    ----------
    dtype : dtype
        The type that operands are converted to, and numbers have.
    """

    def __init__(self, graph: _Graph, instruction: Instruction) -> None:
        self.graph: Any = graph
        self.dtype: Any = instruction.result.dtype
        if self.dtype is None or self.dtype.kind == "b" or instruction.operation.name in OF_ANOTHER_TYPE:
            kinds = (Variable, np.ndarray, np.generic, int, float)
            self.dtype = np.result_type(*(graph.dtype_of(x) for x in instruction.operands if isinstance(x, kinds)))

    def __getattr__(self, operator: str) -> Callable[..., str]:
        return lambda *operands, **attributes: self.graph.node(operator, [*map(self.wire, operands)], attributes)

    def wire(self, x: Any) -> str:
        """Return the name of an operand, in the operands' type."""
        return x if isinstance(x, str) else self.graph.wire(x, self.dtype)

    def cast(self, x: Any, dtype: Any) -> str:
        """Convert an operand, or what was written before, to a type."""
        return self.graph.cast(x, dtype) if isinstance(x, str) else self.graph.wire(x, np.dtype(dtype))

    def shape(self, x: Any) -> tuple[Any, ...]:
        """Return the shape of an operand."""
        return self.graph.shape(x)

    def value(self, x: Any) -> Any:
        """Return the value of a constant operand, and None for what is computed."""
        return self.graph.program.constants.get(x) if isinstance(x, Variable) else x

    def ints(self, numbers: Iterable[Any]) -> str:
        """Return the name of a vector of whole numbers, of which some may be lengths or computed."""
        numbers = list(numbers)
        if not any(isinstance(n, (Length, Variable, str)) for n in numbers):
            return self.graph.constant(np.array(numbers, np.int64))
        axis = self.graph.constant(np.array([0], np.int64))
        rows = [n if isinstance(n, str) else self.graph.wire(n, np.dtype(np.int64)) for n in numbers]
        return self.graph.node("Concat", [self.graph.node("Unsqueeze", [n, axis], {}) for n in rows], {"axis": 0})
