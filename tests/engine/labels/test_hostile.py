"""The law of the fold under hostile examples: an example that could not be folded would end every replica."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_al.engine import strategies
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner
from stream_al.engine.trust.again import Wanted, candidates, second_query
from stream_al.errors import BadMessage
from stream_al.identity import distinct_id, version_of
from stream_al.messages import Example, ModelStamp, Query, decode, encode

law = settings(derandomize=True, deadline=None, max_examples=60)

LIMIT = 1_000_000
FEATURES: list[Any] = [None, {}, {"x": 1.0}, {"x": 2.0}, {"x": "t", "": True}, {"x": [1]}, {"x": 10**400}]
VERSIONS = [version_of(one) for one in FEATURES if one]
NAMES = ["a", "b", "a~2", "a~3", "a~\N{SUPERSCRIPT TWO}", "~2", "a~-1", distinct_id("a", VERSIONS[0])]
TIMES = [None, "", "soon", "2026-01-01T00:00:05Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
PROBABILITIES: list[dict[str, float]] = [
    {},
    {"up": 0.5, "down": 0.5},
    {"up": 1e308, "down": -1e308},
    {"1": 0.0, "up": 0.0},
]
labels: st.SearchStrategy[Any] = st.sampled_from(["up", "down", 1, True, -0.0, "1", 1e308, 2**64 - 1, "~"])
predictions = st.fixed_dictionaries(
    {"label": st.none() | labels, "probabilities": st.sampled_from(PROBABILITIES)}
)
records = st.fixed_dictionaries(
    {"id": st.sampled_from(NAMES), "label": labels},
    optional={
        "features": st.sampled_from(FEATURES),
        "annotator": st.sampled_from(["x", "y", "", None, 7]),
        "propensity": st.sampled_from([0.5, 1.0, 1e-320, -1.0, 0.0, 1e308, None]),
        "prediction": st.none() | predictions,
        "reason": st.sampled_from(["explore", "uncertain", "?"]),
        "queried_at": st.sampled_from(TIMES),
        "labelled_at": st.sampled_from([*TIMES, -1e11]),
        "version": st.sampled_from(VERSIONS),
        "second_of": st.sampled_from(NAMES),
        "corrects": st.booleans(),
        "model": st.sampled_from([None, {"name": "", "version": "", "examples": -(10**50)}]),
    },
)


def bought(sample_id: str, **more: Any) -> dict[str, Any]:
    prediction = {"label": "up", "probabilities": PROBABILITIES[1]}
    made = {"id": sample_id, "label": "up", "prediction": prediction, "propensity": 0.5, "reason": "explore"}
    return {**made, "features": {"x": 1.0}, "annotator": "x"} | more


SECOND = bought("a~\N{SUPERSCRIPT TWO}", second_of="a", version=version_of({"x": 1.0}), annotator="y")


@law
@given(given_records=st.lists(records, max_size=20))
@example(given_records=[bought("a"), SECOND, {"id": SECOND["id"], "label": "down", "corrects": True}])
@example(given_records=[bought("a", queried_at="soon")])
def test_whatever_the_examples_are_they_are_folded_and_what_comes_of_them_can_be_used(
    given_records: list[dict[str, Any]],
) -> None:
    learner = Learner(strategies.strategy("margin").model("GaussianNB()", seed=0), KnownLabels(6))
    for offset, record in enumerate(given_records):
        try:
            read = decode(Example, encode(record), max_bytes=LIMIT)
        except BadMessage:
            continue
        learner.fold(read, offset)
    list(learner.trust.proposals())
    for wanted in (Wanted(1, 0.5), Wanted(3, 0.0)):
        for one in candidates(learner.trust, wanted):
            model, now_ms = ModelStamp("m", "v", 1), 10**12
            query = second_query(one, model=model, now_ms=now_ms, life_ms=1000, pending=0, bought=None)
            assert decode(Query, encode(query), max_bytes=LIMIT) == query
    for kept in learner.trust.last.samples.values():
        kept.item()
