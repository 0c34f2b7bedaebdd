r"""Formulas as trees, which can be written in plain text and in LaTeX.

Operators have a precedence in each of the two notations, so parentheses appear only where a reader needs them.

>>> reciprocal = Call("divide", (Number(1), Call("add", (Number(1), Name("x")))))
>>> print(write(reciprocal, "text"))
1 / (1 + x)
>>> print(write(reciprocal, "latex"))
\frac{1}{1 + x}
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from textwrap import fill
from typing import Literal

from ..support.formatting import latex_escaped
from .values import Name, subscript

Language = Literal["text", "latex"]
WIDTH = 80  # characters in a line of a legend or a proof
LONGEST = 80  # characters that are read at a glance


@dataclass(frozen=True)
class Number:
    """A plain number."""

    value: float


@dataclass(frozen=True)
class Word:
    """A text that is written unchanged, such as an index or a shape; LaTeX sets it in typewriter type."""

    text: str


@dataclass(frozen=True)
class Derivative:
    """The derivative of one value by another, such as ∂L/∂W₂."""

    of: Name
    by: Name


@dataclass(frozen=True)
class Call:
    """A function of operands: an operator, a NumPy function or a rule.

    Attributes
    ----------
    function : str
        The name of the NumPy function or of the rule.
    operands : tuple of Expression
        The arguments.
    axes : tuple of int
        The axes of a reduction; empty for all axes.
    """

    function: str
    operands: tuple[Expression, ...]
    axes: tuple[int, ...] = ()


Expression = Name | Number | Word | Derivative | Call


# Operator precedence, lowest first: an operand that binds less than its place needs gets parentheses.
CHOICE, RELATION, SUM, NEGATION, PRODUCT, JUXTAPOSED, REDUCTION, FRACTION, POWER, ATOM = range(10)


@dataclass(frozen=True)
class Form:
    """One way to write a function: the binding of the whole, a format pattern, and the binding each operand needs."""

    binding: int
    pattern: str
    needs: tuple[int, ...]


def _alike(binding: int, text: str, latex: str, *needs: int) -> dict[Language, Form]:
    return {"text": Form(binding, text, needs), "latex": Form(binding, latex, needs)}


def _reduction(text: str, latex: str) -> dict[Language, Form]:
    return _alike(REDUCTION, text + "{axes} {}", latex + "{axes} {}", FRACTION)


def _relation(text: str, latex: str) -> dict[Language, Form]:
    return _alike(RELATION, f"{{}} {text} {{}}", f"{{}} {latex} {{}}", SUM, SUM)


_NOTATION: dict[str, dict[Language, Form]] = {
    "subtract": _alike(SUM, "{} − {}", "{} - {}", SUM, PRODUCT),
    "difference": _alike(SUM, "{} − {}", "{} - {}", SUM, PRODUCT),
    "negative": _alike(NEGATION, "−{}", "-{}", PRODUCT),
    "multiply": _alike(PRODUCT, "{} ⊙ {}", r"{} \odot {}", NEGATION, PRODUCT),
    "scale": _alike(PRODUCT, "{} · {}", r"{} \cdot {}", NEGATION, PRODUCT),
    "coefficient": _alike(JUXTAPOSED, "{} {}", r"{}\,{}", ATOM, FRACTION),
    "matmul": _alike(JUXTAPOSED, "{} {}", r"{}\,{}", FRACTION, FRACTION),
    "divide": {"text": Form(PRODUCT, "{} / {}", (NEGATION, REDUCTION)),
               "latex": Form(FRACTION, r"\frac{{{}}}{{{}}}", (CHOICE, CHOICE))},
    "power": {"text": Form(POWER, "{}^{}", (ATOM, ATOM)), "latex": Form(POWER, "{}^{{{}}}", (ATOM, CHOICE))},
    "square": _alike(POWER, "{}²", "{}^{{2}}", ATOM),
    "mT": _alike(POWER, "{}ᵀ", r"{}^{{\top}}", ATOM),
    "inv": _alike(POWER, "{}⁻¹", "{}^{{-1}}", ATOM),
    "pinv": _alike(POWER, "{}⁺", "{}^{{+}}", ATOM),
    "solve": _alike(JUXTAPOSED, "{}⁻¹ {}", r"{}^{{-1}}\,{}", ATOM, FRACTION),
    "det": _alike(ATOM, "det({})", r"\det\left({}\right)", CHOICE),
    "sqrt": {"text": Form(POWER, "√{}", (ATOM,)), "latex": Form(ATOM, r"\sqrt{{{}}}", (CHOICE,))},
    "cbrt": {"text": Form(POWER, "∛{}", (ATOM,)), "latex": Form(ATOM, r"\sqrt[3]{{{}}}", (CHOICE,))},
    "hypot": {"text": Form(POWER, "√({}² + {}²)", (ATOM, ATOM)),
              "latex": Form(ATOM, r"\sqrt{{{}^{{2}} + {}^{{2}}}}", (ATOM, ATOM))},
    "log2": _alike(ATOM, "log₂({})", r"\log_{{2}}\left({}\right)", CHOICE),
    "log10": _alike(ATOM, "log₁₀({})", r"\log_{{10}}\left({}\right)", CHOICE),
    "exp2": _alike(POWER, "2^{}", "2^{{{}}}", ATOM),
    "exp": {"text": Form(ATOM, "exp({})", (CHOICE,)), "latex": Form(POWER, "e^{{{}}}", (CHOICE,))},
    "absolute": _alike(ATOM, "|{}|", r"\left|{}\right|", CHOICE),
    "sigmoid": _alike(ATOM, "σ({})", r"\sigma\left({}\right)", CHOICE),
    "relu": _alike(ATOM, "ReLU({})", r"\operatorname{{ReLU}}\left({}\right)", CHOICE),
    "maximum": _alike(ATOM, "max({}, {})", r"\max\left({}, {}\right)", SUM, SUM),
    "minimum": _alike(ATOM, "min({}, {})", r"\min\left({}, {}\right)", SUM, SUM),
    "sum": _reduction("Σ", r"\sum"),
    "prod": _reduction("Π", r"\prod"),
    "max": _reduction("max", r"\max"),
    "min": _reduction("min", r"\min"),
    "mean": _reduction("mean", r"\operatorname{{mean}}"),
    "where": {"text": Form(CHOICE, "{1} where {0}, else {2}", (RELATION, SUM, CHOICE))},
    "greater": _relation(">", ">"),
    "greater_equal": _relation("≥", r"\geq"),
    "less": _relation("<", "<"),
    "less_equal": _relation("≤", r"\leq"),
    "equal": _relation("=", "="),
    "not_equal": _relation("≠", r"\neq"),
    "bitwise_and": _alike(RELATION, "{} and {}", r"{} \text{{ and }} {}", RELATION, RELATION),
    "bitwise_or": _alike(RELATION, "{} or {}", r"{} \text{{ or }} {}", RELATION, RELATION),
    "bracket": _alike(ATOM, "[{}]", r"\left[{}\right]", CHOICE),
    "shaped": _alike(ATOM, "{}: {}", "{}: {}", CHOICE, CHOICE),
    "getitem": _alike(ATOM, "{}[{}]", r"{}\left[{}\right]", ATOM, CHOICE),
    **{name: _alike(ATOM, f"{name}({{}})", rf"\{name}\left({{}}\right)", CHOICE) for name in (
        "log", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh",
    )},
}  # fmt: skip

_LEGEND = {
    "multiply": "⊙ multiplies element by element",
    "bracket": "[…] is 1 where it holds, else 0",
    "broadcast_to": "broadcast_to repeats along axes",
    "overlap_add": "overlap_add adds windows up where they lie",
    "product_before": "product_before is the running product of the elements before each",
    "sum_of_products_after": "sum_of_products_after sums gⱼ · xᵢ₊₁ · … · xⱼ over j ≥ i",
    "inversion": "inversion(a, b) is a / (a² + b²), and 0 at the origin and at infinity",
    "is_first_maximum": "is_first_maximum holds at the maximum of a window",
    "stacked_slogdet": "stacked_slogdet is the sign of the determinant, and the logarithm of its absolute value",
    "stacked_qr": "stacked_qr is Q, and R below it",
    "stacked_eigh": "stacked_eigh is a row of eigenvalues, and the eigenvectors below it",
    "stacked_svd": "stacked_svd is U, a row of singular values, and V",
    "first": "first is the factor in the upper rows",
    "values": "values are the eigenvalues or singular values",
    "last": "last is the factor in the lower rows",
    "lower": "lower keeps the lower triangle, and half of its diagonal",
    "mirrored": "mirrored puts the lower triangle in place of the upper one",
    "of_triangle": "of_triangle(S) is lower(S + Sᵀ), since the lower triangle alone is read",
    "symmetric": "symmetric(X) is (X + Xᵀ) / 2",
    "skew": "skew(X) is (X − Xᵀ) / 2",
    "gaps": "gaps are the differences sⱼ − sᵢ, and ∞ on the diagonal",
    "sums": "sums are the sums sⱼ + sᵢ, and ∞ on the diagonal",
    "as_row": "as_row is the same as a row",
    "quotient": "quotient divides element by element, 0 / 0 being 0",
    "cofactors": "cofactors are the derivatives of a determinant",
    "vjp": "vjp(f, x, g) is g carried back through f to x",
    "place": "place puts elements at the given index of an array of zeros",
}
_SMALL_POWERS = {2: "²", 3: "³"}


def write(expression: Expression, language: Language, need: int = CHOICE) -> str:
    """Return an expression in plain text or LaTeX (without dollars); if it binds less than `need`, in parentheses."""
    written, binding = _written(expression, language)
    if binding >= need:
        return written
    return f"({written})" if language == "text" else rf"\left({written}\right)"


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and all its subexpressions, in the order in which they are read."""
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        if isinstance(part, Call):
            stack += reversed(part.operands)


