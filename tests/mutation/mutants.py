"""The mutants: where the derivatives stand, found in the source of the tables, and what one slip makes of each."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tinygrad_lite import rules
from tinygrad_lite.rules import TABLES, Rule, special, windows
from tinygrad_lite.rules import registry as machinery

from .operators import changes, text_of

# Their functions compute values, which tests compare with sums written out and with other libraries. Only their
# derivatives have slips here: all those of the functions would take longer than all others together.
OF_VALUES = (special, windows)


@dataclass(frozen=True)
class Derivative:
    """An expression in a table.

    Attributes
    ----------
    module : module
        The table.
    tree : ast.Lambda
        The expression.
    argument : str
        The input it is the derivative by.
    rules : list of Rule
        Whose derivative it is: several may share it.
    """

    module: ModuleType
    tree: ast.Lambda
    argument: str
    rules: list[Rule]

    def __str__(self) -> str:
        return f"{', '.join(rule.name for rule in self.rules)} by {self.argument}"

    @property
    def codes(self) -> set[CodeType]:
        """What runs when the derivative is called."""
        return {rule.vjps[rule.inputs.index(self.argument)].expression.__code__ for rule in self.rules}

    def alike(self) -> dict[str, list[str]]:
        """Return what each name may be mistaken for: a value for another value, a parameter for one beside it.

        The output is mistaken for an input, and an input for the output only where there is no other input.
        """
        beside = [argument.arg for argument in self.tree.args.args]
        inputs = list(self.rules[0].inputs)
        values = ["g", "y", *inputs]
        parameters = [name for name in beside if name not in values]
        for_inputs = values if len(inputs) == 1 else ["g", *inputs]
        return {
            **dict.fromkeys(["g", "y"], values),
            **dict.fromkeys(inputs, for_inputs),
            **dict.fromkeys(parameters, parameters),
        }

    def lines(self, tree: ast.Lambda) -> list[str]:
        """Return the formula of this derivative or of a mutant."""
        return [text_of(tree.body)]

    @contextmanager
    def replaced_by(self, tree: ast.Lambda) -> Iterator[None]:
        """Let the rules have another derivative within a ``with`` block."""
        originals = [rule.vjps for rule in self.rules]
        try:
            for rule in self.rules:
                # A rule is frozen for its users; it has to be this very one, though, which everyone imported.
                object.__setattr__(rule, "vjps", self._vjps(rule, tree.body))
            yield
        finally:
            for rule, vjps in zip(self.rules, originals, strict=True):
                object.__setattr__(rule, "vjps", vjps)

    def _vjps(self, rule: Rule, body: ast.expr) -> tuple[rules.Vjp, ...]:
        read = {node.id for node in ast.walk(body) if isinstance(node, ast.Name)}
        names = ["g", *(name for name in ("y", "k", *rule.inputs, *rule.params) if name in read)]
        expression = eval(_compiled(f"lambda {', '.join(names)}: {ast.unparse(body)}", "eval"), vars(self.module))
        vjp = machinery._vjp(rule.name, self.argument, expression, rule.inputs, rule.params, rule.variadic)
        k = rule.inputs.index(self.argument)
        return machinery._Same(vjp) if rule.variadic else (*rule.vjps[:k], vjp, *rule.vjps[k + 1 :])


@dataclass(frozen=True)
class Helper:
    """A function that derivatives call.

    Attributes
    ----------
    module : module
        Where it is defined.
    tree : ast.FunctionDef
        Its definition.
    rules : list of Rule
        Whose derivatives call it, themselves or by way of others.
    """

    module: ModuleType
    tree: ast.FunctionDef
    rules: list[Rule]

    def __str__(self) -> str:
        return self.tree.name

    @property
    def codes(self) -> set[CodeType]:
        """What runs when the function is called."""
        return {inspect.unwrap(getattr(self.module, self.tree.name)).__code__}

    def alike(self) -> dict[str, list[str]]:
        """Return what each parameter may be mistaken for: any other."""
        names = [argument.arg for argument in self.tree.args.args]
        return dict.fromkeys(names, names)

    def lines(self, tree: ast.FunctionDef) -> list[str]:
        """Return the lines of this function or of a mutant."""
        return [line.strip() for line in text_of(tree).splitlines()]

    @contextmanager
    def replaced_by(self, tree: ast.FunctionDef) -> Iterator[None]:
        """Let the function have another body within a ``with`` block, wherever it has been imported to."""
        namespace = dict(vars(self.module))
        exec(_compiled(ast.unparse(tree), "exec"), namespace)
        function, changed = (inspect.unwrap(f) for f in (getattr(self.module, tree.name), namespace[tree.name]))
        original = function.__code__
        function.__code__ = changed.__code__
        try:
            yield
        finally:
            function.__code__ = original


@dataclass(frozen=True)
class Mutant:
    """A derivative, or a function that derivatives call, with one slip in it."""

    origin: Derivative | Helper
    tree: Any

    def __str__(self) -> str:
        pairs = zip(self.origin.lines(self.origin.tree), self.origin.lines(self.tree), strict=True)
        before, after = next(pair for pair in pairs if pair[0] != pair[1])
        return f"{self.origin}: {before}  ->  {after}"

    @property
    def table(self) -> str:
        """The name of the table it is in."""
        return self.origin.module.__name__.rpartition(".")[2]

    def in_place(self) -> AbstractContextManager[None]:
        """Let the library compute with it within a ``with`` block."""
        return self.origin.replaced_by(self.tree)


def mutants(modules: Iterable[ModuleType] = TABLES) -> dict[str, Mutant]:
    """Return every mutant of the derivatives in the tables, by its description."""
    made = (Mutant(origin, tree) for origin in origins(modules) for tree in changes(origin.tree, origin.alike()))
    return {str(mutant): mutant for mutant in made if _is_python(mutant.tree)}


def _is_python(tree: ast.AST) -> bool:
    """Return False for a slip that Python refuses, such as a starred part without its tuple."""
    try:
        _compiled(text_of(tree), "exec")
    except SyntaxError:
        return False
    return True


def origins(modules: Iterable[ModuleType] = TABLES) -> list[Derivative | Helper]:
    """Return the derivatives in the tables and the functions they call, as they stand in the source."""
    sources = {module: ast.parse(inspect.getsource(module)) for module in modules}
    functions = {
        (module.__name__, node.name): (module, node)
        for module, source in sources.items()
        for node in source.body
        if isinstance(node, ast.FunctionDef) and module not in OF_VALUES
    }
    derivatives: dict[ast.Lambda, Derivative] = {}
    helpers: dict[tuple[str, str], Helper] = {}

    def follow(module: ModuleType, tree: ast.AST, callers: list[Rule]) -> None:
        for node in ast.walk(tree):
            known = getattr(module, node.id, None) if isinstance(node, ast.Name) else None
            # A derivative may call a rule, too, and depends on the function behind that.
            function, users = (known.forward, [*callers, known]) if isinstance(known, Rule) else (known, callers)
            name = (function.__module__, function.__name__) if isinstance(function, FunctionType) else None
            if name in functions:
                helper = helpers.setdefault(name, Helper(*functions[name], []))
                new = [rule for rule in users if rule not in helper.rules]
                helper.rules.extend(new)
                if new:
                    follow(*functions[name], new)

    for module, source in sources.items():
        for rule, argument, tree in _given(source):
            if isinstance(tree, ast.Lambda):
                derivatives.setdefault(tree, Derivative(module, tree, argument, [])).rules.append(rule)
            follow(module, tree, [rule])
    return [*derivatives.values(), *helpers.values()]


def _given(source: ast.Module) -> Iterator[tuple[Rule, str, ast.expr]]:
    """Yield what the calls of `define` give as derivatives, also in a dictionary that several share."""
    dictionaries: dict[str, dict[str, ast.expr]] = {}
    for node in source.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(name)], value=ast.Dict(keys, values))
                | ast.AnnAssign(target=ast.Name(name), value=ast.Dict(keys, values))
            ):
                dictionaries[name] = {ast.literal_eval(key): value for key, value in zip(keys, values, strict=True)}
    for call in ast.walk(source):
        match call:
            case ast.Call(func=ast.Name("define") | ast.Attribute(attr="define"), args=[ast.Constant(name), *_]):
                rule = rules.get(name)
                given: dict[str, ast.expr] = {}
                for keyword in call.keywords:
                    given |= {keyword.arg: keyword.value} if keyword.arg else dictionaries[ast.unparse(keyword.value)]
                yield from ((rule, argument, given[argument]) for argument in rule.inputs)


def _compiled(text: str, mode: str) -> CodeType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # Python wonders at 1(x) and the like, and rightly
        return compile(text, "<mutant>", mode)
