"""The laws of the last samples: which ones are kept, and how much memory they take."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.budgets import Decision, Reason
from stream_al.engine.strategies import ScoredSample
from stream_al.errors import BadMessage
from stream_al.messages import ClassLabel
from stream_al.service.broker.protocols import Record
from stream_al.service.desk.recent_samples import MOST, MOST_PER_SECOND, RecentSamples
from stream_al.service.loops.stage import Items

law = settings(derandomize=True, deadline=None, max_examples=60)


def piece(first: int, sizes: list[int], classes: int = 2) -> tuple[Items, list[Decision]]:
    probabilities: dict[ClassLabel, float] = dict.fromkeys(map(str, range(classes)), 1.0 / classes)
    ids = [f"s{first + n}" for n in range(len(sizes))]
    items: Items = [
        (
            Record("samples", 0, first + n, 0, None, b"x" * size),
            (None, ScoredSample(ids[n], probabilities, 0.5)),
        )
        for n, size in enumerate(sizes)
    ]
    return items, [Decision(i, False, 0.5, 0.5, 0.1, Reason.BELOW) for i in ids]


def unread(record: Record) -> BadMessage:
    return BadMessage("unread", "not read here")


def still() -> float:
    """A clock in which no second ends, so nothing is thinned."""
    return 0.0


@law
@given(st.lists(st.lists(st.integers(0, 3000), max_size=30), max_size=40), st.integers(2000, 40_000))
def test_the_last_ones_are_kept_within_the_bytes(sizes: list[list[int]], max_bytes: int) -> None:
    """They are a run without gaps up to the newest, found by their numbers, and no others are found."""
    recent, total = RecentSamples(unread, max_bytes, still), 0
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
    recent = RecentSamples(unread, 2**40, still)
    for begin in range(0, 2 * MOST, 1700):
        recent.add(*piece(begin, [1] * 1700), examples=0)
        assert len(list(recent)) == len(recent) == min(MOST, begin + 1700)
        assert sum(len(one.records) for one in recent._pieces) < MOST + 1700


def test_many_classes_count_for_the_bytes() -> None:
    few, many = (RecentSamples(unread, 100_000, still) for _ in range(2))
    few.add(*piece(0, [10] * 50), examples=0)
    many.add(*piece(0, [10] * 50, classes=1000), examples=0)
    assert len(few) == 50
    assert len(many) == 1


@pytest.mark.parametrize(
    ("rate", "size", "every"), [(400, 7, 3), (2000, 100, 20), (2000, 1, 9), (5000, 333, 50)]
)
def test_a_fast_stream_is_thinned_evenly_and_no_selected_sample_is_left_out(
    rate: int, size: int, every: int
) -> None:
    now, kept = 0.0, list[int]()
    recent = RecentSamples(unread, 2**40, lambda: now)
    for begin in range(0, 4 * rate, size):
        now = begin / rate
        items, made = piece(begin, [0] * size)
        made = [msgspec.structs.replace(one, selected=(begin + n) % every == 0) for n, one in enumerate(made)]
        before = recent.total
        recent.add(items, made, examples=0)
        new = [recent.get(number) for number in range(before, recent.total)]
        kept += [int(one.decision.id[1:]) for one in new if one is not None]
    assert set(range(0, 4 * rate, every)) <= set(kept)
    assert len(kept) == recent.total == len(set(kept))
    stride = -(-rate // MOST_PER_SECOND)
    for second in (2, 3):
        others = [n for n in kept if second * rate + size <= n < (second + 1) * rate - size and n % every]
        assert max(b - a for a, b in pairwise(others)) <= 4 * stride
        wanted = min(rate, MOST_PER_SECOND) * (1 - 1 / every) * (rate - 2 * size) / rate
        assert 0.7 * wanted <= len(others) <= MOST_PER_SECOND
