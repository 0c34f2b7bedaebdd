"""gradcheck is true when derivatives hold, and says where when they do not; nothing wrong passes.

The command that proves every rule prints a line for each and fails if one does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Tensor
from tinygrad_lite.gradcheck import proof as proving
from tinygrad_lite.gradcheck.check import numeric_jacobian
from tinygrad_lite.rules import rule as table
from tinygrad_lite.rules import sample

X, Y = np.array([[0.5, -1.0, 2.0], [0.3, 1.5, -0.7]]), np.array([1.0, -2.0, 0.25])


@pytest.fixture(autouse=True)
def _scratch(monkeypatch):
    """Rules defined here are gone after the test."""
    monkeypatch.setattr(table, "_rules", dict(table._rules))


def define(name, forward, **vjps):
    return tg.rules.define(name, forward, samples=lambda: [sample(Y)], **vjps)


def wrong_at(k, factor=2.0):
    """Return a square whose derivative is wrong at element k of its flattened input."""

    def derivative(g, x):
        weights = np.ones(x.shape)
        weights.flat[k] = factor
        return g * 2 * x * weights

    return define(f"wrong_at_{k}", lambda x: x * x, x=derivative)


def without_history(x):
    return x.numpy() if isinstance(x, Tensor) else x


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("method", ["auto", "central"])
def test_what_is_right_holds(order, method):
    report = tg.gradcheck(lambda x, y: np.tanh(x * y).sum(axis=0), X, Y, order=order, method=method)
    assert report
    assert bool(report) is True
    assert 0 <= report.max_error < 1e-8
    assert [(c.order, c.argument) for c in report.comparisons] == [(o, k) for o in range(1, order + 1) for k in (0, 1)]
    assert "holds" in str(report)


@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (lambda x: x, (2.0,)),
        (lambda x: x.sum(), ([1.0, 2.0],)),
        (lambda x: x * x, (Tensor([1.0, 2.0], requires_grad=True),)),
        (lambda x: x * 3, (3,)),
        (lambda x: x * x, (np.zeros((0, 2)),)),
        (lambda x: x.exp(), (np.float32([1.0, -2.0]),)),
        (lambda x: x * 1e6, (np.array([1e3, -1e-3]),)),
        (lambda x, y: x * 2, (X, Y)),
    ],
)
def test_inputs_of_every_kind(f, inputs):
    assert tg.gradcheck(f, *inputs, order=2)


def test_the_check_is_made_in_float64_and_leaves_the_inputs_alone():
    x, seen = np.float32([1.0, 2.0]), []

    def f(t):
        seen.append(t.dtype)
        return t * t

    tg.gradcheck(f, x)
    assert set(seen) == {np.dtype(np.float64)}
    assert x.tolist() == [1, 2]


def test_large_values_are_compared_relatively():
    assert tg.gradcheck(lambda x: np.exp(x), np.array([20.0, 30.0]), order=2)


@pytest.mark.parametrize("k", [0, 4, 5])
def test_a_mismatch_names_input_index_and_both_values(k):
    rule, index = wrong_at(k), np.unravel_index(k, X.shape)
    with pytest.raises(tg.GradientMismatch) as caught:
        tg.gradcheck(lambda y, x: rule(x) + y, Y, X)
    text = str(caught.value)
    place = tuple(map(int, index))
    assert "order 1 by input 1" in text
    assert f"at index {place}, of output {place}" in text
    assert f"{4 * X[index]:.10g}," in text
    assert f"differences {2 * X[index]:.6g}"[:14] in text


def test_index_and_output_are_not_confused():
    rule = wrong_at(1)
    report = tg.gradcheck(lambda x: np.stack([x[0, :2] * 0, rule(x)[0, :2]]), X, raise_exception=False)
    (c,) = report.comparisons
    assert (c.output, c.index) == ((1, 1), (0, 1))
    report = tg.gradcheck(lambda x: rule(x).sum(), X, raise_exception=False)
    assert (report.comparisons[0].output, report.comparisons[0].index) == ((), (0, 1))


def test_a_mismatch_is_an_assertion_error():
    assert issubclass(tg.GradientMismatch, AssertionError)


def test_a_report_instead_of_an_exception():
    rule = wrong_at(2)
    report = tg.gradcheck(rule, X, raise_exception=False)
    assert not report
    (c,) = report.comparisons
    assert (c.order, c.argument, c.index, c.output) == (1, 0, (0, 2), (0, 2))
    assert c.analytic == pytest.approx(8)
    assert c.numeric == pytest.approx(4)
    assert report.max_error == pytest.approx(1)
    assert "does not hold" in str(report)


def test_the_table_has_a_line_for_each_input_and_order():
    report = tg.gradcheck(lambda x, y: x * y, X, Y, order=2, raise_exception=False)
    lines = report.table().splitlines()
    assert lines[0].split() == ["order", "input", "error", "at", "analytic", "numeric"]
    assert len(lines) == 2 + 4
    assert [line.split()[:2] for line in lines[2:]] == [["1", "0"], ["1", "1"], ["2", "0"], ["2", "1"]]


def test_an_error_visible_only_in_second_order():
    cut = define("cut", lambda x: x**3, x=lambda g, x: g * (3 * without_history(x) ** 2))
    assert tg.gradcheck(cut, Y, order=1)
    with pytest.raises(tg.GradientMismatch, match="derivative of order 2 by input 0"):
        tg.gradcheck(cut, Y, order=2)
    report = tg.gradcheck(cut, Y, order=2, raise_exception=False)
    assert [c.error < 1e-7 for c in report.comparisons] == [True, False]


def test_second_derivatives_that_cancel_in_a_plain_sum_are_caught():
    """The outputs x³ and -x³, both with a cut graph: the sum of all their second derivatives is right, 0."""
    cut = define("cut_too", lambda x: x**3, x=lambda g, x: g * (3 * without_history(x) ** 2))
    report = tg.gradcheck(lambda x: np.stack([cut(x), -cut(x)]), Y, order=2, raise_exception=False)
    assert not report


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("order", [1, 2])
def test_nan_and_infinity_never_pass(bad, place, order):
    factor = np.ones(3)
    factor[place] = bad
    rule = define("bad", lambda x: x * 1, x=lambda g: g * factor)
    with np.errstate(invalid="ignore"):
        report = tg.gradcheck(rule, Y, order=order, raise_exception=False)
        assert not report
        assert not report.max_error <= report.tolerance
        with pytest.raises(tg.GradientMismatch, match=r"nan|inf"):
            tg.gradcheck(lambda y, x: rule(x) + y, Y, Y, order=order)


def test_a_function_that_is_itself_nan_does_not_pass():
    with np.errstate(invalid="ignore"):
        assert not tg.gradcheck(lambda x: x * np.nan, Y, raise_exception=False)
        assert not tg.gradcheck(lambda x: np.log(x), Y, raise_exception=False)


def test_a_kink_does_not_pass():
    assert not tg.gradcheck(lambda x: x.relu(), np.array([1.0, 0.0]), raise_exception=False)


def test_tolerance():
    slightly = define("slightly", lambda x: x * 1, x=lambda g: g * (1 + 1e-5))
    assert not tg.gradcheck(slightly, Y, raise_exception=False)
    assert tg.gradcheck(slightly, Y, tolerance=1e-4)
    with pytest.raises(tg.GradientMismatch):
        tg.gradcheck(lambda x: x * x, Y, tolerance=0.0)


@pytest.mark.parametrize(("options", "message"), [
    ({"method": "forward"}, "method must be one of auto, central.*'forward'"),
    ({"method": None}, "method must be one of"),
    ({"order": 0}, "order must be 1 or 2, not 0"),
    ({"order": 3}, "order must be 1 or 2, not 3"),
    ({"order": "2"}, "order must be 1 or 2, not '2'"),
])  # fmt: skip
def test_options_are_validated(options, message):
    with pytest.raises(ValueError, match=message):
        tg.gradcheck(lambda x: x, Y, **options)


def test_a_check_without_inputs_proves_nothing():
    with pytest.raises((TypeError, ValueError)):
        tg.gradcheck(lambda: Tensor(1.0))


def test_a_function_that_returns_no_tensor_is_refused():
    with pytest.raises(TypeError, match="must return a Tensor"):
        tg.gradcheck(lambda x: x.numpy(), Y)


def test_numeric_jacobian_of_a_known_function():
    a = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])
    found = numeric_jacobian(lambda x, y: a @ x * y, [Y, np.float64(2)], 0)
    np.testing.assert_allclose(found, 2 * a, rtol=1e-10, atol=1e-10)
    found = numeric_jacobian(lambda x: x**4, [np.array([1.0, 100.0])], 0)
    np.testing.assert_allclose(found, np.diag([4.0, 4e6]), rtol=1e-9, atol=1e-6)


def test_numeric_jacobian_has_the_shape_of_output_then_input():
    assert numeric_jacobian(lambda x: x.sum(axis=1), [X], 0).shape == (2, 2, 3)


def test_a_proof_is_true_when_all_samples_hold():
    proof = proving.prove(tg.rules.get("tanh"))
    assert proof
    assert len(proof.reports) == len(tg.rules.get("tanh").samples)
    assert max(proof.error(1), proof.error(2)) < 1e-7
    assert proof.seconds > 0


def test_the_summary_has_a_line_for_each_rule():
    proofs = [proving.prove(rule) for rule in (tg.rules.get("exp"), wrong_at(1))]
    lines = proving.summary(proofs).splitlines()
    assert lines[2].split()[0] == "exp"
    assert lines[2].endswith("holds")
    assert lines[3].split()[0] == "wrong_at_1"
    assert lines[3].endswith("FAILS")


def test_a_proof_does_not_hide_nan_behind_a_good_sample():
    rule = tg.rules.define(
        "half_nan",
        lambda x: x * 1,
        x=lambda g, x: g * np.where(x > 0, 1.0, np.nan),
        samples=lambda: [sample(np.array([1.0])), sample(np.array([-1.0]))],
    )
    proof = proving.prove(rule)
    assert not proof
    assert not proof.error(1) < 1e-7


@pytest.fixture
def only(monkeypatch):
    """Let `main` see just the rules given."""

    def show(*rules):
        monkeypatch.setattr(table, "_rules", {rule.name: rule for rule in rules})

    return show


def test_main_succeeds_when_all_rules_hold(only, capsys):
    only(tg.rules.get("exp"), tg.rules.get("add"))
    assert proving.main() == 0
    assert "2 of 2 rules hold" in capsys.readouterr().out


def test_main_fails_and_tells_where_when_a_rule_is_wrong(only, capsys):
    only(tg.rules.get("exp"), wrong_at(1))
    assert proving.main() == 1
    out = capsys.readouterr().out
    assert "1 of 2 rules hold" in out
    assert "wrong_at_1: gradcheck does not hold" in out


def test_main_fails_when_a_rule_has_no_samples(only, capsys):
    only(tg.rules.define("unproven", lambda x: x * 1, x=lambda g: g, samples=list))
    assert proving.main() == 1
    assert "0 of 1 rules hold" in capsys.readouterr().out


def _raises(g):
    raise ZeroDivisionError("a derivative with a bug")


@pytest.mark.parametrize("derivative", [_raises, lambda g: g.reshape(7)], ids=["raises", "wrong shape"])
def test_main_goes_on_when_a_rule_raises_and_names_it(only, capsys, derivative):
    only(define("raising", lambda x: x * 1, x=derivative), tg.rules.get("exp"))
    assert proving.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("raising") and "FAILS" in line for line in lines)
    assert any(line.startswith("exp") and line.endswith("holds") for line in lines)


def test_the_command_proves_every_rule_and_prints_a_line_for_each():
    root = Path(tg.__file__).parent.parent
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tinygrad_lite.gradcheck"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    lines = [line.split() for line in run.stdout.splitlines()]
    built_in = [rule.name for rule in tg.rules.all() if rule.forward.__module__.startswith("tinygrad_lite.rules")]
    for name in built_in:
        assert [line[-1] for line in lines if line and line[0] == name] == ["holds"], name
    assert f"{len(built_in)} of {len(built_in)} rules hold" in run.stdout
