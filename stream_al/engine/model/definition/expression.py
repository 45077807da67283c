"""A model's definition: one line of text in the settings.

It is `auto`, a River expression, or the import path of a factory:

    auto
    StandardScaler() | LogisticRegression(optimizer=optim.SGD(0.1))
    my_package.models:build

An expression has Python's syntax and River's names, and is never evaluated. Its syntax tree is walked here,
and only these have a meaning: `auto` and the classes of `engine.learners`, a River class (by its short name
or any end of its path: `Log`, `losses.Log`, `optim.losses.Log`), a call of one, `|` and `+` between
estimators, literals, and the type names that `SelectType` takes (`int`, `float`, `str`, `bool`, `Number`).
Anything else is refused, with an error that says what to write. Numbers have limits (`counts`). So an
expression runs no code but that of River and of this package, whoever wrote it.

**A factory runs code by design.** Its module is imported and the function is called, with all rights of the
process: whoever may write `model.definition` or `model.committee` as an import path, or the files of a module
on Python's path, can do whatever the service can. Only the settings of a process name a definition; no topic
and no HTTP request does. To read settings without running a factory, leave its path unbuilt
(`factory_path`, `stream_al.settings.load`, `stream-al config check`).

The model is a deterministic fold over its examples. Therefore every estimator that takes a `seed` and was
given none gets the service's, and some classes are replaced (`engine.model.river_patches`).
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import inspect
import operator
from numbers import Number
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard, cast

import river.api
from river import base

from stream_al.engine import learners
from stream_al.engine.model.definition.counts import MOST_BYTES, Counts
from stream_al.engine.model.definition.factory_path import check_path, is_factory
from stream_al.engine.model.definition.validation import LEFT_OUT, problem_with
from stream_al.engine.model.river_patches import PATCHED
from stream_al.errors import Misconfigured, described
from stream_al.terminal import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AUTO", "MAX_DEPTH", "MAX_LENGTH", "load", "parse"]

AUTO = "auto"  # the mixture of learners, for which nothing has to be chosen
MAX_LENGTH = 2000  # characters
MAX_DEPTH = 20  # levels of calls, brackets and operators

_TYPES: dict[str, type] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "Number": Number,
    "numbers.Number": Number,  # as River's documents write it
}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.BitOr: operator.or_,
    ast.Add: operator.add,
}


def parse(text: str, *, seed: int) -> base.Base:
    """Build the River object that an expression describes.

    Args:
        text: The expression.
        seed: Given to every estimator in it that takes a seed and was given none.

    Raises:
        Misconfigured: The text is not such an expression, or River refuses the arguments.

    Examples:
        >>> print(parse("StandardScaler() | LogisticRegression(l2=0.1)", seed=1))
        StandardScaler | LogisticRegression
        >>> parse("forest.ARFClassifier(n_models=3)", seed=7).seed
        7
        >>> parse("OneVsOne(GaussianNB())", seed=1)
        Traceback (most recent call last):
        stream_al.errors.Misconfigured: River has no 'OneVsOne'; did you mean 'OneVsOneClassifier'?
    """
    if len(text) > MAX_LENGTH:
        raise Misconfigured(
            f"The expression has {len(text)} characters and the limit is {MAX_LENGTH}; write a factory "
            "and name it as my_package.models:build."
        )
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or str(error) or "too deeply nested"
        raise Misconfigured(
            f"{quoted(text)} is not an expression ({reason}); write one such as "
            "StandardScaler() | LogisticRegression()."
        ) from error
    built = _Builder(text.strip(), seed).build(tree.body, 1)
    if not isinstance(built, base.Base):
        raise Misconfigured(f"{quoted(text)} names no model; write a River class such as GaussianNB().")
    return built


def load(definition: str, *, seed: int) -> base.Classifier:
    """Make the untrained classifier that a definition describes.

    Args:
        definition: A River expression, or the import path of a factory that takes no arguments.
        seed: For the estimators of an expression; a factory sets its own.

    Raises:
        Misconfigured: It makes no classifier, or one that would not be the same on every replica.

    Examples:
        >>> load("GaussianNB()", seed=1)
        GaussianNB ()
        >>> load("river.tree:HoeffdingTreeClassifier", seed=1)._multiclass
        True
        >>> load("StandardScaler()", seed=1)
        Traceback (most recent call last):
        stream_al.errors.Misconfigured: 'StandardScaler()' makes a transformer; end it with a classifier, \
