"""The compiler behind `jit`: it turns a function into a straight-line NumPy program, or a CuPy one on a GPU.

A program runs faster than its function, since it skips the Python code of the graph, and reuses memory. The modules
work in this order: `state` finds the values the function reads, `record` runs it on tracers (`tracer`), which
write down a `program` of `operations`; `simplify` shortens it, `plan` assigns memory, `source` writes it as Python;
`compiled` has `jit` and the object it returns.

>>> import numpy as np
>>> recording = record(lambda x: (2 * x + 1).sum(), (np.array([1.0, 2.0]),), {})
>>> [instruction.operation.name for instruction in recording.program.instructions]
['multiply', 'add', 'sum']
"""

from .compiled import Compiled, Jitted, JitWarning, jit, load
from .plan import Plan, plan
from .program import Instruction, Program, Variable
from .record import record
from .simplify import simplify
from .source import source_of

__all__ = [
    "Compiled",
    "Instruction",
    "JitWarning",
    "Jitted",
    "Plan",
    "Program",
    "Variable",
    "jit",
    "load",
    "plan",
    "record",
    "simplify",
    "source_of",
]
