"""The laws of trust in labels: what the fold learns about labels and annotators."""

from __future__ import annotations

import pickle
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.labels.corrections import Corrections
from stream_al.engine.labels.judge import KnownLabels
from stream_al.engine.labels.learner import Learner, Outcome
from stream_al.engine.model.model import Model
from stream_al.engine.trust import annotators, items, trust
from stream_al.engine.trust.again import Wanted, candidates, chosen, second_query
from stream_al.engine.trust.annotators import Annotators
from stream_al.engine.trust.crowdlab import Tally
from stream_al.engine.trust.suspects import suspects
from stream_al.identity import version_of
from stream_al.messages import Example, ModelStamp, Prediction, encode

law = settings(derandomize=True, deadline=None, max_examples=40)
FEATURES: dict[str, Any] = {"x": 1.0}
SECOND = Wanted(second_share=0.1)


def learner(remember: int = 10_000) -> Learner:
    return Learner(Model("GaussianNB()", seed=0), KnownLabels(remember))


def first(
    sample_id: str, label: str = "up", annotator: str | None = "ann", p: float = 0.7, **rest: Any
) -> Example:
    """A first label; p is the probability of `up`."""
    predicted = Prediction("up" if p > 0.5 else "down", {"up": p, "down": 1 - p})
    given = {"features": FEATURES, "propensity": 0.5, "reason": "uncertain", "prediction": predicted}
    return Example(sample_id, label, annotator=annotator, **{**given, **rest})


def second(sample_id: str, label: str, annotator: str | None = "bob", number: int = 2) -> Example:
    return Example(
        f"{sample_id}~{number}",
        label,
        annotator=annotator,
        reason="second",
        propensity=0.5,
        prediction=Prediction("up", {"up": 0.7, "down": 0.3}),
        version=version_of(FEATURES),
        second_of=sample_id,
        labelled_by=["ann", "bob", "eve"][: number - 1],
    )


def folded(*examples: Example) -> Learner:
    found = learner()
    for offset, example in enumerate(examples):
        found.fold(example, offset)
    return found


def test_a_second_label_is_recorded_and_never_learned() -> None:
    alone, both = folded(first("s1")), folded(first("s1"), second("s1", "down"))
    assert both.counts[Outcome.SECOND] == 1
    assert both.model.examples == 1
    assert both.model.digest() == alone.model.digest()
    assert both.known["s1"] == "up"
    assert both.evaluation == alone.evaluation
    assert (both.trust.second_labels, both.trust.agreeing) == (1, 0)


def test_a_second_label_that_is_written_twice_counts_once() -> None:
    once = folded(first("s1"), second("s1", "down"))
    twice = folded(first("s1"), second("s1", "down"), second("s1", "down"), second("s1", "up"))
    assert twice.trust == once.trust
    assert (twice.counts[Outcome.DUPLICATE], twice.counts[Outcome.CONFLICT]) == (1, 1)


def test_a_second_label_of_an_unknown_sample_or_of_another_version_says_nothing() -> None:
    other = msgspec.structs.replace(second("s1", "down"), version="v0")
    for example in (second("s2", "down"), other):
        found = folded(first("s1"), example)
        assert found.counts[Outcome.FORGOTTEN] == 1
        assert found.trust == folded(first("s1")).trust


logs = st.lists(
    st.one_of(
        st.builds(
            first,
            st.sampled_from(["a", "b", "c", "d"]),
            st.sampled_from(["up", "down"]),
            st.sampled_from(["ann", "bob", None]),
            st.floats(0, 1),
            reason=st.sampled_from(["uncertain", "explore", "seed"]),
        ),
        st.builds(
            second,
            st.sampled_from(["a", "b", "c", "d"]),
            st.sampled_from(["up", "down"]),
            st.sampled_from(["bob", "eve", None]),
            st.sampled_from([2, 3]),
        ),
    ),
    max_size=30,
)


@law
@given(log=logs, cut=st.integers(0, 30))
def test_a_replica_that_starts_from_a_snapshot_knows_what_one_knows_that_has_folded_all(
    log: list[Example], cut: int
) -> None:
    whole, part = folded(*log), folded(*log[:cut])
    again: Learner = pickle.loads(pickle.dumps(part))  # noqa: S301 - written here
    for offset, example in enumerate(log[cut:], cut):
        again.fold(example, offset)
    assert again.trust == whole.trust
    assert list(candidates(again.trust, SECOND)) == list(candidates(whole.trust, SECOND))
    assert list(again.trust.proposals()) == list(whole.trust.proposals())