such as LogisticRegression().
    """
    if is_factory(definition):
        reason = problem_with(model := _call(definition))
    else:
        reason = problem_with(model := parse(definition, seed=seed), most_bytes=MOST_BYTES)
    if reason:
        raise Misconfigured(f"{definition.strip()!r} {reason}.")
    return cast("base.Classifier", model)


def _call(path: str) -> object:
    check_path(path)
    module, _, name = path.partition(":")
    try:
        factory = functools.reduce(getattr, name.split("."), cast("Any", importlib.import_module(module)))
        return factory()
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise Misconfigured(
            f"The factory {path} failed ({described(error)}); it must be importable "
            "and return a River classifier when called without arguments."
        ) from error


class _Builder:
    """One walk over the syntax tree of one text."""

    def __init__(self, text: str, seed: int) -> None:
        self.text = text
        self.seed = seed
        self.counts = Counts()

    def build(self, node: ast.expr, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise Misconfigured(
                f"The expression nests deeper than {MAX_DEPTH} levels; list the steps of a long pipeline in "
                "Pipeline(...), or write a factory and name it as my_package.models:build."
            )
        build = functools.partial(self.build, depth=depth + 1)
        match node:
            case ast.Name() | ast.Attribute():
                kind = _TYPES.get(self.path(node))
                built: Any = self.create(node, [], {}) if kind is None else kind
            case ast.Call(func=function, args=args, keywords=keywords):
                named = {keyword.arg or self.refuse(node): build(keyword.value) for keyword in keywords}
                built = self.create(function, [build(arg) for arg in args], named)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                built = self.join(node, _OPERATORS[type(op)], build(left), build(right))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                built = (list if isinstance(node, ast.List) else tuple)(map(build, elements))
            case ast.Dict(keys=keys, values=values):
                built = dict(zip(map(self.literal, keys), map(build, values), strict=True))
            case _:
                built = self.literal(node)
        return built

    def literal(self, node: ast.expr | None) -> object:
        match node:
            case ast.Constant(value=None | bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
        return self.refuse(node)

    def join(self, node: ast.expr, join: Callable[[Any, Any], Any], left: object, right: object) -> Any:
        if not (isinstance(left, base.Estimator) and isinstance(right, base.Estimator)):
            self.refuse(node)
        try:
            return self.counts.joined(join(left, right), left, right)
        except Exception as error:  # River checks little before it joins
            raise Misconfigured(
                f"{self.source(node)} joins what River cannot join; '+' stands between transformers, and "
                "'|' before the next step."
            ) from error

    def create(self, function: ast.expr, args: list[Any], named: dict[str, Any]) -> Any:
        path = self.path(function)
        cls = _find(path)
        signature = inspect.signature(cls)
        try:
            given = signature.bind(*args, **named)
            if "seed" in signature.parameters and given.arguments.get("seed") is None:
                given.arguments["seed"] = self.seed
            if reason := self.counts.problem_with(cls, given):
                raise Misconfigured(f"{path} asks for too much: {reason}.")  # noqa: TRY301 - before it is built
            return self.counts.note(cls, given, cls(*given.args, **given.kwargs))
        except Misconfigured:
            raise
        except Exception as error:  # a constructor may raise anything
            reason = " ".join(str(error).split()) or type(error).__name__
            takes = ", ".join(signature.parameters) or "none"
            raise Misconfigured(f"{path} cannot use its arguments ({reason}); it takes {takes}.") from error

    def path(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=ast.Name() | ast.Attribute() as value, attr=name):
                return f"{self.path(value)}.{name}"
        return self.refuse(node)

    def refuse(self, node: ast.AST | None) -> NoReturn:
        raise Misconfigured(
            f"{self.source(node)} is not allowed; write River classes, calls of them, '|' and '+' between "
            "estimators, and literals, and put anything else into a factory named as my_package.models:build."
        )

    def source(self, node: ast.AST | None) -> str:
        return quoted((node and ast.get_source_segment(self.text, node)) or self.text)


def _find(path: str) -> type:
    found = _index().get(path, {})
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise Misconfigured(f"{path!r} is the name of several classes; write {' or '.join(sorted(found))}.")
    near = difflib.get_close_matches(path, _index(), n=3)
    advice = f"did you mean {' or '.join(map(repr, near))}?" if near else "its API reference lists the names."
    raise Misconfigured(f"River has no {quoted(path)}; {advice}")


@functools.cache
def _index() -> dict[str, dict[str, type]]:
    """Map every end of a class's path to the classes that it may name, by their qualified names."""
    index: dict[str, dict[str, type]] = {}
    modules = [(name, getattr(river.api, name)) for name in river.api.__all__ if name not in LEFT_OUT]
    for path, module in modules:
        for name in module.__all__:
            member = getattr(module, name, None)
            full = f"{path}.{name}"
            if inspect.ismodule(member) and name not in LEFT_OUT:
                modules.append((full, member))
            elif _is_usable(member):
                ends = ["river", *full.split(".")]
                for start in range(len(ends)):
                    index.setdefault(".".join(ends[start:]), {})[full] = PATCHED.get(full, member)
    for name in learners.__all__:
        index[name] = {name: getattr(learners, name)}
    index[AUTO] = index["Auto"]
    return index


def _is_usable(member: object) -> TypeGuard[type]:
    """Whether models can be built from this; a class that a module named `base` defines is an interface."""
    return (
        inspect.isclass(member)
        and issubclass(member, base.Base)
        and not inspect.isabstract(member)
        and not member.__module__.endswith(".base")
    )
