"""The tracer's reading of the rules: a function becomes a straight-line NumPy program, or CuPy's.

In the order of the work: `state` finds what the function reaches, `record` runs it on the tracers of `tracer`, which
write down a `program` of `operations`; `simplify` makes it shorter, `plan` decides where values live, `source` writes
it as Python; `compiled` is what the user calls.
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
