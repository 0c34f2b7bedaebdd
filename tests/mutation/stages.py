"""Who notices a mutant: the proof of its rules by finite differences first, then the tests."""

from __future__ import annotations

import contextlib
import functools
import io
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.rules import Rule, Sample

from .equivalent import EQUIVALENT
from .mutants import Mutant, mutants

# Of the suite, what is there for what large arrays and contractions are computed by, for points that the samples keep
# away from, and for what shows on a device alone. For each mutant that is left, those run that reach it.
ALL_TESTS = Path(__file__).parents[1]
_OF_RULES = [ALL_TESTS / "rules" / f"test_{name}.py" for name in ("large_arrays", "contractions", "ties_and_edges")]
TESTS = [*_OF_RULES, ALL_TESTS / "devices" / "test_derivatives.py"]
BYTES = 6 * 2**30  # of addresses, of which the libraries take some
OF_PROOF, OF_TESTS = 10, 30  # seconds of computing, for which a mutant may be examined: many times what either takes
VERDICTS = ("noticed by proof", "noticed by tests", "equivalent", "survived")
PROOF, BY_TESTS, SAME, SURVIVED = VERDICTS


@functools.cache
def known_mutants() -> dict[str, Mutant]:
    """Return every mutant by its description, made once a process."""
    return mutants()


def verdict(description: str, tests: Sequence[str]) -> str:
    """Return who notices the mutant of that description; one that is listed as equivalent must not be noticed.

    Only descriptions, of the mutant and of the tests that reach it, go to a process that works.
    """
    mutant = known_mutants()[description]
    if proof_notices(mutant):
        return PROOF
    if suite_notices(mutant, tests):
        return BY_TESTS
    return SAME if description in EQUIVALENT else SURVIVED


def proof_notices(mutant: Mutant) -> bool:
    """Return whether a rule that depends on the mutant is no longer proven on one of its samples.

    Most mutants need no proof: on a sample the values are as before, but not the derivatives, which were proven.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proven = [(rule, *made) for rule in mutant.origin.rules for made in _proven(rule)]
        with mutant.in_place(), _ending(OF_PROOF):
            return any(_differs(*made) for made in proven) or not all(_holds(*made[:2]) for made in proven)


def suite_notices(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Return whether one of some tests fails with the mutant in the library's place."""
    files = sorted({ALL_TESTS.parent / test.partition("::")[0] for test in tests})
    with mutant.in_place(), _ending(OF_TESTS):
        return bool(tests) and not suite_passes(_Chosen(tests), files)


@contextlib.contextmanager
def _ending(seconds: float) -> Iterator[None]:
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
    signal.setitimer(signal.ITIMER_PROF, seconds)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (memory, most))
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def suite_passes(plugin: object, files: Iterable[Path] = TESTS) -> bool:
    """Run tests in this process, quietly and up to the first that fails."""
    options = ["-x", "--tb=no", "-p", "no:cacheprovider", "--rootdir", str(ALL_TESTS.parent)]
    options += ["-p", "no:unraisableexception"]  # it looks through the whole memory, time and again
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # what the run before imported is there already
    with contextlib.redirect_stdout(io.StringIO()):
        return pytest.main([*options, *map(str, files)], [plugin]) == pytest.ExitCode.OK


def reaching_tests(files: Iterable[Path] = TESTS) -> dict[str, list[str]] | None:
    """Return the tests that call each derivative or function, the quickest first; None if a test fails.

    The others cannot notice a slip in it, and need not run.
    """
    traces = _Traces()
    if not suite_passes(traces, files):
        return None
    tests = sorted(traces.seconds, key=traces.seconds.__getitem__)
    origins = {str(mutant.origin): mutant.origin for mutant in known_mutants().values()}
    return {
        name: [test for test in tests if not origin.codes.isdisjoint(traces.called[test])]
        for name, origin in origins.items()
    }


@dataclass(frozen=True)
class _Traces:
    """A plugin of pytest that sees what each test calls, and how long it takes."""

    called: dict[str, set[CodeType]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        called = self.called[item.nodeid] = set()
        start = time.process_time()
        sys.setprofile(lambda frame, event, argument: called.add(frame.f_code))
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            self.seconds[item.nodeid] = time.process_time() - start


@dataclass(frozen=True)
class _Chosen:
    """A plugin of pytest that runs some tests of those that were found, in the order given."""

    tests: Sequence[str]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = {item.nodeid: item for item in items}
        items[:] = [found[test] for test in self.tests]


def rule_holds(name: str) -> bool:
    """Return whether a rule is proven as it stands; if not, its mutants would seem to be noticed."""
    return bool(tg.prove(tg.rules.get(name)))


def _holds(rule: Rule, sample: Sample) -> bool:
    return bool(tg.prove(replace(rule, make_samples=lambda: [sample])))


@functools.cache
def _proven(rule: Rule) -> list[tuple[Sample, list[Any]]]:
    """Return the samples of a rule, the quickest to prove first, each with `_derivatives`."""
    samples = sorted(rule.samples, key=lambda sample: sum(getattr(x, "size", 0) for x in sample.args))
    return [(sample, _derivatives(rule, sample)) for sample in samples]


def _derivatives(rule: Rule, sample: Sample) -> list[Any]:
    """Return the value on a sample, and for each input the derivative of a sum with weights that all differ."""
    inputs, params = rule.bind(sample.args, sample.params)
    named = dict(zip(rule.params, params, strict=True))
    y, vjp = tg.vjp(lambda *xs: rule(*xs, **named), *(np.asarray(x, float) for x in inputs))
    found = vjp(np.linspace(1, 2, y.size).reshape(y.shape))
    return [x.numpy() for x in (y, *(found if isinstance(found, tuple) else (found,)))]


def _differs(rule: Rule, sample: Sample, right: list[Any]) -> bool:
    """Return whether a rule has the right value on a sample, but other derivatives, or raises an error."""
    try:
        y, *found = _derivatives(rule, sample)
    except Exception:
        return True
    derivatives = zip(found, right[1:], strict=True)
    return np.array_equal(y, right[0]) and not all(np.allclose(*pair, rtol=1e-5, atol=1e-5) for pair in derivatives)
