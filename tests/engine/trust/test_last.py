"""The last labelled samples, relabelling by hand, and the speed of annotators."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_al.engine.trust import last as module
from stream_al.engine.trust.again import Candidate
from stream_al.engine.trust.by_hand import by_hand
from stream_al.engine.trust.items import MOST_LABELS
from stream_al.engine.trust.last import Last
from stream_al.engine.trust.speed import BREAK_SECONDS, Speed
from stream_al.engine.trust.trust import Trust
from stream_al.messages import Example, iso
from tests.engine.trust.labels import first, folded, second

kept = st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3000), st.booleans())


@given(st.lists(kept, max_size=40), st.integers(0, 40))
def test_the_bytes_and_the_number_are_bounded_whatever_comes(
    log: list[tuple[str, int, bool]], turn: int
) -> None:
    """The newest stay. Lowering the bound takes effect at once."""
    last = Last(max_bytes=9_000)
    for place, (name, size, repeated) in enumerate(log):
        example = Example(name, "up", {"text": "x" * size}, comment="c" * (size % 50))
        if repeated:
            last.note(msgspec.structs.replace(example, second_of=name))
        else:
            last.add(example, name, "v", place, bought=False)
            assert name in last.samples
        if place == turn:
            last.bound(3_000)
        assert last.bytes <= last.max_bytes
        assert last.bytes == sum(module._size(one) for one in last.samples.values())
        assert all(len(one.record) <= 900 for one in last.samples.values())


@pytest.mark.parametrize("texts", [{"annotator": "a" * 500}, {"label": "l" * 500}, {"comment": "c" * 500}])
def test_every_text_of_a_second_label_counts(texts: dict[str, str]) -> None:
    last = Last()
    last.add(first("s1"), "s1", "v", 0, bought=True)
    before = last.bytes
    last.note(msgspec.structs.replace(first("s1~2", second_of="s1"), **texts))
    assert last.bytes >= before + 4 * 500


def test_the_oldest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    last = Last()
    for number in range(6):
        last.add(first(f"s{number}"), f"s{number}", "v", number, bought=True)
    assert list(last.samples) == ["s3", "s4", "s5"]


def test_a_sample_that_is_no_item_any_more_can_be_asked_about_again_and_then_counts_as_ever() -> None:
    """Its second label is weighed with what the model had predicted, and leads to a proposal."""
    known = folded(first("s1"))
    known.trust.items.doubted.clear()
    found = by_hand(known.trust, "s1")
    assert isinstance(found, Candidate)
    assert found.id == "s1~2"
    known.fold(second("s1", "down"), 1)
    known.fold(second("s1", "down", "eve", 3), 2)
    assert (
        known.trust.tally
        == folded(first("s1"), second("s1", "down"), second("s1", "down", "eve", 3)).trust.tally
    )
    (proposal,) = known.trust.proposals()
    assert (proposal.id, proposal.offset, proposal.consensus) == ("s1", 0, "down")


def test_why_a_sample_cannot_be_asked_about_again_is_said() -> None:
    seed = msgspec.structs.replace(first("seed"), prediction=None, propensity=None)
    decided = Example("s2", "down", corrects=True, version=second("s2", "up").version)
    found = folded(first("s1"), seed, first("s2"), decided).trust
    assert by_hand(found, "s9") == "it is not among the last labelled samples any more"
    assert by_hand(found, "seed") == "the service did not choose it, so its label can only be corrected"
    assert by_hand(found, "s2") == "somebody has decided on its label already"
    full = folded(first("s1"), *(second("s1", "up", f"b{n}", n) for n in range(2, MOST_LABELS + 1)))
    assert by_hand(full.trust, "s1") == f"it has {MOST_LABELS} labels already, and no more count"
    small = Trust(last=Last(max_bytes=1_500))
    small.first(first("s1"), "s1", "v", 0, bought=True)
    small.items.doubted.clear()
    assert by_hand(small, "s1") == "it is too large to be kept, so its label can only be corrected"


@given(st.lists(st.floats(0, 2 * BREAK_SECONDS), min_size=1, max_size=60))
def test_the_pace_is_that_of_the_gaps_without_breaks(gaps: list[float]) -> None:
    speed, now = Speed(), 0
    speed.labelled(iso(now))
    worked = []
    for gap in gaps:
        now += round(1000 * gap)
        speed.labelled(iso(now))
        if round(1000 * gap) <= 1000 * BREAK_SECONDS:
            worked.append(round(1000 * gap) / 1000)
    pace = speed.pace()
    if pace is None:
        assert not worked
        return
    assert pace.cases == len(worked)
    assert sum(gap <= pace.median + 1e-3 for gap in worked) >= len(worked) / 2
    assert sum(gap >= pace.median - 1e-3 for gap in worked) >= len(worked) / 2
    assert pace.low is None or pace.high is None or pace.low <= pace.median <= pace.high


@pytest.mark.parametrize("at", [None, "", "yesterday", "2026-01-01T00:00:00", "9" * 40])
def test_a_time_that_cannot_be_read_is_passed_over(at: str | None) -> None:
    speed = Speed()
    for one in ("2026-01-01T00:00:00Z", at, "2026-01-01T00:00:09Z"):
        speed.labelled(one)
    pace = speed.pace()
    assert pace is not None
    assert (pace.median, pace.cases) == (9.0, 1)
