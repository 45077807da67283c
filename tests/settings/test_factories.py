"""The laws of factories: to read settings runs no code of theirs, unless it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_al import settings
from stream_al.cli import cli
from stream_al.errors import Misconfigured
from stream_al.settings.runtime_changes import changed

NAME = "factory_that_leaves_a_trace"
GIVEN = f"model.definition={NAME}:build"
COMMITTEE = f"model.committee=[GaussianNB(), '{NAME}:build']"


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that the factory's module writes when it is imported."""
    trace = tmp_path / "trace"
    (tmp_path / f"{NAME}.py").write_text(
        f"from river.naive_bayes import GaussianNB\nopen({str(trace)!r}, 'w').close()\nbuild = GaussianNB\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield trace
    sys.modules.pop(NAME, None)


@pytest.mark.parametrize(
    "written", [[GIVEN], [COMMITTEE], [GIVEN, "strategy=vote_entropy"], [COMMITTEE, "strategy=entropy"]]
)
def test_settings_are_read_without_running_a_factory(trace: Path, written: list[str]) -> None:
    settings.load(overrides=written, environ={})
    assert not trace.exists()


@pytest.mark.parametrize("written", [GIVEN, COMMITTEE])
def test_settings_are_read_with_the_factory_where_that_is_asked_for(trace: Path, written: str) -> None:
    settings.load(overrides=[written], environ={}, imports=True)
    assert trace.exists()


@pytest.mark.parametrize("command", [["config", "show"], ["contracts", "show", "query"]])
def test_a_command_that_needs_no_model_runs_no_factory(trace: Path, command: list[str]) -> None:
    result = CliRunner().invoke(cli, [*command, "--set", GIVEN])
    assert result.exit_code == 0, result.output
    assert not trace.exists()


def test_config_check_runs_a_factory_only_with_import_and_says_so(trace: Path) -> None:
    check = ["config", "check", "--set", GIVEN]
    result = CliRunner().invoke(cli, check)
    assert result.exit_code == 0, result.output
    valid, note = result.output.splitlines()
    assert valid == "the settings are valid"
    assert note.startswith(f"the code of {NAME}:build was not run")
    assert not trace.exists()
    result = CliRunner().invoke(cli, [*check, "--import"])
    assert result.output == "the settings are valid\n"
    assert trace.exists()


def test_without_a_factory_config_check_says_one_line() -> None:
    result = CliRunner().invoke(cli, ["config", "check", "--set", "model.definition=GaussianNB()"])
    assert result.output == "the settings are valid\n"


@pytest.mark.parametrize("path", ["..:x", "a.:b", "1a:b", "a:b.", ":".join(["a" * 10, "9"])])
def test_the_form_of_a_path_is_checked_without_an_import(path: str) -> None:
    with pytest.raises(Misconfigured, match="can name no factory; write it as"):
        settings.load(overrides=[f"model.definition='{path}'"], environ={})


def test_a_committee_has_a_largest_number_of_members() -> None:
    with pytest.raises(Misconfigured, match="20 definitions at most"):
        settings.load(overrides=[f"model.committee=[{', '.join(['GaussianNB()'] * 21)}]"], environ={})


def test_a_running_service_takes_no_definition() -> None:
    """Neither a request nor a record of the control topic can name code."""
    with pytest.raises(Misconfigured, match="cannot be changed while the service runs"):
        changed(settings.Settings(), {}, {"model": {"definition": f"{NAME}:build"}})
