"""One seed fixes all that is drawn without a generator of its own: weights, dropout, orders; eager and under jit."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import nn
from tinygrad_lite.data import Batches
from tinygrad_lite.support import randomness

X = np.ones((6, 4), np.float32)


@pytest.fixture(autouse=True)
def as_before():
    before = randomness.generator.bit_generator.state
    yield
    randomness.generator.bit_generator.state = before


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 8), nn.Dropout(0.25))


DRAWS = {
    "weights": lambda: nn.Linear(3, 2).weight.tolist(),
    "initialiser": lambda: nn.init.he_normal((3, 2)).tolist(),
    "dropout": lambda: nn.Dropout()(X).tolist(),
    "orders": lambda: [labels.tolist() for _, labels in Batches(X, np.arange(6), 2, shuffle=True)],
    "outputs": lambda: net()(X).tolist(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_fixes_what_is_drawn_and_numpys_does_not(name):
    tg.manual_seed(3)
    first, second = DRAWS[name](), DRAWS[name]()
    tg.manual_seed(np.int64(3))
    assert DRAWS[name]() == first
    tg.manual_seed(4)
    assert DRAWS[name]() != first != second
    np.random.seed(0)  # noqa: NPY002
    one = DRAWS[name]()
    np.random.seed(0)  # noqa: NPY002
    assert DRAWS[name]() != one


def test_a_seed_reaches_layers_that_are_there_already():
    layer = nn.Dropout()
    tg.manual_seed(1)
    first = layer(X).tolist()
    tg.manual_seed(1)
    assert layer(X).tolist() == first


def test_a_generator_of_its_own_is_left_alone():
    layer = nn.Dropout(rng=5)
    before = layer.rng.bit_generator.state
    tg.manual_seed(1)
    assert layer.rng.bit_generator.state == before
    library = randomness.generator.bit_generator.state
    nn.Linear(3, 2, rng=0)
    layer(X)
    list(Batches(X, X, 2, shuffle=True, seed=1))
    list(Batches(X, X, 2))
    assert randomness.generator.bit_generator.state == library


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_a_seed_is_a_whole_number_of_at_least_0(seed):
    with pytest.raises(ValueError, match="a seed is a whole number of at least 0, not"):
        tg.manual_seed(seed)
    if seed is not None:
        with pytest.raises(ValueError, match="a seed is a whole number of at least 0, not"):
            Batches(X, X, 2, seed=seed)


def test_jit_draws_what_eager_draws():
    def outputs(wrap):
        tg.manual_seed(7)
        model = wrap(net())
        return model, [model(X).tolist() for _ in range(3)]

    jitted, found = outputs(tg.jit)
    expected = outputs(lambda model: model)[1]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert len(jitted.programs) == 1
    tg.manual_seed(2)
    first = jitted(X).tolist()
    tg.manual_seed(2)
    assert jitted(X).tolist() == first


@pytest.mark.parametrize(
    "draw", [lambda x: x + nn.init.glorot_uniform((6, 4)), lambda x: nn.Dropout()(x)], ids=["initialiser", "layer"]
)
def test_jit_refuses_what_would_be_drawn_but_once(draw):
    before = randomness.generator.bit_generator.state
    with pytest.raises(tg.JitError, match=r"gives no rng, and so draws .*Draw from an np\.random"):
        tg.jit(draw)(X)
    assert randomness.generator.bit_generator.state == before


def test_dropout_continues_from_a_saved_state_bit_for_bit():
    tg.manual_seed(7)
    model = net()
    model(X)
    state = json.loads(json.dumps(model.random_state()))
    rest = [model(X).tolist() for _ in range(3)]
    tg.manual_seed(8)
    model.load_random_state(state)
    assert [model(X).tolist() for _ in range(3)] == rest


COPIES = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("wrap", [lambda f: f, tg.jit], ids=["eager", "jit"])
def test_a_seed_reaches_copies_too(way, wrap):
    layer = nn.Sequential(nn.Dropout())
    twin = COPIES[way](layer)
    assert twin[0].rng is layer[0].rng is randomness.generator
    call, call_of_twin = wrap(layer), wrap(twin)
    tg.manual_seed(1)
    drawn = [call(X).tolist(), call_of_twin(X).tolist()]
    assert drawn[0] != drawn[1]
    tg.manual_seed(1)
    assert [call_of_twin(X).tolist(), call(X).tolist()] == drawn


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_of_what_is_spawned_is_one_of_its_own(way):
    spawned = randomness.generator.spawn(1)[0]
    twin = COPIES[way](spawned)
    assert twin is not spawned
    state = randomness.generator.bit_generator.state
    assert twin.random() == spawned.random() or way == "copy"
    assert randomness.generator.bit_generator.state == state


def test_a_state_that_does_not_fit_leaves_the_librarys_generator_as_it_was():
    model = nn.Sequential(nn.Dropout(), nn.Dropout(rng=1))
    before = model.random_state()
    other = nn.Sequential(nn.Dropout(rng=2), nn.Dropout(rng=3)).random_state()
    with pytest.raises(ValueError, match="unexpected surplus"):
        model.load_random_state(other | {"surplus": {}})
    assert model.random_state() == before
