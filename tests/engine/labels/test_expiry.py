"""The laws of expiry: a deadline is a matter of log time, and no label that came in time is lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.expiry import JudgedTime, Mark, expires

law = settings(derandomize=True, deadline=None, max_examples=300)


@pytest.mark.parametrize(("now", "over"), [(999, False), (1_500, False), (1_501, True)])
def test_a_query_lives_up_to_and_including_its_deadline(now: int, over: bool) -> None:
    assert expires(1_000, 500, now) is over


def test_before_anything_is_marked_no_time_is_judged() -> None:
    assert JudgedTime().judged_ms == 0
    assert JudgedTime().checked(unread=False) == JudgedTime()


def test_a_marked_time_is_judged_once_every_label_before_it_is_committed() -> None:
    marked = JudgedTime().with_mark(Mark(9_000, {0: 7, 1: 2}))
    assert marked.checked(unread=True) is marked
    assert marked.checked(unread=False) == JudgedTime(9_000)


def test_a_mark_is_kept_until_it_is_checked() -> None:
    """A later mark in its place would wait for labels that may never stop coming."""
    marked = JudgedTime().with_mark(Mark(9_000, {0: 7}))
    with pytest.raises(ValueError, match="marked already"):
        marked.with_mark(Mark(10_000, {0: 8}))


def test_the_judged_time_never_goes_back() -> None:
    assert JudgedTime(9_000).with_mark(Mark(5_000, {})).checked(unread=False).judged_ms == 9_000


@dataclass
class LabelTopic:
    """Labels in one partition with rising timestamps, and how many are committed."""

    now_ms: int = 0
    labels: list[int] = field(default_factory=list)
    committed: int = 0


@law
@given(st.lists(st.sampled_from(["time", "label", "commit", "step"]), max_size=60))
def test_every_label_up_to_the_judged_time_is_committed(events: list[str]) -> None:
    """Labels may come and be read late, while other topics show a later time."""
    log, time = LabelTopic(), JudgedTime()
    for event in events:
        if event == "time":
            log.now_ms += 100
        elif event == "label":
            log.now_ms += 1
            log.labels.append(log.now_ms)
        elif event == "commit":
            log.committed = min(log.committed + 1, len(log.labels))
        else:
            if time.mark is None:
                time = time.with_mark(Mark(log.now_ms, {0: len(log.labels)}))
            assert time.mark is not None
            time = time.checked(unread=log.committed < time.mark.ends[0])
        assert all(at_ms > time.judged_ms for at_ms in log.labels[log.committed :])
