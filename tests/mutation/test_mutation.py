"""Mutation testing works: slips are what they are called, and one that nothing can see is reported."""

from __future__ import annotations

import ast
import importlib.util
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.mutation import __main__ as command
from tests.mutation import operators, stages
from tests.mutation.__main__ import report, wrongly_listed
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Helper, mutants, origins
from tests.mutation.stages import (
    PROOF,
    SAME,
    SURVIVED,
    TESTS,
    VERDICTS,
    known_mutants,
    proof_notices,
    reaching_tests,
    suite_notices,
)
from tinygrad_lite.rules import registry as machinery

ORIGINS = origins()
CASES = [
    ("operators_exchanged", "a + b", ["a - b"]),
    ("operators_exchanged", "a - b * c", ["a + b * c", "a - b / c"]),
    ("operators_exchanged", "a ** b / c & d", ["a * b / c & d", "a ** b * c & d", "a ** b / c | d"]),
    ("operators_exchanged", "a += b", ["a -= b"]),
    ("operands_swapped", "a - b", ["b - a"]),
    ("operands_swapped", "a / b ** c", ["b ** c / a", "a / c ** b"]),
    ("operands_swapped", "a.mT @ g", ["g @ a.mT"]),
    ("operands_swapped", "a + b * c", []),
    ("operand_dropped", "g * y * z", ["g * y", "z", "g * z", "y * z"]),
    ("operand_dropped", "g / (2 * y)", ["g", "2 * y", "g / 2", "g / y"]),
    ("sign_changed", "lambda g: g * x", ["lambda g: -(g * x)"]),
    ("sign_changed", "-g * (1 + y)", ["g * (1 + y)", "-g * (-1 + y)"]),
    ("sign_changed", "not a", ["a"]),
    ("transposed", "g @ b.mT", ["g @ b", "g.mT @ b.mT", "g @ b.mT.mT"]),
    ("axis_mistaken", "x.sum(axis=axis)", ["x.sum(axis=0)", "x.sum(axis=-1)", "x.sum(axis=None)"]),
    ("argument_dropped", "x.sum(axis=a, keepdims=True)", ["x.sum(axis=a)", "x.sum(keepdims=True)"]),
    ("argument_dropped", "np.flip(g, axis)", ["np.flip(g)"]),
    ("argument_dropped", "restore_axes(g, x)", []),
    ("call_dropped", "restore_axes(g, x) * x.sum()", ["g * x.sum()", "restore_axes(g, x) * x"]),
    ("call_dropped", "np.sign(x)", ["x"]),
    ("call_dropped", "np.where(c, a, b)", []),
    ("function_mistaken", "np.cos(x)", ["np.sin(x)"]),
    ("function_mistaken", "any(x.sum())", ["all(x.sum())", "any(x.mean())"]),
    ("constant_changed", "f(0, 1, 2)", ["f(1, 1, 2)", "f(0, 0, 2)", "f(0, 2, 2)", "f(0, 1, 1)", "f(0, 1, 3)"]),
    ("constant_changed", "f(True, 'ij')", ["f(False, 'ij')"]),
    ("comparison_changed", "a > b", ["a >= b", "a < b", "a == b"]),
    ("comparison_changed", "a in b", ["a not in b"]),
    ("choice_changed", "np.where(c, a, b)", ["np.where(c, b, a)", "a", "b"]),
    ("choice_changed", "a if c else b", ["b if c else a", "a", "b"]),
    ("choice_changed", "[x for x in xs if x]", ["[x for x in xs]"]),
    ("choice_changed", "if c: a", ["if not c: a", "if True: a", "if False: a"]),
    ("bound_dropped", "x[i:j]", ["x[:j]", "x[i:]"]),
    ("statement_dropped", "y = f(x)", ["pass"]),
    ("statement_dropped", "def f(x): 'Do.'; g(x)", ['def f(x): """Do.""" pass']),
    ("cotangent_dropped", "g * y", ["np.ones_like(g) * y"]),
]


def made(operator, text):
    """Return what an operator makes of a function, whichever node it changes."""
    tree = ast.parse(text).body[0]
    tree = tree.value if isinstance(tree, ast.Expr) else tree
    return {
        ast.unparse(operators.replaced(tree, node, new)).replace("\n    ", " ")
        for node in ast.walk(tree)
        for new in operator(node)
    }


@pytest.mark.parametrize(("operator", "before", "after"), CASES)
def test_an_operator_makes_the_slip_it_is_named_after(operator, before, after):
    assert made(getattr(operators, operator), before) - {before} == set(after)


