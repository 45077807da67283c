"""Work of the command line on the broker, with a progress bar."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream_al.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_al.service.broker.kafka.survey import Survey
    from stream_al.service.broker.protocols import Broker, Record
    from stream_al.settings import Settings
    from stream_al.simulate.topic import KnownLabel

__all__ = ["bar", "fetch", "known_labels", "run", "say", "survey"]

T = TypeVar("T")


def run(given: Settings, work: Callable[[Broker], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine with a client of the broker that the settings name."""
    from stream_al.logs import configure  # noqa: PLC0415
    from stream_al.service.broker.kafka import Kafka  # noqa: PLC0415

    configure(given)

    async def with_broker() -> T:
        return await work(Kafka(given))

    try:
        return asyncio.run(with_broker())
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def survey(given: Settings, inspect: Callable[[Survey], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine with a survey of the cluster that the settings name."""
    from stream_al.service.broker.kafka import Kafka  # noqa: PLC0415
    from stream_al.service.broker.kafka.survey import Survey  # noqa: PLC0415

    async def work(broker: Broker) -> T:
        assert isinstance(broker, Kafka)  # noqa: S101 - what `run` makes
        try:
            return await inspect(Survey(broker.connection))
        finally:
            await broker.connection.stop(1.0)

    return run(given, work)


def fetch(given: Settings, topic: str, wanted: Callable[[int], bool]) -> list[Record]:
    """The records of a topic whose timestamp is wanted."""
    from stream_al.service import maintenance  # noqa: PLC0415

    async def read(broker: Broker) -> list[Record]:
        async with maintenance.opened(broker, topic):
            found = maintenance.read_topic(broker, topic, lambda done, total: None)
            return [record async for record in found if wanted(record.timestamp_ms)]

    return run(given, read)


def known_labels(given: Settings) -> dict[str, KnownLabel]:
    """The labels that the model has learned, by the id of the sample."""
    from stream_al.service import maintenance  # noqa: PLC0415

    return run(given, lambda broker: maintenance.known_labels(given, broker))


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, if that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def say(text: str) -> None:
    """Print on standard error something that is no result."""
    typer.echo(printable(text), err=True)
