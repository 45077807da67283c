"""A stream and an annotator for a broker and a service that run already.

    python -m stream_al.demo.generator --stream shuttle --rate 50 --delay 5

It plays a dataset that River includes, once, onto the topics that the settings name, and labels the queries
with the truth until it is stopped. If it is started again, it sends the same ids again.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer

from stream_al import settings
from stream_al.datasets.rows import Row
from stream_al.demo.annotator import TopicAnnotators, punctual
from stream_al.demo.player import Player
from stream_al.errors import StreamAlError
from stream_al.logs import configure
from stream_al.service.broker.kafka import Kafka
from stream_al.service.broker.protocols import Broker
from stream_al.service.maintenance import opened
from stream_al.settings import Settings
from stream_al.simulate.people.crew import crew
from stream_al.simulate.stream import bundled

__all__ = ["main", "play"]


def main(
    stream: Annotated[str, typer.Option(help="shuttle or segments.")] = "shuttle",
    samples: Annotated[int, typer.Option(min=1, help="The most samples to play.")] = 20_000,
    rate: Annotated[float, typer.Option(min=0.01, help="Samples per second.")] = 50.0,
    delay: Annotated[float, typer.Option(min=0.0, help="Seconds from a query to its label.")] = 5.0,
) -> None:
    """Play a stream, and label its queries until stopped. The settings name the broker and the topics."""
    try:
        given = settings.load()
        configure(given)
        recorded = list(islice(bundled(stream), samples))
        asyncio.run(play(given, recorded, rate, delay))
    except StreamAlError as error:
        typer.echo(f"stream-al: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def play(
    given: Settings, recorded: Sequence[Row], rate: float, delay: float, broker: Broker | None = None
) -> None:
    """Send the stream and label its queries. After the last sample, go on labelling until cancelled."""
    truth = {str(number): row.label for number, row in enumerate(recorded, 1)}  # as the player counts them
    topics, team = given.topics, crew([punctual(delay)], list(dict.fromkeys(truth.values())), given.seed)
    async with opened(broker or Kafka(given), topics.samples, topics.queries, topics.labels) as opened_broker:
        # The player does not know how far the service has come, so only the rate limits it.
        player = Player(
            opened_broker, topics.samples, rate, decided=lambda: sys.maxsize, behind=lambda: False
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(TopicAnnotators(opened_broker, given, truth, team).run())
                tasks.create_task(player.play(recorded))
        except* StreamAlError as group:
            raise group.exceptions[0] from group


if __name__ == "__main__":
    typer.run(main)