def test_names_are_exchanged_for_those_they_are_like():
    assert made(operators.names_exchanged({"x": ["x", "y"], "y": []}), "x * y") == {"y * y"}


def test_no_operator_goes_untested():
    assert {name for name, _, _ in CASES} == {operator.__name__ for operator in operators.OPERATORS}


def test_every_change_is_one_that_leaves_the_original_alone_and_comes_once():
    tree = ast.parse("lambda g, y: g * y * (1 - y)", mode="eval").body
    before = ast.dump(tree)
    texts = [ast.unparse(changed.body) for changed in operators.changes(tree, {"y": ["g"]})]
    assert {"g * y * (1 + y)", "g * y", "-(g * y * (1 - y))", "g * g * (1 - y)"} <= set(texts)
    assert len(texts) == len(set(texts))
    assert "g * y * (1 - y)" not in texts
    assert ast.dump(tree) == before


def test_the_derivatives_of_every_rule_are_found():
    """By each input an expression, or a function with a name."""
    derivatives = [origin for origin in ORIGINS if not isinstance(origin, Helper)]
    found = {(rule.name, derivative.argument) for derivative in derivatives for rule in derivative.rules}
    named = {
        (rule.name, name)
        for rule in tg.rules.all()
        for k, name in enumerate(rule.inputs)
        if rule.vjps[k].expression.__name__ != "<lambda>"
    }
    assert found | named == {(rule.name, name) for rule in tg.rules.all() for name in rule.inputs}
    assert named == {("einsum", "xs"), ("svd", "a")}


def test_the_functions_that_derivatives_call_are_found():
    users = {str(origin): {rule.name for rule in origin.rules} for origin in ORIGINS if isinstance(origin, Helper)}
    reducing = {"sum", "mean", "prod", "max", "min", "logsumexp", "softmax", "log_softmax", "cross_entropy"}
    assert users["axes_of"] - {"cumprod"} == users["reduced"] == reducing
    assert users["restore_axes"] == reducing - {"softmax", "log_softmax", "cross_entropy"}
    assert users["_einsum_back"] == {"einsum"}
    assert users["_place"] == {"getitem", "place"}
    helpers = {"count", "product_of_others", "share", "inverse", "opposite", "inner", "operand_index", "samples_in"}
    assert helpers <= set(users)


def test_a_shared_expression_is_changed_for_all_that_share_it():
    (shared,) = (origin for origin in ORIGINS if str(origin) == "matmul, linear by a")
    before = [rule.vjps for rule in shared.rules]
    wrong = known_mutants()["matmul, linear by a: g @ b.mT  ->  g"]
    with wrong.in_place():
        assert all(rule.vjps[0].expression(3.0) == 3 for rule in shared.rules)
    assert [rule.vjps for rule in shared.rules] == before


def test_everything_is_put_back_even_if_something_is_raised():
    derivative = "sigmoid by x: g * y * (1 - y)  ->  g * y"
    helper = "samples_in: return math.prod(x.shape[:-1])  ->  return math.prod(x.shape[:])"
    for mutant in (known_mutants()[derivative], known_mutants()[helper]):
        with pytest.raises(ZeroDivisionError), mutant.in_place():
            raise ZeroDivisionError
    assert tg.prove(tg.rules.get("sigmoid"))
    assert tg.rules.neural.samples_in(np.ones((2, 3, 4))) == 6


def test_a_function_is_changed_wherever_it_was_imported_to():
    changed = "restore_axes: return g.reshape(kept_shape(x, axis))  ->  return g.reshape(kept_shape(g, axis))"
    with known_mutants()[changed].in_place():
        assert tg.rules.neural.restore_axes(np.ones((2, 1)), np.ones((2, 3)), 1).shape == (2, 1)
        with pytest.raises(IndexError):
            tg.rules.neural.restore_axes(np.ones(2), np.ones((2, 3)), 1)


def test_equivalents_exist_and_have_a_reason():
    assert set(EQUIVALENT) <= set(known_mutants())
    assert all(EQUIVALENT.values())


@pytest.mark.parametrize("rule", ["sigmoid", "tanh", "divide", "concatenate", "softmax"])
def test_proof_alone_notices_every_mutant_of_a_smooth_rule(rule):
    chosen = [mutant for name, mutant in known_mutants().items() if name.startswith(f"{rule} by ")]
    assert len(chosen) >= 5
    assert all(map(proof_notices, chosen))


