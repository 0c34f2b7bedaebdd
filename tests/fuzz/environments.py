"""Random functions that read what surrounds them: arguments of all kinds, objects, dictionaries, globals, closures.

What they read changes between the calls, and so do the arguments: one array may be given twice, a Tensor in place of an
array, a number of another type. A program must notice each change that its function depends on.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

import tinygrad_lite as tg
from tests.fuzz.checks import OF_NUMBERS, Difference, attempt
from tinygrad_lite.arrays import raw

STATE = """class Thing:
    scale = 0.5

    def __init__(self, factor):
        self.factor, self.mode = factor, "plain"
        self.weights = np.array([0.5, -1.5, 2.0])
        self.parts, self.helper = {"inner": np.array([1.0, 2.0, 3.0])}, None

    def times(self, v):
        return v * self.factor

    def weighted(self, v):
        return v * self.weights + self.scale

    def __call__(self, v):
        return self.times(v) - self.parts["inner"]

    @property
    def shift(self):
        return self.factor + 1.0

    @classmethod
    def scaled(cls, v):
        return v * cls.scale

    @staticmethod
    def doubled(v):
        return v + v


class Other(Thing):
    scale = 0.25

    def times(self, v):
        return v + self.factor


def plain(v):
    return v * 1.5


def shifted(v, by=0.5):
    return v + by


def made(k, box):
    def inner(v):
        return v * k + box[0]

    def change(new):
        nonlocal k
        k = new

    return inner, change


