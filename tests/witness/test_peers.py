"""Every function has the values and two derivatives of its counterpart in JAX and in PyTorch, where installed.

The cases are those that `test_witness` draws. A function of NumPy is called on arrays of the other library, which take
the call as a Tensor does. The counterpart of a rule is the library's function, or else what the rule computes forward:
then the library differentiates the rule's own expression. A function is skipped, with the reason, where the other
library has none, or none that takes its arguments. Where derivatives differ, a table says for which inputs, and why.
"""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable, UnsatisfiedAssumption

import tinygrad_lite as tg
from tests.witness.linalg import eigh_parts, svd_parts
from tests.witness.peers import Missing, Peer, Refused, jax, mapped, pytorch
from tests.witness.test_witness import WITNESSES, assert_same, by_rules, derivatives
from tinygrad_lite.rules.rule import Rule


def symmetric(a):
    return (a + np.swapaxes(a, -1, -2)) / 2


def settled(y, row):
    """Return factors whose vectors begin with a positive number: either sign is right. ``row`` has the values."""
    signs = np.sign(y[..., :1, :] if row else y[..., 1:2, :])
    return np.concatenate([y[..., :row, :] * signs, y[..., row : row + 1, :], y[..., row + 1 :, :] * signs], axis=-2)


# What is called in place of functions whose results or derivatives are a matter of convention, so that they are not.
# Of a symmetric matrix NumPy reads one triangle, and so by the other the derivative is 0; the other libraries spread it
# over both. The derivatives of what `lstsq` returns beside the solution are not in both libraries.
ALIGNED = {
    "cholesky": lambda a: tg.rules.get("cholesky")(symmetric(a)),
    "eigh": lambda a, triangle: settled(tg.rules.get("eigh")(symmetric(a), triangle), 0),
    "svd": lambda a: settled(tg.rules.get("svd")(a), a.shape[-2]),
    "np.linalg.cholesky": lambda a, upper: np.linalg.cholesky(symmetric(a), upper=upper),
    "np.linalg.eigh": lambda a, UPLO: settled(eigh_parts(symmetric(a), UPLO), 0),
    "np.linalg.eigvalsh": lambda a, UPLO: np.linalg.eigvalsh(symmetric(a), UPLO),
    "np.linalg.svd": lambda a: settled(svd_parts(a), a.shape[-2]),
    "np.linalg.lstsq": lambda a, b: np.linalg.lstsq(a, b)[0],
}


def always(*inputs, **params):
    return True


def zeros(*inputs, **params):
    return any((x == 0).any() for x in inputs)


def origins(a, b):
    return ((a == 0) & (b == 0)).any()


def ties(a, b):
    return (a == b).any()


def equal_sizes(a, b):
    return (np.abs(a) == np.abs(b)).any()


def many_elements(x, *q, **params):
    return x.size > 16


def no_spread(x, **params):
    return not np.std(x, **params).all()


def kept_numbers(x, keepdims, **params):
    return keepdims and x.ndim == 0


def no_axes(x, axis, **params):
    return axis == ()


def one_in_columns(*inputs, rowvar, **params):
    return len(inputs) == 1 and not rowvar


