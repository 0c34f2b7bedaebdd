"""The usual slips, as changes of a syntax tree: an operator yields what might stand in a node's place."""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

Operator = Callable[[ast.AST], Iterator[ast.AST]]

EXCHANGED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
}
ORDERED = (ast.Sub, ast.Div, ast.Pow, ast.MatMult)  # with operands that are not to be swapped
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt, ast.Eq),
    ast.LtE: (ast.Lt, ast.GtE, ast.Eq),
    ast.Gt: (ast.GtE, ast.Lt, ast.Eq),
    ast.GtE: (ast.Gt, ast.LtE, ast.Eq),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
SIBLINGS = {
    "any": "all",
    "cos": "sin",
    "cosh": "sinh",
    "cumsum": "cumprod",
    "exp": "expm1",
    "eye": "ones",
    "flip": "roll",
    "log": "log1p",
    "max": "min",
    "ones_like": "zeros_like",
    "prod": "sum",
    "sign": "abs",
    "sin": "cos",
    "sinh": "cosh",
    "sum": "mean",
    "zeros_like": "ones_like",
}


def operators_exchanged(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``a - b`` for ``a + b``, ``a / b`` for ``a * b``, and the reverse; ``*`` for ``**``, ``|`` for ``&``."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in EXCHANGED:
        yield with_(node, op=EXCHANGED[type(node.op)]())


def operands_swapped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``b - a`` for ``a - b``; so for ``/``, ``@`` and ``**``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ORDERED):
        yield with_(node, left=node.right, right=node.left)


def operand_dropped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``a`` and ``b`` for ``a * b``, a forgotten factor; so for every operator of two operands."""
    if isinstance(node, ast.BinOp):
        yield from (node.left, node.right)


def sign_changed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the whole, or the first of two terms, with a minus in front; ``x`` for ``-x`` and for ``not x``."""
    match node:
        case ast.Lambda(body=body):
            yield with_(node, body=_minus(body))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub()):
            yield with_(node, left=_minus(left))
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield operand


def transposed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``b`` for ``b.mT``, and the other way round in a product of matrices."""
    match node:
        case ast.Attribute(value=value, attr="mT"):
            yield value
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield with_(node, left=ast.Attribute(left, "mT", ast.Load()))
            yield with_(node, right=ast.Attribute(right, "mT", ast.Load()))


def axis_mistaken(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the first axis, the last, and all, for ``axis``."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id == "axis":
        yield from (ast.parse(text, mode="eval").body for text in ("0", "-1", "None"))


def argument_dropped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``np.f(x)`` for ``np.f(x, a)`` and for ``np.f(x, a=b)``; so for methods."""
    match node:
        case ast.Call(func=ast.Attribute(), args=arguments, keywords=keywords):
            for keyword in keywords:
                yield with_(node, keywords=[other for other in keywords if other is not keyword])
            if len(arguments) > 1:
                yield with_(node, args=arguments[:-1])


def call_dropped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``x`` for ``f(x)``, for ``np.f(x)`` and for ``x.f()``."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr="where")):
            pass
        case ast.Call(func=ast.Name() | ast.Attribute(value=ast.Name(id="np")), args=[first, *_]):
            yield first
        case ast.Call(func=ast.Attribute(value=value)) if not (isinstance(value, ast.Name) and value.id == "np"):
            yield value


def function_mistaken(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``np.sin`` for ``np.cos``, and other siblings."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name) as function) if name in SIBLINGS:
            yield with_(node, func=with_(function, attr=SIBLINGS[name]))
        case ast.Call(func=ast.Name(id="any")):
            yield with_(node, func=ast.Name("all", ast.Load()))


def constant_changed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield 1 for 0, 0 and 2 for 1, 1 and 3 for 2; False for True, and the reverse."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(n) for n in (value - 1, value + 1) if n >= 0)


def comparison_changed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``a >= b``, ``a < b`` and ``a == b`` for ``a > b``; so for the others."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield from (with_(node, ops=[other()]) for other in COMPARISONS[type(node.ops[0])])


def choice_changed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a choice with its branches exchanged, or one always taken: of ``np.where``, of ``if`` in all its forms."""
    match node:
        case ast.Call(func=ast.Attribute(attr="where"), args=[condition, a, b]):
            yield from (with_(node, args=[condition, b, a]), a, b)
        case ast.IfExp(body=a, orelse=b):
            yield from (with_(node, body=b, orelse=a), a, b)
        case ast.If(test=test):
            for other in (ast.UnaryOp(ast.Not(), test), ast.Constant(True), ast.Constant(False)):
                yield with_(node, test=other)
        case ast.comprehension(ifs=[_, *_]):
            yield with_(node, ifs=[])


def bound_dropped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``x[:]`` for ``x[:n]`` and for ``x[n:]``."""
    if isinstance(node, ast.Slice):
        for bound in ("lower", "upper"):
            yield with_(node, **{bound: None})


def statement_dropped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ``pass`` for an assignment or a call; a docstring stays."""
    match node:
        case ast.Expr(value=ast.Constant()):
            pass
        case ast.Expr() | ast.Assign() | ast.AugAssign():
            yield ast.Pass()


def cotangent_dropped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield ones for ``g``: right for a sum of the outputs, and for nothing else."""
    if isinstance(node, ast.Name) and node.id == "g":
        yield ast.parse("np.ones_like(g)", mode="eval").body


def names_exchanged(alike: Mapping[str, Collection[str]]) -> Operator:
    """Return the operator that takes one name for another, as ``alike`` says."""

    def exchanged(node: ast.AST) -> Iterator[ast.AST]:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from (ast.Name(other, ast.Load()) for other in alike.get(node.id, ()) if other != node.id)

    return exchanged


OPERATORS: tuple[Operator, ...] = (
    operators_exchanged,
    operands_swapped,
    operand_dropped,
    sign_changed,
    transposed,
    axis_mistaken,
    argument_dropped,
    call_dropped,
    function_mistaken,
    constant_changed,
    comparison_changed,
    choice_changed,
    bound_dropped,
    statement_dropped,
    cotangent_dropped,
)


text_of = functools.cache(ast.unparse)  # a tree is compared with others, shown, and compiled


def changes(tree: ast.AST, alike: Mapping[str, Collection[str]]) -> Iterator[ast.AST]:
    """Yield every tree that differs from a function's by one slip in its body, each once.

    Parameters
    ----------
    tree : ast.Lambda or ast.FunctionDef
        It is left as it is.
    alike : mapping of str to collection of str
        For a name, those it may be mistaken for.
    """
    seen = {text_of(tree)}
    body = tree.body if isinstance(tree, ast.FunctionDef) else [tree.body]
    for node in (tree, *(node for part in body for node in ast.walk(part))):
        for operator in (*OPERATORS, names_exchanged(alike)):
            for new in operator(node):
                changed = replaced(tree, node, new)
                text = text_of(changed)
                if text not in seen:
                    seen.add(text)
                    yield changed


def with_(node: Any, **fields: Any) -> Any:
    """Return a copy of a node with some of its fields changed."""
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def replaced(tree: Any, old: ast.AST, new: ast.AST) -> Any:
    """Return a copy of a tree in which one node is another."""
    if tree is old:
        return new
    if isinstance(tree, list):
        return [replaced(item, old, new) for item in tree]
    if isinstance(tree, ast.AST):
        return with_(tree, **{name: replaced(value, old, new) for name, value in ast.iter_fields(tree)})
    return tree


def _minus(x: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), x)
