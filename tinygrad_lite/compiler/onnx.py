"""Models as ONNX files: one more reading of the rules.

The model runs once on values that write down, for each rule, the operators that `onnx_table` has for it. Each of them
carries what the library itself computes along, for batches of several lengths at once: a length that differs between
them is the batch's, and is written as such. What is written is run, and must agree with the model.
"""

from __future__ import annotations

import inspect
import math
import operator
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import FunctionType
from typing import Any, NoReturn

import numpy as np

from .. import tensor
from ..arrays import raw
from ..engine import no_grad
from ..nn import Module
from ..rules import Rule, answer_for, elementwise, shapes
from ..support.call_stack import is_users, users_line
from ..support.devices import device_of, moved
from ..support.extras import extra
from ..support.files import write_atomically
from ..support.formatting import numpy_name
from ..support.observer import MODULE, Observer, observing, under_way
from ..tensor import Tensor
from .onnx_table import FUNCTIONS, RULES, Refused

OPSET = 18
IR_VERSION = 8  # the one that came with the operator set
LENGTHS = (2, 3, 17)  # of the batches that are computed side by side
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
        operation and the user's line. The table `tinygrad_lite.compiler.onnx_table` lists what can be said.
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
        batches = [samples, *(tuple(_rows(x, n) for x in samples) for n in (1, *LENGTHS))]
        expected = [_computed(model, batch) for batch in batches]
        graph = _Graph(onnx, model, expected[0])
        inputs = [
            graph.input(name, [batch[i] for batch in batches[-len(LENGTHS) :]])
            for i, name in enumerate(_names("input", sample))
        ]
        with observing(Observer()):  # so that the steps under way are known
            outputs = _leaves(model(*inputs), "output")
        proto = graph.finished(inputs, {name: graph.lift(x) for name, x in outputs.items()})
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


def _rows(x: Any, n: int) -> Any:
    """Return a batch of ``n`` rows, those of ``x`` over and over."""
    return x[np.arange(n) % len(x)]


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
        outputs = {name: _host(y) for name, y in _leaves(model(*batch), "output").items()}
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


