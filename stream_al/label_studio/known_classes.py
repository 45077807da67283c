"""The classes that annotators may choose: those of the settings, or all that were seen.

Without `labels.classes`, a class is known once an example, a prediction or an annotation has named it.
All of the topic `examples` is read for that, of which only the classes are kept.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

from stream_al.messages import ClassLabel, encode
from stream_al.service.broker.protocols import Reader, Record
from stream_al.settings import Settings

__all__ = ["KnownClasses"]

MOST = 1000


class _Class(msgspec.Struct):
    label: ClassLabel | None = None


class KnownClasses:
    """The classes, with their types.

    Args:
        reader: Reads the topic `examples`.
        settings: The settings.
    """

    def __init__(self, reader: Reader, settings: Settings) -> None:
        self.reader = reader
        self._limits = settings.limits
        self._are_given = bool(settings.labels.classes)
        self._decoder = msgspec.json.Decoder(_Class)
        self._known = {encode(label): label for label in settings.labels.classes}

    def labels(self) -> list[ClassLabel]:
        """The classes, in the order in which they became known."""
        return list(self._known.values())

    def add(self, label: ClassLabel | None) -> None:
        """Note a class, unless the settings name all of them."""
        if not self._are_given and len(self._known) < MOST and label not in (None, ""):
            self._known.setdefault(encode(label), label)

    async def catch_up(self) -> None:
        """Read up to what is the end of the topic now."""
        end = await self.reader.end_offsets()
        while True:
            at = await self.reader.positions()
            if all(at.get(partition, 0) >= offset for partition, offset in end.items()):
                return
            await self.step()
            await asyncio.sleep(0)

    async def step(self) -> None:
        """Read one batch of examples."""
        for record in await self.reader.poll(self._limits.batch_records, self._limits.poll_seconds):
            self._see(record)

    def _see(self, record: Record) -> None:
        with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            if record.value:
                self.add(self._decoder.decode(record.value).label)
