"""Kafka with TLS and logins: what is right connects; what is wrong is refused in one sentence that helps."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stream_al.errors import Misconfigured, Unavailable
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Outgoing, Topic
from stream_al.settings import load
from tests.broker.locked import MECHANISMS, PASSWORD, USER, Locked
from tests.support.world import open_world


@pytest.fixture(autouse=True)
async def _connections_closed() -> AsyncIterator[None]:
    """Wait until every connection is closed: aiokafka does not wait for the refused ones."""
    yield
    loop: Any = asyncio.get_running_loop()
    for _ in range(200):
        if not any(transport._sock for transport in loop._transports.values()):
            break
        await asyncio.sleep(0.01)


def settings(*given: str) -> list[str]:
    return ["limits.deadline_seconds=20", *given]


async def opened(*given: str) -> list[int]:
    """Connect, create a topic, send a record; return the partitions of the topic."""
    kafka = Kafka(load(overrides=settings(*given), environ={}))
    try:
        await kafka.start()
        await kafka.create_topics([Topic("opened", 1, 1, {})])
        await kafka.send([Outgoing("opened", b"k", b"v")])
        return await kafka.connection.partitions("opened")
    finally:
        await kafka.stop(5.0)


async def refused(*given: str) -> str:
    """The sentence of a refusal: one line, and without the password."""
    with pytest.raises(Misconfigured) as caught:
        await opened(*given)
    (sentence,) = caught.value.mistakes
    assert "\n" not in sentence
    assert PASSWORD not in sentence
    return sentence


@pytest.mark.parametrize(
    ("door", "mechanism"), [*(("SECURE", name) for name in MECHANISMS), ("LOGIN", "PLAIN")]
)
async def test_every_mechanism_logs_in(locked: Locked, door: str, mechanism: str) -> None:
    assert await opened(*locked.settings(door, mechanism)) == [0]


async def test_tls_without_a_login_connects(locked: Locked) -> None:
    assert await opened(*locked.settings("TLS")) == [0]


async def test_a_client_certificate_connects_where_the_broker_asks_for_one(locked: Locked) -> None:
    """In one file or two, the key locked or not."""
    together = locked.authority.issue("client", "client.example")
    assert await opened(*locked.settings("MUTUAL"), f"kafka.ssl_certfile={together}") == [0]
    certificate, key = locked.authority.locked("locked", "canary")
    files = [f"kafka.ssl_certfile={certificate}", f"kafka.ssl_keyfile={key}", "kafka.ssl_key_password=canary"]
    assert await opened(*locked.settings("MUTUAL"), *files) == [0]


async def test_the_token_is_read_again_at_every_login(locked: Locked) -> None:
    """A client made with a token that has expired logs in with the one that took its place."""
    stale = locked.token("renewed", life_seconds=-3600)
    given = [*locked.settings("SECURE", "OAUTHBEARER"), f"kafka.sasl_oauth_token_file={stale}"]
    kafka = Kafka(load(overrides=settings(*given), environ={}))
    provider = kafka.connection.options()["sasl_oauth_token_provider"]
    before = await provider.token()
    locked.token("renewed")
    assert await provider.token() != before
    assert await opened(*given) == [0]


@pytest.mark.parametrize("mechanism", MECHANISMS[:3])
async def test_a_wrong_password_is_refused(locked: Locked, mechanism: str) -> None:
    said = await refused(*locked.settings("SECURE", mechanism, "canary-of-another"))
    assert said.startswith("kafka.sasl_password: 127.0.0.1:")
    assert f"refuses the login of {USER} by {mechanism}" in said
    assert "canary" not in said


async def test_an_unknown_user_is_refused(locked: Locked) -> None:
    said = await refused(*locked.settings("SECURE"), "kafka.sasl_username=nobody")
    assert "refuses the login of nobody" in said


async def test_a_missing_user_or_password_is_a_mistake_in_the_settings(locked: Locked) -> None:
    for setting in ("sasl_username", "sasl_password"):
        given = [text for text in locked.settings("SECURE") if setting not in text]
        assert (await refused(*given)).startswith(f"kafka.{setting}: write a value: SASL_SSL logs in with it")


async def test_an_expired_token_is_refused(locked: Locked) -> None:
    stale = locked.token("stale", life_seconds=-3600)
    given = [*locked.settings("SECURE", "OAUTHBEARER"), f"kafka.sasl_oauth_token_file={stale}"]
    said = await refused(*given)
    assert said.startswith("kafka.sasl_oauth_token_file: 127.0.0.1:")
    assert "has not expired" in said
    assert stale.read_text().strip() not in said


async def test_a_certificate_of_an_unknown_authority_is_refused(locked: Locked) -> None:
    """The file that the settings name decides; without one, the authorities of the system do."""
    other = [*locked.settings("SECURE"), f"kafka.ssl_cafile={locked.stranger.certificate}"]
    system = [text for text in locked.settings("SECURE") if "ssl_cafile" not in text]
    for given in (other, system):
        said = await refused(*given)
        assert said.startswith("kafka.ssl_cafile: the certificate of 127.0.0.1:")
        assert "not trusted" in said


async def test_an_expired_certificate_is_refused(locked: Locked) -> None:
    said = await refused(*locked.settings("EXPIRED"))
    assert said.startswith("kafka.bootstrap_servers: the certificate of 127.0.0.1:")
    assert "has expired: renew it" in said


async def test_another_host_name_is_refused_unless_the_settings_allow_it(locked: Locked) -> None:
    given = [*locked.settings("SECURE"), locked.bootstrap("SECURE", "localhost")]
    said = await refused(*given)
    assert said.startswith("kafka.bootstrap_servers: the certificate of localhost:")
    assert "not valid for this name" in said
    assert await opened(*given, "kafka.ssl_check_hostname=false") == [0]


async def test_a_missing_client_certificate_and_one_of_an_unknown_authority_are_refused(
    locked: Locked,
) -> None:
    assert "asks for a certificate" in await refused(*locked.settings("MUTUAL"))
    stranger = locked.stranger.issue("client", "client.example")
    said = await refused(*locked.settings("MUTUAL"), f"kafka.ssl_certfile={stranger}")
    assert said.startswith("kafka.ssl_certfile: ")
    assert "does not accept our certificate" in said


@pytest.mark.parametrize(
    ("door", "protocol", "said"),
    [
        ("TLS", "PLAINTEXT", "speaks TLS: write SSL"),
        ("SECURE", "SASL_PLAINTEXT", "speaks TLS: write SASL_SSL"),
        ("LOGIN", "SASL_SSL", "does not speak TLS"),
        ("LOGIN", "PLAINTEXT", "closes connections without a login: write SASL_PLAINTEXT"),
        ("SECURE", "SSL", "closes connections without a login: write SASL_SSL"),
        ("TLS", "SASL_SSL", "expects no login: write SSL"),
    ],
)
async def test_the_right_protocol_is_named(locked: Locked, door: str, protocol: str, said: str) -> None:
    login = [f"kafka.sasl_username={USER}", f"kafka.sasl_password={PASSWORD}", "kafka.sasl_mechanism=PLAIN"]
    given = [locked.bootstrap(door), f"kafka.security_protocol={protocol}", *login]
    if protocol.endswith("SSL"):
        given.append(f"kafka.ssl_cafile={locked.authority.certificate}")
    sentence = await refused(*given)
    assert sentence.startswith("kafka.security_protocol: 127.0.0.1:")
    assert said in sentence


async def test_a_mechanism_that_the_broker_does_not_offer_is_named(locked: Locked) -> None:
    said = await refused(*locked.settings("LOGIN", "SCRAM-SHA-512"))
    assert said.startswith("kafka.sasl_mechanism: 127.0.0.1:")
    assert "does not offer SCRAM-SHA-512" in said


@pytest.mark.parametrize("setting", ["ssl_cafile", "ssl_certfile", "ssl_keyfile"])
async def test_a_file_that_cannot_be_read_or_used_is_named(
    locked: Locked, tmp_path: Path, setting: str
) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    more = [f"kafka.ssl_certfile={locked.authority.issue('any', 'a')}"] if setting == "ssl_keyfile" else []
    for path, wrong in (
        (tmp_path / "absent.pem", "cannot be read"),
        (tmp_path, "cannot be read"),
        (junk, "BEGIN"),
    ):
        said = await refused(*locked.settings("SECURE"), *more, f"kafka.{setting}={path}")
        assert said.startswith("kafka.ssl_")
        assert str(path) in said
        assert wrong in said


async def test_a_key_that_does_not_fit_is_named(locked: Locked) -> None:
    certificate, key = locked.authority.locked("kept", "canary-of-the-key")
    files = [f"kafka.ssl_certfile={certificate}", f"kafka.ssl_keyfile={key}"]
    for password in ([], ["kafka.ssl_key_password=canary-of-another"]):
        said = await refused(*locked.settings("MUTUAL"), *files, *password)
        assert said.startswith("kafka.ssl_key_password: ")
        assert "canary" not in said
    other = locked.authority.issue("other", "client.example")
    said = await refused(
        *locked.settings("MUTUAL"), f"kafka.ssl_certfile={certificate}", f"kafka.ssl_keyfile={other}"
    )
    assert said.startswith("kafka.ssl_keyfile: ")
    assert "does not belong to the certificate" in said


@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff\xfe", b"a\x01b"])
async def test_a_file_without_a_token_is_named(locked: Locked, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    given = [*locked.settings("SECURE", "OAUTHBEARER"), f"kafka.sasl_oauth_token_file={path}"]
    assert (await refused(*given)).startswith(f"kafka.sasl_oauth_token_file: {path} ")


async def test_a_broker_that_is_away_is_waited_for(locked: Locked) -> None:
    """Also with TLS and a login: only a mistake that waiting cannot repair ends the start."""
    given = [*locked.settings("SECURE"), "kafka.bootstrap_servers=127.0.0.1:9"]
    with pytest.raises(Unavailable, match=r"no broker responds at 127\.0\.0\.1:9"):
        await opened(*given)


async def test_a_login_refused_after_one_was_accepted_is_waited_for(locked: Locked) -> None:
    """Such a refusal does not end the process: the broker may not be ready yet."""
    kafka = Kafka(load(overrides=settings(*locked.settings("SECURE")), environ={}))
    try:
        await kafka.start()
        wrong = [*locked.settings("SECURE"), "kafka.sasl_password=canary-of-another"]
        kafka.connection.settings = load(overrides=settings(*wrong), environ={}).kafka
        with pytest.raises(Unavailable, match=r"kafka\.sasl_password: .* refuses the login"):
            await kafka.group("g", "opened", "earliest").start()
    finally:
        await kafka.stop(5.0)


@pytest.mark.parametrize(("calls", "outcome"), [(2, Unavailable), (9, Misconfigured)])
async def test_a_broker_that_is_just_stopping_is_waited_for(calls: int, outcome: type[Exception]) -> None:
    """One closed connection may come from a broker that stops; two closed ones mean that it wants a login."""
    taken = 0

    async def close_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        if taken >= calls:
            server.close()
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        request = await reader.readexactly(size)
        (correlation,) = struct.unpack_from(">i", request, 4)
        response = struct.pack(">ihihhh", correlation, 0, 1, 3, 0, 5)  # it knows Metadata, versions 0 to 5
        writer.write(struct.pack(">i", len(response)) + response)
        await reader.readexactly(4)
        writer.close()

    server = await asyncio.start_server(close_connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(outcome):
        await opened(f"kafka.bootstrap_servers=127.0.0.1:{port}")
    server.close()


@pytest.fixture
async def secure_world(locked: Locked, tmp_path: Path) -> AsyncIterator[Any]:
    address = SimpleNamespace(real=True, settings=locked.settings("SECURE"))
    world = await open_world(tmp_path, address, [])
    yield world
    await world.close()


async def test_a_stream_runs_over_tls_and_login_from_end_to_end(secure_world: Any) -> None:
    """All loops work over SASL_SSL with SCRAM: samples, queries, labels, examples."""
    world = secure_world
    replica = await world.start()
    ids = [s["id"] for s in await world.samples(60)]
    await world.settle(ids)
    assert replica.offset == len(await world.examples()) > 5
