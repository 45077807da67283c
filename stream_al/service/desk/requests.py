"""Requests: the labels that people ask for by hand, kept until the budget has paid for them.

They wait in memory, where selection finds them (`service.loops.asked`, `service.loops.second_queries`). So
that a restart loses none, each is also a record on the topic `control`, which every replica reads before it
works:

    relabel:ID               another annotator is wanted for the labelled sample of this id
    label:PARTITION:OFFSET   a label is wanted for the sample at this place of the samples
    a null under its key     it was paid for, or it cannot be any more

*Who asks.* A sample to relabel waits on every replica, and the partition that its id belongs to asks about
it; after a while the others, one by one, since a partition may have no samples. A sample to label waits on
the replica that reads its partition. One that has just begun to read the partition reads the sample again, at
its place.

*Crashes.* A request is accepted when its record is confirmed. The null is sent after its query. In between
the query, or its label, says that it is over, so nobody is asked twice.

*Losses are reported.* If the samples hold the sample no longer, or the model knows too little of it to ask
again, it is a problem of the kind `request`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import count

from stream_al.engine.budgets import Decision, Reason
from stream_al.errors import BadMessage, Unavailable
from stream_al.identity import MAX_ID_CHARACTERS, version_of
from stream_al.messages import decode, encode, iso
from stream_al.replica_messages import ByHand
from stream_al.service.broker.protocols import Broker, Outgoing, Reader, Record
from stream_al.service.broker.readers import started
from stream_al.service.control import LABEL, RELABEL
from stream_al.service.loops.asked import Wanted, has_query
from stream_al.service.loops.second_queries import Relabelling
from stream_al.service.loops.select import Select
from stream_al.service.loops.taken_ids import TakenIds
from stream_al.service.telemetry.problems import Kind
from stream_al.service.timing.deadline import Deadline

__all__ = ["Requests"]

MAX_BYTES = 10_000
MOST = 2000  # that are known of
AT_ONCE = 20  # samples read again in one step
STOP_SECONDS = 1.0
FIRST_NUMBER = -(2**40)  # of samples that were read again: below those of the map


class Requests:
    """The requests, as far as this replica has read.

    Args:
        broker: The broker.
        selection: Where they wait for the budget.
        owned: Returns the partitions of the samples that this replica reads.
    """

    def __init__(self, broker: Broker, selection: Select, owned: Callable[[], Collection[int]]) -> None:
        self._broker = broker
        self._topic = selection.settings.topics.control
        self._selection = selection
        self._owned = owned
        self._relabel: set[str] = set()
        self._label: dict[tuple[int, int], str] = {}  # the id of the sample at each place
        self._given: set[tuple[int, int]] = set()  # those that wait here, or have waited
        self._numbers = count(FIRST_NUMBER, -1)

    def __len__(self) -> int:
        return len(self._relabel) + len(self._label)

    async def keep_relabel(self, sample_ids: Iterable[str], by: str | None) -> None:
        """Keep requests to relabel, which wait already. Raises Unavailable, and then they wait no longer."""
        ids = list(sample_ids)
        try:
            wanted = self._selection.second.by_hand
            await self._send([(RELABEL + one.encode(), wanted[one].query) for one in ids], by)
        except BaseException:
            self._selection.second.forget(ids)
            raise

    async def keep_label(self, wanted: Iterable[Wanted], by: str | None) -> None:
        """Keep requests to label samples, which wait already; errors as for `keep_relabel`."""
        all_of_them = list(wanted)
        self._given.update(_place(one) for one in all_of_them)
        try:
            await self._send([(_key(_place(one)), one.sample.id) for one in all_of_them], by)
        except BaseException:
            self._selection.asked.forget([one.number for one in all_of_them])
            raise

    def fold(self, record: Record) -> None:
        """Take in a record of the topic.

        Raises:
            BadMessage: It is no request, or there are too many.
        """
        key = record.key or b""
        found = decode(ByHand, record.value, max_bytes=MAX_BYTES) if record.value else None
        if found is not None and len(self) >= MOST:
            raise BadMessage("too_many_requests", f"{MOST} labels asked for by hand are waiting already")
        if key.startswith(RELABEL):
            self._fold_relabel(key[len(RELABEL) :].decode("utf-8", "replace"), found, record.timestamp_ms)
        elif found is None:
            self._label.pop(_place_of(key), None)
        else:
            self._label[_place_of(key)] = found.id

    def _fold_relabel(self, sample_id: str, found: ByHand | None, at_ms: int) -> None:
        if not 1 <= len(sample_id) <= MAX_ID_CHARACTERS:
            raise BadMessage("bad_fields", "the key names no sample")
        if found is None:
            self._relabel.discard(sample_id)
            self._selection.second.forget([sample_id])
        elif sample_id not in self._relabel:
            self._relabel.add(sample_id)
            self._selection.second.by_hand.setdefault(sample_id, Relabelling(at_ms, found.id))

    async def step(self) -> None:
        """Restore what has to wait here, and remove what is over. Raises Unavailable."""
        second, asked, owned = self._selection.second, self._selection.asked, set(self._owned())
        over = [RELABEL + one.encode() for one in self._relabel if one not in second.by_hand]
        waiting = {_place(one): one.number for one in asked.without(())}
        asked.forget([number for place, number in waiting.items() if place[0] not in owned])
        self._given = {one for one in self._given if one[0] in owned}
        places = [one for one in self._label if one[0] in owned and one not in waiting]
        over += [_key(one) for one in places if one in self._given]
        over += [
            _key(one) for one in await self._restore([p for p in places if p not in self._given][:AT_ONCE])
        ]
        await self._broker.send([Outgoing(self._topic, key, None) for key in over])
        for sample_id, why in second.dropped.items():
            self._report("cannot_relabel", sample_id, why)
        second.dropped.clear()

    async def _send(self, records: list[tuple[bytes, str]], by: str | None) -> None:
        now = iso(self._selection.clock.wall_ms())
        await self._broker.send(
            [Outgoing(self._topic, key, encode(ByHand(named, now, by))) for key, named in records]
        )

    async def _restore(self, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Let the samples at these places wait here; return those that cannot."""
        over: list[tuple[int, int]] = []
        if not places:
            return over
        reader = self._broker.reader(self._selection.settings.topics.samples, expiring=True)
        async with started(reader):
            begins, ends = await reader.beginning_offsets(), await reader.end_offsets()
            for partition, end in ends.items():  # else all that the topic holds would come first
                await reader.seek(partition, end)
            for partition, offset in places:
                record = None
                if begins.get(partition, 0) <= offset < ends.get(partition, 0):
                    await reader.seek(partition, offset)
                    record = await self._record(reader, partition, offset)
                    await reader.seek(partition, ends[partition])
                if not self._wait(record, self._label.get((partition, offset), "")):
                    over.append((partition, offset))
        return over

    async def _record(self, reader: Reader, partition: int, offset: int) -> Record | None:
        """The record at a place; None if there is none."""
        deadline = Deadline(self._selection.settings.limits.deadline_seconds, self._selection.clock)
        while deadline.left:
            for record in await reader.poll(100, 1.0):
                if record.partition == partition:
                    return record if record.offset == offset else None
            if (await reader.positions()).get(partition, 0) > offset:  # no record of a sample is there
                return None
        raise Unavailable(f"reading the sample {offset} of partition {partition} took too long")

    def _wait(self, record: Record | None, sample_id: str) -> bool:
        """Let the sample of a record wait; say whether it does."""
        selection = self._selection
        sample = selection.sample(record) if record is not None else None
        if record is None or sample is None or isinstance(sample, BadMessage) or sample.id != sample_id:
            why = "the topic of the samples holds it no longer: ask for the label of a later one"
            self._report("sample_gone", sample_id, why)
            return False
        version = version_of(sample.features)
        if has_query(sample.id, version, TakenIds(selection.local_model, selection.pending).version):
            return False
        model = selection.local_model.model
        (arrival,) = selection.selector.score_many(model, [sample], [record.timestamp_ms])
        was = Decision(sample.id, False, arrival.utility, arrival.utility, 0.0, Reason.BELOW)
        wanted = Wanted.of(next(self._numbers), record, sample, version, arrival, was)
        if not selection.asked.add(wanted):
            self._report("too_many", sample_id, "too many wait already: ask for it again")
            return False
        self._given.add(_place(wanted))
        return True

    def _report(self, reason: str, sample_id: str, why: str) -> None:
        text = f"a person has asked for a label of {sample_id[:100]!r} by hand, and gets none: {why}"
        self._selection.problems.report(Kind.REQUEST, reason, text, sample=sample_id)


def _place(wanted: Wanted) -> tuple[int, int]:
    return wanted.record.partition, wanted.record.offset


def _key(place: tuple[int, int]) -> bytes:
    return LABEL + b"%d:%d" % place


def _place_of(key: bytes) -> tuple[int, int]:
    """The place that a key names. Raises BadMessage."""
    parts = key[len(LABEL) :].split(b":")
    if len(parts) != 2 or not all(part.isdigit() and len(part) < 20 for part in parts):
        raise BadMessage("bad_fields", "the key names no place of a sample")
    return int(parts[0]), int(parts[1])
