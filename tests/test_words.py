"""The words and the sizes of the project.

Some words are ruled out, because a standard term has their place. The tests look for them in every document,
in every sentence of the code, and among the names of the code. Where another meaning of a word is right, the
file is listed with the reason. Modules, functions and folders have a largest size.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [ROOT / name for name in ("stream_al", "tests", "deploy")]
CODE = sorted(file for room in ROOMS for file in room.rglob("*.py"))
SCRIPTS = sorted((ROOT / "stream_al" / "desk").glob("*.js"))
TEXT = {".md", ".yml", ".yaml", ".json", ".toml", ".js", ".html", ".css"}
NAMES = {".env.example", "Dockerfile", "run"}
DOCUMENTS = sorted(
    file
    for folder, pattern in [(ROOT, "*"), (ROOT / ".ci", "*"), *((room, "**/*") for room in ROOMS)]
    for file in folder.glob(pattern)
    if file.is_file() and (file.suffix in TEXT or file.name in NAMES)
)

MOST_LINES = 400
MOST_LINES_A_FUNCTION = 90
MOST_FILES_A_FOLDER = 20

LABEL = re.compile("answer", re.IGNORECASE)
"""An annotator gives a label. What a server returns is a response."""

OTHER_MEANINGS = {
    "tests/test_words.py": "It names the words that are ruled out.",
}
"""File to the reason why the word may stand there."""

RULED_OUT = {
    "anatomy": "introspection",
    "Beliefs": "Predictions",
    "believe": "predict_proba_many",
    "bury": "to_dead_letter",
    "give_way": "yield_to_loop",
    "hypotheses": "lookahead",
    "look_at": "score",
    "masses": "scores",
    "outlook": "recent_predictions",
    "set_out": "reset_watchdog",
    "Sight": "Candidate",
    "Sights": "Candidates",
    "Situation": "Context",
    "soundness": "validation",
    "stands_under": "is_consistent_with",
    "surroundings": "reference_set",
    "twins": "counterfactuals",
    "whither": "topic_partition",
    "_forsaken": "_orphaned",
}
"""A name that may not stand anywhere in the code, and the term in its place."""

NOT_DEFINED = {
    "apart": "run_in_thread",
    "complaint": "problem_with",
    "Draft": "BatchDecision",
    "Fold": "Replay",
    "Held": "PartitionState",
    "Learning": "LocalModel",
    "Log": "Broker, or LoggingSettings",
    "look": "score",
    "Rival": "Baseline",
    "standing": "percentile_rank",
    "stretch": "chunk",
    "Twin": "Replay",
    "turns": "time_slices",
    "voided": "excluded",
    "Walk": "Session",
}
"""A name that no class, function or module may have, and the term in its place."""

NO_NOUNS = {"describing", "running", "showing", "reading", "changing", "operating", "crashing"}
"""Names of modules that are no nouns, and so hide what is in the module."""


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def defined(tree: ast.Module) -> Iterator[str]:
    """The names of the classes and functions of a module."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    yield from (node.name for node in ast.walk(tree) if isinstance(node, kinds))


def named(tree: ast.Module) -> Iterator[str]:
    """Every name in a module: defined, imported, assigned, taken as an argument or an attribute."""
    yield from defined(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.keyword(arg=str(name)):
                yield name
            case ast.alias(name=name, asname=other):
                yield from (*name.split("."), other or "")
            case ast.ImportFrom(module=str(name)):
                yield from name.split(".")
            case _:
                pass


every_file = pytest.mark.parametrize("file", CODE, ids=relative)


def test_the_walk_finds_code_and_documents() -> None:
    assert len(CODE) > 200
    assert len(DOCUMENTS) > 10


@pytest.mark.parametrize("file", [*CODE, *DOCUMENTS], ids=relative)
def test_an_annotator_gives_a_label(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [f"{number}: {line.strip()}" for number, line in enumerate(lines, 1) if LABEL.search(line)]
    if relative(file) in OTHER_MEANINGS:
        assert found, f"{relative(file)} no longer needs its exception"
    else:
        assert not found


@every_file
def test_no_name_is_one_that_was_replaced_by_a_standard_term(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert not {name: RULED_OUT[name] for name in named(tree) if name in RULED_OUT}
    own = {*defined(tree), file.stem}
    assert not {name: NOT_DEFINED[name] for name in own if name in NOT_DEFINED}


@every_file
def test_every_module_is_named_by_a_noun(file: Path) -> None:
    assert file.stem not in NO_NOUNS


@pytest.mark.parametrize("file", [*CODE, *SCRIPTS], ids=relative)
def test_no_module_has_more_than_400_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@every_file
def test_no_function_has_more_than_90_lines(file: Path) -> None:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, kinds):
            assert (node.end_lineno or 0) - node.lineno < MOST_LINES_A_FUNCTION, node.name


def test_no_folder_has_more_than_20_modules() -> None:
    counts = Counter(file.parent for file in CODE if file.name != "__init__.py")
    assert not {relative(folder): n for folder, n in counts.items() if n > MOST_FILES_A_FOLDER}


@pytest.mark.parametrize("text", ["the answer comes", "answered = 1", "onAnswer()", "unanswered"])
def test_the_search_finds_the_word_in_any_form(text: str) -> None:
    """The search sees the word in a sentence, in a name, and in any case."""
    assert LABEL.search(text)


def test_the_search_finds_a_name_in_any_role() -> None:
    """The walk sees names that are defined, imported, called, read as attributes and given as keywords."""
    source = "from a.whither import b\nclass Sight: ...\ndef f(masses): return x.outlook(believe=bury)"
    assert set(named(ast.parse(source))) >= {"whither", "Sight", "masses", "outlook", "believe", "bury"}
    assert set(defined(ast.parse(source))) == {"Sight", "f"}
