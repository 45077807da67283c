"""docker-compose.yml, as far as it can be proven without a container engine: read as Compose reads it."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from stream_al import __version__, settings
from stream_al.cli import cli
from stream_al.datasets.rows import Row
from stream_al.demo.generator import main, play
from stream_al.errors import Misconfigured
from stream_al.messages import Label, ModelStamp, Prediction, Query, decode, encode
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.broker.topics import required_topics
from stream_al.settings.tokens import of_text
from stream_al.simulate.stream import BUNDLED
from tests.deploy.compose import (
    EXAMPLE,
    FILE,
    OURS,
    PUBLISHED,
    REPLICAS,
    ROOT,
    SERVICES,
    TEXT,
    VARIABLE,
    compose,
    environ,
    variables,
)
from tests.label_studio.server import LABEL_STUDIO_VERSION
from tests.support.memory_broker import MemoryBroker
from tests.support.memory_client import MemoryClient
from tests.support.replica import DEADLINE_SECONDS


def every(services: dict[str, dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", services)


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in service.get("volumes", ()):
        source, target, *_ = volume.split(":")
        yield source, target


@every(SERVICES)
def test_every_mount_exists(name: str) -> None:
    """For a path that does not exist Compose would create an empty directory."""
    for source, target in mounts(SERVICES[name]):
        assert (ROOT / source).exists() if source.startswith("./") else source in FILE["volumes"]
        assert target.startswith("/")


def test_every_volume_is_used() -> None:
    assert set(FILE["volumes"]) == {s for given in SERVICES.values() for s, _ in mounts(given) if s[0] != "."}


@every(SERVICES)
def test_every_image_is_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    assert name not in OURS or tag == __version__
    assert ("build" in SERVICES[name]) is (image == "stream-al")


def test_our_image_is_built_from_our_dockerfile() -> None:
    for service in OURS.values():
        assert (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@every(SERVICES)
def test_every_condition_that_a_service_waits_for_can_be_met(name: str) -> None:
    """A condition that no health check and no end can meet would be waited for without end."""
    for other, given in SERVICES[name].get("depends_on", {}).items():
        target = SERVICES[other]
        assert target.get("profiles") in (None, SERVICES[name].get("profiles"))
        if given["condition"] == "service_healthy":
            assert target["healthcheck"]["test"]
        else:
            assert given["condition"] == "service_completed_successfully"
            assert "restart" not in target


@every(SERVICES)
def test_a_service_that_stays_is_checked_and_restarted(name: str) -> None:
    """The image itself checks our services; those that end are not checked."""
    given = SERVICES[name]
    stays = given.get("restart") == "unless-stopped"
    assert stays is (name not in {"topics", "demo"})
    checked = name in REPLICAS or "test" in given.get("healthcheck", {})
    assert checked is stays


@every(SERVICES)
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_no_two_services_take_the_same_port() -> None:
    ports = [port.split(":")[1] for given in SERVICES.values() for port in given.get("ports", ())]
    assert len(ports) == len(set(ports))


def test_passwords_and_tokens_come_from_the_environment_and_the_example_gives_all() -> None:
    secret = re.compile(r"\s*\w*(PASSWORD|TOKENS|(?<!_API)_TOKEN|SECRET|__KEY|(?<!STUDIO_)USERNAME)\w*: (.*)")
    lines = [found for line in TEXT.splitlines() if (found := secret.fullmatch(line))]
    assert lines
    for found in lines:
        assert VARIABLE.fullmatch(found[2]), found[0]
    assert {found[1] for found in VARIABLE.finditer(TEXT)} == set(EXAMPLE)


@pytest.mark.parametrize("missing", [found[1] for found in VARIABLE.finditer(TEXT) if found[2] == "?"])
def test_without_its_secrets_compose_says_what_to_do(missing: str) -> None:
    with pytest.raises(AssertionError, match=r"write \.env as \.env\.example says"):
        compose({name: value for name, value in EXAMPLE.items() if name != missing})


def test_the_tokens_of_the_example_are_refused() -> None:
    """They are published, so nobody may use them."""
    published = compose(PUBLISHED)["services"]
    for name in REPLICAS:
        with pytest.raises(Misconfigured) as caught:
            settings.load(environ=environ(published[name]))
        refused = [mistake.partition(":")[0] for mistake in caught.value.mistakes]
        assert refused == ["http.label_tokens", "http.admin_tokens"]
    secrets = [value.rpartition(":")[2] for value in PUBLISHED.values()]
    assert set(secrets) == {"REPLACE"}


def test_the_command_of_the_example_makes_an_environment_that_is_accepted(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    (command,) = re.findall(r"^#   (\(umask .*)$", text, re.MULTILINE)
    (tmp_path / ".env.example").write_text(text, encoding="utf-8")
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)  # noqa: S603, S607 - our own words
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    made = variables((tmp_path / ".env").read_text(encoding="utf-8"))
    assert set(made) == set(PUBLISHED)
    assert len({value.rpartition(":")[2] for value in made.values()}) == len(made)
    for name in REPLICAS:
        settings.load(environ=environ(compose(made)["services"][name]))


@every(OURS)
def test_the_environment_is_accepted_by_the_settings(name: str) -> None:
    given = settings.load(environ=environ(OURS[name]))
    kafka = environ(SERVICES["kafka"])
    assert f"//{given.kafka.bootstrap_servers}," in kafka["KAFKA_ADVERTISED_LISTENERS"]


def test_the_broker_has_the_version_that_the_tests_use() -> None:
    pom = (ROOT / "tests" / "broker" / "pom.xml").read_text(encoding="utf-8")
    (tested,) = re.findall(r"<kafka\.version>(.*)</kafka\.version>", pom)
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{tested}"


def test_label_studio_has_the_version_that_the_tests_use_and_the_bridge_its_address() -> None:
    studio, bridge = SERVICES["label-studio"], SERVICES["label-studio-bridge"]
    assert studio["image"] == f"heartexlabs/label-studio:{LABEL_STUDIO_VERSION}"
    given = settings.load(environ=environ(bridge)).label_studio
    assert given.url == "http://label-studio:8080"
    assert given.token is not None
    assert given.token.get_secret_value() == environ(studio)["LABEL_STUDIO_USER_TOKEN"]
    (alias,) = bridge["networks"]["default"]["aliases"]
    assert given.webhook_url == f"http://{alias}:{given.port}/webhook"


def test_our_services_use_the_same_topics_and_the_same_broker() -> None:
    """Otherwise the replicas would find other partitions than those that were created."""
    given = [settings.load(environ=environ(service)) for service in OURS.values()]
    assert len({repr((one.kafka, one.topics, one.application)) for one in given}) == 1
    assert all(topic.replication_factor == 1 for topic in required_topics(given[0]))  # there is one broker


def test_replicas_listen_on_all_addresses_only_with_tokens() -> None:
    for service in REPLICAS.values():
        given = settings.load(environ=environ(service)).http
        assert given.host == "0.0.0.0"  # noqa: S104 - in the container
        assert not given.open
        assert given.admin_tokens
        assert of_text("admin", given.admin_tokens.get_secret_value())
        without = {k: v for k, v in environ(service).items() if "TOKENS" not in k}
        with pytest.raises(Misconfigured):
            settings.load(environ=without)


def test_replicas_are_those_that_prometheus_scrapes_and_keep_their_own_snapshots() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    scrape, bridge = config["scrape_configs"]
    (found,) = bridge["dns_sd_configs"]
    assert (found["names"], found["port"]) == (
        ["label-studio-bridge"],
        settings.load(environ={}).label_studio.port,
    )
    assert SERVICES["label-studio-bridge"]
    (targets,) = scrape["static_configs"]
    ports = {f"{name}:{settings.load(environ=environ(given)).http.port}" for name, given in REPLICAS.items()}
    assert set(targets["targets"]) == ports
    if "authorization" not in scrape:
        assert all(settings.load(environ=environ(given)).http.open_metrics for given in REPLICAS.values())
    assert scrape["job_name"] == settings.load(environ={}).application
    sources = [source for given in REPLICAS.values() for source, _ in mounts(given)]
    assert len(sources) == len(set(sources)) == len(REPLICAS)


def test_prometheus_and_grafana_find_their_files_where_they_look() -> None:
    prometheus = {target: source for source, target in mounts(SERVICES["prometheus"])}
    config = yaml.safe_load((ROOT / prometheus["/etc/prometheus/prometheus.yml"]).read_text(encoding="utf-8"))
    for rules in config["rule_files"]:
        assert (ROOT / prometheus[f"/etc/prometheus/{rules}"]).is_file()
    grafana = {target: source for source, target in mounts(SERVICES["grafana"])}
    provisioning = ROOT / grafana["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/stream_al.yml").read_text())["providers"]
    assert any(target.startswith(provider["options"]["path"] + "/") for target in grafana)
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"].strip("${}") in environ(SERVICES["grafana"])


@every(OURS)
def test_our_services_have_no_rights_and_a_read_only_filesystem(name: str) -> None:
    given = OURS[name]
    assert given["read_only"] is True
    assert given["cap_drop"] == ["ALL"]
    assert given["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "user", "cap_add"} & set(given)


def test_a_replica_has_more_time_to_stop_than_it_takes() -> None:
    for service in REPLICAS.values():
        stop = settings.load(environ=environ(service)).limits.stop_seconds
        assert float(service["stop_grace_period"].removesuffix("s")) > stop


def test_commands_exist() -> None:
    for service in OURS.values():
        if "entrypoint" not in service:
            done = CliRunner().invoke(cli, [*service.get("command", ["serve"]), "--help"])
            assert done.exit_code == 0, done.output


def test_the_demo_plays_a_stream_that_comes_with_river() -> None:
    """Its options are read by the program itself, and its stream is one that needs no download."""
    assert OURS["demo"]["entrypoint"] == ["python", "-m", main.__module__]
    program = typer.Typer()
    program.command()(main)
    arguments = OURS["demo"]["command"]
    assert CliRunner().invoke(program, [*arguments, "--help"]).exit_code == 0
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert options["--stream"] in BUNDLED


async def test_the_generator_sends_the_whole_stream_and_labels_queries_until_it_is_stopped() -> None:
    """A query that comes after the last sample is labelled as well."""
    given, broker = settings.load(environ={}), MemoryBroker()
    log = MemoryClient(broker)
    await log.create_topics(required_topics(given))
    recorded = [Row({"x": float(k)}, "even" if k % 2 == 0 else "odd") for k in range(1, 8)]
    playing = asyncio.create_task(play(given, recorded, 1000.0, 0.0, log))

    def held(topic: str) -> list[bytes]:
        return [record.value or b"" for part in broker.topics[topic] for record in part.records]

    async def until(topic: str, number: int) -> None:
        # The player runs on the same loop, and knows nothing of who waits for it.
        while len(held(topic)) < number and not playing.done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async with asyncio.timeout(DEADLINE_SECONDS):
        await until(given.topics.samples, 7)
        for asked in ("4", "7"):
            broker.append(Outgoing(given.topics.queries, asked.encode(), encode(query(asked))))
        await until(given.topics.labels, 2)
    playing.cancel()
    with suppress(asyncio.CancelledError):
        await playing
    sent = [json.loads(value) for value in held(given.topics.samples)]
    assert {sample["id"]: sample["features"]["x"] for sample in sent} == {str(k): k for k in range(1, 8)}
    labels = [decode(Label, value, max_bytes=1000) for value in held(given.topics.labels)]
    assert {label.id: label.label for label in labels} == {"4": "even", "7": "odd"}


def query(sample_id: str) -> Query:
    stamp, time = ModelStamp("model", "v", 0), "2026-01-01T00:00:00Z"
    return Query(
        sample_id, {}, Prediction(None, {}), 1.0, 0.5, 0.1, "explore", "margin", stamp, time, time, time
    )
