"""Random trainings, with changes in place and views: eagerly, jitted, and by a reference in plain NumPy."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np

import tinygrad_lite as tg
from tests.fuzz.checks import IN_WORDS, ROUNDING, Difference, attempt, compare
from tinygrad_lite.arrays import raw

OPTIMIZERS = (
    "SGD([p, q], lr=0.1)",
    "SGD([p, q], lr=0.05, momentum=0.9)",
    "SGD([q, p], lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1)",
    "Adam([p, q], lr=0.02)",
    "Adam([p], lr=0.02, weight_decay=0.1)",
)
FORWARDS = (
    "((x @ p + q) ** 2).mean()",
    "np.tanh(x @ p * b).sum() * q.mean()",
    "(F.softmax(x @ p, -1) * q).sum()",
    "np.exp(-q * q).sum() + (p[0] * b).sum()",
    "np.maximum(x @ p, 0.1).mean() + (p.T @ p).sum() * 0.1",
    "(q * 3.0).sum()",
    "F.cross_entropy(x @ p + b, np.array([0, 1, 1, 0]))",
    "np.concatenate([q, p[1] * 2.0]).var() + F.linear(x, p, q).sum() * 0.1",
)
# Each is a line, or several, of a step; a gradient may be None.
LINES = (
    *["loss = forward0(p, q, b, x)\nloss.backward()"] * 4,
    *["loss = forward1(p, q, b, x)\nloss.backward()"] * 2,
    *["optimizer.step()"] * 5,
    *["optimizer.zero_grad()"] * 4,
    "loss = forward1(p, q, b, x)",
    "loss.backward()",
    "p.grad = None",
    "if p.grad is not None:\n    p.data -= s * p.grad.data",
    "if q.grad is not None:\n    q.data = q.data - s * q.grad.data",
    "with tg.no_grad():\n    if q.grad is not None:\n        q -= s * q.grad",
    "with tg.no_grad():\n    for w in (p, q):\n        w *= 0.9",
    "with tg.no_grad():\n    p[0] = s",
    "with tg.no_grad():\n    p[:, 1] += s",
    "with tg.no_grad():\n    q **= 2",
    "with tg.no_grad():\n    turned = p.T\n    turned /= 1.1",
    "if p.grad is not None:\n    p.grad *= 0.5",
    "for w in (p, q):\n    if w.grad is not None:\n        w.grad = w.grad * 2.0",
    "p.data = p.data * 0.9",
    "p.data[1] = s",
    "shared = q.detach()\nshared += s",
    "b += s",
    "b[1:] = x[0, :1]",
    "view = b[::-1]\nview *= 1.5",
    "with tg.no_grad():\n    b += forward1(p, q, b, x)",
    "b -= q.detach() * 0.1",
)
BETWEEN = (
    "pass",
    "optimizer.lr = optimizer.lr * 0.5",
    "p.data = p.data * 0.5",
    "with tg.no_grad():\n    q *= 0.9",
    "p.data[...] = p.data[::-1] + 0.1",
    "b[0] = 2.0",
    "optimizer.zero_grad()",
    "loss = forward0(p, q, b, x)\nloss.backward()",
    "loss = forward0(p, q, b, x)\nloss.backward()\noptimizer.step()",
)
STATE = """p = tg.Tensor(np.array([[0.5, -0.3], [0.8, 0.2], [-0.6, 0.9]], '{dtype}'), requires_grad=True)
q = tg.Tensor(np.array([0.7, -0.4], '{dtype}'), requires_grad=True)
b = tg.Tensor(np.array([1.2, 0.6], '{dtype}'))
optimizer = tg.optim.{optimizer}
x = np.array([[0.3, -1.1, 0.6], [0.9, 0.4, -0.2], [-0.5, 1.3, 0.1], [1.0, -0.7, 0.8]], '{dtype}')"""


@dataclass(frozen=True)
class Training:
    """A state, a step that changes it, and what happens between the calls of the step."""

    optimizer: str
    forwards: tuple[str, str]
    lines: tuple[str, ...]
    between: tuple[str, ...]
    result: str
    dtype: str

    def state(self, dtype=None):
        """Return the text that makes the state, in another type if one is given."""
        return STATE.format(dtype=dtype or self.dtype, optimizer=self.optimizer)

    def functions(self):
        """Return the text of the step and of the losses in it."""
        forwards = [f"def forward{i}(p, q, b, x):\n    return {text}\n" for i, text in enumerate(self.forwards)]
        body = "\n".join([*self.lines, f"return {self.result}"])
        names = "\n".join(["global p, q, b", body])
        return "\n\n".join([*forwards, "def step(x, s):\n    " + names.replace("\n", "\n    ")]) + "\n"

    def source(self):
        """Return the training as a script that shows what becomes of the parameters, eagerly and jitted."""
        calls = []
        for i, change in enumerate(self.between):
            calls += [change, f"print(call(x + {i}, {0.1 * (i + 1):.1f}), p, q, b, p.grad, q.grad)"]
        return "\n".join(
            [
                "import numpy as np\n\nimport tinygrad_lite as tg\n\nF = tg.nn.functional\n\n",
                self.functions(),
                "\nfor mode in (lambda f: f, tg.jit):",
                *(f"    {line}" for line in "\n".join([self.state(), "call = mode(step)", *calls]).splitlines()),
            ]
        )

    def shorter(self):
        """Yield the trainings that lack one line, or one change between calls."""
        for i in range(len(self.lines)):
            yield replace(self, lines=self.lines[:i] + self.lines[i + 1 :])
        for i in range(len(self.between)):
            if len(self.between) > 1:
                yield replace(self, between=self.between[:i] + self.between[i + 1 :])
            if self.between[i] != "pass":
                yield replace(self, between=(*self.between[:i], "pass", *self.between[i + 1 :]))


def generate(seed):
    """Return the training that belongs to a seed."""
    rng = np.random.default_rng(seed)

    def some(options, count):
        return tuple(str(options[i]) for i in rng.integers(len(options), size=count))

    lines = some(LINES, rng.integers(2, 9))
    return Training(
        optimizer=some(OPTIMIZERS, 1)[0],
        forwards=some(FORWARDS, 2),
        lines=("loss = forward0(p, q, b, x)", *lines),
        between=("pass", *some(BETWEEN, 3)),
        result=some(("loss", "loss, b * 1.0", "p.grad", "loss, p * 2.0, q.grad"), 1)[0],
        dtype=some(("float32", "float64"), 1)[0],
    )


def check(training):
    """Raise a `Difference` unless a training goes the same way eagerly, jitted, and in plain NumPy."""
    modes = [_Mode(training, tg, jit) for jit in (False, True)]
    modes += [_Mode(training, REFERENCE, False, dtype) for dtype in ("float32", "float64")]
    for number, change in enumerate(training.between):
        errors = [mode.advance(change, number) for mode in modes]
        eager, compiled, *references = errors
        if isinstance(eager, Exception) and isinstance(compiled, Exception):
            if not isinstance(eager, (*IN_WORDS, AttributeError, NameError)) or isinstance(references[0], type(eager)):
                raise Difference("error in training", f"{eager!r}")
            return
        if isinstance(compiled, tg.JitError):
            return
        if isinstance(eager, Exception) or isinstance(compiled, Exception):
            raise Difference("jit refuses a step", f"in call {number}, eagerly {eager!r}, jitted {compiled!r}")
        if any(references):
            raise Difference("not refused in training", f"in call {number}: {references}")
        _agree(training, number, *(mode.found() for mode in modes))
        if any(mode.space[name].grad is None for mode in modes[:2] for name in "pq"):
            for mode in modes:  # a gradient that was used up
                mode.forget()


def _agree(training, number, eager, compiled, single, double):
    body = "\n".join(training.lines)
    updates = [match.start() for match in re.finditer(r"step\(\)|grad\.data|\* q\.grad", body)]
    forgets = "zero_grad" in body or ".grad = None" in body
    unit = ROUNDING[np.dtype(training.dtype)]
    judged = {"training jitted": [], "training": []}
    for name, x in eager.items():
        where = f"{name} after call {number}"
        for kind, y in (("training jitted", compiled[name]), ("training", double.get(name, x))):
            if x is None or y is None:
                used_up = forgets and max(updates, default=-1) > _last_backward(training, body, name[0])
                if not (x is y or (used_up and "jit" in kind and y is None and name.endswith("grad"))):
                    raise Difference(kind, f"{where}: eagerly {x!r}, else {y!r}")
                continue
            if x.shape != y.shape or (kind != "training" and x.dtype != y.dtype):
                raise Difference(kind, f"{where}: eagerly {x.dtype} {x.shape}, else {y.dtype} {y.shape}")
            values = x, y, single.get(name, x), double.get(name, x)
            if values[2] is not None:
                floating = x.dtype.kind == "f"
                judged[kind].append((name, values)) if floating else compare(*values, unit, kind, f"{where}, {kind}")
    for kind, values in judged.items():
        # All at once: a loss in which large terms cancel is judged by the parameters that it was computed from.
        names, values = zip(*values, strict=True)
        together = [np.concatenate([np.ravel(x) for x in column]) for column in zip(*values, strict=True)]
        compare(*together, unit, kind, f"{', '.join(names)} after call {number}, eagerly and in {kind}")


def _last_backward(training, body, parameter):
    """Return where a step computes the last gradient of a parameter: by the loss that is there, if it depends on it."""
    last, forward = -1, ""
    for match in re.finditer(r"loss = forward(\d)|backward\(\)", body):
        forward = training.forwards[int(match[1])] if match[1] else forward
        if match[1] is None and re.search(rf"\b{parameter}\b", forward):
            last = match.start()
    return last


class _Mode:
    """A training under way in one mode."""

    def __init__(self, training, library, jit, dtype=None):
        self.space = {"np": np, "tg": library, "F": tg.nn.functional}
        exec(training.state(dtype), self.space)
        exec(training.functions(), self.space)
        if library is not tg:
            for i, text in enumerate(training.forwards):
                self.space[f"forward{i}"] = partial(_Loss, self.space[f"forward{i}"], text)
        self.step = tg.jit(self.space["step"]) if jit else self.space["step"]
        self.result = None

    def advance(self, change, number):
        """Make a change, then call the step; return the error if there is one."""
        error = attempt(exec, (change, self.space))
        if error is None:
            self.result = attempt(self.step, (self.space["x"] + number, 0.1 * (number + 1)))
        return error or (self.result if isinstance(self.result, Exception) else None)

    def found(self):
        """Return all that the step has left behind."""
        results = self.result if isinstance(self.result, tuple) else (self.result,)
        found = {f"result {i}": x for i, x in enumerate(results)} | {name: self.space[name] for name in "pqb"}
        found |= {f"{name}.grad": self.space[name].grad for name in "pq"}
        if isinstance(self.space["optimizer"], tg.optim.Optimizer):
            found |= {f"optimizer's {name}": x for name, x in self.space["optimizer"].state_dict().items()}
        return {name: None if x is None else np.array(_array(x)) for name, x in found.items()}

    def forget(self):
        for name in "pq":
            self.space[name].grad = None


def _array(x):
    """Return the array in a Tensor or in what stands for one, and anything else as it is."""
    return x.data if isinstance(x, Plain) else raw(x)


class Plain(np.lib.mixins.NDArrayOperatorsMixin):
    """What stands for a Tensor in the reference: an array in ``data``, and a ``grad``."""

    def __init__(self, data, requires_grad=False):
        self.data, self.grad = data, None

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        arrays = [x.data if isinstance(x, Plain) else x for x in inputs]
        if out is None:
            return Plain(getattr(ufunc, method)(*arrays, **kwargs))
        getattr(ufunc, method)(*arrays, out=out[0].data, casting="same_kind", **kwargs)
        return out[0]

    def __getitem__(self, index):
        return Plain(self.data[index])

    def __setitem__(self, index, value):
        self.data[index] = value.data if isinstance(value, Plain) else value

    def detach(self):
        return Plain(self.data)

    @property
    def T(self):
        return Plain(self.data.T)


class _Loss(Plain):
    """A loss that remembers the values it was computed from: its derivative is that at these."""

    def __init__(self, forward, text, p, q, b, x):
        self.values = [np.array(_array(w)) for w in (p, q, b, x)]
        super().__init__(np.asarray(forward(*self.values)))
        self.forward = forward
        self.weights = {i: w for i, (name, w) in enumerate((("p", p), ("q", q))) if re.search(rf"\b{name}\b", text)}

    def backward(self):
        gradients = tg.grad(self.forward, tuple(self.weights))(*self.values)
        for w, g in zip(self.weights.values(), gradients, strict=True):
            w.grad = Plain(g.numpy().copy() if w.grad is None else w.grad.data + g.numpy())


class _Optimizer:
    """The formulas of SGD and Adam, as PyTorch's documentation has them."""

    def __init__(self, params, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
        self.params, self.lr, self.momentum, self.nesterov, self.decay = params, lr, momentum, nesterov, weight_decay
        self.means, self.squares, self.steps = {}, {}, {}

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        for i, p in enumerate(self.params):
            if p.grad is not None:
                p.data -= self.lr * self.direction(i, p.grad.data + self.decay * p.data)


class _SGD(_Optimizer):
    def direction(self, i, g):
        self.means[i] = self.momentum * self.means.get(i, 0.0) + g
        return g + self.momentum * self.means[i] if self.nesterov else self.means[i]


class _Adam(_Optimizer):
    def direction(self, i, g):
        self.steps[i] = t = self.steps.get(i, 0) + 1
        self.means[i] = 0.9 * self.means.get(i, 0.0) + 0.1 * g
        self.squares[i] = 0.999 * self.squares.get(i, 0.0) + 0.001 * g * g
        return self.means[i] / (1 - 0.9**t) / (np.sqrt(self.squares[i] / (1 - 0.999**t)) + 1e-8)


REFERENCE = SimpleNamespace(Tensor=Plain, optim=SimpleNamespace(SGD=_SGD, Adam=_Adam), no_grad=nullcontext)
