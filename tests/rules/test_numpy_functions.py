"""One table says what happens with each function of NumPy, and each reading's own list agrees with it.

A reading that lacks a function of the table, or has one that is not in it, is wrong unless a reason stands here.
"""

from __future__ import annotations

import ast
import inspect
import re
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.compiler import primitives, recorded_functions
from tinygrad_lite.compiler.writers import onnx_table
from tinygrad_lite.formulas import expressions
from tinygrad_lite.numpy_calls import COMPARISONS, call
from tinygrad_lite.rules import numpy_catalogue, numpy_functions
from tinygrad_lite.rules.numpy_functions import NUMPY_FUNCTIONS, PLAIN, Instead
from tinygrad_lite.rules.registry import row_of
from tinygrad_lite.support.formatting import numpy_name
from tinygrad_lite.support.names import INSTEAD_OF_METHODS

# What each reading lists: jit and ONNX know functions by themselves or by the primitive they are recorded as.
OF_JIT = {*primitives.FUNCTIONS, *recorded_functions.ANSWERS}
OF_ONNX = onnx_table.OPERATIONS
OF_FORMULAS = expressions._NOTATION

ANSWERED = {function for function, row in NUMPY_FUNCTIONS.items() if not isinstance(row, Instead)}
REFUSED = NUMPY_FUNCTIONS.keys() - ANSWERED


def names(functions):
    return {numpy_name(function) for function in functions}


def test_every_row_is_a_function_of_numpy_and_has_a_kind():
    for function, row in NUMPY_FUNCTIONS.items():
        assert attrgetter(numpy_name(function).removeprefix("np."))(np) is function
        assert isinstance(row, (tg.rules.Rule, Instead)) or row is PLAIN or inspect.isfunction(row)


def test_no_function_has_two_rows():
    tree = ast.parse(Path(numpy_functions.__file__).read_text(encoding="utf-8"))
    (table,) = (
        node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.target.id == "NUMPY_FUNCTIONS"
    )
    newer = [name for name in ("matvec", "vecmat") if hasattr(np, name)]  # than the least NumPy: added after the table
    assert len(table.keys) + len(newer) == len(NUMPY_FUNCTIONS)


@pytest.mark.parametrize("function", NUMPY_FUNCTIONS, ids=numpy_name)
def test_what_computes_a_function_takes_its_first_argument_by_position(function):
    if function in ANSWERED and NUMPY_FUNCTIONS[function] is not PLAIN:
        row = NUMPY_FUNCTIONS[function]
        named = row.forward if isinstance(row, tg.rules.Rule) else row
        first = next(iter(inspect.signature(named).parameters.values()))
        assert first.kind in (first.POSITIONAL_OR_KEYWORD, first.POSITIONAL_ONLY, first.VAR_POSITIONAL)


def test_every_composed_function_has_a_row():
    numpys = {*vars(np), *vars(np.lib.stride_tricks), *vars(np.linalg), *vars(np.fft)}
    rooms = [room for _, room in inspect.getmembers(tg.rules.composed, inspect.ismodule)]
    members = [member for room in rooms for member in inspect.getmembers(room, inspect.isfunction)]
    composed = [f for name, f in members if name in numpys]
    assert {f.__name__ for f in composed if f.__module__.startswith(tg.rules.composed.__name__)} == {
        row.__name__ for row in NUMPY_FUNCTIONS.values() if inspect.isfunction(row)
    }


ARGUMENTS = {
    "x": np.array([[0.5, 2.0, 1.0], [3.0, 0.25, 4.0], [1.5, 0.75, 2.5]]),
    "vector": np.array([0.5, 2.0, 1.0]),
    "n": 2,
    "y": np.array([3.0, -1.0, 0.5]),
}
# What the advice on functions without a derivative gives: that of NumPy's own function, called on arrays.
WITHOUT_DERIVATIVE = {
    np.polydiv: "np.polydiv(x, y)",
    np.roots: "np.roots(x)",
    np.common_type: "np.common_type(x, y)",
    np.min_scalar_type: "np.min_scalar_type(x)",
    np.einsum_path: "np.einsum_path(subscripts, x, y)",
    np.shares_memory: "np.shares_memory(x, y)",
    np.may_share_memory: "np.may_share_memory(x, y)",
    np.ravel_multi_index: "np.ravel_multi_index((i, j), shape)",
    np.unravel_index: "np.unravel_index(i, shape)",
    np.packbits: "np.packbits(i)",
    np.unpackbits: "np.unpackbits(i)",
    **dict.fromkeys((np.isnat, np.is_busday, np.busday_count, np.busday_offset, np.datetime_as_string)),
    **dict.fromkeys((np.save, np.savez, np.savez_compressed, np.savetxt)),
}
# How NumPy itself is called for what each row advises to write.
CALLS = {
    np.sort_complex: "np.sort_complex(vector)",
    np.trim_zeros: "np.trim_zeros(vector)",
    np.nextafter: "np.nextafter(x, y)",
    np.polyfit: "np.polyfit(vector, y, n)",
}


