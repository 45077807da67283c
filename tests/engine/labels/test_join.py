"""The laws of joining answers with queries."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.join import Joined, Outcome, Pending, join
from stream_al.errors import BadMessage
from stream_al.messages import Example, Label, ModelStamp, Prediction, Query

ASKED, LIFE = 10_000, 5_000
QUERY = Query(
    id="a",
    features={"x": 1.0},
    prediction=Prediction("ham", {"ham": 0.6, "spam": 0.4}),
    utility=0.8,
    threshold=0.7,
    propensity=0.25,
    reason="uncertain",
    strategy="margin",
    model=ModelStamp("m", "v", 3),
    sampled_at="1970-01-01T00:00:09.000Z",
    queried_at="1970-01-01T00:00:10.000Z",
    expires_at="1970-01-01T00:00:15.000Z",
    payload={"text": "hello"},
)
PENDING = Pending(QUERY, ASKED, LIFE)
IN_TIME, LAST_MOMENT, LATE = 11_000, ASKED + LIFE, ASKED + LIFE + 1

LEARNED = Example(
    id="a",
    label="spam",
    features={"x": 1.0},
    annotator="kim",
    propensity=0.25,
    reason="uncertain",
    prediction=QUERY.prediction,
    queried_at="1970-01-01T00:00:10.000Z",
    labelled_at="then",
)
UNASKED = Example(
    id="a", label="spam", features={"y": 2}, annotator="kim", reason="unsolicited", labelled_at="then"
)
RECORD = Example(id="a", label="spam", annotator="kim", labelled_at="then")

ANSWER = Label("a", "spam", annotator="kim", labelled_at="then")
SKIP = Label("a", skipped=True, annotator="kim")
SKIP_WITH_LABEL = Label("a", "spam", skipped=True)
WITH_FEATURES = Label("a", "spam", annotator="kim", labelled_at="then", features={"y": 2})
SKIP_WITH_FEATURES = Label("a", skipped=True, features={"y": 2})

LABELLED, SKIPPED = Joined(Outcome.LABELLED, LEARNED, closes=True), Joined(Outcome.SKIPPED, closes=True)
EXPIRED, DUPLICATE = Joined(Outcome.EXPIRED, closes=True), Joined(Outcome.DUPLICATE, closes=True)
CONFLICT = Joined(Outcome.CONFLICT, RECORD, closes=True)
UNSOLICITED = Joined(Outcome.UNSOLICITED, UNASKED)


@pytest.mark.parametrize(
    ("label", "at", "pending", "known", "verdict"),
    [
        # a query waits: the log's time decides, whatever was learned before
        (ANSWER, IN_TIME, PENDING, None, LABELLED),
        (ANSWER, IN_TIME, PENDING, "ham", LABELLED),
        (WITH_FEATURES, IN_TIME, PENDING, None, LABELLED),
        (ANSWER, LAST_MOMENT, PENDING, None, LABELLED),
        (ANSWER, LATE, PENDING, None, EXPIRED),
        (WITH_FEATURES, LATE, PENDING, None, EXPIRED),
        (SKIP, IN_TIME, PENDING, None, SKIPPED),
        (SKIP_WITH_LABEL, IN_TIME, PENDING, None, SKIPPED),
        (SKIP, LAST_MOMENT, PENDING, None, SKIPPED),
        (SKIP, LATE, PENDING, None, EXPIRED),
        # none waits, and the id was learned: the first label stands
        (ANSWER, LATE, None, "spam", DUPLICATE),
        (WITH_FEATURES, LATE, None, "spam", DUPLICATE),
        (ANSWER, LATE, None, "ham", CONFLICT),
        (WITH_FEATURES, LATE, None, "ham", CONFLICT),
        (SKIP, LATE, None, "ham", DUPLICATE),
        (SKIP_WITH_LABEL, LATE, None, "ham", DUPLICATE),
        # nobody asked: only an answer that brings its own features is of use
        (WITH_FEATURES, LATE, None, None, UNSOLICITED),
    ],
)
def test_an_answer_is_judged_by_its_query_by_what_is_known_and_by_log_time(
    label: Label, at: int, pending: Pending | None, known: str | None, verdict: Joined
) -> None:
    assert join(label, at_ms=at, pending=pending, known=known) == verdict


@pytest.mark.parametrize(
    "label", [ANSWER, SKIP, SKIP_WITH_LABEL, SKIP_WITH_FEATURES, Label("a", "spam", features={})]
)
def test_an_answer_that_nobody_asked_for_and_that_brings_nothing_is_a_bad_message(label: Label) -> None:
    with pytest.raises(BadMessage) as caught:
        join(label, at_ms=IN_TIME, pending=None, known=None)
    assert caught.value.reason == "unknown_id"


@pytest.mark.parametrize("known", [False, 0, ""])
def test_a_known_label_that_is_false_is_known_all_the_same(known: bool | int | str) -> None:
    same, other = Label("a", known), Label("a", "spam")
    assert join(same, at_ms=0, pending=None, known=known).outcome is Outcome.DUPLICATE
    assert join(other, at_ms=0, pending=None, known=known).outcome is Outcome.CONFLICT


@pytest.mark.parametrize("falsy", [False, 0, 0.0, ""])
def test_a_label_that_is_false_is_an_answer(falsy: bool | float | str) -> None:
    joined = join(Label("a", falsy), at_ms=IN_TIME, pending=PENDING, known=None)
    assert joined.example is not None
    assert joined.example.label is falsy


@settings(derandomize=True, deadline=None)
@given(claimed=st.none() | st.text() | st.sampled_from(["1970-01-01T00:00:10Z", "9999-12-31T00:00:00Z"]))
def test_what_an_annotators_clock_says_is_recorded_and_decides_nothing(claimed: str | None) -> None:
    label = Label("a", "spam", labelled_at=claimed)
    in_time = join(label, at_ms=LAST_MOMENT, pending=PENDING, known=None)
    assert in_time.outcome is Outcome.LABELLED
    assert in_time.example is not None
    assert in_time.example.labelled_at == (claimed or "1970-01-01T00:00:15.000Z")
    assert join(label, at_ms=LATE, pending=PENDING, known=None).outcome is Outcome.EXPIRED


def test_joining_leaves_what_it_was_given_as_it_was() -> None:
    before = msgspec.json.encode(QUERY)
    once = join(ANSWER, at_ms=IN_TIME, pending=PENDING, known=None)
    assert join(ANSWER, at_ms=IN_TIME, pending=PENDING, known=None) == once
    assert msgspec.json.encode(QUERY) == before