SETS = [
    *(f"np.{name}" for name in ("unique", "union1d", "intersect1d", "setxor1d")),
    *(f"np.unique_{what}" for what in ("values", "counts", "inverse", "all")),
]
# By library and function: what differs from NumPy, or in the derivatives, and for which inputs.
DIFFERENCES = {
    "JAX": {
        "abs": ("the slope at 0 is 1", zeros),
        "power_of": ("the second derivative at a base of 0 is nan", zeros),
        "np.power": ("the second derivative at a base of 0 is nan", zeros),
        "np.float_power": ("the second derivative at a base of 0 is nan", zeros),
        "hypot": ("second derivatives are 0 where |a| = |b|, and the slopes at the origin 1/2", equal_sizes),
        "np.angle": ("the derivative at 0 is nan", zeros),
        "np.fmax": ("at a tie one argument gets all, not each a half", ties),
        "np.fmin": ("at a tie one argument gets all, not each a half", ties),
        "np.std": ("the second derivative at 0 is nan", no_spread),
        "np.nanquantile": ("of a number, keepdims gives a vector", kept_numbers),
        "np.nanpercentile": ("of a number, keepdims gives a vector", kept_numbers),
        "np.partition": ("the elements before and after have another order", always),
        **dict.fromkeys(SETS, ("the derivative is 0, even by an only element", always)),
    },
    "PyTorch": {
        "power_of": ("the second derivative at a base of 0 is nan", zeros),
        "np.power": ("the second derivative at a base of 0 is nan", zeros),
        "np.float_power": ("the second derivative at a base of 0 is nan", zeros),
        "cbrt": ("the root of a negative number is nan", lambda x: (x < 0).any()),
        "hypot": ("the slopes at the origin are nan", origins),
        "ldexp": ("the derivative is 0 for negative exponents", lambda x, i: (i < 0).any()),
        "np.sinc": ("the second derivative at 0 is nan, and has lost digits nearby", lambda x: (np.abs(x) < 0.1).any()),
        "np.modf": ("the fraction of a negative number is above the floor", lambda x: (x < 0).any()),
        "np.fmax": ("at a tie one argument gets all, not each a half", ties),
        "np.fmin": ("at a tie one argument gets all, not each a half", ties),
        "np.heaviside": ("there is no derivative", always),
        "np.linalg.vector_norm": ("no axes are all axes", no_axes),
        "np.linalg.cond": ("there is no second derivative", lambda x, p: p not in (None, 2, -2)),
        "np.std": ("the second derivative at 0 is nan", no_spread),
        "np.cov": ("one array is read in rows", one_in_columns),
        "np.corrcoef": ("one array is read in rows", one_in_columns),
        "np.nansum": ("no axes are all axes", no_axes),
        "np.nanmean": ("no axes are all axes", no_axes),
        "np.median": ("from 17 on the derivative may be that by another of equal elements", many_elements),
        "np.quantile": ("from 17 on the derivative may be that by another of equal elements", many_elements),
        "np.percentile": ("from 17 on the derivative may be that by another of equal elements", many_elements),
        "np.nanmedian": ("from 17 on the derivative may be that by another of equal elements", many_elements),
        "np.nanquantile": ("from 17 on the derivative may be that by another of equal elements", many_elements),
        "np.nanpercentile": ("from 17 on the derivative may be that by another of equal elements", many_elements),
        "np.vander": ("there is no second derivative", always),
        "np.rollaxis": ("the elements stay as they lie in memory", always),
        "np.linspace": ("there is no derivative", always),
        "np.logspace": ("there is no derivative", always),
        "np.geomspace": ("there is no derivative", always),
        "np.unique": ("there is no derivative", always),
        "np.bincount": ("there is no derivative", always),
        "np.histogramdd": ("there is no derivative", always),
    },
}


def for_each(cases, examples, check):
    @seed(0)
    @settings(max_examples=examples, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])
    @given(cases, st.integers(0, 1000))
    def run(case, number):
        check(*case, np.random.default_rng(number))

    run()


def assert_like(library, name, examples):
    """Compare a function with its counterpart for so many cases, and see that the table says what differs."""
    witness, refusals, differs = WITNESSES[name], [], []
    f = ALIGNED.get(name) or witness.call or (operator.attrgetter(name[3:])(np) if "." in name else tg.rules.get(name))
    reason, is_listed = DIFFERENCES[library.name].get(name, ("", None))

    def counterpart(*xs, **params):
        if name in library.others and not name.startswith("np."):
            return xs[0].call(name, xs, params)
        return (f.forward if isinstance(f, Rule) else f)(*xs, **params)

    def compare(inputs, params, rng):
        cotangent = np.asarray(rng.normal(size=np.shape(f(*inputs, **params))))
        at = inputs, cotangent, [rng.uniform(0.5, 1.5, x.shape) for x in inputs]

        def theirs(*xs):
            y = counterpart(*(Peer(x, library) for x in xs), **params)
            if not isinstance(y, Peer):
                raise Refused(f"{library.name} returns a {type(y).__name__}")
            return y.array

        try:
            expected = derivatives(library.vjp, library.grad, theirs, *mapped(library.to_array, at))
        except Missing as missing:
            pytest.skip(str(missing))
        except Refused as refusal:
            refusals.append(refusal)
            reject()
        found = derivatives(by_rules, tg.grad, functools.partial(f, **params), *at)
        assert_same(found, [*map(library.to_numpy, expected)])

    def find_difference(*case):
        try:
            if not differs:
                compare(*case)
        except UnsatisfiedAssumption:
            raise
        except Exception as difference:
            differs.append(difference)

    try:
        if is_listed:
            for_each(witness.cases.filter(lambda case: is_listed(*case[0], **case[1])), 20, find_difference)
            assert differs, f"this is not so: {reason}"
        if is_listed is always:
            pytest.skip(f"{library.name}: {reason}")
        cases = witness.cases.filter(lambda case: not (is_listed and is_listed(*case[0], **case[1])))
        for_each(cases, examples, compare)
    except Unsatisfiable:
        pytest.skip(refusals[0].args[0])


# The other libraries warn of arguments that they compute with all the same.
@pytest.mark.whole
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", WITNESSES)
def test_all_have_the_values_and_two_derivatives_of_jax(name):
    assert_like(jax(), name, examples=3)


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", WITNESSES)
def test_all_have_the_values_and_two_derivatives_of_pytorch(name):
    assert_like(pytorch(), name, examples=10)
