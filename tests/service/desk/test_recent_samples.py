"""The laws of the last samples: which ones are kept, and how much memory they take."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets import Decision, Reason
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.service.broker.protocols import Record
from stream_al.service.desk.recent_samples import MOST, RecentSamples
from stream_al.service.loops.stage import Items

law = settings(derandomize=True, deadline=None, max_examples=60)


def piece(first: int, sizes: list[int], classes: int = 2) -> tuple[Items, list[Decision]]:
    probabilities = dict.fromkeys(map(str, range(classes)), 1.0 / classes)
    ids = [f"s{first + n}" for n in range(len(sizes))]
    items: Items = [
        (
            Record("samples", 0, first + n, None, b"x" * size, (), 0),
            (None, ScoredSample(ids[n], probabilities, 0.5)),
        )
        for n, size in enumerate(sizes)
    ]
    return items, [Decision(i, False, 0.5, 0.5, 0.1, Reason.BELOW) for i in ids]


def unread(record: Record) -> BadMessage:
    return BadMessage("unread", "not read here")


@law
@given(st.lists(st.lists(st.integers(0, 3000), max_size=30), max_size=40), st.integers(2000, 40_000))
def test_the_last_ones_are_kept_within_the_bytes(sizes: list[list[int]], max_bytes: int) -> None:
    """They are a run without gaps up to the newest, found by their numbers, and no others are found."""
    recent, total = RecentSamples(unread, max_bytes), 0
    for some in sizes:
        recent.add(*piece(total, some), examples=total)
        total += len(some)
        kept = list(recent)
        assert recent.bytes <= max_bytes
        assert [one.number for one in kept] == list(range(total - len(kept), total))
        assert len(recent) == len(kept)
        assert all(one.decision.id == f"s{one.number}" == one.arrival.id for one in kept)
        assert [recent.get(one.number) for one in kept] == kept
        assert recent.get(total) is recent.get(total - len(kept) - 1) is recent.get(-1) is None
        if some and some[-1] + 800 < max_bytes:
            assert kept


def test_no_more_than_the_most_are_kept_whatever_their_pieces() -> None:
    recent = RecentSamples(unread, 2**40)
    for begin in range(0, 3 * MOST, 700):
        recent.add(*piece(begin, [1] * 700), examples=0)
        assert len(list(recent)) == len(recent) == min(MOST, begin + 700)
        assert sum(len(one.records) for one in recent._pieces) < MOST + 700


def test_many_classes_count_for_the_bytes() -> None:
    few, many = (RecentSamples(unread, 100_000) for _ in range(2))
    few.add(*piece(0, [10] * 50), examples=0)
    many.add(*piece(0, [10] * 50, classes=1000), examples=0)
    assert len(few) == 50
    assert len(many) == 1