@pytest.mark.parametrize("function", CALLS, ids=numpy_name)
def test_what_is_advised_has_the_same_result_and_a_derivative(function):
    text = CALLS[function]
    own = NUMPY_FUNCTIONS[function].code
    arguments = ARGUMENTS | {"np": np}
    if "vector" in text:
        arguments["x"] = arguments["vector"]
    expected = eval(text, dict(arguments))

    def f(x):
        return eval(own, {**arguments, "x": x})

    np.testing.assert_allclose(f(tg.Tensor(arguments["x"])).numpy(), expected)
    assert tg.gradcheck(lambda x: f(x) ** 2, arguments["x"], order=2)
    with pytest.raises(TypeError) as refused:
        eval(text, {**arguments, "x": tg.Tensor(arguments["x"]), "vector": tg.Tensor(arguments["vector"])})
    assert f"{numpy_name(function)} has no derivative rule" in str(refused.value)
    assert f"write {NUMPY_FUNCTIONS[function]}" in str(refused.value)


@pytest.mark.parametrize("function", [f for f, text in WITHOUT_DERIVATIVE.items() if text], ids=numpy_name)
def test_what_is_advised_without_a_derivative_is_numpys_result(function):
    arrays = {"x": np.array([1.0, -3.0, 2.0]), "y": np.array([1.0, 2.0]), "i": np.uint8([1, 0]), "j": np.uint8([2, 1])}
    others = {"np": np, "subscripts": "i,j->ij", "shape": (2, 3)}
    tensors = {name: tg.Tensor(x) for name, x in arrays.items()}
    found = eval(NUMPY_FUNCTIONS[function].code, tensors | others)
    text = WITHOUT_DERIVATIVE[function]
    assert repr(found) == repr(eval(text, arrays | others))
    with pytest.raises(TypeError, match="has no derivative rule"):
        eval(text, tensors | others)


def test_all_advice_is_tried():
    in_linalg = {f for f in REFUSED if numpy_name(f).startswith(("np.fft.", "np.linalg."))}  # see test_linalg.py
    writing = {function for function in REFUSED if NUMPY_FUNCTIONS[function].writes}  # see test_shapes_and_pieces
    assert {*CALLS, *WITHOUT_DERIVATIVE, *writing, *in_linalg, np.full, np.arange} == REFUSED


OF_NUMPY = {
    f for f in vars(np).values() if isinstance(f, np.ufunc) or hasattr(f, "_implementation")
}  # those that ask their arguments' classes


def test_every_function_that_numpy_has_is_in_the_table():
    """A function that a new version of NumPy adds is named here, until it has a row."""
    assert [name for name, function in numpy_catalogue.functions() if row_of(function) is None] == []


def test_a_function_without_a_row_is_refused_with_what_to_do():
    assert row_of(np.emath.sqrt) is None
    for x in (tg.Tensor([1.0]), tg.Tensor([1.0], requires_grad=True)):
        with pytest.raises(TypeError, match=r"compose it from functions that have one .*, add one with"):
            call(np.emath.sqrt, (x,), {})


def test_the_catalogue_has_a_line_for_each_function_with_its_kind():
    lines = tg.rules.catalogue().splitlines()
    assert len(lines) == 2 + len([*numpy_catalogue.functions()])
    for part in (
        "| `np.exp` | rule | the rule `exp` |",
        "| `np.argmax` | plain | NumPy's values, without a derivative |",
        "| `np.save` | refused | write `np.save(path, x.numpy())` |",
        "| `np.tile` | composed | Repeat",
    ):
        assert any(line.startswith(part) for line in lines), part


def test_every_rule_that_has_the_name_of_a_function_of_numpy_has_a_row():
    functions = {function.__name__: function for function in OF_NUMPY}
    named = {rule.name for rule in tg.rules.all() if rule.is_built_in} & functions.keys()
    # NumPy's `place` writes into an array, and its `astype` takes plain arrays alone.
    assert {name for name in named if functions[name] not in ANSWERED} <= {"place", "astype"}


