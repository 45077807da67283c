"""The contracts in `deploy` are what the code makes, and what the code does."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from stream_al import contracts
from stream_al.cli import main
from stream_al.contracts.schemas import SCHEMAS
from stream_al.service.broker.topics import required_topics
from stream_al.settings import load

DEPLOY = Path(__file__).parents[2] / "deploy"
OFFICIAL = Path(__file__).with_name("asyncapi") / "asyncapi-3.0.0.json.gz"
"""AsyncAPI's own JSON Schema, unchanged, of @asyncapi/specs 6.11.1; its licence and notice lie beside it."""

COMMITTED = ["topics.predictions=predictions"]
"""The settings that the committed files are made with: the defaults, and the topic that they leave out."""


def made(*overrides: str) -> dict[str, Any]:
    """The AsyncAPI document as it is read from its file."""
    document: dict[str, Any] = yaml.safe_load(contracts.show("asyncapi", load(None, list(overrides), {})))
    return document


def test_the_files_are_what_the_code_makes() -> None:
    """Else run `stream-al contracts write deploy --set topics.predictions=predictions`."""
    wanted = contracts.files(load(None, COMMITTED, {}))
    assert {path: (DEPLOY / path).read_text(encoding="utf-8") for path in wanted} == wanted
    assert {f"schemas/{path.name}" for path in (DEPLOY / "schemas").glob("*.json")} <= wanted.keys()


def test_no_name_of_a_schema_tells_in_which_module_the_code_has_it() -> None:
    """Two models of one name would have their modules in their names, and a module may be moved."""
    document = json.loads((DEPLOY / "openapi.json").read_text(encoding="utf-8"))
    assert not [name for name in document["components"]["schemas"] if "__" in name]


SETTINGS = [
    [],
    COMMITTED,
    [
        "topics.samples=bank.transactions",
        "topics.dead_letter_suffix=-dead",
        "topics.partitions=6",
        "kafka.bootstrap_servers=one:9092,two:9092",
        "application=fraud",
    ],
]


@pytest.mark.parametrize("given_", SETTINGS, ids=["default", "committed", "own"])
def test_the_topics_are_described_as_asyncapi_demands(given_: list[str]) -> None:
    """They fit the schema of AsyncAPI, and every reference can be resolved."""
    document = made(*given_)
    official = json.loads(gzip.decompress(OFFICIAL.read_bytes()))
    jsonschema_rs.validator_for(official).validate(document)
    assert not [ref for ref in references(document) if found(document, ref) is None]
    used = {json.dumps(operation["channel"]) for operation in document["operations"].values()}
    assert len(used) == len(document["channels"])


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from references(part)


def found(document: Any, ref: str) -> Any:
    for part in ref.removeprefix("#/").split("/"):
        document = document.get(part) if isinstance(document, dict) else None
    return document


@pytest.mark.parametrize("given_", SETTINGS, ids=["default", "committed", "own"])
def test_every_topic_that_is_created_is_a_channel(given_: list[str]) -> None:
    channels = {channel["address"]: channel for channel in made(*given_)["channels"].values()}
    topics = {topic.name: topic for topic in required_topics(load(None, given_, {}))}
    assert channels.keys() == topics.keys()
    for name, topic in topics.items():
        kafka = channels[name]["bindings"]["kafka"]
        assert (kafka["partitions"], kafka["replicas"]) == (topic.partitions, topic.replication_factor)
        kept = {
            k: ",".join(v) if isinstance(v, list) else str(v) for k, v in kafka["topicConfiguration"].items()
        }
        assert kept == topic.config


def test_the_documents_hold_the_schemas_of_the_files() -> None:
    """They differ only in where the definitions of their parts are."""
    inside = made(*COMMITTED)["components"]["schemas"]
    for schema in SCHEMAS.values():
        alone = json.loads(json.dumps(schema).replace("#/$defs/", "#/components/schemas/"))
        parts = alone.pop("$defs", {})
        alone.pop("$schema")
        assert inside[alone["title"]] == alone
        assert {name: inside[name] for name in parts} == parts


def test_the_description_of_http_does_not_depend_on_the_settings() -> None:
    plain, other = (contracts.openapi(load(None, given_, {})) for given_ in (SETTINGS[0], SETTINGS[2]))
    assert plain == other
    assert json.dumps(plain) == json.dumps(plain, sort_keys=True)
    assert not [ref for ref in references(plain) if found(plain, ref) is None]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `stream-al contracts`; its exit code."""

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["stream-al", "contracts", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    return run


SET = ("--set", COMMITTED[0])


def test_the_command_writes_the_files(command: Any, tmp_path: Path) -> None:
    assert command("write", str(tmp_path / "new"), *SET) == 0
    written = {p.relative_to(tmp_path / "new"): p.read_text() for p in tmp_path.rglob("*") if p.is_file()}
    assert written == {Path(k): text for k, text in contracts.files(load(None, COMMITTED, {})).items()}


@pytest.mark.parametrize("name", contracts.NAMES)
def test_the_command_shows_each(command: Any, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert command("show", name, *SET) == 0
    (path,) = [p for p in (*DEPLOY.glob("*.*"), *(DEPLOY / "schemas").iterdir()) if p.stem == name]
    assert capsys.readouterr().out == path.read_text(encoding="utf-8")


def test_the_command_names_the_contracts_and_refuses_a_file_as_a_directory(
    command: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command("show", "nothing") == 2
    assert "asyncapi" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert command("write", str(tmp_path / "file")) == 2
    assert "name another directory" in capsys.readouterr().err
