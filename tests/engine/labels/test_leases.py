"""The laws of leases: one person at a time, whatever the writers do, and the same after any replay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels import leases as rule
from stream_al.engine.labels.leases import MAX_PER_HOLDER, Leases, Outcome
from stream_al.replica_messages import Lease

law = settings(derandomize=True, deadline=None, max_examples=300)

SECONDS = 10.0
LIFE_MS = 10_000
LAG_MS = 4 * LIFE_MS
"""As `min.compaction.lag.ms` is set: records that are younger are not compacted."""
QUERIES = {"p": None, "q": None, "q~2": "q"}
WRITERS = 3

Written = tuple[str, Lease | None, int]
"""A record: its key, its value, its timestamp."""


@dataclass
class Writer:
    """A replica: it reads the log at its own speed, and follows the protocol.

    Attributes:
        asked: The leases that it has asked for, and not heard of.
        told: The leases that it has told somebody of.
    """

    state: Leases = field(default_factory=Leases)
    read: int = 0
    asked: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)


class History:
    """A log with writers whose actions come in any order."""

    def __init__(self) -> None:
        self.records: list[Written] = []
        self.now_ms = 0
        self.writers = [Writer() for _ in range(WRITERS)]
        self._ids = count()

    def grant(self, writer: int, query: str, holder: str) -> None:
        """A writer asks for a lease, whatever it may know."""
        lease = Lease(f"l{next(self._ids)}", query, "v1", holder, SECONDS, second_of=QUERIES[query])
        self.writers[writer].asked.add(lease.lease)
        self._append(lease.lease, lease)

    def renew(self, writer: int, number: int) -> None:
        """A writer renews a lease that lives as far as it has read."""
        one = self.writers[writer]
        if one.told and (found := one.state.get(one.told[number % len(one.told)])):
            until = found.expires_ms
            self._append(found.lease.lease, msgspec.structs.replace(found.lease, until=until))

    def release(self, writer: int, number: int) -> None:
        """A writer gives a lease back."""
        one = self.writers[writer]
        if one.told:
            self._append(one.told[number % len(one.told)], None)

    def read(self, writer: int, number: int) -> None:
        """A writer reads on, tells of its leases, and removes those that were lost."""
        one = self.writers[writer]
        new = self.records[one.read : one.read + number]
        one.read += len(new)
        for key, lease, at_ms in new:
            outcome = one.state.fold(key, lease, at_ms).outcome
            if key in one.asked:
                one.asked.discard(key)
                if outcome is Outcome.GRANTED:
                    one.told.append(key)
                else:
                    self._append(key, None)

    def crash(self, writer: int) -> None:
        """A writer is replaced by one that knows nothing."""
        self.writers[writer] = Writer()

    def wait(self, milliseconds: int) -> None:
        """Another replica removes what is over, and time passes."""
        for lease in folded(self.records).untidy():
            self._append(lease, None)
        self.now_ms += milliseconds

    def _append(self, key: str, lease: Lease | None) -> None:
        self.records.append((key, lease, self.now_ms))


writers, numbers = st.integers(0, WRITERS - 1), st.integers(0, 5)
ACTIONS = st.one_of(
    st.tuples(st.just("grant"), writers, st.sampled_from(sorted(QUERIES)), st.sampled_from(["ann", "bob"])),
    st.tuples(st.sampled_from(["renew", "release"]), writers, numbers),
    st.tuples(st.just("read"), writers, st.integers(1, 8)),
    st.tuples(st.just("crash"), writers),
    st.tuples(st.just("wait"), st.sampled_from([1, 2_000, 6_000, LIFE_MS, LIFE_MS + 1, 5 * LIFE_MS])),
)
logs = st.lists(ACTIONS, min_size=5, max_size=60)


def happened(actions: Iterable[Any]) -> History:
    log = History()
    for name, *given_ in actions:
        getattr(log, name)(*given_)
    return log


def folded(records: Iterable[Written]) -> Leases:
    state = Leases()
    for record in records:
        state.fold(*record)
    return state


def living(state: Leases) -> dict[str, tuple[str, str, int]]:
    return {one.lease.lease: (one.lease.id, one.lease.holder, one.expires_ms) for one in state}


def spans(records: Iterable[Written]) -> dict[str, tuple[Lease, int, int]]:
    """When each lease lived, computed from what became of the records alone."""
    state, found = Leases(), dict[str, tuple[Lease, int, int]]()
    for key, lease, at_ms in records:
        outcome = state.fold(key, lease, at_ms).outcome
        if lease is not None and outcome in (Outcome.GRANTED, Outcome.RENEWED):
            begin = found[key][1] if key in found else at_ms
            found[key] = lease, begin, at_ms + LIFE_MS
        elif outcome is Outcome.RELEASED:
            known, begin, end = found[key]
            found[key] = known, begin, min(end, at_ms - 1)
    return found


@law
@given(logs)
def test_no_two_leases_of_a_query_ever_live_at_once(actions: list[Any]) -> None:
    by_query = defaultdict[str, list[tuple[int, int]]](list)
    for lease, begin, end in spans(happened(actions).records).values():
        by_query[lease.id].append((begin, end))
    for lives in by_query.values():
        in_order = sorted(lives)
        assert all(end < begin for (_, end), (begin, _) in pairwise(in_order))


@law
@given(logs)
def test_nobody_ever_holds_two_queries_of_one_sample(actions: list[Any]) -> None:
    by_person = defaultdict[tuple[str, str], list[tuple[int, int]]](list)
    for lease, begin, end in spans(happened(actions).records).values():
        by_person[lease.holder, lease.second_of or lease.id].append((begin, end))
    for lives in by_person.values():
        in_order = sorted(lives)
        assert all(end < begin for (_, end), (begin, _) in pairwise(in_order))


@law
@given(logs)
def test_replicas_that_have_read_the_same_records_agree(actions: list[Any]) -> None:
    """However slowly each has read, and whatever it has written meanwhile."""
    log = happened(actions)
    for one in log.writers:
        assert living(one.state) == living(folded(log.records[: one.read]))
        assert set(one.told) <= spans(log.records).keys()


@law
@given(logs, st.integers(0, 10 * LIFE_MS), st.booleans())
def test_compaction_changes_nothing(actions: list[Any], earlier_ms: int, tombstones: bool) -> None:
    """The broker keeps the last record of each key, of those that are old enough, at any time."""
    log = happened(actions)
    cut = log.now_ms - LAG_MS - earlier_ms
    last = {key: number for number, (key, _, at_ms) in enumerate(log.records) if at_ms <= cut}
    kept = [
        record
        for number, record in enumerate(log.records)
        if record[2] > cut or (last[record[0]] == number and (tombstones or record[1] is not None))
    ]
    time = "time", None, log.now_ms
    assert living(folded([*kept, time])) == living(folded([*log.records, time]))


def test_a_renewed_lease_outlives_its_grant_in_the_topic() -> None:
    """It is known by its last renewal alone, also to a replica that first sees another's lost grant."""
    lease, other = Lease("a", "q", "v1", "ann", SECONDS), Lease("b", "q", "v1", "bob", SECONDS)
    renewed = msgspec.structs.replace(lease, until=LIFE_MS)
    raw = folded([("a", lease, 0), ("b", other, 5_000), ("a", renewed, 9_000)])
    compacted = folded([("b", other, 5_000), ("a", renewed, 9_000)])
    assert living(raw) == living(compacted) == {"a": ("q", "ann", 9_000 + LIFE_MS)}


