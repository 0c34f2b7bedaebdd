"""Write a program as Python source that only needs NumPy, or CuPy for a program on a GPU.

The source is what runs, so a reader sees exactly what is computed:

>>> from tinygrad_lite.compiler import record
>>> program = record(lambda x: 2 * x, (np.ones(3),), {}).program
>>> "multiply = 2 * x" in source_of(program)
True
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterator, Mapping
from itertools import groupby
from textwrap import wrap
from typing import Any

import numpy as np

from ...support.devices import MODULES
from ..memory import Plan
from ..primitives import literal
from ..primitives import transpose as transpose_primitive
from ..program import Instruction, Program, Variable

INDENT = "    "
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
    def __init__(self, program: Program, plan: Plan) -> None:
        self.program, self.plan = program, plan
        self.constants: dict[str, str] = {}
        self.taken = dict.fromkeys(["np", program.name, *keyword.kwlist, *dir(builtins)], 2)
        self.names = _names(program, plan, self.taken)

    def text(self) -> str:
        body = [*self._body()]
        setup = [*self._setup()]
        if setup:
            setup = ["# Made once, and used again at each call.", *setup, ""]
        arguments = ", ".join(self.names[variable] for variable in self.program.inputs)
        if len(arguments) > WIDTH:
            arguments = "".join(f"\n{INDENT}{self.names[variable]}," for variable in self.program.inputs) + "\n"
        head = [
            f'"""{self._title()}"""',
            "",
            f"import {MODULES[self.program.device]} as np",
            "",
            *setup,
            "",
            f"def {self.program.name}({arguments}):",
        ]
        lines = [*self._docstring(), *body]
        return "\n".join([*head, *(f"{INDENT}{line}".rstrip() for line in lines), ""])

    def _title(self) -> str:
        phases = [phase for phase, _ in groupby(i.phase for i in self.program.instructions)]
        device = self.program.device
        kind = "NumPy program" if device == "cpu" else f"program for {device!r}"
        return f"{self.program.name}: {', '.join(dict.fromkeys(phases))}, as one {kind}."

    def _docstring(self) -> Iterator[str]:
        """Yield the lines of the docstring: the effect of the function, and the types of its arguments."""
        changed = [self.names[old] for old, _ in self.program.updates]
        outputs = [self._operand(x) for x in self.program.outputs]
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
                return "function of an array, which it changes in place"
            return "numpy.random.Generator" if variable.is_generator else "number"
        is_elsewhere = variable.is_array and variable.device != self.program.device
        return f"{variable.dtype} {variable.shape}" + f", on {variable.device!r}" * is_elsewhere

    def _setup(self) -> Iterator[str]:
        for text, name in self.constants.items():
            yield f"{name} = {text}"
        for memory in self.plan.memories:
            names = [*dict.fromkeys(self.names[variable] for variable in memory.holds)]
            made = f"np.empty({memory.shape}, {literal(memory.dtype)})"
            first = names[0]
            while names:
                taken = [names.pop(0)]
                while names and len(" = ".join([*taken, names[0], made])) < WIDEST:
                    taken.append(names.pop(0))
                yield " = ".join([*taken, made])
                made = first  # the same memory
        for instruction in self.program.instructions:
            if instruction.result in self.plan.fixed_views and not _is_inline(instruction):
                yield self._assigned(instruction)

    def _body(self) -> Iterator[str]:
        inline = {i.result: i for i in self.program.instructions if _is_inline(i)}
        for variable, instruction in inline.items():
            self.names[variable] = self._expression(instruction)
        written = [i for i in self.program.instructions if i.result not in inline]
        written = [i for i in written if i.result not in self.plan.fixed_views]
        for phase, group in groupby(written, lambda i: i.phase):
            yield f"# {phase}"
            for instruction in group:
                yield from self._noted(instruction)
            yield ""
        outputs = [*map(self._output, self.program.outputs)]
        copies = [*self._copies()]
        for i, copied in enumerate(self.plan.copied):
            if copied and copies:  # copy before the updates change it
                name = unused(f"old_{outputs[i]}" if outputs[i].isidentifier() else "old", self.taken)
                yield f"{name} = {outputs[i]}.copy()"
                outputs[i] = name
            elif copied:
                outputs[i] += ".copy()"
        yield from copies
        if outputs:
            yield f"return {', '.join(outputs)}"
        elif not self.program.instructions and not self.program.updates:
            yield "pass"

    def _noted(self, instruction: Instruction) -> Iterator[str]:
        """Yield the lines of an instruction, with a comment for the shape in the last."""
        *before, last = self._statement(instruction)
        yield from before
        shape = instruction.result.shape
        yield f"{last:<{WIDTH}}  # {shape}" if shape and not last.startswith(" ") else last

    def _statement(self, instruction: Instruction) -> list[str]:
        primitive, result = instruction.primitive, instruction.result
        place = self.plan.places.get(result)
        if place is None:
            return self._assigned(instruction).split("\n")
        out = self.names[place] if isinstance(place, Variable) else self.names[result]
        operands = [self._operand(x) for x in instruction.operands]
        statements = primitive.text_into(out, *operands, **instruction.params).split("; ")
        # Leave out copies of an array to itself: an operand that is overwritten is in place already.
        return [s for s in statements if s != f"np.copyto({out}, {out})"]

    def _assigned(self, instruction: Instruction) -> str:
        name = self.names[instruction.result]
        if instruction.primitive.is_statement:
            return self._expression(instruction)
        first, *more = self._expression(instruction).replace("{result}", name).split("; ")
        return "\n".join([f"{name} = {first}", *more])

    def _expression(self, instruction: Instruction) -> str:
        operands = [self._operand(x) for x in instruction.operands]
        return instruction.primitive.text(*operands, **instruction.params)

    def _operand(self, x: Any) -> str:
        if isinstance(x, Variable):
            place = self.plan.places.get(x)
            return self.names[place if isinstance(place, Variable) else x]
        if isinstance(x, tuple):
            return f"({', '.join(map(self._operand, x))}{',' * (len(x) == 1)})"
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x[()]
        if isinstance(x, np.ndarray):
            text = literal(x)
            if text not in self.constants:
                self.constants[text] = unused("constant", self.taken)
            return self.constants[text]
        return literal(x)

    def _output(self, x: Any) -> str:
        """Return the expression for an output; on a GPU, a constant is converted to an array of the device."""
        text = self._operand(x)
        is_of_numpy = isinstance(x, (np.ndarray, np.generic)) and self.program.device != "cpu"
        return f"np.asarray({text})" if is_of_numpy else text

    def _copies(self) -> Iterator[str]:
        """Yield statements that update the inputs whose new value could not be computed in place."""
        left = [(old, new) for old, new in self.program.updates if self.plan.places.get(new) is not old]
        texts = {old: self._operand(new) for old, new in left}
        for old, new in left:
            if self._shows_what_changes(new):
                texts[old] = unused(f"new_{self.names[old]}", self.taken)
                yield f"{texts[old]} = {self._operand(new)}.copy()"
        for old, text in texts.items():
            yield f"np.copyto({self.names[old]}, {text})"

    def _shows_what_changes(self, variable: Any) -> bool:
        """Return True if a variable is an input that is changed in place, or a view of one."""
        views = {i.result: i.operands[0] for i in self.program.instructions if i.primitive.is_view}
        while variable in views:
            variable = views[variable]
        return any(variable is old for old, _ in self.program.updates)


def _is_inline(instruction: Instruction) -> bool:
    """Return True for the transpose of a matrix: it is written inside the expressions that read it, as ``x.T``."""
    n = len(instruction.result.shape)
    swapped = (*range(n - 2), n - 1, n - 2)
    return instruction.primitive is transpose_primitive and n >= 2 and instruction.params["axes"] == swapped


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _along(links: Mapping[Variable, Variable], variable: Variable) -> Iterator[Variable]:
    """Yield the variables of a chain of links, one after the other."""
    while variable in links:
        variable = links[variable]
        yield variable


def _names(program: Program, plan: Plan, taken: dict[str, int]) -> dict[Variable, str]:
    """Return a name for each variable, and add it to the taken ones. The most telling names are assigned first."""
    names: dict[Variable, str] = {}
    heirs = {old: new for new, old in plan.overwrites.items()}
    results = [i.result for i in program.instructions]

    def take(variable: Variable, wanted: str) -> None:
        same_memory = (*_along(plan.overwrites, variable), *_along(heirs, variable))
        names[variable] = wanted if wanted in {names.get(x) for x in same_memory} else unused(wanted, taken)

    # Names of the user.
    for variable in (*program.inputs, *(v for v in results if v.is_named)):
        take(variable, variable.name)
    # The result of a layer or a rule gets the name of that; so do its steps in the same memory.
    for variable in results:
        if variable.is_final and variable.name and variable not in names and variable.derivative_of is None:
            take(variable, variable.name)
    for variable in reversed(results):
        heir = heirs.get(variable)
        if heir in names and variable not in names and heir.derivative_of is variable.derivative_of is None:
            names[variable] = names[heir]
    # Derivatives: the variables that they are by have names now.
    for variable in results:
        if variable.is_final and variable not in names and variable.derivative_of in names:
            take(variable, f"{variable.factor}_d_{names[variable.derivative_of]}".strip("_"))
    # All others: the rule or derivative that the instruction is a step of, then the primitive.
    for instruction in program.instructions:
        variable = instruction.result
        if variable not in names:
            of = variable.derivative_of
            context = variable.name if of is None else f"d_{names[of]}" if of in names else ""
            take(variable, f"{variable.factor}_{context}_{instruction.primitive.name}".strip("_").replace("__", "_"))
    return names


def unused(wanted: str, taken: dict[str, int]) -> str:
    """Return an unused name, with a number if necessary; note it as taken, and the next number."""
    name = wanted
    while name in taken:
        name = f"{wanted}_{taken[wanted]}"
        taken[wanted] += 1
    taken[name] = 2
    return name
