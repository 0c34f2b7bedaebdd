"""Write a model's program as JavaScript, with the names and in the order of the NumPy source."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..loops import Loop
from ..memory import Plan
from ..naming import as_identifier
from ..primitives import OPERATORS, of_operator
from ..program import Instruction, Program, Variable
from .batched import LENGTH, Batched, ExportError, spread
from .lengths import Length
from .numpy_source import names_of, unused
from .page_table import OPERATIONS
from .refusals import DRAWS, Refused, refuse

# Rules that are one call each, as in NumPy; their forward expressions have a case for a batch of no rows.
UNITS = ("sum", "mean", "prod", "max", "min")
WIDTH = 80  # columns of a statement, before the comment with its shape
# What a name of the program may not be: words of the language, and names of runtime.js.
# fmt: off
RESERVED = (
    "arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do",
    "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if", "implements", "import",
    "in", "instanceof", "interface", "let", "new", "null", "package", "private", "protected", "public", "return",
    "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while", "with", "yield",
    "undefined", "Infinity", "NaN", "np", "slice", "forward",
)
# fmt: on
# The operators on Python numbers that JavaScript has, too; its % has the sign of the other operand.
_OF_PYTHON = {of_operator(name): OPERATORS[name] for name in ("add", "sub", "mul", "truediv", "pow")}
# Primitives that are their operand, and what is written after it.
_UNCHANGED = {"array": "", "to": "", "copy": "", "positive": "", "item": ".data[0]"}


def script_of(program: Batched, units: Variable | None = None) -> tuple[str, dict[str, Variable]]:
    """Return a program as JavaScript, and the arrays that it needs, by name.

    Its function ``forward`` returns the output, and ``units``, if a variable is given.
    """
    writer = _Writer(program)
    return writer.text(units), writer.arrays


class _Writer:
    def __init__(self, program: Batched) -> None:
        self.program = program
        read = dict.fromkeys(x for i in program.instructions for x in i.reads if x in program.constants)
        for name, x in program.inputs.items():
            x.name = as_identifier(name)
        for x in read:
            x.name = as_identifier(program.names.get(x, x.name))
        for i in program.instructions:
            i.result.is_final |= i.primitive is LENGTH  # so that it is called by its name alone
        self.taken = dict.fromkeys(RESERVED, 2)
        inputs = (*program.inputs.values(), *read)
        whole = Program("forward", inputs, program.instructions, tuple(program.outputs.values()))
        self.names = names_of(whole, Plan(copied=()), self.taken)
        self.arrays = {self.names[x]: x for x in read}
        variables = (*inputs, *(i.result for i in program.instructions))
        self.real = next((x.dtype for x in variables if x.dtype is not None and x.dtype.kind == "f"), np.dtype("f4"))
        self.used: dict[str, str] = {}

    def text(self, units: Variable | None) -> str:
        """Return the functions of NumPy that the program needs, and its own function."""
        if self.real not in (np.float32, np.float64):
            raise ExportError(f"a page computes in float32 or float64, not {self.real}: use model.astype(np.float32)")
        body = [line for i in self.program.instructions for line in self._statement(i)]
        (output,) = map(self._operand, self.program.outputs.values())
        result = f"{{ output: {output}{f', units: {self.names[units]}' if units else ''} }}"
        inputs = {self.names[x]: x for x in self.program.inputs.values()}
        weights = ", ".join(self.arrays)
        if len(weights) > WIDTH:
            weights = "".join(f"\n  {name}," for name in self.arrays) + "\n"
        lines = [
            f"np.Real = {self.real.name.capitalize()}Array;",
            *(f"np.{name} = {text};" for name, text in self.used.items() if text),
            "",
            "/**",
            *(f" * {name}: {x.dtype} {self._shape(x)}" for name, x in (inputs | self.arrays).items()),
            " */",
            f"function forward({', '.join(inputs)}, {{ {weights} }}) {{",
            "  // forward",
            *body,
            f"  return {result};",
            "}",
        ]
        return "\n".join([*lines, ""])

    def _statement(self, i: Instruction) -> Iterator[str]:
        try:
            line = f"  const {self.names[i.result]} = {self._expression(i)};"
        except Refused as reason:
            refuse(self.program, i, "in JavaScript", reason)
        shape = self._shape(i.result)
        yield f"{line:<{WIDTH}}  // {shape}" if i.result.shape else line

    def _expression(self, i: Instruction) -> str:
        """Return the expression of an instruction."""
        name, params = i.primitive.name, {k: x for k, x in i.params.items() if x is not None and x is not False}
        if isinstance(i.primitive, Loop):
            raise Refused("it is a loop by scan: write the loop in Python, so that its steps are recorded")
        if any(x.is_generator for x in i.reads):
            raise DRAWS
        if i.primitive is LENGTH:
            return f"{self._operand(i.operands[0])}.shape[{params['axis']}]"
        if i.primitive in _OF_PYTHON:
            texts = map(self._operand, i.operands)
            return f" {_OF_PYTHON[i.primitive]} ".join(f"({text})" if text.startswith("-") else text for text in texts)
        if name in _UNCHANGED:
            return self._operand(i.operands[0]) + _UNCHANGED[name]
        operands, params = self._arguments(i, name, params)
        self._check(i, name, params)
        entry = OPERATIONS[name]
        assert not isinstance(entry, Refused)
        self.used[name] = entry.text
        options = [f"{{ {', '.join(f'{k}: {self._operand(x)}' for k, x in params.items())} }}"] * bool(params)
        return f"np.{name}({', '.join([*map(self._operand, operands), *options])})"

    def _arguments(self, i: Instruction, name: str, params: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the operands and options with which the page calls a function, where they are not those of NumPy."""
        if name in ("getitem", "take"):
            x, index = i.operands
            parts = spread(index if isinstance(index, tuple) else (index,), len(x.shape))
            if name == "getitem":
                return (x,), {"index": tuple(parts)}
            others = [part for part in parts[1:] if not isinstance(part, slice) or part != slice(None)]
            if isinstance(parts[0], slice) or others or _type(parts[0]).kind not in "iu":
                raise Refused("only rows are taken at positions, as in x[i] with whole numbers i")
            return (x,), {"positions": parts[0]}
        if name == "pad":
            if params.pop("mode", "constant") != "constant":
                raise Refused("only mode='constant' can be written")
            widths = np.broadcast_to(np.asarray(params["pad_width"]), (len(i.operands[0].shape), 2))
            return i.operands, params | {"pad_width": tuple(map(tuple, widths.tolist()))}
        return i.operands, params

    def _check(self, i: Instruction, name: str, params: Mapping[str, Any]) -> None:
        """Raise `Refused` if the page has no such function, or it computes numbers of another type than NumPy."""
        entry = OPERATIONS.get(name, Refused("it is not in the table of page_table.py: compose it of functions there"))
        if isinstance(entry, Refused):
            raise entry
        if unknown := sorted({*params} - {*entry.options}):
            raise Refused(f"the page's function has no option {unknown[0]}")
        names = [{"f": self.real.name, "b": "bool", "i": "int64"}[kind] for kind in entry.kinds]
        if (dtype := _type(i.result)).name not in names:
            raise Refused(
                f"the result is of {dtype}, and the page computes {' or '.join(names)} here: convert the operands with "
                ".astype"
            )

    def _operand(self, x: Any) -> str:
        """Return the text of an operand or a parameter."""
        if isinstance(x, Length):
            return self.names[x.variable]
        if isinstance(x, Variable):
            return self.names[x] if x in self.names else self._operand(self.program.constants[x])
        if isinstance(x, (tuple, list)):
            return f"[{', '.join(map(self._operand, x))}]"
        if isinstance(x, slice):
            ends = [x.start, x.stop, x.step]
            while ends and ends[-1] is None:
                ends.pop()
            return f"slice({', '.join(map(self._operand, ends))})"
        if isinstance(x, np.ndarray) and x.ndim:
            name = unused("constant", self.taken)
            self.arrays[name] = Variable.like(x, name)
            self.program.constants[self.arrays[name]] = x
            return name
        if isinstance(x, (type, np.dtype)):
            return json.dumps(np.dtype(x).name)
        value = x.item() if isinstance(x, (np.generic, np.ndarray)) else x
        if isinstance(value, float) and not math.isfinite(value):
            return "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
        if value is None or isinstance(value, (bool, int, float, str)):
            return json.dumps(value)
        raise Refused(f"{value!r:.60} is no number")

    def _shape(self, x: Variable) -> str:
        batch = self.program.shapes[next(iter(self.program.inputs.values()))][0]
        lengths = self.program.shapes.get(x, x.shape)
        return str(tuple("n" if n is batch else self._operand(n) for n in lengths)).replace("'", "")


def _type(x: Any) -> np.dtype[Any]:
    dtype = getattr(x, "dtype", None)
    return np.dtype(type(x) if isinstance(x, (bool, int, float)) else float) if dtype is None else dtype
