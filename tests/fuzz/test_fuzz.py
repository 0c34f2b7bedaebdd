"""Random programs give the same however they are run, and faults that are put into the library are found by them."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_lite as tg
from tests.fuzz import environments, grammar, program, trainings
from tests.fuzz.__main__ import failure, main
from tinygrad_lite import optim, tensor
from tinygrad_lite.arrays import raw
from tinygrad_lite.compiler import compiled
from tinygrad_lite.compiler.compiled import Compiled, load
from tinygrad_lite.engine import Node
from tinygrad_lite.rules import elementwise
from tinygrad_lite.rules.rule import Vjp

FUNCTIONS, ENVIRONMENTS, TRAININGS = 0, 1, 2  # the remainder of a seed by three


@pytest.mark.parametrize(
    "start", [pytest.param(n, marks=[] if n < 120 else pytest.mark.whole) for n in range(0, 240, 24)]
)
def test_random_programs_give_the_same_however_they_are_run(start):
    for seed in range(start, start + 24):
        report = failure(seed)
        assert report is None, report


def with_derivative(rule, expression):
    """Return what gives a rule another derivative by all its inputs."""
    vjp = Vjp(expression, lambda g, y, k, inputs, params: expression(g, k, inputs))
    return lambda patch: patch.setitem(rule.__dict__, "vjps", (vjp, vjp))


def stale(patch):
    """Let a program read at all calls what it read at the first."""

    def loaded(source, name):
        run, first = load(source, name), []

        def remembered(*inputs):
            first[:] = first or map(np.array, inputs)
            return run(*first)

        return remembered

    patch.setattr(compiled, "load", loaded)


def in_any_dtype(patch):
    patch.setattr(tensor, "in_one_dtype", lambda rule, inputs: (inputs, [raw(x) for x in inputs]))


def unguarded(patch):
    """Let a program run though what its function read has changed."""
    init = Compiled.__init__

    def without_guards(self, recording):
        recording.environment.guards.clear()
        init(self, recording)

    patch.setattr(Compiled, "__init__", without_guards)


def unnoticed(patch):
    patch.setattr(Node, "mark_changed", lambda self, index=None: None)


def without_momentum(patch):
    patch.setattr(optim.SGD, "_update", lambda self, i, p, g: p.data.__isub__(self.lr * g))


@pytest.mark.parametrize(
    ("fault", "remainder", "kind"),
    [
        (
            with_derivative(elementwise.multiply, lambda g, k, inputs: g * inputs[k]),
            FUNCTIONS,
            "gradient is wrong|hessian",
        ),
        (
            with_derivative(elementwise.add, lambda g, k, inputs: g * (k == 0)),
            FUNCTIONS,
            "(gradient|second derivative) is wrong|hessian",
        ),
        (stale, FUNCTIONS, "jit (values|type of values)"),
        (stale, ENVIRONMENTS, "(result of|state of) an environment"),
        (unguarded, ENVIRONMENTS, "(result of|state of) an environment"),
        (in_any_dtype, FUNCTIONS, "type"),
        (unnoticed, TRAININGS, "training"),
        (without_momentum, TRAININGS, "training"),
    ],
    ids=[
        "wrong derivative",
        "lost gradient",
        "stale array",
        "stale environment",
        "no guards",
        "lost type",
        "unnoticed change",
        "lost momentum",
    ],
)
def test_a_fault_is_found_within_sixty_programs(monkeypatch, fault, remainder, kind):
    fault(monkeypatch)
    report = next((report for report in map(failure, range(remainder, 180, 3)) if report is not None), None)
    assert report is not None
    assert re.match(kind, report), report
    assert re.search(r"python -m tests\.fuzz --seed \d+ --programs 1$", report)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_seed_names_one_program_and_its_text_runs_by_itself(capsys):
    for seed in range(40):
        for module in (program, trainings, environments):
            source = module.generate(seed).source()
            assert source == module.generate(seed).source()
            compile(source, "program", "exec")
    exec(program.generate(3).source(), {})
    assert "Tensor" in capsys.readouterr().out


def test_every_rule_is_reached():
    rng = np.random.default_rng(0)
    texts = {grammar.sample_of_a_rule(rng)[1] for _ in range(2000)}
    reached = {re.match(r"rule\('(\w+)'\)", text).group(1) for text in texts}
    assert reached == {rule.name for rule in tg.rules.all() if rule.is_built_in}


def test_the_command_says_how_many_programs_failed(monkeypatch, capsys):
    assert main(["--seed", "0", "--programs", "3"]) == 0
    assert capsys.readouterr().out == "3 programs from seed 0, 0 failed\n"
    stale(monkeypatch)
    assert main(["--seed", "6", "--programs", "1"]) == 1
    assert "def f(" in capsys.readouterr().out
