"""Prove every rule in the table on its sample inputs."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ..formulas.formula import formula
from ..rules import Rule, Sample, get
from ..rules import all as all_rules
from ..support.formatting import table
from ..tensor import Tensor
from .check import points
from .compare import compare, objection
from .findings import Comparison, Kink
from .report import Report, html_table
from .subject import Gradient, TensorFunction, quiet

# What a rule must reach: first derivatives by differences and by the complex step, second ones by differences.
FIRST_ORDER, FIRST_ORDER_COMPLEX, SECOND_ORDER = 1e-8, 1e-12, 1e-6


@dataclass(frozen=True, repr=False)
class Proof:
    """How a rule fared on its samples: true when first and second derivatives agree with the numeric ones.

    Attributes
    ----------
    rule : Rule
    reports : tuple of Report
        One a sample.
    seconds : float
        How long it took.
    failure : str or None
        What went wrong if the rule could not be checked to the end.
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
        return html_table([COLUMNS, _row(self)], [self]) + faults

    def faults(self) -> list[str]:
        """Return what went wrong: nothing, where the rule holds."""
        stopped = [f"{self.rule.name}: {self.failure}"] if self.failure is not None else []
        wrong = [(i, report) for i, report in enumerate(self.reports) if not report]
        return stopped + [f"{self.rule.name}, sample {i}: {report}" for i, report in wrong]

    @property
    def methods(self) -> tuple[str, ...]:
        """The numeric methods that first derivatives were compared with, on some sample at least."""
        used = {c.method for report in self.reports for c in report.comparisons if c.index is not None}
        return tuple(method for method in ("complex", "central") if method in used)

    def error(self, order: int, method: str | None = None) -> float:
        """Return the largest error of one order over all samples, by all methods or by one."""
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
    """Check the first and second derivatives of a rule on each of its samples; what the rule raises is reported.

    First derivatives must agree with central differences within 1e-8, and with the complex step within 1e-12 where the
    rule is analytic; second derivatives with differences of the first within 1e-6.

    Parameters
    ----------
    rule : Rule or str
        The rule, or its name.

    Raises
    ------
    KeyError
        If there is no rule of that name.
    TypeError
        If it is something else.
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
    except Exception as error:  # whatever a rule may do, the others are still to be checked
        failure = f"{type(error).__name__} on sample {len(reports)}: {error}"
    return Proof(rule, tuple(reports), time.perf_counter() - start, failure)


def check_sample(rule: Rule, sample: Sample) -> Report:
    """Check a rule on one sample; the report is made, not raised."""
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


COLUMNS = ("rule", "", "samples", "method", "complex", "differences", "second order", "seconds", "derivatives")


def _row(proof: Proof) -> tuple[str, ...]:
    return (
        proof.rule.name,
        "holds" if proof else "FAILS",
        str(len(proof.reports)),
        " + ".join(proof.methods).replace("central", "differences"),
        f"{proof.error(1, 'complex'):z.1e}" if "complex" in proof.methods else "",
        f"{proof.error(1, 'central'):z.1e}",
        f"{proof.error(2):z.1e}",
        f"{proof.seconds:.2f}",
        _derivatives(proof.rule),
    )


def _derivatives(rule: Rule) -> str:
    """Return the formulas of a rule in one line, or that there are none."""
    try:
        return formula(rule).line
    except (TypeError, ValueError):
        return "(not to be read with symbols)"


def summary(proofs: Iterable[Proof]) -> str:
    """Return a table of proofs, one line a rule."""
    return table([COLUMNS, *map(_row, proofs)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove rules, print the table, return the exit status: 1 if a rule fails, 2 if there is none of a name."""
    parser = argparse.ArgumentParser(prog="python -m tinygrad_lite.proof", description=__doc__)
    known = {rule.name: rule for rule in all_rules()}
    parser.add_argument("rules", nargs="*", metavar="rule", help="the name of a rule to prove (all)")
    names = parser.parse_args(arguments).rules
    for name in names:
        if name not in known:
            print(f"{parser.prog}: no rule {name!r}; there are {', '.join(known)}", file=sys.stderr)
            return 2
    proofs = [prove(known[name]) for name in names or known]
    # In a terminal what is too long is cut, so that a rule keeps to its line; a file gets it all.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in summary(proofs).splitlines():
        print(line if width is None or len(line) <= width else f"{line[: width - 1]}…")
    failures = [proof for proof in proofs if not proof]
    for proof in failures:
        for fault in proof.faults():
            print(f"\n{fault}")
    print(f"\n{len(proofs) - len(failures)} of {len(proofs)} rules hold")
    return 1 if failures else 0
