"""What may import what: the shape of the package, held by walking its imports.

    errors <- engine and messages <- settings, simulate <- service <- contracts, desk, demo <- cli

`service` takes `Row`, the type of a labelled row, from `datasets.rows`: seeding a model and
replaying a recorded stream read the same files.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stream_al"
FILES = sorted(PACKAGE.rglob("*.py"))
ENGINE = [file for file in FILES if file.is_relative_to(PACKAGE / "engine")]

PURE = {
    *("__future__", "abc", "base64", "bisect", "collections", "contextlib", "dataclasses", "enum", "fnmatch"),
    *("fractions", "functools", "hashlib", "itertools", "json", "math", "operator", "re", "struct", "sys"),
    *("types", "typing"),
    *("msgspec", "numpy", "river"),
    *("stream_al.engine", "stream_al.errors", "stream_al.messages"),
}
"""What the engine may import: nothing here reads, writes, waits, logs, or knows the time."""

BY_NAME = {
    "expression.py": {"ast", "difflib", "importlib", "inspect"},  # reads text, finds a factory
    "pickling.py": {"copyreg", "io", "pickle"},  # bytes in memory
    "digest.py": {"copyreg", "random"},  # for the type of a generator that a model holds
    "variable_random.py": {"statistics"},  # the normal distribution's inverse, of a number given
}
"""Exceptions, each for a reason."""

EFFECTS = {
    *("open", "print", "input", "exec", "eval", "compile", "breakpoint", "__import__"),
    *("now", "utcnow", "today", "fromtimestamp", "default_rng", "getrandbits", "urandom"),
    *("read_text", "read_bytes", "write_text", "write_bytes"),
}
VERSION = "__version__"
LAYERS: dict[str, set[str]] = {
    "engine": {"engine", "errors", "messages"},
    "errors": set(),
    "messages": {"engine", "errors"},
    "settings": {"settings", "engine", "errors"},
    "logs": {"settings", "errors"},
    "simulate": {"simulate", "engine", "errors", "messages", "settings"},
    "service": {"service", "engine", "errors", "messages", "settings", "logs", VERSION},
    "desk": {"desk", "service", "simulate", "engine", "errors", "messages", "settings", "logs", VERSION},
    "contracts": {"contracts", "service", "engine", "messages", "settings", VERSION},
    "demo": {
        "demo",
        "desk",
        "service",
        "simulate",
        "engine",
        "errors",
        "messages",
        "settings",
        "logs",
        VERSION,
    },
    "cli": {
        "cli",
        "contracts",
        "demo",
        "desk",
        "service",
        "simulate",
        "engine",
        "errors",
        "messages",
        "settings",
        "logs",
        VERSION,
    },
    "__main__": {"cli"},
    "__init__": set(),
}
"""Part of the package to the parts it may import."""

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
every_engine_file = pytest.mark.parametrize("file", ENGINE, ids=lambda file: str(file.relative_to(PACKAGE)))


def imports(file: Path) -> Iterator[str]:
    """The full name of everything imported, wherever in the file it is."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def lies_in(name: str, parts: set[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def part_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def test_there_is_something_to_look_at() -> None:
    assert len(ENGINE) > 10
    assert {part_of(file) for file in FILES} <= set(LAYERS)


@every_engine_file
def test_the_engine_imports_nothing_that_does_anything(file: Path) -> None:
    allowed = PURE | BY_NAME.get(file.name, set())
    found = list(imports(file))
    assert not [name for name in found if not lies_in(name, allowed)]
    assert {name.partition(".")[0] for name in found} >= BY_NAME.get(file.name, set())  # no stale exception


@every_engine_file
def test_the_engine_calls_nothing_that_reads_writes_or_knows_the_time(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [getattr(f, "id", None) or getattr(f, "attr", "") for f in calls if not is_regular(f)]
    assert not EFFECTS.intersection(names)


def is_regular(function: ast.expr) -> bool:
    """Whether it is `re.compile`, which compiles no code."""
    return ast.unparse(function) == "re.compile"


@every_engine_file
def test_the_engine_draws_from_no_generator(file: Path) -> None:
    """Of the module `random` only the type `Random` may be named; of numpy's, nothing."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            text = ast.unparse(node)
            assert not text.startswith(("np.random", "numpy.random"))
            assert not text.startswith("random.") or text == "random.Random"


@every_file
def test_imports_point_one_way(file: Path) -> None:
    own = {name for name in imports(file) if lies_in(name, {"stream_al"})}
    parts = {name.removeprefix("stream_al").removeprefix(".") for name in own}
    assert not {part for part in parts if not lies_in(part, LAYERS[part_of(file)])}


@every_file
def test_only_the_kafka_layer_knows_the_client(file: Path) -> None:
    """So every rule above it runs without a broker, and another client is one folder."""
    if not file.is_relative_to(PACKAGE / "service" / "broker" / "kafka"):
        assert not [name for name in imports(file) if lies_in(name, {"aiokafka"})]


@every_engine_file
def test_what_the_walk_looks_for_it_finds(file: Path) -> None:
    """Every engine file imports something, so an empty list would mean that the walk is blind."""
    has_code = len(ast.parse(file.read_text(encoding="utf-8")).body) > 1
    assert list(imports(file)) or not has_code