@law
@given(log=logs)
def test_the_counts_are_those_of_the_samples_as_they_are_now(log: list[Example]) -> None:
    """However the labels came: the counts of samples with fewer labels are taken back."""
    found, anew = folded(*log).trust, Tally()
    for item in found.items:
        anew.add(item.opinions)
    mine, its = found.tally, anew
    assert (mine.items, mine.labels, mine.several, mine.model_wrong) == (
        its.items,
        its.labels,
        its.several,
        its.model_wrong,
    )
    assert mine.agreement == pytest.approx(its.agreement)
    assert mine.consensus == its.consensus
    assert (mine.annotators.pairs, mine.annotators.agreeing) == (
        its.annotators.pairs,
        its.annotators.agreeing,
    )
    assert mine.annotators.agreements() == its.annotators.agreements()


def test_a_forgotten_sample_still_tells_whether_its_annotators_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MOST", 3)
    found = folded(*(first(f"s{n}") for n in range(10)), second("s0", "down"))
    assert found.trust.items.get("s0") is not None
    assert found.trust.tally.annotators.agreements() == {"ann": 0.0, "bob": 0.0}


def test_memory_is_bounded_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "MOST", 20)
    monkeypatch.setattr(items, "MOST_BYTES", 6_000)
    monkeypatch.setattr(annotators, "MOST", 5)
    found = learner()
    for n in range(300):
        reason = "explore" if n % 2 else "uncertain"
        found.fold(first(f"s{n}", f"class {n}", f"a{n}", reason=reason, payload="p" * (n % 10) * 40), 2 * n)
        found.fold(second(f"s{n}", "down", f"b{n}"), 2 * n + 1)
    kept = found.trust.items
    assert len(kept) <= 3 * 20
    assert kept.bytes == sum(len(item.record) for item in kept) <= 6_000
    assert len(found.trust.tally.annotators.by_name) == 5
    assert found.trust.tally.annotators.others.labels > 0
    assert len(found.trust.confusion.cells) <= 51 * 51
    assert len(found.trust.tally.consensus) <= 100
    assert len(found.trust.suspicious) + len(found.trust.suspicious_of_doubted) <= 2 * trust.MOST_SUSPICIONS


def test_disputes_are_asked_about_first_then_the_labels_most_in_doubt() -> None:
    found = folded(
        first("sure", p=0.99),
        first("wrong", p=0.02),
        first("random", p=0.98, reason="explore"),
        first("disputed", p=0.9),
        first("agreed", p=0.9),
        second("disputed", "down"),
        second("agreed", "up"),
    )
    order = candidates(found.trust, SECOND)
    assert [one.id for one in order] == ["disputed~3", "wrong~2", "random~2", "sure~2"]


def test_few_disputes_wait_for_a_further_label_at_one_time() -> None:
    """A team of two cannot decide one, and would pay for each. Other samples are asked about meanwhile."""
    disputed = [one for n in range(20) for one in (first(f"s{n}"), second(f"s{n}", "down"))]
    ranked = candidates(folded(*disputed, first("other")).trust, SECOND)
    asked: set[str] = set()
    for most in (3, 30, 30):
        asked |= {one.id for one in chosen(ranked, most, asked.__contains__, seed=0)}
        assert sum(name.endswith("~3") for name in asked) == min(most, 5)
    assert "other~2" in asked


@given(partitions=st.integers(1, 5))
def test_every_sample_is_asked_about_by_one_partition(partitions: int) -> None:
    ranked = candidates(folded(*(first(f"s{n}") for n in range(40))).trust, SECOND)
    found = [
        one.id
        for n in range(partitions)
        for one in chosen(ranked, 99, lambda name: False, seed=1, partition=n, partitions=partitions)
    ]
    assert sorted(found) == sorted(one.id for one in ranked)


def test_every_sample_gets_as_many_labels_as_are_wanted_and_a_dispute_one_more() -> None:
    log = [first("s"), second("s", "up")]
    for number, annotator in ((3, "eve"), (4, "dan")):
        ids = [one.id for one in candidates(folded(*log).trust, Wanted(per_query=number))]
        assert ids == [f"s~{number}"]
        assert candidates(folded(*log).trust, Wanted(per_query=number - 1)) == []
        log.append(second("s", "up", annotator, number))
    disputed = [first("s"), second("s", "down")]
    assert [one.id for one in candidates(folded(*disputed).trust, Wanted(per_query=2))] == ["s~3"]
    settled = [*disputed, second("s", "down", "eve", 3)]
    assert candidates(folded(*settled).trust, Wanted(per_query=2)) == []


def test_a_second_query_is_blind_and_has_what_the_annotator_was_shown() -> None:
    found = folded(first("s", "down", payload={"image": "data:,"}))
    (candidate,) = candidates(found.trust, SECOND)
    query = second_query(
        candidate, model=ModelStamp("model", "v", 1), now_ms=0, life_ms=1000, pending=0, bought=(1, 7)
    )
    assert (query.id, query.second_of, query.labelled_by) == ("s~2", "s", ["ann"])
    assert (query.features, query.payload, query.propensity) == (FEATURES, {"image": "data:,"}, 0.5)
    assert (query.reason, query.version, query.bought) == ("second", version_of(FEATURES), (1, 7))
    assert b'"label":"down"' not in encode(query)


