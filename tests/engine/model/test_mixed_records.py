"""The laws of River pipelines on mixed records: numbers, texts and truth values, which may be missing.

A missing feature refuses no label and no prediction, however the pipeline names its features; and where no
feature is missing, the pipelines are River's to the last digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, product
from typing import Any

import pytest
from river import compose, feature_extraction, preprocessing, stats

from stream_al.engine.model import river_patches
from stream_al.engine.model.model import Model
from stream_al.engine.model.pickling import dumps, loads
from stream_al.engine.samples.table import sample_of
from stream_al.errors import BadMessage
from tests.support.models import MODELS, examples

PIPELINES = [
    "(SelectType(Number) | StandardScaler()) + (SelectType(str) | OneHotEncoder()) | LogisticRegression()",
    (
        "(SelectType(numbers.Number) | StandardScaler()) + (SelectType(str) | OneHotEncoder()) | "
        "SoftmaxRegression()"
    ),
    (
        "(Select('amount', 'age') | StandardScaler()) + (Select('country') | OneHotEncoder()) | "
        "LogisticRegression()"
    ),
    "TransformerUnion(Select('amount') | MinMaxScaler(), Select('country') | OneHotEncoder()) | GaussianNB()",
    "(Select('amount') | StatImputer(('amount', stats.Mean())) | StandardScaler()) | LogisticRegression()",
    "(Select('amount') | StandardScaler()) + TFIDF(on='body') | LogisticRegression()",
    "BagOfWords(on='body') | MultinomialNB()",
    "(Discard('country', 'body') | Grouper(StandardScaler(), by='country')) | LogisticRegression()",
    (
        "Discard('body') | (SelectType(Number) | StandardScaler()) + (SelectType(str) | OneHotEncoder()) | "
        "ARFClassifier(n_models=2)"
    ),
]
WHOLE = {"amount": 2.5, "age": 41, "known": True, "country": "NL", "body": "free entry"}


def records() -> Iterator[dict[str, Any]]:
    """Every part of a record, from none of the features to all of them, with values that differ."""
    for number, there in enumerate(product([False, True], repeat=len(WHOLE))):
        kept = {name: value for (name, value), has in zip(WHOLE.items(), there, strict=True) if has}
        if "amount" in kept:
            kept["amount"] = number / 7
        if "country" in kept:
            kept["country"] = ("NL", "DE", "")[number % 3]
        if kept:
            yield kept


@pytest.mark.parametrize("definition", PIPELINES)
def test_a_missing_feature_refuses_no_label_and_no_prediction(definition: str) -> None:
    model = Model(definition, seed=1)
    for _ in range(2):
        for number, features in enumerate(records()):
            model.learn(features, "up" if number % 3 else "down")
            assert sum(model.probabilities(features).values()) == pytest.approx(1.0)


@pytest.mark.parametrize("definition", PIPELINES)
def test_a_batch_of_mixed_records_is_predicted_as_each_alone(definition: str) -> None:
    model = Model(definition, seed=1)
    for number, features in enumerate(records()):
        model.learn(features, "up" if number % 3 else "down")
    samples = [sample_of(str(number), features) for number, features in enumerate(records())]
    found = model.predict_proba_many(samples)
    for row, sample in zip(found.probabilities, samples, strict=True):
        alone = model.probabilities(sample.features)
        assert row.tolist() == pytest.approx([alone[label] for label in found.labels], abs=1e-12)


impute: Any = preprocessing.StatImputer  # untyped
PAIRS: list[tuple[Any, Any]] = [
    (river_patches.Select("amount"), compose.Select("amount")),
    (
        vars(river_patches)["StatImputer"](("amount", stats.Mean())),
        impute(("amount", stats.Mean())),
    ),
    (river_patches.TFIDF(on="body"), feature_extraction.TFIDF(on="body")),
    (
        river_patches.BagOfWords(on="body", ngram_range=(1, 2)),
        feature_extraction.BagOfWords(on="body", ngram_range=(1, 2)),
    ),
    (
        river_patches.Grouper(preprocessing.StandardScaler(), by=["country"]),
        compose.Grouper(preprocessing.StandardScaler(), by=["country"]),
    ),
]


@pytest.mark.parametrize(("ours", "rivers"), PAIRS, ids=lambda one: type(one).__module__.split(".")[0])
def test_where_nothing_is_missing_a_replaced_class_does_what_rivers_does(ours: Any, rivers: Any) -> None:
    numbers = {"country", "amount", "age"} if isinstance(rivers, compose.Grouper) else set(WHOLE)
    for number in range(20):
        whole = WHOLE | {"amount": number / 3, "country": "AB"[number % 2], "body": "win " * (number % 4)}
        features = {name: whole[name] for name in WHOLE if name in numbers}
        if isinstance(rivers, compose.Grouper):
            features = {"country": number % 2, "amount": whole["amount"]}
        for one in (ours, rivers):
            one.learn_one(features)
        assert list(ours.transform_one(features).items()) == list(rivers.transform_one(features).items())


def test_a_pipeline_by_types_survives_a_snapshot() -> None:
    model = Model(PIPELINES[0], seed=1)
    model.learn(WHOLE, "up")
    assert loads(dumps(model)).digest() == model.digest()


@pytest.mark.parametrize("definition", MODELS)
def test_predicting_changes_nothing_after_examples_that_river_fails_on(definition: str) -> None:
    """River may learn a part of such an example, and must not make up for the rest when it predicts."""
    asked, unasked = Model(definition, seed=7), Model(definition, seed=7)
    for number, (features, label) in enumerate(islice(examples(MODELS[definition]), 20)):
        spoilt = {**features, f"new {number}": "a text"} if number % 4 == 1 else features
        for model in (asked, unasked):
            with suppress(BadMessage):
                model.learn(spoilt, label)
        for sample in (spoilt, {**features, **dict.fromkeys(spoilt.keys() - features.keys(), 1.0)}):
            with suppress(BadMessage):
                asked.probabilities(sample)
        assert asked.digest() == unasked.digest()