# What jit does not record, and why: a function of the table that is not here is recorded.
NOT_RECORDED = {
    **dict.fromkeys(["np.nonzero", "np.flatnonzero", "np.argwhere"], "the shape of the result depends on the values"),
    **dict.fromkeys(["np.zeros", "np.ones", "np.eye"], "no array is given to them, so their result is a constant"),
}


def is_recorded(function):
    if isinstance(function, np.ufunc) and function.nout == 1:
        return primitives.of_ufunc(function) is not None
    return function in OF_JIT or tg.rules.answer_for(function) is not None


def test_jit_records_all_that_is_answered_but_for_what_is_named():
    assert names(function for function in ANSWERED if not is_recorded(function)) == NOT_RECORDED.keys()


def test_jit_names_no_function_that_the_table_does_not_have():
    assert names(OF_JIT - NUMPY_FUNCTIONS.keys()) == set()


# Primitives that are no functions of the table: methods, operators, and what jit writes itself.
OWN = {"getitem", "put", "add_at", "full", "empty", "to", "array", "item", "length"}
OWN |= {"sub", "mul", "truediv", "pow", "floordiv", "add_to"}  # of Python numbers and parts
# What ONNX has no entry for, and of what it is composed where it is called on a Tensor, which is exported. Of plain
# arrays it is one call of NumPy, which the export refuses by name.
NOT_EXPORTED = {
    "products, quotients and choices": "angle conjugate deg2rad degrees fabs heaviside nan_to_num rad2deg radians",
    "powers, exponentials and sines": "float_power i0 logaddexp2 sinc",
    "comparisons": "fmax fmin interp unwrap",
    "products of matrices": "corrcoef cov matvec vecdot vecmat",
    "elements by their order": "median nanmedian nanpercentile nanquantile partition percentile quantile sort",
    "reductions of what is a number": "nancumprod nancumsum nanmax nanmean nanmin nanprod nanstd nansum nanvar",
    "nothing: it is refused": "isnat nextafter",
}


def test_onnx_has_an_entry_for_all_that_jit_records_but_for_what_is_named():
    recorded = {f for f in NUMPY_FUNCTIONS if f in primitives.FUNCTIONS or (isinstance(f, np.ufunc) and f.nout == 1)}
    lacking = {f for f in recorded if f.__name__ not in OF_ONNX}
    assert {f.__name__ for f in lacking} == {f for f in " ".join(NOT_EXPORTED.values()).split() if hasattr(np, f)}
    assert all(f in REFUSED or inspect.isfunction(NUMPY_FUNCTIONS[f]) for f in lacking)


def test_messages_of_composed_functions_name_them_as_one_calls_them():
    functions = {f.__name__ for f in NUMPY_FUNCTIONS} | {"scatter", "index_add"}
    functions -= {rule.name for rule in tg.rules.all()}  # errors name an operation by its rule
    sources = [*Path(tg.rules.composed.__file__).parent.glob("*.py")]
    texts = [
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    heads = [re.match(r"(np\.[\w.]+|tg\.\w+|\w+)(: | of | takes | needs |$)", text) for text in texts]
    named = {head[1] for head in heads if head and head[2]}
    assert {name for name in named if name in functions} == set()
    assert {"np.take_along_axis", "np.cross", "np.linalg.solve", "tg.scatter"} <= named


def test_onnx_names_no_function_that_the_table_does_not_have():
    assert OF_ONNX.keys() - {function.__name__ for function in ANSWERED} == OWN
    assert onnx_table.RULES.keys() <= {rule.name for rule in tg.rules.all()}


# Signs of formulas that are no functions: a transpose, Iverson's bracket, two ways to write products, a shape.
SIGNS = {"mT", "bracket", "scale", "coefficient", "shaped"}


def test_formulas_have_notation_for_functions_and_rules_alone():
    known = {function.__name__ for function in ANSWERED} | {rule.name for rule in tg.rules.all()}
    assert OF_FORMULAS.keys() - known == SIGNS


def test_methods_of_a_tensor_that_have_a_name_of_numpy_are_in_the_table():
    functions = {function.__name__: function for function in OF_NUMPY}
    methods = {name for name in dir(tg.Tensor) if not name.startswith("_") and hasattr(tg.Tensor, name)}
    assert {name for name in methods & functions.keys() if functions[name] not in ANSWERED} <= {"astype"}


def test_comparisons_are_plain():
    assert {NUMPY_FUNCTIONS[function] for function in COMPARISONS} == {PLAIN}


def test_advice_on_a_method_stands_in_the_table_if_it_is_that_on_the_function():
    assert INSTEAD_OF_METHODS.keys() & {function.__name__ for function in REFUSED} == set()
