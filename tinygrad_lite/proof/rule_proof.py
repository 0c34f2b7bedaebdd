"""Prove rules: compare their derivatives with numeric ones, computed from function values, on sample inputs."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill
from typing import Any

from ..formulas.expressions import WIDTH
from ..formulas.formula import formula
from ..rules import Rule, Sample, get
from ..rules import all as all_rules
from ..support.formatting import table, wrapped
from ..tensor import Tensor
from .check import points
from .compare import compare, objection
from .findings import Comparison, Kink
from .report import Report, html_table
from .subject import Gradient, TensorFunction, quiet

# Tolerances: first derivatives by differences and by the complex step, second derivatives by differences.
FIRST_ORDER, FIRST_ORDER_COMPLEX, SECOND_ORDER = 1e-8, 1e-12, 1e-6


@dataclass(frozen=True, repr=False)
class Proof:
    """The result of checking a rule on its samples: true if first and second derivatives agree with numeric ones.

    Attributes
    ----------
    rule : Rule
    reports : tuple of Report
        One for each sample.
    seconds : float
        The time the check took.
    failure : str or None
        The reason, if the rule could not be checked on all its samples.

    Examples
    --------
    >>> proof = tg.prove("tanh")
    >>> bool(proof), len(proof.reports) == len(proof.rule.samples)
    (True, True)
    >>> proof.error(order=1, method="complex") < 1e-12
    True
    """

    rule: Rule
    reports: tuple[Report, ...]
    seconds: float
    failure: str | None = None

    def __bool__(self) -> bool:
        return bool(self.reports) and all(self.reports) and self.failure is None

    def __str__(self) -> str:
        return "\n\n".join([summary([self]), *self.faults()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        faults = "".join(f"<pre>{escape(fault)}</pre>" for fault in self.faults())
        rows = [(*COLUMNS, "derivatives"), (*_row(self), "; ".join(_derivatives(self.rule)))]
        return html_table(rows, [self]) + faults

    def faults(self) -> list[str]:
        """Return the failure and the reports with errors, as texts; empty if the rule holds."""
        stopped = [f"{self.rule.name}: {self.failure}"] if self.failure is not None else []
        wrong = [(i, report) for i, report in enumerate(self.reports) if not report]
        return stopped + [f"{self.rule.name}, sample {i}: {report}" for i, report in wrong]

    @property
    def methods(self) -> tuple[str, ...]:
        """The numeric methods that some sample was compared with."""
        used = {c.method for report in self.reports for c in report.comparisons if c.index is not None}
        return tuple(method for method in ("complex", "central") if method in used)

    def error(self, order: int, method: str | None = None) -> float:
        """Return the largest error of an order over all samples; of one method, or of all if `method` is None."""
        return max(
            (
                c.error
                for report in self.reports
                for c in report.comparisons
                if c.order == order and method in (None, c.method)
            ),
            default=0.0,
        )


def prove(rule: Rule | str) -> Proof:
    """Check the first and second derivatives of a rule on each of its samples.

    First derivatives must agree with central differences within 1e-8, and with the complex step within 1e-12 where the
    rule is analytic. Second derivatives must agree with differences of the first within 1e-6. If the rule raises an
    exception, the proof reports it as its ``failure``.

    Parameters
    ----------
    rule : Rule or str
        The rule, or its name.

    Raises
    ------
    KeyError
        If there is no rule of that name.
    TypeError
        If the argument is neither a rule nor a name.

    Examples
    --------
    >>> bool(tg.prove("tanh"))
    True
    """
    if isinstance(rule, str):
        rule = get(rule)
    if not isinstance(rule, Rule):
        raise TypeError(f"prove takes a rule or its name, not {getattr(rule, '__name__', type(rule).__name__)}")
    start = time.perf_counter()
    reports: list[Report] = []
    failure = None
    try:
        samples = rule.samples
        if not samples:
            failure = "it has no samples, so nothing is proven"
        for sample in samples:
            reports.append(check_sample(rule, sample))
    except Exception as error:  # a user's rule may raise anything; other rules must still be checked
        failure = f"{type(error).__name__} on sample {len(reports)}: {error}"
    return Proof(rule, tuple(reports), time.perf_counter() - start, failure)


def check_sample(rule: Rule, sample: Sample) -> Report:
    """Check a rule on one sample; a mismatch is in the report, and not raised."""
    inputs, params = rule.bind(sample.args, sample.params)
    named = dict(zip(rule.params, params, strict=True))

    def f(*xs: Any) -> Tensor:
        y: Tensor = rule(*xs, **named)
        return y

    arrays, notes = points(inputs, {})
    comparisons: list[Comparison] = []
    kinks: list[Kink] = []
    with quiet():
        function = TensorFunction(f, arrays)
        checks = [(function, 1, "central", FIRST_ORDER), (Gradient(function), 2, "central", SECOND_ORDER)]
        if objection(function) is None:
            checks.insert(0, (function, 1, "complex", FIRST_ORDER_COMPLEX))
        for subject, order, method, tolerance in checks:
            found, met = compare(subject, order, method=method, tolerance=tolerance)
            comparisons += found
            kinks += met
    return Report(tuple(comparisons), tuple(kinks), tuple(notes))


COLUMNS = ("rule", "", "samples", "complex", "differences", "second order", "seconds")


def _row(proof: Proof) -> tuple[str, ...]:
    return (
        proof.rule.name,
        "holds" if proof else "FAILS",
        str(len(proof.reports)),
        f"{proof.error(1, 'complex'):z.1e}" if "complex" in proof.methods else "",
        f"{proof.error(1, 'central'):z.1e}",
        f"{proof.error(2):z.1e}",
        f"{proof.seconds:.2f}",
    )


def _derivatives(rule: Rule) -> list[str]:
    """Return the derivatives of a rule, or a remark that it does not run on symbols."""
    try:
        return formula(rule).lines
    except (TypeError, ValueError):
        return ["(does not run on symbols)"]


def summary(proofs: Iterable[Proof]) -> str:
    """Return a table of proofs, one line for each rule, with its derivatives below it.

    A rule whose error by the complex step is missing is not analytic, so differences alone prove it.
    """
    listed = list(proofs)
    head, dashes, *lines = table([COLUMNS, *map(_row, listed)], right=[2, 6]).splitlines()
    shown = [head, dashes]
    for line, proof in zip(lines, listed, strict=True):
        formulas = [fill(f"    {text}", WIDTH, subsequent_indent=" " * 12) for text in _derivatives(proof.rule)]
        shown += [line, *formulas]
    return "\n".join(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove rules, print the table and return the exit status: 1 if a rule fails, 2 if no rule has a given name."""
    parser = argparse.ArgumentParser(prog="python -m tinygrad_lite.proof", description=__doc__)
    known = {rule.name: rule for rule in all_rules()}
    parser.add_argument("rules", nargs="*", metavar="rule", help="the name of a rule to prove (default: all rules)")
    names = parser.parse_args(arguments).rules
    for name in names:
        if name not in known:
            told = f"{parser.prog}: no rule {name!r}; the rules are {', '.join(known)}"
            print(wrapped(told) if sys.stderr.isatty() else told, file=sys.stderr)
            return 2
    proofs = [prove(known[name]) for name in names or known]
    print(summary(proofs))
    failures = [proof for proof in proofs if not proof]
    for proof in failures:
        for fault in proof.faults():
            print(f"\n{fault}")
    print(f"\n{len(proofs) - len(failures)} of {len(proofs)} rules hold")
    return 1 if failures else 0
