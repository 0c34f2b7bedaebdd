"""Observers are told what the library does, each of it once and in its place; those who do not observe are not."""

import asyncio
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite.support.observer import Observer, observers, observing, under_way


class Notes(Observer):
    """Writes down what it is told, and within which steps."""

    def __init__(self):
        self.said = []
        self.error_at = None

    def note(self, what):
        self.said.append((what, *(f"{step.kind} {_called(step.of)}" for step in under_way())))
        if what == self.error_at:
            raise KeyError(what)

    def applied(self, rule, inputs, arrays, y):
        self.note(rule.name)

    def pulled_back(self, operation, k, g):
        self.note(f"d {operation.rule.name} {k} of shape {g.shape}")

    def ran(self, module, y):
        self.note(f"ran {_called(module)}")

    def drew(self):
        self.note("drew")


def _called(of):
    if isinstance(of, tg.nn.Module):
        return type(of).__name__
    return of.name


class Net(tg.nn.Module):
    def __init__(self):
        self.inner = tg.nn.Linear(2, 2, rng=0)
        self.inner.weight.name, self.inner.bias.name = "weight", "bias"

    def forward(self, x):
        return self.inner(x) * 2.0


def test_what_a_training_step_does_is_told_in_order_with_the_steps_it_is_a_part_of():
    net, notes = Net(), Notes()
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1)
    with observing(notes):
        net(np.ones((3, 2), np.float32)).sum().backward()
        optimizer.step()
    assert notes.said == [
        ("linear", "rule linear", "module Linear", "module Net"),
        ("ran Linear", "module Net"),
        ("multiply", "rule multiply", "module Net"),
        ("ran Net",),
        ("sum", "rule sum"),
        ("d sum 0 of shape (3, 2)", "derivative None"),
        ("d multiply 0 of shape (3, 2)", "derivative None"),
        ("d linear 1 of shape (2, 2)", "derivative weight"),
        ("d linear 2 of shape (2,)", "derivative bias"),
    ]
    net(np.ones((3, 2), np.float32))
    assert len(notes.said) == 9, "the block has ended"


def test_an_update_is_a_step_of_its_parameter():
    seen = []

    class Own(tg.optim.Optimizer):
        def _update(self, i, p, g):
            seen.append([(step.kind, step.of) for step in under_way()])

    parameters = [tg.Tensor([1.0], requires_grad=True) for _ in range(2)]
    optimizer = Own(parameters, lr=0.1)
    for p in parameters:
        p.grad = [1.0]
    with observing(Observer()):
        optimizer.step()
    assert seen == [[("update", p)] for p in parameters]


def test_the_operations_of_a_derivative_that_is_recorded_are_its_parts():
    notes, x = Notes(), tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = np.sin(x).sum()
    with observing(notes):
        y.backward(create_graph=True)
    assert ("cos", "rule cos", "derivative x") in notes.said
    assert notes.said[-1][-1] == "derivative x"


def test_gradients_are_added_up_within_the_derivative_of_their_leaf():
    notes, x = Notes(), tg.Tensor([1.0], requires_grad=True, name="x")
    (x * 2.0).backward(create_graph=True)
    y = x * 3.0
    with observing(notes):
        y.backward(create_graph=True)
    assert notes.said[-1] == ("add", "rule add", "derivative x")


def test_two_observers_are_told_each_and_one_that_is_there_twice_once():
    one, other = Notes(), Notes()
    x = tg.Tensor([1.0], requires_grad=True)
    with observing(one):
        np.sin(x)
        with observing(other), observing(one):
            np.cos(x)
        np.tanh(x)
    assert [said[0] for said in one.said] == ["sin", "cos", "tanh"]
    assert [said[0] for said in other.said] == ["cos"]
    assert observers.get() == ()


@pytest.mark.parametrize("error_at", ["linear", "ran Linear", "multiply", "d linear 1 of shape (2, 2)"])
def test_after_an_error_in_the_midst_no_step_is_under_way(error_at):
    net, notes = Net(), Notes()
    notes.error_at = error_at
    with observing(notes):
        with pytest.raises(KeyError):
            net(np.ones((3, 2), np.float32)).sum().backward()
        assert list(under_way()) == []