def test_a_consensus_that_contradicts_the_first_label_is_proposed() -> None:
    found = folded(first("s", "down"), second("s", "up"), second("s", "up", "eve", 3))
    (proposal,) = found.trust.proposals()
    assert (proposal.id, proposal.offset, proposal.label, proposal.consensus) == ("s", 0, "down", "up")
    assert 0.5 < proposal.posterior <= 1.0
    for fine in ([first("s"), second("s", "up")], [first("s"), second("s", "down")], [first("s", "down")]):
        assert list(folded(*fine).trust.proposals()) == []


def test_the_model_decides_between_two_labels_where_it_is_sure() -> None:
    """By what it had predicted before it learned any of them; at even odds the label stays."""
    for p, proposed in ((0.95, True), (0.7, True), (0.6, False), (0.5, False), (0.1, False)):
        found = folded(first("s", "down", p=p), second("s", "up"))
        assert [one.consensus for one in found.trust.proposals()] == ["up"] * proposed


def test_who_contradicts_the_rest_is_named_and_nobody_else() -> None:
    found, draw = Annotators(), random.Random(1)  # noqa: S311 - a test's annotators
    for _ in range(150):
        names = draw.sample(["ann", "bob", "cid", "eve"], 2)
        labels = ["b" if name == "eve" and draw.random() < 0.5 else "a" for name in names]
        found.count(names, labels, "a", 1)
    assert found.contradicting() == ["eve"]


def test_two_who_disagree_accuse_neither() -> None:
    found = Annotators()
    for _ in range(500):
        found.count(["ann", "eve"], ["a", "b"], "a", 1)
    assert found.contradicting() == []


def test_a_label_against_a_sure_prediction_is_suspicious_and_says_of_which_kind_it_is() -> None:
    log = [first(f"s{n}", p=0.8, reason="explore" if n % 2 else "uncertain") for n in range(20)]
    found = folded(*log, first("odd", "down", p=0.95, reason="explore"), first("hard", "down", p=0.95))
    assert [one.id for one in found.trust.suspicious] == ["odd"]
    assert [one.id for one in found.trust.suspicious_of_doubted] == ["hard"]
    assert found.trust.suspicious[0].self_confidence == pytest.approx(0.05)


def test_a_conflict_that_nobody_asked_for_is_listed() -> None:
    found = folded(first("s"), Example("s", "down", annotator="bob", version=version_of(FEATURES)))
    (conflict,) = found.trust.conflicts
    assert (conflict.id, conflict.counts, conflict.label, conflict.annotator) == ("s", "up", "down", "bob")


def test_only_labels_that_the_service_has_bought_are_weighed() -> None:
    found = folded(first("s", reason="unsolicited", propensity=None, prediction=None))
    assert len(found.trust.items) == found.trust.tally.items == 0
    assert found.trust.tally.annotators.by_name["ann"].labels == 1
    assert (
        folded(first("s", reason="unsolicited", propensity=None), second("s", "down")).trust.second_labels
        == 1
    )


def test_a_sample_that_was_decided_on_is_no_longer_open() -> None:
    correction = Example("s", "up", reason="correction", version=version_of(FEATURES), corrects=True)
    log = [first("s", "down", p=0.8), second("s", "up"), second("s", "up", "eve", 3)]
    assert list(folded(*log).trust.proposals())
    assert list(folded(*log, correction).trust.proposals()) == []
    disputed = [first("s", "down"), second("s", "up")]
    assert candidates(folded(*disputed).trust, SECOND)
    settled = folded(*disputed, correction).trust
    assert candidates(settled, SECOND) == []
    assert list(suspects(settled)) == []


def test_what_is_known_of_annotators_does_not_depend_on_when_the_model_was_rebuilt() -> None:
    """A replica that knows a correction in advance counts the labels as they were given."""
    log = [first("s", "down"), second("s", "up"), Example("s", "up", reason="consensus", corrects=True)]
    later, ahead = folded(*log), learner()
    ahead.correct(Corrections({0: "up"}, end=3))
    for offset, example in enumerate(log):
        ahead.fold(example, offset)
    assert ahead.trust == later.trust
    assert ahead.trust.agreeing == 0


def test_a_memory_of_one_label_forgets_and_does_not_fail() -> None:
    found = learner(remember=1)
    for offset, example in enumerate([first("s"), second("s", "up"), first("t"), second("t", "down")]):
        found.fold(example, offset)
    assert found.trust.second_labels == 2
