"""The compiler behind `jit`: it turns a function into a straight-line NumPy program, or a CuPy one on a GPU.

A program runs faster than its function, since it skips the Python code of the graph, and reuses memory. The modules
work in this order: `environment` finds the values the function reads, `recording` runs it on tracers (`tracer`,
`numbers`), whose `recorder` writes down a `program` of `primitives`; `passes` shorten it, `memory` assigns arrays,
`writers` write it as Python; `compiled` has `jit` and the object it returns.

>>> import numpy as np
>>> recording = record(lambda x: (2 * x + 1).sum(), (np.array([1.0, 2.0]),), {})
>>> [instruction.primitive.name for instruction in recording.program.instructions]
['multiply', 'add', 'sum']
"""

from .compiled import Compiled, Jitted, JitWarning, jit, load
from .memory import Plan, plan_memory
from .passes import simplify
from .program import Instruction, Program, Variable
from .recording import record
from .writers.numpy_source import source_of

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
    "plan_memory",
    "record",
    "simplify",
    "source_of",
]
