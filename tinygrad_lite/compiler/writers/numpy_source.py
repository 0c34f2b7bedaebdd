"""Write a program as Python source that only needs NumPy, or CuPy for a program on a GPU.

The source is what runs, so a reader sees exactly what is computed:

>>> from tinygrad_lite.compiler import record
>>> program = record(lambda x: 2 * x, (np.ones(3),), {}).program
>>> "multiply = 2 * x" in source_of(program)
True
"""

from __future__ import annotations

import builtins
import inspect
import keyword
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from string import ascii_lowercase
from textwrap import wrap
from typing import Any

import numpy as np

from ...support.devices import MODULES
from .. import blas, cublas
from ..fusion import REDUCTIONS, Kernel
from ..loops import VALUE, Loop
from ..memory import Plan, plan_memory
from ..primitives import ADDING_PRODUCTS, literal, transpose
from ..program import Instruction, Program, Variable

INDENT = "    "
STEP = "t"  # the number of a step in a loop
WIDEST = 100  # columns of a line that allocates memory
WIDTH = 72  # columns of a statement, before the comment with its shape


def source_of(program: Program, plan: Plan | None = None) -> str:
    """Return a program as Python source, which only imports the module of its device: NumPy on the CPU.

    Parameters
    ----------
    program : Program
        The program to write.
    plan : Plan, optional
        The memory of its values. Without a plan, every value gets a new array at each call.

    Returns
    -------
    str
        A module: the memory that is allocated once, then the function, which takes ``program.inputs``, changes
        those of ``program.updates`` in place, and returns the outputs.
    """
    return _Writer(program, plan or Plan(copied=(False,) * len(program.outputs))).text()


