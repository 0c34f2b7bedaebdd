"""The page on readings, in `tinygrad_lite.rules`, is complete; and a person can read along in a debugger."""

from __future__ import annotations

import ast
import inspect
import io
import pdb

import numpy as np

import tinygrad_lite as tg
from tinygrad_lite.rules import TABLES, windows

METHODS = {"sum", "mean", "prod", "max", "min", "reshape", "transpose", "astype"}
ATTRIBUTES = {"shape", "ndim", "size", "dtype", "T", "mT"}


def test_rules_ask_of_a_value_what_the_page_names():
    modules = {"np", "np.linalg", "math", "string", "builtins"}
    modules |= {table.__name__.rpartition(".")[2] for table in TABLES}
    # What rules ask of types, texts, lists, dictionaries, numbers and samples.
    of_others = {*dir(np.dtype), *dir(str), *dir(list), *dir(dict), "item", "args", "tolist"}
    of_others |= {*dir(windows.Geometry), *dir(np.finfo(float))}
    asked = {
        node.attr
        for table in TABLES
        for node in ast.walk(ast.parse(inspect.getsource(table)))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in modules
    }
    assert asked - of_others <= METHODS | ATTRIBUTES
    assert all(f"``{name}``" in tg.rules.__doc__ for name in METHODS | ATTRIBUTES)


def test_a_debugger_stops_in_a_derivative_and_lists_it():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    y = np.sin(x).sum()
    derivative = tg.rules.get("sin").vjps[0].expression.__code__
    typed = io.StringIO(
        f"break {derivative.co_filename}:{derivative.co_firstlineno}\ncontinue\nlist\nwhere\ncontinue\n"
    )
    shown = io.StringIO()
    debugger = pdb.Pdb(stdin=typed, stdout=shown, nosigint=True, readrc=False)
    debugger.use_rawinput = False
    debugger.runcall(y.backward)
    text = shown.getvalue()
    assert "->\t    x=lambda g, x: g * np.cos(x))" in text
    assert "dx = vjps[k].pull_back(g, output, k, values, params)" in text
    np.testing.assert_allclose(x.grad.numpy(), np.cos([1.0, 2.0]), rtol=1e-6)