def is_long(expression: Expression) -> bool:
    """Return whether an expression is too long to read. Each part of it takes at least a character."""
    parts = list(islice(walk(expression), LONGEST + 1))  # if parts occur again and again, there can be millions
    return len(parts) > LONGEST or len(write(expression, "text")) > LONGEST


def terms(expression: Expression) -> list[Expression]:
    """Return the terms of a sum, in order; of any other expression, the expression as the only term."""
    last = []
    while isinstance(expression, Call) and expression.function == "add":
        expression, term = expression.operands
        last.append(term)
    return [expression, *reversed(last)]


def where(notes: Sequence[str], indent: str = "") -> str:
    """Return a legend as text, "where …; …"; lines are broken between notes, not inside them."""
    unbroken = "; ".join(note.replace(" ", "\N{NO-BREAK SPACE}") for note in notes)
    lines = fill(f"where {unbroken}", WIDTH, initial_indent=indent, subsequent_indent=indent + " " * 6)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def legend(expressions: list[Expression]) -> list[str]:
    """Explain the less common signs that occur in expressions, one sentence each."""
    calls = [part for expression in expressions for part in walk(expression) if isinstance(part, Call)]
    used = {call.function for call in calls}
    lines = [line for function, line in _LEGEND.items() if function in used]
    words = {part.text for expression in expressions for part in walk(expression) if isinstance(part, Word)}
    lines += ["I is true on the diagonal"] * ("I" in words)
    signs: dict[tuple[int, ...], dict[str, None]] = {}
    for call in calls:
        if call.axes and call.function in _NOTATION:
            sign = _NOTATION[call.function]["text"].pattern.format("", axes=_text_axes(call.axes)).strip()
            signs.setdefault(call.axes, {})[sign] = None
    for axes, found in signs.items():
        verb, noun = "goes" if len(found) == 1 else "go", "axis" if len(axes) == 1 else "axes"
        lines.append(f"{' and '.join(found)} {verb} over {noun} {', '.join(map(_number, axes))}")
    return lines