class _Writer:
    def __init__(self, program: Program, plan: Plan, taken: dict[str, int] | None = None) -> None:
        self.program, self.plan = program, plan
        self.constants: dict[str, str] = {}
        self.kernels: dict[str, str] = {}
        loops = [i.primitive for i in program.instructions if isinstance(i.primitive, Loop)]
        reserved = ["np", program.name, *keyword.kwlist, *dir(builtins), *[STEP] * bool(loops)]
        instructions = [i for part in (program, *(loop.body for loop in loops)) for i in part.instructions]
        self.adds_products = any(i.primitive in ADDING_PRODUCTS for i in instructions)
        reserved += ["cublas", *dir(blas)] if self.adds_products else []
        self.taken = dict.fromkeys(reserved, 2) if taken is None else taken
        self.loops = {loop: unused("loop", self.taken) for loop in loops}
        self.names = names_of(program, plan, self.taken)
        # The transpose of a matrix is written inside the expressions that read it, as ``x.T``, on no line of its own.
        self.inline: set[Variable] = set()
        for instruction in program.instructions:
            if instruction.primitive is transpose and self._expression(instruction).endswith("T"):
                self.names[instruction.result] = self._expression(instruction)
                self.inline.add(instruction.result)

    def text(self) -> str:
        loops = [_LoopWriter(loop, name, self.taken) for loop, name in self.loops.items()]
        functions = [line for writer in (*loops, self) for line in ("", "", *writer.function())]
        # After the bodies find the constants and the kernels.
        setup = [line for writer in (*loops, self) for line in writer.setup()]
        kernels = [f"def {name}{text}" for writer in (*loops, self) for text, name in writer.kernels.items()]
        functions = [line for kernel in kernels for line in ("", "", "@np.fuse", kernel)] + functions
        if setup:
            setup = ["", "# Made once, and used again at each call.", *setup]
        head = [f'"""{self._title()}"""', "", *self._imports(), *setup]
        return "\n".join([*head, *functions, ""])

    def function(self) -> Iterator[str]:
        """Yield the lines of the function."""
        yield _head(self.program.name, [self.names[variable] for variable in self.program.inputs])
        yield from (f"{INDENT}{line}".rstrip() for line in (*self._docstring(), *self._body()))

    def _imports(self) -> list[str]:
        """Return the lines that import the module of the device, and define what adds products where that is done."""
        module = MODULES[self.program.device]
        if not self.adds_products:
            return [f"import {module} as np"]
        if self.program.device != "cpu":
            return [f"import {module} as np", cublas.SOURCE.format(module=module).strip()]
        return inspect.getsource(blas).split("annotations\n\n", 1)[1].splitlines()

    def _title(self) -> str:
        phases = dict.fromkeys(instruction.phase for instruction in self.program.instructions)
        device = self.program.device
        kind = "NumPy program" if device == "cpu" else f"program for {device!r}"
        return f"{self.program.name}: {', '.join(phases)}, as one {kind}."

    def _docstring(self) -> Iterator[str]:
        """Yield the lines of the docstring: the effect of the function, and the types of its arguments."""
        changed = [self.names[old] for old, _ in self.program.updates]
        outputs = [*map(self._operand, self.program.outputs)]
        does = [f"change {_listed(changed)} in place"] if changed else []
        does += [f"return {_listed(outputs)}"] if outputs else []
        summary = " and ".join(does) or "do nothing"
        yield from wrap(f'"""{summary[0].upper()}{summary[1:]}.', WIDTH)
        if self.program.inputs:
            yield ""
            yield from (f"{self.names[variable]}: {self._type(variable)}" for variable in self.program.inputs)
        yield '"""'

    def _type(self, variable: Variable) -> str:
        if variable.dtype is None:
            if variable.is_function:
                return "function that the program calls"
            return "numpy.random.Generator" if variable.is_generator else "number"
        is_elsewhere = variable.is_array and variable.device != self.program.device
        return f"{variable.dtype} {variable.shape}" + f", on {variable.device!r}" * is_elsewhere

    def setup(self) -> Iterator[str]:
        """Yield the lines that are run once, before the first call."""
        yield from (f"{name} = {text}" for text, name in self.constants.items())
        for memory in self.plan.memories:
            shape, axes = memory.made
            made = f"np.empty({shape}, {literal(memory.dtype)})" + (f".transpose({axes})" if axes else "")
            names = [*dict.fromkeys(self.names[variable] for variable in memory.holds)]
            for line in wrap(" = ".join(names), WIDEST - len(made), break_long_words=False):
                yield f"{line.strip(' =')} = {made}"
                made = names[0]  # the same memory
        fixed = self.plan.fixed_views - self.inline
        for instruction in self.program.instructions:
            if instruction.result in fixed:
                yield from self._lines(instruction)

    def _body(self) -> Iterator[str]:
        elsewhere = self.inline | self.plan.fixed_views
        written = [i for i in self.program.instructions if i.result not in elsewhere]
        for phase, group in groupby(written, lambda i: i.phase):
            yield from [f"# {phase}"] * bool(phase)
            for instruction in group:
                lines, shape = self._lines(instruction), instruction.result.shape
                if lines and shape:
                    lines[-1] = f"{lines[-1]:<{WIDTH}}  # {shape}"
                yield from lines
            yield ""
        yield from self._copies()
        outputs = map(self._output, self.program.outputs, self.plan.copied)
        if self.program.outputs:
            yield f"return {', '.join(outputs)}"
        elif not self.program.instructions and not self.program.updates:
            yield "pass"

    def _lines(self, instruction: Instruction) -> list[str]:
        """Return the statements of an instruction: none for an array that is copied to itself."""
        name, is_placed = self._operand(instruction.result), instruction.result in self.plan.places
        if isinstance(instruction.primitive, Kernel) and is_placed:
            return [self._expression(instruction, name)]
        expression = self._expression(instruction)
        if instruction.primitive.is_statement:
            return expression.split("\n")
        if not is_placed:
            return f"{name} = {expression}".replace("{result}", name).split("; ")
        operands = map(self._operand, instruction.operands)
        lines = instruction.primitive.text_into(name, *operands, **instruction.params).split("; ")
        # Leave out copies of an array to itself: an operand that is overwritten is in place already.
        return [line for line in lines if line != f"np.copyto({name}, {name})"]

    def _expression(self, instruction: Instruction, *out: str) -> str:
        primitive, operands = instruction.primitive, [*map(self._operand, instruction.operands), *out]
        if isinstance(primitive, Loop):
            return f"{self.loops[primitive]}({', '.join(operands)})"
        if not isinstance(primitive, Kernel):
            return primitive.text(*operands, **instruction.params)
        text = _text_of_kernel(instruction.operands, primitive.body, bool(out))
        if text not in self.kernels:
            name = _joined("fused", *(i.primitive.name for i in primitive.body[-2:]))
            self.kernels[text] = unused(name, self.taken)
        call = f"{self.kernels[text]}({', '.join(operands)})"
        # No function that is fused keeps the axes along which it reduces.
        keeps_axes = any(i.params.get("keepdims") for i in primitive.body)
        return f"{call}.reshape({instruction.result.shape})" if keeps_axes else call

    def _operand(self, x: Any) -> str:
        if isinstance(x, Variable):
            place = self.plan.places.get(x)
            return self.names[place if isinstance(place, Variable) else x]
        if isinstance(x, tuple):
            return f"({', '.join(map(self._operand, x))}{',' * (len(x) == 1)})"
        if isinstance(x, np.ndarray) and x.ndim > 0:
            text = literal(x)
            if text not in self.constants:
                function = text.partition("(")[0].removeprefix("np.")
                self.constants[text] = unused(function if function in ("ones", "zeros") else "constant", self.taken)
            return self.constants[text]
        return literal(x[()] if isinstance(x, np.ndarray) else x)

    def _output(self, x: Any, is_copied: bool) -> str:
        """Return the expression for an output; on a GPU, a constant is converted to an array of the device."""
        text = self._operand(x)
        if isinstance(x, (np.ndarray, np.generic)) and self.program.device != "cpu":
            text = f"np.asarray({text})"
        return f"{text}.copy()" if is_copied else text

    def _copies(self) -> Iterator[str]:
        """Yield statements that update the inputs whose new value could not be computed in place."""
        written, views = set[Variable](), self.program.views()
        texts = {old: self._operand(new) for old, new in self.program.updates if self.plan.places.get(new) is not old}
        for old, new in self.program.updates:
            # A new value that is itself an input, or a view of one, must be kept if that is written first.
            if old in texts and views.get(new, new) in written:
                name = unused(f"new_{self.names[old]}", self.taken)
                yield f"{name} = {texts[old]}.copy()"
                texts[old] = name
            written.add(old)
        yield from (f"np.copyto({self.names[old]}, {text})" for old, text in texts.items())