def test_errors_of_rules_derivatives_and_updates_end_their_steps():
    def refuse(g, x):
        raise RuntimeError

    samples = [tg.rules.sample(np.ones(2))]
    stubborn = tg.rules.define("stubborn", lambda x: x * 2, x=refuse, samples=lambda: samples)
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = tg.optim.Optimizer([x], lr=0.1)
    x.grad = [1.0, 1.0]
    try:
        with observing(Observer()):
            for wrong in (lambda: x + np.ones(3), lambda: stubborn(x).sum().backward(), optimizer.step):
                with pytest.raises((ValueError, RuntimeError)):
                    wrong()
                assert list(under_way()) == []
    finally:
        del tg.rules.registry._rules["stubborn"]


def test_generators_that_take_turns_have_their_own_observers():
    x = tg.Tensor([1.0])

    def generate(observer):
        with observing(observer):
            yield np.sin(x)
            yield np.cos(x)

    one, other = Notes(), Notes()
    first, second = generate(one), generate(other)
    next(first), next(second)
    first.close()
    np.exp(x)
    assert [said[0] for said in one.said] == ["sin", "sin"], "open while the second began"
    assert [said[0] for said in other.said] == ["sin", "exp"]
    second.close()
    assert observers.get() == ()


def test_other_threads_and_tasks_have_their_own_observers_and_steps():
    notes, x = Notes(), tg.Tensor([1.0])

    class Slow(tg.nn.Module):
        def forward(self, x):
            thread = threading.Thread(target=lambda: seen.append((np.cos(x), list(under_way()), observers.get())))
            thread.start()
            thread.join()
            return np.sin(x)

    seen = []
    with observing(notes):
        Slow()(x)
    assert [said[0] for said in notes.said] == ["sin", "ran Slow"]
    assert seen[0][1:] == ([], ())

    async def task(observer):
        with observing(observer):
            np.sin(x)
            await asyncio.sleep(0)
            np.cos(x)

    async def both(*observers):
        await asyncio.gather(*map(task, observers))

    one, other = Notes(), Notes()
    asyncio.run(both(one, other))
    assert [said[0] for said in one.said] == [said[0] for said in other.said] == ["sin", "cos"]


def test_what_draws_from_the_librarys_generator_is_told():
    notes = Notes()
    with observing(notes):
        tg.nn.init.glorot_uniform((2, 2), rng=np.random.default_rng(0))
        assert notes.said == []
        tg.nn.init.glorot_uniform((2, 2))
    assert notes.said == [("drew",)]


def test_a_jitted_function_runs_as_it_is_written_while_someone_observes():
    jitted = tg.jit(lambda x: np.sin(x) * 2.0)
    x, notes = tg.Tensor([1.0]), Notes()
    expected = jitted(x).numpy()
    with observing(notes):
        np.testing.assert_array_equal(jitted(x).numpy(), expected)
    assert [said[0] for said in notes.said] == ["sin", "multiply"]


def test_a_detector_and_a_recording_observe_at_once():
    net = Net()

    @tg.jit
    def step(x):
        with tg.detect_anomaly():
            return net(x).sum()

    for _ in range(2):
        step(np.ones((3, 2), np.float32))
        with pytest.raises(FloatingPointError, match="linear gives a number that is not finite"):
            step(np.full((3, 2), np.nan, np.float32))
    assert len(step.programs) == 1
    assert "inner_isfinite" in step.source or "linear_isfinite" in step.source
    assert observers.get() == ()


def test_frames_are_read_for_the_users_lines_and_variables_alone():
    folder = Path(tg.__file__).parent
    reads = re.compile(r"_getframe|f_locals|f_code|setprofile|settrace")
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py") if reads.search(path.read_text())}
    # In `names` it is the statement that imports.
    assert found <= {"support/call_stack.py", "support/names.py", "compiler/watch.py"}
