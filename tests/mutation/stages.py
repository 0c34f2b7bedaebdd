"""Who notices a mutant: the proof of its rules by finite differences first, then the tests."""

from __future__ import annotations

import contextlib
import functools
import io
import signal
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules import Rule, Sample

from .equivalent import EQUIVALENT
from .mutants import Mutant, mutants

# Of the suite, what is there for what large arrays and contractions are computed by, for points that the samples keep
# away from, and for what shows on a device alone; it runs for each mutant that is left. The quickest come first.
ALL_TESTS = Path(__file__).parents[1]
_OF_RULES = [ALL_TESTS / "rules" / f"test_{name}.py" for name in ("large_arrays", "contractions", "ties_and_edges")]
TESTS = [*_OF_RULES, ALL_TESTS / "devices" / "test_derivatives.py"]
BYTES = 6 * 2**30  # of addresses, of which the libraries take some
SECONDS = 30  # of computing, for which a mutant may be examined: many times what the proof or the tests take
VERDICTS = ("noticed by proof", "noticed by tests", "equivalent", "survived")
PROOF, BY_TESTS, SAME, SURVIVED = VERDICTS


@functools.cache
def known_mutants() -> dict[str, Mutant]:
    """Return every mutant by its description, made once a process."""
    return mutants()


def verdict(description: str) -> str:
    """Return who notices the mutant of that description; one that is listed as equivalent must not be noticed.

    Only the description goes to a process that works, which then finds the mutant by itself.
    """
    mutant = known_mutants()[description]
    if proof_notices(mutant):
        return PROOF
    if suite_notices(mutant):
        return BY_TESTS
    return SAME if description in EQUIVALENT else SURVIVED


def proof_notices(mutant: Mutant) -> bool:
    """Return whether a rule that depends on the mutant is no longer proven on one of its samples."""
    with mutant.in_place(), _ending(), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return not all(_holds(rule, sample) for rule in mutant.origin.rules for sample in _small_first(rule))


def suite_notices(mutant: Mutant) -> bool:
    """Return whether a test fails with the mutant in the library's place."""
    with mutant.in_place(), _ending():
        return not suite_passes()


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """Raise a TimeoutError or a MemoryError in a loop that does not end, as a slip can make it.

    It is noticed like any error.
    """

    def end(*_: object) -> None:
        raise TimeoutError

    if not hasattr(signal, "SIGPROF"):  # on Windows, which has no such limits
        yield
        return
    import resource

    before = signal.signal(signal.SIGPROF, end)
    memory, most = resource.getrlimit(resource.RLIMIT_AS)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (memory, most))
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def suite_passes() -> bool:
    """Run the tests in this process, quietly and up to the first that fails."""
    options = ["-x", "--tb=no", "-p", "no:cacheprovider", "--rootdir", str(ALL_TESTS.parent)]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # what the run before imported is there already
    with contextlib.redirect_stdout(io.StringIO()):
        return pytest.main([*options, *map(str, TESTS)]) == pytest.ExitCode.OK


def rule_holds(name: str) -> bool:
    """Return whether a rule is proven as it stands; if not, its mutants would seem to be noticed."""
    return bool(tg.prove(tg.rules.get(name)))


def _holds(rule: Rule, sample: Sample) -> bool:
    return bool(tg.prove(replace(rule, make_samples=lambda: [sample])))


def _small_first(rule: Rule) -> list[Sample]:
    """Return the samples, the quickest to prove first: most mutants fail on any."""
    return sorted(rule.samples, key=lambda sample: sum(getattr(x, "size", 0) for x in sample.args))