class _LoopWriter(_Writer):
    """Writes the body of a loop, and the function that runs it for each step."""

    def __init__(self, loop: Loop, name: str, taken: dict[str, int]) -> None:
        body = replace(loop.body, name=unused("body", taken))
        self.loop, self.name = loop, name
        super().__init__(body, plan_memory(body), taken)

    def function(self) -> Iterator[str]:
        """Yield the lines of both functions."""
        yield from super().function()
        (carried, of_step), names = self.loop.counts, [self.names[x] for x in self.program.inputs]
        end = len(names) - len(self.loop.slots)
        parts = [f"{name}[{STEP}]" for name in names[carried : carried + of_step]]
        slots = [f"{name}[{STEP},\xa0...]" for name in names[end:]]  # no place to wrap a line
        lines = [f"{name} = np.copy({name})" for name in names[:carried]]
        for name, x in zip(names[end:], self.loop.slots, strict=True):
            lines.append(f"{name} = np.empty({(len(self.loop.steps), *x.shape)}, {literal(x.dtype)})")
        lines.append(f"for {STEP} in {self.loop.steps}:")
        given = ", ".join([*names[:carried], *parts, *names[carried + of_step : end], *slots])
        call = wrap(f"{self.program.name}({given})", WIDEST, initial_indent=INDENT, subsequent_indent=2 * INDENT)
        lines += [line.replace("\xa0", " ") for line in call]
        results = ", ".join([*names[:carried], *names[end:]])
        lines += wrap(f"return ({results},)", WIDEST, subsequent_indent=INDENT)
        yield from ("", "", _head(self.name, names[:end]), *(INDENT + line for line in lines))