thing, other = Thing(1.5), Other(0.75)
thing.helper = other.helper = Thing(1.25)
table = {"a": 0.5, "b": np.array([1.0, 0.5, 2.0]), "mode": "add", "thing": thing}
items = [0.25, np.array([3.0, 1.0, -1.0])]
rate, flag, choice = 0.75, True, "tanh"
registry = {"tanh": np.tanh, "sin": plain, np.ndarray: 0.5, tg.Tensor: 2.0}
pair, kinds, part = (1.5, np.array([0.5, 2.0, 1.0])), {"a"}, functools.partial(shifted, by=0.25)
parameter = tg.Tensor(np.array([0.3, -0.6, 0.9]), requires_grad=True)
bound, function, box = thing.times, plain, [2.0]
inner, change = made(3.0, box)"""
# Each is a line, or several; `v` is the value so far.
LINES = (
    "v = thing.times(v)",
    "v = thing.weighted(v)",
    "v = thing(v)",
    "v = thing.scaled(v) + thing.doubled(v)",
    "v = v * thing.shift",
    "v = v * thing.parts['inner']",
    "v = other.times(v) * other.scale",
    "v = bound(v)",
    "v = function(v)",
    "v = shifted(v)",
    "v = inner(v)",
    "v = table['thing'].times(v)",
    "v = v * table['a']",
    "v = v + table.get('c', 1.0)",
    "if 'b' in table:\n    v = v + table['b']",
    "for key in sorted(table):\n    if key in ('a', 'b'):\n        v = v * table[key]",
    "for item in items:\n    v = v + item",
    "if len(items) > 2:\n    v = v * 0.5",
    "v = v * items[-1]",
    "v = v * rate",
    "v = v * (rate or 1.0)",
    "if rate > 1:\n    v = v + 1.5",
    "v = (lambda u: u * rate)(v)",
    "v = v + sum(each.factor for each in (thing, other))",
    "v = thing.helper.times(v)",
    "v = v * thing.helper.factor + thing.helper.weights",
    "v = registry[choice](v)",
    "v = v * registry.get(type(x), 1.0)",
    "v = v * pair[0] + pair[1]",
    "w, u = pair\nv = v * u",
    "if 'a' in kinds:\n    v = v + 0.0625",
    "v = part(v)",
    "if part.keywords.get('by'):\n    v = v * 2.0",
    "for key, w in table.items():\n    if isinstance(w, float):\n        v = (v + 1.0) * w",
    "try:\n    v = v * table['c']\nexcept KeyError:\n    v = v + 1.0",
    "a, b = (x, y) if flag else (y, x)\nv = v * a - b",
    "for w in [part * 2.0 for part in items]:\n    v = v + w",
    "if 'extra' in vars(thing):\n    v = v - thing.extra",
    "if x.dtype == np.float32:\n    v = v * 1.75",
    "if len(x) > 2 and x.ndim == 1:\n    v = v + 0.375",
    "v = v[::-1] if flag else v",
    "if isinstance(t, (list, tuple)):\n    for w in t:\n        v = v + w",
    "if isinstance(t, list) and t[0] is t[-1]:\n    v = v * 6.0",
    "if isinstance(t, list) and isinstance(t[0], np.ndarray):\n    t[0] += 1.0\n    v = v * t[1]",
    "if t is x and isinstance(t, np.ndarray):\n    v = v + 5.0",
    "if t is y and y is not x and isinstance(t, np.ndarray):\n    v = v + 6.0",
    "if thing.helper is other.helper:\n    v = v * 0.3",
    "if thing.weights is items[-1]:\n    v = v * 0.6",
    "if thing.times == bound:\n    v = v * 0.7",
    "v = v * thing.factor if thing.factor else v",
    "v = getattr(thing, 'missing', other).times(v) if hasattr(other, 'times') else v",
    "if issubclass(type(thing), Other):\n    v = v + 11.0",
    "v = type(thing).doubled(v)",
    "v = super(Other, other).times(v)",
    "v = Thing.times(other, v)",
    "v = v + thing.weights[0]",
    "if thing:\n    v = v * 0.8",
    "if flag:\n    v = v * 2.0",
    "if not flag:\n    v = v - 1.0",
    "v = getattr(np, choice)(v)",
    "if choice == 'tanh':\n    v = v + 0.5",
    "if thing.mode == 'plain':\n    v = v * 0.5",
    "if table['mode'] == 'add':\n    v = v + y",
    "if hasattr(thing, 'extra'):\n    v = v * thing.extra",
    "if thing is other:\n    v = v + 2.0",
    "if thing is table['thing']:\n    v = v * 3.0",
    "if isinstance(thing, Other):\n    v = v * 0.25",
    "if type(thing) is Thing:\n    v = v + 0.125",
    "if callable(function):\n    v = v + 0.75",
    "if function is plain:\n    v = v - 0.75",
    "if x is y:\n    v = v * 1.25",
    "if x is y and isinstance(t, float):\n    v = v * 1.25",
    "if isinstance(x, tg.Tensor):\n    v = v + 1.0",
    "if isinstance(x, np.ndarray):\n    v = v - 2.0",
    "if type(x) is type(y):\n    v = v * 3.0",
    "if type(x) is np.ndarray:\n    v = v * 0.2",
    "if isinstance(y, (int, float)):\n    v = v + y",
    "if isinstance(t, float):\n    v = v * t",
    "if isinstance(t, int):\n    v = v + t",
    "if isinstance(t, bool):\n    v = v * 4.0",
    "if type(t) is float:\n    v = v / 2.0",
    "if type(t) in (int, np.float64):\n    v = v / 4.0",
    "if isinstance(t, str):\n    v = v + len(t)",
    "if t is None:\n    v = v * 5.0",
    "if isinstance(t, tuple):\n    v = v * t[0]",
    "if isinstance(t, dict):\n    v = v * t['a']",
    "if isinstance(t, Thing):\n    v = t.times(v)",
    "v = v + y",
    "v = v * x + y",
    "v = v + x * y",
    "v = np.maximum(v, 0.1)",
    "if isinstance(x, np.ndarray):\n    x += 1.0\n    v = v + y",
    "if isinstance(y, np.ndarray):\n    y *= 2.0\n    v = v * x",
    "if isinstance(x, np.ndarray):\n    x[0] = 7.0",
    "v = v * parameter",
    "parameter.data -= 0.1 * raw(v)",
    "thing.weights += 0.5",
    "table['b'] *= 0.5",
    "v = v * parameter.data.sum()",
    "if parameter.requires_grad:\n    v = v + 0.25",
    "if parameter.grad is None:\n    v = v * 0.75",
)
CHANGES = (
    "pass",
    "pass",
    "thing.factor = 2.5",
    "thing.factor = 3",
    "thing.factor = np.array([1.0, 2.0, 3.0])",
    "other.factor = 4.0",
    "thing, other = other, thing",
    "thing = Thing(2.0)",
    "thing = other",
    "thing.mode = 'other'",
    "thing.extra = 2.0",
    "thing.times = lambda v: v * 9.0",
    "Thing.times = lambda self, v: v - self.factor",
    "Thing.scale = 0.75",
    "thing.scale = 1.25",
    "thing.__class__ = Other",
    "Thing.doubled = staticmethod(lambda v: v * 3.0)",
    "thing.weights = np.array([1.0, 2.0, 3.0])",
    "thing.weights = thing.weights.astype('float32')",
    "thing.weights[0] = 5.0",
    "thing.weights = items[1]",
    "thing.parts['inner'] = np.array([4.0, 5.0, 6.0])",
    "thing.parts = {'inner': table['b']}",
    "table['a'] = 1.75",
    "table['a'] = np.float32(1.5)",
    "table['b'] = np.array([0.1, 0.2, 0.3])",
    "table['b'][1] = 8.0",
    "table.pop('b', None)",
    "table['c'] = 0.3",
    "table['mode'] = 'none'",
    "table['thing'] = other",
    "table = dict(table, a=0.2)",
    "items.append(1.5)",
    "items[0] = 2.25",
    "items[1] = items[1] * 2.0",
    "items = items[:1]",
    "rate = 1.25",
    "rate = 2",
    "rate = np.array([1.0, -1.0, 0.5])",
    "rate = tg.Tensor([1.0, 2.0, 0.5])",
    "rate = -0.0",
    "rate = float('nan')",
    "rate = np.array(1.5)",
    "rate = True",
    "rate = rate * 1",
    "pair = (2.0, pair[1] * 2.0)",
    "pair = (pair[0], thing.weights)",
    "pair[1][0] = 9.0",
    "kinds.discard('a')",
    "part = functools.partial(shifted)",
    "part = functools.partial(thing.times)",
    "part.keywords['by'] = 5.0",
    "registry['tanh'] = np.sin",
    "registry[np.ndarray] = np.array([1.0, 5.0, 2.0])",
    "thing.helper = other",
    "thing.helper.factor = 7.0",
    "thing.helper.weights = thing.weights",
    "thing.__dict__['factor'] = 8.0",
    "vars(thing).pop('extra', None)",
    "del Other.scale",
    "Other.times = Thing.times",
    "Thing.shift = property(lambda self: self.factor * 3.0)",
    "Thing.__call__ = lambda self, v: v * 13.0",
    "Thing.__bool__ = lambda self: False",
    "Thing.missing = thing",
    "thing.weights = thing.weights[::-1]",
    "thing.parts['inner'] = thing.weights",
    "table['b'] = thing.weights",
    "items[-1] = table['b']",
    "items[-1] = thing.weights",
    "items.insert(0, 9.0)",
    "items.reverse()",
    "table = dict(reversed(table.items()))",
    "flag = not flag",
    "flag = 0",
    "choice = 'sin'",
    "bound = other.times",
    "bound = thing.weighted",
    "bound = Thing.doubled",
    "function = shifted",
    "function = thing.times",
    "function = inner",
    "shifted.__defaults__ = (2.0,)",
    "plain.__code__ = (lambda v: v * 2.5).__code__",
    "box[0] = 1.0",
    "box[0] = np.array([1.0, 0.0, 2.0])",
    "change(4.0)",
    "change(np.array([1.0, 2.0, 4.0]))",
    "parameter.data = parameter.data * 2.0",
    "parameter.data[0] = 4.0",
    "parameter.requires_grad = not parameter.requires_grad",
    "parameter.grad = None if parameter.grad is not None else np.ones(3)",
    "parameter = tg.Tensor([1.0, 2.0, 3.0])",
)
ARRAYS = (
    *["np.array([0.5, -1.0, 2.0])"] * 3,
    "np.array([1.5, 0.25, -0.75])",
    "np.array([0.5, -1.0, 2.0], 'float32')",
    "np.array([2, 3, 4])",
    "tg.Tensor([0.5, 1.0, -2.0])",
    "tg.Tensor([0.5, 1.0, -2.0], dtype='float64')",
    "np.arange(6.0)[::2]",
    "thing.weights",
    "table['b']",
    "parameter",
)
SECOND = (*["x"] * 5, "x[::-1]", "x[...]", "0.5", "2", *ARRAYS[2:])
THIRD = (
    *("0.5", "2.0", "0.0", "float('nan')", "3", "True", "np.float64(0.5)", "np.float32(2.0)", "None", "'word'"),
    *("(2.0, 1)", "{'a': 3.0}", "thing", "other", "x", "y", "[x, y]", "[x, x]", "[y, x, x]", "[x[::2], x]"),
)
RESULTS = "v", "v, x", "v * 1.0, y", "{'v': v, 'all': [v, v]}", "v, v", "x", "v, x, y", "[v, v[::-1]]"


@dataclass(frozen=True)
class Call:
    """What changes before a call, and the texts of its arguments."""

    change: str
    arguments: tuple[str, str, str]
    by_name: bool = False

    def text(self):
        return "x, y=y, t=t" if self.by_name else "x, y, t"


@dataclass(frozen=True)
class Environment:
    """The lines of a function, what it returns, how it is reached, and how it is called."""

    lines: tuple[str, ...]
    result: str
    is_method: bool
    calls: tuple[Call, ...]

    def function(self):
        """Return the text of the function."""
        body = "\n".join(["v = x * 1.0", *self.lines, f"return {self.result}"]).replace("\n", "\n    ")
        text = f"def f(x, y, t):\n    {body}\n"
        if self.is_method:
            text += "\nThing.step = lambda self, x, y, t: f(self.times(x), y, t)\nf_of_thing = Thing(1.75).step\n"
        return text

    def callee(self):
        return "f_of_thing" if self.is_method else "f"

    def source(self):
        """Return the functions as a script that shows what they give, eagerly and jitted."""
        imports = "import functools\n\nimport numpy as np\n\nimport tinygrad_lite as tg\n"
        lines = [imports, "from tinygrad_lite.arrays import raw\n\nfor mode in (lambda f: f, tg.jit):"]
        body = [STATE, self.function(), f"call = mode({self.callee()})"]
        for call in self.calls:
            body += [call.change, *_assignments(call.arguments), f"print(call({call.text()}))"]
        text = "\n".join(body)
        return "\n".join([*lines, *(f"    {line}".rstrip() for line in text.splitlines())])

    def shorter(self):
        """Yield the environments that lack one line, one call, or one change."""
        for i in range(len(self.lines)):
            yield replace(self, lines=self.lines[:i] + self.lines[i + 1 :])
        for i, call in enumerate(self.calls):
            if len(self.calls) > 1:
                yield replace(self, calls=self.calls[:i] + self.calls[i + 1 :])
            simpler = replace(call, change="pass")
            for k, text in enumerate(("np.array([0.5, -1.0, 2.0])", "np.array([1.5, 0.25, -0.75])", "None")):
                plainer = replace(call, arguments=(*call.arguments[:k], text, *call.arguments[k + 1 :]))
                for other in (simpler, plainer):
                    if other != call:
                        yield replace(self, calls=(*self.calls[:i], other, *self.calls[i + 1 :]))
        if self.is_method:
            yield replace(self, is_method=False)
        if self.result != "v":
            yield replace(self, result="v")


def _assignments(arguments):
    return [f"{name} = {text}" for name, text in zip("xyt", arguments, strict=True)]


def generate(seed):
    """Return the environment that belongs to a seed."""
    rng = np.random.default_rng(seed)

    def one_of(options):
        return str(options[rng.integers(len(options))])

    def call():
        first = one_of(ARRAYS)
        return Call(one_of(CHANGES), (first, one_of(SECOND), one_of(THIRD)), bool(rng.random() < 0.1))

    calls = [call() for _ in range(rng.integers(3, 7))]
    if rng.random() < 0.5:  # the same arguments, again and again, so that only the changes count
        calls = [replace(each, arguments=calls[0].arguments) for each in calls]
    return Environment(
        lines=tuple(one_of(LINES) for _ in range(rng.integers(1, 6))),
        result=one_of(RESULTS) if rng.random() < 0.4 else "v",
        is_method=bool(rng.random() < 0.15),
        calls=tuple(calls),
    )


def check(environment):
    """Raise a `Difference` unless the function gives the same, eagerly and jitted, at every call."""
    spaces = []
    for mode in (lambda f: f, tg.jit):
        space = {"np": np, "tg": tg, "functools": functools, "raw": raw, "__name__": "environment"}
        exec(f"{STATE}\n\n\n{environment.function()}", space)
        space["call"] = mode(space[environment.callee()])
        spaces.append(space)
    for number, call in enumerate(environment.calls):
        text = "\n".join([call.change, *_assignments(call.arguments)])
        for space in spaces:
            if isinstance(attempt(exec, (text, space)), Exception):
                return  # what changed before leaves nothing to change
        eager, compiled = (attempt(eval, (f"call({call.text()})", space)) for space in spaces)
        where = f"in call {number}, eagerly and jitted"
        if isinstance(compiled, tg.JitError) or isinstance(eager, OF_NUMBERS):
            return
        if isinstance(eager, Exception) or isinstance(compiled, Exception):
            if not (isinstance(eager, Exception) and isinstance(compiled, Exception)):
                raise Difference("jit refuses an environment", f"{where}: {eager!r} and {compiled!r}")
            return
        _expect_alike(eager, compiled, where, "result of")
        if _shared(eager, spaces[0]) != _shared(compiled, spaces[1]):
            raise Difference("memory of an environment", f"{where}: {_shared(eager, spaces[0])} share memory with x, y")
        for name in ("x", "y", "t", "pair", "thing", "other", "table", "items", "parameter"):
            _expect_alike(*(space[name] for space in spaces), f"{name} {where}", "state of")


def _shared(result, space):
    """Return which arrays of a result share memory with the arguments, and which with each other."""
    arrays = [raw(x) for x in (_parts(result)) if isinstance(raw(x), np.ndarray)]
    others = [raw(space[name]) for name in "xy" if isinstance(raw(space[name]), np.ndarray)]
    return [[np.shares_memory(x, other) for other in (*others, *arrays)] for x in arrays]


def _parts(x):
    if isinstance(x, (tuple, list, dict)):
        return [part for each in (x.values() if isinstance(x, dict) else x) for part in _parts(each)]
    return [x]


def _expect_alike(a, b, where, what):
    if type(a).__name__ != type(b).__name__:
        raise Difference(f"{what} an environment", f"{where}: {a!r} and {b!r}")
    if isinstance(a, dict):
        a, b = [*a.items()], [*b.items()]
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            raise Difference(f"{what} an environment", f"{where}: {a!r} and {b!r}")
        for x, y in zip(a, b, strict=True):
            _expect_alike(x, y, where, what)
    elif isinstance(raw(a), (np.ndarray, np.generic, float, int)):
        x, y = np.asarray(raw(a)), np.asarray(raw(b))
        tolerance = {"rtol": 1e-3 if x.dtype == np.float16 else 1e-5 if x.dtype == np.float32 else 1e-11, "atol": 1e-6}
        if (x.shape, x.dtype) != (y.shape, y.dtype) or not np.allclose(x, y, **tolerance, equal_nan=True):
            raise Difference(f"{what} an environment", f"{where}: {a!r} and {b!r}")
    elif hasattr(a, "weights"):
        _expect_alike((a.weights, a.factor, a.parts), (b.weights, b.factor, b.parts), where, what)