def test_a_lease_runs_out_by_log_time_and_the_query_is_anybodys() -> None:
    state, lease = Leases(), Lease("a", "q", "v1", "ann", SECONDS)
    state.fold("a", lease, 1_000)
    assert state.fold("b", Lease("b", "q", "v1", "bob", SECONDS), 1_000 + LIFE_MS).outcome is Outcome.LOST
    change = state.fold("time", None, 1_001 + LIFE_MS)
    assert (change.queries, change.expired, len(state)) == (("q",), 1, 0)
    late = msgspec.structs.replace(lease, until=1_000 + LIFE_MS)
    assert state.fold("a", late, 1_001 + LIFE_MS).outcome is Outcome.OVER
    assert state.fold("c", Lease("c", "q", "v1", "bob", SECONDS), 1_001 + LIFE_MS).outcome is Outcome.GRANTED


def test_a_grant_that_was_lost_stays_lost() -> None:
    """Its writer may have been told so, or may repeat it."""
    state, other = Leases(), Lease("b", "q", "v1", "bob", SECONDS)
    state.fold("a", Lease("a", "q", "v1", "ann", SECONDS), 0)
    state.fold("b", other, 1)
    state.fold("a", None, 2)
    assert state.fold("b", other, 3).outcome is Outcome.OVER
    assert state.of_query("q") is None


