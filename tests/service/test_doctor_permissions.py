"""The doctor on a broker that has an authorizer and refuses topics to the login."""

from __future__ import annotations

import json
from asyncio import to_thread
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from stream_al.cli import cli
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Outgoing
from stream_al.service.broker.topics import required_topics
from stream_al.settings import Settings, load
from tests.broker.kafka import IN_CI, IS_INSTALLED, WANTING, KafkaBroker, Listener, allow
from tests.broker.locked import PASSWORD, USER

pytestmark = [pytest.mark.long, pytest.mark.skipif(not (IS_INSTALLED or IN_CI), reason=WANTING)]

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
LOGIN = Listener(
    "LOGIN",
    "SASL_PLAINTEXT",
    {
        "sasl.enabled.mechanisms": "PLAIN",
        "plain.sasl.jaas.config": f'{PLAIN} required user_{USER}="{PASSWORD}";',
    },
)
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker that allows everything without a login, and nothing with the login that it knows."""
    made = KafkaBroker.start(tmp_path_factory.mktemp("guarded"), listeners=[LOGIN], config=AUTHORIZER)
    yield made
    made.stop()


def settings_for(broker: KafkaBroker) -> list[str]:
    return [
        f"kafka.bootstrap_servers=127.0.0.1:{broker.ports['LOGIN']}",
        "kafka.security_protocol=SASL_PLAINTEXT",
        "kafka.sasl_mechanism=PLAIN",
        f"kafka.sasl_username={USER}",
        f"kafka.sasl_password={PASSWORD}",
    ]


def doctor(broker: KafkaBroker) -> tuple[int, list[dict[str, Any]]]:
    """What the command says of the errors, and its exit code."""
    given = [part for one in settings_for(broker) for part in ("--set", one)]
    result = CliRunner().invoke(cli, ["doctor", "--json", *given])
    assert PASSWORD not in result.output
    found = json.loads(result.stdout)["findings"]
    return result.exit_code, [one for one in found if one["severity"] == "error"]


async def make_topics(broker: KafkaBroker) -> Settings:
    """Create the topics, with a sample, as somebody who may."""
    settings = load(overrides=[f"kafka.bootstrap_servers={broker.bootstrap}"], environ={})
    kafka = Kafka(settings)
    try:
        await kafka.start()
        await kafka.create_topics(required_topics(settings))
        await kafka.send([Outgoing(settings.topics.samples, b"k", b'{"x": 1.5}')])
    finally:
        await kafka.stop(5.0)
    return settings


async def test_topics_that_the_login_may_not_use_are_named_with_the_permission_that_is_missing(
    broker: KafkaBroker,
) -> None:
    """They are not called missing, since creating them would not help; then one permission is given."""
    settings = await make_topics(broker)
    code, errors = await to_thread(doctor, broker)
    assert code == 1
    (topics,) = [one["text"] for one in errors if one["about"] == "topics"]
    assert "topics that cannot be used: samples, queries, labels, examples" in topics
    assert "permissions to describe and read topics" in topics
    assert "do not exist" not in topics
    for topic in required_topics(settings):
        await to_thread(allow, broker.bootstrap, USER, ["Describe", "DescribeConfigs"], topic.name)
    code, errors = await to_thread(doctor, broker)
    assert code == 1
    told = [one["text"] for one in errors]
    assert [text for text in told if "samples" in text and "cannot be read" in text], told
    assert not [text for text in told if "do not exist" in text]
