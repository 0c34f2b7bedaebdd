"""A random program: text that can be run on Tensors, on plain arrays or by another library, printed, and shortened."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, replace

import numpy as np

import tinygrad_lite as tg
from tests.fuzz import grammar
from tinygrad_lite.arrays import raw

NAMES = {"np": np, "tg": tg, "copy": copy, "F": tg.nn.functional, "rule": tg.rules.get, "inf": np.inf, "nan": np.nan}
NAME = re.compile(r"\b[xv]\d+\b")
CHANGE = re.compile(r" (\*\*|//|[-+*/@%])?= ")


ROUNDED = float(np.finfo(np.float32).eps) / 2


@dataclass(frozen=True)
class Input:
    """An argument: its text for each of two calls, and whether a Tensor is made of it.

    The text may name arguments before it, whose memory it shares then.
    """

    texts: tuple[str, str]
    is_tensor: bool


@dataclass(frozen=True)
class Step:
    """A line: the text for Tensors, that for plain arrays, and the name of the result; None for a change in place."""

    text: str
    plain: str
    target: str | None

    def line(self, plain=False):
        text = self.plain if plain else self.text
        return text if self.target is None else f"{self.target} = {text}"

    def names(self):
        """Return the names of the values in the text."""
        return NAME.findall(self.text)

    def mentions(self, name):
        return name in NAME.findall(self.line())


@dataclass(frozen=True)
class Program:
    """Arguments, steps and the names of what is returned."""

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    returned: tuple[str, ...]

    def function(self, names=NAMES, plain=False):
        """Return the program as a function of its arguments."""
        space = dict(names)
        exec(self.definition(plain), space)
        return space["f"]

    def shares(self):
        """Return whether an argument shares its memory with another."""
        return any(NAME.search(x.texts[0]) for x in self.inputs)

    def shaken(self, seed):
        """Return the program as a function each of whose steps rounds as float32 may, up or down.

        What comes out differs by what rounding may do to it. Views stay views, so that changes in place reach them.
        """
        rng = np.random.default_rng(seed)

        def shaken(x, *operands):
            y = raw(x)
            if not isinstance(y, np.floating) and (np.asarray(y).dtype.kind != "f" or y.base is not None):
                return x
            return x if any(x is operand for operand in operands) else x * (1 + ROUNDED * rng.uniform(-1, 1, y.shape))

        lines = [
            step.line() if step.target is None else f"{step.target} = shaken({', '.join([step.text, *step.names()])})"
            for step in self.steps
        ]
        space = NAMES | {"shaken": shaken}
        exec(self._defined(lines), space)
        return lambda *args: space["f"](*[shaken(x) if isinstance(x, (tg.Tensor, np.ndarray)) else x for x in args])

    def definition(self, plain=False):
        return self._defined([step.line(plain) for step in self.steps])

    def _defined(self, lines):
        arguments = ", ".join(f"x{i}" for i in range(len(self.inputs)))
        return "\n    ".join([f"def f({arguments}):", *lines, f"return {', '.join(self.returned)},"])

    def arguments(self, call, kind=None, floating=None):
        """Return the arguments of a call, made afresh.

        Parameters
        ----------
        call : int
            0 or 1: which of the two values of each.
        kind : callable
            What is made of arrays that are to be Tensors.
        floating : dtype, optional
            What all floating arrays become.
        """
        values = []
        for x in self.inputs:
            value = eval(x.texts[call], NAMES | {f"x{i}": y for i, y in enumerate(values)})
            if floating is not None and isinstance(value, np.ndarray) and value.dtype.kind == "f":
                value = value.astype(floating)
            values.append((kind or tg.Tensor)(value) if x.is_tensor else value)
        return values

    def named_arguments(self, call, *kind):
        """Return the arguments of a call by their names."""
        return {f"x{i}": x for i, x in enumerate(self.arguments(call, *kind))}

    def in_double(self):
        """Return the program with nothing in it that would round to less than float64."""
        narrow = re.compile(r"'float(16|32)'")
        steps = [
            replace(s, text=narrow.sub("'float64'", s.text), plain=narrow.sub("'float64'", s.plain)) for s in self.steps
        ]
        return replace(self, steps=tuple(steps))

    def source(self):
        """Return the program as a script that shows what it gives, eagerly and jitted."""
        calls = []
        for call in (0, 1):
            texts = [f"tg.Tensor({x.texts[call]})" if x.is_tensor else x.texts[call] for x in self.inputs]
            names = [f"x{i}" for i in range(len(texts))]
            calls += [f"{name} = {text}" for name, text in zip(names, texts, strict=True)]
            calls.append(f"args{call} = [{', '.join(names)}]")
        return "\n".join(
            [
                "import copy\n\nimport numpy as np\nfrom numpy import inf, nan\n\nimport tinygrad_lite as tg\n",
                "F, rule = tg.nn.functional, tg.rules.get\n\n",
                self.definition(),
                "\n",
                *calls,
                "jitted = tg.jit(f)\nfor args in (args0, args1):\n    print(f(*args), jitted(*args))",
            ]
        )

    def shorter(self):
        """Yield the programs that lack one step, and what depends on it, or one result."""
        for i in reversed(range(len(self.steps))):
            program = self.without(i)
            if program is not None:
                yield program
        for name in self.returned if len(self.returned) > 1 else ():
            yield replace(self, returned=(name,))

    def without(self, number):
        """Return the program without a step and all that depends on it; None if nothing would be left to return."""
        gone = {self.steps[number].target} - {None}
        steps = list(self.steps[:number])
        for step in self.steps[number + 1 :]:
            if any(step.mentions(name) for name in gone):
                gone |= {step.target} - {None}
            else:
                steps.append(step)
        left = {step.target for step in steps} - {None} | {f"x{i}" for i in range(len(self.inputs))}
        returned = tuple(name for name in self.returned if name in left)
        if not returned:
            targets = [step.target for step in steps if step.target is not None]
            if not targets:
                return None
            returned = (targets[-1],)
        return replace(self, steps=tuple(steps), returned=returned)


def generate(seed):
    """Return the program that belongs to a seed.

    It is run while it grows, on Tensors and on plain arrays, so that most of its steps fit the values there are. A step
    that either refuses ends it now and then: both have to refuse it then, in words.
    """
    rng = np.random.default_rng(seed)
    edges = str(rng.choice(("", "", "mild", "wild")))
    program = _from_sample(rng, edges) if rng.random() < 0.25 else Program(_inputs(rng, edges), (), ())
    kinds = tg.Tensor, np.asarray
    spaces = [NAMES | program.named_arguments(0, kind) for kind in kinds]
    names = [f"x{i}" for i in range(len(program.inputs))]
    steps, wanted = [], int(rng.integers(1, 10))
    candidates = list(program.steps)
    for number in range(6 * wanted):
        if len(steps) == wanted:
            break
        if candidates:
            step = candidates.pop()
        else:
            texts = grammar.filled_step(rng, names, spaces[0])
            step = Step(*texts, None if CHANGE.search(texts[0]) else f"v{number + 1}")
        works = [_works(step, plain, space, edges) for plain, space in enumerate(spaces)]
        if all(works):
            names += [step.target] * (step.target is not None)
        elif None in works or rng.random() < 0.9:
            continue
        steps.append(step)
        if not all(works):
            break
    made = [step.target for step in steps if step.target is not None] or ["x0"]
    kept = [name for name in names if rng.random() < 0.3]
    return replace(program, steps=tuple(steps), returned=tuple(dict.fromkeys([*kept, made[-1]])))


def _inputs(rng, edges):
    inputs = []
    for _ in range(rng.integers(2, 5)):
        kind = str(rng.choice(("tensor", "tensor", "tensor", "array", "number", "scalar", "whole")))
        dtype = str(rng.choice(grammar.WHOLE if kind == "whole" else grammar.FLOATS))
        shape = grammar.SHAPES[rng.integers(len(grammar.SHAPES))] if kind not in ("number", "scalar") else ()
        arrays = [grammar.numbers(rng, shape, dtype, edges) for _ in range(2)]
        if kind == "number":
            texts = [repr(float(x)) for x in arrays]
        elif kind == "scalar":
            texts = [grammar.literal(x[()]) for x in arrays]
        else:
            layout = grammar.layout(rng, shape)
            texts = [layout.format(grammar.literal(x)) for x in arrays]
        inputs.append(Input((texts[0], texts[1]), kind == "tensor" or (kind == "whole" and rng.random() < 0.5)))
    if not any(x.is_tensor for x in inputs):
        inputs[0] = Input(("np.array([0.5, -1.5])", "np.array([2.0, 0.25])"), True)
    if rng.random() < 0.1:
        text = str(rng.choice(grammar.SHARED)).format(x=f"x{rng.integers(len(inputs))}")
        shared = Input((text, text), False)
        try:
            Program((*inputs, shared), (), ()).arguments(0)
            inputs.append(shared)
        except (TypeError, IndexError, AttributeError):
            pass  # it is a number, or has no axes
    return tuple(inputs)


def _from_sample(rng, edges):
    """Return the beginning of a program: the call of a rule on its sample, or on other numbers of the same shapes."""
    arrays, text = grammar.sample_of_a_rule(rng)
    if re.search("svd|pinv", text):
        edges = ""  # NumPy's singular values of infinite elements may never end; np.linalg's of Tensors are refused
    dtype = str(rng.choice(grammar.FLOATS))
    others = [grammar.numbers(rng, x.shape, dtype, edges) if edges else np.flip(x) for x in arrays]
    with np.errstate(over="ignore"):
        texts = [[grammar.literal(x.astype(dtype)) for x in call] for call in (arrays, others)]
    inputs = tuple(Input(pair, True) for pair in zip(*texts, strict=True))
    text = text.format(*(f"x{i}" for i in range(len(inputs))))
    return Program(inputs, (Step(text, text, "v0"),), ())


def _works(step, plain, space, edges):
    """Return whether a step works; None if its result is too large to go on with."""
    try:
        with np.errstate(all="ignore"):
            exec(step.line(bool(plain)), space)
    except Exception:
        return False
    x = raw(space.get(step.target, 0.0))
    if not isinstance(x, (np.ndarray, np.generic, int, float)) or np.size(x) > 120 or np.ndim(x) > 4:
        return None
    if not edges and np.asarray(x).dtype.kind == "f" and not (np.abs(x) < 1e4).all():
        return None
    return True
