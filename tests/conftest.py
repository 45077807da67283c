"""Fixtures for all tests: a broker, and worlds on it.

The fixture `kafka` is the first of these that is possible:

1. the broker that STREAM_AL_TEST_KAFKA=host:port names;
2. an Apache Kafka that is started for this run (`tests.broker.kafka`), if Java and Maven are installed;
3. with CI=true a failure, never a skip;
4. the embedded broker of the demo, which speaks the protocol of Kafka.

A line at the end of the run says which one it was.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from stream_al.demo.broker import embedded
from stream_al.service.broker.kafka import producer
from tests.broker.address import KafkaAddress
from tests.broker.kafka import IN_CI, IS_INSTALLED, KafkaBroker
from tests.ports import free_port
from tests.support.world import MakeWorld, World, open_world

_USED = pytest.StashKey[str]()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """No test sees where another one has sent the log: its stream is closed by then."""
    root = logging.getLogger()
    level = root.level
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        ours = [
            one for one in root.handlers if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)
        ]
        for handler in ours:
            root.removeHandler(handler)
        root.setLevel(level)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaAddress]:
    """A broker that speaks the protocol of Kafka, for the whole run. Every test uses topics of its own."""
    stash, given = request.config.stash, os.environ.get("STREAM_AL_TEST_KAFKA")
    if given:
        stash[_USED] = f"the broker at {given} (STREAM_AL_TEST_KAFKA)"
        yield KafkaAddress(given, stash[_USED])
    elif IS_INSTALLED:
        stash[_USED] = "Apache Kafka, started for this run"
        broker = KafkaBroker.start(tmp_path_factory.mktemp("kafka") / "broker")
        yield KafkaAddress(broker.bootstrap, stash[_USED], broker=broker)
        broker.stop()
    elif IN_CI:
        pytest.fail("CI tests on Apache Kafka: install Java 17 and Maven, or set STREAM_AL_TEST_KAFKA")
    else:
        stash[_USED] = "the embedded broker, not Apache Kafka: Java or Maven is missing"
        port = free_port()
        with embedded(port), pytest.MonkeyPatch.context() as patch:
            # It takes the first record of the last batch for the end of a topic, so a batch has one record.
            patch.setattr(producer, "BATCH_BYTES", 1)
            yield KafkaAddress(f"127.0.0.1:{port}", stash[_USED], real=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker of several (`-n`) tell the process that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["broker"] = session.config.stash.get(_USED, None)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker says."""
    if used := getattr(node, "workeroutput", {}).get("broker"):
        node.config.stash[_USED] = used


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print on which broker the tests ran."""
    used = terminalreporter.config.stash.get(_USED, None)
    if used:
        terminalreporter.write_line(f"broker: {used}")


@pytest.fixture
async def memory_world(tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Open worlds on the broker in memory; the arguments are settings."""
    async for make in _worlds(lambda *given: open_world(tmp_path, None, given)):
        yield make


@pytest.fixture
async def kafka_world(tmp_path: Path, kafka: KafkaAddress) -> AsyncIterator[MakeWorld]:
    """Open worlds on the fixture `kafka`; the arguments are settings."""
    async for make in _worlds(lambda *given: open_world(tmp_path, kafka, given)):
        yield make


@pytest.fixture(params=["memory", "kafka"])
async def make_world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Open worlds on the broker in memory, and in a second run of the test on `kafka`."""
    kafka = request.getfixturevalue("kafka") if request.param == "kafka" else None
    async for make in _worlds(lambda *given: open_world(tmp_path, kafka, given)):
        yield make


async def _worlds(make: Callable[..., Awaitable[World]]) -> AsyncIterator[MakeWorld]:
    opened: list[World] = []

    async def made(*given: str) -> World:
        opened.append(await make(*given))
        return opened[-1]

    try:
        yield made
    finally:
        for world in opened:
            await world.close()
