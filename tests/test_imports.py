"""Which part of the package may import which, tested by walking all imports.

Each part of the package has a level, and imports from its own part and from lower levels only:

    errors, malformed, terminal < checks, identity, times < json_records < class_names < messages
    < replica_messages, client < engine < settings < datasets, invocation, logs < simulate, service
    < contracts, label_studio < demo < cli

No module imports itself through others: there is no circle.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stream_al"
FILES = sorted(PACKAGE.rglob("*.py"))
ENGINE = [file for file in FILES if file.is_relative_to(PACKAGE / "engine")]

PURE = {
    *("__future__", "abc", "ast", "base64", "bisect", "collections", "contextlib", "copyreg", "dataclasses"),
    *("difflib", "enum", "fnmatch", "fractions", "functools", "hashlib", "heapq", "inspect", "itertools"),
    "json",
    *("math", "numbers", "operator", "pickle", "re", "statistics", "struct", "sys", "types", "typing"),
    *("msgspec", "numpy", "river"),
    *("stream_al.engine", "stream_al.checks", "stream_al.errors", "stream_al.identity", "stream_al.messages"),
    *("stream_al.class_names", "stream_al.json_records", "stream_al.replica_messages", "stream_al.times"),
    "stream_al.terminal",
}
"""What the engine may import: nothing here reads, writes, waits, logs, or knows the time."""

PURE_PARTS = {
    # Dates that stand in features are read; what tells the time of now is not named here.
    "datetime": {"UTC", "date", "datetime", "fromisoformat"},
    "importlib": {"import_module"},  # finds a factory that the user names
    "io": {"BytesIO"},  # bytes in memory
    "random": {"Random"},  # the type of a generator that a model holds; the engine draws from none
}
"""Of these modules the engine may use the named parts and nothing else."""

EFFECTS = {
    *("open", "print", "input", "exec", "eval", "compile", "breakpoint", "__import__"),
    *("now", "utcnow", "today", "fromtimestamp", "default_rng", "getrandbits", "urandom"),
    *("read_text", "read_bytes", "write_text", "write_bytes"),
}
LEVELS = (
    {"errors", "malformed", "terminal"},
    {"checks", "identity", "times"},
    {"json_records"},
    {"class_names"},
    {"messages"},
    {"replica_messages", "client"},
    {"engine"},
    {"settings"},
    {"datasets", "invocation", "logs"},
    {"simulate", "service"},
    {"contracts", "label_studio"},
    {"demo"},
    {"cli"},
    {"__main__"},
)
"""The parts of the package, lowest first."""

LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
every_engine_file = pytest.mark.parametrize("file", ENGINE, ids=lambda file: str(file.relative_to(PACKAGE)))


def imports(file: Path) -> Iterator[str]:
    """The full names of all imports of a file, those inside functions too."""
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


def test_every_part_of_the_package_has_a_level_and_every_level_has_its_parts() -> None:
    assert len(ENGINE) > 10
    assert {part_of(file) for file in FILES} - {"__init__"} == LEVEL.keys()


@every_engine_file
def test_the_engine_imports_nothing_that_does_anything(file: Path) -> None:
    found = list(imports(file))
    assert not [name for name in found if not lies_in(name, PURE | PURE_PARTS.keys())]
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    renamed = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names if a.asname}
    assert not renamed & PURE_PARTS.keys()
    used = [ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)]
    for module, parts in PURE_PARTS.items():
        named = {name.split(".")[1] for name in [*found, *used] if name.startswith(f"{module}.")}
        assert named <= parts


@every_engine_file
def test_the_engine_calls_nothing_that_reads_writes_or_knows_the_time(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [getattr(f, "id", None) or getattr(f, "attr", "") for f in calls if not is_regular(f)]
    assert not EFFECTS.intersection(names)


def is_regular(function: ast.expr) -> bool:
    """Whether a call is `re.compile`, which compiles no code."""
    return ast.unparse(function) == "re.compile"


@every_engine_file
def test_the_engine_draws_from_no_generator_of_numpy(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            assert not ast.unparse(node).startswith(("np.random", "numpy.random"))


@every_file
def test_imports_point_downwards(file: Path) -> None:
    own = part_of(file)
    found = {name.split(".")[1] for name in imports(file) if lies_in(name, {"stream_al"}) and "." in name}
    found = {part for part in found - {own} if part in LEVEL}  # what is in no part is in the package itself
    assert not {part for part in found if own == "__init__" or LEVEL[part] >= LEVEL[own]}


def test_a_client_needs_nothing_of_the_service() -> None:
    """So it loads in a moment, and no change of the service breaks it but one of the messages."""
    small = {f"stream_al.{part}" for part in ("client", "errors", "terminal", "messages")}
    for file in (file for file in FILES if part_of(file) == "client"):
        assert not [
            name for name in imports(file) if lies_in(name, {"stream_al"}) and not lies_in(name, small)
        ]
    named = {part_of(file) for file in FILES for name in imports(file) if lies_in(name, {"stream_al.client"})}
    assert named <= {"client", "demo", "cli"}


def test_no_module_imports_itself_through_others() -> None:
    """The graph of all imports, those inside functions and for type checkers alone too, has no circle."""
    modules = {module_of(file): file for file in FILES}
    needs = {name: {n for n in map(known(modules), imports(file)) if n} for name, file in modules.items()}
    TopologicalSorter(
        {name: needed - {name} for name, needed in needs.items()}
    ).prepare()  # raises CycleError


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def known(modules: Mapping[str, Path]) -> Callable[[str], str | None]:
    """Gives the module that an imported name lies in; None if it is not one of ours."""
    return lambda name: (
        name
        if name in modules
        else next((above for above in [name.rpartition(".")[0]] if above in modules), None)
    )


@every_file
def test_only_the_kafka_layer_knows_the_client(file: Path) -> None:
    """So every rule above it is tested without a broker, and another client changes one folder only."""
    if not file.is_relative_to(PACKAGE / "service" / "broker" / "kafka"):
        assert not [name for name in imports(file) if lies_in(name, {"aiokafka"})]


@every_file
def test_only_the_clock_of_the_service_reads_the_time(file: Path) -> None:
    """So a simulation sets the time and the jitter of every part by handing in another clock."""
    if file.is_relative_to(PACKAGE / "service") and file != PACKAGE / "service" / "timing" / "clock.py":
        assert not [name for name in imports(file) if lies_in(name, {"time", "random"})]


@every_engine_file
def test_the_walk_finds_the_imports_of_every_file_that_has_code(file: Path) -> None:
    """An empty list would mean that the walk finds nothing, because every engine file imports something."""
    has_code = len(ast.parse(file.read_text(encoding="utf-8")).body) > 1
    assert list(imports(file)) or not has_code


TESTS = sorted(Path(__file__).parent.rglob("*.py"))
every_file_of_the_tests = pytest.mark.parametrize(
    "file", TESTS, ids=lambda file: str(file.relative_to(PACKAGE.parent))
)


@every_file_of_the_tests
def test_no_file_imports_a_file_of_tests(file: Path) -> None:
    """What several test files need lies beside them or in `tests/support`.

    Code that a test gives to another process counts as well; there a file may name itself.
    """
    text = file.read_text(encoding="utf-8")
    named = {part for name in imports(file) if lies_in(name, {"tests"}) for part in name.split(".")}
    named |= set(re.findall(r"(?:from|import) tests\.[\w.]*\b(test_\w+|conftest)\b", text))
    assert not {name for name in named - {file.stem} if name.startswith(("test_", "conftest"))}