def test_a_time_that_goes_back_revives_nothing() -> None:
    state = Leases()
    state.fold("a", Lease("a", "q", "v1", "ann", SECONDS), 0)
    state.fold("time", None, LIFE_MS + 1)
    state.fold("b", Lease("b", "q", "v1", "bob", SECONDS), 5)
    found = state.of_query("q")
    assert found
    assert (found.lease.lease, found.expires_ms) == ("b", 2 * LIFE_MS + 1)


def test_leases_are_bounded(monkeypatch: Any) -> None:
    """By holder, in all, and in what is remembered of those that are over; renewals are no way around."""
    monkeypatch.setattr(rule, "MAX_LEASES", 2 * MAX_PER_HOLDER)
    monkeypatch.setattr(rule, "MAX_ENDED", 100)
    state, outcomes = Leases(), list[Outcome]()
    for number in range(4 * MAX_PER_HOLDER):
        key, holder = f"l{number}", f"h{number % 3}" if number > MAX_PER_HOLDER else "h0"
        until = 10**12 if number % 2 else None
        lease = Lease(key, f"q{number}", "v1", holder, SECONDS, until=until)
        outcomes.append(state.fold(key, lease, 0).outcome)
    assert outcomes[MAX_PER_HOLDER] is Outcome.REFUSED
    assert len(state.held_by((None, "h0"))) == MAX_PER_HOLDER
    assert len(state) == 2 * MAX_PER_HOLDER
    for number in range(1000):
        state.fold(f"m{number}", Lease(f"m{number}", "q0", "v1", "bob", SECONDS), 0)
        held = state.held_by((None, "h0"))[0].lease
        state.fold(held.lease, msgspec.structs.replace(held, until=10**12), 0)
    assert max(len(state._ended), len(state.untidy())) <= 100
    assert len(state._ends) <= 2 * len(state) + 101


FORGED = st.builds(
    Lease,
    lease=st.sampled_from("ab"),
    id=st.sampled_from("pq"),
    version=st.just("v1"),
    holder=st.sampled_from("hi"),
    seconds=st.sampled_from([1.0, SECONDS]),
    annotator=st.sampled_from([None, "ann"]),
    via=st.sampled_from([None, "h"]),
    second_of=st.sampled_from([None, "p"]),
    until=st.sampled_from([None, 0, LIFE_MS, 2**63 - 1]),
)


@law
@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | FORGED, st.integers(-1, 20_000)), max_size=20))
def test_whatever_others_write_every_lease_can_end(records: list[Written]) -> None:
    """A record that could not be folded would end every replica, at every start."""
    leases = Leases()
    for key, lease, at_ms in records:
        leases.fold(key, lease and msgspec.structs.replace(lease, lease=key), at_ms)
        for one in leases:
            assert leases.holds_sample(*one.sample)
            assert leases.of_query(one.lease.id) == one
    for key in "abc":
        leases.fold(key, None, 0)
    assert (len(leases), leases.holders, leases._of_query, leases._of_sample) == (0, 0, {}, {})
