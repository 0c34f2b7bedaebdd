"""Jitted functions within jitted functions, within derivatives, as methods, in threads, signal handlers and forks."""

import cProfile
import os
import pstats
import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lite as tg

X = np.array([0.5, 1.0, 2.0])
BATCH = np.random.default_rng(0).random((6, 3)).astype(np.float32)
ROOT = Path(__file__).parents[2]
SECONDS = 60


def small_net(seed=1):
    return tg.nn.Sequential(tg.nn.Linear(3, 4, rng=seed), tg.nn.Tanh(), tg.nn.Linear(4, 1, rng=seed + 1))


def f(x):
    return (np.sin(x) * x**2).sum()


def equal(a, b):
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(equal, a, b))
    assert type(a) is type(b)
    return a.dtype == b.dtype and np.allclose(a.data, b.data, rtol=1e-5, atol=1e-7)


def is_real(net):
    """Return whether the parameters are arrays, and Tensors, and nothing of a recording."""
    return all(type(p) is tg.Tensor and type(p.data) is np.ndarray for p in net.parameters())


# Derivatives.

V = np.array([1.0, -1.0, 2.0])
DERIVATIVES = {
    "grad of jit": (tg.grad(tg.jit(f)), tg.grad(f)),
    "jit of grad": (tg.jit(tg.grad(f)), tg.grad(f)),
    "jit of grad of jit": (tg.jit(tg.grad(tg.jit(f))), tg.grad(f)),
    "grad of jit of grad": (
        tg.grad(lambda x: (tg.jit(tg.grad(f))(x) ** 2).sum()),
        tg.grad(lambda x: (tg.grad(f)(x) ** 2).sum()),
    ),
    "jit of value_and_grad": (tg.jit(tg.value_and_grad(f)), tg.value_and_grad(f)),
    "jit of jit": (tg.jit(tg.jit(f)), f),
    "jit of hessian": (tg.jit(tg.hessian(f)), tg.hessian(f)),
    "hessian of jit": (tg.hessian(tg.jit(f)), tg.hessian(f)),
    "jit of jacobian": (tg.jit(tg.jacobian(lambda x: np.exp(x))), tg.jacobian(lambda x: np.exp(x))),
    "jit of jvp": (tg.jit(lambda x: tg.jvp(f, x, V)), lambda x: tg.jvp(f, x, V)),
    "jvp of jit": (lambda x: tg.jvp(tg.jit(f), x, V), lambda x: tg.jvp(f, x, V)),
    "jit of vjp": (tg.jit(lambda x: tg.vjp(f, x)[1](2.0)), lambda x: tg.vjp(f, x)[1](2.0)),
    "vjp of jit": (lambda x: tg.vjp(tg.jit(f), x)[1](2.0), lambda x: tg.vjp(f, x)[1](2.0)),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_are_the_same_within_and_around(name):
    jitted, plain = DERIVATIVES[name]
    for x in (X, X * 2, X[:2] if "jv" not in name else X, X):
        x = tg.Tensor(x)
        assert equal(jitted(x), plain(x))
        with tg.no_grad():
            assert equal(jitted(x), plain(x))


@pytest.mark.parametrize(
    "call",
    [
        lambda g, x: g([x, 1.0]),
        lambda g, x: g((x, 1.0)),
        lambda g, x: g(({"a": [x]}["a"][0], 1.0)),
        lambda g, x: g(pair=[x, 1.0]),
    ],
)
def test_a_derivative_goes_through_arguments_that_lie_in_lists_or_is_refused(call):
    def of_pair(pair):
        return (pair[0] ** 2).sum() * pair[1]

    jitted = tg.jit(of_pair)
    of_pair([tg.Tensor(X), 1.0])
    for warmed in (False, True):
        if warmed:
            call(jitted, tg.Tensor(X))
        try:
            result = tg.grad(lambda x: call(jitted, x))(X)
        except (tg.GraphError, tg.JitError):
            continue
        assert equal(result, tg.Tensor(2 * X))


def test_a_derivative_goes_through_what_a_jitted_function_closes_over_or_is_refused():
    def outer(x):
        return (tg.jit(lambda y: (x * y).sum())(X) * x).sum()

    def plain(x):
        return ((x * X).sum() * x).sum()

    try:
        result = tg.grad(outer)(X)
    except (tg.GraphError, tg.JitError):
        return
    assert equal(result, tg.grad(plain)(X))


def test_backward_through_a_jitted_function_reaches_parameters_or_is_refused():
    net = small_net()
    jitted = tg.jit(net)
    x = tg.Tensor(BATCH, requires_grad=True)
    y = (jitted(x) * 2).sum()
    with pytest.raises(tg.GraphError, match="jit"):
        y.backward()
    hidden = x * 1.0  # has a history of its own, so that the function is run as it is
    (jitted(hidden) * 2).sum().backward()
    assert x.grad is not None
    assert all(p.grad is not None for p in net.parameters())


# Jitted functions within jitted functions.


def test_a_jitted_function_calls_jitted_functions():
    weights = np.ones(3)
    inner = tg.jit(lambda x: x * weights)
    outer = tg.jit(lambda x: inner(x) + inner(x * 2))
    for _ in range(2):
        assert np.array_equal(outer(X), 3 * X * weights)
        assert np.array_equal(inner(X), X * weights)
        assert np.array_equal(inner(X[None]), X[None] * weights)
        weights *= 2
    weights[:] = 1
    assert np.array_equal(outer(X), 3 * X)
    assert len(outer.programs) == 1


@pytest.mark.parametrize("kind", ["module", "method", "partial"])
def test_a_jitted_function_calls_what_else_is_jitted_and_is_not_compiled_again_for_it(kind):
    net = small_net()
    inner = {"module": tg.jit(net), "method": tg.jit(net.forward), "partial": tg.jit(lambda x: net(x))}[kind]
    outer = tg.jit(lambda x: inner(x) * 2)
    for size in (6, 3, 6, 3, 2, 6):
        inner(BATCH[:size])
        assert equal(outer(BATCH), net(BATCH) * 2)
        net[0].weight.data *= 0.5
    assert len(outer.programs) == 1


def test_a_jitted_function_may_call_itself():
    @tg.jit
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    for n in (3, 2, 4, 3):
        assert np.allclose(power(X, n), X**n)


def test_a_jitted_step_calls_a_jitted_loss():
    def make(wrap):
        net = small_net()
        optimizer = tg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        loss_of = wrap(lambda x: (net(x) ** 2).mean())

        def step(x):
            optimizer.zero_grad()
            loss = loss_of(x)
            loss.backward()
            optimizer.step()
            return loss

        return net, wrap(step)

    (net, plain), (other, jitted) = make(lambda f: f), make(tg.jit)
    for size in (6, 6, 4, 6):
        assert equal(plain(BATCH[:size]), jitted(BATCH[:size]))
    assert equal(net.parameters(), other.parameters())


# Methods and modules.


class Model(tg.nn.Module):
    scale = 2.0

    def __init__(self, seed):
        self.net = small_net(seed)
        self.calls = np.zeros(())

    @tg.jit
    def forward(self, x):
        self.calls += 1
        return self.net(x) * self.scale

    @classmethod
    @tg.jit
    def of_class(cls, x):
        return x * cls.scale

    @staticmethod
    @tg.jit
    def of_none(x):
        return x * 2

    @property
    def half(self):
        return tg.jit(lambda x: self(x) / 2)


def test_methods_are_jitted_for_each_object():
    one, two = Model(1), Model(5)
    for i in range(3):
        for model in (one, two):
            assert equal(model(BATCH), model.net(BATCH) * 2.0)
            assert equal(model.half(BATCH), model.net(BATCH))
            assert model.calls == 2 * (i + 1)
            model.net[0].weight.data *= 0.9
    two.scale = 3.0
    assert equal(two(BATCH), two.net(BATCH) * 3.0)
    assert equal(one(BATCH), one.net(BATCH) * 2.0)
    assert np.array_equal(Model.of_class(X), X * 2)
    assert np.array_equal(one.of_class(X), X * 2)
    assert np.array_equal(one.of_none(X), X * 2)
    assert Model.forward.__name__ == "forward"


def test_a_jitted_module_follows_its_mode_and_its_parameters():
    net = tg.nn.Sequential(tg.nn.Linear(3, 3, rng=0), tg.nn.Dropout(0.5, rng=1))
    twin = tg.nn.Sequential(tg.nn.Linear(3, 3, rng=0), tg.nn.Dropout(0.5, rng=1))
    jitted = tg.jit(net)
    for mode in (True, False, True, True, False):
        net.train(mode)
        twin.train(mode)
        assert equal(jitted(BATCH), twin(BATCH))
        for model in (net, twin):
            model[0].weight.data = model[0].weight.data + 1
    assert len(jitted.programs) == 2


# Threads.


def in_threads(*functions):
    """Run functions at the same time; return their results, or raise the first error."""
    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result(SECONDS) for future in [pool.submit(function) for function in functions]]


