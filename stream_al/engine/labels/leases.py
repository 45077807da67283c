"""Leases: a query is kept for one person for a while, so that no two people label it unawares.

Two replicas may be asked for work at the same moment, and neither knows what the other one does. So a lease
is a record of the topic `leases`, which has one partition and hence one order. The leases that live are a
fold over these records, and all replicas that have read up to one offset agree on them. Nothing is known
before: who writes a record reads it back, and then sees whether the lease was granted.

    grant     the first record of a lease. It is granted if nobody else holds the query at that time, nor the
              same annotator another query of the sample, and if the holder has fewer than `MAX_PER_HOLDER`.
              If not, it is lost for good, whatever happens later.
    renewal   a record under the same key, with `until`. The lease lives on from the time of this record.
    tombstone the lease is over: it was returned, or its query is closed. The writer of a grant that was lost
              sends one too.

*A lease runs out by log time*: `seconds` after the timestamp of its last record. Time passes as the
timestamps of this topic pass, and never goes back. No local clock is read, so a replay agrees.

*Compaction* removes records that have a successor under their key. A renewal therefore stands for itself: it
says up to when the lease had lived (`until`), and counts if it came no later than that, also where the grant
is gone. Whoever else seems to hold the query then cannot have got it, so the renewal wins. A grant that was
lost could seem to be the first once the record that beat it is gone; the topic keeps every record for several
lives of a lease before it is compacted (`min.compaction.lag.ms`), and by then that grant has run out.

*Bounds.* At most `MAX_LEASES` live at once. The ids of ended leases are remembered, `MAX_ENDED` of them: a
record that comes again must not revive its lease.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from stream_al.engine.labels.expiry import expires
from stream_al.replica_messages import Lease

__all__ = ["MAX_LEASES", "MAX_PER_HOLDER", "Change", "Holder", "Leases", "LivingLease", "Outcome"]

MAX_LEASES = 10_000
MAX_PER_HOLDER = 50
MAX_ENDED = 20_000

Holder: TypeAlias = tuple[str | None, str]
"""Who holds a lease: the name of the HTTP token, and the session."""


class Outcome(StrEnum):
    """What a record has brought about."""

    GRANTED = "granted"
    RENEWED = "renewed"
    LOST = "lost"
    """Another lease has the query, or the annotator holds another query of the sample."""
    REFUSED = "refused"
    """The holder has too many leases, or all together are too many."""
    OVER = "over"
    """The lease had ended before this record."""
    RELEASED = "released"
    TIME = "time"
    """The record says nothing but the time."""


@dataclass(frozen=True, slots=True)
class LivingLease:
    """A lease that lives.

    Attributes:
        lease: Its last record.
        expires_ms: The last millisecond of its life, by log time.
    """

    lease: Lease
    expires_ms: int

    @property
    def holder(self) -> Holder:
        """Who holds it."""
        return self.lease.via, self.lease.holder

    @property
    def sample(self) -> tuple[str, str]:
        """The annotator, and the sample that the query asks about."""
        return self.lease.annotator or self.lease.holder, self.lease.second_of or self.lease.id


@dataclass(frozen=True, slots=True)
class Change:
    """What a record has changed.

    Attributes:
        outcome: What became of the record itself.
        queries: The ids of the queries whose lease has begun or ended.
        expired: How many leases have run out.
    """

    outcome: Outcome
    queries: tuple[str, ...]
    expired: int


class Leases:
    """The leases that live, after the records that were folded.

    Attributes:
        now_ms: The log's time, as the records of this topic tell it.

    >>> leases = Leases()
    >>> leases.fold("a", Lease("a", "q", "v1", "ann", 60.0), 1_000).outcome.value
    'granted'
    >>> leases.fold("b", Lease("b", "q", "v1", "bob", 60.0), 2_000).outcome.value
    'lost'
    >>> leases.fold("c", Lease("c", "q", "v1", "bob", 60.0), 61_001).outcome.value
    'granted'
    """

    def __init__(self) -> None:
        self.now_ms = 0
        self._living: dict[str, LivingLease] = {}
        self._of_query: dict[str, str] = {}
        self._of_sample: dict[tuple[str, str], str] = {}
        self._of_holder: dict[Holder, dict[str, None]] = {}
        self._ends: list[tuple[int, str]] = []  # a heap; a renewed lease stands on it more than once
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._untidy: dict[str, None] = {}  # ended here, with a record that no tombstone has removed

    def __len__(self) -> int:
        return len(self._living)

    def __iter__(self) -> Iterator[LivingLease]:
        return iter(self._living.values())

    @property
    def holders(self) -> int:
        """How many hold a lease."""
        return len(self._of_holder)

    def get(self, lease: str) -> LivingLease | None:
        """The lease of an id, if it lives."""
        return self._living.get(lease)

    def of_query(self, query: str) -> LivingLease | None:
        """The lease of a query, if one lives."""
        found = self._of_query.get(query)
        return None if found is None else self._living[found]

    def held_by(self, holder: Holder) -> list[LivingLease]:
        """The leases of a holder, the oldest first."""
        return [self._living[lease] for lease in self._of_holder.get(holder, ())]

    def holds_sample(self, annotator: str, sample: str) -> bool:
        """Whether an annotator holds a query of a sample."""
        return (annotator, sample) in self._of_sample

    def next_end_ms(self) -> int | None:
        """When the next lease runs out, at the earliest; None if none lives."""
        return self._ends[0][0] if self._ends else None

    def untidy(self) -> list[str]:
        """The ids of leases that have ended and still have a record in the topic, as far as is known."""
        return list(self._untidy)

    def fold(self, key: str, lease: Lease | None, at_ms: int) -> Change:
        """Take in the next record of the topic.

        Args:
            key: The key of the record.
            lease: Its value; None for a tombstone.
            at_ms: The time that counts for it, in milliseconds.
        """
        over = self._pass_time(at_ms)
        if lease is None:
            outcome, touched = self._release(key)
        elif key != lease.lease:
            outcome, touched = Outcome.OVER, []
        else:
            outcome, touched = self._take(lease)
        return Change(outcome, tuple(dict.fromkeys((*over, *touched))), len(over))

    def _pass_time(self, at_ms: int) -> list[str]:
        """Move the time; return the queries of the leases that have run out."""
        self.now_ms = max(self.now_ms, at_ms)
        over = []
        while self._ends and expires(self._ends[0][0], 0, self.now_ms):
            expires_ms, lease = heapq.heappop(self._ends)
            found = self._living.get(lease)
            if found is not None and found.expires_ms == expires_ms:
                over.append(self._end(lease))
                self._note_untidy(lease)
        return over

    def _release(self, key: str) -> tuple[Outcome, list[str]]:
        self._untidy.pop(key, None)
        if key not in self._living:
            self._note_ended(key)
            return Outcome.TIME, []
        return Outcome.RELEASED, [self._end(key)]

    def _take(self, lease: Lease) -> tuple[Outcome, list[str]]:
        """A grant or a renewal."""
        new = LivingLease(lease, self.now_ms + int(lease.seconds * 1000))
        known = self._living.get(lease.lease)
        if known is not None:
            # One of another annotator or sample would stand in two places, and its end would miss one.
            if (known.holder, known.lease.id, known.sample) != (new.holder, lease.id, new.sample):
                return Outcome.OVER, []
            self._live(new)
            return Outcome.RENEWED if lease.until is not None else Outcome.GRANTED, []
        rivals = {self._of_query.get(lease.id), self._of_sample.get(new.sample)} - {None}
        in_time = lease.until is not None and not expires(lease.until, 0, self.now_ms)
        if lease.lease in self._ended or (lease.until is not None and not in_time):
            outcome = Outcome.OVER
        elif rivals and not in_time:
            outcome = Outcome.LOST
        elif self._has_too_many(new.holder):
            outcome = Outcome.REFUSED
        else:
            touched = [self._end(str(rival)) for rival in rivals]
            self._live(new)
            return Outcome.RENEWED if in_time else Outcome.GRANTED, [*touched, lease.id]
        self._note_ended(lease.lease)
        self._note_untidy(lease.lease)
        return outcome, []

    def _has_too_many(self, holder: Holder) -> bool:
        return len(self._living) >= MAX_LEASES or len(self._of_holder.get(holder, ())) >= MAX_PER_HOLDER

    def _live(self, new: LivingLease) -> None:
        key = new.lease.lease
        self._living[key] = new
        self._of_query[new.lease.id] = self._of_sample[new.sample] = key
        self._of_holder.setdefault(new.holder, {})[key] = None
        heapq.heappush(self._ends, (new.expires_ms, key))
        if len(self._ends) > 2 * len(self._living) + 100:
            self._ends = [(one.expires_ms, key) for key, one in self._living.items()]
            heapq.heapify(self._ends)

    def _end(self, key: str) -> str:
        """Forget a lease; return the id of its query."""
        over = self._living.pop(key)
        del self._of_query[over.lease.id], self._of_sample[over.sample], self._of_holder[over.holder][key]
        if not self._of_holder[over.holder]:
            del self._of_holder[over.holder]
        self._note_ended(key)
        return over.lease.id

    def _note_ended(self, key: str) -> None:
        self._ended[key] = None
        self._ended.move_to_end(key)
        if len(self._ended) > MAX_ENDED:
            oldest, _ = self._ended.popitem(last=False)
            self._untidy.pop(oldest, None)

    def _note_untidy(self, key: str) -> None:
        self._untidy[key] = None