def _written(expression: Expression, language: Language) -> tuple[str, int]:
    """Return the text of an expression, and its binding."""
    match expression:
        case Name():
            return getattr(expression, language), ATOM
        case Number(value):
            return _written_number(value, language)
        case Word(text):
            return (text if language == "text" else rf"\texttt{{{latex_escaped(text)}}}"), ATOM
        case Derivative(of, by):
            if language == "text":
                return f"∂{of.text}/∂{by.text}", FRACTION
            return rf"\frac{{\partial {of.latex}}}{{\partial {by.latex}}}", FRACTION
        case Call():
            return _written_call(expression, language)


def _written_call(call: Call, language: Language) -> tuple[str, int]:
    function, operands = call.function, call.operands
    if language == "text" and function == "power" and isinstance(operands[1], Number):
        superscript = _SMALL_POWERS.get(operands[1].value)  # type: ignore[call-overload]
        if superscript:
            return write(operands[0], language, ATOM) + superscript, POWER
    if language == "latex" and function == "where":
        return _cases(call), ATOM
    if function == "add":  # a loop over the terms: a long sum is nested too deeply for recursion
        first, *others = terms(call)
        return " + ".join([write(first, language, SUM), *(write(term, language, PRODUCT) for term in others)]), SUM
    if function == "list":
        return ", ".join(write(operand, language) for operand in operands), CHOICE
    form = _NOTATION.get(function, {}).get(language)
    if form is None or len(form.needs) != len(operands):
        return _written_by_name(call, language), ATOM
    parts = [write(operand, language, need) for operand, need in zip(operands, form.needs, strict=True)]
    axes = _text_axes(call.axes) if language == "text" else "_{" + ",".join(map(str, call.axes)) + "}"
    return form.pattern.format(*parts, axes=axes if call.axes else ""), form.binding


