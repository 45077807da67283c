"""The player: it sends a recorded stream, no faster than its rate and no faster than the service decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import isfinite
from time import monotonic

from stream_al.datasets.rows import Row
from stream_al.messages import encode
from stream_al.service.broker.protocols import Broker, Outgoing

__all__ = ["Player"]

WINDOW = 100  # the most samples sent and not decided yet
CHUNK = 25  # the most samples sent at once
CHUNK_SECONDS = 0.05  # the most of a slow stream that is sent at once
WAIT_SECONDS = 0.002


class Player:
    """Sends samples in the native form. Their ids count from 1.

    Args:
        broker: The broker, started.
        topic: The topic to send to.
        rate: The most samples per second; may be infinite.
        decided: Gives the number of samples decided so far.
        behind: Gives whether the stream has to wait, because labels that were given are not learned yet.

    Attributes:
        sent: The number of samples sent.
    """

    def __init__(
        self, broker: Broker, topic: str, rate: float, decided: Callable[[], int], behind: Callable[[], bool]
    ) -> None:
        self.broker = broker
        self.topic = topic
        self.rate = rate
        self.decided = decided
        self.behind = behind
        self.sent = 0

    async def play(self, samples: Sequence[Row]) -> None:
        """Send all samples."""
        began = monotonic()
        chunk = int(min(CHUNK, max(1, self.rate * CHUNK_SECONDS)))
        while self.sent < len(samples):
            due = began + self.sent / self.rate if isfinite(self.rate) else began
            # Polled, because the service does not notify the player.
            while monotonic() < due or self.behind() or self.sent + chunk - self.decided() > WINDOW:  # noqa: ASYNC110
                await asyncio.sleep(max(WAIT_SECONDS, due - monotonic()))
            records = []
            for number, sample in enumerate(samples[self.sent : self.sent + chunk], self.sent + 1):
                value = encode({"id": str(number), "features": sample.features})
                records.append(Outgoing(self.topic, str(number).encode(), value))
            self.sent += len(await self.broker.send(records))
