"""The scout: it reads the examples ahead of a replay, for the corrections among them.

A replay that knows all corrections learns every example once, with the right label. Without that it would
meet the corrections on its way and have to begin again. The scout reads what the replay will read. That costs
little, because no model learns:

    no correction found      each record is looked at for the word `corrects`, and nothing is decoded
    otherwise                the records are read once more, decoded, and entered into a ledger

Behind a snapshot there are few records, so most starts pay next to nothing. Over a whole log of 100,000
examples the first reading took a tenth of the time of learning them with a cheap model, and both readings a
third; with `auto` it was 0.5% and 1.4% (tests/benchmarks/README.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from stream_al.engine.labels.corrections import Corrections
from stream_al.engine.labels.exclusions import Exclusions
from stream_al.engine.labels.ledger import Ledger
from stream_al.errors import BadMessage
from stream_al.messages import Example, decode
from stream_al.service.broker.protocols import Reader, Record
from stream_al.service.broker.readers import is_behind
from stream_al.service.timing.time_slices import TimeSlices

__all__ = ["Scout"]

MAX_RECORDS = 1000  # of one poll
SIGNS = (b"corrects", rb"\u")
"""What a record holds that is a correction; JSON may write each letter of the name as an escape."""


class Scout:
    """Reads ahead.

    Args:
        reader: Reads the topic `examples`; the caller seeks with it afterwards.
        partition: The partition of the topic.
        excluded: The examples that do not count.
        max_bytes: The size of the largest example.
        time_slices: Let other tasks run between the records.
        on_read: Called after every poll.
    """

    def __init__(
        self,
        reader: Reader,
        partition: int,
        excluded: Exclusions,
        max_bytes: int,
        time_slices: TimeSlices,
        on_read: Callable[[], None],
    ) -> None:
        self.reader = reader
        self.partition = partition
        self.excluded = excluded
        self.max_bytes = max_bytes
        self.time_slices = time_slices
        self.on_read = on_read

    async def corrections(
        self,
        ledger: Ledger,
        begin: int,
        end: int,
        on_correction: Callable[[int, Example, Record], None] = lambda first, example, record: None,
    ) -> Corrections:
        """What corrections there are up to an offset.

        Args:
            ledger: What the examples before `begin` say; it is not changed.
            begin: Where to begin.
            end: Where to end.
            on_correction: Called with every correction that has an effect: the offset of the example that it
                corrects, itself, and its record.
        """
        if await self._sees_any(begin, end):
            ledger = ledger.copy()
            async for record in self._records(begin, end):
                self._enter(record, ledger, on_correction)
        return Corrections(ledger.labels(), end)

    async def _sees_any(self, begin: int, end: int) -> bool:
        async for record in self._records(begin, end):
            if any(sign in (record.value or b"") for sign in SIGNS):
                return True
        return False

    async def _records(self, begin: int, end: int) -> AsyncIterator[Record]:
        await self.reader.seek(self.partition, begin)
        while await is_behind(self.reader, {self.partition: end}):
            records = await self.reader.poll(MAX_RECORDS, 1.0)
            self.on_read()
            async for record in self.time_slices.one_by_one(records):
                if begin <= record.offset < end:
                    yield record

    def _enter(
        self, record: Record, ledger: Ledger, on_correction: Callable[[int, Example, Record], None]
    ) -> None:
        try:
            example = decode(Example, record.value, max_bytes=self.max_bytes)
        except BadMessage:
            return
        if record.offset in self.excluded:
            ledger.pass_over(example)
            return
        ledger.enter(example, record.offset)
        first = ledger.target(example) if example.corrects else None
        if (
            first is not None
            and first in ledger.corrected
            and ledger.corrected[first].offset == record.offset
        ):
            on_correction(first, example, record)
