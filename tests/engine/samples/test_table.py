"""The laws of tables: what is computed of many samples at once is what is computed of each alone."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_al.engine.model.batch_scoring import scorer
from stream_al.engine.model.definition.expression import load
from stream_al.engine.model.model import Model
from stream_al.engine.model.sketch import project
from stream_al.engine.samples.table import Sample, Table, sample_of
from stream_al.engine.selector import Selector
from stream_al.engine.strategies import STRATEGIES, strategy
from stream_al.errors import BadMessage

law = settings(derandomize=True, deadline=None, max_examples=60)
SCORED = [
    "StandardScaler() | LogisticRegression()",
    "LogisticRegression(l2=0.1)",
    "StandardScaler() | SoftmaxRegression()",
    "SoftmaxRegression()",
    "GaussianNB()",
    "StandardScaler() | GaussianNB()",
]
RIVER_ALONE = ["HoeffdingTreeClassifier(grace_period=50)", "MinMaxScaler() | LogisticRegression()"]
NAMES = [f"f{number}" for number in range(12)]

numbers = st.floats(-1e6, 1e6) | st.integers(-(2**62), 2**62) | st.booleans()
values = st.one_of(
    numbers, numbers, numbers, st.text(max_size=4), st.sampled_from([0.0, -0.0, 1e-300, 1e300])
)
features = st.dictionaries(st.sampled_from([*NAMES, "new"]), values, min_size=1)
batches = st.lists(features, min_size=1, max_size=40)


def stream(number: int, classes: int = 2) -> list[tuple[dict[str, Any], int]]:
    draw = random.Random(5)  # noqa: S311 -- a fixed stream
    rows = []
    for i in range(number):
        label = i % classes
        row = {name: draw.gauss(label * 0.3, 1.0 + place) for place, name in enumerate(NAMES[:10])}
        rows.append(({**row, "f10": 4.0, "f11": draw.random() < 0.5}, label))  # f10 has no variance
    return rows


def trained(definition: str, text: str = "margin", classes: int = 2) -> Model:
    model = strategy(text).model(definition, seed=1)
    for sample, label in stream(120, classes):
        model.learn(sample, ("ham", "spam", "eggs")[label])
    return model


def classes_of(definition: str) -> int:
    return 2 if "Logistic" in definition else 3


MODELS = {
    definition: trained(definition, classes=classes_of(definition)) for definition in [*SCORED, *RIVER_ALONE]
}


def samples_of(batch: list[dict[str, Any]]) -> list[Sample]:
    return [sample_of(f"s{i}", given) for i, given in enumerate(batch)]


@pytest.mark.parametrize("definition", [*SCORED, *RIVER_ALONE])
@law
@given(batch=batches)
def test_a_sample_gets_the_same_prediction_alone_and_in_a_batch(
    definition: str, batch: list[dict[str, Any]]
) -> None:
    """To the last bit, since a replay reads other batches and must decide alike."""
    model, samples = MODELS[definition], samples_of(batch)
    together = model.predict_proba_many(samples)
    for place, sample in enumerate(samples):
        alone = model.predict_proba_many([sample])
        assert (place in together.failed) == (0 in alone.failed)
        assert together.known[place] == alone.known[0]
        assert together.rows()[place] == alone.rows()[0]


@pytest.mark.parametrize("definition", SCORED)
def test_a_sample_gets_the_same_prediction_in_batches_of_any_size(definition: str) -> None:
    """Also in batches longer than the blocks that NumPy computes at once."""
    model, samples = MODELS[definition], samples_of([given for given, _ in stream(600)])
    alone = [model.predict_proba_many([sample]).probabilities[0].tolist() for sample in samples]
    for size in (2, 7, 8, 9, 63, 64, 65, 600):
        assert model.predict_proba_many(samples[:size]).probabilities.tolist() == alone[:size]


@pytest.mark.parametrize("definition", SCORED)
@law
@given(batch=batches)
def test_a_scorer_returns_what_river_returns(definition: str, batch: list[dict[str, Any]]) -> None:
    model = MODELS[definition]
    assert scorer(model.classifier.river) is not None
    predictions = model.predict_proba_many(samples_of(batch))
    for place, given_features in enumerate(batch):
        with suppress(BadMessage):  # River computes with Python's numbers, which raise on overflow
            expected = model.probabilities(given_features)
            if all(isinstance(v, str) or abs(v) < 1e100 for v in given_features.values()):
                assert predictions.rows()[place] == pytest.approx(expected, abs=2e-12)


@pytest.mark.parametrize("definition", SCORED)
def test_a_scorer_follows_the_model(definition: str) -> None:
    """It keeps nothing of the model from before it learned."""
    model = trained(definition, classes=classes_of(definition))
    probe, label = stream(1)[0][0], "spam"
    for _ in range(5):
        model.predict_proba_many([sample_of("s", probe)])
        model.learn(probe, label)
        assert model.predict_proba_many([sample_of("s", probe)]).rows()[0] == pytest.approx(
            model.probabilities(probe), abs=2e-12
        )


def test_only_models_with_known_formulas_have_a_scorer() -> None:
    """A class derived from one of River's may compute anything."""
    from river import linear_model, naive_bayes, optim, preprocessing  # noqa: PLC0415

    own: Any = type("Own", (naive_bayes.GaussianNB,), {})
    windowed: Any = preprocessing.StandardScaler(window_size=9)
    for model in (
        own(),
        windowed | linear_model.LogisticRegression(),
        linear_model.LogisticRegression(loss=optim.losses.Hinge()),
        load("MinMaxScaler() | GaussianNB()", seed=0),
    ):
        assert scorer(model) is None


