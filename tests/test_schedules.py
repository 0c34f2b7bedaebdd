"""Schedules, clipping, groups, averages, and the optimizers beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import nn, optim
from tinygrad_lite.optim import schedule

X = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
Y = np.ones((6, 2), np.float32)


def net():
    return nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1))


def step_of(model, optimizer, then=lambda: None):
    def step(x, y):
        loss = nn.functional.squared_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        said = then()
        optimizer.step()
        return loss, said

    return step


SCHEDULES = {
    "warmup": (schedule.warmup(1.0, 4), {0: 0.2, 3: 0.8, 4: 1.0, 99: 1.0}),
    "cosine": (schedule.cosine(1.0, 10, final=0.2), {0: 1.0, 5: 0.6, 10: 0.2, 99: 0.2}),
    "cosine after a warmup": (schedule.cosine(1.0, 14, warmup=4), {0: 0.2, 4: 1.0, 9: 0.5, 14: 0.0, 99: 0.0}),
    "step": (schedule.step(1.0, 3, 0.5), {0: 1.0, 2: 1.0, 3: 0.5, 7: 0.25}),
    "one_cycle": (schedule.one_cycle(1.0, 10, peak=0.4, start=10), {0: 0.1, 2: 0.55, 4: 1.0, 10: 1e-5, 99: 1e-5}),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_has_the_rates_of_its_formula(name):
    rate, expected = SCHEDULES[name]
    assert {i: rate(i) for i in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: schedule.cosine(-1, 10), "learning rate must be a number of at least 0, not -1"),
        (lambda: schedule.cosine(1, 0), "steps must be a whole number of at least 1, not 0"),
        (lambda: schedule.cosine(1, 5, warmup=5), "less than the 5 steps, not 5"),
        (lambda: schedule.one_cycle(1, 5, peak=1), "peak must be a number above 0 and below 1, not 1"),
    ],
)
def test_a_schedule_that_cannot_be_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_one_program_serves_all_rates_of_a_schedule():
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    step, rate = tg.jit(step_of(model, optimizer)), schedule.one_cycle(0.2, 10)
    same = net()
    eager = step_of(same, of_eager := optim.SGD(same.parameters(), lr=0.1))
    for i in range(10):
        optimizer.lr = of_eager.lr = rate(i)
        np.testing.assert_allclose(step(X, Y)[0].numpy(), eager(X, Y)[0].numpy(), rtol=1e-5)
    assert len(step.programs) == 1


@pytest.mark.parametrize("limit", [0.5, 1e6])
@pytest.mark.parametrize("compiled", [False, True])
def test_the_norm_of_all_gradients_is_limited(compiled, limit):
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.0)

    def clip():
        return optim.clip_grad_norm(optimizer.params, limit), [p.grad for p in optimizer.params]

    step = step_of(model, optimizer, clip)
    _, (norm, grads) = (tg.jit(step) if compiled else step)(X, Y)
    clipped = np.sqrt(sum(np.square(g.numpy()).sum() for g in grads))
    assert clipped == pytest.approx(min(limit, norm.item()), rel=1e-5)
    assert grads[0].dtype == np.float32


@pytest.mark.parametrize("compiled", [False, True])
def test_each_element_of_the_gradients_is_limited(compiled):
    model = net()
    optimizer = optim.SGD(model.parameters(), lr=0.0)

    def clip():
        optim.clip_grad_value(optimizer.params, 0.1)
        return [p.grad for p in optimizer.params]

    step = step_of(model, optimizer, clip)
    _, grads = (tg.jit(step) if compiled else step)(X, Y)
    assert max(np.abs(g.numpy()).max() for g in grads) == pytest.approx(0.1)


def test_clipping_nothing_is_an_error():
    with pytest.raises(tg.GraphError, match=r"call loss.backward\(\) before it"):
        optim.clip_grad_norm(net().parameters(), 1.0)
    with pytest.raises(ValueError, match="max_norm must be a number above 0, not 0"):
        optim.clip_grad_norm(net().parameters(), 0)


def groups(model):
    first, second = model.parameters()[:2], model.parameters()[2:]
    return optim.Groups([optim.SGD(first, 0.1, momentum=0.9), optim.AdamW(second, 0.01)])


OPTIMIZERS = {
    "RMSprop": lambda model: optim.RMSprop(model.parameters(), 0.01, momentum=0.5, weight_decay=0.1),
    "Adagrad": lambda model: optim.Adagrad(model.parameters(), 0.1, weight_decay=0.1),
    "Lion": lambda model: optim.Lion(model.parameters(), 0.01, weight_decay=0.1),
    "Groups": groups,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_program_makes_the_same_steps(name):
    found = []
    for compiled in (False, True):
        model = net()
        optimizer = OPTIMIZERS[name](model)
        average = optim.EMA(model, 0.9)
        step = step_of(model, optimizer, average.update)
        step = tg.jit(step) if compiled else step
        for _ in range(5):
            optimizer.lr *= 0.9
            step(X, Y)
        found.append([*(p.numpy() for p in model.parameters()), *average.averages])
        assert not compiled or len(step.programs) == 1
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert a.dtype == np.float32


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_saved_state_goes_on_as_if_there_had_been_no_stop(name):
    model = net()
    optimizer = OPTIMIZERS[name](model)
    for _ in range(3):
        step_of(model, optimizer)(X, Y)
    other = net()
    other.load_state_dict(model.state_dict())
    resumed = OPTIMIZERS[name](other)
    resumed.load_state_dict(optimizer.state_dict())
    assert resumed.lr == optimizer.lr
    for one, made in ((model, optimizer), (other, resumed)):
        step_of(one, made)(X, Y)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_one_rate_scales_those_of_all_groups():
    optimizer = groups(net())
    optimizer.lr = 0.05
    assert [group.lr for group in optimizer.groups] == pytest.approx([0.05, 0.005])


def test_a_parameter_is_in_one_group_only():
    p = tg.Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="a parameter is in the list twice"):
        optim.Groups([optim.SGD([p], 0.1), optim.SGD([p], 0.2)])


def test_a_list_of_dictionaries_names_groups():
    with pytest.raises(TypeError, match=r"Groups\(\[SGD\(a, lr=0.1\), SGD\(b, lr=0.01\)\]\)"):
        optim.SGD([{"params": net().parameters()}], 0.1)


def test_an_average_is_applied_for_a_while():
    model = net()
    average = optim.EMA(model, 0.5)
    before = model[0].weight.numpy().copy()
    model[0].weight.data = before + 1
    average.update()
    with average.applied():
        assert (before < model[0].weight.numpy()).all()
        assert (model[0].weight.numpy() < before + 1).all()
    np.testing.assert_array_equal(model[0].weight.numpy(), before + 1)


@pytest.mark.parametrize("name", ["RMSprop", "Adagrad"])
def test_optimizers_make_the_steps_of_pytorch(name):
    torch = pytest.importorskip("torch")
    p = tg.Tensor([1.0, -2.0], requires_grad=True, dtype="float64")
    q = torch.tensor([1.0, -2.0], requires_grad=True, dtype=torch.float64)
    ours, theirs = getattr(optim, name)([p], lr=0.1), getattr(torch.optim, name)([q], lr=0.1)
    for _ in range(5):
        for optimizer, x in ((ours, p), (theirs, q)):
            optimizer.zero_grad()
            (x * x * x).sum().backward()
            optimizer.step()
    np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-12)
