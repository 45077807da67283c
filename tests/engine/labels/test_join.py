"""The laws of joining labels with queries."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.join import Joined, Known, Outcome, Pending, join
from stream_al.errors import BadMessage
from stream_al.messages import Example, Label, ModelStamp, Prediction, Query

QUERIED, LIFE = 10_000, 5_000
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
PENDING = Pending(QUERY, QUERIED, LIFE)
IN_TIME, LAST_MOMENT, LATE = 11_000, QUERIED + LIFE, QUERIED + LIFE + 1

LEARNED = Example(
    id="a",
    label="spam",
    features={"x": 1.0},
    annotator="kim",
    propensity=0.25,
    reason="uncertain",
    prediction=QUERY.prediction,
    model=QUERY.model,
    queried_at="1970-01-01T00:00:10.000Z",
    labelled_at="then",
)
UNSOLICITED_EXAMPLE = Example(
    id="a", label="spam", features={"y": 2}, annotator="kim", reason="unsolicited", labelled_at="then"
)
RECORD = Example(id="a", label="spam", annotator="kim", labelled_at="then")

LABEL = Label("a", "spam", annotator="kim", labelled_at="then")
SKIP = Label("a", skipped=True, annotator="kim")
SKIP_WITH_LABEL = Label("a", "spam", skipped=True)
WITH_FEATURES = Label("a", "spam", annotator="kim", labelled_at="then", features={"y": 2})
SKIP_WITH_FEATURES = Label("a", skipped=True, features={"y": 2})

LABELLED, SKIPPED = Joined(Outcome.LABELLED, LEARNED, closes=True), Joined(Outcome.SKIPPED, closes=True)
EXPIRED, DUPLICATE = Joined(Outcome.EXPIRED, closes=True), Joined(Outcome.DUPLICATE, closes=True)
CONFLICT = Joined(Outcome.CONFLICT, RECORD, closes=True)
UNSOLICITED = Joined(Outcome.UNSOLICITED, UNSOLICITED_EXAMPLE)


@pytest.mark.parametrize(
    ("label", "at", "pending", "known", "joined"),
    [
        # with a pending query, log time decides, whatever label is known
        (LABEL, IN_TIME, PENDING, None, LABELLED),
        (LABEL, IN_TIME, PENDING, "ham", LABELLED),
        (WITH_FEATURES, IN_TIME, PENDING, None, LABELLED),
        (LABEL, LAST_MOMENT, PENDING, None, LABELLED),
        (LABEL, LATE, PENDING, None, EXPIRED),
        (WITH_FEATURES, LATE, PENDING, None, EXPIRED),
        (SKIP, IN_TIME, PENDING, None, SKIPPED),
        (SKIP_WITH_LABEL, IN_TIME, PENDING, None, SKIPPED),
        (SKIP, LAST_MOMENT, PENDING, None, SKIPPED),
        (SKIP, LATE, PENDING, None, EXPIRED),
        # without one, and with a known label, the first label wins
        (LABEL, LATE, None, "spam", DUPLICATE),
        (WITH_FEATURES, LATE, None, "spam", DUPLICATE),
        (LABEL, LATE, None, "ham", CONFLICT),
        (WITH_FEATURES, LATE, None, "ham", CONFLICT),
        (SKIP, LATE, None, "ham", DUPLICATE),
        (SKIP_WITH_LABEL, LATE, None, "ham", DUPLICATE),
        # without both, only a label with features of its own is used
        (WITH_FEATURES, LATE, None, None, UNSOLICITED),
    ],
)
def test_a_label_is_joined_by_its_query_by_the_known_label_and_by_log_time(
    label: Label, at: int, pending: Pending | None, known: str | None, joined: Joined
) -> None:
    before = None if known is None else Known(known)
    assert join(label, at_ms=at, pending=pending, known=before) == joined


@pytest.mark.parametrize(
    "label", [LABEL, SKIP, SKIP_WITH_LABEL, SKIP_WITH_FEATURES, Label("a", "spam", features={})]
)
def test_a_label_without_query_and_without_features_is_a_bad_message(label: Label) -> None:
    with pytest.raises(BadMessage) as caught:
        join(label, at_ms=IN_TIME, pending=None, known=None)
    assert caught.value.reason == "unknown_id"


@pytest.mark.parametrize("known", [False, 0, ""])
def test_a_known_label_that_is_false_is_a_known_label(known: bool | int | str) -> None:
    same, other = Label("a", known), Label("a", "spam")
    assert join(same, at_ms=0, pending=None, known=Known(known)).outcome is Outcome.DUPLICATE
    assert join(other, at_ms=0, pending=None, known=Known(known)).outcome is Outcome.CONFLICT


@pytest.mark.parametrize("falsy", [False, 0, 0.0, ""])
def test_a_label_that_is_false_is_a_label(falsy: bool | float | str) -> None:
    joined = join(Label("a", falsy), at_ms=IN_TIME, pending=PENDING, known=None)
    assert joined.example is not None
    assert joined.example.label is falsy


@settings(derandomize=True, deadline=None)
@given(claimed=st.none() | st.text() | st.sampled_from(["1970-01-01T00:00:10Z", "9999-12-31T00:00:00Z"]))
def test_the_time_of_an_annotators_clock_is_recorded_and_decides_nothing(claimed: str | None) -> None:
    label = Label("a", "spam", labelled_at=claimed)
    in_time = join(label, at_ms=LAST_MOMENT, pending=PENDING, known=None)
    assert in_time.outcome is Outcome.LABELLED
    assert in_time.example is not None
    assert in_time.example.labelled_at == (claimed or "1970-01-01T00:00:15.000Z")
    assert join(label, at_ms=LATE, pending=PENDING, known=None).outcome is Outcome.EXPIRED


def test_joining_does_not_change_its_arguments() -> None:
    before = msgspec.json.encode(QUERY)
    once = join(LABEL, at_ms=IN_TIME, pending=PENDING, known=None)
    assert join(LABEL, at_ms=IN_TIME, pending=PENDING, known=None) == once
    assert msgspec.json.encode(QUERY) == before
