"""The default model: the mixture of learners, as the engine uses it."""

from __future__ import annotations

import numpy as np
import pytest

from stream_al.engine.model.model import Model
from stream_al.engine.samples.table import sample_of
from stream_al.engine.selector import Selector
from stream_al.settings import Settings
from tests.engine.learners.mixed_streams import numbers, payments

STREAMS = {"numbers": numbers(120), "payments": payments(120)}
on_each = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


def taught(stream: list[tuple[dict[str, object], str]], definition: str = "auto") -> Model:
    model = Model(definition, seed=1)
    for features, label in stream:
        model.learn(features, label)
    return model


def test_the_default_model_is_auto() -> None:
    assert Settings().model.definition == "auto"


@on_each
@pytest.mark.parametrize("definition", ["auto", "NaiveBayes()", "MondrianForest(n_trees=3)"])
def test_many_predictions_equal_single_ones(
    stream: list[tuple[dict[str, object], str]], definition: str
) -> None:
    model = taught(stream[:80], definition)
    samples = [sample_of(str(place), features) for place, (features, _) in enumerate(stream)]
    rows = model.predict_proba_many(samples).rows()
    assert rows == [model.probabilities(features) for features, _ in stream]


@on_each
def test_the_members_vote_alone_and_at_once_alike(stream: list[tuple[dict[str, object], str]]) -> None:
    model = taught(stream[:80])
    samples = [sample_of(str(place), features) for place, (features, _) in enumerate(stream)]
    tables = model.member_tables(samples)
    assert tables is not None
    assert len(tables) == len(model.member_report()) > 3
    for place, (features, _) in enumerate(stream):
        alone = [list(member.values()) for member in model.members(features)]
        assert np.allclose(alone, [table[place] for table in tables], rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("strategy", ["vote_entropy", "consensus_entropy", "mean_kl"])
def test_strategies_of_committees_use_its_members(strategy: str) -> None:
    selector = Selector(strategy, "stratified", share=0.1, exploration=0.1, seed=1)
    model = selector.strategy.model("auto", seed=1)
    for features, label in STREAMS["numbers"][:80]:
        model.learn(features, label)
    samples = [sample_of(str(place), features) for place, (features, _) in enumerate(STREAMS["numbers"])]
    together = selector.score_many(model, samples, [0] * len(samples))
    assert together == [selector.score(model, sample.id, sample.features) for sample in samples]
    assert len({scored.utility for scored in together if not isinstance(scored, Exception)}) > 4


def test_its_standings_say_who_decides() -> None:
    model = taught(STREAMS["numbers"])
    member_report = model.member_report()
    assert sum(standing["weight"] for standing in member_report.values()) == pytest.approx(1.0)
    assert all(0.0 <= standing["loss"] <= 1.0 for standing in member_report.values())
    assert Model("GaussianNB()", seed=1).member_report() == {}


def test_it_says_which_features_it_leaves_out() -> None:
    left_out = taught(STREAMS["payments"]).left_out()
    assert {"payment_id", "sequence"} <= left_out.keys()
    assert not left_out.keys() & {"amount", "country", "note", "new", "age"}


@pytest.mark.parametrize("definition", ["auto", "GaussianNB()", "HoeffdingTreeClassifier()"])
def test_one_class_is_certain_and_every_label_is_still_wanted(definition: str) -> None:
    selector = Selector("margin", "stratified", share=0.1, exploration=0.1, seed=1)
    model = selector.strategy.model(definition, seed=1)
    assert selector.score(model, "s", {"x": 1.0}).probabilities == {}
    model.learn({"x": 1.0}, "ok")
    scored = selector.score(model, "s", {"x": 2.0})
    assert (scored.probabilities, scored.utility) == ({"ok": 1.0}, 1.0)
    assert model.probabilities({}) == {"ok": 1.0}
