"""Prove every rule in the table on its sample inputs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..rules import Rule, Sample
from ..rules import all as all_rules
from ..tensor import Tensor
from ..text import table
from .check import Report, gradcheck


@dataclass(frozen=True)
class Proof:
    """How a rule fared on its samples: true when first and second derivatives agree with finite differences.

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
        return summary([self])

    def error(self, order: int) -> float:
        """Return the largest error of one order over all samples."""
        errors = [c.error for report in self.reports for c in report.comparisons if c.order == order]
        return float(np.max(errors, initial=0.0))


def prove(rule: Rule) -> Proof:
    """Check the first and second derivatives of a rule on each of its samples; what the rule raises is reported."""
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

    return gradcheck(f, *inputs, order=2, raise_exception=False)


def summary(proofs: Iterable[Proof]) -> str:
    """Return a table of proofs, one line a rule."""
    rows = [("rule", "by", "samples", "first order", "second order", "seconds", "")]
    rows += [
        (
            proof.rule.name,
            ", ".join(proof.rule.inputs),
            str(len(proof.reports)),
            f"{proof.error(1):.1e}",
            f"{proof.error(2):.1e}",
            f"{proof.seconds:.2f}",
            "holds" if proof else "FAILS",
        )
        for proof in proofs
    ]
    return table(rows)


def main() -> int:
    """Prove every rule, print the table, return the exit status: 1 if a rule fails."""
    proofs = [prove(rule) for rule in all_rules()]
    print(summary(proofs))
    failures = [proof for proof in proofs if not proof]
    for proof in failures:
        if proof.failure is not None:
            print(f"\n{proof.rule.name}: {proof.failure}")
        for report in proof.reports:
            if not report:
                print(f"\n{proof.rule.name}: {report}")
    print(f"\n{len(proofs) - len(failures)} of {len(proofs)} rules hold")
    return 1 if failures else 0
