"""A proof holds when all samples do, and the command that proves every rule prints a line for each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.proof import rule_proof as proving
from tinygrad_lite.rules import registry as table
from tinygrad_lite.rules import sample


def test_a_proof_is_true_when_all_samples_hold():
    proof = proving.prove(tg.rules.get("tanh"))
    assert proof
    assert len(proof.reports) == len(tg.rules.get("tanh").samples)
    assert proof.seconds > 0


def test_a_proof_is_exact_where_the_complex_step_applies():
    proof = proving.prove(tg.rules.get("tanh"))
    assert proof.methods == ("complex", "central")
    assert proof.error(1, "complex") < 1e-14
    assert 0 < proof.error(1, "central") < 1e-10
    assert proof.error(1) == max(proof.error(1, "complex"), proof.error(1, "central"))
    assert 0 < proof.error(2) < 1e-9
    assert [(c.order, c.method, c.tolerance) for c in proof.reports[0].comparisons] == [
        (1, "complex", 1e-12),
        (1, "central", 1e-8),
        (2, "central", 1e-6),
    ]


@pytest.mark.parametrize("name", ["abs", "remainder", "erf"])
def test_a_rule_that_is_not_analytic_is_proven_by_differences(name):
    proof = proving.prove(tg.rules.get(name))
    assert proof
    assert proof.methods == ("central",)
    assert "complex" not in str(proof).splitlines()[2]


@pytest.mark.parametrize(("factor", "holds"), [(1 + 1e-9, False), (1 + 1e-13, True)])
def test_the_complex_step_finds_what_differences_cannot(define, factor, holds):
    proof = proving.prove(define("nearly", lambda x: np.sin(x), x=lambda g, x: factor * g * np.cos(x)))
    assert bool(proof) == holds
    assert proof.error(1, "central") < 1e-8


def test_a_proof_in_a_notebook_is_a_row_with_failures_marked(wrong_at):
    page = proving.prove(tg.rules.get("exp"))._repr_html_()
    assert "<td>exp</td>" in page
    assert "style" not in page
    assert "style" in proving.prove(wrong_at(1))._repr_html_()


def test_the_summary_has_a_line_for_each_rule(wrong_at):
    proofs = [proving.prove(rule) for rule in (tg.rules.get("exp"), wrong_at(1))]
    lines = proving.summary(proofs).splitlines()
    assert lines[0].split("  ")[0] == "rule"
    assert lines[2].split()[:3] == ["exp", "holds", "5"]
    assert lines[3] == "    ∂L/∂x = g ⊙ y"
    assert lines[4].split()[:2] == ["wrong_at_1", "FAILS"]


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
    assert proving.main([]) == 0
    assert "2 of 2 rules hold" in capsys.readouterr().out


def test_main_fails_and_tells_where_when_a_rule_is_wrong(only, wrong_at, capsys):
    only(tg.rules.get("exp"), wrong_at(1))
    assert proving.main([]) == 1
    out = capsys.readouterr().out
    assert "1 of 2 rules hold" in out
    assert "wrong_at_1, sample 0: gradcheck does not hold" in out


def test_main_fails_when_a_rule_has_no_samples(only, capsys):
    only(tg.rules.define("unproven", lambda x: x * 1, x=lambda g: g, samples=list))
    assert proving.main([]) == 1
    assert "0 of 1 rules hold" in capsys.readouterr().out


def _raises(g):
    raise ZeroDivisionError("a derivative with a bug")


@pytest.mark.parametrize("derivative", [_raises, lambda g: g.reshape(7)], ids=["raises", "wrong shape"])
def test_main_goes_on_when_a_rule_raises_and_names_it(only, define, capsys, derivative):
    only(define("raising", lambda x: x * 1, x=derivative), tg.rules.get("exp"))
    assert proving.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("raising") and "FAILS" in line for line in lines)
    assert any(line.startswith("exp") and "  holds  " in line for line in lines)


@pytest.mark.whole
def test_the_command_proves_every_rule_and_prints_a_line_for_each():
    root = Path(tg.__file__).parent.parent
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tinygrad_lite.proof"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    lines = [line.split() for line in run.stdout.splitlines()]
    built_in = [rule.name for rule in tg.rules.all() if rule.forward.__module__.startswith("tinygrad_lite.rules")]
    for name in built_in:
        assert ["holds" in line for line in lines if line and line[0] == name] == [True], name
    assert f"{len(built_in)} of {len(built_in)} rules hold" in run.stdout


def test_a_rule_is_proven_by_its_name_too():
    assert proving.prove("tanh").rule is tg.rules.get("tanh")
    with pytest.raises(KeyError, match="no rule 'tanhh'"):
        proving.prove("tanhh")


def test_a_derivative_that_forgets_its_cotangent_does_not_pass(define):
    forgetful = define("forgetful", lambda x: (x * x).sum(), x=lambda g, x: 2 * x)
    proof = proving.prove(forgetful)
    assert not proof
    assert not tg.gradcheck(forgetful, np.ones(3), raise_exception=False)


def test_a_rule_without_a_formula_is_proven_all_the_same(define):
    branching = define("branching", lambda x: x * 1, x=lambda g: g if np.ndim(g) else 1 * g)
    assert proving.prove(branching)
    assert str(proving.prove(branching)).endswith("\n    (does not run on symbols)")


def test_lines_fit_a_terminal_and_no_formula_is_cut():
    lines = str(proving.prove("svd")).splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines[3:]).split()) == " ".join(tg.explain("svd").lines)


@pytest.mark.parametrize("given", [np.sin, ["tanh"], None])
def test_only_a_rule_or_its_name_is_proven(given):
    with pytest.raises(TypeError, match="prove takes a rule or its name, not"):
        proving.prove(given)


def test_main_proves_the_rules_it_is_given(capsys):
    assert proving.main(["softmax", "tanh"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[2:6:2]] == [["softmax", "holds"], ["tanh", "holds"]]
    assert lines[-1] == "2 of 2 rules hold"


def test_main_refuses_what_is_no_rule_in_one_line(capsys):
    assert proving.main(["tanh", "tanhh"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert re.fullmatch(r"python -m tinygrad_lite.proof: no rule 'tanhh'; the rules are .*, tanh, .*\n", err)


def test_a_terminal_gets_the_names_of_rules_in_lines_of_80_columns(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert proving.main(["tanhh"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) in range(70, 81)


def test_a_reader_that_has_seen_enough_is_no_error():
    root = Path(tg.__file__).parent.parent
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tinygrad_lite.proof", "tanh"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"},
    )
    with process:
        process.stdout.close()
        assert not process.stderr.read()
    assert process.returncode == 1
