"""A jitted function leaves the gradients behind that the function does, but for those an update has used up."""

import numpy as np
import pytest

import tinygrad_lite as tg

BATCH = np.random.default_rng(0).random((6, 3))


class World:
    """Two layers, of float32 or float64, an optimizer for all of them, and one for each."""

    def __init__(self, dtype):
        self.net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=1), tg.nn.Tanh(), tg.nn.Linear(4, 1, rng=2)).astype(dtype)
        self.all = tg.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.5)
        self.first = tg.optim.SGD(self.net[0].parameters(), lr=0.2)
        self.second = tg.optim.Adam(self.net[2].parameters(), lr=0.01)

    def backward(self, x):
        loss = (self.net(x) ** 2).mean()
        loss.backward()
        return loss

    def scale(self, s):
        for p in self.net.parameters():
            p.grad.data *= s

    def clip(self):
        norm = np.sqrt(sum((p.grad.data**2).sum() for p in self.net.parameters()))
        for p in self.net.parameters():
            p.grad.data *= np.minimum(1.0, 0.1 / (norm + 1e-6)).astype(norm.dtype)

    def by_hand(self, x):
        for p in self.net.parameters():
            p.grad = tg.Tensor(p.data * x[0, 0])

    def descend(self):
        for p in self.net.parameters():
            p.data -= 0.1 * p.grad.data

    def replace(self):
        for p in self.net.parameters():
            p.data = p.data - 0.1 * p.grad.data

    @tg.no_grad()
    def descend_on_tensors(self):
        for p in self.net.parameters():
            p -= 0.1 * p.grad

    def scale_tensors(self):
        for p in self.net.parameters():
            p.grad *= 0.5

    def halve(self):
        for p in self.net.parameters():
            p.data *= 0.5


# What a step does with w, the world, and x; and whether the gradients it leaves are used up by what it did last.
ORDERS = {
    "backward, update": (lambda w, x: (w.backward(x), w.all.step()), True),
    "update, backward": (lambda w, x: (w.backward(x), w.all.step(), w.all.zero_grad(), w.backward(x)), False),
    "accumulated on what is used up": (lambda w, x: (w.backward(x), w.all.step(), w.backward(x)), False),
    "accumulated and used up": (lambda w, x: (w.backward(x), w.all.step(), w.backward(x), w.all.step()), True),
    "scaled, then used up": (lambda w, x: (w.backward(x), w.scale(0.5), w.all.step()), True),
    "used up, then scaled": (lambda w, x: (w.backward(x), w.all.step(), w.scale(0.5)), False),
    "clipped": (lambda w, x: (w.backward(x), w.clip(), w.all.step()), True),
    "clipped after the update": (lambda w, x: (w.backward(x), w.all.step(), w.clip()), False),
    "two optimizers": (lambda w, x: (w.backward(x), w.first.step(), w.second.step()), True),
    "one of two optimizers": (lambda w, x: (w.backward(x), w.first.step()), None),
    "two optimizers in turn": (lambda w, x: (w.backward(x), w.first.step(), w.backward(x), w.second.step()), None),
    "by hand, by NumPy": (lambda w, x: (w.backward(x), w.descend()), True),
    "by hand, on Tensors": (lambda w, x: (w.backward(x), w.scale_tensors(), w.descend_on_tensors()), True),
    "scaled after it, on Tensors": (lambda w, x: (w.backward(x), w.descend_on_tensors(), w.scale_tensors()), False),
    "by hand, to another array": (lambda w, x: (w.backward(x), w.replace()), True),
    "written by hand": (lambda w, x: (w.by_hand(x), w.all.step()), True),
    "written by hand after the update": (lambda w, x: (w.backward(x), w.all.step(), w.by_hand(x)), False),
    "changed by something else": (lambda w, x: (w.backward(x), w.halve()), False),
    "returned": (lambda w, x: (w.backward(x), w.all.step(), w.net[0].weight.grad)[2:], True),
    "returned, of after the update": (
        lambda w, x: (w.backward(x), w.all.step(), w.all.zero_grad(), w.backward(x), w.net[0].weight.grad)[4:],
        False,
    ),
    "forgotten at the end": (lambda w, x: (w.backward(x), w.all.step(), w.all.zero_grad()), None),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize("order", ORDERS)
def test_gradients_that_no_update_has_used_up_stay(order, forgets, dtype):
    do, are_used_up = ORDERS[order]

    def make():
        w = World(dtype)

        def step(x):
            if forgets:
                w.all.zero_grad()
            return do(w, x)

        return w, step

    (w, plain), (other, function) = make(), make()
    jitted = tg.jit(function)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for size in (6, 6, 4, 6):
        results = plain(BATCH[:size].astype(dtype)), jitted(BATCH[:size].astype(dtype))
        for a, b in zip(*results, strict=True):
            if isinstance(a, tg.Tensor):
                np.testing.assert_allclose(b.data, a.data, rtol=tolerance, atol=tolerance)
        for p, q in zip(w.net.parameters(), other.net.parameters(), strict=True):
            np.testing.assert_allclose(q.data, p.data, rtol=tolerance, atol=tolerance)
            if q.grad is not None:
                np.testing.assert_allclose(q.grad.data, p.grad.data, rtol=tolerance, atol=tolerance)
        if forgets and are_used_up is not None:
            assert [q.grad is None for q in other.net.parameters()] == [are_used_up] * 4
        if not forgets and order not in ("forgotten at the end", "written by hand"):  # read at the next call
            assert all(q.grad is not None for q in other.net.parameters())


def test_each_optimizer_uses_up_the_gradients_of_its_own_parameters():
    w = World("float64")

    @tg.jit
    def step(x):
        w.all.zero_grad()
        w.backward(x)
        w.first.step()
        w.backward(x)
        w.second.step()

    step(BATCH)
    assert [p.grad is None for p in w.net.parameters()] == [False, False, True, True]


def test_a_step_outside_goes_on_from_a_gradient_that_a_jitted_function_has_left_after_its_update():
    (w, other) = (World("float64"), World("float64"))

    def update_and_look_again(w, x):
        w.all.zero_grad()
        w.backward(x)
        w.all.step()
        w.all.zero_grad()
        w.backward(x)

    jitted = tg.jit(lambda x: update_and_look_again(other, x))
    for _ in range(3):
        update_and_look_again(w, BATCH)
        jitted(BATCH)
        w.all.step()
        other.all.step()
        for p, q in zip(w.net.parameters(), other.net.parameters(), strict=True):
            np.testing.assert_allclose(q.data, p.data, rtol=1e-12)


def test_the_loss_of_a_step_is_a_number_after_backward_and_a_loss_without_one_warns():
    net = tg.nn.Linear(3, 1, rng=0)
    x = np.ones((2, 3), np.float32)

    def loss_of(x):
        return (net(x) ** 2).mean()

    def step(x):
        loss = loss_of(x)
        loss.backward()
        return loss

    for training, judging in ((step, loss_of), (tg.jit(step), tg.jit(loss_of))):
        for _ in range(2):
            assert float(training(x)) > 0  # a warning is an error here
        with pytest.warns(tg.GradientWarning):
            float(judging(x))
        with pytest.raises(tg.GraphError):
            training(x).backward()