def _head(function: str, names: list[str]) -> str:
    """Return the head of a function."""
    arguments = ", ".join(names)
    if len(arguments) > WIDTH:
        arguments = "".join(f"\n{INDENT}{name}," for name in names) + "\n"
    return f"def {function}({arguments}):"


def _text_of_kernel(reads: tuple[Variable, ...], body: tuple[Instruction, ...], has_out: bool) -> str:
    """Return the parameters and the body of the function that is one kernel; for the same operations, the same text."""
    taken: dict[str, int] = {}
    names = {x: unused(ascii_lowercase[n % 26], taken) for n, x in enumerate(reads)}
    head, lines, text = f"({', '.join([*names.values(), *['out'] * has_out])}):", [], ""
    for i in body:
        primitive = REDUCTIONS.get(i.primitive, i.primitive)
        if primitive.elementwise and any(isinstance(x, np.generic) for x in i.operands):
            # Written with an operator, NumPy's scalar would take what is fused for an object.
            primitive = replace(primitive, template=primitive.template_into)
        operands = [names[x] if isinstance(x, Variable) else literal(x) for x in i.operands]
        text = primitive.text(*operands, **{name: x for name, x in i.params.items() if name != "keepdims"})
        names[i.result] = unused(i.primitive.name, taken)
        lines.append(f"{names[i.result]} = {text}")
    lines[-1] = f"out[...] = {text}" if has_out else f"return {text}"
    return "\n".join([head, *(INDENT + line for line in lines)])


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def names_of(program: Program, plan: Plan, taken: dict[str, int]) -> dict[Variable, str]:
    """Return a name for each variable, and add it to the taken ones. The most telling names are assigned first."""
    results = [instruction.result for instruction in program.instructions]
    in_kernels = {i.result for k in program.instructions if isinstance(k.primitive, Kernel) for i in k.primitive.body}
    names = {x: x.name for x in in_kernels.difference(results) if x.name}  # for derivatives by these
    heirs = {old: new for new, old in plan.overwrites.items()}
    in_one_array: dict[Variable, set[str]] = {}  # results that overwrite each other may have one name
    for x in results:
        in_one_array[x] = in_one_array.get(plan.overwrites.get(x, x), set())

    def wanted() -> Iterator[tuple[Variable, str]]:
        """Yield variables with the names they should get, which may build on those that the ones before got."""
        # Names of the user, then those of layers and rules for their results.
        yield from ((x, x.name or VALUE) for x in program.inputs)
        yield from ((x, x.name) for x in results if x.is_named)
        yield from ((x, x.name) for x in results if x.is_final and x.name and x.derivative_of is None)
        # The steps that such a result overwrites.
        for x in reversed(results):
            heir = heirs.get(x)
            if heir in names and heir.derivative_of is x.derivative_of is None:
                yield x, names[heir]
        # Derivatives: the variables that they are by have names now.
        for x in results:
            if x.is_final and x.derivative_of in names:
                yield x, _joined(x.factor, "d", names[x.derivative_of])
        # The new array that such a derivative is a change of.
        for x in reversed(results):
            if heirs.get(x) in names and isinstance(plan.places.get(heirs[x]), Variable):
                yield x, names[heirs[x]]
        # All others: the rule or derivative that the instruction is a step of, then the primitive.
        for instruction in program.instructions:
            x, of = instruction.result, instruction.result.derivative_of
            if instruction.primitive.overwrites_first and plan.overwrites.get(x) in names:
                yield x, names[plan.overwrites[x]]  # a part of the array is changed
            context = x.name if of is None else f"d_{names[of]}" if of in names else ""
            yield x, _joined(x.factor, context, instruction.primitive.name)

    for x, name in wanted():
        if x not in names:
            same = in_one_array.get(x, set())
            names[x] = name if name in same else unused(name, taken)
            same.add(names[x])
    return names


def _joined(*parts: str) -> str:
    return "_".join(filter(None, parts))


def unused(wanted: str, taken: dict[str, int]) -> str:
    """Return an unused name, with a number if necessary; note it as taken, and the next number."""
    name = wanted
    while name in taken:
        name = f"{wanted}_{taken[wanted]}"
        taken[wanted] += 1
    taken[name] = 2
    return name
