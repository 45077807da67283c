"""The help of every command: what a new user reads first."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from stream_al.cli import cli
from stream_al.cli.examples import EXAMPLES
from stream_al.settings import describe

NO_RESULTS = {
    *("serve", "label-studio"),  # they run until they are ended
    *("config reference", "contracts show"),  # what they print has a form of its own
    "examples export",  # its option --format says which form
}
"""Commands without `--json`."""


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its name, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} ")
        else:
            yield before + name, command


COMMANDS = dict(commands(get_command(cli)))
every_command = pytest.mark.parametrize("name", COMMANDS)


@every_command
def test_the_help_of_every_command_has_a_sentence_and_an_example(name: str) -> None:
    shown = CliRunner().invoke(cli, [*name.split(), "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert COMMANDS[name].help.partition("\n")[0].endswith(".")
    assert all(line in shown.output for line in EXAMPLES[name])


@every_command
def test_every_example_is_one_that_the_command_takes(name: str) -> None:
    for example in EXAMPLES[name]:
        program, *words = shlex.split(example.partition(" > ")[0])
        assert (program, words[: len(name.split())]) == ("stream-al", name.split())
        COMMANDS[name].make_context(name, words[len(name.split()) :])  # raises where it does not


@every_command
def test_every_option_is_described(name: str) -> None:
    described = {one.name: getattr(one, "help", None) for one in COMMANDS[name].params}
    assert all(described.values()), described


@every_command
def test_every_setting_that_a_help_names_exists(name: str) -> None:
    command, settings = COMMANDS[name], {row.path for row in describe()}
    sections = {path.partition(".")[0] for path in settings if "." in path}
    text = " ".join([command.help, *(getattr(one, "help", None) or "" for one in command.params)])
    named = set(re.findall(rf"\b(?:{'|'.join(sections)})(?:\.[a-z_]+)+", text))
    assert named <= settings


@every_command
def test_what_prints_results_prints_them_as_json_too(name: str) -> None:
    options = {option for one in COMMANDS[name].params for option in one.opts}
    assert ("--json" in options) == (name not in NO_RESULTS)


def test_no_example_is_left_of_a_command_that_is_gone() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys()


def test_the_settings_are_found_valid_as_json() -> None:
    shown = CliRunner().invoke(cli, ["config", "check", "--json", "--set", "model.definition=mine:build"])
    assert shown.output == '{"valid": true, "not_run": ["mine:build"]}\n'


def test_the_offsets_that_are_reset_are_printed_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_al.cli.records.run", lambda given, work: {0: 5, 1: 7})
    shown = CliRunner().invoke(cli, ["offsets", "reset", "--to", "latest", "--json"])
    assert shown.output == '{"topic": "samples", "offsets": {"0": 5, "1": 7}}\n'


def test_the_contracts_that_are_written_are_listed_as_json(tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["contracts", "write", str(tmp_path), "--json"])
    written = json.loads(shown.output)["written"]
    assert sorted(map(Path, written)) == sorted(file for file in tmp_path.rglob("*") if file.is_file())
