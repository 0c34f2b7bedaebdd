"""Run random programs for as long as asked: ``python -m tests.fuzz --seconds 3600 --seed 0``."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from functools import partial

import numpy as np

from tests.fuzz import checks, environments, trainings
from tests.fuzz import program as functions
from tests.fuzz.checks import Difference


def failure(seed, peer=None):
    """Return what is wrong with the program of a seed, and the shortest program that shows it; None if all is well.

    Of three, one is a function of its arguments alone, one reads what surrounds it, and one is a training.
    """
    kinds = (
        (functions.generate, partial(checks.check, peer=peer)),
        (environments.generate, environments.check),
        (trainings.generate, trainings.check),
    )
    generate, check = kinds[seed % 3]

    def difference(program):
        try:
            check(program)
        except Difference as error:
            return error
        return None

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = generate(seed)
        found = difference(program)
        if found is None:
            return None
        shorter = program
        while shorter is not None:
            program = shorter
            shorter = next((p for p in program.shorter() if getattr(difference(p), "kind", None) == found.kind), None)
        return f"{difference(program)}\n\n{program.source()}\n\npython -m tests.fuzz --seed {seed} --programs 1"


def installed_peer():
    """Return JAX, in float64, if it is installed; else None."""
    try:
        import jax
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    return jax


def main(arguments=None):
    """Run the command; return its exit status: 1 if a program failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the first program (0)")
    parser.add_argument("--programs", type=int, default=10**9, help="how many at most")
    args = parser.parse_args(arguments)
    peer = installed_peer()
    end, seed, failures = time.monotonic() + args.seconds, args.seed, 0
    while time.monotonic() < end and seed < args.seed + args.programs:
        report = failure(seed, peer)
        if report is not None:
            failures += 1
            print(f"{report}\n{'-' * 80}", flush=True)
        seed += 1
    print(f"{seed - args.seed} programs from seed {args.seed}, {failures} failed")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