def _cases(choice: Expression) -> str:
    """Return nested `np.where` calls in LaTeX, one line for each case."""
    lines = []
    while isinstance(choice, Call) and choice.function == "where":
        condition, chosen, choice = choice.operands
        lines.append(rf"{write(chosen, 'latex', SUM)} & \text{{where }} {write(condition, 'latex', RELATION)}")
    lines.append(rf"{write(choice, 'latex', SUM)} & \text{{else}}")
    return r"\begin{cases}" + r" \\ ".join(lines) + r"\end{cases}"


def _written_by_name(call: Call, language: Language) -> str:
    parts = [write(operand, language, SUM) for operand in call.operands]
    parts += [_written(Word(f"axis={', '.join(map(str, call.axes))}"), language)[0]] * bool(call.axes)
    if language == "text":
        return f"{call.function}({', '.join(parts)})"
    return rf"\text{{{latex_escaped(call.function)}}}\left({', '.join(parts)}\right)"


def _written_number(value: float, language: Language) -> tuple[str, int]:
    written = _number(value)
    if language == "latex":
        mantissa, _, power = written.replace("−", "-").replace("∞", r"\infty ").partition("e")
        if power:
            return rf"{mantissa} \cdot 10^{{{int(power)}}}", PRODUCT
        written = mantissa
    return written, NEGATION if value < 0 else ATOM


def _number(value: float) -> str:
    """Return a whole number in full, any other with six significant digits."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    whole = float(value).is_integer() and abs(value) < 1e15
    return (f"{value:.0f}" if whole else f"{value:g}").replace("-", "−")


def _text_axes(axes: tuple[int, ...]) -> str:
    return "".join(map(subscript, axes))
