"""The cases: a model, a kind of sample, and how many samples are enough to measure.

Samples come from a seeded generator. A linear rule with noise gives the label, so every model can learn
something and stays uncertain about something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from stream_al.messages import Example, encode

__all__ = ["CASES", "LEARNED", "Case", "Row"]

LEARNED = 2000  # examples that a model knows before it is measured

LOGISTIC = "StandardScaler() | LogisticRegression()"
WORDS = [f"word{number}" for number in range(2000)]


@dataclass(frozen=True, slots=True)
class Row:
    """A sample and its label."""

    id: str
    features: dict[str, Any]
    label: str

    def encoded(self) -> bytes:
        """The sample as its topic holds it."""
        return msgspec.json.encode({"id": self.id, "features": self.features})

    def example(self) -> bytes:
        """The sample with its label, as the model learns it."""
        return encode(Example(self.id, self.label, self.features, reason="seed"))

    def label_message(self) -> bytes:
        """The message with its label."""
        return msgspec.json.encode({"id": self.id, "label": self.label})


@dataclass(frozen=True, slots=True)
class Case:
    """A model and the samples that it is measured with.

    Attributes:
        name: The name of the case.
        model: A River expression.
        kind: `dense`, `sparse` or `text`.
        features: How many features there are.
        present: How many of them a sample has.
        share: The share of the 300,000 samples that a slow model is measured with.
    """

    name: str
    model: str
    kind: str = "dense"
    features: int = 10
    present: int = 10
    share: float = 1.0

    def rows(self, number: int, seed: int = 0) -> Iterator[Row]:
        """Draw samples with their labels."""
        random = Random(seed)  # noqa: S311 - a stream to measure with
        make = {"dense": self._dense, "sparse": self._sparse, "text": self._text}[self.kind]
        for index in range(number):
            features, score = make(random)
            yield Row(f"s{index:07}", features, "high" if score > 0 else "low")

    def _dense(self, random: Random) -> tuple[dict[str, Any], float]:
        values = [round(random.gauss(0.0, 1.0), 6) for _ in range(self.features)]
        score = sum(values[::2]) - sum(values[1::2]) + random.gauss(0.0, 1.0)
        return {f"f{place}": value for place, value in enumerate(values)}, score

    def _sparse(self, random: Random) -> tuple[dict[str, Any], float]:
        places = sorted(random.sample(range(self.features), self.present))
        values = [round(random.gauss(0.0, 1.0), 6) for _ in places]
        score = sum(value * (1 if place % 2 else -1) for place, value in zip(places, values, strict=True))
        return {f"f{place}": value for place, value in zip(places, values, strict=True)}, score

    def _text(self, random: Random) -> tuple[dict[str, Any], float]:
        places = [int(2000 * random.random() ** 3) for _ in range(15)]
        score = sum(1 if place % 2 else -1 for place in places) + random.gauss(0.0, 1.0)
        return {"text": " ".join(WORDS[place] for place in places)}, score


CASES = (
    Case("logistic", LOGISTIC),
    Case("bayes", "GaussianNB()", share=0.3),
    Case("softmax", "StandardScaler() | SoftmaxRegression()", share=0.3),
    Case("tree", "HoeffdingTreeClassifier(grace_period=50)", share=0.1),
    Case("forest", "ARFClassifier(n_models=10, seed=1)", share=0.02),
    Case("sparse_100", LOGISTIC, "sparse", 100, 20, share=0.2),
    Case("sparse_1000", LOGISTIC, "sparse", 1000, 50, share=0.1),
    Case("text", "TFIDF(on='text') | MultinomialNB()", "text", 2000, 15, share=0.05),
    Case("auto", "auto", share=0.2),
    Case("auto_500", "auto", features=500, present=500, share=0.02),
    Case("auto_text", "auto", "text", 2000, 15, share=0.05),
)