def _leaves(outputs: Any, name: str) -> dict[str, Any]:
    """Return the arrays in tuples, lists and dictionaries, by name."""
    if isinstance(outputs, (tuple, list, dict)):
        items = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
        return {k: y for key, output in items for k, y in _leaves(output, f"{name}.{key}").items()}
    return {name: outputs}


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
                    f"{name} of the file is not that of the model for a batch of {len(batch[0])}: forward draws "
                    "random numbers, or depends on the input or on the length of the batch in a way that cannot be "
                    "seen (a value kept from an earlier call, say). Nothing was written"
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

    def __init__(self, onnx: Any, model: Module, outputs: Iterable[str]) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        # One that is shared is called by its first path.
        self._parameters = {id(x): name for name, x in reversed([*model._named_tensors()])}
        self._paths = {id(module): name for name, module in model.named_modules()}
        self._taken = set(outputs)
        self._being_read: list[Rule] = []
        self.precision = 0.0
        self._written: dict[Any, str] = {}
        self._title = type(model).__name__

    def input(self, name: str, runs: list[Any]) -> _Value:
        """Return the value of an input."""
        return self.value(runs, self._unique(name))

    def lift(self, x: Any) -> _Value:
        """Return what takes part in an operation as a value: a parameter, an array or a number is a constant."""
        return x if isinstance(x, _Value) else _Value(self, (x,) * len(LENGTHS), "")

    def value(self, runs: list[Any], wire: str) -> _Value:
        """Return the value of a result; a whole number is a length."""
        value = (_Length if type(runs[0]) is int else _Value)(self, tuple(runs), wire)
        if value.dtype.kind == "f":
            self.precision = max(self.precision, float(np.finfo(value.dtype).eps))
        return value

    def length(self, x: _Value, axis: int) -> Any:
        """Return the length of an axis: a number, or a value where it varies with the batch."""
        runs = [np.shape(raw(run))[axis] for run in x.runs]
        if len(set(runs)) == 1:
            return runs[0]
        shape = self.node("Shape", [x.wire], {"start": axis, "end": axis + 1})
        return self.value(runs, self.node("Squeeze", [shape, self.constant(np.array([0], np.int64))], {}))

    def constant(self, array: Any, name: str = "constant") -> str:
        """Return the name of an array in the file."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype, array.shape, array.tobytes(), name)
        if key not in self._written:
            self._written[key] = self._unique(name)
            self.constants[self._written[key]] = array
        return self._written[key]

    def wire(self, x: _Value, dtype: Any = None) -> str:
        """Return the name of a value, converted to a type."""
        dtype = x.dtype if dtype is None else np.dtype(dtype)
        if x.wire:
            return x.wire if dtype == x.dtype else self.cast(x.wire, dtype)
        given = _host(x.runs[0])
        array = given.astype(dtype)
        if dtype.kind in "iu" and not np.array_equal(array, given):
            self.refuse(f"{x.runs[0]!r:.60} as an operand of {dtype}", "convert the other operand with .astype")
        return self.constant(array, self._parameters.get(id(x.runs[0]), "constant"))

    def cast(self, wire: str, dtype: Any) -> str:
        """Write a conversion."""
        return self.node("Cast", [wire], {"to": self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))})

    def node(self, operator: str, wires: list[str], attributes: dict[str, Any]) -> str:
        """Write an operator, and return the name of its result; the same one twice is written once."""
        key = (operator, *wires, repr(attributes))
        if key not in self._written:
            modules = (step.of for step in under_way() if step.kind == MODULE)
            path = next((self._paths[id(module)] for module in modules if id(module) in self._paths), "")
            name = self._written[key] = self._unique(f"{path}/{operator}" if path else operator)
            self.nodes.append(self.onnx.helper.make_node(operator, wires, [name], name, **attributes))
        return self._written[key]

    def _unique(self, name: str) -> str:
        candidates = (name if i == 0 else f"{name}_{i}" for i in range(len(self._taken) + 1))
        unique = next(candidate for candidate in candidates if candidate not in self._taken)
        self._taken.add(unique)
        return unique

    def apply(self, rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        """Write a rule, as the table says, or as its forward does where the rule is not in the table."""
        inputs = tuple(map(self.lift, inputs))
        given = dict(zip(rule.params, params, strict=True))
        runs = [rule(*_run(inputs, k), **_run(given, k)) for k in range(len(LENGTHS))]
        if not any(x.wire for x in _values([*inputs, *params])):
            return self.lift(runs[0])
        entry = RULES.get(rule.name)
        if entry is None:
            return self._as_forward(rule, inputs, params)
        dtype = _dtype(runs[0])
        return self._write(entry, rule.name, _Writer(self, dtype, runs), runs, inputs, given)

    def _as_forward(self, rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        """Write a rule as its forward expression says, out of other rules."""
        self._being_read.append(rule)
        try:
            if rule in self._being_read[:-1]:
                self.refuse(rule.name, "its forward is no expression of other rules")
            return rule.compute(inputs, params)
        except ExportError as error:
            error.add_note(
                f"in the forward expression of the rule {rule.name!r}. To write the rule as an operator of ONNX, add "
                f"it to the table: tinygrad_lite.compiler.onnx_table.RULES[{rule.name!r}] = …"
            )
            raise
        finally:
            self._being_read.pop()

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Write a NumPy function: out of rules, or as the table says."""
        name = numpy_name(function)
        if kwargs.pop("out", None) is not None:
            self.refuse(f"{name} with out", "assign the result instead")
        kwargs.pop("like", None)
        args, kwargs = self._lifted(args), self._lifted(kwargs)
        answer = answer_for(function)
        if answer is not None:
            if not args:
                args = (kwargs.pop(next(iter(inspect.signature(function).parameters))),)
            return answer(*args, **kwargs)
        if not any(x.wire for x in _values([args, kwargs])):
            return function(*_run(args, 0), **_run(kwargs, 0))
        if function not in FUNCTIONS:
            self.refuse(name, "it is in neither of the tables of onnx_table.py: compose it of functions that are")
        entry = FUNCTIONS[function]
        if isinstance(entry, Refused):
            self.refuse(name, str(entry))
        runs = [function(*_run(args, k), **_run(kwargs, k)) for k in range(len(LENGTHS))]
        if all(isinstance(x, _Length) for x in _values([args, kwargs])) and _dtype(runs[0]).kind == "i":
            runs = [int(n) for n in runs]
            if function is np.floor_divide and len(set(runs)) == 1:
                return self._whole(runs[0], args)
        operands = [raw(x) for x in _run(args, 0) if isinstance(raw(x), (np.ndarray, np.generic, int, float))]
        return self._write(entry, name, _Writer(self, np.result_type(*operands), runs), runs, args, kwargs)

    def _whole(self, quotient: int, operands: Any) -> int:
        """Return the quotient of two lengths that is the same for every batch, if it is."""
        if any(np.remainder(*_run(operands, k)) for k in range(len(LENGTHS))):
            self.refuse("a part of the length of the batch", f"it is {quotient} for small batches, more for large ones")
        return quotient

    def _write(
        self, entry: Any, name: str, to: _Writer, runs: list[Any], operands: tuple[Any, ...], given: dict[str, Any]
    ) -> Any:
        try:
            if isinstance(entry, Refused):
                raise entry
            y = getattr(to, entry)(*operands) if isinstance(entry, str) else entry(to, *operands, **given)
        except Refused as reason:
            self.refuse(name, str(reason))
        except (TypeError, OverflowError) as error:
            self.refuse(f"{name} with these arguments", str(error))
        return self.value(runs, to.wire(y)) if isinstance(y, str) or _is_array(runs[0]) else y

    def _lifted(self, x: Any) -> Any:
        """Lift the Tensors among arguments."""
        if isinstance(x, Tensor):
            return self.lift(x)
        if isinstance(x, (tuple, list)):
            return type(x)(map(self._lifted, x))
        return {key: self._lifted(value) for key, value in x.items()} if isinstance(x, dict) else x

    def refuse(self, what: str, reason: str) -> NoReturn:
        """Raise the error about what ONNX has no counterpart of, naming the user's line."""
        raise ExportError(f"{users_line() or 'in forward'}: {what} cannot be written in ONNX: {reason}")

    def finished(self, inputs: list[_Value], outputs: dict[str, _Value]) -> Any:
        """Return the file's content, without what the outputs do not depend on."""
        helper = self.onnx.helper
        made = {node.output[0] for node in self.nodes}
        renamed: dict[str, str] = {}
        for name, y in outputs.items():
            wire = self.wire(y)
            if wire in made and wire not in renamed:
                renamed[wire] = name
            else:
                self.nodes.append(helper.make_node("Identity", [wire], [name], f"{name}/Identity"))
        for node in self.nodes:
            for wires in (node.input, node.output):
                wires[:] = [renamed.get(wire, wire) for wire in wires]
        needed = set(outputs)
        nodes = []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                needed |= set(node.input)
                nodes.append(node)
        graph = helper.make_graph(
            nodes[::-1],
            self._title,
            [self._info(x.wire, x) for x in inputs],
            [self._info(name, y) for name, y in outputs.items()],
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

    def _info(self, name: str, x: _Value) -> Any:
        lengths = zip(*(np.shape(raw(run)) for run in x.runs), strict=True)
        shape = ["batch" if n == LENGTHS else n[0] if len(set(n)) == 1 else None for n in lengths]
        dtype = self.onnx.helper.np_dtype_to_tensor_dtype(x.dtype)
        return self.onnx.helper.make_tensor_value_info(name, dtype, shape)


class _Writer:
    """What an entry of the table writes with: ``to.Add(a, b)`` writes an operator and returns its result's name.

    Attributes
    ----------
    dtype : dtype
        The type that operands are converted to, and numbers have.
    result : dtype
        The type of the result.
    lengths : list of int or None
        Those of the result's axes; None where one varies with the batch.
    """

    def __init__(self, graph: _Graph, dtype: Any, runs: list[Any]) -> None:
        self.graph, self.dtype, self.result = graph, dtype, _dtype(runs[0])
        lengths = zip(*(np.shape(raw(run)) for run in runs), strict=True)
        self.lengths = [n[0] if len(set(n)) == 1 else None for n in lengths]

    def __getattr__(self, operator: str) -> Callable[..., str]:
        return lambda *operands, **attributes: self.graph.node(operator, [*map(self.wire, operands)], attributes)

    def wire(self, x: Any) -> str:
        """Return the name of an operand, in the operands' type."""
        return x if isinstance(x, str) else self.graph.wire(self.graph.lift(x), self.dtype)

    def constant(self, x: Any, dtype: Any = None) -> str:
        """Return the name of a number, in the operands' type by default."""
        return self.graph.wire(self.graph.lift(x), self.dtype if dtype is None else dtype)

    def cast(self, x: Any, dtype: Any) -> str:
        """Convert a value, or what was written before, to a type."""
        return self.graph.cast(x, dtype) if isinstance(x, str) else self.graph.wire(self.graph.lift(x), dtype)

    def positions(self, x: Any) -> str:
        """Return the name of whole numbers."""
        return self.constant(x, np.int64)

    def ints(self, numbers: Iterable[Any]) -> str:
        """Return the name of a vector of whole numbers, of which some may be lengths."""
        numbers = list(numbers)
        if not any(isinstance(n, _Value) for n in numbers):
            return self.graph.constant(np.array(numbers, np.int64))
        axis = self.graph.constant(np.array([0], np.int64))
        rows = [self.graph.node("Unsqueeze", [self.positions(n), axis], {}) for n in numbers]
        return self.graph.node("Concat", rows, {"axis": 0})


class _Value(Tensor):
    """A value of an export: whatever a model may do with a Tensor or an array is written down.

    Attributes
    ----------
    graph : _Graph
        Where it is written.
    runs : tuple
        What it is for each of the batches that are computed side by side: a Tensor, an array or a number.
    wire : str
        Its name in the file; empty for a constant that is not in it.
    """

    def __init__(self, graph: _Graph, runs: tuple[Any, ...], wire: str) -> None:
        self.graph, self.runs, self.wire = graph, runs, wire
        self._requires_grad = False
        self.operation = self.memory = self.grad = self.name = None

    @property
    def _data(self) -> Any:
        caller = sys._getframe(2)
        if caller.f_code is tensor.apply.__code__:
            self.graph.refuse(
                f"{caller.f_locals['rule'].name} of a parameter and the input, in this order and called like this",
                "use an operator, or NumPy's function of that name",
            )
        return self._refuse_value()

    def _in_place(self, name: str, other: Any) -> Any:
        # Whoever holds this value sees the new one, as anywhere else.
        changed = getattr(operator, name)(self, other)
        self.runs, self.wire = changed.runs, changed.wire
        return self

    def _refuse_value(self, *args: Any, **kwargs: Any) -> Any:
        self.graph.refuse(
            "a value that depends on the input, asked for or changed in place",
            "as bool(), float(), .item(), .numpy(), Tensor(x), w[x] and x[i] = … do. Choose by np.where, and leave out "
            "what only converts",
        )

    @property
    def shape(self) -> tuple[Any, ...]:
        """The length of each axis: a number, or a value where it varies with the batch."""
        return tuple(self.graph.length(self, axis) for axis in range(self.ndim))

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return np.ndim(raw(self.runs[0]))

    @property
    def size(self) -> Any:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return _dtype(self.runs[0])

    @property
    def device(self) -> str:
        """Where the elements live."""
        return device_of(raw(self.runs[0]))

    @staticmethod
    def __apply_rule__(rule: Rule, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        return next(_values([*inputs, *params])).graph.apply(rule, inputs, params)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            self.graph.refuse(f"np.{ufunc.__name__}.{method}", "use np.sum, np.max and the like")
        return self.graph.call(ufunc, inputs, kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return self.graph.call(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        """Answer for the methods of plain arrays, such as the ``any`` of a comparison, by NumPy's functions."""
        if name.startswith("__") or not isinstance(self.runs[0], np.ndarray) or not callable(getattr(np, name, None)):
            raise AttributeError(f"{type(self.runs[0]).__name__!r} object has no attribute {name!r}")
        return lambda *args, **kwargs: getattr(np, name)(self, *args, **kwargs)

    def __rmatmul__(self, other: Any) -> Any:
        return np.matmul(other, self)

    def __rpow__(self, other: Any) -> Any:
        return np.power(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return np.floor_divide(self, other)

    def __and__(self, other: Any) -> Any:
        return np.bitwise_and(self, other)

    def __or__(self, other: Any) -> Any:
        return np.bitwise_or(self, other)

    def __xor__(self, other: Any) -> Any:
        return np.bitwise_xor(self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Any:
        return np.invert(self)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """Convert to another type."""
        return elementwise.cast(self, np.dtype(dtype))

    def detach(self) -> Any:
        """Return the value itself: nothing has a history here."""
        return self

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        parts = tuple(
            np.array(part, None if part else int) if isinstance(part, (list, tuple)) else part for part in parts
        )
        return shapes.getitem(self, parts)

    def __repr__(self) -> str:
        return f"<value of an export, shape {np.shape(raw(self.runs[0]))}, {self.dtype}>"

    __bool__ = __float__ = __int__ = __index__ = __setitem__ = _refuse_value
    __hash__ = Tensor.__hash__


def _reread(method: FunctionType) -> FunctionType:
    """Return a method of Tensor as it is for the values of an export: the same code, another `apply`."""
    names = vars(tensor) | {"apply": lambda rule, inputs, params=(): _Value.__apply_rule__(rule, inputs, params)}
    copy = FunctionType(method.__code__, names, method.__name__, method.__defaults__, method.__closure__)
    copy.__kwdefaults__ = method.__kwdefaults__
    return copy


for _name, _method in vars(Tensor).items():
    if isinstance(_method, FunctionType) and "apply" in _method.__code__.co_names and _name not in vars(_Value):
        setattr(_Value, _name, _reread(_method))


class _Length(_Value):
    """A whole number that was computed from lengths that vary with the batch."""

    def __eq__(self, other: object) -> bool:
        is_same = isinstance(other, _Length) and other.wire == self.wire
        if not is_same and is_users(sys._getframe(1)):
            self.graph.refuse(
                "a comparison with the length of the batch",
                "the file is for batches of any length, and cannot take one way or the other by it",
            )
        return self.runs == (other.runs if isinstance(other, _Length) else (other,) * len(LENGTHS))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.runs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        # As NumPy holds what is no array, so that it can look at a shape with this among its lengths.
        array = np.empty((), object)
        array[()] = self
        return array

    def _refuse_value(self, *args: Any, **kwargs: Any) -> Any:
        self.graph.refuse(
            "the length of the batch as a fixed number",
            "the file is for batches of any length: reshape with -1 or x.shape[0], divide by x.shape[0], take "
            "np.zeros_like(x, shape=…); loops over the batch and arrays of its length cannot be written",
        )

    __bool__ = __float__ = __int__ = __index__ = __mod__ = __rmod__ = _refuse_value


def _host(x: Any) -> Any:
    """Return a Tensor, an array of any device or a number as an array of NumPy."""
    return np.asarray(moved(raw(x), "cpu"))


def _dtype(x: Any) -> np.dtype[Any]:
    return x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


def _is_array(x: Any) -> bool:
    return isinstance(x, (Tensor, np.ndarray, np.generic))


def _values(x: Any) -> Iterator[_Value]:
    """Yield the values in nested arguments."""
    if isinstance(x, _Value):
        yield x
    elif isinstance(x, (tuple, list, dict, slice)):
        parts = x.values() if isinstance(x, dict) else (x.start, x.stop, x.step) if isinstance(x, slice) else x
        for part in parts:
            yield from _values(part)


def _run(x: Any, k: int) -> Any:
    """Return nested arguments as they are for the batch number ``k``."""
    if isinstance(x, _Value):
        return x.runs[k]
    if isinstance(x, slice):
        return slice(*_run((x.start, x.stop, x.step), k))
    if isinstance(x, (tuple, list)):
        return type(x)(_run(part, k) for part in x)
    return {key: _run(value, k) for key, value in x.items()} if isinstance(x, dict) else x
