"""River models of every kind, each with examples that it can learn."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from river import datasets

from stream_al.engine.model.model import Model
from stream_al.messages import ClassLabel

Example = tuple[dict[str, Any], ClassLabel]

segments: Any = datasets.ImageSegments  # without types
MODELS = {
    "GaussianNB()": "numbers",
    "HoeffdingTreeClassifier(grace_period=50)": "numbers",
    "HoeffdingTreeClassifier(grace_period=40, delta=0.1)": "mixed",
    "HoeffdingAdaptiveTreeClassifier(grace_period=50)": "numbers",
    "ARFClassifier(n_models=3)": "mixed",
    "SRPClassifier(n_models=2)": "numbers",
    "AMFClassifier(n_estimators=2)": "numbers",
    "KNNClassifier()": "numbers",
    "StandardScaler() | LogisticRegression()": "binary",
    "MinMaxScaler() | LogisticRegression(optimizer=optim.Adam())": "binary",
    "AdPredictor()": "binary",
    "FMClassifier(n_factors=3)": "binary",
    "AdaBoostClassifier(HoeffdingTreeClassifier(grace_period=20), n_models=3)": "numbers",
    "StandardScaler() | SoftmaxRegression()": "numbers",
    "Select('region-centroid-col', 'hue-mean') | StandardScaler() | SoftmaxRegression()": "mixed",
    "StandardScaler() | OneVsRestClassifier(LogisticRegression())": "numbers",
    "(SelectType(str) | OneHotEncoder()) + SelectType(int, float) | GaussianNB()": "mixed",
    "OrdinalEncoder() | BaggingClassifier(GaussianNB(), n_models=3)": "mixed",
    "RBFSampler(n_components=5) | SoftmaxRegression()": "numbers",
    'TFIDF(on="body") | MultinomialNB()': "text",
    'BagOfWords(on="body") | ComplementNB()': "text",
}
"""Definition to the kind of its examples."""


def examples(kind: str, number: int = 150) -> Iterator[Example]:
    """The examples of a kind: numbers, mixed (numbers and texts), binary (two classes), or text."""
    rng = random.Random(3)  # noqa: S311 -- a fixed stream
    if kind == "text":
        for _ in range(number):
            label = rng.choice(["ham", "spam", "eggs"])
            yield (
                {"body": " ".join([*rng.choices(["the", "cat", "sat", "on", "a", "mat"], k=5), label])},
                label,
            )
    elif kind == "binary":
        for x, y in datasets.Phishing().take(number):
            yield x, "bad" if y else "good"
    else:
        for x, y in segments().take(number):
            text = {"colour": rng.choice([y[:2], "red", "blue"]), "town": rng.choice("abcdef")}
            yield ({**x, **text} if kind == "mixed" else x), y


def fold(definition: str) -> Model:
    """The model after all its examples."""
    model = Model(definition, seed=7)
    for features, label in examples(MODELS[definition]):
        model.learn(features, label)
    return model


def fold_all() -> str:
    """The digest of every model, as JSON: what another process prints."""
    return json.dumps({definition: fold(definition).digest() for definition in MODELS})