def test_threads_call_one_function_with_data_of_their_own():
    net = small_net()
    jitted = tg.jit(lambda x: net(x) * 2)
    data = [np.random.default_rng(i).random((200, 3)).astype(np.float32) for i in range(6)]
    expected = [net(x) * 2 for x in data]

    def calls(i):
        return lambda: [jitted(data[i]) for _ in range(60)]

    for results, y in zip(in_threads(*map(calls, range(6))), expected, strict=True):
        assert all(equal(result, y) for result in results)
    assert len(jitted.programs) == 1


def test_threads_train_nets_of_their_own_by_one_function():
    def step(net, optimizer, x):
        loss = (net(x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    jitted = tg.jit(step)

    def training(step, seed):
        net = small_net(seed)
        optimizer = tg.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        return lambda: ([step(net, optimizer, BATCH) for _ in range(30)][-1:], net.parameters())

    results = in_threads(*(training(jitted, seed) for seed in range(4)))
    for seed, result in enumerate(results):
        assert equal(result, training(step, seed)())


def test_threads_call_two_functions_of_one_net():
    net = small_net()
    double, triple = tg.jit(lambda x: net(x) * 2), tg.jit(lambda x: net(x) * 3)
    expected = [net(BATCH) * 2, net(BATCH) * 3]
    for _ in range(5):
        double.programs.clear()
        triple.programs.clear()
        results = in_threads(
            *[lambda: [double(BATCH) for _ in range(20)], lambda: [triple(BATCH) for _ in range(20)]] * 2
        )
        for i, of_thread in enumerate(results):
            assert all(equal(result, expected[i % 2]) for result in of_thread)
    assert is_real(net)


def unseen(function):
    """Return a function that calls another, and that jit takes for one of a library, into which it does not look."""
    namespace = {"__name__": "threading", "function": function}
    exec("def call(*args):\n    return function(*args)", namespace)
    return namespace["call"]


class Recorded:
    """A net whose recording can be held up in the middle."""

    def __init__(self):
        self.net = net = small_net()
        self.optimizer = optimizer = tg.optim.SGD(net.parameters(), lr=0.1)
        self.entered, self.go = threading.Event(), threading.Event()
        enter, wait = unseen(self.entered.set), unseen(self.go.wait)

        def function(x):
            enter()
            wait()
            return (net(x) ** 2).mean() * optimizer.lr

        self.jitted = tg.jit(function)

    def __enter__(self):
        self.pool = ThreadPoolExecutor(2)
        self.first = self.pool.submit(self.jitted, BATCH)
        assert self.entered.wait(SECONDS)
        return self

    def __exit__(self, *error):
        self.go.set()
        self.pool.shutdown()


def test_a_net_that_another_thread_records_gives_right_results_or_says_so():
    expected = small_net()(BATCH)
    with Recorded() as recorded:
        try:
            result = recorded.net(BATCH)
        except tg.JitError as error:
            assert "in another" in str(error)  # noqa: PT017
        else:
            assert equal(result, expected)
        assert sys.getprofile() is None  # this thread is not watched
    assert equal(recorded.first.result(SECONDS), (expected**2).mean() * 0.1)
    assert is_real(recorded.net)
    assert equal(recorded.net(BATCH), expected)


def test_a_call_in_another_thread_waits_for_the_recording():
    with Recorded() as recorded:
        second = recorded.pool.submit(recorded.jitted, BATCH * 2)
        recorded.go.set()
    expected = [(recorded.net(x) ** 2).mean() * 0.1 for x in (BATCH, BATCH * 2)]
    assert equal([recorded.first.result(SECONDS), second.result(SECONDS)], expected)
    assert len(recorded.jitted.programs) == 1


def test_a_compiled_function_of_the_same_net_is_right_while_another_is_recorded():
    recorded = Recorded()
    net = recorded.net
    other = tg.jit(lambda x: net(x) * 3)
    expected = other(BATCH)
    with recorded:
        second = recorded.pool.submit(other, BATCH)
        recorded.go.set()
        assert equal(second.result(SECONDS), expected)
    assert is_real(recorded.net)


def test_a_recording_that_fails_in_one_thread_lets_the_others_go_on():
    turn = threading.Barrier(2)

    def fails(x):
        raise RuntimeError

    failing, working = tg.jit(fails), tg.jit(lambda x: x * 2)

    def of_failing():
        turn.wait()
        for _ in range(20):
            with pytest.raises(RuntimeError):
                failing(X)

    def of_working():
        turn.wait()
        return [working(X * i) for i in range(20)]

    _, results = in_threads(of_failing, of_working)
    assert all(np.array_equal(y, X * i * 2) for i, y in enumerate(results))


HEAD = """
import threading
import numpy as np
import tinygrad_lite as tg
X = np.array([0.5, 1.0, 2.0])
inner = tg.jit(lambda x: x * 2)
"""
STARTING = {
    "a thread that calls a jitted function": """
def f(x):
    results = []
    thread = threading.Thread(target=lambda: results.append(inner(np.ones(3))))
    thread.start()
    thread.join()
    return x * results[0]
""",
    "a thread that computes with tracers": """
def f(x):
    results = []
    thread = threading.Thread(target=lambda: results.append(inner(x)))
    thread.start()
    thread.join()
    return results[0] + x
""",
    "a pool": """
from concurrent.futures import ThreadPoolExecutor
def f(x):
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(inner, [x, x]))
""",
}


@pytest.mark.parametrize("name", STARTING)
def test_threads_that_are_started_while_recording_are_right_or_refused_and_never_waited_for_in_vain(name):
    code = (
        HEAD
        + STARTING[name]
        + """
threading.excepthook = lambda args: None
plain = f(X)
try:
    results = [tg.jit(f)(X), tg.jit(f)(X)]
except (tg.JitError, IndexError) as error:
    print("refused")
else:
    print(all(np.array_equal(result, plain) for result in results))
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, timeout=SECONDS, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in ("True", "refused")


def test_a_thread_that_a_recording_waits_for_does_not_wait_for_the_recording(monkeypatch):
    monkeypatch.setattr(sys.modules["tinygrad_lite.compiler.compiled"], "PATIENCE", 0.01)
    double = tg.jit(lambda x: x * 2)
    asked, answers = queue.SimpleQueue(), queue.SimpleQueue()
    worker = threading.Thread(target=lambda: [answers.put(double(asked.get())) for _ in range(2)])
    worker.start()

    ask, answer = unseen(lambda: asked.put(np.ones(3))), unseen(lambda: answers.get(timeout=SECONDS))

    def f(x):
        ask()
        return answer() + x

    assert np.array_equal(f(X), X + 2)
    double.programs.clear()
    assert np.array_equal(tg.jit(f)(X), X + 2)
    worker.join(SECONDS)


def test_what_two_threads_add_to_a_gradient_by_a_jitted_function_is_all_there():
    w = tg.Tensor(np.zeros(3), requires_grad=True)
    jitted = tg.jit(lambda x: (w * x).sum().backward())
    jitted(X)
    jitted(X)
    (compiled, _) = jitted.programs
    run, threads = compiled._idle[0], threading.Semaphore(0)

    def slow(*inputs):
        threads.release()
        threads.acquire(timeout=0.1) and threads.acquire(timeout=0.1)  # of the other thread, if it comes in between
        return run(*inputs)

    compiled._idle[:] = [slow, slow]
    in_threads(lambda: jitted(X), lambda: jitted(X))
    assert np.array_equal(w.grad.data, 4 * X)


# Signal handlers, which run in the midst of what they interrupt.

has_signals = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no signal that a program may use for itself")


@pytest.fixture
def on_signal():
    """Return a function that sets the handler of a signal, which `signal.raise_signal` raises."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, lambda number, frame: handler())
    signal.signal(signal.SIGUSR1, before)


def once(handle):
    """Return a handler that ignores the signals to come."""

    def handler():
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        handle()

    return handler


@has_signals
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_signal_handler_calls_the_function_at_every_line_of_its_program(on_signal, dtype):
    w = tg.Tensor(np.arange(6, dtype=dtype).reshape(3, 2), requires_grad=True)
    slope = tg.jit(tg.grad(lambda x: np.tanh(np.sin(x) @ w.data).sum()))
    one, other = BATCH.astype(dtype), BATCH[::-1].astype(dtype) * 2
    expected = slope(one), slope(other)
    found = []
    on_signal(lambda: found.append(slope(other)))

    def interrupt(frame, event, arg):
        if frame.f_code.co_filename.startswith("<jit"):
            if event == "line":
                signal.raise_signal(signal.SIGUSR1)
            return interrupt
        return None

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        result = slope(one)
    finally:
        sys.settrace(before)
    assert len(found) > 5
    assert equal([result, *found], [expected[0], *[expected[1]] * len(found)])
    assert len(slope.programs) == 1


@has_signals
def test_a_signal_handler_that_uses_a_model_while_it_is_recorded_is_refused_and_one_that_does_not_is_right(on_signal):
    net, found = small_net(), []
    double = tg.jit(lambda x: x * 2)

    def f(x):
        signal.raise_signal(signal.SIGUSR1)
        return net(x) * 2

    expected = net(BATCH) * 2
    jitted = tg.jit(f)
    on_signal(once(lambda: found.append(jitted(BATCH))))
    with pytest.raises(tg.JitError, match="in a signal handler"):
        jitted(BATCH)
    assert is_real(net)
    on_signal(once(lambda: found.append((double(X), time.time(), double(X)))))
    assert equal([jitted(BATCH), jitted(BATCH)], [expected] * 2)
    assert np.array_equal(found[-1][0], X * 2)
    assert np.array_equal(found[-1][2], X * 2)
    assert len(found) == 1


@has_signals
def test_a_recording_leaves_signal_handlers_as_they_were(on_signal):
    on_signal(lambda: None)
    handler = signal.getsignal(signal.SIGUSR1)
    tg.jit(lambda x: x * 2)(X)
    assert signal.getsignal(signal.SIGUSR1) is handler

    def f(x):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return x * 2

    tg.jit(f)(X)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN


# Forked children, where the other threads are not.

FORKING = {
    "a thread that records a function of the same net": """
namespace = {"__name__": "threading", "entered": entered, "go": go}  # a library's, into which jit does not look
exec("def wait():\\n    entered.set()\\n    go.wait()", namespace)
wait = namespace["wait"]
def f(x):
    wait()
    return net(x) * 2
jitted = tg.jit(f)
""",
    "a thread that adds to a gradient": """
w = tg.Tensor(np.zeros(3), requires_grad=True)
def jitted(x):
    w.sum().backward()
    y = net(x) * 2
    with changing:
        entered.set()
        go.wait()
    return y
""",
    "a thread that runs the program": """
jitted = tg.jit(lambda x: net(x) * 2)
wait_in_program()
""",
    "a thread that runs a program which changes the net": """
def f(x):
    y = net(x) * 2
    calls[...] += 1
    return y
calls = np.zeros(())
jitted = tg.jit(f)
wait_in_program()
""",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("name", FORKING)
def test_a_forked_child_computes_what_another_thread_was_about_to(name):
    code = f"""
import gc, os, threading, warnings
import numpy as np
import tinygrad_lite as tg
from tinygrad_lite.support.locks import changing
warnings.simplefilter("ignore")
X = np.ones((2, 3), np.float32)
net = tg.nn.Sequential(tg.nn.Linear(3, 4, rng=1), tg.nn.Tanh())
expected = net(X).data * 2
entered, go = threading.Event(), threading.Event()
def wait_in_program():
    jitted(X)
    run = jitted.programs[0]._idle[0]
    jitted.programs[0]._idle[:] = [lambda *inputs: (entered.set(), go.wait(), run(*inputs))[-1]]
{FORKING[name]}
thread = threading.Thread(target=jitted, args=(X,))
thread.start()
entered.wait()
child = os.fork()
if not child:
    go.set()
    results = [(net(X) * 2).data, jitted(X).data]
    real = all(type(p) is tg.Tensor and type(p.data) is np.ndarray for p in net.parameters())
    right = all(np.allclose(y, expected) for y in results)
    os._exit(0 if right and real and gc.isenabled() else 1)
status = os.waitpid(child, 0)[1]
go.set()
thread.join()
print(status, np.allclose(jitted(X).data, expected))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, timeout=SECONDS, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["0", "True"], "")


def test_a_function_is_recorded_while_cprofile_watches_and_goes_on():
    step = tg.jit(lambda x: x * 2)
    profile = cProfile.Profile()
    with profile:
        first, second = step(np.array([1.0])), step(np.array([3.0]))
        np.linspace(0, 1)
    assert (first.item(), second.item()) == (2.0, 6.0)
    assert any(name == "linspace" for _, _, name in pstats.Stats(profile).stats)


def test_a_block_that_is_made_outside_and_a_decorated_function_are_jitted():
    block, w = tg.no_grad(), tg.Tensor([1.0, 2.0], requires_grad=True)

    def step(x):
        w.grad = None
        (w * x).sum().backward()
        with block:
            w.data -= 0.5 * w.grad
        return decorated(x)

    @tg.no_grad()
    def decorated(x):
        return w * x

    jitted = tg.jit(step)
    for _ in range(3):
        y = jitted(np.ones(2, np.float32))
        assert not y.requires_grad
    assert w.tolist() == y.tolist() == [-0.5, 0.5]
    assert len(jitted.programs) == 1
