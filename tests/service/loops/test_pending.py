"""Laws of the pending queries: they agree with a simple model that looks at all of them each time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream_al.identity import distinct_id, version_of
from stream_al.messages import ModelStamp, Prediction, Query, encode, iso
from stream_al.service.broker.protocols import Ack, Record
from stream_al.service.loops.pending import PendingQueries
from stream_al.service.pending.entries import OVERHEAD
from stream_al.service.pending.entry import SHARED_HEADER, VERSION_HEADER
from stream_al.service.timing.clock import SYSTEM_CLOCK
from stream_al.settings import Settings

HOUR_MS = 3_600_000
LIVES_MS = (HOUR_MS, 5 * HOUR_MS)
IDS = "abc"


def query(sample_id: str, life_ms: int) -> Query:
    return Query(
        id=sample_id,
        features={"x": 1.0},
        prediction=Prediction(None, {}),
        utility=1.0,
        threshold=0.5,
        propensity=1.0,
        reason="uncertain",
        strategy="margin",
        model=ModelStamp("model", "0", 0),
        sampled_at=iso(0),
        queried_at=iso(0),
        expires_at=iso(life_ms),
    )


class Topic:
    """A reader, and the records that it brings next."""

    topic = "queries"

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def poll(self, max_records: int, timeout_seconds: float) -> list[Record]:
        records, self.records = self.records, []
        return records


@dataclass
class Plain:
    """A simple model of the pending queries: it looks at all of them each time.

    Attributes:
        open: The ids that are open in the topic.
        waiting: The ids that are pending here, each with its timestamp, its life and its offset.
        orphaned_before: The ids that were open and not pending when last asked.
    """

    open: set[str] = field(default_factory=set)
    waiting: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    orphaned_before: set[str] = field(default_factory=set)

    def oldest_seconds(self, now_ms: int) -> float:
        return max([0, *(now_ms - asked for asked, _, _ in self.waiting.values())]) / 1000

    def over(self, now_ms: int) -> list[str]:
        return sorted(i for i, (asked, life, _) in self.waiting.items() if now_ms > asked + life)

    def orphaned(self) -> list[str]:
        now = self.open - self.waiting.keys()
        found, self.orphaned_before = sorted(now & self.orphaned_before), now
        return found


class Both:
    """Pending queries and their model, to which the same happens."""

    def __init__(self, *, tombstones: bool) -> None:
        self.topic = Topic()
        self.is_labelled: set[str] = set()
        given = Settings.model_validate({"queries": {"tombstones": tombstones}})
        reader: Any = self.topic
        self.pending = PendingQueries(
            reader, given, SYSTEM_CLOCK, is_labelled=lambda given, _: given in self.is_labelled
        )
        self.plain = Plain()
        self.tombstones = tombstones
        self.now_ms = self.offset = 0

    def ask(self, sample_id: str, life_ms: int, *, early: bool) -> None:
        """A query is sent, entered when it is acknowledged (if `early`), and read from the topic."""
        self.offset += 1
        sent = query(sample_id, life_ms)
        value = encode(sent)
        if early:
            self.pending.add(sent, value, Ack(0, self.offset, self.now_ms))
        self._read(sample_id, value)
        if self.tombstones:
            self.plain.open.add(sample_id)
        if sample_id not in self.is_labelled:
            self.plain.waiting[sample_id] = (self.now_ms, life_ms, self.offset)

    def label(self, sample_id: str) -> None:
        """A label is learned, by this replica."""
        self.is_labelled.add(sample_id)
        self.close(sample_id)

    def close(self, sample_id: str) -> None:
        self.pending.close(sample_id)
        self.plain.waiting.pop(sample_id, None)

    def tombstone(self, sample_id: str) -> None:
        self.offset += 1
        self._read(sample_id, None)
        self.plain.waiting.pop(sample_id, None)
        self.plain.open.discard(sample_id)

    def _read(self, sample_id: str, value: bytes | None) -> None:
        key = sample_id.encode()
        self.topic.records = [Record("queries", 0, self.offset, self.now_ms, key, value)]
        asyncio.run(self.pending.step(0.0))

    def agree(self) -> None:
        pending, plain = self.pending, self.plain
        assert {i for i in IDS if i in pending} == plain.waiting.keys()
        assert {i for i in IDS if pending.is_open(i)} == plain.open | plain.waiting.keys()
        assert pending.taken_bytes == sum(len(one.value) + OVERHEAD for one in pending._entries.values())
        assert pending.oldest_seconds() == plain.oldest_seconds(self.now_ms)
        over = plain.over(self.now_ms)
        assert sorted(pending.expired(10, self.now_ms)) == over
        assert sorted(pending.expired(10, self.now_ms)) == over, "they stay until closed"
        assert len(pending.expired(1, self.now_ms)) == min(1, len(over))
        assert pending.overdue() or not over
        assert pending.orphaned() == plain.orphaned()


ACTIONS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(IDS), st.sampled_from(LIVES_MS), st.booleans()),
    st.tuples(st.sampled_from(["label", "close", "tombstone"]), st.sampled_from(IDS)),
    st.tuples(st.just("wait"), st.integers(1, 3 * HOUR_MS)),
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(actions=st.lists(ACTIONS, min_size=10, max_size=40), tombstones=st.booleans())
def test_pending_queries_agree_with_a_model_that_looks_at_all_of_them(
    actions: list[Any], tombstones: bool
) -> None:
    both = Both(tombstones=tombstones)
    for name, *given_ in actions:
        if name == "ask":
            both.ask(given_[0], given_[1], early=given_[2])
        elif name == "wait":
            both.now_ms += given_[0]
            both.pending.time.move(both.now_ms)
        else:
            getattr(both, name)(given_[0])
        both.agree()


def test_closed_queries_do_not_fill_the_heaps() -> None:
    """The heaps hold a bounded number of closed queries, although nothing asks for the oldest."""
    both = Both(tombstones=True)
    value = encode(query("a", HOUR_MS))
    for offset in range(5000):
        both.topic.records = [Record("queries", 0, offset, 0, b"a", value)]
        asyncio.run(both.pending.step(0.0))
        both.pending.close("a")
    assert len(both.pending._entries._lives) <= 1100


def test_the_earlier_of_two_queries_is_kept_though_the_later_one_was_entered_first() -> None:
    """The replica that sends the later one enters it when it is acknowledged, and reads the earlier after."""
    both = Both(tombstones=True)
    earlier, later = query("a", HOUR_MS), replace(query("a", HOUR_MS), features={"x": 2.0})
    both.pending.add(later, encode(later), Ack(0, 2, 0))
    both.offset = 1
    both._read("a", encode(earlier))
    own = distinct_id("a", version_of(earlier.features))
    (found, outgoing), *rest = both.pending.unpublished(10)
    assert (found.id, found.features, found.sample_id, outgoing.key) == (own, {"x": 1.0}, "a", own.encode())
    assert not rest
    assert own in both.pending
    assert "a" in both.pending.shared
    both.pending.add(found, outgoing.value or b"", Ack(0, 3, 0), outgoing.headers)
    assert not both.pending.unpublished(10)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("place", [0, 1])
def test_a_query_that_was_published_again_is_not_published_once_more(closed: bool, place: int) -> None:
    """A restart may read its record, or its tombstone, before those of the shared id: no partition waits."""
    both = Both(tombstones=True)
    earlier, later = query("a", HOUR_MS), replace(query("a", HOUR_MS), features={"x": 2.0})
    version = version_of(earlier.features)
    own = distinct_id("a", version)
    headers = ((SHARED_HEADER, b"a"), (VERSION_HEADER, version.encode()))
    value = None if closed else encode(replace(earlier, id=own, version=version, sample_id="a"))
    both.topic.records = [
        Record("queries", 0, 1, 0, b"a", encode(earlier)),
        Record("queries", 0, 2, 0, b"a", encode(later)),
    ]
    both.topic.records.insert(place, Record("queries", 1, 7, 0, own.encode(), value, headers))
    asyncio.run(both.pending.step(0.0))
    assert not both.pending.unpublished(10)
    assert (own in both.pending) is not closed
    assert both.pending.version("a") == version_of(later.features)
    assert "a" in both.pending.shared


def test_a_sample_that_has_a_query_of_its_own_is_not_asked_about_under_the_shared_id_too() -> None:
    """A batch that is decided again publishes the earlier query once more; both are pending, each once."""
    both = Both(tombstones=True)
    earlier, later = query("a", HOUR_MS), replace(query("a", HOUR_MS), features={"x": 2.0})
    sent = [earlier, later, earlier]
    both.topic.records = [
        Record("queries", 0, offset, 0, b"a", encode(one)) for offset, one in enumerate(sent)
    ]
    asyncio.run(both.pending.step(0.0))
    own = {distinct_id("a", version_of(one.features)) for one in (earlier, later)}
    assert {found.id for found, _ in both.pending.unpublished(10)} == own
    assert len(both.pending) == 2
    assert both.pending.is_open("a"), "its record in the topic gets a tombstone"
    assert "a" not in both.pending