def test_a_tie_is_noticed_by_the_tests():
    half = "np.where(a == b, g / 2, 0))"
    tie = known_mutants()[f"maximum by a: np.where(a > b, g, {half}  ->  np.where(a >= b, g, {half}"]
    assert not proof_notices(tie)
    tests = "tests/rules/test_ties_and_edges.py"
    assert suite_notices(tie, [f"{tests}::test_of_two_equal_operands_each_gets_half_of_the_cotangent"])


def test_the_tests_that_reach_a_derivative_are_found():
    reaching = reaching_tests(TESTS[-1:])
    assert reaching["product_of_others"] == [
        "tests/devices/test_derivatives.py::test_the_derivative_of_a_product_over_axes"
    ]
    assert reaching["maximum by a"] == []


@pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="no such limits on Windows")
def test_a_loop_that_does_not_end_is_noticed(monkeypatch):
    monkeypatch.setattr(stages, "OF_PROOF", 0.2)
    assert proof_notices(known_mutants()["sum_of_products_after: terms *= 2  ->  pass"])


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Return what makes the mutants of a user's own table, of one rule on given samples; it is gone afterwards."""
    monkeypatch.setattr(machinery, "_rules", dict(machinery._rules))

    def plant(samples):
        (tmp_path / "planted.py").write_text(
            "import numpy as np\n"
            "from tinygrad_lite.rules import define, sample\n"
            f"cube = define('planted', lambda x: x**3, x=lambda g, x: g * (3 * x**2), samples=lambda: [{samples}])\n"
        )
        spec = importlib.util.spec_from_file_location("planted", tmp_path / "planted.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return mutants([module])

    return plant


def test_what_samples_cannot_see_survives_and_is_reported(planted):
    found = planted("sample(np.ones((0, 3))), sample(np.zeros(2))")
    survivors = [name for name, mutant in found.items() if not proof_notices(mutant)]
    assert "planted by x: g * (3 * x ** 2)  ->  -(g * (3 * x ** 2))" in survivors
    verdicts = {name: SURVIVED if name in survivors else PROOF for name in found}
    text = report(verdicts, dict.fromkeys(found, "planted"))
    assert all(f"SURVIVED: {name}" in text for name in survivors)
    assert text.endswith(f"{len(found) - len(survivors)} of {len(found)} mutants noticed")


def test_what_good_samples_see_does_not_survive(planted):
    found = planted("sample(np.array([-1.5, 0.5, 2.0]))")
    assert len(found) > 10
    assert all(map(proof_notices, found.values()))


def test_an_equivalent_that_is_noticed_is_reported():
    listed = next(iter(EQUIVALENT))
    assert wrongly_listed({listed: PROOF}) == [listed]
    assert not wrongly_listed({listed: SAME})
    assert f"NOTICED, though listed as equivalent: {listed}" in report({listed: PROOF}, {listed: "neural"})


def test_the_report_counts_each_table():
    verdicts = dict(zip(["a", "b", "c", "d"], [*VERDICTS[:2], VERDICTS[3], VERDICTS[0]], strict=True))
    text = report(verdicts, {"a": "one", "b": "one", "c": "one", "d": "two"})
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith(("one", "two", "all"))}
    assert rows == {"one": list("31101"), "two": list("11000"), "all": list("42101")}
    assert text.endswith("3 of 4 mutants noticed")


def test_a_library_that_fails_by_itself_is_not_examined(monkeypatch, capsys):
    monkeypatch.setattr(command, "ProcessPoolExecutor", lambda mp_context: ThreadPoolExecutor(1))
    monkeypatch.setattr(command, "reaching_tests", dict)
    with known_mutants()["sigmoid by x: g * y * (1 - y)  ->  g * y"].in_place():
        assert command.main(["sigmoid", "exp"]) == 2
    assert capsys.readouterr().err.endswith("without any change, sigmoid fails: make it right first\n")
    monkeypatch.setattr(command, "reaching_tests", lambda: None)
    assert command.main(["exp"]) == 2
    assert "test_ties_and_edges.py or test_derivatives.py fails" in capsys.readouterr().err


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "tests.mutation", *arguments], capture_output=True, text=True)


@pytest.mark.whole
def test_the_command_takes_names_of_rules():
    ran = run("tan", "negative")
    assert ran.returncode == 0, ran.stderr
    count = sum(name.startswith(("tan by", "negative by")) for name in known_mutants())
    assert ran.stdout.endswith(f"{count} of {count} mutants noticed\n")


def test_the_command_refuses_a_name_it_does_not_know():
    ran = run("tanhh")
    assert ran.returncode == 2
    assert "no rule 'tanhh'; there are identity, add" in ran.stderr
