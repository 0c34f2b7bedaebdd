"""Whether every slip in a derivative is noticed: ``python -m tests.mutation [rule …]``."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor

from tqdm import tqdm

import tinygrad_lite as tg
from tinygrad_lite.support.formatting import table

from .equivalent import EQUIVALENT
from .mutants import Mutant
from .stages import SAME, SURVIVED, TESTS, VERDICTS, known_mutants, reaching_tests, rule_holds, verdict


class Unsound(Exception):
    """The library fails as it stands, so that a mutant's failure would show nothing."""


def examine(chosen: Mapping[str, Mutant]) -> dict[str, str]:
    """Return the verdict on each mutant; every core examines its share.

    Raises
    ------
    Unsound
        If a rule does not hold, or the tests do not pass, without any change.
    """
    names = sorted({rule.name for mutant in chosen.values() for rule in mutant.origin.rules})
    # Spawned: a fork of a process with threads, such as those of NumPy, may hang.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        reaching = pool.submit(reaching_tests)
        failing = [name for name, holds in zip(names, pool.map(rule_holds, names), strict=True) if not holds]
        tests = reaching.result()
        if failing or tests is None:
            files = " or ".join(path.name for path in TESTS)
            raise Unsound(f"without any change, {', '.join(failing) or files} fails: make it right first")
        verdicts = pool.map(verdict, chosen, (tests[str(mutant.origin)] for mutant in chosen.values()))
        verdicts = tqdm(verdicts, total=len(chosen), unit=" mutants", leave=False)
        return dict(zip(chosen, verdicts, strict=True))


def report(verdicts: Mapping[str, str], tables: Mapping[str, str]) -> str:
    """Return what became of the mutants.

    Parameters
    ----------
    verdicts : mapping of str to str
        One of `VERDICTS` for each description.
    tables : mapping of str to str
        The name of the table that each mutant is in.
    """
    lines = [f"equivalent: {mutant}\n  ({EQUIVALENT[mutant]})" for mutant, v in verdicts.items() if v == SAME]
    lines += [f"SURVIVED: {mutant}" for mutant, v in verdicts.items() if v == SURVIVED]
    lines += [f"NOTICED, though listed as equivalent: {mutant}" for mutant in wrongly_listed(verdicts)]
    counts = {name: Counter(v for mutant, v in verdicts.items() if tables[mutant] == name) for name in tables.values()}
    counts["all"] = Counter(verdicts.values())
    rows = [("table", "mutants", *VERDICTS)]
    rows += [(name, str(n.total()), *(str(n[v]) for v in VERDICTS)) for name, n in counts.items()]
    same, survived = counts["all"][SAME], counts["all"][SURVIVED]
    total = len(verdicts) - same
    more = f" ({same} more are equivalent, listed above)" if same else ""
    lines += ["", table(rows, right=range(1, len(rows[0]))), "", f"{total - survived} of {total} mutants noticed{more}"]
    return "\n".join(lines)


def wrongly_listed(verdicts: Mapping[str, str]) -> list[str]:
    """Return the mutants that are listed as equivalent and are not, since something noticed them."""
    return [mutant for mutant, verdict in verdicts.items() if mutant in EQUIVALENT and verdict != SAME]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    It is 1 if a mutant survived or one that is listed as equivalent is not; 2 if the library fails without any.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    names = [rule.name for rule in tg.rules.all()]
    parser.add_argument("rules", nargs="*", metavar="rule", help="whose derivatives to change (all)")
    args = parser.parse_args(arguments)
    unknown = [name for name in args.rules if name not in names]
    if unknown:
        parser.error(f"no rule {unknown[0]!r}; there are {', '.join(names)}")
    chosen = {
        description: mutant
        for description, mutant in known_mutants().items()
        if not args.rules or any(rule.name in args.rules for rule in mutant.origin.rules)
    }
    try:
        verdicts = examine(chosen)
    except Unsound as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(report(verdicts, {description: mutant.table for description, mutant in chosen.items()}))
    return int(SURVIVED in verdicts.values() or bool(wrongly_listed(verdicts)))


if __name__ == "__main__":
    sys.exit(main())
