"""Every command in every document is one that its program takes; nothing is run here but `--help`."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from typer.main import get_command

from stream_al.cli import cli
from stream_al.settings import describe, load
from tests.documents.curl import request
from tests.documents.markdown import ROOT, ROUTES, blocks, commands, every_document, quoted, shown_files
from tests.support.replica import DEADLINE_SECONDS

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
FILE = "STREAM_AL_CONFIG"
VARIABLES = {FILE, *(row.environment for row in describe())}


@every_document
def test_every_command_is_one_that_its_program_takes(document: Path) -> None:
    for block in blocks(document, "sh"):
        check(commands(block.text))
    check(shlex.split(text) for text in quoted(document) if is_command(text))


@every_document
def test_every_option_that_is_named_alone_is_one_that_a_program_takes(document: Path) -> None:
    """A program of ours, or one that the document calls."""
    known = set(options(get_command(cli)))
    for block in blocks(document, "sh"):
        for program, *arguments in commands(block.text):
            with_options = any(word.startswith("--") for word in arguments)
            if Path(program).name == "python" and with_options and (ours := script(arguments)):
                known |= offered(ours)
    for text in quoted(document):
        if text.startswith("--"):
            assert set(re.findall(r"--[a-z-]+", text)) <= known, text


def options(command: Any) -> Iterator[str]:
    for option in command.params:
        yield from (*option.opts, *option.secondary_opts)
    for inner in getattr(command, "commands", {}).values():
        yield from options(inner)


def check(found: Iterable[list[str]]) -> None:
    environ: dict[str, str] = {}
    for program, *arguments in found:
        match Path(program).name:
            case "export":
                environ |= exported(arguments)
            case "stream-al":
                stream_al(arguments, environ)
            case name:
                CHECKS[name](arguments)


def is_command(text: str) -> bool:
    """Whether what stands in backticks is a whole command."""
    return bool(re.match(r"(stream-al|python -m|pip install) ", text))


def exported(arguments: list[str]) -> dict[str, str]:
    """The settings that are exported; what another program is to print is as long as a key."""
    pairs = (word.partition("=") for word in arguments if word.startswith("STREAM_AL_"))
    found = {name: re.sub(r"\$\(.*", 2 * name, value) for name, _, value in pairs}
    assert found.keys() <= VARIABLES
    return {name: value for name, value in found.items() if name != FILE}


def stream_al(arguments: list[str], environ: dict[str, str]) -> None:
    command: Any = get_command(cli)
    while hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
    given = command.make_context(command.name, [word for word in arguments if word != ">"]).params
    load(overrides=given.get("overrides") or [], environ=environ)


def python(arguments: list[str]) -> None:
    if ours := script(arguments):
        used = {word for word in arguments if word.startswith("--")}
        assert not used or used <= offered(ours), (ours, used)
        return
    module, *rest = arguments[1:]
    if module == "pip":
        pip(rest)
    elif module == "pytest":
        values = {*after("-n", rest), *after("-m", rest), *after("-k", rest)}
        paths = [word for word in rest if not word.startswith("-") and word not in values]
        assert all((ROOT / path).exists() for path in paths), rest


def script(arguments: list[str]) -> tuple[str, ...] | None:
    """The script of ours that Python is to run: a file, or a module after -m."""
    first, *rest = arguments
    if first in shown_files():
        return None
    if first != "-m":
        assert (ROOT / first).is_file(), first
        return (first,)
    if rest[0] in ("pip", "pytest", "venv"):
        return None
    assert find_spec(rest[0]), rest[0]
    return (first, rest[0])


def pip(arguments: list[str]) -> None:
    for word in arguments:
        if word.startswith("."):
            assert set(word.strip(".[]").split(",")) <= EXTRAS.keys(), word


@cache
def offered(program: tuple[str, ...]) -> set[str]:
    done = subprocess.run(  # noqa: S603 - our own scripts
        [sys.executable, *program, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    return set(re.findall(r"--[\w-]+", done.stdout))


def curl(arguments: list[str]) -> None:
    asked = request(arguments)
    assert asked.method.lower() in ROUTES[asked.path], arguments
    assert asked.body is None or json.loads(asked.body)


def kubectl(arguments: list[str]) -> None:
    for path in after("-k", arguments):
        assert (ROOT / path / "kustomization.yaml").is_file(), path


def docker(arguments: list[str]) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    profiles = {name for service in services.values() for name in service.get("profiles", [])}
    assert set(after("--profile", arguments)) <= profiles


def after(option: str, arguments: list[str]) -> list[str]:
    return [value for name, value in pairwise(arguments) if name == option]


def first_is_there(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).exists(), arguments


def promtool(arguments: list[str]) -> None:
    assert (ROOT / "deploy" / "prometheus" / arguments[-1]).is_file(), arguments


def nothing_to_check(arguments: list[str]) -> None:
    """A program of others, with words of others."""


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "python": python,
    "python3": python,
    "pip": pip,
    "curl": curl,
    "kubectl": kubectl,
    "docker": docker,
    "cp": first_is_there,
    "cd": first_is_there,
    "promtool": promtool,
    "pip-audit": nothing_to_check,
}
"""What is checked of a command, by the name of its program; no other program belongs into a document."""
