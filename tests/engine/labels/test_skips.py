"""Skips by reason: whatever people type, the number of counts is bounded, and no skip is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_al.engine.labels.skips import MOST, MOST_CHARACTERS, NO_REASON, OTHERS, SkipReasons


@given(st.lists(st.none() | st.text(max_size=200)))
def test_every_skip_is_counted_under_one_of_few_short_reasons(reasons: list[str | None]) -> None:
    skips = SkipReasons()
    names = {skips.count(reason) for reason in reasons}
    assert sum(skips.counts.values()) == len(reasons)
    assert names == skips.counts.keys()
    assert len(names - {NO_REASON, OTHERS}) <= MOST
    assert all(0 < len(name) <= MOST_CHARACTERS for name in names)


def test_the_first_reasons_keep_their_counts_and_the_rest_share_one() -> None:
    skips = SkipReasons()
    for number in range(MOST + 5):
        skips.count(f"reason {number}")
    assert skips.count("Reason 0") == "reason 0"
    assert skips.counts[OTHERS] == 5