@pytest.mark.parametrize("text", [*STRATEGIES, "margin * class_balance^0.5 * novelty"])
@settings(law, max_examples=10)
@given(batch=st.lists(features, min_size=1, max_size=8))
def test_a_batch_is_scored_as_its_samples_are(text: str, batch: list[dict[str, Any]]) -> None:
    """With any strategy; where River fails on a sample, only that sample fails."""
    model = model_for(text)
    selector = Selector(text, "stratified", share=0.1, exploration=0.1, seed=0)
    samples = samples_of(batch)
    scored = selector.score_many(model, samples, range(len(samples)))
    for place, sample in enumerate(samples):
        (alone,) = selector.score_many(model, [sample], [place])
        assert scored[place] == alone


def test_a_sample_that_river_fails_on_does_not_affect_the_others() -> None:
    model = model_for("margin")
    selector = Selector("margin", "stratified", share=0.1, exploration=0.1, seed=0)
    good, bad = stream(1)[0][0], {"f0": "text"}
    scored = selector.score_many(model, samples_of([good, bad, good]), [1, 2, 3])
    assert [each.failure is None for each in scored] == [True, False, True]
    failed = selector.score(model, "s", bad)
    assert failed.failure is not None
    assert "River cannot predict" in failed.failure.message
    assert (failed.probabilities, failed.utility) == ({}, 0.0)


CACHE: dict[str, Model] = {}


def model_for(text: str) -> Model:
    members = any(word in text for word in ("vote", "consensus", "kl"))
    definition = (
        "BaggingClassifier(GaussianNB(), n_models=3, seed=1)"
        if members
        else "StandardScaler() | LogisticRegression()"
    )
    if text not in CACHE:
        CACHE[text] = trained(definition, text)
    return CACHE[text]


@law
@given(batch=st.lists(st.dictionaries(st.sampled_from(NAMES), numbers, min_size=1), min_size=1, max_size=20))
def test_a_table_holds_each_number_under_its_name(batch: list[dict[str, Any]]) -> None:
    table = Table.of(samples_of(batch))
    ends = [*table.begins[1:], len(table.values)]
    for given_features, begin, end in zip(batch, table.begins, ends, strict=True):
        names = [table.names[column] for column in table.columns[begin:end]]
        held = dict(zip(names, table.values[begin:end].tolist(), strict=True))
        assert held == {name: float(value) for name, value in given_features.items()}
    assert table.sums(np.ones(len(table.values))).tolist() == [len(given) for given in batch]


def test_samples_of_one_shape_make_the_same_table_as_any() -> None:
    rows = [given for given, _ in stream(9)]
    shape = sample_of("", rows[0]).shape
    shared = [Sample(f"s{i}", shape, tuple(given.values())) for i, given in enumerate(rows)]
    one, other = Table.of(shared), Table.of(samples_of(rows))
    assert (one.regular, other.regular) == (True, False)
    for name in ("names", "values", "columns", "begins"):
        assert list(getattr(one, name)) == list(getattr(other, name))


@law
@given(given_features=features)
def test_a_sketch_does_not_depend_on_the_other_samples(given_features: dict[str, Any]) -> None:
    model = model_for("novelty")
    assert model.reference_set is not None
    others = [given for given, _ in stream(30)]
    made = model.references().sketches(samples_of([*others, given_features, *others]))
    assert made[30].tobytes() == project(given_features, model.reference_set.scale())
    shape = sample_of("", others[0]).shape
    regular = model.references().sketches([Sample("", shape, tuple(given.values())) for given in others])
    assert regular.tobytes() == made[:30].tobytes()
    assert not math.isnan(float(made.sum()))
