"""The player: sends a recorded stream, no faster than asked and no faster than it can be digested."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import isfinite
from time import monotonic

from stream_al.datasets.rows import Row
from stream_al.messages import encode
from stream_al.service.broker.protocols import Broker, Outgoing

__all__ = ["Player"]

WINDOW = 100  # samples sent and not yet decided, at most
CHUNK = 25  # samples sent at once, at most
CHUNK_SECONDS = 0.05  # a slow stream is sent in smaller pieces, so that it flows
WAIT_SECONDS = 0.002


class Player:
    """Sends samples in the native form; their ids count them from 1.

    Args:
        log: The broker, started.
        topic: Where to.
        rate: Samples a second, at most; may be infinite.
        decided: How many samples were decided so far.
        behind: Whether the stream has to wait, since labels that are due were not learned yet.

    Attributes:
        sent: Samples sent.
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
            # Looked at again and again: what is waited for happens in the service, which knows no player.
            while monotonic() < due or self.behind() or self.sent + chunk - self.decided() > WINDOW:  # noqa: ASYNC110
                await asyncio.sleep(max(WAIT_SECONDS, due - monotonic()))
            records = []
            for number, sample in enumerate(samples[self.sent : self.sent + chunk], self.sent + 1):
                value = encode({"id": str(number), "features": sample.features})
                records.append(Outgoing(self.topic, str(number).encode(), value))
            self.sent += len(await self.broker.send(records))
